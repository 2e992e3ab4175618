//! Compression around any family that is not compressed: what arrives as `Content-Encoding` in front of a reader.

use crate::params::{Param, choice};
use crate::{GeneratorError, Kind};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use std::io::{self, Write};

/// In what an input is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrap {
    /// Nothing.
    None,
    /// RFC 1952, level 9.
    Gzip,
    /// RFC 7932, quality 5, a window of 4 MiB.
    Brotli,
    /// RFC 8878, level 3.
    Zstd,
    /// RFC 1950, level 9.
    Zlib,
    /// RFC 1951 without a frame around it, level 9.
    Deflate,
    /// The .xz file format, preset 6.
    Xz,
    /// The only file of a zip archive, deflated at level 9.
    Zip,
}

/// Of every family that is not compressed.
pub static PARAMS: &[Param] = &[choice("wrap", NAMES, "compress the input with it")];

const NAMES: &[&str] = &["none", "gzip", "brotli", "zstd", "zlib", "deflate", "xz", "zip"];

/// Quality 11 takes 20 times as long for a few percent.
const BROTLI_QUALITY: u32 = 5;
const BROTLI_WINDOW_LOG: u32 = 22;
const ZSTD_LEVEL: i32 = 3;
const XZ_PRESET: u32 = 6;

impl Wrap {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "gzip" => Self::Gzip,
            "brotli" => Self::Brotli,
            "zstd" => Self::Zstd,
            "zlib" => Self::Zlib,
            "deflate" => Self::Deflate,
            "xz" => Self::Xz,
            "zip" => Self::Zip,
            _ => Self::None,
        }
    }

    /// What a wrapped input is.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::None => None,
            Self::Gzip => Some(Kind::Gzip),
            Self::Brotli => Some(Kind::Brotli),
            Self::Zstd => Some(Kind::Zstd),
            Self::Zlib => Some(Kind::Zlib),
            Self::Deflate => Some(Kind::Deflate),
            Self::Xz => Some(Kind::Xz),
            Self::Zip => Some(Kind::Zip),
        }
    }
}

/// These bytes as a stream or an archive of a compressed kind; `None` for any other.
pub fn compressed(kind: Kind, bytes: &[u8]) -> Option<Vec<u8>> {
    let wrap = Wrap::named(kind.name());
    wrap.kind()?;
    let mut out = Vec::new();
    through(wrap, &mut out, &mut |inside| Ok(inside.write_all(bytes)?)).expect("memory takes all");
    Some(out)
}

/// What `write` writes, compressed.
pub fn through<T>(
    wrap: Wrap,
    out: &mut dyn Write,
    write: &mut dyn FnMut(&mut dyn Write) -> Result<T, GeneratorError>,
) -> Result<T, GeneratorError> {
    match wrap {
        Wrap::None => write(out),
        Wrap::Gzip => {
            let mut encoder = GzEncoder::new(out, Compression::best());
            let result = write(&mut encoder)?;
            encoder.finish()?;
            Ok(result)
        }
        Wrap::Brotli => {
            let latch = Latch { out, failed: None };
            let mut encoder =
                ::brotli::CompressorWriter::new(latch, crate::CHUNK_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_LOG);
            let result = write(&mut encoder)?;
            match encoder.into_inner().failed {
                Some(kind) => Err(GeneratorError::Io(kind.into())),
                None => Ok(result),
            }
        }
        Wrap::Zstd => {
            let mut encoder = ::zstd::Encoder::new(out, ZSTD_LEVEL)?;
            let result = write(&mut encoder)?;
            encoder.finish()?;
            Ok(result)
        }
        Wrap::Zlib => {
            let mut encoder = ZlibEncoder::new(out, Compression::best());
            let result = write(&mut encoder)?;
            encoder.finish()?;
            Ok(result)
        }
        Wrap::Deflate => {
            let mut encoder = DeflateEncoder::new(out, Compression::best());
            let result = write(&mut encoder)?;
            encoder.finish()?;
            Ok(result)
        }
        Wrap::Xz => {
            let mut encoder = lzma_rust2::XzWriter::new(out, lzma_rust2::XzOptions::with_preset(XZ_PRESET))?;
            let result = write(&mut encoder)?;
            encoder.finish()?;
            Ok(result)
        }
        Wrap::Zip => crate::zip::only_file(out, write),
    }
}

/// Remembers that writing failed: the encoder of brotli loses errors when it ends.
struct Latch<'a> {
    out: &'a mut dyn Write,
    failed: Option<io::ErrorKind>,
}

impl Write for Latch<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).inspect_err(|error| self.failed = Some(error.kind()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
