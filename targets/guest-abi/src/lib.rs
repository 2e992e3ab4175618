//! How a Rust guest takes bytes from its host: `alloc`, `free`, and an entry `(ptr, len) -> i32` made by [`entry!`].
//!
//! A panic stays a panic (an `unreachable` trap under `panic = "abort"`). Before it traps, its message is written to
//! [`AUTOCLAVE_MESSAGE`], which the module exports as an immutable global holding an address: the host reads the
//! message out of linear memory and need not call a dead instance. No import is needed for that.

use std::alloc::Layout;
use std::cell::Cell;
use std::fmt::Write;

/// Bytes of a panic message that are kept.
const MESSAGE_BYTES_MAX: usize = 1020;

/// A u32 length (little-endian) and that many bytes of UTF-8.
#[repr(C, align(4))]
pub struct Message {
    len: Cell<u32>,
    bytes: Cell<[u8; MESSAGE_BYTES_MAX]>,
}

// SAFETY: guests are built without threads; nobody else can look at the cell.
unsafe impl Sync for Message {}

/// The last panic message; exported under its own name.
#[unsafe(no_mangle)]
pub static AUTOCLAVE_MESSAGE: Message = Message { len: Cell::new(0), bytes: Cell::new([0; MESSAGE_BYTES_MAX]) };

/// Reserves `len` bytes for an input and returns their address.
#[unsafe(no_mangle)]
pub extern "C" fn alloc(len: usize) -> *mut u8 {
    std::panic::set_hook(Box::new(|info| {
        let mut text = Truncated { bytes: [0; MESSAGE_BYTES_MAX], len: 0 };
        // Writing to `Truncated` cannot fail; a payload whose own `Display` fails leaves what was written so far.
        let _ = write!(text, "{info}");
        AUTOCLAVE_MESSAGE.bytes.set(text.bytes);
        AUTOCLAVE_MESSAGE.len.set(text.len as u32);
    }));
    let layout = Layout::from_size_align(len.max(1), 8).expect("the host asked for more than an address space");
    // SAFETY: the layout's size is at least 1.
    let address = unsafe { std::alloc::alloc(layout) };
    if address.is_null() {
        std::alloc::handle_alloc_error(layout);
    }
    address
}

/// Gives an input's bytes back; `len` as given to [`alloc`].
///
/// # Safety
/// `address` came from [`alloc`] with the same `len` and was not freed since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(address: *mut u8, len: usize) {
    if let Ok(layout) = Layout::from_size_align(len.max(1), 8) {
        // SAFETY: by the caller's word, this is the pair that `alloc` used.
        unsafe { std::alloc::dealloc(address, layout) };
    }
}

/// The bytes that the host wrote.
///
/// # Safety
/// `address` came from [`alloc`] with the same `len` and is not freed while the slice lives.
pub unsafe fn input<'a>(address: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: by the caller's word.
    unsafe { std::slice::from_raw_parts(address, len) }
}

/// An answer of several bytes: `pointer << 32 | length` of a copy that the host gives back with [`free`].
pub fn packed(answer: &[u8]) -> i64 {
    let address = alloc(answer.len());
    // SAFETY: `alloc` made room for so many bytes, and nobody else knows of them.
    unsafe { std::ptr::copy_nonoverlapping(answer.as_ptr(), address, answer.len()) };
    ((address as i64) << 32) | answer.len() as i64
}

/// What an entry gives back: a count of what was read, or how it was refused (below zero).
pub type Reading = Result<i32, Refusal>;

/// The input was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not in the format's encoding (UTF-8).
    Encoding,
    /// Not in the format's syntax.
    Syntax,
    /// Syntactically well-formed, but not what the format means.
    Meaning,
    /// Larger than this reader is willing to hold.
    TooLarge,
}

/// The number for the host.
pub fn code(reading: Reading) -> i32 {
    match reading {
        Ok(count) => count.max(0),
        Err(Refusal::Encoding) => -1,
        Err(Refusal::Syntax) => -2,
        Err(Refusal::Meaning) => -3,
        Err(Refusal::TooLarge) => -4,
    }
}

/// `entry!(parse, read)` exports `parse(ptr, len) -> i32`, which calls `read(&[u8]) -> Reading`.
#[macro_export]
macro_rules! entry {
    ($name:ident, $read:path) => {
        /// Called by the host with an address from `alloc` and the length it asked for.
        ///
        /// # Safety
        /// As [`guest_abi::input`].
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(address: *const u8, len: usize) -> i32 {
            // SAFETY: by the host's word.
            $crate::code($read(unsafe { $crate::input(address, len) }))
        }
    };
}

struct Truncated {
    bytes: [u8; MESSAGE_BYTES_MAX],
    len: usize,
}

impl Write for Truncated {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = &mut self.bytes[self.len..];
        let taken = text.len().min(room.len());
        room[..taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.len += taken;
        Ok(())
    }
}
