//! What some engines and processors do in constant time, and some do not: floats, and `select`.

use std::hint::black_box;

/// Subnormal operands take their time.
#[unsafe(no_mangle)]
pub extern "C" fn float_sqrt(secret: f64) -> f64 {
    secret.sqrt() // LEAK float_sqrt
}

#[unsafe(no_mangle)]
pub extern "C" fn float_div(public: f64, secret: f64) -> f64 {
    public / secret // LEAK float_div
}

/// The dose in thousandths, as integers: nothing but a product.
#[unsafe(no_mangle)]
pub extern "C" fn fixed_point(public: u64, secret: u64) -> u64 {
    public.wrapping_mul(secret) >> 10
}

/// A branch in the source, a `select` in the module.
#[unsafe(no_mangle)]
pub extern "C" fn select_if(secret: u32, a: u32, b: u32) -> u32 {
    if secret & 1 == 1 { a } else { b } // LEAK select_if
}

/// The mask as it is usually written. The compiler sees through it: the module has a `select`.
#[unsafe(no_mangle)]
pub extern "C" fn select_mask(secret: u32, a: u64, b: u64) -> u64 {
    let mask = u64::from(secret & 1).wrapping_neg();
    (a & mask) | (b & !mask) // LEAK select_mask
}

/// The mask behind a barrier.
#[unsafe(no_mangle)]
pub extern "C" fn select_barrier(secret: u32, a: u64, b: u64) -> u64 {
    let mask = black_box(u64::from(secret & 1).wrapping_neg());
    (a & mask) | (b & !mask)
}

/// Floats chosen by a `select`, which engines turn into a jump.
#[unsafe(no_mangle)]
pub extern "C" fn select_float(secret: u32, a: f64, b: f64) -> f64 {
    if secret & 1 == 1 { a } else { b } // LEAK select_float
}
