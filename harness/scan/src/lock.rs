//! Lock files, read: which packages a source is built with, and where each comes from.

use semver::Version;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// A package of `Cargo.lock`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from; none for packages of the sources themselves.
    pub source: Option<String>,
    /// SHA-256 of its archive, hexadecimal.
    pub checksum: Option<String>,
    /// `name`, `name version` or `name version (source)`.
    #[serde(default)]
    pub dependencies: Vec<String>,
}

impl Locked {
    /// Its version, ordered.
    pub fn semver(&self) -> Option<Version> {
        Version::parse(&self.version).ok()
    }

    /// Whether it comes from crates.io.
    pub fn is_from_crates_io(&self) -> bool {
        self.source.as_deref().is_some_and(|source| {
            source == "registry+https://github.com/rust-lang/crates.io-index"
                || source == "sparse+https://index.crates.io/"
        })
    }
}

/// The packages of a `Cargo.lock`.
///
/// # Errors
/// It is no lock file.
pub fn cargo(text: &str) -> Result<Vec<Locked>, String> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<Locked>,
    }
    let lock: Lock = toml::from_str(text).map_err(|error| format!("Cargo.lock cannot be read: {error}"))?;
    Ok(lock.package)
}

/// Of these packages, those that the package `root` is built with, itself first; all of them if there is no such root.
pub fn reachable<'a>(all: &'a [Locked], root: Option<&str>) -> Vec<&'a Locked> {
    let root = root.and_then(|root| all.iter().position(|one| one.name == root && one.source.is_none()));
    let Some(root) = root else { return all.iter().collect() };
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, one) in all.iter().enumerate() {
        by_name.entry(&one.name).or_default().push(at);
    }
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    let mut pending = vec![root];
    while let Some(at) = pending.pop() {
        if !seen.insert(at) {
            continue;
        }
        order.push(at);
        for dependency in &all[at].dependencies {
            let mut words = dependency.split(' ');
            let (name, version) = (words.next().unwrap_or_default(), words.next());
            let same = by_name.get(name).into_iter().flatten().copied();
            pending.extend(same.filter(|at| version.is_none_or(|version| all[*at].version == version)));
        }
    }
    order[1..].sort_by(|a, b| (&all[*a].name, &all[*a].version).cmp(&(&all[*b].name, &all[*b].version)));
    order.into_iter().map(|at| &all[at]).collect()
}
