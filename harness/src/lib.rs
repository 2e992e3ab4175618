//! Autoclave: puts WebAssembly modules that read patient data under pressure.
//!
//! Rooms, each importing only those below it (a tidy test holds them to it):
//! `main → campaign → cli → {check, confirm, constant_time, contract, coverage, differential} → {complexity, oracles, triage} →
//! {engine, executors, boundary, parsers, generators} → {instrument, minimise, views} →
//! {target, corpus, symbols, limits, execution, error}`.

pub mod boundary;
pub mod campaign;
pub mod check;
pub mod cli;
pub mod complexity;
pub mod confirm;
pub mod constant_time;
pub mod contract;
pub mod corpus;
pub mod coverage;
pub mod differential;
pub mod engine;
pub mod error;
pub mod execution;
pub mod executors;
pub mod instrument;
pub mod limits;
pub mod minimise;
pub mod oracles;
pub mod symbols;
pub mod target;
pub mod triage;
pub mod views;

pub use error::HarnessError;
