//! One binary of integration tests: a file per room.

mod executors;
mod instrument;
mod symbols;
