//! Compressed bytes, unpacked into one vector. Both return the unpacked size.

use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use guest_abi::{Reading, Refusal};
use std::io::Read;

/// What a receiver is ready to take.
const UNPACKED_BYTES_MAX: u64 = 8 << 20;

/// Careless: unpacks whatever there is in a gzip file. A megabyte fills a gigabyte.
pub fn read(bytes: &[u8]) -> Reading {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut unpacked).map_err(|_| Refusal::Syntax)?;
    Ok(unpacked.len() as i32)
}

/// Careless: counts what comes out of a deflate stream, not what it takes to hold it. The vector doubles until it has
/// the eight megabytes that are refused then; each old one is still there while its successor is filled.
pub fn read_capped(bytes: &[u8]) -> Reading {
    let mut unpacked = Vec::new();
    let mut decoder = DeflateDecoder::new(bytes).take(UNPACKED_BYTES_MAX + 1);
    decoder.read_to_end(&mut unpacked).map_err(|_| Refusal::Syntax)?;
    if unpacked.len() as u64 > UNPACKED_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    Ok(unpacked.len() as i32)
}
