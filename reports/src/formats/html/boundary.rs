//! What happens where JavaScript values become linear memory: every class at a glance, the hosts, findings as calls that
//! a reader can follow, what was never exercised, what the package asks of its host.

use super::crossing;
use super::{bar, chip, name, text};
use crate::asked::{self, Classes, Field, State};
use crate::boundary::{Boundary, CapabilityRow, GlueFacts, HostRow, ImportRow, Known, OperationRow, Policy, RateRow};
use crate::escape::{self, cut};
use crate::record::TargetRecord;
use crate::rules::rule;
use crate::words::{bytes, count, plural, short};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Findings of a target that get a card, and of one class.
const CARDS_MAX: usize = 30;
const CARDS_OF_CLASS_MAX: usize = 5;
/// Findings that get a line where there is no room for a card.
const LINES_MAX: usize = 200;
/// Operations that are shown at once; the rest is folded.
const OPERATIONS_OPEN: usize = 24;
const OPERATIONS_MAX: usize = 400;
/// Rows of other tables.
const ROWS_MAX: usize = 200;
/// Hosts, features of one, deaths of one.
const HOSTS_MAX: usize = 12;
const FEATURES_MAX: usize = 24;
const DEATHS_MAX: usize = 8;
/// Notes of a target, builds, declarations.
const NOTES_MAX: usize = 20;

/// The section; `targets` are all of the page, for their numbers.
pub fn section(targets: &[TargetRecord]) -> Markup {
    html! {
        section #boundary {
            h2 { "JavaScript boundary" }
            p.lead {
                "Can a JavaScript caller break the module, or get at data that is not its own? Calls were made through the package's own glue, unchanged, in the hosts where it will run: with values as the declarations say, with anything that "
                code { "JSON.parse" } " gives, and with live objects that answer otherwise the second time. "
                "A finding counts after it happened again on the module as it is deployed."
            }
            @for (i, target) in targets.iter().enumerate() {
                @if let Some(section) = &target.boundary { (of_target(i, target, section)) }
            }
        }
    }
}

/// Where the section tells about a target.
fn anchor(target_index: usize) -> String {
    format!("b{target_index}")
}

/// Where it tells about a finding; none where that has no card.
pub fn card_anchor(target_index: usize, section: &Boundary, finding: &str) -> Option<String> {
    let (cards, _) = shown(section);
    let has_card = cards.iter().any(|at| section.cards[*at].finding == finding);
    has_card.then(|| format!("{}-{}", anchor(target_index), escape::file_name(finding)))
}

/// Which findings get a card, and which a line: the first ones of every class, so that none drowns another.
fn shown(section: &Boundary) -> (Vec<usize>, Vec<usize>) {
    let mut of_class = std::collections::BTreeMap::<&str, usize>::new();
    let mut cards = Vec::new();
    let mut lines = Vec::new();
    for (at, card) in section.cards.iter().enumerate() {
        let seen = of_class.entry(&card.class).or_default();
        *seen += 1;
        let has_room = *seen <= CARDS_OF_CLASS_MAX && cards.len() < CARDS_MAX;
        if has_room { cards.push(at) } else { lines.push(at) }
    }
    (cards, lines)
}

fn of_target(index: usize, target: &TargetRecord, section: &Boundary) -> Markup {
    let link = |finding: &str| {
        let known = target.findings.iter().any(|known| known.id == finding);
        known.then(|| format!("#f{index}-{}", escape::file_name(finding)))
    };
    let profiles: Vec<&str> = section.glue.profiles.iter().map(|profile| profile.name()).collect();
    html! {
        article.target.jsb id=(anchor(index)) {
            header {
                h3 { (text(&target.name)) " " (chip(&target.verdict)) }
                p.dim {
                    (name(&section.glue.kind))
                    " · " (plural(section.operations.len() as u64, "operation"))
                    " · " (plural(asked::sum(section, |host| host.tapes), "sequence")) " of "
                    (plural(asked::sum(section, |host| host.calls), "call"))
                    @if !profiles.is_empty() { " · profiles " (profiles.join(", ")) }
                }
                (tally(&Classes::of(section)))
            }
            (vacuous(section))
            (overview(index, section))
            (hosts(section))
            (findings(index, section, &link))
            (operations(section))
            (page(section))
            (powers(section, &link))
            (imports(&section.imports))
            (rates(&section.rates))
            (loaded(&section.glue))
            @for note in section.notes.iter().take(NOTES_MAX) { p.notice { (text(&cut(note, 500))) } }
        }
    }
}

fn tally(classes: &Classes) -> Markup {
    let chips = [
        (classes.found, "found", "bad"),
        (classes.clean, "clean", "good"),
        (classes.not_asked, "not asked", "warn"),
        (classes.not_applicable, "not applicable", "quiet"),
    ];
    html! { p.tally { @for (n, word, tone) in chips { @if n > 0 { span class={ "chip " (tone) } { (n) " " (word) } } } } }
}

/// Said before anything else: what never returned was not tested.
fn vacuous(section: &Boundary) -> Markup {
    let idle: Vec<&OperationRow> = section.idle().collect();
    html! { @if !idle.is_empty() {
        p.notice {
            b { (count(idle.len() as u64)) " of " (plural(section.operations.len() as u64, "operation")) " never returned" }
            ", so what they do with values that they take was not tested: "
            @for (i, row) in idle.iter().enumerate().take(6) { @if i > 0 { ", " } code { (name(&row.name)) } }
            @if idle.len() > 6 { " and " (idle.len() - 6) " more" } "."
        }
    } }
}

/// Every class as a field: sign, word and border say the same as the colour.
fn overview(index: usize, section: &Boundary) -> Markup {
    let (cards, _) = shown(section);
    let first_card = |class: &str| {
        let at = cards.iter().find(|at| section.cards[**at].class == class)?;
        card_anchor(index, section, &section.cards[*at].finding)
    };
    let fields = asked::fields(section);
    let unasked: Vec<&Field<'_>> =
        fields.iter().filter(|field| matches!(field.state, State::NotAsked | State::NotApplicable)).collect();
    html! {
        h4 { "At a glance" }
        ul.classes { @for field in fields.iter().take(ROWS_MAX) {
            li class=(look(field.state)) title=(meaning(field)) {
                span.o { (field.class.map_or("", |class| class.oracle)) }
                @let label = field.class.map_or_else(|| name(field.name), |class| class.short.to_owned());
                @match first_card(field.name) {
                    Some(anchor) => a.label href={ "#" (anchor) } { (label) },
                    None => span.label { (label) },
                }
                span.state { (sign(field.state)) " " @if field.state == State::Found && field.findings > 0 { (count(field.findings)) " " } (field.state.word()) }
            }
        } }
        @if !unasked.is_empty() {
            dl.pairs.unasked { @for field in unasked.iter().take(30) {
                dt { (field.class.map_or_else(|| name(field.name), |class| class.short.to_owned())) }
                dd { (field.state.word()) @if !field.reason.is_empty() { ": " (text(&cut(field.reason, 300))) } }
            } }
        }
    }
}

fn meaning(field: &Field<'_>) -> String {
    let title = field.class.map_or_else(
        || name(field.name),
        |class| rule("boundary", &crate::boundary::outcome(class.name)).title.to_owned(),
    );
    format!("{title}: {}", field.state.word())
}

fn look(state: State) -> &'static str {
    match state {
        State::Found => "bad",
        State::Clean => "good",
        State::NotAsked => "warn unknown",
        State::NotApplicable => "quiet unknown",
    }
}

fn sign(state: State) -> &'static str {
    match state {
        State::Found => "✗",
        State::Clean => "✓",
        State::NotAsked => "?",
        State::NotApplicable => "–",
    }
}

fn hosts(section: &Boundary) -> Markup {
    let rows = &section.hosts[..section.hosts.len().min(HOSTS_MAX)];
    let mut features: Vec<&str> = Vec::new();
    for feature in rows.iter().flat_map(|host| &host.features) {
        if !features.contains(&feature.name.as_str()) {
            features.push(&feature.name);
        }
    }
    let has = |host: &HostRow, wanted: &str| host.features.iter().find(|f| f.name == wanted).map(|f| f.present);
    html! { @if !rows.is_empty() {
        h4 { "Hosts" }
        div.scroll { table.hosts {
            thead { tr {
                th { "Host" } th { "Counters" } th { "Reached" } th.num { "Sequences" } th.num title="Sequences in one second of the host's processor time" { "per cpu s" }
                th.num { "Calls" } th.num { "Instances" } th.num { "Deaths" } th.num title="Findings that happened again here on the module as it is deployed" { "Confirmed" }
            } }
            tbody { @for host in rows { tr {
                td { b { (name(&host.name)) } }
                @if !host.not_tested.is_empty() {
                    td colspan="8" { span.chip.warn { "NOT-TESTED" } " " (text(&cut(&host.not_tested, 300))) }
                } @else {
                    td.wide { (name(&host.layout)) @if !host.layout_reason.is_empty() { div.dim { (text(&cut(&host.layout_reason, 200))) } } }
                    td { @if host.counters_total > 0 { (bar(host.counters_reached, host.counters_total)) } @else { span.dim { "–" } } }
                    td.num { (counted(host.tapes as f64, &count(host.tapes))) } td.num { (counted(host.tapes_per_cpu_second, &short(host.tapes_per_cpu_second))) }
                    td.num { (counted(host.calls as f64, &short(host.calls as f64))) } td.num { (counted(host.instances as f64, &count(host.instances))) }
                    td.num { @if host.deaths.is_empty() { span.dim { "0" } } @else { b.n.warn { (host.deaths.len()) } } }
                    td.num { @if host.replayed == 0 { span.dim { "–" } } @else { (count(host.confirmed)) " of " (count(host.replayed)) } }
                }
            } } }
        } }
        @if section.hosts.len() > HOSTS_MAX { p.dim { (plural((section.hosts.len() - HOSTS_MAX) as u64, "more host")) " in report.json." } }
        @if !features.is_empty() {
            h4 { "What the engines can do" }
            div.scroll { table.features.narrow {
                thead { tr { th { "Host" } @for feature in features.iter().take(FEATURES_MAX) { th { (name(feature)) } } } }
                tbody { @for host in rows.iter().filter(|host| !host.features.is_empty()) { tr {
                    th scope="row" { (name(&host.name)) }
                    @for feature in features.iter().take(FEATURES_MAX) { td { @match has(host, feature) {
                        Some(true) => span.n.good title="yes" { "✓" },
                        Some(false) => span.n.quiet title="no" { "✗" },
                        None => span.dim title="not asked" { "?" },
                    } } }
                } } }
            } }
            @if features.len() > FEATURES_MAX { p.dim { (plural((features.len() - FEATURES_MAX) as u64, "more feature")) " in report.json." } }
        }
        @for host in rows.iter().filter(|host| !host.deaths.is_empty()) {
            h4 { (name(&host.name)) " died " (plural(host.deaths.len() as u64, "time")) span.dim { " · the run went on in a fresh one" } }
            ul.deaths {
                @for death in host.deaths.iter().take(DEATHS_MAX) { li { (text(&cut(death, 300))) } }
                @if host.deaths.len() > DEATHS_MAX { li.dim { (plural((host.deaths.len() - DEATHS_MAX) as u64, "more time")) " in report.json" } }
            }
        }
    } }
}

/// A dash where a host counted nothing: it only played findings again.
fn counted(n: f64, words: &str) -> Markup {
    html! { @if n == 0.0 { span.dim { "–" } } @else { (words) } }
}

fn findings(index: usize, section: &Boundary, link: &dyn Fn(&str) -> Option<String>) -> Markup {
    let (cards, lines) = shown(section);
    let mut explained = BTreeSet::new();
    html! { @if !section.cards.is_empty() {
        h4 { "Findings" span.dim { " · " (plural(section.cards.len() as u64, "finding")) ", each with the shortest calls that show it; " code { "g" } " is the package, " code { "memory" } " the module's own" } }
        @for card in cards.iter().map(|at| &section.cards[*at]) {
            (crossing::card(card, section, &anchor(index), explained.insert(card.class.as_str()), link))
        }
        @if !lines.is_empty() {
            h4 { "And " (plural(lines.len() as u64, "more finding")) }
            (crossing::lines(lines.iter().take(LINES_MAX).map(|at| &section.cards[*at]), link))
            @if lines.len() > LINES_MAX { p.dim { (count((lines.len() - LINES_MAX) as u64)) " more in boundary.csv." } }
        }
    } }
}

fn operations(section: &Boundary) -> Markup {
    let rows = asked::operations(section);
    let (open, folded) = rows.split_at(rows.len().min(OPERATIONS_OPEN));
    let folded = &folded[..folded.len().min(OPERATIONS_MAX)];
    let left_out = rows.len() - open.len() - folded.len();
    html! { @if !rows.is_empty() {
        h4 { "Operations" span.dim { " · how often each returned, threw an error of its own, trapped, and could not be called" } }
        (operation_rows(open))
        @if !folded.is_empty() {
            details.more.long { summary { "The others" span.dim { " · " (plural(folded.len() as u64, "operation")) } } (operation_rows(folded)) }
        }
        @if left_out > 0 { p.dim { (plural(left_out as u64, "more operation")) " in boundary.csv." } }
    } }
}

fn operation_rows(rows: &[&OperationRow]) -> Markup {
    let number = |n: u64| {
        if n == 0 {
            html! { span.dim { "0" } }
        } else {
            html! { (count(n)) }
        }
    };
    html! {
        div.scroll { table.operations {
            thead { tr { th { "Operation" } th.num { "Returned" } th.num { "Threw" } th.num { "Trapped" } th.num { "Skipped" } } }
            @for row in rows { tbody.idle[row.never_succeeded.is_some()] {
                tr {
                    td { code { (escape::column(if row.signature.is_empty() { &row.name } else { &row.signature }, 160)) } }
                    td.num { (number(row.returned)) } td.num { (number(row.threw)) }
                    td.num { @if row.trapped > 0 { b.n.bad { (count(row.trapped)) } } @else { span.dim { "0" } } }
                    td.num { (number(row.skipped)) }
                }
                @if let Some(reason) = &row.never_succeeded {
                    tr.why { td colspan="5" { span.chip.warn { "never returned" } " " (text(&cut(reason, 300))) } }
                }
            } }
        } }
    }
}

fn page(section: &Boundary) -> Markup {
    html! { @if !section.page.is_empty() {
        h4 { "On a page as it is deployed" }
        div.scroll { table {
            thead { tr { th { "Check" } th { "Verdict" } th { "What was seen" } } }
            tbody { @for row in section.page.iter().take(ROWS_MAX) { tr {
                td { code { (name(&row.name)) } } td { (chip(&row.verdict)) }
                td.wide { (text(&cut(&row.what, 300))) @if !row.verdict.reason().is_empty() && row.verdict.reason() != row.what { div.dim { (text(&cut(row.verdict.reason(), 300))) } } }
            } } }
        } }
    } }
}

/// Refused first, then what no line speaks of.
fn policy_rank(policy: Policy) -> u8 {
    match policy {
        Policy::Refused => 0,
        Policy::Unknown => 1,
        Policy::Allowed => 2,
    }
}

fn policy_chip(policy: Policy) -> Markup {
    let tone = match policy {
        Policy::Refused => "bad",
        Policy::Unknown => "warn",
        Policy::Allowed => "good",
    };
    html! { span class={ "chip " (tone) } { (policy.name()) } }
}

/// `2 refused, 1 unknown`, for the line that folds a table.
fn policies(all: &[Policy]) -> String {
    let said = [Policy::Refused, Policy::Unknown].map(|policy| (policy, all.iter().filter(|p| **p == policy).count()));
    let said: Vec<String> =
        said.iter().filter(|(_, n)| *n > 0).map(|(policy, n)| format!("{n} {}", policy.name())).collect();
    if said.is_empty() { "all allowed".into() } else { said.join(", ") }
}

fn powers(section: &Boundary, link: &dyn Fn(&str) -> Option<String>) -> Markup {
    let mut rows: Vec<&CapabilityRow> = section.capabilities.iter().collect();
    rows.sort_by_key(|row| policy_rank(row.policy));
    let all: Vec<Policy> = rows.iter().map(|row| row.policy).collect();
    let known = |known: Known| match known {
        Known::InText => "in the text",
        Known::InUse => "in use",
        Known::InTextAndUse => "in the text and in use",
    };
    html! {
        details.more open[all.iter().any(|policy| *policy != Policy::Allowed)] {
            summary { "Powers of the host that the glue uses" span.dim { " · " @if rows.is_empty() { "none" } @else { (plural(rows.len() as u64, "place")) ", " (policies(&all)) } } }
            @if rows.is_empty() { p.dim { "Neither its text nor what it did asks for any." } } @else { div.scroll { table.powers {
                thead { tr { th { "Power" } th { "Policy" } th { "Where" } th { "Known from" } th { "Finding" } } }
                tbody { @for row in rows.iter().take(ROWS_MAX) { tr {
                    td { (name(&row.category)) } td { (policy_chip(row.policy)) }
                    td.wide {
                        @if row.file.is_empty() { span.dim { "seen in use only" } } @else { code.place { (escape::column(&row.file, 100)) @if let Some(line) = row.line { ":" (line) } } }
                        @if !row.source.is_empty() { div { code { (escape::column(row.source.trim(), 160)) } } }
                    }
                    td { (known(row.known)) }
                    td { @if let Some(target) = link(&row.finding) { a href=(target) { (name(&row.finding)) } } @else { span.dim { "–" } } }
                } } }
            } } }
            @if rows.len() > ROWS_MAX { p.dim { (plural((rows.len() - ROWS_MAX) as u64, "more row")) " in boundary.csv." } }
        }
    }
}

fn imports(imports: &[ImportRow]) -> Markup {
    let mut rows: Vec<&ImportRow> = imports.iter().collect();
    rows.sort_by_key(|row| policy_rank(row.policy));
    let all: Vec<Policy> = rows.iter().map(|row| row.policy).collect();
    html! { @if !rows.is_empty() {
        details.more open[all.contains(&Policy::Refused)] {
            summary { "Imports of the module" span.dim { " · " (count(rows.len() as u64)) ", " (policies(&all)) } }
            div.scroll { table.narrow {
                thead { tr { th { "Import" } th { "Kind" } th { "Policy" } } }
                tbody { @for row in rows.iter().take(ROWS_MAX) { tr {
                    td { code { (escape::column(&row.module, 60)) "." (escape::column(&row.name, 80)) } }
                    td { (name(&row.category)) } td { (policy_chip(row.policy)) }
                } } }
            } }
            @if rows.len() > ROWS_MAX { p.dim { (plural((rows.len() - ROWS_MAX) as u64, "more import")) " in boundary.csv." } }
        }
    } }
}

fn rates(rates: &[RateRow]) -> Markup {
    html! { @if !rates.is_empty() {
        h4 { "Speed" span.dim { " · calls per second, all in this run and beside each other" } }
        div.scroll { table.narrow {
            thead { tr { th { "Host" } th { "Way" } th.num { "Calls/s" } th { "Of the first" } } }
            tbody { @for row in rates.iter().take(ROWS_MAX) { tr {
                td { (name(&row.host)) } td { (name(&row.way)) } td.num { (short(row.per_second)) } td { (share(row.of_first)) }
            } } }
        } }
    } }
}

/// A part of something as a bar; parts beyond the whole fill it.
fn share(part: f64) -> Markup {
    let width = if part.is_finite() { (100.0 * part).clamp(0.0, 100.0) } else { 0.0 };
    html! {
        span.bar aria-hidden="true" { span style={ "width:" (format!("{width:.1}")) "%" } {} }
        span.of { (if part.is_finite() && part.abs() < 1e6 { format!("{part:.2}") } else { "–".into() }) }
    }
}

fn loaded(glue: &GlueFacts) -> Markup {
    let size = glue.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.bytes));
    html! {
        details.more {
            summary { "What was loaded" span.dim { " · " (name(&glue.kind)) ", " (plural(glue.files.len() as u64, "file")) ", " (bytes(size)) } }
            p { "Its files are loaded as they are. While searching, the module's bytes are exchanged for ones with counters, below the glue." }
            dl.pairs {
                dt { "Kind" } dd { (name(&glue.kind)) @if !glue.evidence.is_empty() { ": " (text(&cut(&glue.evidence, 300))) } }
                @if !glue.entry.is_empty() { dt { "Entry" } dd { code { (text(&glue.entry)) } } }
                @if !glue.module.is_empty() { dt { "Module" } dd { code { (text(&glue.module)) } div { code.dim { (text(&glue.sha256)) } } } }
                @for build in glue.builds.iter().take(NOTES_MAX) {
                    dt { "With counters" }
                    dd { (name(&build.layout)) ", " (plural(build.counters, "counter")) ", " (bytes(build.bytes)) div { code.dim { (text(&build.sha256)) } } }
                }
                dt { "Declarations" }
                dd { @if glue.declarations.is_empty() { "none" } @for said in glue.declarations.iter().take(NOTES_MAX) { div { (text(&cut(said, 200))) } } }
                dt { "Narrowed by" } dd { @match &glue.narrowed_by { Some(file) => code { (text(file)) }, None => "nothing: every value of the declared types was tried" } }
                dt { "Policy" } dd { @match &glue.policy { Some(file) => code { (text(file)) }, None => "no file: what this program takes for harmless is allowed" } }
            }
            div.scroll { table.narrow.dense {
                thead { tr { th { "File" } th.num { "Size" } th { "sha-256" } } }
                tbody { @for file in glue.files.iter().take(ROWS_MAX) { tr {
                    td { code { (escape::column(&file.path, 120)) } } td.num { (bytes(file.bytes)) } td { code { (text(&file.sha256)) } }
                } } }
            } }
            @if glue.files.len() > ROWS_MAX { p.dim { (plural((glue.files.len() - ROWS_MAX) as u64, "more file")) " in report.json." } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundary::Card;

    #[test]
    fn no_class_drowns_another() {
        let card = |class: &str, at: usize| Card { class: class.into(), finding: at.to_string(), ..Card::default() };
        let mut cards: Vec<Card> = (0..60).map(|at| card("trap", at)).collect();
        cards.push(card("stale", 60));
        let section = Boundary { cards, ..Boundary::default() };
        assert_eq!(shown(&section).0, [0, 1, 2, 3, 4, 60]);
        assert_eq!(card_anchor(3, &section, "60").as_deref(), Some("b3-60"));
        assert_eq!(card_anchor(3, &section, "59"), None);
    }

    #[test]
    fn a_fold_says_what_is_in_it() {
        let all = [Policy::Allowed, Policy::Unknown, Policy::Refused, Policy::Refused];
        assert_eq!([policies(&all), policies(&all[..1])], ["2 refused, 1 unknown", "all allowed"]);
    }
}
