//! Hostile input: mutated modules, lock files, manifests and signatures are answered or refused, never a panic.

use autoclave_scan::subject::{File, Script, Source, Subject};
use autoclave_scan::{Context, Options, Policy, judge, notes, render, secrets, yaml};
use quickcheck::{QuickCheck, TestResult};

/// Modules with every section that is read.
fn modules() -> Vec<Vec<u8>> {
    let texts = [
        r#"(module (import "env" "f" (func (param i32))) (import "env" "m" (memory 1 2)) (import "env" "t" (table 1 2 funcref))
            (import "env" "g" (global (mut i32))) (global i32 (i32.const 1)) (start 1) (elem (i32.const 0) func 0)
            (func $md5 i32.const 0x5a827999 i32.const 0x6ed9eba1 i32.add call 0) (export "md5" (func 1))
            (data (i32.const 0) "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7") (@custom "signature" "\01\01\01"))"#,
        r#"(component (import "wasi:http/types@0.2.0" (instance)) (core module (memory 1)) (component (core module)))"#,
    ];
    texts.iter().map(|text| wat::parse_str(text).unwrap()).collect()
}

/// Places and bytes that are changed, cut and repeated.
type Edits = Vec<(u16, u8, u8)>;

fn edited(bytes: &[u8], edits: &Edits) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, kind, byte) in edits {
        if bytes.is_empty() {
            break;
        }
        let at = usize::from(*at) % bytes.len();
        match kind % 5 {
            0 => bytes[at] = *byte,
            1 => bytes.truncate(at),
            2 => bytes.insert(at, *byte),
            3 => bytes[at] ^= 1 << (byte % 8),
            _ => {
                let part: Vec<u8> = bytes[at..].iter().take(usize::from(*byte)).copied().collect();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

fn judged(subject: &Subject) {
    let options = Options::new("2026-11-22".parse().unwrap());
    let scan = judge(subject, &Context::of(&options));
    let text = render::human(&scan, &[]) + &render::markdown(&scan) + &render::json(&scan, &[]);
    assert!(text.len() < 4 << 20, "{} bytes of report", text.len());
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    scan.said();
}

#[test]
fn mutated_modules_are_answered_or_refused() {
    let property = |which: u8, edits: Edits| {
        let modules = modules();
        let bytes = edited(&modules[usize::from(which) % modules.len()], &edits);
        match Subject::of("m.wasm", bytes) {
            Ok(subject) => {
                judged(&subject);
                TestResult::passed()
            }
            Err(_) => TestResult::discard(),
        }
    };
    QuickCheck::new().tests(400).max_tests(20_000).quickcheck(property as fn(u8, Edits) -> TestResult);
}

#[test]
fn mutated_neighbours_are_answered() {
    const LOCK: &str = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"git+https://x/y?branch=z#0\"\ndependencies = [\"a\"]\n";
    const BILL: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"file","name":"m.wasm","hashes":[{"alg":"SHA-256","content":"00"}]}]}"#;
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: &a p, labels: {app: *a}}\nspec:\n  containers:\n  - {name: c, image: i, args: [--dir, /]}\n";
    const BUNDLE: &str = r#"{"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}"#;
    const SCRIPT: &str = "export const a = new Function('x', y); fetch('https://unpkg.com/a');";
    let property = |edits: Edits| {
        let mut subject = Subject::of("m.wasm", modules()[0].clone()).unwrap();
        let file = |name: &str, text: &str| File::new(name, edited(text.as_bytes(), &edits));
        subject.source = Some(Source {
            package: Some("a".into()),
            files: vec![
                file("Cargo.toml", "[package]\nname='a'"),
                file("Cargo.lock", LOCK),
                file("package-lock.json", "{\"packages\":{\"node_modules/a\":{}}}"),
            ],
        });
        subject.sbom = Some(file("m.cdx.json", BILL));
        subject.manifests = vec![file("pod.yaml", POD), file("Dockerfile", "FROM a AS b\nUSER root\n")];
        subject.bundles = vec![file("m.sigstore.json", BUNDLE)];
        let text = file("a.js", SCRIPT).text();
        subject.files = vec![File::new("a.js", text.clone())];
        subject.glue = Some(vec![Script { path: "a.js".into(), text, is_loaded: true }]);
        judged(&subject);
        true
    };
    QuickCheck::new().tests(300).quickcheck(property as fn(Edits) -> bool);
}

#[test]
fn any_bytes_have_secrets_or_none() {
    let property = |bytes: Vec<u8>, times: u8| {
        let bytes = bytes.repeat(usize::from(times));
        secrets::find(&bytes).len() <= 200 && yaml::read(&String::from_utf8_lossy(&bytes)).is_ok_and(|_| true) | true
    };
    QuickCheck::new().tests(300).quickcheck(property as fn(Vec<u8>, u8) -> bool);
    // Each of many beginnings looks a little further, never to the end.
    for part in ["eyJ", "eyJ.", "://", "-----BEGIN ", "AKIA", "password=", "apikey='", "a\0", "SG.", "x:y@"] {
        let long = part.repeat((1 << 20) / part.len());
        assert!(secrets::find(long.as_bytes()).len() <= 200, "{part}");
    }
}

#[test]
fn a_run_of_beginnings_is_read_once() {
    let start = std::time::Instant::now();
    assert_eq!(secrets::find("eyJ.".repeat(4 << 20).as_bytes()), []);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn many_harmless_secrets_hide_no_other() {
    let test_key = ["sk_", "test_", "9aQ2wE4rT6yU8iO0pL1kJ3hG\n"].concat();
    let aws = ["AK", "IA", "Q3EGRZ7LW2MFX5NB\n"].concat();
    let body = "MC4CAQAwBQYDK2VwBCIEIJ3vX0m1q7Zk9yRtWb5uC8hNfLsEoGdPaQiT2xVzMe4K";
    let pem = ["-----BEGIN ", "PRIVATE KEY-----\n", body, "\n-----END ", "PRIVATE KEY-----\n"].concat();
    let github = ["gh", "p_", "x7Kq2mWz9LrTb4NvYc8HdJf3PsGa6EuRt5Xo\n"].concat();
    let kinds = |text: String| -> Vec<&str> {
        let found = secrets::find(text.as_bytes());
        assert_eq!(found.len(), 200);
        found.into_iter().map(|one| one.kind).collect()
    };
    for count in [200, 1_000] {
        assert!(kinds(test_key.repeat(count) + &pem).contains(&"private key in PEM"), "{count}");
        assert!(kinds(test_key.repeat(count) + &aws).contains(&"AWS access key"), "{count}");
        // Nor do many of one kind, which a waiver may be about.
        assert!(kinds(aws.repeat(count) + &github).contains(&"GitHub token"), "{count}");
    }
}

/// A module of 4 MB that imports a million functions of one type of two thousand values.
fn crowded(imports: u32) -> Vec<u8> {
    let mut module = wasm_encoder::Module::new();
    let mut types = wasm_encoder::TypeSection::new();
    let many = || vec![wasm_encoder::ValType::FUNCREF; 1_000];
    types.ty().function(many(), many());
    module.section(&types);
    let mut section = wasm_encoder::ImportSection::new();
    for _ in 0..imports {
        section.import("", "", wasm_encoder::EntityType::Function(0));
    }
    module.section(&section);
    module.finish()
}

#[test]
fn a_million_imports_of_a_long_type_are_answered_in_bounds() {
    let subject = Subject::of("m.wasm", crowded(1 << 20)).unwrap();
    let core = &subject.facts.cores[0];
    let texts: std::collections::BTreeSet<*const u8> = core.imports.iter().map(|import| import.ty.as_ptr()).collect();
    assert_eq!((core.imports.len(), texts.len()), (1 << 20, 1), "one text for all");
    let options = Options::new("2026-11-22".parse().unwrap());
    let scan = judge(&subject, &Context::of(&options));
    let row = scan.row("SBX-02a").unwrap();
    assert_eq!((row.verdict.name(), row.found.len()), ("FAIL", 101));
    assert_eq!(row.found[1].what, "1038576 more like these are not listed");
    judged(&subject);
}

#[test]
fn a_waiver_of_what_is_listed_accepts_nothing_else() {
    let subject = Subject::of("m.wasm", crowded(20_000)).unwrap();
    let policy = "[[waiver]]\ncontrol = 'SBX-02a'\nfinding = 'imports .'\nowner = 'Ann'\nreason = 'known'\nexpires = '2026-12-01'";
    let options = Options { policy: Policy::from_toml(policy).unwrap(), ..Options::new("2026-11-22".parse().unwrap()) };
    let scan = judge(&subject, &Context::of(&options));
    assert_eq!(scan.row("SBX-02a").unwrap().verdict.reason(), "10000 more like these are not listed");
}

#[test]
fn what_is_worth_knowing_is_noted() {
    let text = r#"(module (table (export "t") 1 1 funcref) (global (export "g") (mut i32) (i32.const 0)) (func $f) (start $f)
        (memory 1 1) (data (i32.const 0) "/home/ann/parser/src/lib.rs\00/home/web_user/a/b") (@custom "mystery" "x") (@custom ".debug_info" "y"))"#;
    let subject = Subject::of("m.wasm", wat::parse_str(text).unwrap()).unwrap();
    let notes: Vec<String> = notes::all(&subject).into_iter().map(|note| note.class).collect();
    let expected =
        ["EXPORTED-TABLE", "EXPORTED-GLOBAL", "START", "NAMES", "CUSTOM-SECTION", "DEBUG-INFO", "BUILD-PATH"];
    assert_eq!(notes, expected);
    let plain = Subject::of("m.wasm", wat::parse_str("(module)").unwrap()).unwrap();
    assert_eq!(notes::all(&plain), []);
}
