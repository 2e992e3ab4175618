//! What a package lets its callers do: operations with their parameters, as its `.d.ts`, its glue and its module say.

use serde::{Deserialize, Serialize};
use std::fmt;

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

impl Operation {
    /// As a declaration: `parse(text: string): Patient`.
    pub fn signature(&self) -> String {
        let param = |param: &Param| format!("{}{}: {}", param.name, if param.optional { "?" } else { "" }, param.ty);
        let params: Vec<String> = self.params.iter().map(param).collect();
        match self.kind {
            Kind::Getter => format!("get {}: {}", self.name, self.result),
            Kind::Setter => format!("set {}({})", self.name.trim_end_matches('='), params.join(", ")),
            Kind::Constructor => format!("new {}({})", self.member, params.join(", ")),
            Kind::Function | Kind::Static | Kind::Method => {
                format!("{}({}): {}", self.name, params.join(", "), self.result)
            }
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Undefined => f.write_str("void"),
            Type::Null => f.write_str("null"),
            Type::Boolean => f.write_str("boolean"),
            Type::Number => f.write_str("number"),
            Type::Bigint => f.write_str("bigint"),
            Type::String => f.write_str("string"),
            Type::Bytes(name) | Type::Object(name) => f.write_str(name),
            Type::Array(of) => match **of {
                Type::Union(_) => write!(f, "({of})[]"),
                _ => write!(f, "{of}[]"),
            },
            Type::Record(fields) => {
                f.write_str("{ ")?;
                for (name, ty, optional) in fields {
                    write!(f, "{name}{}: {ty}; ", if *optional { "?" } else { "" })?;
                }
                f.write_str("}")
            }
            Type::Function => f.write_str("Function"),
            Type::Promise(of) => write!(f, "Promise<{of}>"),
            Type::Union(types) => {
                for (at, ty) in types.iter().enumerate() {
                    write!(f, "{}{ty}", if at > 0 { " | " } else { "" })?;
                }
                Ok(())
            }
            Type::Symbol => f.write_str("symbol"),
            Type::Any => f.write_str("any"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_read_as_declarations() {
        let param = |name: &str, ty, optional| Param { name: name.into(), ty, optional, range: None };
        let text = Type::Union(vec![Type::String, Type::Undefined]);
        let operation = Operation {
            id: id("Store.set"),
            name: "Store.set".into(),
            kind: Kind::Method,
            class: Some("Store".into()),
            member: "set".into(),
            params: vec![
                param("keys", Type::Array(Box::new(text)), false),
                param("raw", Type::Bytes("Uint8Array".into()), true),
            ],
            result: Type::Promise(Box::new(Type::Undefined)),
            consumes_this: false,
        };
        assert_eq!(operation.signature(), "Store.set(keys: (string | void)[], raw?: Uint8Array): Promise<void>");
    }

    #[test]
    fn ids_are_fnv_1a() {
        // Vectors of the algorithm's authors.
        assert_eq!(id(""), 0x811c_9dc5);
        assert_eq!(id("a"), 0xe40c_292c);
        assert_eq!(id("foobar"), 0xbf9c_f968);
    }
}
