//! The fast reset against the reference: same inputs, compared byte for byte.

use super::{Build, Engine, Executor, Reset};
use crate::HarnessError;
use crate::execution::{Execution, Limit, Outcome};
use crate::limits::Limits;
use crate::target::{Abi, Target};

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Inputs that were run in all three modes.
    pub inputs: usize,
    /// Of these, runs after which the fast mode kept its instance: where 0, nothing was compared that matters.
    pub kept: usize,
    /// Everything that differed.
    pub differences: Vec<Difference>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Number of the input.
    pub input: usize,
    /// What differs, and between which modes.
    pub what: String,
}

/// Runs every input, in order, in three executors: dirty-page reset, fresh instances, fresh instances of the module as
/// deployed. Outcome, output, messages, host calls, memories and globals must agree; after each reset the first one's
/// state must equal its snapshot.
pub fn verify<'a>(
    engine: &Engine,
    target: &Target,
    entry: &str,
    inputs: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
) -> Result<Verified, HarnessError> {
    let new = |build, reset| Executor::new(engine, target, entry, build, reset, limits);
    let mut dirty = new(Build::Fuzz, Reset::Dirty)?;
    let mut fresh = new(Build::Fuzz, Reset::Fresh)?;
    let mut plain = new(Build::Plain, Reset::Fresh)?;
    let mut verified = Verified::default();
    for (input, bytes) in inputs.into_iter().enumerate() {
        let mut differ = |what: String| verified.differences.push(Difference { input, what });
        let outcomes = [dirty.run(bytes), fresh.run(bytes), plain.run(bytes)];
        verified.inputs += 1;
        verified.kept += usize::from(dirty.keeps_instance());
        // The clock stops a run anywhere.
        if !outcomes.contains(&Outcome::Limit(Limit::Deadline)) {
            let [a, b, c] = [&dirty, &fresh, &plain].map(Executor::execution);
            compare("dirty and fresh", &a, &b).into_iter().for_each(&mut differ);
            if dirty.counters() != fresh.counters() {
                differ("edge counters of dirty and fresh".into());
            }
            if dirty.global_bits() != fresh.global_bits() {
                differ("globals of dirty and fresh".into());
            }
            for index in 0..fresh.program.facts.memories {
                if dirty.memory(index) != fresh.memory(index) {
                    differ(format!("memory {index} of dirty and fresh"));
                }
            }
            // The guard stops earlier than the module as deployed, and needs stack of its own for it.
            if !matches!(outcomes[1], Outcome::Limit(Limit::ShadowStack | Limit::Stack)) {
                if target.abi == Abi::Component {
                    // As deployed it is more than its core module: adapters and host objects with memory of their own, and
                    // results that only the component's types give a form.
                    if b.outcome != c.outcome {
                        differ(format!(
                            "outcome {} of core module, {} of component",
                            b.outcome.name(),
                            c.outcome.name()
                        ));
                    }
                } else {
                    compare("fresh and plain", &b, &c).into_iter().for_each(&mut differ);
                    if fresh.program.facts.memories == 1 && fresh.memory(0) != plain.memory(0) {
                        differ("memory of fresh and plain".into());
                    }
                }
            }
        }
        if let Some(Err(what)) = dirty.reset_and_compare() {
            differ(what);
        }
    }
    Ok(verified)
}

fn compare(which: &str, a: &Execution, b: &Execution) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: String| differences.push(format!("{what} of {which}"));
    if a.outcome != b.outcome {
        differ(format!("outcome {} / {}", a.outcome.name(), b.outcome.name()));
    }
    if a.output != b.output {
        differ("output".into());
    }
    if a.message != b.message {
        differ("message".into());
    }
    if a.host_calls != b.host_calls {
        differ("host calls".into());
    }
    if (a.memory_bytes_peak, a.growth_denied) != (b.memory_bytes_peak, b.growth_denied) {
        differ("memory peak or denials".into());
    }
    // Where a trap is seen inside one instruction may depend on what stands around it; the function may not.
    let functions = |execution: &Execution| execution.frames.iter().map(|f| f.function).collect::<Vec<_>>();
    if a.outcome != Outcome::Limit(Limit::Stack) && functions(a) != functions(b) {
        differ("frames".into());
    }
    differences
}
