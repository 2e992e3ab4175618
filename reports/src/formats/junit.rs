//! `junit.xml`: suite = target, case = oracle, family of a contract, entry with a secret or class of a boundary, so that
//! names stay the same from run to run. `quick-junit` writes the XML. Most dashboards show a skipped case as green, so the exit code, not this file, says whether a run was judged.

use crate::asked;
use crate::boundary::Boundary;
use crate::constant_time::ConstantTime;
use crate::contract::Contract;
use crate::escape::{block, cut, line};
use crate::leaks::{self, Kind, driven_by, place};
use crate::record::{Check, Confirmation, Finding, Record, TargetRecord, Verdict};
use crate::tally;
use crate::words::exponent;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;

/// The file.
pub fn render(record: &Record) -> Vec<u8> {
    let mut report = Report::new("autoclave");
    for target in &record.targets {
        report.add_test_suite(target_suite(record, target));
    }
    if !record.checks.is_empty() {
        let mut suite = TestSuite::new("checks");
        suite.add_test_cases(record.checks.iter().map(check_case));
        report.add_test_suite(suite);
    }
    if !record.not_tested.is_empty() {
        let mut suite = TestSuite::new("not tested");
        suite.add_test_cases(record.not_tested.iter().map(|missing| {
            case(&missing.what, "not-tested", skipped(&format!("{} {}", missing.reason, missing.remedy)))
        }));
        report.add_test_suite(suite);
    }
    report.to_string().expect("writing to memory does not fail").into_bytes()
}

fn target_suite(record: &Record, target: &TargetRecord) -> TestSuite {
    let mut suite = TestSuite::new(line(&target.name));
    for (name, value) in [
        ("module", &target.module_path),
        ("sha256", &target.sha256),
        ("execs", &target.execs.to_string()),
        ("edges_found", &target.edges_found.to_string()),
        ("edges_total", &target.edges_total.to_string()),
        ("verdict", &target.verdict.name().to_owned()),
    ] {
        suite.add_property((name, line(value).as_str()));
    }
    for oracle in oracles(target) {
        let found: Vec<&Finding> = target.findings.iter().filter(|finding| finding.oracle == *oracle).collect();
        suite.add_test_case(case(oracle, &target.name, status(record, target, &found)));
    }
    if let Some(contract) = &target.contract {
        suite.add_test_cases(contract_cases(record, target, contract));
    }
    if let Some(section) = &target.constant_time {
        suite.add_test_cases(constant_time_cases(record, target, section));
    }
    if let Some(section) = &target.boundary {
        suite.add_test_cases(boundary_cases(record, target, section));
    }
    suite
}

/// A case for each family and entry of a contract, and for each shape whose growth was measured.
fn contract_cases(record: &Record, target: &TargetRecord, contract: &Contract) -> Vec<TestCase> {
    let mut rows: BTreeMap<String, Vec<Row<'_>>> = BTreeMap::new();
    for trial in &contract.trials {
        let part = if trial.part == "typical" { "contract-typical" } else { "contract" };
        let said = format!("{} {}: {}", trial.family, trial.params, trial.outcome);
        let row = Row { said, verdict: &trial.verdict, finding: &trial.finding };
        rows.entry(format!("{part}/{}/{}", trial.entry, trial.family)).or_default().push(row);
    }
    for growth in &contract.growth {
        let said = format!("{}: k = {}", growth.shape, exponent(growth.exponent));
        let row = Row { said, verdict: &growth.verdict, finding: &growth.finding };
        rows.entry(format!("complexity/{}/{}", growth.entry, growth.shape)).or_default().push(row);
    }
    rows.into_iter()
        .map(|(name, rows)| case(&name, &target.name, rows_status(record, target, "contract", &rows)))
        .collect()
}

/// A case for each entry that handles a secret: its leaks, or its own answer where it has none.
fn constant_time_cases(record: &Record, target: &TargetRecord, section: &ConstantTime) -> Vec<TestCase> {
    let of_entry = |entry: &str| -> TestCaseStatus {
        let mut rows: Vec<Row<'_>> = leaks::of_entry(section, entry, Kind::Failing)
            .map(|leak| {
                let driven = driven_by(leak, 12);
                let by = if driven.is_empty() { String::new() } else { format!(", driven by {driven} of the secret") };
                let said = format!("{} at {}{by}", leak.class, place(leak.frames.first()));
                Row { said, verdict: &leak.verdict, finding: &leak.finding }
            })
            .collect();
        if rows.is_empty() {
            let answers = section.entries.iter().filter(|handled| handled.entry == entry);
            rows.extend(answers.map(|handled| Row {
                said: handled.script.clone(),
                verdict: &handled.verdict,
                finding: "",
            }));
        }
        rows_status(record, target, "constant-time", &rows)
    };
    let entries: std::collections::BTreeSet<&str> = section.entries.iter().map(|entry| entry.entry.as_str()).collect();
    entries.into_iter().map(|entry| case(&format!("constant-time/{entry}"), &target.name, of_entry(entry))).collect()
}

/// A case for each class: its findings, or its own answer where it has none.
fn boundary_cases(record: &Record, target: &TargetRecord, section: &Boundary) -> Vec<TestCase> {
    let of_class = |class: &crate::boundary::ClassRow| {
        let mut rows: Vec<Row<'_>> = asked::of_class(section, &class.class)
            .map(|card| Row {
                said: format!("{} ({}): {}", card.operation, card.profile.name(), cut(&card.what, 500)),
                verdict: &class.verdict,
                finding: &card.finding,
            })
            .collect();
        if rows.is_empty() {
            rows.push(Row { said: class.class.clone(), verdict: &class.verdict, finding: "" });
        }
        case(&format!("boundary/{}", class.class), &target.name, rows_status(record, target, "boundary", &rows))
    };
    section.classes.iter().map(of_class).collect()
}

/// A row of a contract, or a leak, as a test report needs it.
struct Row<'a> {
    said: String,
    verdict: &'a Verdict,
    finding: &'a str,
}

/// A finding that does not fail the run does not fail a case either; one size that was not tested is not a pass.
fn rows_status(record: &Record, target: &TargetRecord, kind: &str, rows: &[Row<'_>]) -> TestCaseStatus {
    let fails = |row: &&Row<'_>| {
        let carried = target.findings.iter().find(|finding| finding.id == row.finding);
        matches!(row.verdict, Verdict::Fail(_)) && carried.is_none_or(|finding| record.fails(finding))
    };
    let failing: Vec<&Row<'_>> = rows.iter().filter(fails).collect();
    if let Some(first) = failing.first() {
        let told = |row: &&Row<'_>| format!("{}: {} {}", row.said, row.verdict.reason(), row.finding);
        let body: Vec<String> = failing.iter().map(told).collect();
        return failure(first.verdict.reason(), kind, &body.join("\n"));
    }
    let not_run = |row: &&Row<'_>| !tally::was_run(row.verdict);
    match rows.iter().filter(not_run).min_by_key(|row| matches!(row.verdict, Verdict::NotApplicable(_))) {
        Some(row) => skipped(&format!("{}: {}", row.verdict.name(), row.verdict.reason())),
        None => TestCaseStatus::success(),
    }
}

/// The oracles that were asked, and any that have something to say all the same; never none, so that no target is lost.
fn oracles(target: &TargetRecord) -> Vec<&str> {
    let mut names: Vec<&str> = target.oracles.iter().map(String::as_str).collect();
    for finding in &target.findings {
        if !names.contains(&finding.oracle.as_str()) {
            names.push(&finding.oracle);
        }
    }
    if names.is_empty() { vec!["fuzz"] } else { names }
}

fn status(record: &Record, target: &TargetRecord, found: &[&Finding]) -> TestCaseStatus {
    let failing: Vec<&&Finding> = found.iter().filter(|finding| record.fails(finding)).collect();
    let untried = found.iter().any(|finding| matches!(finding.confirmed, Confirmation::NotTried(_)));
    match (&target.verdict, failing.first()) {
        (_, Some(worst)) => {
            let message = format!("{}: {}", worst.severity, worst.title);
            let body: Vec<String> = failing.iter().map(|finding| describe(finding)).collect();
            failure(&message, &worst.outcome, &body.join("\n\n"))
        }
        (Verdict::NotTested(reason) | Verdict::NotApplicable(reason), None) => skipped(reason),
        (_, None) if untried => skipped("a finding was not replayed"),
        // Failed for a reason that is no finding: the case that carries it is each of them.
        (Verdict::Fail(reason), None) if target.worst().is_none() => failure(reason, target.verdict.name(), reason),
        _ => TestCaseStatus::success(),
    }
}

fn describe(finding: &Finding) -> String {
    let mut text = format!("{} {} [{}]\n{}\n", finding.id, finding.title, finding.severity, finding.repro);
    if !finding.message.is_empty() {
        text.push_str(&format!("{}\n", finding.message));
    }
    for frame in &finding.frames {
        let file = frame.file.as_deref().unwrap_or("?");
        text.push_str(&format!("    at {} ({file}:{})\n", frame.function, frame.line.unwrap_or(0)));
    }
    text
}

fn check_case(check: &Check) -> TestCase {
    let status = match &check.verdict {
        Verdict::Pass | Verdict::Warn(_) | Verdict::Attested(_) => TestCaseStatus::success(),
        Verdict::Fail(reason) => failure(reason, &check.name, &format!("{}\n{reason}", check.question)),
        Verdict::NotApplicable(reason) | Verdict::NotTested(reason) => {
            skipped(&format!("{}: {reason}", check.verdict.name()))
        }
        Verdict::NotAttested => skipped(check.verdict.name()),
    };
    case(&check.name, check.target.as_deref().unwrap_or("checks"), status)
}

fn case(name: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(line(name), status);
    case.set_classname(line(class));
    case
}

fn failure(message: &str, kind: &str, body: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(line(message)).set_type(line(kind)).set_description(block(body));
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(line(message.trim()));
    status
}
