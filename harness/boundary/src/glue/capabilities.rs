//! What a package's scripts and its module may do to their host, read without running them: calls that make code from
//! text, touch the page, the network, files, the process, storage, clocks; and what the module imports.

mod imports;
mod scan;

pub use imports::{ImportRow, category, glued, inventory};
pub use scan::{Place, places};

use crate::glue::syntax::{self, Lines};
use crate::package::{Package, PackageError};
use serde::Serialize;

/// Kinds of capabilities: name, and whether a parser of health data may have it unless somebody says otherwise, with
/// the reason.
pub const CATEGORIES: &[(&str, Default, &str)] = &[
    ("intrinsic", Default::Allowed, "conversions between JavaScript and the module; nothing leaves them"),
    ("memory", Default::Allowed, "linear memory of its own"),
    ("random", Default::Allowed, "seeds of hash maps; nothing about a patient is told by asking for it"),
    ("clock", Default::Refused, "a parser's answer does not depend on time, and clocks measure"),
    ("console", Default::Refused, "what is printed ends in logs, and what is parsed are patients"),
    ("network", Default::Refused, "a parser sends nothing"),
    ("files", Default::Refused, "a parser reads what it is given"),
    ("process", Default::Refused, "environment and exit are the application's"),
    ("storage", Default::Refused, "what is parsed is kept by nobody"),
    ("html", Default::Refused, "text of a document becomes markup"),
    ("code-generation", Default::Refused, "text becomes code, which a strict Content Security Policy forbids"),
    ("prototype", Default::Refused, "every other script on the page is changed with it"),
    ("messaging", Default::Refused, "whoever listens hears it"),
    ("workers", Default::Refused, "threads and shared memory are not needed to parse"),
    ("unknown", Default::Unknown, "nothing is known about it"),
    ("unreadable", Default::Unknown, "the file could not be read, so nothing is known about it"),
];

/// What holds without a word in `boundary.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Allowed.
    Allowed,
    /// Refused.
    Refused,
    /// Neither: a person looks.
    Unknown,
}

/// What the policy says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Allowed.
    Allowed,
    /// Refused.
    Refused,
    /// Nobody knows what it does: a person looks.
    Unknown,
}

/// Where a line can be reached, as guards around it say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// In Node only.
    Node,
    /// In browsers and workers only.
    Browser,
    /// In both, as far as is known.
    Both,
}

/// A place where a script can do something to its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// Its category, of [`CATEGORIES`].
    pub name: &'static str,
    /// What it is: `eval`, `innerHTML is written`.
    pub what: String,
    /// File of the package.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in bytes.
    pub column: u32,
    /// The line, shortened around the place: at most 200 characters, not escaped.
    pub source: String,
    /// Where it can be reached.
    pub reach: Reach,
    /// Whether the entry reaches the file.
    pub loaded: bool,
    /// What the policy says.
    pub verdict: Verdict,
}

/// What a package may ask of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Categories that are allowed.
    pub capabilities: Vec<String>,
    /// Imports of the module that are allowed, `module.name`; a `*` at the end stands for any rest.
    pub imports: Vec<String>,
}

impl Policy {
    /// The built-in one and what `boundary.toml` adds; a category that there is not is an error.
    pub fn of(package: &Package) -> Result<Policy, PackageError> {
        let built_in = CATEGORIES.iter().filter(|(_, default, _)| *default == Default::Allowed);
        let mut capabilities: Vec<String> = built_in.map(|(name, ..)| (*name).to_owned()).collect();
        for name in &package.narrowing.allow.capabilities {
            if !CATEGORIES.iter().any(|(known, ..)| known == name) {
                let known: Vec<&str> = CATEGORIES.iter().map(|(known, ..)| *known).collect();
                return Err(PackageError::Narrow(crate::glue::narrow::NarrowError {
                    file: package.narrowing_file.clone(),
                    what: format!("[allow] knows no capability {name:?}; there are: {}", known.join(", ")),
                }));
            }
            if !capabilities.contains(name) {
                capabilities.push(name.clone());
            }
        }
        Ok(Policy { capabilities, imports: package.narrowing.allow.imports.clone() })
    }

    /// What it says of a category.
    pub fn verdict(&self, category: &str) -> Verdict {
        if self.capabilities.iter().any(|allowed| allowed == category) {
            return Verdict::Allowed;
        }
        match CATEGORIES.iter().find(|(name, ..)| *name == category) {
            Some((_, Default::Unknown, _)) | None => Verdict::Unknown,
            Some(_) => Verdict::Refused,
        }
    }

    /// What it says of an import.
    pub fn import(&self, name: &str, category: &str) -> Verdict {
        let named = self.imports.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => allowed == name,
        });
        if named { Verdict::Allowed } else { self.verdict(category) }
    }
}

/// Every place in every script of the package, in order of file and line. A file that cannot be read is a row, too.
pub fn scan(package: &Package, policy: &Policy) -> Vec<Capability> {
    let mut rows = Vec::new();
    for (file, text) in package.all_scripts() {
        let loaded = package.scripts.iter().any(|script| script.path == file);
        let found = match text {
            Ok(text) => {
                let found = syntax::read(&file, &text, places);
                found.map(|found| (found, text)).map_err(|error| error.what)
            }
            Err(error) => Err(error),
        };
        let row = |name, what, reach, (line, column), source| {
            let verdict = policy.verdict(name);
            Capability { name, what, file: file.clone(), line, column, source, reach, loaded, verdict }
        };
        match found {
            Ok((found, text)) => {
                let lines = Lines::new(&text);
                for place in found {
                    let at = place.offset as usize;
                    rows.push(row(place.name, place.what, place.reach, lines.place(at), excerpt(&text, at)));
                }
            }
            Err(what) => rows.push(row("unreadable", what, Reach::Both, (1, 1), String::new())),
        }
    }
    rows
}

/// The line at an offset, trimmed, at most 200 characters around it.
fn excerpt(text: &str, offset: usize) -> String {
    const BEFORE: usize = 60;
    const CHARACTERS_MAX: usize = 200;
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = text[offset..].find('\n').map_or(text.len(), |at| offset + at);
    let line = &text[start..end];
    let shift = text[start..offset].chars().count().saturating_sub(BEFORE);
    // A short line is shown whole.
    let skip = if line.chars().nth(CHARACTERS_MAX).is_none() { 0 } else { shift };
    line.chars().skip(skip).take(CHARACTERS_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(files: &[(&str, &str)]) -> (tempfile::TempDir, Package) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let package = Package::open(folder.path()).unwrap();
        (folder, package)
    }

    fn rows(text: &str) -> Vec<(String, String, u32, Reach)> {
        let (_keep, package) = opened(&[("a.js", text)]);
        let found = scan(&package, &Policy::of(&package).unwrap());
        found.into_iter().map(|row| (row.name.to_owned(), row.what, row.line, row.reach)).collect()
    }

    #[test]
    fn every_sink_is_found_and_its_harmless_twin_is_not() {
        // What does it, its category, what looks alike and does not.
        let cases: &[(&str, &str, &str)] = &[
            ("eval(x)", "code-generation", "evaluate(x)"),
            ("window['eval'](x)", "code-generation", "window.evaluate(x)"),
            ("(0, eval)(x)", "code-generation", "(0, level)(x)"),
            ("new Function('a', x)", "code-generation", "new Functor('a', x)"),
            ("Function(x)()", "code-generation", "class Function2 {}"),
            ("newFunc(Function, args)", "code-generation", "x instanceof Function"),
            ("f.constructor('return this')()", "code-generation", "f.constructor(1)"),
            ("setTimeout('f()', 1)", "code-generation", "setTimeout(f, 1)"),
            ("setInterval(`f(${x})`)", "code-generation", "setInterval(() => f(), 1)"),
            ("setTimeout('f' + x)", "code-generation", "setTimeout(f)"),
            ("import(name)", "code-generation", "import('./b.js')"),
            ("require(name)", "code-generation", "require('./b.js')"),
            ("a.innerHTML = x", "html", "a.textContent = x"),
            ("a.outerHTML += x", "html", "let b = a.outerText"),
            ("a.insertAdjacentHTML('beforeend', x)", "html", "a.insertAdjacentText('beforeend', x)"),
            ("document.write(x)", "html", "stream.write(x)"),
            ("fetch(url, {})", "network", "a.fetch2(url)"),
            ("globalThis.fetch(url)", "network", "store.fetch(url)"),
            ("new XMLHttpRequest()", "network", "new XMLSerializer()"),
            ("new WebSocket(u)", "network", "new Socket(u)"),
            ("importScripts(u)", "network", "importAll(u)"),
            ("navigator.sendBeacon(u)", "network", "navigator.language"),
            ("require('https')", "network", "require('https-agent')"),
            ("import net from 'node:net'", "network", "import net from './net.js'"),
            ("require('fs').readFileSync(p)", "files", "require('fstream')"),
            ("await import('node:fs/promises')", "files", "await import('./fs.js')"),
            ("require('child_process')", "process", "require('path')"),
            ("require('vm')", "code-generation", "require('util')"),
            ("require('worker_threads')", "workers", "require('url')"),
            ("process.env.HOME", "process", "process.versions.node"),
            ("process.exit(1)", "process", "code.exit(1)"),
            ("localStorage.setItem(a, b)", "storage", "let local = storage"),
            ("indexedDB.open(a)", "storage", "index.open(a)"),
            ("document.cookie = a", "storage", "jar.cookies = a"),
            ("w.postMessage(a, '*')", "messaging", "w.postMessage(a, origin)"),
            ("console.log(a)", "console", "logger.log(a)"),
            ("Math.random()", "random", "Math.round(1)"),
            ("crypto.getRandomValues(a)", "random", "crypto.subtle"),
            ("Date.now()", "clock", "new Date(0)"),
            ("new Date()", "clock", "new Data()"),
            ("performance.now()", "clock", "performance2.now2()"),
            ("new SharedArrayBuffer(1)", "workers", "new ArrayBuffer(1)"),
            ("new Worker(u)", "workers", "new Walker(u)"),
            ("Object.prototype.x = 1", "prototype", "Store.prototype.x = 1"),
            ("a.__proto__ = b", "prototype", "({ __proto__: null })"),
            ("Object.defineProperty(Array.prototype, 'x', {})", "prototype", "Object.defineProperty(own, 'x', {})"),
            ("WebAssembly.instantiateStreaming(r).catch(() => 0)", "network", "WebAssembly.instantiate(b)"),
        ];
        for (does, category, harmless) in cases {
            let found = rows(&format!("\n  {does}"));
            assert!(found.iter().any(|(name, _, line, _)| name == category && *line == 2), "{does}: {found:?}");
            let found = rows(harmless);
            assert!(!found.iter().any(|(name, ..)| name == category), "{harmless}: {found:?}");
        }
    }

    #[test]
    fn guards_say_where_a_line_is_reached() {
        use Reach::{Both, Browser, Node};
        let text = "if (ENVIRONMENT_IS_NODE) { fetch(1) } else { fetch(2) }
if (typeof window == 'object') fetch(3); else fetch(4);
typeof process != 'undefined' && fetch(5);
!ENVIRONMENT_IS_NODE ? fetch(6) : fetch(7);
if (typeof document === 'undefined') fetch(8);
if (typeof process == 'object' && process.versions.node) { if (x) fetch(9) }
if (other) fetch(10); fetch(11);";
        let found = rows(text);
        let reach: Vec<Reach> =
            found.into_iter().filter(|(name, ..)| name == "network").map(|(.., reach)| reach).collect();
        assert_eq!(reach, [Node, Browser, Browser, Node, Node, Browser, Node, Node, Node, Both, Both]);
    }

    #[test]
    fn what_cannot_be_read_is_a_row() {
        let (_keep, package) =
            opened(&[("a.js", "console.log(1"), ("b.js", &"(".repeat(100_000)), ("c.js", "eval(1)")]);
        let found = scan(&package, &Policy::of(&package).unwrap());
        let rows: Vec<(&str, &str, Verdict)> =
            found.iter().map(|row| (row.file.as_str(), row.name, row.verdict)).collect();
        let expected = [
            ("a.js", "unreadable", Verdict::Unknown),
            ("b.js", "unreadable", Verdict::Unknown),
            ("c.js", "code-generation", Verdict::Refused),
        ];
        assert_eq!(rows, expected);
        assert!(found[1].what.contains("brackets nest"), "{found:?}");
        let long = format!("{}; eval(1); {}", "a = 'é'; ".repeat(500), "b;".repeat(500));
        let (_keep, package) = opened(&[("a.js", &long)]);
        let found = scan(&package, &Policy::of(&package).unwrap());
        assert!(found[0].source.contains("eval(1)") && found[0].source.chars().count() <= 200, "{found:?}");
        assert_eq!((found[0].line, found[0].loaded), (1, false));
    }

    #[test]
    fn the_policy_allows_what_it_names() {
        let (_keep, package) = opened(&[
            ("a.js", "console.log(1); fetch(2)"),
            ("boundary.toml", "[allow]\ncapabilities = ['console']\nimports = ['env.log*']"),
        ]);
        let policy = Policy::of(&package).unwrap();
        let verdicts: Vec<Verdict> = scan(&package, &policy).iter().map(|row| row.verdict).collect();
        assert_eq!(verdicts, [Verdict::Allowed, Verdict::Refused]);
        assert_eq!(policy.import("env.logger", "network"), Verdict::Allowed);
        assert_eq!(policy.import("env.send", "network"), Verdict::Refused);
        assert_eq!(policy.import("env.x", "unknown"), Verdict::Unknown);
        assert_eq!(policy.import("env.r", "random"), Verdict::Allowed);
        let (_keep, package) = opened(&[("boundary.toml", "[allow]\ncapabilities = ['logging']")]);
        let error = Policy::of(&package).unwrap_err().to_string();
        assert!(
            error.contains("boundary.toml: [allow] knows no capability \"logging\"; there are: intrinsic"),
            "{error}"
        );
    }
}
