//! The map between safeguards of HIPAA's Security Rule and checks, in both directions, as Markdown.

use super::view::{Row, VERDICTS, View};
use autoclave_reports::controls;
use autoclave_reports::escape::{column, markdown_code};
use std::fmt::Write;

/// The file.
pub fn render(view: &View<'_>) -> String {
    let certificate = view.certificate;
    let mut text = format!(
        "# HIPAA Security Rule: what is evidence for which safeguard\n\nModule {}, SHA-256 `{}`. {}, profile {}: {}\n\n\
         45 CFR part 164 as in force; titles are the regulation's. A verdict beside a safeguard is evidence for it, no \
         more: whether a safeguard is met depends on the whole organisation. The rule *proposed* on 6 January 2025 \
         (90 FR 898) would change and renumber safeguards; it is not used here.\n",
        markdown_code(&column(&certificate.module.name, 80)),
        view.subjects.as_deployed,
        view.headline(),
        certificate.profile.name(),
        view.because(),
    );
    text += "\n## From safeguard to controls\n\n| safeguard | title | | controls by verdict |\n|---|---|---|---|\n";
    for safeguard in controls::safeguards() {
        let rows = view.for_safeguard(safeguard);
        let by_verdict: Vec<String> = VERDICTS
            .into_iter()
            .filter_map(|name| {
                let ids: Vec<&str> =
                    rows.iter().filter(|row| row.verdict.name() == name).map(|row| known(row)).collect();
                (!ids.is_empty()).then(|| format!("**{name}** {}", ids.join(", ")))
            })
            .collect();
        let by_verdict =
            if rows.is_empty() { "no control is evidence for it".to_owned() } else { by_verdict.join("; ") };
        let (citation, title, kind) = (&safeguard.citation, &safeguard.title, safeguard.kind.name());
        let _ = writeln!(text, "| {citation} | {title} | {kind} | {by_verdict} |");
    }
    text += "\n## From control to safeguards\n\nControls that are evidence for none are left out.\n\n| control | verdict | asked | safeguards |\n|---|---|---|---|\n";
    for row in &view.rows {
        let cited: Vec<&str> = row
            .control
            .iter()
            .flat_map(|control| control.safeguards())
            .map(|safeguard| safeguard.citation.as_str())
            .collect();
        if !cited.is_empty() {
            let asked = if row.is_asked() { "yes" } else { "" };
            let _ = writeln!(text, "| {} | {} | {asked} | {} |", known(row), row.verdict.name(), cited.join(", "));
        }
    }
    text
}

/// The catalogue's own spelling of an id.
fn known(row: &Row<'_>) -> &'static str {
    row.control.map_or("", |control| &control.id)
}
