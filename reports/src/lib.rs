//! What leaves the building: verdicts, findings and records, and their renderings.
//!
//! Pure: a [`Record`] goes in, bytes come out. No wasmtime, no files, no clocks. A renderer never computes a verdict;
//! what it prints stands in the record. Everything in a record may come out of a hostile module (names, paths, messages,
//! inputs): [`formats`] clips every record first, and every renderer passes text through [`escape`].

mod asked;
pub mod boundary;
mod builds;
mod clip;
pub mod constant_time;
pub mod contract;
pub mod controls;
pub mod escape;
pub mod formats;
pub mod hexdump;
mod javascript;
mod leaks;
mod plot;
pub mod record;
pub mod rules;
mod scatter;
mod strip;
mod tally;
pub mod words;

pub use record::{Finding, Record, TargetRecord, Verdict};
pub use rules::Severity;
