//! Zip files in zip files, as 42.zip has them: who unpacks what he finds unpacks sixteen of them, and again.

use super::{Entry, Kernel, end, name};
use crate::deflate::PATTERN;
use crate::params::number;
use crate::{Content, Expanded, Family, GeneratorError, Kind, Params};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::{self, Write};

pub const ZIP_NESTED: Family = Family {
    name: "zip-nested",
    about: "Archives in archives, each as often as the one inside it: the fan to the power of the layers",
    kind: Kind::Zip,
    source: "42.zip, as described in https://www.bamsoftware.com/hacks/zipbomb/: five layers of \
             sixteen, 4.5 PB",
    scale: None,
    own_params: &[
        number("layers", "layers", 5, (0, 64), "archives around the one with the run"),
        number("fan", "files", 16, (1, 4096), "files in each layer"),
        number("each", "bytes", 0xffff_ffff, (0, 1 << 36), "output of the innermost file"),
        PATTERN,
    ],
    write,
};

/// An archive is held while the one around it is written. Larger ones have no purpose: they stay small by design.
const ARCHIVE_BYTES_MAX: usize = 64 << 20;

fn write(params: &Params, out: &mut dyn Write) -> Result<Content, GeneratorError> {
    let (layers, fan) = (params.number("layers"), params.number("fan"));
    let kernel = Kernel::of(params);
    let mut archive = Bounded(Vec::new());
    let innermost = kernel.entry("0".to_owned(), 0);
    let too_large = |_: io::Error| {
        ZIP_NESTED.contradiction("a layer would be larger than 64 MiB: take fewer layers, a smaller fan or run")
    };
    write_archive(&mut archive, 1, &innermost, &mut |out| kernel.write(out)).map_err(too_large)?;
    let mut first = u128::from(kernel.expanded);
    for _ in 0..layers {
        let inner = archive.0;
        first = u128::from(fan) * inner.len() as u128;
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&inner)?;
        let compressed = encoder.finish()?;
        let entry = Entry {
            name: String::new(),
            crc32: crc32fast::hash(&inner),
            compressed: compressed.len() as u64,
            expanded: inner.len() as u64,
            offset: 0,
        };
        archive = Bounded(Vec::new());
        write_archive(&mut archive, fan, &entry, &mut |out| out.write_all(&compressed)).map_err(too_large)?;
    }
    out.write_all(&archive.0)?;
    let copies = u32::try_from(layers).ok().and_then(|layers| u128::from(fan).checked_pow(layers));
    let expanded = copies.and_then(|copies| copies.checked_mul(kernel.expanded.into()));
    Ok(Content::Layers { first, all: expanded.map_or(Expanded::Beyond, Expanded::Exact) })
}

/// So many files with the same content.
fn write_archive(
    out: &mut dyn Write,
    files: u64,
    like: &Entry,
    content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let entry = |at: u64, offset: u64| Entry { name: format!("{}.zip", name(at, files)), offset, ..*like };
    let each = entry(0, 0).local_header().len() as u64 + like.compressed;
    for at in 0..files {
        out.write_all(&entry(at, 0).local_header())?;
        content(out)?;
    }
    end(out, files * each, (0..files).map(|at| entry(at, at * each)))
}

/// Refuses to hold more than [`ARCHIVE_BYTES_MAX`].
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > ARCHIVE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
