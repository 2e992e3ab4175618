//! Node as a supervised child: without files but the package's, without code from strings, without a network of its own;
//! with limits on processor time, memory, silence and answers.

use super::group::listen;
use super::{Batch, Death, Host, HostLimits, Setup, scripts};
use crate::wire::{self, Hello, Ran, frame};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Oldest major version that is used: the first with a stable `node:wasi` and SIMD.
pub const NODE_MAJOR_MIN: u32 = 18;
/// From here on permissions are called `--permission`; from version 20 they exist.
const NODE_MAJOR_PERMISSION: u32 = 24;
const NODE_MAJOR_EXPERIMENTAL_PERMISSION: u32 = 20;
/// How often a child that works is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The installed Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Program.
    pub program: PathBuf,
    /// Major version.
    pub major: u32,
    /// `20.20.2`
    pub version: String,
}

impl Node {
    /// The one that the variable `NODE` names, else the one on the search path.
    ///
    /// # Errors
    /// There is none, or it is too old: one sentence with the remedy.
    pub fn find() -> Result<Self, String> {
        let remedy = format!("apt-get install nodejs, version {NODE_MAJOR_MIN} or newer");
        let program = PathBuf::from(std::env::var_os("NODE").unwrap_or_else(|| "node".into()));
        let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("node is not installed ({error}): {remedy}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.trim().trim_start_matches('v').to_owned();
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        match major {
            Some(major) if major >= NODE_MAJOR_MIN => Ok(Self { program, major, version }),
            _ => Err(format!("node is too old or no Node: {remedy}")),
        }
    }

    fn permission(&self) -> Option<&'static str> {
        match self.major {
            NODE_MAJOR_PERMISSION.. => Some("--permission"),
            NODE_MAJOR_EXPERIMENTAL_PERMISSION.. => Some("--experimental-permission"),
            _ => None,
        }
    }
}

/// A running child.
pub struct NodeHost {
    child: Child,
    /// Frames on their way to a thread that writes them: a child that hangs does not read, and must not hold us up.
    stdin: Option<Sender<Vec<u8>>>,
    answers: Receiver<Result<(u8, Vec<u8>), String>>,
    said: Arc<Mutex<Vec<u8>>>,
    ended: bool,
    hello: Hello,
    limits: HostLimits,
    /// Processor time when the current wait began.
    cpu_at_death: f64,
    /// Its own sources; removed with it.
    _folder: tempfile::TempDir,
}

impl NodeHost {
    /// Starts a child and waits until it has loaded the package.
    ///
    /// # Errors
    /// It does not start, or cannot load the package: one sentence.
    pub fn start(node: &Node, setup: &Setup) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("autoclave-node-").tempdir().map_err(|error| error.to_string())?;
        let entry = scripts::write(folder.path()).map_err(|error| format!("node's scripts: {error}"))?;
        let mut command = Command::new("/bin/sh");
        // The protocol has descriptor 3 for itself; what the package prints goes where complaints go.
        command.args(["-c", "exec \"$@\" 3>&1 1>&2", "sh"]);
        command.arg(&node.program);
        if let Some(permission) = node.permission() {
            command.arg(permission);
            for readable in [folder.path(), Path::new(&setup.config.root)] {
                command.arg(format!("--allow-fs-read={}/*", readable.display()));
            }
        }
        command
            .args(["--expose-gc", "--disallow-code-generation-from-strings", "--no-warnings"])
            .args(["--max-old-space-size=512", "--stack-trace-limit=20"])
            .arg(format!("--wasm-max-mem-pages={}", setup.config.pages_max.max(1)))
            .arg(entry)
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().map_err(|error| format!("node does not start: {error}"))?;
        let (answer_sender, answers) = sync_channel(4);
        let bytes_max = setup.limits.answer_bytes_max;
        if let Some(mut pipe) = child.stdout.take() {
            std::thread::spawn(move || {
                loop {
                    let frame = read_frame(&mut pipe, bytes_max);
                    let is_last = frame.is_err();
                    if answer_sender.send(frame).is_err() || is_last {
                        return;
                    }
                }
            });
        }
        let said = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = child.stderr.take() {
            let said = said.clone();
            std::thread::spawn(move || listen(pipe, &said));
        }
        let stdin = child.stdin.take().map(writer);
        let mut host = Self {
            child,
            stdin,
            answers,
            said,
            ended: false,
            hello: Hello::default(),
            limits: setup.limits,
            cpu_at_death: 0.0,
            _folder: folder,
        };
        for (kind, payload) in setup.frames() {
            host.write(kind, &payload).map_err(|death| format!("node: {death}"))?;
        }
        let wait = Duration::from_secs(host.limits.start_seconds_max);
        let cpu = host.limits.start_seconds_max as f64;
        match host.wait(wait, cpu) {
            Ok((frame::HELLO, payload)) => {
                host.hello = wire::read(&payload).map_err(|error| format!("node said hello wrongly: {error}"))?;
                Ok(host)
            }
            Ok((frame::FAILED, payload)) => {
                let why = wire::read::<String>(&payload).unwrap_or_else(|_| "without a reason".to_owned());
                Err(format!("node cannot load the package: {why}"))
            }
            Ok((kind, _)) => Err(format!("node began with a frame of type {kind}")),
            Err(death) => Err(format!("while the package was loaded, {death}")),
        }
    }

    fn write(&mut self, kind: u8, payload: &[u8]) -> Result<(), Death> {
        let mut framed = Vec::with_capacity(5 + payload.len());
        framed.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        framed.push(kind);
        framed.extend_from_slice(payload);
        match &self.stdin {
            Some(stdin) if stdin.send(framed).is_ok() => Ok(()),
            _ => Err(self.ended("node took no more input")),
        }
    }

    /// Waits for a frame that long, and for that much processor time.
    fn wait(&mut self, silence: Duration, cpu_seconds: f64) -> Result<(u8, Vec<u8>), Death> {
        let end = Instant::now() + silence;
        let before = self.cpu_seconds();
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(Ok(frame)) => return Ok(frame),
                Ok(Err(why)) if why.is_empty() => return Err(self.ended("node ended")),
                Ok(Err(why)) => {
                    self.kill();
                    return Err(Death::Garbage(format!("node answered {why}")));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended("node ended")),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let (cpu, memory) = (self.cpu_seconds(), resident_bytes(self.child.id()));
            let death = if memory > self.limits.memory_bytes_max {
                Death::Memory(format!("node took more than {} MiB", self.limits.memory_bytes_max >> 20))
            } else if cpu - before > cpu_seconds {
                Death::Time(format!("node did not answer within {cpu_seconds:.0} s of processor time"))
            } else if Instant::now() > end {
                Death::Time(format!("node was silent for {} s", silence.as_secs()))
            } else {
                continue;
            };
            self.kill();
            return Err(death);
        }
    }

    /// What is said of a child that has ended by itself.
    fn ended(&mut self, what: &str) -> Death {
        let grace = Instant::now() + Duration::from_secs(2);
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if Instant::now() < grace => std::thread::sleep(Duration::from_millis(5)),
                _ => break None,
            }
        };
        self.kill();
        let said = self.said.lock().map(|said| String::from_utf8_lossy(&said).into_owned()).unwrap_or_default();
        let telling = said.lines().find(|line| line.contains("Error") || line.contains("FATAL"));
        let said = telling.or_else(|| said.lines().find(|line| !line.trim().is_empty())).unwrap_or_default();
        let status = status.map_or_else(|| "and closed its answers".to_owned(), |status| format!("with {status}"));
        let said: String = said.chars().take(200).collect();
        let death = format!("{what} {status}{}{said}", if said.is_empty() { "" } else { ": " });
        if said.contains("heap out of memory") || said.contains("allocation failed") {
            return Death::Memory(death);
        }
        Death::Exit(death)
    }
}

impl Host for NodeHost {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn send(&mut self, batch: &Batch) -> Result<(), Death> {
        self.write(frame::BATCH, &batch.payload())
    }

    fn receive(&mut self) -> Result<Ran, Death> {
        let silence = Duration::from_secs(self.limits.silence_seconds_max);
        match self.wait(silence, self.limits.batch_cpu_seconds_max as f64)? {
            (frame::RESULT, payload) => wire::read(&payload).map_err(|error| {
                self.kill();
                Death::Garbage(format!("node answered what cannot be read: {error}"))
            }),
            (kind, _) => {
                self.kill();
                Err(Death::Garbage(format!("node answered with a frame of type {kind}")))
            }
        }
    }

    fn kill(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.cpu_at_death = cpu_seconds(self.child.id()).unwrap_or(self.cpu_at_death);
        self.stdin = None;
        let group = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id()).unwrap_or(self.cpu_at_death)
    }
}

impl Drop for NodeHost {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A thread that writes what it is sent, until the child takes no more.
fn writer(mut pipe: ChildStdin) -> Sender<Vec<u8>> {
    let (sender, frames) = channel::<Vec<u8>>();
    std::thread::spawn(move || {
        while let Ok(frame) = frames.recv() {
            if pipe.write_all(&frame).and_then(|()| pipe.flush()).is_err() {
                return;
            }
        }
    });
    sender
}

/// One frame, or why there is none: empty where the child has closed its end.
fn read_frame(pipe: &mut impl Read, bytes_max: u32) -> Result<(u8, Vec<u8>), String> {
    let mut head = [0; 5];
    pipe.read_exact(&mut head).map_err(|_| String::new())?;
    let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    if !(frame::HELLO..=frame::FAILED).contains(&head[4]) {
        return Err(format!("with a frame of type {}", head[4]));
    }
    if len > bytes_max {
        return Err(format!("with a frame of {len} bytes, more than {bytes_max}"));
    }
    let mut payload = vec![0; len as usize];
    pipe.read_exact(&mut payload).map_err(|_| String::new())?;
    Ok((head[4], payload))
}

/// Processor time of a process and of its children that have ended, seconds; none where it is gone.
pub(super) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Some(ticks as f64 / per_second.max(1) as f64)
}

/// Resident memory of a process, bytes; 0 where it is gone.
pub(super) fn resident_bytes(pid: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
