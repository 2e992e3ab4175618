//! The bodies of the fuzz targets, without libFuzzer: tests and plain programs replay inputs through the same functions.

#[cfg(any(test, feature = "libfuzzer"))]
pub mod contract;
pub mod documents;
#[cfg(any(test, feature = "libfuzzer"))]
pub mod libfuzzer;
pub mod native;

/// Longest input that is replayed, bytes: far more than libFuzzer makes.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// A file, if it is no longer than an input may be.
fn read(path: &str) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > INPUT_BYTES_MAX {
        true => Err(std::io::Error::other(format!("longer than {INPUT_BYTES_MAX} bytes, the longest input"))),
        false => Ok(bytes),
    }
}

/// `main` of a fuzz target that was built without libFuzzer: gives every named file to `body`, as libFuzzer does with files.
pub fn replay_files(body: fn(&[u8])) {
    for path in std::env::args().skip(1).filter(|word| !word.starts_with('-')) {
        match read(&path) {
            Ok(bytes) => {
                eprintln!("Running: {path}");
                body(&bytes);
            }
            Err(error) => {
                eprintln!("{path}: {error}");
                std::process::exit(1);
            }
        }
    }
}
