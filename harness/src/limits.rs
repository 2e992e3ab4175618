//! Every limit in one struct: unit in the name, default and reason beside it. Resolved once
//! (default → profile → `target.toml` → flag) and printed in every report.

use serde::{Deserialize, Serialize};

/// Bounds on one execution (and on loading the module).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest input given to a target, bytes. Default 1 MiB: FHIR bundles in the field stay below; longer ones belong to the bomb suite.
    pub input_bytes_max: u32,
    /// Linear memory, all memories summed, bytes. Default 256 MiB: what a browser tab can spare.
    pub memory_bytes_max: u64,
    /// Denied growth requests before the module is stopped. Default 1,000: an allocator that copes asks a handful of times.
    pub growth_denials_max: u32,
    /// Elements of all tables. Default 10,000, the browser engines' usual module size many times over.
    pub table_elements_max: u32,
    /// Fuel (about one unit per instruction) given per execution before its bytes count. Default 50 million.
    pub fuel_base: u64,
    /// Fuel given on top for each input byte. Default 30,000: ten times the contract of a linear parser.
    pub fuel_per_byte: u64,
    /// Wall-clock guard per execution, milliseconds. Default 1,000. Advice only: the judge replays with fuel.
    pub wall_ms_max: u64,
    /// Native stack for guest frames, bytes. Default 512 KiB, the smallest of the browsers'.
    pub native_stack_bytes_max: u32,
    /// Output read back from one execution, bytes. Default 16 MiB.
    pub output_bytes_max: u32,
    /// Calls to the host in one execution. Default 100,000.
    pub host_calls_max: u64,
    /// Module size, bytes. Default 64 MiB: compiling more costs minutes.
    pub module_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input_bytes_max: 1 << 20,
            memory_bytes_max: 256 << 20,
            growth_denials_max: 1_000,
            table_elements_max: 10_000,
            fuel_base: 50_000_000,
            fuel_per_byte: 30_000,
            wall_ms_max: 1_000,
            native_stack_bytes_max: 512 << 10,
            output_bytes_max: 16 << 20,
            host_calls_max: 100_000,
            module_bytes_max: 64 << 20,
        }
    }
}

impl Limits {
    /// Fuel for an input of `bytes` bytes.
    pub fn fuel(&self, bytes: usize) -> u64 {
        self.fuel_base.saturating_add(self.fuel_per_byte.saturating_mul(bytes as u64))
    }
}
