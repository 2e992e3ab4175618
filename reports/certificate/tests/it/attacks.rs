//! Certificates and modules that somebody changed: all refused, with the reason.

use crate::sample::{MODULE, assert_refused, certificate, decide, file, forged, key, moment, now, other_key, trusted};
use autoclave_certificate::bundle::{BUNDLE_BYTES_MAX, seal, seal_payloads};
use autoclave_certificate::certificate::Level;
use autoclave_certificate::dsse::PAYLOAD_TYPE;
use autoclave_certificate::statement::{Form, Statements, Subjects};
use autoclave_certificate::{Algorithm, Code, Decision, Policy, admit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

fn custom_section(name: &str, content: &[u8]) -> Vec<u8> {
    let body = [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), content].concat();
    [&[0, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

/// Every bit of every byte, with each kind of key.
#[test]
fn no_flipped_bit_of_a_certificate_is_admitted() {
    let mut short = certificate();
    short.checks.truncate(1);
    short.campaigns.clear();
    // A signature on P-256 costs more to check: there, one bit of each byte.
    for (algorithm, bits) in [(Algorithm::Ed25519, 8), (Algorithm::P256, 1)] {
        let good = file(algorithm, short.clone());
        assert!(decide(&good).is_admitted());
        let flips = good.len() * bits;
        let refused = in_halves(flips, |i| {
            let mut bad = good.clone();
            bad[i / bits] ^= 1 << if bits == 8 { i % 8 } else { i % 7 };
            let decision = decide(&bad);
            assert!(!decision.is_admitted() && !decision.reasons().is_empty(), "{algorithm:?}, flip {i}");
        });
        assert_eq!(refused, flips);
    }
}

/// Every other byte at places whose meaning could stay the same: white space, padding, key names, the key's name.
#[test]
fn no_other_spelling_of_a_certificate_is_admitted() {
    let good = file(Algorithm::Ed25519, certificate());
    let first = good.iter().position(|byte| *byte == b'\n').unwrap();
    let interesting = |i: &usize| !good[*i].is_ascii_alphanumeric() || *i < 160;
    let places: Vec<usize> = (0..=first).filter(interesting).chain([good.len() - 2, good.len() - 1]).collect();
    assert!(places.len() > 150, "{}", places.len());
    in_halves(places.len(), |i| {
        for byte in (0..=255).filter(|byte| *byte != good[places[i]]) {
            let mut bad = good.clone();
            bad[places[i]] = byte;
            assert!(!decide(&bad).is_admitted(), "byte {} as {byte}", places[i]);
        }
    });
}

#[test]
fn no_flipped_bit_of_a_module_is_admitted() {
    let good = file(Algorithm::Ed25519, certificate());
    let flips = MODULE.len() * 8;
    let refused = in_halves(flips, |i| {
        let mut bad = MODULE.to_vec();
        bad[i / 8] ^= 1 << (i % 8);
        let decision = admit(&bad, &good, trusted(), &Policy::default(), now());
        let codes: Vec<Code> = decision.reasons().iter().map(|reason| reason.code).collect();
        assert!(codes == [Code::Subject] || codes == [Code::NotAModule], "flip {i}: {codes:?}");
    });
    assert_eq!(refused, flips);
}

#[test]
fn changed_modules() {
    let good = file(Algorithm::P256, certificate());
    let relaxed = Policy { subject: Form::WithoutSignatures, ..Policy::default() };
    let signed = |name: &str| [&MODULE[..8], &custom_section(name, &[1; 64]), &MODULE[8..]].concat();
    let with = |name: &str| [MODULE, &custom_section(name, b"x")].concat();
    let cases: &[(&str, Vec<u8>, Option<Code>, Option<Code>)] = &[
        ("as certified", MODULE.to_vec(), None, None),
        ("signature added", signed("signature"), Some(Code::Subject), None),
        ("delimiter added", signed("signature_delimiter"), Some(Code::Subject), None),
        ("custom section added", with("producers"), Some(Code::Subject), Some(Code::Subject)),
        ("empty custom section added", with(""), Some(Code::Subject), Some(Code::Subject)),
        ("another module", b"\0asm\x01\0\0\0".to_vec(), Some(Code::Subject), Some(Code::Subject)),
        ("cut", MODULE[..MODULE.len() - 1].to_vec(), Some(Code::NotAModule), Some(Code::NotAModule)),
        ("bytes behind it", [MODULE, b"\0"].concat(), Some(Code::NotAModule), Some(Code::NotAModule)),
        ("no module", b"MZ".to_vec(), Some(Code::NotAModule), Some(Code::NotAModule)),
        ("nothing", Vec::new(), Some(Code::NotAModule), Some(Code::NotAModule)),
    ];
    for (name, module, strict, bare) in cases {
        for (policy, expected) in [(&Policy::default(), strict), (&relaxed, bare)] {
            let decision = admit(module, &good, trusted(), policy, now());
            assert_refused_or_not(name, &decision, expected.as_ref());
        }
    }
    // A module that was certified with its signature, and lost it.
    let module = signed("signature");
    let mut of_signed = certificate();
    of_signed.module.bytes = module.len() as u64;
    let good = seal(&module, of_signed, &key(Algorithm::P256)).unwrap();
    for (bytes, policy, expected) in [
        (&module[..], &Policy::default(), None),
        (MODULE, &Policy::default(), Some(Code::Subject)),
        (MODULE, &relaxed, None),
    ] {
        assert_refused_or_not("signed", &admit(bytes, &good, trusted(), policy, now()), expected.as_ref());
    }
}

#[track_caller]
fn assert_refused_or_not(name: &str, decision: &Decision, expected: Option<&Code>) {
    match expected {
        Some(code) => assert_refused(name, decision, &[*code]),
        None => assert!(decision.is_admitted(), "{name}: {:?}", decision.reasons()),
    }
}

/// Files changed as text, with no key at hand.
#[test]
fn changed_files() {
    let good = String::from_utf8(file(Algorithm::P256, certificate())).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let ed25519 = String::from_utf8(file(Algorithm::Ed25519, certificate())).unwrap();
    let foreign: Vec<&str> = ed25519.split_inclusive('\n').collect();
    let (hint, foreign_hint) = (key(Algorithm::P256).public(), key(Algorithm::Ed25519).public());
    let stranger = other_key(Algorithm::P256).public();
    let earlier = {
        let mut earlier = certificate();
        earlier.level = Level::L3;
        String::from_utf8(file(Algorithm::P256, earlier)).unwrap()
    };
    let earlier: Vec<&str> = earlier.split_inclusive('\n').collect();
    let signatures = r#","signatures":"#;
    let cases: &[(&str, String, Code)] = &[
        ("empty", String::new(), Code::NotThreeStatements),
        ("one line", lines[0].to_owned(), Code::NotThreeStatements),
        ("two lines", lines[..2].concat(), Code::NotThreeStatements),
        ("four lines", good.clone() + lines[0], Code::NotThreeStatements),
        ("no line feed at the end", good.trim_end().to_owned(), Code::NotCanonical),
        ("carriage returns", good.replace('\n', "\r\n"), Code::NotCanonical),
        ("trailing space", good.clone() + " ", Code::NotThreeStatements),
        ("trailing data in a line", good.replacen("}\n", "}{}\n", 1), Code::MalformedBundle),
        ("leading space", format!(" {good}"), Code::NotCanonical),
        ("byte order mark", format!("\u{feff}{good}"), Code::MalformedBundle),
        ("space behind a colon", good.replacen(r#""payload":"#, r#""payload": "#, 1), Code::NotCanonical),
        ("escaped letter", good.replacen("payloadType", r"payload\u0054ype", 1), Code::NotCanonical),
        ("escaped slash", good.replacen("application/vnd.in", r"application\/vnd.in", 1), Code::NotCanonical),
        ("a key twice", good.replacen(r#"{"payload":"#, r#"{"payload":"","payload":"#, 1), Code::MalformedBundle),
        ("an unknown key", good.replacen(r#"{"payload":"#, r#"{"x":1,"payload":"#, 1), Code::MalformedBundle),
        ("no signature", cut(&good, signatures, "]", r#","signatures":["#), Code::MalformedBundle),
        ("lines in another order", [lines[1], lines[0], lines[2]].concat(), Code::MalformedStatement),
        ("a line twice", [lines[0], lines[0], lines[2]].concat(), Code::MalformedStatement),
        ("another media type", good.replacen("v0.3+json", "v0.2+json", 1), Code::MalformedBundle),
        ("another payload type", good.replacen("vnd.in-toto+json", "vnd.in-toto+jsox", 1), Code::PayloadType),
        ("unknown key", good.replace(hint.hint(), stranger.hint()), Code::UnknownKey),
        ("hint of another trusted key", good.replace(hint.hint(), foreign_hint.hint()), Code::KeyHint),
        ("hint and key id differ", good.replacen(hint.hint(), foreign_hint.hint(), 1), Code::KeyHint),
        ("lines by two trusted keys", [lines[0], foreign[1], lines[2]].concat(), Code::SeveralSigners),
        ("summary of another certificate", [lines[0], earlier[1], lines[2]].concat(), Code::StatementsDisagree),
        (
            "padding left out",
            replace_payload(&good, |text| text.trim_end_matches('=').to_owned()),
            Code::MalformedBundle,
        ),
        ("base64 for URLs", replace_payload(&good, |text| format!("_{}", &text[1..])), Code::MalformedBundle),
        (
            "base64 in lines",
            replace_payload(&good, |text| format!(r"{}\n{}", &text[..76], &text[76..])),
            Code::MalformedBundle,
        ),
        ("deep", format!("{}\n\n\n", "[".repeat(1 << 20)), Code::MalformedBundle),
        ("large", "x".repeat(BUNDLE_BYTES_MAX + 1), Code::TooLarge),
    ];
    assert!(decide(good.as_bytes()).is_admitted());
    for (name, text, expected) in cases {
        assert_ne!(*text, good, "{name} changes nothing");
        assert_refused(name, &decide(text.as_bytes()), &[*expected]);
    }
}

/// `text` with what stands from the first `from` up to `until` replaced.
fn cut(text: &str, from: &str, until: &str, with: &str) -> String {
    let start = text.find(from).unwrap();
    let end = start + text[start..].find(until).unwrap();
    format!("{}{with}{}", &text[..start], &text[end..])
}

fn replace_payload(text: &str, change: impl FnOnce(&str) -> String) -> String {
    let start = text.find(r#""payload":""#).unwrap() + 11;
    let end = start + text[start..].find('"').unwrap();
    // So that there is padding to leave out.
    assert!(text[start..end].ends_with('=') || !text[start..end].contains('='));
    format!("{}{}{}", &text[..start], change(&text[start..end]), &text[end..])
}

/// Payloads with another meaning for another reader: refused although a trusted key has signed them.
#[test]
fn signed_statements_without_one_meaning() {
    type Change = fn(&mut [String; 3]);
    let cases: &[(&str, Change, Code)] = &[
        ("duplicate key", |t| t[0] = t[0].replacen('{', r#"{"_type":"x","#, 1), Code::MalformedStatement),
        (
            "duplicate level",
            |t| t[0] = t[0].replacen(r#""level":"L1""#, r#""level":"L3","level":"L1""#, 1),
            Code::MalformedStatement,
        ),
        (
            "duplicate digest",
            |t| t[0] = t[0].replacen(r#""sha256":"#, r#""sha256":"","sha256":"#, 1),
            Code::MalformedStatement,
        ),
        (
            "duplicate in a map",
            |t| t[0] = t[0].replacen(r#""wasmtime":"#, r#""wasmtime":"1","wasmtime":"#, 1),
            Code::MalformedStatement,
        ),
        ("trailing data", |t| t[0].push_str("{}"), Code::MalformedStatement),
        ("trailing NUL", |t| t[1].push('\0'), Code::MalformedStatement),
        ("unknown field", |t| t[0] = t[0].replacen(r#""level":"#, r#""lvl":1,"level":"#, 1), Code::MalformedStatement),
        ("unknown level", |t| t[0] = t[0].replacen(r#""L1""#, r#""L9""#, 1), Code::MalformedStatement),
        ("unknown verdict", |t| t[0] = t[0].replacen(r#""PASS""#, r#""pass""#, 1), Code::MalformedStatement),
        ("missing field", |t| t[0] = t[0].replacen(r#""waivers":[],"#, "", 1), Code::MalformedStatement),
        (
            "statement of another version",
            |t| t[0] = t[0].replacen("Statement/v1", "Statement/v0.1", 1),
            Code::MalformedStatement,
        ),
        (
            "another predicate",
            |t| t[0] = t[0].replacen("certificate:v1", "certificate:v2", 1),
            Code::MalformedStatement,
        ),
        ("another predicate in line 2", |t| t[1] = t[1].replacen("svr/v0.2", "svr/v0.1", 1), Code::MalformedStatement),
        ("capital digest", |t| t[0] = upper_case_digest(&t[0]), Code::MalformedStatement),
        ("a date without a time", |t| t[0] = t[0].replacen("T21:04:51Z", "", 1), Code::MalformedStatement),
        ("no JSON", |t| t[2] = "certified".to_owned(), Code::MalformedStatement),
        ("null", |t| t[0] = "null".to_owned(), Code::MalformedStatement),
        ("level only in line 2", |t| t[1] = t[1].replacen("LEVEL_L1", "LEVEL_L3", 1), Code::StatementsDisagree),
        (
            "more properties in line 2",
            |t| t[1] = t[1].replacen(r#"["AUTO"#, r#"["AUTOCLAVE_LEVEL_L3","AUTO"#, 1),
            Code::StatementsDisagree,
        ),
        ("another time in line 2", |t| t[1] = t[1].replacen("21:04:51", "21:04:52", 1), Code::StatementsDisagree),
        ("passed in line 3", |t| t[2] = t[2].replacen("WARNED", "PASSED", 1), Code::StatementsDisagree),
        ("a test less in line 3", |t| t[2] = t[2].replacen(r#""SBX-03a""#, "", 1), Code::StatementsDisagree),
        (
            "another subject in line 3",
            |t| t[2] = t[2].replacen("parser.wasm", "other.wasm", 1),
            Code::StatementsDisagree,
        ),
        (
            "another subject everywhere",
            |t| t.iter_mut().for_each(|t| *t = t.replace(r#""parser.wasm","digest""#, r#""other.wasm","digest""#)),
            Code::Subject,
        ),
        (
            "the other form everywhere",
            |t| t.iter_mut().for_each(|t| *t = t.replace("without-signatures", "as-deployed")),
            Code::Subject,
        ),
        (
            "another integrity everywhere",
            |t| t.iter_mut().for_each(|t| *t = t.replace("sha384-", "sha256-")),
            Code::Subject,
        ),
        ("another size", |t| t[0] = t[0].replacen(r#""bytes":"#, r#""bytes":1"#, 1), Code::Subject),
    ];
    for (name, change, expected) in cases {
        let mut changed = false;
        let bad = forged(certificate(), |texts| {
            let before = texts.clone();
            change(texts);
            changed = *texts != before;
        });
        assert!(changed, "{name} changes nothing");
        assert_refused(name, &decide(&bad), &[*expected]);
    }
    assert!(decide(&forged(certificate(), |_| ())).is_admitted());
}

fn upper_case_digest(text: &str) -> String {
    let start = text.find(r#""sha256":""#).unwrap() + 10;
    format!("{}{}{}", &text[..start], text[start..start + 64].to_uppercase(), &text[start + 64..])
}

#[test]
fn what_else_a_trusted_key_has_signed_is_no_certificate() {
    let subjects = Subjects::of(MODULE).unwrap().list("parser.wasm");
    let payloads = Statements::of(certificate(), subjects).payloads();
    let swapped = seal_payloads(&payloads, "text/plain", &key(Algorithm::P256));
    assert_refused("payload type", &decide(&swapped), &[Code::PayloadType]);
    // The same envelope with the right type written over it: the type is part of what is signed.
    let relabelled = String::from_utf8(swapped).unwrap().replace("text/plain", PAYLOAD_TYPE);
    assert_refused("relabelled", &decide(relabelled.as_bytes()), &[Code::Signature]);
}

#[test]
fn keys_and_times() {
    let by_stranger = seal(MODULE, certificate(), &other_key(Algorithm::P256)).unwrap();
    assert_refused("stranger", &decide(&by_stranger), &[Code::UnknownKey]);
    let good = file(Algorithm::P256, certificate());
    assert_refused("no keys", &admit(MODULE, &good, &[], &Policy::default(), now()), &[Code::UnknownKey]);
    // The stranger's signature under a trusted key's name.
    let (ours, theirs) = (key(Algorithm::P256).public(), other_key(Algorithm::P256).public());
    let renamed = String::from_utf8(by_stranger).unwrap().replace(theirs.hint(), ours.hint());
    assert_refused("renamed", &decide(renamed.as_bytes()), &[Code::Signature]);
    // One payload's signature on another payload.
    let text = String::from_utf8(good.clone()).unwrap();
    let payload = STANDARD.encode(b"{}");
    let moved = replace_payload(&text, |_| payload);
    assert_refused("moved signature", &decide(moved.as_bytes()), &[Code::Signature]);
    for (at, expected) in [
        ("2026-11-22T21:04:50Z", &[Code::NotYetValid][..]),
        ("2026-11-22T21:04:51Z", &[]),
        ("2027-02-20T21:04:50Z", &[]),
        ("2027-02-20T21:04:51Z", &[Code::Expired]),
        ("9999-12-31", &[Code::Expired]),
    ] {
        let decision = admit(MODULE, &good, trusted(), &Policy::default(), moment(at));
        let codes: Vec<Code> = decision.reasons().iter().map(|reason| reason.code).collect();
        assert_eq!((codes.as_slice(), decision.is_admitted()), (expected, expected.is_empty()), "{at}");
    }
}

/// Runs `job` for every number, in two threads; how many it was.
fn in_halves(count: usize, job: impl Fn(usize) + Sync) -> usize {
    std::thread::scope(|scope| {
        let half = |start: usize| {
            let job = &job;
            scope.spawn(move || (start..count).step_by(2).map(job).count())
        };
        let halves = [half(0), half(1)];
        halves.map(|half| half.join().expect("the message above says which")).iter().sum()
    })
}
