//! Files that show findings again, run by Node on packages with a fault of every class, and on calls without.

use autoclave_boundary::api::{Api, Kind, Operation, Param, Range, Type, id};
use autoclave_boundary::tape::{
    Buffer, CANARY, Element, Generator, Hook, JsVal, Op, Profile, Repro, Seeds, Tape, repro,
};
use autoclave_boundary::wire::Glue;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// One page of memory; `boom` traps, `grow` grows.
const MODULE: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "boom") unreachable)
  (func (export "grow") (param i32) (drop (memory.grow (local.get 0)))))"#;

/// CommonJS glue: each function has the fault that it is named after.
const FAULTY: &str = r#"
const fs = require('fs');
const { exports: wasm } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(`${__dirname}/m.wasm`)), {});
let last = '';
exports.trap = () => wasm.boom();
exports.stale = (text) => { const before = last; last = text; return before; };
exports.copy = (list) => {
  new Uint8Array(wasm.memory.buffer).set(list, 1024);
  const result = new Uint8Array(wasm.memory.buffer).slice(1024, 1024 + list.length);
  return result;
};
exports.growth = () => wasm.grow(100);
// Node compiles a module of its own for this.
exports.leak = () => { void globalThis.Response; wasm.grow(1); };
exports.range = (n) => n >>> 0;
exports.text = (text) => new TextDecoder().decode(new TextEncoder().encode(text));
exports.collision = (text) => new TextEncoder().encode(text).length;
exports.unchecked = (text) => text?.length;
exports.echo = (text) => { throw new Error(`cannot read ${text}`); };
exports.residue = (text) => { new Uint8Array(wasm.memory.buffer).set(new TextEncoder().encode(text), 64); };
exports.late = async () => { throw new Error('later'); };
exports['result-type'] = () => 'text';
exports.capability = () => { Date.now(); };
exports.prototype = () => { Object.prototype.polluted = 1; };
exports.time = () => process.kill(process.pid, 'SIGKILL');
exports.fine = (text) => text;
exports.Store = class Store {
  constructor() { this.__wbg_ptr = 8; }
  get length() { return this.__wbg_ptr; }
  free() {}
};
"#;

fn operation(name: &str, kind: Kind, params: &[Type], result: Type) -> Operation {
    let (class, member) = match name.split_once('.') {
        Some((class, member)) => (Some(class.to_owned()), if kind == Kind::Constructor { class } else { member }),
        None => (None, name),
    };
    let range = |ty: &Type| {
        let (min, max, source) = ("0".to_owned(), "4294967295".to_owned(), "glue: >>> 0".to_owned());
        (*ty == Type::Number).then_some(Range { min, max, integer: true, source })
    };
    let param = |ty: &Type| Param { name: "it".to_owned(), ty: ty.clone(), optional: false, range: range(ty) };
    Operation {
        id: id(name),
        name: name.to_owned(),
        kind,
        class,
        member: member.to_owned(),
        params: params.iter().map(param).collect(),
        result,
        consumes_this: false,
    }
}

fn api() -> Api {
    let function = |name, params: &[Type], result| operation(name, Kind::Function, params, result);
    let list = Type::Union(vec![Type::Bytes("Uint8Array".to_owned()), Type::Array(Type::Number.into())]);
    let store = Type::Object("Store".to_owned());
    Api {
        operations: vec![
            function("trap", &[], Type::Undefined),
            function("stale", &[Type::String], Type::String),
            function("copy", &[list], Type::Bytes("Uint8Array".to_owned())),
            function("growth", &[], Type::Undefined),
            function("leak", &[], Type::Undefined),
            function("range", &[Type::Number], Type::Number),
            function("text", &[Type::String], Type::String),
            function("collision", &[Type::String], Type::Number),
            function("unchecked", &[Type::String], Type::Any),
            function("echo", &[Type::String], Type::String),
            function("residue", &[Type::String], Type::Undefined),
            function("late", &[], Type::Promise(Type::Undefined.into())),
            function("result-type", &[], Type::Number),
            function("capability", &[], Type::Undefined),
            function("prototype", &[], Type::Undefined),
            function("time", &[], Type::Undefined),
            function("fine", &[Type::Any], Type::Any),
            function("boom", &[], Type::Undefined),
            function("_start", &[Type::Bytes("Uint8Array".to_owned())], Type::Any),
            operation("Store.new", Kind::Constructor, &[], store),
            operation("Store.length", Kind::Getter, &[], Type::Number),
        ],
    }
}

fn call(name: &str, args: Vec<JsVal>) -> Op {
    Op::Call { operation: id(name), this: 0, args }
}

fn text(text: &str) -> JsVal {
    JsVal::Text(text.encode_utf16().collect())
}

fn number(number: f64) -> JsVal {
    JsVal::Number(number.to_bits())
}

fn node(args: &[&str], folder: &Path) -> Output {
    let output = Command::new("node").args(args).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("node: {error}. These tests need Node 20: apt-get install nodejs"))
}

/// Writes files of a package and the module.
fn package(folder: &Path, files: &[(&str, &str)]) -> String {
    let module = wat::parse_str(MODULE).unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("m.wasm"), &module).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    Sha256::digest(&module).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A WASI command that traps over an exclamation mark, and asks for randomness; its SHA-256.
fn program(folder: &Path) -> String {
    let module = wat::parse_str(
        r#"(module (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
          (memory (export "memory") 1) (data (i32.const 0) "\40\00\00\00\04\00\00\00")
          (func (export "_start")
            (drop (call $random (i32.const 128) (i32.const 8)))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
            (if (i32.eq (i32.load8_u (i32.const 64)) (i32.const 33)) (then unreachable))))"#,
    );
    let module = module.unwrap();
    fs::write(folder.join("m.wasm"), &module).unwrap();
    Sha256::digest(&module).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn about(class: &str, sha256: &str) -> Repro {
    Repro {
        glue: Glue::BindgenNodejs,
        root: "package".to_owned(),
        entry: Some("index.cjs".to_owned()),
        module: "m.wasm".to_owned(),
        sha256: sha256.to_owned(),
        class: class.to_owned(),
        key: if class == "capability" { "clock: Date.now" } else { "" }.to_owned(),
        what: format!("something of class {class}"),
    }
}

/// Runs the file: exit code and what it printed.
fn run(folder: &Path, script: &str, args: &[&str]) -> (Option<i32>, String) {
    fs::write(folder.join("repro.mjs"), script).unwrap();
    let output = node(&[&["repro.mjs"], args].concat(), folder);
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
}

#[test]
fn every_class_is_seen_where_it_is_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let sha256 = package(&folder.path().join("package"), &[("index.cjs", FAULTY)]);
    let canary = || JsVal::Text(vec![CANARY]);
    let lone = |unit: u16| JsVal::Text(vec![0x61, unit, CANARY]);
    let fine = || call("fine", vec![text("x")]);
    let store = || call("Store.new", vec![]);
    let length = || call("Store.length", vec![]);
    let grows = Hook { pages: 1, ops: vec![fine()], ..Hook::default() };
    let bytes =
        JsVal::Bytes { element: Element::Uint8, buffer: Buffer::Plain, bytes: b"..........\xef\xa3\xbf".to_vec() };
    let converted =
        JsVal::Array([vec![JsVal::ValueOf(grows, Box::new(number(65.0)))], vec![number(66.0); 40]].concat());
    let forge = || Op::Assign { slot: 0, name: String::new(), value: number(64.0) };
    // Class, calls that show it, calls that are like them and do not.
    let table = [
        ("trap", vec![call("trap", vec![])], vec![fine()]),
        ("poisoned", vec![call("trap", vec![]), fine()], vec![fine(), call("trap", vec![])]),
        (
            "stale",
            vec![call("stale", vec![canary()]), call("stale", vec![canary()])],
            vec![call("stale", vec![canary()])],
        ),
        (
            "stale",
            vec![call("copy", vec![bytes.clone()]), call("copy", vec![converted.clone()])],
            vec![call("copy", vec![bytes]), fine()],
        ),
        ("growth", vec![call("growth", vec![])], vec![Op::Grow { pages: 100 }, fine()]),
        ("leak", vec![call("leak", vec![])], vec![Op::Grow { pages: 1 }, fine()]),
        ("range", vec![call("range", vec![number(-1.0)])], vec![call("range", vec![number(4_294_967_295.0)])]),
        ("text", vec![call("text", vec![lone(0xd800)])], vec![call("fine", vec![lone(0xd800)])]),
        (
            "collision",
            vec![call("collision", vec![lone(0xd800)]), call("collision", vec![lone(0xdfff)])],
            vec![call("collision", vec![lone(0xd800)]), call("collision", vec![lone(0xd800)])],
        ),
        ("unchecked", vec![call("unchecked", vec![number(5.0)])], vec![call("unchecked", vec![text("5")])]),
        ("echo", vec![call("echo", vec![canary()])], vec![call("echo", vec![text("x")])]),
        ("residue", vec![call("residue", vec![canary()])], vec![call("residue", vec![text("x")])]),
        ("late", vec![call("late", vec![])], vec![call("late", vec![]), Op::Await { slot: 0 }]),
        ("result-type", vec![call("result-type", vec![])], vec![fine()]),
        ("capability", vec![call("capability", vec![])], vec![fine()]),
        ("prototype", vec![call("prototype", vec![])], vec![fine()]),
        ("time", vec![call("time", vec![])], vec![fine()]),
        ("forged", vec![store(), forge(), length()], vec![store(), length()]),
        (
            "use-after-free",
            vec![store(), Op::Free { slot: 0 }, length()],
            vec![store(), store(), Op::Free { slot: 0 }, length()],
        ),
    ];
    for (class, shows, other) in table {
        for (ops, code) in [(shows, 1), (other, 0)] {
            let tape = Tape { ops };
            let script = repro(&tape, &api(), &about(class, &sha256));
            let (found, printed) = run(folder.path(), &script, &[]);
            assert_eq!(found, Some(code), "{class}\n{}\n{printed}", tape.to_script(&api()));
            assert!(printed.starts_with(&format!("something of class {class}\n")), "{printed}");
            assert_eq!(printed.contains(&format!("SEEN: {class}: ")), code == 1, "{printed}");
        }
    }
}

#[test]
fn every_kind_of_glue_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let instance = "(await import('node:fs')).readFileSync(new URL('m.wasm', import.meta.url))";
    let web = "let wasm; export default async function init({ module_or_path }) { \
               ({ exports: wasm } = (await WebAssembly.instantiate(module_or_path, {})).instance); }\n\
               export const boom = () => wasm.boom();";
    let bundler =
        "let wasm; export const __wbg_set_wasm = (it) => { wasm = it; }; export const boom = () => wasm.boom();";
    let emscripten = "module.exports = async ({ locateFile }) => { const { instance } = await \
                      WebAssembly.instantiate(require('fs').readFileSync(locateFile('m.wasm')), {}); return instance.exports; };";
    let script =
        format!("export const {{ boom }} = (await WebAssembly.instantiate({instance}, {{}})).instance.exports;");
    let wrapped = format!(
        "const inner = (await WebAssembly.instantiate({instance}, {{}})).instance.exports; export default {{ boom: () => inner.boom(), ready: Promise.resolve() }};"
    );
    let common = "const { boom } = new WebAssembly.Instance(new WebAssembly.Module(require('fs').readFileSync(__dirname + '/m.wasm'))).exports; exports.boom = boom;";
    let inlined: Vec<String> = wat::parse_str(MODULE).unwrap().iter().map(u8::to_string).collect();
    let inlined = format!(
        "const bytes = new Uint8Array([{}]);\n\
         export const {{ boom }} = (await WebAssembly.instantiate(await WebAssembly.compile(bytes), {{}})).exports;",
        inlined.join(", ")
    );
    let table: [(Glue, Option<&str>, &str); 9] = [
        (Glue::Wrapper, Some("within.mjs"), &inlined),
        (Glue::BindgenNodejs, Some("index.js"), common),
        (Glue::BindgenWeb, Some("index.mjs"), web),
        (Glue::BindgenBundler, Some("m.js"), bundler),
        (Glue::Emscripten, Some("index.cjs"), emscripten),
        (Glue::Assemblyscript, Some("index.mjs"), &script),
        (Glue::Wrapper, Some("index.mjs"), &wrapped),
        (Glue::Raw, None, ""),
        (Glue::Wasi, None, ""),
    ];
    for (at, (glue, entry, text)) in table.into_iter().enumerate() {
        let package_folder = folder.path().join(at.to_string());
        let kind = if entry == Some("m.js") { r#"{ "type": "module" }"# } else { "{}" };
        let sha256 = package(&package_folder, &[(entry.unwrap_or("unused.js"), text), ("package.json", kind)]);
        let sha256 = if glue == Glue::Wasi { program(&package_folder) } else { sha256 };
        let module = if entry == Some("within.mjs") { "within.mjs#1" } else { "m.wasm" }.to_owned();
        let about =
            Repro { glue, module, entry: entry.map(str::to_owned), root: at.to_string(), ..about("trap", &sha256) };
        let ops = if glue == Glue::Wasi {
            // It reads its input, and traps over the second one only.
            let stdin =
                |bytes: &[u8]| JsVal::Bytes { element: Element::Uint8, buffer: Buffer::Plain, bytes: bytes.to_vec() };
            vec![call("_start", vec![stdin(b"fine")]), call("_start", vec![stdin(b"!")])]
        } else {
            vec![call("boom", vec![])]
        };
        let (code, printed) = run(folder.path(), &repro(&Tape { ops }, &api(), &about), &[]);
        assert_eq!(code, Some(1), "{glue:?}: {printed}");
        assert!(!printed.contains("Warning"), "{printed}");
    }
}

#[test]
fn what_a_program_asks_of_its_host_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let package_folder = folder.path().join("package");
    package(&package_folder, &[]);
    let sha256 = program(&package_folder);
    let stdin = JsVal::Bytes { element: Element::Uint8, buffer: Buffer::Plain, bytes: b"fine".to_vec() };
    let tape = Tape { ops: vec![call("_start", vec![stdin])] };
    for (key, code) in [("random: wasi random_get", 1), ("fs-read: wasi path_open", 0)] {
        let about = Repro {
            glue: Glue::Wasi,
            entry: None,
            module: "m.wasm".to_owned(),
            key: key.to_owned(),
            ..about("capability", &sha256)
        };
        let (ended, printed) = run(folder.path(), &repro(&tape, &api(), &about), &[]);
        assert_eq!(ended, Some(code), "{key}: {printed}");
    }
}

#[test]
fn what_cannot_be_tried_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let sha256 = package(&folder.path().join("elsewhere"), &[("index.cjs", FAULTY), ("broken.cjs", "syntax error")]);
    let tape = Tape { ops: vec![call("trap", vec![])] };
    let script = repro(&tape, &api(), &about("trap", &sha256));
    let (code, printed) = run(folder.path(), &script, &[]);
    assert!(code == Some(2) && printed.contains("Give the folder of the package"), "{printed}");
    let (code, printed) = run(folder.path(), &script, &["elsewhere"]);
    assert!(code == Some(1) && !printed.contains("Warning"), "{printed}");
    let broken = Repro { entry: Some("broken.cjs".to_owned()), root: "elsewhere".to_owned(), ..about("trap", &sha256) };
    let (code, printed) = run(folder.path(), &repro(&tape, &api(), &broken), &[]);
    assert!(code == Some(2) && printed.contains("does not load"), "{printed}");
    let other = Repro { root: "elsewhere".to_owned(), ..about("leak", "00") };
    let leak = Tape { ops: vec![call("leak", vec![])] };
    let (code, printed) = run(folder.path(), &repro(&leak, &api(), &other), &[]);
    assert!(code == Some(1) && printed.contains("Warning: the package has another module"), "{printed}");
    for class in ["stack", "host", "counters"] {
        let about = Repro { root: "elsewhere".to_owned(), ..about(class, &sha256) };
        assert_eq!(run(folder.path(), &repro(&tape, &api(), &about), &[]).0, Some(2), "{class}");
    }
}

#[test]
fn texts_and_names_stay_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let nasty = "\"'`${1}\\ */ // </script><!--\u{2028}\u{2029}\u{202e}\r\n\t\0é😀";
    let glue = format!("exports[{}] = (x) => JSON.stringify(x);", serde_json::to_string(nasty).unwrap());
    let sha256 = package(&folder.path().join("package"), &[("index.cjs", &glue)]);
    let mut operation = operation("fine", Kind::Function, &[Type::Any], Type::Any);
    operation.name = nasty.to_owned();
    operation.member = nasty.to_owned();
    let api = Api { operations: vec![operation] };
    let fields = vec![(nasty.to_owned(), text(nasty)), ("__proto__".to_owned(), number(-0.0))];
    let value = JsVal::Array(vec![
        JsVal::Object(fields),
        JsVal::Text(vec![0xd800]),
        JsVal::Getters(vec![(nasty.to_owned(), vec![text(nasty)])]),
    ]);
    let about = Repro { what: nasty.to_owned(), key: nasty.to_owned(), ..about("echo", &sha256) };
    let script = repro(&Tape { ops: vec![call("fine", vec![value])] }, &api, &about);
    let tape_and_facts = &script[script.find("const facts").unwrap()..script.find("// ---- how").unwrap()];
    assert!(tape_and_facts.is_ascii() && !tape_and_facts.contains("</"), "{tape_and_facts}");
    let (code, printed) = run(folder.path(), &script, &[]);
    assert_eq!(code, Some(0), "{printed}");
    // What JavaScript makes of it is what JSON makes of it.
    let json = serde_json::json!([{ nasty: nasty, "__proto__": 0 }, "LONE", { nasty: nasty }]).to_string();
    let json = json.replace("LONE", "\\ud800");
    let shown = serde_json::to_string(&json).unwrap();
    let escaped: String =
        shown
            .encode_utf16()
            .map(|unit| {
                if (0x20..0x7f).contains(&unit) { char::from(unit as u8).to_string() } else { format!("\\u{unit:04x}") }
            })
            .collect();
    let start: String = escaped.chars().take(120).collect();
    assert!(printed.contains(&start), "{printed}\n{start}");
}

#[test]
fn scripts_of_all_tapes_are_javascript() {
    let folder = tempfile::tempdir().unwrap();
    let seeds = Seeds { texts: vec!["</script>\u{2028}`${}".encode_utf16().collect()], ..Seeds::default() };
    let api = api();
    let sha256 = package(&folder.path().join("package"), &[("index.cjs", FAULTY)]);
    let mut readable = String::new();
    let mut exact = None;
    for profile in Profile::ALL {
        let generator = Generator::new(&api, profile, &seeds);
        for seed in 0..400 {
            let tape = generator.tape(seed);
            readable
                .push_str(&format!("async function f{profile:?}{seed}(g, memory) {{\n{}}}\n", tape.to_script(&api)));
            let script = repro(&tape, &api, &about("none", &sha256));
            // Only the calls differ: they go into one file, too.
            let (start, end) = (script.find("async function tape").unwrap(), script.find("// ---- how").unwrap());
            let own = script[start..end].replace("async function tape", &format!("async function t{profile:?}{seed}"));
            exact.get_or_insert_with(String::new).push_str(&own);
        }
    }
    for (name, text) in [("readable.mjs", readable), ("exact.mjs", exact.unwrap())] {
        fs::write(folder.path().join(name), text).unwrap();
        let output = node(&["--check", name], folder.path());
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // And some run to their end, whatever they do.
    let generator = Generator::new(&api, Profile::Hostile, &seeds);
    let harmless = |op: &Op| !matches!(op, Op::Call { operation, .. } if *operation == id("time"));
    for seed in 0..12 {
        let mut tape = generator.tape(seed);
        tape.ops.retain(harmless);
        if tape.to_script(&api).contains("g.time(") {
            continue;
        }
        let (code, printed) = run(folder.path(), &repro(&tape, &api, &about("none", &sha256)), &[]);
        assert_eq!(code, Some(0), "seed {seed}: {printed}\n{}", tape.to_script(&api));
    }
}
