//! How much there is of what.

use crate::manifest::{Entry, ScanResult, Taint};
use std::collections::BTreeMap;

/// What there is of a format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Inputs.
    pub count: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Sizes in order.
    sizes: Vec<u64>,
    /// Inputs by kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Inputs by licence.
    pub licences: BTreeMap<String, usize>,
    /// Inputs that stay when a corpus is reduced.
    pub pins: usize,
    /// Inputs that may not be published.
    pub tainted: usize,
    /// Inputs by what the gate says: clean, incomplete, hit.
    pub gate: [usize; 3],
}

impl Row {
    /// The size that so many of a hundred inputs do not exceed, bytes.
    pub fn percentile(&self, percent: usize) -> u64 {
        let at = (self.sizes.len() * percent).div_ceil(100).max(1) - 1;
        self.sizes.get(at).copied().unwrap_or(0)
    }
}

/// Rows by format.
pub fn by_format<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> BTreeMap<String, Row> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for entry in entries {
        let row = rows.entry(entry.format.clone()).or_default();
        row.count += 1;
        row.bytes += entry.size;
        row.sizes.push(entry.size);
        *row.kinds.entry(entry.kind.name()).or_default() += 1;
        *row.licences.entry(entry.licence.clone()).or_default() += 1;
        row.pins += usize::from(entry.pin);
        row.tainted += usize::from(entry.taint == Taint::Private);
        row.gate[match entry.phi_scan.result {
            ScanResult::Clean => 0,
            ScanResult::Incomplete => 1,
            ScanResult::Hit => 2,
        }] += 1;
    }
    rows.values_mut().for_each(|row| row.sizes.sort_unstable());
    rows
}
