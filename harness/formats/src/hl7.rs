//! HL7 v2 messages with vertical bars: segments, delimiters, escapes, batches and MLLP frames.
//!
//! How an input becomes a tree:
//! * Frames, byte order marks, line ends and the headers and trailers of batches are facts of transport: the tree is the
//!   list of messages. In an input that begins with a start block, frames are told apart first.
//! * A segment ends with CR, an LF after it is dropped. Only where there is no CR at all, LF ends segments: an LF inside
//!   of a field of a message with CR stays a character of the field.
//! * Every MSH begins a message, with its own delimiters and character set.
//! * Values are split first, then escapes are decoded, once. What stands for no character (formatting, highlighting, local
//!   sequences, and sequences that are unknown or broken) is kept as written.
//! * A value that is not sent has no node, except in the middle of a list; `""` is a null.
//! * A component with several subcomponents, and a repetition with several components, keeps its text with separators
//!   (decoded, and as written), so that it can be compared with readers that do not split so far.
//!
//! Two passes at most over every byte, no recursion, and at most [`NODES_MAX`] nodes.

mod answer;
mod charset;
pub mod escape;
mod frames;
mod reader;
pub mod relations;
mod rules;
pub mod tokens;
mod write;

pub use answer::{Answer, tree_of_answer, tree_of_answer_under};
pub use reader::read;
pub use rules::{CASES, RULES};
pub use tokens::Delimiters;
pub use write::{Spelling, write};

/// Nodes that a reading may have: 16 Mi, about a gigabyte of tree. More parts than that are refused (H22).
pub const NODES_MAX: usize = 1 << 24;
