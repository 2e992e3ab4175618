//! Node as a supervised child: without files but the package's, without code from strings, without a network of its own;
//! with limits on processor time, memory, silence and answers.

use super::group::Group;
use super::{Batch, Death, Host, HostLimits, Setup, scripts};
use crate::glue::embind::Found;
use crate::wire::{self, Glue, Hello, Ran, frame};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Oldest major version that is used: the first with a stable `node:wasi` and SIMD.
pub const NODE_MAJOR_MIN: u32 = 18;
/// From here on permissions are called `--permission`; from version 20 they exist.
const NODE_MAJOR_PERMISSION: u32 = 24;
const NODE_MAJOR_EXPERIMENTAL_PERMISSION: u32 = 20;
/// How often a child that works is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Until one that closed its answers has ended.
const END: Duration = Duration::from_secs(2);

/// The installed Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Program.
    pub program: PathBuf,
    /// Major version.
    pub major: u32,
    /// `20.20.2`
    pub version: String,
    /// Version of its engine, `11.3`.
    pub v8: String,
}

impl Node {
    /// The one that the variable `NODE` names, else the one on the search path.
    ///
    /// # Errors
    /// There is none, or it is too old: one sentence with the remedy.
    pub fn find() -> Result<Self, String> {
        let remedy = format!("apt-get install nodejs, version {NODE_MAJOR_MIN} or newer");
        let program = PathBuf::from(std::env::var_os("NODE").unwrap_or_else(|| "node".into()));
        let versions = "process.versions.node + ' ' + process.versions.v8";
        let output = Command::new(&program).args(["-p", versions]).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("node is not installed ({error}): {remedy}"))?;
        let found = Self::parse(program, &String::from_utf8_lossy(&output.stdout));
        found.ok_or_else(|| format!("node is too old or no Node: {remedy}"))
    }

    fn parse(program: PathBuf, versions: &str) -> Option<Self> {
        let (version, v8) = versions.trim().split_once(' ')?;
        let major = version.split('.').next()?.parse().ok().filter(|major| *major >= NODE_MAJOR_MIN)?;
        let v8: Vec<&str> = v8.split('.').take(2).collect();
        Some(Self { program, major, version: version.to_owned(), v8: v8.join(".") })
    }

    /// The flag without which a permitted Node runs no WASI program: from 20.16 and 22.3 on.
    fn allow_wasi(&self) -> Option<&'static str> {
        let minor = self.version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0);
        let is_known = matches!((self.major, minor), (20, 16..) | (22, 3..) | (23.., 0..));
        is_known.then_some("--allow-wasi")
    }

    /// The flag without which it may read, write and start everything; none where it knows no such flag.
    pub fn permission(&self) -> Option<&'static str> {
        match self.major {
            NODE_MAJOR_PERMISSION.. => Some("--permission"),
            NODE_MAJOR_EXPERIMENTAL_PERMISSION.. => Some("--experimental-permission"),
            _ => None,
        }
    }
}

/// A running child.
pub struct NodeHost {
    group: Group,
    /// Frames on their way to a thread that writes them: a child that hangs does not read, and must not hold us up.
    stdin: Option<Sender<Vec<u8>>>,
    answers: Receiver<Result<(u8, Vec<u8>), String>>,
    /// Numbers and tapes of batches that have no answer yet, the oldest first.
    waiting: VecDeque<(u32, usize)>,
    hello: Hello,
    limits: HostLimits,
    /// Its own sources; removed with it.
    _folder: tempfile::TempDir,
}

impl NodeHost {
    /// Starts a child and waits until it has loaded the package.
    ///
    /// # Errors
    /// It does not start, or cannot load the package: one sentence.
    pub fn start(node: &Node, setup: &Setup) -> Result<Self, String> {
        let (mut host, payload) = Self::launch(node, setup, None)?;
        host.hello = wire::read(&payload).map_err(|error| format!("node said hello wrongly: {error}"))?;
        Ok(host)
    }

    /// Loads the package once and says what its glue registered; `names` are what it calls what the module imports.
    pub(super) fn discover(node: &Node, setup: &Setup, names: Vec<(String, String)>) -> Result<Found, String> {
        let (_host, payload) = Self::launch(node, setup, Some(names))?;
        wire::read(&payload).map_err(|error| format!("node said wrongly what is registered: {error}"))
    }

    /// A child that has loaded the package, and its first answer.
    fn launch(node: &Node, setup: &Setup, names: Option<Vec<(String, String)>>) -> Result<(Self, Vec<u8>), String> {
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
            if setup.config.glue == Glue::Wasi {
                command.args(node.allow_wasi());
            }
        }
        if setup.config.glue == Glue::BindgenBundler {
            // Older glue for bundlers and its module import each other: only linked by hand they are as a bundler has them.
            command.arg("--experimental-vm-modules");
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
            .stderr(Stdio::piped());
        let mut group = Group::start(&mut command).map_err(|error| format!("node does not start: {error}"))?;
        let (answer_sender, answers) = sync_channel(4);
        let bytes_max = setup.limits.answer_bytes_max;
        if let Some(mut pipe) = group.child().stdout.take() {
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
        let stdin = group.child().stdin.take().map(writer);
        let limits = setup.limits;
        let waiting = VecDeque::new();
        let mut host = Self { group, stdin, answers, waiting, hello: Hello::default(), limits, _folder: folder };
        let mut frames = setup.frames();
        if let Some(names) = names {
            frames.insert(1, (frame::NAMES, serde_json::to_vec(&names).map_err(|error| error.to_string())?));
        }
        for (kind, payload) in frames {
            host.write(kind, &payload).map_err(|death| format!("node: {death}"))?;
        }
        let wait = Duration::from_secs(host.limits.start_seconds_max);
        let cpu = host.limits.start_seconds_max as f64;
        match host.wait(wait, cpu) {
            Ok((frame::HELLO, payload)) => Ok((host, payload)),
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
        // Known from the first look on: until then it can hardly have taken any.
        let mut before = None;
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
            let (cpu, memory) = (self.group.cpu_seconds(), self.group.resident_bytes());
            let death = if memory > self.limits.memory_bytes_max {
                Death::Memory(format!("node took more than {} MiB", self.limits.memory_bytes_max >> 20))
            } else if cpu - *before.get_or_insert(cpu) > cpu_seconds {
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
        let status = self.group.end(END);
        self.stdin = None;
        let said = self.group.said();
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
        self.waiting.push_back((batch.number, batch.tapes.len()));
        self.write(frame::BATCH, &batch.payload())
    }

    fn receive(&mut self) -> Result<Ran, Death> {
        let silence = Duration::from_secs(self.limits.silence_seconds_max);
        let (number, tapes) = self.waiting.pop_front().unwrap_or_default();
        let garbage = match self.wait(silence, self.limits.cpu_seconds_max(tapes) as f64)? {
            (frame::RESULT, payload) => match wire::read::<Ran>(&payload) {
                Ok(ran) if ran.batch == number => return Ok(ran),
                // A package that writes a frame of its own would shift every answer after it.
                Ok(ran) => format!("node answered {} instead of {number}", ran.batch),
                Err(error) => format!("node answered what cannot be read: {error}"),
            },
            (kind, _) => format!("node answered with a frame of type {kind}"),
        };
        self.kill();
        Err(Death::Garbage(garbage))
    }

    fn kill(&mut self) {
        self.stdin = None;
        self.group.kill();
    }

    fn cpu_seconds(&self) -> f64 {
        self.group.cpu_seconds()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let parse = |text: &str| Node::parse("node".into(), text);
        let node = parse("20.20.2 11.3.244.8-node.38\n").unwrap();
        assert_eq!((node.version.as_str(), node.v8.as_str(), node.major), ("20.20.2", "11.3", 20));
        assert_eq!(node.permission(), Some("--experimental-permission"));
        assert_eq!(parse("24.1.0 13.6.1").unwrap().permission(), Some("--permission"));
        assert_eq!(parse("18.0.0 10.2.1").unwrap().permission(), None);
        let wasi = ["20.15.9 1.1", "20.16.0 1.1", "21.7.0 1.1", "22.2.0 1.1", "22.3.0 1.1", "24.0.0 1.1"];
        let flags = wasi.map(|text| parse(text).unwrap().allow_wasi().is_some());
        assert_eq!(flags, [false, true, false, false, true, true]);
        assert_eq!(parse("16.1.0 9.4.1"), None);
        assert_eq!(parse(""), None);
    }
}
