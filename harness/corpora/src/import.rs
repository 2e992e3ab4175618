//! Taking strangers' inputs in: into a store, which is a folder of batches, each named by what is in it.
//!
//! A batch appears whole, by one rename, or not at all, and is never changed: importing the same again changes nothing,
//! and the order of imports makes no difference. Inputs are called by their hashes. The names that they had are not
//! kept, because names of files name patients. Without licence and source, a batch is private: it never enters a pack.

use crate::manifest::{self, Kind, Origin, Taint};
use crate::source::{Item, item};
use crate::zip::Limits;
use crate::{CorpusError, archive, digest, disk};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is said of a batch.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// SPDX expression.
    pub licence: Option<String>,
    /// Where it comes from.
    pub source: Option<String>,
    /// Keep it private although both are known.
    pub private: bool,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Files in the archive.
    pub files: usize,
    /// Different inputs among them.
    pub inputs: usize,
    /// Of these, new to the store.
    pub fresh: usize,
    /// The batch's name.
    pub batch: String,
    /// Whether they may be published.
    pub taint: Taint,
}

/// Imports an archive or a folder into a store.
pub fn import(
    path: &Path,
    format: &str,
    store: &Path,
    terms: &Terms,
    limits: &Limits,
) -> Result<Imported, CorpusError> {
    if !manifest::is_plain(format) {
        return Err(CorpusError::refused(
            path,
            format!("{format:?} is no name of a format; see the folders in corpora/"),
        ));
    }
    let contents = archive::read(path, limits)?;
    let files = contents.len();
    let (licence, source) = (known(&terms.licence), known(&terms.source));
    let taint = match (&licence, &source, terms.private) {
        (Some(_), Some(_), false) => Taint::None,
        _ => Taint::Private,
    };
    let inputs: BTreeMap<String, Vec<u8>> = contents.into_iter().map(|bytes| (digest::sha256(&bytes), bytes)).collect();
    let known = if store.is_dir() { load(store)? } else { Vec::new() };
    let known: BTreeSet<String> = known.into_iter().map(|item| item.entry.sha256).collect();
    let fresh = inputs.keys().filter(|hash| !known.contains(*hash)).count();
    let mut output = BTreeMap::new();
    let mut entries = Vec::new();
    for (hash, bytes) in &inputs {
        let origin = Origin { how: "imported".to_owned(), version: None, seed: None, source: source.clone() };
        let mut item = item(bytes.clone(), format, Kind::Valid, origin, None, path.to_owned());
        item.entry.taint = taint;
        item.entry.licence = licence.clone().unwrap_or_else(|| "NOASSERTION".to_owned());
        // Whatever the stranger made them from.
        item.entry.parents = (taint == Taint::None).then(Default::default);
        entries.push(item.entry);
        output.insert(format!("inputs/{hash}"), bytes.as_slice());
    }
    let text = manifest::write(&manifest::merge(entries));
    let batch = digest::sha256(&text);
    output.insert(manifest::FILE.to_owned(), text.as_slice());
    let folder = store.join(&batch);
    if !folder.is_dir() {
        disk::write_folder(&folder, output.iter().map(|(name, bytes)| (name.as_str(), *bytes)))?;
    }
    Ok(Imported { files, inputs: inputs.len(), fresh, batch, taint })
}

/// What somebody wrote; nothing but space says nothing.
fn known(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.trim().is_empty())
}

/// Whether a folder is a store.
pub fn is_store(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| {
        digest::is_hex(&entry.file_name().to_string_lossy(), 64) && entry.path().join(manifest::FILE).is_file()
    })
}

/// Everything in a store, batches merged, in order. Bytes that are not what their name says are an error.
pub fn load(store: &Path) -> Result<Vec<Item>, CorpusError> {
    let mut entries = Vec::new();
    let mut contents = BTreeMap::new();
    let mut batches = Vec::new();
    for entry in std::fs::read_dir(store).map_err(CorpusError::io(store))? {
        let entry = entry.map_err(CorpusError::io(store))?;
        // Other names are imports that were interrupted.
        if digest::is_hex(&entry.file_name().to_string_lossy(), 64) {
            batches.push(entry.path());
        }
    }
    batches.sort();
    for batch in batches {
        let file = batch.join(manifest::FILE);
        let text = disk::read(&file, disk::FILE_BYTES_MAX)?;
        let listed =
            manifest::read(&text).map_err(|what| CorpusError::refused(&file, format!("{what}; import it again")))?;
        for (key, entry) in listed {
            let path = batch.join("inputs").join(&entry.sha256);
            let bytes = disk::read(&path, disk::FILE_BYTES_MAX)?;
            if digest::sha256(&bytes) != entry.sha256 {
                return Err(CorpusError::refused(
                    &path,
                    "its bytes are not those of its name; delete the batch and import it again",
                ));
            }
            contents.insert(key, (bytes, path));
            entries.push(entry);
        }
    }
    let mut merged = manifest::merge(entries);
    manifest::spread_taint(&mut merged);
    let mut items = Vec::new();
    for (key, entry) in merged {
        let (bytes, place) = contents.remove(&key).expect("each entry came with its bytes");
        let (_, answer) = manifest::PhiScan::of(&bytes);
        items.push(Item { entry, bytes, expectation: None, place, answer });
    }
    Ok(items)
}
