//! A component whose answers are the flaw: what it says of an input, what it gives back for it, what it remembers of
//! it, and how much it holds meanwhile. Its twin is `answers-hardened`.

use flate2::read::DeflateDecoder;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::io::Read;
use std::sync::Mutex;

wit_bindgen::generate!({ world: "answers", path: "wit" });

struct Answers;

export!(Answers);

/// Brackets that are open. It lives on, so that no call has to make it again.
static OPEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

impl Guest for Answers {
    /// Careless: the error quotes the document, so that whoever reads the log can see what was wrong with the patient.
    fn explain(document: String) -> Result<u32, String> {
        match serde_json::from_str::<IgnoredAny>(&document) {
            Ok(_) => Ok(document.len() as u32),
            Err(error) => Err(format!("{error} in {document}")),
        }
    }

    /// Careless: gives back whatever comes out.
    fn unpack(document: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut unpacked = Vec::new();
        DeflateDecoder::new(document.as_slice()).read_to_end(&mut unpacked).map_err(|error| error.to_string())?;
        Ok(unpacked)
    }

    /// Careless: what a refused document left open is still open when the next one begins.
    fn depth(document: String) -> Result<u32, String> {
        let mut open = OPEN.lock().map_err(|error| error.to_string())?;
        let mut deepest = 0;
        let mut bytes = document.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
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

    /// Careless: a tree, a copy of it to clean, and both as text to be sure. Each is a few times the document, which
    /// nobody notices with a short one.
    fn untidy(document: String) -> Result<u32, String> {
        let before: Value = serde_json::from_str(&document).map_err(|error| error.to_string())?;
        let mut after = before.clone();
        let count = trim(&mut after);
        let (before, after) = (before.to_string(), after.to_string());
        if (before == after) == (count == 0) { Ok(count) } else { Err("the copy went wrong".to_owned()) }
    }
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

/// Returns how many strings were trimmed.
fn trim(value: &mut Value) -> u32 {
    match value {
        Value::Array(items) => items.iter_mut().map(trim).sum(),
        Value::Object(members) => members.values_mut().map(trim).sum(),
        Value::String(text) if text.trim().len() < text.len() => {
            *text = text.trim().to_owned();
            1
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}
