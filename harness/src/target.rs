//! What is under test: one folder in `targets/`, or one `.wasm`/`.wat` file.

use crate::limits::Limits;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `target.toml`. Unknown keys are errors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manifest {
    /// One sentence for `list` and the report.
    pub about: String,
    /// Folder in `corpora/`: seeds, dictionary and the decoded view of inputs.
    pub format: Option<String>,
    /// Overrides what is detected from the exports.
    pub abi: Option<Abi>,
    /// Exports to fuzz; empty: all that fit the ABI.
    pub entries: Vec<String>,
    /// Which result of an entry means that the input was rejected.
    pub rejects: Option<Rejects>,
    /// How the entry gives bytes back.
    pub output: Option<OutputKind>,
    /// More dictionary tokens, in the escapes of AFL dictionaries.
    pub dictionary: Vec<String>,
    /// How the module is built.
    pub build: Build,
    /// Overrides of [`Limits`], by field name.
    pub limits: toml::Table,
    /// Canaries only: outcome name that each entry must be found to show; `returned` for a repaired twin.
    pub expect: BTreeMap<String, String>,
    /// Canaries only: the oracle that this target qualifies.
    pub oracle: Option<String>,
    /// Canaries only: folder name of the repaired twin (on the canary) — every oracle must pass it.
    pub twin: Option<String>,
}

/// How bytes get in and out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Abi {
    /// `alloc(len) -> ptr`, optional `free(ptr[, len])`, `entry(ptr, len) -> () | i32 | i64`.
    Bytes,
    /// `LLVMFuzzerTestOneInput(ptr, len) -> i32` and `malloc`, optional `_initialize`, `LLVMFuzzerInitialize`.
    Libfuzzer,
    /// Raw exports of wasm-bindgen: `__wbindgen_malloc`, `__wbindgen_free`, strings and byte slices in and out.
    WasmBindgen,
    /// A WASI preview 1 command (`_start`, input on standard input) or reactor.
    Wasi,
    /// Exports with numbers only: the input encodes a sequence of calls.
    Numeric,
    /// A WASI 0.2 component whose exports take `list<u8>` or `string`.
    Component,
}

/// Which result means "rejected".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejects {
    /// No result does.
    Never,
    /// A result below zero.
    Negative,
    /// Any result but zero.
    Nonzero,
    /// Zero.
    Zero,
}

/// How an entry gives bytes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputKind {
    /// It does not.
    None,
    /// An i64: pointer in the high half, length in the low half; freed after reading.
    Packed,
}

/// How the module is built; `xtask build` reads the same table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Build {
    /// Toolchain.
    pub kind: BuildKind,
    /// `prebuilt`, `wat`: file name in the target's folder.
    pub file: Option<String>,
    /// `cargo`, `wasm-bindgen`: cargo features.
    pub features: Vec<String>,
    /// `clang`: source files; a leading `crate:NAME/` means the source tree of that crates.io package (fetched by cargo).
    pub sources: Vec<String>,
    /// `clang`: more flags.
    pub flags: Vec<String>,
    /// `clang`: crates.io package whose sources are used, `name@version`.
    pub package: Option<String>,
    /// `clang`, `cargo`: another target's folder whose source is built (with this target's flags and features).
    pub from: Option<String>,
}

/// Toolchains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildKind {
    /// `module.wasm` (or `file`) is there already.
    #[default]
    Prebuilt,
    /// Text format, parsed by us.
    Wat,
    /// Rust, `wasm32-unknown-unknown`.
    Cargo,
    /// Rust, then wasm-bindgen.
    WasmBindgen,
    /// C, `wasm32-wasi`.
    Clang,
    /// AssemblyScript.
    Assemblyscript,
}

/// One program under test, resolved: its bytes are at hand and its ABI is known.
#[derive(Debug, Clone)]
pub struct Target {
    /// Folder name, or file stem of a module given by path.
    pub name: String,
    /// The module's file (built or prebuilt).
    pub module_path: PathBuf,
    /// Folder with `target.toml`, if any.
    pub folder: Option<PathBuf>,
    /// The module as it will be deployed.
    pub wasm: Vec<u8>,
    /// Lower-case hex sha-256 of [`Target::wasm`].
    pub sha256: String,
    /// `target.toml`, or its defaults.
    pub manifest: Manifest,
    /// How bytes get in and out.
    pub abi: Abi,
    /// Exports to fuzz. `Numeric` has one entry that stands for all: `*`.
    pub entries: Vec<String>,
    /// Limits after profile and manifest.
    pub limits: Limits,
}
