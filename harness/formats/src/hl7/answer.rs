//! The trees that HL7 v2 peers answer, as nested JSON arrays.

use crate::json;
use crate::tree::{Erase, Id, Tree, What};

/// The canonical tree of an answer: a list of messages, a message a list of segments, a segment its name and then its fields
/// (field n at index n; MSH-1 and MSH-2 are strings), a field `null` or a list of repetitions, a repetition a list of
/// components, a component a list of subcomponents. A leaf is its decoded text, or `{"raw": …, "text": …}`; `null` and the
/// empty string are a value that is not sent, two quotation marks a null. A string may stand for any part that has only that
/// one leaf. `None` where the answer is nothing of the kind.
pub fn tree_of_answer(answer: &[u8]) -> Option<Tree> {
    tree_of_answer_under(answer, Erase::NONE)
}

/// [`tree_of_answer`] of a peer that has this projection. Where it does not split components, the separators of
/// subcomponents at their end, which separate nothing, are left out, as they are in the reference's tree.
pub fn tree_of_answer_under(answer: &[u8], projection: Erase) -> Option<Tree> {
    let answer = json::read(answer).tree?;
    let root = answer.root().filter(|&root| answer.what(root) == What::List)?;
    let mut writer = Writer { answer: &answer, tree: Tree::new(), trailing: None };
    let top = writer.tree.add(None, b"", What::List, b"", 0..0);
    for message in answer.children(root) {
        if answer.what(message) != What::List {
            return None;
        }
        let list = writer.tree.add(Some(top), b"", What::List, b"", 0..0);
        for segment in answer.children(message) {
            writer.segment(list, segment, projection)?;
        }
    }
    Some(writer.tree)
}

struct Writer<'a> {
    answer: &'a Tree,
    tree: Tree,
    /// The separator that is left out at the end of components.
    trailing: Option<u8>,
}

impl<'a> Writer<'a> {
    fn segment(&mut self, message: Id, segment: Id, projection: Erase) -> Option<()> {
        let answer = self.answer;
        let mut parts = answer.children(segment);
        let name = parts.next().filter(|&name| answer.what(name) == What::String)?;
        let object = self.tree.add(Some(message), b"", What::Object, answer.text(name), 0..0);
        let header = answer.text(name) == b"MSH";
        for (at, field) in parts.enumerate() {
            let label = (at + 1).to_string();
            if header && at < 2 && answer.what(field) == What::String {
                if at == 1 && projection.has(Erase::SUBCOMPONENTS) {
                    self.trailing = answer.text(field).get(3).copied();
                }
                if !answer.text(field).is_empty() {
                    self.tree.add(Some(object), label.as_bytes(), What::String, answer.text(field), 0..0);
                }
                continue;
            }
            self.parts(object, label.as_bytes(), field, Level::Field)?;
        }
        Some(())
    }

    /// Adds a part that may itself have parts.
    fn parts(&mut self, parent: Id, label: &[u8], part: Id, level: Level) -> Option<()> {
        let answer = self.answer;
        if answer.what(part) != What::List {
            return self.leaf(parent, label, part);
        }
        let below = level.below()?;
        let kept = answer.children(part).collect::<Vec<Id>>();
        let kept = &kept[..kept.iter().rposition(|&part| !self.is_empty(part)).map_or(0, |last| last + 1)];
        let holder = match (level, kept) {
            (_, []) => return Some(()),
            (Level::Field, [only]) => return self.parts(parent, label, *only, below),
            (Level::Field, _) => self.tree.add(Some(parent), label, What::List, b"", 0..0),
            (Level::Repetition, [only]) if !self.is_split(*only) => return self.parts(parent, label, *only, below),
            (Level::Component, [only]) => return self.parts(parent, label, *only, below),
            (Level::Repetition | Level::Component, _) => {
                let object = self.tree.add(Some(parent), label, What::Object, b"", 0..0);
                self.tree.set_raw(object, b"");
                object
            }
            (Level::Subcomponent, _) => return None,
        };
        for (at, &part) in kept.iter().enumerate() {
            match (level, self.is_empty(part)) {
                (Level::Field, true) => _ = self.tree.add(Some(holder), b"", What::Empty, b"", 0..0),
                (_, true) => {}
                (Level::Field, false) => self.parts(holder, b"", part, below)?,
                (_, false) => self.parts(holder, (at + 1).to_string().as_bytes(), part, below)?,
            }
        }
        Some(())
    }

    fn leaf(&mut self, parent: Id, label: &[u8], leaf: Id) -> Option<()> {
        let (text, raw) = self.text(leaf)?;
        match text {
            b"" => {}
            b"\"\"" if raw.is_none_or(|raw| raw == b"\"\"") => {
                _ = self.tree.add(Some(parent), label, What::Null, b"", 0..0)
            }
            text => {
                let leaf = self.tree.add(Some(parent), label, What::String, text, 0..0);
                if let Some(raw) = raw {
                    self.tree.set_raw(leaf, raw);
                }
            }
        }
        Some(())
    }

    /// A leaf's text, and what it was decoded from; `None` where it is no leaf.
    fn text(&self, leaf: Id) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let answer = self.answer;
        match answer.what(leaf) {
            What::Null => Some((b"", None)),
            What::Object => {
                let member = |name| answer.member(leaf, name).filter(|&at| answer.what(at) == What::String);
                let text = answer.text(member("text")?);
                Some((text, member("raw").map(|raw| answer.text(raw)).filter(|raw| *raw != text)))
            }
            What::List => None,
            _ => {
                let text = answer.text(leaf);
                let kept = text.iter().rposition(|byte| Some(*byte) != self.trailing).map_or(0, |last| last + 1);
                Some((&text[..kept], None))
            }
        }
    }

    /// Whether nothing is sent in it. Looks at every leaf at most once for each of the few levels above it.
    fn is_empty(&self, part: Id) -> bool {
        let mut waiting = vec![part];
        while let Some(part) = waiting.pop() {
            match self.answer.what(part) {
                What::List => waiting.extend(self.answer.children(part)),
                _ if self.text(part).is_none_or(|(text, _)| !text.is_empty()) => return false,
                _ => {}
            }
        }
        true
    }

    /// Whether a component has a subcomponent after its first.
    fn is_split(&self, component: Id) -> bool {
        self.answer.what(component) == What::List
            && self.answer.children(component).skip(1).any(|part| !self.is_empty(part))
    }
}

/// What a list stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Field,
    Repetition,
    Component,
    Subcomponent,
}

impl Level {
    fn below(self) -> Option<Self> {
        match self {
            Self::Field => Some(Self::Repetition),
            Self::Repetition => Some(Self::Component),
            Self::Component => Some(Self::Subcomponent),
            Self::Subcomponent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7;

    #[test]
    fn an_answer_is_the_tree_that_the_reference_reads() {
        let message = b"MSH|^~\\&|LAB||X\rPID|1||1^^^A&2&I~~2|\"\"|A&B|\\T\\C^D&&|^&E\rZZZ\r";
        let answer = br#"[[["MSH","|","^~\\&",[[["LAB"]]],null,"X"],
            ["PID",[[["1"]]],null,[[["1"],null,[""],["A","2","I"]],[[""]],[["2"]]],[[["\"\""]]],[[["A","B"]]],
             [[[{"raw":"\\T\\C","text":"&C"}],["D","",""]]],[[[""],["","E"]]],[]],["ZZZ"]]]"#;
        let (reading, answered) = (hl7::read(message), tree_of_answer(answer).unwrap());
        let tree = reading.tree.unwrap();
        for erase in [Erase::NONE, Erase::NULLS, Erase::ESCAPES] {
            assert_eq!(tree.digest(erase), answered.digest(erase), "{}\n{}", tree.to_json(), answered.to_json());
        }
    }

    #[test]
    fn what_a_peer_cannot_represent_is_left_out_on_both_sides() {
        let message = b"MSH|^~\\&|L\rPID|A&B^\"\"|C&^X|D\\T\\&E|\"\"|A^\"\"~\"\"|&\rPV1|\"\"\r";
        let tree = hl7::read(message).tree.unwrap();
        let unsplit = br#"[[["MSH","|","^~\\&","L"],
            ["PID",[["A&B","\"\""]],[["C&","X"]],"D\\T\\&E","\"\"",[["A","\"\""],["\"\""]],"&"],["PV1","\"\""]]]"#;
        let erase = Erase::SUBCOMPONENTS.and(Erase::ESCAPES);
        let answered = tree_of_answer_under(unsplit, erase).unwrap();
        assert_eq!(tree.digest(erase), answered.digest(erase), "{}\n{}", tree.to_json(), answered.to_json());
        let nulls =
            br#"[[["MSH","|","^~\\&","L"],["PID",[[["A","B"]]],[[["C"],["X"]]],[[["D&","E"]]],null,"A"],["PV1"]]]"#;
        let answered = tree_of_answer(nulls).unwrap();
        assert_eq!(tree.digest(Erase::NULLS), answered.digest(Erase::NULLS), "{}", answered.to_json());
        assert_ne!(tree.digest(Erase::NONE), answered.digest(Erase::NONE));
        let decoded = br#"[[["MSH","|","^~\\&","L"],
            ["PID",[["A&B","\"\""]],[["C","X"]],"D&&E","\"\"",[["A","\"\""],["\"\""]]],["PV1","\"\""]]]"#;
        let answered = tree_of_answer_under(decoded, Erase::SUBCOMPONENTS).unwrap();
        assert_eq!(tree.digest(Erase::SUBCOMPONENTS), answered.digest(Erase::SUBCOMPONENTS));
    }

    #[test]
    fn what_is_no_answer_has_no_tree() {
        for answer in
            ["", "1", "{}", "[1]", "[[1]]", "[[[]]]", "[[[null]]]", r#"[[["PID",[[[["a"]]]]]]]"#, r#"[[["PID",{}]]]"#]
        {
            assert!(tree_of_answer(answer.as_bytes()).is_none(), "{answer}");
        }
    }
}
