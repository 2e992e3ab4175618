//! What comes out of the generators, judged by other people's readers and by exact expectations.

mod cli;
mod content;
mod readers;
mod table;

use autoclave_generators::{Family, Made, Params, family};
use std::io;

/// A family by name, and parameters from words.
fn params(name: &str, words: &[&str]) -> (&'static Family, Params) {
    let family = family(name).unwrap();
    (family, family.parse(words).unwrap())
}

fn make(name: &str, words: &[&str]) -> (Vec<u8>, Made) {
    let (family, params) = params(name, words);
    let mut out = Vec::new();
    let made = family.make(&params, &mut out).unwrap();
    (out, made)
}

/// Bytes that a reader gives, none of them kept.
fn count(mut reader: impl io::Read) -> io::Result<u64> {
    io::copy(&mut reader, &mut io::sink())
}

/// Hexadecimal SHA-256.
fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
