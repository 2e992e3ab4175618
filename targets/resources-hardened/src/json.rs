//! JSON as a tape: one node of eight bytes for each value, in the order of the text, and all strings in a row.

use guest_abi::{Reading, Refusal};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Careful: serde_json's own limit on depth (128) holds; an array has at most a hundred thousand elements; no value costs more than a few times its text, whatever it is,
/// and nothing of the result is nested. Returns the number of values.
pub fn read(bytes: &[u8]) -> Reading {
    let mut tape = Tape::default();
    let mut deserializer = serde_json::Deserializer::from_slice(crate::short(bytes)?);
    Value(&mut tape).deserialize(&mut deserializer).map_err(|_| Refusal::Syntax)?;
    deserializer.end().map_err(|_| Refusal::Syntax)?;
    let values = tape.nodes.iter().filter(|node| node.kind != Kind::Key).count();
    Ok(values as i32)
}

#[derive(Default)]
struct Tape {
    nodes: Vec<Node>,
    strings: String,
}

/// A value or a key.
struct Node {
    kind: Kind,
    /// Bytes of a string or key, nodes inside an array or object, else the value itself as far as it fits.
    extent: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Bool,
    Number,
    String,
    Key,
    Array,
    Object,
}

impl Tape {
    fn push(&mut self, kind: Kind, extent: u32) {
        self.nodes.push(Node { kind, extent });
    }

    fn text(&mut self, kind: Kind, text: &str) {
        self.strings.push_str(text);
        self.push(kind, text.len() as u32);
    }

    /// Fills in what is inside of the node at `at`, now that it ends.
    fn close(&mut self, at: usize) {
        self.nodes[at].extent = (self.nodes.len() - at - 1) as u32;
    }
}

/// Reads one value and puts it on the tape.
struct Value<'a>(&'a mut Tape);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.push(Kind::Null, 0);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.push(Kind::Bool, value.into());
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.push(Kind::Number, value as u32);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.push(Kind::Number, value as u32);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.push(Kind::Number, value as u32);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.text(Kind::String, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let at = self.0.nodes.len();
        self.0.push(Kind::Array, 0);
        let mut count = 0;
        while items.next_element_seed(Value(self.0))?.is_some() {
            count += 1;
            if count > crate::ITEMS_MAX {
                return Err(A::Error::custom("too many elements"));
            }
        }
        self.0.close(at);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let at = self.0.nodes.len();
        self.0.push(Kind::Object, 0);
        while members.next_key_seed(Key(self.0))?.is_some() {
            members.next_value_seed(Value(self.0))?;
        }
        self.0.close(at);
        Ok(())
    }
}

/// Reads the name of a member.
struct Key<'a>(&'a mut Tape);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.text(Kind::Key, text);
        Ok(())
    }
}
