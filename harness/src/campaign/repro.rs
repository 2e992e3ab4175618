//! `repro`: a finding shown again on the module as deployed: outcome, limits, frames with source lines, decoded input.

use super::facts;
use super::home::Home;
use super::triage::Kept;
use crate::cli::{self, Format, printable, printable_name};
use crate::confirm;
use crate::executors::{Engine, component};
use crate::oracles::{self, Case};
use crate::symbols::Symbols;
use crate::target::Target;
use crate::{triage, views};
use anyhow::Context;
use autoclave_reports::rules;
use std::path::{Path, PathBuf};

/// Characters of the decoded view.
const DECODED_CHARS_MAX: usize = 16_000;

/// Shows one input's fate; 1 if it is a finding, 0 if not.
pub fn run(flags: &cli::Repro) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (target, entry, file) = resolve(&home, flags)?;
    let target = Target::load(&home.root, &target, &flags.limits.overrides())?;
    let entry = match entry.or_else(|| flags.entry.clone()) {
        Some(entry) if target.entries.contains(&entry) => entry,
        Some(entry) => anyhow::bail!("{} has no entry {entry}; it has {}", target.name, target.entries.join(", ")),
        None => match target.entries.as_slice() {
            [only] => only.clone(),
            several => {
                anyhow::bail!("{} has several entries: name one with --entry: {}", target.name, several.join(", "))
            }
        },
    };
    let input = read(&file, &target)?;
    let engine = Engine::new(Some(&home.cache()))?;
    let replay = confirm::replay_in(&engine, &target, &entry, &input)?;
    let symbols = Symbols::load(component::code(&target, &entry));
    let frames = replay.frames(&symbols);
    let execution = &replay.execution;
    let raised = oracles::ask(&Case { target: &target, entry: &entry, input: &input, execution });
    let bucket = raised.as_ref().map(|(oracle, _)| triage::bucket(oracle.name, execution.outcome, &frames));
    if flags.format == Format::Json {
        let records: Vec<_> = frames.iter().map(crate::symbols::Frame::to_record).collect();
        let value = serde_json::json!({
            "target": target.name, "entry": entry, "module_sha256": target.sha256, "input_bytes": input.len(),
            "outcome": execution.outcome.name(), "finding": bucket.as_ref().map(autoclave_reports::record::Bucket::id),
            "bucket": bucket, "frames": records, "fuel_used": execution.fuel_used,
            "memory_bytes_peak": execution.memory_bytes_peak, "message": String::from_utf8_lossy(&execution.message),
        });
        cli::print(
            format!("{}\n", autoclave_reports::escape::json(&serde_json::to_string_pretty(&value)?)).as_bytes(),
        )?;
    } else {
        let say = |line: &str| eprintln!("{}", printable_name(line));
        say(&format!(
            "target    {}::{entry}  ({}, sha-256 {})",
            target.name,
            facts::abi_name(target.abi),
            target.sha256
        ));
        say(&format!("input     {} ({} bytes)", home.relative(&file), input.len()));
        say(&format!("outcome   {}", execution.outcome.name()));
        if let Some(bucket) = &bucket {
            let rule = rules::rule(&bucket.oracle, &bucket.outcome);
            say(&format!("finding   {} · {} · {}", bucket.id(), rule.severity, triage::title(rule.title, &frames)));
        }
        let fuel = execution.fuel_used.unwrap_or(0);
        say(&format!("fuel      {fuel} of {}", target.limits.fuel(input.len())));
        say(&format!("memory    {} of {} bytes at most", execution.memory_bytes_peak, target.limits.memory_bytes_max));
        if !execution.message.is_empty() {
            eprintln!("message   {}", printable(String::from_utf8_lossy(&execution.message).trim_end()));
        }
        for call in &execution.host_calls {
            say(&format!("host      {} × {}", call.import, call.count));
        }
        for (number, frame) in triage::without_machinery(&frames).iter().enumerate() {
            let record = frame.to_record();
            let place = record.file.map_or_else(
                || record.module_offset.map_or_else(String::new, |offset| format!("module+{offset:#x}")),
                |file| format!("{file}:{}:{}", record.line.unwrap_or(0), record.column.unwrap_or(0)),
            );
            let inlined = if record.inlined { " (inlined)" } else { "" };
            say(&format!("  #{number:<3} {}{inlined}", record.function));
            say(&format!("       {place}"));
        }
        let format = target.manifest.format.as_deref();
        if let Some(decoded) = views::decode(format, target.abi, &input, DECODED_CHARS_MAX) {
            eprintln!("\n{}", printable(&decoded));
        }
    }
    Ok(if bucket.is_some() { cli::exit::FINDINGS } else { cli::exit::CLEAN })
}

/// Target, entry and file that the words mean.
fn resolve(home: &Home, flags: &cli::Repro) -> anyhow::Result<(String, Option<String>, PathBuf)> {
    let path = Path::new(&flags.what);
    if path.is_file() {
        let target = flags.target.clone().context("an input file needs --target NAME")?;
        return Ok(match target.rsplit_once("::") {
            Some((target, entry)) if !Path::new(&target).is_file() => {
                (target.to_owned(), Some(entry.to_owned()), path.to_owned())
            }
            _ => (target, None, path.to_owned()),
        });
    }
    let (file, kept) = find(home, &flags.what)?;
    Ok((flags.target.clone().unwrap_or(kept.target), Some(kept.entry), file.with_extension("bin")))
}

/// The finding of that id (or its beginning) in the state folders.
fn find(home: &Home, id: &str) -> anyhow::Result<(PathBuf, Kept)> {
    let mut found = Vec::new();
    let folders = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for target in folders(&home.state().join("state")) {
        for unit in folders(&target) {
            for file in folders(&unit.join("findings")) {
                let matches = file.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with(id));
                if matches && file.extension().is_some_and(|ending| ending == "json") {
                    found.push(file);
                }
            }
        }
    }
    found.sort();
    match found.as_slice() {
        [] => anyhow::bail!("no finding is called {id:?} here; `list` counts them, and a file needs --target"),
        [file, ..] => {
            let text = std::fs::read(file).with_context(|| format!("{}: not readable", file.display()))?;
            let kept = serde_json::from_slice(&text).with_context(|| format!("{}: not a finding", file.display()))?;
            Ok((file.clone(), kept))
        }
    }
}

/// What a finding means.
pub fn explain_finding(home: &Home, id: &str) -> anyhow::Result<u8> {
    let (_, kept) = find(home, id)?;
    let finding = kept.finding;
    let rule = rules::rule(&finding.oracle, &finding.outcome);
    cli::print(
        format!(
            "{}\n",
            printable_name(&format!("{} in {}::{}: {}", finding.id, kept.target, kept.entry, finding.title))
        )
        .as_bytes(),
    )?;
    cli::print(
        format!(
            "{} · severity {} ({:.1}) · CWE-{}\n",
            finding.outcome, finding.severity, rule.security_severity, rule.cwe
        )
        .as_bytes(),
    )?;
    cli::print(format!("\n{}\n{}\n\n{}\n", rule.meaning, rule.advice, printable_name(&finding.repro)).as_bytes())?;
    Ok(cli::exit::CLEAN)
}

fn read(file: &Path, target: &Target) -> anyhow::Result<Vec<u8>> {
    let length = file.metadata().with_context(|| format!("{}: not readable", file.display()))?.len();
    if length > u64::from(target.limits.input_bytes_max) {
        anyhow::bail!(
            "{}: {length} bytes; the limit input_bytes_max is {}",
            file.display(),
            target.limits.input_bytes_max
        );
    }
    std::fs::read(file).with_context(|| format!("{}: not readable", file.display()))
}
