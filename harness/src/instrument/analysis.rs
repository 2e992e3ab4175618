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

/// Walks values through a function.
pub(super) struct Values<'a> {
    module: &'a Module,
    stack_pointer: Option<u32>,
    stack: Vec<Origin>,
    versions: Vec<u32>,
}

impl<'a> Values<'a> {
    pub fn new(module: &'a Module, locals: u32, stack_pointer: Option<u32>) -> Self {
        Self { module, stack_pointer, stack: Vec::new(), versions: vec![0; locals as usize] }
    }

    /// The value `depth` below the top of the stack.
    pub fn peek(&self, depth: usize) -> Origin {
        let origin = self.stack.len().checked_sub(depth + 1).map_or(Origin::Unknown, |at| self.stack[at]);
        match origin {
            Origin::Local { index, version } if self.versions[index as usize] != version => Origin::Unknown,
            origin => origin,
        }
    }

    fn pop(&mut self) -> Origin {
        let top = self.peek(0);
        self.stack.pop();
        top
    }

    fn assign(&mut self, local: u32) {
        self.versions[local as usize] += 1;
    }

    /// Goes past `operator`.
    pub fn step(&mut self, operator: &Operator<'_>) {
        use Operator as O;
        match operator {
            O::LocalGet { local_index } => {
                let version = self.versions[*local_index as usize];
                self.stack.push(Origin::Local { index: *local_index, version });
            }
            O::LocalSet { local_index } => {
                self.pop();
                self.assign(*local_index);
            }
            O::LocalTee { local_index } => {
                self.pop();
                self.assign(*local_index);
                let version = self.versions[*local_index as usize];
                self.stack.push(Origin::Local { index: *local_index, version });
            }
            O::I32Const { value } => self.stack.push(Origin::Constant(i64::from(*value))),
            O::I64Const { value } => self.stack.push(Origin::Constant(*value)),
            O::GlobalGet { global_index } if Some(*global_index) == self.stack_pointer => {
                self.stack.push(Origin::Stack { below: 0 });
            }
            O::I32Sub | O::I32Add => {
                let right = self.pop();
                let left = self.pop();
                let below = match (left, right) {
                    (Origin::Stack { below }, Origin::Constant(value)) => {
                        let value = if matches!(operator, O::I32Sub) { value } else { -value };
                        u32::try_from(i64::from(below) + value).ok()
                    }
                    _ => None,
                };
                self.stack.push(below.map_or(Origin::Unknown, |below| Origin::Stack { below }));
            }
            O::Nop => {}
            other => {
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
                        self.stack.extend(std::iter::repeat_n(Origin::Unknown, pushes as usize));
                    }
                    // Nothing known about anything is always right.
                    _ => self.stack.clear(),
                }
            }
        }
    }
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
            Origin::Stack { .. } | Origin::Unknown => Mark::OfTemporary,
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
