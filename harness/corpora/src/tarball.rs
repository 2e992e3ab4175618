//! `tar.zst` that is the same bytes whenever it is written: names in order, times of 1980, nobody's files.

use std::collections::BTreeMap;
use std::io::Read;

/// 1980-01-01T00:00:00Z, the first moment that zip knows too, seconds since 1970.
pub const MTIME: u64 = 315_532_800;
/// zstd's level: more takes longer and saves nothing on inputs of some kilobytes.
pub const LEVEL: i32 = 19;
/// Unpacked, bytes.
const UNPACKED_BYTES_MAX: u64 = 4 << 30;

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
    encoder.finish()
}

/// Unpacks what [`write()`] made; anything else in it is an error.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let unreadable = |error: std::io::Error| format!("not a tar.zst that can be read: {error}");
    let mut decoder = zstd::stream::read::Decoder::new(bytes).map_err(unreadable)?;
    decoder.window_log_max(27).map_err(unreadable)?;
    let mut archive = tar::Archive::new(decoder.take(UNPACKED_BYTES_MAX));
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
