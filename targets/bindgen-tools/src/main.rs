//! What stands between wasm-bindgen guests and JavaScript, from upstream's library:
//!
//! * `bindgen-tools glue MODULE.wasm --target nodejs --out-dir FOLDER …` is the `wasm-bindgen` command;
//! * `bindgen-tools TESTS.wasm [NAME]…` is cargo's `runner` for tests.

use std::ffi::OsString;

fn main() -> anyhow::Result<()> {
    let words: Vec<OsString> = std::env::args_os().collect();
    match words.get(1) {
        Some(word) if word == "glue" => {
            let kept = words.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, word)| word);
            wasm_bindgen_cli::wasm_bindgen::run_cli_with_args(kept)
        }
        _ => wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(words),
    }
}
