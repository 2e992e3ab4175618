//! Readers with one planted fault each and the reference beside them, as the guests of real peers have it.
//!
//! * `all(ptr, len)`, `all_hl7(ptr, len)`: the reference and every planted reader of the format run on the input; the
//!   answer is a [`Summary`] with the readers in the order of `planted::FHIR` and `planted::HL7`.
//! * `one(ptr, len)`, `one_hl7(ptr, len)`: the first byte is a position in that table, the rest the input; the answer is 0
//!   and what the reader wrote, or 1, a position in [`Layer::ALL`] and the error.
//!
//! All return a packed pointer and length (`pointer << 32 | length`) of a buffer that the host gives back.

use autoclave_formats::Format;
use autoclave_formats::peers::Layer;
use autoclave_formats::peers::planted::{Shown, planted};
use autoclave_formats::peers::summary::{Reference, Said, Summary, normalised};

/// Builds what is built on first use: the state after this call is the one that every run begins with.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    summary(Format::FhirJson, br#"{"resourceType":"Patient","id":"a","active":true}"#);
    summary(Format::Hl7v2, b"MSH|^~\\&|SYN|A~B\rPID|1\r");
}

macro_rules! export {
    ($name:ident, $answer:expr) => {
        /// See the module's text.
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

export!(all, |input| summary(Format::FhirJson, input).encode());
export!(all_hl7, |input| summary(Format::Hl7v2, input).encode());
export!(one, |input| answer(Format::FhirJson, input));
export!(one_hl7, |input| answer(Format::Hl7v2, input));

/// What the reference and every planted reader say of `input`.
fn summary(format: Format, input: &[u8]) -> Summary {
    let shown = Shown::new(format, input);
    let peers = planted(format).iter().map(|one| match (one.read)(&shown) {
        Ok(None) => Said::Accepted { digest: 0, causes: 0 },
        Ok(Some(tree)) => Said::accepted(format, &shown.reading, Some(&tree), one.peer.projection),
        Err((layer, code)) => Said::refused(layer, &normalised(&code)),
    });
    let peers = peers.collect();
    Summary { reference: Reference::of(&shown.reading), peers }
}

/// One reader's answer, see the module's text.
fn answer(format: Format, input: &[u8]) -> Vec<u8> {
    let written = match input.split_first() {
        Some((at, input)) => planted(format).get(usize::from(*at)).map(|one| one.answer(format, input)),
        None => None,
    };
    match written.unwrap_or(Err((Layer::Unknown, "no such reader".into()))) {
        Ok(written) => [&[0][..], &written].concat(),
        Err((layer, code)) => {
            let layer = Layer::ALL.iter().position(|one| *one == layer).unwrap_or(0);
            [&[1, layer as u8][..], code.as_bytes()].concat()
        }
    }
}
