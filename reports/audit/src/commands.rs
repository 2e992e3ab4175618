//! One file for each command; what they share is in the libraries.

mod certificate;
mod controls;
mod corpus;
mod explain;
mod keygen;
mod scan;
mod sign;
mod verify;

use crate::cli::{Cli, Command};
use anyhow::Context;
use autoclave_reports::escape;
use std::path::Path;

/// Runs a command; the exit code.
pub fn run(cli: &Cli) -> anyhow::Result<u8> {
    match &cli.command {
        Command::Controls(flags) => controls::run(flags),
        Command::Explain(flags) => explain::run(flags),
        Command::Verify(flags) => verify::run(flags),
        Command::Certificate(flags) => certificate::run(flags),
        Command::Keygen(flags) => keygen::run(flags),
        Command::Scan(flags) => scan::run(flags),
        Command::Sign(flags) => sign::run(flags),
        Command::Corpus(flags) => corpus::run(flags),
    }
}

/// Beside, then renamed.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let named = || escape::line(&path.display().to_string());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(named)?;
    }
    let mut name = path.file_name().with_context(|| format!("{}: no name of a file", named()))?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path)).with_context(named)
}
