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

/// One column for each reader, one row for each value that any of them has.
pub fn readings(readings: &[PeerReading]) -> Markup {
    let mut paths: Vec<&str> = Vec::new();
    for leaf in readings.iter().flat_map(|reading| &reading.leaves) {
        if !paths.contains(&leaf.path.as_str()) && paths.len() < LEAVES_MAX {
            paths.push(&leaf.path);
        }
    }
    html! {
        div.scroll { table.readings {
            thead { tr { th { "" } @for reading in readings { th { (text(&reading.peer)) } } } }
            tbody {
                tr.answers { th { "answer" } @for reading in readings { td {
                    span class={ "answer " (escape::file_name(&reading.answer)) } { (text(&reading.answer)) }
                    @if !reading.detail.is_empty() { span.detail { (text(&cut(&reading.detail, 160))) } }
                } } }
                @for path in paths { tr {
                    th { code { (text(path)) } }
                    @for reading in readings { (value(reading.leaves.iter().find(|leaf| leaf.path == path), &reading.answer)) }
                } }
            }
        } }
    }
}

fn value(leaf: Option<&Leaf>, answer: &str) -> Markup {
    let shown = |leaf: &Leaf| leaf.value.as_deref().map(|value| cut(value, 200));
    html! {
        @match leaf {
            Some(leaf) => td class=[leaf.differs.then_some("differs")] {
                @match shown(leaf) { Some(value) => code { (text(&value)) }, None => span.dim { "absent" } }
            },
            None if answer == "accepted" => td { span.dim { "–" } },
            None => td {},
        }
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
