//! What is asked of a package in a real page: whether it can be deployed as a careful operator would, behind a strict
//! policy, isolated, with its integrity checked, in a worker that can be ended. Every question has a control, in which the
//! opposite must come out: where it does not, the question was not asked.

use super::chromium::{Browser, base64};
use super::serve::{NoMail, Server, Site, Variant, short};
use super::{Death, Setup};
use crate::wire::Glue;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Files of ours.
const FILES: &[(&str, &str)] = &[
    ("checks.html", include_str!("checks.html")),
    ("checks.mjs", include_str!("checks.mjs")),
    ("importable.mjs", include_str!("importable.mjs")),
];

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCheck {
    /// What is asked, in a few words.
    pub name: String,
    /// The answer.
    pub verdict: Verdict,
    /// What was seen, in the question and in its control; for people, to be escaped.
    pub what: String,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is so.
    Held,
    /// It is not so.
    Broken,
    /// It could not be found out.
    NotAsked,
}

impl Verdict {
    /// As reports say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::NotAsked => "not asked",
        }
    }
}

/// What came of one page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    /// Whether what was to be done succeeded.
    ok: bool,
    error: String,
    /// Violations of the policy, as Chromium names them.
    issues: Vec<String>,
    /// What was printed.
    console: Vec<String>,
    /// Requests that no package should make.
    asked: Vec<String>,
    /// The page told nothing in time, twice: a busy machine, or a page that waits for ever. Neither is an answer.
    is_late: bool,
}

/// One thing that is done in one page.
#[derive(Debug, Clone, Copy)]
struct Trial {
    action: &'static str,
    place: &'static str,
    variant: Variant,
    integrity: Option<Integrity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Integrity {
    Right,
    Wrong,
}

/// What is asked: in which page, whether it is so, in which other page it must not be so.
struct Question {
    name: &'static str,
    trial: Trial,
    holds: fn(&Seen) -> bool,
    control: Trial,
    /// What the control must show.
    fails: fn(&Seen) -> bool,
}

const fn trial(action: &'static str, place: &'static str, variant: Variant) -> Trial {
    Trial { action, place, variant, integrity: None }
}

fn violates(seen: &Seen, kind: &str) -> bool {
    seen.issues.iter().any(|issue| issue == kind)
}

const QUESTIONS: &[Question] = &[
    Question {
        name: "loads where the policy allows WebAssembly and nothing else",
        trial: trial("load", "worker", Variant::Plain),
        holds: |seen| seen.ok && seen.issues.is_empty(),
        control: trial("load", "worker", Variant::NoWasm),
        fails: |seen| !seen.ok && violates(seen, "kWasmEvalViolation"),
    },
    Question {
        name: "makes no code from strings when it is loaded",
        trial: trial("load", "window", Variant::Plain),
        holds: |seen| seen.ok && !violates(seen, "kEvalViolation"),
        control: trial("eval", "window", Variant::Plain),
        fails: |seen| !seen.ok && violates(seen, "kEvalViolation"),
    },
    Question {
        name: "loads where the page requires Trusted Types",
        trial: trial("load", "window", Variant::TrustedTypes),
        holds: |seen| seen.ok && !seen.issues.iter().any(|issue| issue.starts_with("kTrustedTypes")),
        control: trial("html", "window", Variant::TrustedTypes),
        fails: |seen| !seen.ok && seen.issues.iter().any(|issue| issue.starts_with("kTrustedTypes")),
    },
    Question {
        name: "its module is what its hash says, checked by the browser",
        trial: Trial { integrity: Some(Integrity::Right), ..trial("integrity", "window", Variant::Plain) },
        holds: |seen| seen.ok,
        control: Trial { integrity: Some(Integrity::Wrong), ..trial("integrity", "window", Variant::Plain) },
        fails: |seen| !seen.ok,
    },
    Question {
        name: "refuses a module of the wrong type, or says so",
        trial: trial("load", "worker", Variant::Type),
        holds: |seen| !seen.ok || !seen.console.is_empty(),
        control: trial("load", "worker", Variant::Plain),
        fails: |seen| seen.ok && seen.console.is_empty(),
    },
    Question {
        name: "refuses half a module, and looks nowhere else for it",
        trial: trial("load", "worker", Variant::Truncated),
        holds: |seen| !seen.ok && seen.asked.is_empty() && !violates(seen, "kEvalViolation"),
        control: trial("load", "worker", Variant::Plain),
        fails: |seen| seen.ok,
    },
    Question {
        name: "refuses to go on without its module, and looks nowhere else for it",
        trial: trial("load", "worker", Variant::Missing),
        holds: |seen| !seen.ok && seen.asked.is_empty() && !violates(seen, "kEvalViolation"),
        control: trial("load", "worker", Variant::Plain),
        fails: |seen| seen.ok,
    },
    Question {
        name: "runs isolated from other origins",
        trial: trial("isolated", "worker", Variant::Plain),
        holds: |seen| seen.ok,
        control: trial("isolated", "worker", Variant::NoIsolation),
        fails: |seen| !seen.ok,
    },
    Question {
        name: "runs in a worker that can be ended while it spins, and started again",
        trial: trial("terminate", "window", Variant::Plain),
        holds: |seen| seen.ok,
        // A worker that is not ended goes on spinning: it answers nobody.
        control: trial("stuck", "window", Variant::Plain),
        fails: |seen| seen.ok,
    },
];

/// Asks all of them in one Chromium, which is started again where it dies.
///
/// # Errors
/// There is no Chromium, it does not start, or there is no package: one sentence.
pub fn ask(setup: &Setup) -> Result<Vec<PageCheck>, String> {
    let kinds = [Glue::BindgenWeb, Glue::Emscripten, Glue::Assemblyscript, Glue::Wrapper, Glue::Raw];
    if !kinds.contains(&setup.config.glue) {
        let what = "no page can load this kind of glue as it is: it needs a bundler, or Node";
        let row = |question: &Question| row(question.name, Verdict::NotAsked, what.to_owned());
        return Ok(QUESTIONS.iter().map(row).collect());
    }
    let mut pages = Pages::new(setup)?;
    QUESTIONS.iter().map(|question| pages.ask(question)).collect()
}

fn row(name: &str, verdict: Verdict, what: String) -> PageCheck {
    PageCheck { name: name.to_owned(), verdict, what }
}

struct Pages<'a> {
    setup: &'a Setup,
    server: Server,
    browser: Option<Browser>,
    /// As `integrity` has it.
    hash: String,
}

impl<'a> Pages<'a> {
    fn new(setup: &'a Setup) -> Result<Self, String> {
        let files = FILES.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        let files = BTreeMap::from_iter(files);
        let root = Path::new(&setup.config.root);
        let module = root.join(&setup.config.module);
        let bytes = std::fs::read(&module).map_err(|error| format!("{}: {error}", module.display()))?;
        let hash = format!("sha256-{}", base64(&Sha256::digest(&bytes)));
        let site = Site { files, package: root.to_owned(), module: setup.config.module.clone() };
        Ok(Self { setup, server: Server::start(site, NoMail)?, browser: None, hash })
    }

    fn ask(&mut self, question: &Question) -> Result<PageCheck, String> {
        let seen = self.look(question.trial)?;
        let control = self.look(question.control)?;
        let is_asked = (question.fails)(&control) && !control.is_late && !seen.is_late;
        let verdict = match (is_asked, (question.holds)(&seen)) {
            (false, _) => Verdict::NotAsked,
            (true, true) => Verdict::Held,
            (true, false) => Verdict::Broken,
        };
        let own = self.server.address(question.trial.variant, "");
        let unsaid = if is_asked { "" } else { ", which shows nothing" };
        let other = self.server.address(question.control.variant, "");
        let what = format!("{}; control: {}{unsaid}", seen.said(), control.said());
        Ok(row(question.name, verdict, what.replace(&own, "").replace(&other, "")))
    }

    /// Does it in a page of its own, and once more in another browser where nothing was told in time.
    fn look(&mut self, trial: Trial) -> Result<Seen, String> {
        let first = self.look_once(trial)?;
        if first.is_late { self.look_once(trial) } else { Ok(first) }
    }

    /// A browser that dies over it is what was seen; one that is late is not.
    fn look_once(&mut self, trial: Trial) -> Result<Seen, String> {
        let mut browser = match self.browser.take() {
            Some(browser) => browser,
            None => Browser::start(self.setup)?,
        };
        browser.noticed = super::chromium::Noticed::at(self.server.origin());
        self.server.asked();
        match self.load(&mut browser, trial) {
            Ok(mut seen) => {
                seen.issues = std::mem::take(&mut browser.noticed.issues);
                seen.console = std::mem::take(&mut browser.noticed.console);
                seen.asked =
                    self.server.asked().iter().filter_map(|asked| asked.sighting()).map(|at| at.what).collect();
                let asked = browser.noticed.sightings.iter().filter(|sighting| sighting.key == "network");
                seen.asked.extend(asked.map(|sighting| sighting.what.clone()));
                self.browser = Some(browser);
                Ok(seen)
            }
            Err(death) => {
                let is_late = matches!(death, Death::Time(_));
                Ok(Seen { error: death.to_string(), is_late, ..Seen::default() })
            }
        }
    }

    fn load(&self, browser: &mut Browser, trial: Trial) -> Result<Seen, Death> {
        let config = &self.setup.config;
        let glue = serde_json::to_value(config.glue).unwrap_or_default();
        let integrity = match trial.integrity {
            Some(Integrity::Right) => self.hash.clone(),
            Some(Integrity::Wrong) => format!("sha256-{}", base64(&[0; 32])),
            None => String::new(),
        };
        let words = [
            ("do", trial.action),
            ("place", trial.place),
            ("glue", glue.as_str().unwrap_or_default()),
            ("entry", config.entry.as_deref().unwrap_or_default()),
            ("module", &config.module),
            ("integrity", &integrity),
        ];
        let words: Vec<String> = words.iter().map(|(name, word)| format!("{name}={}", encoded(word))).collect();
        let address = self.server.address(trial.variant, &format!("checks.html?{}", words.join("&")));
        let (page, text) = browser.told(&address)?;
        // What is told through other processes arrives before the answer to this.
        browser.evaluate(&page, "0")?;
        browser.close(&page)?;
        #[derive(Deserialize)]
        struct Told {
            ok: bool,
            error: String,
        }
        let told: Told = serde_json::from_str(&text).map_err(|_| Death::Garbage("the page told nothing".to_owned()))?;
        Ok(Seen { ok: told.ok, error: told.error, ..Seen::default() })
    }
}

impl Seen {
    fn said(&self) -> String {
        let mut said =
            if self.ok { "it succeeds".to_owned() } else { format!("it fails ({})", short(&self.error, 200)) };
        for (name, list) in [("violations", &self.issues), ("console", &self.console), ("requests", &self.asked)] {
            if let Some(first) = list.first() {
                said.push_str(&format!(", {name}: {}", short(first, 200)));
            }
        }
        said
    }
}

/// As part of an address.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
