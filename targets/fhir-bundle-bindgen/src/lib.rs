//! What a web application asks about a FHIR Bundle before it shows it: [`summary`] says what is inside, [`check`] what
//! is wrong with it. Built with wasm-bindgen; the texts name elements and never quote values.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, UnwrapThrowExt};

/// Faults listed before the rest is only counted.
const FAULTS_SHOWN_MAX: usize = 20;

/// One line per resource type with its count, then the date range of the observations. Never fails: what cannot be
/// read is said in one line.
#[wasm_bindgen]
pub fn summary(text: &str) -> String {
    match parse(text.as_bytes()) {
        Ok(bundle) => bundle.summary(),
        Err(fault) => format!("not readable: {fault}"),
    }
}

/// Number of entries, or an error that lists what is wrong.
#[wasm_bindgen]
pub fn check(bytes: &[u8]) -> Result<u32, JsError> {
    count_or_faults(bytes).map_err(|faults| JsError::new(&faults))
}

/// [`check`] without JavaScript's error type.
pub fn count_or_faults(bytes: &[u8]) -> Result<u32, String> {
    let bundle = parse(bytes)?;
    let faults = bundle.faults();
    if faults.is_empty() {
        return Ok(bundle.entries.len() as u32);
    }
    let mut text = faults.iter().take(FAULTS_SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("\n");
    if let Some(more) = faults.len().checked_sub(FAULTS_SHOWN_MAX).filter(|more| *more > 0) {
        write!(text, "\nand {more} more").expect_throw("writing to a String");
    }
    Err(text)
}

struct Bundle {
    kind: String,
    entries: Vec<Entry>,
}

struct Entry {
    full_url: Option<String>,
    resource: Map<String, Value>,
}

fn parse(bytes: &[u8]) -> Result<Bundle, String> {
    let document: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("JSON fault in line {}, column {}", error.line(), error.column()))?;
    let Value::Object(mut bundle) = document else { return Err("the document is no object".to_owned()) };
    if bundle.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
        return Err("the resource is no Bundle".to_owned());
    }
    let kind = bundle.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut entries = Vec::new();
    match bundle.remove("entry") {
        None => {}
        Some(Value::Array(items)) => {
            for (at, item) in items.into_iter().enumerate() {
                let Value::Object(mut item) = item else { return Err(format!("entry {at} is no object")) };
                let full_url = item.get("fullUrl").and_then(Value::as_str).map(str::to_owned);
                match item.remove("resource") {
                    Some(Value::Object(resource)) => entries.push(Entry { full_url, resource }),
                    None => entries.push(Entry { full_url, resource: Map::new() }),
                    Some(_) => return Err(format!("the resource of entry {at} is no object")),
                }
            }
        }
        Some(_) => return Err("entry is no array".to_owned()),
    }
    Ok(Bundle { kind, entries })
}

impl Bundle {
    fn summary(&self) -> String {
        let mut counts = BTreeMap::<&str, u32>::new();
        let mut dates = BTreeSet::new();
        for entry in &self.entries {
            *counts.entry(entry.kind()).or_default() += 1;
            if let Some(date) = entry.resource.get("effectiveDateTime").and_then(Value::as_str).and_then(day) {
                dates.insert(date);
            }
        }
        let mut text = format!("Bundle of type {}\n", if self.kind.is_empty() { "unknown" } else { &self.kind });
        for (kind, count) in counts {
            text.push_str(&format!("{count} {kind}\n"));
        }
        if let (Some(first), Some(last)) = (dates.first(), dates.last()) {
            let (first, last) = (written(*first), written(*last));
            text.push_str(&format!("observed {first} to {last}\n"));
        }
        text
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !BUNDLE_TYPES.contains(&self.kind.as_str()) {
            faults.push("Bundle.type is missing or unknown".to_owned());
        }
        let mut urls = BTreeSet::new();
        for (at, entry) in self.entries.iter().enumerate() {
            if let Some(url) = &entry.full_url
                && !urls.insert(url.as_str())
            {
                faults.push(format!("entry {at}: fullUrl was used before"));
            }
            if entry.resource.is_empty() && self.kind != "transaction-response" {
                faults.push(format!("entry {at}: no resource"));
            } else {
                entry.faults(at, &mut faults);
            }
        }
        for (at, entry) in self.entries.iter().enumerate() {
            for reference in references(&entry.resource) {
                if reference.starts_with("urn:uuid:") && !urls.contains(reference) {
                    faults.push(format!("entry {at}: a reference leads out of the Bundle"));
                }
            }
        }
        faults
    }
}

const BUNDLE_TYPES: &[&str] = &[
    "document",
    "message",
    "transaction",
    "transaction-response",
    "batch",
    "batch-response",
    "history",
    "searchset",
    "collection",
];

impl Entry {
    fn kind(&self) -> &str {
        let known = self.resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        if known.is_empty() { "without a type" } else { known }
    }

    fn faults(&self, at: usize, faults: &mut Vec<String>) {
        match self.kind() {
            "Observation" => {
                for name in ["status", "code"] {
                    if !self.resource.contains_key(name) {
                        faults.push(format!("entry {at}: Observation.{name} is missing"));
                    }
                }
                let values = self.resource.keys().filter(|name| name.starts_with("value")).count();
                if values > 1 {
                    faults.push(format!("entry {at}: more than one Observation.value[x]"));
                }
                if let Some(text) = self.resource.get("effectiveDateTime").and_then(Value::as_str)
                    && day(text).is_none()
                {
                    faults.push(format!("entry {at}: Observation.effectiveDateTime is no date"));
                }
            }
            "Patient" => {
                if let Some(text) = self.resource.get("birthDate").and_then(Value::as_str)
                    && (text.len() > 10 || day(text).is_none())
                {
                    faults.push(format!("entry {at}: Patient.birthDate is no date"));
                }
            }
            "without a type" => faults.push(format!("entry {at}: no resourceType")),
            _ => {}
        }
    }
}

/// Every `reference` in a resource, however deep; the parser's own limit bounds the depth.
fn references(resource: &Map<String, Value>) -> Vec<&str> {
    let mut found = Vec::new();
    let mut open: Vec<&Value> = resource.values().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                found.extend(object.get("reference").and_then(Value::as_str));
                open.extend(object.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

/// Year, month and day at the start of a FHIR date or dateTime; month and day 1 where they are left out.
fn day(text: &str) -> Option<(u16, u8, u8)> {
    let date = text.split('T').next().unwrap_or_default();
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let fits = parts.next().is_none() && year >= 1 && (1..=days).contains(&day);
    fits.then_some((year, month as u8, day as u8))
}

/// A number of exactly that many digits.
fn digits(text: &str, count: usize) -> Option<u16> {
    if text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn written((year, month, day): (u16, u8, u8)) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}
