//! `certify` as vendors run it: what a certificate says of good and bad modules, and that nobody admits the bad ones.

use super::PLANTED;
use super::place::Place;
use autoclave_certificate::certificate::{Certificate, Check, Scope, Trial, Verdict};
use autoclave_certificate::{Decision, Level, Moment, Policy, PrivateKey, admit, files};
use autoclave_reports::controls;
use std::path::Path;

/// A reader with a bounded memory and nothing to find.
const GOOD: &str = r#"(module
    (memory (export "memory") 2 16)
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func (export "parse") (param $p i32) (param $n i32) (result i32)
        (if (i32.eqz (local.get $n)) (then (return (i32.const -1))))
        (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x7b)) (then (return (i32.const 1))))
        (i32.const 0)))"#;

fn place(modules: &[(&str, &str)]) -> Place {
    let place = Place::new();
    for (name, text) in modules {
        place.write(name, wat::parse_str(text).unwrap());
    }
    place
}

fn certificate(place: &Place) -> Certificate {
    let bytes = std::fs::read(place.path("out/certificate.json")).unwrap();
    let statement: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    serde_json::from_value(statement["predicate"].clone()).unwrap()
}

fn check<'a>(certificate: &'a Certificate, id: &str) -> &'a Check {
    certificate.checks.iter().find(|check| check.id == id).unwrap()
}

fn key(place: &Place) -> PrivateKey {
    let key = PrivateKey::generate(autoclave_certificate::Algorithm::P256).unwrap();
    files::write_keys(&key, &place.path("k.key"), &place.path("k.pub")).unwrap();
    key
}

fn decide(place: &Place, module: &str, key: &PrivateKey, policy: &Policy) -> Decision {
    let bundle = place.files(".sigstore.jsonl").into_values().next().unwrap();
    let module = std::fs::read(place.path(module)).unwrap();
    admit(&module, &bundle, &[key.public()], policy, Moment::from(std::time::SystemTime::now()))
}

#[test]
fn a_static_certificate_says_what_it_is_not() {
    let place = place(&[("good.wasm", GOOD)]);
    let done = place.expect(3, "certify good.wasm --level L0 --out out");
    assert!(done.stderr.contains("it cannot be certified at L0"), "{}", done.stderr);
    let certificate = certificate(&place);
    let ids: Vec<&str> = certificate.checks.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(ids, controls::all().map(|control| control.id.as_str()).collect::<Vec<_>>());
    assert_eq!(check(&certificate, "SBX-03a").verdict, Verdict::Pass);
    assert_eq!(check(&certificate, "SBX-06a").verdict, Verdict::Pass);
    // Nobody has signed the module, and no key is trusted to.
    let signature = check(&certificate, "SBX-04b");
    assert!(signature.verdict == Verdict::NotTested && signature.reason.contains("--key"), "{signature:?}");
    // What is executed belongs to L1.
    let fuzzed = check(&certificate, "OPS-02d");
    assert_eq!((fuzzed.verdict, fuzzed.scope), (Verdict::NotTested, Scope::Outside));
    assert!(certificate.qualification.iter().all(|row| row.oracle == "scan" && row.is_complete()));
    assert!(certificate.campaigns.is_empty() && certificate.corpus.inputs == 0);
    let page = std::fs::read_to_string(place.path("out/certificate.html")).unwrap();
    assert!(page.contains("Not signed") && !page.to_lowercase().contains("hipaa compliant"));
}

#[test]
fn a_bad_module_gets_a_certificate_that_nobody_admits() {
    let place = place(&[("planted.wasm", PLANTED)]);
    let key = key(&place);
    let line = "certify planted.wasm --level L1 --runs 60000 --jobs 1 --key k.key --out out";
    place.expect(1, line);
    let certificate = certificate(&place);
    assert_eq!(certificate.level, Level::L1);
    let crash = check(&certificate, "OPS-02d");
    assert!(crash.verdict == Verdict::Fail && crash.reason.contains("TRAP-"), "{crash:?}");
    assert_eq!(crash.oracle.as_deref(), Some("crash"));
    let memory = check(&certificate, "SBX-03a");
    assert!(memory.verdict == Verdict::Fail && memory.reason.contains("no maximum"), "{memory:?}");
    let oracle = certificate.qualification.iter().find(|row| row.oracle == "crash").unwrap();
    assert_eq!((oracle.canary_seen, oracle.twin_seen), (Trial::Caught, Trial::Passed));
    assert!(certificate.corpus.inputs > 0 && certificate.campaigns[0].executions >= 60_000);
    let Decision::Refused(reasons) = decide(&place, "planted.wasm", &key, &Policy::default()) else {
        panic!("a failing module was admitted");
    };
    assert!(!reasons.is_empty());
    for file in ["index.html", "summary.md", "oscal-assessment-results.json", "ctrf.json", "policy.json", "corpus.txt"]
    {
        assert!(place.path("out").join(file).is_file(), "{file}");
    }
    // The same seed and runs, the same verdicts.
    std::fs::remove_dir_all(place.path(".autoclave/state")).unwrap();
    let before: Vec<Check> = certificate.checks;
    place.expect(1, line);
    assert_eq!(self::certificate(&place).checks, before);
}

#[test]
fn waivers_and_evidence_stand_on_the_certificate_or_stop_it() {
    let place = place(&[("good.wasm", GOOD)]);
    let waiver = |id: &str, day: &str| {
        format!("[[waiver]]\ncheck = \"{id}\"\nowner = \"Jane\"\nreason = \"<b>small</b>\"\nexpires = {day}\n")
    };
    for (text, says) in [
        (waiver("SBX-99", "2999-01-01"), "no control has this id"),
        (waiver("SBX-04b", "2020-01-01"), "expired"),
        ("[[waver]]".to_owned(), "waver"),
    ] {
        place.write("w.toml", &text);
        let done = place.expect(2, "certify good.wasm --level L0 --waivers w.toml --out out");
        assert!(done.stderr.contains("w.toml") && done.stderr.contains(says), "{text}: {}", done.stderr);
        assert!(!Path::new(&place.path("out")).exists(), "nothing is begun before the words are read");
    }
    let open = ["SBX-04a", "SBX-04b", "OPS-02c"];
    place.write("w.toml", open.map(|id| waiver(id, "2999-01-01")).concat());
    let key = key(&place);
    place.expect(0, "certify good.wasm --level L0 --waivers w.toml --key k.key --out out");
    let certificate = certificate(&place);
    assert_eq!(certificate.waivers.len(), open.len());
    let page = std::fs::read_to_string(place.path("out/certificate.html")).unwrap();
    assert!(page.contains("Jane") && page.contains("&lt;b&gt;small") && !page.contains("<b>small"));
    let mut policy = Policy { level: Level::L0, ..Policy::default() };
    assert!(!decide(&place, "good.wasm", &key, &policy).is_admitted(), "a waiver that the host does not allow");
    policy.allowed_waivers = open.map(str::to_owned).to_vec();
    let decision = decide(&place, "good.wasm", &key, &policy);
    assert!(decision.is_admitted(), "{:?}", decision.reasons());
    policy.level = Level::L1;
    assert!(!decide(&place, "good.wasm", &key, &policy).is_admitted(), "L0 is not L1");
}
