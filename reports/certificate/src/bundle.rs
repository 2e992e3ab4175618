//! Certificate files: one signed bundle to a line, in Sigstore's format, version 0.3, signed with a key and without a log.
//!
//! A file has one spelling: [`open`] reads it, writes it again and compares. Whatever could be written in two ways
//! (white space, escapes, order of keys, padding of base64) is therefore refused as soon as it is not as [`seal`] writes.

use crate::certificate::Certificate;
use crate::digest::NotAModule;
use crate::dsse::{PAYLOAD_TYPE, pae};
use crate::keys::{PrivateKey, PublicKey};
use crate::reason::{Code, Reason, shown};
use crate::statement::{Statements, Subjects};
use crate::strict;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Largest certificate file that is read, bytes: a thousand times what the catalogue of controls needs.
pub const BUNDLE_BYTES_MAX: usize = 4 << 20;
/// Statements in a file.
pub const STATEMENTS: usize = 3;
/// Ending of a certificate file's name.
pub const FILE_ENDING: &str = "sigstore.jsonl";

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// One line of a certificate file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Material {
    public_key: KeyHint,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyHint {
    hint: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    sig: String,
    keyid: String,
}

/// Signs a certificate of this module: the bytes of a certificate file.
///
/// A certificate that contradicts itself can be signed; nobody will load a module on the strength of it.
pub fn seal(module: &[u8], certificate: Certificate, key: &PrivateKey) -> Result<Vec<u8>, NotAModule> {
    let subjects = Subjects::of(module)?.list(&certificate.module.name);
    Ok(seal_payloads(&Statements::of(certificate, subjects).payloads(), PAYLOAD_TYPE, key))
}

/// Signs any payloads, one to a line; for tests of what must be refused.
pub fn seal_payloads(payloads: &[Vec<u8>], payload_type: &str, key: &PrivateKey) -> Vec<u8> {
    let hint = key.public().hint().to_owned();
    let mut file = Vec::new();
    for payload in payloads {
        let sig = STANDARD.encode(key.sign(&pae(payload_type, payload)));
        let bundle = Bundle {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: Material { public_key: KeyHint { hint: hint.clone() } },
            dsse_envelope: Envelope {
                payload: STANDARD.encode(payload),
                payload_type: payload_type.to_owned(),
                signatures: vec![Signature { sig, keyid: hint.clone() }],
            },
        };
        file.extend(line(&bundle));
    }
    file
}

/// What was signed, and by which key.
pub struct Opened<'a> {
    /// The payloads, in order.
    pub payloads: [Vec<u8>; STATEMENTS],
    /// The key that signed all of them.
    pub key: &'a PublicKey,
}

/// Checks form and signatures of a certificate file; no payload is looked into before its signature holds.
pub fn open<'a>(file: &[u8], keys: &'a [PublicKey]) -> Result<Opened<'a>, Reason> {
    if file.len() > BUNDLE_BYTES_MAX {
        let what = format!("the certificate has {} bytes, at most {BUNDLE_BYTES_MAX} are read", file.len());
        return Err(Reason::new(Code::TooLarge, what));
    }
    let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let Ok(lines) = <[&[u8]; STATEMENTS]>::try_from(lines) else {
        let what =
            format!("a certificate has {STATEMENTS} lines, each ended by a line feed and nothing behind the last");
        return Err(Reason::new(Code::NotThreeStatements, what));
    };
    let mut signer = None;
    let mut payloads = <[Vec<u8>; STATEMENTS]>::default();
    for (i, (text, payload)) in lines.iter().zip(&mut payloads).enumerate() {
        let at = i + 1;
        let bundle = parse(text, at)?;
        let key = named_key(&bundle, keys, at)?;
        if signer.is_some_and(|first: &PublicKey| first != key) {
            return Err(Reason::new(Code::SeveralSigners, format!("line {at} is signed by another key than line 1")));
        }
        signer = Some(key);
        *payload = verified(&bundle, key, keys, at)?;
    }
    let key = signer.expect("there are three lines");
    Ok(Opened { payloads, key })
}

/// Signs one statement of another kind than a certificate: the bytes of a bundle, one line.
pub fn seal_one(payload: &[u8], key: &PrivateKey) -> Vec<u8> {
    seal_payloads(&[payload.to_vec()], PAYLOAD_TYPE, key)
}

/// Checks form and signature of what [`seal_one`] wrote; the payload, and the key that signed it.
pub fn open_one<'a>(file: &[u8], keys: &'a [PublicKey]) -> Result<(Vec<u8>, &'a PublicKey), Reason> {
    if file.len() > BUNDLE_BYTES_MAX {
        let what = format!("the bundle has {} bytes, at most {BUNDLE_BYTES_MAX} are read", file.len());
        return Err(Reason::new(Code::TooLarge, what));
    }
    let bundle = parse(file, 1)?;
    let key = named_key(&bundle, keys, 1)?;
    let payload = verified(&bundle, key, keys, 1)?;
    Ok((payload, key))
}

/// A line in its only spelling.
fn parse(text: &[u8], at: usize) -> Result<Bundle, Reason> {
    let Some(json) = text.strip_suffix(b"\n") else {
        return Err(Reason::new(Code::NotCanonical, format!("line {at} is not ended by a line feed")));
    };
    let bundle: Bundle = strict::read(json, BUNDLE_BYTES_MAX)
        .map_err(|error| Reason::new(Code::MalformedBundle, format!("line {at} is no Sigstore bundle: {error}")))?;
    if line(&bundle) != text {
        return Err(Reason::new(Code::NotCanonical, format!("line {at} is spelt otherwise than it was written")));
    }
    if bundle.media_type != MEDIA_TYPE {
        let what = format!("line {at} has the media type {}, not {MEDIA_TYPE}", shown(&bundle.media_type));
        return Err(Reason::new(Code::MalformedBundle, what));
    }
    if bundle.dsse_envelope.payload_type != PAYLOAD_TYPE {
        let payload_type = shown(&bundle.dsse_envelope.payload_type);
        let what = format!("line {at} has the payload type {payload_type}, not {PAYLOAD_TYPE}");
        return Err(Reason::new(Code::PayloadType, what));
    }
    Ok(bundle)
}

fn named_key<'a>(bundle: &Bundle, keys: &'a [PublicKey], at: usize) -> Result<&'a PublicKey, Reason> {
    let hint = &bundle.verification_material.public_key.hint;
    let [signature] = bundle.dsse_envelope.signatures.as_slice() else {
        let what = format!("line {at} has {} signatures, not one", bundle.dsse_envelope.signatures.len());
        return Err(Reason::new(Code::MalformedBundle, what));
    };
    if signature.keyid != *hint {
        let what = format!("line {at} names the key {} and the key {}", shown(hint), shown(&signature.keyid));
        return Err(Reason::new(Code::KeyHint, what));
    }
    keys.iter().find(|key| key.hint() == *hint).ok_or_else(|| {
        Reason::new(Code::UnknownKey, format!("line {at} is signed by the key {}, which is not trusted", shown(hint)))
    })
}

fn verified(bundle: &Bundle, key: &PublicKey, keys: &[PublicKey], at: usize) -> Result<Vec<u8>, Reason> {
    let envelope = &bundle.dsse_envelope;
    let decode = |text: &str, what: &str| {
        let wrong = |_| Reason::new(Code::MalformedBundle, format!("line {at}: the {what} is no canonical base64"));
        STANDARD.decode(text).map_err(wrong)
    };
    let payload = decode(&envelope.payload, "payload")?;
    let signature = decode(&envelope.signatures[0].sig, "signature")?;
    let message = pae(&envelope.payload_type, &payload);
    if key.verifies(&message, &signature) {
        return Ok(payload);
    }
    let other = keys.iter().find(|other| *other != key && other.verifies(&message, &signature));
    Err(match other {
        Some(other) => {
            let what = format!("line {at} names the key {}, but {} has signed it", key.hint(), other.hint());
            Reason::new(Code::KeyHint, what)
        }
        None => Reason::new(Code::Signature, format!("the signature of line {at} does not fit its content")),
    })
}

fn line(bundle: &Bundle) -> Vec<u8> {
    let mut text = serde_json::to_vec(bundle).expect("a bundle is text");
    text.push(b'\n');
    text
}
