//! Unpacks what `npm pack` makes, trusting nothing in it: plain files below one folder, bounded in every direction.

use super::PackageError;
use flate2::read::GzDecoder;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tar::EntryType;
use tempfile::TempDir;

/// Entries of an archive, folders included.
pub const ENTRIES_MAX: usize = 4_096;
/// All files together, bytes.
pub const TOTAL_BYTES_MAX: u64 = 256 << 20;
/// One file, bytes.
pub const FILE_BYTES_MAX: u64 = 64 << 20;
/// Bytes that one compressed byte may become; text becomes at most some dozens.
const RATIO_MAX: u64 = 200;
/// Below this, the ratio says nothing, bytes.
const RATIO_FREE_BYTES: u64 = 4 << 20;
/// Longest path, bytes, and folders within folders.
const PATH_BYTES_MAX: usize = 512;
const FOLDERS_MAX: usize = 32;

/// Unpacks into a new folder, which is removed when the guard is dropped; returns it with the package's own folder.
pub fn unpack(path: &Path) -> Result<(TempDir, PathBuf), PackageError> {
    let fault = |what: String| PackageError::Archive { path: path.to_owned(), what };
    let io_fault = |source| PackageError::Io { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(io_fault)?;
    let compressed = file.metadata().map_err(io_fault)?.len();
    let folder = tempfile::Builder::new().prefix("autoclave-package-").tempdir().map_err(io_fault)?;
    // A little more than the files: headers and padding.
    let allowed = (compressed.saturating_mul(RATIO_MAX) + RATIO_FREE_BYTES).min(TOTAL_BYTES_MAX + (16 << 20));
    let stream = Bounded { inner: GzDecoder::new(file), left: allowed };
    let mut archive = tar::Archive::new(stream);
    let mut seen = BTreeSet::new();
    let mut total = 0;
    let entries = archive.entries().map_err(|error| fault(unreadable(&error)))?;
    for (number, entry) in entries.enumerate() {
        let mut entry = entry.map_err(|error| fault(unreadable(&error)))?;
        if number >= ENTRIES_MAX {
            return Err(fault(format!("more than {ENTRIES_MAX} entries")));
        }
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        let raw = entry.path_bytes().into_owned();
        let name = checked(&raw).map_err(|what| fault(format!("entry {:?}: {what}", String::from_utf8_lossy(&raw))))?;
        match kind {
            EntryType::Directory => continue,
            EntryType::Regular | EntryType::Continuous => {}
            other => return Err(fault(format!("entry {name:?} is neither a file nor a folder ({other:?})"))),
        }
        let bytes = entry.size();
        total += bytes;
        if bytes > FILE_BYTES_MAX || total > TOTAL_BYTES_MAX {
            let (one, all) = (FILE_BYTES_MAX >> 20, TOTAL_BYTES_MAX >> 20);
            return Err(fault(format!(
                "{name:?} makes it too large: {one} MiB a file and {all} MiB in all are unpacked"
            )));
        }
        // Which of two files with one name counts depends on who unpacks; so it does where letters' case is ignored.
        if !seen.insert(name.to_lowercase()) {
            return Err(fault(format!("{name:?} is there twice")));
        }
        let target = folder.path().join(&name);
        let parent = target.parent().unwrap_or(folder.path());
        fs::create_dir_all(parent).map_err(|error| fault(format!("{name:?}: {error}")))?;
        let mut out = fs::File::create_new(&target).map_err(|error| fault(format!("{name:?}: {error}")))?;
        io::copy(&mut entry, &mut out).map_err(|error| fault(unreadable(&error)))?;
    }
    if seen.is_empty() {
        return Err(fault("no files in it".to_owned()));
    }
    let root = package_folder(folder.path(), &seen);
    Ok((folder, root))
}

/// npm puts everything into `package/`, others into one folder of another name.
fn package_folder(folder: &Path, seen: &BTreeSet<String>) -> PathBuf {
    let tops: BTreeSet<&str> = seen.iter().filter_map(|name| name.split('/').next()).collect();
    let single = tops.len() == 1 && seen.iter().all(|name| name.contains('/'));
    let inner = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).next();
    inner.filter(|path| single && path.is_dir()).unwrap_or_else(|| folder.to_owned())
}

fn unreadable(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TooMuch>()) {
        Some(_) => format!("unpacks to more than {RATIO_MAX} times its size or {} MiB", TOTAL_BYTES_MAX >> 20),
        None => format!("not a .tgz that can be read: {error}"),
    }
}

/// The entry's path below the folder, or why it is refused.
fn checked(raw: &[u8]) -> Result<String, String> {
    let name = std::str::from_utf8(raw).map_err(|_| "not UTF-8".to_owned())?;
    let name = name.strip_suffix('/').unwrap_or(name);
    let name = name.strip_prefix("./").unwrap_or(name);
    if name.len() > PATH_BYTES_MAX {
        return Err(format!("longer than {PATH_BYTES_MAX} bytes"));
    }
    if name.split('/').count() > FOLDERS_MAX {
        return Err(format!("more than {FOLDERS_MAX} folders deep"));
    }
    for part in name.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            return Err("leads out of the package".to_owned());
        }
        if part.chars().any(|character| character.is_control() || matches!(character, '\\' | ':')) {
            return Err("a character that some systems give a meaning".to_owned());
        }
        if part.ends_with(['.', ' ']) || is_reserved(part) {
            return Err("a name that some systems reserve".to_owned());
        }
    }
    Ok(name.to_owned())
}

/// Names of devices where Windows runs.
fn is_reserved(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered =
        |name: &str| stem.strip_prefix(name).is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit());
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

#[derive(Debug, thiserror::Error)]
#[error("too much")]
struct TooMuch;

/// A stream that ends in an error where it has given too much.
struct Bounded<R> {
    inner: R,
    left: u64,
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
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn header(name: &[u8], kind: EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        header
    }

    fn archive(entries: &[(&[u8], EntryType, &[u8])]) -> (TempDir, PathBuf) {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
        for (name, kind, content) in entries {
            builder.append(&header(name, *kind, content.len() as u64), *content).unwrap();
        }
        written(&builder.into_inner().unwrap().finish().unwrap())
    }

    fn written(bytes: &[u8]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.tgz");
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_package_is_unpacked() {
        let (_keep, path) = archive(&[
            (b"package/package.json", EntryType::Regular, b"{}"),
            (b"package/lib/", EntryType::Directory, b""),
            (b"package/lib/A.js", EntryType::Regular, b"1"),
        ]);
        let (_folder, root) = unpack(&path).unwrap();
        assert_eq!(fs::read(root.join("lib/A.js")).unwrap(), b"1");
        assert_eq!(root.file_name().unwrap(), "package");
    }

    #[test]
    fn what_is_hostile_is_refused() {
        let plain = EntryType::Regular;
        let cases: &[(&[u8], EntryType, &str)] = &[
            (b"../evil", plain, "leads out of the package"),
            (b"package/../../evil", plain, "leads out of the package"),
            (b"/etc/passwd", plain, "leads out of the package"),
            (b"package//x", plain, "leads out of the package"),
            (b"package\\..\\x", plain, "some systems give a meaning"),
            (b"C:x", plain, "some systems give a meaning"),
            (b"package/nul.js", plain, "some systems reserve"),
            (b"package/COM1", plain, "some systems reserve"),
            (b"package/x.", plain, "some systems reserve"),
            (b"package/\xff", plain, "not UTF-8"),
            (b"package/link", EntryType::Symlink, "neither a file nor a folder"),
            (b"package/link", EntryType::Link, "neither a file nor a folder"),
            (b"package/dev", EntryType::Char, "neither a file nor a folder"),
            (b"package/dev", EntryType::Block, "neither a file nor a folder"),
            (b"package/fifo", EntryType::Fifo, "neither a file nor a folder"),
        ];
        for (name, kind, expected) in cases {
            let (_keep, path) = archive(&[(name, *kind, b"")]);
            let error = unpack(&path).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("p.tgz"), "{name:?}: {error}");
        }
        let (_keep, path) = archive(&[(b"a/x", plain, b"1"), (b"a/X", plain, b"2")]);
        assert!(unpack(&path).map(|_| ()).unwrap_err().to_string().contains("is there twice"));
        let (_keep, path) = archive(&[(b"a", plain, b"1"), (b"a/b", plain, b"2")]);
        assert!(unpack(&path).is_err(), "a file cannot be a folder");
        let (_keep, path) = written(b"not gzip");
        assert!(unpack(&path).map(|_| ()).unwrap_err().to_string().contains("not a .tgz"));
        let (_keep, path) = archive(&[]);
        assert!(unpack(&path).map(|_| ()).unwrap_err().to_string().contains("no files"));
    }

    #[test]
    fn bombs_do_not_go_off() {
        let zeros = vec![0; 40 << 20];
        let (_keep, path) = archive(&[(b"package/zeros", EntryType::Regular, &zeros)]);
        let error = unpack(&path).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("unpacks to more than 200 times its size"), "{error}");
        let names: Vec<String> = (0..=ENTRIES_MAX).map(|number| format!("package/{number}")).collect();
        let many: Vec<(&[u8], EntryType, &[u8])> =
            names.iter().map(|name| (name.as_bytes(), EntryType::Regular, b"".as_slice())).collect();
        let (_keep, path) = archive(&many);
        assert!(unpack(&path).map(|_| ()).unwrap_err().to_string().contains("more than 4096 entries"));
        // A header that promises more than may be there.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        io::Write::write_all(&mut encoder, header(b"package/x", EntryType::Regular, 1 << 30).as_bytes()).unwrap();
        let (_keep, path) = written(&encoder.finish().unwrap());
        assert!(unpack(&path).map(|_| ()).unwrap_err().to_string().contains("too large"));
    }
}
