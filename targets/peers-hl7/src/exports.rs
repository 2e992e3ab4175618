//! What the host calls.

use std::cell::RefCell;

thread_local! {
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The state after this call is the one that every run begins with.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    crate::warm_up();
}

/// See the crate's text.
///
/// # Safety
/// As [`guest_abi::input`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn all(address: *const u8, len: usize) -> i64 {
    // SAFETY: by the host's word.
    packed(crate::summary(unsafe { guest_abi::input(address, len) }).encode())
}

/// See the crate's text.
///
/// # Safety
/// As [`guest_abi::input`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn one(address: *const u8, len: usize) -> i64 {
    // SAFETY: by the host's word.
    packed(crate::answer(unsafe { guest_abi::input(address, len) }))
}

fn packed(answer: Vec<u8>) -> i64 {
    ANSWER.with_borrow_mut(|kept| {
        *kept = answer;
        ((kept.as_ptr() as i64) << 32) | kept.len() as i64
    })
}
