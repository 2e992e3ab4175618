//! The fuzz targets as tests: committed inputs go through the same bodies, without libFuzzer.

use std::path::{Path, PathBuf};

fn seeds(format: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora").join(format).join("seeds");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no seeds", folder.display());
    files.into_iter().map(|path| (path.clone(), std::fs::read(&path).expect("a readable seed"))).collect()
}

#[test]
fn native_parsers_keep_their_promises_on_every_seed() {
    for (path, bytes) in seeds("fhir-json") {
        eprintln!("{}", path.display());
        autoclave_fuzz::native::fhir(&bytes);
    }
    for (path, bytes) in seeds("hl7v2") {
        eprintln!("{}", path.display());
        autoclave_fuzz::native::hl7v2(&bytes);
    }
}
