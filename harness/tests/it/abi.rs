//! Every ABI: what goes in, what comes out, what a hostile guest may try.

use autoclave::HarnessError;
use autoclave::execution::{Execution, Limit, Outcome, Trap};
use autoclave::executors::{Build, Engine, Executor, Reset, judge};
use autoclave::limits::Overrides;
use autoclave::target::{Abi, Manifest, Target};
use std::sync::OnceLock;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(None).unwrap())
}

fn target(wat: &str, manifest: &str) -> Target {
    Target::from_bytes("wat", wat.as_bytes(), Manifest::parse(manifest).unwrap(), &Overrides::default())
        .unwrap_or_else(|error| panic!("{error}\n{wat}"))
}

/// What the judge saw; a live executor must see the same, twice in a row.
#[track_caller]
fn run(target: &Target, input: &[u8]) -> Execution {
    let entry = &target.entries[0];
    let judged = judge(engine(), target, entry, input, &target.limits).unwrap();
    let mut executor = Executor::new(engine(), target, entry, Build::Plain, Reset::Fresh, &target.limits).unwrap();
    for _ in 0..2 {
        let outcome = executor.run(input);
        let execution = executor.execution();
        assert_eq!((outcome, &execution.output), (judged.outcome, &judged.output));
        assert_eq!((&execution.message, &execution.host_calls), (&judged.message, &judged.host_calls));
    }
    judged
}

#[track_caller]
fn check(target: &Target, input: &[u8], outcome: Outcome, output: &[u8]) {
    let execution = run(target, input);
    assert_eq!((execution.outcome.name(), execution.output.escape_ascii().to_string()), {
        (outcome.name(), output.escape_ascii().to_string())
    });
}

/// A WASI command; `$io` is at 0: one vector {1024, 60000}, result at 8.
fn command(fields: &str, body: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_open"
                (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\00\04\00\00\60\ea\00\00")
            {fields}
            (func (export "_start") {body}))"#
    )
}

const ECHO: &str = "
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))";

#[test]
fn a_wasi_command_reads_and_writes() {
    let echo = target(&command("", ECHO), "");
    assert_eq!(echo.abi, Abi::Wasi);
    check(&echo, b"hello", Outcome::Returned, b"hello");
    check(&echo, b"", Outcome::Returned, b"");
    let calls = run(&echo, b"x").host_calls;
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[0].import.as_str(), calls[0].count), ("wasi_snapshot_preview1.fd_read", 1));
    assert_eq!(calls[0].first_arguments, [0, 0, 1, 8]);
}

#[test]
fn exit_codes_mean_what_the_manifest_says() {
    let exit = |code: i32| command("", &format!("(call $proc_exit (i32.const {code})) unreachable"));
    check(&target(&exit(0), ""), b"", Outcome::Returned, b"");
    check(&target(&exit(3), ""), b"", Outcome::Rejected, b"");
    check(&target(&exit(3), "rejects = 'never'"), b"", Outcome::Trap(Trap::Exit), b"");
    check(&target(&command("", "unreachable"), ""), b"", Outcome::Trap(Trap::Unreachable), b"");
}

#[test]
fn standard_error_is_the_message() {
    let body =
        format!("{ECHO} (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))) unreachable");
    let execution = run(&target(&command("", &body), ""), b"dying");
    assert_eq!((execution.message.as_slice(), execution.output.as_slice()), (&b"dying"[..], &b"dying"[..]));
}

#[test]
fn clock_and_random_are_the_same_in_every_run_and_move_on() {
    let body = "
        (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 1024)))
        (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 1032)))
        (drop (call $random_get (i32.const 1040) (i32.const 16)))
        (i32.store (i32.const 4) (i32.const 32))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))";
    let output = run(&target(&command("", body), ""), b"").output;
    let word = |index: usize| u64::from_le_bytes(output[index * 8..][..8].try_into().unwrap());
    assert_eq!(word(1) - word(0), 1_000_000);
    assert_ne!(word(2), word(3));
}

/// Wild pointers are errors for the guest, endless vectors and bulk work are limits; never more than that.
#[test]
fn hostile_wasi_calls_are_answered_within_limits() {
    let errno = |call: &str| {
        let body = format!(
            "(i32.store8 (i32.const 1024) {call}) (i32.store (i32.const 4) (i32.const 1))
             (i32.store (i32.const 0) (i32.const 1024))
             (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"
        );
        let fields = r#"(data (i32.const 64) "\f0\ff\00\00\ff\ff\ff\ff")
            (data (i32.const 96) "\68\00\00\00\08\00\00\00\60\00\00\00\10\00\00\00")"#;
        run(&target(&command(fields, &body), ""), b"0123456789abcdef").output[0]
    };
    // A vector array outside memory, a buffer that reaches over the end, a result outside memory.
    assert_eq!(errno("(call $fd_read (i32.const 0) (i32.const -8) (i32.const 1) (i32.const 8))"), 21);
    assert_eq!(errno("(call $fd_read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 8))"), 21);
    assert_eq!(errno("(call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const -1))"), 21);
    assert_eq!(errno("(call $fd_write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 8))"), 21);
    assert_eq!(errno("(call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 8))"), 28);
    assert_eq!(errno("(call $random_get (i32.const -1) (i32.const 2))"), 21);
    assert_eq!(errno("(call $clock (i32.const 9) (i64.const 0) (i32.const 0))"), 28);
    // Reading the vectors' own place: the first buffer overwrites the second pair.
    assert_eq!(errno("(call $fd_read (i32.const 0) (i32.const 96) (i32.const 2) (i32.const 8))"), 21);
    // Descriptors that do not exist, and paths: nothing is ever opened.
    assert_eq!(errno("(call $fd_read (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 8))"), 8);
    let open = "(call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 0) (i64.const -1)
        (i64.const -1) (i32.const 0) (i32.const 0))";
    assert_eq!(errno(open), 8);
    let bulk = "(loop $l (drop (call $random_get (i32.const 0) (i32.const 65536))) (br $l))";
    check(&target(&command("", bulk), ""), b"", Outcome::Limit(Limit::HostCalls), b"");
    let flood = "(loop $l (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $l))";
    assert_eq!(run(&target(&command("", flood), ""), b"").outcome, Outcome::Limit(Limit::Output));
}

#[test]
fn a_reactor_is_initialised_once() {
    let wat = r#"(module
        (memory (export "memory") 1) (global $n (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $n (i32.add (global.get $n) (i32.const 1))))
        (func (export "run") (result i32) (i32.sub (global.get $n) (i32.const 1))))"#;
    check(&target(wat, ""), b"", Outcome::Returned, b"");
}

/// A wasm-bindgen module with an allocator at 64 Ki that takes back only what it gave last.
fn bindgen(fields: &str) -> String {
    format!(
        r#"(module
            (import "wbg" "__wbg___wbindgen_throw_1a2b" (func $throw (param i32 i32)))
            (import "wbg" "__wbg_Error_52673b7de5a0ca89" (func $error (param i32 i32) (result externref)))
            (import "wbg" "__wbindgen_init_externref_table" (func $init))
            (memory (export "memory") 3)
            (table (export "__wbindgen_externrefs") 128 externref)
            (global $top (mut i32) (i32.const 65536))
            (func (export "__wbindgen_malloc") (param i32 i32) (result i32)
                global.get $top (global.set $top (i32.add (global.get $top) (local.get 0))))
            (func (export "__wbindgen_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "__wbindgen_free") (param i32 i32 i32)
                (if (i32.eq (i32.add (local.get 0) (local.get 1)) (global.get $top))
                    (then (global.set $top (local.get 0)))))
            (func (export "__wbindgen_start") (call $init))
            {fields})"#
    )
}

#[test]
fn wasm_bindgen_strings_go_in_and_out() {
    let echo = target(&bindgen(r#"(func (export "f") (param i32 i32) (result i32 i32) local.get 0 local.get 1)"#), "");
    assert_eq!(echo.abi, Abi::WasmBindgen);
    check(&echo, b"hello", Outcome::Returned, b"hello");
    check(&echo, b"", Outcome::Returned, b"");
    // Rust would be undefined on anything but UTF-8.
    check(&echo, b"a\xffb", Outcome::Returned, "a\u{fffd}b".as_bytes());
    let bytes = bindgen(r#"(func (export "f") (param i32 i32) (result i32 i32) local.get 0 local.get 1)"#);
    check(&target(&bytes, "input = 'bytes'"), b"a\xffb", Outcome::Returned, b"a\xffb");
    check(&target(&bytes.replace("__wbindgen_realloc", "__x"), ""), b"a\xffb", Outcome::Returned, b"a\xffb");

    let second = r#"(func (export "f") (param i32 i32 i32 i32) (result i32 i32) local.get 2 local.get 3)"#;
    check(&target(&bindgen(second), ""), b"abcdef\x02\x00", Outcome::Returned, b"cdef");
    let number = r#"(func (export "f") (param i32 i32) (result i32) local.get 1)"#;
    check(&target(&bindgen(number), ""), b"abc", Outcome::Returned, &[3, 0, 0, 0]);
    let wild = r#"(func (export "f") (param i32 i32) (result i32 i32) i32.const -16 i32.const 99)"#;
    check(&target(&bindgen(wild), ""), b"", Outcome::Returned, &[240, 255, 255, 255, 99, 0, 0, 0]);
}

#[test]
fn wasm_bindgen_errors_are_rejections() {
    let four = |failed: u32| {
        bindgen(&format!(
            r#"(func (export "f") (param i32 i32) (result i32 i32 i32 i32)
                (table.set 0 (i32.const 129) (call $error (local.get 0) (local.get 1)))
                local.get 0 local.get 1 i32.const 129 i32.const {failed})"#
        ))
    };
    let execution = run(&target(&four(1), ""), b"no good");
    assert_eq!((execution.outcome, execution.message.as_slice()), (Outcome::Rejected, &b"no good\n"[..]));
    assert!(execution.output.is_empty());
    check(&target(&four(0), ""), b"good", Outcome::Returned, b"good");

    let unit = |failed: u32| {
        bindgen(&format!(r#"(func (export "f") (param i32 i32) (result i32 i32) i32.const {} i32.const {failed})"#, {
            failed * 131
        }))
    };
    check(&target(&unit(0), ""), b"", Outcome::Returned, b"");
    check(&target(&unit(1), ""), b"", Outcome::Rejected, b"");

    let throws =
        bindgen(r#"(func (export "f") (param i32 i32) (call $throw (local.get 0) (local.get 1)) unreachable)"#);
    let execution = run(&target(&throws, ""), b"thrown");
    assert_eq!((execution.outcome, execution.message.as_slice()), (Outcome::Rejected, &b"thrown\n"[..]));
    let panics = bindgen(r#"(func (export "f") (param i32 i32) unreachable)"#);
    check(&target(&panics, ""), b"", Outcome::Trap(Trap::Unreachable), b"");
}

#[test]
fn wasm_bindgen_results_come_through_a_return_pointer_too() {
    check_return_pointer(
        r#"(global $sp (mut i32) (i32.const 65536))
        (func (export "__wbindgen_add_to_stack_pointer") (param i32) (result i32)
            (global.set $sp (i32.add (global.get $sp) (local.get 0))) global.get $sp)"#,
    );
    // Before wasm-bindgen's tool has seen a module, only its allocator gives a place for results.
    check_return_pointer(r#"(func (export "__wbindgen_describe_f"))"#);
}

#[track_caller]
fn check_return_pointer(stack: &str) {
    let module =
        |stores: &str| target(&bindgen(&format!(r#"{stack}(func (export "f") (param i32 i32 i32) {stores})"#)), "");
    let store = |at: u32, value: &str| format!("(i32.store offset={at} (local.get 0) {value})");
    let text = store(0, "(local.get 1)") + &store(4, "(local.get 2)");
    check(&module(&text), b"text", Outcome::Returned, b"text");
    check(&module(&(text.clone() + &store(12, "(i32.const 0)"))), b"ok", Outcome::Returned, b"ok");
    let failed = store(8, "(i32.const 130)") + &store(12, "(i32.const 1)");
    check(&module(&failed), b"x", Outcome::Rejected, b"");
    check(&module(""), b"x", Outcome::Returned, b"");
    let scalar = store(4, "(i32.const 130)") + &store(8, "(i32.const 1)");
    check(&module(&scalar), b"x", Outcome::Rejected, b"");
}

#[test]
fn numbers_come_in_sequences() {
    let wat = r#"(module
        (global $n (mut i32) (i32.const 0))
        (func (export "add") (param i32) (result i32)
            (global.set $n (i32.add (global.get $n) (local.get 0))) global.get $n)
        (func (export "wide") (param i64 f64 f32) (result i64 f64)
            (if (i32.eq (global.get $n) (i32.const 77)) (then unreachable)) local.get 0 local.get 1))"#;
    let target = target(wat, "");
    assert_eq!((target.abi, target.entries[0].as_str()), (Abi::Numeric, "*"));
    // add(70), add(7), wide(…): only the sequence finds the trap.
    let add = |n: i32| [&[0, 0xff][..], &n.to_le_bytes()].concat();
    let wide = [&[1, 0xff][..], &[0; 8], &[0xff], &1.5f64.to_le_bytes(), &[0]].concat();
    check(&target, &[add(70), add(7)].concat(), Outcome::Returned, &[70, 0, 0, 0, 77, 0, 0, 0]);
    let wide_result = [[0; 8], 1.5f64.to_le_bytes()].concat();
    check(&target, &wide, Outcome::Returned, &wide_result);
    check(
        &target,
        &[add(70), add(7), wide.clone()].concat(),
        Outcome::Trap(Trap::Unreachable),
        &[70, 0, 0, 0, 77, 0, 0, 0],
    );
    // What is missing at the end is zero.
    check(&target, &wide[..5], Outcome::Returned, &[0; 16]);
    check(&target, b"", Outcome::Returned, b"");
}

#[test]
fn unknown_imports_are_made_up_the_same_way_every_time() {
    let wat = r#"(module
        (import "env" "memory" (memory 1))
        (import "env" "table" (table 4 funcref))
        (import "env" "limit" (global $limit i64))
        (import "env" "counter" (global $counter (mut i32)))
        (import "host" "numbers" (func $numbers (param i32 f64) (result i32 i64 f32 f64)))
        (import "host" "object" (func $object (param externref) (result externref)))
        (export "memory" (memory 0))
        (func (export "alloc") (param i32) (result i32) i32.const 1024)
        (func (export "entry") (param i32 i32) (result i32) (local i64 f32 f64)
            (drop (call $object (ref.null extern)))
            (call $numbers (i32.const 7) (f64.const 1)) local.set 4 local.set 3 local.set 2))"#;
    let execution = run(&target(wat, ""), b"x");
    assert_eq!(execution.outcome, Outcome::Returned);
    let calls: Vec<_> = execution.host_calls.iter().map(|call| (call.import.as_str(), call.count)).collect();
    assert_eq!(calls, [("host.numbers", 1), ("host.object", 1)]);
    assert_eq!(execution.host_calls[0].first_arguments, [7, 1f64.to_bits()]);
}

#[test]
fn imports_that_cannot_be_made_up_are_refused_by_name() {
    let refused = |import: &str| {
        let wat = format!(r#"(module (import "host" "thing" {import}) (func (export "f") (param i32)))"#);
        let target = target(&wat, "");
        match judge(engine(), &target, "*", b"", &target.limits) {
            Err(error @ HarnessError::Module { .. }) => error.to_string(),
            other => panic!("{import} gave {other:?}"),
        }
    };
    for import in [
        "(func (result (ref func)))",
        "(table 1 (ref func))",
        "(global (ref extern))",
        "(memory 1 2 shared)",
        "(memory 60000)",
        "(table 20000 funcref)",
    ] {
        let error = refused(import);
        assert!(
            error.contains("host.thing") || error.contains("limit") || error.contains("shared"),
            "{import}: {error}"
        );
    }
}

#[test]
fn last_words_of_other_runtimes_are_kept() {
    let wat = r#"(module
        (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 100) "\08\00\00\00o\00o\00p\00s\00")
        (func (export "alloc") (param i32) (result i32) i32.const 1024)
        (func (export "entry") (param i32 i32) (call $abort (i32.const 104) (i32.const 0) (i32.const 1) (i32.const 2))))"#;
    let execution = run(&target(wat, ""), b"");
    assert_eq!((execution.outcome, execution.message.as_slice()), (Outcome::Trap(Trap::Unreachable), &b"oops"[..]));
    let wild = wat.replace("i32.const 104", "i32.const -2");
    assert_eq!(run(&target(&wild, ""), b"").message, b"");
}

/// A component that exports `parse: func(list<u8> or string) -> result<string, string>` in an interface, wrapped in a
/// shim as the usual tools do. `x…` traps, `e…` is an error, `h…` asks the host.
fn component(parameter: &str) -> String {
    format!(
        r#"(component
            (import "host:api/clock@1.0.0" (instance $clock
                (export "ticket" (type $ticket (sub resource)))
                (export "take" (func (param "hint" u32) (result (own $ticket))))
                (export "now" (func (result u64)))))
            (alias export $clock "now" (func $now))
            (alias export $clock "take" (func $take))
            (core func $now_core (canon lower (func $now)))
            (core func $take_core (canon lower (func $take)))
            (core module $helper (func (export "noop")))
            (core module $main
                (import "host" "now" (func $now (result i64)))
                (import "host" "take" (func $take (param i32) (result i32)))
                (memory (export "memory") 2)
                (global $top (mut i32) (i32.const 1024))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    global.get $top
                    (global.set $top (i32.and (i32.const -8)
                        (i32.add (i32.add (global.get $top) (local.get 3)) (i32.const 7)))))
                (func $die unreachable)
                (func (export "api#parse") (param $p i32) (param $n i32) (result i32)
                    (local $first i32)
                    (if (local.get $n) (then (local.set $first (i32.load8_u (local.get $p)))))
                    (if (i32.eq (local.get $first) (i32.const 0x78)) (then (call $die)))
                    (if (i32.eq (local.get $first) (i32.const 0x68)) (then
                        (drop (call $now)) (drop (call $take (i32.const 7)))))
                    (i32.store8 (i32.const 16) (i32.eq (local.get $first) (i32.const 0x65)))
                    (i32.store (i32.const 20) (local.get $p))
                    (i32.store (i32.const 24) (local.get $n))
                    i32.const 16)
                (func (export "cabi_post_api#parse") (param i32) (global.set $top (i32.const 1024))))
            (core instance $unused (instantiate $helper))
            (core instance $main (instantiate $main
                (with "host" (instance (export "now" (func $now_core)) (export "take" (func $take_core))))))
            (func $lifted (param "document" {parameter}) (result (result string (error string)))
                (canon lift (core func $main "api#parse") (memory $main "memory")
                    (realloc (func $main "cabi_realloc")) (post-return (func $main "cabi_post_api#parse"))))
            (component $shim
                (import "inner" (func $f (param "document" {parameter}) (result (result string (error string)))))
                (export "parse" (func $f)))
            (instance $api (instantiate $shim (with "inner" (func $lifted))))
            (export "a:b/api@1.0.0" (instance $api)))"#
    )
}

/// What the core module behind the export shows must be what the whole component shows.
#[track_caller]
fn check_both(target: &Target, input: &[u8], outcome: Outcome, output: &[u8]) -> Execution {
    let entry = &target.entries[0];
    let judged = judge(engine(), target, entry, input, &target.limits).unwrap();
    assert_eq!((judged.outcome, judged.output.as_slice()), (outcome, output), "whole: {judged:?}");
    for reset in [Reset::Dirty, Reset::Fresh] {
        let mut executor = Executor::new(engine(), target, entry, Build::Fuzz, reset, &target.limits).unwrap();
        assert_eq!(executor.note(), None);
        for _ in 0..2 {
            assert_eq!((executor.run(input), executor.execution().output.as_slice()), (outcome, output));
            assert_eq!(executor.execution().message, judged.message);
            assert!(executor.counters().iter().any(|count| *count > 0));
        }
    }
    judged
}

#[test]
fn components_run_whole_for_the_judge_and_unwrapped_for_the_loop() {
    for parameter in ["(list u8)", "string"] {
        let target = target(&component(parameter), "");
        assert_eq!((target.abi, target.entries[0].as_str()), (Abi::Component, "a:b/api@1.0.0#parse"));
        check_both(&target, b"fine", Outcome::Returned, b"fine");
        check_both(&target, b"", Outcome::Returned, b"");
        let rejected = check_both(&target, b"error", Outcome::Rejected, b"");
        assert_eq!(rejected.message, b"error");
        let trapped = check_both(&target, b"x", Outcome::Trap(Trap::Unreachable), b"");
        // Functions of the inner module: two imports, realloc, die, parse.
        let functions: Vec<_> = trapped.frames.iter().map(|frame| frame.function).collect();
        assert_eq!(functions, [3, 4]);
        let module = autoclave::executors::component::core_module(&target, &target.entries[0]).unwrap();
        let offset = trapped.frames[0].offset.unwrap() as usize;
        assert_eq!(module[offset], 0x00, "unreachable stands where the frame says");
        let calls = check_both(&target, b"h", Outcome::Returned, b"h").host_calls;
        let names: Vec<_> = calls.iter().map(|call| (call.import.as_str(), call.first_arguments.clone())).collect();
        assert_eq!(names, [("host:api/clock@1.0.0#take", vec![7]), ("host:api/clock@1.0.0#now", vec![])]);
    }
}

#[test]
fn text_for_components_is_utf8() {
    check_both(&target(&component("string"), ""), b"a\xff", Outcome::Returned, "a\u{fffd}".as_bytes());
}

#[test]
fn components_that_cannot_be_unwrapped_run_whole_and_say_so() {
    let wat = component("string")
        .replace(r#"(param "document" string)"#, r#"(param "document" string) (param "mode" (list u16))"#)
        .replace(
            "(param $p i32) (param $n i32) (result i32)",
            "(param $p i32) (param $n i32) (param i32 i32) (result i32)",
        );
    let target = target(&wat, "");
    let entry = &target.entries[0];
    let mut executor = Executor::new(engine(), &target, entry, Build::Fuzz, Reset::Dirty, &target.limits).unwrap();
    assert!(executor.note().unwrap().contains("without counters"), "{:?}", executor.note());
    assert_eq!((executor.run(b"fine\x04\x00"), executor.execution().output), (Outcome::Returned, b"fine".to_vec()));
    assert_eq!(executor.run(b"x\x01\x00"), Outcome::Trap(Trap::Unreachable), "{:?}", executor.execution());
    assert_eq!(executor.run(b"fine\x04\x00"), Outcome::Returned);
}

#[test]
fn numbers_beside_text_come_from_the_end_of_the_input() {
    let wat = r#"(component
        (core module $m
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "f") (param i32 i32 i32 i64) (result i32)
                (if (i32.eq (local.get 2) (i32.const 0x1234)) (then
                    (if (i64.eq (local.get 3) (i64.const -2)) (then unreachable))))
                (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) i32.const 0))
        (core instance $m (instantiate $m))
        (func (export "f") (param "text" string) (param "a" u16) (param "b" s64) (result string)
            (canon lift (core func $m "f") (memory $m "memory") (realloc (func $m "realloc")))))"#;
    let target = target(wat, "");
    check_both(&target, b"text", Outcome::Returned, b"text");
    check_both(&target, b"text\x33\x12\0\0\0\0\0\0\0\0", Outcome::Returned, b"text");
    let deadly = [&b"text"[..], &0x1234u16.to_le_bytes(), &(-2i64).to_le_bytes()].concat();
    check_both(&target, &deadly, Outcome::Trap(Trap::Unreachable), b"");
}

/// Wild results, and more data than the host may be made to hold.
#[test]
fn hostile_components_are_stopped() {
    let give = |ty: &str, len: u32| {
        let wat = format!(
            r#"(component
            (core module $m
                (memory (export "memory") 1000)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
                (func (export "f") (param i32 i32) (result i32)
                    (i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const {len})) i32.const 0))
            (core instance $m (instantiate $m))
            (func (export "f") (param "text" string) (result {ty})
                (canon lift (core func $m "f") (memory $m "memory") (realloc (func $m "realloc")))))"#
        );
        let target = target(&wat, "");
        judge(engine(), &target, "f", b"", &target.limits).unwrap().outcome
    };
    assert_eq!(give("(list u8)", 1 << 20), Outcome::Returned);
    assert_eq!(give("(list u8)", 60 << 20), Outcome::Limit(Limit::Output));
    assert_eq!(give("(list u16)", 30 << 20), Outcome::Limit(Limit::Output));
    assert_eq!(give("string", 48 << 20), Outcome::Limit(Limit::Output));
    assert_eq!(give("string", u32::MAX), Outcome::Trap(Trap::Other));
}

/// Every kind of answer, through calls of either way: what wasmtime's values are made into, typed calls must give, too.
#[test]
fn answers_of_components_are_the_same_bytes_by_either_way() {
    // The result is at 8; its first byte is the case, payloads begin at 16 where their alignment is 8, else at 12 or 9.
    let give = |ty: &str, second: &str, flat: bool| {
        let result = if flat { "i32.const 1" } else { "i32.const 8" };
        let wat = format!(
            r#"(component
            (core module $m
                (memory (export "memory") 1)
                (data (i32.const 8) "{second}")
                (data (i32.const 64) "text")
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
                (func (export "typed") (param i32 i32) (result i32) {result})
                (func (export "valued") (param i32 i32 i32 i32) (result i32) {result}))
            (core instance $m (instantiate $m))
            (func (export "typed") (param "bytes" (list u8)) (result {ty})
                (canon lift (core func $m "typed") (memory $m "memory") (realloc (func $m "realloc"))))
            (func (export "valued") (param "bytes" (list u8)) (param "more" (list u16)) (result {ty})
                (canon lift (core func $m "valued") (memory $m "memory") (realloc (func $m "realloc")))))"#
        );
        let target = target(&wat, "");
        let [typed, valued] = ["typed", "valued"].map(|entry| {
            let execution = judge(engine(), &target, entry, b"input", &target.limits).unwrap();
            (execution.outcome, execution.output, execution.message)
        });
        assert_eq!(typed, valued, "{ty}");
        typed
    };
    let returned = |bytes: &[u8]| (Outcome::Returned, bytes.to_vec(), Vec::new());
    let rejected = |bytes: &[u8]| (Outcome::Rejected, Vec::new(), bytes.to_vec());
    let place = r"\40\00\00\00\04\00\00\00";
    let case = |case: &str, payload: &str| format!(r"\0{case}\00\00\00{payload}");
    for ty in ["(list u8)", "string"] {
        assert_eq!(give(ty, place, false), returned(b"text"));
        assert_eq!(give(&format!("(result {ty} (error string))"), &case("0", place), false), returned(b"text"));
        assert_eq!(give(&format!("(result {ty} (error string))"), &case("1", place), false), rejected(b"text"));
        assert_eq!(give(&format!("(result {ty} (error (list u8)))"), &case("1", place), false), rejected(b"text"));
        assert_eq!(give(&format!("(result {ty})"), &case("1", place), false), rejected(b""));
        assert_eq!(give(&format!("(result {ty} (error u32))"), &case("1", place), false), rejected(b"\x40\0\0\0"));
        assert_eq!(give(&format!("(result (error {ty}))"), &case("0", place), false), returned(b""));
        assert_eq!(give(&format!("(option {ty})"), &case("1", place), false), returned(b"\x01text"));
    }
    assert_eq!(give("(result)", "", true), rejected(b""));
    for (ty, bytes) in [
        ("bool", &b"\x01"[..]),
        ("s8", b"\x01"),
        ("u8", b"\x01"),
        ("s16", b"\x01\0"),
        ("u16", b"\x01\0"),
        ("s32", b"\x01\0\0\0"),
        ("u32", b"\x01\0\0\0"),
        ("char", b"\x01\0\0\0"),
    ] {
        assert_eq!(give(ty, "", true), returned(bytes));
        assert_eq!(give(&format!("(result {ty} (error string))"), &case("1", place), false), rejected(b"text"));
        // The error's pointer aligns the payload to four bytes.
        assert_eq!(give(&format!("(result {ty} (error string))"), &case("0", r"\01"), false), returned(bytes));
    }
    for ty in ["s64", "u64", "f64"] {
        let second = case("0", r"\00\00\00\00\01\02\03\04\05\06\07\08");
        assert_eq!(
            give(&format!("(result {ty} (error string))"), &second, false),
            returned(b"\x01\x02\x03\x04\x05\x06\x07\x08")
        );
    }
    assert_eq!(give("(result f32 (error string))", &case("0", r"\01\02\03\04"), false), returned(b"\x01\x02\x03\x04"));
}

/// A value of wasmtime takes forty bytes, one for each of the input: 32 MiB cost 1.3 GiB of the house's own process.
#[test]
fn large_byte_lists_cost_a_component_about_their_size() {
    const ALONE: &str = "AUTOCLAVE_TEST_ALONE";
    const NAME: &str = "abi::large_byte_lists_cost_a_component_about_their_size";
    if std::env::var_os(ALONE).is_none() {
        // In a process of its own: other tests need memory, too.
        let program = std::env::current_exe().unwrap();
        let mut alone = std::process::Command::new(program);
        let output = alone.args(["--exact", NAME, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
        return;
    }
    // Gives back the last 8 MiB.
    let wat = r#"(component
        (core module $m
            (memory (export "memory") 600)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "f") (param i32 i32) (result i32)
                (i32.store8 (i32.const 0) (i32.const 0))
                (i32.store (i32.const 4) (i32.sub (i32.add (local.get 0) (local.get 1)) (i32.const 0x800000)))
                (i32.store (i32.const 8) (i32.const 0x800000))
                i32.const 0))
        (core instance $m (instantiate $m))
        (func (export "f") (param "bytes" (list u8)) (result (result (list u8) (error string)))
            (canon lift (core func $m "f") (memory $m "memory") (realloc (func $m "realloc")))))"#;
    let target = target(wat, "");
    let input: Vec<u8> = (0..32u32 << 20).map(|index| (index % 251) as u8).collect();
    let execution = judge(engine(), &target, "f", &input, &target.limits).unwrap();
    assert_eq!(execution.outcome, Outcome::Returned);
    assert!(execution.output == input[24 << 20..]);
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        println!("skipped: the peak of memory is read on Linux only");
        return;
    };
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    let peak_mib = peak.parse::<u64>().unwrap() >> 10;
    assert!(peak_mib < 256, "{peak_mib} MiB");
}
