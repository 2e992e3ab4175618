//! `summary.md`: for job summaries (`$GITHUB_STEP_SUMMARY`, at most 1 MiB) and comments. Whatever the certificate's
//! signer wrote stands in code spans, where neither markup, links nor mentions work.

use super::view::{Counts, Row, VERDICTS, View};
use autoclave_reports::escape::{column, markdown_code};
use autoclave_reports::words::{chance_of, count, percent, plural};
use std::fmt::Write;

/// Rows of any table; the page has all.
const ROWS_MAX: usize = 200;
/// Ids named beside a reason.
const IDS_MAX: usize = 30;

/// The file.
pub fn render(view: &View<'_>) -> String {
    let certificate = view.certificate;
    let mut text = format!(
        "## Certificate: {}\n\n{}\n\n| | |\n|---|---|\n| Module | {}, {} bytes |\n| SHA-256 | `{}` |\n| Integrity | `{}` |\n\
         | Profile, level | {}, {} |\n| Valid | from {} until {} |\n| Verifier | {} |\n| Key | {} |\n\n",
        view.headline(),
        view.because(),
        code(&certificate.module.name, 80),
        count(view.subjects.bytes),
        view.subjects.as_deployed,
        view.subjects.integrity,
        certificate.profile.name(),
        certificate.level.name(),
        certificate.not_before,
        certificate.not_after,
        code(&certificate.verifier, 120),
        match &view.signer {
            Some(signer) => format!("`{}`, signatures verified", signer.hint),
            None => "not signed".to_owned(),
        },
    );
    text += &families(view);
    text += &rows(view, "Failed", "FAIL");
    text += &gaps(view);
    text += &rows(view, "Warnings", "WARN");
    text += &waivers(view);
    text += &evidence(view);
    text += "A certificate is evidence for safeguards; it does not say that a law is kept, nor that a module is free of faults.\n";
    text
}

fn families(view: &View<'_>) -> String {
    let mut text = format!(
        "| Family | asked | {} | outside |\n|---|{}\n",
        VERDICTS.join(" | "),
        "--:|".repeat(VERDICTS.len() + 2)
    );
    let mut line = |name: &str, counts: &Counts, outside: usize| {
        let each: Vec<String> = counts.each().map(|(_, n)| n.to_string()).collect();
        let _ = writeln!(text, "| {name} | {} | {} | {outside} |", counts.total(), each.join(" | "));
    };
    for group in view.groups() {
        let counts = Counts::of(group.rows.iter().copied().filter(|row| row.is_asked()));
        let name = group
            .family
            .map_or("unknown to this catalogue".to_owned(), |family| format!("{} {}", family.id, family.title));
        line(&name, &counts, group.rows.len() - counts.total());
    }
    line("**All**", &view.asked, view.outside.total());
    if !view.unlisted.is_empty() {
        let _ = writeln!(
            text,
            "\n{} of this program's catalogue are not in the certificate.",
            plural(view.unlisted.len() as u64, "control")
        );
    }
    text + "\n"
}

fn rows(view: &View<'_>, title: &str, verdict: &str) -> String {
    let rows: Vec<&Row<'_>> = view.with(verdict).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("### {title}\n\n| Check | What must be so | Why |\n|---|---|---|\n");
    for row in rows.iter().take(ROWS_MAX) {
        let what = row.control.map_or(String::new(), |control| code(&control.text, 160));
        let _ = writeln!(text, "| {} | {what} | {} |", code(&row.check.id, 20), code(&row.check.reason, 240));
    }
    text + &more(rows.len()) + "\n"
}

fn gaps(view: &View<'_>) -> String {
    let (gaps, beyond) = (view.gaps(), &view.certificate.not_tested);
    if gaps.is_empty() && beyond.is_empty() {
        return String::new();
    }
    let mut text = String::from("### Not tested\n\n| What | Why not |\n|---|---|\n");
    for (reason, ids) in gaps.iter().take(ROWS_MAX) {
        let shown: Vec<String> = ids.iter().take(IDS_MAX).map(|id| code(id, 20)).collect();
        let more = if ids.len() > IDS_MAX { format!(" and {} more", ids.len() - IDS_MAX) } else { String::new() };
        let _ = writeln!(
            text,
            "| {}: {}{more} | {} |",
            plural(ids.len() as u64, "check"),
            shown.join(", "),
            code(reason, 240)
        );
    }
    for gap in beyond.iter().take(ROWS_MAX) {
        let _ = writeln!(text, "| {} | {} |", code(&gap.what, 160), code(&gap.reason, 240));
    }
    text + &more(gaps.len().max(beyond.len())) + "\n"
}

fn waivers(view: &View<'_>) -> String {
    let waivers = &view.certificate.waivers;
    if waivers.is_empty() {
        return String::new();
    }
    let mut text = String::from("### Waivers\n\n| Check | Owner | Reason | Ends |\n|---|---|---|---|\n");
    for waiver in waivers.iter().take(ROWS_MAX) {
        let [check, owner, reason] =
            [(&waiver.check, 20), (&waiver.owner, 80), (&waiver.reason, 240)].map(|(text, max)| code(text, max));
        let _ = writeln!(text, "| {check} | {owner} | {reason} | {} |", waiver.expires);
    }
    text + &more(waivers.len()) + "\n"
}

fn evidence(view: &View<'_>) -> String {
    let certificate = view.certificate;
    let mut text = format!(
        "### Evidence\n\n{} of {} caught a planted flaw and passed its repaired twin in the same run. Corpus: {}, `{}`.\n\n",
        view.qualified(),
        plural(certificate.qualification.len() as u64, "oracle"),
        plural(certificate.corpus.inputs, "input"),
        certificate.corpus.sha256,
    );
    if !certificate.campaigns.is_empty() {
        text += "| Entry | Executions | Edges | P(new edge) |\n|---|--:|--:|--:|\n";
        for campaign in certificate.campaigns.iter().take(ROWS_MAX) {
            let p = (campaign.executions > 0).then(|| campaign.singletons as f64 / campaign.executions as f64);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                code(&campaign.entry, 60),
                count(campaign.executions),
                percent(campaign.edges, campaign.edges_total),
                chance_of(p, campaign.executions),
            );
        }
        text += &more(certificate.campaigns.len());
        text += "\n";
    }
    text
}

fn more(rows: usize) -> String {
    if rows > ROWS_MAX { format!("\n{} more are on the page.\n", rows - ROWS_MAX) } else { String::new() }
}

fn code(text: &str, chars_max: usize) -> String {
    markdown_code(&column(text, chars_max))
}
