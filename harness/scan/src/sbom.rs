//! Bills of materials in CycloneDX JSON: read beside a module, and written for a module whose lock file is known.
//! <https://cyclonedx.org/docs/1.6/json/>

use crate::lock::{self, Locked};
use crate::subject::Subject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Components that are read, and components within components.
const COMPONENTS_MAX: usize = 100_000;
const DEPTH_MAX: usize = 16;

/// What a bill says of the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Its digest, as it is.
    Names,
    /// A digest of it that is another's.
    NamesAnother(String),
    /// No digest of it.
    Silent,
}

/// Whether a text is a CycloneDX bill of materials, and what it says of the module.
///
/// # Errors
/// It is none, or breaks a rule of the format.
pub fn read(text: &str, name: &str, sha: &dyn Fn(&str) -> Option<String>) -> Result<Said, String> {
    let bill: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    if bill.get("SPDXID").is_some() || bill.get("spdxVersion").is_some() {
        return Err("SPDX is not read; give the bill of materials as CycloneDX JSON".to_owned());
    }
    let word = |key: &str| bill.get(key).and_then(Value::as_str);
    if word("bomFormat") != Some("CycloneDX") {
        return Err("no CycloneDX: `bomFormat` does not say so".to_owned());
    }
    if !word("specVersion").is_some_and(|version| ["1.4", "1.5", "1.6", "1.7"].contains(&version)) {
        return Err("`specVersion` is not one of 1.4, 1.5, 1.6, 1.7".to_owned());
    }
    let mut all = Vec::new();
    if let Some(subject) = bill.pointer("/metadata/component") {
        collect(subject, 0, &mut all)?;
    }
    for component in list(&bill, "components")? {
        collect(component, 0, &mut all)?;
    }
    let mut another = None;
    for (at, component) in all.iter().enumerate() {
        for hash in list(component, "hashes")? {
            let (Some(algorithm), Some(content)) =
                (hash.get("alg").and_then(Value::as_str), hash.get("content").and_then(Value::as_str))
            else {
                return Err("a hash without `alg` or `content`".to_owned());
            };
            let Some(own) = sha(algorithm) else { continue };
            if own.eq_ignore_ascii_case(content) {
                return Ok(Said::Names);
            }
            // Of the first one, or of one with the module's name.
            let named = component.get("name").and_then(Value::as_str).unwrap_or_default();
            let named = named.rsplit('/').next().unwrap_or_default();
            let is_subject = at == 0 && bill.pointer("/metadata/component").is_some();
            if is_subject || named == name || format!("{named}.wasm") == name {
                another = Some(format!("{algorithm} {}…", content.chars().take(16).collect::<String>()));
            }
        }
    }
    Ok(another.map_or(Said::Silent, Said::NamesAnother))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    match value.get(key) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(format!("`{key}` is no list")),
    }
}

fn collect<'a>(component: &'a Value, depth: usize, all: &mut Vec<&'a Value>) -> Result<(), String> {
    if depth > DEPTH_MAX || all.len() > COMPONENTS_MAX {
        return Err("too many components, or components within components".to_owned());
    }
    for key in ["type", "name"] {
        if component.get(key).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(format!("a component without `{key}`"));
        }
    }
    all.push(component);
    list(component, "components")?.iter().try_for_each(|inner| collect(inner, depth + 1, all))
}

/// A bill of materials for a module whose sources have a `Cargo.lock`: the module with its digests, the packages that
/// it is built with, and which needs which. The same inputs give the same bytes; there is no time in it.
///
/// # Errors
/// There are no sources, or no lock file among them.
pub fn write(subject: &Subject) -> Result<String, String> {
    let source = subject.source.as_ref().ok_or("no sources are known; give them with --source")?;
    let lock =
        source.file("Cargo.lock").ok_or("no Cargo.lock among the sources; `cargo generate-lockfile` makes one")?;
    let all = lock::cargo(&lock.text())?;
    let packages = lock::reachable(&all, source.package.as_deref());
    let facts = subject.module_facts();
    let root = format!("module:{}", facts.sha256);
    let purl = |one: &Locked| format!("pkg:cargo/{}@{}", one.name, one.version.replace('+', "%2B"));
    let reference = |one: &Locked| match &one.source {
        Some(source) if !one.is_from_crates_io() => {
            format!("{}?vcs_url={}", purl(one), source.replace(['&', ' '], "%20"))
        }
        _ => purl(one),
    };
    let components = packages.iter().map(|one| {
        let mut component = json!({
            "type": "library",
            "bom-ref": reference(one),
            "name": one.name,
            "version": one.version,
            "purl": purl(one),
        });
        if let Some(checksum) = &one.checksum {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        component
    });
    let by_name: BTreeMap<(&str, &str), &Locked> =
        packages.iter().map(|one| ((one.name.as_str(), one.version.as_str()), *one)).collect();
    let needs = |one: &Locked| {
        let mut needed: Vec<String> = Vec::new();
        for dependency in &one.dependencies {
            let mut words = dependency.split(' ');
            let name = words.next().unwrap_or_default();
            let found = match words.next() {
                Some(version) => by_name.get(&(name, version)).copied(),
                None => packages.iter().find(|one| one.name == name).copied(),
            };
            needed.extend(found.map(reference));
        }
        needed.sort();
        needed.dedup();
        needed
    };
    // Without a package that is the root, nobody knows which of them the module needs itself.
    let direct: Vec<String> = match &source.package {
        Some(_) => packages.first().map(|one| reference(one)).into_iter().collect(),
        None => packages.iter().map(|one| reference(one)).collect(),
    };
    let mut dependencies = vec![json!({ "ref": root, "dependsOn": direct })];
    dependencies.extend(packages.iter().map(|one| json!({ "ref": reference(one), "dependsOn": needs(one) })));
    let mut bill = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "file",
                "bom-ref": root,
                "name": subject.name,
                "mime-type": "application/wasm",
                "hashes": [
                    { "alg": "SHA-256", "content": facts.sha256 },
                    { "alg": "SHA-384", "content": hex(&sha2::Sha384::digest(&subject.bytes)) },
                ],
            },
            "tools": { "components": [{
                "type": "application",
                "name": "autoclave",
                "version": env!("CARGO_PKG_VERSION"),
            }] },
        },
        "components": components.collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    // Named by its content: a version 8 UUID, whose digits are ours to choose.
    let digest = hex(&Sha256::digest(bill.to_string().as_bytes()));
    let serial = format!(
        "urn:uuid:{}-{}-8{}-9{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[13..16],
        &digest[17..20],
        &digest[20..32]
    );
    bill["serialNumber"] = json!(serial);
    Ok(serde_json::to_string_pretty(&bill).expect("a bill is text") + "\n")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
