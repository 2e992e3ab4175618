//! FHIR XML: the score over published files, the same tree as JSON, and what changes no tree.

use crate::published::data;
use arbitrary::Unstructured;
use autoclave_formats::fhir::xml::events::{Event, Events, Namespace};
use autoclave_formats::fhir::{self, Release, xml};
use autoclave_formats::reading::{Breach, Reading};
use autoclave_formats::rules::{Policy, Side};
use autoclave_formats::tree::Erase;
use autoclave_formats::{Format, generate, score};
use std::path::Path;

/// Files on which our strict reading and the verdict differ, with the reason.
const MISSES: &[(&str, &str)] = &[];

#[test]
fn fhir_xml_agrees_with_published_verdicts() {
    let Some(folder) = data() else { return eprintln!("skipped: no published files here") };
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let expectations = score::expectations(&table);
    let mut why = Vec::new();
    let score = score::score(&expectations, |expected| {
        if expected.format() != Some(Format::FhirXml) {
            return None;
        }
        let bytes = std::fs::read(folder.join(expected.path)).unwrap();
        let reading = fhir::read_xml(&bytes, expected.release()?);
        let cases: Vec<_> = reading.breaches.iter().map(|breach| (breach.case.rule, breach.case.name)).collect();
        why.push((expected.path, expected.note, cases));
        Some(Some(reading.side(Policy::StrictGateway)))
    });
    println!("{score}");
    let mut missed: Vec<_> = score.misses().map(|miss| miss.path.as_str()).collect();
    for (path, note, cases) in why.iter().filter(|(path, ..)| missed.contains(path)) {
        println!("{path}: {cases:?}; {note}");
    }
    let (right, all) = score.total();
    assert!(all > 40 && right * 100 >= all * 98, "{right} of {all}");
    let mut listed: Vec<_> = MISSES.iter().map(|(path, _)| *path).collect();
    listed.sort_unstable();
    missed.sort_unstable();
    assert_eq!(missed, listed);
}

/// Published pairs that do not say the same, with the reason.
const UNEQUAL: &[(&str, &str)] = &[
    ("fhir/r4/examples/observation-example.xml", "two different examples under one name"),
    ("fhir/validator/Observation-ex-pain.xml", "a value in an attribute that is none, and in a member that is none"),
    ("fhir/validator/bundle-signed-good.xml", "each is signed for its carrier"),
    ("fhir/validator/group-choice-bad1.xml", "a boolean in an element that no release has: XML cannot know its kind"),
    ("fhir/validator/group-choice-bad3.xml", "a boolean written as 1: a number in JSON"),
    ("fhir/validator/group-choice-empty.xml", "the JSON lacks a comma"),
    ("fhir/validator/ips-link.xml", "the XML has one extension more"),
    ("fhir/validator/list-bad-syntax.xml", "the JSON has fhir_comments, of DSTU2"),
    ("fhir/validator/list-contained-bad.xml", "other ids in XML than in JSON"),
    ("fhir/validator/list-empty2.xml", "an empty array, and an empty element"),
    ("fhir/validator/list-minimal.xml", "the JSON has fhir_comments, of DSTU2"),
    ("fhir/validator/list-xhtml-attribute.xml", "the JSON has fhir_comments, of DSTU2"),
    ("fhir/validator/list-xhtml-correct1.xml", "the JSON has fhir_comments, of DSTU2"),
    ("fhir/validator/list-xhtml-correct2.xml", "the JSON has fhir_comments, of DSTU2"),
    ("fhir/validator/list-xhtml-element.xml", "the JSON has fhir_comments, of DSTU2"),
    ("fhir/validator/list-xhtml-wrongns1.xml", "the JSON has fhir_comments, of DSTU2"),
    ("fhir/validator/list-xhtml-wrongns2.xml", "the JSON has fhir_comments, of DSTU2"),
    ("fhir/validator/primitive-good-ws.xml", "a value of blanks only, which XML trims"),
];

#[test]
fn published_pairs_of_xml_and_json_have_one_tree() {
    let Some(folder) = data() else { return eprintln!("skipped: no published files here") };
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let mut unequal = Vec::new();
    let mut equal = 0;
    for expected in score::expectations(&table) {
        let Some(stem) = expected.path.strip_suffix(".xml") else { continue };
        let Ok(json) = std::fs::read(folder.join(format!("{stem}.json"))) else { continue };
        let xml = std::fs::read(folder.join(expected.path)).unwrap();
        // Most name no release; what repeats in one does not in another.
        let digest = |reading: Reading| reading.tree.map(|tree| tree.digest(Erase::NONE));
        let same = |release| digest(fhir::read_json(&json, release)) == digest(fhir::read_xml(&xml, release));
        match Release::ALL.into_iter().any(same) {
            true => equal += 1,
            false => unequal.push(expected.path),
        }
    }
    println!("{equal} pairs are equal, {} are not", unequal.len());
    let mut listed: Vec<_> = UNEQUAL.iter().map(|(path, _)| *path).collect();
    listed.sort_unstable();
    unequal.sort_unstable();
    assert_eq!(unequal, listed);
    assert!(equal > 20, "{equal}");
}

#[test]
fn seeds_are_accepted_in_every_release() {
    for (format, read) in [(Format::FhirXml, fhir::read_xml as Read), (Format::FhirNdjson, fhir::read_ndjson)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora").join(format.name()).join("seeds");
        let mut count = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            for release in Release::ALL {
                let reading = read(&bytes, release);
                let side = reading.side(Policy::StrictGateway);
                assert_eq!(side, Side::Accept, "{} {:?}", path.display(), reading.breaches);
            }
            count += 1;
        }
        assert!(count >= 3);
    }
}

type Read = fn(&[u8], Release) -> Reading;

/// A generated resource in XML and JSON, where XML can say it.
fn both(bytes: &[u8], release: Release) -> Option<(Vec<u8>, Vec<u8>)> {
    let tree = generate::fhir::resource(&mut Unstructured::new(bytes), release);
    Some((fhir::write_xml(&tree, release)?, fhir::write_json(&tree)))
}

/// The same XML in other words: blanks and comments between elements, other quotes, another order of attributes, a prefix.
/// Narrative is left as it is.
fn respelled(xml: &str, dice: &mut dyn FnMut(usize) -> usize) -> String {
    let mut events = Events::new(xml, 0);
    let mut out = String::new();
    let (mut names, mut narrative) = (Vec::new(), None);
    let prefix = ["", "f:", "x-1.y:"][dice(3)];
    while let Some((event, span)) = events.next_event() {
        let is_markup = narrative.is_some_and(|depth| events.depth() >= depth);
        match event {
            Event::Start(name) if !is_markup && name.namespace == Namespace::FHIR => {
                let name = format!("{prefix}{}", name.local);
                out.push_str(["", " ", "\n\t", "<!-- <a/> -->", "\r\n"][dice(5)]);
                out.push_str(&format!("<{name}"));
                let mut attributes: Vec<_> = events.attributes().iter().collect();
                if dice(2) == 0 {
                    attributes.reverse();
                }
                if names.is_empty() {
                    out.push_str(&format!(
                        " xmlns{}{}='{}'",
                        if prefix.is_empty() { "" } else { ":" },
                        prefix.trim_end_matches(':'),
                        fhir::NAMESPACE
                    ));
                }
                for attribute in attributes {
                    let value = attribute
                        .value
                        .replace('&', "&amp;")
                        .replace('<', "&lt;")
                        .replace('"', "&quot;")
                        .replace('\'', "&#x27;");
                    let value = value.replace('\n', "&#10;").replace('\r', "&#xD;").replace('\t', "&#9;");
                    let quote = ['"', '\''][dice(2)];
                    out.push_str(&format!(" {} = {quote}{value}{quote}", attribute.name.local));
                }
                out.push_str([">", " >"][dice(2)]);
                names.push(name);
            }
            Event::End if !is_markup => match narrative.take() {
                Some(_) => out.push_str(&xml[span]),
                None => {
                    out.push_str(["", "  ", "<!--b-->"][dice(3)]);
                    out.push_str(&format!("</{}>", names.pop().unwrap()));
                }
            },
            event => {
                if narrative.is_none() && matches!(event, Event::Start(_)) {
                    narrative = Some(events.depth());
                }
                out.push_str(&xml[span]);
            }
        }
    }
    out
}

#[test]
fn generated_resources_have_one_tree_in_json_and_xml_however_it_is_spelled() {
    let (mut count, mut seed) = (0, 1_u64);
    let mut dice = |sides: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % sides
    };
    for round in 0..600 {
        let bytes: Vec<u8> = (0..2000).map(|_| dice(256) as u8).collect();
        let release = Release::ALL[round % 3];
        let Some((xml, json)) = both(&bytes, release) else { continue };
        let xml = String::from_utf8(xml).unwrap();
        let other = respelled(&xml, &mut dice);
        let of_json = fhir::read_json(&json, release).tree.unwrap();
        for xml in [&xml, &other] {
            let reading = fhir::read_xml(xml.as_bytes(), release);
            let is_syntax = |breach: &&Breach| breach.case.rule.starts_with('X') && breach.case.rule != "X10";
            assert_eq!(reading.breaches.iter().find(is_syntax), None, "{xml}");
            let tree = reading.tree.unwrap();
            if !reading.breaches.iter().any(|breach| breach.case.rule == "X10") {
                assert!(
                    tree.digest(Erase::NONE) == of_json.digest(Erase::NONE),
                    "{xml}\n{}",
                    String::from_utf8_lossy(&json)
                );
                count += 1;
            }
        }
    }
    assert!(count > 300, "{count}");
}

/// Reading never panics, whatever is cut out of or put into XML.
#[test]
fn any_bytes_are_read() {
    fn property(bytes: Vec<u8>, at: usize, cut: usize, release: usize) -> bool {
        let seed = include_bytes!("../../../../corpora/fhir-xml/seeds/patient.xml");
        let at = at % seed.len();
        let input = [&seed[..at], &bytes, &seed[(at + cut % 50).min(seed.len())..]].concat();
        let release = Release::ALL[release % 3];
        let reading = fhir::read_xml(&input, release);
        fhir::read_xml(&bytes, release);
        fhir::read_ndjson(&bytes, release);
        reading.breaches.iter().all(|breach| breach.span.end <= input.len() && breach.span.start <= breach.span.end)
    }
    quickcheck::QuickCheck::new().tests(2000).quickcheck(property as fn(Vec<u8>, usize, usize, usize) -> bool);
}

#[test]
fn size_and_depth_cost_no_stack() {
    let run = std::thread::Builder::new().stack_size(64 << 10).spawn(|| {
        let open = "<extension url=\"a:b\">".repeat(300_000);
        let deep = format!("<Patient xmlns=\"http://hl7.org/fhir\">{open}");
        let reading = fhir::read_xml(deep.as_bytes(), Release::R4);
        assert!(reading.breaches.iter().any(|breach| breach.case == xml::DEEP));
        assert!(reading.tree.unwrap().len() > 600_000);
        let tags = "<a>".repeat(1_000_000);
        let reading = fhir::read_xml(tags.as_bytes(), Release::R5);
        assert_eq!(reading.tree.unwrap().len(), 1_000_000);
        let entry =
            "<entry><resource><Patient><id value=\"SYN-1\"/><active value=\"true\"/></Patient></resource></entry>";
        let entries = entry.repeat((8 << 20) / entry.len());
        let wide = format!("<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"collection\"/>{entries}</Bundle>");
        let reading = fhir::read_xml(wide.as_bytes(), Release::R4B);
        assert_eq!(reading.breaches, []);
    });
    run.unwrap().join().unwrap();
}
