//! `index.html`: one page that needs nothing else: no script, no remote asset, and a policy that would stop both.
//! It reads on a screen (light or dark), on paper and through a screen reader. `maud` escapes what goes into it.

mod boundary;
mod constant_time;
mod contract;
mod crossing;
mod leak;
mod readers;

use crate::clip::thinned;
use crate::escape::{self, block, cut};
use crate::hexdump;
use crate::plot::{self, Line, Plot, Time};
use crate::record::{
    Check, Confirmation, Finding, Frame, FunctionCoverage, LimitRow, NotTested, Record, Sample, TargetRecord, Trial,
    Verdict,
};
use crate::rules::{Severity, rule};
use crate::words::{bytes, chance, chance_of, count, percent, plural, seconds, short};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Holds even if escaping failed somewhere: nothing runs, nothing is fetched, nothing is sent.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("html/style.css");

/// Functions shown per target, those with most unreached edges first; the rest is in `report.json`.
const FUNCTIONS_MAX: usize = 200;
/// Findings shown in full.
const FINDINGS_MAX: usize = 200;
/// Things not tested that are named beside the verdict; the section of that name has them all.
const GAPS_NAMED: usize = 6;
/// Bytes of a reproducer shown.
const PREVIEW_MAX: usize = 256;

/// The file.
pub fn render(record: &Record) -> Vec<u8> {
    page(record).into_string().into_bytes()
}

/// The head of a page that holds everything in itself; `style` is trusted.
pub fn head(title: &str, style: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            title { (title) }
            style { (PreEscaped(style)) }
        }
    }
}

fn page(record: &Record) -> Markup {
    let title = format!("{} · {} · Autoclave", record.verdict.name(), text(&record.run.command));
    let findings: usize = record.targets.iter().map(|target| target.findings.len()).sum();
    let has_secrets = record.targets.iter().any(|target| target.constant_time.is_some());
    let has_boundary = record.targets.iter().any(|target| target.boundary.is_some());
    let has_contract = record.targets.iter().any(|target| target.contract.is_some());
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&title, STYLE))
            body {
                (masthead(record))
                (banner(record))
                nav aria-label="Sections" {
                    @if !record.checks.is_empty() { a href="#checks" { "Checks" } }
                    @if !record.targets.is_empty() { a href="#targets" { "Targets" } }
                    @if findings > 0 { a href="#findings" { "Findings" } }
                    @if !record.peers.is_empty() { a href="#readers" { "Readers" } }
                    @if has_boundary { a href="#boundary" { "JavaScript boundary" } }
                    @if has_contract { a href="#contract" { "Resource contract" } }
                    @if has_secrets { a href="#constant-time" { "Constant time" } }
                    @if !record.targets.is_empty() { a href="#coverage" { "Coverage" } }
                    a href="#not-tested" { "Not tested" }
                    @if !record.limits.is_empty() { a href="#limits" { "Limits" } }
                    a href="#again" { "Run it again" }
                }
                main {
                    @if !record.checks.is_empty() { (checks(&record.checks)) }
                    @if !record.targets.is_empty() { (targets(&record.targets)) }
                    @if findings > 0 { (findings_section(record)) }
                    @if !record.peers.is_empty() { (readers::section(&record.peers)) }
                    @if has_boundary { (boundary::section(&record.targets)) }
                    @if has_contract { (contract::section(&record.targets)) }
                    @if has_secrets { (constant_time::section(&record.targets)) }
                    @if !record.targets.is_empty() { (coverage_section(&record.targets)) }
                    (not_tested(record))
                    @if !record.limits.is_empty() { (limits_section(record)) }
                    (again(record))
                }
                footer {
                    p {
                        "Written by " (text(&record.tool.name)) " " (text(&record.tool.version))
                        ". This page shows what was tested and what was not; it does not say that a module is free of faults. "
                        "The same data for programs: " code { "report.json" } "."
                    }
                }
            }
        }
    }
}

fn masthead(record: &Record) -> Markup {
    html! {
        header.masthead {
            div.brand { (PreEscaped(MARK)) span { "Autoclave" } }
            div.run {
                code { (text(&record.run.command)) }
                @if !record.run.started_utc.is_empty() { span { (text(&moment(&record.run.started_utc))) } }
                @if !record.run.id.is_empty() { span.dim { (text(&record.run.id)) } }
            }
        }
    }
}

/// A vessel with its lid: decoration, hidden from screen readers.
pub const MARK: &str = r#"<svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><path d="M6 9.5h12v7a4 4 0 0 1-4 4h-4a4 4 0 0 1-4-4z"/><path d="M4.5 9.5h15M8 9.5V7.8A2.8 2.8 0 0 1 10.8 5h2.4A2.8 2.8 0 0 1 16 7.8V9.5M12 5V3"/></svg>"#;

/// The answer, before anything else.
fn banner(record: &Record) -> Markup {
    let execs: u64 = record.targets.iter().map(|target| target.execs).sum();
    let edges: u64 = record.targets.iter().map(|target| target.edges_found).sum();
    let edges_total: u64 = record.targets.iter().map(|target| target.edges_total).sum();
    let gaps = gaps(record);
    let by_severity: Vec<(Severity, usize)> = Severity::ALL
        .iter()
        .rev()
        .map(|severity| {
            let found = record.targets.iter().flat_map(TargetRecord::confirmed);
            (*severity, found.filter(|finding| finding.severity == *severity).count())
        })
        .filter(|(_, n)| *n > 0)
        .collect();
    html! {
        section class={ "banner " (tone(&record.verdict)) } aria-label="Verdict" {
            div.answer {
                p.verdict { (record.verdict.name()) }
                p.because {
                    @if record.verdict.reason().is_empty() { (plain_answer(&record.verdict)) }
                    @else { (text(record.verdict.reason())) }
                }
                @if !by_severity.is_empty() {
                    p.tally { @for (severity, n) in &by_severity { span class={ "sev " (severity.name()) } { (n) " " (severity.name()) } } }
                }
                @if !gaps.is_empty() {
                    p.gaps {
                        a href="#not-tested" { "Not tested" } ": "
                        @for (i, (what, ..)) in gaps.iter().take(GAPS_NAMED).enumerate() { @if i > 0 { ", " } (name(what)) }
                        @if gaps.len() > GAPS_NAMED { " and " (gaps.len() - GAPS_NAMED) " more" }
                    }
                }
            }
            dl.facts {
                @if !record.targets.is_empty() {
                    (fact("Targets", &count(record.targets.len() as u64), ""))
                    (fact("Executions", &short(execs as f64), &count(execs)))
                    (fact("Edges reached", &percent(edges, edges_total), &format!("{} of {}", count(edges), count(edges_total))))
                }
                @if !record.checks.is_empty() { (fact("Checks", &count(record.checks.len() as u64), "")) }
                @if record.timing.wall_seconds > 0.0 {
                    (fact("Time", &seconds(record.timing.wall_seconds), &format!("{} of processor time", seconds(record.timing.cpu_seconds))))
                }
                (fact("Seed", &record.run.seed.to_string(), &plural(record.run.jobs.into(), "job")))
            }
        }
    }
}

fn plain_answer(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "Nothing was found by what was asked, under the limits below.",
        _ => "",
    }
}

fn fact(name: &str, value: &str, detail: &str) -> Markup {
    html! {
        div { dt { (name) } dd { b { (value) } @if !detail.is_empty() { small { (detail) } } } }
    }
}

fn checks(checks: &[Check]) -> Markup {
    html! {
        section #checks {
            h2 { "Checks" }
            p.lead { "A check may only say PASS after it has caught a target with the flaw planted (its canary) and passed the same target repaired (its twin)." }
            div.scroll { table {
                thead { tr { th { "Check" } th { "Verdict" } th { "Question" } th { "Canary" } th { "Twin" } } }
                tbody { @for check in checks { tr {
                    td { code { (text(&check.name)) } @if let Some(target) = &check.target { div.dim { (text(target)) } } }
                    td { (chip(&check.verdict)) }
                    td.wide { (text(&check.question)) @if !check.verdict.reason().is_empty() { div.dim { (text(check.verdict.reason())) } } }
                    td { (trial(check.canary.as_ref(), &check.verdict)) }
                    td { (trial(check.twin.as_ref(), &check.verdict)) }
                } } }
            } }
        }
    }
}

/// What was seen, marked as the row's verdict says: words beside the expected one are no failure.
fn trial(trial: Option<&Trial>, verdict: &Verdict) -> Markup {
    html! {
        @match trial {
            None => span.dim { "–" },
            Some(trial) => {
                span class={ "trial " @if trial.seen == trial.expected || *verdict == Verdict::Pass { "good" } @else { "bad" } } { (text(&trial.seen)) }
                @if trial.seen != trial.expected { div.dim { "expected " (text(&trial.expected)) } }
                div.dim { (text(&trial.target)) }
            }
        }
    }
}

fn targets(targets: &[TargetRecord]) -> Markup {
    html! {
        section #targets {
            h2 { "Targets" }
            div.scroll { table.targets {
                thead { tr {
                    th { "Target" } th { "Verdict" } th.num { "Executions" } th.num { "per second" } th { "Edges reached" }
                    th.num { "Corpus" } th.num title="Chance that the next input finds a new edge (Good–Turing)" { "P(new edge)" } th.num { "Findings" }
                } }
                tbody { @for (i, target) in targets.iter().enumerate() { tr {
                    td { a href={ "#t" (i) } { (name(&target.name)) } }
                    td { (chip(&target.verdict)) }
                    td.num { (count(target.execs)) }
                    td.num { (short(target.execs_per_second)) }
                    td { (bar(target.edges_found, target.edges_total)) }
                    td.num { (count(target.corpus.entries)) }
                    td.num { (chance_of(target.saturation.p_new_edge, target.execs)) }
                    td.num { (target.confirmed().count()) }
                } } }
            } }
        }
    }
}

fn findings_section(record: &Record) -> Markup {
    let mut all: Vec<(usize, &TargetRecord, &Finding)> = Vec::new();
    for (i, target) in record.targets.iter().enumerate() {
        all.extend(target.findings.iter().map(|finding| (i, target, finding)));
    }
    // The order of reading: what counts before what does not, the worst first, targets as they stand.
    all.sort_by_key(|(i, _, finding)| {
        (finding.confirmed != Confirmation::Reproduced, std::cmp::Reverse(finding.severity), *i)
    });
    html! {
        section #findings {
            h2 { "Findings" }
            p.lead { "One per cause: the same oracle, outcome and innermost functions. What counts was minimised, and replayed on the module as it will be deployed." }
            @for (i, target, finding) in all.iter().take(FINDINGS_MAX) { (card(*i, target, finding)) }
            @if all.len() > FINDINGS_MAX { p.dim { (plural((all.len() - FINDINGS_MAX) as u64, "finding")) " more in report.json." } }
        }
    }
}

fn card(target_index: usize, target: &TargetRecord, finding: &Finding) -> Markup {
    let rule = rule(&finding.oracle, &finding.outcome);
    let counts = finding.confirmed == Confirmation::Reproduced;
    let anchor = format!("f{target_index}-{}", escape::file_name(&finding.id));
    html! {
        article class={ "card " (finding.severity.name()) @if !counts { " aside" } } id=(anchor) {
            header {
                p.kicker {
                    span class={ "sev " (finding.severity.name()) } { (finding.severity.name()) }
                    span { (rule.title) }
                    a href={ "https://cwe.mitre.org/data/definitions/" (rule.cwe) ".html" } rel="noreferrer" { "CWE-" (rule.cwe) }
                    a.id href={ "#" (anchor) } { (text(&finding.id)) }
                }
                h3 { (text(&finding.title)) }
                p.where {
                    a href={ "#t" (target_index) } { (name(&target.name)) }
                    " · " code { (text(&finding.outcome)) }
                    " · " (text(&finding.oracle)) " oracle · " (plural(finding.hits, "hit"))
                    @if finding.found_at.execs > 0 {
                        " · first after " (count(finding.found_at.execs)) " executions"
                        @if finding.found_at.seconds > 0.0 { ", " (seconds(finding.found_at.seconds)) }
                    }
                }
            }
            @match &finding.confirmed {
                Confirmation::Reproduced => {}
                Confirmation::NotReproduced(reason) => p.notice { b { "Not reproduced, does not count. " } (text(reason)) }
                Confirmation::NotTried(reason) => p.notice { b { "Not replayed, so the run is not clean. " } (text(reason)) }
            }
            p.meaning { (prose(rule.meaning)) " " span.dim { (prose(rule.advice)) } }
            @if finding.oracle == "constant-time" && target.constant_time.is_some() {
                p { a href={ "#" (constant_time::anchor(target_index)) } { "The leak beside the secrets that show it" } " stands in the section on constant time." }
            }
            @if let Some(anchor) = crossing_anchor(target_index, target, finding) {
                p { a href={ "#" (anchor) } { "The calls, who can make them and what to do" } " stand in the section on the JavaScript boundary." }
            }
            @if let Some(rule) = &finding.rule { (readers::specified(rule)) }
            @if !finding.readings.is_empty() { h4 { "Readings" } (readers::readings(&finding.readings)) }
            (command("Show it again", &finding.repro))
            @if !finding.message.is_empty() && finding.message != finding.title { h4 { (message_head(finding)) } pre.message { (lines(&finding.message)) } }
            @if !finding.frames.is_empty() { h4 { "Where" } (frames(&finding.frames)) }
            h4 { "Input" span.dim { " · " (bytes(finding.reproducer.bytes)) @if finding.reproducer.bytes_found > finding.reproducer.bytes { ", minimised from " (bytes(finding.reproducer.bytes_found)) } } }
            (input(finding))
            @if !finding.limits.is_empty() { h4 { "Under other limits" } (limit_rows(&finding.limits)) }
            details.more {
                summary { "Identity" }
                dl.pairs {
                    dt { "Bucket" } dd { code { (text(&finding.bucket.to_string())) } }
                    dt { "Reproducer" } dd { code { (text(&finding.reproducer.path)) } }
                    dt { "sha-256" } dd { code { (text(&finding.reproducer.sha256)) } }
                    @if let Some(line) = &finding.libfuzzer { dt { "libFuzzer" } dd { code { (text(line)) } } }
                }
            }
        }
    }
}

/// Where the section on the boundary tells more about a finding.
fn crossing_anchor(target_index: usize, target: &TargetRecord, finding: &Finding) -> Option<String> {
    let section = target.boundary.as_ref().filter(|_| finding.oracle == "boundary")?;
    boundary::card_anchor(target_index, section, &finding.id)
}

fn frames(frames: &[Frame]) -> Markup {
    const OPEN: usize = 8;
    // Recursion repeats one frame; say so once.
    let same = |a: &Frame, b: &Frame| (&a.function, &a.file, a.line) == (&b.function, &b.file, b.line);
    let mut depth = 0;
    let runs: Vec<(usize, &[Frame])> = frames
        .chunk_by(same)
        .map(|run| {
            depth += run.len();
            (depth - run.len(), run)
        })
        .collect();
    let row = |(depth, run): &(usize, &[Frame])| {
        let frame = &run[0];
        html! {
            li class=[frame.inlined.then_some("inlined")] value=(depth) {
                span.function { (text(&frame.function)) }
                span.place {
                    @match (&frame.file, frame.line) {
                        (Some(file), Some(line)) => { (text(file)) ":" (line) @if let Some(column) = frame.column { ":" (column) } }
                        (Some(file), None) => { (text(file)) }
                        _ => { @if let Some(offset) = frame.module_offset { "module offset " (format!("{offset:#x}")) } }
                    }
                    @if frame.inlined { span.tag { "inlined" } }
                    @if run.len() > 1 { span.tag { (run.len()) " times" } }
                }
            }
        }
    };
    html! {
        ol.frames { @for run in runs.iter().take(OPEN) { (row(run)) } }
        @if runs.len() > OPEN {
            details.more {
                summary { "Outer frames" span.dim { " · " (runs.len() - OPEN) } }
                ol.frames { @for run in runs.iter().skip(OPEN) { (row(run)) } }
            }
        }
    }
}

fn input(finding: &Finding) -> Markup {
    let preview = finding.reproducer.preview();
    let shown = &preview[..preview.len().min(PREVIEW_MAX)];
    let rest = finding.reproducer.bytes.saturating_sub(shown.len() as u64);
    html! {
        div.input {
            @if !shown.is_empty() {
                pre.hex { @for (offset, hex, text) in hexdump::rows(shown) {
                    span.offset { (offset) } "  " (hex) "  " span.ascii { (text) } "\n"
                } @if rest > 0 { span.offset { "… " (plural(rest, "more byte")) } } }
            } @else {
                p.dim { "The empty input." }
            }
            @if let Some(decoded) = &finding.decoded {
                pre.decoded { (lines(&cut(decoded, 4_096))) }
            }
        }
    }
}

fn coverage_section(targets: &[TargetRecord]) -> Markup {
    html! {
        section #coverage {
            h2 { "Coverage" }
            @for (i, target) in targets.iter().enumerate() { (target_section(i, target)) }
        }
    }
}

fn target_section(index: usize, target: &TargetRecord) -> Markup {
    html! {
        article.target id={ "t" (index) } {
            header {
                h3 { (text(&target.name)) " " (chip(&target.verdict)) }
                @if !target.verdict.reason().is_empty() { p.dim { (text(target.verdict.reason())) } }
                @if !target.about.is_empty() { p { (text(&target.about)) } }
            }
            @if target.execs > 0 { (saturation(target)) }
            (plots(target))
            @for note in &target.notes { p.notice { (text(note)) } }
            @if !target.functions.is_empty() { (functions(target)) }
            @if !target.host_calls.is_empty() {
                details.more {
                    summary { "Calls to the host" span.dim { " · " (plural(target.host_calls.len() as u64, "import")) } }
                    div.scroll { table {
                        thead { tr { th { "Import" } th { "Answered" } th.num { "Calls" } } }
                        tbody { @for call in &target.host_calls { tr { td { code { (text(&call.import)) } } td { (text(&call.answer)) } td.num { (count(call.count)) } } } }
                    } }
                }
            }
            details.more {
                summary { "Module" span.dim { @if target.bytes > 0 { " · " (bytes(target.bytes)) } " · " (text(&target.abi)) } }
                dl.pairs {
                    dt { "File" } dd { code { (text(&target.module_path)) } }
                    @if !target.sha256.is_empty() { dt { "sha-256" } dd { code { (text(&target.sha256)) } } }
                    @if !target.entries.is_empty() { dt { "Entries" } dd { @for entry in target.entries.iter().take(50) { code { (text(entry)) } " " } @if target.entries.len() > 50 { "and " (target.entries.len() - 50) " more" } } }
                    @if let Some(format) = &target.format { dt { "Format" } dd { (text(format)) } }
                    @if !target.oracles.is_empty() { dt { "Oracles" } dd { (text(&target.oracles.join(", "))) } }
                    @if target.execs > 0 {
                        dt { "Corpus" }
                        dd { (plural(target.corpus.entries, "input")) ", " (bytes(target.corpus.bytes)) ", " (count(target.corpus.seeds)) " there at the start" }
                        dt { "Processor time" } dd { (seconds(target.cpu_seconds)) }
                    }
                }
                @if !target.limits.is_empty() { h4 { "Limits that differ from the run's" } (limit_rows(&target.limits)) }
            }
        }
    }
}

/// How much is left to find, in one sentence.
fn saturation(target: &TargetRecord) -> Markup {
    let saturation = &target.saturation;
    html! {
        p.saturation {
            (count(target.edges_found)) " of " (count(target.edges_total)) " edges in " (count(target.execs)) " executions. "
            @match saturation.p_new_edge {
                Some(p) if p > 0.0 => { "The chance that the next input reaches a new edge is about " b { (chance(Some(p))) } " (one in " (short(1.0 / p)) ")" }
                Some(_) => { "No edge was seen only once: the chance of a new one is " b { (chance_of(target.saturation.p_new_edge, target.execs)) } " (95 % sure)" }
                None => { "Too little was seen to say how much is left" }
            }
            @if let Some(reachable) = saturation.chao1_edges { "; this way of fuzzing can reach about " b { (count(reachable.max(0.0).round() as u64)) } }
            "."
            @if target.execs > 0 { span.dim { " Last new edge " (seconds(saturation.seconds_since_last_edge)) " and " (count(saturation.execs_since_last_edge)) " executions before the end." } }
        }
    }
}

fn plots(target: &TargetRecord) -> Markup {
    let edges: Vec<(f64, f64)> = target.series.iter().map(|s| (s.seconds, s.edges as f64)).collect();
    let marks: Vec<f64> = target.confirmed().map(|finding| finding.found_at.seconds).take(100).collect();
    // The ceiling is worth its line only where it does not flatten the curve under it.
    let reachable = target
        .saturation
        .chao1_edges
        .filter(|r| *r >= target.edges_found as f64 && *r < 1.6 * target.edges_found as f64);
    let edges = plot::svg(&Plot {
        title: "Edges reached over time",
        points: &edges,
        line: Line::Steps,
        marks: &marks,
        ceiling: reachable.map(|reachable| (reachable, "reachable, estimated")),
        time: Time::Log,
    });
    let rates = rates(&target.series);
    let rate = plot::svg(&Plot {
        title: "Executions per second",
        points: &rates,
        line: Line::Straight,
        marks: &[],
        ceiling: None,
        time: Time::Linear,
    });
    html! {
        @if let (Some(edges), Some(rate)) = (edges, rate) {
            div.plots {
                figure { figcaption { "Edges reached" @if !marks.is_empty() { span.key { span.dot {} " finding" } } } (edges) }
                figure { figcaption { "Executions per second" } (rate) }
            }
            details.more.long {
                summary { "The plots as a table" }
                div.scroll { table.narrow {
                    thead { tr { th.num { "Time" } th.num { "Executions" } th.num { "Edges" } th.num { "Corpus" } th.num { "Findings" } } }
                    tbody { @for sample in thinned(&target.series, 16) { tr {
                        td.num { (seconds(sample.seconds)) } td.num { (count(sample.execs)) } td.num { (count(sample.edges)) } td.num { (count(sample.corpus)) } td.num { (count(sample.findings)) }
                    } } }
                } }
            }
        }
    }
}

/// Executions per second between samples, over slices of the run wide enough not to jump.
fn rates(series: &[Sample]) -> Vec<(f64, f64)> {
    let Some(end) = series.last().map(|sample| sample.seconds) else { return Vec::new() };
    let mut rates = Vec::new();
    let mut from = Sample::default();
    for sample in series {
        let elapsed = sample.seconds - from.seconds;
        if elapsed > 0.0 && elapsed >= end / 60.0 {
            let rate = sample.execs.saturating_sub(from.execs) as f64 / elapsed;
            if rates.is_empty() {
                rates.push((from.seconds, rate));
            }
            rates.push((sample.seconds, rate));
            from = *sample;
        }
    }
    rates
}

fn functions(target: &TargetRecord) -> Markup {
    let mut order: Vec<&FunctionCoverage> =
        target.functions.iter().filter(|function| function.edges_total > 0).collect();
    order.sort_by_key(|function| {
        (std::cmp::Reverse(function.edges_total.saturating_sub(function.edges_found)), function.index)
    });
    let reached = order.iter().filter(|function| function.edges_found > 0).count();
    html! {
        details.more.long {
            summary { "By function" span.dim { " · " (count(reached as u64)) " of " (count(order.len() as u64)) " entered" } }
            p.dim { "Most unreached edges first." }
            div.scroll { table.functions {
                thead { tr { th { "Function" } th { "Edges reached" } th.num { "Unreached" } } }
                tbody { @for function in order.iter().take(FUNCTIONS_MAX) { tr {
                    td { span.function { (text(&function.name)) } @if let Some(file) = &function.file { div.dim { (text(file)) @if let Some(line) = function.line { ":" (line) } } } }
                    td { (bar(function.edges_found, function.edges_total)) }
                    td.num { (count(function.edges_total.saturating_sub(function.edges_found))) }
                } } }
            } }
            @if order.len() > FUNCTIONS_MAX { p.dim { (plural((order.len() - FUNCTIONS_MAX) as u64, "function")) " more in report.json." } }
        }
    }
}

/// What was not tested stands in the report as plainly as what was.
fn not_tested(record: &Record) -> Markup {
    let gaps = gaps(record);
    html! {
        section #not-tested {
            h2 { "Not tested" }
            @if gaps.is_empty() {
                p { "The run left out nothing of what it was asked. What it was not asked, it did not test." }
            } @else {
                div.scroll { table {
                    thead { tr { th { "What" } th { "Why not" } th { "What would change that" } } }
                    tbody { @for (what, reason, remedy) in &gaps { tr {
                        td { (text(what)) } td.wide { (text(reason)) }
                        td.wide { @if remedy.is_empty() { span.dim { "–" } } @else { code { (text(remedy)) } } }
                    } } }
                } }
            }
        }
    }
}

/// What was not tested, why, and what would help: targets and checks that say so themselves, then what stands apart.
fn gaps(record: &Record) -> Vec<(&str, &str, &str)> {
    let targets = record.targets.iter().map(|target| (target.name.as_str(), &target.verdict));
    let checks = record.checks.iter().map(|check| (check.name.as_str(), &check.verdict));
    let mut gaps: Vec<(&str, &str, &str)> = targets
        .chain(checks)
        .filter_map(|(name, verdict)| match verdict {
            Verdict::NotTested(reason) => Some((name, reason.as_str(), "")),
            _ => None,
        })
        .collect();
    gaps.extend(
        record
            .not_tested
            .iter()
            .map(|NotTested { what, reason, remedy, .. }| (what.as_str(), reason.as_str(), remedy.as_str())),
    );
    gaps
}

fn limits_section(record: &Record) -> Markup {
    html! {
        section #limits {
            h2 { "Limits" }
            p.lead { "Every execution ran under these. A limit that is met is an outcome; an oracle says whether it is a finding." }
            (limit_rows(&record.limits))
        }
    }
}

fn limit_rows(rows: &[LimitRow]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Limit" } th.num { "Value" } th { "Unit" } th { "Why that much" } } }
            tbody { @for row in rows { tr {
                td { code { (text(&row.name)) } } td.num { (count(row.value)) }
                td { (text(&row.unit)) @if row.unit == "bytes" && row.value >= 1024 { span.dim { " · " (bytes(row.value)) } } }
                td.wide { (text(&row.reason)) }
            } } }
        } }
    }
}

fn again(record: &Record) -> Markup {
    let budget = match (record.run.budget.seconds, record.run.budget.runs) {
        (Some(time), Some(runs)) => format!("{} or {} executions per target", seconds(time), count(runs)),
        (Some(time), None) => seconds(time),
        (None, Some(runs)) => format!("{} executions per target", count(runs)),
        (None, None) => "none".into(),
    };
    html! {
        section #again {
            h2 { "Run it again" }
            (command("The same run", &record.run.command_line))
            div.columns {
                dl.pairs {
                    dt { "Seed" } dd { (record.run.seed) }
                    dt { "Jobs" } dd { (record.run.jobs) }
                    dt { "Budget" } dd { (budget) }
                    dt { "Fails at" } dd { (record.run.fail_on.name()) " and above" }
                    @if let Some(peak) = record.timing.memory_bytes_peak { dt { "Memory" } dd { (bytes(peak)) " per job at most" } }
                    @for phase in &record.timing.phases { dt { (text(&phase.name)) } dd { (seconds(phase.seconds)) } }
                }
                dl.pairs {
                    @for (name, version) in record.toolchain.iter().chain(&record.environment) { dt { (text(name)) } dd { (text(version)) } }
                }
            }
        }
    }
}

fn command(label: &str, line: &str) -> Markup {
    html! { @if !line.is_empty() { div.command { span { (label) } code { (text(line)) } } } }
}

fn chip(verdict: &Verdict) -> Markup {
    html! { span class={ "chip " (tone(verdict)) } title=(text(verdict.reason())) { (verdict.name()) } }
}

fn tone(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass | Verdict::Attested(_) => "good",
        Verdict::Fail(_) => "bad",
        Verdict::Warn(_) | Verdict::NotTested(_) | Verdict::NotAttested => "warn",
        Verdict::NotApplicable(_) => "quiet",
    }
}

fn bar(part: u64, whole: u64) -> Markup {
    let width = if whole == 0 { 0.0 } else { (100.0 * part as f64 / whole as f64).clamp(0.0, 100.0) };
    html! {
        span.bar aria-hidden="true" { span style={ "width:" (format!("{width:.1}")) "%" } {} }
        span.of { (percent(part, whole)) span.dim { " " (count(part)) "/" (count(whole)) } }
    }
}

/// `2026-11-21T22:04:46Z` → `2026-11-21 22:04 UTC`; anything else as it is.
fn moment(utc: &str) -> String {
    match (utc.get(..10), utc.get(10..11), utc.get(11..16)) {
        (Some(day), Some("T"), Some(time)) => format!("{day} {time} UTC"),
        _ => utc.to_owned(),
    }
}

fn text(text: &str) -> String {
    escape::line(text)
}

/// A name in passing; its own section has it whole.
fn name(text: &str) -> String {
    escape::column(text, 64)
}

fn lines(text: &str) -> String {
    block(text)
}

/// A text of our own tables; what stands between backticks is code.
fn prose(text: &str) -> Markup {
    html! { @for (i, part) in text.split('`').enumerate() { @if i % 2 == 1 { code { (part) } } @else { (part) } } }
}

/// What a target says while it dies is its own; what is measured of it is ours.
fn message_head(finding: &Finding) -> &'static str {
    match finding.oracle.as_str() {
        "contract" | "complexity" => "What was measured",
        "boundary" => "What happened",
        "constant-time" => "What was compared",
        _ => "What the module said",
    }
}
