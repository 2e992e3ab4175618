//! Cargo's `runner` for wasm-bindgen's tests: `bindgen-test-runner TESTS.wasm [NAME]…`.

fn main() -> anyhow::Result<()> {
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os())
}
