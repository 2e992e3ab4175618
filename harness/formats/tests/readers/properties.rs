//! What must hold of every input: random bytes, generated resources, and resources after the mutators.

use arbitrary::Unstructured;
use autoclave_formats::fhir::{self, Release};
use autoclave_formats::generate;
use autoclave_formats::mutate::{self, Dice};
use autoclave_formats::reading::{BREACHES_MAX, Reading};
use autoclave_formats::rules::{Policy, Side};
use autoclave_formats::tree::{Erase, Tree};
use autoclave_formats::{Format, json};
use quickcheck::{QuickCheck, quickcheck};

fn release(number: u8) -> Release {
    Release::ALL[usize::from(number) % 3]
}

/// quickcheck's vectors are short: their bytes are used several times, shifted.
fn bytes(seed: &[u8]) -> Vec<u8> {
    (0..40_u8).flat_map(|round| seed.iter().map(move |byte| byte.wrapping_mul(round | 1).wrapping_add(round))).collect()
}

fn resource(seed: &[u8], number: u8) -> Vec<u8> {
    let bytes = bytes(seed);
    fhir::write_json(&generate::fhir::resource(&mut Unstructured::new(&bytes), release(number)))
}

fn digest(tree: Option<&Tree>) -> Option<u64> {
    tree.map(|tree| tree.digest(Erase::NONE))
}

/// Holds of every reading.
fn is_sound(input: &[u8], reading: &Reading) -> bool {
    let spans =
        reading.breaches.iter().all(|breach| breach.span.start <= breach.span.end && breach.span.end <= input.len());
    let written = reading.tree.as_ref().map(Tree::to_json);
    let again = written.as_ref().map(|written| Tree::from_json(written.as_bytes()).unwrap());
    spans && reading.breaches.len() <= BREACHES_MAX && digest(reading.tree.as_ref()) == digest(again.as_ref())
}

#[test]
fn random_text_is_read_soundly() {
    const ALPHABET: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\\",
        b"\\u",
        b"d83d",
        b"de00",
        b"0",
        b"1",
        b"-",
        b".",
        b"e",
        b" ",
        b"\n",
        b"true",
        b"false",
        b"null",
        b"\"a\"",
        b"\"_a\"",
        b"\"resourceType\"",
        b"\"Patient\"",
        b"\"gender\"",
        b"\"_gender\"",
        b"\"name\"",
        b"\"given\"",
        b"\"_given\"",
        b"\"extension\"",
        b"\"id\"",
        b"\xff",
        b"\0",
        b"//",
        b"/*",
        b"*/",
        b"\xef\xbb\xbf",
    ];
    fn property(seed: Vec<u8>) -> bool {
        let input: Vec<u8> = seed.iter().flat_map(|at| ALPHABET[usize::from(*at) % ALPHABET.len()]).copied().collect();
        let tokens = json::tokens(&input);
        let nested = tokens.list.iter().enumerate().all(|(at, token)| {
            let inside = token.start <= token.end && token.end as usize <= input.len();
            let parent = tokens.list.get(token.parent as usize);
            inside && token.after as usize > at && parent.is_none_or(|parent| parent.after >= token.after)
        });
        let plain = json::read(&input);
        nested
            && is_sound(&input, &plain)
            && Release::ALL.into_iter().all(|release| is_sound(&input, &fhir::read_json(&input, release)))
    }
    QuickCheck::new().tests(20_000).quickcheck(property as fn(Vec<u8>) -> bool);
}

#[test]
fn what_is_written_is_read_again() {
    fn property(seed: Vec<u8>, number: u8) -> bool {
        let first = fhir::read_json(&resource(&seed, number), release(number));
        let tree = first.tree.as_ref().unwrap();
        let again = fhir::read_json(&fhir::write_json(tree), release(number));
        let answer = fhir::tree_of_answer(&fhir::write_json(tree));
        first.side(Policy::StrictGateway) == Side::Accept
            && digest(first.tree.as_ref()) == digest(again.tree.as_ref())
            && digest(first.tree.as_ref()) == digest(answer.as_ref())
    }
    quickcheck(property as fn(Vec<u8>, u8) -> bool);
}

#[test]
fn mutated_resources_are_read_soundly_with_and_without_definitions() {
    fn property(seed: Vec<u8>, number: u8, rolls: Vec<u64>) -> bool {
        let mut rolls = rolls.into_iter().cycle();
        let mut input = resource(&seed, number);
        let other = resource(&[number], number);
        for _ in 0..4 {
            let mut roll = || rolls.next().unwrap_or(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut dice = Dice::new(&mut roll);
            let Some(mutator) = dice.pick(mutate::table(Format::FhirJson)) else { return false };
            input = (mutator.apply)(&mut dice, &input, &other).unwrap_or(input);
        }
        let reading = fhir::read_json(&input, release(number));
        let answer = fhir::tree_of_answer(&input);
        let same = digest(reading.tree.as_ref()) == digest(answer.as_ref());
        is_sound(&input, &reading) && (same || !reading.breaches.is_empty())
    }
    QuickCheck::new().tests(2_000).quickcheck(property as fn(Vec<u8>, u8, Vec<u64>) -> bool);
}
