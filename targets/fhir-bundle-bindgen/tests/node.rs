//! The cases in Node.

mod cases;
