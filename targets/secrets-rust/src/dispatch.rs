//! Which code runs is the secret.

use crate::barrier::is_equal;
use std::hint::black_box;

type Step = fn(u32) -> u32;

static STEPS: [Step; 4] = [add, rotate, square, spread];

/// Through a table of functions: its entry is loaded, then called.
#[unsafe(no_mangle)]
pub extern "C" fn call_indirect(secret: u32, public: u32) -> u32 {
    STEPS[secret as usize & 3](public) // LEAK call_indirect
}

/// All of them are called, and the others' results masked away.
#[unsafe(no_mangle)]
pub extern "C" fn call_all(secret: u32, public: u32) -> u32 {
    (0..).zip(&STEPS).fold(0, |found, (at, step)| found | (black_box(step)(public) & is_equal(secret & 3, at)))
}

/// All cases are there.
#[unsafe(no_mangle)]
#[rustfmt::skip]
pub extern "C" fn match_dense(secret: u32, public: u32) -> u32 {
    match secret & 3 { // LEAK match_dense
        0 => add(public),
        1 => rotate(public),
        2 => square(public),
        _ => spread(public),
    }
}

/// Some cases are near each other, the others far away: still one table, of 201 entries, and nothing compared.
#[unsafe(no_mangle)]
#[rustfmt::skip]
pub extern "C" fn match_sparse(secret: u32, public: u32) -> u32 {
    match secret & 0xff { // LEAK match_sparse
        0 => add(public),
        1 => rotate(public),
        2 => square(public),
        3 => spread(public),
        4 => add(rotate(public)),
        100 => square(rotate(public)),
        200 => spread(square(public)),
        _ => public,
    }
}

#[inline(never)]
fn add(x: u32) -> u32 {
    black_box(x).wrapping_add(0x9e37_79b9)
}

#[inline(never)]
fn rotate(x: u32) -> u32 {
    black_box(x).rotate_left(7)
}

#[inline(never)]
fn square(x: u32) -> u32 {
    black_box(x).wrapping_mul(x)
}

#[inline(never)]
fn spread(x: u32) -> u32 {
    black_box(x) ^ x << 16
}
