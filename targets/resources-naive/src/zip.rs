//! A zip archive, unpacked with all archives inside.

use guest_abi::{Reading, Refusal};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Careless: members may overlap, may be of any size, and may be archives, to any depth. Returns the unpacked size.
pub fn read(bytes: &[u8]) -> Reading {
    unpack(bytes).map(|size| size as i32 & i32::MAX)
}

fn unpack(bytes: &[u8]) -> Result<u64, Refusal> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| Refusal::Syntax)?;
    let mut size = 0;
    for at in 0..archive.len() {
        let mut unpacked = Vec::new();
        let mut member = archive.by_index(at).map_err(|_| Refusal::Syntax)?;
        member.read_to_end(&mut unpacked).map_err(|_| Refusal::Syntax)?;
        size += unpacked.len() as u64;
        if unpacked.starts_with(b"PK\x03\x04") {
            size += unpack(&unpacked)?;
        }
    }
    Ok(size)
}
