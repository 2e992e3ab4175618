//! What each target's work tells about its secrets: the answer for each entry, its leaks, ground truth beside what was
//! seen, what was not exercised, what the engine's machine code does, what a clock could confirm.

use super::leak::{self, sentence_case};
use super::{chip, name, text, tone};
use crate::builds::{self, Builds};
use crate::constant_time::{Clocked, ConstantTime, Handled, Leak, Machine};
use crate::escape::{self, cut};
use crate::leaks::{self, Answers, Confusion, Kind, Truth};
use crate::record::{TargetRecord, Verdict};
use crate::words::{chance, count, percent, plural, seconds, short};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Entries of a target that the page shows; `constant-time.csv` has all.
const ENTRIES_MAX: usize = 200;
/// Leaks of a target that get a card, and of one entry.
const CARDS_MAX: usize = 40;
const CARDS_OF_ENTRY_MAX: usize = 4;
/// Leaks that get a line where there is no room for a card.
const LINES_MAX: usize = 200;
/// Functions with code that was not reached.
const FUNCTIONS_MAX: usize = 25;
/// Entries named beside each.
const ENTRIES_NAMED: usize = 3;
/// Rows of the tables on machine code and time.
const ROWS_MAX: usize = 100;
/// Groups of modules with the same entries, and modules of one group.
const BUILDS_MAX: usize = 5;
const COLUMNS_MAX: usize = 8;
/// Notes of an entry.
const NOTES_MAX: usize = 10;

/// The section; `targets` are all of the page, for their numbers.
pub fn section(targets: &[TargetRecord]) -> Markup {
    html! {
        section #constant-time {
            h2 { "Constant time" }
            p.lead {
                "Does the time that a call takes tell about the secret that it works on? Each entry was called with many secrets and the same public input, and every branch, every address and every operand of a division in one call was compared with the same one in the others. "
                "WebAssembly repeats exactly, so a difference is a fact and not a measurement: the secret decides what the processor does. "
                "PASS says that none was found with these secrets and in the code that they reached, in the very module that is shipped."
            }
            @for builds in builds::of(targets).iter().take(BUILDS_MAX) { (side_by_side(builds)) }
            @for (i, target) in targets.iter().enumerate() {
                @if let Some(section) = &target.constant_time { (of_target(i, target, section)) }
            }
        }
    }
}

/// The same entries in several modules.
fn side_by_side(builds: &Builds<'_>) -> Markup {
    let differing = builds.rows.iter().filter(|row| row.differs()).count();
    html! {
        article.target.ct {
            header { h3 { "The same entries in " (plural(builds.targets.len() as u64, "module")) } }
            p {
                "Where these are builds of one source, a row that differs shows what the compiler put there or took away. "
                b { (count(differing as u64)) " of " (plural(builds.rows.len() as u64, "entry")) } @if differing == 1 { " differs." } @else { " differ." }
            }
            div.scroll { table.builds.dense {
                thead { tr { th { "Entry" } @for target in builds.targets.iter().take(COLUMNS_MAX) { th { (name(target)) } } } }
                tbody { @for row in builds.rows.iter().take(ENTRIES_MAX) { tr.differs[row.differs()] {
                    th scope="row" { code { (name(row.entry)) } }
                    @for cell in row.cells.iter().take(COLUMNS_MAX) { td { @match cell {
                        None => span.dim { "–" },
                        Some(cell) => span class={ "n " (tone(cell.verdict)) } { (name(&cell.words())) },
                    } } }
                } } }
            } }
            @if builds.rows.len() > ENTRIES_MAX { p.dim { (plural((builds.rows.len() - ENTRIES_MAX) as u64, "more row")) " are left out." } }
            @if builds.targets.len() > COLUMNS_MAX { p.dim { (plural((builds.targets.len() - COLUMNS_MAX) as u64, "more module")) " below." } }
        }
    }
}

/// Where the section tells about a target.
pub fn anchor(target_index: usize) -> String {
    format!("k{target_index}")
}

fn of_target(index: usize, target: &TargetRecord, section: &ConstantTime) -> Markup {
    let link = |finding: &str| {
        let known = target.findings.iter().any(|known| known.id == finding);
        known.then(|| format!("#f{index}-{}", escape::file_name(finding)))
    };
    let runs = section.entries.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.runs));
    html! {
        article.target.ct id=(anchor(index)) {
            header {
                h3 { (text(&target.name)) }
                p.dim {
                    (plural(section.entries.len() as u64, "entry")) " · " (plural(runs, "execution"))
                    " · " (short(leaks::events(section) as f64)) " events compared"
                    @if !section.policy.is_empty() { " · policy " b { (name(&section.policy)) } ": " (policy(&section.policy)) }
                }
                (answers(&Answers::of(&section.entries)))
            }
            @if let Some(confusion) = Confusion::of(&section.entries) { (truth(&confusion)) }
            (entries(index, section))
            (failing(index, section, &link))
            (folded(section, Kind::Weak, &link))
            (folded(section, Kind::Allowed, &link))
            (not_exercised(section))
            (machine(section))
            (clocks(&section.entries))
        }
    }
}

fn policy(policy: &str) -> &'static str {
    match policy {
        "strict" => "all secrets have to do the same work",
        "relaxed" => {
            "secrets with the same declassified outcome, such as accepted or refused, have to do the same work"
        }
        _ => "see the manifest",
    }
}

fn answers(answers: &Answers) -> Markup {
    html! {
        p.tally {
            @for (n, tone, word) in [
                (answers.leaking, "bad", "leak"), (answers.weak, "warn", "leak where an engine branches"), (answers.constant, "good", "constant"),
                (answers.not_tested, "warn", "not tested"), (answers.not_applicable, "quiet", "without a secret"),
            ] { @if n > 0 { span class={ "chip " (tone) } { (count(n)) " " (word) } } }
        }
    }
}

/// Ground truth beside what was seen.
fn truth(confusion: &Confusion<'_>) -> Markup {
    let (right, all) = confusion.right();
    let word = |truth: Truth| match truth {
        Truth::Leak => "leaks",
        Truth::Weak => "leaks where an engine branches",
        Truth::Constant => "is constant",
    };
    let rows = || Truth::ALL.iter().enumerate().filter(|(row, _)| confusion.cells[*row].iter().any(|n| *n > 0));
    html! {
        h4 { "Ground truth" }
        p {
            "What these entries do is known and stands in the target's manifest: they test the test. "
            b { (count(right)) " of " (count(all)) } " came out as they should: "
            (some(confusion.missed.len(), "leak")) " missed, " (some(confusion.alarms.len(), "false alarm"))
            @if !confusion.otherwise.is_empty() { ", " (count(confusion.otherwise.len() as u64)) " judged rightly for another reason than the one that stands there" }
            @if !confusion.open.is_empty() { ", " (count(confusion.open.len() as u64)) " not judged" }
            "."
        }
        div.scroll { table.narrow.truth {
            thead { tr { th { "The entry" } th.num { "reported as leak" } th.num { "as weak" } th.num { "as constant" } th.num { "not judged" } } }
            tbody { @for (row, truth) in rows() { tr {
                th scope="row" { (word(*truth)) }
                @for (column, n) in confusion.cells[row].iter().enumerate() {
                    @if *n == 0 { td.num.dim { "0" } }
                    @else if column == row { td.num.good { "✓ " (count(*n)) } }
                    @else if column == 3 { td.num.warn { (count(*n)) } }
                    @else { td.num.bad { "✗ " (count(*n)) } }
                }
            } } }
        } }
    }
}

/// `no leak`, `1 leak`, `2 leaks`.
fn some(n: usize, noun: &str) -> String {
    if n == 0 { format!("no {noun}") } else { plural(n as u64, noun) }
}

/// A row for each entry, what needs a reader first, and one below with what a number does not say.
fn entries(index: usize, section: &ConstantTime) -> Markup {
    let with_truth = section.entries.iter().any(|entry| !entry.expected.is_empty());
    let mut order: Vec<(usize, &Handled)> = section.entries.iter().enumerate().collect();
    order.sort_by_key(|(_, entry)| (Truth::expected(entry).is_none() || as_expected(entry), rank(entry)));
    html! {
        div.scroll { table.trials.entries {
            thead { tr {
                th { "Entry" } th { "Verdict" } @if with_truth { th title="What the manifest says: ground truth" { "Expected" } }
                th.num title="Distinct secrets" { "Secrets" }
                th.num title="Distinct public inputs that secrets were tried with" { "Publics" }
                th.num title="Executions that were compared" { "Runs" }
                th.num title="Branches, addresses and operands that were compared, of all executions" { "Events" }
                th title="Of the places in the functions that it entered" { "Places reached" }
                th.num title="Branch, jump target, address, copy, division: they fail" { "Strong" }
                th.num title="Selection, float: engines decide; they warn" { "Weak" }
                th.num title="Differ only because something before them did" { "Secondary" }
                th.num title="Smallest part of two executions that was compared step by step" { "Walked" }
            } }
            @for (at, entry) in order.into_iter().take(ENTRIES_MAX) { (entry_row(index, at, section, entry, with_truth)) }
        } }
        @if section.entries.len() > ENTRIES_MAX { p.dim { (section.entries.len() - ENTRIES_MAX) " more entries in constant-time.csv." } }
        @if section.entries.iter().any(|entry| entry.secondary > 0) {
            p.dim { "Secondary: places that differ only because two executions had parted before them. They are no leaks of their own; repair the leak before them and test again, since a leak may stand behind it." }
        }
    }
}

/// What needs a reader stands first.
fn rank(entry: &Handled) -> u8 {
    match entry.verdict {
        Verdict::Fail(_) => 0,
        Verdict::NotTested(_) | Verdict::NotAttested => 1,
        Verdict::Warn(_) => 2,
        Verdict::Pass | Verdict::Attested(_) => 3,
        Verdict::NotApplicable(_) => 4,
    }
}

fn as_expected(entry: &Handled) -> bool {
    entry.unmet.is_empty() && Truth::seen(entry) == Truth::expected(entry)
}

fn entry_row(index: usize, at: usize, section: &ConstantTime, entry: &Handled, with_truth: bool) -> Markup {
    let has_cards = leaks::of_entry(section, &entry.entry, Kind::Failing).next().is_some();
    html! {
        tbody {
            tr {
                td { @if has_cards { a href={ "#" (anchor(index)) "-" (at) } { code { (name(&entry.entry)) } } } @else { code { (name(&entry.entry)) } } }
                td { (chip(&entry.verdict)) }
                @if with_truth { td { (expected(section, entry)) } }
                @if entry.runs > 0 {
                    td.num { (count(entry.secrets)) } td.num { (count(entry.publics)) }
                    td.num title={ "compared inside of " (plural(entry.classes, "group")) " with one public input and, where the policy is relaxed, one declassified outcome; " (seconds(entry.cpu_seconds)) " of processor time" } { (count(entry.runs)) }
                    td.num title=(count(entry.events)) { (short(entry.events as f64)) }
                    td { (reached(entry)) }
                    @for (n, tone) in [(entry.strong, "bad"), (entry.weak, "warn")] { td.num { @if n > 0 { b class={ "n " (tone) } { (count(n)) } } @else { span.dim { "0" } } } }
                    td.num.dim { (count(entry.secondary)) }
                    td.num.dim { @match entry.walked_percent { Some(percent) => { (percent) " %" } None => { "–" } } }
                } @else {
                    td.dim colspan="9" { "was not run" }
                }
            }
            tr.why {
                td colspan=(if with_truth { 12 } else { 11 }) {
                    p {
                        @if !entry.script.is_empty() { code.dim { (escape::column(&entry.script, 200)) } }
                        @if !entry.verdict.reason().is_empty() { @if !entry.script.is_empty() { " · " } (text(&cut(entry.verdict.reason(), 300))) }
                        @if !entry.policy.is_empty() && entry.policy != section.policy { span.dim { " · policy " (name(&entry.policy)) } }
                    }
                    @if !entry.unmet.is_empty() { p.n.bad { (text(&cut(&entry.unmet, 300))) } }
                    @let facts = facts(entry);
                    @if !facts.is_empty() { p.dim { (facts) } }
                    @for note in entry.notes.iter().take(NOTES_MAX) { p.dim { (sentence_case(&text(&cut(note, 300)))) } }
                    @if entry.notes.len() > NOTES_MAX { p.dim { (plural((entry.notes.len() - NOTES_MAX) as u64, "more note")) " in report.json." } }
                }
            }
        }
    }
}

fn reached(entry: &Handled) -> Markup {
    let (part, whole) = (entry.sites_reached, entry.sites_total);
    html! {
        span.reached title=(percent(part, whole)) {
            span.bar aria-hidden="true" { span style={ "width:" (format!("{:.1}", (100.0 * part as f64 / whole.max(1) as f64).min(100.0))) "%" } {} }
            (count(part)) span.dim { " of " (count(whole)) }
        }
    }
}

/// Executions without a partner, allowed leaks: what is worth a word, if it is.
fn facts(entry: &Handled) -> String {
    let mut facts = Vec::new();
    match entry.alone {
        0 => {}
        1 => facts.push("1 execution was alone in its group and compared with nothing.".into()),
        alone => {
            facts.push(format!("{} executions were alone in their groups and compared with nothing.", count(alone)))
        }
    }
    match entry.allowed {
        0 => {}
        1 => facts.push("The manifest allows 1 leak.".into()),
        allowed => facts.push(format!("The manifest allows {} leaks.", count(allowed))),
    }
    facts.join(" ")
}

fn expected(section: &ConstantTime, entry: &Handled) -> Markup {
    let mut seen: Vec<&str> =
        section.leaks.iter().filter(|leak| leak.entry == entry.entry).map(|leak| leak.class.as_str()).collect();
    seen.sort_unstable();
    seen.dedup();
    let as_expected = as_expected(entry);
    html! { @if !entry.expected.is_empty() {
        span class={ "trial " (if as_expected { "good" } else { "bad" }) } { (name(&entry.expected)) }
        @if !as_expected && !seen.is_empty() { div.dim { "seen: " (name(&seen.join(" "))) } }
    } @else { span.dim { "–" } } }
}

/// Cards of what fails, entry by entry, and lines for those without a card.
fn failing(index: usize, section: &ConstantTime, link: &dyn Fn(&str) -> Option<String>) -> Markup {
    let of_entries: Vec<(usize, &Handled, Vec<&Leak>)> = section
        .entries
        .iter()
        .enumerate()
        .map(|(at, entry)| (at, entry, leaks::of_entry(section, &entry.entry, Kind::Failing).collect()))
        .collect();
    let wanted: Vec<usize> = of_entries.iter().map(|(.., leaks)| leaks.len()).collect();
    let cards = shares(&wanted);
    let split = || of_entries.iter().zip(&cards).map(|((at, entry, leaks), cards)| (at, entry, leaks.split_at(*cards)));
    let mut lines: Vec<&Leak> = split().flat_map(|(.., (_, lines))| lines.iter().copied()).collect();
    // What a class means stands on its first card.
    let mut explained = BTreeSet::new();
    let groups: Vec<_> = split()
        .filter(|(.., (cards, _))| !cards.is_empty())
        .map(|(at, entry, (cards, lines))| {
            let cards: Vec<(&Leak, bool)> = cards.iter().map(|leak| (*leak, explained.insert(&leak.class))).collect();
            (at, *entry, cards, lines.len())
        })
        .collect();
    // A record may hold leaks of an entry that it does not list.
    let listed = |leak: &&Leak| section.entries.iter().any(|entry| entry.entry == leak.entry);
    lines.extend(section.leaks.iter().filter(|leak| Kind::of(leak) == Kind::Failing && !listed(leak)));
    html! {
        @for (at, entry, cards, more) in &groups {
            section.entry id={ (anchor(index)) "-" (at) } aria-label={ "Leaks of " (text(&entry.entry)) } {
                h4.entry {
                    "Leaks of " code { (name(&entry.entry)) } span.dim { " · " (plural((cards.len() + more) as u64, "place"))
                    @if *more > 0 { ", " (if cards.len() == 1 { "the first".to_owned() } else { format!("the first {}", cards.len()) }) " in full" } }
                }
                @for (leak, first) in cards { (leak::card(leak, entry, *first, link)) }
            }
        }
        @if !lines.is_empty() {
            details.more.long {
                summary { (plural(lines.len() as u64, "more leak")) span.dim { " · one line each; constant-time.csv has all of them" } }
                (leak::lines(&lines[..lines.len().min(LINES_MAX)], link))
                @if lines.len() > LINES_MAX { p.dim { (count((lines.len() - LINES_MAX) as u64)) " more in constant-time.csv." } }
            }
        }
    }
}

/// How many cards each entry gets of the page's, one after the other, so that none keeps the others out.
fn shares(wanted: &[usize]) -> Vec<usize> {
    let mut shares = vec![0; wanted.len()];
    let mut left = CARDS_MAX;
    for round in 0..CARDS_OF_ENTRY_MAX {
        for (share, wanted) in shares.iter_mut().zip(wanted) {
            if *wanted > round && left > 0 {
                *share += 1;
                left -= 1;
            }
        }
    }
    shares
}

/// What does not fail: weak leaks, and those that the manifest allows.
fn folded(section: &ConstantTime, kind: Kind, link: &dyn Fn(&str) -> Option<String>) -> Markup {
    let all: Vec<&Leak> = section.leaks.iter().filter(|leak| Kind::of(leak) == kind).collect();
    let (cards, lines) = all.split_at(all.len().min(CARDS_OF_ENTRY_MAX));
    let nobody = Handled::default();
    let entry = |leak: &Leak| section.entries.iter().find(|entry| entry.entry == leak.entry).unwrap_or(&nobody);
    html! { @if !all.is_empty() {
        details.more {
            @if kind == Kind::Weak {
                summary { (plural(all.len() as u64, "weak leak")) span.dim { " · the module does not branch here, the engine may" } }
                p.dim { "A selection or a float operation works on the secret. WebAssembly does not say how long that takes: most engines keep integers free of branches, and use some for floats. It warns, and does not fail." }
            } @else {
                summary { (plural(all.len() as u64, "allowed leak")) span.dim { " · the manifest gives a reason for each" } }
            }
            @for (at, leak) in cards.iter().enumerate() {
                (leak::card(leak, entry(leak), cards[..at].iter().all(|before| before.class != leak.class), link))
            }
            @if !lines.is_empty() {
                (leak::lines(&lines[..lines.len().min(LINES_MAX)], link))
                @if lines.len() > LINES_MAX { p.dim { (count((lines.len() - LINES_MAX) as u64)) " more in constant-time.csv." } }
            }
        }
    } }
}

/// What the comparison says nothing about.
fn not_exercised(section: &ConstantTime) -> Markup {
    let gaps = leaks::gaps(section);
    let ran = section.entries.iter().any(|entry| entry.runs > 0);
    html! { @if ran {
        h4 { "Not exercised" }
        @if gaps.is_empty() {
            p.dim { "Every place in the functions that the entries entered was reached." }
        } @else {
            p.dim {
                (plural(gaps.len() as u64, "function")) @if gaps.len() == 1 { " was" } @else { " were" } " entered in which no execution came to every place. "
                "Nothing is known about a leak in what was not reached: give a public input that leads there, or a seed in the corpus."
            }
            div.scroll { table.narrow.dense {
                thead { tr { th { "Function" } th.num { "Places not reached" } th { "Called by" } } }
                tbody { @for gap in gaps.iter().take(FUNCTIONS_MAX) { tr {
                    td.whole { span.function { (escape::column(gap.function, 90)) } }
                    td.num { (count(gap.unreached.0)) @if gap.unreached.1 > gap.unreached.0 { "–" (count(gap.unreached.1)) } span.dim { " of " (count(gap.sites)) } }
                    td.whole {
                        @for (i, entry) in gap.entries.iter().enumerate().take(ENTRIES_NAMED) { @if i > 0 { ", " } code { (name(entry)) } }
                        @if gap.entries.len() > ENTRIES_NAMED { span.dim { " and " (gap.entries.len() - ENTRIES_NAMED) " more" } }
                    }
                } } }
            } }
            @if gaps.len() > FUNCTIONS_MAX { p.dim { (plural((gaps.len() - FUNCTIONS_MAX) as u64, "more function")) ", each with fewer, in report.json." } }
        }
    } }
}

fn machine(section: &ConstantTime) -> Markup {
    let engines: Vec<String> = section.scanned.iter().take(10).map(|engine| name(engine)).collect();
    let dangerous = |row: &&Machine| row.diverged > 0;
    html! { @if section.entries.iter().any(|entry| entry.runs > 0) {
        h4 { "Does the engine keep it?" @if !engines.is_empty() { span.dim { " · " (engines.join(" · ")) } } }
        @if section.machine.is_empty() {
            p.dim { @if engines.is_empty() {
                "No engine's machine code was looked at: whether it branches where the module does not is not known."
            } @else {
                "The engine's machine code branches and divides only where the module does."
            } }
        } @else {
            p.dim {
                "Instructions without a branch or division that become machine code with one. It matters where the operands depend on a secret"
                @if section.machine.iter().filter(dangerous).count() == 0 { ", and here none of them do" } "."
            }
            div.scroll { table.narrow {
                thead { tr { th { "Instruction" } th { "Engine" } th.num { "In the module" } th.num { "with a jump" } th.num { "with a division" } th.num { "on a secret" } } }
                tbody { @for row in section.machine.iter().take(ROWS_MAX) { tr {
                    td { code { (name(&row.operation)) } } td { (name(&row.engine)) }
                    td.num { (count(row.sites)) } td.num { (count(row.jumps)) } td.num { (count(row.divisions)) }
                    td.num { @if row.diverged > 0 { b.n.warn { (count(row.diverged)) } } @else { span.dim { "0" } } }
                } } }
            } }
            @if section.machine.len() > ROWS_MAX { p.dim { (section.machine.len() - ROWS_MAX) " more rows in report.json." } }
        }
    } }
}

fn clocks(entries: &[Handled]) -> Markup {
    let rows: Vec<(&str, &Clocked)> =
        entries.iter().flat_map(|entry| entry.clocked.iter().map(|clocked| (entry.entry.as_str(), clocked))).collect();
    let tone = |clocked: &Clocked| match clocked.outcome.as_str() {
        "confirmed" => "bad",
        "discarded" => "warn",
        _ => "quiet",
    };
    html! { @if !rows.is_empty() {
        h4 { "What a clock sees" }
        p.dim {
            "Time confirms and never clears: a difference that a clock shows makes a leak worse, and a clock that shows none says nothing about a better one, a longer look or another processor. "
            "Each row holds its control, one secret beside itself in the same order; a row whose control shows a difference too is discarded."
        }
        div.scroll { table {
            thead { tr {
                th { "Entry" } th { "Host" } th { "Outcome" }
                th.num title="Median of paired differences, and its confidence interval" { "Difference" } th.num title="Median" { "One call" }
                th.num title="Chance of such a difference without any cause (sign test)" { "p" }
                th.num title="One secret beside itself" { "Control" } th.num { "p" } th.num { "Pairs × calls" }
            } }
            tbody { @for (entry, clocked) in rows.iter().take(ROWS_MAX) { tr {
                td { code { (name(entry)) } } td { (name(&clocked.host)) }
                td { span class={ "chip " (tone(clocked)) } { (name(&clocked.outcome)) } }
                td.num { (nanoseconds(clocked.effect_ns)) div.dim { (nanoseconds(clocked.interval_ns[0])) " to " (nanoseconds(clocked.interval_ns[1])) } }
                td.num { (nanoseconds(clocked.call_ns)) } td.num { (chance(Some(clocked.p))) }
                td.num.dim { (nanoseconds(clocked.control_effect_ns)) } td.num.dim { (chance(Some(clocked.control_p))) }
                td.num.dim { (count(clocked.pairs)) " × " (count(clocked.calls)) }
            } } }
        } }
        @if rows.len() > ROWS_MAX { p.dim { (rows.len() - ROWS_MAX) " more rows in report.json." } }
    } }
}

/// `0.4 ns`, `-11.5 ns`, `1.20 µs`, `3.4 ms`.
fn nanoseconds(ns: f64) -> String {
    let (value, unit) = match ns.abs() {
        size if !size.is_finite() => return "–".into(),
        size if size < 1e3 => return format!("{ns:.1} ns"),
        size if size < 1e6 => (ns / 1e3, "µs"),
        size if size < 1e9 => (ns / 1e6, "ms"),
        size if size < 1e13 => (ns / 1e9, "s"),
        _ => return format!("{:.1e} s", ns / 1e9),
    };
    format!("{value:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_gets_a_card_before_one_gets_a_second() {
        assert_eq!(shares(&[543, 0, 1, 2]), [4, 0, 1, 2]);
        let many = shares(&vec![9; 30]);
        assert_eq!((many.iter().sum::<usize>(), many[9], many[10]), (40, 2, 1));
        assert_eq!(shares(&vec![1; 100]).iter().sum::<usize>(), 40);
    }

    #[test]
    fn times_read_well() {
        assert_eq!(
            [0.44, -11.52, 1_234.0, 3.4e6, 2e9, f64::MAX, f64::NAN].map(nanoseconds),
            ["0.4 ns", "-11.5 ns", "1.23 µs", "3.40 ms", "2.00 s", "1.8e299 s", "–"]
        );
    }
}
