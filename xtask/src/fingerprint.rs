//! A name for "these sources, this toolchain, these flags": tells whether a guest must be built again.

use anyhow::{Context, Result};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

/// Folders that hold what a build makes or fetches.
const SKIPPED: &[&str] = &["target", "node_modules", "build", ".git"];

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
        match fs::read(path) {
            Ok(bytes) => {
                self.word(b"file");
                self.word(&bytes);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.word(b"missing"),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
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
