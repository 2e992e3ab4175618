//! `cmin`, `tmin`, `coverage`: a corpus made small, an input made small, and what a corpus reaches.

use super::facts;
use super::home::{Home, write_whole};
use super::inputs;
use crate::cli::{self, printable, printable_name};
use crate::corpus::{InputId, Store};
use crate::execution::{Limit, Outcome};
use crate::executors::{Build, Engine, Executor, Reset, component};
use crate::limits::Overrides;
use crate::minimise::{self, Candidate, Pin};
use crate::symbols::Symbols;
use crate::target::Target;
use crate::{coverage, triage};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The target and the one entry that the words mean.
fn one(home: &Home, name: &str, entry: Option<&str>) -> anyhow::Result<(Target, String)> {
    let (name, entry) = match name.rsplit_once("::") {
        Some((name, inside)) if !Path::new(name).is_file() && entry.is_none() => (name, Some(inside)),
        _ => (name, entry),
    };
    let target = Target::load(&home.root, name, &Overrides::default())?;
    let entry = facts::one_entry(&target, entry)?;
    Ok((target, entry))
}

/// Removes from the collected corpus what the rest covers. Inputs that are committed as seeds or regressions stay, and so
/// do those that are pinned for what coverage does not see.
pub fn cmin(flags: &cli::OneTarget) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (target, entry) = one(&home, &flags.target, flags.entry.as_deref())?;
    let folder = home.unit(&target, &entry).corpus();
    let engine = Engine::new(Some(&home.cache()))?;
    let mut executor = Executor::new(&engine, &target, &entry, Build::Fuzz, Reset::Dirty, &target.limits)?;
    let longest = u64::from(target.limits.input_bytes_max);
    let inputs = Store::open(&folder, longest)?.import()?;
    let format = target.manifest.format.as_deref();
    let mut pinned: std::collections::BTreeSet<InputId> =
        inputs::seeds(&home, format, &target.limits)?.iter().map(|seed| InputId::of(seed)).collect();
    if let Some(format) = format {
        let regressions = home.corpora(format).join("regressions");
        let kept = crate::corpus::load_seeds(&regressions, u64::from(target.limits.input_bytes_max))?;
        pinned.extend(kept.iter().map(|input| InputId::of(input)));
    }
    pinned.extend(inputs::pinned(&home.unit(&target, &entry), longest)?.iter().map(|input| InputId::of(input)));
    let candidates: Vec<Candidate> = inputs
        .iter()
        .map(|input| {
            executor.run(input);
            let pin = if pinned.contains(&InputId::of(input)) { Pin::Kept } else { Pin::Free };
            Candidate { bytes: input.len() as u64, features: minimise::features(executor.counters()), pin }
        })
        .collect();
    let kept = minimise::cover(&candidates);
    let mut removed = 0;
    for (index, input) in inputs.iter().enumerate() {
        if kept.binary_search(&index).is_err() {
            let path = folder.join(InputId::of(input).hex());
            std::fs::remove_file(&path).with_context(|| format!("{}: could not be removed", path.display()))?;
            removed += 1;
        }
    }
    eprintln!(
        "{}: {} inputs, {removed} removed, {} kept",
        printable_name(&home.relative(&folder)),
        inputs.len(),
        kept.len()
    );
    Ok(cli::exit::CLEAN)
}

/// The smallest input that ends in the same way, at the same place.
pub fn tmin(flags: &cli::Tmin) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (target, entry) = one(&home, &flags.target, flags.entry.as_deref())?;
    let input = inputs::read_whole(&flags.file, u64::from(target.limits.input_bytes_max))?;
    let engine = Engine::new(Some(&home.cache()))?;
    let mut executor = Executor::new(&engine, &target, &entry, Build::Fuzz, Reset::Dirty, &target.limits)?;
    let outcome = executor.run(&input);
    let key = triage::quick_key(&executor.execution());
    // An input that is no finding keeps what it covers instead.
    let features = minimise::features(executor.counters());
    // An endless input costs its whole time with each try.
    let endless = matches!(outcome, Outcome::Limit(Limit::Fuel | Limit::Deadline));
    let tries_max = if endless { super::triage::SLOW_TRIES_MAX } else { minimise::TRIES_MAX };
    let found = minimise::minimise(&input, tries_max, |candidate| {
        executor.run(candidate) == outcome
            && if outcome.is_finding() {
                triage::quick_key(&executor.execution()) == key
            } else {
                minimise::features(executor.counters()) == features
            }
    });
    let Some(found) = found else {
        anyhow::bail!("{}: does not end in the same way twice; nothing to minimise", flags.file.display());
    };
    let out = flags.out.clone().unwrap_or_else(|| {
        let mut name = flags.file.as_os_str().to_owned();
        name.push(".min");
        PathBuf::from(name)
    });
    write_whole(&out, &found.bytes)?;
    eprintln!(
        "{}: {} → {} bytes in {} tries, still {}: {}",
        printable(&flags.file.display().to_string()),
        input.len(),
        found.bytes.len(),
        found.tries,
        outcome.name(),
        printable(&out.display().to_string())
    );
    Ok(cli::exit::CLEAN)
}

/// LCOV and HTML of what the collected corpus (or the named inputs) reaches.
pub fn coverage(flags: &cli::Coverage) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (target, entry) = one(&home, &flags.target, flags.entry.as_deref())?;
    let longest = u64::from(target.limits.input_bytes_max);
    let mut corpus = Vec::new();
    if flags.input.is_empty() {
        let unit = home.unit(&target, &entry);
        corpus = Store::open(&unit.corpus(), longest)?.import()?;
        corpus.extend(super::findings::open_inputs(&unit, longest));
        if corpus.is_empty() {
            corpus = inputs::seeds(&home, target.manifest.format.as_deref(), &target.limits)?;
        }
    }
    for path in &flags.input {
        if path.is_dir() {
            corpus.extend(crate::corpus::load_seeds(path, longest)?);
        } else {
            corpus.push(inputs::read_whole(path, longest)?);
        }
    }
    if corpus.is_empty() {
        anyhow::bail!("{}: no inputs yet; fuzz it first, or name some with --input", target.name);
    }
    let engine = Engine::new(Some(&home.cache()))?;
    let symbols = Symbols::load(component::code(&target, &entry));
    let measured = coverage::measure(&engine, &target, &entry, &corpus, &symbols)?;
    let folder = super::run_folder::RunFolder::create(&home, flags.out.as_deref(), "coverage", SystemTime::now())?;
    write_whole(&folder.path.join("lcov.info"), &measured.lcov())?;
    write_whole(&folder.path.join("coverage.html"), &measured.html(&home.root))?;
    eprintln!(
        "{}::{}: {} inputs, {}/{} edges",
        target.name,
        printable_name(&entry),
        corpus.len(),
        measured.edges_found(),
        measured.edges_total()
    );
    let mut blockers: Vec<_> =
        measured.functions().into_iter().filter(|row| row.edges_found < row.edges_total).collect();
    blockers.sort_by_key(|row| std::cmp::Reverse(row.edges_total - row.edges_found));
    for row in blockers.iter().take(10) {
        let place = row.file.as_ref().map_or_else(String::new, |file| format!("  {file}:{}", row.line.unwrap_or(0)));
        eprintln!(
            "{:>6} edges missing  {}{}",
            row.edges_total - row.edges_found,
            printable_name(&row.name),
            printable_name(&place)
        );
    }
    let shown = printable_name(&home.relative(&folder.path));
    eprintln!("{shown}/coverage.html · {shown}/lcov.info");
    Ok(cli::exit::CLEAN)
}
