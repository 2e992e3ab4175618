//! `conform`: every vector of a format through one module: which rules of the specification it keeps.
//!
//! An `accept-` vector must be taken, a `reject-` vector refused. What a specification leaves open (`either-`) is judged by
//! a policy profile: where the user names one, another answer fails; without one, it is only said.

use super::facts;
use super::home::Home;
use super::run_folder::RunFolder;
use crate::cli;
use crate::error::HarnessError;
use crate::execution::{Execution, Outcome};
use crate::executors::{Engine, Judge};
use crate::limits::Overrides;
use crate::target::{Rejects, Target};
use anyhow::Context;
use autoclave_formats::rules::{self, Policy, Side};
use autoclave_formats::tree::Tree;
use autoclave_formats::{Format, json};
use autoclave_reports::record::{Bucket, Check, Confirmation, FoundAt, NotTested, Reproducer, RuleRef, Scope, Timing};
use autoclave_reports::{Finding, Record, TargetRecord, Verdict};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

/// Longest vector and longest sidecar, bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// One vector.
struct Vector {
    path: PathBuf,
    bytes: Vec<u8>,
    /// What its name says.
    kind: Kind,
    rule: String,
    case: String,
    source: String,
}

/// What a vector's name says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Accept,
    Reject,
    Either,
}

/// What became of one vector.
struct Judged<'a> {
    vector: &'a Vector,
    expected: Side,
    seen: Seen,
}

/// What a module did with a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Answered(Side),
    Died(Outcome),
}

impl Judged<'_> {
    fn is_right(&self) -> bool {
        self.seen == Seen::Answered(self.expected)
    }

    /// Whether the specification leaves the answer open, and one was given.
    fn is_open(&self) -> bool {
        self.vector.kind == Kind::Either && matches!(self.seen, Seen::Answered(_))
    }
}

/// Judges and reports.
pub fn run(flags: &cli::Conform, arguments: &[String]) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let target = match Target::load(&home.root, &flags.target, &Overrides::default()) {
        Ok(target) => target,
        // Not built: nothing was judged.
        Err(error @ HarnessError::Missing { .. }) => {
            return Err(cli::ExitWith { code: cli::exit::NOT_JUDGED, message: error.to_string() }.into());
        }
        Err(error) => return Err(error.into()),
    };
    let entry = facts::one_entry(&target, flags.entry.as_deref())?;
    let format = format_of(&target, flags.input_format.as_deref())?;
    let vectors = load(&home, format, &flags.release)?;
    let policy = flags.profile.unwrap_or_default();
    let begun = facts::record("conform", arguments, started, flags.fail_on);
    let mut record = Record { limits: facts::limit_rows(&target), ..begun };
    let mut row = TargetRecord {
        name: target.name.clone(),
        about: target.manifest.about.clone(),
        entries: vec![entry.clone()],
        module_path: home.relative(&target.module_path),
        sha256: target.sha256.clone(),
        bytes: target.wasm.len() as u64,
        abi: target.abi.name().into(),
        format: Some(format.name().into()),
        oracles: vec!["conform".into()],
        ..TargetRecord::default()
    };
    if target.rejects() == Rejects::Never {
        let reason = "no result of it means that an input is refused (rejects = never)";
        row.verdict = Verdict::NotTested(reason.into());
    } else if vectors.is_empty() {
        row.verdict = Verdict::NotTested(format!("there are no vectors of {} for {}", format.name(), flags.release));
    } else {
        let engine = Engine::new(Some(&home.cache()))?;
        // Compiled once, and refused early; each thread then has its own.
        Judge::new(&engine, &target, &entry, &target.limits)?;
        let run_one = |judge: &mut Result<Judge, HarnessError>, vector: &Vector| match judge {
            Ok(judge) => Ok(judge.run(&vector.bytes)),
            Err(error) => Err(HarnessError::Engine(error.to_string())),
        };
        let executions: Vec<Result<Execution, HarnessError>> =
            vectors.par_iter().map_init(|| Judge::new(&engine, &target, &entry, &target.limits), run_one).collect();
        let executions = executions.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut judged = Vec::new();
        for (vector, execution) in vectors.iter().zip(&executions) {
            judged.push(Judged { vector, expected: expected(vector, policy)?, seen: seen(execution.outcome) });
        }
        row.execs = judged.len() as u64;
        record.checks = checks(&target, &judged, flags.profile);
        let wrong = judged.iter().zip(&executions).filter(|(one, _)| !one.is_right());
        for (one, execution) in wrong.filter(|(one, _)| flags.profile.is_some() || !one.is_open()) {
            row.findings.push(finding(&home, &target, &entry, one, execution));
        }
        row.sort_findings();
        row.verdict = row.judge();
        record.not_tested = without_vectors(format, &judged);
    }
    row.notes.push(match flags.profile {
        Some(policy) => format!("what the specification leaves open is judged by the profile {}", policy.name()),
        None => "what the specification leaves open is not judged: name a profile with --profile".into(),
    });
    row.cpu_seconds = facts::own_cpu_seconds();
    record.targets.push(row);
    record.timing = Timing {
        wall_seconds: clock.elapsed().as_secs_f64(),
        cpu_seconds: facts::cpu_seconds_with_children(),
        ..Timing::default()
    };
    record.verdict = record.judge();
    let folder = RunFolder::create(&home, flags.out.as_deref(), "conform", started)?;
    folder.write(&home, &record)?;
    facts::print(&home, &folder, &record, flags.format)
}

fn usage(message: String) -> anyhow::Error {
    cli::ExitWith { code: cli::exit::USAGE, message }.into()
}

fn format_of(target: &Target, asked: Option<&str>) -> anyhow::Result<Format> {
    let names = || Format::ALL.map(Format::name).join(", ");
    let Some(name) = asked.or(target.manifest.format.as_deref()) else {
        return Err(usage(format!("{} names no format: give one with --input-format: {}", target.name, names())));
    };
    Format::named(name)
        .ok_or_else(|| usage(format!("no rules for the format {name:?}; there are some for {}", names())))
}

/// The vectors of a format that are meant for a release of FHIR, in the order of their rules. A vector that names no
/// release of FHIR (but versions of HL7, which messages declare themselves) is always meant.
fn load(home: &Home, format: Format, release: &str) -> anyhow::Result<Vec<Vector>> {
    let folder = home.corpora(format.name()).join("vectors");
    let Ok(files) = std::fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut vectors = Vec::new();
    for file in files {
        let path = file.with_context(|| folder.display().to_string())?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = match name.split('-').next() {
            _ if name.ends_with(".expect.json") => continue,
            Some("accept") => Kind::Accept,
            Some("reject") => Kind::Reject,
            Some("either") => Kind::Either,
            _ => continue,
        };
        let bytes = super::inputs::read_whole(&path, FILE_BYTES_MAX)?;
        let sidecar = PathBuf::from(format!("{}.expect.json", path.display()));
        let text = super::inputs::read_whole(&sidecar, FILE_BYTES_MAX)?;
        let tree = json::read(&text).tree.with_context(|| format!("{}: not JSON", sidecar.display()))?;
        let versions = strings(&tree, "versions");
        if versions.iter().any(|version| version.starts_with('R')) && !versions.iter().any(|version| version == release)
        {
            continue;
        }
        let one = |name: &str| strings(&tree, name).pop().unwrap_or_default();
        vectors.push(Vector { path, bytes, kind, rule: one("rule"), case: one("case"), source: one("source") });
    }
    vectors.sort_by(|a, b| (&a.rule, &a.path).cmp(&(&b.rule, &b.path)));
    Ok(vectors)
}

/// A member of a sidecar: a string, or a list of them.
fn strings(tree: &Tree, name: &str) -> Vec<String> {
    let Some(member) = tree.root().and_then(|root| tree.member(root, name)) else { return Vec::new() };
    let text = |id| String::from_utf8_lossy(tree.text(id)).into_owned();
    let items: Vec<String> = tree.children(member).map(text).collect();
    if items.is_empty() { vec![text(member)] } else { items }
}

fn expected(vector: &Vector, policy: Policy) -> anyhow::Result<Side> {
    Ok(match vector.kind {
        Kind::Accept => Side::Accept,
        Kind::Reject => Side::Reject,
        Kind::Either => {
            let known = |case: &&rules::Case| case.rule == vector.rule && case.name == vector.case;
            let case = rules::cases().find(known);
            let id = || format!("{}: no case is called {}/{}", vector.path.display(), vector.rule, vector.case);
            policy.side(case.with_context(id)?)
        }
    })
}

fn seen(outcome: Outcome) -> Seen {
    match outcome {
        Outcome::Rejected => Seen::Answered(Side::Reject),
        outcome if outcome.came_back() => Seen::Answered(Side::Accept),
        outcome => Seen::Died(outcome),
    }
}

const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Accept => "accepted",
        Side::Reject => "refused",
    }
}

fn seen_name(seen: Seen) -> &'static str {
    match seen {
        Seen::Answered(side) => side_name(side),
        Seen::Died(outcome) => outcome.name(),
    }
}

/// One row for each rule.
fn checks(target: &Target, judged: &[Judged<'_>], profile: Option<Policy>) -> Vec<Check> {
    let mut by_rule: BTreeMap<&str, Vec<&Judged<'_>>> = BTreeMap::new();
    for one in judged {
        by_rule.entry(&one.vector.rule).or_default().push(one);
    }
    let row = |(rule, of): (&str, Vec<&Judged<'_>>)| {
        let right = of.iter().filter(|one| one.is_right()).count();
        let counts = |one: &&&Judged<'_>| !one.is_right() && (profile.is_some() || !one.is_open());
        let first = of.iter().find(counts).or_else(|| of.iter().find(|one| !one.is_right()));
        let title = rules::all().find(|known| known.id == rule).map_or("", |known| known.title);
        let answer = |one: &Judged<'_>| {
            let name = one.vector.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            format!("{right} of {}: {name} {}, not {}", of.len(), seen_name(one.seen), side_name(one.expected))
        };
        Check {
            name: rule.into(),
            question: format!("{title} ({right} of {})", of.len()),
            target: Some(target.name.clone()),
            verdict: match first {
                None => Verdict::Pass,
                Some(one) if of.iter().any(|one| counts(&one)) => Verdict::Fail(answer(one)),
                Some(one) => Verdict::Warn(answer(one)),
            },
            canary: None,
            twin: None,
        }
    };
    by_rule.into_iter().map(row).collect()
}

fn finding(home: &Home, target: &Target, entry: &str, one: &Judged<'_>, execution: &Execution) -> Finding {
    let Vector { path, bytes, kind, rule, case, source } = one.vector;
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let known = rules::all().find(|known| known.id == rule);
    let (oracle, outcome) = match (one.seen, kind) {
        // A death is as bad as in any other run.
        (Seen::Died(outcome), _) => ("crash", outcome.name()),
        (_, Kind::Either) => ("conform", "AGAINST-PROFILE"),
        (_, Kind::Accept) => ("conform", "REFUSES-VALID"),
        (_, Kind::Reject) => ("conform", "ACCEPTS-INVALID"),
    };
    let bucket =
        Bucket { oracle: "conform".into(), outcome: outcome.into(), frames: vec![format!("{rule}/{case}"), name] };
    let id = if case.is_empty() { rule.clone() } else { format!("{rule}/{case}") };
    let shown = home.relative(path);
    let title = known.map_or("", |known| known.title);
    let mut repro =
        format!("cargo xtask repro {} --target {}", facts::shell_word(&shown), facts::shell_word(&target.name));
    if target.entries.len() > 1 {
        repro += &format!(" --entry {}", facts::shell_word(entry));
    }
    Finding {
        id: bucket.id(),
        oracle: "conform".into(),
        severity: autoclave_reports::rules::rule(oracle, outcome).severity,
        outcome: outcome.into(),
        title: format!("{id} {}: {title}", seen_name(one.seen)),
        message: String::from_utf8_lossy(&execution.message).into_owned(),
        reproducer: Reproducer::new(shown, bytes, bytes.len() as u64),
        decoded: facts::decoded(target, entry, bytes),
        repro,
        found_at: FoundAt::default(),
        hits: 1,
        // The module as shipped has just answered, in a fresh instance.
        confirmed: Confirmation::Reproduced,
        rule: Some(RuleRef {
            id: rule.clone(),
            case: case.clone(),
            title: title.into(),
            source: source.clone(),
            harm: known.map_or("", |known| known.harm).into(),
        }),
        bucket,
        ..Finding::default()
    }
}

/// Rules of the format of which no vector was run.
fn without_vectors(format: Format, judged: &[Judged<'_>]) -> Vec<NotTested> {
    let belongs = |rule: &&rules::Rule| match format {
        Format::Json => rule.id.starts_with('J'),
        Format::FhirJson => rule.id.starts_with(['F', 'P', 'S']) && rule.id != "F25",
        Format::FhirNdjson => rule.id == "F25",
        Format::FhirXml => rule.id.starts_with('X'),
        Format::Hl7v2 => rule.id.starts_with('H'),
    };
    let mine = rules::all().filter(belongs);
    let missing = mine.filter(|rule| !judged.iter().any(|one| one.vector.rule == rule.id));
    let row = |rule: &rules::Rule| NotTested {
        what: format!("{}: {}", rule.id, rule.title),
        reason: format!("no vector in corpora/{} is about it", format.name()),
        remedy: String::new(),
        scope: Scope::Outside,
    };
    missing.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_answers_or_deaths() {
        use crate::execution::{Limit, Trap};
        for (outcome, expected) in [
            (Outcome::Returned, Seen::Answered(Side::Accept)),
            (Outcome::Rejected, Seen::Answered(Side::Reject)),
            (Outcome::Limit(Limit::GracefulOom), Seen::Answered(Side::Accept)),
            (Outcome::Trap(Trap::Unreachable), Seen::Died(Outcome::Trap(Trap::Unreachable))),
            (Outcome::Limit(Limit::Fuel), Seen::Died(Outcome::Limit(Limit::Fuel))),
        ] {
            assert_eq!(seen(outcome), expected, "{}", outcome.name());
        }
    }

    #[test]
    fn a_profile_takes_one_side_of_what_is_open() {
        let vector = |kind, rule: &str, case: &str| Vector {
            path: PathBuf::from("x"),
            bytes: Vec::new(),
            kind,
            rule: rule.into(),
            case: case.into(),
            source: String::new(),
        };
        let [strict, tolerant] = Policy::ALL;
        let open = vector(Kind::Either, "J03", "byte-order-mark");
        assert_eq!(
            (expected(&open, strict).unwrap(), expected(&open, tolerant).unwrap()),
            (Side::Reject, Side::Accept)
        );
        assert_eq!(expected(&vector(Kind::Accept, "J01", ""), strict).unwrap(), Side::Accept);
        assert!(expected(&vector(Kind::Either, "J03", "no-such-case"), strict).is_err());
    }
}
