//! Tests of certificates: what is admitted, what is refused, and what foreign programs say of our files.

mod attacks;
mod decisions;
mod foreign;
mod random;
mod sample;
mod schema;
mod snippets;
#[path = "../../../tests/it/tools.rs"]
mod tools;
