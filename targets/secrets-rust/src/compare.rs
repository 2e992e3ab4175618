//! Two buffers compared; 1 where they are equal.

use std::hint::black_box;
use subtle::ConstantTimeEq;

#[rustfmt::skip]
pub fn early_exit(secret: &[u8], public: &[u8]) -> i32 {
    if secret.len() != public.len() {
        return 0;
    }
    for at in 0..secret.len() {
        if secret[at] != public[at] { // LEAK eq_early_exit
            return 0;
        }
    }
    1
}

/// The leak is in `memcmp`, which stops at the first difference.
pub fn slices(secret: &[u8], public: &[u8]) -> i32 {
    i32::from(secret == public)
}

/// All differences are gathered before anybody looks.
pub fn accumulate(secret: &[u8], public: &[u8]) -> i32 {
    let lengths = secret.len() ^ public.len();
    let differences = secret.iter().zip(public).fold(0, |seen, (a, b)| seen | (a ^ b));
    i32::from(u32::from(differences) | lengths as u32 == 0)
}

pub fn subtle(secret: &[u8], public: &[u8]) -> i32 {
    i32::from(secret.ct_eq(public).unwrap_u8())
}

pub fn constant_time_eq(secret: &[u8], public: &[u8]) -> i32 {
    i32::from(constant_time_eq::constant_time_eq(secret, public))
}

/// The branch is on what the caller is told anyway: an alarm only for who counts the answer among the secrets.
pub fn subtle_then_branch(secret: &[u8], public: &[u8]) -> i32 {
    if bool::from(secret.ct_eq(public)) { opened(public) } else { 0 }
}

/// What only the right secret gets to see. Never inlined, so that the branch stays one.
#[inline(never)]
fn opened(public: &[u8]) -> i32 {
    black_box(public.iter().map(|byte| u32::from(*byte)).sum::<u32>());
    1
}
