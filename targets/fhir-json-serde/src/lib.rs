//! FHIR JSON read with serde_json: what a gateway does before it hands a resource on.
//!
//! `parse` reads the document, checks that it is a resource, walks entries and contained resources, pairs primitive
//! values with their `_` twins and resolves references inside a Bundle. It returns how many resources it saw.

use guest_abi::{Reading, Refusal};
use serde_json::{Map, Value};
use std::collections::HashSet;

guest_abi::entry!(parse, read);

fn read(bytes: &[u8]) -> Reading {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Encoding)?;
    let document: Value = serde_json::from_str(text).map_err(|_| Refusal::Syntax)?;
    let resource = document.as_object().ok_or(Refusal::Meaning)?;
    let mut walk = Walk::default();
    walk.resource(resource, Place::Top)?;
    walk.references_resolve()?;
    Ok(walk.resources)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Contained,
}

#[derive(Default)]
struct Walk<'a> {
    resources: i32,
    known: HashSet<&'a str>,
    wanted: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn resource(&mut self, resource: &'a Map<String, Value>, place: Place) -> Result<(), Refusal> {
        let kind = resource.get("resourceType").and_then(Value::as_str).ok_or(Refusal::Meaning)?;
        if kind.is_empty() || !kind.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(Refusal::Meaning);
        }
        self.resources += 1;
        if let Some(id) = resource.get("id") {
            let id = id.as_str().ok_or(Refusal::Meaning)?;
            if !is_id(id) {
                return Err(Refusal::Meaning);
            }
            self.known.insert(id);
        }
        if let Some(contained) = resource.get("contained") {
            if place == Place::Contained {
                return Err(Refusal::Meaning);
            }
            for inner in contained.as_array().ok_or(Refusal::Meaning)? {
                self.resource(inner.as_object().ok_or(Refusal::Meaning)?, Place::Contained)?;
            }
        }
        if kind == "Bundle" {
            self.bundle(resource)?;
        }
        self.elements(resource)
    }

    fn bundle(&mut self, bundle: &'a Map<String, Value>) -> Result<(), Refusal> {
        let entries = match bundle.get("entry") {
            None => return Ok(()),
            Some(entries) => entries.as_array().ok_or(Refusal::Meaning)?,
        };
        if let Some(total) = bundle.get("total") {
            let total = total.as_u64().ok_or(Refusal::Meaning)?;
            let paged = bundle.get("link").is_some();
            if !paged && total != entries.len() as u64 {
                return Err(Refusal::Meaning);
            }
        }
        for entry in entries {
            let entry = entry.as_object().ok_or(Refusal::Meaning)?;
            if let Some(url) = entry.get("fullUrl").and_then(Value::as_str) {
                self.known.insert(url);
            }
            if let Some(resource) = entry.get("resource") {
                self.resource(resource.as_object().ok_or(Refusal::Meaning)?, Place::Top)?;
            }
        }
        Ok(())
    }

    /// Elements of a resource or of a complex element: no null outside arrays, no empty object, `_name` beside `name`.
    fn elements(&mut self, object: &'a Map<String, Value>) -> Result<(), Refusal> {
        if object.is_empty() {
            return Err(Refusal::Meaning);
        }
        for (name, value) in object {
            if let Some(primitive) = name.strip_prefix('_') {
                pairs_up(object.get(primitive), value)?;
            }
            if name == "reference"
                && let Some(reference) = value.as_str()
            {
                self.wanted.push(reference);
            }
            match value {
                Value::Null => return Err(Refusal::Meaning),
                // Resources inside were walked as resources.
                Value::Array(_) if name == "entry" || name == "contained" => {}
                Value::Array(items) => {
                    if items.is_empty() {
                        return Err(Refusal::Meaning);
                    }
                    for item in items {
                        if let Value::Object(inner) = item {
                            self.elements(inner)?;
                        }
                    }
                }
                Value::Object(inner) => self.elements(inner)?,
                Value::Number(number) => decimal(number)?,
                Value::Bool(_) | Value::String(_) => {}
            }
        }
        Ok(())
    }

    /// Local references (`#x`, `urn:uuid:…`) must lead somewhere in the same document.
    fn references_resolve(&self) -> Result<(), Refusal> {
        let dangling = self.wanted.iter().any(|reference| {
            let target = reference.strip_prefix('#').unwrap_or(reference);
            let local = reference.starts_with('#') || reference.starts_with("urn:uuid:");
            local && !target.is_empty() && !self.known.contains(target)
        });
        if dangling { Err(Refusal::Meaning) } else { Ok(()) }
    }
}

/// `_given` must be as long as `given` where both are arrays, and of the same shape otherwise.
fn pairs_up(value: Option<&Value>, extension: &Value) -> Result<(), Refusal> {
    match (value, extension) {
        (None, Value::Object(_) | Value::Array(_)) => Ok(()),
        (Some(Value::Array(values)), Value::Array(extensions)) if values.len() == extensions.len() => Ok(()),
        (Some(Value::Array(_)), _) | (_, Value::Array(_)) => Err(Refusal::Meaning),
        (Some(_), Value::Object(_)) => Ok(()),
        _ => Err(Refusal::Meaning),
    }
}

/// A number that fits what the receiver computes with.
fn decimal(number: &serde_json::Number) -> Result<(), Refusal> {
    match number.as_f64() {
        Some(value) if value.is_finite() => Ok(()),
        _ => Err(Refusal::Meaning),
    }
}

/// The `id` datatype: 1 to 64 of letters, digits, `-` and `.`.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}
