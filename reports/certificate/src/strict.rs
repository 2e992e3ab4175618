//! JSON without second meanings: no key twice, nothing behind the value, bounded in size and depth.
//!
//! Readers that disagree about the first or last of two equal keys have let forged documents pass (CVE-2017-12635), so
//! such a document has no meaning here.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

/// Deepest nesting of lists and objects; our own statements need seven.
pub const DEPTH_MAX: usize = 16;

/// Why bytes are no such JSON.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    /// More bytes than allowed.
    #[error("{bytes} bytes, at most {bytes_max} are read")]
    TooLarge {
        /// How many there are.
        bytes: usize,
        /// How many may be.
        bytes_max: usize,
    },
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("nested more than {DEPTH_MAX} deep")]
    TooDeep,
    /// An object with one key twice.
    #[error("the key `{0}` comes twice")]
    DuplicateKey(String),
    /// Something behind the value.
    #[error("something follows the JSON value")]
    Trailing,
    /// No JSON, or not of the shape that is wanted.
    #[error("{0}")]
    Malformed(String),
}

/// Reads one value and nothing else.
pub fn read<T: DeserializeOwned>(bytes: &[u8], bytes_max: usize) -> Result<T, StrictError> {
    if bytes.len() > bytes_max {
        return Err(StrictError::TooLarge { bytes: bytes.len(), bytes_max });
    }
    scan(bytes)?;
    serde_json::from_slice(bytes).map_err(malformed)
}

/// Walks over the whole text once, for what typed reading does not see: maps take the last of two equal keys.
fn scan(bytes: &[u8]) -> Result<(), StrictError> {
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let result = Scan { depth: 0, fault: &fault }.deserialize(&mut reader);
    if let Some(fault) = fault.take() {
        return Err(fault);
    }
    result.map_err(malformed)?;
    reader.end().map_err(|_| StrictError::Trailing)
}

fn malformed(error: serde_json::Error) -> StrictError {
    StrictError::Malformed(crate::reason::shown(&error.to_string()))
}

#[derive(Clone, Copy)]
struct Scan<'a> {
    depth: usize,
    /// Typed, since an error of serde is only text.
    fault: &'a Cell<Option<StrictError>>,
}

impl Scan<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            self.fault.set(Some(StrictError::TooDeep));
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut seen = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                self.fault.set(Some(StrictError::DuplicateKey(crate::reason::shown(&key))));
                return Err(serde::de::Error::custom("a key comes twice"));
            }
            entries.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused() {
        let deep = "[".repeat(DEPTH_MAX + 1) + &"]".repeat(DEPTH_MAX + 1);
        let very_deep = "[".repeat(100_000);
        let cases: &[(&str, fn(&StrictError) -> bool)] = &[
            (r#"{"a":1,"a":1}"#, |e| matches!(e, StrictError::DuplicateKey(key) if key == "a")),
            (r#"{"a":1,"\u0061":2}"#, |e| matches!(e, StrictError::DuplicateKey(_))),
            (r#"[{"b":{"a":1,"c":[],"a":2}}]"#, |e| matches!(e, StrictError::DuplicateKey(_))),
            ("{} {}", |e| matches!(e, StrictError::Trailing)),
            ("{}x", |e| matches!(e, StrictError::Trailing)),
            ("1\0", |e| matches!(e, StrictError::Trailing)),
            (&deep, |e| matches!(e, StrictError::TooDeep)),
            (&very_deep, |e| matches!(e, StrictError::TooDeep)),
            ("{\"a\":1,}", |e| matches!(e, StrictError::Malformed(_))),
            ("", |e| matches!(e, StrictError::Malformed(_))),
            ("\u{feff}{}", |e| matches!(e, StrictError::Malformed(_))),
            ("NaN", |e| matches!(e, StrictError::Malformed(_))),
            ("\"\\ud800\"", |e| matches!(e, StrictError::Malformed(_))),
        ];
        for (text, fits) in cases {
            let error = read::<serde_json::Value>(text.as_bytes(), 1 << 20).expect_err(text);
            assert!(fits(&error), "{}: {error}", &text[..text.len().min(40)]);
        }
        assert!(matches!(read::<u8>(b"123", 2), Err(StrictError::TooLarge { bytes: 3, bytes_max: 2 })));
        assert!(read::<serde_json::Value>(b"\"\xff\"", 9).is_err(), "no UTF-8");
    }

    #[test]
    fn what_is_read() {
        let deep = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
        for text in [r#"{"a":{"a":[1,-2,3.5,null,true,"x"]},"b":{"a":1}}"#, " 1 ", &deep] {
            assert!(read::<serde_json::Value>(text.as_bytes(), 1 << 20).is_ok(), "{text}");
        }
    }
}
