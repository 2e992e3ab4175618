//! What a module asks of its host: reviewed or not, page and network, powerful functions.

use crate::facts::Import;
use crate::subject::Subject;
use crate::{Answer, Context, Finding, Row};
use autoclave_boundary::glue::capabilities::{category, glued};
use autoclave_reports::Severity;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Findings of one check that are kept one by one: of more, only the number, as bad as they are.
const KEPT_MAX: usize = 10_000;

/// An import with what is known of it.
struct Known {
    /// `module.name`, or a component's interface.
    name: String,
    /// The same, with what glue calls it where that is another name.
    meaning: Option<String>,
    category: &'static str,
    ty: Arc<str>,
    is_used: bool,
}

impl Known {
    fn shown(&self) -> String {
        match &self.meaning {
            Some(meaning) => format!("{} ({meaning} in the glue)", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether a list of the policy has it by either name.
    fn is(&self, wanted: impl Fn(&str) -> bool) -> bool {
        let module = self.name.split('.').next().unwrap_or_default();
        wanted(&self.name) || self.meaning.as_ref().is_some_and(|meaning| wanted(&format!("{module}.{meaning}")))
    }
}

fn known(subject: &Subject) -> Vec<Known> {
    if subject.facts.is_component {
        let row = |name: &String| Known {
            name: name.clone(),
            meaning: None,
            category: interface(name),
            ty: "".into(),
            is_used: true,
        };
        return subject.facts.component_imports.iter().map(row).collect();
    }
    let mut rows = Vec::new();
    for core in &subject.facts.cores {
        let mut function = 0;
        for import in &core.imports {
            let is_used = import.kind != "function" || core.used_imports.contains(&function);
            function += u32::from(import.kind == "function");
            rows.push(of_core(subject, import, is_used));
        }
    }
    rows
}

fn of_core(subject: &Subject, import: &Import, is_used: bool) -> Known {
    let key = (import.module.to_string(), import.name.clone());
    let meaning = subject.meanings.get(&key).filter(|meaning| **meaning != import.name).cloned();
    let by_name = category(&import.module, &import.name, import.kind);
    let category = match &meaning {
        Some(meaning) if by_name == "unknown" => glued(meaning),
        _ => by_name,
    };
    Known { name: format!("{}.{}", import.module, import.name), meaning, category, ty: import.ty.clone(), is_used }
}

/// Categories of the interfaces of WASI 0.2 and later, by how they begin.
const INTERFACES: &[(&str, &str)] = &[
    ("wasi:http", "network"),
    ("wasi:sockets", "network"),
    ("wasi:messaging", "network"),
    ("wasi:filesystem", "files"),
    ("wasi:cli/environment", "process"),
    ("wasi:cli/exit", "process"),
    ("wasi:cli/std", "console"),
    ("wasi:cli/terminal", "console"),
    ("wasi:cli", "process"),
    ("wasi:logging", "console"),
    ("wasi:clocks", "clock"),
    ("wasi:random", "random"),
    ("wasi:io", "intrinsic"),
    ("wasi:keyvalue", "storage"),
    ("wasi:blobstore", "storage"),
    ("wasi:config", "process"),
];

fn interface(name: &str) -> &'static str {
    INTERFACES.iter().find(|(start, _)| name.starts_with(start)).map_or("unknown", |(_, category)| category)
}

/// Findings of a check. A million imports are no million rows; and what is not kept is told as one of its severity, so
/// that no waiver for those before it accepts it.
#[derive(Default)]
pub(super) struct Rows {
    found: Vec<Finding>,
    more: BTreeMap<Severity, usize>,
}

impl Rows {
    pub(super) fn push(&mut self, severity: Severity, what: impl FnOnce() -> String, location: &str) {
        let count = self.more.entry(severity).or_default();
        *count += 1;
        if *count <= KEPT_MAX {
            self.found.push(Finding::new("", severity, what(), location));
        }
    }

    pub(super) fn finish(mut self) -> Vec<Finding> {
        for (severity, count) in self.more {
            if let Some(more) = count.checked_sub(KEPT_MAX).filter(|more| *more > 0) {
                // Beside the first of them, so that a cut list keeps it.
                let first = self.found.iter().position(|one| one.severity == severity).map_or(0, |first| first + 1);
                self.found
                    .insert(first, Finding::new("", severity, format!("{more} more like these are not listed"), ""));
            }
        }
        self.found
    }
}

/// The answer, unless a bundler has shortened names of which the glue does not say what they stand for.
fn unless_obscure(rows: &[Known], context: &Context<'_>, found: Vec<Finding>) -> Answer {
    let is_obscure = |row: &&Known| {
        let (module, name) = row.name.split_once('.').unwrap_or_default();
        let is_reviewed = row.is(|name| context.policy.reviews(name, row.category));
        row.category == "unknown" && row.meaning.is_none() && module.len() <= 2 && name.len() <= 3 && !is_reviewed
    };
    match rows.iter().filter(is_obscure).count() {
        0 => Answer::Judged(found),
        n => {
            let reason = format!("{n} imports have shortened names, and no glue says what they are; --glue names it");
            Answer::NotTested(reason, found)
        }
    }
}

/// Everything that is imported was reviewed, and what was reviewed is needed.
pub fn reviewed(subject: &Subject, context: &Context<'_>, _: &[Row]) -> Answer {
    let mut found = Rows::default();
    for row in known(subject) {
        let reviewed = row.is(|name| context.policy.reviews(name, row.category));
        let (name, category) = (row.shown(), row.category);
        if !reviewed {
            let ty = if row.ty.is_empty() { String::new() } else { format!(" {}", row.ty) };
            let what = || format!("imports {name}{ty} ({category}), which nobody has reviewed");
            found.push(Severity::Medium, what, "imports");
        } else if !row.is_used {
            let what = || format!("imports {name}, and nothing that is reachable calls it");
            found.push(Severity::Info, what, "imports");
        }
    }
    Answer::Judged(found.finish())
}

/// Nothing that is imported reaches the page or the network, unless a reviewed adapter stands between.
pub fn page_and_network(subject: &Subject, context: &Context<'_>, _: &[Row]) -> Answer {
    let mut found = Rows::default();
    let rows = known(subject);
    for row in &rows {
        let what = match row.category {
            "html" => "the page",
            "network" => "the network",
            "storage" => "the browser's storage",
            "messaging" => "other windows and workers",
            _ => continue,
        };
        if !row.is(|name| context.policy.adapts(name)) {
            found.push(Severity::High, || format!("imports {}, which reaches {what}", row.shown()), "imports");
        }
    }
    unless_obscure(&rows, context, found.finish())
}

/// Functions of C's environment that start programs, load code or run text.
const POWERFUL: &[&str] = &[
    "system",
    "popen",
    "exec",
    "execl",
    "execle",
    "execlp",
    "execv",
    "execve",
    "execvp",
    "fork",
    "vfork",
    "posix_spawn",
    "dlopen",
    "dlsym",
    "emscripten_dlopen",
    "emscripten_run_script",
    "emscripten_async_run_script",
    "eval",
    "Function",
];

/// What WASI's streams need when nothing opens a file: they reach what the host hands over, standard output above all.
const STREAMS: &[&str] =
    &["fd_write", "fd_close", "fd_seek", "fd_read", "fd_fdstat_get", "fd_tell", "fd_sync", "fd_datasync"];

/// No file, process, environment or code from text.
pub fn powerful(subject: &Subject, context: &Context<'_>, _: &[Row]) -> Answer {
    let rows = known(subject);
    let plain = |row: &Known| {
        let name = row
            .meaning
            .as_deref()
            .unwrap_or_else(|| row.name.split_once('.').map_or(row.name.as_str(), |(_, name)| name));
        name.trim_start_matches('_').to_owned()
    };
    let opens = rows
        .iter()
        .map(plain)
        .any(|name| name.starts_with("path_") || name.starts_with("fd_prestat") || name.starts_with("syscall_open"));
    let mut found = Rows::default();
    for row in &rows {
        let name = plain(row);
        if row.is(|name| context.policy.adapts(name)) {
            continue;
        }
        let shown = row.shown();
        let (severity, what) = match row.category {
            "code-generation" => (Severity::High, format!("imports {shown}, which makes code from text")),
            "files" if STREAMS.contains(&name.as_str()) && !opens => (
                Severity::Info,
                format!("imports {shown}: only streams that the host hands over, for nothing here opens a file"),
            ),
            "files" if name.starts_with("syscall_") && !name.starts_with("syscall_open") && !opens => {
                (Severity::Info, format!("imports {shown}: a call on open files, and nothing here opens one"))
            }
            "files" if matches!(name.as_str(), "mmap_js" | "munmap_js") && !opens => {
                (Severity::Info, format!("imports {shown}: maps files, and nothing here opens one"))
            }
            "files" => (Severity::High, format!("imports {shown}, which reaches files")),
            "process" if matches!(name.as_str(), "proc_exit" | "exit") || row.name.starts_with("wasi:cli/exit") => {
                (Severity::Info, format!("imports {shown}: may end its own program"))
            }
            "process" => (Severity::High, format!("imports {shown}, which reaches the process or its environment")),
            _ if POWERFUL.contains(&name.as_str()) || name.starts_with("emscripten_asm_const") => {
                (Severity::High, format!("imports {shown}, which starts programs or runs text"))
            }
            _ => continue,
        };
        found.push(severity, || what, "imports");
    }
    unless_obscure(&rows, context, found.finish())
}
