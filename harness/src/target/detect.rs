//! Reads a module's imports and exports, and says which ABIs they fit.

use super::{Abi, excerpt};
use crate::error::HarnessError;
use wasmparser::component_types::{ComponentDefinedType, ComponentEntityType, ComponentFuncTypeId, ComponentValType};
use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{Encoding, Parser, Payload, PrimitiveValType, ValType, Validator, WasmFeatures};

/// What can be seen of a module from outside.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A core module.
    Core(Core),
    /// A component.
    Component(Component),
}

/// Imports and exports of a core module.
#[derive(Debug, Clone, Default)]
pub struct Core {
    /// `(module, name)` of every import, in order.
    pub imports: Vec<(String, String)>,
    /// Exported functions, in order.
    pub functions: Vec<Function>,
    /// Exported memories, in order.
    pub memories: Vec<String>,
}

/// An exported core function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Export name.
    pub name: String,
    /// Parameter types.
    pub params: Vec<ValType>,
    /// Result types.
    pub results: Vec<ValType>,
}

/// Exports of a component.
#[derive(Debug, Clone, Default)]
pub struct Component {
    /// Names of the imports, in order.
    pub imports: Vec<String>,
    /// Exported functions, in order.
    pub functions: Vec<ComponentFunction>,
}

/// An exported function of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFunction {
    /// `name`, or `interface#name`.
    pub name: String,
    /// Whether the input can be handed to it.
    pub reach: Reach,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its result.
    pub returns: Returns,
}

/// What a parameter takes from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// A `string`.
    Text,
    /// A `list<u8>`.
    Bytes,
    /// A number, truth value or character of so many bytes.
    Scalar(PrimitiveValType, usize),
    /// Anything else.
    Other,
}

/// What a result looks like in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// There is none.
    Nothing,
    /// A `string` or `list<u8>`.
    Bytes,
    /// A `result`; its payloads are strings, byte lists or nothing.
    ResultOfBytes {
        /// There is something to read on success.
        ok: bool,
        /// There is something to read on failure.
        err: bool,
    },
    /// Another `result`, with payload.
    Result,
    /// Anything else.
    Other,
}

/// Whether an input can be handed to a component's function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It takes at least one `string` or `list<u8>`, and every other parameter can be made from the input as well.
    Bytes,
    /// It takes only numbers, or nothing.
    Numbers,
    /// It takes something that has to come from the component itself (a resource), or it is asynchronous.
    No,
}

/// Names under which a module may export its allocator, by preference.
pub const ALLOC_NAMES: &[&str] = &["alloc", "allocate", "malloc", "wasm_alloc", "wasm_malloc"];
/// Names under which a module may export the way to give memory back, by preference.
pub const FREE_NAMES: &[&str] = &["free", "dealloc", "deallocate", "wasm_free", "wasm_dealloc"];
/// Exports that look like an entry and are none: the C library's and the runtime's.
const NOT_ENTRIES: &[&str] = &[
    "LLVMFuzzerCustomMutator",
    "LLVMFuzzerInitialize",
    "_initialize",
    "_start",
    "aligned_alloc",
    "cabi_realloc",
    "calloc",
    "main",
    "malloc_usable_size",
    "memalign",
    "memory",
    "posix_memalign",
    "realloc",
];

impl Shape {
    /// Validates a module or component and reads its shape. Time and memory are linear in its size.
    pub fn read(name: &str, wasm: &[u8]) -> Result<Shape, HarnessError> {
        let malformed =
            |error: wasmparser::BinaryReaderError| HarnessError::module(name, excerpt(&format!("malformed: {error}")));
        if !wasm.starts_with(b"\0asm") {
            return Err(HarnessError::module(name, "not WebAssembly: it does not start with \\0asm"));
        }
        let types = Validator::new_with_features(WasmFeatures::all()).validate_all(wasm).map_err(malformed)?;
        let types = types.as_ref();
        let mut depth = 0u32;
        let mut component = None;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(malformed)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Ok(Shape::Core(Core::read(types)));
                }
                Payload::Version { encoding: Encoding::Component, .. } if depth == 0 => {
                    component = Some(Component::default());
                    depth = 1;
                }
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        let import = import.map_err(malformed)?;
                        component.get_or_insert_default().imports.push(import.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        let export = export.map_err(malformed)?;
                        component.get_or_insert_default().add_export(types, export.name.name);
                    }
                }
                _ => {}
            }
        }
        Ok(Shape::Component(component.unwrap_or_default()))
    }

    /// Every ABI that the exports fit, with its entries; the first is the one to take.
    pub fn fits(&self) -> Vec<(Abi, Vec<String>)> {
        const ORDER: &[Abi] = &[Abi::Component, Abi::Libfuzzer, Abi::WasmBindgen, Abi::Bytes, Abi::Wasi, Abi::Numeric];
        ORDER.iter().map(|abi| (*abi, self.entries(*abi))).filter(|(_, entries)| !entries.is_empty()).collect()
    }

    /// Exports that fit an ABI; empty if the module does not have what the ABI needs.
    pub fn entries(&self, abi: Abi) -> Vec<String> {
        match (self, abi) {
            (Shape::Component(component), Abi::Component) => {
                let reached = component.functions.iter().filter(|function| function.reach == Reach::Bytes);
                reached.map(|function| function.name.clone()).collect()
            }
            (Shape::Core(core), abi) => core.entries(abi),
            (Shape::Component(_), _) => Vec::new(),
        }
    }

    /// Names of all exported functions.
    pub fn function_names(&self) -> Vec<&str> {
        match self {
            Shape::Core(core) => core.functions.iter().map(|function| function.name.as_str()).collect(),
            Shape::Component(component) => component.functions.iter().map(|function| function.name.as_str()).collect(),
        }
    }
}

impl Core {
    fn read(types: TypesRef<'_>) -> Core {
        let mut core = Core::default();
        for (module, name, _) in types.core_imports().into_iter().flatten() {
            core.imports.push((module.to_owned(), name.to_owned()));
        }
        for (name, entity) in types.core_exports().into_iter().flatten() {
            match entity {
                EntityType::Func(id) => {
                    let signature = types[id].unwrap_func();
                    core.functions.push(Function {
                        name: name.to_owned(),
                        params: signature.params().to_vec(),
                        results: signature.results().to_vec(),
                    });
                }
                EntityType::Memory(_) => core.memories.push(name.to_owned()),
                _ => {}
            }
        }
        core
    }

    /// The exported function of that name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The allocator: the first of [`ALLOC_NAMES`] with the type `i32 -> i32`.
    pub fn alloc(&self) -> Option<&Function> {
        self.first_of(ALLOC_NAMES, |f| f.params == [ValType::I32] && f.results == [ValType::I32])
    }

    /// The way to give memory back: the first of [`FREE_NAMES`] that takes a pointer, or a pointer and a length.
    pub fn free(&self) -> Option<&Function> {
        self.first_of(FREE_NAMES, |f| {
            (f.params == [ValType::I32] || f.params == [ValType::I32; 2]) && f.results.len() < 2
        })
    }

    fn first_of(&self, names: &[&str], fits: impl Fn(&Function) -> bool) -> Option<&Function> {
        names.iter().filter_map(|name| self.function(name)).find(|function| fits(function))
    }

    fn imports_from(&self, module: &str) -> bool {
        self.imports.iter().any(|(from, _)| from == module)
    }

    fn entries(&self, abi: Abi) -> Vec<String> {
        let has_memory = !self.memories.is_empty();
        let fitting = |fits: &dyn Fn(&Function) -> bool| -> Vec<String> {
            let functions = self.functions.iter().filter(|f| fits(f) && !is_plumbing(&f.name));
            functions.map(|f| f.name.clone()).collect()
        };
        match abi {
            Abi::Libfuzzer if has_memory && self.alloc().is_some() => {
                fitting(&|f| f.name == "LLVMFuzzerTestOneInput" && takes_bytes(f))
            }
            Abi::Bytes if has_memory && self.alloc().is_some() => fitting(&takes_bytes),
            Abi::WasmBindgen if has_memory => match self.wasm_bindgen_malloc() {
                Some(_) => fitting(&|f| self.takes_strings(f)),
                None => Vec::new(),
            },
            Abi::Wasi => {
                let nullary = |f: &Function| f.params.is_empty() && matches!(f.results[..], [] | [ValType::I32]);
                if self.function("_start").is_some_and(|f| f.params.is_empty() && f.results.is_empty()) {
                    vec!["_start".to_owned()]
                } else if self.imports_from("wasi_snapshot_preview1") || self.function("_initialize").is_some() {
                    fitting(&nullary)
                } else {
                    Vec::new()
                }
            }
            Abi::Numeric => match fitting(&takes_numbers).is_empty() {
                true => Vec::new(),
                false => vec![super::EVERY_EXPORT.to_owned()],
            },
            _ => Vec::new(),
        }
    }

    /// Exports that the `numeric` ABI calls.
    pub fn numeric(&self) -> Vec<&Function> {
        // One without parameters is no entry by itself, but a step of a sequence: it may reset, commit or tell.
        let is_step = |f: &&Function| f.params.iter().chain(&f.results).all(is_number) && !is_plumbing(&f.name);
        self.functions.iter().filter(is_step).collect()
    }

    /// Whether results of several words come back through a pointer in front of the arguments: so it is in modules
    /// built without multiple results, and in modules that wasm-bindgen's tool has not rewritten yet.
    pub fn wasm_bindgen_return_pointer(&self) -> bool {
        self.function("__wbindgen_add_to_stack_pointer").is_some()
            || self.functions.iter().any(|f| f.name.starts_with("__wbindgen_describe_"))
    }

    /// Pairs of (pointer, length), perhaps after a return pointer; results as wasm-bindgen gives them back. Numbers
    /// among the arguments look alike: where a count could mean both, the export is left out.
    fn takes_strings(&self, function: &Function) -> bool {
        let count = function.params.len();
        let pairs_only = count >= 2 && count.is_multiple_of(2);
        let fits = match (function.results.is_empty(), self.wasm_bindgen_return_pointer()) {
            (true, true) => count == 2 || (count >= 3 && !pairs_only && !self.is_method(function)),
            _ => pairs_only,
        };
        let all_i32 = function.params.iter().all(|param| *param == ValType::I32);
        fits && all_i32 && function.results.iter().all(is_number) && function.results.len() <= 4
    }

    /// Methods of exported classes take an object first, and are named after the class.
    fn is_method(&self, function: &Function) -> bool {
        let class = |f: &Function| Some(f.name.strip_prefix("__wbg_")?.strip_suffix("_free")?.to_owned() + "_");
        self.functions.iter().filter_map(class).any(|class| function.name.starts_with(&class))
    }

    /// wasm-bindgen's allocator (`size, align -> pointer`). The tool renames its exports, so a name that starts
    /// with `__wbindgen_export` and has the type counts where the plain name is missing.
    pub fn wasm_bindgen_malloc(&self) -> Option<&Function> {
        let fits = |f: &&Function| f.params == [ValType::I32; 2] && f.results == [ValType::I32];
        self.function("__wbindgen_malloc")
            .filter(fits)
            .or_else(|| self.functions.iter().filter(|f| f.name.starts_with("__wbindgen_export")).find(fits))
    }

    /// wasm-bindgen's deallocator (`pointer, size, align`).
    pub fn wasm_bindgen_free(&self) -> Option<&Function> {
        let fits = |f: &&Function| f.params == [ValType::I32; 3] && f.results.is_empty();
        self.function("__wbindgen_free")
            .filter(fits)
            .or_else(|| self.functions.iter().filter(|f| f.name.starts_with("__wbindgen_export")).find(fits))
    }
}

/// `(pointer, length) -> nothing | i32 | i64`.
fn takes_bytes(function: &Function) -> bool {
    function.params == [ValType::I32; 2] && matches!(function.results[..], [] | [ValType::I32] | [ValType::I64])
}

fn takes_numbers(function: &Function) -> bool {
    !function.params.is_empty() && function.params.iter().all(is_number) && function.results.iter().all(is_number)
}

fn is_number(ty: &ValType) -> bool {
    matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64)
}

/// Exports of runtimes, allocators and our own instrumentation.
fn is_plumbing(name: &str) -> bool {
    name.starts_with("__")
        || name.starts_with("asyncify_")
        || [ALLOC_NAMES, FREE_NAMES, NOT_ENTRIES].iter().any(|names| names.contains(&name))
}

impl Component {
    fn add_export(&mut self, types: TypesRef<'_>, name: &str) {
        match types.component_item_for_export(name).map(|item| item.ty) {
            Some(ComponentEntityType::Func(id)) => self.functions.push(function(types, name.to_owned(), id)),
            Some(ComponentEntityType::Instance(id)) => {
                for (inner, item) in &types[id].exports {
                    if let ComponentEntityType::Func(id) = item.ty {
                        self.functions.push(function(types, format!("{name}#{inner}"), id));
                    }
                }
            }
            _ => {}
        }
    }
}

fn function(types: TypesRef<'_>, name: String, id: ComponentFuncTypeId) -> ComponentFunction {
    ComponentFunction {
        name,
        reach: reach(types, id),
        params: types[id].params.iter().map(|(_, ty)| param(types, *ty)).collect(),
        returns: types[id].result.map_or(Returns::Nothing, |ty| returns(types, ty)),
    }
}

fn param(types: TypesRef<'_>, ty: ComponentValType) -> Param {
    use PrimitiveValType::{Bool, Char, F32, F64, S8, S16, S32, S64, String, U8, U16, U32, U64};
    match primitive(types, ty) {
        Some(String) => Param::Text,
        Some(ty @ (Bool | S8 | U8)) => Param::Scalar(ty, 1),
        Some(ty @ (S16 | U16)) => Param::Scalar(ty, 2),
        Some(ty @ (S32 | U32 | F32 | Char)) => Param::Scalar(ty, 4),
        Some(ty @ (S64 | U64 | F64)) => Param::Scalar(ty, 8),
        _ if is_bytes(types, ty) => Param::Bytes,
        _ => Param::Other,
    }
}

fn returns(types: TypesRef<'_>, ty: ComponentValType) -> Returns {
    if is_bytes(types, ty) {
        return Returns::Bytes;
    }
    let ComponentValType::Type(id) = ty else { return Returns::Other };
    let ComponentDefinedType::Result { ok, err, .. } = types[id] else { return Returns::Other };
    let readable = |ty: Option<ComponentValType>| ty.is_none_or(|ty| is_bytes(types, ty));
    if readable(ok) && readable(err) {
        Returns::ResultOfBytes { ok: ok.is_some(), err: err.is_some() }
    } else {
        Returns::Result
    }
}

fn primitive(types: TypesRef<'_>, ty: ComponentValType) -> Option<PrimitiveValType> {
    match ty {
        ComponentValType::Primitive(primitive) => Some(primitive),
        ComponentValType::Type(id) => match types[id] {
            ComponentDefinedType::Primitive(primitive) => Some(primitive),
            _ => None,
        },
    }
}

fn reach(types: TypesRef<'_>, id: ComponentFuncTypeId) -> Reach {
    let function = &types[id];
    if function.async_ || !function.params.iter().all(|(_, ty)| is_plain(types, *ty, 0)) {
        Reach::No
    } else if function.params.iter().any(|(_, ty)| is_bytes(types, *ty)) {
        Reach::Bytes
    } else {
        Reach::Numbers
    }
}

/// `string` or `list<u8>`.
fn is_bytes(types: TypesRef<'_>, ty: ComponentValType) -> bool {
    let is_list = |id| match &types[id] {
        ComponentDefinedType::List { element, .. } => primitive(types, *element) == Some(PrimitiveValType::U8),
        _ => false,
    };
    primitive(types, ty) == Some(PrimitiveValType::String) || matches!(ty, ComponentValType::Type(id) if is_list(id))
}

/// Nesting of types beyond which a parameter is not generated.
const TYPE_DEPTH_MAX: u32 = 16;

/// Whether a value of the type can be made from bytes alone: no resource, stream or future anywhere in it.
fn is_plain(types: TypesRef<'_>, ty: ComponentValType, depth: u32) -> bool {
    let plain = |ty: ComponentValType| is_plain(types, ty, depth + 1);
    let ComponentValType::Type(id) = ty else { return !is_error_context(ty) };
    if depth > TYPE_DEPTH_MAX {
        return false;
    }
    match &types[id] {
        ComponentDefinedType::Primitive(primitive) => !is_error_context(ComponentValType::Primitive(*primitive)),
        ComponentDefinedType::Record(record) => record.fields.values().all(|ty| plain(*ty)),
        ComponentDefinedType::Variant(variant) => variant.cases.values().all(|case| case.ty.is_none_or(plain)),
        ComponentDefinedType::List { element, .. } => plain(*element),
        ComponentDefinedType::Tuple(tuple) => tuple.types.iter().all(|ty| plain(*ty)),
        ComponentDefinedType::Flags(_) | ComponentDefinedType::Enum(_) => true,
        ComponentDefinedType::Option { ty, .. } => plain(*ty),
        ComponentDefinedType::Result { ok, err, .. } => ok.is_none_or(plain) && err.is_none_or(plain),
        _ => false,
    }
}

fn is_error_context(ty: ComponentValType) -> bool {
    matches!(ty, ComponentValType::Primitive(PrimitiveValType::ErrorContext))
}
