//! The .xz format. Two mebibytes are compressed once; the chunk that comes out resets all state and is repeated.

use crate::deflate::crc32_of_run;
use crate::params::number;
use crate::text::{Counting, repeat};
use crate::{Content, Expanded, Family, Kind};
use lzma_rust2::{Lzma2Options, Lzma2Writer, LzmaOptions};
use std::io::{self, Write};
use std::sync::LazyLock;

pub const XZ: Family = Family {
    name: "xz",
    about: "One run of zeros, about 7000 : 1",
    kind: Kind::Xz,
    source: "https://tukaani.org/xz/xz-file-format.txt, sections 2 to 4 and 5.3.1",
    scale: Some("expanded"),
    own_params: &[number("expanded", "bytes", 1 << 30, (0, 1 << 44), "output, in steps of 2 MiB (rounded up)")],
    write: |params, out| {
        let chunks = params.number("expanded").div_ceil(CHUNK_BYTES);
        stream(out, DICTIONARY_2_MIB, chunks * CHUNK_BYTES, &mut |out| repeat(out, &CHUNK, chunks))?;
        Ok(Content::Expands(Expanded::Exact(u128::from(chunks) * u128::from(CHUNK_BYTES))))
    },
};

pub const XZ_DICTIONARY: Family = Family {
    name: "xz-dictionary",
    about: "Nothing, with a header that asks for a dictionary of 4 GiB",
    kind: Kind::Xz,
    source: "https://tukaani.org/xz/xz-file-format.txt, section 5.3.1: Dictionary Size; CWE-789",
    scale: None,
    own_params: &[number(
        "dictionary",
        "steps",
        40,
        (0, 40),
        "dictionary size code: 0 is 4 KiB, two more double it, 40 is 4 GiB − 1",
    )],
    write: |params, out| {
        let code = params.number("dictionary");
        stream(out, code as u8, 0, &mut |_| Ok(()))?;
        let bytes = if code == 40 { u128::from(u32::MAX) } else { (2 | u128::from(code & 1)) << (code / 2 + 11) };
        Ok(Content::DeclaresAndExpands(bytes, 0))
    },
};

/// What one LZMA2 chunk holds at most (2 MiB).
const CHUNK_BYTES: u64 = 1 << 21;
const DICTIONARY_2_MIB: u8 = 18;
const CHECK_CRC32: [u8; 2] = [0, 1];

/// Compressing takes longer than all else, and always gives the same.
static CHUNK: LazyLock<Vec<u8>> = LazyLock::new(|| chunk().expect("memory takes all that is written"));

/// So many zeros as LZMA2 that begins with a reset of dictionary, state and properties, without the end mark.
fn chunk() -> io::Result<Vec<u8>> {
    let mut options = Lzma2Options { lzma_options: LzmaOptions::with_preset(6), ..Lzma2Options::default() };
    options.lzma_options.dict_size = CHUNK_BYTES as u32;
    let mut writer = Lzma2Writer::new(Vec::new(), options);
    repeat(&mut writer, &[0], CHUNK_BYTES)?;
    let mut chunk = writer.finish()?;
    chunk.pop();
    Ok(chunk)
}

/// Header, one block of zeros, index and footer.
fn stream(
    out: &mut dyn Write,
    dictionary: u8,
    expanded: u64,
    data: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(b"\xfd7zXZ\0")?;
    out.write_all(&with_crc32(CHECK_CRC32.to_vec()))?;
    // Twelve bytes of header; one filter, LZMA2, with one byte of properties.
    let header = with_crc32(vec![12 / 4 - 1, 0, 0x21, 1, dictionary, 0, 0, 0]);
    let mut block = Counting::new(out);
    block.write_all(&header)?;
    data(&mut block)?;
    block.write_all(&[0])?;
    let unpadded = block.bytes() + 4;
    out.write_all(&[0; 3][..padding(unpadded)])?;
    out.write_all(&crc32_of_run(&[0], expanded).to_le_bytes())?;

    let mut index = vec![0, 1];
    variable_length(&mut index, unpadded);
    variable_length(&mut index, expanded);
    index.extend(&[0; 3][..padding(index.len() as u64)]);
    let index = with_crc32(index);
    let mut footer = (index.len() as u32 / 4 - 1).to_le_bytes().to_vec();
    footer.extend(CHECK_CRC32);
    out.write_all(&index)?;
    out.write_all(&crc32fast::hash(&footer).to_le_bytes())?;
    out.write_all(&footer)?;
    out.write_all(b"YZ")
}

/// Bytes to the next multiple of four.
fn padding(bytes: u64) -> usize {
    (4 - bytes % 4) as usize % 4
}

fn with_crc32(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// Seven bits a byte, lowest first (section 1.2).
fn variable_length(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_repeated_chunk_is_read_as_zeros() {
        let mut text = CHUNK.repeat(3);
        text.push(0);
        let mut read = Vec::new();
        lzma_rust2::Lzma2Reader::new(&text[..], CHUNK_BYTES as u32, None).read_to_end(&mut read).unwrap();
        assert_eq!(read.len() as u64, 3 * CHUNK_BYTES);
        assert!(read.iter().all(|byte| *byte == 0));
    }
}
