//! Inputs on disk: folders in which every file is named by the hash of its bytes, shared by jobs and by machines.
//!
//! A file appears whole (temporary name, then rename) and never changes, so a reader needs no lock and a killed writer
//! loses nothing that it had announced. What is found in such a folder is not trusted: sizes and counts are bounded,
//! links and foreign names are passed over, and bytes that do not match their name are ignored.

use crate::HarnessError;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most files that are read from one folder. A corpus beyond this is a folder of something else.
pub const FILES_MAX: usize = 200_000;
/// Most bytes that are read from one folder.
pub const FOLDER_BYTES_MAX: u64 = 1 << 30;
/// Prefix of files that are not yet whole.
const UNFINISHED: &str = ".unfinished-";
/// Unfinished files older than this belong to a writer that died.
const UNFINISHED_AGE_MAX: Duration = Duration::from_secs(600);

/// Name of an input: sha-256 of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InputId(pub [u8; 32]);

impl InputId {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Lower-case hex, 64 characters: the file name.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads [`InputId::hex`] back; `None` for anything else.
    pub fn from_hex(name: &str) -> Option<Self> {
        if name.len() != 64 {
            return None;
        }
        unhex(name)?.try_into().ok().map(Self)
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| DIGITS[nibble as usize] as char).collect()
}

/// Reads [`hex`] back; `None` for anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Whether [`Store::add`] wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The input is new and on disk now.
    New,
    /// It was there already.
    Known,
}

/// A content-addressed folder.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    known: HashSet<InputId>,
    input_bytes_max: u64,
    unfinished: u64,
}

impl Store {
    /// Opens a folder, makes it where it is missing, and removes what dead writers left unfinished.
    pub fn open(folder: &Path, input_bytes_max: u64) -> Result<Self, HarnessError> {
        fs::create_dir_all(folder).map_err(|error| HarnessError::io(folder, error))?;
        for file in fs::read_dir(folder).map_err(|error| HarnessError::io(folder, error))?.take(FILES_MAX).flatten() {
            let stale = || file.metadata().and_then(|data| data.modified()).ok()?.elapsed().ok();
            if file.file_name().to_string_lossy().starts_with(UNFINISHED)
                && stale().is_some_and(|age| age > UNFINISHED_AGE_MAX)
            {
                let _ = fs::remove_file(file.path());
            }
        }
        Ok(Self { folder: folder.to_owned(), known: HashSet::new(), input_bytes_max, unfinished: 0 })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Inputs seen in it so far.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no input was seen in it so far.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Writes an input; it is on disk, whole, when this returns.
    pub fn add(&mut self, bytes: &[u8]) -> Result<Added, HarnessError> {
        let id = InputId::of(bytes);
        if !self.known.insert(id) {
            return Ok(Added::Known);
        }
        let path = self.folder.join(id.hex());
        if path.symlink_metadata().is_ok() {
            return Ok(Added::Known);
        }
        self.unfinished += 1;
        let unfinished = self.folder.join(format!("{UNFINISHED}{}-{}", std::process::id(), self.unfinished));
        write_new(&unfinished, bytes)
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(|error| HarnessError::io(&path, error))?;
        Ok(Added::New)
    }

    /// Inputs that appeared since the last call (all of them, the first time), in the order of their names.
    pub fn import(&mut self) -> Result<Vec<Vec<u8>>, HarnessError> {
        let files = fs::read_dir(&self.folder).map_err(|error| HarnessError::io(&self.folder, error))?;
        let mut fresh: Vec<InputId> = files
            .take(FILES_MAX)
            .flatten()
            .filter_map(|file| InputId::from_hex(file.file_name().to_str()?))
            .filter(|id| !self.known.contains(id))
            .collect();
        fresh.sort_unstable();
        let mut inputs = Vec::with_capacity(fresh.len());
        let mut bytes_total = 0;
        for id in fresh {
            self.known.insert(id);
            let path = self.folder.join(id.hex());
            let Some(bytes) = read_bounded(&path, self.input_bytes_max)? else { continue };
            if InputId::of(&bytes) != id {
                continue;
            }
            bytes_total += bytes.len() as u64;
            if bytes_total > FOLDER_BYTES_MAX {
                break;
            }
            inputs.push(bytes);
        }
        Ok(inputs)
    }
}

/// Reads a folder of inputs under any names (seeds), in the order of their names; too large ones are left out.
/// A folder that does not exist holds none.
pub fn load_seeds(folder: &Path, input_bytes_max: u64) -> Result<Vec<Vec<u8>>, HarnessError> {
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(HarnessError::io(folder, error)),
    };
    let mut paths: Vec<PathBuf> = files.take(FILES_MAX).flatten().map(|file| file.path()).collect();
    paths.sort_unstable();
    let mut inputs = Vec::new();
    let mut bytes_total = 0;
    for path in paths {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        let Some(bytes) = read_bounded(&path, input_bytes_max)? else { continue };
        bytes_total += bytes.len() as u64;
        if bytes_total > FOLDER_BYTES_MAX {
            break;
        }
        inputs.push(bytes);
    }
    Ok(inputs)
}

/// The bytes of a regular file; `None` for links, folders, devices, files that are gone and files above the limit.
fn read_bounded(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, HarnessError> {
    let Ok(data) = path.symlink_metadata() else { return Ok(None) };
    if !data.is_file() || data.len() > bytes_max {
        return Ok(None);
    }
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(HarnessError::io(path, error)),
    };
    let mut bytes = Vec::with_capacity(data.len() as usize);
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| HarnessError::io(path, error))?;
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::File::create(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hashes_and_read_back() {
        let id = InputId::of(b"abc");
        assert_eq!(id.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(InputId::from_hex(&id.hex()), Some(id));
        for name in ["", "ba78", &id.hex().to_uppercase(), &format!("{}0", id.hex()), "../../../../etc/passwd"] {
            assert_eq!(InputId::from_hex(name), None, "{name}");
        }
    }

    #[test]
    fn two_writers_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut one = Store::open(folder.path(), 100).unwrap();
        let mut two = Store::open(folder.path(), 100).unwrap();
        assert_eq!(one.add(b"a").unwrap(), Added::New);
        assert_eq!(one.add(b"a").unwrap(), Added::Known);
        assert_eq!(two.add(b"a").unwrap(), Added::Known);
        assert_eq!(one.add(b"b").unwrap(), Added::New);
        assert_eq!(two.import().unwrap(), [b"b"]);
        assert!(two.import().unwrap().is_empty());
        assert_eq!(two.add(b"c").unwrap(), Added::New);
        assert_eq!(one.import().unwrap(), [b"c"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing unfinished stays behind");
    }

    #[test]
    fn garbage_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path(&InputId::of(b"right").hex()), b"right").unwrap();
        fs::write(path(&InputId::of(b"one thing").hex()), b"another").unwrap();
        fs::write(path(&InputId::of(&[7; 200]).hex()), [7; 200]).unwrap();
        fs::write(path("README"), b"text").unwrap();
        fs::write(path(".unfinished-1-1"), b"half").unwrap();
        fs::create_dir(path(&InputId::of(b"folder").hex())).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/dev/zero", path(&InputId::of(b"link").hex())).unwrap();
        assert_eq!(Store::open(folder.path(), 100).unwrap().import().unwrap(), [b"right"]);
        let seeds = load_seeds(folder.path(), 100).unwrap();
        assert_eq!(seeds.len(), 3, "seeds have any name, but are files, small and visible");
        assert!(load_seeds(&path("nothing"), 100).unwrap().is_empty());
    }
}
