//! What the original module says about itself: function names (name section, exports, imports) and source lines (DWARF).
//!
//! Everything here comes from the module's author, who may be hostile: names are cut and made printable, DWARF is read
//! within a budget that grows with its size and no further, and what cannot be read is simply not known. Nothing is
//! decoded before the first question.

mod dwarf;
mod names;

pub use names::{demangle, printable, rust_module, shown_path, without_generics};

use crate::execution::RawFrame;
use dwarf::Dwarf;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};
use wasmparser::{Encoding, ExternalKind, KnownCustom, Name, Parser, Payload, TypeRef};

/// Names and lines of one module, or of every core module of a component.
#[derive(Debug)]
pub struct Symbols {
    modules: Vec<Module>,
}

/// One guest frame with what is known about it. Innermost first; a function that was inlined has a frame of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Function index in the module (imports counted) of the function that contains the instruction.
    pub function: u32,
    /// Bytes from the start of that function's body to the instruction, where known. Survives changes elsewhere in the module.
    pub function_offset: Option<u32>,
    /// Byte offset in the module file, where known.
    pub offset: Option<u32>,
    /// Demangled, printable name; `None` in a stripped module.
    pub name: Option<String>,
    /// Where in the source, if the module has DWARF.
    pub location: Option<Location>,
    /// Whether this function was inlined into the next frame's.
    pub inlined: Inlined,
    /// Whether the function returns at all, as far as its caller's code tells.
    pub returns: Returns,
}

/// Whether a function comes back to its caller. Compilers put `unreachable` behind calls of functions that never do, which
/// tells panic and abort paths apart even in a stripped module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Returns {
    /// The caller goes on after the call, or is not known.
    Perhaps,
    /// There is nothing to come back to.
    Never,
}

/// Whether a frame is a function of the module, or one that the compiler dissolved into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Inlined {
    /// A function of the module.
    No,
    /// Source-level function inside the next frame's.
    Yes,
}

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Line, from 1; 0 where the compiler made the code up.
    pub line: u32,
    /// Column, from 1; 0 where unknown.
    pub column: u32,
}

/// A source file under its two names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceFile {
    /// Path without this or any other machine's prefixes: what reports and buckets say.
    pub shown: String,
    /// Path as the compiler wrote it. Names files of the machine that built the module: never put it in a report.
    pub raw: String,
}

impl Frame {
    /// The name, or `func[INDEX]` in a stripped module.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("func[{}]", self.function))
    }

    /// The frame as reports carry it.
    pub fn to_record(&self) -> autoclave_reports::record::Frame {
        let at = self.location.as_ref();
        let known = |number: u32| Some(number).filter(|number| *number > 0);
        autoclave_reports::record::Frame {
            function: self.name(),
            file: at.map(|at| at.file.shown.clone()),
            line: at.and_then(|at| known(at.line)),
            column: at.and_then(|at| known(at.column)),
            module_offset: self.offset.map(u64::from),
            inlined: self.inlined == Inlined::Yes,
        }
    }
}

impl std::fmt::Display for Frame {
    /// `name at file:line:column (inlined)`; a stripped module gives `func[3]+0x1f`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.name, self.function_offset) {
            (Some(name), _) => write!(out, "{name}")?,
            (None, Some(offset)) => write!(out, "func[{}]+{offset:#x}", self.function)?,
            (None, None) => write!(out, "func[{}]", self.function)?,
        }
        if let Some(at) = &self.location {
            write!(out, " at {}:{}", at.file.shown, at.line)?;
            if at.column > 0 {
                write!(out, ":{}", at.column)?;
            }
        }
        if self.inlined == Inlined::Yes {
            write!(out, " (inlined)")?;
        }
        Ok(())
    }
}

impl Symbols {
    /// Notes where the functions, names and debug sections of `wasm` (a module or a component) lie. Never fails: what is
    /// malformed is not known.
    pub fn load(wasm: &[u8]) -> Self {
        Self { modules: scan(wasm) }
    }

    /// The frame's function and those inlined at its instruction, innermost first. Without an offset (frames of an
    /// instrumented module must be stripped of theirs first) only the function's name.
    pub fn resolve(&self, raw: &RawFrame) -> Vec<Frame> {
        let Some(module) = self.module_of(raw.offset) else {
            return vec![Frame {
                function: raw.function,
                function_offset: None,
                offset: raw.offset,
                name: None,
                location: None,
                inlined: Inlined::No,
                returns: Returns::Perhaps,
            }];
        };
        let body = module.body(raw.function);
        let offset = raw.offset.filter(|at| body.as_ref().is_none_or(|body| body.contains(at)));
        let base = Frame {
            function: raw.function,
            function_offset: offset.zip(body).map(|(at, body)| at - body.start),
            offset: raw.offset,
            name: module.name(raw.function),
            location: None,
            inlined: Inlined::No,
            returns: Returns::Perhaps,
        };
        let Some(offset) = offset else { return vec![base] };
        let found = module.with_dwarf(|dwarf| dwarf.frames(offset.saturating_sub(module.code.start)));
        let Some(found) = found.filter(|found| !found.is_empty()) else { return vec![base] };
        let last = found.len() - 1;
        found
            .into_iter()
            .enumerate()
            .map(|(depth, (name, location))| Frame {
                name: if depth == last {
                    base.name.clone().or(name)
                } else {
                    Some(inlined_name(name, location.as_ref()))
                },
                location,
                inlined: if depth == last { Inlined::No } else { Inlined::Yes },
                ..base.clone()
            })
            .collect()
    }

    /// [`Symbols::resolve`] for a whole stack, cut at `frames_max` raw frames.
    pub fn resolve_all(&self, raw: &[RawFrame], frames_max: usize) -> Vec<Frame> {
        let mut frames: Vec<Frame> = Vec::new();
        let mut callee = 0..0;
        for raw in raw.iter().take(frames_max) {
            // A frame says of the one inside it whether that one was to come back.
            if self.is_dead_end(raw) {
                frames[callee].iter_mut().for_each(|frame| frame.returns = Returns::Never);
            }
            let start = frames.len();
            frames.extend(self.resolve(raw));
            callee = start..frames.len();
        }
        frames
    }

    /// Whether the frame stands at a call behind which there is only `unreachable`.
    fn is_dead_end(&self, raw: &RawFrame) -> bool {
        let Some(offset) = raw.offset else { return false };
        let Some(module) = self.module_of(Some(offset)) else { return false };
        let Some(code) = offset.checked_sub(module.code.start).and_then(|at| module.code_bytes.get(at as usize..))
        else {
            return false;
        };
        let mut operators = wasmparser::OperatorsReader::new(wasmparser::BinaryReader::new(code, 0));
        let is_call = matches!(
            operators.read(),
            Ok(wasmparser::Operator::Call { .. }
                | wasmparser::Operator::CallIndirect { .. }
                | wasmparser::Operator::CallRef { .. })
        );
        is_call && matches!(operators.read(), Ok(wasmparser::Operator::Unreachable))
    }

    /// Demangled, printable name of a function of the (main) module, or `func[INDEX]`.
    pub fn function_name(&self, function: u32) -> String {
        self.known_name(function).unwrap_or_else(|| format!("func[{function}]"))
    }

    /// The same, `None` in a stripped module.
    pub fn known_name(&self, function: u32) -> Option<String> {
        self.module_of(None)?.name(function)
    }

    /// Bytes of the function's body in the module file (locals and code, not the length before it); `None` for imports.
    pub fn function_range(&self, function: u32) -> Option<Range<u32>> {
        self.module_of(None)?.body(function)
    }

    /// Indices of the functions that have a body.
    pub fn defined_functions(&self) -> Range<u32> {
        self.module_of(None).map_or(0..0, |module| module.imports..module.imports + module.bodies.len() as u32)
    }

    /// The source line of the instruction at `offset` (bytes in the module file), innermost inlined function.
    pub fn location(&self, offset: u32) -> Option<Location> {
        let module = self.module_of(Some(offset))?;
        module.with_dwarf(|dwarf| dwarf.location(offset.checked_sub(module.code.start)?))?
    }

    /// Every row of the line table inside a function: offset in the module file and place, by offset. Rows that the
    /// compiler gave no line are left out.
    pub fn lines(&self, function: u32) -> Vec<(u32, Location)> {
        let Some(module) = self.module_of(None) else { return Vec::new() };
        let Some(body) = module.body(function) else { return Vec::new() };
        let code = module.code.start;
        let rows =
            module.with_dwarf(|dwarf| dwarf.rows(body.start.saturating_sub(code)..body.end.saturating_sub(code)));
        rows.unwrap_or_default().into_iter().map(|(at, location)| (at + code, location)).collect()
    }

    /// Whether the module has a `.debug_info` or `.debug_line` section at all.
    pub fn has_debug_info(&self) -> bool {
        self.modules.iter().any(|module| !module.debug.is_empty())
    }

    /// What could not be read of the debug information, for the report. Meaningful after the first question.
    pub fn debug_info_problem(&self) -> Option<String> {
        self.modules.iter().find_map(|module| module.with_dwarf(|dwarf| dwarf.problem().map(str::to_owned))?)
    }

    /// The module that `offset` lies in; without one, the module with most code.
    fn module_of(&self, offset: Option<u32>) -> Option<&Module> {
        offset
            .and_then(|at| self.modules.iter().find(|module| module.code.contains(&at)))
            .or_else(|| self.modules.iter().max_by_key(|module| module.code.len()))
    }
}

/// Line tables alone give inlined functions their last name only; the file tells the rest.
fn inlined_name(name: Option<String>, location: Option<&Location>) -> String {
    let Some(name) = name else { return "(inlined)".into() };
    if without_generics(&name).contains("::") {
        return name;
    }
    match location.and_then(|at| rust_module(&at.file.shown)) {
        Some(module) => printable(&format!("{module}::{name}")),
        None => name,
    }
}

/// Functions beyond this are not known by name: the engine's own limit.
const FUNCTIONS_MAX: usize = 1_000_000;

/// One core module: where things lie, and what was decoded of them.
struct Module {
    /// Payload of the code section in the file: DWARF addresses count from its start.
    code: Range<u32>,
    /// The payload itself.
    code_bytes: Vec<u8>,
    /// Number of imported functions.
    imports: u32,
    /// Bodies of the defined functions, in the file.
    bodies: Vec<Range<u32>>,
    /// Names from the imports and exports: what is left in a stripped module.
    linked: HashMap<u32, String>,
    /// Contents of the name section.
    name_section: Vec<u8>,
    /// Contents of the `.debug_*` sections.
    debug: HashMap<String, Arc<[u8]>>,
    names: OnceLock<HashMap<u32, String>>,
    dwarf: OnceLock<Option<Mutex<Dwarf>>>,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Module")
            .field("code", &self.code)
            .field("functions", &self.bodies.len())
            .finish_non_exhaustive()
    }
}

impl Module {
    fn new() -> Self {
        Self {
            code: 0..0,
            code_bytes: Vec::new(),
            imports: 0,
            bodies: Vec::new(),
            linked: HashMap::new(),
            name_section: Vec::new(),
            debug: HashMap::new(),
            names: OnceLock::new(),
            dwarf: OnceLock::new(),
        }
    }

    fn body(&self, function: u32) -> Option<Range<u32>> {
        self.bodies.get(function.checked_sub(self.imports)? as usize).cloned()
    }

    fn name(&self, function: u32) -> Option<String> {
        let names = self.names.get_or_init(|| name_section(&self.name_section));
        names.get(&function).map(|name| demangle(name)).or_else(|| self.linked.get(&function).cloned())
    }

    /// Asks the DWARF, if there is any; it is opened at the first question.
    fn with_dwarf<T>(&self, ask: impl FnOnce(&mut Dwarf) -> T) -> Option<T> {
        let dwarf = self.dwarf.get_or_init(|| {
            let opened = (!self.debug.is_empty()).then(|| Dwarf::open(&self.debug, self.code.len() as u32));
            opened.map(Mutex::new)
        });
        // A poisoned lock means that a question panicked: a bug of ours that must not hide behind a missing line.
        dwarf.as_ref().map(|dwarf| ask(&mut dwarf.lock().expect("the DWARF reader panicked before")))
    }
}

/// Walks the sections. Stops quietly at the first malformed one: the engine has its own word on such modules.
fn scan(wasm: &[u8]) -> Vec<Module> {
    let mut done = Vec::new();
    let mut open: Vec<Option<Module>> = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Ok(payload) = payload else { break };
        match payload {
            Payload::Version { encoding, .. } => open.push((encoding == Encoding::Module).then(Module::new)),
            Payload::End(_) => done.extend(open.pop().flatten()),
            other => {
                if let Some(Some(module)) = open.last_mut() {
                    note(module, wasm, other);
                }
            }
        }
    }
    // What was open when the parser gave up still has its functions.
    done.extend(open.into_iter().flatten());
    done
}

fn note(module: &mut Module, wasm: &[u8], payload: Payload<'_>) {
    match payload {
        Payload::ImportSection(section) => {
            for import in section.into_imports().map_while(Result::ok).take(FUNCTIONS_MAX) {
                if matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                    module.linked.insert(module.imports, demangle(&format!("{}.{}", import.module, import.name)));
                    module.imports += 1;
                }
            }
        }
        Payload::ExportSection(section) => {
            for export in section.into_iter().map_while(Result::ok).take(FUNCTIONS_MAX) {
                if matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact) {
                    module.linked.entry(export.index).or_insert_with(|| demangle(export.name));
                }
            }
        }
        Payload::CodeSectionStart { range, .. } => {
            module.code = range.start as u32..range.end as u32;
            module.code_bytes = wasm.get(range).unwrap_or_default().to_vec();
        }
        Payload::CodeSectionEntry(body) if module.bodies.len() < FUNCTIONS_MAX => {
            module.bodies.push(body.range().start as u32..body.range().end as u32);
        }
        Payload::CustomSection(section) => {
            if matches!(section.as_known(), KnownCustom::Name(_)) {
                module.name_section = section.data().to_vec();
            } else if section.name().starts_with(".debug_") {
                module.debug.entry(section.name().to_owned()).or_insert_with(|| section.data().into());
            }
        }
        _ => {}
    }
}

fn name_section(data: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    let reader = wasmparser::NameSectionReader::new(wasmparser::BinaryReader::new(data, 0));
    for subsection in reader.into_iter().map_while(Result::ok) {
        if let Name::Function(map) = subsection {
            for naming in map.into_iter().map_while(Result::ok).take(FUNCTIONS_MAX) {
                names.entry(naming.index).or_insert_with(|| naming.name.to_owned());
            }
        }
    }
    names
}
