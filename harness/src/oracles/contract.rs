//! `contract`: does the module answer oversize and hostile input within the terms of its resource contract?

use super::{Asked, Oracle, canary};

/// The table's entry.
pub const ORACLE: Oracle = Oracle {
    name: "contract",
    question: "Is every input, however large or hostile, answered within bounded work and memory, and forgotten?",
    explanation: "A module that needs more memory or work than its input justifies can be brought down by one message: a \
megabyte that expands to a terabyte, a megabyte of brackets, a message of a hundred thousand fields. The contract says how \
much an input of a given size may take, for any input and, more strictly, for a plain document; that what expands beyond \
measure is refused; that what is longer than the module declares to take is refused before it is read; that a refusal is short; and that the next ordinary call is answered as by a fresh instance. Repair: \
refuse by length first; count what comes out while it comes out, absolutely and against what went in; bound depth and the \
number of parts; never reserve memory for a length that a header claims.",
    asked: Asked::OfContracts,
    canaries: &[canary!("canary-contract"), canary!("canary-refusal")],
};
