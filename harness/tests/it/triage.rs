//! From a raw execution to one named, minimised finding, on canaries whose flaws are known.

use autoclave::confirm;
use autoclave::executors::{Build, Engine, Executor, Reset};
use autoclave::limits::Overrides;
use autoclave::minimise;
use autoclave::symbols::Symbols;
use autoclave::target::Target;
use autoclave::triage;

/// A parser with a recursion of two functions, a loop that one byte never leaves, and two traps behind one function.
const FLAWED: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "alloc") (param i32) (result i32) i32.const 1024)
    (func $byte (param i32) (result i32) (i32.load8_u (local.get 0)))
    (func $array (param i32) (result i32) (i32.add (call $value (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
    (func $value (param i32) (result i32)
        (if (result i32) (i32.eq (call $byte (local.get 0)) (i32.const 91))
            (then (i32.add (call $array (local.get 0)) (i32.const 1)))
            (else (i32.const 0))))
    (func $skip (param i32) (loop $again
        (br_if $again (i32.eq (call $byte (local.get 0)) (i32.const 32)))))
    (func $first unreachable)
    (func $second (param i32) (drop (i32.div_u (i32.const 1) (i32.sub (local.get 0) (local.get 0)))))
    (func $field (param i32)
        (if (i32.eq (call $byte (local.get 0)) (i32.const 124)) (then (call $first)))
        (if (i32.eq (call $byte (local.get 0)) (i32.const 94)) (then (call $second (local.get 0)))))
    (func $bytes (param $at i32) (param $end i32) (loop $next
        (if (i32.lt_u (local.get $at) (local.get $end)) (then
            (call $field (local.get $at))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $next)))))
    (func (export "parse") (param i32 i32) (result i32)
        (if (i32.eqz (local.get 1)) (then (return (i32.const 0))))
        (call $skip (local.get 0))
        (drop (call $value (local.get 0)))
        (call $bytes (local.get 0) (i32.add (local.get 0) (local.get 1)))
        i32.const 0))"#;

fn target() -> Target {
    let mut target =
        Target::from_bytes("flawed", FLAWED.as_bytes(), Default::default(), &Overrides::default()).unwrap();
    // Small enough that an endless loop ends soon, large enough for a million brackets.
    target.limits.fuel_base = 20_000_000;
    target.limits.fuel_per_byte = 100;
    target
}

#[test]
fn each_flaw_has_one_bucket_whatever_the_input() {
    let (engine, target) = (Engine::new(None).unwrap(), target());
    let symbols = Symbols::load(&target.wasm);
    let bucket = |input: &[u8]| {
        let replay = confirm::replay_in(&engine, &target, "parse", input).unwrap();
        let bucket = triage::bucket("crash", replay.execution.outcome, &replay.frames(&symbols));
        (bucket.outcome.clone(), bucket.frames.join(" < "))
    };
    let wanted = |outcome: &str, frames: &str| (outcome.to_owned(), frames.to_owned());
    for (inputs, expected) in [
        (vec![b"|".to_vec(), b"abc|".to_vec(), b"a||^".to_vec()], wanted("TRAP-UNREACHABLE", "first < field < bytes")),
        (vec![b"^".to_vec(), b"xyz^|".to_vec()], wanted("TRAP-DIVISION-BY-ZERO", "second < field < bytes")),
        (vec![b" ".to_vec(), b" |^[[[".to_vec(), vec![b' '; 999]], wanted("OUT-OF-FUEL", "skip < parse")),
        (vec![b"[".repeat(60_000), b"[".repeat(59_999)], wanted("STACK", "array < value")),
        (vec![b"plain".to_vec(), Vec::new()], wanted("returned", "")),
    ] {
        for input in inputs {
            assert_eq!(bucket(&input), expected, "{:?}", String::from_utf8_lossy(&input[..input.len().min(20)]));
        }
    }
}

#[test]
fn the_fast_executor_minimises_what_the_judge_then_confirms() {
    let (engine, target) = (Engine::new(None).unwrap(), target());
    let symbols = Symbols::load(&target.wasm);
    let mut executor = Executor::new(&engine, &target, "parse", Build::Fuzz, Reset::Dirty, &target.limits).unwrap();
    let found = b"MSH, a long line without any of the flaws and then | and the rest of it".to_vec();
    let mut key = |input: &[u8]| {
        executor.run(input);
        triage::quick_key(&executor.execution())
    };
    let wanted = key(&found);
    let smaller = minimise::minimise(&found, minimise::TRIES_MAX, |input| key(input) == wanted).unwrap();
    assert_eq!(smaller.bytes, b"|");
    assert!(smaller.tries < 200, "{}", smaller.tries);
    let judged = |input: &[u8]| {
        let replay = confirm::replay_in(&engine, &target, "parse", input).unwrap();
        triage::bucket("crash", replay.execution.outcome, &replay.frames(&symbols))
    };
    assert_eq!(judged(&smaller.bytes), judged(&found));
    assert_ne!(judged(b"^"), judged(&found));
}
