//! Readers as the loop sees them: one module that holds the reference and the Rust peers, its edges, and as more counters
//! what they said of an input, each alone and beside the others (Nezha's δ-diversity, on trees instead of return codes).

use crate::HarnessError;
use crate::engine::{Guest, Logged, Subject};
use crate::execution::{Outcome, RawFrame};
use crate::executors::{Build, Engine, Executor, Reset};
use crate::target::Target;
use autoclave_formats::peers::summary::{Said, Summary};
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// Counters for tuples of answers, and as many for partitions of trees. A collision costs an entry of the corpus, no
/// finding: what is looked at is decided by the whole hash.
const TUPLES: usize = 4_096;
/// What was seen before; beyond this everything is new, and the corpus bounds the work.
const SEEN_MAX: usize = 1 << 22;

/// What counts as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Feedback {
    /// Edges, tuples of answers and partitions of trees.
    Differential,
    /// Edges only.
    Coverage,
}

/// A module of peers that runs every input beside a module under test.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// The module.
    pub target: &'a Target,
    /// Its entry that gives back a [`Summary`].
    pub entry: &'a str,
}

/// Called with every input whose answers are new, and with the executions until then.
pub type Observe<'o> = dyn FnMut(&[u8], u64) + 'o;

/// A module with several readers, ready to be fuzzed.
pub struct Readers<'a, 'o> {
    guest: Guest<'a>,
    /// The peers, where `guest` is a module under test.
    peers: Option<Executor>,
    feedback: Feedback,
    counters: Vec<u8>,
    traced: Vec<u8>,
    seen: HashSet<u64>,
    executions: u64,
    observe: &'o mut Observe<'o>,
}

impl<'a, 'o> Readers<'a, 'o> {
    /// `guest`'s entry gives back a [`Summary`], or else that of `beside` does.
    pub fn new(
        engine: &Engine,
        guest: Guest<'a>,
        beside: Option<Beside<'_>>,
        feedback: Feedback,
        observe: &'o mut Observe<'o>,
    ) -> Result<Self, HarnessError> {
        let all = guest.edges() + 2 * TUPLES;
        let executor = |beside: Beside<'_>| {
            let limits = &beside.target.limits;
            Executor::new(engine, beside.target, beside.entry, Build::Fuzz, Reset::Dirty, limits)
        };
        Ok(Self {
            guest,
            peers: beside.map(executor).transpose()?,
            feedback,
            counters: vec![0; all],
            traced: vec![0; all],
            seen: HashSet::new(),
            executions: 0,
            observe,
        })
    }

    fn look(&mut self, input: &[u8], outcome: Outcome) {
        self.executions += 1;
        let edges = self.guest.edges();
        let output = match &mut self.peers {
            Some(peers) => match peers.run(input) {
                Outcome::Returned => peers.output(),
                _ => &[],
            },
            None => self.guest.output(),
        };
        let key = match Summary::decode(output) {
            Some(summary) => {
                let (tuple, partition) = (tuple(&summary), partition(&summary));
                if self.feedback == Feedback::Differential {
                    self.counters[edges + tuple as usize % TUPLES] = 1;
                    self.counters[edges + TUPLES + partition as usize % TUPLES] = 1;
                }
                mixed(&(self.peers.is_some().then_some(outcome), tuple, partition))
            }
            None => mixed(&(outcome, self.guest.frames().first())),
        };
        if self.seen.len() < SEEN_MAX && self.seen.insert(key) {
            (self.observe)(input, self.executions);
        }
    }
}

/// Which answers an input got: the rules it breaks, and of each peer whether and why it refused, or that it read otherwise.
fn tuple(summary: &Summary) -> u64 {
    let mut hasher = DefaultHasher::new();
    (summary.reference.side, summary.reference.cases).hash(&mut hasher);
    for said in &summary.peers {
        match said {
            Said::Accepted { digest, causes } => (0_u8, *digest != 0, causes).hash(&mut hasher),
            Said::Refused { layer, code } => (1_u8, layer, code).hash(&mut hasher),
            Said::NotAsked => 2_u8.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// Which peers read the same, whatever it is, and roughly how much there was to read.
fn partition(summary: &Summary) -> u64 {
    let mut blocks: Vec<u64> = Vec::new();
    let mut hasher = DefaultHasher::new();
    for said in &summary.peers {
        let block = match said {
            Said::Accepted { digest, .. } => blocks.iter().position(|known| known == digest).unwrap_or_else(|| {
                blocks.push(*digest);
                blocks.len() - 1
            }),
            Said::Refused { .. } => usize::MAX,
            Said::NotAsked => usize::MAX - 1,
        };
        block.hash(&mut hasher);
    }
    (summary.reference.side, summary.reference.nodes.checked_ilog2()).hash(&mut hasher);
    hasher.finish()
}

fn mixed(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

impl Subject for Readers<'_, '_> {
    fn edges(&self) -> usize {
        self.counters.len()
    }

    fn compare_sites(&self) -> usize {
        self.guest.compare_sites()
    }

    fn decides(&self, site: usize) -> Option<(u32, u32)> {
        self.guest.decides(site)
    }

    fn run(&mut self, input: &[u8]) -> Result<Outcome, HarnessError> {
        let outcome = self.guest.run(input)?;
        let counters = self.guest.counters();
        self.counters[..counters.len()].copy_from_slice(counters);
        counters.fill(0);
        self.look(input, outcome);
        Ok(outcome)
    }

    fn counters(&mut self) -> &mut [u8] {
        &mut self.counters
    }

    fn frames(&self) -> &[RawFrame] {
        self.guest.frames()
    }

    fn trace(&mut self, input: &[u8], fact: &mut dyn FnMut(Logged<'_>)) -> Result<Outcome, HarnessError> {
        let outcome = self.guest.trace(input, fact)?;
        let counters = self.guest.trace_counters();
        self.traced[..counters.len()].copy_from_slice(counters);
        counters.fill(0);
        Ok(outcome)
    }

    fn trace_counters(&mut self) -> &mut [u8] {
        &mut self.traced
    }
}
