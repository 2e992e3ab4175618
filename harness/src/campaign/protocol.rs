//! What `fuzz` and its workers say to each other: one JSON line per message, job in, events out.

use crate::limits::Profile;
use autoclave_reports::record::{Finding, FunctionCoverage, HostCallRecord};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One job: one worker fuzzes one entry of one target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerJob {
    /// Root folder (targets/, corpora/, .autoclave/).
    pub root: PathBuf,
    /// Target name or module path.
    pub target: String,
    /// Entry.
    pub entry: String,
    /// What to do with it.
    pub task: Task,
    /// Limits profile.
    pub profile: Option<Profile>,
    /// Overrides of limits, `NAME=VALUE`.
    pub limits: Vec<String>,
    /// Random seed of this job.
    pub seed: u64,
    /// Executions at most.
    pub runs: Option<u64>,
    /// Seconds at most.
    pub seconds: Option<f64>,
    /// Longest input, bytes.
    pub max_len: Option<u32>,
    /// More dictionaries.
    pub dictionaries: Vec<PathBuf>,
    /// Whether `corpora/<format>/seeds` are loaded.
    pub seeds: bool,
    /// A fresh instance for each execution.
    pub fresh_instances: bool,
    /// Whether other jobs write into the same corpus folder.
    pub shared: bool,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Fuzz within the job's budget.
    Fuzz,
    /// Bucket, minimise and confirm what lies in the unit's finds folder, and measure the corpus's coverage.
    Triage,
}

/// What a worker reports.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Message {
    /// The module is loaded and instrumented.
    Ready {
        /// CPU seconds since the process started.
        cpu_seconds: f64,
        /// Edges in the module.
        edges_total: u64,
    },
    /// A sample of progress.
    Progress(Sample),
    /// A find, already on disk.
    Find {
        /// Outcome name.
        outcome: String,
        /// File in the unit's finds folder.
        file: PathBuf,
        /// Executions until then.
        execs: u64,
    },
    /// The job is over.
    Done {
        /// Last sample.
        sample: Sample,
        /// In how many of the sampled executions each edge was seen.
        incidence: Vec<u32>,
        /// Sampled executions.
        sampled: u64,
        /// Executions since the last new edge.
        execs_since_new_edge: u64,
        /// Corpus entries at the start.
        seeds: u64,
    },
    /// A finding, triaged, and the names of the raw finds behind it.
    Finding {
        /// The finding.
        finding: Box<Finding>,
        /// File names in the unit's finds folder.
        raw: Vec<String>,
    },
    /// Coverage of the collected corpus, by function, and what the module asked of the host.
    Covered {
        /// Functions of the module.
        functions: Vec<FunctionCoverage>,
        /// Edges found.
        edges_found: u64,
        /// Edges in the module.
        edges_total: u64,
        /// Entries in the corpus.
        entries: u64,
        /// Bytes in the corpus.
        bytes: u64,
        /// Imports that the module called.
        host_calls: Vec<HostCallRecord>,
    },
    /// Something worth telling in the report.
    Note {
        /// The text.
        text: String,
    },
    /// The job could not be done.
    Failed {
        /// Why.
        message: String,
        /// Whether something is missing (not tested) rather than broken.
        missing: bool,
    },
}

/// Progress of one worker.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Wall seconds since the worker's loop began.
    pub seconds: f64,
    /// CPU seconds of the worker.
    pub cpu_seconds: f64,
    /// Executions.
    pub execs: u64,
    /// Edges found.
    pub edges: u64,
    /// Corpus entries.
    pub corpus: u64,
    /// Distinct finds (before triage).
    pub finds: u64,
    /// Wall seconds since the last new edge.
    pub since_new_edge: f64,
    /// Resident set, bytes.
    pub rss_bytes: u64,
}
