//! The page: two sheets of paper with what an auditor asks first, then everything, control by control. No script, no
//! remote asset, and a policy that would stop both. `maud` escapes what goes into it.

use super::view::{Counts, Group, Row, VERDICTS, View};
use autoclave_certificate::certificate::{Campaign, Qualification, Trial};
use autoclave_certificate::dsse::PAYLOAD_TYPE;
use autoclave_certificate::{Algorithm, Level, Moment, Profile};
use autoclave_reports::controls::{self, Safeguard};
use autoclave_reports::escape::{column, line};
use autoclave_reports::formats::html::{MARK, head};
use autoclave_reports::words::{bytes, chance_of, count, percent, plural, seconds, short};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("html/style.css");

/// Rows on the first two sheets; the pages behind them have all.
const FAILED_MAX: usize = 4;
const GAPS_MAX: usize = 4;
const BEYOND_MAX: usize = 3;
const WAIVERS_MAX: usize = 3;
const ORACLES_MAX: usize = 10;
const CAMPAIGNS_MAX: usize = 4;
const LIMITS_MAX: usize = 8;
const VERSIONS_MAX: usize = 8;
/// Ids that are named beside a reason.
const IDS_MAX: usize = 14;

/// The file.
pub fn render(view: &View<'_>) -> String {
    page(view).into_string()
}

fn page(view: &View<'_>) -> Markup {
    let certificate = view.certificate;
    let title = format!("{} · {} · Autoclave certificate", view.headline(), column(&certificate.module.name, 64));
    let digest = view.subjects.as_deployed.to_string();
    // Only digits and letters of our own reach the style.
    let footer = format!(
        "@page {{ @bottom-left {{ content: \"Certificate of sha256 {}… · {} · {}\" }} }}\n",
        &digest[..16],
        certificate.level.name(),
        certificate.profile.name()
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&title, &format!("{STYLE}{footer}")))
            body {
                nav aria-label="Sections" {
                    a href="#summary" { "Summary" } a href="#evidence" { "Evidence" } a href="#controls" { "Controls" }
                    a href="#hipaa" { "HIPAA map" } a href="#not-tested" { "Not tested" } a href="#campaigns" { "Campaigns" }
                    a href="#conditions" { "Conditions" }
                }
                main {
                    (first_sheet(view))
                    (second_sheet(view))
                    (all_controls(view))
                    (hipaa(view))
                    (everything_not_tested(view))
                    (campaigns_section(view))
                    (conditions(view))
                }
                footer {
                    p {
                        "Written by " (text(&certificate.tool.name)) " " (text(&certificate.tool.version)) ". "
                        "A certificate is evidence for safeguards; it does not say that a law is kept, nor that a module is free of faults. "
                        "The same for programs: " code { "certificate.json" } ", " code { "oscal-assessment-results.json" } ", " code { "ctrf.json" } "."
                    }
                }
            }
        }
    }
}

fn first_sheet(view: &View<'_>) -> Markup {
    let certificate = view.certificate;
    let (from, until) = (certificate.not_before, certificate.not_after);
    html! {
        section.sheet #summary {
            header.masthead {
                div.brand { (PreEscaped(MARK)) span { "Autoclave" } }
                div.kind { "Certificate of tests" span.dim { " · issued " (minute(certificate.issued)) } }
            }
            h1 { span.clamp1 { (column(&certificate.module.name, 80)) } }
            div class={ "banner " (tone(view)) } {
                div.answer {
                    p.verdict { (view.headline()) }
                    p.because { (view.because()) }
                }
                dl.facts {
                    (fact("Profile", certificate.profile.name(), profile_words(view)))
                    (fact("Level", certificate.level.name(), level_words(view)))
                    (fact("Valid from", &day(from), &clock(from)))
                    (fact("until", &day(until), &plural(until.days_since(from), "day")))
                }
            }
            div.verdicts {
                (bar(&view.asked))
                p.legend {
                    @for (name, n) in view.asked.each() { @if n > 0 { span class={ "item " (verdict_tone(name)) } { i {} b { (n) } " " (name) } } }
                    span.dim { "of " (plural(view.asked.total() as u64, "check")) " asked for; " (view.outside.total()) " others are outside of profile and level" }
                }
            }
            (identity(view))
            @if view.with("FAIL").next().is_some() { (failed(view)) }
            (gaps(view))
            (waivers(view))
        }
    }
}

/// Which bytes, and who says so.
fn identity(view: &View<'_>) -> Markup {
    let certificate = view.certificate;
    html! {
        div.columns.identity {
            div {
                h2 { "The module" }
                dl.pairs {
                    dt { "Size" } dd { (count(view.subjects.bytes)) " bytes" }
                    dt { "SHA-256" } dd { code.digest { (view.subjects.as_deployed) } small { "as deployed" } }
                    @if view.subjects.without_signatures == view.subjects.as_deployed {
                        dt {} dd.dim { "The same without signature sections: it has none." }
                    } @else {
                        dt {} dd { code.digest { (view.subjects.without_signatures) } small { "without signature sections" } }
                    }
                    dt { "Integrity" } dd { code.digest.long { (view.subjects.integrity) } }
                    @if let Some(interface) = certificate.module.interface { dt { "Interface" } dd { code.digest { (interface) } small { "imports and exports with types" } } }
                }
            }
            div {
                h2 { "Who vouches" }
                dl.pairs {
                    dt { "Verifier" } dd { code { (column(&certificate.verifier, 90)) } }
                    dt { "Program" } dd { (column(&certificate.tool.name, 40)) " " (column(&certificate.tool.version, 40)) }
                    @match &view.signer {
                        Some(signer) => {
                            dt { "Key" } dd { code.digest.wide { (signer.hint) } small { (algorithm(signer.algorithm)) "; base64 of SHA-256 of the public key" } }
                            dt { "Signed" } dd { "Three statements, verified with this key. File of " (count(signer.bytes)) " bytes, SHA-256" code.digest { (signer.file) } }
                        }
                        None => { dt { "Key" } dd.unsigned { "Not signed: nobody vouches for this copy." } }
                    }
                }
            }
        }
    }
}

fn fact(name: &str, value: &str, detail: &str) -> Markup {
    html! { div { dt { (name) } dd { b { (value) } small { (detail) } } } }
}

fn profile_words(view: &View<'_>) -> &'static str {
    match view.certificate.profile {
        Profile::Module => "the module alone",
        Profile::ModuleAndGlue => "with its JavaScript glue",
    }
}

fn level_words(view: &View<'_>) -> &'static str {
    match view.certificate.level {
        Level::L0 => "static: nothing executed",
        Level::L1 => "fuzzed under limits",
        Level::L2 => "compared and timed",
        Level::L3 => "rebuilt, second engine",
    }
}

fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::P256 => "ECDSA P-256",
        Algorithm::Ed25519 => "Ed25519",
    }
}

fn failed(view: &View<'_>) -> Markup {
    // Those that nobody answers for come first.
    let mut rows: Vec<&Row<'_>> = view.with("FAIL").collect();
    rows.sort_by_key(|row| row.waiver.is_some());
    let waived = rows.iter().filter(|row| row.waiver.is_some()).count();
    html! {
        h2 { "Failed" span.n { (rows.len()) @if waived > 0 { ", " (waived) " of them waived" } (rest(rows.len(), FAILED_MAX, "controls")) } }
        table.brief {
            tbody { @for row in rows.iter().take(FAILED_MAX) { tr {
                th scope="row" { (id(row)) }
                td { div.clamp { (what(row, 110)) } }
                td { div.clamp { (prose(&column(&row.check.reason, 150))) } }
            } } }
        }
    }
}

/// Where the rest of a list is that is cut here.
fn rest(rows: usize, rows_max: usize, section: &str) -> Markup {
    html! { @if rows > rows_max { " · " (rows_max) " here, " a href={ "#" (section) } { "all " (count(rows as u64)) } " on the pages behind" } }
}

/// What was not tested, before anything that was.
fn gaps(view: &View<'_>) -> Markup {
    let gaps = view.gaps();
    let beyond = &view.certificate.not_tested;
    let n: usize = gaps.iter().map(|(_, ids)| ids.len()).sum();
    html! {
        h2 { "Not tested" span.n { (n) " of " (view.asked.total()) " checks asked for" (rest(gaps.len(), GAPS_MAX, "not-tested")) } }
        @if gaps.is_empty() { p { "Every check that profile and level ask for has an answer." } }
        @else {
            table.brief {
                tbody { @for (reason, ids) in gaps.iter().take(GAPS_MAX) { tr {
                    td.reason { div.clamp { (prose(&column(reason, 120))) } }
                    td.ids { div.clamp { b { (ids.len()) } " " (some_ids(ids, IDS_MAX)) } }
                } } }
            }
        }
        @if !beyond.is_empty() {
            p.label { "And, beyond the list of controls:" (rest(beyond.len(), BEYOND_MAX, "not-tested")) }
            ul.beyond {
                @for gap in beyond.iter().take(BEYOND_MAX) { li { div.clamp { b { (column(&gap.what, 90)) } ": " (column(&gap.reason, 150)) } } }
            }
        }
    }
}

/// Ids that do not break at their hyphen.
fn some_ids(ids: &[&str], max: usize) -> Markup {
    html! {
        @for (i, id) in ids.iter().take(max).enumerate() { @if i > 0 { ", " } span { (column(id, 16)) } }
        @if ids.len() > max { " and " (ids.len() - max) " more" }
    }
}

fn waivers(view: &View<'_>) -> Markup {
    let waivers = &view.certificate.waivers;
    html! {
        h2 { "Waivers" span.n { (waivers.len()) (rest(waivers.len(), WAIVERS_MAX, "not-tested")) } }
        @if waivers.is_empty() { p { "None: nobody answers for a verdict in place of the tests." } }
        @else {
            table.brief {
                thead { tr { th { "Check" } th { "Owner" } th { "Reason" } th { "Ends" } } }
                tbody { @for waiver in waivers.iter().take(WAIVERS_MAX) { tr {
                    th scope="row" { (column(&waiver.check, 16)) }
                    td { div.clamp { (column(&waiver.owner, 60)) } }
                    td { div.clamp { (column(&waiver.reason, 150)) } }
                    td.nowrap { (day(waiver.expires)) }
                } } }
            }
        }
    }
}

fn second_sheet(view: &View<'_>) -> Markup {
    html! {
        section.sheet #evidence {
            h2.first { "Verdicts by family" }
            (families(view))
            div.columns {
                div { (qualification(view)) }
                div { (spent(view)) }
            }
            div.columns.three {
                div {
                    h2 { "Limits" span.n { (rest(view.certificate.limits.len(), LIMITS_MAX, "conditions")) } }
                    dl.pairs.tight {
                        @for limit in view.certificate.limits.iter().take(LIMITS_MAX) { dt { div.clamp1 { (column(&limit.name, 30)) } } dd { div.clamp1 { (amount(limit.value, &limit.unit)) } } }
                        @if view.certificate.limits.is_empty() { dt {} dd.dim { "None are stated." } }
                    }
                }
                div {
                    h2 { "Versions" span.n { (rest(view.certificate.versions.len(), VERSIONS_MAX, "conditions")) } }
                    dl.pairs.tight {
                        @for (name, version) in view.certificate.versions.iter().take(VERSIONS_MAX) { dt { div.clamp1 { (column(name, 24)) } } dd { div.clamp1 { (column(version, 32)) } } }
                        @if view.certificate.versions.is_empty() { dt {} dd.dim { "None are stated." } }
                    }
                }
                div {
                    h2 { "Held to" }
                    dl.stacked {
                        (pinned("Policy", &view.certificate.policy.name, &view.certificate.policy.sha256.to_string()))
                        (pinned("Controls", &view.certificate.controls.name, &view.certificate.controls.sha256.to_string()))
                        @if let Some(report) = &view.certificate.report { (pinned("Report", &report.name, &report.sha256.to_string())) }
                    }
                }
            }
            (offline(view))
        }
    }
}

fn pinned(what: &str, name: &str, digest: &str) -> Markup {
    html! { dt { (what) } dd { (column(name, 40)) code.digest { (digest) } } }
}

fn families(view: &View<'_>) -> Markup {
    let asked = |group: &Group<'_, '_>| Counts::of(group.rows.iter().copied().filter(|row| row.is_asked()));
    html! {
        table.families {
            thead { tr {
                th { "Family" } th.num { "asked" }
                @for name in VERDICTS { th.num { (name) } }
                th.num { "outside" } th.meter { span.hidden { "share" } }
            } }
            tbody { @for group in view.groups() { @let counts = asked(&group); tr.none[counts.total() == 0] {
                th scope="row" { (family_name(&group)) }
                td.num { (number(counts.total())) }
                @for (name, n) in counts.each() { td class={ "num " (verdict_tone(name)) @if n > 0 { " some" } } { (number(n)) } }
                td.num.dim { (number(group.rows.len() - counts.total())) }
                td.meter { (bar(&counts)) }
            } } }
            tfoot { tr {
                th scope="row" { "All" }
                td.num { (view.asked.total()) }
                @for (name, n) in view.asked.each() { td class={ "num " (verdict_tone(name)) @if n > 0 { " some" } } { (number(n)) } }
                td.num.dim { (number(view.outside.total())) }
                td.meter { (bar(&view.asked)) }
            } }
        }
        @if view.outside.get("FAIL") > 0 { p.notice { (plural(view.outside.get("FAIL") as u64, "check")) " outside of profile and level failed, too; a failure counts wherever it is." } }
        @if !view.unlisted.is_empty() { p.notice { (plural(view.unlisted.len() as u64, "control")) " of the catalogue that this page was written with are not in the certificate." } }
    }
}

/// A zero that does not shout.
fn number(n: usize) -> String {
    if n == 0 { "·".to_owned() } else { n.to_string() }
}

fn family_name(group: &Group<'_, '_>) -> Markup {
    html! { @match group.family { Some(family) => { b { (family.id) } " " (family.title) }, None => "Unknown to this catalogue" } }
}

/// Shares of verdicts; the table beside it says the same in numbers.
fn bar(counts: &Counts) -> Markup {
    html! {
        span.bar aria-hidden="true" { @for (name, n) in counts.each() { @if n > 0 { i class=(verdict_tone(name)) style={ "flex-grow:" (n) } {} } } }
    }
}

fn qualification(view: &View<'_>) -> Markup {
    // Those that did not see come first, so that none is cut off.
    let mut rows: Vec<&Qualification> = view.certificate.qualification.iter().collect();
    rows.sort_by_key(|row| row.is_complete());
    html! {
        h2 { "Can the oracles see?" span.n { (view.qualified()) " of " (rows.len()) (rest(rows.len(), ORACLES_MAX, "conditions")) } }
        p.small {
            @if rows.is_empty() { "No oracle was asked to catch a planted flaw: nothing here is qualified." }
            @else { "Oracles that, in the same run, caught a planted flaw and passed its repaired twin. One that does not may not say PASS." }
        }
        @if !rows.is_empty() {
            table.brief.oracles {
                tbody { @for row in rows.iter().take(ORACLES_MAX) { tr {
                    th scope="row" { (column(&row.oracle, 20)) }
                    td { div.clamp1 { (column(&row.canary, 32)) } }
                    td.nowrap { (seen(row)) }
                } } }
            }
        }
    }
}

fn seen(row: &Qualification) -> Markup {
    html! {
        @if row.is_complete() { span.good { "caught, twin passed" } }
        @else { span.bad { (trial(row.canary_seen)) ", twin " (trial(row.twin_seen)) } }
    }
}

fn trial(seen: Trial) -> &'static str {
    match seen {
        Trial::Caught => "caught",
        Trial::Passed => "passed",
        Trial::NotRun => "not run",
    }
}

fn spent(view: &View<'_>) -> Markup {
    let campaigns = &view.certificate.campaigns;
    // Those with most left to find come first.
    let mut worst: Vec<&Campaign> = campaigns.iter().collect();
    worst.sort_by_key(|campaign| {
        std::cmp::Reverse(u128::from(campaign.singletons) * 1_000_000_000_000 / u128::from(campaign.executions.max(1)))
    });
    let budget = campaigns.iter().filter_map(|campaign| campaign.budget_seconds).fold(0u64, u64::saturating_add);
    let execs = campaigns.iter().fold(0u64, |sum, campaign| sum.saturating_add(campaign.executions));
    html! {
        h2 { "Fuzzing" span.n { (short(execs as f64)) " executions" @if budget > 0 { " within " (seconds(budget as f64)) } (rest(campaigns.len(), CAMPAIGNS_MAX, "campaigns")) } }
        p.small {
            @if campaigns.is_empty() { "Nothing was fuzzed." }
            @else { "P(new edge): chance that the next input reaches code that none has reached (Good–Turing)." }
        }
        @if !campaigns.is_empty() {
            table.brief.spent {
                thead { tr { th { "Entry" } th.num { "Executions" } th.num { "Edges" } th.num { "P(new edge)" } } }
                tbody { @for campaign in worst.iter().take(CAMPAIGNS_MAX) { tr {
                    th scope="row" { div.clamp1 { (column(&campaign.entry, 24)) } }
                    td.num { (short(campaign.executions as f64)) }
                    td.num { (percent(campaign.edges, campaign.edges_total)) }
                    td.num { (p_new_edge(campaign)) }
                } } }
            }
        }
        h2 { "Corpus" span.n { (plural(view.certificate.corpus.inputs, "input")) } }
        p.small { "SHA-256 over the sorted digests of all inputs" code.digest.wide { (view.certificate.corpus.sha256) } }
    }
}

fn p_new_edge(campaign: &Campaign) -> String {
    let p = (campaign.executions > 0).then(|| campaign.singletons as f64 / campaign.executions as f64);
    chance_of(p, campaign.executions)
}

/// A limit's value as people read it.
fn amount(value: u64, unit: &str) -> String {
    match unit {
        "bytes" if value >= 1024 => bytes(value),
        unit => format!("{} {}", count(value), column(unit, 24)),
    }
}

/// How anybody checks the file without us.
fn offline(view: &View<'_>) -> Markup {
    html! {
        h2 { "Check it yourself, offline" }
        p.small { "MODULE is the file as it would be loaded, CERTIFICATE the file of three lines, KEY the signer's public key, which you must have got over another channel." }
        pre.shell { code { (PreEscaped("<b>cargo xtask verify MODULE CERTIFICATE --key KEY</b>       <i># the decision, under a policy of yours with --policy admit.toml</i>\n"))
            "sha256sum MODULE                                      " i { "# " (view.subjects.as_deployed.to_string()[..16]) "…, in full on the first page" } "\n"
            (openssl(view.signer.as_ref().map_or(Algorithm::P256, |signer| signer.algorithm)))
        } }
        p.small { "The key's name: " code { "openssl pkey -pubin -in KEY -outform DER | openssl dgst -sha256 -binary | base64" } }
    }
}

/// OpenSSL alone, on the certificate's first line.
pub fn openssl(algorithm: Algorithm) -> String {
    let verify = match algorithm {
        Algorithm::P256 => "openssl dgst -sha256 -verify KEY -signature signature signed",
        Algorithm::Ed25519 => "openssl pkeyutl -verify -rawin -pubin -inkey KEY -sigfile signature -in signed",
    };
    format!(
        "part() {{ head -n 1 CERTIFICATE | sed -E \"s/.*\\\"$1\\\":\\\"([^\\\"]*)\\\".*/\\1/\" | base64 -d; }}\n\
         part payload > statement; part sig > signature\n\
         {{ printf 'DSSEv1 {} {PAYLOAD_TYPE} %d ' $(wc -c < statement); cat statement; }} > signed\n\
         {verify}\n",
        PAYLOAD_TYPE.len()
    )
}

fn all_controls(view: &View<'_>) -> Markup {
    html! {
        section.appendix #controls {
            h2 { "Every control" }
            p.lead {
                "Each control of the catalogue once, with its answer and why. A mark in the last column: the profile and level of this certificate ask for it. "
                "PASS is said by an oracle only after it has caught a planted flaw in the same run; what no program can test is ATTESTED by somebody, or NOT-ATTESTED."
            }
            @for group in view.groups() {
                h3 { (family_name(&group)) @if let Some(family) = group.family { span.dim { (family.about) } } }
                table.controls {
                    thead { tr { th { "Control" } th { "Verdict" } th { "What must be so, and what was found out" } th { "Asked" } } }
                    tbody { @for row in &group.rows { (control_row(row)) } }
                }
            }
            @if !view.unlisted.is_empty() {
                h3 { "Not in the certificate" }
                p { "Controls of the catalogue that this page was written with: " (view.unlisted.join(", ")) "." }
            }
        }
    }
}

fn control_row(row: &Row<'_>) -> Markup {
    let name = row.verdict.name();
    html! {
        tr.outside[!row.is_asked()] id=[row.control.map(|control| control.id.as_str())] {
            th scope="row" { (text(&row.check.id)) }
            td { (chip(name)) }
            td.what {
                @if let Some(control) = row.control { p { (prose(&control.text)) } } @else { p.dim { "The catalogue that this page was written with does not have it." } }
                @if !row.check.reason.is_empty() { p.reason { (prose(&text(&row.check.reason))) } }
                @if let Some(waiver) = row.waiver { p.waived { b { "Waived" } " by " (text(&waiver.owner)) " until " (day(waiver.expires)) ": " (text(&waiver.reason)) } }
                @if row.check.oracle.is_some() || row.check.evidence.is_some() {
                    p.by {
                        @if let Some(oracle) = &row.check.oracle { "oracle " (text(oracle)) }
                        @if row.check.oracle.is_some() && row.check.evidence.is_some() { " · " }
                        @if let Some(evidence) = row.check.evidence { "evidence " code { (evidence) } }
                    }
                }
            }
            td.nowrap { @if row.is_asked() { "●" span.hidden { "asked" } } @else { span.hidden { "outside" } } @if let Some(control) = row.control { span.dim { " " (control.level.name()) } } }
        }
    }
}

fn chip(name: &str) -> Markup {
    html! { span class={ "chip " (verdict_tone(name)) } { (name) } }
}

fn hipaa(view: &View<'_>) -> Markup {
    let mapped = |row: &&Row<'_>| row.control.is_some_and(|control| control.safeguards().next().is_some());
    html! {
        section.appendix #hipaa {
            h2 { "HIPAA Security Rule: what is evidence for which safeguard" }
            p.lead {
                "45 CFR part 164 as in force; titles are the regulation's. A verdict beside a safeguard is evidence for it, no more: whether a safeguard is met depends on the whole organisation. "
                "What has no control beside it, this certificate says nothing about. "
                "The rule " em { "proposed" } " on 6 January 2025 (90 FR 898) would change and renumber safeguards; it is not used here."
            }
            h3 { "From safeguard to controls" }
            table.map {
                thead { tr { th { "Safeguard" } th { "Controls by verdict" } } }
                tbody { @for safeguard in controls::safeguards() { (safeguard_row(view, safeguard)) } }
            }
            h3 { "From control to safeguards" }
            div.list {
                @for row in view.rows.iter().filter(mapped) {
                    div.one { span { (id(row)) } span class={ "word " (verdict_tone(row.verdict.name())) } { (row.verdict.name()) }
                        span.cites { @for (i, safeguard) in row.control.iter().flat_map(|control| control.safeguards()).enumerate() { @if i > 0 { ", " } (safeguard.citation) } } }
                }
            }
        }
    }
}

fn safeguard_row(view: &View<'_>, safeguard: &'static Safeguard) -> Markup {
    let rows = view.for_safeguard(safeguard);
    html! {
        tr {
            th scope="row" { (safeguard.citation) span.title { (safeguard.title) } span.dim { (safeguard.kind.name()) } }
            td {
                @if rows.is_empty() { span.dim { "no control is evidence for it" } }
                @for name in VERDICTS {
                    @let ids: Vec<&&Row<'_>> = rows.iter().filter(|row| row.verdict.name() == name).collect();
                    @if !ids.is_empty() {
                        p { span class={ "word " (verdict_tone(name)) } { (name) } " " span.ids { @for (i, row) in ids.iter().enumerate() { @if i > 0 { ", " } (id(row)) } } }
                    }
                }
            }
        }
    }
}

fn everything_not_tested(view: &View<'_>) -> Markup {
    let certificate = view.certificate;
    html! {
        section.appendix #not-tested {
            h2 { "Not tested, and waived" }
            h3 { "Beyond the list of controls" }
            @if certificate.not_tested.is_empty() { p.dim { "The certificate names nothing." } }
            @else {
                table.plain {
                    thead { tr { th { "What" } th { "Why not" } th { "What would test it" } } }
                    tbody { @for gap in &certificate.not_tested { tr { td { (text(&gap.what)) } td { (text(&gap.reason)) } td { (text(&gap.remedy)) } } } }
                }
            }
            h3 { "Controls, by reason" }
            @let gaps = view.gaps();
            @if gaps.is_empty() { p.dim { "Every control that profile and level ask for has an answer." } }
            @else {
                table.plain {
                    thead { tr { th { "Why not" } th.num { "Controls" } th { "Which" } } }
                    tbody { @for (reason, ids) in &gaps { tr { td { (prose(&text(reason))) } td.num { (ids.len()) } td { (text(&ids.join(", "))) } } } }
                }
            }
            h3 { "Waivers" }
            @if certificate.waivers.is_empty() { p.dim { "None." } }
            @else {
                table.plain {
                    thead { tr { th { "Check" } th { "Owner" } th { "Reason" } th { "Ends" } } }
                    tbody { @for waiver in &certificate.waivers { tr { td { (text(&waiver.check)) } td { (text(&waiver.owner)) } td { (text(&waiver.reason)) } td.nowrap { (minute(waiver.expires)) } } } }
                }
            }
        }
    }
}

fn campaigns_section(view: &View<'_>) -> Markup {
    html! {
        section.appendix #campaigns {
            h2 { "Campaigns" }
            @if view.certificate.campaigns.is_empty() { p.dim { "Nothing was fuzzed." } }
            @else {
                table.plain.figures {
                    thead { tr { th { "Entry" } th.num { "Seed" } th.num { "Budget" } th.num { "Executions" } th.num { "Edges reached" } th.num { "Seen once" } th.num { "P(new edge)" } th.num { "Since the last new edge" } } }
                    tbody { @for campaign in &view.certificate.campaigns { tr {
                        td { (text(&campaign.entry)) }
                        td.num { (campaign.seed) }
                        td.num { @match campaign.budget_seconds { Some(budget) => (seconds(budget as f64)), None => "executions" } }
                        td.num { (count(campaign.executions)) }
                        td.num { (count(campaign.edges)) " of " (count(campaign.edges_total)) }
                        td.num { (count(campaign.singletons)) }
                        td.num { (p_new_edge(campaign)) }
                        td.num { (count(campaign.executions_since_new_edge)) }
                    } } }
                }
            }
        }
    }
}

fn conditions(view: &View<'_>) -> Markup {
    let certificate = view.certificate;
    html! {
        section.appendix #conditions {
            h2 { "Conditions" }
            dl.pairs {
                dt { "Module" } dd { (text(&certificate.module.name)) }
                dt { "Verifier" } dd { (text(&certificate.verifier)) }
                dt { "Program" } dd { (text(&certificate.tool.name)) " " (text(&certificate.tool.version)) }
            }
            div.columns {
                div {
                    h3 { "Limits in force" }
                    dl.pairs { @for limit in &certificate.limits { dt { (text(&limit.name)) } dd { (count(limit.value)) " " (text(&limit.unit)) } } }
                    @if certificate.limits.is_empty() { p.dim { "None are stated." } }
                }
                div {
                    h3 { "Versions and machine" }
                    dl.pairs { @for (name, value) in certificate.versions.iter().chain(&certificate.machine) { dt { (text(name)) } dd { (text(value)) } } }
                    @if certificate.versions.is_empty() && certificate.machine.is_empty() { p.dim { "None are stated." } }
                }
            }
            h3 { "Oracles and their planted flaws" }
            @if certificate.qualification.is_empty() { p.dim { "No oracle was asked to catch one." } }
            @else {
                table.plain {
                    thead { tr { th { "Oracle" } th { "Canary" } th { "Seen" } th { "Repaired twin" } th { "Seen" } } }
                    tbody { @for row in &certificate.qualification { tr {
                        td { (text(&row.oracle)) } td { (text(&row.canary)) } td { (trial(row.canary_seen)) } td { (text(&row.twin)) } td { (trial(row.twin_seen)) }
                    } } }
                }
            }
        }
    }
}

/// What a check asks, in a few words.
fn what(row: &Row<'_>, chars_max: usize) -> String {
    row.control.map_or_else(|| "not in this catalogue".to_owned(), |control| column(&control.text, chars_max))
}

/// A check's id; a link to its row where it has one.
fn id(row: &Row<'_>) -> Markup {
    html! {
        @match row.control {
            Some(control) => a href={ "#" (control.id) } { (control.id) },
            None => (column(&row.check.id, 16)),
        }
    }
}

fn tone(view: &View<'_>) -> &'static str {
    match (view.claims_level, view.with("FAIL").next().is_some()) {
        (true, false) => "good",
        (true, true) => "warn",
        (false, true) => "bad",
        (false, false) => "warn",
    }
}

fn verdict_tone(name: &str) -> &'static str {
    match name {
        "PASS" => "pass",
        "WARN" => "warned",
        "FAIL" => "fail",
        "NOT-TESTED" => "untested",
        "ATTESTED" => "attested",
        "NOT-ATTESTED" => "unattested",
        _ => "na",
    }
}

/// `2026-11-22`.
fn day(moment: Moment) -> String {
    moment.to_string().chars().take(10).collect()
}

/// `21:04:51 UTC`.
fn clock(moment: Moment) -> String {
    format!("{} UTC", moment.to_string().trim_end_matches('Z').chars().skip(11).collect::<String>())
}

/// `2026-11-22 21:04 UTC`.
fn minute(moment: Moment) -> String {
    let text = moment.to_string();
    format!("{} {} UTC", &text[..10], &text[11..16])
}

fn text(text: &str) -> String {
    line(text)
}

/// What stands between backticks is code.
fn prose(text: &str) -> Markup {
    html! { @for (i, part) in text.split('`').enumerate() { @if i % 2 == 1 { code { (part) } } @else { (part) } } }
}
