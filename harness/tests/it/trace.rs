//! What the trace builds see: which values reach which site, in which order, and that both builds agree.

use crate::instrument::{HASH, MEMORY_BYTES_MAX, RECORD, describe, engine, run, same, smith};
use autoclave::execution::{Limit, Outcome};
use autoclave::executors::{Build, Engine as WasmEngine, Executor, Reset, judge};
use autoclave::instrument::trace::{EVENTS_MAX, fold};
use autoclave::instrument::{Instrumented, MEMORY_EXPORT, Options, TraceClass, TraceEvent, events, instrument};
use autoclave::limits::{Limits, Overrides};
use autoclave::target::{Manifest, Target};
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

fn i32_(value: i32) -> Val {
    Val::I32(value)
}

/// Calls with these integers.
fn of(fields: &str, arguments: &[i32]) -> Vec<String> {
    story(fields, &arguments.iter().map(|value| i32_(*value)).collect::<Vec<_>>())
}

#[test]
fn conditions_are_normal_and_slots_are_clamped() {
    let branch = r#"(func (export "f") (param i32) (block (br_if 0 (local.get 0))))"#;
    assert_eq!(of(branch, &[77]), ["branch br_if condition=1"]);
    assert_eq!(of(branch, &[0]), ["branch br_if condition=0"]);
    let nested = r#"(func (export "f") (param i32) (result i32)
        (if (result i32) (local.get 0) (then (i32.const 1)) (else
            (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 2)) (else (i32.const 3))))))"#;
    assert_eq!(of(nested, &[0]), ["branch if condition=0", "branch if condition=1"]);
    assert_eq!(of(nested, &[-1]), ["branch if condition=1"]);
    let table = r#"(func (export "f") (param i32) (result i32)
        (block (result i32) (block (result i32) (i32.const 7) (br_table 0 1 0 (local.get 0)))))"#;
    for (index, slot) in [(0, 0), (1, 1), (2, 2), (3, 2), (-1, 2)] {
        assert_eq!(of(table, &[index]), [format!("branch br_table index={slot}")]);
    }
    // Operands below the condition are of any type, and stay.
    let selects = r#"(func (export "f") (param i32) (result i64 f32 funcref v128)
        (select (i64.const 1) (i64.const 2) (local.get 0))
        (select (f32.const 1) (f32.const 2) (local.get 0))
        (select (result funcref) (ref.null func) (ref.null func) (local.get 0))
        (select (v128.const i64x2 1 2) (v128.const i64x2 3 4) (i32.eqz (local.get 0))))"#;
    let set = "select select condition=1";
    assert_eq!(of(selects, &[8]), [set, set, set, "select select condition=0"]);
}

/// What stands above the address, and the names of all instructions that access memory.
fn accesses() -> Vec<(&'static str, &'static str, String)> {
    let mut rows: Vec<(&str, &str, String)> = Vec::new();
    let mut add = |class, above, names: &str| {
        rows.extend(names.split_whitespace().map(|name| (class, above, name.to_owned())));
    };
    add("load", "", "i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u");
    add("load", "", "i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u");
    add("load", "", "v128.load v128.load8x8_s v128.load8x8_u v128.load16x4_s v128.load16x4_u v128.load32x2_s");
    add("load", "", "v128.load32x2_u v128.load8_splat v128.load16_splat v128.load32_splat v128.load64_splat");
    add("load", "", "v128.load32_zero v128.load64_zero i32.atomic.load i32.atomic.load8_u i32.atomic.load16_u");
    add("load", "", "i64.atomic.load i64.atomic.load8_u i64.atomic.load16_u i64.atomic.load32_u");
    let vector = "(v128.const i64x2 -1 -2)";
    add("load", vector, "v128.load8_lane v128.load16_lane v128.load32_lane v128.load64_lane");
    add("store", vector, "v128.store v128.store8_lane v128.store16_lane v128.store32_lane v128.store64_lane");
    add(
        "store",
        "(i32.const 1)",
        "i32.store i32.store8 i32.store16 i32.atomic.store i32.atomic.store8 i32.atomic.store16",
    );
    add("store", "(i64.const 1)", "i64.store i64.store8 i64.store16 i64.store32");
    add("store", "(i64.const 1)", "i64.atomic.store i64.atomic.store8 i64.atomic.store16 i64.atomic.store32");
    add("store", "(f32.const 1)", "f32.store");
    add("store", "(f64.const 1)", "f64.store");
    add("load", "(i32.const 1)", "memory.atomic.notify");
    for operation in ["add", "sub", "and", "or", "xor", "xchg", "cmpxchg"] {
        for (ty, widths) in [("i32", &["", "8", "16"][..]), ("i64", &["", "8", "16", "32"])] {
            for width in widths {
                let unsigned = if width.is_empty() { "" } else { "_u" };
                let above = match (ty, operation) {
                    ("i32", "cmpxchg") => "(i32.const 0) (i32.const 1)",
                    ("i32", _) => "(i32.const 1)",
                    (_, "cmpxchg") => "(i64.const 0) (i64.const 1)",
                    _ => "(i64.const 1)",
                };
                rows.push(("store", above, format!("{ty}.atomic.rmw{width}.{operation}{unsigned}")));
            }
        }
    }
    rows
}

#[test]
fn addresses_of_every_access_are_seen() {
    for (class, above, name) in accesses() {
        let lane = if name.ends_with("_lane") { "1" } else { "" };
        let drop = if class == "load" || name.contains("rmw") { "drop" } else { "" };
        // Two memories, of 32 and 64 bits: the address is the operand, without the offset.
        let fields = format!(
            r#"(memory 1) (memory i64 1) (func (export "f") (param i32)
                (local.get 0) {above} {name} offset=16 {lane} {drop}
                (i64.extend_i32_u (local.get 0)) {above} {name} 1 offset=32 {lane} {drop})"#
        );
        let seen = format!("{class} {name} address=64");
        assert_eq!(of(&fields, &[64]), [seen.clone(), seen], "{name}");
    }
    // A 64-bit address has all its bits; one of 32 bits is not negative.
    let wide = r#"(memory i64 1) (func (export "f") (param i64) (result i32) (i32.load (local.get 0)))"#;
    assert_eq!(story(wide, &[Val::I64(-4)]), ["load i32.load address=0xfffffffffffffffc"]);
    let narrow = r#"(memory 1) (func (export "f") (param i32) (result i32) (i32.load (local.get 0)))"#;
    assert_eq!(of(narrow, &[-4]), ["load i32.load address=4294967292"]);
    // Waiting traps in a memory that is not shared; it is seen first.
    for (name, expected) in [("memory.atomic.wait32", "i32"), ("memory.atomic.wait64", "i64")] {
        let wait = format!(
            r#"(memory 1) (func (export "f") (param i32) (result i32) ({name} (local.get 0) ({expected}.const 0) (i64.const 0)))"#
        );
        assert_eq!(of(&wait, &[8]), [format!("load {name} address=8")]);
    }
}

#[test]
fn operands_of_numeric_instructions_are_seen() {
    let numbers = |value: &str, names: &str, seen: &[&str]| {
        for name in names.split_whitespace() {
            // Operands pass through locals, since constants are not of interest.
            let (ty, _) = value.split_once(".const").unwrap();
            let operands = seen.iter().filter(|operand| !operand.contains(" high")).count();
            let gets = "(local.get $x)".repeat(operands);
            let fields =
                format!(r#"(func (export "f") (local $x {ty}) (local.set $x ({value})) (block {gets} {name} drop))"#);
            let expected: Vec<String> = seen
                .iter()
                .map(|operand| {
                    format!(
                        "{} {name} {}",
                        if ty.starts_with('i') && name.contains(['d', 'r']) && !name.contains("convert") {
                            "div"
                        } else {
                            "float"
                        },
                        operand.replace(" high", "")
                    )
                })
                .collect();
            assert_eq!(of(&fields, &[]), expected, "{name}");
        }
    };
    numbers("i32.const -7", "i32.div_s i32.div_u i32.rem_s i32.rem_u", &["dividend=4294967289", "divisor=4294967289"]);
    let seven = ["dividend=0xfffffffffffffff9", "divisor=0xfffffffffffffff9"];
    numbers("i64.const -7", "i64.div_s i64.div_u i64.rem_s i64.rem_u", &seven);
    numbers(
        "f32.const 1.5",
        "f32.add f32.sub f32.mul f32.div f32.min f32.max",
        &["left=1069547520", "right=1069547520"],
    );
    let wide = ["left=0x3ff8000000000000", "right=0x3ff8000000000000"];
    numbers("f64.const 1.5", "f64.add f64.sub f64.mul f64.div f64.min f64.max", &wide);
    let single = "f32.sqrt f32.ceil f32.floor f32.trunc f32.nearest f64.promote_f32 i32.trunc_f32_s i32.trunc_f32_u \
        i64.trunc_f32_s i64.trunc_f32_u i32.trunc_sat_f32_s i32.trunc_sat_f32_u i64.trunc_sat_f32_s i64.trunc_sat_f32_u";
    numbers("f32.const 1.5", single, &["operand=1069547520"]);
    numbers(
        "f64.const 1.5",
        &single
            .replace("f64.promote_f32", "f32.demote_f64")
            .replace("f32.", "f64.")
            .replace("f64.demote", "f32.demote")
            .replace("_f32", "_f64"),
        &["operand=0x3ff8000000000000"],
    );
    numbers("i64.const -7", "f32.convert_i64_u f64.convert_i64_u", &["operand=0xfffffffffffffff9"]);
    // Vectors come in halves.
    let vector = "v128.const i64x2 3 5";
    let (left, right) = (["left=3", "left=5 high"], ["right=3", "right=5 high"]);
    for ty in ["f32x4", "f64x2"] {
        for name in ["add", "sub", "mul", "div", "min", "max", "pmin", "pmax", "relaxed_min", "relaxed_max"] {
            numbers(vector, &format!("{ty}.{name}"), &[left, right].concat());
        }
        for name in ["sqrt", "ceil", "floor", "trunc", "nearest"] {
            numbers(vector, &format!("{ty}.{name}"), &["operand=3", "operand=5 high"]);
        }
        for name in ["relaxed_madd", "relaxed_nmadd"] {
            numbers(vector, &format!("{ty}.{name}"), &[left, right, ["summand=3", "summand=5 high"]].concat());
        }
    }
    let conversions = "f32x4.demote_f64x2_zero f64x2.promote_low_f32x4 i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u \
        i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero i32x4.relaxed_trunc_f32x4_s \
        i32x4.relaxed_trunc_f32x4_u i32x4.relaxed_trunc_f64x2_s_zero i32x4.relaxed_trunc_f64x2_u_zero";
    numbers(vector, conversions, &["operand=3", "operand=5 high"]);
}

#[test]
fn bulk_and_table_instructions_show_every_operand() {
    let cases: &[(&str, &[i32], &[&str])] = &[
        (
            r#"(memory 1) (func (export "f") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))"#,
            &[100, 9, 20],
            &["bulk memory.fill destination=100", "bulk memory.fill length=20"],
        ),
        (
            r#"(memory 1) (func (export "f") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))"#,
            &[100, 9, 20],
            &["bulk memory.copy destination=100", "bulk memory.copy source=9", "bulk memory.copy length=20"],
        ),
        (
            r#"(memory 1) (memory i64 1) (func (export "f") (param i32 i32 i32)
                (memory.copy 1 0 (i64.extend_i32_u (local.get 0)) (local.get 1) (local.get 2))
                (memory.copy 0 1 (local.get 0) (i64.extend_i32_u (local.get 1)) (local.get 2))
                (memory.fill 1 (i64.extend_i32_u (local.get 0)) (local.get 1) (i64.extend_i32_u (local.get 2))))"#,
            &[100, 9, 20],
            &[
                "bulk memory.copy destination=100",
                "bulk memory.copy source=9",
                "bulk memory.copy length=20",
                "bulk memory.copy destination=100",
                "bulk memory.copy source=9",
                "bulk memory.copy length=20",
                "bulk memory.fill destination=100",
                "bulk memory.fill length=20",
            ],
        ),
        (
            r#"(memory 1) (data $d "0123456789") (func (export "f") (param i32 i32 i32)
                (memory.init $d (local.get 0) (local.get 1) (local.get 2)))"#,
            &[100, 3, 4],
            &["bulk memory.init destination=100", "bulk memory.init source=3", "bulk memory.init length=4"],
        ),
        (
            r#"(memory 1) (func (export "f") (param i32) (result i32) (memory.grow (local.get 0)))"#,
            &[2],
            &["bulk memory.grow amount=2"],
        ),
        (
            r#"(memory i64 1) (func (export "f") (param i64) (result i64) (memory.grow (local.get 0)))"#,
            &[],
            &["bulk memory.grow amount=3"],
        ),
        (
            r#"(table 10 funcref) (func (export "f") (param i32 i32) (result i32)
                (table.set (local.get 0) (table.get (local.get 1)))
                (table.grow (ref.null func) (local.get 0)))"#,
            &[3, 4],
            &["load table.get index=4", "store table.set index=3", "bulk table.grow amount=3"],
        ),
        (
            r#"(type $t (func)) (table $t 10 (ref $t) (ref.func $g)) (table $u 5 10 (ref null $t)) (elem $e (ref $t) (ref.func $g) (ref.func $g))
                (elem declare func $g) (func $g) (func (export "f") (param i32 i32 i32)
                (table.fill $t (local.get 0) (ref.func $g) (local.get 2))
                (table.copy $u $t (local.get 0) (local.get 1) (local.get 2))
                (table.init $t $e (local.get 0) (local.get 2) (local.get 2))
                (table.set $t (local.get 0) (ref.func $g)))"#,
            &[3, 4, 1],
            &[
                "bulk table.fill destination=3",
                "bulk table.fill length=1",
                "bulk table.copy destination=3",
                "bulk table.copy source=4",
                "bulk table.copy length=1",
                "bulk table.init destination=3",
                "bulk table.init source=1",
                "bulk table.init length=1",
                "store table.set index=3",
            ],
        ),
        (
            r#"(type $a (array (mut i16))) (data $d "0123456789") (func (export "f") (param i32 i32) (result i32)
                (drop (array.new $a (i32.const 7) (local.get 0)))
                (drop (array.new_data $a $d (local.get 1) (local.get 1)))
                (array.get_u $a (array.new_default $a (local.get 0)) (local.get 1)))"#,
            &[8, 2],
            &[
                "bulk array.new length=8",
                "bulk array.new_data source=2",
                "bulk array.new_data length=2",
                "bulk array.new_default length=8",
                "load array.get_u index=2",
            ],
        ),
    ];
    for (fields, arguments, expected) in cases {
        let arguments: Vec<Val> = match arguments {
            [] => vec![Val::I64(3)],
            some => some.iter().map(|value| i32_(*value)).collect(),
        };
        assert_eq!(story(fields, &arguments), *expected, "{fields}");
    }
}

#[test]
fn constants_in_the_text_are_left_out() {
    let f = |body: &str| of(&format!(r#"(memory 1) (func (export "f") (param i32) {body})"#), &[16]);
    let none: [&str; 0] = [];
    assert_eq!(f("(drop (i32.load (i32.const 8)))"), none);
    assert_eq!(f("(i32.store (i32.const 8) (local.get 0))"), none);
    assert_eq!(f("(i32.store (local.get 0) (i32.const 8))"), ["store i32.store address=16"]);
    assert_eq!(f("(drop (i32.div_u (local.get 0) (i32.const 7)))"), ["div i32.div_u dividend=16"]);
    assert_eq!(f("(drop (i32.div_u (i32.const 7) (local.get 0)))"), ["div i32.div_u divisor=16"]);
    assert_eq!(f("(memory.fill (i32.const 8) (local.get 0) (local.get 0))"), ["bulk memory.fill length=16"]);
    assert_eq!(f("(memory.fill (local.get 0) (i32.const 8) (i32.const 8))"), ["bulk memory.fill destination=16"]);
    assert_eq!(f("(block (br_if 0 (i32.const 1)))"), none);
    // Another value than the constant that stands before it.
    assert_eq!(f("(drop (i32.load (block (result i32) (i32.const 8))))"), ["load i32.load address=8"]);
    assert_eq!(f("(i32.const 8) (local.set 0) (drop (i32.load (local.get 0)))"), ["load i32.load address=8"]);
    assert_eq!(f("(drop (i32.load (i32.add (local.get 0) (i32.const 8))))"), ["load i32.load address=24"]);
}

#[test]
fn calls_stand_in_parentheses() {
    let fields = r#"(import "env" "host" (func $host))
        (type $t (func (param i32))) (table 3 3 funcref) (elem (i32.const 0) $leaf $branch $tail) (elem declare func $leaf)
        (func $leaf (param i32) (block (br_if 0 (local.get 0))))
        (func $branch (param i32) (call $leaf (local.get 0)) (call $leaf (i32.eqz (local.get 0))))
        (func $tail (param i32) (return_call $leaf (local.get 0)))
        (func (export "f") (param i32)
            (call $host)
            (call_indirect (type $t) (i32.const 5) (local.get 0))
            (call_ref $t (i32.const 0) (ref.func $leaf))
            (call $branch (i32.const 1)))"#;
    let (set, clear) = ("branch br_if condition=1", "branch br_if condition=0");
    // Numbered in the order of the code: two in $branch, four in "f".
    let indirect = "indirect call_indirect index=1";
    let last = ["(4", clear, "4)", "(5", "(0", set, "0)", "(1", clear, "1)", "5)"];
    let first = ["(2", "2)", indirect, "(3", "(0", set, "0)", "(1", clear, "1)", "3)"];
    assert_eq!(of(fields, &[1]), [&first[..], &last].concat());
    let tail = ["(2", "2)", "indirect call_indirect index=2", "(3", set, "3)"];
    assert_eq!(of(fields, &[2]), [&tail[..], &last].concat());
    // What traps does not come back.
    assert_eq!(of(fields, &[3]), ["(2", "2)", "indirect call_indirect index=3", "(3"]);
    let trap = r#"(func $g (param i32) (drop (i32.div_u (i32.const 1) (local.get 0))))
        (func $h (param i32) (call $g (i32.const 3)) (call $g (local.get 0)))
        (func (export "f") (param i32) (call $h (local.get 0)))"#;
    let divisor = |value: i32| format!("div i32.div_u divisor={value}");
    assert_eq!(of(trap, &[0]), ["(2", "(0", &divisor(3), "0)", "(1", &divisor(0)]);
    assert_eq!(of(trap, &[5]), ["(2", "(0", &divisor(3), "0)", "(1", &divisor(5), "1)", "2)"]);
    // An exception does not come back either; what catches it goes on.
    let caught = r#"(tag $e) (func $g (throw $e)) (func (export "f") (param i32)
        (block $h (try_table (catch_all $h) (call $g))) (block (br_if 0 (local.get 0))))"#;
    assert_eq!(of(caught, &[1]), ["(0", set]);
}

#[test]
fn sites_say_where_they_are_and_what_is_not_seen() {
    let wasm = wat::parse_str(
        r#"(module (type $t (func)) (type $s (struct (field i32))) (type $a (array (mut i8)))
            (import "env" "host" (func))
            (func (param (ref null $t)) (call_ref $t (local.get 0)))
            (func (param (ref null $s) (ref null $a)) (drop (struct.get $s 0 (local.get 0)))
                (array.set $a (local.get 1) (i32.const 1) (i32.const 1))
                (block (br_on_null 0 (local.get 0)) drop))
            (memory 1)
            (func (param i32 i64) (drop (i64.rem_u (i64.load offset=8 (local.get 0)) (local.get 1)))))"#,
    )
    .unwrap();
    let out = instrument("test", &wasm, HASH, MEMORY_BYTES_MAX).unwrap();
    let sites: Vec<_> =
        out.traced.iter().map(|site| (site.function, site.class, site.operation, site.operand)).collect();
    assert_eq!(
        sites,
        [
            (3, TraceClass::Load, "i64.load", "address"),
            (3, TraceClass::Div, "i64.rem_u", "dividend"),
            (3, TraceClass::Div, "i64.rem_u", "divisor")
        ]
    );
    // i64.load is 0x29, i64.rem_u 0x82.
    let at = |site: usize| wasm[out.traced[site].offset as usize];
    assert_eq!([at(0), at(1), at(2)], [0x29, 0x82, 0x82]);
    let untraced: Vec<_> = out.untraced.iter().map(|site| (site.function, site.operation)).collect();
    assert_eq!(untraced, [(1, "call_ref"), (2, "struct.get"), (2, "array.set"), (2, "br_on_null")]);
    assert!(out.calls.is_empty(), "they are for the record");
    let record = instrument("test", &wasm, RECORD, MEMORY_BYTES_MAX).unwrap();
    assert_eq!(record.calls.len(), 1);
    assert_eq!((record.calls[0].function, wasm[record.calls[0].offset as usize]), (1, 0x14));
    assert_eq!(instrument("test", &wasm, Options::default(), MEMORY_BYTES_MAX).unwrap().traced, []);
    let strong = TraceClass::ALL.iter().filter(|class| class.is_strong()).map(|class| class.name());
    assert_eq!(strong.collect::<Vec<_>>(), ["branch", "indirect", "load", "store", "bulk", "div"]);
}

#[test]
fn a_long_record_is_read_in_windows() {
    let wasm = wat::parse_str(
        r#"(module (memory 20) (func (export "f") (param i32)
            (loop (drop (i32.load8_u (local.get 0))) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#,
    )
    .unwrap();
    let mut traced = Traced::new(&engine(), &wasm, RECORD);
    let instrumented = traced.instrumented.clone();
    let rounds = 700_000u64;
    let mut window = |from: u64| {
        let start = traced.instrumented.layout.events.start as usize;
        traced.own().fill(0);
        traced.own()[start + 8..][..8].copy_from_slice(&from.to_le_bytes());
        let function = traced.instance.get_func(&mut traced.store, "f").unwrap();
        function.call(&mut traced.store, &[i32_(rounds as i32)], &mut []).unwrap();
        let (total, events) = traced.events();
        assert_eq!(total, 2 * rounds);
        (events, traced.accumulators())
    };
    let expected = |number: u64| match number % 2 {
        0 => TraceEvent::Value { site: 0, value: rounds - number / 2 },
        _ => TraceEvent::Value { site: 1, value: u64::from(number / 2 + 1 < rounds) },
    };
    for from in [0, 1, 5, EVENTS_MAX, 2 * rounds - 1, 2 * rounds, 2 * rounds + 1, u64::MAX] {
        let (events, accumulators) = window(from);
        assert_eq!(events.len() as u64, (2 * rounds).saturating_sub(from).min(EVENTS_MAX), "from {from}");
        for (number, event) in (from..).zip(&events) {
            assert_eq!(*event, expected(number), "from {from}");
        }
        let all: Vec<TraceEvent> = (0..2 * rounds).map(expected).collect();
        assert_eq!(accumulators, folded(&instrumented, &all), "the window is not theirs");
    }
}

#[test]
fn whatever_the_record_holds_it_can_be_read() {
    let record = |header: [u64; 2], events: &[(u32, u32, u64)]| {
        let mut bytes: Vec<u8> = header.iter().chain(&[0, 0]).flat_map(|word| word.to_le_bytes()).collect();
        for (site, kind, value) in events {
            bytes.extend([site.to_le_bytes(), kind.to_le_bytes()].concat());
            bytes.extend(value.to_le_bytes());
        }
        bytes
    };
    let read = |bytes: &[u8]| {
        let (total, events) = events(bytes);
        (total, events.collect::<Vec<_>>())
    };
    let (value, call) = (TraceEvent::Value { site: 7, value: 9 }, TraceEvent::Call { call: 3 });
    assert_eq!(read(&[]), (0, vec![]));
    assert_eq!(read(&[1; 15]), (0x0101_0101_0101_0101, vec![]));
    assert_eq!(read(&[0xff; 32]), (u64::MAX, vec![]));
    let two = [(7, 0, 9), (3, 1, 0)];
    assert_eq!(read(&record([2, 0], &two)), (2, vec![value, call]));
    assert_eq!(read(&record([1, 0], &two)), (1, vec![value]));
    assert_eq!(read(&record([u64::MAX, 5], &two)), (u64::MAX, vec![value, call]));
    assert_eq!(read(&record([4, 5], &two)), (4, vec![]));
    assert_eq!(read(&record([3, 0], &[(7, 0, 9), (1, 3, 0), (4, 2, 0)])).1, [value, TraceEvent::Back { call: 4 }]);
    assert_eq!(read(&record([3, 0], &two)[..60]), (3, vec![value]), "half an event is none");
}

/// A target whose `entry` has this body.
fn target(fields: &str, body: &str) -> Target {
    let wat = format!(
        r#"(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) i32.const 1024)
            {fields} (func (export "entry") (param $p i32) (param $n i32) (result i32) {body}))"#
    );
    let wasm = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    Target::from_bytes("wat", &wasm, Manifest::default(), &Overrides::default()).unwrap()
}

fn told(executor: &Executor) -> (u64, Vec<TraceEvent>) {
    let (total, events) = events(executor.events());
    (total, events.collect())
}

#[test]
fn an_executor_traces_the_input_and_nothing_before_it() {
    // A start function and an initialiser leave traces of their own, which do not count.
    let target = target(
        r#"(func $start (drop (i32.load (memory.size)))) (start $start)
            (func (export "_initialize") (drop (i32.load (memory.size))))"#,
        "(if (i32.lt_u (i32.load8_u (local.get $p)) (i32.const 100)) (then)) (i32.const 0)",
    );
    let engine = WasmEngine::new(None).unwrap();
    let limits = Limits::default();
    let tracing = |build| Executor::tracing(&engine, &target, "entry", build, &limits).unwrap();
    let (mut hash, mut record) = (tracing(Build::Trace), tracing(Build::Record));
    let words = |executor: &Executor| {
        executor.accumulators().as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect::<Vec<u64>>()
    };
    assert_eq!(hash.events(), [0u8; 0]);
    let mut vectors = Vec::new();
    for input in [b"A", b"z", b"A", b"z"] {
        assert_eq!((hash.run(input), record.run(input)), (Outcome::Returned, Outcome::Returned));
        let below = u64::from(input[0] < 100);
        let expected = [TraceEvent::Value { site: 2, value: 1024 }, TraceEvent::Value { site: 3, value: below }];
        assert_eq!(told(&record), (2, expected.to_vec()));
        assert_eq!(words(&hash), [0, 0, fold(0, 1024), fold(0, below)]);
        assert_eq!(words(&hash), words(&record));
        vectors.push(words(&hash));
    }
    assert!(vectors[0] == vectors[2] && vectors[1] == vectors[3] && vectors[0] != vectors[1]);
    record.set_events_from(1);
    for _ in 0..2 {
        record.run(b"z");
        assert_eq!(told(&record), (2, vec![TraceEvent::Value { site: 3, value: 0 }]), "the window stays");
    }
    let mut plain = Executor::new(&engine, &target, "entry", Build::Fuzz, Reset::Dirty, &limits).unwrap();
    plain.set_events_from(1);
    plain.run(b"z");
    assert_eq!((plain.accumulators().len(), plain.events().len()), (0, 0));
}

#[test]
fn an_endless_loop_ends_at_the_same_place_each_time() {
    let target = target("", "(loop (br_if 0 (i32.load8_u (local.get $p)))) (i32.const 0)");
    let limits = Limits { fuel_base: 100_000, fuel_per_byte: 0, ..Limits::default() };
    let engine = WasmEngine::new(None).unwrap();
    let mut executor = Executor::tracing(&engine, &target, "entry", Build::Trace, &limits).unwrap();
    assert_eq!(executor.run(&[0]), Outcome::Returned);
    assert_eq!(executor.run(&[1]), Outcome::Limit(Limit::Fuel));
    let first = executor.accumulators().to_vec();
    assert_eq!(executor.run(&[1]), Outcome::Limit(Limit::Fuel));
    assert_eq!(executor.accumulators(), first);
    // What the plain module can do within its fuel, a traced one can do within its own.
    let busy = "(local $i i32) (local.set $i (i32.const 11000))
        (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.ne (i32.load8_u (local.get $p)) (i32.const 0))))))
        (i32.const 0)";
    let target = self::target("", busy);
    assert_eq!(judge(&engine, &target, "entry", &[1], &limits).unwrap().outcome, Outcome::Returned);
    for build in [Build::Trace, Build::Record] {
        let mut executor = Executor::tracing(&engine, &target, "entry", build, &limits).unwrap();
        assert_eq!(executor.run(&[1]), Outcome::Returned, "{build:?}");
    }
}

#[test]
fn results_that_are_not_a_number_are_always_the_same() {
    // 0/0, and its bits as an address' low bit: without canonical results it would depend on the machine.
    let target = target(
        "",
        "(local $x f64) (local.set $x (f64.div (local.get $x) (local.get $x)))
        (drop (f64.add (local.get $x) (local.get $x)))
        (drop (f64.add (f64.neg (local.get $x)) (local.get $x))) (i32.const 0)",
    );
    let engine = WasmEngine::new(None).unwrap();
    let mut executor = Executor::tracing(&engine, &target, "entry", Build::Record, &Limits::default()).unwrap();
    executor.run(b"");
    let value = |event: &TraceEvent| match event {
        TraceEvent::Value { value, .. } => *value,
        _ => 0,
    };
    let (nan, negative) = (0x7ff8_0000_0000_0000, 0xfff8_0000_0000_0000);
    assert_eq!(told(&executor).1.iter().map(value).collect::<Vec<_>>(), [0, 0, nan, nan, negative, nan]);
}

#[test]
fn hostile_modules_cost_little_or_are_refused() {
    // Selects that are never reached take one byte each, and forty when traced.
    let selects = |functions: usize, each: usize| {
        let function = format!("(func unreachable {} drop)", "select ".repeat(each));
        wat::parse_str(format!("(module {})", function.repeat(functions))).unwrap()
    };
    let error = |wasm: &[u8]| instrument("m.wasm", wasm, RECORD, MEMORY_BYTES_MAX).unwrap_err().to_string();
    assert!(error(&selects(1, 200_000)).contains("grows to"), "one function");
    let many = error(&selects(50, 90_000));
    assert!(many.contains("m.wasm") && many.contains("4500000 branches") && many.contains("split it"), "{many}");
    let few = instrument("m.wasm", &selects(10, 1_000), RECORD, MEMORY_BYTES_MAX).unwrap();
    assert_eq!(few.traced.len(), 10_000);
    assert!(few.wasm.len() < 10_000 * 160, "{}", few.wasm.len());
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
