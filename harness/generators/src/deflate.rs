//! Deflate and its frames. A run of one pattern is written as it would be compressed, two bits for each 258 bytes:
//! that is the format's limit of 1032 : 1, and a terabyte needs no terabyte to be fed to a compressor.
//!
//! After David Fifield, "A better zip bomb" (WOOT 2019), section "How to compress a kernel".

use crate::params::{Param, choice, number};
use crate::text::{Counting, fill, repeat};
use crate::{Content, Expanded, Family, GeneratorError, Kind, Params};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// What is repeated. Brotli copies from a distance of four, so that periods divide it.
pub const PATTERNS: &[&str] = &["zeros", "brackets", "spaces", "ones"];

/// More than any reader holds; the input is a thousandth of it.
const EXPANDED_MAX: u64 = 1 << 46;
pub const PATTERN: Param = choice("pattern", PATTERNS, "what the output repeats: NUL, `[`, a space, `1,`");
const EXPANDED: Param = number("expanded", "bytes", 1 << 30, (0, EXPANDED_MAX), "output");

const RUN: &[Param] = &[EXPANDED, PATTERN];

pub const DEFLATE: Family = Family {
    name: "deflate",
    about: "One run, compressed as far as deflate goes (1032 : 1)",
    kind: Kind::Deflate,
    source: "RFC 1951, sections 3.2.3 to 3.2.7; https://www.bamsoftware.com/hacks/zipbomb/ (Fifield, WOOT 2019)",
    scale: Some("expanded"),
    own_params: RUN,
    write: |params, out| {
        run(out, pattern(params), params.number("expanded"))?;
        Ok(expands(params.number("expanded")))
    },
};

pub const ZLIB: Family = Family {
    name: "zlib",
    about: "The same run with zlib's header and checksum",
    kind: Kind::Zlib,
    source: "RFC 1950, section 2.2; RFC 1951",
    scale: Some("expanded"),
    own_params: RUN,
    write: |params, out| {
        let (pattern, bytes) = (pattern(params), params.number("expanded"));
        out.write_all(&[0x78, 0xda])?;
        run(out, pattern, bytes)?;
        out.write_all(&adler32_of_run(pattern, bytes).to_be_bytes())?;
        Ok(expands(bytes))
    },
};

pub const GZIP: Family = Family {
    name: "gzip",
    about: "The same run as a gzip file: what arrives as `Content-Encoding: gzip`",
    kind: Kind::Gzip,
    source: "RFC 1952, section 2.3; RFC 9110, section 8.4.1.3; CWE-409",
    scale: Some("expanded"),
    own_params: RUN,
    write: |params, out| {
        let bytes = params.number("expanded");
        gzip(out, pattern(params), bytes)?;
        Ok(expands(bytes))
    },
};

pub const GZIP_MEMBERS: Family = Family {
    name: "gzip-members",
    about: "Many gzip files in one: who limits each member alone is not limited",
    kind: Kind::Gzip,
    source: "RFC 1952, section 2.2: a file is a series of members",
    scale: Some("members"),
    own_params: &[
        number("members", "members", 1024, (1, 1 << 24), "gzip files, one behind the other"),
        number("each", "bytes", 1 << 20, (0, 1 << 30), "output of one member"),
        PATTERN,
    ],
    write: |params, out| {
        let (members, each) = (params.number("members"), params.number("each"));
        let mut member = Vec::new();
        gzip(&mut member, pattern(params), each)?;
        repeat(out, &member, members)?;
        // Readers of one member, which are many, stop there.
        Ok(Content::Layers { first: each.into(), all: Expanded::Exact(u128::from(members) * u128::from(each)) })
    },
};

pub const GZIP_NESTED: Family = Family {
    name: "gzip-nested",
    about: "Gzip in gzip: a ratio limit for each layer lets a millionfold pass",
    kind: Kind::Gzip,
    source: "RFC 1952; RFC 9110, section 8.4: codings are applied in order, any number of them",
    // A thousandfold of output is a byte or less of input.
    scale: None,
    own_params: &[
        number("expanded", "bytes", 4 << 30, (0, 1 << 40), "output of the innermost layer"),
        number("layers", "layers", 3, (1, 16), "gzip files, one in the other"),
        PATTERN,
    ],
    write: |params, out| {
        let bytes = params.number("expanded");
        let first = nested(out, params.number("layers"), pattern(params), bytes)?;
        Ok(Content::Layers { first: first.into(), all: Expanded::Exact(bytes.into()) })
    },
};

/// How a block without content is written.
const CODES: Param = choice(
    "codes",
    &["stored", "fixed"],
    "stored blocks of five bytes, or of fixed codes, ten bits each: tables for nothing",
);
const EMPTY_BLOCKS: &[Param] = &[number("blocks", "blocks", 1 << 18, (1, 1 << 30), "blocks without content"), CODES];

pub const DEFLATE_EMPTY_BLOCKS: Family = Family {
    name: "deflate-empty-blocks",
    about: "Blocks without content: work with no output, which no limit on the output ever sees",
    kind: Kind::Deflate,
    source: "RFC 1951, sections 3.2.4: LEN may be 0, and 3.2.6; miniz_oxide 0.9 makes its tables anew for each block",
    scale: Some("blocks"),
    own_params: EMPTY_BLOCKS,
    write: |params, out| {
        empty_blocks(params, out)?;
        Ok(expands(0))
    },
};

pub const GZIP_EMPTY_BLOCKS: Family = Family {
    name: "gzip-empty-blocks",
    about: "The same as a gzip file: megabytes in, nothing out, and seconds between",
    kind: Kind::Gzip,
    source: "RFC 1952, section 2.3; RFC 1951, sections 3.2.4 and 3.2.6",
    scale: Some("blocks"),
    own_params: EMPTY_BLOCKS,
    write: |params, out| {
        out.write_all(GZIP_HEADER)?;
        empty_blocks(params, out)?;
        // Checksum and length of nothing.
        out.write_all(&[0; 4 + 4])?;
        Ok(expands(0))
    },
};

/// So many blocks, the last one final.
fn empty_blocks(params: &Params, out: &mut dyn Write) -> io::Result<()> {
    let blocks = params.number("blocks");
    if params.choice("codes") == "stored" {
        repeat(out, b"\0\0\0\xff\xff", blocks - 1)?;
        return out.write_all(b"\x01\0\0\xff\xff");
    }
    // The final bit, 1 as two bits, and seven for the end of the block: four blocks are five bytes.
    repeat(out, b"\x02\x08\x20\x80\0", (blocks - 1) / 4)?;
    let last = (blocks - 1) % 4;
    let bits: u64 = (0..=last).map(|block| 0b10 << (10 * block)).sum::<u64>() | 1 << (10 * last);
    out.write_all(&bits.to_le_bytes()[..(10 * (last as usize + 1)).div_ceil(8)])
}

fn expands(bytes: u64) -> Content {
    Content::Expands(Expanded::Exact(bytes.into()))
}

/// The bytes of the pattern that the parameters name; its length divides four.
pub fn pattern(params: &Params) -> &'static [u8] {
    match params.choice("pattern") {
        "brackets" => b"[",
        "spaces" => b" ",
        "ones" => b"1,",
        _ => b"\0",
    }
}

/// Layers around a run, the outer ones by a compressor; gives the bytes inside the outermost. Depth is bounded by the
/// parameter.
fn nested(out: &mut dyn Write, layers: u64, pattern: &[u8], bytes: u64) -> Result<u64, GeneratorError> {
    if layers <= 1 {
        gzip(out, pattern, bytes)?;
        return Ok(bytes);
    }
    let mut encoder = GzEncoder::new(out, Compression::best());
    let mut inside = Counting::new(&mut encoder);
    nested(&mut inside, layers - 1, pattern, bytes)?;
    let first = inside.bytes();
    encoder.finish()?;
    Ok(first)
}

/// Without a name and a time, by the slowest compressor of an unknown system (RFC 1952, section 2.3.1).
const GZIP_HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];

fn gzip(out: &mut dyn Write, pattern: &[u8], bytes: u64) -> io::Result<()> {
    out.write_all(GZIP_HEADER)?;
    run(out, pattern, bytes)?;
    out.write_all(&crc32_of_run(pattern, bytes).to_le_bytes())?;
    out.write_all(&(bytes as u32).to_le_bytes())
}

/// Longest match, and what one costs: a bit for its length and a bit for its distance.
const MATCH_BYTES: u64 = 258;
const SYMBOL_END: usize = 256;
const SYMBOL_MATCH: usize = 285;

/// A pattern of one to four bytes, repeated to `bytes` bytes, as one deflate block.
pub fn run(out: &mut dyn Write, pattern: &[u8], bytes: u64) -> io::Result<()> {
    debug_assert!((1..=4).contains(&pattern.len()), "distances beyond four need extra bits");
    let period = pattern.len() as u64;
    // Half of the code space is the match's; literals and the end share the other.
    let mut symbols: Vec<usize> = pattern.iter().map(|byte| usize::from(*byte)).collect();
    symbols.extend([SYMBOL_END]);
    symbols.sort_unstable();
    symbols.dedup();
    let mut lengths = [0u8; SYMBOL_MATCH + 1];
    for (symbol, length) in symbols.iter().zip(shared(symbols.len())) {
        lengths[*symbol] = length + 1;
    }
    lengths[SYMBOL_MATCH] = 1;
    let codes = canonical(&lengths);

    let mut bits = Bits::new(out);
    bits.put(1, 1)?; // The last block,
    bits.put(2, 2)?; // with codes of its own:
    bits.put(SYMBOL_MATCH as u64 + 1 - 257, 5)?;
    bits.put(period - 1, 5)?; // distances up to the period, of which one has a code;
    code_lengths(&mut bits, &lengths, period as usize)?;
    let code = |bits: &mut Bits<'_>, symbol: usize| bits.put(codes[symbol].into(), lengths[symbol].into());
    let literals = bytes.min(period);
    let matches = (bytes - literals) / MATCH_BYTES;
    for at in 0..literals {
        code(&mut bits, pattern[at as usize].into())?;
    }
    // Both codes are zero.
    bits.zeros(matches * 2)?;
    for at in literals + matches * MATCH_BYTES..bytes {
        code(&mut bits, pattern[(at % period) as usize].into())?;
    }
    code(&mut bits, SYMBOL_END)?;
    bits.finish()
}

/// Lengths of a complete code of so many symbols, as equal as can be, long ones first.
fn shared(symbols: usize) -> impl Iterator<Item = u8> {
    let short = symbols.ilog2();
    let long = 2 * (symbols - (1 << short));
    (0..symbols).map(move |at| if at < long { short + 1 } else { short } as u8)
}

/// Canonical codes (RFC 1951, section 3.2.2), their bits turned round: codes go into the stream from the top.
fn canonical(lengths: &[u8]) -> Vec<u16> {
    let (mut next, mut codes) = (0u16, vec![0; lengths.len()]);
    for length in 1..=15u8 {
        next <<= 1;
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, own)| **own == length) {
            codes[symbol] = next.reverse_bits() >> (16 - length);
            next += 1;
        }
    }
    codes
}

/// The lengths of both codes, themselves coded (RFC 1951, section 3.2.7): eight symbols of three bits.
fn code_lengths(bits: &mut Bits<'_>, lengths: &[u8], period: usize) -> io::Result<()> {
    const ORDER: [usize; 18] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1];
    const USED: [usize; 8] = [0, 1, 2, 3, 4, 5, 17, 18];
    let mut own = [0u8; 19];
    USED.iter().for_each(|symbol| own[*symbol] = 3);
    let codes = canonical(&own);
    bits.put(ORDER.len() as u64 - 4, 4)?;
    for symbol in ORDER {
        bits.put(own[symbol].into(), 3)?;
    }
    let mut all = lengths.to_vec();
    all.extend(vec![0; period - 1]);
    all.push(1);
    let mut rest = all.as_slice();
    while let [first, ..] = rest {
        let zeros = rest.iter().take_while(|length| **length == 0).count().min(138);
        let taken = match zeros {
            11.. => {
                bits.put(codes[18].into(), 3)?;
                bits.put(zeros as u64 - 11, 7)?;
                zeros
            }
            3.. => {
                bits.put(codes[17].into(), 3)?;
                bits.put(zeros as u64 - 3, 3)?;
                zeros
            }
            _ => {
                bits.put(codes[usize::from(*first)].into(), 3)?;
                1
            }
        };
        rest = &rest[taken..];
    }
    Ok(())
}

/// Bits into bytes, lowest first.
pub struct Bits<'a> {
    out: &'a mut dyn Write,
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, held: 0, count: 0 }
    }

    /// The low `count` bits of `value`, at most 32.
    pub fn put(&mut self, value: u64, count: u32) -> io::Result<()> {
        debug_assert!(count <= 32 && value >> count == 0, "{value} in {count} bits");
        self.held |= value << self.count;
        self.count += count;
        let whole = (self.count / 8) as usize;
        self.out.write_all(&self.held.to_le_bytes()[..whole])?;
        self.held = self.held.checked_shr(whole as u32 * 8).unwrap_or(0);
        self.count %= 8;
        Ok(())
    }

    /// So many zeros.
    fn zeros(&mut self, mut count: u64) -> io::Result<()> {
        let to_byte = u64::from((8 - self.count) % 8).min(count);
        self.put(0, to_byte as u32)?;
        count -= to_byte;
        if self.count == 0 {
            fill(self.out, &[0], count / 8)?;
            count %= 8;
        }
        self.put(0, count as u32)
    }

    /// Zeros to the next whole byte.
    pub fn align(&mut self) -> io::Result<()> {
        self.put(0, (8 - self.count) % 8)
    }

    /// Bytes, where the stream is at a whole byte.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        debug_assert_eq!(self.count, 0);
        self.out.write_all(bytes)
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.align()
    }
}

/// The checksum of a run, by doubling: the checksum of two texts follows from theirs and the length of the second.
pub fn crc32_of_run(pattern: &[u8], bytes: u64) -> u32 {
    let period = pattern.len() as u64;
    let mut whole = crc32fast::Hasher::new();
    let mut power = crc32fast::Hasher::new();
    power.update(pattern);
    let mut times = bytes / period;
    while times > 0 {
        if times & 1 == 1 {
            whole.combine(&power);
        }
        let same = power.clone();
        power.combine(&same);
        times >>= 1;
    }
    whole.update(&pattern[..(bytes % period) as usize]);
    whole.finalize()
}

/// Adler-32 of a run: sums of arithmetic progressions.
fn adler32_of_run(pattern: &[u8], bytes: u64) -> u32 {
    const MODULUS: u128 = 65_521;
    let (bytes, period) = (u128::from(bytes), pattern.len() as u128);
    let (mut low, mut high) = (1, bytes % MODULUS);
    for (at, byte) in pattern.iter().enumerate() {
        let (at, byte) = (at as u128, u128::from(*byte));
        let times = (bytes + period - 1).saturating_sub(at) / period;
        // Every byte counts as often as there are sums from it on.
        let weights = times * bytes.saturating_sub(at) - period * (times * times.saturating_sub(1) / 2);
        low = (low + byte * times) % MODULUS;
        high = (high + byte * (weights % MODULUS)) % MODULUS;
    }
    (high << 16 | low) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
    use std::io::Read;

    #[test]
    fn runs_are_what_they_say_by_another_decoder_and_its_checksums() {
        for pattern in [&b"\0"[..], b"[", b"1,", b"abc", b"\xff\0\xff\x80", b"abcd"] {
            for bytes in [0u64, 1, 2, 3, 4, 5, 257, 258, 259, 260, 261, 262, 263, 515, 516, 517, 70_000, 1_000_003] {
                let mut expected = Vec::new();
                fill(&mut expected, pattern, bytes).unwrap();
                let mut read = Vec::new();
                let mut made = Vec::new();
                run(&mut made, pattern, bytes).unwrap();
                DeflateDecoder::new(&made[..]).read_to_end(&mut read).unwrap();
                assert_eq!(read, expected, "deflate of {bytes} × {pattern:?}");

                made.clear();
                gzip(&mut made, pattern, bytes).unwrap();
                read.clear();
                GzDecoder::new(&made[..]).read_to_end(&mut read).unwrap();
                assert_eq!(read, expected, "gzip");

                made.splice(.., [0x78, 0xda]);
                run(&mut made, pattern, bytes).unwrap();
                made.extend(adler32_of_run(pattern, bytes).to_be_bytes());
                read.clear();
                ZlibDecoder::new(&made[..]).read_to_end(&mut read).unwrap();
                assert_eq!(read, expected, "zlib");
            }
        }
    }

    #[test]
    fn checksums_that_do_not_fit_are_noticed() {
        let mut made = Vec::new();
        gzip(&mut made, b"\0", 1000).unwrap();
        let at = made.len() - 8;
        made[at] ^= 1;
        assert!(GzDecoder::new(&made[..]).read_to_end(&mut Vec::new()).is_err());
    }
}
