//! Which caller could make the calls of a tape: the declared types and its values, compared.

use super::{Buffer, Element, Hook, JsVal, Op, Profile, Tape};
use crate::api::{Api, Operation, Type};

/// An API whose operations are found by their id.
#[derive(Debug, Clone)]
pub(super) struct Index<'a> {
    pub(super) operations: &'a [Operation],
    /// Id and place, sorted.
    places: Vec<(u32, usize)>,
}

impl<'a> Index<'a> {
    pub(super) fn new(api: &'a Api) -> Self {
        let mut places: Vec<_> = api.operations.iter().enumerate().map(|(at, operation)| (operation.id, at)).collect();
        places.sort_unstable();
        Self { operations: &api.operations, places }
    }

    pub(super) fn operation(&self, id: u32) -> Option<&'a Operation> {
        let at = self.places.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.operations[self.places[at].1])
    }

    /// The smallest profile that this tape belongs to.
    pub(super) fn profile(&self, tape: &Tape) -> Profile {
        self.ops(&tape.ops, &mut Vec::new())
    }

    /// `slots` are the declared types of the objects that calls before have returned, where all went well. What calls in
    /// hooks return is not among them: whether and when a hook runs is not known.
    fn ops(&self, ops: &[Op], slots: &mut Vec<&'a Type>) -> Profile {
        ops.iter().map(|op| self.op(op, slots)).max().unwrap_or(Profile::Typed)
    }

    /// The profile of one operation; its result becomes a slot.
    pub(super) fn op(&self, op: &Op, slots: &mut Vec<&'a Type>) -> Profile {
        match op {
            Op::Call { operation, args, .. } => {
                let operation = self.operation(*operation);
                let given = args.iter().enumerate().map(|(at, value)| self.arg(operation, at, value, slots));
                let given = given.max().unwrap_or(Profile::Typed);
                let Some(operation) = operation else { return given };
                if is_slot(&operation.result) {
                    slots.push(&operation.result);
                }
                let missing = operation.params.iter().skip(args.len()).any(|param| !param.optional);
                // A missing argument is what reading an absent property of parsed JSON gives.
                given.max(if missing { Profile::Json } else { Profile::Typed })
            }
            // What the program itself does never writes there; merging parsed JSON does.
            Op::Assign { value, .. } => self.json(value),
            Op::Free { .. } | Op::Gc | Op::Await { .. } | Op::Grow { .. } => Profile::Typed,
        }
    }

    /// The profile of the `at`-th argument.
    pub(super) fn arg(
        &self,
        operation: Option<&'a Operation>,
        at: usize,
        value: &JsVal,
        slots: &[&'a Type],
    ) -> Profile {
        let param = operation.and_then(|operation| operation.params.get(at));
        match (param, value) {
            (Some(param), JsVal::Undefined) if param.optional => Profile::Typed,
            (Some(param), value) => match self.value(value, &param.ty, slots) {
                Profile::Hostile if *value == JsVal::Undefined => Profile::Json,
                profile => profile,
            },
            // Nobody reads it; TypeScript would still refuse it.
            (None, value) if operation.is_some() => self.json(value),
            (None, value) => self.any(value, slots),
        }
    }

    /// The profile of a value where that type is declared.
    pub(super) fn value(&self, value: &JsVal, ty: &Type, slots: &[&'a Type]) -> Profile {
        match (ty, value) {
            (Type::Union(types), _) => {
                let all = types.iter().map(|ty| self.value(value, ty, slots));
                all.min().unwrap_or_else(|| self.json(value))
            }
            (Type::Any, _) => self.any(value, slots),
            (Type::Undefined, JsVal::Undefined)
            | (Type::Null, JsVal::Null)
            | (Type::Boolean, JsVal::Boolean(_))
            | (Type::Number, JsVal::Number(_))
            | (Type::Bigint, JsVal::BigInt(_))
            | (Type::String, JsVal::Text(_))
            | (Type::Symbol, JsVal::Symbol) => Profile::Typed,
            (Type::Bytes(name), JsVal::Bytes { element, buffer, .. }) if element.name() == name => match buffer {
                // No `ArrayBuffer`, but a `SharedArrayBuffer`.
                Buffer::Shared if *element == Element::ArrayBuffer => Profile::Hostile,
                Buffer::Plain | Buffer::Shared | Buffer::Resizable | Buffer::Detached => Profile::Typed,
                Buffer::Memory => Profile::Hostile,
            },
            (Type::Array(item), JsVal::Array(items)) => worst(items.iter().map(|value| self.value(value, item, slots))),
            (
                Type::Object(_) | Type::Promise(_) | Type::Bytes(_) | Type::Array(_) | Type::Record(_),
                JsVal::Ref(slot),
            ) => {
                let known = slots.get(usize::from(*slot) % slots.len().max(1));
                if known.is_some_and(|known| gives(known, ty)) { Profile::Typed } else { Profile::Hostile }
            }
            (Type::Record(fields), JsVal::Object(given)) => {
                let known = fields.iter().map(|(name, ty, optional)| {
                    match given.iter().rev().find(|(given, _)| given == name) {
                        Some((_, JsVal::Undefined)) | None if *optional => Profile::Typed,
                        Some((_, value)) => self.value(value, ty, slots),
                        None => Profile::Json,
                    }
                });
                let others = given.iter().filter(|(name, _)| fields.iter().all(|(known, ..)| known != name));
                worst(known.chain(others.map(|(_, value)| self.any(value, slots))))
            }
            (Type::Function, JsVal::Callback(hook, value)) => self.hook(hook, slots).max(self.any(value, slots)),
            (Type::Promise(ty), JsVal::Promise(hook, value)) => {
                self.hook(hook, slots).max(self.value(value, ty, slots))
            }
            _ => self.json(value),
        }
    }

    fn hook(&self, hook: &Hook, slots: &[&'a Type]) -> Profile {
        if hook.ops.is_empty() { Profile::Typed } else { self.ops(&hook.ops, &mut slots.to_vec()) }
    }

    /// Of a value that only `JSON.parse` would put there, or not even that.
    fn json(&self, value: &JsVal) -> Profile {
        match value {
            // 1e999 is JSON, and so is -0; no text is NaN.
            JsVal::Number(bits) if !f64::from_bits(*bits).is_nan() => Profile::Json,
            JsVal::Null | JsVal::Boolean(_) | JsVal::Text(_) => Profile::Json,
            JsVal::Array(items) => worst(items.iter().map(|item| self.json(item))).max(Profile::Json),
            JsVal::Object(fields) => worst(fields.iter().map(|(_, value)| self.json(value))).max(Profile::Json),
            _ => Profile::Hostile,
        }
    }

    /// Of a value where anything is allowed: only objects that do something when they are read are hostile.
    fn any(&self, value: &JsVal, slots: &[&'a Type]) -> Profile {
        match value {
            JsVal::Array(items) => worst(items.iter().map(|item| self.any(item, slots))),
            JsVal::Object(fields) => worst(fields.iter().map(|(_, value)| self.any(value, slots))),
            JsVal::Callback(hook, value) | JsVal::Promise(hook, value) => {
                self.hook(hook, slots).max(self.any(value, slots))
            }
            JsVal::Bytes { buffer: Buffer::Memory, .. }
            | JsVal::ArrayLike { .. }
            | JsVal::Getters(_)
            | JsVal::ValueOf(..)
            | JsVal::Proxy(..) => Profile::Hostile,
            _ => Profile::Typed,
        }
    }
}

fn worst(profiles: impl Iterator<Item = Profile>) -> Profile {
    profiles.max().unwrap_or(Profile::Typed)
}

/// Whether a result of a type may be what another type asks for.
pub(super) fn gives(result: &Type, wanted: &Type) -> bool {
    result == wanted || matches!(result, Type::Union(types) if types.contains(wanted))
}

/// Whether results of that type become slots.
pub(super) fn is_slot(ty: &Type) -> bool {
    match ty {
        Type::Object(_) | Type::Promise(_) | Type::Array(_) | Type::Bytes(_) | Type::Record(_) => true,
        Type::Union(types) => types.iter().any(is_slot),
        _ => false,
    }
}

impl Tape {
    /// The smallest profile that it belongs to. Objects are told by the declared result of the calls before; forced growth
    /// does not count, as any call of a caller may make memory grow.
    pub fn profile(&self, api: &Api) -> Profile {
        Index::new(api).profile(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{api, bytes, call, hook, number, tape, text};
    use super::*;

    #[test]
    fn a_tape_belongs_to_the_smallest_profile_that_has_it() {
        use Profile::{Hostile, Json, Typed};
        let store = || call("Store.new", vec![]);
        let array = |items: &[f64]| JsVal::Array(items.iter().map(|item| number(*item)).collect());
        let object = |fields: &[(&str, JsVal)]| {
            JsVal::Object(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
        };
        let callback = |value: JsVal| JsVal::Callback(hook(vec![call("parse", vec![value])], 1), Box::new(JsVal::Null));
        let memory = JsVal::Bytes { element: Element::Uint8, buffer: Buffer::Memory, bytes: vec![] };
        let table = [
            (vec![], Typed),
            (vec![Op::Gc, Op::Grow { pages: 1 }, Op::Free { slot: 3 }], Typed),
            (vec![call("parse", vec![JsVal::Text(vec![0xd800])])], Typed),
            (vec![call("parse", vec![number(5.0)])], Json),
            (vec![call("parse", vec![number(f64::NAN)])], Hostile),
            (vec![call("parse", vec![])], Json),
            (vec![call("parse", vec![JsVal::Undefined])], Json),
            (vec![call("parse", vec![text("a"), JsVal::Null])], Json),
            (vec![call("parse", vec![JsVal::Symbol])], Hostile),
            (vec![call("limit", vec![number(f64::NAN)])], Typed),
            (vec![call("limit", vec![number(-1.0), JsVal::Undefined])], Typed),
            (vec![call("limit", vec![JsVal::BigInt(1)])], Hostile),
            (vec![call("unescape", vec![bytes(b"x")])], Typed),
            (vec![call("unescape", vec![array(&[1.0])])], Typed),
            (vec![call("unescape", vec![JsVal::Array(vec![text("1")])])], Json),
            (vec![call("unescape", vec![object(&[("length", number(2e8))])])], Json),
            (vec![call("unescape", vec![memory])], Hostile),
            (vec![call("options", vec![object(&[("name", text("x"))])])], Typed),
            (vec![call("options", vec![object(&[("name", text("x")), ("deep", JsVal::Undefined)])])], Typed),
            (vec![call("options", vec![object(&[("deep", JsVal::Boolean(true))])])], Json),
            (vec![call("options", vec![object(&[("name", JsVal::Null)]), JsVal::Symbol])], Json),
            (vec![call("options", vec![JsVal::Getters(vec![])])], Hostile),
            (vec![call("each", vec![JsVal::Array(vec![]), callback(text("x"))])], Typed),
            (vec![call("each", vec![JsVal::Array(vec![]), callback(number(1.0))])], Json),
            (vec![call("each", vec![JsVal::Array(vec![]), callback(JsVal::Symbol)])], Hostile),
            (vec![store(), call("merge", vec![JsVal::Ref(0), JsVal::Undefined])], Typed),
            (vec![store(), store(), call("merge", vec![JsVal::Ref(1), JsVal::Ref(2)])], Typed),
            (vec![call("merge", vec![JsVal::Ref(0), JsVal::Undefined])], Hostile),
            (vec![store(), Op::Assign { slot: 0, name: "__wbg_ptr".to_owned(), value: number(0.0) }], Json),
            (vec![Op::Assign { slot: 0, name: String::new(), value: JsVal::Ref(0) }], Hostile),
            (vec![Op::Call { operation: 7, this: 0, args: vec![text("x")] }], Typed),
        ];
        for (ops, profile) in table {
            let tape = tape(ops);
            assert_eq!(tape.profile(&api()), profile, "{tape:?}");
        }
    }
}
