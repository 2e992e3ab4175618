//! Builds a target twice, from copies of its sources in two other folders, so that `scan` can compare what comes out:
//! a module that holds a path, a time or a number by chance differs.

use super::MODULE_BYTES_MAX;
use super::{Made, Site};
use crate::manifest::{self, Kind};
use crate::process::{read, say, state, write_whole};
use crate::setup::{self, Mode, Tool};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What builds make or fetch.
const SKIPPED: &[&str] = &["target", "node_modules", ".git", ".autoclave"];

/// Builds it twice; where the two modules are. The copies are removed, whatever happens.
pub fn rebuild(root: &Path, name: &str) -> Result<[PathBuf; 2]> {
    let guests = manifest::guests(root)?;
    let guest = guests.iter().find(|guest| guest.name == name).context("there is no such target")?;
    if !guest.build.kind.is_built() || guest.build.kind == Kind::Npm {
        bail!("{name}: nothing is built for the kind `{}`, so that nothing can be rebuilt", guest.build.kind.name());
    }
    let wanted: BTreeSet<Tool> = setup::needs(guest.build.kind).iter().copied().collect();
    let machine = setup::ready(root, &wanted, Mode::Implicit)?;
    let mut modules = Vec::new();
    // Of different lengths: a path that is cut to one size would not show otherwise.
    for (number, folder) in ["a", "another-folder"].into_iter().enumerate() {
        let copy = std::env::temp_dir().join(format!("autoclave-rebuild-{}-{folder}", std::process::id()));
        say("rebuild", &format!("{name}, {} of 2, in {}", number + 1, copy.display()));
        let made = copied(root, &copy).and_then(|()| {
            let guests = manifest::guests(&copy)?;
            let guest = guests.iter().find(|guest| guest.name == name).context("the copy lacks the target")?;
            let site = Site { root: &copy, machine: &machine, guest };
            fs::create_dir_all(state(&copy, &["build", name]))?;
            fs::create_dir_all(state(&copy, &["logs"]))?;
            let tools = site.tools().map_err(anyhow::Error::msg)?;
            let Made { module, package, .. } = site.make(&tools)?;
            // What is deployed: the module in the package that JavaScript imports, where there is one.
            let deployed = package.as_deref().map(deployed).transpose()?.flatten().unwrap_or(module);
            read(&deployed, MODULE_BYTES_MAX)
        });
        let kept = made.and_then(|bytes| {
            let path = state(root, &["rebuild", &format!("{name}.{}.wasm", number + 1)]);
            fs::create_dir_all(state(root, &["rebuild"]))?;
            write_whole(&path, &bytes)?;
            Ok(path)
        });
        let removed = fs::remove_dir_all(&copy);
        modules.push(kept?);
        removed.with_context(|| copy.display().to_string())?;
    }
    <[PathBuf; 2]>::try_from(modules).map_err(|_| anyhow::anyhow!("two builds"))
}

/// The one module of a package.
fn deployed(package: &Path) -> Result<Option<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![package.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|end| end == "wasm") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found.into_iter().next())
}

/// The whole repository, without what builds leave: a workspace is read with all of its members.
fn copied(root: &Path, copy: &Path) -> Result<()> {
    fs::create_dir(copy).with_context(|| copy.display().to_string())?;
    copy_folder(root, copy)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        if kind.is_dir() {
            if !SKIPPED.iter().any(|skipped| name == *skipped) {
                copy_folder(&entry.path(), &to.join(&name))?;
            }
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(&name)).with_context(|| entry.path().display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_copied_without_what_builds_leave() {
        let root = std::env::temp_dir().join(format!("autoclave-copy-{}", std::process::id()));
        let write = |name: &str| {
            let path = root.join("from").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        };
        for name in [
            "targets/a/src/lib.rs",
            "targets/target/x",
            "targets/a/node_modules/y",
            "house/src/z.rs",
            "Cargo.toml",
            "Cargo.lock",
        ] {
            write(name);
        }
        let (from, to) = (root.join("from"), root.join("to"));
        copied(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("targets/a/src/lib.rs")).unwrap(), "targets/a/src/lib.rs");
        assert!(to.join("house/src/z.rs").is_file() && to.join("Cargo.lock").is_file());
        assert!(!to.join("targets/target").exists() && !to.join("targets/a/node_modules").exists());
        // A copy never goes into something that is there.
        assert!(copied(&from, &to).is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}
