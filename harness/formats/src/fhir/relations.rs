//! FHIR resources spelt otherwise, saying the same: members in another order, blanks, escapes, numbers, the other form.
//! What a reader makes of the respelt text must be what it made of the first.
//!
//! All take an input that breaks no rule and give `None` where there is nothing to respell.

use super::Release;
use crate::json::{self, Kind, Tokens};
use crate::reading::Reading;
use crate::tree::Tree;

/// Every object's members in reverse order. Order says nothing (json.html#json).
pub fn members_reversed(input: &[u8]) -> Option<Vec<u8>> {
    respelt(input, &Style { order: Order::Reversed, ..Style::PLAIN })
}

/// `resourceType` as the last member of every resource, the others as they were.
pub fn resource_type_last(input: &[u8]) -> Option<Vec<u8>> {
    respelt(input, &Style { order: Order::TypeLast, ..Style::PLAIN })
}

/// Blanks of every kind between all tokens.
pub fn spaced(input: &[u8]) -> Option<Vec<u8>> {
    respelt(input, &Style { blanks: b" \n\t\r\n", ..Style::PLAIN })
}

/// No blanks between tokens.
pub fn unspaced(input: &[u8]) -> Option<Vec<u8>> {
    respelt(input, &Style::PLAIN)
}

/// The first letter of every name as a `\u` escape.
pub fn names_escaped(input: &[u8]) -> Option<Vec<u8>> {
    respelt(input, &Style { escape: &[Kind::Key], ..Style::PLAIN })
}

/// The first character of every string as a `\u` escape.
pub fn strings_escaped(input: &[u8]) -> Option<Vec<u8>> {
    respelt(input, &Style { escape: &[Kind::String], ..Style::PLAIN })
}

/// Exponents with the other letter and sign, fractions as exponents: the same digits, the same precision.
pub fn numbers_respelt(input: &[u8]) -> Option<Vec<u8>> {
    respelt(input, &Style { numbers: true, ..Style::PLAIN })
}

/// The canonical form: names sorted, no blanks (json.html#canonical).
pub fn canonical(input: &[u8]) -> Option<Vec<u8>> {
    let out = super::write_canonical_json(&super::tree_of_answer(input)?);
    (out != input).then_some(out)
}

/// JSON by way of XML: written as XML from what the reference reads, read again, and written as JSON.
pub fn through_xml(input: &[u8]) -> Option<Vec<u8>> {
    let out = super::write_json(&sound(super::read_xml(&xml_of(input)?, Release::R4))?);
    (out != input).then_some(out)
}

/// XML by way of JSON.
pub fn through_json(input: &[u8]) -> Option<Vec<u8>> {
    let json = super::write_json(&sound(super::read_xml(input, Release::R4))?);
    let out = xml_of(&json)?;
    (out != input).then_some(out)
}

/// A resource in JSON as XML; `None` where it breaks a rule or XML cannot say it.
pub fn xml_of(json: &[u8]) -> Option<Vec<u8>> {
    super::write_xml(&sound(super::read_json(json, Release::R4))?, Release::R4)
}

fn sound(reading: Reading) -> Option<Tree> {
    reading.tree.filter(|_| reading.breaches.is_empty())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Kept,
    Reversed,
    TypeLast,
}

struct Style {
    order: Order,
    /// Between all tokens.
    blanks: &'static [u8],
    /// Kinds of token whose first character is escaped.
    escape: &'static [Kind],
    numbers: bool,
}

impl Style {
    const PLAIN: Self = Self { order: Order::Kept, blanks: b"", escape: &[], numbers: false };
}

enum Step {
    Token(usize),
    Text(u8),
}

/// Writes the first value of the input again; `None` where it is no JSON or comes out as it was.
fn respelt(input: &[u8], style: &Style) -> Option<Vec<u8>> {
    let tokens = json::tokens(input);
    if !tokens.breaches.is_empty() || !tokens.complete || tokens.list.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(input.len() * 2);
    let mut steps = vec![Step::Token(0)];
    while let Some(step) = steps.pop() {
        match step {
            Step::Text(byte) => out.push(byte),
            Step::Token(at) => {
                let token = &tokens.list[at];
                let text = &input[token.span()];
                match token.kind {
                    Kind::Object | Kind::Array => {
                        held(input, &tokens, at, style.order, &mut steps);
                        continue;
                    }
                    kind @ (Kind::Key | Kind::String) if style.escape.contains(&kind) => escaped(text, &mut out),
                    Kind::Number if style.numbers => number(text, &mut out),
                    _ => out.extend_from_slice(text),
                }
                if token.kind == Kind::Key {
                    out.extend_from_slice(style.blanks);
                    out.push(b':');
                    steps.extend(tokens.children(at).map(Step::Token));
                }
            }
        }
        out.extend_from_slice(style.blanks);
    }
    (out != input).then_some(out)
}

/// What an object or array holds, with its brackets, as steps in reverse.
fn held(input: &[u8], tokens: &Tokens, at: usize, order: Order, steps: &mut Vec<Step>) {
    let is_object = tokens.list[at].kind == Kind::Object;
    let (open, close) = if is_object { (b'{', b'}') } else { (b'[', b']') };
    let mut inner: Vec<usize> = tokens.children(at).collect();
    match order {
        Order::Reversed if is_object => inner.reverse(),
        Order::TypeLast if is_object => {
            let is_type = |at: &usize| &input[tokens.list[*at].span()] == b"\"resourceType\"";
            // False comes before true, and the sort is stable.
            inner.sort_by_key(is_type);
        }
        _ => {}
    }
    let from = steps.len();
    steps.push(Step::Text(open));
    for (number, child) in inner.into_iter().enumerate() {
        if number > 0 {
            steps.push(Step::Text(b','));
        }
        steps.push(Step::Token(child));
    }
    steps.push(Step::Text(close));
    steps[from..].reverse();
}

/// A string whose first character is an escape; one that begins with an escape stays.
fn escaped(text: &[u8], out: &mut Vec<u8>) {
    let inside = &text[1..];
    let first = std::str::from_utf8(inside).ok().and_then(|inside| inside.chars().next());
    out.push(b'"');
    match first {
        Some(first) if first != '\\' && first != '"' => {
            for unit in first.encode_utf16(&mut [0; 2]) {
                out.extend(format!("\\u{unit:04X}").bytes());
            }
            out.extend_from_slice(&inside[first.len_utf8()..]);
        }
        _ => out.extend_from_slice(inside),
    }
}

/// A number with the same digits and the same exponent of the last one.
fn number(text: &[u8], out: &mut Vec<u8>) {
    let plain = std::str::from_utf8(text).unwrap_or_default();
    if let Some((mantissa, exponent)) = plain.split_once(['e', 'E']) {
        let letter = if plain.contains('e') { 'E' } else { 'e' };
        let exponent = match exponent.as_bytes().first() {
            Some(b'+') => exponent[1..].to_owned(),
            Some(b'-') => exponent.to_owned(),
            _ => format!("+{exponent}"),
        };
        return out.extend(format!("{mantissa}{letter}{exponent}").bytes());
    }
    let Some((whole, fraction)) = plain.split_once('.') else { return out.extend_from_slice(text) };
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let significant = if significant.is_empty() { "0" } else { significant };
    out.extend(format!("{sign}{significant}e-{}", fraction.len()).bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{read_json, read_xml};
    use crate::generate::fhir::resource;
    use crate::tree::Erase;
    use quickcheck::quickcheck;

    const TYPED: &[u8] = br#"{"resourceType":"Patient","id":"a"}"#;

    /// The relations of FHIR in JSON.
    const JSON: &[fn(&[u8]) -> Option<Vec<u8>>] = &[
        members_reversed,
        resource_type_last,
        spaced,
        unspaced,
        names_escaped,
        strings_escaped,
        numbers_respelt,
        canonical,
    ];

    #[test]
    fn the_reference_reads_the_same() {
        fn property(bytes: Vec<u8>, more: Vec<u8>, release: u8) -> bool {
            let release = Release::ALL[usize::from(release) % 3];
            // quickcheck's vectors are short: their bytes are used several times.
            let bytes = [&bytes[..], &more, &bytes, &more, &bytes].concat();
            let text = crate::fhir::write_json(&resource(&mut arbitrary::Unstructured::new(&bytes), release));
            let read = |text: &[u8]| {
                let reading = read_json(text, release);
                (reading.breaches.is_empty(), reading.tree.map(|tree| tree.digest(Erase::NONE)))
            };
            let first = read(&text);
            first.0 && JSON.iter().filter_map(|relation| relation(&text)).all(|text| read(&text) == first)
        }
        quickcheck(property as fn(Vec<u8>, Vec<u8>, u8) -> bool);
    }

    #[test]
    fn json_and_xml_say_the_same() {
        let digest = |reading: Reading| sound(reading).map(|tree| tree.digest(Erase::NONE));
        for seed in 0..1_000_u64 {
            let bytes: Vec<u8> = (0..64 + seed % 700)
                .map(|at| ((at + seed * 1_000).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8)
                .collect();
            let text = crate::fhir::write_json(&resource(&mut arbitrary::Unstructured::new(&bytes), Release::R4));
            let shown = String::from_utf8_lossy(&text);
            let xml = xml_of(&text).unwrap_or_else(|| panic!("no XML for {shown}"));
            let first = digest(read_json(&text, Release::R4));
            let found: Vec<_> = read_xml(&xml, Release::R4).breaches.iter().map(|seen| seen.case).collect();
            assert!(first.is_some() && found.is_empty(), "{found:?} in {}", String::from_utf8_lossy(&xml));
            assert_eq!(digest(read_xml(&xml, Release::R4)), first, "{shown}\n{}", String::from_utf8_lossy(&xml));
            // Both ways round, as far as they change the spelling.
            assert!(through_xml(&text).is_none_or(|back| digest(read_json(&back, Release::R4)) == first), "{shown}");
            assert_eq!(through_json(&xml), None, "{shown}");
        }
        assert_eq!(through_xml(br#"{"resourceType":"Patient","active":"x"}"#), None);
    }

    #[test]
    fn each_respells_as_it_says() {
        let table: &[(fn(&[u8]) -> Option<Vec<u8>>, &str, &str)] = &[
            (members_reversed, r#"{"a":1,"b":{"c":[1,2],"d":3}}"#, r#"{"b":{"d":3,"c":[1,2]},"a":1}"#),
            (resource_type_last, r#"{"resourceType":"A","b":1,"c":2}"#, r#"{"b":1,"c":2,"resourceType":"A"}"#),
            (spaced, "[1]", "[ \n\t\r\n1 \n\t\r\n] \n\t\r\n"),
            (unspaced, "[ 1 ]", "[1]"),
            (names_escaped, r#"{"a\n":"b"}"#, r#"{"\u0061\n":"b"}"#),
            (strings_escaped, r#"{"a":["😀","\n",""]}"#, r#"{"a":["\uD83D\uDE00","\n",""]}"#),
            (numbers_respelt, "[1.50,-0.05,1e2,1E-2,2e+3,0.0,7]", "[150e-2,-5e-2,1E+2,1e-2,2E3,0e-1,7]"),
        ];
        for (relation, input, expected) in table {
            let out = relation(input.as_bytes()).map(|out| String::from_utf8(out).unwrap());
            assert_eq!(out.as_deref(), Some(*expected));
            assert_eq!(relation(b"{\"a\""), None);
            let digest = |text: &str| json::read(text.as_bytes()).tree.map(|tree| tree.digest(Erase::NONE));
            assert_eq!(digest(input), digest(expected), "{expected}");
        }
        assert_eq!(members_reversed(br#"{"a":1}"#), None);
        assert!(canonical(br#"{"id":"a","resourceType":"Patient"}"#).is_none());
        assert!(canonical(TYPED).is_some_and(|out| out == br#"{"id":"a","resourceType":"Patient"}"#));
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        assert!(spaced(deep.as_bytes()).is_none() || spaced(deep.as_bytes()).unwrap().len() > deep.len());
    }
}
