//! The `[build]` table of `target.toml`, and which folders in `targets/` there are. The harness reads the same table
//! (`harness/src/target.rs`) and judges the keys around it.

use crate::process::{SMALL_BYTES_MAX, read_text};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A folder in `targets/`.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// How its module is made.
    pub build: Build,
    /// How bytes get in, where the manifest says so; `wasi` makes a C program a command.
    pub abi: Option<String>,
    /// Exports to fuzz, where the manifest names them; C exports nothing by itself.
    pub entries: Vec<String>,
}

/// How a module is made. Unknown keys are errors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Build {
    /// Toolchain.
    pub kind: Kind,
    /// `prebuilt`, `wat`: file name in the target's folder; `npm`: the module in the package.
    pub file: Option<String>,
    /// `cargo`, `wasm-bindgen`: cargo features.
    pub features: Vec<String>,
    /// `clang`: source files; a leading `{package}/` means the source tree of [`Build::package`].
    pub sources: Vec<String>,
    /// `clang`: more flags; `{package}` and `{folder}` become the source tree and the target's folder.
    pub flags: Vec<String>,
    /// `clang`: crates.io package whose sources are used, `name@version`; `npm`: the package.
    pub package: Option<String>,
    /// `npm`: hash of the package, as `package-lock.json` has it: `sha512-…`.
    pub integrity: Option<String>,
    /// `clang`, `cargo`: another target's folder whose source is built with this target's flags and features.
    pub from: Option<String>,
    /// `wasm-bindgen`, `assemblyscript`: environments that glue is made for.
    pub glue: Vec<Glue>,
    /// `wasm-bindgen`: more flags for the `wasm-bindgen` command.
    pub glue_flags: Vec<String>,
    /// It takes so long that only who names it builds it.
    pub on_demand: bool,
}

/// Environments that compilers make glue for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Glue {
    /// CommonJS that reads the module from its folder.
    Nodejs,
    /// An ES module that fetches the module.
    Web,
    /// An ES module that imports the module.
    Bundler,
    /// AssemblyScript's: an ES module that fetches or reads the module.
    Esm,
}

impl Glue {
    /// The word for the compiler, and the folder in `pkg`.
    pub fn name(self) -> &'static str {
        match self {
            Glue::Nodejs => "nodejs",
            Glue::Web => "web",
            Glue::Bundler => "bundler",
            Glue::Esm => "esm",
        }
    }
}

/// Toolchains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The module is there already.
    #[default]
    Prebuilt,
    /// Text format, parsed by the harness.
    Wat,
    /// Rust, `wasm32-unknown-unknown`.
    Cargo,
    /// Rust with wasm-bindgen; the module as cargo leaves it.
    WasmBindgen,
    /// Rust, then wrapped as a WASI 0.2 component.
    Component,
    /// C, `wasm32-wasi`.
    Clang,
    /// AssemblyScript.
    Assemblyscript,
    /// A package from npm, with the module that is in it.
    Npm,
}

impl Kind {
    /// The word in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Prebuilt => "prebuilt",
            Kind::Wat => "wat",
            Kind::Cargo => "cargo",
            Kind::WasmBindgen => "wasm-bindgen",
            Kind::Component => "component",
            Kind::Clang => "clang",
            Kind::Assemblyscript => "assemblyscript",
            Kind::Npm => "npm",
        }
    }

    /// Whether a toolchain is needed at all.
    pub fn is_built(self) -> bool {
        !matches!(self, Kind::Prebuilt | Kind::Wat)
    }
}

/// Every folder in `targets/` with a `target.toml`, by name.
pub fn guests(root: &Path) -> Result<Vec<Guest>> {
    let targets = root.join("targets");
    let mut found = Vec::new();
    for entry in fs::read_dir(&targets).with_context(|| targets.display().to_string())? {
        let entry = entry?;
        let manifest = entry.path().join("target.toml");
        if !manifest.is_file() {
            continue;
        }
        let name =
            entry.file_name().into_string().ok().with_context(|| format!("{}: not UTF-8", entry.path().display()))?;
        let Manifest { build, abi, entries } = read(&manifest)?;
        found.push(Guest { name, folder: entry.path(), build, abi, entries });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// What matters here of a manifest; the rest is the harness's business.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Manifest {
    build: Build,
    abi: Option<String>,
    entries: Vec<String>,
}

fn read(path: &Path) -> Result<Manifest> {
    parse(&read_text(path, SMALL_BYTES_MAX)?).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> Result<Manifest> {
    let manifest: Manifest = toml::from_str(text)?;
    for path in manifest.build.sources.iter().chain(&manifest.build.file).chain(&manifest.build.from) {
        if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
            bail!("`{path}` leaves the target's folder; write a path below it");
        }
    }
    for glue in &manifest.build.glue {
        let fits = match manifest.build.kind {
            Kind::WasmBindgen => *glue != Glue::Esm,
            Kind::Assemblyscript => *glue == Glue::Esm,
            _ => false,
        };
        if !fits {
            bail!("glue for `{}` is not made from `{}`", glue.name(), manifest.build.kind.name());
        }
    }
    if manifest.build.kind == Kind::Npm {
        npm_package(&manifest.build)?;
    }
    if let Some(name) = manifest.entries.iter().find(|name| name.contains([',', ' ']) || name.starts_with('-')) {
        bail!("`{name}` cannot be the name of an export");
    }
    Ok(manifest)
}

/// Name, version and hash of a package from npm, all of which are said.
pub fn npm_package(build: &Build) -> Result<(&str, &str, &str)> {
    let package = build.package.as_deref().unwrap_or_default();
    let (name, version) = package.rsplit_once('@').unwrap_or_default();
    let is_word =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let parts: Vec<&str> = name.strip_prefix('@').unwrap_or(name).split('/').collect();
    let is_name = parts.len() == 1 + usize::from(name.starts_with('@'))
        && parts.iter().all(|part| is_word(part) && !part.starts_with('.'));
    if !is_name || !is_word(version) || !version.starts_with(|c: char| c.is_ascii_digit()) {
        bail!("package = {package:?} is not NAME@VERSION of a package of npm");
    }
    let integrity = build.integrity.as_deref().unwrap_or_default();
    let hash = integrity.strip_prefix("sha512-").unwrap_or_default();
    if hash.len() != 88 || !hash.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)) {
        bail!(
            "integrity = {integrity:?} is not `sha512-` and 88 characters; `npm view {package} dist.integrity` says it"
        );
    }
    if build.file.is_none() {
        bail!("`file` says which module of {package} is meant");
    }
    Ok((name, version, integrity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Build, &str>) {
        match (parse(text).map(|manifest| manifest.build), expected) {
            (Ok(build), Ok(expected)) => assert_eq!(build, expected),
            (Err(error), Err(part)) => assert!(format!("{error:#}").contains(part), "{error:#}"),
            (result, expected) => panic!("{result:?} is not {expected:?}"),
        }
    }

    #[test]
    fn build_tables() {
        check("about = 'x'", Ok(Build::default()));
        let features = vec!["a".to_owned()];
        check(
            "[build]\nkind = 'cargo'\nfeatures = ['a']",
            Ok(Build { kind: Kind::Cargo, features, ..Build::default() }),
        );
        check("[build]\non_demand = true", Ok(Build { on_demand: true, ..Build::default() }));
        check("[build]\nkind = 'make'", Err("unknown variant"));
        check("[build]\nfeature = []", Err("unknown field"));
        check("[build]\nkind = 'clang'\nsources = ['../../etc/passwd']", Err("leaves the target's folder"));
        check("[build]\nkind = 'clang'\nsources = ['{package}/../y.c']", Err("leaves the target's folder"));
        check("[build]\nkind = 'wat'\nfile = '/etc/passwd'", Err("leaves the target's folder"));
        check("[build", Err("TOML parse error"));
        check("[build]\nkind = 'cargo'\nglue = ['web']", Err("not made from `cargo`"));
        check("[build]\nkind = 'wasm-bindgen'\nglue = ['esm']", Err("not made from `wasm-bindgen`"));
        check("[build]\nkind = 'wasm-bindgen'\nglue = ['deno']", Err("unknown variant"));
    }

    #[test]
    fn packages_of_npm_are_named_whole() {
        let hash = "A".repeat(88);
        let text = |package: &str, integrity: &str, file: &str| {
            format!("[build]\nkind = 'npm'\npackage = '{package}'\nintegrity = '{integrity}'\n{file}")
        };
        let good = format!("sha512-{hash}");
        for package in ["x@1.2.3", "@a/b-c.d@1.0.0-rc.1"] {
            let build = parse(&text(package, &good, "file = 'dist/x.wasm'")).unwrap().build;
            let (name, version, integrity) = npm_package(&build).unwrap();
            assert_eq!((format!("{name}@{version}"), integrity), (package.to_owned(), good.as_str()));
        }
        for package in [
            "",
            "x",
            "@a/b",
            "x@latest",
            "../x@1",
            "a/b@1",
            "@a/../b@1",
            "@a/..@1",
            "x@1 --flag",
            "file:x@1",
            "@a/b/c@1",
        ] {
            check(&text(package, &good, "file = 'x'"), Err("not NAME@VERSION"));
        }
        check(&text("x@1", &format!("sha1-{hash}"), "file = 'x'"), Err("is not `sha512-`"));
        check(&text("x@1", "sha512-AAAA", "file = 'x'"), Err("is not `sha512-`"));
        check(&text("x@1", &good, ""), Err("which module"));
        check(&text("x@1", &good, "file = '../x'"), Err("leaves the target's folder"));
    }
}
