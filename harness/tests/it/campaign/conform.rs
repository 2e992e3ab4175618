//! `conform`: which rules a module keeps, and which exit code that gives.

use super::place::Place;
use autoclave_reports::record::Verdict;

/// Takes everything, or refuses everything, or dies of `[`.
fn module(body: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 2)
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            (func (export "parse") (param $p i32) (param $n i32) (result i32) {body}))"#
    )
}

const VECTORS: &[(&str, &str, &str, &str)] = &[
    ("accept-J01-object.json", "{}", "J01", ""),
    ("reject-J05-second.json", "{} {}", "J05", "trailing-data"),
    ("reject-J01-open.json", "[", "J01", "unterminated"),
    ("either-J03-mark.json", "\u{feff}{}", "J03", "byte-order-mark"),
];

fn place() -> Place {
    let accepts = module("(i32.const 0)");
    let refuses = module("(i32.const -1)");
    let dies = module(
        "(if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x5b)) (then unreachable))
         (if (result i32) (i32.eq (local.get $n) (i32.const 2)) (then (i32.const 0)) (else (i32.const -1)))",
    );
    let json = "format = 'json'\n[build]\nkind = 'wat'\n";
    let place = Place::tree(&[
        ("absent", "format = 'json'\n", ""),
        ("accepts", json, &accepts),
        ("refuses", json, &refuses),
        ("dies", json, &dies),
        ("mute", "format = 'json'\nrejects = 'never'\n[build]\nkind = 'wat'\n", &accepts),
        ("other", "format = 'fhir-xml'\n[build]\nkind = 'wat'\n", &accepts),
    ]);
    for (name, text, rule, case) in VECTORS {
        place.write(&format!("corpora/json/vectors/{name}"), text);
        let sidecar = format!(r#"{{"rule":"{rule}","case":"{case}","versions":[],"source":"RFC 8259","tree":null}}"#);
        place.write(&format!("corpora/json/vectors/{name}.expect.json"), sidecar);
    }
    place
}

#[test]
fn a_module_is_told_which_rules_it_keeps() {
    let place = place();
    // (module, flags, exit code, rules with their verdicts, outcomes of findings)
    let table: &[(&str, &str, i32, &[&str], &[&str])] = &[
        ("accepts", "", 1, &["J01 FAIL", "J03 WARN", "J05 FAIL"], &["ACCEPTS-INVALID", "ACCEPTS-INVALID"]),
        (
            "accepts",
            "--profile strict-gateway",
            1,
            &["J01 FAIL", "J03 FAIL", "J05 FAIL"],
            &["ACCEPTS-INVALID", "ACCEPTS-INVALID", "AGAINST-PROFILE"],
        ),
        ("refuses", "--profile strict-gateway", 1, &["J01 FAIL", "J03 PASS", "J05 PASS"], &["REFUSES-VALID"]),
        (
            "refuses",
            "--profile tolerant-reader",
            1,
            &["J01 FAIL", "J03 FAIL", "J05 PASS"],
            &["AGAINST-PROFILE", "REFUSES-VALID"],
        ),
        ("dies", "--profile strict-gateway", 1, &["J01 FAIL", "J03 PASS", "J05 PASS"], &["TRAP-UNREACHABLE"]),
    ];
    for (name, flags, code, rules, outcomes) in table {
        let record = place.report(*code, &format!("conform {name} {flags}"));
        let verdict = |check: &autoclave_reports::record::Check| format!("{} {}", check.name, check.verdict.name());
        assert_eq!(record.checks.iter().map(verdict).collect::<Vec<_>>(), *rules, "{name} {flags}");
        let mut seen: Vec<&str> = record.findings().map(|(_, finding)| finding.outcome.as_str()).collect();
        seen.sort_unstable();
        assert_eq!(seen, *outcomes, "{name} {flags}");
        for (_, finding) in record.findings() {
            let rule = finding.rule.as_ref().unwrap();
            assert!(!rule.title.is_empty() && !rule.harm.is_empty() && rule.source == "RFC 8259", "{rule:?}");
        }
        // Rules of JSON without a vector are named, and do not fail the run.
        assert!(record.not_tested.iter().any(|missing| missing.what.starts_with("J02")));
    }
}

#[test]
fn what_cannot_be_judged_is_not_passed() {
    let place = place();
    for name in ["mute", "other"] {
        let record = place.report(3, &format!("conform {name}"));
        assert!(matches!(record.targets[0].verdict, Verdict::NotTested(_)), "{name}");
    }
    place.expect(3, "conform absent");
    for wrong in ["conform accepts --profile nobody", "conform accepts --input-format csv", "conform"] {
        place.expect(2, wrong);
    }
}
