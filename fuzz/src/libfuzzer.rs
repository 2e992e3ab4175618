//! The few symbols through which libFuzzer sees a guest: its counters, its compares, its frames when it dies.
//!
//! The host is not instrumented; what libFuzzer counts are the guest's edges, registered in place as Jazzer does for the
//! JVM. Where libFuzzer is not linked (tests of this library) the calls do nothing.
#![allow(unsafe_code)]

use autoclave::executors::Executor;
use std::sync::Mutex;

/// Frames that the next stack trace prints, ready as text.
static FRAMES: Mutex<String> = Mutex::new(String::new());

/// Registers the executor's edge counters with libFuzzer, and keeps the executor for the rest of the process: libFuzzer
/// reads the counters where they are. `first_pc` begins the made-up addresses, one per edge.
pub fn register(executor: Executor, first_pc: usize) -> &'static mut Executor {
    let executor = Box::leak(Box::new(executor));
    let edges = executor.counters().len();
    let counters = executor.counters().as_mut_ptr_range();
    // Word two of an entry says whether the address begins a function.
    let pcs: Vec<[usize; 2]> = (0..edges).map(|edge| [first_pc + edge, usize::from(edge == 0)]).collect();
    runtime::register(counters, pcs.leak().as_flattened());
    executor
}

/// Tells libFuzzer that the guest compared these numbers. `site` stands for the place, as an address would.
pub fn compared_numbers(site: u32, width_bits: u8, left: u64, right: u64) {
    if left == right {
        return;
    }
    // Single bytes are found without help.
    match width_bits {
        16 => {
            let (left, right) = (left as u16, right as u16);
            runtime::compared_bytes(site, &left.to_le_bytes(), &right.to_le_bytes());
            runtime::compared_bytes(site, &left.to_be_bytes(), &right.to_be_bytes());
        }
        32 => {
            runtime::compared_bytes(site, &(left as u32).to_le_bytes(), &(right as u32).to_le_bytes());
            runtime::compared_32(left as u32, right as u32);
        }
        64 => {
            runtime::compared_bytes(site, &left.to_le_bytes(), &right.to_le_bytes());
            runtime::compared_64(left, right);
        }
        _ => {}
    }
}

/// Tells libFuzzer that the guest compared these bytes, as far as both go.
pub fn compared_bytes(site: u32, left: &[u8], right: &[u8]) {
    let len = left.len().min(right.len());
    let (left, right) = (&left[..len], &right[..len]);
    if left != right {
        runtime::compared_bytes(site, left, right);
    }
}

/// What the next stack trace prints.
pub fn set_frames(text: String) {
    if let Ok(mut frames) = FRAMES.lock() {
        *frames = text;
    }
}

/// Ends the process as libFuzzer does when memory runs out: message, frames, artifact, statistics, exit code.
pub fn die_of_memory() -> ! {
    runtime::allocated(isize::MAX as usize);
    // Still here: limits are off (`-rss_limit_mb=0`). It is a finding all the same.
    std::process::abort();
}

#[cfg(feature = "libfuzzer")]
mod runtime {
    use super::FRAMES;
    use std::ffi::{c_int, c_void};
    use std::ops::Range;
    use std::sync::OnceLock;

    /// What libFuzzer wants to be called with the size of each allocation.
    type MallocHook = extern "C" fn(*const c_void, usize);
    type FreeHook = extern "C" fn(*const c_void);

    static MALLOC_HOOK: OnceLock<MallocHook> = OnceLock::new();
    /// Added to a site to make an address of it.
    const SITES_BASE: usize = 0x1000;

    unsafe extern "C" {
        fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8);
        fn __sanitizer_cov_pcs_init(start: *const usize, stop: *const usize);
        fn __sanitizer_cov_trace_cmp4(left: u32, right: u32);
        fn __sanitizer_cov_trace_cmp8(left: u64, right: u64);
        fn __sanitizer_weak_hook_memcmp(caller: *const u8, a: *const u8, b: *const u8, len: usize, result: c_int);
    }

    pub(super) fn register(counters: Range<*mut u8>, pcs: &'static [usize]) {
        let pcs = pcs.as_ptr_range();
        // SAFETY: the caller leaked both, so they live as long as the process and never move; the table has two words for each counter; libFuzzer
        // reads and clears the counters between two runs, on the thread that also runs the guest.
        unsafe {
            __sanitizer_cov_8bit_counters_init(counters.start, counters.end);
            __sanitizer_cov_pcs_init(pcs.start, pcs.end);
        }
    }

    pub(super) fn compared_bytes(site: u32, left: &[u8], right: &[u8]) {
        let caller = std::ptr::without_provenance(SITES_BASE + site as usize);
        let len = left.len().min(right.len());
        // SAFETY: both pointers are valid for `len` bytes during the call; the caller's address is only hashed.
        unsafe { __sanitizer_weak_hook_memcmp(caller, left.as_ptr(), right.as_ptr(), len, 1) }
    }

    pub(super) fn compared_32(left: u32, right: u32) {
        // SAFETY: takes two numbers and keeps them.
        unsafe { __sanitizer_cov_trace_cmp4(left, right) }
    }

    pub(super) fn compared_64(left: u64, right: u64) {
        // SAFETY: takes two numbers and keeps them.
        unsafe { __sanitizer_cov_trace_cmp8(left, right) }
    }

    pub(super) fn allocated(size: usize) {
        if let Some(hook) = MALLOC_HOOK.get() {
            hook(std::ptr::null(), size);
        }
    }

    /// libFuzzer calls this when a run dies; it prints the guest's frames, not the host's.
    // SAFETY: libFuzzer looks the symbol up by this name and calls it without arguments; no other definition is linked,
    // since no sanitizer's runtime is.
    #[unsafe(no_mangle)]
    extern "C" fn __sanitizer_print_stack_trace() {
        // A signal may arrive while the text is being set: better no frames than a deadlock.
        if let Ok(frames) = FRAMES.try_lock() {
            eprint!("{frames}");
        }
    }

    /// libFuzzer hands over its check of allocations at the start, as it would to a sanitizer's allocator. Only
    /// [`allocated`] calls it.
    // SAFETY: as above; libFuzzer calls it with these two functions, which stay valid.
    #[unsafe(no_mangle)]
    extern "C" fn __sanitizer_install_malloc_and_free_hooks(malloc: MallocHook, _free: FreeHook) -> c_int {
        c_int::from(MALLOC_HOOK.set(malloc).is_ok())
    }
}

#[cfg(not(feature = "libfuzzer"))]
mod runtime {
    use std::ops::Range;

    pub(super) fn register(_counters: Range<*mut u8>, _pcs: &'static [usize]) {}
    pub(super) fn compared_bytes(_site: u32, _left: &[u8], _right: &[u8]) {}
    pub(super) fn compared_32(_left: u32, _right: u32) {}
    pub(super) fn compared_64(_left: u64, _right: u64) {}
    pub(super) fn allocated(_size: usize) {}
}
