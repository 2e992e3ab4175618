//! A clock in JavaScript's engine: the only room that starts it beside `autoclave_boundary`. Node is a supervised child with a time limit and bounded
//! output, without files and without code from strings; the module gets stubs for its imports and nothing else.

use crate::execution::Timed;
use crate::executors::host::Random;
use crate::executors::stopwatch;
use crate::target::{Argument, Core, Piece, Script, Shape, Target};
use autoclave_boundary::hosts::node::Node;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use wasmparser::{Parser, Payload, TypeRef, ValType};

/// Longest time of one child: a series takes seconds, on a machine that is busy several times as long.
const CHILD_SECONDS_MAX: u64 = 120;
/// Longest answer, bytes: a series of the longest has a quarter of it.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// What is kept of its complaints, bytes.
const COMPLAINT_BYTES_MAX: u64 = 4096;
/// Alignment of buffers, bytes, as in wasmtime's driver.
const ALIGN: u32 = 16;
/// Attempts to take the time of one call.
const ATTEMPTS: u32 = 15;
/// Warm-up in V8, nanoseconds: also the script around the calls is compiled late.
const WARM_UP_NS: f64 = 50e6;
const SCRIPT: &str = include_str!("boundary/clock.mjs");

/// One of V8's compilers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// The optimising one.
    TurboFan,
    /// The first one, in which a module starts.
    Liftoff,
}

impl Tier {
    /// `V8 11.3 (TurboFan)`.
    pub fn engine(self, node: &Node) -> String {
        format!("V8 {} ({})", node.v8, self.name())
    }

    fn name(self) -> &'static str {
        match self {
            Tier::TurboFan => "TurboFan",
            Tier::Liftoff => "Liftoff",
        }
    }

    /// With these every function is compiled by it, at once and for good.
    fn flags(self) -> &'static [&'static str] {
        match self {
            Tier::TurboFan => &["--no-liftoff", "--no-wasm-tier-up", "--no-wasm-lazy-compilation"],
            Tier::Liftoff => &["--liftoff", "--no-wasm-tier-up", "--no-wasm-lazy-compilation"],
        }
    }
}

/// Measures a series of an entry's calls with two inputs in turns, as [`stopwatch::Stopwatch::series`] does, in a fresh
/// process.
///
/// # Errors
/// The entry or its imports are of a kind that is not given to JavaScript; a call does not come back, or takes too long;
/// Node fails: one sentence.
pub fn series(
    node: &Node,
    tier: Tier,
    target: &Target,
    entry: &str,
    inputs: [&[u8]; 2],
    block: usize,
    seed: u64,
) -> Result<Timed, String> {
    let script = target.scripts.get(entry).ok_or("only entries with a script in [calls] are measured")?;
    let Shape::Core(core) = &*target.shape else { return Err("a component, where a core module is needed".to_owned()) };
    let mut job = job(script, core, inputs)?;
    let fields = job.as_object_mut().ok_or("no job")?;
    fields.insert("imports".to_owned(), imports(&target.wasm)?);
    fields.insert("block".to_owned(), block.into());
    fields.insert("orders".to_owned(), orders(seed).into());
    let mut stdin = job.to_string().into_bytes();
    stdin.push(b'\n');
    stdin.extend_from_slice(&target.wasm);
    let pages_max = (target.limits.memory_bytes_max >> 16).max(1) + 1;
    let mut command = Command::new(&node.program);
    command
        .args(node.permission())
        .args(["--disallow-code-generation-from-strings", "--no-warnings", "--max-old-space-size=512"])
        .arg(format!("--wasm-max-mem-pages={pages_max}"))
        .args(tier.flags())
        .args(["--input-type=module", "--eval", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| format!("node does not start: {error}"))?;
    let answer =
        supervise(child, stdin, Duration::from_secs(CHILD_SECONDS_MAX)).map_err(|why| format!("node {why}"))?;
    read(&answer)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Measured { calls: u64, steps: Vec<[f64; 4]> },
    Failed { error: String },
}

fn read(answer: &[u8]) -> Result<Timed, String> {
    match serde_json::from_slice(answer) {
        Ok(Answer::Measured { calls, steps }) if steps.iter().flatten().all(|ns| ns.is_finite() && *ns >= 0.0) => {
            Ok(Timed { calls: calls.max(1), steps })
        }
        Ok(Answer::Measured { .. }) => Err("node measured times that are none".to_owned()),
        Ok(Answer::Failed { error }) => Err(format!("in V8: {error}")),
        Err(error) => Err(format!("node answered what cannot be read: {error}")),
    }
}

/// What is done with a child: it gets `stdin`, and has that long. Whatever comes of it, it has ended afterwards.
fn supervise(mut child: Child, stdin: Vec<u8>, patience: Duration) -> Result<Vec<u8>, String> {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // If we die first, it does not live for ever either.
        let seconds = Some(2 * CHILD_SECONDS_MAX);
        let limit = rustix::process::Rlimit { current: seconds, maximum: seconds };
        let _ = rustix::process::prlimit(Some(pid), rustix::process::Resource::Cpu, limit);
    }
    let writer = child.stdin.take().map(|mut pipe| std::thread::spawn(move || drop(pipe.write_all(&stdin))));
    let reader = child.stdout.take().map(|pipe| std::thread::spawn(move || take(pipe, ANSWER_BYTES_MAX)));
    let complaints = child.stderr.take().map(|pipe| std::thread::spawn(move || take(pipe, COMPLAINT_BYTES_MAX)));
    let end = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(pause),
            Ok(None) => break Err(format!("did not answer within {} s", patience.as_secs())),
            Err(error) => break Err(format!("cannot be waited for: {error}")),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    // Closes the pipes, so that the threads end.
    let _ = child.kill();
    let _ = child.wait();
    let join = |thread: Option<std::thread::JoinHandle<Vec<u8>>>| {
        thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    };
    let (answer, complaints) = (join(reader), join(complaints));
    let _ = writer.map(std::thread::JoinHandle::join);
    match status? {
        status if status.success() => Ok(answer),
        status => {
            let said = String::from_utf8_lossy(&complaints);
            let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing was said").to_owned();
            Err(format!("ended with {status}: {said}"))
        }
    }
}

/// The beginning of what a child writes; the rest is read and forgotten, so that it is not held up.
fn take(mut pipe: impl Read, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = pipe.by_ref().take(bytes_max).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    bytes
}

/// Orders of the steps' measurements, such as `0132`.
fn orders(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let order = |_| Timed::order(random.draw()).iter().map(ToString::to_string).collect();
    (0..stopwatch::STEPS_MAX).map(order).collect()
}

/// What the script is to call, with both inputs.
fn job(script: &Script, core: &Core, inputs: [&[u8]; 2]) -> Result<Value, String> {
    let values = inputs.map(|input| script.values(input));
    if values[0].iter().map(Vec::len).ne(values[1].iter().map(Vec::len)) {
        return Err("the two inputs have fields of different lengths, which no clock is needed for".to_owned());
    }
    let (mut buffers, mut calls, mut bytes) = (Vec::new(), Vec::new(), 0);
    for call in &script.calls {
        let mut arguments = Vec::new();
        let mut at = 0;
        for argument in &call.arguments {
            let ty = call.params[at];
            at += 1;
            arguments.push(match argument {
                Argument::Buffer { pieces, with_length } => {
                    at += usize::from(*with_length);
                    let contents = [0, 1].map(|which: usize| {
                        let mut bytes = Vec::new();
                        for piece in pieces {
                            match piece {
                                Piece::Field(index) => bytes.extend_from_slice(&values[which][*index]),
                                Piece::Out(len) => bytes.resize(bytes.len() + *len as usize, 0),
                            }
                        }
                        bytes
                    });
                    bytes += contents[0].len() + ALIGN as usize;
                    buffers.push(json!({ "inputs": contents.map(|bytes| crate::corpus::hex(&bytes)) }));
                    json!({ "buffer": buffers.len() - 1, "with_length": with_length })
                }
                Argument::Number(index) => {
                    let bits = [0, 1].map(|which: usize| crate::corpus::hex(&values[which][*index]));
                    json!({ "type": number_type(ty)?, "inputs": bits })
                }
                Argument::Constant(value) => {
                    let bits = match ty {
                        ValType::F32 => u64::from((*value as f32).to_bits()),
                        ValType::F64 => (*value as f64).to_bits(),
                        _ => *value as u64,
                    };
                    let bits = crate::corpus::hex(&bits.to_le_bytes());
                    json!({ "type": number_type(ty)?, "inputs": [&bits, &bits] })
                }
                Argument::Result(index) => json!({ "result": index }),
            });
        }
        calls.push(json!({ "export": call.export, "arguments": arguments }));
    }
    if bytes > 0 && core.alloc().is_none() && core.function("__wbindgen_malloc").is_some() {
        return Err("its functions take over the buffers that they are given, so that no call can be repeated".into());
    }
    let nullary = |name: &&str| core.function(name).is_some_and(|f| f.params.is_empty() && f.results.is_empty());
    let initialisers: Vec<&str> = ["_initialize", "__wasm_call_ctors"].into_iter().find(nullary).into_iter().collect();
    let memory = core.memories.iter().find(|name| *name == "memory").or(core.memories.first());
    Ok(json!({
        "buffers": buffers, "calls": calls, "bytes": bytes, "align": ALIGN, "memory": memory,
        "alloc": core.alloc().map(|function| &function.name), "initialisers": initialisers,
        "measurement_ns": stopwatch::MEASUREMENT_NS, "calls_max": stopwatch::CALLS_MAX,
        "steps_min": stopwatch::STEPS_MIN, "series_ns": stopwatch::SERIES_NS, "call_ns_max": stopwatch::CALL_NS_MAX,
        "warm_up_calls": stopwatch::WARM_UP_CALLS, "warm_up_ns": WARM_UP_NS, "attempts": ATTEMPTS,
    }))
}

fn number_type(ty: ValType) -> Result<&'static str, String> {
    match ty {
        ValType::I32 => Ok("i32"),
        ValType::I64 => Ok("i64"),
        ValType::F32 => Ok("f32"),
        ValType::F64 => Ok("f64"),
        other => Err(format!("a {other} cannot be given to JavaScript")),
    }
}

/// What a module wants to import, as the script makes it.
#[derive(Serialize)]
struct Import<'a> {
    module: &'a str,
    name: &'a str,
    kind: &'static str,
    #[serde(rename = "type")]
    ty: Value,
}

fn imports(wasm: &[u8]) -> Result<Value, String> {
    let malformed = |error| format!("malformed: {error}");
    let (mut types, mut imports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(malformed)? {
            Payload::TypeSection(section) => {
                for group in section {
                    types.extend(group.map_err(malformed)?.into_types().map(|ty| ty.composite_type.inner));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(malformed)?;
                    let (kind, ty) = match import.ty {
                        TypeRef::Func(index) | TypeRef::FuncExact(index) => match types.get(index as usize) {
                            Some(wasmparser::CompositeInnerType::Func(ty)) => match ty.results() {
                                [] => ("function", json!("none")),
                                [result] => ("function", json!(number_type(*result)?)),
                                _ => return Err(format!("it imports {}, which gives several results", import.name)),
                            },
                            _ => return Err(format!("it imports {}, whose type is unknown", import.name)),
                        },
                        TypeRef::Memory(ty) if !ty.shared && !ty.memory64 => {
                            ("memory", json!({ "initial": ty.initial, "maximum": ty.maximum }))
                        }
                        TypeRef::Table(ty) if ty.element_type == wasmparser::RefType::FUNCREF && !ty.table64 => {
                            ("table", json!({ "element": "anyfunc", "initial": ty.initial, "maximum": ty.maximum }))
                        }
                        TypeRef::Global(ty) => {
                            ("global", json!({ "value": number_type(ty.content_type)?, "mutable": ty.mutable }))
                        }
                        _ => return Err(format!("it imports {}, which has no stub in JavaScript", import.name)),
                    };
                    imports.push(Import { module: import.module, name: import.name, kind, ty: without_nulls(ty) });
                }
            }
            _ => {}
        }
    }
    serde_json::to_value(imports).map_err(|error| error.to_string())
}

/// JavaScript wants a field to be a number or not to be there.
fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Overrides;
    use crate::target::Manifest;

    fn target(wat: &str, script: &str) -> Target {
        let manifest = Manifest::parse(&format!("[calls]\nf = \"{script}\"\n")).unwrap();
        Target::from_bytes("text", wat.as_bytes(), manifest, &Overrides::default()).unwrap()
    }

    #[test]
    fn answers_are_times_or_a_reason() {
        let timed = read(br#"{"calls":7,"steps":[[1,2,3,4.5]]}"#).unwrap();
        assert_eq!(timed, Timed { calls: 7, steps: vec![[1.0, 2.0, 3.0, 4.5]] });
        for (answer, says) in [
            (&br#"{"error":"RuntimeError: unreachable"}"#[..], "unreachable"),
            (br#"{"calls":7,"steps":[[1,2,3]]}"#, "cannot be read"),
            (br#"{"calls":7,"steps":[[1,2,3,-4]]}"#, "times that are none"),
            (b"", "cannot be read"),
        ] {
            assert!(read(answer).unwrap_err().contains(says), "{}", String::from_utf8_lossy(answer));
        }
    }

    /// One block is enough to see that arguments arrive as they do in wasmtime: a wrong one traps.
    #[test]
    fn scripts_run_in_both_tiers_as_they_are_written() {
        let node = Node::find().unwrap_or_else(|reason| panic!("{reason}"));
        let wat = r#"(module (import "env" "now" (func $now (result i64))) (import "env" "g" (global (mut f64)))
            (memory (export "memory") 1) (global $ready (mut i32) (i32.const 0))
            (func (export "_initialize") (global.set $ready (i32.const 1)))
            (func (export "new") (param i32 i32) (result i32)
                (if (i32.or (i32.ne (local.get 1) (i32.const 4)) (i32.eqz (global.get $ready))) (then unreachable))
                (i32.load8_u (local.get 0)))
            (func (export "use") (param i32 i64 f32 i32 i32)
                (if (i32.ne (i32.shr_u (local.get 0) (i32.const 1)) (i32.const 4)) (then unreachable))
                (if (i64.ne (local.get 1) (i64.const -2)) (then unreachable))
                (if (f32.ne (local.get 2) (f32.const 1)) (then unreachable))
                (if (i32.ne (i32.load8_u (local.get 3)) (i32.const 7)) (then unreachable))
                (if (i32.ne (local.get 4) (i32.const 2)) (then unreachable))
                (if (i64.ne (call $now) (i64.const 0)) (then unreachable))
                (drop (memory.grow (i32.const 0)))))"#;
        let target = target(wat, "k = new(secret[4]); use($k, -2, public, public[2])");
        // 8 or 9 shifted by one is 4; then 1.0f32 and a 7.
        let input = |first: u8| [&[first, 1, 2, 3][..], &1f32.to_le_bytes(), &[7, 0]].concat();
        let (a, b, wrong) = (input(8), input(9), input(10));
        for tier in [Tier::TurboFan, Tier::Liftoff] {
            let timed = series(&node, tier, &target, "f", [&a, &b], 20, 1).unwrap();
            assert!(timed.steps.len() >= stopwatch::STEPS_MIN && timed.steps.len().is_multiple_of(20), "{tier:?}");
            assert!((1..=stopwatch::CALLS_MAX).contains(&timed.calls));
            let trapped = series(&node, tier, &target, "f", [&a, &wrong], 20, 1).unwrap_err();
            assert!(trapped.contains("unreachable"), "{trapped}");
        }
        let endless = target_endless();
        let long = supervise(endless, Vec::new(), Duration::from_millis(300)).unwrap_err();
        assert!(long.contains("did not answer"), "{long}");
    }

    fn target_endless() -> Child {
        let mut command = Command::new("node");
        command.args(["--eval", "for (;;) console.log('x'.repeat(1000))"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn what_javascript_cannot_be_given_has_a_reason() {
        let node = Node { program: "node".into(), major: 20, version: "20.20.2".to_owned(), v8: "11.3".to_owned() };
        let plain = r#"(module (memory (export "memory") 1) (func (export "f") (param i32 i32)))"#;
        let two = target(plain, "f(secret[1..4])");
        let why = series(&node, Tier::TurboFan, &two, "f", [b"a", b"abc"], 20, 1).unwrap_err();
        assert!(why.contains("different lengths"), "{why}");
        let shared = r#"(module (import "a" "b" (func (result i32 i32))) (memory (export "memory") 1)
            (func (export "f") (param i32 i32)))"#;
        let why = imports(&wat::parse_str(shared).unwrap()).unwrap_err();
        assert!(why.contains("several results"), "{why}");
    }
}
