//! Where things lie on disk: the source tree's folders where there is one, and `.autoclave/` for what grows.

use crate::target::Target;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// The folders of one run.
#[derive(Debug, Clone)]
pub struct Home {
    /// The folder that holds `targets/` and `corpora/`; the current folder where there is no source tree.
    pub root: PathBuf,
}

impl Home {
    /// The nearest folder, from the current one upwards, that holds both `targets/` and `corpora/`.
    pub fn find() -> anyhow::Result<Self> {
        let current = std::env::current_dir().context("the current folder cannot be read")?;
        let root =
            current.ancestors().find(|folder| folder.join("targets").is_dir() && folder.join("corpora").is_dir());
        Ok(Self { root: root.unwrap_or(&current).to_owned() })
    }

    /// What grows and may be deleted: compiled modules, built guests, collected corpora.
    pub fn state(&self) -> PathBuf {
        self.root.join(".autoclave")
    }

    /// Compiled modules.
    pub fn cache(&self) -> PathBuf {
        self.state().join("cache")
    }

    /// Run folders.
    pub fn runs(&self) -> PathBuf {
        self.root.join("reports").join("runs")
    }

    /// Committed inputs of a format.
    pub fn corpora(&self, format: &str) -> PathBuf {
        self.root.join("corpora").join(format)
    }

    /// State of one unit (a target's entry).
    pub fn unit(&self, target: &Target, entry: &str) -> UnitHome {
        let name = match &target.folder {
            Some(_) => file_name(&target.name),
            // Modules of strangers are called `module.wasm` more often than not: their folders tell them apart.
            None => {
                let path = target.module_path.canonicalize().unwrap_or_else(|_| target.module_path.clone());
                format!("{}-{}", file_name(&target.name), short_hash(self.relative(&path).as_bytes()))
            }
        };
        let inside = Path::new(&name).join(file_name(entry));
        UnitHome { folder: self.state().join("state").join(&inside), aside: self.state().join("aside").join(inside) }
    }

    /// `path` relative to the root where it lies below it: reports name no machine's folders.
    pub fn relative(&self, path: &Path) -> String {
        let shown = path.strip_prefix(&self.root).unwrap_or(path);
        shown.to_string_lossy().into_owned()
    }
}

/// The state folder of a unit.
#[derive(Debug, Clone)]
pub struct UnitHome {
    /// The folder.
    pub folder: PathBuf,
    /// Where `--fresh` puts it, below a number.
    aside: PathBuf,
}

impl UnitHome {
    /// Inputs worth keeping, named by hash.
    pub fn corpus(&self) -> PathBuf {
        self.folder.join("corpus")
    }

    /// Inputs that show what coverage does not see (bombs, shapes that cost too much), named by hash: never merged away.
    pub fn pinned(&self) -> PathBuf {
        self.folder.join("pinned")
    }

    /// Raw finds, written the moment they are seen.
    pub fn finds(&self) -> PathBuf {
        self.folder.join("finds")
    }

    /// Confirmed findings: `<id>.json` and `<id>.bin`.
    pub fn findings(&self) -> PathBuf {
        self.folder.join("findings")
    }

    /// Sets everything collected aside (it is not deleted: nothing already found is lost).
    pub fn set_aside(&self) -> anyhow::Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        let failed = || format!("{}: could not be set aside", self.folder.display());
        std::fs::create_dir_all(&self.aside).with_context(failed)?;
        let free = (1..).map(|number: u64| self.aside.join(number.to_string())).find(|aside| !aside.exists());
        std::fs::rename(&self.folder, free.with_context(failed)?).with_context(failed)
    }
}

/// A name that comes from a module or a path, as a file name: plain characters stay, the rest is escaped, and a
/// hash keeps long or altered names apart.
pub fn file_name(name: &str) -> String {
    if name == "*" {
        return "all".to_owned();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let kept: String = name.chars().map(|c| if plain(c) { c } else { '_' }).take(60).collect();
    if kept == name && !name.is_empty() && !name.starts_with('.') && name != "all" {
        return kept;
    }
    format!("{}-{}", kept.trim_start_matches('.'), short_hash(name.as_bytes()))
}

fn short_hash(bytes: &[u8]) -> String {
    crate::corpus::InputId::of(bytes).hex()[..8].to_owned()
}

/// Writes a file whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write;
    let folder = path.parent().context("a file needs a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("{}: could not be made", folder.display()))?;
    let mut builder = tempfile::Builder::new();
    // As any file of the user's: what the umask leaves, not what a secret would get.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file =
        builder.prefix(".tmp-").tempfile_in(folder).with_context(|| format!("{}: not writable", folder.display()))?;
    file.write_all(bytes).with_context(|| format!("{}: could not be written", path.display()))?;
    file.persist(path).with_context(|| format!("{}: could not be written", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn hostile_names_stay_inside_their_folder() {
        assert_eq!(file_name("parse"), "parse");
        assert_eq!(file_name("*"), "all");
        for name in ["", "..", "../x", "/etc", "a/b", "<script>", "\u{1b}[2J", ".hidden", "all"] {
            let file = file_name(name);
            assert!(!file.starts_with('.') && !file.contains('/') && file.len() > 1, "{name:?} → {file:?}");
        }
        assert_ne!(file_name("a/b"), file_name("a_b"));
        assert!(file_name(&"x".repeat(10_000)).len() < 100);
    }
}
