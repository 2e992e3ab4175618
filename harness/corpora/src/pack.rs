//! Packs: what is published of a corpus, for OSS-Fuzz, for registries and for people, from the same inputs.
//!
//! A pack is a function of its inputs: no clock, no names of users, no order of folders, one thread, fixed levels. What
//! the gate does not call clean, and what private data was near, is in none.

use crate::attest::{self, Predicate};
use crate::manifest::{self, Entry, Key, Kind, ScanResult, Taint};
use crate::source::{Home, Item, Target};
use crate::{CorpusError, digest, disk, oci, phi, tarball, zip};
use autoclave_certificate::PrivateKey;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Hashes of all files, in the form of `sha256sum`.
pub const SUMS: &str = "SHA256SUMS";
/// Everything in one file.
pub const ARCHIVE: &str = "corpus.tar.zst";
/// Folder of the OCI layout.
pub const OCI: &str = "oci";
/// Media type of [`ARCHIVE`] in it.
const ARCHIVE_TYPE: &str = "application/vnd.autoclave.corpus.v1.tar+zstd";
/// Media type of the manifest in it.
const MANIFEST_TYPE: &str = "application/vnd.autoclave.corpus.manifest.v1+jsonl";

/// What to pack.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Formats.
    pub formats: BTreeSet<String>,
    /// Targets, each with OSS-Fuzz's files.
    pub targets: BTreeSet<Target>,
}

impl Selection {
    /// What a word means: a target, or a format with all its targets; no word: everything.
    pub fn of(home: &Home, word: Option<&str>) -> Result<Self, CorpusError> {
        let (formats, targets) = (home.formats()?, home.targets()?);
        let is_packed = |target: &&Target| formats.contains(&target.format);
        let of_format =
            |format: &str| targets.iter().filter(is_packed).filter(|t| t.format == format).cloned().collect();
        let Some(word) = word else {
            return Ok(Self {
                formats: formats.iter().cloned().collect(),
                targets: targets.iter().filter(is_packed).cloned().collect(),
            });
        };
        if let Some(target) = targets.iter().filter(is_packed).find(|target| target.name == word) {
            return Ok(Self {
                formats: BTreeSet::from([target.format.clone()]),
                targets: BTreeSet::from([target.clone()]),
            });
        }
        if formats.iter().any(|format| format == word) {
            return Ok(Self { formats: BTreeSet::from([word.to_owned()]), targets: of_format(word) });
        }
        Err(CorpusError::refused(
            Path::new(word),
            format!(
                "no target with a corpus and no format; formats: {}; targets: `cargo xtask list`",
                formats.join(", ")
            ),
        ))
    }
}

/// Why an input is not in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// It is private, or may descend from what is.
    Tainted,
    /// The gate found something in it.
    Hit,
    /// The gate could not look at all of it.
    NotScanned,
}

impl LeftOut {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            LeftOut::Tainted => "tainted: private, or perhaps made from what is",
            LeftOut::Hit => "something in it could identify a person",
            LeftOut::NotScanned => "larger, when decoded, than what the gate looks at",
        }
    }
}

/// A pack in memory.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Its files by their names.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Its manifest.
    pub entries: BTreeMap<Key, Entry>,
    /// How many inputs are left out, and why.
    pub left_out: BTreeMap<LeftOut, usize>,
}

/// What came of packing.
#[derive(Debug)]
pub enum Packed {
    /// A pack.
    Pack(Box<Pack>),
    /// Committed inputs or dictionaries that the gate does not pass: nothing is packed until they are repaired.
    Blocked(Vec<(PathBuf, phi::Answer)>),
}

/// Everything that a selection may contain: committed inputs, and with `collected` what runs have found.
pub fn gather(home: &Home, selection: &Selection, collected: bool) -> Result<Vec<Item>, CorpusError> {
    let mut items = Vec::new();
    for format in &selection.formats {
        items.extend(home.committed(format)?);
        let imports = home.imports(format);
        if collected && imports.is_dir() {
            items.extend(crate::import::load(&imports)?);
        }
    }
    for target in selection.targets.iter().filter(|_| collected) {
        items.extend(home.collected(target)?);
    }
    Ok(items)
}

/// Packs items for targets, with dictionaries by format.
pub fn pack(
    items: Vec<Item>,
    targets: &BTreeSet<Target>,
    dictionaries: &BTreeMap<String, Vec<u8>>,
    key: Option<&PrivateKey>,
) -> Result<Packed, CorpusError> {
    let mut blocked = Vec::new();
    for (format, dictionary) in dictionaries {
        let answer = phi::scan(dictionary);
        if !answer.is_clean() {
            blocked.push((PathBuf::from(format!("{format}.dict")), answer));
        }
    }
    // Committed ones are ours to repair; collected and imported ones are many, and stay behind.
    let is_committed = |item: &Item| !item.entry.names.is_empty();
    for item in items.iter().filter(|item| is_committed(item) && item.entry.phi_scan.result != ScanResult::Clean) {
        blocked.push((item.place.clone(), item.answer.clone()));
    }
    if !blocked.is_empty() {
        blocked.sort_by(|a, b| a.0.cmp(&b.0));
        return Ok(Packed::Blocked(blocked));
    }
    let mut entries = manifest::merge(items.iter().map(|item| item.entry.clone()));
    manifest::spread_taint(&mut entries);
    let mut left_out: BTreeMap<LeftOut, usize> = BTreeMap::new();
    entries.retain(|_, entry| {
        let why = match (entry.taint, entry.phi_scan.result) {
            (Taint::Private, _) => LeftOut::Tainted,
            (_, ScanResult::Hit) => LeftOut::Hit,
            (_, ScanResult::Incomplete) => LeftOut::NotScanned,
            (Taint::None, ScanResult::Clean) => return true,
        };
        *left_out.entry(why).or_default() += 1;
        false
    });
    let contents: BTreeMap<Key, &Item> = items
        .iter()
        .map(|item| (item.entry.key(), item))
        .filter(|(key, item)| entries.get(key).is_some_and(|entry| entry.expectation == item.entry.expectation))
        .collect();
    let mut files = files(&entries, &contents, targets, dictionaries)?;
    files.insert(SUMS.to_owned(), sums(&files));
    if let Some(key) = key {
        let signature = attest::sign(&files, predicate(&entries), key);
        files.insert(attest::FILE.to_owned(), signature);
    }
    Ok(Packed::Pack(Box::new(Pack { files, entries, left_out })))
}

/// Writes a pack into a new folder, all or nothing.
pub fn write(pack: &Pack, folder: &Path) -> Result<(), CorpusError> {
    disk::write_folder(folder, pack.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))
}

/// What is signed of the entries.
pub fn predicate(entries: &BTreeMap<Key, Entry>) -> Predicate {
    let mut formats: BTreeMap<String, usize> = BTreeMap::new();
    for entry in entries.values() {
        *formats.entry(entry.format.clone()).or_default() += 1;
    }
    Predicate { entries: entries.len(), gate_version: phi::space::declared().version, formats }
}

/// `SHA256SUMS` of these files.
pub fn sums(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    files.iter().map(|(name, bytes)| format!("{}  {name}\n", digest::sha256(bytes))).collect::<String>().into_bytes()
}

/// Where an input lies in [`ARCHIVE`].
pub fn place(entry: &Entry) -> String {
    let folder = if is_trouble(entry) { "regressions" } else { "seeds" };
    format!("corpora/{}/{folder}/{}", entry.format, entry.sha1)
}

/// Where its expected tree lies.
pub fn expectation_place(entry: &Entry) -> String {
    format!("corpora/{}/expect/{}.json", entry.format, entry.sha1)
}

/// Whether an input makes a target fail, or may: OSS-Fuzz refuses targets whose seeds do.
fn is_trouble(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Regression | Kind::Bomb)
}

/// Whether an input is a seed of a target: well-formed, and not one of the vectors that test readers on purpose.
pub fn is_seed_of(entry: &Entry, target: &str) -> bool {
    entry.kind == Kind::Valid
        && !entry.expected.contains_key("conform")
        && (entry.targets.is_empty() || entry.targets.contains(target))
}

/// Whether an input is in the target's pack of regressions.
pub fn is_regression_of(entry: &Entry, target: &str) -> bool {
    is_trouble(entry) && (entry.targets.is_empty() || entry.targets.contains(target))
}

/// OSS-Fuzz's upper bounds for time and memory.
const OPTIONS: &str = "[libfuzzer]\nmax_len = 16384\ntimeout = 25\nrss_limit_mb = 2560\n";

/// The options of a target.
pub fn options(target: &str, has_dictionary: bool) -> Vec<u8> {
    let dictionary = if has_dictionary { format!("dict = {target}.dict\n") } else { String::new() };
    format!("{OPTIONS}{dictionary}").into_bytes()
}

fn files(
    entries: &BTreeMap<Key, Entry>,
    contents: &BTreeMap<Key, &Item>,
    targets: &BTreeSet<Target>,
    dictionaries: &BTreeMap<String, Vec<u8>>,
) -> Result<BTreeMap<String, Vec<u8>>, CorpusError> {
    let archive_failed = |name: &str, error: String| CorpusError::refused(Path::new(name), error);
    let manifest = manifest::write(entries);
    let mut all = BTreeMap::from([(manifest::FILE.to_owned(), manifest.clone())]);
    for (key, entry) in entries {
        let item = contents[key];
        all.insert(place(entry), item.bytes.clone());
        if let Some(expectation) = &item.expectation {
            all.insert(expectation_place(entry), expectation.clone());
        }
    }
    for (format, dictionary) in dictionaries {
        all.insert(format!("corpora/{format}/{format}.dict"), dictionary.clone());
    }
    let archive = tarball::write(&all).map_err(|error| archive_failed(ARCHIVE, error.to_string()))?;
    let mut files = BTreeMap::new();
    for target in targets {
        let name = &target.name;
        let of_format = || entries.iter().filter(|((_, format), _)| *format == target.format);
        let chosen = |wanted: fn(&Entry, &str) -> bool| -> BTreeMap<String, Vec<u8>> {
            of_format()
                .filter(|(_, entry)| wanted(entry, name))
                .map(|(key, entry)| (entry.sha1.clone(), contents[key].bytes.clone()))
                .collect()
        };
        let seeds = format!("{name}_seed_corpus.zip");
        let packed = zip::write(&chosen(is_seed_of)).map_err(|what| archive_failed(&seeds, what))?;
        files.insert(seeds, packed);
        let regressions = chosen(is_regression_of);
        if !regressions.is_empty() {
            let file = format!("{name}-regressions.tar.zst");
            let packed = tarball::write(&regressions).map_err(|error| archive_failed(&file, error.to_string()))?;
            files.insert(file, packed);
        }
        let dictionary = dictionaries.get(&target.format);
        if let Some(dictionary) = dictionary {
            files.insert(format!("{name}.dict"), dictionary.clone());
        }
        files.insert(format!("{name}.options"), options(name, dictionary.is_some()));
    }
    let parts = [(ARCHIVE, ARCHIVE_TYPE, archive.as_slice()), (manifest::FILE, MANIFEST_TYPE, manifest.as_slice())];
    files.extend(oci::write(&parts).into_iter().map(|(name, bytes)| (format!("{OCI}/{name}"), bytes)));
    files.insert(ARCHIVE.to_owned(), archive);
    files.insert(manifest::FILE.to_owned(), manifest);
    Ok(files)
}
