//! Forms for programs: the signed statement as readable JSON, OSCAL and CTRF.

use super::view::View;
use super::{CATALOGUE, PAGE, RenderError};
use autoclave_certificate::statement::Statements;
use autoclave_reports::controls::assessment::Assessment;
use autoclave_reports::controls::{ctrf, oscal};
use autoclave_reports::escape;

/// The first statement, indented. What is signed are its bytes in the certificate's file, not these.
pub fn json(view: &View<'_>) -> String {
    let subject = view.subjects.list(&view.certificate.module.name);
    let statement = Statements::of(view.certificate.clone(), subject).certificate;
    escape::json(&serde_json::to_string_pretty(&statement).expect("strings and integers")) + "\n"
}

/// The safeguards that assessment results refer to.
pub fn catalogue() -> String {
    oscal::catalogue()
}

/// Assessment results, with the page as evidence.
pub fn oscal(view: &View<'_>) -> Result<String, RenderError> {
    assessed(view, "OSCAL", |assessment| oscal::assessment_results(assessment, CATALOGUE, PAGE))
}

/// A test report.
pub fn ctrf(view: &View<'_>) -> Result<String, RenderError> {
    assessed(view, "CTRF", ctrf::render)
}

fn assessed(
    view: &View<'_>,
    what: &'static str,
    render: impl FnOnce(&Assessment<'_>) -> String,
) -> Result<String, RenderError> {
    let judged = view.judged(what)?;
    // A certificate says when tests ended, and not when they began.
    let issued_ms = view.certificate.issued.unix_seconds().saturating_mul(1000);
    Ok(render(&Assessment {
        subject: &view.certificate.module.name,
        sha256: &view.subjects.as_deployed.to_string(),
        asked: &view.question(),
        tool: &view.tool(),
        started_ms: issued_ms,
        ended_ms: issued_ms,
        judged: &judged,
    }))
}
