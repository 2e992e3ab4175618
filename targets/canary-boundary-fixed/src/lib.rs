//! What `canary-boundary` does, repaired. Callers never see this module: `package/` wraps it, and only that wrapper
//! calls what is here, with values that it checked and copied.
//!
//! What the Rust side adds to the wrapper:
//! * texts come and go as bytes in blocks of their exact size, because the glue's own path for texts moves them about;
//! * every block is overwritten when it is freed, the glue's included, and what the stack held is by [`scrub`];
//! * no errors that quote, no statics, no host functions, no callbacks: a JavaScript exception never passes a frame.

mod formula;
mod hl7;
mod store;

use serde::Deserialize;
use std::alloc::System;
use std::hint::black_box;
use wasm_bindgen::prelude::*;
use zeroizing_alloc::ZeroAlloc;

pub use formula::{calc, worked_out};
pub use hl7::{hl7, unescape};
pub use store::Store;

#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

/// Bytes below the stack pointer that [`scrub`] overwrites: more than the deepest call here takes, which is a document
/// of 128 levels.
const STACK_BYTES: usize = 96 << 10;

/// What is read of a FHIR Patient.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Patient {
    resource_type: String,
    id: String,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    visits: u32,
}

/// An error whose text is ours.
fn refused(why: &str) -> JsError {
    JsError::new(why)
}

/// The text that the wrapper encoded.
fn text(bytes: Vec<u8>) -> Result<String, JsError> {
    String::from_utf8(bytes).map_err(|_| refused("the text is not UTF-8"))
}

/// Overwrites what calls left on the stack.
#[wasm_bindgen]
pub fn scrub() {
    black_box(&mut [0_u8; STACK_BYTES]);
}

/// The module's memory, so that the wrapper can refuse views of it.
#[wasm_bindgen]
pub fn own_memory() -> JsValue {
    wasm_bindgen::memory()
}

/// Any JSON document, written again without white space.
#[wasm_bindgen]
pub fn parse(bytes: Vec<u8>) -> Result<Vec<u8>, JsError> {
    let read: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
    let value = read.map_err(|error| refused(&format!("line {}, column {}", error.line(), error.column())))?;
    Ok(value.to_string().into_bytes())
}

/// Id and visits of a Patient.
#[wasm_bindgen]
pub fn import_patient(bytes: Vec<u8>) -> Result<Vec<u8>, JsError> {
    let patient: Patient = serde_json::from_slice(&bytes)
        .map_err(|error| refused(&format!("no Patient: line {}, column {}", error.line(), error.column())))?;
    if patient.resource_type != "Patient" {
        return Err(refused("no Patient: another resource"));
    }
    Ok(format!("{} {} {}", patient.id, patient.active, patient.visits).into_bytes())
}

/// Upper case.
#[wasm_bindgen]
pub fn normalize(bytes: Vec<u8>) -> Result<Vec<u8>, JsError> {
    Ok(text(bytes)?.to_uppercase().into_bytes())
}

/// A number for an id.
#[wasm_bindgen]
pub fn patient_key(id: Vec<u8>) -> u32 {
    id.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Years until 120.
#[wasm_bindgen]
pub fn age(years: u8) -> u8 {
    120_u8.saturating_sub(years)
}

/// Milligrams of that many units.
#[wasm_bindgen]
pub fn dose(units: u32) -> Result<u32, JsError> {
    units.checked_mul(5).map(|fivefold| fivefold / 2).ok_or_else(|| refused("too many units"))
}

/// A temperature in tenths of a degree, as text.
#[wasm_bindgen]
pub fn temperature(tenths: i32) -> Vec<u8> {
    format!("{:.1}", f64::from(tenths) / 10.0).into_bytes()
}

/// Cents after a deductible.
#[wasm_bindgen]
pub fn total(cents: u64) -> u64 {
    cents.saturating_sub(5000)
}

/// Minutes from Greenwich, the other way round.
#[wasm_bindgen]
pub fn offset(minutes: i64) -> Result<i64, JsError> {
    minutes.checked_neg().ok_or_else(|| refused("too far from Greenwich"))
}

/// Doses of a day at that interval in minutes.
#[wasm_bindgen]
pub fn doses_per_day(interval: u32) -> u32 {
    if interval == 0 { 0 } else { 1440_u32.div_ceil(interval) }
}

/// The first letters of a name; empty for a name without letters.
#[wasm_bindgen]
pub fn initials(name: Vec<u8>) -> Result<Vec<u8>, JsError> {
    let letters: String = text(name)?.split_whitespace().filter_map(|word| word.chars().next()).collect();
    Ok(letters.into_bytes())
}
