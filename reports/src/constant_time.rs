//! What a target lets an observer of its work learn about its secrets: the rows behind the report's section on constant
//! time. Branches, addresses and operands are compared exactly; only [`Clocked`] is *Timing*.

use crate::record::{Frame, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One target whose work was compared between secrets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConstantTime {
    /// `strict`: all secrets are compared with each other. `relaxed`: those with the same declassified outcome.
    pub policy: String,
    /// One row for each entry that handles a secret; those that were not run stand here with their reason.
    pub entries: Vec<Handled>,
    /// Places whose work depends on a secret, in the order of the first execution that shows them.
    pub leaks: Vec<Leak>,
    /// Engines whose machine code was looked at, such as `wasmtime 48.0.1, x86_64`; empty where none was.
    pub scanned: Vec<String>,
    /// Conditional jumps and divisions of the engine's machine code that no branch or division of the module asks for.
    pub machine: Vec<Machine>,
}

/// One entry that handles a secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Handled {
    /// Its name.
    pub entry: String,
    /// How it is called: which bytes are secret, which are public, what is declassified.
    pub script: String,
    /// The answer: [`Verdict::Fail`] for a strong leak, [`Verdict::Warn`] for a weak one.
    pub verdict: Verdict,
    /// Policy in force for this entry, where it is not the run's: a declassified outcome that reveals the secret is refused.
    pub policy: String,
    /// Distinct secrets.
    pub secrets: u64,
    /// Distinct public inputs that secrets were tried with.
    pub publics: u64,
    /// Executions that were compared.
    pub runs: u64,
    /// Outcome classes inside of which they were compared.
    pub classes: u64,
    /// Pairs of executions that were walked in step, those with different events.
    pub pairs: u64,
    /// Executions without a partner in their class: compared with nothing.
    pub alone: u64,
    /// Events (branches, addresses, operands) that were compared, summed over all executions.
    pub events: u64,
    /// Sites that the entry reached.
    pub sites_reached: u64,
    /// Sites of the functions that it reached.
    pub sites_total: u64,
    /// Functions with sites that were never reached, most first.
    pub unreached: Vec<Unreached>,
    /// Primary leaks of the strong classes, without those that the manifest allows.
    pub strong: u64,
    /// Primary leaks of the weak classes, without those that the manifest allows.
    pub weak: u64,
    /// Primary leaks that the manifest allows.
    pub allowed: u64,
    /// Sites that differ only because something before them did.
    pub secondary: u64,
    /// Smallest part of a compared pair of executions that was walked in step, percent.
    pub walked_percent: Option<u32>,
    /// What the target's manifest says should come out: `constant`, `leak CLASS…` or `weak CLASS…`; empty but for ground
    /// truth.
    pub expected: String,
    /// What of it did not come out, one sentence; empty where all of it did.
    pub unmet: String,
    /// Anything else that a reader should know, one sentence each.
    pub notes: Vec<String>,
    /// *Timing.* Measurements; empty where none were asked for.
    pub clocked: Vec<Clocked>,
    /// *Timing.* Processor seconds.
    #[serde(serialize_with = "crate::record::micro")]
    pub cpu_seconds: f64,
}

/// A function with sites that were not reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Unreached {
    /// Its name.
    pub function: String,
    /// Sites that it has.
    pub sites: u64,
    /// Of these, not reached.
    pub unreached: u64,
}

/// One place whose work depends on a secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Leak {
    /// The entry through which it was seen.
    pub entry: String,
    /// [`Verdict::Fail`] for a strong class, [`Verdict::Warn`] for a weak one, [`Verdict::NotApplicable`] with the reason
    /// where the manifest allows it.
    pub verdict: Verdict,
    /// `branch`, `indirect`, `load`, `store`, `bulk`, `div`, `select`, `float`, `trap`.
    pub class: String,
    /// Whether the class is one that every engine makes observable.
    pub strong: bool,
    /// Instruction in text format, such as `i32.load8_u`.
    pub operation: String,
    /// Which operand differs: `condition`, `address`, `length`, `dividend`, …
    pub operand: String,
    /// Where, with what the compiler inlined there, innermost first.
    pub frames: Vec<Frame>,
    /// The source line, where debug information names it and the file is at hand; one line of text.
    pub source: String,
    /// Positions in the flat secret of the bytes that drive it; empty where flipping single bytes does not show it.
    pub secret_bytes: Vec<u32>,
    /// Length of the secret, bytes.
    pub secret_len: u32,
    /// Two secrets that show it, lower-case hex, cut at 256 bytes.
    pub secrets_hex: [String; 2],
    /// The public bytes of both executions, lower-case hex, cut at 256 bytes.
    pub public_hex: String,
    /// The operand with each of them.
    pub values: [String; 2],
    /// What the script declassifies of each, as text, such as `result 0`; empty where it declassifies nothing.
    pub outcomes: [String; 2],
    /// How many events both executions have in common before it.
    pub event: u64,
    /// Whether executions had parted before it and were found again in step.
    pub resynchronised: bool,
    /// Of the entry's [`Handled::pairs`]: those that differ here.
    pub pairs: u64,
    /// What the engine makes of the instruction, where its machine code was looked at; one sentence each.
    pub machine: Vec<String>,
    /// Whether a clock could tell the two secrets apart as well; empty where none was asked: `confirmed on wasmtime: 11.5 ns`.
    pub clock: String,
    /// [`Finding::id`](crate::Finding::id) of the finding that carries it; empty where there is none.
    pub finding: String,
}

/// Machine code that branches or divides where the module does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Machine {
    /// `wasmtime 48.0.1, x86_64`.
    pub engine: String,
    /// Instruction of the module in text format.
    pub operation: String,
    /// How often it occurs in the module.
    pub sites: u64,
    /// Of these, with a conditional jump in the machine code.
    pub jumps: u64,
    /// Of these, with a division.
    pub divisions: u64,
    /// Of the sites with either: those whose operands differ between secrets.
    pub diverged: u64,
}

/// *Timing.* One measurement of two secrets beside each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Clocked {
    /// `wasmtime 48.0.1`, `V8 11.3 (TurboFan)`, …
    pub host: String,
    /// `confirmed`, `not confirmed`, or `discarded` where the control alarmed.
    pub outcome: String,
    /// Pairs of measurements.
    pub pairs: u64,
    /// Calls in one measurement.
    pub calls: u64,
    /// Median of the differences, nanoseconds for one call.
    #[serde(serialize_with = "crate::record::micro")]
    pub effect_ns: f64,
    /// Its confidence interval, nanoseconds for one call.
    #[serde(serialize_with = "crate::record::micro_pair")]
    pub interval_ns: [f64; 2],
    /// Median time of one call, nanoseconds.
    #[serde(serialize_with = "crate::record::micro")]
    pub call_ns: f64,
    /// Chance of such a difference without any cause (two-sided sign test).
    #[serde(serialize_with = "crate::record::digits")]
    pub p: f64,
    /// The same for one secret beside itself: the control.
    #[serde(serialize_with = "crate::record::digits")]
    pub control_p: f64,
    /// Median difference of the control, nanoseconds for one call.
    #[serde(serialize_with = "crate::record::micro")]
    pub control_effect_ns: f64,
}
