//! FHIR resources in JSON as canonical trees, and the rules that they break.
//!
//! The walk over the tokens keeps its own stack. `_x` is folded into `x`: by the definitions where the type is known, else by
//! its shape, so that a resource and the answer of a reader that knows other types give the same tree.

use super::cases::*;
use super::definitions::{Definitions, Property, Sort, TypeId, definitions};
use super::{Release, narrative, primitives, structure};
use crate::json::{self, Kind, Token, Tokens};
use crate::reading::Reading;
use crate::tree::{Id, Tree, What};
use std::borrow::Cow;

/// No token.
const NONE: u32 = json::NONE;

/// Reads a resource in JSON. Costs time and memory linear in `input` (n log n in the members of one object), and no stack.
pub fn read_json(input: &[u8], release: Release) -> Reading {
    let mut reading = walk(input, Some(definitions(release)));
    if let Some(tree) = reading.tree.take() {
        structure::check(&tree, release, &mut reading);
        reading.tree = Some(tree);
    }
    reading.breaches.sort_by_key(|breach| breach.span.start);
    reading
}

/// The canonical tree of what a peer wrote: FHIR JSON, whatever rules it breaks. `None` where it is no JSON.
pub fn tree_of_answer(answer: &[u8]) -> Option<Tree> {
    walk(answer, None).tree
}

/// What the definitions say of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Type(TypeId),
    Unknown,
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An element that does not repeat.
    Single,
    /// An element that repeats: an array belongs here.
    Array,
    /// In the array of an element that repeats.
    Item,
    /// Nothing is known of it.
    Anywhere,
    /// In an array of which nothing is known.
    AnyItem,
}

/// A value that waits to be read.
#[derive(Debug, Clone, Copy)]
struct Job {
    parent: Option<Id>,
    /// Token of its name, or `NONE` in an array.
    key: u32,
    /// Token of the value; `NONE` where there is only a twin.
    value: u32,
    /// Token of its twin's value: what stands under `_x`.
    twin: u32,
    of: Of,
    place: Place,
}

/// A member of the object that is being read.
struct Member<'a> {
    /// As written.
    name: Cow<'a, [u8]>,
    key: u32,
    value: u32,
    twin: u32,
    property: Option<&'static Property>,
    /// Whether it went into another member as its twin.
    is_folded: bool,
}

impl Member<'_> {
    /// The name without the underscore of a twin.
    fn base(&self) -> &[u8] {
        if self.is_twin() { &self.name[1..] } else { &self.name }
    }

    /// Elements' names begin with a letter: `__proto__` is no twin.
    fn is_twin(&self) -> bool {
        self.name.first() == Some(&b'_') && self.name.get(1).is_some_and(u8::is_ascii_alphabetic)
    }
}

/// What an object is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    Resource,
    Element(Of),
    /// The twin of a primitive: id and extension only.
    Twin(Of),
}

struct Walk<'a> {
    input: &'a [u8],
    tokens: Tokens,
    definitions: Option<&'static Definitions>,
    reading: Reading,
    tree: Tree,
    jobs: Vec<Job>,
    members: Vec<Member<'a>>,
    sorted: Vec<u32>,
    /// For each element of the type at hand, the object in which it was last seen, and as which property.
    seen: Vec<(u32, u32)>,
    objects: u32,
}

fn walk(input: &[u8], definitions: Option<&'static Definitions>) -> Reading {
    let mut tokens = json::tokens(input);
    let mut reading = Reading { breaches: std::mem::take(&mut tokens.breaches), ..Reading::default() };
    for breach in &mut reading.breaches {
        if breach.case == json::LONE_SURROGATE {
            breach.case = LONE_SURROGATE;
        }
    }
    if input.starts_with(b"\xef\xbb\xbf") {
        reading.transport.push("byte-order-mark");
    }
    if !tokens.complete {
        return reading;
    }
    let of = definitions.map_or(Of::Unknown, |all| Of::Type(all.any_resource()));
    let root = Job { parent: None, key: NONE, value: 0, twin: NONE, of, place: Place::Single };
    let mut walk = Walk {
        input,
        tokens,
        definitions,
        reading,
        tree: Tree::new(),
        jobs: vec![root],
        members: Vec::new(),
        sorted: Vec::new(),
        seen: Vec::new(),
        objects: 0,
    };
    while let Some(job) = walk.jobs.pop() {
        let first = walk.jobs.len();
        walk.read(job);
        walk.jobs[first..].reverse();
    }
    Reading { tree: Some(walk.tree), ..walk.reading }
}

impl<'a> Walk<'a> {
    fn token(&self, at: u32) -> Token {
        self.tokens.list[at as usize]
    }

    fn kind(&self, at: u32) -> Option<Kind> {
        self.tokens.list.get(at as usize).map(|token| token.kind)
    }

    fn breach(&mut self, case: &'static crate::rules::Case, at: u32) {
        if self.definitions.is_some() {
            let span = self.token(at).span();
            self.reading.breach(case, span);
        }
    }

    fn text(&self, at: u32) -> Cow<'a, [u8]> {
        json::text(self.input, &self.tokens.list[at as usize])
    }

    /// A value's name in its parent, without the underscore where only the twin is there.
    fn label(&self, job: &Job) -> Cow<'a, [u8]> {
        if job.key == NONE {
            return Cow::Borrowed(b"");
        }
        match self.text(job.key) {
            Cow::Borrowed(name) if job.value == NONE => name.strip_prefix(b"_").unwrap_or(name).into(),
            Cow::Owned(name) if job.value == NONE => name.strip_prefix(b"_").unwrap_or(&name).to_vec().into(),
            name => name,
        }
    }

    fn add(&mut self, job: &Job, what: What, text: &[u8]) -> Id {
        let at = if job.value == NONE { job.twin } else { job.value };
        let (label, span) = (self.label(job), self.token(at).span());
        self.tree.add(job.parent, &label, what, text, span)
    }

    fn read(&mut self, job: Job) {
        match self.kind(job.value) {
            Some(Kind::Array) => self.array(job),
            None if self.kind(job.twin) == Some(Kind::Array) => self.array(job),
            Some(Kind::Object) => {
                self.not_an_array(&job);
                self.object(job);
            }
            _ => {
                self.not_an_array(&job);
                self.leaf(job);
            }
        }
    }

    fn not_an_array(&mut self, job: &Job) {
        let at = if job.value == NONE { job.twin } else { job.value };
        if job.place == Place::Array && self.kind(at) != Some(Kind::Null) {
            self.breach(if job.value == NONE { TWIN_SHAPE } else { SINGLE_FOR_ARRAY }, at);
        }
    }

    fn array(&mut self, job: Job) {
        let values = self.items(job.value);
        let mut twins = self.items(job.twin);
        match job.place {
            Place::Single if job.parent.is_none() => self.breach(NO_RESOURCE, job.value),
            Place::Single if job.value == NONE => self.breach(TWIN_SHAPE, job.twin),
            Place::Single if values.len() > 1 => self.breach(TOO_MANY, job.value),
            Place::Single => self.breach(ARRAY_FOR_SINGLE, job.value),
            Place::Item => self.breach(ARRAY_IN_ARRAY, if job.value == NONE { job.twin } else { job.value }),
            Place::Array | Place::Anywhere | Place::AnyItem => {}
        }
        for (at, items) in [(job.value, &values), (job.twin, &twins)] {
            if items.is_empty() && self.kind(at) == Some(Kind::Array) {
                self.breach(EMPTY_ARRAY, at);
            }
        }
        let list = self.add(&job, What::List, b"");
        if job.value != NONE && job.twin != NONE {
            if self.kind(job.twin) != Some(Kind::Array) {
                self.breach(TWIN_SHAPE, job.twin);
                twins.clear();
            } else if twins.len() != values.len() {
                self.breach(MISALIGNED, job.twin);
            }
        }
        let place = if matches!(job.place, Place::Anywhere | Place::AnyItem) { Place::AnyItem } else { Place::Item };
        for at in 0..values.len().max(twins.len()) {
            let value = values.get(at).copied().unwrap_or(NONE);
            let twin = twins.get(at).copied().unwrap_or(NONE);
            let is_null = |at: u32| self.kind(at).is_none_or(|kind| kind == Kind::Null);
            // A null pads: what is left of it is the twin; of two, the value's stands for both.
            let (value, twin) = match (is_null(value), is_null(twin)) {
                (true, false) => (NONE, twin),
                (_, true) => (if value == NONE { twin } else { value }, NONE),
                _ => (value, twin),
            };
            self.jobs.push(Job { parent: Some(list), key: NONE, value, twin, of: job.of, place });
        }
    }

    fn items(&self, at: u32) -> Vec<u32> {
        match self.kind(at) {
            Some(Kind::Array) => self.tokens.children(at as usize).map(|item| item as u32).collect(),
            _ => Vec::new(),
        }
    }

    fn sort(&self, of: Of) -> Option<(Sort, &'static str)> {
        let (Some(all), Of::Type(of)) = (self.definitions, of) else { return None };
        let of = all.get(of);
        Some((of.sort, of.name))
    }

    /// Whether an object of unknown type may be a resource: by where resources are in every release.
    fn holds_resource(&self, job: &Job) -> bool {
        let Some(parent) = job.parent else { return true };
        let label = match job.key {
            NONE => Cow::Borrowed(self.tree.label(parent)),
            key => self.text(key),
        };
        matches!(&*label, b"resource" | b"contained" | b"outcome" | b"issues")
    }

    fn object(&mut self, job: Job) {
        let node = self.add(&job, What::Object, b"");
        let read_as = match self.sort(job.of) {
            Some((Sort::Primitive, name)) => {
                let case = wrong_kind(name);
                self.breach(case, job.value);
                As::Element(Of::Unknown)
            }
            Some((Sort::Abstract, "Resource")) => As::Resource,
            None if self.holds_resource(&job) => As::Resource,
            _ => As::Element(job.of),
        };
        self.members_of(job.value, node, read_as);
        if job.twin != NONE {
            self.breach(TWIN_OF_NO_PRIMITIVE, job.twin);
        }
    }

    fn leaf(&mut self, job: Job) {
        let kind = self.kind(job.value);
        let sort = self.sort(job.of);
        let node = match kind {
            None => self.add(&job, What::Null, b""),
            Some(Kind::Null) => {
                if job.twin == NONE {
                    let is_item = matches!(job.place, Place::Item | Place::AnyItem);
                    let is_primitive = sort.is_none_or(|(sort, _)| sort == Sort::Primitive);
                    self.breach(if is_item && is_primitive { BOTH_NULL } else { NULL }, job.value);
                }
                self.add(&job, What::Null, b"")
            }
            Some(Kind::String) => self.string(&job, sort),
            Some(kind) => {
                let text = self.text_of_scalar(job.value);
                let what = if kind == Kind::Number { What::Number } else { What::Boolean };
                self.value(&job, sort, text);
                self.add(&job, what, text)
            }
        };
        if job.twin == NONE {
            return;
        }
        match self.kind(job.twin) {
            Some(Kind::Object) => self.members_of(job.twin, node, As::Twin(job.of)),
            Some(Kind::Array) => self.breach(TWIN_SHAPE, job.twin),
            Some(Kind::Null) => self.breach(NULL, job.twin),
            _ => self.breach(TWIN_KIND, job.twin),
        }
    }

    fn text_of_scalar(&self, at: u32) -> &'a [u8] {
        &self.input[self.tokens.list[at as usize].span()]
    }

    fn string(&mut self, job: &Job, sort: Option<(Sort, &'static str)>) -> Id {
        let token = self.token(job.value);
        let text = self.text(job.value);
        let is_narrative = match sort {
            Some((_, name)) => name == "xhtml",
            None => self.is_narrative(job, &text),
        };
        if is_narrative {
            return self.narrative(job, &text);
        }
        if text.is_empty() {
            self.breach(EMPTY_STRING, job.value);
        } else {
            self.value(job, sort, &text);
        }
        let node = self.add(job, What::String, &text);
        if token.escaped {
            self.tree.set_raw(node, &self.input[token.inside()]);
        }
        node
    }

    /// Where nothing is known of the type: what stands in `text.div` and looks like markup.
    fn is_narrative(&self, job: &Job, text: &[u8]) -> bool {
        let in_text = job.parent.is_some_and(|parent| self.tree.label(parent) == b"text");
        in_text && job.key != NONE && *self.text(job.key) == *b"div" && text.trim_ascii_start().starts_with(b"<")
    }

    /// A leaf with the hash of its infoset; what is no UTF-8 is no XML either, and stays as it is.
    fn narrative(&mut self, job: &Job, markup: &[u8]) -> Id {
        let read = std::str::from_utf8(markup).ok().map(narrative::read);
        for breach in read.iter().flat_map(|read| &read.breaches) {
            self.breach(breach.case, job.value);
        }
        let hash = read.map(|read| read.text());
        let node = self.add(job, What::Narrative, hash.as_ref().map_or(markup, |hash| hash.as_bytes()));
        self.tree.set_raw(node, markup);
        node
    }

    /// Checks a scalar against its type.
    fn value(&mut self, job: &Job, sort: Option<(Sort, &'static str)>, text: &[u8]) {
        let (Some(all), Of::Type(of), Some((sort, name))) = (self.definitions, job.of, sort) else { return };
        if sort != Sort::Primitive {
            let is_resource = sort == Sort::Abstract && name == "Resource";
            return self.breach(if is_resource { NO_RESOURCE } else { NO_OBJECT }, job.value);
        }
        let wanted = match name {
            "decimal" | "integer" | "unsignedInt" | "positiveInt" => &[Kind::Number][..],
            "boolean" => &[Kind::True, Kind::False],
            _ => &[Kind::String],
        };
        if !self.kind(job.value).is_some_and(|kind| wanted.contains(&kind)) {
            return self.breach(wrong_kind(name), job.value);
        }
        let span = self.token(job.value).span();
        let reading = &mut self.reading;
        primitives::check(all.release, all.get(of), text, &mut |case| reading.breach(case, span.clone()));
    }

    /// Reads the members of an object into `node`.
    fn members_of(&mut self, object: u32, node: Id, read_as: As) {
        self.collect(object);
        let of = match read_as {
            As::Resource => self.resource_type(object, node),
            As::Element(of) | As::Twin(of) => of,
        };
        if self.members.is_empty() && read_as != As::Resource {
            self.breach(EMPTY_OBJECT, object);
        }
        self.resolve(of);
        self.pair(read_as);
        self.check_members(object, of, read_as);
        for at in 0..self.members.len() {
            let member = &self.members[at];
            if member.is_folded {
                continue;
            }
            let (of, place) = match (self.definitions, member.property) {
                (Some(all), Some(property)) => {
                    let repeats = all.element(property).repeats();
                    (Of::Type(property.of), if repeats { Place::Array } else { Place::Single })
                }
                _ => (Of::Unknown, Place::Anywhere),
            };
            let Member { key, value, twin, .. } = *member;
            self.jobs.push(Job { parent: Some(node), key, value, twin, of, place });
        }
    }

    fn collect(&mut self, object: u32) {
        self.members.clear();
        for key in self.tokens.children(object as usize) {
            let name = json::text(self.input, &self.tokens.list[key]);
            let (key, value) = (key as u32, key as u32 + 1);
            self.members.push(Member { name, key, value, twin: NONE, property: None, is_folded: false });
        }
    }

    /// Takes the resource type into the node; duplicates stay members as well, so that nothing is lost.
    fn resource_type(&mut self, object: u32, node: Id) -> Of {
        let is_type = |member: &Member<'_>| &*member.name == b"resourceType";
        let count = self.members.iter().filter(|member| is_type(member)).count();
        let Some(at) = self.members.iter().rposition(is_type) else {
            if self.definitions.is_some() {
                self.breach(NO_RESOURCE_TYPE, object);
            }
            return Of::Unknown;
        };
        let value = self.members[at].value;
        if self.kind(value) != Some(Kind::String) {
            self.breach(RESOURCE_TYPE_KIND, value);
            return Of::Unknown;
        }
        let name = self.text(value);
        self.tree.set_text(node, &name);
        if count == 1 {
            self.members.remove(at);
        }
        let Some(all) = self.definitions else { return Of::Unknown };
        match all.resource(&name) {
            Some(of) => Of::Type(of),
            None => {
                self.breach(UNKNOWN_RESOURCE_TYPE, value);
                Of::Unknown
            }
        }
    }

    fn resolve(&mut self, of: Of) {
        let (Some(all), Of::Type(of)) = (self.definitions, of) else { return };
        for member in &mut self.members {
            member.property = all.property(of, member.base());
        }
    }

    /// Finds duplicates, and folds twins into what they belong to.
    fn pair(&mut self, read_as: As) {
        let members = &mut self.members;
        self.sorted.clear();
        self.sorted.extend(0..members.len() as u32);
        self.sorted.sort_unstable_by(|&a, &b| {
            let (one, other) = (&members[a as usize], &members[b as usize]);
            (one.base(), one.is_twin(), a).cmp(&(other.base(), other.is_twin(), b))
        });
        let mut first = 0;
        for next in 0..self.sorted.len() {
            let at = self.sorted[next] as usize;
            if members[self.sorted[first] as usize].base() != members[at].base() {
                first = next;
            }
            let before = next.checked_sub(1).map(|before| self.sorted[before] as usize);
            if self.definitions.is_some() && before.is_some_and(|before| members[before].name == members[at].name) {
                let span = self.tokens.list[members[at].key as usize].span();
                self.reading.breach(DUPLICATE_KEY, span);
            }
            if !members[at].is_twin() || matches!(read_as, As::Twin(_)) {
                continue;
            }
            let base = self.sorted[first] as usize;
            let folds = match (members[at].property, self.definitions) {
                (Some(property), Some(all)) => all.get(property.of).sort == Sort::Primitive,
                _ => {
                    let is_alone = members[base].is_twin();
                    let twin = self.tokens.list[members[at].value as usize].kind;
                    matches!(twin, Kind::Object | Kind::Array)
                        && (is_alone || is_primitive(&self.tokens.list, members[base].value))
                }
            };
            if !folds {
                members[at].property = None;
            } else if !members[base].is_twin() && members[base].twin == NONE {
                members[base].twin = members[at].value;
                members[at].is_folded = true;
            } else {
                members[at].twin = members[at].value;
                members[at].value = NONE;
            }
        }
    }

    /// What a type has and has not.
    fn check_members(&mut self, object: u32, of: Of, read_as: As) {
        let Some(all) = self.definitions else { return };
        let Of::Type(of) = of else { return };
        self.objects += 1;
        let elements = all.elements(of);
        if self.seen.len() < elements.len() {
            self.seen.resize(elements.len(), (0, 0));
        }
        for at in 0..self.members.len() {
            let member = &self.members[at];
            let key = member.key;
            let Some(property) = member.property else {
                // Of a resource only duplicates are left, which are a breach already.
                let is_type = read_as == As::Resource && &*member.name == b"resourceType";
                if !member.is_folded && !is_type {
                    let case = self.unknown(all, of, member, read_as);
                    self.breach(case, key);
                }
                continue;
            };
            let position = all.order(property);
            let mark = u32::from(property.of);
            let (seen, other) = self.seen[position];
            self.seen[position] = (self.objects, mark);
            if seen == self.objects && other != mark {
                self.breach(TWO_CHOICES, key);
            }
        }
        if matches!(read_as, As::Twin(_)) {
            return;
        }
        for position in all.required(of) {
            if self.seen[position].0 != self.objects {
                let is_url = all.get(of).name == "Extension" && elements[position].name == "url";
                self.breach(if is_url { NO_URL } else { MISSING }, object);
            }
        }
    }

    /// Why a type does not have this member.
    fn unknown(&self, all: &Definitions, of: TypeId, member: &Member<'_>, read_as: As) -> &'static crate::rules::Case {
        let name = &*member.name;
        if matches!(read_as, As::Twin(_)) {
            return TWIN_MEMBER;
        }
        match name {
            b"resourceType" => return STRAY_RESOURCE_TYPE,
            b"fhir_comments" | b"_fhir_comments" => return FHIR_COMMENTS,
            _ => {}
        }
        if member.is_twin() && all.property(of, member.base()).is_some() {
            return TWIN_OF_NO_PRIMITIVE;
        }
        let base = member.base();
        let names = all.properties_of(of).iter();
        if read_as == As::Resource && base.eq_ignore_ascii_case(b"resourceType")
            || names.clone().any(|property| property.name.as_bytes().eq_ignore_ascii_case(base))
        {
            return NAME_CASE;
        }
        let choices = all.elements(of).iter().filter(|element| element.is_choice);
        let is_choice = choices.filter_map(|element| base.strip_prefix(element.name.as_bytes())).any(|of| {
            let lower = of.split_first().map(|(first, rest)| [&[first.to_ascii_lowercase()], rest].concat());
            of.first().is_some_and(u8::is_ascii_uppercase)
                && (all.named_bytes(of).is_some() || lower.is_some_and(|of| all.named_bytes(&of).is_some()))
        });
        if is_choice { CHOICE_TYPE } else { UNKNOWN_PROPERTY }
    }
}

/// Whether a value is a scalar or an array of scalars, as far as its first item shows.
fn is_primitive(tokens: &[Token], at: u32) -> bool {
    let value = &tokens[at as usize];
    let first = tokens.get(at as usize + 1).filter(|_| value.after > at + 1);
    match value.kind {
        Kind::Object => false,
        Kind::Array => first.is_some_and(|first| !matches!(first.kind, Kind::Object | Kind::Array)),
        _ => true,
    }
}

/// The case of a value of the wrong JSON kind, by the type that belongs there.
fn wrong_kind(name: &str) -> &'static crate::rules::Case {
    match name {
        "decimal" | "integer" | "unsignedInt" | "positiveInt" => NO_NUMBER,
        "boolean" => NO_BOOLEAN,
        "xhtml" => NARRATIVE_KIND,
        _ => NO_STRING,
    }
}
