//! The resource contract on real readers: careless ones are caught, their repaired twins pass, nothing is left out in
//! silence, and the same is said twice.

use autoclave::complexity;
use autoclave::contract::{self, Held, Question};
use autoclave::executors::Engine;
use autoclave::limits::{Overrides, Profile, Terms};
use autoclave::target::Target;
use autoclave_generators::{FAMILIES, Family, family};
use autoclave_reports::Verdict;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn target(name: &str) -> Target {
    let overrides = Overrides { profile: Some(Profile::Browser), ..Overrides::default() };
    Target::load(&root(), name, &overrides).unwrap_or_else(|error| panic!("{error}"))
}

fn engine() -> Engine {
    Engine::new(Some(&root().join(".autoclave/cache"))).unwrap()
}

/// An entry under these families, or under all of them.
fn hold(engine: &Engine, target: &Target, entry: &str, names: &[&str]) -> Held {
    hold_to(engine, target, entry, names, &Overrides::default())
}

/// The same, held to other terms than it declares.
fn hold_to(engine: &Engine, target: &Target, entry: &str, names: &[&str], overrides: &Overrides) -> Held {
    let (terms, _) =
        Terms::resolve(Profile::Browser, &target.manifest.contract, overrides, Path::new(&target.name)).unwrap();
    let reads = contract::reads(engine, target, entry, &[]).unwrap();
    let families: Vec<&'static Family> = names.iter().map(|name| family(name).unwrap()).collect();
    let question = Question {
        engine,
        target,
        entry,
        terms: &terms,
        reads: &reads.readings,
        families: &families,
        family_fuel: contract::FAMILY_FUEL,
    };
    contract::hold_all(&question).unwrap()
}

fn clauses(held: &Held) -> BTreeSet<&'static str> {
    held.broken.iter().map(|one| one.clause.name()).collect()
}

/// Readers with planted carelessness, as their `target.toml` says.
const TWINS: [(&str, &str); 2] = [("resources-naive", "resources-hardened"), ("answers-naive", "answers-hardened")];

#[test]
fn careless_readers_are_caught_and_their_twins_pass() {
    let engine = engine();
    let twins = TWINS.map(|(naive, hardened)| (target(naive), target(hardened)));
    let entries: Vec<_> = twins
        .iter()
        .flat_map(|(naive, hardened)| naive.manifest.expect.iter().map(move |expected| (naive, hardened, expected)))
        .collect();
    assert!(entries.len() >= 11, "{} entries", entries.len());
    let judge = |(naive, hardened, (entry, clause)): &(&Target, &Target, (&String, &String))| {
        let mut wrong = Vec::new();
        let caught = hold(&engine, naive, entry, &[]);
        if !clauses(&caught).contains(clause.as_str()) {
            wrong.push(format!("{}::{entry} is not caught: {clause} in {:?}", naive.name, clauses(&caught)));
        }
        let passed = hold(&engine, hardened, entry, &[]);
        let broken = passed.broken.iter().map(|one| format!("{} {}: {}", one.trial.family, one.trial.params, one.says));
        wrong.extend(broken.map(|says| format!("{}::{entry} is repaired, and called broken: {says}", hardened.name)));
        let not_tested = passed.trials.iter().filter(|trial| matches!(trial.verdict, Verdict::NotTested(_)));
        wrong.extend(
            not_tested.map(|trial| {
                format!("{}::{entry}: {} {} {:?}", hardened.name, trial.family, trial.params, trial.verdict)
            }),
        );
        wrong
    };
    let wrong: Vec<String> = entries.par_iter().flat_map_iter(judge).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Readers of others, which have no limit of their own: what is within is taken by each, so that what is above says
/// something.
#[test]
fn readers_without_limits_take_documents_of_every_size() {
    let engine = engine();
    let mut overrides = Overrides::default();
    overrides.set_term("refused_above_bytes=100001").unwrap();
    overrides.set_term("refused_above_items=1001").unwrap();
    let table = [
        ("fhir-json-serde", "parse", "sized-fhir-json", "OVERSIZE-NOT-REFUSED"),
        ("fhir-xml-quick-xml", "parse", "sized-fhir-xml", "OVERSIZE-NOT-REFUSED"),
        ("hl7v2-hl7-parser", "parse", "sized-hl7", "OVERSIZE-NOT-REFUSED"),
        ("protobuf-prost", "bundle", "sized-protobuf", "OVERSIZE-NOT-REFUSED"),
        ("cbor-ciborium", "parse", "sized-cbor", "OVERSIZE-NOT-REFUSED"),
        ("decompressors", "gzip", "sized-gzip", "OVERSIZE-NOT-REFUSED"),
        ("decompressors", "zlib", "sized-zlib", "OVERSIZE-NOT-REFUSED"),
        ("decompressors", "zip", "sized-zip", "OVERSIZE-NOT-REFUSED"),
        ("decompressors", "zstd", "sized-zstd", "OVERSIZE-NOT-REFUSED"),
        ("fhir-json-serde", "parse", "fhir-bundle", "TOO-MANY-NOT-REFUSED"),
        ("fhir-xml-quick-xml", "parse", "fhir-xml-bundle", "TOO-MANY-NOT-REFUSED"),
        ("hl7v2-hl7-parser", "parse", "hl7-repetitions", "TOO-MANY-NOT-REFUSED"),
    ];
    let mut wrong = Vec::new();
    for (name, entry, family, clause) in table {
        let held = hold_to(&engine, &target(name), entry, &[family], &overrides);
        let limited: Vec<_> = held.trials.iter().filter(|trial| trial.part.ends_with("-limit")).collect();
        let within = limited.iter().take(2).all(|trial| trial.verdict == Verdict::Pass && trial.outcome == "returned");
        if !within || !clauses(&held).contains(clause) {
            wrong.push(format!("{name}::{entry} {family}: {limited:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_family_has_a_reader_that_it_is_tried_on() {
    let engine = engine();
    let mut tried = BTreeSet::new();
    for name in ["resources-hardened", "decompressors", "fhir-xml-quick-xml", "protobuf-prost", "cbor-ciborium"] {
        let target = target(name);
        for entry in &target.entries {
            let readings = contract::reads(&engine, &target, entry, &[]).unwrap().readings;
            let concerned =
                FAMILIES.iter().filter(|family| readings.iter().any(|reading| reading.concerns(family.kind)));
            tried.extend(concerned.map(|family| family.name));
        }
    }
    let ndjson = |family: &&Family| family.kind.name() == "ndjson";
    let missing: Vec<&str> = FAMILIES
        .iter()
        .filter(|family| !ndjson(family) && !tried.contains(family.name))
        .map(|family| family.name)
        .collect();
    assert!(missing.is_empty(), "no reader is shown {missing:?}");
}

#[test]
fn the_same_is_said_twice() {
    let engine = engine();
    let names = ["json-tiny-values", "json-arrays", "json-long-number", "typical-fhir-bundle"];
    for (name, entry) in [("fhir-json-serde", "parse"), ("resources-naive", "json"), ("resources-naive", "decimal")] {
        let target = target(name);
        let once = || {
            let held = hold(&engine, &target, entry, &names);
            let mut trials = held.trials;
            trials.iter_mut().for_each(|trial| trial.wall_ms = 0.0);
            (trials, held.growth)
        };
        let (first, second) = (once(), once());
        assert!(!first.0.is_empty() && !first.1.is_empty());
        assert_eq!(first, second, "{name}::{entry}");
    }
}

/// Twelve families on readers whose algorithm is known: what their work grows with, from their source.
const GROWTH: &[(&str, &str, &str, f64)] = &[
    ("fhir-json-serde", "parse", "json-tiny-values", 1.0),
    ("fhir-json-serde", "parse", "json-long-string", 1.0),
    ("fhir-json-serde", "parse", "json-escapes", 1.0),
    ("fhir-json-serde", "parse", "json-whitespace", 1.0),
    ("fhir-json-serde", "parse", "json-duplicate-keys", 1.0),
    ("fhir-json-serde", "parse", "fhir-bundle", 1.0),
    ("resources-hardened", "hl7", "hl7-segments", 1.0),
    ("resources-hardened", "hl7", "hl7-fields", 1.0),
    ("resources-naive", "hl7", "hl7-segments", 2.0),
    ("resources-naive", "hl7", "hl7-fields", 2.0),
    ("resources-naive", "decimal", "json-long-number", 2.0),
    ("resources-naive", "xml", "xml-quadratic", 2.0),
];

#[test]
fn known_algorithms_have_their_exponents() {
    let engine = engine();
    let mut wrong = Vec::new();
    for (name, entry, family, order) in GROWTH {
        let held = hold(&engine, &target(name), entry, &[family]);
        let growth = held.growth.iter().find(|growth| growth.shape == *family);
        let exponent = growth.and_then(|growth| growth.exponent);
        let is_super = growth.is_some_and(|growth| matches!(growth.verdict, Verdict::Fail(_)));
        println!("{name}::{entry} {family}: {exponent:?}");
        // Where a header is half of a short message, its fields more than double.
        let is_near = exponent.is_some_and(|exponent| (exponent - order).abs() < 0.5);
        if !is_near || is_super != (*order > complexity::fit::EXPONENT_MAX) {
            wrong.push(format!("{name}::{entry} {family}: {exponent:?}, where {order} is right"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_an_entry_reads_is_found_by_trying() {
    let engine = engine();
    // Module, entry, what is found where nothing is declared.
    let table: &[(&str, &str, &[&str])] = &[
        ("decompressors", "gzip", &["gzip"]),
        ("decompressors", "zlib", &["zlib"]),
        ("decompressors", "zstd", &["zstd"]),
        ("decompressors", "xz", &["xz"]),
        ("decompressors", "zip", &["zip"]),
        ("gzip-flate2", "parse", &["gzip"]),
        ("fhir-xml-quick-xml", "parse", &["fhir-xml"]),
        ("hl7v2-hl7-parser", "parse", &["hl7v2"]),
        ("resources-hardened", "json", &["json", "fhir-json"]),
    ];
    let mut wrong = Vec::new();
    for (name, entry, expected) in table {
        let mut target = target(name);
        target.manifest.format = None;
        target.manifest.reads.clear();
        let reads = contract::reads(&engine, &target, entry, &[]).unwrap();
        let mut found: Vec<String> = reads.readings.iter().map(ToString::to_string).collect();
        found.sort();
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        if found != expected || reads.evidence.is_empty() {
            wrong.push(format!("{name}::{entry}: {found:?}, not {expected:?} ({})", reads.evidence));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
