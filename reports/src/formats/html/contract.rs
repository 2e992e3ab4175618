//! How each target kept its resource contract: what its entries read, what was tried, what it cost, how its work grows.

use super::{chip, limit_rows, name, text};
use crate::contract::{Contract, Growth, Point, Reads, Tile, Trial};
use crate::escape::{self, cut};
use crate::hexdump;
use crate::record::{TargetRecord, Verdict};
use crate::scatter::{self, Bound, Dot, Scatter, Series, Style, Unit};
use crate::tally::{self, Family, LeftOut, Tally};
use crate::words::{bytes, count, expanded, exponent, plural, short, times};
use maud::{Markup, html};

/// Entries, families of an entry, trials and shapes of a target that the page shows; `contract.csv` has every trial.
const ENTRIES_MAX: usize = 24;
const FAMILIES_MAX: usize = 150;
const TRIALS_MAX: usize = 1_000;
const SHAPES_MAX: usize = 100;
/// Reasons for not running, and names beside each.
const REASONS_MAX: usize = 60;
const NAMES_MAX: usize = 100;
/// Series with a colour of their own where fewer were broken.
const NAMED_MIN: usize = 3;
/// Series and points of one series in a plot.
const SERIES_MAX: usize = 80;
const POINTS_MAX: usize = 64;
/// Bytes of each part of a tile that are shown.
const TILE_BYTES_MAX: usize = 192;

/// The section; `targets` are all of the page, for their numbers.
pub fn section(targets: &[TargetRecord]) -> Markup {
    html! {
        section #contract {
            h2 { "Resource contract" }
            p.lead {
                "What an input may cost, by its size. Each entry was given bombs, floods, nesting and lies of the kinds that it reads, and plain documents that are only large. "
                "An oversize or hostile input has to be refused with an error, cheaply, and the next call has to work as if nothing had happened. "
                "Fuel counts instructions: fuel and memory are exact, and the same on every machine."
            }
            @for (i, target) in targets.iter().enumerate() {
                @if let Some(contract) = &target.contract { (of_target(i, target, contract)) }
            }
        }
    }
}

fn of_target(index: usize, target: &TargetRecord, contract: &Contract) -> Markup {
    let families = tally::families(contract);
    let entries = tally::entries(contract);
    let link = |finding: &str| {
        let known = target.findings.iter().any(|known| known.id == finding);
        known.then(|| format!("#f{index}-{}", escape::file_name(finding)))
    };
    html! {
        article.target.contract id={ "c" (index) } {
            header {
                h3 { (text(&target.name)) }
                p.dim {
                    (plural(Tally::of(&contract.trials).run(), "trial")) " of " (plural(families.len() as u64, "family"))
                    " at " (plural(entries.len() as u64, "entry"))
                    @if !contract.profile.is_empty() { " · profile " b { (name(&contract.profile)) } }
                }
                (tallies(&Tally::of(&contract.trials)))
            }
            @if !contract.reads.is_empty() { (reads(&contract.reads)) }
            @for entry in entries.iter().take(ENTRIES_MAX) {
                (of_entry(contract, entry, &families, &link))
            }
            @if entries.len() > ENTRIES_MAX { p.dim { (entries.len() - ENTRIES_MAX) " more entries in report.json and contract.csv." } }
            (amplification(&families, entries.len() > 1))
            (left_out(contract, entries.len() > 1))
            (all_trials(contract))
            @if !contract.terms.is_empty() {
                details.more {
                    summary { "The terms" span.dim { " · " (plural(contract.terms.len() as u64, "number")) ", each with its reason" } }
                    (limit_rows(&contract.terms))
                }
            }
        }
    }
}

fn tallies(tally: &Tally) -> Markup {
    html! {
        p.tally {
            @for (n, tone, word) in [
                (tally.broken, "bad", "broken"), (tally.kept, "good", "kept"),
                (tally.not_tested, "warn", "not tested"), (tally.not_applicable, "quiet", "not applicable"),
            ] { @if n > 0 { span class={ "chip " (tone) } { (count(n)) " " (word) } } }
        }
    }
}

fn reads(reads: &[Reads]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Entry" } th { "Reads" } th { "Who says so" } } }
            tbody { @for row in reads.iter().take(ENTRIES_MAX) { tr {
                td { code { (name(&row.entry)) } }
                td { @if row.kinds.is_empty() { span.dim { "nothing known" } } @for (i, kind) in row.kinds.iter().take(30).enumerate() { @if i > 0 { ", " } (name(kind)) } }
                td.wide { (name(&row.origin)) @if !row.evidence.is_empty() { span.dim { " · " (text(&cut(&row.evidence, 300))) } } }
            } } }
        } }
    }
}

fn of_entry(
    contract: &Contract,
    entry: &str,
    families: &[Family<'_>],
    link: &dyn Fn(&str) -> Option<String>,
) -> Markup {
    let families: Vec<&Family<'_>> = families.iter().filter(|family| family.entry == entry).collect();
    let mut growth: Vec<&Growth> = contract.growth.iter().filter(|growth| growth.entry == entry).collect();
    growth.sort_by(|a, b| tally::steeper_first(a, b));
    if families.is_empty() && growth.is_empty() {
        return html! {};
    }
    html! {
        section.entry aria-label={ "Entry " (text(entry)) } {
            h4.entry { "Entry " code { (name(entry)) } }
            (plots(contract, &families, &growth))
            @if !families.is_empty() {
                div.scroll { table.trials {
                    thead { tr {
                        th title="The trial of it that went worst; all of them stand below" { "Family, worst trial" } th { "Verdict" } th { "Ended" } th.num { "Input" } th.num { "Fuel" }
                        th.num { "Memory" } th.num { "Output" } th { "Next call" }
                    } }
                    @for family in families.iter().take(FAMILIES_MAX) { (family_row(family, link)) }
                } }
                @if families.len() > FAMILIES_MAX { p.dim { (families.len() - FAMILIES_MAX) " more families in contract.csv." } }
            }
            @if !growth.is_empty() { (growth_table(&growth, link)) }
        }
    }
}

fn family_row(family: &Family<'_>, link: &dyn Fn(&str) -> Option<String>) -> Markup {
    let trial = family.worst;
    let broken = Tally::of(family.trials.iter().copied()).broken;
    html! {
        tbody {
            tr {
                td {
                    code { (name(family.name)) } @if family.part == "typical" { span.tag title="A plain document that is only large: held to the tighter contract" { "plain" } }
                    div.dim { (escape::column(&trial.params, 80)) }
                }
                td { (linked(&trial.verdict, &trial.finding, link)) @if broken > 1 { div.dim { (broken) " of " (family.trials.len()) } } }
                td { code { (name(&trial.outcome)) } @if trial.error_bytes > 0 { div.dim { "says " (bytes(trial.error_bytes)) } } }
                td.num { (bytes(trial.bytes)) @if !trial.expanded.is_empty() { div.dim { @if trial.expanded.parse::<u128>().is_ok() { "holds " } (expands(trial)) } } }
                td.num { (short(trial.fuel as f64)) span.dim { " · " (per_byte(trial.fuel, trial.bytes)) "/byte" } (used(trial.fuel, trial.fuel_allowed, &short(trial.fuel_allowed as f64))) }
                td.num { (bytes(trial.memory_bytes)) span.dim { " · " (times(trial.memory_bytes as f64, trial.bytes as f64)) } (used(trial.memory_bytes, trial.memory_bytes_allowed, &bytes(trial.memory_bytes_allowed))) }
                td.num { (bytes(trial.output_bytes)) @if trial.output_bytes > 0 { div.dim { (times(trial.output_bytes as f64, trial.bytes as f64)) } } }
                td { (next_call(&trial.next_call)) }
            }
            @if !trial.verdict.reason().is_empty() { tr.why { td colspan="8" { (text(&cut(trial.verdict.reason(), 300))) } } }
        }
    }
}

/// A verdict that leads to the card of its finding.
fn linked(verdict: &Verdict, finding: &str, link: &dyn Fn(&str) -> Option<String>) -> Markup {
    html! { @match link(finding) { Some(href) => a href=(href) { (chip(verdict)) }, None => (chip(verdict)) } }
}

fn next_call(said: &str) -> Markup {
    html! {
        @match said {
            "" => span.dim { "–" },
            "same" => span.trial.good { "same" },
            "differs" => span.trial.bad { "differs" },
            why => span.dim { (escape::column(why, 60)) },
        }
    }
}

/// How much of what is allowed was used: a bar, and the part in words.
fn used(n: u64, allowed: u64, words: &str) -> Markup {
    if allowed == 0 {
        return html! {};
    }
    let part = n as f64 / allowed as f64;
    html! {
        div.used.over[n > allowed] title={ (words) " allowed" } {
            span.bar aria-hidden="true" { span style={ "width:" (format!("{:.1}", 100.0 * part.min(1.0))) "%" } {} }
            @if n > allowed { (times(n as f64, allowed as f64)) } @else if 0.0 < part && part < 0.01 { "< 1 %" } @else { (format!("{:.0} %", 100.0 * part)) }
            " of " (words)
        }
    }
}

fn per_byte(fuel: u64, size: u64) -> String {
    if size == 0 { "–".into() } else { rate(fuel as f64 / size as f64) }
}

/// Fuel per byte: two digits where there are few.
fn rate(per_byte: f64) -> String {
    if per_byte < 9.95 { format!("{:.1}", per_byte.max(0.0)) } else { short(per_byte) }
}

fn expands(trial: &Trial) -> String {
    escape::column(&expanded(&trial.expanded), 40)
}

/// Rows whose input holds more than itself.
fn amplification(families: &[Family<'_>], name_entries: bool) -> Markup {
    let mut rows: Vec<&Family<'_>> = families.iter().filter(|family| !family.worst.expanded.is_empty()).collect();
    rows.sort_by(|a, b| tally::worse_first(a.worst, b.worst));
    html! { @if !rows.is_empty() {
        h4.entry { "Amplification" span.dim { " · what becomes of compressed and self-repeating inputs" } }
        div.scroll { table {
            thead { tr {
                @if name_entries { th { "Entry" } } th { "Family" } th.num { "Input" } th.num { "Expands to" } th.num { "Ratio" } th.num { "Peak memory" } th.num { "of input" }
                th.num { "Output" } th.num { "of input" } th { "Ended" } th { "Verdict" }
            } }
            tbody { @for trial in rows.iter().take(FAMILIES_MAX).map(|family| family.worst) { tr {
                @if name_entries { td { code { (name(&trial.entry)) } } }
                td { code { (name(&trial.family)) } }
                td.num { (bytes(trial.bytes)) } td.num { (expands(trial)) }
                td.num { (trial.expanded.parse::<u128>().map_or_else(|_| "–".to_owned(), |n| times(n as f64, trial.bytes as f64))) }
                td.num { (bytes(trial.memory_bytes)) } td.num { (times(trial.memory_bytes as f64, trial.bytes as f64)) }
                td.num { (bytes(trial.output_bytes)) } td.num { (times(trial.output_bytes as f64, trial.bytes as f64)) }
                td.span { code { (name(&trial.outcome)) } } td { (chip(&trial.verdict)) }
            } } }
        } }
    } }
}

/// What was not run, and why: one line for each reason. What has no meaning for an entry is folded away.
fn left_out(contract: &Contract, name_entries: bool) -> Markup {
    let groups = tally::left_out(contract);
    let applies = |group: &&LeftOut<'_>| !matches!(group.verdict, Verdict::NotApplicable(_));
    let (owed, other): (Vec<&LeftOut<'_>>, Vec<&LeftOut<'_>>) = groups.iter().partition(applies);
    let families = |groups: &[&LeftOut<'_>]| plural(groups.iter().map(|g| g.families.len() as u64).sum(), "family");
    html! {
        @if !owed.is_empty() {
            h4.entry { "Not tested" span.dim { " · never to be read as a pass" } }
            (reasons(&owed, name_entries))
        }
        @if !other.is_empty() {
            details.more {
                summary { "Not applicable" span.dim { " · " (families(&other)) " of other kinds than the entries read" } }
                (reasons(&other, name_entries))
            }
        }
    }
}

fn reasons(groups: &[&LeftOut<'_>], name_entries: bool) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { @if name_entries { th { "Entry" } } th { "Why" } th { "Families" } } }
            tbody { @for group in groups.iter().take(REASONS_MAX) { tr {
                @if name_entries { td { code { (name(group.entry)) } } }
                td.wide { (text(&cut(group.verdict.reason(), 300))) }
                td.wide {
                    b { (count(group.families.len() as u64)) } span.dim { ": "
                        @for (i, (family, inputs)) in group.families.iter().take(NAMES_MAX).enumerate() {
                            @if i > 0 { ", " } (name(family)) @if *inputs > 1 { " (" (count(*inputs)) " inputs)" }
                        }
                        @if group.families.len() > NAMES_MAX { " and " (group.families.len() - NAMES_MAX) " more" }
                    }
                }
            } } }
        } }
        @if groups.len() > REASONS_MAX { p.dim { (groups.len() - REASONS_MAX) " more reasons in contract.csv." } }
    }
}

fn all_trials(contract: &Contract) -> Markup {
    let run: Vec<&Trial> = contract.trials.iter().filter(|trial| tally::was_run(&trial.verdict)).collect();
    html! { @if !run.is_empty() {
        details.more.long {
            summary { "Every trial" span.dim { " · " (plural(run.len() as u64, "row")) } }
            div.scroll { table.dense {
                thead { tr {
                    th { "Entry" } th { "Family" } th { "Parameters" } th { "Verdict" } th { "Ended" } th.num { "Input" } th.num { "Fuel" } th.num { "Allowed" }
                    th.num { "Memory" } th.num { "Allowed" } th.num { "Output" } th.num { "Error" } th { "Next call" } th.num title="Advice only: it decides nothing" { "Time" }
                } }
                tbody { @for trial in run.iter().take(TRIALS_MAX) { tr {
                    td { code { (name(&trial.entry)) } } td { (name(&trial.family)) } td.dim { (escape::column(&trial.params, 60)) }
                    td { (chip(&trial.verdict)) } td { code { (name(&trial.outcome)) } }
                    td.num { (bytes(trial.bytes)) } td.num { (count(trial.fuel)) } td.num.dim { (count(trial.fuel_allowed)) }
                    td.num { (bytes(trial.memory_bytes)) } td.num.dim { (bytes(trial.memory_bytes_allowed)) }
                    td.num { (bytes(trial.output_bytes)) } td.num { (bytes(trial.error_bytes)) } td { (next_call(&trial.next_call)) }
                    td.num.dim { @if trial.wall_ms > 0.0 { (format!("{:.1} ms", trial.wall_ms.min(1e9))) } @else { "–" } }
                } } }
            } }
            @if run.len() > TRIALS_MAX { p.dim { (run.len() - TRIALS_MAX) " more rows in contract.csv." } }
        }
    } }
}

fn growth_table(growth: &[&Growth], link: &dyn Fn(&str) -> Option<String>) -> Markup {
    let span = |growth: &Growth| match (growth.points.first(), growth.points.last()) {
        (Some(first), Some(last)) => format!("{} to {}", bytes(first.bytes), bytes(last.bytes)),
        _ => "–".into(),
    };
    html! {
        h4.entry { "How work grows" span.dim { " · fuel ~ bytes" sup { "k" } ", over the last three doublings; 1 is proportional, 2 is quadratic" } }
        div.scroll { table {
            thead { tr { th { "Shape" } th { "Verdict" } th.num { "k" } th.num title="At the largest input that is accepted" { "Fuel per byte, at most" } th { "Measured" } th { "Note" } } }
            tbody { @for growth in growth.iter().take(SHAPES_MAX) { tr {
                td { @if growth.tile.is_some() { b { (name(&growth.shape)) } } @else { code { (name(&growth.shape)) } } }
                td { (linked(&growth.verdict, &growth.finding, link)) }
                td.num { b { (exponent(growth.exponent)) } }
                td.num { (growth.fuel_per_byte.map_or_else(|| "–".to_owned(), rate)) }
                td.span { (span(growth)) }
                td.wide.dim { (text(&cut(growth.verdict.reason(), 240))) @if growth.executions > 0 { @if !growth.verdict.reason().is_empty() { " · " } (plural(growth.executions, "execution")) } }
            } } }
        } }
        @if growth.len() > SHAPES_MAX { p.dim { (growth.len() - SHAPES_MAX) " more shapes in report.json." } }
        @for growth in growth.iter().take(SHAPES_MAX) { @if let Some(shape) = &growth.tile {
            @if matches!(growth.verdict, Verdict::Fail(_)) { (tile(growth, shape)) }
            @else { details.more { summary { "The costliest shape that the search found" span.dim { " · k " (exponent(growth.exponent)) } } (tile(growth, shape)) } }
        } }
        details.more.long {
            summary { "Measurements" }
            div.scroll { table.dense.narrow {
                thead { tr { th { "Shape" } th.num { "Input" } th.num { "Fuel" } th.num { "Fuel per byte" } th.num title="From the row above to this one" { "k here" } th.num { "Memory" } } }
                tbody { @for growth in growth.iter().take(SHAPES_MAX) { @for (i, point) in growth.points.iter().enumerate().take(POINTS_MAX) { tr {
                    td { @if i == 0 { code { (name(&growth.shape)) } } }
                    td.num { (bytes(point.bytes)) } td.num { (count(point.fuel)) } td.num { (per_byte(point.fuel, point.bytes)) }
                    td.num { (exponent(i.checked_sub(1).and_then(|before| step(growth, before)))) }
                    td.num { (bytes(point.memory_bytes)) }
                } } } }
            } }
        }
    }
}

/// The exponent between a point and the next.
fn step(growth: &Growth, from: usize) -> Option<f64> {
    let (a, b) = (growth.points.get(from)?, growth.points.get(from + 1)?);
    let log = |after: u64, before: u64| (after.max(1) as f64 / before.max(1) as f64).ln();
    (b.bytes > a.bytes).then(|| log(b.fuel, a.fuel) / log(b.bytes, a.bytes))
}

/// The input that the search found: prefix, a piece that repeats, suffix.
fn tile(growth: &Growth, tile: &Tile) -> Markup {
    let nothing = String::new();
    let after_number = tile.after_number_hex.as_ref().unwrap_or(&nothing);
    let sizes =
        [&tile.prefix_hex, &tile.piece_hex, &tile.suffix_hex, after_number].map(|hex| hex.chars().count() as u64 / 2);
    let largest = growth.points.iter().map(|point| point.bytes).max().unwrap_or(0);
    let times = largest.saturating_sub(sizes[0] + sizes[2]).checked_div(sizes[1] + sizes[3]).filter(|times| *times > 0);
    html! {
        div.found {
            p { b { "The shape that the search found" } span.dim {
                @if growth.executions > 0 { " after " (plural(growth.executions, "execution")) }
                ": k = " (exponent(growth.exponent)) @if let Some(times) = times { ", shown up to " (count(times)) " repetitions" }
            } }
            div.tile {
                @for (label, hex, size) in [("begins with", &tile.prefix_hex, sizes[0]), ("repeats", &tile.piece_hex, sizes[1]), ("a number in letters, another each time, and", after_number, sizes[3]), ("ends with", &tile.suffix_hex, sizes[2])] {
                    @if size > 0 { div.part.piece[label == "repeats"] {
                        span.dim { (label) " · " (bytes(size)) }
                        (readable(&unhex(hex), size))
                    } }
                }
            }
        }
    }
}

/// Text where it is text, else a hexdump.
fn readable(shown: &[u8], size: u64) -> Markup {
    let rest = size.saturating_sub(shown.len() as u64);
    let is_text = |text: &str| text.chars().all(|c| !c.is_control() || matches!(c, '\r' | '\n' | '\t'));
    // A character may be cut in two at the end.
    let text_of = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        Err(error) if rest > 0 && error.error_len().is_none() => {
            std::str::from_utf8(&shown[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    html! {
        @match text_of.filter(|text| is_text(text)) {
            Some(shown) => pre.decoded { (text(shown)) @if rest > 0 { span.dim { " … " (plural(rest, "more byte")) } } },
            None => pre.hex { @for (offset, hex, text) in hexdump::rows(shown) {
                span.offset { (offset) } "  " (hex) "  " span.ascii { (text) } "\n"
            } @if rest > 0 { span.offset { "… " (plural(rest, "more byte")) } } },
        }
    }
}

/// The first bytes of a text of hex digits; stops at the first character that is none.
fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map_while(|c| c.to_digit(16)).take(2 * TILE_BYTES_MAX).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// One family or found shape as both plots show it.
struct Drawn<'a> {
    name: &'a str,
    growth: Option<&'a Growth>,
    trials: Vec<&'a Trial>,
}

impl Drawn<'_> {
    fn broken(&self) -> bool {
        let failed = |verdict: &Verdict| matches!(verdict, Verdict::Fail(_));
        self.growth.is_some_and(|growth| failed(&growth.verdict))
            || self.trials.iter().any(|trial| failed(&trial.verdict))
    }

    fn exponent(&self) -> Option<f64> {
        self.growth.and_then(|growth| growth.exponent).filter(|k| k.is_finite())
    }

    fn load(&self) -> f64 {
        self.trials.iter().map(|trial| tally::load(trial)).fold(0.0, f64::max)
    }
}

/// What a plot shows: a number of a trial with what is allowed of it, and the same of a measurement.
struct Cost {
    of_trial: fn(&Trial) -> (u64, u64),
    of_point: fn(&Point) -> u64,
    /// Whether the exponent is one of this.
    has_exponent: bool,
}

const FUEL: Cost =
    Cost { of_trial: |trial| (trial.fuel, trial.fuel_allowed), of_point: |point| point.fuel, has_exponent: true };
const MEMORY: Cost = Cost {
    of_trial: |trial| (trial.memory_bytes, trial.memory_bytes_allowed),
    of_point: |point| point.memory_bytes,
    has_exponent: false,
};

impl Drawn<'_> {
    /// A measurement may be a trial as well: it is drawn once, and filled if either failed.
    fn series(&self, style: Style, cost: &Cost, labelled: bool) -> Series {
        let dot = |trial: &Trial| {
            let (y, allowed) = (cost.of_trial)(trial);
            Dot { x: trial.bytes, y, over: allowed > 0 && y > allowed }
        };
        let points: &[Point] = self.growth.map_or(&[], |growth| &growth.points);
        let points = &points[..points.len().min(POINTS_MAX)];
        let failed = cost.has_exponent && self.growth.is_some_and(|growth| matches!(growth.verdict, Verdict::Fail(_)));
        let same = |point: &Point, trial: &Trial| (point.bytes, point.fuel) == (trial.bytes, trial.fuel);
        let trials = || self.trials.iter().take(POINTS_MAX);
        let line = points.iter().map(|point| Dot {
            x: point.bytes,
            y: (cost.of_point)(point),
            over: failed || trials().any(|trial| same(point, trial) && dot(trial).over),
        });
        let alone = trials().filter(|trial| !points.iter().any(|point| same(point, trial)));
        Series {
            style,
            line: line.collect(),
            dots: alone.map(|trial| dot(trial)).collect(),
            label: match self.exponent() {
                Some(k) if labelled && cost.has_exponent => format!("k {}", exponent(Some(k))),
                _ => String::new(),
            },
        }
    }
}

fn plots(contract: &Contract, families: &[&Family<'_>], growth: &[&Growth]) -> Markup {
    let drawn = drawn(families, growth);
    let named = drawn.iter().filter(|drawn| drawn.broken()).count().clamp(NAMED_MIN, scatter::STYLES).min(drawn.len());
    // The first style is the red one: only what is broken has it.
    let first = usize::from(!drawn.first().is_some_and(Drawn::broken));
    let style = |at: usize| if at < named { Style::Named(first + at) } else { Style::Other };
    let series = |cost: &Cost| -> Vec<Series> {
        let shown = drawn.iter().enumerate().take(SERIES_MAX);
        shown.map(|(at, one)| one.series(style(at), cost, at < named)).collect()
    };
    let bound = |of: fn(&Point) -> u64| -> [Vec<(u64, u64)>; 2] {
        [&contract.allowed, &contract.allowed_typical].map(|points| points.iter().map(|p| (p.bytes, of(p))).collect())
    };
    let plot = |title: &str, unit: Unit, series: &[Series], allowed: &[Vec<(u64, u64)>; 2]| {
        let bounds = [("contract", &allowed[0]), ("plain documents", &allowed[1])];
        let bounds = bounds.map(|(name, points)| Bound { name, points });
        let shown = if allowed[0] == allowed[1] { 1 } else { 2 };
        scatter::svg(&Scatter { title, unit, series, bounds: &bounds[..shown] })
    };
    let fuel = plot("Fuel by size of input, both axes logarithmic", Unit::Count, &series(&FUEL), &bound(FUEL.of_point));
    let memory = plot(
        "Peak memory by size of input, both axes logarithmic",
        Unit::Bytes,
        &series(&MEMORY),
        &bound(MEMORY.of_point),
    );
    html! { @if fuel.is_some() || memory.is_some() {
        div.plots {
            @if let Some(fuel) = fuel { figure { figcaption { "Fuel by size of input" } (fuel) } }
            @if let Some(memory) = memory { figure { figcaption { "Peak memory by size of input" } (memory) } }
        }
        ul.legend {
            @for (at, one) in drawn.iter().enumerate().take(named) { li {
                (scatter::mark(style(at), one.broken())) (name(one.name))
                @if let Some(k) = one.exponent() { span.dim { " k " (exponent(Some(k))) } }
            } }
            @if drawn.len() > named { li.dim { (scatter::mark(Style::Other, false)) (drawn.len() - named) " others" } }
            li.dim { "filled: failed" }
        }
    } }
}

/// What is drawn, the most important first: broken, then steep, then close to what is allowed.
fn drawn<'a>(families: &[&Family<'a>], growth: &[&'a Growth]) -> Vec<Drawn<'a>> {
    let mut drawn: Vec<Drawn<'a>> =
        growth.iter().map(|growth| Drawn { name: &growth.shape, growth: Some(growth), trials: Vec::new() }).collect();
    for family in families {
        let grown = |drawn: &&mut Drawn<'_>| drawn.name == family.name && drawn.growth.is_none_or(|g| g.tile.is_none());
        match drawn.iter_mut().find(grown) {
            Some(known) => known.trials.extend(&family.trials),
            None => drawn.push(Drawn { name: family.name, growth: None, trials: family.trials.clone() }),
        }
    }
    drawn.sort_by(|a, b| {
        // Kept: by exponent. Broken: by exponent where that is what broke it, else by load.
        let steep = |drawn: &Drawn<'_>| match drawn.growth {
            Some(growth) if !drawn.broken() || matches!(growth.verdict, Verdict::Fail(_)) => drawn.exponent(),
            _ => None,
        };
        let key = |drawn: &Drawn<'_>| steep(drawn).unwrap_or(f64::NEG_INFINITY);
        (b.broken().cmp(&a.broken()))
            .then_with(|| key(b).total_cmp(&key(a)))
            .then_with(|| b.load().total_cmp(&a.load()))
    });
    drawn
}
