//! Runs one input in a target under limits and says what happened. The only room that names wasmtime.
//!
//! An [`Executor`] is a live instance and a snapshot of its state. Each run changes as little as it must: the rewritten
//! module marks the pages that it writes, and before the next run the host copies just those back. Whatever the marks
//! cannot undo (a trap, a grown memory, a written table) costs the instance, and the next run begins in a fresh one.
//! [`judge`] runs the module as deployed, in a fresh instance, with fuel.

pub mod abi;
mod cache;
mod classify;
pub mod component;
mod engine;
mod facts;
pub mod host;
pub mod hostile;
pub mod imports;
pub mod machine;
pub mod numeric;
mod raw;
pub mod script;
pub mod stopwatch;
mod verify;
pub mod wasi;
pub mod wbindgen;

use crate::HarnessError;
use crate::execution::{Execution, Limit, Outcome, RawFrame, Trap};
use crate::instrument::{self, Instrumented, Layout, Region, Trace};
use crate::limits::Limits;
use crate::target::{Abi, Target};
use abi::{Driver, Returned};
use engine::{Allocation, EPOCH_MS, Kind, Purpose};
use facts::Facts;
use host::{HostState, enlarge, guest_bytes};
use raw::{Attached, Locked, Pages, Room};
use std::sync::Arc;
use wasmtime::{ExternType, Global, Instance, InstancePre, Linker, Memory, Module, Store, Val};

pub use crate::instrument::features;
pub use engine::Engine;
pub use stopwatch::Stopwatch;
pub use verify::{Difference, Verified, verify};

/// Allocated and freed once before the first input, so that the guest's allocator has its memory before the snapshot.
const WARM_UP_BYTES: u32 = 1 << 20;
/// Immutable i32 global with the address of a guest's last words: their length (u32, little-endian), then UTF-8. A panic
/// hook fills it where the module has no import that could tell.
pub const MESSAGE_EXPORT: &str = "AUTOCLAVE_MESSAGE";
/// A start function and the initialisers may take this many times the time of one execution.
const LOADING_TIMES: u64 = 10;
/// The judge may take this many times the wall-clock limit: a busy machine must not make a finding.
const JUDGE_TIMES: u64 = 20;
/// A traced run may burn this many times the fuel: every observed operand costs 15 instructions or so.
const TRACING_TIMES: u64 = 8;
/// A recorded one this many times: there an operand costs not quite three times as much, and what ends within the one limit
/// shall end within the other.
const RECORDING_TIMES: u64 = 3 * TRACING_TIMES;
/// What 32 bits can address.
const MEMORY32_BYTES: u64 = 1 << 32;
/// Attempts at a new instance, where the first one worked.
const REVIVALS_MAX: u32 = 3;

/// The version of a dependency that this binary was built with.
pub(crate) fn locked_version(name: &str) -> Option<&'static str> {
    let lock = include_str!("../../Cargo.lock");
    let package = lock.split("[[package]]").find(|package| package.contains(&format!("\nname = \"{name}\"\n")))?;
    package.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
}

/// `wasmtime 48.0.8`: what reports call this engine.
pub fn wasmtime_name() -> String {
    format!("wasmtime {}", locked_version("wasmtime").unwrap_or("?"))
}

/// What is added to the module before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Build {
    /// Nothing.
    Plain,
    /// Edge counters, dirty pages, and the guard of the shadow stack.
    Fuzz,
    /// As [`Build::Fuzz`], with edge counters of 32 bits (little-endian): for how often, not only whether.
    Work,
    /// As [`Build::Fuzz`], and closeness and log of compares. Slower: run it on chosen inputs.
    Compare,
    /// Accumulators of what an observer of time and caches could tell apart.
    Trace,
    /// The same, and every event.
    Record,
}

impl Build {
    fn options(self) -> Option<instrument::Options> {
        let fuzz = instrument::Options { edges: true, dirty: true, shadow_stack_guard: true, ..Default::default() };
        match self {
            Build::Plain => None,
            Build::Fuzz => Some(fuzz),
            Build::Work => Some(instrument::Options { wide: true, ..fuzz }),
            Build::Compare => Some(instrument::Options { distance: true, compare_log: true, ..fuzz }),
            Build::Trace => Some(instrument::Options { trace: Trace::Hash, ..Default::default() }),
            Build::Record => Some(instrument::Options { trace: Trace::Record, ..Default::default() }),
        }
    }
}

/// How an executor gets back to the state before the first input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reset {
    /// Written pages and changed globals are restored; a fresh instance only where that is not enough.
    Dirty,
    /// A fresh instance for each input: the reference.
    Fresh,
    /// State stays from run to run. For measuring only.
    Never,
}

/// A live instance of one target for one entry, and what it takes to run inputs in it, one after the other.
pub struct Executor {
    program: Program,
    reset: Reset,
    condition: Condition,
    live: Live,
    result: wasmtime::Result<Returned>,
    outcome: Outcome,
    fuel_used: Option<u64>,
    /// Fuel for each run, where it is not what the limits say.
    fuel_max: Option<u64>,
    wall_epochs: u64,
    /// Where the stream of the host's answers begins.
    host_seed: u64,
    counters: Counters,
    /// Declared last: the live instance maps these pages and has to be dropped before them.
    pages: Pages,
}

/// Who zeroes the edge counters before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counters {
    /// The executor.
    Cleared,
    /// The caller has done so, when it read them.
    Clear,
    /// The executor once more, because an instance was made since.
    ClearedOnce,
}

/// What the last run left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// The state is the snapshot's.
    Ready,
    /// Something ran; the marks say what it changed.
    Used,
    /// Something ran that the marks cannot undo.
    Spent,
}

/// Everything about a target that outlives its instances.
struct Program {
    /// Keeps the epochs advancing: without them no deadline fires.
    _engine: Engine,
    target: Target,
    entry: String,
    limits: Limits,
    purpose: Purpose,
    facts: Facts,
    code: Code,
    /// Where the module whose frames count lies in a component's file.
    frames_in: Option<std::ops::Range<usize>>,
    /// Why a component runs without counters.
    note: Option<String>,
    instrumented: Arc<Instrumented>,
    added_bytes: u64,
    warm_up_bytes: u32,
}

/// Why there is no instance.
enum Refusal {
    /// It could not be made, or its start function did not come back.
    Instantiation(HarnessError),
    /// What a host runs before the first input failed, the warm-up included.
    Initialisation(HarnessError),
}

impl From<HarnessError> for Refusal {
    fn from(error: HarnessError) -> Self {
        Refusal::Instantiation(error)
    }
}

impl From<Refusal> for HarnessError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Instantiation(error) | Refusal::Initialisation(error) => error,
        }
    }
}

/// What was compiled.
enum Code {
    /// A core module.
    Core {
        module: Module,
        linker: Box<Linker<HostState>>,
        /// Where only functions are imported.
        pre: Option<InstancePre<HostState>>,
        /// How to call it, where it was taken out of a component.
        unwrapped: Option<component::Unwrapped>,
    },
    /// A component as it is.
    Whole { whole: component::Whole, engine: wasmtime::Engine },
}

impl Code {
    fn engine(&self) -> &wasmtime::Engine {
        match self {
            Code::Core { module, .. } => module.engine(),
            Code::Whole { engine, .. } => engine,
        }
    }
}

/// One instance.
struct Live {
    /// Declared first: has to be dropped before the store whose memory it lies over.
    _attached: Option<Attached>,
    /// So has this.
    _locked: Option<Locked>,
    driver: Driver,
    store: Store<HostState>,
    memories: Vec<Memory>,
    globals: Vec<(Global, Val)>,
    shadow_stack_pointer: Option<Global>,
    /// Where the guest leaves its last words, see [`MESSAGE_EXPORT`].
    message_address: Option<u32>,
    snapshots: Vec<Box<[u8]>>,
    memory_bytes: u64,
}

impl Executor {
    /// Compiles (or finds in the cache), instantiates, initialises and takes the snapshot.
    /// A module whose start function or initialiser does not come back within the limits is refused here.
    pub fn new(
        engine: &Engine,
        target: &Target,
        entry: &str,
        build: Build,
        reset: Reset,
        limits: &Limits,
    ) -> Result<Self, HarnessError> {
        let program = Program::new(engine, target, entry, build.options(), Purpose::Fuzz, limits)?;
        Self::with_warm_up(program, reset, limits)
    }

    fn with_warm_up(mut program: Program, reset: Reset, limits: &Limits) -> Result<Self, HarnessError> {
        // Without marks there is nothing that could be restored; a managed heap has none.
        let restorable = program.instrumented.layout.flags.len > 0 && !program.facts.managed_heap;
        let reset = if reset == Reset::Dirty && !restorable { Reset::Fresh } else { reset };
        program.warm_up_bytes = WARM_UP_BYTES.min(limits.input_bytes_max.max(1));
        Self::start(program, reset)
    }

    fn start(mut program: Program, reset: Reset) -> Result<Self, HarnessError> {
        let mut pages = Pages::new(program.added_bytes as usize)
            .map_err(|error| HarnessError::Engine(format!("no memory for the counters: {error}")))?;
        let live = match program.instantiate(&mut pages, reset, Vec::new()) {
            // An allocator that dies of the warm-up has to do without.
            Err(Refusal::Initialisation(_)) if program.warm_up_bytes > 0 => {
                program.warm_up_bytes = 0;
                program.instantiate(&mut pages, reset, Vec::new())?
            }
            other => other?,
        };
        Ok(Self {
            wall_epochs: epochs(match program.purpose {
                // Fuel ends what the judge runs; the clock is there for what burns no fuel, on however busy a machine.
                Purpose::Judge => program.limits.wall_ms_max.saturating_mul(JUDGE_TIMES),
                Purpose::Fuzz | Purpose::Clock => program.limits.wall_ms_max,
            }),
            program,
            reset,
            condition: Condition::Ready,
            live,
            result: Ok(Returned { rejected: false }),
            outcome: Outcome::Returned,
            fuel_used: None,
            fuel_max: None,
            host_seed: host::RANDOM_SEED,
            counters: Counters::Cleared,
            pages,
        })
    }

    /// Runs one input, from the state before the first input. Allocates nothing unless a fresh instance is due.
    ///
    /// Counters and everything else that was observed stay readable until the next run.
    ///
    /// # Panics
    /// If the system has no memory for a fresh instance, where it had some for the first.
    #[inline]
    pub fn run(&mut self, input: &[u8]) -> Outcome {
        self.get_ready();
        self.clear();
        let Live { store, driver, .. } = &mut self.live;
        store.data_mut().seed = self.host_seed;
        store.data_mut().begin();
        store.set_epoch_deadline(self.wall_epochs);
        let fuel = (self.program.purpose == Purpose::Judge)
            .then(|| self.fuel_max.unwrap_or_else(|| self.program.limits.fuel(input.len())));
        if let Some(fuel) = fuel {
            store.set_fuel(fuel).expect("the judge's engine meters fuel");
        }
        self.result = driver.call(store, input);
        self.fuel_used = fuel.map(|fuel| fuel.saturating_sub(store.get_fuel().unwrap_or(0)));
        let flags = self.flags();
        self.outcome = classify::outcome(&self.result, self.live.store.data(), flags.shadow_stack_fired);
        if self.outcome == Outcome::Trap(Trap::MemoryOutOfBounds) && self.live.shadow_stack_left() {
            self.outcome = Outcome::Limit(Limit::ShadowStack);
        }
        let state = self.live.store.data();
        let restorable = self.outcome.came_back()
            && !flags.unrestorable
            && !state.limiter.table_grown
            && (state.limiter.room.is_some() || state.limiter.memory_bytes == self.live.memory_bytes);
        self.condition = match self.reset {
            Reset::Fresh => Condition::Spent,
            Reset::Dirty | Reset::Never if restorable => Condition::Used,
            Reset::Never if self.outcome.came_back() => Condition::Used,
            Reset::Dirty | Reset::Never => Condition::Spent,
        };
        self.outcome
    }

    /// From here on the caller zeroes the edge counters after each run: a loop reads them all anyway.
    pub(crate) fn leave_counters(&mut self) {
        self.counters = Counters::ClearedOnce;
    }

    /// Details of the last run.
    pub fn execution(&self) -> Execution {
        let state = self.live.store.data();
        let words = |live: &Live| live.last_words().unwrap_or_default();
        let (message, message_bytes) = match &self.result {
            // A failure of no known kind explains itself, as nothing else can. Where it happened say the frames.
            Err(error) if state.message.is_empty() && self.outcome == Outcome::Trap(Trap::Other) => {
                (error.root_cause().to_string().into_bytes(), 0)
            }
            Err(_) if state.message.is_empty() => words(&self.live),
            _ => (state.message.clone(), state.message_bytes),
        };
        Execution {
            outcome: self.outcome,
            rejected: matches!(self.result, Ok(Returned { rejected: true })),
            frames: self.frames(),
            message,
            message_bytes,
            output: state.output.clone(),
            fuel_used: self.fuel_used,
            memory_bytes_peak: state.limiter.memory_bytes_peak,
            growth_denied: state.limiter.memory_denied,
            host_calls: state.calls.calls(),
        }
    }

    /// What the last run gave back, cut at the output limit.
    pub fn output(&self) -> &[u8] {
        &self.live.store.data().output
    }

    /// Why this executor has no counters although it was asked for them: what the report has to say about it.
    pub fn note(&self) -> Option<&str> {
        self.program.note.as_deref()
    }

    /// Frames of the last run, in terms of one core module.
    fn frames(&self) -> Vec<RawFrame> {
        let frames = self.result.as_ref().err().map(classify::frames).unwrap_or_default();
        let Some(range) = &self.program.frames_in else { return frames };
        // In a component, offsets count from its beginning, and each module has its own function indices.
        let inside = frames.into_iter().filter_map(|frame| {
            let offset = frame.offset? as usize;
            range.contains(&offset).then(|| RawFrame { offset: Some((offset - range.start) as u32), ..frame })
        });
        inside.collect()
    }

    /// Fuel of the last run, where it is metered.
    pub fn fuel_used(&self) -> Option<u64> {
        self.fuel_used
    }

    /// Edge counters of the last run (four bytes each in [`Build::Work`]), at an address that stays the same as long as this executor lives; empty for [`Build::Plain`].
    pub fn counters(&mut self) -> &mut [u8] {
        self.pages.region_mut(self.program.instrumented.layout.counters)
    }

    /// Closeness of compares in the last run, at a constant address; empty but for [`Build::Compare`].
    pub fn closeness(&mut self) -> &mut [u8] {
        self.pages.region_mut(self.program.instrumented.layout.closeness)
    }

    /// Compare log of the last run, as laid out in [`instrument::Layout::log`].
    pub fn compare_log(&self) -> &[u8] {
        self.pages.region(self.program.instrumented.layout.log)
    }

    /// The module that runs, and what was added to it.
    pub fn instrumented(&self) -> &Arc<Instrumented> {
        &self.program.instrumented
    }

    /// How this executor resets: what was asked for, or [`Reset::Fresh`] where the module leaves no other way.
    pub fn reset(&self) -> Reset {
        self.reset
    }

    /// The module as deployed, with fuel, in an instance that is kept from run to run until [`Executor::renew`].
    pub fn metered(engine: &Engine, target: &Target, entry: &str, limits: &Limits) -> Result<Self, HarnessError> {
        Self::start(Program::new(engine, target, entry, None, Purpose::Judge, limits)?, Reset::Never)
    }

    /// The same with the guard of the shadow stack; `None` where the module has no such stack, or cannot be rewritten.
    pub fn metered_and_guarded(
        engine: &Engine,
        target: &Target,
        entry: &str,
        limits: &Limits,
    ) -> Result<Option<Self>, HarnessError> {
        guarded(engine, target, entry, limits).map(|program| Self::start(program, Reset::Never)).transpose()
    }

    /// [`Build::Work`] with fuel, restored after each run: what ends a run that is too long does not depend on time.
    pub fn metered_and_counted(
        engine: &Engine,
        target: &Target,
        entry: &str,
        limits: &Limits,
    ) -> Result<Self, HarnessError> {
        let program = Program::new(engine, target, entry, Build::Work.options(), Purpose::Judge, limits)?;
        Self::with_warm_up(program, Reset::Dirty, limits)
    }

    /// [`Build::Trace`] or [`Build::Record`] in a fresh instance for each input, with fuel: a loop on what is secret ends, and
    /// always at the same place. What was added burns fuel too: the limit counts 8 times, and 24 times for a record.
    pub fn tracing(
        engine: &Engine,
        target: &Target,
        entry: &str,
        build: Build,
        limits: &Limits,
    ) -> Result<Self, HarnessError> {
        let times = if build == Build::Record { RECORDING_TIMES } else { TRACING_TIMES };
        let limits = Limits {
            fuel_base: limits.fuel_base.saturating_mul(times),
            fuel_per_byte: limits.fuel_per_byte.saturating_mul(times),
            ..limits.clone()
        };
        Self::start(Program::new(engine, target, entry, build.options(), Purpose::Judge, &limits)?, Reset::Fresh)
    }

    /// Accumulators of the last run, eight bytes (little-endian) for each of [`Instrumented::traced`]; empty but for
    /// [`Build::Trace`] and [`Build::Record`].
    pub fn accumulators(&self) -> &[u8] {
        self.pages.region(self.program.instrumented.layout.accumulators)
    }

    /// Events of the last run, to be read with [`instrument::events`]; empty but for [`Build::Record`].
    pub fn events(&self) -> &[u8] {
        self.pages.region(self.program.instrumented.layout.events)
    }

    /// From the next run on, events are kept from number `from` on.
    pub fn set_events_from(&mut self, from: u64) {
        let events = self.program.instrumented.layout.events;
        if events.len > 0 {
            self.pages.region_mut(events)[8..16].copy_from_slice(&from.to_le_bytes());
        }
    }

    /// The next run begins in a fresh instance.
    pub fn renew(&mut self) {
        self.condition = Condition::Spent;
    }

    /// From here on each run of a metered executor gets that much fuel, however long its input.
    pub fn set_fuel(&mut self, fuel: u64) {
        self.fuel_max = Some(fuel);
    }

    /// From here on functions of the host answer with the stream of that seed; `None` for the usual one.
    pub fn set_host_seed(&mut self, seed: Option<u64>) {
        self.host_seed = seed.unwrap_or(host::RANDOM_SEED);
    }

    /// Whether the last run left the stack pointer elsewhere than it was when the instance was fresh; `None` where that is
    /// not known: of a module without such a stack, or as it was deployed.
    pub fn stack_pointer_moved(&mut self) -> Option<bool> {
        let index = self.program.instrumented.shadow_stack_pointer?;
        let at = self.program.instrumented.globals.iter().position(|known| *known == index)?;
        let Live { store, globals, .. } = &mut self.live;
        let (global, before) = globals.get(at)?;
        Some(value_bits(&global.get(&mut *store)) != value_bits(before))
    }

    /// Whether the next run begins in an instance that was used before.
    pub fn keeps_instance(&self) -> bool {
        self.condition != Condition::Spent
    }

    /// Contents of guest memory number `index` as the last run left it.
    pub fn memory(&self, index: usize) -> Option<&[u8]> {
        Some(guest_bytes(*self.live.memories.get(index)?, &self.live.store))
    }

    /// Values of the mutable globals as the last run left them, as bits.
    pub(crate) fn global_bits(&mut self) -> Vec<u128> {
        let Live { store, globals, .. } = &mut self.live;
        globals.iter().map(|(global, _)| value_bits(&global.get(&mut *store))).collect()
    }

    /// Resets now, and says how the state then differs from the snapshot; `None` where there is no snapshot.
    fn reset_and_compare(&mut self) -> Option<Result<(), String>> {
        if self.reset != Reset::Dirty {
            return None;
        }
        self.get_ready();
        self.condition = Condition::Ready;
        for (index, (memory, snapshot)) in self.live.memories.iter().zip(&self.live.snapshots).enumerate() {
            let data = guest_bytes(*memory, &self.live.store);
            if data.len() != snapshot.len() {
                return Some(Err(format!("memory {index} has {} bytes, not {}", data.len(), snapshot.len())));
            }
            if let Some(at) = (0..data.len()).find(|&at| data[at] != snapshot[at]) {
                return Some(Err(format!("memory {index} differs at {at:#x} after the reset")));
            }
        }
        let now = self.global_bits();
        let then: Vec<u128> = self.live.globals.iter().map(|(_, value)| value_bits(value)).collect();
        Some(if now == then { Ok(()) } else { Err("a global differs after the reset".to_owned()) })
    }

    #[inline]
    fn get_ready(&mut self) {
        match self.condition {
            Condition::Ready => {}
            Condition::Used if self.reset == Reset::Dirty => self.live.restore(),
            Condition::Used => {}
            Condition::Spent => self.revive(),
        }
    }

    /// Replaces the instance by a fresh one.
    #[cold]
    fn revive(&mut self) {
        let mut snapshots = std::mem::take(&mut self.live.snapshots);
        self.live.store.data_mut().dirty = raw::DirtyMaps::default();
        for attempt in 1.. {
            match self.program.instantiate(&mut self.pages, self.reset, std::mem::take(&mut snapshots)) {
                Ok(live) => {
                    self.live = live;
                    if self.counters == Counters::Clear {
                        // Initialisers count as well.
                        self.counters = Counters::ClearedOnce;
                    }
                    return;
                }
                Err(error) if attempt >= REVIVALS_MAX => {
                    panic!("no fresh instance after the first one: {}", HarnessError::from(error))
                }
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(EPOCH_MS)),
            }
        }
    }

    /// Zeroes what the next run counts in.
    #[inline]
    fn clear(&mut self) {
        let Layout { counters, closeness, flags, log, accumulators, events, .. } = self.program.instrumented.layout;
        let counters = if self.counters == Counters::Clear { Region::default() } else { counters };
        if self.counters == Counters::ClearedOnce {
            self.counters = Counters::Clear;
        }
        let (log, events) = (Region { len: log.len.min(4), ..log }, Region { len: events.len.min(8), ..events });
        for region in [counters, closeness, flags, log, accumulators, events] {
            // Filling nothing is slow where the processor masks stores and the page was never touched.
            if region.len > 0 {
                self.pages.region_mut(region).fill(0);
            }
        }
    }

    #[inline]
    fn flags(&self) -> Flags {
        match self.pages.region(self.program.instrumented.layout.flags) {
            [unrestorable, shadow_stack, ..] => {
                Flags { unrestorable: *unrestorable != 0, shadow_stack_fired: *shadow_stack != 0 }
            }
            _ => Flags { unrestorable: false, shadow_stack_fired: false },
        }
    }
}

struct Flags {
    unrestorable: bool,
    shadow_stack_fired: bool,
}

/// Runs the module as deployed, in fresh instances, with fuel: what is reported is what this says.
pub struct Judge {
    executor: Executor,
    /// The same module with the guard of the shadow stack, where it has such a stack: without the guard an overflow can
    /// look like any other bad access, or like nothing at all.
    guarded: Option<Executor>,
}

impl Judge {
    /// Compiles (or finds in the cache) and instantiates once, to refuse early.
    pub fn new(engine: &Engine, target: &Target, entry: &str, limits: &Limits) -> Result<Self, HarnessError> {
        let program = Program::new(engine, target, entry, None, Purpose::Judge, limits)?;
        Ok(Self {
            executor: Executor::start(program, Reset::Fresh)?,
            // A module that cannot be rewritten is judged without.
            guarded: guarded(engine, target, entry, limits)
                .map(|program| Executor::start(program, Reset::Fresh))
                .transpose()?,
        })
    }

    /// Runs one input.
    pub fn run(&mut self, input: &[u8]) -> Execution {
        let outcome = self.executor.run(input);
        let mut execution = self.executor.execution();
        if !matches!(outcome, Outcome::Limit(Limit::Fuel | Limit::Deadline | Limit::Stack))
            && let Some(guarded) = &mut self.guarded
            && guarded.run(input) == Outcome::Limit(Limit::ShadowStack)
        {
            execution.outcome = Outcome::Limit(Limit::ShadowStack);
            if execution.frames.is_empty() {
                // Function indices are the same in both; offsets are not.
                execution.frames = guarded.execution().frames;
                execution.frames.iter_mut().for_each(|frame| frame.offset = None);
            }
        }
        execution
    }
}

/// The module with the guard of its shadow stack, where it has one and can be rewritten.
fn guarded(engine: &Engine, target: &Target, entry: &str, limits: &Limits) -> Option<Program> {
    let options = instrument::Options { shadow_stack_guard: true, ..Default::default() };
    let program = Program::new(engine, target, entry, Some(options), Purpose::Judge, limits).ok()?;
    program.instrumented.shadow_stack_pointer.is_some().then_some(program)
}

/// One run of [`Judge::run`].
pub fn judge(
    engine: &Engine,
    target: &Target,
    entry: &str,
    input: &[u8],
    limits: &Limits,
) -> Result<Execution, HarnessError> {
    Ok(Judge::new(engine, target, entry, limits)?.run(input))
}

impl Live {
    /// What the guest wrote before it died, and how long it says that is.
    fn last_words(&self) -> Option<(Vec<u8>, u64)> {
        let memory = guest_bytes(*self.memories.first()?, &self.store);
        let words = memory.get(self.message_address? as usize..)?;
        let (length, text) = words.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        Some((text.get(..(length as usize).min(host::MESSAGE_BYTES_MAX))?.to_vec(), length.into()))
    }
}

fn message_address(store: &mut Store<HostState>, instance: &Instance) -> Option<u32> {
    let global = instance.get_global(&mut *store, MESSAGE_EXPORT)?;
    global.get(&mut *store).i32().map(|address| address as u32)
}

impl Program {
    fn new(
        engine: &Engine,
        target: &Target,
        entry: &str,
        options: Option<instrument::Options>,
        purpose: Purpose,
        limits: &Limits,
    ) -> Result<Self, HarnessError> {
        let name = target.name.as_str();
        let mut unwrapped = None;
        if target.abi == Abi::Component {
            let inner = component::unwrap(target, entry);
            match (options, inner) {
                (None, inner) => return Self::whole(engine, target, entry, inner.ok(), None, purpose, limits),
                (Some(_), Ok(inner)) => unwrapped = Some(inner),
                (Some(_), Err(reason)) => {
                    let note = format!("the component runs whole, without counters: {reason}");
                    return Self::whole(engine, target, entry, None, Some(note), purpose, limits);
                }
            }
        }
        let wasm = unwrapped.as_ref().map_or(&target.wasm[..], |inner| &target.wasm[inner.range.clone()]);
        let facts = Facts::read(name, wasm, limits)?;
        let instrumented = Arc::new(match options {
            None => Instrumented { wasm: wasm.to_vec(), ..Default::default() },
            Some(options) => instrument::instrument(name, wasm, options, limits.memory_bytes_max)?,
        });
        let added = usize::from(instrumented.layout.pages > 0);
        let allocation = engine::allocation(facts.memories + added, facts.tables, facts.table_elements, limits);
        let kind = Kind { purpose, allocation, effort: facts.effort() };
        let module = compile(engine, name, &instrumented.wasm, kind, limits)?;
        let mut linker = Linker::new(module.engine());
        imports::define(&mut linker, name, &module)?;
        let only_functions = module.imports().all(|import| matches!(import.ty(), ExternType::Func(_)));
        let pre = only_functions.then(|| linker.instantiate_pre(&module)).transpose();
        let pre = pre.map_err(|error| HarnessError::module(name, format_args!("its imports: {error:#}")))?;
        Ok(Self {
            _engine: engine.clone(),
            target: Target { wasm: Vec::new(), ..target.clone() },
            entry: entry.to_owned(),
            limits: limits.clone(),
            purpose,
            facts,
            code: Code::Core { module, linker: Box::new(linker), pre, unwrapped },
            frames_in: None,
            note: None,
            added_bytes: u64::from(instrumented.layout.pages) << 16,
            instrumented,
            warm_up_bytes: 0,
        })
    }

    /// A component as it is, without anything added.
    fn whole(
        engine: &Engine,
        target: &Target,
        entry: &str,
        unwrapped: Option<component::Unwrapped>,
        note: Option<String>,
        purpose: Purpose,
        limits: &Limits,
    ) -> Result<Self, HarnessError> {
        let facts = Facts::check_component(&target.name, &target.wasm, limits)?;
        let compiled = engine.compile_component(&target.name, &target.wasm, purpose, facts.effort(), limits)?;
        let facts = Facts { function_imports: component::Whole::import_names(&compiled), ..facts };
        let whole = component::Whole::link(&target.name, &compiled)?;
        Ok(Self {
            _engine: engine.clone(),
            target: Target { wasm: Vec::new(), ..target.clone() },
            entry: entry.to_owned(),
            limits: limits.clone(),
            purpose,
            facts,
            code: Code::Whole { whole, engine: compiled.engine().clone() },
            frames_in: unwrapped.map(|inner| inner.range),
            note,
            added_bytes: 0,
            instrumented: Arc::new(Instrumented { wasm: target.wasm.clone(), ..Default::default() }),
            warm_up_bytes: 0,
        })
    }

    /// A store for one instance, with the time and fuel that loading may take.
    fn store(&self) -> Store<HostState> {
        let state = HostState::new(&self.limits, &self.facts.function_imports, self.added_bytes);
        let mut store = Store::new(self.code.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_epoch_deadline(epochs(self.limits.wall_ms_max.saturating_mul(LOADING_TIMES)));
        if self.purpose == Purpose::Judge {
            store.set_fuel(self.limits.fuel_base).expect("the judge's engine meters fuel");
        }
        store
    }

    /// A fresh instance of a whole component.
    fn instantiate_whole(&self, whole: &component::Whole) -> Result<Live, HarnessError> {
        let mut store = self.store();
        let entry = whole.instantiate(&mut store, &self.target, &self.entry);
        let entry = entry.map_err(|error| self.refusal("instantiation", error, &store))?;
        let entry = entry.ok_or_else(|| {
            HarnessError::module(&self.target.name, format_args!("{:?} is not an exported function", self.entry))
        })?;
        store.data_mut().limiter.instantiated(0);
        Ok(Live {
            _attached: None,
            _locked: None,
            driver: Driver::Whole(entry),
            memories: Vec::new(),
            globals: Vec::new(),
            shadow_stack_pointer: None,
            message_address: None,
            snapshots: Vec::new(),
            memory_bytes: store.data().limiter.memory_bytes,
            store,
        })
    }

    /// A fresh instance, initialised, with its snapshots: those of an earlier instance, where there are any.
    fn instantiate(&self, pages: &mut Pages, reset: Reset, buffers: Vec<Box<[u8]>>) -> Result<Live, Refusal> {
        let name = self.target.name.as_str();
        let (module, linker, pre, unwrapped) = match &self.code {
            Code::Core { module, linker, pre, unwrapped } => (module, linker, pre, unwrapped),
            Code::Whole { whole, .. } => return Ok(self.instantiate_whole(whole)?),
        };
        let mut store = self.store();
        let instance = match pre {
            Some(pre) => pre.instantiate(&mut store),
            None => {
                let imports = imports::make(linker, &mut store, name, module)?;
                Instance::new(&mut store, module, &imports)
            }
        };
        let instance = instance.map_err(|error| self.refusal("instantiation", error, &store))?;
        store.data_mut().limiter.instantiated(self.added_bytes);
        let attached = match instance.get_memory(&mut store, instrument::MEMORY_EXPORT) {
            Some(memory) if self.added_bytes > 0 => {
                let attached = pages.attach(memory.data_ptr(&store), memory.data_size(&store));
                Some(attached.map_err(|error| HarnessError::Engine(format!("{name}: mapping the counters: {error}")))?)
            }
            _ => None,
        };
        // A start function may have made it grow; what it noted lies under the pages that have just been mapped.
        self.tell_growth(&mut store, &instance, pages);
        let driver = match unwrapped {
            Some(inner) => {
                component::Lifted::resolve(&mut store, &instance, &self.target, inner).map(Driver::Lifted)?
            }
            None => Driver::resolve(&mut store, &instance, &self.target, &self.entry)?,
        };
        store.data_mut().begin();
        driver
            .prepare(&mut store, self.warm_up_bytes)
            .map_err(|error| Refusal::Initialisation(self.refusal("initialisation", error, &store)))?;
        // The host may have added room for arguments.
        self.tell_growth(&mut store, &instance, pages);
        let limiter = &store.data().limiter;
        if self.warm_up_bytes > 0 && limiter.memory_denied > 0 {
            let error = HarnessError::module(name, "the warm-up asked for more memory than the limit");
            return Err(Refusal::Initialisation(error));
        }
        let memory_bytes = limiter.memory_bytes;
        let mut live = Live {
            _attached: attached,
            _locked: None,
            driver,
            memories: self.memories(&mut store, &instance),
            globals: self.globals(&mut store, &instance),
            shadow_stack_pointer: self.shadow_stack_pointer(&mut store, &instance),
            message_address: message_address(&mut store, &instance),
            store,
            snapshots: Vec::new(),
            memory_bytes,
        };
        if reset == Reset::Dirty {
            if let Some(memory) = self.memory_of_virtual_growth(&mut live.store, &instance) {
                live.make_room(memory, pages, &self.instrumented.layout);
            }
            live.snapshot(pages, &self.instrumented.layout.dirty, buffers);
        }
        Ok(live)
    }

    fn refusal(&self, step: &str, error: wasmtime::Error, store: &Store<HostState>) -> HarnessError {
        let outcome = classify::outcome(&Err(error), store.data(), false);
        let what = match outcome {
            Outcome::Limit(Limit::Deadline | Limit::Fuel) => "does not end within the limits".to_owned(),
            other => format!("ends with {}", other.name()),
        };
        HarnessError::module(&self.target.name, format_args!("no input can be given to it, because its {step} {what}"))
    }

    /// Guest memories in the order of their indices.
    fn memories(&self, store: &mut Store<HostState>, instance: &Instance) -> Vec<Memory> {
        if self.added_bytes == 0 {
            return abi::guest_memory(store, instance).into_iter().collect();
        }
        let names = (0..self.facts.memories).map(|index| format!("{}{index}", instrument::GUEST_MEMORY_EXPORT_PREFIX));
        names.filter_map(|name| instance.get_memory(&mut *store, &name)).collect()
    }

    /// Where the guest goes by a size of its own: the size that its memory has now.
    fn tell_growth(&self, store: &mut Store<HostState>, instance: &Instance, pages: &mut Pages) {
        if let Some(memory) = self.memory_of_virtual_growth(store, instance) {
            let beyond = memory.size(&*store) - memory.ty(&*store).minimum();
            let growth = self.instrumented.layout.growth;
            pages.region_mut(growth).copy_from_slice(&(beyond as u32).to_le_bytes());
        }
    }

    /// The memory that may be larger than the guest knows.
    fn memory_of_virtual_growth(&self, store: &mut Store<HostState>, instance: &Instance) -> Option<Memory> {
        let virtually = self.instrumented.layout.growth_is_virtual();
        virtually.then(|| instance.get_memory(store, &format!("{}0", instrument::GUEST_MEMORY_EXPORT_PREFIX)))?
    }

    /// Mutable globals and the values that they have now.
    fn globals(&self, store: &mut Store<HostState>, instance: &Instance) -> Vec<(Global, Val)> {
        let mut globals = Vec::new();
        for index in &self.instrumented.globals {
            let name = format!("{}{index}", instrument::GLOBAL_EXPORT_PREFIX);
            if let Some(global) = instance.get_global(&mut *store, &name) {
                let value = global.get(&mut *store);
                globals.push((global, value));
            }
        }
        globals
    }

    fn shadow_stack_pointer(&self, store: &mut Store<HostState>, instance: &Instance) -> Option<Global> {
        let index = self.instrumented.shadow_stack_pointer?;
        instance.get_global(&mut *store, &format!("{}{index}", instrument::GLOBAL_EXPORT_PREFIX))
    }
}

impl Live {
    /// Makes a memory as large as it may ever get, out of the guest's sight: so it can grow in each run, and be what it
    /// was before the next. Where the system has no such memory, growth costs the instance.
    fn make_room(&mut self, memory: Memory, pages: &mut Pages, layout: &Layout) {
        let floor = memory.data_size(&self.store) as u64;
        let ty = memory.ty(&self.store);
        let declared = ty.maximum().map_or(MEMORY32_BYTES, |pages| pages << 16);
        let mapped = u64::from(layout.dirty[0].len) * instrument::DIRTY_PAGE_BYTES;
        let end =
            floor.saturating_add(self.store.data().limiter.memory_bytes_left()).min(declared).min(mapped) >> 16 << 16;
        // Of a whole address space there is no address that would be out of bounds.
        if end <= floor || end >= MEMORY32_BYTES || !enlarge(memory, &mut self.store, (end - floor) >> 16) {
            return;
        }
        let base = memory.data_ptr(&self.store);
        let room = Room::new(base, floor as usize, end as usize, pages, layout.growth, ty.minimum() as usize);
        // From here on the engine knows another size than the guest: without the room nothing would be right.
        let (room, locked) = room.expect("a part of a mapping can be protected");
        self.store.data_mut().limiter.room = Some(room);
        self._locked = Some(locked);
    }

    /// Takes over or makes copies of the memories, and lets the host's writes be marked from here on.
    fn snapshot(&mut self, pages: &mut Pages, dirty: &[Region], buffers: Vec<Box<[u8]>>) {
        let mut buffers = buffers.into_iter();
        let mut maps = raw::DirtyMaps::default();
        for (memory, region) in self.memories.iter().zip(dirty) {
            pages.region_mut(*region).fill(0);
            let data = guest_bytes(*memory, &self.store);
            // Same module, same steps, same imports: a later instance begins as the first did (`verify` compares).
            let kept = buffers.next().filter(|buffer| buffer.len() == data.len());
            self.snapshots.push(kept.unwrap_or_else(|| data.into()));
            // The only memory with room has a map of all that it may grow to.
            let reach = memory.data_size(&self.store);
            maps.push(memory.data_ptr(&self.store), data.len(), reach, pages, *region);
        }
        self.store.data_mut().dirty = maps;
    }

    /// Whether the shadow stack pointer points below address 0 or beyond the memory: recursion took it there.
    fn shadow_stack_left(&mut self) -> bool {
        let pointer = self.shadow_stack_pointer.map(|global| imports::raw_bits(&global.get(&mut self.store)));
        let memory_len = self.memories.first().map_or(0, |memory| guest_bytes(*memory, &self.store).len() as u64);
        pointer.is_some_and(|pointer| pointer > memory_len)
    }

    #[inline]
    fn restore(&mut self) {
        let HostState { dirty, limiter, .. } = self.store.data_mut();
        dirty.restore(&self.snapshots, limiter.room.as_mut());
        limiter.memory_bytes = self.memory_bytes;
        for (global, value) in &self.globals {
            global.set(&mut self.store, *value).expect("the value came from this global");
        }
    }
}

/// Compiles for the pool where the module fits it, else on demand.
fn compile(engine: &Engine, name: &str, wasm: &[u8], kind: Kind, limits: &Limits) -> Result<Module, HarnessError> {
    match engine.compile(name, wasm, kind, limits) {
        // The pool has more conditions than we can foresee (the size of an instance's own structures).
        Err(_) if kind.allocation == Allocation::Pooled => {
            engine.compile(name, wasm, Kind { allocation: Allocation::OnDemand, ..kind }, limits)
        }
        other => other,
    }
}

/// A number's bits; of a reference only whether it is null.
fn value_bits(value: &Val) -> u128 {
    match value {
        Val::V128(value) => value.as_u128(),
        Val::FuncRef(reference) => reference.is_some().into(),
        Val::ExternRef(reference) => reference.is_some().into(),
        Val::AnyRef(reference) => reference.is_some().into(),
        number => imports::raw_bits(number).into(),
    }
}

/// Epochs until a deadline: at least that long, since the current epoch has begun already.
fn epochs(ms: u64) -> u64 {
    ms.div_ceil(EPOCH_MS).saturating_add(1)
}
