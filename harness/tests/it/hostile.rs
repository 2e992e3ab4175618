//! What a hostile host does to its guests is seen for what it is, and guests that cope with it are left alone.

use autoclave::executors::Engine;
use autoclave::executors::hostile::{Fault, Siege, besiege};
use autoclave::limits::Limits;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(None).unwrap())
}

fn siege_of(name: &str, wasm: &[u8], glue: Option<&str>, inputs: &[Vec<u8>]) -> Siege {
    besiege(engine(), name, wasm, glue, inputs, 7, &Limits::default()).unwrap()
}

/// Class, export and key of everything that was found.
fn found(siege: &Siege) -> BTreeSet<(&str, &str, &str)> {
    siege.findings.iter().map(|faced| (faced.class, faced.export.as_str(), faced.key.as_str())).collect()
}

/// The same, to read.
fn told(siege: &Siege) -> String {
    let line = |faced: &autoclave::executors::hostile::Faced| {
        format!("{} {} {:?}: {}\n", faced.class, faced.export, faced.key, faced.what)
    };
    siege.findings.iter().map(line).collect()
}

/// A mistake, and what must be said of it. The second module is the first one without it.
const CANARIES: &[(&str, &str, &str, &[(&str, &str)])] = &[
    (
        "a lock that is not given back",
        r#"(module (import "env" "call" (func $call)) (global $busy (mut i32) (i32.const 0))
             (func (export "f") (if (global.get $busy) (then unreachable))
               (global.set $busy (i32.const 1)) (call $call) (global.set $busy (i32.const 0))))"#,
        r#"(module (import "env" "call" (func $call)) (global $busy (mut i32) (i32.const 0))
             (func (export "f") (if (global.get $busy) (then unreachable))
               (global.set $busy (i32.const 1)) (global.set $busy (i32.const 0)) (call $call)))"#,
        &[("poisoned", "after call throws")],
    ),
    (
        "growth that is taken for granted",
        r#"(module (memory (export "memory") 1)
             (func (export "f") (result i32)
               (i32.store (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)) (i32.const 7))
               (i32.const 7)))"#,
        r#"(module (memory (export "memory") 1)
             (func (export "f") (result i32) (local $at i32)
               (if (i32.eq (local.tee $at (memory.grow (i32.const 1))) (i32.const -1))
                 (then (return (i32.const 7))))
               (i32.store (i32.mul (local.get $at) (i32.const 65536)) (i32.const 7))
               (i32.const 7)))"#,
        &[("trap", "growth-refused")],
    ),
    (
        "a count that is ahead of what there is",
        r#"(module (memory (export "memory") 1) (global $pages (mut i32) (i32.const 1))
             (func (export "f") (result i32)
               (if (i32.gt_u (global.get $pages) (memory.size)) (then unreachable))
               (if (i32.gt_u (global.get $pages) (i32.const 1)) (then (return (i32.const 0))))
               (global.set $pages (i32.add (global.get $pages) (i32.const 1)))
               (drop (memory.grow (i32.const 1)))
               (i32.const 0)))"#,
        r#"(module (memory (export "memory") 1) (global $pages (mut i32) (i32.const 1))
             (func (export "f") (result i32)
               (if (i32.gt_u (global.get $pages) (memory.size)) (then unreachable))
               (if (i32.gt_u (global.get $pages) (i32.const 1)) (then (return (i32.const 0))))
               (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1))
                 (then (global.set $pages (i32.add (global.get $pages) (i32.const 1)))))
               (i32.const 0)))"#,
        &[("poisoned", "after growth-refused")],
    ),
    (
        "a frame that an exception passes through",
        r#"(module (import "env" "call" (func $call)) (memory (export "memory") 2)
             (global $__stack_pointer (mut i32) (i32.const 65536))
             (func (export "f") (local $frame i32)
               (global.set $__stack_pointer
                 (local.tee $frame (i32.sub (global.get $__stack_pointer) (i32.const 64))))
               (i32.store (local.get $frame) (i32.const 1)) (call $call)
               (global.set $__stack_pointer (i32.add (local.get $frame) (i32.const 64)))))"#,
        r#"(module (import "env" "call" (func $call)) (memory (export "memory") 2)
             (global $__stack_pointer (mut i32) (i32.const 65536))
             (func (export "f") (local $frame i32)
               (global.set $__stack_pointer
                 (local.tee $frame (i32.sub (global.get $__stack_pointer) (i32.const 64))))
               (i32.store (local.get $frame) (i32.const 1))
               (global.set $__stack_pointer (i32.add (local.get $frame) (i32.const 64))) (call $call)))"#,
        &[("stack", "call throws")],
    ),
    (
        "an end of memory that is remembered",
        r#"(module (import "env" "call" (func $call)) (memory (export "memory") 1)
             (func (export "f") (result i32) (local $pages i32)
               (local.set $pages (memory.size)) (call $call)
               (i32.eq (local.get $pages) (memory.size))))"#,
        r#"(module (import "env" "call" (func $call)) (memory (export "memory") 1)
             (func (export "f") (result i32) (local $pages i32)
               (local.set $pages (memory.size)) (call $call)
               (i32.le_u (local.get $pages) (memory.size))))"#,
        &[("host", "memory grows during an import")],
    ),
    (
        "a number that is no integer",
        r#"(module (import "env" "now" (func $now (result f64)))
             (func (export "f") (result i32) (drop (i32.trunc_f64_s (call $now))) (i32.const 0)))"#,
        r#"(module (import "env" "now" (func $now (result f64)))
             (func (export "f") (result i32) (drop (i32.trunc_sat_f64_s (call $now))) (i32.const 0)))"#,
        &[("trap", "now gives 2^53 + 2"), ("trap", "now gives Infinity"), ("trap", "now gives NaN")],
    ),
    (
        "work that a number of the host's decides",
        r#"(module (import "env" "now" (func $now (result f64)))
             (func (export "f") (local $end f64) (local $at f64) (local.set $end (call $now))
               (loop $next (local.set $at (f64.add (local.get $at) (f64.const 1)))
                 (br_if $next (f64.lt (local.get $at) (local.get $end))))))"#,
        r#"(module (import "env" "now" (func $now (result f64)))
             (func (export "f") (local $end f64) (local $at f64)
               (local.set $end (f64.min (call $now) (f64.const 100)))
               (loop $next (local.set $at (f64.add (local.get $at) (f64.const 1)))
                 (br_if $next (f64.lt (local.get $at) (local.get $end))))))"#,
        &[("time", "now gives 2^53 + 2"), ("time", "now gives Infinity")],
    ),
    (
        "places that exceptions use up",
        r#"(module (import "env" "call" (func $call)) (global $places (mut i32) (i32.const 1000))
             (func (export "f") (if (i32.eqz (global.get $places)) (then unreachable))
               (global.set $places (i32.sub (global.get $places) (i32.const 1))) (call $call)
               (global.set $places (i32.add (global.get $places) (i32.const 1)))))"#,
        r#"(module (import "env" "call" (func $call)) (global $places (mut i32) (i32.const 1000))
             (func (export "f") (if (i32.eqz (global.get $places)) (then unreachable))
               (global.set $places (i32.sub (global.get $places) (i32.const 1)))
               (global.set $places (i32.add (global.get $places) (i32.const 1))) (call $call)))"#,
        &[("poisoned", "after call throws again and again")],
    ),
    (
        "memory that an exception keeps",
        r#"(module (import "env" "call" (func $call)) (memory (export "memory") 1) (global $free (mut i32) (i32.const 0))
             (func (export "f")
               (if (global.get $free) (then (global.set $free (i32.const 0)))
                 (else (drop (memory.grow (i32.const 1)))))
               (call $call) (global.set $free (i32.const 1))))"#,
        r#"(module (import "env" "call" (func $call)) (memory (export "memory") 1) (global $free (mut i32) (i32.const 0))
             (func (export "f")
               (if (global.get $free) (then (global.set $free (i32.const 0)))
                 (else (drop (memory.grow (i32.const 1)))))
               (global.set $free (i32.const 1)) (call $call)))"#,
        &[("leak", "call throws")],
    ),
];

#[test]
fn canaries_are_caught_and_their_twins_pass() {
    for (what, faulty, fixed, expected) in CANARIES {
        let siege = siege_of(what, &wat::parse_str(faulty).unwrap(), None, &[]);
        let expected: BTreeSet<_> = expected.iter().map(|(class, key)| (*class, "f", *key)).collect();
        assert_eq!(found(&siege), expected, "{what}: {}", told(&siege));
        let twin = siege_of(what, &wat::parse_str(fixed).unwrap(), None, &[]);
        assert_eq!(found(&twin), BTreeSet::new(), "the twin of {what}: {}", told(&twin));
        assert!(twin.faults > 0, "nothing was done to the twin of {what}");
        assert_eq!(twin.exports.len(), 1, "{what}");
        assert!(twin.exports[0].returned > 0, "{what}");
    }
}

/// Glue as wasm-bindgen writes it, and a module that asks for a text through it. `handleError` keeps what `get` throws;
/// what `log` throws passes through the frames.
const GLUE: &str = r#"
function shout(text, f) {
    const ptr0 = passStringToWasm0(text, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.shout(ptr0, len0, f);
    return ret >>> 0;
}
exports.shout = shout;
function __wbg_get_imports() {
    const import0 = {
        __wbg_get_2080c49015e35254: function() { return handleError(function (arg0) {
            const ret = arg0.name;
            return ret;
        }, arguments); },
        __wbg___wbindgen_string_get_7ce8eee7fd327545: function(arg0, arg1) {
            const obj = arg1;
            const ret = typeof(obj) === 'string' ? obj : undefined;
            var ptr1 = isLikeNone(ret) ? 0 : passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            var len1 = WASM_VECTOR_LEN;
            getDataViewMemory0().setInt32(arg0 + 4 * 1, len1, true);
            getDataViewMemory0().setInt32(arg0 + 4 * 0, ptr1, true);
        },
    };
}
"#;

/// The name of a value, asked for through [`GLUE`]; `CHECK` is what it does with `(ptr, len)` at 16.
fn shout(check: &str) -> Vec<u8> {
    let text = r#"(module
      (import "./x.js" "__wbg_get_2080c49015e35254" (func $get (param externref) (result externref)))
      (import "./x.js" "__wbg___wbindgen_string_get_7ce8eee7fd327545" (func $string (param i32 externref)))
      (memory (export "memory") 8)
      (table $refs (export "__wbindgen_externrefs") 1028 externref)
      (global $heap (mut i32) (i32.const 1024))
      (global $slot (mut i32) (i32.const 1027))
      (global $thrown (mut i32) (i32.const 0))
      (func (export "__wbindgen_malloc") (param i32 i32) (result i32) (i32.const 1024))
      (func (export "__wbindgen_free") (param i32 i32 i32))
      (func (export "__externref_table_alloc") (result i32)
        (drop (table.grow $refs (ref.null extern) (i32.const 1)))
        (i32.sub (table.size $refs) (i32.const 1)))
      (func (export "__wbindgen_exn_store") (param i32) (global.set $thrown (local.get 0)))
      (func (export "shout") (param i32 i32 externref) (result i32)
        (call $string (i32.const 16) (call $get (local.get 2)))
        CHECK))"#;
    wat::parse_str(text.replace("CHECK", check)).unwrap()
}

#[test]
fn glue_says_what_imports_mean() {
    let trusting =
        "(if (i32.eqz (i32.load (i32.const 20))) (then unreachable)) (i32.load8_u (i32.load (i32.const 16)))";
    let siege = siege_of("trusting", &shout(trusting), Some(GLUE), &[]);
    // What it is without a name: plain calls give `undefined`.
    assert_eq!(found(&siege), BTreeSet::from([("trap", "shout", "TRAP-UNREACHABLE")]), "{}", told(&siege));
    assert_eq!(siege.imports_modelled, ["get", "__wbindgen_string_get"]);
    assert_eq!(siege.imports_stubbed, []);

    let short = "(if (i32.gt_u (i32.load (i32.const 20)) (i32.const 1000)) (then unreachable)) (i32.const 0)";
    let siege = siege_of("short", &shout(short), Some(GLUE), &[]);
    let long = ("trap", "shout", "get gives a text of 70,000 letters");
    assert!(found(&siege).contains(&long), "{}", told(&siege));

    let forgetful = "(if (global.get $thrown) (then unreachable)) (i32.const 0)";
    let siege = siege_of("forgetful", &shout(forgetful), Some(GLUE), &[]);
    assert!(found(&siege).contains(&("trap", "shout", "get throws")), "{}", told(&siege));

    // The exception's slot is never given back.
    let leaking = "(i32.const 0)";
    let siege = siege_of("leaking", &shout(leaking), Some(GLUE), &[]);
    let leak = siege.findings.iter().find(|faced| faced.class == "leak").expect("a leak");
    assert_eq!((leak.key.as_str(), leak.fault), ("get throws", Fault::ImportThrows { call: 1 }));
    assert!(leak.what.contains("slots"), "{}", leak.what);
}

#[test]
fn two_sieges_of_one_seed_are_the_same() {
    let inputs: Vec<Vec<u8>> = (0..100_u8).map(|byte| vec![byte; usize::from(byte)]).collect();
    let wasm = shout("(i32.load8_u (i32.load (i32.const 16)))");
    let siege = |seed| besiege(engine(), "same", &wasm, Some(GLUE), &inputs, seed, &Limits::default()).unwrap();
    assert_eq!(siege(3), siege(3));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A built package of ours, with its script; says so where it is not built.
fn package(name: &str) -> Option<(Vec<u8>, String)> {
    let folder = root().join(".autoclave/build").join(name).join("pkg/nodejs");
    let file = name.replace('-', "_");
    let wasm = std::fs::read(folder.join(format!("{file}_bg.wasm")));
    let glue = std::fs::read_to_string(folder.join(format!("{file}.js")));
    let both = wasm.ok().zip(glue.ok());
    if both.is_none() {
        println!("skipped: {name} is not built (cargo xtask build {name})");
    }
    both
}

#[test]
fn a_package_with_faults_and_its_twin() {
    let seeds = [&br#"{"resourceType":"Patient","id":"p1","visits":3}"#[..], b"MSH|^~\\&|A|B\r", b"a|b|c"];
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    if let Some((wasm, glue)) = package("canary-boundary") {
        let siege = siege_of("canary-boundary", &wasm, Some(&glue), &seeds);
        println!("{} calls, {} faults; {:?}\n{}", siege.executions, siege.faults, siege.notes, told(&siege));
        let found = found(&siege);
        for expected in [
            ("trap", "hl7", "TRAP-UNREACHABLE"),
            ("time", "doses_per_day", "OUT-OF-FUEL"),
            ("stack", "visit", "call throws"),
            ("leak", "visit", "call throws"),
            // Each exception keeps a place of the module's stack of references.
            ("poisoned", "visit", "after call throws again and again"),
            // The queue of tasks is locked when the host refuses to run it, and stays so.
            ("poisoned", "remind", "after queueMicrotask throws"),
        ] {
            assert!(found.contains(&expected), "{expected:?} is missing: {}", told(&siege));
        }
        assert!(siege.exports.len() > 25, "{:?}", siege.notes);
        let idle: Vec<&str> =
            siege.exports.iter().filter(|tally| tally.returned == 0).map(|tally| tally.export.as_str()).collect();
        assert_eq!(idle, Vec::<&str>::new(), "never returned");
    }
    if let Some((wasm, glue)) = package("canary-boundary-fixed") {
        let siege = siege_of("canary-boundary-fixed", &wasm, Some(&glue), &seeds);
        // Rust aborts where there is no memory: that is no fault of the twin's.
        assert!(found(&siege).iter().all(|(_, _, key)| *key == "growth-refused"), "{}", told(&siege));
        assert!(siege.exports.len() > 15 && siege.faults > 0, "{siege:#?}");
    }
}

#[test]
fn a_module_without_its_script_is_besieged_too() {
    let path = root().join(".autoclave/build/fhir-bundle-bindgen/module.wasm");
    let Ok(wasm) = std::fs::read(&path) else {
        return println!("skipped: fhir-bundle-bindgen is not built (cargo xtask build fhir-bundle-bindgen)");
    };
    let bundle = br#"{"resourceType":"Bundle","type":"collection","entry":[]}"#.to_vec();
    let siege = siege_of("fhir-bundle-bindgen", &wasm, None, &[bundle]);
    assert!(found(&siege).iter().all(|(_, _, key)| *key == "growth-refused"), "{}", told(&siege));
    assert!(siege.exports.iter().all(|tally| tally.returned > 0) && siege.exports.len() == 2, "{siege:#?}");
    assert!(siege.notes.iter().any(|note| note.contains("without the script")), "{:?}", siege.notes);
}
