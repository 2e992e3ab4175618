//! One instance and calls of its exports, made as the script around the module makes them.

use super::glue::{Argument, Gives, Glue, Signature, Use};
use super::host::{Import, LONG_BYTES, State, Value, define, reference};
use super::{Fault, Ready};
use crate::HarnessError;
use crate::execution::{Limit, Outcome};
use crate::executors::classify;
use crate::executors::host::{Thrown, read_guest};
use crate::instrument::GLOBAL_EXPORT_PREFIX;
use crate::limits::Limits;
use crate::symbols::Symbols;
use crate::target::{ALLOC_NAMES, FREE_NAMES};
use std::collections::BTreeMap;
use wasmtime::{
    Extern, ExternType, Func, FuncType, Global, Instance, Linker, Memory, Module, Ref, Store, Table, Val, ValType,
};

/// Functions of the runtime, not of the package.
const RUNTIME: &[&str] =
    &["__wb", "__externref", "wasm_bindgen__", "_initialize", "__wasm_call_ctors", "__abort", "__instance"];
/// Bytes that results of several words take.
const RETURN_BYTES: u32 = 16;
/// Frames that are shown of a trap.
const FRAMES_SHOWN: usize = 12;
/// Numbers at the ends of what the widths hold.
const NUMBERS: &[i64] = &[0, 1, -1, 7, 127, 255, 256, 65_535, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];
/// Values that a caller may give where a value is taken: functions first.
const VALUES: &[fn() -> Value] = &[
    || Value::Function,
    || Value::Text("text".to_owned()),
    || Value::Object,
    || Value::Undefined,
    || Value::Null,
    || Value::Number(f64::NAN),
    || Value::Text("Q".repeat(LONG_BYTES)),
];

/// An export that is called, and how.
#[derive(Debug, Clone)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// How its arguments are made and its results read.
    pub signature: Signature,
    /// Whether the script says so; else it is a guess from the type.
    pub is_known: bool,
    ty: FuncType,
}

impl Export {
    /// Whether seeds flow into it.
    pub fn takes_bytes(&self) -> bool {
        let pointer =
            |argument: &Argument| matches!(argument, Argument::Text | Argument::Elements(_) | Argument::Values);
        self.signature.arguments.iter().any(pointer)
    }

    /// Whether it takes anything that an input chooses.
    pub fn takes_anything(&self) -> bool {
        self.signature
            .arguments
            .iter()
            .any(|argument| !matches!(argument, Argument::ReturnPointer | Argument::Object(..)))
    }
}

/// What is given to an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// For texts and arrays.
    pub bytes: Vec<u8>,
    /// Picks numbers and values.
    pub variant: usize,
}

/// How many variants there are.
pub fn variants() -> usize {
    NUMBERS.len()
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It returned this.
    Returned(Vec<u8>),
    /// An exception, of the module's or the host's, left it.
    Threw(String),
    /// It trapped, or met a limit: name of the outcome, and whether it happened before the export was entered.
    Ended(&'static str, Stage),
}

/// When something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// While arguments were placed in memory or an object was made.
    Arguments,
    /// In the export, or while its result was freed.
    Call,
}

impl Seen {
    /// For people.
    pub fn name(&self) -> String {
        match self {
            Seen::Returned(bytes) if bytes.is_empty() => "returned nothing".to_owned(),
            Seen::Returned(bytes) => format!("returned {:?}", shortened(&String::from_utf8_lossy(bytes))),
            Seen::Threw(text) if text.is_empty() => "threw".to_owned(),
            Seen::Threw(text) => format!("threw {:?}", shortened(text)),
            Seen::Ended(name, _) => format!("ended with {name}"),
        }
    }

    /// Whether the call came back to its caller.
    pub fn came_back(&self) -> bool {
        !matches!(self, Seen::Ended(..))
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Everything about a module that outlives its instances.
pub struct Program {
    module: Module,
    linker: Linker<State>,
    glue: Option<Glue>,
    stack_pointer: Option<String>,
    symbols: Symbols,
    limits: Limits,
    wall_epochs: u64,
    /// Functions that the module imports.
    pub imports: Vec<Import>,
    /// Whether exceptions are caught within the module: then the host's would be, too.
    pub catches: bool,
}

impl Program {
    /// Reads imports and exports.
    pub fn new(name: &str, ready: Ready, glue: Option<Glue>, limits: &Limits) -> Result<Self, HarnessError> {
        let Ready { module, stack_pointer, symbols, catches, wall_epochs } = ready;
        let mut linker = Linker::new(module.engine());
        let imports = define(&mut linker, name, &module, glue.as_ref())?;
        let stack_pointer = stack_pointer.map(|index| format!("{GLOBAL_EXPORT_PREFIX}{index}"));
        let limits = limits.clone();
        Ok(Self { module, linker, glue, stack_pointer, symbols, limits, wall_epochs, imports, catches })
    }

    /// Whether the script can replace an instance that trapped.
    pub fn replaces_instances(&self) -> bool {
        self.glue.as_ref().is_some_and(|glue| glue.replaces_instances)
    }

    /// Exports to call, and why others are not called.
    pub fn exports(&self) -> (Vec<Export>, Vec<String>) {
        let (mut exports, mut notes) = (Vec::new(), Vec::new());
        let names: Vec<&str> = self.module.exports().map(|export| export.name()).collect();
        let has = |name: &str| names.contains(&name);
        let malloc = has("__wbindgen_malloc") || ALLOC_NAMES.iter().any(|name| has(name));
        let helper = |name: &str| {
            RUNTIME.iter().any(|prefix| name.starts_with(prefix))
                || [ALLOC_NAMES, FREE_NAMES].iter().any(|names| names.contains(&name))
        };
        for export in self.module.exports() {
            let (name, ExternType::Func(ty)) = (export.name(), export.ty()) else { continue };
            if helper(name) {
                continue;
            }
            let known = self.glue.as_ref().and_then(|glue| glue.signature(name)).cloned();
            if self.glue.is_some() && known.is_none() {
                notes.push(format!("{name} is not called: the script does not call it"));
                continue;
            }
            let is_known = known.is_some();
            let mut signature = known.unwrap_or_else(|| guess(&ty, malloc, has("__wbindgen_malloc")));
            if signature.arguments.len() != ty.params().len() {
                notes.push(format!(
                    "{name} is not called: the script gives it another number of arguments than it takes"
                ));
                continue;
            }
            for (argument, ty) in signature.arguments.iter_mut().zip(ty.params()) {
                if *argument == Argument::Number && matches!(ty, ValType::Ref(_)) {
                    *argument = Argument::Value;
                }
            }
            exports.push(Export { name: name.to_owned(), signature, is_known, ty });
        }
        let makers: Vec<String> = exports.iter().filter_map(maker_of).collect();
        exports.retain(|export| {
            let missing = export.signature.arguments.iter().find_map(|argument| match argument {
                Argument::Object(class, _) if !makers.contains(class) => Some(class),
                _ => None,
            });
            if let Some(class) = missing {
                notes.push(format!("{} is not called: nothing makes objects of class {class:?}", export.name));
            }
            missing.is_none()
        });
        (exports, notes)
    }

    /// A fresh instance, initialised.
    pub fn session<'p>(&'p self, name: &str, exports: &'p [Export]) -> Result<Session<'p>, HarnessError> {
        let fail = |error: wasmtime::Error| HarnessError::module(name, format_args!("no instance: {error:#}"));
        let mut store = Store::new(self.module.engine(), State::new(&self.limits));
        store.limiter(|state| state);
        if let Some(glue) = self.glue.as_ref().filter(|glue| glue.uses_handles) {
            store.data_mut().begin_slots(glue.slots);
        }
        store.set_epoch_deadline(self.wall_epochs);
        store.set_fuel(self.limits.fuel_base.saturating_mul(10)).map_err(fail)?;
        let mut linker = self.linker.clone();
        for import in self.module.imports() {
            let item: Extern = match import.ty() {
                ExternType::Func(_) => continue,
                ExternType::Memory(ty) => Memory::new(&mut store, ty).map_err(fail)?.into(),
                ExternType::Table(ty) => {
                    let null = Ref::null(ty.element().heap_type());
                    Table::new(&mut store, ty, null).map_err(fail)?.into()
                }
                ExternType::Global(ty) => {
                    let zero = crate::executors::imports::made_up(ty.content(), 0);
                    Global::new(&mut store, ty, zero).map_err(fail)?.into()
                }
                ExternType::Tag(ty) => wasmtime::Tag::new(&mut store, &ty).map_err(fail)?.into(),
            };
            linker.define(&store, import.module(), import.name(), item).map_err(fail)?;
        }
        let instance = linker.instantiate(&mut store, &self.module).map_err(fail)?;
        for start in ["_initialize", "__wasm_call_ctors", "__wbindgen_start"] {
            // The linker's constructors are part of `_initialize`.
            let twice = start == "__wasm_call_ctors" && instance.get_func(&mut store, "_initialize").is_some();
            if let Some(start) = instance.get_func(&mut store, start).filter(|_| !twice) {
                start.call(&mut store, &[], &mut []).map_err(fail)?;
            }
        }
        let memory = instance.get_memory(&mut store, "memory");
        let mut first = |names: &[&str]| names.iter().find_map(|name| instance.get_func(&mut store, name));
        let (malloc, free) = match first(&["__wbindgen_malloc"]) {
            Some(malloc) => (Some(malloc), first(&["__wbindgen_free"])),
            None => (first(ALLOC_NAMES), first(FREE_NAMES)),
        };
        let stack_pointer = self.stack_pointer.as_ref().and_then(|name| instance.get_global(&mut store, name));
        let table = instance.get_table(&mut store, "__wbindgen_externrefs");
        Ok(Session {
            program: self,
            exports,
            store,
            instance,
            memory,
            malloc,
            free,
            stack_pointer,
            table,
            objects: BTreeMap::new(),
            frames: String::new(),
            fuel: 0,
        })
    }
}

/// The class of which an export makes objects without needing one.
fn maker_of(export: &Export) -> Option<String> {
    let needs_object = export.signature.arguments.iter().any(|argument| matches!(argument, Argument::Object(..)));
    match &export.signature.gives {
        Gives::Object(class) if !needs_object => Some(class.clone()),
        _ => None,
    }
}

/// What a type lets one think: pairs of words are texts where something allocates, and one more in front of them is
/// where results go.
fn guess(ty: &FuncType, malloc: bool, bindgen: bool) -> Signature {
    let params: Vec<ValType> = ty.params().collect();
    let mut arguments = Vec::new();
    let words = params.iter().filter(|ty| matches!(ty, ValType::I32)).count();
    if bindgen && ty.results().len() == 0 && words % 2 == 1 && words == params.len() {
        arguments.push(Argument::ReturnPointer);
    }
    while let Some(ty) = params.get(arguments.len()) {
        let next = params.get(arguments.len() + 1);
        if malloc && matches!((ty, next), (ValType::I32, Some(ValType::I32))) {
            arguments.extend([Argument::Text, Argument::Length]);
        } else {
            arguments.push(Argument::Number);
        }
    }
    Signature { arguments, gives: Gives::Plain, error: None }
}

/// A live instance.
pub struct Session<'p> {
    program: &'p Program,
    exports: &'p [Export],
    store: Store<State>,
    instance: Instance,
    memory: Option<Memory>,
    malloc: Option<Func>,
    free: Option<Func>,
    stack_pointer: Option<Global>,
    table: Option<Table>,
    /// An object of each class that was needed.
    objects: BTreeMap<String, u32>,
    /// Frames of the last trap.
    pub frames: String,
    /// Fuel of the last call.
    pub fuel: u64,
}

impl Session<'_> {
    /// The host's side.
    pub fn state(&self) -> &State {
        self.store.data()
    }

    /// Value of the shadow stack's pointer.
    pub fn stack(&mut self) -> Option<i32> {
        self.stack_pointer.and_then(|global| global.get(&mut self.store).i32())
    }

    /// Puts the shadow stack's pointer where it was.
    pub fn restore_stack(&mut self, before: Option<i32>) {
        if let (Some(global), Some(before)) = (self.stack_pointer, before) {
            // A global that was read as a number takes one, unless it is constant, and then it did not move.
            let _ = global.set(&mut self.store, Val::I32(before));
        }
    }

    /// Pages of memory and slots of the table of references.
    pub fn sizes(&self) -> (u64, u64) {
        let pages = self.memory.map_or(0, |memory| memory.size(&self.store));
        (pages, self.table.map_or(0, |table| table.size(&self.store)))
    }

    /// Calls an export.
    pub fn call(&mut self, export: &Export, input: &Input, fault: Fault) -> Seen {
        let limits = &self.program.limits;
        let fuel = limits.fuel(input.bytes.len());
        self.store.set_epoch_deadline(self.program.wall_epochs);
        self.store.set_fuel(fuel).expect("the judge's engine meters fuel");
        self.store.data_mut().begin(fault);
        self.frames.clear();
        let mut stage = Stage::Arguments;
        let result = self.attempt(export, input, &mut stage);
        self.store.data_mut().counts = false;
        self.fuel = fuel.saturating_sub(self.store.get_fuel().unwrap_or(0));
        match result {
            Ok(seen) => seen,
            Err(error) if error.is::<Thrown>() => Seen::Threw(self.store.data().thrown.clone()),
            Err(error) => {
                self.frames = self.show(&error);
                let outcome = classify::error_outcome(&error);
                Seen::Ended(outcome.name(), stage)
            }
        }
    }

    fn show(&self, error: &wasmtime::Error) -> String {
        let frames = classify::frames(error);
        let name = |function: u32| self.program.symbols.function_name(function);
        let shown = frames
            .iter()
            .take(FRAMES_SHOWN)
            .map(|frame| format!("at {} (wasm function {})", name(frame.function), frame.function));
        shown.collect::<Vec<_>>().join("\n")
    }

    fn attempt(&mut self, export: &Export, input: &Input, stage: &mut Stage) -> wasmtime::Result<Seen> {
        let mut arguments = Vec::new();
        let mut place_of_results = None;
        let mut len = 0;
        let mut pieces = 0;
        for (at, (argument, ty)) in export.signature.arguments.iter().zip(export.ty.params()).enumerate() {
            arguments.push(match argument {
                Argument::ReturnPointer => {
                    let place = self.stack_room(-(RETURN_BYTES as i32))?;
                    self.write(place, &[0; RETURN_BYTES as usize])?;
                    place_of_results = Some(place);
                    Val::I32(place as i32)
                }
                Argument::Text | Argument::Elements(_) => {
                    let size = if let Argument::Elements(size) = argument { *size } else { 1 };
                    // The second piece is the input backwards: another one, and as long.
                    let mut bytes = input.bytes.clone();
                    if pieces % 2 == 1 {
                        bytes.reverse();
                    }
                    pieces += 1;
                    if *argument == Argument::Text {
                        bytes = String::from_utf8_lossy(&bytes).into_owned().into_bytes();
                    }
                    bytes.truncate(bytes.len() / size as usize * size as usize);
                    len = bytes.len() as u32 / size;
                    let place = self.allocate(bytes.len() as u32, size)?;
                    self.write(place, &bytes)?;
                    Val::I32(place as i32)
                }
                Argument::Values => {
                    let texts: Vec<&[u8]> = input.bytes.split(|byte| *byte == b'|').take(64).collect();
                    len = texts.len() as u32;
                    let place = self.allocate(4 * len, 4)?;
                    for (at, text) in texts.iter().enumerate() {
                        let slot = self.slot(Value::Text(String::from_utf8_lossy(text).into_owned()))?;
                        self.write(place + 4 * at as u32, &slot.to_le_bytes())?;
                    }
                    Val::I32(place as i32)
                }
                Argument::Length => Val::I32(len as i32),
                Argument::Object(class, how) => {
                    let kept = self.objects.get(class).copied();
                    if *how == Use::Taken {
                        // Nobody can give an object away and have it.
                        self.objects.remove(class);
                    }
                    let object = self.object(class, input)?;
                    if *how == Use::Taken {
                        self.objects.remove(class);
                        self.objects.extend(kept.map(|kept| (class.clone(), kept)));
                    }
                    Val::I32(object as i32)
                }
                Argument::Value => {
                    let value = VALUES[(input.variant + at) % VALUES.len()]();
                    let value = if input.variant == 0 { Value::Function } else { value };
                    match ty {
                        ValType::I32 => Val::I32(self.store.data_mut().own_slot(value) as i32),
                        _ => Val::ExternRef(reference(&mut self.store, value)?),
                    }
                }
                Argument::Number => number(&ty, NUMBERS[(input.variant + at) % NUMBERS.len()]),
            });
        }
        let Some(function) = self.instance.get_func(&mut self.store, &export.name) else {
            return Err(wasmtime::Error::msg("the export is gone"));
        };
        let mut results: Vec<Val> = export.ty.results().map(|ty| crate::executors::imports::made_up(&ty, 0)).collect();
        *stage = Stage::Call;
        function.call(&mut self.store, &arguments, &mut results)?;
        if let Some(place) = place_of_results {
            results = self
                .read(place, RETURN_BYTES)?
                .chunks_exact(4)
                .map(|word| Val::I32(i32::from_le_bytes([word[0], word[1], word[2], word[3]])))
                .collect();
            self.stack_room(RETURN_BYTES as i32)?;
        }
        self.lift(export, &results)
    }

    /// What a result says, read and freed as the script does.
    fn lift(&mut self, export: &Export, results: &[Val]) -> wasmtime::Result<Seen> {
        let word = |at: usize| results.get(at).and_then(Val::i32).map(|word| word as u32);
        if let Some((flag, value)) = export.signature.error
            && word(flag).is_some_and(|flag| flag != 0)
        {
            let slot = word(value).unwrap_or(0);
            self.drop_slot(slot)?;
            return Ok(Seen::Threw(String::new()));
        }
        let mut output = Vec::new();
        match (&export.signature.gives, word(0), word(1)) {
            (Gives::Elements(size), Some(place), Some(len)) => {
                let bytes = len.saturating_mul(*size);
                if place != 0 {
                    output = self.read(place, bytes)?;
                    self.release(place, bytes, *size)?;
                }
            }
            (Gives::Values, Some(place), Some(len)) => {
                output.extend_from_slice(&len.to_le_bytes());
                if let Some(drop) = self.instance.get_func(&mut self.store, "__externref_drop_slice") {
                    drop.call(&mut self.store, &[Val::I32(place as i32), Val::I32(len as i32)], &mut [])?;
                }
                self.release(place, len.saturating_mul(4), 4)?;
            }
            (Gives::Slot, Some(slot), _) => self.drop_slot(slot)?,
            (Gives::Object(class), Some(object), _) => {
                if let Some(old) = self.objects.insert(class.clone(), object) {
                    self.free_object(class, old)?;
                }
            }
            _ if export.is_known || self.malloc.is_none() => {
                output = results.iter().map(shown).collect::<Vec<_>>().join(", ").into_bytes();
            }
            // They may be addresses.
            _ => {}
        }
        output.truncate(self.program.limits.output_bytes_max as usize);
        Ok(Seen::Returned(output))
    }

    /// An object of that class: the one that is there, or a new one.
    fn object(&mut self, class: &str, input: &Input) -> wasmtime::Result<u32> {
        if let Some(object) = self.objects.get(class) {
            return Ok(*object);
        }
        let maker = self.exports.iter().find(|export| maker_of(export).as_deref() == Some(class));
        let maker = maker.ok_or_else(|| wasmtime::Error::msg("nothing makes such an object"))?;
        let mut stage = Stage::Arguments;
        self.attempt(maker, input, &mut stage)?;
        let object = self.objects.get(class).copied();
        // A constructor that throws leaves its caller without one.
        object.ok_or_else(|| Thrown.into())
    }

    fn free_object(&mut self, class: &str, object: u32) -> wasmtime::Result<()> {
        let name = format!("__wbg_{}_free", class.to_ascii_lowercase());
        match self.instance.get_func(&mut self.store, &name) {
            Some(free) => free.call(&mut self.store, &[Val::I32(object as i32), Val::I32(0)], &mut []),
            None => Ok(()),
        }
    }

    fn slot(&mut self, value: Value) -> wasmtime::Result<u32> {
        let alloc = self.instance.get_func(&mut self.store, "__externref_table_alloc");
        let (Some(alloc), Some(table)) = (alloc, self.table) else {
            return Ok(self.store.data_mut().own_slot(value));
        };
        let mut slot = [Val::I32(0)];
        alloc.call(&mut self.store, &[], &mut slot)?;
        let slot = slot[0].unwrap_i32() as u32;
        let reference = reference(&mut self.store, value)?;
        table.set(&mut self.store, slot.into(), Ref::Extern(reference))?;
        Ok(slot)
    }

    fn drop_slot(&mut self, slot: u32) -> wasmtime::Result<()> {
        match self.instance.get_func(&mut self.store, "__externref_table_dealloc") {
            Some(dealloc) => dealloc.call(&mut self.store, &[Val::I32(slot as i32)], &mut []),
            None => {
                self.store.data_mut().drop_own_slot(slot);
                Ok(())
            }
        }
    }

    /// Moves the guest's stack pointer, as the script does to make room for results.
    fn stack_room(&mut self, bytes: i32) -> wasmtime::Result<u32> {
        if let Some(function) = self.instance.get_func(&mut self.store, "__wbindgen_add_to_stack_pointer") {
            let mut place = [Val::I32(0)];
            function.call(&mut self.store, &[Val::I32(bytes)], &mut place)?;
            return Ok(place[0].unwrap_i32() as u32);
        }
        // A module without its script gives no way to its stack: room on the heap, given back by nobody.
        if bytes < 0 { self.allocate(bytes.unsigned_abs(), 8) } else { Ok(0) }
    }

    fn allocate(&mut self, bytes: u32, align: u32) -> wasmtime::Result<u32> {
        let Some(malloc) = self.malloc else { return Err(wasmtime::Error::msg("nothing allocates")) };
        let arguments = [Val::I32(bytes as i32), Val::I32(align as i32)];
        let mut place = [Val::I32(0)];
        let taken = malloc.ty(&self.store).params().len().min(arguments.len());
        malloc.call(&mut self.store, &arguments[..taken], &mut place)?;
        Ok(place[0].unwrap_i32() as u32)
    }

    fn release(&mut self, place: u32, bytes: u32, align: u32) -> wasmtime::Result<()> {
        match self.free {
            Some(free) if bytes > 0 => {
                let arguments = [Val::I32(place as i32), Val::I32(bytes as i32), Val::I32(align as i32)];
                let ty = free.ty(&self.store);
                let mut results: Vec<Val> = ty.results().map(|ty| crate::executors::imports::made_up(&ty, 0)).collect();
                free.call(&mut self.store, &arguments[..ty.params().len().min(3)], &mut results)
            }
            _ => Ok(()),
        }
    }

    fn read(&self, place: u32, bytes: u32) -> wasmtime::Result<Vec<u8>> {
        let memory = self.memory.ok_or(wasmtime::Trap::MemoryOutOfBounds)?;
        let bytes = bytes.min(self.program.limits.output_bytes_max);
        read_guest(memory.data(&self.store), place.into(), bytes.into()).map(<[u8]>::to_vec)
    }

    fn write(&mut self, place: u32, bytes: &[u8]) -> wasmtime::Result<()> {
        let memory = self.memory.ok_or(wasmtime::Trap::MemoryOutOfBounds)?;
        let start = place as usize;
        let place = start.checked_add(bytes.len()).and_then(|end| memory.data_mut(&mut self.store).get_mut(start..end));
        place.ok_or(wasmtime::Trap::MemoryOutOfBounds)?.copy_from_slice(bytes);
        Ok(())
    }
}

/// A word of a result, for people and to compare: references are all alike.
fn shown(value: &Val) -> String {
    match value {
        Val::I32(number) => number.to_string(),
        Val::I64(number) => number.to_string(),
        Val::F32(bits) => f32::from_bits(*bits).to_string(),
        Val::F64(bits) => f64::from_bits(*bits).to_string(),
        Val::V128(bits) => bits.as_u128().to_string(),
        _ => "a value".to_owned(),
    }
}

/// A number of that type, as JavaScript would convert it.
fn number(ty: &ValType, value: i64) -> Val {
    match ty {
        ValType::I32 => Val::I32(value as i32),
        ValType::I64 => Val::I64(value),
        ValType::F32 => Val::F32((value as f32).to_bits()),
        ValType::F64 => Val::F64((value as f64).to_bits()),
        other => crate::executors::imports::made_up(other, 0),
    }
}

/// The outcome that means that fuel ran out.
pub fn out_of_fuel() -> &'static str {
    Outcome::Limit(Limit::Fuel).name()
}
