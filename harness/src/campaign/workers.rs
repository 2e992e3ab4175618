//! Child processes that do the work: started with a job on standard input, heard as JSON lines, stopped by closing
//! their standard input. A module that manages to kill its host kills one worker and nothing else.

use super::protocol::{Message, WorkerJob};
use anyhow::Context;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest line that is accepted from a worker, bytes.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// How much of a worker's standard error is kept.
const STDERR_BYTES_KEPT: usize = 4096;
/// How long a worker may go on after its time is over before it is killed.
const GRACE: Duration = Duration::from_secs(60);
/// How often a child looks whether its parent is still there.
const PARENT_EVERY: Duration = Duration::from_millis(250);

/// What happened to a worker, by its number.
pub enum Heard {
    /// It said something.
    Message(usize, Box<Message>),
    /// It closed its output.
    Ended(usize),
}

/// A running worker.
pub struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: Arc<Mutex<Vec<u8>>>,
    kill_at: Option<Instant>,
}

impl Worker {
    /// Starts one; what it says arrives on `heard` under `number`.
    pub fn start(number: usize, job: &WorkerJob, heard: Sender<Heard>) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the path of this program is not known")?;
        let mut child = Command::new(&program)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{}: could not be started", program.display()))?;
        let mut stdin = child.stdin.take().context("worker without standard input")?;
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        // A worker that dies before it reads its job is reported when it ends.
        let _ = stdin.write_all(&line).and_then(|()| stdin.flush());
        let stdout = child.stdout.take().context("worker without standard output")?;
        std::thread::spawn(move || listen(number, stdout, &heard));
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let (source, sink) = (child.stderr.take().context("worker without standard error")?, stderr.clone());
        std::thread::spawn(move || keep_tail(source, &sink));
        let kill_at = job.seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds) + GRACE);
        Ok(Self { child, stdin: Some(stdin), stderr, kill_at })
    }

    /// Asks it to finish; it still reports.
    pub fn ask_to_stop(&mut self) {
        self.stdin = None;
        self.kill_at = Some(Instant::now() + GRACE);
    }

    /// Stops it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Whether it is long past its time.
    pub fn overdue(&self) -> bool {
        self.kill_at.is_some_and(|at| Instant::now() > at)
    }

    /// Collects it after it ended; the text says how it died, if it did not exit by itself with 0.
    pub fn collect(mut self) -> Option<String> {
        self.stdin = None;
        let status = match self.child.wait() {
            Ok(status) if status.success() => return None,
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let stderr = self.stderr.lock().map(|tail| String::from_utf8_lossy(&tail).into_owned()).unwrap_or_default();
        Some(format!("worker ended with {status}: {}", stderr.trim()))
    }
}

fn listen(number: usize, stdout: impl Read, heard: &Sender<Heard>) {
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        if let Ok(message) = serde_json::from_slice(&line)
            && heard.send(Heard::Message(number, Box::new(message))).is_err()
        {
            return;
        }
    }
    let _ = heard.send(Heard::Ended(number));
}

fn keep_tail(mut source: impl Read, sink: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 4096];
    while let Ok(length) = source.read(&mut chunk) {
        if length == 0 {
            break;
        }
        if let Ok(mut tail) = sink.lock() {
            tail.extend_from_slice(&chunk[..length]);
            let surplus = tail.len().saturating_sub(STDERR_BYTES_KEPT);
            tail.drain(..surplus);
        }
    }
}

/// Ends this process soon after its parent has died: a worker whose campaign was killed has nobody to report to, and what
/// it found is on disk.
pub fn end_with_parent() {
    let parent = rustix::process::getppid();
    std::thread::spawn(move || {
        while rustix::process::getppid() == parent {
            std::thread::sleep(PARENT_EVERY);
        }
        std::process::exit(i32::from(crate::cli::exit::NOT_JUDGED));
    });
}

/// SIGINT, counted: once = finish and report, twice = stop.
pub struct Interrupts {
    count: Arc<std::sync::atomic::AtomicUsize>,
}

impl Interrupts {
    /// Listens from now on.
    pub fn install() -> anyhow::Result<Self> {
        let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut signals =
            signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])
                .context("signals cannot be handled")?;
        let counter = count.clone();
        std::thread::spawn(move || {
            for _ in signals.forever() {
                counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        });
        Ok(Self { count })
    }

    /// How often until now.
    pub fn count(&self) -> usize {
        self.count.load(std::sync::atomic::Ordering::SeqCst)
    }
}
