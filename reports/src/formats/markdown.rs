//! `summary.md`: for job summaries (`$GITHUB_STEP_SUMMARY`, at most 1 MiB) and pull-request comments.
//! Whatever comes from outside stands in code spans or code blocks, where neither markup, links nor mentions work.

use crate::asked::{self, Classes};
use crate::boundary::{Boundary, class_of};
use crate::builds::{self, Builds};
use crate::constant_time::ConstantTime;
use crate::contract::Contract;
use crate::escape::{column, cut, markdown_block, markdown_code};
use crate::hexdump;
use crate::leaks::{self, Answers, Kind, driven_by, place};
use crate::record::{Confirmation, Finding, Record, TargetRecord, Verdict};
use crate::rules::rule;
use crate::tally::{self, Tally};
use crate::words::{bytes, chance_of, count, exponent, percent, plural, short};

/// Bytes after which findings are counted instead of shown: GitHub takes 1 MiB.
const BYTES_MAX: usize = 900 << 10;

/// The file.
pub fn render(record: &Record) -> Vec<u8> {
    let mut text = format!("## Autoclave: {}\n\n", record.verdict.name());
    if !record.verdict.reason().is_empty() {
        text.push_str(&format!("{}\n\n", code(record.verdict.reason(), 500)));
    }
    text.push_str(&targets(record));
    text.push_str(&checks(record));
    text.push_str(&contracts(record));
    text.push_str(&secrets(record));
    text.push_str(&boundaries(record));
    text.push_str(&not_tested(record));
    let mut left_out = 0;
    for (target, finding) in record.findings() {
        let shown = describe(target, finding);
        if text.len() + shown.len() > BYTES_MAX { left_out += 1 } else { text.push_str(&shown) }
    }
    if left_out > 0 {
        text.push_str(&format!("{} more in report.json.\n\n", plural(left_out, "finding")));
    }
    text.push_str(&format!(
        "Seed {} · {} · {}\n",
        record.run.seed,
        plural(u64::from(record.run.jobs), "job"),
        code(&record.run.command_line, 300)
    ));
    text.into_bytes()
}

fn targets(record: &Record) -> String {
    if record.targets.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "| Target | Verdict | Executions | per second | Edges | Corpus | P(new edge) | Findings |\n|---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for target in record.targets.iter().take(500) {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} of {} ({}) | {} | {} | {} |\n",
            code(&target.name, 60),
            target.verdict.name(),
            count(target.execs),
            short(target.execs_per_second),
            count(target.edges_found),
            count(target.edges_total),
            percent(target.edges_found, target.edges_total),
            count(target.corpus.entries),
            chance_of(target.saturation.p_new_edge, target.execs),
            target.confirmed().count(),
        ));
    }
    text + "\n"
}

fn checks(record: &Record) -> String {
    if record.checks.is_empty() {
        return String::new();
    }
    let mut text = String::from("| Check | Verdict | Question | |\n|---|---|---|---|\n");
    for check in record.checks.iter().take(500) {
        text.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            code(&check.name, 60),
            check.verdict.name(),
            code(&check.question, 200),
            code(check.verdict.reason(), 200)
        ));
    }
    text + "\n"
}

/// How targets kept their contracts: a row each, then what was broken.
fn contracts(record: &Record) -> String {
    const TARGETS_MAX: usize = 200;
    const LINES_MAX: usize = 100;
    let held: Vec<(&TargetRecord, &Contract)> = record
        .targets
        .iter()
        .filter_map(|target| Some((target, target.contract.as_ref()?)))
        .take(TARGETS_MAX)
        .collect();
    if held.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "### Resource contract\n\n| Target | Profile | Trials | Kept | Broken | Not tested | N/A | Steepest |\n|---|---|--:|--:|--:|--:|--:|---|\n",
    );
    let mut lines = Vec::new();
    for (target, contract) in held {
        let tally = Tally::of(&contract.trials);
        let steepest = tally::steepest(contract);
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            code(&target.name, 60),
            code(&contract.profile, 20),
            count(tally.run()),
            count(tally.kept),
            count(tally.broken),
            count(tally.not_tested),
            count(tally.not_applicable),
            steepest.map_or_else(String::new, |growth| {
                format!("{} k = {}", code(&format!("{} {}", growth.entry, growth.shape), 60), exponent(growth.exponent))
            }),
        ));
        for family in tally::families(contract).iter().filter(|family| matches!(family.worst.verdict, Verdict::Fail(_)))
        {
            let trial = family.worst;
            lines.push(format!(
                "- **{}** {}: {}, {} in, {} fuel, {} of memory: {}\n",
                trial.verdict.name(),
                code(&format!("{} {} {}", target.name, trial.entry, trial.family), 120),
                code(&trial.outcome, 30),
                bytes(trial.bytes),
                short(trial.fuel as f64),
                bytes(trial.memory_bytes),
                code(trial.verdict.reason(), 200),
            ));
        }
    }
    let more = lines.len().saturating_sub(LINES_MAX);
    text.push('\n');
    lines.iter().take(LINES_MAX).for_each(|line| text.push_str(line));
    if more > 0 {
        text.push_str(&format!("- {} more in report.json\n", plural(more as u64, "line")));
    }
    if lines.is_empty() { text } else { text + "\n" }
}

/// What targets' work tells about their secrets: a row each, then every entry that is not constant with its first leak.
fn secrets(record: &Record) -> String {
    const TARGETS_MAX: usize = 200;
    const LINES_MAX: usize = 100;
    let looked_at = record.targets.iter().filter_map(|target| Some((target, target.constant_time.as_ref()?)));
    let looked_at: Vec<(&TargetRecord, &ConstantTime)> = looked_at.take(TARGETS_MAX).collect();
    if looked_at.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "### Constant time\n\n| Target | Policy | Entries | Leak | Weak | Constant | Not tested | Events compared |\n|---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    let mut lines = Vec::new();
    for (target, section) in looked_at {
        let answers = Answers::of(&section.entries);
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            code(&target.name, 60),
            code(&section.policy, 20),
            count(section.entries.len() as u64),
            count(answers.leaking),
            count(answers.weak),
            count(answers.constant),
            count(answers.not_tested),
            short(leaks::events(section) as f64),
        ));
        for entry in section.entries.iter().filter(|entry| entry.verdict != Verdict::Pass) {
            let kind = if matches!(entry.verdict, Verdict::Fail(_)) { Kind::Failing } else { Kind::Weak };
            let what = match leaks::of_entry(section, &entry.entry, kind).next() {
                Some(leak) => {
                    let driven = driven_by(leak, 4);
                    let driven = if driven.is_empty() { driven } else { format!(" ({driven})") };
                    format!("{} at {}{driven}", code(&leak.class, 20), code(&place(leak.frames.first()), 100))
                }
                None => code(entry.verdict.reason(), 200),
            };
            let leaking = entry.strong.saturating_add(entry.weak);
            let more = if leaking > 1 { format!(", {}", plural(leaking - 1, "more place")) } else { String::new() };
            let name = code(&format!("{} {}", target.name, entry.entry), 120);
            lines.push(format!("- **{}** {name}: {what}{more}\n", entry.verdict.name()));
        }
    }
    let more = lines.len().saturating_sub(LINES_MAX);
    text.push('\n');
    lines.iter().take(LINES_MAX).for_each(|line| text.push_str(line));
    if more > 0 {
        text.push_str(&format!("- {} more in report.json\n", plural(more as u64, "line")));
    }
    if !lines.is_empty() {
        text.push('\n');
    }
    builds::of(&record.targets).iter().take(TARGETS_MAX).for_each(|builds| text.push_str(&side_by_side(builds)));
    text
}

/// What happens at targets' boundaries to JavaScript: a row each, what never returned, a line for each finding.
fn boundaries(record: &Record) -> String {
    const TARGETS_MAX: usize = 200;
    const LINES_MAX: usize = 100;
    let driven = record.targets.iter().filter_map(|target| Some((target, target.boundary.as_ref()?)));
    let driven: Vec<(&TargetRecord, &Boundary)> = driven.take(TARGETS_MAX).collect();
    if driven.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "### JavaScript boundary\n\n| Target | Glue | Hosts | Sequences | Operations | Never returned | Classes found | Clean | Not asked |\n|---|---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    let mut lines = Vec::new();
    for (target, section) in driven {
        let classes = Classes::of(section);
        let hosts: Vec<&str> =
            section.hosts.iter().filter(|host| host.not_tested.is_empty()).map(|host| host.name.as_str()).collect();
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            code(&target.name, 60),
            code(&section.glue.kind, 60),
            code(&hosts.join(", "), 100),
            count(asked::sum(section, |host| host.tapes)),
            count(section.operations.len() as u64),
            count(section.idle().count() as u64),
            classes.found,
            classes.clean,
            classes.not_asked,
        ));
        for row in section.idle() {
            let why = row.never_succeeded.as_deref().unwrap_or_default();
            let name = code(&format!("{} {}", target.name, row.name), 120);
            lines.push(format!("- **NOT-TESTED** {name} never returned: {}\n", code(why, 200)));
        }
        for host in section.hosts.iter().filter(|host| !host.not_tested.is_empty()) {
            let name = code(&format!("{} {}", target.name, host.name), 120);
            lines.push(format!("- **NOT-TESTED** {name}: {}\n", code(&host.not_tested, 200)));
        }
        for card in &section.cards {
            let oracle = class_of(&card.class).map_or("", |class| class.oracle);
            lines.push(format!(
                "- **{}** {}, {}, from `JSON.parse`: {}: {}\n",
                card.severity,
                code(&format!("{} {oracle} {} {}", target.name, card.class, card.operation), 120),
                card.profile.name(),
                asked::yes(card.json_reachable),
                code(&card.what, 200),
            ));
        }
    }
    let more = lines.len().saturating_sub(LINES_MAX);
    text.push('\n');
    lines.iter().take(LINES_MAX).for_each(|line| text.push_str(line));
    if more > 0 {
        text.push_str(&format!("- {} more in report.json\n", plural(more as u64, "line")));
    }
    if lines.is_empty() { text } else { text + "\n" }
}

/// Entries that one source gives in several builds, where they differ.
fn side_by_side(builds: &Builds<'_>) -> String {
    const ROWS_MAX: usize = 100;
    const COLUMNS_MAX: usize = 8;
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let names: Vec<String> = builds.targets.iter().take(COLUMNS_MAX).map(|target| code(target, 40)).collect();
    let mut text = line([vec!["Differs between modules".to_owned()], names.clone()].concat());
    text.push_str(&line(vec!["---".to_owned(); names.len() + 1]));
    let rows: Vec<_> = builds.rows.iter().filter(|row| row.differs()).collect();
    for row in rows.iter().take(ROWS_MAX) {
        let cells = row.cells.iter().take(COLUMNS_MAX).map(|cell| match cell {
            Some(cell) => format!("{} {}", cell.verdict.name(), code(&cell.words(), 60)),
            None => String::new(),
        });
        text.push_str(&line([code(row.entry, 60)].into_iter().chain(cells).collect()));
    }
    if rows.is_empty() { String::new() } else { text + "\n" }
}

fn not_tested(record: &Record) -> String {
    if record.not_tested.is_empty() {
        return String::new();
    }
    let mut text = String::from("### Not tested\n\n");
    for missing in record.not_tested.iter().take(200) {
        text.push_str(&format!("- {}: {}", code(&missing.what, 100), code(&missing.reason, 300)));
        if !missing.remedy.is_empty() {
            text.push_str(&format!(" → {}", code(&missing.remedy, 300)));
        }
        text.push('\n');
    }
    text + "\n"
}

fn describe(target: &TargetRecord, finding: &Finding) -> String {
    let rule = rule(&finding.oracle, &finding.outcome);
    let mut text = format!("### {} · {}\n\n", finding.severity, rule.title);
    text.push_str(&format!("{} in {}\n\n", code(&finding.title, 300), code(&target.name, 60)));
    match &finding.confirmed {
        Confirmation::Reproduced => {}
        Confirmation::NotReproduced(reason) => text.push_str(&format!("**Not reproduced**: {}\n\n", code(reason, 300))),
        Confirmation::NotTried(reason) => text.push_str(&format!("**Not replayed**: {}\n\n", code(reason, 300))),
    }
    text.push_str(&format!(
        "{} [CWE-{}](https://cwe.mitre.org/data/definitions/{}.html)\n\n",
        rule.meaning, rule.cwe, rule.cwe
    ));
    text.push_str(&markdown_block(&cut(&finding.repro, 1_000)));
    let cards = target.boundary.iter().flat_map(|section| &section.cards);
    if let Some(card) = cards.into_iter().find(|card| finding.oracle == "boundary" && card.finding == finding.id) {
        text.push_str(&format!("\n{}", markdown_block(&cut(&card.tape_js, 3_000))));
    }
    text.push_str("\n<details><summary>Frames and input</summary>\n\n");
    let mut details = String::new();
    if !finding.message.is_empty() {
        details.push_str(&format!("{}\n\n", cut(&finding.message, 1_000)));
    }
    for frame in finding.frames.iter().take(20) {
        let place = match (&frame.file, frame.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.clone(),
            _ => frame.module_offset.map(|offset| format!("module offset {offset:#x}")).unwrap_or_default(),
        };
        details.push_str(&format!("{}  {}\n", column(&frame.function, 100), column(&place, 100)));
    }
    details.push_str(&format!("\n{}\n", bytes(finding.reproducer.bytes)));
    let preview = finding.reproducer.preview();
    details.push_str(&hexdump::text(&preview[..preview.len().min(128)]));
    text.push_str(&markdown_block(&details));
    text.push_str("\n</details>\n\n");
    text
}

fn code(text: &str, chars_max: usize) -> String {
    markdown_code(&column(text, chars_max))
}
