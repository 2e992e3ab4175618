//! Native libFuzzer for comparison: a program of its own, run for so much CPU time from one document, nothing written.

use super::super::facts;
use super::Measured;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often the program's CPU time is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// On a machine this busy, wall time over CPU time, nothing is measured.
const BUSY_MAX: f64 = 50.0;
/// libFuzzer's exit code when it was interrupted.
const EXIT_INTERRUPTED: i32 = 72;

/// What a run begins with and when it ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'a> {
    pub document: &'a [u8],
    pub bytes_max: usize,
    pub cpu_seconds: f64,
    pub seed: u64,
    /// Where to write the corpus; nowhere otherwise, since writing takes time.
    pub corpus: Option<&'a Path>,
}

/// Runs the program; an error says why there is no measurement.
pub(super) fn measure(program: &Path, job: Job<'_>) -> Result<Measured, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let log = folder.path().join("log");
    let file = fs::write(folder.path().join("document"), job.document).and_then(|()| File::create(&log));
    let file = file.map_err(|error| format!("{}: {error}", folder.path().display()))?;
    let before = facts::children_cpu_seconds();
    let mut child = Command::new(program)
        .current_dir(&folder)
        .args(["-seed_inputs=document", "-print_final_stats=1", "-detect_leaks=0"])
        .args([format!("-max_len={}", job.bytes_max), format!("-seed={}", job.seed)])
        .args(job.corpus)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
    let code = interrupt_after(&mut child, job.cpu_seconds);
    let text = fs::read_to_string(&log).unwrap_or_default();
    let spent = facts::children_cpu_seconds() - before;
    match code? {
        Some(0 | EXIT_INTERRUPTED) => read(&text, spent).ok_or_else(|| "its statistics are not understood".to_owned()),
        _ => {
            let last = text.lines().find(|line| line.contains("ERROR: ")).or(text.lines().next_back());
            Err(format!("it stopped early: {}", last.unwrap_or("without a word")))
        }
    }
}

/// Runs one input again and again, without libFuzzer's loop.
pub(super) fn repeat(program: &Path, document: &Path) -> Result<Measured, String> {
    let output = Command::new(program).env("NATIVE_REPEAT", document).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(executions)), Some(Ok(cpu_ns))) if output.status.success() => {
            Ok(Measured { executions, cpu_seconds: cpu_ns as f64 * 1e-9, edges: None })
        }
        _ => Err("it does not say how often it ran".to_owned()),
    }
}

/// Interrupts the program when it has had its time, and waits for its end.
fn interrupt_after(child: &mut Child, cpu_seconds: f64) -> Result<Option<i32>, String> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status.code());
        }
        let spent = facts::cpu_seconds_of(child.id());
        if spent.is_none_or(|spent| spent >= cpu_seconds)
            || begin.elapsed().as_secs_f64() > cpu_seconds * BUSY_MAX + 10.0
        {
            kill_process(Pid::from_child(child), Signal::INT).map_err(|error| error.to_string())?;
            let status = child.wait().map_err(|error| error.to_string())?;
            return spent.map(|_| status.code()).ok_or_else(|| "this system does not tell its CPU time".to_owned());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What libFuzzer says at its end.
fn read(text: &str, cpu_seconds: f64) -> Option<Measured> {
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    let after = |words: &str| number(text.rsplit_once(words)?.1.trim_start());
    let executions = after("stat::number_of_executed_units:")?;
    let edges_total = number(text.split_once(" modules   (").or(text.split_once(" modules ("))?.1)? as usize;
    let edges_found = after(" cov: ")? as usize;
    Some(Measured { executions, cpu_seconds, edges: Some((edges_found, edges_total)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_libfuzzer_are_read() {
        let text = "INFO: Loaded 1 modules   (2124 inline 8-bit counters): 2124 [0x1, 0x2), \n\
            #2\tINITED cov: 5 ft: 6 corp: 1/1b exec/s: 0 rss: 27Mb\n\
            #1296865\tDONE   cov: 674 ft: 2588 corp: 1110/157Kb lim: 1836 exec/s: 259373 rss: 29Mb\n\
            Done 1296865 runs in 5 second(s)\nstat::number_of_executed_units: 1296865\nstat::new_units_added: 1\n";
        let measured = read(text, 2.0).unwrap();
        assert_eq!((measured.executions, measured.edges), (1_296_865, Some((674, 2124))));
        assert!(read("Usage: x", 1.0).is_none());
    }

    #[test]
    fn a_program_that_dies_or_is_missing_is_not_measured() {
        let job = Job { document: b"x", bytes_max: 10, cpu_seconds: 0.01, seed: 1, corpus: None };
        let program = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("program");
            fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
            measure(&file, job).map(|measured| measured.executions)
        };
        let crashed = program("echo '==1== ERROR: libFuzzer: deadly signal' >&2; echo more >&2; exit 77");
        assert!(crashed.unwrap_err().ends_with("ERROR: libFuzzer: deadly signal"));
        assert!(program("echo nonsense >&2").unwrap_err().contains("not understood"));
        assert!(repeat(Path::new("/bin/true"), Path::new("x")).unwrap_err().contains("does not say"));
        assert!(measure(Path::new("/nonexistent"), job).unwrap_err().contains("cannot be started"));
    }
}
