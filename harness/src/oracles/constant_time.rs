//! `constant-time`: does anything that an observer of the work can see depend on a secret?

use super::{Asked, Oracle, canary};

/// The table's entry.
pub const ORACLE: Oracle = Oracle {
    name: "constant-time",
    question: "Do branches, addresses and operands of slow instructions stay the same whatever the secret is?",
    explanation: "Whoever shares a machine with a module, or only waits for its answers, learns from how long it works and \
which memory it touches. A compare that stops at the first wrong byte gives a token away byte by byte; a table indexed by \
a key gives the key away through the cache. The entry is run with many secrets and the same public input; every branch, \
address, length and operand of a division is compared exactly, in the module as compiled, because compilers turn masks \
back into branches. Branches, addresses, lengths and divisions fail; `select` and arithmetic on floats, which some engines \
make constant and others not, are a warning. A clock may confirm a leak, and never clears one. Repair: compare with \
`subtle` or masks and look at the compiled module again; scan tables instead of indexing them; multiply instead of \
dividing; keep lengths public; answer every wrong input in the same way.",
    asked: Asked::OfSecrets,
    canaries: &[canary!("canary-constant-time")],
};
