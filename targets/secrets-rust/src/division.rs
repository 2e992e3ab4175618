//! Division where one side is secret. Engines' and processors' divisions take their time by the operands.

use crate::barrier::is_negative;

/// Kyber's modulus: a constant that is no power of two.
const CONSTANT: u32 = 3329;

#[unsafe(no_mangle)]
pub extern "C" fn div_by_secret(public: u32, secret: u32) -> u32 {
    // The lowest bit keeps it from being zero.
    public / (secret | 1) // LEAK div_by_secret
}

#[unsafe(no_mangle)]
pub extern "C" fn rem_by_public(secret: u64, public: u64) -> u64 {
    secret % (public | 1) // LEAK rem_by_public
}

/// Bit by bit, as on paper: the divisor is taken away, and given back by a mask where that was too much.
#[unsafe(no_mangle)]
pub extern "C" fn rem_by_shifts(secret: u32, public: u32) -> u32 {
    let divisor = i64::from(public | 1);
    let mut rest = 0_i64;
    for bit in (0..32).rev() {
        rest = rest << 1 | i64::from(secret >> bit & 1);
        let difference = rest - divisor;
        rest = difference + (divisor & is_negative(difference));
    }
    rest as u32
}

/// Natively a compiler multiplies here; for wasm it leaves the division to the engine.
#[unsafe(no_mangle)]
pub extern "C" fn div_by_constant(secret: u32) -> u32 {
    (secret >> 1) / CONSTANT // LEAK div_by_constant
}

/// The multiplication that stands for it.
#[unsafe(no_mangle)]
pub extern "C" fn div_by_multiplication(secret: u32) -> u32 {
    (u64::from(secret >> 1) * RECIPROCAL >> RECIPROCAL_BITS) as u32
}

/// Exact for dividends below 2^31 (Hacker's Delight, 10-9): 3329 * RECIPROCAL is 2^43 + 2113, and 2113 is below 2^12.
const RECIPROCAL_BITS: u32 = 43;
const RECIPROCAL: u64 = (1 << RECIPROCAL_BITS) / CONSTANT as u64 + 1;
