//! What a module imports. Known interfaces (WASI preview 1, the runtimes of wasm-bindgen, AssemblyScript and Emscripten)
//! are answered as their hosts do, as far as they mean "stop", "say" or "exit"; every other function gets a stub made from
//! its type, with values from a seeded stream. All calls are logged. Memories, tables, globals and tags are made from
//! their types, within the limits.

use super::component::STREAM_BYTES;
use super::host::{Exit, HostState, Thrown, guest_bytes_mut, write_guest};
use super::wasi;
use crate::HarnessError;
use wasmtime::{
    Caller, Error, Extern, ExternType, FuncType, Global, GlobalType, Linker, Memory, Module, Ref, Store, Table,
    TableType, Tag, Trap, Val, ValType,
};

/// Longest text that a guest may hand to a host function that reports errors, bytes; the message keeps less.
const TEXT_BYTES_MAX: u64 = 64 << 10;
/// Slots of wasm-bindgen's table of references that are taken from the start: references made up are below.
const EXTERNREF_SLOTS: i32 = 1028;
/// Where wasm-bindgen's table of references keeps `undefined`, `null`, `true` and `false`: older and newer versions.
const EXTERNREF_OFFSETS: &[u64] = &[128, 1024];

/// Defines every function that the module imports.
pub fn define(linker: &mut Linker<HostState>, name: &str, module: &Module) -> Result<(), HarnessError> {
    linker.allow_shadowing(true);
    let functions = module.imports().filter_map(|import| match import.ty() {
        ExternType::Func(ty) => Some((import, ty)),
        _ => None,
    });
    for (index, (import, ty)) in functions.enumerate() {
        let fail = |message: String| HarnessError::module(name, format_args!("{}: {message}", label(&import)));
        let answer = Answer::of(import.module(), import.name(), &ty);
        if let Some(result) = ty.results().find(|result| !can_make(result)) {
            return Err(fail(format!(
                "returns {result}, which cannot be made up; build the module without this import"
            )));
        }
        let results: Vec<ValType> = ty.results().collect();
        let call = move |mut caller: Caller<'_, HostState>, arguments: &[Val], places: &mut [Val]| {
            caller.data_mut().calls.record(index, arguments.iter().map(raw_bits))?;
            if let Some(value) = answer.call(&mut caller, arguments)? {
                places[0] = value;
                return Ok(());
            }
            for (place, ty) in places.iter_mut().zip(&results) {
                *place = made_up(ty, caller.data_mut().random.draw());
            }
            Ok(())
        };
        linker.func_new(import.module(), import.name(), ty, call).map_err(|error| fail(format!("{error:#}")))?;
    }
    Ok(())
}

/// Everything that the module imports, in its order, for one store: functions from the linker, and memories, tables,
/// globals and tags of the types it asks for.
pub fn make(
    linker: &Linker<HostState>,
    store: &mut Store<HostState>,
    name: &str,
    module: &Module,
) -> Result<Vec<Extern>, HarnessError> {
    let make = |import: wasmtime::ImportType<'_>| {
        let item: Result<Extern, Error> = match import.ty() {
            ExternType::Func(_) => linker.get(&mut *store, import.module(), import.name()),
            ExternType::Memory(ty) => Memory::new(&mut *store, ty).map(Extern::from),
            ExternType::Table(ty) => table(store, ty).map(Extern::from),
            ExternType::Global(ty) => global(store, import.name(), ty).map(Extern::from),
            ExternType::Tag(ty) => Tag::new(&mut *store, &ty).map(Extern::from),
        };
        item.map_err(|error| HarnessError::module(name, format_args!("{}: {error:#}", label(&import))))
    };
    module.imports().map(make).collect()
}

fn label(import: &wasmtime::ImportType<'_>) -> String {
    let short = |name: &str| name.chars().take(60).flat_map(char::escape_debug).collect::<String>();
    format!("import {}.{}", short(import.module()), short(import.name()))
}

fn table(store: &mut Store<HostState>, ty: TableType) -> Result<Table, Error> {
    if !ty.element().is_nullable() {
        return Err(Error::msg("a table of references that cannot be null cannot be made up"));
    }
    let null = Ref::null(ty.element().heap_type());
    Table::new(&mut *store, ty, null)
}

/// Zero, but for the globals of dynamic linking: there it would mean that stack and data lie at address 0.
fn global(store: &mut Store<HostState>, name: &str, ty: GlobalType) -> Result<Global, Error> {
    if !can_make(ty.content()) {
        return Err(Error::msg(format!("a global of type {} cannot be made up", ty.content())));
    }
    let value = match (name, ty.content()) {
        ("__stack_pointer", ValType::I32) => Val::I32(1 << 16),
        ("__memory_base", ValType::I32) => Val::I32(1 << 16),
        ("__table_base", ValType::I32) => Val::I32(0),
        (_, content) => made_up(content, 0),
    };
    Global::new(&mut *store, ty, value)
}

/// How calls to one import are answered.
#[derive(Clone, Copy)]
enum Answer {
    /// As WASI says.
    Wasi(&'static wasi::Function),
    /// The guest gives up; pointers among the arguments say why.
    Abort(Text),
    /// The guest throws text to its caller, who takes it for a rejection.
    Throw,
    /// The guest hands text to an error object or to the console.
    Say,
    /// WASI 0.2, as a component's core module sees it: bytes for a stream, always taken.
    StreamWrite,
    /// WASI 0.2: how much a stream takes.
    StreamCheck,
    /// WASI 0.2: a list without elements.
    EmptyList,
    /// WASI 0.2: the end.
    Exit,
    /// wasm-bindgen's table of references gets its first values.
    InitExternrefs,
    /// The same number each time.
    Constant(i32),
    /// Made-up values.
    Stub,
}

/// How the text of an abort is handed over.
#[derive(Clone, Copy)]
enum Text {
    /// No text.
    None,
    /// AssemblyScript: a pointer to UTF-16 whose length stands before it.
    AssemblyScript,
    /// C: a pointer to bytes that end with zero.
    C,
}

impl Answer {
    fn of(module: &str, name: &str, ty: &FuncType) -> Answer {
        let takes = |kinds: &str| {
            let letter = |ty: ValType| if matches!(ty, ValType::I32) { 'i' } else { '?' };
            ty.params().map(letter).eq(kinds.chars())
        };
        if let Some(function) = wasi::Function::find(module, name, ty) {
            return Answer::Wasi(function);
        }
        let bindgen = name.starts_with("__wbg_") || name.starts_with("__wbindgen_");
        if bindgen && name.contains("__wbindgen_throw") && takes("ii") {
            return Answer::Throw;
        }
        if bindgen && name.contains("__wbindgen_init_externref_table") && takes("") {
            return Answer::InitExternrefs;
        }
        let gives_i32 = matches!(ty.results().collect::<Vec<_>>()[..], [ValType::I32]);
        if module == "__wbindgen_externref_xform__" && gives_i32 {
            // The tool that rewrites the module would put the first free slot there.
            return Answer::Constant(EXTERNREF_SLOTS);
        }
        let speaks = ["rror", "__wbindgen_string_new", "__wbindgen_cast"].iter().any(|part| name.contains(part));
        if bindgen && speaks && takes("ii") {
            return Answer::Say;
        }
        if module.starts_with("wasi:") {
            return match name {
                "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" if takes("iiii") => {
                    Answer::StreamWrite
                }
                "[method]output-stream.check-write" if takes("ii") => Answer::StreamCheck,
                "get-environment" | "get-arguments" | "get-directories" if takes("i") => Answer::EmptyList,
                "exit" if takes("i") => Answer::Exit,
                _ => Answer::Stub,
            };
        }
        match (module, name) {
            ("env", "abort") if takes("iiii") => Answer::Abort(Text::AssemblyScript),
            ("env", "__assert_fail") if takes("iiii") => Answer::Abort(Text::C),
            ("env", "abort" | "_abort" | "_abort_js") if takes("") => Answer::Abort(Text::None),
            _ => Answer::Stub,
        }
    }

    /// The result, where the answer gives one; nothing means: make it up.
    fn call(self, caller: &mut Caller<'_, HostState>, arguments: &[Val]) -> Result<Option<Val>, Error> {
        let argument = |index: usize| arguments.get(index).map_or(0, raw_bits);
        match self {
            Answer::Wasi(function) => {
                let mut raw = [0; 9];
                for (place, value) in raw.iter_mut().zip(arguments) {
                    *place = raw_bits(value);
                }
                return function.call(caller, &raw).map(|errno| Some(Val::I32(errno)));
            }
            Answer::Abort(text) => {
                say(caller, text, argument(0));
                return Err(Trap::UnreachableCodeReached.into());
            }
            Answer::Throw => {
                say_bytes(caller, argument(0), argument(1));
                caller.data_mut().push_message(b"\n");
                return Err(Thrown.into());
            }
            Answer::Say => {
                say_bytes(caller, argument(0), argument(1));
                caller.data_mut().push_message(b"\n");
            }
            Answer::StreamWrite => {
                say_bytes(caller, argument(1), argument(2));
                put(caller, argument(3), &[0])?;
            }
            Answer::StreamCheck => {
                put(caller, argument(1), &[0; 8])?;
                put(caller, argument(1) + 8, &STREAM_BYTES.to_le_bytes())?;
            }
            Answer::EmptyList => put(caller, argument(0), &[0; 8])?,
            Answer::Exit => return Err(Exit(argument(0) as u32 as i32).into()),
            Answer::InitExternrefs => init_externrefs(caller)?,
            Answer::Constant(value) => return Ok(Some(Val::I32(value))),
            Answer::Stub => {}
        }
        Ok(None)
    }
}

/// The guest's memory; no bytes if it exports none.
fn guest_memory<'a>(caller: &'a mut Caller<'_, HostState>) -> (&'a [u8], &'a mut HostState) {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => {
            let (bytes, state) = guest_bytes_mut(memory, caller);
            (bytes, state)
        }
        _ => (&[], caller.data_mut()),
    }
}

/// A result where the guest wants it; a wild pointer is its trap, as it is in the canonical ABI.
fn put(caller: &mut Caller<'_, HostState>, address: u64, bytes: &[u8]) -> Result<(), Error> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => write_guest(caller, memory, address, bytes),
        _ => Ok(()),
    }
}

/// Keeps text that the guest points to as its last words. Wild pointers say nothing.
fn say_bytes(caller: &mut Caller<'_, HostState>, address: u64, len: u64) {
    let (memory, state) = guest_memory(caller);
    let text = memory.get(address as usize..).and_then(|rest| rest.get(..len.min(TEXT_BYTES_MAX) as usize));
    if let Some(text) = text {
        state.push_message(text);
    }
}

fn say(caller: &mut Caller<'_, HostState>, text: Text, address: u64) {
    let (memory, state) = guest_memory(caller);
    let start = address as usize;
    match text {
        Text::None => {}
        Text::C => {
            let rest = memory.get(start..).unwrap_or_default();
            let rest = &rest[..rest.len().min(TEXT_BYTES_MAX as usize)];
            let len = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
            state.push_message(&rest[..len]);
        }
        Text::AssemblyScript => {
            let header = start.checked_sub(4).and_then(|at| memory.get(at..start));
            let len = header.map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")));
            let len = u64::from(len).min(TEXT_BYTES_MAX) as usize;
            let bytes = memory.get(start..).and_then(|rest| rest.get(..len)).unwrap_or_default();
            let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
            let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
            state.push_message(text.as_bytes());
        }
    }
}

/// Older glue grows the table by the four first values; newer modules have room for them already.
fn init_externrefs(caller: &mut Caller<'_, HostState>) -> Result<(), Error> {
    let Some(table) = caller.get_export("__wbindgen_externrefs").or_else(|| caller.get_export("__wbindgen_export_0"))
    else {
        return Ok(());
    };
    match table {
        Extern::Table(table) if EXTERNREF_OFFSETS.contains(&table.size(&*caller)) => {
            table.grow(&mut *caller, 4, Ref::Extern(None)).map(drop)
        }
        _ => Ok(()),
    }
}

/// The bits of a number; 0 for references.
pub fn raw_bits(value: &Val) -> u64 {
    match value {
        Val::I32(value) => u64::from(*value as u32),
        Val::I64(value) => *value as u64,
        Val::F32(bits) => u64::from(*bits),
        Val::F64(bits) => *bits,
        Val::V128(value) => value.as_u128() as u64,
        _ => 0,
    }
}

/// Whether a value of that type can come from nothing.
pub(super) fn can_make(ty: &ValType) -> bool {
    match ty {
        ValType::Ref(ty) => ty.is_nullable(),
        _ => true,
    }
}

/// A value of that type: small numbers, since most are lengths, handles or error codes; null for references.
pub fn made_up(ty: &ValType, random: u64) -> Val {
    match ty {
        ValType::I32 => Val::I32((random & 0xff) as i32),
        ValType::I64 => Val::I64((random & 0xff) as i64),
        ValType::F32 => Val::F32(((random & 0xff) as f32).to_bits()),
        ValType::F64 => Val::F64(((random & 0xff) as f64).to_bits()),
        ValType::V128 => Val::V128(u128::from(random & 0xff).into()),
        ValType::Ref(ty) => Val::null_ref(ty.heap_type()),
    }
}
