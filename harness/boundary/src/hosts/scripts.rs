//! The runtime in JavaScript that runs inside hosts: the same files for Node, pages and workers.

use std::io;
use std::path::{Path, PathBuf};

/// Files by name; they import each other as neighbours. `node.mjs` is the entry of a Node child.
pub const SCRIPTS: &[(&str, &str)] = &[
    ("discover.mjs", include_str!("discover.mjs")),
    ("hooks.mjs", include_str!("hooks.mjs")),
    ("judge.mjs", include_str!("judge.mjs")),
    ("loading.mjs", include_str!("loading.mjs")),
    ("measure.mjs", include_str!("measure.mjs")),
    ("node.mjs", include_str!("node.mjs")),
    ("runtime.mjs", include_str!("runtime.mjs")),
    ("safe.mjs", include_str!("safe.mjs")),
    ("shim.mjs", include_str!("shim.mjs")),
    ("values.mjs", include_str!("values.mjs")),
    ("wasi.mjs", include_str!("wasi.mjs")),
];

/// Writes them into a folder that is there; the path of `node.mjs`.
///
/// # Errors
/// A file cannot be written.
pub fn write(folder: &Path) -> io::Result<PathBuf> {
    for (name, contents) in SCRIPTS {
        std::fs::write(folder.join(name), contents)?;
    }
    Ok(folder.join("node.mjs"))
}
