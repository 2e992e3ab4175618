//! What the loop needs to know of a target: run an input, show the counters, trace the compares.

use super::facts::{Fact, Text};
use crate::HarnessError;
use crate::execution::{Outcome, RawFrame};

/// A target that can be run in two builds: fast with edge counters, and slower with its compares logged.
/// Both builds count the same edges in the same order.
pub trait Subject {
    /// Edges that are counted.
    fn edges(&self) -> usize;
    /// Counters after those of edges: of what else is worth keeping an input for.
    fn more_counters(&self) -> usize {
        0
    }
    /// Compare sites; asked after a trace.
    fn compare_sites(&self) -> usize;
    /// The two edges that a compare decides, where they are known: (true, false).
    fn decides(&self, site: usize) -> Option<(u32, u32)>;
    /// Runs an input in the fast build.
    fn run(&mut self, input: &[u8]) -> Result<Outcome, HarnessError>;
    /// Counters of the last run; the loop clears them.
    fn counters(&mut self) -> &mut [u8];
    /// Frames of the last run, in whichever build.
    fn frames(&self) -> &[RawFrame];
    /// Runs an input in the tracing build and tells its compares, as many as were logged.
    fn trace(&mut self, input: &[u8], fact: &mut dyn FnMut(Logged<'_>)) -> Result<Outcome, HarnessError>;
    /// Counters of the last trace; the loop clears them.
    fn trace_counters(&mut self) -> &mut [u8];
}

/// One logged compare.
#[derive(Debug, Clone, Copy)]
pub enum Logged<'a> {
    /// Of two numbers.
    Number {
        /// Compare site.
        site: u32,
        /// What was asked.
        relation: super::Relation,
        /// How many times the site had been reached in this execution, this time included.
        occurrence: u32,
        /// Operand width, bytes: 1, 2, 4 or 8.
        width: u8,
        /// Left operand.
        left: u64,
        /// Right operand.
        right: u64,
    },
    /// Of two byte strings.
    Text {
        /// Left operand's bytes.
        left: &'a [u8],
        /// Right operand's bytes.
        right: &'a [u8],
    },
}

impl Logged<'_> {
    #[inline(always)]
    pub(super) fn into_fact(self) -> Result<Fact, Text> {
        match self {
            Logged::Number { site, relation, occurrence, width, left, right } => {
                Ok(Fact { site, relation, occurrence, width, left, right })
            }
            Logged::Text { left, right } => Err(Text::new(left, right)),
        }
    }
}
