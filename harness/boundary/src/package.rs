//! A package as it is deployed: its module, the script that callers import, how that is loaded, and what it declares.
//! A folder, what `npm pack` makes of it, or a single file with its neighbours. Nothing of it is run.

pub mod archive;
mod detect;
#[cfg(test)]
mod tests;

use crate::api::Api;
use crate::glue::module::{MODULE_BYTES_MAX, Shape};
use crate::glue::narrow::{self, NarrowError, Narrowing};
use crate::glue::script::Script;
use crate::glue::syntax::{self, SCRIPT_BYTES_MAX, SyntaxError};
use crate::glue::{declarations, exports, ranges};
use crate::wire::Glue;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Scripts that are followed from the entry.
const SCRIPTS_MAX: usize = 256;
/// Folders within folders.
const FOLDERS_MAX: usize = 16;
/// `package.json`, bytes.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Why a package cannot be opened. Every message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The file system says no.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// An archive that is broken or hostile.
    #[error("{path}: {what}")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// More than a package may hold.
    #[error("{path}: {what}")]
    Limit {
        /// The package.
        path: PathBuf,
        /// Which limit.
        what: String,
    },
    /// No module.
    #[error(
        "{path}: no WebAssembly module in it, neither as a .wasm file nor within a script; give the folder that is \
         deployed, or name one as `module` in boundary.toml"
    )]
    NoModule {
        /// The package.
        path: PathBuf,
    },
    /// Several modules, and nothing says which is meant.
    #[error("{path}: {} modules; choose one with --module, or `module` in boundary.toml: {}", names.len(), names.join(", "))]
    Ambiguous {
        /// The package.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// No module of that name.
    #[error("{path}: no module is called {wanted:?}; there are: {}", names.join(", "))]
    Unknown {
        /// The package.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What there is.
        names: Vec<String>,
    },
    /// A module that cannot be read.
    #[error("{file}: {what}")]
    Module {
        /// The module.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// Glue that cannot be loaded as it is.
    #[error("{file}: {what}")]
    Unsupported {
        /// The script.
        file: String,
        /// What is wrong and what to do.
        what: String,
    },
    /// A script or declaration that cannot be read.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// `boundary.toml`.
    #[error(transparent)]
    Narrow(#[from] NarrowError),
}

/// A package, opened.
#[derive(Debug)]
pub struct Package {
    /// Its folder, absolute.
    pub root: PathBuf,
    /// Name in `package.json`, else of the folder or file.
    pub name: String,
    /// Version in `package.json`.
    pub version: Option<String>,
    /// Every file that was looked at, by path: what a record names.
    pub files: Vec<FileRecord>,
    /// The module.
    pub module: Module,
    /// Names of the modules that were there to choose from.
    pub module_names: Vec<String>,
    /// The script that callers import, relative.
    pub entry: Option<String>,
    /// Its declarations, relative.
    pub declarations: Option<String>,
    /// Whether the nearest `package.json` says that `.js` files are ES modules.
    pub is_es_module: bool,
    /// How it is loaded.
    pub glue: Glue,
    /// Why it is thought to be loaded so, in sentences.
    pub evidence: Vec<String>,
    /// Scripts that the entry reaches, itself first.
    pub scripts: Vec<ScriptFile>,
    /// What `boundary.toml` says.
    pub narrowing: Narrowing,
    /// Name of that file, for messages.
    pub narrowing_file: String,
    /// Types of the module.
    pub shape: Shape,
    /// The unpacked archive; removed with the package.
    _unpacked: Option<TempDir>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Path in the package, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of it, hex.
    pub sha256: String,
}

/// A module of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Path, or for one within a script the script's path, `#` and a number from 1.
    pub name: String,
    /// The file that holds it.
    pub file: String,
    /// It.
    pub bytes: Vec<u8>,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
    /// Whether it stands within a script.
    pub inlined: bool,
}

/// A script of a package.
#[derive(Debug, Clone)]
pub struct ScriptFile {
    /// Path in the package.
    pub path: String,
    /// Its text.
    pub text: String,
    /// What it says; none where it cannot be read.
    pub script: Option<Script>,
    /// Why it cannot be read.
    pub fault: Option<String>,
}

/// The API of a package, and what was left out.
#[derive(Debug, Clone, Default)]
pub struct Surface {
    /// What can be called.
    pub api: Api,
    /// Where that comes from: `pkg.d.ts`, `exports of pkg.js`, `exports of the module`.
    pub source: String,
    /// What is not called or not known and why, for people.
    pub notes: Vec<String>,
}

impl Package {
    /// Opens a folder, a `.tgz`, or a single `.wasm` or `.js` file with its neighbours.
    pub fn open(path: &Path) -> Result<Package, PackageError> {
        Package::open_with(path, None)
    }

    /// Opens it and takes the module of that name, where there are several.
    pub fn open_with(path: &Path, module: Option<&str>) -> Result<Package, PackageError> {
        let mut opening = Opening::start(path)?;
        opening.find_entry();
        let names: Vec<String> = opening.modules().iter().map(|module| module.name.clone()).collect();
        let wanted = module.map(str::to_owned).or_else(|| opening.narrowing.module.clone());
        let module = opening.choose(wanted.as_deref())?;
        let shape =
            Shape::of(&module.bytes).map_err(|what| PackageError::Module { file: module.name.clone(), what })?;
        opening.entry_for(&module);
        let (glue, mut evidence) = match opening.narrowing.glue {
            Some(glue) => (glue, vec![format!("{} says so", opening.narrowing_file)]),
            None => detect::kind(&opening.scripts, &shape)?,
        };
        evidence.append(&mut opening.evidence);
        let declarations = opening.declarations();
        let entry = opening.scripts.first().map(|script| script.path.clone());
        let entry = entry.filter(|_| !matches!(glue, Glue::Raw | Glue::Wasi));
        let mut files = opening.records();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Package {
            name: opening.name,
            version: opening.version,
            files,
            module,
            module_names: names,
            entry,
            declarations,
            is_es_module: opening.is_es_module,
            glue,
            evidence,
            scripts: opening.scripts,
            narrowing: opening.narrowing,
            narrowing_file: opening.narrowing_file,
            shape,
            root: opening.root,
            _unpacked: opening.unpacked,
        })
    }

    /// Modules of a package, whether or not one is meant.
    pub fn modules(path: &Path) -> Result<Vec<Module>, PackageError> {
        let mut opening = Opening::start(path)?;
        opening.find_entry();
        Ok(opening.modules())
    }

    /// What can be called, with ranges and with what `boundary.toml` says.
    pub fn api(&self) -> Result<Surface, PackageError> {
        let mut surface = self.declared()?;
        ranges::fill(&mut surface, self)?;
        self.narrowing.apply(&self.narrowing_file, &mut surface.api)?;
        Ok(surface)
    }

    /// Every script of the package with its text, or why that cannot be read; of a single file, those that it reaches.
    pub fn all_scripts(&self) -> Vec<(String, Result<String, String>)> {
        let scripts = self.files.iter().map(|file| &file.path).filter(|path| is_script(path));
        scripts.map(|path| (path.clone(), read_text(&self.root, path).map_err(|error| error.to_string()))).collect()
    }

    fn declared(&self) -> Result<Surface, PackageError> {
        if matches!(self.glue, Glue::Raw | Glue::Wasi) || self.entry.is_none() {
            let is_wasi = self.glue == Glue::Wasi;
            let (api, notes) = if is_wasi { self.shape.wasi_api() } else { self.shape.api() };
            return Ok(Surface { api, source: "exports of the module".to_owned(), notes });
        }
        let shape = match self.glue {
            Glue::Emscripten => declarations::Shape::Factory,
            _ => declarations::Shape::Exports,
        };
        if let Some(file) = &self.declarations {
            let mut text = |name: &str| read_text(&self.root, name).ok();
            let read = declarations::read(&mut text, file, shape)?;
            if !read.api.operations.is_empty() {
                return Ok(Surface { api: read.api, source: file.clone(), notes: read.notes });
            }
        }
        let entry = self.entry.clone().unwrap_or_default();
        let (api, mut notes) = exports::of(&self.scripts, self.glue, &self.shape)?;
        if self.declarations.is_some() {
            notes.push("the declarations name nothing that can be called".to_owned());
        }
        Ok(Surface { api, source: format!("exports of {entry}, without types"), notes })
    }
}

/// A package on the way to being opened.
struct Opening {
    path: PathBuf,
    root: PathBuf,
    unpacked: Option<TempDir>,
    name: String,
    version: Option<String>,
    manifest: serde_json::Value,
    is_es_module: bool,
    /// Files, relative; of a single file only its neighbours.
    list: Vec<String>,
    /// The file that was given.
    given: Option<String>,
    narrowing: Narrowing,
    narrowing_file: String,
    scripts: Vec<ScriptFile>,
    evidence: Vec<String>,
}

impl Opening {
    fn start(path: &Path) -> Result<Opening, PackageError> {
        let io_fault = |source| PackageError::Io { path: path.to_owned(), source };
        let full = path.canonicalize().map_err(io_fault)?;
        let file_name = full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let parent = full.parent().unwrap_or(Path::new("/")).to_owned();
        let (mut unpacked, mut given) = (None, None);
        let (root, list) = if full.is_dir() {
            let list = walk(&full, path)?;
            (full.clone(), list)
        } else if file_name.ends_with(".tgz") || file_name.ends_with(".tar.gz") {
            let (keep, root) = archive::unpack(&full)?;
            unpacked = Some(keep);
            let root = root.canonicalize().map_err(io_fault)?;
            let list = walk(&root, path)?;
            (root, list)
        } else {
            given = Some(file_name.clone());
            (parent.clone(), neighbours(&parent, path)?)
        };
        // A package from elsewhere does not decide what is asked of it: its file counts only where it was unpacked by
        // the user.
        let beside = if unpacked.is_some() { parent.join(narrow::FILE) } else { root.join(narrow::FILE) };
        let narrowing_file = beside.display().to_string();
        let narrowing = match fs::read_to_string(&beside) {
            Ok(text) => Narrowing::parse(&narrowing_file, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Narrowing::default(),
            Err(source) => return Err(PackageError::Io { path: beside, source }),
        };
        let mut manifest = serde_json::Value::Null;
        if given.is_none() && list.iter().any(|file| file == "package.json") {
            let text = read_bytes(&root, "package.json", MANIFEST_BYTES_MAX)?;
            manifest = serde_json::from_slice(&text).map_err(|error| PackageError::Unsupported {
                file: "package.json".to_owned(),
                what: format!("not JSON: {error}"),
            })?;
        }
        let text = |key: &str| manifest[key].as_str().map(str::to_owned);
        Ok(Opening {
            name: text("name").unwrap_or(file_name),
            version: text("version"),
            is_es_module: text("type").as_deref() == Some("module"),
            path: path.to_owned(),
            manifest,
            root,
            unpacked,
            list,
            given,
            narrowing,
            narrowing_file,
            scripts: Vec::new(),
            evidence: Vec::new(),
        })
    }

    fn has(&self, file: &str) -> bool {
        self.list.iter().any(|known| known == file)
    }

    /// The entry by what people and `package.json` say.
    fn find_entry(&mut self) {
        let mut candidates = Vec::new();
        if let Some(entry) = &self.narrowing.entry {
            candidates.push((entry.clone(), format!("{} names the entry", self.narrowing_file)));
        }
        if let Some(given) = self.given.clone().filter(|given| is_script(given)) {
            candidates.push((given, "the entry was given".to_owned()));
        }
        if let Some(file) = conditional(&self.manifest["exports"], 0) {
            candidates.push((file, "`exports` of package.json".to_owned()));
        }
        for key in ["module", "main"] {
            if let Some(file) = self.manifest[key].as_str() {
                candidates.push((file.to_owned(), format!("`{key}` of package.json")));
            }
        }
        if self.manifest.is_object() {
            candidates.push(("index.js".to_owned(), "the default of package.json".to_owned()));
        }
        for (file, why) in candidates {
            if let Some(found) = self.resolve("", &file) {
                self.evidence.push(format!("entry {found}: {why}"));
                self.follow(&found);
                return;
            }
        }
    }

    /// The package's file that a specifier means.
    fn resolve(&self, from: &str, specifier: &str) -> Option<String> {
        let relative = if specifier.starts_with('.') { specifier.to_owned() } else { format!("./{specifier}") };
        let path = join(from, &relative)?;
        let ends = ["", ".js", ".mjs", ".cjs", "/index.js", "/index.mjs", "/index.cjs"];
        ends.iter().map(|end| format!("{path}{end}")).find(|name| is_script(name) && is_file(&self.root, name))
    }

    /// Reads a script and those that it imports.
    fn follow(&mut self, entry: &str) {
        self.scripts.clear();
        let mut waiting = vec![entry.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(path) = waiting.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            if self.scripts.len() >= SCRIPTS_MAX {
                self.evidence.push(format!("only the first {SCRIPTS_MAX} scripts were followed"));
                break;
            }
            let script = load(&self.root, &path);
            let relative = script.script.iter().flat_map(|script| &script.imports);
            let relative = relative.filter(|specifier| specifier.starts_with("./") || specifier.starts_with("../"));
            let mut next: Vec<String> = relative.filter_map(|specifier| self.resolve(&path, specifier)).collect();
            next.reverse();
            waiting.extend(next);
            self.scripts.push(script);
        }
    }

    /// Modules of the package: files first, then those within scripts that are no copies.
    fn modules(&self) -> Vec<Module> {
        let mut all: Vec<Module> = Vec::new();
        let files = self.list.iter().filter(|file| file.ends_with(".wasm"));
        let only = self.given.as_ref().filter(|given| given.ends_with(".wasm"));
        for file in files.filter(|file| only.is_none_or(|only| only == *file)) {
            let Ok(bytes) = read_bytes(&self.root, file, MODULE_BYTES_MAX as u64) else { continue };
            push(
                &mut all,
                Module { name: file.clone(), file: file.clone(), sha256: hex(&bytes), bytes, inlined: false },
            );
        }
        for script in &self.scripts {
            let inlined = script.script.iter().flat_map(|script| &script.inlined);
            for (at, bytes) in inlined.enumerate() {
                let name = format!("{}#{}", script.path, at + 1);
                let (file, bytes) = (script.path.clone(), bytes.clone());
                push(&mut all, Module { name, file, sha256: hex(&bytes), bytes, inlined: true });
            }
        }
        all
    }

    fn choose(&mut self, wanted: Option<&str>) -> Result<Module, PackageError> {
        let mut all = self.modules();
        let path = self.path.clone();
        if let Some(wanted) = wanted {
            let names = || all.iter().map(|module| module.name.clone()).collect();
            let at = all.iter().position(|module| module.name == wanted);
            return match at {
                Some(at) => Ok(all.swap_remove(at)),
                None => Err(PackageError::Unknown { path, wanted: wanted.to_owned(), names: names() }),
            };
        }
        if all.len() > 1 {
            let best = all.iter().map(|module| named(&self.scripts, module)).max().unwrap_or(Named::No);
            let reached = all.iter().filter(|module| best > Named::No && named(&self.scripts, module) == best);
            let reached: Vec<&Module> = reached.collect();
            if let Some((first, more)) = reached.split_first()
                && more.iter().all(|other| other.sha256 == first.sha256)
            {
                self.evidence.push(format!("of {} modules, the entry reaches only {}", all.len(), first.name));
                return Ok((*first).clone());
            }
            let names = all.iter().map(|module| module.name.clone()).collect();
            return Err(PackageError::Ambiguous { path, names });
        }
        all.pop().ok_or(PackageError::NoModule { path })
    }

    /// Where nothing said what the entry is, or it has nothing to do with the module, the script beside the module.
    fn entry_for(&mut self, module: &Module) {
        if named(&self.scripts, module) > Named::No || self.narrowing.entry.is_some() || module.inlined {
            return;
        }
        let stem = module.file.trim_end_matches(".wasm");
        let plain = stem.trim_end_matches("_bg");
        let by_name = [plain, stem]
            .into_iter()
            .flat_map(|stem| ["js", "mjs", "cjs"].into_iter().map(move |end| format!("{stem}.{end}")));
        let folder = module.file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let beside = self.list.iter().filter(|file| is_script(file));
        let beside = beside.filter(|file| file.rsplit_once('/').map_or("", |(folder, _)| folder) == folder);
        let by_name: Vec<String> = by_name.filter(|name| self.has(name)).collect();
        let candidates: Vec<String> = by_name.iter().chain(beside).cloned().collect();
        let mut tried = BTreeSet::new();
        for candidate in candidates {
            if tried.len() >= SCRIPTS_MAX || !tried.insert(candidate.clone()) {
                continue;
            }
            let script = load(&self.root, &candidate);
            let is_named = by_name.contains(&candidate);
            let loads = is_named && script.script.as_ref().is_some_and(|script| script.has(&["WebAssembly"]));
            if loads || named(std::slice::from_ref(&script), module) > Named::No {
                let why = if loads { "is named like it" } else { "names it" };
                self.evidence.retain(|line| !line.starts_with("entry "));
                self.evidence.push(format!("entry {candidate}: it is beside {} and {why}", module.file));
                self.follow(&candidate);
                return;
            }
        }
        if self.given.as_ref().is_some_and(|given| given.ends_with(".wasm")) {
            self.scripts.clear();
        }
    }

    fn declarations(&self) -> Option<String> {
        let entry = self.scripts.first().map(|script| script.path.as_str());
        let mut candidates: Vec<String> = Vec::new();
        candidates.extend(self.narrowing.declarations.clone());
        let is_main = self.evidence.iter().any(|line| line.contains("package.json"));
        if is_main {
            candidates.extend(types(&self.manifest["exports"], 0));
            candidates
                .extend(["types", "typings"].iter().filter_map(|key| self.manifest[*key].as_str().map(str::to_owned)));
        }
        if let Some(entry) = entry {
            let stem = entry.rsplit_once('.').map_or(entry, |(stem, _)| stem);
            candidates.extend(["d.ts", "d.mts", "d.cts"].iter().map(|end| format!("{stem}.{end}")));
        }
        let within = |name: &String| join("", &format!("./{}", name.trim_start_matches("./")));
        let paths = candidates.iter().filter_map(within);
        let paths = paths.flat_map(|path| [path.clone(), format!("{path}.d.ts"), format!("{path}/index.d.ts")]);
        paths.into_iter().find(|path| path.ends_with("ts") && is_file(&self.root, path))
    }

    fn records(&self) -> Vec<FileRecord> {
        let reached = self.scripts.iter().map(|script| script.path.clone());
        let names: BTreeSet<String> = match &self.given {
            // Of a single file, its folder may hold anything.
            Some(given) => reached.chain([given.clone()]).collect(),
            None => reached.chain(self.list.iter().cloned()).collect(),
        };
        let record = |path: String| {
            let mut file = open(&self.root, &path).ok()?;
            let mut hash = Sha256::new();
            let bytes = io::copy(&mut file, &mut hash).ok()?;
            Some(FileRecord { path, bytes, sha256: digest(hash) })
        };
        names.into_iter().filter_map(record).collect()
    }
}

fn push(all: &mut Vec<Module>, module: Module) {
    if !module.inlined || !all.iter().any(|other| other.sha256 == module.sha256) {
        all.push(module);
    }
}

/// How clearly scripts say that they load a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    No,
    /// By a name without its folder.
    ByName,
    /// By its path, or they contain it.
    ByPath,
}

fn named(scripts: &[ScriptFile], module: &Module) -> Named {
    let base = module.file.rsplit('/').next().unwrap_or(&module.file);
    let says = |file: &ScriptFile| {
        let Some(script) = &file.script else { return Named::No };
        if script.inlined.contains(&module.bytes) {
            return Named::ByPath;
        }
        let path = |name: &String| join(&file.path, &format!("./{name}"));
        let said = script.modules.iter().chain(&script.imports).filter(|name| name.ends_with(base));
        let said = said.map(|name| match path(name) {
            Some(path) if path == module.file => Named::ByPath,
            _ if name.rsplit('/').next() == Some(base) => Named::ByName,
            _ => Named::No,
        });
        said.max().unwrap_or(Named::No)
    };
    scripts.iter().map(says).max().unwrap_or(Named::No)
}

fn load(root: &Path, path: &str) -> ScriptFile {
    let text = match read_text(root, path) {
        Ok(text) => text,
        Err(error) => {
            let fault = Some(error.to_string());
            return ScriptFile { path: path.to_owned(), text: String::new(), script: None, fault };
        }
    };
    match syntax::read(path, &text, Script::of) {
        Ok(script) => ScriptFile { path: path.to_owned(), text, script: Some(script), fault: None },
        Err(error) => ScriptFile { path: path.to_owned(), text, script: None, fault: Some(error.what) },
    }
}

/// The module of that SHA-256 that stands within a script; none where the file is no script, or holds none like it.
pub(crate) fn within(root: &Path, file: &str, sha256: &str) -> Option<Vec<u8>> {
    let script = is_script(file).then(|| root.canonicalize().ok())?.map(|root| load(&root, file))?;
    script.script?.inlined.into_iter().find(|bytes| hex(bytes) == sha256)
}

/// What `exports` means to who imports the package in Node.
fn conditional(exports: &serde_json::Value, depth: usize) -> Option<String> {
    if depth > 8 {
        return None;
    }
    match exports {
        serde_json::Value::String(file) => Some(file.clone()),
        serde_json::Value::Array(all) => all.iter().find_map(|one| conditional(one, depth + 1)),
        serde_json::Value::Object(map) => {
            if let Some(root) = map.get(".") {
                return conditional(root, depth + 1);
            }
            let conditions = ["node", "import", "module", "require", "default", "browser"];
            let found = conditions.iter().filter_map(|name| map.get(*name));
            found.filter_map(|one| conditional(one, depth + 1)).find(|file| is_script(file))
        }
        _ => None,
    }
}

/// What `types` says within `exports`.
fn types(exports: &serde_json::Value, depth: usize) -> Option<String> {
    if depth > 8 {
        return None;
    }
    let map = exports.as_object()?;
    if let Some(root) = map.get(".") {
        return types(root, depth + 1);
    }
    let own = map.get("types").and_then(serde_json::Value::as_str).map(str::to_owned);
    own.or_else(|| ["node", "import", "require", "default"].iter().find_map(|key| types(map.get(*key)?, depth + 1)))
}

fn is_script(name: &str) -> bool {
    [".js", ".mjs", ".cjs"].iter().any(|end| name.ends_with(end))
}

/// The path that a relative specifier means as seen from a file of the package; none where it leads out of it.
pub fn join(from: &str, specifier: &str) -> Option<String> {
    if !specifier.starts_with("./") && !specifier.starts_with("../") && specifier != "." && specifier != ".." {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in specifier.split(['?', '#']).next().unwrap_or_default().split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part if part.contains(['\\', '\0']) => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Opens a file of the package; not what a link elsewhere means.
fn open(root: &Path, path: &str) -> io::Result<fs::File> {
    let full = root.join(path).canonicalize()?;
    if !full.starts_with(root) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{path} leads out of the package")));
    }
    let file = fs::File::open(&full)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path} is no file")));
    }
    Ok(file)
}

fn is_file(root: &Path, path: &str) -> bool {
    let full = root.join(path).canonicalize();
    full.is_ok_and(|full| full.starts_with(root) && full.is_file())
}

fn read_bytes(root: &Path, path: &str, bytes_max: u64) -> Result<Vec<u8>, PackageError> {
    let fault = |source| PackageError::Io { path: root.join(path), source };
    let mut bytes = Vec::new();
    open(root, path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes)).map_err(fault)?;
    if bytes.len() as u64 > bytes_max {
        let what = format!("more than {bytes_max} bytes");
        return Err(PackageError::Limit { path: root.join(path), what });
    }
    Ok(bytes)
}

fn read_text(root: &Path, path: &str) -> Result<String, PackageError> {
    let bytes = read_bytes(root, path, SCRIPT_BYTES_MAX as u64)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Files below a folder, relative, in order. Links are not followed, what was installed for it is not part of it.
fn walk(root: &Path, shown: &Path) -> Result<Vec<String>, PackageError> {
    let (mut files, mut bytes) = (Vec::new(), 0);
    let mut waiting = vec![(String::new(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        let full = root.join(&folder);
        let fault = |source| PackageError::Io { path: full.clone(), source };
        for entry in fs::read_dir(&full).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = entry.file_type().map_err(fault)?;
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let skipped = name == "node_modules" || name == ".git" || depth >= FOLDERS_MAX;
            if kind.is_dir() && !skipped {
                waiting.push((path, depth + 1));
            } else if kind.is_file() {
                bytes += entry.metadata().map_err(fault)?.len();
                files.push(path);
            }
            let (count, mib) = (archive::ENTRIES_MAX, archive::TOTAL_BYTES_MAX >> 20);
            if files.len() + waiting.len() > count || bytes > archive::TOTAL_BYTES_MAX {
                let what = format!("more than {count} files or {mib} MiB below it; give the folder that is deployed");
                return Err(PackageError::Limit { path: shown.to_owned(), what });
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Files beside a single one that may belong to it.
fn neighbours(folder: &Path, shown: &Path) -> Result<Vec<String>, PackageError> {
    let fault = |source| PackageError::Io { path: shown.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)?.take(archive::ENTRIES_MAX) {
        let entry = entry.map_err(fault)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let counts = is_script(&name) || name.ends_with(".wasm") || name.ends_with("ts");
        if counts && entry.file_type().map_err(fault)?.is_file() {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}

fn hex(bytes: &[u8]) -> String {
    digest(Sha256::new_with_prefix(bytes))
}

fn digest(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
