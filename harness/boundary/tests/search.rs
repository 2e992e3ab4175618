//! Searches in a real Node: what is found, that it is found again, and that nothing stops them. Hosts that are made up show
//! what becomes of a search whose hosts do not come back.

use autoclave_boundary::api::{Api, Kind, Operation, Param, Range, Type, id};
use autoclave_boundary::fuzz::{self, Find, Options, Search, search};
use autoclave_boundary::hosts::node::{Node, NodeHost};
use autoclave_boundary::hosts::{Batch, Death, Host, HostLimits, Setup};
use autoclave_boundary::judge::{Player, judge};
use autoclave_boundary::tape::{JsVal, Op, Profile, Seeds, Tape};
use autoclave_boundary::wire::{Config, Glue, Hello, Ran, Sighting, Told};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::time::Duration;

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

/// A host that does what a function says with each batch.
struct MadeUp {
    hello: Hello,
    waiting: VecDeque<Batch>,
    does: Box<dyn FnMut(&Batch) -> Result<Ran, Death>>,
}

impl Host for MadeUp {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn send(&mut self, batch: &Batch) -> Result<(), Death> {
        self.waiting.push_back(batch.clone());
        Ok(())
    }

    fn receive(&mut self) -> Result<Ran, Death> {
        let batch = self.waiting.pop_front().unwrap();
        (self.does)(&batch)
    }

    fn kill(&mut self) {}

    fn cpu_seconds(&self) -> f64 {
        0.0
    }
}

fn made_up(does: impl FnMut(&Batch) -> Result<Ran, Death> + 'static) -> Box<dyn Host> {
    Box::new(MadeUp { hello: Hello::default(), waiting: VecDeque::new(), does: Box::new(does) })
}

/// Every tape was run, and the first one of the batch shows something and reaches a counter.
fn shown(batch: &Batch) -> Ran {
    let operation = glue_api().operations[0].id;
    let sighting = Sighting { class: "trap".into(), operation, key: "here".into(), ..Sighting::default() };
    let told = Told { new: vec![(batch.number, 1)], sightings: vec![sighting], ..Told::default() };
    Ran { batch: batch.number, tapes: batch.tapes.len() as u32, told: vec![told], ..Ran::default() }
}

fn silent() -> Death {
    Death::Time("it was silent".into())
}

/// Searches until the budget is used; a search that nothing ends is ended after that many batches.
fn made_up_search(
    options: &Options,
    batches_max: u32,
    start: &mut dyn FnMut(u32) -> Result<Box<dyn Host>, String>,
) -> Result<Search, String> {
    let (mut starts, mut batches) = (0, 0);
    let mut start = |_: &[u8]| {
        starts += 1;
        start(starts)
    };
    let mut stop = |_: &Search| {
        batches += 1;
        batches > batches_max
    };
    search(&glue_api(), &Seeds::default(), options, &mut start, &mut stop)
}

/// What was found stays where the package does not load again, and the report can say why the search is over.
#[test]
fn a_search_whose_host_does_not_come_back_keeps_what_it_found() {
    let options = Options { seed: 1, tapes_max: 1_000_000, ..Options::default() };
    let dies_at = |number| move |batch: &Batch| if batch.number < number { Ok(shown(batch)) } else { Err(silent()) };
    let mut once = |starts| match starts {
        1 => Ok(made_up(dies_at(3))),
        _ => Err("it does not load today".to_owned()),
    };
    let found = made_up_search(&options, 100, &mut once).unwrap();
    assert_eq!((found.finds.len(), found.corpus.len(), found.deaths.len()), (1, 3, 1), "{found:?}");
    let cut = found.cut.unwrap();
    assert!(cut.contains("no host starts any more") && cut.contains("it does not load today"), "{cut}");
    // The tape that kills is named though the host that would find its step does not start.
    let mut twice = |starts| match starts {
        1 | 2 => Ok(made_up(dies_at(0))),
        _ => Err("it does not load today".to_owned()),
    };
    let found = made_up_search(&options, 100, &mut twice).unwrap();
    assert!(found.finds.keys().any(|(class, _, key)| (class.as_str(), key.as_str()) == ("time", "hangs")), "{found:?}");
    assert!(found.cut.is_some());
    // One that never began is no search.
    let never = made_up_search(&options, 100, &mut |_| Err("it does not load at all".to_owned()));
    assert_eq!(never.err().as_deref(), Some("it does not load at all"));
    // And one that uses its budget is not cut.
    let options = Options { tapes_max: 2_000, ..options };
    let whole = made_up_search(&options, 100, &mut |_| Ok(made_up(|batch| Ok(shown(batch))))).unwrap();
    assert!(whole.tapes >= 2_000 && whole.cut.is_none(), "{whole:?}");
}

/// A package that sleeps takes no processor time: the clock ends the search, which says so and keeps what it found.
#[test]
fn a_search_whose_hosts_wait_is_ended_by_the_clock() {
    let options = Options { seed: 1, cpu_seconds_max: 1e9, clock_seconds_max: 0.2, batch: 8, ..Options::default() };
    let told = std::rc::Rc::new(std::cell::Cell::new(0));
    let sleeps = |_: u32| {
        let told = told.clone();
        Ok(made_up(move |batch| {
            std::thread::sleep(Duration::from_millis(10));
            if batch.number > 0 {
                return Err(silent());
            }
            told.set(told.get() + 1);
            Ok(shown(batch))
        }))
    };
    let found = made_up_search(&options, 200, &mut { sleeps }).unwrap();
    let cut = found.cut.unwrap();
    assert!(cut.contains("on the clock"), "{cut}");
    let traps = found.finds.keys().filter(|(class, ..)| class == "trap").count();
    assert_eq!(traps, usize::from(told.get() > 0), "{:?}", found.finds.keys());
    // Short budgets have minutes, none has no end.
    assert_eq!([10.0, 600.0, f64::INFINITY].map(fuzz::clock_seconds_max), [300.0, 6000.0, f64::INFINITY]);
}

/// A find that was shown again is a finding, also where the host does not come back while its tape is made smaller.
#[test]
fn a_find_that_was_shown_is_judged_where_no_host_starts_any_more() {
    let api = glue_api();
    let call =
        |n: u8| Op::Call { operation: api.operations[0].id, this: 0, args: vec![JsVal::Text(vec![n.into(); 9])] };
    let tape = Tape { ops: (b'a'..b'm').map(call).collect() };
    let shows = |starts_max: u32, plays_max: u32| {
        let mut starts = 0;
        Player::new(Box::new(move |_| {
            starts += 1;
            if starts > starts_max {
                return Err("it does not load today".to_owned());
            }
            let mut plays = 0;
            Ok(made_up(move |batch| {
                plays += 1;
                // One call alone shows nothing.
                let is_shown = Tape::from_bytes(&batch.tapes[0]).unwrap().ops.len() > 1;
                let told = if is_shown { shown(batch).told } else { Vec::new() };
                if plays > plays_max { Err(silent()) } else { Ok(Ran { told, ..shown(batch) }) }
            }))
        }))
    };
    let sighting = shown(&Batch::default()).told[0].sightings[0].clone();
    let find = Find {
        sighting: sighting.clone(),
        profile: tape.profile(&api),
        tape: tape.clone(),
        after: Vec::new(),
        tapes: 1,
        cpu_seconds: 0.0,
    };
    let judged = |deployed: &mut Player| judge(&api, &find, deployed, &mut shows(0, 0), 60.0);
    let small = judged(&mut shows(1, 6)).unwrap().unwrap();
    assert_eq!(small.sighting, sighting);
    assert!(small.tape.ops.len() < tape.ops.len() && small.tape.ops.len() > 1, "{:?}", small.tape);
    // Where it was not shown there is nothing to tell.
    assert_eq!(judged(&mut shows(0, 0)).err().as_deref(), Some("it does not load today"));
}
