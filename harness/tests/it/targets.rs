//! The shipped canaries do what their manifests say, on inputs known by construction; the corpora are what their
//! manifests list. Targets that need a toolchain are replayed by `cargo xtask test`.

use autoclave::execution::{Limit, Outcome, Trap};
use autoclave::executors::{Build, Engine, Executor, Reset, judge};
use autoclave::limits::Overrides;
use autoclave::target::{BuildKind, Target};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Canary, entry, and an input that opens it.
const OPENED_BY: &[(&str, &str, &[u8])] = &[
    ("canary-crash", "returned", b"any"),
    ("canary-crash", "rejected", b"V9"),
    ("canary-crash", "unreachable", b"UR!"),
    ("canary-crash", "memory_out_of_bounds", b"MO\xff\xff\xff\x7f"),
    ("canary-crash", "table_out_of_bounds", b"TO\x09"),
    ("canary-crash", "indirect_call_to_null", b"IN\x02"),
    ("canary-crash", "bad_signature", b"BS\x03"),
    ("canary-crash", "integer_overflow", b"IO\x00\x00\x00\x80\xff"),
    ("canary-crash", "division_by_zero", b"DZ\x01\x00\x00\x00\x00"),
    ("canary-crash", "bad_conversion", b"BC\x00\x00\xc0\x7f"),
    ("canary-proposals", "misaligned", b"HM\x01"),
    ("canary-proposals", "null_reference", b"NRx"),
    ("canary-proposals", "array_out_of_bounds", b"AO\x20"),
    ("canary-proposals", "cast_failure", b"CFx"),
    ("canary-proposals", "uncaught_exception", b"UE\x7f"),
    ("canary-limits", "fuel", b"FU\x00"),
    ("canary-limits", "stack", b"ST\x02\x02"),
    ("canary-limits", "shadow_stack", b"SH\xff"),
    ("canary-limits", "graceful_oom", b"GO\xff\xff"),
    ("canary-limits", "oom_abort", b"OA\xff\xff"),
    ("canary-limits", "hard_deny", b"HD\xff\xff"),
    ("canary-limits", "table", b"TA\xff\xff"),
    ("canary-limits", "output", b"OU\xffx"),
    ("canary-deadline", "deadline", b"DL\x00"),
    ("canary-host", "exit", b"EX\x2a"),
    ("canary-host", "host_calls", b"HC\xff\xff"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn load(name: &str) -> Target {
    Target::load(&root(), name, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn canaries_show_what_they_promise_and_their_twins_do_not() {
    let engine = Engine::new(None).unwrap();
    let mut wrong = Vec::new();
    for (name, entry, input) in OPENED_BY {
        let canary = load(name);
        let twin = load(canary.manifest.twin.as_deref().expect("a canary names its twin"));
        let promised = Outcome::from_name(&canary.manifest.expect[*entry]).expect("a known outcome");
        let mut see = |target: &Target, seen: Outcome, right: bool, how: &str| {
            if !right {
                wrong.push(format!("{}::{entry}, {how}: {}, not {}", target.name, seen.name(), promised.name()));
            }
        };
        let fuzzed = |target: &Target| {
            Executor::new(&engine, target, entry, Build::Fuzz, Reset::Dirty, &target.limits).unwrap().run(input)
        };
        let judged =
            |target: &Target| judge(&engine, target, entry, input, &target.limits).expect("a judgement").outcome;
        let passes = |outcome: Outcome| matches!(outcome, Outcome::Returned | Outcome::Rejected);
        // Fuzzing has no fuel: it stops an endless loop by the clock, and leaves the name to the judge.
        let unnamed =
            |outcome: Outcome| promised == Outcome::Limit(Limit::Fuel) && outcome == Outcome::Limit(Limit::Deadline);
        for (how, run) in [("fuzzed", &fuzzed as &dyn Fn(&Target) -> Outcome), ("judged", &judged)] {
            let (of_canary, of_twin) = (run(&canary), run(&twin));
            see(&canary, of_canary, of_canary == promised || (how == "fuzzed" && unnamed(of_canary)), how);
            see(&twin, of_twin, passes(of_twin), how);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_outcome_has_a_canary() {
    let mut promised = BTreeSet::from([Outcome::Trap(Trap::Other).name()]);
    for found in Target::discover(&root()).unwrap() {
        let manifest = found.manifest.unwrap_or_else(|error| panic!("{error}"));
        // What is expected of a contract's canary are clauses.
        let is_canary = manifest.build.kind == BuildKind::Wat
            && manifest.twin.is_some()
            && manifest.oracle.as_deref() == Some("crash");
        for (entry, outcome) in manifest.expect.iter().filter(|_| is_canary) {
            let outcome = Outcome::from_name(outcome).unwrap_or_else(|| panic!("{}: {outcome}", found.name));
            promised.insert(outcome.name());
            let opened = OPENED_BY.iter().any(|(name, known, _)| *name == found.name && known == entry);
            assert!(opened, "{}::{entry} has no input in this test's table", found.name);
        }
    }
    let missing: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).filter(|n| !promised.contains(n)).collect();
    assert!(missing.is_empty(), "no canary for {missing:?}");
}

#[test]
fn corpora_are_what_their_manifests_list() {
    let mut formats = 0;
    for entry in std::fs::read_dir(root().join("corpora")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        formats += 1;
        let manifest = folder.join("manifest.tsv");
        let text = std::fs::read_to_string(&manifest).unwrap_or_else(|e| panic!("{}: {e}", manifest.display()));
        let mut listed = BTreeSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let [path, sha256, bytes, licence, how] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{}: five columns, not {line:?}", manifest.display());
            };
            let data = std::fs::read(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            let found: String = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((found.as_str(), data.len().to_string().as_str()), (sha256, bytes), "{path}; run make.py");
            assert!(!licence.is_empty() && !how.is_empty(), "{path}");
            listed.insert(folder.join(path));
        }
        for kind in ["seeds", "vectors", "regressions"] {
            for file in std::fs::read_dir(folder.join(kind)).into_iter().flatten() {
                let file = file.unwrap().path();
                assert!(listed.contains(&file), "{} is not in manifest.tsv; run make.py --manifests", file.display());
            }
        }
    }
    assert!(formats >= 5, "{formats} formats");
}
