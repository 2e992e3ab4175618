//! Where the values of a JSON text stand, however broken it is: what the token mutators edit.
//!
//! The readers judge; this only finds places. It takes whatever comes, keeps no text of its own, and is linear: one pass,
//! an explicit stack, and values in the order in which they begin.

use super::Dice;
use std::ops::Range;

/// Kinds of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `{…}`.
    Object,
    /// `[…]`.
    Array,
    /// `"…"`.
    String,
    /// What begins like a number.
    Number,
    /// `true`, `false`, `null` and anything else without quotes.
    Word,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its kind.
    pub kind: Kind,
    /// Its bytes, quotes and brackets included.
    pub span: Range<usize>,
    /// Its name where it is a member of an object: the bytes of the string, quotes included.
    pub key: Option<Range<usize>>,
    /// What holds it.
    pub parent: Option<usize>,
    /// The number after the last one below it.
    pub next: usize,
}

/// The values of a text.
pub struct Scan<'a> {
    /// The text.
    pub bytes: &'a [u8],
    /// Its values in the order in which they begin; what follows the first one at the top counts too.
    pub values: Vec<Value>,
}

impl<'a> Scan<'a> {
    /// Finds them.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut values: Vec<Value> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut key: Option<Range<usize>> = None;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let kind = match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                    if byte == b',' {
                        key = None;
                    }
                    at += 1;
                    continue;
                }
                b'}' | b']' => {
                    at += 1;
                    key = None;
                    let wanted = if byte == b'}' { Kind::Object } else { Kind::Array };
                    if let Some(top) = open.pop_if(|top| values[*top].kind == wanted) {
                        values[top].span.end = at;
                        values[top].next = values.len();
                    }
                    continue;
                }
                b':' => {
                    at += 1;
                    // The string before it was a name, if it stands in an object and has none itself.
                    let holder = open.last().copied().filter(|&top| values[top].kind == Kind::Object);
                    let is_name = |last: &mut Value| last.kind == Kind::String && last.key.is_none();
                    if holder.is_some()
                        && let Some(name) = values.pop_if(|last| last.parent == holder && is_name(last))
                    {
                        key = Some(name.span);
                    }
                    continue;
                }
                b'{' => Kind::Object,
                b'[' => Kind::Array,
                b'"' => Kind::String,
                b'-' | b'+' | b'.' | b'0'..=b'9' => Kind::Number,
                _ => Kind::Word,
            };
            let start = at;
            at = match kind {
                Kind::Object | Kind::Array => at + 1,
                Kind::String => string_end(bytes, at),
                Kind::Number | Kind::Word => {
                    let rest = &bytes[at..];
                    let ends = |byte: &u8| {
                        matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'"')
                            || matches!(byte, b'{' | b'}' | b'[' | b']')
                    };
                    at + rest.iter().position(ends).unwrap_or(rest.len()).max(1)
                }
            };
            let number = values.len();
            values.push(Value {
                kind,
                span: start..at,
                key: key.take(),
                parent: open.last().copied(),
                next: number + 1,
            });
            if matches!(kind, Kind::Object | Kind::Array) {
                open.push(number);
            }
        }
        // What is never closed ends with the text.
        for top in open {
            values[top].span.end = bytes.len();
            values[top].next = values.len();
        }
        Self { bytes, values }
    }

    /// A value's text.
    pub fn text(&self, value: usize) -> &'a [u8] {
        &self.bytes[self.values[value].span.clone()]
    }

    /// A value's name without quotes, as written; empty where it has none.
    pub fn name(&self, value: usize) -> &'a [u8] {
        self.values[value].key.as_ref().map_or(&[], |key| inside(&self.bytes[key.clone()]))
    }

    /// A value with its name.
    pub fn member(&self, value: usize) -> Range<usize> {
        let Value { key, span, .. } = &self.values[value];
        key.as_ref().map_or(span.start, |key| key.start)..span.end
    }

    /// What it holds, in order.
    pub fn children(&self, value: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.values[value].next;
        let first = Some(value + 1).filter(|&first| first < end);
        std::iter::successors(first, move |&at| Some(self.values[at].next).filter(|&next| next < end))
    }

    /// The value of that name in it.
    pub fn child(&self, value: usize, name: &[u8]) -> Option<usize> {
        self.children(value).find(|&child| self.name(child) == name)
    }

    /// One of the values that fit.
    pub fn any(&self, dice: &mut Dice<'_>, fits: impl Fn(usize, &Value) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = self
            .values
            .iter()
            .enumerate()
            .filter(|(number, value)| fits(*number, value))
            .map(|(number, _)| number)
            .collect();
        dice.pick(&fitting).copied()
    }

    /// The text with a stretch of it replaced.
    pub fn replace(&self, span: Range<usize>, with: &[u8]) -> Vec<u8> {
        replace(self.bytes, span, with)
    }

    /// The text without a value, its name and one comma beside it.
    pub fn without(&self, value: usize) -> Vec<u8> {
        self.replace(self.with_comma(value), b"")
    }

    /// A value with its name and one comma beside it.
    fn with_comma(&self, value: usize) -> Range<usize> {
        let Range { start, end } = self.member(value);
        let blank = |byte: &u8| byte.is_ascii_whitespace();
        let after = end + self.bytes[end..].iter().take_while(|byte| blank(byte)).count();
        if self.bytes.get(after) == Some(&b',') {
            return start..after + 1;
        }
        let before = start - self.bytes[..start].iter().rev().take_while(|byte| blank(byte)).count();
        match before.checked_sub(1).map(|at| self.bytes[at]) {
            Some(b',') => before - 1..end,
            _ => start..end,
        }
    }

    /// The text with a member or an item as the first in an object or array.
    pub fn first_in(&self, holder: usize, what: &[u8]) -> Vec<u8> {
        let at = self.values[holder].span.start + 1;
        let comma: &[u8] = if self.children(holder).next().is_some() { b"," } else { b"" };
        self.replace(at..at, &[what, comma].concat())
    }

    /// The text with a member or an item as the last in an object or array.
    pub fn last_in(&self, holder: usize, what: &[u8]) -> Vec<u8> {
        match self.children(holder).last() {
            Some(last) => self.after(last, what),
            None => self.first_in(holder, what),
        }
    }

    /// The text with a member or an item after another.
    pub fn after(&self, value: usize, what: &[u8]) -> Vec<u8> {
        let at = self.values[value].span.end;
        self.replace(at..at, &[b",", what].concat())
    }

    /// The text with a member or an item before another.
    pub fn before(&self, value: usize, what: &[u8]) -> Vec<u8> {
        let at = self.member(value).start;
        self.replace(at..at, &[what, b","].concat())
    }

    /// The text with two stretches exchanged; `None` where they overlap.
    pub fn exchanged(&self, one: Range<usize>, other: Range<usize>) -> Option<Vec<u8>> {
        let (a, b) = if one.start <= other.start { (one, other) } else { (other, one) };
        (a.end <= b.start).then(|| {
            let bytes = self.bytes;
            [&bytes[..a.start], &bytes[b.clone()], &bytes[a.end..b.start], &bytes[a], &bytes[b.end..]].concat()
        })
    }
}

/// Bytes with a stretch replaced.
pub fn replace(bytes: &[u8], span: Range<usize>, with: &[u8]) -> Vec<u8> {
    [&bytes[..span.start], with, &bytes[span.end..]].concat()
}

/// A string without its quotes; one that is not closed loses only the first.
pub fn inside(string: &[u8]) -> &[u8] {
    let string = string.strip_prefix(b"\"").unwrap_or(string);
    string.strip_suffix(b"\"").unwrap_or(string)
}

/// Where the string ends that begins at `at`; the end of the text where it is not closed.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(&byte) = bytes.get(end) {
        end += 1;
        match byte {
            b'"' => return end,
            b'\\' => end += 1,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    #[test]
    fn values_stand_where_they_are() {
        let text = br#" {"a" : [1, "x\"y", {}], "b":null } {"c":"#;
        let scan = Scan::new(text);
        let seen: Vec<(&str, &str)> = (0..scan.values.len())
            .map(|value| (str::from_utf8(scan.name(value)).unwrap(), str::from_utf8(scan.text(value)).unwrap()))
            .collect();
        let all = std::str::from_utf8(&text[1..35]).unwrap();
        let expected = [
            ("", all),
            ("a", r#"[1, "x\"y", {}]"#),
            ("", "1"),
            ("", r#""x\"y""#),
            ("", "{}"),
            ("b", "null"),
            ("", r#"{"c":"#),
        ];
        assert_eq!(seen, expected);
        assert_eq!(scan.children(0).collect::<Vec<_>>(), [1, 5]);
        assert_eq!(scan.children(1).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(scan.values[4].parent, Some(1));
    }

    #[test]
    fn a_member_goes_with_one_comma() {
        let scan = Scan::new(br#"{"a":1,"b":[2 , 3]}"#);
        let without = |value| String::from_utf8(scan.without(value)).unwrap();
        assert_eq!(without(1), r#"{"b":[2 , 3]}"#);
        assert_eq!(without(2), r#"{"a":1}"#);
        assert_eq!(without(3), r#"{"a":1,"b":[ 3]}"#);
        assert_eq!(without(4), r#"{"a":1,"b":[2 ]}"#);
    }

    #[test]
    fn any_bytes_are_scanned_and_every_place_is_inside() {
        fn property(bytes: Vec<u8>, picks: Vec<u8>) -> bool {
            let alphabet = b"{}[]:,\"\\ a1-\xff";
            let bytes: Vec<u8> =
                bytes.iter().chain(&picks).map(|byte| alphabet[usize::from(*byte) % alphabet.len()]).collect();
            let scan = Scan::new(&bytes);
            (0..scan.values.len()).all(|value| {
                let Value { span, parent, next, .. } = &scan.values[value];
                let inside = parent.is_none_or(|parent| {
                    let above = &scan.values[parent];
                    parent < value && *next <= above.next && above.span.start < span.start && span.end <= above.span.end
                });
                inside && span.start < span.end && span.end <= bytes.len() && scan.member(value).start <= span.start
            })
        }
        quickcheck(property as fn(Vec<u8>, Vec<u8>) -> bool);
    }
}
