//! What a package lets its callers do: operations with their parameters, as its `.d.ts`, its glue and its module say.

use serde::{Deserialize, Serialize};

/// Everything that can be called.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Api {
    /// In the order of declaration; no two have the same id.
    pub operations: Vec<Operation>,
}

/// One thing that a caller can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// [`id`] of `name`.
    pub id: u32,
    /// `parse`, `Store.new`, `Store.set`, `Store.length` (getter), `Store.length=` (setter).
    pub name: String,
    /// How it is called.
    pub kind: Kind,
    /// Class that it belongs to; none for functions.
    pub class: Option<String>,
    /// Property that is called, constructed, read or written: of the package for functions and constructors (the
    /// class's export name), of the class for static methods, of an object else.
    pub member: String,
    /// In order.
    pub params: Vec<Param>,
    /// What it returns; for constructors, the object.
    pub result: Type,
    /// Whether the call takes its object over, which must not be used any more.
    pub consumes_this: bool,
}

/// How an operation is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `package.member(…)`
    Function,
    /// `new package.member(…)`
    Constructor,
    /// `package.class.member(…)`
    Static,
    /// `object.member(…)`
    Method,
    /// `object.member`
    Getter,
    /// `object.member = …`
    Setter,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// What the declaration says.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Whether it may be left out.
    pub optional: bool,
    /// Numbers that it takes without loss, where that is known.
    pub range: Option<Range>,
}

/// Numbers from `min` to `max`, inclusive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Smallest, decimal: beyond what a double holds, too.
    pub min: String,
    /// Largest, decimal.
    pub max: String,
    /// Whether fractions are lost.
    pub integer: bool,
    /// Who says so: `glue: >>> 0`, `module: i32`, `boundary.toml`.
    pub source: String,
}

/// A type, as TypeScript means it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "of", rename_all = "lowercase")]
pub enum Type {
    /// `undefined` and `void`.
    Undefined,
    /// `null`.
    Null,
    /// `boolean`.
    Boolean,
    /// `number`.
    Number,
    /// `bigint`.
    Bigint,
    /// `string`.
    String,
    /// A typed array or `ArrayBuffer`, by its constructor's name.
    Bytes(String),
    /// `T[]`.
    Array(Box<Type>),
    /// An object of a class of the package.
    Object(String),
    /// An object literal: name, type, whether it may be left out.
    Record(Vec<(String, Type, bool)>),
    /// A function, whatever its type.
    Function,
    /// `Promise<T>`.
    Promise(Box<Type>),
    /// `A | B`; enums of constants are numbers or strings.
    Union(Vec<Type>),
    /// `symbol`.
    Symbol,
    /// `any`, `unknown`, and whatever is not understood.
    Any,
}

/// FNV-1a, 32 bits, of the name's UTF-8: the same in every host and every version of a package.
pub fn id(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Api {
    /// The operation of that id.
    pub fn operation(&self, id: u32) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == id)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_fnv_1a() {
        // Vectors of the algorithm's authors.
        assert_eq!(super::id(""), 0x811c_9dc5);
        assert_eq!(super::id("a"), 0xe40c_292c);
        assert_eq!(super::id("foobar"), 0xbf9c_f968);
    }
}
