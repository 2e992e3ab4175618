//! Keeps a report readable whatever a module puts into it: long texts and long lists are cut, and say so.

use crate::escape;
use crate::record::Record;
use serde_json::Value;

/// `record` with every text and every list inside its bound.
pub fn clip(record: &Record) -> Record {
    let mut value = serde_json::to_value(record).expect("a record always serializes");
    clip_value("", &mut value);
    serde_json::from_value(value).expect("cutting keeps the shape")
}

fn clip_value(key: &str, value: &mut Value) {
    match value {
        Value::String(text) if text.len() > text_chars_max(key) => *text = escape::cut(text, text_chars_max(key)),
        Value::Array(items) => {
            items.truncate(list_items_max(key));
            items.iter_mut().for_each(|item| clip_value(key, item));
        }
        Value::Object(fields) => {
            let taken = std::mem::take(fields).into_iter().take(list_items_max(key));
            fields.extend(taken.map(|(key, mut value)| {
                clip_value(&key, &mut value);
                (escape::cut(&key, text_chars_max("")), value)
            }));
        }
        _ => {}
    }
}

/// Characters that a text of this field may have.
fn text_chars_max(key: &str) -> usize {
    match key {
        // What a reader reads: a panic message, a decoded input.
        "message" => 4_096,
        "decoded" => 16_384,
        // Linux takes paths of this length; commands hold several.
        "command_line" | "repro" | "libfuzzer" | "path" | "module_path" | "manifest_path" => 4_096,
        // Hex, twice `PREVIEW_BYTES_MAX`; longer than that is not ours.
        "preview_hex" => 2 * crate::record::PREVIEW_BYTES_MAX,
        // Names: generic Rust functions are long, but nobody reads on after this.
        _ => 512,
    }
}

/// Items that a list of this field may have.
fn list_items_max(key: &str) -> usize {
    match key {
        // A module of 100,000 functions would make a page that no browser likes.
        "functions" => 20_000,
        "findings" | "targets" | "checks" => 5_000,
        "series" => 1_000,
        // GitHub shows 100 locations of a code flow at once; deeper recursion repeats itself.
        "frames" => 100,
        _ => 500,
    }
}
