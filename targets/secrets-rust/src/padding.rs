//! PKCS#7 padding, and what an attacker learns from how it is refused.

use aes::Aes128;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::cell::RefCell;
use subtle::{ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater, ConstantTimeLess};

const BLOCK: usize = 16;
/// Bytes of a tag of HMAC-SHA-256.
const TAG: usize = 32;
const IV: [u8; BLOCK] = *b"a public vector.";

/// How many bytes are left without the padding; it stops at the first byte that is wrong.
pub fn unpad_branching(secret: &[u8]) -> i32 {
    unpadded(secret).map_or(-1, |text| text.len() as i32)
}

/// The same answer: the last block is looked at as a whole.
pub fn unpad_constant(secret: &[u8]) -> i32 {
    let (bytes, is_right) = measured(secret);
    i32::conditional_select(&-1, &(bytes as i32), is_right)
}

/// TLS's old order: decrypt, look at the padding, then at the tag of what is left; each has an error of its own. The
/// keys of the cipher and of the tag are secret. The error says less than the time until it comes.
pub fn pad_then_mac(keys: &[u8], sealed: &[u8]) -> i32 {
    let (cipher_key, mac_key) = keys.split_at(BLOCK);
    let mut buffer = [0; 4 * BLOCK];
    let buffer = &mut buffer[..sealed.len()];
    buffer.copy_from_slice(sealed);
    decrypt(cipher_key, buffer);
    let Some(text) = unpadded(buffer) else { return -1 };
    let Some((text, tag)) = text.split_at_checked(text.len().wrapping_sub(TAG)) else { return -2 };
    if tagged(mac_key, text).verify_slice(tag).is_err() {
        return -3;
    }
    text.len() as i32
}

/// Keys and message of the other order: `etm_keys`, `etm_seal`, then `etm_open`.
#[derive(Default)]
struct Session {
    keys: Vec<u8>,
    sealed: Vec<u8>,
    tag: Vec<u8>,
}

thread_local! {
    static SESSION: RefCell<Session> = RefCell::default();
}

pub fn keys(keys: &[u8]) -> i32 {
    SESSION.with_borrow_mut(|session| session.keys = keys.to_vec());
    0
}

/// Encrypts a message of one block, padded to two, and tags what came out.
pub fn seal(text: &[u8]) -> i32 {
    SESSION.with_borrow_mut(|session| {
        let (cipher_key, mac_key) = session.keys.split_at(BLOCK);
        let mut blocks = [BLOCK as u8; 2 * BLOCK];
        blocks[..BLOCK].copy_from_slice(&text[..BLOCK]);
        let Ok(mut cipher) = cbc::Encryptor::<Aes128>::new_from_slices(cipher_key, &IV) else { return -1 };
        for block in blocks.chunks_exact_mut(BLOCK) {
            let block: &mut aes::Block = block.try_into().expect("sixteen bytes");
            cipher.encrypt_block(block);
        }
        session.tag = tagged(mac_key, &blocks).finalize().into_bytes().to_vec();
        session.sealed = blocks.to_vec();
        0
    })
}

/// Encrypt, then MAC: the tag is looked at first, in one piece, and a message without the right one is never decrypted.
/// `flipped` is a change that somebody made to the message on its way, 0 for none.
#[unsafe(no_mangle)]
pub extern "C" fn etm_open(flipped: u32) -> i32 {
    SESSION.with_borrow(|session| {
        let (cipher_key, mac_key) = session.keys.split_at(BLOCK);
        let mut blocks = [0; 2 * BLOCK];
        blocks.copy_from_slice(&session.sealed);
        blocks[0] ^= flipped as u8;
        if tagged(mac_key, &blocks).verify_slice(&session.tag).is_err() {
            return -1;
        }
        decrypt(cipher_key, &mut blocks);
        unpad_constant(&blocks)
    })
}

fn tagged(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("any key will do").chain_update(text)
}

fn decrypt(key: &[u8], buffer: &mut [u8]) {
    let mut cipher = cbc::Decryptor::<Aes128>::new_from_slices(key, &IV).expect("a key of sixteen bytes");
    for block in buffer.chunks_exact_mut(BLOCK) {
        let block: &mut aes::Block = block.try_into().expect("sixteen bytes");
        cipher.decrypt_block(block);
    }
}

/// The text without its padding, in the obvious way.
#[rustfmt::skip]
fn unpadded(text: &[u8]) -> Option<&[u8]> {
    let padding = usize::from(*text.last()?);
    if padding == 0 || padding > BLOCK { // LEAK unpad_branching
        return None;
    }
    let (text, filled) = text.split_at_checked(text.len().wrapping_sub(padding))?;
    filled.iter().all(|byte| usize::from(*byte) == padding).then_some(text) // LEAK unpad_branching
}

/// The same without a branch on the secret: the length that is left, and whether the padding is right.
fn measured(text: &[u8]) -> (u32, subtle::Choice) {
    let Some(last) = text.last_chunk::<BLOCK>() else { return (0, 0.into()) };
    let padding = u32::from(last[BLOCK - 1]);
    let mut is_right = !padding.ct_eq(&0) & !padding.ct_gt(&(BLOCK as u32));
    for (from_end, byte) in (0_u32..).zip(last.iter().rev()) {
        is_right &= !from_end.ct_lt(&padding) | u32::from(*byte).ct_eq(&padding);
    }
    (text.len() as u32 - padding, is_right)
}
