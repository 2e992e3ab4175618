//! Signatures of modules: DSSE envelopes with in-toto statements, alone or in Sigstore bundles, and the signature section
//! of WebAssembly's tool conventions. What is signed is verified before it is read.
//!
//! <https://github.com/secure-systems-lab/dsse>, <https://github.com/WebAssembly/tool-conventions/blob/main/Signatures.md>

use autoclave_certificate::digest::Sha256Digest;
use autoclave_certificate::dsse::pae;
use autoclave_certificate::{Algorithm, PublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Largest file with signatures, bytes, and envelopes in it.
const FILE_BYTES_MAX: usize = 4 << 20;
const ENVELOPES_MAX: usize = 64;
/// As in the reference implementation.
const HASHES_MAX: u32 = 64;
const SIGNATURES_MAX: u32 = 256;

/// A statement that a trusted key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Type of its predicate; empty for a bare signature of the bytes.
    pub predicate_type: String,
    /// SHA-256 of what it is about.
    pub subjects: Vec<String>,
    /// Name of the key.
    pub key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Option<Envelope>,
    message_signature: Option<MessageSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
struct MessageSignature {
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(default)]
    subject: Vec<Subject>,
    #[serde(default)]
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: std::collections::BTreeMap<String, String>,
}

/// Statements in a file that one of the keys has signed: a JSON document, or one on each line.
///
/// # Errors
/// The file holds no envelope, or one whose signature is by none of the keys or does not fit.
pub fn open(file: &[u8], module: &[u8], keys: &[PublicKey]) -> Result<Vec<Signed>, String> {
    if file.len() > FILE_BYTES_MAX {
        return Err(format!("more than {} MiB", FILE_BYTES_MAX >> 20));
    }
    let text = std::str::from_utf8(file).map_err(|_| "no UTF-8".to_owned())?;
    let documents: Vec<&str> = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => vec![text],
        Err(_) => text.lines().filter(|line| !line.trim().is_empty()).collect(),
    };
    if documents.is_empty() || documents.len() > ENVELOPES_MAX {
        return Err(format!("{} envelopes, between 1 and {ENVELOPES_MAX} are read", documents.len()));
    }
    let mut signed = Vec::new();
    for (at, document) in documents.iter().enumerate() {
        let wrong = |what: &str| format!("envelope {}: {what}", at + 1);
        let bundle: Bundle =
            serde_json::from_str(document).map_err(|_| wrong("no Sigstore bundle and no DSSE envelope"))?;
        if let Some(message) = &bundle.message_signature {
            let signature = decode(&message.signature).ok_or_else(|| wrong("the signature is no base64"))?;
            let key = signer(keys, module, &signature).ok_or_else(|| wrong(NOT_SIGNED))?;
            signed.push(Signed {
                predicate_type: String::new(),
                subjects: vec![Sha256Digest::of(module).to_string()],
                key: key.hint().to_owned(),
            });
            continue;
        }
        let envelope = match bundle.dsse_envelope {
            Some(envelope) => envelope,
            None => serde_json::from_str(document).map_err(|_| wrong("no Sigstore bundle and no DSSE envelope"))?,
        };
        let payload = decode(&envelope.payload).ok_or_else(|| wrong("the payload is no base64"))?;
        let message = pae(&envelope.payload_type, &payload);
        let signatures = envelope.signatures.iter().take(SIGNATURES_MAX as usize);
        let key = signatures.filter_map(|one| signer(keys, &message, &decode(&one.sig)?)).next();
        let key = key.ok_or_else(|| wrong(NOT_SIGNED))?;
        if envelope.payload_type != autoclave_certificate::dsse::PAYLOAD_TYPE {
            return Err(wrong("the payload is no in-toto statement"));
        }
        let statement: Statement = serde_json::from_slice(&payload).map_err(|_| wrong("no in-toto statement"))?;
        let subjects = statement.subject.into_iter().filter_map(|mut subject| subject.digest.remove("sha256"));
        signed.push(Signed {
            predicate_type: statement.predicate_type,
            subjects: subjects.collect(),
            key: key.hint().to_owned(),
        });
    }
    Ok(signed)
}

const NOT_SIGNED: &str = "no trusted key has signed it as it is";

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// The key that has signed the message. Other tools leave the other root of an ECDSA signature in, which is as good.
fn signer<'a>(keys: &'a [PublicKey], message: &[u8], signature: &[u8]) -> Option<&'a PublicKey> {
    let low = p256::ecdsa::Signature::from_der(signature).ok();
    let low = low.map(|signature| signature.normalize_s().to_der().as_bytes().to_vec());
    keys.iter().find(|key| match (key.algorithm(), &low) {
        (Algorithm::P256, Some(low)) => key.verifies(message, low),
        (Algorithm::P256, None) => false,
        (Algorithm::Ed25519, _) => key.verifies(message, signature),
    })
}

/// What a module's own signature section says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Embedded {
    /// There is none.
    Absent,
    /// One of the keys has signed all of the module.
    Valid(String),
    /// It is there, and is not what it should be.
    Invalid(String),
}

/// Verifies the signature section of a module: all sections behind it, by an Ed25519 key.
pub fn embedded(module: &[u8], keys: &[PublicKey]) -> Embedded {
    let Some((content, rest)) = signature_section(module) else {
        let name: &[u8] = b"\x09signature";
        let elsewhere = memchr::memmem::find(module, name).is_some_and(|_| has_later_section(module));
        return match elsewhere {
            true => {
                Embedded::Invalid("the section `signature` is not the first one, so that nothing checks it".to_owned())
            }
            false => Embedded::Absent,
        };
    };
    let Some(sets) = sets(content) else {
        return Embedded::Invalid("the section `signature` cannot be read".to_owned());
    };
    let digest: [u8; 32] = Sha256::digest(rest).into();
    let mut is_signed = false;
    for set in &sets {
        let message = [b"wasmsig\x01\x01\x01".as_slice(), set.hashes].concat();
        let signed = set.signatures.iter().find_map(|signature| signer(keys, &message, signature));
        let Some(key) = signed else { continue };
        is_signed = true;
        if set.hashes.chunks_exact(32).any(|hash| hash == digest) {
            return Embedded::Valid(key.hint().to_owned());
        }
    }
    Embedded::Invalid(match is_signed {
        true => "a trusted key has signed other bytes than these, or only a part of them".to_owned(),
        false => "no trusted key has signed it".to_owned(),
    })
}

struct Set<'a> {
    hashes: &'a [u8],
    signatures: Vec<&'a [u8]>,
}

/// Content of the signature section, and what follows it, if it is the first one.
fn signature_section(module: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = Reader(module.get(8..)?);
    if at.byte()? != 0 {
        return None;
    }
    let mut section = Reader(at.slice()?);
    (section.slice()? == b"signature").then_some((section.0, at.0))
}

fn has_later_section(module: &[u8]) -> bool {
    let mut at = Reader(module.get(8..).unwrap_or_default());
    while let Some(id) = at.byte() {
        let Some(section) = at.slice() else { return false };
        if id == 0 && Reader(section).slice() == Some(b"signature") {
            return true;
        }
    }
    false
}

fn sets(content: &[u8]) -> Option<Vec<Set<'_>>> {
    let mut at = Reader(content);
    // Version, content (a module), hash function (SHA-256).
    if [at.byte()?, at.byte()?, at.byte()?] != [1, 1, 1] {
        return None;
    }
    let count = at.number().filter(|count| *count <= HASHES_MAX)?;
    let mut sets = Vec::new();
    for _ in 0..count {
        let mut set = Reader(at.slice()?);
        let hashes = set.number().filter(|count| *count <= HASHES_MAX)?;
        let hashes = set.take(hashes as usize * 32)?;
        let count = set.number().filter(|count| *count <= SIGNATURES_MAX)?;
        let mut signatures = Vec::new();
        for _ in 0..count {
            let mut one = Reader(set.slice()?);
            let _key_id = one.slice()?;
            // Ed25519; others are not known.
            if one.byte()? == 1 {
                signatures.push(one.slice()?);
            }
        }
        sets.push(Set { hashes, signatures });
    }
    Some(sets)
}

/// Reads the numbers and texts of wasm.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u32> {
        let mut value = 0u64;
        for at in 0..5 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn slice(&mut self) -> Option<&'a [u8]> {
        let bytes = self.number()?;
        self.take(bytes as usize)
    }
}

/// A module with a signature section by that key; for tests and the checks' own flaws.
pub fn embed(module: &[u8], key: &autoclave_certificate::PrivateKey) -> Vec<u8> {
    let rest = module.get(8..).unwrap_or_default();
    let hash = Sha256::digest(rest);
    let signature = key.sign(&[b"wasmsig\x01\x01\x01".as_slice(), &hash].concat());
    let one = [&[0, 1, signature.len() as u8][..], &signature].concat();
    let set = [&[1][..], &hash, &[1, one.len() as u8], &one].concat();
    let mut section = b"\x09signature\x01\x01\x01\x01".to_vec();
    // Between 128 and 16,383 bytes: two digits of LEB128.
    section.extend([set.len() as u8 | 0x80, (set.len() >> 7) as u8]);
    section.extend(&set);
    let size = [section.len() as u8 | 0x80, (section.len() >> 7) as u8];
    [module.get(..8).unwrap_or_default(), &[0], &size, &section, rest].concat()
}
