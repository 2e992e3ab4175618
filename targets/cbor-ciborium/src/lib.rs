//! CBOR read with ciborium and its own limit (256 levels): any document becomes a tree of values. `parse` returns how
//! many there are.

use ciborium::Value;
use guest_abi::{Reading, Refusal};

guest_abi::entry!(parse, read);

fn read(bytes: &[u8]) -> Reading {
    let document: Value = ciborium::from_reader(bytes).map_err(|_| Refusal::Syntax)?;
    Ok(count(&document))
}

fn count(value: &Value) -> i32 {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<i32>(),
        Value::Map(members) => 1 + members.iter().map(|(key, value)| count(key) + count(value)).sum::<i32>(),
        Value::Tag(_, inner) => 1 + count(inner),
        _ => 1,
    }
}
