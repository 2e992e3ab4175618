//! What the host calls.

use autoclave_formats::Format;

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

macro_rules! export {
    ($name:ident, $answer:expr) => {
        /// See the crate's text.
        ///
        /// # Safety
        /// As [`guest_abi::input`].
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(address: *const u8, len: usize) -> i64 {
            let answer: fn(&[u8]) -> Vec<u8> = $answer;
            // SAFETY: by the host's word.
            guest_abi::packed(&answer(unsafe { guest_abi::input(address, len) }))
        }
    };
}

export!(all, |input| crate::summary(Format::FhirJson, input).encode());
export!(all_xml, |input| crate::summary(Format::FhirXml, input).encode());
export!(one, |input| crate::answer(Format::FhirJson, input));
export!(one_xml, |input| crate::answer(Format::FhirXml, input));
