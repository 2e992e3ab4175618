//! Work that grows faster than the input: how it is measured, and how inputs that show it are found.

pub mod fit;
mod search;
pub mod tile;

pub use fit::{Fit, Point, Threshold, fit};
pub use search::{Found, Search, SearchOptions, search};
pub use tile::{Grown, Meter, Tile};
