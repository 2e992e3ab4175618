//! A WebAssembly module behind libFuzzer's contract: its flags, exit codes and messages, and its way to die.
//!
//! Which module: `AUTOCLAVE_MODULE` (a path, or the name of a target) and `AUTOCLAVE_ENTRY`, or the file `<argv[0]>.wasm`
//! beside the program, so that a copy of the program, or a link to it, is a fuzzer of its own. `AUTOCLAVE_CACHE` names a
//! folder that keeps compiled code.
//!
//! | guest | libFuzzer | exit code |
//! |---|---|---|
//! | trap, or a limit | `deadly signal`, artifact `crash-…` | 77 |
//! | past `-timeout` | `timeout after …`, artifact `timeout-…` | 70 |
//! | dies of denied memory | `out-of-memory`, artifact `oom-…` | 71 |

use crate::libfuzzer;
use autoclave::HarnessError;
use autoclave::execution::{Execution, Limit, Outcome};
use autoclave::executors::{Build, Engine, Executor, Judge, Reset};
use autoclave::instrument::{Compared, visit_log};
use autoclave::limits::{Limits, Overrides};
use autoclave::symbols::{Frame, Symbols};
use autoclave::target::{Target, find_root};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Every so many runs the compares are logged too: they cost several runs. With `-use_value_profile=1`, in every run.
const COMPARES_EVERY: u64 = 8;
/// A run that only logs compares may take this part of the time of one run, so that `-timeout` never fires for its sake.
const COMPARES_TIME_PART: u64 = 10;
/// Made-up addresses begin here; libFuzzer treats 0 as "no address".
const FIRST_PC: usize = 0x10_000;
/// Frames that are printed.
const FRAMES_MAX: usize = 64;
/// Where services that show sources look for them.
const SOURCES: &str = "/src/autoclave";

/// The module of this process, made ready by [`prepare`].
static RUNNER: Mutex<Option<Runner>> = Mutex::new(None);

struct Runner {
    /// Deadlines fire only while it lives.
    _engine: Engine,
    target: Target,
    executor: &'static mut Executor,
    compares: Option<Executor>,
    judge: Judge,
    flags: Flags,
    runs: u64,
    /// Working memory of [`visit_log`].
    turns: Vec<u32>,
}

/// The libFuzzer flags that the guest's side needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flags {
    timeout_seconds: Option<u64>,
    compares_every: u64,
}

impl Flags {
    /// Reads `-name=value` words; the last of a name counts, everything else is libFuzzer's business.
    fn read(words: impl IntoIterator<Item = String>) -> Self {
        let mut flags = Self { timeout_seconds: None, compares_every: COMPARES_EVERY };
        for word in words {
            match word.split_once('=') {
                Some(("-timeout", value)) => flags.timeout_seconds = value.parse().ok().filter(|&seconds| seconds > 0),
                Some(("-use_value_profile", "0")) => flags.compares_every = COMPARES_EVERY,
                Some(("-use_value_profile", _)) => flags.compares_every = 1,
                _ => {}
            }
        }
        flags
    }
}

/// Loads the module and registers its counters; ends the process with code 1, libFuzzer's for a fuzzer that cannot start.
pub fn prepare() {
    let mut runner = lock();
    if runner.is_none() {
        match Runner::new() {
            Ok(ready) => *runner = Some(ready),
            Err(error) => {
                eprintln!("error: {error}");
                std::process::exit(1);
            }
        }
    }
}

/// Runs one input; dies as libFuzzer expects where the module does.
pub fn run_one(input: &[u8]) {
    prepare();
    if let Some(runner) = lock().as_mut() {
        runner.run(input);
    }
}

fn lock() -> MutexGuard<'static, Option<Runner>> {
    RUNNER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The module that the environment names, or that lies beside the program, and the entry to call.
fn find_module() -> Result<(Target, String), HarnessError> {
    let root = find_root(&std::env::current_dir().unwrap_or_default());
    let target = match std::env::var("AUTOCLAVE_MODULE") {
        Ok(which) => Target::load(&root, &which, &Overrides::default())?,
        Err(_) => Target::load_file(&beside_program()?, &Overrides::default())?,
    };
    let entry = match std::env::var("AUTOCLAVE_ENTRY") {
        Ok(entry) if target.entries.contains(&entry) => entry,
        Ok(entry) => {
            let entries = target.entries.join(", ");
            let message = format_args!("no entry is called {entry:?}; set AUTOCLAVE_ENTRY to one of {entries}");
            return Err(HarnessError::module(&target.name, message));
        }
        Err(_) => target.entries.first().cloned().unwrap_or_default(),
    };
    Ok((target, entry))
}

/// `<argv[0]>.wasm`.
fn beside_program() -> Result<PathBuf, HarnessError> {
    let program = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let mut name = program.file_name().unwrap_or_default().to_owned();
    name.push(".wasm");
    let path = program.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    let what = format!("the module {}", path.display());
    Err(HarnessError::Missing { what, remedy: "set AUTOCLAVE_MODULE to a .wasm file or a target's name".into() })
}

impl Runner {
    fn new() -> Result<Self, HarnessError> {
        let flags = Flags::read(std::env::args().skip(1));
        let (mut target, entry) = find_module()?;
        if let Some(seconds) = flags.timeout_seconds {
            // A little less, so that the guest is stopped, and its frames are known, before libFuzzer's alarm.
            target.limits.wall_ms_max = seconds.saturating_mul(900);
        }
        let limits = &target.limits;
        let short = Limits { wall_ms_max: (limits.wall_ms_max / COMPARES_TIME_PART).max(1), ..limits.clone() };
        let cache = std::env::var_os("AUTOCLAVE_CACHE").map(PathBuf::from);
        let engine = Engine::new(cache.as_deref())?;
        let executor = Executor::new(&engine, &target, &entry, Build::Fuzz, Reset::Dirty, limits)?;
        if let Some(note) = executor.note() {
            eprintln!("INFO: {note}");
        }
        // A module that cannot carry the log is fuzzed without it.
        let compares = Executor::new(&engine, &target, &entry, Build::Compare, Reset::Dirty, &short).ok();
        // Made now: compiling it while an input waits would count as that input's time.
        let judge = Judge::new(&engine, &target, &entry, limits)?;
        let executor = libfuzzer::register(executor, FIRST_PC);
        Ok(Self { _engine: engine, target, executor, compares, judge, flags, runs: 0, turns: Vec::new() })
    }

    fn run(&mut self, input: &[u8]) {
        let outcome = self.executor.run(input);
        if outcome.is_finding() {
            self.die(input, outcome);
        } else if self.runs.is_multiple_of(self.flags.compares_every) {
            self.tell_compares(input);
        }
        self.runs += 1;
    }

    fn tell_compares(&mut self, input: &[u8]) {
        let Some(compares) = &mut self.compares else { return };
        compares.run(input);
        visit_log(compares.compare_log(), &mut self.turns, &mut |compared| match compared {
            Compared::Numbers { pair, .. } => {
                libfuzzer::compared_numbers(pair.site, pair.width_bits, pair.left, pair.right);
            }
            Compared::Strings { site, left, right } => libfuzzer::compared_bytes(site, left, right),
        });
    }

    /// The module as deployed has the last word: only what it shows too ends the process. But time is measured here, where
    /// libFuzzer measures it.
    fn die(&mut self, input: &[u8], seen: Outcome) {
        let too_slow = seen == Outcome::Limit(Limit::Deadline) && self.flags.timeout_seconds.is_some();
        if too_slow {
            // Should the alarm come before the judge knows better: functions are the same in both modules, offsets are not.
            let mut execution = self.executor.execution();
            execution.frames.iter_mut().for_each(|frame| frame.offset = None);
            libfuzzer::set_frames(frames(&self.target, seen, &execution));
        }
        let execution = self.judge.run(input);
        if !too_slow && !execution.outcome.is_finding() {
            let (seen, judged) = (seen.name(), execution.outcome.name());
            eprintln!("INFO: {seen} under instrumentation, {judged} without; going on");
            return;
        }
        let outcome = if too_slow { seen } else { execution.outcome };
        if !execution.frames.is_empty() || !too_slow {
            libfuzzer::set_frames(frames(&self.target, outcome, &execution));
        }
        if !execution.message.is_empty() {
            eprintln!("INFO: the module says: {}", String::from_utf8_lossy(&execution.message).escape_debug());
        }
        match outcome {
            // libFuzzer's alarm fires while the run lasts, and ends the process with its own message and code.
            Outcome::Limit(Limit::Deadline) if too_slow => loop {
                std::thread::sleep(Duration::from_millis(100));
            },
            Outcome::Limit(Limit::OomAbort | Limit::HardDeny) => {
                let limit_mib = self.target.limits.memory_bytes_max >> 20;
                eprintln!("INFO: {}: the module may have {limit_mib} MiB of memory", outcome.name());
                libfuzzer::die_of_memory();
            }
            _ => std::process::abort(),
        }
    }
}

/// Frames as sanitizers print them: #0 names the outcome, so that buckets keep outcomes apart.
fn frames(target: &Target, outcome: Outcome, execution: &Execution) -> String {
    let symbols = Symbols::load(&target.wasm);
    let resolved = symbols.resolve_all(&execution.frames, FRAMES_MAX);
    let first = resolved.first().map_or_else(|| format!("({}.wasm)", target.name), |frame| place(target, frame));
    let mut text = format!("    #0 0x{FIRST_PC:012x} in crash.{} {first}\n", outcome.name());
    for (index, frame) in resolved.iter().enumerate() {
        let offset = frame.offset.unwrap_or(0);
        let _ = writeln!(text, "    #{} 0x{offset:012x} in {} {}", index + 1, frame.name(), place(target, frame));
    }
    text
}

/// `file:line:column`, or where in the module.
fn place(target: &Target, frame: &Frame) -> String {
    match (&frame.location, frame.offset) {
        (Some(at), _) => format!("{SOURCES}/{}:{}:{}", at.file.shown, at.line, at.column),
        (None, Some(offset)) => format!("({}.wasm+{offset:#x})", target.name),
        (None, None) => format!("({}.wasm)", target.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_libfuzzer_reads_them() {
        let words = ["-timeout=25", "-artifact_prefix=/out/", "corpus", "-use_value_profile=1", "-timeout=2"];
        let flags = Flags::read(words.map(str::to_owned));
        assert_eq!(flags, Flags { timeout_seconds: Some(2), compares_every: 1 });
        let none = Flags { timeout_seconds: None, compares_every: COMPARES_EVERY };
        assert_eq!(Flags::read(["-timeout=0".to_owned(), "--timeout=9".to_owned()]), none);
    }
}
