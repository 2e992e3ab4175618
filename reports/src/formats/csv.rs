//! `findings.csv`: one row per finding, for spreadsheets. No field is a formula.

use crate::escape;
use crate::record::{Confirmation, Record};

/// The file.
pub fn render(record: &Record) -> Vec<u8> {
    let mut text = String::from("target,severity,id,oracle,outcome,title,confirmed,hits,reproducer,bytes,repro\r\n");
    for (target, finding) in record.findings() {
        let confirmed = match finding.confirmed {
            Confirmation::Reproduced => "yes",
            Confirmation::NotReproduced(_) => "no",
            Confirmation::NotTried(_) => "not tried",
        };
        let hits = finding.hits.to_string();
        let bytes = finding.reproducer.bytes.to_string();
        let fields = [
            &target.name,
            finding.severity.name(),
            &finding.id,
            &finding.oracle,
            &finding.outcome,
            &finding.title,
            confirmed,
            &hits,
            &finding.reproducer.path,
            &bytes,
            &finding.repro,
        ];
        text.push_str(&fields.map(escape::csv).join(","));
        text.push_str("\r\n");
    }
    text.into_bytes()
}
