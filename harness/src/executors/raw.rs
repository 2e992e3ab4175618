//! The only file with `unsafe`: pages shared between host and guest, restoring dirty pages, room to grow into, and loading
//! cached machine code.
#![allow(unsafe_code)]

use crate::instrument::{DIRTY_OVERHANG_BYTES, DIRTY_PAGE_BYTES, Region};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};
use std::ffi::c_void;
use std::ptr;

/// The added memory's bytes at an address of ours that outlives every instance: a memory file, mapped here once and over
/// each instance's added memory in turn. Guest code writes its counters there; nothing is ever copied.
pub struct Pages {
    file: std::os::fd::OwnedFd,
    base: *mut u8,
    len: usize,
}

// SAFETY: `Pages` owns its mapping, and every access to it goes through `&self`/`&mut self` of one executor.
unsafe impl Send for Pages {}

impl Pages {
    /// Zeroed pages, `len` bytes, a multiple of the system's page size.
    pub fn new(len: usize) -> std::io::Result<Self> {
        let file = rustix::fs::memfd_create("autoclave", rustix::fs::MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&file, len as u64)?;
        // SAFETY: a new mapping at an address that the system picks; nothing else refers to it.
        let base = unsafe {
            mmap(ptr::null_mut(), len.max(1), ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &file, 0)?
        };
        Ok(Self { file, base: base.cast(), len })
    }

    /// Maps these pages over an instance's added memory.
    ///
    /// `memory` must be the added memory of a live instance: `len` bytes of readable and writable linear memory that
    /// never move (its minimum is its maximum). [`Attached::drop`] must run before the instance is dropped.
    pub fn attach(&self, memory: *mut u8, memory_len: usize) -> std::io::Result<Attached> {
        assert_eq!(memory_len, self.len, "the added memory has the size that the layout says");
        // SAFETY: the range is exactly the accessible part of one linear memory, owned by an instance that is not
        // running; replacing its pages by others of equal size and protection is invisible but for their contents.
        let at = unsafe {
            mmap(
                memory.cast(),
                self.len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::FIXED,
                &self.file,
                0,
            )?
        };
        Ok(Attached { base: at, len: self.len })
    }

    /// The whole of it.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `base` is a live mapping of `len` bytes; the guest, the only other writer, runs under `&mut Executor`.
        unsafe { std::slice::from_raw_parts(self.base, self.len) }
    }

    /// One region.
    pub fn region(&self, region: Region) -> &[u8] {
        &self.bytes()[region.start as usize..][..region.len as usize]
    }

    /// One region, to write.
    pub fn region_mut(&mut self, region: Region) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` excludes other references.
        let bytes = unsafe { std::slice::from_raw_parts_mut(self.base, self.len) };
        &mut bytes[region.start as usize..][..region.len as usize]
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: our own mapping, made in `new` and not used after this.
        let _ = unsafe { munmap(self.base.cast(), self.len.max(1)) };
    }
}

/// [`Pages`] mapped over an instance's added memory, for as long as this lives.
pub struct Attached {
    base: *mut c_void,
    len: usize,
}

// SAFETY: it only stands for a mapping; it gives no access to it.
unsafe impl Send for Attached {}

impl Drop for Attached {
    fn drop(&mut self) {
        // The allocator of instances reuses the range and takes it for private zero pages: give it such pages back.
        // SAFETY: the range is the added memory of an instance that is still alive (see `Pages::attach`).
        let result = unsafe {
            mmap_anonymous(self.base, self.len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::FIXED)
        };
        if result.is_err() {
            // The range still shows our shared pages; another instance would see this one's counters. Nothing that a
            // caller could do would repair that.
            std::process::abort();
        }
    }
}

/// One guest memory's place in the host's address space, with its dirty bytes in [`Pages`].
struct Place {
    base: *mut u8,
    len: usize,
    /// Host writes are noted up to here: more than `len` where the memory may grow.
    reach: usize,
    dirty: *mut u8,
    dirty_len: usize,
}

/// Dirty bytes of all guest memories of one instance; empty where nothing is tracked.
#[derive(Default)]
pub struct DirtyMaps {
    places: Vec<Place>,
}

// SAFETY: the pointers are used only while the instance and the `Pages` that they point into are alive and not running,
// by the one executor that owns them all.
unsafe impl Send for DirtyMaps {}

impl DirtyMaps {
    /// Tracks one more memory of a live instance.
    ///
    /// `base` and `len` are the linear memory as it stands now (it never moves; if it grows other than into
    /// `reach`, the executor discards the instance). `dirty` lies in `pages`. Both must outlive `self`: the executor keeps them in one struct and clears
    /// this first.
    pub(super) fn push(&mut self, base: *mut u8, len: usize, reach: usize, pages: &mut Pages, dirty: Region) {
        let bytes = pages.region_mut(dirty);
        assert!(bytes.len() >= reach.div_ceil(DIRTY_PAGE_BYTES as usize), "the dirty map covers the memory");
        assert!(reach >= len, "a memory does not shrink");
        self.places.push(Place { base, len, reach, dirty: bytes.as_mut_ptr(), dirty_len: bytes.len() });
    }

    /// Notes a write by the host. `written` lies in one of the memories, else nothing is to be noted.
    pub fn mark(&mut self, written: &[u8]) {
        let Some(last) = written.len().checked_sub(1) else { return };
        let start = written.as_ptr() as usize;
        for place in &self.places {
            let offset = start.wrapping_sub(place.base as usize);
            if offset < place.reach {
                let first_page = offset / DIRTY_PAGE_BYTES as usize;
                let last_page = ((offset + last) / DIRTY_PAGE_BYTES as usize).min(place.dirty_len - 1);
                // SAFETY: both pages lie below `dirty_len`, and `first_page` does because `offset < reach`.
                unsafe { ptr::write_bytes(place.dirty.add(first_page), 1, last_page + 1 - first_page) };
                return;
            }
        }
    }

    /// Puts every written page back to what the snapshots say, and forgets the marks. Returns how many pages that were.
    /// What the only memory has grown by is given back, as zeroes.
    pub(super) fn restore(&mut self, snapshots: &[Box<[u8]>], room: Option<&mut Room>) -> usize {
        assert_eq!(snapshots.len(), self.places.len());
        let mut pages = 0;
        if let (Some(room), [place]) = (room, &self.places[..])
            && room.granted > room.floor
        {
            pages += room.take_back(place);
        }
        for (place, snapshot) in self.places.iter().zip(snapshots) {
            assert_eq!(snapshot.len(), place.len);
            let map_len = place.len.div_ceil(DIRTY_PAGE_BYTES as usize);
            let words = map_len / 8;
            for word in 0..words {
                // SAFETY: `map_len <= dirty_len` (asserted in `push`); regions start at multiples of 64, so words are aligned.
                let marks = unsafe { place.dirty.cast::<u64>().add(word) };
                // SAFETY: as above.
                if unsafe { *marks } != 0 {
                    pages += restore_pages(place, snapshot, word * 8, 8);
                }
            }
            if map_len % 8 != 0 {
                pages += restore_pages(place, snapshot, words * 8, map_len % 8);
            }
        }
        pages
    }
}

/// Restores those of `count` pages from `first` on that are marked.
fn restore_pages(place: &Place, snapshot: &[u8], first: usize, count: usize) -> usize {
    let mut pages = 0;
    for page in first..first + count {
        // SAFETY: the caller stays below `len.div_ceil(4096) <= dirty_len`.
        let mark = unsafe { &mut *place.dirty.add(page) };
        if *mark != 0 {
            *mark = 0;
            pages += 1;
            let start = page * DIRTY_PAGE_BYTES as usize;
            let len = ((DIRTY_PAGE_BYTES + DIRTY_OVERHANG_BYTES) as usize).min(place.len - start);
            // SAFETY: `start + len <= place.len == snapshot.len()`; the snapshot is memory of the host, apart from the guest's.
            unsafe { ptr::copy_nonoverlapping(snapshot.as_ptr().add(start), place.base.add(start), len) };
        }
    }
    pages
}

/// Memory behind a guest's own that it may grow into: it is there, but no access is allowed until it is granted, so that
/// a wild access traps as it would at the end of a memory of the size that the guest knows.
pub struct Room {
    base: *mut u8,
    /// Bytes that the guest has without growing.
    floor: usize,
    /// Bytes that it may access now.
    granted: usize,
    /// Bytes that there are.
    end: usize,
    /// Where the guest reads how many pages it has beyond its minimum.
    pages_beyond_minimum: *mut u32,
    pages_minimum: usize,
}

// SAFETY: as for `DirtyMaps`.
unsafe impl Send for Room {}

const WASM_PAGE_BYTES: usize = 1 << 16;

impl Room {
    /// Forbids access from `floor` to `end`. Those bytes belong to the linear memory at `base`, of a live instance that is
    /// not running, and are zero; all numbers are multiples of the wasm page. `Pages` must outlive `self`, and what is
    /// returned beside it must be dropped before the instance.
    pub(super) fn new(
        base: *mut u8,
        floor: usize,
        end: usize,
        pages: &mut Pages,
        growth: Region,
        pages_minimum: usize,
    ) -> std::io::Result<(Self, Locked)> {
        assert!(floor <= end && (floor | end).is_multiple_of(WASM_PAGE_BYTES), "whole pages");
        assert!(floor >= pages_minimum * WASM_PAGE_BYTES, "a memory has at least its minimum");
        let pages_beyond_minimum = pages.region_mut(growth).as_mut_ptr().cast();
        let room = Self { base, floor, granted: floor, end, pages_beyond_minimum, pages_minimum };
        protect(base, floor, end, MprotectFlags::empty())?;
        let locked = Locked { base, floor, end };
        room.tell();
        Ok((room, locked))
    }

    /// Lets the guest access its memory up to `bytes`, and tells it. Fails where there is no such room.
    pub(super) fn grant(&mut self, bytes: usize) -> bool {
        if bytes < self.granted
            || bytes > self.end
            || protect(self.base, self.granted, bytes, MprotectFlags::READ | MprotectFlags::WRITE).is_err()
        {
            return false;
        }
        self.granted = bytes;
        self.tell();
        true
    }

    /// Bytes that the guest may access now.
    pub(super) fn granted(&self) -> usize {
        self.granted
    }

    /// Whether this is room of the memory that begins there.
    pub(super) fn is_of(&self, base: *const u8) -> bool {
        base == self.base.cast_const()
    }

    fn tell(&self) {
        let pages = (self.granted / WASM_PAGE_BYTES - self.pages_minimum) as u32;
        // SAFETY: the region lies in the added memory, aligned to 64 bytes; the guest, which reads it, is not running or
        // is waiting for the answer.
        unsafe { self.pages_beyond_minimum.write(pages.to_le()) };
    }

    /// Zeroes what was written beyond the floor, forgets its marks, and forbids access again. Returns the pages written.
    #[cold]
    fn take_back(&mut self, place: &Place) -> usize {
        assert!(self.granted <= place.reach && self.is_of(place.base));
        let page_bytes = DIRTY_PAGE_BYTES as usize;
        let mut pages = 0;
        // A mark on the last page before the floor reaches over it.
        let first = (self.floor / page_bytes).saturating_sub(1);
        for page in first..self.granted / page_bytes {
            // SAFETY: `granted <= reach`, and the map covers that (asserted in `push`).
            let mark = unsafe { &mut *place.dirty.add(page) };
            if *mark != 0 {
                pages += 1;
                let start = (page * page_bytes).max(self.floor);
                let end = ((page + 1) * page_bytes + DIRTY_OVERHANG_BYTES as usize).min(self.granted);
                // SAFETY: `floor <= start <= end <= granted`: the guest's memory, accessible, and nobody else's.
                unsafe { ptr::write_bytes(self.base.add(start), 0, end - start) };
                // The page before the floor still has to be restored.
                if page * page_bytes >= self.floor {
                    *mark = 0;
                }
            }
        }
        if protect(self.base, self.floor, self.granted, MprotectFlags::empty()).is_err() {
            // The guest would have memory that it did not ask for; nothing that a caller could do would repair that.
            std::process::abort();
        }
        self.granted = self.floor;
        self.tell();
        pages
    }
}

/// Gives the bytes of a [`Room`] back to the instance's allocator, which takes them for accessible.
pub struct Locked {
    base: *mut u8,
    floor: usize,
    end: usize,
}

// SAFETY: it only stands for a range; it gives no access to it.
unsafe impl Send for Locked {}

impl Drop for Locked {
    fn drop(&mut self) {
        if protect(self.base, self.floor, self.end, MprotectFlags::READ | MprotectFlags::WRITE).is_err() {
            // The allocator would write to what is forbidden.
            std::process::abort();
        }
    }
}

/// Sets what is allowed with the bytes of a linear memory from `start` to `end`.
fn protect(base: *mut u8, start: usize, end: usize, flags: MprotectFlags) -> std::io::Result<()> {
    if start == end {
        return Ok(());
    }
    // SAFETY: the callers' ranges lie in the linear memory of a live instance, at multiples of the system's page; bytes
    // that are forbidden are reached by nobody but guest code, whose accesses then trap.
    unsafe { mprotect(base.add(start).cast(), end - start, flags) }?;
    Ok(())
}

/// Loads machine code that [`wasmtime::Module::serialize`] gave in this or an earlier run of ours.
///
/// The caller vouches that `bytes` come from a file in a directory that only this user can write, whose recorded checksum
/// and key (module, engine version and configuration) have been compared: see `cache.rs`.
pub(super) fn deserialize(engine: &wasmtime::Engine, bytes: &[u8]) -> wasmtime::Result<wasmtime::Module> {
    // SAFETY: see above; whoever can forge such a file already runs code as this user. wasmtime itself refuses files of
    // other versions and configurations.
    unsafe { wasmtime::Module::deserialize(engine, bytes) }
}
