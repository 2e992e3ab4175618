//! The program behind `cargo xtask bombs`.

use crate::sha256;
use std::path::Path;
use std::process::{Command, Output};

fn bombs(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bombs")).current_dir(folder).args(words).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn files_are_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let made = bombs(folder.path(), &["make", "gzip", "--param", "expanded=1MiB", "--output", "a.gz", "--json"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let record: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let bytes = std::fs::read(folder.path().join("a.gz")).unwrap();
    assert_eq!(record["sha256"], sha256(&bytes));
    assert_eq!(record["bytes"], bytes.len());
    assert_eq!(record["expanded_bytes"], "1048576");
    let summary = text(&made.stderr);
    assert!(summary.contains(&sha256(&bytes)) && summary.contains("1048576 bytes (1.0 MiB)"), "{summary}");

    // The line that it prints makes the same again.
    let again = record["again"].as_str().unwrap().strip_prefix("cargo xtask bombs ").unwrap().replace("a.gz", "b.gz");
    assert!(bombs(folder.path(), &again.split(' ').collect::<Vec<_>>()).status.success());
    assert_eq!(std::fs::read(folder.path().join("b.gz")).unwrap(), bytes);
    assert_eq!(names(), ["a.gz", "b.gz"]);

    for (words, expected) in [
        (&["make", "json-long-string", "--output", "c", "--max-bytes", "1000"][..], "--max-bytes allows more"),
        (&["make", "zip-nested", "--output", "c", "--param", "fan=4096", "--param", "layers=64"], "larger than 64 MiB"),
        (&["make", "gzp", "--output", "c"], "did you mean `gzip`?"),
        (&["make", "gzip", "--output", "c", "--param", "expanded=1e9"], "takes 0 to 70368744177664 bytes"),
        (&["make", "gzip", "--output", "c", "--param", "patern=ones"], "did you mean `pattern`?"),
        (&["make", "gzip", "--output", "c", "--max-bytes", "many"], "not a number of bytes"),
        (&["make", "gzip", "--output", "a.gz/c"], "a.gz"),
        (&["make", "gzip", "--output", "-", "--json"], "standard output"),
        (&["list", "zip-quin"], "did you mean `zip-quine`?"),
    ] {
        let refused = bombs(folder.path(), words);
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains(expected), "{words:?}: {error}");
        assert_eq!(names(), ["a.gz", "b.gz"], "{words:?} leaves something behind");
    }
    // A file that is there stays as it was when its successor does not come to be.
    let refused = bombs(folder.path(), &["make", "json-long-string", "--output", "a.gz", "--max-bytes", "1000"]);
    assert!(!refused.status.success());
    assert_eq!(std::fs::read(folder.path().join("a.gz")).unwrap(), bytes);
}

#[test]
fn sizes_and_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let made = bombs(folder.path(), &["make", "hl7-repetitions", "--size", "64KiB", "--output", "-"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert_eq!(made.stdout.len(), 64 << 10);
    assert!(made.stdout.starts_with(b"MSH|"));
}

#[test]
fn lists_name_every_family_with_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let table = text(&bombs(folder.path(), &["list"]).stdout);
    let list: serde_json::Value = serde_json::from_slice(&bombs(folder.path(), &["list", "--json"]).stdout).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), autoclave_generators::FAMILIES.len());
    assert_eq!(table.lines().count(), list.len() + 1);
    for family in list {
        let [name, source] = ["name", "source"].map(|key| family[key].as_str().unwrap());
        let line = table.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        assert!(line.contains(source), "{line}");
        for param in family["params"].as_array().unwrap() {
            assert!(line.contains(&format!("{}=", param["name"].as_str().unwrap())), "{line}");
        }
    }
    let one = text(&bombs(folder.path(), &["list", "zstd-window"]).stdout);
    assert!(one.contains("10 to 41 log2 of bytes") && one.contains("RFC 8878"), "{one}");
}

/// The shell's limit on a process's memory stands in for a machine that has no more.
#[cfg(unix)]
#[test]
fn huge_inputs_are_made_in_little_memory() {
    const KIB_MAX: u64 = 192 << 10;
    let folder = tempfile::tempdir().unwrap();
    for words in [
        "gzip-nested --param expanded=16GiB",
        "zip-overlap-quoted --param entries=65534 --param each=4292788525",
        "zstd --param expanded=64GiB",
        "brotli --param expanded=64TiB",
        "protobuf-nested --param levels=10M",
        "fhir-extensions --param levels=2M",
        "typical-fhir-bundle --size 32MiB",
        "json-arrays --param levels=100M --param wrap=brotli",
    ] {
        let line = format!("ulimit -v {KIB_MAX} && exec \"$0\" make {words} --output -");
        let mut shell = Command::new("sh");
        shell.current_dir(folder.path()).args(["-c", &line, env!("CARGO_BIN_EXE_bombs")]);
        let made = shell.stdout(std::process::Stdio::null()).output().unwrap();
        assert!(made.status.success(), "{words}: {}", text(&made.stderr));
    }
}
