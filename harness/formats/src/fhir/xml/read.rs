//! Resources in XML as the same canonical trees as in JSON: the definitions say what repeats and what kind a value is of.

use super::events::{Attribute, Event, Events, Name, Namespace, text};
use super::{
    ATTRIBUTE, EMPTY_ATTRIBUTE, EMPTY_ELEMENT, INSTRUCTION, NAMESPACE, ORDER, REPEATED, SCHEMA_LOCATION,
    SURROUNDING_BLANKS, TEXT,
};
use crate::fhir::cases::{
    CHOICE_TYPE, MISSING, NAME_CASE, NO_URL, TWO_CHOICES, UNKNOWN_PROPERTY, UNKNOWN_RESOURCE_TYPE,
};
use crate::fhir::definitions::{Definitions, Property, Sort, TypeId, definitions};
use crate::fhir::narrative::Check;
use crate::fhir::{Release, primitives, structure};
use crate::reading::Reading;
use crate::rules::Case;
use crate::tree::{Id, Tree, What};
use std::ops::Range;

/// Reads a resource in XML. Costs time and memory linear in `input` (n log n in the attributes of one element), and no
/// stack. What an unclosed document holds is read; where tags do not match, reading ends.
pub fn read_xml(input: &[u8], release: Release) -> Reading {
    let mut reading = Reading::default();
    if input.starts_with(b"\xef\xbb\xbf") {
        reading.transport.push("byte-order-mark");
    }
    let (text, start) = match text(input) {
        Ok(text) => text,
        Err(breach) => {
            reading.breaches.push(breach);
            return reading;
        }
    };
    let mut events = Events::new(text, start);
    let mut walk = Walk {
        all: definitions(release),
        text,
        start,
        reading,
        tree: Tree::new(),
        frames: Vec::new(),
        seen: Vec::new(),
        narrative: None,
    };
    while let Some((event, span)) = events.next_event() {
        walk.event(&mut events, event, span);
    }
    while !walk.frames.is_empty() {
        walk.end(text.len());
    }
    let mut reading = walk.reading;
    for breach in events.breaches {
        reading.breach(breach.case, breach.span);
    }
    if !walk.tree.is_empty() {
        structure::check(&walk.tree, release, &mut reading);
        reading.tree = Some(walk.tree);
    }
    reading.breaches.sort_by_key(|breach| breach.span.start);
    reading
}

/// What an open element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    /// A resource or an element with elements.
    Typed(TypeId),
    /// A primitive, whose only elements are extensions.
    Primitive(TypeId),
    /// Holds one resource and is not in the tree itself.
    Holder,
    /// Nothing is known of it.
    Unknown,
}

/// An open element.
struct Frame<'a> {
    read_as: As,
    /// Its node; of a holder the node that gets the resource.
    node: Id,
    /// Under which name a holder's resource goes into its node; empty in a list.
    label: &'a str,
    /// First of its elements in [`Walk::seen`].
    seen: usize,
    /// The latest position in the definition that was seen.
    order: usize,
    /// Whether it has neither value nor elements yet.
    is_empty: bool,
    is_resource: bool,
}

/// An element of an open one that was seen.
struct Seen {
    position: usize,
    of: TypeId,
    /// Its list, where it may repeat.
    list: Option<Id>,
}

struct Walk<'a> {
    all: &'static Definitions,
    text: &'a str,
    start: usize,
    reading: Reading,
    tree: Tree,
    frames: Vec<Frame<'a>>,
    /// What was seen in each open element, the innermost last.
    seen: Vec<Seen>,
    narrative: Option<Div>,
}

/// A narrative that is being read.
struct Div {
    node: Id,
    from: usize,
    depth: usize,
    check: Check,
}

impl<'a> Walk<'a> {
    fn breach(&mut self, case: &'static Case, span: Range<usize>) {
        self.reading.breach(case, self.start + span.start..self.start + span.end);
    }

    fn event(&mut self, events: &mut Events<'a>, event: Event<'a>, span: Range<usize>) {
        if let Some(div) = &mut self.narrative {
            div.check.event(events, &event, self.start + span.start..self.start + span.end);
            match event {
                Event::Start(_) => div.depth += 1,
                Event::End => div.depth -= 1,
                _ => {}
            }
            if div.depth == 0 {
                self.end_narrative(span.end);
            }
            return;
        }
        // A second root is a breach already, and not read.
        let is_behind = self.frames.is_empty() && !self.tree.is_empty();
        match event {
            _ if is_behind => {}
            Event::Start(name) => self.begin(events, name, span),
            Event::End => self.end(span.end),
            Event::Text(text) | Event::Cdata(text) => {
                if !self.frames.is_empty() && !text.bytes().all(|byte| byte.is_ascii_whitespace()) {
                    self.breach(TEXT, span);
                }
            }
            Event::Instruction(_) => self.breach(INSTRUCTION, span),
            Event::Comment(_) | Event::Doctype => {}
        }
    }

    fn begin(&mut self, events: &mut Events<'a>, name: Name<'a>, span: Range<usize>) {
        let Some(parent) = self.frames.last_mut() else {
            self.check_namespace(name, &span);
            self.resource(None, "", name, span.clone());
            return self.attributes(events, &span);
        };
        parent.is_empty = false;
        let (read_as, node, label) = (parent.read_as, parent.node, parent.label);
        let property = match read_as {
            As::Typed(of) | As::Primitive(of) => self.all.property(of, name.local.as_bytes()),
            As::Holder | As::Unknown => None,
        };
        let property = property.filter(|property| !self.all.element(property).is_attribute);
        if let Some(property) = property
            && self.all.get(property.of).name == "xhtml"
        {
            return self.begin_narrative(events, property, name, span);
        }
        self.check_namespace(name, &span);
        match (read_as, property) {
            (As::Holder, _) => {
                let is_second = self.frames.last().is_some_and(|holder| holder.order > 0);
                if is_second {
                    self.breach(REPEATED, span.clone());
                }
                if let Some(holder) = self.frames.last_mut() {
                    holder.order = 1;
                }
                self.resource(Some(node), label, name, span.clone());
            }
            (_, Some(property)) => self.element(property, name, span.clone()),
            (_, None) => {
                if let As::Typed(of) | As::Primitive(of) = read_as {
                    let case = self.unknown(of, name.local);
                    self.breach(case, span.clone());
                }
                let node = self.tree.add(Some(node), name.local.as_bytes(), What::Object, b"", self.whole(&span));
                self.push(As::Unknown, node, "");
            }
        }
        self.attributes(events, &span);
    }

    fn check_namespace(&mut self, name: Name<'_>, span: &Range<usize>) {
        if name.namespace != Namespace::FHIR {
            self.breach(NAMESPACE, span.clone());
        }
    }

    /// A node's first span: to the end of its start tag, until its end is known.
    fn whole(&self, span: &Range<usize>) -> Range<usize> {
        self.start + span.start..self.start + span.end
    }

    fn push(&mut self, read_as: As, node: Id, label: &'a str) {
        let seen = self.seen.len();
        self.frames.push(Frame { read_as, node, label, seen, order: 0, is_empty: true, is_resource: false });
    }

    fn resource(&mut self, parent: Option<Id>, label: &str, name: Name<'a>, span: Range<usize>) {
        let whole = self.whole(&span);
        let node = self.tree.add(parent, label.as_bytes(), What::Object, name.local.as_bytes(), whole);
        let of = self.all.resource(name.local.as_bytes());
        if of.is_none() {
            self.breach(UNKNOWN_RESOURCE_TYPE, span);
        }
        self.push(of.map_or(As::Unknown, As::Typed), node, "");
        if let Some(frame) = self.frames.last_mut() {
            frame.is_resource = true;
        }
    }

    /// Where the value of a property goes: its list, or its parent. Notes what the definition says of order and number.
    fn place(&mut self, property: &'static Property, name: Name<'a>, span: &Range<usize>) -> (Id, &'a str) {
        let position = self.all.order(property);
        let element = self.all.element(property);
        let Some(frame) = self.frames.last_mut() else { return (0, "") };
        let parent = frame.node;
        let is_late = position < frame.order;
        frame.order = frame.order.max(position);
        let before = self.seen[frame.seen..].iter().find(|seen| seen.position == position);
        let list = before.and_then(|seen| seen.list);
        let again = before.map(|seen| seen.of);
        if is_late {
            self.breach(ORDER, span.clone());
        }
        match again {
            Some(of) if of != property.of => self.breach(TWO_CHOICES, span.clone()),
            Some(_) if !element.repeats() => self.breach(REPEATED, span.clone()),
            _ => {}
        }
        let list = list.or_else(|| {
            let whole = self.whole(span);
            element.repeats().then(|| self.tree.add(Some(parent), name.local.as_bytes(), What::List, b"", whole))
        });
        if again.is_none() {
            self.seen.push(Seen { position, of: property.of, list });
        }
        list.map_or((parent, name.local), |list| (list, ""))
    }

    fn element(&mut self, property: &'static Property, name: Name<'a>, span: Range<usize>) {
        let (parent, label) = self.place(property, name, &span);
        let of = self.all.get(property.of);
        if property.of == self.all.any_resource() {
            return self.push(As::Holder, parent, label);
        }
        let whole = self.whole(&span);
        let (what, read_as) = match of.sort {
            Sort::Primitive => (What::Null, As::Primitive(property.of)),
            _ => (What::Object, As::Typed(property.of)),
        };
        let node = self.tree.add(Some(parent), label.as_bytes(), what, b"", whole);
        self.push(read_as, node, "");
    }

    /// The attributes of the element that was pushed last.
    fn attributes(&mut self, events: &Events<'a>, span: &Range<usize>) {
        let Some(frame) = self.frames.last() else { return };
        let (read_as, node, is_resource) = (frame.read_as, frame.node, frame.is_resource);
        for Attribute { name, value, span: at } in events.attributes() {
            if name.namespace == Namespace::SCHEMA_INSTANCE {
                self.breach(SCHEMA_LOCATION, at.clone());
                continue;
            }
            let trimmed = value.trim_matches([' ', '\t', '\n', '\r']);
            if trimmed.is_empty() {
                self.breach(EMPTY_ATTRIBUTE, span.clone());
            } else if trimmed.len() < value.len() {
                self.breach(SURROUNDING_BLANKS, at.clone());
            }
            let is_own = name.namespace == Namespace::NONE;
            let property = match read_as {
                As::Typed(of) | As::Primitive(of) if is_own && !is_resource => {
                    self.all.property(of, name.local.as_bytes())
                }
                _ => None,
            };
            let property = property.filter(|property| self.all.element(property).is_attribute);
            let (leaf, of) = match (read_as, property) {
                (As::Primitive(of), _) if is_own && name.local == "value" => {
                    let what = match self.all.get(of).name {
                        "boolean" => What::Boolean,
                        "decimal" | "integer" | "unsignedInt" | "positiveInt" => What::Number,
                        _ => What::String,
                    };
                    self.tree.set_what(node, what);
                    self.tree.set_text(node, trimmed.as_bytes());
                    (node, of)
                }
                (_, Some(property)) => {
                    let frame_seen = Seen { position: self.all.order(property), of: property.of, list: None };
                    self.seen.push(frame_seen);
                    let whole = self.whole(at);
                    let label = name.local.as_bytes();
                    (self.tree.add(Some(node), label, What::String, trimmed.as_bytes(), whole), property.of)
                }
                (As::Unknown, _) if is_own && name.local == "value" => {
                    self.tree.set_what(node, What::String);
                    self.tree.set_text(node, trimmed.as_bytes());
                    if let Some(frame) = self.frames.last_mut() {
                        frame.is_empty = false;
                    }
                    continue;
                }
                _ => {
                    self.breach(ATTRIBUTE, span.clone());
                    continue;
                }
            };
            if trimmed.len() < value.len() {
                self.tree.set_raw(leaf, value.as_bytes());
            }
            if !trimmed.is_empty() {
                let (all, reading, from) = (self.all, &mut self.reading, self.start);
                primitives::check(all.release, all.get(of), trimmed.as_bytes(), &mut |case| {
                    reading.breach(case, from + at.start..from + at.end);
                });
            }
            let has_value = leaf == node;
            if let Some(frame) = self.frames.last_mut() {
                frame.is_empty &= !has_value && name.local != "url";
            }
        }
    }

    fn end(&mut self, at: usize) {
        if self.narrative.is_some() {
            self.end_narrative(at);
        }
        let Some(frame) = self.frames.pop() else { return };
        let span = self.tree.span(frame.node);
        let span = span.start - self.start..span.end - self.start;
        if frame.read_as != As::Holder {
            self.tree.set_end(frame.node, self.start + at);
        }
        // An id alone is a breach of ele-1, which is checked on the tree.
        let has_id = frame.read_as != As::Holder && self.tree.children(frame.node).next().is_some();
        if frame.is_empty && !frame.is_resource && !has_id {
            self.breach(EMPTY_ELEMENT, span.clone());
        }
        if let As::Typed(of) = frame.read_as {
            for position in self.all.required(of) {
                if self.seen[frame.seen..].iter().all(|seen| seen.position != position) {
                    let is_url = self.all.get(of).name == "Extension" && self.all.elements(of)[position].name == "url";
                    self.breach(if is_url { NO_URL } else { MISSING }, span.clone());
                }
            }
        }
        self.seen.truncate(frame.seen);
    }

    fn begin_narrative(
        &mut self,
        events: &Events<'a>,
        property: &'static Property,
        name: Name<'a>,
        span: Range<usize>,
    ) {
        let (parent, label) = self.place(property, name, &span);
        let whole = self.whole(&span);
        let node = self.tree.add(Some(parent), label.as_bytes(), What::Narrative, b"", whole.clone());
        let mut check = Check::default();
        check.event(events, &Event::Start(name), whole);
        self.narrative = Some(Div { node, from: span.start, depth: 1, check });
    }

    fn end_narrative(&mut self, at: usize) {
        let Some(div) = self.narrative.take() else { return };
        let mut narrative = div.check.finish();
        for breach in narrative.breaches.drain(..) {
            let span = if breach.span.is_empty() { self.tree.span(div.node) } else { breach.span };
            self.reading.breach(breach.case, span);
        }
        self.tree.set_text(div.node, narrative.text().as_bytes());
        self.tree.set_raw(div.node, &self.text.as_bytes()[div.from..at]);
        self.tree.set_end(div.node, self.start + at);
    }

    /// Why a type does not have this element.
    fn unknown(&self, of: TypeId, name: &str) -> &'static Case {
        let elements = self.all.elements(of);
        let of_type = |element: &str| {
            let rest = name.strip_prefix(element)?;
            let first = rest.chars().next().filter(char::is_ascii_uppercase)?;
            let lower = format!("{}{}", first.to_ascii_lowercase(), &rest[1..]);
            self.all.named(rest).or_else(|| self.all.named(&lower))
        };
        if elements.iter().any(|element| element.name.eq_ignore_ascii_case(name)) {
            NAME_CASE
        } else if elements.iter().any(|element| element.is_choice && of_type(element.name).is_some()) {
            CHOICE_TYPE
        } else {
            UNKNOWN_PROPERTY
        }
    }
}
