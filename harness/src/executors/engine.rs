//! The shared wasmtime engines: one kind to fuzz, one kind to judge, and the thread that advances their epochs.

use super::cache;
use crate::HarnessError;
use crate::instrument;
use crate::limits::Limits;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use wasmparser::WasmFeatures;
use wasmtime::component::Component;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Between two epochs. Deadlines are this coarse.
pub const EPOCH_MS: u64 = 10;
/// Frames kept of a backtrace.
const FRAMES_MAX: usize = 64;
/// Instances, memories and tables that the pool holds at once; beyond that instantiation fails.
const POOL_INSTANCES: u32 = 128;
const POOL_MEMORIES: u32 = 384;
const POOL_TABLES: u32 = 512;
/// What a module may have to fit into a slot of the pool; others are allocated on demand.
const POOL_MEMORIES_PER_MODULE: u32 = 8;
const POOL_TABLES_PER_MODULE: u32 = 16;
const POOL_TABLE_ELEMENTS: u32 = 100_000;
/// Address space of one linear memory: the whole of what 32-bit addresses reach, so that it never moves.
const MEMORY_BYTES_MAX: u64 = 1 << 32;
/// Threads that run guests have 2 MiB of stack, as Rust's do; the guest may have half of it.
const NATIVE_STACK_BYTES_MAX: u32 = 1 << 20;
/// Compiled modules kept in memory.
const MODULES_KEPT: usize = 64;

/// What an engine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Epochs only: fast.
    Fuzz,
    /// Fuel, and epochs as the outer guard.
    Judge,
    /// Epochs only, and nothing else that a deployed host does not compile: to be measured.
    Clock,
}

/// Where instances live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Allocation {
    /// Slots that are made once and reset.
    Pooled,
    /// Mapped for each instance: for modules that fit no slot, and where the system refuses the pool.
    OnDemand,
}

/// How hard the compiler tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Effort {
    /// As deployed hosts do.
    Optimised,
    /// Without the passes whose time is quadratic in one function's size: for modules with a giant function, which would
    /// otherwise take minutes.
    Quick,
}

/// One configuration of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub purpose: Purpose,
    pub allocation: Allocation,
    pub effort: Effort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    native_stack_bytes: u32,
}

/// Compiles modules and keeps them; advances epochs while it, or an executor made with it, lives. Cheap to clone; share
/// one per process.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    cache: Option<PathBuf>,
    engines: Mutex<HashMap<Key, Made>>,
    modules: Mutex<HashMap<(Key, [u8; 32]), wasmtime::Module>>,
    components: Mutex<HashMap<(Key, [u8; 32]), Component>>,
}

enum Made {
    Engine(wasmtime::Engine),
    /// The system refuses the pool's address space (`ulimit -v`, small machines).
    Refused,
}

impl Engine {
    /// Compiled code is kept in `cache`, by content hash; `None` keeps it in memory only.
    pub fn new(cache: Option<&Path>) -> Result<Self, HarnessError> {
        let shared = Arc::new(Shared {
            cache: cache.map(cache::prepare).transpose()?,
            engines: Mutex::default(),
            modules: Mutex::default(),
            components: Mutex::default(),
        });
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("epochs".into())
            .spawn(move || tick(&weak))
            .map_err(|error| HarnessError::Engine(format!("the epoch thread does not start: {error}")))?;
        Ok(Self { shared })
    }

    /// The compiled module and the allocation that it fits.
    pub(super) fn compile(
        &self,
        name: &str,
        wasm: &[u8],
        kind: Kind,
        limits: &Limits,
    ) -> Result<wasmtime::Module, HarnessError> {
        let (key, engine) = self.wasmtime(kind, limits)?;
        let hash: [u8; 32] = Sha256::digest(wasm).into();
        if let Some(module) = lock(&self.shared.modules).get(&(key, hash)) {
            return Ok(module.clone());
        }
        let module = cache::load_or_compile(self.shared.cache.as_deref(), &engine, name, wasm, &hash)?;
        let mut modules = lock(&self.shared.modules);
        if modules.len() >= MODULES_KEPT {
            modules.clear();
        }
        modules.insert((key, hash), module.clone());
        Ok(module)
    }

    /// The compiled component. Its instances are allocated on demand: it consists of any number of modules.
    pub(super) fn compile_component(
        &self,
        name: &str,
        wasm: &[u8],
        purpose: Purpose,
        effort: Effort,
        limits: &Limits,
    ) -> Result<Component, HarnessError> {
        let (key, engine) = self.wasmtime(Kind { purpose, allocation: Allocation::OnDemand, effort }, limits)?;
        let hash: [u8; 32] = Sha256::digest(wasm).into();
        if let Some(component) = lock(&self.shared.components).get(&(key, hash)) {
            return Ok(component.clone());
        }
        let component = Component::from_binary(&engine, wasm)
            .map_err(|error| HarnessError::module(name, format_args!("it does not compile: {error:#}")))?;
        let mut components = lock(&self.shared.components);
        if components.len() >= MODULES_KEPT {
            components.clear();
        }
        components.insert((key, hash), component.clone());
        Ok(component)
    }

    fn wasmtime(&self, kind: Kind, limits: &Limits) -> Result<(Key, wasmtime::Engine), HarnessError> {
        if limits.native_stack_bytes_max > NATIVE_STACK_BYTES_MAX || limits.native_stack_bytes_max < 4096 {
            return Err(HarnessError::Engine(format!(
                "the limit native_stack_bytes_max is {}: give a value from 4096 to {NATIVE_STACK_BYTES_MAX}",
                limits.native_stack_bytes_max
            )));
        }
        let mut key = Key { kind, native_stack_bytes: limits.native_stack_bytes_max };
        let mut engines = lock(&self.shared.engines);
        loop {
            match engines.get(&key) {
                Some(Made::Engine(engine)) => return Ok((key, engine.clone())),
                Some(Made::Refused) => key.kind.allocation = Allocation::OnDemand,
                None => match wasmtime::Engine::new(&config(key)) {
                    Ok(engine) => {
                        engines.insert(key, Made::Engine(engine));
                    }
                    // Slower, but it works.
                    Err(_) if key.kind.allocation == Allocation::Pooled => {
                        engines.insert(key, Made::Refused);
                    }
                    Err(error) => return Err(HarnessError::Engine(format!("wasmtime does not start: {error:#}"))),
                },
            }
        }
    }
}

/// Where instances of a module with that many parts can live.
pub(super) fn allocation(memories: usize, tables: usize, table_elements: u64, limits: &Limits) -> Allocation {
    let fits = memories <= POOL_MEMORIES_PER_MODULE as usize
        && tables <= POOL_TABLES_PER_MODULE as usize
        && table_elements <= POOL_TABLE_ELEMENTS.into()
        && limits.table_elements_max <= POOL_TABLE_ELEMENTS;
    if fits { Allocation::Pooled } else { Allocation::OnDemand }
}

/// Every setting as wasmtime's users have it by default, but for the features: what is compiled is what they run.
fn config_deployed(effort: Effort) -> Config {
    let mut config = Config::new();
    let wanted = instrument::features();
    config.wasm_features(wanted, true).wasm_features(WasmFeatures::WASM3.difference(wanted), false);
    if effort == Effort::Quick {
        config.cranelift_opt_level(wasmtime::OptLevel::None);
        config.cranelift_regalloc_algorithm(wasmtime::RegallocAlgorithm::SinglePass);
    }
    config
}

/// An engine that is as its users have it, without fuel, epochs and whatever else adds code: to look at what it compiles.
/// Nothing that is compiled with it may run, since nothing would end it.
pub(super) fn deployed(effort: Effort) -> Result<wasmtime::Engine, HarnessError> {
    wasmtime::Engine::new(&config_deployed(effort))
        .map_err(|error| HarnessError::Engine(format!("wasmtime does not start: {error:#}")))
}

fn config(key: Key) -> Config {
    let mut config = config_deployed(key.kind.effort);
    config
        .epoch_interruption(true)
        .consume_fuel(key.kind.purpose == Purpose::Judge)
        .max_wasm_stack(match key.kind.effort {
            Effort::Optimised => key.native_stack_bytes,
            // Frames of code that is not optimised are larger than those that a deployed host makes.
            Effort::Quick => NATIVE_STACK_BYTES_MAX,
        } as usize)
        .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES_MAX))
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable)
        // Two runs of one input agree to the bit, on every machine.
        .cranelift_nan_canonicalization(key.kind.purpose != Purpose::Clock)
        .relaxed_simd_deterministic(key.kind.purpose != Purpose::Clock)
        // The host keeps pointers into linear memory.
        .memory_reservation(MEMORY_BYTES_MAX)
        .memory_may_move(false);
    if key.kind.allocation == Allocation::Pooled {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(POOL_INSTANCES)
            .total_memories(POOL_MEMORIES)
            .total_tables(POOL_TABLES)
            .total_gc_heaps(POOL_INSTANCES)
            .max_memories_per_module(POOL_MEMORIES_PER_MODULE)
            .max_tables_per_module(POOL_TABLES_PER_MODULE)
            .max_core_instance_size(16 << 20)
            .table_elements(POOL_TABLE_ELEMENTS as usize)
            .max_memory_size(MEMORY_BYTES_MAX as usize);
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            // Without the scan, resident memory would be wiped whole each time: measured worse than giving it back.
            pool.linear_memory_keep_resident(2 << 20).table_keep_resident(128 << 10).pagemap_scan(Enabled::Yes);
        }
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn tick(shared: &Weak<Shared>) {
    loop {
        std::thread::sleep(Duration::from_millis(EPOCH_MS));
        let Some(shared) = shared.upgrade() else { return };
        for made in lock(&shared.engines).values() {
            if let Made::Engine(engine) = made {
                engine.increment_epoch();
            }
        }
    }
}

/// A panic elsewhere leaves these maps whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
