//! A benchmark for the search: readers of FHIR JSON and HL7 v2 that are our reference with one planted fault each. How many
//! are found, in how many executions, tells what the search's feedback is worth. They run in the guest `peers-planted`.

use super::{Layer, Peer, Runtime};
use crate::Format::{self, FhirJson, Hl7v2};
use crate::diff::judge::Class;
use crate::fhir::{self, Release};
use crate::mutate::edges;
use crate::reading::{Breach, Reading};
use crate::rules::{Policy, Side};
use crate::tree::{Erase, Id, Tree, What};
use crate::{hl7, json};

/// A reader with a fault.
pub struct Planted {
    /// As it is compared.
    pub peer: Peer,
    /// What a comparison must call it.
    pub class: Class,
    /// What it does wrong.
    pub fault: &'static str,
    /// A small input that shows it.
    pub example: &'static [u8],
    /// Reads as `one` of a guest does: what it writes back, or where and why it refuses.
    pub read: fn(&[u8]) -> Written,
}

/// What a reader writes back, or where and why it refuses.
pub type Written = Result<Vec<u8>, (Layer, String)>;

/// The readers of FHIR in JSON; the position is the number on the wire.
pub static FHIR: &[Planted] = &[
    fhir("type-last", Class::Type, "of two resource types, takes the last", TWO_TYPES, |input| {
        let forgiven =
            |input: &[u8], breach: &Breach| is(breach, "F01", "") && input[breach.span.clone()] == *b"\"resourceType\"";
        read(input, forgiven, |tree| edited(tree, |tree, id| drop_if(tree.label(id) == b"resourceType")))
    }),
    fhir("key-first", Class::Choice, "of two values of one name, takes the first", TWO_IDS, |input| {
        read(
            input,
            |_, breach| is(breach, "F01", ""),
            |tree| {
                edited(tree, |tree, id| {
                    let label = tree.label(id);
                    let mut before =
                        tree.parent(id).into_iter().flat_map(|up| tree.children(up)).take_while(|&other| other != id);
                    drop_if(!label.is_empty() && before.any(|other| tree.label(other) == label))
                })
            },
        )
    }),
    fhir("type-assumed", Class::Type, "takes what has no type for a Patient", br#"{"id":"a"}"#, |input| {
        let typed = || [br#"{"resourceType":"Patient","#, input.strip_prefix(b"{").unwrap_or(input)].concat();
        let missing =
            fhir::read_json(input, Release::R4).breaches.iter().any(|breach| is(breach, "F04", "no-resource-type"));
        if missing { read(&typed(), nothing, plain) } else { read(input, nothing, plain) }
    }),
    fhir("trailing-data", Class::Boundary, "ignores what follows the resource", TRAILING, |input| {
        read(input, |_, breach| is(breach, "J05", ""), plain)
    }),
    fhir("integers-dropped", Class::AcceptsInvalid, "drops integers out of range", LARGE, |input| {
        read(
            input,
            |_, breach| is(breach, "P02", "integer-range"),
            |tree| {
                edited(tree, |tree, id| {
                    let is_integer = tree.what(id) == What::Number
                        && tree.text(id).iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
                    drop_if(
                        is_integer && std::str::from_utf8(tree.text(id)).is_ok_and(|text| text.parse::<i32>().is_err()),
                    )
                })
            },
        )
    }),
    fhir("decimals-double", Class::Clinical, "keeps decimals as doubles", DECIMAL, |input| {
        read(input, nothing, |tree| {
            edited(tree, |tree, id| {
                let text = std::str::from_utf8(tree.text(id)).unwrap_or_default();
                match (tree.what(id), text.parse::<f64>()) {
                    (What::Number, Ok(number)) if text.contains(['.', 'e', 'E']) => {
                        Edit::Text(format!("{number:?}").into_bytes())
                    }
                    _ => Edit::Keep,
                }
            })
        })
    }),
    fhir("second-choice-dropped", Class::Choice, "drops the second type of a choice", TWO_CHOICES, |input| {
        read(
            input,
            |_, breach| is(breach, "F19", ""),
            |tree| {
                edited(tree, |tree, id| {
                    let base = edges::choice(tree.label(id)).map(|(base, _)| base);
                    let mut before =
                        tree.parent(id).into_iter().flat_map(|up| tree.children(up)).take_while(|&other| other != id);
                    let is_second = base.is_some_and(|base| {
                        before.any(|other| edges::choice(tree.label(other)).is_some_and(|(other, _)| other == base))
                    });
                    drop_if(is_second)
                })
            },
        )
    }),
    fhir(
        "nul-cuts",
        Class::AcceptsInvalid,
        "ends strings at U+0000",
        br#"{"resourceType":"Patient","language":"a\u0000b"}"#,
        |input| {
            read(
                input,
                |_, breach| {
                    is(breach, "P0", "control-character") || breach.case.rule.starts_with('P') && has_nul(input)
                },
                |tree| {
                    edited(tree, |tree, id| {
                        let nul = tree.text(id).iter().position(|byte| *byte == 0);
                        nul.map_or(Edit::Keep, |nul| Edit::Text(tree.text(id)[..nul].to_vec()))
                    })
                },
            )
        },
    ),
    fhir(
        "replaces-bytes",
        Class::Text,
        "replaces bytes that are no UTF-8",
        b"{\"resourceType\":\"Patient\",\"language\":\"\xff\"}",
        |input| read(String::from_utf8_lossy(input).as_bytes(), nothing, plain),
    ),
    fhir(
        "id-unchecked",
        Class::AcceptsInvalid,
        "takes any text for an id",
        br#"{"resourceType":"Patient","id":"../a"}"#,
        |input| read(input, |_, breach| is(breach, "P06", ""), plain),
    ),
    fhir(
        "days-unchecked",
        Class::AcceptsInvalid,
        "knows no calendar",
        br#"{"resourceType":"Patient","birthDate":"2023-02-30"}"#,
        |input| read(input, |_, breach| is(breach, "P07", "no-such-day"), plain),
    ),
    fhir("deep-panic", Class::Death, "dies of 60 levels", b"", |input| {
        let mut depth = 0;
        for byte in input {
            depth += i32::from(matches!(byte, b'[' | b'{')) - i32::from(matches!(byte, b']' | b'}'));
            assert!(depth < 60, "too deep");
        }
        read(input, nothing, plain)
    }),
    fhir("empty-array-panic", Class::Death, "dies of an empty array", b"", |input| {
        assert!(!input.windows(2).any(|pair| pair == b"[]"), "an array has a first item");
        read(input, nothing, plain)
    }),
    fhir("memory-by-key", Class::Memory, "keeps a megabyte for every extension", b"", |input| {
        let extensions = input.windows(11).filter(|window| *window == b"\"extension\"").count();
        let kept: Vec<Vec<u8>> = (0..extensions).map(|number| vec![number as u8; 8 << 20]).collect();
        let written = read(input, nothing, plain);
        std::hint::black_box(kept);
        written
    }),
    fhir("work-cubed", Class::Work, "compares all of more than 24 objects with all others, thrice", b"", |input| {
        let objects = input.iter().filter(|byte| **byte == b'{').count() as u64;
        spin(if objects > 24 { objects * objects * objects * 50_000 } else { 0 });
        read(input, nothing, plain)
    }),
    fhir("twins-dropped", Class::Dropped, "drops the extensions of primitives", TWIN, |input| {
        read(input, nothing, |tree| {
            edited(tree, |tree, id| {
                let above = tree.parent(id).map(|up| tree.what(up));
                drop_if(!matches!(above, None | Some(What::Object | What::List)))
            })
        })
    }),
    fhir("type-first-only", Class::RoundTrip, "drops what stands before the type", TYPE_SECOND, |input| {
        let tokens = json::tokens(input);
        let before: Vec<Vec<u8>> = tokens.list.first().map_or(Vec::new(), |_| {
            let keys = tokens.children(0).map(|at| input[tokens.list[at].inside()].to_vec());
            keys.take_while(|key| key != b"resourceType").collect()
        });
        read(input, nothing, |tree| {
            edited(tree, |tree, id| {
                drop_if(tree.parent(id) == Some(0) && before.iter().any(|key| key == tree.label(id)))
            })
        })
    }),
    fhir("leap-second-refused", Class::RefusesValid, "knows no leap second", LEAP, |input| {
        if input.windows(4).any(|window| window == b":60Z") {
            return Err((Layer::Value, "seconds must be in 0..59".into()));
        }
        read(input, nothing, plain)
    }),
    fhir("padding-refused", Class::RefusesValid, "refuses nulls that pad", PADDED, |input| {
        if input.windows(5).any(|window| window == b"null]" || window == b"[null") {
            return Err((Layer::Structure, "expected string, received null".into()));
        }
        read(input, nothing, plain)
    }),
    fhir("comments-skipped", Class::AcceptsInvalid, "skips comments", br#"{/*x*/"resourceType":"Patient"}"#, |input| {
        read(input, |_, breach| is(breach, "J04", ""), plain)
    }),
    fhir("numbers-quoted", Class::AcceptsInvalid, "takes numbers in quotes", QUOTED, |input| {
        read(input, |_, breach| is(breach, "F13", "no-number"), plain)
    }),
    fhir(
        "text-composed",
        Class::Text,
        "composes accents",
        "{\"resourceType\":\"Patient\",\"language\":\"e\u{301}\"}".as_bytes(),
        |input| {
            read(
                input,
                |_, _| false,
                |tree| {
                    edited(tree, |tree, id| {
                        let text = String::from_utf8_lossy(tree.text(id)).replace("e\u{301}", "\u{e9}");
                        if text.as_bytes() == tree.text(id) { Edit::Keep } else { Edit::Text(text.into_bytes()) }
                    })
                },
            )
        },
    ),
    fhir("narrative-unchecked", Class::AcceptsInvalid, "takes any markup for narrative", SCRIPT, |input| {
        read(input, |_, breach| is(breach, "S07", ""), plain)
    }),
    fhir(
        "name-case-folded",
        Class::AcceptsInvalid,
        "takes names in any case",
        br#"{"resourceType":"Patient","Gender":"male"}"#,
        |input| read(input, |_, breach| is(breach, "F02", ""), plain),
    ),
    fhir(
        "empty-object-taken",
        Class::AcceptsInvalid,
        "takes empty objects",
        br#"{"resourceType":"Patient","maritalStatus":{}}"#,
        |input| read(input, |_, breach| is(breach, "F05", ""), plain),
    ),
];

const TWO_TYPES: &[u8] = br#"{"resourceType":"Patient","resourceType":"Basic","code":{"text":"x"}}"#;
const TWO_IDS: &[u8] = br#"{"resourceType":"Patient","id":"a","id":"b"}"#;
const TRAILING: &[u8] = br#"{"resourceType":"Patient"}{}"#;
const LARGE: &[u8] = br#"{"resourceType":"Patient","multipleBirthInteger":9999999999}"#;
const DECIMAL: &[u8] =
    br#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}"#;
const TWO_CHOICES: &[u8] = br#"{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2020"}"#;
const TWIN: &[u8] = br#"{"resourceType":"Patient","gender":"male","_gender":{"extension":[{"url":"http://example.org/SYN","valueCode":"x"}]}}"#;
const TYPE_SECOND: &[u8] = br#"{"gender":"male","resourceType":"Patient"}"#;
const LEAP: &[u8] = br#"{"resourceType":"Patient","deceasedDateTime":"2016-12-31T23:59:60Z"}"#;
const PADDED: &[u8] = br#"{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[null,{"id":"a"}]}]}"#;
const QUOTED: &[u8] = br#"{"resourceType":"Patient","multipleBirthInteger":"2"}"#;
const SCRIPT: &[u8] =
    br#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script/>x</div>"}}"#;

/// The readers of HL7 v2.
pub static HL7: &[Planted] = &[
    v2(
        "line-feed-segments",
        Class::Boundary,
        "ends segments at every line feed",
        b"MSH|^~\\&|A\rPID|1||S\nPID|2\r",
        |input| {
            let input: Vec<u8> = input.iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte }).collect();
            read_v2(&input, "H07", plain)
        },
    ),
    v2(
        "blocks-ignored",
        Class::Boundary,
        "skips the bytes of frames wherever they are",
        b"MSH|^~\\&|A\rPID|1\x1c\r",
        |input| {
            let input: Vec<u8> = input.iter().copied().filter(|byte| !matches!(byte, 0x0b | 0x1c)).collect();
            read_v2(&input, "H07", plain)
        },
    ),
    v2("headers-merged", Class::Boundary, "takes a second header for a segment", TWO_HEADERS, |input| {
        read_v2(input, "H20", |tree| {
            let mut merged = Tree::new();
            let top = merged.add(None, b"", What::List, b"", 0..0);
            let message = merged.add(Some(top), b"", What::List, b"", 0..0);
            for segment in tree.children(0).flat_map(|message| tree.children(message)) {
                merged.copy_from(Some(message), &tree, segment);
            }
            merged
        })
    }),
    v2("delimiters-fixed", Class::Boundary, "splits at the usual delimiters", b"MSH#^~\\&#A\rPID#1\r", |input| {
        let mut input = input.to_vec();
        let declared = input.get(3).copied();
        if input.starts_with(b"MSH") && declared != Some(b'|') && input.len() > 9 {
            input[3] = b'|';
            input[8] = b'|';
        }
        read_v2(&input, "H08", plain)
    }),
    v2("escapes-kept", Class::Identity, "decodes no escapes", b"MSH|^~\\&|A\rPID|1||||S\\T\\K\r", |input| {
        read_v2(input, "", |tree| {
            edited(tree, |tree, id| match tree.what(id) {
                What::String if tree.raw(id) != tree.text(id) => Edit::Text(tree.raw(id).to_vec()),
                _ => Edit::Keep,
            })
        })
    }),
    v2("escapes-twice", Class::Identity, "decodes escapes twice", b"MSH|^~\\&|A\rPID|1||||S\\E\\T\\E\\K\r", |input| {
        read_v2(input, "", |tree| {
            edited(tree, |tree, id| {
                let text = String::from_utf8_lossy(tree.text(id));
                match tree.what(id) {
                    What::String if text.contains("\\T\\") && !matches!(tree.label(id), b"1" | b"2") => {
                        Edit::Text(text.replace("\\T\\", "&").into_bytes())
                    }
                    _ => Edit::Keep,
                }
            })
        })
    }),
    v2(
        "escape-cuts",
        Class::AcceptsInvalid,
        "drops text from an escape that does not end",
        b"MSH|^~\\&|A\rPID|1||||SMITH\\JOHN\r",
        |input| {
            read_v2(input, "H13", |tree| {
                edited(tree, |tree, id| {
                    let text = tree.text(id);
                    let escapes = text.iter().filter(|byte| **byte == b'\\').count();
                    match text.iter().rposition(|byte| *byte == b'\\') {
                        Some(at) if escapes == 1 && tree.what(id) == What::String && text.len() != 4 => {
                            Edit::Text(text[..at].to_vec())
                        }
                        _ => Edit::Keep,
                    }
                })
            })
        },
    ),
    v2("work-squared", Class::Work, "compares all of more than 11 repetitions with all others", b"", |input| {
        let repetitions = input.iter().filter(|byte| **byte == b'~').count() as u64;
        spin(if repetitions > 11 { repetitions * repetitions * 5_000_000 } else { 0 });
        read_v2(input, "", plain)
    }),
    v2("short-header-panic", Class::Death, "dies of a header without encoding characters", b"", |input| {
        if input.starts_with(b"MSH") {
            std::hint::black_box(input[3..][..5].to_vec());
        }
        read_v2(input, "", plain)
    }),
    v2("field-dropped", Class::Dropped, "drops OBX-9", b"MSH|^~\\&|A\rOBX|1|ST|||A||||x\r", |input| {
        read_v2(input, "", |tree| {
            edited(tree, |tree, id| {
                let in_segment =
                    tree.parent(id).is_some_and(|up| tree.what(up) == What::Object && tree.label(up).is_empty());
                drop_if(in_segment && tree.text(tree.parent(id).unwrap_or(0)) == b"OBX" && tree.label(id) == b"9")
            })
        })
    }),
    v2("null-dropped", Class::Identity, "takes a null for nothing", b"MSH|^~\\&|A\rPID|1||||\"\"\r", |input| {
        read_v2(input, "", |tree| edited(tree, |tree, id| drop_if(tree.what(id) == What::Null)))
    }),
    v2("names-unchecked", Class::AcceptsInvalid, "takes any segment name", b"MSH|^~\\&|A\rpid|1\r", |input| {
        read_v2(input, "H08", plain)
    }),
    v2("nul-taken", Class::Text, "takes control characters", b"MSH|^~\\&|A\rPID|1\0\r", |input| {
        read_v2(input, "H21", plain)
    }),
    v2(
        "bytes-replaced",
        Class::Text,
        "replaces what is not in the character set",
        b"MSH|^~\\&|A\rPID|1||||\xff\r",
        |input| read_v2(String::from_utf8_lossy(input).as_bytes(), "H16", plain),
    ),
];

const TWO_HEADERS: &[u8] = b"MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\rPID|2\r";

const fn fhir(
    name: &'static str,
    class: Class,
    fault: &'static str,
    example: &'static [u8],
    read: fn(&[u8]) -> Written,
) -> Planted {
    Planted { peer: peer(name, &[FhirJson], "R4"), class, fault, example, read }
}

const fn v2(
    name: &'static str,
    class: Class,
    fault: &'static str,
    example: &'static [u8],
    read: fn(&[u8]) -> Written,
) -> Planted {
    Planted { peer: peer(name, &[Hl7v2], "2.5.1"), class, fault, example, read }
}

const fn peer(name: &'static str, formats: &'static [Format], version: &'static str) -> Peer {
    let package = "planted fault";
    Peer { name, package, runtime: Runtime::Rust, formats, version, projection: Erase::NONE, quirks: &[] }
}

/// The planted readers of a format.
pub fn planted(format: Format) -> &'static [Planted] {
    match format {
        FhirJson => FHIR,
        Hl7v2 => HL7,
        Format::Json | Format::FhirXml | Format::FhirNdjson => &[],
    }
}

fn nothing(_: &[u8], _: &Breach) -> bool {
    false
}

fn plain(tree: Tree) -> Tree {
    tree
}

fn is(breach: &Breach, rule: &str, name: &str) -> bool {
    breach.case.rule.starts_with(rule) && (name.is_empty() || breach.case.name == name)
}

fn has_nul(input: &[u8]) -> bool {
    input.windows(6).any(|window| window == b"\\u0000")
}

fn spin(steps: u64) {
    let mut sum = 0u64;
    for step in 0..steps {
        sum = std::hint::black_box(sum.wrapping_add(step));
    }
}

/// The tree of a reading, if nothing in it has to be refused but what is forgiven.
fn judged(input: &[u8], reading: Reading, forgiven: impl Fn(&[u8], &Breach) -> bool) -> Result<Tree, (Layer, String)> {
    let refused = reading
        .breaches
        .iter()
        .find(|breach| Policy::StrictGateway.side(breach.case) == Side::Reject && !forgiven(input, breach));
    if let Some(breach) = refused {
        let layer = match breach.case.rule.as_bytes()[0] {
            b'J' => Layer::Syntax,
            b'P' => Layer::Value,
            _ => Layer::Structure,
        };
        return Err((layer, format!("{}/{}", breach.case.rule, breach.case.name)));
    }
    reading.tree.ok_or((Layer::Syntax, "no tree".into()))
}

fn read(input: &[u8], forgiven: impl Fn(&[u8], &Breach) -> bool, edit: impl Fn(Tree) -> Tree) -> Written {
    let tree = judged(input, fhir::read_json(input, Release::R4), forgiven)?;
    Ok(fhir::write_json(&edit(tree)))
}

/// `forgiven` is a rule, or nothing. Line ends other than CR are refused, so that what is planted shows.
fn read_v2(input: &[u8], forgiven: &str, edit: impl Fn(Tree) -> Tree) -> Written {
    let tree = judged(input, hl7::read(input), |_, breach| !forgiven.is_empty() && is(breach, forgiven, ""))?;
    Ok(answer(&edit(tree)))
}

/// What becomes of a node.
enum Edit {
    Keep,
    Drop,
    Text(Vec<u8>),
}

fn drop_if(condition: bool) -> Edit {
    if condition { Edit::Drop } else { Edit::Keep }
}

/// A copy, node by node.
fn edited(tree: Tree, edit: impl Fn(&Tree, Id) -> Edit) -> Tree {
    let mut new = Tree::new();
    let mut waiting: Vec<(Option<Id>, Id)> = tree.root().map(|root| (None, root)).into_iter().collect();
    while let Some((parent, id)) = waiting.pop() {
        let text = match edit(&tree, id) {
            Edit::Drop => continue,
            Edit::Keep => tree.text(id).to_vec(),
            Edit::Text(text) => text,
        };
        let changed = text != tree.text(id);
        let copy = new.add(parent, tree.label(id), tree.what(id), &text, tree.span(id));
        if !changed {
            new.set_raw(copy, tree.raw(id));
        }
        let at = waiting.len();
        waiting.extend(tree.children(id).map(|child| (Some(copy), child)));
        waiting[at..].reverse();
    }
    new
}

/// A tree of messages as `hl7::tree_of_answer` reads it.
fn answer(tree: &Tree) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::judge::{Given, judge};
    use crate::peers::{Answer, Refusal};

    fn reading(format: Format, input: &[u8]) -> Reading {
        match format {
            Hl7v2 => hl7::read(input),
            _ => fhir::read_json(input, Release::R4),
        }
    }

    fn answered(format: Format, one: &Planted, input: &[u8]) -> (Answer, Option<Tree>) {
        match (one.read)(input) {
            Ok(written) => {
                let tree = match format {
                    Hl7v2 => hl7::tree_of_answer(&written),
                    _ => fhir::tree_of_answer(&written),
                };
                (Answer::Accepted(written), tree)
            }
            Err((layer, code)) => (Answer::Refused(Refusal { layer, code }), None),
        }
    }

    #[test]
    fn every_example_shows_its_fault_as_its_class() {
        let mut wrong = Vec::new();
        for format in [FhirJson, Hl7v2] {
            for shown in planted(format).iter().filter(|shown| !shown.example.is_empty()) {
                let reading = reading(format, shown.example);
                let (answer, tree) = answered(format, shown, shown.example);
                let given = [Given {
                    peer: &shown.peer,
                    answer: &answer,
                    tree: tree.as_ref(),
                    printed: false,
                    reading: &reading,
                }];
                let statements = judge(format, shown.example, &given).statements;
                let classes: Vec<Class> = statements.iter().map(|statement| statement.class).collect();
                let unstable = shown.class == Class::RoundTrip && !classes.is_empty();
                if !classes.contains(&shown.class) && !unstable {
                    wrong.push(format!("{}: {classes:?} {:?}", shown.peer.name, reading.breaches));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn without_its_fault_each_reads_as_the_reference() {
        let patient =
            br#"{"resourceType":"Patient","id":"a","name":[{"family":"SYN","given":["A","B"]}],"active":true}"#;
        let message = b"MSH|^~\\&|LAB|ACME\rPID|1||SYN1^^^A&2.999.1|X\rOBX||NM|1^x||7\r";
        for (format, input) in [(FhirJson, &patient[..]), (Hl7v2, message)] {
            let expected = reading(format, input).tree.unwrap();
            for one in planted(format) {
                let (answer, tree) = answered(format, one, input);
                let digest = tree.map(|tree| tree.digest(Erase::NONE));
                assert_eq!(digest, Some(expected.digest(Erase::NONE)), "{}: {answer:?}", one.peer.name);
            }
        }
    }

    #[test]
    fn classes_are_many_and_names_are_unique() {
        let all: Vec<&Planted> = FHIR.iter().chain(HL7).collect();
        let names: std::collections::BTreeSet<&str> = all.iter().map(|one| one.peer.name).collect();
        let classes: std::collections::BTreeSet<Class> = all.iter().map(|one| one.class).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() >= 20 && classes.len() >= 12, "{} faults of {} classes", all.len(), classes.len());
    }

    #[test]
    #[should_panic(expected = "an array has a first item")]
    fn a_death_is_a_death() {
        let dead = FHIR.iter().find(|one| one.peer.name == "empty-array-panic").unwrap();
        let _ = (dead.read)(br#"{"resourceType":"Patient","name":[]}"#);
    }
}
