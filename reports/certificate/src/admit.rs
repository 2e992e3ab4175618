//! The decision: may this module be loaded, on the strength of this certificate, under this policy, at this moment?

use crate::bundle;
use crate::certificate::{Certificate, Scope, Verdict};
use crate::keys::PublicKey;
use crate::moment::Moment;
use crate::policy::{Answer, Policy};
use crate::reason::{Code, Reason, shown};
use crate::statement::{
    CERTIFICATE_TYPE, Form, STATEMENT_TYPE, Statement, Statements, Subject, Subjects, TEST_RESULT_TYPE,
    VERIFICATION_RESULT_TYPE,
};
use crate::strict;
use crate::summaries::{TestResult, VerificationResult};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Load it.
    Admitted(Box<Admission>),
    /// Do not, for these reasons; at least one.
    Refused(Vec<Reason>),
}

/// What was admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The certificate, as signed.
    pub certificate: Certificate,
    /// The digests that it is about.
    pub subjects: Subjects,
    /// The key that signed it, as bundles call it.
    pub key_hint: String,
}

/// A certificate whose signatures hold and that does not contradict itself. Whether a module may be loaded on the
/// strength of it is another question, see [`admit()`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genuine {
    /// The certificate, as signed.
    pub certificate: Certificate,
    /// The digests that it is about, as signed.
    pub subjects: Subjects,
    /// The key that signed it, as bundles call it.
    pub key_hint: String,
}

impl Decision {
    /// Whether the module may be loaded.
    pub fn is_admitted(&self) -> bool {
        matches!(self, Decision::Admitted(_))
    }

    /// Why it may not; empty if it may.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Decision::Admitted(_) => &[],
            Decision::Refused(reasons) => reasons,
        }
    }
}

/// Decides. `module` and `bundle` are files as they came, `keys` those that are trusted to certify.
///
/// The same arguments always give the same answer. What is wrong with form, signature or statements is told alone, since
/// nothing behind it can be believed; what a genuine certificate lacks is told completely.
pub fn admit(module: &[u8], bundle: &[u8], keys: &[PublicKey], policy: &Policy, at: Moment) -> Decision {
    match examine(module, bundle, keys, policy, at) {
        Ok(admission) => Decision::Admitted(Box::new(admission)),
        Err(reasons) => Decision::Refused(reasons),
    }
}

/// Reads a certificate without a module, a policy or a clock, for people who want to see what it says.
///
/// # Errors
/// Why it is none: form, signature, statements that disagree, contradictions.
pub fn read(bundle: &[u8], keys: &[PublicKey]) -> Result<Genuine, Vec<Reason>> {
    let (Statement { subject, predicate: certificate, .. }, key) = genuine(bundle, keys)?;
    let Some(subjects) = Subjects::from_list(&subject, &certificate.module.name, certificate.module.bytes) else {
        let what = "line 1 does not name the two digests of one module";
        return Err(alone(Reason::new(Code::MalformedStatement, what)));
    };
    Ok(Genuine { certificate, subjects, key_hint: key.hint().to_owned() })
}

/// The first statement, once signatures and summaries fit it and it does not contradict itself.
fn genuine<'a>(bundle: &[u8], keys: &'a [PublicKey]) -> Result<(Statement<Certificate>, &'a PublicKey), Vec<Reason>> {
    let opened = bundle::open(bundle, keys).map_err(alone)?;
    let statement = read_statements(&opened.payloads).map_err(alone)?;
    let contradictions = statement.predicate.contradictions();
    if !contradictions.is_empty() {
        return Err(contradictions.into_iter().map(|what| Reason::new(Code::Contradiction, what)).collect());
    }
    Ok((statement, opened.key))
}

fn examine(
    module: &[u8],
    bundle: &[u8],
    keys: &[PublicKey],
    policy: &Policy,
    at: Moment,
) -> Result<Admission, Vec<Reason>> {
    let (Statement { subject, predicate: certificate, .. }, key) = genuine(bundle, keys)?;
    let subjects = match Subjects::of(module) {
        Ok(subjects) => subjects,
        Err(error) => {
            return Err(alone(Reason::new(Code::NotAModule, format!("the module is no WebAssembly: {error}"))));
        }
    };
    let mut reasons = Vec::new();
    reasons.extend(matches(&subjects, &subject, &certificate, policy.subject).err());
    reasons.extend(time(&certificate, policy, at));
    reasons.extend(demands(&certificate, policy));
    reasons.extend(qualification(&certificate));
    reasons.extend(checks(&certificate, policy, at));
    reasons.extend(waivers(&certificate, policy, at));
    if reasons.is_empty() {
        Ok(Admission { certificate, subjects, key_hint: key.hint().to_owned() })
    } else {
        Err(reasons)
    }
}

fn alone(reason: Reason) -> Vec<Reason> {
    vec![reason]
}

/// The first statement, once the other two are what follows from it.
fn read_statements(payloads: &[Vec<u8>; bundle::STATEMENTS]) -> Result<Statement<Certificate>, Reason> {
    let certificate: Statement<Certificate> = statement(&payloads[0], 1, CERTIFICATE_TYPE)?;
    let result: Statement<VerificationResult> = statement(&payloads[1], 2, VERIFICATION_RESULT_TYPE)?;
    let tests: Statement<TestResult> = statement(&payloads[2], 3, TEST_RESULT_TYPE)?;
    let expected = Statements::of(certificate.predicate.clone(), certificate.subject.clone());
    let disagree = |what: String| Err(Reason::new(Code::StatementsDisagree, what));
    for (at, subject) in [(2, &result.subject), (3, &tests.subject)] {
        if *subject != certificate.subject {
            return disagree(format!("line {at} is about another module than line 1"));
        }
    }
    if result != expected.verification_result {
        return disagree("the properties of line 2 do not follow from the certificate of line 1".to_owned());
    }
    if tests != expected.test_result {
        return disagree("the test results of line 3 do not follow from the certificate of line 1".to_owned());
    }
    Ok(certificate)
}

fn statement<P: DeserializeOwned>(payload: &[u8], at: usize, predicate_type: &str) -> Result<Statement<P>, Reason> {
    let malformed = |what: String| Reason::new(Code::MalformedStatement, what);
    // Its type first: reading it as another would complain about fields.
    let head: Head = strict::read(payload, bundle::BUNDLE_BYTES_MAX)
        .map_err(|error| malformed(format!("line {at} holds no statement: {error}")))?;
    for (name, found, wanted) in
        [("_type", &head.statement_type, STATEMENT_TYPE), ("predicateType", &head.predicate_type, predicate_type)]
    {
        if found != wanted {
            return Err(malformed(format!("line {at} has the `{name}` {}, not {wanted}", shown(found))));
        }
    }
    strict::read(payload, bundle::BUNDLE_BYTES_MAX)
        .map_err(|error| malformed(format!("line {at} holds no statement of the type {predicate_type}: {error}")))
}

/// Of a statement, what says how to read the rest.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(rename = "_type")]
    statement_type: String,
    predicate_type: String,
}

/// Whether the certificate is about this module. The digest that the policy asks for decides; all others must agree with
/// it wherever they can.
fn matches(found: &Subjects, stated: &[Subject], certificate: &Certificate, form: Form) -> Result<(), Reason> {
    let wrong = |what: String| Err(Reason::new(Code::Subject, what));
    let expected = found.list(&certificate.module.name);
    let [deployed, bare] = stated else {
        return wrong(format!("the certificate names {} subjects, not two", stated.len()));
    };
    if deployed.annotations.form != Form::AsDeployed || bare.annotations.form != Form::WithoutSignatures {
        return wrong("the certificate does not say which digest is of which form of the module".to_owned());
    }
    if bare != &expected[1] {
        let (theirs, ours) = (bare.digest.sha256, found.without_signatures);
        return wrong(format!(
            "without signature sections, the module has the SHA-256 {ours}, the certified one {theirs}"
        ));
    }
    if form == Form::WithoutSignatures {
        return Ok(());
    }
    if deployed.digest.sha256 != found.as_deployed {
        let (theirs, ours) = (deployed.digest.sha256, found.as_deployed);
        return wrong(format!("the module has the SHA-256 {ours}, the certified one {theirs}"));
    }
    if deployed != &expected[0] || certificate.module.bytes != found.bytes {
        return wrong("name, size or integrity value of the certificate do not fit its own digest".to_owned());
    }
    Ok(())
}

fn time(certificate: &Certificate, policy: &Policy, at: Moment) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let (from, until) = (certificate.not_before, certificate.not_after);
    if at < from {
        reasons.push(Reason::new(Code::NotYetValid, format!("at {at} the certificate does not hold yet: from {from}")));
    }
    if at >= until {
        reasons.push(Reason::new(Code::Expired, format!("at {at} the certificate no longer holds: until {until}")));
    }
    let days = until.days_since(from);
    if let Some(days_max) = policy.validity_days_max.filter(|days_max| days > u64::from(*days_max)) {
        let what = format!("the certificate is valid for {days} days, the policy allows {days_max}");
        reasons.push(Reason::new(Code::ValidTooLong, what));
    }
    reasons
}

fn demands(certificate: &Certificate, policy: &Policy) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if certificate.level < policy.level {
        let (found, wanted) = (certificate.level.name(), policy.level.name());
        reasons.push(Reason::new(
            Code::Level,
            format!("the module is certified at {found}, the policy asks for {wanted}"),
        ));
    }
    if !policy.profiles.contains(&certificate.profile) {
        let what = format!(
            "the certificate is for the profile {}, which the policy does not allow",
            certificate.profile.name()
        );
        reasons.push(Reason::new(Code::Profile, what));
    }
    for (what, pinned, allowed) in [
        ("catalogue of controls", &certificate.controls, &policy.controls),
        ("policy", &certificate.policy, &policy.policies),
    ] {
        if !allowed.is_empty() && !allowed.contains(&pinned.sha256) {
            let what = format!("the {what} {} ({}) is not among those allowed", shown(&pinned.name), pinned.sha256);
            reasons.push(Reason::new(Code::NotPinned, what));
        }
    }
    if !policy.verifiers.is_empty() && !policy.verifiers.contains(&certificate.verifier) {
        let what = format!("the verifier {} is not among those allowed", shown(&certificate.verifier));
        reasons.push(Reason::new(Code::NotPinned, what));
    }
    reasons
}

fn qualification(certificate: &Certificate) -> Vec<Reason> {
    let rows = certificate.qualification.iter().filter(|row| !row.is_complete());
    let mut reasons: Vec<Reason> = rows
        .map(|row| {
            let (oracle, canary, twin) = (shown(&row.oracle), shown(&row.canary), shown(&row.twin));
            let what =
                format!("the oracle {oracle} did not catch its canary {canary}, or did not pass its twin {twin}");
            Reason::new(Code::Qualification, what)
        })
        .collect();
    if certificate.qualification.is_empty() {
        reasons.push(Reason::new(Code::Qualification, "no oracle was asked to catch a planted flaw"));
    }
    reasons
}

fn checks(certificate: &Certificate, policy: &Policy, at: Moment) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let valid = certificate.waivers.iter().filter(|waiver| at < waiver.expires).map(|waiver| waiver.check.as_str());
    let allowed: BTreeSet<&str> = policy.allowed_waivers.iter().map(String::as_str).collect();
    let waivers: BTreeSet<&str> = valid.filter(|id| allowed.contains(id)).collect();
    let waived = |id: &str| waivers.contains(id);
    let mut say = |code, id: &str, what: &str| {
        let text = if what.is_empty() { String::new() } else { format!(": {}", shown(what)) };
        reasons.push(Reason::new(code, format!("check {}{text}", shown(id))));
    };
    for check in certificate.shortcomings().filter(|check| !waived(&check.id)) {
        let code = if check.verdict == Verdict::Fail { Code::CheckFailed } else { Code::CheckNotTested };
        say(code, &check.id, &check.reason);
    }
    let in_profile = certificate.checks.iter().filter(|check| check.scope == Scope::Profile);
    for check in in_profile.filter(|check| !waived(&check.id)) {
        match check.verdict {
            Verdict::Warn if policy.warnings == Answer::Refuse => say(Code::Warning, &check.id, &check.reason),
            Verdict::NotAttested if policy.not_attested == Answer::Refuse => say(Code::NotAttested, &check.id, ""),
            _ => {}
        }
    }
    for id in &policy.required_checks {
        let found = certificate.checks.iter().find(|check| check.id == *id);
        if !found.is_some_and(|check| matches!(check.verdict, Verdict::Pass | Verdict::Attested)) {
            say(Code::RequiredCheck, id, found.map_or("the certificate does not list it", |check| &check.reason));
        }
    }
    reasons
}

fn waivers(certificate: &Certificate, policy: &Policy, at: Moment) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for waiver in &certificate.waivers {
        let (id, owner) = (shown(&waiver.check), shown(&waiver.owner));
        if !policy.allowed_waivers.contains(&waiver.check) {
            let what = format!("check {id} is waived by {owner}, which the policy does not allow");
            reasons.push(Reason::new(Code::WaiverNotAllowed, what));
        }
        if at >= waiver.expires {
            let what = format!("the waiver of check {id} by {owner} has ended at {}", waiver.expires);
            reasons.push(Reason::new(Code::WaiverExpired, what));
        }
    }
    reasons
}
