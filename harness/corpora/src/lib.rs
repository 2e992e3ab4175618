//! Corpora as they leave the house and come into it: packs with provenance that are the same bytes whenever they are
//! built, the gate for patient data that every pack goes through, and archives of strangers, which are not trusted.
//!
//! An input is called by the hash of its bytes everywhere: names come from outside and are never used as paths. Nothing
//! here runs a module or reads a clock.

pub mod archive;
pub mod attest;
pub mod diff;
pub mod digest;
pub mod disk;
pub mod import;
pub mod load;
pub mod manifest;
pub mod oci;
pub mod pack;
pub mod phi;
pub mod source;
pub mod stats;
pub mod tarball;
pub mod verify;
pub mod zip;

use std::path::{Path, PathBuf};

/// Why something was not done. Every message names the file, and the remedy where there is one.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The file system says no.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it says.
        source: std::io::Error,
    },
    /// Something is not as it has to be.
    #[error("{path}: {what}")]
    Refused {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
}

impl CorpusError {
    /// For `map_err`.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> CorpusError {
        |source| CorpusError::Io { path: path.to_owned(), source }
    }

    /// What is wrong with a file, and what to do.
    pub fn refused(path: &Path, what: impl Into<String>) -> CorpusError {
        CorpusError::Refused { path: path.to_owned(), what: what.into() }
    }
}
