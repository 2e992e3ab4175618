//! What a module's own types say: exports with numbers, imports, and a stack pointer nobody asked about.

use crate::api::{Api, Kind, Operation, Param, Type, id};
use crate::glue::{declarations, ranges};
use std::collections::BTreeMap;
use wasmparser::{ExternalKind, Parser, Payload, TypeRef, ValType};

/// Largest module, bytes.
pub const MODULE_BYTES_MAX: usize = 64 << 20;
/// Imports and exports that are read.
const NAMES_MAX: usize = 1 << 16;

/// Imports and exports with their types.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// In order.
    pub imports: Vec<Imported>,
    /// In order.
    pub exports: Vec<Exported>,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Module that it is asked of.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// `function`, `memory`, `table`, `global`, `tag`.
    pub kind: &'static str,
    /// `(i32, i32) -> i32`; for what is no function, what wasm's text format says.
    pub ty: String,
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its name.
    pub name: String,
    /// Parameters and results; none for what is no function.
    pub function: Option<(Vec<Number>, Vec<Number>)>,
}

/// A value's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// 32 bits, sign unknown.
    I32,
    /// 64 bits, sign unknown.
    I64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
    /// No number.
    Other,
}

impl Number {
    fn of(ty: ValType) -> Number {
        match ty {
            ValType::I32 => Number::I32,
            ValType::I64 => Number::I64,
            ValType::F32 => Number::F32,
            ValType::F64 => Number::F64,
            _ => Number::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Number::I32 => "i32",
            Number::I64 => "i64",
            Number::F32 => "f32",
            Number::F64 => "f64",
            Number::Other => "ref",
        }
    }
}

impl Shape {
    /// Reads a module; the error says what is wrong with it.
    pub fn of(bytes: &[u8]) -> Result<Shape, String> {
        if bytes.len() > MODULE_BYTES_MAX {
            return Err(format!("{} bytes; modules of {MODULE_BYTES_MAX} are read", bytes.len()));
        }
        if Parser::is_component(bytes) {
            return Err("a component, which has no glue of this kind; give a core module".to_owned());
        }
        let mut shape = Shape::default();
        let mut types: Vec<Option<(Vec<Number>, Vec<Number>)>> = Vec::new();
        let mut functions: Vec<u32> = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(|error| format!("not a WebAssembly module: {error}"))? {
                Payload::TypeSection(section) => {
                    for group in section {
                        let group = group.map_err(|error| error.to_string())?;
                        for ty in group.types() {
                            types.push(match &ty.composite_type.inner {
                                wasmparser::CompositeInnerType::Func(function) => Some((
                                    function.params().iter().map(|ty| Number::of(*ty)).collect(),
                                    function.results().iter().map(|ty| Number::of(*ty)).collect(),
                                )),
                                _ => None,
                            });
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.map_err(|error| error.to_string())?;
                        if shape.imports.len() >= NAMES_MAX {
                            return Err(format!("more than {NAMES_MAX} imports"));
                        }
                        if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.ty {
                            functions.push(ty);
                        }
                        shape.imports.push(imported(&import, &types));
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        functions.push(ty.map_err(|error| error.to_string())?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(|error| error.to_string())?;
                        if shape.exports.len() >= NAMES_MAX {
                            return Err(format!("more than {NAMES_MAX} exports"));
                        }
                        let ty = functions.get(export.index as usize).and_then(|ty| types.get(*ty as usize));
                        let is_function = matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact);
                        let function = ty.cloned().flatten().filter(|_| is_function);
                        shape.exports.push(Exported { name: export.name.to_owned(), function });
                    }
                }
                _ => {}
            }
        }
        Ok(shape)
    }

    /// Whether it is a program that runs once, by `_start`.
    pub fn is_command(&self) -> bool {
        self.exports.iter().any(|export| export.name == "_start" && export.function.is_some())
    }

    /// What `node:wasi` makes of it: a command reads its standard input and writes its standard output, a reactor has its
    /// exports.
    pub fn wasi_api(&self) -> (Api, Vec<String>) {
        if !self.is_command() {
            let (mut api, notes) = self.api();
            api.operations.retain(|operation| operation.name != "_initialize");
            return (api, notes);
        }
        let bytes = || Type::Bytes("Uint8Array".to_owned());
        let stdin = Param { name: "stdin".to_owned(), ty: bytes(), optional: false, range: None };
        let name = "_start".to_owned();
        let operation = Operation {
            id: id(&name),
            member: name.clone(),
            name,
            kind: Kind::Function,
            class: None,
            params: vec![stdin],
            result: bytes(),
            consumes_this: false,
        };
        let note = "every call runs a fresh instance; what it writes to standard output is its result".to_owned();
        (Api { operations: vec![operation] }, vec![note])
    }

    /// Exported functions by name.
    pub fn functions(&self) -> BTreeMap<&str, (&[Number], &[Number])> {
        let all = self.exports.iter().filter_map(|export| {
            let (params, results) = export.function.as_ref()?;
            Some((export.name.as_str(), (params.as_slice(), results.as_slice())))
        });
        all.collect()
    }

    /// The exports as an API: numbers in, a number out. What takes or gives references is left out.
    pub fn api(&self) -> (Api, Vec<String>) {
        let mut operations = Vec::new();
        let mut left_out = Vec::new();
        for export in &self.exports {
            let Some((params, results)) = &export.function else { continue };
            if declarations::is_runtime(&export.name) || declarations::is_plumbing(&export.name) {
                continue;
            }
            if params.contains(&Number::Other) || results.contains(&Number::Other) {
                left_out.push(export.name.clone());
                continue;
            }
            let params = params.iter().enumerate().map(|(at, number)| Param {
                name: format!("p{at}"),
                ty: declared(*number),
                optional: false,
                range: ranges::unsigned_or_signed(*number, "module"),
            });
            let result = match results.as_slice() {
                [] => Type::Undefined,
                [one] => declared(*one),
                many => Type::Array(Box::new(if many.iter().all(|number| *number == many[0]) {
                    declared(many[0])
                } else {
                    Type::Any
                })),
            };
            let name = export.name.clone();
            let operation = Operation {
                id: id(&name),
                member: name.clone(),
                name,
                kind: Kind::Function,
                class: None,
                params: params.collect(),
                result,
                consumes_this: false,
            };
            declarations::add(&mut operations, operation);
        }
        let notes = match left_out.len() {
            0 => Vec::new(),
            count => {
                vec![format!("{count} exports take or give references and are not called: {}", left_out.join(", "))]
            }
        };
        (Api { operations }, notes)
    }
}

fn declared(number: Number) -> Type {
    if number == Number::I64 { Type::Bigint } else { Type::Number }
}

fn imported(import: &wasmparser::Import<'_>, types: &[Option<(Vec<Number>, Vec<Number>)>]) -> Imported {
    let (kind, ty) = match import.ty {
        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => ("function", function(types.get(ty as usize))),
        TypeRef::Memory(memory) => {
            let maximum = memory.maximum.map_or_else(|| "no maximum".to_owned(), |pages| format!("at most {pages}"));
            let shared = if memory.shared { ", shared" } else { "" };
            ("memory", format!("{} pages, {maximum}{shared}", memory.initial))
        }
        TypeRef::Table(table) => ("table", format!("{} elements of {}", table.initial, table.element_type)),
        TypeRef::Global(global) => {
            let mutable = if global.mutable { "mut " } else { "" };
            ("global", format!("{mutable}{}", global.content_type))
        }
        TypeRef::Tag(tag) => ("tag", function(types.get(tag.func_type_idx as usize))),
    };
    Imported { module: import.module.to_owned(), name: import.name.to_owned(), kind, ty }
}

fn function(ty: Option<&Option<(Vec<Number>, Vec<Number>)>>) -> String {
    let Some(Some((params, results))) = ty else { return "unknown".to_owned() };
    let list = |numbers: &[Number]| numbers.iter().map(|number| number.name()).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", list(params), list(results))
}
