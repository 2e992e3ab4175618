//! Instrumented modules do what plain ones do, and the added memory tells the truth about it.

use arbitrary::Unstructured;
use autoclave::instrument::{
    DIRTY_OVERHANG_BYTES, DIRTY_PAGE_BYTES, GUEST_MEMORY_EXPORT_PREFIX, Instrumented, MEMORY_EXPORT, Options, Place,
    SiteKind, Trace, features, instrument, read_log,
};
use std::fmt::Write as _;
use wasmtime::{Config, Engine, Extern, Instance, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder, Val};

/// The added memory must fit as well.
pub const MEMORY_BYTES_MAX: u64 = 32 << 20;

const NONE: Options = Options {
    edges: false,
    wide: false,
    dirty: false,
    distance: false,
    compare_log: false,
    shadow_stack_guard: false,
    trace: Trace::None,
    place: Place::Host,
};
const ALL: Options = Options { edges: true, dirty: true, distance: true, compare_log: true, ..NONE };
const EDGES: Options = Options { edges: true, ..NONE };
const WIDE: Options = Options { wide: true, ..EDGES };
const DIRTY: Options = Options { dirty: true, ..NONE };
/// Combinations that generated modules are tried with, in an order that their own choices do not depend on.
const OPTIONS: [Options; 10] = [
    ALL,
    LOOP,
    Options { wide: true, ..LOOP },
    Options { wide: true, ..ALL },
    EDGES,
    DIRTY,
    NONE,
    HASH,
    RECORD,
    Options { trace: Trace::Record, ..ALL },
];
pub const HASH: Options = Options { trace: Trace::Hash, ..NONE };
pub const RECORD: Options = Options { trace: Trace::Record, ..NONE };
const LOOP: Options = Options { edges: true, dirty: true, ..NONE };

pub fn engine() -> Engine {
    let mut config = Config::new();
    for (name, flag) in features().iter_names() {
        // What the engine calls by another name or has always on is not a setting of it.
        if !matches!(name, "MUTABLE_GLOBAL" | "SATURATING_FLOAT_TO_INT" | "SIGN_EXTENSION" | "FLOATS" | "GC_TYPES") {
            config.wasm_features(flag, true);
        }
    }
    config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true);
    config.cranelift_opt_level(wasmtime::OptLevel::None);
    Engine::new(&config).unwrap()
}

/// What one module does when its exported functions are called one after the other.
pub struct Run {
    pub store: Store<StoreLimits>,
    pub instance: Option<Instance>,
    /// Results, traps, exported globals and memories, as text.
    pub seen: Vec<String>,
    /// Guest memories right after instantiation, and after the last call that did not trap.
    memories: Vec<(Vec<u8>, Vec<u8>)>,
    /// Cannot be compared: native stack exhausted, or a limit of the engine itself.
    pub incomparable: bool,
}

pub fn run(engine: &Engine, wasm: &[u8], instrumented: Option<&Instrumented>) -> Run {
    let limits = StoreLimitsBuilder::new().memory_size(MEMORY_BYTES_MAX as usize).table_elements(20_000).build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    let mut run = Run { store, instance: None, seen: Vec::new(), memories: Vec::new(), incomparable: false };
    let module = match Module::new(engine, wasm) {
        Ok(module) => module,
        Err(error) => panic!("module does not compile: {error:?}"),
    };
    let mut linker = Linker::new(engine);
    if linker.define_unknown_imports_as_default_values(&mut run.store, &module).is_err() {
        run.incomparable = true;
        return run;
    }
    let instance = match linker.instantiate(&mut run.store, &module) {
        Ok(instance) => instance,
        Err(error) => {
            run.incomparable = error.downcast_ref::<wasmtime::Trap>() == Some(&wasmtime::Trap::StackOverflow);
            run.seen.push(describe(&error));
            return run;
        }
    };
    run.instance = Some(instance);
    let guest_memories = |run: &mut Run| -> Vec<Vec<u8>> {
        let Some(instrumented) = instrumented else { return Vec::new() };
        (0..instrumented.layout.dirty.len())
            .map(|index| {
                let name = format!("{GUEST_MEMORY_EXPORT_PREFIX}{index}");
                let memory = instance.get_memory(&mut run.store, &name).expect("every guest memory is exported");
                memory.data(&run.store).to_vec()
            })
            .collect()
    };
    let before = guest_memories(&mut run);
    let mut after = before.clone();
    if let Some(instrumented) = instrumented {
        // As the host does after its snapshot.
        let own = instance.get_memory(&mut run.store, MEMORY_EXPORT).expect("the added memory is exported");
        let data = own.data_mut(&mut run.store);
        data[instrumented.layout.flags.start as usize] = 0;
        for region in &instrumented.layout.dirty {
            data[region.start as usize..][..region.len as usize].fill(0);
        }
    }
    let functions: Vec<(String, wasmtime::FuncType)> =
        module.exports().filter_map(|export| Some((export.name().to_owned(), export.ty().func()?.clone()))).collect();
    let mut trapped = false;
    for (round, (name, ty)) in functions.iter().chain(functions.iter()).enumerate() {
        let Some(arguments) = ty.params().map(|ty| argument(&ty, round as u64)).collect::<Option<Vec<Val>>>() else {
            continue;
        };
        let mut results = vec![Val::I32(0); ty.results().len()];
        let function = instance.get_func(&mut run.store, name).unwrap();
        match function.call(&mut run.store, &arguments, &mut results) {
            Ok(()) => run.seen.push(format!("{name}: {}", results.iter().map(value).collect::<Vec<_>>().join(" "))),
            Err(error) => {
                trapped = true;
                if error.downcast_ref::<wasmtime::Trap>() == Some(&wasmtime::Trap::StackOverflow) {
                    run.incomparable = true;
                    return run;
                }
                run.seen.push(format!("{name}: {}", describe(&error)));
            }
        }
        if !trapped {
            after = guest_memories(&mut run);
        }
    }
    run.memories = before.into_iter().zip(after).collect();
    for export in module.exports() {
        let what = match instance.get_export(&mut run.store, export.name()).unwrap() {
            Extern::Global(global) => value(&global.get(&mut run.store)),
            Extern::Memory(memory) => digest(memory, &run.store),
            Extern::Table(table) => table.size(&run.store).to_string(),
            _ => continue,
        };
        if !export.name().starts_with("__autoclave_") {
            run.seen.push(format!("{}: {what}", export.name()));
        }
    }
    run
}

fn digest(memory: Memory, store: &Store<StoreLimits>) -> String {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(memory.data(store));
    format!("{} bytes, {:x}", memory.data_size(store), hasher.finish())
}

pub fn describe(error: &wasmtime::Error) -> String {
    if let Some(trap) = error.downcast_ref::<wasmtime::Trap>() {
        return format!("trap {trap:?}");
    }
    if error.is::<wasmtime::ThrownException>() {
        return "exception".to_owned();
    }
    "other error".to_owned()
}

fn argument(ty: &wasmtime::ValType, round: u64) -> Option<Val> {
    let number = [0u64, 1, 4095, u64::MAX, 0x7fff_ffff, 0x8000_0000, 65_536, 0x1234_5678_9abc_def0][round as usize % 8];
    Some(match ty {
        wasmtime::ValType::I32 => Val::I32(number as i32),
        wasmtime::ValType::I64 => Val::I64(number as i64),
        wasmtime::ValType::F32 => Val::F32((number as f32).to_bits()),
        wasmtime::ValType::F64 => Val::F64((number as f64).to_bits()),
        wasmtime::ValType::V128 => Val::V128(u128::from(number).into()),
        wasmtime::ValType::Ref(ty) if ty.is_nullable() => Val::null_ref(ty.heap_type()),
        wasmtime::ValType::Ref(_) => return None,
    })
}

fn value(value: &Val) -> String {
    match value {
        Val::I32(_) | Val::I64(_) | Val::F32(_) | Val::F64(_) | Val::V128(_) => format!("{value:?}"),
        Val::FuncRef(reference) => format!("funcref {}", reference.is_some()),
        Val::ExternRef(reference) => format!("externref {}", reference.is_some()),
        Val::AnyRef(reference) => format!("anyref {}", reference.is_some()),
        _ => "other reference".to_owned(),
    }
}

/// Every byte that changed lies under a mark. Returns the marks set.
fn check_dirty(run: &mut Run, instrumented: &Instrumented) -> Result<usize, String> {
    let Some(instance) = run.instance else { return Ok(0) };
    let own = instance.get_memory(&mut run.store, MEMORY_EXPORT).expect("the added memory is exported");
    let mut count = 0;
    for (index, (before, after)) in run.memories.iter().enumerate() {
        let region = instrumented.layout.dirty[index];
        let marks = &own.data(&run.store)[region.start as usize..][..region.len as usize];
        count += marks.iter().filter(|mark| **mark != 0).count();
        if after.len() > before.len() && own.data(&run.store)[instrumented.layout.flags.start as usize] != 1 {
            return Err(format!("memory {index} grew without a flag"));
        }
        for (address, byte) in after.iter().enumerate() {
            if before.get(address).copied().unwrap_or(0) == *byte {
                continue;
            }
            let page = address / DIRTY_PAGE_BYTES as usize;
            let overhang = address % (DIRTY_PAGE_BYTES as usize) < DIRTY_OVERHANG_BYTES as usize;
            if marks[page] == 0 && !(overhang && page > 0 && marks[page - 1] != 0) {
                return Err(format!("memory {index}: byte {address:#x} changed, page {page} is not marked"));
            }
        }
    }
    Ok(count)
}

/// Compares the module with its instrumented self; says how they differ. `Ok(false)`: they could not be compared.
pub fn same(engine: &Engine, wasm: &[u8], options: Options) -> Result<bool, String> {
    let instrumented = instrument("test", wasm, options, MEMORY_BYTES_MAX).map_err(|error| error.to_string())?;
    wasmparser::Validator::new_with_features(features())
        .validate_all(&instrumented.wasm)
        .map_err(|error| format!("invalid after instrumentation: {error}"))?;
    let plain = run(engine, wasm, None);
    let mut changed = run(engine, &instrumented.wasm, Some(&instrumented));
    if plain.incomparable || changed.incomparable {
        return Ok(false);
    }
    if plain.seen != changed.seen {
        let differing = plain.seen.iter().zip(&changed.seen).find(|(a, b)| a != b);
        return Err(format!("{differing:?}, {} and {} observations", plain.seen.len(), changed.seen.len()));
    }
    if options.dirty {
        check_dirty(&mut changed, &instrumented)?;
    }
    Ok(true)
}

pub fn smith(seed: u64) -> Option<Vec<u8>> {
    // xorshift: fixed seeds, the same modules for ever.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes: Vec<u8> = (0..4096)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    let config = wasm_smith::Config {
        export_everything: true,
        max_memories: if seed.is_multiple_of(3) { 3 } else { 1 },
        min_memories: u32::from(!seed.is_multiple_of(7)),
        max_memory32_bytes: 4 << 20,
        max_memory64_bytes: 4 << 20,
        max_table_elements: 1_000,
        max_imports: if seed.is_multiple_of(2) { 0 } else { 20 },
        min_funcs: 3,
        max_funcs: 12,
        max_instructions: 200,
        memory_offset_choices: wasm_smith::MemoryOffsetChoices(90, 9, 1),
        threads_enabled: seed.is_multiple_of(5),
        gc_enabled: seed.is_multiple_of(2),
        exceptions_enabled: seed.is_multiple_of(3),
        ..Default::default()
    };
    let mut module = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    module.ensure_termination(300).ok()?;
    Some(module.to_bytes())
}

#[test]
fn generated_modules_do_not_notice() {
    let count: u64 = match std::env::var("AUTOCLAVE_TEST_MODULES") {
        Ok(count) => count.parse().expect("AUTOCLAVE_TEST_MODULES is a number"),
        Err(_) => 300,
    };
    let engine = engine();
    let (mut compared, mut refused) = (0, 0);
    for seed in 0..count {
        let Some(wasm) = smith(seed) else { continue };
        let options = OPTIONS[seed as usize % 11 % OPTIONS.len()];
        match same(&engine, &wasm, options) {
            Ok(true) => compared += 1,
            Ok(false) => {}
            Err(error) if error.contains("shared memory") => refused += 1,
            Err(error) => panic!("seed {seed}, {options:?}: {error}"),
        }
    }
    assert!(compared * 2 > count, "{compared} of {count} modules compared, {refused} refused");
}

struct Wat {
    run: Run,
    instrumented: Instrumented,
}

impl Wat {
    fn new(wat: &str, options: Options) -> Self {
        let wasm = wat::parse_str(wat).unwrap();
        let instrumented = instrument("test", &wasm, options, MEMORY_BYTES_MAX).unwrap();
        let engine = engine();
        assert_eq!(same(&engine, &wasm, options), Ok(true));
        let run = run(&engine, &instrumented.wasm, Some(&instrumented));
        let mut wat = Self { run, instrumented };
        wat.own().fill(0);
        wat
    }

    fn own(&mut self) -> &mut [u8] {
        let instance = self.run.instance.unwrap();
        instance.get_memory(&mut self.run.store, MEMORY_EXPORT).unwrap().data_mut(&mut self.run.store)
    }

    fn call(&mut self, name: &str, arguments: &[i32]) -> Result<Vec<i32>, String> {
        let instance = self.run.instance.unwrap();
        let function = instance.get_func(&mut self.run.store, name).unwrap();
        let arguments: Vec<Val> = arguments.iter().map(|value| Val::I32(*value)).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.run.store).results().len()];
        function.call(&mut self.run.store, &arguments, &mut results).map_err(|error| describe(&error))?;
        Ok(results.iter().map(|value| value.unwrap_i32()).collect())
    }

    /// Counters that are not zero, as `kind=count`, in site order.
    fn counts(&mut self) -> String {
        let region = self.instrumented.layout.counters;
        let own = self.own()[region.start as usize..][..region.len as usize].to_vec();
        let counters = if own.len() == self.instrumented.edges.len() {
            own.iter().map(|count| u32::from(*count)).collect::<Vec<_>>()
        } else {
            own.as_chunks().0.iter().map(|count| u32::from_le_bytes(*count)).collect()
        };
        assert_eq!(counters.len(), self.instrumented.edges.len());
        let mut text = String::new();
        for (site, count) in self.instrumented.edges.iter().zip(counters).filter(|(_, count)| *count != 0) {
            let kind = match site.kind {
                SiteKind::Entry => "entry".to_owned(),
                SiteKind::Taken => "taken".to_owned(),
                SiteKind::NotTaken => "not".to_owned(),
                SiteKind::Slot(slot) => format!("slot{slot}"),
                SiteKind::Compare => "compare".to_owned(),
            };
            write!(text, "{kind}={count} ").unwrap();
        }
        text.trim_end().to_owned()
    }

    fn dirty_pages(&mut self) -> Vec<usize> {
        let region = self.instrumented.layout.dirty[0];
        let marks = &self.own()[region.start as usize..][..region.len as usize];
        (0..marks.len()).filter(|page| marks[*page] != 0).collect()
    }
}

#[test]
fn branches_with_operands_keep_the_stack() {
    for options in [EDGES, WIDE] {
        let mut wat = Wat::new(
            r#"(module (func (export "f") (param i32) (result i32 i32)
            (block (result i32 i32)
                (i32.const 7) (i32.const 9)
                (br_if 0 (local.get 0))
                (drop) (drop) (i32.const 1) (i32.const 2))))"#,
            options,
        );
        assert_eq!(wat.call("f", &[1]), Ok(vec![7, 9]));
        assert_eq!(wat.counts(), "entry=1 taken=1");
        assert_eq!(wat.call("f", &[0]), Ok(vec![1, 2]));
        assert_eq!(wat.counts(), "entry=2 taken=1 not=1");
    }
}

#[test]
fn loops_and_one_sided_ifs_count_both_sides() {
    for options in [EDGES, WIDE] {
        let mut wat = Wat::new(
            r#"(module (func (export "f") (param i32) (result i32) (local i32)
            (loop $outer
                (if (i32.and (local.get 0) (i32.const 1)) (then (local.set 1 (i32.add (local.get 1) (i32.const 1)))))
                (br_if $outer (local.tee 0 (i32.shr_u (local.get 0) (i32.const 1)))))
            (local.get 1)))"#,
            options,
        );
        assert_eq!(wat.call("f", &[0b10110]), Ok(vec![3]));
        assert_eq!(wat.counts(), "entry=1 taken=3 not=2 taken=4 not=1");
    }
}

#[test]
fn a_side_that_only_leads_to_another_branch_is_implied() {
    let chain = |between: &str, options: Options| {
        let wat = format!(
            r#"(module (func $nop) (func (export "f") (param i32) (result i32)
                (block $two (block $one
                    (br_if $one (i32.eq (local.get 0) (i32.const 1)))
                    {between}
                    (br_if $two (i32.eq (local.get 0) (i32.const 2)))
                    (return (i32.const 0)))
                    (return (i32.const 1)))
                (i32.const 2)))"#
        );
        let mut wat = Wat::new(&wat, options);
        for argument in [0, 1, 2, 2] {
            assert_eq!(wat.call("f", &[argument]), Ok(vec![argument]));
        }
        wat.counts()
    };
    for options in [EDGES, WIDE] {
        // Not taking the first branch is the sum of both sides of the second.
        assert_eq!(chain("", options), "entry=4 taken=1 taken=2 not=1");
        // A call may not come back.
        assert_eq!(chain("(call $nop)", options), "entry=3 entry=4 taken=1 not=3 taken=2 not=1");
    }
}

#[test]
fn wide_counters_do_not_wrap() {
    let wat = r#"(module (func (export "f") (param i32)
        ;; Whatever is asked for, it ends soon.
        (local.set 0 (i32.or (i32.and (local.get 0) (i32.const 0x3ffff)) (i32.const 8)))
        (loop $next
            (block $b (block $a (br_table $a $b (i32.and (local.get 0) (i32.const 1)))))
            (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;
    for (options, counts) in [
        (EDGES, "entry=1 slot0=44 slot1=44 taken=87 not=1"),
        (WIDE, "entry=1 slot0=100140 slot1=100140 taken=200279 not=1"),
    ] {
        let mut wat = Wat::new(wat, options);
        // `Wat::new` calls with arguments of its own; what it left behind is cleared.
        assert_eq!(wat.call("f", &[200_280]), Ok(vec![]));
        assert_eq!(wat.counts(), counts);
    }
}

#[test]
fn every_slot_of_a_branch_table_has_a_counter() {
    for options in [EDGES, WIDE] {
        let mut wat = Wat::new(
            r#"(module (func (export "f") (param i32) (result i32)
            (block $c (result i32) (block $b (result i32) (block $a (result i32)
                (i32.const 5) (br_table $a $b $a $c (local.get 0)))
                (drop) (return (i32.const 10))) (drop) (return (i32.const 20)))
            ))"#,
            options,
        );
        for (index, result) in [(0, 10), (1, 20), (2, 10), (3, 5), (-1, 5)] {
            assert_eq!(wat.call("f", &[index]), Ok(vec![result]));
        }
        assert_eq!(wat.counts(), "entry=5 slot0=1 slot1=1 slot2=1 slot3=2");
    }
}

#[test]
fn each_store_marks_its_page() {
    // Each case stores once, from address 4094 or 8192 on.
    let cases = [
        ("i32.store8", "(i32.const 1)"),
        ("i32.store16", "(i32.const 1)"),
        ("i32.store", "(i32.const 1)"),
        ("i64.store8", "(i64.const 1)"),
        ("i64.store16", "(i64.const 1)"),
        ("i64.store32", "(i64.const 1)"),
        ("i64.store", "(i64.const -1)"),
        ("f32.store", "(f32.const 1)"),
        ("f64.store", "(f64.const 1)"),
        ("v128.store", "(v128.const i64x2 -1 -1)"),
        ("v128.store16_lane", "3 (v128.const i64x2 -1 -1)"),
        ("i32.atomic.store", "(i32.const 1)"),
        ("i64.atomic.rmw.add", "(i64.const 1)"),
        ("i32.atomic.rmw8.cmpxchg_u", "(i32.const 0) (i32.const 7)"),
    ];
    for (store, operands) in cases {
        let atomic = store.contains("atomic");
        let (lane, operands) = match operands.split_once(' ') {
            Some((lane, rest)) if lane.parse::<u32>().is_ok() => (lane, rest),
            _ => ("", operands),
        };
        let drop = if store.contains("rmw") { "drop" } else { "" };
        for (base, offset) in [(4094, 0), (8192, 0), (4000, 192), (0, 65000), (12345, 8191)] {
            if atomic && (base + offset) % 8 != 0 {
                continue;
            }
            let wat = format!(
                r#"(module (memory 2) (func (export "f") (param i32)
                    (local.get 0) (i32.add (i32.const 0)) {operands} {store} offset={offset} {lane} {drop}))"#
            );
            let mut wat = Wat::new(&wat, DIRTY);
            assert_eq!(wat.call("f", &[base]), Ok(vec![]));
            assert_eq!(wat.dirty_pages(), [((base + offset) / 4096) as usize], "{store} at {base}+{offset}");
        }
    }
}

#[test]
fn bulk_operations_mark_ranges() {
    let mut wat = Wat::new(
        r#"(module (memory 2) (data $d "0123456789")
            (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 1) (local.get 1)))
            (func (export "copy") (param i32 i32) (memory.copy (local.get 0) (i32.const 0) (local.get 1)))
            (func (export "init") (param i32 i32) (memory.init $d (local.get 0) (i32.const 0) (local.get 1)))
            (func (export "drop") (data.drop $d))
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#,
        DIRTY,
    );
    // (`Wat::new` has dropped the segment and grown the memory already.)
    for (name, address, len, pages) in [
        ("fill", 0, 0, vec![]),
        ("fill", 131_072, 0, vec![]),
        ("fill", 4095, 1, vec![0]),
        ("fill", 4095, 2, vec![0, 1]),
        ("fill", 8191, 8194, vec![1, 2, 3, 4]),
        ("copy", 40_000, 10_000, vec![9, 10, 11, 12]),
        ("copy", 40_000, 0, vec![]),
        ("init", 70_000, 0, vec![]),
    ] {
        wat.own().fill(0);
        assert_eq!(wat.call(name, &[address, len]), Ok(vec![]), "{name} {address} {len}");
        assert_eq!(wat.dirty_pages(), pages, "{name} {address} {len}");
    }
    wat.own().fill(0);
    assert_eq!(wat.call("fill", &[-1, 2]), Err("trap MemoryOutOfBounds".to_owned()));
    assert_eq!(wat.dirty_pages(), [0usize; 0]);
    let flag = wat.instrumented.layout.flags.start as usize;
    wat.call("grow", &[0]).unwrap();
    wat.call("grow", &[i32::MAX]).unwrap();
    assert_eq!(wat.own()[flag], 0, "nothing grew");
    wat.call("grow", &[1]).unwrap();
    wat.call("grow", &[0]).unwrap();
    assert_eq!(wat.own()[flag], 1, "once set, it stays");
    wat.own().fill(0);
    wat.call("drop", &[]).unwrap();
    assert_eq!(wat.own()[flag], 1);
}

#[test]
fn wild_addresses_harm_nothing() {
    let mut wat = Wat::new(
        r#"(module (memory 1) (global $sp (mut i32) (i32.const 1024))
            (func (export "f") (param i32) (local i32)
                (local.set 1 (i32.sub (global.get $sp) (i32.const 12000)))
                (if (local.get 0) (then (i32.store offset=100 (local.get 1) (i32.const 1))))
                (i32.store offset=0xfffffff0 (local.get 0) (i32.const 1))))"#,
        LOOP,
    );
    assert_eq!(wat.call("f", &[0]), Err("trap MemoryOutOfBounds".to_owned()));
    assert_eq!(wat.call("f", &[1]), Err("trap MemoryOutOfBounds".to_owned()));
    assert_eq!(wat.call("f", &[-1]), Err("trap MemoryOutOfBounds".to_owned()));
    let log = wat.instrumented.layout.log;
    assert_eq!(log.len, 0);
    assert_eq!(wat.counts(), "entry=3 not=1");
}

#[test]
fn neighbouring_stores_share_a_mark() {
    let marks = |body: &str| {
        let wat = format!(r#"(module (memory 1) (func (export "f") (param $p i32) (local $q i32) {body}))"#);
        let wasm = wat::parse_str(&wat).unwrap();
        assert_eq!(same(&engine(), &wasm, DIRTY), Ok(true));
        let out = instrument("test", &wasm, DIRTY, MEMORY_BYTES_MAX).unwrap();
        let text = out.wasm.windows(2).filter(|pair| *pair == [0x76, 0x41]).count();
        assert!(text < 100);
        text
    };
    let store = |local: &str, offset: u32| format!("(i64.store offset={offset} (local.get ${local}) (i64.const -1))");
    let several = |offsets: &[u32]| offsets.iter().map(|offset| store("p", *offset)).collect::<String>();
    assert_eq!(marks(&several(&[8, 0, 16, 248])), 1);
    assert_eq!(marks(&several(&[0, 256])), 2, "too far apart");
    assert_eq!(marks(&several(&[200, 0, 248, 300])), 2, "a mark moves down only as far as it may");
    let set = "(local.set $p (i32.const 40000))";
    assert_eq!(marks(&(store("p", 0) + set + &store("p", 8))), 2, "another value");
    let branch = |inner: &str| format!("(if (local.get $q) (then {inner}))");
    assert_eq!(marks(&(store("p", 100) + &branch(&several(&[0, 20])) + &store("p", 300))), 2);
    assert_eq!(marks(&(branch(&store("p", 0)) + &store("p", 8))), 2, "the first may not have run");
    assert_eq!(marks(&(store("p", 0) + &branch(set) + &store("p", 8))), 2);
    let repeat = |inner: &str| {
        format!(
            "(loop {inner} (br_if 0 (i32.lt_u (local.tee $q (i32.add (local.get $q) (i32.const 1))) (i32.const 3))))"
        )
    };
    assert_eq!(marks(&(store("p", 0) + &repeat(&store("p", 8)))), 1);
    let advance = "(local.set $p (i32.add (local.get $p) (i32.const 5000)))";
    assert_eq!(marks(&(store("p", 0) + &repeat(&(store("p", 8) + advance)))), 2, "assigned by an earlier round");
}

#[test]
fn frames_are_marked_in_the_prologue() {
    let wat = |bytes: u32| {
        format!(
            r#"(module (memory 2) (global $sp (mut i32) (i32.const 65536))
            (func (export "f") (param i32) (local $fp i32)
                (global.set $sp (local.tee $fp (i32.sub (global.get $sp) (i32.const {bytes}))))
                (loop (i32.store8 offset={} (local.get $fp) (i32.const 1))
                    (i32.store8 (local.get $fp) (i32.const 1))
                    (br_if 0 (local.tee 0 (i32.shr_u (local.get 0) (i32.const 1)))))
                (global.set $sp (i32.add (local.get $fp) (i32.const {bytes})))))"#,
            bytes - 1
        )
    };
    for (bytes, pages) in
        [(256, vec![15]), (4096, vec![15, 16]), (4353, vec![14, 15, 16]), (12_288, vec![13, 14, 15, 16])]
    {
        let mut wat = Wat::new(&wat(bytes), DIRTY);
        assert_eq!(wat.instrumented.shadow_stack_pointer, Some(0));
        assert_eq!(wat.call("f", &[1]), Ok(vec![]));
        assert_eq!(wat.dirty_pages(), pages, "frame of {bytes} bytes");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let error =
        |wat: &str| instrument("m.wasm", &wat::parse_str(wat).unwrap(), ALL, MEMORY_BYTES_MAX).unwrap_err().to_string();
    assert!(error("(module (memory 1 1 shared))").starts_with("m.wasm: uses a shared memory (threads proposal)"));
    assert!(error("(component)").contains("is a component"));
    let many = format!("(module {})", "(memory 1)".repeat(100));
    assert!(error(&many).contains("has 100 memories"));
    let again = instrument("m", &wat::parse_str("(module (memory 1))").unwrap(), ALL, MEMORY_BYTES_MAX).unwrap();
    let twice = instrument("m", &again.wasm, ALL, MEMORY_BYTES_MAX).unwrap_err().to_string();
    assert!(twice.contains("is instrumented already"), "{twice}");
    for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0\x0a\xff\xff\xff\xff\x0f", b"text"] {
        assert!(instrument("m", bytes, ALL, MEMORY_BYTES_MAX).is_err());
    }
}

impl Wat {
    /// The log of one call, as `width:left,right` and `left~right` (strings as text), without repetitions.
    fn log_of(&mut self, name: &str, arguments: &[i32]) -> Vec<String> {
        let region = self.instrumented.layout.log;
        self.own()[region.start as usize..][..4].fill(0);
        self.call(name, arguments).unwrap();
        let log = read_log(&self.own()[region.start as usize..][..region.len as usize]);
        let mut lines: Vec<String> = log
            .ints
            .iter()
            .map(|pair| {
                assert!((pair.site as usize) < self.instrumented.compares.len());
                format!("{}{}:{:x},{:x}", if pair.float { "f" } else { "" }, pair.width_bits, pair.left, pair.right)
            })
            .collect();
        let text = |bytes: &[u8]| {
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            String::from_utf8_lossy(&bytes[..end]).replace('\0', "|")
        };
        lines.extend(log.bytes.iter().map(|pair| format!("{}~{}", text(&pair.left), text(&pair.right))));
        lines.dedup();
        lines
    }

    fn closeness_of(&mut self, name: &str, arguments: &[i32]) -> Vec<u8> {
        let region = self.instrumented.layout.closeness;
        self.own()[region.start as usize..][..region.len as usize].fill(0);
        self.call(name, arguments).unwrap();
        self.own()[region.start as usize..][..region.len as usize].to_vec()
    }
}

const LOG: Options = Options { compare_log: true, ..NONE };

#[test]
fn operands_of_compares_are_logged() {
    let log = |body: &str, argument: i32| {
        let wat = format!(r#"(module (memory 1) (func (export "f") (param i32) (result i32) (local i32 i64) {body}))"#);
        Wat::new(&wat, LOG).log_of("f", &[argument])
    };
    assert_eq!(log("(i32.eq (local.get 0) (i32.const 0xcafe))", 5), ["32:5,cafe"]);
    assert_eq!(log("(i32.eqz (local.get 0))", -1), ["32:ffffffff,0"]);
    assert_eq!(log("(i32.eq (i32.load8_u (local.get 0)) (i32.const 65))", 5), ["8:0,41"]);
    assert_eq!(log("(i32.ne (i32.load16_s (local.get 0)) (i32.const -2))", 5), ["16:0,fffe"]);
    assert_eq!(log("(i64.lt_u (i64.extend_i32_u (local.get 0)) (i64.const 0x123456789a))", 5), ["64:5,123456789a"]);
    assert_eq!(log("(f32.eq (f32.convert_i32_s (local.get 0)) (f32.const 1))", 2), ["f32:40000000,3f800000"]);
    assert_eq!(log("(f64.lt (f64.convert_i32_s (local.get 0)) (f64.const 1))", 0), ["f64:0,3ff0000000000000"]);
    assert_eq!(log("(i32.eqz (i32.xor (local.get 0) (local.get 1)))", 7), ["32:7,0"]);
    assert_eq!(log("(i32.lt_u (i32.sub (local.get 0) (i32.const 48)) (i32.const 10))", 7), ["32:7,3a", "32:7,30"]);
    assert_eq!(
        log("(block (block (br_table 0 1 0 (i32.sub (local.get 0) (i32.const 1000))))) (i32.const 0)", 77),
        ["32:4d,3e8", "32:4d,3e9"]
    );
    // A compare of constants, and the test of a compare's result, say nothing.
    assert_eq!(log("(i32.eqz (i32.eq (i32.const 1) (i32.const 2)))", 5), [""; 0]);
}

#[test]
fn a_busy_site_keeps_its_first_and_last_pairs() {
    let mut wat = Wat::new(
        r#"(module (func (export "f") (param i32) (local i32)
            (loop (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (local.get 0))))))"#,
        LOG,
    );
    let lines = wat.log_of("f", &[1000]);
    let left: Vec<u32> =
        lines.iter().map(|line| u32::from_str_radix(&line[3..line.find(',').unwrap()], 16).unwrap()).collect();
    assert_eq!(left[..12], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let mut last = left[12..].to_vec();
    last.sort_unstable();
    assert_eq!(last, [997, 998, 999, 1000]);
    assert_eq!(wat.log_of("f", &[2]).len(), 2, "the next run starts afresh");
}

const STRINGS: &str = r#"
    (memory 1)
    (data (i32.const 100) "hello world\00")
    (data (i32.const 200) "help\00me")
    (func $compare (param i32 i32 i32) (result i32) (local i32)
        (loop $next
            (if (i32.eqz (local.get 2)) (then (return (i32.const 0))))
            (if (i32.ne (i32.load8_u (local.get 0)) (i32.load8_u (local.get 1)))
                (then (return (i32.sub (i32.load8_u (local.get 0)) (i32.load8_u (local.get 1))))))
            (local.set 0 (i32.add (local.get 0) (i32.const 1)))
            (local.set 1 (i32.add (local.get 1) (i32.const 1)))
            (local.set 2 (i32.sub (local.get 2) (i32.const 1)))
            (br $next))
        (unreachable))
    (func $wrapper (param i32 i32 i32) (result i32) (call $compare (local.get 0) (local.get 1) (local.get 2)))"#;

#[test]
fn compared_strings_are_logged_by_behaviour() {
    let strings = |body: &str| {
        let wat = format!(r#"(module {STRINGS} (func (export "f") (param i32) (result i32) {body}))"#);
        let lines = Wat::new(&wat, LOG).log_of("f", &[100]);
        lines.into_iter().filter(|line| line.contains('~')).collect::<Vec<_>>()
    };
    // By the call, with its length; by the loop inside, without one.
    assert_eq!(
        strings("(call $compare (local.get 0) (i32.const 200) (i32.const 4))"),
        ["hell~help", "hello world~help", "hello world~help|me", "lo world~p", "lo world~p|me"]
    );
    let wrapped = strings("(call $wrapper (local.get 0) (i32.const 200) (i32.const 4))");
    assert_eq!(wrapped.iter().filter(|line| *line == "hell~help").count(), 1, "{wrapped:?}");
    // Addresses beyond the memory are harmless.
    let wild = strings("(call $compare (local.get 0) (i32.const -5) (i32.const 0))");
    assert_eq!(wild, [""; 0]);
}

#[test]
fn closeness_rises_towards_equality() {
    let mut wat = Wat::new(
        r#"(module (func (export "i") (param i32) (result i32) (i32.eq (local.get 0) (i32.const 0x12345678)))
            (func (export "l") (param i32) (result i32) (i64.eq (i64.extend_i32_s (local.get 0)) (i64.const -1)))
            (func (export "d") (param i32) (result i32) (f64.eq (f64.convert_i32_s (local.get 0)) (f64.const 1000)))
            (func (export "s") (param i32) (result i32) (f32.lt (f32.convert_i32_s (local.get 0)) (f32.const -1000))))"#,
        Options { distance: true, ..NONE },
    );
    assert_eq!(wat.instrumented.layout.closeness.len, 8);
    assert_eq!(wat.closeness_of("i", &[0x1234_5678]), [33, 33, 0, 0, 0, 0, 0, 0]);
    assert_eq!(wat.closeness_of("i", &[0x1234_5679]), [32, 32, 0, 0, 0, 0, 0, 0]);
    assert_eq!(wat.closeness_of("i", &[-1]), [1 + 13, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(wat.closeness_of("l", &[-1])[2..4], [65, 65]);
    assert_eq!(wat.closeness_of("l", &[0])[2..4], [1, 64]);
    let distance = |wat: &mut Wat, name: &str, argument: i32, at: usize| wat.closeness_of(name, &[argument])[at];
    for (name, at, far_to_near) in
        [("d", 5, [-1, 0, 1, 500, 900, 999, 1000]), ("s", 7, [5000, 1, -1, -500, -900, -999, -1000])]
    {
        let steps: Vec<u8> = far_to_near.iter().map(|argument| distance(&mut wat, name, *argument, at)).collect();
        assert!(steps.is_sorted() && steps[0] < steps[3] && steps[5] < steps[6], "{name}: {steps:?}");
    }
}

#[test]
fn the_shadow_stack_guard_fires_below_its_end() {
    let guard = |head: &str, frame: u32| {
        let wat = format!(
            r#"(module (memory 2) {head}
            (func $f (export "f") (param i32) (local i32)
                (global.set $sp (local.tee 1 (i32.sub (global.get $sp) (i32.const {frame}))))
                (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))))
                (global.set $sp (i32.add (local.get 1) (i32.const {frame})))))"#
        );
        let wasm = wat::parse_str(&wat).unwrap();
        let options = Options { shadow_stack_guard: true, ..EDGES };
        let instrumented = instrument("test", &wasm, options, MEMORY_BYTES_MAX).unwrap();
        let run = run(&engine(), &instrumented.wasm, Some(&instrumented));
        let mut wat = Wat { run, instrumented };
        wat.own().fill(0);
        let mut deepest = 0;
        for depth in 0..100 {
            match wat.call("f", &[depth]) {
                Ok(_) => deepest = depth,
                Err(error) => {
                    let flag = wat.instrumented.layout.flags.start as usize + 1;
                    return (deepest + 1, error, wat.own()[flag]);
                }
            }
        }
        (100, String::new(), 0)
    };
    let fired = |frames: i32| (frames, "trap UnreachableCodeReached".to_owned(), 1);
    // The stack lies first, below its start at 65536; then data.
    let first = r#"(global $sp (mut i32) (i32.const 65536)) (data (i32.const 65536) "x")"#;
    assert_eq!(guard(first, 4096), fired(16));
    // Data first: the stack ends where they end, or where the linker says.
    let after = r#"(global $sp (mut i32) (i32.const 65536)) (data (i32.const 1024) "x") (data (i32.const 32767) "x")"#;
    assert_eq!(guard(after, 4096), fired(8));
    let marked = format!(r#"{after} (global (export "__data_end") i32 (i32.const 49152))"#);
    assert_eq!(guard(&marked, 4096), fired(4));
    // The pointer is recognised among others by what prologues do.
    let second = r#"(global (mut i32) (i32.const 77)) (global $sp (mut i32) (i32.const 65536))"#;
    assert_eq!(guard(second, 16_384), fired(4));
}

#[test]
fn hostile_modules_cost_little_or_are_refused() {
    use wasm_encoder::{CodeSection, Function, FunctionSection, Instruction, Module, TypeSection, ValType};
    let module = |functions: u32, locals: u32, body: &dyn Fn(&mut Function)| {
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32], []);
        let (mut section, mut code) = (FunctionSection::new(), CodeSection::new());
        let mut function = Function::new([(locals, ValType::I32)]);
        body(&mut function);
        function.instruction(&Instruction::End);
        for _ in 0..functions {
            section.function(0);
            code.function(&function);
        }
        let mut memory = wasm_encoder::MemorySection::new();
        memory.memory(wasm_encoder::MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut module = Module::new();
        module.section(&types).section(&section).section(&memory).section(&code);
        module.finish()
    };
    let check = |wasm: &[u8]| {
        let out = instrument("hostile", wasm, ALL, MEMORY_BYTES_MAX).map_err(|error| error.to_string())?;
        wasmparser::Validator::new_with_features(features())
            .validate_all(&out.wasm)
            .map_err(|error| error.to_string())?;
        Ok::<usize, String>(out.edges.len())
    };
    // Many functions.
    let store = |function: &mut Function| {
        let memarg = wasm_encoder::MemArg { offset: 0, align: 0, memory_index: 0 };
        function.instructions().local_get(0).local_get(0).i32_store8(memarg);
    };
    assert_eq!(check(&module(100_000, 0, &store)), Ok(100_000));
    // Many locals, and one too many for ours.
    assert_eq!(check(&module(1, 49_000, &store)), Ok(1));
    let crowded = |function: &mut Function| {
        let memarg = wasm_encoder::MemArg { offset: 0, align: 0, memory_index: 0 };
        function.instructions().local_get(0).i32_const(0).i32_add().local_get(0).i32_store8(memarg);
    };
    let error = check(&module(1, 49_999, &crowded)).unwrap_err();
    assert!(error.contains("function 0 has 50000 locals"), "{error}");
    // Deep nesting.
    let deep = |function: &mut Function| {
        for _ in 0..100_000 {
            function.instructions().block(wasm_encoder::BlockType::Empty).local_get(0).br_if(0);
        }
        for _ in 0..100_000 {
            function.instructions().end();
        }
    };
    assert_eq!(check(&module(1, 0, &deep)), Ok(100_002));
    // Branch tables with more slots than there are counters lose theirs; branches beyond that are refused.
    let table = |function: &mut Function| {
        let targets = vec![0; 100_000];
        function.instructions().local_get(0).br_table(targets, 0);
    };
    assert_eq!(check(&module(1, 0, &table)), Ok(100_002));
    assert_eq!(check(&module(50, 0, &table)), Ok(50));
    let branches = |function: &mut Function| {
        for _ in 0..250_000 {
            function.instructions().local_get(0).br_if(0);
        }
    };
    let error = check(&module(9, 0, &branches)).unwrap_err();
    assert!(error.contains("more than the 4194304 that are counted"), "{error}");
}

#[test]
fn branches_on_references_count_both_sides() {
    for options in [EDGES, WIDE] {
        let mut wat = Wat::new(
            r#"(module
            (type $s (struct (field i32))) (type $t (sub (struct)))
            (func $make (param i32) (result anyref)
                (if (result anyref) (i32.eqz (local.get 0)) (then (ref.null any))
                    (else (if (result anyref) (i32.eq (local.get 0) (i32.const 1))
                        (then (struct.new $s (i32.const 7))) (else (ref.i31 (local.get 0)))))))
            (func (export "cast") (param i32) (result i32)
                (block $hit (result i32 (ref $s))
                    (i32.const 5) (call $make (local.get 0))
                    (br_on_cast $hit anyref (ref $s))
                    (drop) (return))
                (struct.get $s 0) (i32.add))
            (func (export "fail") (param i32) (result i32)
                (block $miss (result anyref)
                    (call $make (local.get 0))
                    (br_on_cast_fail $miss anyref (ref null $s))
                    (drop) (return (i32.const 1)))
                (drop) (i32.const 2))
            (func (export "some") (param i32) (result i32)
                (block $some (result (ref any))
                    (call $make (local.get 0)) (br_on_non_null $some) (return (i32.const 0)))
                (drop) (i32.const 1))
            (func (export "none") (param i32) (result i32)
                (block $none
                    (call $make (local.get 0)) (br_on_null $none) (drop) (return (i32.const 1)))
                (i32.const 0)))"#,
            options,
        );
        for (name, results) in [("cast", [5, 12, 5]), ("fail", [1, 1, 2]), ("some", [0, 1, 1]), ("none", [0, 1, 1])] {
            wat.own().fill(0);
            for (argument, result) in results.iter().enumerate() {
                assert_eq!(wat.call(name, &[argument as i32]), Ok(vec![*result]), "{name} {argument}");
            }
            let counts = wat.counts();
            let (_, own) = counts.rsplit_once("entry=3 ").unwrap();
            let expected = match name {
                "cast" => "taken=1 not=2",
                "fail" => "taken=1 not=2",
                "some" => "taken=2 not=1",
                _ => "taken=1 not=2",
            };
            assert_eq!(own, expected, "{name}: {counts}");
        }
    }
}
