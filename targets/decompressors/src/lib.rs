//! Decompressors as they are shipped: each entry makes the call that its documentation shows first, sets no limit of
//! ours, leaves the library's own as they are, and keeps all that comes out in one vector. It returns the unpacked
//! size.

use guest_abi::{Reading, Refusal};
use std::io::{Cursor, Read};

guest_abi::entry!(gzip, read_gzip);
guest_abi::entry!(zlib, read_zlib);
guest_abi::entry!(deflate, read_deflate);
guest_abi::entry!(brotli, read_brotli);
guest_abi::entry!(zstd, read_zstd);
guest_abi::entry!(xz, read_xz);
guest_abi::entry!(zip, read_zip);

/// flate2 with miniz_oxide: no limit of its own.
fn read_gzip(bytes: &[u8]) -> Reading {
    to_end(flate2::read::GzDecoder::new(bytes))
}

/// flate2 with miniz_oxide: no limit of its own.
fn read_zlib(bytes: &[u8]) -> Reading {
    to_end(flate2::read::ZlibDecoder::new(bytes))
}

/// flate2 with miniz_oxide: no limit of its own.
fn read_deflate(bytes: &[u8]) -> Reading {
    to_end(flate2::read::DeflateDecoder::new(bytes))
}

/// The format bounds the window (16 MiB); nothing bounds the output.
fn read_brotli(mut bytes: &[u8]) -> Reading {
    let mut unpacked = Vec::new();
    brotli_decompressor::BrotliDecompress(&mut bytes, &mut unpacked).map_err(|_| Refusal::Syntax)?;
    Ok(size(&unpacked))
}

/// ruzstd: refuses windows above its default (100 MiB); nothing bounds the output.
fn read_zstd(bytes: &[u8]) -> Reading {
    to_end(ruzstd::decoding::StreamingDecoder::new(bytes).map_err(|_| Refusal::Syntax)?)
}

/// lzma-rust2: `new` sets no limit on the dictionary, `new_mem_limit` would; nothing bounds the output.
fn read_xz(bytes: &[u8]) -> Reading {
    to_end(lzma_rust2::XzReader::new(bytes, true))
}

/// zip: every member after the other, each in a vector of its own.
fn read_zip(bytes: &[u8]) -> Reading {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|_| Refusal::Syntax)?;
    let mut total = 0i32;
    for at in 0..archive.len() {
        total = total.saturating_add(to_end(archive.by_index(at).map_err(|_| Refusal::Syntax)?)?);
    }
    Ok(total)
}

fn to_end(mut decoder: impl Read) -> Reading {
    let mut unpacked = Vec::new();
    decoder.read_to_end(&mut unpacked).map_err(|_| Refusal::Syntax)?;
    Ok(size(&unpacked))
}

fn size(unpacked: &[u8]) -> i32 {
    unpacked.len().min(i32::MAX as usize) as i32
}
