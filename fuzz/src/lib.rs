//! The bodies of the fuzz targets, without libFuzzer: tests and plain programs replay inputs through the same functions.

#[cfg(any(test, feature = "libfuzzer"))]
pub mod contract;
pub mod documents;
#[cfg(any(test, feature = "libfuzzer"))]
pub mod libfuzzer;
pub mod native;

/// `main` of a fuzz target that was built without libFuzzer: gives every named file to `body`, as libFuzzer does with files.
pub fn replay_files(body: fn(&[u8])) {
    for path in std::env::args().skip(1).filter(|word| !word.starts_with('-')) {
        match std::fs::read(&path) {
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
