//! `cargo xtask peers`: installs the parsers in other languages that are compared, from the lock files beside the sources
//! of their workers, and hands all else to the program that knows them.

use crate::process::{SMALL_BYTES_MAX, SOURCE_BYTES_MAX, find, read, read_text, run, say, state};
use crate::setup::{self, Mode};
use crate::{EXIT_NOT_JUDGED, forward, guests};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Commands of the program, with what they do.
pub const COMMANDS: &[(&str, &str)] = &[
    ("list", "Peers with their versions, and what is missing where one cannot be asked"),
    ("ask", "What a peer makes of a file"),
    ("bench", "Inputs per second of every worker, one by one and pipelined"),
    ("score", "Agreement of every peer with the verdicts of published files"),
];

/// A download, or a compilation of generated code on a slow machine, that takes longer than this has failed.
const LIMIT: Duration = Duration::from_secs(20 * 60);
const MAVEN_COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// What runs peers.
struct Runtime {
    name: &'static str,
    /// Programs that it needs.
    programs: &'static [&'static str],
    /// Debian packages with them.
    packages: &'static [&'static str],
    /// Sources whose change makes what was installed old; with other changes it is kept.
    locks: &'static [&'static str],
    /// What is there once it is installed.
    product: &'static str,
    /// Installs what the locks name.
    fetch: fn(&Site) -> Result<()>,
    /// Compiles the workers.
    compile: fn(&Site) -> Result<()>,
}

const RUNTIMES: &[Runtime] = &[
    Runtime {
        name: "node",
        programs: &["node", "npm"],
        packages: &["nodejs", "npm"],
        locks: &["package.json", "package-lock.json"],
        product: "node_modules",
        fetch: fetch_node,
        compile: |_| Ok(()),
    },
    Runtime {
        name: "python",
        programs: &["python3"],
        packages: &["python3", "python3-venv"],
        locks: &["requirements.txt"],
        product: "venv",
        fetch: fetch_python,
        compile: |_| Ok(()),
    },
    Runtime {
        name: "java",
        programs: &["java", "javac", "mvn", "sha256sum"],
        packages: &["default-jdk-headless", "maven", "coreutils"],
        locks: &["pom.xml", "jars.sha256"],
        product: "jars",
        fetch: fetch_java,
        compile: compile_java,
    },
    Runtime {
        name: "go",
        programs: &["go"],
        packages: &["golang-go"],
        locks: &["go.mod", "go.sum"],
        product: "worker",
        fetch: |_| Ok(()),
        compile: compile_go,
    },
];

/// Where one runtime's peers are installed.
struct Site<'a> {
    root: &'a Path,
    runtime: &'static Runtime,
    folder: PathBuf,
    /// The sources as they are now; under this name until all is well.
    src: PathBuf,
}

/// Rust peers whose library takes minutes to compile: built only for who names them. Word and module.
const ON_DEMAND: &[(&str, &str)] = &[("fhir-model-r4b", "peers-fhir-model"), ("fhir-model-r5", "peers-fhir-model-r5")];
/// The word for all of them.
const FHIR_MODEL: &str = "fhir-model";

/// What can be installed by name: runtimes, and modules that are built on demand.
pub fn names() -> Vec<&'static str> {
    RUNTIMES.iter().map(|runtime| runtime.name).chain([FHIR_MODEL]).collect()
}

/// The modules that the words of a command name.
pub fn on_demand(words: &[OsString]) -> Vec<String> {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let parts: Vec<&str> = words.iter().flat_map(|word| word.split([',', '='])).collect();
    let is_named = |name: &str| parts.iter().any(|part| *part == name || *part == FHIR_MODEL);
    ON_DEMAND.iter().filter(|(name, _)| is_named(name)).map(|(_, module)| (*module).to_owned()).collect()
}

/// `cargo xtask peers setup`.
pub fn setup(root: &Path, names: &[String], mode: Mode) -> Result<u8> {
    let mut lacking = 0;
    let modules = on_demand(&names.iter().map(OsString::from).collect::<Vec<_>>());
    if !modules.is_empty() {
        lacking += guests::build(root, &modules)?.missing.len();
    }
    for runtime in RUNTIMES.iter().filter(|runtime| names.is_empty() || names.iter().any(|name| name == runtime.name)) {
        match install(root, runtime.name, mode) {
            Ok(()) => say("peers", &format!("{}: ready", runtime.name)),
            Err(error) => {
                lacking += 1;
                say("peers", &format!("{}: NOT INSTALLED: {error:#}", runtime.name));
            }
        }
    }
    Ok(if lacking == 0 { 0 } else { EXIT_NOT_JUDGED })
}

/// Commands that need to know the peers.
pub fn forward(root: &Path, name: &str, words: &[OsString]) -> Result<u8> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(["run", "--release", "--quiet", "--package", "autoclave-formats", "--bin", "peers"]);
    forward::become_program(command.arg("--").arg(name).args(words))
}

/// Installs the peers of a runtime, unless they are there as the sources say. Only [`Mode::Install`] installs a runtime.
pub fn install(root: &Path, name: &str, mode: Mode) -> Result<()> {
    let runtime = RUNTIMES.iter().find(|runtime| runtime.name == name).with_context(|| format!("no runtime {name}"))?;
    let sources = root.join("harness/formats/peers").join(name);
    let folder = std::env::var_os("AUTOCLAVE_PEERS").map_or_else(|| state(root, &["peers"]), PathBuf::from).join(name);
    let installed = folder.join("src");
    let is_same = |file: &str| {
        let [ours, theirs] = [&sources, &installed].map(|folder| read(&folder.join(file), SOURCE_BYTES_MAX));
        // What cannot be read is never the same.
        ours.is_ok_and(|ours| theirs.is_ok_and(|theirs| ours == theirs))
    };
    let has_product = folder.join(runtime.product).exists();
    let files = file_names(&sources)?;
    if has_product && installed.is_dir() && files == file_names(&installed)? && files.iter().all(|file| is_same(file)) {
        return Ok(());
    }
    let missing: Vec<&str> = runtime.programs.iter().copied().filter(|name| find(&[name]).is_none()).collect();
    if !missing.is_empty() {
        let remedy = format!("apt-get install --no-install-recommends {}", runtime.packages.join(" "));
        if mode != Mode::Install {
            bail!(
                "{} is missing; install it with: {remedy}, or with: cargo xtask peers setup {name} --install",
                missing.join(", ")
            );
        }
        setup::apt_install(root, &remedy, runtime.packages)?;
    }
    let src = folder.join("src.new");
    if src.exists() {
        fs::remove_dir_all(&src)?;
    }
    fs::create_dir_all(&src).with_context(|| src.display().to_string())?;
    for file in &files {
        fs::copy(sources.join(file), src.join(file)).with_context(|| file.clone())?;
    }
    let site = Site { root, runtime, folder, src };
    say("peers", &format!("installing {name}"));
    if !has_product || !runtime.locks.iter().all(|file| is_same(file)) {
        (runtime.fetch)(&site)?;
    }
    (runtime.compile)(&site)?;
    if installed.exists() {
        fs::remove_dir_all(&installed)?;
    }
    fs::rename(&site.src, &installed).with_context(|| installed.display().to_string())
}

/// Files of a folder, in order.
fn file_names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let mut names: Vec<String> = files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

impl Site<'_> {
    fn run(&self, step: &str, command: &mut Command) -> Result<()> {
        let log = state(self.root, &["logs", &format!("peers-{}-{step}.log", self.runtime.name)]);
        run(command.env_remove("NODE_OPTIONS"), &log, LIMIT)
    }

    /// An empty folder, which takes another's place when it is full.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn replace(&self, new: &Path, name: &str) -> Result<()> {
        let old = self.folder.join(name);
        if old.is_dir() {
            fs::remove_dir_all(&old)?;
        }
        fs::rename(new, &old).with_context(|| old.display().to_string())
    }
}

/// Scripts of packages are not run: none of these needs one.
fn fetch_node(site: &Site) -> Result<()> {
    for file in site.runtime.locks {
        fs::copy(site.src.join(file), site.folder.join(file))?;
    }
    let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    site.run("npm", Command::new("npm").current_dir(&site.folder).args(words))
}

fn fetch_python(site: &Site) -> Result<()> {
    let venv = site.fresh("venv")?;
    site.run("venv", Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let words =
        ["-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:", "-r"];
    let mut pip = Command::new(venv.join("bin/python"));
    let result = site.run("pip", pip.args(words).arg(site.src.join("requirements.txt")));
    if result.is_err() {
        fs::remove_dir_all(&venv)?;
    }
    result
}

/// Maven finds the jars; which bytes they are is ours to say.
fn fetch_java(site: &Site) -> Result<()> {
    let jars = site.fresh("jars.new")?;
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--quiet", "--file"]).arg(site.src.join("pom.xml"));
    maven.args([MAVEN_COPY, "-DincludeScope=runtime"]).arg(format!("-DoutputDirectory={}", jars.display()));
    site.run("maven", &mut maven)?;
    let sums = site.src.join("jars.sha256");
    let mut check = Command::new("sha256sum");
    site.run("sha256", check.current_dir(&jars).args(["--check", "--strict", "--quiet"]).arg(&sums))?;
    let (listed, found) = (read_text(&sums, SMALL_BYTES_MAX)?.lines().count(), file_names(&jars)?.len());
    if listed != found {
        bail!("{found} jars and {listed} lines in jars.sha256");
    }
    site.replace(&jars, "jars")
}

fn compile_java(site: &Site) -> Result<()> {
    let classes = site.fresh("classes.new")?;
    let files = file_names(&site.src)?.into_iter().filter(|file| file.ends_with(".java"));
    let mut javac = Command::new("javac");
    javac.arg("-cp").arg(site.folder.join("jars/*")).arg("-d").arg(&classes);
    site.run("javac", javac.args(files.map(|file| site.src.join(file))))?;
    site.replace(&classes, "classes")
}

fn compile_go(site: &Site) -> Result<()> {
    let new = site.folder.join("worker.new");
    let mut go = Command::new("go");
    go.current_dir(&site.src).env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly");
    site.run("build", go.args(["build", "-trimpath", "-buildvcs=false", "-o"]).arg(&new).arg("."))?;
    site.replace(&new, "worker")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;

    #[test]
    fn every_runtime_has_its_sources_and_locks() {
        let folder = process::root().join("harness/formats/peers");
        let mut found: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        found.sort();
        let mut names: Vec<&str> = RUNTIMES.iter().map(|runtime| runtime.name).collect();
        names.sort_unstable();
        assert_eq!(found, names);
        for runtime in RUNTIMES {
            let files = file_names(&folder.join(runtime.name)).unwrap();
            let missing: Vec<_> = runtime.locks.iter().filter(|lock| !files.iter().any(|file| file == *lock)).collect();
            assert!(missing.is_empty(), "{}: {missing:?}", runtime.name);
        }
    }

    #[test]
    fn slow_modules_are_built_for_who_names_them() {
        let check = |words: &[&str], expected: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(on_demand(&words), expected, "{words:?}");
        };
        check(&["fhir-json", "--peers", "rust,node"], &[]);
        check(&["fhir-json", "--peers=fhir-model"], &["peers-fhir-model", "peers-fhir-model-r5"]);
        check(&["fhir-json", "--peers", "rust,fhir-model-r5"], &["peers-fhir-model-r5"]);
        let guests = crate::manifest::guests(&process::root()).unwrap();
        let marked: Vec<&str> =
            guests.iter().filter(|guest| guest.build.on_demand).map(|guest| guest.name.as_str()).collect();
        assert_eq!(marked, ON_DEMAND.iter().map(|(_, module)| *module).collect::<Vec<_>>());
    }

    #[test]
    fn versions_are_exact() {
        let folder = process::root().join("harness/formats/peers");
        let npm = fs::read_to_string(folder.join("node/package.json")).unwrap();
        let pip = fs::read_to_string(folder.join("python/requirements.txt")).unwrap();
        let (_, wanted) = npm.split_once("\"dependencies\"").unwrap();
        assert!(!wanted.contains(['^', '~', '*', '>']), "{wanted}");
        let packages: Vec<&str> = pip.lines().filter(|line| !line.starts_with([' ', '#'])).collect();
        assert!(packages.len() > 5 && packages.iter().all(|line| line.contains("==")), "{packages:?}");
        assert!(pip.matches("--hash=sha256:").count() >= packages.len());
    }
}
