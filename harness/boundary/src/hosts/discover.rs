//! Operations that no text names: a package whose glue registers them when it runs is loaded once, and asked.

use super::Setup;
use super::node::{Node, NodeHost};
use crate::api::Api;
use crate::glue::{embind, minified};
use crate::package::{Package, PackageError, Surface};
use crate::wire::Glue;

/// What can be called in a package: what its files say, or, where Emscripten's embind has registered it and no
/// declarations say what, what a host saw when it loaded the package.
///
/// # Errors
/// The package's files cannot be read. That the host cannot load it is a note: whoever runs it will be told again.
pub fn surface(node: &Node, package: &Package) -> Result<Surface, PackageError> {
    let mut written = package.api()?;
    if !registers(package, &written) {
        return Ok(written);
    }
    let names = minified::names(&package.scripts, &package.shape);
    let names = names.into_iter().map(|((module, name), meaning)| (format!("{module}.{name}"), meaning)).collect();
    let setup = Setup::of(package, &Api::default());
    let found = match NodeHost::discover(node, &setup, names) {
        Ok(found) => found,
        Err(why) => {
            written.notes.push(format!("what embind registers is not known: {why}"));
            return Ok(written);
        }
    };
    let mut registered = Surface::default();
    (registered.api, registered.notes) = embind::api(&found);
    let what = if found.events.is_empty() { "what is on the module's object" } else { "what embind registered" };
    registered.source = format!("{what} when Node loaded the package");
    if registered.api.operations.is_empty() {
        return Ok(written);
    }
    let narrowing = &package.narrowing;
    narrowing.apply(&package.narrowing_file, &mut registered.api)?;
    Ok(registered)
}

/// Whether only a run tells what can be called.
fn registers(package: &Package, written: &Surface) -> bool {
    package.glue == Glue::Emscripten
        && package.declarations.as_ref().is_none_or(|file| *file != written.source)
        && (written.api.operations.is_empty() || embind::is_used(package))
}
