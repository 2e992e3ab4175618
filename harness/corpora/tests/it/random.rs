//! Readers of archives and the gate, with whatever comes: an answer, in bounded space, and never a panic.

use autoclave_corpora::zip::Limits;
use autoclave_corpora::{archive, manifest, phi, tarball};
use quickcheck::{QuickCheck, TestResult};
use std::collections::BTreeMap;

/// Tests of each property; what they cost is bounded by the sizes of inputs.
const TESTS: u64 = 60;

fn check<F: quickcheck::Testable>(property: F) {
    QuickCheck::new().tests(TESTS).quickcheck(property);
}

fn read_all(bytes: &[u8]) {
    let limits = Limits { total_bytes_max: 1 << 20, ..Limits::default() };
    if let Ok(contents) = archive::unpack(bytes, &limits) {
        assert!(contents.iter().map(Vec::len).sum::<usize>() <= 1 << 20);
    }
    let _ = manifest::read(bytes);
    let _ = tarball::read(bytes);
}

#[test]
fn any_bytes() {
    fn property(start: u8, rest: Vec<u8>) -> bool {
        const STARTS: [&[u8]; 6] = [b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"{"];
        read_all(&[STARTS[usize::from(start) % STARTS.len()], &rest].concat());
        true
    }
    check(property as fn(u8, Vec<u8>) -> bool);
}

/// An archive of ours with some bytes changed: closer to what a reader believes.
#[test]
fn nearly_an_archive() {
    fn property(changes: Vec<(u16, u8)>, is_zip: bool) -> bool {
        let files = BTreeMap::from([("a".to_owned(), b"{}".to_vec()), ("b".to_owned(), vec![7; 300])]);
        let mut bytes =
            if is_zip { autoclave_corpora::zip::write(&files).unwrap() } else { tarball::write(&files).unwrap() };
        for (at, value) in changes.into_iter().take(4) {
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        read_all(&bytes);
        true
    }
    check(property as fn(Vec<(u16, u8)>, bool) -> bool);
}

/// The gate is bounded whatever it is given, and says the same twice.
#[test]
fn the_gate_answers() {
    fn property(parts: Vec<(u8, Vec<u8>)>) -> TestResult {
        const WORDS: [&[u8]; 16] = [
            b"{\"name\":[{\"family\":\"",
            b"MSH|^~\\&|",
            b"\rPID|1||",
            b"<name><family value=\"",
            b"\\u0041",
            b"%41",
            b"&#65;",
            b"\\X41\\",
            b"219-09-9999",
            b"cGF0aWVudHMgb2YgdGhlIHdhcmQ=",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
            b"PK\x03\x04",
            b"\"}]}",
            b"\x28\xb5\x2f\xfd",
            b"p\0a\0t\0i\0e\0n\0t\0s\0",
            b"((((",
        ];
        let mut input = Vec::new();
        for (word, junk) in parts.into_iter().take(40) {
            input.extend(WORDS[usize::from(word) % WORDS.len()]);
            input.extend(junk);
        }
        let limits = phi::Limits { stream_bytes_max: 1 << 20, streams_bytes_max: 4 << 20, ..phi::Limits::default() };
        let answer = phi::scan_within(&input, &limits);
        assert!(answer.forms <= limits.forms_max && answer.hits.len() <= limits.hits_max);
        assert!(answer.hits.iter().all(|hit| !hit.masked.contains("219")), "an identifier is shown");
        TestResult::from_bool(answer == phi::scan_within(&input, &limits))
    }
    check(property as fn(Vec<(u8, Vec<u8>)>) -> TestResult);
}

/// What is planted is found, whatever stands around it.
#[test]
fn junk_hides_nothing() {
    fn property(before: Vec<u8>, after: Vec<u8>) -> bool {
        let planted = [&before[..], b" 219-09-9999 ", &after[..]].concat();
        phi::scan(&planted).hits.iter().any(|hit| hit.class == phi::Class::Ssn)
    }
    check(property as fn(Vec<u8>, Vec<u8>) -> bool);
}
