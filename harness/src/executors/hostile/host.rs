//! The host's side of one instance: JavaScript values that references stand for, the functions that the module imports,
//! and the fault that is due.

use super::glue::Glue;
use super::{Content, Fault};
use crate::HarnessError;
use crate::execution::Limit;
use crate::executors::host::{Stop, Thrown, read_guest};
use crate::executors::imports::{can_make, made_up};
use crate::limits::Limits;
use wasmtime::{
    AsContext, AsContextMut, Caller, Extern, ExternRef, FuncType, Linker, Memory, Module, OwnedRooted, Ref,
    ResourceLimiter, Rooted, Val, ValType,
};

/// Slots of wasm-bindgen's list of values that are taken from the start, in older and newer versions; four constants follow.
const SLOTS_OLD: u64 = 128;
const SLOTS: u64 = 1024;
/// Different values that one instance's host makes; more are all alike.
const VALUES_MAX: usize = 1 << 16;
/// Imports called that are noted, to tell paths apart.
const PATH_MAX: usize = 256;
/// Longest text of the guest's that the host takes, bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a long text.
pub(super) const LONG_BYTES: usize = 70_000;
/// Pages that the host adds on its own in one call: each import's entry would be one.
const PAGES_GIVEN_MAX: u32 = 64;

/// What a reference stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A `bigint`.
    Big(i64),
    /// A text; lone surrogates are U+FFFD already, as encoding leaves them.
    Text(String),
    /// An error with its text.
    Error(String),
    /// A function that returns nothing.
    Function,
    /// Any other object: no number, no text, no function.
    Object,
}

/// What the host keeps beside an instance.
pub struct State {
    limits: Limits,
    values: Vec<Value>,
    /// By value; those that were needed.
    references: Vec<Option<OwnedRooted<ExternRef>>>,
    /// The script's own list of values: `None` where a slot is free.
    slots: Vec<Option<usize>>,
    /// How many of them are never given back.
    slots_taken: usize,
    /// What is done to the guest from now on.
    pub fault: Fault,
    /// Whether requests and calls count.
    pub counts: bool,
    /// Calls to imports since [`State::begin`].
    pub calls: u64,
    /// Requests for more memory since then.
    pub requests: u64,
    /// Imports called since then, in order, the first ones.
    pub path: Vec<u16>,
    /// Import at which the fault came about, or `memory` for growth that was refused.
    pub fired: Option<String>,
    /// Whether the host keeps something that only a collection of garbage would give back.
    pub keeps_closures: bool,
    /// Text that the guest threw.
    pub thrown: String,
    memory_bytes: u64,
    pages_given: u32,
}

impl State {
    /// For a fresh instance.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            values: Vec::new(),
            references: Vec::new(),
            slots: Vec::new(),
            slots_taken: 0,
            fault: Fault::None,
            counts: false,
            calls: 0,
            requests: 0,
            path: Vec::new(),
            fired: None,
            keeps_closures: false,
            thrown: String::new(),
            memory_bytes: 0,
            pages_given: 0,
        }
    }

    /// A call of an export begins.
    pub fn begin(&mut self, fault: Fault) {
        self.fault = fault;
        self.counts = true;
        (self.calls, self.requests, self.pages_given) = (0, 0, 0);
        self.path.clear();
        self.fired = None;
        self.thrown.clear();
    }

    /// The script's own list gets its constants, behind so many slots that nobody uses.
    pub fn begin_slots(&mut self, slots: usize) {
        self.slots = vec![None; slots];
        for value in CONSTANTS {
            let at = self.intern(value.clone());
            self.slots.push(Some(at));
        }
        self.slots_taken = self.slots.len();
    }

    /// A slot of the script's own list.
    pub fn own_slot(&mut self, value: Value) -> u32 {
        let at = self.intern(value);
        let taken = self.slots_taken;
        let free = self.slots.iter().skip(taken).position(Option::is_none).map(|free| free + taken);
        let slot = free.unwrap_or(self.slots.len());
        self.slots.resize(self.slots.len().max(slot + 1), None);
        self.slots[slot] = Some(at);
        slot as u32
    }

    /// Gives a slot of that list back.
    pub fn drop_own_slot(&mut self, slot: u32) {
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            *slot = None;
        }
    }

    fn intern(&mut self, value: Value) -> usize {
        let known = self.values.iter().position(|known| *known == value);
        known.unwrap_or_else(|| {
            if self.values.len() < VALUES_MAX {
                self.values.push(value);
            }
            self.values.len() - 1
        })
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current) as u64);
        if self.counts {
            self.requests += 1;
            if matches!(self.fault, Fault::GrowthRefused { request } if request == self.requests) {
                self.fired = Some("memory".to_owned());
                return Ok(false);
            }
        }
        if total > self.limits.memory_bytes_max || maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired as u64 <= u64::from(self.limits.table_elements_max)
            && maximum.is_none_or(|maximum| desired <= maximum))
    }
}

/// A value as a reference; `null` is the null reference. The same value is the same reference.
pub fn reference(
    store: &mut impl AsContextMut<Data = State>,
    value: Value,
) -> wasmtime::Result<Option<Rooted<ExternRef>>> {
    if value == Value::Null {
        return Ok(None);
    }
    let mut store = store.as_context_mut();
    let at = store.data_mut().intern(value);
    if let Some(Some(known)) = store.data().references.get(at).cloned() {
        return Ok(Some(known.to_rooted(&mut store)));
    }
    // Objects of the host's own do not count as the guest's growth.
    let counts = std::mem::replace(&mut store.data_mut().counts, false);
    let made = ExternRef::new(&mut store, at);
    store.data_mut().counts = counts;
    let made = made?;
    let kept = made.to_owned_rooted(&mut store)?;
    let references = &mut store.data_mut().references;
    references.resize_with(references.len().max(at + 1), || None);
    references[at] = Some(kept);
    Ok(Some(made))
}

/// What a reference stands for.
fn value_of(store: &impl AsContext<Data = State>, reference: &Val) -> Value {
    let store = store.as_context();
    let Val::ExternRef(Some(reference)) = reference else { return Value::Null };
    let at = reference.data(&store).ok().flatten().and_then(|data| data.downcast_ref::<usize>().copied());
    at.and_then(|at| store.data().values.get(at).cloned()).unwrap_or(Value::Object)
}

/// Puts a value where the guest finds it by a number: the table of references, or the script's own list.
pub fn slot(caller: &mut Caller<'_, State>, value: Value) -> wasmtime::Result<u32> {
    let alloc = function(caller, "__externref_table_alloc");
    let table = match caller.get_export("__wbindgen_externrefs") {
        Some(Extern::Table(table)) => Some(table),
        _ => None,
    };
    let (Some(alloc), Some(table)) = (alloc, table) else {
        return Ok(caller.data_mut().own_slot(value));
    };
    let mut result = [Val::I32(0)];
    alloc.call(&mut *caller, &[], &mut result)?;
    let slot = result[0].unwrap_i32() as u32;
    let reference = reference(caller, value)?;
    table.set(&mut *caller, slot.into(), Ref::Extern(reference))?;
    Ok(slot)
}

fn function(caller: &mut Caller<'_, State>, name: &str) -> Option<wasmtime::Func> {
    caller.get_export(name).and_then(Extern::into_func)
}

fn memory(caller: &mut Caller<'_, State>) -> Option<Memory> {
    caller.get_export("memory").and_then(Extern::into_memory)
}

/// Whether an import may throw, and what becomes of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throws {
    /// It does nothing that could.
    Never,
    /// The exception passes through the module's frames.
    Through,
    /// The script keeps it for the module, which asks for it.
    Caught,
    /// Nothing says which of the two: it is not made to.
    Unknown,
}

/// How an import is answered.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// The guest throws its text.
    Throw,
    /// The table of references gets its constants.
    Init,
    /// A text, or none, goes to where the first argument says.
    TextTo,
    /// A double or none goes there.
    NumberTo,
    /// 64 bits or none go there.
    BigTo,
    /// 1, 0 or a number for neither.
    Boolean,
    /// Whether the argument is of that kind.
    Is(fn(&Value) -> bool),
    /// Whether two arguments are the same.
    Same,
    /// A text of the guest's becomes a value.
    Text,
    /// The same as an error.
    Error,
    /// A number becomes a value.
    Number,
    /// Code and data of the guest's become a function.
    Closure,
    /// A reference to something.
    Value,
    /// The slot of something, or 0 for nothing.
    Slot,
    /// The slot given back.
    DropSlot,
    /// One more slot for the same.
    CloneSlot,
    /// The same number each time.
    Constant(i32),
    /// Numbers that mean nothing to us.
    Made,
}

/// One import.
#[derive(Debug, Clone)]
pub struct Import {
    /// Name without what its hash adds.
    pub label: String,
    /// What it may do.
    pub throws: Throws,
    /// Why its answers are made up.
    pub stubbed: Option<String>,
    answer: Answer,
    ty: FuncType,
}

/// `get` of `__wbg_get_2080c49015e35254`.
fn label(name: &str) -> String {
    let name = name.strip_prefix("__wbg_").unwrap_or(name);
    let short = match name.rsplit_once('_') {
        Some((short, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => short,
        _ => name,
    };
    short.to_owned()
}

impl Import {
    /// What is known of an import from its name, the script and its type.
    pub fn of(module: &str, name: &str, ty: &FuncType, glue: Option<&Glue>, keeps_exceptions: bool) -> Import {
        let label = label(name);
        let body = glue.and_then(|glue| glue.import(name));
        let bindgen = name.starts_with("__wbindgen_") || name.starts_with("__wbg_");
        let params: Vec<ValType> = ty.params().collect();
        let results: Vec<ValType> = ty.results().collect();
        let i32s = |count: usize| params.len() == count && params.iter().all(|ty| matches!(ty, ValType::I32));
        let gives_reference = matches!(&results[..], [ty] if is_reference(ty));
        let gives_value = gives_reference || glue.is_some_and(|glue| glue.uses_handles) && results.len() == 1;
        let known = (bindgen || module == "__wbindgen_externref_xform__").then(|| match label.as_str() {
            "__wbindgen_throw" | "__wbindgen_rethrow" => Some(Answer::Throw),
            "__wbindgen_init_externref_table" => Some(Answer::Init),
            "__wbindgen_string_get" | "__wbindgen_debug_string" if params.len() == 2 => Some(Answer::TextTo),
            "__wbindgen_number_get" if params.len() == 2 => Some(Answer::NumberTo),
            "__wbindgen_bigint_get_as_i64" if params.len() == 2 => Some(Answer::BigTo),
            "__wbindgen_boolean_get" if params.len() == 1 => Some(Answer::Boolean),
            "__wbindgen_is_undefined" => Some(Answer::Is(|value| *value == Value::Undefined)),
            "__wbindgen_is_null" => Some(Answer::Is(|value| *value == Value::Null)),
            "__wbindgen_is_null_or_undefined" => {
                Some(Answer::Is(|value| matches!(value, Value::Null | Value::Undefined)))
            }
            "__wbindgen_is_string" => Some(Answer::Is(|value| matches!(value, Value::Text(_)))),
            "__wbindgen_is_bigint" => Some(Answer::Is(|value| matches!(value, Value::Big(_)))),
            "__wbindgen_is_function" => Some(Answer::Is(|value| *value == Value::Function)),
            "__wbindgen_is_symbol" => Some(Answer::Is(|_| false)),
            "__wbindgen_is_object" => Some(Answer::Is(|value| matches!(value, Value::Object | Value::Error(_)))),
            "__wbindgen_is_falsy" => Some(Answer::Is(is_falsy)),
            "__wbindgen_jsval_eq" | "__wbindgen_jsval_loose_eq" => Some(Answer::Same),
            "__wbindgen_string_new" if gives_value && i32s(2) => Some(Answer::Text),
            "__wbindgen_number_new" if gives_value => Some(Answer::Number),
            "Error" | "new_error" | "__wbindgen_error_new" if gives_value && i32s(2) => Some(Answer::Error),
            "__wbindgen_memory" | "__wbindgen_exports" | "__wbindgen_module" => Some(Answer::Value),
            "__wbindgen_object_drop_ref" => Some(Answer::DropSlot),
            "__wbindgen_object_clone_ref" => Some(Answer::CloneSlot),
            "__wbindgen_cb_drop" | "_wbg_cb_unref" => Some(Answer::Constant(1)),
            "__wbindgen_describe" | "__wbindgen_externref_table_set_null" => Some(Answer::Constant(0)),
            "__wbindgen_externref_table_grow" | "__wbindgen_externref_statics_end" => {
                Some(Answer::Constant(SLOTS as i32 + 4))
            }
            cast if gives_value && (cast.starts_with("__wbindgen_cast") || cast.starts_with("__wbindgen_generic")) => {
                Some(match body {
                    Some(body) if body.contains("Closure(") => Answer::Closure,
                    _ if i32s(2) => Answer::Text,
                    _ => Answer::Number,
                })
            }
            _ => None,
        });
        let known = known.flatten();
        let shaped = body.and_then(|body| match () {
            () if body.contains("setInt32(") && body.contains("passStringToWasm") => Some(Answer::TextTo),
            () if body.contains("setFloat64(") => Some(Answer::NumberTo),
            () if body.contains("setBigInt64(") => Some(Answer::BigTo),
            () if gives_reference => Some(Answer::Value),
            () if body.contains("addToExternrefTable0(ret)") || body.contains("addHeapObject(ret)") => {
                Some(Answer::Slot)
            }
            () => None,
        });
        let throws = match (known, body) {
            (Some(_), _) => Throws::Never,
            (None, Some(body)) if body.contains("handleError(") => Throws::Caught,
            (None, Some(body)) if makes_only(body) => Throws::Never,
            (None, Some(_)) => Throws::Through,
            (None, None) if bindgen && keeps_exceptions => Throws::Unknown,
            (None, None) => Throws::Through,
        };
        let answer = known.or(shaped);
        let stubbed = match answer {
            Some(_) => None,
            None if results.is_empty() => Some("does nothing".to_owned()),
            None => Some("gives values of its type".to_owned()),
        };
        let answer = answer.unwrap_or(if gives_reference { Answer::Value } else { Answer::Made });
        Import { label, throws, stubbed, answer, ty: ty.clone() }
    }

    /// Whether it can give an object, whatever the module asks for.
    pub fn gives_any(&self) -> bool {
        matches!(self.answer, Answer::TextTo | Answer::NumberTo | Answer::BigTo | Answer::Value | Answer::Slot)
    }

    /// Whether it can give such content. What the module asks a text of gives texts; numbers stand for others there.
    pub fn gives(&self, content: Content) -> bool {
        match self.answer {
            Answer::TextTo => content.is_text(),
            Answer::NumberTo => !content.is_text(),
            Answer::Value | Answer::Slot => true,
            // A number may be an address: only of floats is it known that they are none.
            Answer::Made => !content.is_text() && self.ty.results().any(|ty| matches!(ty, ValType::F64 | ValType::F32)),
            _ => false,
        }
    }
}

fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Undefined | Value::Null | Value::Bool(false) | Value::Big(0) => true,
        Value::Number(number) => *number == 0.0 || number.is_nan(),
        Value::Text(text) => text.is_empty(),
        _ => false,
    }
}

fn is_reference(ty: &ValType) -> bool {
    matches!(ty, ValType::Ref(ty) if ValType::Ref(ty.clone()).matches(&ValType::EXTERNREF))
}

/// Whether the body only looks at what it has, or makes something of it: nothing there runs other people's code.
fn makes_only(body: &str) -> bool {
    const MADE: &[&str] = &[
        "Error(getString",
        "new Error(",
        "typeof",
        "=== undefined",
        "=== null",
        "Array.of(",
        "new Array(",
        "new Object(",
        "new Map(",
        "wasm.memory",
    ];
    body.lines().any(|line| line.contains("const ret = ") && MADE.iter().any(|made| line.contains(made)))
}

/// Content as a value.
fn content_value(content: Content) -> Value {
    match content {
        Content::Empty => Value::Text(String::new()),
        Content::Long => Value::Text("Q".repeat(LONG_BYTES)),
        Content::Replaced => Value::Text("\u{fffd}\u{fffd}\0".to_owned()),
        _ => Value::Number(content.number()),
    }
}

/// Defines every function that the module imports. Returns them in the order of the module.
pub fn define(
    linker: &mut Linker<State>,
    name: &str,
    module: &Module,
    glue: Option<&Glue>,
) -> Result<Vec<Import>, HarnessError> {
    linker.allow_shadowing(true);
    let keeps_exceptions = module.exports().any(|export| export.name() == "__wbindgen_exn_store");
    let mut imports = Vec::new();
    for import in module.imports() {
        let Some(ty) = import.ty().func().cloned() else {
            continue;
        };
        let fail = |message: String| HarnessError::module(name, format_args!("import {:?}: {message}", import.name()));
        if let Some(result) = ty.results().find(|result| !can_make(result)) {
            return Err(fail(format!("returns {result}, which cannot be made up")));
        }
        let known = Import::of(import.module(), import.name(), &ty, glue, keeps_exceptions);
        let (at, called) = (imports.len() as u16, known.clone());
        let uses_handles = glue.is_some_and(|glue| glue.uses_handles);
        let call = move |mut caller: Caller<'_, State>, arguments: &[Val], places: &mut [Val]| {
            enter(&mut caller, at, &called, arguments, places, uses_handles)
        };
        linker.func_new(import.module(), import.name(), ty, call).map_err(|error| fail(format!("{error:#}")))?;
        imports.push(known);
    }
    Ok(imports)
}

/// One call of an import, with the fault if it is due.
fn enter(
    caller: &mut Caller<'_, State>,
    at: u16,
    import: &Import,
    arguments: &[Val],
    places: &mut [Val],
    uses_handles: bool,
) -> wasmtime::Result<()> {
    let state = caller.data_mut();
    state.calls += 1;
    if state.calls > state.limits.host_calls_max {
        return Err(Stop(Limit::HostCalls).into());
    }
    if state.path.len() < PATH_MAX {
        state.path.push(at);
    }
    let (fault, now) = (state.fault, state.calls);
    for (place, ty) in places.iter_mut().zip(import.ty.results()) {
        *place = made_up(&ty, 0);
    }
    match fault {
        Fault::ImportThrows { call } if call == now => {
            caller.data_mut().fired = Some(import.label.clone());
            return match import.throws {
                Throws::Caught => keep_exception(caller, places),
                Throws::Through => Err(Thrown.into()),
                Throws::Never | Throws::Unknown => answer(caller, import, arguments, places, None, uses_handles),
            };
        }
        Fault::GrowsOnImport => {
            if caller.data().pages_given < PAGES_GIVEN_MAX
                && let Some(memory) = memory(caller)
            {
                let state = caller.data_mut();
                state.counts = false;
                state.pages_given += 1;
                state.fired = Some(import.label.clone());
                // The host may be at the end of its memory: then there is nothing to give.
                let _ = memory.grow(&mut *caller, 1);
                caller.data_mut().counts = true;
            }
        }
        Fault::Content { call, content } if call == now && import.gives(content) => {
            caller.data_mut().fired = Some(import.label.clone());
            return answer(caller, import, arguments, places, Some(content_value(content)), uses_handles);
        }
        Fault::WrongType { call } if call == now && import.gives_any() => {
            caller.data_mut().fired = Some(import.label.clone());
            return answer(caller, import, arguments, places, Some(Value::Object), uses_handles);
        }
        _ => {}
    }
    answer(caller, import, arguments, places, None, uses_handles)
}

/// What `handleError` does: the exception goes to a slot, the module is told which, and the import gives `undefined`.
fn keep_exception(caller: &mut Caller<'_, State>, places: &mut [Val]) -> wasmtime::Result<()> {
    let slot = slot(caller, Value::Error("thrown by the host".to_owned()))?;
    if let Some(store) = function(caller, "__wbindgen_exn_store") {
        store.call(&mut *caller, &[Val::I32(slot as i32)], &mut [])?;
    }
    for place in places {
        match place {
            Val::ExternRef(_) => *place = Val::ExternRef(reference(caller, Value::Undefined)?),
            Val::F64(bits) => *bits = f64::NAN.to_bits(),
            Val::F32(bits) => *bits = f32::NAN.to_bits(),
            _ => {}
        }
    }
    Ok(())
}

/// The argument as a value, whichever way it comes.
fn taken(caller: &Caller<'_, State>, argument: Option<&Val>) -> Value {
    match argument {
        Some(Val::I32(slot)) => {
            let state = caller.data();
            let at = state.slots.get(*slot as u32 as usize).copied().flatten();
            at.and_then(|at| state.values.get(at).cloned()).unwrap_or(Value::Undefined)
        }
        Some(reference) => value_of(caller, reference),
        None => Value::Undefined,
    }
}

/// A text of the guest's. Wild pointers are the guest's fault: the script would fail to decode, or see other bytes.
fn text(caller: &mut Caller<'_, State>, arguments: &[Val]) -> String {
    let [Val::I32(place), Val::I32(len), ..] = arguments else { return String::new() };
    let (place, len) = (*place as u32, (*len as u32 as u64).min(TEXT_BYTES_MAX));
    let Some(memory) = memory(caller) else { return String::new() };
    let bytes = read_guest(memory.data(&*caller), place.into(), len).unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes what a getter found behind its return pointer.
fn put(caller: &mut Caller<'_, State>, argument: Option<&Val>, bytes: &[u8]) -> wasmtime::Result<()> {
    let (Some(Val::I32(place)), Some(memory)) = (argument, memory(caller)) else { return Ok(()) };
    let place = *place as u32 as usize;
    let end = place.checked_add(bytes.len());
    let place = end.and_then(|end| memory.data_mut(&mut *caller).get_mut(place..end));
    place.ok_or(wasmtime::Trap::MemoryOutOfBounds)?.copy_from_slice(bytes);
    Ok(())
}

fn answer(
    caller: &mut Caller<'_, State>,
    import: &Import,
    arguments: &[Val],
    places: &mut [Val],
    given: Option<Value>,
    uses_handles: bool,
) -> wasmtime::Result<()> {
    let value = match import.answer {
        Answer::Throw => {
            let text = text(caller, arguments);
            caller.data_mut().thrown = text;
            return Err(Thrown.into());
        }
        Answer::Init => return initialise(caller),
        Answer::TextTo => {
            let text = match given.unwrap_or_else(|| taken(caller, arguments.get(1))) {
                Value::Text(text) => Some(text),
                // Every object can be shown; only texts are texts.
                _ if import.label == "__wbindgen_debug_string" => Some("Object".to_owned()),
                _ => None,
            };
            let mut words = [0_u8; 8];
            if let Some(text) = text
                && let Some(malloc) = function(caller, "__wbindgen_malloc")
            {
                let mut place = [Val::I32(0)];
                malloc.call(&mut *caller, &[Val::I32(text.len() as i32), Val::I32(1)], &mut place)?;
                put(caller, place.first(), text.as_bytes())?;
                words[..4].copy_from_slice(&place[0].unwrap_i32().to_le_bytes());
                words[4..].copy_from_slice(&(text.len() as u32).to_le_bytes());
            }
            return put(caller, arguments.first(), &words);
        }
        Answer::NumberTo => {
            let mut words = [0_u8; 16];
            if let Value::Number(number) = given.unwrap_or_else(|| taken(caller, arguments.get(1))) {
                words[0] = 1;
                words[8..].copy_from_slice(&number.to_le_bytes());
            }
            return put(caller, arguments.first(), &words);
        }
        Answer::BigTo => {
            let mut words = [0_u8; 16];
            if let Value::Big(number) = given.unwrap_or_else(|| taken(caller, arguments.get(1))) {
                words[0] = 1;
                words[8..].copy_from_slice(&number.to_le_bytes());
            }
            return put(caller, arguments.first(), &words);
        }
        Answer::Boolean => {
            let number = match taken(caller, arguments.first()) {
                Value::Bool(value) => i32::from(value),
                // What the scripts of different versions say for neither; both are above 1.
                _ => 0x00ff_ffff,
            };
            places[0] = Val::I32(number);
            return Ok(());
        }
        Answer::Is(is) => {
            places[0] = Val::I32(i32::from(is(&taken(caller, arguments.first()))));
            return Ok(());
        }
        Answer::Same => {
            let same = taken(caller, arguments.first()) == taken(caller, arguments.get(1));
            places[0] = Val::I32(i32::from(same));
            return Ok(());
        }
        Answer::Constant(number) => {
            if let Some(place @ Val::I32(_)) = places.first_mut() {
                *place = Val::I32(number);
            }
            return Ok(());
        }
        Answer::DropSlot => {
            if let Some(Val::I32(slot)) = arguments.first() {
                caller.data_mut().drop_own_slot(*slot as u32);
            }
            return Ok(());
        }
        Answer::CloneSlot => taken(caller, arguments.first()),
        Answer::Text => Value::Text(text(caller, arguments)),
        Answer::Error => Value::Error(text(caller, arguments)),
        Answer::Number => match arguments.first() {
            Some(Val::F64(bits)) => Value::Number(f64::from_bits(*bits)),
            Some(Val::F32(bits)) => Value::Number(f32::from_bits(*bits).into()),
            Some(Val::I32(number)) => Value::Number((*number).into()),
            Some(Val::I64(number)) => Value::Big(*number),
            _ => Value::Object,
        },
        Answer::Closure => {
            caller.data_mut().keeps_closures = true;
            Value::Function
        }
        Answer::Value | Answer::Slot => given.unwrap_or(Value::Undefined),
        Answer::Made => {
            if let (Some(Value::Number(number)), Some(place)) = (given, places.first_mut()) {
                match place {
                    Val::F64(bits) => *bits = number.to_bits(),
                    Val::F32(bits) => *bits = (number as f32).to_bits(),
                    _ => {}
                }
            }
            return Ok(());
        }
    };
    match places.first_mut() {
        Some(place @ Val::ExternRef(_)) => *place = Val::ExternRef(reference(caller, value)?),
        Some(place @ Val::I32(_)) if matches!(import.answer, Answer::Slot) && value == Value::Undefined => {
            *place = Val::I32(0)
        }
        Some(place @ Val::I32(_)) if uses_handles || matches!(import.answer, Answer::Slot) => {
            *place = Val::I32(slot(caller, value)? as i32);
        }
        _ => {}
    }
    Ok(())
}

/// The constants that every table of references begins with: older scripts make room for them, newer modules have it.
fn initialise(caller: &mut Caller<'_, State>) -> wasmtime::Result<()> {
    let Some(Extern::Table(table)) = caller.get_export("__wbindgen_externrefs") else { return Ok(()) };
    let offset = match table.size(&*caller) {
        size @ (SLOTS_OLD | SLOTS) => table.grow(&mut *caller, 4, Ref::Extern(None)).map(|_| size)?,
        size if size >= SLOTS + 4 => SLOTS,
        _ => SLOTS_OLD,
    };
    for (at, value) in CONSTANTS.iter().enumerate() {
        let reference = reference(caller, value.clone())?;
        table.set(&mut *caller, offset + at as u64, Ref::Extern(reference))?;
    }
    let undefined = reference(caller, Value::Undefined)?;
    table.set(&mut *caller, 0, Ref::Extern(undefined))
}

/// What such a list holds from the start.
const CONSTANTS: &[Value] = &[Value::Undefined, Value::Null, Value::Bool(true), Value::Bool(false)];
