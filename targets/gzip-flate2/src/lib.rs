//! gzip unpacked with flate2: `parse` streams every member through one 16 KiB buffer, keeps nothing, and refuses what
//! would unpack to more than 4 MiB. It returns the unpacked size.

use flate2::bufread::MultiGzDecoder;
use guest_abi::{Reading, Refusal};
use std::io::Read;

/// What a receiver of compressed Bundles is ready to unpack.
const UNPACKED_BYTES_MAX: usize = 4 << 20;

guest_abi::entry!(parse, read);

fn read(bytes: &[u8]) -> Reading {
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut buffer = [0; 16 << 10];
    let mut unpacked = 0;
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => return Ok(unpacked as i32),
            Ok(count) => unpacked += count,
            Err(_) => return Err(Refusal::Syntax),
        }
        if unpacked > UNPACKED_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
    }
}
