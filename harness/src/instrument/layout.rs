//! Where things lie in the added memory.
//!
//! Flags first (short addresses), then the counters, closeness, accumulators and events, the log, and the dirty maps last: a mark for a wild
//! address can reach no further than the reserve behind its map.

use super::{DIRTY_PAGE_BYTES, Layout, Options, Place, Region, Trace, portable};
use wasmparser::MemoryType;

/// Marks of a frame may reach this many pages beyond the last page of the address space.
pub(super) const FRAME_PAGES_MAX: u32 = 4;
/// Bytes of the records of the compare log.
pub(super) const LOG_BYTES: u32 = 4 << 20;
const REGION_ALIGN: u64 = 64;

/// Builds the layout for at most `edges` counters, `compares` sites and `traced` operands, or says how large it would be.
pub(super) fn plan(
    memories: &[MemoryType],
    options: Options,
    memory_bytes_max: u64,
    edges: u64,
    compares: u64,
    traced: u64,
    virtual_growth: bool,
) -> Result<Layout, u64> {
    let mut end = 0u64;
    let mut region = |len: u64, reserve: u64| {
        let start = end.next_multiple_of(REGION_ALIGN);
        end = start + reserve.max(len);
        (start, len)
    };
    let flags = region(if options.dirty || options.shadow_stack_guard { 8 } else { 0 }, 64);
    let growth = region(if virtual_growth { 4 } else { 0 }, 0);
    let counters = region(if options.edges { edges * u64::from(options.counter_bytes()) } else { 0 }, 0);
    let closeness = region(if options.distance { 2 * compares } else { 0 }, 0);
    let accumulators = region(if options.trace == Trace::None { 0 } else { 8 * traced }, 0);
    let events = region(if options.trace == Trace::Record { super::trace::EVENTS_REGION_BYTES } else { 0 }, 0);
    let log = region(
        if options.compare_log {
            u64::from(LOG_BYTES)
                + u64::from(super::compare::HEADER_BYTES)
                + u64::from(super::compare::STATE_BYTES) * compares
        } else {
            0
        },
        0,
    );
    let evaluated = matches!(options.place, Place::Memory(_) | Place::Tail(_));
    let seen = region(if evaluated { edges } else { 0 }, 0);
    let list = region(if evaluated { 8 * u64::from(portable::LIST_MAX) } else { 0 }, 0);
    let sentinel = region(if evaluated { portable::SENTINEL_BYTES } else { 0 }, 0);
    let dirty: Vec<(u64, u64)> = memories
        .iter()
        .map(|memory| {
            if !options.dirty {
                return (0, 0);
            }
            let page_bytes = 1u64 << memory.page_size_log2.unwrap_or(16);
            let initial = memory.initial.saturating_mul(page_bytes);
            let declared = memory.maximum.map_or(u64::MAX, |pages| pages.saturating_mul(page_bytes));
            let mut bytes = declared.min(memory_bytes_max.max(initial));
            if !memory.memory64 {
                bytes = bytes.min(1 << 32);
            }
            let pages = bytes.div_ceil(DIRTY_PAGE_BYTES).max(1);
            // A 32-bit address, in bounds or not, always finds its byte; a 64-bit one is clamped by the code.
            let reserve = if memory.memory64 { pages } else { (1 << 20) + u64::from(FRAME_PAGES_MAX) };
            region(pages, reserve)
        })
        .collect();
    let pages = end.div_ceil(1 << 16).max(1);
    if pages > 1 << 14 {
        return Err(end);
    }
    let region = |(start, len): (u64, u64)| Region { start: start as u32, len: len as u32 };
    Ok(Layout {
        counters: region(counters),
        closeness: region(closeness),
        dirty: dirty.into_iter().map(region).collect(),
        flags: region(flags),
        growth: region(growth),
        log: region(log),
        accumulators: region(accumulators),
        events: region(events),
        seen: region(seen),
        list: region(list),
        sentinel: region(sentinel),
        pages: pages as u32,
    })
}
