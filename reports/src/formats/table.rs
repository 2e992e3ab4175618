//! The table at a run's end, for people at a terminal: plain text, columns aligned, nothing that acts on the terminal.

use crate::asked::{self, Classes};
use crate::boundary::{Boundary, HostRow, class_of};
use crate::constant_time::{ConstantTime, Handled};
use crate::contract::Contract;
use crate::escape::{column, line};
use crate::leaks::{self, Answers, Kind, driven_by, place};
use crate::record::{Confirmation, Record, Verdict};
use crate::tally::{self, Tally};
use crate::words::{bytes, chance_of, count, exponent, percent, plural, short};

/// Targets, findings with the line that shows each again, what was not tested, the verdict.
pub fn render(record: &Record) -> Vec<u8> {
    let mut text = String::new();
    if !record.targets.is_empty() {
        text.push_str(&targets(record));
    }
    if !record.checks.is_empty() {
        text.push_str(&checks(record));
    }
    for target in &record.targets {
        if let Some(contract) = &target.contract {
            text.push_str(&resources(&target.name, contract));
        }
        if let Some(section) = &target.constant_time {
            text.push_str(&secrets(&target.name, section));
        }
        if let Some(section) = &target.boundary {
            text.push_str(&crossings(&target.name, section));
        }
    }
    for (target, finding) in record.findings() {
        let aside = match &finding.confirmed {
            Confirmation::Reproduced => String::new(),
            Confirmation::NotReproduced(reason) => format!("  (not reproduced: {})", column(reason, 60)),
            Confirmation::NotTried(reason) => format!("  (not replayed: {})", column(reason, 60)),
        };
        text.push_str(&format!(
            "\n{:<8}  {}  {}  {}{aside}\n          {}\n",
            finding.severity.name(),
            column(&finding.id, 12),
            column(&target.name, 32),
            column(&finding.title, 110),
            line(&finding.repro),
        ));
    }
    for missing in &record.not_tested {
        text.push_str(&format!("\nNOT-TESTED  {}: {}\n", column(&missing.what, 40), column(&missing.reason, 160)));
        if !missing.remedy.is_empty() {
            text.push_str(&format!("            {}\n", line(&missing.remedy)));
        }
    }
    text.push_str(&format!("\n{}", record.verdict.name()));
    if !record.verdict.reason().is_empty() {
        text.push_str(&format!("  {}", line(record.verdict.reason())));
    }
    text.push('\n');
    text.into_bytes()
}

fn targets(record: &Record) -> String {
    let mut rows = vec![
        ["TARGET", "VERDICT", "EXECS", "EXECS/S", "EDGES", "", "CORPUS", "P(NEW EDGE)", "FINDINGS"].map(String::from),
    ];
    for target in &record.targets {
        let aside = target.findings.len() - target.confirmed().count();
        let aside = if aside == 0 { String::new() } else { format!(" (+{aside} aside)") };
        rows.push([
            column(&target.name, 32),
            target.verdict.name().into(),
            count(target.execs),
            short(target.execs_per_second),
            format!("{}/{}", count(target.edges_found), count(target.edges_total)),
            percent(target.edges_found, target.edges_total),
            count(target.corpus.entries),
            chance_of(target.saturation.p_new_edge, target.execs),
            format!("{}{aside}", target.confirmed().count()),
        ]);
    }
    aligned(&rows, 2)
}

/// How a target kept its contract: counts, its worst trial, its steepest shape.
fn resources(target: &str, contract: &Contract) -> String {
    let profile =
        if contract.profile.is_empty() { String::new() } else { format!(" ({})", column(&contract.profile, 16)) };
    let mut text = format!("\nCONTRACT  {}{profile}: {}\n", column(target, 32), Tally::of(&contract.trials).words());
    if let Some(trial) = tally::worst(contract) {
        text.push_str(&format!(
            "          worst   {} {} ({}): {}: {}\n",
            column(&trial.entry, 32),
            column(&trial.family, 32),
            bytes(trial.bytes),
            column(&trial.outcome, 24),
            column(trial.verdict.reason(), 110),
        ));
    }
    if let Some(growth) = tally::steepest(contract) {
        let per_byte = growth.fuel_per_byte.map(|fuel| format!(", up to {} fuel per byte", short(fuel)));
        text.push_str(&format!(
            "          growth  {} {}: k = {}{}: {}\n",
            column(&growth.entry, 32),
            column(&growth.shape, 32),
            exponent(growth.exponent),
            per_byte.unwrap_or_default(),
            growth.verdict.name(),
        ));
    }
    text
}

/// What a target's work tells about its secrets: counts, and a line for each entry that is not constant.
fn secrets(target: &str, section: &ConstantTime) -> String {
    const LINES_MAX: usize = 40;
    let policy = if section.policy.is_empty() { String::new() } else { format!(" ({})", column(&section.policy, 16)) };
    let answers = Answers::of(&section.entries);
    let events = short(leaks::events(section) as f64);
    let mut text = format!("\nSECRETS   {}{policy}: {}\n", column(target, 32), answers.words());
    text.push_str(&format!("          {events} events compared\n"));
    let told: Vec<&Handled> = section.entries.iter().filter(|entry| entry.verdict != Verdict::Pass).collect();
    let rows: Vec<[String; 3]> = told
        .iter()
        .take(LINES_MAX)
        .map(|entry| [entry.verdict.name().into(), column(&entry.entry, 28), outcome(section, entry)])
        .collect();
    aligned(&rows, 3).lines().for_each(|line| text.push_str(&format!("          {line}\n")));
    if told.len() > LINES_MAX {
        text.push_str(&format!("          and {} more in constant-time.csv\n", told.len() - LINES_MAX));
    }
    text
}

/// What happens at a target's boundary to JavaScript: counts, what never returned, a line for each host and finding.
fn crossings(target: &str, section: &Boundary) -> String {
    const LINES_MAX: usize = 40;
    const IDLE_MAX: usize = 3;
    let kind = column(&section.glue.kind, 48);
    let kind = if kind.is_empty() { kind } else { format!(" ({kind})") };
    let mut text = format!("\nBOUNDARY  {}{kind}: {}\n", column(target, 32), Classes::of(section).words());
    let idle: Vec<String> = section.idle().map(|row| column(&row.name, 32)).collect();
    text.push_str(&format!("          {}", plural(section.operations.len() as u64, "operation")));
    if !idle.is_empty() {
        let more = if idle.len() > IDLE_MAX { ", …" } else { "" };
        let named = idle.iter().take(IDLE_MAX).cloned().collect::<Vec<_>>().join(", ");
        text.push_str(&format!(", {} never returned, so not tested: {named}{more}", idle.len()));
    }
    text.push('\n');
    let (ran, missing): (Vec<&HostRow>, Vec<&HostRow>) =
        section.hosts.iter().take(LINES_MAX).partition(|host| host.not_tested.is_empty());
    let hosts: Vec<[String; 4]> = ran
        .iter()
        .map(|host| {
            let reached = match host.counters_total {
                0 => "as deployed".into(),
                total => format!("{} reached", percent(host.counters_reached, total)),
            };
            let deaths = host.deaths.len() as u64;
            let died = if deaths == 0 { String::new() } else { format!(", died {}", plural(deaths, "time")) };
            [
                column(&host.name, 32),
                format!("{reached}{died}"),
                plural(host.tapes, "sequence"),
                plural(host.calls, "call"),
            ]
        })
        .collect();
    aligned(&hosts, 2).lines().for_each(|line| text.push_str(&format!("          {line}\n")));
    for host in missing {
        let why = column(&host.not_tested, 100);
        text.push_str(&format!("          NOT-TESTED  {}: {why}\n", column(&host.name, 32)));
    }
    let told: Vec<[String; 6]> = section
        .cards
        .iter()
        .take(LINES_MAX)
        .map(|card| {
            [
                card.severity.name().into(),
                class_of(&card.class).map_or("", |class| class.oracle).into(),
                column(&card.class, 16),
                column(&card.operation, 28),
                card.profile.name().into(),
                format!("JSON {}", asked::yes(card.json_reachable)),
            ]
        })
        .collect();
    aligned(&told, 6).lines().for_each(|line| text.push_str(&format!("          {line}\n")));
    if section.cards.len() > LINES_MAX {
        text.push_str(&format!("          and {} more in boundary.csv\n", section.cards.len() - LINES_MAX));
    }
    text
}

/// The first leak of an entry and how many there are, else why it has its verdict: at most 64 characters.
fn outcome(section: &ConstantTime, entry: &Handled) -> String {
    let kind = if matches!(entry.verdict, Verdict::Fail(_)) { Kind::Failing } else { Kind::Weak };
    let Some(leak) = leaks::of_entry(section, &entry.entry, kind).next() else {
        return column(entry.verdict.reason(), 64);
    };
    // Of a long path the end says most.
    let place = line(&place(leak.frames.first()));
    let start = place.char_indices().rev().nth(31).map_or(0, |(at, _)| at);
    let place = if start == 0 { place } else { format!("…{}", &place[start..]) };
    let count = entry.strong.saturating_add(entry.weak);
    let more = if count > 1 { format!(" +{}", count - 1) } else { String::new() };
    let driven = driven_by(leak, 1);
    let driven = if driven.is_empty() { String::new() } else { format!(", {driven}") };
    column(&format!("{} {place}{more}{driven}", column(&leak.class, 10)), 64)
}

fn checks(record: &Record) -> String {
    let mut rows = vec![["CHECK", "VERDICT", "CANARY", "TWIN", ""].map(String::from)];
    for check in &record.checks {
        let trial = |trial: &Option<crate::record::Trial>| trial.as_ref().map_or("–".into(), |t| column(&t.seen, 32));
        let because = match &check.verdict {
            Verdict::Pass => column(&check.question, 80),
            other => column(other.reason(), 80),
        };
        rows.push([
            column(&check.name, 32),
            check.verdict.name().into(),
            trial(&check.canary),
            trial(&check.twin),
            because,
        ]);
    }
    let summary = plural(record.checks.len() as u64, "check");
    format!("{}{summary}\n", aligned(&rows, 5))
}

/// Columns two spaces apart, the first `left` flush left, the others flush right.
fn aligned<const N: usize>(rows: &[[String; N]], left: usize) -> String {
    let width = |text: &String| text.chars().count();
    let widths: Vec<usize> = (0..N).map(|i| rows.iter().map(|row| width(&row[i])).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut shown = String::new();
        for (i, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[i] - width(cell));
            let gap = if i == 0 { "" } else { "  " };
            shown.push_str(&if i < left { format!("{gap}{cell}{pad}") } else { format!("{gap}{pad}{cell}") });
        }
        text.push_str(shown.trim_end());
        text.push('\n');
    }
    text
}
