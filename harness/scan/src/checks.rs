//! The checks: one for each control that can be answered by reading, in the catalogue's order. A check that needs the
//! answers of others comes behind them.

pub mod containers;
pub mod crypto;
pub mod imports;
pub mod pins;
pub mod script;
pub mod supply;

use crate::facts::Limits;
use crate::subject::{File, Subject};
use crate::{Answer, Context, Finding, Row, secrets};
use autoclave_reports::Severity;

/// A check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// The control that it answers.
    pub control: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// Asks it; rows of the checks before it are known by then.
    pub run: fn(&Subject, &Context<'_>, &[Row]) -> Answer,
}

const fn check(
    control: &'static str,
    question: &'static str,
    run: fn(&Subject, &Context<'_>, &[Row]) -> Answer,
) -> Check {
    Check { control, question, run }
}

/// All of them.
pub const ALL: &[Check] = &[
    check("SBX-01b", "is state shared with whoever else has the imports", shared_state),
    check("SBX-02a", "is every import reviewed, and used", imports::reviewed),
    check("SBX-02b", "do imports reach the page or the network", imports::page_and_network),
    check("SBX-03a", "do memories declare a conservative maximum", memories),
    check("SBX-03b", "do tables declare a conservative maximum", tables),
    check("SBX-04a", "are module and dependencies pinned", pins::pinned),
    check("SBX-04b", "is the module signed by a trusted key", supply::signed),
    check("SBX-04d", "is there a bill of materials for these bytes", supply::billed),
    check("SBX-04e", "do two builds give the same bytes", supply::rebuilt),
    check("SBX-06a", "are powerful host functions imported", imports::powerful),
    check("SBX-06b", "does glue fall back to something dangerous", script::fallbacks),
    check("SBX-07a", "has the container few privileges", containers::privileges),
    check("SBX-07b", "are root file system and preopens read-only", containers::read_only),
    check("SBX-07c", "are seccomp and AppArmor set", containers::confined),
    check("SBX-07d", "is egress denied by default", containers::egress),
    check("VAL-05c", "does glue make code or patterns out of data", script::code_from_data),
    check("ENC-00a", "is there cryptography that is weak or home-made", crypto::constants),
    check("ENC-00b", "are there secrets in the module", secrets_in_module),
    check("OPS-02c", "are dependencies free of known vulnerabilities", supply::advised),
    check("OPS-03b", "is the supply chain closed and its provenance signed", supply::closed),
    check("API-04a", "are keys written into module, glue, maps or settings", secrets_anywhere),
];

fn shared_state(subject: &Subject, context: &Context<'_>, _: &[Row]) -> Answer {
    if subject.facts.is_component {
        let reason = "a component shares no memory, table or global with others; it only passes values";
        return Answer::NotApplicable(reason.to_owned());
    }
    let mut found = imports::Rows::default();
    for core in &subject.facts.cores {
        for import in core.imports.iter().filter(|import| import.is_mutable || import.is_shared) {
            let name = format!("{}.{}", import.module, import.name);
            if context.policy.shares(&name) {
                continue;
            }
            let what = || format!("imports the {} {name} ({}), which others can change", import.kind, import.ty);
            found.push(Severity::Medium, what, "imports");
        }
        for memory in core.memories.iter().filter(|memory| memory.is_shared && !memory.is_imported) {
            let what = || format!("a memory of its own is shared between threads ({} pages)", memory.initial);
            found.push(Severity::Medium, what, "memories");
        }
    }
    Answer::Judged(found.finish())
}

fn memories(subject: &Subject, context: &Context<'_>, _: &[Row]) -> Answer {
    let policy = &context.policy.memory;
    limits(subject, "memory", "pages", &|core| &core.memories, policy.pages_max, Some(policy.initial_pages_max))
}

fn tables(subject: &Subject, context: &Context<'_>, _: &[Row]) -> Answer {
    limits(subject, "table", "elements", &|core| &core.tables, context.policy.table.elements_max, None)
}

fn limits(
    subject: &Subject,
    kind: &str,
    unit: &str,
    of: &dyn Fn(&crate::facts::Core) -> &Vec<Limits>,
    most: u64,
    initial_most: Option<u64>,
) -> Answer {
    let mut found = imports::Rows::default();
    let mut count = 0;
    for (at, core) in subject.facts.cores.iter().enumerate() {
        let place = if subject.facts.is_component { format!("core module {at}") } else { String::new() };
        // What a component's modules import, others in it declare.
        let own = of(core).iter().enumerate().filter(|(_, one)| !(subject.facts.is_component && one.is_imported));
        for (number, one) in own {
            count += 1;
            let location = format!("{place} {kind} {number}").trim_start().to_owned();
            let maximum = match one.maximum {
                None => Some(format!("{kind} {number} has no maximum ({} {unit} at the start)", one.initial)),
                Some(maximum) if maximum > most => {
                    Some(format!("{kind} {number} may grow to {maximum} {unit}; the policy says {most}"))
                }
                Some(_) => None,
            };
            if let Some(what) = maximum {
                found.push(Severity::Medium, || what, &location);
            }
            if let Some(most) = initial_most.filter(|most| one.initial > *most) {
                let what = format!("{kind} {number} begins with {} {unit}; the policy says {most}", one.initial);
                found.push(Severity::Info, || what, &location);
            }
        }
    }
    match count {
        0 => Answer::NotApplicable(format!("there is no {kind}")),
        _ => Answer::Judged(found.finish()),
    }
}

/// Secrets in a piece of bytes, as findings.
fn secrets_of(bytes: &[u8], location: &dyn Fn(usize) -> String, found: &mut Vec<Finding>) {
    for secret in secrets::find(bytes) {
        let form = if secret.form.is_empty() { String::new() } else { format!(" {}", secret.form) };
        let what = format!("{}{form}: {}", secret.kind, secret.shown);
        found.push(Finding::new("", secret.severity, what, location(secret.offset)));
    }
}

fn of_module(subject: &Subject, found: &mut Vec<Finding>) {
    let name = &subject.name;
    for (number, data) in subject.facts.cores.iter().flat_map(|core| core.data.iter().enumerate()) {
        let Some(bytes) = subject.bytes.get(data.offset..data.offset + data.bytes) else { continue };
        secrets_of(
            bytes,
            &|at| format!("{name}: data segment {number}, byte {at} of it, {:#x} of the file", data.offset + at),
            found,
        );
    }
    for custom in &subject.facts.customs {
        let Some(bytes) = subject.bytes.get(custom.offset..custom.offset + custom.bytes) else { continue };
        secrets_of(
            bytes,
            &|at| format!("{name}: custom section {:?}, {:#x} of the file", custom.name, custom.offset + at),
            found,
        );
    }
}

fn of_file(file: &File, found: &mut Vec<Finding>) {
    // Lock files are full of digests.
    if ["package-lock.json", "Cargo.lock", "npm-shrinkwrap.json", "pnpm-lock.yaml"].contains(&file.name()) {
        return;
    }
    let line = |at: usize| 1 + memchr::memchr_iter(b'\n', &file.bytes[..at.min(file.bytes.len())]).count();
    secrets_of(&file.bytes, &|at| format!("{}:{} (byte {at})", file.path, line(at)), found);
}

fn secrets_in_module(subject: &Subject, _: &Context<'_>, _: &[Row]) -> Answer {
    let mut found = Vec::new();
    of_module(subject, &mut found);
    let is_map = |path: &str| path.ends_with(".map");
    subject.files.iter().filter(|file| is_map(&file.path)).for_each(|file| of_file(file, &mut found));
    match subject.gap(is_map) {
        Some(gap) => Answer::NotTested(gap, found),
        None => Answer::Judged(found),
    }
}

fn secrets_anywhere(subject: &Subject, _: &Context<'_>, _: &[Row]) -> Answer {
    let mut found = Vec::new();
    of_module(subject, &mut found);
    subject.files.iter().for_each(|file| of_file(file, &mut found));
    let known: std::collections::BTreeSet<&str> = subject.files.iter().map(|file| file.path.as_str()).collect();
    let others = subject.manifests.iter().filter(|file| !known.contains(file.path.as_str()));
    others.for_each(|file| of_file(file, &mut found));
    match subject.gap_anywhere(|_| true) {
        Some(gap) => Answer::NotTested(gap, found),
        None => Answer::Judged(found),
    }
}
