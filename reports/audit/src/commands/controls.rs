//! `controls`: the catalogue in numbers, what answers each control, and the map to safeguards.

use crate::cli::{Controls, TableFormat, exit, print};
use autoclave_reports::controls::table;

/// Prints it.
pub fn run(flags: &Controls) -> anyhow::Result<u8> {
    let coverage = table::coverage();
    let text = match flags.format {
        TableFormat::Md => table::markdown(&coverage),
        TableFormat::Json => table::json(&coverage),
    };
    print(text.as_bytes())?;
    Ok(exit::CLEAN)
}
