//! Hosts that run tapes: one seam, whatever is behind it. A host may die at any time; that is an answer, not an error.

mod cdp;
pub mod chromium;
pub mod discover;
mod group;
pub mod node;
pub mod page_checks;
pub mod scripts;
pub mod serve;

use crate::api::Api;
use crate::package;
use crate::package::Package;
use crate::wire::{self, Config, Hello, Ran, frame};
use std::fmt;
use std::path::Path;

/// Largest linear memory where nobody says otherwise, 64 KiB pages: 1 GiB, as a codec may begin with hundreds.
const PAGES_MAX: u32 = 1 << 14;
/// Tapes until an instance is replaced: a fresh one takes as long as a hundred calls.
const TAPES_PER_INSTANCE: u32 = 500;

/// Where tapes run.
pub trait Host {
    /// What it said when it was ready.
    fn hello(&self) -> &Hello;

    /// Gives it a batch. Answers come in the order of batches; at most two are on their way.
    ///
    /// # Errors
    /// The host is dead.
    fn send(&mut self, batch: &Batch) -> Result<(), Death>;

    /// Waits for the answer to the oldest batch that has none.
    ///
    /// # Errors
    /// The host died over it; nothing of it runs any more.
    fn receive(&mut self) -> Result<Ran, Death>;

    /// Ends it and everything it started.
    fn kill(&mut self);

    /// Processor time that it took so far, its children included, seconds.
    fn cpu_seconds(&self) -> f64;
}

/// Tapes that are run in a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Its number.
    pub number: u32,
    /// What is wanted, see [`crate::wire::flags`].
    pub flags: u8,
    /// Binary tapes.
    pub tapes: Vec<Vec<u8>>,
}

impl Batch {
    /// Payload of its frame.
    pub fn payload(&self) -> Vec<u8> {
        let bytes: usize = self.tapes.iter().map(|tape| tape.len() + 4).sum();
        let mut payload = Vec::with_capacity(9 + bytes);
        payload.extend_from_slice(&self.number.to_le_bytes());
        payload.push(self.flags);
        payload.extend_from_slice(&(self.tapes.len() as u32).to_le_bytes());
        for tape in &self.tapes {
            payload.extend_from_slice(&(tape.len() as u32).to_le_bytes());
            payload.extend_from_slice(tape);
        }
        payload
    }
}

/// How a host ended; each with one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Death {
    /// It took more processor time, or was silent for longer, than it may.
    Time(String),
    /// It ended by itself, or crashed.
    Exit(String),
    /// It took more memory than it may.
    Memory(String),
    /// It answered what is no answer.
    Garbage(String),
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(why) | Self::Exit(why) | Self::Memory(why) | Self::Garbage(why) => f.write_str(why),
        }
    }
}

/// What a host is started with.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// What it is to load.
    pub config: Config,
    /// Modules of [`Config::builds`].
    pub modules: Vec<Vec<u8>>,
    /// Their evaluators; empty where a build needs none.
    pub evaluators: Vec<Vec<u8>>,
    /// Counter bits that are known already.
    pub seen: Vec<u8>,
    /// What it may take.
    pub limits: HostLimits,
}

/// What a host may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostLimits {
    /// Resident memory of all its processes, bytes. A hostile package fills gigabytes in a second.
    pub memory_bytes_max: u64,
    /// Processor time of one batch of several tapes, seconds.
    pub batch_cpu_seconds_max: u64,
    /// Processor time of a single tape, sent alone, seconds: so a search finds out which one of a batch hangs.
    pub tape_cpu_seconds_max: u64,
    /// Silence within a batch, seconds on the clock: a host that sleeps takes no processor time.
    pub silence_seconds_max: u64,
    /// Largest answer, bytes.
    pub answer_bytes_max: u32,
    /// Time to get ready, seconds on the clock.
    pub start_seconds_max: u64,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            // Node with a module of 20 MB takes 150 MB; Chromium 600 MB.
            memory_bytes_max: 2 << 30,
            // A batch of 256 takes milliseconds; one tape may grow memory to its end.
            batch_cpu_seconds_max: 5,
            tape_cpu_seconds_max: 2,
            silence_seconds_max: 60,
            answer_bytes_max: 32 << 20,
            start_seconds_max: 60,
        }
    }
}

impl HostLimits {
    /// Processor time of a batch of so many tapes, seconds.
    pub fn cpu_seconds_max(&self, tapes: usize) -> u64 {
        if tapes > 1 { self.batch_cpu_seconds_max } else { self.tape_cpu_seconds_max }
    }
}

impl Setup {
    /// A package as it is deployed, nothing allowed; callers change what they want otherwise.
    pub fn of(package: &Package, api: &Api) -> Self {
        let config = Config {
            protocol: 1,
            glue: package.glue,
            root: package.root.to_string_lossy().into_owned(),
            entry: package.entry.clone(),
            module: package.module.file.clone(),
            sha256: package.module.sha256.clone(),
            builds: Vec::new(),
            api: api.clone(),
            pages_max: PAGES_MAX,
            tapes_per_instance: TAPES_PER_INSTANCE,
            allowed: Vec::new(),
            flows: Vec::new(),
            seed: 1,
        };
        let (modules, evaluators, seen) = Default::default();
        Self { config, modules, evaluators, seen, limits: HostLimits::default() }
    }

    /// Payloads that a host gets before its first batch: types and contents, in order.
    pub fn frames(&self) -> Vec<(u8, Vec<u8>)> {
        let with_index = |(index, bytes): (usize, &Vec<u8>)| [&[index as u8][..], bytes].concat();
        let config = serde_json::to_vec(&self.config).unwrap_or_default();
        let mut frames = vec![(frame::CONFIG, config)];
        let file = &self.config.module;
        if let Some(module) = package::within(Path::new(&self.config.root), file, &self.config.sha256) {
            frames.push((frame::MODULE, [&[wire::ORIGINAL][..], &module].concat()));
        }
        frames.extend(self.modules.iter().enumerate().map(|part| (frame::MODULE, with_index(part))));
        let evaluators = self.evaluators.iter().enumerate().filter(|(_, bytes)| !bytes.is_empty());
        frames.extend(evaluators.map(|part| (frame::EVALUATOR, with_index(part))));
        frames.push((frame::SEEN, self.seen.clone()));
        frames
    }
}
