//! Facts of a run that every record carries: versions, machine, limits, command line; and its last words to the user.

use super::home::Home;
use super::run_folder::RunFolder;
use crate::cli::{self, Format, printable};
use crate::error::HarnessError;
use crate::limits::{Origin, ResolvedLimit};
use crate::target::{Abi, MANIFEST_FILE, Script, Secrecy, TARGETS_FOLDER, Target};
use crate::views;
use autoclave_reports::record::{LimitRow, NotTested, Run, Scope};
use autoclave_reports::{Finding, Record, Severity};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Characters of a decoded view.
const DECODED_CHARS_MAX: usize = 16_000;

/// Unit and reason of every limit, by field name of `Limits`.
const LIMITS: &[(&str, &str, &str)] = &[
    ("input_bytes_max", "bytes", "bundles in the field stay below; longer ones belong to the bomb suite"),
    ("memory_bytes_max", "bytes", "what a browser tab can spare"),
    ("growth_denials_max", "requests", "an allocator that copes asks a handful of times"),
    ("table_elements_max", "elements", "many times the usual size of a module's tables"),
    ("fuel_base", "fuel", "about one unit per instruction; given before the input's bytes count"),
    ("fuel_per_byte", "fuel/byte", "ten times the contract of a linear parser"),
    ("wall_ms_max", "ms", "a guard, never a verdict: what it stops is judged again with fuel"),
    ("native_stack_bytes_max", "bytes", "the smallest of the browsers' stacks"),
    ("output_bytes_max", "bytes", "what is read back from one execution"),
    ("host_calls_max", "calls", "a parser has no reason to call out in a loop"),
    ("module_bytes_max", "bytes", "compiling more costs minutes"),
];

/// A record of a command that has just begun, with what every record carries.
pub fn record(command: &str, arguments: &[String], started: SystemTime, fail_on: Severity) -> Record {
    Record {
        run: Run {
            command: command.into(),
            command_line: command_line(arguments),
            jobs: rayon::current_num_threads() as u32,
            started_utc: humantime::format_rfc3339_seconds(started).to_string(),
            fail_on,
            ..Run::default()
        },
        toolchain: toolchain(),
        environment: environment(),
        ..Record::default()
    }
}

/// The command line as typed, program path reduced to its name.
pub fn command_line(arguments: &[String]) -> String {
    let mut words = arguments.iter().map(String::as_str);
    let program = words.next().unwrap_or("autoclave").rsplit('/').next().unwrap_or("autoclave");
    std::iter::once(program).chain(words).map(shell_word).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Versions of what takes part in a verdict.
pub fn toolchain() -> BTreeMap<String, String> {
    let mut versions = BTreeMap::from([("autoclave".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    for name in ["wasmtime", "libafl", "wasmparser"] {
        versions.insert(name.to_owned(), crate::executors::locked_version(name).unwrap_or("unknown").to_owned());
    }
    versions
}

/// The machine.
pub fn environment() -> BTreeMap<String, String> {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    [("os", std::env::consts::OS.to_owned()), ("arch", std::env::consts::ARCH.to_owned()), ("cpus", cpus.to_string())]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The limits in force for a target.
pub fn limit_rows(target: &Target) -> Vec<LimitRow> {
    explained(&target.limit_origins, LIMITS)
}

/// Resolved values with their units and reasons, from a table of (name, unit, reason).
pub fn explained(rows: &[ResolvedLimit], table: &[(&str, &str, &str)]) -> Vec<LimitRow> {
    let row = |limit: &ResolvedLimit| {
        let (unit, reason) =
            table.iter().find(|(name, ..)| *name == limit.name).map_or(("", ""), |&(_, unit, reason)| (unit, reason));
        let reason = match limit.origin {
            Origin::Default => reason.to_owned(),
            origin => format!("set by {}", format!("{origin:?}").to_lowercase()),
        };
        LimitRow { name: limit.name.clone(), value: limit.value, unit: unit.to_owned(), reason }
    };
    rows.iter().map(row).collect()
}

/// The entry that is meant: the one that is named, or the only one.
pub fn one_entry(target: &Target, wanted: Option<&str>) -> anyhow::Result<String> {
    let (name, entries) = (&target.name, &target.entries);
    match (wanted, entries.as_slice()) {
        (Some(entry), entries) if entries.iter().any(|known| known == entry) => Ok(entry.to_owned()),
        (Some(entry), entries) => anyhow::bail!("{name} has no entry {entry}; it has {}", listed(entries)),
        (None, [only]) => Ok(only.clone()),
        (None, entries) => anyhow::bail!("{name} has several entries: name one with --entry: {}", listed(entries)),
    }
}

/// A target that could not be made ready, as the report says it.
pub fn gap(what: &str, error: &HarnessError) -> NotTested {
    let (reason, remedy) = match error {
        HarnessError::Missing { what, remedy } => (format!("{what} is missing"), remedy.clone()),
        other => (other.to_string(), String::new()),
    };
    NotTested { what: what.to_owned(), reason, remedy, scope: Scope::default() }
}

/// Whether a word names a target, built or not: a folder with a manifest.
pub fn is_target(home: &Home, which: &str) -> bool {
    let named = home.root.join(TARGETS_FOLDER).join(which);
    [named, which.into()].iter().any(|folder| folder.join(MANIFEST_FILE).is_file())
}

/// Names of entries for an error message, as many as one can take in.
fn listed(entries: &[String]) -> String {
    const SHOWN_MAX: usize = 20;
    let shown: Vec<String> = entries.iter().take(SHOWN_MAX).map(|entry| entry.chars().take(100).collect()).collect();
    let more = entries.len().saturating_sub(SHOWN_MAX);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// An input as people read it: by its format, or as the calls that it makes.
pub fn decoded(target: &Target, entry: &str, input: &[u8]) -> Option<String> {
    if let Some(script) = target.scripts.get(entry) {
        return Some(fields(script, input));
    }
    match target.abi {
        Abi::Numeric => Some(views::calls(&target.called(entry), input, DECODED_CHARS_MAX)),
        abi => views::decode(target.manifest.format.as_deref(), abi, input, DECODED_CHARS_MAX),
    }
}

/// The fields of a script's input, one to a line.
fn fields(script: &Script, input: &[u8]) -> String {
    const FIELD_BYTES_MAX: usize = 64;
    let mut text = script.text.clone();
    for (field, value) in script.fields.iter().zip(script.values(input)) {
        let secrecy = if field.secrecy == Secrecy::Secret { "secret" } else { "public" };
        let cut = if value.len() > FIELD_BYTES_MAX { "…" } else { "" };
        let shown = crate::corpus::hex(&value[..value.len().min(FIELD_BYTES_MAX)]);
        text += &format!("\n{secrecy}[{}] {shown}{cut}", value.len());
    }
    text
}

/// `<target>--<outcome>--<first 8 of sha-256>`: the name of a kept reproducer.
pub fn regression_name(target: &str, finding: &Finding) -> String {
    let hash = finding.reproducer.sha256.get(..8).unwrap_or("");
    format!("{}--{}--{hash}.bin", super::home::file_name(target), finding.outcome)
}

/// Processor seconds of this process and of the children it has waited for.
pub fn cpu_seconds_with_children() -> f64 {
    own_cpu_seconds() + children_cpu_seconds()
}

/// Processor seconds of this process.
pub fn own_cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Processor seconds of this thread.
pub fn thread_cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Processor seconds of the children that were waited for; 0 where there is no /proc.
pub fn children_cpu_seconds() -> f64 {
    ticks_of("self", [13, 14]).unwrap_or(0.0) / 100.0
}

/// Processor seconds of another process; `None` if the system does not say.
pub fn cpu_seconds_of(process: u32) -> Option<f64> {
    Some(ticks_of(&process.to_string(), [11, 12])? / 100.0)
}

/// The sum of two fields of a process's `stat`, counted after its name: user and system time, in ticks of 1/100 s.
fn ticks_of(process: &str, fields: [usize; 2]) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let after_name = stat.rsplit(')').next()?;
    let words: Vec<&str> = after_name.split_whitespace().collect();
    fields.into_iter().map(|field| words.get(field)?.parse::<f64>().ok()).sum()
}

/// Resident memory of this process, bytes; 0 where the system does not say.
pub fn rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The table and the findings for people, the chosen format on standard output, and the exit code.
pub fn print(home: &Home, folder: &RunFolder, record: &Record, format: Format) -> anyhow::Result<u8> {
    let render =
        |name| autoclave_reports::formats::Format::find(name).map(|format| format.bytes(record)).unwrap_or_default();
    eprint!("\n{}", String::from_utf8_lossy(&render("table")));
    let shown = home.relative(&folder.path);
    eprintln!(
        "\nreport: {}",
        printable(&format!("{shown}/index.html · {shown}/report.json · report.sarif · junit.xml"))
    );
    match format {
        Format::Human => {}
        Format::Json => cli::print(&render("json"))?,
        Format::Github => cli::print(&render("github"))?,
    }
    Ok(record.exit_code(record.run.fail_on))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_explained() {
        for name in crate::limits::Limits::names() {
            assert!(LIMITS.iter().any(|(known, ..)| *known == name), "{name} has no unit and reason");
        }
    }

    #[test]
    fn command_lines_can_be_pasted() {
        let words = ["/x/y/autoclave", "fuzz", "a b", "it's"].map(str::to_owned);
        assert_eq!(command_line(&words), r"autoclave fuzz 'a b' 'it'\''s'");
    }

    #[test]
    fn processor_time_moves_forward() {
        let before = own_cpu_seconds();
        let mut sum = 0u64;
        while own_cpu_seconds() <= before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_seconds_with_children() > before && rss_bytes() > 0);
    }
}
