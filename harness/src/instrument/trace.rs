//! What an execution lets an observer of time and caches see: which way each branch goes, where each access points, what
//! instructions of variable duration work on. Every operand of such an instruction is a *site* with an accumulator of 64
//! bits, into which each of its values is folded. Two runs whose accumulators are equal took the same path and touched
//! the same addresses: the path of a deterministic program is fixed by what its sites see, one after the other.
//!
//! [`Trace::Record`] also writes each value down as it comes, in records of [`EVENT_BYTES`] bytes behind a header, with
//! calls and returns between them, so that two runs can be walked in step. The record has a window: the host says
//! from which event on it is kept, and reads a long run by repeating it.

use super::module::Module;
use super::rewrite::{Output, Temporary, encoded};
use wasm_encoder::{MemArg, ValType};
use wasmparser::Operator;

/// Events that one window holds.
pub const EVENTS_MAX: u64 = 1 << 20;
/// Bytes of one event: site or call (u32), kind (u32), value (u64), little-endian.
pub const EVENT_BYTES: usize = 16;
/// Bytes before the events: how many there were (u64), the first that was to be kept (u64), and 16 that are not used.
pub const EVENTS_HEADER_BYTES: usize = 32;
/// A window, and one event more behind it where those outside it are thrown.
pub(super) const EVENTS_REGION_BYTES: u64 = EVENTS_HEADER_BYTES as u64 + (EVENTS_MAX + 1) * EVENT_BYTES as u64;

/// Most entries of all lists: each makes the module a few dozen bytes longer.
pub(super) const ENTRIES_MAX: u64 = 4 << 20;

const KIND_VALUE: u32 = 0;
const KIND_CALL: u32 = 1;
const KIND_BACK: u32 = 2;

/// Of the accumulators: a step is a bijection of what was before for each value, and of the value for each state before.
const ROTATION: u32 = 23;
/// Odd. No wider than an instruction's constant, since a step stands at every site.
const FACTOR: i64 = 0x9e37_79b1u32 as i32 as i64;
/// Not zero: so values of zero count.
const SUMMAND: i64 = 0x2545_f491;

/// What is recorded of an execution's observable behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trace {
    /// Nothing.
    #[default]
    None,
    /// One accumulator per site.
    Hash,
    /// The same, and every event.
    Record,
}

/// What kind of instruction a site belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TraceClass {
    /// `br_if`, `if`, `br_table`.
    Branch,
    /// Calls through a table.
    Indirect,
    /// Reads of memory, tables and arrays.
    Load,
    /// Writes to memory and tables.
    Store,
    /// Fills, copies, growth: addresses and amounts.
    Bulk,
    /// Integer division and remainder.
    Div,
    /// `select`: a conditional move on the usual engines, where it is one of integers.
    Select,
    /// Arithmetic on floats, and conversions that engines make branches of.
    Float,
}

impl TraceClass {
    /// Every class.
    pub const ALL: &[TraceClass] = &[
        TraceClass::Branch,
        TraceClass::Indirect,
        TraceClass::Load,
        TraceClass::Store,
        TraceClass::Bulk,
        TraceClass::Div,
        TraceClass::Select,
        TraceClass::Float,
    ];

    /// The name used in reports and `target.toml`.
    pub fn name(self) -> &'static str {
        match self {
            TraceClass::Branch => "branch",
            TraceClass::Indirect => "indirect",
            TraceClass::Load => "load",
            TraceClass::Store => "store",
            TraceClass::Bulk => "bulk",
            TraceClass::Div => "div",
            TraceClass::Select => "select",
            TraceClass::Float => "float",
        }
    }

    /// Whether every engine lets time depend on it. What remains depends on the engine.
    pub fn is_strong(self) -> bool {
        !matches!(self, TraceClass::Select | TraceClass::Float)
    }
}

/// One observed operand, in terms of the *original* module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceSite {
    /// Function index (imports counted).
    pub function: u32,
    /// Byte offset of the instruction in the original module file.
    pub offset: u32,
    /// What kind of instruction.
    pub class: TraceClass,
    /// The instruction in the text format.
    pub operation: &'static str,
    /// Which of its operands.
    pub operand: &'static str,
}

/// An instruction with an operand that has no number to be seen: a reference that it follows or branches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Untraced {
    /// Function index (imports counted).
    pub function: u32,
    /// Byte offset of the instruction in the original module file.
    pub offset: u32,
    /// The instruction in the text format.
    pub operation: &'static str,
}

/// A call that stands in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallSite {
    /// Index of the calling function (imports counted).
    pub function: u32,
    /// Byte offset of the instruction in the original module file.
    pub offset: u32,
}

/// One event of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TraceEvent {
    /// An operand's value: conditions are 0 or 1, slots of a `br_table` end with the default one, floats are bits, vectors
    /// come in two halves, the lower first.
    Value {
        /// Index into [`super::Instrumented::traced`].
        site: u32,
        /// The value.
        value: u64,
    },
    /// A call begins.
    Call {
        /// Index into [`super::Instrumented::calls`].
        call: u32,
    },
    /// It came back. Of a call that ends by a trap or an exception there is no such event; tail calls have neither.
    Back {
        /// Index into [`super::Instrumented::calls`].
        call: u32,
    },
}

/// An accumulator after one more value. One that no value has reached is 0.
pub fn fold(accumulator: u64, value: u64) -> u64 {
    (accumulator ^ value).rotate_left(ROTATION).wrapping_mul(FACTOR as u64).wrapping_add(SUMMAND as u64)
}

/// How many events a run had, and those in the window, out of the bytes of [`super::Layout::events`]. Whatever the bytes
/// are, it ends, and shows no more than they hold.
pub fn events(region: &[u8]) -> (u64, impl Iterator<Item = TraceEvent>) {
    let word = |at: usize| {
        region.get(at..at + 8).map_or(0, |bytes| bytes.iter().rfold(0, |word, byte| word << 8 | u64::from(*byte)))
    };
    let (total, from) = (word(0), word(8));
    let kept = total.saturating_sub(from).min(EVENTS_MAX) as usize;
    let records = region.get(EVENTS_HEADER_BYTES..).unwrap_or_default().as_chunks::<EVENT_BYTES>().0.iter();
    let events = records.take(kept).filter_map(|record| {
        let [head, value] = *record.as_chunks::<8>().0 else { return None };
        let (head, value) = (u64::from_le_bytes(head), u64::from_le_bytes(value));
        let site = head as u32;
        Some(match (head >> 32) as u32 {
            KIND_VALUE => TraceEvent::Value { site, value },
            KIND_CALL => TraceEvent::Call { call: site },
            KIND_BACK => TraceEvent::Back { call: site },
            _ => return None,
        })
    });
    (total, events)
}

/// How an operand becomes a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Its bits.
    Bits,
    /// Whether it is zero.
    Condition,
    /// It, or this number where it is above.
    AtMost(u32),
}

/// One operand on the stack.
#[derive(Debug, Clone, Copy)]
struct Operand {
    ty: ValType,
    reading: Reading,
    /// What it is called, where it is observed.
    name: Option<&'static str>,
}

/// An instruction that is observed: the operands from the deepest observed one on, bottom first.
struct Shape {
    class: TraceClass,
    operation: &'static str,
    operands: Vec<Operand>,
}

fn seen(ty: ValType, name: &'static str) -> Operand {
    Operand { ty, reading: Reading::Bits, name: Some(name) }
}

fn unseen(ty: ValType) -> Operand {
    Operand { ty, reading: Reading::Bits, name: None }
}

/// Rows of instructions with a memory argument: class, types of the operands above the address, instructions.
macro_rules! accesses {
    ($operator:expr; $($class:ident $above:tt $($variant:ident $text:literal)*;)*) => {
        match $operator {
            $($(Operator::$variant { memarg, .. } => Some((TraceClass::$class, $text, memarg.memory, &$above))),*,)*
            _ => None,
        }
    };
}

/// The access to memory that `operator` is: class, name, memory, and the operands above the address.
#[rustfmt::skip]
fn access(operator: &Operator<'_>) -> Option<(TraceClass, &'static str, u32, &'static [ValType])> {
    use ValType::{F32, F64, I32, I64, V128};
    accesses! { operator;
        Load []
            I32Load "i32.load" I64Load "i64.load" F32Load "f32.load" F64Load "f64.load"
            I32Load8S "i32.load8_s" I32Load8U "i32.load8_u" I32Load16S "i32.load16_s" I32Load16U "i32.load16_u"
            I64Load8S "i64.load8_s" I64Load8U "i64.load8_u" I64Load16S "i64.load16_s" I64Load16U "i64.load16_u"
            I64Load32S "i64.load32_s" I64Load32U "i64.load32_u"
            V128Load "v128.load" V128Load8x8S "v128.load8x8_s" V128Load8x8U "v128.load8x8_u"
            V128Load16x4S "v128.load16x4_s" V128Load16x4U "v128.load16x4_u"
            V128Load32x2S "v128.load32x2_s" V128Load32x2U "v128.load32x2_u"
            V128Load8Splat "v128.load8_splat" V128Load16Splat "v128.load16_splat"
            V128Load32Splat "v128.load32_splat" V128Load64Splat "v128.load64_splat"
            V128Load32Zero "v128.load32_zero" V128Load64Zero "v128.load64_zero"
            I32AtomicLoad "i32.atomic.load" I32AtomicLoad8U "i32.atomic.load8_u" I32AtomicLoad16U "i32.atomic.load16_u"
            I64AtomicLoad "i64.atomic.load" I64AtomicLoad8U "i64.atomic.load8_u" I64AtomicLoad16U "i64.atomic.load16_u"
            I64AtomicLoad32U "i64.atomic.load32_u";
        Load [V128]
            V128Load8Lane "v128.load8_lane" V128Load16Lane "v128.load16_lane"
            V128Load32Lane "v128.load32_lane" V128Load64Lane "v128.load64_lane";
        Load [I32] MemoryAtomicNotify "memory.atomic.notify";
        Load [I32, I64] MemoryAtomicWait32 "memory.atomic.wait32";
        Load [I64, I64] MemoryAtomicWait64 "memory.atomic.wait64";
        Store [I32]
            I32Store "i32.store" I32Store8 "i32.store8" I32Store16 "i32.store16"
            I32AtomicStore "i32.atomic.store" I32AtomicStore8 "i32.atomic.store8" I32AtomicStore16 "i32.atomic.store16"
            I32AtomicRmwAdd "i32.atomic.rmw.add" I32AtomicRmw8AddU "i32.atomic.rmw8.add_u"
            I32AtomicRmw16AddU "i32.atomic.rmw16.add_u"
            I32AtomicRmwSub "i32.atomic.rmw.sub" I32AtomicRmw8SubU "i32.atomic.rmw8.sub_u"
            I32AtomicRmw16SubU "i32.atomic.rmw16.sub_u"
            I32AtomicRmwAnd "i32.atomic.rmw.and" I32AtomicRmw8AndU "i32.atomic.rmw8.and_u"
            I32AtomicRmw16AndU "i32.atomic.rmw16.and_u"
            I32AtomicRmwOr "i32.atomic.rmw.or" I32AtomicRmw8OrU "i32.atomic.rmw8.or_u"
            I32AtomicRmw16OrU "i32.atomic.rmw16.or_u"
            I32AtomicRmwXor "i32.atomic.rmw.xor" I32AtomicRmw8XorU "i32.atomic.rmw8.xor_u"
            I32AtomicRmw16XorU "i32.atomic.rmw16.xor_u"
            I32AtomicRmwXchg "i32.atomic.rmw.xchg" I32AtomicRmw8XchgU "i32.atomic.rmw8.xchg_u"
            I32AtomicRmw16XchgU "i32.atomic.rmw16.xchg_u";
        Store [I64]
            I64Store "i64.store" I64Store8 "i64.store8" I64Store16 "i64.store16" I64Store32 "i64.store32"
            I64AtomicStore "i64.atomic.store" I64AtomicStore8 "i64.atomic.store8" I64AtomicStore16 "i64.atomic.store16"
            I64AtomicStore32 "i64.atomic.store32"
            I64AtomicRmwAdd "i64.atomic.rmw.add" I64AtomicRmw8AddU "i64.atomic.rmw8.add_u"
            I64AtomicRmw16AddU "i64.atomic.rmw16.add_u" I64AtomicRmw32AddU "i64.atomic.rmw32.add_u"
            I64AtomicRmwSub "i64.atomic.rmw.sub" I64AtomicRmw8SubU "i64.atomic.rmw8.sub_u"
            I64AtomicRmw16SubU "i64.atomic.rmw16.sub_u" I64AtomicRmw32SubU "i64.atomic.rmw32.sub_u"
            I64AtomicRmwAnd "i64.atomic.rmw.and" I64AtomicRmw8AndU "i64.atomic.rmw8.and_u"
            I64AtomicRmw16AndU "i64.atomic.rmw16.and_u" I64AtomicRmw32AndU "i64.atomic.rmw32.and_u"
            I64AtomicRmwOr "i64.atomic.rmw.or" I64AtomicRmw8OrU "i64.atomic.rmw8.or_u"
            I64AtomicRmw16OrU "i64.atomic.rmw16.or_u" I64AtomicRmw32OrU "i64.atomic.rmw32.or_u"
            I64AtomicRmwXor "i64.atomic.rmw.xor" I64AtomicRmw8XorU "i64.atomic.rmw8.xor_u"
            I64AtomicRmw16XorU "i64.atomic.rmw16.xor_u" I64AtomicRmw32XorU "i64.atomic.rmw32.xor_u"
            I64AtomicRmwXchg "i64.atomic.rmw.xchg" I64AtomicRmw8XchgU "i64.atomic.rmw8.xchg_u"
            I64AtomicRmw16XchgU "i64.atomic.rmw16.xchg_u" I64AtomicRmw32XchgU "i64.atomic.rmw32.xchg_u";
        Store [F32] F32Store "f32.store";
        Store [F64] F64Store "f64.store";
        Store [V128]
            V128Store "v128.store" V128Store8Lane "v128.store8_lane" V128Store16Lane "v128.store16_lane"
            V128Store32Lane "v128.store32_lane" V128Store64Lane "v128.store64_lane";
        Store [I32, I32]
            I32AtomicRmwCmpxchg "i32.atomic.rmw.cmpxchg" I32AtomicRmw8CmpxchgU "i32.atomic.rmw8.cmpxchg_u"
            I32AtomicRmw16CmpxchgU "i32.atomic.rmw16.cmpxchg_u";
        Store [I64, I64]
            I64AtomicRmwCmpxchg "i64.atomic.rmw.cmpxchg" I64AtomicRmw8CmpxchgU "i64.atomic.rmw8.cmpxchg_u"
            I64AtomicRmw16CmpxchgU "i64.atomic.rmw16.cmpxchg_u" I64AtomicRmw32CmpxchgU "i64.atomic.rmw32.cmpxchg_u";
    }
}

/// Rows of instructions that work on numbers: class, their operands, instructions.
macro_rules! numbers {
    ($operator:expr; $($class:ident $operands:tt $($variant:ident $text:literal)*;)*) => {
        match $operator {
            $($(Operator::$variant => Some((TraceClass::$class, $text, &$operands))),*,)*
            _ => None,
        }
    };
}

/// The instruction of variable duration that `operator` is: class, name, operands.
#[rustfmt::skip]
fn number(operator: &Operator<'_>) -> Option<(TraceClass, &'static str, &'static [(ValType, &'static str)])> {
    use ValType::{F32, F64, I32, I64, V128};
    numbers! { operator;
        Div [(I32, "dividend"), (I32, "divisor")]
            I32DivS "i32.div_s" I32DivU "i32.div_u" I32RemS "i32.rem_s" I32RemU "i32.rem_u";
        Div [(I64, "dividend"), (I64, "divisor")]
            I64DivS "i64.div_s" I64DivU "i64.div_u" I64RemS "i64.rem_s" I64RemU "i64.rem_u";
        Float [(F32, "left"), (F32, "right")]
            F32Add "f32.add" F32Sub "f32.sub" F32Mul "f32.mul" F32Div "f32.div" F32Min "f32.min" F32Max "f32.max";
        Float [(F64, "left"), (F64, "right")]
            F64Add "f64.add" F64Sub "f64.sub" F64Mul "f64.mul" F64Div "f64.div" F64Min "f64.min" F64Max "f64.max";
        Float [(F32, "operand")]
            F32Sqrt "f32.sqrt" F32Ceil "f32.ceil" F32Floor "f32.floor" F32Trunc "f32.trunc" F32Nearest "f32.nearest"
            F64PromoteF32 "f64.promote_f32"
            I32TruncF32S "i32.trunc_f32_s" I32TruncF32U "i32.trunc_f32_u"
            I64TruncF32S "i64.trunc_f32_s" I64TruncF32U "i64.trunc_f32_u"
            I32TruncSatF32S "i32.trunc_sat_f32_s" I32TruncSatF32U "i32.trunc_sat_f32_u"
            I64TruncSatF32S "i64.trunc_sat_f32_s" I64TruncSatF32U "i64.trunc_sat_f32_u";
        Float [(F64, "operand")]
            F64Sqrt "f64.sqrt" F64Ceil "f64.ceil" F64Floor "f64.floor" F64Trunc "f64.trunc" F64Nearest "f64.nearest"
            F32DemoteF64 "f32.demote_f64"
            I32TruncF64S "i32.trunc_f64_s" I32TruncF64U "i32.trunc_f64_u"
            I64TruncF64S "i64.trunc_f64_s" I64TruncF64U "i64.trunc_f64_u"
            I32TruncSatF64S "i32.trunc_sat_f64_s" I32TruncSatF64U "i32.trunc_sat_f64_u"
            I64TruncSatF64S "i64.trunc_sat_f64_s" I64TruncSatF64U "i64.trunc_sat_f64_u";
        Float [(I64, "operand")] F32ConvertI64U "f32.convert_i64_u" F64ConvertI64U "f64.convert_i64_u";
        Float [(V128, "left"), (V128, "right")]
            F32x4Add "f32x4.add" F32x4Sub "f32x4.sub" F32x4Mul "f32x4.mul" F32x4Div "f32x4.div"
            F32x4Min "f32x4.min" F32x4Max "f32x4.max" F32x4PMin "f32x4.pmin" F32x4PMax "f32x4.pmax"
            F64x2Add "f64x2.add" F64x2Sub "f64x2.sub" F64x2Mul "f64x2.mul" F64x2Div "f64x2.div"
            F64x2Min "f64x2.min" F64x2Max "f64x2.max" F64x2PMin "f64x2.pmin" F64x2PMax "f64x2.pmax"
            F32x4RelaxedMin "f32x4.relaxed_min" F32x4RelaxedMax "f32x4.relaxed_max"
            F64x2RelaxedMin "f64x2.relaxed_min" F64x2RelaxedMax "f64x2.relaxed_max";
        Float [(V128, "operand")]
            F32x4Sqrt "f32x4.sqrt" F32x4Ceil "f32x4.ceil" F32x4Floor "f32x4.floor" F32x4Trunc "f32x4.trunc"
            F32x4Nearest "f32x4.nearest"
            F64x2Sqrt "f64x2.sqrt" F64x2Ceil "f64x2.ceil" F64x2Floor "f64x2.floor" F64x2Trunc "f64x2.trunc"
            F64x2Nearest "f64x2.nearest"
            F32x4DemoteF64x2Zero "f32x4.demote_f64x2_zero" F64x2PromoteLowF32x4 "f64x2.promote_low_f32x4"
            I32x4TruncSatF32x4S "i32x4.trunc_sat_f32x4_s" I32x4TruncSatF32x4U "i32x4.trunc_sat_f32x4_u"
            I32x4TruncSatF64x2SZero "i32x4.trunc_sat_f64x2_s_zero" I32x4TruncSatF64x2UZero "i32x4.trunc_sat_f64x2_u_zero"
            I32x4RelaxedTruncF32x4S "i32x4.relaxed_trunc_f32x4_s" I32x4RelaxedTruncF32x4U "i32x4.relaxed_trunc_f32x4_u"
            I32x4RelaxedTruncF64x2SZero "i32x4.relaxed_trunc_f64x2_s_zero"
            I32x4RelaxedTruncF64x2UZero "i32x4.relaxed_trunc_f64x2_u_zero";
        Float [(V128, "left"), (V128, "right"), (V128, "summand")]
            F32x4RelaxedMadd "f32x4.relaxed_madd" F32x4RelaxedNmadd "f32x4.relaxed_nmadd"
            F64x2RelaxedMadd "f64x2.relaxed_madd" F64x2RelaxedNmadd "f64x2.relaxed_nmadd";
    }
}

/// The observed instruction that `operator` is.
fn shape(module: &Module, operator: &Operator<'_>) -> Option<Shape> {
    use Operator as O;
    use TraceClass::{Branch, Bulk, Indirect, Load, Select, Store};
    use ValType::I32;
    if let Some((class, operation, memory, above)) = access(operator) {
        let address = seen(memory_type(module, memory), "address");
        let operands = std::iter::once(address).chain(above.iter().map(|ty| unseen(*ty))).collect();
        return Some(Shape { class, operation, operands });
    }
    if let Some((class, operation, operands)) = number(operator) {
        let operands = operands.iter().map(|(ty, name)| seen(*ty, name)).collect();
        return Some(Shape { class, operation, operands });
    }
    let memory = |index: &u32| memory_type(module, *index);
    let table = |index: &u32| if module.tables[*index as usize].table64 { ValType::I64 } else { I32 };
    let element = |index: &u32| encoded(wasmparser::ValType::Ref(module.tables[*index as usize].element_type));
    // Lengths of copies have the narrower type of the two.
    let narrower = |left: ValType, right: ValType| if left == ValType::I64 { right } else { left };
    let condition = || vec![Operand { ty: I32, reading: Reading::Condition, name: Some("condition") }];
    let (class, operation, operands) = match operator {
        O::BrIf { .. } => (Branch, "br_if", condition()),
        O::If { .. } => (Branch, "if", condition()),
        O::BrTable { targets } => {
            let index = Operand { ty: I32, reading: Reading::AtMost(targets.len()), name: Some("index") };
            (Branch, "br_table", vec![index])
        }
        O::Select => (Select, "select", condition()),
        O::TypedSelect { .. } | O::TypedSelectMulti { .. } => (Select, "select", condition()),
        O::CallIndirect { table_index, .. } => (Indirect, "call_indirect", vec![seen(table(table_index), "index")]),
        O::ReturnCallIndirect { table_index, .. } => {
            (Indirect, "return_call_indirect", vec![seen(table(table_index), "index")])
        }
        O::TableGet { table: index } => (Load, "table.get", vec![seen(table(index), "index")]),
        O::TableSet { table: index } => (Store, "table.set", vec![seen(table(index), "index"), unseen(element(index))]),
        O::ArrayGet { .. } => (Load, "array.get", vec![seen(I32, "index")]),
        O::ArrayGetS { .. } => (Load, "array.get_s", vec![seen(I32, "index")]),
        O::ArrayGetU { .. } => (Load, "array.get_u", vec![seen(I32, "index")]),
        O::MemoryGrow { mem } => (Bulk, "memory.grow", vec![seen(memory(mem), "amount")]),
        O::MemoryFill { mem } => {
            let operands = vec![seen(memory(mem), "destination"), unseen(I32), seen(memory(mem), "length")];
            (Bulk, "memory.fill", operands)
        }
        O::MemoryCopy { dst_mem, src_mem } => {
            let (to, from) = (memory(dst_mem), memory(src_mem));
            let operands = vec![seen(to, "destination"), seen(from, "source"), seen(narrower(to, from), "length")];
            (Bulk, "memory.copy", operands)
        }
        O::MemoryInit { mem, .. } => {
            let operands = vec![seen(memory(mem), "destination"), seen(I32, "source"), seen(I32, "length")];
            (Bulk, "memory.init", operands)
        }
        O::TableGrow { table: index } => (Bulk, "table.grow", vec![seen(table(index), "amount")]),
        O::TableFill { table: index } => {
            let operands =
                vec![seen(table(index), "destination"), unseen(element(index)), seen(table(index), "length")];
            (Bulk, "table.fill", operands)
        }
        O::TableCopy { dst_table, src_table } => {
            let (to, from) = (table(dst_table), table(src_table));
            let operands = vec![seen(to, "destination"), seen(from, "source"), seen(narrower(to, from), "length")];
            (Bulk, "table.copy", operands)
        }
        O::TableInit { table: index, .. } => {
            let operands = vec![seen(table(index), "destination"), seen(I32, "source"), seen(I32, "length")];
            (Bulk, "table.init", operands)
        }
        O::ArrayNew { .. } => (Bulk, "array.new", vec![seen(I32, "length")]),
        O::ArrayNewDefault { .. } => (Bulk, "array.new_default", vec![seen(I32, "length")]),
        O::ArrayNewData { .. } => (Bulk, "array.new_data", vec![seen(I32, "source"), seen(I32, "length")]),
        O::ArrayNewElem { .. } => (Bulk, "array.new_elem", vec![seen(I32, "source"), seen(I32, "length")]),
        _ => return None,
    };
    Some(Shape { class, operation, operands })
}

/// The name of `operator` where it follows a reference, or branches on one: what it does then is not seen.
fn untraced(operator: &Operator<'_>) -> Option<&'static str> {
    use Operator as O;
    Some(match operator {
        O::CallRef { .. } => "call_ref",
        O::ReturnCallRef { .. } => "return_call_ref",
        O::ThrowRef => "throw_ref",
        O::BrOnNull { .. } => "br_on_null",
        O::BrOnNonNull { .. } => "br_on_non_null",
        O::BrOnCast { .. } => "br_on_cast",
        O::BrOnCastFail { .. } => "br_on_cast_fail",
        O::RefCastNonNull { .. } | O::RefCastNullable { .. } => "ref.cast",
        O::StructGet { .. } => "struct.get",
        O::StructGetS { .. } => "struct.get_s",
        O::StructGetU { .. } => "struct.get_u",
        O::StructSet { .. } => "struct.set",
        O::ArrayLen => "array.len",
        O::ArrayGet { .. } => "array.get",
        O::ArrayGetS { .. } => "array.get_s",
        O::ArrayGetU { .. } => "array.get_u",
        O::ArraySet { .. } => "array.set",
        O::ArrayFill { .. } => "array.fill",
        O::ArrayCopy { .. } => "array.copy",
        O::ArrayInitData { .. } => "array.init_data",
        O::ArrayInitElem { .. } => "array.init_elem",
        _ => return None,
    })
}

fn memory_type(module: &Module, memory: u32) -> ValType {
    if module.memories[memory as usize].memory64 { ValType::I64 } else { ValType::I32 }
}

/// Most entries that `operator` adds to the lists of what is traced, of what is not, and of calls.
pub(super) fn entries_max(module: &Module, operator: &Operator<'_>) -> u64 {
    let sites = shape(module, operator)
        .map_or(0, |shape| shape.operands.iter().filter(|operand| operand.name.is_some()).count());
    sites as u64 + u64::from(untraced(operator).is_some()) + u64::from(calls(operator))
}

fn calls(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. })
}

/// Writes what is traced into bodies, and keeps the lists of sites.
#[derive(Default)]
pub(super) struct Tracer {
    trace: Trace,
    own_memory: u32,
    accumulators: u32,
    events: u32,
    pub traced: Vec<TraceSite>,
    pub untraced: Vec<Untraced>,
    pub calls: Vec<CallSite>,
    /// Which of the last values pushed are constants, of those pushed by nothing but constants and variables, bottom first.
    constants: Vec<bool>,
}

/// A call that has been announced.
pub(super) struct Announced(u32);

impl Tracer {
    pub fn new(trace: Trace, own_memory: u32, layout: &super::Layout) -> Self {
        let (accumulators, events) = (layout.accumulators.start, layout.events.start);
        Self { trace, own_memory, accumulators, events, ..Self::default() }
    }

    /// Writes what observes `operator`, which comes next. Leaves the operands as they are.
    pub fn before(
        &mut self,
        module: &Module,
        out: &mut Output,
        function: u32,
        operator: &Operator<'_>,
        offset: u32,
    ) -> Option<Announced> {
        if self.trace == Trace::None {
            return None;
        }
        if let Some(operation) = untraced(operator) {
            self.untraced.push(Untraced { function, offset, operation });
        }
        if let Some(shape) = shape(module, operator) {
            self.observe(out, function, offset, &shape);
        }
        self.note_push(operator);
        let calls =
            matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. });
        if self.trace != Trace::Record || !calls {
            return None;
        }
        let call = self.calls.len() as u32;
        self.calls.push(CallSite { function, offset });
        self.record(out, KIND_CALL, call, None);
        Some(Announced(call))
    }

    /// Writes that a call has come back.
    pub fn after(&self, out: &mut Output, call: &Announced) {
        self.record(out, KIND_BACK, call.0, None);
    }

    fn note_push(&mut self, operator: &Operator<'_>) {
        use Operator as O;
        match operator {
            O::I32Const { .. }
            | O::I64Const { .. }
            | O::F32Const { .. }
            | O::F64Const { .. }
            | O::V128Const { .. }
            | O::RefNull { .. }
            | O::RefFunc { .. } => self.constants.push(true),
            O::LocalGet { .. } | O::GlobalGet { .. } => self.constants.push(false),
            _ => self.constants.clear(),
        }
    }

    fn observe(&mut self, out: &mut Output, function: u32, offset: u32, shape: &Shape) {
        let count = shape.operands.len();
        let is_constant = |at: usize| {
            let below_top = count - at;
            self.constants.len().checked_sub(below_top).is_some_and(|at| self.constants[at])
        };
        let observed: Vec<(usize, &'static str)> =
            (0..count).filter(|at| !is_constant(*at)).filter_map(|at| Some((at, shape.operands[at].name?))).collect();
        let Some((deepest, _)) = observed.first().copied() else { return };
        let locals: Vec<u32> =
            (deepest..count).map(|at| out.temporary(Temporary::Operand(at as u8, shape.operands[at].ty))).collect();
        for local in locals[1..].iter().rev() {
            out.sink().local_set(*local);
        }
        out.sink().local_tee(locals[0]);
        // The operand itself is the first thing on the stack; what follows leaves it there.
        for (at, operand) in observed {
            let site = self.traced.len() as u32;
            self.traced.push(TraceSite { function, offset, class: shape.class, operation: shape.operation, operand });
            let Operand { ty, reading, .. } = shape.operands[at];
            let local = locals[at - deepest];
            for half in 0..if ty == ValType::V128 { 2 } else { 1 } {
                self.value(out, site, &|out| push(out, local, ty, reading, half));
            }
        }
        for local in &locals[1..] {
            out.sink().local_get(*local);
        }
    }

    /// Folds one value, and records it.
    fn value(&self, out: &mut Output, site: u32, push: &dyn Fn(&mut Output)) {
        let accumulator = self.own(self.accumulators + 8 * site, 3);
        let kept = (self.trace == Trace::Record).then(|| out.temporary(Temporary::Value));
        out.sink().i32_const(0).i32_const(0).i64_load(accumulator);
        push(out);
        if let Some(kept) = kept {
            out.sink().local_tee(kept);
        }
        out.sink().i64_xor().i64_const(i64::from(ROTATION)).i64_rotl();
        out.sink().i64_const(FACTOR).i64_mul().i64_const(SUMMAND).i64_add().i64_store(accumulator);
        if kept.is_some() {
            self.record(out, KIND_VALUE, site, kept);
        }
    }

    /// Writes an event down. One outside the window goes behind it: cheaper than a branch.
    fn record(&self, out: &mut Output, kind: u32, site: u32, value: Option<u32>) {
        let (number, address) = (out.temporary(Temporary::Event), out.temporary(Temporary::Address32));
        let (count, from) = (self.own(self.events, 3), self.own(self.events + 8, 3));
        let record = self.events + EVENTS_HEADER_BYTES as u32;
        let head = i64::from(kind) << 32 | i64::from(site);
        out.sink().i32_const(0).i32_const(0).i64_load(count).local_tee(number).i64_const(1).i64_add().i64_store(count);
        out.sink().local_get(number).i32_const(0).i64_load(from).i64_sub().local_tee(number);
        out.sink().i64_const(EVENTS_MAX as i64).local_get(number).i64_const(EVENTS_MAX as i64).i64_lt_u().select();
        out.sink().i32_wrap_i64().i32_const(EVENT_BYTES.trailing_zeros() as i32).i32_shl().local_tee(address);
        out.sink().i64_const(head).i64_store(self.own(record, 3));
        out.sink().local_get(address);
        match value {
            Some(value) => out.sink().local_get(value),
            None => out.sink().i64_const(0),
        };
        out.sink().i64_store(self.own(record + 8, 3));
    }

    fn own(&self, offset: u32, align: u32) -> MemArg {
        MemArg { offset: u64::from(offset), align, memory_index: self.own_memory }
    }
}

/// Pushes what is seen of an operand, as an i64.
fn push(out: &mut Output, local: u32, ty: ValType, reading: Reading, half: u8) {
    let mut sink = out.sink();
    sink.local_get(local);
    match (reading, ty) {
        (Reading::Condition, _) => sink.i32_const(0).i32_ne().i64_extend_i32_u(),
        (Reading::AtMost(last), _) => {
            let last = last as i32;
            sink.i32_const(last).local_get(local).i32_const(last).i32_lt_u().select().i64_extend_i32_u()
        }
        (Reading::Bits, ValType::I32) => sink.i64_extend_i32_u(),
        (Reading::Bits, ValType::F32) => sink.i32_reinterpret_f32().i64_extend_i32_u(),
        (Reading::Bits, ValType::F64) => sink.i64_reinterpret_f64(),
        (Reading::Bits, ValType::V128) => sink.i64x2_extract_lane(half),
        (Reading::Bits, ValType::I64 | ValType::Ref(_)) => &mut sink,
    };
}
