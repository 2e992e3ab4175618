//! The boundary between JavaScript and WebAssembly, driven through the vendor's own glue in real hosts.
//!
//! A [`tape::Tape`] says which calls are made with which values; [`api`] says what may be called; [`wire`] is what a host
//! and its parent say to each other. This crate knows neither wasmtime nor the engine that fuzzes bytes.

pub mod api;
pub mod fuzz;
pub mod glue;
pub mod hosts;
pub mod judge;
pub mod package;
pub mod tape;
pub mod wire;
