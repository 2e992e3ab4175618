//! Tests of the binary: what it writes, and how it ends.

mod certificates;
