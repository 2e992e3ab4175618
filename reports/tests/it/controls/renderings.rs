//! Judged controls as OSCAL and CTRF: golden files, and programs of others that read them and refuse broken ones.

use super::judge::Case;
use crate::tools;
use autoclave_reports::controls::assessment::Assessment;
use autoclave_reports::controls::evidence::Attestation;
use autoclave_reports::controls::judge::Judged;
use autoclave_reports::controls::{self, Level, Profile, ctrf, oscal};
use autoclave_reports::record::Tool;
use autoclave_reports::{Severity, Verdict};
use std::path::Path;
use std::process::Command;

const HOSTILE: &str = "evil</script>\u{1b}[31m\u{202e}\n::error::x ##[command] \"'\\ = |`";

/// One of every verdict, and text that acts where it is printed.
fn case(profile: Profile) -> Case {
    let long = "x".repeat(100_000);
    Case::clean(profile, Level::L2)
        .found("crash", "STACK", Severity::High)
        .found("contract", HOSTILE, Severity::High)
        .found("constant-time", "SELECT", Severity::Info)
        .says("conform", Verdict::NotTested(format!("{HOSTILE}{long}")))
        .attested("OPS-01b", Attestation::Valid(format!("{HOSTILE} answers for it")))
        .attested("OPS-00", Attestation::Refused(HOSTILE.into()))
}

fn rendered<T>(case: &Case, judged: &[Judged], subject: &str, render: impl Fn(&Assessment<'_>) -> T) -> T {
    render(&Assessment {
        subject,
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        asked: &case.asked,
        tool: &Tool::default(),
        started_ms: 1_795_384_800_000,
        ended_ms: 1_795_385_100_250,
        judged,
    })
}

fn oscal_of(case: &Case, judged: &[Judged], subject: &str) -> String {
    rendered(case, judged, subject, |assessment| {
        oscal::assessment_results(assessment, "hipaa-164.312.catalog.json", "index.html")
    })
}

fn some(judged: Vec<Judged>) -> Vec<Judged> {
    let ids = ["SBX-01a", "SBX-03d", "SBX-03g", "SBX-04b", "SBX-08a", "VAL-01a", "OPS-00", "OPS-01b"];
    judged.into_iter().filter(|one| ids.contains(&one.control.id.as_str())).collect()
}

#[test]
fn golden_files() {
    let case = case(Profile::Module);
    let judged = some(case.all());
    insta::assert_snapshot!("oscal.catalogue", oscal::catalogue());
    // The flood is cut.
    insta::assert_snapshot!("oscal.results", short(&oscal_of(&case, &judged, "fhir-json-vendor")));
    insta::assert_snapshot!("ctrf", short(&rendered(&case, &judged, "fhir-json-vendor", ctrf::render)));
}

fn short(text: &str) -> String {
    let run = "x".repeat(100);
    assert!(!text.contains(&"x".repeat(5_000)), "a reason is not cut");
    let lines = text.lines().map(|line| match line.split_once(&run) {
        Some((before, after)) => format!("{before}xxx…{}", after.trim_start_matches('x')),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn findings_only_where_controls_decide() {
    // Everything that is evidence for a safeguard is answered: only then is it satisfied.
    let case = case(Profile::Module);
    let state = |judged: &[Judged], citation: &str| {
        let value: serde_json::Value = serde_json::from_str(&oscal_of(&case, judged, "m")).unwrap();
        let findings = value["assessment-results"]["results"][0]["findings"].as_array().cloned().unwrap_or_default();
        let token = format!("{}_smt", controls::safeguard(citation).unwrap().token());
        let found = findings.iter().find(|finding| finding["target"]["target-id"] == token.as_str());
        found.map(|finding| finding["target"]["status"]["state"].as_str().unwrap().to_owned())
    };
    let with = |verdicts: &[(&str, Verdict)]| -> Vec<Judged> {
        let verdict = |id: &str| verdicts.iter().find(|(known, _)| *known == id).map(|(_, verdict)| verdict.clone());
        let replace = |mut one: Judged| {
            one.verdict = verdict(&one.control.id).unwrap_or(Verdict::NotApplicable("not in this test".into()));
            one
        };
        case.all().into_iter().map(replace).collect()
    };
    let fail = || Verdict::Fail("no".into());
    let open = || Verdict::NotTested("no oracle".into());
    let attested = || Verdict::Attested("Jane".into());
    for (verdicts, citation, expected) in [
        (vec![("TLS-04a", Verdict::Pass), ("TLS-04b", attested())], "164.312(e)(2)(i)", Some("satisfied")),
        (vec![("TLS-04a", Verdict::Warn("mild".into()))], "164.312(e)(2)(i)", Some("satisfied")),
        (vec![("TLS-04a", Verdict::Pass), ("TLS-04b", fail())], "164.312(e)(2)(i)", Some("not-satisfied")),
        (vec![("TLS-04a", open()), ("TLS-04b", fail())], "164.312(e)(2)(i)", Some("not-satisfied")),
        (vec![("TLS-04a", Verdict::Pass), ("TLS-04b", open())], "164.312(e)(2)(i)", None),
        (vec![("TLS-04a", Verdict::Pass), ("TLS-04b", Verdict::NotAttested)], "164.312(e)(2)(i)", None),
        (vec![], "164.312(e)(2)(i)", None),
        (vec![("TLS-04a", Verdict::Pass)], "164.312(a)(1)", None),
    ] {
        assert_eq!(state(&with(&verdicts), citation).as_deref(), expected, "{verdicts:?}");
    }
}

#[test]
fn every_control_is_observed_once_and_only_pass_is_passed() {
    for profile in Profile::ALL {
        let case = case(profile);
        let judged = case.all();
        let value: serde_json::Value = serde_json::from_str(&oscal_of(&case, &judged, HOSTILE)).unwrap();
        let observations = value["assessment-results"]["results"][0]["observations"].as_array().unwrap();
        let titles: Vec<&str> = observations.iter().map(|one| one["title"].as_str().unwrap()).collect();
        assert_eq!(titles, controls::all().map(|control| control.id.as_str()).collect::<Vec<_>>());
        let value: serde_json::Value = serde_json::from_str(&rendered(&case, &judged, HOSTILE, ctrf::render)).unwrap();
        let tests = value["results"]["tests"].as_array().unwrap();
        assert_eq!(tests.len(), 193);
        for (test, judged) in tests.iter().zip(&judged) {
            assert_eq!(test["rawStatus"], judged.verdict.name());
            assert_eq!(test["status"] == "passed", judged.verdict == Verdict::Pass, "{test}");
        }
        let summary = &value["results"]["summary"];
        let parts = ["passed", "failed", "skipped", "pending", "other"].map(|name| summary[name].as_u64().unwrap());
        assert_eq!(parts.iter().sum::<u64>(), 193);
    }
}

#[test]
fn nothing_acts_where_it_is_printed_and_nobody_is_called_compliant() {
    let case = case(Profile::Module);
    let judged = case.all();
    for text in [oscal::catalogue(), oscal_of(&case, &judged, HOSTILE), rendered(&case, &judged, HOSTILE, ctrf::render)]
    {
        for sign in ["\u{1b}", "\u{202e}", "##[", "xxx".repeat(3000).as_str()] {
            assert!(!text.contains(sign), "{sign:?}");
        }
        assert!(!text.to_lowercase().contains(&["comp", "liant"].concat()));
    }
}

#[test]
fn identifiers_are_stable_and_apart() {
    let case = case(Profile::Module);
    let judged = some(case.all());
    let first = oscal_of(&case, &judged, "a");
    assert_eq!(first, oscal_of(&case, &judged, "a"));
    let uuids = |text: &str| -> Vec<String> {
        let parts = text.split("\"uuid\": \"").skip(1);
        parts.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let (own, other) = (uuids(&first), uuids(&oscal_of(&case, &judged, "b")));
    let distinct: std::collections::BTreeSet<&String> = own.iter().chain(&other).collect();
    assert_eq!(distinct.len(), own.len() + other.len(), "an identifier is used twice");
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// Reads OSCAL with somebody else's program: the good must be taken, the bad refused, and references must lead somewhere.
const TRESTLE: &str = r#"
import json, pathlib, sys
from trestle.oscal.assessment_results import AssessmentResults
from trestle.oscal.catalog import Catalog
folder = pathlib.Path(sys.argv[1])
read = {'results': AssessmentResults, 'catalogue': Catalog}
for path in sorted(folder.glob('*.json')):
    quality, kind, _ = path.name.split('-', 2)
    try:
        model, error = read[kind].oscal_read(path), None
    except Exception as caught:
        model, error = None, str(caught)[:500]
    assert (model is not None) == (quality == 'good'), (path.name, error)
catalogue = json.load(open(folder / 'good-catalogue-.json'))['catalog']
known = {c['id'] for g in catalogue['groups'] for c in g['controls']}
parts = {p['id'] for g in catalogue['groups'] for c in g['controls'] for p in c['parts']}
assert len(known) == 12, known
for path in folder.glob('good-results-*.json'):
    for result in json.load(open(path))['assessment-results']['results']:
        for selection in result['reviewed-controls']['control-selections']:
            for control in selection.get('include-controls', []):
                assert control['control-id'] in known, control
        observed = {o['uuid'] for o in result.get('observations', [])}
        for finding in result.get('findings', []):
            assert finding['target']['target-id'] in parts, finding
            assert all(o['observation-uuid'] in observed for o in finding['related-observations'])
print('read')
"#;

#[test]
fn trestle_reads_our_oscal_and_refuses_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "good-catalogue-.json", &oscal::catalogue());
    for profile in Profile::ALL {
        let case = case(profile);
        let judged = case.all();
        for (name, subject) in [("plain", "fhir-json-vendor"), ("hostile", HOSTILE), ("empty", "")] {
            let name = format!("good-results-{}-{name}.json", profile.name());
            write(folder.path(), &name, &oscal_of(&case, &judged, subject));
        }
    }
    // A control that fails and is evidence for a technical safeguard.
    let case = case(Profile::Module).found("constant-time", "LOAD", Severity::High);
    write(folder.path(), "good-results-none.json", &oscal_of(&case, &[], "nothing was judged"));
    write(folder.path(), "good-results-fail.json", &oscal_of(&case, &case.all(), "m"));
    let edits = [
        ("results", "\"state\": \"not-satisfied\"", "\"state\": \"perhaps\""),
        ("results", "\"uuid\": \"", "\"uuid\": \"g"),
        ("results", "\"import-ap\"", "\"import-app\""),
        ("results", "\"subject-uuid\"", "\"subject\""),
        ("results", "\"methods\": [", "\"methods\": [ \"\", "),
        ("catalogue", "\"id\": \"hipaa-164.312-c-1\"", "\"id\": \"164.312.c.1\""),
        ("catalogue", "\"title\"", "\"titel\""),
    ];
    for (at, (kind, from, to)) in edits.into_iter().enumerate() {
        let good = if kind == "results" { oscal_of(&case, &case.all(), "m") } else { oscal::catalogue() };
        assert!(good.contains(from), "{from}");
        write(folder.path(), &format!("bad-{kind}-{at}.json"), &good.replacen(from, to, 1));
    }
    let mut python = Command::new(tools::trestle());
    let output = tools::run(python.args(["-c", TRESTLE]).arg(folder.path()), "look at the message above");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "read");
}

#[test]
fn the_schema_of_ctrf_takes_our_report_and_refuses_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    for profile in Profile::ALL {
        let case = case(profile);
        for (name, subject) in [("plain", "fhir-json-vendor"), ("hostile", HOSTILE), ("empty", "")] {
            let text = rendered(&case, &case.all(), subject, ctrf::render);
            write(folder.path(), &format!("good-{}-{name}.json", profile.name()), &text);
        }
    }
    let case = case(Profile::Module);
    let good = rendered(&case, &case.all(), "m", ctrf::render);
    for (at, (from, to)) in [
        ("\"status\": \"passed\"", "\"status\": \"green\""),
        ("\"reportFormat\": \"CTRF\"", "\"reportFormat\": \"ctrf\""),
        ("\"duration\": 0", "\"duration\": \"0\""),
        ("\"pending\": ", "\"pended\": "),
        ("\"rawStatus\"", "\"verdict\""),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(good.contains(from), "{from}");
        write(folder.path(), &format!("bad-{at}.json"), &good.replacen(from, to, 1));
    }
    let script = "import json, pathlib, sys, jsonschema\n\
        schema = json.load(open(sys.argv[1]))\n\
        validator = jsonschema.validators.validator_for(schema)\n\
        for path in sorted(pathlib.Path(sys.argv[2]).glob('*.json')):\n\
        \x20   errors = [e.message[:300] for e in validator(schema).iter_errors(json.load(open(path)))]\n\
        \x20   assert (not errors) == path.name.startswith('good-'), (path.name, errors)\n";
    let mut python = Command::new(tools::python());
    tools::run(python.args(["-c", script]).arg(tools::ctrf_schema()).arg(folder.path()), "look at the message above");
}
