//! Work that grows faster than the input: how it is measured, and how inputs that show it are found.

pub mod fit;

pub use fit::{Fit, Point, Threshold, fit};
