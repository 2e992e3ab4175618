//! An API with something of everything, and seeds, for the tests of tapes.

use super::{Element, Hook, JsVal, Op, Seeds, Tape};
use crate::api::{Api, Kind, Operation, Param, Range, Type, id};

/// An operation; parameters as (name, type), optional where the name ends in `?`.
pub(super) fn operation(name: &str, kind: Kind, params: &[(&str, Type)], result: Type) -> Operation {
    let (class, member) = match name.split_once('.') {
        Some((class, member)) => (Some(class.to_owned()), if kind == Kind::Constructor { class } else { member }),
        None => (None, name),
    };
    let param = |(name, ty): &(&str, Type)| Param {
        name: name.trim_end_matches('?').to_owned(),
        ty: ty.clone(),
        optional: name.ends_with('?'),
        range: (*ty == Type::Number).then(|| Range {
            min: "0".to_owned(),
            max: "4294967295".to_owned(),
            integer: true,
            source: "glue: >>> 0".to_owned(),
        }),
    };
    Operation {
        id: id(name),
        name: name.to_owned(),
        kind,
        class,
        member: member.trim_end_matches('=').to_owned(),
        params: params.iter().map(param).collect(),
        result,
        consumes_this: false,
    }
}

pub(super) fn api() -> Api {
    let bytes = || Type::Bytes("Uint8Array".to_owned());
    let store = || Type::Object("Store".to_owned());
    let record = Type::Record(vec![("deep".to_owned(), Type::Boolean, true), ("name".to_owned(), Type::String, false)]);
    Api {
        operations: vec![
            operation("parse", Kind::Function, &[("text", Type::String)], Type::String),
            operation(
                "unescape",
                Kind::Function,
                &[("bytes", Type::Union(vec![bytes(), Type::Array(Type::Number.into())]))],
                bytes(),
            ),
            operation("limit", Kind::Function, &[("n", Type::Number), ("big?", Type::Bigint)], Type::Number),
            operation("options", Kind::Function, &[("options", record), ("any?", Type::Any)], Type::Any),
            operation(
                "each",
                Kind::Function,
                &[("list", Type::Array(Type::String.into())), ("f", Type::Function)],
                Type::Undefined,
            ),
            operation(
                "later",
                Kind::Function,
                &[("p", Type::Promise(Type::String.into()))],
                Type::Promise(Type::String.into()),
            ),
            operation("Store.new", Kind::Constructor, &[("name?", Type::String)], store()),
            operation("Store.from", Kind::Static, &[("other", store())], store()),
            operation("Store.set", Kind::Method, &[("key", Type::String), ("value", Type::String)], Type::Undefined),
            operation("Store.length", Kind::Getter, &[], Type::Number),
            operation("Store.length=", Kind::Setter, &[("value", Type::Number)], Type::Undefined),
            operation(
                "merge",
                Kind::Function,
                &[("a", store()), ("b", Type::Union(vec![store(), Type::Undefined]))],
                Type::String,
            ),
        ],
    }
}

pub(super) fn seeds() -> Seeds {
    let patient = r#"{"resourceType":"Patient","id":"SYN-1","name":[{"family":"Syn\u00e9","given":["Ada"]}]}"#;
    let message = "MSH|^~\\&|SYN|A|B|C|20260101||ADT^A01|1|P|2.5\rPID|1||SYN-1||DOE^JANE\r";
    Seeds {
        texts: [patient, message].map(|text| text.encode_utf16().collect()).into(),
        bytes: vec![message.as_bytes().to_vec()],
        words: [&b"MSH|^~\\&"[..], b"\"resourceType\"", b"OBX"].map(<[u8]>::to_vec).into(),
        numbers: vec![1000, 1 << 40],
    }
}

/// A call by name.
pub(super) fn call(name: &str, args: Vec<JsVal>) -> Op {
    Op::Call { operation: id(name), this: 0, args }
}

pub(super) fn text(text: &str) -> JsVal {
    JsVal::Text(text.encode_utf16().collect())
}

pub(super) fn number(number: f64) -> JsVal {
    JsVal::Number(number.to_bits())
}

pub(super) fn bytes(bytes: &[u8]) -> JsVal {
    JsVal::Bytes { element: Element::Uint8, buffer: super::Buffer::Plain, bytes: bytes.to_vec() }
}

/// A tape of these operations.
pub(super) fn tape(ops: Vec<Op>) -> Tape {
    Tape { ops }
}

/// The hook of most findings: it calls, then memory grows.
pub(super) fn hook(ops: Vec<Op>, pages: u8) -> Hook {
    Hook { throws: false, again: false, pages, ops }
}
