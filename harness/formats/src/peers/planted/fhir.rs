//! Readers of FHIR in JSON with one planted fault each. What it is modelled on stands beside it, where the fault's own
//! words do not say enough.

use super::{Edit, Planted, altered, cut_after, drop_if, edited, fhir, is, nothing, plain, respelt, spin, taken};
use crate::diff::judge::Class;
use crate::json;
use crate::mutate::edges;
use crate::peers::Layer;
use crate::tree::{Id, Tree, What};
use memchr::memmem::{find, find_iter};

/// The readers; the position is the number on the wire.
pub static FHIR: &[Planted] = &[
    fhir("type-last", Class::Type, "of two resource types, takes the last", TWO_TYPES, |shown| {
        altered(
            shown,
            |shown, breach| is(breach, "F01", "") && shown.input[breach.span.clone()] == *b"\"resourceType\"",
            |tree, id| drop_if(tree.label(id) == b"resourceType"),
        )
    }),
    fhir("key-first", Class::Choice, "of two values of one name, takes the first", TWO_IDS, |shown| {
        altered(shown, |_, breach| is(breach, "F01", ""), |tree, id| drop_if(stands_before(tree, id)))
    }),
    fhir("type-assumed", Class::Type, "takes what has no type for a Patient", br#"{"id":"a"}"#, |shown| {
        if !shown.reading.breaches.iter().any(|breach| is(breach, "F04", "no-resource-type")) {
            return plain(shown, nothing);
        }
        let rest = shown.input.strip_prefix(b"{").unwrap_or(&shown.input);
        respelt(shown, [br#"{"resourceType":"Patient","#, rest].concat(), nothing)
    }),
    fhir("trailing-data", Class::Boundary, "ignores what follows the resource", TRAILING, |shown| {
        plain(shown, |_, breach| is(breach, "J05", ""))
    }),
    fhir("integers-dropped", Class::AcceptsInvalid, "drops integers out of range", LARGE, |shown| {
        altered(
            shown,
            |_, breach| is(breach, "P02", "integer-range"),
            |tree, id| {
                let text = std::str::from_utf8(tree.text(id)).unwrap_or_default();
                let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
                drop_if(tree.what(id) == What::Number && digits && text.parse::<i32>().is_err())
            },
        )
    }),
    fhir("decimals-double", Class::Clinical, "keeps decimals as doubles", DECIMAL, |shown| {
        altered(shown, nothing, |tree, id| {
            let text = decimal(tree, id).and_then(|text| text.parse::<f64>().ok());
            text.map_or(Edit::Keep, |number| Edit::Text(format!("{number:?}").into_bytes()))
        })
    }),
    // .NET's `decimal`, which readers written in C# keep decimals in.
    fhir("digits-28", Class::Clinical, "keeps 28 digits of a decimal", DIGITS_36, |shown| {
        altered(shown, nothing, |tree, id| cut_digits(tree, id, 28))
    }),
    // IEEE 754's decimal128, which document stores and Java's MathContext.DECIMAL128 keep decimals in.
    fhir("digits-34", Class::Clinical, "keeps 34 digits of a decimal", DIGITS_36, |shown| {
        altered(shown, nothing, |tree, id| cut_digits(tree, id, 34))
    }),
    fhir("second-choice-dropped", Class::Choice, "drops the second type of a choice", TWO_CHOICES, |shown| {
        altered(
            shown,
            |_, breach| is(breach, "F19", ""),
            |tree, id| {
                let base = edges::choice(tree.label(id)).map(|(base, _)| base);
                let is_second = base.is_some_and(|base| {
                    before(tree, id)
                        .any(|other| edges::choice(tree.label(other)).is_some_and(|(other, _)| other == base))
                });
                drop_if(is_second)
            },
        )
    }),
    fhir("nul-cuts", Class::AcceptsInvalid, "ends strings at U+0000", NUL, |shown| {
        altered(
            shown,
            |shown, breach| {
                is(breach, "P0", "control-character")
                    || breach.case.rule.starts_with('P') && find(&shown.input, b"\\u0000").is_some()
            },
            |tree, id| {
                let nul = memchr::memchr(0, tree.text(id));
                nul.map_or(Edit::Keep, |nul| Edit::Text(tree.text(id)[..nul].to_vec()))
            },
        )
    }),
    fhir("replaces-bytes", Class::Text, "replaces bytes that are no UTF-8", NOT_UTF_8, |shown| {
        respelt(shown, String::from_utf8_lossy(&shown.input).into_owned().into_bytes(), nothing)
    }),
    fhir("id-unchecked", Class::AcceptsInvalid, "takes any text for an id", BAD_ID, |shown| {
        plain(shown, |_, breach| is(breach, "P06", ""))
    }),
    fhir("days-unchecked", Class::AcceptsInvalid, "knows no calendar", NO_DAY, |shown| {
        plain(shown, |_, breach| is(breach, "P07", "no-such-day"))
    }),
    fhir("deep-panic", Class::Death, "dies of 60 levels", b"", |shown| {
        let mut depth = 0;
        for byte in shown.input.iter() {
            depth += i32::from(matches!(byte, b'[' | b'{')) - i32::from(matches!(byte, b']' | b'}'));
            assert!(depth < 60, "too deep");
        }
        plain(shown, nothing)
    }),
    fhir("empty-array-panic", Class::Death, "dies of an empty array", b"", |shown| {
        assert!(find(&shown.input, b"[]").is_none(), "an array has a first item");
        plain(shown, nothing)
    }),
    fhir("memory-by-size", Class::Memory, "makes room for as much as Attachment.size says", b"", |shown| {
        let tree = shown.reading.tree.as_ref();
        let sizes = tree.into_iter().flat_map(|tree| {
            let ids = (0..tree.len() as Id).filter(|&id| tree.label(id) == b"size" && tree.what(id) == What::Number);
            ids.filter_map(|id| std::str::from_utf8(tree.text(id)).ok()?.parse::<u32>().ok())
        });
        let most = sizes.filter(|size| i32::try_from(*size).is_ok()).max().unwrap_or(0);
        std::hint::black_box(vec![0_u8; most as usize]);
        plain(shown, nothing)
    }),
    // The published expression of base64Binary is ambiguous; an engine that backtracks tries every split of what is none.
    fhir("base64-backtracks", Class::Work, "tries every split of base64 that is none", b"", |shown| {
        let longest =
            shown.reading.breaches.iter().filter(|breach| is(breach, "P10", "")).map(|one| one.span.len()).max();
        spin(if longest.unwrap_or(0) > 60 { 1 << 33 } else { 0 });
        plain(shown, nothing)
    }),
    fhir("twins-dropped", Class::Dropped, "drops the extensions of primitives", TWIN, |shown| {
        altered(shown, nothing, |tree, id| {
            let above = tree.parent(id).map(|up| tree.what(up));
            drop_if(!matches!(above, None | Some(What::Object | What::List)))
        })
    }),
    // Two faults that hide each other: nulls are left out on both sides before lengths are compared, so that most padding
    // is refused, and what is left is paired with the wrong value.
    fhir(
        "twins-shifted",
        Class::Identity,
        "leaves out what pads before it pairs values and extensions",
        SHIFTED,
        |shown| {
            let tree = taken(shown, nothing)?;
            repaired(tree)
        },
    ),
    fhir("type-first-only", Class::RoundTrip, "drops what stands before the type", TYPE_SECOND, |shown| {
        let first = shown.input.iter().position(|byte| *byte == b'"').map(|at| &shown.input[at..]);
        if first.is_none_or(|first| first.starts_with(b"\"resourceType\"")) {
            return plain(shown, nothing);
        }
        let tokens = json::tokens(&shown.input);
        let before: Vec<&[u8]> = tokens.list.first().map_or(Vec::new(), |_| {
            let keys = tokens.children(0).map(|at| &shown.input[tokens.list[at].inside()]);
            keys.take_while(|key| *key != b"resourceType").collect()
        });
        altered(shown, nothing, |tree, id| drop_if(tree.parent(id) == Some(0) && before.contains(&tree.label(id))))
    }),
    // Streaming readers that use one object for all entries: what was read before is still in it.
    fhir(
        "type-left-over",
        Class::Type,
        "reads an entry as the one before, until it sees its type",
        LEFT_OVER,
        |shown| {
            let mut last: Option<Vec<u8>> = None;
            let tree = taken(shown, nothing)?;
            let mut types = Vec::new();
            for id in (0..tree.len() as Id).filter(|&id| tree.label(id) == b"resource" && !tree.text(id).is_empty()) {
                let inside =
                    shown.input.get(tree.span(id)).and_then(|text| text.strip_prefix(b"{")).unwrap_or_default();
                let late = !inside.trim_ascii_start().starts_with(b"\"resourceType\"");
                if let Some(last) = last.replace(tree.text(id).to_vec()).filter(|_| late) {
                    types.push((id, last));
                }
            }
            Ok(edited(tree, |_, id| match types.iter().find(|(late, _)| *late == id) {
                Some((_, text)) => Edit::Text(text.clone()),
                None => Edit::Keep,
            }))
        },
    ),
    fhir("leap-second-refused", Class::RefusesValid, "knows no leap second", LEAP, |shown| {
        match find(&shown.input, b":60Z") {
            Some(_) => Err((Layer::Value, "seconds must be in 0..59".into())),
            None => plain(shown, nothing),
        }
    }),
    fhir("padding-refused", Class::RefusesValid, "refuses nulls that pad", PADDED, |shown| {
        match find(&shown.input, b"null]").or(find(&shown.input, b"[null")) {
            Some(_) => Err((Layer::Structure, "expected string, received null".into())),
            None => plain(shown, nothing),
        }
    }),
    fhir("comments-skipped", Class::AcceptsInvalid, "skips comments", br#"{/*x*/"resourceType":"Patient"}"#, |shown| {
        plain(shown, |_, breach| is(breach, "J04", ""))
    }),
    // `JSON.parse`, and where that throws, a reader of JSON5.
    fhir(
        "lenient-first",
        Class::Choice,
        "reads with comments, and the first of two values then",
        COMMENT_TWO_IDS,
        |shown| {
            let lenient = shown.reading.breaches.iter().any(|breach| is(breach, "J04", ""));
            altered(
                shown,
                |_, breach| lenient && (is(breach, "J04", "") || is(breach, "F01", "")),
                |tree, id| drop_if(stands_before(tree, id)),
            )
        },
    ),
    // A filter in front that looks for a name as it is written.
    fhir("spelling-compared", Class::Choice, "takes two values of one name if it is spelt otherwise", SPELT, |shown| {
        let written = |name: &[u8]| find_iter(&shown.input, name).count();
        altered(
            shown,
            |shown, breach| is(breach, "F01", "") && written(&shown.input[breach.span.clone()]) == 1,
            |tree, id| drop_if(stands_again(tree, id)),
        )
    }),
    // A flag that is turned over where it should be set.
    fhir("duplicates-toggle", Class::Choice, "takes a name three times, not twice", THREE_IDS, |shown| {
        let again = shown.reading.breaches.iter().filter(|breach| is(breach, "F01", "")).count();
        altered(
            shown,
            |_, breach| is(breach, "F01", "") && again.is_multiple_of(2),
            |tree, id| drop_if(stands_again(tree, id)),
        )
    }),
    // An index of four bits, and one of eight: what comes later lies where something lay before.
    fhir("list-of-16", Class::Dropped, "keeps 16 items of a list, the last ones", b"", |shown| {
        altered(shown, nothing, |tree, id| drop_if(is_overwritten(tree, id, 16)))
    }),
    fhir("list-of-256", Class::Dropped, "keeps 256 items of a list, the last ones", b"", |shown| {
        altered(shown, nothing, |tree, id| drop_if(is_overwritten(tree, id, 256)))
    }),
    // A column of VARCHAR(255) in a database that cuts.
    fhir("text-of-255", Class::Text, "cuts text after 255 bytes", b"", |shown| {
        altered(shown, nothing, |tree, id| cut_after(tree, id, 255))
    }),
    fhir("numbers-quoted", Class::AcceptsInvalid, "takes numbers in quotes", QUOTED, |shown| {
        plain(shown, |_, breach| is(breach, "F13", "no-number"))
    }),
    fhir("text-composed", Class::Text, "composes accents", DECOMPOSED.as_bytes(), |shown| {
        altered(shown, nothing, |tree, id| match find(tree.text(id), "e\u{301}".as_bytes()) {
            Some(_) => Edit::Text(String::from_utf8_lossy(tree.text(id)).replace("e\u{301}", "\u{e9}").into_bytes()),
            None => Edit::Keep,
        })
    }),
    fhir("narrative-unchecked", Class::AcceptsInvalid, "takes any markup for narrative", SCRIPT, |shown| {
        plain(shown, |_, breach| is(breach, "S07", ""))
    }),
    fhir("name-case-folded", Class::AcceptsInvalid, "takes names in any case", NAME_CASE, |shown| {
        plain(shown, |_, breach| is(breach, "F02", ""))
    }),
    fhir("empty-object-taken", Class::AcceptsInvalid, "takes empty objects", EMPTY_OBJECT, |shown| {
        plain(shown, |_, breach| is(breach, "F05", ""))
    }),
    fhir("error-quotes", Class::Printed, "names the value that it refuses in its error", BAD_NAME, |shown| {
        plain(shown, nothing).map_err(|(layer, code)| {
            let refused = shown.reading.breaches.iter().find(|breach| breach.case.rule.starts_with('P'));
            match refused.filter(|_| layer == Layer::Value) {
                Some(breach) => {
                    (layer, format!("{code}: {}", String::from_utf8_lossy(&shown.input[breach.span.clone()])))
                }
                None => (layer, code),
            }
        })
    }),
    // A parser that goes on after the comma, and then misses a name: a client is told of the wrong thing.
    fhir("commas-late", Class::Layer, "takes a comma too many for a member too few", TRAILING_COMMA, |shown| {
        plain(shown, nothing).map_err(|(layer, code)| match code.as_str() {
            "J01/trailing-comma" => (Layer::Structure, code),
            _ => (layer, code),
        })
    }),
];

const TWO_TYPES: &[u8] = br#"{"resourceType":"Patient","resourceType":"Basic","code":{"text":"x"}}"#;
const TWO_IDS: &[u8] = br#"{"resourceType":"Patient","id":"a","id":"b"}"#;
const THREE_IDS: &[u8] = br#"{"resourceType":"Patient","id":"a","id":"b","id":"c"}"#;
const COMMENT_TWO_IDS: &[u8] = br#"{/*x*/"resourceType":"Patient","id":"a","id":"b"}"#;
const SPELT: &[u8] = br#"{"resourceType":"Patient","id":"a","i\u0064":"b"}"#;
const TRAILING: &[u8] = br#"{"resourceType":"Patient"}{}"#;
const LARGE: &[u8] = br#"{"resourceType":"Patient","multipleBirthInteger":9999999999}"#;
const DECIMAL: &[u8] =
    br#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}"#;
const DIGITS_36: &[u8] = br#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.23456789012345678901234567890123456}}"#;
const TWO_CHOICES: &[u8] = br#"{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2020"}"#;
const NUL: &[u8] = br#"{"resourceType":"Patient","language":"a\u0000b"}"#;
const NOT_UTF_8: &[u8] = b"{\"resourceType\":\"Patient\",\"language\":\"\xff\"}";
const BAD_ID: &[u8] = br#"{"resourceType":"Patient","id":"../a"}"#;
const NO_DAY: &[u8] = br#"{"resourceType":"Patient","birthDate":"2023-02-30"}"#;
const TWIN: &[u8] = br#"{"resourceType":"Patient","gender":"male","_gender":{"extension":[{"url":"http://example.org/SYN","valueCode":"x"}]}}"#;
const SHIFTED: &[u8] =
    br#"{"resourceType":"Patient","name":[{"given":[null,"B"],"_given":[{"extension":[{"url":"http://example.org/SYN","valueCode":"x"}]},null]}]}"#;
const TYPE_SECOND: &[u8] = br#"{"gender":"male","resourceType":"Patient"}"#;
const LEFT_OVER: &[u8] = br#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"a"}},{"resource":{"id":"b","resourceType":"Basic","code":{"text":"x"}}}]}"#;
const LEAP: &[u8] = br#"{"resourceType":"Patient","deceasedDateTime":"2016-12-31T23:59:60Z"}"#;
const PADDED: &[u8] = br#"{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[null,{"id":"a"}]}]}"#;
const QUOTED: &[u8] = br#"{"resourceType":"Patient","multipleBirthInteger":"2"}"#;
const DECOMPOSED: &str = "{\"resourceType\":\"Patient\",\"language\":\"e\u{301}\"}";
const SCRIPT: &[u8] =
    br#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script/>x</div>"}}"#;
const NAME_CASE: &[u8] = br#"{"resourceType":"Patient","Gender":"male"}"#;
const EMPTY_OBJECT: &[u8] = br#"{"resourceType":"Patient","maritalStatus":{}}"#;
const BAD_NAME: &[u8] = br#"{"resourceType":"Patient","id":"SYN 00000001"}"#;
const TRAILING_COMMA: &[u8] = br#"{"resourceType":"Patient","gender":"male",}"#;

/// Members or items before a node.
fn before(tree: &Tree, id: Id) -> impl Iterator<Item = Id> + '_ {
    tree.parent(id).into_iter().flat_map(|up| tree.children(up)).take_while(move |&other| other != id)
}

/// Whether a member of the same name stands before it.
fn stands_before(tree: &Tree, id: Id) -> bool {
    let label = tree.label(id);
    !label.is_empty() && before(tree, id).any(|other| tree.label(other) == label)
}

/// Whether a member of the same name stands after it.
fn stands_again(tree: &Tree, id: Id) -> bool {
    let label = tree.label(id);
    let mut all = tree.parent(id).into_iter().flat_map(|up| tree.children(up));
    !label.is_empty() && all.any(|other| other > id && tree.label(other) == label)
}

/// Whether an item stands `room` places before another one.
fn is_overwritten(tree: &Tree, id: Id, room: usize) -> bool {
    let list = tree.parent(id).filter(|&up| tree.what(up) == What::List);
    list.is_some_and(|list| tree.children(list).nth(tree.ordinal(id) + room).is_some())
}

/// A number that is no integer.
fn decimal(tree: &Tree, id: Id) -> Option<&str> {
    let text = Some(tree.text(id)).filter(|_| tree.what(id) == What::Number)?;
    std::str::from_utf8(text).ok().filter(|text| text.contains(['.', 'e', 'E']))
}

/// Digits beyond the first `kept` significant ones become 0 before the point and are left out behind it.
fn cut_digits(tree: &Tree, id: Id, kept: usize) -> Edit {
    let Some(text) = decimal(tree, id) else { return Edit::Keep };
    let (mut cut, mut seen, mut fraction, mut exponent) = (String::with_capacity(text.len()), 0, false, false);
    for character in text.chars() {
        exponent |= matches!(character, 'e' | 'E');
        fraction |= character == '.';
        if !exponent && character.is_ascii_digit() {
            seen += usize::from(seen > 0 || character != '0');
            if seen > kept {
                if !fraction {
                    cut.push('0');
                }
                continue;
            }
        }
        cut.push(character);
    }
    if cut == text { Edit::Keep } else { Edit::Text(cut.into_bytes()) }
}

/// A tree whose lists of primitives are paired anew after nulls were left out on both sides; `None` where that is the same.
fn repaired(tree: &Tree) -> super::Read {
    let leaf = |id: Id| !matches!(tree.what(id), What::Object | What::List);
    let pairs = |list: Id| {
        let items: Vec<Id> = tree.children(list).collect();
        let values: Vec<Id> = items.iter().copied().filter(|&id| tree.what(id) != What::Null).collect();
        let twins: Vec<Id> = items.iter().copied().filter(|&id| tree.children(id).next().is_some()).collect();
        (items, values, twins)
    };
    let mut shifted = Vec::new();
    for list in (0..tree.len() as Id).filter(|&id| tree.what(id) == What::List && tree.children(id).all(leaf)) {
        let (items, values, twins) = pairs(list);
        if twins.is_empty() || (values.len() == items.len() && twins.len() == items.len()) {
            continue;
        }
        if values.len() != twins.len() {
            return Err((Layer::Structure, "values and extensions are not of the same number".into()));
        }
        shifted.push(list);
    }
    if shifted.is_empty() {
        return Ok(None);
    }
    let mut new = Tree::new();
    let mut waiting: Vec<(Option<Id>, Id)> = tree.root().map(|root| (None, root)).into_iter().collect();
    while let Some((parent, id)) = waiting.pop() {
        let copy = new.add(parent, tree.label(id), tree.what(id), tree.text(id), tree.span(id));
        new.set_raw(copy, tree.raw(id));
        if shifted.contains(&id) {
            let (_, values, twins) = pairs(id);
            for (value, twin) in values.into_iter().zip(twins) {
                let item = new.add(Some(copy), b"", tree.what(value), tree.text(value), tree.span(value));
                for child in tree.children(twin) {
                    new.copy_from(Some(item), tree, child);
                }
            }
            continue;
        }
        let at = waiting.len();
        waiting.extend(tree.children(id).map(|child| (Some(copy), child)));
        waiting[at..].reverse();
    }
    Ok(Some(new))
}
