//! `selftest`: every oracle must catch its canary and pass its repaired twin, with the set-up of a real run: the same
//! instrumentation, loop and judge. The canaries travel inside the binary, so that any user can qualify it.

use super::facts;
use super::home::Home;
use super::run_folder::RunFolder;
use crate::check::{Checked, check};
use crate::cli;
use crate::complexity::{self, SearchOptions};
use crate::constant_time;
use crate::contract::{self, Clause, Question};
use crate::engine::{self, Clock, Event, Options, Stop};
use crate::error::HarnessError;
use crate::execution::Outcome;
use crate::executors::{Engine, Reset};
use crate::limits::{Overrides, Profile, Terms};
use crate::oracles::{self, Asked, Canary, Oracle};
use crate::symbols::Symbols;
use crate::target::{MANIFEST_FILE, Manifest, Policy, Target};
use autoclave_generators::family;
use autoclave_reports::record::{Check, Timing, Trial};
use autoclave_reports::{Severity, Verdict};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

/// Executions within which a canary must be caught.
pub const CATCH_RUNS_MAX: u64 = 200_000;
/// Executions through which a twin must pass.
pub const PASS_RUNS: u64 = 20_000;
/// What the reason says where a repaired twin did not pass.
pub const TWIN_RAISED: &str = "is called a finding";
/// Seed of the loop.
const SEED: u64 = 1;

/// Qualifies and reports.
pub fn run(flags: &cli::Selftest, arguments: &[String]) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let asked: Vec<&Oracle> = match &flags.oracle {
        None => oracles::ALL.iter().collect(),
        Some(name) => vec![oracles::by_name(name).ok_or_else(|| {
            let names: Vec<_> = oracles::ALL.iter().map(|oracle| oracle.name).collect();
            anyhow::anyhow!("no oracle is called {name:?}; there are {}", names.join(", "))
        })?],
    };
    let engine = Engine::new(Some(&home.cache()))?;
    let mut record = facts::record("selftest", arguments, started, Severity::Low);
    record.run.seed = SEED;
    for oracle in asked {
        for (canary, twin) in oracle.canaries {
            record.checks.extend(qualify(&engine, oracle, canary, twin)?);
        }
    }
    record.timing = Timing {
        wall_seconds: clock.elapsed().as_secs_f64(),
        cpu_seconds: facts::cpu_seconds_with_children(),
        ..Timing::default()
    };
    record.verdict = record.judge();
    let folder = RunFolder::create(&home, flags.out.as_deref(), "selftest", started)?;
    folder.write(&home, &record)?;
    facts::print(&home, &folder, &record, flags.format)
}

/// One row for each planted flaw: caught in the canary, and passed in the same entry of the twin.
pub fn qualify(engine: &Engine, oracle: &Oracle, canary: &Canary, twin: &Canary) -> Result<Vec<Check>, HarnessError> {
    if matches!(oracle.asked, Asked::OfGlue) {
        return super::glue::qualify(oracle, canary, twin);
    }
    let (canary, twin) = (load(canary)?, load(twin)?);
    if !matches!(oracle.asked, Asked::OfExecutions(_)) {
        let entries: Vec<(&String, &String)> = canary.manifest.expect.iter().collect();
        let row = |(entry, clause): &(&String, &String)| of_target(engine, oracle, &canary, &twin, entry, clause);
        return entries.par_iter().map(row).collect();
    }
    let rows: Vec<Result<Check, HarnessError>> = canary
        .manifest
        .expect
        .par_iter()
        .map(|(entry, expected)| {
            let expected = Outcome::from_name(expected).ok_or_else(|| {
                HarnessError::module(&canary.name, format_args!("expect.{entry}: no outcome is called {expected}"))
            })?;
            let caught = hunt(engine, &canary, entry, CATCH_RUNS_MAX, expected)?;
            // What is hunted in the twin is any finding; where the canary shows none, nothing ends its hunt early.
            let passed = hunt(engine, &twin, entry, PASS_RUNS, expected_of_twin(expected))?;
            Ok(row(oracle, &canary, &twin, entry, expected, &caught, &passed))
        })
        .collect();
    rows.into_iter().collect()
}

/// Families that break every clause of a canary's contract, in little time.
const PRESSING: [&str; 4] = ["json-tiny-values", "typical-fhir-bundle", "gzip", "sized-json"];

/// Executions of the search for public inputs of a canary.
const SECRET_SEARCH_RUNS: u64 = 2_000;

/// Executions of the search that must find the shape of a canary.
const SEARCH_RUNS: u64 = 20_000;

/// An oracle that asks about a target as a whole: the clause is found broken in the canary, and none in the twin.
fn of_target(
    engine: &Engine,
    oracle: &Oracle,
    canary: &Target,
    twin: &Target,
    entry: &str,
    clause: &str,
) -> Result<Check, HarnessError> {
    if matches!(oracle.asked, Asked::OfSecrets) {
        return of_secrets(engine, oracle, canary, twin, entry, clause);
    }
    let ask = |target: &Target| match oracle.asked {
        Asked::OfGrowth => search(engine, target, entry),
        _ => press(engine, target, entry),
    };
    let (caught, passed) = (ask(canary)?, ask(twin)?);
    let describe = |answer: &Answer| match answer.clauses.is_empty() {
        true => format!("kept on {} inputs", answer.executions),
        false => {
            let clauses: Vec<&str> = answer.clauses.iter().copied().collect();
            format!("{} in {} inputs", clauses.join(", "), answer.executions)
        }
    };
    Ok(Trials {
        expected: clause,
        catches: caught.clauses.contains(clause),
        passes: passed.clauses.is_empty(),
        seen: [describe(&caught), describe(&passed)],
    }
    .check(oracle, canary, twin, entry))
}

/// The ground truth of an entry comes out of the canary, and nothing out of the twin.
fn of_secrets(
    engine: &Engine,
    oracle: &Oracle,
    canary: &Target,
    twin: &Target,
    entry: &str,
    expected: &str,
) -> Result<Check, HarnessError> {
    let ask = |target: &Target| {
        let question = constant_time::Question {
            engine,
            target,
            entry,
            symbols: &Symbols::load(&target.wasm),
            policy: Policy::Relaxed,
            secrets: constant_time::SECRETS,
            publics: constant_time::PUBLICS,
            search_runs: SECRET_SEARCH_RUNS,
            seed: SEED,
            corpus: &[],
            allowed: &[],
        };
        constant_time::examine(&question)
    };
    let (caught, passed) = (ask(canary)?, ask(twin)?);
    let describe = |answer: &constant_time::Answer| {
        let classes: BTreeSet<&str> = answer.leaks.iter().map(|leak| leak.class.as_str()).collect();
        let classes: Vec<&str> = classes.into_iter().collect();
        let classes = if classes.is_empty() { "nothing differs".to_owned() } else { classes.join(", ") };
        format!("{}: {classes} in {} executions", answer.handled.verdict.name(), answer.executions)
    };
    Ok(Trials {
        expected,
        catches: constant_time::unmet(expected, &caught).is_empty(),
        passes: constant_time::unmet("constant", &passed).is_empty(),
        seen: [describe(&caught), describe(&passed)],
    }
    .check(oracle, canary, twin, entry))
}

/// What came of one entry of a canary and of its twin.
struct Trials<'a> {
    /// What the canary must be found to do.
    expected: &'a str,
    /// Whether it was.
    catches: bool,
    /// Whether nothing was found in the twin.
    passes: bool,
    /// What was seen of each.
    seen: [String; 2],
}

impl Trials<'_> {
    fn check(self, oracle: &Oracle, canary: &Target, twin: &Target, entry: &str) -> Check {
        let [in_canary, in_twin] = self.seen;
        let trial = |target: &Target, expected: &str, seen: String| Trial {
            target: format!("{}::{entry}", target.name),
            expected: expected.into(),
            seen,
        };
        Check {
            name: oracle.name.into(),
            question: oracle.question.into(),
            target: Some(format!("{}::{entry}", canary.name)),
            verdict: match (self.catches, self.passes) {
                (true, true) => Verdict::Pass,
                (false, _) => Verdict::Fail(format!("{}::{entry}: {} not caught", canary.name, self.expected)),
                (true, false) => {
                    Verdict::Fail(format!("{}::{entry}: the repaired twin is called a finding", twin.name))
                }
            },
            canary: Some(trial(canary, self.expected, in_canary)),
            twin: Some(trial(twin, "no finding", in_twin)),
        }
    }
}

/// What an oracle says of a target as a whole.
struct Answer {
    /// Clauses that are broken.
    clauses: BTreeSet<&'static str>,
    executions: u64,
}

/// An entry searched from nothing for work that grows faster than its input.
fn search(engine: &Engine, target: &Target, entry: &str) -> Result<Answer, HarnessError> {
    let options = SearchOptions {
        seed: SEED,
        executions_max: SEARCH_RUNS,
        threshold: contract::threshold(&Terms::of(Profile::Browser), target),
        ..SearchOptions::default()
    };
    let search = complexity::search(engine, target, entry, &options)?;
    let clauses = search.found.iter().map(|_| Clause::Superlinear.name()).collect();
    Ok(Answer { clauses, executions: search.executions.iter().sum() })
}

/// An entry under a few families, with the terms and limits of a browser, and what it declares itself.
fn press(engine: &Engine, target: &Target, entry: &str) -> Result<Answer, HarnessError> {
    let manifest = Path::new(&target.name).join(MANIFEST_FILE);
    let (terms, _) = Terms::resolve(Profile::Browser, &target.manifest.contract, &Overrides::default(), &manifest)?;
    let reads = contract::reads(engine, target, entry, &[])?;
    let families: Vec<_> = PRESSING.iter().map(|name| family(name).expect("a family of the table")).collect();
    let question = Question {
        engine,
        target,
        entry,
        terms: &terms,
        reads: &reads.readings,
        families: &families,
        family_fuel: contract::FAMILY_FUEL,
    };
    let all = contract::hold_all(&question)?;
    let clauses = all.broken.iter().map(|one| one.clause.name()).collect();
    Ok(Answer { clauses, executions: all.executions })
}

/// An outcome that ends the hunt in a twin: the flaw that was repaired.
fn expected_of_twin(expected: Outcome) -> Outcome {
    if expected.is_finding() { expected } else { Outcome::Trap(crate::execution::Trap::Other) }
}

/// What a hunt on one entry saw.
struct Hunt {
    /// The expected outcome, as the judge confirmed it.
    confirmed: Option<Checked>,
    /// Other findings that the judge confirmed.
    others: Vec<Outcome>,
    execs: u64,
    edges: (usize, usize),
}

fn hunt(engine: &Engine, target: &Target, entry: &str, runs: u64, expected: Outcome) -> Result<Hunt, HarnessError> {
    let mut subject = engine::Guest::new(engine, target, entry, Reset::Dirty, &target.limits)?;
    let options = Options {
        seed: SEED,
        input_bytes_max: 256,
        module_tokens: crate::instrument::dictionary::tokens(&target.wasm),
        stop: Stop { executions_max: Some(runs), ..Stop::default() },
        clock: Clock::Ignored,
        ..Options::default()
    };
    let mut hunt = Hunt { confirmed: None, others: Vec::new(), execs: 0, edges: (0, 0) };
    let mut failure = None;
    let stats = engine::fuzz(&mut subject, &options, &mut |event| {
        let input = match event {
            Event::Find { input, .. } => input,
            // An outcome that is no finding (growth denied, and coped with) shows in the corpus.
            Event::NewEntry { input, .. } if !expected.is_finding() => input,
            Event::NewEntry { .. } | Event::Progress(_) => return,
        };
        match check(engine, target, entry, input) {
            Ok(checked) if checked.execution.outcome == expected => {
                hunt.confirmed.get_or_insert(checked);
                options.stop_flag.store(true, Ordering::SeqCst);
            }
            Ok(checked) if checked.raised.is_some() => hunt.others.push(checked.execution.outcome),
            Ok(_) => {}
            Err(error) => {
                failure.get_or_insert(error);
                options.stop_flag.store(true, Ordering::SeqCst);
            }
        }
    })?;
    hunt.execs = stats.last.executions;
    hunt.edges = (stats.last.edges_found, stats.last.edges_total);
    failure.map_or(Ok(hunt), Err)
}

fn row(
    oracle: &Oracle,
    canary: &Target,
    twin: &Target,
    entry: &str,
    expected: Outcome,
    caught: &Hunt,
    passed: &Hunt,
) -> Check {
    let catches = caught.confirmed.as_ref().is_some_and(|checked| {
        // The outcome alone is not enough: this oracle must be the one that calls it a finding, if it is one.
        checked.raised.as_ref().map(|(raised, _)| raised.name) == expected.is_finding().then_some(oracle.name)
    });
    // A twin may return and reject as it likes.
    let passes = passed.others.is_empty() && !(expected.is_finding() && passed.confirmed.is_some());
    let describe = |hunt: &Hunt, name: &str| {
        let outcome = match (&hunt.confirmed, hunt.others.first()) {
            (Some(checked), _) => checked.execution.outcome.name(),
            (None, Some(other)) => other.name(),
            (None, None) => "no finding",
        };
        format!("{name}: {outcome} in {} execs, {}/{} edges", hunt.execs, hunt.edges.0, hunt.edges.1)
    };
    let seen = [describe(caught, "caught"), describe(passed, "passed")];
    Trials { expected: expected.name(), catches, passes, seen }.check(oracle, canary, twin, entry)
}

fn load(canary: &Canary) -> Result<Target, HarnessError> {
    let manifest: Manifest = toml::from_str(canary.manifest)
        .map_err(|error| HarnessError::module(canary.name, format_args!("target.toml: {}", error.message())))?;
    let overrides = Overrides { profile: manifest.reads.keys().next().map(|_| Profile::Browser), ..Default::default() };
    Target::from_bytes(canary.name, canary.wat.as_bytes(), manifest, &overrides)
}
