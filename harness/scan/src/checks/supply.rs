//! Where a module comes from: signature, bill of materials, rebuild, advisories, provenance.

use crate::dsse::{self, Embedded};
use crate::sbom::{self, Said};
use crate::subject::Subject;
use crate::{Answer, Context, Finding, Row, lock};
use autoclave_certificate::digest::without_signatures;
use autoclave_reports::controls::Level;
use autoclave_reports::{Severity, Verdict};
use sha2::Digest;

/// Types of predicates that say how something was built.
const PROVENANCE: &[&str] =
    &["https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1.0"];

/// A trusted key has signed these bytes: in the module, or in a bundle beside it.
pub fn signed(subject: &Subject, context: &Context<'_>, _: &[Row]) -> Answer {
    let embedded = dsse::embedded(&subject.bytes, context.keys);
    if context.keys.is_empty() {
        let there = embedded != Embedded::Absent || !subject.bundles.is_empty();
        let there = if there { "there is a signature" } else { "there is no signature that we know of" };
        return Answer::NotTested(format!("no key is trusted ({there}); --key names one"), Vec::new());
    }
    let push = |what: String, location: &str| Finding::new("", Severity::High, what, location);
    let mut found = Vec::new();
    if let Embedded::Invalid(why) = &embedded {
        found.push(push(format!("its own signature does not count: {why}"), &subject.name));
    }
    let mut valid = matches!(embedded, Embedded::Valid(_));
    for bundle in &subject.bundles {
        match dsse::open(&bundle.bytes, &subject.bytes, context.keys) {
            Err(why) => found.push(push(format!("the detached signature does not count: {why}"), &bundle.path)),
            Ok(signed) => match signed.iter().find(|one| !is_about(&one.subjects, subject)) {
                Some(_) => found.push(push("the detached signature is of other bytes".to_owned(), &bundle.path)),
                None => valid = true,
            },
        }
    }
    if !valid && found.is_empty() {
        found.push(push("it is not signed: neither in the module nor beside it".to_owned(), &subject.name));
    }
    Answer::Judged(found)
}

/// Whether one of the digests is the module's: as deployed, or as it was before it was signed itself.
fn is_about(digests: &[String], subject: &Subject) -> bool {
    let own = subject.sha256().to_string();
    let before = without_signatures(&subject.bytes).map(|digest| digest.to_string()).unwrap_or_default();
    digests.iter().any(|digest| digest.eq_ignore_ascii_case(&own) || digest.eq_ignore_ascii_case(&before))
}

/// The bill of materials is of these bytes.
pub fn billed(subject: &Subject, _: &Context<'_>, _: &[Row]) -> Answer {
    let Some(bill) = &subject.sbom else {
        let what = "there is no bill of materials beside the module (NAME.cdx.json); --write-sbom makes one";
        return Answer::Judged(vec![Finding::new("", Severity::Info, what, &subject.name)]);
    };
    let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let bytes = &subject.bytes;
    let sha = |algorithm: &str| match algorithm {
        "SHA-256" => Some(hex(&sha2::Sha256::digest(bytes))),
        "SHA-384" => Some(hex(&sha2::Sha384::digest(bytes))),
        "SHA-512" => Some(hex(&sha2::Sha512::digest(bytes))),
        _ => None,
    };
    let finding = |severity, what: String| Answer::Judged(vec![Finding::new("", severity, what, &bill.path)]);
    match sbom::read(&bill.text(), &subject.name, &sha) {
        Err(why) => finding(Severity::Medium, format!("the bill of materials cannot be read: {why}")),
        Ok(Said::Names) => Answer::Judged(Vec::new()),
        Ok(Said::NamesAnother(digest)) => {
            finding(Severity::Medium, format!("the bill of materials is of another build: {digest}"))
        }
        Ok(Said::Silent) => finding(Severity::Info, "the bill of materials has no digest of the module".to_owned()),
    }
}

/// Two builds in two folders gave the same bytes, and they are these.
pub fn rebuilt(subject: &Subject, context: &Context<'_>, _: &[Row]) -> Answer {
    let record = match &subject.rebuild {
        None => {
            let reason = "it was not rebuilt; `cargo xtask scan TARGET --rebuild` does that for a target with sources";
            return Answer::NotTested(reason.to_owned(), Vec::new());
        }
        Some(Err(why)) => return Answer::NotTested(why.clone(), Vec::new()),
        Some(Ok(record)) => record,
    };
    let [first, second] = &record.modules;
    let own = subject.sha256().to_string();
    let severity = if context.level >= Level::L3 { Severity::Medium } else { Severity::Info };
    let finding = |what: String| Answer::Judged(vec![Finding::new("", severity, what, &record.target)]);
    if first != second {
        let at = record.differ_at.map_or(String::new(), |at| format!(" from byte {at:#x} on"));
        return finding(format!("two builds in two folders differ{at}"));
    }
    if *first != own {
        return finding(format!(
            "two builds in two folders agree (sha256 {}…), and the module is another",
            &first.get(..16).unwrap_or(first)
        ));
    }
    Answer::Judged(Vec::new())
}

/// None of the dependencies has a known flaw.
pub fn advised(subject: &Subject, context: &Context<'_>, _: &[Row]) -> Answer {
    let gap = |reason: &str| Answer::NotTested(reason.to_owned(), Vec::new());
    let Some(source) = &subject.source else {
        return gap("what the module was built from is not known; --source names the folder");
    };
    let Some(file) = source.file("Cargo.lock") else {
        return gap("there is no Cargo.lock, and advisories about other languages are not read");
    };
    let database = match &subject.advisories {
        None => return gap("no advisory database: clone RustSec/advisory-db and name it with --advisories"),
        Some(Err(why)) => return gap(why),
        Some(Ok(database)) => database,
    };
    let all = match lock::cargo(&file.text()) {
        Ok(all) => all,
        Err(why) => return Answer::NotTested(why, Vec::new()),
    };
    let mut found = Vec::new();
    let packages = lock::reachable(&all, source.package.as_deref());
    for one in packages.iter().filter(|one| one.source.is_some()) {
        for advisory in database.about(one) {
            let severity = if advisory.informational.is_some() { Severity::Info } else { Severity::High };
            let kind = advisory.informational.as_ref().map_or(String::new(), |kind| format!(" ({kind})"));
            let what = format!("{} {}: {}{kind} {}", one.name, one.version, advisory.id, advisory.title);
            found.push(Finding::new("", severity, what, "Cargo.lock"));
        }
    }
    if database.unread > 0 {
        return Answer::NotTested(format!("{} advisories cannot be read", database.unread), found);
    }
    let most = i64::from(context.policy.advisories.age_days_max);
    match database.newest {
        Some(newest) if context.today.days_since(newest) <= most => Answer::Judged(found),
        newest => {
            let newest = newest.map_or_else(|| "without a date".to_owned(), |newest| format!("of {newest}"));
            let reason = format!(
                "the newest advisory of the database is {newest}, more than {most} days before {}; update it",
                context.today
            );
            Answer::NotTested(reason, found)
        }
    }
}

/// All of SBX-04 that is read holds, and a trusted key has signed how the module was built.
pub fn closed(subject: &Subject, context: &Context<'_>, rows: &[Row]) -> Answer {
    let mut found = Vec::new();
    let mut gaps = Vec::new();
    for row in rows.iter().filter(|row| row.control.starts_with("SBX-04")) {
        let severity = match &row.verdict {
            Verdict::Fail(_) => Severity::High,
            Verdict::Warn(_) => Severity::Info,
            Verdict::NotTested(reason) => {
                gaps.push(format!("{}: {reason}", row.control));
                continue;
            }
            _ => continue,
        };
        found.push(Finding::new("", severity, format!("{}: {}", row.control, row.verdict.reason()), ""));
    }
    match &subject.provenance {
        None => gaps.push("no provenance: --provenance names a signed one (SLSA, in a DSSE envelope)".to_owned()),
        Some(_) if context.keys.is_empty() => gaps.push("no key is trusted; --key names one".to_owned()),
        Some(file) => {
            let mut push = |what: String| found.push(Finding::new("", Severity::High, what, &file.path));
            match dsse::open(&file.bytes, &subject.bytes, context.keys) {
                Err(why) => push(format!("the provenance does not count: {why}")),
                Ok(signed) => {
                    let is_provenance = |one: &&dsse::Signed| PROVENANCE.contains(&one.predicate_type.as_str());
                    match signed.iter().find(is_provenance) {
                        None => push("the provenance is signed, but does not say how something was built".to_owned()),
                        Some(one) if !is_about(&one.subjects, subject) => {
                            push("the provenance is of other bytes".to_owned())
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
    match gaps.as_slice() {
        [] => Answer::Judged(found),
        gaps => Answer::NotTested(gaps.join("; "), found),
    }
}
