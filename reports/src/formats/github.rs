//! GitHub annotations: workflow commands on standard output put findings beside the lines of a pull request.
//! GitHub shows ten of each kind per step; the worst come first.

use crate::escape::{cut, github_message, github_property, project_uri};
use crate::record::{Confirmation, Finding, Frame, Record, TargetRecord};

/// The commands, one a line.
pub fn render(record: &Record) -> Vec<u8> {
    let mut findings: Vec<_> = record.findings().collect();
    findings.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
    let mut text = String::new();
    for (target, finding) in findings {
        let command = match &finding.confirmed {
            Confirmation::Reproduced if record.fails(finding) => "error",
            Confirmation::Reproduced | Confirmation::NotTried(_) => "warning",
            Confirmation::NotReproduced(_) => continue,
        };
        let mut message = format!("{}\n{}", finding.bucket, finding.repro);
        if !finding.message.is_empty() {
            message = format!("{}\n{message}", cut(&finding.message, 500));
        }
        let title = format!("{} [{}] {}", finding.severity, target.name, finding.title);
        text.push_str(&format!(
            "::{command} {}title={}::{}\n",
            position(target, finding),
            github_property(&title),
            github_message(&message)
        ));
    }
    for missing in &record.not_tested {
        let message = [&missing.reason, &missing.remedy].map(String::as_str).join(" ");
        let title = github_property(&format!("NOT-TESTED: {}", missing.what));
        text.push_str(&format!("::warning title={title}::{}\n", github_message(message.trim_end())));
    }
    text.into_bytes()
}

/// `file=…,line=…,col=…,` of the innermost frame inside the project, else of the target's manifest.
fn position(target: &TargetRecord, finding: &Finding) -> String {
    let inside = |frame: &&Frame| frame.file.as_deref().is_some_and(|file| project_uri(file).is_some());
    match (finding.frames.iter().find(inside), &target.manifest_path) {
        (Some(Frame { file: Some(file), line, column, .. }), _) => {
            let column = column.map(|column| format!("col={column},")).unwrap_or_default();
            format!("file={},line={},{column}", github_property(file), line.unwrap_or(1))
        }
        (_, Some(manifest)) => format!("file={},line=1,", github_property(manifest)),
        _ => String::new(),
    }
}
