//! HL7 v2, byte by byte, with a check before every index.

use crate::{JsError, text};
use wasm_bindgen::prelude::*;

/// What every message begins with.
const HEADER: &[u8; 8] = br"MSH|^~\&";

/// Bytes of the header that are right; for a whole header, 8 and the fields of the segment.
#[wasm_bindgen]
pub fn hl7(bytes: Vec<u8>) -> usize {
    let right = HEADER.iter().zip(&bytes).take_while(|(expected, found)| expected == found).count();
    let Some(end) = bytes.iter().position(|byte| *byte == b'\r').filter(|_| right == HEADER.len()) else {
        return right;
    };
    let mut fields = bytes[..end].split(|byte| *byte == b'|');
    let has_no_application = fields.clone().nth(2).is_none_or(<[u8]>::is_empty);
    right + fields.by_ref().count() + usize::from(has_no_application)
}

/// The text without escape sequences; those that are not known stay.
#[wasm_bindgen]
pub fn unescape(bytes: Vec<u8>) -> Result<Vec<u8>, JsError> {
    let text = text(bytes)?;
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
    Ok(out.into_bytes())
}
