//! Every vector in `corpora/FORMAT/vectors`: its verdict, the case that it is about, and its canonical tree.
//!
//! `BLESS=1` writes the trees of sidecars that have none or another; the difference is to be reviewed by eye.

use autoclave_formats::fhir::{self, Release, narrative, ndjson, xml};
use autoclave_formats::reading::Reading;
use autoclave_formats::rules::{Case, Policy, Side, Wanted};
use autoclave_formats::tree::{Tree, What};
use autoclave_formats::{Format, hl7, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a sidecar says.
struct Sidecar {
    rule: String,
    case: String,
    versions: Vec<String>,
    /// Position of the tree in the text.
    tree: usize,
    text: String,
}

/// The formats whose vectors are run here.
const FORMATS: [Format; 5] = Format::ALL;

/// Their cases.
fn cases() -> impl Iterator<Item = &'static Case> {
    let tables = [json::CASES, fhir::cases::CASES, xml::CASES, narrative::CASES, ndjson::CASES, hl7::CASES];
    tables.into_iter().flatten().copied()
}

fn folder(format: Format) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora").join(format.name()).join("vectors")
}

/// A format's vectors and their sidecars, sorted.
fn vectors(format: Format) -> Vec<(PathBuf, PathBuf)> {
    let Ok(files) = std::fs::read_dir(folder(format)) else { return Vec::new() };
    let mut found: Vec<_> = files.map(|file| file.unwrap().path()).filter(|path| !is_sidecar(path)).collect();
    found.sort();
    let sidecar = |path: &PathBuf| PathBuf::from(format!("{}.expect.json", path.display()));
    found.into_iter().map(|path| (path.clone(), sidecar(&path))).collect()
}

fn is_sidecar(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".expect.json")
}

fn sidecar(path: &Path) -> Sidecar {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reading = json::read(text.as_bytes());
    assert_eq!(reading.side(Policy::TolerantReader), Side::Accept, "{} {:?}", path.display(), reading.breaches);
    let tree = reading.tree.unwrap();
    let member = |label: &str| tree.member(0, label).unwrap_or_else(|| panic!("{} has no {label}", path.display()));
    let string = |id| String::from_utf8(tree.text(id).to_vec()).unwrap();
    assert!(!string(member("source")).is_empty(), "{}", path.display());
    let versions = tree.children(member("versions")).map(string).collect();
    Sidecar {
        rule: string(member("rule")),
        case: string(member("case")),
        versions,
        tree: tree.span(member("tree")).start,
        text,
    }
}

fn read(format: Format, version: &str, input: &[u8]) -> Reading {
    let release = || Release::named(version).unwrap_or_else(|| panic!("no release {version}"));
    match format {
        Format::Json => json::read(input),
        Format::FhirJson => fhir::read_json(input, release()),
        Format::FhirXml => fhir::read_xml(input, release()),
        Format::FhirNdjson => fhir::read_ndjson(input, release()),
        // It says its version itself.
        Format::Hl7v2 => hl7::read(input),
    }
}

/// What is wrong with a vector; nothing if all is right.
fn check(format: Format, path: &Path, expected: &Sidecar, sidecar_path: &Path) -> Result<(), String> {
    let name = path.file_name().unwrap().to_string_lossy();
    let input = std::fs::read(path).unwrap();
    let mut parts = name.splitn(3, '-');
    let (verdict, rule) = (parts.next().unwrap(), parts.next().unwrap());
    if rule != expected.rule || expected.versions.is_empty() {
        return Err(format!("{name}: the sidecar is of rule {} and has no versions", expected.rule));
    }
    for version in &expected.versions {
        let reading = read(format, version, &input);
        let cases: Vec<_> = reading.breaches.iter().map(|breach| breach.case).collect();
        let sides = Policy::ALL.map(|policy| reading.side(policy));
        let own = cases.iter().find(|case| case.rule == rule && case.name == expected.case);
        let is_right = match verdict {
            "accept" => sides == [Side::Accept; 2],
            "reject" => sides == [Side::Reject; 2] && own.is_some_and(|case| case.wanted == Wanted::Refusal),
            "either" => own.is_some_and(|own| sides == Policy::ALL.map(|policy| policy.side(own))),
            _ => return Err(format!("{name} begins with accept-, reject- or either-")),
        };
        if !is_right {
            let cases: Vec<_> = cases.iter().map(|case| format!("{}/{}", case.rule, case.name)).collect();
            return Err(format!("{name} in {version}: {cases:?}, not {}", expected.case));
        }
        check_tree(&reading, expected, sidecar_path).map_err(|tree| format!("{name} in {version}: {tree}"))?;
    }
    Ok(())
}

fn check_tree(reading: &Reading, expected: &Sidecar, path: &Path) -> Result<(), String> {
    let written = reading.tree.as_ref().map_or("null\n".to_owned(), Tree::to_json);
    let (head, tree) = expected.text.split_at(expected.tree);
    let tree = tree.trim_end().strip_suffix('}').unwrap_or_default().trim_end();
    if tree == written.trim_end() {
        return Ok(());
    }
    if std::env::var_os("BLESS").is_none() {
        return Err(format!("the tree is\n{written}"));
    }
    let new = path.with_extension("new");
    std::fs::write(&new, format!("{head}{}\n}}\n", written.trim_end())).unwrap();
    std::fs::rename(new, path).unwrap();
    Ok(())
}

#[test]
fn every_vector_has_its_verdict_its_case_and_its_tree() {
    for (format, rules) in [
        (Format::Json, json::RULES.iter().map(|rule| rule.id).collect::<Vec<_>>()),
        (Format::FhirJson, fhir::cases::RULES.iter().map(|rule| rule.id).collect()),
        (Format::FhirXml, xml::RULES.iter().chain(narrative::RULES).map(|rule| rule.id).collect()),
        (Format::FhirNdjson, ndjson::RULES.iter().map(|rule| rule.id).collect()),
        (Format::Hl7v2, hl7::RULES.iter().map(|rule| rule.id).collect()),
    ] {
        let mut seen: BTreeMap<String, Vec<Side>> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (path, sidecar) in vectors(format) {
            let expected = self::sidecar(&sidecar);
            wrong.extend(check(format, &path, &expected, &sidecar).err());
            let accepts = path.file_name().unwrap().to_string_lossy().starts_with("accept-");
            let side = if accepts { Side::Accept } else { Side::Reject };
            seen.entry(expected.rule).or_default().push(side);
        }
        assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
        println!("{}: {} vectors", format.name(), seen.values().map(Vec::len).sum::<usize>());
        for rule in rules {
            let sides = seen.get(rule).unwrap_or_else(|| panic!("no vector of {rule}"));
            assert!(sides.contains(&Side::Accept), "no accepted vector of {rule}");
            // Rules without a case: there is no way to break them in one input.
            let breakable = cases().any(|case| case.rule == rule && case.wanted == Wanted::Refusal);
            assert!(!breakable || rule == "P01" || sides.contains(&Side::Reject), "no refused vector of {rule}");
        }
    }
}

/// Cases without a vector here: JSON has no such booleans; a string of a million characters and a gigabyte of tree are made
/// by tests.
const ELSEWHERE: &[(&str, &str)] = &[("P01", "boolean"), ("P04", "too-long"), ("H22", "too-many-parts")];

#[test]
fn every_case_has_a_vector() {
    let mut missing: Vec<_> = cases().map(|case| (case.rule, case.name)).collect();
    for (_, path) in FORMATS.into_iter().flat_map(vectors) {
        let expected = sidecar(&path);
        missing.retain(|case| *case != (expected.rule.as_str(), expected.case.as_str()));
    }
    assert_eq!(missing, ELSEWHERE);
}

#[test]
fn sidecars_have_a_vector_and_trees_are_read_back() {
    for format in FORMATS {
        for file in std::fs::read_dir(folder(format)).unwrap() {
            let path = file.unwrap().path();
            let Some(vector) = path.to_string_lossy().strip_suffix(".expect.json").map(PathBuf::from) else { continue };
            assert!(vector.exists(), "{} is gone", vector.display());
            let expected = sidecar(&path);
            let tree = expected.text[expected.tree..].trim_end().strip_suffix('}').unwrap();
            let read = Tree::from_json(tree.as_bytes()).unwrap();
            assert!(read.is_empty() || read.to_json().trim_end() == tree.trim_end(), "{}", path.display());
            assert!(read.root().is_none_or(|root| read.what(root) != What::Empty), "{}", path.display());
        }
    }
}
