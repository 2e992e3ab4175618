//! The component of `answers-naive`, repaired: an answer is bounded by the input or by a constant, and nothing of a
//! call is left for the next.

use flate2::read::DeflateDecoder;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io::Read;

wit_bindgen::generate!({ world: "answers", path: "wit" });

struct Answers;

export!(Answers);

/// Longest document that is looked at.
const DOCUMENT_BYTES_MAX: usize = 8 << 20;
/// Most that a document may unpack to,
const UNPACKED_BYTES_MAX: usize = 64 << 20;
/// and how many times its own size,
const RATIO_MAX: usize = 40;
/// except that so much is always allowed.
const UNPACKED_BYTES_FREE: usize = 64 << 10;
/// Brackets in brackets.
const DEPTH_MAX: usize = 128;

impl Guest for Answers {
    /// Careful: the error says where, not what: a log is no place for the patient's data, and this fits on a line.
    fn explain(document: String) -> Result<u32, String> {
        match serde_json::from_str::<IgnoredAny>(short(&document)?) {
            Ok(_) => Ok(document.len() as u32),
            Err(error) => Err(place(&error)),
        }
    }

    /// Careful: the output is bounded by the input. It is kept in pieces and joined once: a vector that doubles would
    /// take three times its length, not twice.
    fn unpack(document: Vec<u8>) -> Result<Vec<u8>, String> {
        let room = (short(&document)?.len() * RATIO_MAX).clamp(UNPACKED_BYTES_FREE, UNPACKED_BYTES_MAX);
        let mut decoder = DeflateDecoder::new(document.as_slice());
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut unpacked = 0;
        let mut buffer = [0; 16 << 10];
        loop {
            let count = decoder.read(&mut buffer).map_err(|_| "no deflate stream".to_owned())?;
            unpacked += count;
            match count {
                0 => return Ok(pieces.concat()),
                _ if unpacked > room => return Err("expands beyond measure".to_owned()),
                _ => pieces.push(buffer[..count].to_vec()),
            }
        }
    }

    /// Careful: what is open is the call's own, and bounded.
    fn depth(document: String) -> Result<u32, String> {
        let mut open = Vec::new();
        let mut deepest = 0;
        let mut bytes = short(&document)?.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'[' | b'{' if open.len() == DEPTH_MAX => return Err("too deep".to_owned()),
                b'[' | b'{' => open.push(byte),
                // The bracket that closes comes two after the one that opens.
                b']' | b'}' if open.pop() == Some(byte - 2) => {}
                b']' | b'}' => return Err("closed, but not opened".to_owned()),
                b'"' => skip_string(&mut bytes)?,
                _ => {}
            }
            deepest = deepest.max(open.len());
        }
        if open.is_empty() { Ok(deepest as u32) } else { Err("opened, but not closed".to_owned()) }
    }

    /// Careful: looks at each string as it comes by and keeps none.
    fn untidy(document: String) -> Result<u32, String> {
        let mut deserializer = serde_json::Deserializer::from_str(short(&document)?);
        let mut count = 0;
        Untidy(&mut count).deserialize(&mut deserializer).map_err(|error| place(&error))?;
        deserializer.end().map_err(|error| place(&error))?;
        Ok(count)
    }
}

fn short<T: AsRef<[u8]> + ?Sized>(document: &T) -> Result<&T, String> {
    if document.as_ref().len() > DOCUMENT_BYTES_MAX { Err("too long".to_owned()) } else { Ok(document) }
}

fn place(error: &serde_json::Error) -> String {
    format!("no JSON in line {}, column {}", error.line(), error.column())
}

/// Moves on behind the closing quote.
fn skip_string(bytes: &mut std::str::Bytes<'_>) -> Result<(), String> {
    loop {
        match bytes.next() {
            Some(b'"') => return Ok(()),
            Some(b'\\') => drop(bytes.next()),
            Some(_) => {}
            None => return Err("a string does not end".to_owned()),
        }
    }
}

/// Counts strings with white space around them. Names of members are not looked at, as in a tree.
struct Untidy<'a>(&'a mut u32);

impl<'de> DeserializeSeed<'de> for Untidy<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Untidy<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        *self.0 += u32::from(text.trim().len() < text.len());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Untidy(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while members.next_key::<IgnoredAny>()?.is_some() {
            members.next_value_seed(Untidy(self.0))?;
        }
        Ok(())
    }
}
