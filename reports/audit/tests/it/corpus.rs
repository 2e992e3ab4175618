//! `corpus`, from the command line: the same bytes under another umask and from another folder, exit codes, and no
//! identifier in any output.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs `autoclave-audit` in a folder under an umask.
fn audit(folder: &Path, umask: &str, words: &[&str]) -> (i32, String) {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_autoclave-audit")]);
    let Output { status, stdout, stderr } = command.args(words).current_dir(folder).output().unwrap();
    let text = [String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)].concat();
    (status.code().unwrap(), text)
}

fn hashes(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("SHA256SUMS")).unwrap()
}

#[test]
fn from_source_tree_to_verified_pack() {
    let temporary = tempfile::tempdir().unwrap();
    let at = |name: &str| temporary.path().join(name).display().to_string();
    let run = |umask: &str, folder: &Path, words: &[&str], expected: i32| {
        let (code, text) = audit(folder, umask, words);
        assert_eq!(code, expected, "{words:?}: {text}");
        text
    };
    let home = root();
    run("022", &home, &["keygen", &at("lab")], 0);
    let (private, public) = (at("lab.key"), at("lab.pub"));
    run("022", &home, &["corpus", "pack", "gzip", "--out", &at("a"), "--key", &private], 0);
    run("077", &home.join("corpora"), &["corpus", "pack", "gzip", "--out", &at("b"), "--key", &private], 0);
    assert_eq!(hashes(Path::new(&at("a"))), hashes(Path::new(&at("b"))));
    let signature = |pack: &str| fs::read(Path::new(&at(pack)).join("corpus.sigstore.json")).unwrap();
    assert_eq!(signature("a"), signature("b"));
    let text = run("022", &home, &["corpus", "verify", &at("a"), "--key", &public], 0);
    assert!(text.contains("PASS"), "{text}");
    let text = run("022", &home, &["corpus", "verify", &at("a")], 3);
    assert!(text.contains("signature not checked"), "{text}");
    let text = run("022", &home, &["corpus", "diff", &at("a"), &at("b")], 0);
    assert!(text.contains("0 added (0 bytes), 0 removed (0 bytes), 0 said differently"), "{text}");
    run("022", &home, &["corpus", "scan", &at("a")], 0);
    let text = run("022", &home, &["corpus", "stats", &at("a")], 0);
    assert!(text.contains("\ngzip\t") && text.contains("CC0-1.0"), "{text}");
    run("022", &home, &["corpus", "pack", "gzip", "--out", &at("a")], 2);
    run("022", &home, &["corpus", "pack", "nothing", "--out", &at("c")], 2);
    fs::write(Path::new(&at("a")).join("README"), "x").unwrap();
    let text = run("022", &home, &["corpus", "verify", &at("a"), "--key", &public], 1);
    assert!(text.contains("README: not in SHA256SUMS"), "{text}");
}

/// An archive with more in it than one input may have is looked at file by file, and its own names count.
#[test]
fn an_archive_keeps_what_it_says_itself() {
    let temporary = tempfile::tempdir().unwrap();
    let mut files: std::collections::BTreeMap<String, Vec<u8>> =
        (0..700).map(|number| (format!("{number}.txt"), format!("input {number}").into_bytes())).collect();
    let at = temporary.path().join("many.zip");
    let scan = |files: &_| {
        fs::write(&at, autoclave_corpora::zip::write(files).unwrap()).unwrap();
        audit(temporary.path(), "022", &["corpus", "scan", &at.display().to_string()])
    };
    let (code, text) = scan(&files);
    assert!(code == 0 && text.contains("700 files"), "{text}");
    files.insert("about 219-09-9999 x".to_owned(), b"input".to_vec());
    let (code, text) = scan(&files);
    assert!(code == 1 && text.contains("many.zip\tssn (G)") && text.contains("702 files"), "{text}");
}

#[test]
fn what_is_found_is_not_shown() {
    let temporary = tempfile::tempdir().unwrap();
    let at = |name: &str| temporary.path().join(name).display().to_string();
    fs::create_dir(at("inputs")).unwrap();
    fs::write(Path::new(&at("inputs")).join("one.hl7"), "MSH|^~\\&|A\rPID|1||84720193||KOWALSKI^MAGDA\r").unwrap();
    fs::write(Path::new(&at("inputs")).join("two.txt"), "MTk5OiAyMTktMDktOTk5OSBpcyBoaXM=").unwrap();
    let (code, text) = audit(temporary.path(), "022", &["corpus", "scan", &at("inputs")]);
    assert_eq!(code, 1, "{text}");
    for expected in ["record-number (H)\traw\t", "name (A)\traw\t", "ssn (G)\tbase64\t5\t999-99-9999"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    for identifier in ["84720193", "KOWALSKI", "MAGDA", "219-09", "MTk5"] {
        assert!(!text.contains(identifier), "{identifier}: {text}");
    }
    let (code, text) = audit(
        temporary.path(),
        "022",
        &["corpus", "import", &at("inputs"), "--format", "hl7v2", "--out", &at("store")],
    );
    assert!(code == 0 && text.contains("private") && text.contains("2 inputs, 2 of them new"), "{text}");
    let (code, text) = audit(temporary.path(), "022", &["corpus", "stats", &at("store")]);
    assert!(code == 0 && text.contains("\nhl7v2\t2\t") && text.contains("NOASSERTION 2"), "{text}");
    fs::write(at("bad.tar"), "no archive").unwrap();
    let (code, text) = audit(
        temporary.path(),
        "022",
        &["corpus", "import", &at("bad.tar"), "--format", "hl7v2", "--out", &at("store")],
    );
    assert!(code == 2 && text.contains("bad.tar") && text.contains("give a zip"), "{text}");
}
