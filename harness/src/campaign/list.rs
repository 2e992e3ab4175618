//! `list`, `add`, `explain`: what there is, one more of it, and what it means.

use super::findings::{self, State};
use super::home::{Home, write_whole};
use crate::cli::{self, Format, printable_name};
use crate::error::HarnessError;
use crate::execution::Outcome;
use crate::limits::Overrides;
use crate::oracles;
use crate::target::{self, Target};
use autoclave_reports::rules;

/// One line per target.
pub fn list(flags: &cli::List) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let mut rows = Vec::new();
    for found in Target::discover(&home.root)? {
        rows.push(row(&home, &found));
    }
    if flags.format == Format::Json {
        cli::print(format!("{}\n", autoclave_reports::escape::json(&serde_json::to_string_pretty(&rows)?)).as_bytes())?;
        return Ok(cli::exit::CLEAN);
    }
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    for row in &rows {
        let name = printable_name(&row.name);
        cli::print(
            format!(
                "{name:width$}  {:12}  {:9}  {:>5} inputs  {:>2} findings{}  {}\n",
                printable_name(&row.abi),
                printable_name(&row.format),
                row.corpus,
                row.findings,
                row.more_findings(),
                printable_name(&row.state)
            )
            .as_bytes(),
        )?;
    }
    if rows.is_empty() {
        eprintln!("no targets here: run in a folder that holds targets/, or name a .wasm file to `fuzz`");
    }
    Ok(cli::exit::CLEAN)
}

#[derive(serde::Serialize)]
struct Row {
    name: String,
    abi: String,
    format: String,
    entries: Vec<String>,
    corpus: usize,
    /// Open: the module as it is shows them.
    findings: usize,
    /// Repaired.
    fixed: usize,
    /// Made with another module than the one that is there, and not looked at since.
    unchecked: usize,
    state: String,
}

impl Row {
    fn more_findings(&self) -> String {
        let (mut parts, count) = (Vec::new(), |n: usize, what: &str| (n > 0).then(|| format!("{n} {what}")));
        parts.extend(count(self.unchecked, "from before the module changed"));
        parts.extend(count(self.fixed, "fixed"));
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    }
}

fn row(home: &Home, found: &target::Found) -> Row {
    let mut row = Row {
        name: found.name.clone(),
        abi: String::new(),
        format: String::new(),
        entries: Vec::new(),
        corpus: 0,
        findings: 0,
        fixed: 0,
        unchecked: 0,
        state: String::new(),
    };
    match &found.manifest {
        Err(error) => row.state = error.to_string(),
        Ok(manifest) => {
            row.format = manifest.format.clone().unwrap_or_else(|| "-".into());
            row.state = manifest.about.clone();
        }
    }
    match Target::load(&home.root, &found.name, &Overrides::default()) {
        Ok(target) => {
            row.abi = target.abi.name().into();
            for entry in &target.entries {
                let unit = home.unit(&target, entry);
                row.corpus += count(&unit.corpus());
                for kept in findings::all(&unit) {
                    match kept.state {
                        State::Aside => {}
                        State::Fixed => row.fixed += 1,
                        State::Open if kept.sha256 == target.sha256 => row.findings += 1,
                        State::Open => row.unchecked += 1,
                    }
                }
            }
            row.entries = target.entries;
        }
        Err(HarnessError::Missing { remedy, .. }) => row.abi = format!("({remedy})"),
        Err(error) => row.state = error.to_string(),
    }
    row
}

fn count(folder: &std::path::Path) -> usize {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter(|file| !file.file_name().to_string_lossy().starts_with('.')).count()
}

/// Registers a prebuilt module.
pub fn add(flags: &cli::Add) -> anyhow::Result<u8> {
    let home = Home::find()?;
    if super::home::file_name(&flags.name) != flags.name {
        anyhow::bail!("{:?}: a target's name is letters, digits, '-', '_' and '.'", flags.name);
    }
    if !flags.wasm.is_file() {
        anyhow::bail!("{}: no such file", flags.wasm.display());
    }
    // Loading it first means that only a module that can be fuzzed becomes a target.
    let loaded = Target::load_file(&flags.wasm, &Overrides::default())?;
    let folder = home.root.join(target::TARGETS_FOLDER).join(&flags.name);
    let manifest = folder.join(target::MANIFEST_FILE);
    if manifest.exists() {
        anyhow::bail!("{}: there already", home.relative(&manifest));
    }
    let mut text = target::manifest_for(&flags.wasm.display().to_string(), &loaded.wasm)?;
    if let Some(format) = &flags.input_format {
        text =
            format!("{}\nformat = {}\n", text.lines().next().unwrap_or_default(), toml::Value::from(format.as_str()))
                + text.split_once('\n').map_or("", |(_, rest)| rest);
    }
    write_whole(&folder.join("module.wasm"), &loaded.wasm)?;
    write_whole(&manifest, text.as_bytes())?;
    eprintln!(
        "{}: {} with {}; `cargo xtask fuzz {}` fuzzes it",
        home.relative(&manifest),
        loaded.abi.name(),
        printable_name(&loaded.entries.join(", ")),
        flags.name
    );
    Ok(cli::exit::CLEAN)
}

/// What an outcome, an oracle or a finding means.
pub fn explain(flags: &cli::Explain) -> anyhow::Result<u8> {
    let Some(what) = &flags.what else {
        for oracle in oracles::ALL {
            cli::print(format!("{:12} {}\n", oracle.name, oracle.question).as_bytes())?;
        }
        for outcome in Outcome::ALL {
            cli::print(format!("{:28} {}\n", outcome.name(), meaning(*outcome)).as_bytes())?;
        }
        return Ok(cli::exit::CLEAN);
    };
    if let Some(oracle) = oracles::by_name(what) {
        cli::print(format!("{}: {}\n\n{}\n\n", oracle.name, oracle.question, oracle.explanation).as_bytes())?;
        for (canary, twin) in oracle.canaries {
            cli::print(
                format!("canary {} (must be caught) · twin {} (must pass)\n", canary.name, twin.name).as_bytes(),
            )?;
        }
        cli::print(format!("qualify it: cargo xtask selftest --oracle {}\n", oracle.name).as_bytes())?;
        return Ok(cli::exit::CLEAN);
    }
    let by_any_case = Outcome::ALL.iter().copied().find(|outcome| outcome.name().eq_ignore_ascii_case(what));
    if let Some(outcome) = by_any_case {
        cli::print(format!("{}: {}\n", outcome.name(), meaning(outcome)).as_bytes())?;
        if outcome.is_finding() {
            explain_rule(rules::rule("crash", outcome.name()))?;
        }
        return Ok(cli::exit::CLEAN);
    }
    // What other oracles find stands in the table of severities only.
    let mut known = rules::RULES.iter().filter(|rule| rule.outcome.eq_ignore_ascii_case(what)).peekable();
    if known.peek().is_some() {
        for rule in known {
            cli::print(format!("{}, by the oracle {}: {}\n", rule.outcome, rule.oracle, rule.title).as_bytes())?;
            explain_rule(rule)?;
        }
        return Ok(cli::exit::CLEAN);
    }
    if what.len() >= 6 && what.chars().all(|c| c.is_ascii_hexdigit()) {
        return super::repro::explain_finding(&Home::find()?, what);
    }
    anyhow::bail!("{what:?} is no outcome, oracle or finding id; `explain` without a word lists them")
}

fn explain_rule(rule: &rules::Rule) -> anyhow::Result<()> {
    let severity = format!("severity {} ({:.1}), CWE-{}\n", rule.severity, rule.security_severity, rule.cwe);
    Ok(cli::print(format!("{severity}{}\n{}\n", rule.meaning, rule.advice).as_bytes())?)
}

fn meaning(outcome: Outcome) -> &'static str {
    use crate::execution::{Limit, Trap};
    match outcome {
        Outcome::Returned => "the entry returned and accepted the input",
        Outcome::Rejected => "the entry returned and said that the input is not acceptable",
        Outcome::Trap(trap) => match trap {
            Trap::Unreachable => "a panic, abort or failed assertion",
            Trap::MemoryOutOfBounds => "a load, store or bulk operation outside linear memory",
            Trap::HeapMisaligned => "an unaligned atomic access",
            Trap::TableOutOfBounds => "a table access outside the table",
            Trap::IndirectCallToNull => "an indirect call through an empty table slot",
            Trap::BadSignature => "an indirect call to a function of another type",
            Trap::IntegerOverflow => "the smallest integer divided by minus one",
            Trap::IntegerDivisionByZero => "an integer divided by zero",
            Trap::BadConversionToInteger => "a float converted to an integer that cannot hold it",
            Trap::NullReference => "a null reference was used",
            Trap::ArrayOutOfBounds => "an array access outside the array",
            Trap::CastFailure => "a reference cast to a type that it does not have",
            Trap::UncaughtException => "an exception or thrown error that nobody caught",
            Trap::Exit => "proc_exit with a code that is not declared as a rejection",
            Trap::Other => "a trap that this version has no name for",
        },
        Outcome::Limit(limit) => match limit {
            Limit::Fuel => "the instruction budget ran out: an endless or super-linear loop",
            Limit::Deadline => "the wall-clock guard fired; judged again with fuel before it counts",
            Limit::Stack => "recursion exhausted the native stack",
            Limit::ShadowStack => "recursion or a large frame exhausted the module's own stack in linear memory",
            Limit::GracefulOom => "memory growth was denied and the module coped (not a finding)",
            Limit::OomAbort => "memory growth was denied and the module trapped for it",
            Limit::HardDeny => "the module went on asking for memory after many denials and was stopped",
            Limit::Table => "table growth was denied (not a finding by itself)",
            Limit::Output => "more output than allowed",
            Limit::HostCalls => "more calls to the host than allowed",
        },
    }
}
