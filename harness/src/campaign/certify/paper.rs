//! The certificate: what was judged, what it was judged by, and everything that was not tested, in the form that is signed.

use super::grounds;
use crate::cli;
use anyhow::{Context, bail};
use autoclave_certificate::certificate::{
    Campaign, Certificate, Check, Corpus, Limit, Module, NotTested, Pinned, Qualification, Scope, Tool, Trial, Verdict,
    Waiver,
};
use autoclave_certificate::digest::Sha256Digest;
use autoclave_certificate::{Level, Moment, Profile};
use autoclave_reports::controls::judge::Judged;
use autoclave_reports::controls::{self, Control};
use autoclave_reports::{Record, Verdict as Judgement, record};
use std::collections::BTreeSet;
use std::path::Path;

/// Most rows of what was not tested; the rest is counted in one more.
const NOT_TESTED_MAX: usize = 400;
/// Longest `waivers.toml`, bytes.
const WAIVERS_BYTES_MAX: u64 = 1 << 20;
/// Characters of a reason.
const REASON_CHARS_MAX: usize = 2_000;

/// What a certificate is made of.
pub struct Facts<'a> {
    /// The command line.
    pub flags: &'a cli::Certify,
    /// Name and bytes of the module.
    pub module: (&'a str, &'a [u8]),
    /// SHA-256 over its imports and exports, if it was made.
    pub interface: Option<Sha256Digest>,
    /// Profile and level.
    pub asked: &'a controls::judge::Asked,
    /// Every control with its verdict.
    pub judged: &'a [Judged],
    /// The reports of all stages as one.
    pub record: &'a Record,
    /// The report of fuzzing alone, if there was any.
    pub fuzzed: Option<&'a Record>,
    /// Oracles that were asked about planted flaws without a report of their own.
    pub trials: Vec<grounds::Trials>,
    /// SHA-256 of each input that was run, sorted.
    pub inputs: &'a [String],
    /// The policy, as written beside the certificate.
    pub policy: Sha256Digest,
    /// The report.
    pub report: Sha256Digest,
    /// Verdicts that somebody takes responsibility for.
    pub waivers: Vec<Waiver>,
    /// When it was issued.
    pub issued: Moment,
}

/// The certificate of these facts.
///
/// # Errors
/// The profile is one that no module has.
pub fn certificate(facts: Facts<'_>) -> anyhow::Result<Certificate> {
    let Facts { flags, module: (name, bytes), asked, judged, record, issued, .. } = facts;
    let profile = match asked.profile {
        controls::Profile::Module => Profile::Module,
        controls::Profile::ModuleAndGlue => Profile::ModuleAndGlue,
        other => bail!("{}: a module is certified as `module` or `module+glue`", other.name()),
    };
    let mut trials = grounds::trials(&record.checks);
    trials.extend(facts.trials);
    let known: BTreeSet<&str> = trials.iter().map(|row| row.oracle.as_str()).collect();
    let list = facts.inputs.join("\n");
    Ok(Certificate {
        tool: Tool { name: record.tool.name.clone(), version: record.tool.version.clone() },
        verifier: format!("urn:autoclave:certify:{}", record.tool.version),
        issued,
        not_before: issued,
        not_after: issued.plus_days(flags.days),
        module: Module { name: name.to_owned(), bytes: bytes.len() as u64, interface: facts.interface },
        profile,
        level: level(asked.level),
        policy: Pinned { name: "policy.json".into(), sha256: facts.policy },
        controls: Pinned { name: "controls".into(), sha256: Sha256Digest::of(controls::source().as_bytes()) },
        corpus: Corpus { sha256: Sha256Digest::of(list.as_bytes()), inputs: facts.inputs.len() as u64 },
        report: Some(Pinned { name: "report.json".into(), sha256: facts.report }),
        checks: judged.iter().map(|judged| check(judged, &known)).collect(),
        campaigns: facts.fuzzed.map(campaigns).unwrap_or_default(),
        limits: limits(record),
        versions: record.toolchain.clone(),
        machine: record.environment.clone(),
        qualification: trials.iter().map(qualification).collect(),
        waivers: facts.waivers,
        not_tested: not_tested(record, asked.profile),
    })
}

fn level(level: controls::Level) -> Level {
    match level {
        controls::Level::L0 => Level::L0,
        controls::Level::L1 => Level::L1,
        controls::Level::L2 => Level::L2,
        controls::Level::L3 => Level::L3,
    }
}

fn check(judged: &Judged, known: &BTreeSet<&str>) -> Check {
    let (verdict, reason) = (&judged.verdict, judged.verdict.reason());
    let verdict = match verdict {
        Judgement::Pass => Verdict::Pass,
        Judgement::Warn(_) => Verdict::Warn,
        Judgement::Fail(_) => Verdict::Fail,
        Judgement::NotApplicable(_) => Verdict::NotApplicable,
        Judgement::NotTested(_) => Verdict::NotTested,
        Judgement::Attested(_) => Verdict::Attested,
        Judgement::NotAttested => Verdict::NotAttested,
    };
    let reason = match &judged.refused {
        Some(refused) if reason.is_empty() => format!("evidence was refused: {refused}"),
        Some(refused) => format!("{reason}; evidence was refused: {refused}"),
        None => reason.to_owned(),
    };
    Check {
        id: judged.control.id.clone(),
        verdict,
        reason: autoclave_reports::escape::cut(&reason, REASON_CHARS_MAX),
        scope: match judged.scope {
            record::Scope::Asked => Scope::Profile,
            record::Scope::Outside => Scope::Outside,
        },
        oracle: if verdict.is_tested() { oracle(judged.control, known) } else { None },
        evidence: None,
    }
}

/// The first oracle of a control, or of its parts, that was asked about planted flaws.
fn oracle(control: &Control, known: &BTreeSet<&str>) -> Option<String> {
    let own = control.oracles().into_iter().find(|name| known.contains(name)).map(str::to_owned);
    own.or_else(|| control.same_as.iter().find_map(|id| oracle(controls::find(id).ok()?, known)))
}

/// One row for each entry, with its fair share of the time.
fn campaigns(fuzzed: &Record) -> Vec<Campaign> {
    let share = fuzzed.run.budget.seconds.map(|seconds| seconds as u64 / (fuzzed.targets.len() as u64).max(1));
    fuzzed.targets.iter().map(|row| campaign(fuzzed.run.seed, share, row)).collect()
}

fn campaign(seed: u64, budget_seconds: Option<u64>, row: &record::TargetRecord) -> Campaign {
    Campaign {
        entry: row.entries.join(", "),
        seed,
        budget_seconds,
        executions: row.execs,
        edges: row.edges_found,
        edges_total: row.edges_total,
        singletons: row.saturation.singletons,
        executions_since_new_edge: row.saturation.execs_since_last_edge,
    }
}

fn limits(record: &Record) -> Vec<Limit> {
    let rows = record.limits.iter().chain(record.targets.iter().flat_map(|row| &row.limits));
    let mut seen = BTreeSet::new();
    rows.filter(|row| seen.insert(row.name.clone()))
        .map(|row| Limit { name: row.name.clone(), value: row.value, unit: row.unit.clone() })
        .collect()
}

fn qualification(row: &grounds::Trials) -> Qualification {
    let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let seen = |seen| if row.was_asked { seen } else { Trial::NotRun };
    Qualification {
        oracle: row.oracle.clone(),
        canary: names(&row.canaries),
        canary_seen: seen(if row.caught { Trial::Caught } else { Trial::Passed }),
        twin: names(&row.twins),
        twin_seen: seen(if row.passed { Trial::Passed } else { Trial::Caught }),
    }
}

fn not_tested(record: &Record, profile: controls::Profile) -> Vec<NotTested> {
    let outside = |what: &str, reason: &str, remedy: &str| NotTested {
        what: what.into(),
        reason: reason.into(),
        remedy: remedy.into(),
    };
    let mut rows = vec![
        outside("the host that will load the module", "outside of the profile: its own limits decide there", ""),
        outside("the deployed site and the FHIR API", "outside of the profile", ""),
    ];
    if profile == controls::Profile::Module {
        rows.push(outside(
            "the JavaScript glue",
            "outside of the profile `module`",
            "--glue DIR --profile module+glue",
        ));
    }
    let gaps = record.not_tested.iter().map(|gap| NotTested {
        what: gap.what.clone(),
        reason: gap.reason.clone(),
        remedy: gap.remedy.clone(),
    });
    for gap in gaps {
        if !rows.contains(&gap) {
            rows.push(gap);
        }
    }
    let more = rows.len().saturating_sub(NOT_TESTED_MAX);
    if more > 0 {
        rows.truncate(NOT_TESTED_MAX);
        rows.push(outside(&format!("{more} more"), "the report lists them", "see report.json"));
    }
    rows
}

/// `waivers.toml`: a table `[[waiver]]` for each, with `check`, `owner`, `reason` and `expires`.
///
/// # Errors
/// What is not such a file, names no control, or has expired.
pub fn waivers(path: &Path, now: Moment) -> anyhow::Result<Vec<Waiver>> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        check: String,
        owner: String,
        reason: String,
        expires: toml::Value,
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        waiver: Vec<Row>,
    }
    let shown = path.display().to_string();
    let bytes = crate::campaign::inputs::read_whole(path, WAIVERS_BYTES_MAX)?;
    let text = String::from_utf8(bytes).with_context(|| shown.clone())?;
    let file: File = toml::from_str(&text).with_context(|| shown.clone())?;
    let mut seen = BTreeSet::new();
    let one = |row: Row| -> anyhow::Result<Waiver> {
        let control = controls::find(&row.check).with_context(|| shown.clone())?;
        let date = match &row.expires {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let expires: Moment = date.parse().with_context(|| format!("{shown}: {}: expires", control.id))?;
        if expires <= now {
            bail!("{shown}: the waiver for {} expired on {expires}: decide again", control.id);
        }
        if row.owner.trim().is_empty() || row.reason.trim().is_empty() {
            bail!("{shown}: the waiver for {} needs an owner and a reason", control.id);
        }
        if !seen.insert(control.id.clone()) {
            bail!("{shown}: {} is waived twice", control.id);
        }
        Ok(Waiver { check: control.id.clone(), owner: row.owner, reason: row.reason, expires })
    };
    file.waiver.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waivers_need_an_owner_a_reason_and_a_day() {
        let now: Moment = "2026-11-23".parse().unwrap();
        let read = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            waivers(file.path(), now).map_err(|error| format!("{error:#}"))
        };
        let good = "[[waiver]]\ncheck = \"SBX-03d\"\nowner = \"Jane\"\nreason = \"small\"\nexpires = 2027-01-01\n";
        let row = read(good).unwrap().remove(0);
        assert_eq!((row.check.as_str(), row.expires.to_string().as_str()), ("SBX-03d", "2027-01-01T00:00:00Z"));
        assert!(read(&good.replace("2027-01-01", "\"2027-01-01\"")).is_ok());
        for (from, to, why) in [
            ("SBX-03d", "SBX-99z", "no control has this id"),
            ("Jane", " ", "needs an owner"),
            ("small", "", "needs an owner and a reason"),
            ("2027-01-01", "2026-11-22", "expired"),
            ("2027-01-01", "\"soon\"", "no date"),
            ("owner = \"Jane\"\n", "", "owner"),
            ("reason", "because", "because"),
        ] {
            let error = read(&good.replace(from, to)).unwrap_err();
            assert!(error.contains(why), "{from} → {to}: {error}");
        }
        assert!(read(&format!("{good}{good}")).unwrap_err().contains("twice"));
    }
}
