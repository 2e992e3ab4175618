//! Mutators of FHIR in JSON: `resourceType`, `_x` twins, choices, datatypes, wrapping.

use super::edges;
use super::json::{NESTING_MAX, any_member, escaped, member, quoted};
use super::scan::{Kind, Scan, inside};
use super::{Dice, Mutator};
use crate::fhir::{Release, write_json};
use crate::tree::Tree;

/// The mutators that know FHIR; those of JSON come beside them.
pub const MUTATORS: &[Mutator] = &[
    Mutator { name: "duplicate-resource-type", apply: duplicate_resource_type },
    Mutator { name: "resource-type-last", apply: resource_type_last },
    Mutator { name: "resource-type-first", apply: resource_type_first },
    Mutator { name: "edge-resource-type", apply: edge_resource_type },
    Mutator { name: "twin-add", apply: twin_add },
    Mutator { name: "twin-misalign", apply: twin_misalign },
    Mutator { name: "twin-only", apply: twin_only },
    Mutator { name: "second-choice", apply: second_choice },
    Mutator { name: "choice-suffix", apply: choice_suffix },
    Mutator { name: "edge-date", apply: edge_date },
    Mutator { name: "edge-id", apply: edge_id },
    Mutator { name: "contained-add", apply: contained_add },
    Mutator { name: "contained-wrap", apply: contained_wrap },
    Mutator { name: "bundle-wrap", apply: bundle_wrap },
    Mutator { name: "unwrap", apply: unwrap },
    Mutator { name: "extension-add", apply: extension_add },
    Mutator { name: "extension-nest", apply: extension_nest },
    Mutator { name: "narrative", apply: narrative },
    Mutator { name: "generate", apply: generate },
];

const TYPE: &[u8] = b"resourceType";

type Edited = Option<Vec<u8>>;

/// An object that has a `resourceType`, and where that stands.
fn any_resource(scan: &Scan<'_>, dice: &mut Dice<'_>) -> Option<(usize, usize)> {
    let named = scan.any(dice, |number, value| scan.name(number) == TYPE && value.parent.is_some())?;
    Some((scan.values[named].parent?, named))
}

fn is_resource(scan: &Scan<'_>, value: usize) -> bool {
    scan.values[value].kind == Kind::Object && scan.child(value, TYPE).is_some()
}

/// The first resource of another input, else a small one.
fn donor(other: &[u8]) -> Vec<u8> {
    let scan = Scan::new(other);
    let found = (0..scan.values.len().min(64)).find(|&value| is_resource(&scan, value));
    found.map_or_else(|| br#"{"resourceType":"Patient","id":"SYN-2"}"#.to_vec(), |found| scan.text(found).to_vec())
}

fn another_type(scan: &Scan<'_>, named: usize, dice: &mut Dice<'_>) -> Option<&'static str> {
    // The front of the list: types that every reader knows.
    let known = &edges::RESOURCE_TYPES[..if dice.once_in(4) { edges::RESOURCE_TYPES.len() } else { 8 }];
    let other: Vec<&'static str> =
        known.iter().copied().filter(|name| name.as_bytes() != inside(scan.text(named))).collect();
    dice.pick(&other).copied()
}

fn duplicate_resource_type(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let (resource, named) = any_resource(&scan, dice)?;
    let value = quoted(another_type(&scan, named, dice)?);
    let key = if dice.once_in(4) { escaped(TYPE, Some(dice.below(TYPE.len()))) } else { quoted("resourceType") };
    let twin = [&key[..], b":", &value].concat();
    Some(match dice.below(3) {
        0 => scan.first_in(resource, &twin),
        1 => scan.after(named, &twin),
        _ => scan.last_in(resource, &twin),
    })
}

fn move_resource_type(dice: &mut Dice<'_>, input: &[u8], last: bool) -> Edited {
    let scan = Scan::new(input);
    let (resource, named) = any_resource(&scan, dice)?;
    let place = if last { scan.children(resource).last()? } else { scan.children(resource).next()? };
    if place == named {
        return None;
    }
    let text = input[scan.member(named)].to_vec();
    let rest = scan.without(named);
    let again = Scan::new(&rest);
    // Whatever stands before the resource is untouched: it begins where it began.
    let start = scan.values[resource].span.start;
    let resource = again.values.iter().position(|value| value.span.start == start)?;
    Some(if last { again.last_in(resource, &text) } else { again.first_in(resource, &text) })
}

fn resource_type_last(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    move_resource_type(dice, input, true)
}

fn resource_type_first(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    move_resource_type(dice, input, false)
}

fn edge_resource_type(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let (_, named) = any_resource(&scan, dice)?;
    let span = scan.values[named].span.clone();
    let text = scan.text(named);
    Some(match dice.below(6) {
        0 => scan.without(named),
        1 => scan.replace(span, &[b"[", text, b"]"].concat()),
        2 => scan.replace(span, dice.pick(&[&b"null"[..], b"1", b"true", b"{}", b"\"\""])?),
        3 => scan.replace(span, &[b"\" ", inside(text), b"\""].concat()),
        _ => scan.replace(span, &quoted(another_type(&scan, named, dice)?)),
    })
}

const TWINS: &[&str] = &[
    r#"{"id":"SYN-a"}"#,
    r#"{"extension":[{"url":"http://example.org/SYN","valueString":"x"}]}"#,
    r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}"#,
    "{}",
    "null",
    r#""x""#,
    r#"{"value":"x"}"#,
    r#"{"id":"SYN-a","fhir_comments":["x"]}"#,
];

/// A twin: mostly a valid one.
fn twin(dice: &mut Dice<'_>) -> &'static str {
    TWINS[if dice.once_in(4) { dice.below(TWINS.len()) } else { dice.below(3) }]
}

/// `_x` beside a primitive, or beside a list of them.
fn twin_add(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = scan.any(dice, |number, value| {
        let name = scan.name(number);
        let first = match value.kind {
            Kind::Array => scan.children(number).next().map(|first| scan.values[first].kind),
            kind => Some(kind),
        };
        let primitive = matches!(first, Some(Kind::String | Kind::Number | Kind::Word));
        // Now and then beside an object too, where no twin belongs.
        value.key.is_some() && name != TYPE && !name.starts_with(b"_") && (primitive || name.len().is_multiple_of(8))
    })?;
    let mut text = Vec::new();
    if scan.values[value].kind == Kind::Array {
        let items: Vec<&str> =
            scan.children(value).map(|_| if dice.once_in(2) { twin(dice) } else { "null" }).collect();
        text.extend(format!("[{}]", items.join(",")).bytes());
    } else {
        text.extend(twin(dice).bytes());
    }
    let new = member(&[b"_", scan.name(value)].concat(), &text);
    let holder = scan.values[value].parent?;
    Some(match dice.below(3) {
        0 => scan.before(value, &new),
        1 => scan.last_in(holder, &new),
        _ => scan.after(value, &new),
    })
}

/// A twin's name, or that of a value that has one.
fn any_twin(scan: &Scan<'_>, dice: &mut Dice<'_>) -> Option<usize> {
    scan.any(dice, |number, _| scan.name(number).starts_with(b"_"))
}

fn twin_misalign(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let twin = any_twin(&scan, dice)?;
    let holder = scan.values[twin].parent?;
    let base = scan.child(holder, &scan.name(twin)[1..]);
    let side = base.filter(|_| dice.once_in(2)).unwrap_or(twin);
    if scan.values[side].kind != Kind::Array {
        return Some(scan.replace(scan.values[side].span.clone(), &[b"[", scan.text(side), b"]"].concat()));
    }
    let items: Vec<usize> = scan.children(side).collect();
    Some(match dice.pick(&items) {
        Some(&item) if dice.once_in(2) => scan.without(item),
        Some(&item) if dice.once_in(2) => scan.after(item, scan.text(item)),
        _ => scan.last_in(side, b"null"),
    })
}

/// The value goes, its twin stays; a value without a twin becomes one.
fn twin_only(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    if let Some(twin) = any_twin(&scan, dice) {
        let base = scan.values[twin].parent.and_then(|holder| scan.child(holder, &scan.name(twin)[1..]))?;
        return Some(scan.without(base));
    }
    let value = scan.any(dice, |_, value| value.key.is_some() && value.kind == Kind::String)?;
    let new = member(&[b"_", scan.name(value)].concat(), TWINS[dice.below(2)].as_bytes());
    Some(scan.replace(scan.member(value), &new))
}

fn any_choice(scan: &Scan<'_>, dice: &mut Dice<'_>) -> Option<usize> {
    scan.any(dice, |number, _| edges::choice(scan.name(number)).is_some())
}

fn second_choice(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = any_choice(&scan, dice)?;
    let (base, at) = edges::choice(scan.name(value))?;
    // Beside a flag mostly a date, and the other way round: those two stand in most choices of FHIR.
    let (suffix, text) = match (edges::CHOICES[at].0, dice.below(4)) {
        ("Boolean", 0) => edges::CHOICES[3],
        ("DateTime", 0) => edges::CHOICES[1],
        (own, _) => {
            let others: Vec<(&str, &str)> =
                edges::CHOICES.iter().copied().filter(|(suffix, _)| *suffix != own).collect();
            others[dice.below(others.len())]
        }
    };
    let new = member(&[base, suffix.as_bytes()].concat(), text.as_bytes());
    Some(if dice.once_in(2) { scan.before(value, &new) } else { scan.after(value, &new) })
}

fn choice_suffix(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = any_choice(&scan, dice)?;
    let (base, _) = edges::choice(scan.name(value))?;
    let (suffix, text) = edges::CHOICES[dice.below(edges::CHOICES.len())];
    let text = if dice.once_in(2) { text.as_bytes() } else { scan.text(value) };
    let new = member(&[base, suffix.as_bytes()].concat(), text);
    let span = scan.member(value);
    (input[span.clone()] != new[..]).then(|| scan.replace(span, &new))
}

fn looks_like_date(text: &[u8]) -> bool {
    let text = inside(text);
    text.len() >= 4 && text[..4].iter().all(u8::is_ascii_digit) && matches!(text.get(4), None | Some(b'-'))
        || text.len() >= 5 && text[2] == b':' && text[..2].iter().all(u8::is_ascii_digit)
}

fn edge_date(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let date = scan.any(dice, |number, value| value.kind == Kind::String && looks_like_date(scan.text(number)))?;
    Some(scan.replace(scan.values[date].span.clone(), &quoted(dice.pick(edges::DATES)?)))
}

fn edge_id(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let id = edges::id(dice);
    match scan.any(dice, |number, value| value.kind == Kind::String && scan.name(number) == b"id") {
        Some(value) if !dice.once_in(8) => Some(scan.replace(scan.values[value].span.clone(), &quoted(&id))),
        _ => {
            let holder = scan.any(dice, |_, value| value.kind == Kind::Object)?;
            Some(scan.last_in(holder, &member(b"id", &quoted(&id))))
        }
    }
}

/// Another resource inside of this one; now and then with a resource of its own, or referenced.
fn contained_add(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let (resource, named) = any_resource(&scan, dice)?;
    let inner = match dice.below(3) {
        0 => br##"{"resourceType":"Organization","id":"SYN-c","partOf":{"reference":"#SYN-c"}}"##.to_vec(),
        1 => {
            br#"{"resourceType":"Patient","id":"SYN-c","contained":[{"resourceType":"Patient","id":"SYN-d"}]}"#.to_vec()
        }
        _ => donor(other),
    };
    if let Some(list) = scan.child(resource, b"contained").filter(|&list| scan.values[list].kind == Kind::Array) {
        return Some(scan.last_in(list, &inner));
    }
    Some(scan.after(named, &member(b"contained", &[b"[", &inner[..], b"]"].concat())))
}

fn wrap(dice: &mut Dice<'_>, input: &[u8], levels: usize, open: &[u8], close: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let resource = match dice.below(3) {
        0 => any_resource(&scan, dice)?.0,
        _ => (!scan.values.is_empty()).then_some(0)?,
    };
    let text = [&open.repeat(levels), scan.text(resource), &close.repeat(levels)].concat();
    Some(scan.replace(scan.values[resource].span.clone(), &text))
}

fn contained_wrap(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let levels = *dice.pick(&[1, 1, 1, 2, 30])?;
    wrap(dice, input, levels, br#"{"resourceType":"Patient","contained":["#, b"]}")
}

fn bundle_wrap(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let levels = *dice.pick(&[1, 1, 1, 2, 30, 200])?;
    if dice.once_in(4) {
        return wrap(dice, input, 1, br#"{"resourceType":"Parameters","parameter":[{"name":"a","resource":"#, b"}]}");
    }
    wrap(dice, input, levels, br#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":"#, b"}]}")
}

/// An inner resource in place of the whole.
fn unwrap(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let inner = scan.any(dice, |number, value| value.parent.is_some() && is_resource(&scan, number))?;
    Some(scan.text(inner).to_vec())
}

const EXTENSIONS: &[&str] = &[
    r#"{"url":"http://example.org/SYN","valueString":"x"}"#,
    r#"{"url":"http://example.org/SYN","valueDecimal":1.00}"#,
    r#"{"url":"http://example.org/SYN","extension":[{"url":"a","valueCode":"x"}]}"#,
    r#"{"url":"http://example.org/SYN","valueString":"x","extension":[{"url":"a","valueCode":"x"}]}"#,
    r#"{"url":"http://example.org/SYN"}"#,
    r#"{"valueString":"x"}"#,
    r#"{"url":"","valueString":"x"}"#,
    r#"{"url":"http://example.org/SYN","_valueString":{"id":"a"}}"#,
];

fn extension_add(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let holder = scan.any(dice, |_, value| value.kind == Kind::Object)?;
    let new = dice.pick(EXTENSIONS)?.as_bytes();
    if let Some(list) = scan.child(holder, b"extension").filter(|&list| scan.values[list].kind == Kind::Array) {
        return Some(scan.last_in(list, new));
    }
    let name = *dice.pick(&[&b"extension"[..], b"extension", b"modifierExtension"])?;
    Some(scan.last_in(holder, &member(name, &[b"[", new, b"]"].concat())))
}

/// Extensions in extensions: as deep in the model as in the text.
fn extension_nest(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let levels = *dice.pick(&[1, 2, 10, 30, 50, 64, 100, 250, NESTING_MAX / 2])?;
    let open = br#"{"url":"http://example.org/SYN","extension":["#.repeat(levels);
    let new = [&open[..], br#"{"url":"http://example.org/SYN","valueString":"x"}"#, &b"]}".repeat(levels)].concat();
    match scan.any(dice, |number, value| value.kind == Kind::Array && scan.name(number).ends_with(b"xtension")) {
        Some(list) => Some(scan.last_in(list, &new)),
        None => {
            let holder = any_member(&scan, dice).and_then(|value| scan.values[value].parent)?;
            Some(scan.last_in(holder, &member(b"extension", &[b"[", &new[..], b"]"].concat())))
        }
    }
}

/// Markup that a narrative must not hold, or that readers take differently.
pub const NARRATIVES: &[&str] = &[
    "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a</p><p>b</p></div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>alert(1)</script></div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p onclick=\"alert(1)\">x</p></div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"javascript:alert(1)\">x</a></div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><iframe src=\"http://example.org/\"/></div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x</div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"> </div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"/>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\">&nbsp;&reg;</div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><!--x-->x</div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><![CDATA[x]]></div>",
    "<div>x</div>",
    "<p xmlns=\"http://www.w3.org/1999/xhtml\">x</p>",
    "<h:div xmlns:h=\"http://www.w3.org/1999/xhtml\">x</h:div>",
    "<!DOCTYPE div [<!ENTITY a \"b\">]><div xmlns=\"http://www.w3.org/1999/xhtml\">&a;</div>",
    "x",
    "",
];

fn narrative(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let div = quoted(dice.pick(NARRATIVES)?);
    if let Some(old) = scan.any(dice, |number, value| value.kind == Kind::String && scan.name(number) == b"div") {
        return Some(scan.replace(scan.values[old].span.clone(), &div));
    }
    let (_, named) = any_resource(&scan, dice)?;
    let text = [br#"{"status":"generated","div":"#, &div[..], b"}"].concat();
    Some(scan.after(named, &member(b"text", &text)))
}

/// Bytes that a generator takes at most for one resource.
const GENERATED_BYTES_MAX: usize = 1024;

/// A whole new resource of R4, valid.
pub(super) fn generated(dice: &mut Dice<'_>) -> Tree {
    let most = *dice.pick(&[64, 256, GENERATED_BYTES_MAX]).expect("there are some");
    let bytes: Vec<u8> = (0..1 + dice.below(most)).map(|_| dice.below(256) as u8).collect();
    crate::generate::fhir::resource(&mut arbitrary::Unstructured::new(&bytes), Release::R4)
}

fn generate(dice: &mut Dice<'_>, _: &[u8], _: &[u8]) -> Edited {
    Some(write_json(&generated(dice)))
}
