//! `keygen` and `verify`, from a key to a decision.

use autoclave_certificate::certificate::{
    Certificate, Check, Corpus, Level, Module, Pinned, Profile, Qualification, Scope, Tool, Trial, Verdict,
};
use autoclave_certificate::digest::Sha256Digest;
use autoclave_certificate::{files, seal};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn audit<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_autoclave-audit")).args(words).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

struct Folder(tempfile::TempDir);

impl Folder {
    /// With a key pair `a`, a module, and its certificate.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        assert_eq!(audit([OsStr::new("keygen"), folder.at("a").as_os_str()]).status.code(), Some(0));
        let key = files::read_private_key(&folder.at("a.key")).unwrap();
        folder.write("module.wasm", MODULE);
        folder.write("module.jsonl", &seal(MODULE, certificate(), &key).unwrap());
        folder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.at(name), bytes).unwrap();
    }

    /// `verify` in this folder.
    fn verify(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autoclave-audit"));
        command.current_dir(self.0.path()).arg("verify").args(words).output().unwrap()
    }
}

fn certificate() -> Certificate {
    let pinned = |name: &str| Pinned { name: name.to_owned(), sha256: Sha256Digest::of(name.as_bytes()) };
    Certificate {
        tool: Tool { name: "autoclave".to_owned(), version: "0.1.0".to_owned() },
        verifier: "urn:autoclave:certify:0.1.0".to_owned(),
        issued: "2026-11-22".parse().unwrap(),
        not_before: "2026-11-22".parse().unwrap(),
        not_after: "2027-02-20".parse().unwrap(),
        module: Module { name: "module.wasm".to_owned(), bytes: MODULE.len() as u64, interface: None },
        profile: Profile::Module,
        level: Level::L1,
        policy: pinned("policy"),
        controls: pinned("controls"),
        corpus: Corpus { sha256: Sha256Digest::of(b""), inputs: 0 },
        report: None,
        checks: vec![Check {
            id: "SBX-01b".to_owned(),
            verdict: Verdict::Pass,
            reason: String::new(),
            scope: Scope::Profile,
            oracle: Some("imports".to_owned()),
            evidence: None,
        }],
        campaigns: Vec::new(),
        limits: Vec::new(),
        versions: Default::default(),
        machine: Default::default(),
        qualification: vec![Qualification {
            oracle: "imports".to_owned(),
            canary: "canary-imports".to_owned(),
            canary_seen: Trial::Caught,
            twin: "canary-imports-fixed".to_owned(),
            twin_seen: Trial::Passed,
        }],
        waivers: Vec::new(),
        not_tested: Vec::new(),
    }
}

#[test]
fn exit_codes_and_reasons() {
    let folder = Folder::new();
    folder.write("other.wasm", b"\0asm\x01\0\0\0\x00\x01\x00");
    folder.write("strict.toml", b"level = \"L2\"\n");
    folder.write("odd.toml", b"lvl = \"L2\"\n");
    folder.write("empty.jsonl", b"");
    assert_eq!(audit([OsStr::new("keygen"), folder.at("b").as_os_str()]).status.code(), Some(0));
    let cases: &[(&[&str], i32, &str)] = &[
        (
            &["module.wasm", "module.jsonl", "--key", "a.pub", "--at", "2026-12-01"],
            0,
            "ADMITTED  module.wasm: L1, module",
        ),
        (&["module.wasm", "module.jsonl", "--key", "b.pub", "--key", "a.pub", "--at", "2026-12-01"], 0, "ADMITTED"),
        (&["other.wasm", "module.jsonl", "--key", "a.pub", "--at", "2026-12-01"], 1, "subject: "),
        (&["module.wasm", "module.jsonl", "--key", "b.pub", "--at", "2026-12-01"], 1, "unknown-key: "),
        (&["module.wasm", "module.jsonl", "--key", "a.pub", "--at", "2027-02-20"], 1, "certify the module again"),
        (&["module.wasm", "module.jsonl", "--key", "a.pub", "--at", "2026-11-21T23:59:59Z"], 1, "not-yet-valid: "),
        (
            &["module.wasm", "module.jsonl", "--key", "a.pub", "--at", "2026-12-01", "--policy", "strict.toml"],
            1,
            "level: ",
        ),
        (&["module.wasm", "empty.jsonl", "--key", "a.pub", "--at", "2026-12-01"], 1, "not-three-statements: "),
        (&["module.wasm", "module.jsonl", "--key", "a.pub", "--policy", "odd.toml"], 2, "unknown field `lvl`"),
        (&["module.wasm", "module.jsonl", "--key", "a.pub", "--at", "yesterday"], 2, "2026-11-22T21:04:51Z"),
        (&["module.wasm", "module.jsonl", "--key", "module.wasm"], 2, "no public key"),
        (&["module.wasm", "module.jsonl", "--key", "a.key"], 2, "no public key"),
        (&["module.wasm", "none.jsonl", "--key", "a.pub"], 2, "none.jsonl"),
        (&[".", "module.jsonl", "--key", "a.pub"], 2, "no ordinary file"),
        (&["module.wasm", "module.jsonl"], 2, "--key"),
        (&["module.wasm"], 2, "BUNDLE"),
    ];
    for (words, code, expected) in cases {
        let output = folder.verify(words);
        let text = said(&output);
        assert!(output.status.code() == Some(*code) && text.contains(expected), "{words:?}: {}\n{text}", output.status);
        assert!(output.stdout.is_empty(), "{words:?}");
        assert_eq!(text.contains("ADMITTED"), *code == 0, "{words:?}: {text}");
    }
}

/// What to do stands once above all reasons of its kind, and a flood of reasons is cut for people only.
#[test]
fn reasons_come_with_what_to_do_once() {
    let folder = Folder::new();
    let mut short = certificate();
    for i in 0..60 {
        let verdict = if i % 2 == 0 { Verdict::NotTested } else { Verdict::Fail };
        let oracle = verdict.is_tested().then(|| "imports".to_owned());
        let (id, reason) = (format!("X-{i}"), format!("why {i}"));
        short.checks.push(Check { id, verdict, reason, scope: Scope::Profile, oracle, evidence: None });
    }
    let key = files::read_private_key(&folder.at("a.key")).unwrap();
    folder.write("short.jsonl", &seal(MODULE, short, &key).unwrap());
    let words = ["module.wasm", "short.jsonl", "--key", "a.pub", "--at", "2026-12-01", "--format", "json"];
    let output = folder.verify(&words);
    let text = said(&output);
    for (kind, other) in [("check-not-tested: certify again", 0), ("check-failed: repair the module", 1)] {
        assert_eq!(text.matches(kind).count(), 1, "{text}");
        assert!(text.contains(&format!("    check X-{other}: why {other}\n")), "{text}");
    }
    assert_eq!(text.matches("    and 10 more\n").count(), 2, "{text}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["reasons"].as_array().unwrap().len(), 60);
    assert!(answer["reasons"].as_array().unwrap().iter().all(|reason| reason["remedy"].as_str().unwrap().len() > 10));
}

#[test]
fn decisions_as_json() {
    let folder = Folder::new();
    for (at, code, admitted) in [("2026-12-01", 0, true), ("2028-01-01", 1, false)] {
        let output = folder.verify(&["module.wasm", "module.jsonl", "--key", "a.pub", "--at", at, "--format", "json"]);
        assert_eq!(output.status.code(), Some(code));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["admitted"], admitted);
        assert_eq!(answer["reasons"].as_array().unwrap().is_empty(), admitted);
        // What was refused is not passed on as if it were believed.
        assert_eq!(answer.get("certificate").is_some(), admitted);
        if admitted {
            assert_eq!(answer["verificationResult"]["properties"][1], "AUTOCLAVE_LEVEL_L1");
            assert_eq!(answer["subject"][0]["digest"]["sha256"], Sha256Digest::of(MODULE).to_string());
        } else {
            assert_eq!(answer["reasons"][0]["code"], "expired");
        }
    }
}

/// An auditor has the file and the key: that is enough for every page, and for nothing if the file is not genuine.
#[test]
fn pages_from_the_file_alone() {
    let folder = Folder::new();
    folder.write("other.wasm", b"\0asm\x01\0\0\0\x00\x01\x00");
    assert_eq!(audit([OsStr::new("keygen"), folder.at("b").as_os_str()]).status.code(), Some(0));
    let text = String::from_utf8(fs::read(folder.at("module.jsonl")).unwrap()).unwrap();
    folder.write("changed.jsonl", text.replacen("eyJ", "eyK", 1).as_bytes());
    folder.write("file", b"");
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autoclave-audit"));
        command.current_dir(folder.0.path()).arg("certificate").args(words).output().unwrap()
    };
    let out = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&[], "## Certificate: L1 reached"),
        (&["--format", "html"], "<!DOCTYPE html>"),
        (&["--format", "hipaa"], "## From control to safeguards"),
        (&["--format", "json"], "\"_type\": \"https://in-toto.io/Statement/v1\""),
        (&["--format", "oscal"], "\"assessment-results\""),
        (&["--format", "oscal-catalog"], "\"catalog\""),
        (&["--format", "ctrf"], "\"CTRF\""),
        (&["--module", "module.wasm"], "## Certificate"),
        (&["--key", "b.pub"], "## Certificate"),
    ];
    for (words, expected) in cases {
        let output = run(&[&["module.jsonl", "--key", "a.pub"], *words].concat());
        let said = said(&output);
        assert!(output.status.success() && out(&output).contains(expected), "{words:?}: {said}");
        assert!(said.contains("signatures verified with the key"), "{words:?}: {said}");
    }
    // Files: all of them or one, whole, and the same bytes as on standard output.
    let output = run(&["module.jsonl", "--key", "a.pub", "--out", "new/pages"]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", said(&output));
    let mut names: Vec<_> = fs::read_dir(folder.at("new/pages"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "certificate.html",
        "certificate.json",
        "ctrf.json",
        "hipaa.md",
        "oscal-assessment-results.json",
        "oscal-catalog.json",
        "summary.md",
    ];
    assert_eq!(names, expected);
    let page = fs::read_to_string(folder.at("new/pages/certificate.html")).unwrap();
    assert_eq!(page, out(&run(&["module.jsonl", "--key", "a.pub", "--format", "html"])));
    let output = run(&["module.jsonl", "--key", "a.pub", "--out", "one", "--format", "ctrf"]);
    assert!(output.status.success() && fs::read_dir(folder.at("one")).unwrap().count() == 1);
    // What is not genuine, or about something else, gives no page.
    let refusals: &[(&[&str], i32, &str)] = &[
        (&["module.jsonl", "--key", "b.pub"], 1, "ask the signer for the public key"),
        (&["changed.jsonl", "--key", "a.pub"], 1, "REFUSED  changed.jsonl"),
        (&["file", "--key", "a.pub"], 1, "not-three-statements"),
        (&["module.jsonl", "--key", "a.pub", "--module", "other.wasm"], 1, "give the module that was certified"),
        (&["module.jsonl", "--key", "a.pub", "--module", "file"], 2, "file"),
        (&["none.jsonl", "--key", "a.pub"], 2, "none.jsonl"),
        (&["module.jsonl", "--key", "a.pub", "--out", "file"], 2, "file"),
        (&["module.jsonl", "--key", "a.pub", "--format", "xml"], 2, "html"),
        (&["module.jsonl"], 2, "--key"),
    ];
    for (words, code, expected) in refusals {
        let output = run(words);
        let said = said(&output);
        assert!(output.status.code() == Some(*code) && said.contains(expected), "{words:?}: {}: {said}", output.status);
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn snippets_only_of_what_is_admitted() {
    let folder = Folder::new();
    for (host, expected) in
        [("kyverno", "kind: ClusterPolicy"), ("policy-controller", "kind: ClusterImagePolicy"), ("envoy", "sha256: ")]
    {
        let words = |at| ["module.wasm", "module.jsonl", "--key", "a.pub", "--at", at, "--snippet", host];
        let output = folder.verify(&words("2026-12-01"));
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains(expected), "{host}");
        let output = folder.verify(&words("2028-01-01"));
        assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{host}");
    }
}

#[test]
fn keys_are_new_and_never_shown() {
    let folder = Folder::new();
    let secret = fs::read_to_string(folder.at("a.key")).unwrap();
    let again = audit([OsStr::new("keygen"), folder.at("a").as_os_str()]);
    assert!(again.status.code() == Some(2) && said(&again).contains("never overwritten"), "{}", said(&again));
    assert_eq!(fs::read_to_string(folder.at("a.key")).unwrap(), secret);
    let made = audit(["keygen".as_ref(), folder.at("c").as_os_str(), "--algorithm".as_ref(), "ed25519".as_ref()]);
    assert!(made.status.success() && made.stdout.is_empty());
    let body = |path: &Path| fs::read_to_string(path).unwrap().lines().nth(1).unwrap().to_owned();
    assert!(!said(&made).contains(&body(&folder.at("c.key"))));
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        assert_eq!(fs::metadata(folder.at("c.key")).unwrap().permissions().mode() & 0o777, 0o600);
        symlink(folder.at("elsewhere"), folder.at("d.key")).unwrap();
        let linked = audit([OsStr::new("keygen"), folder.at("d").as_os_str()]);
        assert!(linked.status.code() == Some(2) && !folder.at("elsewhere").exists() && !folder.at("d.pub").exists());
    }
    assert_eq!(audit(["keygen", "/"]).status.code(), Some(2));
    assert_eq!(audit(["keygen"]).status.code(), Some(2));
}
