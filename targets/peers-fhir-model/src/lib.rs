//! The Rust FHIR peer `fhir-model`.
//!
//! `one(ptr, len)`: a first byte that the module does not need, because it holds one peer, then the input. The answer is 0
//! and what the peer wrote, or 1, a position in `Layer::ALL` and the normalised error; it is given as a packed pointer and
//! length (`pointer << 32 | length`) of a buffer that the host gives back.

use autoclave_formats::peers::Layer;
use autoclave_formats::peers::summary::normalised;
use serde_json::error::Category;

fn answer(input: &[u8]) -> Vec<u8> {
    let error = match fhir_model_reading::read(input.get(1..).unwrap_or_default()) {
        Ok(written) => return [&[0][..], &written].concat(),
        Err(error) => error,
    };
    let text = error.to_string();
    let layer = match error.classify() {
        _ if text.contains("unicode code point") => Layer::Encoding,
        Category::Data => Layer::Structure,
        _ => Layer::Syntax,
    };
    let layer = Layer::ALL.iter().position(|one| *one == layer).unwrap_or_default();
    [&[1, layer as u8][..], normalised(&text).as_bytes()].concat()
}

/// The state after this call is the one that every run begins with.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    drop(answer(br#" {"resourceType":"Patient","id":"a","active":true}"#));
}

/// See the crate's text.
///
/// # Safety
/// As [`guest_abi::input`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn one(address: *const u8, len: usize) -> i64 {
    // SAFETY: by the host's word.
    guest_abi::packed(&answer(unsafe { guest_abi::input(address, len) }))
}
