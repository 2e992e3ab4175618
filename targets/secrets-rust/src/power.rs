//! Modular powers: a public base, a secret exponent.

use crate::barrier::is_negative;
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U256};
use num_bigint::BigUint;

/// 2^31 - 1, a prime: products fit in 62 bits.
const MODULUS: u64 = 0x7fff_ffff;
/// Bits of the exponent that are used.
const EXPONENT_BITS: u32 = 32;
/// -1 / MODULUS modulo 2^32.
const NEGATIVE_INVERSE: u32 = {
    // Newton's iteration doubles the number of right bits; an odd number is its own inverse modulo 8.
    let mut inverse = MODULUS as u32;
    let mut turn = 0;
    while turn < 5 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(inverse.wrapping_mul(MODULUS as u32)));
        turn += 1;
    }
    inverse.wrapping_neg()
};
/// 2^64 modulo MODULUS: takes a number into Montgomery's form.
const SQUARED_RADIX: u64 = ((1_u128 << 64) % MODULUS as u128) as u64;

/// The order of the curve P-256, little-endian: an odd modulus as signatures use it.
const ORDER: [u8; 32] = [
    0x51, 0x25, 0x63, 0xfc, 0xc2, 0xca, 0xb9, 0xf3, 0x84, 0x9e, 0x17, 0xa7, 0xad, 0xfa, 0xe6, 0xbc, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff,
];

/// Multiplies where the exponent has a bit.
#[unsafe(no_mangle)]
#[rustfmt::skip]
pub extern "C" fn pow_square_multiply(base: u64, exponent: u64) -> u64 {
    let mut base = base % MODULUS;
    let mut power = 1;
    for bit in 0..EXPONENT_BITS {
        if exponent >> bit & 1 == 1 { // LEAK pow_square_multiply
            power = multiply(power, base);
        }
        base = multiply(base, base);
    }
    power
}

/// Always multiplies, and multiplies by 1 where there is no bit: no branch is left, but `%` takes its time by what it
/// divides.
#[unsafe(no_mangle)]
pub extern "C" fn pow_always_multiply(base: u64, exponent: u64) -> u64 {
    let mut base = base % MODULUS;
    let mut power = 1;
    for bit in 0..EXPONENT_BITS {
        let mask = (exponent >> bit & 1).wrapping_neg();
        power = multiply(power, (base & mask) | (1 & !mask));
        base = multiply(base, base);
    }
    power
}

/// Montgomery's ladder in Montgomery's form: the same two products for every bit, and no division.
#[unsafe(no_mangle)]
pub extern "C" fn pow_ladder(base: u64, exponent: u64) -> u64 {
    let mut low = reduce(SQUARED_RADIX);
    let mut high = reduce((base % MODULUS) * SQUARED_RADIX);
    for bit in (0..EXPONENT_BITS).rev() {
        let swap = (exponent >> bit & 1).wrapping_neg();
        let (product, square) = {
            let different = (low ^ high) & swap;
            let (kept, other) = (low ^ different, high ^ different);
            (reduce(kept * other), reduce(kept * kept))
        };
        let different = (square ^ product) & swap;
        (low, high) = (square ^ different, product ^ different);
    }
    reduce(low)
}

pub fn num_bigint(base: &[u8], exponent: &[u8], out: &mut [u8]) -> i32 {
    let [base, exponent, order] = [base, exponent, &ORDER].map(BigUint::from_bytes_le);
    let power = base.modpow(&exponent, &order).to_bytes_le();
    let bytes = power.len().min(out.len());
    out[..bytes].copy_from_slice(&power[..bytes]);
    0
}

pub fn crypto_bigint(base: &[u8], exponent: &[u8], out: &mut [u8]) -> i32 {
    let order = Odd::new(U256::from_le_slice(&ORDER));
    let Some(order) = order.into_option() else { return -1 };
    let params = FixedMontyParams::new_vartime(order);
    let base = FixedMontyForm::new(&U256::from_le_slice(base), &params);
    let power = base.pow(&U256::from_le_slice(exponent)).retrieve();
    out.copy_from_slice(&power.to_le_bytes());
    0
}

/// Never inlined, as the function of a library that it stands for.
#[inline(never)]
fn multiply(a: u64, b: u64) -> u64 {
    a * b % MODULUS // LEAK pow_always_multiply
}

/// Montgomery's reduction: a number below MODULUS * 2^32, divided by 2^32 modulo MODULUS. The sign of the difference is
/// the mask.
fn reduce(product: u64) -> u64 {
    let factor = (product as u32).wrapping_mul(NEGATIVE_INVERSE);
    let sum = (product + u64::from(factor) * MODULUS) >> 32;
    let difference = sum.wrapping_sub(MODULUS);
    let borrow = is_negative(difference as i64) as u64;
    difference.wrapping_add(MODULUS & borrow)
}
