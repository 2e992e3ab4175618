//! Compares: which instructions are worth listening to, and the log that they are written into.
//!
//! # The log
//! `Layout::log` starts with a header of 16 bytes: `u32` bytes used (0: nothing was logged; the host clears only this
//! field), `u32` offset of the first record in the region, 8 bytes unused. Then 16 bytes of state per site, then records,
//! each a multiple of 8 bytes long, all little-endian:
//!
//! | kind | bytes | contents |
//! |---|---|---|
//! | 0 | 24 | reserved, not (yet) written |
//! | 1 integers | 24 | `u32` site, `u8` kind, `u8` width in bits, `u16` 0, `u64` left, `u64` right |
//! | 2 floats | 24 | the same; left and right are bit patterns |
//! | 3 byte strings | 136 | `u32` site, `u8` kind, `u8` left length, `u8` right length, `u8` 0, 64 bytes left, 64 bytes right |
//! | 4 | 136 | reserved byte strings, not (yet) written |
//!
//! Of each site the first [`FIRST`] and the last [`LAST`] pairs of a run are kept.

use super::analysis::{self, Compare, Origin, Value, Values};
use super::module::Module;
use std::collections::BTreeMap;
use wasmparser::{BinaryReader, FunctionBody, Operator, OperatorsReader, ValType};

/// Pairs kept from the start of a run, per site.
pub(crate) const FIRST: u32 = 12;
/// Pairs kept from its end, per site.
pub(super) const LAST: u32 = 4;
/// Header of the log, bytes.
pub(super) const HEADER_BYTES: u32 = 16;
/// State per site, bytes.
pub(super) const STATE_BYTES: u32 = 16;
/// A record of numbers, bytes.
pub(super) const NUMBERS_BYTES: u32 = 24;
/// A record of byte strings, bytes.
pub(super) const STRINGS_BYTES: u32 = 8 + 2 * STRING_BYTES_MAX;
/// Longest byte string that is logged.
pub(super) const STRING_BYTES_MAX: u32 = 64;
/// Slots of a branch table that are logged.
pub(super) const SLOTS_MAX: u32 = 64;
pub(super) const KIND_INTEGERS: u32 = 1;
pub(super) const KIND_FLOATS: u32 = 2;
pub(super) const KIND_STRINGS: u32 = 3;
pub(super) const KIND_STRINGS_RESERVED: u32 = 4;

/// Information below which a compare is left to chance: one byte has 256 values, and edges tell when it is hit.
const ENTROPY_BITS_MIN: u8 = 11;
/// Longest body that is looked at for the shape of `memcmp`.
const COMPARER_BYTES_MAX: usize = 4096;

/// Two numbers that a module compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntCompare {
    /// Index in `Instrumented::compares`.
    pub site: u32,
    /// 8, 16, 32 or 64: the width in which the numbers probably stand in the input.
    pub width_bits: u8,
    /// Left operand, zero-extended from `width_bits`.
    pub left: u64,
    /// Right operand, zero-extended from `width_bits`.
    pub right: u64,
    /// The operands are the bits of floats.
    pub float: bool,
}

/// Two byte strings that a module compared: what memory held at both addresses, cut at 64 bytes. How much of it the
/// module looked at is not known, unless it said so by a length.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BytesCompare {
    /// Index in `Instrumented::compares`.
    pub site: u32,
    /// Bytes at the left address.
    pub left: Vec<u8>,
    /// Bytes at the right address.
    pub right: Vec<u8>,
}

/// What a run compared, in the order in which it happened (the last pairs of a busy site stand together).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompareLog {
    /// Numbers.
    pub ints: Vec<IntCompare>,
    /// Byte strings. Where one holds a NUL, the pair stands here a second time, each side cut before its first NUL.
    pub bytes: Vec<BytesCompare>,
}

/// One record of a log, as [`visit_log`] shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared<'a> {
    /// Two numbers.
    Numbers {
        /// The pair.
        pair: IntCompare,
        /// How many times the site had been reached in this run, this time included.
        occurrence: u32,
    },
    /// Two byte strings.
    Strings {
        /// Index in `Instrumented::compares`.
        site: u32,
        /// Bytes at the left address.
        left: &'a [u8],
        /// Bytes at the right address.
        right: &'a [u8],
    },
}

/// Reads the log region of a run. Any bytes will do: what makes no sense is left out.
pub fn read_log(bytes: &[u8]) -> CompareLog {
    let mut log = CompareLog::default();
    visit_log(bytes, &mut Vec::new(), &mut |compared| match compared {
        Compared::Numbers { pair, .. } => log.ints.push(pair),
        Compared::Strings { site, left, right } => {
            log.bytes.push(BytesCompare { site, left: left.to_vec(), right: right.to_vec() });
        }
    });
    log
}

/// Shows the records of the log region of a run, in order, without copying them; see [`read_log`]. `turns` is working
/// memory: kept by a caller who reads many logs, it is allocated once.
pub fn visit_log<'a>(bytes: &'a [u8], turns: &mut Vec<u32>, show: &mut dyn FnMut(Compared<'a>)) {
    let word =
        |at: usize| bytes.get(at..at + 4).map_or(0, |word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let (used, first) = (word(0) as usize, word(4) as usize);
    let Some(records) = bytes.get(first..).filter(|_| used >= 8 && first >= HEADER_BYTES as usize) else { return };
    let end = first + used.min(records.len());
    let mut at = first + 8;
    // Records of one site stand in order; the last ones of a busy site are a ring, and its state says how often it was
    // reached in all.
    turns.clear();
    turns.resize((first - HEADER_BYTES as usize).min(bytes.len()) / STATE_BYTES as usize, 0);
    let mut occurrence = |site: u32| {
        let Some(turn) = turns.get_mut(site as usize) else { return 1 };
        *turn += 1;
        let total = word(HEADER_BYTES as usize + STATE_BYTES as usize * site as usize);
        let Some(slot) = turn.checked_sub(FIRST + 1).filter(|slot| *slot < LAST && total > FIRST) else { return *turn };
        let newest = (total - FIRST - 1) % LAST;
        total.saturating_sub((newest + LAST - slot) % LAST)
    };
    while at + NUMBERS_BYTES as usize <= end {
        let (site, meta) = (word(at), word(at + 4));
        let kind = meta & 0xff;
        match kind {
            KIND_INTEGERS | KIND_FLOATS => {
                let width_bits = (meta >> 8) as u8;
                let mask = match width_bits {
                    8 | 16 | 32 => (1 << width_bits) - 1,
                    _ => u64::MAX,
                };
                let pair = IntCompare {
                    site,
                    width_bits: if mask == u64::MAX { 64 } else { width_bits },
                    left: long(at + 8) & mask,
                    right: long(at + 16) & mask,
                    float: kind == KIND_FLOATS,
                };
                show(Compared::Numbers { pair, occurrence: occurrence(site) });
            }
            KIND_STRINGS if at + STRINGS_BYTES as usize <= end => {
                let string = |start: usize, len: u32| &bytes[start..start + len.min(STRING_BYTES_MAX) as usize];
                let left = string(at + 8, meta >> 8 & 0xff);
                let right = string(at + 8 + STRING_BYTES_MAX as usize, meta >> 16 & 0xff);
                let cut = |string: &[u8]| string.iter().position(|byte| *byte == 0).unwrap_or(string.len());
                let (left_cut, right_cut) = (cut(left), cut(right));
                if !left.is_empty() && !right.is_empty() {
                    if left_cut < left.len() || right_cut < right.len() {
                        show(Compared::Strings { site, left: &left[..left_cut], right: &right[..right_cut] });
                    }
                    show(Compared::Strings { site, left, right });
                }
            }
            _ => {}
        }
        at += if matches!(kind, KIND_STRINGS | KIND_STRINGS_RESERVED) { STRINGS_BYTES } else { NUMBERS_BYTES } as usize;
    }
}

/// A function that compares what two of its parameters point to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparer {
    /// Number of parameters, all i32.
    pub parameters: u32,
    pub left: u32,
    pub right: u32,
    /// Parameters that bound the length.
    pub lengths: Vec<u32>,
}

/// What to write down at one instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listen {
    /// The two operands (or the one and zero).
    Numbers {
        compare: Compare,
        /// Width to write down, bits.
        width: u8,
        /// Whether closeness is worth tracking.
        distance: bool,
        /// The left operand is something plus this.
        bias: i64,
        /// Both operands were loaded: slots that keep the addresses, and the constant offsets on top of them.
        loaded: Option<Loaded>,
    },
    /// Operand of a branch table: something less `base`.
    Switch { base: i64, distance: bool },
    /// Arguments of a call.
    Call(Comparer),
}

/// Addresses from which both operands of a compare were loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loaded {
    pub left_slot: u32,
    pub left_offset: u64,
    pub right_slot: u32,
    pub right_offset: u64,
}

/// Where to listen in one function, by instruction ordinal.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub sites: BTreeMap<u32, Listen>,
    /// Loads whose address is kept, and the slot that keeps it.
    pub keep: BTreeMap<u32, u32>,
}

/// Slots for addresses, reused in turn: a clobbered one gives a useless pair, nothing worse.
const SLOTS: u32 = 8;

/// Decides where to listen in a function.
pub(super) fn plan<'w>(
    module: &Module,
    comparers: &BTreeMap<u32, Comparer>,
    params: &[ValType],
    locals: u32,
    operators: impl Fn() -> OperatorsReader<'w>,
) -> wasmparser::Result<Plan> {
    let mut values = Values::with_summaries(module, params, locals, None, &operators)?;
    let mut plan = Plan::default();
    // Differences seen so far, in case one is tested later.
    let mut differences: BTreeMap<u32, Listen> = BTreeMap::new();
    let mut loads: BTreeMap<u32, u64> = BTreeMap::new();
    let mut slots = 0u32;
    let mut reader = operators();
    let mut ordinal = 0u32;
    while !reader.eof() {
        let operator = reader.read()?;
        ordinal += 1;
        // Bytes may be compared in any way; of words only equality says that more of them may follow: an index below a
        // length stands in a structure.
        let mut pair = |values: &Values<'_>,
                        loads: &BTreeMap<u32, u64>,
                        equality: bool,
                        plan: &mut Plan|
         -> Option<Loaded> {
            let (Origin::Load { ordinal: left, bytes }, Origin::Load { ordinal: right, bytes: other }) =
                (values.definition(1), values.definition(0))
            else {
                return None;
            };
            if bytes != other || left == right || (bytes > 1 && !equality) {
                return None;
            }
            let mut slot = |ordinal: u32| {
                *plan.keep.entry(ordinal).or_insert_with(|| {
                    slots += 1;
                    (slots - 1) % SLOTS
                })
            };
            let (left_slot, right_slot) = (slot(left), slot(right));
            Some(Loaded { left_slot, left_offset: *loads.get(&left)?, right_slot, right_offset: *loads.get(&right)? })
        };
        match &operator {
            Operator::I32Sub | Operator::I32Xor | Operator::I64Sub | Operator::I64Xor => {
                let (left, right) = (values.value(1), values.value(0));
                let constant =
                    matches!(right.origin, Origin::Constant(_)) || matches!(left.origin, Origin::Constant(_));
                let xor = matches!(operator, Operator::I32Xor | Operator::I64Xor);
                if !constant || xor {
                    let ty = if matches!(operator, Operator::I32Sub | Operator::I32Xor) {
                        ValType::I32
                    } else {
                        ValType::I64
                    };
                    let compare = Compare { ty, with_zero: false, equality: true, signed: false };
                    let loaded = pair(&values, &loads, xor, &mut plan);
                    let listen = numbers(compare, left, right, 0, loaded);
                    // The difference of two loaded values is made to be looked at, here or by the caller.
                    if loaded.is_some() {
                        plan.sites.insert(ordinal, listen);
                    } else {
                        differences.insert(ordinal, listen);
                    }
                }
            }
            Operator::BrIf { .. } | Operator::If { .. } | Operator::Select => {
                if let Origin::Difference { ordinal } = values.definition(0)
                    && let Some(listen) = differences.remove(&ordinal)
                {
                    plan.sites.insert(ordinal, listen);
                }
            }
            Operator::BrTable { targets } if !targets.is_empty() => {
                let base = match values.definition(0) {
                    Origin::Plus(constant) => constant.wrapping_neg(),
                    _ => 0,
                };
                let distance = values.value(0).entropy >= ENTROPY_BITS_MIN;
                plan.sites.insert(ordinal, Listen::Switch { base, distance });
            }
            // Differences that are collected are looked at together, in the end.
            Operator::I32Or | Operator::I64Or => {
                for depth in 0..2 {
                    if let Origin::Difference { ordinal } = values.definition(depth)
                        && let Some(listen) = differences.remove(&ordinal)
                    {
                        plan.sites.insert(ordinal, listen);
                    }
                }
            }
            Operator::Call { function_index } => {
                if let Some(comparer) = comparers.get(function_index) {
                    plan.sites.insert(ordinal, Listen::Call(comparer.clone()));
                }
            }
            other => {
                if let Some((memarg, _)) = analysis::load(other) {
                    loads.insert(ordinal, memarg.offset);
                } else if let Some(compare) = analysis::compare(other) {
                    if compare.with_zero {
                        let value = values.value(0);
                        match values.definition(0) {
                            Origin::Difference { ordinal } => {
                                if let Some(listen) = differences.remove(&ordinal) {
                                    plan.sites.insert(ordinal, listen);
                                }
                            }
                            _ if value.width > 1 => {
                                let bias = bias(values.definition(0));
                                plan.sites.insert(ordinal, numbers(compare, value, value, bias, None));
                            }
                            _ => {}
                        }
                    } else {
                        let (left, right) = (values.value(1), values.value(0));
                        let constant = matches!(right.origin, Origin::Constant(_));
                        if !(constant && matches!(left.origin, Origin::Constant(_))) {
                            let loaded = pair(&values, &loads, compare.equality, &mut plan);
                            let bias = if constant { bias(values.definition(1)) } else { 0 };
                            plan.sites.insert(ordinal, numbers(compare, left, right, bias, loaded));
                        }
                    }
                }
            }
        }
        values.step(&operator);
    }
    Ok(plan)
}

fn bias(origin: Origin) -> i64 {
    match origin {
        Origin::Plus(constant) => constant,
        _ => 0,
    }
}

fn numbers(compare: Compare, left: Value, right: Value, bias: i64, loaded: Option<Loaded>) -> Listen {
    let (bits, float) = match compare.ty {
        ValType::I32 => (32, false),
        ValType::F32 => (32, true),
        ValType::F64 => (64, true),
        _ => (64, false),
    };
    let width = if float || bias != 0 { bits } else { left.width.max(right.width).min(bits) };
    let width = match width {
        0..=8 => 8,
        9..=16 => 16,
        17..=32 => 32,
        _ => 64,
    };
    let distance = float || left.entropy.max(right.entropy) >= ENTROPY_BITS_MIN;
    Listen::Numbers { compare, width, distance, bias, loaded }
}

/// Functions that compare two strings, by name or by behaviour: nothing but loads through exactly two parameters, and a
/// loop around them.
pub(super) fn comparers(module: &Module, wasm: &[u8]) -> BTreeMap<u32, Comparer> {
    let mut found = BTreeMap::new();
    let mut wrappers = Vec::new();
    for (at, range) in module.bodies.iter().enumerate() {
        let function = module.functions_imported + at as u32;
        let Some(ty) = module.function_type(function) else { continue };
        let parameters = ty.params().len() as u32;
        let i32s = ty.params().iter().chain(ty.results()).all(|ty| *ty == ValType::I32);
        if !i32s || ty.results().len() != 1 || !(2..=4).contains(&parameters) || range.len() > COMPARER_BYTES_MAX {
            continue;
        }
        let by_name = module.name(function).is_some_and(is_comparer_name) && parameters < 4;
        if by_name {
            let lengths = (2..parameters).collect();
            found.insert(function, Comparer { parameters, left: 0, right: 1, lengths });
            continue;
        }
        let body = FunctionBody::new(BinaryReader::new(&wasm[range.clone()], range.start));
        match shape(module, function, &body, parameters) {
            Ok(Shape::Comparer(comparer)) => {
                found.insert(function, comparer);
            }
            Ok(Shape::Forwards(to)) => wrappers.push((function, parameters, to)),
            Ok(Shape::Other) | Err(_) => {}
        }
    }
    // A wrapper may wrap a wrapper; deeper nests are not worth the time.
    for _ in 0..2 {
        for (function, parameters, to) in &wrappers {
            if let Some(comparer) = found.get(to).filter(|comparer| comparer.parameters == *parameters).cloned() {
                found.insert(*function, comparer);
            }
        }
    }
    found
}

fn is_comparer_name(name: &str) -> bool {
    // As the linker sees them, and as Rust mangles its own.
    const NAMES: &[&str] = &[
        "memcmp",
        "bcmp",
        "strcmp",
        "strncmp",
        "strcasecmp",
        "strncasecmp",
        "strcoll",
        "strstr",
        "stricmp",
        "strnicmp",
    ];
    let plain = name.trim_start_matches('_');
    NAMES.contains(&plain) || name.contains("3mem6memcmp17h") || name.contains("3mem4bcmp17h")
}

enum Shape {
    Comparer(Comparer),
    /// Hands all its parameters to another function.
    Forwards(u32),
    Other,
}

fn shape(module: &Module, function: u32, body: &FunctionBody<'_>, parameters: u32) -> wasmparser::Result<Shape> {
    let mut locals_reader = body.get_locals_reader()?;
    let mut locals = parameters;
    for _ in 0..locals_reader.get_count() {
        locals += locals_reader.read()?.0;
    }
    let operators_reader = locals_reader.get_binary_reader();
    let operators = || OperatorsReader::new(operators_reader.clone());
    let mut reader = operators();
    let (mut loops, mut loads, mut count, mut forwarded) = (false, false, 0, 0);
    while !reader.eof() {
        let operator = reader.read()?;
        match &operator {
            Operator::LocalGet { local_index } if *local_index == forwarded && count == forwarded => forwarded += 1,
            Operator::Call { function_index } => {
                let forwards = count == parameters && forwarded == parameters;
                return Ok(if forwards { Shape::Forwards(*function_index) } else { Shape::Other });
            }
            Operator::Loop { .. } => loops = true,
            Operator::CallIndirect { .. } | Operator::GlobalSet { .. } | Operator::MemoryGrow { .. } => {
                return Ok(Shape::Other);
            }
            other if analysis::write(other).is_some() || analysis::bulk(other) => return Ok(Shape::Other),
            other => loads |= analysis::load(other).is_some_and(|(_, bytes)| bytes == 1),
        }
        count += 1;
    }
    if !loops || !loads {
        return Ok(Shape::Other);
    }
    let params = module.function_type(function).map_or(&[][..], |ty| ty.params());
    let mut values = Values::with_summaries(module, params, locals, None, operators)?;
    let mut pointers = 0u8;
    let mut reader = operators();
    while !reader.eof() {
        let operator = reader.read()?;
        // Only what is read byte by byte is a string: words behind a pointer are fields of a structure.
        if analysis::load(&operator).is_some_and(|(_, bytes)| bytes == 1) {
            let from = values.value(0).parameters;
            if from.count_ones() == 1 {
                pointers |= from;
            }
        }
        values.step(&operator);
    }
    if pointers.count_ones() != 2 {
        return Ok(Shape::Other);
    }
    let left = pointers.trailing_zeros();
    let right = 7 - pointers.leading_zeros();
    if right >= parameters {
        return Ok(Shape::Other);
    }
    let lengths = (0..parameters).filter(|at| *at != left && *at != right).collect();
    Ok(Shape::Comparer(Comparer { parameters, left, right, lengths }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_make_some_log() {
        let mut state = 1u64;
        for len in 0..600 {
            let mut bytes: Vec<u8> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 61) as u8
                })
                .collect();
            read_log(&bytes);
            if len >= 16 {
                bytes[..8].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 16, 0, 0, 0]);
                let log = read_log(&bytes);
                assert!(24 * log.ints.len() + 68 * log.bytes.len() <= len);
            }
        }
    }

    #[test]
    fn strings_with_a_nul_stand_twice() {
        let mut bytes = vec![0; 16 + 8];
        bytes[0] = 8 + STRINGS_BYTES as u8;
        bytes[4] = 16;
        bytes.extend([9, 0, 0, 0, 3, 5, 3, 0]);
        let mut strings = [0; 128];
        strings[..5].copy_from_slice(b"ab\0cd");
        strings[64..67].copy_from_slice(b"xyz");
        bytes.extend(strings);
        let log = read_log(&bytes);
        let pair = |left: &[u8], right: &[u8]| BytesCompare { site: 9, left: left.to_vec(), right: right.to_vec() };
        assert_eq!(log.bytes, [pair(b"ab", b"xyz"), pair(b"ab\0cd", b"xyz")]);
    }
}
