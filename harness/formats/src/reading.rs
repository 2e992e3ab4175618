//! What a reader makes of an input: a canonical tree, and the rules that the input breaks.

use crate::rules::{Case, Policy, Side, Wanted};
use crate::tree::Tree;
use std::ops::Range;

/// Breaches that one reading keeps; a hostile input breaks a rule in every byte.
pub const BREACHES_MAX: usize = 64;

/// One way in which the input breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which rule, and how.
    pub case: &'static Case,
    /// Where in the input, bytes.
    pub span: Range<usize>,
}

/// An input as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its canonical tree; `None` where the syntax is too broken for one.
    pub tree: Option<Tree>,
    /// What it breaks, in the order in which it was seen; at most [`BREACHES_MAX`], each case at most once a place.
    pub breaches: Vec<Breach>,
    /// Facts of the transport that are no part of the tree, such as a byte order mark, framing or line endings.
    pub transport: Vec<&'static str>,
}

impl Reading {
    /// Notes a breach.
    pub fn breach(&mut self, case: &'static Case, span: Range<usize>) {
        if self.breaches.len() < BREACHES_MAX {
            self.breaches.push(Breach { case, span });
        }
    }

    /// Whether the specification demands a refusal, whatever the policy.
    pub fn must_be_refused(&self) -> bool {
        self.breaches.iter().any(|breach| breach.case.wanted == Wanted::Refusal)
    }

    /// Which side of the rules the input is on: accepted only if no breach is to be refused.
    pub fn side(&self, policy: Policy) -> Side {
        match self.breaches.iter().all(|breach| policy.side(breach.case) == Side::Accept) {
            true => Side::Accept,
            false => Side::Reject,
        }
    }
}
