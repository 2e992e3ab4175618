//! One input × one target → verdicts: the spine that `fuzz`, `replay`, `repro` and `selftest` share.

use crate::HarnessError;
use crate::execution::Execution;
use crate::executors::{self, Engine};
use crate::oracles::{self, Case, Oracle};
use crate::target::Target;

/// What the judge saw, and which oracle calls it a finding.
pub struct Checked {
    /// The execution of the uninstrumented module in a fresh instance with fuel.
    pub execution: Execution,
    /// The oracle and its title for the finding, if it is one.
    pub raised: Option<(&'static Oracle, String)>,
}

/// Runs `input` as the judge does, and asks every oracle.
pub fn check(engine: &Engine, target: &Target, entry: &str, input: &[u8]) -> Result<Checked, HarnessError> {
    let execution = executors::judge(engine, target, entry, input, &target.limits)?;
    let raised = oracles::ask(&Case { target, entry, input, execution: &execution });
    Ok(Checked { execution, raised })
}
