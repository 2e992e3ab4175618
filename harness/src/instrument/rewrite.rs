//! Puts the rewritten module together: untouched sections byte for byte, bodies with what was asked for.

use super::analysis::{self, Mark, Marks};
use super::compare::{self, Comparer, Listen};
use super::helpers::{Context, Helper};
use super::layout;
use super::module::Module;
use super::trace::{self, Trace, Tracer};
use super::{
    DIRTY_PAGE_BYTES, GLOBAL_EXPORT_PREFIX, GUEST_MEMORY_EXPORT_PREFIX, Instrumented, Layout, MEMORY_EXPORT, Options,
    Place, Site, SiteKind, portable,
};
use crate::error::HarnessError;
use std::collections::BTreeMap;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Encode, ExportKind, InstructionSink, MemArg, ValType};
use wasmparser::{BinaryReader, FunctionBody, Operator, OperatorsReader};

/// Most edge counters: more would cost more to scan than they tell.
const COUNTERS_MAX: u64 = 4 << 20;
/// Most locals of a function, by the engines' common limits.
const LOCALS_MAX: u32 = 50_000;
/// Largest function body, by the engines' common limits.
const BODY_BYTES_MAX: usize = 7_654_321;

/// See [`super::instrument`].
pub(super) fn rewrite(
    name: &str,
    wasm: &[u8],
    module: &Module,
    options: Options,
    memory_bytes_max: u64,
) -> Result<Instrumented, HarnessError> {
    let slots = module.edges_max <= COUNTERS_MAX && !matches!(options.place, Place::Globals(_));
    let edges_max = if slots { module.edges_max } else { module.edges_without_slots_max };
    if options.edges && edges_max > COUNTERS_MAX {
        return Err(HarnessError::module(
            name,
            format!(
                "has {edges_max} branches, more than the {COUNTERS_MAX} that are counted: split it, or fuzz it without edges"
            ),
        ));
    }
    if options.trace != Trace::None && module.traced_max > trace::ENTRIES_MAX {
        return Err(HarnessError::module(
            name,
            format!(
                "has {} branches, accesses and other operands to trace, more than {}: split it",
                module.traced_max,
                trace::ENTRIES_MAX
            ),
        ));
    }
    let layout = layout::plan(
        &module.memories,
        options,
        memory_bytes_max,
        edges_max,
        module.compares_max,
        module.traced_max,
        options.dirty && has_virtual_growth(module),
    )
    .map_err(|bytes| {
        HarnessError::module(name, format!("needs {bytes} bytes of instrumentation memory, more than 1 GiB"))
    })?;
    let (own_memory, base) = match options.place {
        Place::Tail(_) => portable::tail(name, module)?,
        _ => (module.memories.len() as u32, 0),
    };
    let stack_pointer = stack_pointer(module);
    let mut rewriter = Rewriter {
        name,
        wasm,
        module,
        options,
        slots,
        own_memory,
        base,
        stack_pointer,
        stack_room: stack_room(module, stack_pointer).filter(|_| options.shadow_stack_guard),
        tracer: Tracer::new(options.trace, module.memories.len() as u32, &layout),
        layout,
        edges: Vec::new(),
        compares: Vec::new(),
        comparers: BTreeMap::new(),
        types: Vec::new(),
        type_indices: BTreeMap::new(),
        helpers: Vec::new(),
        helper_indices: BTreeMap::new(),
    };
    if options.compare_log && module.memories.first().is_some_and(|memory| !memory.memory64) {
        rewriter.comparers = compare::comparers(module, wasm);
    }
    let mut code = Vec::new();
    for (at, body) in module.bodies.iter().enumerate() {
        let function = module.functions_imported + at as u32;
        rewriter.function(
            function,
            FunctionBody::new(BinaryReader::new(&wasm[body.clone()], body.start)),
            &mut code,
        )?;
    }
    rewriter.finish(code)
}

/// Whether the guest may be told another size of its memory than it has: where it has one, of the plain kind, and nobody
/// else sees its size: no importer, no instruction that the engine checks by other means than protected pages.
fn has_virtual_growth(module: &Module) -> bool {
    let plain = |memory: &wasmparser::MemoryType| {
        !memory.memory64 && !memory.shared && memory.page_size_log2.is_none_or(|log2| log2 == 16)
    };
    module.memories_imported == 0
        && !module.waits_or_notifies
        && matches!(&module.memories[..], [memory] if plain(memory))
}

/// The global that is the shadow stack pointer: by name, else the mutable i32 global that most prologues subtract from.
fn stack_pointer(module: &Module) -> Option<u32> {
    if module.memories.is_empty() {
        return None;
    }
    let mutable_i32 = |index: u32| {
        let global = module.globals.get(index as usize);
        global.is_some_and(|global| global.ty.mutable && global.ty.content_type == wasmparser::ValType::I32)
    };
    let named = module.global_names.iter().find(|(index, name)| name == "__stack_pointer" && mutable_i32(*index));
    if let Some((index, _)) = named {
        return Some(*index);
    }
    let starts = |index: u32| module.globals[index as usize].initial.is_some_and(|value| value > 0);
    let candidates = module.prologues.iter().filter(|(index, _)| mutable_i32(*index) && starts(*index));
    candidates.max_by_key(|(index, count)| (*count, std::cmp::Reverse(*index))).map(|(index, _)| *index)
}

/// The room of the shadow stack: lowest and highest value that its pointer may take. The lowest is where data or the
/// linker's own mark ends below the start; where the stack comes first in memory, it is 0, and running below it wraps.
fn stack_room(module: &Module, stack_pointer: Option<u32>) -> Option<(u32, u32)> {
    let high = module.globals[stack_pointer? as usize].initial? as u32;
    let data = module.data.iter().map(|(start, bytes)| u64::from(*start) + bytes.len() as u64);
    let marks = module.low_marks.iter().map(|mark| u64::from(*mark));
    let low = data.chain(marks).filter(|end| *end <= u64::from(high)).max().unwrap_or(0);
    Some((low as u32, high))
}

struct Rewriter<'a> {
    name: &'a str,
    wasm: &'a [u8],
    module: &'a Module,
    options: Options,
    slots: bool,
    own_memory: u32,
    /// Where our part of it begins.
    base: u64,
    stack_pointer: Option<u32>,
    /// Where the stack pointer must stay, if that is watched.
    stack_room: Option<(u32, u32)>,
    layout: Layout,
    tracer: Tracer,
    edges: Vec<Site>,
    compares: Vec<Site>,
    /// Functions that compare byte strings.
    comparers: BTreeMap<u32, Comparer>,
    /// Added function types.
    types: Vec<(Vec<ValType>, Vec<ValType>)>,
    type_indices: BTreeMap<Vec<u8>, u32>,
    helpers: Vec<Helper>,
    helper_indices: BTreeMap<Helper, u32>,
}

/// An open block of the original function.
struct Block {
    /// Types that a branch to it carries.
    label: Vec<wasmparser::ValType>,
    /// Offset of an `if` whose `else` has not come yet.
    open_if: Option<u32>,
    /// Offset of the first `try_table` with a catch clause that lands at the end of this block.
    landing: Option<u32>,
}

/// One function being written.
pub(super) struct Output {
    bytes: Vec<u8>,
    /// Parameters and locals of the original.
    locals: u32,
    /// Temporaries by use, in order of their first use.
    temporaries: Vec<(Temporary, ValType)>,
}

/// Temporaries: live within one rewritten instruction only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporary {
    Address32,
    Address64,
    Index,
    First(ValType),
    Second(ValType),
    /// Bits of a float.
    Bits(ValType),
    /// An address kept from a load to its compare.
    Slot(u32, ValType),
    /// An argument of a call.
    Argument(u32),
    /// An operand of a traced instruction, counted from the bottom.
    Operand(u8, ValType),
    /// What is seen of it.
    Value,
    /// Number of an event.
    Event,
}

impl Output {
    pub(super) fn temporary(&mut self, use_: Temporary) -> u32 {
        let at = self.temporaries.iter().position(|entry| entry.0 == use_).unwrap_or_else(|| {
            let ty = match use_ {
                Temporary::Address32 | Temporary::Index | Temporary::Argument(_) => ValType::I32,
                Temporary::Address64 | Temporary::Value | Temporary::Event => ValType::I64,
                Temporary::First(ty) | Temporary::Second(ty) | Temporary::Bits(ty) => ty,
                Temporary::Slot(_, ty) | Temporary::Operand(_, ty) => ty,
            };
            self.temporaries.push((use_, ty));
            self.temporaries.len() - 1
        });
        self.locals + at as u32
    }

    pub(super) fn sink(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.bytes)
    }
}

impl<'a> Rewriter<'a> {
    fn own(&self, offset: u32) -> MemArg {
        MemArg { offset: self.base + u64::from(offset), align: 0, memory_index: self.own_memory }
    }

    fn broken(&self, error: wasmparser::BinaryReaderError) -> HarnessError {
        HarnessError::module(self.name, error)
    }

    /// Index of a function type, added on first use.
    fn function_type(&mut self, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let mut key = Vec::new();
        params.encode(&mut key);
        results.encode(&mut key);
        *self.type_indices.entry(key).or_insert_with(|| {
            self.types.push((params, results));
            (self.module.types.len() + self.types.len() - 1) as u32
        })
    }

    fn helper(&mut self, helper: Helper) -> u32 {
        *self.helper_indices.entry(helper).or_insert_with(|| {
            self.helpers.push(helper);
            (self.module.functions.len() + self.helpers.len() - 1) as u32
        })
    }

    fn label_types(&self, ty: wasmparser::BlockType, is_loop: bool) -> Vec<wasmparser::ValType> {
        match ty {
            wasmparser::BlockType::Empty => Vec::new(),
            wasmparser::BlockType::Type(ty) => {
                if is_loop {
                    Vec::new()
                } else {
                    vec![ty]
                }
            }
            wasmparser::BlockType::FuncType(index) => match &self.module.types[index as usize] {
                Some(ty) if is_loop => ty.params().to_vec(),
                Some(ty) => ty.results().to_vec(),
                None => Vec::new(),
            },
        }
    }

    /// Block type of a block that takes `label` and leaves it.
    fn pass_through(&mut self, label: &[wasmparser::ValType]) -> BlockType {
        if label.is_empty() {
            return BlockType::Empty;
        }
        let types: Vec<ValType> = label.iter().map(|ty| encoded(*ty)).collect();
        BlockType::FunctionType(self.function_type(types.clone(), types))
    }

    /// Index of the global that says how many rounds of loops are left, in modules for hosts that are not ours.
    fn fuel(&self) -> u32 {
        self.module.globals.len() as u32
    }

    /// A round of a loop: where none is left, a trap. Other hosts cannot stop what runs, but for ending it all.
    fn burn(&self, out: &mut Output) {
        if matches!(self.options.place, Place::Host) {
            return;
        }
        let fuel = self.fuel();
        let mut sink = out.sink();
        sink.global_get(fuel).i32_eqz().if_(BlockType::Empty).unreachable().end();
        sink.global_get(fuel).i32_const(1).i32_sub().global_set(fuel);
    }

    /// Adds a counter and emits its increment.
    fn count(&mut self, out: &mut Output, site: Site) {
        let counter = self.next_counter();
        self.edges.push(site);
        self.step_at_once(out, counter, 1);
    }

    /// Adds to one counter.
    fn step_at_once(&self, out: &mut Output, counter: MemArg, by: i32) {
        if let Place::Globals(_) = self.options.place {
            let global = counter.offset as u32;
            out.sink().global_get(global).i32_const(by).i32_add().global_set(global);
        } else {
            out.sink().i32_const(0).i32_const(0);
            self.step(out, counter, by);
        }
    }

    /// Where the counter of the edge that is added next will be: an address, or the index of a global.
    fn next_counter(&self) -> MemArg {
        if let Place::Globals(_) = self.options.place {
            let global = self.fuel() as usize + 1 + self.edges.len();
            return MemArg { offset: global as u64, align: 0, memory_index: 0 };
        }
        let bytes = self.options.counter_bytes();
        let offset = self.layout.counters.start + bytes * self.edges.len() as u32;
        MemArg { align: bytes.trailing_zeros(), ..self.own(offset) }
    }

    /// Adds to a counter, of which twice the offset from `counter` is on the stack.
    fn step(&self, out: &mut Output, counter: MemArg, by: i32) {
        if self.options.wide {
            out.sink().i32_load(counter).i32_const(by).i32_add().i32_store(counter);
        } else {
            out.sink().i32_load8_u(counter).i32_const(by).i32_add().i32_store8(counter);
        }
    }

    /// Counts an edge, but not yet: where straight code leads to a branch that counts both its sides, their sum says
    /// the same, and this counter is left out; anywhere else it comes before what ends the straight code.
    fn count_later(&mut self, walk: &mut Walk, out: &mut Output, site: Site) {
        self.flush(walk, out);
        walk.pending = Some(site);
    }

    /// Writes a branch on a reference so that both its ways pass a counter: it takes `operand` on top of the label's
    /// other operands, branches with `branch` or goes on with `next`.
    #[expect(clippy::too_many_arguments, reason = "three types describe the branch, three things say where it is")]
    fn detour(
        &mut self,
        walk: &mut Walk,
        out: &mut Output,
        offset: u32,
        relative_depth: u32,
        operand: wasmparser::ValType,
        branch: wasmparser::ValType,
        next: Option<wasmparser::ValType>,
        instruction: &dyn Fn(&mut InstructionSink<'_>),
    ) {
        let label = &walk.blocks[walk.blocks.len() - 1 - relative_depth as usize].label;
        let below: Vec<ValType> = label[..label.len() - 1].iter().map(|ty| encoded(*ty)).collect();
        let with = |top: Option<wasmparser::ValType>| {
            let mut types = below.clone();
            types.extend(top.map(encoded));
            types
        };
        let outer = BlockType::FunctionType(self.function_type(with(Some(operand)), with(next)));
        let inner = BlockType::FunctionType(self.function_type(with(Some(operand)), with(Some(branch))));
        let mut sink = out.sink();
        sink.block(outer).block(inner);
        instruction(&mut sink);
        sink.br(1).end();
        let site = |kind| Site { function: walk.function, offset, kind };
        self.count(out, site(SiteKind::Taken));
        out.sink().br(relative_depth + 1).end();
        self.count(out, site(SiteKind::NotTaken));
    }

    fn flush(&mut self, walk: &mut Walk, out: &mut Output) {
        if let Some(site) = walk.pending.take() {
            self.count(out, site);
        }
    }

    /// Rewrites one function and appends its code entry.
    fn function(&mut self, function: u32, body: FunctionBody<'a>, code: &mut Vec<u8>) -> Result<(), HarnessError> {
        let module = self.module;
        let ty = module.function_type(function).cloned();
        let (params_types, results) =
            ty.map_or_else(Default::default, |ty| (ty.params().to_vec(), ty.results().to_vec()));
        let mut locals_reader = body.get_locals_reader().map_err(|error| self.broken(error))?;
        let groups = locals_reader.get_count();
        let locals_start = locals_reader.original_position();
        let mut locals = params_types.len() as u32;
        for _ in 0..groups {
            let (count, _) = locals_reader.read().map_err(|error| self.broken(error))?;
            locals += count;
        }
        let locals_bytes = &self.wasm[locals_start..locals_reader.original_position()];
        let operators_reader = locals_reader.get_binary_reader();
        let operators = || OperatorsReader::new(operators_reader.clone());

        let marks = if self.options.dirty && !module.memories.is_empty() {
            analysis::marks(module, locals, self.stack_pointer, operators).map_err(|error| self.broken(error))?
        } else {
            Marks::default()
        };

        let plan = if self.options.distance || self.options.compare_log {
            compare::plan(module, &self.comparers, &params_types, locals, operators)
                .map_err(|error| self.broken(error))?
        } else {
            compare::Plan::default()
        };

        let mut out = Output { bytes: Vec::with_capacity(2 * body.range().len()), locals, temporaries: Vec::new() };
        let mut walk = Walk {
            function,
            marks,
            plan,
            pending: None,
            ordinal: 0,
            stores: 0,
            frames: 0,
            blocks: vec![Block { label: results, open_if: None, landing: None }],
        };
        if self.options.edges {
            self.count(&mut out, Site { function, offset: body.range().start as u32, kind: SiteKind::Entry });
        }
        let mut reader = operators();
        while !reader.eof() {
            let (operator, start) = reader.read_with_offset().map_err(|error| self.broken(error))?;
            let raw = &self.wasm[start..reader.original_position()];
            self.operator(&mut walk, &mut out, &operator, start as u32, raw);
        }

        // Locals: the original groups, then one per temporary.
        if locals + out.temporaries.len() as u32 > LOCALS_MAX {
            return Err(HarnessError::module(
                self.name,
                format!("function {function} has {locals} locals, too many to add the few that instrumentation needs"),
            ));
        }
        let mut entry = Vec::with_capacity(out.bytes.len() + locals_bytes.len() + 16);
        (groups + out.temporaries.len() as u32).encode(&mut entry);
        entry.extend_from_slice(locals_bytes);
        for (_, ty) in &out.temporaries {
            1u32.encode(&mut entry);
            ty.encode(&mut entry);
        }
        entry.extend_from_slice(&out.bytes);
        if entry.len() > BODY_BYTES_MAX {
            return Err(HarnessError::module(
                self.name,
                format!(
                    "function {function} grows to {} bytes when instrumented; engines take {BODY_BYTES_MAX}",
                    entry.len()
                ),
            ));
        }
        entry.encode(code);
        Ok(())
    }

    fn operator(&mut self, walk: &mut Walk, out: &mut Output, operator: &Operator<'_>, offset: u32, raw: &[u8]) {
        use Operator as O;
        walk.ordinal += 1;
        if walk.pending.is_some() {
            if counts_both_sides(operator, self.slots) {
                walk.pending = None;
            } else if ends_straight_code(operator) {
                self.flush(walk, out);
            }
        }
        if let Some(listen) = walk.plan.sites.remove(&walk.ordinal) {
            self.listen(out, walk.function, offset, operator, &listen);
        } else if let Some(slot) = walk.plan.keep.get(&walk.ordinal)
            && self.options.compare_log
        {
            let slot = out.temporary(Temporary::Slot(*slot, self.address_type(0)));
            out.sink().local_tee(slot);
        }
        let call = self.tracer.before(self.module, out, walk.function, operator, offset);
        let site = |kind| Site { function: walk.function, offset, kind };
        match operator {
            O::Block { blockty } => {
                walk.blocks.push(Block { label: self.label_types(*blockty, false), open_if: None, landing: None });
                out.bytes.extend_from_slice(raw);
            }
            O::Loop { blockty } => {
                walk.blocks.push(Block { label: self.label_types(*blockty, true), open_if: None, landing: None });
                out.bytes.extend_from_slice(raw);
                self.burn(out);
            }
            O::TryTable { try_table } => {
                let depth = walk.blocks.len();
                for catch in &try_table.catches {
                    let label = match *catch {
                        wasmparser::Catch::One { label, .. }
                        | wasmparser::Catch::OneRef { label, .. }
                        | wasmparser::Catch::All { label }
                        | wasmparser::Catch::AllRef { label } => label,
                    };
                    // The outermost label is the function itself: nothing comes after it.
                    if let Some(at) = (depth - 1).checked_sub(label as usize).filter(|at| *at > 0) {
                        walk.blocks[at].landing.get_or_insert(offset);
                    }
                }
                let label = self.label_types(try_table.ty, false);
                walk.blocks.push(Block { label, open_if: None, landing: None });
                out.bytes.extend_from_slice(raw);
            }
            O::If { blockty } => {
                walk.blocks.push(Block {
                    label: self.label_types(*blockty, false),
                    open_if: Some(offset),
                    landing: None,
                });
                out.bytes.extend_from_slice(raw);
                if self.options.edges {
                    self.count_later(walk, out, Site { function: walk.function, offset, kind: SiteKind::Taken });
                }
            }
            O::Else => {
                out.bytes.extend_from_slice(raw);
                if let Some(offset) = walk.blocks.last_mut().and_then(|block| block.open_if.take())
                    && self.options.edges
                {
                    let site = Site { function: walk.function, offset, kind: SiteKind::NotTaken };
                    self.count_later(walk, out, site);
                }
            }
            O::End => {
                let block = walk.blocks.pop();
                if let Some(offset) = block.as_ref().and_then(|block| block.open_if)
                    && self.options.edges
                {
                    out.sink().else_();
                    self.count(out, Site { function: walk.function, offset, kind: SiteKind::NotTaken });
                }
                out.bytes.extend_from_slice(raw);
                if let Some(offset) = block.and_then(|block| block.landing)
                    && self.options.edges
                {
                    self.count(out, Site { function: walk.function, offset, kind: SiteKind::Taken });
                }
            }
            O::BrIf { relative_depth } if self.options.edges => {
                // `if` takes the condition and passes the label's operands on, so both sides have room for a counter.
                let at = walk.blocks.len() - 1 - *relative_depth as usize;
                let ty = self.pass_through(&walk.blocks[at].label);
                out.sink().if_(ty);
                self.count(out, site(SiteKind::Taken));
                out.sink().br(relative_depth + 1).end();
                self.count_later(walk, out, Site { function: walk.function, offset, kind: SiteKind::NotTaken });
            }
            O::BrTable { targets } if self.options.edges && self.slots => {
                let last = targets.len();
                let first = self.next_counter();
                self.edges.extend((0..=last).map(|slot| site(SiteKind::Slot(slot))));
                let (index, slot) = (out.temporary(Temporary::First(ValType::I32)), out.temporary(Temporary::Index));
                out.sink().local_tee(index).i32_const(last as i32).local_get(index).i32_const(last as i32).i32_lt_u();
                out.sink().select();
                if self.options.wide {
                    out.sink().i32_const(2).i32_shl();
                }
                out.sink().local_tee(slot).local_get(slot);
                self.step(out, first, 1);
                out.sink().local_get(index);
                out.bytes.extend_from_slice(raw);
            }
            O::BrOnNonNull { relative_depth } if self.options.edges => {
                let at = walk.blocks.len() - 1 - *relative_depth as usize;
                if let Some(wasmparser::ValType::Ref(reference)) = walk.blocks[at].label.last().copied() {
                    let branch = wasmparser::ValType::Ref(reference);
                    let operand = wasmparser::ValType::Ref(reference.nullable());
                    self.detour(walk, out, offset, *relative_depth, operand, branch, None, &|sink| {
                        sink.br_on_non_null(0);
                    });
                }
            }
            O::BrOnCast { relative_depth, from_ref_type, to_ref_type }
            | O::BrOnCastFail { relative_depth, from_ref_type, to_ref_type }
                if self.options.edges =>
            {
                let (from, to) = (*from_ref_type, *to_ref_type);
                let cast = wasmparser::ValType::Ref(to);
                let rest = wasmparser::ValType::Ref(if to.is_nullable() { from.as_non_null() } else { from });
                let reference = |ty| match encoded(wasmparser::ValType::Ref(ty)) {
                    ValType::Ref(ty) => ty,
                    _ => unreachable!("a reference type stays one"),
                };
                let (from_type, to_type) = (reference(from), reference(to));
                let fails = matches!(operator, O::BrOnCastFail { .. });
                let (branch, next) = if fails { (rest, cast) } else { (cast, rest) };
                let from = wasmparser::ValType::Ref(from);
                self.detour(walk, out, offset, *relative_depth, from, branch, Some(next), &|sink| {
                    if fails {
                        sink.br_on_cast_fail(0, from_type, to_type);
                    } else {
                        sink.br_on_cast(0, from_type, to_type);
                    }
                });
            }
            O::BrOnNull { .. } if self.options.edges => {
                // What goes on has a type that only the validator knows, so there is no way around it to count the other:
                // the branch is counted as taken, and that is taken back where it was not.
                let taken = self.next_counter();
                self.count(out, site(SiteKind::Taken));
                out.bytes.extend_from_slice(raw);
                self.step_at_once(out, taken, -1);
                self.count(out, site(SiteKind::NotTaken));
            }
            O::LocalSet { local_index } | O::LocalTee { local_index } => {
                out.bytes.extend_from_slice(raw);
                if let Some(&(ordinal, local, pages)) = walk.marks.frames.get(walk.frames)
                    && ordinal == walk.ordinal
                {
                    debug_assert_eq!(local, *local_index, "frames are noted where they are made");
                    walk.frames += 1;
                    for page in 0..pages {
                        let memarg = self.own(self.layout.dirty[0].start + page);
                        out.sink().local_get(local).i32_const(12).i32_shr_u().i32_const(1).i32_store8(memarg);
                    }
                }
            }
            O::GlobalSet { global_index } if Some(*global_index) == self.stack_pointer && self.stack_room.is_some() => {
                out.bytes.extend_from_slice(raw);
                let (low, high) = self.stack_room.unwrap_or_default();
                let flag = self.own(self.layout.flags.start + 1);
                let mut sink = out.sink();
                sink.global_get(*global_index);
                if low != 0 {
                    sink.i32_const(low as i32).i32_sub();
                }
                sink.i32_const((high - low) as i32).i32_gt_u().if_(BlockType::Empty);
                sink.i32_const(0).i32_const(1).i32_store8(flag).unreachable().end();
            }
            other if self.options.dirty => self.dirty(walk, out, other, raw),
            _ => out.bytes.extend_from_slice(raw),
        }
        if let Some(call) = call {
            self.tracer.after(out, &call);
        }
    }

    /// Writes an instruction of any other kind, with marks for what it changes.
    fn dirty(&mut self, walk: &mut Walk, out: &mut Output, operator: &Operator<'_>, raw: &[u8]) {
        use Operator as O;
        if let Some(write) = analysis::write(operator) {
            let mark = walk.marks.stores[walk.stores];
            walk.stores += 1;
            let memory = write.memarg.memory;
            if mark != Mark::OfTemporary {
                out.bytes.extend_from_slice(raw);
                self.mark(out, mark);
                return;
            }
            let memory64 = self.module.memories[memory as usize].memory64;
            let address = out.temporary(if memory64 { Temporary::Address64 } else { Temporary::Address32 });
            let operands: Vec<u32> = write
                .operands
                .iter()
                .enumerate()
                .map(|(at, ty)| {
                    let ty = encoded(*ty);
                    out.temporary(if at == 0 { Temporary::First(ty) } else { Temporary::Second(ty) })
                })
                .collect();
            for operand in operands.iter().rev() {
                out.sink().local_set(*operand);
            }
            out.sink().local_tee(address);
            for operand in &operands {
                out.sink().local_get(*operand);
            }
            out.bytes.extend_from_slice(raw);
            // After the store: it is in bounds, so its page has a byte in the map.
            self.mark_address(out, memory, address, write.memarg.offset);
            return;
        }
        let growth_is_virtual = self.layout.growth_is_virtual();
        match operator {
            O::MemorySize { .. } if growth_is_virtual => {
                let min = self.module.memories[0].initial as i32;
                let memarg = self.own(self.layout.growth.start);
                out.sink().i32_const(0).i32_load(memarg).i32_const(min).i32_add();
            }
            O::MemoryGrow { .. } if growth_is_virtual => {
                let helper = self.helper(Helper::Grow);
                out.sink().call(helper);
            }
            O::MemoryGrow { mem } => {
                let memory64 = self.module.memories[*mem as usize].memory64;
                let ty = if memory64 { ValType::I64 } else { ValType::I32 };
                let (delta, old) = (out.temporary(Temporary::First(ty)), out.temporary(Temporary::Second(ty)));
                let flag = self.own(self.layout.flags.start);
                out.sink().local_tee(delta);
                out.bytes.extend_from_slice(raw);
                out.sink().local_set(old).i32_const(0).i32_const(0).i32_load8_u(flag).local_get(old);
                if memory64 {
                    out.sink().i64_const(-1).i64_ne().local_get(delta).i64_const(0).i64_ne();
                } else {
                    out.sink().i32_const(-1).i32_ne().local_get(delta).i32_const(0).i32_ne();
                }
                out.sink().i32_and().i32_or().i32_store8(flag).local_get(old);
            }
            O::MemoryFill { mem } => self.bulk(out, *mem, ValType::I32, None, raw),
            O::MemoryCopy { dst_mem, src_mem } => {
                let source = self.address_type(*src_mem);
                self.bulk(out, *dst_mem, source, Some(*src_mem), raw);
            }
            O::MemoryInit { mem, .. } => {
                let address = out.temporary(match self.address_type(*mem) {
                    ValType::I64 => Temporary::Address64,
                    _ => Temporary::Address32,
                });
                let (from, len) =
                    (out.temporary(Temporary::First(ValType::I32)), out.temporary(Temporary::Second(ValType::I32)));
                out.sink().local_set(len).local_set(from).local_tee(address);
                self.bound(out, len);
                out.sink().local_get(from).local_get(len);
                out.bytes.extend_from_slice(raw);
                self.mark_range(out, *mem, address, len, ValType::I32);
            }
            other => {
                out.bytes.extend_from_slice(raw);
                if analysis::unrestorable(other) {
                    let flag = self.own(self.layout.flags.start);
                    out.sink().i32_const(0).i32_const(1).i32_store8(flag);
                }
            }
        }
    }

    /// Writes what is to be known about the operands of the next instruction, and leaves them where they are.
    fn listen(&mut self, out: &mut Output, function: u32, offset: u32, operator: &Operator<'_>, listen: &Listen) {
        let Options { distance: track, compare_log: log, .. } = self.options;
        let site = self.compares.len() as u32;
        match listen {
            Listen::Numbers { compare, width, distance, bias, loaded } => {
                if !(log || track && *distance) {
                    return;
                }
                let ty = encoded(compare.ty);
                let left = out.temporary(Temporary::First(ty));
                let right = (!compare.with_zero).then(|| out.temporary(Temporary::Second(ty)));
                match right {
                    Some(right) => out.sink().local_set(right).local_tee(left).local_get(right),
                    None => out.sink().local_tee(left),
                };
                if track && *distance {
                    self.track(out, site, ty, compare.signed, left, right);
                }
                if log {
                    if let Some(loaded) = loaded {
                        let address = self.address_type(0);
                        let helper = self.helper(Helper::LogStrings);
                        out.sink().i32_const(site as i32);
                        for (slot, offset) in
                            [(loaded.left_slot, loaded.left_offset), (loaded.right_slot, loaded.right_offset)]
                        {
                            let slot = out.temporary(Temporary::Slot(slot, address));
                            out.sink().local_get(slot);
                            if address == ValType::I32 {
                                out.sink().i64_extend_i32_u();
                            }
                            if offset != 0 {
                                out.sink().i64_const(offset as i64).i64_add();
                            }
                        }
                        out.sink().i32_const(compare::STRING_BYTES_MAX as i32).call(helper);
                    }
                    // Single bytes of a loop are in the strings.
                    if loaded.is_none() || *width > 8 {
                        // What has both may not share the state of one site: the strings keep addresses in it.
                        let numbers = if loaded.is_some() { site + 1 } else { site };
                        let float = matches!(ty, ValType::F32 | ValType::F64);
                        let kind = if float { compare::KIND_FLOATS } else { compare::KIND_INTEGERS };
                        let meta = (kind | u32::from(*width) << 8) as i32;
                        let helper = self.helper(Helper::Log);
                        out.sink().i32_const(numbers as i32).i32_const(meta);
                        raw_bits(out, left, ty, *bias);
                        match right {
                            Some(right) => raw_bits(out, right, ty, *bias),
                            None => {
                                out.sink().i64_const(bias.wrapping_neg());
                            }
                        }
                        out.sink().call(helper);
                        // `x - low <u count`: the bounds of x are both worth trying.
                        if *bias != 0 && !compare.equality && !compare.signed {
                            out.sink().i32_const(numbers as i32).i32_const(meta);
                            raw_bits(out, left, ty, *bias);
                            out.sink().i64_const(bias.wrapping_neg()).call(helper);
                        }
                    }
                }
                self.compares.push(Site { function, offset, kind: SiteKind::Compare });
                if log && loaded.is_some() && *width > 8 {
                    self.compares.push(Site { function, offset, kind: SiteKind::Compare });
                }
            }
            Listen::Switch { base, .. } => {
                let Operator::BrTable { targets } = operator else { return };
                if !log {
                    return;
                }
                let value = out.temporary(Temporary::First(ValType::I32));
                let helper = self.helper(Helper::LogSwitch);
                let slots = targets.len().min(compare::SLOTS_MAX);
                let meta = compare::KIND_INTEGERS | 32 << 8;
                out.sink().local_tee(value).i32_const(site as i32).i32_const(meta as i32);
                raw_bits(out, value, ValType::I32, base.wrapping_neg());
                out.sink().i64_const(i64::from(*base as u32)).i32_const(slots as i32).call(helper);
                self.compares.push(Site { function, offset, kind: SiteKind::Compare });
            }
            Listen::Call(comparer) => {
                if !log {
                    return;
                }
                let arguments: Vec<u32> =
                    (0..comparer.parameters).map(|at| out.temporary(Temporary::Argument(at))).collect();
                for argument in arguments.iter().rev() {
                    out.sink().local_set(*argument);
                }
                let length = out.temporary(Temporary::Index);
                out.sink().i32_const(compare::STRING_BYTES_MAX as i32).local_set(length);
                for at in &comparer.lengths {
                    let bound = arguments[*at as usize];
                    out.sink()
                        .local_get(length)
                        .local_get(bound)
                        .local_get(length)
                        .local_get(bound)
                        .i32_lt_u()
                        .select();
                    out.sink().local_set(length);
                }
                let helper = self.helper(Helper::LogStrings);
                out.sink().i32_const(site as i32);
                out.sink().local_get(arguments[comparer.left as usize]).i64_extend_i32_u();
                out.sink().local_get(arguments[comparer.right as usize]).i64_extend_i32_u();
                out.sink().local_get(length).call(helper);
                for argument in &arguments {
                    out.sink().local_get(*argument);
                }
                self.compares.push(Site { function, offset, kind: SiteKind::Compare });
            }
        }
    }

    /// Updates the closeness of a site. A call each time: inline it would be a third faster, and take twice as long to compile.
    fn track(&mut self, out: &mut Output, site: u32, ty: ValType, signed: bool, left: u32, right: Option<u32>) {
        let helper = self.helper(Helper::Distance);
        let bits = if matches!(ty, ValType::I32 | ValType::F32) { 32 } else { 64 };
        out.sink().i32_const((self.layout.closeness.start + 2 * site) as i32).i32_const(bits);
        ordered(out, left, ty, signed);
        match right {
            Some(right) => ordered(out, right, ty, signed),
            None => {
                out.sink().i64_const(0);
            }
        }
        out.sink().call(helper);
    }

    fn address_type(&self, memory: u32) -> ValType {
        if self.module.memories[memory as usize].memory64 { ValType::I64 } else { ValType::I32 }
    }

    /// `memory.fill` (middle operand i32) and `memory.copy` (middle operand an address of memory `source`).
    fn bulk(&mut self, out: &mut Output, memory: u32, middle: ValType, source: Option<u32>, raw: &[u8]) {
        let target = self.address_type(memory);
        // The length of a copy between a 64-bit and a 32-bit memory is 32 bits wide.
        let len_type = match source {
            Some(source) if self.address_type(source) == ValType::I32 => ValType::I32,
            _ => target,
        };
        let address = out.temporary(if target == ValType::I64 { Temporary::Address64 } else { Temporary::Address32 });
        let (middle, len) = (out.temporary(Temporary::First(middle)), out.temporary(Temporary::Second(len_type)));
        out.sink().local_set(len).local_set(middle).local_tee(address);
        self.bound(out, len);
        out.sink().local_get(middle);
        if source.is_some() {
            self.bound(out, len);
        }
        out.sink().local_get(len);
        out.bytes.extend_from_slice(raw);
        self.mark_range(out, memory, address, len, len_type);
    }

    /// Makes the address on the stack one that traps where the range is out of bounds as the guest sees its memory. The
    /// engine checks bulk instructions against the real size.
    fn bound(&mut self, out: &mut Output, len: u32) {
        if self.layout.growth_is_virtual() {
            let helper = self.helper(Helper::Bound);
            out.sink().local_get(len).call(helper);
        }
    }

    fn mark_range(&mut self, out: &mut Output, memory: u32, address: u32, len: u32, len_type: ValType) {
        let helper = self.helper(Helper::MarkRange(memory));
        out.sink().local_get(address).local_get(len);
        if self.address_type(memory) == ValType::I64 && len_type == ValType::I32 {
            out.sink().i64_extend_i32_u();
        }
        out.sink().call(helper);
    }

    fn mark(&self, out: &mut Output, mark: Mark) {
        match mark {
            Mark::OfLocal { local, offset } => self.mark_address(out, 0, local, offset),
            Mark::OfPage(page) => {
                let memarg = self.own(self.layout.dirty[0].start + page);
                out.sink().i32_const(0).i32_const(1).i32_store8(memarg);
            }
            Mark::Covered | Mark::OfTemporary => {}
        }
    }

    fn mark_address(&self, out: &mut Output, memory: u32, address: u32, offset: u64) {
        let region = self.layout.dirty[memory as usize];
        let memarg = self.own(region.start);
        let shift = DIRTY_PAGE_BYTES.trailing_zeros();
        if self.address_type(memory) == ValType::I64 {
            out.sink().local_get(address);
            if offset != 0 {
                out.sink().i64_const(offset as i64).i64_add();
            }
            out.sink().i64_const(i64::from(shift)).i64_shr_u();
            let page = out.temporary(Temporary::Address64);
            // The temporary may be the address itself: it is not needed any more.
            let last = i64::from(region.len) - 1;
            out.sink().local_tee(page).i64_const(last).local_get(page).i64_const(last).i64_lt_u().select();
            out.sink().i32_wrap_i64().i32_const(1).i32_store8(memarg);
        } else {
            out.sink().local_get(address);
            if offset != 0 {
                out.sink().i32_const(offset as u32 as i32).i32_add();
            }
            out.sink().i32_const(shift as i32).i32_shr_u().i32_const(1).i32_store8(memarg);
        }
    }

    fn finish(mut self, mut code: Vec<u8>) -> Result<Instrumented, HarnessError> {
        let module = self.module;
        let mut helper_types = Vec::new();
        let memories: Vec<(bool, u32)> =
            module.memories.iter().map(|memory| (memory.memory64, memory.page_size_log2.unwrap_or(16))).collect();
        let mut at = 0;
        while let Some(helper) = self.helpers.get(at) {
            for needed in helper.needs() {
                self.helper(*needed);
            }
            at += 1;
        }
        let context = Context {
            layout: &self.layout,
            own: self.own_memory,
            virtual_pages_min: self.layout.growth_is_virtual().then(|| module.memories[0].initial),
            memories: memories.clone(),
            sites: self.compares.len() as u32,
            records_bytes: layout::LOG_BYTES,
            reserve: self.helper_indices.get(&Helper::Reserve).copied().unwrap_or(0),
            log: self.helper_indices.get(&Helper::Log).copied().unwrap_or(0),
        };
        for helper in &self.helpers {
            helper.body(&context).encode(&mut code);
        }
        for helper in self.helpers.clone() {
            let (params, result) = helper.signature(&memories);
            let params = params.iter().map(|name| if *name == "i64" { ValType::I64 } else { ValType::I32 }).collect();
            let results = if result { vec![ValType::I32] } else { Vec::new() };
            helper_types.push(self.function_type(params, results));
        }
        self.layout.counters.len = self.options.counter_bytes() * self.edges.len() as u32;
        self.layout.closeness.len = if self.options.distance { 2 * self.compares.len() as u32 } else { 0 };

        self.layout.accumulators.len = 8 * self.tracer.traced.len() as u32;

        let ours = !matches!(self.options.place, Place::Host);
        let globals: Vec<u32> = (0..module.globals.len() as u32)
            .filter(|index| module.globals[*index as usize].ty.mutable && !ours)
            .collect();
        let mut exports = Vec::new();
        let mut exports_added = 0;
        let mut export = |name: &str, kind: ExportKind, index: u32| {
            name.encode(&mut exports);
            kind.encode(&mut exports);
            index.encode(&mut exports);
            exports_added += 1;
        };
        if matches!(self.options.place, Place::Host | Place::Memory(_)) {
            export(MEMORY_EXPORT, ExportKind::Memory, self.own_memory);
        }
        for index in &globals {
            export(&format!("{GLOBAL_EXPORT_PREFIX}{index}"), ExportKind::Global, *index);
        }
        for index in 0..module.memories.len() as u32 {
            export(&format!("{GUEST_MEMORY_EXPORT_PREFIX}{index}"), ExportKind::Memory, index);
        }
        let mut globals_added = Vec::new();
        let mut globals_count = 0;
        if ours {
            globals_added = portable::FUEL_GLOBAL.to_vec();
            globals_count = 1;
            export(portable::FUEL_EXPORT, ExportKind::Global, self.fuel());
            if let Some(index) = self.stack_pointer {
                export(portable::STACK_POINTER_EXPORT, ExportKind::Global, index);
            }
            if let Place::Globals(_) = self.options.place {
                globals_added.extend(portable::zeros(self.edges.len()));
                globals_count += self.edges.len() as u32;
                let function = (module.functions.len() + helper_types.len()) as u32;
                export(portable::COLLECT_EXPORT, ExportKind::Func, function);
                helper_types.push(self.function_type(vec![ValType::I32], vec![ValType::I32]));
                portable::collect(self.fuel() + 1, self.edges.len() as u32, &mut code);
            }
        }

        let mut types = Vec::new();
        for (params, results) in &self.types {
            types.push(0x60);
            params.encode(&mut types);
            results.encode(&mut types);
        }
        let mut functions = Vec::new();
        for ty in &helper_types {
            ty.encode(&mut functions);
        }
        let mut memory = Vec::new();
        wasm_encoder::MemoryType {
            minimum: u64::from(self.layout.pages),
            maximum: Some(u64::from(self.layout.pages)),
            memory64: false,
            shared: false,
            page_size_log2: None,
        }
        .encode(&mut memory);
        let memories_added = u32::from(matches!(self.options.place, Place::Host | Place::Memory(_)));

        // (section id, items added, their bytes), in the order of sections.
        let mut additions = vec![
            (1u8, self.types.len() as u32, types),
            (3, helper_types.len() as u32, functions),
            (5, memories_added, memory),
            (6, globals_count, globals_added),
            (7, exports_added, exports),
        ];
        additions.retain(|(_, count, _)| *count > 0);
        if !helper_types.is_empty() && !module.sections.iter().any(|section| section.id == 10) {
            additions.push((10, 0, Vec::new()));
        }
        let mut output = self.wasm[..8].to_vec();
        let mut section = |id: u8, contents: &[u8]| {
            output.push(id);
            contents.encode(&mut output);
        };
        let with_count = |count: u32, first: &[u8], second: &[u8]| {
            let mut contents = Vec::with_capacity(first.len() + second.len() + 5);
            count.encode(&mut contents);
            contents.extend_from_slice(first);
            contents.extend_from_slice(second);
            contents
        };
        let mut additions = additions.into_iter().peekable();
        for original in &module.sections {
            if original.id == 0 {
                if !speaks_of_offsets(&original.name) {
                    section(0, &self.wasm[original.range.clone()]);
                }
                continue;
            }
            while let Some((id, count, bytes)) = additions.next_if(|addition| rank(addition.0) < rank(original.id)) {
                section(id, &with_count(count, &[], &bytes));
            }
            let contents = &self.wasm[original.range.clone()];
            if original.id == 10 {
                section(10, &with_count((module.bodies.len() + helper_types.len()) as u32, &code, &[]));
            } else if original.id == 5 && ours {
                let defined = portable::memories(module, self.options.place, self.layout.pages);
                let added = additions.next_if(|addition| addition.0 == 5);
                let (count, bytes) = added.map_or((0, Vec::new()), |(_, count, bytes)| (count, bytes));
                let count = (module.memories.len() as u32 - module.memories_imported) + count;
                section(5, &with_count(count, &defined, &bytes));
            } else if let Some((id, count, bytes)) = additions.next_if(|addition| addition.0 == original.id) {
                let mut reader = BinaryReader::new(contents, 0);
                let old = reader.read_var_u32().map_err(|error| HarnessError::module(self.name, error))?;
                section(id, &with_count(old + count, &contents[reader.original_position()..], &bytes));
            } else {
                section(original.id, contents);
            }
        }
        for (id, count, bytes) in additions {
            section(id, &with_count(count, &[], &bytes));
        }
        Ok(Instrumented {
            wasm: output,
            layout: self.layout,
            edges: self.edges,
            compares: self.compares,
            traced: self.tracer.traced,
            untraced: self.tracer.untraced,
            calls: self.tracer.calls,
            globals,
            shadow_stack_pointer: self.stack_pointer,
        })
    }
}

/// Where the walk through a function is.
struct Walk {
    function: u32,
    marks: Marks,
    plan: compare::Plan,
    /// A counter that may turn out to be implied by others.
    pending: Option<Site>,
    ordinal: u32,
    stores: usize,
    frames: usize,
    blocks: Vec<Block>,
}

/// Pushes a value as an i64 whose signed order (or, for unsigned integers, whose order) is that of the value.
fn ordered(out: &mut Output, value: u32, ty: ValType, signed: bool) {
    match ty {
        ValType::F32 => {
            let bits = out.temporary(Temporary::Bits(ValType::I32));
            out.sink().local_get(value).i32_reinterpret_f32().local_tee(bits).local_get(bits);
            out.sink().i32_const(31).i32_shr_s().i32_const(1).i32_shr_u().i32_xor().i64_extend_i32_s();
        }
        ValType::F64 => {
            let bits = out.temporary(Temporary::Bits(ValType::I64));
            out.sink().local_get(value).i64_reinterpret_f64().local_tee(bits).local_get(bits);
            out.sink().i64_const(63).i64_shr_s().i64_const(1).i64_shr_u().i64_xor();
        }
        ValType::I32 if signed => {
            out.sink().local_get(value).i64_extend_i32_s();
        }
        ValType::I32 => {
            out.sink().local_get(value).i64_extend_i32_u();
        }
        _ => {
            out.sink().local_get(value);
        }
    }
}

/// Pushes the bits of a value less `bias`, as an i64.
fn raw_bits(out: &mut Output, value: u32, ty: ValType, bias: i64) {
    let mut sink = out.sink();
    sink.local_get(value);
    match ty {
        ValType::F32 => sink.i32_reinterpret_f32().i64_extend_i32_u(),
        ValType::F64 => sink.i64_reinterpret_f64(),
        ValType::I32 if bias != 0 => sink.i32_const(bias as i32).i32_sub().i64_extend_i32_u(),
        ValType::I32 => sink.i64_extend_i32_u(),
        _ if bias != 0 => sink.i64_const(bias).i64_sub(),
        _ => &mut sink,
    };
}

/// Whether a branch has a counter on every way out of it.
fn counts_both_sides(operator: &Operator<'_>, slots: bool) -> bool {
    matches!(operator, Operator::BrIf { .. } | Operator::If { .. })
        || slots && matches!(operator, Operator::BrTable { .. })
}

/// Whether code after `operator` may be reached otherwise, or not at all.
fn ends_straight_code(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::Loop { .. }
            | O::TryTable { .. }
            | O::Else
            | O::End
            | O::Unreachable
            | O::Br { .. }
            | O::BrTable { .. }
            | O::BrOnNull { .. }
            | O::BrOnNonNull { .. }
            | O::BrOnCast { .. }
            | O::BrOnCastFail { .. }
            | O::Return
            | O::Call { .. }
            | O::CallIndirect { .. }
            | O::CallRef { .. }
            | O::ReturnCall { .. }
            | O::ReturnCallIndirect { .. }
            | O::ReturnCallRef { .. }
            | O::Throw { .. }
            | O::ThrowRef
    )
}

pub(super) fn encoded(ty: wasmparser::ValType) -> ValType {
    match RoundtripReencoder.val_type(ty) {
        Ok(ty) => ty,
        Err(_) => unreachable!("types out of a module's own type section have module indices"),
    }
}

/// Position of a section in the module.
fn rank(id: u8) -> u8 {
    match id {
        1..=5 => id,
        13 => 6,
        6..=9 => id + 1,
        12 => 11,
        10 => 12,
        _ => 13,
    }
}

/// Whether a custom section describes code by offset, and would describe the wrong code.
fn speaks_of_offsets(name: &str) -> bool {
    name.starts_with(".debug")
        || name.starts_with("metadata.code.")
        || name.starts_with("reloc.")
        || matches!(name, "linking" | "sourceMappingURL" | "external_debug_info" | "dylink.0")
}
