//! Searches in a real Node: what is found, that it is found again, and that nothing stops them.

use autoclave_boundary::api::{Api, Kind, Operation, Param, Range, Type, id};
use autoclave_boundary::fuzz::{self, Find, Options, Search, search};
use autoclave_boundary::hosts::node::{Node, NodeHost};
use autoclave_boundary::hosts::{Host, HostLimits, Setup};
use autoclave_boundary::tape::{Profile, Seeds};
use autoclave_boundary::wire::{Config, Glue};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn operation(name: &str, kind: Kind, params: &[(&str, Type)], result: Type) -> Operation {
    let (class, member) = match name.split_once('.') {
        Some((class, "new")) => (Some(class.to_owned()), class.to_owned()),
        Some((class, member)) => (Some(class.to_owned()), member.to_owned()),
        None => (None, name.to_owned()),
    };
    let param =
        |(name, ty): &(&str, Type)| Param { name: (*name).into(), ty: ty.clone(), optional: false, range: None };
    Operation {
        id: id(name),
        name: name.into(),
        kind,
        class,
        member,
        params: params.iter().map(param).collect(),
        result,
        consumes_this: false,
    }
}

fn glue_api() -> Api {
    let bytes = || Type::Bytes("Uint8Array".into());
    let mut dose = operation("dose", Kind::Function, &[("milligrams", Type::Number)], Type::Number);
    dose.params[0].range =
        Some(Range { min: "0".into(), max: "10000".into(), integer: true, source: "boundary.toml".into() });
    Api {
        operations: vec![
            operation("upper", Kind::Function, &[("text", Type::String)], Type::String),
            operation("copy", Kind::Function, &[("array", bytes())], bytes()),
            dose,
            operation("Note.new", Kind::Constructor, &[("text", Type::String)], Type::Object("Note".into())),
            operation("Note.text", Kind::Method, &[], Type::String),
        ],
    }
}

/// A folder with the glue of that target, its module in binary form.
fn package(target: &str) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../targets").join(target);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("module.wasm"), wat::parse_file(from.join("module.wat")).unwrap()).unwrap();
    std::fs::copy(from.join("glue.js"), folder.path().join("glue.js")).unwrap();
    folder
}

fn setup(folder: &Path, api: Api) -> Setup {
    let wasm = std::fs::read(folder.join("module.wasm")).unwrap();
    Setup {
        config: Config {
            protocol: 1,
            glue: Glue::Wrapper,
            root: folder.to_string_lossy().into_owned(),
            entry: Some("glue.js".into()),
            module: "module.wasm".into(),
            sha256: Sha256::digest(&wasm).iter().map(|byte| format!("{byte:02x}")).collect(),
            builds: Vec::new(),
            api,
            pages_max: 300,
            tapes_per_instance: 500,
            allowed: Vec::new(),
            flows: Vec::new(),
            seed: 1,
        },
        modules: Vec::new(),
        evaluators: Vec::new(),
        seen: Vec::new(),
        limits: HostLimits::default(),
    }
}

fn run(setup: &Setup, options: &Options) -> Search {
    let node = Node::find().unwrap_or_else(|reason| panic!("{reason}"));
    let mut start = |seen: &[u8]| {
        let setup = Setup { seen: seen.to_vec(), ..setup.clone() };
        Ok(Box::new(NodeHost::start(&node, &setup)?) as Box<dyn Host>)
    };
    search(&setup.config.api, &Seeds::default(), options, &mut start, &mut |_| false).unwrap()
}

/// Class and operation of every find, each once.
fn classes(search: &Search) -> BTreeSet<String> {
    let class = |find: &Find| {
        let api = glue_api();
        let operation = api.operation(find.sighting.operation).map_or("*", |operation| &operation.name);
        format!("{} {operation}", find.sighting.class)
    };
    search.finds.values().map(class).collect()
}

#[test]
fn glue_that_trusts_everybody_is_found_out_and_its_twin_is_not() {
    let options = Options { seed: 1, tapes_max: 3_000, ..Options::default() };
    let naive = package("canary-glue");
    let search = run(&setup(naive.path(), glue_api()), &options);
    let found = classes(&search);
    for wanted in [
        "trap copy",
        "range dose",
        "text upper",
        "collision upper",
        "unchecked upper",
        "stale copy",
        "residue upper",
        "use-after-free Note.text",
        "forged Note.text",
        "growth copy",
    ] {
        assert!(found.contains(wanted), "{wanted} is missing in {found:#?}");
    }
    assert!(found.iter().any(|found| found.starts_with("poisoned")), "{found:#?}");
    let fixed = package("canary-glue-fixed");
    let twin = run(&setup(fixed.path(), glue_api()), &options);
    assert_eq!(twin.finds, BTreeMap::new());
    // It was not silent because nothing worked.
    for operation in &glue_api().operations {
        assert!(twin.operations[&operation.id][0] > 100, "{}: {:?}", operation.name, twin.operations[&operation.id]);
    }
}

#[test]
fn the_same_seed_finds_the_same() {
    let folder = package("canary-glue");
    let setup = setup(folder.path(), glue_api());
    let options = Options { seed: 7, tapes_max: 2_000, profiles: vec![Profile::Typed], ..Options::default() };
    let told = |search: &Search| {
        let finds: Vec<_> =
            search.finds.iter().map(|(key, find)| (key.clone(), find.tape.clone(), find.tapes)).collect();
        (search.corpus.clone(), finds, search.tapes, search.calls, search.instances, search.operations.clone())
    };
    let (one, other) = (run(&setup, &options), run(&setup, &options));
    assert!(!one.finds.is_empty() && one.corpus.len() > 2, "{} {}", one.finds.len(), one.corpus.len());
    assert_eq!(told(&one), told(&other));
    assert_ne!(told(&one).0, told(&run(&setup, &Options { seed: 8, ..options })).0);
}

/// Glue that harms its host, in the calls that say so.
const HARMFUL: &str = r"'use strict';
const fs = require('node:fs');
const bytes = fs.readFileSync(__dirname + '/module.wasm');
new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
const kept = [];
exports.ends = (n) => { if (n > 9e9) process.kill(process.pid, 'SIGKILL'); return n; };
exports.hangs = (n) => { if (n > 9e9) for (;;); return n; };
exports.floods = (n) => { if (n > 9e9) for (;;) process.stdout.write('x'.repeat(65536)); return n; };
exports.eats = (n) => { if (n > 9e9) for (;;) kept.push(new Uint8Array(1 << 24).fill(1)); return n; };
exports.lies = (n) => { if (n > 9e9) { for (let i = 0; i < 64; i += 1) fs.writeSync(3, '\u0007'.repeat(4096)); } return n; };
exports.harmless = (n) => n;
";

/// Whatever a package does to its host, the search goes on, and says which tape did it.
#[test]
fn hosts_that_die_are_replaced_and_the_tape_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = wat::parse_str(r#"(module (memory (export "memory") 1))"#).unwrap();
    std::fs::write(folder.path().join("module.wasm"), wasm).unwrap();
    std::fs::write(folder.path().join("glue.js"), HARMFUL).unwrap();
    let harm = [
        // The runtime refuses it, and says so, before it can do harm.
        ("ends", "capability", "process"),
        ("hangs", "time", "hangs"),
        ("floods", "time", "hangs"),
        ("eats", "time", "fills memory"),
        ("lies", "time", "answers for its host"),
    ];
    let names = harm.iter().map(|(name, ..)| *name).chain(["harmless"]);
    let api = Api {
        operations: names.map(|name| operation(name, Kind::Function, &[("n", Type::Number)], Type::Number)).collect(),
    };
    let mut setup = setup(folder.path(), api);
    setup.limits = HostLimits {
        batch_cpu_seconds_max: 3,
        tape_cpu_seconds_max: 3,
        memory_bytes_max: 400 << 20,
        ..HostLimits::default()
    };
    let options = Options { seed: 3, tapes_max: 500, batch: 32, profiles: vec![Profile::Typed], ..Options::default() };
    let search = run(&setup, &options);
    for (name, class, key) in harm {
        let find = search.finds.get(&(class.to_owned(), id(name), key.to_owned()));
        let find = find.unwrap_or_else(|| panic!("{name} {key}: {:#?}\n{:?}", search.finds.keys(), search.deaths));
        if class == "time" {
            assert_eq!(fuzz::operation_at(&find.tape, find.tape.ops.len() - 1), id(name), "{:?}", find.tape);
        }
    }
    assert!(search.tapes >= 500 && search.operations[&id("harmless")][0] > 50, "{:?}", search.operations);
}
