//! Every mutator does what its name says, and none of them breaks on anything.

use super::*;
use crate::json;
use std::collections::BTreeSet;

/// What a mutator makes of an input with the first so many seeds.
fn results(mutator: &Mutator, input: &[u8], other: &[u8]) -> BTreeSet<Vec<u8>> {
    (0..1_000).filter_map(|seed| applied(mutator, seed, input, other)).collect()
}

fn applied(mutator: &Mutator, seed: u64, input: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let mut state = seed;
    let mut roll = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    (mutator.apply)(&mut Dice::new(&mut roll), input, other)
}

fn named(format: Format, name: &str) -> Mutator {
    *table(format).iter().find(|mutator| mutator.name == name).unwrap_or_else(|| panic!("no mutator is called {name}"))
}

/// Format, mutator, input, one result that must come up.
const DONE: &[(Format, &str, &str, &str)] = {
    use Format::{FhirJson, FhirNdjson, FhirXml, Json};
    &[
        (Json, "duplicate-key-same", r#"{"a":1,"b":2}"#, r#"{"a":1,"a":1,"b":2}"#),
        (Json, "duplicate-key-before", r#"{"a":"m"}"#, r#"{"a":"mx","a":"m"}"#),
        (Json, "duplicate-key-after", r#"{"a":true,"b":2}"#, r#"{"a":true,"b":2,"a":false}"#),
        (Json, "swap-duplicates", r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2,"a":1}"#),
        (Json, "reorder-members", r#"{"a":1, "b":[2]}"#, r#"{"b":[2], "a":1}"#),
        (Json, "swap-values", r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#),
        (Json, "escape-key", r#"{"gender":1}"#, r#"{"\u0067ender":1}"#),
        (Json, "escape-value", r#"["k\n/"]"#, r#"["\u006B\n/"]"#),
        (Json, "scalar-to-array", r#"{"a":1}"#, r#"{"a":[1]}"#),
        (Json, "array-to-scalar", r#"{"a":[1,2]}"#, r#"{"a":2}"#),
        (Json, "empty-value", r#"{"name":[{"a":1}]}"#, r#"{"name":[]}"#),
        (Json, "null-value", r#"{"a":1}"#, r#"{"a":null}"#),
        (Json, "null-pad-add", r#"{"a":["x"]}"#, r#"{"a":["x",null]}"#),
        (Json, "null-pad-remove", r#"{"a":["x",null]}"#, r#"{"a":["x"]}"#),
        (Json, "remove-value", r#"{"a":1,"b":2}"#, r#"{"a":1}"#),
        (Json, "repeat-item", r#"["x"]"#, r#"["x","x"]"#),
        (Json, "respell-number", "[1.0]", "[10e-1]"),
        (Json, "edge-number", "[1]", "[1e400]"),
        (Json, "broken-number", "[1]", "[01]"),
        (Json, "edge-text", r#"["a"]"#, r#"["__proto__"]"#),
        (Json, "retype-scalar", r#"{"a":1.0}"#, r#"{"a":"1.0"}"#),
        (Json, "splice", r#"{"a":1}"#, r#"{"a":["other"]}"#),
        (Json, "graft", r#"{"b":1}"#, r#"{"b":1,"a":["other"]}"#),
        (Json, "append-value", r#"{"b":1}"#, r#"{"b":1}{"b":1}"#),
        (Json, "append-text", "1", "1}"),
        (Json, "nest-deeper", "[1]", "[[[1]]]"),
        (Json, "byte-order-mark", "[]", "\u{feff}[]"),
        (Json, "comment", "[1]", "[/*x*/1]"),
        (Json, "comma", "[1]", "[1,]"),
        (Json, "whitespace", "[1]", "[1\u{a0}]"),
        (Json, "lone-surrogate", r#"["a"]"#, r#"["a\ud800"]"#),
        (Json, "control-character", r#"["a"]"#, r#"["a\u0000"]"#),
        (Json, "odd-escape", r#"["a"]"#, r#"["a\x41"]"#),
        (Json, "odd-key", r#"{"b":1}"#, r#"{"b":1,"__proto__":{"a":1}}"#),
        (Json, "unknown-member", r#"{"b":1}"#, r#"{"b":1,"fhir_comments":["x"]}"#),
        (Json, "key-case", r#"{"gender":1}"#, r#"{"Gender":1}"#),
        (Json, "key-quotes", r#"{"a":1}"#, r#"{a:1}"#),
        (Json, "pad-text", r#"["male"]"#, r#"[" male "]"#),
        (Json, "cut", r#"{"a":[1]}"#, r#"{"a":[1}"#),
        (
            FhirJson,
            "duplicate-resource-type",
            TYPED,
            r#"{"resourceType":"Patient","id":"a","resourceType":"Observation"}"#,
        ),
        (FhirJson, "resource-type-last", TYPED, r#"{"id":"a","resourceType":"Patient"}"#),
        (FhirJson, "resource-type-first", r#"{"id":"a","resourceType":"Patient"}"#, TYPED),
        (FhirJson, "edge-resource-type", TYPED, r#"{"resourceType":["Patient"],"id":"a"}"#),
        (FhirJson, "twin-add", r#"{"a":["x","y"]}"#, r#"{"a":["x","y"],"_a":[null,{"id":"SYN-a"}]}"#),
        (FhirJson, "twin-misalign", r#"{"a":["x"],"_a":[{"id":"b"}]}"#, r#"{"a":["x"],"_a":[{"id":"b"},null]}"#),
        (FhirJson, "twin-only", r#"{"a":"x","_a":{"id":"b"}}"#, r#"{"_a":{"id":"b"}}"#),
        (FhirJson, "second-choice", DECEASED, r#"{"deceasedBoolean":true,"deceasedDateTime":"2024-01-31"}"#),
        (FhirJson, "choice-suffix", DECEASED, r#"{"deceasedPatient":true}"#),
        (FhirJson, "edge-date", r#"{"birthDate":"2000-01-01"}"#, r#"{"birthDate":"2023-02-30"}"#),
        (FhirJson, "edge-id", TYPED, r#"{"resourceType":"Patient","id":"a/../b c"}"#),
        (
            FhirJson,
            "contained-add",
            r#"{"resourceType":"Patient"}"#,
            r#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"SYN-2"}]}"#,
        ),
        (
            FhirJson,
            "contained-wrap",
            TYPED,
            r#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a"}]}"#,
        ),
        (
            FhirJson,
            "bundle-wrap",
            TYPED,
            r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"a"}}]}"#,
        ),
        (FhirJson, "unwrap", r#"{"contained":[{"resourceType":"Patient","id":"a"}]}"#, TYPED),
        (FhirJson, "extension-add", "{}", r#"{"extension":[{"url":"http://example.org/SYN","valueDecimal":1.00}]}"#),
        (
            FhirJson,
            "extension-nest",
            r#"{"a":1}"#,
            r#"{"a":1,"extension":[{"url":"http://example.org/SYN","extension":[{"url":"http://example.org/SYN","valueString":"x"}]}]}"#,
        ),
        (FhirJson, "narrative", r#"{"text":{"div":"a"}}"#, r#"{"text":{"div":"<div>x</div>"}}"#),
        (FhirNdjson, "line-json", "{\"a\":1}\n{\"b\":1}\n", "{\"a\":1}\n{\"b\":[1]}\n"),
        (
            FhirNdjson,
            "line-fhir",
            "{\"deceasedBoolean\":true}\n",
            "{\"deceasedBoolean\":true,\"deceasedDateTime\":\"2024-01-31\"}\n",
        ),
        (FhirNdjson, "line-repeat", "{}\n", "{}\n{}\n"),
        (FhirNdjson, "line-remove", "1\n2\n3\n", "1\n3\n"),
        (FhirNdjson, "line-swap", "1\n2\n3", "3\n2\n1"),
        (FhirNdjson, "line-blank", "1\n2\n", "1\n\n2\n"),
        (FhirNdjson, "line-splice", "1\n2\n", "1\n{\"a\":[\"other\"]}\n2\n"),
        (FhirNdjson, "line-join", "1\n2\n", "12\n"),
        (FhirNdjson, "line-split", "{\"a\":1}\n", "{\"a\":\n1}\n"),
        (FhirNdjson, "line-ends", "1\n2\n", "1\r\n2\r\n"),
        (FhirNdjson, "line-last", "1\n2\n", "1\n2"),
        (FhirNdjson, "line-array", "1\n2\n", "[1,2]"),
        (FhirXml, "duplicate-attribute", r#"<a value="1"/>"#, r#"<a value="1" value="1x"/>"#),
        (FhirXml, "duplicate-element", r#"<P><a value="1"/></P>"#, r#"<P><a value="1"/><a value="1x"/></P>"#),
        (FhirXml, "remove-element", r#"<P><a value="1"/></P>"#, r#"<P></P>"#),
        (FhirXml, "reorder-elements", "<P><a/><b/></P>", "<P><b/><a/></P>"),
        (FhirXml, "reorder-attributes", r#"<a b="1" c="2"/>"#, r#"<a c="2" b="1"/>"#),
        (FhirXml, "rename-element", "<P><a></a></P>", "<P><A></A></P>"),
        (FhirXml, "namespace", r#"<P xmlns="http://hl7.org/fhir"/>"#, r#"<P xmlns="urn:hl7-org:v3"/>"#),
        (
            FhirXml,
            "prefix",
            r#"<P xmlns="http://hl7.org/fhir"><a/><div xmlns="x"><p/></div></P>"#,
            r#"<f:P xmlns:f="http://hl7.org/fhir"><f:a/><div xmlns="x"><p/></div></f:P>"#,
        ),
        (FhirXml, "doctype", "<P/>", "<!DOCTYPE Patient><P/>"),
        (FhirXml, "entity", r#"<P value="v"/>"#, r#"<!DOCTYPE Patient [<!ENTITY a "x">]><P value="v&a;"/>"#),
        (FhirXml, "unclosed-root", "<P><a></a></P>", "<P><a></a>"),
        (FhirXml, "second-root", "<P/>", "<P/><P/>"),
        (FhirXml, "text-content", "<P><a/></P>", "<P>x<a/></P>"),
        (FhirXml, "comment", "<P><a/></P>", "<P><a/><!--x--></P>"),
        (FhirXml, "processing-instruction", "<P><a/></P>", "<P><?x y?><a/></P>"),
        (FhirXml, "declaration", "<?xml version=\"1.0\"?><P/>", "<P/>"),
        (FhirXml, "empty-value", r#"<a value="1"/>"#, r#"<a value=""/>"#),
        (FhirXml, "remove-attribute", r#"<a value="1"/>"#, r#"<a />"#),
        (FhirXml, "odd-attribute", "<a/>", "<a unknown=\"x\"/>"),
        (FhirXml, "quotes", r#"<a value="1"/>"#, "<a value='1'/>"),
        (FhirXml, "self-closing", r#"<a value="1"/>"#, r#"<a value="1"></a>"#),
        (FhirXml, "character-reference", r#"<a value="A"/>"#, r#"<a value="&#x41;"/>"#),
        (FhirXml, "pad-value", r#"<a value="A"/>"#, r#"<a value="A "/>"#),
        (FhirXml, "edge-value", r#"<a value="2020-01-01"/>"#, r#"<a value="2023-02-30"/>"#),
        (FhirXml, "respell-number", r#"<a value="1.0"/>"#, r#"<a value="1.00"/>"#),
        (FhirXml, "second-choice", r#"<valueCode value="A"/>"#, r#"<valueCode value="A"/><valueString value="x"/>"#),
        (FhirXml, "unknown-element", "<P></P>", r#"<P><unknown value="x"/></P>"#),
        (FhirXml, "extension-add", "<P/>", r#"<P><extension url="http://example.org/SYN"/></P>"#),
        (FhirXml, "nest-deeper", "<P/>", "<a><a><P/></a></a>"),
        (
            FhirXml,
            "contained-add",
            "<P></P>",
            r#"<P><contained><Patient><id value="SYN-c"/></Patient></contained></P>"#,
        ),
        (
            FhirXml,
            "bundle-wrap",
            "<P/>",
            "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"collection\"/><entry><resource><P/></resource></entry></Bundle>",
        ),
        (FhirXml, "narrative", "<P><text><div>a</div></text></P>", "<P><text><div>x</div></text></P>"),
        (FhirXml, "splice", "<P><a/></P>", "<P><b><c/></b></P>"),
        (FhirXml, "byte-order-mark", "<P/>", "\u{feff}<P/>"),
        (FhirXml, "whitespace", "<P/>", "< P/>"),
    ]
};

const TYPED: &str = r#"{"resourceType":"Patient","id":"a"}"#;
const DECEASED: &str = r#"{"deceasedBoolean":true}"#;

fn other(format: Format) -> &'static [u8] {
    match format {
        Format::FhirXml => b"<O><b><c/></b></O>",
        _ => br#"{"a":["other"]}"#,
    }
}

#[test]
fn each_does_what_its_name_says() {
    for (format, name, input, wanted) in DONE {
        let mutator = named(*format, name);
        let results = results(&mutator, input.as_bytes(), other(*format));
        let shown: Vec<_> = results.iter().take(20).map(|result| String::from_utf8_lossy(result)).collect();
        assert!(results.contains(wanted.as_bytes()), "{name} of {input} never gives {wanted}, but {shown:#?}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_written() {
    for (format, name, input) in
        [(Format::Json, "bad-utf8", &br#"{"a":"b"}"#[..]), (Format::FhirXml, "bad-bytes", br#"<a value="b"/>"#)]
    {
        let results = results(&named(format, name), input, b"");
        assert!(results.iter().any(|text| std::str::from_utf8(text).is_err()), "{name}");
    }
}

/// What is generated is well-formed, of many types, and starts from nothing.
#[test]
fn resources_are_generated() {
    for format in [Format::FhirJson, Format::FhirNdjson, Format::FhirXml] {
        let results = results(&named(format, "generate"), b"", b"");
        assert!(results.len() > 300, "{}", results.len());
        for text in results {
            match format {
                Format::FhirXml => assert!(text.ends_with(b">") && !xml_scan::XmlScan::new(&text).elements.is_empty()),
                Format::FhirNdjson => assert!(
                    text.split(|byte| *byte == b'\n')
                        .all(|line| { line.is_empty() || json::read(line).breaches.is_empty() })
                ),
                _ => assert!(json::read(&text).breaches.is_empty()),
            }
        }
    }
}

#[test]
fn every_mutator_has_its_example() {
    for format in [Format::Json, Format::FhirJson, Format::FhirNdjson, Format::FhirXml] {
        let names: Vec<&str> = table(format).iter().map(|mutator| mutator.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name twice in {names:?}");
        for name in names {
            let shown =
                DONE.iter().any(|(_, of, ..)| *of == name) || ["bad-utf8", "bad-bytes", "generate"].contains(&name);
            assert!(shown, "{name} has no example");
        }
    }
}

/// The reader finds what was planted, and nothing of the kind before.
#[test]
fn the_reader_sees_what_was_planted() {
    let plain = br#"{"a":"b","c":[1.5,"d"],"e":{"f":true}}"#;
    for (name, rule, case) in [
        ("duplicate-key-same", "J01", "duplicate-key"),
        ("duplicate-key-before", "J01", "duplicate-key"),
        ("duplicate-key-after", "J01", "duplicate-key"),
        ("bad-utf8", "J02", "not-utf-8"),
        ("broken-number", "J01", "number"),
        ("append-value", "J05", "trailing-data"),
    ] {
        let finds =
            |text: &[u8]| json::read(text).breaches.iter().any(|seen| (seen.case.rule, seen.case.name) == (rule, case));
        assert!(!finds(plain), "{rule}/{case} in the plain text");
        let results = results(&named(Format::Json, name), plain, br#"{"x":1}"#);
        assert!(!results.is_empty());
        let found = results.iter().filter(|text| finds(text)).count();
        assert!(found * 2 > results.len(), "{name}: {rule}/{case} found in {found} of {}", results.len());
    }
}

#[test]
fn the_same_dice_give_the_same_text() {
    for format in Format::ALL {
        for mutator in table(format) {
            let (_, _, input, _) = DONE.iter().find(|(_, name, ..)| *name == mutator.name).unwrap_or(&DONE[0]);
            for seed in 0..20 {
                let once = applied(mutator, seed, input.as_bytes(), other(format));
                assert_eq!(once, applied(mutator, seed, input.as_bytes(), other(format)), "{}", mutator.name);
            }
        }
    }
}

#[test]
fn no_input_breaks_a_mutator() {
    fn property(picks: Vec<u8>, raw: Vec<u8>, seed: u64) {
        const PIECES: &[&str] = &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\"a\"",
            "\"resourceType\":\"Patient\"",
            "\"_a\":",
            "null",
            "1.5",
            "\n",
            "<",
            ">",
            "</",
            "/>",
            "<P xmlns=\"x\">",
            "</P>",
            " value=\"x\"",
            "<!--",
            "-->",
            "<!",
            "\u{e9}",
            "\"valueCode\":",
            "\"div\":",
        ];
        let text: Vec<u8> = picks.iter().flat_map(|pick| PIECES[usize::from(*pick) % PIECES.len()].bytes()).collect();
        for format in Format::ALL {
            for mutator in table(format) {
                for input in [&text, &raw] {
                    if let Some(result) = applied(mutator, seed, input, &text) {
                        let most = 3 * (input.len() + text.len()) + 64 * 1024;
                        assert!(
                            result.len() <= most,
                            "{} grew {} bytes to {}",
                            mutator.name,
                            input.len(),
                            result.len()
                        );
                    }
                }
            }
        }
    }
    quickcheck::quickcheck(property as fn(Vec<u8>, Vec<u8>, u64));
}
