//! What Emscripten's embind registers, as an API: classes, functions and their types, as C++ said them.

use crate::api::{Api, Kind, Operation, Param, Range, Type, id};
use crate::glue::declarations;
use crate::package::Package;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Types within types.
const STEPS_MAX: usize = 16;
/// Typed arrays by their number in embind.
const VIEWS: &[&str] = &[
    "Int8Array",
    "Uint8Array",
    "Int16Array",
    "Uint16Array",
    "Int32Array",
    "Uint32Array",
    "Float32Array",
    "Float64Array",
    "BigInt64Array",
    "BigUint64Array",
];

/// What a host saw while it loaded a package.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Found {
    /// Registrations in order: the end of the function's name, its arguments (types by number, texts, numbers as texts).
    pub events: Vec<Vec<Value>>,
    /// Where none was recognised, what is on the module's object: name, kind, number of parameters where known.
    pub members: Vec<(String, Kind, Option<usize>)>,
}

/// Whether a package's glue has embind.
pub fn is_used(package: &Package) -> bool {
    let marks = ["embind_init_charCodes", "_embind_register_function", "__embind_register_function"];
    package.scripts.iter().any(|script| script.script.as_ref().is_some_and(|script| script.has(&marks)))
        || package.shape.imports.iter().any(|import| import.name.contains("embind"))
}

/// A type as it was registered.
#[derive(Debug, Clone)]
enum Registered {
    Known(Type, Option<Range>),
    Class(String),
    Pointer(u64),
    Optional(u64),
    Record(Vec<(String, u64)>),
    Tuple(Vec<u64>),
}

/// A class's members before its types are known.
#[derive(Debug)]
enum Raw {
    Constructor(u64, Vec<u64>),
    Method(u64, String, Vec<u64>),
    Static(u64, String, Vec<u64>),
    Property(u64, String, u64, Option<u64>),
    Function(String, Vec<u64>),
}

#[derive(Default)]
struct Table {
    types: BTreeMap<u64, Registered>,
    /// Classes that they derive from.
    bases: BTreeMap<u64, u64>,
    raw: Vec<Raw>,
    notes: BTreeSet<String>,
}

/// The operations, in the order of registration, and what there is to say of them.
pub fn api(found: &Found) -> (Api, Vec<String>) {
    let mut table = Table::default();
    for event in &found.events {
        table.event(event);
    }
    let mut operations = Vec::new();
    for raw in &table.raw {
        table.operation(raw, &mut operations);
    }
    let mut notes: Vec<String> = table.notes.iter().cloned().collect();
    if found.events.is_empty() && !found.members.is_empty() {
        for (name, kind, count) in &found.members {
            member(name, *kind, *count, &mut operations);
        }
        notes.push(
            "the glue's own names were shortened: names and numbers of parameters are known, types are not; name \
             declarations as `declarations` in boundary.toml"
                .to_owned(),
        );
    }
    (Api { operations }, notes)
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(value: Option<&Value>) -> u64 {
    value.and_then(Value::as_u64).unwrap_or(0)
}

fn list(value: Option<&Value>) -> Vec<u64> {
    value.and_then(Value::as_array).into_iter().flatten().map(|id| id.as_u64().unwrap_or(0)).collect()
}

impl Table {
    fn known(&mut self, id: u64, ty: Type) {
        self.types.insert(id, Registered::Known(ty, None));
    }

    fn event(&mut self, event: &[Value]) {
        let at = |index: usize| event.get(index);
        let id = number(at(1));
        match text(at(0)).as_str() {
            "void" => self.known(id, Type::Undefined),
            "bool" => self.known(id, Type::Boolean),
            "float" => self.known(id, Type::Number),
            "std_string" | "std_wstring" => self.known(id, Type::String),
            "emval" | "user_type" => self.known(id, Type::Any),
            stem @ ("integer" | "bigint") => {
                let ty = if stem == "bigint" { Type::Bigint } else { Type::Number };
                let range = integer(&text(at(2)), &text(at(3)), &text(at(4)));
                self.types.insert(id, Registered::Known(ty, range));
            }
            "optional" => drop(self.types.insert(id, Registered::Optional(number(at(2))))),
            "memory_view" => {
                let view = text(at(2)).parse().ok().and_then(|index: usize| VIEWS.get(index));
                self.known(id, view.map_or(Type::Any, |name| Type::Bytes((*name).to_owned())));
            }
            // Values are objects that the package hands out: a tape has none of its own.
            "enum" => self.known(id, Type::Any),
            "value_array" => drop(self.types.insert(id, Registered::Tuple(Vec::new()))),
            "value_array_element" => {
                if let Some(Registered::Tuple(elements)) = self.types.get_mut(&id) {
                    elements.push(number(at(2)));
                }
            }
            "value_object" => drop(self.types.insert(id, Registered::Record(Vec::new()))),
            "value_object_field" => {
                if let Some(Registered::Record(fields)) = self.types.get_mut(&id) {
                    fields.push((text(at(2)), number(at(3))));
                }
            }
            "class" => {
                self.types.insert(id, Registered::Class(text(at(5))));
                for pointer in [number(at(2)), number(at(3))] {
                    self.types.insert(pointer, Registered::Pointer(id));
                }
                self.bases.insert(id, number(at(4)));
            }
            "smart_ptr" => drop(self.types.insert(id, Registered::Pointer(number(at(2))))),
            "class_constructor" => self.raw.push(Raw::Constructor(id, list(at(2)))),
            "class_function" => self.raw.push(Raw::Method(id, text(at(2)), list(at(3)))),
            "class_class_function" => self.raw.push(Raw::Static(id, text(at(2)), list(at(3)))),
            "class_property" => {
                let setter = (text(at(5)) != "0").then(|| number(at(4)));
                self.raw.push(Raw::Property(id, text(at(2)), number(at(3)), setter));
            }
            "function" => self.raw.push(Raw::Function(text(at(1)), list(at(2)))),
            _ => {}
        }
    }

    fn ty(&self, id: u64, steps: usize) -> (Type, Option<Range>) {
        let steps = steps + 1;
        match self.types.get(&id) {
            Some(_) if steps > STEPS_MAX => (Type::Any, None),
            Some(Registered::Known(ty, range)) => (ty.clone(), range.clone()),
            Some(Registered::Class(name)) => (Type::Object(name.clone()), None),
            Some(Registered::Pointer(class)) => self.ty(*class, steps),
            Some(Registered::Optional(inner)) => {
                let (inner, range) = self.ty(*inner, steps);
                (Type::Union(vec![inner, Type::Undefined]), range)
            }
            Some(Registered::Record(fields)) => {
                let field = |(name, id): &(String, u64)| (name.clone(), self.ty(*id, steps).0, false);
                (Type::Record(fields.iter().map(field).collect()), None)
            }
            Some(Registered::Tuple(elements)) => {
                let types: BTreeSet<String> = elements.iter().map(|id| self.ty(*id, steps).0.to_string()).collect();
                let one = elements.first().filter(|_| types.len() == 1).map_or(Type::Any, |id| self.ty(*id, steps).0);
                (Type::Array(Box::new(one)), None)
            }
            // Registered later, by another module, or not at all.
            None => (Type::Any, None),
        }
    }

    fn class(&self, id: u64) -> String {
        match self.types.get(&id) {
            Some(Registered::Class(name)) => name.clone(),
            _ => String::new(),
        }
    }

    /// Classes that derive from it, itself first: embind's prototypes hand methods on.
    fn heirs(&self, class: u64) -> Vec<u64> {
        let mut heirs = vec![class];
        let mut at = 0;
        while at < heirs.len() {
            let more = self.bases.iter().filter(|(heir, base)| **base == heirs[at] && !heirs.contains(heir));
            let more: Vec<u64> = more.map(|(heir, _)| *heir).collect();
            heirs.extend(more);
            at += 1;
        }
        heirs
    }

    fn params(&self, types: &[u64]) -> Vec<Param> {
        let param = |(at, id): (usize, &u64)| {
            let (ty, range) = self.ty(*id, 0);
            let optional = matches!(self.types.get(id), Some(Registered::Optional(_)));
            Param { name: format!("p{at}"), ty, optional, range }
        };
        types.iter().enumerate().map(param).collect()
    }

    fn operation(&self, raw: &Raw, operations: &mut Vec<Operation>) {
        let mut push = |kind: Kind, class: Option<String>, member: &str, params: Vec<Param>, result: Type| {
            let name = match (&class, kind) {
                (Some(class), Kind::Constructor) => format!("{class}.new"),
                (Some(class), Kind::Setter) => format!("{class}.{member}="),
                (Some(class), _) => format!("{class}.{member}"),
                (None, _) => member.to_owned(),
            };
            let new = Operation {
                id: id(&name),
                name,
                kind,
                class,
                member: member.to_owned(),
                params,
                result,
                consumes_this: false,
            };
            // Overloads have one name: those with fewer parameters make the others optional.
            match operations.iter_mut().find(|other| other.id == new.id) {
                Some(other) => overload(other, new),
                None => drop(declarations::add(operations, new)),
            }
        };
        match raw {
            Raw::Function(name, types) => {
                let Some((result, params)) = types.split_first() else { return };
                push(Kind::Function, None, name, self.params(params), self.ty(*result, 0).0);
            }
            Raw::Constructor(class, types) => {
                let class = self.class(*class);
                let params = types.get(1..).unwrap_or_default();
                push(Kind::Constructor, Some(class.clone()), &class, self.params(params), Type::Object(class.clone()));
            }
            Raw::Method(class, name, types) => {
                let params = types.get(2..).unwrap_or_default();
                let result = types.first().map_or(Type::Any, |id| self.ty(*id, 0).0);
                for heir in self.heirs(*class) {
                    push(Kind::Method, Some(self.class(heir)), name, self.params(params), result.clone());
                }
            }
            Raw::Static(class, name, types) => {
                let Some((result, params)) = types.split_first() else { return };
                push(Kind::Static, Some(self.class(*class)), name, self.params(params), self.ty(*result, 0).0);
            }
            Raw::Property(class, name, getter, setter) => {
                for heir in self.heirs(*class) {
                    let class = self.class(heir);
                    push(Kind::Getter, Some(class.clone()), name, Vec::new(), self.ty(*getter, 0).0);
                    if let Some(setter) = setter {
                        let (ty, range) = self.ty(*setter, 0);
                        let value = Param { name: "value".to_owned(), ty, optional: false, range };
                        push(Kind::Setter, Some(class), name, vec![value], Type::Undefined);
                    }
                }
            }
        }
    }
}

/// Makes of two signatures of one name one that takes both.
fn overload(known: &mut Operation, other: Operation) {
    let least = known.params.iter().filter(|param| !param.optional).count().min(other.params.len());
    for (at, param) in other.params.into_iter().enumerate() {
        match known.params.get_mut(at) {
            Some(first) if first.ty == param.ty => {}
            Some(first) => {
                let mut types = match first.ty.clone() {
                    Type::Union(types) => types,
                    one => vec![one],
                };
                if !types.contains(&param.ty) {
                    types.push(param.ty);
                }
                (first.ty, first.range) = (Type::Union(types), None);
            }
            None => known.params.push(param),
        }
    }
    for param in known.params.iter_mut().skip(least) {
        param.optional = true;
    }
    if known.result != other.result {
        known.result = Type::Any;
    }
}

/// Range of an integer of that many bytes; embind gives unsigned ones a smallest of 0.
fn integer(name: &str, bytes: &str, min: &str) -> Option<Range> {
    let bits = 8 * bytes.parse::<u32>().ok().filter(|bytes| (1..=8).contains(bytes))?;
    let (min, max) = match min {
        "0" => (0, (1_i128 << bits) - 1),
        _ => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
    };
    Some(Range { min: min.to_string(), max: max.to_string(), integer: true, source: format!("embind: {name}") })
}

/// An operation of which only the name is known, and perhaps how many parameters it has.
fn member(name: &str, kind: Kind, count: Option<usize>, operations: &mut Vec<Operation>) {
    let (class, member) = match (kind, name.split_once('.')) {
        (Kind::Constructor, _) => (Some(name), name),
        (_, Some((class, member))) => (Some(class), member),
        _ => (None, name),
    };
    if declarations::is_runtime(member) || declarations::is_plumbing(member) || declarations::is_handle(member) {
        return;
    }
    let name = match kind {
        Kind::Constructor => format!("{name}.new"),
        Kind::Setter => format!("{name}="),
        _ => name.to_owned(),
    };
    let param = |at: usize| Param { name: format!("p{at}"), ty: Type::Any, optional: count.is_none(), range: None };
    let result = match (kind, class) {
        (Kind::Constructor, Some(class)) => Type::Object(class.to_owned()),
        (Kind::Setter, _) => Type::Undefined,
        _ => Type::Any,
    };
    let operation = Operation {
        id: id(&name),
        name,
        kind,
        class: class.map(str::to_owned),
        member: member.to_owned(),
        params: (0..count.unwrap_or(1)).map(param).collect(),
        result,
        consumes_this: false,
    };
    declarations::add(operations, operation);
}
