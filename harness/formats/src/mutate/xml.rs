//! Mutators of FHIR in XML: namespaces, attributes, elements, document types, and the datatypes' edges.

use super::edges;
use super::fhir_json::{NARRATIVES, generated};
use super::json::NESTING_MAX;
use super::scan::replace;
use super::xml_scan::XmlScan;
use super::{Dice, Mutator};
use crate::fhir::{Release, write_xml};

/// The mutators.
pub const MUTATORS: &[Mutator] = &[
    Mutator { name: "duplicate-attribute", apply: duplicate_attribute },
    Mutator { name: "duplicate-element", apply: duplicate_element },
    Mutator { name: "remove-element", apply: remove_element },
    Mutator { name: "reorder-elements", apply: reorder_elements },
    Mutator { name: "reorder-attributes", apply: reorder_attributes },
    Mutator { name: "rename-element", apply: rename_element },
    Mutator { name: "namespace", apply: namespace },
    Mutator { name: "prefix", apply: prefix },
    Mutator { name: "doctype", apply: doctype },
    Mutator { name: "entity", apply: entity },
    Mutator { name: "unclosed-root", apply: unclosed_root },
    Mutator { name: "second-root", apply: second_root },
    Mutator { name: "text-content", apply: text_content },
    Mutator { name: "comment", apply: comment },
    Mutator { name: "processing-instruction", apply: processing_instruction },
    Mutator { name: "declaration", apply: declaration },
    Mutator { name: "empty-value", apply: empty_value },
    Mutator { name: "remove-attribute", apply: remove_attribute },
    Mutator { name: "odd-attribute", apply: odd_attribute },
    Mutator { name: "quotes", apply: quotes },
    Mutator { name: "self-closing", apply: self_closing },
    Mutator { name: "character-reference", apply: character_reference },
    Mutator { name: "pad-value", apply: pad_value },
    Mutator { name: "edge-value", apply: edge_value },
    Mutator { name: "respell-number", apply: respell_number },
    Mutator { name: "second-choice", apply: second_choice },
    Mutator { name: "unknown-element", apply: unknown_element },
    Mutator { name: "extension-add", apply: extension_add },
    Mutator { name: "nest-deeper", apply: nest_deeper },
    Mutator { name: "contained-add", apply: contained_add },
    Mutator { name: "bundle-wrap", apply: bundle_wrap },
    Mutator { name: "narrative", apply: narrative },
    Mutator { name: "splice", apply: splice },
    Mutator { name: "bad-bytes", apply: bad_bytes },
    Mutator { name: "byte-order-mark", apply: byte_order_mark },
    Mutator { name: "whitespace", apply: whitespace },
    Mutator { name: "generate", apply: generate },
];

const FHIR: &[u8] = b"http://hl7.org/fhir";

type Edited = Option<Vec<u8>>;

/// Without the prefix.
fn local(name: &[u8]) -> &[u8] {
    name.iter().position(|byte| *byte == b':').map_or(name, |at| &name[at + 1..])
}

/// A place among the children of an element: before or after one, or where the element's content begins or ends.
fn within(scan: &XmlScan<'_>, dice: &mut Dice<'_>) -> Option<usize> {
    let element = scan.any(dice, |_, element| !element.close.is_empty())?;
    let (open, close) = (&scan.elements[element].open, &scan.elements[element].close);
    let children: Vec<usize> = scan.children(element).collect();
    Some(match dice.pick(&children) {
        Some(&child) if dice.once_in(2) => scan.span(child).start,
        Some(&child) => scan.span(child).end,
        None if dice.once_in(2) => open.end,
        None => close.start,
    })
}

fn any_value<'s>(scan: &'s XmlScan<'_>, dice: &mut Dice<'_>) -> Option<&'s super::xml_scan::Attribute> {
    scan.any_attribute(dice, |attribute| scan.text(&attribute.name) == b"value")
}

fn duplicate_attribute(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let attribute = scan.any_attribute(dice, |_| true)?;
    let name = scan.text(&attribute.name);
    let twin = match dice.below(3) {
        0 => [b" ", scan.text(&attribute.span)].concat(),
        _ => [b" ", name, b"=\"", scan.text(&attribute.value), b"x\""].concat(),
    };
    let at = if dice.once_in(2) { attribute.span.end } else { scan.elements[attribute.element].name.end };
    Some(scan.insert(at, &twin))
}

fn duplicate_element(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = scan.any(dice, |_, element| element.parent.is_some())?;
    let span = scan.span(element);
    let mut copy = scan.text(&span).to_vec();
    if let Some(value) = scan.attribute(element, b"value").filter(|_| dice.once_in(2)) {
        let end = value.value.end - span.start;
        copy.insert(end, b'x');
    }
    Some(scan.insert(if dice.once_in(2) { span.start } else { span.end }, &copy))
}

fn remove_element(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = scan.any(dice, |_, element| element.parent.is_some())?;
    Some(scan.replace(scan.span(element), b""))
}

fn exchanged(bytes: &[u8], one: std::ops::Range<usize>, other: std::ops::Range<usize>) -> Edited {
    let (a, b) = if one.start <= other.start { (one, other) } else { (other, one) };
    (a.end <= b.start && bytes[a.clone()] != bytes[b.clone()])
        .then(|| [&bytes[..a.start], &bytes[b.clone()], &bytes[a.end..b.start], &bytes[a], &bytes[b.end..]].concat())
}

fn reorder_elements(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let holder = scan.any(dice, |number, _| scan.children(number).nth(1).is_some())?;
    let children: Vec<usize> = scan.children(holder).collect();
    let (one, two) = (dice.pick(&children)?, dice.pick(&children)?);
    exchanged(input, scan.span(*one), scan.span(*two))
}

fn reorder_attributes(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = scan.any(dice, |_, element| element.attributes.len() > 1)?;
    let own = &scan.attributes[scan.elements[element].attributes.clone()];
    let (one, two) = (dice.pick(own)?, dice.pick(own)?);
    exchanged(input, one.span.clone(), two.span.clone())
}

/// Another case, or another name of the text, in both tags.
fn rename_element(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = scan.any(dice, |_, element| !element.name.is_empty())?;
    let old = scan.name(element);
    let mut new = match dice.below(3) {
        0 => scan.any(dice, |_, _| true).map(|from| scan.name(from).to_vec())?,
        _ => old.to_vec(),
    };
    if new == old {
        *new.first_mut()? ^= if old[0].is_ascii_alphabetic() { 0x20 } else { 0 };
    }
    Some(renamed(&scan, element, &new)).filter(|text| text != input)
}

fn renamed(scan: &XmlScan<'_>, element: usize, name: &[u8]) -> Vec<u8> {
    let bytes = scan.bytes;
    let super::xml_scan::Element { name: old, close, .. } = &scan.elements[element];
    if close.len() < old.len() + 2 {
        return scan.replace(old.clone(), name);
    }
    let end = close.start + 2..close.start + 2 + old.len();
    [&bytes[..old.start], name, &bytes[old.end..end.start], name, &bytes[end.end..]].concat()
}

fn namespace(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let others = [
        "http://hl7.org/fhir/",
        "http://HL7.org/fhir",
        "https://hl7.org/fhir",
        "urn:hl7-org:v3",
        "",
        "http://www.w3.org/1999/xhtml",
    ];
    let other = dice.pick(&others)?.as_bytes();
    let declared = scan.any_attribute(dice, |attribute| scan.text(&attribute.name).starts_with(b"xmlns"));
    match (declared, dice.below(4)) {
        (Some(found), 0) => Some(scan.replace(found.span.clone(), b"")),
        (Some(found), 1 | 2) => Some(scan.replace(found.value.clone(), other)),
        _ => {
            // A declaration of its own further in: redundant, or another one.
            let element = scan.any(dice, |_, _| true)?;
            let name = if dice.once_in(2) { FHIR } else { other };
            Some(scan.insert(scan.elements[element].name.end, &[b" xmlns=\"", name, b"\""].concat()))
        }
    }
}

/// Every FHIR element gets a prefix (which says the same), or one does (which does not).
fn prefix(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    if dice.once_in(3) {
        let element = scan.any(dice, |_, _| true)?;
        return Some(renamed(&scan, element, &[b"f:", scan.name(element)].concat()));
    }
    prefixed(&scan, dice.pick(&[&b"f"[..], b"fhir", b"_", b"x.y-z"])?)
}

/// The text with a prefix on every element whose namespace is the root's default one.
fn prefixed(scan: &XmlScan<'_>, prefix: &[u8]) -> Edited {
    let mut places: Vec<usize> = Vec::new();
    let mut number = 0;
    let declaration = scan.attribute(0, b"xmlns")?;
    while let Some(element) = scan.elements.get(number) {
        if number > 0 && scan.attribute(number, b"xmlns").is_some() {
            number = element.next;
            continue;
        }
        places.push(element.name.start);
        if element.close.len() > 2 {
            places.push(element.close.start + 2);
        }
        number += 1;
    }
    places.sort_unstable();
    let mut out = Vec::with_capacity(scan.bytes.len() + places.len() * (prefix.len() + 1));
    let mut at = 0;
    for place in places {
        out.extend_from_slice(&scan.bytes[at..place]);
        out.extend_from_slice(prefix);
        out.push(b':');
        at = place;
    }
    out.extend_from_slice(&scan.bytes[at..]);
    // The root's name moved the declaration by one prefix.
    let at = declaration.name.end + prefix.len() + 1;
    Some(replace(&out, at..at, &[b":", prefix].concat()))
}

/// Where the root's start tag begins.
fn root(scan: &XmlScan<'_>) -> Option<usize> {
    scan.elements.first().map(|root| root.open.start)
}

fn doctype(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    const TYPES: &[&str] = &[
        "<!DOCTYPE Patient>",
        "<!DOCTYPE Patient SYSTEM \"http://example.org/SYN.dtd\">",
        "<!DOCTYPE Patient PUBLIC \"-//SYN//EN\" \"http://example.org/SYN.dtd\">",
        "<!DOCTYPE Patient []>",
        "<!DOCTYPE Patient [<!ENTITY a SYSTEM \"file:///nonexistent/SYN\">]>",
        "<!DOCTYPE Patient [<!ENTITY % p SYSTEM \"http://example.org/SYN\"> %p;]>",
        "<!DOCTYPE Patient [<!ATTLIST active value CDATA \"true\">]>",
        "<!doctype Patient>",
    ];
    Some(scan.insert(root(&scan)?, dice.pick(TYPES)?.as_bytes()))
}

/// An entity, declared or not, in a value; or many that multiply.
fn entity(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let value = any_value(&scan, dice)?.value.clone();
    let names = [
        "&a;",
        "&nbsp;",
        "&reg;",
        "&copy;",
        "&",
        "&amp;amp;",
        "&lt;",
        "&unknown;",
        "&a",
        "&;",
        "&#;",
        "&apos;",
        "&quot;",
    ];
    let at = value.start + if dice.once_in(2) { 0 } else { value.len() };
    let name = *dice.pick(&names)?;
    let with = scan.insert(at, name.as_bytes());
    if name != "&a;" {
        return Some(with);
    }
    let declared = match dice.below(3) {
        0 => "<!DOCTYPE Patient [<!ENTITY a \"x\">]>".to_owned(),
        1 => {
            let mut text = String::from("<!DOCTYPE Patient [<!ENTITY a0 \"xxxxxxxxxx\">");
            for level in 1..8 {
                let inner = format!("&a{};", level - 1).repeat(10);
                text.push_str(&format!("<!ENTITY a{level} \"{inner}\">"));
            }
            text + "<!ENTITY a \"&a7;\">]>"
        }
        _ => "<!DOCTYPE Patient [<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">]>".to_owned(),
    };
    let start = root(&scan)?;
    Some(replace(&with, start..start, declared.as_bytes()))
}

fn unclosed_root(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = match dice.below(3) {
        0 => scan.any(dice, |_, element| !element.close.is_empty())?,
        _ => 0,
    };
    let close = scan.elements.get(element).map(|element| element.close.clone()).filter(|close| !close.is_empty())?;
    Some(match dice.below(3) {
        0 => scan.replace(close, b""),
        1 => input[..close.start].to_vec(),
        _ => scan.replace(close.end - 1..close.end, b""),
    })
}

fn second_root(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let own = (!scan.elements.is_empty()).then(|| scan.text(&scan.span(0)).to_vec())?;
    let with = match dice.below(4) {
        0 => b"x".to_vec(),
        1 if !other.is_empty() => other.to_vec(),
        2 => b"<Observation xmlns=\"http://hl7.org/fhir\"><status value=\"final\"/></Observation>".to_vec(),
        _ => own,
    };
    Some([input, &with].concat())
}

fn text_content(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let at = within(&XmlScan::new(input), dice)?;
    let what =
        dice.pick(&["x", "<![CDATA[x]]>", "<![CDATA[]]>", "&#32;", "&#120;", "]]>", "\u{a0}", "\u{feff}", "&amp;"])?;
    Some(replace(input, at..at, what.as_bytes()))
}

fn comment(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let at = match dice.below(4) {
        0 => 0,
        1 => input.len(),
        2 => root(&scan)?,
        _ => within(&scan, dice)?,
    };
    let what = dice.pick(&["<!--x-->", "<!---->", "<!--x--y-->", "<!--x", "<!--<Patient>-->", "<!---x-->"])?;
    Some(replace(input, at..at, what.as_bytes()))
}

fn processing_instruction(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let at = if dice.once_in(2) { root(&scan)? } else { within(&scan, dice)? };
    let what = dice.pick(&[
        "<?x y?>",
        "<?xml-stylesheet href=\"http://example.org/SYN\"?>",
        "<?xml version=\"1.0\"?>",
        "<?x",
        "<? ?>",
    ])?;
    Some(replace(input, at..at, what.as_bytes()))
}

fn declaration(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let start = root(&scan)?;
    let what = dice.pick(&[
        "",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<?xml version=\"1.1\" encoding=\"UTF-8\"?>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
        "<?xml version=\"1.0\" encoding=\"x\"?>",
        "<?xml version=\"1.0\" standalone=\"no\"?>",
        "<?xml version=\"2.0\"?>",
        " <?xml version=\"1.0\"?>",
    ])?;
    Some(scan.replace(0..start, what.as_bytes())).filter(|text| text != input)
}

fn empty_value(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let value = scan.any_attribute(dice, |attribute| !attribute.value.is_empty())?;
    Some(scan.replace(value.value.clone(), b""))
}

fn remove_attribute(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let attribute = scan.any_attribute(dice, |_| true)?;
    Some(scan.replace(attribute.span.clone(), b""))
}

fn odd_attribute(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = scan.any(dice, |_, _| true)?;
    const ODD: &[&str] = &[
        " unknown=\"x\"",
        " id=\"SYN-a\"",
        " value=\"x\"",
        " url=\"http://example.org/SYN\"",
        " xml:lang=\"en\"",
        " xml:id=\"a\"",
        " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"http://hl7.org/fhir ../fhir.xsd\"",
        " xmlns:f=\"http://hl7.org/fhir\" f:value=\"x\"",
        " x:value=\"x\"",
        " Value=\"x\"",
        " value=x",
        " value",
        " value=\"a<b\"",
        " value=\"a\nb\"",
        " id=\"\"",
    ];
    Some(scan.insert(scan.elements[element].name.end, dice.pick(ODD)?.as_bytes()))
}

fn quotes(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let attribute = scan.any_attribute(dice, |_| true)?;
    let (before, after) = (attribute.value.start - 1, attribute.value.end);
    let other = if input.get(before) == Some(&b'"') { b'\'' } else { b'"' };
    let mut text = input.to_vec();
    *text.get_mut(before)? = other;
    // Now and then the two do not fit.
    if !dice.once_in(4) {
        *text.get_mut(after)? = other;
    }
    Some(text)
}

/// `<a/>` and `<a></a>`.
fn self_closing(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = scan.any(dice, |_, element| element.open.len() > 3)?;
    let super::xml_scan::Element { open, close, .. } = &scan.elements[element];
    if close.is_empty() && input[open.clone()].ends_with(b"/>") {
        let inside = *dice.pick(&[&b""[..], b"", b" ", b"x", b"<!---->"])?;
        return Some(scan.replace(open.end - 2..open.end, &[b">", inside, b"</", scan.name(element), b">"].concat()));
    }
    (!close.is_empty()).then(|| scan.replace(open.end - 1..close.end, b"/>"))
}

fn character_reference(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let value = any_value(&scan, dice)?.value.clone();
    const ODD: &[&str] = &[
        "&#0;",
        "&#1;",
        "&#xD800;",
        "&#x110000;",
        "&#xFFFE;",
        "&#10;",
        "&#13;",
        "&#9;",
        "&#32;",
        "&#x41;",
        "&#X41;",
        "&#xg;",
        "&#00000000000000065;",
        "&#38;lt;",
        "&#60;",
        "&#133;",
        "&#x1F600;",
    ];
    // The first character as a reference to it says the same.
    match input.get(value.start).filter(|byte| byte.is_ascii_alphanumeric()) {
        Some(byte) if dice.once_in(2) => {
            let new = if dice.once_in(2) { format!("&#{byte};") } else { format!("&#x{byte:X};") };
            Some(scan.replace(value.start..value.start + 1, new.as_bytes()))
        }
        _ => Some(scan.insert(value.end, dice.pick(ODD)?.as_bytes())),
    }
}

fn pad_value(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let value = any_value(&scan, dice)?.value.clone();
    let blank = dice.pick(&[" ", "\n", "\t", "\r\n", "&#10;", "&#32;", "\u{a0}"])?.as_bytes();
    Some(scan.insert(if dice.once_in(2) { value.start } else { value.end }, blank))
}

/// A text as it stands in an attribute.
fn attribute_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn edge_value(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let value = any_value(&scan, dice)?;
    let old = scan.text(&value.value);
    let name = local(scan.name(value.element));
    let number = !old.is_empty() && old.iter().all(|byte| byte.is_ascii_digit() || b"-.eE+".contains(byte));
    let new = if name == b"id" {
        edges::id(dice)
    } else if number && old.len() < 4 && dice.once_in(2) {
        (*dice.pick(edges::INTEGERS)?).to_owned()
    } else if old.len() >= 4 && old[..4].iter().all(u8::is_ascii_digit) && !dice.once_in(3) {
        (*dice.pick(edges::DATES)?).to_owned()
    } else if number {
        let list = if dice.once_in(4) { edges::NO_NUMBERS } else { edges::DECIMALS };
        (*dice.pick(list)?).to_owned()
    } else {
        (*dice.pick(edges::TEXTS)?).to_owned()
    };
    Some(scan.replace(value.value.clone(), attribute_text(&new).as_bytes()))
}

fn respell_number(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let is_number =
        |text: &[u8]| text.len() < 64 && text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-');
    let value = scan.any_attribute(dice, |attribute| {
        scan.text(&attribute.name) == b"value" && is_number(scan.text(&attribute.value))
    })?;
    let new = edges::respelled(scan.text(&value.value), dice)?;
    Some(scan.replace(value.value.clone(), &new))
}

fn second_choice(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = scan.any(dice, |number, _| edges::choice(scan.name(number)).is_some())?;
    let (base, at) = edges::choice(scan.name(element))?;
    let values = [
        ("String", "x"),
        ("Boolean", "true"),
        ("Integer", "7"),
        ("DateTime", "2024-01-31"),
        ("Decimal", "1.50"),
        ("Code", "x"),
    ];
    let others: Vec<(&str, &str)> =
        values.iter().copied().filter(|(suffix, _)| *suffix != edges::CHOICES[at].0).collect();
    let (suffix, value) = *dice.pick(&others)?;
    let new = [b"<", base, suffix.as_bytes(), b" value=\"", value.as_bytes(), b"\"/>"].concat();
    let span = scan.span(element);
    Some(match dice.below(3) {
        0 => scan.replace(span, &new),
        1 => scan.insert(span.start, &new),
        _ => scan.insert(span.end, &new),
    })
}

fn unknown_element(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let at = within(&XmlScan::new(input), dice)?;
    let what = dice.pick(&[
        "<unknown value=\"x\"/>",
        "<unknown/>",
        "<x xmlns=\"urn:oid:2.999\"/>",
        "<_given value=\"x\"/>",
        "<resourceType value=\"Patient\"/>",
        "<fhir_comments value=\"x\"/>",
        "<value value=\"x\"/>",
        "<id value=\"SYN-2\"/>",
    ])?;
    Some(replace(input, at..at, what.as_bytes()))
}

fn extension_add(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = scan.any(dice, |_, _| true)?;
    let what = *dice.pick(&[
        &b"<extension url=\"http://example.org/SYN\"><valueString value=\"x\"/></extension>"[..],
        b"<extension url=\"http://example.org/SYN\"/>",
        b"<extension><valueString value=\"x\"/></extension>",
        b"<extension url=\"\"><valueString value=\"x\"/></extension>",
        b"<extension url=\"http://example.org/SYN\"><extension url=\"a\"><valueCode value=\"x\"/></extension><valueString value=\"x\"/></extension>",
        b"<modifierExtension url=\"http://example.org/SYN\"><valueBoolean value=\"true\"/></modifierExtension>",
    ])?;
    let super::xml_scan::Element { open, close, .. } = &scan.elements[element];
    if close.is_empty() && input[open.clone()].ends_with(b"/>") {
        return Some(scan.replace(open.end - 2..open.end, &[b">", what, b"</", scan.name(element), b">"].concat()));
    }
    Some(scan.insert(open.end, what))
}

fn nest_deeper(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = scan.any(dice, |_, _| true)?;
    let levels = *dice.pick(&[1, 2, 8, 50, 64, 128, 200, 500, NESTING_MAX])?;
    let (open, close): (&[u8], &[u8]) = if dice.once_in(2) {
        (b"<extension url=\"http://example.org/SYN\">", b"</extension>")
    } else {
        (b"<a>", b"</a>")
    };
    let span = scan.span(element);
    let text = [&open.repeat(levels), scan.text(&span), &close.repeat(levels)].concat();
    Some(scan.replace(span, &text))
}

fn contained_add(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let donor = XmlScan::new(other);
    let inner: Vec<u8> = match dice.below(3) {
        0 if !donor.elements.is_empty() => donor.text(&donor.span(0)).to_vec(),
        1 => b"<Patient><id value=\"SYN-c\"/></Patient><Patient><id value=\"SYN-d\"/></Patient>".to_vec(),
        _ => b"<Patient><id value=\"SYN-c\"/></Patient>".to_vec(),
    };
    let after = scan.any(dice, |number, element| {
        element.parent == Some(0)
            && [&b"id"[..], b"meta", b"text", b"language", b"contained"].contains(&local(scan.name(number)))
    });
    let at =
        after.map_or_else(|| scan.elements.first().map(|root| root.open.end), |after| Some(scan.span(after).end))?;
    Some(scan.insert(at, &[b"<contained>", &inner[..], b"</contained>"].concat()))
}

fn bundle_wrap(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let span = (!scan.elements.is_empty()).then(|| scan.span(0))?;
    let levels = *dice.pick(&[1, 1, 1, 2, 30])?;
    let open = b"<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"collection\"/><entry><resource>".repeat(levels);
    let text = [&open, scan.text(&span), &b"</resource></entry></Bundle>".repeat(levels)].concat();
    Some(scan.replace(span, &text))
}

fn narrative(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let div = dice.pick(NARRATIVES)?.as_bytes();
    if let Some(old) = scan.any(dice, |number, _| local(scan.name(number)) == b"div") {
        return Some(scan.replace(scan.span(old), div));
    }
    let after = scan.any(dice, |number, element| {
        element.parent == Some(0) && [&b"id"[..], b"meta", b"language"].contains(&scan.name(number))
    });
    let at =
        after.map_or_else(|| scan.elements.first().map(|root| root.open.end), |after| Some(scan.span(after).end))?;
    Some(scan.insert(at, &[b"<text><status value=\"generated\"/>", div, b"</text>"].concat()))
}

fn splice(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    let (scan, donor) = (XmlScan::new(input), XmlScan::new(other));
    let element = scan.any(dice, |_, element| element.parent.is_some())?;
    let name = scan.name(element);
    let from = donor
        .any(dice, |from, found| found.parent.is_some() && donor.name(from) == name)
        .or_else(|| donor.any(dice, |_, found| found.parent.is_some()))?;
    let (span, new) = (scan.span(element), donor.text(&donor.span(from)));
    match dice.below(3) {
        0 => Some(scan.insert(span.end, new)),
        _ => Some(scan.replace(span, new)).filter(|text| text != input),
    }
}

fn bad_bytes(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    const BAD: &[&[u8]] = &[
        b"\xff",
        b"\x80",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe9",
        b"\0",
        b"\x01",
        b"\x1f",
        b"\x7f",
        b"\xc2\x85",
        b"\xef\xbf\xbe",
        b"<",
        b"&",
    ];
    let at = if dice.once_in(3) { within(&scan, dice)? } else { any_value(&scan, dice)?.value.start };
    Some(scan.insert(at, dice.pick(BAD)?))
}

fn byte_order_mark(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    if let Some(rest) = input.strip_prefix(b"\xef\xbb\xbf") {
        return Some(rest.to_vec());
    }
    Some(match dice.below(4) {
        0 => {
            let text = String::from_utf8_lossy(input);
            "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
        }
        1 => [&b" "[..], input].concat(),
        _ => [&b"\xef\xbb\xbf"[..], input].concat(),
    })
}

fn whitespace(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = XmlScan::new(input);
    let element = scan.any(dice, |_, _| true)?;
    let super::xml_scan::Element { name, open, close, .. } = &scan.elements[element];
    let places = [name.start, name.end, open.start, open.end, close.start, close.end, (close.start + 2).min(close.end)];
    let what = *dice.pick(&[&b" "[..], b"\n", b"\t", b"\r\n", b"\r", b"\x0b", b"\x0c", b"\xc2\xa0"])?;
    Some(scan.insert(*dice.pick(&places)?, what))
}

fn generate(dice: &mut Dice<'_>, _: &[u8], _: &[u8]) -> Edited {
    write_xml(&generated(dice), Release::R4)
}
