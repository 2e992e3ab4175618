//! The readers of `resources-naive`, repaired: whatever an input asks for, there is a bound on it, and what goes beyond
//! is refused. A harmless input gets the same answer from both.

mod decimal;
mod hl7;
mod inflate;
mod json;
mod xml;
mod zip;

use guest_abi::Refusal;

/// Longest input that any of them reads.
const INPUT_BYTES_MAX: usize = 8 << 20;
/// Most items of one list: entries of a Bundle, elements of an array, repetitions of a field.
const ITEMS_MAX: usize = 100_000;
/// Most that an input may unpack to,
const UNPACKED_BYTES_MAX: u64 = 64 << 20;
/// and how many times its own size. Bundles come to 35; a byte of output costs up to 50 units of fuel, so that more
/// than 40 would not be work in proportion to the input;
const RATIO_MAX: u64 = 40;
/// except that so much is always allowed.
const UNPACKED_BYTES_FREE: u64 = 64 << 10;

guest_abi::entry!(inflate, inflate::read);
guest_abi::entry!(inflate_capped, inflate::read_capped);
guest_abi::entry!(zip, zip::read);
guest_abi::entry!(xml, xml::read);
guest_abi::entry!(json, json::read);
guest_abi::entry!(hl7, hl7::read);
guest_abi::entry!(decimal, decimal::read);

/// Refuses what is too long to be looked at.
fn short(bytes: &[u8]) -> Result<&[u8], Refusal> {
    if bytes.len() > INPUT_BYTES_MAX { Err(Refusal::TooLarge) } else { Ok(bytes) }
}

/// What compressed bytes may unpack to.
fn unpacked_bytes_max(bytes: &[u8]) -> u64 {
    (bytes.len() as u64 * RATIO_MAX).clamp(UNPACKED_BYTES_FREE, UNPACKED_BYTES_MAX)
}
