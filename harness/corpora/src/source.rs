//! Inputs of a source tree: what is committed under `corpora/`, what runs have collected under `.autoclave/state`, and
//! what was imported under `.autoclave/imports`.

use crate::manifest::{Entry, Kind, Origin, PhiScan, Taint, is_plain};
use crate::phi::{Answer, Hit};
use crate::{CorpusError, digest, disk, import};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One input, longest, bytes.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// A source tree.
#[derive(Debug, Clone)]
pub struct Home {
    /// The folder that holds `targets/` and `corpora/`.
    pub root: PathBuf,
}

/// An input with what is known of it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its entry.
    pub entry: Entry,
    /// It.
    pub bytes: Vec<u8>,
    /// The canonical tree that readers should see.
    pub expectation: Option<Vec<u8>>,
    /// Where it is, for messages.
    pub place: PathBuf,
    /// What the gate says of it and of its expectation.
    pub answer: Answer,
}

/// A target with a corpus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its format.
    pub format: String,
}

impl Home {
    /// The source tree around a folder.
    pub fn around(folder: &Path) -> Result<Self, CorpusError> {
        let is_root = |folder: &&Path| folder.join("targets").is_dir() && folder.join("corpora").is_dir();
        let root = folder.ancestors().find(is_root).ok_or_else(|| {
            CorpusError::refused(folder, "no source tree (`targets/` and `corpora/`) here or above; go into one")
        })?;
        Ok(Self { root: root.to_owned() })
    }

    /// Formats that have a folder.
    pub fn formats(&self) -> Result<Vec<String>, CorpusError> {
        let folder = self.root.join("corpora");
        let mut formats = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(CorpusError::io(&folder))? {
            let entry = entry.map_err(CorpusError::io(&folder))?;
            if entry.path().join("manifest.tsv").is_file() {
                formats.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        formats.sort();
        Ok(formats)
    }

    /// Targets that name a format.
    pub fn targets(&self) -> Result<Vec<Target>, CorpusError> {
        let folder = self.root.join("targets");
        let mut targets = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(CorpusError::io(&folder))? {
            let entry = entry.map_err(CorpusError::io(&folder))?;
            let file = entry.path().join("target.toml");
            if !file.is_file() {
                continue;
            }
            let text = disk::read(&file, 1 << 20)?;
            let table: toml::Table = toml::from_str(&String::from_utf8_lossy(&text))
                .map_err(|error| CorpusError::refused(&file, format!("cannot be read: {error}")))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(format) = table.get("format").and_then(toml::Value::as_str) {
                if !is_plain(&name) || !is_plain(format) {
                    return Err(CorpusError::refused(
                        &file,
                        "a name with other characters than a-z, 0-9, - and _; rename it",
                    ));
                }
                targets.push(Target { name, format: format.to_owned() });
            }
        }
        targets.sort();
        Ok(targets)
    }

    /// The dictionary of a format.
    pub fn dictionary(&self, format: &str) -> Result<Option<Vec<u8>>, CorpusError> {
        let file = self.root.join("corpora").join(format).join(format!("{format}.dict"));
        if file.is_file() { disk::read(&file, 4 << 20).map(Some) } else { Ok(None) }
    }

    /// Committed inputs of a format. Its `manifest.tsv` names every file, and no other.
    pub fn committed(&self, format: &str) -> Result<Vec<Item>, CorpusError> {
        let folder = self.root.join("corpora").join(format);
        let manifest = folder.join("manifest.tsv");
        let text = disk::read(&manifest, 16 << 20)?;
        let text = String::from_utf8_lossy(&text);
        let wrong = |what: String| {
            CorpusError::refused(&manifest, format!("{what}; run `python3 corpora/make.py --manifests`"))
        };
        let mut rows = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let [path, sha256, _, licence, how] = line.split('\t').collect::<Vec<_>>()[..] else {
                return Err(wrong(format!("a line has not five columns: {line:?}")));
            };
            rows.insert(path.to_owned(), (sha256.to_owned(), licence.to_owned(), how.to_owned()));
        }
        let mut files = BTreeMap::new();
        for name in disk::walk(&folder)?.into_iter().filter(|name| name.contains('/')) {
            let bytes = disk::read(&folder.join(&name), INPUT_BYTES_MAX)?;
            match rows.get(&name) {
                None => return Err(wrong(format!("{name} is not in it"))),
                Some((sha256, _, _)) if *sha256 != digest::sha256(&bytes) => {
                    return Err(wrong(format!("{name} is not what it says")));
                }
                Some(_) => files.insert(name, bytes),
            };
        }
        if let Some(missing) = rows.keys().find(|name| !files.contains_key(*name)) {
            return Err(wrong(format!("{missing} is missing")));
        }
        let mut items = Vec::new();
        for (name, bytes) in &files {
            if name.ends_with(".expect.json") && files.contains_key(name.trim_end_matches(".expect.json")) {
                continue;
            }
            let expectation = files.get(&format!("{name}.expect.json")).cloned();
            let (_, licence, how) = &rows[name];
            let Some((kind, check, verdict)) = purpose(name) else {
                return Err(CorpusError::refused(
                    &folder.join(name),
                    "nothing says what it is for; put it into seeds/, vectors/ (accept-, reject-, either-) or regressions/",
                ));
            };
            let origin = Origin { how: how.clone(), version: None, seed: None, source: None };
            let mut item = item(bytes.clone(), format, kind, origin, expectation, folder.join(name));
            item.entry.pin = kind != Kind::Valid || check == "conform";
            item.entry.expected.insert(check.to_owned(), verdict);
            item.entry.names.insert(name.clone());
            item.entry.licence = licence.clone();
            items.push(item);
        }
        Ok(items)
    }

    /// What runs have collected of a target, pinned inputs among them. Nobody knows their parents: once a private input
    /// was imported for the format, all of it is tainted.
    pub fn collected(&self, target: &Target) -> Result<Vec<Item>, CorpusError> {
        let folder = self.root.join(".autoclave/state").join(&target.name);
        let is_private = self.has_private(&target.format)?;
        let mut items = Vec::new();
        if !folder.is_dir() {
            return Ok(items);
        }
        for name in disk::walk(&folder)? {
            let parts: Vec<&str> = name.split('/').collect();
            let [_, kept @ ("corpus" | "pinned"), hash] = parts[..] else { continue };
            let bytes = disk::read(&folder.join(&name), INPUT_BYTES_MAX)?;
            // As the engine: bytes that do not match their name are somebody else's.
            if !digest::is_hex(hash, 64) || digest::sha256(&bytes) != hash {
                continue;
            }
            let is_pinned = kept == "pinned";
            let origin = Origin { how: "autoclave fuzz".to_owned(), version: None, seed: None, source: None };
            let kind = if is_pinned { Kind::Bomb } else { Kind::Valid };
            let mut item = item(bytes, &target.format, kind, origin, None, folder.join(&name));
            item.entry.pin = is_pinned;
            item.entry.parents = None;
            item.entry.targets.insert(target.name.clone());
            item.entry.licence = "CC0-1.0".to_owned();
            let (check, verdict) = if is_pinned { ("resource-contract", "FAIL") } else { ("crash", "PASS") };
            item.entry.expected.insert(check.to_owned(), verdict.to_owned());
            if is_private {
                item.entry.taint = Taint::Private;
            }
            items.push(item);
        }
        Ok(items)
    }

    /// Where imports of a format go.
    pub fn imports(&self, format: &str) -> PathBuf {
        self.root.join(".autoclave/imports").join(format)
    }

    /// Whether anything private was ever imported for a format.
    fn has_private(&self, format: &str) -> Result<bool, CorpusError> {
        let folder = self.imports(format);
        let items = if folder.is_dir() { import::load(&folder)? } else { Vec::new() };
        Ok(items.iter().any(|item| item.entry.taint == Taint::Private))
    }
}

/// An input with its hashes and what the gate says.
pub fn item(
    bytes: Vec<u8>,
    format: &str,
    kind: Kind,
    origin: Origin,
    expectation: Option<Vec<u8>>,
    place: PathBuf,
) -> Item {
    let (mut phi_scan, mut answer) = PhiScan::of(&bytes);
    if let Some(expectation) = &expectation {
        let (second, more) = PhiScan::of(expectation);
        phi_scan.result = phi_scan.result.max(second.result);
        answer.hits.extend(more.hits.into_iter().map(|hit| Hit { form: format!("expectation>{}", hit.form), ..hit }));
        answer.not_scanned.extend(more.not_scanned);
    }
    let entry = Entry {
        sha256: digest::sha256(&bytes),
        format: format.to_owned(),
        sha1: digest::sha1(&bytes),
        size: bytes.len() as u64,
        kind,
        pin: false,
        expected: BTreeMap::new(),
        targets: BTreeSet::new(),
        names: BTreeSet::new(),
        origin,
        parents: Some(BTreeSet::new()),
        licence: String::new(),
        taint: Taint::None,
        phi_scan,
        expectation: expectation.as_deref().map(digest::sha256),
    };
    Item { entry, bytes, expectation, place, answer }
}

/// Kind, check and expected verdict of a committed input, from its folder and name.
fn purpose(name: &str) -> Option<(Kind, &'static str, String)> {
    let (folder, file) = name.split_once('/')?;
    let vector = |kind, verdict: &str| Some((kind, "conform", verdict.to_owned()));
    match (folder, file.split('-').next()?) {
        ("seeds", _) => Some((Kind::Valid, "crash", "PASS".to_owned())),
        ("vectors", "accept") => vector(Kind::Valid, "accept"),
        ("vectors", "reject") => vector(Kind::Invalid, "reject"),
        ("vectors", "either") => vector(Kind::Differential, "either"),
        ("regressions", _) => {
            let mut parts = file.split("--");
            let (target, outcome) = (parts.next()?, parts.next()?);
            Some((Kind::Regression, "crash", format!("{outcome} in {target}")))
        }
        _ => None,
    }
}
