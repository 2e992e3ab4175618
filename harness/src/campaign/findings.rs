//! Findings as they lie in a unit's state folder: `<id>.json` with all that `repro` needs, `<id>.bin` with the input.

use super::home::{Home, UnitHome, write_whole};
use crate::target::{MANIFEST_FILE, TARGETS_FOLDER, Target};
use anyhow::Context;
use autoclave_reports::Finding;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Findings of one unit that are read.
const KEPT_MAX: usize = 1_000;

/// One finding on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// A name in `targets/`, or a module's path: relative to the root where it lies below it.
    pub target: String,
    /// Entry.
    pub entry: String,
    /// Hash of the module that was judged last.
    #[serde(default)]
    pub sha256: String,
    /// What that module did.
    #[serde(default)]
    pub state: State,
    /// The finding.
    pub finding: Finding,
}

/// What became of a finding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The input still shows it.
    #[default]
    Open,
    /// The input does something else now.
    Fixed,
    /// It never happened on the module as deployed.
    Aside,
}

impl Kept {
    /// Writes description and input.
    pub fn write(&self, unit: &UnitHome, input: &[u8]) -> anyhow::Result<()> {
        write_whole(&unit.findings().join(format!("{}.bin", self.finding.id)), input)?;
        self.describe(unit)
    }

    /// Writes the description alone.
    pub fn describe(&self, unit: &UnitHome) -> anyhow::Result<()> {
        write_whole(&unit.findings().join(format!("{}.json", self.finding.id)), &serde_json::to_vec_pretty(self)?)
    }
}

/// All findings of a unit, by id. What cannot be read is left out: it is not worth a run.
pub fn all(unit: &UnitHome) -> Vec<Kept> {
    files(&unit.findings()).iter().filter_map(|file| read(file).ok()).collect()
}

/// Inputs of those that are open, and within the limit.
pub fn open_inputs(unit: &UnitHome, input_bytes_max: u64) -> Vec<Vec<u8>> {
    let open = all(unit).into_iter().filter(|kept| kept.state == State::Open);
    open.filter_map(|kept| input(unit, &kept, input_bytes_max)).collect()
}

/// A finding's input, if it is there and within the limit.
pub fn input(unit: &UnitHome, kept: &Kept, input_bytes_max: u64) -> Option<Vec<u8>> {
    super::inputs::read_whole(&unit.findings().join(format!("{}.bin", kept.finding.id)), input_bytes_max).ok()
}

/// Findings of all units whose id begins like this, each with its file.
pub fn by_id(home: &Home, id: &str) -> anyhow::Result<Vec<(PathBuf, Kept)>> {
    let folders = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = Vec::new();
    for target in folders(&home.state().join("state")) {
        for unit in folders(&target) {
            let is_meant = |file: &PathBuf| file.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with(id));
            found.extend(files(&unit.join("findings")).into_iter().filter(is_meant));
        }
    }
    found.sort();
    found.into_iter().map(|file| Ok((file.clone(), read(&file)?))).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort();
    files.truncate(KEPT_MAX);
    files
}

/// Longest file of one kept finding, bytes: its input is stored beside it.
const FINDING_BYTES_MAX: u64 = 16 << 20;

fn read(file: &Path) -> anyhow::Result<Kept> {
    let text = super::inputs::read_whole(file, FINDING_BYTES_MAX)?;
    serde_json::from_slice(&text).with_context(|| format!("{}: not a finding", file.display()))
}

/// How a target is called in a finding: `which`, as given on the command line, may be a path that only holds in the
/// folder where it was typed.
pub fn stored_name(home: &Home, target: &Target, which: &str) -> String {
    if is_named(home, which) {
        return which.to_owned();
    }
    let path = target.folder.as_ref().unwrap_or(&target.module_path);
    home.relative(&path.canonicalize().unwrap_or_else(|_| path.clone()))
}

/// The word for [`Target::load`] that a stored name stands for, from whichever folder.
pub fn loadable(home: &Home, stored: &str) -> anyhow::Result<String> {
    if is_named(home, stored) {
        return Ok(stored.to_owned());
    }
    let path = home.root.join(stored);
    if !path.exists() {
        anyhow::bail!("{stored}: what the finding was made with is gone; name its module with --target");
    }
    Ok(path.to_string_lossy().into_owned())
}

fn is_named(home: &Home, which: &str) -> bool {
    home.root.join(TARGETS_FOLDER).join(which).join(MANIFEST_FILE).is_file() && !which.contains('/')
}
