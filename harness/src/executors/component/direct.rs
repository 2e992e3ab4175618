//! Calls whose bytes go straight between the input and the guest's memory: functions of one byte list or string whose
//! results are made of byte lists, strings, numbers and nothing. Any other takes a value of some forty bytes for every
//! byte, because wasmtime's typed calls know records and variants by the names in Rust's types only.

use super::Piece;
use crate::executors::abi::Returned;
use crate::executors::host::HostState;
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{ComponentNamedList, Func, Lift};
use wasmtime::{Error, Store};

/// Gives one piece to a function and reads what comes back.
pub(super) type Call = fn(&Func, &mut Store<HostState>, &Piece<'_>) -> wasmtime::Result<Returned>;

/// The call for a function of this type, if there is one.
pub(super) fn call_for(ty: &ComponentFunc) -> Option<Call> {
    let mut params = ty.params().map(|(_, ty)| ty);
    let (Some(param), None) = (params.next(), params.next()) else { return None };
    if Kind::of(Some(&param)).is_none_or(|kind| !matches!(kind, Kind::Bytes | Kind::Text)) {
        return None;
    }
    let result = ty.results().next();
    match &result {
        Some(Type::Result(result)) => Kind::of(result.ok().as_ref())?.result_call(Kind::of(result.err().as_ref())?),
        result => Some(Kind::of(result.as_ref())?.call()),
    }
}

fn call<R: Answer + 'static>(
    func: &Func,
    store: &mut Store<HostState>,
    piece: &Piece<'_>,
) -> wasmtime::Result<Returned> {
    let answer = match piece {
        Piece::Bytes(bytes) => func.typed::<(&[u8],), R>(&*store)?.call(&mut *store, (bytes,))?,
        Piece::Text(text) => func.typed::<(&str,), R>(&*store)?.call(&mut *store, (text,))?,
        Piece::Scalar(..) | Piece::Other(_) => return Err(Error::msg("neither bytes nor text")),
    };
    answer.give(store.data_mut())
}

/// What a payload can be.
#[derive(Clone, Copy)]
enum Kind {
    Nothing,
    Bytes,
    Text,
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    Float32,
    Float64,
    Char,
}

impl Kind {
    fn of(ty: Option<&Type>) -> Option<Kind> {
        Some(match ty {
            None => Kind::Nothing,
            Some(Type::List(list)) if matches!(list.ty(), Type::U8) => Kind::Bytes,
            Some(Type::String) => Kind::Text,
            Some(Type::Bool) => Kind::Bool,
            Some(Type::S8) => Kind::S8,
            Some(Type::U8) => Kind::U8,
            Some(Type::S16) => Kind::S16,
            Some(Type::U16) => Kind::U16,
            Some(Type::S32) => Kind::S32,
            Some(Type::U32) => Kind::U32,
            Some(Type::S64) => Kind::S64,
            Some(Type::U64) => Kind::U64,
            Some(Type::Float32) => Kind::Float32,
            Some(Type::Float64) => Kind::Float64,
            Some(Type::Char) => Kind::Char,
            Some(_) => return None,
        })
    }

    /// For a function that gives this.
    fn call(self) -> Call {
        match self {
            Kind::Nothing => call::<()>,
            Kind::Bytes => call::<(Vec<u8>,)>,
            Kind::Text => call::<(String,)>,
            Kind::Bool => call::<(bool,)>,
            Kind::S8 => call::<(i8,)>,
            Kind::U8 => call::<(u8,)>,
            Kind::S16 => call::<(i16,)>,
            Kind::U16 => call::<(u16,)>,
            Kind::S32 => call::<(i32,)>,
            Kind::U32 => call::<(u32,)>,
            Kind::S64 => call::<(i64,)>,
            Kind::U64 => call::<(u64,)>,
            Kind::Float32 => call::<(f32,)>,
            Kind::Float64 => call::<(f64,)>,
            Kind::Char => call::<(char,)>,
        }
    }

    /// For a function that gives this or an error.
    fn result_call(self, error: Kind) -> Option<Call> {
        match self {
            Kind::Nothing => error.call_or::<()>(),
            Kind::Bytes => error.call_or::<Vec<u8>>(),
            Kind::Text => error.call_or::<String>(),
            Kind::Bool => error.call_or::<bool>(),
            Kind::S8 => error.call_or::<i8>(),
            Kind::U8 => error.call_or::<u8>(),
            Kind::S16 => error.call_or::<i16>(),
            Kind::U16 => error.call_or::<u16>(),
            Kind::S32 => error.call_or::<i32>(),
            Kind::U32 => error.call_or::<u32>(),
            Kind::S64 => error.call_or::<i64>(),
            Kind::U64 => error.call_or::<u64>(),
            Kind::Float32 => error.call_or::<f32>(),
            Kind::Float64 => error.call_or::<f64>(),
            Kind::Char => error.call_or::<char>(),
        }
    }

    /// For a function that gives `P` or an error of this kind; errors that are numbers are mostly 32 bits wide.
    fn call_or<P: Payload + 'static>(self) -> Option<Call> {
        match self {
            Kind::Nothing => Some(call::<(Result<P, ()>,)>),
            Kind::Bytes => Some(call::<(Result<P, Vec<u8>>,)>),
            Kind::Text => Some(call::<(Result<P, String>,)>),
            Kind::S32 => Some(call::<(Result<P, i32>,)>),
            Kind::U32 => Some(call::<(Result<P, u32>,)>),
            _ => None,
        }
    }
}

/// All that a function gives.
trait Answer: ComponentNamedList + Lift {
    fn give(self, state: &mut HostState) -> wasmtime::Result<Returned>;
}

impl Answer for () {
    fn give(self, _: &mut HostState) -> wasmtime::Result<Returned> {
        Ok(Returned { rejected: false })
    }
}

impl<P: Payload> Answer for (P,) {
    fn give(self, state: &mut HostState) -> wasmtime::Result<Returned> {
        self.0.with_bytes(|bytes| state.push_output(bytes))?;
        Ok(Returned { rejected: false })
    }
}

impl<P: Payload, E: Payload> Answer for (Result<P, E>,) {
    fn give(self, state: &mut HostState) -> wasmtime::Result<Returned> {
        match self.0 {
            Ok(payload) => (payload,).give(state),
            Err(error) => {
                error.with_bytes(|bytes| state.push_message(bytes));
                Ok(Returned { rejected: true })
            }
        }
    }
}

/// A part of an answer, as the bytes that [`super::encode`] makes of it.
trait Payload: Lift {
    fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T;
}

impl Payload for () {
    fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        take(&[])
    }
}

impl Payload for Vec<u8> {
    fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        take(self)
    }
}

impl Payload for String {
    fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        take(self.as_bytes())
    }
}

impl Payload for bool {
    fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        take(&[u8::from(*self)])
    }
}

impl Payload for char {
    fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        take(&u32::from(*self).to_le_bytes())
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Payload for $number {
            fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
                take(&self.to_le_bytes())
            }
        }
    )*};
}

numbers!(i8, u8, i16, u16, i32, u32, i64, u64, f32, f64);
