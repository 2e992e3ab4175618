//! What the host calls.

use autoclave_formats::Format;
use std::cell::RefCell;

thread_local! {
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The state after this call is the one that every run begins with.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    crate::warm_up();
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
            packed(answer(unsafe { guest_abi::input(address, len) }))
        }
    };
}

export!(all, |input| crate::summary(Format::FhirJson, input).encode());
export!(all_xml, |input| crate::summary(Format::FhirXml, input).encode());
export!(one, |input| crate::answer(Format::FhirJson, input));
export!(one_xml, |input| crate::answer(Format::FhirXml, input));

fn packed(answer: Vec<u8>) -> i64 {
    ANSWER.with_borrow_mut(|kept| {
        *kept = answer;
        ((kept.as_ptr() as i64) << 32) | kept.len() as i64
    })
}
