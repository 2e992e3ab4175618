//! Commands of this program as its own children, each with its report: one that dies, or never ends, costs what it would
//! have said and nothing that others found.

use crate::cli::printable;
use anyhow::Context;
use autoclave_reports::Record;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Last lines of a stage that are kept for the reason.
const LINES_KEPT: usize = 6;
/// Longest line that is passed on, bytes.
const LINE_BYTES_MAX: u64 = 16 << 10;
/// A stage may take this many times the whole budget, and a quarter of an hour, before it is ended: a guard, no verdict.
const GUARD_BUDGETS: u32 = 4;
const GUARD_EXTRA: Duration = Duration::from_secs(900);
/// Largest `report.json` of a stage, bytes.
const REPORT_BYTES_MAX: u64 = autoclave_reports::record::REPORT_BYTES_MAX as u64;

/// What came of a stage.
pub struct Ran {
    /// Its report; none where it wrote none.
    pub record: Option<Record>,
    /// Lower-case hex SHA-256 of its `report.json`.
    pub sha256: String,
    /// Why there is no report.
    pub failure: String,
}

/// Runs one stage; what it says for people goes on to standard error.
///
/// # Errors
/// This program cannot be started again.
pub fn run(name: &str, words: &[String], budget: Duration, folder: &Path) -> anyhow::Result<Ran> {
    let out = folder.join(name);
    let report = out.join("report.json");
    // Another run's report must not be read as this one's.
    if report.exists() {
        std::fs::remove_file(&report).with_context(|| format!("{}: an older report", report.display()))?;
    }
    let program = std::env::current_exe().context("where this program lies is not known")?;
    let mut child = Command::new(program)
        .args(words)
        .arg("--out")
        .arg(&out)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("this program cannot be started again")?;
    let stderr = child.stderr.take().context("a pipe was asked for")?;
    let pass_on = std::thread::spawn(move || pass_on(stderr));
    let guard = budget * GUARD_BUDGETS + GUARD_EXTRA;
    let code = wait(&mut child, guard).context("a stage could not be waited for")?;
    let last = pass_on.join().unwrap_or_default();
    let mut ran = Ran { record: None, sha256: String::new(), failure: String::new() };
    match read(&report) {
        Ok((record, sha256)) => (ran.record, ran.sha256) = (Some(record), sha256),
        Err(error) => {
            let said = last.into_iter().find(|line| !line.trim().is_empty()).unwrap_or_else(|| format!("{error:#}"));
            ran.failure = match code {
                Some(code) => format!("`{}` ended with {code}: {}", name, said.trim()),
                None => format!("`{}` was ended after {} s", name, guard.as_secs()),
            };
        }
    }
    Ok(ran)
}

/// Passes lines on to standard error, and keeps the last ones, newest first.
fn pass_on(stderr: impl Read) -> VecDeque<String> {
    let mut kept = VecDeque::new();
    let mut reader = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return kept,
            Ok(_) => {}
        }
        let text = printable(&String::from_utf8_lossy(&line));
        let text = text.trim_end_matches(['\n', '\r']);
        eprintln!("  {text}");
        kept.push_front(text.to_owned());
        kept.truncate(LINES_KEPT);
    }
}

/// The exit code; `None` where the guard ended it.
fn wait(child: &mut Child, guard: Duration) -> std::io::Result<Option<i32>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.code().unwrap_or(-1)));
        }
        if begun.elapsed() > guard {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn read(path: &Path) -> anyhow::Result<(Record, String)> {
    let bytes = super::inputs::read_whole(path, REPORT_BYTES_MAX)?;
    let record = Record::from_json(&bytes).with_context(|| path.display().to_string())?;
    Ok((record, crate::corpus::hex(&Sha256::digest(&bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_kept_and_cannot_act_on_a_terminal() {
        let text: String = (0..10).map(|n| format!("line {n}\u{1b}[2J\n")).collect();
        let kept = pass_on(text.as_bytes());
        assert_eq!(kept.len(), LINES_KEPT);
        assert_eq!(kept[0], "line 9\\u{1b}[2J");
    }

    #[test]
    fn a_child_without_end_is_ended() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert_eq!(wait(&mut child, Duration::from_millis(1)).unwrap(), None);
        let mut child = Command::new("false").spawn().unwrap();
        assert_eq!(wait(&mut child, Duration::from_secs(600)).unwrap(), Some(1));
    }
}
