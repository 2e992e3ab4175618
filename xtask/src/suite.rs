//! `cargo xtask test`: everything that must hold, step by step. Each step is named with its time, keeps its whole
//! output in `.autoclave/logs`, and goes on to the next even if it failed, so that one run shows all that is wrong.

use crate::process::{self, say, shown, state};
use crate::setup::{self, Tool};
use crate::{forward, guests, peers as outside};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What a change to the house's code can break, without replay, canaries and docs.
    Quick,
    /// All steps.
    Full,
}

/// A step failed, or the exit code of a command says findings.
const EXIT_FAILED: u8 = 1;
/// A step that takes longer than this hangs.
const STEP_LIMIT: Duration = Duration::from_secs(45 * 60);

struct Step {
    name: &'static str,
    depth: Depth,
    run: fn(&Site) -> Result<Done>,
}

/// What a step says when it did not fail.
enum Done {
    Passed,
    /// Lines worth showing.
    Counted(Vec<String>),
    Skipped(String),
}

/// In this order: what is quick and likely to be wrong first, then what needs the guests.
const STEPS: &[Step] = &[
    Step { name: "format", depth: Depth::Quick, run: format },
    Step { name: "locks", depth: Depth::Quick, run: locks },
    Step { name: "lints", depth: Depth::Quick, run: lints },
    Step { name: "guests", depth: Depth::Quick, run: build_guests },
    Step { name: "peers", depth: Depth::Full, run: peers },
    Step { name: "tests", depth: Depth::Quick, run: tests },
    Step { name: "wasm-tests", depth: Depth::Quick, run: |site| guests::test(site.root).map(Done::Counted) },
    Step { name: "canaries", depth: Depth::Full, run: |site| harness(site, &["selftest"]) },
    Step { name: "replay", depth: Depth::Full, run: |site| harness(site, &["replay"]) },
    Step { name: "docs", depth: Depth::Full, run: docs },
    Step { name: "deny", depth: Depth::Full, run: deny },
];

/// Names of the steps.
pub fn names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

/// Runs the steps: the named ones, or all of that depth.
pub fn command(root: &Path, depth: Depth, names: &[String]) -> Result<u8> {
    let wanted = |step: &&Step| match names {
        [] => depth == Depth::Full || step.depth == Depth::Quick,
        names => names.iter().any(|name| name == step.name),
    };
    let start = Instant::now();
    // Some tests start these tools; where one is missing they fail and name the remedy.
    setup::ready(root, &setup::ALL.into(), setup::Mode::Implicit)?;
    let site = Site { root };
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), 0);
    for step in STEPS.iter().filter(wanted) {
        let start = Instant::now();
        let result = (step.run)(&site);
        let seconds = start.elapsed().as_secs_f32();
        match result {
            Ok(Done::Passed) => passed += 1,
            Ok(Done::Counted(lines)) => {
                passed += 1;
                lines.iter().for_each(|line| println!("{line}"));
            }
            Ok(Done::Skipped(reason)) => {
                skipped += 1;
                say("test", &format!("{} SKIPPED: {reason}", step.name));
                continue;
            }
            Err(error) => {
                failed.push(step.name);
                say("test", &format!("{} FAILED after {seconds:.1} s: {error:#}", step.name));
                continue;
            }
        }
        say("test", &format!("{} ok, {seconds:.1} s", step.name));
    }
    say(
        "test",
        &format!("{:.0} s; all output is in {}", start.elapsed().as_secs_f32(), state(root, &["logs"]).display()),
    );
    if !failed.is_empty() {
        say("test", &format!("what failed: {}", failed.join(", ")));
    }
    println!("steps: {passed} passed, {} failed, {skipped} skipped", failed.len());
    Ok(if failed.is_empty() { 0 } else { EXIT_FAILED })
}

struct Site<'a> {
    root: &'a Path,
}

impl Site<'_> {
    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(self.root).env("CARGO_TERM_COLOR", "never").args(words);
        command
    }

    fn log(&self, step: &str) -> PathBuf {
        state(self.root, &["logs", &format!("test-{step}.log")])
    }

    fn run(&self, step: &str, command: &mut Command) -> Result<Done> {
        process::run(command, &self.log(step), STEP_LIMIT)?;
        Ok(Done::Passed)
    }
}

fn format(site: &Site) -> Result<Done> {
    for (name, manifest) in [("format", "Cargo.toml"), ("format-guests", "targets/Cargo.toml")] {
        let words = ["fmt", "--all", "--manifest-path", manifest, "--check", "--", "--color", "never"];
        site.run(name, &mut site.cargo(&words))?;
    }
    Ok(Done::Passed)
}

/// A lock file that does not fit its manifests would be rewritten by the next build, silently.
fn locks(site: &Site) -> Result<Done> {
    for (name, manifest) in [("locks", "Cargo.toml"), ("locks-guests", "targets/Cargo.toml")] {
        let words = ["metadata", "--locked", "--quiet", "--format-version", "1", "--manifest-path", manifest];
        site.run(name, &mut site.cargo(&words))?;
    }
    Ok(Done::Passed)
}

fn lints(site: &Site) -> Result<Done> {
    let words = ["clippy", "--quiet", "--release", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    site.run("lints", &mut site.cargo(&words))
}

fn build_guests(site: &Site) -> Result<Done> {
    let summary = guests::build(site.root, &[])?;
    if !summary.missing.is_empty() {
        bail!("not built: {}", summary.missing.join(", "));
    }
    Ok(Done::Passed)
}

/// Peers whose installation takes seconds; the tests ask those that are there.
fn peers(site: &Site) -> Result<Done> {
    for runtime in ["node", "python"] {
        if let Err(error) = outside::install(site.root, runtime, setup::Mode::Implicit) {
            return Ok(Done::Skipped(format!("{error:#}")));
        }
    }
    Ok(Done::Passed)
}

fn tests(site: &Site) -> Result<Done> {
    let result = site.run("tests", &mut site.cargo(&["test", "--release", "--workspace", "--no-fail-fast"]));
    let log = process::read_text(&site.log("tests"), process::LOG_BYTES_MAX)?;
    let lines: Vec<String> = log.lines().filter(|line| is_telling(line)).map(str::to_owned).collect();
    if let Err(error) = result {
        lines.iter().for_each(|line| println!("{line}"));
        return Err(error);
    }
    if !lines.iter().any(|line| line.starts_with("test result: ok. ") && !line.starts_with("test result: ok. 0 ")) {
        bail!("no test was run");
    }
    Ok(Done::Counted(lines))
}

/// Lines of `cargo test` that say which program was run and how it ended.
fn is_telling(line: &str) -> bool {
    let trimmed = line.trim_start();
    trimmed.starts_with("Running ")
        || trimmed.starts_with("Doc-tests ")
        || line.starts_with("test result: ")
        || (line.starts_with("test ") && line.ends_with("FAILED"))
}

/// A command of the binary that must end clean.
fn harness(site: &Site, words: &[&str]) -> Result<Done> {
    let Some(program) = forward::build_harness(site.root)? else { bail!("the harness does not compile") };
    let mut command = Command::new(program);
    command.current_dir(site.root).args(words);
    say("test", &shown(&command));
    site.run(words.first().copied().unwrap_or_default(), &mut command)
}

fn docs(site: &Site) -> Result<Done> {
    let mut command = site.cargo(&["doc", "--quiet", "--release", "--workspace", "--no-deps"]);
    site.run("docs", command.env("RUSTDOCFLAGS", "--deny warnings"))
}

/// `deny.toml` for the house, and what of it concerns guests: they are data, two versions of a crate harm nobody.
/// Advisories need a database from the network and are left out: what is known tomorrow says nothing about a change.
fn deny(site: &Site) -> Result<Done> {
    let machine = setup::ready(site.root, &[Tool::Deny].into(), setup::Mode::Implicit)?;
    let found = match machine.tool(Tool::Deny) {
        Ok(found) => found,
        // Its most important rules are tidy tests, too.
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    let [program, ..] = found.programs.as_slice() else { bail!("cargo-deny has no program") };
    for (name, manifest, checks) in [
        ("deny", "Cargo.toml", &["--deny", "unmatched-skip", "bans", "licenses", "sources"][..]),
        ("deny-guests", "targets/Cargo.toml", &["licenses", "sources"]),
    ] {
        let mut command = Command::new(program);
        command.current_dir(site.root).args(["--offline", "--config", "deny.toml", "--manifest-path", manifest]);
        command.args(["check", "--hide-inclusion-graph"]);
        site.run(name, command.args(checks))?;
    }
    Ok(Done::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_tell_how_tests_ended() {
        let telling =
            ["     Running unittests src/lib.rs (target/x)", "test result: ok. 3 passed", "test a::b ... FAILED"];
        assert!(telling.into_iter().all(is_telling));
        assert!(!["test a::b ... ok", "   Compiling x", ""].into_iter().any(is_telling));
    }

    #[test]
    fn every_step_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
    }
}
