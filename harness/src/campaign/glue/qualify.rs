//! The oracle `boundary` qualifies: what its canary's glue does wrong is found by a search, and its twin passes the same one.

use super::{Opened, pages_max, setup, starter};
use crate::cli::HostName;
use crate::error::HarnessError;
use crate::instrument::portable::{self, Allocator};
use crate::oracles::{Canary, Oracle};
use crate::target::Manifest;
use autoclave_boundary::fuzz::{self, Search};
use autoclave_boundary::glue::capabilities::Policy;
use autoclave_boundary::package::Package;
use autoclave_boundary::tape::Seeds;
use autoclave_reports::Verdict;
use autoclave_reports::record::{Check, Trial};
use std::collections::BTreeSet;

/// Tapes within which everything must be found.
const TAPES: u64 = 3_000;
const SEED: u64 = 1;

/// One row for each operation of the canary at which something must be found.
pub fn qualify(oracle: &Oracle, canary: &Canary, twin: &Canary) -> Result<Vec<Check>, HarnessError> {
    let manifest: Manifest = toml::from_str(canary.manifest)
        .map_err(|error| HarnessError::module(canary.name, format_args!("target.toml: {}", error.message())))?;
    let answers = (search(canary), search(twin));
    let mut rows = Vec::new();
    for (operation, classes) in &manifest.expect {
        let trial = |name: &str, expected: &str, seen: String| Trial {
            target: format!("{name}::{operation}"),
            expected: expected.into(),
            seen,
        };
        let mut check = Check {
            name: oracle.name.into(),
            question: oracle.question.into(),
            target: Some(format!("{}::{operation}", canary.name)),
            ..Check::default()
        };
        match &answers {
            (Ok(caught), Ok(passed)) => {
                let seen = found(caught);
                let missing: Vec<&str> = classes
                    .split_whitespace()
                    .filter(|class| !seen.contains(&((*class).to_owned(), operation.clone())))
                    .collect();
                let surplus = found(passed);
                let worked = passed.0.operations.values().map(|counts| counts[0]).min().unwrap_or(0);
                check.verdict = if !missing.is_empty() {
                    Verdict::Fail(format!("{}::{operation}: {} not caught", canary.name, missing.join(", ")))
                } else if let Some((class, operation)) = surplus.first() {
                    Verdict::Fail(format!("{}::{operation}: {class} is called a finding", twin.name))
                } else if worked == 0 {
                    Verdict::Fail(format!("{}: an operation never returned", twin.name))
                } else {
                    Verdict::Pass
                };
                let of_it: Vec<&str> =
                    seen.iter().filter(|(_, at)| at == operation).map(|(class, _)| class.as_str()).collect();
                check.canary =
                    Some(trial(canary.name, classes, format!("{} in {} tapes", of_it.join(", "), caught.0.tapes)));
                check.twin = Some(trial(
                    twin.name,
                    "no finding",
                    format!("{} findings in {} tapes", passed.0.finds.len(), passed.0.tapes),
                ));
            }
            (Err(reason), _) | (_, Err(reason)) => check.verdict = Verdict::NotTested(reason.clone()),
        }
        rows.push(check);
    }
    Ok(rows)
}

/// Class and operation of every find.
fn found((search, opened): &(Search, Opened)) -> BTreeSet<(String, String)> {
    let name = |id| opened.surface.api.operation(id).map(|operation| operation.name.clone()).unwrap_or_default();
    search.finds.values().map(|find| (find.sighting.class.clone(), name(find.sighting.operation))).collect()
}

fn search(canary: &Canary) -> Result<(Search, Opened), String> {
    let text = |error: &dyn std::fmt::Display| format!("{}: {error}", canary.name);
    let folder = tempfile::tempdir().map_err(|error| text(&error))?;
    let wasm = wat::parse_str(canary.wat).map_err(|error| text(&error))?;
    std::fs::write(folder.path().join("module.wasm"), wasm).map_err(|error| text(&error))?;
    for (name, contents) in canary.glue {
        std::fs::write(folder.path().join(name), contents).map_err(|error| text(&error))?;
    }
    let package = Package::open(folder.path()).map_err(|error| text(&error))?;
    let surface = package.api().map_err(|error| text(&error))?;
    let policy = Policy::of(&package).map_err(|error| text(&error))?;
    let opened = Opened { package, surface, policy };
    let wasm = &opened.package.module.bytes;
    let portables = portable::builds(canary.name, wasm, pages_max(wasm), Allocator::Unknown);
    let portables = portables.map_err(|error| text(&error))?;
    let mut start = starter(HostName::Node, setup(SEED, &opened, &portables))?;
    let options = fuzz::Options { seed: SEED, tapes_max: TAPES, ..fuzz::Options::default() };
    let search = fuzz::search(&opened.surface.api, &Seeds::default(), &options, &mut start, &mut |_| false)?;
    match &search.cut {
        Some(reason) => Err(text(reason)),
        None => Ok((search, opened)),
    }
}
