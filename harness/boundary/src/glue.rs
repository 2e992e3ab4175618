//! Glue: the JavaScript between callers and a module. What it lets callers do, which numbers it passes on, and what it
//! asks of its host; read without running it.

pub mod capabilities;
pub mod declarations;
pub mod embind;
pub mod exports;
pub mod minified;
pub mod module;
pub mod narrow;
pub mod ranges;
pub mod script;
pub mod syntax;
