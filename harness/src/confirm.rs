//! Replays a finding in a fresh process, on the module as deployed: what does not happen there is not a finding. A request
//! is one line of JSON and the input's bytes on standard input; the answer is one line of JSON on standard output.

use crate::HarnessError;
use crate::corpus::{hex, unhex};
use crate::execution::{Execution, HostCall, Limit, Outcome, RawFrame};
use crate::executors::{Engine, Judge};
use crate::limits::{Limits, Overrides};
use crate::symbols::{Frame, Symbols};
use crate::target::Target;
use crate::triage;
use autoclave_reports::record::{Bucket, Confirmation};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Name of the binary's hidden command that calls [`judge_main`].
pub const COMMAND: &str = "judge";
/// Wall time that a replay may take, compiling included.
pub const WALL_MAX: Duration = Duration::from_secs(180);
/// Longest request line and longest answer, bytes.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// Output and frames that travel back.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
const FRAMES_MAX: usize = 256;
/// Frames that are resolved to names.
const NAMED_FRAMES_MAX: usize = 64;
/// Memory of the judging process beyond the guest's, bytes: the engine compiles in it.
const MEMORY_BYTES_SPARE: u64 = 8 << 30;

/// What to replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Project root, as for [`Target::load`].
    pub root: PathBuf,
    /// Target, as for [`Target::load`].
    pub target: String,
    /// The module that is meant: a rebuilt one is refused.
    pub sha256: String,
    /// Entry.
    pub entry: String,
    /// Limits in force.
    pub limits: Limits,
    /// Folder for compiled modules.
    pub cache: Option<PathBuf>,
}

/// What a replay saw.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The execution under the request's limits; output cut at 64 KiB.
    pub execution: Execution,
    /// Frames of more runs with less fuel, if it ran out of fuel: what they share is where it loops.
    pub samples: Vec<Vec<RawFrame>>,
}

/// What became of a replay.
#[derive(Debug, Clone)]
pub enum Replayed {
    /// It ran.
    Ran(Replay),
    /// The judging process did not answer, and why: killed by a signal, out of time, or refused.
    Died(String),
}

impl Replay {
    /// Frames with names and lines, fit for [`triage::bucket`].
    pub fn frames(&self, symbols: &Symbols) -> Vec<Frame> {
        let own = symbols.resolve_all(&self.execution.frames, NAMED_FRAMES_MAX);
        if self.samples.is_empty() {
            return own;
        }
        let others = self.samples.iter().map(|frames| symbols.resolve_all(frames, NAMED_FRAMES_MAX));
        let common = triage::common_frames(&std::iter::once(own.clone()).chain(others).collect::<Vec<_>>());
        if common.is_empty() { own } else { common }
    }
}

/// Runs `program judge` on one input. Whatever the input does to that process is data.
///
/// # Errors
/// If `program` cannot be started.
pub fn confirm(program: &Path, request: &Request, input: &[u8], wall_max: Duration) -> Result<Replayed, HarnessError> {
    let mut child = Command::new(program)
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| HarnessError::io(program, error))?;
    let mut line = serde_json::to_vec(request).expect("a request always serializes");
    line.push(b'\n');
    let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    Ok(std::thread::scope(|scope| {
        // A child that dies early closes the pipe: its exit status tells, not the failed write.
        scope.spawn(move || {
            if let Some(stdin) = &mut stdin {
                let _ = stdin.write_all(&line).and_then(|()| stdin.write_all(input));
            }
        });
        let answer = scope.spawn(move || drain(stdout, LINE_BYTES_MAX));
        let complaint = scope.spawn(move || drain(stderr, 16 << 10));
        let end = wait(&mut child, wall_max);
        let answer = answer.join().unwrap_or_default();
        let complaint = complaint.join().unwrap_or_default();
        match serde_json::from_slice::<Answer>(&answer) {
            Ok(Answer { error: Some(error), .. }) => Replayed::Died(error),
            Ok(Answer { replay: Some(wire), .. }) => match wire.read() {
                Some(replay) => Replayed::Ran(replay),
                None => Replayed::Died("the judging process speaks another version of this program".into()),
            },
            _ => {
                let last = String::from_utf8_lossy(&complaint).lines().last().unwrap_or_default().to_owned();
                Replayed::Died(if last.is_empty() { end } else { format!("{end}: {last}") })
            }
        }
    }))
}

/// Whether what was found is what the judge saw.
pub fn confirmation(found: &Bucket, judged: Option<&Bucket>, outcome: Outcome) -> Confirmation {
    match judged {
        Some(judged) if judged == found => Confirmation::Reproduced,
        Some(judged) => Confirmation::NotReproduced(format!("it ended as {judged} instead")),
        None => Confirmation::NotReproduced(format!("on the module as deployed it ended as {}", outcome.name())),
    }
}

/// The child's side: reads a request and an input, judges, answers. Bounds its own memory and time first.
///
/// # Errors
/// If standard output is closed; everything else is part of the answer.
pub fn judge_main() -> std::io::Result<()> {
    serve(std::io::stdin().lock(), std::io::stdout().lock(), bound)
}

fn serve(stdin: impl Read, mut stdout: impl Write, bound: impl FnOnce(&Limits)) -> std::io::Result<()> {
    let answer = match judge(stdin, bound) {
        Ok(replay) => Answer { replay: Some(Wire::new(&replay)), error: None },
        Err(error) => Answer { replay: None, error: Some(error) },
    };
    serde_json::to_writer(&mut stdout, &answer)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

fn judge(stdin: impl Read, bound: impl FnOnce(&Limits)) -> Result<Replay, String> {
    let mut stdin = BufReader::new(stdin);
    let mut line = Vec::new();
    let unreadable = |error: &dyn std::fmt::Display| format!("the request cannot be read: {error}");
    stdin.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(|error| unreadable(&error))?;
    let request: Request = serde_json::from_slice(&line).map_err(|error| unreadable(&error))?;
    bound(&request.limits);
    let mut input = Vec::new();
    let bytes_max = u64::from(request.limits.input_bytes_max);
    stdin.take(bytes_max + 1).read_to_end(&mut input).map_err(|error| unreadable(&error))?;
    if input.len() as u64 > bytes_max {
        return Err(format!("the input is longer than the limit of {bytes_max} bytes"));
    }
    replay(&request, &input).map_err(|error| error.to_string())
}

/// Replays in this process: what [`judge_main`] does, for those who are in a process of their own already.
///
/// # Errors
/// If the target is missing, was rebuilt, or cannot be started.
pub fn replay(request: &Request, input: &[u8]) -> Result<Replay, HarnessError> {
    let mut target = Target::load(&request.root, &request.target, &Overrides::default())?;
    if target.sha256 != request.sha256 {
        return Err(HarnessError::module(&request.target, "the module was rebuilt since; fuzz it again"));
    }
    target.limits = request.limits.clone();
    let engine = Engine::new(request.cache.as_deref())?;
    replay_in(&engine, &target, &request.entry, input)
}

/// [`replay`] with an engine and a target at hand.
///
/// # Errors
/// If the target cannot be started.
pub fn replay_in(engine: &Engine, target: &Target, entry: &str, input: &[u8]) -> Result<Replay, HarnessError> {
    let execution = Judge::new(engine, target, entry, &target.limits)?.run(input);
    let mut samples = Vec::new();
    if execution.outcome == Outcome::Limit(Limit::Fuel) {
        for fuel_base in triage::fuel_samples(target.limits.fuel(input.len())) {
            let limits = Limits { fuel_base, fuel_per_byte: 0, ..target.limits.clone() };
            let sample = Judge::new(engine, target, entry, &limits)?.run(input);
            if sample.outcome == execution.outcome {
                samples.push(sample.frames);
            }
        }
    }
    Ok(Replay { execution, samples })
}

/// A safety net under the engine's own limits: a bug of the engine must not take the machine along.
fn bound(limits: &Limits) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let memory = limits.memory_bytes_max.saturating_mul(4).saturating_add(MEMORY_BYTES_SPARE);
    for (resource, value) in [(Resource::Core, 0), (Resource::Data, memory), (Resource::Cpu, 2 * WALL_MAX.as_secs())] {
        let maximum = getrlimit(resource).maximum;
        let value = maximum.map_or(value, |maximum| value.min(maximum));
        // Where the system refuses, the engine's limits have to do.
        let _ = setrlimit(resource, Rlimit { current: Some(value), maximum });
    }
}

/// Waits for the end, kills when time is up; says how it ended.
fn wait(child: &mut Child, wall_max: Duration) -> String {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return format!("the judging process ended with {status}"),
            Ok(None) if started.elapsed() < wall_max => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return format!("the judging process did not end within {} s", wall_max.as_secs_f32());
            }
        }
    }
}

/// Keeps the first bytes and swallows the rest, so that the child never blocks on a full pipe.
fn drain(pipe: Option<impl Read>, bytes_max: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.by_ref().take(bytes_max).read_to_end(&mut kept);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    }
    kept
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    replay: Option<Wire>,
    error: Option<String>,
}

/// A [`Replay`] as it travels.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    outcome: String,
    rejected: bool,
    frames: Vec<(u32, Option<u32>)>,
    samples: Vec<Vec<(u32, Option<u32>)>>,
    message: String,
    message_bytes: u64,
    output: String,
    fuel_used: Option<u64>,
    memory_bytes_peak: u64,
    growth_denied: u32,
    host_calls: Vec<(String, u64, Vec<u64>)>,
}

impl Wire {
    fn new(replay: &Replay) -> Self {
        let Replay { execution, samples } = replay;
        let frames = |frames: &[RawFrame]| frames.iter().take(FRAMES_MAX).map(|f| (f.function, f.offset)).collect();
        let calls = execution.host_calls.iter().take(FRAMES_MAX);
        Self {
            outcome: execution.outcome.name().to_owned(),
            rejected: execution.rejected,
            frames: frames(&execution.frames),
            samples: samples.iter().map(|sample| frames(sample)).collect(),
            message: hex(&execution.message),
            message_bytes: execution.message_bytes,
            output: hex(&execution.output[..execution.output.len().min(OUTPUT_BYTES_MAX)]),
            fuel_used: execution.fuel_used,
            memory_bytes_peak: execution.memory_bytes_peak,
            growth_denied: execution.growth_denied,
            host_calls: calls.map(|call| (call.import.clone(), call.count, call.first_arguments.clone())).collect(),
        }
    }

    fn read(self) -> Option<Replay> {
        let frames = |frames: Vec<(u32, Option<u32>)>| -> Vec<RawFrame> {
            frames.into_iter().map(|(function, offset)| RawFrame { function, offset }).collect()
        };
        let call = |(import, count, first_arguments)| HostCall { import, count, first_arguments };
        Some(Replay {
            execution: Execution {
                outcome: Outcome::from_name(&self.outcome)?,
                rejected: self.rejected,
                frames: frames(self.frames),
                message: unhex(&self.message)?,
                message_bytes: self.message_bytes,
                output: unhex(&self.output)?,
                fuel_used: self.fuel_used,
                memory_bytes_peak: self.memory_bytes_peak,
                growth_denied: self.growth_denied,
                host_calls: self.host_calls.into_iter().map(call).collect(),
            },
            samples: self.samples.into_iter().map(frames).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::Trap;

    const WAT: &str = r#"(module (memory (export "memory") 1)
        (func (export "alloc") (param i32) (result i32) i32.const 1024)
        (func $deep (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
        (func $left (param i32) (result i32) local.get 0) (func $right (param i32) (result i32) local.get 0)
        (func $spin (loop $on (drop (call $left (i32.const 1))) (drop (call $right (i32.const 1))) (br $on)))
        (func (export "parse") (param i32 i32) (result i32)
            (if (i32.eqz (local.get 1)) (then (return (i32.const 0))))
            (if (i32.eq (i32.load8_u (local.get 0)) (i32.const 76)) (then (call $spin)))
            (call $deep (i32.sub (i32.load8_u (local.get 0)) (i32.const 84)))
            i32.const 1))"#;

    fn request(folder: &Path) -> Request {
        let file = folder.join("module.wat");
        std::fs::write(&file, WAT).unwrap();
        let name = file.to_str().unwrap().to_owned();
        let target = Target::load(folder, &name, &Overrides::default()).unwrap();
        let limits = Limits { fuel_base: 100_000, fuel_per_byte: 10, ..Limits::default() };
        Request {
            root: folder.to_owned(),
            target: name,
            sha256: target.sha256,
            entry: "parse".into(),
            limits,
            cache: None,
        }
    }

    fn ask(request: &Request, input: &[u8]) -> Answer {
        let mut line = serde_json::to_vec(request).unwrap();
        line.push(b'\n');
        line.extend_from_slice(input);
        let mut answer = Vec::new();
        serve(&line[..], &mut answer, |_| {}).unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    #[test]
    fn a_judge_answers_with_outcome_and_frames() {
        let folder = tempfile::tempdir().unwrap();
        let request = request(folder.path());
        let replay = ask(&request, b"T").replay.unwrap().read().unwrap();
        assert_eq!(replay.execution.outcome, Outcome::Trap(Trap::Unreachable));
        let symbols = Symbols::load(&Target::load(folder.path(), &request.target, &Overrides::default()).unwrap().wasm);
        let names: Vec<String> = replay.frames(&symbols).iter().map(Frame::name).collect();
        assert_eq!(names, ["deep", "parse"]);

        let replay = ask(&request, b"L").replay.unwrap().read().unwrap();
        assert_eq!(replay.execution.outcome, Outcome::Limit(Limit::Fuel));
        assert_eq!(replay.samples.len(), triage::fuel_samples(0).len());
        let names: Vec<String> = replay.frames(&symbols).iter().map(Frame::name).collect();
        assert_eq!(names, ["spin", "parse"], "the loop, wherever it was stopped");

        assert_eq!(ask(&request, b"").replay.unwrap().outcome, "returned");
    }

    #[test]
    fn a_judge_refuses_what_is_not_meant() {
        let folder = tempfile::tempdir().unwrap();
        let request = request(folder.path());
        let rebuilt = Request { sha256: "0".repeat(64), ..request.clone() };
        assert!(ask(&rebuilt, b"T").error.unwrap().contains("rebuilt"));
        let small = Request { limits: Limits { input_bytes_max: 3, ..request.limits.clone() }, ..request.clone() };
        assert!(ask(&small, b"TTTT").error.unwrap().contains("longer than the limit of 3"));
        let gone = Request { target: "nowhere".into(), ..request };
        assert!(ask(&gone, b"T").error.is_some());
        let mut answer = Vec::new();
        serve(&b"not json"[..], &mut answer, |_| {}).unwrap();
        assert!(String::from_utf8(answer).unwrap().contains("cannot be read"));
    }

    /// A program that stands in for this one.
    fn program(folder: &Path, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("judge.sh");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn whatever_becomes_of_the_judge_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let request = request(folder.path());
        let noise =
            "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789 >&2; i=$((i+1)); done";
        // Time enough for a busy machine, but where running out of it is the point.
        let short = Duration::from_millis(300);
        for (script, wall_max, wanted) in [
            ("exit 7", WALL_MAX, "exit status: 7"),
            ("kill -SEGV $$", WALL_MAX, "signal: 11"),
            ("cat >/dev/null; echo oh no >&2; exit 1", WALL_MAX, "oh no"),
            ("exec sleep 1000", short, "did not end within 0.3 s"),
            ("cat >/dev/null; echo '{\"replay\":null,\"error\":\"refused\"}'", WALL_MAX, "refused"),
            (noise, WALL_MAX, "ended with exit status: 0"),
        ] {
            let program = program(folder.path(), script);
            match confirm(&program, &request, &[b'x'; 1 << 20], wall_max) {
                Ok(Replayed::Died(why)) => assert!(why.contains(wanted), "{script}: {why}"),
                other => panic!("{script}: {other:?}"),
            }
        }
        assert!(confirm(&folder.path().join("none"), &request, b"", WALL_MAX).is_err());
    }

    #[test]
    fn only_the_same_bucket_confirms() {
        let bucket =
            |outcome: &str| Bucket { oracle: "crash".into(), outcome: outcome.into(), frames: vec!["a".into()] };
        let (found, other) = (bucket("TRAP-UNREACHABLE"), bucket("STACK"));
        assert_eq!(confirmation(&found, Some(&found), Outcome::Returned), Confirmation::Reproduced);
        let text = |confirmation| format!("{confirmation:?}");
        assert!(text(confirmation(&found, Some(&other), Outcome::Returned)).contains("crash/STACK"));
        assert!(text(confirmation(&found, None, Outcome::Rejected)).contains("rejected"));
    }
}
