//! Commands of the harness reach it as typed: words, folder and exit code, checked with a stand-in for the harness.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn words_folder_and_exit_code_pass_through() {
    let house = House::new(
        "words",
        r#"let words: Vec<String> = std::env::args().skip(1).collect();
        println!("{} {}", std::env::current_dir().unwrap().display(), words.join("|"));
        std::process::exit(7);"#,
    );
    let elsewhere = std::env::temp_dir().canonicalize().unwrap();
    let output = house.run(&elsewhere, &["fuzz", "vendor.wasm", "--flag-of-the-harness", "-x", "--help"]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    let expected = format!("{} fuzz|vendor.wasm|--flag-of-the-harness|-x|--help\n", elsewhere.display());
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn a_harness_that_does_not_compile_could_not_judge() {
    let house = House::new("broken", "this is not Rust");
    let output = house.run(&house.folder, &["list"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("the harness does not compile"), "{}", text(&output.stderr));
}

#[test]
fn wrong_usage_builds_nothing() {
    let house = House::new("usage", "this is not Rust");
    for words in [&["fuz"][..], &["build", "no-such-target"], &["setup", "--now"], &[]] {
        let output = house.run(&house.folder, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", text(&output.stderr));
    }
    assert!(!house.folder.join("target").exists());
}

/// A source tree with a stand-in for the harness and no targets.
struct House {
    folder: PathBuf,
}

impl House {
    fn new(name: &str, body: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("autoclave-house-{}-{name}", std::process::id()));
        for part in ["src", "targets", "xtask"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let manifest = "[package]\nname = \"autoclave\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("src/main.rs"), format!("fn main() {{ {body} }}\n")).unwrap();
        Self { folder }
    }

    fn run(&self, from: &Path, words: &[&str]) -> Output {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.current_dir(from).args(words).env("CARGO_MANIFEST_DIR", self.folder.join("xtask"));
        xtask.env_remove("CARGO_TARGET_DIR").output().unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // What is left of a test in the temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
