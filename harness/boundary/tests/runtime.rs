//! The runtime in Node: every class of sighting with a package that shows it and a twin that does not, what outcomes and
//! values look like, and packages that turn on the runtime itself.

use autoclave_boundary::api::{Api, Kind, Operation, Param, Range, Type, id};
use autoclave_boundary::hosts::node::{Node, NodeHost};
use autoclave_boundary::hosts::{Batch, Death, Host, HostLimits, Setup, scripts};
use autoclave_boundary::tape::Tape;
use autoclave_boundary::wire::{Build, Config, Glue, Layout, Ran, flags};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const PRELUDE: &str = include_str!("runtime/prelude.js");
const MODULE: &str = include_str!("runtime/module.wat");

fn ty(name: &str) -> Type {
    match name.split_once(' ') {
        Some(("promise", inner)) => return Type::Promise(Box::new(ty(inner))),
        Some(("optional", inner)) => return Type::Union(vec![ty(inner), Type::Undefined]),
        Some(("list", inner)) => return Type::Array(Box::new(ty(inner))),
        _ => {}
    }
    match name {
        "void" => Type::Undefined,
        "boolean" => Type::Boolean,
        "number" | "u8" => Type::Number,
        "bigint" | "u64" => Type::Bigint,
        "string" => Type::String,
        "function" => Type::Function,
        "any" => Type::Any,
        name if name.ends_with("Array") => Type::Bytes(name.to_owned()),
        class => Type::Object(class.to_owned()),
    }
}

fn range(name: &str) -> Option<Range> {
    let max = match name {
        "u8" => "255",
        "u64" => "18446744073709551615",
        _ => return None,
    };
    Some(Range { min: "0".into(), max: max.into(), integer: true, source: "test".into() })
}

/// `f(string, u8) -> number`, `new Box(string)`, `Box.get() -> string`, `get Box.size -> number`.
fn operation(text: &str) -> Operation {
    let (head, result) = text.split_once(" -> ").unwrap_or((text, "void"));
    let (head, params) = head.split_once('(').unwrap_or((head, ")"));
    let params = params.trim_end_matches(')');
    let (kind, path) = match head.split_once(' ') {
        Some(("new", class)) => (Kind::Constructor, class),
        Some(("get", path)) => (Kind::Getter, path),
        _ if head.contains('.') => (Kind::Method, head),
        _ => (Kind::Function, head),
    };
    let (class, member, name, result) = match (kind, path.split_once('.')) {
        (Kind::Constructor, _) => (Some(path), path, format!("{path}.new"), Type::Object(path.to_owned())),
        (_, Some((class, member))) => (Some(class), member, path.to_owned(), ty(result)),
        _ => (None, path, path.to_owned(), ty(result)),
    };
    let params = params.split(", ").filter(|param| !param.is_empty()).enumerate().map(|(at, param)| Param {
        name: format!("p{at}"),
        ty: ty(param),
        optional: param.starts_with("optional "),
        range: range(param),
    });
    Operation {
        id: id(&name),
        name,
        kind,
        class: class.map(str::to_owned),
        member: member.to_owned(),
        params: params.collect(),
        result,
        consumes_this: false,
    }
}

fn wat(memory: &str, count: &dyn Fn(&str) -> String, extra: &str) -> Vec<u8> {
    let text = MODULE.replace("MEMORY", memory).replace("EXTRA", extra);
    let text = ["0", "1", "2", "3"].iter().fold(text, |text, n| text.replace(&format!("COUNT({n})"), &count(n)));
    wat::parse_str(text).unwrap()
}

/// The module as it is deployed.
fn plain() -> Vec<u8> {
    wat(r#"(memory (export "memory") 2 1000)"#, &|_| String::new(), "")
}

/// Builds of it with four counters each.
fn build(layout: Layout) -> (Build, Vec<u8>, Vec<u8>) {
    let (base, memory) = match layout {
        Layout::Tail => (2 * 65536, r#"(memory (export "memory") 3 1000)"#),
        Layout::Memory => (0, r#"(memory (export "memory") 2 1000) (memory $c (export "__autoclave_memory") 1)"#),
        Layout::Globals => (0, r#"(memory (export "memory") 2 1000)"#),
    };
    let index = if layout == Layout::Memory { "1" } else { "0" };
    let wasm = match layout {
        Layout::Globals => wat(
            &format!(
                "{memory} (global $c0 (mut i32) (i32.const 0)) (global $c1 (mut i32) (i32.const 0)) (global $c2 (mut i32) (i32.const 0)) (global $c3 (mut i32) (i32.const 0))"
            ),
            &|n| format!("(global.set $c{n} (i32.and (i32.const 255) (i32.add (global.get $c{n}) (i32.const 1))))"),
            r#"(func (export "__autoclave_collect") (param i32) (result i32)
                (i32.or (i32.or (global.get $c0) (i32.shl (global.get $c1) (i32.const 8)))
                        (i32.or (i32.shl (global.get $c2) (i32.const 16)) (i32.shl (global.get $c3) (i32.const 24))))
                (global.set $c0 (i32.const 0)) (global.set $c1 (i32.const 0)) (global.set $c2 (i32.const 0)) (global.set $c3 (i32.const 0)))"#,
        ),
        _ => wat(
            memory,
            &|n| {
                let offset = base + 64;
                format!(
                    "(i32.store8 {index} offset={offset} (i32.const {n}) (i32.add (i32.const 1) (i32.load8_u {index} offset={offset} (i32.const {n}))))"
                )
            },
            "",
        ),
    };
    let build = Build {
        layout,
        counters: 4,
        start: base + 64,
        seen: base + 80,
        list: base + 96,
        list_max: 4,
        sentinels: if layout == Layout::Tail { vec![base, base + 192] } else { Vec::new() },
        stack_pointer: Some("stack".into()),
    };
    let Build { start, seen, list, .. } = build;
    let bits = (1..4).fold("(i32.const 128)".to_owned(), |else_, count| {
        let bit = 1 << (count - 1);
        format!("(if (result i32) (i32.eq (local.get $c) (i32.const {count})) (then (i32.const {bit})) (else {else_}))")
    });
    let evaluator = format!(
        r#"(module (import "env" "memory" (memory 1))
          (func (export "clear") (i32.store offset={start} (i32.const 0) (i32.const 0)))
          (func (export "evaluate") (result i32) (local $i i32) (local $n i32) (local $c i32) (local $b i32)
            (loop $next
              (local.set $c (i32.load8_u offset={start} (local.get $i)))
              (if (local.get $c) (then
                (local.set $b (i32.and {bits} (i32.xor (i32.const -1) (i32.load8_u offset={seen} (local.get $i)))))
                (if (local.get $b) (then
                  (i32.store8 offset={seen} (local.get $i) (i32.or (local.get $b) (i32.load8_u offset={seen} (local.get $i))))
                  (i32.store offset={list} (i32.mul (local.get $n) (i32.const 8)) (local.get $i))
                  (i32.store offset={} (i32.mul (local.get $n) (i32.const 8)) (local.get $b))
                  (local.set $n (i32.add (local.get $n) (i32.const 1)))))))
              (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
            (i32.store offset={start} (i32.const 0) (i32.const 0))
            (local.get $n)))"#,
        list + 4
    );
    let evaluator = if layout == Layout::Globals { Vec::new() } else { wat::parse_str(evaluator).unwrap() };
    (build, wasm, evaluator)
}

/// A package in a folder, and how a host loads it.
struct Package {
    _folder: tempfile::TempDir,
    setup: Setup,
}

fn package(operations: &[&str], script: &str, layouts: &[Layout]) -> Package {
    let folder = tempfile::tempdir().unwrap();
    let wasm = plain();
    std::fs::write(folder.path().join("module.wasm"), &wasm).unwrap();
    std::fs::write(folder.path().join("glue.js"), format!("{PRELUDE}{script}")).unwrap();
    let sha256 = Sha256::digest(&wasm).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let builds: Vec<_> = layouts.iter().copied().map(build).collect();
    let config = Config {
        protocol: 1,
        glue: Glue::Wrapper,
        root: folder.path().to_string_lossy().into_owned(),
        entry: Some("glue.js".into()),
        module: "module.wasm".into(),
        sha256,
        builds: builds.iter().map(|(build, ..)| build.clone()).collect(),
        api: Api { operations: operations.iter().map(|text| operation(text)).collect() },
        pages_max: 1000,
        tapes_per_instance: 100,
        allowed: vec!["clock".into(), "random".into()],
        flows: Vec::new(),
        seed: 1,
    };
    let modules = builds.iter().map(|(_, wasm, _)| wasm.clone()).collect();
    let evaluators = builds.iter().map(|(.., evaluator)| evaluator.clone()).collect();
    let setup = Setup { config, modules, evaluators, seen: Vec::new(), limits: HostLimits::default() };
    Package { _folder: folder, setup }
}

fn start(package: &Package) -> NodeHost {
    let node = Node::find().unwrap_or_else(|reason| panic!("{reason}"));
    NodeHost::start(&node, &package.setup).unwrap_or_else(|reason| panic!("{reason}"))
}

fn tape(package: &Package, ops: &Value) -> Vec<u8> {
    let tape = json!({ "version": 1, "ops": ops });
    Tape::from_json(&tape, &package.setup.config.api).unwrap_or_else(|error| panic!("{tape}: {error}")).to_bytes()
}

fn batch(host: &mut NodeHost, number: u32, flags: u8, tapes: Vec<Vec<u8>>) -> Ran {
    host.send(&Batch { number, flags, tapes }).unwrap();
    host.receive().unwrap_or_else(|death| panic!("{death}"))
}

/// Classes of what was seen, but for those that nearly everything shows.
fn classes(ran: &Ran, also: &[&str]) -> BTreeSet<String> {
    let all = ran.told.iter().flat_map(|told| &told.sightings);
    let shown = |class: &str| also.contains(&class) || !["residue"].contains(&class);
    all.map(|sighting| sighting.class.clone()).filter(|class| shown(class)).collect()
}

/// One class: what the package can do, how it does it badly and well, the calls, what is seen of each.
type Row = (
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
    Value,
    &'static [&'static str],
    &'static [&'static str],
);

fn rows() -> Vec<Row> {
    let call = |name: &str, args: Value| json!({ "call": name, "args": args });
    let secret = "x\u{f8ff}";
    let boxes: &[&str] = &["new Box(string)", "Box.get() -> string"];
    vec![
        (
            "trap",
            &["f(number) -> number"],
            "exports.f = (n) => wasm.trap(n);",
            "exports.f = (n) => { if (n === 7) throw new RangeError('7'); return wasm.trap(n); };",
            json!([call("f", json!([7]))]),
            &["trap"],
            &[],
        ),
        (
            "an error that is no trap",
            &["f(number) -> number"],
            "exports.f = () => { throw new WebAssembly.RuntimeError('Aborted'); };",
            "exports.f = () => { throw new Error('unreachable'); };",
            json!([call("f", json!([7]))]),
            &["trap"],
            &[],
        ),
        (
            "poisoned",
            &["f(number) -> number"],
            "exports.f = (n) => wasm.trap(n);",
            "exports.f = (n) => { try { return wasm.trap(n); } catch (error) { start(); throw error; } };",
            json!([call("f", json!([7])), call("f", json!([1]))]),
            &["poisoned", "trap"],
            &["trap"],
        ),
        (
            "result-type",
            &["f(string) -> string"],
            "exports.f = (text) => text[0];",
            "exports.f = (text) => text[0] ?? '';",
            json!([call("f", json!([""]))]),
            &["result-type"],
            &[],
        ),
        (
            "result-type, nested",
            &["f() -> list number"],
            "exports.f = () => [1, '2'];",
            "exports.f = () => [1, 2];",
            json!([call("f", json!([]))]),
            &["result-type"],
            &[],
        ),
        (
            "result-type, nothing",
            &["f() -> optional string"],
            "exports.f = () => 5;",
            "exports.f = () => undefined;",
            json!([call("f", json!([]))]),
            &["result-type"],
            &[],
        ),
        (
            "range",
            &["f(u8) -> number"],
            "exports.f = (n) => n & 255;",
            "exports.f = (n) => { if (n > 255) throw new RangeError('n'); return n; };",
            json!([call("f", json!([255])), call("f", json!([256]))]),
            &["range"],
            &[],
        ),
        (
            "range, fraction",
            &["f(u8) -> number"],
            "exports.f = (n) => n & 255;",
            "exports.f = (n) => { if (n % 1) throw new RangeError('n'); return n; };",
            json!([call("f", json!([1.5]))]),
            &["range"],
            &[],
        ),
        (
            "range, bigint",
            &["f(u64) -> bigint"],
            "exports.f = (n) => BigInt.asUintN(64, n);",
            "exports.f = (n) => { if (n < 0n) throw new RangeError('n'); return n; };",
            json!([call("f", json!([{ "$bigint": "-1" }]))]),
            &["range"],
            &[],
        ),
        (
            "text",
            &["f(string) -> string"],
            "exports.f = (text) => { write(text, 8192); return read(8192, new TextEncoder().encode(text).length); };",
            "exports.f = (text) => text;",
            json!([call("f", json!([{ "$text": [97, 0xd800] }]))]),
            &["text"],
            &[],
        ),
        (
            "collision",
            &["f(string) -> string"],
            "exports.f = (text) => Buffer.from(text).toString('hex');",
            "exports.f = (text) => Buffer.from(text, 'utf16le').toString('hex');",
            json!([
                call("f", json!([{ "$text": [97, 0xd800, 98, 99] }])),
                call("f", json!([{ "$text": [97, 0xdfff, 98, 99] }]))
            ]),
            &["collision"],
            &[],
        ),
        (
            "collision of what has no name",
            &["f(string) -> string", "g(string) -> boolean"],
            "exports.f = (text) => Buffer.from(text).toString('hex'); exports.g = (text) => !lone(text);",
            "exports.g = (text) => !lone(text); exports.f = exports.g;",
            json!([
                call("f", json!([{ "$text": [97, 0xd800, 98, 99] }])),
                call("f", json!([{ "$text": [97, 0xdfff, 98, 99] }])),
                call("g", json!([{ "$text": [0xd800] }])),
                call("g", json!([{ "$text": [0xd801] }]))
            ]),
            &["collision"],
            &["result-type"],
        ),
        (
            "unchecked",
            &["f(string) -> number"],
            "exports.f = (text) => `${text}`.length;",
            "exports.f = (text) => { if (typeof text !== 'string') throw new TypeError('text'); return text.length; };",
            json!([call("f", json!([5]))]),
            &["unchecked"],
            &[],
        ),
        (
            "unchecked, nothing given",
            &["f(string) -> number"],
            "exports.f = (text) => `${text}`.length;",
            "exports.f = (text) => text.length;",
            json!([call("f", json!([]))]),
            &["unchecked"],
            &[],
        ),
        (
            "unchecked, array-like",
            &["f(Uint8Array) -> number"],
            "exports.f = (bytes) => bytes.length;",
            "exports.f = (bytes) => { if (!(bytes instanceof Uint8Array)) throw new TypeError('bytes'); return bytes.length; };",
            json!([
                call("f", json!([{ "$length": [3], "items": [] }])),
                call("f", json!([{ "$bytes": "Uint8Array", "hex": "00" }]))
            ]),
            &["unchecked"],
            &[],
        ),
        (
            "what may be left out",
            &["f(optional string, any) -> any"],
            "exports.f = () => 1; exports.f.late = 1;",
            "exports.f = (a, b) => b;",
            json!([
                call("f", json!([null])),
                call("f", json!([])),
                call("f", json!([{ "$undefined": true }, 5])),
                call("f", json!(["a", {}]))
            ]),
            &[],
            &[],
        ),
        (
            "leak of pages",
            &["f() -> number"],
            "exports.f = () => wasm.grow(1);",
            "exports.f = () => wasm.memory.buffer.byteLength;",
            json!([call("f", json!([]))]),
            &["leak"],
            &[],
        ),
        (
            "leak of bytes",
            &["f()"],
            "let at = 8192; exports.f = () => { for (let i = 0; i < 32; i++) wasm.put(at++, 1); };",
            "exports.f = () => { for (let i = 0; i < 32; i++) wasm.put(8192 + i, 1); };",
            json!([call("f", json!([]))]),
            &["leak"],
            &[],
        ),
        (
            "leak of elements",
            &["f(any)"],
            "exports.f = (value) => wasm.keep(value);",
            "exports.f = (value) => wasm.table.set(0, value);",
            json!([call("f", json!(["a"]))]),
            &["leak"],
            &[],
        ),
        (
            "stale",
            &["f(string) -> string"],
            "let last = ''; exports.f = (text) => { const was = last; last = text; return was; };",
            "exports.f = (text) => text;",
            json!([call("f", json!([secret])), call("f", json!(["y"]))]),
            &["stale"],
            &[],
        ),
        (
            "stale bytes",
            &["f(string) -> Uint8Array", "g(Uint8Array) -> Uint8Array"],
            "exports.f = (text) => new Uint8Array(write(text, 8192)); exports.g = (bytes) => { if (bytes.length > 1) write('z', 8192); return new Uint8Array(wasm.memory.buffer, 8192, 20).slice(); };",
            "exports.f = (text) => new Uint8Array(write(text, 8192)); exports.g = (bytes) => bytes.slice();",
            json!([call("f", json!([secret])), call("g", json!([{ "$bytes": "Uint8Array", "hex": "00" }]))]),
            &["stale"],
            &[],
        ),
        (
            "stale, in an object",
            &["f(string) -> any"],
            "const log = []; exports.f = (text) => { log.push(text); return { log: log.slice() }; };",
            "exports.f = (text) => ({ log: [text] });",
            json!([call("f", json!([secret])), call("f", json!([secret]))]),
            &["stale"],
            &[],
        ),
        (
            "what an object was given",
            boxes,
            "let last; exports.Box = class { constructor(text) { this.was = last; last = text; } get() { return this.was ?? ''; } };",
            "exports.Box = class { constructor(text) { this.text = text; } get() { return this.text; } };",
            json!([call("Box.new", json!([secret])), call("Box.new", json!([secret])), { "call": "Box.get", "this": 1, "args": [] }]),
            &["stale"],
            &[],
        ),
        (
            "echo",
            &["f(string)"],
            "exports.f = (text) => { throw new Error(`cannot read ${text}`); };",
            "exports.f = (text) => { throw new Error('cannot read'); };",
            json!([call("f", json!([secret]))]),
            &["echo"],
            &[],
        ),
        (
            "echo in lower case",
            &["f(string)"],
            "exports.f = (text) => { throw text.toLowerCase(); };",
            "exports.f = () => { throw 'qz'; };",
            json!([call("f", json!([secret]))]),
            &["echo"],
            &[],
        ),
        (
            "echo on the console",
            &["f(string)"],
            "exports.f = (text) => console.error({ message: text });",
            "exports.f = (text) => console.error('read', text.length);",
            json!([call("f", json!([secret]))]),
            &["echo"],
            &[],
        ),
        (
            "echo on standard output",
            &["f(string)"],
            "exports.f = (text) => { process.stdout.write(`${text}\\n`); };",
            "exports.f = (text) => { process.stdout.write('read\\n'); };",
            json!([call("f", json!([secret]))]),
            &["echo"],
            &[],
        ),
        (
            "echo past the console",
            &["f(string)"],
            "exports.f = (text) => { require('node:fs').writeSync(1, text); };",
            "exports.f = (text) => { require('node:fs').writeSync(2, 'read'); };",
            json!([call("f", json!([secret]))]),
            &["echo"],
            &[],
        ),
        (
            "use-after-free",
            boxes,
            "exports.Box = class { constructor(text) { this.text = text; } get() { return this.text; } free() {} };",
            "exports.Box = class { constructor(text) { this.text = text; } get() { if (this.text === null) throw new Error('freed'); return this.text; } free() { this.text = null; } };",
            json!([call("Box.new", json!(["a"])), { "free": 0 }, call("Box.get", json!([]))]),
            &["use-after-free"],
            &[],
        ),
        (
            "freed twice",
            boxes,
            "let count = 0; exports.Box = class { get() { return ''; } free() { wasm.put(8192, ++count); } };",
            "exports.Box = class { free() { if (!this.freed) wasm.put(8192, 1); this.freed = true; } };",
            json!([call("Box.new", json!(["a"])), { "free": 0 }, { "free": 0 }]),
            &["use-after-free"],
            &[],
        ),
        (
            "freed and given",
            &["new Box(string)", "f(Box)"],
            "exports.Box = class { free() {} }; exports.f = () => {};",
            "exports.Box = class { free() { this.freed = true; } }; exports.f = (box) => { if (box.freed) throw new Error('freed'); };",
            json!([call("Box.new", json!(["a"])), { "free": 0 }, call("f", json!([{ "$ref": 0 }]))]),
            &["use-after-free"],
            &[],
        ),
        (
            "forged",
            boxes,
            "exports.Box = class { constructor() { this.__ptr = 4096; } get() { return read(this.__ptr, 4); } };",
            "exports.Box = class { #ptr = 4096; get() { return read(this.#ptr, 4); } };",
            json!([call("Box.new", json!(["a"])), { "assign": 0, "name": "__ptr", "value": 70000 }, call("Box.get", json!([]))]),
            &["forged"],
            &[],
        ),
        (
            "forged and refused",
            boxes,
            "exports.Box = class { constructor() { this.__ptr = 4096; } get() { return String(wasm.sum(this.__ptr, 4)); } };",
            "exports.Box = class { constructor() { this.__ptr = 4096; } get() { if (this.__ptr !== 4096) throw new Error('no box'); return ''; } };",
            json!([call("Box.new", json!(["a"])), { "assign": 0, "name": "", "value": 1e9 }, call("Box.get", json!([]))]),
            &["forged"],
            &[],
        ),
        (
            "code from text",
            &["f(string) -> any"],
            "exports.f = (text) => { try { return new Function(text)(); } catch { return 0; } };",
            "exports.f = (text) => text;",
            json!([call("f", json!(["return 1"]))]),
            &["capability"],
            &[],
        ),
        (
            "code from text, by a detour",
            &["f(string) -> any"],
            "exports.f = (text) => { try { return (async () => {}).constructor(text)(); } catch { return 0; } };",
            "exports.f = (text) => (() => {}).constructor.name;",
            json!([call("f", json!(["return 1"]))]),
            &["capability"],
            &[],
        ),
        (
            "network",
            &["f(string)"],
            "exports.f = (text) => { require('node:net').connect(9, 'localhost'); };",
            "exports.f = (text) => { require('node:net'); };",
            json!([call("f", json!(["a"]))]),
            &["capability"],
            &[],
        ),
        (
            "files",
            &["f(string)"],
            "exports.f = () => { require('node:fs').writeFileSync(join(__dirname, 'never'), 'a'); };",
            "exports.f = () => { readFileSync(join(__dirname, 'module.wasm')); };",
            json!([call("f", json!(["a"]))]),
            &["capability"],
            &[],
        ),
        (
            "the end of the host",
            &["f(string)"],
            "exports.f = () => process.exit(0);",
            "exports.f = () => process.cwd();",
            json!([call("f", json!(["a"]))]),
            &["capability"],
            &[],
        ),
        (
            "prototype",
            &["f(string)"],
            "exports.f = (key) => { Object.prototype[key] = 1; };",
            "exports.f = (key) => { ({})[key] = 1; };",
            json!([call("f", json!(["polluted"]))]),
            &["prototype"],
            &[],
        ),
        (
            "prototype, hidden",
            &["f(string)"],
            "exports.f = () => { Object.defineProperty(String.prototype, 'trim', { value: () => '' }); };",
            "exports.f = () => { String.prototype.trim.call(''); };",
            json!([call("f", json!(["a"]))]),
            &["prototype"],
            &[],
        ),
        (
            "late rejection",
            &["f(string)"],
            "exports.f = () => { Promise.reject(new Error('later')); };",
            "exports.f = () => { Promise.reject(new Error('later')).catch(() => {}); };",
            json!([call("f", json!(["a"]))]),
            &["late"],
            &[],
        ),
        (
            "late exception",
            &["f(string)"],
            "exports.f = () => queueMicrotask(() => wasm.trap(7));",
            "exports.f = () => queueMicrotask(() => wasm.trap(1));",
            json!([call("f", json!(["a"]))]),
            &["late"],
            &[],
        ),
        (
            "a promise that refuses",
            &["f(string) -> promise string"],
            "exports.f = async (text) => { wasm.trap(7); };",
            "exports.f = async (text) => { throw new TypeError('no'); };",
            json!([call("f", json!([5])), { "await": 0 }]),
            &["trap"],
            &[],
        ),
        (
            "a promise that accepts",
            &["f(string) -> promise string"],
            "exports.f = async (text) => text;",
            "exports.f = async (text) => `${text}`.slice(0, 0) + (() => { throw new TypeError(); })();",
            json!([call("f", json!([5])), { "await": 0 }]),
            &["result-type", "unchecked"],
            &[],
        ),
        (
            "growth",
            &["f(string)"],
            "exports.f = () => { wasm.grow(64); };",
            "exports.f = () => { wasm.grow(8); };",
            json!([call("f", json!(["a"])), { "grow": 20 }]),
            &["growth"],
            &["leak"],
        ),
    ]
}

#[test]
fn every_class_is_seen_at_a_package_that_has_it_and_not_at_its_twin() {
    let mut wrong = Vec::new();
    for (name, operations, bad, good, ops, seen, unseen) in rows() {
        for (script, expected) in [(bad, seen), (good, unseen)] {
            let package = package(operations, script, &[]);
            let mut host = start(&package);
            let ran = batch(&mut host, 0, flags::DEEP | flags::OUTCOMES, vec![tape(&package, &ops)]);
            let expected = expected.iter().map(|class| (*class).to_owned()).collect::<BTreeSet<_>>();
            if classes(&ran, &[]) != expected {
                wrong.push(format!("{name}: {script}: {expected:?} was expected of {:#?}", ran.told));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn counters_of_every_layout_tell_what_is_new_once() {
    for layout in [Layout::Memory, Layout::Tail, Layout::Globals] {
        let package = package(
            &["f(number) -> number", "g(number)"],
            "exports.f = (n) => wasm.sum(0, n); exports.g = (n) => wasm.trap(n);",
            &[layout],
        );
        let mut host = start(&package);
        let multi = host.hello().features.iter().any(|(name, there)| name == "multi-memory" && *there);
        if layout == Layout::Memory && !multi {
            // The module stays as it is where the build is not valid.
            assert_eq!(host.hello().layout, None);
            continue;
        }
        assert_eq!(host.hello().layout, Some(layout));
        let sum = |n: u32| tape(&package, &json!([{ "call": "f", "args": [n] }]));
        let trap = tape(&package, &json!([{ "call": "g", "args": [7] }]));
        let tapes = vec![sum(0), sum(0), sum(1), sum(3), sum(3), trap, sum(1), sum(2)];
        let ran = batch(&mut host, 0, flags::EVALUATE, tapes);
        let new: Vec<_> =
            ran.told.iter().filter(|told| !told.new.is_empty()).map(|told| (told.tape, told.new.clone())).collect();
        // What was seen outlives the instance that the trap ended.
        let wanted =
            vec![(0, vec![(2, 1)]), (2, vec![(3, 1)]), (3, vec![(3, 4)]), (5, vec![(0, 1), (1, 1)]), (7, vec![(3, 2)])];
        assert_eq!(new, wanted, "{layout:?}");
        assert!(ran.instances >= 1 && ran.tapes == 8, "{ran:?}");

        let tapes = vec![sum(3), tape(&package, &json!([{ "call": "g", "args": [1] }]))];
        let mut package = package;
        package.setup.seen = vec![0, 0, 1, 255];
        let mut host = start(&package);
        let ran = batch(&mut host, 0, flags::EVALUATE, tapes);
        let new: Vec<_> = ran.told.iter().flat_map(|told| told.new.clone()).collect();
        assert_eq!(new, [(0, 1)], "{layout:?}: a host goes on where the one before it ended");
    }
}

#[test]
fn what_the_instrumented_build_shows_is_seen() {
    let operations = ["f(number, function)", "g(number)"];
    let script = "exports.f = (n, call) => { pending = call; wasm.frame(n); }; exports.g = (n) => wasm.put(n, 1);";
    let package = package(&operations, script, &[Layout::Tail]);
    let rows = [
        (
            "a call back that throws leaves its frame",
            json!([{ "call": "f", "args": [1, { "$function": null, "hook": { "throws": true } }] }]),
            vec!["stack"],
        ),
        ("one that does not", json!([{ "call": "f", "args": [1, { "$function": null }] }]), vec![]),
        ("writing before the counters", json!([{ "call": "g", "args": [131_073] }]), vec!["counters"]),
        ("writing where the module may", json!([{ "call": "g", "args": [131_071] }]), vec![]),
    ];
    for (what, ops, expected) in rows {
        let mut host = start(&package);
        let ran = batch(&mut host, 0, flags::DEEP | flags::EVALUATE, vec![tape(&package, &ops)]);
        assert_eq!(classes(&ran, &[]), expected.iter().map(|class| (*class).to_owned()).collect(), "{what}: {ran:#?}");
    }
}

#[test]
fn outcomes_are_told_the_same_way_for_every_value() {
    let operations = ["f(any) -> any", "g(any) -> any", "new Box(any)", "h(any) -> any"];
    let script = "exports.f = (value) => value; exports.g = (value) => { throw value; }; exports.Box = class Box {};
        const inspect = (value) => Object.prototype.toString.call(value).slice(8, -1);
        exports.h = (value) => { try { return typeof value === 'symbol' ? 'symbol' : `${inspect(value)} ${value?.length} ${value?.[0]} ${value?.a} ${+value}`; } catch (error) { return error.message; } };";
    let package = package(&operations, script, &[]);
    let mut host = start(&package);
    let long = "y".repeat(100);
    let rows = [
        ("f", json!(null), "returned null"),
        ("f", json!({ "$undefined": true }), "returned undefined"),
        ("f", json!({ "$number": "-0" }), "returned number -0"),
        ("f", json!({ "$number": "NaN" }), "returned number NaN"),
        ("f", json!(1e300), "returned number 1e+300"),
        (
            "f",
            json!({ "$bigint": "-170141183460469231731687303715884105728" }),
            "returned bigint -170141183460469231731687303715884105728",
        ),
        ("f", json!("\u{e9}\u{f8ff}"), "returned string \"\u{e9}\u{f8ff}\""),
        ("f", json!({ "$text": [0xd800] }), "returned string \"\\ud800\""),
        ("f", json!(long), "returned string \"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"…100#d00b61a9"),
        ("f", json!([1, ["a"]]), "returned [number 1, [string \"a\"]]"),
        ("f", json!({ "a": true }), "returned {\"a\": true}"),
        ("f", json!({ "$symbol": true }), "returned symbol"),
        ("f", json!({ "$bytes": "Uint16Array", "hex": "010002" }), "returned Uint16Array[2]#eb741d64"),
        ("f", json!({ "$function": 1 }), "returned function"),
        ("Box.new", json!(1), "returned object Box"),
        ("g", json!(1), "threw number"),
        ("g", json!({}), "threw object"),
        (
            "h",
            json!({ "$bytes": "Uint8Array", "buffer": "shared", "hex": "61" }),
            "returned string \"Uint8Array 1 97 undefined 97\"",
        ),
        (
            "h",
            json!({ "$bytes": "Uint8Array", "buffer": "resizable", "hex": "6162" }),
            "returned string \"Uint8Array 2 97 undefined NaN\"",
        ),
        (
            "f",
            json!({ "$bytes": "Float64Array", "buffer": "detached", "hex": "0000000000000000" }),
            "returned Float64Array[0]#811c9dc5",
        ),
        ("h", json!({ "$length": [2, 7], "items": ["x"] }), "returned string \"Object 2 x undefined NaN\""),
        ("h", json!({ "$get": [["a", [5, 6]]] }), "returned string \"Object undefined undefined 5 NaN\""),
        ("h", json!({ "$valueOf": 9 }), "returned string \"Object undefined undefined undefined 9\""),
        ("h", json!({ "$valueOf": 9, "hook": { "throws": true } }), "returned string \"hook\""),
        ("h", json!({ "$proxy": [4], "hook": { "throws": true } }), "returned string \"hook\""),
        ("h", json!({ "$proxy": [4] }), "returned string \"Array 1 4 undefined 4\""),
        (
            "h",
            json!({ "$object": [["__proto__", 1], ["a", 2], ["a", 3]] }),
            "returned string \"Object undefined undefined 3 NaN\"",
        ),
    ];
    let tapes =
        rows.iter().map(|(name, value, _)| tape(&package, &json!([{ "call": name, "args": [value] }]))).collect();
    let ran = batch(&mut host, 0, flags::OUTCOMES, tapes);
    let outcomes: Vec<_> = ran.told.iter().map(|told| told.outcomes.join("; ")).collect();
    let wanted: Vec<_> = rows.iter().map(|(.., outcome)| (*outcome).to_owned()).collect();
    assert_eq!(outcomes, wanted);
    // A tape that is none is said to be none, and is no harm to the others.
    let ran = batch(&mut host, 1, flags::OUTCOMES, vec![vec![1, 2, 3], vec![0xa7, 1, 2, 0]]);
    assert!(ran.told.iter().all(|told| told.outcomes[0].starts_with("malformed")), "{ran:?}");
}

#[test]
fn an_instance_remembers_and_a_fresh_one_does_not() {
    let script = "let last = ''; exports.f = (text) => { const was = last; last = text; return was; };";
    let mut package = package(&["f(string) -> string"], script, &[]);
    let mut host = start(&package);
    let (secret, other) = (json!([{ "call": "f", "args": ["\u{f8ff}"] }]), json!([{ "call": "f", "args": ["b"] }]));
    let tapes = vec![tape(&package, &other), tape(&package, &secret), tape(&package, &other)];
    let ran = batch(&mut host, 0, 0, tapes.clone());
    let stale: Vec<_> = ran.told.iter().filter(|told| !told.sightings.is_empty()).collect();
    assert_eq!((stale.len(), stale[0].tape, stale[0].after.clone()), (1, 2, vec![1]), "{ran:#?}");
    assert_eq!(stale[0].sightings[0].class, "stale");
    let ran = batch(&mut host, 1, flags::FRESH, tapes.clone());
    assert!(ran.told.iter().all(|told| told.sightings.is_empty()) && ran.instances == 3, "{ran:#?}");
    // What is declared to flow may.
    package.setup.config.flows = vec![("f".into(), "f".into())];
    let mut host = start(&package);
    let ran = batch(&mut host, 0, 0, tapes.clone());
    assert!(ran.told.iter().all(|told| told.sightings.is_empty()), "{ran:#?}");
}

#[test]
fn loading_is_watched_where_it_goes_wrong_too() {
    let rows = [
        ("eval", "setTimeout; try { eval('1'); } catch {}", vec!["capability"]),
        ("Array.prototype.last", "Array.prototype.last = 1;", vec!["prototype"]),
        (
            "fetch",
            "function fallback() { fetch('https://example.org/module.wasm').catch(() => {}); }",
            vec!["capability"],
        ),
        ("nothing", "readFileSync(join(__dirname, 'module.wasm'));", vec![]),
    ];
    for (what, script, expected) in rows {
        let package = package(&["f()"], &format!("{script}; exports.f = () => {{}};"), &[]);
        let host = start(&package);
        let seen: BTreeSet<_> = host.hello().sightings.iter().map(|sighting| sighting.class.as_str()).collect();
        assert_eq!(seen, expected.into_iter().collect(), "{what}: {:#?}", host.hello());
        assert!(
            host.hello().sightings.iter().all(|sighting| sighting.key.contains(what)),
            "{what}: {:#?}",
            host.hello()
        );
        assert_eq!(host.hello().imports, ["env.call"]);
        assert_eq!(host.hello().absent, [] as [u32; 0]);
    }
}

#[test]
fn a_hostile_package_takes_nothing_from_the_runtime() {
    let script = "exports.f = (text) => {
            for (const [holder, names] of [[Array.prototype, ['push', 'map', 'includes', 'slice', 'join']], [String.prototype, ['indexOf', 'split', 'replace', 'slice']],
                [Map.prototype, ['get', 'set', 'has']], [Promise.prototype, ['then']], [Uint8Array.prototype.__proto__, ['set', 'subarray', 'indexOf']], [JSON, ['stringify']], [Reflect, ['apply']]]) {
                for (const name of names) holder[name] = () => { throw new Error('hostile'); };
            }
            Object.prototype.toJSON = () => 'hostile';
            for (const name of ['Map', 'Uint8Array', 'WebAssembly', 'Promise', 'DataView', 'process', 'Buffer']) delete globalThis[name];
            for (let i = 0; i < 10000; i++) console.log('flood', i);
        }; exports.g = (n) => wasm.trap(n);";
    let package = package(&["f(string)", "g(number) -> number"], script, &[]);
    let mut host = start(&package);
    let hostile = tape(&package, &json!([{ "call": "f", "args": ["a"] }, { "call": "g", "args": [1] }]));
    let plain = tape(&package, &json!([{ "call": "g", "args": [3] }]));
    for number in 0..3 {
        let ran = batch(&mut host, number, flags::OUTCOMES, vec![plain.clone(), hostile.clone(), plain.clone()]);
        let outcomes: Vec<_> = ran.told.iter().map(|told| told.outcomes.join("; ")).collect();
        assert_eq!(
            outcomes,
            ["returned number 3", "returned undefined; returned number 1", "returned number 3"],
            "{ran:#?}"
        );
        assert!(classes(&ran, &[]).contains("prototype"), "{ran:#?}");
    }
}

/// A frame of the package's own would shift every answer after it: each tape would be told of what another did.
#[test]
fn an_answer_to_another_batch_is_no_answer() {
    let script = r"const fs = require('node:fs');
exports.f = (n) => {
  const text = JSON.stringify({ batch: 4711, tapes: 1, calls: 1, instances: 0, operations: [], told: [] });
  const head = Buffer.alloc(5);
  head.writeUInt32LE(text.length, 0);
  head[4] = 17;
  if (n === 1) fs.writeSync(3, Buffer.concat([head, Buffer.from(text)]));
  return n;
};";
    let package = package(&["f(number) -> number"], script, &[]);
    let mut host = start(&package);
    let f = |n: u32| tape(&package, &json!([{ "call": "f", "args": [n] }]));
    assert_eq!(batch(&mut host, 7, 0, vec![f(0)]).batch, 7);
    host.send(&Batch { number: 8, flags: 0, tapes: vec![f(1)] }).unwrap();
    let death = host.receive().unwrap_err();
    assert_eq!(death, Death::Garbage("node answered 4711 instead of 8".to_owned()));
    assert!(host.send(&Batch { number: 9, flags: 0, tapes: vec![f(0)] }).is_err());
}

#[test]
fn a_package_that_cannot_be_loaded_says_why() {
    let package = package(&["f()"], "throw new Error('not today');", &[]);
    let node = Node::find().unwrap_or_else(|reason| panic!("{reason}"));
    let Err(reason) = NodeHost::start(&node, &package.setup) else { panic!("it was loaded") };
    assert!(reason.contains("not today"), "{reason}");
}

/// The reader in JavaScript and the one in Rust mean the same by a tape.
#[test]
fn golden_tapes_are_read_in_node_as_they_are_in_rust() {
    let folder = tempfile::tempdir().unwrap();
    scripts::write(folder.path()).unwrap();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tape/golden.json");
    let known: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
    assert!(known.len() >= 5, "{} tapes", known.len());
    let node = Node::find().unwrap_or_else(|reason| panic!("{reason}"));
    let read = |tapes: &[Value]| -> Vec<String> {
        let file = folder.path().join("tapes.json");
        std::fs::write(&file, serde_json::to_vec(tapes).unwrap()).unwrap();
        let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/runtime/golden.mjs");
        let output =
            std::process::Command::new(&node.program).arg(reader).arg(folder.path()).arg(file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    };
    assert_eq!(read(&known), vec!["same"; known.len()]);
    // What differs anywhere is seen: every number, text and flag of the JSON form, changed one after the other.
    for (at, tape) in known.iter().enumerate() {
        let changed: Vec<Value> =
            changes(&tape["json"]).map(|json| json!({ "hex": tape["hex"], "json": json })).collect();
        let unseen = read(&changed).iter().position(|line| line == "same");
        assert_eq!(unseen.map(|unseen| &changed[unseen]["json"]), None, "tape {at}");
    }
}

/// The value with one of its leaves changed, for every leaf that means something: not what a detached buffer held, what
/// stands in memory instead, the bits of what is no number, and what is overwritten.
fn changes(value: &Value) -> Box<dyn Iterator<Item = Value>> {
    let value = value.clone();
    match &value {
        Value::Number(number) => {
            Box::new(std::iter::once(json!(number.as_f64().map_or(1.0, |number| number / 2.0 + 3.0))))
        }
        Value::Bool(is) => Box::new(std::iter::once(json!(!is))),
        Value::String(text) if !text.is_empty() && !text.starts_with("0x") => {
            // The last character is another digit, so that hex stays hex; what does not parse is no JSON form.
            let mut units: Vec<char> = text.chars().collect();
            let last = units.last_mut().unwrap();
            *last = if *last == '7' { '8' } else { '7' };
            Box::new(std::iter::once(Value::String(units.into_iter().collect())))
        }
        Value::Array(items) => {
            let count = items.len();
            Box::new((0..count).flat_map(move |at| {
                let value = value.clone();
                changes(&value[at]).map(move |item| {
                    let mut changed = value.clone();
                    changed[at] = item;
                    changed
                })
            }))
        }
        Value::Object(fields) => {
            let without_bytes = matches!(fields.get("buffer").and_then(Value::as_str), Some("memory" | "detached"));
            let is_overwritten = |pairs: &Value| pairs[0][0].is_string() && pairs[0][0] == pairs[1][0];
            let keys = fields.iter().filter(|(key, value)| {
                let counts_for_nothing = without_bytes && *key == "hex" || *key == "$object" && is_overwritten(value);
                !counts_for_nothing
            });
            let keys: Vec<String> = keys.map(|(key, _)| key.clone()).collect();
            Box::new(keys.into_iter().flat_map(move |key| {
                let value = value.clone();
                changes(&value[&key]).map(move |item| {
                    let mut changed = value.clone();
                    changed[&key] = item;
                    changed
                })
            }))
        }
        _ => Box::new(std::iter::empty()),
    }
}
