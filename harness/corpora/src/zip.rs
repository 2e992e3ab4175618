//! Zip files: written so that they are the same bytes whenever they are written, and read as strangers' files are.
//!
//! The reader believes nothing that is said twice until both say the same: a member's name, method and sizes stand in
//! the directory and before its data, and programs differ in which they take. Members may neither share bytes nor be
//! more than the directory says.

use std::collections::BTreeMap;
use std::io::Read;

/// A member as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name as it stands there.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What a member of an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// How much is taken from an archive.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Members.
    pub entries_max: usize,
    /// One member, bytes.
    pub file_bytes_max: u64,
    /// All members, bytes.
    pub total_bytes_max: u64,
    /// Bytes that one compressed byte may become, beyond a mebibyte.
    pub ratio_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries_max: 100_000, file_bytes_max: 64 << 20, total_bytes_max: 512 << 20, ratio_max: 200 }
    }
}

/// Below this, the ratio says nothing, bytes.
pub const RATIO_FREE_BYTES: u64 = 1 << 20;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// 1980-01-01, midnight.
const DATE: u16 = 0x21;
/// Made by: Unix, version 2.0; a regular file with mode 644.
const MADE_BY: u16 = 3 << 8 | 20;
const MODE: u32 = 0o100_644;

/// Packs files by their names, stored: their bytes do not depend on a compressor. At most 65,534 of them, 4 GiB in all.
pub fn write(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let too_much = || "more than a zip file can hold without its extension for 64 bits".to_owned();
    for (name, bytes) in files {
        let offset = u32::try_from(out.len()).map_err(|_| too_much())?;
        let size = u32::try_from(bytes.len()).map_err(|_| too_much())?;
        let name_bytes = u16::try_from(name.len()).map_err(|_| too_much())?;
        let mut common = Vec::new();
        for short in [10, 0, 0, 0, DATE] {
            common.extend(u16::to_le_bytes(short));
        }
        for long in [crc32fast::hash(bytes), size, size] {
            common.extend(long.to_le_bytes());
        }
        common.extend(name_bytes.to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        out.extend(LOCAL.to_le_bytes());
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(bytes);
        directory.extend(CENTRAL.to_le_bytes());
        directory.extend(MADE_BY.to_le_bytes());
        directory.extend(&common);
        // Comment, disk, internal attributes.
        directory.extend([0; 6]);
        directory.extend((MODE << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(out.len()).map_err(|_| too_much())?;
    let length = u32::try_from(directory.len()).map_err(|_| too_much())?;
    let count = u16::try_from(files.len()).ok().filter(|count| *count < u16::MAX).ok_or_else(too_much)?;
    out.extend(directory);
    out.extend(END.to_le_bytes());
    out.extend([0; 4]);
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    Ok(out)
}

/// What the directory says of a member.
struct Listed<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    attributes: u32,
    made_by: u16,
    offset: usize,
}

/// Members of an archive; whatever is ambiguous, too large or too clever is refused with the reason.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Vec<Member>, String> {
    let (count, length, start) = end(bytes)?;
    // Before anything is read: a directory of a million entries costs its reader more than its sender.
    if count > limits.entries_max {
        return Err(format!("{count} members, at most {} are taken", limits.entries_max));
    }
    let directory =
        start.checked_add(length).and_then(|end| bytes.get(start..end)).ok_or("its directory lies outside of it")?;
    let listed = directory_entries(directory, count)?;
    let mut ranges = Vec::new();
    let mut members = Vec::new();
    let mut total = 0;
    let mut packed_total = 0;
    for entry in &listed {
        let shown = String::from_utf8_lossy(entry.name).into_owned();
        let data = local(bytes, entry, start).map_err(|what| format!("member {shown:?}: {what}"))?;
        ranges.push((entry.offset, data.1));
        let refuse = |what: String| Err(format!("member {shown:?}: {what}"));
        total += entry.size;
        packed_total += entry.packed;
        if entry.size > limits.file_bytes_max || total > limits.total_bytes_max {
            return refuse(format!(
                "too large: {} MiB a member and {} MiB in all are taken",
                limits.file_bytes_max >> 20,
                limits.total_bytes_max >> 20
            ));
        }
        if entry.size > entry.packed.saturating_mul(limits.ratio_max) + RATIO_FREE_BYTES {
            return refuse(format!("a decompression bomb: unpacks to more than {} times its size", limits.ratio_max));
        }
        let kind = kind(entry).map_err(|what| format!("member {shown:?}: {what}"))?;
        let content = inflate(&bytes[data.0..data.1], entry).map_err(|what| format!("member {shown:?}: {what}"))?;
        if kind == MemberKind::Folder && !content.is_empty() {
            return refuse("a folder with content".to_owned());
        }
        members.push(Member { name: entry.name.to_vec(), kind, bytes: content });
    }
    if total > packed_total.saturating_mul(limits.ratio_max) + RATIO_FREE_BYTES {
        return Err(format!("a decompression bomb: unpacks to more than {} times its size", limits.ratio_max));
    }
    ranges.sort_unstable();
    if ranges.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err("members overlap: a decompression bomb, or made to be read in two ways".to_owned());
    }
    Ok(members)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Number of entries, length and start of the directory. There is one end, and nothing behind it.
fn end(bytes: &[u8]) -> Result<(usize, usize, usize), String> {
    let from = bytes.len().saturating_sub(22 + usize::from(u16::MAX));
    let tail = &bytes[from..];
    // The last one, as everybody looks for it from behind; those of zip files inside lie before it.
    let last = tail.windows(4).rposition(|window| window == END.to_le_bytes());
    let at = from + last.ok_or("no zip file, or one that breaks off: the end of its directory is missing")?;
    let field = |offset| short(bytes, at + offset).ok_or("breaks off in the end of its directory");
    let number = |offset| long(bytes, at + offset).ok_or("breaks off in the end of its directory");
    if at + 22 + usize::from(field(20)?) != bytes.len() {
        return Err("something stands behind its end".to_owned());
    }
    let (disk, other, here, count) = (field(4)?, field(6)?, field(8)?, field(10)?);
    if disk != 0 || other != 0 || here != count {
        return Err("a part of several; join them first".to_owned());
    }
    let (length, start) = (number(12)?, number(16)?);
    if count == u16::MAX || length == u32::MAX || start == u32::MAX {
        return Err("of the 64-bit kind, which no corpus needs; pack it as tar.zst".to_owned());
    }
    if start as usize + length as usize != at {
        return Err("its directory does not end where its end begins".to_owned());
    }
    Ok((usize::from(count), length as usize, start as usize))
}

fn directory_entries(directory: &[u8], count: usize) -> Result<Vec<Listed<'_>>, String> {
    let mut listed = Vec::new();
    let mut at = 0;
    for _ in 0..count {
        let entry = directory.get(at..).unwrap_or_default();
        let parse = || {
            let s = |offset| short(entry, offset);
            let l = |offset| long(entry, offset);
            let (name, extra, comment) = (usize::from(s(28)?), usize::from(s(30)?), usize::from(s(32)?));
            if l(0)? != CENTRAL || s(34)? != 0 {
                return None;
            }
            let parsed = Listed {
                name: entry.get(46..46 + name)?,
                made_by: s(4)?,
                flags: s(8)?,
                method: s(10)?,
                crc: l(16)?,
                packed: l(20)?.into(),
                size: l(24)?.into(),
                attributes: l(38)?,
                offset: l(42)? as usize,
            };
            entry.get(..46 + name + extra + comment)?;
            let extras = entry.get(46 + name..46 + name + extra)?;
            Some((parsed, extras, 46 + name + extra + comment))
        };
        let (parsed, extras, length) = parse().ok_or("its directory cannot be read")?;
        second_name(extras).map_err(|what| format!("member {:?}: {what}", String::from_utf8_lossy(parsed.name)))?;
        listed.push(parsed);
        at += length;
    }
    match directory.len() == at {
        true => Ok(listed),
        false => Err("its directory holds more than its members".to_owned()),
    }
}

/// Info-ZIP's field 0x7075 gives a member another name, for some readers; 0x0001 other sizes.
fn second_name(mut extras: &[u8]) -> Result<(), String> {
    while let (Some(id), Some(length)) = (short(extras, 0), short(extras, 2)) {
        match id {
            0x7075 => return Err("a second name, which some programs take instead".to_owned()),
            0x0001 => return Err("sizes of 64 bits, which some programs take instead".to_owned()),
            _ => {}
        }
        extras = extras.get(4 + usize::from(length)..).unwrap_or_default();
    }
    Ok(())
}

/// Where the member's data lies; what stands before it must say what the directory says.
fn local(bytes: &[u8], entry: &Listed<'_>, directory: usize) -> Result<(usize, usize), String> {
    if entry.flags & (1 | 1 << 6 | 1 << 13) != 0 {
        return Err("encrypted; decrypt it first".to_owned());
    }
    let head = bytes.get(entry.offset..directory).unwrap_or_default();
    let field = |at| short(head, at).ok_or("lies outside of the archive");
    let number = |at| long(head, at).ok_or("lies outside of the archive");
    if number(0)? != LOCAL {
        return Err("the directory points to something that is no member".to_owned());
    }
    let (flags, method, crc, packed, size) = (field(6)?, field(8)?, number(14)?, number(18)?, number(22)?);
    let (name, extra) = (usize::from(field(26)?), usize::from(field(28)?));
    let own = head.get(30..30 + name).ok_or("lies outside of the archive")?;
    if own != entry.name {
        return Err(format!(
            "called {:?} before its data: programs differ in which name they take",
            String::from_utf8_lossy(own)
        ));
    }
    if flags & (1 | 1 << 6 | 1 << 13) != 0 {
        return Err("encrypted; decrypt it first".to_owned());
    }
    second_name(head.get(30 + name..30 + name + extra).ok_or("lies outside of the archive")?)?;
    // With bit 3, sizes follow the data; then those before it are zero or right.
    let is_late = flags & 8 != 0;
    let agrees = |own: u32, listed: u64| u64::from(own) == listed || is_late && own == 0;
    if method != entry.method
        || !agrees(crc, entry.crc.into())
        || !agrees(packed, entry.packed)
        || !agrees(size, entry.size)
    {
        return Err("its method, sizes or checksum are not what the directory says".to_owned());
    }
    let start = entry.offset + 30 + name + extra;
    let end = usize::try_from(entry.packed).ok().and_then(|packed| start.checked_add(packed));
    match end.filter(|end| *end <= directory) {
        Some(end) => Ok((start, end)),
        None => Err("lies outside of the archive".to_owned()),
    }
}

fn kind(entry: &Listed<'_>) -> Result<MemberKind, String> {
    let is_folder = entry.name.ends_with(b"/");
    // Unix and macOS keep the file's type in the upper half.
    if matches!(entry.made_by >> 8, 3 | 19) {
        match (entry.attributes >> 16) & 0o170_000 {
            0 | 0o100_000 => {}
            0o040_000 if is_folder => {}
            0o120_000 => return Err("a link; put the file itself there".to_owned()),
            _ => return Err("neither a file nor a folder".to_owned()),
        }
    }
    Ok(if is_folder { MemberKind::Folder } else { MemberKind::File })
}

/// Exactly as much as the directory says, with its checksum.
fn inflate(data: &[u8], entry: &Listed<'_>) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("its data cannot be read: {error}");
    let mut bytes = Vec::new();
    let most = entry.size + 1;
    match entry.method {
        0 => bytes.extend(data),
        8 => {
            let mut decoder = flate2::bufread::DeflateDecoder::new(data);
            decoder.by_ref().take(most).read_to_end(&mut bytes).map_err(unreadable)?;
            if decoder.total_in() != data.len() as u64 {
                return Err("its data is longer or shorter than the directory says".to_owned());
            }
        }
        93 => {
            let mut decoder = zstd::stream::read::Decoder::new(data).map_err(unreadable)?;
            decoder.window_log_max(27).map_err(unreadable)?;
            decoder.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
        }
        other => return Err(format!("compressed by method {other}; stored, deflate and zstd are read: pack it so")),
    }
    if bytes.len() as u64 != entry.size {
        return Err("its size is not what the directory says".to_owned());
    }
    match crc32fast::hash(&bytes) == entry.crc {
        true => Ok(bytes),
        false => Err("its checksum is wrong".to_owned()),
    }
}
