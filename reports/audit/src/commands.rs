//! One file for each command; what they share is in the libraries.

mod controls;
mod explain;
mod keygen;
mod scan;
mod verify;

use crate::cli::{Cli, Command};

/// Runs a command; the exit code.
pub fn run(cli: &Cli) -> anyhow::Result<u8> {
    match &cli.command {
        Command::Controls(flags) => controls::run(flags),
        Command::Explain(flags) => explain::run(flags),
        Command::Verify(flags) => verify::run(flags),
        Command::Keygen(flags) => keygen::run(flags),
        Command::Scan(flags) => scan::run(flags),
    }
}
