//! One binary of integration tests: a file per room.

mod abi;
#[cfg(target_os = "linux")]
mod campaign;
mod complexity;
mod constant_time;
mod contract;
mod coverage;
mod differential;
mod executors;
mod hostile;
mod instrument;
mod portable;
mod symbols;
mod targets;
mod trace;
mod triage;
