//! What leaves the building: verdicts, findings and records, and their renderings.
//!
//! Pure: a [`Record`] goes in, bytes come out. No wasmtime, no files, no clocks. A renderer never computes a verdict;
//! what it prints stands in the record. Everything in a record may come out of a hostile module (names, paths, messages,
//! inputs), so every renderer passes it through `escape` or through a library that escapes.

pub mod record;
pub mod rules;

pub use record::{Finding, Record, TargetRecord, Verdict};
pub use rules::Severity;
