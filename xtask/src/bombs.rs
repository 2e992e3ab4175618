//! `cargo xtask bombs`: hands all to the program that has the table of hostile inputs.

use crate::forward;
use anyhow::Result;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Commands of the program, with what they do.
pub const COMMANDS: &[(&str, &str)] = &[
    ("list", "Families of hostile inputs with parameters, defaults and published source"),
    ("make", "Write one input to a file, and say what it expands to"),
];

/// Builds the program and becomes it, where the user is: files are named from there.
pub fn forward(root: &Path, name: &str, words: &[OsString]) -> Result<u8> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--release", "--quiet", "--package", "autoclave-generators", "--bin", "bombs"]);
    command.arg("--manifest-path").arg(root.join("Cargo.toml"));
    forward::become_program(command.arg("--").arg(name).args(words))
}
