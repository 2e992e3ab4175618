//! Searches in a real Node: what is found, that it is found again, and that nothing stops them.

use autoclave_boundary::api::{Api, Kind, Operation, Param, Range, Type, id};
use autoclave_boundary::fuzz::{Find, Options, Search, search};
use autoclave_boundary::hosts::node::{Node, NodeHost};
use autoclave_boundary::hosts::{Host, HostLimits, Setup};
use autoclave_boundary::tape::Seeds;
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
