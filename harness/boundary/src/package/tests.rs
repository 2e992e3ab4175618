//! Packages as generators write them, in short: found, classified, or refused with a name and a remedy.

use super::*;
use base64::Engine;

/// A module with the function `name`.
fn module(name: &str) -> Vec<u8> {
    wat::parse_str(format!(r#"(module (func (export "{name}") (param i32 i64 f64) (result i32) i32.const 0))"#))
        .unwrap()
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name.ends_with(".wasm") {
            fs::write(path, if *text == "wasi" { wasi() } else { module(text) }).unwrap();
        } else {
            fs::write(path, text).unwrap();
        }
    }
    folder
}

fn wasi() -> Vec<u8> {
    let text = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (func (export "_start")))"#;
    wat::parse_str(text).unwrap()
}

const WEB: &str = "export class Store { __destroy_into_raw() {} free() {} set(k, v) {} }
    export function add(a, b) { return wasm.add(a, b); }
    function __wbg_get_imports() { return { __proto__: null }; }
    let wasm;
    export function initSync(module) {}
    async function __wbg_init(path) { path = new URL('pkg_bg.wasm', import.meta.url); await WebAssembly.instantiate(path); }
    export default __wbg_init;";
const NODE: &str = "function add(a, b) { return wasm.add(a, b); } exports.add = add;
    function __wbg_get_imports() {}
    const wasmPath = `${__dirname}/pkg_bg.wasm`;
    const wasm = new WebAssembly.Instance(new WebAssembly.Module(require('fs').readFileSync(wasmPath)), __wbg_get_imports()).exports;";
const BUNDLER: &str = "import * as wasm from './pkg_bg.wasm'; import { __wbg_set_wasm } from './pkg_bg.js';
    __wbg_set_wasm(wasm); export { add } from './pkg_bg.js';";
const BUNDLER_BG: &str = "export function add(a, b) {} let wasm; export function __wbg_set_wasm(val) { wasm = val; }";
const EMSCRIPTEN: &str = "var Image = (() => { return (function(moduleArg = {}) { var Module = moduleArg;
    var ENVIRONMENT_IS_NODE = typeof process == 'object'; var wasmMemory; function createWasm() {}
    var file = 'image.wasm'; Module['_decode'] = wasmExports['decode']; return Module; }); })();
    if (typeof exports === 'object') { module.exports = Image; module.exports.default = Image; }";
const BUNDLED: &str =
    "async function Image(moduleArg = {}) { var Module = moduleArg; var ENVIRONMENT_IS_NODE = true; var wasmMemory;
    function createWasm() { return new URL('image.wasm', import.meta.url); } return Module; }
    export async function decode(bytes) { return (await Image()).decode(bytes); }";
const SHARED: &str =
    "var Module = typeof Module != 'undefined' ? Module : {}; var ENVIRONMENT_IS_NODE; function createWasm() {}
    var file = 'image.wasm'; module.exports = Module;";
const ASSEMBLY: &str = "async function instantiate(module, imports = {}) { const { exports } = await WebAssembly.instantiate(module, imports); return exports; }
    export const { memory, add } = await (async url => instantiate(await WebAssembly.compileStreaming(fetch(url)), {}))(new URL('release.wasm', import.meta.url));";
const NO_MODULES: &str =
    "let wasm_bindgen = (function(exports) { exports.add = function(a) {}; function __wbg_get_imports() {} })({});";

#[test]
fn kinds_are_told_by_evidence() {
    // Files, entry, kind, a word of the evidence, operations.
    let cases: &[(&[(&str, &str)], Option<&str>, Glue, &str, &[&str])] = &[
        (
            &[("pkg_bg.wasm", "add"), ("pkg.js", WEB)],
            Some("pkg.js"),
            Glue::BindgenWeb,
            "--target web",
            &["Store.set", "add"],
        ),
        (&[("pkg_bg.wasm", "add"), ("pkg.js", NODE)], Some("pkg.js"), Glue::BindgenNodejs, "--target nodejs", &["add"]),
        (
            &[("pkg_bg.wasm", "add"), ("pkg.js", BUNDLER), ("pkg_bg.js", BUNDLER_BG)],
            Some("pkg.js"),
            Glue::BindgenBundler,
            "--target bundler",
            &["add"],
        ),
        (
            &[("image.wasm", "decode"), ("image.js", EMSCRIPTEN)],
            Some("image.js"),
            Glue::Emscripten,
            "-sMODULARIZE",
            &["_decode"],
        ),
        (
            &[("image.wasm", "decode"), ("image.mjs", BUNDLED)],
            Some("image.mjs"),
            Glue::Wrapper,
            "with Emscripten's output within",
            &["decode"],
        ),
        (
            &[("release.wasm", "add"), ("release.js", ASSEMBLY)],
            Some("release.js"),
            Glue::Assemblyscript,
            "--bindings esm",
            &["add"],
        ),
        (
            &[
                ("package.json", r#"{"name":"w","version":"1.0.0","exports":{".":{"import":"./lib/index.js"}}}"#),
                (
                    "lib/index.js",
                    "import init, { add } from './pkg/pkg.js'; export async function sum(a, ...b) { await init(); }",
                ),
                ("lib/pkg/pkg.js", WEB),
                ("lib/pkg/pkg_bg.wasm", "add"),
            ],
            Some("lib/index.js"),
            Glue::Wrapper,
            "reaches lib/pkg/pkg.js (BindgenWeb)",
            &["sum"],
        ),
        (
            &[
                ("package.json", r#"{"main":"m.js"}"#),
                (
                    "m.js",
                    "(function (r, f) { module.exports = f(); })(this, function () { function go(a) { fetch('m.wasm') } return { go }; });",
                ),
                ("m.wasm", "go"),
            ],
            Some("m.js"),
            Glue::Wrapper,
            "in a way of its own",
            &["go"],
        ),
        (&[("m.wasm", "go")], None, Glue::Raw, "no script", &["go"]),
        (&[("m.wasm", "wasi")], None, Glue::Wasi, "imports WASI", &["_start"]),
    ];
    for (files, entry, glue, evidence, operations) in cases {
        let folder = folder(files);
        let package = Package::open(folder.path()).unwrap();
        assert_eq!((package.entry.as_deref(), package.glue), (*entry, *glue), "{:?}", package.evidence);
        assert!(package.evidence.iter().any(|line| line.contains(evidence)), "{evidence}: {:?}", package.evidence);
        let names: Vec<String> = package.api().unwrap().api.operations.into_iter().map(|one| one.name).collect();
        assert_eq!(names, *operations, "{:?}", package.evidence);
        // The same by the module alone, its neighbours beside it; and by what `npm pack` makes.
        let alone = Package::open(&package.root.join(&package.module.file)).unwrap();
        assert_eq!((alone.module.sha256 == package.module.sha256, alone.narrowing == package.narrowing), (true, true));
        let packed = packed(folder.path());
        let unpacked = Package::open(&packed.path().join("p.tgz")).unwrap();
        assert_eq!((unpacked.glue, &unpacked.entry, &unpacked.files), (package.glue, &package.entry, &package.files));
    }
}

fn packed(from: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = fs::File::create(folder.path().join("p.tgz")).unwrap();
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    builder.append_dir_all("package", from).unwrap();
    builder.into_inner().unwrap().finish().unwrap();
    folder
}

#[test]
fn glue_that_cannot_be_loaded_names_the_remedy() {
    let broken = "new URL('image.wasm'); let x = ;";
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("image.wasm", "a"), ("image.js", SHARED)], "image.js: Emscripten's output without -sMODULARIZE"),
        (
            &[("pkg_bg.wasm", "a"), ("pkg.js", &format!("{NO_MODULES} new URL('pkg_bg.wasm')"))],
            "pkg.js: wasm-bindgen's --target no-modules",
        ),
        (&[("a.js", "1")], "no WebAssembly module in it"),
        (&[("image.wasm", "a"), ("package.json", r#"{"main":"x.js"}"#), ("x.js", broken)], "x.js: does not parse"),
        (&[("image.wasm", "a"), ("package.json", "{")], "package.json: not JSON"),
        (&[("image.wasm", "a"), ("boundary.toml", "glou = 'raw'")], "boundary.toml: line 1: unknown field `glou`"),
        (
            &[
                ("a.wasm", "a"),
                ("b.wasm", "b"),
                ("i.js", "fetch('a.wasm'); fetch('b.wasm')"),
                ("package.json", r#"{"main":"i.js"}"#),
            ],
            "2 modules; choose one with --module, or `module` in boundary.toml: a.wasm, b.wasm",
        ),
    ];
    for (files, expected) in cases {
        let folder = folder(files);
        let error =
            Package::open(folder.path()).map_or_else(|error| error.to_string(), |package| format!("{package:?}"));
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let folder = folder(&[("a.wasm", "a")]);
    fs::write(folder.path().join("b.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    fs::write(folder.path().join("c.wasm"), b"\0asn").unwrap();
    let open = |name| Package::open_with(folder.path(), Some(name)).map(|_| ()).unwrap_err().to_string();
    assert!(open("b.wasm").contains("b.wasm: a component"));
    assert!(open("c.wasm").contains("c.wasm: not a WebAssembly module"));
    assert!(open("d.wasm").contains("no module is called \"d.wasm\"; there are: a.wasm, b.wasm, c.wasm"));
}

#[test]
fn one_of_several_modules_is_chosen() {
    let files = [
        ("a.wasm", "a"),
        ("sub/b.wasm", "b"),
        ("sub/a.wasm", "c"),
        ("sub/b.mjs", "export function b() { return new URL('./b.wasm', import.meta.url) }"),
        ("i.js", "export const go = (x) => fetch(new URL('sub/a.wasm'))"),
        ("package.json", r#"{"main":"i.js"}"#),
    ];
    let folder = folder(&files);
    let names: Vec<String> = Package::modules(folder.path()).unwrap().into_iter().map(|module| module.name).collect();
    assert_eq!(names, ["a.wasm", "sub/a.wasm", "sub/b.wasm"]);
    let package = Package::open(folder.path()).unwrap();
    assert_eq!(
        (package.module.name.as_str(), package.entry.as_deref()),
        ("sub/a.wasm", Some("i.js")),
        "the path decides"
    );
    let package = Package::open_with(folder.path(), Some("sub/b.wasm")).unwrap();
    assert_eq!(package.entry.as_deref(), Some("sub/b.mjs"), "who names the module is its entry");
    fs::write(folder.path().join("boundary.toml"), "module = 'a.wasm'\nglue = 'raw'\n[skip]\na = 'slow'").unwrap();
    let package = Package::open(folder.path()).unwrap();
    assert_eq!((package.module.name.as_str(), package.glue), ("a.wasm", Glue::Raw));
    assert_eq!(package.api().unwrap().api.operations, []);
}

#[test]
fn modules_within_scripts_are_found() {
    let bytes = module("f");
    let base64 = base64::engine::general_purpose::STANDARD.encode(&bytes);
    let numbers = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let characters: String = bytes.iter().map(|byte| if *byte == 0 { '\u{100}' } else { char::from(*byte) }).collect();
    let characters: String = characters.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    for literal in [
        format!("'data:application/wasm;base64,{base64}'"),
        format!("\"{}\"", base64.trim_end_matches('=')),
        format!("`{base64}`"),
        format!("new Uint8Array([{numbers}])"),
        format!("binaryDecode('{characters}')"),
    ] {
        let text = format!("const bytes = {literal}; export const f = (a) => WebAssembly.instantiate(bytes);");
        let folder = folder(&[("m.js", &text), ("package.json", r#"{"module":"./m.js"}"#)]);
        let package = Package::open(folder.path()).unwrap();
        assert_eq!((package.module.name.as_str(), package.module.inlined), ("m.js#1", true), "{literal}");
        assert_eq!(package.module.bytes, bytes, "{literal}");
        assert_eq!(package.glue, Glue::Wrapper);
        // Beside the file that it was made from it is no second module.
        fs::write(folder.path().join("m.wasm"), &bytes).unwrap();
        assert_eq!(Package::open(folder.path()).unwrap().module_names, ["m.wasm"]);
    }
}

#[test]
fn nothing_outside_the_package_is_read() {
    let outside = folder(&[("secret.js", "export const secret = 1; fetch('m.wasm')"), ("secret.wasm", "x")]);
    let folder = folder(&[
        ("m.wasm", "f"),
        ("i.js", "import './../../secret.js'; import '../secret.js'; import './link.js'; fetch('m.wasm')"),
        ("package.json", r#"{"main":"i.js","types":"../../secret.d.ts"}"#),
    ]);
    std::os::unix::fs::symlink(outside.path().join("secret.js"), folder.path().join("link.js")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.wasm"), folder.path().join("link.wasm")).unwrap();
    let package = Package::open(folder.path()).unwrap();
    let paths: Vec<&str> = package.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["i.js", "m.wasm", "package.json"]);
    assert_eq!(package.module_names, ["m.wasm"]);
    assert_eq!((package.scripts.len(), package.declarations), (1, None));
    for (from, specifier, expected) in [
        ("a/b.js", "./c.js", Some("a/c.js")),
        ("a/b.js", "../c.js?x", Some("c.js")),
        ("a/b.js", "../../c.js", None),
        ("a/b.js", "/c.js", None),
        ("a/b.js", "fs", None),
        ("b.js", "./x/../../y", None),
    ] {
        assert_eq!(join(from, specifier).as_deref(), expected, "{from} {specifier}");
    }
}

#[test]
fn an_archive_does_not_narrow_itself() {
    let inner = folder(&[("m.wasm", "f"), ("boundary.toml", "[skip]\nf = 'do not look'")]);
    assert_eq!(Package::open(inner.path()).unwrap().api().unwrap().api.operations, []);
    let packed = packed(inner.path());
    let archive = packed.path().join("p.tgz");
    assert_eq!(Package::open(&archive).unwrap().api().unwrap().api.operations.len(), 1);
    fs::write(packed.path().join("boundary.toml"), "[range.\"f.p0\"]\nmin = 0\nmax = 9\ninteger = true").unwrap();
    let surface = Package::open(&archive).unwrap().api().unwrap();
    assert_eq!(surface.api.operations[0].params[0].range.as_ref().unwrap().max, "9");
}
