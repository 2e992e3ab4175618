//! Constant time: nothing that an observer of the work can see (which way branches go, which addresses are touched, which
//! numbers are divided) depends on a secret.
//!
//! WebAssembly is deterministic, so two executions that differ in nothing but the secret can be compared exactly. One
//! build of the module hashes, for every site, all operands that it saw; where the hashes of two secrets differ, another
//! build records every event, and both executions are walked in step to the first difference. Design after Microwalk
//! (Wichelmann et al., 2018) and DATA (Weiser et al., 2018), with the instrumentation inside of the module.

pub mod clock;
mod examine;
mod lockstep;
mod publics;
mod secrets;

pub use examine::examine;

use crate::executors::Engine;
use crate::symbols::{Frame, Symbols};
use crate::target::{Allowed, Policy, Target};
use autoclave_reports::constant_time::{Handled, Leak};

/// Secrets that are tried with the first public input.
pub const SECRETS: usize = 128;
/// Public inputs.
pub const PUBLICS: usize = 12;
/// Executions of the search for public inputs.
pub const SEARCH_RUNS: u64 = 20_000;

/// What is asked about one entry.
pub struct Question<'a> {
    /// Compiles and runs.
    pub engine: &'a Engine,
    /// The module.
    pub target: &'a Target,
    /// The entry; it has a script.
    pub entry: &'a str,
    /// Names and source lines of the module.
    pub symbols: &'a Symbols,
    /// Which executions are compared.
    pub policy: Policy,
    /// Secrets with the first public input; later ones get fewer.
    pub secrets: usize,
    /// Public inputs.
    pub publics: usize,
    /// Executions of the search for public inputs; fewer where one takes long.
    pub search_runs: u64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Flat inputs that are known already, such as a collected corpus.
    pub corpus: &'a [Vec<u8>],
    /// Leaks that were looked at and are accepted.
    pub allowed: &'a [Allowed],
}

/// Whether an accepted leak speaks of that place.
pub fn covers(allowed: &Allowed, entry: &str, frames: &[Frame], class: &str, operation: &str) -> bool {
    let is_function = |frame: &Frame| {
        let name = frame.name();
        name == allowed.function || name.ends_with(&format!("::{}", allowed.function))
    };
    allowed.entry.as_deref().is_none_or(|only| only == entry)
        && (allowed.op == "*" || allowed.op == class || allowed.op == operation)
        && frames.iter().any(is_function)
}

/// What came of one entry.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The row of the report.
    pub handled: Handled,
    /// Primary leaks, strong ones first, then by their first event.
    pub leaks: Vec<Leak>,
    /// Flat inputs of each leak's two executions.
    pub inputs: Vec<[Vec<u8>; 2]>,
    /// Module offset of each leak.
    pub offsets: Vec<u32>,
    /// Executions.
    pub executions: u64,
}

/// What of the ground truth did not come out.
pub fn unmet(expected: &str, answer: &Answer) -> String {
    let mut words = expected.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let classes: Vec<&str> = words.collect();
    let verdict = answer.handled.verdict.name();
    let wanted = match kind {
        // A warning that names no place (only one answer was seen, say) is none of the code's.
        "constant" if verdict == "WARN" && answer.leaks.is_empty() => "WARN",
        "constant" => "PASS",
        "weak" => "WARN",
        "leak" => "FAIL",
        other => return format!("target.toml expects {other:?}: write constant, leak CLASS… or weak CLASS…"),
    };
    let seen = |class: &&&str| answer.leaks.iter().any(|leak| leak.class == **class);
    let missing: Vec<&str> = classes.iter().filter(|class| !seen(class)).copied().collect();
    match (verdict == wanted, missing.is_empty()) {
        (true, true) => String::new(),
        (false, _) => format!("{wanted} was expected, {verdict} came out"),
        (true, false) => format!("no {} was seen", missing.join(", no ")),
    }
}
