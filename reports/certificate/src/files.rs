//! Files of certificates and keys: read with bounds, written whole.

use crate::keys::{KeyError, PrivateKey, PublicKey};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Largest module that is read, bytes.
pub const MODULE_BYTES_MAX: u64 = 512 << 20;
/// Largest policy that is read, bytes.
pub const POLICY_BYTES_MAX: u64 = 1 << 20;
/// Largest key that is read, bytes.
pub const KEY_BYTES_MAX: u64 = 16 << 10;

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system says no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("{0}: no ordinary file; give one")]
    NotAFile(PathBuf),
    /// Larger than what is read.
    #[error("{path}: more than {bytes_max} bytes, which is no {what}; give the right file")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// How many bytes are read.
        bytes_max: u64,
    },
    /// Not a key.
    #[error("{path}: {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: KeyError,
    },
    /// A private key that others can read.
    #[error(
        "{path}: others may read this private key (mode {mode:03o}); make a new one if they did, and `chmod 600` it"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode's last nine bits.
        mode: u32,
    },
    /// Something is there, or a link is.
    #[error("{0}: is there already, and a key is never overwritten; name another file, or move it away yourself")]
    Exists(PathBuf),
}

/// Reads an ordinary file of at most so many bytes; `what` it should be is for the error.
pub fn read(path: &Path, bytes_max: u64, what: &'static str) -> Result<Vec<u8>, FileError> {
    let io = |source| FileError::Io { path: path.to_owned(), source };
    // Before it is opened: opening a pipe waits for who writes.
    if !fs::metadata(path).map_err(io)?.is_file() {
        return Err(FileError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > bytes_max {
        return Err(FileError::TooLarge { path: path.to_owned(), what, bytes_max });
    }
    Ok(bytes)
}

/// Reads a public key.
pub fn read_public_key(path: &Path) -> Result<PublicKey, FileError> {
    let bytes = read(path, KEY_BYTES_MAX, "public key")?;
    let key = std::str::from_utf8(&bytes).map_err(|_| KeyError::Public).and_then(PublicKey::from_pem);
    key.map_err(|source| FileError::Key { path: path.to_owned(), source })
}

/// Reads a private key that nobody else may read.
pub fn read_private_key(path: &Path) -> Result<PrivateKey, FileError> {
    let bytes = Zeroizing::new(read(path, KEY_BYTES_MAX, "private key")?);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = fs::metadata(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(FileError::Exposed { path: path.to_owned(), mode });
        }
    }
    let key = std::str::from_utf8(&bytes).map_err(|_| KeyError::Private).and_then(PrivateKey::from_pem);
    key.map_err(|source| FileError::Key { path: path.to_owned(), source })
}

/// Writes a key pair: both files or none. Neither is ever overwritten, nor written through a link; the private one is
/// its owner's alone (mode 600) from the first moment.
pub fn write_keys(key: &PrivateKey, private: &Path, public: &Path) -> Result<(), FileError> {
    let secret = prepared(private, key.to_pem().as_bytes(), 0o600)?;
    let shared = prepared(public, key.public().to_pem().as_bytes(), 0o644)?;
    persist(secret, private)?;
    persist(shared, public).inspect_err(|_| {
        // A moment old, and ours: half a pair would only be in the way.
        let _ = fs::remove_file(private);
    })
}

/// The content beside its place, complete and on disk.
fn prepared(path: &Path, content: &[u8], mode: u32) -> Result<tempfile::NamedTempFile, FileError> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(FileError::Exists(path.to_owned()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(mode));
        }
        #[cfg(not(unix))]
        let _ = mode;
        let mut file = builder.prefix(".key-").tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|source| FileError::Io { path: path.to_owned(), source })
}

fn persist(file: tempfile::NamedTempFile, path: &Path) -> Result<(), FileError> {
    // Fails where something has appeared meanwhile, a link included.
    file.persist_noclobber(path).map(drop).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists(path.to_owned()),
        _ => FileError::Io { path: path.to_owned(), source: error.error },
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::keys::Algorithm;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn keys_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let key = PrivateKey::from_seed(Algorithm::P256, &[7; 32]).unwrap();
        write_keys(&key, &at("a.key"), &at("a.pub")).unwrap();
        assert_eq!((mode(&at("a.key")), mode(&at("a.pub"))), (0o600, 0o644));
        assert_eq!(read_private_key(&at("a.key")).unwrap().public(), read_public_key(&at("a.pub")).unwrap());

        let before = fs::read(at("a.key")).unwrap();
        let other = PrivateKey::from_seed(Algorithm::P256, &[8; 32]).unwrap();
        fs::write(at("elsewhere"), "x").unwrap();
        symlink(at("elsewhere"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        let taken = ["a.key", "link", "dangling", "folder"];
        for (private, public) in taken.iter().map(|name| (*name, "b.pub")).chain(taken.map(|name| ("b.key", name))) {
            let error = write_keys(&other, &at(private), &at(public)).unwrap_err();
            assert!(matches!(error, FileError::Exists(_)), "{private} {public}: {error}");
        }
        assert_eq!(fs::read(at("a.key")).unwrap(), before);
        assert_eq!(fs::read(at("elsewhere")).unwrap(), b"x");
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.key", "a.pub", "dangling", "elsewhere", "folder", "link"], "nothing half is left");
        assert!(matches!(write_keys(&other, &at("no/b.key"), &at("b.pub")), Err(FileError::Io { .. })));
    }

    #[test]
    fn what_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let key = PrivateKey::from_seed(Algorithm::Ed25519, &[7; 32]).unwrap();
        write_keys(&key, &at("key"), &at("pub")).unwrap();
        for exposed in [0o640, 0o604, 0o666] {
            fs::set_permissions(at("key"), fs::Permissions::from_mode(exposed)).unwrap();
            assert!(matches!(read_private_key(&at("key")), Err(FileError::Exposed { mode, .. }) if mode == exposed));
        }
        fs::write(at("large"), vec![b'x'; KEY_BYTES_MAX as usize + 1]).unwrap();
        assert!(matches!(read_public_key(&at("large")), Err(FileError::TooLarge { .. })));
        assert!(matches!(read_public_key(folder.path()), Err(FileError::NotAFile(_))));
        assert!(matches!(read_public_key(&at("none")), Err(FileError::Io { .. })));
        assert!(matches!(read_public_key(&at("key")), Err(FileError::Key { .. })));
        assert!(read(&at("large"), KEY_BYTES_MAX + 1, "file").is_ok());
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        assert!(matches!(read(&at("pipe"), 1, "file"), Err(FileError::NotAFile(_))));
    }
}
