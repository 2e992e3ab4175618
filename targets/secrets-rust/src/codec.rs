//! base64 and hex of a secret, both ways. Random bytes are no base64, so the decoders are given what a branch-free
//! encoder makes of the secret; they decode without padding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64ct::{Base64Unpadded, Encoding};

/// Most bytes of text that an entry makes of its secret.
const TEXT_BYTES_MAX: usize = 256;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What every decoder wants: the numbers of four letters. Below zero: not base64.
type Quad = [i32; 4];

/// Whole groups of three bytes only.
pub fn encode_table(secret: &[u8], out: &mut [u8]) -> i32 {
    for (bytes, text) in secret.chunks_exact(3).zip(out.chunks_exact_mut(4)) {
        let group = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        for (at, letter) in text.iter_mut().enumerate() {
            *letter = ALPHABET[(group >> (18 - 6 * at)) as usize & 63]; // LEAK b64_encode_table
        }
    }
    0
}

pub fn encode_crate(secret: &[u8], out: &mut [u8]) -> i32 {
    STANDARD_NO_PAD.encode_slice(secret, out).map_or(-1, |written| written as i32)
}

pub fn encode_ct(secret: &[u8], out: &mut [u8]) -> i32 {
    Base64Unpadded::encode(secret, out).map_or(-1, |text| text.len() as i32)
}

pub fn decode_branching(secret: &[u8], out: &mut [u8]) -> i32 {
    let mut text = [0; TEXT_BYTES_MAX];
    decode(base64(secret, &mut text), out, |letters| letters.map(number_branching))
}

pub fn decode_table(secret: &[u8], out: &mut [u8]) -> i32 {
    let mut text = [0; TEXT_BYTES_MAX];
    decode(base64(secret, &mut text), out, |letters| letters.map(number_table))
}

pub fn decode_crate(secret: &[u8], out: &mut [u8]) -> i32 {
    let mut text = [0; TEXT_BYTES_MAX];
    STANDARD_NO_PAD.decode_slice(base64(secret, &mut text), out).map_or(-1, |written| written as i32)
}

pub fn decode_ct(secret: &[u8], out: &mut [u8]) -> i32 {
    let mut text = [0; TEXT_BYTES_MAX];
    Base64Unpadded::decode(base64(secret, &mut text), out).map_or(-1, |bytes| bytes.len() as i32)
}

pub fn hex_encode_crate(secret: &[u8], out: &mut [u8]) -> i32 {
    hex::encode_to_slice(secret, out).map_or(-1, |()| 0)
}

pub fn hex_encode_arithmetic(secret: &[u8], out: &mut [u8]) -> i32 {
    for (byte, text) in secret.iter().zip(out.chunks_exact_mut(2)) {
        text.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    0
}

pub fn hex_decode_crate(secret: &[u8], out: &mut [u8]) -> i32 {
    let mut text = [0; TEXT_BYTES_MAX];
    let text = &mut text[..2 * secret.len()];
    hex_encode_arithmetic(secret, text);
    hex::decode_to_slice(text, out).map_or(-1, |()| 0)
}

pub fn hex_decode_arithmetic(secret: &[u8], out: &mut [u8]) -> i32 {
    let mut text = [0; TEXT_BYTES_MAX];
    let text = &mut text[..2 * secret.len()];
    hex_encode_arithmetic(secret, text);
    for (pair, byte) in text.chunks_exact(2).zip(out) {
        *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
    }
    0
}

/// The hex digit of 0 to 15: what is above 9 borrows, and the borrow moves it to the letters.
pub fn digit(nibble: u8) -> u8 {
    let nibble = u32::from(nibble);
    (nibble + 0x30 + ((9_u32.wrapping_sub(nibble) >> 8) & 39)) as u8
}

/// 0 to 15 of a digit that [`digit`] made: letters have bit 6.
fn nibble(letter: u8) -> u8 {
    (letter & 15) + (letter >> 6) * 9
}

fn base64<'a>(secret: &[u8], text: &'a mut [u8; TEXT_BYTES_MAX]) -> &'a [u8] {
    Base64Unpadded::encode(secret, text).map_or(&[], str::as_bytes)
}

fn decode(text: &[u8], out: &mut [u8], numbers: impl Fn([u8; 4]) -> Quad) -> i32 {
    for (letters, bytes) in text.chunks_exact(4).zip(out.chunks_exact_mut(3)) {
        let [a, b, c, d] = numbers([letters[0], letters[1], letters[2], letters[3]]);
        if a | b | c | d < 0 {
            return -1;
        }
        let group = (a << 18 | b << 12 | c << 6 | d) as u32;
        bytes.copy_from_slice(&group.to_be_bytes()[1..]);
    }
    text.len() as i32 / 4 * 3
}

/// Never inlined, as a function of a library's would be: an inlined one becomes `select`s.
#[inline(never)]
#[rustfmt::skip]
fn number_branching(letter: u8) -> i32 {
    let letter = i32::from(letter);
    match letter as u8 { // LEAK b64_decode_branching
        b'A'..=b'Z' => letter - 65, // LEAK b64_decode_branching
        b'a'..=b'z' => letter - 71, // LEAK b64_decode_branching
        b'0'..=b'9' => letter + 4,  // LEAK b64_decode_branching
        b'+' => 62,
        b'/' => 63,
        _ => -1,
    }
}

fn number_table(letter: u8) -> i32 {
    i32::from(NUMBERS[usize::from(letter)]) // LEAK b64_decode_table
}

/// -1 where a byte is no letter.
static NUMBERS: [i8; 256] = {
    let mut numbers = [-1; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        numbers[ALPHABET[at] as usize] = at as i8;
        at += 1;
    }
    numbers
};
