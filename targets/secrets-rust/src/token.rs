//! A token that carries its own tag: HMAC-SHA-256 of the message under a secret key.

use crate::codec::digit;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a message; a tag of any length follows.
const MESSAGE: usize = 8;

/// The tag is compared as text, as it came in a header: `==` stops at the first digit that is wrong, and the next
/// attempt begins with the digits that were right.
pub fn equal_text(key: &[u8], token: &[u8]) -> i32 {
    let (message, tag) = token.split_at(MESSAGE);
    let expected = mac(key, message).finalize().into_bytes();
    i32::from(text(&expected).starts_with(&text(tag)))
}

pub fn verify_slice(key: &[u8], token: &[u8]) -> i32 {
    let (message, tag) = token.split_at(MESSAGE);
    i32::from(mac(key, message).verify_slice(tag).is_ok())
}

fn mac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("any key will do").chain_update(message)
}

fn text(tag: &[u8]) -> Vec<u8> {
    tag.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
