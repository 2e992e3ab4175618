//! `conform`: every vector of a format through one module: which rules of the specification it keeps.
//!
//! An `accept-` vector must be taken, a `reject-` vector refused. What a specification leaves open (`either-`) is judged by
//! a policy profile: where the user names one, another answer fails; without one, it is only said.

use super::facts;
use super::home::Home;
use super::run_folder::RunFolder;
use super::selftest::TWIN_RAISED;
use crate::cli;
use crate::error::HarnessError;
use crate::execution::{Execution, Outcome};
use crate::executors::{Engine, Judge};
use crate::limits::Overrides;
use crate::target::{Manifest, Rejects, Target};
use anyhow::Context;
use autoclave_formats::rules::{self, Policy, Side};
use autoclave_formats::tree::Tree;
use autoclave_formats::{Format, json};
use autoclave_reports::record::{
    Bucket, Check, Confirmation, FoundAt, NotTested, Reproducer, RuleRef, Scope, Timing, Trial,
};
use autoclave_reports::{Finding, Record, TargetRecord, Verdict};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
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
        if flags.qualify {
            record.checks.extend(qualify(&engine, &vectors, policy)?);
        }
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

/// Whether a version is a release of FHIR, as the command line names them; `RFC 8259` is none.
fn is_release(version: &str) -> bool {
    version.strip_prefix('R').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
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
        if versions.iter().any(|version| is_release(version)) && !versions.iter().any(|version| version == release) {
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

/// Whether the suite tells readers that answer every vector wrongly from one that answers all of them rightly: one row for
/// each rule. Both are modules that know the vectors by hash, and run as any other does.
fn qualify(engine: &Engine, vectors: &[Vector], policy: Policy) -> anyhow::Result<Vec<Check>> {
    let sides = vectors.iter().map(|vector| expected(vector, policy)).collect::<anyhow::Result<Vec<_>>>()?;
    let taken: BTreeSet<u64> =
        vectors.iter().zip(&sides).filter(|(_, side)| **side == Side::Accept).map(|(one, _)| fnv(&one.bytes)).collect();
    let longest = vectors.iter().map(|vector| vector.bytes.len()).max().unwrap_or(0);
    let mut seen_by = Vec::new();
    for (name, is_wrong) in [(LIAR, true), (SCHOLAR, false)] {
        let wat = reader(&taken, longest, is_wrong);
        let target = Target::from_bytes(
            name,
            wat.as_bytes(),
            Manifest::parse(READER).map_err(anyhow::Error::msg)?,
            &Overrides::default(),
        )?;
        let mut judge = Judge::new(engine, &target, "read", &target.limits)?;
        seen_by.push(vectors.iter().map(|vector| seen(judge.run(&vector.bytes).outcome)).collect::<Vec<_>>());
    }
    let rules: BTreeSet<&str> = vectors.iter().map(|vector| vector.rule.as_str()).collect();
    let row = |rule: &str| {
        let of = |by: usize| {
            let all = vectors.iter().zip(&sides).zip(&seen_by[by]).filter(|((vector, _), _)| vector.rule == rule);
            let wrong = all.clone().filter(|((_, side), seen)| **seen != Seen::Answered(**side)).count();
            (wrong, all.count())
        };
        let ((caught, all), (raised, _)) = (of(0), of(1));
        let trial = |name: &str, expected: &str, wrong: usize| Trial {
            target: format!("{name}::{rule}"),
            expected: expected.into(),
            seen: format!("{wrong} of {all} answers are wrong"),
        };
        Check {
            name: "conform".into(),
            question: format!("does the suite tell a reader that breaks {rule} from one that keeps it"),
            target: Some(format!("{LIAR}::{rule}")),
            verdict: match (caught == all, raised) {
                (false, _) => Verdict::Fail(format!("{LIAR}::{rule}: {rule} not caught")),
                (true, 0) => Verdict::Pass,
                (true, _) => Verdict::Fail(format!("{SCHOLAR}::{rule}: {rule} {TWIN_RAISED}")),
            },
            canary: Some(trial(LIAR, rule, caught)),
            twin: Some(trial(SCHOLAR, "no finding", raised)),
        }
    };
    Ok(rules.into_iter().map(row).collect())
}

/// The reader that answers every vector wrongly.
const LIAR: &str = "reader-that-lies";
/// The reader that answers every vector rightly.
const SCHOLAR: &str = "reader-that-knows";
/// Their manifest.
const READER: &str = "about = \"knows the vectors\"\nabi = \"bytes\"\nrejects = \"negative\"\nentries = [\"read\"]\n";

/// FNV-1a, 64 bits (draft-eastlake-fnv-17).
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// A module that takes what has one of these hashes, and refuses the rest; or the other way round.
fn reader(taken: &BTreeSet<u64>, longest: usize, is_wrong: bool) -> String {
    const PAGE: usize = 65_536;
    let table: String = taken.iter().flat_map(|hash| hash.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect();
    let end = taken.len() * 8;
    let start = end.div_ceil(PAGE).max(1) * PAGE;
    let pages = (start + longest).div_ceil(PAGE) + 1;
    let (hit, miss) = if is_wrong { (-1, 0) } else { (0, -1) };
    format!(
        r#"(module
  (memory (export "memory") {pages} {pages})
  (data (i32.const 0) "{table}")
  (func (export "alloc") (param i32) (result i32) i32.const {start})
  (func (export "read") (param $at i32) (param $len i32) (result i32)
    (local $hash i64) (local $row i32)
    (local.set $hash (i64.const -3750763034362895579))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $len)))
        (local.set $hash (i64.mul
          (i64.xor (local.get $hash) (i64.load8_u (local.get $at)))
          (i64.const 1099511628211)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $len (i32.sub (local.get $len) (i32.const 1)))
        (br $next)))
    (block $missing
      (loop $next
        (br_if $missing (i32.ge_u (local.get $row) (i32.const {end})))
        (if (i64.eq (i64.load (local.get $row)) (local.get $hash)) (then (return (i32.const {hit}))))
        (local.set $row (i32.add (local.get $row) (i32.const 8)))
        (br $next)))
    (i32.const {miss})))"#
    )
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
    fn releases_of_fhir_are_told_from_other_versions() {
        for (version, expected) in [("R4", true), ("R4B", true), ("R5", true), ("RFC 8259", false), ("2.5.1", false)] {
            assert_eq!(is_release(version), expected, "{version}");
        }
        let home = Home { root: crate::target::find_root(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))) };
        for format in Format::ALL {
            assert!(!load(&home, format, "R4").unwrap().is_empty(), "no vectors of {}", format.name());
        }
    }

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
