//! What the host keeps beside one instance: the limiter, the log of host calls, the random stream, bytes in and out.

use super::raw::{DirtyMaps, Room};
use crate::execution::{HostCall, Limit};
use crate::limits::Limits;
use std::fmt;
use wasmtime::{AsContextMut, Memory, ResourceLimiter, Store, StoreContextMut};

/// Bytes of a dying guest's last words that are kept.
pub const MESSAGE_BYTES_MAX: usize = 4096;
/// Arguments of a first host call that are kept.
const ARGUMENTS_MAX: usize = 8;
/// Where every run's random stream begins: runs are repeatable.
pub(super) const RANDOM_SEED: u64 = 0x6175_746f_636c_6176;

/// The data of every store.
pub struct HostState {
    /// The limits in force.
    pub limits: Limits,
    /// Decides about growth and remembers what it decided.
    pub limiter: Limiter,
    /// Host calls of this run.
    pub calls: CallLog,
    /// Values for imports that must give some: the same stream in every run.
    pub random: Random,
    /// Where that stream begins.
    pub seed: u64,
    /// The input of this run, for guests that read it from the host, and how much of it they have read.
    pub stdin: Vec<u8>,
    /// Bytes of [`HostState::stdin`] that were read.
    pub stdin_read: usize,
    /// What the entry gave back, or wrote to standard output.
    pub output: Vec<u8>,
    /// Last words: standard error, panic hooks, thrown messages.
    pub message: Vec<u8>,
    /// Length of the last words, with what was dropped, bytes.
    pub message_bytes: u64,
    /// Time that the guest has seen pass, nanoseconds.
    pub clock_ns: u64,
    /// Host writes into guest memory are noted here.
    pub(super) dirty: DirtyMaps,
}

impl HostState {
    /// Fresh state for an instance of a module with these function imports.
    pub fn new(limits: &Limits, import_names: &[String], added_bytes: u64) -> Self {
        Self {
            limits: limits.clone(),
            limiter: Limiter::new(limits, added_bytes),
            calls: CallLog::new(import_names, limits.host_calls_max),
            random: Random(RANDOM_SEED),
            seed: RANDOM_SEED,
            stdin: Vec::new(),
            stdin_read: 0,
            output: Vec::new(),
            message: Vec::new(),
            message_bytes: 0,
            clock_ns: 0,
            dirty: DirtyMaps::default(),
        }
    }

    /// Forgets the last run. Keeps every buffer, so that no run allocates once they have grown.
    pub(super) fn begin(&mut self) {
        self.limiter.begin();
        self.calls.begin();
        self.random = Random(self.seed);
        self.stdin.clear();
        self.stdin_read = 0;
        self.output.clear();
        self.message.clear();
        self.message_bytes = 0;
        self.clock_ns = 0;
    }

    /// Adds to the output, up to the limit.
    pub fn push_output(&mut self, bytes: &[u8]) -> wasmtime::Result<()> {
        let room = (self.limits.output_bytes_max as usize).saturating_sub(self.output.len());
        self.output.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room { Err(Stop(Limit::Output).into()) } else { Ok(()) }
    }

    /// Adds to the last words; what does not fit is dropped.
    pub fn push_message(&mut self, bytes: &[u8]) {
        self.message_bytes = self.message_bytes.saturating_add(bytes.len() as u64);
        let room = MESSAGE_BYTES_MAX.saturating_sub(self.message.len());
        self.message.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// The guest's memory, as large as the guest knows it.
pub fn guest_bytes(memory: Memory, store: &Store<HostState>) -> &[u8] {
    let data = memory.data(store);
    &data[..store.data().limiter.accessible(data)]
}

/// The guest's memory, as large as the guest knows it, and the host's state.
pub fn guest_bytes_mut<'a>(
    memory: Memory,
    store: impl Into<StoreContextMut<'a, HostState>>,
) -> (&'a mut [u8], &'a mut HostState) {
    let (data, state) = memory.data_and_store_mut(store);
    let len = state.limiter.accessible(data);
    (&mut data[..len], state)
}

/// Makes a memory larger, out of the account that limits keep. Says whether the system had the memory.
pub(super) fn enlarge(memory: Memory, store: &mut Store<HostState>, pages: u64) -> bool {
    let limiter = &mut store.data_mut().limiter;
    let before = (limiter.memory_bytes_max, limiter.memory_bytes, limiter.memory_bytes_peak, limiter.memory_denied);
    limiter.memory_bytes_max = u64::MAX;
    let grown = memory.grow(&mut *store, pages).is_ok();
    let limiter = &mut store.data_mut().limiter;
    (limiter.memory_bytes_max, limiter.memory_bytes, limiter.memory_bytes_peak, limiter.memory_denied) = before;
    grown
}

/// Copies bytes into guest memory on the host's behalf and notes the pages for the reset.
/// Out of bounds is the guest's fault (it named the address) and therefore the guest's trap.
pub fn write_guest(
    mut store: impl AsContextMut<Data = HostState>,
    memory: Memory,
    address: u64,
    bytes: &[u8],
) -> wasmtime::Result<()> {
    let (data, state) = guest_bytes_mut(memory, &mut store);
    let place = usize::try_from(address)
        .ok()
        .and_then(|start| data.get_mut(start..start.checked_add(bytes.len())?))
        .ok_or(wasmtime::Trap::MemoryOutOfBounds)?;
    place.copy_from_slice(bytes);
    state.dirty.mark(place);
    Ok(())
}

/// Bytes of guest memory that the guest named; out of bounds is the guest's trap.
pub fn read_guest(data: &[u8], address: u64, len: u64) -> wasmtime::Result<&[u8]> {
    let start = usize::try_from(address).ok();
    let end = address.checked_add(len).and_then(|end| usize::try_from(end).ok());
    start.zip(end).and_then(|(start, end)| data.get(start..end)).ok_or_else(|| wasmtime::Trap::MemoryOutOfBounds.into())
}

/// The host ends the run because a limit was met.
#[derive(Debug, Clone, Copy)]
pub struct Stop(pub Limit);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped by the limit {:?}", self.0)
    }
}

impl std::error::Error for Stop {}

/// The guest asked to end (`proc_exit`), with this code.
#[derive(Debug, Clone, Copy)]
pub struct Exit(pub i32);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// The guest threw an error to its JavaScript caller.
#[derive(Debug, Clone, Copy)]
pub struct Thrown;

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("thrown error")
    }
}

impl std::error::Error for Thrown {}

/// Decides about growth of memories and tables, and remembers.
pub struct Limiter {
    memory_bytes_max: u64,
    table_elements_max: u64,
    denials_max: u32,
    /// All memories now, bytes.
    pub memory_bytes: u64,
    /// Largest [`Limiter::memory_bytes`] of this run.
    pub memory_bytes_peak: u64,
    table_elements: u64,
    /// Growth requests denied in this run, memories.
    pub memory_denied: u32,
    /// Growth requests denied in this run, tables.
    pub table_denied: u32,
    /// Tables grew in this run.
    pub table_grown: bool,
    /// Where memory 0 grows into without the engine's knowledge.
    pub(super) room: Option<Room>,
}

impl Limiter {
    fn new(limits: &Limits, added_bytes: u64) -> Self {
        Self {
            // What the instrumentation adds is not the guest's: it stays out of the account.
            memory_bytes_max: limits.memory_bytes_max.saturating_add(added_bytes),
            table_elements_max: limits.table_elements_max.into(),
            denials_max: limits.growth_denials_max,
            memory_bytes: 0,
            memory_bytes_peak: 0,
            table_elements: 0,
            memory_denied: 0,
            table_denied: 0,
            table_grown: false,
            room: None,
        }
    }

    fn begin(&mut self) {
        self.memory_bytes_peak = self.memory_bytes;
        self.memory_denied = 0;
        self.table_denied = 0;
        self.table_grown = false;
    }

    /// The instance is complete: from here on only the guest's own memories count.
    pub(super) fn instantiated(&mut self, added_bytes: u64) {
        self.memory_bytes_max = self.memory_bytes_max.saturating_sub(added_bytes);
        self.memory_bytes = self.memory_bytes.saturating_sub(added_bytes);
    }

    /// Bytes that the limit leaves.
    pub(super) fn memory_bytes_left(&self) -> u64 {
        self.memory_bytes_max.saturating_sub(self.memory_bytes)
    }

    /// Bytes of a memory that may be touched.
    fn accessible(&self, data: &[u8]) -> usize {
        match &self.room {
            Some(room) if room.is_of(data.as_ptr()) => room.granted().min(data.len()),
            _ => data.len(),
        }
    }

    fn deny(&mut self) -> wasmtime::Result<bool> {
        if self.memory_denied.saturating_add(self.table_denied) > self.denials_max {
            return Err(Stop(Limit::HardDeny).into());
        }
        Ok(false)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let added = desired.saturating_sub(current);
        let total = self.memory_bytes.saturating_add(added as u64);
        let desired = self.room.as_ref().map_or(desired, |room| room.granted().saturating_add(added));
        if total > self.memory_bytes_max
            || maximum.is_some_and(|maximum| desired > maximum)
            || self.room.as_mut().is_some_and(|room| !room.grant(desired))
        {
            self.memory_denied += 1;
            return self.deny();
        }
        self.memory_bytes = total;
        self.memory_bytes_peak = self.memory_bytes_peak.max(total);
        // Where there is room, the engine is to change nothing: the guest sees that it was granted all the same.
        Ok(self.room.is_none())
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // The system refused what we allowed: to the guest it is a denial all the same.
        self.memory_denied += 1;
        self.deny().map(drop)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current) as u64);
        if total > self.table_elements_max || maximum.is_some_and(|maximum| desired > maximum) {
            self.table_denied += 1;
            return self.deny();
        }
        self.table_grown |= desired > current;
        self.table_elements = total;
        Ok(true)
    }
}

/// Counts calls to the host by import, in place: a run allocates nothing.
pub struct CallLog {
    kinds: Vec<CallKind>,
    total: u64,
    max: u64,
}

struct CallKind {
    import: String,
    count: u64,
    arguments: [u64; ARGUMENTS_MAX],
    arguments_len: usize,
}

impl CallLog {
    fn new(import_names: &[String], max: u64) -> Self {
        let kinds = import_names.iter().map(|import| CallKind {
            import: import.clone(),
            count: 0,
            arguments: [0; ARGUMENTS_MAX],
            arguments_len: 0,
        });
        Self { kinds: kinds.collect(), total: 0, max }
    }

    fn begin(&mut self) {
        if self.total > 0 {
            self.kinds.iter_mut().for_each(|kind| kind.count = 0);
            self.total = 0;
        }
    }

    /// Notes a call to function import number `import` (functions only, in the module's order) and stops the run that calls too often.
    pub fn record(&mut self, import: usize, arguments: impl IntoIterator<Item = u64>) -> wasmtime::Result<()> {
        let kind = &mut self.kinds[import];
        if kind.count == 0 {
            kind.arguments_len = 0;
            for (place, argument) in kind.arguments.iter_mut().zip(arguments) {
                *place = argument;
                kind.arguments_len += 1;
            }
        }
        kind.count += 1;
        self.charge(1)
    }

    /// Counts work that is worth that many calls, and stops the run that asks for too much.
    pub fn charge(&mut self, calls: u64) -> wasmtime::Result<()> {
        self.total = self.total.saturating_add(calls);
        if self.total > self.max { Err(Stop(Limit::HostCalls).into()) } else { Ok(()) }
    }

    /// The calls of this run, in the module's import order.
    pub fn calls(&self) -> Vec<HostCall> {
        let called = self.kinds.iter().filter(|kind| kind.count > 0);
        called
            .map(|kind| HostCall {
                import: kind.import.clone(),
                count: kind.count,
                first_arguments: kind.arguments[..kind.arguments_len].to_vec(),
            })
            .collect()
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a stream of values that is the same in every run.
pub struct Random(u64);

impl Random {
    /// A stream; equal seeds give equal streams.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.draw() % bound as u64) as usize }
    }

    /// So many bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.draw() >> 32) as u8).collect()
    }

    /// The next value.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
