//! What instrumentation costs: one input, one instance, each build beside the plain module.
//!
//! `AUTOCLAVE_BENCH_MODULE=x.wasm AUTOCLAVE_BENCH_INPUT=x.json cargo bench --bench instrument` measures a module of your
//! own (`alloc` or `malloc`, and `parse` or `LLVMFuzzerTestOneInput`). Otherwise the FHIR JSON reader is measured, where it is
//! built, and a tokenizer in text format, which always is.

use autoclave::instrument::{Options, features, instrument};
use criterion::{Criterion, criterion_group, criterion_main};
use std::path::Path;
use wasmtime::{Config, Engine, Instance, Linker, Module, Store, Val};

/// Counts strings, numbers and nesting of a JSON text, with a frame on the shadow stack and a table of kinds.
const TOKENIZER: &str = r#"(module
    (memory (export "memory") 4)
    (global $sp (mut i32) (i32.const 65536))
    (func (export "alloc") (param i32) (result i32) (i32.const 131072))
    (func $string (param $at i32) (param $end i32) (param $out i32) (result i32) (local $c i32)
        (loop $next
            (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (local.get $at))))
            (local.set $c (i32.load8_u (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (if (i32.eq (local.get $c) (i32.const 34)) (then (return (local.get $at))))
            (i32.store8 (local.get $out) (local.get $c))
            (local.set $out (i32.add (local.get $out) (i32.const 1)))
            (br $next))
        (unreachable))
    (func (export "parse") (param $at i32) (param $len i32) (result i32) (local $end i32) (local $fp i32) (local $c i32)
        (global.set $sp (local.tee $fp (i32.sub (global.get $sp) (i32.const 128))))
        (i32.store offset=12 (local.get $fp) (i32.const 0))
        (i32.store offset=16 (local.get $fp) (i32.const 0))
        (i32.store offset=20 (local.get $fp) (i32.const 0))
        (local.set $end (i32.add (local.get $at) (local.get $len)))
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (local.set $c (i32.load8_u (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (if (i32.eq (local.get $c) (i32.const 34)) (then
                (i32.store offset=12 (local.get $fp) (i32.add (i32.load offset=12 (local.get $fp)) (i32.const 1)))
                (local.set $at (call $string (local.get $at) (local.get $end) (i32.const 196608)))
                (br $next)))
            (if (i32.lt_u (i32.sub (local.get $c) (i32.const 48)) (i32.const 10)) (then
                (i32.store offset=16 (local.get $fp) (i32.add (i32.mul (i32.load offset=16 (local.get $fp)) (i32.const 10)) (local.get $c)))
                (br $next)))
            (block $close (block $open
                (br_table $open $next $close $next (i32.sub (local.get $c) (i32.const 123))))
                (i32.store offset=20 (local.get $fp) (i32.add (i32.load offset=20 (local.get $fp)) (i32.const 1)))
                (br $next))
            (i32.store offset=20 (local.get $fp) (i32.sub (i32.load offset=20 (local.get $fp)) (i32.const 1)))
            (br $next)))
        (global.set $sp (i32.add (local.get $fp) (i32.const 128)))
        (i32.load offset=20 (local.get $fp))))"#;

const DOCUMENT: &str = r#"{"resourceType":"Patient","id":"example","active":true,"name":[{"use":"official","family":"Chalmers","given":["Peter","James"]}],
"telecom":[{"system":"phone","value":"(03) 5555 6473","use":"work","rank":1}],"gender":"male","birthDate":"1974-12-25","deceasedBoolean":false,
"address":[{"use":"home","line":["534 Erewhon St"],"city":"PleasantVille","district":"Rainbow","state":"Vic","postalCode":"3999"}]}"#;

fn builds() -> [(&'static str, Option<Options>); 6] {
    let none = Options::default();
    let edges = Options { edges: true, ..none };
    let fuzz = Options { dirty: true, ..edges };
    let distance = Options { distance: true, ..fuzz };
    [
        ("plain", None),
        ("edges", Some(edges)),
        ("dirty", Some(Options { dirty: true, ..none })),
        ("edges+dirty", Some(fuzz)),
        ("edges+dirty+distance", Some(distance)),
        ("edges+dirty+distance+log", Some(Options { compare_log: true, ..distance })),
    ]
}

fn measure(criterion: &mut Criterion, name: &str, wasm: &[u8], input: &[u8]) {
    let mut config = Config::new();
    config.wasm_features(features(), true);
    let engine = Engine::new(&config).expect("an engine");
    let mut group = criterion.benchmark_group(name);
    for (build, options) in builds() {
        let instrumented =
            options.map(|options| instrument(name, wasm, options, 256 << 20).expect("it can be instrumented"));
        let bytes = instrumented.as_ref().map_or(wasm, |instrumented| &instrumented.wasm);
        let module = Module::new(&engine, bytes).expect("a module");
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_default_values(&mut store, &module).expect("imports can be stubbed");
        let instance = linker.instantiate(&mut store, &module).expect("an instance");
        let function = |store: &mut Store<()>, names: [&str; 2]| {
            let found = names.iter().find_map(|name| Instance::get_func(&instance, &mut *store, name));
            found.unwrap_or_else(|| panic!("{name} exports neither {} nor {}", names[0], names[1]))
        };
        let (allocate, entry) =
            (function(&mut store, ["alloc", "malloc"]), function(&mut store, ["parse", "LLVMFuzzerTestOneInput"]));
        let mut result = [Val::I32(0)];
        allocate.call(&mut store, &[Val::I32(input.len() as i32)], &mut result).expect("room for the input");
        let address = result[0].unwrap_i32();
        let memory = instance.get_memory(&mut store, "memory").expect("the memory");
        memory.write(&mut store, address as usize, input).expect("room for the input");
        let arguments = [Val::I32(address), Val::I32(input.len() as i32)];
        group.bench_function(build, |bencher| {
            bencher.iter(|| entry.call(&mut store, &arguments, &mut result).expect("the entry returns"));
        });
    }
    group.finish();
}

fn all(criterion: &mut Criterion) {
    if let Ok(path) = std::env::var("AUTOCLAVE_BENCH_MODULE") {
        let wasm = std::fs::read(&path).expect("AUTOCLAVE_BENCH_MODULE can be read");
        let input = match std::env::var("AUTOCLAVE_BENCH_INPUT") {
            Ok(input) => std::fs::read(input).expect("AUTOCLAVE_BENCH_INPUT can be read"),
            Err(_) => DOCUMENT.into(),
        };
        return measure(criterion, &path, &wasm, &input);
    }
    measure(criterion, "tokenizer", &wat::parse_str(TOKENIZER).expect("the text is right"), DOCUMENT.as_bytes());
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.autoclave/build/fhir-json-serde/module.wasm");
    match std::fs::read(&built) {
        Ok(wasm) => measure(criterion, "fhir-json-serde", &wasm, DOCUMENT.as_bytes()),
        Err(_) => eprintln!("{} is not built: `cargo xtask build fhir-json-serde`", built.display()),
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
