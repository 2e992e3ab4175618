//! `bench`: speeds side by side in one run, as executions per CPU second and as ratios. Cells are interleaved in rounds,
//! so that a busy machine slows them alike; the best round of each counts.

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
use std::time::Duration;

/// Rounds through all cells.
const ROUNDS: usize = 7;
/// CPU time of one cell in one round, seconds.
const CELL_SECONDS: f64 = 0.15;
/// A module that does nothing, so that what is measured is the loop.
const TRIVIAL: &str = r#"(module (memory (export "memory") 2)
  (func (export "alloc") (param i32) (result i32) i32.const 65536)
  (func (export "nothing") (param i32 i32) (result i32) i32.const 0))"#;

/// What is measured, the first one being the yardstick.
const CELLS: &[(&str, Build, Reset)] = &[
    ("plain, no reset", Build::Plain, Reset::Never),
    ("edges + dirty, no reset", Build::Fuzz, Reset::Never),
    ("edges + dirty, dirty-page reset", Build::Fuzz, Reset::Dirty),
    ("edges + dirty + compares, dirty-page reset", Build::Compare, Reset::Dirty),
    ("edges + dirty, fresh pooled instance", Build::Fuzz, Reset::Fresh),
    ("plain, fresh pooled instance", Build::Plain, Reset::Fresh),
];

#[derive(serde::Serialize)]
struct Row {
    target: String,
    cell: String,
    execs_per_cpu_second: f64,
    times_first: f64,
}

/// Measures and prints.
pub fn run(flags: &cli::Bench) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let engine = Engine::new(Some(&home.cache()))?;
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
        let cells = cells(&engine, target, &entry, &input)?;
        let first = cells.first().map_or(1.0, |(_, rate)| *rate);
        let mut print = |cell: &str, rate: f64| {
            eprintln!("  {cell:44} {:>12} /cpu-s  ×{:.2}", thousands(rate as u64), rate / first);
            rows.push(Row {
                target: target.name.clone(),
                cell: cell.to_owned(),
                execs_per_cpu_second: rate,
                times_first: rate / first,
            });
        };
        for (cell, rate) in &cells {
            print(cell, *rate);
        }
        for (cell, reset) in
            [("whole loop, dirty-page reset", Reset::Dirty), ("whole loop, fresh pooled instance", Reset::Fresh)]
        {
            let mut subject = engine::Guest::new(&engine, target, &entry, reset, &target.limits)?;
            let options = Options {
                seed: 1,
                input_bytes_max: inputs::FUZZ_BYTES_MAX as usize,
                seeds: vec![input.clone()],
                module_tokens: crate::instrument::dictionary::tokens(&target.wasm),
                stop: Stop { cpu_max: Some(Duration::from_secs_f64(flags.seconds)), ..Stop::default() },
                clock: Clock::Used,
                ..Options::default()
            };
            let stats = engine::fuzz(&mut subject, &options, &mut |_| {})?;
            print(cell, stats.last.executions as f64 / stats.last.cpu_seconds.max(1e-9));
        }
    }
    if flags.format == Format::Json {
        cli::print(format!("{}\n", serde_json::to_string_pretty(&rows)?).as_bytes())?;
    }
    Ok(cli::exit::CLEAN)
}

fn cells(engine: &Engine, target: &Target, entry: &str, input: &[u8]) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let mut executors = Vec::new();
    for &(name, build, reset) in CELLS {
        executors.push((name, Executor::new(engine, target, entry, build, reset, &target.limits)?, 0.0f64));
    }
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
            *best = best.max(runs as f64 / spent);
        }
    }
    Ok(executors.into_iter().map(|(name, _, best)| (name, best)).collect())
}
