//! What a module says of itself, read in one pass without running it: imports, limits, data, code's constants and calls.
//! Of a component, the core modules in it and what the component imports.

use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::sync::Arc;
use wasmparser::{
    ComponentExternalKind, ElementItems, ExternalKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef,
};

/// Largest module that is read, bytes.
pub const MODULE_BYTES_MAX: usize = 256 << 20;
/// Imports, exports, functions' names and sections that are kept, each.
const ITEMS_MAX: usize = 1 << 20;
/// Modules within a component, and components within components.
const NESTED_MAX: usize = 256;
/// Constants of one function that are kept: an unrolled SHA-512 has a few hundred.
const CONSTANTS_MAX: usize = 1 << 16;
/// Longest text of a function's type, bytes: a longer one is told by its beginning and its hash.
const TYPE_BYTES_MAX: usize = 1024;

/// A module or component, read.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Whether it is a component.
    pub is_component: bool,
    /// Interfaces that a component imports, by name.
    pub component_imports: Vec<String>,
    /// Names that a component exports.
    pub component_exports: Vec<String>,
    /// Core modules: of a module itself, of a component those in it.
    pub cores: Vec<Core>,
    /// Custom sections of the module and of all in it.
    pub customs: Vec<Custom>,
    /// Tools that say they made it: field, name, version.
    pub producers: Vec<(String, String, String)>,
}

/// A core module.
#[derive(Debug, Clone, Default)]
pub struct Core {
    /// Imports, in order.
    pub imports: Vec<Import>,
    /// Exports: name, kind, index, type.
    pub exports: Vec<Export>,
    /// Memories, imported ones first.
    pub memories: Vec<Limits>,
    /// Tables, imported ones first.
    pub tables: Vec<Limits>,
    /// The function that runs by itself when the module is instantiated.
    pub start: Option<u32>,
    /// Names of functions in the `name` section.
    pub names: BTreeMap<u32, String>,
    /// Data segments.
    pub data: Vec<Data>,
    /// Imported functions, by position, that something reachable calls or hands on.
    pub used_imports: BTreeSet<u32>,
    /// Functions that are defined here, with their large constants.
    pub constants: Vec<(u32, Vec<u64>)>,
    /// Whether some function grows a memory.
    pub grows: bool,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Module that it is asked of; one text for all imports in a row that name it.
    pub module: Arc<str>,
    /// Its name there.
    pub name: String,
    /// `function`, `memory`, `table`, `global`, `tag`.
    pub kind: &'static str,
    /// Its type, as text; one for all of the same type.
    pub ty: Arc<str>,
    /// Whether it is state that both sides change: a mutable global, a memory, a table.
    pub is_mutable: bool,
    /// Whether threads share it.
    pub is_shared: bool,
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// `function`, `memory`, `table`, `global`, `tag`.
    pub kind: &'static str,
    /// Its index.
    pub index: u32,
    /// Its type, as text; one for all of the same type.
    pub ty: Arc<str>,
    /// Whether it is a mutable global.
    pub is_mutable: bool,
}

/// Limits of a memory (in pages of 64 KiB, rounded up) or a table (in elements).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// At the start.
    pub initial: u64,
    /// At most.
    pub maximum: Option<u64>,
    /// Whether it is imported.
    pub is_imported: bool,
    /// Whether threads share it.
    pub is_shared: bool,
}

/// Bytes of the module that come into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// Where they stand in the file.
    pub offset: usize,
    /// How many.
    pub bytes: usize,
}

/// A custom section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custom {
    /// Its name.
    pub name: String,
    /// Where its content stands in the file.
    pub offset: usize,
    /// Bytes of it.
    pub bytes: usize,
}

/// Short facts of a module, for a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ModuleFacts {
    /// File name of the module.
    pub name: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// `sha256-` and base64: for `integrity` where nothing longer is taken.
    pub integrity_sha256: String,
    /// `sha384-` and base64: the value of an `integrity` attribute.
    pub integrity: String,
    /// Its size, bytes.
    pub bytes: u64,
    /// `module` or `component`.
    pub kind: String,
    /// SHA-256 of imports and exports with their types: the same as long as the interface is.
    pub interface_sha256: String,
    /// Number of imports.
    pub imports: usize,
    /// Number of exports.
    pub exports: usize,
    /// `language Rust`, `processed-by rustc 1.95.0`, as the module says; untrusted.
    pub producers: Vec<String>,
}

impl Facts {
    /// Reads a module or component.
    ///
    /// # Errors
    /// What is wrong with it and at which byte.
    pub fn read(bytes: &[u8]) -> Result<Facts, String> {
        if bytes.len() > MODULE_BYTES_MAX {
            return Err(format!("{} bytes, at most {MODULE_BYTES_MAX} are read", bytes.len()));
        }
        let mut facts = Facts::default();
        // What is open: a core module being read, or nothing for a component.
        let mut open: Vec<Option<Building>> = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| error.to_string())?;
            facts.payload(payload, &mut open).map_err(|error| error.to_string())?;
            let customs = facts.customs.len().max(facts.component_imports.len());
            if facts.cores.len() + open.len() > NESTED_MAX || customs > ITEMS_MAX {
                return Err(format!("more than {NESTED_MAX} modules or {ITEMS_MAX} sections in it"));
            }
            // Groups of imports repeat the name of their module without a byte in the file.
            if open.iter().flatten().any(|core| core.names_bytes > MODULE_BYTES_MAX) {
                return Err(format!("names of imports take more than {MODULE_BYTES_MAX} bytes"));
            }
        }
        if facts.cores.is_empty() && !facts.is_component {
            return Err("no module".to_owned());
        }
        Ok(facts)
    }

    fn payload(
        &mut self,
        payload: Payload<'_>,
        open: &mut Vec<Option<Building>>,
    ) -> Result<(), wasmparser::BinaryReaderError> {
        match payload {
            Payload::Version { encoding, .. } => {
                let is_component = encoding == wasmparser::Encoding::Component;
                self.is_component |= is_component && open.is_empty();
                open.push((!is_component).then(Building::default));
            }
            Payload::End(_) => {
                if let Some(Some(core)) = open.pop() {
                    self.cores.push(core.finish());
                }
            }
            Payload::ComponentImportSection(section) if open.len() == 1 => {
                for import in section {
                    self.component_imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if open.len() == 1 => {
                for export in section {
                    let export = export?;
                    let kind = match export.kind {
                        ComponentExternalKind::Func => "function",
                        ComponentExternalKind::Instance => "instance",
                        _ => "item",
                    };
                    self.component_exports.push(format!("{kind} {}", export.name.name));
                }
            }
            Payload::CustomSection(section) => {
                self.customs.push(Custom {
                    name: section.name().to_owned(),
                    offset: section.data_offset(),
                    bytes: section.data().len(),
                });
                match section.as_known() {
                    KnownCustom::Name(names) => {
                        if let Some(Some(core)) = open.last_mut() {
                            core.names(names);
                        }
                    }
                    KnownCustom::Producers(fields) => self.producers(fields),
                    _ => {}
                }
            }
            other => {
                if let Some(Some(core)) = open.last_mut() {
                    core.payload(other)?;
                }
            }
        }
        Ok(())
    }

    /// What is malformed in there is left out: engines do not read it either.
    fn producers(&mut self, fields: wasmparser::ProducersSectionReader<'_>) {
        for field in fields.into_iter().flatten() {
            for value in field.values.into_iter().flatten() {
                if self.producers.len() < 256 {
                    let row = (field.name.to_owned(), value.name.to_owned(), value.version.to_owned());
                    self.producers.push(row);
                }
            }
        }
    }

    /// SHA-256 of imports and exports with their types, a line each: what a host has to fit.
    pub fn interface_sha256(&self) -> String {
        let mut lines = Lines { hash: Sha256::new(), is_first: true };
        if self.is_component {
            self.component_imports.iter().for_each(|name| lines.add(format_args!("import {name:?}")));
            self.component_exports.iter().for_each(|name| lines.add(format_args!("export {name:?}")));
        } else {
            for core in &self.cores {
                for Import { module, name, kind, ty, .. } in &core.imports {
                    lines.add(format_args!("import {module:?} {name:?} {kind} {ty}"));
                }
                for Export { name, kind, ty, .. } in &core.exports {
                    lines.add(format_args!("export {name:?} {kind} {ty}"));
                }
            }
        }
        hexadecimal(lines.hash)
    }
}

/// Lines that are hashed one after another and never stand in memory together.
struct Lines {
    hash: Sha256,
    is_first: bool,
}

impl Lines {
    fn add(&mut self, line: fmt::Arguments<'_>) {
        if !std::mem::take(&mut self.is_first) {
            self.hash.update(b"\n");
        }
        // A hash takes everything.
        let _ = self.write_fmt(line);
    }
}

impl fmt::Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.hash.update(text.as_bytes());
        Ok(())
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Default)]
struct Building {
    core: Core,
    types: Vec<Arc<str>>,
    /// Bytes of all names of imports, those that are repeated too.
    names_bytes: usize,
    functions: Vec<u32>,
    imported_functions: u32,
    defined: u32,
    globals: Vec<(String, bool)>,
    tags: u32,
    calls: Vec<Vec<u32>>,
    /// Functions that tables hold or that code makes references to.
    referenced: BTreeSet<u32>,
    has_indirect: bool,
}

impl Building {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), wasmparser::BinaryReaderError> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.types() {
                        if self.types.len() < ITEMS_MAX {
                            self.types.push(match &ty.composite_type.inner {
                                wasmparser::CompositeInnerType::Func(function) => function_text(function).into(),
                                _ => "type".into(),
                            });
                        }
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.import(&import?);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    let ty = ty?;
                    if self.functions.len() < ITEMS_MAX {
                        self.functions.push(ty);
                    }
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table?;
                    self.core.tables.push(Limits {
                        initial: table.ty.initial,
                        maximum: table.ty.maximum,
                        is_imported: false,
                        is_shared: table.ty.shared,
                    });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.core.memories.push(memory_limits(&memory?, false));
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let global = global?;
                    self.globals.push((format!("{}", global.ty.content_type), global.ty.mutable));
                    self.expression(&global.init_expr)?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if self.core.exports.len() < ITEMS_MAX {
                        self.export(&export);
                    }
                }
            }
            Payload::StartSection { func, .. } => self.core.start = Some(func),
            Payload::ElementSection(section) => {
                for element in section {
                    match element?.items {
                        ElementItems::Functions(functions) => {
                            for function in functions {
                                self.referenced.insert(function?);
                            }
                        }
                        ElementItems::Expressions(_, expressions) => {
                            for expression in expressions {
                                self.expression(&expression?)?;
                            }
                        }
                    }
                }
            }
            Payload::DataSection(section) => {
                for data in section {
                    let data = data?;
                    if self.core.data.len() < ITEMS_MAX {
                        let offset = data.range.end - data.data.len();
                        self.core.data.push(Data { offset, bytes: data.data.len() });
                    }
                }
            }
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: &wasmparser::Import<'_>) {
        let ty = |index: u32| self.types.get(index as usize).cloned().unwrap_or_else(|| "unknown".into());
        let (kind, text, is_mutable, is_shared): (_, Arc<str>, _, _) = match import.ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                let text = ty(index);
                self.functions.push(index);
                self.imported_functions += 1;
                ("function", text, false, false)
            }
            TypeRef::Memory(memory) => {
                let limits = memory_limits(&memory, true);
                let text = limits_text(&limits, "pages");
                self.core.memories.push(limits);
                ("memory", text.into(), true, memory.shared)
            }
            TypeRef::Table(table) => {
                let limits = Limits {
                    initial: table.initial,
                    maximum: table.maximum,
                    is_imported: true,
                    is_shared: table.shared,
                };
                let text = format!("{} of {}", limits_text(&limits, "elements"), table.element_type);
                self.core.tables.push(limits);
                ("table", text.into(), true, table.shared)
            }
            TypeRef::Global(global) => {
                self.globals.push((format!("{}", global.content_type), global.mutable));
                let mutable = if global.mutable { "mut " } else { "" };
                ("global", format!("{mutable}{}", global.content_type).into(), global.mutable, global.shared)
            }
            TypeRef::Tag(tag) => {
                self.tags += 1;
                ("tag", ty(tag.func_type_idx), false, false)
            }
        };
        self.names_bytes += import.module.len() + import.name.len();
        if self.core.imports.len() < ITEMS_MAX {
            let same = self.core.imports.last().filter(|last| *last.module == *import.module);
            let module = same.map_or_else(|| import.module.into(), |last| last.module.clone());
            let name = import.name.to_owned();
            self.core.imports.push(Import { module, name, kind, ty: text, is_mutable, is_shared });
        }
    }

    fn export(&mut self, export: &wasmparser::Export<'_>) {
        let at = export.index as usize;
        let (kind, ty, is_mutable): (_, Arc<str>, _) = match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                let ty = self.functions.get(at).and_then(|ty| self.types.get(*ty as usize));
                ("function", ty.cloned().unwrap_or_else(|| "".into()), false)
            }
            ExternalKind::Memory => {
                let text = self.core.memories.get(at).map_or_else(String::new, |one| limits_text(one, "pages"));
                ("memory", text.into(), true)
            }
            ExternalKind::Table => {
                let text = self.core.tables.get(at).map_or_else(String::new, |one| limits_text(one, "elements"));
                ("table", text.into(), true)
            }
            ExternalKind::Global => {
                let (ty, mutable) = self.globals.get(at).cloned().unwrap_or_default();
                ("global", format!("{}{ty}", if mutable { "mut " } else { "" }).into(), mutable)
            }
            ExternalKind::Tag => ("tag", "".into(), false),
        };
        self.core.exports.push(Export { name: export.name.to_owned(), kind, index: export.index, ty, is_mutable });
    }

    fn expression(&mut self, expression: &wasmparser::ConstExpr<'_>) -> Result<(), wasmparser::BinaryReaderError> {
        for operator in expression.get_operators_reader() {
            if let Operator::RefFunc { function_index } = operator? {
                self.referenced.insert(function_index);
            }
        }
        Ok(())
    }

    fn body(&mut self, body: &wasmparser::FunctionBody<'_>) -> Result<(), wasmparser::BinaryReaderError> {
        let own = self.imported_functions + self.defined;
        self.defined += 1;
        let mut calls = BTreeSet::new();
        let mut constants = Vec::new();
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    calls.insert(function_index);
                }
                Operator::RefFunc { function_index } => {
                    self.referenced.insert(function_index);
                }
                Operator::CallIndirect { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::CallRef { .. }
                | Operator::ReturnCallRef { .. } => self.has_indirect = true,
                // Small numbers say nothing about what a function computes.
                Operator::I32Const { value } if value.unsigned_abs() > 0xffff && constants.len() < CONSTANTS_MAX => {
                    constants.push(u64::from(value as u32));
                }
                Operator::I64Const { value } if value.unsigned_abs() > 0xffff && constants.len() < CONSTANTS_MAX => {
                    constants.push(value as u64);
                }
                Operator::V128Const { value } if constants.len() < CONSTANTS_MAX => {
                    let lanes = value.bytes().chunks_exact(4);
                    constants
                        .extend(lanes.map(|lane| u64::from(u32::from_le_bytes([lane[0], lane[1], lane[2], lane[3]]))));
                }
                Operator::MemoryGrow { .. } => self.core.grows = true,
                _ => {}
            }
        }
        self.calls.push(calls.into_iter().collect());
        // One constant is never a mark of anything.
        if constants.len() >= 2 {
            constants.sort_unstable();
            constants.dedup();
            self.core.constants.push((own, constants));
        }
        Ok(())
    }

    fn names(&mut self, names: wasmparser::NameSectionReader<'_>) {
        for part in names.into_iter().flatten() {
            if let Name::Function(map) = part {
                for naming in map.into_iter().flatten() {
                    if self.core.names.len() < ITEMS_MAX {
                        self.core.names.insert(naming.index, naming.name.to_owned());
                    }
                }
            }
        }
    }

    /// Which imports something calls that a host can start.
    fn finish(mut self) -> Core {
        let exported = self.core.exports.iter().filter(|export| export.kind == "function").map(|export| export.index);
        let mut pending: Vec<u32> = exported.chain(self.core.start).collect();
        // Whoever holds a reference may call it, here or outside.
        let tables_leave = self.core.tables.iter().any(|table| table.is_imported)
            || self.core.exports.iter().any(|export| export.kind == "table");
        if self.has_indirect || tables_leave {
            pending.extend(&self.referenced);
        }
        let mut seen = BTreeSet::new();
        while let Some(function) = pending.pop() {
            if !seen.insert(function) {
                continue;
            }
            if function < self.imported_functions {
                self.core.used_imports.insert(function);
            } else if let Some(calls) = self.calls.get((function - self.imported_functions) as usize) {
                pending.extend(calls);
            }
        }
        self.core
    }
}

fn function_text(function: &wasmparser::FuncType) -> String {
    let list = |types: &[wasmparser::ValType]| types.iter().map(|ty| ty.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!("({}) -> ({})", list(function.params()), list(function.results()));
    if text.len() <= TYPE_BYTES_MAX {
        return text;
    }
    let (params, results) = (function.params().len(), function.results().len());
    let start: String = text.chars().take(80).collect();
    let hash = hexadecimal(Sha256::new_with_prefix(&text));
    format!("{start}… ({params} parameters, {results} results, sha256 {hash})")
}

/// In pages of 64 KiB, whatever the module counts in.
fn memory_limits(memory: &wasmparser::MemoryType, is_imported: bool) -> Limits {
    let shift = memory.page_size_log2.unwrap_or(16).min(16);
    let pages = |count: u64| count.saturating_mul(1 << shift).div_ceil(1 << 16);
    // More than fits into the product is more than any limit.
    let pages = |count: u64| if count > u64::MAX >> 16 { u64::MAX >> 16 } else { pages(count) };
    Limits { initial: pages(memory.initial), maximum: memory.maximum.map(pages), is_imported, is_shared: memory.shared }
}

fn limits_text(limits: &Limits, unit: &str) -> String {
    let maximum = limits.maximum.map_or_else(|| "no maximum".to_owned(), |maximum| format!("at most {maximum}"));
    let shared = if limits.is_shared { ", shared" } else { "" };
    format!("{} {unit}, {maximum}{shared}", limits.initial)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Facts {
        Facts::read(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn only_imports_that_something_reachable_calls_are_used() {
        let module = facts(
            r#"(module (import "a" "called" (func)) (import "a" "dead" (func)) (import "a" "table" (func))
                (import "a" "unreachable" (func)) (table 1 1 funcref) (elem (i32.const 0) 2)
                (func (export "f") call 4) (func $g call 0 i32.const 0 call_indirect) (func $h call 3))"#,
        );
        // `$f` is number 4 and calls itself: nothing else is reached from it.
        assert_eq!(module.cores[0].used_imports, BTreeSet::from([2]));
        let module = facts(
            r#"(module (import "a" "called" (func)) (import "a" "dead" (func)) (func (export "f") call 3) (func call 0))"#,
        );
        assert_eq!(module.cores[0].used_imports, BTreeSet::from([0]));
    }

    #[test]
    fn limits_count_in_pages_whatever_the_module_counts_in() {
        let module = facts("(module (memory 1 2) (memory 70000 140000 (pagesize 1)) (memory i64 3))");
        let limits: Vec<(u64, Option<u64>)> =
            module.cores[0].memories.iter().map(|one| (one.initial, one.maximum)).collect();
        assert_eq!(limits, [(1, Some(2)), (2, Some(3)), (3, None)]);
    }

    #[test]
    fn components_show_what_is_in_them() {
        let component = facts(
            r#"(component (import "wasi:http/types@0.2.0" (instance)) (core module (memory 1)) (component (core module)))"#,
        );
        assert!(component.is_component);
        assert_eq!(component.component_imports, ["wasi:http/types@0.2.0"]);
        assert_eq!(component.cores.len(), 2);
    }

    #[test]
    fn the_interface_is_the_same_while_the_code_changes() {
        let a = facts(r#"(module (func (export "f") (param i32) (result i32) i32.const 1))"#);
        let b = facts(r#"(module (func (export "f") (param i32) (result i32) local.get 0))"#);
        let c = facts(r#"(module (func (export "f") (param i64) (result i32) i32.const 1))"#);
        assert_eq!(a.interface_sha256(), b.interface_sha256());
        assert_ne!(a.interface_sha256(), c.interface_sha256());
    }

    #[test]
    fn the_interface_is_hashed_as_its_lines() {
        let module = facts(
            r#"(module (import "a" "f\n" (func (param i32 i64) (result f32))) (import "a" "m" (memory 1 2))
                (import "b" "t" (table 1 funcref)) (import "b" "g" (global (mut i32))) (func (export "f") (param i32)))"#,
        );
        let lines = "import \"a\" \"f\\n\" function (i32, i64) -> (f32)\n\
            import \"a\" \"m\" memory 1 pages, at most 2\n\
            import \"b\" \"t\" table 1 elements, no maximum of funcref\n\
            import \"b\" \"g\" global mut i32\n\
            export \"f\" function (i32) -> ()";
        assert_eq!(module.interface_sha256(), hexadecimal(Sha256::new_with_prefix(lines)));
        let component = facts(r#"(component (import "a:b/c" (instance)))"#);
        assert_eq!(component.interface_sha256(), hexadecimal(Sha256::new_with_prefix("import \"a:b/c\"")));
    }

    #[test]
    fn a_type_is_one_text_for_all_that_have_it() {
        let module = facts(
            r#"(module (type $t (func (param i32))) (import "a" "b" (func (type $t))) (import "a" "c" (func (type $t)))
                (export "d" (func 0)))"#,
        );
        let Core { imports, exports, .. } = &module.cores[0];
        assert!(Arc::ptr_eq(&imports[0].ty, &imports[1].ty) && Arc::ptr_eq(&imports[0].ty, &exports[0].ty));
        assert!(Arc::ptr_eq(&imports[0].module, &imports[1].module));
        // A long one is short text, and another one is another text.
        let long = |last: &str| {
            let text = format!(r#"(module (import "a" "b" (func (param {}{last}))))"#, "i32 ".repeat(900));
            facts(&text).cores[0].imports[0].ty.clone()
        };
        assert!(long("i32").len() < 200 && long("i32").contains("901 parameters, 0 results"), "{}", long("i32"));
        assert_ne!(long("i32"), long("i64"));
    }
}
