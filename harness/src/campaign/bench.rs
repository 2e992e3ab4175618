//! `bench`: speeds side by side in one run, as executions per CPU second and as ratios. Cells are interleaved in rounds,
//! so that a busy machine slows them alike. Of runs of one input the best round counts, of whole loops the middle one:
//! same document, same CPU seconds, same longest input, corpora in memory, another seed of randomness in each round.
//! Edges are the module's, for native corpora as well.

mod clock;
mod native;

use super::facts;
use super::home::Home;
use super::inputs;
use super::live::thousands;
use crate::cli::{self, Format};
use crate::engine::{self, Clock, Options, Stop};
use crate::error::HarnessError;
use crate::executors::{Build, Engine, Executor, Reset};
use crate::limits::Overrides;
use crate::target::Target;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rounds through all cells.
const ROUNDS: usize = 7;
/// CPU time of one cell in one round, seconds.
const CELL_SECONDS: f64 = 0.15;
/// Rounds through the whole loops; odd, so that one is in the middle.
const LOOP_ROUNDS: u64 = 3;
/// Executions before a whole loop is measured: what is compiled late is in the cache then.
const WARM_UP_EXECUTIONS: u64 = 1_000;
/// The loop with full reset against native libFuzzer, and against a fresh pooled instance per execution: how many times
/// faster it shall be on [`BAR_TARGET`].
const BARS: [(Loop, f64); 2] = [(Loop::Native, 1.0), (Loop::Ours(Reset::Fresh), 3.0)];
/// A module that does nothing, so that what is measured is the loop.
const TRIVIAL: &str = r#"(module (memory (export "memory") 2)
  (func (export "alloc") (param i32) (result i32) i32.const 65536)
  (func (export "nothing") (param i32 i32) (result i32) i32.const 0))"#;

/// Longest file of a native corpus, bytes.
const NATIVE_BYTES_MAX: u64 = 16 << 20;
const BAR_TARGET: &str = "fhir-json-serde";
/// What is measured, the first one being the yardstick.
const CELLS: &[(&str, Build, Reset)] = &[
    ("plain, no reset", Build::Plain, Reset::Never),
    ("edges + dirty, no reset", Build::Fuzz, Reset::Never),
    ("edges + dirty, dirty-page reset", Build::Fuzz, Reset::Dirty),
    ("edges + dirty + compares, dirty-page reset", Build::Compare, Reset::Dirty),
    ("edges + dirty, fresh pooled instance", Build::Fuzz, Reset::Fresh),
    ("plain, fresh pooled instance", Build::Plain, Reset::Fresh),
];

/// Whole loops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loop {
    Ours(Reset),
    Native,
}

const LOOPS: [Loop; 3] = [Loop::Ours(Reset::Dirty), Loop::Native, Loop::Ours(Reset::Fresh)];

impl Loop {
    fn name(self) -> &'static str {
        match self {
            Loop::Ours(Reset::Fresh) => "whole loop, fresh pooled instance",
            Loop::Ours(_) => "whole loop, dirty-page reset",
            Loop::Native => "native libFuzzer, same source",
        }
    }
}

/// A stretch of executions.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measured {
    executions: u64,
    cpu_seconds: f64,
    /// Hit, and how many there are.
    edges: Option<(usize, usize)>,
}

impl Measured {
    fn rate(self) -> f64 {
        self.executions as f64 / self.cpu_seconds.max(1e-9)
    }
}

/// The same source for this machine, one input without a loop.
const NATIVE_CELL: &str = "native + libFuzzer's counters, no reset";

#[derive(serde::Serialize)]
struct Row<'a> {
    target: &'a str,
    input_bytes: usize,
    cell: &'static str,
    execs_per_cpu_second: Option<f64>,
    times_first: Option<f64>,
    executions: Option<u64>,
    cpu_seconds: Option<f64>,
    edges_found: Option<usize>,
    edges_total: Option<usize>,
    not_measured: Option<String>,
}

/// Measures and prints.
pub fn run(flags: &cli::Bench) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let engine = Engine::new(Some(&home.cache()))?;
    if let Some(which) = &flags.boundary {
        return super::glue::rates(which, flags.format);
    }
    if let Some(runs) = flags.clock {
        return clock::run(&engine, runs, flags.seeds.first().copied().unwrap_or(1), flags.format);
    }
    let names: Vec<String> = if flags.targets.is_empty() {
        ["fhir-json-serde", "hl7v2-er7", "inflate-zlib"].map(str::to_owned).into()
    } else {
        flags.targets.clone()
    };
    let mut targets = Vec::new();
    if flags.targets.is_empty() {
        targets.push(Target::from_bytes("trivial", TRIVIAL.as_bytes(), Default::default(), &Overrides::default())?);
    }
    for name in names {
        match Target::load(&home.root, &name, &Overrides::default()) {
            Ok(target) => targets.push(target),
            Err(HarnessError::Missing { what, remedy }) => {
                eprintln!("{name} is left out: {what} is missing ({remedy})")
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut rows = Vec::new();
    for target in &targets {
        let entry = target.entries.first().cloned().unwrap_or_default();
        let seeds = inputs::seeds(&home, target.manifest.format.as_deref(), &target.limits)?;
        // The seed nearest to 500 bytes, a small resource or message.
        let input = seeds.iter().min_by_key(|seed| seed.len().abs_diff(500)).cloned().unwrap_or_else(|| vec![b'a'; 48]);
        eprintln!("\n{}::{entry}, {} bytes of input", target.name, input.len());
        let program = native_program(flags.native.as_deref(), &target.name);
        let cells = cells(&engine, target, &entry, &input, &program)?;
        let loops = loops(&engine, target, &entry, &input, &program, flags)?;
        let yardstick = cells.iter().find_map(|(_, result)| result.as_ref().ok()).map_or(1.0, |first| first.rate());
        let results = cells.into_iter();
        for (cell, result) in results.chain(loops.iter().map(|(cell, result)| (cell.name(), result.clone()))) {
            let row = Row::new(target, &input, cell, result, yardstick);
            eprintln!("{}", row.line());
            rows.push(row);
        }
        compare(&target.name, &loops);
    }
    if flags.format == Format::Json {
        cli::print(format!("{}\n", serde_json::to_string_pretty(&rows)?).as_bytes())?;
    }
    Ok(cli::exit::CLEAN)
}

impl<'a> Row<'a> {
    fn new(
        target: &'a Target,
        input: &[u8],
        cell: &'static str,
        result: Result<Measured, String>,
        yardstick: f64,
    ) -> Self {
        let measured = result.as_ref().ok().copied();
        let edges = measured.and_then(|measured| measured.edges);
        Self {
            target: &target.name,
            input_bytes: input.len(),
            cell,
            execs_per_cpu_second: measured.map(Measured::rate),
            times_first: measured.map(|measured| measured.rate() / yardstick),
            executions: measured.map(|measured| measured.executions),
            cpu_seconds: measured.map(|measured| measured.cpu_seconds),
            edges_found: edges.map(|(found, _)| found),
            edges_total: edges.map(|(_, total)| total),
            not_measured: result.err(),
        }
    }

    /// For people.
    fn line(&self) -> String {
        let Row { cell, executions: Some(executions), cpu_seconds: Some(seconds), .. } = self else {
            let reason = self.not_measured.as_deref().unwrap_or_default();
            return format!("  {:44} NOT-MEASURED: {}", self.cell, cli::printable(reason));
        };
        let rate = thousands(self.execs_per_cpu_second.unwrap_or_default() as u64);
        let times = self.times_first.unwrap_or_default();
        let edges = match (self.edges_found, self.edges_total) {
            (Some(found), Some(total)) => {
                format!(", edges {}/{}", thousands(found as u64), thousands(total as u64))
            }
            _ => String::new(),
        };
        let executions = thousands(*executions);
        format!("  {cell:44} {rate:>11} /cpu-s  ×{times:<5.2} {executions:>10} in {seconds:.2} s{edges}")
    }
}

/// What the whole loops say about each other.
fn compare(target: &str, loops: &[(Loop, Result<Measured, String>)]) {
    let rate = |which: Loop| {
        let (_, result) = loops.iter().find(|(cell, _)| *cell == which)?;
        result.as_ref().ok().map(|measured| measured.rate())
    };
    for (other, bar) in BARS {
        if let (Some(ours), Some(theirs)) = (rate(Loop::Ours(Reset::Dirty)), rate(other)) {
            let times = ours / theirs;
            let bar = match times >= bar {
                _ if target != BAR_TARGET => String::new(),
                true => format!(" (bar ×{bar:.0}: met)"),
                false => format!(" (bar ×{bar:.0}: MISSED)"),
            };
            eprintln!("  whole loop ×{times:.2} of {}{bar}", other.name());
        }
    }
}

/// Each whole loop's middle round, or why there is none.
fn loops(
    engine: &Engine,
    target: &Target,
    entry: &str,
    input: &[u8],
    program: &Result<PathBuf, String>,
    flags: &cli::Bench,
) -> anyhow::Result<Vec<(Loop, Result<Measured, String>)>> {
    let input_bytes_max = flags.max_len.unwrap_or(inputs::FUZZ_BYTES_MAX) as usize;
    let ours = |reset: Reset, seed: u64, stop: Stop| -> anyhow::Result<Measured> {
        let mut subject = engine::Guest::new(engine, target, entry, reset, &target.limits)?;
        let options = Options {
            seed,
            input_bytes_max,
            seeds: vec![input.to_vec()],
            module_tokens: crate::instrument::dictionary::tokens(&target.wasm),
            stop,
            clock: Clock::Used,
            ..Options::default()
        };
        // Of the whole process: the loop's helpers count, too.
        let begin = facts::own_cpu_seconds();
        let last = engine::fuzz(&mut subject, &options, &mut |_| {})?.last;
        let cpu_seconds = facts::own_cpu_seconds() - begin;
        Ok(Measured { executions: last.executions, cpu_seconds, edges: Some((last.edges_found, last.edges_total)) })
    };
    let native_job = |seed: u64| native::Job {
        document: input,
        bytes_max: input_bytes_max,
        cpu_seconds: flags.seconds,
        seed,
        corpus: None,
    };
    let mut rounds: [Vec<Result<Measured, String>>; LOOPS.len()] = Default::default();
    ours(Reset::Dirty, 0, Stop { executions_max: Some(WARM_UP_EXECUTIONS), ..Stop::default() })?;
    for seed in 1..=LOOP_ROUNDS {
        for (cell, results) in LOOPS.into_iter().zip(&mut rounds) {
            results.push(match (cell, program) {
                (Loop::Ours(reset), _) => {
                    let cpu_max = Some(Duration::from_secs_f64(flags.seconds));
                    Ok(ours(reset, seed, Stop { cpu_max, ..Stop::default() })?)
                }
                (Loop::Native, Ok(program)) => native::measure(program, native_job(seed)),
                (Loop::Native, Err(reason)) => Err(reason.clone()),
            });
        }
    }
    let mut loops: Vec<_> = LOOPS.into_iter().zip(rounds.map(middle)).collect();
    for (cell, result) in &mut loops {
        // Once more, writing: what its corpus reaches is counted where ours is counted.
        if let (Loop::Native, Ok(program), Ok(measured)) = (*cell, program, result) {
            let folder = tempfile::tempdir()?;
            let again = native::measure(program, native::Job { corpus: Some(folder.path()), ..native_job(1) });
            let executor = Executor::new(engine, target, entry, Build::Fuzz, Reset::Dirty, &target.limits)?;
            measured.edges = again.is_ok().then(|| edges(executor, folder.path())).transpose()?;
        }
    }
    Ok(loops)
}

/// How many edges of the module the files of a folder hit together, and how many there are.
fn edges(mut executor: Executor, folder: &Path) -> anyhow::Result<(usize, usize)> {
    let mut hit = vec![false; executor.counters().len()];
    for file in std::fs::read_dir(folder)? {
        executor.run(&inputs::read_whole(&file?.path(), NATIVE_BYTES_MAX)?);
        for (hit, counter) in hit.iter_mut().zip(executor.counters()) {
            *hit |= std::mem::take(counter) != 0;
        }
    }
    Ok((hit.iter().filter(|hit| **hit).count(), hit.len()))
}

/// The median by rate, or the first reason for there being none.
fn middle(results: Vec<Result<Measured, String>>) -> Result<Measured, String> {
    let mut measured = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    measured.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    measured.get(measured.len() / 2).copied().ok_or_else(|| "no round was run".to_owned())
}

/// The program that runs the same source natively, or why there is none.
fn native_program(folder: Option<&Path>, target: &str) -> Result<PathBuf, String> {
    let folder =
        folder.ok_or("no --native; `cargo xtask bench` gives it, and needs a C++ compiler: apt-get install g++")?;
    let program = folder.join(target).canonicalize();
    program.map_err(|_| "targets/native has no program for this target".to_owned())
}

/// What one input costs, in every way to run it.
fn cells(
    engine: &Engine,
    target: &Target,
    entry: &str,
    input: &[u8],
    program: &Result<PathBuf, String>,
) -> anyhow::Result<Vec<(&'static str, Result<Measured, String>)>> {
    let mut executors = Vec::new();
    for &(name, build, reset) in CELLS {
        let none = Measured { executions: 0, cpu_seconds: 0.0, edges: None };
        executors.push((name, Executor::new(engine, target, entry, build, reset, &target.limits)?, none));
    }
    let document = tempfile::NamedTempFile::new()?;
    std::fs::write(&document, input)?;
    let mut natives = Vec::new();
    for _ in 0..ROUNDS {
        for (_, executor, best) in &mut executors {
            let begin = facts::own_cpu_seconds();
            let (mut runs, mut spent) = (0u64, 0.0);
            while spent < CELL_SECONDS {
                for _ in 0..64 {
                    executor.run(input);
                }
                runs += 64;
                spent = facts::own_cpu_seconds() - begin;
            }
            let measured = Measured { executions: runs, cpu_seconds: spent, edges: None };
            if measured.rate() > best.rate() {
                *best = measured;
            }
        }
        natives.push(program.clone().and_then(|program| native::repeat(&program, document.path())));
    }
    let best = natives.into_iter().max_by(|a, b| {
        let rate = |result: &Result<Measured, String>| result.as_ref().map_or(0.0, |measured| measured.rate());
        rate(a).total_cmp(&rate(b))
    });
    let rows = executors.into_iter().map(|(name, _, best)| (name, Ok(best)));
    Ok(rows.chain(best.map(|best| (NATIVE_CELL, best))).collect())
}
