//! What a written type means: names followed through files, members with inherited ones, builtin types.

use super::merge::{merged, union};
use super::source::{Declared, Member, MemberKind, Raw, Signature};
use super::{MEMBERS_MAX, PARTS_MAX, Reader, STEPS_MAX};
use crate::api::{Range, Type};

/// Where a type stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Param,
    Result,
}

/// Of which file a type is, and what `this` means there.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) file: usize,
    pub(super) this: &'s str,
    pub(super) place: Place,
}

impl Reader {
    /// Whether one more step may be taken.
    pub(super) fn may_look(&self, steps: usize) -> bool {
        self.lookups.set(self.lookups.get().saturating_sub(1));
        steps <= STEPS_MAX && self.lookups.get() > 0
    }

    /// All members of an object type, inherited ones last, each with its file.
    pub(super) fn members(&self, file: usize, raw: &Raw, steps: usize) -> Vec<(usize, Member)> {
        let mut all = Vec::new();
        if !self.may_look(steps) {
            return all;
        }
        match raw {
            Raw::Literal(members) => all.extend(members.iter().map(|member| (file, member.clone()))),
            Raw::Intersection(parts) => {
                parts.iter().for_each(|part| all.extend(self.members(file, part, steps + 1)));
                all.truncate(MEMBERS_MAX);
            }
            Raw::TypeOf(name) => {
                let Some((file, name)) = self.find(file, name, 0) else { return all };
                let prefix = format!("{name}.");
                for (inside, declared) in self.source(file).declared.iter() {
                    let Some(short) = inside.strip_prefix(&prefix) else { continue };
                    let kind = match declared {
                        Declared::Function(signatures) => match merged(signatures) {
                            Some(signature) => MemberKind::Method(signature),
                            None => continue,
                        },
                        Declared::Variable(raw) => MemberKind::Property(raw.clone()),
                        _ => continue,
                    };
                    let name = short.to_owned();
                    let member =
                        Member { name, is_static: false, optional: false, readonly: false, private: false, kind };
                    all.push((file, member));
                }
            }
            Raw::Named(name, _) => {
                let Some((file, name)) = self.find(file, name, 0) else { return all };
                let mut parents: Vec<Raw> = Vec::new();
                for declared in self.declared(file, &name) {
                    match declared {
                        Declared::Class(members, parent) => {
                            all.extend(members.iter().map(|member| (file, member.clone())));
                            parents.extend(parent.clone());
                        }
                        Declared::Interface(members, extends) => {
                            all.extend(members.iter().map(|member| (file, member.clone())));
                            parents.extend(extends.iter().cloned());
                        }
                        Declared::Alias(raw) => all.extend(self.members(file, raw, steps + 1)),
                        _ => {}
                    }
                }
                for parent in parents {
                    let inherited = self.members(file, &parent, steps + 1);
                    let own = |member: &Member| {
                        let kind = std::mem::discriminant(&member.kind);
                        all.iter()
                            .any(|(_, other)| other.name == member.name && std::mem::discriminant(&other.kind) == kind)
                    };
                    let new: Vec<_> = inherited.into_iter().filter(|(_, member)| !own(member)).collect();
                    all.extend(new);
                    all.truncate(MEMBERS_MAX);
                }
            }
            _ => {}
        }
        self.lookups.set(self.lookups.get().saturating_sub(all.len() / 16));
        all
    }

    /// Signatures of a function type.
    pub(super) fn called(&self, file: usize, raw: &Raw, steps: usize) -> Vec<Signature> {
        if !self.may_look(steps) {
            return Vec::new();
        }
        match raw {
            Raw::Function(signature) => vec![(**signature).clone()],
            Raw::Literal(members) => members
                .iter()
                .filter_map(|member| match &member.kind {
                    MemberKind::Call(signature) => Some(signature.clone()),
                    _ => None,
                })
                .collect(),
            Raw::Named(name, _) => {
                let Some((file, name)) = self.find(file, name, 0) else { return Vec::new() };
                let within = self.declared(file, &name).into_iter().flat_map(|declared| match declared {
                    Declared::Alias(raw) => self.called(file, raw, steps + 1),
                    Declared::Interface(members, _) => self.called(file, &Raw::Literal(members.clone()), steps + 1),
                    _ => Vec::new(),
                });
                within.collect()
            }
            Raw::TypeOf(name) => {
                let Some((file, name)) = self.find(file, name, 0) else { return Vec::new() };
                let within = self.declared(file, &name).into_iter().flat_map(|declared| match declared {
                    Declared::Function(signatures) => signatures.clone(),
                    _ => Vec::new(),
                });
                within.collect()
            }
            _ => Vec::new(),
        }
    }

    /// Smallest to largest value of an enum of numbers.
    pub(super) fn enum_range(&self, file: usize, raw: &Raw, steps: usize) -> Option<Range> {
        if steps > STEPS_MAX {
            return None;
        }
        match raw {
            Raw::Union(parts) => {
                let real: Vec<&Raw> =
                    parts.iter().filter(|part| !matches!(part, Raw::Known(Type::Null | Type::Undefined))).collect();
                let [one] = real[..] else { return None };
                self.enum_range(file, one, steps + 1)
            }
            Raw::Named(name, _) => {
                let (file, name) = self.find(file, name, 0)?;
                self.declared(file, &name).into_iter().find_map(|declared| match declared {
                    Declared::Enum(values) if !values.unknown && !values.strings && !values.numbers.is_empty() => {
                        let min = values.numbers.iter().copied().fold(f64::INFINITY, f64::min);
                        let max = values.numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        let integer = values.numbers.iter().all(|number| number.fract() == 0.0);
                        let source = format!("declaration: enum {name}");
                        Some(Range { min: min.to_string(), max: max.to_string(), integer, source })
                    }
                    Declared::Alias(raw) => self.enum_range(file, raw, steps + 1),
                    _ => None,
                })
            }
            _ => None,
        }
    }

    pub(super) fn resolve(&mut self, raw: &Raw, scope: Scope<'_>, steps: usize) -> Type {
        self.parts += 1;
        if steps > STEPS_MAX || self.parts > PARTS_MAX {
            return Type::Any;
        }
        match raw {
            Raw::Known(known) => known.clone(),
            Raw::Array(items) => Type::Array(Box::new(self.resolve(items, scope, steps + 1))),
            Raw::Union(parts) => {
                let parts = parts.iter().map(|part| self.resolve(part, scope, steps + 1)).collect();
                union(parts)
            }
            Raw::Function(_) => Type::Function,
            Raw::Literal(members) => {
                self.record(members.iter().map(|m| (scope.file, m.clone())).collect(), scope, steps)
            }
            Raw::Intersection(_) => {
                let members = self.members(scope.file, raw, 0);
                if members.is_empty() { Type::Any } else { self.record(members, scope, steps) }
            }
            Raw::TypeOf(_) => Type::Any,
            Raw::This if scope.this.is_empty() => Type::Any,
            Raw::This => Type::Object(scope.this.to_owned()),
            Raw::Named(name, arguments) => match self.find(scope.file, name, 0) {
                Some((file, name)) => self.named(file, &name, scope, steps),
                None => self.builtin(name, arguments, scope, steps),
            },
        }
    }

    pub(super) fn named(&mut self, file: usize, name: &str, scope: Scope<'_>, steps: usize) -> Type {
        let scope = Scope { file, ..scope };
        let (mut alias, mut is_class, mut is_interface, mut values) = (None, false, false, None);
        for declared in self.declared(file, name) {
            match declared {
                Declared::Alias(raw) => alias = Some(raw.clone()),
                Declared::Class(..) => is_class = true,
                Declared::Interface(..) => is_interface = true,
                Declared::Enum(found) => values = Some((found.strings, !found.numbers.is_empty(), found.unknown)),
                _ => {}
            }
        }
        let outside = self.outside.get(&(file, name.to_owned())).cloned();
        if is_class {
            if outside.is_none() {
                self.handle(file, name);
            }
            return Type::Object(outside.unwrap_or_else(|| name.to_owned()));
        }
        if let Some((strings, numbers, unknown)) = values {
            let numbers = (numbers || unknown).then_some(Type::Number);
            let strings = (strings || unknown).then_some(Type::String);
            return union(numbers.into_iter().chain(strings).collect());
        }
        if is_interface {
            let members = self.members(file, &Raw::Named(name.to_owned(), Vec::new()), 0);
            let callable = members.iter().any(|(_, member)| matches!(member.kind, MemberKind::Call(_)));
            if callable {
                return Type::Function;
            }
            let methods = members.iter().any(|(_, member)| matches!(member.kind, MemberKind::Method(_)));
            if methods && scope.place == Place::Result {
                self.handle(file, name);
            }
            let is_handle = self.handles.iter().any(|(other, known)| *other == file && known == name);
            if is_handle {
                return Type::Object(outside.unwrap_or_else(|| name.to_owned()));
            }
            return self.record(members, scope, steps);
        }
        match alias {
            Some(raw) => self.resolve(&raw, scope, steps + 1),
            None => Type::Any,
        }
    }

    pub(super) fn handle(&mut self, file: usize, name: &str) {
        let handle = (file, name.to_owned());
        if !self.handles.contains(&handle) {
            self.handles.push(handle);
        }
    }

    pub(super) fn record(&mut self, members: Vec<(usize, Member)>, scope: Scope<'_>, steps: usize) -> Type {
        let mut fields: Vec<(String, Type, bool)> = Vec::new();
        for (file, member) in members {
            let scope = Scope { file, ..scope };
            let ty = match &member.kind {
                MemberKind::Call(_) | MemberKind::Construct(_) => return Type::Function,
                MemberKind::Method(_) => Type::Function,
                MemberKind::Property(raw) | MemberKind::Get(raw) => self.resolve(raw, scope, steps + 1),
                MemberKind::Set(_) => continue,
            };
            if !fields.iter().any(|(name, ..)| *name == member.name) {
                fields.push((member.name, ty, member.optional));
            }
        }
        // `{}` and what only has symbols or an index says nothing.
        if fields.is_empty() { Type::Any } else { Type::Record(fields) }
    }

    pub(super) fn builtin(&mut self, name: &str, arguments: &[Raw], scope: Scope<'_>, steps: usize) -> Type {
        let bytes = |name: &str| Type::Bytes(name.to_owned());
        match name {
            "Uint8Array" | "Int8Array" | "Uint8ClampedArray" | "Uint16Array" | "Int16Array" | "Uint32Array"
            | "Int32Array" | "Float32Array" | "Float64Array" | "BigInt64Array" | "BigUint64Array" | "ArrayBuffer"
            | "DataView" => bytes(name),
            "Buffer" | "ArrayBufferView" => bytes("Uint8Array"),
            "BufferSource" | "ArrayBufferLike" => Type::Union(vec![bytes("Uint8Array"), bytes("ArrayBuffer")]),
            "String" => Type::String,
            // AssemblyScript's word for fields that may be left out of a record that is given.
            "TOmittable" => Type::Undefined,
            "Number" => Type::Number,
            "Boolean" => Type::Boolean,
            "BigInt" => Type::Bigint,
            "Symbol" => Type::Symbol,
            "Function" => Type::Function,
            "Promise" | "PromiseLike" => {
                let inner = arguments.first().map_or(Type::Any, |inner| self.resolve(inner, scope, steps + 1));
                Type::Promise(Box::new(inner))
            }
            "Array" | "ReadonlyArray" => {
                let inner = arguments.first().map_or(Type::Any, |inner| self.resolve(inner, scope, steps + 1));
                Type::Array(Box::new(inner))
            }
            "Readonly" | "NonNullable" | "Awaited" | "Required" => {
                arguments.first().map_or(Type::Any, |inner| self.resolve(inner, scope, steps + 1))
            }
            "Partial" => match arguments.first().map(|inner| self.resolve(inner, scope, steps + 1)) {
                Some(Type::Record(fields)) => {
                    Type::Record(fields.into_iter().map(|(name, ty, _)| (name, ty, true)).collect())
                }
                other => other.unwrap_or(Type::Any),
            },
            _ => Type::Any,
        }
    }
}
