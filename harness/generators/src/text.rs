//! Writing much of the same: repetition in bounded memory, and writers that count or refuse.

use crate::CHUNK_BYTES;
use std::io::{self, Write};

/// Counts what passes.
pub struct Counting<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
}

impl<'a> Counting<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, bytes: 0 }
    }

    /// How much has passed.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Keeps nothing, and refuses what is beyond a limit.
pub struct Sink {
    /// Bytes so far.
    pub bytes: u64,
    /// Most that it takes.
    pub bytes_max: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.bytes > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same bytes `count` times.
pub fn repeat(out: &mut dyn Write, unit: &[u8], count: u64) -> io::Result<()> {
    if unit.is_empty() {
        return Ok(());
    }
    let at_once = (CHUNK_BYTES / unit.len()).max(1).min(usize::try_from(count).unwrap_or(usize::MAX));
    let chunk = unit.repeat(at_once);
    let (whole, rest) = (count / at_once.max(1) as u64, count % at_once.max(1) as u64);
    for _ in 0..whole {
        out.write_all(&chunk)?;
    }
    out.write_all(&chunk[..rest as usize * unit.len()])
}

/// A pattern from its beginning, `bytes` long.
pub fn fill(out: &mut dyn Write, pattern: &[u8], bytes: u64) -> io::Result<()> {
    let period = pattern.len() as u64;
    repeat(out, pattern, bytes / period)?;
    out.write_all(&pattern[..(bytes % period) as usize])
}

/// `open` so many times, what is inside, `close` as often.
pub fn nest(out: &mut dyn Write, open: &str, levels: u64, inside: &str, close: &str) -> io::Result<()> {
    repeat(out, open.as_bytes(), levels)?;
    out.write_all(inside.as_bytes())?;
    repeat(out, close.as_bytes(), levels)
}

/// Numbers without a pattern that a compressor or a predictor would see: splitmix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `below`, that one not.
    pub fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    /// One of them.
    pub fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetition_has_exactly_so_many() {
        for (unit, count) in [("a", 0), ("ab", 1), ("abc", 100_000), ("x", 65_536), ("", 5)] {
            let mut out = Vec::new();
            repeat(&mut out, unit.as_bytes(), count).unwrap();
            assert_eq!(out, unit.repeat(count as usize).as_bytes(), "{unit} {count}");
        }
        let mut out = Vec::new();
        fill(&mut out, b"abc", 7).unwrap();
        assert_eq!(out, b"abcabca");
        // A unit larger than a chunk, and a writer that has enough.
        let mut sink = Sink { bytes: 0, bytes_max: 1 << 20 };
        repeat(&mut sink, &[0; CHUNK_BYTES + 1], 3).unwrap();
        assert_eq!(sink.bytes, 3 * (CHUNK_BYTES as u64 + 1));
        assert!(repeat(&mut sink, b"x", u64::MAX).is_err());
    }
}
