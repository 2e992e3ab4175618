//! What makes two findings one: oracle, outcome and the frames that matter, by name. No addresses, no lines, no paths, so
//! that a bucket survives a rebuild; function index and offset only in modules that were stripped of their names.

use crate::execution::{Execution, Limit, Outcome};
use crate::symbols::{Frame, Inlined, Returns, without_generics};
use autoclave_reports::record::Bucket;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

/// Frames of the target's own code that a bucket holds.
const TOP_FRAMES: usize = 3;
/// Functions of a recursion that a bucket holds.
const CYCLE_FRAMES: usize = 4;

/// The bucket of a finding. `frames` innermost first, as [`crate::symbols::Symbols::resolve_all`] gives them. For what ran
/// out of fuel or time, give the frames that [`common_frames`] of several samples leaves: the innermost one is chance.
pub fn bucket(oracle: &str, outcome: Outcome, frames: &[Frame]) -> Bucket {
    let names = match outcome {
        Outcome::Limit(Limit::Stack | Limit::ShadowStack) => cycle(frames),
        _ => top(frames),
    };
    Bucket { oracle: oracle.to_owned(), outcome: outcome.name().to_owned(), frames: names }
}

/// The outer frames that all samples of one endless run share, innermost first: what is inside of them is where each
/// sample happened to be stopped. The innermost frame that is left is the one that loops (or calls what does).
pub fn common_frames(samples: &[Vec<Frame>]) -> Vec<Frame> {
    let Some((first, others)) = samples.split_first() else { return Vec::new() };
    let same = |a: &Frame, b: &Frame| (a.function, &a.name, a.inlined) == (b.function, &b.name, b.inlined);
    let shared = others
        .iter()
        .map(|other| first.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| same(a, b)).count())
        .min()
        .unwrap_or(first.len());
    let mut common = first[first.len() - shared..].to_vec();
    // A loop that inlined calls: the common part must not end in the middle of a function, its lines are chance as well.
    if let Some(innermost) = common.first_mut()
        && others.iter().any(|other| other[other.len() - shared].offset != innermost.offset)
    {
        innermost.offset = None;
        innermost.function_offset = None;
    }
    common
}

/// Budgets to stop an endless run at, for the samples of [`common_frames`]: parts of `fuel`, and a few units beside, so
/// that a loop of regular length is met at different places. The whole budget is the judge's own run and not among them.
pub fn fuel_samples(fuel: u64) -> [u64; 5] {
    [(911, 1), (823, 3), (739, 7), (641, 12), (563, 20)].map(|(permille, beside)| fuel / 1000 * permille + beside)
}

/// One line for a finding: what happens and where.
pub fn title(rule_title: &str, frames: &[Frame]) -> String {
    let cause = frames.iter().take_while(|frame| class(frame) != Class::Own).filter_map(cause).last();
    let what = cause.map_or_else(|| rule_title.to_owned(), |cause| format!("{rule_title}: {cause}"));
    let Some(frame) = frames.iter().find(|frame| class(frame) == Class::Own).or(frames.first()) else { return what };
    let name = without_generics(&frame.name());
    match &frame.location {
        Some(at) => format!("{what} in {name} ({}:{})", at.file.shown, at.line),
        None => format!("{what} in {name}"),
    }
}

/// A cheap key that groups raw executions of one (instrumented) module before they are judged: outcome and function
/// indices, recursion collapsed. More keys than buckets is expected; two buckets under one key is not, but for lines.
pub fn quick_key(execution: &Execution) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    execution.outcome.name().hash(&mut hasher);
    let functions = execution.frames.iter().map(|frame| frame.function);
    match execution.outcome {
        Outcome::Limit(Limit::Stack | Limit::ShadowStack) => {
            let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
            functions.for_each(|function| *seen.entry(function).or_default() += 1);
            seen.iter().filter(|(_, times)| **times > 1).for_each(|(function, _)| function.hash(&mut hasher));
        }
        Outcome::Limit(Limit::Fuel | Limit::Deadline) => {
            let all: Vec<u32> = functions.collect();
            all.iter().rev().take(2).for_each(|function| function.hash(&mut hasher));
        }
        _ => {
            let mut last = None;
            for function in functions.filter(|function| last.replace(*function) != Some(*function)).take(12) {
                function.hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

/// FNV-1a: the standard library's hasher may change between versions, and keys name files.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a frame is to a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// How the target dies: panics, aborts, failed assertions.
    Machinery,
    /// Standard libraries and allocators: where things go wrong, not why.
    Library,
    /// The target's own code and its dependencies.
    Own,
}

/// The innermost frames of the target's own code, and before them how it died, if a panic function tells.
fn top(frames: &[Frame]) -> Vec<String> {
    let dying = frames.iter().take_while(|frame| class(frame) != Class::Own);
    let cause = dying.filter(|frame| cause(frame).is_some()).last().map(label);
    let mut names: Vec<String> = Vec::new();
    // Without code of its own on the stack, the way it died has to do.
    let order = if cause.is_some() {
        &[Class::Own, Class::Library][..]
    } else {
        &[Class::Own, Class::Library, Class::Machinery]
    };
    for &wanted in order {
        for frame in frames.iter().filter(|frame| class(frame) == wanted) {
            let name = label(frame);
            if names.last() != Some(&name) && names.len() < TOP_FRAMES {
                names.push(name);
            }
        }
        if !names.is_empty() {
            break;
        }
    }
    if let Some(cause) = cause.filter(|cause| !names.contains(cause)) {
        names.insert(0, cause);
    }
    names
}

/// The functions that recurse, in the order of their names: which of them met the end of the stack is chance.
fn cycle(frames: &[Frame]) -> Vec<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let own = frames.iter().filter(|frame| class(frame) == Class::Own && frame.inlined == Inlined::No);
    own.for_each(|frame| *seen.entry(label_without_offset(frame)).or_default() += 1);
    let recursing: BTreeSet<String> = seen.into_iter().filter(|(_, times)| *times > 1).map(|(name, _)| name).collect();
    if recursing.is_empty() { top(frames) } else { recursing.into_iter().take(CYCLE_FRAMES).collect() }
}

fn label(frame: &Frame) -> String {
    match (&frame.name, frame.function_offset) {
        (None, Some(offset)) => format!("func[{}]+{offset:#x}", frame.function),
        _ => label_without_offset(frame),
    }
}

fn label_without_offset(frame: &Frame) -> String {
    without_generics(&frame.name())
}

/// The frames worth showing: from the library function that the target's own code called down to the entry. How a panic
/// unwinds is the same in every module and says nothing about this one.
pub fn without_machinery(frames: &[Frame]) -> &[Frame] {
    let own = frames.iter().position(|frame| class(frame) == Class::Own).unwrap_or(0);
    let first = frames[..own].iter().rposition(|frame| class(frame) == Class::Machinery);
    // One frame of the machinery stays: it says why.
    &frames[first.unwrap_or(0)..]
}

fn class(frame: &Frame) -> Class {
    let Some(name) = &frame.name else {
        // Without names, a function that its caller does not expect back is a way to die.
        return if frame.returns == Returns::Never { Class::Machinery } else { Class::Own };
    };
    let name = without_generics(name);
    // `<core::str::Chars as Iterator>::next` is as much the standard library's as `core::str::…`.
    let path = name.trim_start_matches(['<', '&', '*']);
    if machinery(&name).is_some() {
        return Class::Machinery;
    }
    let is_standard = frame.location.as_ref().is_some_and(|at| at.file.shown.starts_with("rust/library/"));
    if is_standard || LIBRARY.iter().any(|pattern| fits(pattern, path)) {
        return Class::Library;
    }
    Class::Own
}

/// What a panic function says about the reason.
fn cause(frame: &Frame) -> Option<&'static str> {
    machinery(&without_generics(frame.name.as_deref()?)).filter(|cause| !cause.is_empty())
}

/// The cause in the first row that fits.
fn machinery(name: &str) -> Option<&'static str> {
    MACHINERY.iter().find(|(pattern, _)| fits(pattern, name)).map(|(_, cause)| *cause)
}

/// Whether `name` is `pattern`, in which one `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}

/// How targets die: function (one `*` stands for anything) and the reason that it gives away, if it does. First row
/// that fits counts.
static MACHINERY: &[(&str, &str)] = &[
    // Rust, panics with a reason.
    ("core::panicking::panic_bounds_check", "index out of bounds"),
    ("core::panicking::panic_misaligned_pointer_dereference", "misaligned pointer"),
    ("core::panicking::panic_null_pointer_dereference", "null pointer"),
    ("core::panicking::panic_const::panic_const_div_by_zero", "division by zero"),
    ("core::panicking::panic_const::panic_const_rem_by_zero", "remainder by zero"),
    ("core::panicking::panic_const::panic_const_add_overflow", "addition overflows"),
    ("core::panicking::panic_const::panic_const_sub_overflow", "subtraction overflows"),
    ("core::panicking::panic_const::panic_const_mul_overflow", "multiplication overflows"),
    ("core::panicking::panic_const::panic_const_neg_overflow", "negation overflows"),
    ("core::panicking::panic_const::panic_const_shl_overflow", "shift overflows"),
    ("core::panicking::panic_const::panic_const_shr_overflow", "shift overflows"),
    ("core::panicking::panic_const::*", "arithmetic overflows"),
    ("core::panicking::unreachable_display", "code thought unreachable"),
    ("core::panicking::assert_failed*", "assertion failed"),
    ("core::panicking::panic_explicit", "explicit panic"),
    ("core::option::unwrap_failed", "unwrap of None"),
    ("core::option::expect_failed", "expect of None"),
    ("core::result::unwrap_failed", "unwrap of Err"),
    ("core::slice::index::slice_start_index_len_fail*", "slice starts past the end"),
    ("core::slice::index::slice_end_index_len_fail*", "slice ends past the end"),
    ("core::slice::index::slice_index_order_fail*", "slice ends before it starts"),
    ("core::slice::index::slice_index_fail*", "slice out of bounds"),
    ("core::slice::index::slice_end_index_overflow_fail*", "slice end overflows"),
    ("core::slice::copy_from_slice_impl::len_mismatch_fail*", "lengths of slices differ"),
    ("core::slice::len_mismatch_fail*", "lengths of slices differ"),
    ("core::str::slice_error_fail*", "string cut outside of a character boundary or past its end"),
    ("core::cell::panic_already_borrowed*", "already borrowed"),
    ("core::cell::panic_already_mutably_borrowed*", "already mutably borrowed"),
    ("core::char::methods::*_fail", "bad character"),
    ("core::char::from_digit::*", "bad digit"),
    ("alloc::vec::Vec::remove::assert_failed", "removal past the end"),
    ("alloc::vec::Vec::insert::assert_failed", "insertion past the end"),
    ("alloc::vec::Vec::split_off::assert_failed", "split past the end"),
    ("alloc::vec::Vec::swap_remove::assert_failed", "removal past the end"),
    ("alloc::raw_vec::capacity_overflow", "capacity overflows"),
    ("alloc::raw_vec::handle_error", "allocation failed"),
    ("alloc::alloc::handle_alloc_error*", "allocation failed"),
    ("core::ops::function::FnOnce::call_once{{vtable.shim}}", ""),
    // Rust, what every panic goes through.
    ("core::panicking::*", ""),
    ("std::panicking::*", ""),
    ("std::panic::*", ""),
    ("core::intrinsics::abort", ""),
    ("core::hint::unreachable_unchecked", ""),
    ("std::process::abort", ""),
    ("std::sys::backtrace::__rust_end_short_backtrace", ""),
    ("std::sys_common::backtrace::__rust_end_short_backtrace", ""),
    ("std::sys::pal::*abort_internal", ""),
    ("std::alloc::rust_oom", "allocation failed"),
    ("std::alloc::default_alloc_error_hook", "allocation failed"),
    ("panic_abort::*", ""),
    ("rust_panic*", ""),
    ("rust_begin_unwind", ""),
    ("rust_oom", "allocation failed"),
    ("__rustc::__rust_alloc_error_handler", "allocation failed"),
    ("__rustc::*", ""),
    ("__rust_start_panic", ""),
    ("__rust_abort", ""),
    ("__rust_alloc_error_handler", "allocation failed"),
    ("__rg_oom", "allocation failed"),
    ("__rdl_oom", "allocation failed"),
    ("console_error_panic_hook::*", ""),
    ("wasm_bindgen::throw_*", "error thrown to JavaScript"),
    ("wbg.__wbindgen_throw*", "error thrown to JavaScript"),
    // C and C++.
    ("abort", ""),
    ("_Exit", ""),
    ("exit", ""),
    ("__assert_fail", "assertion failed"),
    ("__assert_func", "assertion failed"),
    ("__stack_chk_fail", "stack buffer overflow"),
    ("__builtin_trap", ""),
    ("__wasi_proc_exit", ""),
    ("wasi_snapshot_preview1.proc_exit", ""),
    ("__imported_wasi_snapshot_preview1_proc_exit", ""),
    ("raise", ""),
    ("std::terminate", "exception nobody catches"),
    ("std::__1::__throw_*", "standard library error"),
    ("std::__2::__throw_*", "standard library error"),
    ("__cxa_*", "exception"),
    ("_Unwind_*", ""),
    // AssemblyScript.
    ("~lib/builtins/abort", ""),
    ("env.abort", ""),
];

/// Standard libraries and allocators; one `*` stands for anything.
static LIBRARY: &[&str] = &[
    "core::*",
    "alloc::*",
    "std::*",
    "dlmalloc*",
    "compiler_builtins::*",
    "__rust_alloc*",
    "__rust_realloc",
    "__rust_dealloc",
    "__rdl_*",
    "__rg_*",
    "malloc",
    "calloc",
    "realloc",
    "free",
    "aligned_alloc",
    "posix_memalign",
    "sbrk",
    "operator new*",
    "operator delete*",
    "memcpy",
    "memmove",
    "memset",
    "memcmp",
    "memchr",
    "memrchr",
    "strlen",
    "strnlen",
    "strcmp",
    "strncmp",
    "strcpy",
    "strncpy",
    "strcat",
    "strchr",
    "strrchr",
    "strstr",
    "strdup",
    "strtol*",
    "strtoul*",
    "strtod*",
    "qsort*",
    "vsnprintf",
    "snprintf",
    "printf*",
    "__wbindgen_malloc",
    "__wbindgen_realloc",
    "__wbindgen_free",
    "~lib/*",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::{RawFrame, Trap};
    use crate::symbols::{Location, SourceFile};

    const PANIC: Outcome = Outcome::Trap(Trap::Unreachable);

    /// `name`, `name@file`, `+name` (inlined), `!3+10` (stripped: function and offset; `!!` if it never returns).
    fn frames(texts: &[&str]) -> Vec<Frame> {
        texts.iter().map(|text| frame(text)).collect()
    }

    fn frame(text: &str) -> Frame {
        let mut frame = Frame {
            function: 0,
            function_offset: Some(7),
            offset: Some(1007),
            name: None,
            location: None,
            inlined: Inlined::No,
            returns: Returns::Perhaps,
        };
        if let Some(place) = text.strip_prefix('!') {
            frame.returns = if place.starts_with('!') { Returns::Never } else { Returns::Perhaps };
            let (function, offset) = place.trim_start_matches('!').split_once('+').unwrap();
            frame.function = function.parse().unwrap();
            frame.function_offset = Some(offset.parse().unwrap());
            return frame;
        }
        let (name, file) = text.split_once('@').map_or((text, None), |(name, file)| (name, Some(file)));
        frame.inlined = if name.starts_with('+') { Inlined::Yes } else { Inlined::No };
        frame.name = Some(name.trim_start_matches('+').to_owned());
        frame.location = file.map(|file| Location {
            file: SourceFile { shown: file.to_owned(), raw: String::new() }.into(),
            line: 12,
            column: 3,
        });
        frame
    }

    #[test]
    fn buckets_hold_the_cause_and_the_targets_own_frames() {
        for (outcome, stack, wanted) in [
            (
                PANIC,
                &[
                    "__rust_start_panic",
                    "std::panicking::rust_panic_with_hook",
                    "rust_begin_unwind",
                    "core::panicking::panic_fmt",
                    "core::panicking::panic_bounds_check",
                    "+<usize as core::slice::index::SliceIndex<[u8]>>::index@rust/library/core/src/slice/index.rs",
                    "+hl7::field::<&str>@hl7-1.0.0/src/field.rs",
                    "hl7::segment",
                    "hl7::segment",
                    "<hl7::Message as core::str::FromStr>::from_str",
                    "parse",
                ][..],
                &[
                    "core::panicking::panic_bounds_check",
                    "hl7::field",
                    "hl7::segment",
                    "<hl7::Message as core::str::FromStr>::from_str",
                ][..],
            ),
            (PANIC, &["core::panicking::panic_fmt", "a::b"], &["a::b"]),
            (PANIC, &["__assert_fail", "inflate"], &["__assert_fail", "inflate"]),
            (Outcome::Trap(Trap::MemoryOutOfBounds), &["memcpy", "copy_field", "run"], &["copy_field", "run"]),
            (PANIC, &["core::panicking::panic_fmt", "core::str::slice_error_fail"], &["core::str::slice_error_fail"]),
            (
                PANIC,
                &["!!3+10", "!!4+11", "!5+12", "!6+13", "!7+14", "!8+15"],
                &["func[5]+0xc", "func[6]+0xd", "func[7]+0xe"],
            ),
            (PANIC, &[], &[]),
        ] {
            let bucket = bucket("crash", outcome, &frames(stack));
            assert_eq!(bucket.frames, wanted, "{stack:?}");
        }
    }

    #[test]
    fn frames_that_are_shown_begin_with_the_reason() {
        let stack = frames(&[
            "__rust_start_panic",
            "core::panicking::panic_fmt",
            "core::panicking::panic_bounds_check",
            "+<usize as core::slice::index::SliceIndex<[u8]>>::index@rust/library/core/src/slice/index.rs",
            "+hl7::field::<&str>@hl7-1.0.0/src/field.rs",
            "parse",
        ]);
        assert_eq!(without_machinery(&stack).len(), 4);
        assert_eq!(without_machinery(&stack[3..]).len(), 3);
        assert!(without_machinery(&[]).is_empty());
    }

    #[test]
    fn a_recursion_is_one_bucket_wherever_it_ends() {
        let stack = Outcome::Limit(Limit::Stack);
        let one =
            bucket("crash", stack, &frames(&["memcpy", "skip_space", "value", "array", "value", "array", "value"]));
        let two = bucket("crash", stack, &frames(&["array", "value", "array", "value", "array"]));
        assert_eq!(one, two);
        assert_eq!(one.frames, ["array", "value"]);
        let stripped = bucket("crash", stack, &frames(&["!9+1", "!3+10", "!3+10", "!3+22"]));
        assert_eq!(stripped.frames, ["func[3]"]);
    }

    #[test]
    fn an_endless_loop_is_known_by_what_its_samples_share() {
        let samples = [
            &["memchr", "next_token", "fill", "parse"][..],
            &["fill", "parse"],
            &["push", "next_token", "fill", "parse"],
        ];
        let samples: Vec<Vec<Frame>> = samples.iter().map(|texts| frames(texts)).collect();
        let common = common_frames(&samples);
        assert_eq!(bucket("limits", Outcome::Limit(Limit::Fuel), &common).frames, ["fill", "parse"]);
        assert_eq!(common_frames(&samples[..1]).len(), 4);
        assert!(common_frames(&[]).is_empty());
        assert!(common_frames(&[frames(&["a"]), frames(&["b"])]).is_empty());
    }

    #[test]
    fn titles_say_what_and_where() {
        let stack =
            frames(&["core::panicking::panic_fmt", "core::option::unwrap_failed", "a::b::<u8>@a-1.0.0/src/b.rs"]);
        assert_eq!(title("Panic", &stack), "Panic: unwrap of None in a::b (a-1.0.0/src/b.rs:12)");
        assert_eq!(title("Panic", &frames(&["!3+10"])), "Panic in func[3]");
        assert_eq!(title("Panic", &[]), "Panic");
    }

    #[test]
    fn quick_keys_do_not_depend_on_depth() {
        let key = |outcome, functions: &[u32]| {
            let frames = functions.iter().map(|function| RawFrame { function: *function, offset: None }).collect();
            quick_key(&Execution {
                outcome,
                rejected: false,
                frames,
                message: Vec::new(),
                message_bytes: 0,
                output: Vec::new(),
                fuel_used: None,
                memory_bytes_peak: 0,
                growth_denied: 0,
                host_calls: Vec::new(),
            })
        };
        let stack = Outcome::Limit(Limit::Stack);
        assert_eq!(key(stack, &[9, 1, 2, 1, 2, 1]), key(stack, &[2, 1, 2, 1]));
        assert_ne!(key(stack, &[1, 2, 1, 2]), key(stack, &[1, 3, 1, 3]));
        assert_eq!(key(PANIC, &[1, 2, 2, 2, 3]), key(PANIC, &[1, 2, 3]));
        assert_ne!(key(PANIC, &[1, 2]), key(Outcome::Trap(Trap::Exit), &[1, 2]));
        let fuel = Outcome::Limit(Limit::Fuel);
        assert_eq!(key(fuel, &[7, 8, 2, 1]), key(fuel, &[9, 2, 1]));
    }
}
