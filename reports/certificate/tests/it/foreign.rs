//! Four programs that are not ours accept our files, and refuse them once they are changed: OpenSSL, Sigstore's library
//! for Node, securesystemslib and in-toto's Python classes.

use crate::sample::{certificate, file, key, other_key};
use crate::schema;
use crate::tools::{openssl, python_of_signatures, run, sigstore};
use autoclave_certificate::dsse::pae;
use autoclave_certificate::{Algorithm, PrivateKey, PublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const BOTH: [Algorithm; 2] = [Algorithm::P256, Algorithm::Ed25519];

/// A certificate's lines as single bundles, and the same with something changed, on disk.
struct Files {
    folder: tempfile::TempDir,
    key: PrivateKey,
    good: Vec<Value>,
    bad: Vec<(&'static str, Value)>,
}

impl Files {
    fn of(algorithm: Algorithm) -> Self {
        let text = String::from_utf8(file(algorithm, certificate())).unwrap();
        let good: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut bad = Vec::new();
        let mut change = |name, pointer: &str, new: &dyn Fn(&str) -> String| {
            let mut bundle = good[0].clone();
            let value = bundle.pointer_mut(pointer).unwrap();
            *value = new(value.as_str().unwrap()).into();
            bad.push((name, bundle));
        };
        let edit = |text: &str| {
            let payload = String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
            assert!(payload.contains(r#""L1""#));
            STANDARD.encode(payload.replacen(r#""L1""#, r#""L3""#, 1))
        };
        change("payload", "/dsseEnvelope/payload", &edit);
        change("type", "/dsseEnvelope/payloadType", &|_| "text/plain".to_owned());
        let stranger = other_key(algorithm);
        let message = envelope(&good[0]).0;
        change("signer", "/dsseEnvelope/signatures/0/sig", &|_| STANDARD.encode(stranger.sign(&message)));
        let folder = tempfile::tempdir().unwrap();
        let key = key(algorithm);
        fs::write(folder.path().join("key.pub"), key.public().to_pem()).unwrap();
        Self { folder, key, good, bad }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All of them as files, the good ones first.
    fn written(&self) -> Vec<PathBuf> {
        let all = self.good.iter().chain(self.bad.iter().map(|(_, bundle)| bundle)).enumerate();
        all.map(|(i, bundle)| {
            let path = self.path(&format!("{i}.sigstore.json"));
            fs::write(&path, bundle.to_string()).unwrap();
            path
        })
        .collect()
    }
}

/// What was signed, and the signature.
fn envelope(bundle: &Value) -> (Vec<u8>, Vec<u8>) {
    let text = |pointer: &str| bundle.pointer(pointer).unwrap().as_str().unwrap();
    let payload = STANDARD.decode(text("/dsseEnvelope/payload")).unwrap();
    let signature = STANDARD.decode(text("/dsseEnvelope/signatures/0/sig")).unwrap();
    (pae(text("/dsseEnvelope/payloadType"), &payload), signature)
}

/// What a script printed: `ok` for the three lines of a certificate, `refused` for all that follow.
fn assert_told_apart(output: &std::process::Output, files: &Files) {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), files.good.len() + files.bad.len(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let (good, bad) = lines.split_at(files.good.len());
    assert!(good.len() == 3 && good.iter().all(|line| line.starts_with("ok")), "{text}");
    for (line, (name, _)) in bad.iter().zip(&files.bad) {
        assert!(line.starts_with("refused"), "{name}: {line}");
    }
}

#[test]
fn openssl_verifies_signatures_and_reads_our_keys() {
    const REMEDY: &str = "apt-get install openssl (3.0 or newer)";
    for algorithm in BOTH {
        let files = Files::of(algorithm);
        let [public, private, message, signature] = ["key.pub", "key", "pae", "sig"].map(|name| files.path(name));
        let words: &[&str] = match algorithm {
            Algorithm::P256 => &["dgst", "-sha256", "-verify"],
            Algorithm::Ed25519 => &["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"],
        };
        for (name, bundle, good) in
            files.good.iter().map(|bundle| ("good", bundle, true)).chain(files.bad.iter().map(|(n, b)| (*n, b, false)))
        {
            let (signed, sig) = envelope(bundle);
            fs::write(&message, signed).unwrap();
            fs::write(&signature, sig).unwrap();
            let mut command = openssl(words);
            command.arg(&public);
            match algorithm {
                Algorithm::P256 => command.arg("-signature").arg(&signature).arg(&message),
                Algorithm::Ed25519 => command.arg("-sigfile").arg(&signature).arg("-in").arg(&message),
            };
            let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; remedy: {REMEDY}"));
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            let answer = if good { "Verified" } else { "erification" };
            assert!(output.status.success() == good && said.contains(answer), "{algorithm:?}, {name}: {said}");
        }
        fs::write(&private, &*files.key.to_pem()).unwrap();
        let output = run(openssl(&["pkey", "-pubout", "-in"]).arg(&private), REMEDY);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), files.key.public().to_pem());

        // And the other way: keys that OpenSSL makes.
        let words: &[&str] = match algorithm {
            Algorithm::P256 => &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Algorithm::Ed25519 => &["genpkey", "-algorithm", "ed25519"],
        };
        let theirs = String::from_utf8(run(&mut openssl(words), REMEDY).stdout).unwrap();
        fs::write(&private, &theirs).unwrap();
        let output = run(openssl(&["pkey", "-pubout", "-in"]).arg(&private), REMEDY);
        let public = PublicKey::from_pem(&String::from_utf8(output.stdout).unwrap()).unwrap();
        assert_eq!(PrivateKey::from_pem(&theirs).unwrap().public(), public);
    }
}

#[test]
fn keys_of_other_kinds_are_no_keys() {
    for words in [
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"][..],
        &["genpkey", "-algorithm", "x25519"],
    ] {
        let pem = String::from_utf8(run(&mut openssl(words), "apt-get install openssl").stdout).unwrap();
        assert!(PrivateKey::from_pem(&pem).is_err(), "{words:?}");
    }
}

#[test]
fn sigstores_library_verifies_bundles() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign/sigstore.cjs");
    for algorithm in BOTH {
        let files = Files::of(algorithm);
        let mut node = sigstore(&script);
        node.arg(files.path("key.pub")).arg(files.key.public().hint()).args(files.written());
        assert_told_apart(&run(&mut node, "look at the message above"), &files);
        // By another name, the key is not found.
        let mut node = sigstore(&script);
        node.arg(files.path("key.pub")).arg("another").args(files.written());
        let output = run(&mut node, "look at the message above");
        assert!(String::from_utf8_lossy(&output.stdout).lines().all(|line| line.starts_with("refused")));
    }
}

#[test]
fn pythons_libraries_verify_envelopes_and_statements() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign/statements.py");
    for algorithm in BOTH {
        let files = Files::of(algorithm);
        let mut command = python_of_signatures();
        command.arg(&script).arg(files.path("key.pub")).arg(files.key.public().hint()).arg(schema::committed());
        let output = run(command.args(files.written()), "look at the message above");
        assert_told_apart(&output, &files);
        let text = String::from_utf8_lossy(&output.stdout);
        for kind in ["urn:autoclave:certificate:v1", "svr/v0.2", "test-result/v0.1"] {
            assert_eq!(text.matches(kind).count(), 1, "{text}");
        }
    }
}
