//! Compressed bytes, unpacked through one small buffer. Both return the unpacked size.

use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use guest_abi::{Reading, Refusal};
use std::io::Read;

/// Careful: a gzip file of any number of members, within the limits of [`drain`].
pub fn read(bytes: &[u8]) -> Reading {
    drain(MultiGzDecoder::new(crate::short(bytes)?), bytes)
}

/// Careful: the same for a deflate stream.
pub fn read_capped(bytes: &[u8]) -> Reading {
    drain(DeflateDecoder::new(crate::short(bytes)?), bytes)
}

/// Nothing of the output is kept, so that memory does not depend on it; what comes out is counted against a limit that
/// follows from the size of the input, so that work does not depend on it either.
fn drain(mut decoder: impl Read, bytes: &[u8]) -> Reading {
    let unpacked_bytes_max = crate::unpacked_bytes_max(bytes);
    let mut buffer = [0; 16 << 10];
    let mut unpacked = 0;
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => return Ok(unpacked as i32),
            Ok(count) => unpacked += count as u64,
            Err(_) => return Err(Refusal::Syntax),
        }
        if unpacked > unpacked_bytes_max {
            return Err(Refusal::TooLarge);
        }
    }
}
