//! Triage of one unit's finds: judged, bucketed, minimised, confirmed in a fresh process. Runs in a worker of its own.

use super::facts;
use super::findings::{self, Kept, State};
use super::protocol::Message;
use super::worker::Ready;
use crate::confirm::{self, Replay, Replayed, Request};
use crate::corpus::Store;
use crate::coverage;
use crate::error::HarnessError;
use crate::execution::{Limit, Outcome};
use crate::executors::{Build, Executor, Reset, component};
use crate::limits::Limits;
use crate::minimise::{self, Minimised};
use crate::oracles::{self, Case};
use crate::symbols::{Frame, Symbols};
use crate::triage;
use autoclave_reports::record::{Bucket, Confirmation, HostCallRecord, Reproducer};
use autoclave_reports::{Finding, rules};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Raw finds of one unit that are looked at; the loop keeps far fewer.
const RAW_MAX: usize = 1_000;
/// Findings that are not reproduced and still listed.
const NOT_REPRODUCED_MAX: usize = 20;
/// Tries at making an input smaller that only a fuel budget ends: each costs a whole budget.
pub const SLOW_TRIES_MAX: u64 = 300;
/// Budget for those tries, as a part of the real one.
const SLOW_FUEL_PART: u64 = 20;
/// Frames that a finding shows.
const FRAMES_MAX: usize = 40;

/// Raw finds that turned out to have one cause.
struct Group {
    bucket: Bucket,
    outcome: Outcome,
    frames: Vec<Frame>,
    message: Vec<u8>,
    smallest: Vec<u8>,
    raw: Vec<String>,
}

/// What the instrumented module showed and the judge did not, and on which input.
type Stray = (Outcome, Vec<u8>);

/// Tells findings and coverage.
pub fn run(ready: &Ready, tell: &mut dyn FnMut(&Message)) -> Result<(), HarnessError> {
    let until = Instant::now() + Duration::from_secs_f64(ready.job.seconds.unwrap_or(60.0));
    let symbols = Symbols::load(component::code(&ready.target, &ready.job.entry));
    if let Some(problem) = symbols.debug_info_problem() {
        tell(&Message::Note { text: format!("debug information: {problem}") });
    }
    let mut finds = Store::open(&ready.unit.finds(), u64::from(ready.target.limits.input_bytes_max))?;
    let raw = finds.import()?;
    let mut fuzzed = None;
    let (mut groups, strays) = group(ready, &symbols, &raw, until, &mut fuzzed)?;
    look_again(ready, &symbols, &mut groups, until, tell)?;
    for group in groups.into_values() {
        let (finding, raw) = finish(ready, &symbols, group, until, &mut fuzzed)?;
        tell(&Message::Finding { finding: Box::new(finding), raw });
    }
    for (outcome, input) in strays.into_iter().take(NOT_REPRODUCED_MAX) {
        tell(&Message::Note {
            text: format!(
                "{} was seen while fuzzing ({}) but not on the module as deployed: kept aside",
                outcome.name(),
                crate::corpus::InputId::of(&input).hex()
            ),
        });
    }
    covered(ready, &symbols, tell)
}

/// One group per bucket.
type Groups = BTreeMap<Bucket, Group>;

/// Groups, and what the judge does not see.
fn group(
    ready: &Ready,
    symbols: &Symbols,
    raw: &[Vec<u8>],
    until: Instant,
    fuzzed: &mut Option<Executor>,
) -> Result<(Groups, Vec<Stray>), HarnessError> {
    let mut groups = Groups::new();
    let mut strays = Vec::new();
    for (index, input) in raw.iter().enumerate().take(RAW_MAX) {
        if index > 0 && (Instant::now() > until || ready.stop.load(Ordering::SeqCst)) {
            break;
        }
        let replay = confirm::replay_in(&ready.engine, &ready.target, &ready.job.entry, input)?;
        let Some((bucket, frames)) = judged(ready, symbols, input, &replay) else {
            let seen = fast(ready, fuzzed)?.run(input);
            // What neither build shows any more was repaired.
            if seen.is_finding() {
                strays.push((seen, input.clone()));
            }
            continue;
        };
        let id = crate::corpus::InputId::of(input).hex();
        let group = groups.entry(bucket.clone()).or_insert_with(|| Group {
            bucket,
            outcome: replay.execution.outcome,
            frames,
            message: replay.execution.message.clone(),
            smallest: input.clone(),
            raw: Vec::new(),
        });
        if input.len() < group.smallest.len() {
            group.smallest = input.clone();
            group.message = replay.execution.message;
        }
        group.raw.push(id);
    }
    Ok((groups, strays))
}

/// Judges the findings of earlier runs by their own inputs: some are repaired, others have moved to another place.
fn look_again(
    ready: &Ready,
    symbols: &Symbols,
    groups: &mut Groups,
    until: Instant,
    tell: &mut dyn FnMut(&Message),
) -> Result<(), HarnessError> {
    let input_bytes_max = u64::from(ready.target.limits.input_bytes_max);
    for kept in findings::all(&ready.unit) {
        if Instant::now() > until || ready.stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        if kept.state == State::Aside || groups.keys().any(|bucket| bucket.id() == kept.finding.id) {
            continue;
        }
        let Some(input) = findings::input(&ready.unit, &kept, input_bytes_max) else { continue };
        let replay = confirm::replay_in(&ready.engine, &ready.target, &ready.job.entry, &input)?;
        let outcome = replay.execution.outcome;
        let id = match judged(ready, symbols, &input, &replay) {
            Some((bucket, frames)) => {
                let id = bucket.id();
                groups.entry(bucket.clone()).or_insert_with(|| Group {
                    bucket,
                    outcome,
                    frames,
                    message: replay.execution.message,
                    smallest: input,
                    raw: Vec::new(),
                });
                Some(id)
            }
            None => None,
        };
        if id.as_ref() == Some(&kept.finding.id) {
            continue;
        }
        if kept.state == State::Open {
            let (id, title) = (&kept.finding.id, &kept.finding.title);
            tell(&Message::Note { text: format!("{id} ({title}) does not happen any more: {}", outcome.name()) });
        }
        let fixed = Kept { state: State::Fixed, sha256: ready.target.sha256.clone(), ..kept };
        fixed.describe(&ready.unit).map_err(|error| HarnessError::Engine(format!("{error:#}")))?;
    }
    Ok(())
}

/// The bucket of what the judge saw, if any oracle calls it a finding.
fn judged(ready: &Ready, symbols: &Symbols, input: &[u8], replay: &Replay) -> Option<(Bucket, Vec<Frame>)> {
    let case = Case { target: &ready.target, entry: &ready.job.entry, input, execution: &replay.execution };
    let (oracle, _) = oracles::ask(&case)?;
    let frames = replay.frames(symbols);
    Some((triage::bucket(oracle.name, replay.execution.outcome, &frames), frames))
}

fn finish(
    ready: &Ready,
    symbols: &Symbols,
    group: Group,
    until: Instant,
    fuzzed: &mut Option<Executor>,
) -> Result<(Finding, Vec<String>), HarnessError> {
    let Group { bucket, outcome, mut frames, mut message, smallest, raw } = group;
    let mut input = smallest.clone();
    if Instant::now() < until
        && let Some(smaller) = smaller(ready, symbols, &bucket, outcome, &smallest, until, fuzzed)?
    {
        input = smaller;
    }
    // The last word has a fresh process, on the module as deployed.
    let request = Request {
        root: ready.home.root.clone(),
        target: ready.job.target.clone(),
        sha256: ready.target.sha256.clone(),
        entry: ready.job.entry.clone(),
        limits: ready.target.limits.clone(),
        cache: Some(ready.home.cache()),
    };
    let program =
        std::env::current_exe().map_err(|error| HarnessError::Engine(format!("this program's path: {error}")))?;
    let confirmed = match confirm::confirm(&program, &request, &input, confirm::WALL_MAX)? {
        Replayed::Died(reason) => Confirmation::NotReproduced(reason),
        Replayed::Ran(replay) => {
            let seen = judged(ready, symbols, &input, &replay);
            let confirmation =
                confirm::confirmation(&bucket, seen.as_ref().map(|(bucket, _)| bucket), replay.execution.outcome);
            if let Some((_, its)) = seen {
                frames = its;
                message = replay.execution.message;
            }
            confirmation
        }
    };
    let id = bucket.id();
    let rule = rules::rule(&bucket.oracle, &bucket.outcome);
    let which = findings::stored_name(&ready.home, &ready.target, &ready.job.target);
    let mut repro = format!("cargo xtask repro {id} --target {}", facts::shell_word(&which));
    if ready.target.entries.len() > 1 {
        repro += &format!(" --entry {}", facts::shell_word(&ready.job.entry));
    }
    let finding = Finding {
        id: id.clone(),
        oracle: bucket.oracle.clone(),
        severity: rule.severity,
        outcome: outcome.name().into(),
        title: triage::title(rule.title, &frames),
        message: String::from_utf8_lossy(&message).into_owned(),
        frames: triage::without_machinery(&frames).iter().take(FRAMES_MAX).map(Frame::to_record).collect(),
        reproducer: Reproducer::new(format!("{id}.bin"), &input, smallest.len() as u64),
        decoded: facts::decoded(&ready.target, &ready.job.entry, &input),
        repro,
        hits: raw.len().max(1) as u64,
        confirmed,
        bucket,
        ..Finding::default()
    };
    let state = match finding.confirmed {
        Confirmation::Reproduced | Confirmation::NotTried(_) => State::Open,
        Confirmation::NotReproduced(_) => State::Aside,
    };
    let (entry, sha256) = (ready.job.entry.clone(), ready.target.sha256.clone());
    let kept = Kept { target: which, entry, sha256, state, finding: finding.clone() };
    kept.write(&ready.unit, &input).map_err(|error| HarnessError::Engine(format!("{error:#}")))?;
    Ok((finding, raw))
}

/// The smallest input found that the judge puts into the same bucket.
fn smaller(
    ready: &Ready,
    symbols: &Symbols,
    bucket: &Bucket,
    outcome: Outcome,
    input: &[u8],
    until: Instant,
    fuzzed: &mut Option<Executor>,
) -> Result<Option<Vec<u8>>, HarnessError> {
    let same_bucket = |candidate: &[u8], limits: &Limits| {
        let target = crate::target::Target { limits: limits.clone(), ..ready.target.clone() };
        let replay = confirm::replay_in(&ready.engine, &target, &ready.job.entry, candidate);
        replay.is_ok_and(|replay| judged(ready, symbols, candidate, &replay).is_some_and(|(other, _)| other == *bucket))
    };
    let found: Option<Minimised> = if matches!(outcome, Outcome::Limit(Limit::Fuel | Limit::Deadline)) {
        // Only the budget ends these: search with a part of it, believe the whole.
        let limits = &ready.target.limits;
        let part = Limits {
            fuel_base: limits.fuel_base / SLOW_FUEL_PART,
            fuel_per_byte: limits.fuel_per_byte / SLOW_FUEL_PART,
            wall_ms_max: (limits.wall_ms_max / 4).max(10),
            ..limits.clone()
        };
        minimise::minimise(input, SLOW_TRIES_MAX, |candidate| Instant::now() < until && same_bucket(candidate, &part))
    } else {
        let executor = fast(ready, fuzzed)?;
        executor.run(input);
        let key = triage::quick_key(&executor.execution());
        let mut same_key =
            |candidate: &[u8]| executor.run(candidate) == outcome && triage::quick_key(&executor.execution()) == key;
        minimise::minimise(input, minimise::TRIES_MAX, |candidate| Instant::now() < until && same_key(candidate))
    };
    let smaller = found.map(|found| found.bytes).filter(|bytes| same_bucket(bytes, &ready.target.limits));
    Ok(smaller.filter(|bytes| bytes != input))
}

/// The instrumented executor, made when it is first needed.
fn fast<'a>(ready: &Ready, fuzzed: &'a mut Option<Executor>) -> Result<&'a mut Executor, HarnessError> {
    if fuzzed.is_none() {
        let limits = &ready.target.limits;
        *fuzzed =
            Some(Executor::new(&ready.engine, &ready.target, &ready.job.entry, Build::Fuzz, Reset::Dirty, limits)?);
    }
    Ok(fuzzed.as_mut().expect("made above"))
}

/// Coverage of the corpus and of what the findings' own inputs reach, by function, and what the module asked of the host.
fn covered(ready: &Ready, symbols: &Symbols, tell: &mut dyn FnMut(&Message)) -> Result<(), HarnessError> {
    let mut corpus = Store::open(&ready.unit.corpus(), u64::from(ready.target.limits.input_bytes_max))?;
    let mut inputs = corpus.import()?;
    let (entries, bytes) = (inputs.len() as u64, inputs.iter().map(|input| input.len() as u64).sum());
    inputs.extend(findings::open_inputs(&ready.unit, ready.target.limits.input_bytes_max.into()));
    let measured = coverage::measure(&ready.engine, &ready.target, &ready.job.entry, &inputs, symbols)?;
    let mut calls: BTreeMap<String, u64> = BTreeMap::new();
    for call in &measured.host_calls {
        *calls.entry(call.import.clone()).or_default() += call.count;
    }
    tell(&Message::Covered {
        functions: measured.functions(),
        edges_found: measured.edges_found(),
        edges_total: measured.edges_total(),
        entries,
        bytes,
        host_calls: calls
            .into_iter()
            .map(|(import, count)| HostCallRecord { import, answer: "seeded".into(), count })
            .collect(),
    });
    Ok(())
}
