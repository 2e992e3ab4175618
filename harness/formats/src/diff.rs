//! Disagreements between readers: found, classed, signed, minimised.

pub mod difference;
pub mod judge;
pub mod relations;
pub mod shrink;
