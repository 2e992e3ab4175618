//! `replay`: every committed seed and regression through its targets, without mutation. A seed must not be a finding; a
//! regression named `<target>--<outcome>--<hash>` must show that outcome in that target, and be harmless in all others.

use super::facts;
use super::home::Home;
use super::run_folder::RunFolder;
use crate::check::check;
use crate::cli::{self, printable};
use crate::error::HarnessError;
use crate::executors::Engine;
use crate::limits::Overrides;
use crate::target::Target;
use autoclave_reports::record::{Check, NotTested, Scope, Timing, Trial};
use autoclave_reports::{Record, Verdict};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// One input on disk.
struct Committed {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Replays and reports.
pub fn run(flags: &cli::Replay, arguments: &[String]) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let engine = Engine::new(Some(&home.cache()))?;
    let mut targets = Vec::new();
    let mut not_tested = Vec::new();
    for name in names(&home, flags, &mut not_tested)? {
        match Target::load(&home.root, &name, &Overrides::default()) {
            Ok(target) => targets.push(target),
            Err(HarnessError::Missing { what, remedy }) => {
                not_tested.push(NotTested {
                    what: name,
                    reason: format!("{what} is missing"),
                    remedy,
                    scope: Scope::Asked,
                });
            }
            Err(error) => return Err(error.into()),
        }
    }
    let checks: Vec<anyhow::Result<Vec<Check>>> =
        targets.par_iter().map(|target| replay(&home, &engine, target, flags)).collect();
    let mut record = Record { not_tested, ..facts::record("replay", arguments, started, flags.fail_on) };
    for checks in checks {
        record.checks.extend(checks?);
    }
    record.timing = Timing {
        wall_seconds: clock.elapsed().as_secs_f64(),
        cpu_seconds: facts::cpu_seconds_with_children(),
        ..Timing::default()
    };
    record.verdict = record.judge();
    let folder = RunFolder::create(&home, flags.out.as_deref(), "replay", started)?;
    folder.write(&home, &record)?;
    facts::print(&home, &folder, &record, flags.format)
}

fn names(home: &Home, flags: &cli::Replay, not_tested: &mut Vec<NotTested>) -> anyhow::Result<Vec<String>> {
    if !flags.targets.is_empty() {
        return Ok(flags.targets.clone());
    }
    let mut names = Vec::new();
    for found in Target::discover(&home.root)? {
        match found.manifest {
            // Canaries are `selftest`'s business.
            Ok(manifest) if manifest.is_candidate() => names.push(found.name),
            Ok(_) => {}
            Err(error) => not_tested.push(NotTested {
                what: found.name,
                reason: error.to_string(),
                remedy: String::new(),
                scope: Scope::Asked,
            }),
        }
    }
    Ok(names)
}

fn replay(home: &Home, engine: &Engine, target: &Target, flags: &cli::Replay) -> anyhow::Result<Vec<Check>> {
    let mut inputs = Vec::new();
    if flags.input.is_empty() {
        if let Some(format) = &target.manifest.format {
            let corpora = home.corpora(format);
            inputs.extend(committed(&corpora.join("seeds"), target)?);
            inputs.extend(committed(&corpora.join("regressions"), target)?);
        }
    } else {
        for path in &flags.input {
            inputs.extend(committed(path, target)?);
        }
    }
    let mut checks = Vec::new();
    for entry in &target.entries {
        let rows: Vec<anyhow::Result<Check>> =
            inputs.par_iter().map(|input| replay_one(home, engine, target, entry, input)).collect();
        let rows = rows.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        checks.push(summary(target, entry, &rows));
        // What is as expected is counted; what is not is listed.
        checks.extend(rows.into_iter().filter(|row| row.verdict != Verdict::Pass));
        if flags.verify {
            checks.push(verify(home, engine, target, entry, &inputs)?);
        }
    }
    Ok(checks)
}

fn replay_one(home: &Home, engine: &Engine, target: &Target, entry: &str, input: &Committed) -> anyhow::Result<Check> {
    let checked = check(engine, target, entry, &input.bytes)?;
    let seen = checked.execution.outcome.name().to_owned();
    let expected = expectation(&input.path, &target.name);
    let right = match &expected {
        Some(outcome) => *outcome == seen,
        None => checked.raised.is_none(),
    };
    let expected = expected.unwrap_or_else(|| "no finding".into());
    Ok(Check {
        name: "replay".into(),
        question: format!("Does {} do in {} what it is kept for?", home.relative(&input.path), target.name),
        target: Some(format!("{}::{entry}", target.name)),
        verdict: if right { Verdict::Pass } else { Verdict::Fail(format!("expected {expected}, saw {seen}")) },
        canary: Some(Trial { target: home.relative(&input.path), expected, seen }),
        twin: None,
    })
}

fn summary(target: &Target, entry: &str, rows: &[Check]) -> Check {
    let passed = rows.iter().filter(|row| row.verdict == Verdict::Pass).count();
    Check {
        name: "replay".into(),
        question: format!("Do all {} committed inputs do what they are kept for?", rows.len()),
        target: Some(format!("{}::{entry}", target.name)),
        verdict: if rows.is_empty() {
            Verdict::NotApplicable(format!("no committed inputs for {}", target.name))
        } else if passed == rows.len() {
            Verdict::Pass
        } else {
            Verdict::Fail(format!("{} of {} do not", rows.len() - passed, rows.len()))
        },
        canary: None,
        twin: None,
    }
}

/// Both reset modes and the plain module must agree byte for byte.
fn verify(home: &Home, engine: &Engine, target: &Target, entry: &str, inputs: &[Committed]) -> anyhow::Result<Check> {
    let bytes: Vec<&[u8]> = inputs.iter().map(|input| input.bytes.as_slice()).collect();
    let verdict = match crate::executors::verify(engine, target, entry, bytes, &target.limits) {
        Ok(report) => match report.differences.first() {
            None => Verdict::Pass,
            Some(first) => {
                Verdict::Fail(printable(&format!("{}: {}", home.relative(&inputs[first.input].path), first.what)))
            }
        },
        Err(error) => Verdict::NotTested(error.to_string()),
    };
    Ok(Check {
        name: "reset".into(),
        question: "Do dirty-page reset, fresh instances and the plain module agree byte for byte?".into(),
        target: Some(format!("{}::{entry}", target.name)),
        verdict,
        canary: None,
        twin: None,
    })
}

/// The outcome that the file's name promises for this target.
fn expectation(path: &Path, target: &str) -> Option<String> {
    let stem = path.file_name()?.to_str()?;
    let mut parts = stem.split("--");
    let (name, outcome) = (parts.next()?, parts.next()?);
    (name == target && crate::execution::Outcome::from_name(outcome).is_some()).then(|| outcome.to_owned())
}

/// A file, or the files of a folder in the order of their names; longer ones than the target takes are left out.
fn committed(path: &Path, target: &Target) -> anyhow::Result<Vec<Committed>> {
    let mut paths = Vec::new();
    if path.is_dir() {
        for file in std::fs::read_dir(path).map_err(|error| HarnessError::io(path, error))?.flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if file.path().is_file() && !name.starts_with('.') && !name.ends_with(".md") && !name.ends_with(".tsv") {
                paths.push(file.path());
            }
        }
    } else if path.exists() {
        paths.push(path.to_owned());
    }
    paths.sort();
    let mut inputs = Vec::new();
    for path in paths {
        let length = path.metadata().map_err(|error| HarnessError::io(&path, error))?.len();
        if length <= u64::from(target.limits.input_bytes_max) {
            let bytes = super::inputs::read_whole(&path, u64::from(target.limits.input_bytes_max))?;
            inputs.push(Committed { path, bytes });
        }
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_binds_only_its_own_target() {
        let path = Path::new("regressions/fhir-json-fhirbolt--TRAP-UNREACHABLE--0123abcd.json");
        assert_eq!(expectation(path, "fhir-json-fhirbolt").as_deref(), Some("TRAP-UNREACHABLE"));
        assert_eq!(expectation(path, "fhir-json-serde"), None);
        assert_eq!(expectation(Path::new("seeds/a--b--c.json"), "a"), None);
    }
}
