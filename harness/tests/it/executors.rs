//! Every outcome, from small modules; resets compared byte for byte; hostile modules.

use autoclave::HarnessError;
use autoclave::execution::{Limit, Outcome, Trap};
use autoclave::executors::{Build, Engine, Executor, Reset, judge, verify};
use autoclave::limits::{Limits, Overrides};
use autoclave::target::{Found, Manifest, Role, Target, find_root};
use std::path::Path;
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
        (
            "(rec (type $n (struct (field (ref null $n))))) (global $list (mut (ref null $n)) (ref.null $n))",
            "(loop $l (global.set $list (struct.new $n (global.get $list))) (br $l)) i32.const 0",
            limit(Limit::OomAbort),
        ),
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
fn deadlines_fire_when_the_engine_is_out_of_sight() {
    let target = target(&module("", "(loop $l (br $l)) i32.const 0"));
    let executor = |reset| {
        let engine = Engine::new(None).unwrap();
        Executor::new(&engine, &target, "entry", Build::Fuzz, reset, &small_limits()).unwrap()
    };
    let mut executors = [executor(Reset::Dirty), executor(Reset::Fresh)];
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for executor in &mut executors {
            tell.send(executor.run(b"x")).unwrap();
        }
    });
    for _ in 0..2 {
        // What would otherwise hang fails.
        let outcome = told.recv_timeout(std::time::Duration::from_secs(60));
        assert_eq!(outcome, Ok(Outcome::Limit(Limit::Deadline)));
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

const BUILDS: &[(Build, Reset)] = &[
    (Build::Plain, Reset::Fresh),
    (Build::Fuzz, Reset::Fresh),
    (Build::Fuzz, Reset::Dirty),
    (Build::Compare, Reset::Dirty),
    (Build::Trace, Reset::Fresh),
    (Build::Record, Reset::Fresh),
];

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

/// Modules that keep state in every place where a module can, each with how many of its runs may keep the instance.
#[test]
fn state_does_not_survive_a_run() {
    // Each entry returns what it finds, then changes it.
    let cases: &[(&str, &str, &str, Kept)] = &[
        ("a store", "", "(i32.load (i32.const 8)) (i32.store (i32.const 8) (i32.const 77))", Kept::All),
        ("a store over a page's end", "", "(i32.load (i32.const 4096)) (i64.store (i32.const 4092) (i64.const -1))", Kept::All),
        (
            "a v128 over a page's end",
            "",
            "(i32.load (i32.const 8192)) (v128.store offset=1 (i32.const 8190) (i8x16.splat (i32.const 3)))",
            Kept::All,
        ),
        ("the last byte", "", "(i32.load8_u (i32.const 65535)) (i32.store8 (i32.const 65535) (i32.const 7))", Kept::All),
        ("fill", "", "(i32.load (i32.const 40000)) (memory.fill (i32.const 100) (i32.const 5) (i32.const 50000))", Kept::All),
        (
            "copy",
            "",
            "(i32.load (i32.const 40000)) (i32.store (i32.const 8) (i32.const 9)) (memory.copy (i32.const 40000) (i32.const 8) (i32.const 9000))",
            Kept::All,
        ),
        (
            "init",
            r#"(data $d "state")"#,
            "(i32.load (i32.const 9000)) (memory.init $d (i32.const 9000) (i32.const 0) (i32.const 5))",
            Kept::All,
        ),
        ("an atomic", "", "(i32.atomic.load (i32.const 8)) (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 1)))", Kept::All),
        (
            "a global",
            "(global $g (mut i32) (i32.const 4)) (global $h (mut f64) (f64.const 4)) (global $v (mut v128) (v128.const i64x2 1 2))",
            "(i32.add (global.get $g) (i32.add (i32.trunc_f64_s (global.get $h)) (i32x4.extract_lane 0 (global.get $v))))
             (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.set $h (f64.const 9))
             (global.set $v (v128.const i64x2 5 5))",
            Kept::All,
        ),
        (
            "a function reference in a global",
            "(func $f) (elem declare func $f) (global $g (mut funcref) (ref.null func))",
            "(ref.is_null (global.get $g)) (global.set $g (ref.func $f))",
            Kept::All,
        ),
        (
            "a table",
            "(func $f) (elem declare func $f) (table $t 2 funcref)",
            "(ref.is_null (table.get $t (i32.const 0))) (table.set $t (i32.const 0) (ref.func $f))",
            Kept::None,
        ),
        (
            "a table's size",
            "(table $t 2 funcref)",
            "(table.size $t) (drop (table.grow $t (ref.null func) (i32.const 1)))",
            Kept::None,
        ),
        ("a memory's size", "", "(memory.size) (drop (memory.grow (i32.const 1)))", Kept::All),
        (
            "what a memory has grown by",
            "",
            // Zeroes first, then something: by a store over the old end, in a new page, and in bulk.
            "(drop (memory.grow (i32.const 2)))
             (i32.or (i64.ne (i64.load (i32.const 65532)) (i64.const 0)) (i32.load (i32.const 150000)))
             (i64.store (i32.const 65532) (i64.const -1)) (i32.store8 (i32.const 131072) (i32.const 4))
             (memory.fill (i32.const 140000) (i32.const 5) (i32.const 56608))",
            Kept::All,
        ),
        (
            "the size of a memory that another instruction sees",
            "(memory $m 1)",
            "(memory.size $m) (drop (memory.grow $m (i32.const 1)))",
            Kept::None,
        ),
        (
            "a dropped segment",
            r#"(data $d "state") (global $done (mut i32) (i32.const 0))"#,
            "(i32.const 0) (memory.init $d (i32.const 9000) (i32.const 0) (i32.const 5)) (data.drop $d)",
            Kept::None,
        ),
        (
            "a dropped element segment",
            "(func $f) (table $t 1 funcref) (elem $e func $f)",
            "(i32.const 0) (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $e)",
            Kept::None,
        ),
        (
            "a second memory",
            "(memory $m 1)",
            "(i32.load $m (i32.const 70)) (i32.store $m (i32.const 70) (i32.const 5)) (memory.fill $m (i32.const 5000) (i32.const 5) (i32.const 9000))",
            Kept::All,
        ),
        (
            "a managed object",
            "(type $s (struct (field (mut i32)))) (global $o (mut (ref null $s)) (ref.null $s))",
            "(ref.is_null (global.get $o)) (global.set $o (struct.new $s (i32.const 1)))",
            Kept::None,
        ),
    ];
    for (name, fields, body, kept) in cases {
        let target = target(&module(fields, body));
        let inputs: Vec<&[u8]> = vec![b"one", b"", b"a longer one", b"x", b"one"];
        let verified = verify(engine(), &target, "entry", inputs.clone(), &small_limits()).unwrap();
        assert_eq!(verified.differences, [], "{name}");
        assert_eq!(verified.kept, if *kept == Kept::All { inputs.len() } else { 0 }, "{name}: instances kept");
    }
}

#[derive(PartialEq)]
enum Kept {
    All,
    None,
}

/// The input's own bytes, written by the host, are taken back too.
#[test]
fn bytes_of_a_longer_input_do_not_survive() {
    let target = target(&module("", "i32.const 5000 i32.load8_u"));
    let mut executor = Executor::new(engine(), &target, "entry", Build::Fuzz, Reset::Dirty, &small_limits()).unwrap();
    assert_eq!(executor.run(&[7; 9000]), Outcome::Returned);
    assert_eq!(executor.execution().output, 7_i32.to_le_bytes());
    assert_eq!(executor.memory(0).unwrap()[5000], 7);
    executor.run(b"short");
    assert_eq!(executor.memory(0).unwrap()[5000], 0);
}

#[test]
fn counters_stay_at_one_address_and_hold_one_run() {
    let wat = module(
        "",
        "local.get $n i32.eqz if unreachable end (loop $l (br_if $l (i32.gt_u (i32.load8_u (local.get $p)) (i32.const 200)))) i32.const 0",
    );
    let target = target(&wat);
    let mut executor = Executor::new(engine(), &target, "entry", Build::Fuzz, Reset::Dirty, &small_limits()).unwrap();
    let at = executor.counters().as_ptr();
    executor.run(b"x");
    let kept = executor.counters().to_vec();
    assert!(kept.iter().any(|count| *count > 0));
    assert_eq!(executor.run(b""), Outcome::Trap(Trap::Unreachable));
    assert_ne!(executor.counters(), kept, "the trapping run's own counters");
    assert!(!executor.keeps_instance());
    executor.run(b"x");
    assert_eq!(executor.counters(), kept);
    assert_eq!(executor.counters().as_ptr(), at);
    assert_eq!(kept.len(), executor.instrumented().edges.len());
}

#[test]
fn a_shadow_stack_overflow_is_told_from_a_bad_access() {
    // Laid out as wasm-ld does with --stack-first: the stack below the data, growing down to 0.
    let wat = r#"(module
        (memory (export "memory") 1)
        (global $__stack_pointer (mut i32) (i32.const 4096))
        (func $deep (param $n i32) (result i32) (local $frame i32)
            (global.set $__stack_pointer (local.tee $frame (i32.sub (global.get $__stack_pointer) (i32.const 64))))
            (i32.store (local.get $frame) (local.get $n))
            (if (local.get $n) (then (drop (call $deep (i32.sub (local.get $n) (i32.const 1))))))
            (global.set $__stack_pointer (i32.add (local.get $frame) (i32.const 64)))
            (i32.load (local.get $frame)))
        (func (export "alloc") (param i32) (result i32) i32.const 8192)
        (func (export "entry") (param $p i32) (param $n i32) (result i32)
            (call $deep (i32.mul (local.get $n) (i32.const 30)))))"#;
    let target = target(wat);
    let limits = small_limits();
    for (input, expected) in [(&b"x"[..], Outcome::Returned), (b"xxx", Outcome::Limit(Limit::ShadowStack))] {
        assert_eq!(judge(engine(), &target, "entry", input, &limits).unwrap().outcome, expected);
        let mut executor = Executor::new(engine(), &target, "entry", Build::Fuzz, Reset::Dirty, &limits).unwrap();
        assert_eq!(executor.run(input), expected);
        assert_eq!(executor.run(input), expected);
    }
}

#[test]
fn imported_memories_tables_and_globals_are_made_to_the_modules_wish() {
    let wat = r#"(module
        (import "env" "memory" (memory 2 4))
        (import "env" "table" (table 3 funcref))
        (import "env" "base" (global $base i32))
        (import "env" "count" (global $count (mut i32)))
        (export "memory" (memory 0))
        (func (export "alloc") (param i32) (result i32) i32.const 1024)
        (func (export "entry") (param i32 i32) (result i32)
            (global.set $count (i32.add (global.get $count) (i32.const 1)))
            (i32.store (i32.const 70000) (global.get $count))
            (i32.add (global.get $count) (i32.add (memory.size) (table.size 0)))))"#;
    let target = target(wat);
    let inputs = [&b"a"[..], b"b"];
    let verified = verify(engine(), &target, "entry", inputs, &small_limits()).unwrap();
    assert_eq!((verified.differences, verified.kept), (vec![], 2));
}

#[test]
fn growth_in_every_run_is_reset() {
    let target = target(&module("", "(i32.store (i32.const 8) (memory.grow (i32.const 2))) i32.const 0"));
    let mut executor = Executor::new(engine(), &target, "entry", Build::Fuzz, Reset::Dirty, &small_limits()).unwrap();
    for _ in 0..200 {
        assert_eq!(executor.run(b"x"), Outcome::Returned);
        assert_eq!(executor.memory(0).unwrap().len(), 3 << 16);
        assert_eq!(executor.execution().memory_bytes_peak, 3 << 16);
    }
}

#[test]
fn a_memory_ends_where_the_guest_knows_it_to_end() {
    // After growing from one page to two, what lies behind is as far away as if there were nothing.
    let grown = "(drop (memory.grow (i32.const 1)))";
    let cases: &[(&str, bool)] = &[
        ("(i32.store (i32.const 131068) (i32.const 1))", true),
        ("(i32.store (i32.const 131069) (i32.const 1))", false),
        ("(drop (i32.load8_u (i32.const 131072)))", false),
        ("(drop (v128.load offset=131000 (i32.const 57)))", false),
        ("(drop (i32.load (i32.const 0x7fffffff)))", false),
        ("(memory.fill (i32.const 65536) (i32.const 1) (i32.const 65536))", true),
        ("(memory.fill (i32.const 65536) (i32.const 1) (i32.const 65537))", false),
        ("(memory.fill (i32.const 131072) (i32.const 1) (i32.const 0))", true),
        ("(memory.fill (i32.const 131073) (i32.const 1) (i32.const 0))", false),
        ("(memory.copy (i32.const 131064) (i32.const 0) (i32.const 8))", true),
        ("(memory.copy (i32.const 131065) (i32.const 0) (i32.const 8))", false),
        ("(memory.copy (i32.const 0) (i32.const 131065) (i32.const 8))", false),
        ("(memory.copy (i32.const 0) (i32.const -1) (i32.const -1))", false),
        ("(memory.init $d (i32.const 131070) (i32.const 0) (i32.const 2))", true),
        ("(memory.init $d (i32.const 131071) (i32.const 0) (i32.const 2))", false),
        ("(drop (memory.atomic.notify (i32.const 131068) (i32.const 1)))", true),
        ("(drop (memory.atomic.notify (i32.const 131072) (i32.const 1)))", false),
        ("(drop (i32.atomic.load (i32.const 131072)))", false),
    ];
    for (access, fine) in cases {
        let target = target(&module(r#"(data $d "state")"#, &format!("{grown} {access} i32.const 0")));
        let verified = verify(engine(), &target, "entry", [&b"one"[..], b"two"], &small_limits()).unwrap();
        assert_eq!(verified.differences, [], "{access}");
        let mut executor =
            Executor::new(engine(), &target, "entry", Build::Compare, Reset::Dirty, &small_limits()).unwrap();
        let expected = if *fine { Outcome::Returned } else { Outcome::Trap(Trap::MemoryOutOfBounds) };
        for _ in 0..3 {
            assert_eq!(executor.run(b"x"), expected, "{access}");
        }
    }
    // The same without growing: nothing of the room is to be seen.
    let target = target(&module("", "(drop (i32.load8_u (i32.const 65536))) i32.const 0"));
    let mut executor = Executor::new(engine(), &target, "entry", Build::Fuzz, Reset::Dirty, &small_limits()).unwrap();
    assert_eq!(executor.run(b"x"), Outcome::Trap(Trap::MemoryOutOfBounds));
}

#[test]
fn growth_is_denied_alike_whether_it_is_virtual_or_not() {
    for body in [
        // Up to a limit, up to a declared maximum, by nothing, by far too much; sizes are what is returned.
        "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 3)) (i32.const 0)))) (memory.size)",
        "(i32.add (memory.grow (i32.const 0)) (i32.mul (memory.grow (i32.const 65536)) (memory.size)))",
        "(drop (memory.grow (i32.const -1))) (drop (memory.grow (i32.const 1))) (memory.grow (i32.const 2))",
    ] {
        for maximum in ["", "2", "5"] {
            let wat = module("", body).replace("\"memory\") 1)", &format!("\"memory\") 1 {maximum})"));
            let target = target(&wat);
            let verified = verify(engine(), &target, "entry", [&b"one"[..], b"two"], &small_limits()).unwrap();
            assert_eq!(verified.differences, [], "{wat}");
        }
    }
}

#[test]
fn a_damaged_or_foreign_cache_file_is_compiled_anew() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("code");
    let target = target(&module("", "i32.const 0"));
    let run = || {
        let engine = Engine::new(Some(&cache)).unwrap();
        let mut executor =
            Executor::new(&engine, &target, "entry", Build::Fuzz, Reset::Dirty, &small_limits()).unwrap();
        assert_eq!(executor.run(b"x"), Outcome::Returned);
        let files: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        files[0].clone()
    };
    let file = run();
    let good = std::fs::read(&file).unwrap();
    let damages: [fn(&mut Vec<u8>); 6] = [
        |bytes| bytes.truncate(10),
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.clear(),
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes[20] ^= 1,
        |bytes| bytes.extend_from_slice(b"more"),
    ];
    for damage in damages {
        let mut bytes = good.clone();
        damage(&mut bytes);
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(run(), file);
        assert_eq!(std::fs::read(&file).unwrap(), good, "written anew");
    }
}

#[cfg(unix)]
#[test]
fn a_cache_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(Engine::new(Some(dir.path())), Err(HarnessError::Engine(text)) if text.contains("chmod")));
}

/// Every shipped module that is built here, or is text, under inputs of every kind.
#[test]
fn the_fast_reset_equals_fresh_instances_on_shipped_targets() {
    let root = find_root(Path::new(env!("CARGO_MANIFEST_DIR")));
    let mut inputs: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xff; 40], vec![b'{'; 3000], (0..=255).collect()];
    inputs.extend(SEEDS.iter().map(|seed| seed.to_vec()));
    for seed in SEEDS {
        // Cut, doubled, one byte changed: most end early, some trap.
        inputs.push(seed[..seed.len() / 2].to_vec());
        inputs.push([*seed, *seed].concat());
        for at in (0..seed.len()).step_by(13) {
            let mut changed = seed.to_vec();
            changed[at] ^= 1 << (at % 8);
            inputs.push(changed);
        }
    }
    let mut compared = 0;
    let has_entries = |found: &Found| found.manifest.as_ref().is_ok_and(|manifest| manifest.role != Role::Package);
    for found in Target::discover(&root).unwrap().into_iter().filter(has_entries) {
        let Ok(target) = Target::load(&root, &found.name, &Overrides::default()) else { continue };
        let limits = Limits { wall_ms_max: 100, memory_bytes_max: 64 << 20, ..target.limits.clone() };
        for entry in &target.entries {
            let inputs = inputs.iter().map(Vec::as_slice);
            let verified = verify(engine(), &target, entry, inputs, &limits)
                .unwrap_or_else(|error| panic!("{}: {error}", target.name));
            assert_eq!(verified.differences, [], "{} {entry}", target.name);
            compared += verified.kept;
        }
    }
    assert!(compared > 100, "text modules are always there");
}

const SEEDS: &[&[u8]] = &[
    br#"{"resourceType":"Patient","id":"p","active":true,"name":[{"family":"Chalmers","given":["Peter"]}],"birthDate":"1974-12-25"}"#,
    b"MSH|^~\\&|ADT1|GOOD|GHH|HC|202001011230||ADT^A01^ADT_A01|MSG1|P|2.5.1\rPID|1||12345^^^H^MR||DOE^JANE||19700101|F\r",
    &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0x4c, 0x4a, 6, 0, 0xc2, 0x41, 0x24, 0x35, 3, 0, 0, 0],
];

/// Modules made at random: the host takes them or refuses them, in bounded time, and all modes agree.
/// `AUTOCLAVE_TEST_MODULES` sets how many.
#[test]
fn random_modules_neither_crash_nor_disagree() {
    let count: u64 = match std::env::var("AUTOCLAVE_TEST_MODULES") {
        Ok(count) => count.parse().expect("AUTOCLAVE_TEST_MODULES is a number"),
        Err(_) => 200,
    };
    let limits = Limits {
        memory_bytes_max: 4 << 20,
        wall_ms_max: 20,
        growth_denials_max: 10,
        host_calls_max: 1000,
        ..Limits::default()
    };
    let (mut taken, mut kept) = (0, 0);
    let mut differing = Vec::new();
    for seed in 0..count {
        let Some(wasm) = random_module(seed) else { continue };
        let Ok(target) = Target::from_bytes("random", &wasm, Manifest::default(), &Overrides::default()) else {
            continue;
        };
        let inputs = [&b""[..], b"\x01\x02\x03\x04", &[0xa5; 64], b"", b"\x01\x02\x03\x04"];
        match verify(engine(), &target, &target.entries[0], inputs, &limits) {
            Ok(verified) => {
                if !verified.differences.is_empty() {
                    differing.push((seed, verified.differences));
                }
                taken += 1;
                kept += verified.kept;
            }
            Err(HarnessError::Module { .. }) => {}
            Err(other) => panic!("module {seed}: {other}"),
        }
    }
    assert_eq!(differing, [], "modules by number");
    assert!(taken * 10 >= count, "{taken} of {count} modules ran");
    assert!(kept > 0);
}

fn random_module(seed: u64) -> Option<Vec<u8>> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    let bytes: Vec<u8> = (0..4096).map(|_| byte()).collect();
    let config = wasm_smith::Config {
        // Two of three have an entry for bytes, so that inputs reach them; the others whatever numbers they take.
        exports: (!seed.is_multiple_of(3)).then(|| {
            wat::parse_str(
                r#"(module (memory (export "memory") 1)
                    (func (export "alloc") (param i32) (result i32) unreachable)
                    (func (export "entry") (param i32 i32) (result i32) unreachable)
                    (func (export "other") (param i32 i32) (result i64) unreachable)
                    (global (export "g") (mut i64) i64.const 0))"#,
            )
            .unwrap()
        }),
        min_funcs: 3,
        min_exports: 3,
        min_globals: 2,
        min_memories: 1,
        max_memories: 3,
        max_tables: 3,
        max_imports: 4,
        max_memory32_bytes: 8 << 20,
        max_memory64_bytes: 8 << 20,
        max_table_elements: 20_000,
        export_everything: seed.is_multiple_of(3),
        threads_enabled: seed.is_multiple_of(16),
        gc_enabled: seed.is_multiple_of(4),
        memory_offset_choices: wasm_smith::MemoryOffsetChoices(90, 9, 1),
        ..wasm_smith::Config::default()
    };
    Some(wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(&bytes)).ok()?.to_bytes())
}

/// Sizes that a declaration costs nothing and a naive host a lot.
#[test]
fn giant_declarations_cost_little() {
    let limits = small_limits();
    let refused = |wasm: &[u8], expected: &str| {
        let target = Target::from_bytes("giant", wasm, Manifest::default(), &Overrides::default()).unwrap();
        match Executor::new(engine(), &target, "entry", Build::Fuzz, Reset::Dirty, &limits).err() {
            Some(HarnessError::Module { message, .. }) => assert!(message.contains(expected), "{message}"),
            other => panic!("{other:?}"),
        }
    };
    let entry =
        r#"(func (export "alloc") (param i32) (result i32) i32.const 8) (func (export "entry") (param i32 i32))"#;
    let wat = |fields: &str| wat::parse_str(format!("(module {fields} {entry})")).unwrap();
    refused(&wat(r#"(memory (export "memory") 65536)"#), "memory_bytes_max");
    refused(&wat(r#"(memory (export "memory") i64 0x1000000000000)"#), "memory_bytes_max");
    refused(&wat(r#"(memory (export "memory") 1) (table 4000000000 funcref)"#), "table_elements_max");
    refused(
        &wat(&format!(r#"(memory (export "memory") 1) {}"#, "(table 600 funcref)".repeat(20))),
        "table_elements_max",
    );
    let many = (0..90).map(|_| "(memory 1)").collect::<String>();
    refused(&wat(&format!(r#"(memory (export "memory") 1) {many}"#)), "memory_bytes_max");
    // Declared maxima cost nothing.
    let target =
        target(&format!(r#"(module (memory (export "memory") 1 65536) (table 1 4000000000 funcref) {entry})"#));
    let mut executor = Executor::new(engine(), &target, "entry", Build::Fuzz, Reset::Dirty, &limits).unwrap();
    assert_eq!(executor.run(b"x"), Outcome::Returned);
}

/// More memories or table elements than a slot of the pool has: allocated on demand, and all works the same.
#[test]
fn modules_that_fit_no_slot_run_all_the_same() {
    let many = (0..20).map(|_| "(memory 1)").collect::<String>();
    let wat = module(
        &many,
        "(i32.load $p) (i32.store (i32.const 8) (i32.const 5)) (i32.store 7 (i32.const 8) (i32.const 5))",
    )
    .replace("(i32.load $p)", "(i32.add (i32.load (i32.const 8)) (i32.load 7 (i32.const 8)))");
    let limits = Limits { memory_bytes_max: 4 << 20, table_elements_max: 200_000, ..small_limits() };
    let verified = verify(engine(), &target(&wat), "entry", [&b"a"[..], b"b", b"c"], &limits).unwrap();
    assert_eq!((verified.differences, verified.kept), (vec![], 3));
}

#[test]
fn a_module_of_a_hundred_thousand_functions_runs() {
    let functions = "(func (param i32) (result i32) local.get 0)".repeat(100_000);
    let target = target(&module(&functions, "i32.const 1"));
    let mut executor = Executor::new(engine(), &target, "entry", Build::Fuzz, Reset::Dirty, &small_limits()).unwrap();
    assert_eq!(executor.run(b"x"), Outcome::Returned);
}

#[test]
fn malformed_modules_are_errors() {
    let good = target(&module("", "i32.const 1")).wasm;
    let mut refused = 0;
    for at in 0..good.len() {
        for damage in [0x00, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= damage;
            for wasm in [&bytes[..], &bytes[..at]] {
                let Ok(target) = Target::from_bytes("bad", wasm, Manifest::default(), &Overrides::default()) else {
                    refused += 1;
                    continue;
                };
                let limits = Limits { wall_ms_max: 10, fuel_base: 10_000, ..small_limits() };
                let executor = Executor::new(engine(), &target, "entry", Build::Fuzz, Reset::Dirty, &limits);
                if let Ok(mut executor) = executor {
                    executor.run(b"x");
                }
            }
        }
    }
    assert!(refused > good.len());
}

#[test]
fn names_with_payloads_change_nothing() {
    for payload in ["<script>", "\u{1b}[31m", "a\"b", "..\\/../etc", "\u{202e}", "日本", "%s%n", "'; DROP"] {
        let escaped: String = payload.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let wat = format!(
            r#"(module (import "{escaped}" "{escaped}" (func $f)) (memory (export "memory") 1)
                (func (export "alloc") (param i32) (result i32) i32.const 8)
                (func (export "{escaped}") (param i32 i32) call $f))"#
        );
        let target = target(&wat);
        assert_eq!(target.entries, [payload]);
        let execution = judge(engine(), &target, payload, b"x", &small_limits()).unwrap();
        assert_eq!(execution.outcome, Outcome::Returned);
        assert_eq!(execution.host_calls[0].import, format!("{payload}.{payload}"));
    }
}
