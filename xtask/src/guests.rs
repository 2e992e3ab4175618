//! Builds what is under test: one module per folder in `targets/`, again only when its sources, flags or toolchain
//! changed. `targets/README.md` documents the same commands for doing it by hand.
//!
//! `.autoclave/build/NAME/` then holds either `module.wasm` with `build.json` (how it was made), or `not-built.txt`
//! with the reason: never an old module beside new sources.

mod package;
mod rebuild;
mod tests_on_wasm;

pub use rebuild::rebuild;

use crate::EXIT_NOT_JUDGED;
use crate::fingerprint::Fingerprint;
use crate::manifest::{self, Guest, Kind};
use crate::process::{self, SMALL_BYTES_MAX, read, read_text, run, say, shown, state, write_whole};
use crate::setup::{self, Found, Machine, Mode, Tool};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Changes when the commands below change, so that every guest is built again.
const RECIPE: &str = "2";
/// A guest that takes longer to build is broken.
const BUILD_LIMIT: Duration = Duration::from_secs(1500);
const RUST_TARGET: &str = "wasm32-unknown-unknown";

/// What became of the targets.
#[derive(Debug, Default)]
pub struct Summary {
    /// Built just now, with the seconds it took.
    pub built: Vec<String>,
    /// Nothing to do.
    pub unchanged: usize,
    /// Not built; each says why.
    pub missing: Vec<String>,
}

/// `cargo xtask build`.
pub fn command(root: &Path, names: &[String]) -> Result<u8> {
    let summary = build(root, names)?;
    let counts = (summary.built.len(), summary.unchanged, summary.missing.len());
    say("build", &format!("{} built, {} up to date, {} not built", counts.0, counts.1, counts.2));
    Ok(if summary.missing.is_empty() { 0 } else { EXIT_NOT_JUDGED })
}

/// Builds the named targets, or all but those that are built on demand. A target that cannot be built is reported, not an error: the others go on.
pub fn build(root: &Path, names: &[String]) -> Result<Summary> {
    let mut guests = manifest::guests(root)?;
    if let Some(unknown) = names.iter().find(|name| !guests.iter().any(|guest| guest.name == **name)) {
        let known: Vec<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
        bail!("there is no target `{unknown}`; there are: {}", known.join(", "));
    }
    guests.retain(|guest| if names.is_empty() { !guest.build.on_demand } else { names.contains(&guest.name) });
    let wanted: BTreeSet<Tool> = guests.iter().flat_map(|guest| setup::needs(guest.build.kind)).copied().collect();
    let machine = setup::ready(root, &wanted, Mode::Implicit)?;
    let _one_at_a_time = lock(root)?;
    let mut summary = Summary::default();
    let mut reasons: Vec<(String, String)> = Vec::new();
    for guest in guests.iter().filter(|guest| guest.build.kind.is_built()) {
        let start = Instant::now();
        match (Site { root, machine: &machine, guest }).build() {
            Ok(Done::Built) => {
                say(
                    "build",
                    &format!("{} ({}, {:.1} s)", guest.name, guest.build.kind.name(), start.elapsed().as_secs_f32()),
                );
                summary.built.push(guest.name.clone());
            }
            Ok(Done::Unchanged) => summary.unchanged += 1,
            Err(error) => {
                let reason = format!("{error:#}");
                let said = reasons.iter().find(|(_, earlier)| *earlier == reason);
                let text = said.map_or_else(|| reason.clone(), |(name, _)| format!("for the same reason as {name}"));
                say("build", &format!("{} is NOT BUILT: {text}", guest.name));
                give_up(root, guest, &reason)?;
                reasons.push((guest.name.clone(), reason));
                summary.missing.push(guest.name.clone());
            }
        }
    }
    Ok(summary)
}

/// The wasm-bindgen guests' own tests, on wasm32 in Node, in a window and in a worker of Chromium. Returns lines worth
/// showing.
pub fn test(root: &Path) -> Result<Vec<String>> {
    let wanted = [Tool::RustWasm, Tool::Node, Tool::Browser, Tool::Driver];
    let machine = setup::ready(root, &wanted.into(), Mode::Implicit)?;
    for tool in wanted {
        machine.tool(tool).map_err(|reason| anyhow!(reason))?;
    }
    let mut guests = manifest::guests(root)?;
    guests.retain(|guest| guest.build.kind == Kind::WasmBindgen);
    // What their callers import is tested as well.
    let names: Vec<String> = guests.iter().map(|guest| guest.name.clone()).collect();
    let missing = build(root, &names)?.missing;
    if !missing.is_empty() {
        bail!("not built: {}", missing.join(", "));
    }
    let mut lines = Vec::new();
    for guest in &guests {
        lines.extend(Site { root, machine: &machine, guest }.test()?);
    }
    Ok(lines)
}

/// Two builds at once would write the same files; the second one waits.
fn lock(root: &Path) -> Result<fs::File> {
    let path = state(root, &["build.lock"]);
    fs::create_dir_all(state(root, &[]))?;
    let file = fs::File::create(&path).with_context(|| path.display().to_string())?;
    if file.try_lock().is_err() {
        say("build", "waiting for another build to finish");
        file.lock()?;
    }
    Ok(file)
}

/// An old module must not be taken for the new sources.
fn give_up(root: &Path, guest: &Guest, reason: &str) -> Result<()> {
    let folder = state(root, &["build", &guest.name]);
    for name in ["fingerprint", "module.wasm", "build.json"] {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context(name),
            _ => {}
        }
    }
    package::remove(&folder.join("pkg"))?;
    write_whole(&folder.join("not-built.txt"), format!("{reason}\n").as_bytes())
}

enum Done {
    Built,
    Unchanged,
}

/// One target on this machine.
struct Site<'a> {
    root: &'a Path,
    machine: &'a Machine,
    guest: &'a Guest,
}

/// Most that a built module may have, debug information included. Bytes.
const MODULE_BYTES_MAX: u64 = 1 << 30;

/// A finished module, before it is put in its place.
struct Made {
    module: PathBuf,
    commands: Vec<String>,
    /// Path prefixes in the module's line tables, and where those sources are.
    sources: Vec<(String, PathBuf)>,
    /// What JavaScript imports, where the target has that.
    package: Option<PathBuf>,
}

impl Site<'_> {
    fn build(&self) -> Result<Done> {
        let folder = state(self.root, &["build", &self.guest.name]);
        let sources = self.sources_hash()?;
        let known = read_text(&folder.join("fingerprint"), SMALL_BYTES_MAX).unwrap_or_default();
        let mut known = known.lines();
        let same_sources = known.next() == Some(sources.as_str())
            && folder.join("module.wasm").is_file()
            && folder.join("pkg").is_dir() == self.has_package();
        let tools = match self.tools() {
            Ok(tools) => tools,
            // The module was made from these very sources, only with a toolchain that is gone now.
            Err(_) if same_sources => return Ok(Done::Unchanged),
            Err(reason) => bail!("{reason}"),
        };
        let toolchain = toolchain_line(&tools);
        if same_sources && known.next() == Some(toolchain.as_str()) {
            return Ok(Done::Unchanged);
        }
        fs::create_dir_all(&folder)?;
        let made = self.make(&tools)?;
        let wasm = read(&made.module, MODULE_BYTES_MAX)?;
        write_whole(&folder.join("module.wasm"), &wasm)?;
        self.publish(made.package.as_deref())?;
        write_whole(&folder.join("build.json"), self.build_json(&tools, &sources, &made).as_bytes())?;
        match fs::remove_file(folder.join("not-built.txt")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        // Last, so that an interrupted build is done again.
        write_whole(&folder.join("fingerprint"), format!("{sources}\n{toolchain}\n").as_bytes())?;
        Ok(Done::Built)
    }

    fn tools(&self) -> Result<Vec<&Found>, String> {
        setup::needs(self.guest.build.kind).iter().map(|tool| self.machine.tool(*tool)).collect()
    }

    /// The folder whose sources are built: its own, or the one that `from` names.
    fn source_folder(&self) -> PathBuf {
        self.guest.build.from.as_ref().map_or_else(|| self.guest.folder.clone(), |name| self.targets().join(name))
    }

    fn targets(&self) -> PathBuf {
        self.root.join("targets")
    }

    /// Everything that the module is made from, except the toolchain.
    fn sources_hash(&self) -> Result<String> {
        let mut print = Fingerprint::new();
        print.word(RECIPE.as_bytes());
        print.folder(&self.guest.folder)?;
        if self.guest.build.from.is_some() {
            print.folder(&self.source_folder())?;
        }
        if self.guest.build.kind == Kind::WasmBindgen && self.has_package() {
            print.folder(&self.targets().join("bindgen-tools"))?;
        }
        if matches!(self.guest.build.kind, Kind::Cargo | Kind::WasmBindgen | Kind::Component | Kind::Clang) {
            print.file(&self.targets().join("Cargo.toml"))?;
            print.file(&self.targets().join("Cargo.lock"))?;
            for folder in helper_folders(&self.targets())? {
                print.folder(&folder)?;
            }
            for package in self.house_packages()? {
                print.file(&package.join("Cargo.toml"))?;
                for part in ["src", "definitions"] {
                    let part = package.join(part);
                    if part.is_dir() {
                        print.folder(&part)?;
                    }
                }
            }
        }
        Ok(print.hex())
    }

    /// Packages outside of `targets` that the guest is compiled with: its path dependencies that lead there.
    fn house_packages(&self) -> Result<Vec<PathBuf>> {
        let path = self.source_folder().join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&path) else { return Ok(Vec::new()) };
        let manifest: toml::Table = text.parse().with_context(|| path.display().to_string())?;
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flatten();
        let paths = dependencies.filter_map(|(_, wanted)| wanted.get("path")?.as_str());
        Ok(paths.filter(|path| path.starts_with("../../")).map(|path| self.source_folder().join(path)).collect())
    }

    fn make(&self, tools: &[&Found]) -> Result<Made> {
        let [tool, ..] = tools else { bail!("a kind that is built needs a tool") };
        match self.guest.build.kind {
            Kind::Cargo => self.make_rust(tool),
            Kind::WasmBindgen => {
                let mut made = self.make_rust(tool)?;
                if self.has_package() {
                    self.make_glue(&mut made)?;
                }
                Ok(made)
            }
            Kind::Component => {
                let core = self.make_rust(tool)?;
                self.wrap_component(core)
            }
            Kind::Clang => self.make_c(tool),
            Kind::Assemblyscript => {
                let mut made = self.make_assemblyscript(tool)?;
                if self.has_package() {
                    self.make_bindings(tool, &mut made)?;
                }
                Ok(made)
            }
            Kind::Npm => self.fetch_package(tool),
            Kind::Prebuilt | Kind::Wat => bail!("nothing is built for this kind"),
        }
    }

    fn make_rust(&self, rust: &Found) -> Result<Made> {
        let (package, library) = self.package()?;
        let manifest = self.targets().join("Cargo.toml");
        // Fetched first, so that the registry's folders are there when their names are mapped.
        let mut fetch = self.guest_cargo(rust);
        fetch.args(["fetch", "--quiet", "--manifest-path"]).arg(&manifest);
        run(&mut fetch, &state(self.root, &["logs", "guests-fetch.log"]), BUILD_LIMIT)?;
        let sources = source_map(self.root)?;
        let target = state(self.root, &["guests", &rust.way]);
        let mut build = self.guest_cargo(rust);
        build.arg("build");
        if rust.way == "build-std" {
            build.arg("-Zbuild-std=std,panic_abort");
        }
        build.args(["--release", "--target", RUST_TARGET, "--package", &package]);
        if self.guest.build.on_demand {
            // Two such compilations at once would take twice the memory.
            build.args(["--jobs", "1"]);
        }
        if !self.guest.build.features.is_empty() {
            build.arg("--features").arg(self.guest.build.features.join(","));
        }
        build.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(&target);
        let flag = |(name, folder): &(String, PathBuf)| format!("--remap-path-prefix={}={name}", folder.display());
        let flags = toml::Value::Array(sources.iter().map(|pair| toml::Value::String(flag(pair))).collect());
        build.arg("--config").arg(format!("build.rustflags={flags}"));
        run(&mut build, &self.log("cargo"), BUILD_LIMIT)?;
        let module = target.join(RUST_TARGET).join("release").join(format!("{library}.wasm"));
        Ok(Made { module, commands: vec![shown(&build)], sources, package: None })
    }

    /// Cargo for guests: the user's own flags for native code must not reach them.
    fn guest_cargo(&self, rust: &Found) -> Command {
        let mut command = Command::new(rust.programs.first().map_or(Path::new("cargo"), PathBuf::as_path));
        command.current_dir(self.targets());
        for name in ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "RUSTC", "CARGO"] {
            command.env_remove(name);
        }
        if let ("build-std", [_, rustc, linker]) = (rust.way.as_str(), rust.programs.as_slice()) {
            command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command
    }

    /// The package's name and its library's.
    fn package(&self) -> Result<(String, String)> {
        let file = self.source_folder().join("Cargo.toml");
        let text = read_text(&file, SMALL_BYTES_MAX)?;
        let table: toml::Table = toml::from_str(&text).with_context(|| file.display().to_string())?;
        let name = |key: &str| Some(table.get(key)?.get("name")?.as_str()?.to_owned());
        let package = name("package").with_context(|| format!("{}: no package.name", file.display()))?;
        let library = name("lib").unwrap_or_else(|| package.replace('-', "_"));
        Ok((package, library))
    }

    fn wrap_component(&self, core: Made) -> Result<Made> {
        let module = state(self.root, &["build", &self.guest.name, ".component.wasm"]);
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Without optimisation: it runs for milliseconds and would be compiled for minutes.
        command.args(["run", "--quiet", "--locked", "--manifest-path"]);
        command.arg(self.targets().join("componentize/Cargo.toml"));
        command.arg("--target-dir").arg(state(self.root, &["guests", "componentize"]));
        command.arg("--").arg(&core.module).arg(&module);
        run(&mut command, &self.log("componentize"), BUILD_LIMIT)?;
        Ok(Made { module, commands: [core.commands, vec![shown(&command)]].concat(), ..core })
    }

    fn make_c(&self, tool: &Found) -> Result<Made> {
        let [clang, linker] = tool.programs.as_slice() else { bail!("clang needs a linker") };
        let (build, folder) = (&self.guest.build, self.source_folder());
        let package = build.package.as_deref().map(|package| self.package_folder(package)).transpose()?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let fill = |flag: &String| -> Result<String> {
            let flag = flag.replace("{folder}", &text(&folder));
            match &package {
                Some(package) => Ok(flag.replace("{package}", &text(package))),
                None if flag.contains("{package}") => bail!("`{flag}`: there is no `package` in [build]"),
                None => Ok(flag),
            }
        };
        let objects = state(self.root, &["build", &self.guest.name, "objects"]);
        if objects.exists() {
            fs::remove_dir_all(&objects)?;
        }
        fs::create_dir_all(&objects)?;
        if build.sources.is_empty() {
            bail!("`sources` in [build] is empty");
        }
        let sources = source_map(self.root)?;
        let mut commands = Vec::new();
        let mut compiled = Vec::new();
        for (at, source) in build.sources.iter().enumerate() {
            let object = objects.join(format!("{at}.o"));
            let mut compile = setup::clang_command(clang);
            compile.current_dir(&folder).args(["-O2", "-g"]);
            // The mapped names are no longer absolute: a reader would put them behind the folder of this compilation.
            compile.arg("-fdebug-compilation-dir=.");
            for (name, folder) in &sources {
                compile.arg(format!("-ffile-prefix-map={}={name}", folder.display()));
            }
            for flag in &build.flags {
                compile.arg(fill(flag)?);
            }
            compile.arg("-c").arg(folder.join(fill(source)?)).arg("-o").arg(&object);
            run(&mut compile, &self.log("clang"), BUILD_LIMIT)?;
            commands.push(shown(&compile));
            compiled.push(object);
        }
        let module = objects.join("module.wasm");
        let mut link = setup::clang_command(clang);
        link.arg(format!("-fuse-ld={}", linker.display()))
            .args(self.link_flags())
            .args(&compiled)
            .arg("-o")
            .arg(&module);
        run(&mut link, &self.log("link"), BUILD_LIMIT)?;
        commands.push(shown(&link));
        Ok(Made { module, commands, sources, package: None })
    }

    /// A command exports its `_start`; a library exports only what it is told to.
    fn link_flags(&self) -> Vec<String> {
        let mut flags = ["-Wl,--stack-first", "-Wl,-z,stack-size=1048576"].map(str::to_owned).to_vec();
        if self.guest.abi.as_deref() == Some("wasi") {
            flags.push("-mexec-model=command".to_owned());
            return flags;
        }
        flags.push("-mexec-model=reactor".to_owned());
        let fallback = ["LLVMFuzzerTestOneInput".to_owned()];
        let entries = if self.guest.entries.is_empty() { fallback.as_slice() } else { self.guest.entries.as_slice() };
        let names = ["malloc", "free"].into_iter().chain(entries.iter().map(String::as_str));
        flags.extend(names.map(|name| format!("-Wl,--export={name}")));
        flags
    }

    /// Where cargo keeps a package's sources: it fetches and verifies them, because `targets/c-sources` depends on it.
    fn package_folder(&self, package: &str) -> Result<PathBuf> {
        let (name, version) = package.split_once('@').with_context(|| format!("`{package}` is not NAME@VERSION"))?;
        let cargo = process::find(&["cargo"]).context("cargo is not on the search path")?;
        let manifest = self.targets().join("Cargo.toml");
        let manifest = manifest.to_string_lossy();
        let words = ["metadata", "--locked", "--format-version", "1", "--manifest-path", &manifest];
        let metadata = process::output(&cargo, &words)
            .with_context(|| format!("`cargo {}` failed; run it to see why", words.join(" ")))?;
        let end = format!("/{name}-{version}/Cargo.toml");
        let paths = metadata.split(r#""manifest_path":""#).skip(1).filter_map(|rest| rest.split('"').next());
        let path = paths.into_iter().find(|path| path.ends_with(&end));
        let path = path.with_context(|| format!("{package} is not among the dependencies of targets/c-sources"))?;
        Path::new(path).parent().map(Path::to_owned).context("a manifest has a folder")
    }

    fn make_assemblyscript(&self, node: &Found) -> Result<Made> {
        let [node, npm] = node.programs.as_slice() else { bail!("node comes with npm") };
        let folder = self.source_folder();
        let mut install = Command::new(npm);
        install.current_dir(&folder).args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
        run(&mut install, &self.log("npm"), BUILD_LIMIT)?;
        let module = state(self.root, &["build", &self.guest.name, ".module.wasm"]);
        let mut compile = Command::new(node);
        compile.current_dir(&folder).arg("node_modules/assemblyscript/bin/asc.js");
        compile.args(["--config", "asconfig.json", "--target", "release", "--outFile"]).arg(&module);
        run(&mut compile, &self.log("asc"), BUILD_LIMIT)?;
        Ok(Made { module, commands: vec![shown(&install), shown(&compile)], sources: Vec::new(), package: None })
    }

    fn log(&self, step: &str) -> PathBuf {
        self.log_folder().join(format!("{step}.log"))
    }

    fn log_folder(&self) -> PathBuf {
        state(self.root, &["build", &self.guest.name])
    }

    /// How the module was made, for the report and for doing it again.
    fn build_json(&self, tools: &[&Found], sources: &str, made: &Made) -> String {
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        let programs = tools.iter().flat_map(|tool| &tool.programs).map(|program| json(&program.to_string_lossy()));
        let map =
            made.sources.iter().map(|(name, folder)| format!("{}: {}", json(name), json(&folder.to_string_lossy())));
        let fields = [
            ("target", json(&self.guest.name)),
            ("kind", json(self.guest.build.kind.name())),
            ("toolchain", json(&tools.iter().map(|tool| tool.way.as_str()).collect::<Vec<_>>().join(" + "))),
            ("versions", list(tools.iter().map(|tool| json(&tool.version)).collect())),
            ("programs", list(programs.collect())),
            ("commands", list(made.commands.iter().map(|command| json(command)).collect())),
            ("source_hash", json(sources)),
            ("source_map", list(map.collect())),
        ];
        let lines: Vec<String> = fields.iter().map(|(key, value)| format!("  {}: {value}", json(key))).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }
}

/// One line that changes when the toolchain does.
fn toolchain_line(tools: &[&Found]) -> String {
    tools.iter().map(|tool| format!("{} {}", tool.way, tool.version)).collect::<Vec<_>>().join("; ")
}

/// Packages beside the targets that no guest is made of.
const APART: [&str; 2] = ["bindgen-tools", "native"];

/// Folders that are no targets themselves but parts of them, such as the library that Rust guests share.
fn helper_folders(targets: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(targets)? {
        let path = entry?.path();
        let apart = APART.iter().any(|name| path.ends_with(name));
        if !apart && path.join("Cargo.toml").is_file() && !path.join("target.toml").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Names that stand for folders in line tables and panic messages, so that modules name no machine and are the same
/// on every one. Later ones win.
fn source_map(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut map =
        vec![("targets".to_owned(), root.join("targets")), ("std".to_owned(), "/usr/lib/rustlib/src/rust".into())];
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("no home folder")?;
    let sources = home.join("registry/src");
    if let Ok(entries) = fs::read_dir(&sources) {
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        map.extend(folders.into_iter().map(|folder| ("registry".to_owned(), folder)));
    }
    Ok(map)
}

/// A JSON string.
fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_strings_are_escaped() {
        assert_eq!(json("a\"b\\c\n"), r#""a\"b\\c\u000a""#);
    }

    #[test]
    fn a_missing_tool_leaves_a_reason_and_no_old_module() {
        let root = std::env::temp_dir().join(format!("autoclave-guests-{}", std::process::id()));
        let (source, built) = (root.join("targets/x"), root.join(".autoclave/build/x"));
        fs::create_dir_all(&source).unwrap();
        fs::create_dir_all(&built).unwrap();
        fs::write(source.join("target.toml"), "[build]\nkind = 'assemblyscript'\n").unwrap();
        let guest = manifest::guests(&root).unwrap().remove(0);
        let machine = Machine::default();
        let site = Site { root: &root, machine: &machine, guest: &guest };

        // Made from these sources when the tool was there: still right.
        fs::write(built.join("module.wasm"), "wasm").unwrap();
        fs::write(built.join("fingerprint"), site.sources_hash().unwrap()).unwrap();
        assert!(matches!(site.build(), Ok(Done::Unchanged)));

        fs::write(source.join("index.ts"), "changed").unwrap();
        let reason = site.build().err().unwrap().to_string();
        assert!(reason.contains("node and npm is missing") && reason.contains("apt-get install"), "{reason}");
        give_up(&root, &guest, &reason).unwrap();
        assert!(!built.join("module.wasm").exists() && !built.join("fingerprint").exists());
        assert!(fs::read_to_string(built.join("not-built.txt")).unwrap().contains("apt-get install"));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn commands_and_libraries_are_linked_differently() {
        let machine = Machine::default();
        let check = |abi: Option<&str>, entries: &[&str], expected: &str| {
            let guest = Guest {
                name: "x".into(),
                folder: "x".into(),
                build: manifest::Build { kind: Kind::Clang, ..Default::default() },
                abi: abi.map(str::to_owned),
                entries: entries.iter().map(|name| (*name).to_owned()).collect(),
            };
            let flags = Site { root: Path::new("/"), machine: &machine, guest: &guest }.link_flags();
            assert_eq!(flags[2..].join(" "), expected);
        };
        check(Some("wasi"), &[], "-mexec-model=command");
        let library = "-mexec-model=reactor -Wl,--export=malloc -Wl,--export=free";
        check(None, &[], &format!("{library} -Wl,--export=LLVMFuzzerTestOneInput"));
        check(None, &["a", "b"], &format!("{library} -Wl,--export=a -Wl,--export=b"));
    }
}
