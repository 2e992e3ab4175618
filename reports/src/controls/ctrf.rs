//! Judged controls as CTRF, the common test report format, for dashboards that read it. The seven verdicts stand in
//! `rawStatus`; only PASS is `passed`.

use super::assessment::Assessment;
use super::date;
use crate::record::Scope;
use crate::{Verdict, escape};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Version of the format.
const SPEC_VERSION: &str = "0.0.0";
/// Longest message, characters.
const MESSAGE_CHARS_MAX: usize = 4_000;

/// The report; ends with a line break.
pub fn render(assessment: &Assessment<'_>) -> String {
    let tests: Vec<Value> = assessment.judged.iter().map(|judged| {
        let control = judged.control;
        let mut test = json!({
            "name": format!("{} {}", control.id, control.text),
            "testId": control.id,
            "status": status(&judged.verdict),
            // Controls share their runs: no time is a control's own.
            "duration": 0,
            "rawStatus": judged.verdict.name(),
            "suite": [control.family()],
            "type": control.kind().name(),
            "tags": tags(judged.scope),
            "extra": {
                "level": control.level.name(),
                "oracles": control.oracles(),
                "evidenceFor": control.safeguards().map(|safeguard| safeguard.citation.as_str()).collect::<Vec<_>>(),
                "references": control.references,
            },
        });
        let reasons = [judged.verdict.reason(), judged.refused.as_deref().unwrap_or_default()];
        let reasons: Vec<&str> = reasons.into_iter().filter(|reason| !reason.is_empty()).collect();
        if !reasons.is_empty() {
            test["message"] = escape::cut(&escape::line(&reasons.join("; ")), MESSAGE_CHARS_MAX).into();
        }
        test
    }).collect();
    let count = |wanted: &str| assessment.judged.iter().filter(|judged| status(&judged.verdict) == wanted).count();
    let families: BTreeSet<&str> = assessment.judged.iter().map(|judged| judged.control.family()).collect();
    let report = json!({
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "reportId": assessment.uuid("ctrf"),
        "timestamp": date::moment(assessment.ended_ms),
        "generatedBy": escape::column(&assessment.tool.name, 200),
        "results": {
            "tool": {
                "name": escape::column(&assessment.tool.name, 200),
                "version": escape::column(&assessment.tool.version, 200),
            },
            "summary": {
                "tests": tests.len(),
                "passed": count("passed"),
                "failed": count("failed"),
                "skipped": count("skipped"),
                "pending": count("pending"),
                "other": count("other"),
                "suites": families.len(),
                "start": assessment.started_ms,
                "stop": assessment.ended_ms.max(assessment.started_ms),
            },
            "tests": tests,
            "environment": {
                "appName": escape::column(assessment.subject, 200),
                "appVersion": escape::column(assessment.sha256, 64),
                "testEnvironment": format!("{} {}", assessment.asked.profile.name(), assessment.asked.level.name()),
            },
        },
    });
    escape::json(&serde_json::to_string_pretty(&report).expect("strings and numbers")) + "\n"
}

/// What was not answered is `pending`, so that no reader takes it for green.
fn status(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "passed",
        Verdict::Fail(_) => "failed",
        Verdict::NotApplicable(_) => "skipped",
        Verdict::NotTested(_) | Verdict::NotAttested => "pending",
        Verdict::Warn(_) | Verdict::Attested(_) => "other",
    }
}

fn tags(scope: Scope) -> &'static [&'static str] {
    match scope {
        Scope::Asked => &["asked"],
        Scope::Outside => &["outside"],
    }
}
