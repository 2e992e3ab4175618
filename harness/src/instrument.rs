//! Wasm in, wasm out: adds what the loop wants to see to a module, and changes nothing that the module can see.
//!
//! Everything added lives in one extra linear memory, appended after the module's own and exported as
//! [`MEMORY_EXPORT`]. Its minimum equals its maximum, so it never moves. Function indices do not change; added
//! helper functions come last. Sections that are not touched are copied byte for byte; `.debug_*`, branch hints and
//! other custom sections that speak of code offsets are dropped, because they would lie (symbols are looked up in the
//! original module, through the site table).
//!
//! What a host must know to restore memory from the dirty map: a mark on page `p` means that some bytes of
//! `[4096 p, 4096 (p + 1) + DIRTY_OVERHANG_BYTES)` may have been written, see [`DIRTY_OVERHANG_BYTES`].

mod analysis;
mod compare;
pub mod dictionary;
mod helpers;
mod layout;
mod module;
pub mod portable;
mod rewrite;
pub mod trace;

use crate::error::HarnessError;
pub(crate) use compare::FIRST as COMPARES_FROM_THE_START;
pub use compare::{BytesCompare, CompareLog, Compared, IntCompare, read_log, visit_log};
pub use trace::{CallSite, Trace, TraceClass, TraceEvent, TraceSite, Untraced, events};
use wasmparser::WasmFeatures;

/// Export name of the added memory.
pub const MEMORY_EXPORT: &str = "__autoclave_memory";
/// Export name prefix of every mutable global of the module, by global index: the host restores them between runs.
pub const GLOBAL_EXPORT_PREFIX: &str = "__autoclave_global_";
/// Export name prefix of every guest memory, by memory index.
pub const GUEST_MEMORY_EXPORT_PREFIX: &str = "__autoclave_guest_memory_";
/// Guest page of the dirty map, bytes.
pub const DIRTY_PAGE_BYTES: u64 = 4096;
/// A marked page reaches this many bytes into its successor: one mark covers a run of stores to neighbouring
/// addresses, and the straddling end of a wide store. The host restores `DIRTY_PAGE_BYTES + DIRTY_OVERHANG_BYTES`
/// from the start of every marked page (cut at the end of the memory).
pub const DIRTY_OVERHANG_BYTES: u64 = 256;

/// The proposals that modules may use; the executor's engines are configured to these.
pub fn features() -> WasmFeatures {
    WasmFeatures::WASM3 | WasmFeatures::CUSTOM_PAGE_SIZES | WasmFeatures::WIDE_ARITHMETIC
}

/// Rewrites `wasm`. `name` stands in errors; `memory_bytes_max` is the limit on guest memory and sizes the dirty maps.
pub fn instrument(
    name: &str,
    wasm: &[u8],
    options: Options,
    memory_bytes_max: u64,
) -> Result<Instrumented, HarnessError> {
    let module = module::Module::parse(name, wasm)?;
    rewrite::rewrite(name, wasm, &module, options, memory_bytes_max)
}

/// What to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Options {
    /// Edge counters (8 bit, wrapping): function entry, both sides of every `br_if` and `if`, every `br_table` slot.
    pub edges: bool,
    /// Edge counters have 32 bits (little-endian, wrapping) instead of 8: for counting work, not only telling paths apart.
    pub wide: bool,
    /// One byte per written 4 KiB page of each guest memory, and the unrestorable flag.
    pub dirty: bool,
    /// Best closeness of the two operands per compare site, as more counters.
    pub distance: bool,
    /// Log of compare operands.
    pub compare_log: bool,
    /// Trap when the shadow stack runs below its end.
    pub shadow_stack_guard: bool,
    /// What branches, accesses and instructions of variable duration work on.
    pub trace: Trace,
    /// Where what is added is kept.
    pub place: Place,
}

/// Where what is added is kept: the last three are for hosts that are not ours, see [`portable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Place {
    /// In one memory more; every global and memory of the guest is exported, so that our host can restore them.
    #[default]
    Host,
    /// In one memory more; memory 0 may have at most that many pages.
    Memory(u32),
    /// In pages behind the initial ones of memory 0, which may have at most that many pages beside them.
    Tail(u32),
    /// In mutable globals; memory 0 may have at most that many pages.
    Globals(u32),
}

impl Options {
    /// Bytes of one edge counter.
    pub(crate) fn counter_bytes(self) -> u32 {
        if self.wide { 4 } else { 1 }
    }
}

/// Where things lie in the added memory: byte offsets and lengths, each region aligned to 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// Edge counters, one byte per edge site, or four where they are wide.
    pub counters: Region,
    /// Two bytes per compare site: 1 + bits equal (64 − Hamming), 1 + leading zeros of |a − b|. 0 = site not reached. Higher is closer.
    pub closeness: Region,
    /// One byte per 4 KiB page of guest memory 0, then memory 1 …
    pub dirty: Vec<Region>,
    /// Flags: byte 0 = something happened that the dirty map cannot undo (growth, table write, dropped segment);
    /// byte 1 = the shadow stack guard fired.
    pub flags: Region,
    /// Compare log, written and described in `instrument/compare.rs`, read by [`read_log`]. Before a run the host clears
    /// its first four bytes; nothing else of it needs clearing.
    pub log: Region,
    /// One i64 per traced site (little-endian), see [`trace::fold`]; 0 = never reached. The host zeroes them before a run.
    pub accumulators: Region,
    /// Events of [`Trace::Record`]: a header of [`trace::EVENTS_HEADER_BYTES`] bytes, of which the host zeroes the first eight
    /// before a run, then records; read by [`events`].
    pub events: Region,
    /// Pages that guest memory 0 has beyond its minimum, as the guest sees it (u32, little-endian), where its growth is
    /// virtual: see [`Layout::growth_is_virtual`].
    pub growth: Region,
    /// For [`Place::Memory`] and [`Place::Tail`]: per counter the bits seen so far.
    pub seen: Region,
    /// For those: what an evaluator found.
    pub list: Region,
    /// For those: 64 bytes behind everything else, which nobody writes.
    pub sentinel: Region,
    /// Size of the memory, wasm pages; for [`Place::Tail`] the pages behind the initial ones, from where all offsets count.
    pub pages: u32,
}

impl Layout {
    /// Whether `memory.size` and `memory.grow` of the module's only memory go by [`Layout::growth`]: then a host may make
    /// the memory larger than the guest knows, refuse every real growth, and grant it by writing there.
    pub fn growth_is_virtual(&self) -> bool {
        self.growth.len > 0
    }
}

/// A piece of the added memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Region {
    /// Byte offset.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// What stands at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SiteKind {
    /// Function entry.
    Entry,
    /// The condition was true (branch taken, `then` side).
    Taken,
    /// The condition was false.
    NotTaken,
    /// A slot of a `br_table`; the number is the slot, the default slot comes last.
    Slot(u32),
    /// A compare (of numbers, of byte strings by a loop or a call, or of a switch with its cases).
    Compare,
}

/// One site, in terms of the *original* module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site {
    /// Function index (imports counted).
    pub function: u32,
    /// Byte offset of the instruction in the original module file.
    pub offset: u32,
    /// What it is.
    pub kind: SiteKind,
}

/// The rewritten module and the map of what was added.
#[derive(Debug, Clone, Default)]
pub struct Instrumented {
    /// The rewritten module.
    pub wasm: Vec<u8>,
    /// Where things lie in the added memory.
    pub layout: Layout,
    /// `edges[i]` describes counter `i`, in code order. A side of a branch that leads straight to another branch
    /// has none: the counters of that branch add up to it. (One that leads straight to a trap is not seen to be taken.)
    pub edges: Vec<Site>,
    /// `compares[i]` describes compare site `i`.
    pub compares: Vec<Site>,
    /// `traced[i]` describes accumulator `i`, in code order.
    pub traced: Vec<TraceSite>,
    /// Instructions of which less is traced than there is to see.
    pub untraced: Vec<Untraced>,
    /// `calls[i]` describes call `i` of the events.
    pub calls: Vec<CallSite>,
    /// Indices of the module's mutable globals that were exported under [`GLOBAL_EXPORT_PREFIX`].
    pub globals: Vec<u32>,
    /// Index of the global that is the shadow stack pointer, where one was recognised.
    pub shadow_stack_pointer: Option<u32>,
}
