//! A zip file whose one file is the zip file itself. Who unpacks archives that he finds in archives never ends.
//!
//! The program that prints itself is Russ Cox's, "Zip Files All The Way Down" (2010), <https://research.swtch.com/zip>:
//! deflate as a language with two commands, "print what follows" (L) and "print again what was printed" (R), each five
//! bytes long. Written anew from that description; the checksum, which is a part of what it checks, is solved for.

use super::{DATE, METHOD_DEFLATE, VERSION_DEFLATE};
use crate::deflate::Bits;
use crate::{Content, Expanded, Family, Kind};
use std::io;

pub const ZIP_QUINE: Family = Family {
    name: "zip-quine",
    about: "An archive that contains itself: unpacking what is inside never ends, and every layer is small",
    kind: Kind::Zip,
    source: "Russ Cox, \"Zip Files All The Way Down\", 2010, https://research.swtch.com/zip",
    scale: None,
    own_params: &[],
    write: |_, out| {
        let quine = quine()?;
        out.write_all(&quine)?;
        Ok(Content::Layers { first: quine.len() as u128, all: Expanded::Endless })
    },
};

/// Such that what is before the program has 63 to 110 bytes (see [`again`]), and what is behind it, too.
const NAME: &[u8] = b"the-same-archive-over-and-over.zip";
/// "é": its last byte is the last of the archive, and a literal of nine bits.
const COMMENT: &[u8] = b"\xc3\xa9";
const UNIT_BYTES: usize = 5;

/// Tries times of day until the equation for the checksum has a solution.
fn quine() -> io::Result<Vec<u8>> {
    for time in 0..=u16::MAX {
        let zero = crc32fast::hash(&archive(0, time)?);
        let mut columns = [0u32; 32];
        for (bit, column) in columns.iter_mut().enumerate() {
            // A checksum is linear in every bit, but for a constant; so is the archive in its checksum.
            *column = crc32fast::hash(&archive(1 << bit, time)?) ^ zero ^ 1 << bit;
        }
        if let Some(crc32) = solve(columns, zero) {
            return archive(crc32, time);
        }
    }
    Err(io::Error::other("no time of day lets the archive contain its checksum"))
}

/// Which columns add up to `sum`, where adding is exclusive or: Gaussian elimination.
fn solve(columns: [u32; 32], sum: u32) -> Option<u32> {
    // Pairs of a value and the set of columns that it is made of, by highest bit.
    let mut basis: [(u32, u32); 32] = [(0, 0); 32];
    let reduce = |basis: &[(u32, u32); 32], mut pair: (u32, u32)| {
        for at in (0..32).rev() {
            if pair.0 >> at & 1 == 1 && basis[at].0 != 0 {
                pair = (pair.0 ^ basis[at].0, pair.1 ^ basis[at].1);
            }
        }
        pair
    };
    for (at, column) in columns.into_iter().enumerate() {
        let pair = reduce(&basis, (column, 1 << at));
        if pair.0 != 0 {
            basis[pair.0.ilog2() as usize] = pair;
        }
    }
    let (rest, set) = reduce(&basis, (sum, 0));
    (rest == 0).then_some(set)
}

/// The archive with this checksum and time in all places.
fn archive(crc32: u32, time: u16) -> io::Result<Vec<u8>> {
    // Sizes do not depend on what is in the fields: once to learn them, once to use them.
    let draft = parts(crc32, time, 0, 0)?;
    let program = draft[1].len() as u32;
    let all = draft.iter().map(Vec::len).sum::<usize>() as u32;
    Ok(parts(crc32, time, program, all)?.concat())
}

/// The local header; the program, which prints all three; the directory.
fn parts(crc32: u32, time: u16, compressed: u32, expanded: u32) -> io::Result<[Vec<u8>; 3]> {
    let mut common = Vec::new();
    for field in [VERSION_DEFLATE, 0, METHOD_DEFLATE, time, DATE] {
        common.extend(field.to_le_bytes());
    }
    for field in [crc32, compressed, expanded] {
        common.extend(field.to_le_bytes());
    }
    common.extend((NAME.len() as u16).to_le_bytes());

    let mut head = b"PK\x03\x04".to_vec();
    head.extend(&common);
    head.extend([0; 2]);
    head.extend(NAME);

    let mut tail = b"PK\x01\x02".to_vec();
    tail.extend(VERSION_DEFLATE.to_le_bytes());
    tail.extend(&common);
    tail.extend([0; 2 + 2 + 2 + 2 + 4 + 4]);
    tail.extend(NAME);
    let (directory_bytes, directory_at) = (tail.len() as u32, head.len() as u32 + compressed);
    tail.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    tail.extend(directory_bytes.to_le_bytes());
    tail.extend(directory_at.to_le_bytes());
    tail.extend((COMMENT.len() as u16).to_le_bytes());
    tail.extend(COMMENT);

    let program = program(&head, &tail)?;
    Ok([head, program, tail])
}

/// Prints `head`, itself and `tail`. What each line prints is in its comment; the lines themselves are that text.
fn program(head: &[u8], tail: &[u8]) -> io::Result<Vec<u8>> {
    let (l0, l1, l4) = (print(0), print(UNIT_BYTES), print(4 * UNIT_BYTES));
    let (lh, lt) = (print(head.len() + UNIT_BYTES), print(tail.len() + UNIT_BYTES));
    let (rh, rt) = (again(head.len() + UNIT_BYTES, 0xff, false)?, again(tail.len() + UNIT_BYTES, COMMENT[1], true)?);
    let r4 = again_four_units()?;
    let lines: [&[&[u8]]; 12] = [
        &[&lh, head, &lh],           // head lh
        &[&rh],                      // head lh
        &[&l1, &rh],                 // rh
        &[&l1, &l1],                 // l1
        &[&l4, &rh, &l1, &l1, &l4],  // rh l1 l1 l4
        &[&r4],                      // rh l1 l1 l4
        &[&l4, &r4, &l4, &r4, &l4],  // r4 l4 r4 l4
        &[&r4],                      // r4 l4 r4 l4
        &[&l4, &r4, &l0, &l0, &lt],  // r4 l0 l0 lt
        &[&r4],                      // r4 l0 l0 lt
        &[&l0, &l0, &lt, &rt, tail], // rt tail
        &[&rt],                      // rt tail
    ];
    Ok(lines.concat().concat())
}

/// L: a stored block's header; so many bytes behind it are printed.
fn print(bytes: usize) -> Vec<u8> {
    let length = bytes as u16;
    [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat()
}

/// R: prints the last 68 to 115 bytes again in a block of forty bits: a copy of all but the last, then that one, which
/// must be one of the literals with nine bits.
fn again(bytes: usize, last: u8, is_final: bool) -> io::Result<Vec<u8>> {
    assert!((68..=115).contains(&bytes) && last >= 144, "{bytes} bytes, the last one {last}");
    let (copied, distance) = (bytes as u64 - 1, bytes as u64);
    block(is_final, |bits| {
        // Lengths from 67 and distances from 65 (RFC 1951, section 3.2.5): sixteen to a length code, 32 to a distance.
        huffman(bits, 277 - 256 + (copied - 67) / 16, 7)?;
        bits.put((copied - 67) % 16, 4)?;
        huffman(bits, 12 + (distance - 65) / 32, 5)?;
        bits.put((distance - 65) % 32, 5)?;
        huffman(bits, 0b1_1001_0000 + u64::from(last) - 144, 9)
    })
}

/// R4: the last twenty bytes, as two copies of ten.
fn again_four_units() -> io::Result<Vec<u8>> {
    block(false, |bits| {
        for _ in 0..2 {
            huffman(bits, 264 - 256, 7)?;
            huffman(bits, 8, 5)?;
            bits.put(20 - 17, 3)?;
        }
        Ok(())
    })
}

/// A block with the fixed codes, which has exactly the length of a unit.
fn block(is_final: bool, symbols: impl Fn(&mut Bits<'_>) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut bits = Bits::new(&mut bytes);
    bits.put(is_final.into(), 1)?;
    bits.put(1, 2)?;
    symbols(&mut bits)?;
    huffman(&mut bits, 0, 7)?;
    bits.finish()?;
    assert_eq!(bytes.len(), UNIT_BYTES);
    Ok(bytes)
}

/// A code goes into the stream from its highest bit.
fn huffman(bits: &mut Bits<'_>, code: u64, length: u32) -> io::Result<()> {
    bits.put(code.reverse_bits() >> (64 - length), length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_the_program_prints_is_the_archive_it_is_in() {
        let archive = quine().unwrap();
        let head = 30 + NAME.len();
        let mut printed = Vec::new();
        flate2::read::DeflateDecoder::new(&archive[head..]).read_to_end(&mut printed).unwrap();
        assert!(printed == archive, "{} and {} bytes", printed.len(), archive.len());
        assert_eq!(archive[14..18], crc32fast::hash(&archive).to_le_bytes());
    }

    #[test]
    fn equations_without_a_solution_have_none() {
        assert_eq!(solve([0; 32], 1), None);
        let mut columns = [0; 32];
        columns[3] = 6;
        columns[5] = 3;
        assert_eq!(solve(columns, 5), Some(1 << 3 | 1 << 5));
    }
}
