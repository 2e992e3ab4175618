//! Masks that stay masks. A compiler that sees that a mask has two values only, or where its sign comes from, makes a
//! comparison and a `select` of it.

use std::hint::black_box;

/// All ones for a number below zero, else zero.
pub fn is_negative(number: i64) -> i64 {
    black_box(black_box(number) >> 63)
}

/// All ones where the two are equal, else zero.
pub fn is_equal(a: u32, b: u32) -> u32 {
    is_negative(i64::from(a ^ b) - 1) as u32
}
