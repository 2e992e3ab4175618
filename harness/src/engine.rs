//! The coverage-guided loop: corpus, mutation, scheduling, feedback, and solving compares.
//!
//! [`fuzz`] runs one job in the calling thread until it is told to stop. Jobs share nothing but folders on disk. LibAFL
//! provides the random state, the crossover corpus and the classic mutators; it is driven by a loop of our own and does
//! not leave this room. What a target did is told through [`Event`]s at once: findings do not end the loop, do not enter
//! the corpus, and are on disk before they are told.
//!
//! With [`Clock::Ignored`] no decision depends on time: equal seeds and inputs give equal runs.

mod facts;
mod feedback;
mod guards;
mod guest;
mod havoc;
mod run;
mod saturation;
mod schedule;
mod solve;
mod subject;
mod sums;
#[cfg(test)]
mod tests;

use crate::execution::{Outcome, RawFrame};
use autoclave_formats::mutate::Mutator;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use facts::Relation;
pub use guest::Guest;
pub use saturation::Saturation;

/// When to stop, whatever comes first. All `None`: at [`Options::stop_flag`] only.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stop {
    /// Executions.
    pub executions_max: Option<u64>,
    /// CPU time of this thread.
    pub cpu_max: Option<Duration>,
    /// Wall-clock time.
    pub wall_max: Option<Duration>,
    /// Stop at the first finding.
    pub first_finding: bool,
}

/// Whether time may decide anything but the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Costs are measured; other jobs' entries are imported as time goes by.
    #[default]
    Used,
    /// Costs are counted; nothing is imported after the start. For runs that must repeat.
    Ignored,
}

/// What is made shorter before it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trim {
    /// Everything.
    #[default]
    Everything,
    /// What opened new code. Where inputs have a structure that halves do not have, little else gets shorter, and trying
    /// costs more executions than all the rest.
    NewEdges,
}

/// What one job does, but for the target itself.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Seed of all randomness.
    pub seed: u64,
    /// Longest input, bytes.
    pub input_bytes_max: usize,
    /// First inputs.
    pub seeds: Vec<Vec<u8>>,
    /// Tokens that people wrote: `--dict`, `corpora/<format>.dict`, the manifest.
    pub dictionary: Vec<Vec<u8>>,
    /// Tokens found in the module.
    pub module_tokens: Vec<Vec<u8>>,
    /// Edits that know the format, beside those that know bytes only.
    pub mutators: &'static [Mutator],
    /// Folder of the growing corpus, shared by jobs; `None` keeps it in memory.
    pub corpus_folder: Option<PathBuf>,
    /// Folder for inputs of findings.
    pub findings_folder: Option<PathBuf>,
    /// When to stop.
    pub stop: Stop,
    /// Set from outside to stop soon.
    pub stop_flag: Arc<AtomicBool>,
    /// Whether time may decide.
    pub clock: Clock,
    /// What is made shorter before it is kept.
    pub trim: Trim,
}

/// News from a running job, in order.
#[derive(Debug)]
pub enum Event<'a> {
    /// Now and then (about once a second, or every 2¹⁶ executions without a clock).
    Progress(&'a Sample),
    /// An input was kept; it is on disk.
    NewEntry {
        /// The input.
        input: &'a [u8],
        /// Whether it hit an edge for the first time.
        new_edge: bool,
    },
    /// An outcome that is a finding, seen for the first time with these innermost frames; its input is on disk.
    Find {
        /// The input.
        input: &'a [u8],
        /// How it ended.
        outcome: Outcome,
        /// Guest frames, innermost first.
        frames: &'a [RawFrame],
        /// Executions of this job until then, this one included.
        executions: u64,
    },
}

/// One point of a job's history.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Executions so far.
    pub executions: u64,
    /// CPU time of this thread so far, seconds.
    pub cpu_seconds: f64,
    /// Wall-clock time so far, seconds.
    pub wall_seconds: f64,
    /// Edges hit so far.
    pub edges_found: usize,
    /// Edges there are.
    pub edges_total: usize,
    /// Entries in the corpus.
    pub corpus: usize,
    /// Findings that were told.
    pub finds: u64,
    /// Executions that ended in a finding, repeats included.
    pub find_hits: u64,
    /// Executions since an edge was hit for the first time.
    pub executions_since_edge: u64,
}

/// What a job did.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// The last state.
    pub last: Sample,
    /// History, at most a few hundred points, thinned evenly.
    pub series: Vec<Sample>,
    /// How much there may be left to find.
    pub saturation: Saturation,
    /// Executions on the build that logs compares (they count as executions).
    pub traced: u64,
    /// For each edge, the sampled executions that hit it: jobs add theirs up before they estimate.
    pub incidence: Vec<u32>,
}

pub use run::fuzz;
pub(crate) use run::thread_cpu_time;
pub use subject::{Logged, Subject};
