//! What the rewriter needs to know of a module: one validating pass over it.

use super::{features, trace};
use crate::error::HarnessError;
use std::ops::Range;
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, FuncValidatorAllocations, GlobalType, KnownCustom, MemoryType, Name,
    Operator, Parser, Payload, TypeRef, ValidPayload, Validator,
};

/// Longest function name that is looked at.
const NAME_BYTES_MAX: usize = 256;

/// How the names of our exports start.
const OWN_EXPORTS: &str = "__autoclave_";

/// A section as it lies in the file.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Section id of the binary format.
    pub id: u8,
    /// Name of a custom section.
    pub name: String,
    /// Its contents, without id and size.
    pub range: Range<usize>,
}

/// One global.
#[derive(Debug, Clone, Copy)]
pub(super) struct Global {
    pub ty: GlobalType,
    /// The constant that it starts with, where it is an `i32.const`.
    pub initial: Option<i32>,
}

/// Facts about a module.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub sections: Vec<Section>,
    /// Function types by type index; `None` for structs, arrays and continuations.
    pub types: Vec<Option<FuncType>>,
    /// Type index of every function, imports first.
    pub functions: Vec<u32>,
    pub functions_imported: u32,
    pub memories: Vec<MemoryType>,
    pub memories_imported: u32,
    /// Whether `memory.atomic.wait` or `notify` occurs: accesses that engines check against the memory's real size.
    pub waits_or_notifies: bool,
    pub tables: Vec<wasmparser::TableType>,
    pub globals: Vec<Global>,
    /// Function bodies: the range that the size field describes.
    pub bodies: Vec<Range<usize>>,
    /// Has exports that only we make.
    instrumented_already: bool,
    /// Function names out of the name section and the exports, by function index, sorted.
    pub names: Vec<(u32, String)>,
    /// Global names (name section, then exports), by global index.
    pub global_names: Vec<(u32, String)>,
    /// Constant immutable exports, by name: where the linker says the stack ends.
    pub low_marks: Vec<u32>,
    /// Prologues (`global.get; i32.const; i32.sub`) seen per global.
    pub prologues: Vec<(u32, u32)>,
    /// Active data segments of memory 0 with constant offset.
    pub data: Vec<(u32, Range<usize>)>,
    /// Most edge counters that any choice of options can ask for.
    pub edges_max: u64,
    /// The same without counters for the slots of branch tables.
    pub edges_without_slots_max: u64,
    /// Most compare sites.
    pub compares_max: u64,
    /// Most operands that are traced, instructions that are not, and calls.
    pub traced_max: u64,
}

impl Module {
    /// Validates `wasm` and notes what the rewriter needs.
    pub fn parse(name: &str, wasm: &[u8]) -> Result<Module, HarnessError> {
        let invalid = |error: wasmparser::BinaryReaderError| {
            HarnessError::module(
                name,
                format!(
                    "not a valid WebAssembly module: {} (at byte {}); proposals newer than WebAssembly 3.0 are not supported",
                    error.message(),
                    error.offset()
                ),
            )
        };
        if !Parser::is_core_wasm(wasm) {
            return Err(HarnessError::module(
                name,
                if Parser::is_component(wasm) {
                    "is a component; only core modules are instrumented: give the core module inside it"
                } else {
                    "is not a WebAssembly binary: it does not start with the module header"
                },
            ));
        }
        let mut module = Module::default();
        let mut validator = Validator::new_with_features(features());
        let mut allocations = FuncValidatorAllocations::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.map_err(invalid)?;
            if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(invalid)? {
                let mut function = function.into_validator(allocations);
                module.check_body(&mut function, &body).map_err(invalid)?;
                allocations = function.into_allocations();
                module.bodies.push(body.range());
            }
            if let Some((id, range)) = payload.as_section() {
                let name = match &payload {
                    Payload::CustomSection(custom) => custom.name().to_owned(),
                    _ => String::new(),
                };
                module.sections.push(Section { id, name, range });
            }
            module.note(payload).map_err(invalid)?;
        }
        // The name section, read last, knows better than the exports.
        for names in [&mut module.names, &mut module.global_names] {
            names.reverse();
            names.sort_by_key(|entry| entry.0);
            names.dedup_by_key(|entry| entry.0);
        }
        module.refuse(name)?;
        Ok(module)
    }

    /// Function type of a function.
    pub fn function_type(&self, function: u32) -> Option<&FuncType> {
        self.types.get(*self.functions.get(function as usize)? as usize)?.as_ref()
    }

    /// Name of a function, where it has one.
    pub fn name(&self, function: u32) -> Option<&str> {
        let at = self.names.binary_search_by_key(&function, |entry| entry.0).ok()?;
        Some(&self.names[at].1)
    }

    fn check_body<R: wasmparser::WasmModuleResources>(
        &mut self,
        validator: &mut wasmparser::FuncValidator<R>,
        body: &wasmparser::FunctionBody<'_>,
    ) -> wasmparser::Result<()> {
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        let mut operators = wasmparser::OperatorsReader::new(reader);
        // The global of a prologue in the making, and how far it is.
        let mut prologue = (0u32, 0u8);
        self.edges_max += 1;
        self.edges_without_slots_max += 1;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            validator.op(offset, &operator)?;
            prologue = match (&operator, prologue) {
                (Operator::GlobalGet { global_index }, _) => (*global_index, 1),
                (Operator::I32Const { value }, (global, 1)) if *value > 0 => (global, 2),
                (Operator::I32Sub, (global, 2)) => {
                    match self.prologues.binary_search_by_key(&global, |entry| entry.0) {
                        Ok(at) => self.prologues[at].1 += 1,
                        Err(at) => self.prologues.insert(at, (global, 1)),
                    }
                    (0, 0)
                }
                _ => (0, 0),
            };
            self.traced_max += trace::entries_max(self, &operator);
            let (edges, slots, compares) = match &operator {
                Operator::BrIf { .. } | Operator::If { .. } => (2, 0, 0),
                Operator::BrOnNull { .. }
                | Operator::BrOnNonNull { .. }
                | Operator::BrOnCast { .. }
                | Operator::BrOnCastFail { .. } => (2, 0, 0),
                Operator::TryTable { try_table } => (try_table.catches.len() as u64, 0, 0),
                Operator::BrTable { targets } => (0, u64::from(targets.len()) + 1, 1),
                Operator::MemoryAtomicNotify { .. }
                | Operator::MemoryAtomicWait32 { .. }
                | Operator::MemoryAtomicWait64 { .. } => {
                    self.waits_or_notifies = true;
                    (0, 0, 0)
                }
                Operator::Call { .. } => (0, 0, 1),
                Operator::I32Sub | Operator::I32Xor | Operator::I64Sub | Operator::I64Xor => (0, 0, 2),
                other if super::analysis::compare(other).is_some() => (0, 0, 2),
                _ => continue,
            };
            self.edges_max += edges + slots;
            self.edges_without_slots_max += edges;
            self.compares_max += compares;
        }
        operators.finish()
    }

    fn note(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(reader) => {
                for group in reader {
                    for ty in group?.into_types() {
                        self.types.push(match ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => Some(ty),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    match import?.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            self.functions.push(ty);
                            self.functions_imported += 1;
                        }
                        TypeRef::Memory(ty) => {
                            self.memories.push(ty);
                            self.memories_imported += 1;
                        }
                        TypeRef::Global(ty) => self.globals.push(Global { ty, initial: None }),
                        TypeRef::Table(ty) => self.tables.push(ty),
                        TypeRef::Tag(_) => {}
                    }
                }
            }
            Payload::FunctionSection(reader) => {
                for ty in reader {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    self.tables.push(table?.ty);
                }
            }
            Payload::MemorySection(reader) => {
                for ty in reader {
                    self.memories.push(ty?);
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    let global = global?;
                    let initial = match global.init_expr.get_operators_reader().read()? {
                        Operator::I32Const { value } => Some(value),
                        _ => None,
                    };
                    self.globals.push(Global { ty: global.ty, initial });
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    self.instrumented_already |= export.name.starts_with(OWN_EXPORTS);
                    let list = match export.kind {
                        ExternalKind::Func | ExternalKind::FuncExact => &mut self.names,
                        ExternalKind::Global => {
                            let global = self.globals.get(export.index as usize);
                            if let Some(Global { ty, initial: Some(value) }) = global
                                && !ty.mutable
                                && matches!(export.name, "__stack_low" | "__data_end")
                            {
                                self.low_marks.push(*value as u32);
                            }
                            &mut self.global_names
                        }
                        _ => continue,
                    };
                    if export.name.len() <= NAME_BYTES_MAX {
                        list.push((export.index, export.name.to_owned()));
                    }
                }
            }
            Payload::DataSection(reader) => {
                for data in reader {
                    let data = data?;
                    if let wasmparser::DataKind::Active { memory_index: 0, offset_expr } = data.kind
                        && let Operator::I32Const { value } = offset_expr.get_operators_reader().read()?
                    {
                        let end = data.range.end;
                        self.data.push((value as u32, end - data.data.len()..end));
                    }
                }
            }
            Payload::CustomSection(custom) => {
                if let KnownCustom::Name(reader) = custom.as_known() {
                    // A name section is advice: what cannot be read is left out.
                    for subsection in reader.into_iter().map_while(Result::ok) {
                        let (map, list) = match subsection {
                            Name::Function(map) => (map, &mut self.names),
                            Name::Global(map) => (map, &mut self.global_names),
                            _ => continue,
                        };
                        for naming in map.into_iter().map_while(Result::ok) {
                            if naming.name.len() <= NAME_BYTES_MAX {
                                list.push((naming.index, naming.name.to_owned()));
                            }
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn refuse(&self, name: &str) -> Result<(), HarnessError> {
        if self.instrumented_already {
            return Err(HarnessError::module(
                name,
                format!(
                    "has exports that start with {OWN_EXPORTS:?}: it is instrumented already; give the original module"
                ),
            ));
        }
        if self.memories.iter().any(|memory| memory.shared) {
            return Err(HarnessError::module(
                name,
                "uses a shared memory (threads proposal), whose state cannot be reset between runs: build it without \
                 threads (no -pthread, no --shared-memory)",
            ));
        }
        if self.memories.len() >= 100 {
            return Err(HarnessError::module(
                name,
                "has 100 memories (multi-memory proposal), the most that engines take, and instrumentation needs one \
                 more: remove one",
            ));
        }
        Ok(())
    }
}
