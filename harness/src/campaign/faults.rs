//! `bench --faults`: how many executions the search of `diff` needs to find each planted fault, from nothing, with answers
//! and trees as feedback beside edges, and with edges alone. A fault is found when the comparison states its class of its
//! reader. Executions decide and nothing else: equal seeds give equal numbers.

use super::diff::{Guests, PLANTED};
use super::home::{Home, write_whole};
use super::inputs;
use super::live::thousands;
use super::run_folder::RunFolder;
use super::selftest::TWIN_RAISED;
use super::{facts, workers::Interrupts};
use crate::cli;
use crate::differential::panel::{Fidelity, Panel};
use crate::differential::subject::{Feedback, Looked, Readers};
use crate::engine::{self, Clock, Options, Stats, Stop, Trim};
use crate::error::HarnessError;
use crate::executors::{Engine, Reset};
use crate::limits::Overrides;
use crate::target::Target;
use anyhow::Context;
use autoclave_formats::Format;
use autoclave_formats::diff::judge::Class;
use autoclave_formats::mutate;
use autoclave_formats::peers::planted::{Planted, planted};
use autoclave_formats::peers::summary::{Reference, Said, Summary};
use autoclave_formats::rules::Side;
use autoclave_reports::record::{Budget, Check, Run, Timing, Trial};
use autoclave_reports::{Severity, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

/// Longest input, bytes: as `diff` has it.
const INPUT_BYTES_MAX: usize = 4_096;
/// What is compared, the first one being what `diff` does.
const MODES: [(Feedback, &str); 2] = [(Feedback::Differential, "differential"), (Feedback::Coverage, "coverage")];

/// When a fault was found.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
struct Found {
    executions: u64,
    cpu_seconds: f64,
}

/// One search.
#[derive(Debug, Clone, serde::Serialize)]
struct Search {
    feedback: &'static str,
    seed: u64,
    executions: u64,
    /// Of them, those that logged compares.
    traced: u64,
    /// Without judging.
    cpu_seconds: f64,
    /// Asking readers one by one about inputs that are new, and judging what they say.
    judging_cpu_seconds: f64,
    /// Inputs that were judged.
    judged: u64,
    edges_found: usize,
    corpus: usize,
    found: BTreeMap<&'static str, Found>,
    /// By fault: how many readers without it the input that shows it accuses of it, and how many there are.
    #[serde(skip)]
    twins: BTreeMap<&'static str, (usize, usize)>,
}

/// Measures and reports.
pub fn run(flags: &cli::Bench, format: &str, arguments: &[String]) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let Some(guests) = PLANTED.iter().find(|guests| guests.format.name() == format) else {
        let names: Vec<&str> = PLANTED.iter().map(|guests| guests.format.name()).collect();
        let message =
            format!("no faults are planted in readers of {format:?}, but in those of {}", names.join(" and "));
        return Err(cli::ExitWith { code: cli::exit::USAGE, message }.into());
    };
    let interrupts = Interrupts::install()?;
    let engine = Engine::new(Some(&home.cache()))?;
    let target = Arc::new(Target::load(&home.root, guests.module, &Overrides::default())?);
    let faults = planted(guests.format);
    let jobs: Vec<(usize, u64)> =
        flags.seeds.iter().flat_map(|seed| (0..MODES.len()).map(move |mode| (mode, *seed))).collect();
    let dictionary = inputs::dictionary_of(&home, guests.format.name())?;
    let stop_flag = Arc::new(AtomicBool::new(false));
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Search)>, HarnessError> {
        let mut done = Vec::new();
        while let Some(&(mode, seed)) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
            let options = Options {
                seed,
                input_bytes_max: INPUT_BYTES_MAX.min(target.limits.input_bytes_max as usize),
                dictionary: dictionary.clone(),
                module_tokens: crate::instrument::dictionary::tokens(&target.wasm),
                mutators: mutate::table(guests.format),
                stop: Stop { executions_max: Some(flags.runs), ..Stop::default() },
                stop_flag: stop_flag.clone(),
                clock: Clock::Ignored,
                trim: Trim::NewEdges,
                ..Options::default()
            };
            let search = search(&engine, &target, guests, faults, mode, &options, false)?;
            eprintln!("{}", line(&search, faults.len()));
            done.push((mode, search));
        }
        Ok(done)
    };
    let results: Vec<Result<Vec<(usize, Search)>, HarnessError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..flags.jobs).map(|_| scope.spawn(work)).collect();
        while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            stop_flag.fetch_or(interrupts.count() > 0, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        threads.into_iter().map(|thread| thread.join().expect("a search does not panic")).collect()
    });
    let mut searches: Vec<(usize, Search)> = results.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    searches.sort_by_key(|(mode, search)| (*mode, search.seed));
    let folder = RunFolder::create(&home, flags.out.as_deref(), "bench", started)?;
    let all: Vec<&Search> = searches.iter().map(|(_, search)| search).collect();
    write_whole(&folder.path.join("faults.json"), &serde_json::to_vec_pretty(&all)?)?;
    let begun = facts::record("bench", arguments, started, Severity::Low);
    let mut record = autoclave_reports::Record {
        run: Run {
            jobs: flags.jobs,
            seed: flags.seeds.first().copied().unwrap_or_default(),
            interrupted: interrupts.count() > 0,
            budget: Budget { seconds: None, runs: Some(flags.runs) },
            ..begun.run
        },
        limits: facts::limit_rows(&target),
        checks: faults.iter().map(|fault| check(fault, &target.name, &searches, flags.runs)).collect(),
        timing: Timing {
            wall_seconds: clock.elapsed().as_secs_f64(),
            cpu_seconds: facts::cpu_seconds_with_children(),
            memory_bytes_peak: Some(facts::rss_bytes()),
            ..Timing::default()
        },
        ..begun
    };
    record.verdict = record.judge();
    folder.write(&home, &record)?;
    eprint!("\n{}", table(faults, &searches, flags.runs));
    facts::print(&home, &folder, &record, flags.format)
}

/// Executions within which `diff --qualify` must find planted faults of every class.
const QUALIFY_RUNS: u64 = 250_000;

/// Whether the comparison finds faults of every class that are planted in readers of a format, with the search that `diff`
/// makes, and lets the readers without them pass: one row for each class.
///
/// # Errors
/// The module of the planted readers is not built.
pub fn qualify(home: &Home, engine: &Engine, format: Format) -> anyhow::Result<Vec<Check>> {
    // XML is read by the same readers as JSON, from the same tree.
    let format = if format == Format::FhirXml { Format::FhirJson } else { format };
    let guests = PLANTED.iter().find(|guests| guests.format == format);
    let guests = guests.with_context(|| format!("no faults are planted in readers of {}", format.name()))?;
    let target = Arc::new(Target::load(&home.root, guests.module, &Overrides::default())?);
    let faults = planted(guests.format);
    let options = Options {
        seed: 1,
        input_bytes_max: INPUT_BYTES_MAX.min(target.limits.input_bytes_max as usize),
        dictionary: inputs::dictionary_of(home, guests.format.name())?,
        module_tokens: crate::instrument::dictionary::tokens(&target.wasm),
        mutators: mutate::table(guests.format),
        stop: Stop { executions_max: Some(QUALIFY_RUNS), ..Stop::default() },
        clock: Clock::Ignored,
        trim: Trim::NewEdges,
        ..Options::default()
    };
    let search = search(engine, &target, guests, faults, 0, &options, true)?;
    eprintln!("{}", line(&search, faults.len()));
    // By class: which of several readers with the same kind of fault a search of this length meets is chance.
    let classes: BTreeSet<&str> = faults.iter().map(|fault| fault.class.name()).collect();
    let row = |class: &str| {
        let of: Vec<&Planted> = faults.iter().filter(|fault| fault.class.name() == class).collect();
        let found: Vec<&&Planted> = of.iter().filter(|fault| search.found.contains_key(fault.peer.name)).collect();
        let first = found.iter().filter_map(|fault| search.found.get(fault.peer.name)).map(|one| one.executions).min();
        let (passed, all) = found
            .iter()
            .filter_map(|fault| search.twins.get(fault.peer.name))
            .fold((0, 0), |(passed, all), (accused, readers)| (passed + readers - accused, all + readers));
        let name = format!("{}::{class}", guests.module);
        Check {
            name: "differential".into(),
            question: format!("does the search find readers with a fault of class {class}"),
            target: Some(name.clone()),
            verdict: match found.is_empty() {
                true => Verdict::Fail(format!("{name}: {class} not caught")),
                // The others have faults of their own, which may show on the same input; most have nothing to do with it.
                false if passed * 10 < all * 9 => Verdict::Fail(format!("{name}: {class} {TWIN_RAISED} in others")),
                false => Verdict::Pass,
            },
            canary: Some(Trial {
                target: name,
                expected: class.into(),
                seen: match first {
                    Some(first) => format!("{} of {}, the first after {first} executions", found.len(), of.len()),
                    None => format!("0 of {} in {} executions", of.len(), search.executions),
                },
            }),
            twin: Some(Trial {
                target: format!("{}::readers without it", guests.module),
                expected: "no finding".into(),
                seen: format!("{passed} of {all} pass the same inputs"),
            }),
        }
    };
    Ok(classes.into_iter().map(row).collect())
}

/// Searches once, from nothing.
#[allow(clippy::too_many_arguments)]
fn search(
    engine: &Engine,
    target: &Target,
    guests: &Guests,
    faults: &'static [Planted],
    mode: usize,
    options: &Options,
    only_until_all: bool,
) -> Result<Search, HarnessError> {
    let mut panel = Panel::new(guests.format);
    panel.add_guests(engine, target, guests.one, &(guests.peers)(), &|_| true, Fidelity::Fast)?;
    let stop_flag = options.stop_flag.clone();
    let mut twins: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
    let mut found: BTreeMap<&'static str, Found> = BTreeMap::new();
    let (mut judged, mut judging) = (0, 0.0);
    let begin = facts::thread_cpu_seconds();
    let mut observe = |Looked { input, executions, summary }: Looked<'_>| {
        let missing = faults.iter().enumerate().filter(|(_, fault)| !found.contains_key(fault.peer.name));
        let suspects: Vec<&Planted> =
            missing.filter(|(at, fault)| is_suspect(fault.class, summary, *at)).map(|(_, fault)| fault).collect();
        if suspects.is_empty() {
            return;
        }
        let before = facts::thread_cpu_seconds();
        judged += 1;
        let mut shown = Vec::new();
        let mut heard = panel.hear_those(input, &|peer| suspects.iter().any(|fault| fault.peer.name == peer.name));
        if suspects.iter().any(|fault| fault.class == Class::RoundTrip) {
            panel.ask_again(input, &mut heard);
        }
        for fault in suspects {
            let mut statements = heard.judgement.statements.iter().filter(|one| one.class == fault.class);
            if statements.any(|one| one.peers().any(|peer| peer == fault.peer.name)) {
                found.insert(fault.peer.name, Found { executions, cpu_seconds: before - begin - judging });
                shown.push((fault, input.to_vec()));
            }
        }
        // A reader without that fault is its repaired twin: the same input must not accuse it.
        for (fault, input) in shown {
            let mut heard = panel.hear_those(&input, &|_| true);
            if fault.class == Class::RoundTrip {
                panel.ask_again(&input, &mut heard);
            }
            let accused = heard.judgement.statements.iter().filter(|one| one.class == fault.class);
            let others = faults.iter().filter(|other| other.class != fault.class).map(|other| other.peer.name);
            let names: BTreeSet<&str> = accused.flat_map(|one| one.peers()).collect();
            let others: Vec<&str> = others.collect();
            twins.insert(fault.peer.name, (others.iter().filter(|name| names.contains(*name)).count(), others.len()));
        }
        let classes = |fault: &&Planted| {
            found.contains_key(fault.peer.name)
                || faults.iter().any(|other| other.class == fault.class && found.contains_key(other.peer.name))
        };
        if only_until_all && faults.iter().all(|fault| classes(&fault)) {
            stop_flag.store(true, Ordering::SeqCst);
        }
        judging += facts::thread_cpu_seconds() - before;
    };
    let guest = engine::Guest::new(engine, target, guests.all, Reset::Dirty, &target.limits)?;
    let (feedback, name) = MODES[mode];
    let mut readers = Readers::new(engine, guest, None, feedback, &mut observe)?;
    let Stats { last, traced, .. } = engine::fuzz(&mut readers, options, &mut |_| {})?;
    drop(readers);
    Ok(Search {
        feedback: name,
        seed: options.seed,
        executions: last.executions,
        traced,
        cpu_seconds: facts::thread_cpu_seconds() - begin - judging,
        judging_cpu_seconds: judging,
        judged,
        edges_found: last.edges_found,
        corpus: last.corpus,
        found,
        twins,
    })
}

/// Whether what was said leaves it possible that a reader shows a fault of that class.
fn is_suspect(class: Class, summary: Option<&Summary>, at: usize) -> bool {
    let kills = matches!(class, Class::Death | Class::Work | Class::Memory);
    let Some(Summary { reference: Reference { side, .. }, peers }) = summary else { return kills };
    match (class, peers.get(at)) {
        _ if kills => false,
        (_, None | Some(Said::NotAsked)) => false,
        (Class::Printed | Class::Layer, Some(said)) => matches!(said, Said::Refused { .. }),
        (Class::RefusesValid, Some(said)) => *side == Side::Accept && matches!(said, Said::Refused { .. }),
        (Class::RoundTrip, Some(_)) => *side == Side::Accept,
        (_, Some(Said::Accepted { digest, .. })) => *side == Side::Reject || *digest != 0,
        (_, Some(Said::Refused { .. })) => false,
    }
}

/// One search in a line.
fn line(search: &Search, faults: usize) -> String {
    let Search { feedback, seed, executions, cpu_seconds, judging_cpu_seconds, judged, corpus, found, .. } = search;
    format!(
        "{feedback:12} seed {seed:<4} {:>2} of {faults} found, {} executions in {cpu_seconds:.1} cpu-s ({} /cpu-s), \
         {} compares traced, corpus {}, {} judged in {judging_cpu_seconds:.1} cpu-s",
        found.len(),
        thousands(*executions),
        thousands((*executions as f64 / cpu_seconds.max(1e-9)) as u64),
        thousands(search.traced),
        thousands(*corpus as u64),
        thousands(*judged),
    )
}

/// Executions to a fault in each search of a mode, by seed; `None` where it was not found.
fn executions(fault: &Planted, mode: usize, searches: &[(usize, Search)]) -> Vec<Option<u64>> {
    let of_mode = searches.iter().filter(|(of, _)| *of == mode);
    of_mode.map(|(_, search)| search.found.get(fault.peer.name).map(|found| found.executions)).collect()
}

/// The middle one, of an even number the later one; what was not found comes last.
fn median(executions: &[Option<u64>]) -> Option<u64> {
    let mut sorted: Vec<u64> = executions.iter().map(|found| found.unwrap_or(u64::MAX)).collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().filter(|middle| *middle != u64::MAX)
}

fn shown(executions: Option<u64>, runs: u64) -> String {
    executions.map_or_else(|| format!(">{}", thousands(runs)), thousands)
}

/// A fault as a row of the record.
fn check(fault: &Planted, target: &str, searches: &[(usize, Search)], runs: u64) -> Check {
    let mut said = Vec::new();
    let mut missed = Vec::new();
    for (mode, (_, name)) in MODES.iter().enumerate() {
        let all = executions(fault, mode, searches);
        let each: Vec<String> = all.iter().map(|found| shown(*found, runs)).collect();
        said.push(format!("{name}: {}", each.join(", ")));
        let found = all.iter().flatten().count();
        if found < all.len() {
            missed.push(format!("{name} finds it in {found} of {}", all.len()));
        }
    }
    Check {
        name: fault.peer.name.into(),
        question: format!("executions until the search finds a reader that {}", fault.fault),
        target: Some(target.into()),
        verdict: match missed.is_empty() {
            true => Verdict::Pass,
            false => Verdict::Warn(missed.join("; ")),
        },
        canary: Some(Trial {
            target: fault.peer.name.into(),
            expected: fault.class.name().into(),
            seen: said.join("; "),
        }),
        twin: None,
    }
}

/// For people: a row for each fault, then sums.
fn table(faults: &[Planted], searches: &[(usize, Search)], runs: u64) -> String {
    let mut out = format!("{:24} {:5}", "FAULT", "CLASS");
    for (_, name) in MODES {
        out.push_str(&format!("  {name:>36} {:>10}", "median"));
    }
    out.push('\n');
    let mut ratios = Vec::new();
    for fault in faults {
        out.push_str(&format!("{:24} {:5}", fault.peer.name, fault.class.name()));
        let mut medians = Vec::new();
        for mode in 0..MODES.len() {
            let all = executions(fault, mode, searches);
            let each: Vec<String> = all.iter().map(|found| shown(*found, runs)).collect();
            medians.push(median(&all));
            out.push_str(&format!("  {:>36} {:>10}", each.join(" "), shown(median(&all), runs)));
        }
        if let [Some(ours), Some(theirs)] = medians[..] {
            ratios.push(theirs as f64 / ours.max(1) as f64);
        }
        out.push('\n');
    }
    for (mode, (_, name)) in MODES.iter().enumerate() {
        let found: Vec<String> = searches
            .iter()
            .filter(|(of, _)| of == &mode)
            .map(|(_, search)| format!("{} (seed {})", search.found.len(), search.seed))
            .collect();
        let medians: Vec<Option<u64>> = faults.iter().map(|fault| median(&executions(fault, mode, searches))).collect();
        out.push_str(&format!(
            "{name}: found {} of {}; by the median of seeds {}, the middle fault after {}\n",
            found.join(", "),
            faults.len(),
            medians.iter().flatten().count(),
            shown(median(&medians), runs),
        ));
    }
    if !ratios.is_empty() {
        let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        let [(_, ours), (_, theirs)] = MODES;
        out.push_str(&format!(
            "where both find it, {theirs} needs {mean:.2} times the executions of {ours} (geometric mean of {})\n",
            ratios.len()
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_found_comes_last() {
        for (executions, expected) in [
            (&[Some(3), Some(1), Some(2)][..], Some(2)),
            (&[Some(3), None, Some(2)], Some(3)),
            (&[None, None, Some(2)], None),
            (&[Some(1), Some(2)], Some(2)),
            (&[], None),
        ] {
            assert_eq!(median(executions), expected, "{executions:?}");
        }
    }

    #[test]
    fn only_what_can_show_a_fault_is_suspect() {
        let summary = |side, said| Summary { reference: Reference { side, ..Reference::default() }, peers: vec![said] };
        let same = Said::Accepted { digest: 0, causes: 0 };
        let other = Said::Accepted { digest: 1, causes: 1 };
        let refused = Said::refused(autoclave_formats::peers::Layer::Value, "x");
        let (accept, reject) = (Side::Accept, Side::Reject);
        for (class, summary, expected) in [
            (Class::Death, None, true),
            (Class::Type, None, false),
            (Class::Death, Some(summary(accept, other)), false),
            (Class::Type, Some(summary(accept, same)), false),
            (Class::Type, Some(summary(accept, other)), true),
            (Class::Type, Some(summary(reject, same)), true),
            (Class::Type, Some(summary(reject, refused)), false),
            (Class::RefusesValid, Some(summary(accept, refused)), true),
            (Class::RefusesValid, Some(summary(reject, refused)), false),
            (Class::Layer, Some(summary(reject, refused)), true),
            (Class::RoundTrip, Some(summary(accept, same)), true),
        ] {
            assert_eq!(is_suspect(class, summary.as_ref(), 0), expected, "{class:?} {summary:?}");
        }
    }
}
