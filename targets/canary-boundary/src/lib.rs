//! The FHIR and HL7 helper of a health app that does not exist, as such helpers are written: nothing is checked where
//! JavaScript comes in. Every fault is one that real modules had; what a doc comment calls `(class)` is what the
//! boundary's oracles must see there. `canary-boundary-fixed` has the same API without the faults.
//!
//! *Planted* faults are in this file. *Inherited* ones come with the stock glue of wasm-bindgen 0.2.130, whatever Rust
//! does: every text parameter lets a number trap (`trap`), other objects in (`unchecked`), lone surrogates change
//! (`text`), and leaves its bytes behind in freed memory (`residue`).

mod hl7;
mod host;
mod store;

use js_sys::{Array, Function, Object, Promise, Reflect};
use serde::Deserialize;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

pub use hl7::hl7;
pub use host::{calc, host_name, log_visit, save};
pub use store::Store;

thread_local! {
    /// What was remembered last, whoever it belonged to.
    static REMEMBERED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What is read of a FHIR Patient.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Patient {
    resource_type: String,
    id: String,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    visits: u32,
}

/// Any JSON document, written again without white space; errors name a line and a column and no more.
#[wasm_bindgen]
pub fn parse(text: &str) -> Result<String, JsError> {
    let read: Result<serde_json::Value, _> = serde_json::from_str(text);
    let value = read.map_err(|error| JsError::new(&format!("line {}, column {}", error.line(), error.column())))?;
    Ok(value.to_string())
}

/// Id and visits of a Patient. `echo`: serde's error quotes what it did not expect, a name or a number of the patient.
#[wasm_bindgen]
pub fn import_patient(text: &str) -> Result<String, JsError> {
    let patient: Patient = serde_json::from_str(text).map_err(|error| JsError::new(&error.to_string()))?;
    if patient.resource_type != "Patient" {
        return Err(JsError::new(&format!("{} {} is no Patient", patient.resource_type, patient.id)));
    }
    Ok(format!("{} {} {}", patient.id, patient.active, patient.visits))
}

/// Upper case, as labels are printed. `text`: a lone surrogate comes back as U+FFFD. `trap`: `normalize(5)`.
#[wasm_bindgen]
pub fn normalize(text: &str) -> String {
    text.to_uppercase()
}

/// HL7's escape sequences undone. `stale`: while the glue copies an array whose `valueOf` makes memory grow, its writes
/// go nowhere, and what the block held before is read. `growth`, `leak`: `{"length":200000000}` allocates 200 MB.
/// `unchecked`: whatever has a length is taken for bytes.
#[wasm_bindgen]
pub fn unescape(bytes: &[u8]) -> String {
    hl7::unescaped(&String::from_utf8_lossy(bytes))
}

/// A number for an id, to look patients up by. `collision`: ids that differ only in lone surrogates get the same.
#[wasm_bindgen]
pub fn patient_key(id: &str) -> u32 {
    id.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Years until 120. `range`: 300 is 44, -1 is 255, 1.9 is 1.
#[wasm_bindgen]
pub fn age(years: u8) -> u8 {
    120_u8.saturating_sub(years)
}

/// Milligrams of that many units. `range`: 2^32 + 7 is 7.
#[wasm_bindgen]
pub fn dose(units: u32) -> u32 {
    units.wrapping_mul(5) / 2
}

/// A temperature in tenths of a degree, as text. `range`: NaN is 0.
#[wasm_bindgen]
pub fn temperature(tenths: i32) -> String {
    format!("{:.1}", f64::from(tenths) / 10.0)
}

/// Cents after a deductible. `range`: -1n is 2^64 - 1.
#[wasm_bindgen]
pub fn total(cents: u64) -> u64 {
    cents.saturating_sub(5000)
}

/// Minutes from Greenwich, the other way round. `range`: 2^64 + 5 is 5.
#[wasm_bindgen]
pub fn offset(minutes: i64) -> i64 {
    minutes.wrapping_neg()
}

/// Doses of a day at that interval in minutes. `time`: seconds are counted in 32 bits; an interval that is a multiple
/// of 2^30 minutes is no step at all, and the day does not end.
#[wasm_bindgen]
pub fn doses_per_day(interval: u32) -> u32 {
    let step = interval.wrapping_mul(60);
    let (mut at, mut doses) = (0_u32, 0_u32);
    while interval != 0 && at < 86_400 {
        at = at.saturating_add(step);
        doses = doses.wrapping_add(1);
    }
    doses
}

/// The number, where there is one that is no zero.
#[wasm_bindgen]
pub fn pick(value: Option<u32>) -> Option<u32> {
    value.filter(|value| *value != 0)
}

/// A greeting for a name, or for nobody.
#[wasm_bindgen]
pub fn greet(name: Option<String>) -> String {
    name.map_or_else(|| "Good day".to_owned(), |name| format!("Good day, {name}"))
}

/// Names in one line.
#[wasm_bindgen]
pub fn join(names: Vec<String>) -> String {
    names.join(", ")
}

/// The fields of a line.
#[wasm_bindgen]
pub fn split(line: &str) -> Vec<String> {
    line.split('|').map(str::to_owned).collect()
}

/// The first letters of a name. `result-type`: declared as text, and nothing for a name without letters.
#[wasm_bindgen(unchecked_return_type = "string")]
pub fn initials(name: &str) -> JsValue {
    let letters: String = name.split_whitespace().filter_map(|word| word.chars().next()).collect();
    if letters.is_empty() { JsValue::UNDEFINED } else { JsValue::from_str(&letters) }
}

/// Calls a function with every field of a line, and counts them; its exception ends that and is passed on.
#[wasm_bindgen]
pub fn each(line: &str, f: &Function) -> Result<u32, JsValue> {
    let mut count = 0;
    for field in line.split('|') {
        f.call1(&JsValue::NULL, &JsValue::from_str(field))?;
        count += 1;
    }
    Ok(count)
}

#[wasm_bindgen]
extern "C" {
    /// A function.
    #[wasm_bindgen(typescript_type = "Function")]
    pub type Visitor;
    /// `f.call(context, text)`, of which nobody said that it throws.
    #[wasm_bindgen(method, structural)]
    fn call(this: &Visitor, context: &JsValue, text: &str) -> JsValue;
}

/// Calls a function with the text in upper case, and says how much of it fits a label. `stack`, `leak`: an exception that the function throws passes through
/// this module's frames; their part of the shadow stack is gone, and what they own is never given back.
#[wasm_bindgen]
pub fn visit(text: &str, f: &Visitor) -> usize {
    let owned = text.to_uppercase();
    let mut room = [0_u8; 64];
    for (to, from) in room.iter_mut().zip(owned.bytes()) {
        *to = from;
    }
    f.call(&JsValue::NULL, &owned);
    // The room is on the shadow stack while the function runs.
    std::hint::black_box(&room).len().min(owned.len())
}

/// A function that says how often it was called, for a button. `leak`: the closure is never given back.
#[wasm_bindgen(unchecked_return_type = "Function")]
pub fn watch(text: String) -> JsValue {
    let mut calls = 0_u32;
    let closure = Closure::<dyn FnMut() -> String>::new(move || {
        calls += 1;
        format!("{text} {calls}")
    });
    let function = closure.as_ref().clone();
    closure.forget();
    function
}

/// Keeps a text for the next visit. `residue`: it stays.
#[wasm_bindgen]
pub fn remember(text: &str) -> usize {
    REMEMBERED.with_borrow_mut(|kept| text.clone_into(kept));
    text.len()
}

/// The text that was kept. `stale`: it may be another patient's.
#[wasm_bindgen]
pub fn last() -> String {
    REMEMBERED.with_borrow(String::clone)
}

/// Sets what every record has unless it says otherwise: the language, or from `n` on in the alphabet the unit.
/// `prototype`: in `Object.prototype`.
#[wasm_bindgen]
pub fn set_default(key: &str, value: &str) -> Result<bool, JsValue> {
    let name = match key.as_bytes().first() {
        Some(b'a'..=b'm') => "language",
        Some(b'n'..=b'z') => "unit",
        _ => return Ok(false),
    };
    Reflect::set(&Object::get_prototype_of(&Object::new()), &name.into(), &value.into())
}

/// The text in upper case, later.
#[wasm_bindgen]
pub async fn later(text: String) -> Result<String, JsValue> {
    JsFuture::from(Promise::resolve(&JsValue::NULL)).await?;
    Ok(text.to_uppercase())
}

/// Starts a reminder for a year. `late`: the year is read after this returned, and a panic has nobody to go to.
#[wasm_bindgen]
pub fn remind(year: String) {
    spawn_local(async move {
        let waited = JsFuture::from(Promise::resolve(&JsValue::NULL)).await;
        let year: u16 = year.parse().expect("a year");
        drop((waited, Array::of1(&year.into())));
    });
}
