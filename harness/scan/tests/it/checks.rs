//! Every check finds its flaw and passes its repair; policies, waivers and gaps do what they say.

use autoclave_reports::controls::judge::{Asked, Grounds, judge_all};
use autoclave_reports::controls::{self, Level, Profile};
use autoclave_reports::{Severity, Verdict};
use autoclave_scan::subject::{File, Script, Subject};
use autoclave_scan::{Context, Options, Policy, Scan, checks, judge, qualify, scan};
use std::collections::BTreeMap;

fn options() -> Options {
    Options::new("2026-11-22".parse().unwrap())
}

fn with(policy: &str) -> Options {
    Options { policy: Policy::from_toml(policy).unwrap(), ..options() }
}

fn judged(subject: &Subject, options: &Options) -> Scan {
    judge(subject, &Context::of(options))
}

fn module(text: &str) -> Subject {
    Subject::of("m.wasm", wat::parse_str(text).unwrap()).unwrap()
}

fn answer(scan: &Scan, control: &str) -> String {
    let verdict = &scan.row(control).unwrap().verdict;
    format!("{} {}", verdict.name(), verdict.reason())
}

#[test]
fn every_check_is_qualified() {
    let rows = qualify(&options());
    let broken: Vec<_> = rows.iter().filter(|row| row.verdict != Verdict::Pass).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert_eq!(rows.len(), checks::ALL.len());
}

#[test]
fn checks_answer_controls_that_name_the_scan_and_no_others() {
    let answered: Vec<&str> = checks::ALL.iter().map(|check| check.control).collect();
    let named = controls::all().filter(|control| control.answers.iter().any(|answer| answer.oracle == "scan"));
    let named: Vec<&str> = named.map(|control| control.id.as_str()).collect();
    assert_eq!(answered, named);
    for control in controls::all() {
        for answer in control.answers.iter().filter(|answer| answer.oracle == "scan") {
            assert_eq!(answer.classes.join(" "), control.id);
        }
    }
}

#[test]
fn a_policy_that_accepts_everything_qualifies_nothing_that_it_accepts() {
    let rows = qualify(&with(
        "[imports]\nadapters = ['wbg.*', 'wasi_snapshot_preview1.*', 'env.*', 'host.*']\nshared = ['env.*', 'host.*']",
    ));
    let broken: Vec<&str> =
        rows.iter().filter(|row| row.verdict != Verdict::Pass).map(|row| row.class.as_str()).collect();
    assert_eq!(broken, ["SBX-01b", "SBX-02a", "SBX-02b", "SBX-06a"]);
}

#[test]
fn the_catalogue_takes_the_answers() {
    let options = options();
    let subject = module(r#"(module (import "env" "system" (func)) (memory 1) (func (export "f") call 0))"#);
    let scan = judged(&subject, &options);
    let (said, qualified) = (scan.said(), qualify(&options));
    let asked = Asked { profile: Profile::Module, level: Level::L0, reads: Default::default() };
    let attested = Default::default();
    let grounds =
        Grounds { asked: &asked, said: std::slice::from_ref(&said), qualified: &qualified, attested: &attested };
    let judged: BTreeMap<String, Verdict> =
        judge_all(&grounds).into_iter().map(|row| (row.control.id.clone(), row.verdict)).collect();
    for (control, expected) in [
        ("SBX-01b", "PASS"),
        ("SBX-02a", "FAIL"),
        ("SBX-02b", "PASS"),
        ("SBX-03a", "FAIL"),
        ("SBX-03b", "N/A"),
        ("SBX-04a", "NOT-TESTED"),
        ("SBX-04b", "NOT-TESTED"),
        ("SBX-04d", "WARN"),
        ("SBX-06a", "FAIL"),
        ("SBX-07a", "N/A"),
        ("ENC-00b", "PASS"),
    ] {
        assert_eq!(judged[control].name(), expected, "{control}: {:?}", judged[control]);
    }
    // Without the self-test of the same run nothing is a pass.
    let grounds = Grounds { qualified: &[], ..grounds };
    let row = judge_all(&grounds).into_iter().find(|row| row.control.id == "SBX-01b").unwrap();
    assert_eq!(row.verdict.name(), "NOT-TESTED");
}

#[test]
fn imports_are_held_to_the_policy() {
    let subject = module(
        r#"(module (import "env" "log" (func (param i32))) (import "wbg" "__wbg_fetch_a9fe1689d16fa34c" (func))
            (import "wasi_snapshot_preview1" "fd_write" (func)) (import "env" "memory" (memory 1 2))
            (func (export "f") i32.const 1 call 0 call 1))"#,
    );
    let strict = judged(&subject, &options());
    assert!(answer(&strict, "SBX-02a").contains("imports env.log (i32) -> ()"), "{}", answer(&strict, "SBX-02a"));
    assert!(answer(&strict, "SBX-02b").starts_with("FAIL imports wbg.__wbg_fetch"), "{}", answer(&strict, "SBX-02b"));
    assert!(answer(&strict, "SBX-01b").starts_with("FAIL imports the memory env.memory"));
    // Nothing opens a file: what is written goes where the host says.
    assert!(answer(&strict, "SBX-06a").starts_with("WARN"), "{}", answer(&strict, "SBX-06a"));
    let policy = "[imports]\ncategories = ['intrinsic', 'memory', 'files']\nallow = ['env.log']\nadapters = ['wbg.__wbg_fetch_*']\nshared = ['env.memory']";
    let reviewed = judged(&subject, &with(policy));
    for control in ["SBX-01b", "SBX-02b"] {
        assert_eq!(answer(&reviewed, control), "PASS ", "{control}");
    }
    // Reviewed, and nobody calls it.
    assert!(answer(&reviewed, "SBX-02a").starts_with("WARN imports wasi_snapshot_preview1.fd_write, and nothing"));
    // Nobody knows what they are, so that nobody may say that they are harmless.
    let short = module(r#"(module (import "a" "b" (func)) (func (export "c") call 0))"#);
    for control in ["SBX-02b", "SBX-06a"] {
        assert!(answer(&judged(&short, &options()), control).starts_with("NOT-TESTED 1 imports have shortened names"));
        assert_eq!(answer(&judged(&short, &with("[imports]\nallow = ['a.b']")), control), "PASS ", "{control}");
    }
    let opens = module(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)) (import "wasi_snapshot_preview1" "path_open" (func)))"#,
    );
    assert!(answer(&judged(&opens, &options()), "SBX-06a").starts_with("FAIL"));
}

#[test]
fn waivers_turn_a_failure_into_a_warning_until_they_end() {
    let subject = module("(module (memory 1))");
    let policy = |expires: &str| {
        format!(
            "[[waiver]]\ncontrol = 'SBX-03a'\nfinding = 'memory 0'\nowner = 'Ann'\nreason = 'bounded by the host'\nexpires = '{expires}'"
        )
    };
    let held = judged(&subject, &with(&policy("2026-11-22")));
    assert!(answer(&held, "SBX-03a").starts_with("WARN memory 0 has no maximum"), "{}", answer(&held, "SBX-03a"));
    assert!(answer(&held, "SBX-03a").contains("waived by Ann until 2026-11-22: bounded by the host"));
    let ended = judged(&subject, &with(&policy("2026-11-21")));
    assert!(answer(&ended, "SBX-03a").starts_with("FAIL"), "{}", answer(&ended, "SBX-03a"));
    assert!(answer(&ended, "SBX-03a").contains("a waiver by Ann ended on 2026-11-21"));
    let other = judged(&subject, &with(&policy("2026-11-22").replace("memory 0", "memory 1")));
    assert!(answer(&other, "SBX-03a").starts_with("FAIL"));
}

#[test]
fn components_say_what_does_not_apply() {
    let subject = module(
        r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)) (core module (memory 1)) (core module (import "a" "b" (memory 1))))"#,
    );
    let scan = judged(&subject, &options());
    assert_eq!(scan.module.kind, "component");
    assert!(answer(&scan, "SBX-01b").starts_with("N/A"));
    assert!(answer(&scan, "SBX-02b").starts_with("FAIL imports wasi:sockets/tcp@0.2.0"));
    // The memory that one of its modules imports is another one's.
    assert_eq!(scan.row("SBX-03a").unwrap().found.len(), 1);
}

#[test]
fn secrets_are_masked_and_found_in_every_form() {
    let secret = ["gh", "p_", "x7Kq2mWz9LrTb4NvYc8HdJf3PsGa6EuRt5Xo"].concat();
    let token = |bytes: &[u8]| {
        let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        judged(&module(&format!(r#"(module (memory 1 1) (data (i32.const 0) "{escaped}"))"#)), &options())
    };
    let utf16: Vec<u8> = secret.bytes().flat_map(|byte| [byte, 0]).collect();
    let base64 = autoclave_scan::secrets::as_base64(format!("token = {secret} of the build server").as_bytes());
    for (form, bytes) in [("plain", secret.clone().into_bytes()), ("UTF-16", utf16), ("base64", base64.into_bytes())] {
        let scan = token(&bytes);
        assert!(answer(&scan, "ENC-00b").starts_with("FAIL GitHub token"), "{form}: {}", answer(&scan, "ENC-00b"));
        let shown = format!("{scan:?}");
        assert!(!shown.contains(&secret[4..12]), "{form}: {shown}");
    }
    for harmless in ["ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ghp_short", "AKIAIOSFODNN7EXAMPLE"] {
        assert_eq!(answer(&token(harmless.as_bytes()), "ENC-00b"), "PASS ", "{harmless}");
    }
}

#[test]
fn kinds_of_secrets_and_what_looks_like_them() {
    let found = |text: &str| -> Vec<&'static str> {
        autoclave_scan::secrets::find(text.as_bytes()).into_iter().map(|one| one.kind).collect()
    };
    let jwt = |head: &str| {
        let part = |text: &str| autoclave_scan::secrets::as_base64_url(text.as_bytes());
        format!("{}.{}.Xk3vTq9ZpLm2Wc8Rb5Ny7Hd4Jf6Ga1Es", part(head), part(r#"{"sub":"1","name":"A"}"#))
    };
    let cases: &[(String, &[&str])] = &[
        (format!("t={}", jwt(r#"{"alg":"HS256","typ":"JWT"}"#)), &["JSON Web Token"]),
        (format!("t={}", jwt(r#"{"typ":"JWT","x":1}"#)), &[]),
        (format!("the token is {}.", jwt(r#"{"alg":"HS256","typ":"JWT"}"#)), &["JSON Web Token"]),
        (format!("eyJ.a.{}.b.c", jwt(r#"{"alg":"HS256","typ":"JWT"}"#)), &["JSON Web Token"]),
        (["postgres://clinic:", "t4Xk9zQ2wM", "@db.internal:5432/phi"].concat(), &["password in a URL"]),
        ("postgres://user:password@localhost/db".into(), &[]),
        ("http://a:b@c.de".into(), &[]),
        ("https://user:hunter22@example.com/".into(), &[]),
        ("ftp://${user}:${pass}@host.de/".into(), &[]),
        (["xox", "b-402917365820-718203645591-kQ7vZ2nXw9RtLb4MyHs8JdPc"].concat(), &["Slack token"]),
        (["sk_", "live_", "9aQ2wE4rT6yU8iO0pL1kJ3hG"].concat(), &["Stripe key"]),
        (["AI", "za", "SyB3xK9qLmN7wRtYuIoP2aSdFgHjKzXcVbQ"].concat(), &["Google API key"]),
        (["Server=db.internal;User Id=app;", "Password=Zx9!kQw2Lm;"].concat(), &["connection string with a password"]),
        ("Server={0};User Id={1};Password={2};".into(), &[]),
        (["const apiKey = \"", "9fK2xQ7mZ4wL8rT1vB6nY3cH", "\""].concat(), &["secret by its name"]),
        ("const apiKey = \"your-api-key-goes-here-1\"".into(), &[]),
        ("password: \"correct horse battery\"".into(), &[]),
        ("-----BEGIN PRIVATE KEY-----\0-----END PRIVATE KEY-----".into(), &[]),
        ("-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQm9ndXNDZXJ0aWZpY2F0ZUZvclRlc3RzMAoGCCqGSM49\n".into(), &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(found(text), *expected, "{text}");
    }
}

#[test]
fn cryptography_is_told_by_its_constants() {
    let check = |text: &str, expected: &str| {
        let scan = judged(&module(text), &options());
        assert!(answer(&scan, "ENC-00a").starts_with(expected), "{text}: {}", answer(&scan, "ENC-00a"));
    };
    let words = |values: &[&str]| {
        let drops: String = values.iter().map(|value| format!("i32.const {value} drop ")).collect();
        format!("(module (func {drops}))")
    };
    check(&words(&["0x5a827999", "0x6ed9eba1", "0x8f1bbcdc", "0xca62c1d6"]), "FAIL SHA-1");
    check(&words(&["0x5a827999", "0x6ed9eba1", "0x8f1bbcdc", "0xca62c1d7"]), "PASS");
    check(&words(&["0x428a2f98", "0x71374491", "0xb5c0fbcf", "0xe9b5dba5"]), "WARN SHA-256");
    check(r#"(module (memory 1 1) (data (i32.const 0) "expand 32-byte k"))"#, "WARN ChaCha");
    check(r#"(module (memory 1 1) (data (i32.const 0) "expand 32-byte k chacha20-0.9.1/src/lib.rs"))"#, "PASS");
    check(r#"(module (func $crypto_rc4_init (export "a")))"#, "FAIL RC4");
    check(r#"(module (func $arc42 (export "src4")))"#, "PASS");
    check(r#"(module (func (export "md5_update")))"#, "FAIL MD5");
    check(r#"(module (func (export "cmd5")))"#, "PASS");
}

fn glue(text: &str) -> Scan {
    let mut subject = module("(module)");
    subject.files = vec![File::new("a.js", text)];
    subject.glue = Some(vec![Script { path: "a.js".into(), text: text.into(), is_loaded: true }]);
    judged(&subject, &options())
}

#[test]
fn glue_is_parsed_and_not_searched() {
    for (text, control, expected) in [
        ("eval(x)", "SBX-06b", "FAIL"),
        ("// eval(x)\nconst a = 'eval(x)'", "SBX-06b", "PASS"),
        ("document.write(x)", "SBX-06b", "FAIL"),
        ("import('data:text/javascript,1')", "SBX-06b", "FAIL"),
        ("import('./a.js')", "SBX-06b", "PASS"),
        ("function f() { 'use asm'; return {} }", "SBX-06b", "FAIL"),
        ("new Function('return this')()", "VAL-05c", "PASS"),
        ("new Function('x', body)", "VAL-05c", "FAIL"),
        ("(0, eval)(`a${b}`)", "VAL-05c", "FAIL"),
        ("new globalThis.Function('x', body)", "VAL-05c", "FAIL"),
        ("new (0, window['Function'])(body)", "VAL-05c", "FAIL"),
        ("globalThis.eval(x)", "VAL-05c", "FAIL"),
        ("new own.Function('x', body)", "VAL-05c", "PASS"),
        ("new self.RegExp(pattern)", "VAL-05c", "WARN"),
        ("new RegExp(pattern)", "VAL-05c", "WARN"),
        ("new RegExp('a+')", "VAL-05c", "PASS"),
        ("import x from 'https://esm.sh/react@latest'", "SBX-04a", "FAIL"),
        ("fetch('https://unpkg.com/a/a.wasm')", "SBX-04a", "FAIL"),
        // What it was built from is still unknown.
        ("fetch('https://unpkg.com/a@1.2.3/a.wasm')", "SBX-04a", "NOT-TESTED"),
        ("fetch('https://unpkg.com/a@latest/1.2.3/a.wasm')", "SBX-04a", "FAIL"),
        ("fetch('https://unpkg.com/1.2.3/a.wasm')", "SBX-04a", "FAIL"),
        ("fetch('https://unpkg.com/@a/b@1.2.3/a@2x.png')", "SBX-04a", "NOT-TESTED"),
        ("fetch('https://cdn.jsdelivr.net/npm/a@1/dist/1.2.3/a.js')", "SBX-04a", "FAIL"),
        ("fetch('https://cdn.jsdelivr.net/combine/npm/a@1.2.3,npm/b@1')", "SBX-04a", "FAIL"),
        ("fetch('https://cdn.jsdelivr.net/gh/a/b@v1.2.3/a.js')", "SBX-04a", "NOT-TESTED"),
        ("fetch('https://cdnjs.cloudflare.com/ajax/libs/a/1.2.3/a.js')", "SBX-04a", "NOT-TESTED"),
        ("fetch('https://raw.githubusercontent.com/a/b/main/1.2.3/a.js')", "SBX-04a", "FAIL"),
        ("fetch('https://raw.githubusercontent.com/a/b/refs/tags/v1.2.3/a.js')", "SBX-04a", "NOT-TESTED"),
        ("// https://unpkg.com/a@latest/a.wasm", "SBX-04a", "NOT-TESTED"),
        ("eval(", "SBX-06b", "NOT-TESTED"),
    ] {
        let scan = glue(text);
        assert!(answer(&scan, control).starts_with(expected), "{text}: {}", answer(&scan, control));
    }
    assert!(answer(&judged(&module("(module)"), &options()), "SBX-06b").starts_with("N/A"));
}

fn manifests(files: &[(&str, &str)]) -> Scan {
    let mut subject = module("(module)");
    subject.manifests = files.iter().map(|(name, text)| File::new(name, *text)).collect();
    judged(&subject, &options())
}

#[test]
fn compose_and_dockerfiles_are_read_too() {
    let good = "services:\n  parser:\n    image: a@sha256:00\n    user: '1000:1000'\n    read_only: true\n    networks: [inside]\n    \
                security_opt: ['no-new-privileges:true', 'seccomp=./p.json']\nnetworks:\n  inside: {internal: true}\n";
    let scan = manifests(&[("compose.yaml", good)]);
    for control in ["SBX-07a", "SBX-07b", "SBX-07c", "SBX-07d"] {
        assert_eq!(answer(&scan, control), "PASS ", "{control}");
    }
    for (from, to, control, expected) in [
        ("user: '1000:1000'", "user: '0:0'", "SBX-07a", "FAIL"),
        ("user: '1000:1000'", "cap_add: [SYS_ADMIN]\n    user: me", "SBX-07a", "FAIL"),
        ("'no-new-privileges:true', ", "", "SBX-07a", "FAIL"),
        ("read_only: true", "read_only: false", "SBX-07b", "FAIL"),
        ("read_only: true", "read_only: true\n    command: wasmtime run --dir=/ a.wasm", "SBX-07b", "FAIL"),
        ("read_only: true", "read_only: true\n    volumes: ['/srv:/srv']", "SBX-07b", "FAIL"),
        ("read_only: true", "read_only: true\n    volumes: ['/srv:/srv:ro']", "SBX-07b", "PASS"),
        ("seccomp=./p.json", "seccomp=unconfined", "SBX-07c", "FAIL"),
        ("internal: true", "internal: false", "SBX-07d", "FAIL"),
        ("a@sha256:00", "a:latest", "SBX-04a", "FAIL"),
    ] {
        let scan = manifests(&[("compose.yaml", &good.replace(from, to))]);
        assert!(answer(&scan, control).starts_with(expected), "{to}: {}", answer(&scan, control));
    }
    let scan = manifests(&[("Dockerfile", "FROM rust AS build\nUSER me\nFROM scratch\nCOPY --from=build /a /a\n")]);
    assert!(answer(&scan, "SBX-07a").starts_with("FAIL the image runs as root"));
    assert!(answer(&scan, "SBX-04a").contains("the image rust has no digest"), "{}", answer(&scan, "SBX-04a"));
    let scan = manifests(&[("Dockerfile", "FROM scratch\nUSER 1000\n")]);
    assert_eq!(answer(&scan, "SBX-07a"), "PASS ");
    let scan = manifests(&[("chart.yaml", "apiVersion: v1\nkind: Pod\nspec: {{ .Values.spec }}\n")]);
    assert!(answer(&scan, "SBX-07a").starts_with("NOT-TESTED 1 manifests cannot be read"));
    // Settings of something else.
    assert!(answer(&manifests(&[("a.yaml", "a: [")]), "SBX-07a").starts_with("N/A"));
}

#[test]
fn folders_are_scanned_whole() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("m.wasm", &wat::parse_str(r#"(module (memory (export "memory") 1 2) (func (export "f")))"#).unwrap());
    write(
        "m.js",
        b"export async function load() { return WebAssembly.instantiate(await (await fetch('m.wasm')).arrayBuffer()) }",
    );
    write(
        "package.json",
        br#"{"name": "m", "version": "1.0.0", "module": "m.js", "dependencies": {"left-pad": "^1.0.0"}}"#,
    );
    write(
        "deploy/pod.yaml",
        b"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: a}]}\n",
    );
    write(".env", ["API_KEY=\"", "9fK2xQ7mZ4wL8rT1vB6nY3cH", "\"\n"].concat().as_bytes());
    let found = scan(folder.path(), &options()).unwrap();
    assert!(answer(&found, "SBX-04a").starts_with("FAIL"), "{}", answer(&found, "SBX-04a"));
    assert!(answer(&found, "SBX-07a").starts_with("FAIL"));
    assert!(answer(&found, "API-04a").starts_with("FAIL secret by its name"), "{}", answer(&found, "API-04a"));
    assert_eq!(answer(&found, "ENC-00b"), "PASS ");
    let place = &found.row("API-04a").unwrap().found[0];
    assert_eq!((place.location.as_str(), place.severity), (".env:1 (byte 9)", Severity::High));
    // The same bytes, the same words.
    assert_eq!(scan(folder.path(), &options()).unwrap(), found);
    let error = scan(&folder.path().join("absent.wasm"), &options()).unwrap_err().to_string();
    assert!(error.contains("absent.wasm"), "{error}");
    write("broken.wasm", b"\0asm\x01\0\0\0\x01\xff");
    let error = scan(&folder.path().join("broken.wasm"), &options()).unwrap_err().to_string();
    assert!(error.contains("broken.wasm: no WebAssembly that can be read"), "{error}");
}

/// A folder with a module that all checks pass and these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::write(folder.path().join("m.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    folder
}

fn notes(scan: &Scan) -> Vec<&str> {
    scan.notes.iter().filter(|note| note.class == "NOT-READ").map(|note| note.location.as_str()).collect()
}

#[test]
#[cfg(unix)]
fn links_are_not_followed_and_not_passed() {
    let elsewhere = folder(&[("a.js", "eval(x)"), ("a.yaml", "kind: Pod")]);
    let script = "export const a = fetch(new URL('m.wasm', import.meta.url))";
    let controls = ["SBX-06b", "VAL-05c", "ENC-00b", "API-04a", "SBX-07a", "SBX-04a"];
    let cases: &[(&str, &str, &[&str])] = &[
        ("more", "", &controls),
        ("b.js", "a.js", &["SBX-06b", "VAL-05c", "API-04a", "SBX-04a"]),
        ("b.yaml", "a.yaml", &["API-04a", "SBX-07a", "SBX-04a"]),
        ("b.map", "a.js", &["ENC-00b", "API-04a"]),
        ("b.bin", "a.js", &[]),
    ];
    for (link, to, expected) in cases {
        let lock = "version = 4\n[[package]]\nname = 'm'\nversion = '1.0.0'\n";
        let manifest = "[package]\nname = 'm'\nversion = '1.0.0'\n";
        let place = folder(&[("m.js", script), ("Cargo.toml", manifest), ("Cargo.lock", lock)]);
        let options = || Options { source: Some(place.path().to_owned()), ..options() };
        let before = scan(place.path(), &options()).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join(to), place.path().join(link)).unwrap();
        let after = scan(place.path(), &options()).unwrap();
        for control in controls {
            let answer = answer(&after, control);
            if expected.contains(&control) {
                let why = format!("{link}: a link, which is not followed");
                assert!(answer.starts_with("NOT-TESTED") && answer.contains(&why), "{link} {control}: {answer}");
            } else {
                assert_eq!(after.row(control), before.row(control), "{link} {control}");
            }
        }
    }
}

#[test]
fn manifests_that_are_too_large_are_not_passed() {
    let good = "FROM scratch\nUSER 1000\n";
    let place = folder(&[("Dockerfile", good)]);
    assert_eq!(answer(&scan(place.path(), &options()).unwrap(), "SBX-07a"), "PASS ");
    std::fs::File::create(place.path().join("pod.yaml")).unwrap().set_len(17 << 20).unwrap();
    let found = scan(place.path(), &options()).unwrap();
    assert!(answer(&found, "SBX-07a").starts_with("NOT-TESTED 1 manifests cannot be read: pod.yaml: 17825792 bytes"));
    // The same where the module is a file of its own, and the folder of manifests is named.
    let module = Options { manifests: Some(place.path().to_owned()), ..options() };
    let found = scan(&place.path().join("m.wasm"), &module).unwrap();
    for control in ["SBX-07a", "API-04a"] {
        assert!(answer(&found, control).contains("pod.yaml: 17825792 bytes"), "{control}: {}", answer(&found, control));
    }
}

#[test]
fn folders_that_are_left_out_are_told_and_others_of_that_name_are_read() {
    let secret = ["gh", "p_", "x7Kq2mWz9LrTb4NvYc8HdJf3PsGa6EuRt5Xo"].concat();
    let built = [("target/a.js", secret.as_str()), ("node_modules/a/a.js", secret.as_str()), ("m.js", "export {}")];
    let marks = [
        ("Cargo.toml", "[package]\nname = 'm'"),
        ("package.json", r#"{"name": "m", "version": "1.0.0", "module": "m.js"}"#),
    ];
    let found = scan(folder(&[&built[..], &marks].concat()).path(), &options()).unwrap();
    assert_eq!(notes(&found), ["node_modules", "target"]);
    assert_eq!(answer(&found, "API-04a"), "PASS ");
    // Nothing says that they are made of something else.
    for mine in [&built[..1], &built[1..2]] {
        let found = scan(folder(mine).path(), &options()).unwrap();
        assert_eq!(notes(&found), [""; 0]);
        assert!(answer(&found, "API-04a").starts_with("FAIL GitHub token"), "{}", answer(&found, "API-04a"));
    }
}
