//! A record in which every text is an attack on whoever prints it, in every format.

use crate::{glue, limits, sample, secrets, tools};
use autoclave_reports::Record;
use autoclave_reports::boundary::Profile;
use autoclave_reports::constant_time::Unreached;
use autoclave_reports::contract::{Contract, Point, Tile};
use autoclave_reports::formats::{ALL, Format, html};
use serde_json::Value;

/// One text with an attack on each place it may be printed in. `tripwire` becomes the page's title if any of it runs.
const PAYLOAD: &str = concat!(
    "=cmd|'/c calc'!A1\u{1b}]0;owned\u{7}\u{1b}[31m\u{9b}2J\0\u{8}\r\n",
    "<script>document.title='tripwire'</script>",
    "\"><img src=x onerror=\"document.title='tripwire'\">",
    "'><svg onload=document.title='tripwire'>",
    "</title></style></pre></code></textarea><script>document.title='tripwire'</script>",
    "<a href=\"javascript:document.title='tripwire'\">x</a>",
    "<meta http-equiv=refresh content='0;url=javascript:document.title=1'>",
    "<!--]]>&lt;&#60;<![CDATA[<?xml?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;",
    "| a | b |\n# head\n```\n[link](http://evil.example) ![i](http://evil.example/i.png) @everyone **b** `c` ~~d~~\n",
    "%0A::error::owned\n::set-output name=x::y\n##[error]owned\n",
    "\u{202e}txt.exe\u{2066}\u{200b}\u{feff}\u{fffe}\u{e0041}\u{2028}",
    "../../../etc/passwd C:\\x file:///etc/passwd {{7*7}} ${7*7} \\u{1b}",
);

/// The samples, each of their texts replaced by the attack, some of them a megabyte long.
pub fn record() -> Record {
    let mut whole = sample::record();
    whole.targets.extend(limits::record().targets);
    whole.targets.extend(secrets::record().targets);
    whole.targets.extend(glue::record().targets);
    let mut value = serde_json::to_value(whole).unwrap();
    let mut count = 0;
    poison("", &mut value, &mut count);
    assert!(count > 500, "only {count} texts were replaced");
    serde_json::from_value(value).unwrap()
}

fn poison(key: &str, value: &mut Value, count: &mut usize) {
    match value {
        // Words of the schema, not texts: anything else there would not be a record.
        Value::String(_) if matches!(key, "status" | "severity" | "fail_on" | "scope" | "profiles" | "known") => {}
        Value::String(text) if key == "profile" && Profile::ALL.iter().any(|profile| profile.name() == text) => {}
        Value::String(text) if key == "policy" && ["allowed", "refused", "unknown"].contains(&text.as_str()) => {}
        Value::String(text) => {
            *count += 1;
            *text = match *count % 25 {
                0 => PAYLOAD.repeat((1 << 20) / PAYLOAD.len() + 1),
                _ => format!("{PAYLOAD}{count}"),
            };
        }
        Value::Array(items) => items.iter_mut().for_each(|item| poison(key, item, count)),
        Value::Object(fields) => {
            let is_map = matches!(key, "toolchain" | "environment");
            let taken = std::mem::take(fields);
            fields.extend(taken.into_iter().map(|(key, mut value)| {
                poison(&key, &mut value, count);
                (if is_map { format!("{PAYLOAD}{key}") } else { key }, value)
            }));
        }
        _ => {}
    }
}

/// What may stand in a file: no character that acts on a terminal or turns text around.
fn assert_inert(what: &str, text: &str) {
    assert!(!text.contains("##["), "{what} holds a command for GitHub");
    for c in text.chars() {
        let acts = (c.is_control() && c != '\n' && c != '\r')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{e0041}');
        assert!(!acts, "{what} holds {c:?}");
    }
}

#[test]
fn every_format_stays_inert_and_bounded() {
    let record = record();
    for format in ALL {
        for file in format.files(&record) {
            let text = String::from_utf8(file.bytes).unwrap_or_else(|_| panic!("{} is not UTF-8", file.path));
            assert_inert(&file.path, &text);
            assert!(text.len() < 2 << 20, "{}: {} bytes", file.path, text.len());
            assert!(file.path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b)), "{}", file.path);
            assert!(file.path.split('/').all(|part| part != ".."), "{}", file.path);
        }
    }
}

/// A contract of as many rows, with numbers as large, as a file may hold.
#[test]
fn a_contract_without_end_makes_a_page_that_ends() {
    let sample = limits::record().targets.remove(0).contract.unwrap();
    let huge = |bytes: u64| Point { bytes, fuel: u64::MAX - bytes, memory_bytes: u64::MAX };
    let mut contract = Contract { allowed: (0..3_000).rev().map(huge).collect(), ..sample.clone() };
    for at in 0..30_000_usize {
        let mut trial = sample.trials[at % sample.trials.len()].clone();
        trial.entry = format!("entry{}", at % 700);
        trial.family = format!("{PAYLOAD}{at}");
        (trial.bytes, trial.fuel, trial.fuel_allowed) = (at as u64 % 3, u64::MAX, at as u64 % 2);
        (trial.memory_bytes, trial.memory_bytes_allowed, trial.output_bytes) = (u64::MAX, 1, u64::MAX);
        trial.expanded = if at % 2 == 0 { u128::MAX.to_string() } else { PAYLOAD.into() };
        trial.wall_ms = f64::MAX;
        contract.trials.push(trial);
        let mut growth = sample.growth[at % sample.growth.len()].clone();
        growth.entry = format!("entry{}", at % 700);
        growth.shape = format!("{PAYLOAD}{at}");
        growth.points = (0..1_000).map(huge).collect();
        (growth.exponent, growth.fuel_per_byte) = (Some(f64::MAX), Some(f64::MIN));
        growth.tile = Some(Tile {
            prefix_hex: PAYLOAD.into(),
            piece_hex: "c3".repeat(9_000),
            after_number_hex: Some(PAYLOAD.into()),
            suffix_hex: "0".into(),
        });
        if at < 2_000 {
            contract.growth.push(growth);
        }
    }
    let mut target = sample::record().targets.remove(0);
    target.contract = Some(contract);
    let record = Record { targets: vec![target], ..Record::default() };
    for format in ALL {
        for file in format.files(&record) {
            let text = String::from_utf8(file.bytes).unwrap();
            assert_inert(&file.path, &text);
            let bytes_max = if ["json", "contract", "junit"].contains(&format.name) { 24 << 20 } else { 4 << 20 };
            assert!(text.len() < bytes_max, "{}: {} bytes", file.path, text.len());
            let odd = [">NaN", "\"NaN", ">inf", "\"inf\"", "\"-inf"].into_iter().find(|odd| text.contains(odd));
            assert_eq!(odd, None, "{}", file.path);
        }
    }
}

/// Leaks of as many places, with numbers as large, as a file may hold.
#[test]
fn secrets_without_end_make_a_page_that_ends() {
    let sample = secrets::record().targets.remove(0).constant_time.unwrap();
    let mut section = sample.clone();
    for at in 0..1_200_usize {
        let mut leak = sample.leaks[at % sample.leaks.len()].clone();
        leak.entry = format!("entry{}", at % 700);
        leak.class = if at % 3 == 0 { leak.class } else { PAYLOAD.into() };
        leak.source = PAYLOAD.repeat(3);
        (leak.secret_len, leak.event, leak.pairs) = (u32::MAX - at as u32 % 2, u64::MAX, u64::MAX);
        leak.secret_bytes = if at < 20 { (0..9_000).rev().collect() } else { vec![u32::MAX; 300] };
        leak.secrets_hex = [format!("{at:0600x}"), PAYLOAD.into()];
        leak.machine = vec![PAYLOAD.into(); 20];
        leak.frames = vec![leak.frames[0].clone(); 20];
        section.leaks.push(leak);
        let mut entry = sample.entries[at % sample.entries.len()].clone();
        entry.entry = format!("entry{at}");
        (entry.events, entry.runs, entry.pairs, entry.strong) = (u64::MAX, u64::MAX, u64::MAX, u64::MAX);
        entry.weak = u64::MAX;
        entry.cpu_seconds = f64::NAN;
        entry.notes = vec![PAYLOAD.into(); 20];
        entry.unreached = vec![Unreached { function: PAYLOAD.into(), sites: 0, unreached: u64::MAX }; 20];
        for clocked in &mut entry.clocked {
            (clocked.effect_ns, clocked.interval_ns, clocked.p) = (f64::NAN, [f64::NEG_INFINITY, f64::MAX], f64::NAN);
        }
        if at < 600 {
            section.entries.push(entry);
        }
    }
    section.machine = vec![sample.machine[0].clone(); 3_000];
    section.scanned = vec![PAYLOAD.into(); 3_000];
    let mut target = sample::record().targets.remove(0);
    target.constant_time = Some(section);
    let record = Record { targets: vec![target], ..Record::default() };
    for format in ALL {
        for file in format.files(&record) {
            let text = String::from_utf8(file.bytes).unwrap();
            assert_inert(&file.path, &text);
            let bytes_max = if ["json", "constant-time"].contains(&format.name) { 64 << 20 } else { 4 << 20 };
            assert!(text.len() < bytes_max, "{}: {} bytes", file.path, text.len());
            let odd = [">NaN", "\"NaN", ">inf", "\"inf\"", "\"-inf"].into_iter().find(|odd| text.contains(odd));
            assert_eq!(odd, None, "{}", file.path);
        }
    }
    // What is left out is counted.
    let page = String::from_utf8(Format::find("html").unwrap().bytes(&record)).unwrap();
    for note in ["500 of 610 entries with secrets", "1000 of 1240 leaks of secrets", "more in constant-time.csv"] {
        assert!(page.contains(note), "{note}");
    }
}

/// A boundary with as many findings, operations and hosts, with texts as long and numbers as large, as a file may hold.
#[test]
fn a_boundary_without_end_makes_a_page_that_ends() {
    let sample = glue::record().targets.remove(0).boundary.unwrap();
    let mut section = sample.clone();
    let long = |text: &str| text.repeat((64 << 10) / text.len());
    for at in 0..3_000_usize {
        let mut card = sample.cards[at % sample.cards.len()].clone();
        card.class = if at % 3 == 0 { card.class } else { format!("{PAYLOAD}{}", at % 40) };
        card.tape_js = if at < 400 { long(["1 ", PAYLOAD, "'\u{202e}' ", "`"][at % 4]) } else { PAYLOAD.into() };
        card.tape_json = PAYLOAD.into();
        card.what = PAYLOAD.repeat(3);
        card.stack = PAYLOAD.repeat(9);
        (card.ops, card.ops_found) = (u64::MAX - 1, u64::MAX);
        card.hosts = vec![card.hosts[0].clone(); 50];
        section.cards.push(card);
        let mut operation = sample.operations[at % sample.operations.len()].clone();
        operation.signature = PAYLOAD.into();
        operation.never_succeeded = (at % 2 == 0).then(|| PAYLOAD.into());
        (operation.returned, operation.trapped) = (u64::MAX, u64::MAX);
        section.operations.push(operation);
        section.imports.push(sample.imports[at % 4].clone());
        section.capabilities.push(sample.capabilities[at % 2].clone());
        section.page.push(sample.page[at % 4].clone());
        section.notes.push(PAYLOAD.into());
        section.classes.push(sample.classes[at % 21].clone());
        section.glue.files.push(sample.glue.files[0].clone());
        section.glue.declarations.push(PAYLOAD.into());
        let mut rate = sample.rates[0].clone();
        (rate.per_second, rate.of_first) = (f64::NAN, f64::INFINITY);
        section.rates.push(rate);
        let mut host = sample.hosts[0].clone();
        host.name = PAYLOAD.into();
        (host.tapes, host.calls, host.counters_total) = (u64::MAX, u64::MAX, at as u64 % 2);
        (host.cpu_seconds, host.tapes_per_cpu_second) = (f64::NAN, f64::MAX);
        host.deaths = vec![PAYLOAD.into(); 200];
        host.features = vec![host.features[0].clone(); 200];
        if at < 200 {
            section.hosts.push(host);
        }
    }
    let mut target = sample::record().targets.remove(0);
    target.boundary = Some(section);
    let record = Record { targets: vec![target], ..Record::default() };
    for format in ALL {
        for file in format.files(&record) {
            let text = String::from_utf8(file.bytes).unwrap();
            assert_inert(&file.path, &text);
            let bytes_max = if ["json", "boundary", "junit"].contains(&format.name) { 24 << 20 } else { 4 << 20 };
            assert!(text.len() < bytes_max, "{}: {} bytes", file.path, text.len());
            let odd = [">NaN", "\"NaN", ">inf", "\"inf\"", "\"-inf"].into_iter().find(|odd| text.contains(odd));
            assert_eq!(odd, None, "{}", file.path);
        }
    }
    // What is left out is counted.
    let page = String::from_utf8(Format::find("html").unwrap().bytes(&record)).unwrap();
    for note in [
        "300 of 3010 findings at the boundary",
        "2000 of 3010 operations",
        "1000 of 3004 imports",
        "1000 of 3002 uses of the host's powers",
    ] {
        assert!(page.contains(note), "{note}");
    }
}

#[test]
fn pages_hold_no_markup_from_outside() {
    let record = record();
    let page = String::from_utf8(Format::find("html").unwrap().bytes(&record)).unwrap().to_lowercase();
    for tag in ["<script", "<img", "<iframe", "onerror=\"", "<svg onload", "href=\"javascript"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert_eq!(page.matches("<title>").count(), 1);
    assert_eq!(page.matches("<style>").count(), 1);
    assert_eq!(page.matches("http-equiv=").count() - page.matches("&lt;meta http-equiv=").count(), 1);
}

#[test]
fn other_formats_hold_no_commands_from_outside() {
    let record = record();
    let text = |name: &str| String::from_utf8(Format::find(name).unwrap().bytes(&record)).unwrap();
    // GitHub: one command a line, and only ours.
    for line in text("github").lines() {
        assert!(line.starts_with("::error ") || line.starts_with("::warning "), "{line}");
    }
    // CSV: read back by the rules of RFC 4180, no cell is a formula.
    for csv in [text("csv"), text("contract"), text("constant-time"), text("boundary")] {
        assert!(csv.lines().count() > 3);
        for row in csv.split("\r\n").skip(1).filter(|row| !row.is_empty()) {
            assert!(!row.contains('\n'));
            for cell in row.trim_matches('"').split("\",\"") {
                assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
            }
        }
    }
    // Markdown: printed to the log of a job, no line is a command.
    let markdown = text("markdown");
    assert!(!markdown.lines().any(|line| line.trim_start().starts_with("::")));
    // AFL: one line per key.
    for file in Format::find("afl").unwrap().files(&record) {
        if file.path.ends_with("fuzzer_stats") {
            let text = String::from_utf8(file.bytes).unwrap();
            assert_eq!(text.lines().count(), 33, "{text}");
            assert!(text.lines().all(|line| line.get(18..20) == Some(": ")), "{text}");
        }
    }
    // JSON and SARIF: still JSON.
    for name in ["json", "sarif"] {
        serde_json::from_str::<Value>(&text(name)).unwrap();
    }
}

/// Markdown as GitHub's dialect reads it: what comes out of a hostile record has no links, images or HTML of others.
#[test]
fn a_markdown_reader_finds_no_links_from_outside() {
    let markdown = String::from_utf8(Format::find("markdown").unwrap().bytes(&record())).unwrap();
    // A code span or block is the only place where an address may stand: take those out and nothing is left of it.
    let mut outside = String::new();
    let mut fence: Option<usize> = None;
    for line in markdown.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(open) if ticks >= open && line.trim_start_matches('`').is_empty() => fence = None,
            Some(_) => {}
            None if ticks >= 3 && line[ticks..] == *"text" => fence = Some(ticks),
            None => outside.push_str(&(without_code_spans(line) + "\n")),
        }
    }
    assert!(fence.is_none());
    for attack in ["evil.example", "<script", "<img", "@everyone", "tripwire"] {
        assert!(!outside.contains(attack), "{attack}: {outside}");
    }
}

/// A line without its code spans, by CommonMark's rule: a run of backticks ends at the next run of the same length.
fn without_code_spans(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        shown.push_str(&rest[..start]);
        let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let after = &rest[start + ticks..];
        let mut at = 0;
        let end = loop {
            let Some(next) = after[at..].find('`').map(|i| i + at) else { break None };
            let run = after[next..].len() - after[next..].trim_start_matches('`').len();
            if run == ticks {
                break Some(next + run);
            }
            at = next + run;
        };
        match end {
            Some(end) => rest = &after[end..],
            None => {
                shown.push_str(&rest[start..start + ticks]);
                rest = after;
            }
        }
    }
    shown + rest
}

/// What Chromium makes of a page: its document after everything that could run has run.
fn open(page: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index.html");
    std::fs::write(&file, page).unwrap();
    let mut chromium = tools::chromium();
    chromium.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    chromium.args(["--virtual-time-budget=3000", "--dump-dom"]).arg(format!("file://{}", file.display()));
    let output = tools::run(&mut chromium, "apt-get install chromium");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn tripped(dom: &str) -> bool {
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    title.expect("every page of ours has a title") == "tripwire"
}

/// Three pages in a real browser: ours with hostile texts; ours with markup let in, where only the policy is left; and
/// the same without the policy, which shows that the wire does trip.
#[test]
fn nothing_runs_in_a_browser() {
    let hostile = String::from_utf8(Format::find("html").unwrap().bytes(&record())).unwrap();
    assert!(!tripped(&open(&hostile)), "a text of the record ran");

    let attack = "<script>document.title='tripwire'</script><img src=x onerror=\"document.title='tripwire'\">\
        <svg onload=\"document.title='tripwire'\"></svg>";
    let honest = String::from_utf8(html::render(&sample::record())).unwrap();
    let unescaped = honest.replacen("<main>", &format!("<main>{attack}"), 1);
    assert_ne!(honest, unescaped);
    assert!(!tripped(&open(&unescaped)), "the policy does not hold");

    let policy_start = unescaped.find("<meta http-equiv").unwrap();
    let policy_end = policy_start + unescaped[policy_start..].find('>').unwrap() + 1;
    let open_door = format!("{}{}", &unescaped[..policy_start], &unescaped[policy_end..]);
    assert!(tripped(&open(&open_door)), "the tripwire itself does not work");
}
