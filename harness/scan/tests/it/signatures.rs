//! Signatures: our own, those of the reference implementation, and what is wrong with others.

use autoclave_certificate::bundle::seal_payloads;
use autoclave_certificate::dsse::PAYLOAD_TYPE;
use autoclave_certificate::{Algorithm, PrivateKey, PublicKey};
use autoclave_scan::dsse::{Embedded, embed, embedded, open};

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(Algorithm::Ed25519, &[seed; 32]).unwrap()
}

fn module() -> Vec<u8> {
    wat::parse_str(r#"(module (func (export "f") (result i32) i32.const 7))"#).unwrap()
}

#[test]
fn embedded_signatures_hold_for_their_bytes_only() {
    let (own, other) = (key(1), key(2));
    let signed = embed(&module(), &own);
    assert!(wasmparser_reads(&signed));
    assert!(matches!(embedded(&signed, &[own.public()]), Embedded::Valid(_)));
    assert_eq!(embedded(&module(), &[own.public()]), Embedded::Absent);
    assert!(matches!(embedded(&signed, &[other.public()]), Embedded::Invalid(_)));
    for at in 8..signed.len() {
        let mut changed = signed.clone();
        changed[at] ^= 1;
        assert!(!matches!(embedded(&changed, &[own.public()]), Embedded::Valid(_)), "byte {at}");
    }
    let appended = [&signed[..], &[0, 2, 1, b'x']].concat();
    assert!(matches!(embedded(&appended, &[own.public()]), Embedded::Invalid(_)));
    // Behind another section, where no reader looks.
    let moved = [&module()[..8], &[0, 2, 1, b'x'], &signed[8..]].concat();
    assert!(
        matches!(embedded(&moved, &[own.public()]), Embedded::Invalid(_)),
        "{:?}",
        embedded(&moved, &[own.public()])
    );
}

fn wasmparser_reads(bytes: &[u8]) -> bool {
    autoclave_scan::facts::Facts::read(bytes).is_ok()
}

/// Made once with `wasmsign2` 0.2.8: a module that it has signed, and the key's public half.
#[test]
fn the_reference_implementations_signature_is_understood() {
    let signed = include_bytes!("fixtures/wasmsign2.wasm");
    let key = PublicKey::from_pem(include_str!("fixtures/wasmsign2.pub")).unwrap();
    assert!(
        matches!(embedded(signed, std::slice::from_ref(&key)), Embedded::Valid(_)),
        "{:?}",
        embedded(signed, &[key])
    );
}

#[test]
fn envelopes_are_verified_before_they_are_read() {
    let own = key(1);
    let module = module();
    let statement = |digest: &str| {
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"m","digest":{{"sha256":"{digest}"}}}}],"predicateType":"t","predicate":{{}}}}"#
        )
    };
    let file = seal_payloads(&[statement("00").into_bytes()], PAYLOAD_TYPE, &own);
    let signed = open(&file, &module, &[own.public()]).unwrap();
    assert_eq!((signed[0].predicate_type.as_str(), signed[0].subjects.as_slice()), ("t", ["00".to_owned()].as_slice()));
    // The envelope alone, without the bundle around it.
    let bundle: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let alone = bundle["dsseEnvelope"].to_string();
    assert_eq!(open(alone.as_bytes(), &module, &[own.public()]).unwrap(), signed);
    for (why, file, keys) in [
        ("no trusted key", file.clone(), vec![key(2).public()]),
        (
            "no trusted key",
            String::from_utf8(file.clone()).unwrap().replace("\"sig\":\"", "\"sig\":\"AAAA").into_bytes(),
            vec![own.public()],
        ),
        ("no in-toto statement", seal_payloads(&[b"{".to_vec()], PAYLOAD_TYPE, &own), vec![own.public()]),
        (
            "no in-toto statement",
            seal_payloads(&[statement("00").into_bytes()], "text/plain", &own),
            vec![own.public()],
        ),
        ("no Sigstore bundle", b"{}".to_vec(), vec![own.public()]),
        ("0 envelopes", b"\n".to_vec(), vec![own.public()]),
        ("no UTF-8", vec![0xff], vec![own.public()]),
    ] {
        let error = open(&file, &module, &keys).unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn the_other_root_of_an_ecdsa_signature_is_as_good() {
    use base64::Engine;
    let own = PrivateKey::from_seed(Algorithm::P256, &[3; 32]).unwrap();
    let module = module();
    let sign = |high: bool| {
        let signature = p256::ecdsa::Signature::from_der(&own.sign(&module)).unwrap();
        let (r, s) = signature.split_scalars();
        let s = if high { -*s } else { *s };
        let signature = p256::ecdsa::Signature::from_scalars(*r, s).unwrap();
        let signature = base64::engine::general_purpose::STANDARD.encode(signature.to_der().as_bytes());
        format!(r#"{{"messageSignature":{{"signature":"{signature}"}}}}"#)
    };
    for high in [false, true] {
        assert!(open(sign(high).as_bytes(), &module, &[own.public()]).is_ok(), "{high}");
        assert!(open(sign(high).as_bytes(), b"other", &[own.public()]).is_err(), "{high}");
    }
}
