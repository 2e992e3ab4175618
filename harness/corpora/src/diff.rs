//! What differs between two corpora.

use crate::manifest::{Entry, Key};
use std::collections::BTreeMap;

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Only in the new one.
    Added(Entry),
    /// Only in the old one.
    Removed(Entry),
    /// In both; what is said of it has changed: field, before, after.
    Changed(Entry, Vec<(&'static str, String, String)>),
}

/// Differences in the order of hashes.
pub fn diff(old: &BTreeMap<Key, Entry>, new: &BTreeMap<Key, Entry>) -> Vec<Change> {
    let mut keys: Vec<&Key> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    let change = |key: &Key| match (old.get(key), new.get(key)) {
        (None, Some(entry)) => Some(Change::Added(entry.clone())),
        (Some(entry), None) => Some(Change::Removed(entry.clone())),
        (Some(before), Some(after)) => {
            let fields = fields(before, after);
            (!fields.is_empty()).then(|| Change::Changed(after.clone(), fields))
        }
        (None, None) => None,
    };
    keys.into_iter().filter_map(change).collect()
}

fn fields(before: &Entry, after: &Entry) -> Vec<(&'static str, String, String)> {
    let expected = |entry: &Entry| {
        entry.expected.iter().map(|(check, verdict)| format!("{check}={verdict}")).collect::<Vec<_>>().join(" ")
    };
    let all = [
        ("kind", before.kind.name().to_owned(), after.kind.name().to_owned()),
        ("pin", before.pin.to_string(), after.pin.to_string()),
        ("expected", expected(before), expected(after)),
        ("licence", before.licence.clone(), after.licence.clone()),
        ("taint", format!("{:?}", before.taint).to_lowercase(), format!("{:?}", after.taint).to_lowercase()),
    ];
    all.into_iter().filter(|(_, before, after)| before != after).collect()
}
