//! gzip, unpacked through one small buffer. Returns the unpacked size.

use flate2::bufread::MultiGzDecoder;
use guest_abi::{Reading, Refusal};
use std::io::Read;

/// Careful: nothing of the output is kept, so memory does not depend on it; what comes out is counted against a limit
/// that follows from the size of the input, so work does not depend on it either.
pub fn read(bytes: &[u8]) -> Reading {
    let unpacked_bytes_max = crate::unpacked_bytes_max(crate::short(bytes)?);
    let mut decoder = MultiGzDecoder::new(bytes);
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
