//! `fhir-json-serde`, native.
#![no_main]

extern crate self as guest_abi;

mod abi;
#[path = "../../fhir-json-serde/src/lib.rs"]
mod guest;

use abi::{Reading, Refusal, entry};

fn run(bytes: &[u8]) {
    let _ = std::hint::black_box(guest::parse(std::hint::black_box(bytes)));
}

libfuzzer_sys::fuzz_target!(init: abi::repeat(run), |data: &[u8]| run(data));
