//! Machine code on disk, by content hash. A file that is not exactly what was written is compiled anew, never trusted.

use super::raw;
use crate::HarnessError;
use crate::corpus::hex;
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// First bytes of every cache file; the number changes with the layout.
const MAGIC: &[u8; 16] = b"autoclave code 1";
/// Longest machine code of one module, bytes: sixteen times the longest module.
const CODE_BYTES_MAX: u64 = 1 << 30;

/// Makes the directory, for this user alone, and refuses one that others can write.
pub fn prepare(dir: &Path) -> Result<PathBuf, HarnessError> {
    let io = |error| HarnessError::io(dir, error);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    let metadata = std::fs::metadata(dir).map_err(io)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(HarnessError::Engine(format!(
            "{}: machine code is loaded from here, so it must belong to you and nobody else may write it: \
             chmod go-w, or name another cache directory",
            dir.display()
        )));
    }
    dir.canonicalize().map_err(io)
}

/// The module from the cache, else compiled and put there.
pub fn load_or_compile(
    dir: Option<&Path>,
    engine: &wasmtime::Engine,
    name: &str,
    wasm: &[u8],
    wasm_hash: &[u8; 32],
) -> Result<wasmtime::Module, HarnessError> {
    let key = key(engine, wasm_hash);
    let path = dir.map(|dir| dir.join(format!("{}.cwasm", hex(&key))));
    let load = || {
        let code = read(path.as_deref()?, &key)?;
        raw::deserialize(engine, &code).ok()
    };
    if let Some(module) = load() {
        return Ok(module);
    }
    // Jobs begin together: the first one compiles, the others take what it made.
    let turn = path.as_deref().and_then(Turn::take);
    if turn.as_ref().is_some_and(|turn| turn.waited)
        && let Some(module) = load()
    {
        return Ok(module);
    }
    let module = wasmtime::Module::new(engine, wasm)
        .map_err(|error| HarnessError::module(name, format_args!("wasmtime does not take this module: {error:#}")))?;
    if let Some(path) = path {
        let code = module.serialize().map_err(|error| HarnessError::Engine(format!("{name}: {error:#}")))?;
        // A full disk or a read-only cache costs time, not the run.
        let _ = write(&path, &key, &code);
    }
    Ok(module)
}

/// The right to compile one module. Nothing but time depends on it: a killed holder gives it back, and where locks do not
/// work everybody compiles.
struct Turn {
    file: std::fs::File,
    path: PathBuf,
    waited: bool,
}

impl Turn {
    fn take(code: &Path) -> Option<Self> {
        let path = code.with_extension("turn");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(libc_nofollow())
            .open(&path)
            .ok()?;
        let waited = file.try_lock().is_err();
        if waited {
            file.lock().ok()?;
        }
        Some(Self { file, path, waited })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

/// Module, engine version and configuration in one hash.
fn key(engine: &wasmtime::Engine, wasm_hash: &[u8; 32]) -> [u8; 32] {
    struct Feed(Sha256);
    impl Hasher for Feed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut feed = Feed(Sha256::new());
    feed.write(MAGIC);
    feed.write(wasm_hash);
    engine.precompile_compatibility_hash().hash(&mut feed);
    feed.0.finalize().into()
}

/// The code in a cache file, if the file is whole and was written under this key.
fn read(path: &Path, key: &[u8; 32]) -> Option<Vec<u8>> {
    let mut file = std::fs::OpenOptions::new().read(true).custom_flags(libc_nofollow()).open(path).ok()?;
    let mut header = [0; MAGIC.len() + 32 + 32];
    file.read_exact(&mut header).ok()?;
    let (magic, rest) = header.split_at(MAGIC.len());
    let (stored_key, checksum) = rest.split_at(32);
    if magic != MAGIC || stored_key != key {
        return None;
    }
    let mut code = Vec::new();
    file.take(CODE_BYTES_MAX).read_to_end(&mut code).ok()?;
    (Sha256::digest(&code).as_slice() == checksum).then_some(code)
}

fn libc_nofollow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits() as i32
}

/// Writes the file whole or not at all: another process may read it at any moment.
fn write(path: &Path, key: &[u8; 32], code: &[u8]) -> std::io::Result<()> {
    let dir = path.parent().expect("cache files lie in the cache directory");
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(MAGIC)?;
    file.write_all(key)?;
    file.write_all(&Sha256::digest(code))?;
    file.write_all(code)?;
    file.persist(path)?;
    Ok(())
}
