//! `bench --clock N`: does the clock behind `ct --timing` cry wolf? N runs on each host in which both inputs are the same,
//! so that every confirmation is a false one; and before them leaks that the clock has to see, and code that has none.
//! Run it on a machine that is busy.

use crate::cli::{self, Format};
use crate::constant_time::clock::{self, Host};
use crate::executors::Engine;
use crate::limits::Overrides;
use crate::target::{Manifest, Target};
use autoclave_reports::constant_time::Clocked;
use std::collections::BTreeMap;

/// Entries that are measured: one that leaves at the first difference, one that does not, one that looks up a table.
const MODULE: &str = r#"(module (memory (export "memory") 2)
  (func (export "naive_eq") (param $a i32) (param $n i32) (param $b i32) (param i32) (result i32)
    (local $i i32)
    (loop $next
      (if (i32.ne (i32.load8_u (i32.add (local.get $a) (local.get $i)))
                  (i32.load8_u (i32.add (local.get $b) (local.get $i))))
        (then (return (i32.const 0))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i32.const 1))
  (func (export "ct_eq") (param $a i32) (param $n i32) (param $b i32) (param i32) (result i32)
    (local $i i32) (local $d i32)
    (loop $next
      (local.set $d (i32.or (local.get $d) (i32.xor
        (i32.load8_u (i32.add (local.get $a) (local.get $i)))
        (i32.load8_u (i32.add (local.get $b) (local.get $i))))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i32.eqz (local.get $d)))
  (func (export "table") (param $a i32) (param $n i32) (param $b i32) (param i32) (result i32)
    (local $i i32) (local $d i32)
    (loop $next
      (local.set $d (i32.add (local.get $d) (i32.load8_u offset=1024
        (i32.shl (i32.load8_u (i32.add (local.get $a) (local.get $i))) (i32.const 6)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $d)))"#;
const ENTRIES: [&str; 3] = ["naive_eq", "ct_eq", "table"];
/// Bytes of each field.
const FIELD_BYTES: usize = 64;

/// Outcomes of one host.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
struct Row {
    runs: u64,
    confirmed: u64,
    discarded: u64,
    /// First series with a difference that counts, which the repetitions did not show again.
    not_repeated: u64,
    smallest_p: Option<f64>,
    largest_effect_ns: f64,
    /// Why runs were not measured.
    not_measured: BTreeMap<String, u64>,
}

impl Row {
    fn note(&mut self, result: Result<Clocked, String>) {
        self.runs += 1;
        match result {
            Ok(row) => {
                self.confirmed += u64::from(row.outcome == "confirmed");
                self.discarded += u64::from(row.outcome == "discarded");
                self.not_repeated += u64::from(row.outcome == "not confirmed" && row.pairs > clock::STEPS_MAX as u64);
                self.smallest_p = Some(self.smallest_p.map_or(row.p, |p| p.min(row.p)));
                self.largest_effect_ns = self.largest_effect_ns.max(row.effect_ns.abs());
            }
            Err(reason) => *self.not_measured.entry(reason).or_default() += 1,
        }
    }
}

/// Measures and prints.
pub fn run(engine: &Engine, runs: u64, seed: u64, format: Format) -> anyhow::Result<u8> {
    let target = target()?;
    eprintln!("what the clock has to see, and what it must not:");
    let mut wrong = Vec::new();
    let zeroes = [0; 2 * FIELD_BYTES];
    let mut late = zeroes;
    // Equal to the public half, and different at its first byte.
    late[0] = 1;
    for (entry, expected) in [("naive_eq", "confirmed"), ("ct_eq", "not confirmed")] {
        for result in clock::confirm(engine, &target, entry, [&zeroes, &late], seed, Host::ALL) {
            match result {
                Ok(row) => {
                    eprintln!("  {entry:10} {}", line(&row));
                    // A busy machine may hide a leak, and that is no mistake; the opposite is.
                    if expected != "confirmed" && row.outcome == "confirmed" {
                        wrong.push(format!("{entry} on {}: {}", row.host, row.outcome));
                    }
                }
                Err(reason) => eprintln!("  {entry:10} NOT-TESTED({})", cli::printable(&reason)),
            }
        }
    }
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for run in 0..runs {
        let entry = ENTRIES[(run % ENTRIES.len() as u64) as usize];
        let input: Vec<u8> = (0..2 * FIELD_BYTES as u64).map(|at| mixed(seed ^ run, at)).collect();
        for host in Host::ALL {
            let results = clock::confirm(engine, &target, entry, [&input, &input], seed.wrapping_add(run), &[*host]);
            for result in results {
                rows.entry(format!("{host:?}")).or_default().note(result);
            }
        }
        if (run + 1) % 20 == 0 {
            eprintln!("  {} of {runs} runs", run + 1);
        }
    }
    eprintln!("\nboth inputs the same, {runs} runs on each host, {} load", load());
    for (host, row) in &rows {
        let Row { runs, confirmed, discarded, not_repeated, smallest_p, largest_effect_ns, not_measured } = row;
        let p = smallest_p.unwrap_or(1.0);
        eprintln!(
            "  {host:10} {runs} runs  {confirmed} confirmed  {discarded} discarded  {not_repeated} not repeated  \
             smallest p {p:.1e}  largest effect {largest_effect_ns:.2} ns"
        );
        for (reason, times) in not_measured {
            eprintln!("  {host:10} {times} × NOT-TESTED({})", cli::printable(reason));
        }
        if *confirmed > 0 {
            wrong.push(format!("{confirmed} false confirmations on {host}"));
        }
    }
    if format == Format::Json {
        cli::print(format!("{}\n", serde_json::to_string_pretty(&rows)?).as_bytes())?;
    }
    for line in &wrong {
        eprintln!("  FAIL  {line}");
    }
    Ok(if wrong.is_empty() { cli::exit::CLEAN } else { cli::exit::FINDINGS })
}

fn target() -> anyhow::Result<Target> {
    let script =
        |entry: &&str| format!("{entry} = \"{entry}(secret[{FIELD_BYTES}], public[{FIELD_BYTES}]) -> result\"\n");
    let calls: String = ENTRIES.iter().map(script).collect();
    let manifest = Manifest::parse(&format!("[calls]\n{calls}")).map_err(anyhow::Error::msg)?;
    Ok(Target::from_bytes("clock", MODULE.as_bytes(), manifest, &Overrides::default())?)
}

/// For people.
fn line(row: &Clocked) -> String {
    let Clocked { host, outcome, effect_ns, interval_ns: [low, high], call_ns, p, pairs, control_p, .. } = row;
    format!(
        "{host:22} {outcome:14} {effect_ns:+.2} ns [{low:+.2}, {high:+.2}] of {call_ns:.0}, p {p:.1e}, {pairs} pairs, \
         control p {control_p:.1e}"
    )
}

/// Bytes without any order.
fn mixed(seed: u64, at: u64) -> u8 {
    (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at.wrapping_mul(0xbf58_476d_1ce4_e5b9))
        .wrapping_mul(0x94d0_49bb_1331_11eb)
        .to_be_bytes()[0]
}

/// Processes that want a processor, mean of the last minute.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No speed is asserted: rows come out, or reasons.
    #[test]
    fn every_host_gives_a_row_or_a_reason() {
        let engine = Engine::new(None).unwrap();
        let target = target().unwrap();
        let input = [7; 2 * FIELD_BYTES];
        let results = clock::confirm(&engine, &target, "ct_eq", [&input, &input], 3, Host::ALL);
        assert_eq!(results.len(), Host::ALL.len());
        for (host, result) in Host::ALL.iter().zip(results) {
            match result {
                Ok(row) => {
                    assert!(row.pairs >= clock::STEPS_MIN as u64 && row.calls >= 1 && row.call_ns > 0.0, "{row:?}");
                    assert!((0.0..=1.0).contains(&row.p) && (0.0..=1.0).contains(&row.control_p), "{row:?}");
                    assert!(["confirmed", "not confirmed", "discarded"].contains(&row.outcome.as_str()));
                    assert!(row.interval_ns[0] <= row.effect_ns && row.effect_ns <= row.interval_ns[1], "{row:?}");
                }
                // Only Node may be missing.
                Err(reason) => assert!(*host != Host::Wasmtime && reason.contains("node"), "{host:?}: {reason}"),
            }
        }
        let reasons = clock::confirm(&engine, &target, "nothing", [&input, &input], 3, &[Host::Wasmtime]);
        assert!(reasons[0].is_err(), "{reasons:?}");
    }

    #[test]
    fn false_confirmations_are_counted() {
        let mut row = Row::default();
        for outcome in ["confirmed", "discarded", "not confirmed"] {
            row.note(Ok(Clocked { outcome: outcome.to_owned(), pairs: 9_000, p: 0.5, ..Clocked::default() }));
        }
        row.note(Err("no node".to_owned()));
        assert_eq!((row.runs, row.confirmed, row.discarded, row.not_repeated), (4, 1, 1, 1));
        assert_eq!(row.not_measured["no node"], 1);
    }
}
