//! What is looked at, in memory: the module, its glue, what lies beside it, the sources and manifests. The only room
//! that reads files; everything is bounded, links are not followed, and what is not read is remembered.

use crate::advisories::{self, Database};
use crate::facts::{Facts, MODULE_BYTES_MAX, ModuleFacts};
use crate::rebuild::{self, Record};
use crate::{Options, ScanError};
use autoclave_boundary::glue::minified;
use autoclave_boundary::package::{Package, PackageError, archive};
use autoclave_certificate::digest::{Sha256Digest, integrity};
use autoclave_certificate::files;
use base64::Engine;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that are looked at, folders within folders, bytes of one file and of all.
const FILES_MAX: usize = 20_000;
const FOLDERS_MAX: usize = 16;
const FILE_BYTES_MAX: u64 = 16 << 20;
const TOTAL_BYTES_MAX: u64 = 256 << 20;
/// Folders that are made from sources, or hold what others wrote; then the files beside them, or in them, that say so.
/// Where there is no such file, a folder of that name is one like others.
const SKIPPED: &[(&str, &[&str], &[&str])] = &[
    ("target", &["Cargo.toml"], &["CACHEDIR.TAG"]),
    ("node_modules", &["package.json"], &[".package-lock.json"]),
    (".git", &[], &[]),
    (".autoclave", &[], &[]),
];
/// Folders above the sources in which a lock file is looked for.
const PARENTS_MAX: usize = 3;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path, relative to what was asked for.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl File {
    /// A file of that name.
    pub fn new(path: &str, bytes: impl Into<Vec<u8>>) -> File {
        File { path: path.to_owned(), bytes: bytes.into() }
    }

    /// Its text, what is no UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Its name without folders.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// Something that was not read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// Path, relative to what was asked for.
    pub path: String,
    /// Why.
    pub why: String,
    /// Whether it is a folder: anything may be in it.
    pub is_folder: bool,
}

impl std::fmt::Display for Unread {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.path, self.why)
    }
}

/// A script of the glue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Path.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Whether the package's entry reaches it, as far as is known.
    pub is_loaded: bool,
}

/// Sources of the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Name of the package in `Cargo.toml`.
    pub package: Option<String>,
    /// Manifests and lock files: `Cargo.toml`, `Cargo.lock`, `package.json`, `package-lock.json`, …
    pub files: Vec<File>,
}

impl Source {
    /// The file of that name that lies highest.
    pub fn file(&self, name: &str) -> Option<&File> {
        let named = self.files.iter().filter(|file| file.name() == name);
        named.min_by_key(|file| file.path.matches('/').count())
    }
}

/// What is looked at.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// File name of the module.
    pub name: String,
    /// The module.
    pub bytes: Vec<u8>,
    /// What it says of itself.
    pub facts: Facts,
    /// Scripts around it; none if it comes alone.
    pub glue: Option<Vec<Script>>,
    /// What glue calls functions that a module asks for by shortened names.
    pub meanings: BTreeMap<(String, String), String>,
    /// Text files beside it: scripts, maps, pages, settings.
    pub files: Vec<File>,
    /// What beside it was not read.
    pub unread: Vec<Unread>,
    /// Folders that were left out: what builds leave there, or others wrote.
    pub skipped: BTreeSet<String>,
    /// Sources; none if they are not known.
    pub source: Option<Source>,
    /// Manifests of containers.
    pub manifests: Vec<File>,
    /// What of them was not read.
    pub unread_manifests: Vec<Unread>,
    /// The bill of materials.
    pub sbom: Option<File>,
    /// Detached signatures.
    pub bundles: Vec<File>,
    /// Signed provenance.
    pub provenance: Option<File>,
    /// Record of two builds, and whether it is about these sources.
    pub rebuild: Option<Result<Record, String>>,
    /// Known vulnerabilities.
    pub advisories: Option<Result<Database, String>>,
}

impl Subject {
    /// A module alone.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(name: &str, bytes: Vec<u8>) -> Result<Subject, ScanError> {
        let facts = Facts::read(&bytes).map_err(|what| ScanError::Module { file: name.to_owned(), what })?;
        Ok(Subject { name: name.to_owned(), bytes, facts, ..Subject::default() })
    }

    /// Reads what a path and the options name.
    ///
    /// # Errors
    /// The path is neither a module nor a package with one, or something that an option names cannot be read.
    pub fn open(path: &Path, options: &Options) -> Result<Subject, ScanError> {
        let meta = fs::metadata(path).map_err(|source| ScanError::Io { path: path.to_owned(), source })?;
        let is_module = meta.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("wasm"));
        let mut subject = if is_module {
            let bytes = files::read(path, MODULE_BYTES_MAX as u64, "module")?;
            let mut subject = Subject::of(&file_name(path), bytes)?;
            if let Some(glue) = &options.glue {
                subject.surround(glue, false)?;
            }
            subject
        } else {
            Subject::of_package(path, meta.is_file(), options)?
        };
        subject.beside(path, is_module, options)?;
        Ok(subject)
    }

    fn of_package(path: &Path, is_archive: bool, options: &Options) -> Result<Subject, ScanError> {
        // Kept until its files have been read.
        let unpacked = if is_archive { Some(archive::unpack(path)?) } else { None };
        let root = unpacked.as_ref().map_or(path, |(_, root)| root);
        let (name, bytes) = match Package::open_with(root, options.module.as_deref()) {
            Ok(package) => (package.module.name, package.module.bytes),
            // Glue that the boundary cannot load can still be read.
            Err(PackageError::Unsupported { .. } | PackageError::Syntax(_) | PackageError::Module { .. }) => {
                let mut modules = Package::modules(root)?;
                modules.retain(|module| options.module.as_ref().is_none_or(|wanted| *wanted == module.name));
                match modules.as_slice() {
                    [module] => (module.name.clone(), module.bytes.clone()),
                    [] => return Err(PackageError::NoModule { path: path.to_owned() }.into()),
                    many => {
                        let names = many.iter().map(|module| module.name.clone()).collect();
                        return Err(PackageError::Ambiguous { path: path.to_owned(), names }.into());
                    }
                }
            }
            Err(error) => return Err(error.into()),
        };
        let mut subject = Subject::of(&name, bytes)?;
        subject.surround(root, is_archive)?;
        let is_source = ["Cargo.toml", "Cargo.lock", "package.json"].iter().any(|name| root.join(name).is_file());
        if options.source.is_none() && is_source {
            subject.source = Some(source(root)?);
        }
        Ok(subject)
    }

    /// Reads the scripts and text files of a folder or package around the module.
    fn surround(&mut self, glue: &Path, is_unpacked: bool) -> Result<(), ScanError> {
        let is_archive = glue.extension().is_some_and(|end| end == "tgz" || end == "gz");
        let unpacked = if is_archive { Some(archive::unpack(glue)?) } else { None };
        let root = unpacked.as_ref().map_or(glue, |(_, root)| root);
        // Whatever is in an archive is shipped.
        let Walk { files, unread, skipped } = walk(root, is_text, !is_archive && !is_unpacked)?;
        self.files = files;
        self.unread = unread;
        self.skipped.extend(skipped);
        let package = Package::open_with(root, Some(&self.name)).or_else(|_| Package::open(root)).ok();
        let loaded: Option<BTreeSet<&str>> = package
            .as_ref()
            .filter(|package| !package.scripts.is_empty())
            .map(|package| package.scripts.iter().map(|script| script.path.as_str()).collect());
        let scripts = self.files.iter().filter(|file| is_script(&file.path)).map(|file| Script {
            path: file.path.clone(),
            text: file.text(),
            is_loaded: loaded.as_ref().is_none_or(|loaded| loaded.contains(file.path.as_str())),
        });
        let scripts: Vec<Script> = scripts.collect();
        if !scripts.is_empty() {
            self.glue = Some(scripts);
        }
        if let Some(package) = package {
            self.meanings = minified::names(&package.scripts, &package.shape);
        }
        Ok(())
    }

    /// What lies beside it, or what options name.
    fn beside(&mut self, path: &Path, is_module: bool, options: &Options) -> Result<(), ScanError> {
        let folder = if is_module || path.is_file() { path.parent().unwrap_or(path) } else { path };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if let Some(root) = &options.source {
            self.source = Some(source(root)?);
        }
        let wanted = options.manifests.as_deref().or_else(|| path.is_dir().then_some(path));
        if let Some(root) = wanted {
            let Walk { files, unread, skipped } = walk(root, is_manifest, true)?;
            self.manifests = files;
            self.unread_manifests = unread;
            self.skipped.extend(skipped);
        }
        let stem = Path::new(&self.name).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
        let name = file_name(Path::new(&self.name));
        let beside = |endings: &[&str]| -> Vec<PathBuf> {
            let names = endings.iter().flat_map(|end| [format!("{stem}{end}"), format!("{name}{end}")]);
            let mut paths: Vec<PathBuf> = names.map(|name| folder.join(name)).filter(|path| path.is_file()).collect();
            paths.dedup();
            paths
        };
        let sboms = options.sbom.clone().or_else(|| {
            let own = beside(&[".cdx.json"]);
            own.into_iter().next().or_else(|| only_sbom(folder).filter(|_| !is_module))
        });
        self.sbom = sboms.map(|path| read(&path)).transpose()?;
        let bundles = match &options.bundle {
            Some(path) => vec![path.clone()],
            None => beside(&[".sigstore.jsonl", ".sigstore.json", ".intoto.jsonl"]),
        };
        self.bundles = bundles.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        let provenance = options.provenance.clone();
        let provenance = provenance.or_else(|| beside(&[".provenance.json", ".provenance.sigstore.json"]).pop());
        self.provenance = provenance.map(|path| read(&path)).transpose()?;
        if let Some(path) = options.rebuild.as_ref().filter(|path| path.is_file()) {
            let record = read(path)?;
            self.rebuild = Some(rebuild::check(&record.text(), options.source.as_deref()));
        }
        let home = || std::env::home_dir().map(|home| home.join(".cargo/advisory-db")).filter(|path| path.is_dir());
        self.advisories = match &options.advisories {
            Some(path) => Some(advisories::read(path)),
            None => home().map(|path| advisories::read(&path)),
        };
        Ok(())
    }

    /// Why nobody can say that all such files were looked at, if one was not read or may lie in a folder that was not.
    pub(crate) fn gap(&self, wanted: fn(&str) -> bool) -> Option<String> {
        gap(self.unread.iter().filter(|one| one.is_folder || wanted(&one.path)))
    }

    /// The same with the manifests, each once: they may lie in the same folder.
    pub(crate) fn gap_anywhere(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let all: BTreeSet<&Unread> = self.unread.iter().chain(&self.unread_manifests).collect();
        gap(all.into_iter().filter(|one| one.is_folder || wanted(&one.path)))
    }

    /// SHA-256 of the module.
    pub fn sha256(&self) -> Sha256Digest {
        Sha256Digest::of(&self.bytes)
    }

    /// Short facts for a report.
    pub fn module_facts(&self) -> ModuleFacts {
        let sha256 = self.sha256();
        let base64 = base64::engine::general_purpose::STANDARD.encode(sha256.as_bytes());
        let cores = if self.facts.is_component { &[][..] } else { &self.facts.cores[..] };
        let producers = self.facts.producers.iter().map(|(field, name, version)| {
            autoclave_reports::escape::column(format!("{field} {name} {version}").trim(), 120)
        });
        let mut producers: Vec<String> = producers.collect();
        producers.dedup();
        ModuleFacts {
            name: autoclave_reports::escape::column(&self.name, 200),
            sha256: sha256.to_string(),
            integrity_sha256: format!("sha256-{base64}"),
            integrity: integrity(&self.bytes),
            bytes: self.bytes.len() as u64,
            kind: if self.facts.is_component { "component" } else { "module" }.to_owned(),
            interface_sha256: self.facts.interface_sha256(),
            imports: cores.iter().map(|core| core.imports.len()).sum::<usize>() + self.facts.component_imports.len(),
            exports: cores.iter().map(|core| core.exports.len()).sum::<usize>() + self.facts.component_exports.len(),
            producers,
        }
    }
}

/// The one bill of materials of a folder.
fn only_sbom(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.take(FILES_MAX).flatten().map(|entry| entry.path());
    let mut named = entries.filter(|path| path.to_string_lossy().ends_with(".cdx.json"));
    let first = named.next()?;
    named.next().is_none().then_some(first)
}

/// Manifests and lock files of a folder; a lock file may lie in a folder above, as in a workspace.
fn source(root: &Path) -> Result<Source, ScanError> {
    fs::metadata(root).map_err(|source| ScanError::Io { path: root.to_owned(), source })?;
    let names = ["Cargo.toml", "Cargo.lock", "package.json", "package-lock.json", "npm-shrinkwrap.json"];
    let others = ["yarn.lock", "pnpm-lock.yaml"];
    let wanted: Vec<&str> = names.iter().chain(&others).copied().collect();
    let mut files = Vec::new();
    for name in &wanted {
        let path = root.join(name);
        if path.is_file() {
            files.push(File { path: (*name).to_owned(), bytes: read(&path)?.bytes });
        }
    }
    let has = |files: &[File], name: &str| files.iter().any(|file| file.name() == name);
    if has(&files, "Cargo.toml") && !has(&files, "Cargo.lock") {
        let root = root.canonicalize().map_err(|source| ScanError::Io { path: root.to_owned(), source })?;
        for parent in root.ancestors().skip(1).take(PARENTS_MAX) {
            let path = parent.join("Cargo.lock");
            // Not beyond the repository.
            if path.is_file() {
                files.push(File { path: "Cargo.lock".to_owned(), bytes: read(&path)?.bytes });
                break;
            }
            if parent.join(".git").exists() {
                break;
            }
        }
    }
    let manifest = files.iter().find(|file| file.name() == "Cargo.toml").map(File::text);
    let manifest = manifest.and_then(|text| text.parse::<toml::Table>().ok());
    let package = manifest.and_then(|table| Some(table.get("package")?.get("name")?.as_str()?.to_owned()));
    Ok(Source { package, files })
}

/// How many were not read, and which is the first.
fn gap<'a>(unread: impl Iterator<Item = &'a Unread>) -> Option<String> {
    let all: Vec<&Unread> = unread.collect();
    let what = match all.len() {
        1 => "1 file or folder was".to_owned(),
        many => format!("{many} files or folders were"),
    };
    all.first().map(|first| format!("{what} not read: {first}"))
}

/// What a folder holds.
#[derive(Default)]
struct Walk {
    files: Vec<File>,
    unread: Vec<Unread>,
    skipped: Vec<String>,
}

impl Walk {
    fn miss(&mut self, path: &str, why: String, is_folder: bool) {
        self.unread.push(Unread { path: path.to_owned(), why, is_folder });
    }
}

/// Files of a folder that are wanted, in order of their names. What is no file or folder (a link above all) is not
/// followed; `skips` leaves out what builds leave in a tree.
fn walk(root: &Path, wanted: fn(&str) -> bool, skips: bool) -> Result<Walk, ScanError> {
    let mut walk = Walk::default();
    let mut left = TOTAL_BYTES_MAX;
    let mut seen = 0;
    let mut pending = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, name, depth)) = pending.pop() {
        let fault = |source| ScanError::Io { path: folder.clone(), source };
        let mut entries = Vec::new();
        for entry in fs::read_dir(&folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            entries.push((
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
                entry.file_type().map_err(fault)?,
            ));
            seen += 1;
            if seen > FILES_MAX {
                let what = format!("more than {FILES_MAX} files; give the folder that is deployed");
                return Err(ScanError::Limit { path: root.to_owned(), what });
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (entry, path, kind) in entries {
            let relative = if name.is_empty() { entry.clone() } else { format!("{name}/{entry}") };
            if skips && !kind.is_file() && is_skipped(&folder, &entry) {
                walk.skipped.push(relative);
            } else if kind.is_dir() {
                if depth >= FOLDERS_MAX {
                    walk.miss(&relative, format!("folders nest deeper than {FOLDERS_MAX}"), true);
                } else {
                    pending.push((path, relative, depth + 1));
                }
            } else if !kind.is_file() {
                let is_folder = path.is_dir();
                if is_folder || wanted(&relative) {
                    let what = if kind.is_symlink() { "a link, which is not followed" } else { "no regular file" };
                    walk.miss(&relative, what.to_owned(), is_folder);
                }
            } else if wanted(&relative) {
                let bytes = fs::metadata(&path).map_err(|source| ScanError::Io { path: path.clone(), source })?.len();
                if bytes > FILE_BYTES_MAX || bytes > left {
                    walk.miss(&relative, format!("{bytes} bytes, more than is read"), false);
                    continue;
                }
                left -= bytes;
                walk.files.push(File { path: relative, bytes: read(&path)?.bytes });
            }
        }
    }
    walk.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk)
}

fn is_skipped(folder: &Path, name: &str) -> bool {
    let Some((_, beside, inside)) = SKIPPED.iter().find(|(known, ..)| *known == name) else { return false };
    let own = folder.join(name);
    beside.is_empty()
        || beside.iter().any(|mark| folder.join(mark).exists())
        || inside.iter().any(|mark| own.join(mark).exists())
}

fn read(path: &Path) -> Result<File, ScanError> {
    let bytes = files::read(path, FILE_BYTES_MAX, "file")?;
    Ok(File { path: file_name(path), bytes })
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

pub(crate) fn is_script(path: &str) -> bool {
    [".js", ".mjs", ".cjs"].iter().any(|end| path.ends_with(end))
}

/// Files that people or bundlers write: what may hold a key, or an address.
fn is_text(path: &str) -> bool {
    const ENDINGS: &[&str] = &[
        ".js",
        ".mjs",
        ".cjs",
        ".ts",
        ".mts",
        ".cts",
        ".jsx",
        ".tsx",
        ".map",
        ".json",
        ".html",
        ".htm",
        ".env",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".cfg",
        ".conf",
        ".properties",
        ".pem",
        ".key",
        ".txt",
        ".xml",
        ".npmrc",
        ".sh",
        ".py",
    ];
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    ENDINGS.iter().any(|end| name.ends_with(end)) || name.starts_with(".env") || is_manifest(path)
}

/// Files that say how a container is made or run.
pub(crate) fn is_manifest(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let image = ["dockerfile", "containerfile"].iter();
    let mut image = image
        .map(|known| name == *known || name.starts_with(&format!("{known}.")) || name.ends_with(&format!(".{known}")));
    name.ends_with(".yaml") || name.ends_with(".yml") || image.any(|is_image| is_image)
}

/// SHA-256 of a folder's sources: names and contents, without what builds leave there. What lies above and belongs to
/// them (a workspace's `Cargo.lock`) counts as well.
///
/// # Errors
/// What cannot be read.
pub fn source_hash(root: &Path) -> Result<String, ScanError> {
    let Walk { files, unread, .. } = walk(root, |path| !path.ends_with(".wasm"), true)?;
    if let Some(what) = unread.first() {
        return Err(ScanError::Limit { path: root.to_owned(), what: format!("{what}; leave it out of the sources") });
    }
    let lock = source(root)?.files.into_iter().filter(|file| file.path == "Cargo.lock");
    let mut hash = Sha256::new();
    for file in files.iter().chain(&lock.collect::<Vec<_>>()) {
        for part in [file.path.as_bytes(), &file.bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
