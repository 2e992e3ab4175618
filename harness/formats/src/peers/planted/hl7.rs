//! Readers of HL7 v2 with one planted fault each, and how they write what they read.

use super::{Edit, Planted, altered, cut_after, drop_if, is, nothing, plain, respelt, spin, taken, v2};
use crate::diff::judge::Class;
use crate::fhir;
use crate::peers::Layer;
use crate::tree::{Id, Tree, What};
use memchr::memmem::{find, find_iter};

/// The readers; the position is the number on the wire. Line ends other than CR are refused, so that what is planted shows.
pub static HL7: &[Planted] = &[
    v2("line-feed-segments", Class::Boundary, "ends segments at every line feed", LINE_FEED, |shown| {
        let input = shown.input.iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte }).collect();
        respelt(shown, input, |_, breach| is(breach, "H07", ""))
    }),
    v2("blocks-ignored", Class::Boundary, "skips the bytes of frames wherever they are", BLOCK, |shown| {
        let input = shown.input.iter().copied().filter(|byte| !matches!(byte, 0x0b | 0x1c)).collect();
        respelt(shown, input, |_, breach| is(breach, "H07", ""))
    }),
    v2("headers-merged", Class::Boundary, "takes a second header for a segment", TWO_HEADERS, |shown| {
        let tree = taken(shown, |_, breach| is(breach, "H20", ""))?;
        if tree.children(0).count() < 2 {
            return Ok(None);
        }
        let mut merged = Tree::new();
        let top = merged.add(None, b"", What::List, b"", 0..0);
        let message = merged.add(Some(top), b"", What::List, b"", 0..0);
        for segment in tree.children(0).flat_map(|message| tree.children(message)) {
            merged.copy_from(Some(message), tree, segment);
        }
        Ok(Some(merged))
    }),
    v2("delimiters-fixed", Class::Boundary, "splits at the usual delimiters", b"MSH#^~\\&#A\rPID#1\r", |shown| {
        let mut input = shown.input.to_vec();
        if input.starts_with(b"MSH") && input.get(3) != Some(&b'|') && input.len() > 9 {
            (input[3], input[8]) = (b'|', b'|');
        }
        respelt(shown, input, |_, breach| is(breach, "H08", ""))
    }),
    // Delimiters read once for a connection or a file, not for each message.
    v2(
        "delimiters-left-over",
        Class::Boundary,
        "reads every message with the first one's delimiters",
        TWO_SETS,
        |shown| {
            let mut input = shown.input.to_vec();
            let headers: Vec<usize> = find_iter(&shown.input, b"\rMSH").map(|at| at + 4).collect();
            let first = match (input.starts_with(b"MSH"), headers.first()) {
                (true, _) => Some(3),
                (false, first) => first.copied(),
            };
            if let Some(delimiters) = first.and_then(|at| shown.input.get(at..at + 6)) {
                for at in headers.into_iter().filter(|at| at + 6 <= shown.input.len()) {
                    input[at..at + 6].copy_from_slice(delimiters);
                }
            }
            match input == *shown.input {
                true => plain(shown, nothing),
                false => respelt(shown, input, |_, breach| is(breach, "H08", "")),
            }
        },
    ),
    v2("escapes-kept", Class::Identity, "decodes no escapes", b"MSH|^~\\&|A\rPID|1||||S\\T\\K\r", |shown| {
        altered(shown, nothing, |tree, id| match tree.what(id) {
            What::String if tree.raw(id) != tree.text(id) => Edit::Text(tree.raw(id).to_vec()),
            _ => Edit::Keep,
        })
    }),
    v2("escapes-twice", Class::Identity, "decodes escapes twice", b"MSH|^~\\&|A\rPID|1||||S\\E\\T\\E\\K\r", |shown| {
        altered(shown, nothing, |tree, id| match (tree.what(id), find(tree.text(id), b"\\T\\")) {
            (What::String, Some(_)) if !matches!(tree.label(id), b"1" | b"2") => {
                Edit::Text(String::from_utf8_lossy(tree.text(id)).replace("\\T\\", "&").into_bytes())
            }
            _ => Edit::Keep,
        })
    }),
    // The escape character is the usual one in the code, whatever MSH-2 says; the other delimiters are followed.
    v2("escape-fixed", Class::Identity, "decodes with a backslash where another one is declared", FIXED, |shown| {
        let declared = find(&shown.input, b"MSH").and_then(|at| shown.input.get(at + 6).copied());
        altered(shown, nothing, |tree, id| match (tree.what(id), find(tree.text(id), b"\\T\\")) {
            (What::String, Some(_)) if declared != Some(b'\\') && !matches!(tree.label(id), b"1" | b"2") => {
                Edit::Text(String::from_utf8_lossy(tree.text(id)).replace("\\T\\", "&").into_bytes())
            }
            _ => Edit::Keep,
        })
    }),
    v2(
        "hex-splits",
        Class::Identity,
        "decodes hexadecimal before it splits",
        b"MSH|^~\\&|A\rPID|1||||S\\X5E\\K\r",
        |shown| match find(&shown.input, b"\\X5E\\") {
            None => plain(shown, nothing),
            Some(_) => respelt(shown, replaced(&shown.input, b"\\X5E\\", b"^"), nothing),
        },
    ),
    v2("escape-cuts", Class::AcceptsInvalid, "drops text from an escape that does not end", UNENDED, |shown| {
        altered(
            shown,
            |_, breach| is(breach, "H13", ""),
            |tree, id| {
                let text = tree.text(id);
                let escapes = text.iter().filter(|byte| **byte == b'\\').count();
                match text.iter().rposition(|byte| *byte == b'\\') {
                    Some(at) if escapes == 1 && tree.what(id) == What::String && text.len() != 4 => {
                        Edit::Text(text[..at].to_vec())
                    }
                    _ => Edit::Keep,
                }
            },
        )
    }),
    v2("escapes-restart", Class::Work, "begins again after every escape, of more than 24", b"", |shown| {
        spin(if find_iter(&shown.input, b"\\T\\").count() > 24 { 1 << 33 } else { 0 });
        plain(shown, nothing)
    }),
    v2("short-header-panic", Class::Death, "dies of a header without encoding characters", b"", |shown| {
        if shown.input.starts_with(b"MSH") {
            std::hint::black_box(shown.input[3..][..5].to_vec());
        }
        plain(shown, nothing)
    }),
    v2("memory-by-count", Class::Memory, "makes room for as many messages as BTS-1 says", b"", |shown| {
        let line = find(&shown.input, b"\rBTS|").map(|at| &shown.input[at + 5..]).unwrap_or_default();
        let digits = line.iter().take(9).take_while(|byte| byte.is_ascii_digit());
        let count = digits.fold(0_usize, |count, digit| count * 10 + usize::from(digit - b'0'));
        std::hint::black_box(vec![0_u8; count.min(1 << 27) * 8]);
        plain(shown, nothing)
    }),
    v2("field-dropped", Class::Dropped, "drops OBX-9", b"MSH|^~\\&|A\rOBX|1|ST|||A||||x\r", |shown| {
        altered(shown, nothing, |tree, id| {
            let segment = tree.parent(id).filter(|&up| tree.what(up) == What::Object && tree.label(up).is_empty());
            drop_if(tree.label(id) == b"9" && segment.is_some_and(|segment| tree.text(segment) == b"OBX"))
        })
    }),
    // An index of four bits, and one of eight: what comes later lies where something lay before.
    v2("repetitions-16", Class::Dropped, "keeps 16 repetitions, the last ones", b"", |shown| {
        altered(shown, nothing, |tree, id| drop_if(is_overwritten(tree, id, 16)))
    }),
    v2("repetitions-256", Class::Dropped, "keeps 256 repetitions, the last ones", b"", |shown| {
        altered(shown, nothing, |tree, id| drop_if(is_overwritten(tree, id, 256)))
    }),
    // 199 characters are the longest ST of v2.5.1.
    v2("text-of-199", Class::Text, "cuts text after 199 bytes", b"", |shown| {
        altered(shown, nothing, |tree, id| cut_after(tree, id, 199))
    }),
    v2("null-dropped", Class::Identity, "takes a null for nothing", b"MSH|^~\\&|A\rPID|1||||\"\"\r", |shown| {
        altered(shown, nothing, |tree, id| drop_if(tree.what(id) == What::Null))
    }),
    v2("names-unchecked", Class::AcceptsInvalid, "takes any segment name", b"MSH|^~\\&|A\rpid|1\r", |shown| {
        plain(shown, |_, breach| is(breach, "H08", ""))
    }),
    v2("nul-taken", Class::Text, "takes control characters", b"MSH|^~\\&|A\rPID|1\0\r", |shown| {
        plain(shown, |_, breach| is(breach, "H21", ""))
    }),
    v2("bytes-replaced", Class::Text, "replaces what is not in the character set", NOT_UTF_8, |shown| {
        let replaced = String::from_utf8_lossy(&shown.input).into_owned().into_bytes();
        respelt(shown, replaced, |_, breach| is(breach, "H16", ""))
    }),
    v2(
        "error-names",
        Class::Printed,
        "names the patient in its error",
        b"MSH|^~\\&|A\rPID|1||||SYNTHETIC\rx\r",
        |shown| {
            plain(shown, nothing).map_err(|(layer, code)| {
                let tree = shown.reading.tree.as_ref();
                let name = tree.and_then(|tree| {
                    let name =
                        |id: Id| tree.label(id) == b"5" && tree.parent(id).is_some_and(|up| tree.text(up) == b"PID");
                    (0..tree.len() as Id)
                        .find(|&id| name(id))
                        .map(|id| String::from_utf8_lossy(tree.raw(id)).into_owned())
                });
                (layer, format!("{code} in the message of {}", name.unwrap_or_default()))
            })
        },
    ),
    // A reader that decodes first what it then splits: every odd line looks like a wrong character set.
    v2(
        "names-early",
        Class::Layer,
        "takes a wrong segment name for a wrong encoding",
        b"MSH|^~\\&|A\rpid|1\r",
        |shown| {
            plain(shown, nothing).map_err(|(layer, code)| match code.as_str() {
                "H08/name" => (Layer::Encoding, code),
                _ => (layer, code),
            })
        },
    ),
];

const LINE_FEED: &[u8] = b"MSH|^~\\&|A\rPID|1||S\nPID|2\r";
const BLOCK: &[u8] = b"MSH|^~\\&|A\rPID|1\x1c\r";
const TWO_HEADERS: &[u8] = b"MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\rPID|2\r";
const TWO_SETS: &[u8] = b"BHS|^~\\&|A\rMSH|^~\\&|A\rPID|1\rMSH#^~\\&#B\rPID#2\rBTS|2\r";
const FIXED: &[u8] = b"MSH|^~!&|A\rPID|1||||S\\T\\K\r";
const UNENDED: &[u8] = b"MSH|^~\\&|A\rPID|1||||SMITH\\JOHN\r";
const NOT_UTF_8: &[u8] = b"MSH|^~\\&|A\rPID|1||||\xff\r";

fn replaced(input: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len());
    let mut at = 0;
    for found in find_iter(input, from) {
        out.extend_from_slice(&input[at..found]);
        out.extend_from_slice(to);
        at = found + from.len();
    }
    out.extend_from_slice(&input[at..]);
    out
}

/// Whether a repetition stands `room` places before another one.
fn is_overwritten(tree: &Tree, id: Id, room: usize) -> bool {
    let field = |&up: &Id| tree.what(up) == What::List && !tree.label(up).is_empty();
    let field = tree.parent(id).filter(field);
    field.is_some_and(|field| tree.children(field).nth(tree.ordinal(id) + room).is_some())
}

/// A tree of messages as `hl7::tree_of_answer` reads it.
pub(super) fn answer(tree: &Tree) -> Vec<u8> {
    let mut out = String::from("[");
    for (number, message) in tree.children(0).enumerate() {
        out.push_str(if number > 0 { ",[" } else { "[" });
        for (number, segment) in tree.children(message).enumerate() {
            out.push_str(if number > 0 { ",[" } else { "[" });
            quote(&mut out, tree.text(segment));
            let header = tree.text(segment) == b"MSH";
            in_places(tree, segment, &mut out, ",", |out, field, number| match tree.what(field) {
                What::List => {
                    let items = tree.children(field).map(|item| repetition(tree, item));
                    out.push_str(&format!("[{}]", items.collect::<Vec<_>>().join(",")));
                }
                _ if header && number <= 2 => quote(out, tree.text(field)),
                _ => out.push_str(&format!("[{}]", repetition(tree, field))),
            });
            out.push(']');
        }
        out.push(']');
    }
    out.push(']');
    out.into_bytes()
}

/// Children at the places that their labels name, `null` between.
fn in_places(tree: &Tree, of: Id, out: &mut String, first: &str, write: impl Fn(&mut String, Id, usize)) {
    let mut next = 1;
    for child in tree.children(of) {
        let number: usize =
            std::str::from_utf8(tree.label(child)).ok().and_then(|label| label.parse().ok()).unwrap_or(next);
        while next <= number {
            out.push_str(if next == 1 { first } else { "," });
            if next < number {
                out.push_str("null");
            }
            next += 1;
        }
        write(out, child, number);
    }
}

fn repetition(tree: &Tree, id: Id) -> String {
    let mut out = String::from("[");
    if tree.what(id) == What::Object {
        in_places(tree, id, &mut out, "", |out, component, _| {
            out.push('[');
            match tree.what(component) {
                What::Object => in_places(tree, component, out, "", |out, part, _| leaf(tree, part, out)),
                _ => leaf(tree, component, out),
            }
            out.push(']');
        });
    } else {
        out.push('[');
        leaf(tree, id, &mut out);
        out.push(']');
    }
    out.push(']');
    out
}

fn leaf(tree: &Tree, id: Id, out: &mut String) {
    match tree.what(id) {
        What::Null => out.push_str(r#""\"\"""#),
        What::Empty => out.push_str("null"),
        _ => {
            out.push_str("{\"raw\":");
            quote(out, tree.raw(id));
            out.push_str(",\"text\":");
            quote(out, tree.text(id));
            out.push('}');
        }
    }
}

fn quote(out: &mut String, text: &[u8]) {
    let mut tree = Tree::new();
    tree.add(None, b"", What::String, text, 0..0);
    out.push_str(&String::from_utf8_lossy(&fhir::write_json(&tree)));
}
