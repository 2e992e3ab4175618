//! Work that grows faster than the input is found from nothing, and what is linear is not reported.

use autoclave::HarnessError;
use autoclave::complexity::{Search, SearchOptions, search};
use autoclave::executors::Engine;
use autoclave::limits::Overrides;
use autoclave::target::{Manifest, Target, find_root};
use std::path::Path;
use std::sync::OnceLock;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(None).unwrap())
}

/// A reader of lines: after `MSH` each `|` is a field, whose number is found by `number`. `$i` is its address.
fn reader(number: &str) -> Target {
    let wat = format!(
        r#"(module
            (memory (export "memory") 64)
            (func (export "alloc") (param i32) (result i32) i32.const 1024)
            (func $number (param $p i32) (param $i i32) (result i32) (local $j i32) (local $fields i32) {number})
            (func (export "entry") (param $p i32) (param $n i32) (result i32) (local $i i32) (local $sum i32)
                (if (i32.lt_u (local.get $n) (i32.const 4)) (then (return (i32.const -1))))
                (if (i32.ne (i32.load (local.get $p)) (i32.const 0x7c48534d)) (then (return (i32.const -1))))
                (local.set $i (local.get $p))
                (loop $next
                    (if (i32.eq (i32.load8_u (local.get $i)) (i32.const 0x7c)) (then
                        (local.set $sum (i32.add (local.get $sum) (call $number (local.get $p) (local.get $i))))))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $next (i32.lt_u (i32.sub (local.get $i) (local.get $p)) (local.get $n))))
                (i32.and (local.get $sum) (i32.const 0xffff))))"#
    );
    let wasm = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    Target::from_bytes("reader", &wasm, Manifest::default(), &Overrides::default()).unwrap()
}

/// Counts the fields from the beginning each time.
const FROM_THE_BEGINNING: &str = r#"
    (local.set $j (local.get $p))
    (loop $count
        (if (i32.eq (i32.load8_u (local.get $j)) (i32.const 0x7c))
            (then (local.set $fields (i32.add (local.get $fields) (i32.const 1)))))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $count (i32.le_u (local.get $j) (local.get $i))))
    (local.get $fields)"#;
/// Refuses what lies further inside: what follows is no quadratic work, only some.
const UP_TO_A_LIMIT: &str = r#"
    (if (i32.gt_u (i32.sub (local.get $i) (local.get $p)) (i32.const 4000)) (then (return (i32.const 0))))"#;
/// As much work for each field as 64 rounds make.
const A_CONSTANT_AMOUNT: &str = r#"
    (loop $count
        (local.set $fields (i32.add (local.get $fields) (i32.load8_u (local.get $i))))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $count (i32.lt_u (local.get $j) (i32.const 64))))
    (local.get $fields)"#;
/// Copies what was read so far: work that is one instruction.
const A_COPY: &str = r#"
    (memory.copy (i32.const 2097152) (local.get $p) (i32.sub (local.get $i) (local.get $p)))
    (i32.load8_u (i32.const 2097152))"#;

/// A reader of names, each ended by `;`, that refuses a name that it has seen before, among those from number `first` on.
fn names(first: &str) -> Target {
    let wat = format!(
        r#"(module
            (memory (export "memory") 64)
            (func (export "alloc") (param i32) (result i32) i32.const 1024)
            (func $same (param $a i32) (param $a_len i32) (param $b i32) (param $b_len i32) (result i32) (local $at i32)
                (if (i32.ne (local.get $a_len) (local.get $b_len)) (then (return (i32.const 0))))
                (loop $next
                    (if (i32.eq (local.get $at) (local.get $a_len)) (then (return (i32.const 1))))
                    (if (i32.ne (i32.load8_u (i32.add (local.get $a) (local.get $at)))
                                (i32.load8_u (i32.add (local.get $b) (local.get $at))))
                        (then (return (i32.const 0))))
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (br $next))
                (unreachable))
            (func (export "entry") (param $p i32) (param $n i32) (result i32)
                (local $i i32) (local $start i32) (local $count i32) (local $k i32) (local $own i32)
                (loop $next
                    (if (i32.lt_u (local.get $i) (local.get $n)) (then
                        (if (i32.eq (i32.load8_u (i32.add (local.get $p) (local.get $i))) (i32.const 59)) (then
                            (local.set $k {first})
                            (loop $earlier
                                (if (i32.lt_u (local.get $k) (local.get $count)) (then
                                    (local.set $own (i32.shl (local.get $k) (i32.const 3)))
                                    (if (call $same (i32.add (local.get $p) (local.get $start))
                                            (i32.sub (local.get $i) (local.get $start))
                                            (i32.load offset=2097152 (local.get $own))
                                            (i32.load offset=2097156 (local.get $own)))
                                        (then (return (i32.const -1))))
                                    (local.set $k (i32.add (local.get $k) (i32.const 1)))
                                    (br $earlier))))
                            (local.set $own (i32.shl (local.get $count) (i32.const 3)))
                            (i32.store offset=2097152 (local.get $own) (i32.add (local.get $p) (local.get $start)))
                            (i32.store offset=2097156 (local.get $own) (i32.sub (local.get $i) (local.get $start)))
                            (local.set $count (i32.add (local.get $count) (i32.const 1)))
                            (local.set $start (i32.add (local.get $i) (i32.const 1)))))
                        (local.set $i (i32.add (local.get $i) (i32.const 1)))
                        (br $next))))
                (local.get $count)))"#
    );
    let wasm = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    Target::from_bytes("names", &wasm, Manifest::default(), &Overrides::default()).unwrap()
}

const ALL_NAMES: &str = "(i32.const 0)";
/// The last eight.
const A_FEW_NAMES: &str =
    "(select (i32.const 0) (i32.sub (local.get $count) (i32.const 8)) (i32.lt_u (local.get $count) (i32.const 8)))";

const EXECUTIONS_MAX: u64 = 100_000;

fn searched(target: &Target, seed: u64) -> Search {
    let options = SearchOptions { seed, executions_max: EXECUTIONS_MAX, ..SearchOptions::default() };
    search(engine(), target, &target.entries[0], &options).unwrap()
}

fn told(search: &Search) -> String {
    let mut text = format!(
        "{:?} executions, {:.1} s, {} edges\n",
        search.executions,
        search.cpu.as_secs_f64(),
        search.edges_found
    );
    for grown in search.found.iter().map(|found| &found.grown).chain(&search.control) {
        text += &format!("  {:?} {} {:?}\n", grown.fit.exponent, grown.tile, grown.points.last());
    }
    for found in &search.found {
        text += &format!(
            "  function {:?}, executions {:?}, {:.1} s\n",
            found.function,
            found.executions,
            found.cpu.as_secs_f64()
        );
    }
    text
}

#[test]
fn quadratic_readers_are_found_from_nothing_and_linear_ones_are_not() {
    for (name, number, quadratic) in [
        ("counts from the beginning", FROM_THE_BEGINNING, true),
        ("copies what was read", A_COPY, true),
        ("does a constant amount", A_CONSTANT_AMOUNT, false),
        ("counts from the beginning up to a limit", &format!("{UP_TO_A_LIMIT}{FROM_THE_BEGINNING}"), false),
    ] {
        let target = reader(number);
        // What is not there is looked for once: that is what takes long.
        for seed in 1..=if quadratic { 3 } else { 1 } {
            let search = searched(&target, seed);
            assert_eq!(!search.found.is_empty(), quadratic, "{name}: {}", told(&search));
            if let Some(found) = search.found.first() {
                let exponent = found.grown.fit.exponent.unwrap();
                assert!((1.8..2.2).contains(&exponent), "{name}: {exponent}");
                assert_eq!(found.grown.tile.at_least(9), b"MSH||||||", "{name}: the tile is minimal");
                assert_eq!(search.found.len(), 1, "{name}: one cause: {}", told(&search));
                assert_eq!(found.function, Some(if name.contains("copies") { 2 } else { 1 }), "{name}");
            } else {
                let control = search.control.unwrap().fit.exponent.unwrap();
                assert!((0.0..1.1).contains(&control), "{name}: {control}");
            }
        }
    }
}

#[test]
fn repetitions_that_have_to_differ_are_numbered() {
    for seed in [1, 2, 3] {
        let search = searched(&names(ALL_NAMES), seed);
        let found = search.found.first().unwrap_or_else(|| panic!("{}", told(&search)));
        assert!(found.grown.fit.exponent.unwrap() > 1.7, "{}", told(&search));
        assert!(found.grown.tile.numbered.is_some(), "{}", told(&search));
    }
    let search = searched(&names(A_FEW_NAMES), 1);
    assert_eq!(search.found, [], "{}", told(&search));
}

/// What the guests of the resource contract have to show.
#[test]
fn guests_without_bounds_are_found_and_their_repaired_twins_are_not() {
    let root = find_root(Path::new(env!("CARGO_MANIFEST_DIR")));
    for (name, is_naive) in [("resources-naive", true), ("resources-hardened", false)] {
        let target = match Target::load(&root, name, &Overrides::default()) {
            Ok(target) => target,
            Err(HarnessError::Missing { what, remedy }) => {
                eprintln!("SKIPPED, NOT-TESTED: {what} is missing; {remedy}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        for entry in ["hl7", "decimal"] {
            for seed in [1, 2, 3] {
                let options = SearchOptions { seed, executions_max: 60_000, ..SearchOptions::default() };
                let search = search(engine(), &target, entry, &options).unwrap();
                assert_eq!(!search.found.is_empty(), is_naive, "{name}::{entry}, seed {seed}: {}", told(&search));
                if let Some(found) = search.found.first() {
                    assert!(found.grown.fit.exponent.unwrap() > 1.8, "{name}::{entry}: {}", told(&search));
                    assert!(found.grown.tile.at_least(0).len() <= 8, "{name}::{entry}: {}", told(&search));
                }
            }
        }
    }
}

#[test]
fn a_search_without_a_clock_repeats() {
    let target = reader(FROM_THE_BEGINNING);
    let mut searches = [searched(&target, 7), searched(&target, 7)];
    for search in &mut searches {
        search.cpu = Default::default();
        search.found.iter_mut().for_each(|found| found.cpu = Default::default());
    }
    assert_eq!(searches[0], searches[1]);
}
