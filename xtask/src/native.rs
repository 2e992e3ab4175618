//! Guests' readers compiled for this machine behind libFuzzer, as `cargo fuzz build --sanitizer none -O` would: what
//! `bench` compares the loop with. A target folder of its own, so that nothing else is built again.

use crate::process::{self, output, run, state};
use crate::setup::{self, Mode, Tool};
use anyhow::{Context, Result, anyhow};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// libFuzzer's C++ takes half a minute.
const BUILD_LIMIT: Duration = Duration::from_secs(900);
/// cargo-fuzz's flags, but for the stack depth, which only costs.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Ccodegen-units=1";

/// Builds the programs and says which folder holds them.
pub fn build(root: &Path) -> Result<PathBuf> {
    let machine = setup::ready(root, &[Tool::Cxx].into(), Mode::Implicit)?;
    machine.tool(Tool::Cxx).map_err(|reason| anyhow!(reason))?;
    let rustc = process::find(&["rustc"]).context("rustc is not on the search path")?;
    let version = output(&rustc, &["-vV"]).context("`rustc -vV` failed")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say its host")?;
    let target = state(root, &["guests", "native"]);
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root.join("targets")).args(["build", "--release", "--locked", "--package", "native"]);
    command.args(["--features", "libfuzzer"]);
    // Naming the host's own target keeps the flags away from build scripts, which have no libFuzzer to link.
    command.args(["--target", host, "--target-dir"]).arg(&target).env("RUSTFLAGS", RUSTFLAGS);
    if !target.exists() {
        process::say("build", "native libFuzzer programs (the first time takes a minute)");
    }
    run(&mut command, &state(root, &["logs", "native.log"]), BUILD_LIMIT)?;
    Ok(target.join(host).join("release"))
}
