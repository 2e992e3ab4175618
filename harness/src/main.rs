//! The `autoclave` binary: flags in, one command run, an exit code out.

use autoclave::{campaign, cli};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let command = cli::Cli::parse();
    match campaign::run(command, &arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {}", cli::printable(&format!("{error:#}")));
            ExitCode::from(error.downcast_ref::<cli::ExitWith>().map_or(2, |exit| exit.code))
        }
    }
}
