//! Overloads as one signature, unions without repetition, and which file an import means.

use super::source::{Member, MemberKind, Raw, RawParam, Signature};
use crate::api::Type;

/// Signatures beyond these are not merged.
const SIGNATURES_MAX: usize = 32;

/// Signatures of the members of one kind, and of one name where one is given.
pub fn overloads(
    members: &[(usize, Member)],
    wanted: impl Fn(&MemberKind) -> bool,
    name: Option<(&str, bool)>,
) -> Vec<(usize, Signature)> {
    let same = |member: &Member| {
        !member.private && name.is_none_or(|(name, is_static)| member.name == name && member.is_static == is_static)
    };
    let all = members.iter().filter(|(_, member)| same(member) && wanted(&member.kind));
    let all = all.filter_map(|(file, member)| match &member.kind {
        MemberKind::Construct(signature) | MemberKind::Method(signature) => Some((*file, signature.clone())),
        _ => None,
    });
    all.collect()
}

/// Overloads as one signature: a parameter takes what it takes in any of them.
pub fn merged(signatures: &[Signature]) -> Option<Signature> {
    let (head, more) = signatures.split_first()?;
    let mut all = head.clone();
    for other in more.iter().take(SIGNATURES_MAX) {
        for (at, param) in other.params.iter().enumerate() {
            match all.params.get_mut(at) {
                Some(known) => {
                    known.optional |= param.optional;
                    known.ty = either(known.ty.clone(), &param.ty);
                }
                None => all.params.push(RawParam { optional: true, ..param.clone() }),
            }
        }
        for param in all.params.iter_mut().skip(other.params.len()) {
            param.optional = true;
        }
        all.result = either(all.result, &other.result);
        all.documented.extend(other.documented.clone());
    }
    Some(all)
}

fn either(known: Raw, more: &Raw) -> Raw {
    let mut parts = match known {
        Raw::Union(parts) => parts,
        one => vec![one],
    };
    parts.push(more.clone());
    Raw::Union(parts)
}

/// A union without repetitions; one part stands for itself, and with anything among them it is anything.
pub fn union(parts: Vec<Type>) -> Type {
    let mut flat: Vec<Type> = Vec::new();
    for part in parts {
        let inner = match part {
            Type::Union(inner) => inner,
            other => vec![other],
        };
        for one in inner {
            if !flat.contains(&one) {
                flat.push(one);
            }
        }
    }
    if flat.is_empty() || flat.contains(&Type::Any) {
        return Type::Any;
    }
    if flat.len() == 1 { flat.remove(0) } else { Type::Union(flat) }
}

/// The file of the package that a relative import means.
pub fn beside(from: &str, specifier: &str, text: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    candidates(from, specifier).into_iter().find(|name| text(name).is_some())
}

/// Files that a relative import may mean, likeliest first.
pub fn candidates(from: &str, specifier: &str) -> Vec<String> {
    let Some(path) = crate::package::join(from, specifier) else { return Vec::new() };
    let bases = [".js", ".mjs", ".cjs", ".d.ts", ".ts"].iter().find_map(|end| path.strip_suffix(end));
    let base = bases.unwrap_or(&path).to_owned();
    let mut all = vec![format!("{base}.d.ts"), format!("{base}.d.mts"), format!("{base}.d.cts")];
    if base != path {
        all.push(format!("{path}.d.ts"));
    }
    all.push(format!("{path}/index.d.ts"));
    all
}
