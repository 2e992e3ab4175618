//! One leak, told so that it is understood without the tool: the line, what differs and for which two secrets, which bytes
//! of the secret drive it, and what to do about it.

use super::{chip, frames, name, prose, text, tone};
use crate::constant_time::{Handled, Leak};
use crate::escape::{self, cut};
use crate::leaks::{Kind, driven_by, place, ranges_words, unhex};
use crate::rules::rule;
use crate::strip;
use crate::words::{bytes, count, plural};
use maud::{Markup, html};

/// Bytes in a row of a secret.
const ROW: usize = 16;
/// Sentences on machine code.
const NOTES_MAX: usize = 8;

/// The card; what its class means stands on it where it is the `first` of the class.
pub fn card(leak: &Leak, entry: &Handled, first: bool, link: &dyn Fn(&str) -> Option<String>) -> Markup {
    let rule = rule("constant-time", &leak.class.to_ascii_uppercase());
    let here = leak.frames.first();
    html! {
        article class={ "leak " (tone(&leak.verdict)) } {
            p.kicker {
                (chip(&leak.verdict))
                span { (rule.title) }
                a href={ "https://cwe.mitre.org/data/definitions/" (rule.cwe) ".html" } rel="noreferrer" { "CWE-" (rule.cwe) }
                span.tag { (name(&leak.class)) ", " (if leak.strong { "strong" } else { "weak" }) }
                @if let Some(target) = link(&leak.finding) { a.id href=(target) { "finding " (name(&leak.finding)) } }
            }
            h5 {
                @match here {
                    Some(frame) => { code { (escape::column(&place(Some(frame)), 120)) } " in " code { (escape::column(&frame.function, 120)) } }
                    None => { "At a place that is not known" }
                }
            }
            @if !leak.source.is_empty() {
                pre.source { @if let Some(line) = here.and_then(|frame| frame.line) { span.offset { (line) "  " } } (escape::line(leak.source.trim())) }
            }
            @if Kind::of(leak) == Kind::Allowed && !leak.verdict.reason().is_empty() { p { b { "Allowed: " } (text(&cut(leak.verdict.reason(), 300))) } }
            (said(leak))
            (sides(leak))
            (drives(leak))
            @if first { p.meaning { (prose(rule.meaning)) " " span.dim { (prose(rule.advice)) } } }
            (facts(leak, entry))
            @if leak.frames.len() > 1 {
                details.more {
                    summary { @if leak.frames[0].inlined { "Inlined into" } @else { "Called from" } span.dim { " · " (plural(leak.frames.len() as u64 - 1, "frame")) } }
                    (frames(&leak.frames))
                }
            }
        }
    }
}

/// What was seen, in one sentence or two.
fn said(leak: &Leak) -> Markup {
    let operand = operand(leak);
    html! {
        p.said {
            "Two calls of " code { (name(&leak.entry)) } " that differ only in the secret "
            @if leak.class == "trap" { "end differently: one of them dies." }
            @else {
                @if leak.event == 0 { "differ from their first event on: " } @else { "do the same for " b { (plural(leak.event, "event")) } "; then " }
                @if leak.operation.is_empty() { "an instruction" } @else { code { (name(&leak.operation)) } } " has another " b { (name(operand)) } "."
            }
            @if leak.resynchronised { " They had parted at an earlier leak, and were in step again here." }
        }
    }
}

/// The two secrets beside each other.
fn sides(leak: &Leak) -> Markup {
    let secrets = [0, 1].map(|side| unhex(&leak.secrets_hex[side]));
    let shown = secrets[0].len().max(secrets[1].len());
    let rest = u64::from(leak.secret_len).saturating_sub(shown as u64);
    let differing = (0..shown).filter(|at| secrets[0].get(*at) != secrets[1].get(*at)).count();
    let operand = operand(leak);
    let rows = [(operand, &leak.values), ("told to everybody", &leak.outcomes)];
    html! {
        div.scroll { table.sides {
            thead { tr { td {} th scope="col" { "Secret A" } th scope="col" { "Secret B" } } }
            tbody {
                tr {
                    th scope="row" { "Secret" @if shown > 0 { small { (plural(differing as u64, "byte")) @if differing == 1 { " differs" } @else { " differ" } } } }
                    @for side in 0..2 { td { @if secrets[side].is_empty() { span.dim { "not recorded" } } @else { (hex(&secrets[side], &secrets[1 - side])) } } }
                }
                @for (label, values) in rows { @if values.iter().any(|value| !value.is_empty()) { tr {
                    th scope="row" { (sentence_case(&name(label))) }
                    @for value in values { td {
                        code.value.differs[values[0] != values[1]] { (escape::column(value, 80)) }
                        @if let ("condition", Some(word)) = (label, truth(value)) { span.dim { " " (word) } }
                    } }
                } } }
            }
        } }
        @if rest > 0 && shown > 0 { p.dim { "The first " (bytes(shown as u64)) " of " (count(leak.secret_len.into())) "." @if differing == 0 { " They are equal; the difference lies behind them." } } }
    }
}

/// `address`, `condition`, `left operand`.
fn operand(leak: &Leak) -> &str {
    match leak.operand.as_str() {
        "" => "operand",
        "left" => "left operand",
        "right" => "right operand",
        other => other,
    }
}

fn truth(condition: &str) -> Option<&'static str> {
    match condition {
        "0" => Some("false"),
        "1" => Some("true"),
        _ => None,
    }
}

/// Rows of bytes, those that differ from `other` marked; rows without a difference are counted.
fn hex(secret: &[u8], other: &[u8]) -> Markup {
    let len = secret.len().max(other.len());
    let differs = |at: usize| secret.get(at) != other.get(at);
    let rows: Vec<(usize, bool)> =
        (0..len.div_ceil(ROW)).map(|row| (row, (row * ROW..(row + 1) * ROW).any(differs))).collect();
    let any = rows.iter().any(|(_, differs)| *differs);
    // Where nothing differs, the first row stands for all.
    let groups: Vec<&[(usize, bool)]> = rows.chunk_by(|a, b| !a.1 && !b.1 && (any || a.0 > 0)).collect();
    html! {
        pre.bytes {
            @for group in groups {
                @if !group[0].1 && group.len() > 1 { span.offset { "…    " (plural(group.len() as u64, "row")) " alike" } "\n" }
                @else { @for (row, _) in group.iter() {
                    @if len > ROW { span.offset { (format!("{:<4}", row * ROW)) " " } }
                    @for at in row * ROW..((row + 1) * ROW).min(secret.len()) {
                        @if at % ROW == 8 { " " }
                        @if at % ROW > 0 { " " }
                        @if differs(at) { mark { (format!("{:02x}", secret[at])) } } @else { (format!("{:02x}", secret[at])) }
                    }
                    "\n"
                } }
            }
        }
    }
}

/// Which bytes of the secret drive it.
fn drives(leak: &Leak) -> Markup {
    let told = driven_by(leak, 12);
    html! {
        @if told.is_empty() {
            p.dim { "Changing single bytes of the secret does not show which of them drive it." }
        } @else {
            figure.drives {
                figcaption { span { "Bytes of the secret that drive it: " (told) } span.key { span.swatch {} " drives it" } }
                @let whole = format!("{told}: {}", ranges_words(&leak.secret_bytes, 60));
                @if let Some(svg) = strip::svg(leak.secret_len.into(), &leak.secret_bytes, &whole) { (svg) }
            }
        }
    }
}

fn facts(leak: &Leak, entry: &Handled) -> Markup {
    let public = unhex(&leak.public_hex);
    html! {
        dl.pairs {
            dt { "How often" }
            dd {
                @if entry.pairs == 1 && leak.pairs == 1 { "in the one pair of executions that was walked in step" }
                @else if entry.pairs >= leak.pairs && entry.pairs > 0 { "in " (count(leak.pairs)) " of " (plural(entry.pairs, "pair")) " of executions that were walked in step" }
                @else { "in " (plural(leak.pairs, "pair")) " of executions" }
            }
            dt { "Public input" }
            dd { @if public.is_empty() { span.dim { "none" } } @else {
                code { @for (at, byte) in public.iter().enumerate().take(48) { @if at > 0 { " " } (format!("{byte:02x}")) } }
                @if public.len() > 48 { span.dim { " … " (plural((public.len() - 48) as u64, "more byte")) } }
                span.dim { " · the same for both" }
            } }
            @if !leak.machine.is_empty() {
                dt { "In the engine" }
                dd { @for note in leak.machine.iter().take(NOTES_MAX) { div { (text(&cut(note, 300))) } } }
            }
            @if !leak.clock.is_empty() { dt { "A clock" } dd { (text(&cut(&leak.clock, 200))) } }
        }
    }
}

/// A line for each leak.
pub fn lines(leaks: &[&Leak], link: &dyn Fn(&str) -> Option<String>) -> Markup {
    html! {
        div.scroll { table.dense.lines {
            thead { tr { th { "Entry" } th { "Class" } th { "Where" } th { "Instruction" } th { "Source" } th { "Driven by" } th { "Finding" } } }
            tbody { @for leak in leaks { tr {
                td { code { (name(&leak.entry)) } } td { (name(&leak.class)) }
                td { code { (escape::column(&place(leak.frames.first()), 48)) } } td { code { (escape::column(&leak.operation, 24)) } }
                td { code { (escape::column(leak.source.trim(), 48)) } } td { (driven_by(leak, 4)) }
                td { @if let Some(target) = link(&leak.finding) { a href=(target) { (name(&leak.finding)) } } @else { span.dim { "–" } } }
            } } }
        } }
    }
}

/// The first letter large.
pub fn sentence_case(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
