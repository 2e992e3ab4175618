//! What the trace builds see: which values reach which site, in which order, and that both builds agree.

use crate::instrument::{HASH, MEMORY_BYTES_MAX, RECORD, describe, engine, run, same, smith};
use autoclave::instrument::trace::{EVENTS_MAX, fold};
use autoclave::instrument::{Instrumented, MEMORY_EXPORT, Options, TraceEvent, events, instrument};
use wasmtime::{Engine, Instance, Linker, Module, Store, Val};

/// One instance of a traced module.
struct Traced {
    store: Store<()>,
    instance: Instance,
    instrumented: Instrumented,
}

impl Traced {
    fn new(engine: &Engine, wasm: &[u8], options: Options) -> Self {
        let instrumented = instrument("test", wasm, options, MEMORY_BYTES_MAX).unwrap();
        let module = Module::new(engine, &instrumented.wasm).unwrap();
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker.define_unknown_imports_as_default_values(&mut store, &module).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        Self { store, instance, instrumented }
    }

    fn own(&mut self) -> &mut [u8] {
        self.instance.get_memory(&mut self.store, MEMORY_EXPORT).unwrap().data_mut(&mut self.store)
    }

    fn call(&mut self, name: &str, arguments: &[Val]) -> Result<(), String> {
        self.own().fill(0);
        let function = self.instance.get_func(&mut self.store, name).unwrap();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        function.call(&mut self.store, arguments, &mut results).map_err(|error| describe(&error))
    }

    fn accumulators(&mut self) -> Vec<u64> {
        let region = self.instrumented.layout.accumulators;
        let bytes = &self.own()[region.start as usize..][..region.len as usize];
        bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
    }

    fn events(&mut self) -> (u64, Vec<TraceEvent>) {
        let region = self.instrumented.layout.events;
        let (total, events) = events(&self.own()[region.start as usize..][..region.len as usize]);
        (total, events.collect())
    }

    /// Events as text: `class operation operand=value`, `(` before a call and `)` after it.
    fn story(&mut self) -> Vec<String> {
        let (total, events) = self.events();
        assert_eq!(total, events.len() as u64);
        let show = |event: &TraceEvent| match *event {
            TraceEvent::Value { site, value } => {
                let site = self.instrumented.traced[site as usize];
                let value = if value > 0xffff_ffff { format!("{value:#x}") } else { value.to_string() };
                format!("{} {} {}={value}", site.class.name(), site.operation, site.operand)
            }
            TraceEvent::Call { call } => format!("({call}"),
            TraceEvent::Back { call } => format!("{call})"),
        };
        events.iter().map(show).collect()
    }
}

/// What each accumulator must be after these events.
fn folded(instrumented: &Instrumented, events: &[TraceEvent]) -> Vec<u64> {
    let mut accumulators = vec![0; instrumented.traced.len()];
    for event in events {
        if let TraceEvent::Value { site, value } = *event {
            accumulators[site as usize] = fold(accumulators[site as usize], value);
        }
    }
    accumulators
}

/// Calls `f` of a module with these fields in both builds; what the record build tells.
fn story(fields: &str, arguments: &[Val]) -> Vec<String> {
    let wasm = wat::parse_str(format!("(module {fields})")).unwrap_or_else(|error| panic!("{error}"));
    let engine = engine();
    for options in [HASH, RECORD] {
        assert_eq!(same(&engine, &wasm, options), Ok(true), "{fields}");
    }
    let mut hash = Traced::new(&engine, &wasm, HASH);
    let mut record = Traced::new(&engine, &wasm, RECORD);
    assert_eq!(hash.instrumented.traced, record.instrumented.traced);
    assert_eq!(hash.instrumented.untraced, record.instrumented.untraced);
    assert_eq!(hash.call("f", arguments), record.call("f", arguments));
    let (_, events) = record.events();
    assert_eq!(folded(&record.instrumented, &events), hash.accumulators(), "{fields}");
    assert_eq!(record.accumulators(), hash.accumulators(), "{fields}");
    record.story()
}

#[test]
fn each_operand_arrives_at_its_site() {
    let i32_ = |value: i32| Val::I32(value);
    let cases: &[(&str, Vec<Val>, &[&str])] = &[
        // Branches.
        (
            "(func (export \"f\") (param i32) (block (br_if 0 (local.get 0))))",
            vec![i32_(77)],
            &["branch br_if condition=1"],
        ),
        (
            "(func (export \"f\") (param i32) (block (br_if 0 (local.get 0))))",
            vec![i32_(0)],
            &["branch br_if condition=0"],
        ),
        (
            "(func (export \"f\") (param i32) (if (local.get 0) (then) (else (if (i32.eqz (local.get 0)) (then)))))",
            vec![i32_(0)],
            &["branch if condition=0", "branch if condition=1"],
        ),
        (
            "(func (export \"f\") (param i32) (result i32) (block (block (br_table 0 1 0 (local.get 0))) (return (i32.const 1))) (i32.const 2))",
            vec![i32_(-9)],
            &["branch br_table index=2"],
        ),
    ];
    for (fields, arguments, expected) in cases {
        assert_eq!(story(fields, arguments), *expected, "{fields}");
    }
}

#[test]
fn hash_and_record_agree_on_generated_modules() {
    let engine = engine();
    let (mut compared, mut values) = (0, 0);
    for seed in 1000..1150 {
        let Some(wasm) = smith(seed) else { continue };
        let Ok(record) = instrument("test", &wasm, RECORD, MEMORY_BYTES_MAX) else { continue };
        let hash = instrument("test", &wasm, HASH, MEMORY_BYTES_MAX).unwrap();
        assert_eq!(hash.traced, record.traced, "seed {seed}");
        let mut vectors = Vec::new();
        for instrumented in [&hash, &record] {
            let mut run = run(&engine, &instrumented.wasm, Some(instrumented));
            let Some(instance) = run.instance.filter(|_| !run.incomparable) else { continue };
            let own = instance.get_memory(&mut run.store, MEMORY_EXPORT).unwrap().data(&run.store);
            let of = |region: autoclave::instrument::Region| &own[region.start as usize..][..region.len as usize];
            let words = of(instrumented.layout.accumulators).as_chunks().0.iter();
            vectors.push(words.map(|word| u64::from_le_bytes(*word)).collect::<Vec<_>>());
            if instrumented.layout.events.len > 0 {
                let (total, events) = events(of(instrumented.layout.events));
                let events: Vec<TraceEvent> = events.collect();
                if total <= EVENTS_MAX {
                    assert_eq!(total, events.len() as u64, "seed {seed}");
                    vectors.push(folded(instrumented, &events));
                    values += total;
                }
            }
        }
        if let [hash, record, folded] = &vectors[..] {
            assert_eq!(hash, record, "seed {seed}");
            assert_eq!(record, folded, "seed {seed}");
            compared += 1;
        }
    }
    assert!(compared > 75 && values > 1000, "{compared} modules, {values} events");
}
