//! Tests of the binary and of the library: what they write, and how they end.

mod certificates;
mod renderings;
mod sample;
#[path = "../../../tests/it/tools.rs"]
mod tools;
//! The program as people run it.

mod corpus;
