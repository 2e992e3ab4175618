//! Builds for other hosts count the same wherever their counters are, tell it in buckets, and the guest does not notice.

use crate::instrument::{HASH, MEMORY_BYTES_MAX, engine};
use autoclave::instrument::portable::{self, Allocator, COLLECT_EXPORT, Portable};
use autoclave::instrument::{MEMORY_EXPORT, Options, Place, Trace, instrument};
use autoclave_boundary::wire::Layout;
use std::collections::BTreeMap;
use wasmtime::{Extern, Instance, Linker, Memory, Module, Store};

/// A loop that runs `n` times, with a switch and memory that grows.
const GUEST: &str = r#"(module (memory (export "memory") 1)
  (func (export "f") (param $n i32) (result i32) (local $sum i32)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $n)))
      (if (i32.and (local.get $n) (i32.const 1))
        (then (local.set $sum (i32.add (local.get $sum) (local.get $n))))
        (else (i32.store8 (local.get $n) (local.get $sum))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br $next)))
    (i32.add (local.get $sum) (i32.load8_u (i32.const 2))))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;

struct Guest {
    store: Store<()>,
    instance: Instance,
    own: Option<Memory>,
    evaluator: Option<Instance>,
    portable: Portable,
    /// What globals have shown so far.
    seen: BTreeMap<u32, u8>,
}

impl Guest {
    fn new(portable: Portable) -> Self {
        let engine = engine();
        let mut store = Store::new(&engine, ());
        let module = Module::new(&engine, &portable.wasm).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let own = match portable.build.layout {
            Layout::Memory => instance.get_memory(&mut store, MEMORY_EXPORT),
            Layout::Tail => instance.get_memory(&mut store, "memory"),
            Layout::Globals => None,
        };
        let evaluator = own.map(|memory| {
            for sentinel in &portable.build.sentinels {
                memory.data_mut(&mut store)[*sentinel as usize..][..64].fill(0xa5);
            }
            let module = Module::new(&engine, &portable.evaluator).unwrap();
            let mut linker = Linker::new(&engine);
            linker.define(&store, "env", "memory", Extern::Memory(memory)).unwrap();
            linker.instantiate(&mut store, &module).unwrap()
        });
        Self { store, instance, own, evaluator, portable, seen: BTreeMap::new() }
    }

    fn call(&mut self, name: &str, argument: i32) -> i32 {
        let f = self.instance.get_typed_func::<i32, i32>(&mut self.store, name).unwrap();
        f.call(&mut self.store, argument).unwrap()
    }

    /// Counter and new bits.
    fn new_bits(&mut self) -> Vec<(u32, u8)> {
        let build = self.portable.build.clone();
        let (Some(own), Some(evaluator)) = (self.own, self.evaluator) else {
            let mut found = Vec::new();
            for group in 0..build.counters.div_ceil(4) {
                let packed = self.call(COLLECT_EXPORT, group as i32) as u32;
                for (lane, count) in packed.to_le_bytes().into_iter().enumerate() {
                    let counter = 4 * group + lane as u32;
                    let seen = self.seen.entry(counter).or_default();
                    let bits = bucket(count) & !*seen;
                    *seen |= bits;
                    if bits != 0 {
                        found.push((counter, bits));
                    }
                }
            }
            return found;
        };
        let f = evaluator.get_typed_func::<(), i32>(&mut self.store, "evaluate").unwrap();
        let count = f.call(&mut self.store, ()).unwrap();
        let data = own.data(&self.store);
        let word = |at: u32| u32::from_le_bytes(data[at as usize..][..4].try_into().unwrap());
        (0..count as u32).map(|n| (word(build.list + 8 * n), word(build.list + 8 * n + 4) as u8)).collect()
    }
}

/// AFL's buckets, as bits.
fn bucket(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..=7 => 8,
        8..=15 => 16,
        16..=31 => 32,
        32..=127 => 64,
        128.. => 128,
    }
}

#[test]
fn every_place_counts_alike_and_tells_what_is_new() {
    let wasm = wat::parse_str(GUEST).unwrap();
    let mut guests: Vec<Guest> =
        portable::builds("guest", &wasm, 64, Allocator::AsksFirst).unwrap().into_iter().map(Guest::new).collect();
    assert_eq!(guests.len(), 3);
    // What the plain counters of our own host say.
    let options = Options { edges: true, trace: Trace::None, ..HASH };
    let ours = instrument("guest", &wasm, options, MEMORY_BYTES_MAX).unwrap();
    let start = ours.layout.counters.start as usize;
    let engine = engine();
    let mut known = vec![0u8; ours.edges.len()];
    let mut told = 0;
    for argument in [0, 1, 2, 3, 5, 12, 12, 30, 100, 130, 250, 256, 40] {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &Module::new(&engine, &ours.wasm).unwrap(), &[]).unwrap();
        instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap().call(&mut store, argument).unwrap();
        let counts =
            instance.get_memory(&mut store, MEMORY_EXPORT).unwrap().data(&store)[start..][..known.len()].to_vec();
        let mut expected = Vec::new();
        for (counter, (count, known)) in counts.into_iter().zip(&mut known).enumerate() {
            let bits = bucket(count) & !*known;
            *known |= bits;
            if bits != 0 {
                expected.push((counter as u32, bits));
            }
        }
        told += expected.len();
        for guest in &mut guests {
            let layout = guest.portable.build.layout;
            assert_eq!(guest.portable.instrumented.edges, ours.edges, "{layout:?}");
            // Its memory is not reset between calls, so that results differ from those of fresh instances.
            guest.call("f", argument);
            assert_eq!(guest.new_bits(), expected, "{layout:?}, {argument}");
            assert_eq!(guest.new_bits(), [], "{layout:?}: reading clears");
        }
    }
    assert!(told > 15, "only {told} new bits in all");
    for guest in &mut guests {
        let layout = guest.portable.build.layout;
        let tail = if layout == Layout::Tail { guest.portable.instrumented.layout.pages as i32 } else { 0 };
        assert_eq!(guest.call("grow", 63), 1 + tail, "{layout:?}");
        assert_eq!(guest.call("grow", 1), -1, "{layout:?}: at the limit");
        for sentinel in guest.portable.build.sentinels.clone() {
            let own = guest.own.unwrap().data(&guest.store);
            assert!(own[sentinel as usize..][..64].iter().all(|byte| *byte == 0xa5), "{layout:?}");
        }
    }
}

/// What is reported as long as there is room is reported in the order of the counters; the rest is seen all the same.
#[test]
fn more_new_counters_than_the_list_holds_do_not_spill() {
    let many: String = (0..6000).map(|n| format!("(if (i32.eq (local.get 0) (i32.const {n})) (then (nop)))")).collect();
    let wat = format!(
        r#"(module (memory (export "memory") 1) (func (export "f") (param i32) (result i32) {many} (i32.const 0)))"#
    );
    let wasm = wat::parse_str(&wat).unwrap();
    for place in [Place::Memory(64), Place::Tail(64)] {
        let mut guest = Guest::new(portable::build("guest", &wasm, place).unwrap());
        guest.call("f", -1);
        let evaluator = guest.evaluator.unwrap();
        let evaluate = evaluator.get_typed_func::<(), i32>(&mut guest.store, "evaluate").unwrap();
        let count = evaluate.call(&mut guest.store, ()).unwrap() as u32;
        assert!(count > guest.portable.build.list_max, "{count}");
        let data = guest.own.unwrap().data(&guest.store);
        let end = (guest.portable.build.list + 8 * guest.portable.build.list_max) as usize;
        assert!(data[end..][..64].iter().all(|byte| *byte == 0 || *byte == 0xa5), "{place:?}");
        guest.call("f", -1);
        assert_eq!(guest.new_bits(), []);
    }
}
