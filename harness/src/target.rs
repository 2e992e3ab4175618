//! What is under test: one folder in `targets/`, or one `.wasm`/`.wat` file.

mod calls;
mod detect;
mod manifest;
mod reading;
mod script;

pub use calls::{Calls, Number};
pub use detect::{ALLOC_NAMES, Component, ComponentFunction, Core, FREE_NAMES, Function, Param, Reach, Returns, Shape};
pub use manifest::manifest_for;
pub use reading::Reading;
pub use script::{Argument, BUFFER_BYTES_MAX, Call, Field, Piece, Script, Secrecy, zero_extended};

use crate::corpus::hex;
use crate::error::HarnessError;
use crate::limits::{Limits, Overrides, Profile, ResolvedLimit};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// What an entry's strings must be; see [`InputKind`].
    pub input: Option<InputKind>,
    /// Which result of an entry means that the input was rejected.
    pub rejects: Option<Rejects>,
    /// How the entry gives bytes back.
    pub output: Option<OutputKind>,
    /// More dictionary tokens, in the escapes of AFL dictionaries.
    pub dictionary: Vec<String>,
    /// How the module is built.
    pub build: Build,
    /// Where the module will run; its limits are taken unless overridden below.
    pub profile: Option<Profile>,
    /// Overrides of [`Limits`], by field name.
    pub limits: toml::Table,
    /// Overrides of [`crate::limits::Terms`], by field name.
    pub contract: toml::Table,
    /// What each entry reads: `gzip`, or `gzip/fhir-json` where what is inside is read as well. See [`Reading`].
    pub reads: BTreeMap<String, Vec<String>>,
    /// Entries with several arguments: name = script of calls, see [`Script`].
    pub calls: BTreeMap<String, String>,
    /// How leaks of its secrets are judged.
    #[serde(rename = "constant-time")]
    pub constant_time: Secrets,
    /// What the module is there for.
    pub role: Role,
    /// Canaries only: outcome name that each entry must be found to show; `returned` for a repaired twin.
    pub expect: BTreeMap<String, String>,
    /// Canaries only: the oracle that this target qualifies.
    pub oracle: Option<String>,
    /// Canaries only: folder name of the repaired twin (on the canary) — every oracle must pass it.
    pub twin: Option<String>,
}

/// `[constant-time]`: how leaks of a target's secrets are judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// Which executions are compared; the command line's word where nothing is said.
    pub policy: Option<Policy>,
    /// Leaks that somebody looked at and accepts.
    pub allow: Vec<Allowed>,
}

/// Which executions are compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// All that have the same public input.
    Strict,
    /// Of those, the ones that declassify the same outcome.
    #[default]
    Relaxed,
}

impl Policy {
    /// The stable name, as in `--policy NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Strict => "strict",
            Policy::Relaxed => "relaxed",
        }
    }
}

/// A leak that somebody looked at and accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// The entry; all where nothing is said.
    #[serde(default)]
    pub entry: Option<String>,
    /// Name of a function in whose frames it lies: all of it, or its end behind `::`.
    pub function: String,
    /// Class (`load`) or operation (`i32.load8_u`); `*` for any.
    pub op: String,
    /// Why it is accepted.
    pub reason: String,
}

/// What a module is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It is under test.
    #[default]
    Candidate,
    /// It holds readers that others are compared with.
    Peers,
    /// It is a package for JavaScript, whose module has no entry of its own: only the boundary concerns it.
    Package,
}

impl Manifest {
    /// With those entries instead, by script; as it is where there are none.
    fn calling(mut self, calls: &BTreeMap<String, String>) -> Self {
        if !calls.is_empty() {
            (self.calls, self.abi) = (calls.clone(), Some(Abi::Script));
            self.entries.clear();
        }
        self
    }

    /// Whether commands without a name mean it too: it is neither a canary nor there for others.
    pub fn is_candidate(&self) -> bool {
        self.expect.is_empty() && self.oracle.is_none() && self.role == Role::Candidate
    }
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
    /// Every entry is called as its script in `[calls]` says.
    Script,
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

/// What may be handed to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// Any bytes.
    Bytes,
    /// UTF-8; bytes that are not are replaced first, as a host's text encoder would. Rust's `&str` must not see others.
    Utf8,
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
    /// `prebuilt`, `wat`: file name in the target's folder; `npm`: the module in the package.
    pub file: Option<String>,
    /// `cargo`, `wasm-bindgen`: cargo features.
    pub features: Vec<String>,
    /// `clang`: source files in the target's folder; a leading `{package}/` means the source tree of `package`.
    pub sources: Vec<String>,
    /// `clang`: more compiler flags; `{package}` and `{folder}` stand for the source tree and the target's folder.
    pub flags: Vec<String>,
    /// `clang`: crates.io package whose sources are used, `name@version`, a dependency of `targets/c-sources`; `npm`: the
    /// package.
    pub package: Option<String>,
    /// `clang`, `cargo`: another target's folder whose source is built (with this target's flags and features).
    pub from: Option<String>,
    /// Environments that glue is made for, below `pkg`: `nodejs`, `web`, `bundler` by `wasm-bindgen`, `esm` by
    /// `assemblyscript`.
    pub glue: Vec<String>,
    /// `wasm-bindgen`: more flags for the `wasm-bindgen` command.
    pub glue_flags: Vec<String>,
    /// `npm`: hash of the package, as package-lock.json has it: `sha512-…`.
    pub integrity: Option<String>,
    /// It is built only for who names it.
    pub on_demand: bool,
}

/// Toolchains. A missing `kind` means [`BuildKind::Prebuilt`].
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
    /// Rust with wasm-bindgen; the module as cargo leaves it, before the glue is made.
    WasmBindgen,
    /// Rust with wit-bindgen, then wrapped into a WASI 0.2 component.
    Component,
    /// C, `wasm32-wasi`.
    Clang,
    /// AssemblyScript.
    Assemblyscript,
    /// A package from npm, with the module that is in it.
    Npm,
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
    /// What can be seen of it from outside.
    pub shape: Arc<Shape>,
    /// How bytes get in and out.
    pub abi: Abi,
    /// Exports to fuzz. `Numeric` has one entry that stands for all: `*`.
    pub entries: Vec<String>,
    /// Entries that are called by a script, whatever the ABI says.
    pub scripts: Arc<BTreeMap<String, Arc<Script>>>,
    /// Limits after profile, manifest and flags.
    pub limits: Limits,
    /// The same with what decided each, for the report.
    pub limit_origins: Vec<ResolvedLimit>,
}

/// A folder with a `target.toml`; a broken one does not hide the others.
#[derive(Debug)]
pub struct Found {
    /// Folder name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// Its manifest, or why it cannot be read.
    pub manifest: Result<Manifest, HarnessError>,
}

/// Entry of the ABI [`Abi::Numeric`] that stands for all exports.
pub const EVERY_EXPORT: &str = "*";
/// File that makes a folder a target.
pub const MANIFEST_FILE: &str = "target.toml";
/// Folder of the targets, below the root.
pub const TARGETS_FOLDER: &str = "targets";
/// Folder of the built modules, below the root: `<name>/module.wasm`.
pub const BUILD_FOLDER: &str = ".autoclave/build";
/// Longest manifest read, bytes: hundreds of times what one needs.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// Longest target name, bytes: it becomes part of file names.
const NAME_BYTES_MAX: usize = 64;

impl Target {
    /// All targets of the tree at `root`, sorted by name. A tree without a `targets` folder has none.
    pub fn discover(root: &Path) -> Result<Vec<Found>, HarnessError> {
        let folder = root.join(TARGETS_FOLDER);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(HarnessError::io(&folder, error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| HarnessError::io(&folder, error))?.path();
            let file = path.join(MANIFEST_FILE);
            if file.is_file() {
                let manifest = Manifest::read(&file).and_then(|manifest| match checked_name(&path) {
                    Some(_) => Ok(manifest),
                    None => Err(HarnessError::Manifest {
                        path: path.clone(),
                        message: format!(
                            "a target's folder name is at most {NAME_BYTES_MAX} letters, digits, '-', '_' or '.'; rename it"
                        ),
                    }),
                });
                found.push(Found { name: safe_name(&path), folder: path, manifest });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.folder.cmp(&b.folder)));
        Ok(found)
    }

    /// Loads a target by name (a folder of `root/targets`), by folder, or by module file (`.wasm` or `.wat`).
    /// A target that has not been built yet is [`HarnessError::Missing`].
    pub fn load(root: &Path, which: &str, overrides: &Overrides) -> Result<Target, HarnessError> {
        Self::load_with(root, which, overrides, &BTreeMap::new())
    }

    /// The same with more entries, by script, as if `[calls]` named them and no others.
    pub fn load_with(
        root: &Path,
        which: &str,
        overrides: &Overrides,
        calls: &BTreeMap<String, String>,
    ) -> Result<Target, HarnessError> {
        let path = Path::new(which);
        let named = root.join(TARGETS_FOLDER).join(which);
        if checked_name(path).is_some_and(|name| name == which) && named.join(MANIFEST_FILE).is_file() {
            Self::load_folder_with(root, &named, overrides, calls)
        } else if path.join(MANIFEST_FILE).is_file() {
            Self::load_folder_with(root, path, overrides, calls)
        } else if path.is_file() {
            let name = safe_name(&path.with_extension(""));
            Self::resolve(name, path.to_owned(), None, Manifest::default().calling(calls), overrides)
        } else {
            Err(no_such_target(root, which))
        }
    }

    /// Loads the target of a folder with a `target.toml`.
    pub fn load_folder(root: &Path, folder: &Path, overrides: &Overrides) -> Result<Target, HarnessError> {
        Self::load_folder_with(root, folder, overrides, &BTreeMap::new())
    }

    fn load_folder_with(
        root: &Path,
        folder: &Path,
        overrides: &Overrides,
        calls: &BTreeMap<String, String>,
    ) -> Result<Target, HarnessError> {
        let file = folder.join(MANIFEST_FILE);
        let manifest = Manifest::read(&file)?.calling(calls);
        // A path such as `.` or `..` has no last component before it is resolved.
        let whole = folder.canonicalize().map_err(|error| HarnessError::io(folder, error))?;
        let name = safe_name(&whole);
        let module_path = manifest.module_path(root, folder, &name)?;
        if !module_path.is_file() {
            let remedy = match manifest.build.kind {
                BuildKind::Prebuilt | BuildKind::Wat => {
                    format!("put it at {} or set build.kind in {}", module_path.display(), file.display())
                }
                _ => format!("cargo xtask build {name}"),
            };
            return Err(HarnessError::Missing { what: format!("the module of target {name}"), remedy });
        }
        Self::resolve(name, module_path, Some(folder.to_owned()), manifest, overrides)
    }

    /// Loads a module file that has no manifest.
    pub fn load_file(path: &Path, overrides: &Overrides) -> Result<Target, HarnessError> {
        Self::resolve(safe_name(&path.with_extension("")), path.to_owned(), None, Manifest::default(), overrides)
    }

    /// A target from bytes at hand (`.wasm` or `.wat`), as if read from `NAME.wasm` with that manifest.
    pub fn from_bytes(
        name: &str,
        bytes: &[u8],
        manifest: Manifest,
        overrides: &Overrides,
    ) -> Result<Target, HarnessError> {
        let name = safe_name(Path::new(name));
        let path = PathBuf::from(format!("{name}.wasm"));
        let (limits, limit_origins) = Limits::resolve(manifest.profile, &manifest.limits, overrides, &path)?;
        Self::assemble(name, path, None, manifest, limits, limit_origins, bytes.to_vec())
    }

    /// Which result means "rejected": the manifest's word, or what is usual for the ABI.
    pub fn rejects(&self) -> Rejects {
        self.manifest.rejects.unwrap_or(match self.abi {
            Abi::Bytes | Abi::Libfuzzer => Rejects::Negative,
            Abi::Wasi => Rejects::Nonzero,
            Abi::WasmBindgen | Abi::Numeric | Abi::Component | Abi::Script => Rejects::Never,
        })
    }

    /// How the entry gives bytes back: the manifest's word, or what is usual for the ABI.
    pub fn output(&self) -> OutputKind {
        self.manifest.output.unwrap_or(match self.abi {
            Abi::Bytes => OutputKind::Packed,
            _ => OutputKind::None,
        })
    }

    /// Functions that an input of the ABI [`Abi::Numeric`] calls through `entry`, in the order that it counts them in.
    pub fn called(&self, entry: &str) -> Vec<Function> {
        match &*self.shape {
            Shape::Core(core) if entry == EVERY_EXPORT => core.numeric().into_iter().cloned().collect(),
            Shape::Core(core) => core.function(entry).into_iter().cloned().collect(),
            Shape::Component(_) => Vec::new(),
        }
    }

    fn resolve(
        name: String,
        module_path: PathBuf,
        folder: Option<PathBuf>,
        manifest: Manifest,
        overrides: &Overrides,
    ) -> Result<Target, HarnessError> {
        let said_in = folder.as_ref().map_or(module_path.clone(), |folder| folder.join(MANIFEST_FILE));
        let (limits, limit_origins) = Limits::resolve(manifest.profile, &manifest.limits, overrides, &said_in)?;
        let bytes = read_bounded(&module_path, limits.module_bytes_max)?.ok_or_else(|| HarnessError::Module {
            target: module_path.display().to_string(),
            message: format!(
                "larger than {} bytes; raise the limit with --limit module_bytes_max=… if that is right",
                limits.module_bytes_max
            ),
        })?;
        Self::assemble(name, module_path, folder, manifest, limits, limit_origins, bytes)
    }

    fn assemble(
        name: String,
        module_path: PathBuf,
        folder: Option<PathBuf>,
        manifest: Manifest,
        limits: Limits,
        limit_origins: Vec<ResolvedLimit>,
        bytes: Vec<u8>,
    ) -> Result<Target, HarnessError> {
        let label = module_path.display().to_string();
        let wasm = to_binary(&label, bytes)?;
        let shape = Shape::read(&label, &wasm)?;
        let scripts = scripts(&label, &shape, &manifest)?;
        let (abi, entries) = choose(&label, &shape, &manifest)?;
        let sha256 = hex(&Sha256::digest(&wasm));
        let shape = Arc::new(shape);
        let scripts = Arc::new(scripts);
        let target = Target {
            name,
            module_path,
            folder,
            wasm,
            sha256,
            manifest,
            shape,
            abi,
            entries,
            scripts,
            limits,
            limit_origins,
        };
        Ok(target)
    }
}

/// The nearest folder upwards from `start` that holds a `targets` folder; `start` itself if there is none.
pub fn find_root(start: &Path) -> PathBuf {
    let holds_targets = |folder: &&Path| folder.join(TARGETS_FOLDER).is_dir();
    start.ancestors().find(holds_targets).unwrap_or(start).to_owned()
}

/// The scripts of `[calls]`, held against the exports.
fn scripts(label: &str, shape: &Shape, manifest: &Manifest) -> Result<BTreeMap<String, Arc<Script>>, HarnessError> {
    let script = |(entry, text): (&String, &String)| {
        let fail = |message: String| HarnessError::module(label, format!("calls of {entry:?}: {message}"));
        let Shape::Core(core) = shape else {
            return Err(fail("a component is not called by a script: give the core module inside it".to_owned()));
        };
        Ok((entry.clone(), Arc::new(Script::parse(entry, text, core).map_err(fail)?)))
    };
    manifest.calls.iter().map(script).collect()
}

/// ABI and entries: what the manifest says, checked against the exports, or what they fit best.
fn choose(label: &str, shape: &Shape, manifest: &Manifest) -> Result<(Abi, Vec<String>), HarnessError> {
    let scripted: Vec<String> = manifest.calls.keys().cloned().collect();
    let by_script = |entry: &String| manifest.calls.contains_key(entry);
    if !scripted.is_empty()
        && manifest.abi.is_none_or(|abi| abi == Abi::Script)
        && manifest.entries.iter().all(by_script)
    {
        let entries = if manifest.entries.is_empty() { scripted } else { manifest.entries.clone() };
        return Ok((Abi::Script, entries));
    }
    let (abi, fitting) = match manifest.abi {
        Some(abi) => (abi, shape.entries(abi)),
        None => match shape.fits().into_iter().next() {
            Some(fit) => fit,
            None => {
                return Err(HarnessError::module(
                    label,
                    format!(
                        "no export takes bytes or numbers in a way that is known; exported functions: {}. See `abi` in the documentation of target.toml",
                        printable_list(&shape.function_names())
                    ),
                ));
            }
        },
    };
    if fitting.is_empty() {
        return Err(HarnessError::module(
            label,
            format!(
                "abi = {:?}, but no export fits it; it needs {}. Exported functions: {}",
                abi.name(),
                abi.needs(),
                printable_list(&shape.function_names())
            ),
        ));
    }
    if manifest.entries.is_empty() {
        return Ok((abi, fitting));
    }
    for entry in &manifest.entries {
        let numeric_export = abi == Abi::Numeric && shape.function_names().contains(&entry.as_str());
        if !fitting.contains(entry) && !numeric_export && !by_script(entry) {
            let hint = nearest(entry, fitting.iter().map(String::as_str))
                .map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            let fitting: Vec<&str> = fitting.iter().map(String::as_str).collect();
            return Err(HarnessError::module(
                label,
                format!(
                    "entry {entry:?} is not an export that fits the ABI {}{hint} These fit: {}",
                    abi.name(),
                    printable_list(&fitting)
                ),
            ));
        }
    }
    Ok((abi, manifest.entries.clone()))
}

fn no_such_target(root: &Path, which: &str) -> HarnessError {
    let names: Vec<String> = Target::discover(root).unwrap_or_default().into_iter().map(|found| found.name).collect();
    let near = nearest(which, names.iter().map(String::as_str));
    HarnessError::Missing {
        what: format!("target {which:?}"),
        remedy: match near {
            Some(near) => format!("did you mean {near:?}? `cargo xtask list` shows all targets"),
            None => {
                "give a folder of targets/, or the path of a .wasm or .wat file; `cargo xtask list` shows all targets"
                    .to_owned()
            }
        },
    }
}

/// Text format to binary; binary as it is.
fn to_binary(label: &str, bytes: Vec<u8>) -> Result<Vec<u8>, HarnessError> {
    if bytes.starts_with(b"\0asm") {
        return Ok(bytes);
    }
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.trim_start().starts_with(['(', ';']));
    let Some(text) = text else {
        return Err(HarnessError::module(
            label,
            "neither WebAssembly (it does not start with \\0asm) nor its text format; decompress it first if it is an archive",
        ));
    };
    wat::parse_str(text).map_err(|error| HarnessError::module(label, excerpt(&format!("text format: {error}"))))
}

/// The whole file, or nothing if it is longer than `bytes_max`.
fn read_bounded(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, HarnessError> {
    let fail = |error| HarnessError::io(path, error);
    // A pipe would be waited for.
    if !path.metadata().map_err(fail)?.is_file() {
        return Err(fail(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let file = File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| HarnessError::io(path, error))?;
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}

/// The last component of a path, if it is fit to stand in file names as it is.
fn checked_name(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (name.len() <= NAME_BYTES_MAX && name.chars().all(plain) && !name.starts_with('.')).then_some(name)
}

/// The last component of a path, with everything replaced that could harm a file name or a terminal.
fn safe_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = name.chars().map(plain).take(NAME_BYTES_MAX).collect();
    match name.trim_start_matches('.') {
        "" => "module".to_owned(),
        name => name.to_owned(),
    }
}

/// Text that may quote a stranger's file: without control characters, and cut to what an error message can carry.
fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 1_000;
    let mut shown = String::new();
    for c in text.trim_end().chars().take(CHARS_MAX) {
        match c {
            '\n' => shown.push(c),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Names from a module, escaped and cut to what an error message can carry.
fn printable_list(names: &[&str]) -> String {
    const SHOWN_MAX: usize = 20;
    const NAME_CHARS_MAX: usize = 60;
    if names.is_empty() {
        return "none".to_owned();
    }
    let shorten = |name: &&str| format!("{:?}", name.chars().take(NAME_CHARS_MAX).collect::<String>());
    let mut shown: Vec<String> = names.iter().take(SHOWN_MAX).map(shorten).collect();
    if names.len() > SHOWN_MAX {
        shown.push(format!("and {} more", names.len() - SHOWN_MAX));
    }
    shown.join(", ")
}

/// The candidate that `word` was probably meant to be.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE_MIN: f64 = 0.8;
    // Long names are not typing errors, and comparing them costs the product of their lengths.
    const CHARS_MAX: usize = 100;
    if word.len() > CHARS_MAX {
        return None;
    }
    let scored = candidates.filter(|name| name.len() <= CHARS_MAX).map(|name| (strsim::jaro_winkler(word, name), name));
    scored.filter(|(score, _)| *score >= ALIKE_MIN).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: &str = r#"(memory (export "memory") 1)"#;
    const ALLOC: &str = r#"(func (export "alloc") (param i32) (result i32) i32.const 0)"#;

    fn load(body: &str, manifest: &str) -> Result<Target, HarnessError> {
        let text = if body.starts_with("(component") { body.to_owned() } else { format!("(module {body})") };
        Target::from_bytes("t", text.as_bytes(), Manifest::parse(manifest).unwrap(), &Overrides::default())
    }

    #[track_caller]
    fn check(body: &str, abi: Abi, entries: &[&str]) {
        let target = load(body, "").unwrap();
        assert_eq!((target.abi, target.entries), (abi, entries.iter().map(|e| e.to_string()).collect()));
    }

    #[test]
    fn abis_are_detected_from_exports() {
        let bytes = r#"(func (export "parse") (param i32 i32) (result i32) i32.const 0)
            (func (export "quiet") (param i32 i32)) (func (export "calloc") (param i32 i32) (result i32) i32.const 0)
            (func (export "free") (param i32 i32)) (func (export "other") (param i64))"#;
        check(&format!("{MEMORY}{ALLOC}{bytes}"), Abi::Bytes, &["parse", "quiet"]);
        check(bytes, Abi::Numeric, &["*"]);
        check(
            &format!(
                r#"{MEMORY}(func (export "malloc") (param i32) (result i32) i32.const 0)
                (func (export "LLVMFuzzerTestOneInput") (param i32 i32) (result i32) i32.const 0)"#
            ),
            Abi::Libfuzzer,
            &["LLVMFuzzerTestOneInput"],
        );
        check(
            &format!(
                r#"{MEMORY}(func (export "__wbindgen_malloc") (param i32 i32) (result i32) i32.const 0)
                (func (export "__wbindgen_free") (param i32 i32 i32))
                (func (export "parse") (param i32 i32) (result i32 i32) i32.const 0 i32.const 0)
                (func (export "four") (param i32 i32 i32 i32)) (func (export "no") (param i64 i32))
                (func (export "object_method") (param i32 i32 i32))"#
            ),
            Abi::WasmBindgen,
            &["parse", "four"],
        );
        check(
            &format!(
                r#"{MEMORY}(func (export "__wbindgen_malloc") (param i32 i32) (result i32) i32.const 0)
                (func (export "__wbindgen_describe_text") (param i32 i32 i32)) (func (export "__wbg_object_free"))
                (func (export "text") (param i32 i32 i32)) (func (export "object_method") (param i32 i32 i32))
                (func (export "two") (param i32 i32)) (func (export "four") (param i32 i32 i32 i32))"#
            ),
            Abi::WasmBindgen,
            &["text", "two"],
        );
        check(&format!(r#"{MEMORY}(func (export "_start"))"#), Abi::Wasi, &["_start"]);
        check(&format!(r#"{MEMORY}(func (export "_initialize")) (func (export "run"))"#), Abi::Wasi, &["run"]);
        check(r#"(func (export "add") (param f32 i64) (result f64) f64.const 0)"#, Abi::Numeric, &["*"]);
    }

    #[test]
    fn component_functions_are_found_in_interfaces_too() {
        let text = r#"(component
            (core module $m
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
                (func (export "f") (param i32 i32)) (func (export "g") (param i32)))
            (core instance $i (instantiate $m))
            (func $f (param "x" (list u8))
                (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc"))))
            (func $g (param "x" u32) (canon lift (core func $i "g")))
            (instance $api (export "parse" (func $f)) (export "number" (func $g)))
            (export "top" (func $f))
            (export "a:b/api@1.0.0" (instance $api)))"#;
        check(text, Abi::Component, &["top", "a:b/api@1.0.0#parse"]);
    }

    #[test]
    fn the_manifest_overrides_and_is_checked() {
        let body = format!(r#"{MEMORY}{ALLOC}(func (export "parse") (param i32 i32))"#);
        assert_eq!(load(&body, "abi = 'numeric'").unwrap().entries, ["*"]);
        assert_eq!(load(&body, "abi = 'numeric'\nentries = ['parse']").unwrap().entries, ["parse"]);
        for (manifest, says) in [
            ("entries = ['prase']", "did you mean \"parse\""),
            ("abi = 'libfuzzer'", "LLVMFuzzerTestOneInput"),
            ("abi = 'component'", "component"),
            ("[limits]\nfuel_base = 'x'", "fuel_base"),
        ] {
            let error = load(&body, manifest).unwrap_err().to_string();
            assert!(error.contains(says), "{manifest:?} gave {error}");
        }
        let rejects = |manifest: &str| load(&body, manifest).unwrap().rejects();
        assert_eq!((rejects(""), rejects("rejects = 'zero'")), (Rejects::Negative, Rejects::Zero));
    }

    #[test]
    fn hostile_files_get_short_errors() {
        let payload = "<script>\u{1b}[31m".repeat(1000);
        let many: String = (0..1000).map(|i| format!("(func (export \"{i}-{payload}\") (param externref))")).collect();
        let error = load(&many, "").unwrap_err().to_string();
        assert!(error.len() < 4096 && !error.contains('\u{1b}') && error.contains("invalid character"), "{error}");
        let error = load(&many.replace('\u{1b}', "\\1b"), "").unwrap_err().to_string();
        assert!(error.len() < 4096 && !error.contains('\u{1b}') && error.contains("and 980 more"), "{error}");
        for bytes in [&b"\0asm"[..], b"\0asm\x01\0\0\0\xff", b"\x1f\x8b\x08", b"", b"(module", b"\xff\xfe"] {
            let result = Target::from_bytes("x", bytes, Manifest::default(), &Overrides::default());
            assert!(matches!(result, Err(HarnessError::Module { .. })), "{bytes:?}");
        }
        assert_eq!(safe_name(Path::new("a/..<b>\n")), "_b__");
        assert_eq!(safe_name(Path::new("..")), "module");
    }

    #[test]
    fn a_tree_is_discovered_and_loaded() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let text = r#"(module (func (export "f") (param i32)))"#;
        put("targets/b-wat/target.toml", "about = 'x'\n[build]\nkind = 'wat'\n");
        put("targets/b-wat/module.wat", text);
        put("targets/a-broken/target.toml", "abuot = 'x'");
        put("targets/c-rust/target.toml", "[build]\nkind = 'cargo'");
        put("targets/no-target/readme", "");
        let found = Target::discover(root.path()).unwrap();
        let names: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.manifest.is_ok())).collect();
        assert_eq!(names, [("a-broken", false), ("b-wat", true), ("c-rust", true)]);

        let load = |which: &str| Target::load(root.path(), which, &Overrides::default());
        let target = load("b-wat").unwrap();
        assert_eq!((target.name.as_str(), target.abi), ("b-wat", Abi::Numeric));
        assert_eq!(target.sha256.len(), 64);
        let by_path = load(root.path().join("targets/b-wat/module.wat").to_str().unwrap()).unwrap();
        assert_eq!((by_path.name.as_str(), &by_path.sha256), ("module", &target.sha256));
        let by_folder = load(root.path().join("targets/b-wat").to_str().unwrap()).unwrap();
        assert_eq!((by_folder.name.as_str(), &by_folder.sha256), ("b-wat", &target.sha256));

        let unbuilt = load("c-rust").unwrap_err();
        assert!(matches!(&unbuilt, HarnessError::Missing { remedy, .. } if remedy == "cargo xtask build c-rust"));
        put(".autoclave/build/c-rust/module.wasm", text);
        assert_eq!(load("c-rust").unwrap().abi, Abi::Numeric);
        assert!(load("b-wta").unwrap_err().to_string().contains("did you mean \"b-wat\""));
        assert!(matches!(load("a-broken"), Err(HarnessError::Manifest { .. })));
        let mut small = Overrides::default();
        small.set("module_bytes_max=4").unwrap();
        assert!(Target::load(root.path(), "b-wat", &small).unwrap_err().to_string().contains("larger than 4 bytes"));
    }

    #[test]
    fn a_written_manifest_loads_and_changes_nothing() {
        let body = format!(r#"{MEMORY}{ALLOC}(func (export "a\"\nb") (param i32 i32))(func (export "n") (param i64))"#);
        let wasm = load(&body, "").unwrap().wasm;
        let text = manifest_for("t", &wasm).unwrap();
        let manifest = Manifest::parse(&text).unwrap();
        let target = Target::from_bytes("t", &wasm, manifest, &Overrides::default()).unwrap();
        assert_eq!((target.abi, target.entries), (Abi::Bytes, vec!["a\"\nb".to_owned()]));
        assert!(text.contains("# abi = \"numeric\""), "{text}");
    }
}
