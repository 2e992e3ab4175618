//! The canonical tree: one shape for FHIR and HL7 v2, in an arena, so that neither depth nor size costs stack.
//!
//! * FHIR: an object per resource or element, `text` its `resourceType` where it has one; members by name, with the
//!   ordinal of a repeated key; a list per JSON array (XML: per element that may repeat). A primitive is a leaf; its `_x`
//!   twin is folded in as children labelled `id` and `extension`. Narrative is a leaf of its own kind.
//! * HL7 v2: a list of messages; a message is a list of segments; a segment is an object with `text` its id and its fields
//!   as members `1`, `2`, …; a field with several repetitions is a list; a repetition with several components an object with
//!   members `1`, `2`, …, a component with several subcomponents likewise (its repetition is an object then, even if it has
//!   no other component). What has one part only is that part. What is not sent has no member; in a list an empty one
//!   before others is an [`What::Empty`] leaf. `""` is [`What::Null`]. Repetitions and components that are objects keep
//!   what they were split from as `raw`, and as `text` what that decodes to where it has escapes.

mod json;

use std::ops::Range;

/// A node's number. A parent's is smaller than its children's.
pub type Id = u32;

const NONE: u32 = u32::MAX;

/// Kinds of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// Members by label; their order says nothing.
    Object,
    /// Items in order.
    List,
    /// Text.
    String,
    /// A number as written.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A null that stands where a value could: JSON `null`, HL7 `""`.
    Null,
    /// HL7: present without a value.
    Empty,
    /// FHIR narrative: `text` is a hash of its XML infoset, `raw` the markup.
    Narrative,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Object, Self::List, Self::String, Self::Number, Self::Boolean, Self::Null, Self::Empty, Self::Narrative];

    /// In reports, sidecars and signatures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::List => "list",
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Null => "null",
            Self::Empty => "empty",
            Self::Narrative => "narrative",
        }
    }
}

/// What a comparison leaves out, because one side's data model cannot hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erase(pub u32);

impl Erase {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Significant digits of decimals: 1.0 and 1.00.
    pub const PRECISION: Self = Self(1);
    /// All that an IEEE 754 double does not keep of a number.
    pub const DOUBLE: Self = Self(1 << 1);
    /// HL7: components are not split further; a component is the text with its separators, decoded unless
    /// [`Erase::ESCAPES`] is left out too.
    pub const SUBCOMPONENTS: Self = Self(1 << 2);
    /// HL7: escapes are left as written; leaves are compared raw.
    pub const ESCAPES: Self = Self(1 << 3);
    /// HL7 `""`, empty and absent are one.
    pub const NULLS: Self = Self(1 << 4);
    /// Nulls in lists, and trailing ones.
    pub const PADDING: Self = Self(1 << 5);
    /// The difference of string, number and boolean: XML and HL7 values are text.
    pub const KINDS: Self = Self(1 << 6);
    /// A list of one is its item: readers without definitions cannot tell.
    pub const SINGLE_LISTS: Self = Self(1 << 7);
    /// Narrative is not compared.
    pub const NARRATIVE: Self = Self(1 << 8);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is left out.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is left out, in words.
    pub fn words(self) -> Vec<&'static str> {
        const WORDS: &[(Erase, &str)] = &[
            (Erase::PRECISION, "significant digits"),
            (Erase::DOUBLE, "digits beyond a double"),
            (Erase::SUBCOMPONENTS, "subcomponents"),
            (Erase::ESCAPES, "decoded escapes"),
            (Erase::NULLS, "null, empty and absent"),
            (Erase::PADDING, "nulls in lists"),
            (Erase::KINDS, "number, boolean and text"),
            (Erase::SINGLE_LISTS, "lists of one"),
            (Erase::NARRATIVE, "narrative"),
        ];
        WORDS.iter().filter(|(erase, _)| self.has(*erase)).map(|(_, word)| *word).collect()
    }
}

/// A stretch of [`Tree::bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Piece {
    from: u32,
    len: u32,
}

/// What a digest needs of a node's children.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Parts {
    sum: u64,
    count: u32,
    /// The last one, and its place.
    one: u64,
    place: u64,
}

impl Parts {
    /// A child that is not left out. `place`: in a list its position, else [`label_hash`] of its name.
    pub(crate) fn add(&mut self, place: u64, digest: u64) {
        self.sum = self.sum.wrapping_add(mix(mix(2, place), digest));
        self.count += 1;
        self.one = digest;
        self.place = place;
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        u64::from(self.count)
    }

    /// The digest of their parent, `own` being the hash of its text.
    pub(crate) fn digest(&self, what: What, own: u64) -> u64 {
        mix(mix(mix(what as u64, own), self.sum), self.count())
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    what: What,
    label: Piece,
    text: Piece,
    raw: Option<Piece>,
    span: (u32, u32),
    ordinal: u32,
    parent: u32,
    first: u32,
    last: u32,
    next: u32,
}

/// A canonical tree. Strings are bytes: WTF-8 where JSON escapes spell lone surrogates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<Node>,
    bytes: Vec<u8>,
}

impl Tree {
    /// Without a node.
    pub fn new() -> Self {
        Self::default()
    }

    /// Without a node, but with room for so many and for so many bytes of text.
    pub fn with_capacity(nodes: usize, bytes: usize) -> Self {
        Self { nodes: Vec::with_capacity(nodes), bytes: Vec::with_capacity(bytes) }
    }

    /// Adds a node as the last child of `parent` (`None`: the root, which comes first). `label` is its name in an object and
    /// empty in a list; `span` is where it stands in the input, bytes.
    pub fn add(&mut self, parent: Option<Id>, label: &[u8], what: What, text: &[u8], span: Range<usize>) -> Id {
        let id = self.nodes.len() as Id;
        let parent = parent.unwrap_or(NONE);
        let label = self.piece(label);
        let text = self.piece(text);
        let mut ordinal = 0;
        if let Some(above) = self.nodes.get_mut(parent as usize) {
            let before = std::mem::replace(&mut above.last, id);
            if above.first == NONE {
                above.first = id;
            } else {
                ordinal = self.nodes[before as usize].ordinal + 1;
                self.nodes[before as usize].next = id;
            }
        }
        let span = (span.start as u32, span.end as u32);
        self.nodes.push(Node {
            what,
            label,
            text,
            raw: None,
            span,
            ordinal,
            parent,
            first: NONE,
            last: NONE,
            next: NONE,
        });
        id
    }

    fn piece(&mut self, bytes: &[u8]) -> Piece {
        let piece = Piece { from: self.bytes.len() as u32, len: bytes.len() as u32 };
        self.bytes.extend_from_slice(bytes);
        piece
    }

    fn get(&self, piece: Piece) -> &[u8] {
        &self.bytes[piece.from as usize..][..piece.len as usize]
    }

    /// Sets a node's text: an object's type that was read later, a leaf's decoded value.
    pub fn set_text(&mut self, id: Id, text: &[u8]) {
        self.nodes[id as usize].text = self.piece(text);
    }

    /// Sets what a leaf's text was decoded from, where that differs.
    pub fn set_raw(&mut self, id: Id, raw: &[u8]) {
        self.nodes[id as usize].raw = Some(self.piece(raw));
    }

    /// Sets a node's kind.
    pub fn set_what(&mut self, id: Id, what: What) {
        self.nodes[id as usize].what = what;
    }

    /// Sets where a node ends in the input.
    pub fn set_end(&mut self, id: Id, end: usize) {
        self.nodes[id as usize].span.1 = end as u32;
    }

    /// The root.
    pub fn root(&self) -> Option<Id> {
        (!self.nodes.is_empty()).then_some(0)
    }

    /// Nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Its kind.
    pub fn what(&self, id: Id) -> What {
        self.nodes[id as usize].what
    }

    /// Its name in its parent; empty in a list.
    pub fn label(&self, id: Id) -> &[u8] {
        self.get(self.nodes[id as usize].label)
    }

    /// A leaf's value; an object's resource type or segment id.
    pub fn text(&self, id: Id) -> &[u8] {
        self.get(self.nodes[id as usize].text)
    }

    /// A leaf's value as written.
    pub fn raw(&self, id: Id) -> &[u8] {
        let node = &self.nodes[id as usize];
        self.get(node.raw.unwrap_or(node.text))
    }

    /// What [`Tree::set_raw`] kept, if anything.
    pub fn kept_raw(&self, id: Id) -> Option<&[u8]> {
        self.nodes[id as usize].raw.map(|raw| self.get(raw))
    }

    /// Where it stands in the input, bytes.
    pub fn span(&self, id: Id) -> Range<usize> {
        let (start, end) = self.nodes[id as usize].span;
        start as usize..end as usize
    }

    /// What holds it.
    pub fn parent(&self, id: Id) -> Option<Id> {
        Some(self.nodes[id as usize].parent).filter(|&parent| parent != NONE)
    }

    /// Position among its parent's children.
    pub fn ordinal(&self, id: Id) -> usize {
        self.nodes[id as usize].ordinal as usize
    }

    /// What it holds, in order.
    pub fn children(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let some = |at: Id| Some(at).filter(|&at| at != NONE);
        std::iter::successors(some(self.nodes[id as usize].first), move |&at| some(self.nodes[at as usize].next))
    }

    /// The last child of that name: what most readers take of duplicates.
    pub fn member(&self, id: Id, label: &str) -> Option<Id> {
        self.children(id).filter(|&child| self.label(child) == label.as_bytes()).last()
    }

    /// Where a node is, for people: `Patient.name[0].given[1]`, `[0][2].PID.3[1].4`. An object's text (resource type, segment id)
    /// stands for its label where it has none; a name that comes again is followed by `#` and which one it is, from 2.
    pub fn path(&self, id: Id) -> String {
        self.path_as(id, false)
    }

    /// [`Tree::path`] with indices erased: `Patient.name.given`. Equal for nodes of the same meaning.
    pub fn pattern(&self, id: Id) -> String {
        self.path_as(id, true)
    }

    fn path_as(&self, id: Id, erased: bool) -> String {
        let mut up: Vec<Id> = std::iter::successors(Some(id), |&at| self.parent(at)).collect();
        up.reverse();
        let mut path = String::new();
        for at in up {
            let (label, text) = (self.label(at), self.text(at));
            let parent = self.parent(at);
            if !label.is_empty() || parent.is_some_and(|parent| self.what(parent) != What::List) {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&String::from_utf8_lossy(label));
                if let Some(parent) = parent.filter(|_| !erased) {
                    let same = |&other: &Id| self.label(other) == label;
                    let before = self.children(parent).take_while(|&other| other != at).filter(same).count();
                    if before > 0 {
                        path.push_str(&format!("#{}", before + 1));
                    }
                }
            } else if parent.is_some() && !erased {
                path.push_str(&format!("[{}]", self.ordinal(at)));
            }
            let named = self.what(at) == What::Object && !text.is_empty();
            if named && (label.is_empty() || label == b"resource") {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&String::from_utf8_lossy(text));
            }
        }
        path
    }

    /// Equal for trees that say the same once `erase` is left out, whatever the order of an object's members; the same on
    /// every platform.
    pub fn digest(&self, erase: Erase) -> u64 {
        self.digests(erase).first().map_or(0, |digest| digest.unwrap_or(0))
    }

    /// The digest of what is below every node; `None` for what `erase` leaves out. One pass from the last node to the first:
    /// linear, and without recursion.
    pub fn digests(&self, erase: Erase) -> Vec<Option<u64>> {
        let mut below = vec![Parts::default(); self.nodes.len()];
        let mut digests = vec![None; self.nodes.len()];
        for id in (0..self.nodes.len() as Id).rev() {
            let Some(digest) = self.own_digest(id, erase, below[id as usize]) else { continue };
            digests[id as usize] = Some(digest);
            let node = &self.nodes[id as usize];
            if let Some(above) = self.nodes.get(node.parent as usize) {
                let place = match above.what {
                    What::List => u64::from(node.ordinal),
                    _ => label_hash(self.label(id)),
                };
                below[node.parent as usize].add(place, digest);
            }
        }
        digests
    }

    fn own_digest(&self, id: Id, erase: Erase, below: Parts) -> Option<u64> {
        let what = self.what(id);
        let left_out = match what {
            What::Null => erase.has(Erase::NULLS) || (erase.has(Erase::PADDING) && below.count == 0),
            What::Empty => erase.has(Erase::NULLS),
            What::Narrative => erase.has(Erase::NARRATIVE),
            _ => false,
        };
        if left_out {
            return None;
        }
        if let Some(shrunk) = self.shrunk(id, erase, below) {
            return shrunk;
        }
        if what == What::List && erase.has(Erase::SINGLE_LISTS) && below.count == 1 {
            return Some(below.one);
        }
        let kind = match what {
            What::Number | What::Boolean if erase.has(Erase::KINDS) => What::String,
            what => what,
        };
        let own = match what {
            What::Number if !erase.has(Erase::KINDS) => number_hash(self.text(id), erase),
            What::String if erase.has(Erase::ESCAPES) => text_hash(self.raw(id)),
            What::Object if self.is_split(id) => text_hash(b""),
            _ => text_hash(self.text(id)),
        };
        Some(below.digest(kind, own))
    }

    /// Whether it is a repetition or component of HL7 v2 that was split.
    fn is_split(&self, id: Id) -> bool {
        let node = &self.nodes[id as usize];
        node.what == What::Object && node.raw.is_some()
    }

    /// What is left of a split value where some of its parts are erased: nothing, its only part, or its text.
    fn shrunk(&self, id: Id, erase: Erase, below: Parts) -> Option<Option<u64>> {
        let split = self.is_split(id);
        if split && erase.has(Erase::SUBCOMPONENTS) && self.parent(id).is_some_and(|parent| self.is_split(parent)) {
            let decoded = Some(self.text(id)).filter(|text| !text.is_empty() && !erase.has(Erase::ESCAPES));
            let own = text_hash(decoded.unwrap_or_else(|| self.raw(id)));
            return Some(Some(Parts::default().digest(What::String, own)));
        }
        let list = self.what(id) == What::List && erase.has(Erase::NULLS);
        if !list && !(split && (erase.has(Erase::NULLS) || erase.has(Erase::SUBCOMPONENTS))) {
            return None;
        }
        let first = if list { 0 } else { label_hash(b"1") };
        match below.count {
            0 => Some(None),
            1 if below.place == first => Some(Some(below.one)),
            _ => None,
        }
    }

    /// Copies what is below `from` in `other`, itself included, as a child of `parent`.
    pub fn copy_from(&mut self, parent: Option<Id>, other: &Tree, from: Id) -> Id {
        let top = self.len() as Id;
        let mut waiting = vec![(parent, from)];
        while let Some((parent, id)) = waiting.pop() {
            let new = self.add(parent, other.label(id), other.what(id), other.text(id), other.span(id));
            if other.nodes[id as usize].raw.is_some() {
                self.set_raw(new, other.raw(id));
            }
            let at = waiting.len();
            waiting.extend(other.children(id).map(|child| (Some(new), child)));
            waiting[at..].reverse();
        }
        top
    }
}

/// A number as it is compared: (negative, significant digits, exponent of the last one).
/// What is no number is compared as text.
fn number(text: &[u8], erase: Erase) -> (bool, Vec<u8>, i64) {
    if erase.has(Erase::DOUBLE) {
        let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
        if let Some(value) = value {
            return (value.is_sign_negative(), value.abs().to_bits().to_be_bytes().to_vec(), 0);
        }
    }
    let (negative, rest) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let at = rest.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = at.map_or((rest, &b"0"[..]), |at| (&rest[..at], &rest[at + 1..]));
    let exponent = std::str::from_utf8(exponent).ok().and_then(|text| text.parse::<i64>().ok());
    let fraction = mantissa.iter().position(|byte| *byte == b'.').map_or(0, |at| mantissa.len() - at - 1);
    let mut digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    let (Some(exponent), true) = (exponent, !digits.is_empty() && digits.len() + 1 >= mantissa.len()) else {
        return (negative, text.to_vec(), i64::MIN);
    };
    let mut exponent = exponent.saturating_sub(fraction as i64);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..zeros.min(digits.len() - 1));
    if erase.has(Erase::PRECISION) {
        while digits.len() > 1 && digits.last() == Some(&b'0') {
            digits.pop();
            exponent = exponent.saturating_add(1);
        }
        if digits == b"0" {
            exponent = 0;
        }
    }
    (negative && digits != b"0", digits, exponent)
}

/// Mixes a word into a hash: a multiplication and a rotation, as in FxHash, and one more shift for short inputs.
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Hash of a text.
pub(crate) fn string_hash(text: &str) -> u64 {
    hash(0, text.as_bytes())
}

/// Hash of a name in an object.
pub(crate) fn label_hash(label: &[u8]) -> u64 {
    hash(1, label)
}

/// Hash of a node's text.
pub(crate) fn text_hash(text: &[u8]) -> u64 {
    hash(3, text)
}

/// Hash of a number's text.
pub(crate) fn number_hash(text: &[u8], erase: Erase) -> u64 {
    // What most numbers are: `number` gives back their digits.
    let is_plain = text.iter().all(u8::is_ascii_digit) && !text.is_empty() && (text[0] != b'0' || text.len() == 1);
    if is_plain && erase == Erase::NONE {
        return mix(hash(0, text), 0);
    }
    let (negative, digits, exponent) = number(text, erase);
    mix(hash(u64::from(negative), &digits), exponent as u64)
}

/// Hash of bytes, their count included.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = mix(seed, bytes.len() as u64);
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash, u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(members: &[(&str, What, &str)]) -> Tree {
        let mut tree = Tree::new();
        let root = tree.add(None, b"", What::Object, b"Patient", 0..0);
        for (label, what, text) in members {
            tree.add(Some(root), label.as_bytes(), *what, text.as_bytes(), 0..0);
        }
        tree
    }

    #[test]
    fn order_of_members_says_nothing_and_all_else_does() {
        let one = patient(&[("a", What::String, "x"), ("b", What::Number, "1.0")]);
        let same = patient(&[("b", What::Number, "1.0"), ("a", What::String, "x")]);
        let other = patient(&[("b", What::Number, "1.00"), ("a", What::String, "x")]);
        assert_eq!(one.digest(Erase::NONE), same.digest(Erase::NONE));
        assert_ne!(one.digest(Erase::NONE), other.digest(Erase::NONE));
        assert_eq!(one.digest(Erase::PRECISION), other.digest(Erase::PRECISION));
        assert_eq!(one.digest(Erase::DOUBLE), other.digest(Erase::DOUBLE));
    }

    #[test]
    fn numbers_are_compared_by_value_then_by_precision() {
        for text in ["0", "7", "10", "00", "01", "", "-1", "1.0"] {
            let (negative, digits, exponent) = number(text.as_bytes(), Erase::NONE);
            let hash = mix(hash(u64::from(negative), &digits), exponent as u64);
            assert_eq!(number_hash(text.as_bytes(), Erase::NONE), hash, "{text}");
        }
        let equal = |a: &str, b: &str, erase| number(a.as_bytes(), erase) == number(b.as_bytes(), erase);
        assert!(equal("1e2", "1e+2", Erase::NONE) && !equal("1e2", "100", Erase::NONE));
        assert!(equal("1e2", "100", Erase::PRECISION) && equal("0.0", "-0", Erase::PRECISION));
        assert!(!equal("0.12345678901234567890123456789", "0.12345678901234568", Erase::NONE));
        assert!(equal("0.12345678901234567890123456789", "0.12345678901234568", Erase::DOUBLE));
        assert!(!equal("1e999999999999999999999", "1e9", Erase::NONE));
    }

    #[test]
    fn paths_name_members_items_and_repeated_names() {
        let mut tree = patient(&[("id", What::String, "a"), ("id", What::String, "b")]);
        let names = tree.add(Some(0), b"name", What::List, b"", 0..0);
        let name = tree.add(Some(names), b"", What::Object, b"", 0..0);
        let given = tree.add(Some(name), b"given", What::List, b"", 0..0);
        tree.add(Some(given), b"", What::String, b"A", 0..0);
        let last = tree.add(Some(given), b"", What::String, b"B", 0..0);
        let inner = tree.add(Some(0), b"contained", What::List, b"", 0..0);
        let inner = tree.add(Some(inner), b"", What::Object, b"Device", 0..0);
        for (id, path, pattern) in [
            (0, "Patient", "Patient"),
            (1, "Patient.id", "Patient.id"),
            (2, "Patient.id#2", "Patient.id"),
            (last, "Patient.name[0].given[1]", "Patient.name.given"),
            (inner, "Patient.contained[0].Device", "Patient.contained.Device"),
        ] {
            assert_eq!((tree.path(id).as_str(), tree.pattern(id).as_str()), (path, pattern));
        }
    }

    #[test]
    fn json_keeps_labels_kinds_texts_and_raws() {
        let mut tree = patient(&[("id", What::Null, ""), ("", What::Number, "1.00"), ("id", What::Empty, "")]);
        let leaf = tree.add(Some(0), b"a\"\xff", What::String, b"\xed\xa0\x80", 0..0);
        tree.set_raw(leaf, b"\\ud800");
        tree.add(Some(leaf), b"id", What::Boolean, b"maybe", 0..0);
        let list = tree.add(Some(0), b"list", What::List, b"", 0..0);
        tree.add(Some(list), b"", What::List, b"", 0..0);
        tree.add(Some(list), b"", What::Object, b"", 0..0);
        let yes = tree.add(Some(list), b"", What::Boolean, b"true", 0..0);
        tree.set_raw(yes, b"Y");
        let written = tree.to_json();
        let read = Tree::from_json(written.as_bytes()).unwrap();
        assert_eq!((read.to_json(), read.digest(Erase::NONE)), (written, tree.digest(Erase::NONE)));
        assert_eq!(
            (read.raw(leaf), read.text(leaf), read.label(leaf)),
            (&b"\\ud800"[..], tree.text(leaf), &b"a\"\xff"[..])
        );
        for wrong in ["", "1", "{}", "[null]", r#"{"object": 1}"#, r#"{"object": "", "members": [["a"]]}"#] {
            assert!(Tree::from_json(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_of_one_is_its_item_where_lists_of_one_are_erased() {
        let mut list = Tree::new();
        let root = list.add(None, b"", What::Object, b"", 0..0);
        let names = list.add(Some(root), b"a", What::List, b"", 0..0);
        list.add(Some(names), b"", What::String, b"x", 0..0);
        let mut plain = Tree::new();
        let root = plain.add(None, b"", What::Object, b"", 0..0);
        plain.add(Some(root), b"a", What::String, b"x", 0..0);
        assert_ne!(list.digest(Erase::NONE), plain.digest(Erase::NONE));
        assert_eq!(list.digest(Erase::SINGLE_LISTS), plain.digest(Erase::SINGLE_LISTS));
    }
}
