//! What a target did with oversize and hostile inputs, and how its work grows: the rows behind the report's section on
//! resources. Fuel and pages are exact and repeat; only `wall_ms` is *Timing*.

use crate::record::{LimitRow, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One target held to its resource contract.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Contract {
    /// `browser`, `server`, or empty where neither was chosen.
    pub profile: String,
    /// The numbers of the contract, each with its reason.
    pub terms: Vec<LimitRow>,
    /// What the contract allows of a hostile input by its size, sizes rising, straight between: the line in the plots.
    pub allowed: Vec<Point>,
    /// The same of typical documents; empty where nothing tighter is asked of them.
    pub allowed_typical: Vec<Point>,
    /// What each entry reads.
    pub reads: Vec<Reads>,
    /// One row for each entry, family and size; families that were not run stand here with their reason.
    pub trials: Vec<Trial>,
    /// How work grows with size, by family and by shapes that the search found.
    pub growth: Vec<Growth>,
}

/// Which input an entry reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reads {
    /// The export.
    pub entry: String,
    /// Kinds of input, such as `gzip` or `gzip/fhir-json`.
    pub kinds: Vec<String>,
    /// Who says so: `declared` in `target.toml` or on the command line, or `probed`.
    pub origin: String,
    /// What the probing saw, one sentence; empty where it was declared.
    pub evidence: String,
}

/// One input of one family, given to one entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Trial {
    /// The export.
    pub entry: String,
    /// Family of inputs, as in `bombs list`.
    pub family: String,
    /// Its parameters, as `bombs make` takes them, separated by blanks.
    pub params: String,
    /// Which part of the contract: `worst`, `typical`, or a limit that the module declares: `size-limit`, `count-limit`.
    pub part: String,
    /// Whether it kept the contract; [`Verdict::NotTested`] and [`Verdict::NotApplicable`] say why it was not run.
    pub verdict: Verdict,
    /// How the call ended, such as `rejected` or `STACK`; empty where it was not run.
    pub outcome: String,
    /// Size of the input, bytes.
    pub bytes: u64,
    /// What the input becomes when everything in it is expanded: bytes, `more than 2^128` or `endless`; empty where
    /// nothing is expanded.
    pub expanded: String,
    /// Fuel that the call used.
    pub fuel: u64,
    /// Fuel that the contract allows.
    pub fuel_allowed: u64,
    /// Largest linear memory, bytes.
    pub memory_bytes: u64,
    /// Memory that the contract allows, bytes.
    pub memory_bytes_allowed: u64,
    /// What the call gave back, bytes.
    pub output_bytes: u64,
    /// What it said in refusing or dying, bytes.
    pub error_bytes: u64,
    /// The next benign call on the same instance: `same` as on a fresh one, `differs`, or why it was not made.
    pub next_call: String,
    /// [`Finding::id`](crate::Finding::id) of the finding that carries it; empty where there is none.
    pub finding: String,
    /// *Timing.* Milliseconds of the call; advice only.
    #[serde(serialize_with = "crate::record::micro")]
    pub wall_ms: f64,
}

/// How the work of one entry grows with one shape of input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Growth {
    /// The export.
    pub entry: String,
    /// Family of inputs, or `found by search`.
    pub shape: String,
    /// Measurements, sizes doubling.
    pub points: Vec<Point>,
    /// k of fuel ~ bytes^k: mean of the last three doublings; absent where there are fewer.
    #[serde(serialize_with = "crate::record::six_digits")]
    pub exponent: Option<f64>,
    /// Fuel per byte at the largest input that the profile accepts, measured or extrapolated with the exponent.
    #[serde(serialize_with = "crate::record::six_digits")]
    pub fuel_per_byte: Option<f64>,
    /// [`Verdict::Fail`] where it is super-linear and over the contract.
    pub verdict: Verdict,
    /// The repeated piece, where the search found the shape.
    pub tile: Option<Tile>,
    /// Executions until it was found; 0 for a family.
    pub executions: u64,
    /// [`Finding::id`](crate::Finding::id) of the finding that carries it; empty where there is none.
    pub finding: String,
}

/// One measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Point {
    /// Size of the input, bytes.
    pub bytes: u64,
    /// Fuel that it used.
    pub fuel: u64,
    /// Largest linear memory, bytes.
    pub memory_bytes: u64,
}

/// An input of any size: what stands before, what repeats, what stands after. Lower-case hex, each at most 4 KiB of bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tile {
    /// Before.
    pub prefix_hex: String,
    /// Repeated.
    pub piece_hex: String,
    /// Where no repetition is like another: a number in letters follows each piece, and then this.
    pub after_number_hex: Option<String>,
    /// After.
    pub suffix_hex: String,
}
