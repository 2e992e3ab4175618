//! What JavaScript imports, `.autoclave/build/NAME/pkg`: made whole beside it, then put in its place.

use super::{BUILD_LIMIT, MODULE_BYTES_MAX, Made, Site};
use crate::manifest::{Glue, Kind, npm_package};
use crate::process::{SMALL_BYTES_MAX, read, run, say, shown, state, write_whole};
use crate::setup::Found;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folder of a target with files that are copied into its packages as they are: those in `package` itself into every
/// one, those in `package/nodejs` into that one.
const OVERLAY: &str = "package";
/// Says what else is known of a package's parameters; copied into every one.
const DECLARATION: &str = "boundary.toml";

impl Site<'_> {
    /// Whether the target has a package besides its module.
    pub(super) fn has_package(&self) -> bool {
        !self.guest.build.glue.is_empty() || self.guest.build.kind == Kind::Npm
    }

    /// Where a package is made before it is put in its place; empty.
    pub(super) fn staged(&self) -> Result<PathBuf> {
        let folder = state(self.root, &["build", &self.guest.name, ".pkg"]);
        remove(&folder)?;
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Puts the package in its place, or takes away an old one.
    pub(super) fn publish(&self, staged: Option<&Path>) -> Result<()> {
        let folder = state(self.root, &["build", &self.guest.name, "pkg"]);
        remove(&folder)?;
        staged.map_or(Ok(()), |staged| fs::rename(staged, &folder).with_context(|| folder.display().to_string()))
    }

    /// The `wasm-bindgen` command and the runner of its tests, pinned in `targets/bindgen-tools`.
    pub(super) fn bindgen_tools(&self) -> Result<PathBuf> {
        let target = state(self.root, &["guests", "bindgen-tools"]);
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Without optimisation, as with componentize.
        build.args(["build", "--locked", "--manifest-path"]).arg(self.targets().join("bindgen-tools/Cargo.toml"));
        build.arg("--target-dir").arg(&target);
        if !target.exists() {
            say("build", "building wasm-bindgen's tools (the first time takes a minute or two)");
        }
        run(&mut build, &self.log("bindgen-tools"), BUILD_LIMIT)?;
        Ok(target.join("debug/bindgen-tools"))
    }

    /// Glue for every environment that the manifest names: what `wasm-bindgen --target X` writes, and beside it what the
    /// target's own folder adds.
    pub(super) fn make_glue(&self, made: &mut Made) -> Result<()> {
        let (_, library) = self.package()?;
        let (tools, staged) = (self.bindgen_tools()?, self.staged()?);
        for glue in &self.guest.build.glue {
            let folder = staged.join(glue.name());
            let mut command = Command::new(&tools);
            command.arg("glue").arg(&made.module).args(["--target", glue.name(), "--out-name", &library, "--out-dir"]);
            command.arg(&folder).args(&self.guest.build.glue_flags);
            run(&mut command, &self.log("glue"), BUILD_LIMIT)?;
            made.commands.push(shown(&command));
            write_whole(&folder.join("package.json"), package_json(&self.guest.name, &library, *glue).as_bytes())?;
            self.overlay(&folder, glue.name())?;
        }
        made.package = Some(staged);
        Ok(())
    }

    /// AssemblyScript's own bindings, by the second configuration in the target's folder.
    pub(super) fn make_bindings(&self, node: &Found, made: &mut Made) -> Result<()> {
        let [node, ..] = node.programs.as_slice() else { bail!("node is a program") };
        let staged = self.staged()?;
        let library = self.guest.name.replace('-', "_");
        let folder = staged.join(Glue::Esm.name());
        let mut compile = Command::new(node);
        compile.current_dir(self.source_folder()).arg("node_modules/assemblyscript/bin/asc.js");
        compile.args(["--config", "asconfig.package.json", "--target", "release", "--outFile"]);
        compile.arg(folder.join(format!("{library}.wasm")));
        run(&mut compile, &self.log("asc-package"), BUILD_LIMIT)?;
        made.commands.push(shown(&compile));
        write_whole(&folder.join("package.json"), package_json(&self.guest.name, &library, Glue::Esm).as_bytes())?;
        self.overlay(&folder, Glue::Esm.name())?;
        made.package = Some(staged);
        Ok(())
    }

    /// A package from npm, and the module in it. npm checks the hash and unpacks; no script of the package runs.
    pub(super) fn fetch_package(&self, node: &Found) -> Result<Made> {
        let [_, npm] = node.programs.as_slice() else { bail!("node comes with npm") };
        let (name, version, integrity) = npm_package(&self.guest.build)?;
        let work = state(self.root, &["build", &self.guest.name, ".npm"]);
        remove(&work)?;
        let [package, lock] = npm_files(name, version, integrity);
        write_whole(&work.join("package.json"), package.as_bytes())?;
        write_whole(&work.join("package-lock.json"), lock.as_bytes())?;
        let mut install = Command::new(npm);
        install.current_dir(&work).args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
        run(&mut install, &self.log("npm"), BUILD_LIMIT)?;
        let (installed, staged) = (work.join("node_modules").join(name), self.staged()?);
        remove(&staged)?;
        fs::rename(&installed, &staged).with_context(|| format!("{name}@{version} did not arrive"))?;
        remove(&work)?;
        self.overlay(&staged, "npm")?;
        let file = self.guest.build.file.as_deref().unwrap_or_default();
        let module = staged.join(file);
        if !module.is_file() {
            bail!("{name}@{version} has no file {file}; `file` in [build] says which module is meant");
        }
        // The package is in its place before the module is read.
        let own = state(self.root, &["build", &self.guest.name, ".module.wasm"]);
        write_whole(&own, &read(&module, MODULE_BYTES_MAX)?)?;
        Ok(Made { module: own, commands: vec![shown(&install)], sources: Vec::new(), package: Some(staged) })
    }

    /// Copies what the target's own folder adds to a package.
    fn overlay(&self, folder: &Path, glue: &str) -> Result<()> {
        let own = self.source_folder();
        for from in [own.join(OVERLAY), own.join(OVERLAY).join(glue)] {
            copy_files(&from, folder)?;
        }
        copy_file(&own.join(DECLARATION), folder)
    }
}

/// A project that depends on that package alone: its manifest and its lock file.
fn npm_files(name: &str, version: &str, integrity: &str) -> [String; 2] {
    let base = name.rsplit('/').next().unwrap_or(name);
    let depends = format!("\"dependencies\": {{ \"{name}\": \"{version}\" }}");
    let package = format!("{{ \"name\": \"fetched\", \"version\": \"0.0.0\", \"private\": true, {depends} }}\n");
    let lock = format!(
        "{{ \"name\": \"fetched\", \"version\": \"0.0.0\", \"lockfileVersion\": 3, \"requires\": true, \"packages\": {{\n  \
         \"\": {{ \"name\": \"fetched\", \"version\": \"0.0.0\", {depends} }},\n  \
         \"node_modules/{name}\": {{ \"version\": \"{version}\", \"integrity\": \"{integrity}\",\n    \
         \"resolved\": \"https://registry.npmjs.org/{name}/-/{base}-{version}.tgz\" }} }} }}\n"
    );
    [package, lock]
}

/// What `wasm-pack` would write beside the glue; a file of the target's own replaces it.
fn package_json(name: &str, library: &str, glue: Glue) -> String {
    let kind = if glue == Glue::Nodejs { "commonjs" } else { "module" };
    format!(
        "{{\n  \"name\": \"{name}\",\n  \"version\": \"0.1.0\",\n  \"private\": true,\n  \"type\": \"{kind}\",\n  \
         \"main\": \"{library}.js\",\n  \"types\": \"{library}.d.ts\"\n}}\n"
    )
}

/// Copies the regular files of a folder, if it is there; not those in its folders.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        copy_file(&entry?.path(), to)?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    match from.file_name() {
        Some(name) if from.is_file() => write_whole(&to.join(name), &read(from, SMALL_BYTES_MAX)?),
        _ => Ok(()),
    }
}

/// Removes a folder with all that is in it, if it is there.
pub(super) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| folder.display().to_string())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_for_npm_and_bundlers_is_json() {
        let [package, lock] = npm_files("@a/b", "1.2.3", "sha512-AAAA");
        assert!(
            lock.contains(r#""https://registry.npmjs.org/@a/b/-/b-1.2.3.tgz""#) && lock.contains(r#""sha512-AAAA""#)
        );
        let kinds = [Glue::Nodejs, Glue::Web, Glue::Esm].map(|glue| package_json("x-y", "x_y", glue));
        assert!(kinds[0].contains(r#""type": "commonjs""#) && kinds[1].contains(r#""type": "module""#));
        for text in [&package, &lock].into_iter().chain(&kinds) {
            // Braces and quotes come in pairs, and no comma is left before a brace.
            let balance = |open: char, close: char| text.matches(open).count() == text.matches(close).count();
            assert!(balance('{', '}') && text.matches('"').count() % 2 == 0 && !text.contains(",}"), "{text}");
        }
    }
}
