//! Chromium without a screen: a fresh profile, a page of ours from the loopback interface, tapes in a dedicated worker of
//! it. DevTools tell what the page cannot: violations of the policy, requests, errors that nobody caught, crashes.

use super::cdp::{Broken, Pipe, Session};
use super::group::Group;
use super::scripts::SCRIPTS;
use super::serve::{NoMail, Server, Site, Variant, short};
use super::{Batch, Death, Host, HostLimits, Setup};
use crate::wire::{Hello, Ran, Sighting, Told, frame};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Names of the program, in the order in which they are looked for.
const PROGRAMS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome"];
/// How often a browser that works is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Until a command is answered that has nothing to do with the package.
const COMMAND_SECONDS_MAX: u64 = 60;
/// What the browser adds to its folder of temporary files, and the bytes that a socket's path may have (macOS has fewest).
const SINGLETON_SOCKET: &str = "/org.chromium.Chromium.XXXXXX/SingletonSocket";
const SOCKET_PATH_MAX: usize = 104;
/// Events of one batch before we call it a flood: each costs us time that no limit of the package's counts.
const EVENTS_MAX: u32 = 20_000;
/// Instances after which the page is made anew: what a module with a top-level `await` has made is never given back, and
/// each reserves ten gigabytes of addresses, of which there are a thousand.
const PAGE_INSTANCES_MAX: u64 = 48;
/// Sightings that are kept of one batch.
const SIGHTINGS_MAX: usize = 64;
/// Longest text and stack of a sighting, characters, see [`Sighting`].
const WHAT_CHARS_MAX: usize = 2000;
const STACK_CHARS_MAX: usize = 4000;

/// Files of ours that the page loads beside the runtime.
pub(super) const FILES: &[(&str, &str)] = &[
    ("page.html", include_str!("page.html")),
    ("page.mjs", include_str!("page.mjs")),
    ("worker.mjs", include_str!("worker.mjs")),
    ("importable.mjs", include_str!("importable.mjs")),
];

/// Where in a page tapes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// A dedicated worker: nothing that it does holds up the page.
    #[default]
    Worker,
    /// The window, where there is a document.
    Window,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Window => "window",
        }
    }
}

/// The program: what the variable `CHROMIUM` names, else the first on the search path.
///
/// # Errors
/// There is none: one sentence with the remedy.
pub fn find() -> Result<PathBuf, String> {
    find_in(std::env::var_os("CHROMIUM").as_deref(), &std::env::var_os("PATH").unwrap_or_default())
}

fn find_in(named: Option<&OsStr>, path: &OsStr) -> Result<PathBuf, String> {
    if let Some(program) = named.map(PathBuf::from) {
        return program.is_file().then_some(program.clone()).ok_or_else(|| {
            format!("CHROMIUM names {}, which is no file: set it to a Chromium, or unset it", program.display())
        });
    }
    let files = PROGRAMS.iter().flat_map(|name| std::env::split_paths(path).map(move |folder| folder.join(name)));
    let found = files.into_iter().find(|file| file.is_file());
    found.ok_or_else(|| "Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path".to_owned())
}

/// A running browser with one page of ours.
pub struct Chromium {
    browser: Browser,
    /// Serves as long as the browser runs.
    server: Server,
    page: Session,
    place: Session,
    port: String,
    hello: Hello,
    limits: HostLimits,
    /// Capabilities that the policy allows.
    allowed: Vec<String>,
    /// Batches that have no answer yet.
    waiting: VecDeque<Waiting>,
    /// Instances that the page has made.
    instances: u64,
    /// Counter bits that are known: the next page goes on where this one ends.
    seen: Vec<u8>,
    config: Value,
    kind: Place,
    /// How it ended.
    death: Option<Death>,
}

/// A batch that has no answer yet.
struct Waiting {
    /// The command's number; none where the batch is held back for the next page.
    id: Option<u64>,
    batch: Batch,
}

/// The processes, what they say, and what was noticed.
pub(super) struct Browser {
    pub(super) group: Group,
    pub(super) pipe: Pipe,
    limits: HostLimits,
    pub(super) noticed: Noticed,
    /// `Chromium 156.0.8078.79 (V8 15.6)`
    version: String,
    /// Answers that came while another one was waited for.
    answers: BTreeMap<u64, Value>,
    /// Of the targets that were attached: their types and sessions, in order.
    pub(super) attached: Vec<(String, String)>,
    /// Sessions that have called our binding, and what they said last.
    bindings: BTreeMap<String, String>,
    /// Pages by session: what closes them.
    targets: BTreeMap<String, String>,
    /// Removed when the processes are gone: fields are dropped in order.
    _profile: tempfile::TempDir,
}

/// What DevTools told of a batch.
#[derive(Default)]
pub(super) struct Noticed {
    pub(super) sightings: Vec<Sighting>,
    pub(super) console: Vec<String>,
    pub(super) issues: Vec<String>,
    events: u32,
    origin: String,
}

impl Chromium {
    /// Starts a browser and waits until its worker has loaded the package.
    ///
    /// # Errors
    /// There is no Chromium, it does not start, or cannot load the package: one sentence.
    pub fn start(setup: &Setup) -> Result<Self, String> {
        Self::start_in(setup, Place::Worker)
    }

    /// The same, in the window or in a worker.
    ///
    /// # Errors
    /// As [`Chromium::start`].
    pub fn start_in(setup: &Setup, place: Place) -> Result<Self, String> {
        let server = Server::start(site(setup), NoMail)?;
        let mut browser = Browser::start(setup)?;
        browser.noticed = Noticed::at(server.origin());
        let counters = setup.config.builds.iter().map(|build| build.counters as usize).max().unwrap_or(0);
        let seen = if setup.seen.is_empty() { vec![0; counters] } else { setup.seen.clone() };
        let config = serde_json::to_value(&setup.config).map_err(|error| error.to_string())?;
        let mut host = Self {
            browser,
            server,
            page: None,
            place: None,
            port: String::new(),
            hello: Hello::default(),
            limits: setup.limits,
            allowed: setup.config.allowed.clone(),
            waiting: VecDeque::new(),
            instances: 0,
            seen,
            config,
            kind: place,
            death: None,
        };
        let start = |death: Death| format!("while the package was loaded, {death}");
        host.hello = host.load().map_err(start)??;
        host.hello.host.clone_from(&host.browser.version);
        let sightings = host.sightings();
        host.hello.sightings.extend(sightings);
        Ok(host)
    }

    /// Opens a page and lets it load the package. The inner error says why it cannot.
    fn load(&mut self) -> Result<Result<Hello, String>, Death> {
        let address = self.server.address(Variant::Plain, &format!("page.html?place={}", self.kind.name()));
        self.page = self.browser.open(&address)?;
        self.place = self.browser.place(&self.page, self.kind)?;
        self.port = self.browser.port(&self.place)?;
        let seconds = self.limits.start_seconds_max;
        let text = json!({ "config": self.config, "seen": base64(&self.seen) }).to_string();
        let id = self.call("start", &text);
        let (kind, payload) = self.answer(id, seconds, seconds)?;
        Ok(match kind {
            frame::HELLO => {
                self.barrier()?;
                serde_json::from_str(&payload)
                    .map_err(|error| format!("Chromium said hello in a way that cannot be read: {error}"))
            }
            frame::FAILED => {
                let why = serde_json::from_str::<String>(&payload).unwrap_or_else(|_| "without a reason".to_owned());
                Err(format!("Chromium cannot load the package: {}", short(&why, WHAT_CHARS_MAX)))
            }
            kind => Err(format!("Chromium began with a frame of type {kind}")),
        })
    }

    /// Closes the page, and everything in it, for a new one.
    fn renew(&mut self) -> Result<(), Death> {
        let page = self.page.clone();
        self.browser.close(&page)?;
        self.instances = 0;
        self.load()?.map(|_| ()).map_err(Death::Garbage)?;
        // Told before, when the package was loaded first.
        self.sightings();
        Ok(())
    }

    /// Sends a batch and waits for its answer, or waits for the answer to one that is on its way.
    fn result(&mut self, waiting: &Waiting) -> Result<Ran, Death> {
        let id = match waiting.id {
            Some(id) => id,
            None => {
                if self.instances >= PAGE_INSTANCES_MAX {
                    self.renew()?;
                }
                self.call("batch", &base64(&waiting.batch.payload()))
            }
        };
        let number = waiting.batch.number;
        let cpu_seconds_max = self.limits.cpu_seconds_max(waiting.batch.tapes.len());
        let answer = self.answer(id, self.limits.silence_seconds_max, cpu_seconds_max)?;
        let ran: Ran = match answer {
            (frame::RESULT, payload) => serde_json::from_str(&payload)
                .map_err(|error| Death::Garbage(format!("Chromium answered what cannot be read: {error}")))?,
            (frame::FAILED, payload) if payload.contains("Cannot allocate Wasm memory") => {
                return Err(Death::Memory("Chromium has no addresses left for another instance".to_owned()));
            }
            (frame::FAILED, payload) => {
                return Err(Death::Garbage(format!("the runtime failed: {}", short(&payload, 200))));
            }
            (kind, _) => return Err(Death::Garbage(format!("Chromium answered with a frame of type {kind}"))),
        };
        if ran.batch != number {
            return Err(Death::Garbage(format!("Chromium answered {} instead of {number}", ran.batch)));
        }
        self.barrier()?;
        self.instances += u64::from(ran.instances);
        for (counter, bits) in ran.told.iter().flat_map(|told| &told.new) {
            if let Some(seen) = self.seen.get_mut(*counter as usize) {
                *seen |= bits;
            }
        }
        Ok(self.with_sightings(ran, waiting.batch.tapes.len()))
    }

    /// Process id of the browser, which leads the group of all its processes.
    pub fn process_id(&self) -> u32 {
        self.browser.group.id()
    }

    /// Calls a function of the worker's port.
    fn call(&mut self, function: &str, text: &str) -> u64 {
        let params = json!({
            "objectId": self.port,
            "functionDeclaration": format!("function (text) {{ return this.{function}(text); }}"),
            "arguments": [{ "value": text }],
            "awaitPromise": true,
            "returnByValue": true,
        });
        self.browser.pipe.send(&self.place, "Runtime.callFunctionOn", params)
    }

    /// Waits for what such a call returns: a frame's type and payload.
    fn answer(&mut self, id: u64, silence_seconds: u64, cpu_seconds: u64) -> Result<(u8, String), Death> {
        let answer = self.browser.answer(id, Duration::from_secs(silence_seconds), cpu_seconds as f64)?;
        // Where the package is served differs from run to run; where in it something happened does not.
        let text = answer["result"]["result"]["value"].as_str().unwrap_or_default();
        let text = &text.replace(&self.server.address(Variant::Plain, ""), "");
        let parts = text.split_once(' ').and_then(|(kind, payload)| Some((kind.parse().ok()?, payload.to_owned())));
        parts.ok_or_else(|| {
            let shown = answer["result"]["exceptionDetails"]["exception"]["description"].as_str();
            let shown = shown.or_else(|| answer["error"]["message"].as_str()).unwrap_or(text);
            self.browser.group.kill();
            Death::Garbage(format!("Chromium answered what is no frame: {}", short(shown, 200)))
        })
    }

    /// Comes back when everything is told that happened before: it comes through other processes than the answers.
    fn barrier(&mut self) -> Result<(), Death> {
        for session in [self.place.clone(), self.page.clone()] {
            self.browser.command(&session, "Runtime.evaluate", json!({ "expression": "0" }))?;
        }
        Ok(())
    }

    /// What was noticed since the last time.
    fn sightings(&mut self) -> Vec<Sighting> {
        let mut sightings = std::mem::take(&mut self.browser.noticed.sightings);
        sightings.extend(self.server.asked().iter().filter_map(|asked| asked.sighting()));
        self.browser.noticed.events = 0;
        let own = self.server.address(Variant::Plain, "");
        for sighting in &mut sightings {
            sighting.what = sighting.what.replace(&own, "");
            sighting.stack = sighting.stack.replace(&own, "");
        }
        let mut known = BTreeSet::new();
        sightings.retain(|sighting| {
            let is_allowed = sighting.class == "capability" && self.allowed.contains(&sighting.key);
            !is_allowed && known.insert((sighting.class.clone(), sighting.key.clone()))
        });
        sightings.truncate(SIGHTINGS_MAX);
        sightings
    }

    fn die<T>(&mut self, death: Death) -> Result<T, Death> {
        self.kill();
        self.death = Some(death.clone());
        Err(death)
    }
}

impl Host for Chromium {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn send(&mut self, batch: &Batch) -> Result<(), Death> {
        if let Some(death) = &self.death {
            return Err(death.clone());
        }
        let is_held = self.instances >= PAGE_INSTANCES_MAX || self.waiting.iter().any(|waiting| waiting.id.is_none());
        let id = (!is_held).then(|| self.call("batch", &base64(&batch.payload())));
        self.waiting.push_back(Waiting { id, batch: batch.clone() });
        Ok(())
    }

    fn receive(&mut self) -> Result<Ran, Death> {
        if let Some(death) = &self.death {
            return Err(death.clone());
        }
        let Some(waiting) = self.waiting.pop_front() else {
            return self.die(Death::Garbage("Chromium was asked nothing".to_owned()));
        };
        self.result(&waiting).or_else(|death| self.die(death))
    }

    fn kill(&mut self) {
        self.browser.group.kill();
    }

    fn cpu_seconds(&self) -> f64 {
        self.browser.group.cpu_seconds()
    }
}

impl Chromium {
    /// What DevTools told belongs to the batch, not to one of its tapes: it is told of the last one, after all others.
    fn with_sightings(&mut self, mut ran: Ran, tapes: usize) -> Ran {
        let sightings = self.sightings();
        if sightings.is_empty() || tapes == 0 {
            return ran;
        }
        let last = tapes as u32 - 1;
        let after = (0..last).collect();
        match ran.told.iter_mut().find(|told| told.tape == last) {
            Some(told) => {
                told.sightings.extend(sightings);
                told.after = after;
            }
            None => ran.told.push(Told { tape: last, sightings, after, ..Told::default() }),
        }
        ran
    }
}

/// What is served for a setup: files of ours, the frames that a host gets before its first batch, and the package.
pub(super) fn site(setup: &Setup) -> Site {
    let files = FILES.iter().chain(SCRIPTS).map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    let mut files = BTreeMap::from_iter(files);
    // The configuration and the counter bits come with the call that starts it.
    let mut frames = Vec::new();
    for (kind, payload) in
        setup.frames().into_iter().filter(|(kind, _)| matches!(*kind, frame::MODULE | frame::EVALUATOR))
    {
        frames.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        frames.push(kind);
        frames.extend_from_slice(&payload);
    }
    files.insert("frames.bin".to_owned(), frames);
    Site { files, package: PathBuf::from(&setup.config.root), module: setup.config.module.clone() }
}

impl Browser {
    /// Starts the processes; there is no page yet.
    pub(super) fn start(setup: &Setup) -> Result<Self, String> {
        let program = find()?;
        let profile = tempfile::Builder::new().prefix("autoclave-chromium-").tempdir();
        let profile = profile.map_err(|error| format!("no folder for a profile: {error}"))?;
        let mut command = Command::new("/bin/sh");
        // The protocol has descriptors 3 and 4; what the browser prints goes nowhere.
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null", "sh"]).arg(&program);
        command.args(arguments(profile.path(), setup.config.pages_max));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(profile.path());
        // Anything else of the environment might change what it does; a display, for one.
        let kept = ["PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "FONTCONFIG_PATH"];
        command.env_clear().envs(kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        // It is ended by a signal and leaves the folder of its singleton's socket behind: that goes with the profile.
        if profile.path().as_os_str().len() + SINGLETON_SOCKET.len() < SOCKET_PATH_MAX {
            command.env("TMPDIR", profile.path());
        }
        let mut group =
            Group::start(&mut command).map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let (Some(input), Some(output)) = (group.child().stdin.take(), group.child().stdout.take()) else {
            return Err("Chromium has no pipes".to_owned());
        };
        // An answer is a string in JSON in JSON: at worst every byte of it is escaped.
        let pipe = Pipe::new(input, output, setup.limits.answer_bytes_max as usize * 2 + (1 << 20));
        let mut browser = Self {
            group,
            pipe,
            limits: setup.limits,
            noticed: Noticed::default(),
            version: String::new(),
            answers: BTreeMap::new(),
            attached: Vec::new(),
            bindings: BTreeMap::new(),
            targets: BTreeMap::new(),
            _profile: profile,
        };
        let wait = Duration::from_secs(setup.limits.start_seconds_max);
        let id = browser.pipe.send(&None, "Browser.getVersion", json!({}));
        match browser.answer(id, wait, f64::INFINITY) {
            Ok(answer) => {
                let version = |name: &str| answer["result"][name].as_str().unwrap_or_default().to_owned();
                let (product, v8) = (version("product"), version("jsVersion"));
                let number = product.split_once('/').map_or("", |(_, number)| number);
                let v8: Vec<&str> = v8.split('.').take(2).collect();
                browser.version = format!("Chromium {number} (V8 {})", v8.join("."));
                Ok(browser)
            }
            Err(death) => {
                let said = browser.group.said();
                let telling = said.lines().find(|line| line.contains("ERROR") || line.contains("FATAL"));
                let said = telling.or(said.lines().next()).unwrap_or("it said nothing");
                Err(format!("{} does not start: {death}: {}", program.display(), short(said, 300)))
            }
        }
    }

    /// Opens a page, watched from its first moment on.
    pub(super) fn open(&mut self, address: &str) -> Result<Session, Death> {
        let target = self.command(&None, "Target.createTarget", json!({ "url": "about:blank" }))?;
        let target = target["targetId"].as_str().unwrap_or_default().to_owned();
        let attach = json!({ "targetId": target, "flatten": true });
        let session = self.command(&None, "Target.attachToTarget", attach)?;
        let session: Session = session["sessionId"].as_str().map(str::to_owned);
        self.targets.insert(session.clone().unwrap_or_default(), target);
        for domain in ["Inspector", "Page", "Runtime", "Log", "Network", "Audits"] {
            self.command(&session, &format!("{domain}.enable"), json!({}))?;
        }
        self.command(&session, "Runtime.addBinding", json!({ "name": "autoclaveReady" }))?;
        let workers = json!({ "autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true });
        self.command(&session, "Target.setAutoAttach", workers)?;
        self.command(&session, "Page.navigate", json!({ "url": address }))?;
        Ok(session)
    }

    /// Opens a page that tells something when it is done, itself or its worker.
    pub(super) fn told(&mut self, address: &str) -> Result<(Session, String), Death> {
        self.bindings.clear();
        let page = self.open(address)?;
        let wait = Duration::from_secs(self.limits.start_seconds_max);
        self.until(wait, "what the page tells", |browser| !browser.bindings.is_empty())?;
        let text = self.bindings.values().next().cloned().unwrap_or_default();
        Ok((page, text))
    }

    /// Closes a page, and what it has started.
    pub(super) fn close(&mut self, page: &Session) -> Result<(), Death> {
        let target = self.targets.remove(page.as_deref().unwrap_or_default()).unwrap_or_default();
        self.attached.clear();
        self.command(&None, "Target.closeTarget", json!({ "targetId": target })).map(|_| ())
    }

    /// The session in which tapes will run: the page's own, or its worker's.
    pub(super) fn place(&mut self, page: &Session, place: Place) -> Result<Session, Death> {
        if place == Place::Window {
            return Ok(page.clone());
        }
        let worker = |browser: &Self| browser.attached.iter().any(|(kind, _)| kind == "worker");
        self.until(Duration::from_secs(self.limits.start_seconds_max), "a worker", worker)?;
        let worker = self.attached.iter().find(|(kind, _)| kind == "worker");
        Ok(worker.map(|(_, session)| session.clone()))
    }

    /// Waits until our worker script is ready, and takes its port out of the package's reach.
    pub(super) fn port(&mut self, place: &Session) -> Result<String, Death> {
        let session = place.clone().unwrap_or_default();
        let wait = Duration::from_secs(self.limits.start_seconds_max);
        self.until(wait, "our worker's script", |browser| browser.bindings.contains_key(&session))?;
        let take = "(() => { const port = globalThis.autoclavePort; delete globalThis.autoclavePort; return port; })()";
        let port = self.evaluate(place, take)?;
        let port = port["result"]["objectId"].as_str().map(str::to_owned);
        port.ok_or_else(|| Death::Garbage("Chromium's worker has no port".to_owned()))
    }

    /// Runs an expression under the page's own policy.
    pub(super) fn evaluate(&mut self, place: &Session, expression: &str) -> Result<Value, Death> {
        // Without the last one, the policy would not hold for what runs.
        let params = json!({ "expression": expression, "awaitPromise": true, "allowUnsafeEvalBlockedByCSP": false });
        self.command(place, "Runtime.evaluate", params)
    }

    /// A command and its result.
    pub(super) fn command(&mut self, session: &Session, method: &str, params: Value) -> Result<Value, Death> {
        let id = self.pipe.send(session, method, params);
        let mut answer = self.answer(id, Duration::from_secs(COMMAND_SECONDS_MAX), f64::INFINITY)?;
        if let Some(error) = answer["error"]["message"].as_str() {
            let death = Death::Garbage(format!("Chromium refused {method}: {}", short(error, 200)));
            self.group.kill();
            return Err(death);
        }
        Ok(answer["result"].take())
    }

    /// Waits for something that events tell.
    pub(super) fn until(&mut self, wait: Duration, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), Death> {
        let mut watch = Watch::of(wait);
        while !is_so(self) {
            let printed = self.noticed.console.first().map_or("nothing was printed", String::as_str);
            let late = format!("{what} did not appear within {} s: {}", wait.as_secs(), short(printed, 300));
            self.look(&mut watch, &late)?;
        }
        Ok(())
    }

    /// Waits that long for the answer to a command, and for that much processor time.
    pub(super) fn answer(&mut self, id: u64, silence: Duration, cpu_seconds: f64) -> Result<Value, Death> {
        let mut watch = Watch::of(silence);
        // Looked at only where the answer does not come at once: it means reading the whole process table.
        let mut before = None;
        let silent = format!("Chromium was silent for {} s", silence.as_secs());
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                return Ok(answer);
            }
            if self.look(&mut watch, &silent)? == Looked::Processes {
                let cpu = self.group.cpu_seconds();
                if cpu - *before.get_or_insert(cpu) > cpu_seconds {
                    self.group.kill();
                    return Err(Death::Time(format!(
                        "Chromium did not answer within {cpu_seconds:.0} s of processor time"
                    )));
                }
            }
        }
    }

    /// Takes one message, or waits for it a moment. Whether messages come or not, the end is looked at every time, and the
    /// processes now and then: a package can make as many events as it likes.
    fn look(&mut self, watch: &mut Watch, late: &str) -> Result<Looked, Death> {
        let death = match self.pipe.next(LOOK) {
            // What is waited for may be this.
            Ok(Some(message)) if message["id"].is_u64() => return self.notice(message).map(|()| Looked::Message),
            Ok(Some(message)) => self.notice(message).err(),
            Ok(None) => None,
            Err(Broken::Garbage(what)) => Some(Death::Garbage(format!("Chromium answered {what}"))),
            Err(Broken::Closed) => {
                let status = self.group.end(Duration::from_secs(2));
                let status = status.map_or("and closed its pipe".to_owned(), |status| format!("with {status}"));
                return Err(Death::Exit(format!("Chromium ended {status}")));
            }
        };
        let death = match death {
            Some(death) => death,
            None if Instant::now() > watch.end => Death::Time(late.to_owned()),
            None if watch.looked.elapsed() < LOOK => return Ok(Looked::Message),
            None if self.group.resident_bytes() > self.limits.memory_bytes_max => {
                Death::Memory(format!("Chromium took more than {} MiB", self.limits.memory_bytes_max >> 20))
            }
            None => {
                watch.looked = Instant::now();
                return Ok(Looked::Processes);
            }
        };
        self.group.kill();
        Err(death)
    }

    /// What a message says.
    fn notice(&mut self, mut message: Value) -> Result<(), Death> {
        if let Some(id) = message["id"].as_u64() {
            self.answers.insert(id, message);
            return Ok(());
        }
        let session: Session = message["sessionId"].as_str().map(str::to_owned);
        let method = message["method"].take();
        let params = &message["params"];
        match method.as_str().unwrap_or_default() {
            "Target.attachedToTarget" => {
                let kind = params["targetInfo"]["type"].as_str().unwrap_or_default().to_owned();
                let new: Session = params["sessionId"].as_str().map(str::to_owned);
                if params["waitingForDebugger"] == true {
                    self.welcome(&new, &kind);
                    self.attached.push((kind, new.unwrap_or_default()));
                }
            }
            "Runtime.bindingCalled" if params["name"] == "autoclaveReady" => {
                let text = params["payload"].as_str().unwrap_or_default().to_owned();
                self.bindings.insert(session.unwrap_or_default(), text);
            }
            "Inspector.targetCrashed" | "Target.targetCrashed" => {
                return Err(Death::Exit("a process of Chromium crashed that ran the package".to_owned()));
            }
            "Page.javascriptDialogOpening" => {
                self.pipe.send(&session, "Page.handleJavaScriptDialog", json!({ "accept": false }));
                self.noticed.capability("dialog", "opened a dialog");
            }
            method => self.noticed.event(method, params),
        }
        self.noticed.events += 1;
        if self.noticed.events > EVENTS_MAX {
            return Err(Death::Garbage(format!("Chromium told of more than {EVENTS_MAX} events over one batch")));
        }
        Ok(())
    }

    /// Watches a worker, ours or the package's, and lets it go.
    fn welcome(&mut self, session: &Session, kind: &str) {
        if kind == "worker" && self.attached.iter().any(|(kind, _)| kind == "worker") {
            self.noticed.capability("worker", "started a worker");
        }
        for (method, params) in [
            ("Runtime.enable", json!({})),
            ("Log.enable", json!({})),
            ("Network.enable", json!({})),
            ("Audits.enable", json!({})),
            ("Runtime.addBinding", json!({ "name": "autoclaveReady" })),
            ("Target.setAutoAttach", json!({ "autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true })),
            ("Runtime.runIfWaitingForDebugger", json!({})),
        ] {
            // Not every kind has every domain; what it has is enough.
            self.pipe.send(session, method, params);
        }
    }
}

/// What was looked at while something is waited for.
#[derive(PartialEq, Eq)]
enum Looked {
    Message,
    Processes,
}

/// How long something is waited for.
struct Watch {
    end: Instant,
    /// When the processes were looked at last.
    looked: Instant,
}

impl Watch {
    fn of(wait: Duration) -> Self {
        let now = Instant::now();
        Self { end: now + wait, looked: now }
    }
}

impl Noticed {
    /// Nothing yet; requests to that origin are nothing to tell about.
    pub(super) fn at(origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..Self::default() }
    }

    fn event(&mut self, method: &str, params: &Value) {
        match method {
            "Runtime.consoleAPICalled" => {
                let texts = params["args"].as_array().into_iter().flatten();
                let texts: Vec<String> = texts.map(shown).collect();
                self.said("console", &texts.join(" "));
            }
            "Log.entryAdded" => {
                let entry = &params["entry"];
                self.said("log", entry["text"].as_str().unwrap_or_default());
            }
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                let what = shown(&details["exception"]);
                let what = if what.is_empty() { details["text"].as_str().unwrap_or_default().to_owned() } else { what };
                let (first, stack) = what.split_once('\n').unwrap_or((&what, ""));
                self.said("uncaught", &what);
                let (what, stack) = (short(first, WHAT_CHARS_MAX), short(stack, STACK_CHARS_MAX));
                let key = details["exception"]["className"].as_str().unwrap_or("uncaught").to_owned();
                self.push(Sighting { class: "late".to_owned(), key, what, stack, ..Sighting::default() });
            }
            "Audits.issueAdded" => {
                let issue = &params["issue"];
                let details = &issue["details"]["contentSecurityPolicyIssueDetails"];
                if let Some(kind) = details["contentSecurityPolicyViolationType"].as_str() {
                    let blocked = details["blockedURL"].as_str().unwrap_or_default();
                    let directive = details["violatedDirective"].as_str().unwrap_or_default();
                    self.issues.push(kind.to_owned());
                    self.capability(&format!("csp {kind}"), &format!("violates the policy: {directive} {blocked}"));
                }
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                let is_own = url.strip_prefix(&self.origin).is_some_and(|rest| rest.starts_with('/'));
                if !is_own && url != "about:blank" {
                    self.capability("network", &format!("asked the network for {url}"));
                }
            }
            _ => {}
        }
    }

    /// Something was printed: kept, and searched for data of a call.
    fn said(&mut self, key: &str, text: &str) {
        if has_canary(text) {
            let what = format!("{key} repeats data of a call: {}", short(text, WHAT_CHARS_MAX - 100));
            self.push(Sighting { class: "echo".to_owned(), key: key.to_owned(), what, ..Sighting::default() });
        }
        if self.console.len() < SIGHTINGS_MAX {
            self.console.push(short(text, WHAT_CHARS_MAX));
        }
    }

    pub(super) fn capability(&mut self, key: &str, what: &str) {
        let (key, what) = (key.to_owned(), short(what, WHAT_CHARS_MAX));
        self.push(Sighting { class: "capability".to_owned(), key, what, ..Sighting::default() });
    }

    fn push(&mut self, sighting: Sighting) {
        let is_known = |known: &Sighting| known.class == sighting.class && known.key == sighting.key;
        if self.sightings.len() < SIGHTINGS_MAX && !self.sightings.iter().any(is_known) {
            self.sightings.push(sighting);
        }
    }
}

/// A value as the console shows it.
fn shown(value: &Value) -> String {
    match (&value["value"], &value["description"]) {
        (Value::String(text), _) | (Value::Null, Value::String(text)) => text.clone(),
        (Value::Null, _) => value["type"].as_str().unwrap_or_default().to_owned(),
        (value, _) => value.to_string(),
    }
}

/// Whether a text holds what no text has by chance: see the canaries of [`crate::tape`].
fn has_canary(text: &str) -> bool {
    text.as_bytes().windows(12).any(|part| part.starts_with(b"QZ") && part.iter().all(u8::is_ascii_uppercase))
}

fn arguments(profile: &Path, pages_max: u32) -> Vec<String> {
    let fixed = [
        "--headless",
        "--remote-debugging-pipe",
        "--no-startup-window",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-extensions",
        "--disable-sync",
        "--disable-default-apps",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-breakpad",
        "--disable-crash-reporter",
        "--mute-audio",
        "--password-store=basic",
        "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider",
        // A page that nobody sees would be slowed down.
        "--disable-background-timer-throttling",
        "--disable-renderer-backgrounding",
        "--disable-backgrounding-occluded-windows",
        // No name is looked up, and what has a number goes to a port where nobody listens.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--proxy-server=127.0.0.1:9",
        "--disable-webrtc",
    ];
    let mut arguments: Vec<String> = fixed.iter().map(|text| (*text).to_owned()).collect();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    let pages = pages_max.max(1);
    arguments.push(format!("--js-flags=--expose-gc --wasm-max-mem-pages={pages} --stack-trace-limit=20"));
    // Chromium refuses to run as root with its sandbox on; as root, who starts us has chosen a container or a machine
    // that may be lost.
    if rustix::process::geteuid().is_root() {
        arguments.push("--no-sandbox".to_owned());
    }
    arguments
}

/// RFC 4648, section 4.
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let part = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, text) in vectors {
            assert_eq!(base64(plain.as_bytes()), text);
        }
        assert_eq!(base64(&[0xFB, 0xFF, 0xFE]), "+//+");
    }

    #[test]
    fn who_has_no_chromium_is_told_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("google-chrome");
        let path = folder.path().as_os_str();
        let missing = find_in(None, path).unwrap_err();
        assert!(missing.contains("apt-get install chromium") && missing.contains("CHROMIUM"), "{missing}");
        assert!(find_in(Some(program.as_os_str()), path).unwrap_err().contains("google-chrome, which is no file"));
        std::fs::write(&program, "").unwrap();
        assert_eq!(find_in(None, path), Ok(program.clone()));
        assert_eq!(find_in(Some(program.as_os_str()), OsStr::new("")), Ok(program));
    }

    /// Tells of one event after the other, and answers nothing.
    struct Chatter;

    impl std::io::Read for Chatter {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            std::thread::sleep(Duration::from_millis(2));
            let event = b"{\"method\":\"Runtime.consoleAPICalled\",\"params\":{}}\0";
            bytes[..event.len()].copy_from_slice(event);
            Ok(event.len())
        }
    }

    /// A browser that is a shell script, and tells of events as long as somebody listens.
    fn chatty(script: &str, limits: HostLimits) -> Browser {
        let mut command = Command::new("/bin/sh");
        let group = Group::start(command.args(["-c", script]).stdin(Stdio::null())).unwrap();
        Browser {
            group,
            pipe: Pipe::new(std::io::sink(), Chatter, 1 << 20),
            limits,
            noticed: Noticed::default(),
            version: String::new(),
            answers: BTreeMap::new(),
            attached: Vec::new(),
            bindings: BTreeMap::new(),
            targets: BTreeMap::new(),
            _profile: tempfile::tempdir().unwrap(),
        }
    }

    #[test]
    fn events_hold_off_no_limit() {
        let limits = HostLimits::default();
        let (day, moment) = (Duration::from_secs(86_400), Duration::from_millis(300));
        let death = chatty("sleep 1000", limits).answer(1, moment, f64::INFINITY).unwrap_err();
        assert_eq!(death, Death::Time("Chromium was silent for 0 s".to_owned()));
        let death = chatty("sleep 1000", limits).until(moment, "a worker", |_| false).unwrap_err();
        assert!(matches!(&death, Death::Time(why) if why.starts_with("a worker did not appear")), "{death:?}");
        let death = chatty("while :; do :; done", limits).answer(1, day, 0.1).unwrap_err();
        assert!(matches!(&death, Death::Time(why) if why.contains("processor time")), "{death:?}");
        let limits = HostLimits { memory_bytes_max: 0, ..limits };
        let death = chatty("sleep 1000", limits).answer(1, day, f64::INFINITY).unwrap_err();
        assert!(matches!(death, Death::Memory(_)), "{death:?}");
    }

    #[test]
    fn canaries_are_found_and_words_are_not() {
        for (text, is_one) in [
            ("got QZABCDEFGHIJ!", true),
            ("XQZABCDEFGHIJX", true),
            ("QZABCDEFGHI", false),
            ("QZabcdefghij", false),
            ("QZ ABCDEFGHIJ", false),
            ("", false),
        ] {
            assert_eq!(has_canary(text), is_one, "{text}");
        }
    }
}
