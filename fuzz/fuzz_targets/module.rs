//! Any WebAssembly module behind libFuzzer's contract: `AUTOCLAVE_MODULE=x.wasm module -runs=…`, or `x` beside `x.wasm`.
#![no_main]

use autoclave_fuzz::contract;

libfuzzer_sys::fuzz_target!(init: contract::prepare(), |data: &[u8]| contract::run_one(data));
