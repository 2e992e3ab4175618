//! What a peer says of HL7 v2 messages: collected by its adapter, written as nested JSON arrays, made into a canonical tree.

use crate::json;
use crate::tree::{Erase, Id, Tree, What};

/// The canonical tree of an answer in JSON: a list of messages, a message a list of segments, a segment its name and then
/// its fields (field n at index n; MSH-1 and MSH-2 are strings), a field `null` or a list of repetitions, a repetition a
/// list of components, a component a list of subcomponents. A leaf is its decoded text, or `{"raw": …, "text": …}`; `null`
/// and the empty string are a value that is not sent, two quotation marks a null. A string may stand for any part that has
/// only that one leaf. `None` where the answer is nothing of the kind.
pub fn tree_of_answer(answer: &[u8]) -> Option<Tree> {
    tree_of_answer_under(answer, Erase::NONE)
}

/// [`tree_of_answer`] of a peer that has this projection. Where it does not split components, the separators of
/// subcomponents at their end, which separate nothing, are left out, as they are in the reference's tree.
pub fn tree_of_answer_under(answer: &[u8], projection: Erase) -> Option<Tree> {
    Some(Answer::from_json(answer)?.tree(projection))
}

/// Part `from..to` of [`Answer::bytes`].
type Piece = (u32, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Message,
    Segment(Piece),
    Field,
    Repetition,
    Component,
    Leaf(Piece, Option<Piece>),
}

/// What a peer reads, in the order in which it stands: every call opens a part that goes on until the next of its kind or
/// of a larger one. A leaf may follow any of them: it is that part's only one. What is not sent at the end of a part is left
/// out, so that equal answers say the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    /// Fields, repetitions, components and empty leaves that were opened and hold nothing so far.
    opened: [usize; 4],
}

impl Answer {
    /// Without a message.
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(512), marks: Vec::with_capacity(256), opened: [0; 4] }
    }

    /// The next message.
    pub fn message(&mut self) {
        self.opened = [0; 4];
        self.marks.push(Mark::Message);
    }

    /// The next segment.
    pub fn segment(&mut self, name: &[u8]) {
        self.opened = [0; 4];
        let name = self.piece(name);
        self.marks.push(Mark::Segment(name));
    }

    /// The next field. MSH-1 and MSH-2 are fields with one leaf each.
    pub fn field(&mut self) {
        self.opened = [self.opened[0] + 1, 0, 0, 0];
    }

    /// The next repetition.
    pub fn repetition(&mut self) {
        self.opened = [self.opened[0], self.opened[1] + 1, 0, 0];
    }

    /// The next component.
    pub fn component(&mut self) {
        self.opened = [self.opened[0], self.opened[1], self.opened[2] + 1, 0];
    }

    /// The next subcomponent, decoded.
    pub fn leaf(&mut self, text: &[u8]) {
        self.leaf_of(text, text);
    }

    /// The next subcomponent, decoded and as written.
    pub fn leaf_of(&mut self, text: &[u8], raw: &[u8]) {
        if text.is_empty() {
            self.opened[3] += 1;
            return;
        }
        let empty = Mark::Leaf((0, 0), None);
        for (count, mark) in
            std::mem::take(&mut self.opened).into_iter().zip([Mark::Field, Mark::Repetition, Mark::Component, empty])
        {
            self.marks.extend(std::iter::repeat_n(mark, count));
        }
        let piece = self.piece(text);
        let raw = (text != raw).then(|| self.piece(raw));
        self.marks.push(Mark::Leaf(piece, raw));
    }

    fn piece(&mut self, bytes: &[u8]) -> Piece {
        let from = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        (from, self.bytes.len() as u32)
    }

    fn get(&self, (from, to): Piece) -> &[u8] {
        &self.bytes[from as usize..to as usize]
    }

    /// The canonical tree, for a peer with this projection. A segment before the first message begins one.
    pub fn tree(&self, projection: Erase) -> Tree {
        let tree = Tree::with_capacity(self.marks.len(), self.bytes.len() * 2);
        let mut writer = Writer { answer: self, tree, trailing: None };
        let root = writer.tree.add(None, b"", What::List, b"", 0..0);
        let (mut message, mut at) = (None, 0);
        while let Some(mark) = self.marks.get(at) {
            at += 1;
            let name = match *mark {
                Mark::Message => {
                    message = Some(writer.tree.add(Some(root), b"", What::List, b"", 0..0));
                    continue;
                }
                Mark::Segment(name) => self.get(name),
                _ => continue,
            };
            let above = *message.get_or_insert_with(|| writer.tree.add(Some(root), b"", What::List, b"", 0..0));
            let segment = writer.tree.add(Some(above), b"", What::Object, name, 0..0);
            let ends = |mark: &Mark| matches!(mark, Mark::Message | Mark::Segment(_));
            let end = self.marks[at..].iter().position(ends).map_or(self.marks.len(), |len| at + len);
            writer.fields(segment, name == b"MSH", &self.marks[at..end], projection);
            at = end;
        }
        writer.tree
    }

    /// As [`tree_of_answer`] reads it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() * 2 + self.marks.len() * 4);
        list(&mut out, parts(&self.marks, Mark::Message), |out, message| {
            let segments = message.split(|mark| matches!(mark, Mark::Segment(_))).skip(1);
            let names =
                message.iter().filter_map(|mark| if let Mark::Segment(name) = mark { Some(*name) } else { None });
            list(out, names.zip(segments), |out, (name, fields)| {
                out.push(b'[');
                string(out, self.get(name));
                for field in fields.split(|mark| *mark == Mark::Field).skip(1) {
                    out.push(b',');
                    self.part_to_json(out, field, 0);
                }
                out.push(b']');
            });
        });
        out
    }

    /// A part that stands `level` levels below a field.
    fn part_to_json(&self, out: &mut Vec<u8>, part: &[Mark], level: usize) {
        match (part, [Mark::Repetition, Mark::Component].get(level)) {
            ([], _) => out.extend_from_slice(b"null"),
            ([mark @ Mark::Leaf(..)], _) => self.leaf_to_json(out, mark),
            (_, Some(kind)) => list(out, parts(part, *kind), |out, part| self.part_to_json(out, part, level + 1)),
            (_, None) => list(out, part, |out, mark| self.leaf_to_json(out, mark)),
        }
    }

    fn leaf_to_json(&self, out: &mut Vec<u8>, mark: &Mark) {
        match *mark {
            Mark::Leaf(text, None) => string(out, self.get(text)),
            Mark::Leaf(text, Some(raw)) => {
                out.extend_from_slice(b"{\"raw\":");
                string(out, self.get(raw));
                out.extend_from_slice(b",\"text\":");
                string(out, self.get(text));
                out.push(b'}');
            }
            _ => out.extend_from_slice(b"null"),
        }
    }

    fn from_json(answer: &[u8]) -> Option<Self> {
        let json = json::read(answer).tree?;
        let root = json.root().filter(|&root| json.what(root) == What::List)?;
        let mut answer = Self::new();
        for message in json.children(root) {
            answer.message();
            if json.what(message) != What::List {
                return None;
            }
            for segment in json.children(message) {
                let mut parts = json.children(segment);
                let name = parts.next().filter(|&name| json.what(name) == What::String)?;
                answer.segment(json.text(name));
                for field in parts {
                    answer.field();
                    answer.part_of_json(&json, field, 0)?;
                }
            }
        }
        Some(answer)
    }

    /// A part that stands `level` levels below a field: at most three.
    fn part_of_json(&mut self, json: &Tree, part: Id, level: usize) -> Option<()> {
        match json.what(part) {
            What::Null => self.leaf(b""),
            What::List => {
                let open = [Self::repetition, Self::component, |_: &mut Self| {}].get(level)?;
                for part in json.children(part) {
                    open(self);
                    self.part_of_json(json, part, level + 1)?;
                }
            }
            What::Object => {
                let member = |name| json.member(part, name).filter(|&at| json.what(at) == What::String);
                let text = member("text")?;
                self.leaf_of(json.text(text), json.text(member("raw").unwrap_or(text)));
            }
            _ => self.leaf(json.text(part)),
        }
        Some(())
    }
}

/// Writes a JSON array.
fn list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Writes a JSON string; bytes that are no UTF-8 become replacement characters.
fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in String::from_utf8_lossy(text).bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

struct Writer<'a> {
    answer: &'a Answer,
    tree: Tree,
    /// The separator that is left out at the end of components.
    trailing: Option<u8>,
}

impl<'a> Writer<'a> {
    fn fields(&mut self, segment: Id, header: bool, marks: &[Mark], projection: Erase) {
        for (at, field) in marks.split(|mark| *mark == Mark::Field).skip(1).enumerate() {
            let label = (at + 1).to_string();
            match *field {
                [Mark::Leaf(text, _)] if header && at < 2 => {
                    let text = self.answer.get(text);
                    if at == 1 && projection.has(Erase::SUBCOMPONENTS) {
                        self.trailing = text.get(3).copied();
                    }
                    if !text.is_empty() {
                        self.tree.add(Some(segment), label.as_bytes(), What::String, text, 0..0);
                    }
                }
                _ => self.field(segment, label.as_bytes(), field),
            }
        }
    }

    fn field(&mut self, segment: Id, label: &[u8], field: &[Mark]) {
        let field = self.trimmed(field);
        let repetitions = parts(field, Mark::Repetition);
        match &repetitions[..] {
            [] => {}
            [only] => self.repetition(segment, label, only),
            _ => {
                let list = self.tree.add(Some(segment), label, What::List, b"", 0..0);
                for part in repetitions {
                    match self.trimmed(part) {
                        [] => _ = self.tree.add(Some(list), b"", What::Empty, b"", 0..0),
                        part => self.repetition(list, b"", part),
                    }
                }
            }
        }
    }

    fn repetition(&mut self, parent: Id, label: &[u8], part: &[Mark]) {
        let components = parts(self.trimmed(part), Mark::Component);
        match &components[..] {
            [] => {}
            [only] if leaves(self.trimmed(only)) < 2 => self.component(parent, label, only),
            _ => {
                let object = self.tree.add(Some(parent), label, What::Object, b"", 0..0);
                self.tree.set_raw(object, b"");
                for (at, part) in components.iter().enumerate() {
                    self.component(object, (at + 1).to_string().as_bytes(), part);
                }
            }
        }
    }

    fn component(&mut self, parent: Id, label: &[u8], part: &[Mark]) {
        let part = self.trimmed(part);
        if leaves(part) < 2 {
            part.iter().for_each(|mark| self.leaf(parent, label, mark));
            return;
        }
        let object = self.tree.add(Some(parent), label, What::Object, b"", 0..0);
        self.tree.set_raw(object, b"");
        let leaves = part.iter().filter(|mark| matches!(mark, Mark::Leaf(..)));
        for (at, mark) in leaves.enumerate() {
            self.leaf(object, (at + 1).to_string().as_bytes(), mark);
        }
    }

    fn leaf(&mut self, parent: Id, label: &[u8], mark: &Mark) {
        let Some((text, raw)) = self.text(mark) else { return };
        match text {
            b"" => {}
            b"\"\"" if raw.is_none() => _ = self.tree.add(Some(parent), label, What::Null, b"", 0..0),
            text => {
                let leaf = self.tree.add(Some(parent), label, What::String, text, 0..0);
                if let Some(raw) = raw {
                    self.tree.set_raw(leaf, raw);
                }
            }
        }
    }

    /// A leaf's text, and what it was decoded from.
    fn text(&self, mark: &Mark) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let Mark::Leaf(text, raw) = mark else { return None };
        let text = self.answer.get(*text);
        let kept = text.iter().rposition(|byte| Some(*byte) != self.trailing).map_or(0, |last| last + 1);
        Some((&text[..kept], raw.map(|raw| self.answer.get(raw))))
    }

    /// Without what is not sent at its end.
    fn trimmed<'m>(&self, part: &'m [Mark]) -> &'m [Mark] {
        let sent = |mark: &Mark| self.text(mark).is_some_and(|(text, _)| !text.is_empty());
        &part[..part.iter().rposition(sent).map_or(0, |last| last + 1)]
    }
}

/// What stands after each mark of the kind, or all of it where there is none of the kind; nothing of nothing.
fn parts(part: &[Mark], kind: Mark) -> Vec<&[Mark]> {
    let mut parts: Vec<&[Mark]> = part.split(|mark| *mark == kind).collect();
    if parts.len() > 1 || part.is_empty() {
        parts.remove(0);
    }
    parts
}

fn leaves(part: &[Mark]) -> usize {
    part.iter().filter(|mark| matches!(mark, Mark::Leaf(..))).count()
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
    fn what_is_collected_is_what_is_written() {
        let mut answer = Answer::new();
        answer.message();
        answer.segment(b"MSH");
        for text in [&b"|"[..], b"^~\\&", b""] {
            answer.field();
            answer.leaf(text);
        }
        answer.segment(b"PID");
        for text in [&b"A"[..], b"", b"\"\""] {
            answer.field();
            answer.repetition();
            answer.component();
            answer.leaf_of(text, b"B\0");
            answer.leaf(text);
            answer.repetition();
            answer.leaf(text);
        }
        answer.field();
        answer.segment(b"ZZZ");
        answer.message();
        let written = String::from_utf8(answer.to_json()).unwrap();
        let a = r#"[[[{"raw":"B\u0000","text":"A"},"A"]],"A"]"#;
        let null = r#"[[[{"raw":"B\u0000","text":"\"\""},"\"\""]],"\"\""]"#;
        let expected = format!(r#"[[["MSH","|","^~\\&"],["PID",{a},null,{null}],["ZZZ"]],[]]"#);
        assert_eq!(written, expected);
        assert_eq!(answer.tree(Erase::NONE), tree_of_answer(written.as_bytes()).unwrap());
        assert_eq!(answer.tree(Erase::NONE).len(), 20);
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
