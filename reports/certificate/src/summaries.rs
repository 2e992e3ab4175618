//! The two summaries of a certificate for other people's tools, computed from it and from nothing else.

use crate::certificate::{Certificate, Level, Pinned, Qualification, Verdict};
use crate::digest::Sha256Digest;
use crate::moment::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// in-toto's Simple Verification Result, version 0.2: properties that hold, for machines that admit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerificationResult {
    /// Who says so, under which policies.
    pub verifier: Verifier,
    /// When.
    pub time_created: Moment,
    /// What holds: `AUTOCLAVE_LEVEL_L1` (and every level below), `AUTOCLAVE_PROFILE_MODULE`, `AUTOCLAVE_QUALIFIED`,
    /// `AUTOCLAVE_NO_WAIVERS`, and `AUTOCLAVE_CHECK_<id>` for every check that passed.
    pub properties: Vec<String>,
}

/// Who vouches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifier {
    /// URI with a version.
    pub id: String,
    /// Policies that were applied.
    pub policies: Vec<Descriptor>,
}

/// in-toto's resource descriptor, as far as we need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// What people call it.
    pub name: String,
    /// Its bytes.
    pub digest: DescriptorDigest,
}

/// Digests of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptorDigest {
    /// SHA-256.
    pub sha256: Sha256Digest,
}

/// in-toto's Test Result, version 0.1: names of tests by how they ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestResult {
    /// The worst of all.
    pub result: Outcome,
    /// Policy, catalogue and corpus.
    pub configuration: Vec<Descriptor>,
    /// Checks that passed.
    pub passed_tests: Vec<String>,
    /// Checks with a warning, and failures that are waived.
    pub warned_tests: Vec<String>,
    /// Checks that failed, and those of the profile that were not tested.
    pub failed_tests: Vec<String>,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// All passed.
    Passed,
    /// None failed, some warn.
    Warned,
    /// Some failed.
    Failed,
}

/// The property of a level, as tools write it in their policies.
pub fn level_property(level: Level) -> String {
    format!("AUTOCLAVE_LEVEL_{}", level.name())
}

/// The property of a certificate without waivers.
pub const NO_WAIVERS: &str = "AUTOCLAVE_NO_WAIVERS";
/// The property of a certificate whose oracles have all caught their canaries.
pub const QUALIFIED: &str = "AUTOCLAVE_QUALIFIED";

/// The Simple Verification Result of a certificate.
pub fn verification_result(certificate: &Certificate) -> VerificationResult {
    let mut properties = Vec::new();
    let is_qualified =
        !certificate.qualification.is_empty() && certificate.qualification.iter().all(Qualification::is_complete);
    let waived = waived(certificate);
    let is_clean = certificate.shortcomings().all(|check| waived.contains(check.id.as_str()));
    // A level is claimed only where nothing of it is missing: who reads this statement sees no verdicts.
    if is_qualified && is_clean && certificate.contradictions().is_empty() {
        let reached = Level::ALL.into_iter().filter(|level| *level <= certificate.level);
        properties.extend(reached.map(level_property));
        let profile = certificate.profile.name().replace('+', "_AND_").to_uppercase();
        properties.push(format!("AUTOCLAVE_PROFILE_{profile}"));
    }
    properties.extend(is_qualified.then(|| QUALIFIED.to_owned()));
    properties.extend(certificate.waivers.is_empty().then(|| NO_WAIVERS.to_owned()));
    let passed = certificate.checks.iter().filter(|check| check.verdict == Verdict::Pass);
    properties.extend(passed.map(|check| format!("AUTOCLAVE_CHECK_{}", check.id)));
    VerificationResult {
        verifier: Verifier { id: certificate.verifier.clone(), policies: vec![descriptor(&certificate.policy)] },
        time_created: certificate.issued,
        properties,
    }
}

/// The Test Result of a certificate.
pub fn test_result(certificate: &Certificate) -> TestResult {
    let (mut passed, mut warned, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let short: BTreeSet<&str> = certificate.shortcomings().map(|check| check.id.as_str()).collect();
    let waived = waived(certificate);
    for check in &certificate.checks {
        let id = check.id.as_str();
        let list = match check.verdict {
            _ if short.contains(id) && !waived.contains(id) => &mut failed,
            _ if short.contains(id) => &mut warned,
            Verdict::Pass => &mut passed,
            Verdict::Warn => &mut warned,
            _ => continue,
        };
        list.push(check.id.clone());
    }
    let result = match (failed.is_empty(), warned.is_empty()) {
        (false, _) => Outcome::Failed,
        (true, false) => Outcome::Warned,
        (true, true) => Outcome::Passed,
    };
    let corpus = Pinned { name: "corpus".to_owned(), sha256: certificate.corpus.sha256 };
    TestResult {
        result,
        configuration: [&certificate.policy, &certificate.controls, &corpus].map(descriptor).to_vec(),
        passed_tests: passed,
        warned_tests: warned,
        failed_tests: failed,
    }
}

/// Ids with a waiver. A set: a certificate may list ten thousand of both.
fn waived(certificate: &Certificate) -> BTreeSet<&str> {
    certificate.waivers.iter().map(|waiver| waiver.check.as_str()).collect()
}

fn descriptor(pinned: &Pinned) -> Descriptor {
    Descriptor { name: pinned.name.clone(), digest: DescriptorDigest { sha256: pinned.sha256 } }
}
