//! What a person sees while a run goes on: a live line for each unit on a terminal, a plain line every ten seconds elsewhere.

use super::protocol::Sample;
use crate::cli::{printable, printable_name};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Interval of plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// The display of one run, on standard error.
pub struct Live {
    bars: Option<MultiProgress>,
    lines: BTreeMap<usize, ProgressBar>,
    printed: BTreeMap<usize, Instant>,
}

impl Live {
    /// Live lines where standard error is a terminal that can, plain lines elsewhere.
    pub fn new() -> Self {
        let able = std::io::stderr().is_terminal()
            && std::env::var_os("CI").is_none()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { bars: able.then(MultiProgress::new), lines: BTreeMap::new(), printed: BTreeMap::new() }
    }

    /// A line for people, above the live lines.
    pub fn say(&self, line: &str) {
        let line = printable(line);
        match &self.bars {
            Some(bars) => {
                let _ = bars.println(&line);
            }
            None => eprintln!("{line}"),
        }
    }

    /// A unit's worker has started.
    pub fn start(&mut self, unit: usize, name: &str) {
        if let Some(bars) = &self.bars {
            let bar = bars.add(
                ProgressBar::new_spinner().with_style(
                    ProgressStyle::with_template("{prefix:.bold} {msg}")
                        .unwrap_or_else(|_| ProgressStyle::default_spinner()),
                ),
            );
            bar.set_prefix(printable_name(name));
            bar.set_message("starting");
            self.lines.insert(unit, bar);
        }
        self.printed.insert(unit, Instant::now());
    }

    /// New numbers of a unit (summed over its workers).
    pub fn update(&mut self, unit: usize, name: &str, sample: &Sample, edges_total: u64, rate: f64) {
        let text = progress_line(sample, edges_total, rate);
        if let Some(bar) = self.lines.get(&unit) {
            bar.set_message(text);
        } else if self.bars.is_none() && self.printed.get(&unit).is_none_or(|printed| printed.elapsed() >= PLAIN_EVERY)
        {
            eprintln!("{} {text}", printable_name(name));
            self.printed.insert(unit, Instant::now());
        }
    }

    /// A unit is over.
    pub fn finish(&mut self, unit: usize, name: &str, sample: &Sample, edges_total: u64, rate: f64) {
        if let Some(bar) = self.lines.remove(&unit) {
            bar.finish_and_clear();
        }
        self.say(&format!("{} {}", printable_name(name), progress_line(sample, edges_total, rate)));
    }
}

fn progress_line(sample: &Sample, edges_total: u64, rate: f64) -> String {
    format!(
        "{:>5.0}s  {:>9} execs  {:>7}/s  edges {}/{}  corpus {}  finds {}  last new edge {:.0}s ago",
        sample.seconds,
        thousands(sample.execs),
        thousands(rate as u64),
        thousands(sample.edges),
        thousands(edges_total),
        sample.corpus,
        sample.finds,
        sample.since_new_edge,
    )
}

/// `1234567` → `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(super::thousands(number), text);
        }
    }
}
