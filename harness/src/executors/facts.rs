//! What a module declares, read before anything is compiled: refusals cost no more than reading the file once.

use crate::HarnessError;
use crate::limits::Limits;
use wasmparser::{CompositeInnerType, Parser, Payload, TypeRef};

/// Functions of a module. Twenty times the largest that we know (browsers stop at a million); each costs compile time.
const FUNCTIONS_MAX: u32 = 500_000;
/// One function's body, bytes. Compilers need more than linear time and memory for one function; interpreters' largest stay below.
const FUNCTION_BYTES_MAX: usize = 4 << 20;

/// Counts and demands of a module.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Function imports, `module.name`, in order.
    pub function_imports: Vec<String>,
    /// Memories, imported ones counted.
    pub memories: usize,
    /// Tables, imported ones counted.
    pub tables: usize,
    /// Elements that the tables begin with.
    pub table_elements: u64,
    /// Structs, arrays or exceptions: there is a heap that only a fresh instance resets.
    pub managed_heap: bool,
}

impl Facts {
    /// Checks what a component would cost to compile; its function imports are counted elsewhere.
    pub fn check_component(name: &str, wasm: &[u8], limits: &Limits) -> Result<(), HarnessError> {
        let fail = |message: String| HarnessError::module(name, message);
        if wasm.len() as u64 > limits.module_bytes_max {
            return Err(fail(format!(
                "the component has {} bytes, more than the limit module_bytes_max = {}",
                wasm.len(),
                limits.module_bytes_max
            )));
        }
        let mut functions = 0_u32;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(|error| fail(format!("not a WebAssembly component: {error}")))? {
                Payload::CodeSectionStart { count, .. } => functions = functions.saturating_add(count),
                Payload::CodeSectionEntry(body) if body.range().len() > FUNCTION_BYTES_MAX => {
                    return Err(fail(format!(
                        "a function body of {} bytes: {FUNCTION_BYTES_MAX} is the most that is compiled",
                        body.range().len()
                    )));
                }
                _ => {}
            }
        }
        match functions > FUNCTIONS_MAX {
            true => Err(fail(format!("{functions} functions: {FUNCTIONS_MAX} is the most that is compiled"))),
            false => Ok(()),
        }
    }

    /// Reads and checks against the limits. `name` stands in errors.
    pub fn read(name: &str, wasm: &[u8], limits: &Limits) -> Result<Self, HarnessError> {
        let fail = |message: String| HarnessError::module(name, message);
        if wasm.len() as u64 > limits.module_bytes_max {
            return Err(fail(format!(
                "the module has {} bytes, more than the limit module_bytes_max = {}",
                wasm.len(),
                limits.module_bytes_max
            )));
        }
        let mut facts = Self::default();
        let mut memory_bytes = 0_u64;
        let mut functions = 0_u32;
        let malformed = |error: wasmparser::BinaryReaderError| fail(format!("not a WebAssembly module: {error}"));
        let mut memory = |facts: &mut Self, ty: &wasmparser::MemoryType| {
            if ty.shared {
                return Err(fail("shared memories are not supported: build it without threads".into()));
            }
            facts.memories += 1;
            let page_bytes = 1_u64 << ty.page_size_log2.unwrap_or(16).min(16);
            memory_bytes = memory_bytes.saturating_add(ty.initial.saturating_mul(page_bytes));
            Ok(())
        };
        let table = |facts: &mut Self, ty: &wasmparser::TableType| {
            facts.tables += 1;
            facts.table_elements = facts.table_elements.saturating_add(ty.initial);
        };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(malformed)? {
                Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                    return Err(fail("a component, where a core module is needed".into()));
                }
                Payload::TypeSection(types) => {
                    for group in types {
                        facts.managed_heap |= group
                            .map_err(malformed)?
                            .types()
                            .any(|ty| !matches!(ty.composite_type.inner, CompositeInnerType::Func(_)));
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import.map_err(malformed)?;
                        match import.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                                facts.function_imports.push(format!("{}.{}", import.module, import.name));
                            }
                            TypeRef::Memory(ty) => memory(&mut facts, &ty)?,
                            TypeRef::Table(ty) => table(&mut facts, &ty),
                            TypeRef::Tag(_) => facts.managed_heap = true,
                            TypeRef::Global(_) => {}
                        }
                    }
                }
                Payload::MemorySection(memories) => {
                    for ty in memories {
                        memory(&mut facts, &ty.map_err(malformed)?)?;
                    }
                }
                Payload::TableSection(tables) => {
                    for ty in tables {
                        table(&mut facts, &ty.map_err(malformed)?.ty);
                    }
                }
                Payload::TagSection(_) => facts.managed_heap = true,
                Payload::CodeSectionStart { count, .. } => functions = count,
                Payload::CodeSectionEntry(body) if body.range().len() > FUNCTION_BYTES_MAX => {
                    return Err(fail(format!(
                        "a function body of {} bytes at offset {:#x}: {FUNCTION_BYTES_MAX} is the most that is compiled",
                        body.range().len(),
                        body.range().start
                    )));
                }
                _ => {}
            }
        }
        if functions > FUNCTIONS_MAX {
            return Err(fail(format!("{functions} functions: {FUNCTIONS_MAX} is the most that is compiled")));
        }
        if memory_bytes > limits.memory_bytes_max {
            return Err(fail(format!(
                "its memories begin with {memory_bytes} bytes, more than the limit memory_bytes_max = {}",
                limits.memory_bytes_max
            )));
        }
        if facts.table_elements > limits.table_elements_max.into() {
            return Err(fail(format!(
                "its tables begin with {} elements, more than the limit table_elements_max = {}",
                facts.table_elements, limits.table_elements_max
            )));
        }
        Ok(facts)
    }
}
