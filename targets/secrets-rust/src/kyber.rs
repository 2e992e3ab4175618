//! Kyber's two conversions between a message's bits and the coefficients of a polynomial.

use std::hint::black_box;

const Q: u32 = 3329;

/// A bit becomes 0 or (Q + 1) / 2 by a mask, as the reference code does it; clang made a branch of it for x86.
pub fn from_message_mask(message: &[u8], out: &mut [u8]) -> i32 {
    for (byte, coefficients) in message.iter().zip(out.chunks_exact_mut(16)) {
        for (bit, coefficient) in coefficients.chunks_exact_mut(2).enumerate() {
            let mask = u16::from(byte >> bit & 1).wrapping_neg();
            coefficient.copy_from_slice(&(mask & Q.div_ceil(2) as u16).to_le_bytes());
        }
    }
    0
}

/// The bit multiplied, behind a barrier that hides from the compiler that it is one.
pub fn from_message_multiply(message: &[u8], out: &mut [u8]) -> i32 {
    for (byte, coefficients) in message.iter().zip(out.chunks_exact_mut(16)) {
        for (bit, coefficient) in coefficients.chunks_exact_mut(2).enumerate() {
            let bit = black_box(u16::from(byte >> bit & 1));
            coefficient.copy_from_slice(&(bit * Q.div_ceil(2) as u16).to_le_bytes());
        }
    }
    0
}

/// KyberSlash: the coefficient that carries a bit of the message is divided by Q.
pub fn to_message_divide(coefficients: &[u8], message: &mut [u8]) -> i32 {
    to_message(coefficients, message, |coefficient| (coefficient * 2 + Q / 2) / Q) // LEAK poly_tomsg_divide
}

/// As it was repaired: multiplied by 2^28 / Q instead.
pub fn to_message_multiply(coefficients: &[u8], message: &mut [u8]) -> i32 {
    to_message(coefficients, message, |coefficient| ((coefficient * 2 + Q / 2 + 1) * 80635) >> 28)
}

fn to_message(coefficients: &[u8], message: &mut [u8], quotient: impl Fn(u32) -> u32) -> i32 {
    for (coefficients, byte) in coefficients.chunks_exact(16).zip(message) {
        *byte = coefficients.chunks_exact(2).enumerate().fold(0, |byte, (bit, pair)| {
            let coefficient = u32::from(u16::from_le_bytes([pair[0], pair[1]]) & 0xfff);
            byte | ((quotient(coefficient) & 1) << bit) as u8
        });
    }
    0
}
