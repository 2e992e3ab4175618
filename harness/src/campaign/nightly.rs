//! `nightly`: what a machine does while people sleep: every suite over every target of its shard, in one budget and one
//! report, and what of it is new since the last one.

use super::children::{self, Ran};
use super::facts;
use super::glue;
use super::home::{Home, write_whole};
use super::run_folder::RunFolder;
use super::statics;
use super::workers::Interrupts;
use crate::cli::{self, printable};
use crate::limits::Overrides;
use crate::oracles;
use crate::target::{Manifest, Target};
use anyhow::Context;
use autoclave_reports::formats::sarif;
use autoclave_reports::record::{Budget, NotTested, REPORT_BYTES_MAX, Run, Scope, Timing};
use autoclave_reports::{Finding, Record, Severity, TargetRecord, Verdict, controls, escape};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Instant, SystemTime};

/// A suite: its command, the targets that it concerns, and its share of the budget in hundredths, if it searches.
struct Suite {
    name: &'static str,
    concerns: fn(&Manifest) -> bool,
    share: Option<u32>,
    /// Whether the share is that of each target, not of all together.
    is_each: bool,
    words: &'static [&'static str],
}

fn is_candidate(manifest: &Manifest) -> bool {
    manifest.is_candidate() && !manifest.build.on_demand
}

/// All suites, in the order in which they run.
const SUITES: &[Suite] = &[
    Suite { name: "selftest", concerns: |_| false, share: None, is_each: false, words: &[] },
    Suite { name: "replay", concerns: is_candidate, share: None, is_each: false, words: &[] },
    Suite { name: "fuzz", concerns: is_candidate, share: Some(60), is_each: false, words: &[] },
    Suite { name: "limits", concerns: is_candidate, share: None, is_each: false, words: &[] },
    Suite {
        name: "ct",
        concerns: |manifest| is_candidate(manifest) && !manifest.calls.is_empty(),
        share: None,
        is_each: false,
        words: &[],
    },
    Suite {
        name: "boundary",
        concerns: |manifest| manifest.oracle.is_none() && !manifest.build.on_demand && glue::has_glue(manifest),
        share: Some(20),
        is_each: true,
        words: &["--host", "node,chromium,wasmtime"],
    },
];

/// How a finding stands to the last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    New,
    Unchanged,
    /// It was there, its target was asked again, and it is not there any more.
    Fixed,
    /// It was there, and its target was not asked: another shard's, or not built.
    NotAsked,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Unchanged => "unchanged",
            State::Fixed => "fixed",
            State::NotAsked => "not asked",
        }
    }
}

/// One finding, now or then.
struct Row<'a> {
    state: State,
    target: &'a str,
    finding: &'a Finding,
}

/// Runs every suite, and compares.
pub fn run(flags: &cli::Nightly, arguments: &[String]) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let today: String = humantime::format_rfc3339_seconds(started).to_string().chars().take(10).collect();
    let interrupts = Interrupts::install()?;
    let baseline = flags.baseline.as_deref().map(read).transpose()?.flatten();
    let mut not_tested = Vec::new();
    let mut targets: Vec<(String, Manifest)> = Vec::new();
    for found in Target::discover(&home.root)?.into_iter().filter(|found| is_mine(&found.name, flags.shard)) {
        if !flags.targets.is_empty() && !flags.targets.contains(&found.name) {
            continue;
        }
        match found.manifest {
            Ok(manifest) => targets.push((found.name, manifest)),
            Err(error) => not_tested.push(facts::gap(&found.name, &error)),
        }
    }
    if let Some(unknown) = flags.targets.iter().find(|name| !facts::is_target(&home, name)) {
        let message = format!("{unknown}: no target is called that; `cargo xtask list` names them");
        return Err(cli::ExitWith { code: cli::exit::USAGE, message }.into());
    }
    let folder = RunFolder::create(&home, flags.out.as_deref(), "nightly", started)?;
    let mut record = facts::record("nightly", arguments, started, flags.fail_on);
    let mut asked: BTreeSet<(String, String)> = BTreeSet::new();
    for suite in SUITES {
        if interrupts.count() > 0 {
            break;
        }
        let names: Vec<&str> =
            targets.iter().filter(|(_, manifest)| (suite.concerns)(manifest)).map(|(name, _)| name.as_str()).collect();
        if names.is_empty() && suite.name != "selftest" {
            continue;
        }
        eprintln!("nightly: {}, {} targets ({:.0} s so far)", suite.name, names.len(), clock.elapsed().as_secs_f64());
        let ran = children::run(suite.name, &words(suite, flags, &names), flags.budget, &folder.path)?;
        match ran {
            Ran { record: Some(one), .. } => {
                asked.extend(
                    one.targets.iter().filter(|row| was_judged(row)).flat_map(|row| questions(suite.name, row)),
                );
                record.merge(one);
            }
            Ran { failure, .. } => not_tested.push(NotTested {
                what: suite.name.to_owned(),
                reason: failure,
                remedy: format!("cargo xtask {}", suite.name),
                scope: Scope::Asked,
            }),
        }
    }
    for (name, _) in targets.iter().filter(|(_, manifest)| is_candidate(manifest)) {
        match look(&home, name, &today, &mut record) {
            Ok(()) => drop(asked.insert((name.clone(), autoclave_scan::ORACLE.to_owned()))),
            Err(error) => not_tested.push(NotTested {
                what: format!("{name}: static checks"),
                reason: format!("{error:#}"),
                remedy: format!("cargo xtask scan {name}"),
                scope: Scope::Asked,
            }),
        }
    }
    record.not_tested.extend(not_tested);
    record.run = Run {
        id: folder.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        seed: flags.seed,
        interrupted: interrupts.count() > 0,
        budget: Budget { seconds: Some(flags.budget.as_secs_f64()), runs: None },
        ..record.run
    };
    record.timing = Timing { wall_seconds: clock.elapsed().as_secs_f64(), ..record.timing };
    record.verdict = record.judge();
    folder.write(&home, &record)?;
    let rows = compare(&record, baseline.as_ref(), &asked);
    let counts = counts(&rows);
    write_whole(&folder.path.join("baseline.json"), &serde_json::to_vec_pretty(&as_json(&rows, &counts))?)?;
    write_whole(&folder.path.join("baseline.md"), markdown(&rows, &counts).as_bytes())?;
    state_in_sarif(&folder.path.join("report.sarif"), &rows)?;
    let code = facts::print(&home, &folder, &record, flags.format)?;
    tell(&rows, &counts, baseline.is_some());
    Ok(exit_code(code, &record, &rows, baseline.is_some(), flags))
}

/// Adds what static checks find to a target's row.
fn look(home: &Home, name: &str, today: &str, record: &mut Record) -> anyhow::Result<()> {
    let target = Target::load(&home.root, name, &Overrides::default())?;
    let scanned = statics::look(home, &target, &cli::Statics::default(), None, controls::Level::L0, today)?;
    if let Some(broken) = scanned.qualified.iter().find(|row| row.verdict != Verdict::Pass) {
        anyhow::bail!("the check {} did not find its planted flaw", broken.class);
    }
    let findings = scanned.findings(home, &target);
    let same = |row: &&mut TargetRecord| row.name == target.name && row.sha256 == target.sha256;
    let Some(row) = record.targets.iter_mut().find(same) else {
        anyhow::bail!("no suite has run it as it is now, so that {} findings have no row", findings.len());
    };
    row.oracles.push(autoclave_scan::ORACLE.to_owned());
    row.findings.extend(findings);
    row.sort_findings();
    if !matches!(row.verdict, Verdict::NotTested(_)) {
        row.verdict = row.judge();
    }
    Ok(())
}

/// A target with each oracle that a suite asked about it: what another suite asks is not answered by this one.
fn questions(suite: &str, row: &TargetRecord) -> Vec<(String, String)> {
    let of_executions = oracles::ALL.iter().filter(|oracle| matches!(oracle.asked, oracles::Asked::OfExecutions(_)));
    let searched = of_executions.filter(|_| suite == "fuzz").map(|oracle| oracle.name);
    row.oracles.iter().map(String::as_str).chain(searched).map(|oracle| (row.name.clone(), oracle.to_owned())).collect()
}

/// Which shard a target belongs to: by its name alone, so that a new target moves no other.
fn is_mine(name: &str, shard: Option<(u32, u32)>) -> bool {
    let Some((mine, of)) = shard else { return true };
    let hash = Sha256::digest(name);
    u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]) % of == mine - 1
}

fn words(suite: &Suite, flags: &cli::Nightly, names: &[&str]) -> Vec<String> {
    let mut words = vec![suite.name.to_owned()];
    words.extend(names.iter().map(|name| (*name).to_owned()));
    words.extend(suite.words.iter().map(|word| (*word).to_owned()));
    if let Some(share) = suite.share {
        let mut time = flags.budget * share / 100;
        if suite.is_each {
            time /= u32::try_from(names.len().max(1)).unwrap_or(u32::MAX);
        }
        words.extend(["--time".to_owned(), format!("{}s", time.as_secs().max(1))]);
    }
    if ["fuzz", "limits", "ct", "boundary"].contains(&suite.name) {
        words.extend(["--seed".to_owned(), flags.seed.to_string()]);
    }
    if ["fuzz", "limits", "ct"].contains(&suite.name)
        && let Some(jobs) = flags.jobs
    {
        words.extend(["--jobs".to_owned(), jobs.to_string()]);
    }
    words
}

fn was_judged(row: &TargetRecord) -> bool {
    !matches!(row.verdict, Verdict::NotTested(_))
}

/// The report of an earlier night; the first one has none, and a cache that is empty is no error.
fn read(path: &Path) -> anyhow::Result<Option<Record>> {
    if !path.exists() {
        eprintln!("{}: not there, so that everything is new", printable(&path.display().to_string()));
        return Ok(None);
    }
    let bytes = super::inputs::read_whole(path, REPORT_BYTES_MAX as u64)?;
    Ok(Some(Record::from_json(&bytes).with_context(|| path.display().to_string())?))
}

/// Findings of now and then, new ones first.
fn compare<'a>(now: &'a Record, then: Option<&'a Record>, asked: &BTreeSet<(String, String)>) -> Vec<Row<'a>> {
    fn confirmed(record: &Record) -> impl Iterator<Item = (&str, &Finding)> {
        record.targets.iter().flat_map(|row| row.confirmed().map(|finding| (row.name.as_str(), finding)))
    }
    let known: BTreeSet<(&str, &str)> =
        then.into_iter().flat_map(confirmed).map(|(target, finding)| (target, finding.id.as_str())).collect();
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for (target, finding) in confirmed(now) {
        seen.insert((target, finding.id.as_str()));
        let state = if known.contains(&(target, finding.id.as_str())) { State::Unchanged } else { State::New };
        rows.push(Row { state, target, finding });
    }
    for (target, finding) in then.into_iter().flat_map(confirmed) {
        if !seen.contains(&(target, finding.id.as_str())) {
            let question = (target.to_owned(), finding.oracle.clone());
            let state = if asked.contains(&question) { State::Fixed } else { State::NotAsked };
            rows.push(Row { state, target, finding });
        }
    }
    rows.sort_by_key(|row| (row.state, std::cmp::Reverse(row.finding.severity)));
    rows
}

fn counts(rows: &[Row<'_>]) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<&str, usize> =
        [State::New, State::Unchanged, State::Fixed, State::NotAsked].map(|state| (state.name(), 0)).into();
    for row in rows {
        *counts.entry(row.state.name()).or_default() += 1;
    }
    counts
}

fn as_json(rows: &[Row<'_>], counts: &BTreeMap<&str, usize>) -> Value {
    let row = |row: &Row<'_>| {
        json!({
            "state": row.state.name(),
            "target": row.target,
            "id": row.finding.id,
            "oracle": row.finding.oracle,
            "outcome": row.finding.outcome,
            "severity": row.finding.severity,
            "title": row.finding.title,
        })
    };
    json!({ "counts": counts, "findings": rows.iter().map(row).collect::<Vec<_>>() })
}

/// Rows of a summary on GitHub.
const MARKDOWN_ROWS_MAX: usize = 200;

fn markdown(rows: &[Row<'_>], counts: &BTreeMap<&str, usize>) -> String {
    let counted: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let mut text = format!("## Findings since the last report\n\n{}\n\n", counted.join(" · "));
    text += "| state | severity | target | outcome | what |\n|---|---|---|---|---|\n";
    for row in rows.iter().take(MARKDOWN_ROWS_MAX) {
        let cell = |text: &str| escape::markdown_code(&escape::cut(text, 200));
        let Finding { severity, outcome, title, .. } = row.finding;
        let cells = [row.state.name().to_owned(), severity.to_string(), cell(row.target), cell(outcome), cell(title)];
        text += &format!("| {} |\n", cells.join(" | "));
    }
    let more = rows.len().saturating_sub(MARKDOWN_ROWS_MAX);
    if more > 0 {
        text += &format!("\n{more} more are in `baseline.json`.\n");
    }
    text
}

/// Writes `baselineState` into the results of a SARIF file, as code scanning reads it.
fn state_in_sarif(path: &Path, rows: &[Row<'_>]) -> anyhow::Result<()> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut sarif: Value = serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?;
    let states: BTreeMap<String, &str> = rows
        .iter()
        .filter(|row| matches!(row.state, State::New | State::Unchanged))
        .map(|row| (sarif::fingerprint(row.target, row.finding), row.state.name()))
        .collect();
    for result in sarif["runs"][0]["results"].as_array_mut().into_iter().flatten() {
        let mark = result["partialFingerprints"][sarif::FINGERPRINT].as_str();
        if let Some(state) = mark.and_then(|mark| states.get(mark)) {
            result["baselineState"] = json!(state);
        }
    }
    write_whole(path, &serde_json::to_vec_pretty(&sarif)?)
}

fn tell(rows: &[Row<'_>], counts: &BTreeMap<&str, usize>, is_compared: bool) {
    if !is_compared {
        eprintln!("no baseline: everything is new; keep report.json and give it with --baseline next time");
        return;
    }
    let counted: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    eprintln!("since the last report: {}", counted.join(" · "));
    for row in rows.iter().filter(|row| row.state == State::New).take(20) {
        eprintln!("  new  {:8} {}  {}", row.finding.severity.to_string(), row.target, printable(&row.finding.title));
    }
}

/// With a baseline only what is new fails the night; what could not be judged stays 3.
fn exit_code(code: u8, record: &Record, rows: &[Row<'_>], is_compared: bool, flags: &cli::Nightly) -> u8 {
    if record.run.interrupted {
        return cli::exit::INTERRUPTED;
    }
    let fails = |row: &Row<'_>| row.state == State::New && row.finding.severity >= flags.fail_on;
    if !is_compared || rows.iter().any(fails) {
        return code;
    }
    let a_check_failed = record.checks.iter().any(|check| matches!(check.verdict, Verdict::Fail(_)));
    match code {
        cli::exit::FINDINGS if a_check_failed => code,
        cli::exit::FINDINGS => {
            // Without its findings, is there something that could not be judged?
            let mut rest = record.clone();
            for target in &mut rest.targets {
                target.findings.clear();
                if matches!(target.verdict, Verdict::Fail(_)) {
                    target.verdict = Verdict::Pass;
                }
            }
            rest.exit_code(Severity::Low)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoclave_reports::record::Confirmation;

    fn record(findings: &[(&str, &str)]) -> Record {
        let mut targets: BTreeMap<&str, TargetRecord> = BTreeMap::new();
        for (target, id) in findings {
            let row = targets.entry(target).or_insert_with(|| TargetRecord {
                name: (*target).into(),
                verdict: Verdict::Pass,
                execs: 1,
                ..TargetRecord::default()
            });
            row.findings.push(Finding {
                id: (*id).into(),
                oracle: "crash".into(),
                severity: Severity::High,
                confirmed: Confirmation::Reproduced,
                ..Finding::default()
            });
        }
        Record { targets: targets.into_values().collect(), ..Record::default() }
    }

    fn states(now: &Record, then: Option<&Record>, asked: &[&str]) -> Vec<(&'static str, String)> {
        let row = |name: &str| TargetRecord { name: name.into(), ..TargetRecord::default() };
        let asked = asked.iter().flat_map(|name| questions("fuzz", &row(name))).collect();
        compare(now, then, &asked).into_iter().map(|row| (row.state.name(), row.finding.id.clone())).collect()
    }

    #[test]
    fn findings_are_new_unchanged_fixed_or_nobody_knows() {
        let then = record(&[("a", "old"), ("a", "gone"), ("b", "elsewhere")]);
        let now = record(&[("a", "old"), ("a", "fresh")]);
        let expected = [("new", "fresh"), ("unchanged", "old"), ("fixed", "gone"), ("not asked", "elsewhere")];
        assert_eq!(states(&now, Some(&then), &["a"]), expected.map(|(state, id)| (state, id.to_owned())));
        assert!(states(&now, None, &["a"]).iter().all(|(state, _)| *state == "new"));
        // What only another suite asks is not fixed because this one ran.
        let mut limited = then.clone();
        limited.targets[0].findings[1].oracle = "contract".into();
        assert_eq!(states(&now, Some(&limited), &["a"])[2], ("not asked", "gone".to_owned()));
        // The same bug in another target is another finding.
        let other = record(&[("b", "old")]);
        assert_eq!(states(&other, Some(&record(&[("a", "old")])), &["b"])[0].0, "new");
    }

    #[test]
    fn two_targets_with_one_bucket_have_a_state_each() {
        let then = record(&[("a", "same")]);
        let now = record(&[("a", "same"), ("b", "same")]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.sarif");
        std::fs::write(&path, sarif::render(&now)).unwrap();
        state_in_sarif(&path, &compare(&now, Some(&then), &BTreeSet::new())).unwrap();
        let sarif: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        let state = |result: &Value| (result["properties"]["target"].clone(), result["baselineState"].clone());
        let states: Vec<_> = results.iter().map(state).collect();
        assert_eq!(states, [(json!("a"), json!("unchanged")), (json!("b"), json!("new"))]);
    }

    #[test]
    fn every_target_is_in_one_shard() {
        let names: Vec<String> = (0..100).map(|n| format!("target-{n}")).collect();
        for of in [1, 2, 3, 7] {
            for name in &names {
                let owners = (1..=of).filter(|mine| is_mine(name, Some((*mine, of)))).count();
                assert_eq!(owners, 1, "{name} of {of}");
            }
        }
        let mine = names.iter().filter(|name| is_mine(name, Some((1, 4)))).count();
        assert!((10..45).contains(&mine), "{mine} of 100");
    }

    #[test]
    fn hostile_titles_stay_in_their_cells() {
        let mut now = record(&[("a", "x")]);
        now.targets[0].findings[0].title = "a | b\n| [c](http://d) <e>".into();
        let rows = compare(&now, None, &BTreeSet::new());
        let text = markdown(&rows, &counts(&rows));
        let line = text.lines().find(|line| line.starts_with("| new")).unwrap();
        assert_eq!(text.lines().count(), 7, "{text}");
        assert!(line.ends_with("`a \\u{7c} b\\n\\u{7c} [c](http://d) <e>` |"), "inside of code: {line}");
    }
}
