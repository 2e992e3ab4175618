//! What is known about values while walking through a function: enough to leave out marks and sites that cannot tell
//! anything new. Everything here may say "unknown"; nothing here may be wrong.

use super::layout::FRAME_PAGES_MAX;
use super::module::Module;
use super::{DIRTY_OVERHANG_BYTES, DIRTY_PAGE_BYTES};
use wasmparser::{MemArg, ModuleArity, Operator, ValType};

/// Nesting below which facts are not carried on: bounds memory on hostile functions.
const FACT_DEPTH_MAX: usize = 256;
/// Facts held at one time.
const FACTS_MAX: usize = 24;

/// A write to memory by one instruction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    pub memarg: MemArg,
    /// Bytes written.
    pub bytes: u64,
    /// Types of the operands above the address, bottom first.
    pub operands: &'static [ValType],
}

/// The plain, atomic or vector store that `operator` is.
pub(super) fn write(operator: &Operator<'_>) -> Option<Write> {
    use Operator as O;
    use ValType::{F32, F64, I32, I64, V128};
    let (memarg, bytes, operands): (&MemArg, u64, &'static [ValType]) = match operator {
        O::I32Store8 { memarg } | O::I32AtomicStore8 { memarg } => (memarg, 1, &[I32]),
        O::I32Store16 { memarg } | O::I32AtomicStore16 { memarg } => (memarg, 2, &[I32]),
        O::I32Store { memarg } | O::I32AtomicStore { memarg } => (memarg, 4, &[I32]),
        O::I64Store8 { memarg } | O::I64AtomicStore8 { memarg } => (memarg, 1, &[I64]),
        O::I64Store16 { memarg } | O::I64AtomicStore16 { memarg } => (memarg, 2, &[I64]),
        O::I64Store32 { memarg } | O::I64AtomicStore32 { memarg } => (memarg, 4, &[I64]),
        O::I64Store { memarg } | O::I64AtomicStore { memarg } => (memarg, 8, &[I64]),
        O::F32Store { memarg } => (memarg, 4, &[F32]),
        O::F64Store { memarg } => (memarg, 8, &[F64]),
        O::V128Store { memarg } => (memarg, 16, &[V128]),
        O::V128Store8Lane { memarg, .. } => (memarg, 1, &[V128]),
        O::V128Store16Lane { memarg, .. } => (memarg, 2, &[V128]),
        O::V128Store32Lane { memarg, .. } => (memarg, 4, &[V128]),
        O::V128Store64Lane { memarg, .. } => (memarg, 8, &[V128]),
        O::I32AtomicRmwAdd { memarg }
        | O::I32AtomicRmwSub { memarg }
        | O::I32AtomicRmwAnd { memarg }
        | O::I32AtomicRmwOr { memarg }
        | O::I32AtomicRmwXor { memarg }
        | O::I32AtomicRmwXchg { memarg }
        | O::I32AtomicRmw8AddU { memarg }
        | O::I32AtomicRmw8SubU { memarg }
        | O::I32AtomicRmw8AndU { memarg }
        | O::I32AtomicRmw8OrU { memarg }
        | O::I32AtomicRmw8XorU { memarg }
        | O::I32AtomicRmw8XchgU { memarg }
        | O::I32AtomicRmw16AddU { memarg }
        | O::I32AtomicRmw16SubU { memarg }
        | O::I32AtomicRmw16AndU { memarg }
        | O::I32AtomicRmw16OrU { memarg }
        | O::I32AtomicRmw16XorU { memarg }
        | O::I32AtomicRmw16XchgU { memarg } => (memarg, 4, &[I32]),
        O::I64AtomicRmwAdd { memarg }
        | O::I64AtomicRmwSub { memarg }
        | O::I64AtomicRmwAnd { memarg }
        | O::I64AtomicRmwOr { memarg }
        | O::I64AtomicRmwXor { memarg }
        | O::I64AtomicRmwXchg { memarg }
        | O::I64AtomicRmw8AddU { memarg }
        | O::I64AtomicRmw8SubU { memarg }
        | O::I64AtomicRmw8AndU { memarg }
        | O::I64AtomicRmw8OrU { memarg }
        | O::I64AtomicRmw8XorU { memarg }
        | O::I64AtomicRmw8XchgU { memarg }
        | O::I64AtomicRmw16AddU { memarg }
        | O::I64AtomicRmw16SubU { memarg }
        | O::I64AtomicRmw16AndU { memarg }
        | O::I64AtomicRmw16OrU { memarg }
        | O::I64AtomicRmw16XorU { memarg }
        | O::I64AtomicRmw16XchgU { memarg }
        | O::I64AtomicRmw32AddU { memarg }
        | O::I64AtomicRmw32SubU { memarg }
        | O::I64AtomicRmw32AndU { memarg }
        | O::I64AtomicRmw32OrU { memarg }
        | O::I64AtomicRmw32XorU { memarg }
        | O::I64AtomicRmw32XchgU { memarg } => (memarg, 8, &[I64]),
        O::I32AtomicRmwCmpxchg { memarg }
        | O::I32AtomicRmw8CmpxchgU { memarg }
        | O::I32AtomicRmw16CmpxchgU { memarg } => (memarg, 4, &[I32, I32]),
        O::I64AtomicRmwCmpxchg { memarg }
        | O::I64AtomicRmw8CmpxchgU { memarg }
        | O::I64AtomicRmw16CmpxchgU { memarg }
        | O::I64AtomicRmw32CmpxchgU { memarg } => (memarg, 8, &[I64, I64]),
        _ => return None,
    };
    Some(Write { memarg: *memarg, bytes, operands })
}

/// Whether running `operator` changes something that neither the dirty map nor the exported globals can undo.
pub(super) fn unrestorable(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::TableSet { .. }
            | O::TableGrow { .. }
            | O::TableFill { .. }
            | O::TableCopy { .. }
            | O::TableInit { .. }
            | O::ElemDrop { .. }
            | O::DataDrop { .. }
            | O::StructSet { .. }
            | O::ArraySet { .. }
            | O::ArrayFill { .. }
            | O::ArrayCopy { .. }
            | O::ArrayInitData { .. }
            | O::ArrayInitElem { .. }
    )
}

/// Whether `operator` writes to memory or tables in bulk, or changes a segment.
pub(super) fn bulk(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(operator, O::MemoryFill { .. } | O::MemoryCopy { .. } | O::MemoryInit { .. }) || unrestorable(operator)
}

/// Operand type of a compare, and whether it is an ordering one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compare {
    pub ty: ValType,
    /// `eqz`: the right operand is a zero that is not on the stack.
    pub with_zero: bool,
    /// `eq`, `ne`, `eqz`.
    pub equality: bool,
    /// Signed order (integers).
    pub signed: bool,
}

/// The scalar compare that `operator` is.
pub(super) fn compare(operator: &Operator<'_>) -> Option<Compare> {
    use Operator as O;
    use ValType::{F32, F64, I32, I64};
    let (ty, with_zero, equality, signed) = match operator {
        O::I32Eqz => (I32, true, true, false),
        O::I32Eq | O::I32Ne => (I32, false, true, false),
        O::I32LtS | O::I32GtS | O::I32LeS | O::I32GeS => (I32, false, false, true),
        O::I32LtU | O::I32GtU | O::I32LeU | O::I32GeU => (I32, false, false, false),
        O::I64Eqz => (I64, true, true, false),
        O::I64Eq | O::I64Ne => (I64, false, true, false),
        O::I64LtS | O::I64GtS | O::I64LeS | O::I64GeS => (I64, false, false, true),
        O::I64LtU | O::I64GtU | O::I64LeU | O::I64GeU => (I64, false, false, false),
        O::F32Eq | O::F32Ne => (F32, false, true, true),
        O::F32Lt | O::F32Gt | O::F32Le | O::F32Ge => (F32, false, false, true),
        O::F64Eq | O::F64Ne => (F64, false, true, true),
        O::F64Lt | O::F64Gt | O::F64Le | O::F64Ge => (F64, false, false, true),
        _ => return None,
    };
    Some(Compare { ty, with_zero, equality, signed })
}

/// Where a value on the stack came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Unknown,
    /// The value that this local holds, as long as its version is the same.
    Local {
        index: u32,
        version: u32,
    },
    Constant(i64),
    /// The shadow stack pointer less a constant.
    Stack {
        below: u32,
    },
    /// Loaded from memory 0 by the instruction of that ordinal.
    Load {
        ordinal: u32,
        bytes: u8,
    },
    /// Difference (`sub`, `xor`) made by the instruction of that ordinal.
    Difference {
        ordinal: u32,
    },
    /// Something plus this constant.
    Plus(i64),
}

/// What to do about one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Address on the stack: save it in a temporary, store, mark.
    OfTemporary,
    /// Mark the page of local + offset.
    OfLocal { local: u32, offset: u64 },
    /// Mark this page.
    OfPage(u32),
    /// An earlier mark covers it.
    Covered,
}

/// Marks of one function, by instruction ordinal.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// One entry per store (see [`write`]), in code order.
    pub stores: Vec<Mark>,
    /// `(ordinal of the local.set or local.tee, local, pages)`, sorted: mark that many pages from the one where the local points.
    pub frames: Vec<(u32, u32, u32)>,
}

/// What one mark covers, relative to its base. Kept apart from the facts that refer to it, because it may still move
/// while copies of the fact wait for the end of a block.
#[derive(Debug, Clone, Copy)]
struct Group {
    start: u64,
    end: u64,
    /// End of the highest store that relies on it.
    used_end: u64,
    source: Source,
}

/// At this point of the code the mark of `group` (an index) has been made, and the base has not changed since.
#[derive(Debug, Clone, Copy)]
struct Fact {
    base: Base,
    group: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Local(u32),
    Page(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Store(usize),
    Frame(usize),
}

/// A value on the stack or in a local.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub origin: Origin,
    /// Bits that tell the value: the others are zeros, or copies of the sign. Only to write compares down narrowly.
    pub width: u8,
    /// About how many bits of information it can carry: what depends on one byte carries 8.
    pub entropy: u8,
    /// Parameters (the first 8) that an address computed from this depends on.
    pub parameters: u8,
}

impl Value {
    const UNKNOWN: Value = Value { origin: Origin::Unknown, width: 64, entropy: 64, parameters: 0 };

    fn of_bits(bits: u8) -> Value {
        Value { width: bits, entropy: bits, ..Value::UNKNOWN }
    }

    fn constant(value: u64, signed: i64) -> Value {
        // As unsigned or as signed number, whichever is shorter: either extension gives the value back.
        let magnitude = if signed < 0 { !signed } else { signed };
        let width = (64 - value.leading_zeros()).min(65 - magnitude.leading_zeros()) as u8;
        Value { origin: Origin::Constant(signed), width, entropy: 0, parameters: 0 }
    }
}

/// What holds for a local throughout its function: the union of everything that it is ever set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Summary {
    width: u8,
    entropy: u8,
    parameters: u8,
}

/// Walks values through a function.
pub(super) struct Values<'a> {
    module: &'a Module,
    stack_pointer: Option<u32>,
    stack: Vec<Value>,
    versions: Vec<u32>,
    /// Where the current version of a local came from, with the number of the straight run of code in which it was set.
    definitions: Vec<(Origin, u32)>,
    summaries: Vec<Summary>,
    changed: bool,
    widen: bool,
    straight: u32,
    ordinal: u32,
}

impl<'a> Values<'a> {
    /// Starts with summaries that know nothing.
    pub fn new(module: &'a Module, locals: u32, stack_pointer: Option<u32>) -> Self {
        let locals = locals as usize;
        let summary = Summary { width: 64, entropy: 64, parameters: 0xff };
        Self {
            module,
            stack_pointer,
            stack: Vec::new(),
            versions: vec![0; locals],
            definitions: vec![(Origin::Unknown, 0); locals],
            summaries: vec![summary; locals],
            changed: false,
            widen: false,
            straight: 1,
            ordinal: 0,
        }
    }

    /// Starts with summaries that hold, found by walking until nothing changes.
    pub fn with_summaries<'w>(
        module: &'a Module,
        params: &[ValType],
        locals: u32,
        stack_pointer: Option<u32>,
        operators: impl Fn() -> wasmparser::OperatorsReader<'w>,
    ) -> wasmparser::Result<Self> {
        const ROUNDS_MAX: usize = 10;
        const ROUNDS_EXACT: usize = 3;
        let mut values = Self::new(module, locals, stack_pointer);
        values.summaries.fill(Summary::default());
        for (index, ty) in params.iter().enumerate() {
            let bits = if *ty == ValType::I32 { 32 } else { 64 };
            let parameters = 1u8.checked_shl(index as u32).unwrap_or(0);
            values.summaries[index] = Summary { width: bits, entropy: bits, parameters };
        }
        for round in 0..ROUNDS_MAX {
            values.restart();
            values.widen = round >= ROUNDS_EXACT;
            let mut reader = operators();
            while !reader.eof() {
                values.step(&reader.read()?);
            }
            if !values.changed {
                values.restart();
                return Ok(values);
            }
        }
        // Still moving: give up on what moves by a claim that is true of everything.
        let mut values = Self::new(module, locals, stack_pointer);
        values.restart();
        Ok(values)
    }

    fn restart(&mut self) {
        self.stack.clear();
        self.versions.fill(0);
        self.definitions.fill((Origin::Unknown, 0));
        (self.changed, self.straight, self.ordinal) = (false, 1, 0);
    }

    /// Where the value `depth` below the top of the stack came from.
    pub fn peek(&self, depth: usize) -> Origin {
        self.value(depth).origin
    }

    /// The value `depth` below the top of the stack.
    pub fn value(&self, depth: usize) -> Value {
        let value = self.stack.len().checked_sub(depth + 1).map_or(Value::UNKNOWN, |at| self.stack[at]);
        match value.origin {
            Origin::Local { index, version } if self.versions[index as usize] != version => {
                Value { origin: Origin::Unknown, ..value }
            }
            _ => value,
        }
    }

    /// The same, looking through a local to what it was set to, if that happened on the straight way here.
    pub fn definition(&self, depth: usize) -> Origin {
        match self.peek(depth) {
            Origin::Local { index, .. } => match self.definitions[index as usize] {
                (origin, straight) if straight == self.straight => origin,
                _ => Origin::Unknown,
            },
            origin => origin,
        }
    }

    fn pop(&mut self) -> Value {
        let top = self.value(0);
        self.stack.pop();
        top
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn assign(&mut self, local: u32) {
        let origin = self.definition(0);
        let value = self.pop();
        let local = local as usize;
        self.versions[local] += 1;
        self.definitions[local] = (origin, self.straight);
        let summary = &mut self.summaries[local];
        // What keeps growing (a counter, a hash) will go all the way.
        let grow = |old: u8, new: u8| if new > old && self.widen { 64 } else { old.max(new) };
        let union = Summary {
            width: grow(summary.width, value.width),
            entropy: grow(summary.entropy, value.entropy),
            parameters: summary.parameters | value.parameters,
        };
        self.changed |= union != *summary;
        *summary = union;
    }

    fn get(&mut self, local: u32) {
        let Summary { width, entropy, parameters } = self.summaries[local as usize];
        let origin = Origin::Local { index: local, version: self.versions[local as usize] };
        self.push(Value { origin, width, entropy, parameters });
    }

    /// Goes past `operator`.
    pub fn step(&mut self, operator: &Operator<'_>) {
        use Operator as O;
        self.ordinal += 1;
        match operator {
            O::LocalGet { local_index } => self.get(*local_index),
            O::LocalSet { local_index } => self.assign(*local_index),
            O::LocalTee { local_index } => {
                self.assign(*local_index);
                self.get(*local_index);
            }
            O::I32Const { value } => self.push(Value::constant(u64::from(*value as u32), i64::from(*value))),
            O::I64Const { value } => self.push(Value::constant(*value as u64, *value)),
            O::F32Const { .. } | O::F64Const { .. } => self.push(Value { entropy: 0, ..Value::UNKNOWN }),
            O::GlobalGet { global_index } if Some(*global_index) == self.stack_pointer => {
                self.push(Value { origin: Origin::Stack { below: 0 }, ..Value::of_bits(32) });
            }
            O::I32Sub | O::I32Add | O::I32Xor | O::I64Sub | O::I64Add | O::I64Xor => {
                let right = self.pop();
                let left = self.pop();
                self.push(self.sum(operator, left, right));
            }
            O::I32And | O::I64And => {
                let (right, left) = (self.pop(), self.pop());
                let width = left.width.min(right.width);
                let entropy = (left.entropy.saturating_add(right.entropy)).min(width);
                let parameters = left.parameters | right.parameters;
                self.push(Value { origin: Origin::Unknown, width, entropy, parameters });
            }
            O::I32Or | O::I64Or => {
                let (right, left) = (self.pop(), self.pop());
                let width = left.width.max(right.width);
                let entropy = left.entropy.saturating_add(right.entropy).min(64);
                let parameters = left.parameters | right.parameters;
                self.push(Value { origin: Origin::Unknown, width, entropy, parameters });
            }
            O::I32ShrU | O::I64ShrU => {
                let (right, left) = (self.pop(), self.pop());
                let shift = match right.origin {
                    Origin::Constant(shift) if matches!(operator, O::I32ShrU) => (shift & 31) as u8,
                    Origin::Constant(shift) => (shift & 63) as u8,
                    _ => 0,
                };
                let bits = if matches!(operator, O::I32ShrU) { 32 } else { 64 };
                let width = left.width.min(bits).saturating_sub(shift);
                let entropy = left.entropy.saturating_add(right.entropy).min(width);
                self.push(Value { origin: Origin::Unknown, width, entropy, parameters: 0 });
            }
            O::I32Shl | O::I64Shl => {
                let (right, left) = (self.pop(), self.pop());
                let width = match right.origin {
                    Origin::Constant(shift) if (0..64).contains(&shift) => {
                        left.width.saturating_add(shift as u8).min(64)
                    }
                    _ => 64,
                };
                let entropy = left.entropy.saturating_add(right.entropy).min(64);
                self.push(Value { origin: Origin::Unknown, width, entropy, parameters: left.parameters });
            }
            O::I64ExtendI32U | O::I32WrapI64 | O::I64ExtendI32S => {
                let value = self.pop();
                let width = match operator {
                    O::I64ExtendI32S if value.width >= 32 => 64,
                    _ => value.width.min(32),
                };
                let entropy = value.entropy.min(32);
                self.push(Value { origin: Origin::Unknown, width, entropy, parameters: value.parameters });
            }
            O::Select => {
                self.pop();
                let (right, left) = (self.pop(), self.pop());
                self.push(Value {
                    origin: Origin::Unknown,
                    width: left.width.max(right.width),
                    entropy: left.entropy.max(right.entropy).saturating_add(1).min(64),
                    parameters: left.parameters | right.parameters,
                });
            }
            O::Nop => {}
            other if compare(other).is_some_and(|compare| !compare.with_zero) => {
                self.pop();
                self.pop();
                self.push(Value::of_bits(1));
            }
            O::I32Eqz | O::I64Eqz => {
                self.pop();
                self.push(Value::of_bits(1));
            }
            other => {
                if let Some((memarg, bytes)) = load(other) {
                    self.pop();
                    let origin = if memarg.memory == 0 {
                        Origin::Load { ordinal: self.ordinal, bytes }
                    } else {
                        Origin::Unknown
                    };
                    self.push(Value { origin, parameters: 0, ..Value::of_bits(8 * bytes) });
                    return;
                }
                if splits(other) {
                    self.straight += 1;
                }
                let arity = match other {
                    O::Call { function_index } => self
                        .module
                        .function_type(*function_index)
                        .map(|ty| (ty.params().len() as u32, ty.results().len() as u32)),
                    other => other.operator_arity(&NoContext),
                };
                match arity {
                    Some((pops, pushes)) if !ends_block(other) => {
                        let keep = self.stack.len().saturating_sub(pops as usize);
                        self.stack.truncate(keep);
                        self.stack.extend(std::iter::repeat_n(Value::UNKNOWN, pushes as usize));
                    }
                    // Nothing known about anything is always right.
                    _ => self.stack.clear(),
                }
            }
        }
    }

    fn sum(&self, operator: &Operator<'_>, left: Value, right: Value) -> Value {
        use Operator as O;
        let minus = matches!(operator, O::I32Sub | O::I64Sub);
        let xor = matches!(operator, O::I32Xor | O::I64Xor);
        let origin = match (left.origin, right.origin) {
            (Origin::Stack { below }, Origin::Constant(value)) if !xor => {
                let below = i64::from(below) + if minus { value } else { -value };
                u32::try_from(below).map_or(Origin::Unknown, |below| Origin::Stack { below })
            }
            (_, Origin::Constant(value)) if !xor => Origin::Plus(if minus { value.wrapping_neg() } else { value }),
            _ if minus || xor => Origin::Difference { ordinal: self.ordinal },
            _ => Origin::Unknown,
        };
        let bits = if matches!(operator, O::I32Sub | O::I32Add | O::I32Xor) { 32 } else { 64 };
        let wider = left.width.max(right.width);
        let width = match (minus, xor) {
            (_, true) => wider,
            (true, _) => bits,
            _ => wider.saturating_add(1).min(bits),
        };
        let entropy = left.entropy.saturating_add(right.entropy).saturating_add(u8::from(!xor)).min(64);
        Value { origin, width, entropy, parameters: left.parameters | right.parameters }
    }
}

/// The scalar integer load that `operator` is: its memory argument and how many bytes it reads.
pub(super) fn load<'o>(operator: &'o Operator<'_>) -> Option<(&'o MemArg, u8)> {
    use Operator as O;
    Some(match operator {
        O::I32Load8U { memarg } | O::I64Load8U { memarg } => (memarg, 1),
        O::I32Load8S { memarg } | O::I64Load8S { memarg } => (memarg, 1),
        O::I32Load16U { memarg } | O::I64Load16U { memarg } => (memarg, 2),
        O::I32Load16S { memarg } | O::I64Load16S { memarg } => (memarg, 2),
        O::I32Load { memarg } | O::I64Load32U { memarg } | O::I64Load32S { memarg } => (memarg, 4),
        O::I64Load { memarg } => (memarg, 8),
        _ => return None,
    })
}

/// Whether code after `operator` may be reached without coming straight through it.
fn splits(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(operator, O::Loop { .. } | O::Else | O::End)
}

fn ends_block(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Unreachable | Operator::Throw { .. } | Operator::ThrowRef)
}

/// Answers no question about the module: only operators of fixed arity have one.
struct NoContext;

impl ModuleArity for NoContext {
    fn sub_type_at(&self, _: u32) -> Option<&wasmparser::SubType> {
        None
    }
    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }
    fn type_index_of_function(&self, _: u32) -> Option<u32> {
        None
    }
    fn func_type_of_cont_type(&self, _: &wasmparser::ContType) -> Option<&wasmparser::FuncType> {
        None
    }
    fn sub_type_of_ref_type(&self, _: &wasmparser::RefType) -> Option<&wasmparser::SubType> {
        None
    }
    fn control_stack_height(&self) -> u32 {
        0
    }
    fn label_block(&self, _: u32) -> Option<(wasmparser::BlockType, wasmparser::FrameKind)> {
        None
    }
}

/// Decides which stores of a function need a mark of their own.
///
/// A mark made at one place holds for all code that this place dominates, as long as the base local is not assigned:
/// marks are never taken back during a run. Dominance follows from the block structure: what holds before a block holds
/// inside it and, less what it assigns, after it; what holds before a loop holds in it if the loop assigns the base nowhere.
/// A trap in between does no harm, since a trapped instance is not used again, and a mark too many only costs time.
pub(super) fn marks<'w>(
    module: &Module,
    locals: u32,
    stack_pointer: Option<u32>,
    operators: impl Fn() -> wasmparser::OperatorsReader<'w>,
) -> wasmparser::Result<Marks> {
    let assigned = Assigned::collect(operators())?;
    let mut values = Values::new(module, locals, stack_pointer);
    let mut state = Placing::default();
    let mut last_assigned: Vec<u32> = vec![0; locals as usize];
    let mut blocks: Vec<(u32, Vec<Fact>)> = Vec::new();
    let mut loops = 0usize;
    let mut reader = operators();
    let mut ordinal = 0u32;
    while !reader.eof() {
        let operator = reader.read()?;
        ordinal += 1;
        match &operator {
            Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } | Operator::Loop { .. } => {
                if let Operator::Loop { .. } = operator {
                    let end = assigned.loop_ends[loops];
                    loops += 1;
                    state.facts.retain(|fact| match fact.base {
                        Base::Local(local) => !assigned.within(local, ordinal, end),
                        Base::Page(_) => true,
                    });
                }
                let saved = if blocks.len() < FACT_DEPTH_MAX { state.facts.clone() } else { Vec::new() };
                blocks.push((ordinal, saved));
            }
            Operator::Else => {
                if let Some((_, saved)) = blocks.last() {
                    state.facts.clone_from(saved);
                }
            }
            Operator::End => {
                if let Some((start, saved)) = blocks.pop() {
                    state.facts = saved;
                    state.facts.retain(|fact| match fact.base {
                        Base::Local(local) => last_assigned[local as usize] <= start,
                        Base::Page(_) => true,
                    });
                }
            }
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                let local = *local_index;
                state.facts.retain(|fact| fact.base != Base::Local(local));
                last_assigned[local as usize] = ordinal;
                if let Origin::Stack { below } = values.peek(0)
                    && below > 0
                    && u64::from(below) <= frame_bytes(FRAME_PAGES_MAX)
                {
                    let end = u64::from(below);
                    let source = Source::Frame(state.frames.len());
                    state.push(Base::Local(local), Group { start: 0, end, used_end: end, source });
                    state.frames.push(Frame { ordinal, local, bytes: below, used: false });
                }
            }
            other => {
                if let Some(write) = write(other) {
                    let memory = module.memories[write.memarg.memory as usize];
                    let mark = if write.memarg.memory == 0 && !memory.memory64 {
                        state.place(values.peek(write.operands.len()), &write)
                    } else {
                        Mark::OfTemporary
                    };
                    state.stores.push(mark);
                }
            }
        }
        values.step(&operator);
    }
    let frames = state.frames.into_iter().filter(|frame| frame.used);
    let pages =
        |bytes: u32| (1..=FRAME_PAGES_MAX).find(|n| u64::from(bytes) <= frame_bytes(*n)).unwrap_or(FRAME_PAGES_MAX);
    let frames = frames.map(|frame| (frame.ordinal, frame.local, pages(frame.bytes))).collect();
    Ok(Marks { stores: state.stores, frames })
}

/// Bytes from any address on that are covered for sure when `pages` pages from its own on are marked.
fn frame_bytes(pages: u32) -> u64 {
    u64::from(pages - 1) * DIRTY_PAGE_BYTES + DIRTY_OVERHANG_BYTES
}

/// A local that points to the lower end of a frame of constant size.
#[derive(Debug)]
struct Frame {
    ordinal: u32,
    local: u32,
    bytes: u32,
    used: bool,
}

#[derive(Debug, Default)]
struct Placing {
    facts: Vec<Fact>,
    groups: Vec<Group>,
    stores: Vec<Mark>,
    frames: Vec<Frame>,
}

impl Placing {
    fn push(&mut self, base: Base, group: Group) {
        if self.facts.len() == FACTS_MAX {
            self.facts.remove(0);
        }
        self.facts.push(Fact { base, group: self.groups.len() });
        self.groups.push(group);
    }

    /// Finds a mark for the next store, or makes one.
    fn place(&mut self, address: Origin, write: &Write) -> Mark {
        let (start, end) = (write.memarg.offset, write.memarg.offset + write.bytes);
        let source = Source::Store(self.stores.len());
        match address {
            Origin::Local { index, .. } => {
                for fact in self.facts.iter().filter(|fact| fact.base == Base::Local(index)) {
                    let group = &mut self.groups[fact.group];
                    if group.start <= start && end <= group.end {
                        group.used_end = group.used_end.max(end);
                        if let Source::Frame(frame) = group.source {
                            self.frames[frame].used = true;
                        }
                        return Mark::Covered;
                    }
                    // A mark made for a store may move down, as long as every store that it serves stays covered.
                    if let Source::Store(store) = group.source
                        && start < group.start
                        && group.used_end.max(end) - start <= DIRTY_OVERHANG_BYTES
                        && let Mark::OfLocal { offset, .. } = &mut self.stores[store]
                    {
                        *offset = start;
                        group.start = start;
                        group.end = start + DIRTY_OVERHANG_BYTES;
                        group.used_end = group.used_end.max(end);
                        return Mark::Covered;
                    }
                }
                let group = Group { start, end: start + DIRTY_OVERHANG_BYTES, used_end: end, source };
                self.push(Base::Local(index), group);
                Mark::OfLocal { local: index, offset: start }
            }
            Origin::Constant(base) => {
                let page = (u64::from(base as u32) + start) / DIRTY_PAGE_BYTES;
                if page >= 1 << 20 {
                    // Beyond the address space: it will trap.
                    return Mark::OfTemporary;
                }
                let page = page as u32;
                if self.facts.iter().any(|fact| fact.base == Base::Page(page)) {
                    return Mark::Covered;
                }
                self.push(Base::Page(page), Group { start: 0, end: 0, used_end: 0, source });
                Mark::OfPage(page)
            }
            _ => Mark::OfTemporary,
        }
    }
}

/// Which locals each loop assigns.
struct Assigned {
    /// Ordinal of the `end` of each loop, in order of the loops' starts.
    loop_ends: Vec<u32>,
    /// `(local, ordinal)` of every assignment, sorted.
    assignments: Vec<(u32, u32)>,
}

impl Assigned {
    fn collect(mut reader: wasmparser::OperatorsReader<'_>) -> wasmparser::Result<Self> {
        let mut loop_ends = Vec::new();
        let mut assignments = Vec::new();
        let mut open: Vec<Option<usize>> = Vec::new();
        let mut ordinal = 0u32;
        while !reader.eof() {
            ordinal += 1;
            match reader.read()? {
                Operator::Loop { .. } => {
                    open.push(Some(loop_ends.len()));
                    loop_ends.push(0);
                }
                Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => open.push(None),
                Operator::End => {
                    if let Some(Some(at)) = open.pop() {
                        loop_ends[at] = ordinal;
                    }
                }
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    assignments.push((local_index, ordinal));
                }
                _ => {}
            }
        }
        assignments.sort_unstable();
        Ok(Self { loop_ends, assignments })
    }

    fn within(&self, local: u32, start: u32, end: u32) -> bool {
        let at = self.assignments.partition_point(|entry| *entry < (local, start));
        self.assignments.get(at).is_some_and(|&(other, ordinal)| other == local && ordinal < end)
    }
}
