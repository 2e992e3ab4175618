//! What JavaScript imports, `.autoclave/build/NAME/pkg`: made whole beside it, then put in its place.

use super::{BUILD_LIMIT, Made, Site};
use crate::manifest::Glue;
use crate::process::{SMALL_BYTES_MAX, read, run, say, shown, state, write_whole};
use anyhow::{Context, Result};
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
        !self.guest.build.glue.is_empty()
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
            let own = self.source_folder();
            for from in [own.join(OVERLAY), own.join(OVERLAY).join(glue.name())] {
                copy_files(&from, &folder)?;
            }
            copy_file(&own.join(DECLARATION), &folder)?;
        }
        made.package = Some(staged);
        Ok(())
    }
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
