//! What a module declares, read before anything is compiled: refusals cost no more than reading the file once.

use super::engine::Effort;
use crate::HarnessError;
use crate::limits::Limits;
use wasmparser::{CompositeInnerType, FunctionBody, Parser, Payload, TypeRef};

/// Functions of a module. Several times the largest that we know (browsers stop at a million); each costs time and memory
/// to compile: as many as these about a gibibyte.
const FUNCTIONS_MAX: u32 = 200_000;
/// One function's body, bytes. Compilers need more than linear time and memory for one function; interpreters' largest stay below.
const FUNCTION_BYTES_MAX: usize = 4 << 20;
/// One function up to which modules are optimised, bytes and branches: beyond, some passes take time that is quadratic in
/// them. Interpreters' main loops stay below.
const FUNCTION_BYTES_OPTIMISED_MAX: usize = 512 << 10;
const FUNCTION_BRANCHES_OPTIMISED_MAX: usize = 10_000;
/// Globals, elements and data segments up to which modules are optimised: their initialisers are compiled as one function.
const INITIALISERS_OPTIMISED_MAX: u32 = 5_000;

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
    /// Functions with a body.
    pub functions: u32,
    /// A function, made of the code or of the initialisers, is too large to be optimised in bounded time.
    pub giant_function: bool,
    /// Globals, element segments and data segments.
    pub initialisers: u32,
}

impl Facts {
    /// How hard the compiler may try.
    pub fn effort(&self) -> Effort {
        if self.giant_function { Effort::Quick } else { Effort::Optimised }
    }

    /// Checks what a component would cost to compile; its function imports are counted elsewhere.
    pub fn check_component(name: &str, wasm: &[u8], limits: &Limits) -> Result<Self, HarnessError> {
        let mut facts = Self::default();
        facts.check_size(name, wasm, limits)?;
        let malformed = |error| HarnessError::module(name, format_args!("not a WebAssembly component: {error}"));
        for payload in Parser::new(0).parse_all(wasm) {
            facts.note_code(name, &payload.map_err(malformed)?)?;
        }
        Ok(facts)
    }

    fn check_size(&self, name: &str, wasm: &[u8], limits: &Limits) -> Result<(), HarnessError> {
        let (bytes, bytes_max) = (wasm.len() as u64, limits.module_bytes_max);
        if bytes > bytes_max {
            let message = format!("the module has {bytes} bytes, more than the limit module_bytes_max = {bytes_max}");
            return Err(HarnessError::module(name, message));
        }
        Ok(())
    }

    /// Functions and their sizes.
    fn note_code(&mut self, name: &str, payload: &Payload<'_>) -> Result<(), HarnessError> {
        match payload {
            Payload::CodeSectionStart { count, .. } => {
                self.functions = self.functions.saturating_add(*count);
                if self.functions > FUNCTIONS_MAX {
                    let message = format!("{} functions: {FUNCTIONS_MAX} is the most that is compiled", self.functions);
                    return Err(HarnessError::module(name, message));
                }
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                if range.len() > FUNCTION_BYTES_MAX {
                    let (bytes, at) = (range.len(), range.start);
                    let message = format!(
                        "a function body of {bytes} bytes at offset {at:#x}: {FUNCTION_BYTES_MAX} is the most that is compiled"
                    );
                    return Err(HarnessError::module(name, message));
                }
                self.giant_function |= range.len() > FUNCTION_BYTES_OPTIMISED_MAX || has_many_branches(body);
            }
            Payload::GlobalSection(section) => self.note_initialisers(section.count()),
            Payload::ElementSection(section) => self.note_initialisers(section.count()),
            Payload::DataSection(section) => self.note_initialisers(section.count()),
            _ => {}
        }
        Ok(())
    }

    fn note_initialisers(&mut self, count: u32) {
        self.initialisers = self.initialisers.saturating_add(count);
        self.giant_function |= self.initialisers > INITIALISERS_OPTIMISED_MAX;
    }

    /// Reads and checks against the limits. `name` stands in errors.
    pub fn read(name: &str, wasm: &[u8], limits: &Limits) -> Result<Self, HarnessError> {
        let fail = |message: String| HarnessError::module(name, message);
        let mut facts = Self::default();
        facts.check_size(name, wasm, limits)?;
        let mut memory_bytes = 0_u64;
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
            let payload = payload.map_err(malformed)?;
            facts.note_code(name, &payload)?;
            match payload {
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
                _ => {}
            }
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

/// Counts only where there is room for so many.
fn has_many_branches(body: &FunctionBody<'_>) -> bool {
    use wasmparser::Operator as O;
    if body.range().len() < 2 * FUNCTION_BRANCHES_OPTIMISED_MAX {
        return false;
    }
    let Ok(operators) = body.get_operators_reader() else { return true };
    let branches = operators.into_iter().map_while(Result::ok).map(|operator| match operator {
        O::BrTable { targets } => targets.len() as usize + 1,
        O::BrIf { .. } | O::If { .. } | O::Loop { .. } | O::Block { .. } => 1,
        _ => 0,
    });
    branches.sum::<usize>() > FUNCTION_BRANCHES_OPTIMISED_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_the_compiler_too_long_is_compiled_quickly() {
        let effort = |fields: &str, body: String| {
            let wasm = wat::parse_str(format!("(module {fields} (func (param i32) {body}))")).unwrap();
            Facts::read("text", &wasm, &Limits::default()).unwrap().effort()
        };
        let branches = |count: usize| format!("block {} end", "local.get 0 br_if 0 ".repeat(count));
        let cases = [
            ("", "nop ".repeat(500_000), Effort::Optimised),
            ("", "nop ".repeat(600_000), Effort::Quick),
            ("", branches(9_000), Effort::Optimised),
            ("", branches(11_000), Effort::Quick),
            ("", format!("block local.get 0 br_table {} end", "0 ".repeat(20_000)), Effort::Quick),
            (&"(global i32 (i32.const 1))".repeat(4_000), String::new(), Effort::Optimised),
            (&"(global i32 (i32.const 1))".repeat(6_000), String::new(), Effort::Quick),
        ];
        for (case, (fields, body, expected)) in cases.into_iter().enumerate() {
            assert_eq!(effort(fields, body), expected, "case {case}");
        }
    }

    #[test]
    fn functions_of_all_modules_of_a_component_are_counted() {
        let mut facts = Facts::default();
        let mut note = |count| facts.note_code("text", &Payload::CodeSectionStart { count, range: 0..0, size: 0 });
        assert!(note(FUNCTIONS_MAX - 1).is_ok() && note(1).is_ok() && note(1).is_err());
    }
}
