//! The score of our readers over published files with verdicts.

use autoclave_formats::fhir::{self, Release};
use autoclave_formats::reading::Reading;
use autoclave_formats::rules::{Policy, Side};
use autoclave_formats::score::{self, Expectation};
use autoclave_formats::{Format, json};
use std::path::{Path, PathBuf};

/// Files on which our strict reading and the verdict differ, with the reason.
const MISSES: &[(&str, &str)] = &[
    (
        "fhir/r5/examples/binary-example.json",
        "blanks in base64: R5's expression has none, the tolerant policy takes them",
    ),
    ("fhir/r5/examples/patient-container-example.json", "refers to `1` where `#1` is meant, which breaks dom-3"),
];

/// The folder of the published files, where there is one.
pub fn data() -> Option<PathBuf> {
    let named = std::env::var_os("AUTOCLAVE_SHARED_DATA").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let is_there = |folder: &PathBuf| folder.join("EXPECTED.tsv").exists();
    // Who names the folder wants the tests: only where nobody does may they be left out.
    if let Some(folder) = named {
        assert!(is_there(&folder), "AUTOCLAVE_SHARED_DATA: there is no EXPECTED.tsv in {}", folder.display());
        return Some(folder);
    }
    Some(beside()).filter(is_there)
}

fn read(expected: &Expectation<'_>, bytes: &[u8], release: Release) -> Option<Reading> {
    match expected.format()? {
        Format::Json => Some(json::read(bytes)),
        Format::FhirJson => Some(fhir::read_json(bytes, release)),
        _ => None,
    }
}

#[test]
fn json_and_fhir_json_agree_with_published_verdicts() {
    let Some(folder) = data() else { return eprintln!("skipped: no published files here") };
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let expectations = score::expectations(&table);
    let mut why = Vec::new();
    let score = score::score(&expectations, |expected| {
        let bytes = std::fs::read(folder.join(expected.path)).unwrap();
        let reading = read(expected, &bytes, expected.release()?)?;
        why.push((expected.path, expected.note, reading.breaches.first().map(|breach| breach.case)));
        Some(Some(reading.side(Policy::StrictGateway)))
    });
    println!("{score}");
    let missed: Vec<_> = score.misses().map(|miss| miss.path.as_str()).collect();
    for (path, note, case) in why.iter().filter(|(path, ..)| missed.contains(path)) {
        println!("{path}: {case:?}; {note}");
    }
    let (right, all) = score.total();
    assert!(all > 490 && right * 100 >= all * 98, "{right} of {all}");
    let mut listed: Vec<_> = MISSES.iter().map(|(path, _)| *path).collect();
    listed.sort_unstable();
    let mut missed = missed;
    missed.sort_unstable();
    assert_eq!(missed, listed);
}

/// What HL7's validator accepts with profiles and terminology at hand, and a strict gateway does not.
const VALIDATED_AND_REFUSED: &[(&str, &str)] = &[
    ("fhir/validator/custom-resource.json", "a resource type that only a package of that test defines"),
    ("fhir/validator/matchetype/matchetype-pattern.json", "a template with `$instant$` for a time, no resource"),
    ("fhir/validator/params-ws.json", "U+000B in a string: the validator only warns"),
    ("fhir/validator/unicode-problem.json", "U+0013 in a string: the validator only warns"),
];

#[test]
fn nothing_is_refused_that_a_full_validator_accepts() {
    let Some(folder) = data() else { return eprintln!("skipped: no published files here") };
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let expectations = score::expectations(&table);
    let validated = expectations.iter().filter(|expected| expected.layer == "full-validator");
    let (mut count, mut refused) = (0, Vec::new());
    for expected in validated.filter(|expected| expected.format() == Some(Format::FhirJson)) {
        let Some(release) = expected.release() else { continue };
        let bytes = std::fs::read(folder.join(expected.path)).unwrap();
        count += 1;
        if fhir::read_json(&bytes, release).side(Policy::StrictGateway) == Side::Reject {
            refused.push(expected.path);
        }
    }
    refused.sort_unstable();
    assert!(count > 150);
    assert_eq!(refused, VALIDATED_AND_REFUSED.iter().map(|(path, _)| *path).collect::<Vec<_>>());
}

#[test]
fn drafts_of_r5_are_not_r5() {
    let Some(folder) = data() else { return eprintln!("skipped: no published files here") };
    for path in score::DRAFTS_OF_R5 {
        let bytes = std::fs::read(folder.join(path)).unwrap();
        let sides = Release::ALL.map(|release| fhir::read_json(&bytes, release).side(Policy::StrictGateway));
        assert_eq!(sides, [Side::Accept, Side::Accept, Side::Reject], "{path}");
    }
}
