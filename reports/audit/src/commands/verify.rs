//! `verify`: may this module be loaded, on the strength of its certificate?

use crate::cli::{self, Answer, Verify, exit, print};
use anyhow::Context;
use autoclave_certificate::snippets::{self, Host, Place};
use autoclave_certificate::statement::Statements;
use autoclave_certificate::{Admission, Code, Decision, Moment, Policy, PublicKey, Reason, admit, bundle, files};
use autoclave_reports::escape;
use serde_json::{Value, json};
use std::time::SystemTime;

/// Decides and tells.
pub fn run(flags: &Verify) -> anyhow::Result<u8> {
    let module = files::read(&flags.module, files::MODULE_BYTES_MAX, "module")?;
    let file = files::read(&flags.bundle, bundle::BUNDLE_BYTES_MAX as u64, "certificate")?;
    let keys = flags.keys.iter().map(|path| files::read_public_key(path)).collect::<Result<Vec<_>, _>>()?;
    let policy = policy(flags)?;
    let at = flags.at.unwrap_or_else(|| Moment::from(SystemTime::now()));
    let decision = admit(&module, &file, &keys, &policy, at);
    tell(flags, &decision, at);
    if flags.format == Answer::Json {
        let text = serde_json::to_string_pretty(&as_json(&decision, at))? + "\n";
        print(text.as_bytes())?;
    }
    let Decision::Admitted(admission) = &decision else { return Ok(exit::FINDINGS) };
    if let Some(host) = flags.snippet {
        print(snippet(flags, host, admission, &keys, &policy).as_bytes())?;
    }
    Ok(exit::CLEAN)
}

fn policy(flags: &Verify) -> anyhow::Result<Policy> {
    let Some(path) = &flags.policy else { return Ok(Policy::default()) };
    let bytes = files::read(path, files::POLICY_BYTES_MAX, "policy")?;
    let text = String::from_utf8(bytes).with_context(|| path.display().to_string())?;
    Policy::from_toml(&text).with_context(|| path.display().to_string())
}

fn tell(flags: &Verify, decision: &Decision, at: Moment) {
    let module = escape::line(&flags.module.display().to_string());
    match decision {
        Decision::Admitted(admission) => {
            let certificate = &admission.certificate;
            let (level, profile) = (certificate.level.name(), certificate.profile.name());
            let (from, until) = (certificate.not_before, certificate.not_after);
            eprintln!("ADMITTED  {module}: {level}, {profile}, valid from {from} until {until}, judged as of {at}");
            eprintln!("  sha256     {}", admission.subjects.as_deployed);
            eprintln!("  integrity  {}", admission.subjects.integrity);
            eprintln!("  key        {}", admission.key_hint);
            for waiver in &certificate.waivers {
                let [check, owner, reason] =
                    [&waiver.check, &waiver.owner, &waiver.reason].map(|text| escape::line(text));
                eprintln!("  waived: {check} by {owner} until {}: {reason}", waiver.expires);
            }
            for row in &certificate.not_tested {
                eprintln!("  not tested: {}: {}", escape::line(&row.what), escape::line(&row.reason));
            }
        }
        Decision::Refused(reasons) => {
            eprintln!("REFUSED  {module}, judged as of {at}");
            tell_reasons(reasons);
        }
    }
}

/// Reasons of one kind that people are shown; `--format json` has all.
const REASONS_MAX: usize = 20;

/// Reasons by kind, in the order in which kinds come up, with what to do about each kind.
pub fn tell_reasons(reasons: &[Reason]) {
    let mut told: Vec<Code> = Vec::new();
    for Reason { code, .. } in reasons {
        if told.contains(code) {
            continue;
        }
        told.push(*code);
        eprintln!("  {}: {}", code.name(), code.remedy());
        let alike: Vec<&Reason> = reasons.iter().filter(|reason| reason.code == *code).collect();
        alike.iter().take(REASONS_MAX).for_each(|reason| eprintln!("    {}", reason.what));
        if alike.len() > REASONS_MAX {
            eprintln!("    and {} more", alike.len() - REASONS_MAX);
        }
    }
}

fn as_json(decision: &Decision, at: Moment) -> Value {
    let reasons = decision
        .reasons()
        .iter()
        .map(|reason| json!({ "code": reason.code.name(), "what": reason.what, "remedy": reason.code.remedy() }));
    let mut answer = json!({
        "admitted": decision.is_admitted(),
        "at": at,
        "reasons": reasons.collect::<Vec<_>>(),
    });
    if let Decision::Admitted(admission) = decision {
        let subjects = admission.subjects.list(&admission.certificate.module.name);
        let statements = Statements::of(admission.certificate.clone(), subjects);
        answer["subject"] = json!(statements.certificate.subject);
        answer["key"] = json!(admission.key_hint);
        answer["certificate"] = json!(statements.certificate.predicate);
        answer["verificationResult"] = json!(statements.verification_result.predicate);
    }
    answer
}

fn snippet(flags: &Verify, host: cli::Host, admission: &Admission, keys: &[PublicKey], policy: &Policy) -> String {
    let host = match host {
        cli::Host::Kyverno => Host::Kyverno,
        cli::Host::PolicyController => Host::PolicyController,
        cli::Host::Envoy => Host::Envoy,
    };
    let key = keys.iter().find(|key| key.hint() == admission.key_hint).expect("one of them has verified it");
    let place = Place { images: &flags.images, url: &flags.url };
    snippets::render(host, place, admission, key, policy.level)
}
