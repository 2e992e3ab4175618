//! Files and folders, read with bounds and written whole.

use crate::CorpusError;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// One file, bytes.
pub const FILE_BYTES_MAX: u64 = 512 << 20;
/// Files of one folder, those below it included.
pub const FILES_MAX: usize = 200_000;
/// Folders within folders.
const FOLDERS_MAX: usize = 32;

/// Reads an ordinary file of at most so many bytes. Links are not followed.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, CorpusError> {
    let data = fs::symlink_metadata(path).map_err(CorpusError::io(path))?;
    if !data.is_file() {
        return Err(CorpusError::refused(
            path,
            "no ordinary file; links, devices and folders are not read: give a file",
        ));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(CorpusError::io(path))?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(CorpusError::io(path))?;
    if bytes.len() as u64 > bytes_max {
        return Err(CorpusError::refused(path, format!("more than {bytes_max} bytes; split it, or leave it out")));
    }
    Ok(bytes)
}

/// Every file below a folder, relative with `/`, in order. A link or a device in it is an error.
pub fn walk(folder: &Path) -> Result<Vec<String>, CorpusError> {
    let mut files = Vec::new();
    let mut open = vec![(PathBuf::new(), 0)];
    while let Some((inside, depth)) = open.pop() {
        let at = folder.join(&inside);
        for entry in fs::read_dir(&at).map_err(CorpusError::io(&at))? {
            let entry = entry.map_err(CorpusError::io(&at))?;
            let path = inside.join(entry.file_name());
            let kind = entry.file_type().map_err(CorpusError::io(&entry.path()))?;
            if kind.is_dir() {
                if depth >= FOLDERS_MAX {
                    return Err(CorpusError::refused(
                        &entry.path(),
                        format!("more than {FOLDERS_MAX} folders deep; give a folder of inputs"),
                    ));
                }
                open.push((path, depth + 1));
            } else if kind.is_file() {
                let Some(name) = path.to_str() else {
                    return Err(CorpusError::refused(&entry.path(), "a name that is not UTF-8; rename the file"));
                };
                files.push(name.replace(std::path::MAIN_SEPARATOR, "/"));
            } else {
                return Err(CorpusError::refused(&entry.path(), "a link or a device; put the file itself there"));
            }
            if files.len() > FILES_MAX {
                return Err(CorpusError::refused(
                    folder,
                    format!("more than {FILES_MAX} files; give a folder of inputs"),
                ));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Makes a folder with these files, all or none: it must not be there yet. Modes do not depend on the umask.
pub fn write_folder<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), CorpusError> {
    if fs::symlink_metadata(folder).is_ok() {
        return Err(CorpusError::refused(folder, "is there already, and nothing is overwritten; name another folder"));
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(CorpusError::io(parent))?;
    let unfinished =
        tempfile::Builder::new().prefix(".unfinished-").tempdir_in(parent).map_err(CorpusError::io(parent))?;
    set_mode(unfinished.path(), 0o755)?;
    for (name, bytes) in files {
        let path = unfinished.path().join(name);
        let mut inside = PathBuf::new();
        for part in Path::new(name).parent().into_iter().flat_map(Path::components) {
            inside.push(part);
            let inner = unfinished.path().join(&inside);
            if !inner.is_dir() {
                fs::create_dir(&inner).map_err(CorpusError::io(&inner))?;
                set_mode(&inner, 0o755)?;
            }
        }
        fs::write(&path, bytes).map_err(CorpusError::io(&path))?;
        set_mode(&path, 0o644)?;
    }
    let made = unfinished.keep();
    fs::rename(&made, folder).map_err(|source| {
        // Ours, and unfinished.
        let _ = fs::remove_dir_all(&made);
        CorpusError::Io { path: folder.to_owned(), source }
    })
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> Result<(), CorpusError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(CorpusError::io(path))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> Result<(), CorpusError> {
    Ok(())
}
