//! The scan from outside: every check against its own flaw, hostile input, other people's tools.

mod checks;
mod hostile;
mod sbom;
mod signatures;
