//! A scan as text: a table for people, Markdown, JSON. Nothing here decides anything.

use crate::{Finding, Scan};
use autoclave_reports::controls::judge::Qualified;
use autoclave_reports::{Severity, Verdict, escape};
use serde_json::json;

/// Findings of a row that a table shows.
const SHOWN_MAX: usize = 5;

/// For people: one line for each control, what it found under it.
pub fn human(scan: &Scan, qualified: &[Qualified]) -> String {
    let module = &scan.module;
    let mut text = format!(
        "{}  {} of {} bytes, {} imports, {} exports\n  sha256     {}\n  interface  {}\n  integrity  {}\n             {}\n",
        module.name,
        module.kind,
        module.bytes,
        module.imports,
        module.exports,
        module.sha256,
        module.interface_sha256,
        module.integrity,
        module.integrity_sha256,
    );
    for producer in module.producers.iter().take(SHOWN_MAX) {
        text += &format!("  made by    {producer}\n");
    }
    text.push('\n');
    for row in &scan.rows {
        let broken = qualified.iter().find(|one| one.class == row.control && one.verdict != Verdict::Pass);
        let reason = match (&row.verdict, row.found.is_empty()) {
            (Verdict::Fail(_) | Verdict::Warn(_), false) => String::new(),
            (verdict, _) => escape::column(verdict.reason(), 160),
        };
        text += format!("{:<11}{:<9} {reason}", row.verdict.name(), row.control).trim_end();
        text.push('\n');
        if let Some(broken) = broken {
            text += &format!("           not qualified: {}\n", escape::column(broken.verdict.reason(), 160));
        }
        for finding in row.found.iter().take(SHOWN_MAX) {
            text += &format!("           {}\n", line(finding));
        }
        if row.found.len() > SHOWN_MAX {
            text += &format!("           and {} more\n", row.found.len() - SHOWN_MAX);
        }
    }
    if !scan.notes.is_empty() {
        text += "\nWorth knowing\n";
        for note in &scan.notes {
            text += &format!("  {:<16} {}\n", note.class, note.what);
        }
    }
    let count = |name: &str| scan.rows.iter().filter(|row| row.verdict.name() == name).count();
    let names = ["PASS", "WARN", "FAIL", "N/A", "NOT-TESTED"];
    let counts: Vec<String> = names.iter().map(|name| format!("{} {name}", count(name))).collect();
    text + "\n" + &counts.join(" · ") + "\n"
}

fn line(finding: &Finding) -> String {
    let severity = format!("{:?}", finding.severity).to_lowercase();
    let severity = if finding.severity == Severity::Info { "warning" } else { severity.as_str() };
    let place = if finding.location.is_empty() { String::new() } else { format!("  [{}]", finding.location) };
    let waived = finding.waived.as_ref().map_or(String::new(), |waived| format!("  waived {waived}"));
    format!("{severity}: {}{place}{waived}", finding.what)
}

/// Markdown: a table of answers.
pub fn markdown(scan: &Scan) -> String {
    let module = &scan.module;
    let mut text = format!(
        "# Scan of {}\n\n{} of {} bytes, sha256 `{}`, `integrity=\"{}\"`\n\n| control | answer | what |\n|---|---|---|\n",
        escape::markdown_code(&module.name),
        module.kind,
        module.bytes,
        module.sha256,
        module.integrity
    );
    for row in &scan.rows {
        let what = match row.verdict.reason() {
            "" => String::new(),
            reason => escape::markdown_code(&escape::column(reason, 200)),
        };
        text += &format!("| {} | {} | {what} |\n", row.control, row.verdict.name());
    }
    text
}

/// JSON: everything, and whether each check was qualified in this run.
pub fn json(scan: &Scan, qualified: &[Qualified]) -> String {
    let qualified = qualified.iter().map(|row| json!({ "control": row.class, "verdict": row.verdict }));
    let value = json!({
        "schema": "urn:autoclave:scan:v1",
        "module": scan.module,
        "rows": scan.rows,
        "notes": scan.notes,
        "qualified": qualified.collect::<Vec<_>>(),
    });
    escape::json(&(serde_json::to_string_pretty(&value).expect("a scan is text") + "\n"))
}
