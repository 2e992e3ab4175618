//! A module and a certificate that is admitted; tests change one thing of it.

use autoclave_certificate::bundle::{seal, seal_payloads};
use autoclave_certificate::certificate::{
    Campaign, Certificate, Check, Corpus, Level, Limit, Module, NotTested, Pinned, Profile, Qualification, Scope, Tool,
    Trial, Verdict, Waiver,
};
use autoclave_certificate::digest::Sha256Digest;
use autoclave_certificate::dsse::PAYLOAD_TYPE;
use autoclave_certificate::statement::{Statements, Subjects};
use autoclave_certificate::{Algorithm, Code, Decision, Moment, Policy, PrivateKey, PublicKey, admit};
use std::sync::LazyLock;

/// (module (memory 1 1) (func (export "parse")))
pub const MODULE: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x04\x01\x01\x01\x01\
    \x07\x09\x01\x05parse\0\0\x0a\x04\x01\x02\0\x0b";

pub fn moment(text: &str) -> Moment {
    text.parse().unwrap()
}

/// When everything below is valid.
pub fn now() -> Moment {
    moment("2026-12-01")
}

pub fn key(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::from_seed(algorithm, &[7; 32]).unwrap()
}

pub fn other_key(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::from_seed(algorithm, &[8; 32]).unwrap()
}

/// Made once: these are asked for ten thousand times.
pub fn trusted() -> &'static [PublicKey] {
    static TRUSTED: LazyLock<Vec<PublicKey>> =
        LazyLock::new(|| vec![key(Algorithm::P256).public(), key(Algorithm::Ed25519).public()]);
    &TRUSTED
}

pub fn check(id: &str, verdict: Verdict, scope: Scope) -> Check {
    let oracle = verdict.is_tested().then(|| "no-trap".to_owned());
    let reason = if verdict == Verdict::Pass { String::new() } else { format!("why {id}") };
    Check { id: id.to_owned(), verdict, reason, scope, oracle, evidence: None }
}

pub fn waiver(id: &str, expires: &str) -> Waiver {
    Waiver {
        check: id.to_owned(),
        owner: "security@clinic.example".to_owned(),
        reason: "known and harmless".to_owned(),
        expires: moment(expires),
    }
}

pub fn certificate() -> Certificate {
    let pinned = |name: &str| Pinned { name: name.to_owned(), sha256: Sha256Digest::of(name.as_bytes()) };
    Certificate {
        tool: Tool { name: "autoclave".to_owned(), version: "0.1.0".to_owned() },
        verifier: "urn:autoclave:certify:0.1.0".to_owned(),
        issued: moment("2026-11-22T21:04:51Z"),
        not_before: moment("2026-11-22T21:04:51Z"),
        not_after: moment("2026-11-22T21:04:51Z").plus_days(90),
        module: Module { name: "parser.wasm".to_owned(), bytes: MODULE.len() as u64, interface: None },
        profile: Profile::Module,
        level: Level::L1,
        policy: pinned("autoclave.toml"),
        controls: pinned("controls"),
        corpus: Corpus { sha256: Sha256Digest::of(b"corpus"), inputs: 12 },
        report: Some(pinned("report.json")),
        checks: vec![
            check("SBX-01b", Verdict::Pass, Scope::Profile),
            check("SBX-03a", Verdict::Warn, Scope::Profile),
            check("SBX-08a", Verdict::NotApplicable, Scope::Profile),
            check("OPS-01a", Verdict::Attested, Scope::Profile),
            check("OPS-01b", Verdict::NotAttested, Scope::Profile),
            check("IAM-00a", Verdict::NotTested, Scope::Outside),
        ],
        campaigns: vec![Campaign {
            entry: "parse".to_owned(),
            seed: 1,
            budget_seconds: Some(600),
            executions: 3_100_000,
            edges: 160,
            edges_total: 682,
            singletons: 6,
            executions_since_new_edge: 2_000_000,
        }],
        limits: vec![Limit { name: "memory_bytes_max".to_owned(), value: 256 << 20, unit: "bytes".to_owned() }],
        versions: [("wasmtime".to_owned(), "48.0.8".to_owned())].into(),
        machine: [("arch".to_owned(), "x86_64".to_owned())].into(),
        qualification: vec![Qualification {
            oracle: "no-trap".to_owned(),
            canary: "canary-no-trap".to_owned(),
            canary_seen: Trial::Caught,
            twin: "canary-no-trap-fixed".to_owned(),
            twin_seen: Trial::Passed,
        }],
        waivers: Vec::new(),
        not_tested: vec![NotTested {
            what: "the page that loads it".to_owned(),
            reason: "only the module was given".to_owned(),
            remedy: "certify with --glue".to_owned(),
        }],
    }
}

/// The certificate's file, signed with the trusted key of that kind.
pub fn file(algorithm: Algorithm, certificate: Certificate) -> Vec<u8> {
    seal(MODULE, certificate, &key(algorithm)).unwrap()
}

/// A signed file of which the statements are changed as JSON text before they are signed.
pub fn forged(certificate: Certificate, change: impl FnOnce(&mut [String; 3])) -> Vec<u8> {
    let subjects = Subjects::of(MODULE).unwrap().list(&certificate.module.name);
    let payloads = Statements::of(certificate, subjects).payloads();
    let mut texts = payloads.map(|payload| String::from_utf8(payload).unwrap());
    change(&mut texts);
    let payloads = texts.map(String::into_bytes);
    seal_payloads(&payloads, PAYLOAD_TYPE, &key(Algorithm::P256))
}

/// The decision about [`MODULE`] under the default policy.
pub fn decide(file: &[u8]) -> Decision {
    admit(MODULE, file, trusted(), &Policy::default(), now())
}

#[track_caller]
pub fn assert_refused(name: &str, decision: &Decision, expected: &[Code]) {
    let codes: Vec<Code> = decision.reasons().iter().map(|reason| reason.code).collect();
    assert_eq!(codes, expected, "{name}: {:?}", decision.reasons());
    assert!(!decision.is_admitted(), "{name}");
    for reason in decision.reasons() {
        assert!(reason.what.len() > 5 && reason.what.chars().all(|c| !c.is_control()), "{name}: {reason}");
    }
}
