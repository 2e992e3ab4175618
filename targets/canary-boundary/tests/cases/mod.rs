//! The package as it is deployed, in whatever host the tests run: loaded from `data:` URLs, which every host imports.

use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

const GLUE: &str = include_str!("../../../../.autoclave/build/canary-boundary/pkg/web/canary_boundary.js");
const MODULE: &[u8] = include_bytes!("../../../../.autoclave/build/canary-boundary/pkg/web/canary_boundary_bg.wasm");
const DOCUMENTED: &str = include_str!("documented.mjs");

/// Imports the text of an ES module; each `number` gives a copy of its own.
async fn import(text: &str, number: u32) -> JsValue {
    let text = js_sys::encode_uri_component(&format!("{text}\n// copy {number}\n"));
    let load = Function::new_with_args("url", "return import(url)");
    let promise = load.call1(&JsValue::NULL, &format!("data:text/javascript,{text}").into()).unwrap();
    JsFuture::from(promise.unchecked_into::<Promise>()).await.unwrap()
}

fn member(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap()
}

/// Each row of `documented.mjs` on an instance of its own: name, what is done, what must come out.
#[wasm_bindgen_test]
async fn every_fault_is_there_as_documented() {
    let rows: Array = member(&import(DOCUMENTED, 0).await, "documented").unchecked_into();
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let row: Array = row.unchecked_into();
        let glue = import(GLUE, number as u32).await;
        let [run, expected] = [1, 2].map(|at| row.get(at));
        let result = run.unchecked_into::<Function>().call2(&JsValue::NULL, &glue, &Uint8Array::from(MODULE));
        let result = result.and_then(|result| js_sys::JSON::stringify(&result)).map(String::from);
        let expected = String::from(js_sys::JSON::stringify(&expected).unwrap());
        if result.as_ref() != Ok(&expected) {
            wrong.push(format!("{}: {result:?}, not {expected}", row.get(0).as_string().unwrap()));
        }
    }
    assert!(rows.length() > 20, "{} rows", rows.length());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[wasm_bindgen_test]
fn ordinary_values_are_read_right() {
    use canary_boundary::*;
    assert_eq!(parse(r#"{ "a": [1, 2.5] }"#).ok().unwrap(), r#"{"a":[1,2.5]}"#);
    assert_eq!(unescape(br"a\F\b\E\c"), r"a|b\c");
    assert_eq!(["", "MSX", r"MSH|^~\&|LAB|X", "MSH|^~\\&|LAB|X\r"].map(hl7), [0, 2, 8, 12]);
    assert_eq!([age(20), doses_per_day(360) as u8, pick(Some(7)).unwrap() as u8], [100, 4, 7]);
    let patient = import_patient(r#"{"resourceType":"Patient","id":"SYN-1","visits":2}"#);
    assert_eq!(patient.ok().unwrap(), "SYN-1 false 2");
    let mut store = Store::new();
    store.set("b".to_owned(), "2".to_owned());
    store.set("a".to_owned(), "1".to_owned());
    assert_eq!((store.length(), store.get("b"), store.take()), (2, Some("2".to_owned()), "a: 1\nb: 2\n".to_owned()));
}
