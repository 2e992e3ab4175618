//! A PIN with a counter that locks after three wrong attempts. Whether an attempt is right is public; how far it is
//! right must not be. `pin_set` first, then either of the two checks.

use std::cell::Cell;
use std::hint::black_box;
use subtle::ConstantTimeEq;

/// Digits of a PIN.
const DIGITS: usize = 4;
/// Wrong attempts before nothing helps any more.
const ATTEMPTS: u32 = 3;

thread_local! {
    static PIN: Cell<[u8; DIGITS]> = const { Cell::new([0; DIGITS]) };
    static WRONG: Cell<u32> = const { Cell::new(0) };
}

pub fn set(pin: &[u8]) -> i32 {
    let Ok(pin) = pin.try_into() else { return -1 };
    PIN.set(pin);
    WRONG.set(0);
    0
}

/// 1: right; 0: wrong; -1: locked. Digits are compared until one is wrong.
#[rustfmt::skip]
pub fn try_early_exit(attempt: &[u8]) -> i32 {
    if WRONG.get() >= ATTEMPTS {
        return -1;
    }
    let pin = black_box(PIN.get());
    for at in 0..DIGITS.min(attempt.len()) {
        if pin[at] != attempt[at] { // LEAK pin_try
            WRONG.set(WRONG.get() + 1);
            return 0;
        }
    }
    WRONG.set(0);
    1
}

/// The same answers; the counter is computed, not branched on.
pub fn try_constant(attempt: &[u8]) -> i32 {
    if WRONG.get() >= ATTEMPTS {
        return -1;
    }
    let pin = PIN.get();
    let right = u32::from(pin[..].ct_eq(attempt).unwrap_u8());
    WRONG.set((WRONG.get() + 1) * (1 - right));
    right as i32
}
