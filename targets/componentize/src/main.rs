//! `componentize IN.wasm OUT.wasm`: wraps a core module, as wit-bindgen leaves it, into a component.

use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        eprintln!("usage: componentize IN.wasm OUT.wasm");
        return ExitCode::from(2);
    };
    let wrap = || -> Result<(), Box<dyn Error>> {
        let core = std::fs::read(from)?;
        let component = wit_component::ComponentEncoder::default().module(&core)?.validate(true).encode()?;
        Ok(std::fs::write(to, component)?)
    };
    match wrap() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", from.display());
            ExitCode::FAILURE
        }
    }
}
