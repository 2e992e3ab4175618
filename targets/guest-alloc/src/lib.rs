//! The global allocator of guests that live for microseconds: a free list for each class of sizes, and behind them a
//! mark that only goes up. A dozen instructions to take a block and to give it back; what was given back last is taken
//! first, so that few pages are written, which are what a host has to restore after each run.
//!
//! Sizes are rounded up to 16 bytes, from 512 bytes on to an eighth of the power of two below. Blocks are not joined: a
//! program that frees a thousand small blocks cannot have a large one of them. What is at the mark grows and shrinks
//! where it stands. For one thread.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr::null_mut;

/// Blocks' sizes and addresses are multiples of this.
const GRAIN: usize = 16;
/// Classes with a class for each multiple of the grain.
const EXACT: usize = 32;
/// Largest size of those, bytes.
const EXACT_MAX: usize = EXACT * GRAIN;
/// Classes between a power of two and the next.
const STEPS: usize = 8;
/// Powers of two from 512 to 2³¹.
const POWERS: usize = 22;
/// Pages of a WebAssembly memory, bytes.
const PAGE: usize = 65536;
/// Largest block, bytes: what has a class, and room beside it in an address space.
const BLOCK_MAX: usize = (1 << 31) - PAGE;

/// Where memory comes from: the address of so many new pages, or 0.
pub type Pages = fn(usize) -> usize;

/// The allocator.
pub struct Classes {
    /// The first free block of each class, or 0; each holds the address of the next one.
    free: [Cell<usize>; EXACT + POWERS * STEPS],
    /// What was never taken.
    mark: Cell<usize>,
    end: Cell<usize>,
    pages: Pages,
}

// SAFETY: guests are built without threads, and tests keep each allocator on one.
unsafe impl Sync for Classes {}

/// Class and size of the block for so many bytes.
#[inline]
fn class(bytes: usize) -> (usize, usize) {
    if bytes <= EXACT_MAX {
        let class = bytes.saturating_sub(1) / GRAIN;
        return (class, (class + 1) * GRAIN);
    }
    // The power of two below, and how many steps above it.
    let last = bytes - 1;
    let power = last.ilog2();
    let step = power - STEPS.ilog2();
    let steps = (last >> step) - STEPS;
    (EXACT + (power - EXACT_MAX.ilog2()) as usize * STEPS + steps, (STEPS + steps + 1) << step)
}

impl Classes {
    /// Without memory.
    pub const fn new(pages: Pages) -> Self {
        Self { free: [const { Cell::new(0) }; EXACT + POWERS * STEPS], mark: Cell::new(0), end: Cell::new(0), pages }
    }

    /// Sees to it that so many bytes can be taken without more pages, if there are as many.
    pub fn reserve(&self, bytes: usize) {
        let start = self.more(bytes, GRAIN);
        if start != 0 {
            self.mark.set(start);
        }
    }

    /// From the mark; 0 where there is no memory left.
    #[inline]
    fn fresh(&self, size: usize, align: usize) -> usize {
        let start = self.mark.get().next_multiple_of(align.max(GRAIN));
        match start.checked_add(size) {
            Some(end) if end <= self.end.get() => {
                self.mark.set(end);
                start
            }
            _ => self.more(size, align),
        }
    }

    #[cold]
    #[inline(never)]
    fn more(&self, size: usize, align: usize) -> usize {
        let Some(wanted) = size.checked_add(align) else { return 0 };
        let pages = wanted.div_ceil(PAGE);
        let start = (self.pages)(pages);
        if start == 0 {
            return 0;
        }
        if start != self.end.get() {
            self.mark.set(start);
        }
        self.end.set(start + pages * PAGE);
        let start = self.mark.get().next_multiple_of(align.max(GRAIN));
        self.mark.set(start + size);
        start
    }
}

// SAFETY: a block is on one free list, or taken, or above the mark; never two of them. Its size is at least its class's,
// which is at least what was asked for, and its address a multiple of the alignment that was asked for: blocks of more
// than a grain's are of no free list.
unsafe impl GlobalAlloc for Classes {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > BLOCK_MAX {
            return null_mut();
        }
        let (class, size) = class(layout.size());
        let first = self.free[class].get();
        if first == 0 || layout.align() > GRAIN {
            return self.fresh(size, layout.align()) as *mut u8;
        }
        // SAFETY: a free block holds the next one's address.
        self.free[class].set(unsafe { *(first as *const usize) });
        first as *mut u8
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.align() > GRAIN {
            return;
        }
        let (class, _) = class(layout.size());
        // SAFETY: the caller gives the block back; it has room for an address and the alignment of one.
        unsafe { *block.cast::<usize>() = self.free[class].get() };
        self.free[class].set(block as usize);
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if bytes > BLOCK_MAX {
            return null_mut();
        }
        let ((_, old), (_, new)) = (class(layout.size()), class(bytes));
        if old == new {
            return block;
        }
        if block as usize + old == self.mark.get() && new <= self.end.get() - block as usize {
            self.mark.set(block as usize + new);
            return block;
        }
        // SAFETY: its size is not zero and below the largest; the old block has so many bytes, and so has the new one.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(bytes, layout.align()));
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(bytes));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// Grows the first memory.
#[cfg(target_arch = "wasm32")]
pub fn grow(pages: usize) -> usize {
    match std::arch::wasm32::memory_grow::<0>(pages) {
        usize::MAX => 0,
        before => before * PAGE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_class_and_wastes_little() {
        let mut before = (0, 0);
        for bytes in (0..100_000).chain((17..31).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 1])) {
            let (class, size) = class(bytes);
            assert!(size >= bytes && size % GRAIN == 0, "{bytes} in {size}");
            assert!(size <= bytes + GRAIN.max(bytes / STEPS), "{bytes} in {size}");
            assert!((class, size) == before || (class > before.0 && size > before.1) || bytes == 0, "{bytes}");
            before = (class, size);
        }
        assert!(class(BLOCK_MAX).0 < EXACT + POWERS * STEPS);
    }

    /// Memory for one test, page by page.
    const ARENA: usize = 1 << 26;

    fn pages(pages: usize) -> usize {
        thread_local! {
            static NEXT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
        }
        let (mut next, mut end) = NEXT.get();
        if next == 0 {
            let room: &'static mut [u8] = Box::leak(vec![0; ARENA].into_boxed_slice());
            next = (room.as_ptr() as usize).next_multiple_of(PAGE);
            end = room.as_ptr() as usize + ARENA;
        }
        if pages * PAGE > end - next {
            return 0;
        }
        NEXT.set((next + pages * PAGE, end));
        next
    }

    #[test]
    fn blocks_are_apart_aligned_and_keep_what_is_written() {
        let classes = Classes::new(pages);
        classes.reserve(100_000);
        let mut state = 7_u64;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let mut taken: Vec<(*mut u8, Layout, u8)> = Vec::new();
        // SAFETY (all of it): blocks are used within their layout, and given back once.
        let check = |block: *mut u8, bytes: usize, fill: u8| {
            let held = unsafe { std::slice::from_raw_parts(block, bytes) };
            assert!(held.iter().all(|byte| *byte == fill), "another block was written over {bytes} bytes");
        };
        for step in 0..200_000_u32 {
            let fill = step as u8;
            let bytes = 1 + if below(50) == 0 { below(100_000) } else { below(600) };
            match below(3) {
                0 if !taken.is_empty() => {
                    let (block, layout, fill) = taken.swap_remove(below(taken.len()));
                    check(block, layout.size(), fill);
                    unsafe { classes.dealloc(block, layout) };
                }
                1 if !taken.is_empty() => {
                    let at = below(taken.len());
                    let (block, layout, before) = taken[at];
                    let moved = unsafe { classes.realloc(block, layout, bytes) };
                    assert!(!moved.is_null() && (moved as usize).is_multiple_of(layout.align()));
                    check(moved, layout.size().min(bytes), before);
                    unsafe { moved.write_bytes(fill, bytes) };
                    taken[at] = (moved, Layout::from_size_align(bytes, layout.align()).unwrap(), fill);
                }
                _ if taken.len() < 200 => {
                    let layout =
                        Layout::from_size_align(bytes, 1 << below(if step % 100 == 0 { 7 } else { 5 })).unwrap();
                    let block = unsafe { classes.alloc(layout) };
                    assert!(!block.is_null() && (block as usize).is_multiple_of(layout.align()));
                    unsafe { block.write_bytes(fill, bytes) };
                    taken.push((block, layout, fill));
                }
                _ => {}
            }
        }
        taken.into_iter().for_each(|(block, layout, fill)| check(block, layout.size(), fill));
        // What there is not is not given.
        for bytes in [ARENA, BLOCK_MAX, isize::MAX as usize - 16] {
            assert!(unsafe { classes.alloc(Layout::from_size_align(bytes, 16).unwrap()) }.is_null(), "{bytes}");
        }
    }
}
