//! `complexity`: does the module's work grow faster than its input?

use super::{Asked, Oracle, canary};

/// The table's entry.
pub const ORACLE: Oracle = Oracle {
    name: "complexity",
    question: "Does work grow no faster than the input, for known families and for shapes that a search finds?",
    explanation: "Fuel is measured on inputs that double in size, and k in fuel ~ bytes^k is read off the last three \
doublings. Above 1.3, with more fuel for each byte than the contract allows at a size that has to be accepted, a message of \
ordinary length keeps a service busy for minutes. Beside the families of inputs, a search looks for whatever makes some edge \
of the code run most often, and repeats the part that does it. Repair: look for a loop over the input inside of a loop over \
the input (the n-th segment, found from the start each time; a list searched for each new member), for numbers converted \
digit by digit, for copies made again at each step; keep positions, use a map, bound the length of numbers.",
    asked: Asked::OfGrowth,
    canaries: &[canary!("canary-growth")],
};
