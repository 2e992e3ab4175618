//! Rules of structure (S01–S10), on the canonical tree: the same for JSON and XML.

use super::Release;
use super::cases::*;
use super::definitions::{Definitions, TypeId, definitions};
use crate::reading::Reading;
use crate::rules::Case;
use crate::tree::{Id, Tree, What};
use std::collections::{BTreeMap, BTreeSet};

/// Resources in each other that a strict gateway takes: a Bundle of Bundles of Parameters is none that anybody wrote.
pub const RESOURCE_DEPTH_STRICT: usize = 32;

/// Checks a resource's tree. Costs time n log n in its nodes, and no stack.
pub fn check(tree: &Tree, release: Release, reading: &mut Reading) {
    let mut depth = vec![0_u32; tree.len()];
    let mut homes = vec![Home::default(); tree.len()];
    let mut holders: BTreeMap<Id, Container> = BTreeMap::new();
    let mut types = Types { all: definitions(release), known: Vec::new() };
    let mut deep = false;
    for id in 0..tree.len() as Id {
        let above = tree.parent(id);
        let is_resource = is_resource(tree, id);
        depth[id as usize] = above.map_or(0, |above| depth[above as usize]) + u32::from(is_resource);
        if depth[id as usize] as usize > RESOURCE_DEPTH_STRICT && !deep {
            deep = true;
            note(reading, tree, RESOURCE_DEPTH, id);
        }
        let outer = above.map_or(Home::default(), |above| homes[above as usize]);
        let is_contained = is_resource && is_item_of(tree, id, b"contained");
        let home = match (is_resource, is_contained, outer.container) {
            (true, true, Some(container)) => {
                holders.entry(container).or_default().contained.push(id);
                check_contained(tree, id, reading);
                Home { container: Some(container), contained: Some(id) }
            }
            (true, _, _) => Home { container: Some(id), contained: None },
            (false, ..) => outer,
        };
        homes[id as usize] = home;
        if let Some(container) = home.container
            && tree.what(id) == What::String
            && let Some(target) = tree.text(id).strip_prefix(b"#")
        {
            let is_reference =
                tree.label(id) == b"reference" && above.is_some_and(|above| types.is_reference(tree, above));
            holders.entry(container).or_default().refer(id, target, is_reference, home.contained);
        }
        match tree.what(id) {
            What::Object if is_extension(tree, id) => check_extension(tree, id, reading),
            What::Object if is_resource && tree.text(id) == b"Bundle" => check_bundle(tree, id, reading),
            _ => {}
        }
        check_content(tree, id, is_resource, reading);
    }
    for held in holders.values() {
        held.check(tree, reading);
    }
}

/// Types of nodes, by the names from the nearest resource down. Asked for few nodes, and each is found out once.
struct Types {
    all: &'static Definitions,
    /// By node; the outer `None` where nobody has asked, the inner where the definitions have no such name.
    known: Vec<Option<Option<TypeId>>>,
}

impl Types {
    /// Whether a node is a `Reference`. Its member of that name is one, while `Expression.reference` is a mere uri.
    fn is_reference(&mut self, tree: &Tree, id: Id) -> bool {
        if self.known.is_empty() {
            self.known = vec![None; tree.len()];
        }
        let mut waiting = Vec::new();
        let mut at = id;
        let mut of = loop {
            if let Some(of) = self.known[at as usize] {
                break of;
            }
            waiting.push(at);
            match tree.parent(at) {
                Some(above) if !is_resource(tree, at) => at = above,
                _ => break None,
            }
        };
        for at in waiting.into_iter().rev() {
            of = match tree.label(at) {
                _ if is_resource(tree, at) => self.all.resource(tree.text(at)),
                // An item is what its list is.
                b"" => of,
                name => of.and_then(|of| self.all.property(of, name)).map(|property| property.of),
            };
            self.known[at as usize] = Some(of);
        }
        of.is_some_and(|of| self.all.get(of).name == "Reference")
    }
}

/// The resources in which a node is.
#[derive(Debug, Clone, Copy, Default)]
struct Home {
    /// The nearest one that is not contained.
    container: Option<Id>,
    /// The nearest contained one inside of that.
    contained: Option<Id>,
}

fn note(reading: &mut Reading, tree: &Tree, case: &'static Case, at: Id) {
    reading.breach(case, tree.span(at));
}

/// Whether a node is a resource: an object with a type.
fn is_resource(tree: &Tree, id: Id) -> bool {
    tree.what(id) == What::Object && !tree.text(id).is_empty()
}

/// Whether a node is an item of the list of that name.
fn is_item_of(tree: &Tree, id: Id, label: &[u8]) -> bool {
    let Some(parent) = tree.parent(id) else { return false };
    match tree.what(parent) {
        What::List => tree.label(parent) == label,
        _ => tree.label(id) == label,
    }
}

fn is_extension(tree: &Tree, id: Id) -> bool {
    is_item_of(tree, id, b"extension") || is_item_of(tree, id, b"modifierExtension")
}

fn string(tree: &Tree, id: Id, label: &str) -> Option<Id> {
    tree.member(id, label).filter(|&leaf| tree.what(leaf) == What::String)
}

fn check_extension(tree: &Tree, id: Id, reading: &mut Reading) {
    let mut has_value = false;
    let mut has_extension = false;
    for child in tree.children(id) {
        match tree.label(child) {
            b"extension" => has_extension = true,
            label => has_value |= label.starts_with(b"value"),
        }
    }
    match (has_value, has_extension) {
        (true, true) => note(reading, tree, VALUE_AND_EXTENSION, id),
        (false, false) => note(reading, tree, NO_VALUE, id),
        _ => {}
    }
    let Some(url) = string(tree, id, "url") else { return };
    let is_absolute = tree.text(url).contains(&b':');
    // Inside of another extension a relative one names a part of it.
    let outer = tree.parent(id).and_then(|parent| match tree.what(parent) {
        What::List => tree.parent(parent),
        _ => Some(parent),
    });
    if !is_absolute && !outer.is_some_and(|outer| is_extension(tree, outer)) {
        note(reading, tree, RELATIVE_URL, url);
    }
}

/// ele-1 for elements: an object has more than its id.
fn check_content(tree: &Tree, id: Id, is_resource: bool, reading: &mut Reading) {
    let is_element = matches!(tree.what(id), What::Object | What::Null) && !is_resource && tree.parent(id).is_some();
    if !is_element {
        return;
    }
    let mut children = tree.children(id);
    if let (Some(only), None) = (children.next(), children.next())
        && tree.label(only) == b"id"
    {
        note(reading, tree, ONLY_ID, id);
    }
}

fn check_contained(tree: &Tree, id: Id, reading: &mut Reading) {
    if let Some(inner) = tree.member(id, "contained") {
        note(reading, tree, NESTED_CONTAINED, inner);
    }
    let Some(meta) = tree.member(id, "meta") else { return };
    for label in ["versionId", "lastUpdated"] {
        if let Some(found) = tree.member(meta, label) {
            note(reading, tree, CONTAINED_VERSION, found);
        }
    }
    if let Some(found) = tree.member(meta, "security") {
        note(reading, tree, CONTAINED_SECURITY, found);
    }
}

/// A resource that contains others, or refers to what it contains.
#[derive(Default)]
struct Container<'t> {
    contained: Vec<Id>,
    /// Targets of references, without `#`.
    references: Vec<(&'t [u8], Id)>,
    /// What any uri, canonical or reference names after a `#`.
    used: BTreeSet<&'t [u8]>,
    /// Contained resources that refer to the container.
    back: BTreeSet<Id>,
}

impl<'t> Container<'t> {
    fn refer(&mut self, at: Id, target: &'t [u8], is_reference: bool, from: Option<Id>) {
        if target.is_empty() {
            self.back.extend(from);
        }
        self.used.insert(target);
        if is_reference {
            self.references.push((target, at));
        }
    }

    fn check(&self, tree: &Tree, reading: &mut Reading) {
        let mut ids: BTreeSet<&[u8]> = BTreeSet::new();
        for &inner in &self.contained {
            let Some(id) = string(tree, inner, "id") else {
                note(reading, tree, CONTAINED_NO_ID, inner);
                continue;
            };
            if !ids.insert(tree.text(id)) {
                note(reading, tree, CONTAINED_ID_TWICE, id);
            }
            if !self.used.contains(tree.text(id)) && !self.back.contains(&inner) {
                note(reading, tree, NOT_REFERENCED, inner);
            }
        }
        for (target, at) in &self.references {
            if !target.is_empty() && !ids.contains(target) {
                note(reading, tree, UNRESOLVED, *at);
            }
        }
    }
}

/// bdl-1 to bdl-12. See hl7.org/fhir/R4/bundle.html#invs.
fn check_bundle(tree: &Tree, id: Id, reading: &mut Reading) {
    let text = |leaf: Option<Id>| leaf.map_or(&b""[..], |leaf| tree.text(leaf));
    let kind = text(string(tree, id, "type"));
    if let Some(total) = tree.member(id, "total")
        && !matches!(kind, b"searchset" | b"history" | b"")
    {
        note(reading, tree, BUNDLE_PART, total);
    }
    let (wants_request, wants_response) = match kind {
        b"batch" | b"transaction" => (true, false),
        b"batch-response" | b"transaction-response" => (false, true),
        b"history" => (true, true),
        _ => (false, false),
    };
    let is_known =
        matches!(kind, b"document" | b"message" | b"collection" | b"searchset" | b"subscription-notification")
            || wants_request
            || wants_response;
    let mut urls: BTreeSet<(&[u8], &[u8])> = BTreeSet::new();
    let entries = tree.member(id, "entry");
    for entry in entries.into_iter().flat_map(|entries| tree.children(entries)) {
        let member = |label: &str| tree.member(entry, label);
        let (resource, request, response) = (member("resource"), member("request"), member("response"));
        if resource.is_none() && request.is_none() && response.is_none() {
            note(reading, tree, EMPTY_ENTRY, entry);
        }
        let wrong = [
            (member("search"), Some(kind == b"searchset").filter(|is| !is)),
            (request, Some(wants_request)),
            (response, Some(wants_response)),
        ];
        for (part, wanted) in wrong {
            if is_known && kind != b"subscription-notification" && wanted.is_some_and(|wanted| wanted != part.is_some())
            {
                note(reading, tree, BUNDLE_PART, part.unwrap_or(entry));
            }
        }
        let Some(full_url) = string(tree, entry, "fullUrl") else { continue };
        let url = tree.text(full_url);
        if url.windows(10).any(|part| part == b"/_history/") {
            note(reading, tree, FULL_URL_VERSION, full_url);
        }
        let meta = resource.and_then(|resource| tree.member(resource, "meta"));
        let version = text(meta.and_then(|meta| string(tree, meta, "versionId")));
        if !urls.insert((url, version)) && kind != b"history" {
            note(reading, tree, FULL_URL_TWICE, full_url);
        }
    }
    check_header(tree, id, kind, reading);
}

/// bdl-9 to bdl-12: what a document or message begins with.
fn check_header(tree: &Tree, id: Id, kind: &[u8], reading: &mut Reading) {
    let first = match kind {
        b"document" => &b"Composition"[..],
        b"message" => b"MessageHeader",
        _ => return,
    };
    let entry = tree.member(id, "entry").and_then(|entries| tree.children(entries).next());
    let resource = entry.and_then(|entry| tree.member(entry, "resource"));
    let begins = resource.is_some_and(|resource| tree.text(resource) == first);
    let is_document = kind == b"document";
    let identifier = tree.member(id, "identifier");
    let named = identifier.is_some_and(|at| tree.member(at, "system").is_some() && tree.member(at, "value").is_some());
    let dated = tree.member(id, "timestamp").is_some();
    if !begins || (is_document && (!named || !dated)) {
        note(reading, tree, BUNDLE_HEADER, id);
    }
}
