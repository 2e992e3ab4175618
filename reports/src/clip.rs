//! Keeps a report readable whatever a module puts into it: long texts and long lists are cut, and say so.

use crate::boundary::{Boundary, Policy};
use crate::constant_time::ConstantTime;
use crate::escape;
use crate::record::{Record, Sample, TargetRecord, Verdict};
use serde_json::Value;

/// `record` with every text and every list inside its bound.
pub fn clip(record: &Record) -> Record {
    let mut chosen = record.clone();
    for contract in chosen.targets.iter_mut().filter_map(|target| target.contract.as_mut()) {
        keep_worst(&mut contract.trials, TRIALS_MAX, |trial| rank(&trial.verdict));
        keep_worst(&mut contract.growth, GROWTH_MAX, |growth| rank(&growth.verdict));
        // Small rows become many times larger on their way through JSON: cut them before.
        contract.growth.iter_mut().for_each(|growth| growth.points.truncate(POINTS_MAX));
        contract.allowed.truncate(POINTS_MAX);
        contract.allowed_typical.truncate(POINTS_MAX);
    }
    chosen.targets.iter_mut().filter_map(|target| target.constant_time.as_mut()).for_each(clip_secrets);
    chosen.targets.iter_mut().filter_map(|target| target.boundary.as_mut()).for_each(clip_boundary);
    let mut value = serde_json::to_value(chosen).expect("a record always serializes");
    clip_value("", &mut value);
    let mut clipped: Record = serde_json::from_value(value).expect("cutting keeps the shape");
    for (target, whole) in clipped.targets.iter_mut().zip(&record.targets) {
        let trials = |target: &TargetRecord| target.contract.as_ref().map_or(0, |contract| contract.trials.len());
        let shapes = |target: &TargetRecord| target.contract.as_ref().map_or(0, |contract| contract.growth.len());
        let entries = |target: &TargetRecord| target.constant_time.as_ref().map_or(0, |section| section.entries.len());
        let leaks = |target: &TargetRecord| target.constant_time.as_ref().map_or(0, |section| section.leaks.len());
        let of_boundary = |target: &TargetRecord, of: fn(&Boundary) -> usize| target.boundary.as_ref().map_or(0, of);
        let listed = |of| (of_boundary(target, of), of_boundary(whole, of));
        let cards = listed(|section| section.cards.len());
        let operations = listed(|section| section.operations.len());
        let imports = listed(|section| section.imports.len());
        let powers = listed(|section| section.capabilities.len());
        for (what, kept, all) in [
            ("findings", target.findings.len(), whole.findings.len()),
            ("functions", target.functions.len(), whole.functions.len()),
            ("trials of the contract", trials(target), trials(whole)),
            ("shapes of growing work", shapes(target), shapes(whole)),
            ("entries with secrets", entries(target), entries(whole)),
            ("leaks of secrets", leaks(target), leaks(whole)),
            ("findings at the boundary", cards.0, cards.1),
            ("operations", operations.0, operations.1),
            ("imports", imports.0, imports.1),
            ("uses of the host's powers", powers.0, powers.1),
        ] {
            if kept < all {
                target.notes.push(format!("This report lists {kept} of {all} {what}."));
            }
        }
        target.series = thinned(&whole.series, SAMPLES_MAX);
    }
    clipped
}

/// The lists inside of leaks and entries have a bound each and, where they may be long, one for all of them together.
fn clip_secrets(section: &mut ConstantTime) {
    keep_worst(&mut section.entries, ENTRIES_MAX, |entry| rank(&entry.verdict));
    keep_worst(&mut section.leaks, LEAKS_MAX, |leak| rank(&leak.verdict));
    let mut positions_left = POSITIONS_MAX;
    for leak in &mut section.leaks {
        leak.secret_bytes.truncate(positions_left.min(list_items_max("secret_bytes")));
        positions_left -= leak.secret_bytes.len();
        leak.frames.truncate(LEAK_FRAMES_MAX);
        leak.machine.truncate(LEAK_NOTES_MAX);
    }
    let mut functions_left = UNREACHED_MAX;
    for entry in &mut section.entries {
        entry.unreached.truncate(functions_left);
        functions_left -= entry.unreached.len();
        entry.notes.truncate(LEAK_NOTES_MAX);
    }
}

/// Lists of a boundary are cut before they become JSON; lists in lists have a bound for all of them together.
fn clip_boundary(section: &mut Boundary) {
    // What never returned says more than what did.
    keep_worst(&mut section.operations, OPERATIONS_MAX, |row| row.never_succeeded.is_none().into());
    keep_worst(&mut section.imports, list_items_max("imports"), |row| (row.policy == Policy::Allowed).into());
    keep_worst(&mut section.capabilities, list_items_max("capabilities"), |row| (row.policy == Policy::Allowed).into());
    section.cards.truncate(CARDS_MAX);
    section.cards.iter_mut().for_each(|card| card.hosts.truncate(HOSTS_MAX));
    section.hosts.truncate(HOSTS_MAX);
    for host in &mut section.hosts {
        host.features.truncate(list_items_max("features"));
        host.deaths.truncate(list_items_max("deaths"));
    }
}

/// Operations of one package.
const OPERATIONS_MAX: usize = 2_000;
/// Findings at the boundary of one target, one for each class, operation and place.
const CARDS_MAX: usize = 300;
/// Hosts of one run.
const HOSTS_MAX: usize = 16;

/// Trials of one target: every family at every entry of a large module in several sizes.
const TRIALS_MAX: usize = 5_000;
/// Measurements of one shape: 64 doublings are every size that there is.
const POINTS_MAX: usize = 100;
/// Shapes whose growth was measured.
const GROWTH_MAX: usize = 500;

/// Entries of one target that handle secrets.
const ENTRIES_MAX: usize = 500;
/// Leaks of one target: a library for large numbers that branches on every digit has some hundreds.
const LEAKS_MAX: usize = 1_000;
/// Frames of one leak, most of them inlined ones; notes of a leak and of an entry.
const LEAK_FRAMES_MAX: usize = 16;
const LEAK_NOTES_MAX: usize = 16;
/// Functions with code that was not reached, of all entries of one target.
const UNREACHED_MAX: usize = 5_000;
/// Positions in secrets of one target, all leaks together: some hundred leaks of every byte of a long key.
const POSITIONS_MAX: usize = 100_000;

/// At most `items_max` items in their order, those of the lowest rank first of all.
fn keep_worst<T>(items: &mut Vec<T>, items_max: usize, rank: fn(&T) -> u8) {
    if items.len() <= items_max {
        return;
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|at| rank(&items[*at]));
    let kept: std::collections::BTreeSet<usize> = order.into_iter().take(items_max).collect();
    let mut at = 0..;
    items.retain(|_| at.next().is_some_and(|at| kept.contains(&at)));
}

/// What failed first, what does not apply last.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Fail(_) => 0,
        Verdict::NotApplicable(_) => 2,
        _ => 1,
    }
}

/// Samples kept of a run over time: more than a plot has pixels for.
const SAMPLES_MAX: usize = 1_000;

/// At most `samples_max` samples, evenly chosen, the last among them.
pub fn thinned(series: &[Sample], samples_max: usize) -> Vec<Sample> {
    let step = series.len().div_ceil(samples_max).max(1);
    let mut chosen: Vec<Sample> = series.iter().rev().step_by(step).copied().collect();
    chosen.reverse();
    chosen
}

fn clip_value(key: &str, value: &mut Value) {
    match value {
        Value::String(text) => cut(text, text_chars_max(key)),
        Value::Array(items) => {
            items.truncate(list_items_max(key));
            items.iter_mut().for_each(|item| clip_value(key, item));
        }
        Value::Object(fields) => {
            let taken = std::mem::take(fields).into_iter().take(list_items_max(key));
            fields.extend(taken.map(|(mut key, mut value)| {
                clip_value(&key, &mut value);
                cut(&mut key, text_chars_max(""));
                (key, value)
            }));
        }
        _ => {}
    }
}

/// Cuts a text that is too long so that what is left and the note about it fit.
fn cut(text: &mut String, chars_max: usize) {
    const NOTE_CHARS_MAX: usize = 40;
    if text.chars().nth(chars_max).is_some() {
        *text = escape::cut(text, chars_max - NOTE_CHARS_MAX);
    }
}

/// Characters that a text of this field may have.
fn text_chars_max(key: &str) -> usize {
    match key {
        // What a reader reads: a panic message, a decoded input.
        "message" => 4_096,
        "decoded" => 16_384,
        // A sequence of calls as JavaScript and as JSON, what came of it, and the stack of its error.
        "tape_js" | "tape_json" => 16_384,
        "what" => 2_048,
        "stack" => 4_096,
        // Linux takes paths of this length; commands hold several.
        "command_line" | "repro" | "libfuzzer" | "path" | "module_path" | "manifest_path" => 4_096,
        // Hex, twice `PREVIEW_BYTES_MAX`; longer than that is not ours.
        "preview_hex" => 2 * crate::record::PREVIEW_BYTES_MAX,
        // Hex of 256 bytes, as promised.
        "secrets_hex" | "public_hex" => 2 * crate::leaks::SECRET_BYTES_SHOWN,
        // Hex, 4 KiB each as promised.
        "prefix_hex" | "piece_hex" | "after_number_hex" | "suffix_hex" => 8_192,
        // Names: generic Rust functions are long, but nobody reads on after this.
        _ => 512,
    }
}

/// Items that a list of this field may have.
fn list_items_max(key: &str) -> usize {
    match key {
        // A module of 100,000 functions would make a page that no browser likes.
        "functions" => 20_000,
        "findings" | "targets" | "checks" => 5_000,
        "trials" => TRIALS_MAX,
        "growth" => GROWTH_MAX,
        "leaks" => LEAKS_MAX,
        "operations" => OPERATIONS_MAX,
        "cards" => CARDS_MAX,
        "hosts" => HOSTS_MAX,
        "features" => 64,
        "deaths" => 50,
        "imports" | "capabilities" => 1_000,
        // Every byte of an RSA key or of a page.
        "secret_bytes" => 4_096,
        "points" | "allowed" | "allowed_typical" => POINTS_MAX,
        // GitHub shows 100 locations of a code flow at once; deeper recursion repeats itself.
        "frames" => 100,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constant_time::{Handled, Leak};
    use crate::contract::{Contract, Growth, Point, Reads, Tile, Trial};
    use crate::record::{Finding, FunctionCoverage};

    #[test]
    fn failed_trials_are_the_last_to_go() {
        let trial = |at: usize| Trial {
            verdict: match at % 1_000 {
                999 => Verdict::Fail(at.to_string()),
                n if n % 2 == 0 => Verdict::NotApplicable("reads other things".into()),
                _ => Verdict::Pass,
            },
            params: "x".repeat(10_000),
            ..Trial::default()
        };
        let growth = Growth {
            points: vec![Point::default(); 1_000],
            tile: Some(Tile { piece_hex: "00".repeat(10_000), ..Tile::default() }),
            ..Growth::default()
        };
        let contract = Contract {
            trials: (0..20_000).map(trial).collect(),
            growth: vec![growth; 501],
            reads: vec![Reads { kinds: vec!["k".into(); 600], ..Reads::default() }; 600],
            allowed: vec![Point::default(); 1_000],
            ..Contract::default()
        };
        let target = TargetRecord { contract: Some(contract), ..TargetRecord::default() };
        let clipped = clip(&Record { targets: vec![target], ..Record::default() });
        let target = &clipped.targets[0];
        let contract = target.contract.as_ref().unwrap();
        let failed: Vec<&str> =
            contract.trials.iter().map(|trial| trial.verdict.reason()).filter(|r| r.ends_with("999")).collect();
        assert_eq!((contract.trials.len(), failed.len(), failed[19]), (5_000, 20, "19999"));
        assert!(contract.trials.iter().all(|trial| trial.params.len() < 520 && trial.verdict.name() != "N/A"));
        assert_eq!((contract.growth.len(), contract.growth[0].points.len(), contract.reads.len()), (500, 100, 500));
        assert!(contract.growth[0].tile.as_ref().unwrap().piece_hex.len() <= 8_200);
        assert!(contract.reads.iter().all(|reads| reads.kinds.len() == 500) && contract.allowed.len() == 100);
        assert_eq!(
            target.notes,
            [
                "This report lists 5000 of 20000 trials of the contract.",
                "This report lists 500 of 501 shapes of growing work."
            ]
        );
        assert_eq!(clip(&clipped), clipped);
    }

    #[test]
    fn failing_leaks_are_the_last_to_go() {
        let leak = |at: u32| Leak {
            verdict: if at % 1_000 == 999 { Verdict::Fail(at.to_string()) } else { Verdict::Warn("weak".into()) },
            secret_bytes: (0..if at < 30 { 9_000 } else { 3 }).collect(),
            secrets_hex: ["0".repeat(512), "0".repeat(600)],
            ..Leak::default()
        };
        let entry = |at: usize| Handled {
            verdict: if at == 700 { Verdict::Fail("leaks".into()) } else { Verdict::Pass },
            ..Handled::default()
        };
        let section = ConstantTime {
            entries: (0..800).map(entry).collect(),
            leaks: (0..20_000).map(leak).collect(),
            ..ConstantTime::default()
        };
        let target = TargetRecord { constant_time: Some(section), ..TargetRecord::default() };
        let clipped = clip(&Record { targets: vec![target], ..Record::default() });
        let target = &clipped.targets[0];
        let section = target.constant_time.as_ref().unwrap();
        let failing = |verdict: &&Verdict| matches!(verdict, Verdict::Fail(_));
        assert_eq!((section.leaks.len(), section.entries.len()), (1_000, 500));
        assert_eq!(section.leaks.iter().map(|leak| &leak.verdict).filter(failing).count(), 20);
        assert_eq!(section.entries.iter().map(|entry| &entry.verdict).filter(failing).count(), 1);
        // Long lists of positions are cut one by one, and those behind the sum of them go.
        let lengths: Vec<usize> = section.leaks.iter().map(|leak| leak.secret_bytes.len()).collect();
        assert_eq!((lengths[0], lengths[23], lengths[24], lengths[25]), (4_096, 4_096, 1_696, 0));
        assert_eq!(section.leaks[0].secrets_hex[0].len(), 512);
        assert_eq!(
            target.notes,
            ["This report lists 500 of 800 entries with secrets.", "This report lists 1000 of 20000 leaks of secrets."]
        );
        assert_eq!(clip(&clipped), clipped);
    }

    #[test]
    fn what_is_cut_says_so_and_the_end_of_a_run_stays() {
        let target = TargetRecord {
            name: "x".repeat(10_000),
            series: (0..12_345).map(|i| Sample { execs: i, ..Sample::default() }).collect(),
            functions: vec![FunctionCoverage::default(); 30_000],
            findings: vec![Finding::default(); 3],
            ..TargetRecord::default()
        };
        let mut record = Record { targets: vec![target], ..Record::default() };
        record.toolchain.insert("y".repeat(10_000), "1".into());
        let clipped = clip(&record);
        let target = &clipped.targets[0];
        assert!(target.name.ends_with("… (9528 more bytes)"), "{}", target.name);
        assert!(clipped.toolchain.keys().all(|key| key.len() < 600));
        assert!(target.series.len() <= SAMPLES_MAX && target.series.len() > SAMPLES_MAX / 2);
        assert_eq!(target.series.last().map(|sample| sample.execs), Some(12_344));
        assert_eq!(target.notes, ["This report lists 20000 of 30000 functions."]);
        assert_eq!(clip(&clipped), clipped);
    }
}
