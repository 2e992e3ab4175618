//! Inputs of whatever is named: a pack, a store of imports, a folder of `corpora/`, any folder, an archive or a file.

use crate::manifest::{self, Entry, Key, Kind, Origin};
use crate::source::{Item, item};
use crate::zip::Limits;
use crate::{CorpusError, archive, disk, import, pack, tarball};
use std::collections::BTreeMap;
use std::path::Path;

/// What a path was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `corpus pack` wrote it.
    Pack,
    /// `corpus import` wrote it.
    Store,
    /// Anything else.
    Files,
}

/// What a path is.
pub fn shape(path: &Path) -> Shape {
    if path.join(manifest::FILE).is_file() && path.join(pack::SUMS).is_file() {
        Shape::Pack
    } else if path.is_dir() && import::is_store(path) {
        Shape::Store
    } else {
        Shape::Files
    }
}

/// Every file of a pack, bytes by name.
pub fn pack_files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, CorpusError> {
    let mut files = BTreeMap::new();
    for name in disk::walk(folder)? {
        let bytes = disk::read(&folder.join(&name), disk::FILE_BYTES_MAX)?;
        files.insert(name, bytes);
    }
    Ok(files)
}

/// Manifest and contents of a pack. Only what cannot be read is an error; `verify` asks for more.
pub fn pack_items(folder: &Path) -> Result<Vec<Item>, CorpusError> {
    let file = folder.join(manifest::FILE);
    let entries =
        manifest::read(&disk::read(&file, disk::FILE_BYTES_MAX)?).map_err(|what| CorpusError::refused(&file, what))?;
    let file = folder.join(pack::ARCHIVE);
    let contents =
        tarball::read(&disk::read(&file, disk::FILE_BYTES_MAX)?).map_err(|what| CorpusError::refused(&file, what))?;
    let mut items = Vec::new();
    for entry in entries.into_values() {
        let name = pack::place(&entry);
        let Some(bytes) = contents.get(&name) else {
            return Err(CorpusError::refused(
                &file,
                format!("{name} is in the manifest and not in it; get the pack again"),
            ));
        };
        let expectation =
            entry.expectation.as_ref().and_then(|_| contents.get(&pack::expectation_place(&entry)).cloned());
        // The gate is asked again: what a stranger's manifest says of itself is not believed.
        let scanned =
            item(bytes.clone(), &entry.format, entry.kind, entry.origin.clone(), expectation, folder.join(name));
        items.push(Item { entry, ..scanned });
    }
    Ok(items)
}

/// Entries and inputs of whatever is there.
pub fn items(path: &Path) -> Result<Vec<Item>, CorpusError> {
    match shape(path) {
        Shape::Pack => pack_items(path),
        Shape::Store => import::load(path),
        Shape::Files => files(path),
    }
}

/// Entries by their keys.
pub fn entries(path: &Path) -> Result<BTreeMap<Key, Entry>, CorpusError> {
    Ok(manifest::merge(items(path)?.into_iter().map(|item| item.entry)))
}

fn files(path: &Path) -> Result<Vec<Item>, CorpusError> {
    let plain = |bytes: Vec<u8>, place: &Path| {
        let origin = Origin { how: "a file".to_owned(), version: None, seed: None, source: None };
        let format = place.components().rev().find_map(|part| {
            let name = part.as_os_str().to_str()?;
            KNOWN_FORMATS.contains(&name).then_some(name)
        });
        let format = format.unwrap_or("bytes").to_owned();
        let mut item = item(bytes, &format, Kind::Valid, origin, None, place.to_owned());
        item.entry.licence = "NOASSERTION".to_owned();
        item.entry.parents = None;
        item
    };
    if !path.is_dir() {
        let bytes = disk::read(path, disk::FILE_BYTES_MAX)?;
        return Ok(vec![plain(bytes, path)]);
    }
    // A folder of `corpora/`, or all of them: with what their manifests say.
    let home = path.ancestors().nth(2).map(|root| crate::source::Home { root: root.to_owned() });
    if let (Some(home), Some(format)) = (home, path.file_name().and_then(|name| name.to_str()))
        && path.join("manifest.tsv").is_file()
        && path.parent().is_some_and(|parent| parent.ends_with("corpora"))
    {
        return home.committed(format);
    }
    disk::walk(path)?
        .iter()
        .map(|name| Ok(plain(disk::read(&path.join(name), disk::FILE_BYTES_MAX)?, &path.join(name))))
        .collect()
}

const KNOWN_FORMATS: &[&str] = &["bytes", "deflate", "fhir-json", "fhir-ndjson", "fhir-xml", "gzip", "hl7v2", "json"];

/// Contents of an archive, for who wants to look before importing.
pub fn archive(path: &Path) -> Result<Vec<Vec<u8>>, CorpusError> {
    archive::read(path, &Limits::default())
}
