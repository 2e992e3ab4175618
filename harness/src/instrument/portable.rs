//! Builds for hosts that are not ours: the same edge counters in places that every JavaScript engine has, and the small
//! module that tells what is new beside them.
//!
//! Three places, best first. A second memory cannot be reached by the guest at all, but Node 20 has none. Pages behind the
//! initial memory are everywhere, and safe where the guest's allocator only believes `memory.grow` (Rust's dlmalloc does;
//! Emscripten and AssemblyScript take every page that they find). Mutable globals are everywhere and out of the guest's
//! reach; they are slower to read.

use super::module::Module;
use super::{Instrumented, Options, Place, instrument};
use crate::error::HarnessError;
use autoclave_boundary::wire::{Build, Layout as Where};
use wasm_encoder::{BlockType, Encode, Function, ValType};

/// Export name of the shadow stack pointer.
pub const STACK_POINTER_EXPORT: &str = "__autoclave_stack_pointer";
/// Export name of the function that gives four counters at a time, packed, and clears them.
pub const COLLECT_EXPORT: &str = "__autoclave_collect";
/// Export name of the global with the rounds of loops that are left: the host sets it, and a round too many is a trap.
pub const FUEL_EXPORT: &str = "__autoclave_fuel";
/// That global: a mutable i32, and as many rounds as there can be for what runs before the host sets it.
pub(super) const FUEL_GLOBAL: &[u8] = &[0x7f, 0x01, 0x41, 0xff, 0xff, 0xff, 0xff, 0x07, 0x0b];
/// Most new counters that one evaluation tells one by one.
pub const LIST_MAX: u32 = 4096;
/// Bytes before and after everything that nobody writes.
pub const SENTINEL_BYTES: u64 = 64;
/// Most counters in globals: engines take a million of them, and reading them takes time.
const GLOBALS_MAX: usize = 100_000;
const PAGE_BYTES: u64 = 1 << 16;

/// A build, what a host must know of it, and its evaluator (empty where it needs none).
#[derive(Debug, Clone)]
pub struct Portable {
    /// The module.
    pub wasm: Vec<u8>,
    /// What is where.
    pub build: Build,
    /// The helper module.
    pub evaluator: Vec<u8>,
    /// What was instrumented: `edges[i]` describes counter `i`.
    pub instrumented: Instrumented,
}

/// Whether a guest's allocator only uses memory that it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocator {
    /// It does: pages behind the initial ones stay untouched.
    AsksFirst,
    /// It may take whatever is there.
    Unknown,
}

/// Builds of a module, best first; a place that the module cannot have is left out.
///
/// # Errors
/// The module cannot be instrumented at all.
pub fn builds(name: &str, wasm: &[u8], pages_max: u32, allocator: Allocator) -> Result<Vec<Portable>, HarnessError> {
    let places: &[fn(u32) -> Place] = match allocator {
        Allocator::AsksFirst => &[Place::Memory, Place::Tail, Place::Globals],
        Allocator::Unknown => &[Place::Memory, Place::Globals],
    };
    let mut builds = Vec::new();
    let mut failed = None;
    for place in places {
        match build(name, wasm, place(pages_max)) {
            Ok(build) => builds.push(build),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if builds.is_empty() => Err(error),
        _ => Ok(builds),
    }
}

/// The module with counters in that place.
///
/// # Errors
/// It cannot be instrumented, or not there.
pub fn build(name: &str, wasm: &[u8], place: Place) -> Result<Portable, HarnessError> {
    let options = Options { edges: true, place, ..Options::default() };
    let instrumented = instrument(name, wasm, options, 0)?;
    let layout = &instrumented.layout;
    let counters = instrumented.edges.len() as u32;
    let base = match place {
        Place::Tail(_) => (tail_base(wasm, name)?) as u32,
        _ => 0,
    };
    let where_ = match place {
        Place::Globals(_) => Where::Globals,
        Place::Tail(_) => Where::Tail,
        Place::Memory(_) | Place::Host => Where::Memory,
    };
    if where_ == Where::Globals && instrumented.edges.len() > GLOBALS_MAX {
        return Err(HarnessError::module(name, format!("has {counters} branches, more than {GLOBALS_MAX} globals")));
    }
    let build = Build {
        layout: where_,
        counters,
        start: base + layout.counters.start,
        seen: base + layout.seen.start,
        list: base + layout.list.start,
        list_max: LIST_MAX,
        // The first 64 bytes are the place of flags that this build does not have.
        sentinels: match where_ {
            Where::Tail => vec![base, base + layout.sentinel.start],
            _ => Vec::new(),
        },
        stack_pointer: instrumented.shadow_stack_pointer.map(|_| STACK_POINTER_EXPORT.to_owned()),
    };
    let evaluator = match where_ {
        Where::Globals => Vec::new(),
        _ => evaluator(name, &build)?,
    };
    Ok(Portable { wasm: instrumented.wasm.clone(), build, evaluator, instrumented })
}

/// Pages that the module's first memory begins with; none where it has no memory, or is no module.
pub fn initial_pages(wasm: &[u8]) -> Option<u64> {
    Module::parse("", wasm).ok()?.memories.first().map(|memory| memory.initial)
}

/// Index of the memory with the tail, and the address of its first byte.
pub(super) fn tail(name: &str, module: &Module) -> Result<(u32, u64), HarnessError> {
    let plain = |memory: &wasmparser::MemoryType| {
        !memory.memory64 && !memory.shared && memory.page_size_log2.is_none_or(|log2| log2 == 16)
    };
    match module.memories.first() {
        Some(memory) if module.memories_imported == 0 && plain(memory) && memory.initial < 1 << 15 => {
            Ok((0, memory.initial * PAGE_BYTES))
        }
        _ => Err(HarnessError::module(name, "has no memory of its own that pages could be put behind")),
    }
}

fn tail_base(wasm: &[u8], name: &str) -> Result<u64, HarnessError> {
    Ok(tail(name, &Module::parse(name, wasm)?)?.1)
}

/// The module's own memories as they are written: the first one with its limit, and with its tail.
pub(super) fn memories(module: &Module, place: Place, pages: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, memory) in module.memories.iter().enumerate().skip(module.memories_imported as usize) {
        let mut ty = wasm_encoder::MemoryType {
            minimum: memory.initial,
            maximum: memory.maximum,
            memory64: memory.memory64,
            shared: memory.shared,
            page_size_log2: memory.page_size_log2,
        };
        let (limit, behind) = match place {
            Place::Host => (None, 0),
            Place::Memory(limit) | Place::Globals(limit) => (Some(limit), 0),
            Place::Tail(limit) => (Some(limit), u64::from(pages)),
        };
        if let (0, Some(limit)) = (index, limit) {
            let declared = ty.maximum.unwrap_or(u64::MAX);
            ty.maximum = Some(declared.min(u64::from(limit).max(ty.minimum)) + behind);
            ty.minimum += behind;
        }
        ty.encode(&mut bytes);
    }
    bytes
}

/// That many mutable globals of type i32 that start with 0.
pub(super) fn zeros(count: usize) -> Vec<u8> {
    // Type, mutability, `i32.const 0`, `end`.
    [0x7f, 0x01, 0x41, 0x00, 0x0b].repeat(count)
}

/// Appends the function that packs and clears counters `4 i` to `4 i + 3`: a search tree, so that its depth is a logarithm.
pub(super) fn collect(first: u32, count: u32, code: &mut Vec<u8>) {
    fn tree(function: &mut Function, first: u32, count: u32, low: u32, high: u32) {
        if high - low > 1 {
            let middle = low + (high - low) / 2;
            function.instructions().local_get(0).i32_const(middle as i32).i32_lt_u().if_(BlockType::Empty);
            tree(function, first, count, low, middle);
            function.instructions().else_();
            tree(function, first, count, middle, high);
            function.instructions().end();
            return;
        }
        for at in 4 * low..(4 * low + 4).min(count) {
            let shift = 8 * (at % 4);
            let mut sink = function.instructions();
            sink.local_get(1).global_get(first + at).i32_const(255).i32_and();
            sink.i32_const(shift as i32).i32_shl().i32_or().local_set(1);
            sink.i32_const(0).global_set(first + at);
        }
    }
    let mut function = Function::new([(1, ValType::I32)]);
    tree(&mut function, first, count, 0, count.div_ceil(4).max(1));
    function.instructions().local_get(1).end();
    function.encode(code);
}

/// The module that reads counters beside the guest, 16 at a time and only words that were touched: `evaluate` writes what
/// no run before had and gives its number, `clear` forgets. Buckets are AFL's: 1, 2, 3, 4-7, 8-15, 16-31, 32-127, 128 and more.
fn evaluator(name: &str, build: &Build) -> Result<Vec<u8>, HarnessError> {
    let Build { start, seen, list, list_max, counters, .. } = build;
    let end = counters.next_multiple_of(16);
    let text = format!(
        r#"(module (import "env" "memory" (memory 0))
  (func (export "clear") (memory.fill (i32.const {start}) (i32.const 0) (i32.const {end})))
  (func (export "evaluate") (result i32)
    (local $i i32) (local $n i32) (local $v v128) (local $new v128) (local $j i32) (local $bits i32)
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (i32.const {end})))
      (local.set $v (v128.load offset={start} (local.get $i)))
      (if (v128.any_true (local.get $v)) (then
        (local.set $v (v128.or
          (i8x16.swizzle (v128.const i8x16 0 1 2 4 8 8 8 8 16 16 16 16 16 16 16 16) (local.get $v))
          (i8x16.swizzle (v128.const i8x16 0 32 64 64 64 64 64 64 -128 -128 -128 -128 -128 -128 -128 -128)
            (i8x16.shr_u (local.get $v) (i32.const 4)))))
        (v128.store offset={start} (local.get $i) (v128.const i64x2 0 0))
        (local.set $new (v128.andnot (local.get $v) (v128.load offset={seen} (local.get $i))))
        (if (v128.any_true (local.get $new)) (then
          (v128.store offset={seen} (local.get $i)
            (v128.or (v128.load offset={seen} (local.get $i)) (local.get $v)))
          (v128.store offset={start} (local.get $i) (local.get $new))
          (local.set $j (i32.const 0))
          (loop $lane
            (local.set $bits (i32.load8_u offset={start} (i32.add (local.get $i) (local.get $j))))
            (if (local.get $bits) (then
              (if (i32.lt_u (local.get $n) (i32.const {list_max})) (then
                (i32.store offset={list} (i32.shl (local.get $n) (i32.const 3)) (i32.add (local.get $i) (local.get $j)))
                (i32.store offset={list_bits} (i32.shl (local.get $n) (i32.const 3)) (local.get $bits))))
              (local.set $n (i32.add (local.get $n) (i32.const 1)))))
            (br_if $lane (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 16))))
          (v128.store offset={start} (local.get $i) (v128.const i64x2 0 0))))))
      (local.set $i (i32.add (local.get $i) (i32.const 16)))
      (br $next)))
    (local.get $n)))"#,
        list_bits = list + 4,
    );
    wat::parse_str(&text).map_err(|error| HarnessError::module(name, format!("its evaluator cannot be made: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Parser, Payload, Validator};

    const GUEST: &str = r#"(module (memory (export "memory") 2 2000) (global $sp (mut i32) (i32.const 65536))
        (func (export "f") (param i32) (result i32)
            (global.set $sp (i32.sub (global.get $sp) (i32.const 16)))
            (if (result i32) (local.get 0) (then (i32.const 7)) (else (i32.const 9)))))"#;

    fn memories_of(wasm: &[u8]) -> Vec<(u64, Option<u64>)> {
        let sections = Parser::new(0).parse_all(wasm).map(Result::unwrap);
        let mut found = Vec::new();
        for section in sections {
            if let Payload::MemorySection(memories) = section {
                found.extend(memories.into_iter().map(|memory| memory.map(|m| (m.initial, m.maximum)).unwrap()));
            }
        }
        found
    }

    /// Limits, tails and evaluators fit together; what they count is tested in hosts (`tests/it/boundary.rs`).
    #[test]
    fn every_place_gives_a_valid_module_with_its_memory_limited() {
        let wasm = wat::parse_str(GUEST).unwrap();
        let all = builds("guest", &wasm, 100, Allocator::AsksFirst).unwrap();
        let places: Vec<Where> = all.iter().map(|portable| portable.build.layout).collect();
        assert_eq!(places, [Where::Memory, Where::Tail, Where::Globals]);
        for portable in &all {
            Validator::new_with_features(super::super::features()).validate_all(&portable.wasm).unwrap();
            assert_eq!(portable.build.stack_pointer.as_deref(), Some(STACK_POINTER_EXPORT));
            assert_eq!(portable.build.counters, 3, "entry and both sides of the if");
        }
        assert_eq!(memories_of(&all[0].wasm)[0], (2, Some(100)));
        assert_eq!(memories_of(&all[1].wasm), [(3, Some(101))]);
        assert_eq!(memories_of(&all[2].wasm), [(2, Some(100))]);
        let tail = &all[1].build;
        assert_eq!(tail.sentinels[0], 2 << 16);
        assert_eq!(tail.start, (2 << 16) + 64);
        assert!(tail.sentinels[1] + 64 <= 3 << 16 && tail.sentinels[1] >= tail.list + 8 * tail.list_max);
        let unknown = builds("guest", &wasm, 100, Allocator::Unknown).unwrap();
        assert_eq!(unknown.len(), 2, "a tail is only for allocators that ask first");
        let imported = wat::parse_str(r#"(module (import "e" "m" (memory 1)) (func (export "f")))"#).unwrap();
        let places = builds("guest", &imported, 100, Allocator::AsksFirst).unwrap();
        assert_eq!(places.len(), 2, "nothing is put behind a memory that somebody else makes");
    }
}
