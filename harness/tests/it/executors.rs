//! Every outcome, from small modules; resets compared byte for byte; hostile modules.

use autoclave::HarnessError;
use autoclave::execution::{Limit, Outcome, Trap};
use autoclave::executors::{Build, Engine, Executor, Reset, judge};
use autoclave::limits::{Limits, Overrides};
use autoclave::target::{Manifest, Target};
use std::sync::OnceLock;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(None).unwrap())
}

/// A module whose `entry` has this body; `$p` is the input's address, `$n` its length.
fn module(fields: &str, body: &str) -> String {
    format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "alloc") (param i32) (result i32) i32.const 1024)
            {fields}
            (func (export "entry") (param $p i32) (param $n i32) (result i32) {body}))"#
    )
}

fn target(wat: &str) -> Target {
    let wasm = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    Target::from_bytes("wat", &wasm, Manifest::default(), &Overrides::default()).unwrap()
}

fn small_limits() -> Limits {
    Limits {
        memory_bytes_max: 1 << 20,
        growth_denials_max: 10,
        fuel_base: 1_000_000,
        wall_ms_max: 200,
        host_calls_max: 100,
        output_bytes_max: 1000,
        ..Limits::default()
    }
}

/// Outcomes of the fuzzing executor and of the judge: they must agree unless the limit differs by nature.
#[test]
fn every_outcome_is_told_apart() {
    let trap = Outcome::Trap;
    let limit = Outcome::Limit;
    let cases: &[(&str, &str, Outcome)] = &[
        ("", "i32.const 0", Outcome::Returned),
        ("", "i32.const -1", Outcome::Rejected),
        ("", "unreachable", trap(Trap::Unreachable)),
        ("", "i32.const -4 i32.load", trap(Trap::MemoryOutOfBounds)),
        ("(table 1 funcref)", "i32.const 9 call_indirect (result i32)", trap(Trap::TableOutOfBounds)),
        ("(table 1 funcref)", "i32.const 0 call_indirect (result i32)", trap(Trap::IndirectCallToNull)),
        (
            "(table 1 funcref) (elem (i32.const 0) $f) (func $f)",
            "i32.const 0 call_indirect (result i32)",
            trap(Trap::BadSignature),
        ),
        ("", "i32.const 0x80000000 i32.const -1 i32.div_s", trap(Trap::IntegerOverflow)),
        ("", "i32.const 1 i32.const 0 i32.div_u", trap(Trap::IntegerDivisionByZero)),
        ("", "f64.const nan i32.trunc_f64_s", trap(Trap::BadConversionToInteger)),
        ("", "i32.const 1 i32.const 1 i32.atomic.rmw.add", trap(Trap::HeapMisaligned)),
        ("(type $f (func (result i32)))", "ref.null $f call_ref $f", trap(Trap::NullReference)),
        (
            "(type $a (array i8))",
            "i32.const 0 array.new_default $a i32.const 5 array.get_u $a",
            trap(Trap::ArrayOutOfBounds),
        ),
        ("", "i32.const 1 ref.i31 ref.cast (ref struct) drop i32.const 0", trap(Trap::CastFailure)),
        ("(tag $t)", "throw $t", trap(Trap::UncaughtException)),
        ("", "(loop $l (br $l)) i32.const 0", limit(Limit::Fuel)),
        ("(func $f (result i32) call $f i32.const 1 i32.add)", "call $f", limit(Limit::Stack)),
        ("", "i32.const 1000 memory.grow", limit(Limit::GracefulOom)),
        ("", "i32.const 1000 memory.grow drop unreachable", limit(Limit::OomAbort)),
        ("", "(loop $l (drop (memory.grow (i32.const 1000))) (br $l)) i32.const 0", limit(Limit::HardDeny)),
        ("(table $t 1 funcref)", "ref.null func i32.const 20000 table.grow $t", limit(Limit::Table)),
        (r#"(import "env" "f" (func $f))"#, "(loop $l (call $f) (br $l)) i32.const 0", limit(Limit::HostCalls)),
    ];
    for (fields, body, expected) in cases {
        let (imports, fields) = if fields.contains("import") { (*fields, "") } else { ("", *fields) };
        let wat = module(fields, body).replacen("(module", &format!("(module {imports}"), 1);
        check(&target(&wat), *expected);
    }
}

#[test]
fn output_beyond_the_limit_is_told_apart() {
    let wat = module("", "i32.const 0").replace("(result i32) i32.const 0))", "(result i64) i64.const 1001))");
    check(&target(&wat), Outcome::Limit(Limit::Output));
    let wat = module("", "i32.const 0").replace("(result i32) i32.const 0))", "(result i64) i64.const 1000))");
    let execution = judge(engine(), &target(&wat), "entry", b"x", &small_limits()).unwrap();
    assert_eq!((execution.outcome, execution.output.len()), (Outcome::Returned, 1000));
}

fn check(target: &Target, expected: Outcome) {
    let limits = small_limits();
    let name = |outcome: Outcome| outcome.name();
    let execution = judge(engine(), target, "entry", b"input", &limits).unwrap();
    assert_eq!(name(execution.outcome), name(expected), "judge: {}", String::from_utf8_lossy(&execution.message));
    let came_back = execution.outcome.came_back() || execution.outcome == Outcome::Limit(Limit::Table);
    let stopped_by_host = execution.outcome == Outcome::Limit(Limit::Output);
    assert_eq!(execution.frames.is_empty(), came_back || stopped_by_host, "{}: frames", name(expected));
    // Without fuel an endless loop runs into the epoch deadline.
    let expected = if expected == Outcome::Limit(Limit::Fuel) { Outcome::Limit(Limit::Deadline) } else { expected };
    for (build, reset) in BUILDS {
        let mut executor = Executor::new(engine(), target, "entry", *build, *reset, &limits).unwrap();
        for run in 0..3 {
            assert_eq!(name(executor.run(b"input")), name(expected), "{build:?} {reset:?} run {run}");
        }
    }
}

const BUILDS: &[(Build, Reset)] = &[(Build::Plain, Reset::Fresh)];

#[test]
fn a_module_over_the_limits_is_refused_by_name() {
    let cases = [
        ("(memory (export \"memory\") 17)", "memory_bytes_max"),
        ("(memory (export \"memory\") 1) (table 10001 funcref)", "table_elements_max"),
        ("(memory (export \"memory\") 1) (func $s (loop $l (br $l))) (start $s)", "instantiation does not end"),
        ("(memory (export \"memory\") 1) (func $s call $s) (start $s)", "instantiation ends with STACK"),
        (
            "(memory (export \"memory\") 1) (func $s (loop $l (drop (memory.grow (i32.const 1))) (br $l))) (start $s)",
            "instantiation ends with HARD-DENY",
        ),
        ("(memory (export \"memory\") 1 1 shared)", "shared"),
        ("(memory (export \"memory\") 1) (data (i32.const 65535) \"xx\")", "instantiation ends with TRAP-MEMORY"),
    ];
    for (fields, expected) in cases {
        let wat = format!(
            r#"(module {fields} (func (export "alloc") (param i32) (result i32) i32.const 8)
                (func (export "entry") (param i32 i32)))"#
        );
        let target = target(&wat);
        let limits = Limits { wall_ms_max: 10, ..small_limits() };
        let fuzz = Executor::new(engine(), &target, "entry", Build::Plain, Reset::Fresh, &limits).err();
        let judged = judge(engine(), &target, "entry", b"", &limits).err();
        for error in [fuzz, judged] {
            match error {
                Some(HarnessError::Module { message, .. }) => assert!(message.contains(expected), "{message}"),
                other => panic!("{fields}: {other:?}"),
            }
        }
    }
}

#[test]
fn frames_name_functions_and_offsets_of_the_module_that_ran() {
    let target = target(&module("(func $f (result i32) unreachable)", "call $f"));
    let execution = judge(engine(), &target, "entry", b"", &small_limits()).unwrap();
    let functions: Vec<u32> = execution.frames.iter().map(|frame| frame.function).collect();
    assert_eq!(functions, [1, 2]);
    let offset = execution.frames[0].offset.unwrap() as usize;
    assert_eq!(target.wasm[offset], 0, "the opcode of unreachable");
}

#[test]
fn fuel_is_repeatable_and_host_calls_are_logged() {
    let wat = module("", "i32.const 7 i64.const 9 call $f").replacen(
        "(module",
        r#"(module (import "env" "f" (func $f (param i32 i64) (result i32)))"#,
        1,
    );
    let target = target(&wat);
    let first = judge(engine(), &target, "entry", b"abc", &small_limits()).unwrap();
    let second = judge(engine(), &target, "entry", b"abc", &small_limits()).unwrap();
    assert!(first.fuel_used.is_some_and(|fuel| fuel > 0));
    assert_eq!((first.fuel_used, &first.output), (second.fuel_used, &second.output));
    assert_eq!(first.host_calls.len(), 1);
    assert_eq!((first.host_calls[0].import.as_str(), first.host_calls[0].count), ("env.f", 1));
    assert_eq!(first.host_calls[0].first_arguments, [7, 9]);
}
