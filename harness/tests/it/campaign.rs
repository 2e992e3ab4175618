//! The `autoclave` binary as users run it: exit codes, findings, resuming, being killed, hostile modules.

mod certify;
mod conform;
mod limits;
mod place;

use autoclave_reports::record::{Confirmation, Verdict};
use autoclave_reports::{Record, Severity, TargetRecord};
use place::Place;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Four planted causes behind `MH` and a letter, each in a function of its own.
const PLANTED: &str = r#"(module
    (memory (export "memory") 2)
    (table 1 funcref)
    (type $action (func))
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func $divide_dose (param i32) (drop (i32.div_u (i32.const 100) (local.get 0))))
    (func $read_beyond (drop (i32.load (i32.const -4))))
    (func $give_up unreachable)
    (func $call_nothing (call_indirect (type $action) (i32.const 0)))
    (func (export "parse") (param $p i32) (param $n i32) (result i32)
        (if (i32.lt_u (local.get $n) (i32.const 3)) (then (return (i32.const -1))))
        (if (i32.ne (i32.load16_u (local.get $p)) (i32.const 0x484d)) (then (return (i32.const -1))))
        (local.set $p (i32.load8_u offset=2 (local.get $p)))
        (if (i32.eq (local.get $p) (i32.const 0x44)) (then (call $divide_dose (i32.const 0))))
        (if (i32.eq (local.get $p) (i32.const 0x52)) (then (call $read_beyond)))
        (if (i32.eq (local.get $p) (i32.const 0x47)) (then (call $give_up)))
        (if (i32.eq (local.get $p) (i32.const 0x43)) (then (call $call_nothing)))
        (i32.const 0)))"#;

/// Nothing to find, a few edges to see.
const CLEAN: &str = r#"(module
    (memory (export "memory") 2)
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func (export "parse") (param $p i32) (param $n i32) (result i32)
        (if (i32.eqz (local.get $n)) (then (return (i32.const -1))))
        (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x7b)) (then (return (i32.const 1))))
        (i32.const 0)))"#;

/// Every input but the empty one is endless.
const ENDLESS: &str = r#"(module
    (memory (export "memory") 2)
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func $spin (loop $again (br $again)))
    (func (export "parse") (param $p i32) (param $n i32) (result i32)
        (if (local.get $n) (then (call $spin)))
        (i32.const 0)))"#;

/// Executions that find all of `PLANTED`, several times over.
const ENOUGH: &str = "--runs 60000 --jobs 1";

const PLANTED_OUTCOMES: [&str; 4] =
    ["TRAP-DIVISION-BY-ZERO", "TRAP-INDIRECT-CALL-TO-NULL", "TRAP-MEMORY-OUT-OF-BOUNDS", "TRAP-UNREACHABLE"];

fn outcomes(target: &TargetRecord) -> BTreeSet<&str> {
    target.findings.iter().map(|finding| finding.outcome.as_str()).collect()
}

fn ids(record: &Record) -> BTreeSet<String> {
    record.findings().map(|(_, finding)| finding.id.clone()).collect()
}

/// Corpus and finds: every file is whole. What is not yet renamed has another kind of name and is left out.
fn entries(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let mut files = place.files(".autoclave/state/");
    files.retain(|path, _| path.contains("/corpus/") || path.contains("/finds/"));
    files.retain(|path, _| !path.rsplit('/').next().unwrap().starts_with('.'));
    for (path, bytes) in &files {
        let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(path.ends_with(&format!("/{hash}")), "{path} holds other bytes");
    }
    files
}

#[test]
fn exit_codes_are_the_documented_ones() {
    let place = Place::with(&[("clean.wat", CLEAN), ("planted.wat", PLANTED), ("text.wasm", "no module")]);
    place.write("cut.wasm", b"\0asm\x01\0\0\0\x01\xff");
    assert_eq!(place.report(0, "fuzz clean.wat --runs 2000 --jobs 1").verdict, Verdict::Pass);
    let found = place.report(1, &format!("fuzz planted.wat {ENOUGH} --fail-on high"));
    assert!(matches!(found.verdict, Verdict::Fail(_)));
    let lower = place.report(0, "fuzz planted.wat --runs 100 --jobs 1 --fail-on critical");
    assert!(matches!(lower.verdict, Verdict::Warn(_)) && lower.targets[0].worst() == Some(Severity::High));
    for (line, says) in [
        ("fuzz plantd.wat", "plantd.wat"),
        ("fuzz clean.wat nobody --runs 10", "nobody"),
        ("fuzz clean.wat::nobody --runs 10", "it has parse"),
        ("fuzz clean.wat --rnus 10", "--runs"),
        ("fuzz clean.wat --limit memry=1", "memory_bytes_max"),
        ("fuzz clean.wat --profile phone", "browser, server"),
        ("fuzz clean.wat --dict no.dict", "no.dict"),
        ("fuzz clean.wat --dict /dev/zero", "/dev/zero"),
        ("fuzz clean.wat --time 500000000000y", "1000000000s"),
        ("fuzz clean.wat --jobs 100000", "1..=1024"),
        ("fuzz /dev/zero", "/dev/zero"),
        ("add zero --wasm /dev/zero", "/dev/zero"),
        ("tmin clean.wat /dev/zero", "/dev/zero"),
        ("coverage clean.wat --input /dev/zero", "/dev/zero"),
        ("fuzz clean.wat --time soon", "60s, 10m or 2h"),
        ("fuzz text.wasm", "text.wasm"),
        ("fuzz cut.wasm", "cut.wasm"),
        ("fuzz", "targets"),
        ("repro 0123456789ab", "0123456789ab"),
        ("repro clean.wat", "--target"),
        ("explain nonsense", "nonsense"),
        ("tmin clean.wat nofile", "nofile"),
        ("coverage nobody", "nobody"),
        ("nonsense", "nonsense"),
    ] {
        let done = place.expect(2, line);
        assert!(done.stderr.contains(says) && done.stdout.is_empty(), "autoclave {line}\n{}", done.stderr);
    }
}

#[test]
fn targets_share_a_run_and_gaps_are_said() {
    let cargo = "about = 'not built'\n[build]\nkind = 'cargo'\n";
    let place = Place::tree(&[
        ("broken", "abuot = 'x'\n", CLEAN),
        ("one", "[build]\nkind = 'wat'\n", CLEAN),
        ("planted-canary", "oracle = 'crash'\n[build]\nkind = 'wat'\n", PLANTED),
        ("two", "format = 'notes'\n[build]\nkind = 'wat'\n", CLEAN),
        ("unbuilt", cargo, ""),
    ]);
    place.write("corpora/notes/seeds/a.txt", "{note}");
    let record = place.report(3, "fuzz --time 2s --jobs 1");
    let names: Vec<_> = record.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert!(record.targets.iter().all(|target| target.execs > 0 && target.verdict == Verdict::Pass));
    assert_eq!(record.run.budget.seconds, Some(2.0));
    assert_eq!(record.targets[1].corpus.seeds, 1);
    let gap = |what: &str| record.not_tested.iter().find(|gap| gap.what == what).unwrap();
    assert!(gap("unbuilt").remedy.contains("cargo xtask build unbuilt"));
    assert!(gap("broken").reason.contains("did you mean `about`"), "{:?}", gap("broken"));
    // Asked for by name, from a folder below: the same.
    assert_eq!(place.report(3, "fuzz unbuilt --runs 10").not_tested.len(), 1);
    let seedless = place.report(0, "fuzz two --runs 10 --jobs 1 --no-seeds --fresh");
    assert_eq!(seedless.targets[0].corpus.seeds, 0);
    let list: serde_json::Value = serde_json::from_slice(&place.expect(0, "list --format json").stdout).unwrap();
    let rows = list.as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["broken", "one", "planted-canary", "two", "unbuilt"]);
    assert!(rows[1]["corpus"].as_u64().unwrap() > 0 && rows[1]["entries"][0] == "parse");
}

#[test]
fn equal_seeds_give_equal_reports() {
    let numeric = r#"(module (import "env" "now" (func $now (result i64)))
        (func (export "dose") (param f64 i32) (result f64)
            (if (i64.eqz (call $now)) (then unreachable))
            (if (i32.eq (local.get 1) (i32.const 4711)) (then unreachable))
            (f64.div (local.get 0) (f64.convert_i32_s (local.get 1)))))"#;
    let place = Place::with(&[("planted.wat", PLANTED), ("numeric.wat", numeric)]);
    let line = "fuzz planted.wat numeric.wat --seed 7 --runs 30000 --jobs 1 --fresh";
    let record = || serde_json::to_string_pretty(&place.report(1, line).without_timing()).unwrap();
    let (first, second) = (record(), record());
    let differing: Vec<_> = first.lines().zip(second.lines()).filter(|(a, b)| a != b).collect();
    assert!(first == second, "{differing:#?}");
    let other = place.report(1, &line.replace("--seed 7", "--seed 8")).without_timing();
    assert_ne!(first, serde_json::to_string_pretty(&other).unwrap(), "the seed is not used");
}

#[test]
fn every_planted_cause_is_found_kept_and_shown_again() {
    let place = Place::with(&[("planted.wat", PLANTED)]);
    let done = place.expect(1, &format!("fuzz planted.wat {ENOUGH} --format json --save"));
    assert!(done.stderr.contains("kept as .autoclave/state/") && !done.stderr.contains("after 0 execs"));
    let record = place.latest();
    assert!(done.stdout == std::fs::read(place.path("reports/runs/latest/report.json")).unwrap());
    let target = &record.targets[0];
    assert_eq!(outcomes(target), PLANTED_OUTCOMES.into());
    assert_eq!((target.findings.len(), target.confirmed().count()), (4, 4), "{:#?}", target.findings);
    for (cause, letter) in [("divide_dose", "D"), ("read_beyond", "R"), ("give_up", "G"), ("call_nothing", "C")] {
        let of_cause = |finding: &&autoclave_reports::Finding| finding.frames[0].function.contains(cause);
        let finding = target.findings.iter().find(of_cause).unwrap_or_else(|| panic!("{cause}"));
        assert_eq!(finding.confirmed, Confirmation::Reproduced);
        assert!(finding.bucket.frames.iter().any(|frame| frame.contains(cause)), "{:?}", finding.bucket);
        assert!(finding.found_at.execs > 0 && finding.title.contains(cause), "{}", finding.title);
        let kept = std::fs::read(place.path("reports/runs/latest").join(&finding.reproducer.path)).unwrap();
        assert_eq!(kept, format!("MH{letter}").into_bytes(), "{cause} is not minimal");
        let saved = place.files("corpora/bytes/regressions/");
        assert!(saved.iter().any(|(name, bytes)| name.contains(&finding.outcome) && *bytes == kept), "{saved:?}");
        // The line that the report shows does what it says.
        let line = finding.repro.strip_prefix("cargo xtask ").unwrap();
        let shown = place.expect(1, line);
        assert!(shown.stderr.contains(&finding.outcome) && shown.stderr.contains(cause), "{}", shown.stderr);
        let explained = place.expect(0, &format!("explain {}", finding.id));
        assert!(String::from_utf8(explained.stdout).unwrap().contains(&finding.title));
    }
    assert!(target.functions.iter().any(|row| row.name == "parse" && row.edges_found > 0));
    place.nobody_left();
}

#[test]
fn corpora_are_kept_small_and_measured() {
    let place = Place::with(&[("planted.wat", PLANTED), ("long", "MHGand more, which does not matter")]);
    place.report(1, &format!("fuzz planted.wat {ENOUGH} --max-len 9"));
    let corpus = |place: &Place| place.files("/corpus/");
    assert!(!corpus(&place).is_empty() && corpus(&place).values().all(|input| input.len() <= 9));
    let edges = |done: place::Done| done.stderr.lines().next().unwrap().split(", ").last().unwrap().to_owned();
    let before = edges(place.expect(0, "coverage planted.wat --out before"));
    assert!(before.ends_with(" edges") && !before.starts_with("0/"), "{before}");
    // Without source lines there is nothing for LCOV to name; the file is there for the tools that want it.
    assert!(place.path("before/lcov.info").is_file());
    let page = String::from_utf8(std::fs::read(place.path("before/coverage.html")).unwrap()).unwrap();
    assert!(page.contains("divide_dose") && page.contains("</html>"));
    // What others cover is taken out; what they do not, stays.
    let entries = corpus(&place);
    let folder = entries.keys().next().unwrap().rsplit_once('/').unwrap().0.to_owned();
    for twin in [&b"MHx twin"[..], b"MHy twin", b"MHz"] {
        let name: String = Sha256::digest(twin).iter().map(|byte| format!("{byte:02x}")).collect();
        place.write(&format!("{folder}/{name}"), twin);
    }
    place.expect(0, "cmin planted.wat");
    let kept = corpus(&place);
    assert!(kept.len() <= entries.len() && !kept.values().any(|input| input.ends_with(b"twin")), "{kept:?}");
    assert_eq!(edges(place.expect(0, "coverage planted.wat")), before);

    place.expect(0, "tmin planted.wat long");
    assert_eq!(std::fs::read(place.path("long.min")).unwrap(), b"MHG");
    place.expect(0, "tmin planted.wat long --out short/er");
    assert_eq!(std::fs::read(place.path("short/er")).unwrap(), b"MHG");
    assert_eq!(place.run("repro short/er --target planted.wat").code, Some(1));
}

#[test]
fn prebuilt_modules_become_targets() {
    let place = Place::tree(&[]);
    place.write("vendor/module.wasm", wat::parse_str(PLANTED).unwrap());
    place.write("other/module.wasm", wat::parse_str(CLEAN).unwrap());
    place.expect(0, "add vendor-parser --wasm vendor/module.wasm --input-format notes");
    place.expect(2, "add vendor-parser --wasm vendor/module.wasm");
    place.expect(2, "add ../out --wasm vendor/module.wasm");
    assert!(!place.path("out").exists());
    let manifest = String::from_utf8(std::fs::read(place.path("targets/vendor-parser/target.toml")).unwrap()).unwrap();
    assert!(manifest.contains("format = \"notes\"") && manifest.contains("abi = \"bytes\""), "{manifest}");
    let record = place.report(1, &format!("fuzz vendor-parser {ENOUGH}"));
    assert_eq!(outcomes(&record.targets[0]), PLANTED_OUTCOMES.into());
    // Two modules of one name, in two folders, have nothing to do with each other.
    let line = format!("fuzz vendor/module.wasm other/module.wasm {ENOUGH}");
    let record = place.report(1, &line);
    assert_eq!(record.targets.iter().map(|target| target.findings.len()).collect::<Vec<_>>(), [4, 0]);
    assert!(record.targets[1].notes.is_empty(), "{:?}", record.targets[1].notes);
}

#[test]
fn flags_do_what_they_say() {
    // Behind a hash, so that only the dictionary knows; and a demand for memory that only a tight limit denies.
    let hashed = r#"(module
        (memory (export "memory") 2)
        (func (export "alloc") (param i32) (result i32) (i32.const 1024))
        (func $hash (param $p i32) (result i32) (local $i i32) (local $h i32)
            (local.set $h (i32.const 0x811c9dc5))
            (loop $next
                (local.set $h (i32.mul (i32.const 0x01000193)
                    (i32.xor (local.get $h) (i32.load8_u (i32.add (local.get $p) (local.get $i))))))
                (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
            (local.get $h))
        (func (export "parse") (param $p i32) (param $n i32) (result i32)
            (if (i32.ne (local.get $n) (i32.const 8)) (then (return (i32.const -1))))
            (if (i32.eq (call $hash (local.get $p)) (i32.const HASH)) (then unreachable))
            (i32.const 0))
        (func (export "grow") (param $p i32) (param $n i32) (result i32)
            (if (i32.lt_s (memory.grow (i32.const 16)) (i32.const 0)) (then unreachable))
            (i32.const 0)))"#;
    let hash = b"Zq7~Kw2!".iter().fold(0x811c_9dc5u32, |h, byte| (h ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let place = Place::with(&[("hashed.wat", &hashed.replace("HASH", &hash.to_string()))]);
    place.write("words.dict", "# words\nword=\"Zq7~Kw2!\"\n");
    let line = "fuzz hashed.wat::parse --runs 20000 --jobs 1 --fresh";
    place.report(0, line);
    let found = place.report(1, &format!("{line} --dict words.dict"));
    assert_eq!(outcomes(&found.targets[0]), ["TRAP-UNREACHABLE"].into());

    let line = "fuzz hashed.wat::grow --runs 200 --jobs 1 --fresh";
    let roomy = place.report(0, line);
    let tight = place.report(1, &format!("{line} --limit memory_bytes_max=1MiB --limit growth_denials_max=7"));
    assert_eq!(outcomes(&tight.targets[0]), ["OOM-ABORT"].into());
    let limit = |record: &Record, name: &str| {
        let row = record.targets[0].limits.iter().find(|row| row.name == name).unwrap();
        (row.value, row.reason.clone())
    };
    assert_eq!(limit(&roomy, "memory_bytes_max").0, 256 << 20);
    assert_eq!(limit(&tight, "memory_bytes_max"), (1 << 20, "set by flag".into()));
    let server = place.report(0, &format!("{line} --profile server --reset fresh"));
    assert_eq!(limit(&server, "memory_bytes_max"), (1 << 30, "set by profile".into()));

    for shell in ["bash", "zsh", "fish"] {
        let script = place.expect(0, &format!("completions {shell}")).stdout;
        assert!(String::from_utf8(script).unwrap().contains("fail-on"), "{shell}");
    }
    let explained = String::from_utf8(place.expect(0, "explain").stdout).unwrap();
    assert!(explained.contains("OUT-OF-FUEL") && explained.contains("crash"));
}

#[test]
fn a_second_run_begins_where_the_first_ended() {
    let place = Place::with(&[("planted.wat", PLANTED)]);
    let first = place.report(1, &format!("fuzz planted.wat {ENOUGH}"));
    let before = entries(&place);
    assert_eq!(first.targets[0].corpus.seeds, 0);
    // Far too few executions to find anything again.
    let second = place.report(1, "fuzz planted.wat --runs 20 --jobs 1");
    assert_eq!(second.targets[0].corpus.seeds, first.targets[0].corpus.entries);
    assert_eq!(ids(&second), ids(&first));
    let third = place.report(0, "fuzz planted.wat --runs 1 --jobs 1 --fresh");
    assert_eq!(third.targets[0].corpus.seeds, 0);
    // Set aside, not lost.
    let aside: BTreeSet<Vec<u8>> = place.files(".autoclave/state").into_values().collect();
    let aside = aside.into_iter().chain(place.files(".autoclave/aside").into_values()).collect::<BTreeSet<_>>();
    assert!(before.values().all(|bytes| aside.contains(bytes)));
}

#[test]
fn a_run_without_runs_goes_through_what_is_there() {
    let place = Place::tree(&[("notes", "format = 'notes'\n[build]\nkind = 'wat'\n", PLANTED)]);
    for (name, seed) in [("a", "MHx"), ("b", "MHG"), ("c", ""), ("d", "MHG too")] {
        place.write(&format!("corpora/notes/seeds/{name}"), seed);
    }
    let record = place.report(1, "fuzz notes --runs 0 --jobs 2");
    assert_eq!((record.targets[0].execs, record.targets[0].findings.len()), (4, 1), "{:#?}", record.targets[0]);
    assert!(record.targets[0].edges_found > 0 && place.files("/corpus/").is_empty());
    // Nothing to run is no pass.
    let record = place.report(3, "fuzz notes --runs 0 --no-seeds --fresh");
    assert_eq!(record.targets[0].execs, 0);
    let fuzzed = place.report(1, "fuzz notes --runs 20000 --jobs 1");
    let again = place.report(1, "fuzz notes --runs 0");
    assert_eq!(again.targets[0].execs, fuzzed.targets[0].corpus.entries + 4);
    assert_eq!(ids(&again), ids(&fuzzed));
}

#[test]
fn calls_are_shown_as_calls() {
    let doses = r#"(module (global $sum (mut i32) (i32.const 0))
        (func (export "give") (param i32 f64) (global.set $sum (i32.add (global.get $sum) (local.get 0))))
        (func (export "total") (result i32)
            (if (i32.eq (global.get $sum) (i32.const 7)) (then unreachable))
            (global.get $sum)))"#;
    let place = Place::with(&[("doses.wat", doses)]);
    let record = place.report(1, "fuzz doses.wat --runs 20000 --jobs 1");
    let finding = record.findings().next().unwrap().1;
    let calls = finding.decoded.clone().unwrap();
    assert!(calls.starts_with("give(7, ") && calls.ends_with(")\ntotal()\n"), "{calls}");
    let shown = place.expect(1, &format!("repro {}", finding.id));
    assert!(shown.stderr.contains(&calls), "{}", shown.stderr);
    let pages = place.files("index.html");
    assert!(pages.values().any(|page| String::from_utf8_lossy(page).contains("total()")));
}

/// From any folder of the project, without a word about where the module lies; and what is repaired is not open any more.
#[test]
fn findings_know_their_module() {
    let place = Place::tree(&[("notes", "[build]\nkind = 'wat'\n", PLANTED)]);
    place.write("vendor/a/module.wat", PLANTED);
    std::fs::create_dir_all(place.path("vendor/deep/er")).unwrap();
    let found = place.report(1, &format!("fuzz vendor/a/module.wat {ENOUGH}"));
    let (_, finding) = found.findings().next().unwrap();
    let line = finding.repro.strip_prefix("cargo xtask ").unwrap();
    assert!(line.ends_with("--target vendor/a/module.wat"), "{line}");
    let short = format!("repro {}", finding.id);
    for (folder, line) in [("vendor/deep/er", line), ("vendor/deep/er", &short), ("", line), ("", &short)] {
        let shown = place.start_in(folder, line).wait();
        assert_eq!(shown.code, Some(1), "{folder}: {line}: {}", shown.stderr);
        assert!(shown.stderr.contains(&finding.outcome));
    }
    // Another module in its place is not judged under its name, and none is said to be gone.
    place.write("vendor/a/module.wat", CLEAN);
    let changed = place.expect(2, &short);
    assert!(changed.stderr.contains("is another module") && changed.stderr.contains("--target"), "{}", changed.stderr);
    place.write("vendor/b.wat", PLANTED);
    place.expect(1, &format!("{short} --target vendor/b.wat"));
    std::fs::remove_file(place.path("vendor/a/module.wat")).unwrap();
    let gone = place.expect(2, &short);
    assert!(gone.stderr.contains("vendor/a/module.wat") && gone.stderr.contains("is gone"), "{}", gone.stderr);

    // The same bucket in two places: a word decides.
    let named = place.report(1, &format!("fuzz notes {ENOUGH}"));
    assert_eq!(ids(&named), ids(&found));
    let either = place.expect(2, &short);
    assert!(either.stderr.contains("--target notes") && either.stderr.contains("--target vendor/a/module.wat"));
    place.expect(1, &format!("{short} --target notes"));
    let row = |place: &Place| {
        let rows: serde_json::Value = serde_json::from_slice(&place.expect(0, "list --format json").stdout).unwrap();
        ["findings", "fixed", "unchecked"].map(|name| rows[0][name].as_u64().unwrap())
    };
    assert_eq!(row(&place), [4, 0, 0]);
    let repaired = PLANTED.replace("(func $give_up unreachable)", "(func $give_up)");
    place.write("targets/notes/module.wat", &repaired);
    assert_eq!(row(&place), [0, 0, 4]);
    let shown = place.run(&format!("{short} --target notes"));
    assert!(shown.stderr.contains("the module has changed"), "{}", shown.stderr);
    let after = place.report(1, "fuzz notes --runs 100 --jobs 1");
    assert_eq!(after.targets[0].findings.len(), 3);
    let notes = &after.targets[0].notes;
    assert!(notes.len() == 1 && notes[0].contains("does not happen any more"), "{notes:?}");
    assert_eq!(row(&place), [3, 1, 0]);
    let human = String::from_utf8(place.expect(0, "list").stdout).unwrap();
    assert!(human.contains("3 findings (1 fixed)"), "{human}");
    // And back again: it is found at once, by its own input.
    place.write("targets/notes/module.wat", PLANTED);
    assert_eq!(place.report(1, "fuzz notes --runs 100 --jobs 1").targets[0].findings.len(), 4);
    assert_eq!(row(&place), [4, 0, 0]);
}

#[test]
fn what_only_findings_reach_is_covered() {
    let place = Place::with(&[("planted.wat", PLANTED)]);
    let record = place.report(1, &format!("fuzz planted.wat {ENOUGH}"));
    let reached = |name: &str| {
        let row = record.targets[0].functions.iter().find(|row| row.name == name).unwrap();
        row.edges_found
    };
    for function in ["divide_dose", "read_beyond", "give_up", "call_nothing"] {
        assert_eq!(reached(function), 1, "{function}");
    }
    place.expect(0, "coverage planted.wat --out coverage");
    let page = String::from_utf8(std::fs::read(place.path("coverage/coverage.html")).unwrap()).unwrap();
    assert!(page.contains("give_up"));
}

#[test]
fn an_interrupted_run_still_reports() {
    let place = Place::with(&[("planted.wat", PLANTED)]);
    let running = place.start("fuzz planted.wat --time 600s --jobs 2 --format json");
    place.wait_until("finds", || running.stderr().matches("kept as").count() >= 4);
    running.interrupt();
    let done = running.wait();
    assert_eq!(done.code, Some(130), "{}", done.stderr);
    let record = Record::from_json(&done.stdout).unwrap();
    assert!(record.run.interrupted);
    assert_eq!(outcomes(&record.targets[0]), PLANTED_OUTCOMES.into());
    assert_eq!(record.targets[0].confirmed().count(), record.targets[0].findings.len());
    place.nobody_left();
}

#[test]
fn the_second_interrupt_stops_at_once() {
    let place = Place::with(&[("endless.wat", ENDLESS)]);
    // To judge a single find would take hours.
    let running =
        place.start("fuzz endless.wat --time 600s --jobs 1 --limit wall_ms_max=50 --limit fuel_base=9000000000000");
    place.wait_until("finds", || running.stderr().contains("kept as"));
    running.interrupt();
    place.wait_until("a word", || running.stderr().contains("again to stop at once"));
    running.interrupt();
    let done = running.wait();
    assert_eq!(done.code, Some(130), "{}", done.stderr);
    assert!(!entries(&place).is_empty());
    place.nobody_left();
}

#[test]
fn a_worker_that_dies_is_reported_and_the_others_go_on() {
    let place = Place::with(&[("clean.wat", CLEAN), ("other.wat", CLEAN), ("planted.wat", PLANTED)]);
    let kill_one = |line: &str, when: &dyn Fn(&str) -> bool| {
        let running = place.start(line);
        let mut victim = None;
        place.wait_until("a worker", || {
            let workers = place.processes().into_iter().filter(|(_, word)| word == "worker");
            victim = workers.map(|(id, _)| id).next();
            victim.is_some() && when(&running.stderr())
        });
        let victim = rustix::process::Pid::from_raw(victim.unwrap()).unwrap();
        rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
        running.wait()
    };
    let done = kill_one("fuzz clean.wat other.wat --runs 400000 --jobs 2", &|_| true);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    let record = place.latest();
    let died = |target: &&TargetRecord| matches!(&target.verdict, Verdict::NotTested(why) if why.contains("signal: 9"));
    assert_eq!(record.targets.iter().filter(died).count(), 1, "{}", done.stderr);
    assert_eq!(record.targets.iter().filter(|target| target.verdict == Verdict::Pass).count(), 1);

    // What it had found before is judged, and the gap is said.
    let all = |stderr: &str| stderr.matches("kept as").count() >= 4;
    let done = kill_one("fuzz planted.wat --runs 900000000 --jobs 1", &all);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let record = place.latest();
    assert_eq!(outcomes(&record.targets[0]), PLANTED_OUTCOMES.into());
    assert!(record.not_tested.iter().any(|gap| gap.reason.contains("signal: 9")), "{:?}", record.not_tested);
}

/// A module with `entries` ladders: each step is a byte to guess, found one after the other, and the top is a trap.
fn ladders(entries: usize) -> String {
    let mut text = String::from(
        r#"(module (memory (export "memory") 2) (func (export "alloc") (param i32) (result i32) (i32.const 1024))"#,
    );
    for entry in 0..entries {
        text += &format!(
            r#"(func $top{entry} unreachable) (func (export "e{entry}") (param $p i32) (param $n i32) (result i32)"#
        );
        for step in 0..48 {
            let byte = (entry * 31 + step * 57 + 33) % 256;
            text += &format!(
                "(if (i32.le_u (local.get $n) (i32.const {step})) (then (return (i32.const -1))))
                 (if (i32.ne (i32.load8_u offset={step} (local.get $p)) (i32.const {byte})) (then (return (i32.const 0))))"
            );
        }
        text += &format!("(call $top{entry}) (i32.const 1))");
    }
    text + ")"
}

/// Moments are drawn from a seed; `AUTOCLAVE_TEST_KILLS=100` for the full count.
#[test]
fn killed_at_any_moment_nothing_found_is_lost() {
    const ENTRIES: usize = 10;
    let kills = std::env::var("AUTOCLAVE_TEST_KILLS").map_or(10, |text| text.parse().unwrap());
    let place = Place::with(&[("ladders.wat", &ladders(ENTRIES))]);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut known = BTreeMap::new();
    for kill in 0..kills {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Every third run is short enough to be met in triage as well.
        let budget = if kill % 3 == 2 { "--runs 3000" } else { "--time 600s" };
        let running = place.start(&format!("fuzz ladders.wat::e{} {budget} --jobs 2", kill % ENTRIES));
        std::thread::sleep(std::time::Duration::from_millis((state >> 33) % 700));
        known.extend(entries(&place));
        if kill % 2 == 0 {
            running.kill_group()
        } else {
            running.kill_parent()
        }
        let left = entries(&place);
        for (path, bytes) in &known {
            assert!(left.get(path) == Some(bytes), "kill {kill}: {path} is gone");
        }
        place.nobody_left();
    }
    assert!(!known.is_empty(), "no run came far enough");
    let record = place.report(1, "fuzz ladders.wat --runs 400000 --jobs 1");
    assert_eq!(record.targets.len(), ENTRIES);
    let found: Vec<_> = record.findings().map(|(_, finding)| finding.bucket.frames[0].clone()).collect();
    assert_eq!(found, (0..ENTRIES).map(|entry| format!("top{entry}")).collect::<Vec<_>>());
    let left = entries(&place);
    assert!(known.keys().all(|path| left.contains_key(path)));
    let corpus: u64 = record.targets.iter().map(|target| target.corpus.entries).sum();
    assert_eq!(corpus as usize, left.keys().filter(|path| path.contains("/corpus/")).count());
}

/// Through the command line as users have it: every module ends in a report or an error, soon, in bounded memory.
#[test]
fn hostile_modules_harm_nobody() {
    const MEMORY_BYTES_MAX: u64 = 1 << 30;
    let module = |fields: &str, body: &str| {
        format!(
            r#"(module (memory (export "memory") 2) {fields}
                (func (export "alloc") (param i32) (result i32) (i32.const 1024))
                (func (export "parse") (param $p i32) (param $n i32) (result i32) {body} i32.const 0))"#
        )
    };
    let times = |count: usize, text: &str| text.repeat(count);
    let grow = "(loop $l (drop (memory.grow (i32.const 100))) (br $l))";
    let touch = "(loop $l (drop (memory.grow (i32.const 64)))
        (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536)))
        (br_if $l (i32.lt_u (memory.size) (i32.const 2000))))";
    let garbage: String = ["info", "line", "abbrev", "str"]
        .iter()
        .map(|name| format!("(@custom \".debug_{name}\" \"{}\")", times(20_000, "\\00\\ff\\7f")))
        .collect();
    let exports: String = (0..1_000).map(|n| format!("(export \"e{n}\" (func 1))")).collect();
    let names: String = (0..2_000).map(|n| format!("(func $\"<{n}>\")")).collect();
    // What `fuzz` and `repro` come to, where it is known.
    let cases: &[(&str, String, Option<(i32, i32)>)] = &[
        ("endless-start", module("(func $s (loop $l (br $l))) (start $s)", ""), Some((3, 2))),
        ("growing-start", module(&format!("(func $s {grow}) (start $s)"), ""), Some((3, 2))),
        ("recursive-start", module("(func $s call $s) (start $s)", ""), Some((3, 2))),
        ("growth", module("", grow), Some((1, 1))),
        ("growth-in-use", module("", touch), Some((1, 1))),
        (
            "recursion",
            module("(func $f (result i32) (i32.add (call $f) (i32.const 1)))", "(drop (call $f))"),
            Some((1, 1)),
        ),
        ("table", module("(table 4000000000 funcref)", ""), Some((3, 2))),
        ("tables", module(&times(90, "(table 1000 funcref)"), ""), Some((3, 2))),
        (
            "growing-table",
            module("(table $t 1 funcref)", "(loop $l (drop (table.grow $t (ref.null func) (i32.const 99))) (br $l))"),
            Some((1, 1)),
        ),
        (
            "objects",
            module("(type $a (array i8))", "(loop $l (drop (array.new_default $a (i32.const 99999999))) (br $l))"),
            Some((1, 1)),
        ),
        ("nesting", module("", &format!("{}{}", times(20_000, "block "), times(20_000, "end "))), Some((0, 0))),
        ("branches", module("", &format!("block {} end", times(20_000, "local.get 1 br_if 0 "))), Some((0, 0))),
        ("switch", module("", &format!("block local.get 1 br_table {} end", times(60_000, "0 "))), Some((0, 0))),
        ("locals", module("", &format!("(local {})", times(49_990, "i64 "))), None),
        ("segments", module(&times(20_000, r#"(data (i32.const 9) "abc")"#), ""), Some((0, 0))),
        (
            "globals",
            module(&times(20_000, "(global (mut i32) (i32.const 1))"), "(global.set 7 (local.get 1))"),
            Some((0, 0)),
        ),
        ("data", module(&format!(r#"(data (i32.const 0) "{}")"#, times(100_000, "x")), ""), Some((0, 0))),
        ("debug-info", module(&garbage, "unreachable"), Some((1, 1))),
        ("functions", module(&names, ""), Some((0, 0))),
        ("entries", module(&exports, ""), Some((3, 2))),
        ("half-a-text", times(100_000, "(module (func "), Some((2, 2))),
        ("nothing", String::new(), Some((2, 2))),
    ];
    let place = Place::new();
    place.write("input", "MHG and more");
    let limits = "--limit wall_ms_max=50 --limit fuel_base=1000000 --limit fuel_per_byte=0";
    for (name, text, expected) in cases {
        place.write(&format!("{name}.wat"), text);
        let fuzzed = place.run(&format!("fuzz {name}.wat --runs 30 --jobs 2 --format json {limits}"));
        let shown = place.run(&format!("repro input --target {name}.wat {limits}"));
        place.run(&format!("coverage {name}.wat --input input --out coverage"));
        let codes = (fuzzed.code.unwrap_or(-1), shown.code.unwrap_or(-1));
        assert!([0, 1, 2, 3].contains(&codes.0) && [0, 1, 2].contains(&codes.1), "{name}: {}", fuzzed.stderr);
        if let Some(expected) = expected {
            assert_eq!(codes, *expected, "{name}\n{}\n{}", fuzzed.stderr, shown.stderr);
        }
        assert!(fuzzed.stderr.len() + shown.stderr.len() < 20_000, "{name}: {}", fuzzed.stderr);
        if codes.0 != 2 {
            let record = Record::from_json(&fuzzed.stdout).unwrap();
            assert!(record.timing.memory_bytes_peak < Some(MEMORY_BYTES_MAX), "{name}: {:?}", record.timing);
            assert!(!fuzzed.stderr.contains("worker ended with"), "{name}: {}", fuzzed.stderr);
        }
    }
    place.nobody_left();
}

#[test]
fn hostile_names_stay_text() {
    let payload = r#"\1b[2J<script>alert(1)</script>\0a::error::x]]>&quot;,=cmd|'/c calc'!A0\e2\80\ae"#;
    let module = r#"(module $"NAME"
        (@custom "NAME" "NAME")
        (@producers (language "NAME" "NAME"))
        (import "NAME" "NAME" (func $"NAME import" (result i32)))
        (memory (export "memory") 2)
        (func (export "alloc") (param i32) (result i32) (i32.const 1024))
        (func $"NAME dies" (drop (call $"NAME import")) unreachable)
        (func (export "NAME") (param $p i32) (param $n i32) (result i32)
            (if (local.get $n) (then (call $"NAME dies")))
            (i32.const 0))
        (func (export "../../../NAME") (param i32 i32) (result i32) (i32.const 0))
        (data (i32.const 0) "NAME"))"#
        .replace("NAME", payload);
    let place = Place::with(&[("hostile.wat", &module), ("=1+1<script>.wat", CLEAN)]);
    let mut said = Vec::new();
    for (code, line) in [
        (1, "fuzz hostile.wat =1+1<script>.wat --runs 300 --jobs 1 --format json"),
        (1, "fuzz hostile.wat --runs 300 --jobs 1 --format github"),
        (0, "add hostile --wasm hostile.wat"),
        (0, "list"),
        (0, "list --format json"),
        (2, "cmin hostile.wat"),
        (2, "fuzz hostile.wat::nobody --runs 1"),
    ] {
        let done = place.expect(code, line);
        said.push((line.to_owned(), done.stderr.into_bytes()));
        said.push((line.to_owned(), done.stdout));
    }
    let record = place.latest();
    let finding = record.findings().next().unwrap().1;
    for line in [
        format!("repro {}", finding.id),
        format!("repro {} --format json", finding.id),
        format!("explain {}", finding.id),
    ] {
        let done = place.run(&line);
        said.push((line.clone(), done.stderr.into_bytes()));
        said.push((line, done.stdout));
    }
    let files = place.files("reports/runs/");
    assert!(
        files.keys().any(|name| name.ends_with("index.html")) && files.keys().any(|name| name.ends_with("junit.xml"))
    );
    said.extend(files.into_iter().filter(|(name, _)| !name.contains("/artifacts/")));
    for (place, bytes) in said {
        let text = String::from_utf8(bytes).unwrap_or_else(|_| panic!("{place} is not UTF-8"));
        let acts = |c: char| (c.is_control() && c != '\n' && c != '\r') || c == '\u{202e}';
        assert!(!text.contains(acts), "{place}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("::error::x")), "{place}: {text}");
        // Markup is text where nobody reads markup.
        if place.ends_with(".html") || place.ends_with(".xml") {
            assert!(!text.contains("<script"), "{place}");
        }
    }
    // Whatever the names say, everything lies where it belongs.
    let outside: Vec<_> = place
        .files("")
        .into_keys()
        .filter(|path| {
            !path.starts_with(".autoclave/")
                && !path.starts_with("reports/runs/")
                && !path.starts_with("targets/")
                && path.contains('/')
        })
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
    assert!(
        place
            .files(".autoclave/")
            .keys()
            .all(|path| path.chars().all(|c| c.is_ascii_graphic() && !"<>&\"'|".contains(c)))
    );
}
