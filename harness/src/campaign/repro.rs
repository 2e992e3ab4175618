//! `repro`: a finding shown again on the module as deployed: outcome, limits, frames with source lines, decoded input.

use super::facts;
use super::findings::{self, Kept};
use super::home::Home;
use crate::cli::{self, Format, printable, printable_name};
use crate::confirm;
use crate::executors::{Engine, component};
use crate::oracles::{self, Case};
use crate::symbols::Symbols;
use crate::target::Target;
use crate::triage;
use anyhow::Context;
use autoclave_reports::rules;
use std::path::{Path, PathBuf};

/// Findings listed where an id means several.
const CHOICES_MAX: usize = 10;

/// An input to show, and where.
struct Shown {
    target: Target,
    entry: Option<String>,
    file: PathBuf,
    /// Hash of the module that the finding was made with, if the module is another one now.
    made_with: Option<String>,
}

/// Shows one input's fate; 1 if it is a finding, 0 if not.
pub fn run(flags: &cli::Repro) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let Shown { target, entry, file, made_with } = resolve(&home, flags)?;
    let entry = facts::one_entry(&target, entry.or_else(|| flags.entry.clone()).as_deref())?;
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
        say(&format!("target    {}::{entry}  ({}, sha-256 {})", target.name, target.abi.name(), target.sha256));
        if let Some(sha256) = made_with {
            say(&format!("          the module has changed since the finding was made with sha-256 {sha256}"));
        }
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
        if let Some(decoded) = facts::decoded(&target, &entry, &input) {
            eprintln!("\n{}", printable(&decoded));
        }
    }
    Ok(if bucket.is_some() { cli::exit::FINDINGS } else { cli::exit::CLEAN })
}

/// Target, entry and file that the words mean.
fn resolve(home: &Home, flags: &cli::Repro) -> anyhow::Result<Shown> {
    let load = |which: &str| Target::load(&home.root, which, &flags.limits.overrides());
    let path = Path::new(&flags.what);
    if path.is_file() {
        let which = flags.target.clone().context("an input file needs --target NAME")?;
        let (which, entry) = match which.rsplit_once("::") {
            Some((target, entry)) if !Path::new(&which).is_file() => (target, Some(entry.to_owned())),
            _ => (which.as_str(), None),
        };
        return Ok(Shown { target: load(which)?, entry, file: path.to_owned(), made_with: None });
    }
    let (file, kept) = find(home, &flags.what, flags.target.as_deref(), flags.entry.as_deref())?;
    let shown = |target, made_with| Shown {
        target,
        entry: Some(kept.entry.clone()),
        file: file.with_extension("bin"),
        made_with,
    };
    match &flags.target {
        // Another module is meant than the one that the finding was made with.
        Some(which) if *which != kept.target => Ok(shown(load(which)?, None)),
        _ => {
            let target = load(&findings::loadable(home, &kept.target)?)?;
            let changed = !kept.sha256.is_empty() && kept.sha256 != target.sha256;
            if changed && target.folder.is_none() {
                anyhow::bail!(
                    "{}: is another module than the one that the finding was made with (sha-256 {} now, {} then); \
                     to try the finding in it, name it with --target",
                    kept.target,
                    target.sha256,
                    kept.sha256
                );
            }
            Ok(shown(target, changed.then(|| kept.sha256.clone())))
        }
    }
}

/// The one finding whose id begins like that; target and entry choose where several do.
fn find(home: &Home, id: &str, target: Option<&str>, entry: Option<&str>) -> anyhow::Result<(PathBuf, Kept)> {
    let mut found = findings::by_id(home, id)?;
    if target.is_some_and(|target| found.iter().any(|(_, kept)| kept.target == target)) {
        found.retain(|(_, kept)| target == Some(kept.target.as_str()));
    }
    if entry.is_some_and(|entry| found.iter().any(|(_, kept)| kept.entry == entry)) {
        found.retain(|(_, kept)| entry == Some(kept.entry.as_str()));
    }
    match found.as_slice() {
        [] => anyhow::bail!("no finding is called {id:?} here; `list` counts them, and a file needs --target"),
        [only] => Ok(only.clone()),
        several => {
            let words = |(_, kept): &(PathBuf, Kept)| {
                let (target, entry) = (facts::shell_word(&kept.target), facts::shell_word(&kept.entry));
                format!("{} --target {target} --entry {entry}", kept.finding.id)
            };
            let choices: Vec<String> = several.iter().take(CHOICES_MAX).map(words).collect();
            anyhow::bail!("{} findings begin like that; say which:\n  {}", several.len(), choices.join("\n  "))
        }
    }
}

/// What a finding means.
pub fn explain_finding(home: &Home, id: &str) -> anyhow::Result<u8> {
    let (_, kept) = find(home, id, None, None)?;
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
    Ok(super::inputs::read_whole(file, u64::from(target.limits.input_bytes_max))?)
}
