//! `ct`: targets whose work must not depend on their secrets. Every entry that a script says handles one is run with many
//! secrets and public inputs; what differs is told with the place, the operand and the bytes that drive it.

use super::facts;
use super::home::{Home, write_whole};
use super::questions;
use super::run_folder::RunFolder;
use crate::cli;
use crate::constant_time::clock::Host;
use crate::constant_time::{self, Answer, Question};
use crate::corpus::Store;
use crate::coverage::Finder;
use crate::executors::{Engine, machine};
use crate::oracles;
use crate::symbols::Symbols;
use crate::target::{Allowed, Manifest, Policy, Shape, Target};
use autoclave_reports::constant_time::{ConstantTime, Handled, Leak};
use autoclave_reports::record::{Bucket, Confirmation, FoundAt, NotTested, Reproducer, Scope};
use autoclave_reports::{Finding, Severity, TargetRecord, Verdict, rules};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The oracle's name.
const ORACLE: &str = "constant-time";
/// Inputs of a collected corpus that public inputs are chosen from.
const CORPUS_MAX: usize = 2_000;
/// Longest source line in a card, characters.
const SOURCE_CHARS_MAX: usize = 200;
/// Exports that a remedy names.
const NAMED_MAX: usize = 6;
/// Leaks of one entry in the report.
const LEAKS_MAX: usize = 200;

struct Asked {
    target: Target,
    which: String,
    entries: Vec<String>,
}

/// Judges and reports.
pub fn run(flags: &cli::Ct, arguments: &[String]) -> anyhow::Result<u8> {
    let run = questions::Run {
        command: "ct",
        arguments,
        oracles: |asked| matches!(asked, oracles::Asked::OfSecrets),
        seed: flags.seed,
        jobs: flags.jobs,
        fail_on: flags.fail_on,
        format: flags.format,
        out: flags.out.as_deref(),
        say,
    };
    questions::run(
        &run,
        |home| choose(home, flags),
        |home, engine, asked, folder| {
            let row = examine(home, engine, flags, asked, folder)?;
            Ok((row, Vec::new()))
        },
    )
}

/// The targets that the words mean, and what cannot be judged.
fn choose(home: &Home, flags: &cli::Ct) -> anyhow::Result<(Vec<Asked>, Vec<NotTested>)> {
    let mut calls = BTreeMap::new();
    for declared in &flags.secrets {
        // Checked when the flag was read.
        if let Some((entry, script)) = declared.split_once('=') {
            calls.insert(entry.trim().to_owned(), script.to_owned());
        }
    }
    // Ground truth too: what comes out of it says what the answers about others are worth.
    let meant =
        |manifest: &Manifest| manifest.oracle.is_none() && !manifest.build.on_demand && !manifest.calls.is_empty();
    let (names, mut not_tested) = questions::names(home, &flags.targets, meant)?;
    if names.is_empty() && not_tested.is_empty() {
        anyhow::bail!(
            "no target here says in [calls] which of its arguments are secret: name one, or a .wasm file with --secret 'ENTRY=SCRIPT'"
        );
    }
    let mut asked = Vec::new();
    for name in names {
        let (which, only) = questions::parts(&name);
        let target = match Target::load_with(&home.root, &which, &flags.limits.overrides(), &calls) {
            Ok(target) => target,
            Err(error) => {
                not_tested.push(questions::gap(home, &flags.targets, &which, error)?);
                continue;
            }
        };
        let entries: Vec<String> = match &only {
            Some(entry) => vec![facts::one_entry(&target, Some(entry))?],
            None => target.scripts.keys().cloned().collect(),
        };
        if entries.is_empty() || !entries.iter().all(|entry| target.scripts.contains_key(entry)) {
            not_tested.push(undeclared(&which, &target));
            continue;
        }
        asked.push(Asked { target, which, entries });
    }
    Ok((asked, not_tested))
}

/// A module of which nobody says what is secret.
fn undeclared(which: &str, target: &Target) -> NotTested {
    let names: Vec<&str> = match &*target.shape {
        Shape::Core(_) => target.shape.function_names().into_iter().take(NAMED_MAX).collect(),
        Shape::Component(_) => Vec::new(),
    };
    NotTested {
        what: which.to_owned(),
        reason: match names.is_empty() {
            true => "a component: its core module is not called with secrets".to_owned(),
            false => "nobody says which arguments of its exports are secret".to_owned(),
        },
        remedy: match names.is_empty() {
            true => "give the core module inside it".to_owned(),
            false => format!(
                "--secret 'EXPORT=EXPORT(secret[16], public[16]) -> result', or [calls] in target.toml; exports: {}",
                names.join(", ")
            ),
        },
        scope: Scope::Asked,
    }
}

fn examine(
    home: &Home,
    engine: &Engine,
    flags: &cli::Ct,
    asked: &Asked,
    folder: &RunFolder,
) -> anyhow::Result<TargetRecord> {
    let Asked { target, entries, .. } = asked;
    let policy = flags.policy.or(target.manifest.constant_time.policy).unwrap_or_default();
    let mut allowed = target.manifest.constant_time.allow.clone();
    allowed.extend(flags.allow.iter().cloned());
    let symbols = Symbols::load(&target.wasm);
    let sources = Sources { finder: Finder::new(&home.root), texts: HashMap::new() };
    let answers: Vec<anyhow::Result<Answer>> = entries
        .par_iter()
        .with_max_len(1)
        .map(|entry| examine_entry(home, engine, flags, asked, entry, policy, &allowed, &symbols))
        .collect();
    let mut row = questions::row(home, target, entries, &[ORACLE]);
    let mut section = ConstantTime { policy: policy.name().into(), ..ConstantTime::default() };
    let mut sources = sources;
    let code = machine::scan(target, &target.limits);
    let mut diverged = BTreeSet::new();
    for (entry, answer) in entries.iter().zip(answers) {
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let reason = format!("it could not be run: {error:#}");
                let verdict = Verdict::NotTested(reason);
                section.entries.push(Handled { entry: entry.clone(), verdict, ..Handled::default() });
                continue;
            }
        };
        row.execs += answer.executions;
        if flags.timing {
            clock(engine, target, entry, flags, &mut answer);
        }
        for (leak, offset) in answer.leaks.iter_mut().zip(&answer.offsets) {
            leak.source = sources.line(&symbols, *offset);
            diverged.insert(*offset);
            if let Ok(code) = &code
                && depends_on_engine(leak)
            {
                leak.machine.push(code.sentence(*offset));
            }
        }
        if let Some(expected) = target.manifest.expect.get(entry) {
            answer.handled.expected.clone_from(expected);
            answer.handled.unmet = constant_time::unmet(expected, &answer);
        }
        let findings = findings(home, flags, asked, entry, &mut answer, folder)?;
        row.findings.extend(findings);
        if answer.leaks.len() > LEAKS_MAX {
            let more = answer.leaks.len() - LEAKS_MAX;
            answer.handled.notes.push(format!("{more} more leaks are not shown: repair the first ones"));
            answer.leaks.truncate(LEAKS_MAX);
        }
        section.entries.push(answer.handled);
        section.leaks.extend(answer.leaks);
    }
    match code {
        Ok(code) => {
            section.machine = code.summary(&target.wasm, &diverged);
            section.scanned.push(code.engine);
        }
        Err(error) => row.notes.push(format!("machine code was not looked at: {error}")),
    }
    row.sort_findings();
    row.verdict = verdict(&row, &section);
    row.constant_time = Some(section);
    Ok(row)
}

#[allow(clippy::too_many_arguments)]
fn examine_entry(
    home: &Home,
    engine: &Engine,
    flags: &cli::Ct,
    asked: &Asked,
    entry: &str,
    policy: Policy,
    allowed: &[Allowed],
    symbols: &Symbols,
) -> anyhow::Result<Answer> {
    let target = &asked.target;
    let before = facts::thread_cpu_seconds();
    let folder = home.unit(target, entry).corpus();
    let mut corpus = Vec::new();
    if folder.is_dir() && !flags.no_seeds {
        corpus = Store::open(&folder, u64::from(target.limits.input_bytes_max))?.import()?;
        corpus.truncate(CORPUS_MAX);
    }
    let question = Question {
        engine,
        target,
        entry,
        symbols,
        policy,
        secrets: flags.secrets_max,
        publics: flags.publics_max,
        search_runs: flags.search_runs,
        seed: flags.seed,
        corpus: &corpus,
        allowed,
    };
    let mut answer = constant_time::examine(&question)?;
    answer.handled.cpu_seconds = facts::thread_cpu_seconds() - before;
    Ok(answer)
}

/// One finding for each function and class of operation, worst first.
fn findings(
    home: &Home,
    flags: &cli::Ct,
    asked: &Asked,
    entry: &str,
    answer: &mut Answer,
    folder: &RunFolder,
) -> anyhow::Result<Vec<Finding>> {
    let mut groups: BTreeMap<(bool, String, String), Vec<usize>> = BTreeMap::new();
    for (index, leak) in answer.leaks.iter().enumerate() {
        if matches!(leak.verdict, Verdict::NotApplicable(_)) {
            continue;
        }
        let function = leak.frames.first().map_or_else(|| "the module".to_owned(), |frame| frame.function.clone());
        groups.entry((!leak.strong, leak.class.to_uppercase(), function)).or_default().push(index);
    }
    let mut list = Vec::new();
    for ((_, outcome, function), leaks) in groups {
        let bucket = Bucket {
            oracle: ORACLE.into(),
            outcome: outcome.clone(),
            frames: vec![asked.target.name.clone(), entry.to_owned(), function.clone()],
        };
        let id = bucket.id();
        let inputs = &answer.inputs[leaks[0]];
        let path = format!("artifacts/{id}.bin");
        write_whole(&folder.path.join(&path), &inputs[0])?;
        write_whole(&folder.path.join(format!("artifacts/{id}-other.bin")), &inputs[1])?;
        for index in &leaks {
            answer.leaks[*index].finding.clone_from(&id);
        }
        let leak = &answer.leaks[leaks[0]];
        let rule = rules::rule(ORACLE, &outcome);
        list.push(Finding {
            id,
            oracle: ORACLE.into(),
            severity: severity(rule.severity, leak),
            outcome,
            title: format!("{entry}: {} in {function}", leak.verdict.reason()),
            message: message(leak, leaks.len()),
            frames: leak.frames.clone(),
            reproducer: Reproducer::new(path, &inputs[0], inputs[0].len() as u64),
            decoded: facts::decoded(&asked.target, entry, &inputs[0]),
            repro: repro(home, flags, asked, entry),
            hits: leaks.len() as u64,
            found_at: FoundAt { execs: answer.executions, seconds: 0.0 },
            // Both executions were made again, with another build, in fresh instances: work is deterministic.
            confirmed: Confirmation::Reproduced,
            bucket,
            ..Finding::default()
        });
    }
    Ok(list)
}

/// Asks the clock about the two secrets that show the first leak: a row for each host, or a note why there is none.
fn clock(engine: &Engine, target: &Target, entry: &str, flags: &cli::Ct, answer: &mut Answer) {
    let open = |leak: &Leak| !matches!(leak.verdict, Verdict::NotApplicable(_));
    let Some(index) = answer.leaks.iter().position(open) else { return };
    let [one, other] = &answer.inputs[index];
    let rows = constant_time::clock::confirm(engine, target, entry, [one, other], flags.seed, Host::ALL);
    let mut says = Vec::new();
    for row in rows {
        match row {
            Ok(row) => {
                if row.outcome == "confirmed" {
                    says.push(format!(
                        "confirmed on {}: {:.1} ns of {:.1}",
                        row.host,
                        row.effect_ns.abs(),
                        row.call_ns
                    ));
                }
                answer.handled.clocked.push(row);
            }
            Err(reason) => answer.handled.notes.push(format!("no clock: {reason}")),
        }
    }
    if !answer.handled.clocked.is_empty() {
        answer.leaks[index].clock = match says.is_empty() {
            true => "not confirmed by a clock on this machine, which clears nothing".to_owned(),
            false => says.join("; "),
        };
    }
}

/// Whether what an engine makes of the operation decides if it can be seen.
fn depends_on_engine(leak: &Leak) -> bool {
    !leak.strong || leak.class == "div"
}

/// What a clock could tell as well is worse than what only a cache or a counter shows.
fn severity(of_rule: Severity, leak: &Leak) -> Severity {
    match (leak.clock.starts_with("confirmed"), leak.strong) {
        (true, true) => Severity::High,
        (true, false) => Severity::Medium,
        (false, _) => of_rule,
    }
}

fn message(leak: &Leak, leaks: usize) -> String {
    let [one, other] = &leak.secrets_hex;
    let mut text = format!(
        "with the secret {one} the {operand} is {}, with {other} it is {}; public input {}",
        leak.values[0],
        leak.values[1],
        if leak.public_hex.is_empty() { "none" } else { &leak.public_hex },
        operand = leak.operand
    );
    if !leak.secret_bytes.is_empty() {
        let bytes: Vec<String> = leak.secret_bytes.iter().take(32).map(u32::to_string).collect();
        let more = if leak.secret_bytes.len() > 32 { ", …" } else { "" };
        text += &format!("\ndriven by byte {}{more} of the secret", bytes.join(", "));
    }
    if leaks > 1 {
        text += &format!("\nand {} more places in this function", leaks - 1);
    }
    text
}

/// One line that shows it again.
fn repro(home: &Home, flags: &cli::Ct, asked: &Asked, entry: &str) -> String {
    let which = super::findings::stored_name(home, &asked.target, &asked.which);
    let mut line = format!("cargo xtask ct {}", facts::shell_word(&format!("{which}::{entry}")));
    if !flags.secrets.is_empty() {
        line = format!("cargo xtask ct {}", facts::shell_word(&which));
        for declared in &flags.secrets {
            if declared.split_once('=').is_some_and(|(name, _)| name.trim() == entry) {
                line += &format!(" --secret {}", facts::shell_word(declared));
            }
        }
    }
    if flags.seed != 1 {
        line += &format!(" --seed {}", flags.seed);
    }
    if let Some(policy) = flags.policy {
        line += &format!(" --policy {}", policy.name());
    }
    line
}

/// Findings first; an entry that was not tested is never a pass.
fn verdict(row: &TargetRecord, section: &ConstantTime) -> Verdict {
    let untested = section.entries.iter().filter_map(|handled| match &handled.verdict {
        Verdict::NotTested(reason) => Some(format!("{}: {reason}", handled.entry)),
        _ => None,
    });
    let untested: Vec<String> = untested.collect();
    if row.worst().is_some_and(|worst| worst > Severity::Info) || untested.is_empty() {
        let doubtful = section.entries.iter().find(|handled| matches!(handled.verdict, Verdict::Warn(_)));
        return match (row.judge(), doubtful) {
            (Verdict::Pass, Some(handled)) => Verdict::Warn(format!("{}: {}", handled.entry, handled.verdict.reason())),
            (verdict, _) => verdict,
        };
    }
    Verdict::NotTested(untested.into_iter().take(NAMED_MAX).collect::<Vec<_>>().join("; "))
}

/// Source lines, read once.
struct Sources {
    finder: Finder,
    texts: HashMap<String, Option<Vec<String>>>,
}

impl Sources {
    fn line(&mut self, symbols: &Symbols, offset: u32) -> String {
        let Some(location) = symbols.location(offset) else { return String::new() };
        let finder = &self.finder;
        let text = self.texts.entry(location.file.raw.clone()).or_insert_with(|| {
            finder.read(&location.file).map(|text| text.lines().map(|line| line.trim().to_owned()).collect())
        });
        let line = text.as_ref().and_then(|lines| lines.get((location.line as usize).checked_sub(1)?));
        line.map_or_else(String::new, |line| line.chars().take(SOURCE_CHARS_MAX).collect())
    }
}

fn say(row: &TargetRecord) {
    let Some(section) = &row.constant_time else { return };
    let count = |name: &str| section.entries.iter().filter(|handled| handled.verdict.name() == name).count();
    let secrets: u64 = section.entries.iter().map(|handled| handled.runs).sum();
    eprintln!(
        "{}: {} entries leak, {} perhaps, {} do not, {} not tested; {} executions compared, {:.1} cpu-s",
        cli::printable_name(&row.name),
        count("FAIL"),
        count("WARN"),
        count("PASS"),
        count("NOT-TESTED"),
        autoclave_reports::words::count(secrets),
        row.cpu_seconds
    );
}
