//! What guests take from `guest-abi`, without its exports: `free` would take the C library's place in a native program.
//! And [`repeat`], to time one input without libFuzzer's loop around it.

/// What an entry gives back: a count of what was read, or how it was refused.
pub type Reading = Result<i32, Refusal>;

/// The input was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Encoding,
    Syntax,
    Meaning,
}

/// `entry!(parse, read)` makes `parse(&[u8])` of `read`.
macro_rules! entry {
    ($name:ident, $read:path) => {
        pub fn $name(bytes: &[u8]) -> guest_abi::Reading {
            $read(bytes)
        }
    };
}
pub(crate) use entry;

/// CPU time of a repetition, nanoseconds, and how often the clock is left alone.
const REPEAT_NS: u64 = 300_000_000;
const BATCH: u64 = 512;

/// If `NATIVE_REPEAT` names a file: runs its bytes again and again, says how often in how many nanoseconds of CPU time,
/// and ends the process.
pub fn repeat(run: fn(&[u8])) {
    let Some(file) = std::env::var_os("NATIVE_REPEAT") else { return };
    let bytes = std::fs::read(file).expect("NATIVE_REPEAT names a readable file");
    let (begin, mut spent, mut runs) = (cpu_ns(), 0, 0);
    while spent < REPEAT_NS {
        (0..BATCH).for_each(|_| run(&bytes));
        runs += BATCH;
        spent = cpu_ns() - begin;
    }
    println!("{runs} {spent}");
    std::process::exit(0);
}

fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("a kernel that tells CPU time");
    text.split_whitespace().next().and_then(|number| number.parse().ok()).expect("schedstat begins with a number")
}
