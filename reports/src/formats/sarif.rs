//! `report.sarif`: SARIF 2.1.0 for code scanning. One run for all targets (GitHub refuses a file with more than twenty),
//! a location on every result, what was not tested as notifications. Checked against Microsoft's validator with GitHub's
//! rules.

use crate::escape::{self, block, cut, line, project_uri};
use crate::record::{Confirmation, Finding, Frame, Record, TargetRecord, Verdict};
use crate::rules::{Rule, Severity, rule};
use serde_json::{Value, json};

/// GitHub shows no more results of one run.
const RESULTS_MAX: usize = 5_000;

/// The key under which a result carries what stays the same between runs.
pub const FINGERPRINT: &str = "autoclave/bucket/v1";

/// What stays the same of a finding between runs: its target, for buckets of two targets may be alike, and its bucket.
pub fn fingerprint(target: &str, finding: &Finding) -> String {
    format!("{}/{}", escape::file_name(target), line(&finding.id))
}

/// The file.
pub fn render(record: &Record) -> Vec<u8> {
    let mut rules: Vec<&'static Rule> = Vec::new();
    let mut results = Vec::new();
    let mut notifications = notifications(record);
    for (target, finding) in record.findings() {
        match &finding.confirmed {
            Confirmation::Reproduced if results.len() == RESULTS_MAX => {}
            Confirmation::Reproduced => {
                let rule = rule(&finding.oracle, &finding.outcome);
                let index = rules.iter().position(|known| std::ptr::eq(*known, rule)).unwrap_or_else(|| {
                    rules.push(rule);
                    rules.len() - 1
                });
                results.push(result(target, finding, rule, index));
            }
            Confirmation::NotReproduced(reason) => notifications.push(notification(
                "note",
                "not-reproduced",
                &format!(
                    "{}: {} {}: did not happen on the uninstrumented module: {reason}",
                    target.name, finding.id, finding.title
                ),
            )),
            Confirmation::NotTried(reason) => notifications.push(notification(
                "warning",
                "not-replayed",
                &format!("{}: {} {}: {reason}", target.name, finding.id, finding.title),
            )),
        }
    }
    let judged = !matches!(record.verdict, Verdict::NotTested(_)) && !record.run.interrupted;
    let mut invocation = json!({
        "executionSuccessful": judged,
        "commandLine": line(&record.run.command_line),
        "toolExecutionNotifications": notifications,
    });
    if !record.run.started_utc.is_empty() && is_utc_time(&record.run.started_utc) {
        invocation["startTimeUtc"] = json!(record.run.started_utc);
    }
    let version = numeric_version(&record.tool.version);
    let sarif = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Autoclave",
                "informationUri": information_uri(),
                "semanticVersion": version,
                "version": version,
                "rules": rules.iter().map(|rule| describe(rule)).collect::<Vec<_>>(),
                "notifications": NOTIFICATIONS.iter().map(|(id, text)| json!({
                    "id": id,
                    "name": pascal_case(id),
                    "shortDescription": { "text": text },
                    "fullDescription": { "text": text },
                    "help": { "text": text, "markdown": text },
                })).collect::<Vec<_>>(),
            }},
            "automationDetails": { "id": format!("autoclave/{}/", escape::file_name(&record.run.command)) },
            "columnKind": "unicodeCodePoints",
            "invocations": [invocation],
            "artifacts": artifacts(record),
            "results": results,
            "properties": { "verdict": record.verdict.name(), "seed": record.run.seed },
        }],
    });
    let text = serde_json::to_string_pretty(&sarif).expect("a value always serializes");
    (escape::json(&text) + "\n").into_bytes()
}

/// Where a reader of a finding learns what made it: the project's page, once its manifest names one.
fn information_uri() -> &'static str {
    match env!("CARGO_PKG_REPOSITORY") {
        "" => "https://en.wikipedia.org/wiki/Fuzzing",
        repository => repository,
    }
}

/// Kinds of what is no result, and says why there is none.
const NOTIFICATIONS: &[(&str, &str)] = &[
    ("not-tested", "Something that was not tested."),
    ("not-reproduced", "A finding that did not happen again on the uninstrumented module."),
    ("not-replayed", "A finding that was not replayed."),
    ("check-failed", "A check failed."),
];

fn describe(rule: &Rule) -> Value {
    json!({
        "id": rule_id(rule),
        "name": pascal_case(rule.title),
        "shortDescription": { "text": format!("{}.", rule.title) },
        "fullDescription": { "text": rule.meaning },
        "help": {
            "text": format!("{} {}", rule.meaning, rule.advice),
            "markdown": format!("{}\n\n**What to do**: {}\n\n[CWE-{}](https://cwe.mitre.org/data/definitions/{}.html)", rule.meaning, rule.advice, rule.cwe, rule.cwe),
        },
        "helpUri": format!("https://cwe.mitre.org/data/definitions/{}.html", rule.cwe),
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": {
            "tags": ["security", "fuzzing", format!("external/cwe/cwe-{:03}", rule.cwe)],
            "security-severity": format!("{:.1}", rule.security_severity),
            "precision": "very-high",
            "problem.severity": match level(rule.severity) { "note" => "recommendation", other => other },
        },
    })
}

fn rule_id(rule: &Rule) -> String {
    let parts: Vec<&str> = [rule.oracle, rule.outcome].into_iter().filter(|part| *part != "*").collect();
    if parts.is_empty() { "unclassified".into() } else { parts.join("-").to_ascii_lowercase() }
}

fn result(target: &TargetRecord, finding: &Finding, rule: &Rule, rule_index: usize) -> Value {
    let mut text = format!("{}: {}", line(&target.name), line(&finding.title));
    if !text.ends_with('.') {
        text.push('.');
    }
    if !finding.message.is_empty() {
        text.push_str(&format!("\n{}", block(&cut(&finding.message, 1_000))));
    }
    text.push_str(&format!("\nShow it again: {}", line(&finding.repro)));
    let mut result = json!({
        "ruleId": rule_id(rule),
        "ruleIndex": rule_index,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [location(target, finding)],
        "partialFingerprints": {
            FINGERPRINT: fingerprint(&target.name, finding),
        },
        "occurrenceCount": finding.hits.min(i32::MAX as u64),
        "properties": {
            "target": line(&target.name),
            "module_sha256": line(&target.sha256),
            "outcome": line(&finding.outcome),
            "oracle": line(&finding.oracle),
            "severity": finding.severity.name(),
            "reproducer_sha256": line(&finding.reproducer.sha256),
            "reproducer": line(&finding.reproducer.path),
        },
    });
    let mut cards = target.boundary.iter().flat_map(|section| &section.cards);
    if let Some(card) = cards.find(|card| finding.oracle == "boundary" && card.finding == finding.id) {
        result["properties"]["operation"] = json!(line(&card.operation));
        result["properties"]["profile"] = json!(card.profile.name());
        result["properties"]["json_reachable"] = json!(card.json_reachable);
    }
    if !finding.frames.is_empty() {
        // A code flow runs from the entry to where it happened; frames come innermost first.
        let steps: Vec<Value> =
            finding.frames.iter().rev().map(|frame| json!({ "location": frame_location(target, frame) })).collect();
        result["codeFlows"] = json!([{ "threadFlows": [{ "locations": steps }] }]);
    }
    result
}

/// The innermost frame inside the project, else the target's manifest or module.
fn location(target: &TargetRecord, finding: &Finding) -> Value {
    let inside = |frame: &&Frame| frame.file.as_deref().and_then(project_uri).is_some();
    let mut location = match finding.frames.iter().find(inside) {
        Some(frame) => {
            physical(frame.file.as_deref().and_then(project_uri).unwrap_or_default(), frame.line, frame.column)
        }
        None => physical(target_uri(target), None, None),
    };
    if let Some(frame) = finding.frames.first() {
        location["logicalLocations"] = json!([logical(frame)]);
    }
    location
}

fn frame_location(target: &TargetRecord, frame: &Frame) -> Value {
    let mut location = match frame.file.as_deref().and_then(project_uri) {
        Some(uri) => physical(uri, frame.line, frame.column),
        None => physical(target_uri(target), None, None),
    };
    let place = match (&frame.file, frame.line) {
        (Some(file), Some(number)) => format!(" at {}:{number}", line(file)),
        (Some(file), None) => format!(" at {}", line(file)),
        _ => frame.module_offset.map(|offset| format!(" at module offset {offset:#x}")).unwrap_or_default(),
    };
    location["logicalLocations"] = json!([logical(frame)]);
    location["message"] = json!({ "text": format!("{}{place}.", line(&frame.function)) });
    location
}

fn logical(frame: &Frame) -> Value {
    json!({ "fullyQualifiedName": line(&frame.function), "kind": "function" })
}

fn physical(uri: String, line: Option<u32>, column: Option<u32>) -> Value {
    let mut region = json!({ "startLine": line.unwrap_or(1).max(1) });
    if let Some(column) = column.filter(|column| *column > 0) {
        region["startColumn"] = json!(column);
    }
    json!({ "physicalLocation": { "artifactLocation": { "uri": uri }, "region": region } })
}

fn target_uri(target: &TargetRecord) -> String {
    let manifest = target.manifest_path.as_deref().and_then(project_uri);
    // A vendor's module from elsewhere still needs a place; its file name is the best that a repository can show.
    let file = || escape::file_name(target.module_path.rsplit(['/', '\\']).next().unwrap_or_default());
    manifest.or_else(|| project_uri(&target.module_path)).unwrap_or_else(file)
}

fn artifacts(record: &Record) -> Vec<Value> {
    let hex = |digest: &str| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    record
        .targets
        .iter()
        .filter_map(|target| project_uri(&target.module_path).map(|uri| (target, uri)))
        .filter(|(target, _)| hex(&target.sha256))
        .map(|(target, uri)| {
            json!({ "location": { "uri": uri }, "roles": ["analysisTarget"], "hashes": { "sha-256": target.sha256 } })
        })
        .collect()
}

fn notifications(record: &Record) -> Vec<Value> {
    let mut list = Vec::new();
    for missing in &record.not_tested {
        let text = format!("{}: {} {}", missing.what, missing.reason, missing.remedy);
        list.push(notification("warning", "not-tested", text.trim_end()));
    }
    for target in &record.targets {
        if let Verdict::NotTested(reason) = &target.verdict {
            list.push(notification("warning", "not-tested", &format!("{}: {reason}", target.name)));
        }
    }
    for check in &record.checks {
        let text = format!("{}: {} {}", check.name, check.question, check.verdict.reason());
        match &check.verdict {
            Verdict::Fail(_) => list.push(notification("error", "check-failed", &text)),
            Verdict::NotTested(_) => list.push(notification("warning", "not-tested", &text)),
            _ => {}
        }
    }
    list
}

fn notification(level: &str, id: &str, text: &str) -> Value {
    json!({ "level": level, "descriptor": { "id": id }, "message": { "text": block(text) } })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// `Access outside linear memory` → `AccessOutsideLinearMemory`.
fn pascal_case(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

/// A version as SARIF wants it, or 0.0.0.
fn numeric_version(version: &str) -> &str {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    if version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(allowed) { version } else { "0.0.0" }
}

fn is_utc_time(text: &str) -> bool {
    let pattern = b"dddd-dd-ddTdd:dd:ddZ";
    text.len() == pattern.len()
        && text
            .bytes()
            .zip(pattern)
            .all(|(byte, want)| if *want == b'd' { byte.is_ascii_digit() } else { byte == *want })
}
