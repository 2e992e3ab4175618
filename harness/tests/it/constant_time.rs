//! What depends on a secret is found in modules whose truth is known, at the line where it happens, whatever the seed;
//! what does not depend on one is not reported; and hostile modules get a clear answer.

use autoclave::constant_time::{Answer, PUBLICS, Question, SEARCH_RUNS, SECRETS, examine, unmet};
use autoclave::executors::Engine;
use autoclave::limits::Overrides;
use autoclave::symbols::Symbols;
use autoclave::target::{Allowed, Manifest, Policy, Target};
use autoclave_reports::Verdict;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Modules of which every entry's truth is known.
const TRUTH: &[&str] = &[
    "secrets-assemblyscript",
    "secrets-c-o0",
    "secrets-c-o1",
    "secrets-c-o2",
    "secrets-c-o3",
    "secrets-c-os",
    "secrets-rust",
];

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(None).unwrap())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn built(name: &str) -> Target {
    let found = Target::load(&root(), name, &Overrides::default());
    found.unwrap_or_else(|error| panic!("{error}: run `cargo xtask test guests tests`"))
}

struct Asked<'a> {
    policy: Policy,
    seed: u64,
    search_runs: u64,
    secrets: usize,
    allowed: &'a [Allowed],
}

const USUAL: Asked<'static> =
    Asked { policy: Policy::Relaxed, seed: 1, search_runs: SEARCH_RUNS, secrets: SECRETS, allowed: &[] };

fn ask(target: &Target, entry: &str, symbols: &Symbols, asked: &Asked<'_>) -> Answer {
    let question = Question {
        engine: engine(),
        target,
        entry,
        symbols,
        policy: asked.policy,
        secrets: asked.secrets,
        publics: PUBLICS,
        search_runs: asked.search_runs,
        seed: asked.seed,
        corpus: &[],
        allowed: asked.allowed,
    };
    examine(&question).unwrap_or_else(|error| panic!("{}::{entry}: {error}", target.name))
}

/// A module in text format with one script, `entry`.
fn module(wat: &str, script: &str) -> Target {
    let manifest: Manifest = toml::from_str(&format!("[calls]\nentry = {script:?}")).unwrap();
    Target::from_bytes("module", wat.as_bytes(), manifest, &Overrides::default()).unwrap()
}

fn answer(wat: &str, script: &str) -> Answer {
    let target = module(wat, script);
    ask(&target, "entry", &Symbols::load(&target.wasm), &Asked { search_runs: 1_000, ..USUAL })
}

fn classes(answer: &Answer) -> BTreeSet<&str> {
    answer.leaks.iter().map(|leak| leak.class.as_str()).collect()
}

fn notes(answer: &Answer) -> String {
    answer.handled.notes.join("\n")
}

/// Every entry of the modules whose truth is known.
fn truth() -> Vec<(Target, Symbols)> {
    let load = |name: &&str| {
        let target = built(name);
        let symbols = Symbols::load(&target.wasm);
        (target, symbols)
    };
    TRUTH.iter().map(load).collect()
}

fn entries(modules: &[(Target, Symbols)]) -> Vec<(&Target, &Symbols, &str, &str)> {
    modules
        .iter()
        .flat_map(|(target, symbols)| {
            target
                .manifest
                .expect
                .iter()
                .map(move |(entry, expected)| (target, symbols, entry.as_str(), expected.as_str()))
        })
        .collect()
}

#[test]
fn every_known_leak_is_found_and_nothing_else_with_three_seeds() {
    let modules = truth();
    let entries = entries(&modules);
    assert!(entries.len() >= 40, "{} entries", entries.len());
    let leaky = entries.iter().filter(|(_, _, _, expected)| expected.starts_with("leak")).count();
    assert!(leaky >= 20 && entries.len() - leaky >= 20, "{leaky} of {} entries leak", entries.len());
    let wrong: Vec<String> = entries
        .par_iter()
        .with_max_len(1)
        .flat_map_iter(|(target, symbols, entry, expected)| {
            let answers: Vec<Answer> =
                [1, 2, 3].into_iter().map(|seed| ask(target, entry, symbols, &Asked { seed, ..USUAL })).collect();
            let wrong = answers.iter().map(|answer| unmet(expected, answer)).filter(|unmet| !unmet.is_empty());
            let mut wrong: Vec<String> = wrong.collect();
            let verdicts: BTreeSet<&str> = answers.iter().map(|answer| answer.handled.verdict.name()).collect();
            if verdicts.len() > 1 {
                wrong.push(format!("the seed decides: {verdicts:?}"));
            }
            wrong.into_iter().map(|wrong| format!("{}::{entry}, {expected}: {wrong}", target.name)).collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Entries whose work depends on nothing but what they declassify: the strict policy calls them leaks, and is not wrong.
const STRICT: &[&str] = &["secrets-rust::eq_subtle_branch"];

#[test]
fn the_strict_policy_raises_only_what_declassified_answers_explain() {
    let modules = truth();
    let constant: Vec<_> =
        entries(&modules).into_iter().filter(|(_, _, _, expected)| *expected == "constant").collect();
    let raised: BTreeSet<String> = constant
        .par_iter()
        .with_max_len(1)
        .filter(|(target, symbols, entry, _)| {
            !ask(target, entry, symbols, &Asked { policy: Policy::Strict, ..USUAL }).leaks.is_empty()
        })
        .map(|(target, _, entry, _)| format!("{}::{entry}", target.name))
        .collect();
    assert_eq!(raised, STRICT.iter().map(|name| (*name).to_owned()).collect());
}

/// Lines of the guests' own sources that end with `LEAK name`, by name: file name and line, from 1.
fn marks(folder: &Path) -> BTreeMap<String, BTreeSet<(String, u32)>> {
    let mut marks: BTreeMap<String, BTreeSet<(String, u32)>> = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            for (at, line) in text.lines().enumerate() {
                let Some((_, names)) = line.split_once("LEAK ") else { continue };
                let file = path.file_name().unwrap().to_string_lossy().into_owned();
                for name in names.trim_end_matches("*/").split([' ', ',']).filter(|name| !name.is_empty()) {
                    marks.entry(name.to_owned()).or_default().insert((file.clone(), at as u32 + 1));
                }
            }
        }
    }
    marks
}

#[test]
fn the_first_difference_is_told_at_its_line() {
    let modules = truth();
    let mut compared = 0;
    let mut wrong = Vec::new();
    let all = entries(&modules);
    let leaky: Vec<_> = all.iter().filter(|(_, _, _, expected)| !expected.starts_with("constant")).collect();
    let answers: Vec<Answer> = leaky
        .par_iter()
        .with_max_len(1)
        .map(|(target, symbols, entry, _)| ask(target, entry, symbols, &USUAL))
        .collect();
    for ((target, symbols, entry, _), answer) in leaky.into_iter().zip(&answers) {
        let source = target.manifest.build.from.as_deref().unwrap_or(&target.name);
        let marks = marks(&root().join("targets").join(source));
        let Some(marked) = marks.get(*entry).filter(|_| symbols.has_debug_info()) else { continue };
        compared += 1;
        let first = answer.leaks.iter().min_by_key(|leak| (leak.event, !leak.strong)).expect("it leaks");
        // The line itself, or a call of it that was inlined there.
        let lines: Vec<(String, u32)> = first
            .frames
            .iter()
            .filter_map(|frame| Some((frame.file.as_deref()?.rsplit('/').next()?.to_owned(), frame.line?)))
            .collect();
        if !lines.iter().any(|line| marked.contains(line)) {
            wrong.push(format!("{}::{entry}: {lines:?}, marked {marked:?}", target.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 40, "{compared} leaks have a marked line");
}

#[test]
fn the_same_is_said_twice() {
    let target = built("secrets-rust");
    let symbols = Symbols::load(&target.wasm);
    for entry in ["eq_early_exit", "aes_table", "rare_path"] {
        let once = || {
            let mut answer = ask(&target, entry, &symbols, &USUAL);
            answer.handled.cpu_seconds = 0.0;
            (answer.handled, answer.leaks, answer.inputs, answer.executions)
        };
        assert_eq!(once(), once(), "{entry}");
    }
}

const ENTRY: &str = "entry(secret, public) -> result";

#[test]
fn a_module_that_dies_of_some_secrets_says_so_by_dying() {
    let wat = r#"(module (func (export "entry") (param i32 i32) (result i32)
        (i32.load (i32.add (i32.const 65500) (i32.and (local.get 0) (i32.const 63)))))
        (memory (export "memory") 1))"#;
    let answer = answer(wat, ENTRY);
    assert_eq!(answer.handled.verdict.name(), "FAIL");
    assert!(classes(&answer).is_superset(&BTreeSet::from(["load", "trap"])), "{:?}", classes(&answer));
    let trap = answer.leaks.iter().find(|leak| leak.class == "trap").unwrap();
    assert_eq!(trap.values.each_ref().map(String::as_str), ["returned", "TRAP-MEMORY-OUT-OF-BOUNDS"]);
}

#[test]
fn memory_that_grows_by_a_secret_amount_is_a_leak_and_by_a_public_one_is_none() {
    let grows = |by: &str| {
        let wat = format!(
            r#"(module (memory (export "memory") 1) (func (export "entry") (param i32 i32) (result i32)
                (i32.add (local.get 0) (memory.grow (i32.and (local.get {by}) (i32.const 7))))))"#
        );
        answer(&wat, "entry(secret, public)")
    };
    let (secret, public) = (grows("0"), grows("1"));
    assert_eq!(secret.handled.verdict.name(), "FAIL");
    assert!(classes(&secret).contains("bulk"));
    assert_eq!((public.handled.verdict.clone(), public.leaks.len()), (Verdict::Pass, 0));
}

#[test]
fn an_endless_loop_on_a_secret_ends_and_is_told() {
    let wat = r#"(module (func (export "entry") (param i32 i32) (result i32)
        (loop $again (br_if $again (i32.and (local.get 0) (i32.const 1)))) (local.get 1)))"#;
    let manifest: Manifest =
        toml::from_str(&format!("[calls]\nentry = {ENTRY:?}\n[limits]\nfuel_base = 100000")).unwrap();
    let target = Target::from_bytes("module", wat.as_bytes(), manifest, &Overrides::default()).unwrap();
    let answer = ask(&target, "entry", &Symbols::load(&target.wasm), &Asked { search_runs: 0, ..USUAL });
    assert_eq!(answer.handled.verdict.name(), "FAIL");
    assert_eq!(classes(&answer), BTreeSet::from(["branch", "trap"]));
}

#[test]
fn one_that_never_comes_back_was_not_tested() {
    let wat = r#"(module (func (export "entry") (param i32 i32) (result i32) unreachable))"#;
    let answer = answer(wat, ENTRY);
    let Verdict::NotTested(reason) = &answer.handled.verdict else { panic!("{:?}", answer.handled.verdict) };
    assert!(reason.contains("TRAP-UNREACHABLE"), "{reason}");
}

#[test]
fn what_depends_on_the_host_is_compared_under_the_same_answers() {
    let imports = |body: &str| {
        format!(
            r#"(module
                (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
                (memory (export "memory") 1)
                (func (export "entry") (param $secret i32) (param $public i32) (result i32)
                    (drop (call $random (i32.const 64) (i32.const 8)))
                    {body}))"#
        )
    };
    // Blinded by a random number: its work depends on that, and on no secret.
    let blind = answer(
        &imports("(i32.add (local.get $secret) (i32.load8_u (i32.load8_u (i32.const 64))))"),
        "entry(secret, public)",
    );
    assert_eq!(blind.handled.verdict, Verdict::Pass, "{:?}", blind.leaks);
    assert!(notes(&blind).contains("random_get"), "{}", notes(&blind));
    // A mask that does not hide: the secret still shows under each answer.
    let seen = answer(
        &imports("(i32.load8_u (i32.and (i32.xor (local.get $secret) (i32.load (i32.const 64))) (i32.const 0xff)))"),
        "entry(secret, public)",
    );
    assert_eq!(seen.handled.verdict.name(), "FAIL");
}

#[test]
fn an_answer_that_reveals_the_secret_explains_nothing() {
    let wat = r#"(module (memory (export "memory") 1) (func (export "entry") (param i32 i32) (result i32)
        (i32.load8_u (i32.and (local.get 0) (i32.const 0xff))) (drop) (local.get 0)))"#;
    let answer = answer(wat, ENTRY);
    assert_eq!((answer.handled.verdict.name(), answer.handled.policy.as_str()), ("FAIL", "strict"));
    assert!(notes(&answer).contains("reveals the secret"), "{}", notes(&answer));
}

#[test]
fn a_declassified_answer_explains_work_that_depends_on_it_alone() {
    let wat = r#"(module (func (export "entry") (param i32 i32) (result i32) (local $same i32)
        (local.set $same (i32.eq (local.get 0) (local.get 1)))
        (if (local.get $same) (then (local.set 1 (i32.mul (local.get 1) (i32.const 3)))))
        (local.get $same)))"#;
    let target = module(wat, ENTRY);
    let symbols = Symbols::load(&target.wasm);
    let under = |policy| ask(&target, "entry", &symbols, &Asked { policy, search_runs: 0, ..USUAL });
    let (relaxed, strict) = (under(Policy::Relaxed), under(Policy::Strict));
    assert_eq!(relaxed.handled.verdict, Verdict::Pass);
    assert!(notes(&relaxed).contains("strict policy"), "{}", notes(&relaxed));
    assert_eq!((strict.handled.verdict.name(), classes(&strict)), ("FAIL", BTreeSet::from(["branch"])));
}

#[test]
fn an_accepted_leak_does_not_fail_and_stays_visible() {
    let wat = r#"(module (memory (export "memory") 1)
        (func $table (param i32) (result i32) (i32.add (local.get 0) (i32.load8_u (i32.and (local.get 0) (i32.const 0xff)))))
        (func (export "entry") (param i32 i32) (result i32) (call $table (local.get 0))))"#;
    let target = module(wat, "entry(secret, public)");
    let symbols = Symbols::load(&target.wasm);
    let allow = |function: &str, op: &str| {
        let accepted =
            [Allowed { entry: None, function: function.into(), op: op.into(), reason: "one cache line".into() }];
        let asked = Asked { allowed: &accepted, search_runs: 0, ..USUAL };
        let answer = ask(&target, "entry", &symbols, &asked);
        (answer.handled.verdict.name(), answer.handled.allowed, answer.leaks.len())
    };
    assert_eq!(allow("table", "load"), ("PASS", 1, 1));
    assert_eq!(allow("table", "i32.load8_u"), ("PASS", 1, 1));
    assert_eq!(allow("table", "store"), ("FAIL", 0, 1));
    assert_eq!(allow("entry", "load"), ("FAIL", 0, 1));
}

#[test]
fn one_answer_for_everything_is_no_pass() {
    let wat = r#"(module (memory (export "memory") 1)
        (func (export "entry") (param i32 i32 i32 i32) (result i32) (i32.const 0)))"#;
    let answer = answer(wat, "entry(secret[4], out[4])");
    let Verdict::Warn(reason) = &answer.handled.verdict else { panic!("{:?}", answer.handled.verdict) };
    assert!(reason.contains("only one answer"), "{reason}");
    // What is written over the input is an answer.
    let wat = r#"(module (memory (export "memory") 1)
        (func (export "entry") (param i32 i32) (i32.store8 (local.get 0) (i32.const 7))))"#;
    assert_eq!(self::answer(wat, "entry(secret[4])").handled.verdict, Verdict::Pass);
}

#[test]
fn bytes_that_drive_a_leak_are_named() {
    let wat = r#"(module (memory (export "memory") 1) (func (export "entry") (param i32 i32 i32 i32) (result i32)
        (i32.load8_u offset=2048 (i32.load8_u offset=3 (local.get 0)))
        (i32.load8_u offset=4096 (i32.load8_u offset=9 (local.get 0)))
        (i32.add)))"#;
    let answer = answer(wat, "entry(secret[12], public[4])");
    let driven: Vec<&[u32]> = answer.leaks.iter().map(|leak| leak.secret_bytes.as_slice()).collect();
    assert_eq!(driven, [&[3][..], &[9]]);
    assert_eq!((answer.handled.sites_reached, answer.handled.sites_total), (4, 4));
}

#[test]
fn generated_modules_get_an_answer_and_the_same_one_twice() {
    let count: u64 = match std::env::var("AUTOCLAVE_TEST_MODULES") {
        Ok(count) => count.parse().expect("AUTOCLAVE_TEST_MODULES is a number"),
        Err(_) => 60,
    };
    let verdicts: BTreeMap<&str, u64> = (0..count)
        .into_par_iter()
        .filter_map(|seed| {
            let wasm = crate::instrument::smith(seed)?;
            let plain = Target::from_bytes("smith", &wasm, Manifest::default(), &Overrides::default()).ok()?;
            let function = plain.called("*").into_iter().find(|function| !function.params.is_empty())?;
            let secrets = vec!["secret"; function.params.len()].join(", ");
            let script = format!("{}({secrets})", function.name);
            // Names are arbitrary text: what a script cannot spell is not called.
            let manifest = Manifest { calls: BTreeMap::from([("entry".into(), script)]), ..Manifest::default() };
            let target = Target::from_bytes("smith", &wasm, manifest, &Overrides::default()).ok()?;
            let symbols = Symbols::load(&target.wasm);
            let question = Question {
                engine: engine(),
                target: &target,
                entry: "entry",
                symbols: &symbols,
                policy: Policy::Strict,
                secrets: 12,
                publics: 2,
                search_runs: 0,
                seed,
                corpus: &[],
                allowed: &[],
            };
            let once = || examine(&question).map(|answer| (answer.handled, answer.leaks)).map_err(|e| e.to_string());
            let (first, second) = (once(), once());
            assert_eq!(first, second, "seed {seed}");
            Some(first.map_or("error", |(handled, _)| handled.verdict.name()))
        })
        .fold(BTreeMap::new, |mut counts: BTreeMap<&str, u64>, name| {
            *counts.entry(name).or_default() += 1;
            counts
        })
        .reduce(BTreeMap::new, |mut a, b| {
            b.into_iter().for_each(|(name, count)| *a.entry(name).or_default() += count);
            a
        });
    println!("{verdicts:?}");
    assert!(verdicts.values().sum::<u64>() > 0, "no module was asked");
}
