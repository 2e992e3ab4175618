//! The manifest of a pack or store: one line of JSON for each input, in the order of their hashes. Provenance hangs on
//! content, because names are lost on the way: OSS-Fuzz unpacks seeds as numbers.

use crate::phi;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The file.
pub const FILE: &str = "manifest.jsonl";
/// Entries that are read.
pub const ENTRIES_MAX: usize = 200_000;

/// What an input is for; of two, the later one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Well-formed.
    Valid,
    /// Breaks a rule of its format.
    Invalid,
    /// Readers may understand it differently.
    Differential,
    /// Costs more than it should.
    Bomb,
    /// Once made a target fail.
    Regression,
}

impl Kind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Valid => "valid",
            Kind::Invalid => "invalid",
            Kind::Differential => "differential",
            Kind::Bomb => "bomb",
            Kind::Regression => "regression",
        }
    }
}

/// Whether an input may be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taint {
    /// It may.
    None,
    /// It came from somebody's data, or was made from what did.
    Private,
}

/// How an input came to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What made it, or who.
    pub how: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The seed that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Where it was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What the gate said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhiScan {
    /// Version of the name space and its rules.
    pub version: u32,
    /// `clean`, `hit`, `incomplete`; later ones are worse.
    pub result: ScanResult,
}

/// What the gate said, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScanResult {
    /// Everything was looked at, and nothing is outside of the name space.
    Clean,
    /// Not everything was looked at.
    Incomplete,
    /// Something is outside of the name space.
    Hit,
}

impl PhiScan {
    /// Asks the gate.
    pub fn of(bytes: &[u8]) -> (Self, phi::Answer) {
        let answer = phi::scan(bytes);
        let result = match (answer.hits.is_empty(), answer.not_scanned.is_empty()) {
            (false, _) => ScanResult::Hit,
            (true, false) => ScanResult::Incomplete,
            (true, true) => ScanResult::Clean,
        };
        (Self { version: phi::space::declared().version, result }, answer)
    }
}

/// One input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// The format that it is an input of.
    pub format: String,
    /// SHA-1 of its bytes: its name in working corpora.
    pub sha1: String,
    /// Bytes.
    pub size: u64,
    /// What it is for.
    pub kind: Kind,
    /// Whether it stays when a corpus is reduced to its coverage.
    pub pin: bool,
    /// Check and what it has to say of this input.
    pub expected: BTreeMap<String, String>,
    /// Targets that it belongs to; none: all of the format.
    pub targets: BTreeSet<String>,
    /// Names that it had among our files. Nothing is ever written under them.
    pub names: BTreeSet<String>,
    /// How it came to be.
    pub origin: Origin,
    /// SHA-256 of what it was made from; absent if nobody knows.
    pub parents: Option<BTreeSet<String>>,
    /// SPDX expression.
    pub licence: String,
    /// Whether it may be published.
    pub taint: Taint,
    /// What the gate said.
    pub phi_scan: PhiScan,
    /// SHA-256 of the expected canonical tree, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<String>,
}

/// What an entry is called by.
pub type Key = (String, String);

impl Entry {
    /// Hash and format.
    pub fn key(&self) -> Key {
        (self.sha256.clone(), self.format.clone())
    }

    /// What is known of the same input from two sides. It makes no difference which comes first, or how often.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let mut expected = self.expected;
        for (check, verdict) in other.expected {
            let known = expected.entry(check).or_insert_with(|| verdict.clone());
            if *known < verdict {
                *known = verdict;
            }
        }
        let targets = match self.targets.is_empty() || other.targets.is_empty() {
            true => BTreeSet::new(),
            false => &self.targets | &other.targets,
        };
        let parents = match (self.parents, other.parents) {
            (Some(a), Some(b)) => Some(&a | &b),
            _ => None,
        };
        Self {
            kind: self.kind.max(other.kind),
            pin: self.pin || other.pin,
            expected,
            targets,
            names: &self.names | &other.names,
            origin: self.origin.min(other.origin),
            parents,
            licence: both_licences(&self.licence, &other.licence),
            taint: self.taint.max(other.taint),
            phi_scan: PhiScan {
                version: self.phi_scan.version.min(other.phi_scan.version),
                result: self.phi_scan.result.max(other.phi_scan.result),
            },
            expectation: self.expectation.max(other.expectation),
            ..other
        }
    }
}

/// Both expressions at once. A choice stands in brackets: AND binds closer than OR (SPDX 2.3, annex D).
fn both_licences(a: &str, b: &str) -> String {
    if a == b {
        return a.to_owned();
    }
    let terms: BTreeSet<&str> = [a, b].into_iter().flat_map(licence_terms).collect();
    let bracketed = |term: &&str| match split_outside(term, " OR ").len() {
        1 => (*term).to_owned(),
        _ => format!("({term})"),
    };
    match terms.len() {
        1 => terms.into_iter().collect(),
        _ => terms.iter().map(bracketed).collect::<Vec<_>>().join(" AND "),
    }
}

/// Longer expressions are not taken apart, bytes.
const EXPRESSION_BYTES_MAX: usize = 1024;

/// What an expression asks for all together, brackets around a term taken off.
fn licence_terms(expression: &str) -> Vec<&str> {
    if expression.len() > EXPRESSION_BYTES_MAX || split_outside(expression, " OR ").len() > 1 {
        return vec![expression];
    }
    let parts = split_outside(expression, " AND ");
    match (parts.len(), without_brackets(expression)) {
        (1, Some(inner)) => licence_terms(inner),
        (1, None) => parts,
        _ => parts.into_iter().flat_map(licence_terms).collect(),
    }
}

/// Brackets belong together if nothing closes the first one before the end.
fn without_brackets(term: &str) -> Option<&str> {
    let inner = term.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0_usize;
    for c in inner.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    (depth == 0).then_some(inner)
}

/// Parts between an operator that stands in no brackets.
fn split_outside<'a>(text: &'a str, operator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && at >= start && text[at..].starts_with(operator) => {
                parts.push(&text[start..at]);
                start = at + operator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Entries, merged and in order.
pub fn merge(entries: impl IntoIterator<Item = Entry>) -> BTreeMap<Key, Entry> {
    let mut merged = BTreeMap::new();
    for entry in entries {
        let known = match merged.remove(&entry.key()) {
            Some(known) => entry.merged(known),
            None => entry,
        };
        merged.insert(known.key(), known);
    }
    merged
}

/// Taints what was made from what is tainted. Of an input whose parents nobody knows, all that was there may be a parent:
/// one private input taints it.
pub fn spread_taint(entries: &mut BTreeMap<Key, Entry>) {
    let mut private: BTreeSet<String> =
        entries.values().filter(|entry| entry.taint == Taint::Private).map(|entry| entry.sha256.clone()).collect();
    loop {
        let before = private.len();
        for entry in entries.values_mut() {
            let is_tainted = match &entry.parents {
                Some(parents) => parents.iter().any(|parent| private.contains(parent)),
                None => !private.is_empty(),
            };
            if is_tainted || private.contains(&entry.sha256) {
                entry.taint = Taint::Private;
                private.insert(entry.sha256.clone());
            }
        }
        if private.len() == before {
            return;
        }
    }
}

/// The file's bytes.
pub fn write(entries: &BTreeMap<Key, Entry>) -> Vec<u8> {
    let mut text = Vec::new();
    for entry in entries.values() {
        text.extend(serde_json::to_vec(entry).expect("an entry is text and numbers"));
        text.push(b'\n');
    }
    text
}

/// Reads [`write()`] back; what is not as it is written is refused, with the line.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<Key, Entry>, String> {
    let mut entries = BTreeMap::new();
    for (at, line) in bytes.split_inclusive(|c| *c == b'\n').enumerate() {
        let line_number = at + 1;
        if at >= ENTRIES_MAX {
            return Err(format!("more than {ENTRIES_MAX} entries"));
        }
        let entry: Entry = serde_json::from_slice(line).map_err(|error| format!("line {line_number}: {error}"))?;
        if !crate::digest::is_hex(&entry.sha256, 64) || !crate::digest::is_hex(&entry.sha1, 40) {
            return Err(format!("line {line_number}: a hash is not lower-case hex"));
        }
        if !is_plain(&entry.format) || !entry.targets.iter().all(|target| is_plain(target)) {
            return Err(format!(
                "line {line_number}: a name of a format or target has other characters than a-z, 0-9 and -"
            ));
        }
        if entries.insert(entry.key(), entry).is_some() {
            return Err(format!("line {line_number}: the same input twice"));
        }
    }
    if write(&entries) != bytes {
        return Err("not in the order or the spelling that `corpus pack` writes".to_owned());
    }
    Ok(entries)
}

/// Whether a name of a format or a target is one, and can be a file name everywhere.
pub fn is_plain(name: &str) -> bool {
    (1..=80).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_'))
        && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn entry(bytes: &[u8]) -> Entry {
        Entry {
            sha256: crate::digest::sha256(bytes),
            format: "hl7v2".to_owned(),
            sha1: crate::digest::sha1(bytes),
            size: bytes.len() as u64,
            kind: Kind::Valid,
            pin: false,
            expected: BTreeMap::from([("crash".to_owned(), "PASS".to_owned())]),
            targets: BTreeSet::new(),
            names: BTreeSet::new(),
            origin: Origin { how: "test".to_owned(), version: None, seed: Some(7), source: None },
            parents: Some(BTreeSet::new()),
            licence: "CC0-1.0".to_owned(),
            taint: Taint::None,
            phi_scan: PhiScan { version: 1, result: ScanResult::Clean },
            expectation: None,
        }
    }

    #[test]
    fn merging_has_no_order_and_no_count() {
        let one = entry(b"a");
        let two = Entry {
            kind: Kind::Bomb,
            pin: true,
            taint: Taint::Private,
            licence: "MIT".into(),
            parents: None,
            ..entry(b"a")
        };
        let three = Entry {
            targets: BTreeSet::from(["t".to_owned()]),
            expected: BTreeMap::from([("crash".to_owned(), "TRAP".to_owned())]),
            names: BTreeSet::from(["n".to_owned()]),
            ..entry(b"a")
        };
        let all = [one, two, three, entry(b"b")];
        let expected = merge(all.clone());
        assert_eq!(expected.len(), 2);
        let orders: [[usize; 6]; 4] = [[3, 2, 1, 0, 0, 0], [1, 1, 0, 3, 2, 2], [2, 0, 1, 3, 3, 1], [0, 3, 2, 1, 2, 0]];
        for order in orders {
            assert_eq!(merge(order.map(|at| all[at].clone())), expected, "{order:?}");
        }
        let merged = &expected[&all[0].key()];
        assert_eq!((merged.kind, merged.pin, merged.taint), (Kind::Bomb, true, Taint::Private));
        assert_eq!((merged.licence.as_str(), &merged.parents), ("CC0-1.0 AND MIT", &None));
        assert_eq!(read(&write(&expected)).unwrap(), expected);
    }

    #[test]
    fn a_choice_of_licences_stays_one() {
        for (a, b, both) in [
            ("MIT OR Apache-2.0", "CC0-1.0", "CC0-1.0 AND (MIT OR Apache-2.0)"),
            ("CC0-1.0 AND (MIT OR Apache-2.0)", "MIT OR Apache-2.0", "CC0-1.0 AND (MIT OR Apache-2.0)"),
            ("(MIT OR Apache-2.0)", "MIT OR Apache-2.0", "MIT OR Apache-2.0"),
            ("(MIT OR X) AND (MIT OR Y)", "MIT", "MIT AND (MIT OR X) AND (MIT OR Y)"),
            ("MIT AND X OR Y", "Z", "(MIT AND X OR Y) AND Z"),
            ("MIT OR X", "MIT OR X", "MIT OR X"),
            ("MIT AND X", "X AND Y", "MIT AND X AND Y"),
            ("(B AND (MIT OR X))", "A", "A AND B AND (MIT OR X)"),
        ] {
            assert_eq!(both_licences(a, b), both);
            assert_eq!(both_licences(b, a), both);
            assert_eq!(both_licences(both, a), both);
        }
    }

    #[test]
    fn taint_goes_to_all_descendants() {
        let child = |bytes: &[u8], parent: &[u8]| Entry {
            parents: Some(BTreeSet::from([crate::digest::sha256(parent)])),
            ..entry(bytes)
        };
        let private = Entry { taint: Taint::Private, ..entry(b"private") };
        let mut family =
            merge([child(b"a grandchild", b"child"), child(b"child", b"private"), entry(b"clean"), private]);
        spread_taint(&mut family);
        let clean: Vec<&Entry> = family.values().filter(|entry| entry.taint == Taint::None).collect();
        assert_eq!(clean, [&entry(b"clean")]);

        // Nobody knows where it comes from: it is tainted as soon as anything is.
        let orphan = Entry { parents: None, ..entry(b"orphan") };
        let mut session = merge([orphan.clone(), entry(b"clean")]);
        spread_taint(&mut session);
        assert!(session.values().all(|entry| entry.taint == Taint::None));
        let mut session = merge([orphan.clone(), Entry { taint: Taint::Private, ..entry(b"p") }]);
        spread_taint(&mut session);
        assert_eq!(session[&orphan.key()].taint, Taint::Private);
    }

    #[test]
    fn one_spelling() {
        let good = write(&merge([entry(b"a"), entry(b"b")]));
        assert!(read(&good).is_ok());
        let lines: Vec<&[u8]> = good.split_inclusive(|c| *c == b'\n').collect();
        let text = String::from_utf8(good.clone()).unwrap();
        for bad in [
            [lines[1], lines[0]].concat(),
            [lines[0], lines[0]].concat(),
            good[..good.len() - 1].to_vec(),
            text.replacen("\"format\"", " \"format\"", 1).into_bytes(),
            text.replacen("hl7v2", "../x", 1).into_bytes(),
            text.replacen("\"pin\"", "\"pint\"", 1).into_bytes(),
        ] {
            assert!(read(&bad).is_err(), "{}", String::from_utf8_lossy(&bad));
        }
    }
}
