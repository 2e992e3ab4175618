//! Canonical trees back into FHIR JSON and XML. Linear (XML and canonical JSON sort the members of each object), without
//! recursion.

use super::definitions::{Definitions, TypeId, definitions};
use super::{Release, definitions::Sort};
use crate::tree::{Id, Tree, What};

/// The namespace of FHIR in XML.
pub const NAMESPACE: &str = "http://hl7.org/fhir";

/// Writes a tree as JSON: `resourceType` first, members in the order of the tree, no blanks. What `_x` members hold is
/// written as such again. Lone surrogates become escapes; other bytes that are no UTF-8 stay what they are.
pub fn write_json(tree: &Tree) -> Vec<u8> {
    json(tree, Order::Kept)
}

/// The same in canonical form: names sorted (json.html#canonical).
pub fn write_canonical_json(tree: &Tree) -> Vec<u8> {
    json(tree, Order::Sorted)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Kept,
    Sorted,
}

/// What is still to be written.
#[derive(Clone, Copy)]
enum Step {
    Text(&'static str),
    /// The name of a member and what follows it, without or with an underscore before.
    Name(Id),
    TwinName(Id),
    /// `resourceType` of an object.
    Type(Id),
    Value(Id),
    /// The `id` and `extension` of a primitive; `null` where it has none.
    Twin(Id),
    /// Those of the items of a list.
    Twins(Id),
}

fn json(tree: &Tree, order: Order) -> Vec<u8> {
    let mut out = Vec::new();
    let mut steps: Vec<Step> = tree.root().map(Step::Value).into_iter().collect();
    while let Some(step) = steps.pop() {
        match step {
            Step::Text(text) => out.extend_from_slice(text.as_bytes()),
            Step::Name(id) => {
                write_string(&mut out, tree.label(id));
                out.push(b':');
            }
            Step::TwinName(id) => {
                write_string(&mut out, &[b"_", tree.label(id)].concat());
                out.push(b':');
            }
            Step::Type(id) => {
                out.extend_from_slice(b"\"resourceType\":");
                write_string(&mut out, tree.text(id));
            }
            Step::Value(id) => match tree.what(id) {
                What::Object => members(tree, id, order, &mut steps),
                What::List => listed(tree.children(id).map(Step::Value), &mut steps),
                What::Number | What::Boolean => out.extend_from_slice(tree.text(id)),
                What::Null | What::Empty => out.extend_from_slice(b"null"),
                What::String => write_string(&mut out, tree.text(id)),
                What::Narrative => write_string(&mut out, tree.raw(id)),
            },
            Step::Twin(id) if is_leaf(tree, id) && has_twin(tree, id) => members(tree, id, order, &mut steps),
            Step::Twin(_) => out.extend_from_slice(b"null"),
            Step::Twins(id) => listed(tree.children(id).map(Step::Twin), &mut steps),
        }
    }
    out
}

fn is_leaf(tree: &Tree, id: Id) -> bool {
    !matches!(tree.what(id), What::Object | What::List)
}

fn has_twin(tree: &Tree, id: Id) -> bool {
    tree.children(id).next().is_some()
}

fn listed(items: impl Iterator<Item = Step>, steps: &mut Vec<Step>) {
    let at = steps.len();
    steps.push(Step::Text("["));
    for (number, item) in items.enumerate() {
        if number > 0 {
            steps.push(Step::Text(","));
        }
        steps.push(item);
    }
    steps.push(Step::Text("]"));
    steps[at..].reverse();
}

/// The members of an object, or the twin of a primitive.
fn members(tree: &Tree, id: Id, order: Order, steps: &mut Vec<Step>) {
    // Each with its name as written, so that they can be sorted.
    let mut parts: Vec<(Vec<u8>, [Step; 2])> = Vec::new();
    let mut first: Option<Step> = None;
    if tree.what(id) == What::Object && !tree.text(id).is_empty() {
        match order {
            Order::Kept => first = Some(Step::Type(id)),
            Order::Sorted => parts.push((b"resourceType".to_vec(), [Step::Text(""), Step::Type(id)])),
        }
    }
    for child in tree.children(id) {
        let label = tree.label(child);
        let twin_name = || [b"_", label].concat();
        let is_list = tree.what(child) == What::List;
        let items_with_twins = is_list && tree.children(child).any(|item| is_leaf(tree, item) && has_twin(tree, item));
        let twin_alone = if is_list {
            items_with_twins && tree.children(child).all(|item| tree.what(item) == What::Null)
        } else {
            tree.what(child) == What::Null && has_twin(tree, child)
        };
        if !twin_alone {
            parts.push((label.to_vec(), [Step::Name(child), Step::Value(child)]));
        }
        if items_with_twins {
            parts.push((twin_name(), [Step::TwinName(child), Step::Twins(child)]));
        } else if is_leaf(tree, child) && has_twin(tree, child) {
            parts.push((twin_name(), [Step::TwinName(child), Step::Twin(child)]));
        }
    }
    if order == Order::Sorted {
        parts.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    let at = steps.len();
    steps.push(Step::Text("{"));
    let mut comma = first.is_some();
    steps.extend(first);
    for (_, part) in parts {
        if comma {
            steps.push(Step::Text(","));
        }
        steps.extend(part);
        comma = true;
    }
    steps.push(Step::Text("}"));
    steps[at..].reverse();
}

/// A string in quotes, with the shortest escapes.
fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..=0x1f => out.extend(format!("\\u{byte:04x}").bytes()),
            // A surrogate in WTF-8.
            0xed if matches!(text.get(at..at + 2), Some([0xa0..=0xbf, 0x80..=0xbf])) => {
                let unit = 0xd000 | u32::from(text[at] & 0x3f) << 6 | u32::from(text[at + 1] & 0x3f);
                out.extend(format!("\\u{unit:04x}").bytes());
                at += 2;
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// What is still to be written of XML.
enum XmlStep<'a> {
    /// A child of something of that type, under its own name or that of its list.
    Element(Id, &'a [u8], TypeId),
    Close(&'a [u8]),
}

/// Writes a tree as XML: elements in the order of the definitions. `None` for what XML cannot say or the definitions do not
/// know: no resource at the top, unknown types and elements, characters that XML forbids, empty lists, narrative without
/// its namespace.
pub fn write_xml(tree: &Tree, release: Release) -> Option<Vec<u8>> {
    let all = definitions(release);
    let mut out = Vec::new();
    let mut steps = Vec::new();
    let root = tree.root().filter(|&root| tree.what(root) == What::Object)?;
    let of = all.resource(tree.text(root))?;
    out.push(b'<');
    out.extend_from_slice(tree.text(root));
    out.extend_from_slice(format!(" xmlns=\"{NAMESPACE}\"").as_bytes());
    content(tree, all, root, of, tree.text(root), &mut out, &mut steps)?;
    while let Some(step) = steps.pop() {
        match step {
            XmlStep::Close(name) => {
                out.extend_from_slice(b"</");
                out.extend_from_slice(name);
                out.push(b'>');
            }
            XmlStep::Element(id, name, holder) => element(tree, all, id, name, holder, &mut out, &mut steps)?,
        }
    }
    Some(out)
}

fn element<'a>(
    tree: &'a Tree,
    all: &Definitions,
    id: Id,
    name: &'a [u8],
    holder: TypeId,
    out: &mut Vec<u8>,
    steps: &mut Vec<XmlStep<'a>>,
) -> Option<()> {
    let of = all.property(holder, name)?.of;
    match tree.what(id) {
        What::List => {
            tree.children(id).next()?;
            let at = steps.len();
            steps.extend(tree.children(id).map(|item| XmlStep::Element(item, name, holder)));
            steps[at..].reverse();
            // A list in a list has no form in XML.
            tree.children(id).all(|item| tree.what(item) != What::List).then_some(())
        }
        What::Narrative => {
            let markup = tree.raw(id);
            let declared = b"http://www.w3.org/1999/xhtml";
            let has = markup.windows(declared.len()).any(|window| window == declared);
            out.extend_from_slice(markup);
            has.then_some(())
        }
        What::Object if !tree.text(id).is_empty() => {
            let inner = all.resource(tree.text(id)).filter(|_| of == all.any_resource())?;
            out.push(b'<');
            out.extend_from_slice(name);
            out.extend_from_slice(b"><");
            out.extend_from_slice(tree.text(id));
            steps.push(XmlStep::Close(name));
            content(tree, all, id, inner, tree.text(id), out, steps)
        }
        What::Object if all.get(of).sort == Sort::Primitive => None,
        What::Object | What::String | What::Number | What::Boolean | What::Null => {
            out.push(b'<');
            out.extend_from_slice(name);
            content(tree, all, id, of, name, out, steps)
        }
        What::Empty => None,
    }
}

/// Attributes and children of what has been opened as far as its name.
fn content<'a>(
    tree: &'a Tree,
    all: &Definitions,
    id: Id,
    of: TypeId,
    name: &'a [u8],
    out: &mut Vec<u8>,
    steps: &mut Vec<XmlStep<'a>>,
) -> Option<()> {
    let mut inner = Vec::new();
    for child in tree.children(id) {
        let property = all.property(of, tree.label(child))?;
        if all.element(property).is_attribute {
            if !is_leaf(tree, child) || has_twin(tree, child) {
                return None;
            }
            attribute(out, tree.label(child), tree.text(child))?;
        } else {
            inner.push((all.order(property), child));
        }
    }
    if is_leaf(tree, id) && tree.what(id) != What::Null {
        attribute(out, b"value", tree.text(id))?;
    }
    if inner.is_empty() {
        out.extend_from_slice(b"/>");
        return Some(());
    }
    inner.sort_by_key(|(order, _)| *order);
    out.push(b'>');
    steps.push(XmlStep::Close(name));
    steps.extend(inner.into_iter().rev().map(|(_, child)| XmlStep::Element(child, tree.label(child), of)));
    Some(())
}

fn attribute(out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Option<()> {
    out.push(b' ');
    out.extend_from_slice(name);
    out.extend_from_slice(b"=\"");
    for c in std::str::from_utf8(value).ok()?.chars() {
        match c {
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '&' => out.extend_from_slice(b"&amp;"),
            '"' => out.extend_from_slice(b"&quot;"),
            // Written plainly they would be read as blanks.
            '\t' | '\n' | '\r' => out.extend(format!("&#{};", u32::from(c)).bytes()),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => return None,
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A patient with a twin of each sort, a choice, a list and something contained.
    fn patient() -> Tree {
        let mut tree = Tree::new();
        let root = tree.add(None, b"", What::Object, b"Patient", 0..0);
        tree.add(Some(root), b"deceasedBoolean", What::Boolean, b"true", 0..0);
        let names = tree.add(Some(root), b"name", What::List, b"", 0..0);
        let name = tree.add(Some(names), b"", What::Object, b"", 0..0);
        let given = tree.add(Some(name), b"given", What::List, b"", 0..0);
        tree.add(Some(given), b"", What::String, b"A\n\"&<", 0..0);
        let second = tree.add(Some(given), b"", What::Null, b"", 0..0);
        tree.add(Some(second), b"id", What::String, b"SYN-g", 0..0);
        let birth = tree.add(Some(root), b"birthDate", What::String, b"2000-01-01", 0..0);
        let extensions = tree.add(Some(birth), b"extension", What::List, b"", 0..0);
        let extension = tree.add(Some(extensions), b"", What::Object, b"", 0..0);
        tree.add(Some(extension), b"url", What::String, b"http://example.org/SYN", 0..0);
        tree.add(Some(extension), b"valueDecimal", What::Number, b"1.00", 0..0);
        let contained = tree.add(Some(root), b"contained", What::List, b"", 0..0);
        let inner = tree.add(Some(contained), b"", What::Object, b"Basic", 0..0);
        tree.add(Some(inner), b"id", What::String, b"SYN-b", 0..0);
        tree
    }

    #[test]
    fn json_has_twins_and_types() {
        let expected = concat!(
            r#"{"resourceType":"Patient","deceasedBoolean":true,"name":[{"given":["A\n\"&<",null],"#,
            r#""_given":[null,{"id":"SYN-g"}]}],"birthDate":"2000-01-01","#,
            r#""_birthDate":{"extension":[{"url":"http://example.org/SYN","valueDecimal":1.00}]},"#,
            r#""contained":[{"resourceType":"Basic","id":"SYN-b"}]}"#
        );
        assert_eq!(String::from_utf8(write_json(&patient())).unwrap(), expected);
        let canonical = String::from_utf8(write_canonical_json(&patient())).unwrap();
        assert!(canonical.starts_with(r#"{"_birthDate":{"#) && canonical.ends_with(r#""resourceType":"Patient"}"#));
        assert!(canonical.contains(r#"{"id":"SYN-b","resourceType":"Basic"}"#));
        let mut odd = Tree::new();
        odd.add(None, b"", What::String, b"\xed\xa0\x80\x00", 0..0);
        assert_eq!(write_json(&odd), br#""\ud800\u0000""#);
    }

    #[test]
    fn xml_is_in_order_and_says_what_it_can() {
        let expected = concat!(
            "<Patient xmlns=\"http://hl7.org/fhir\"><contained><Basic><id value=\"SYN-b\"/></Basic></contained>",
            "<name><given value=\"A&#10;&quot;&amp;&lt;\"/><given id=\"SYN-g\"/></name>",
            "<birthDate value=\"2000-01-01\"><extension url=\"http://example.org/SYN\">",
            "<valueDecimal value=\"1.00\"/></extension></birthDate><deceasedBoolean value=\"true\"/></Patient>"
        );
        let text = write_xml(&patient(), Release::R4).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(text.as_deref(), Some(expected));
        for (label, what, text) in [
            ("unknown", What::String, &b"x"[..]),
            ("language", What::String, b"\0"),
            ("name", What::List, b""),
            ("name", What::Empty, b""),
            ("contained", What::Object, b"Nobody"),
            ("maritalStatus", What::Object, b"Patient"),
        ] {
            let mut tree = patient();
            tree.add(Some(0), label.as_bytes(), what, text, 0..0);
            assert_eq!(write_xml(&tree, Release::R4), None, "{label}");
        }
        assert_eq!(write_xml(&Tree::new(), Release::R4), None);
    }
}
