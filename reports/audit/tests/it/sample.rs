//! Certificates to render: one as a module gets it at level L1, one that was refused everything, and one whose signer
//! wrote whatever acts on a page, a terminal or a log.

use autoclave_certificate::certificate::{
    Campaign, Certificate, Check, Corpus, Level, Limit, Module, NotTested, Pinned, Profile, Qualification, Scope, Tool,
    Trial, Verdict, Waiver,
};
use autoclave_certificate::digest::Sha256Digest;
use autoclave_certificate::{Algorithm, Moment, PrivateKey, seal};
use autoclave_reports::controls::evidence::{Attestation, Attestations};
use autoclave_reports::controls::judge::{Asked, Found, Grounds, Judged, Qualified, Said, judge_all};
use autoclave_reports::controls::{self, ORACLES};
use autoclave_reports::{Severity, record};
use std::collections::BTreeSet;

/// (module (memory 1 1) (func (export "parse")))
pub const MODULE: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x04\x01\x01\x01\x01\
    \x07\x09\x01\x05parse\0\0\x0a\x04\x01\x02\0\x0b";

/// Text that acts: markup, scripts, terminal sequences, reversed text, commands of GitHub's logs, tables and links.
pub const HOSTILE: &str = "</style></script><script>document.title='tripwire'</script><img src=x onerror=alert(1)>\
    \u{1b}[31m\u{202e}\n::error::x ##[command] \"'\\ = | `code` [link](javascript:alert(1)) @everyone *{}";

pub fn key() -> PrivateKey {
    PrivateKey::from_seed(Algorithm::P256, &[7; 32]).unwrap()
}

pub fn sealed(certificate: &Certificate) -> Vec<u8> {
    seal(MODULE, certificate.clone(), &key()).unwrap()
}

fn moment(text: &str) -> Moment {
    text.parse().unwrap()
}

/// Every control, judged as after a run at level L1: fuzzed, held to its contract, compared with vectors.
fn judged(found: Option<&str>) -> Vec<Judged> {
    let asked = Asked { profile: controls::Profile::Module, level: controls::Level::L1, reads: BTreeSet::new() };
    let ran = ["crash", "contract", "complexity", "conform"];
    let said: Vec<Said> = ran
        .into_iter()
        .map(|oracle| Said {
            oracle: oracle.to_owned(),
            verdict: autoclave_reports::Verdict::Pass,
            apart: Default::default(),
            found: found
                .filter(|_| oracle == "crash")
                .map(|what| Found { class: "STACK".to_owned(), severity: Severity::High, what: what.to_owned() })
                .into_iter()
                .collect(),
        })
        .collect();
    let mut qualified = Vec::new();
    for answer in controls::all().flat_map(|control| &control.answers) {
        let classes = if answer.classes.is_empty() { vec!["any".to_owned()] } else { answer.classes.clone() };
        qualified.extend(classes.into_iter().map(|class| Qualified {
            oracle: answer.oracle.clone(),
            canary: answer.canary.clone(),
            class,
            verdict: autoclave_reports::Verdict::Pass,
        }));
    }
    let evidence = |file: &str| {
        Attestation::Valid(format!(
            "Example Hospital, security officer, 2026-05-01, until 2027-05-01: {file} (sha256 {})",
            Sha256Digest::of(file.as_bytes())
        ))
    };
    let attested: Attestations =
        [("OPS-01a", evidence("risk-analysis.pdf")), ("OPS-01b", evidence("penetration-test.pdf"))].into();
    judge_all(&Grounds { asked: &asked, said: &said, qualified: &qualified, attested: &attested })
}

fn check(judged: &Judged) -> Check {
    use autoclave_reports::Verdict as Answer;
    let verdict = match &judged.verdict {
        Answer::Pass => Verdict::Pass,
        Answer::Warn(_) => Verdict::Warn,
        Answer::Fail(_) => Verdict::Fail,
        Answer::NotApplicable(_) => Verdict::NotApplicable,
        Answer::NotTested(_) => Verdict::NotTested,
        Answer::Attested(_) => Verdict::Attested,
        Answer::NotAttested => Verdict::NotAttested,
    };
    let parts = judged.control.same_as.iter().filter_map(|id| controls::find(id).ok());
    let oracle = judged.control.oracles().into_iter().next().or_else(|| parts.flat_map(|part| part.oracles()).next());
    Check {
        id: judged.control.id.clone(),
        verdict,
        reason: judged.verdict.reason().to_owned(),
        scope: if judged.scope == record::Scope::Asked { Scope::Profile } else { Scope::Outside },
        oracle: verdict.is_tested().then(|| oracle.unwrap_or("crash").to_owned()),
        evidence: verdict.is_tested().then(|| Sha256Digest::of(judged.control.id.as_bytes())),
    }
}

fn pinned(name: &str) -> Pinned {
    Pinned { name: name.to_owned(), sha256: Sha256Digest::of(name.as_bytes()) }
}

/// As a module gets it that has findings, gaps and a waiver.
pub fn certificate() -> Certificate {
    let checks: Vec<Check> = judged(Some("example: 4,096 nested arrays end the stack")).iter().map(check).collect();
    let failed: Vec<&str> =
        checks.iter().filter(|check| check.verdict == Verdict::Fail).map(|check| check.id.as_str()).collect();
    let waivers = failed
        .iter()
        .take(1)
        .map(|id| Waiver {
            check: (*id).to_owned(),
            owner: "Example Hospital, integration team".to_owned(),
            reason: "the gateway in front refuses documents that are nested more than 128 deep; repaired in 2.4"
                .to_owned(),
            expires: moment("2027-01-15"),
        })
        .collect();
    let campaign = |entry: &str, executions, edges, singletons| Campaign {
        entry: entry.to_owned(),
        seed: 7,
        budget_seconds: Some(1200),
        executions,
        edges,
        edges_total: 8_831,
        singletons,
        executions_since_new_edge: executions / 3,
    };
    let limit = |name: &str, value, unit: &str| Limit { name: name.to_owned(), value, unit: unit.to_owned() };
    let gap = |what: &str, reason: &str, remedy: &str| NotTested {
        what: what.to_owned(),
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    };
    Certificate {
        tool: Tool { name: "autoclave".to_owned(), version: "0.1.0".to_owned() },
        verifier: "urn:autoclave:certify:0.1.0".to_owned(),
        issued: moment("2026-11-22T21:04:51Z"),
        not_before: moment("2026-11-22T21:04:51Z"),
        not_after: moment("2026-11-22T21:04:51Z").plus_days(90),
        module: Module {
            name: "example-fhir-reader-2.3.1.wasm".to_owned(),
            bytes: MODULE.len() as u64,
            interface: Some(Sha256Digest::of(b"interface")),
        },
        profile: Profile::Module,
        level: Level::L1,
        policy: pinned("autoclave.toml"),
        controls: pinned("reports/controls"),
        corpus: Corpus { sha256: Sha256Digest::of(b"corpus"), inputs: 1_860 },
        report: Some(pinned("report.json")),
        checks,
        campaigns: vec![
            campaign("parse", 31_258_275, 3_346, 18),
            campaign("validate", 12_060_399, 1_523, 0),
            campaign("to_xml", 7_848_191, 1_488, 41),
        ],
        limits: vec![
            limit("fuel_per_execution", 50_000_000, "fuel"),
            limit("memory_bytes_max", 268_435_456, "bytes"),
            limit("stack_bytes_max", 1 << 20, "bytes"),
            limit("wall_clock_max", 10, "seconds"),
            limit("input_bytes_max", 1 << 20, "bytes"),
            limit("output_bytes_max", 64 << 20, "bytes"),
        ],
        versions: [("wasmtime", "48.0.8"), ("rustc", "1.95.0"), ("libafl", "0.16.1"), ("node", "22.14.0")]
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .into(),
        machine: [("cpus", "2"), ("arch", "x86_64"), ("memory", "24.0 GiB")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        qualification: ORACLES
            .iter()
            .map(|oracle| Qualification {
                oracle: oracle.name.to_owned(),
                canary: format!("canary-{}", oracle.name),
                canary_seen: Trial::Caught,
                twin: format!("canary-{}-fixed", oracle.name),
                twin_seen: Trial::Passed,
            })
            .collect(),
        waivers,
        not_tested: vec![
            gap(
                "the JavaScript that loads the module",
                "profile module: only the module was given",
                "certify with its glue",
            ),
            gap("timing of secrets", "belongs to level L2, and L1 was asked for", "certify with --level L2"),
            gap("the FHIR server behind it", "no program of this project asks it", ""),
        ],
    }
}

/// Nothing of the profile is missing: the level is reached.
pub fn clean() -> Certificate {
    let mut clean = certificate();
    clean.checks = judged(None).iter().map(check).collect();
    for check in &mut clean.checks {
        if check.scope == Scope::Profile && check.verdict == Verdict::NotTested {
            check.verdict = Verdict::NotApplicable;
        }
    }
    clean.waivers.clear();
    clean
}

/// A signer that means no good: every text acts, is endless, or both; every list is long.
pub fn hostile() -> Certificate {
    let long = format!("{HOSTILE}{}", "Wx".repeat(5_000));
    let mut bad = certificate();
    bad.tool = Tool { name: long.clone(), version: HOSTILE.to_owned() };
    bad.verifier = format!("urn:{}", "x".repeat(10_000));
    bad.module.name = long.clone();
    bad.policy.name = long.clone();
    bad.report = Some(Pinned { name: long.clone(), sha256: Sha256Digest::of(b"") });
    for (i, check) in bad.checks.iter_mut().enumerate() {
        check.scope = Scope::Profile;
        check.verdict = if i % 3 == 0 { Verdict::Fail } else { Verdict::NotTested };
        check.reason = format!("{i} {long}");
        check.oracle = Some("crash".to_owned());
    }
    bad.checks.push(Check {
        id: long.clone(),
        verdict: Verdict::NotTested,
        reason: long.clone(),
        scope: Scope::Profile,
        oracle: None,
        evidence: None,
    });
    bad.waivers = bad
        .checks
        .iter()
        .take(60)
        .map(|check| Waiver {
            check: check.id.clone(),
            owner: long.clone(),
            reason: long.clone(),
            expires: moment("2027-01-15"),
        })
        .collect();
    bad.not_tested = (0..60)
        .map(|i| NotTested { what: format!("{i} {long}"), reason: long.clone(), remedy: long.clone() })
        .collect();
    bad.campaigns = (0..60u64)
        .map(|i| Campaign {
            entry: long.clone(),
            seed: u64::MAX,
            budget_seconds: Some(u64::MAX),
            executions: u64::MAX - i,
            edges: u64::MAX,
            edges_total: 0,
            singletons: u64::MAX,
            executions_since_new_edge: u64::MAX,
        })
        .collect();
    bad.limits = (0..60).map(|i| Limit { name: format!("{i}{long}"), value: u64::MAX, unit: long.clone() }).collect();
    bad.versions = (0..60).map(|i| (format!("{i}{long}"), long.clone())).collect();
    bad.qualification.extend((0..60).map(|i| Qualification {
        oracle: format!("{i}{long}"),
        canary: long.clone(),
        canary_seen: Trial::NotRun,
        twin: long.clone(),
        twin_seen: Trial::Caught,
    }));
    bad
}
