//! What failed around us. What a target did is data ([`crate::execution::Execution`]); a bug of ours is a panic.

use std::path::{Path, PathBuf};

/// A failure of the world around the harness; every variant names the thing and, in its text, the remedy.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A manifest, dictionary or other file of ours does not say what it should.
    #[error("{}: {message}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The module is malformed, too large, or uses a feature that cannot be instrumented; the text names it.
    #[error("{target}: {message}")]
    Module {
        /// The target's name or the module's path.
        target: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A program or toolchain that a step needs is not installed.
    #[error("{what} is missing: {remedy}")]
    Missing {
        /// The tool.
        what: String,
        /// The command that installs it.
        remedy: String,
    },
    /// The engine refused or failed in a way that is neither the target's nor the user's doing.
    #[error("{0}")]
    Engine(String),
}

impl HarnessError {
    /// Wraps an I/O error with the path it happened on.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// A [`HarnessError::Module`] from anything that prints.
    pub fn module(target: &str, message: impl std::fmt::Display) -> Self {
        Self::Module { target: target.to_owned(), message: message.to_string() }
    }
}
