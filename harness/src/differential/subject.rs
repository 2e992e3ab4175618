//! Readers as the loop sees them: one module that holds the reference and the Rust peers, its edges, and as more counters
//! what each of them said of an input beside the reference (after Nezha, on trees instead of return codes).

use crate::HarnessError;
use crate::engine::{Guest, Logged, Subject};
use crate::execution::{Outcome, RawFrame};
use crate::executors::{Build, Engine, Executor, Reset};
use crate::target::Target;
use autoclave_formats::peers::summary::{Said, Summary};
use autoclave_formats::rules::Side;
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// Counters of one reader: for each side of the reference, kind of answer and, where the reader is on its own, what it is
/// about. A collision costs an entry of the corpus, no finding: what is looked at is decided by the whole hash. Bounded for
/// each reader, so that one whose errors quote values does not fill the corpus.
const ANSWERS: usize = 128;
/// Readers that have counters.
const READERS_MAX: usize = 64;
/// What was seen before; beyond this everything is new, and the corpus bounds the work.
const SEEN_MAX: usize = 1 << 22;

/// What counts as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Feedback {
    /// Edges, and what each reader made of an input beside the reference.
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

/// An input whose answers are new.
pub struct Looked<'l> {
    /// The input.
    pub input: &'l [u8],
    /// Executions until then.
    pub executions: u64,
    /// What the reference and the peers said; `None` where one of them died of it.
    pub summary: Option<&'l Summary>,
}

/// Called with every input whose answers are new.
pub type Observe<'o> = dyn FnMut(Looked<'_>) + 'o;

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
        let all = guest.edges() + READERS_MAX * ANSWERS;
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
        let summary = Summary::decode(output);
        let key = match &summary {
            Some(summary) => {
                let (tuple, partition) = (tuple(summary), partition(summary));
                if self.feedback == Feedback::Differential {
                    let answers = &mut self.counters[edges..];
                    features(summary).for_each(|feature| answers[feature] = 1);
                }
                mixed(&(self.peers.is_some().then_some(outcome), tuple, partition))
            }
            None => mixed(&(outcome, self.guest.frames().first())),
        };
        if self.seen.len() < SEEN_MAX && self.seen.insert(key) {
            (self.observe)(Looked { input, executions: self.executions, summary: summary.as_ref() });
        }
    }
}

/// What is worth keeping an input for: for each reader by itself the kind of its answer, and what it is about where the
/// reference answers otherwise; where they agree, edges tell as much. The tuple of all answers would be the finer measure, but
/// there are as many as there are combinations: a corpus that has one input of each crowds out the rest.
fn features(summary: &Summary) -> impl Iterator<Item = usize> + '_ {
    let side = summary.reference.side;
    summary.peers.iter().take(READERS_MAX).enumerate().map(move |(at, said)| {
        let (kind, own, what) = match said {
            Said::Accepted { digest: 0, .. } => (0_u8, side == Side::Reject, summary.reference.cases as u32),
            Said::Accepted { causes, .. } => (1, true, *causes),
            Said::Refused { layer, code } => (2 + *layer as u8, side == Side::Accept, *code),
            Said::NotAsked => (u8::MAX, false, 0),
        };
        at * ANSWERS + mixed(&(kind, side, own.then_some(what))) as usize % ANSWERS
    })
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
        self.guest.edges()
    }

    fn more_counters(&self) -> usize {
        READERS_MAX * ANSWERS
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
        self.guest.trace_into(input, &mut self.traced, fact)
    }

    fn trace_counters(&mut self) -> &mut [u8] {
        &mut self.traced
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoclave_formats::peers::Layer;
    use autoclave_formats::peers::summary::Reference;
    use std::collections::BTreeSet;

    #[test]
    fn one_reader_that_answers_otherwise_is_one_new_feature() {
        let same = Said::Accepted { digest: 0, causes: 0 };
        let of = |side, peers: [Said; 3]| {
            let reference = Reference { side, ..Reference::default() };
            features(&Summary { reference, peers: peers.to_vec() }).collect::<BTreeSet<usize>>()
        };
        let before = of(Side::Accept, [same; 3]);
        assert_eq!(before.len(), 3, "readers are told apart");
        let refusal = Said::refused(Layer::Value, "x");
        for (other, new) in [
            (same, 0),
            (refusal, 1),
            (Said::refused(Layer::Syntax, "x"), 1),
            (Said::refused(Layer::Value, "y"), 1),
            (Said::Accepted { digest: 7, causes: 0 }, 1),
            (Said::Accepted { digest: 7, causes: 8 }, 1),
            (Said::NotAsked, 1),
        ] {
            assert_eq!(of(Side::Accept, [same, other, same]).difference(&before).count(), new, "{other:?}");
        }
        let one = of(Side::Accept, [same, Said::Accepted { digest: 7, causes: 8 }, same]);
        let two = of(Side::Accept, [same, Said::Accepted { digest: 9, causes: 8 }, same]);
        assert_eq!(one, two, "another tree with the same causes is nothing new");
        let both = of(Side::Accept, [refusal, refusal, same]);
        let known = &of(Side::Accept, [refusal, same, same]) | &of(Side::Accept, [same, refusal, same]);
        assert_eq!(both.difference(&known).count(), 0, "combinations are nothing new");
        assert_eq!(
            of(Side::Reject, [same; 3]).difference(&before).count(),
            3,
            "what must be refused is another question"
        );
    }
}
