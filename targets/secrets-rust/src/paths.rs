//! Leaks that are hard to find: behind a rare public input, and behind another leak.

use crate::barrier::is_equal;

/// Requests of an old protocol that nobody remembers.
const MAGIC: &[u8; 4] = b"\x1fV1\x07";

/// Only an old request is answered by a table.
pub fn rare(request: &[u8], secret: &[u8]) -> i32 {
    if request.starts_with(MAGIC) { sum(request, secret, weight_of_old) } else { sum(request, secret, weight_by_scan) }
}

/// Every request is answered by a scan.
pub fn rare_scan(request: &[u8], secret: &[u8]) -> i32 {
    let factor = if request.starts_with(MAGIC) { 2 } else { 1 };
    factor * sum(request, secret, weight_by_scan)
}

#[inline(never)]
fn weight_of_old(byte: u8) -> i32 {
    WEIGHTS[usize::from(byte)] * 2 // LEAK rare_path
}

fn sum(request: &[u8], secret: &[u8], weight: impl Fn(u8) -> i32) -> i32 {
    request.iter().zip(secret).map(|(a, b)| weight(a ^ b)).sum()
}

/// A comparison that stops early, in a function of its own, and then a table: who stops looking where two runs part for
/// the first time never sees the table.
pub fn two_leaks(secret: &[u8], public: &[u8]) -> i32 {
    let common = common_prefix(secret, public);
    let mixed = secret.iter().map(|byte| weight(*byte)).sum::<i32>();
    common ^ mixed
}

pub fn two_repaired(secret: &[u8], public: &[u8]) -> i32 {
    // What is not equal stays so: `same` is all ones up to there.
    let (common, _) = secret.iter().zip(public).fold((0, u32::MAX), |(common, same), (a, b)| {
        let same = same & is_equal(u32::from(*a), u32::from(*b));
        (common + (same & 1), same)
    });
    let mixed = secret.iter().map(|byte| weight_by_scan(*byte)).sum::<i32>();
    common as i32 ^ mixed
}

#[inline(never)]
#[rustfmt::skip]
fn common_prefix(secret: &[u8], public: &[u8]) -> i32 {
    let mut common = 0;
    while common < secret.len().min(public.len()) {
        if secret[common] != public[common] { // LEAK two_leaks
            break;
        }
        common += 1;
    }
    common as i32
}

#[inline(never)]
fn weight(byte: u8) -> i32 {
    WEIGHTS[usize::from(byte)] // LEAK two_leaks
}

/// The same by looking at every entry.
fn weight_by_scan(byte: u8) -> i32 {
    let entries = (0..).zip(&WEIGHTS);
    entries.fold(0, |found, (at, weight)| found | (weight & is_equal(at, u32::from(byte)) as i32))
}

/// The square of each byte, modulo a prime.
static WEIGHTS: [i32; 256] = {
    let mut weights = [0; 256];
    let mut at = 0;
    while at < 256 {
        weights[at] = (at * at % 251) as i32;
        at += 1;
    }
    weights
};
