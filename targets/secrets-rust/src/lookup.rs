//! Tables that are read or written where the secret says, and the same by looking at every entry.

use crate::barrier::is_equal;

#[unsafe(no_mangle)]
pub extern "C" fn lut_direct(secret: u32) -> u32 {
    TABLE[secret as usize % TABLE.len()] // LEAK lut_direct
}

#[unsafe(no_mangle)]
pub extern "C" fn lut_scan(secret: u32) -> u32 {
    let wanted = secret % TABLE.len() as u32;
    let entries = (0..).zip(&TABLE);
    entries.fold(0, |found, (at, entry)| found | (entry & is_equal(at, wanted)))
}

/// Marks which values occur: each is a store where the secret says.
pub fn histogram_direct(secret: &[u8], out: &mut [u8]) -> i32 {
    let Ok(marks) = <&mut [u8; 256]>::try_from(out) else { return -1 };
    for byte in secret {
        marks[usize::from(*byte)] = 1; // LEAK histogram_direct
    }
    0
}

/// The same marks, each of them written for each byte.
pub fn histogram_scan(secret: &[u8], out: &mut [u8]) -> i32 {
    let Ok(marks) = <&mut [u8; 256]>::try_from(out) else { return -1 };
    for byte in secret {
        for (at, mark) in (0..).zip(marks.iter_mut()) {
            *mark |= is_equal(at, u32::from(*byte)) as u8 & 1;
        }
    }
    0
}

/// The first primes: two lines of a processor's cache.
static TABLE: [u32; 32] = [
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131,
];
