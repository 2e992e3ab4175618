//! Where two canonical trees part.

use crate::tree::{Erase, Id, Tree, What};

/// What kind of difference it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// Another resource type or segment id.
    Type,
    /// The reference has it, the peer has not.
    Missing,
    /// The peer has it, the reference has not.
    Added,
    /// A list has another length.
    Count,
    /// Another kind of node.
    Kind,
    /// Equal as a number, but with other significant digits.
    Precision,
    /// Another value.
    Value,
}

impl Change {
    /// In signatures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Missing => "missing",
            Self::Added => "added",
            Self::Count => "count",
            Self::Kind => "kind",
            Self::Precision => "precision",
            Self::Value => "value",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Its kind.
    pub change: Change,
    /// The node of the reference; where the peer added one, the node that should not hold it.
    pub reference: Id,
    /// The peer's node; where one is missing, the node that should hold it.
    pub peer: Id,
}

/// The first differences, at most `max`, in the reference's order. Linear in both trees, without recursion.
pub fn differences(reference: &Tree, peer: &Tree, erase: Erase, max: usize) -> Vec<Difference> {
    let (ours, theirs) = (reference.digests(erase), peer.digests(erase));
    let mut found = Vec::new();
    let mut waiting = match (reference.root(), peer.root()) {
        (Some(a), Some(b)) if ours[a as usize] != theirs[b as usize] => vec![(a, b)],
        _ => Vec::new(),
    };
    while let Some((a, b)) = waiting.pop() {
        if found.len() >= max {
            break;
        }
        let note = |change, a, b| Difference { change, reference: a, peer: b };
        let (mut a, mut b) = (a, b);
        if erase.has(Erase::SINGLE_LISTS) {
            (a, b) = (only_item(reference, a, &ours), only_item(peer, b, &theirs));
        }
        let (kind_a, kind_b) = (reference.what(a), peer.what(b));
        if kind_a != kind_b && !(erase.has(Erase::KINDS) && is_scalar(kind_a) && is_scalar(kind_b)) {
            found.push(note(Change::Kind, a, b));
            continue;
        }
        match kind_a {
            What::Object if reference.text(a) != peer.text(b) => found.push(note(Change::Type, a, b)),
            What::List => {
                let items = |tree: &Tree, id, digests: &[Option<u64>]| -> Vec<Id> {
                    tree.children(id).filter(|id| digests[*id as usize].is_some()).collect()
                };
                let (a_items, b_items) = (items(reference, a, &ours), items(peer, b, &theirs));
                if a_items.len() != b_items.len() {
                    found.push(note(Change::Count, a, b));
                }
                let pairs = a_items.into_iter().zip(b_items);
                push_reversed(&mut waiting, pairs.filter(|(a, b)| ours[*a as usize] != theirs[*b as usize]));
            }
            _ => {
                let scalar = is_scalar(kind_a) || kind_a == What::Narrative;
                if scalar && !same_value(reference, peer, erase, a, b) {
                    let precise =
                        kind_a == What::Number && same_value(reference, peer, erase.and(Erase::PRECISION), a, b);
                    found.push(note(if precise { Change::Precision } else { Change::Value }, a, b));
                }
                // Members by name, and primitives' twins; of duplicates the nth with the nth.
                let mut matched = Vec::new();
                let mut pairs = Vec::new();
                let mut others: Vec<(&[u8], Id)> = Vec::new();
                for child in peer.children(b).filter(|id| theirs[*id as usize].is_some()) {
                    others.push((peer.label(child), child));
                }
                others.sort_by_key(|(label, id)| (*label, *id));
                let mut used = vec![false; others.len()];
                for child in reference.children(a).filter(|id| ours[*id as usize].is_some()) {
                    let label = reference.label(child);
                    let from = others.partition_point(|(other, _)| *other < label);
                    let nth = (from..others.len()).take_while(|at| others[*at].0 == label).find(|at| !used[*at]);
                    match nth {
                        Some(at) => {
                            used[at] = true;
                            pairs.push((child, others[at].1));
                        }
                        None => matched.push(note(Change::Missing, child, b)),
                    }
                }
                let added = others.iter().zip(&used).filter(|(_, used)| !**used).map(|((_, id), _)| *id);
                matched.extend(added.map(|id| note(Change::Added, a, id)));
                found.extend(matched);
                let parted = pairs.into_iter().filter(|(a, b)| ours[*a as usize] != theirs[*b as usize]);
                push_reversed(&mut waiting, parted);
            }
        }
    }
    found.truncate(max);
    found
}

fn push_reversed(waiting: &mut Vec<(Id, Id)>, pairs: impl Iterator<Item = (Id, Id)>) {
    let at = waiting.len();
    waiting.extend(pairs);
    waiting[at..].reverse();
}

/// The item that stands for a list of one.
fn only_item(tree: &Tree, id: Id, digests: &[Option<u64>]) -> Id {
    if tree.what(id) != What::List {
        return id;
    }
    let mut items = tree.children(id).filter(|id| digests[*id as usize].is_some());
    match (items.next(), items.next()) {
        (Some(only), None) => only,
        _ => id,
    }
}

const fn is_scalar(what: What) -> bool {
    matches!(what, What::String | What::Number | What::Boolean | What::Null | What::Empty)
}

/// Whether two leaves say the same; children are not looked at.
fn same_value(reference: &Tree, peer: &Tree, erase: Erase, a: Id, b: Id) -> bool {
    let alone = |tree: &Tree, id: Id| {
        let mut leaf = Tree::new();
        let new = leaf.add(None, b"", tree.what(id), tree.text(id), 0..0);
        leaf.set_raw(new, tree.raw(id));
        leaf.digest(erase)
    };
    alone(reference, a) == alone(peer, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn read(text: &str) -> Tree {
        json::read(text.as_bytes()).tree.expect(text)
    }

    #[test]
    fn each_kind_of_difference_is_named_at_its_place() {
        let cases: &[(&str, &str, Erase, &[(Change, &str)])] = &[
            (r#"{"a":1,"b":"x"}"#, r#"{"b":"x","a":1}"#, Erase::NONE, &[]),
            (r#"{"a":1.00}"#, r#"{"a":1.0}"#, Erase::NONE, &[(Change::Precision, "a")]),
            (r#"{"a":1.00}"#, r#"{"a":1.0}"#, Erase::PRECISION, &[]),
            (r#"{"a":1,"b":2}"#, r#"{"b":3}"#, Erase::NONE, &[(Change::Missing, "a"), (Change::Value, "b")]),
            (r#"{"a":1}"#, r#"{"a":1,"c":2}"#, Erase::NONE, &[(Change::Added, "")]),
            (r#"{"a":[1,2]}"#, r#"{"a":[1]}"#, Erase::NONE, &[(Change::Count, "a")]),
            (r#"{"a":[1,null]}"#, r#"{"a":[1]}"#, Erase::PADDING, &[]),
            (r#"{"a":["x"]}"#, r#"{"a":"x"}"#, Erase::NONE, &[(Change::Kind, "a")]),
            (r#"{"a":["x"]}"#, r#"{"a":"x"}"#, Erase::SINGLE_LISTS, &[]),
            (r#"{"a":"1"}"#, r#"{"a":1}"#, Erase::KINDS, &[]),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#, Erase::NONE, &[(Change::Missing, "a"), (Change::Value, "a")]),
            (r#"{"a":{"b":{"c":"x"}}}"#, r#"{"a":{"b":{"c":"y"}}}"#, Erase::NONE, &[(Change::Value, "c")]),
        ];
        for (reference, peer, erase, expected) in cases {
            let (a, b) = (read(reference), read(peer));
            let mut found: Vec<(Change, String)> = differences(&a, &b, *erase, 8)
                .iter()
                .map(|found| (found.change, String::from_utf8_lossy(a.label(found.reference)).into_owned()))
                .collect();
            found.sort();
            let expected: Vec<(Change, String)> =
                expected.iter().map(|(change, at)| (*change, (*at).to_owned())).collect();
            assert_eq!(found, expected, "{reference} / {peer}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = |leaf: &str| read(&format!("{}{leaf}{}", "[".repeat(200_000), "]".repeat(200_000)));
        let found = differences(&deep("1"), &deep("2"), Erase::NONE, 4);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].change, Change::Value);
    }
}
