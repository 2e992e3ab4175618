//! One finding at the boundary to JavaScript, told so that it is understood without the tool: the calls, what happened,
//! who can make them, where it was seen again, what to do.

use super::{name, prose, text};
use crate::asked::{self, State, yes};
use crate::boundary::{Boundary, Card, Profile, Replay, class_of, outcome};
use crate::escape::{self, block, cut};
use crate::javascript;
use crate::rules::rule;
use crate::words::plural;
use maud::{Markup, html};

/// Characters of the calls, of the same as JSON, and of a stack.
const SCRIPT_CHARS_MAX: usize = 4_000;
const JSON_CHARS_MAX: usize = 4_000;
const STACK_CHARS_MAX: usize = 2_000;
/// Hosts of one finding.
const HOSTS_MAX: usize = 12;

/// The card; what its class means stands on it where it is the `first` of the class.
pub fn card(
    card: &Card,
    section: &Boundary,
    anchor: &str,
    first: bool,
    link: &dyn Fn(&str) -> Option<String>,
) -> Markup {
    let rule = rule("boundary", &outcome(&card.class));
    let oracle = class_of(&card.class).map_or("", |class| class.oracle);
    let anchor = format!("{anchor}-{}", escape::file_name(&card.finding));
    html! {
        article class={ "crossing " (card.severity.name()) } id=(anchor) {
            p.kicker {
                span class={ "sev " (card.severity.name()) } { (card.severity.name()) }
                span { (rule.title) }
                a href={ "https://cwe.mitre.org/data/definitions/" (rule.cwe) ".html" } rel="noreferrer" { "CWE-" (rule.cwe) }
                span.tag { @if !oracle.is_empty() { (oracle) " " } (name(&card.class)) }
                @if let Some(target) = link(&card.finding) { a.id href=(target) { "finding " (name(&card.finding)) } }
            }
            h5 { @if card.operation.is_empty() { "While loading or between calls" } @else { code { (escape::column(asked::signature(section, &card.operation), 160)) } } }
            p.said { (text(&cut(&card.what, 1_200))) }
            (script(card))
            (reach(card))
            (replays(&card.hosts))
            @if first { p.meaning { (prose(rule.meaning)) } }
            p.remedy { b { "What to do: " } @if !card.remedy.is_empty() { (text(&cut(&card.remedy, 600))) " " } (prose(rule.advice)) }
            (again(card))
            @if !card.stack.is_empty() {
                details.more { summary { "Stack" } pre.message { (block(&cut(&card.stack, STACK_CHARS_MAX))) } }
            }
            @if !card.tape_json.is_empty() {
                details.more.long { summary { "The same calls as JSON" span.dim { " · for " code { "repro" } } } pre.message { (block(&cut(&card.tape_json, JSON_CHARS_MAX))) } }
            }
        }
    }
}

/// The calls, coloured.
fn script(card: &Card) -> Markup {
    let source = block(&cut(&card.tape_js, SCRIPT_CHARS_MAX));
    html! { @if !source.is_empty() {
        pre.js { code { @for (kind, piece) in javascript::pieces(source.trim_end()) {
            @match kind.style() { Some(style) => span class=(style) { (piece) }, None => (piece) }
        } } }
        @if card.ops_found > card.ops && card.ops > 0 { p.dim.under { (plural(card.ops, "call")) ", minimised from " (card.ops_found) } }
    } }
}

/// Who can make these calls, and why that makes it as bad as it is.
fn reach(card: &Card) -> Markup {
    let step = |profile: &Profile| if *profile >= card.profile { "on" } else { "off" };
    html! {
        dl.pairs {
            dt { "Profile" }
            dd {
                span.profiles { @for profile in Profile::ALL { span class=(step(profile)) { @if *profile == card.profile { b { (profile.name()) } } @else { (profile.name()) } } } }
            }
            dt { "From " code { "JSON.parse" } } dd { b { (yes(card.json_reachable)) } @if card.json_reachable { span.dim { " · parsed data is enough" } } @else { span.dim { " · needs values that JSON does not have" } } }
            dt { "Severity" } dd { (card.severity.name()) @if !card.severity_reason.is_empty() { ": " (text(&cut(&card.severity_reason, 400))) } }
        }
    }
}

fn replays(hosts: &[Replay]) -> Markup {
    let answer = |replay: &Replay| match State::of(&replay.verdict) {
        State::Found => ("bad", "happens again"),
        State::Clean => ("quiet", "does not happen"),
        State::NotAsked => ("warn", "not tried"),
        State::NotApplicable => ("quiet", "does not apply"),
    };
    html! { @if !hosts.is_empty() {
        div.scroll { table.replays.dense {
            thead { tr { th { "Host" } th { "Answer" } th { "As deployed" } th { "With counters" } } }
            tbody { @for replay in hosts.iter().take(HOSTS_MAX) { tr {
                @let (tone, word) = answer(replay);
                td { (name(&replay.host)) }
                td { span class={ "chip " (tone) } { (word) } }
                td { (said(&replay.deployed, replay.verdict.reason())) }
                td { @if replay.instrumented == replay.deployed && !replay.deployed.is_empty() { span.dim { "the same" } } @else { (said(&replay.instrumented, "")) } }
            } } }
        } }
    } }
}

/// What a build did; else why that is not known.
fn said(what: &str, else_why: &str) -> Markup {
    html! { @match (what, else_why) {
        ("", "") => span.dim { "–" },
        ("", why) => span.dim { (text(&cut(why, 160))) },
        (what, _) => (text(&cut(what, 160))),
    } }
}

/// The file that shows it again, as a link where it lies below the report.
fn again(card: &Card) -> Markup {
    html! { @if !card.repro.is_empty() {
        div.command {
            span { "Without this tool" }
            code { "node " @match escape::project_uri(&card.repro) { Some(uri) => a href=(uri) { (escape::column(&card.repro, 200)) }, None => (escape::column(&card.repro, 200)) } }
        }
    } }
}

/// A line for each finding.
pub fn lines<'a>(cards: impl Iterator<Item = &'a Card>, link: &dyn Fn(&str) -> Option<String>) -> Markup {
    html! {
        div.scroll { table.dense.lines {
            thead { tr { th { "Severity" } th { "Class" } th { "Operation" } th { "Profile" } th { "What happened" } th { "Finding" } } }
            tbody { @for card in cards { tr {
                td { (card.severity.name()) } td { (name(&card.class)) } td { code { (name(&card.operation)) } } td { (card.profile.name()) }
                td { (escape::column(&card.what, 120)) }
                td { @if let Some(target) = link(&card.finding) { a href=(target) { (name(&card.finding)) } } @else { span.dim { "–" } } }
            } } }
        } }
    }
}
