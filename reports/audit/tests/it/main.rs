//! Tests of the binary and of the library: what they write, and how they end.

mod certificates;
mod corpus;
mod renderings;
mod sample;
mod scan;
#[path = "../../../tests/it/tools.rs"]
mod tools;
