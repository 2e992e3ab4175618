//! Small inputs byte for byte, and documents that must be well formed by somebody else's parser.

use crate::{make, sha256};

#[test]
fn small_inputs_are_exactly_these() {
    const MSH: &str =
        "MSH|^~\\&|LAB|ACME|EHR|CLINIC|20240101120000||ORU^R01^ORU_R01|1|P|2.5.1\rPID|1||4711^^^ACME^MR||DOE^JANE\r";
    let hl7 = |rest: &str| [MSH, rest].concat().into_bytes();
    let text = |text: &str| text.as_bytes().to_vec();
    let xml = |rest: &str| format!(r#"<Patient xmlns="http://hl7.org/fhir"{rest}"#).into_bytes();
    for (name, words, expected) in [
        ("json-arrays", &["levels=3"][..], text("[[[]]]")),
        ("json-arrays", &["levels=3", "closed=no"], text("[[[")),
        ("json-objects", &["levels=2"], text(r#"{"a":{"a":0}}"#)),
        ("json-long-string", &["chars=3", "text=two-byte"], text("\"ééé\"")),
        ("json-long-number", &["digits=12"], text("918273645091")),
        ("json-long-number", &["digits=3", "place=exponent"], text("1e918")),
        ("json-exponents", &["count=2", "exponent=7", "sign=minus"], text("[1e-7,1e-7]")),
        ("json-duplicate-keys", &["count=2"], text(r#"{"a":1,"a":1}"#)),
        ("json-distinct-keys", &["count=2"], text(r#"{"00000000":0,"00000001":0}"#)),
        ("json-tiny-values", &["count=3"], text("[0,0,0]")),
        ("json-tiny-values", &["count=2", "value=object"], text(r#"[{"a":1},{"a":1}]"#)),
        ("json-escapes", &["count=2", "escape=pair"], text(r#""\ud834\udd1e\ud834\udd1e""#)),
        ("json-whitespace", &["bytes=5"], text(" \n\t\r 0")),
        ("ndjson-lines", &["lines=1"], text("{\"resourceType\":\"Patient\",\"id\":\"00000000\"}\n")),
        ("ndjson-endless-line", &["bytes=2"], text(r#"{"resourceType":"Basic","id":"aa"#)),
        (
            "xml-laughs",
            &["depth=1", "fan=2"],
            text(
                r#"<?xml version="1.0"?><!DOCTYPE Patient [<!ENTITY a0 "lol"><!ENTITY a1 "&a0;&a0;">]><Patient xmlns="http://hl7.org/fhir">&a1;</Patient>"#,
            ),
        ),
        ("xml-depth", &["levels=2"], xml("><a><a></a></a></Patient>")),
        ("xml-attributes", &["count=1"], xml(r#" a00000000=""/>"#)),
        ("xml-namespaces", &["count=1"], xml(r#" xmlns:p00000000="u"><p00000000:a/></Patient>"#)),
        ("xml-text", &["count=2", "spelling=hex"], xml(">&#x41;&#x41;</Patient>")),
        ("hl7-segments", &["count=2"], hl7("NTE|1||a\rNTE|1||a\r")),
        ("hl7-fields", &["count=3"], hl7("OBX|||\r")),
        ("hl7-repetitions", &["count=3"], hl7("PID|1||~~~\r")),
        ("hl7-components", &["count=3"], hl7("PID|1||^^^\r")),
        ("hl7-subcomponents", &["count=2"], hl7("PID|1||&^&^\r")),
        ("hl7-hex-escapes", &["count=2", "digits=4"], hl7("OBX|1|ST|A||\\X0000\\\\X0000\\\r")),
        ("hl7-unterminated-escapes", &["count=2"], hl7("OBX|1|ST|A||\\E|\\E|\\E")),
        ("hl7-long-field", &["bytes=5"], hl7("OBX|1|FT|A||Lorem\r")),
        ("hl7-messages", &["count=2"], [hl7(""), hl7("")].concat()),
        ("protobuf-groups", &["levels=2"], vec![0x0b, 0x0b, 0x0c, 0x0c]),
        ("protobuf-nested", &["levels=3"], vec![0x0a, 4, 0x0a, 2, 0x0a, 0]),
        ("protobuf-length-lie", &[], vec![0x0a, 0xff, 0xff, 0xff, 0xff, 7]),
        ("protobuf-packed-lie", &["declared=300", "values=2"], vec![0x0a, 0xac, 2, 1, 1]),
        ("cbor-array-lie", &[], vec![0x9b, 0, 0, 0, 0x10, 0, 0, 0, 0]),
        ("cbor-map-lie", &["declared=1"], vec![0xbb, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("cbor-bytes-lie", &["declared=1"], vec![0x5b, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("cbor-text-lie", &["declared=1"], vec![0x7b, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("cbor-arrays", &["levels=2"], vec![0x81, 0x81, 0xf6]),
        ("cbor-indefinite", &["levels=2"], vec![0x9f, 0x9f, 0xff, 0xff]),
        ("cbor-tags", &["levels=1"], vec![0xd9, 0xd9, 0xf7, 0xf6]),
        ("zstd-window", &[], vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0xf8, 1, 0, 0]),
        ("zip-end-records", &["records=2"], b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2e\0\0\0\0\0\0\0\0\0".repeat(2)),
        ("deflate-empty-blocks", &["blocks=2"], vec![0, 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]),
        ("deflate-empty-blocks", &["blocks=1", "codes=fixed"], vec![3, 0]),
        ("deflate-empty-blocks", &["blocks=4", "codes=fixed"], vec![2, 8, 0x20, 0xc0, 0]),
        ("deflate-empty-blocks", &["blocks=5", "codes=fixed"], vec![2, 8, 0x20, 0x80, 0, 3, 0]),
    ] {
        let (bytes, _) = make(name, words);
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&expected), "{name} {words:?}");
        assert_eq!(bytes, expected, "{name} {words:?}");
    }
}

/// Bytes must not change with a dependency or a machine unnoticed: findings name them by parameters.
#[test]
fn bytes_are_the_same_everywhere() {
    for (name, words, expected) in [
        ("gzip", &["expanded=1MiB"][..], "5ecabb9bf4e7135f267b413abe433006bf6eb8a553e277653cdf160a80160a1f"),
        ("brotli", &["expanded=100MiB"], "89e0b0d2916cdb7be0193e47f88d32c26411782ac550c796612851e8f32f50f0"),
        ("gzip-nested", &["expanded=1GiB"], "b7dc86d25249a75558cc76f37ccdf47ac50525475e6d150a60f56b637248309e"),
        ("xz", &["expanded=2MiB"], "68c34fedfdc4a2493cddadc84d010695900b582fd27b6b57a96924a41efbb6ff"),
        (
            "zip-overlap-quoted",
            &["entries=20", "each=1MiB"],
            "a2ed0b14460ddf67ccbaf78c297937c45a16b0a10dd01ff545923e4d705e3c43",
        ),
        ("zip-quine", &[], "248d941869945139fc8ac7fb507687b49c83f5b5a12114a34849bb2217eb38b4"),
        ("typical-fhir-bundle", &["patients=3"], "402c5b99e020c7a3e583455df9027be5844d19de096879b2354d4ccf61e526a9"),
        ("typical-fhir-bundle", &["wrap=gzip"], "8d8fcae058b67f1e138243b8bca9c6ef46288b60bcc29a710a5cb2b2d316e192"),
        ("typical-fhir-bundle", &["wrap=brotli"], "b194ad146a4a61e9dd857a6893534242501128dd3f42581a56b6f7dbc1c7cfdd"),
        ("typical-fhir-bundle", &["wrap=zstd"], "02192bb5b4051209cb8480aed51fa3d25dbbc33e0f03711c73cf0fd188695ee6"),
        (
            "typical-hl7-batch",
            &["messages=3", "seed=2"],
            "358d2a35f66a0cba0701bb9df807f67461e3119638bda1550e25c23c3974fa14",
        ),
    ] {
        assert_eq!(sha256(&make(name, words).0), expected, "{name} {words:?}");
    }
}

#[test]
fn json_is_json() {
    for (name, words) in [
        ("json-arrays", &["levels=100"][..]),
        ("json-objects", &["levels=100"]),
        ("json-long-string", &["chars=100", "text=four-byte"]),
        ("json-long-number", &["digits=100", "place=fraction"]),
        ("json-duplicate-keys", &["count=100"]),
        ("json-distinct-keys", &["count=100"]),
        ("json-tiny-values", &["count=100", "value=string"]),
        ("json-escapes", &["count=100", "escape=short"]),
        ("json-whitespace", &["bytes=100"]),
        ("fhir-extensions", &["levels=40"]),
        ("fhir-contained", &["levels=40"]),
        ("fhir-questionnaire-items", &["levels=40"]),
        ("fhir-bundle", &["entries=100"]),
        ("fhir-bundles-nested", &["levels=25"]),
        ("fhir-binary", &["bytes=100"]),
        ("fhir-narrative", &["levels=100"]),
        ("typical-fhir-bundle", &["patients=50"]),
    ] {
        let (bytes, _) = make(name, words);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!name.contains("fhir") || value["resourceType"].is_string(), "{name}");
    }
    let value: serde_json::Value = serde_json::from_slice(&make("fhir-binary", &["bytes=100"]).0).unwrap();
    assert_eq!(value["data"].as_str().unwrap().len(), 34 * 4);
    let value: serde_json::Value = serde_json::from_slice(&make("typical-fhir-bundle", &[]).0).unwrap();
    assert_eq!(value["entry"].as_array().unwrap().len(), 600);
}

#[test]
fn xml_is_well_formed() {
    for (name, words) in [
        ("xml-laughs", &["depth=2", "fan=2"][..]),
        ("xml-quadratic", &["size=10", "place=attribute"]),
        ("xml-depth", &["levels=100"]),
        ("xml-attributes", &["count=100"]),
        ("xml-namespaces", &["count=100"]),
        ("xml-text", &["count=100", "spelling=cdata"]),
        ("xml-text", &["count=100", "spelling=comment"]),
        ("xml-text", &["count=100", "spelling=instruction"]),
        ("fhir-xml-extensions", &["levels=100"]),
        ("fhir-xml-bundle", &["entries=100"]),
        ("fhir-xml-narrative", &["levels=100"]),
        ("typical-fhir-xml-bundle", &["patients=50"]),
    ] {
        let (bytes, _) = make(name, words);
        let mut reader = quick_xml::Reader::from_reader(&bytes[..]);
        reader.config_mut().enable_all_checks(true);
        let mut depth = 0i64;
        loop {
            use quick_xml::events::Event;
            match reader.read_event().unwrap_or_else(|error| panic!("{name} {words:?}: {error}")) {
                Event::Start(tag) => {
                    depth += 1;
                    assert!(tag.attributes().all(|attribute| attribute.is_ok()), "{name}");
                }
                Event::End(_) => depth -= 1,
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0, "{name}");
    }
}

/// A message in a message, as deep as was asked for, every length true.
#[test]
fn protobuf_lengths_are_true_at_every_depth() {
    for levels in [1usize, 42, 43, 44, 64, 5_461, 5_462, 20_000] {
        let (bytes, _) = make("protobuf-nested", &[&format!("levels={levels}")]);
        let (mut rest, mut depth) = (&bytes[..], 0);
        while let [0x0a, tail @ ..] = rest {
            let (mut length, mut shift, mut at) = (0usize, 0, 0);
            loop {
                length |= usize::from(tail[at] & 0x7f) << shift;
                shift += 7;
                at += 1;
                if tail[at - 1] < 0x80 {
                    break;
                }
            }
            rest = &tail[at..];
            assert_eq!(rest.len(), length, "{levels} levels, at {depth}");
            depth += 1;
        }
        assert_eq!((depth, rest.len()), (levels, 0));
    }
}

#[test]
fn typical_documents_differ_by_seed_and_grow_by_record() {
    for (name, scale) in [
        ("typical-fhir-bundle", "patients"),
        ("typical-fhir-xml-bundle", "patients"),
        ("typical-hl7-batch", "messages"),
    ] {
        let sized = |words: &[&str]| make(name, words).0;
        let [ten, other] = [&["seed=1"], &["seed=2"]].map(|seed| sized(&[&format!("{scale}=10"), seed[0]]));
        assert_ne!(ten, other, "{name}");
        assert_eq!(ten, sized(&[&format!("{scale}=10")]), "{name}");
        // Text that a compressor makes ten times smaller, not a thousand times as a flood.
        let (wrapped, made) = make(name, &[&format!("{scale}=300"), "wrap=gzip"]);
        let autoclave_generators::Expanded::Exact(plain) = made.expanded else { panic!("{name}") };
        let ratio = plain / wrapped.len() as u128;
        assert!((5..60).contains(&ratio), "{name}: {ratio} times smaller");
    }
}
