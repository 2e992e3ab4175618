//! Archives of strangers: zip and tar in its usual coats, and plain folders. What comes out are contents and nothing
//! else: a member's name is checked, because an archive with such a name was made to harm somebody, and then forgotten.
//! Archives inside of archives are inputs like others and stay packed, however deep or endless they are.

use crate::CorpusError;
use crate::disk;
use crate::zip::{self, Limits, MemberKind, RATIO_FREE_BYTES};
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

/// Longest name, bytes, and folders within folders.
const NAME_BYTES_MAX: usize = 1024;
const FOLDERS_MAX: usize = 32;
/// Largest archive, bytes.
const ARCHIVE_BYTES_MAX: u64 = 256 << 20;

/// Contents of an archive or a folder, in the order of the names that they had there.
pub fn read(path: &Path, limits: &Limits) -> Result<Vec<Vec<u8>>, CorpusError> {
    let data = std::fs::symlink_metadata(path).map_err(CorpusError::io(path))?;
    if data.is_dir() {
        return folder(path, limits);
    }
    let bytes = disk::read(path, ARCHIVE_BYTES_MAX)?;
    unpack(&bytes, limits).map_err(|what| CorpusError::refused(path, what))
}

fn folder(path: &Path, limits: &Limits) -> Result<Vec<Vec<u8>>, CorpusError> {
    let names = disk::walk(path)?;
    if names.len() > limits.entries_max {
        return Err(CorpusError::refused(
            path,
            format!("{} files, at most {} are taken", names.len(), limits.entries_max),
        ));
    }
    let mut total = 0;
    let mut contents = Vec::new();
    for name in names {
        let bytes = disk::read(&path.join(&name), limits.file_bytes_max)?;
        total += bytes.len() as u64;
        if total > limits.total_bytes_max {
            return Err(CorpusError::refused(
                path,
                format!("more than {} MiB in all; split it", limits.total_bytes_max >> 20),
            ));
        }
        contents.push(bytes);
    }
    Ok(contents)
}

/// Contents of an archive in memory; its kind is told by how it begins.
pub fn unpack(bytes: &[u8], limits: &Limits) -> Result<Vec<Vec<u8>>, String> {
    let members = match bytes {
        [b'P', b'K', ..] => zip::read(bytes, limits)?.into_iter().map(|m| (m.name, m.kind, m.bytes)).collect(),
        [0x1f, 0x8b, ..] => tar(flate2::read::MultiGzDecoder::new(bytes), bytes.len(), limits)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::stream::read::Decoder::new(bytes).map_err(|error| error.to_string())?;
            decoder.window_log_max(27).map_err(|error| error.to_string())?;
            tar(decoder, bytes.len(), limits)?
        }
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            return Err("xz, which is not read here; `xz -d` it, and give the .tar".to_owned());
        }
        _ => tar(bytes, bytes.len(), limits)?,
    };
    let mut seen = BTreeSet::new();
    let mut contents = Vec::new();
    for (name, kind, content) in members {
        let folded = checked(&name).map_err(|what| format!("member {:?}: {what}", String::from_utf8_lossy(&name)))?;
        if !seen.insert(folded) {
            return Err(format!(
                "member {:?}: its name is there twice where letters' case does not count; rename one",
                String::from_utf8_lossy(&name)
            ));
        }
        if kind == MemberKind::File {
            contents.push((name, content));
        }
    }
    if contents.is_empty() {
        return Err("no files in it; give a zip, a tar, tar.gz or tar.zst, or a folder".to_owned());
    }
    contents.sort();
    Ok(contents.into_iter().map(|(_, content)| content).collect())
}

type Members = Vec<(Vec<u8>, MemberKind, Vec<u8>)>;

/// What an archive of so many bytes may unpack to, bytes: a little more than its files, for headers and padding.
pub(crate) fn unpacked_max(packed: usize, limits: &Limits) -> u64 {
    let allowed = (packed as u64).saturating_mul(limits.ratio_max).saturating_add(RATIO_FREE_BYTES);
    allowed.min(limits.total_bytes_max + (limits.entries_max as u64) * 2048)
}

fn tar(reader: impl Read, packed: usize, limits: &Limits) -> Result<Members, String> {
    let mut archive = tar::Archive::new(Bounded { inner: reader, left: unpacked_max(packed, limits) });
    let unreadable = |error: io::Error| match error.get_ref().is_some_and(|inner| inner.is::<TooMuch>()) {
        true => format!(
            "unpacks to more than {} times its size or {} MiB: a decompression bomb, or too large; split it",
            limits.ratio_max,
            limits.total_bytes_max >> 20
        ),
        false => format!("no archive that can be read: {error}; give a zip, a tar, tar.gz or tar.zst, or a folder"),
    };
    let mut members = Vec::new();
    let mut total = 0;
    for (number, entry) in archive.entries().map_err(unreadable)?.enumerate() {
        let mut entry = entry.map_err(unreadable)?;
        if number >= limits.entries_max {
            return Err(format!("more than {} members", limits.entries_max));
        }
        let name = entry.path_bytes().into_owned();
        let refuse = |what: &str| Err(format!("member {:?}: {what}", String::from_utf8_lossy(&name)));
        let kind = match entry.header().entry_type() {
            tar::EntryType::XGlobalHeader => continue,
            tar::EntryType::Regular | tar::EntryType::Continuous => MemberKind::File,
            tar::EntryType::Directory => MemberKind::Folder,
            tar::EntryType::Symlink | tar::EntryType::Link => return refuse("a link; put the file itself there"),
            tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => {
                return refuse("a device or a pipe; put a file there");
            }
            _ => return refuse("neither a file nor a folder; pack it again with plain tar"),
        };
        let size = entry.size();
        total += size;
        if size > limits.file_bytes_max || total > limits.total_bytes_max {
            return refuse(&format!(
                "too large: {} MiB a member and {} MiB in all are taken",
                limits.file_bytes_max >> 20,
                limits.total_bytes_max >> 20
            ));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 != size {
            return refuse("breaks off: shorter than its header says");
        }
        members.push((name, kind, bytes));
    }
    Ok(members)
}

/// The name, as systems that do not tell case apart see it, or why it is refused.
fn checked(raw: &[u8]) -> Result<String, String> {
    let name = std::str::from_utf8(raw).map_err(|_| "its name is not UTF-8; rename it".to_owned())?;
    let name = name.strip_suffix('/').unwrap_or(name);
    let name = name.strip_prefix("./").unwrap_or(name);
    if name == "." {
        return Ok(String::new());
    }
    if name.len() > NAME_BYTES_MAX || name.split('/').count() > FOLDERS_MAX {
        return Err(format!("its name is longer than {NAME_BYTES_MAX} bytes or {FOLDERS_MAX} folders; shorten it"));
    }
    // As programs see it that decode escapes or fold look-alikes first; twice, as some do.
    let seen = folded(&percent_decoded(&folded(&percent_decoded(name))));
    for spelling in [name, &seen] {
        if spelling.chars().any(char::is_control) {
            return Err("a control character in its name; rename it".to_owned());
        }
        if spelling.contains('\\') || spelling.split('/').any(has_colon) {
            return Err(
                "its name has a backslash or a colon, which lead elsewhere on some systems; rename it".to_owned()
            );
        }
        for part in spelling.split('/') {
            if part.is_empty() || part == "." || part == ".." {
                return Err("its name leads out of the archive; rename it".to_owned());
            }
            if part.ends_with(['.', ' ']) || part.starts_with(' ') || is_reserved(part) {
                return Err("some systems reserve its name, or see another in it; rename it".to_owned());
            }
        }
    }
    Ok(seen.to_lowercase())
}

fn percent_decoded(name: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let byte = || u8::from_str_radix(std::str::from_utf8(tail.get(..2)?).ok()?, 16).ok();
        match (*first == b'%').then(byte).flatten() {
            Some(byte) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Characters that NFKC turns into dots, slashes, backslashes, colons and ASCII letters (UAX #15), and slashes that only
/// look so.
fn folded(name: &str) -> String {
    let mut folded = String::new();
    for c in name.chars() {
        match c {
            '\u{2024}' | '\u{fe52}' => folded.push('.'),
            '\u{2025}' | '\u{fe30}' => folded.push_str(".."),
            '\u{2026}' | '\u{fe19}' => folded.push_str("..."),
            '\u{2044}' | '\u{2215}' | '\u{29f8}' => folded.push('/'),
            '\u{2216}' | '\u{29f5}' | '\u{29f9}' | '\u{fe68}' => folded.push('\\'),
            '\u{fe13}' | '\u{fe55}' | '\u{2236}' | '\u{a789}' => folded.push(':'),
            '\u{2100}' => folded.push_str("a/c"),
            '\u{2101}' => folded.push_str("a/s"),
            '\u{2105}' => folded.push_str("c/o"),
            '\u{2106}' => folded.push_str("c/u"),
            '\u{ff01}'..='\u{ff5e}' => folded.push(char::from((c as u32 - 0xfee0) as u8)),
            // Invisible: two names that look alike.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                folded.push('\u{1}');
            }
            '\u{b9}' => folded.push('1'),
            '\u{b2}' => folded.push('2'),
            '\u{b3}' => folded.push('3'),
            c => folded.push(c),
        }
    }
    folded
}

/// A drive or a stream of Windows'. AFL calls its inputs `id:000001,src:000000`, and means no harm.
fn has_colon(part: &str) -> bool {
    let number = part.strip_prefix("id:").unwrap_or_default().as_bytes().get(..6);
    part.contains(':') && !number.is_some_and(|number| number.iter().all(u8::is_ascii_digit))
}

/// Names of devices where Windows runs.
fn is_reserved(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered =
        |name: &str| stem.strip_prefix(name).is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit());
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || numbered("COM") || numbered("LPT")
}

#[derive(Debug, thiserror::Error)]
#[error("it unpacks to more than may be in it: a decompression bomb, or too large")]
struct TooMuch;

/// A stream that ends in an error where it has given too much.
pub(crate) struct Bounded<R> {
    pub(crate) inner: R,
    pub(crate) left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(TooMuch))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere() {
        for name in [
            "../x",
            "a/../../x",
            "/etc/passwd",
            "..\\x",
            "a\\b",
            "C:\\x",
            "c:x",
            "\\\\server\\share",
            "//server/share",
            "%2e%2e/x",
            "%2e%2e%2fx",
            "%252e%252e/x",
            "a\0b",
            "．．/x",
            "‥/x",
            "a／b／..",
            "..∕x",
            "x/",
            "CON",
            "nul.txt",
            "a/aux",
            "com1.json",
            "LPT¹",
            "a.",
            "a ",
            "a/./b",
            "a\u{202e}b",
            "ｃｏｎ",
            "\n",
            "a//b",
            " a",
            "",
        ] {
            let is_folder_slash = name == "x/";
            assert_eq!(checked(name.as_bytes()).is_ok(), is_folder_slash, "{name:?}");
        }
        for name in [
            "a",
            "a/b.json",
            "./a",
            "seeds/0000001",
            "Zoë.hl7",
            "console",
            "a..b",
            "100%",
            "nulls",
            "q/id:000001,src:0",
        ] {
            assert!(checked(name.as_bytes()).is_ok(), "{name:?}: {:?}", checked(name.as_bytes()));
        }
        assert!(checked(b"\xff").is_err());
        assert_eq!(checked(b"A/b").unwrap(), checked(b"a/B").unwrap());
        assert!(checked("a/".repeat(40).as_bytes()).is_err());
    }
}
