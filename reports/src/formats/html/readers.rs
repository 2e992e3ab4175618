//! What several readers made of one input, side by side, and who they are.

use super::text;
use crate::escape::{self, cut};
use crate::record::{Leaf, PeerReading, PeerRow, RuleRef};
use crate::words::count;
use maud::{Markup, html};

/// Values of one input that are shown; the rest is in `report.json`.
const LEAVES_MAX: usize = 24;

/// What the specification says, with its section.
pub fn specified(rule: &RuleRef) -> Markup {
    html! {
        div.rule {
            p { b { (text(&rule.id)) @if !rule.case.is_empty() { " · " (text(&rule.case)) } } " " (text(&rule.title)) }
            p.dim { (text(&rule.source)) @if !rule.harm.is_empty() { " · " (text(&rule.harm)) } }
        }
    }
}

/// A row for each reader; those that say the same share one. What reads as the reference does is said, not repeated.
pub fn readings(readings: &[PeerReading]) -> Markup {
    let said = |reading: &PeerReading| (reading.answer.clone(), reading.detail.clone(), differing(reading));
    let mut rows: Vec<(Vec<&str>, &PeerReading)> = Vec::new();
    for (at, reading) in readings.iter().enumerate() {
        let same = |(_, known): &&mut (Vec<&str>, &PeerReading)| said(known) == said(reading);
        // The reference stands alone, and first.
        match rows.iter_mut().skip(1).find(same).filter(|_| at > 0) {
            Some((names, _)) => names.push(&reading.peer),
            None => rows.push((vec![&reading.peer], reading)),
        }
    }
    html! {
        div.scroll { table.readings {
            thead { tr { th { "Reader" } th { "Answer" } th { "Reads" } } }
            tbody { @for (at, (names, reading)) in rows.iter().enumerate() { tr {
                th { @for name in names { span { (text(name)) } } }
                td {
                    span class={ "answer " (escape::file_name(&reading.answer)) } { (text(&reading.answer)) }
                    @if !reading.detail.is_empty() { span.detail { (text(&cut(&reading.detail, 160))) } }
                }
                td { @if at == 0 { (leaves(&reading.leaves)) } @else { (beside(reading)) } }
            } } }
        } }
    }
}

fn differing(reading: &PeerReading) -> Vec<Leaf> {
    reading.leaves.iter().filter(|leaf| leaf.differs).cloned().collect()
}

/// What a reader reads beside the reference.
fn beside(reading: &PeerReading) -> Markup {
    let differing = differing(reading);
    html! {
        @if !differing.is_empty() { (leaves(&differing)) }
        @else if !reading.leaves.is_empty() { span.dim { "the same" } }
        @else if reading.answer == "accepted" { span.dim { "does not say" } }
    }
}

fn leaves(leaves: &[Leaf]) -> Markup {
    html! {
        @for leaf in leaves.iter().take(LEAVES_MAX) {
            p.leaf class=[leaf.differs.then_some("differs")] {
                code.path { (text(&leaf.path)) } " "
                @match &leaf.value { Some(value) => code { (text(&cut(value, 200))) }, None => span.dim { "absent" } }
            }
        }
        @if leaves.len() > LEAVES_MAX { p.dim { (count((leaves.len() - LEAVES_MAX) as u64)) " more in report.json" } }
    }
}

pub fn section(peers: &[PeerRow]) -> Markup {
    html! {
        section #readers {
            h2 { "Readers" }
            p.lead { "Other people's parsers, as run on the versions named here. What a reader's data model cannot hold was not compared; differences that are documented and harmless are listed, and were not reported." }
            div.scroll { table.readers {
                thead { tr { th { "Reader" } th { "Package" } th { "Runs in" } th { "Reads as" } th.num { "Asked" } th.num { "Accepted" } th.num { "Refused" } th.num { "Died" } th { "Not compared" } th { "Known and harmless" } } }
                tbody { @for peer in peers { tr {
                    td { b { (text(&peer.name)) } }
                    td { (text(&peer.package)) } td { (text(&peer.runtime)) } td { (text(&peer.version)) }
                    @if peer.not_tested.is_empty() {
                        td.num { (count(peer.asked)) } td.num { (count(peer.accepted)) } td.num { (count(peer.refused)) } td.num { (count(peer.died)) }
                        td { (text(&peer.leaves_out.join(", "))) }
                        td { @for quirk in &peer.quirks { p { code { (text(&quirk.what)) } " " (text(&quirk.why)) @if quirk.hits > 0 { " (" (count(quirk.hits)) ")" } } } }
                    } @else {
                        td colspan="6" { span.chip { "NOT-TESTED" } " " (text(&peer.not_tested)) }
                    }
                } } }
            } }
        }
    }
}
