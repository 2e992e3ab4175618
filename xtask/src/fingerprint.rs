//! A name for "these sources, this toolchain, these flags": tells whether a guest must be built again.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::path::Path;

/// Folders that hold what a build makes or fetches.
const SKIPPED: &[&str] = &["target", "node_modules", "build", ".git"];

/// Bytes of a file that are held at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A hash that grows with every word, file and folder put into it. It guards against stale builds, not against an
/// adversary: who can write the sources can write the module.
pub struct Fingerprint([DefaultHasher; 2]);

impl Fingerprint {
    /// An empty one.
    pub fn new() -> Self {
        let mut pair = [DefaultHasher::new(), DefaultHasher::new()];
        pair[1].write_u8(1);
        Self(pair)
    }

    /// Adds a word; its length keeps `ab, c` apart from `a, bc`.
    pub fn word(&mut self, bytes: &[u8]) {
        for hasher in &mut self.0 {
            hasher.write_usize(bytes.len());
            hasher.write(bytes);
        }
    }

    /// Adds a file's bytes; a missing file counts as such.
    pub fn file(&mut self, path: &Path) -> Result<()> {
        let named = || path.display().to_string();
        let facts = match fs::metadata(path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.word(b"missing");
                return Ok(());
            }
            Err(error) => return Err(error).with_context(named),
        };
        // Opening a pipe waits for who writes; a device never ends.
        if !facts.is_file() {
            bail!("{}: not a regular file; sources are regular files", path.display());
        }
        self.word(b"file");
        // As a word, but never whole in memory: sources may be modules of any size.
        self.0.iter_mut().for_each(|hasher| hasher.write_usize(facts.len() as usize));
        let mut file = File::open(path).with_context(named)?.take(facts.len());
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut left = facts.len();
        while left > 0 {
            let read = file.read(&mut chunk).with_context(named)?;
            if read == 0 {
                bail!("{}: became shorter while it was read; run the command again", path.display());
            }
            self.0.iter_mut().for_each(|hasher| hasher.write(&chunk[..read]));
            left -= read as u64;
        }
        Ok(())
    }

    /// Adds a folder's files with their names, in order, without what builds leave there.
    pub fn folder(&mut self, path: &Path) -> Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path).with_context(|| path.display().to_string())? {
            let entry = entry?;
            entries.push((entry.file_name(), entry.file_type()?));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, kind) in entries {
            if kind.is_dir() && SKIPPED.iter().any(|skipped| name == *skipped) {
                continue;
            }
            self.word(name.as_encoded_bytes());
            if kind.is_dir() { self.folder(&path.join(name))? } else { self.file(&path.join(name))? }
        }
        self.word(b"end");
        Ok(())
    }

    /// 32 hex digits.
    pub fn hex(&self) -> String {
        format!("{:016x}{:016x}", self.0[0].finish(), self.0[1].finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> String {
        let mut print = Fingerprint::new();
        words.iter().for_each(|word| print.word(word.as_bytes()));
        print.hex()
    }

    #[test]
    fn words_do_not_run_into_each_other() {
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    }

    #[test]
    fn files_count_as_their_bytes_however_they_are_read() {
        let folder = std::env::temp_dir().join(format!("autoclave-fingerprint-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for bytes in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7] {
            let text: String = (0..bytes).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
            fs::write(folder.join("x"), &text).unwrap();
            let mut print = Fingerprint::new();
            print.file(&folder.join("x")).unwrap();
            assert_eq!(print.hex(), of(&["file", &text]), "{bytes}");
        }
        let mut print = Fingerprint::new();
        print.file(&folder.join("y")).unwrap();
        assert_eq!(print.hex(), of(&["missing"]));
        let error = print.file(&folder).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_a_build_leaves_behind_changes_nothing() {
        let folder = std::env::temp_dir().join(format!("autoclave-fingerprint-{}", std::process::id()));
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("src/lib.rs"), "a").unwrap();
        let print = || {
            let mut print = Fingerprint::new();
            print.folder(&folder).unwrap();
            print.hex()
        };
        let first = print();
        fs::create_dir_all(folder.join("node_modules")).unwrap();
        fs::write(folder.join("node_modules/x"), "x").unwrap();
        assert_eq!(first, print());
        fs::write(folder.join("src/lib.rs"), "b").unwrap();
        assert_ne!(first, print());
        fs::remove_dir_all(&folder).unwrap();
    }
}
