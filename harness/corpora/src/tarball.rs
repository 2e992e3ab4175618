//! `tar.zst` that is the same bytes whenever it is written: names in order, times of 1980, nobody's files.

use crate::archive::{Bounded, unpacked_max};
use crate::zip::Limits;
use std::collections::BTreeMap;
use std::io::Read;

/// 1980-01-01T00:00:00Z, the first moment that zip knows too, seconds since 1970.
pub const MTIME: u64 = 315_532_800;
/// zstd's level: more takes longer and saves nothing on inputs of some kilobytes.
pub const LEVEL: i32 = 19;

/// Packs files by their names.
pub fn write(files: &BTreeMap<String, Vec<u8>>) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_path(name)?;
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(MTIME);
        header.set_uid(0);
        header.set_gid(0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        archive.append(&header, bytes.as_slice())?;
    }
    let tar = archive.into_inner()?;
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    std::io::copy(&mut tar.as_slice(), &mut encoder)?;
    let packed = encoder.finish()?;
    if tar.len() as u64 > unpacked_max(packed.len(), &Limits::default()) {
        return Err(std::io::Error::other("it would be refused as a decompression bomb; leave the largest inputs out"));
    }
    Ok(packed)
}

/// Unpacks what [`write()`] made, as far as archives of strangers are unpacked; anything else in it is an error.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let unreadable = |error: std::io::Error| format!("not a tar.zst that can be read: {error}");
    let mut decoder = zstd::stream::read::Decoder::new(bytes).map_err(unreadable)?;
    decoder.window_log_max(27).map_err(unreadable)?;
    let left = unpacked_max(bytes.len(), &Limits::default());
    let mut archive = tar::Archive::new(Bounded { inner: decoder, left });
    let mut files = BTreeMap::new();
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| "a name that is not UTF-8")?;
        let header = entry.header();
        let plain = header.entry_type() == tar::EntryType::Regular
            && header.mtime().ok() == Some(MTIME)
            && header.uid().ok() == Some(0)
            && header.mode().ok() == Some(0o644);
        if !plain {
            return Err(format!("{name:?} has another type, time, owner or mode than `corpus pack` writes"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        if files.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(format!("{name:?} is not in order, or there twice"));
        }
        files.insert(name, bytes);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bombs_are_neither_written_nor_read() {
        let files = |length: usize| BTreeMap::from([("a".to_owned(), vec![0; length])]);
        let fine = files(512 << 10);
        assert_eq!(read(&write(&fine).unwrap()).unwrap(), fine);
        assert!(write(&files(8 << 20)).unwrap_err().to_string().contains("bomb"));
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_path("a").unwrap();
        header.set_size(8 << 20);
        header.set_mode(0o644);
        header.set_mtime(MTIME);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        tar.append(&header, vec![0; 8 << 20].as_slice()).unwrap();
        let bomb = zstd::stream::encode_all(tar.into_inner().unwrap().as_slice(), 3).unwrap();
        assert!(read(&bomb).unwrap_err().contains("bomb"));
    }
}
