//! A zip archive, unpacked with the archives that are its members.

use guest_abi::{Reading, Refusal};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Members of all archives together.
const MEMBERS_MAX: usize = 1000;
/// Ends of archives in one archive, those of stored members counted.
const ENDS_MAX: usize = 8;
/// A member that is an archive must be in memory as a whole.
const NESTED_BYTES_MAX: usize = 4 << 20;

/// Careful: few records may look like the archive's end, for zip tries each of them and goes through the whole input
/// for it; no two members share a byte; what all of them say they unpack to is bounded before the first is opened, and
/// what they do unpack to while they are; archives in archives are refused one level down. Returns the unpacked size.
pub fn read(bytes: &[u8]) -> Reading {
    let mut budget = Budget { bytes: crate::unpacked_bytes_max(crate::short(bytes)?), members: MEMBERS_MAX };
    unpack(bytes, &mut budget, Level::Outer).map(|size| size as i32)
}

/// What is left for the rest of the input.
struct Budget {
    bytes: u64,
    members: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Outer,
    Inner,
}

fn unpack(bytes: &[u8], budget: &mut Budget, level: Level) -> Result<u64, Refusal> {
    let is_end = |record: &[u8]| record == b"PK\x05\x06" || record == b"PK\x06\x07";
    if bytes.windows(4).filter(|record| is_end(record)).count() > ENDS_MAX {
        return Err(Refusal::TooLarge);
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| Refusal::Syntax)?;
    budget.members = budget.members.checked_sub(archive.len()).ok_or(Refusal::TooLarge)?;
    if archive.decompressed_size().is_some_and(|declared| declared > u128::from(budget.bytes)) {
        return Err(Refusal::TooLarge);
    }
    if archive.has_overlapping_files().map_err(|_| Refusal::Syntax)? {
        return Err(Refusal::Meaning);
    }
    let mut size = 0;
    for at in 0..archive.len() {
        let mut member = archive.by_index(at).map_err(|_| Refusal::Syntax)?;
        let mut buffer = [0; 16 << 10];
        let mut nested = Vec::new();
        let mut unpacked = 0;
        loop {
            let count = member.read(&mut buffer).map_err(|_| Refusal::Syntax)?;
            if count == 0 {
                break;
            }
            budget.bytes = budget.bytes.checked_sub(count as u64).ok_or(Refusal::TooLarge)?;
            if unpacked == 0 && buffer[..count].starts_with(b"PK\x03\x04") || !nested.is_empty() {
                if level == Level::Inner || nested.len() + count > NESTED_BYTES_MAX {
                    return Err(Refusal::TooLarge);
                }
                nested.extend_from_slice(&buffer[..count]);
            }
            unpacked += count as u64;
        }
        if unpacked != member.size() {
            return Err(Refusal::Meaning);
        }
        size += unpacked;
        drop(member);
        if !nested.is_empty() {
            size += unpack(&nested, budget, Level::Inner)?;
        }
    }
    Ok(size)
}
