//! What the host calls.

/// What most runs do with, so that they need not ask for pages.
const ROOM_BYTES: usize = 1 << 20;

#[global_allocator]
static ALLOCATOR: guest_alloc::Classes = guest_alloc::Classes::new(guest_alloc::grow);

/// The state after this call is the one that every run begins with.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    crate::warm_up();
    ALLOCATOR.reserve(ROOM_BYTES);
}

/// See the crate's text.
///
/// # Safety
/// As [`guest_abi::input`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn all(address: *const u8, len: usize) -> i64 {
    // SAFETY: by the host's word.
    guest_abi::packed(&crate::summary(unsafe { guest_abi::input(address, len) }).encode())
}

/// See the crate's text.
///
/// # Safety
/// As [`guest_abi::input`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn one(address: *const u8, len: usize) -> i64 {
    // SAFETY: by the host's word.
    guest_abi::packed(&crate::answer(unsafe { guest_abi::input(address, len) }))
}
