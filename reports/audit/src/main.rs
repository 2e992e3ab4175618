//! The `autoclave-audit` binary: flags in, one command run, an exit code out. It executes no module.

mod cli;
mod commands;

use autoclave_reports::escape;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = cli::Cli::parse();
    match commands::run(&command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {}", escape::block(&format!("{error:#}")));
            ExitCode::from(error.downcast_ref::<cli::ExitWith>().map_or(cli::exit::USAGE, |exit| exit.code))
        }
    }
}
