//! Keeps a report readable whatever a module puts into it: long texts and long lists are cut, and say so.

use crate::escape;
use crate::record::{Record, Sample};
use serde_json::Value;

/// `record` with every text and every list inside its bound.
pub fn clip(record: &Record) -> Record {
    let mut value = serde_json::to_value(record).expect("a record always serializes");
    clip_value("", &mut value);
    let mut clipped: Record = serde_json::from_value(value).expect("cutting keeps the shape");
    for (target, whole) in clipped.targets.iter_mut().zip(&record.targets) {
        for (what, kept, all) in [
            ("findings", target.findings.len(), whole.findings.len()),
            ("functions", target.functions.len(), whole.functions.len()),
        ] {
            if kept < all {
                target.notes.push(format!("This report lists {kept} of {all} {what}."));
            }
        }
        target.series = thinned(&whole.series, SAMPLES_MAX);
    }
    clipped
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
        // Linux takes paths of this length; commands hold several.
        "command_line" | "repro" | "libfuzzer" | "path" | "module_path" | "manifest_path" => 4_096,
        // Hex, twice `PREVIEW_BYTES_MAX`; longer than that is not ours.
        "preview_hex" => 2 * crate::record::PREVIEW_BYTES_MAX,
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
        // GitHub shows 100 locations of a code flow at once; deeper recursion repeats itself.
        "frames" => 100,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Finding, FunctionCoverage, TargetRecord};

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
