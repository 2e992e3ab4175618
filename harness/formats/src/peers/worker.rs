//! Peers in other languages: one persistent process each, which nothing that it does can stop or corrupt a run.
//!
//! The protocol runs on the child's descriptor 0, one end of a socket pair. Its standard output and standard error are a
//! file that has no name any more, so that what a library prints never meets the protocol, and what was printed for one
//! input is known exactly: each reply says how long that file is by then.
//!
//! Words are little-endian. Request: `length: u32`, then `id: u32`, `format: u8` (position in [`Format::ALL`]), the input.
//! Reply: `length: u32`, then `id: u32`, `printed: u32` (bytes in the file), `status: u8` and a body: 0 accepted, what the
//! peer wrote back; 1 refused, `layer: u8` (position in [`Layer::ALL`]) and the error's text; 2 died, how. A worker begins
//! with a reply to request 0 whose body is the name and version of the package that it has loaded.

use super::{Answer, Layer, Peer, Refusal, Runtime};
use crate::Format;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

/// What one worker may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From a process's start until it has loaded its library.
    pub start: Duration,
    /// Wall time of one input; three times as much when it is given to a fresh process alone.
    pub input: Duration,
    /// Largest reply, bytes.
    pub reply_bytes_max: usize,
    /// What is kept of the text that is printed for one input, bytes.
    pub printed_bytes_max: usize,
    /// Largest file that a worker may write, the one that it prints to among them, bytes.
    pub file_bytes_max: u64,
    /// Starts that fail one after the other before the worker is given up.
    pub failed_starts_max: u32,
    /// Deaths before the worker is given up: each costs a start.
    pub deaths_max: u32,
    /// The first pause between two starts that fail; each is four times the one before.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(120),
            input: Duration::from_secs(10),
            reply_bytes_max: 16 << 20,
            printed_bytes_max: 64 << 10,
            file_bytes_max: 64 << 20,
            failed_starts_max: 3,
            deaths_max: 500,
            pause: Duration::from_millis(100),
        }
    }
}

/// Requests that wait in a worker's socket; more would not make it faster.
const WINDOW: usize = 64;
/// Their bytes: below what a socket holds, so that neither side waits for the other to read. A longer input goes alone.
const WINDOW_BYTES: usize = 48 << 10;
/// Bytes printed after which the file is emptied.
const PRINTED_BYTES_OLD: u64 = 1 << 20;
/// Longest text of an error, characters.
const CODE_CHARS_MAX: usize = 160;

/// Why a worker cannot be asked. What a peer does with an input is never one of these.
#[derive(Debug)]
pub enum WorkerError {
    /// It is not installed, or installed from older sources.
    NotInstalled {
        /// The peer.
        peer: &'static str,
        /// What is missing.
        why: String,
        /// What to type.
        remedy: String,
    },
    /// Its process ends, or is silent, before it is ready.
    WillNotStart {
        /// The peer.
        peer: &'static str,
        /// How it ended, and the end of what it printed.
        why: String,
    },
    /// It has died too often.
    GivenUp {
        /// The peer.
        peer: &'static str,
        /// How often.
        deaths: u32,
        /// How the last time.
        last: String,
    },
    /// The machine refuses a process, a socket or a file.
    Machine {
        /// The peer.
        peer: &'static str,
        /// What it says.
        error: std::io::Error,
    },
}

impl std::fmt::Display for WorkerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotInstalled { peer, why, remedy } => write!(f, "{peer} is not installed ({why}); {remedy}"),
            Self::WillNotStart { peer, why } => write!(f, "the worker of {peer} does not start: {why}"),
            Self::GivenUp { peer, deaths, last } => {
                write!(f, "the worker of {peer} is given up: it died {deaths} times, at last: {last}")
            }
            Self::Machine { peer, error } => write!(f, "the worker of {peer}: {error}"),
        }
    }
}

impl std::error::Error for WorkerError {}

/// What a peer made of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its answer.
    pub answer: Answer,
    /// What its library printed meanwhile, at most [`Limits::printed_bytes_max`].
    pub printed: Vec<u8>,
}

/// The folder into which `cargo xtask peers setup` installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    folder: PathBuf,
    sources: Option<PathBuf>,
}

impl Installed {
    /// The peers of a repository. `AUTOCLAVE_PEERS` names another folder, so that several trees share one.
    pub fn of(root: &Path) -> Self {
        let own = || root.join(".autoclave/peers");
        let folder = std::env::var_os("AUTOCLAVE_PEERS").map_or_else(own, PathBuf::from);
        let sources = Some(root.join("harness/formats/peers")).filter(|folder| folder.is_dir());
        Self { folder, sources }
    }

    /// How the peer's worker is started.
    ///
    /// # Errors
    /// It is not installed, or its sources have changed since.
    pub fn launch(&self, peer: &'static Peer) -> Result<Launch, WorkerError> {
        let runtime = peer.runtime.name();
        let missing = |why: String| WorkerError::NotInstalled {
            peer: peer.name,
            why,
            remedy: format!("cargo xtask peers setup {runtime}"),
        };
        let folder = self.folder.join(runtime);
        let src = folder.join("src");
        if !src.is_dir() {
            return Err(missing(format!("there is no {}", src.display())));
        }
        if let Some(sources) = &self.sources
            && let Some(changed) = changed(&sources.join(runtime), &src)
        {
            return Err(missing(format!("{changed} has changed since it was installed")));
        }
        let path = |name: &str| OsString::from(folder.join(name));
        let own = std::env::var_os("PATH").unwrap_or_default();
        let find = |name: &str| std::env::split_paths(&own).map(|at| at.join(name)).find(|file| file.is_file());
        let program = |name: &str| find(name).ok_or_else(|| missing(format!("{name} is not on the search path")));
        let name = OsString::from(peer.name);
        let (program, words, memory_bytes_max) = match peer.runtime {
            Runtime::Rust => return Err(missing("it is a WebAssembly module and needs no worker".to_owned())),
            // V8 and the Java machine reserve far more addresses than they use: the heap is limited instead.
            Runtime::Node => {
                (program("node")?, vec!["--max-old-space-size=1024".into(), path("src/worker.mjs"), name], None)
            }
            Runtime::Python => {
                (folder.join("venv/bin/python"), vec!["-u".into(), path("src/worker.py"), name], Some(2 << 30))
            }
            Runtime::Java => {
                let mut classes = path("classes:");
                classes.push(path("jars/*"));
                let flags = ["-Xmx768m", "-Xss1m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:TieredStopAtLevel=4"];
                let mut words: Vec<OsString> = flags.map(OsString::from).into();
                words.extend(["-cp".into(), classes, "Worker".into(), name]);
                (program("java")?, words, None)
            }
            Runtime::Go => (folder.join("worker"), vec![name], Some(4 << 30)),
        };
        if !program.is_file() {
            return Err(missing(format!("there is no {}", program.display())));
        }
        Ok(Launch { program, words, memory_bytes_max })
    }
}

/// The first file of `sources` that is not the same in `copy`.
fn changed(sources: &Path, copy: &Path) -> Option<String> {
    let mut names: Vec<OsString> = std::fs::read_dir(sources).ok()?.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let differs = |name: &OsString| {
        let file = sources.join(name);
        file.is_file() && std::fs::read(&file).ok() != std::fs::read(copy.join(name)).ok()
    };
    names.into_iter().find(differs).map(|name| name.to_string_lossy().into_owned())
}

/// A program that speaks the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Its file.
    pub program: PathBuf,
    /// Its arguments.
    pub words: Vec<OsString>,
    /// Addresses that it may use, bytes; `None` where the program limits its own heap.
    pub memory_bytes_max: Option<u64>,
}

/// One peer's process, started when it is needed and again when it has died.
pub struct Worker {
    peer: &'static Peer,
    launch: Launch,
    limits: Limits,
    running: Option<Running>,
    next_id: u32,
    deaths: u32,
    last: String,
}

struct Running {
    child: Child,
    socket: UnixStream,
    received: Vec<u8>,
    /// Where the next frame begins in `received`.
    at: usize,
    printed: File,
    printed_from: u64,
    /// Where the text of the reply that was read last ends.
    printed_to: Option<u64>,
}

/// A reply as it stood on the wire.
enum Frame {
    Answer(Answer),
    Hello(String),
}

impl Worker {
    /// Starts the peer's worker and waits until it is ready.
    ///
    /// # Errors
    /// It is not installed, does not start, or is of another version than the one that is compared.
    pub fn start(peer: &'static Peer, installed: &Installed) -> Result<Self, WorkerError> {
        Self::launch(peer, installed.launch(peer)?, Limits::default())
    }

    /// Starts a program as the peer's worker.
    ///
    /// # Errors
    /// It does not start, or is of another version than the one that is compared.
    pub fn launch(peer: &'static Peer, launch: Launch, limits: Limits) -> Result<Self, WorkerError> {
        let last = String::new();
        let mut worker = Self { peer, launch, limits, running: None, next_id: 1, deaths: 0, last };
        worker.running()?;
        Ok(worker)
    }

    /// Whose it is.
    pub fn peer(&self) -> &'static Peer {
        self.peer
    }

    /// How often its process has died.
    pub fn deaths(&self) -> u32 {
        self.deaths
    }

    /// Asks for one input.
    ///
    /// # Errors
    /// As [`Worker::ask_many`].
    pub fn ask(&mut self, input: &[u8], format: Format) -> Result<Reply, WorkerError> {
        let mut replies = self.ask_many(&[input], format)?;
        Ok(replies.remove(0))
    }

    /// Asks for many inputs, of which some wait in the worker's socket; as many replies, in order. An input of which a
    /// process dies is given to a fresh one alone, and has killed it only if that dies too.
    ///
    /// # Errors
    /// The worker does not start again, or has died too often.
    pub fn ask_many(&mut self, inputs: &[&[u8]], format: Format) -> Result<Vec<Reply>, WorkerError> {
        let mut replies = Vec::with_capacity(inputs.len());
        // Inputs that the running process has been sent, from the first one on.
        let mut sent = 0;
        let mut suspect = None;
        while replies.len() < inputs.len() {
            let at = replies.len();
            let alone = suspect == Some(at);
            let first = self.next_id.wrapping_sub((sent - at) as u32);
            let limits = self.limits.clone();
            let format_byte = Format::ALL.iter().position(|known| *known == format).unwrap_or_default() as u8;
            let running = self.running()?;
            let waiting: usize = inputs[at..sent].iter().map(|input| input.len()).sum();
            let (from, mut bytes) = (sent, waiting);
            let mut request = Vec::new();
            while sent < inputs.len()
                && (sent == at || (!alone && sent - at < WINDOW && bytes + inputs[sent].len() <= WINDOW_BYTES))
            {
                let id = first.wrapping_add((sent - at) as u32);
                request.extend_from_slice(&(inputs[sent].len() as u32 + 5).to_le_bytes());
                request.extend_from_slice(&id.to_le_bytes());
                request.push(format_byte);
                request.extend_from_slice(inputs[sent]);
                bytes += inputs[sent].len();
                sent += 1;
            }
            let result = match running.send(&request, &limits) {
                // A busy machine is no finding: alone, it may take longer.
                Ok(()) => running.receive(first, &limits, limits.input * if alone { 3 } else { 1 }),
                Err(how) => Err(how),
            };
            self.next_id = self.next_id.wrapping_add((sent - from) as u32);
            let printed = self.running.as_mut().map(|running| running.printed(&limits)).unwrap_or_default();
            match result {
                Ok(Frame::Answer(answer)) => {
                    replies.push(Reply { answer, printed });
                    suspect = None;
                    continue;
                }
                Ok(Frame::Hello(_)) => self.died("PROTOCOL a second greeting".to_owned()),
                Err(how) => self.died(how),
            }
            if alone {
                replies.push(Reply { answer: Answer::Died { how: self.last.clone() }, printed });
            }
            suspect = (!alone).then_some(at);
            sent = replies.len();
            if self.deaths >= self.limits.deaths_max {
                let (deaths, last) = (self.deaths, self.last.clone());
                return Err(WorkerError::GivenUp { peer: self.peer.name, deaths, last });
            }
        }
        if let Some(running) = &mut self.running {
            running.forget_printed();
        }
        Ok(replies)
    }

    fn died(&mut self, how: String) {
        self.deaths += 1;
        self.last = match self.running.take() {
            Some(mut running) => running.end(how),
            None => how,
        };
    }

    /// The process, started if there is none.
    fn running(&mut self) -> Result<&mut Running, WorkerError> {
        let (peer, mut pause) = (self.peer, self.limits.pause);
        let mut failed = 0;
        while self.running.is_none() {
            let machine = |error| WorkerError::Machine { peer: peer.name, error };
            let mut new = Running::start(&self.launch, &self.limits).map_err(machine)?;
            let why = match new.receive(0, &self.limits, self.limits.start) {
                Ok(Frame::Hello(says)) if says == peer.package => {
                    new.printed(&self.limits);
                    self.running = Some(new);
                    break;
                }
                Ok(Frame::Hello(says)) => {
                    let why = format!("it has loaded `{says}` and not `{}`", peer.package);
                    return Err(WorkerError::WillNotStart { peer: peer.name, why });
                }
                Ok(Frame::Answer(_)) => "PROTOCOL no greeting".to_owned(),
                Err(how) => how,
            };
            let printed = new.printed(&self.limits);
            let why = format!("{}: {}", new.end(why), String::from_utf8_lossy(&printed).trim());
            failed += 1;
            if failed >= self.limits.failed_starts_max {
                return Err(WorkerError::WillNotStart { peer: peer.name, why });
            }
            std::thread::sleep(pause);
            pause *= 4;
        }
        self.running.as_mut().ok_or_else(|| WorkerError::Machine {
            peer: peer.name,
            error: std::io::Error::from(ErrorKind::NotConnected),
        })
    }
}

impl Running {
    fn start(launch: &Launch, limits: &Limits) -> std::io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let (printed, writer) = nameless_file()?;
        // The shell sets limits and becomes the program.
        let mut script = format!("ulimit -c 0; ulimit -f {}; ", limits.file_bytes_max.div_ceil(512));
        if let Some(bytes) = launch.memory_bytes_max {
            script.push_str(&format!("ulimit -v {}; ", bytes.div_ceil(1024)));
        }
        script.push_str(r#"exec "$0" "$@""#);
        let mut command = match setpriv() {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "/bin/sh"]);
                command
            }
            None => Command::new("/bin/sh"),
        };
        command.arg("-c").arg(script).arg(&launch.program).args(&launch.words);
        command.stdin(OwnedFd::from(theirs)).stdout(writer.try_clone()?).stderr(writer);
        // A foreign library is told nothing of our environment. It gets a group of its own: an interrupt from the
        // keyboard is for us, who then end it, and what it starts is ended with it.
        let kept = ["PATH", "HOME", "TMPDIR", "JAVA_HOME"];
        command.env_clear().envs(kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs([("TZ", "UTC"), ("LC_ALL", "C.UTF-8"), ("PYTHONHASHSEED", "0"), ("PYTHONDONTWRITEBYTECODE", "1")]);
        command.process_group(0);
        let child = spawn(command)?;
        Ok(Self { child, socket, received: Vec::new(), at: 0, printed, printed_from: 0, printed_to: None })
    }

    fn send(&mut self, request: &[u8], limits: &Limits) -> Result<(), String> {
        if request.is_empty() {
            return Ok(());
        }
        let set = self.socket.set_write_timeout(Some(limits.input));
        match set.and_then(|()| self.socket.write_all(request)) {
            Err(error) if is_timeout(&error) => Err("DEADLINE".to_owned()),
            // It is gone: what it still answered is read next, then its end.
            _ => Ok(()),
        }
    }

    /// The reply to request `id`, or how the process died instead.
    fn receive(&mut self, id: u32, limits: &Limits, limit: Duration) -> Result<Frame, String> {
        let until = Instant::now() + limit;
        let head = self.fill(4, until)?;
        let len = head.first_chunk::<4>().map_or(0, |word| u32::from_le_bytes(*word)) as usize;
        if len > limits.reply_bytes_max.saturating_add(16) {
            return Err(format!("PROTOCOL a reply of {len} bytes"));
        }
        self.at += 4;
        let frame = self.fill(len, until)?;
        let ([a, b, c, d, e, f, g, h, status], body) =
            frame.split_first_chunk::<9>().ok_or("PROTOCOL a reply without its head")?;
        let printed_to = u32::from_le_bytes([*e, *f, *g, *h]);
        let theirs = u32::from_le_bytes([*a, *b, *c, *d]);
        if theirs != id {
            return Err("PROTOCOL a reply to another request".to_owned());
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let frame = match (status, body) {
            (0, body) if id == 0 => Frame::Hello(text(body)),
            (0, body) => Frame::Answer(Answer::Accepted(body.to_vec())),
            (1, [layer, code @ ..]) if id != 0 => {
                let layer = Layer::ALL.get(usize::from(*layer)).copied().ok_or("PROTOCOL a layer that is none")?;
                Frame::Answer(Answer::Refused(Refusal { layer, code: code_of(&text(code)) }))
            }
            (2, how) if id != 0 => Frame::Answer(Answer::Died { how: code_of(&text(how)) }),
            _ => return Err("PROTOCOL a status that is none".to_owned()),
        };
        self.at += len;
        self.printed_to = Some(u64::from(printed_to));
        Ok(frame)
    }

    /// The next `len` bytes, of which nothing is consumed.
    fn fill(&mut self, len: usize, until: Instant) -> Result<&[u8], String> {
        let mut chunk = [0; 64 << 10];
        while self.received.len() - self.at < len {
            if self.at > chunk.len() {
                self.received.drain(..std::mem::take(&mut self.at));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("DEADLINE".to_owned());
            }
            let set = self.socket.set_read_timeout(Some(left));
            match set.and_then(|()| self.socket.read(&mut chunk)) {
                Ok(0) => return Err(String::new()),
                Ok(read) => self.received.extend_from_slice(&chunk[..read]),
                Err(error) if is_timeout(&error) => return Err("DEADLINE".to_owned()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Reset: it ended with requests unread.
                Err(_) => return Err(String::new()),
            }
        }
        Ok(&self.received[self.at..self.at + len])
    }

    /// What was printed since the last call. Requests are answered in order and each reply says where its text ends;
    /// without a reply all of it belongs to the request that got none.
    fn printed(&mut self, limits: &Limits) -> Vec<u8> {
        let len = self.printed.metadata().map_or(0, |metadata| metadata.len());
        let from = self.printed_from.min(len);
        let to = self.printed_to.take().map_or(len, |to| to.clamp(from, len));
        let mut bytes = vec![0; (to - from).min(limits.printed_bytes_max as u64) as usize];
        let read = self.printed.read_at(&mut bytes, from).unwrap_or_default();
        bytes.truncate(read);
        self.printed_from = to;
        bytes
    }

    /// Empties the file while nobody waits for a reply; the process appends, wherever the end is.
    fn forget_printed(&mut self) {
        if self.printed_from > PRINTED_BYTES_OLD && self.printed.set_len(0).is_ok() {
            self.printed_from = 0;
        }
    }

    /// Ends the process and all that it has started. Says how it died, where it has done so by itself.
    fn end(&mut self, how: String) -> String {
        let until = Instant::now() + Duration::from_secs(2);
        // What it has left behind may hold the socket open long after its end.
        let mut status = self.child.try_wait().ok().flatten();
        while how.is_empty() && status.is_none() && Instant::now() < until {
            status = self.child.try_wait().ok().flatten();
            if status.is_none() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        let group = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            // It may be gone already, and then there is nobody to tell.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        match (how, status) {
            (how, Some(status)) if how.is_empty() || how == "DEADLINE" => ended(status),
            (how, None) if how.is_empty() => "CLOSED".to_owned(),
            (how, _) => how,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end("DROPPED".to_owned());
        }
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("EXIT {code}"),
        (None, Some(signal)) => format!("SIGNAL {signal}"),
        (None, None) => "EXIT".to_owned(),
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// An error's text without values and positions: what is quoted is left out, and numbers are 0 unless they are part of a
/// name (`HL7v2`, `HAPI-1861`).
pub fn code_of(text: &str) -> String {
    let mut code = String::new();
    let (mut quote, mut in_name) = (None, false);
    let (mut before, mut before_that) = (' ', ' ');
    for c in text.chars() {
        match quote {
            Some(end) if c == end => {
                quote = None;
                code.push(c);
            }
            Some(_) => {}
            // An apostrophe within a word quotes nothing.
            None if matches!(c, '"' | '`' | '“') || (c == '\'' && !before.is_alphanumeric()) => {
                quote = Some(if c == '“' { '”' } else { c });
                code.push(c);
            }
            None if c.is_ascii_digit() => {
                if !before.is_ascii_digit() {
                    in_name = before.is_alphabetic() || (matches!(before, '-' | '_') && before_that.is_alphabetic());
                }
                if in_name {
                    code.push(c);
                } else if !before.is_ascii_digit() {
                    code.push('0');
                }
            }
            None if c.is_whitespace() || c.is_control() => {
                if !code.ends_with(' ') {
                    code.push(' ');
                }
            }
            None => code.push(c),
        }
        (before_that, before) = (before, c);
    }
    code.trim().chars().take(CODE_CHARS_MAX).collect()
}

/// A file for what a child prints, without a name: it goes with the last descriptor.
fn nameless_file() -> std::io::Result<(File, File)> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("autoclave-worker-{}-{count}", std::process::id()));
    let file = File::options().read(true).append(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    let writer = file.try_clone()?;
    Ok((file, writer))
}

/// The program by which a child asks to be killed when its parent dies, even if it never looks at its socket again.
/// Without it a worker ends when it reads the end of its socket.
fn setpriv() -> Option<&'static Path> {
    ["/usr/bin/setpriv", "/bin/setpriv"].map(Path::new).into_iter().find(|file| file.is_file())
}

/// Starts a child from a thread that lives as long as we do: Linux takes the thread for the parent, and would kill the
/// children of one that ends.
fn spawn(command: Command) -> std::io::Result<Child> {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static NURSERY: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let gone = || std::io::Error::from(ErrorKind::BrokenPipe);
    let (answer, child) = mpsc::channel();
    nursery.send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_what_tells_errors_apart_and_nothing_of_the_input() {
        for (text, code) in [
            (
                "HAPI-1861: Failed to parse 'SYN 17' (line 12, column 3)",
                "HAPI-1861: Failed to parse '' (line 0, column 0)",
            ),
            ("it can't be `a\"b` at\n 0x1F", "it can't be `` at 0x1F"),
            ("Unexpected \"unterminated", "Unexpected \""),
            ("HL7v2 1.50 -7", "HL7v2 0.0 -0"),
        ] {
            assert_eq!(code_of(text), code);
        }
        assert_eq!(code_of(&"é".repeat(1000)).chars().count(), CODE_CHARS_MAX);
    }
}
