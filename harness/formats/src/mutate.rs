//! Mutators that know the format: small edits that parsers are known to disagree about.

pub mod edges;
pub mod fhir_json;
mod hl7;
pub mod json;
pub mod ndjson;
pub mod scan;
pub mod xml;
mod xml_scan;

#[cfg(test)]
mod tests;

use crate::Format;
use std::sync::LazyLock;

/// Where a mutator's choices come from.
pub struct Dice<'a> {
    roll: &'a mut dyn FnMut() -> u64,
}

impl<'a> Dice<'a> {
    /// Wraps a source of random numbers.
    pub fn new(roll: &'a mut dyn FnMut() -> u64) -> Self {
        Self { roll }
    }

    /// A number below `bound`; 0 where `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from((self.roll)()) * bound as u128) >> 64) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of them.
    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        of.get(self.below(of.len()))
    }
}

/// One kind of edit.
#[derive(Clone, Copy)]
pub struct Mutator {
    /// What it does, in kebab case.
    pub name: &'static str,
    /// Edits `input`, perhaps with pieces of `other` (another corpus entry); `None` where it has nothing to do.
    /// Costs time and memory linear in both.
    pub apply: fn(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Option<Vec<u8>>,
}

impl std::fmt::Debug for Mutator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The mutators of a format, generators of whole inputs among them.
pub fn table(format: Format) -> &'static [Mutator] {
    static FHIR_JSON: LazyLock<Vec<Mutator>> = LazyLock::new(|| [json::MUTATORS, fhir_json::MUTATORS].concat());
    static FHIR_NDJSON: LazyLock<Vec<Mutator>> = LazyLock::new(|| [ndjson::MUTATORS].concat());
    match format {
        Format::Json => json::MUTATORS,
        Format::FhirJson => &FHIR_JSON,
        Format::FhirNdjson => &FHIR_NDJSON,
        Format::FhirXml => xml::MUTATORS,
        Format::Hl7v2 => hl7::MUTATORS,
    }
}
