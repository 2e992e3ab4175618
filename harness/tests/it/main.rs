//! One binary of integration tests: a file per room.

mod abi;
mod coverage;
mod executors;
mod instrument;
mod symbols;
mod targets;
mod triage;
