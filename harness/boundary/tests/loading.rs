//! How packages are brought up in Node: WASI programs, modules within scripts, what embind registers.

use autoclave_boundary::api::{Api, Operation, Type};
use autoclave_boundary::hosts::node::{Node, NodeHost};
use autoclave_boundary::hosts::{Batch, Host, Setup, discover};
use autoclave_boundary::package::Package;
use autoclave_boundary::tape::Tape;
use autoclave_boundary::wire::{Glue, Ran, flags};
use base64::Engine;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

fn node() -> Node {
    Node::find().unwrap_or_else(|reason| panic!("{reason}"))
}

/// What a host makes of one tape, in a fresh instance.
fn run(host: &mut NodeHost, api: &Api, ops: &Value) -> Ran {
    let tape = Tape::from_json(&json!({ "version": 1, "ops": ops }), api).unwrap_or_else(|error| panic!("{error}"));
    let flags = flags::OUTCOMES | flags::FRESH;
    host.send(&Batch { number: 1, flags, tapes: vec![tape.to_bytes()] }).unwrap();
    host.receive().unwrap_or_else(|death| panic!("{death}"))
}

fn outcomes(ran: &Ran) -> Vec<&str> {
    ran.told.iter().flat_map(|told| &told.outcomes).map(String::as_str).collect()
}

fn keys(ran: &Ran, class: &str) -> Vec<String> {
    let all = ran.told.iter().flat_map(|told| &told.sightings).filter(|sighting| sighting.class == class);
    all.map(|sighting| sighting.key.clone()).collect()
}

fn call(name: &str, args: Value) -> Value {
    json!({ "call": name, "args": args })
}

/// A reactor that asks its host for things: each export says what came of it.
const REACTOR: &str = r#"(module
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
    (memory (export "memory") 2)
    (global $ready (mut i32) (i32.const 0))
    (data (i32.const 64) "\50\00\00\00\05\00\00\00")
    (data (i32.const 80) "hello/etc/passwd")
    (func (export "_initialize") (global.set $ready (i32.const 1)))
    (func (export "ready") (result i32) (global.get $ready))
    (func (export "clock") (result i64) (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 8))) (i64.load (i32.const 8)))
    (func (export "random") (result i32) (drop (call $random (i32.const 16) (i32.const 4))) (i32.load (i32.const 16)))
    (func (export "random_far") (result i32) (call $random (i32.const 131070) (i32.const 40)))
    (func (export "open") (result i32)
        (call $open (i32.const 3) (i32.const 0) (i32.const 85) (i32.const 11) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 24)))
    (func (export "args") (result i32) (drop (call $args (i32.const 32) (i32.const 36))) (i32.load (i32.const 32)))
    (func (export "write") (param i32) (result i32)
        (drop (call $write (local.get 0) (i32.const 64) (i32.const 1) (i32.const 40))) (i32.load (i32.const 40)))
    (func (export "exit") (call $exit (i32.const 3))))"#;

fn module(text: &str) -> (tempfile::TempDir, Package) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.wasm"), wat::parse_str(text).unwrap()).unwrap();
    let package = Package::open(folder.path()).unwrap();
    (folder, package)
}

#[test]
fn a_reactor_is_initialised_and_what_it_asks_of_the_host_is_told() {
    let (_folder, package) = module(REACTOR);
    assert_eq!((package.glue, package.evidence.join(" ").contains("reactor")), (Glue::Wasi, true));
    let api = package.api().unwrap().api;
    let names: Vec<&str> = api.operations.iter().map(|operation| operation.name.as_str()).collect();
    assert_eq!(names, ["ready", "clock", "random", "random_far", "open", "args", "write", "exit"]);
    let mut host = NodeHost::start(&node(), &Setup::of(&package, &api)).unwrap();
    // Operation, its argument, its outcome, the capability that it is told to use.
    let rows = [
        ("ready", json!([]), "returned number 1", ""),
        ("clock", json!([]), "returned bigint 1700000000000000000", "clock: wasi clock_time_get"),
        ("random_far", json!([]), "returned number 21", "random: wasi random_get"),
        ("args", json!([]), "returned number 0", ""),
        ("write", json!([1]), "returned number 5", ""),
        ("write", json!([7]), "returned number 0", ""),
        ("exit", json!([]), "threw Exit", "process: wasi proc_exit"),
    ];
    for (name, args, outcome, capability) in rows {
        let ran = run(&mut host, &api, &json!([call(name, args)]));
        assert_eq!(outcomes(&ran), [outcome], "{name}");
        assert_eq!(keys(&ran, "capability").join(", "), capability, "{name}");
    }
    // There is no folder to open anything in.
    let opened = run(&mut host, &api, &json!([call("open", json!([]))]));
    assert!(!outcomes(&opened).contains(&"returned number 0"), "{:?}", outcomes(&opened));
    assert_eq!(keys(&opened, "capability"), ["fs-read: wasi path_open"]);
    // Randomness and clock are the same in every instance, and go on within one.
    let twice = json!([
        call("random", json!([])),
        call("random", json!([])),
        call("clock", json!([])),
        call("clock", json!([]))
    ]);
    let (first, second) = (run(&mut host, &api, &twice), run(&mut host, &api, &twice));
    assert_eq!(outcomes(&first), outcomes(&second));
    assert_ne!(outcomes(&first)[0], outcomes(&first)[1]);
    assert_eq!(outcomes(&first)[3], "returned bigint 1700000000001000000");
}

/// A command that writes what it reads, and refuses what begins with `!`.
const COMMAND: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (global $runs (mut i32) (i32.const 0))
    (data (i32.const 8) "\00\01\00\00\40\00\00\00")
    (func (export "_start")
        (if (global.get $runs) (then unreachable))
        (global.set $runs (i32.const 1))
        (loop $more
            (drop (call $read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 16)))
            (if (i32.eqz (i32.load (i32.const 16))) (then (return)))
            (if (i32.eq (i32.load8_u (i32.const 256)) (i32.const 33)) (then (call $exit (i32.const 2))))
            (i32.store (i32.const 12) (i32.load (i32.const 16)))
            (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 20)))
            (i32.store (i32.const 12) (i32.const 64))
            (br $more))))"#;

#[test]
fn every_call_of_a_command_is_a_run_of_its_own() {
    let (_folder, package) = module(COMMAND);
    let api = package.api().unwrap().api;
    assert_eq!(api.operations[0].signature(), "_start(stdin: Uint8Array): Uint8Array");
    let mut host = NodeHost::start(&node(), &Setup::of(&package, &api)).unwrap();
    let bytes = |text: &str| {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        json!([{ "$bytes": "Uint8Array", "hex": hex }])
    };
    let long = "x".repeat(100);
    let ran = run(
        &mut host,
        &api,
        &json!([
            call("_start", bytes("MSH|")),
            call("_start", bytes(&long)),
            call("_start", bytes("!")),
            call("_start", bytes("")),
            call("_start", json!(["text"]))
        ]),
    );
    let outcomes = outcomes(&ran);
    assert_eq!(outcomes[2], "threw Exit");
    assert_eq!(outcomes[4], "threw TypeError");
    let other = run(&mut host, &api, &json!([call("_start", bytes("MSH|")), call("_start", bytes("MSG|"))]));
    let other: Vec<&str> = other.told.iter().flat_map(|told| &told.outcomes).map(String::as_str).collect();
    assert_eq!(outcomes[0], other[0]);
    let differ = [outcomes[0], outcomes[1], outcomes[3], other[1]];
    assert!(differ.iter().all(|outcome| outcome.starts_with("returned ")), "{differ:?}");
    assert!((1..4).all(|at| !differ[..at].contains(&differ[at])), "{differ:?}");
    assert_eq!(keys(&ran, "poisoned"), Vec::<String>::new());
}

/// What a C compiler makes of a reactor: the C library starts, allocates and prints.
#[test]
fn a_reactor_in_c_runs() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("m.c");
    let text = r#"
        #include <stdio.h>
        #include <stdlib.h>
        #include <time.h>
        static int started;
        __attribute__((constructor)) static void start(void) { started = 41; }
        __attribute__((export_name("sum"))) int sum(int count) {
            int *all = malloc(count * sizeof *all), total = started;
            for (int i = 0; i < count; i++) all[i] = i;
            for (int i = 0; i < count; i++) total += all[i];
            free(all);
            printf("%d\n", total); fflush(stdout);
            return total;
        }
        __attribute__((export_name("file"))) int file(void) { return fopen("/etc/passwd", "r") != NULL; }"#;
    fs::write(&source, text).unwrap();
    let wasm = folder.path().join("m.wasm");
    let compiled = ["clang-19", "clang"].into_iter().any(|clang| {
        let mut command = Command::new(clang);
        command.args(["--target=wasm32-wasi", "-mexec-model=reactor", "-O1", "-o"]).arg(&wasm).arg(&source);
        command.output().is_ok_and(|output| output.status.success())
    });
    if !compiled {
        println!("skipped: no clang that links for wasm32-wasi (apt-get install clang lld wasi-libc)");
        return;
    }
    let package = Package::open(folder.path()).unwrap();
    let api = package.api().unwrap().api;
    let names: Vec<&str> = api.operations.iter().map(|operation| operation.name.as_str()).collect();
    assert_eq!((package.glue, names), (Glue::Wasi, vec!["sum", "file"]));
    let mut host = NodeHost::start(&node(), &Setup::of(&package, &api)).unwrap();
    let ran = run(&mut host, &api, &json!([call("sum", json!([5])), call("file", json!([]))]));
    assert_eq!(outcomes(&ran), ["returned number 51", "returned number 0"]);
}

#[test]
fn a_module_within_a_script_is_the_one_that_runs() {
    let wasm = r#"(module (memory (export "memory") 1) (func (export "trap") unreachable)
        (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#;
    let wasm = wat::parse_str(wasm).unwrap();
    let base64 = base64::engine::general_purpose::STANDARD.encode(&wasm);
    for (manifest, end) in
        [(r#"{"type":"module","module":"m.js"}"#, "js"), (r#"{"module":"m.js"}"#, "js"), ("{}", "mjs")]
    {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "const bytes = Uint8Array.from(atob('{base64}'), (c) => c.charCodeAt(0));
             const {{ exports }} = new WebAssembly.Instance(new WebAssembly.Module(bytes), {{}});
             export const add = (a, b) => exports.add(a, b);
             export function trap() {{ exports.trap(); }}"
        );
        fs::write(folder.path().join("package.json"), manifest).unwrap();
        fs::write(folder.path().join(format!("m.{end}")), script).unwrap();
        let given = if end == "mjs" { folder.path().join("m.mjs") } else { folder.path().to_owned() };
        let package = Package::open(&given).unwrap();
        assert!(package.module.inlined);
        let api = package.api().unwrap().api;
        let mut host =
            NodeHost::start(&node(), &Setup::of(&package, &api)).unwrap_or_else(|why| panic!("{manifest}: {why}"));
        assert_eq!(host.hello().pages, 1, "the shim has seen it");
        let ran = run(&mut host, &api, &json!([call("add", json!([2, 3])), call("trap", json!([]))]));
        assert_eq!(outcomes(&ran)[0], "returned number 5");
        assert_eq!(keys(&ran, "trap").len(), 1);
    }
}

/// A module that registers as embind does, with names that a linker shortened, and glue that answers as embind's.
fn embind(names: &[&str; 13], values: bool) -> (tempfile::TempDir, Package) {
    let letters = "abcdefghijklm";
    let mut text = String::from("(module");
    let params = [2, 2, 5, 5, 2, 2, 13, 6, 9, 10, 8, 7, 4];
    for (letter, count) in letters.chars().zip(params) {
        let kinds: Vec<&str> = (0..count).map(|at| if letter == 'd' && at > 2 { "i64" } else { "i32" }).collect();
        text += &format!("(import \"a\" \"{letter}\" (func ${letter} (param {})))", kinds.join(" "));
    }
    // Texts, and lists of types: every 16 bytes.
    let data = [
        "void",
        "bool",
        "unsigned char",
        "uint64_t",
        "std::string",
        "emscripten::val",
        "Reader",
        "read",
        "size",
        "make",
        "version",
        "emscripten::memory_view",
        "Base",
    ];
    text += "(memory (export \"memory\") 1)";
    for (at, word) in data.iter().enumerate() {
        text += &format!("(data (i32.const {}) \"{word}\\00\")", 1024 + 32 * at);
    }
    let name = |word: &str| 1024 + 32 * data.iter().position(|other| *other == word).unwrap();
    let list = |types: &[u8]| types.iter().map(|ty| format!("\\{ty:02x}\\00\\00\\00")).collect::<String>();
    for (at, types) in [&[6, 5][..], &[1, 7, 3, 5], &[6, 3], &[5], &[6]].iter().enumerate() {
        text += &format!("(data (i32.const {}) \"{}\")", 512 + 32 * at, list(types));
    }
    let mut start = String::new();
    let mut call = |letter: char, args: &[usize]| {
        let count = params[letters.find(letter).unwrap()];
        let arg = |at: usize| {
            let kind = if letter == 'd' && at > 2 { "i64" } else { "i32" };
            format!("({kind}.const {})", args.get(at).copied().unwrap_or(0))
        };
        let args: Vec<String> = (0..count).map(arg).collect();
        start += &format!("(call ${letter} {})", args.join(" "));
    };
    call('a', &[1, name("void")]);
    call('b', &[2, name("bool")]);
    call('c', &[3, name("unsigned char"), 1, 0, 255]);
    call('d', &[4, name("uint64_t"), 8]);
    call('e', &[5, name("std::string")]);
    call('f', &[9, name("emscripten::val")]);
    call('g', &[10, 11, 12, 0, 0, 0, 0, 0, 0, 0, name("Base")]);
    call('g', &[6, 7, 8, 10, 0, 0, 0, 0, 0, 0, name("Reader")]);
    call('h', &[6, 2, 512, 0, 0, 0]);
    call('h', &[6, 1, 640, 0, 0, 0]);
    call('i', &[6, name("read"), 4, 544]);
    call('j', &[10, name("size"), 4, 0, 0, 0, 4, 0, 1]);
    call('k', &[6, name("make"), 2, 576]);
    call('l', &[name("version"), 1, 608]);
    call('m', &[13, 1, name("emscripten::memory_view")]);
    text += &format!("(func (export \"n\") {start}))");
    let imports: Vec<String> =
        letters.chars().zip(names).map(|(letter, name)| format!("\"{letter}\":{name}")).collect();
    let functions: Vec<String> = names
        .iter()
        .map(|name| {
            let body = match *name {
                "__embind_register_class" | "zg" => {
                    "names.set(a[0], text(a[10])); Module[text(a[10])] = class extends Handle {}"
                }
                "__embind_register_class_function" | "zi" => {
                    "Module[names.get(a[0])].prototype[text(a[1])] = function (...all) { if (all.length !== a[2] - 2) \
                     throw new Error(`function called with ${all.length} arguments, expected ${a[2] - 2} args!`); return all; }"
                }
                "__embind_register_function" | "zl" => "Module[text(a[0])] = (...all) => '1.0'",
                _ => "",
            };
            format!("function {name}(...a) {{ {body} }}")
        })
        .collect();
    let glue = format!(
        "var F = (() => {{ return async function (moduleArg = {{}}) {{ var Module = moduleArg, ENVIRONMENT_IS_NODE = true, wasmMemory, wasmExports;
            const names = new Map(); class Handle {{ isAliasOf() {{}} delete() {{}} }}
            function createWasm() {{ return require('fs').readFileSync(__dirname + '/m.wasm'); }}
            function text(at) {{ let all = ''; const b = new Uint8Array(wasmMemory.buffer); while (b[at]) all += String.fromCharCode(b[at++]); return all; }}
            {}
            var wasmImports = {{{}}};
            const result = await WebAssembly.instantiate(createWasm(), {{ a: wasmImports }});
            wasmExports = result.instance.exports; wasmMemory = wasmExports.memory; {}
            return Module; }} }})(); module.exports = F;",
        functions.join(" "),
        imports.join(","),
        if values { "Module._raw = wasmExports.n; wasmExports.n();" } else { "" }
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.wasm"), wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))).unwrap();
    fs::write(folder.path().join("m.js"), glue).unwrap();
    let package = Package::open(folder.path()).unwrap();
    assert_eq!(package.glue, Glue::Emscripten, "{:?}", package.evidence);
    (folder, package)
}

const NAMES: [&str; 13] = [
    "__embind_register_void",
    "__embind_register_bool",
    "__embind_register_integer",
    "__embind_register_bigint",
    "__embind_register_std_string",
    "__embind_register_emval",
    "__embind_register_class",
    "__embind_register_class_constructor",
    "__embind_register_class_function",
    "__embind_register_class_property",
    "__embind_register_class_class_function",
    "__embind_register_function",
    "__embind_register_memory_view",
];

#[test]
fn what_embind_registers_is_what_can_be_called() {
    let (_folder, package) = embind(&NAMES, true);
    let surface = discover::surface(&node(), &package).unwrap();
    let signatures: Vec<String> = surface.api.operations.iter().map(Operation::signature).collect();
    let expected = [
        "new Reader(p0?: string)",
        "Reader.read(p0: number, p1: string): void",
        "get Base.size: bigint",
        "set Base.size(value: bigint)",
        "get Reader.size: bigint",
        "set Reader.size(value: bigint)",
        "Reader.make(p0: number): Reader",
        "version(): string",
    ];
    // `read` takes its object first; embind counts it as a parameter.
    assert_eq!(signatures, expected);
    let read = &surface.api.operations[1].params[0];
    let range = read.range.as_ref().unwrap();
    assert_eq!((range.min.as_str(), range.max.as_str(), range.source.as_str()), ("0", "255", "embind: unsigned char"));
    assert!(surface.source.contains("registered"), "{}", surface.source);
    let again = discover::surface(&node(), &package).unwrap();
    assert_eq!(again.api, surface.api);
    let mut host = NodeHost::start(&node(), &Setup::of(&package, &surface.api)).unwrap();
    let ran = run(&mut host, &surface.api, &json!([call("version", json!([]))]));
    assert_eq!(outcomes(&ran), ["returned string \"1.0\""]);

    // Names that say nothing: what is on the object afterwards.
    let short = ["za", "zb", "zc", "zd", "ze", "zf", "zg", "zh", "zi", "zj", "zk", "zl", "zm"];
    let (_folder, package) = embind(&short, true);
    let surface = discover::surface(&node(), &package).unwrap();
    let signatures: Vec<String> = surface.api.operations.iter().map(Operation::signature).collect();
    assert_eq!(
        signatures,
        ["new Base(p0?: any)", "new Reader(p0?: any)", "Reader.read(p0: any, p1: any): any", "version(p0?: any): any"]
    );
    assert!(surface.notes[0].contains("types are not"), "{:?}", surface.notes);
    assert!(surface.api.operations.iter().all(|operation| operation.params.iter().all(|param| param.ty == Type::Any)));

    // Nothing is registered: what the text says is all there is.
    let (_folder, package) = embind(&NAMES, false);
    let surface = discover::surface(&node(), &package).unwrap();
    assert_eq!(surface.api.operations, []);
    assert!(surface.source.contains("without types"), "{}", surface.source);
}

/// The same of a package that is deployed, where `cargo xtask build` has made one.
#[test]
fn a_codec_without_declarations_has_its_operations() {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.autoclave/build/jpegls-charls/pkg");
    if !built.is_dir() {
        println!("skipped: targets/jpegls-charls is not built (cargo xtask build jpegls-charls)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["charlswasm_decode.js", "charlswasm_decode.wasm"] {
        fs::copy(built.join("dist").join(name), folder.path().join(name)).unwrap();
    }
    let package = Package::open(folder.path()).unwrap();
    let surface = discover::surface(&node(), &package).unwrap();
    let signatures: Vec<String> = surface.api.operations.iter().map(Operation::signature).collect();
    for wanted in ["new JpegLSDecoder()", "JpegLSDecoder.decode(): void", "getVersion(): string"] {
        assert!(signatures.iter().any(|signature| signature == wanted), "{wanted}: {signatures:#?}");
    }
}

const ADDS: &str = r#"(module (import "./m_bg.js" "__wbindgen_object_drop_ref" (func $drop (param i32)))
    (memory (export "memory") 1)
    (func (export "add") (param i32 i32) (result i32)
        (call $drop (local.get 0)) (i32.add (local.get 0) (local.get 1))))"#;
/// What wasm-bindgen wrote for bundlers until 0.2.82: the glue imports its module, which imports the glue.
const CIRCLE: &str = "import * as wasm from './m_bg.wasm';
    const heap = new Array(8).fill(undefined);
    let dropped = 0;
    export function add(a, b) { return wasm.add(a, b); }
    export function drops() { return dropped; }
    export function __wbindgen_object_drop_ref(at) { heap[at % 8] = undefined; dropped++; }";
/// The same for pages until 0.2.92: it takes the module itself.
const OLD_WEB: &str = "let wasm; export function add(a, b) { return wasm.add(a, b); }
    async function load(module, imports) {
        if (module instanceof WebAssembly.Module) throw new TypeError('bytes are wanted');
        return await WebAssembly.instantiate(module, imports);
    }
    function getImports() { return { './m_bg.js': { __wbindgen_object_drop_ref() {} } }; }
    async function init(input) {
        if (typeof input === 'undefined') input = new URL('m_bg.wasm', import.meta.url);
        const { instance } = await load(await input, getImports());
        wasm = instance.exports; init.__wbindgen_wasm_module = true; return wasm;
    }
    export default init;";
/// A wrapper that wants its module before it does anything.
const LATE: &str = "let wasm; const file = 'm_bg.wasm';
    export function add(a, b) { if (wasm === undefined) throw new Error('call initWasm first'); return wasm.add(a, b); }
    export async function initWasm(module) {
        wasm = (await WebAssembly.instantiate(module, { './m_bg.js': { __wbindgen_object_drop_ref() {} } })).exports;
    }";

#[test]
fn glue_of_older_generators_is_brought_up_too() {
    let bundler: &[(&str, &str)] =
        &[("m.js", "import * as wasm from './m_bg.wasm'; export * from './m_bg.js';"), ("m_bg.js", CIRCLE)];
    let main = r#"{"module":"m.js"}"#;
    for (glue, files, manifest) in [
        (Glue::BindgenBundler, bundler, main),
        (Glue::BindgenBundler, bundler, r#"{"type":"module","main":"m.js"}"#),
        (Glue::BindgenWeb, &[("m.js", OLD_WEB)], main),
        (Glue::Wrapper, &[("m.js", LATE)], main),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("m_bg.wasm"), wat::parse_str(ADDS).unwrap()).unwrap();
        fs::write(folder.path().join("package.json"), manifest).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let package = Package::open(folder.path()).unwrap();
        assert_eq!(package.glue, glue, "{:?}", package.evidence);
        let api = package.api().unwrap().api;
        let mut host =
            NodeHost::start(&node(), &Setup::of(&package, &api)).unwrap_or_else(|why| panic!("{glue:?}: {why}"));
        for _ in 0..3 {
            let ran = run(&mut host, &api, &json!([call("add", json!([2, 3]))]));
            assert_eq!(outcomes(&ran), ["returned number 5"], "{glue:?}");
        }
        if glue == Glue::BindgenBundler {
            let ran = run(&mut host, &api, &json!([call("add", json!([2, 3])), call("drops", json!([]))]));
            assert_eq!(outcomes(&ran)[1], "returned number 1", "every instance has glue of its own");
        }
    }
}
