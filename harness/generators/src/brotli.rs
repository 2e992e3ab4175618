//! Brotli. A run is one copy command for each 16 MiB, a little over twelve bytes, as a compressor would write it.

use crate::deflate::{Bits, PATTERN, pattern};
use crate::params::number;
use crate::text::fill;
use crate::{Content, Expanded, Family, Kind};
use std::io::{self, Write};

pub const BROTLI: Family = Family {
    name: "brotli",
    about: "One run, a millionfold: brotli copies 16 MiB with one command, where deflate copies 258 bytes",
    kind: Kind::Brotli,
    source: "RFC 7932, sections 5 and 9.2; a gibibyte is 809 bytes",
    scale: Some("expanded"),
    own_params: &[
        number("expanded", "bytes", 1 << 30, (0, 1 << 48), "output"),
        number("window", "log2 of bytes", 22, (16, 24), "window that the header declares, which readers allocate"),
        PATTERN,
    ],
    write: |params, out| {
        let bytes = params.number("expanded");
        run(out, pattern(params), bytes, params.number("window"))?;
        Ok(Content::Expands(Expanded::Exact(bytes.into())))
    },
};

/// Most that one meta-block holds.
const BLOCK_BYTES_MAX: u64 = 1 << 24;
/// Least that the longest copy code copies (RFC 7932, section 5: copy length code 23).
const COPY_BYTES_MIN: u64 = 2118;
/// The last distance before anything was copied is 4 (RFC 7932, section 4).
const DISTANCE: u64 = 4;
/// Insert length code 0, copy length code 23, with a distance symbol.
const COMMAND: u64 = 391;

/// A pattern whose period divides four, repeated to `bytes` bytes.
fn run(out: &mut dyn Write, pattern: &[u8], bytes: u64, window_log: u64) -> io::Result<()> {
    debug_assert_eq!(DISTANCE % pattern.len() as u64, 0);
    let mut bits = Bits::new(out);
    match window_log {
        17 => bits.put(0b000_0001, 7)?,
        18.. => bits.put((window_log - 17) << 1 | 1, 4)?,
        _ => bits.put(0, 1)?,
    }
    // What is copied first, and what is too little for the longest copy.
    let copied = bytes.saturating_sub(DISTANCE);
    let last = copied % BLOCK_BYTES_MAX;
    let rest = if last < COPY_BYTES_MIN { last } else { 0 };
    literal(&mut bits, pattern, bytes.min(DISTANCE))?;
    let mut left = copied - rest;
    while left > 0 {
        let block = left.min(BLOCK_BYTES_MAX);
        copy(&mut bits, block)?;
        left -= block;
    }
    // Everything before is a multiple of the distance, so the pattern begins anew, unless it was cut by the end.
    literal(&mut bits, pattern, rest)?;
    bits.put(0b11, 2)?;
    bits.finish()
}

/// An uncompressed meta-block.
fn literal(bits: &mut Bits<'_>, pattern: &[u8], bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    bits.put(0, 1)?;
    length(bits, bytes)?;
    bits.put(1, 1)?;
    bits.align()?;
    let mut text = Vec::new();
    fill(&mut text, pattern, bytes)?;
    bits.bytes(&text)
}

/// A meta-block of one command whose every prefix code has one symbol and so no bits.
fn copy(bits: &mut Bits<'_>, bytes: u64) -> io::Result<()> {
    bits.put(0, 1)?;
    length(bits, bytes)?;
    bits.put(0, 1)?;
    // One block type for each of three; no postfix, no direct distances; one context mode; one tree for each of two.
    bits.put(0, 3 + 2 + 4 + 2 + 2)?;
    for (symbol, alphabet_bits) in [(0, 8), (COMMAND, 10), (0, 6)] {
        bits.put(0b0001, 4)?;
        bits.put(symbol, alphabet_bits)?;
    }
    bits.put(bytes - COPY_BYTES_MIN, 24)
}

/// The length of a meta-block, in as few nibbles as it has, four at least.
fn length(bits: &mut Bits<'_>, bytes: u64) -> io::Result<()> {
    let nibbles = (64 - (bytes - 1).leading_zeros()).div_ceil(4).max(4);
    bits.put(u64::from(nibbles) - 4, 2)?;
    bits.put(bytes - 1, nibbles * 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn runs_are_what_they_say_by_another_decoder() {
        let large = (1 << 24) + 4;
        for pattern in [&b"\0"[..], b"1,", b"abcd"] {
            for bytes in
                [0, 1, 4, 5, 2121, 2122, 2123, 65_536, 65_540, 65_541, 1 << 20, large, large + 2117, 40_000_000]
            {
                // Another window changes the header alone.
                let windows = if bytes > 1 << 20 { &[22][..] } else { &[16, 17, 18, 24] };
                for window in windows {
                    let mut made = Vec::new();
                    run(&mut made, pattern, bytes, *window).unwrap();
                    let mut read = Vec::new();
                    ::brotli::Decompressor::new(&made[..], 4096).read_to_end(&mut read).unwrap();
                    assert_eq!(read.len() as u64, bytes);
                    assert!(read.iter().zip(pattern.iter().cycle()).all(|(a, b)| a == b), "{bytes} × {pattern:?}");
                }
            }
        }
    }
}
