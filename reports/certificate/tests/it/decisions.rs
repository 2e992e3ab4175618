//! Genuine certificates that say too little for a policy.

use crate::sample::{MODULE, assert_refused, certificate, check, file, forged, key, moment, now, trusted, waiver};
use autoclave_certificate::admit::read;
use autoclave_certificate::certificate::{Certificate, Level, Profile, Scope, Trial, Verdict};
use autoclave_certificate::digest::Sha256Digest;
use autoclave_certificate::policy::Answer;
use autoclave_certificate::statement::Subjects;
use autoclave_certificate::summaries::{Outcome, test_result, verification_result};
use autoclave_certificate::{Algorithm, Code, Policy, admit};

type Case = (&'static str, fn(&mut Certificate), fn(&mut Policy), &'static [Code]);

const CASES: &[Case] = &[
    ("good", |_| (), |_| (), &[]),
    ("level as asked", |c| c.level = Level::L2, |p| p.level = Level::L2, &[]),
    ("level above", |c| c.level = Level::L3, |p| p.level = Level::L2, &[]),
    ("level below", |_| (), |p| p.level = Level::L2, &[Code::Level]),
    ("static only", |c| c.level = Level::L0, |_| (), &[Code::Level]),
    ("static is enough", |c| c.level = Level::L0, |p| p.level = Level::L0, &[]),
    ("profile", |_| (), |p| p.profiles = vec![Profile::ModuleAndGlue], &[Code::Profile]),
    ("valid too long", |_| (), |p| p.validity_days_max = Some(89), &[Code::ValidTooLong]),
    ("valid long enough", |_| (), |p| p.validity_days_max = Some(90), &[]),
    ("never valid", |c| c.not_after = c.not_before, |_| (), &[Code::Contradiction]),
    ("issued when expired", |c| c.issued = c.not_after.plus_days(1), |_| (), &[Code::Contradiction]),
    ("failed", |c| c.checks.push(check("X", Verdict::Fail, Scope::Profile)), |_| (), &[Code::CheckFailed]),
    ("failed outside", |c| c.checks.push(check("X", Verdict::Fail, Scope::Outside)), |_| (), &[Code::CheckFailed]),
    ("not tested", |c| c.checks.push(check("X", Verdict::NotTested, Scope::Profile)), |_| (), &[Code::CheckNotTested]),
    ("not tested outside", |c| c.checks.push(check("X", Verdict::NotTested, Scope::Outside)), |_| (), &[]),
    (
        "all that is wrong is told",
        |c| {
            c.checks.push(check("X", Verdict::Fail, Scope::Profile));
            c.checks.push(check("Y", Verdict::NotTested, Scope::Profile));
            c.not_after = moment("2026-11-23");
            c.qualification[0].twin_seen = Trial::Caught;
        },
        |p| p.level = Level::L3,
        &[Code::Expired, Code::Level, Code::Qualification, Code::CheckFailed, Code::CheckNotTested],
    ),
    ("warning", |_| (), |p| p.warnings = Answer::Refuse, &[Code::Warning]),
    ("not attested", |_| (), |p| p.not_attested = Answer::Refuse, &[Code::NotAttested]),
    ("required and passed", |_| (), |p| p.required_checks = vec!["SBX-01b".into(), "OPS-01a".into()], &[]),
    ("required and warned", |_| (), |p| p.required_checks = vec!["SBX-03a".into()], &[Code::RequiredCheck]),
    ("required and absent", |_| (), |p| p.required_checks = vec!["SBX-99z".into()], &[Code::RequiredCheck]),
    ("no checks", |c| c.checks.clear(), |_| (), &[Code::Contradiction]),
    ("no checks inside", |c| c.checks.retain(|check| check.scope == Scope::Outside), |_| (), &[Code::Contradiction]),
    ("a check twice", |c| c.checks.push(c.checks[0].clone()), |_| (), &[Code::Contradiction]),
    ("no reason", |c| c.checks[1].reason.clear(), |_| (), &[Code::Contradiction]),
    ("answered by nobody", |c| c.checks[0].oracle = None, |_| (), &[Code::Contradiction]),
    ("answered by an unknown oracle", |c| c.checks[0].oracle = Some("x".into()), |_| (), &[Code::Contradiction]),
    ("an oracle qualified twice", |c| c.qualification.push(c.qualification[0].clone()), |_| (), &[Code::Contradiction]),
    ("canary passes", |c| c.qualification[0].canary_seen = Trial::Passed, |_| (), &[Code::Qualification]),
    ("canary not run", |c| c.qualification[0].canary_seen = Trial::NotRun, |_| (), &[Code::Qualification]),
    ("twin caught", |c| c.qualification[0].twin_seen = Trial::Caught, |_| (), &[Code::Qualification]),
    ("twin not run", |c| c.qualification[0].twin_seen = Trial::NotRun, |_| (), &[Code::Qualification]),
    (
        "no oracle at all",
        |c| {
            c.qualification.clear();
            c.checks.retain(|check| !check.verdict.is_tested());
        },
        |_| (),
        &[Code::Qualification],
    ),
    ("waived and allowed", |c| fail_waived(c, "2027-01-01"), |p| p.allowed_waivers = vec!["X".into()], &[]),
    ("waived and not allowed", |c| fail_waived(c, "2027-01-01"), |_| (), &[Code::CheckFailed, Code::WaiverNotAllowed]),
    (
        "waived and expired",
        |c| fail_waived(c, "2026-12-01"),
        |p| p.allowed_waivers = vec!["X".into()],
        &[Code::CheckFailed, Code::WaiverExpired],
    ),
    (
        "waived and required",
        |c| fail_waived(c, "2027-01-01"),
        |p| {
            p.allowed_waivers = vec!["X".into()];
            p.required_checks = vec!["X".into()];
        },
        &[Code::RequiredCheck],
    ),
    (
        "not tested, waived and allowed",
        |c| {
            c.checks.push(check("X", Verdict::NotTested, Scope::Profile));
            c.waivers.push(waiver("X", "2027-01-01"));
        },
        |p| p.allowed_waivers = vec!["X".into()],
        &[],
    ),
    (
        "warning waived",
        |c| c.waivers.push(waiver("SBX-03a", "2027-01-01")),
        |p| {
            p.warnings = Answer::Refuse;
            p.allowed_waivers = vec!["SBX-03a".into()];
        },
        &[],
    ),
    (
        "waiver without owner",
        |c| {
            fail_waived(c, "2027-01-01");
            c.waivers[0].owner = " ".into();
        },
        |p| p.allowed_waivers = vec!["X".into()],
        &[Code::Contradiction],
    ),
    (
        "waiver without reason",
        |c| {
            fail_waived(c, "2027-01-01");
            c.waivers[0].reason.clear();
        },
        |p| p.allowed_waivers = vec!["X".into()],
        &[Code::Contradiction],
    ),
    (
        "waiver of nothing",
        |c| c.waivers.push(waiver("X", "2027-01-01")),
        |p| p.allowed_waivers = vec!["X".into()],
        &[Code::Contradiction],
    ),
    ("verifier without a scheme", |c| c.verifier = "autoclave".into(), |_| (), &[Code::Contradiction]),
    ("verifier with a variable", |c| c.verifier = "urn:{{x}}".into(), |_| (), &[Code::Contradiction]),
    ("controls as pinned", |_| (), |p| p.controls = vec![Sha256Digest::of(b"x"), Sha256Digest::of(b"controls")], &[]),
    ("controls", |_| (), |p| p.controls = vec![Sha256Digest::of(b"x")], &[Code::NotPinned]),
    ("policy", |_| (), |p| p.policies = vec![Sha256Digest::of(b"x")], &[Code::NotPinned]),
    ("verifier", |_| (), |p| p.verifiers = vec!["urn:x".into()], &[Code::NotPinned]),
    ("verifier as pinned", |_| (), |p| p.verifiers = vec!["urn:autoclave:certify:0.1.0".into()], &[]),
    (
        "hostile text",
        |c| {
            c.checks.push(check("\u{1b}]0;x\u{7}\n\u{202e}", Verdict::Fail, Scope::Profile));
            c.controls.name = "\n::error::".repeat(100);
        },
        |p| p.controls = vec![Sha256Digest::of(b"x")],
        &[Code::NotPinned, Code::CheckFailed],
    ),
];

fn fail_waived(certificate: &mut Certificate, expires: &str) {
    certificate.checks.push(check("X", Verdict::Fail, Scope::Profile));
    certificate.waivers.push(waiver("X", expires));
}

#[test]
fn what_a_policy_makes_of_a_certificate() {
    for (name, change, demand, expected) in CASES {
        let (mut stated, mut policy) = (certificate(), Policy::default());
        change(&mut stated);
        demand(&mut policy);
        let decision = admit(MODULE, &file(Algorithm::P256, stated), trusted(), &policy, now());
        if expected.is_empty() {
            assert!(decision.is_admitted(), "{name}: {:?}", decision.reasons());
        } else {
            assert_refused(name, &decision, expected);
        }
    }
}

#[test]
fn every_reason_is_given_by_some_test() {
    let text = [include_str!("decisions.rs"), include_str!("attacks.rs")].concat();
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !text.contains(&format!("Code::{code:?}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A machine that reads only the summary must not load what the certificate would refuse.
#[test]
fn summaries_promise_no_more_than_the_certificate() {
    for (name, change, _, _) in CASES {
        let mut stated = certificate();
        change(&mut stated);
        let result = verification_result(&stated);
        let tests = test_result(&stated);
        let claims = |prefix: &str| result.properties.iter().any(|property| property.starts_with(prefix));
        let is_waived = |id: &String| stated.waivers.iter().any(|waiver| waiver.check == *id);
        let unwaived = stated.shortcomings().filter(|check| !is_waived(&check.id)).count();
        let qualified = !stated.qualification.is_empty() && stated.qualification.iter().all(|row| row.is_complete());
        let sound = unwaived == 0 && qualified && stated.contradictions().is_empty();
        assert_eq!(claims("AUTOCLAVE_LEVEL_"), sound, "{name}");
        assert_eq!(claims("AUTOCLAVE_PROFILE_"), sound, "{name}");
        assert_eq!(claims("AUTOCLAVE_NO_WAIVERS"), stated.waivers.is_empty(), "{name}");
        assert_eq!(tests.result == Outcome::Failed, unwaived > 0, "{name}");
        let passed = stated.checks.iter().filter(|check| check.verdict == Verdict::Pass).count();
        assert_eq!(tests.passed_tests.len(), passed, "{name}");
    }
    let result = verification_result(&certificate());
    assert_eq!(
        result.properties,
        [
            "AUTOCLAVE_LEVEL_L0",
            "AUTOCLAVE_LEVEL_L1",
            "AUTOCLAVE_PROFILE_MODULE",
            "AUTOCLAVE_QUALIFIED",
            "AUTOCLAVE_NO_WAIVERS",
            "AUTOCLAVE_CHECK_SBX-01b"
        ]
    );
}

/// What a certificate says can be read without the module; what is not genuine cannot.
#[test]
fn reading_without_a_module() {
    for algorithm in [Algorithm::P256, Algorithm::Ed25519] {
        let genuine = read(&file(algorithm, certificate()), trusted()).unwrap();
        assert_eq!(genuine.certificate, certificate());
        assert_eq!(genuine.subjects, Subjects::of(MODULE).unwrap());
        assert_eq!(genuine.key_hint, key(algorithm).public().hint());
    }
    let codes =
        |file: &[u8]| -> Vec<Code> { read(file, trusted()).unwrap_err().iter().map(|reason| reason.code).collect() };
    // Time, policy and shortcomings are not asked about; contradictions and changes are.
    let mut failed = certificate();
    failed.checks[0].verdict = Verdict::Fail;
    failed.checks[0].reason = "it traps".to_owned();
    assert_eq!(read(&file(Algorithm::P256, failed.clone()), trusted()).unwrap().certificate, failed);
    let mut never = certificate();
    never.not_after = never.not_before;
    assert!(codes(&file(Algorithm::P256, never)).contains(&Code::Contradiction));
    // Everything is signed, and the three statements agree; the digests are not those of one module.
    for (from, to) in [("sha384-", "sha999-"), ("as-deployed", "without-signatures")] {
        let odd = forged(certificate(), |texts| {
            for text in texts {
                assert!(text.contains(from));
                *text = text.replace(from, to);
            }
        });
        assert_eq!(codes(&odd), [Code::MalformedStatement], "{to}");
    }
    let mut changed = file(Algorithm::P256, certificate());
    let at = changed.len() / 2;
    changed[at] ^= 1;
    assert!(read(&changed, trusted()).is_err());
}
