//! Zstandard. A compressor writes a run as blocks of four bytes for 128 KiB; so do we, and headers that it never writes.

use crate::deflate::pattern;
use crate::params::{Param, choice, number};
use crate::text::repeat;
use crate::{Content, Expanded, Family, Kind};
use std::io::{self, Write};

/// Patterns of one byte: a block repeats no more.
const PATTERN: Param =
    choice("pattern", &["zeros", "brackets", "spaces"], "what the output repeats: NUL, `[`, a space");

pub const ZSTD: Family = Family {
    name: "zstd",
    about: "One run in RLE blocks (32,768 : 1), with its true size in the header",
    kind: Kind::Zstd,
    source: "RFC 8878, section 3.1.1.2.2: RLE_Block",
    scale: Some("expanded"),
    own_params: &[number("expanded", "bytes", 1 << 30, (0, 1 << 46), "output"), PATTERN],
    write: |params, out| {
        let bytes = params.number("expanded");
        header(out, bytes)?;
        blocks(out, pattern(params)[0], bytes)?;
        Ok(Content::Expands(Expanded::Exact(bytes.into())))
    },
};

pub const ZSTD_DECLARED: Family = Family {
    name: "zstd-declared",
    about: "A header that declares far more than follows: who allocates what it says is out of memory at once",
    kind: Kind::Zstd,
    source: "RFC 8878, section 3.1.1.1.4: Frame_Content_Size; CWE-789",
    scale: None,
    own_params: &[
        number("declared", "bytes", 64 << 40, (0, u64::MAX), "Frame_Content_Size"),
        number("expanded", "bytes", 1 << 20, (0, 1 << 46), "output that follows"),
        PATTERN,
    ],
    write: |params, out| {
        let (declared, bytes) = (params.number("declared"), params.number("expanded"));
        header(out, declared)?;
        blocks(out, pattern(params)[0], bytes)?;
        Ok(Content::DeclaresAndExpands(declared.into(), bytes.into()))
    },
};

pub const ZSTD_WINDOW: Family = Family {
    name: "zstd-window",
    about: "An empty frame whose header asks for a window of terabytes, nine bytes long",
    kind: Kind::Zstd,
    source: "RFC 8878, section 3.1.1.1.2: Window_Descriptor; readers are advised to refuse more than 8 MiB",
    scale: None,
    own_params: &[number("window", "log2 of bytes", 41, (10, 41), "window that the header declares")],
    write: |params, out| {
        let log = params.number("window");
        out.write_all(&MAGIC)?;
        out.write_all(&[0, (log as u8 - 10) << 3])?;
        block(out, RAW, 0, true, None)?;
        Ok(Content::DeclaresAndExpands(1 << log, 0))
    },
};

const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// Most that a block may hold, and the window with it.
const BLOCK_BYTES_MAX: u64 = 128 << 10;
const RAW: u32 = 0;
const RLE: u32 = 1;

/// A content size of eight bytes, a window of one block, no checksum, no dictionary.
fn header(out: &mut dyn Write, declared: u64) -> io::Result<()> {
    out.write_all(&MAGIC)?;
    out.write_all(&[0b1100_0000, (17 - 10) << 3])?;
    out.write_all(&declared.to_le_bytes())
}

/// So many bytes, the last block not empty unless all are: libzstd compares the declared size only after such a block.
fn blocks(out: &mut dyn Write, byte: u8, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return block(out, RAW, 0, true, None);
    }
    let whole = (bytes - 1) / BLOCK_BYTES_MAX;
    let mut full = Vec::new();
    block(&mut full, RLE, BLOCK_BYTES_MAX, false, Some(byte))?;
    repeat(out, &full, whole)?;
    block(out, RLE, bytes - whole * BLOCK_BYTES_MAX, true, Some(byte))
}

fn block(out: &mut dyn Write, kind: u32, bytes: u64, is_last: bool, byte: Option<u8>) -> io::Result<()> {
    let header = u32::from(is_last) | kind << 1 | (bytes as u32) << 3;
    out.write_all(&header.to_le_bytes()[..3])?;
    byte.map_or(Ok(()), |byte| out.write_all(&[byte]))
}
