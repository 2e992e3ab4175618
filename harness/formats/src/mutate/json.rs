//! Mutators of JSON: what two readers of one text may take differently.

use super::edges;
use super::scan::{Kind, Scan, Value, inside, replace};
use super::{Dice, Mutator};

/// Levels that one edit nests deeper at most: beyond the limits of common readers (128 of serde_json among them).
pub const NESTING_MAX: usize = 600;

/// The mutators that need no more than JSON.
pub const MUTATORS: &[Mutator] = &[
    Mutator { name: "duplicate-key-same", apply: duplicate_key_same },
    Mutator { name: "duplicate-key-before", apply: duplicate_key_before },
    Mutator { name: "duplicate-key-after", apply: duplicate_key_after },
    Mutator { name: "swap-duplicates", apply: swap_duplicates },
    Mutator { name: "reorder-members", apply: reorder_members },
    Mutator { name: "swap-values", apply: swap_values },
    Mutator { name: "escape-key", apply: escape_key },
    Mutator { name: "escape-value", apply: escape_value },
    Mutator { name: "scalar-to-array", apply: scalar_to_array },
    Mutator { name: "array-to-scalar", apply: array_to_scalar },
    Mutator { name: "empty-value", apply: empty_value },
    Mutator { name: "null-value", apply: null_value },
    Mutator { name: "null-pad-add", apply: null_pad_add },
    Mutator { name: "null-pad-remove", apply: null_pad_remove },
    Mutator { name: "remove-value", apply: remove_value },
    Mutator { name: "repeat-item", apply: repeat_item },
    Mutator { name: "respell-number", apply: respell_number },
    Mutator { name: "edge-number", apply: edge_number },
    Mutator { name: "broken-number", apply: broken_number },
    Mutator { name: "edge-text", apply: edge_text },
    Mutator { name: "retype-scalar", apply: retype_scalar },
    Mutator { name: "splice", apply: splice },
    Mutator { name: "graft", apply: graft },
    Mutator { name: "append-value", apply: append_value },
    Mutator { name: "append-text", apply: append_text },
    Mutator { name: "nest-deeper", apply: nest_deeper },
    Mutator { name: "byte-order-mark", apply: byte_order_mark },
    Mutator { name: "comment", apply: comment },
    Mutator { name: "comma", apply: comma },
    Mutator { name: "whitespace", apply: whitespace },
    Mutator { name: "lone-surrogate", apply: lone_surrogate },
    Mutator { name: "bad-utf8", apply: bad_utf8 },
    Mutator { name: "control-character", apply: control_character },
    Mutator { name: "odd-escape", apply: odd_escape },
    Mutator { name: "odd-key", apply: odd_key },
    Mutator { name: "unknown-member", apply: unknown_member },
    Mutator { name: "key-case", apply: key_case },
    Mutator { name: "key-quotes", apply: key_quotes },
    Mutator { name: "pad-text", apply: pad_text },
    Mutator { name: "cut", apply: cut },
];

type Edited = Option<Vec<u8>>;

/// A member of an object.
pub(super) fn any_member(scan: &Scan<'_>, dice: &mut Dice<'_>) -> Option<usize> {
    scan.any(dice, |_, value| value.key.is_some())
}

fn any_string(scan: &Scan<'_>, dice: &mut Dice<'_>) -> Option<usize> {
    scan.any(dice, |_, value| value.kind == Kind::String)
}

/// `"name":value`.
pub(super) fn member(name: &[u8], value: &[u8]) -> Vec<u8> {
    [b"\"", name, b"\":", value].concat()
}

/// A text that a mutator wrote, in quotes and escaped.
pub(super) fn quoted(text: &str) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0..=0x1f => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
    out
}

/// Another value of the same kind: what a second reader would show instead.
fn other_value(scan: &Scan<'_>, value: usize, other: &[u8], dice: &mut Dice<'_>) -> Vec<u8> {
    let (kind, text) = (scan.values[value].kind, scan.text(value));
    if dice.once_in(4) {
        let donor = Scan::new(other);
        if let Some(from) = donor.any(dice, |from, found| found.kind == kind && donor.text(from) != text) {
            return donor.text(from).to_vec();
        }
    }
    match kind {
        Kind::String => [&text[..text.len().saturating_sub(1).max(1)], b"x\""].concat(),
        Kind::Number => {
            [if text.starts_with(b"1") { &b"2"[..] } else { b"1" }, text.strip_prefix(b"-").unwrap_or(text)].concat()
        }
        Kind::Word if text == b"true" => b"false".to_vec(),
        Kind::Word => b"true".to_vec(),
        Kind::Object => b"{\"id\":\"SYN-2\"}".to_vec(),
        Kind::Array => b"[\"x\"]".to_vec(),
    }
}

fn duplicate_key_same(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = any_member(&scan, dice)?;
    let copy = &input[scan.member(value)];
    match (dice.below(3), scan.values[value].parent) {
        (0, Some(holder)) => Some(scan.last_in(holder, copy)),
        (1, Some(holder)) => Some(scan.first_in(holder, copy)),
        _ => Some(scan.after(value, copy)),
    }
}

fn duplicate_key_before(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = any_member(&scan, dice)?;
    let twin = member(scan.name(value), &other_value(&scan, value, other, dice));
    match scan.values[value].parent {
        Some(holder) if dice.once_in(2) => Some(scan.first_in(holder, &twin)),
        _ => Some(scan.before(value, &twin)),
    }
}

fn duplicate_key_after(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = any_member(&scan, dice)?;
    let twin = member(scan.name(value), &other_value(&scan, value, other, dice));
    match scan.values[value].parent {
        Some(holder) if dice.once_in(2) => Some(scan.last_in(holder, &twin)),
        _ => Some(scan.after(value, &twin)),
    }
}

fn swap_duplicates(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let mut seen = std::collections::HashMap::new();
    let mut pairs = Vec::new();
    for (number, value) in scan.values.iter().enumerate().filter(|(_, value)| value.key.is_some()) {
        if let Some(before) = seen.insert((value.parent, scan.name(number)), number) {
            pairs.push((before, number));
        }
    }
    let &(one, two) = dice.pick(&pairs)?;
    scan.exchanged(scan.values[one].span.clone(), scan.values[two].span.clone())
}

/// Two things in one object or array exchange their places, or one goes to the front or to the end.
fn reorder_members(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let holder = scan.any(dice, |number, _| scan.children(number).nth(1).is_some())?;
    let children: Vec<usize> = scan.children(holder).collect();
    let one = dice.below(children.len());
    let two = match dice.below(3) {
        0 => 0,
        1 => children.len() - 1,
        _ => dice.below(children.len()),
    };
    let two = if one == two { (one + 1) % children.len() } else { two };
    scan.exchanged(scan.member(children[one]), scan.member(children[two]))
}

fn swap_values(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let one = scan.any(dice, |_, value| value.parent.is_some())?;
    let kind = scan.values[one].kind;
    let two = scan.any(dice, |number, value| value.kind == kind && scan.text(number) != scan.text(one))?;
    scan.exchanged(scan.values[one].span.clone(), scan.values[two].span.clone())
}

/// A string with one character, or all, as `\u` escapes. Bytes that are no UTF-8 stay.
pub fn escaped(string: &[u8], which: Option<usize>) -> Vec<u8> {
    let text = inside(string);
    let mut out = vec![b'"'];
    let mut at = 0;
    let mut number = 0;
    while at < text.len() {
        if text[at] == b'\\' {
            // An escape stays as it is.
            let len = (if text.get(at + 1) == Some(&b'u') { 6 } else { 2 }).min(text.len() - at);
            out.extend_from_slice(&text[at..at + len]);
            at += len;
            continue;
        }
        let len = (1..=4).find(|len| text.get(at..at + len).is_some_and(|piece| std::str::from_utf8(piece).is_ok()));
        let Some(len) = len else {
            out.push(text[at]);
            at += 1;
            continue;
        };
        let piece = &text[at..at + len];
        if which.is_none_or(|which| which == number) {
            for unit in std::str::from_utf8(piece).unwrap_or_default().encode_utf16() {
                out.extend(format!("\\u{unit:04x}").bytes());
            }
        } else {
            out.extend_from_slice(piece);
        }
        number += 1;
        at += len;
    }
    out.push(b'"');
    out
}

fn escape_in(scan: &Scan<'_>, span: std::ops::Range<usize>, dice: &mut Dice<'_>) -> Edited {
    let string = &scan.bytes[span.clone()];
    let length = String::from_utf8_lossy(inside(string)).chars().count();
    let which = (!dice.once_in(4)).then(|| dice.below(length));
    let new = escaped(string, which);
    let new = if dice.once_in(4) { new.to_ascii_uppercase_escapes() } else { new };
    (new != string).then(|| scan.replace(span, &new))
}

/// Escapes are written in either case.
trait UpperEscapes {
    fn to_ascii_uppercase_escapes(self) -> Vec<u8>;
}

impl UpperEscapes for Vec<u8> {
    fn to_ascii_uppercase_escapes(mut self) -> Vec<u8> {
        let mut at = 0;
        while at < self.len() {
            if self[at] == b'\\' {
                if self.get(at + 1) == Some(&b'u') {
                    let end = (at + 6).min(self.len());
                    self[at + 2..end].make_ascii_uppercase();
                }
                at += 1;
            }
            at += 1;
        }
        self
    }
}

fn escape_key(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = any_member(&scan, dice)?;
    escape_in(&scan, scan.values[value].key.clone()?, dice)
}

fn escape_value(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = any_string(&scan, dice)?;
    escape_in(&scan, scan.values[value].span.clone(), dice)
}

fn scalar_to_array(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = scan.any(dice, |_, value| value.parent.is_some() && value.kind != Kind::Array)?;
    Some(scan.replace(scan.values[value].span.clone(), &[b"[", scan.text(value), b"]"].concat()))
}

fn array_to_scalar(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let array = scan.any(dice, |number, value| value.kind == Kind::Array && scan.children(number).next().is_some())?;
    let items: Vec<usize> = scan.children(array).collect();
    Some(scan.replace(scan.values[array].span.clone(), scan.text(*dice.pick(&items)?)))
}

fn empty_value(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = scan.any(dice, |number, _| scan.text(number).len() > 2)?;
    let own = match scan.values[value].kind {
        Kind::Object => "{}",
        Kind::Array => "[]",
        Kind::String | Kind::Number | Kind::Word => "\"\"",
    };
    let with = if dice.once_in(3) { *dice.pick(&["{}", "[]", "\"\"", "[{}]", "[[]]"])? } else { own };
    Some(scan.replace(scan.values[value].span.clone(), with.as_bytes()))
}

fn null_value(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = scan.any(dice, |number, value| value.parent.is_some() && scan.text(number) != b"null")?;
    Some(scan.replace(scan.values[value].span.clone(), b"null"))
}

fn null_pad_add(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let array = scan.any(dice, |_, value| value.kind == Kind::Array)?;
    let items: Vec<usize> = scan.children(array).collect();
    match dice.pick(&items) {
        Some(&item) if dice.once_in(2) => Some(scan.before(item, b"null")),
        Some(&item) => Some(scan.after(item, b"null")),
        None => Some(scan.first_in(array, b"null")),
    }
}

fn null_pad_remove(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let null =
        scan.any(dice, |number, value| value.key.is_none() && value.parent.is_some() && scan.text(number) == b"null")?;
    Some(scan.without(null))
}

fn remove_value(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = scan.any(dice, |_, value| value.parent.is_some())?;
    Some(scan.without(value))
}

fn repeat_item(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let item = scan.any(dice, |_, value| value.key.is_none() && value.parent.is_some())?;
    Some(scan.after(item, scan.text(item)))
}

fn any_number(scan: &Scan<'_>, dice: &mut Dice<'_>) -> Option<usize> {
    scan.any(dice, |_, value| value.kind == Kind::Number)
}

fn respell_number(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let number = any_number(&scan, dice)?;
    let new = edges::respelled(scan.text(number), dice)?;
    Some(scan.replace(scan.values[number].span.clone(), &new))
}

fn edge_number(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let number = any_number(&scan, dice)?;
    let list = if dice.once_in(2) { edges::DECIMALS } else { edges::INTEGERS };
    Some(scan.replace(scan.values[number].span.clone(), dice.pick(list)?.as_bytes()))
}

fn broken_number(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let number = any_number(&scan, dice)?;
    Some(scan.replace(scan.values[number].span.clone(), dice.pick(edges::NO_NUMBERS)?.as_bytes()))
}

fn edge_text(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let string = any_string(&scan, dice)?;
    Some(scan.replace(scan.values[string].span.clone(), &quoted(dice.pick(edges::TEXTS)?)))
}

/// A number or a word in quotes, a string without: `1.0` and `"1.0"`.
fn retype_scalar(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = scan.any(dice, |number, value| match value.kind {
        Kind::Number | Kind::Word => true,
        Kind::String => {
            inside(scan.text(number)).first().is_some_and(|byte| byte.is_ascii_digit() || b"-tfn".contains(byte))
        }
        Kind::Object | Kind::Array => false,
    })?;
    let text = scan.text(value);
    let new = match scan.values[value].kind {
        Kind::String => inside(text).to_vec(),
        _ => [b"\"", text, b"\""].concat(),
    };
    Some(scan.replace(scan.values[value].span.clone(), &new))
}

/// A value out of another input, of the same name or kind where there is one.
fn splice(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    let (scan, donor) = (Scan::new(input), Scan::new(other));
    let value = scan.any(dice, |_, value| value.parent.is_some())?;
    let (name, kind) = (scan.name(value), scan.values[value].kind);
    let from = donor
        .any(dice, |from, found| found.key.is_some() && !name.is_empty() && donor.name(from) == name)
        .or_else(|| donor.any(dice, |_, found| found.kind == kind && found.parent.is_some()))?;
    (donor.text(from) != scan.text(value)).then(|| scan.replace(scan.values[value].span.clone(), donor.text(from)))
}

/// A member out of another input, into an object of this one.
fn graft(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    let (scan, donor) = (Scan::new(input), Scan::new(other));
    let holder = scan.any(dice, |_, value| value.kind == Kind::Object)?;
    let from = any_member(&donor, dice)?;
    Some(scan.last_in(holder, &other[donor.member(from)]))
}

fn append_value(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    let end = input.iter().rposition(|byte| !byte.is_ascii_whitespace())? + 1;
    let with = if dice.once_in(3) || other.is_empty() { &input[..end] } else { other };
    let between = *dice.pick(&[&b""[..], b"\n", b" ", b",", b"\0", b"\x1e"])?;
    Some(replace(input, end..end, &[between, with].concat()))
}

fn append_text(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let texts =
        ["x", "{}", "[]", "}", "]", ",", "\0", "null", "//", "\u{feff}", "\u{a0}", "\u{c}", "#", ";", "</Patient>"];
    Some([input, dice.pick(&texts)?.as_bytes()].concat())
}

fn nest_deeper(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = scan.any(dice, |_, _| true)?;
    let levels = *dice.pick(&[1, 2, 8, 60, 100, 127, 128, 200, 513, NESTING_MAX])?;
    let (open, close) = *dice.pick(&[(&b"["[..], &b"]"[..]), (b"{\"a\":", b"}"), (b"[{\"a\":", b"}]")])?;
    Some(scan.replace(
        scan.values[value].span.clone(),
        &[&open.repeat(levels), scan.text(value), &close.repeat(levels)].concat(),
    ))
}

fn byte_order_mark(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    if let Some(rest) = input.strip_prefix(b"\xef\xbb\xbf") {
        return Some(rest.to_vec());
    }
    Some(match dice.below(8) {
        0 => {
            // The same text as UTF-16.
            let text = String::from_utf8_lossy(input);
            let mark = if dice.once_in(2) { "\u{feff}" } else { "" };
            mark.encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
        }
        1 => [&b"\xef\xbb\xbf\xef\xbb\xbf"[..], input].concat(),
        2 => [&b"\xff\xfe"[..], input].concat(),
        _ => [&b"\xef\xbb\xbf"[..], input].concat(),
    })
}

/// Somewhere between two tokens: before a name or a value, or after a value.
fn between(scan: &Scan<'_>, dice: &mut Dice<'_>) -> Option<usize> {
    let value = scan.any(dice, |_, _| true)?;
    Some(match dice.below(3) {
        0 => scan.member(value).start,
        1 => scan.values[value].span.start,
        _ => scan.values[value].span.end,
    })
}

fn comment(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let at = between(&Scan::new(input), dice)?;
    let what = *dice.pick(&[&b"/*x*/"[..], b"//x\n", b"#x\n", b"/*", b"<!--x-->", b"/*\"*/"])?;
    Some(replace(input, at..at, what))
}

fn comma(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = scan.any(dice, |_, value| value.parent.is_some())?;
    let at = if dice.once_in(2) { scan.values[value].span.end } else { scan.member(value).start };
    Some(match (dice.below(4), input.get(at)) {
        (0, Some(b',')) => replace(input, at..at + 1, b" "),
        (1, Some(b',')) => replace(input, at..at + 1, b";"),
        _ => replace(input, at..at, b","),
    })
}

fn whitespace(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let at = between(&Scan::new(input), dice)?;
    let what =
        dice.pick(&[" ", "\n", "\r\n", "\t", "\u{b}", "\u{c}", "\u{a0}", "\u{85}", "\u{2028}", "\u{feff}", "\0"])?;
    Some(replace(input, at..at, what.as_bytes()))
}

/// Somewhere inside of a string: a value, now and then a name. Not within an escape.
fn inside_string(scan: &Scan<'_>, dice: &mut Dice<'_>) -> Option<usize> {
    let value = scan.any(dice, |_, value| value.kind == Kind::String || value.key.is_some())?;
    let Value { kind, span, key, .. } = &scan.values[value];
    let span = if *kind == Kind::String && !dice.once_in(4) { span } else { key.as_ref().unwrap_or(span) };
    let string = &scan.bytes[span.clone()];
    let offset = if string.contains(&b'\\') { 0 } else { dice.below(inside(string).len() + 1) };
    Some(span.start + 1 + offset).filter(|at| *at <= scan.bytes.len())
}

fn insert_in_string(dice: &mut Dice<'_>, input: &[u8], of: &[&[u8]]) -> Edited {
    let at = inside_string(&Scan::new(input), dice)?;
    Some(replace(input, at..at, dice.pick(of)?))
}

fn lone_surrogate(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    const SURROGATES: &[&[u8]] = &[
        b"\\ud800",
        b"\\udc00",
        b"\\uDBFF",
        b"\\ud800\\ud800",
        b"\\udc00\\ud800",
        b"\\ud83d\\ude00",
        b"\\ud800\\u0041",
    ];
    insert_in_string(dice, input, SURROGATES)
}

fn bad_utf8(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    // Stray bytes, cut and overlong sequences, surrogates, beyond the last character.
    const BAD: &[&[u8]] = &[
        b"\xff",
        b"\x80",
        b"\xc3",
        b"\xe9",
        b"\xc0\xaf",
        b"\xc0\x80",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xed\xa0\x80",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xe2\x82",
        b"\xfc",
    ];
    insert_in_string(dice, input, BAD)
}

fn control_character(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    const CONTROLS: &[&[u8]] = &[
        b"\\u0000", b"\\u0000", b"\0", b"\\u0001", b"\x01", b"\n", b"\t", b"\x1f", b"\x7f", b"\\u007f", b"\\u001f",
        b"\\b", b"\\f", b"\\n", b"\\r", b"\\t", b"\\u0085", b"\\u2028", b"\\uFEFF", b"\\ufffe", b"\\uffff",
    ];
    insert_in_string(dice, input, CONTROLS)
}

fn odd_escape(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    const ODD: &[&[u8]] = &[
        b"\\x41", b"\\u41", b"\\U0041", b"\\u{41}", b"\\'", b"\\a", b"\\0", b"\\", b"\\\n", b"\\u00g0", b"\\u", b"\\/",
        b"\\\"", b"\\\\",
    ];
    insert_in_string(dice, input, ODD)
}

fn odd_key(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let names = [
        "__proto__",
        "constructor",
        "prototype",
        "",
        "toString",
        "hasOwnProperty",
        "$type",
        "@type",
        "length",
        "0",
        "\\u0000",
    ];
    let name = *dice.pick(&names)?;
    if dice.once_in(3) {
        let value = any_member(&scan, dice)?;
        return Some(scan.replace(scan.values[value].key.clone()?, &[b"\"", name.as_bytes(), b"\""].concat()));
    }
    let holder = scan.any(dice, |_, value| value.kind == Kind::Object)?;
    let value = *dice.pick(&[&b"{\"a\":1}"[..], b"\"x\"", b"null", b"[]", b"{\"resourceType\":\"Patient\"}"])?;
    let new = member(name.as_bytes(), value);
    Some(if dice.once_in(2) { scan.first_in(holder, &new) } else { scan.last_in(holder, &new) })
}

fn unknown_member(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let holder = scan.any(dice, |_, value| value.kind == Kind::Object)?;
    let name =
        *dice.pick(&["unknown", "fhir_comments", "_unknown", "extra", "comments", "resource_type", "Id", "valueX"])?;
    let value = *dice.pick(&[&b"\"x\""[..], b"[\"x\"]", b"{\"id\":\"x\"}", b"1", b"true", b"[{\"id\":\"x\"}]"])?;
    Some(scan.last_in(holder, &member(name.as_bytes(), value)))
}

fn key_case(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = scan.any(dice, |number, _| scan.name(number).iter().any(u8::is_ascii_alphabetic))?;
    let key = scan.values[value].key.clone()?;
    let mut name = input[key.clone()].to_vec();
    match dice.below(4) {
        0 => name.make_ascii_uppercase(),
        1 => name.make_ascii_lowercase(),
        _ => {
            let letter = name.iter_mut().find(|byte| byte.is_ascii_alphabetic())?;
            *letter ^= 0x20;
        }
    }
    (name != input[key.clone()]).then(|| scan.replace(key, &name))
}

fn key_quotes(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = any_member(&scan, dice)?;
    let quote: &[u8] = if dice.once_in(2) { b"'" } else { b"" };
    Some(scan.replace(scan.values[value].key.clone()?, &[quote, scan.name(value), quote].concat()))
}

/// Blanks around a text.
fn pad_text(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let string = any_string(&scan, dice)?;
    let blank = dice.pick(&[" ", "\\n", "\\t", "\u{a0}", "\\u0020", "  ", "\u{feff}"])?.as_bytes();
    let text = inside(scan.text(string));
    let new = match dice.below(3) {
        0 => [b"\"", blank, text, b"\""].concat(),
        1 => [b"\"", text, blank, b"\""].concat(),
        _ => [b"\"", blank, text, blank, b"\""].concat(),
    };
    Some(scan.replace(scan.values[string].span.clone(), &new))
}

/// The text ends before its end, or lacks one bracket.
fn cut(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let scan = Scan::new(input);
    let value = scan.any(dice, |_, _| true)?;
    let Value { kind, span, .. } = &scan.values[value];
    match kind {
        Kind::Object | Kind::Array if dice.once_in(2) => Some(replace(input, span.end - 1..span.end, b"")),
        _ => Some(input[..if dice.once_in(2) { span.end } else { span.start }].to_vec()),
    }
}
