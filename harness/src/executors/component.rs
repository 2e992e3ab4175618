//! Components. They run whole, through wasmtime's canonical ABI, wherever something is judged; the loop runs the core
//! module behind the export ([`unwrap`]), which can be instrumented, and every finding is confirmed on the whole.
//!
//! What a component imports is made up from its types: resources are handles, streams take everything, results succeed.

mod direct;
mod lifted;
mod unwrap;

pub use lifted::Lifted;
pub use unwrap::{Unwrapped, code, core_module, unwrap};

use super::abi::Returned;
use super::host::{Exit, HostState, Stop};
use super::wbindgen::cut;
use crate::HarnessError;
use crate::execution::Limit;
use crate::target::{Param, Shape, Target};
use arbitrary::Unstructured;
use std::borrow::Cow;
use wasmparser::PrimitiveValType;
use wasmtime::component::types::{ComponentItem, Type};
use wasmtime::component::{Component, Func, InstancePre, Linker, LinkerInstance, Resource, ResourceType, Val};
use wasmtime::{Error, Store, StoreContextMut};

/// Bytes of the host that one call may fill with what a component hands over; a value takes some forty.
const TRANSFER_BYTES_MAX: usize = 256 << 20;
/// Nesting of instances among the imports.
const IMPORT_DEPTH_MAX: u32 = 8;
/// Nesting of made-up and generated values.
const VALUE_DEPTH_MAX: u32 = 16;
/// What a stream says it can take.
pub(super) const STREAM_BYTES: u64 = 1 << 16;

/// Resources of the host: handles without anything behind them.
struct Handle;

/// A compiled component with everything that it imports.
pub struct Whole {
    pre: InstancePre<HostState>,
}

impl Whole {
    /// Names of the functions that a component imports, `instance#name`, in the order of their numbers in the log.
    pub fn import_names(component: &Component) -> Vec<String> {
        let mut names = Vec::new();
        let ty = component.component_type();
        for (name, item) in ty.imports(component.engine()) {
            collect_names(&mut names, "", name, &item.ty, component.engine(), 0);
        }
        names
    }

    /// Makes up the imports.
    pub fn link(name: &str, component: &Component) -> Result<Self, HarnessError> {
        let fail = |error: Error| HarnessError::module(name, format_args!("its imports: {error:#}"));
        let mut linker = Linker::new(component.engine());
        linker.allow_shadowing(true);
        let mut number = 0;
        let ty = component.component_type();
        for (import, item) in ty.imports(component.engine()) {
            define(&mut linker.root(), import, &item.ty, component.engine(), &mut number, 0).map_err(fail)?;
        }
        Ok(Self { pre: linker.instantiate_pre(component).map_err(fail)? })
    }

    /// Instantiates and finds the entry.
    pub fn instantiate(
        &self,
        store: &mut Store<HostState>,
        target: &Target,
        entry: &str,
    ) -> wasmtime::Result<Option<Entry>> {
        store.set_hostcall_fuel(TRANSFER_BYTES_MAX);
        let instance = self.pre.instantiate(&mut *store)?;
        let inside = entry.rsplit_once('#');
        let interface = match inside {
            Some((interface, _)) => match instance.get_export_index(&mut *store, None, interface) {
                Some(index) => Some(index),
                None => return Ok(None),
            },
            None => None,
        };
        let name = inside.map_or(entry, |(_, name)| name);
        let index = instance.get_export_index(&mut *store, interface.as_ref(), name);
        let func = index.and_then(|index| instance.get_func(&mut *store, index));
        let Shape::Component(shape) = &*target.shape else { return Ok(None) };
        let function = shape.functions.iter().find(|function| function.name == entry);
        Ok(func.zip(function).map(|(func, function)| {
            let ty = func.ty(&*store);
            Entry {
                direct: direct::call_for(&ty),
                types: ty.params().map(|(_, ty)| ty).collect(),
                results: ty.results().len(),
                params: function.params.clone(),
                func,
            }
        }))
    }
}

/// An exported function of a live component.
pub struct Entry {
    func: Func,
    /// How to call it without a value for every byte.
    direct: Option<direct::Call>,
    params: Vec<Param>,
    types: Vec<Type>,
    results: usize,
}

impl Entry {
    /// Gives one input to the entry and reads its result.
    pub fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        let pieces = pieces(input, &self.params);
        if let (Some(call), [piece]) = (self.direct, pieces.as_slice()) {
            return call(&self.func, store, piece).map_err(too_much);
        }
        let arguments: Vec<Val> = pieces.into_iter().zip(&self.types).map(|(piece, ty)| piece.value(ty)).collect();
        let mut results = vec![Val::Bool(false); self.results];
        self.func.call(&mut *store, &arguments, &mut results).map_err(too_much)?;
        let state = store.data_mut();
        match results.first() {
            Some(Val::Result(Err(error))) => {
                let mut text = Vec::new();
                if let Some(error) = error {
                    encode(error, &mut text, 0);
                }
                state.push_message(&text);
                Ok(Returned { rejected: true })
            }
            Some(Val::Result(Ok(None))) | None => Ok(Returned { rejected: false }),
            Some(Val::Result(Ok(Some(value)))) => {
                push_value(state, value)?;
                Ok(Returned { rejected: false })
            }
            Some(value) => {
                push_value(state, value)?;
                Ok(Returned { rejected: false })
            }
        }
    }
}

/// What one parameter gets of the input.
pub(super) enum Piece<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A byte list.
    Bytes(&'a [u8]),
    /// The bits of a number.
    Scalar(PrimitiveValType, u64),
    /// Bytes to make another value of.
    Other(&'a [u8]),
}

/// Divides the input among the parameters: numbers come from its end, then cuts, then the text in front.
/// The whole component and its core module must agree on it.
fn pieces<'a>(input: &'a [u8], params: &[Param]) -> Vec<Piece<'a>> {
    let scalar_bytes = |param: &Param| if let Param::Scalar(_, bytes) = param { *bytes } else { 0 };
    let tail_len: usize = params.iter().map(scalar_bytes).sum();
    let (front, mut tail) = input.split_at(input.len().checked_sub(tail_len).unwrap_or(input.len()));
    let count = params.iter().filter(|param| !matches!(param, Param::Scalar(..))).count();
    let mut front = cut(front, count.max(1));
    let piece = |param: &Param| match param {
        Param::Scalar(ty, bytes) => {
            let mut bits = [0; 8];
            if let Some((taken, rest)) = tail.split_at_checked(*bytes) {
                bits[..*bytes].copy_from_slice(taken);
                tail = rest;
            }
            Piece::Scalar(*ty, u64::from_le_bytes(bits))
        }
        Param::Text => Piece::Text(String::from_utf8_lossy(front.next().unwrap_or_default())),
        Param::Bytes => Piece::Bytes(front.next().unwrap_or_default()),
        Param::Other => Piece::Other(front.next().unwrap_or_default()),
    };
    params.iter().map(piece).collect()
}

impl Piece<'_> {
    fn value(self, ty: &Type) -> Val {
        match self {
            Piece::Text(text) => Val::String(text.into_owned()),
            Piece::Bytes(bytes) => Val::List(bytes.iter().map(|byte| Val::U8(*byte)).collect()),
            Piece::Scalar(_, bits) => number(ty, bits),
            Piece::Other(bytes) => generate(ty, &mut Unstructured::new(bytes), 0),
        }
    }
}

fn number(ty: &Type, bits: u64) -> Val {
    match ty {
        Type::Bool => Val::Bool(bits & 1 == 1),
        Type::S8 => Val::S8(bits as i8),
        Type::U8 => Val::U8(bits as u8),
        Type::S16 => Val::S16(bits as i16),
        Type::U16 => Val::U16(bits as u16),
        Type::S32 => Val::S32(bits as i32),
        Type::U32 => Val::U32(bits as u32),
        Type::S64 => Val::S64(bits as i64),
        Type::Float32 => Val::Float32(f32::from_bits(bits as u32)),
        Type::Float64 => Val::Float64(f64::from_bits(bits)),
        Type::Char => Val::Char(character(bits)),
        _ => Val::U64(bits),
    }
}

/// A character for any bits.
fn character(bits: u64) -> char {
    char::from_u32(bits as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// A value of any type that holds no resource, made of bytes. Where they end, the simplest value follows.
fn generate(ty: &Type, u: &mut Unstructured<'_>, depth: u32) -> Val {
    let choose = |u: &mut Unstructured<'_>, count: usize| match count {
        0 | 1 => 0,
        count => u.int_in_range(0..=count - 1).unwrap_or(0),
    };
    let deeper = |ty: &Type, u: &mut Unstructured<'_>| generate(ty, u, depth + 1);
    let more = |u: &mut Unstructured<'_>| depth < VALUE_DEPTH_MAX && !u.is_empty() && u.arbitrary().unwrap_or(false);
    match ty {
        Type::String => Val::String(u.arbitrary().unwrap_or_default()),
        Type::List(list) => {
            let mut values = Vec::new();
            while more(u) {
                values.push(deeper(&list.ty(), u));
            }
            Val::List(values)
        }
        Type::Record(record) => {
            Val::Record(record.fields().map(|field| (field.name.to_owned(), deeper(&field.ty, u))).collect())
        }
        Type::Tuple(tuple) => Val::Tuple(tuple.types().map(|ty| deeper(&ty, u)).collect()),
        Type::Variant(variant) => {
            let index = choose(u, variant.cases().len());
            let case = variant.cases().nth(index).expect("the index is below the number of cases");
            Val::Variant(case.name.to_owned(), case.ty.map(|ty| Box::new(deeper(&ty, u))))
        }
        Type::Enum(ty) => {
            let index = choose(u, ty.names().len());
            Val::Enum(ty.names().nth(index).expect("the index is below the number of names").to_owned())
        }
        Type::Option(option) => Val::Option(more(u).then(|| Box::new(deeper(&option.ty(), u)))),
        Type::Result(result) => {
            let side = |ty: Option<Type>, u: &mut Unstructured<'_>| ty.map(|ty| Box::new(deeper(&ty, u)));
            match choose(u, 2) {
                0 => Val::Result(Ok(side(result.ok(), u))),
                _ => Val::Result(Err(side(result.err(), u))),
            }
        }
        Type::Flags(flags) => {
            let set = flags.names().filter(|_| u.arbitrary().unwrap_or(false));
            Val::Flags(set.map(str::to_owned).collect())
        }
        number_type => number(number_type, u.arbitrary().unwrap_or(0)),
    }
}

/// A value as output: bytes and text as they are, numbers little-endian, the rest in order.
fn push_value(state: &mut HostState, value: &Val) -> wasmtime::Result<()> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes, 0);
    state.push_output(&bytes)
}

fn encode(value: &Val, out: &mut Vec<u8>, depth: u32) {
    if depth > VALUE_DEPTH_MAX {
        return;
    }
    let deeper = |value: &Val, out: &mut Vec<u8>| encode(value, out, depth + 1);
    match value {
        Val::Bool(value) => out.push((*value).into()),
        Val::S8(value) => out.extend(value.to_le_bytes()),
        Val::U8(value) => out.push(*value),
        Val::S16(value) => out.extend(value.to_le_bytes()),
        Val::U16(value) => out.extend(value.to_le_bytes()),
        Val::S32(value) => out.extend(value.to_le_bytes()),
        Val::U32(value) => out.extend(value.to_le_bytes()),
        Val::S64(value) => out.extend(value.to_le_bytes()),
        Val::U64(value) => out.extend(value.to_le_bytes()),
        Val::Float32(value) => out.extend(value.to_le_bytes()),
        Val::Float64(value) => out.extend(value.to_le_bytes()),
        Val::Char(value) => out.extend(u32::from(*value).to_le_bytes()),
        Val::String(text) | Val::Enum(text) => out.extend(text.as_bytes()),
        Val::List(values) | Val::Tuple(values) | Val::FixedLengthList(values) => {
            values.iter().for_each(|value| deeper(value, out));
        }
        Val::Record(fields) => fields.iter().for_each(|(_, value)| deeper(value, out)),
        Val::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            deeper(key, out);
            deeper(value, out);
        }),
        Val::Variant(name, value) => {
            out.extend(name.as_bytes());
            value.iter().for_each(|value| deeper(value, out));
        }
        Val::Option(value) => {
            out.push(value.is_some().into());
            value.iter().for_each(|value| deeper(value, out));
        }
        Val::Result(result) => {
            out.push(result.is_err().into());
            let (Ok(value) | Err(value)) = result;
            value.iter().for_each(|value| deeper(value, out));
        }
        Val::Flags(names) => names.iter().for_each(|name| out.extend(name.as_bytes())),
        _ => {}
    }
}

/// wasmtime's answer to a component that hands over more than [`TRANSFER_BYTES_MAX`] is text only; a test holds it to it.
fn too_much(error: Error) -> Error {
    match error.root_cause().to_string().contains("fuel allocated for hostcalls") {
        true => Stop(Limit::Output).into(),
        false => error,
    }
}

fn collect_names(
    names: &mut Vec<String>,
    prefix: &str,
    name: &str,
    item: &ComponentItem,
    engine: &wasmtime::Engine,
    depth: u32,
) {
    match item {
        ComponentItem::ComponentFunc(_) => names.push(format!("{prefix}{name}")),
        ComponentItem::ComponentInstance(instance) if depth < IMPORT_DEPTH_MAX => {
            for (inner, item) in instance.exports(engine) {
                collect_names(names, &format!("{prefix}{name}#"), inner, &item.ty, engine, depth + 1);
            }
        }
        _ => {}
    }
}

/// Defines one import. Functions are numbered as [`Whole::import_names`] lists them.
fn define(
    linker: &mut LinkerInstance<'_, HostState>,
    name: &str,
    item: &ComponentItem,
    engine: &wasmtime::Engine,
    number: &mut usize,
    depth: u32,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => {
            let (number_here, kind) = (*number, Import::of(name));
            *number += 1;
            linker.func_new(name, move |mut store, ty, arguments, places| {
                store.data_mut().calls.record(number_here, arguments.iter().filter_map(bits))?;
                kind.hear(&mut store, arguments)?;
                for (place, ty) in places.iter_mut().zip(ty.results()) {
                    *place = made_up(&mut store, &ty, kind, 0)?;
                }
                Ok(())
            })
        }
        ComponentItem::ComponentInstance(instance) if depth < IMPORT_DEPTH_MAX => {
            let mut inner = linker.instance(name)?;
            for (name, item) in instance.exports(engine) {
                define(&mut inner, name, &item.ty, engine, number, depth + 1)?;
            }
            Ok(())
        }
        ComponentItem::Resource(_) => linker.resource(name, ResourceType::host::<Handle>(), |_, _| Ok(())),
        ComponentItem::Type(_) => Ok(()),
        _ => Err(Error::msg(format!("{name:?} is a module or component; those cannot be made up"))),
    }
}

/// What an imported function means beyond its type.
#[derive(Clone, Copy)]
enum Import {
    /// The guest writes: its last words.
    Write,
    /// The guest asks how much it may write.
    CheckWrite,
    /// The guest ends.
    Exit,
    /// Nothing known.
    Unknown,
}

impl Import {
    fn of(name: &str) -> Import {
        match name {
            "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => Import::Write,
            "[method]output-stream.check-write" => Import::CheckWrite,
            "exit" => Import::Exit,
            _ => Import::Unknown,
        }
    }

    fn hear(self, store: &mut StoreContextMut<'_, HostState>, arguments: &[Val]) -> wasmtime::Result<()> {
        match (self, arguments) {
            (Import::Write, [_, Val::List(bytes)]) => {
                let byte = |value: &Val| if let Val::U8(byte) = value { *byte } else { 0 };
                let text: Vec<u8> = bytes.iter().take(super::host::MESSAGE_BYTES_MAX).map(byte).collect();
                store.data_mut().push_message(&text);
                Ok(())
            }
            (Import::Exit, [Val::Result(status)]) => Err(Exit(i32::from(status.is_err())).into()),
            _ => Ok(()),
        }
    }
}

/// The bits of a number; nothing for what is larger.
fn bits(value: &Val) -> Option<u64> {
    Some(match value {
        Val::Bool(value) => (*value).into(),
        Val::S8(value) => *value as u64,
        Val::U8(value) => (*value).into(),
        Val::S16(value) => *value as u64,
        Val::U16(value) => (*value).into(),
        Val::S32(value) => *value as u64,
        Val::U32(value) => (*value).into(),
        Val::S64(value) => *value as u64,
        Val::U64(value) => *value,
        Val::Float32(value) => value.to_bits().into(),
        Val::Float64(value) => value.to_bits(),
        Val::Char(value) => u32::from(*value).into(),
        _ => return None,
    })
}

/// A value for an import to give: small numbers, nothing where nothing will do, success where there is a choice.
fn made_up(store: &mut StoreContextMut<'_, HostState>, ty: &Type, kind: Import, depth: u32) -> wasmtime::Result<Val> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Error::msg("a value that deep cannot be made up"));
    }
    let deeper = |store: &mut StoreContextMut<'_, HostState>, ty: &Type| made_up(store, ty, kind, depth + 1);
    let boxed = |store: &mut StoreContextMut<'_, HostState>, ty: Option<Type>| {
        ty.map(|ty| deeper(store, &ty).map(Box::new)).transpose()
    };
    Ok(match ty {
        Type::String => Val::String(String::new()),
        Type::List(_) => Val::List(Vec::new()),
        Type::Map(_) => Val::Map(Vec::new()),
        Type::Option(_) => Val::Option(None),
        Type::Flags(_) => Val::Flags(Vec::new()),
        Type::Record(record) => {
            let fields = record.fields().map(|field| Ok((field.name.to_owned(), deeper(store, &field.ty)?)));
            Val::Record(fields.collect::<wasmtime::Result<_>>()?)
        }
        Type::Tuple(tuple) => Val::Tuple(tuple.types().map(|ty| deeper(store, &ty)).collect::<wasmtime::Result<_>>()?),
        Type::Variant(variant) => match variant.cases().next() {
            Some(case) => Val::Variant(case.name.to_owned(), boxed(store, case.ty)?),
            None => return Err(Error::msg("a variant without cases cannot be made up")),
        },
        Type::Enum(ty) => Val::Enum(ty.names().next().unwrap_or_default().to_owned()),
        Type::Result(result) => Val::Result(Ok(boxed(store, result.ok())?)),
        Type::Own(_) => {
            let rep = store.data_mut().random.draw() as u32;
            Val::Resource(Resource::<Handle>::new_own(rep).try_into_resource_any(&mut *store)?)
        }
        Type::FixedLengthList(_) | Type::Borrow(_) | Type::Future(_) | Type::Stream(_) | Type::ErrorContext => {
            return Err(Error::msg(format!("a value of type {ty:?} cannot be made up")));
        }
        Type::Char => Val::Char('a'),
        Type::U64 if matches!(kind, Import::CheckWrite) => Val::U64(STREAM_BYTES),
        number_type => number(number_type, store.data_mut().random.draw() & 0x7f),
    })
}
