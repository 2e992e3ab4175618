//! The package as it is deployed, wrapper and glue, in whatever host the tests run, beside the one that it repairs.

use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

const GLUE: &str = include_str!("../../../../.autoclave/build/canary-boundary-fixed/pkg/web/canary_boundary_fixed.js");
const MODULE: &[u8] =
    include_bytes!("../../../../.autoclave/build/canary-boundary-fixed/pkg/web/canary_boundary_fixed_bg.wasm");
const WRAPPER: &str = include_str!("../../package/harden.mjs");
const STOCK_GLUE: &str = include_str!("../../../../.autoclave/build/canary-boundary/pkg/web/canary_boundary.js");
const STOCK_MODULE: &[u8] =
    include_bytes!("../../../../.autoclave/build/canary-boundary/pkg/web/canary_boundary_bg.wasm");
const HARDENED: &str = include_str!("hardened.mjs");

/// Imports the text of an ES module.
async fn import(text: &str) -> JsValue {
    let text = js_sys::encode_uri_component(text);
    let load = Function::new_with_args("url", "return import(url)");
    let promise = load.call1(&JsValue::NULL, &format!("data:text/javascript,{text}").into()).unwrap();
    JsFuture::from(promise.unchecked_into::<Promise>()).await.unwrap()
}

fn member(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap()
}

fn call(f: &JsValue, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    f.unchecked_ref::<Function>().apply(&JsValue::UNDEFINED, &arguments.iter().copied().collect::<Array>())
}

/// Each row of a table in `hardened.mjs`, one after the other on the same instance; what a row answers is a list of what
/// is wrong.
async fn every_row(table: &str, rows_min: u32) {
    let (cases, wrapper) = (import(HARDENED).await, import(WRAPPER).await);
    let (glue, stock) = (import(GLUE).await, import(STOCK_GLUE).await);
    let [module, stock_module] = [MODULE, STOCK_MODULE].map(Uint8Array::from);
    let packages =
        call(&member(&cases, "packages"), &[&member(&wrapper, "harden"), &glue, &module, &stock, &stock_module]);
    let packages = packages.unwrap();
    let rows: Array = member(&cases, table).unchecked_into();
    let mut wrong = Vec::new();
    for row in rows.iter() {
        let faults = call(&member(&cases, "run"), &[&row, &packages]);
        let faults: Array = faults.unwrap().unchecked_into();
        wrong.extend(faults.iter().filter_map(|fault| fault.as_string()));
    }
    assert!(rows.length() >= rows_min, "{} rows of {table}", rows.length());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[wasm_bindgen_test]
async fn ordinary_values_give_what_the_stock_package_gives() {
    every_row("ordinary", 25).await;
}

#[wasm_bindgen_test]
async fn what_is_wrong_is_refused_before_anything_happens() {
    every_row("refused", 40).await;
}

#[wasm_bindgen_test]
async fn no_fault_is_left() {
    every_row("repaired", 12).await;
}

#[wasm_bindgen_test]
fn formulas_are_worked_out() {
    use canary_boundary_fixed::worked_out;
    for (formula, value) in [
        ("1", Some(1.0)),
        (" 1 + 2 * 3 ", Some(7.0)),
        ("(1+2)*3", Some(9.0)),
        ("-(2-5)/.5", Some(6.0)),
        ("8/4/2", Some(1.0)),
        ("", None),
        ("1+", None),
        ("(1", None),
        ("1)", None),
        ("1.2.3", None),
        ("process.exit(1)", None),
    ] {
        assert_eq!(worked_out(formula.as_bytes()), value, "{formula}");
    }
    assert_eq!(worked_out(&b"(".repeat(100_000)), None);
}

#[wasm_bindgen_test]
fn messages_without_fields_are_read() {
    let read = |text: &[u8]| canary_boundary_fixed::hl7(text.to_vec());
    let texts = [&b""[..], b"MSX", br"MSH|^~\&|LAB|X", b"MSH|^~\\&|LAB|X\r", b"MSH|^~\\&\r", b"MSH|^~\\&||X\r"];
    assert_eq!(texts.map(read), [0, 2, 8, 12, 11, 13]);
}
