//! The terms of the resource contract: what a module may use for one input, stricter than the limits that stop it.

use super::{Overrides, Profile, ResolvedLimit, layered};
use crate::error::HarnessError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a module may use for one input. A [`super::Limits`] stops an execution; these decide whether it was a good one.
///
/// The numbers are measured: `serde_json::Value` needs 33 to 63 times its input's bytes, a transaction Bundle of plain
/// records 7.7 times and 101 fuel per byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// Linear memory that any input may take, before its bytes count. Browser 16 MiB, server 32 MiB.
    pub memory_base_bytes: u64,
    /// Linear memory on top for each input byte, whatever the input. Default 80: a tree of tiny values takes 65.
    pub memory_per_byte: u64,
    /// The same for a typical document. Default 4 MiB: code, tables and the input's copy.
    pub typical_memory_base_bytes: u64,
    /// The same for a typical document, for each byte (of what it expands to, if it is compressed). Default 12: a
    /// Bundle read into a tree takes 7.7.
    pub typical_memory_per_byte: u64,
    /// Fuel that any input may take, before its bytes count. Default 5 million, a few milliseconds.
    pub fuel_base: u64,
    /// Fuel on top for each input byte. Default 3,000: linear parsers take 9 to 644.
    pub fuel_per_byte: u64,
    /// Fuel on top for each byte that a compressed input may expand to, if that is more. Default 50: inflating and summing
    /// take 2 to 46.
    pub fuel_per_expanded_byte: u64,
    /// Most that an input may expand to and be accepted, bytes. Browser 64 MiB, server 512 MiB.
    pub expanded_bytes_max: u64,
    /// Most that an input may expand to for each of its bytes. Default 200: medical text compresses 10 to 40 times.
    pub expanded_ratio_max: u64,
    /// Bytes from which on the ratio counts. Default 1 MiB: short runs compress well and harm nobody.
    pub expanded_free_bytes: u64,
    /// Longest text of an error, bytes. Default 4 KiB: what is longer quotes the patient's data, or is a bomb itself.
    pub error_bytes_max: u64,
    /// Time for a refusal, milliseconds; advice only. Browser 50, server 250.
    pub refusal_ms: u64,
    /// The limit on size that the module declares: longer inputs have to be refused, before they are read. Default 0: none
    /// is declared, and whoever calls it sees to that.
    pub refused_above_bytes: u64,
    /// The limit on entries of a Bundle, elements of an array, lines and repetitions of a field that it declares: longer
    /// lists have to be refused. Default 0: none is declared.
    pub refused_above_items: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            memory_base_bytes: 16 << 20,
            memory_per_byte: 80,
            typical_memory_base_bytes: 4 << 20,
            typical_memory_per_byte: 12,
            fuel_base: 5_000_000,
            fuel_per_byte: 3_000,
            fuel_per_expanded_byte: 50,
            expanded_bytes_max: 64 << 20,
            expanded_ratio_max: 200,
            expanded_free_bytes: 1 << 20,
            error_bytes_max: 4 << 10,
            refusal_ms: 50,
            refused_above_bytes: 0,
            refused_above_items: 0,
        }
    }
}

/// Unit and reason of every term, by field name.
pub const EXPLAINED: &[(&str, &str, &str)] = &[
    ("memory_base_bytes", "bytes", "whatever the input: code, tables, buffers"),
    ("memory_per_byte", "bytes/byte", "a tree of tiny values takes 65 times its text"),
    ("typical_memory_base_bytes", "bytes", "typical documents: code, tables, a copy of the input"),
    ("typical_memory_per_byte", "bytes/byte", "typical documents: a Bundle read into a tree takes 7.7"),
    ("fuel_base", "fuel", "a few milliseconds, whatever the input"),
    ("fuel_per_byte", "fuel/byte", "linear parsers take 9 to 644"),
    ("fuel_per_expanded_byte", "fuel/byte", "of what may come out of a compressed input; inflating takes 2 to 46"),
    ("expanded_bytes_max", "bytes", "what a compressed input may expand to and be accepted"),
    ("expanded_ratio_max", "bytes/byte", "medical text compresses 10 to 40 times"),
    ("expanded_free_bytes", "bytes", "below, the ratio does not count: short runs harm nobody"),
    ("error_bytes_max", "bytes", "a longer error quotes the patient's data, or is a bomb itself"),
    ("refusal_ms", "ms", "advice only: time is never a verdict"),
    ("refused_above_bytes", "bytes", "the limit that the module declares; 0: it declares none"),
    ("refused_above_items", "items", "of one list, as the module declares; 0: it declares none"),
];

impl Terms {
    /// The terms of a profile.
    pub fn of(profile: Profile) -> Self {
        match profile {
            Profile::Browser => Self::default(),
            Profile::Server => {
                Self { memory_base_bytes: 32 << 20, expanded_bytes_max: 512 << 20, refusal_ms: 250, ..Self::default() }
            }
        }
    }

    /// The field names, in order.
    pub fn names() -> Vec<String> {
        Self::default().to_table().keys().cloned().collect()
    }

    /// Profile (browser unless said otherwise), then manifest, then flags; with what decided each.
    ///
    /// # Errors
    /// A name that is none, or a value that is no quantity; `manifest` names the file.
    pub fn resolve(
        profile: Profile,
        values: &toml::Table,
        overrides: &Overrides,
        manifest: &Path,
    ) -> Result<(Self, Vec<ResolvedLimit>), HarnessError> {
        layered(
            "term",
            &Self::default().to_table(),
            Some(Self::of(profile).to_table()),
            values,
            &overrides.terms,
            manifest,
        )
    }

    /// Linear memory allowed for an input of so many bytes, where `hard` is all that there is.
    pub fn memory(&self, bytes: u64, hard: u64) -> u64 {
        hard.min(self.memory_base_bytes.saturating_add(self.memory_per_byte.saturating_mul(bytes)))
    }

    /// The same for a typical document.
    pub fn typical_memory(&self, bytes: u64, hard: u64) -> u64 {
        hard.min(self.typical_memory_base_bytes.saturating_add(self.typical_memory_per_byte.saturating_mul(bytes)))
    }

    /// Fuel allowed for an input of so many bytes, of which a module accepts `accepted` at most: beyond, it has to
    /// refuse, and needs no more for that.
    pub fn fuel(&self, bytes: u64, accepted: u64) -> u64 {
        self.fuel_base.saturating_add(self.fuel_per_byte.saturating_mul(bytes.min(accepted)))
    }

    /// The same for a compressed input: what may come out of it may be worked on.
    pub fn fuel_to_expand(&self, bytes: u64, accepted: u64) -> u64 {
        let of_output = self.fuel_per_expanded_byte.saturating_mul(self.expanded(bytes));
        self.fuel_base.saturating_add(of_output).max(self.fuel(bytes, accepted))
    }

    /// Most bytes that an input of so many bytes may expand to and be accepted.
    pub fn expanded(&self, bytes: u64) -> u64 {
        self.expanded_bytes_max.min(self.expanded_free_bytes.max(self.expanded_ratio_max.saturating_mul(bytes)))
    }

    fn to_table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("a struct of integers is a table")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_is_explained() {
        let explained: Vec<&str> = EXPLAINED.iter().map(|(name, ..)| *name).collect();
        for name in Terms::names() {
            assert!(explained.contains(&name.as_str()), "{name}");
        }
        assert_eq!(explained.len(), Terms::names().len());
    }

    #[test]
    fn formulas_meet_their_caps() {
        let terms = Terms::default();
        let mib = 1 << 20;
        assert_eq!(terms.memory(0, 256 * mib), 16 * mib);
        assert_eq!(terms.memory(mib, 256 * mib), 96 * mib);
        assert_eq!(terms.memory(3 * mib, 256 * mib), 256 * mib);
        assert_eq!(terms.typical_memory(mib, 256 * mib), 16 * mib);
        assert_eq!(terms.fuel(1_000, 8 * mib), 8_000_000);
        assert_eq!(terms.fuel(u64::MAX, 8 * mib), 5_000_000 + 3_000 * 8 * mib);
        assert_eq!(terms.fuel_to_expand(10, 8 * mib), 5_000_000 + 50 * mib);
        assert_eq!(terms.fuel_to_expand(100_000, 8 * mib), 5_000_000 + 50 * 20_000_000);
        assert_eq!(terms.fuel_to_expand(8 * mib, 8 * mib), terms.fuel(8 * mib, 8 * mib));
        assert_eq!([10, 100_000, u64::MAX].map(|bytes| terms.expanded(bytes)), [mib, 20_000_000, 64 * mib]);
    }

    #[test]
    fn terms_are_layered_as_limits_are() {
        let manifest: toml::Table = toml::from_str("memory_per_byte = 4").unwrap();
        let mut overrides = Overrides::default();
        overrides.set_term("fuel_base=1MiB").unwrap();
        assert!(overrides.set_term("fuel=1").is_err());
        let (terms, rows) = Terms::resolve(Profile::Server, &manifest, &overrides, Path::new("target.toml")).unwrap();
        assert_eq!((terms.memory_per_byte, terms.fuel_base, terms.refusal_ms), (4, 1 << 20, 250));
        assert_eq!(rows.len(), Terms::names().len());
        let wrong: toml::Table = toml::from_str("memory_per_bite = 4").unwrap();
        assert!(Terms::resolve(Profile::Browser, &wrong, &overrides, Path::new("target.toml")).is_err());
    }
}
