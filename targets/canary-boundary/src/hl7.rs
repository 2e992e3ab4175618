//! HL7 v2 as fast as it can be read: byte by byte.

use wasm_bindgen::prelude::*;

/// What every message begins with.
const HEADER: &[u8; 8] = br"MSH|^~\&";

/// Bytes of the header that are right; for a whole header, 8 and the fields of the segment. `trap`, `poisoned`: the
/// sending application is taken for granted, and a segment that ends right behind `MSH|^~\&` has none; the module goes
/// on being used after that.
#[wasm_bindgen]
pub fn hl7(text: &str) -> usize {
    let bytes = text.as_bytes();
    // One step for each byte, as a hand-written reader has: each tells how far it came.
    macro_rules! expect {
        ($($at:literal)*) => {
            $(if bytes.get($at) != Some(&HEADER[$at]) {
                return $at;
            })*
        };
    }
    expect!(0 1 2 3 4 5 6 7);
    let Some(end) = bytes.iter().position(|byte| *byte == b'\r') else { return HEADER.len() };
    let fields: Vec<&[u8]> = bytes[..end].split(|byte| *byte == b'|').collect();
    let application = fields[2];
    HEADER.len() + fields.len() + usize::from(application.is_empty())
}

/// The text without escape sequences; those that are not known stay.
pub fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split('\\');
    out.push_str(pieces.next().unwrap_or_default());
    while let Some(code) = pieces.next() {
        let plain = match code {
            "F" => "|",
            "S" => "^",
            "T" => "&",
            "R" => "~",
            "E" => "\\",
            other => other,
        };
        out.push_str(plain);
        out.push_str(pieces.next().unwrap_or_default());
    }
    out
}
