//! `scan` as it is called: exit codes, what it writes, rebuilds of targets.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// The same with a memory that has no maximum.
const GROWS: &[u8] = b"\0asm\x01\0\0\0\x05\x03\x01\x00\x01";

fn scan(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autoclave-audit"));
    command.current_dir(folder).arg("scan").args(words).args(["--at", "2026-11-22"]).output().unwrap()
}

fn check(folder: &Path, words: &[&str], code: i32, says: &[&str]) -> String {
    let output = scan(folder, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{said}");
    assert!(says.iter().all(|part| said.contains(part)), "{words:?}: {says:?}\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn modules_are_told_apart_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("m.wasm", MODULE);
    write("grows.wasm", GROWS);
    write("broken.wasm", b"\0asm\x01\0\0\0\x05\xff");
    write(
        "waived.toml",
        b"[[waiver]]\ncontrol = 'SBX-03a'\nowner = 'Ann'\nreason = 'bounded'\nexpires = '2026-12-01'\n",
    );
    write("late.toml", b"[[waiver]]\ncontrol = 'SBX-03a'\nowner = 'Ann'\nreason = 'bounded'\nexpires = '2026-01-01'\n");
    write("typo.toml", b"[memory]\npages-mx = 3\n");
    write("open.toml", b"[imports]\nadapters = ['wbg.*', 'wasi_snapshot_preview1.*', 'env.*']\n");
    let at = folder.path();
    assert_eq!(check(at, &["m.wasm"], 0, &["sha384-", "NOT-TESTED SBX-04b", "no key is trusted"]), "");
    check(at, &["m.wasm", "--strict"], 3, &["NOT-TESTED"]);
    check(at, &["grows.wasm"], 1, &["FAIL       SBX-03a", "memory 0 has no maximum"]);
    check(at, &["grows.wasm", "--policy", "waived.toml"], 0, &["waived by Ann until 2026-12-01: bounded"]);
    check(at, &["grows.wasm", "--policy", "late.toml"], 1, &["a waiver by Ann ended on 2026-01-01"]);
    check(at, &["m.wasm", "--policy", "typo.toml"], 2, &["typo.toml", "did you mean `pages-max`?"]);
    check(at, &["m.wasm", "--policy", "open.toml"], 3, &["not qualified: the policy accepts every import"]);
    check(at, &["broken.wasm"], 3, &["broken.wasm: no WebAssembly that can be read"]);
    check(at, &["absent.wasm"], 3, &["absent.wasm"]);
    check(at, &["m.wasm", "--rebuilt", "m.wasm", "m.wasm"], 2, &["only for a target"]);
    let json = check(at, &["grows.wasm", "--format", "json"], 1, &[]);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((value["rows"].as_array().unwrap().len(), value["qualified"].as_array().unwrap().len()), (21, 21));
    assert_eq!(check(at, &["grows.wasm", "--format", "json"], 1, &[]), json);
    assert!(check(at, &["grows.wasm", "--format", "md"], 1, &[]).contains("| SBX-03a | FAIL | `memory 0"));
}

#[test]
fn targets_are_found_by_name_and_their_rebuilds_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let at = folder.path();
    write("targets/parser/target.toml", b"about = 'x'\n");
    write("targets/parser/Cargo.toml", b"[package]\nname = 'parser'\nversion = '0.1.0'\n");
    write("targets/Cargo.lock", b"version = 4\n[[package]]\nname = 'parser'\nversion = '0.1.0'\n");
    write(".autoclave/build/parser/module.wasm", MODULE);
    write("a.wasm", MODULE);
    write("b.wasm", GROWS);
    check(at, &["parser"], 0, &["PASS       SBX-04a", "it was not rebuilt"]);
    check(at, &["parser", "--rebuilt", "a.wasm", "a.wasm"], 0, &["PASS       SBX-04e"]);
    // The record stays, until the sources change.
    check(at, &["parser"], 0, &["PASS       SBX-04e"]);
    write("targets/parser/src/lib.rs", b"// changed\n");
    check(at, &["parser"], 0, &["the sources have changed since they were rebuilt"]);
    check(at, &["parser", "--rebuilt", "a.wasm", "b.wasm"], 0, &["WARN       SBX-04e", "differ from byte 0x8 on"]);
    check(at, &["parser", "--level", "L3"], 1, &["FAIL       SBX-04e"]);
    check(at, &["parser", "--rebuilt", "b.wasm", "b.wasm"], 0, &["agree", "and the module is another"]);
    // What it is made of.
    check(at, &["parser", "--write-sbom", "out/parser.cdx.json"], 0, &["PASS       SBX-04d"]);
    let bill = fs::read_to_string(at.join("out/parser.cdx.json")).unwrap();
    assert!(bill.contains("pkg:cargo/parser@0.1.0"), "{bill}");
    check(at, &["a.wasm", "--write-sbom", "a.cdx.json"], 2, &["no sources are known"]);
}

#[test]
fn what_is_signed_is_verified_beside_the_module_and_inside_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("m.wasm"), MODULE).unwrap();
    fs::write(at.join("other.wasm"), GROWS).unwrap();
    let run = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_autoclave-audit")).current_dir(at).args(words).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (name, algorithm) in [("p", "p256"), ("e", "ed25519")] {
        assert_eq!(run(&["keygen", name, "--algorithm", algorithm]).0, Some(0));
    }
    // Beside it, with either key; the other key has not signed it, and it is no signature of another module.
    for (name, other) in [("p", "e"), ("e", "p")] {
        assert_eq!(run(&["sign", "m.wasm", "--key", &format!("{name}.key")]).0, Some(0));
        check(at, &["m.wasm", "--key", &format!("{name}.pub")], 0, &["PASS       SBX-04b"]);
        check(at, &["m.wasm", "--key", &format!("{other}.pub")], 1, &["FAIL       SBX-04b"]);
    }
    let words = ["other.wasm", "--bundle", "m.wasm.sigstore.json", "--key", "e.pub"];
    check(at, &words, 1, &["FAIL       SBX-04b"]);
    // Inside of it: WebAssembly's own signatures are Ed25519.
    let (code, said) = run(&["sign", "m.wasm", "--key", "p.key", "--embed"]);
    assert!(code == Some(2) && said.contains("--algorithm ed25519"), "{said}");
    assert_eq!(run(&["sign", "m.wasm", "--key", "e.key", "--embed"]).0, Some(0));
    check(at, &["m.wasm.signed.wasm", "--key", "e.pub"], 0, &["PASS       SBX-04b"]);
    assert_eq!(fs::read(at.join("m.wasm")).unwrap(), MODULE, "the module stays as it is");
    let (code, said) = run(&["sign", "absent.wasm", "--key", "e.key"]);
    assert!(code == Some(2) && said.contains("absent.wasm"), "{said}");
}
