//! A tape: calls in a row with JavaScript values, re-entrant hooks included. It is what is mutated, kept, minimised and
//! replayed; it knows operations by id only.
//!
//! Binary form, version 1, what hosts read and the corpus holds (little-endian; `n` is an unsigned LEB128 number of at
//! most 32 bits; `str` is n + UTF-8):
//!
//! ```text
//! tape  := 0xA7 0x01 ops
//! ops   := n op*
//! op    := 0 id:u32 this:u8 n value*     call (method and getter: of the `this`-th live object of its class, modulo)
//!        | 1 slot:u8                     free()
//!        | 2                             collect garbage, let finalizers run
//!        | 3 slot:u8                     await the slot's promise
//!        | 4 slot:u8 name:str value      Object.assign(object, { name: value })
//!        | 5 pages:u8                    memory.grow
//! value := 0 undefined | 1 null | 2 false | 3 true | 4 f64-bits:u64 | 5 i128 (bigint) | 6 n latin1-byte*
//!        | 7 n u16*  (UTF-16 units, any) | 8 element:u8 buffer:u8 n byte*  (typed array over its own buffer)
//!        | 9 n value*  (array) | 10 n (str value)*  (plain object)
//!        | 11 n f64-bits* n value*  (array-like: successive reads of `length`, last one stays; then its items)
//!        | 12 n (str n value*)*  (object whose properties are getters: successive reads, last one stays)
//!        | 13 hook value  (object; valueOf, toString and Symbol.toPrimitive run the hook, then give the value)
//!        | 14 hook value  (Proxy around the value: the first trap of any kind runs the hook)
//!        | 15 hook value  (function that runs the hook, then returns the value; async where the hook says so)
//!        | 16 slot:u8  (object of the slot, modulo) | 17 symbol | 18 hook value  (promise of the value)
//! hook  := flags:u8 pages:u8 ops         flags: 1 throws an Error afterwards, 2 every time instead of once
//! ```
//! `i128` is 16 bytes. What has a shorter form is not read: a text of Latin-1 as UTF-16, a number with needless zeros.
//! Hooks nest at most [`HOOKS_MAX`] deep (a hook's own calls may be given hooks, whose calls may not); an argument and the
//! values within it nest at most [`NESTING_MAX`] deep. In texts and bytes, U+F8FF (bytes EF A3 BF) stands for the canary of the call:
//! twelve capital letters that no other call has.

mod codec;
mod edit;
mod generate;
mod json;
mod mutate;
mod profile;
mod repro;
#[cfg(test)]
mod samples;
mod script;
mod shrink;
mod values;
mod walk;

pub use codec::TapeError;
pub use generate::{Generator, Seeds};
pub use json::JsonError;
pub use mutate::Mutator;
pub use repro::{Repro, repro};
pub use shrink::{QUESTIONS_MAX, shrink};

use serde::{Deserialize, Serialize};

/// First byte of the binary form.
pub const MAGIC: u8 = 0xA7;
/// Version of the binary form.
pub const VERSION: u8 = 1;
/// Most operations of a tape, those in hooks included.
pub const OPS_MAX: usize = 32;
/// Largest binary form, bytes.
pub const TAPE_BYTES_MAX: usize = 16 << 10;
/// Longest text, UTF-16 units, and longest bytes.
pub const UNITS_MAX: usize = 8 << 10;
/// Hooks within hooks.
pub const HOOKS_MAX: usize = 2;
/// Values within values.
pub const NESTING_MAX: usize = 8;
/// Stands for the canary of the call in texts; in bytes, its UTF-8.
pub const CANARY: u16 = 0xF8FF;

/// Who could make these calls; ordered, each has all tapes of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A caller who keeps to the declared types.
    Typed,
    /// A caller who hands on what `JSON.parse` gave, whatever the declared types.
    Json,
    /// A caller who gives live objects: getters, proxies, conversions that call back.
    Hostile,
}

/// Calls in a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tape {
    /// In order.
    pub ops: Vec<Op>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Calls an operation; what it returns becomes a slot where it is an object.
    Call {
        /// [`crate::api::Operation::id`].
        operation: u32,
        /// Which live object of the class, modulo their number; 0 for functions.
        this: u8,
        /// Arguments, maybe fewer or more than declared.
        args: Vec<JsVal>,
    },
    /// Gives an object back (`free`, else `[Symbol.dispose]`, else `delete`).
    Free {
        /// Slot, modulo.
        slot: u8,
    },
    /// Collects garbage.
    Gc,
    /// Waits for a promise.
    Await {
        /// Slot, modulo.
        slot: u8,
    },
    /// Writes a property of an object, as `Object.assign` with parsed JSON does.
    Assign {
        /// Slot, modulo.
        slot: u8,
        /// Property; the empty name means the object's own first property.
        name: String,
        /// Its value.
        value: JsVal,
    },
    /// Grows the module's memory.
    Grow {
        /// 64 KiB pages.
        pages: u8,
    },
}

/// A value that is given to the glue.
#[derive(Debug, Clone, PartialEq)]
pub enum JsVal {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number, by its bits, so that -0 and every NaN are told apart.
    Number(u64),
    /// A bigint.
    BigInt(i128),
    /// UTF-16 units, lone surrogates included.
    Text(Vec<u16>),
    /// A typed array.
    Bytes {
        /// Its constructor.
        element: Element,
        /// What it views.
        buffer: Buffer,
        /// Contents; what does not fill an element is cut off.
        bytes: Vec<u8>,
    },
    /// `[…]`
    Array(Vec<JsVal>),
    /// `{…}`
    Object(Vec<(String, JsVal)>),
    /// An object with numbered items whose `length` reads as scripted.
    ArrayLike {
        /// Bits of successive reads; the last one stays.
        lengths: Vec<u64>,
        /// Items from 0 on.
        items: Vec<JsVal>,
    },
    /// An object whose properties read as scripted; the last value stays.
    Getters(Vec<(String, Vec<JsVal>)>),
    /// An object that is converted to a primitive value by running a hook.
    ValueOf(Hook, Box<JsVal>),
    /// A proxy; the first trap of any kind runs the hook.
    Proxy(Hook, Box<JsVal>),
    /// A function.
    Callback(Hook, Box<JsVal>),
    /// An object that an earlier call returned.
    Ref(u8),
    /// `Symbol("s")`
    Symbol,
    /// A promise; rejected with an Error where the hook throws.
    Promise(Hook, Box<JsVal>),
}

/// What happens inside the glue when it touches a value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hook {
    /// Whether it ends with `throw new Error("hook")`.
    pub throws: bool,
    /// Whether it runs every time instead of once.
    pub again: bool,
    /// Pages that the module's memory grows by.
    pub pages: u8,
    /// Calls made before that.
    pub ops: Vec<Op>,
}

/// Constructor of a typed array; the discriminant is its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Element {
    /// `Uint8Array`
    Uint8 = 0,
    /// `Int8Array`
    Int8 = 1,
    /// `Uint8ClampedArray`
    Uint8Clamped = 2,
    /// `Uint16Array`
    Uint16 = 3,
    /// `Int16Array`
    Int16 = 4,
    /// `Uint32Array`
    Uint32 = 5,
    /// `Int32Array`
    Int32 = 6,
    /// `Float32Array`
    Float32 = 7,
    /// `Float64Array`
    Float64 = 8,
    /// `BigInt64Array`
    BigInt64 = 9,
    /// `BigUint64Array`
    BigUint64 = 10,
    /// No typed array: the `ArrayBuffer` itself.
    ArrayBuffer = 11,
    /// `DataView`
    DataView = 12,
}

/// What a typed array views; the discriminant is its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Buffer {
    /// An `ArrayBuffer`.
    Plain = 0,
    /// A `SharedArrayBuffer`.
    Shared = 1,
    /// A resizable `ArrayBuffer`, where the host has them.
    Resizable = 2,
    /// A buffer that was transferred away: detached.
    Detached = 3,
    /// A piece of the module's own memory, at the first byte that is not zero after its half.
    Memory = 4,
}

impl Profile {
    /// All of them, smallest first.
    pub const ALL: [Self; 3] = [Self::Typed, Self::Json, Self::Hostile];

    /// As it is written on the command line and in reports.
    pub fn name(self) -> &'static str {
        ["typed", "json", "hostile"][self as usize]
    }
}

impl Element {
    /// All of them, by code.
    pub const ALL: [Self; 13] = [
        Self::Uint8,
        Self::Int8,
        Self::Uint8Clamped,
        Self::Uint16,
        Self::Int16,
        Self::Uint32,
        Self::Int32,
        Self::Float32,
        Self::Float64,
        Self::BigInt64,
        Self::BigUint64,
        Self::ArrayBuffer,
        Self::DataView,
    ];

    /// Name of the constructor.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "Uint8Array",
            Self::Int8 => "Int8Array",
            Self::Uint8Clamped => "Uint8ClampedArray",
            Self::Uint16 => "Uint16Array",
            Self::Int16 => "Int16Array",
            Self::Uint32 => "Uint32Array",
            Self::Int32 => "Int32Array",
            Self::Float32 => "Float32Array",
            Self::Float64 => "Float64Array",
            Self::BigInt64 => "BigInt64Array",
            Self::BigUint64 => "BigUint64Array",
            Self::ArrayBuffer => "ArrayBuffer",
            Self::DataView => "DataView",
        }
    }

    /// Bytes of one element.
    pub fn width(self) -> usize {
        match self {
            Self::Uint16 | Self::Int16 => 2,
            Self::Uint32 | Self::Int32 | Self::Float32 => 4,
            Self::Float64 | Self::BigInt64 | Self::BigUint64 => 8,
            _ => 1,
        }
    }
}

impl Buffer {
    /// All of them, by code.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Shared, Self::Resizable, Self::Detached, Self::Memory];

    /// As the JSON form names it.
    pub fn name(self) -> &'static str {
        ["plain", "shared", "resizable", "detached", "memory"][self as usize]
    }
}
