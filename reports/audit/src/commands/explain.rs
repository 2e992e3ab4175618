//! `explain`: controls in full.

use crate::cli::{ExitWith, Explain, exit, print};
use autoclave_reports::controls::{self, explain};

/// Prints those that there are, and fails if one is unknown.
pub fn run(flags: &Explain) -> anyhow::Result<u8> {
    let mut unknown = Vec::new();
    let mut pages = Vec::new();
    for id in &flags.ids {
        match controls::find(id) {
            Ok(control) => pages.push(explain::explain(control)),
            Err(error) => unknown.push(error.to_string()),
        }
    }
    print(pages.join("\n").as_bytes())?;
    if !unknown.is_empty() {
        return Err(ExitWith { code: exit::USAGE, message: unknown.join("\n") }.into());
    }
    Ok(exit::CLEAN)
}
