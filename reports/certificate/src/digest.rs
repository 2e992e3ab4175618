//! Digests of a module: of its bytes as deployed, and of the same without the sections that hold signatures.
//!
//! A signature that is embedded in a module changes the module's digest. A certificate therefore names both, so that a
//! host may, if its policy says so, still recognise a module that was signed after it was certified.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256, Sha384};
use std::fmt;

/// Custom sections that hold embedded signatures (WebAssembly tool conventions, `Signatures.md`).
pub const SIGNATURE_SECTIONS: [&[u8]; 2] = [b"signature", b"signature_delimiter"];

/// A SHA-256, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// That of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Text that is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is 64 digits 0-9 a-f")]
pub struct NotADigest;

impl std::str::FromStr for Sha256Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let digits = text.as_bytes();
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(NotADigest),
        };
        if digits.len() != 64 {
            return Err(NotADigest);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Sha256Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sha256".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "SHA-256, hexadecimal.", "pattern": "^[0-9a-f]{64}$" })
    }
}

/// The value of an `integrity` attribute, or of `fetch(url, { integrity })`: `sha384-` and base64.
pub fn integrity(bytes: &[u8]) -> String {
    format!("sha384-{}", STANDARD.encode(Sha384::digest(bytes)))
}

/// Bytes that are no WebAssembly: where its sections end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAModule {
    /// It does not begin as modules and components do.
    #[error("it does not begin with a WebAssembly header")]
    Header,
    /// The section that begins there does not end inside of the file.
    #[error("the section at byte {at} does not end inside of the file")]
    Section {
        /// Offset of its first byte.
        at: usize,
    },
}

/// SHA-256 of the module without [`SIGNATURE_SECTIONS`]; equal to that of the whole if it has none.
pub fn without_signatures(module: &[u8]) -> Result<Sha256Digest, NotAModule> {
    // Version 1 is a module, 13 in layer 1 a component; sections are framed alike.
    const HEADERS: [&[u8]; 2] = [b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"];
    if !HEADERS.iter().any(|header| module.starts_with(header)) {
        return Err(NotAModule::Header);
    }
    let mut hash = Sha256::new_with_prefix(&module[..8]);
    let mut at = 8;
    while at < module.len() {
        let wrong = NotAModule::Section { at };
        let (size, start) = leb128(module, at + 1).ok_or(wrong)?;
        let end = start.checked_add(size).filter(|end| *end <= module.len()).ok_or(wrong)?;
        if !(module[at] == 0 && holds_signature(&module[start..end])) {
            hash.update(&module[at..end]);
        }
        at = end;
    }
    Ok(Sha256Digest(hash.finalize().into()))
}

fn holds_signature(custom: &[u8]) -> bool {
    let name = leb128(custom, 0).and_then(|(size, start)| custom.get(start..start.checked_add(size)?));
    name.is_some_and(|name| SIGNATURE_SECTIONS.contains(&name))
}

/// An unsigned 32-bit number of at most five bytes, and where it ends.
fn leb128(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for i in 0..5 {
        let byte = *bytes.get(at + i)?;
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()? as usize, at + i + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [&[id, u8::try_from(content.len()).unwrap()][..], content].concat()
    }

    fn custom(name: &str, content: &[u8]) -> Vec<u8> {
        section(0, &[&[name.len() as u8], name.as_bytes(), content].concat())
    }

    #[test]
    fn only_signature_sections_are_left_out() {
        let header = b"\0asm\x01\0\0\0".to_vec();
        let types = section(1, &[0]);
        let plain = [header.clone(), types.clone()].concat();
        let expected = Sha256Digest::of(&plain);
        let check = |name: &str, parts: &[Vec<u8>], same: bool| {
            let module = parts.concat();
            assert_eq!(without_signatures(&module).unwrap() == expected, same, "{name}");
        };
        let signature = custom("signature", &[1, 2, 3]);
        check("plain", std::slice::from_ref(&plain), true);
        check("signed", &[header.clone(), signature.clone(), types.clone()], true);
        check("delimited", &[header.clone(), types.clone(), custom("signature_delimiter", &[0; 16])], true);
        check("other section", &[plain.clone(), custom("name", &[])], false);
        check("longer name", &[plain.clone(), custom("signatures", &[])], false);
        check("another id", &[plain.clone(), section(11, b"\x09signature")], false);
        check("name past its end", &[plain.clone(), section(0, b"\x20signature")], false);
    }

    #[test]
    fn what_is_no_module() {
        let check = |bytes: &[u8], expected| assert_eq!(without_signatures(bytes), Err(expected), "{bytes:?}");
        check(b"", NotAModule::Header);
        check(b"\0asm\x02\0\0\0", NotAModule::Header);
        let module = |rest: &[u8]| [b"\0asm\x01\0\0\0", rest].concat();
        check(&module(&[1]), NotAModule::Section { at: 8 });
        check(&module(&[1, 5, 0]), NotAModule::Section { at: 8 });
        check(&module(&[1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0]), NotAModule::Section { at: 10 });
        check(&module(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f]), NotAModule::Section { at: 8 });
    }

    #[test]
    fn known_values() {
        assert_eq!(
            Sha256Digest::of(b"").to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        // The example of the W3C's specification of subresource integrity, section 3.1.
        assert_eq!(
            integrity(b"alert('Hello, world.');"),
            "sha384-H8BRh8j48O9oYatfu5AZzq6A9RINhZO5H16dQZngK7T62em8MUt1FLm52t+eX6xO"
        );
        for wrong in ["", "E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"] {
            assert_eq!(wrong.parse::<Sha256Digest>(), Err(NotADigest));
        }
    }
}
