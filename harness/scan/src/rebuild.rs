//! Records of rebuilds: two clean builds of the same sources in two folders, and whether they gave the same bytes. The
//! builds are made by `cargo xtask scan TARGET --rebuild`; here is what is written about them and read again.

use crate::ScanError;
use crate::subject::source_hash;
use autoclave_certificate::digest::Sha256Digest;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What two builds gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The target.
    pub target: String,
    /// SHA-256 of its sources, as [`source_hash`] has it.
    pub source_sha256: String,
    /// SHA-256 of the module that each build gave.
    pub modules: [String; 2],
    /// The first byte in which they differ.
    pub differ_at: Option<u64>,
}

impl Record {
    /// Compares two builds of the sources in `source`.
    ///
    /// # Errors
    /// The sources cannot be read.
    pub fn of(target: &str, source: &Path, builds: [&[u8]; 2]) -> Result<Record, ScanError> {
        let [first, second] = builds;
        let differs = first.iter().zip(second).position(|(a, b)| a != b);
        let differs = differs.or((first.len() != second.len()).then(|| first.len().min(second.len())));
        Ok(Record {
            target: target.to_owned(),
            source_sha256: source_hash(source)?,
            modules: [first, second].map(|bytes| Sha256Digest::of(bytes).to_string()),
            differ_at: differs.map(|at| at as u64),
        })
    }

    /// The record as a file.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a record is text");
        text + "\n"
    }
}

/// Reads a record, and whether it is about the sources as they are now.
///
/// # Errors
/// It is no record, the sources are not known, or they have changed.
pub fn check(text: &str, source: Option<&Path>) -> Result<Record, String> {
    let record: Record = serde_json::from_str(text)
        .map_err(|error| format!("the record of the rebuild cannot be read ({error}); rebuild again with --rebuild"))?;
    let Some(source) = source else {
        return Err("there is a record of a rebuild, but no sources to compare it with; give --source".to_owned());
    };
    let now = source_hash(source).map_err(|error| error.to_string())?;
    if now != record.source_sha256 {
        return Err("the sources have changed since they were rebuilt; rebuild again with --rebuild".to_owned());
    }
    Ok(record)
}
