//! Smaller inputs by parts of the format: whole members, items, elements, segments and fields are left out, hoisted, or
//! replaced by the smallest of their kind, as long as a question is answered with yes. What is large is first cut coarsely:
//! halves, quarters… of its levels, of its widest part's members, of its bytes. What is left is for a minimiser of bytes.

use crate::Format;
use crate::json::{Kind, NONE, tokens};
use std::ops::Range;

/// One change: a range is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    range: Range<usize>,
    by: By,
}

/// What comes in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    Bytes(&'static [u8]),
    /// A part of the input: of what is nested deeply, copies of every level would be as large as the square of its depth.
    Part(Range<usize>),
}

impl Edit {
    fn new(range: Range<usize>, bytes: &'static [u8]) -> Self {
        Self { range, by: By::Bytes(bytes) }
    }

    fn hoist(range: Range<usize>, part: Range<usize>) -> Self {
        Self { range, by: By::Part(part) }
    }

    /// Bytes that it takes away; 0 for what adds some.
    fn saved(&self) -> usize {
        let by = match &self.by {
            By::Bytes(bytes) => bytes.len(),
            By::Part(part) => part.len(),
        };
        self.range.len().saturating_sub(by)
    }

    fn apply(&self, input: &[u8]) -> Vec<u8> {
        let by = match &self.by {
            By::Bytes(bytes) => bytes,
            By::Part(part) => &input[part.clone()],
        };
        [&input[..self.range.start], by, &input[self.range.end..]].concat()
    }
}

/// Inputs up to this size need no coarse cuts, bytes.
const COARSE_BYTES_MIN: usize = 256;
/// Into how many parts a coarse cut divides at most.
const COARSE_PARTS_MAX: usize = 16;
/// The share of all tries that coarse cuts may take: one of so many.
const COARSE_SHARE: usize = 2;

/// Makes `input` smaller as long as `holds` says yes, in at most `tries_max` tries. Deterministic; between two tries the work
/// is that of sorting the input's parts.
pub fn shrink(format: Format, input: &[u8], tries_max: usize, mut holds: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut tries = 0;
    while best.len() > COARSE_BYTES_MIN
        && let Some(smaller) = first(&best, coarse(format, &best), tries_max / COARSE_SHARE, &mut tries, &mut holds)
    {
        best = smaller;
    }
    loop {
        let edits = match format {
            Format::Json | Format::FhirJson | Format::FhirNdjson => json(&best),
            Format::FhirXml => xml(&best),
            Format::Hl7v2 => hl7(&best),
        };
        match first(&best, edits, tries_max, &mut tries, &mut holds) {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

/// The input after the first edit for which the answer is yes; what takes most away is asked first.
fn first(
    input: &[u8],
    mut edits: Vec<Edit>,
    tries_max: usize,
    tries: &mut usize,
    holds: &mut dyn FnMut(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    edits.retain(|edit| edit.saved() > 0);
    edits.sort_by_key(|edit| (std::cmp::Reverse(edit.saved()), edit.range.start));
    edits.dedup();
    for edit in edits {
        if *tries >= tries_max {
            return None;
        }
        *tries += 1;
        let candidate = edit.apply(input);
        if holds(&candidate) {
            return Some(candidate);
        }
    }
    None
}

/// Halves, quarters… of the levels of what is nested deepest, of the members of what is widest, and of the bytes.
fn coarse(format: Format, input: &[u8]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut divide = |count: usize, edit: &mut dyn FnMut(usize, usize) -> Option<Edit>| {
        let mut parts = 2;
        while parts <= COARSE_PARTS_MAX && parts <= count {
            edits.extend((0..parts).filter_map(|part| edit(count * part / parts, count * (part + 1) / parts)));
            parts *= 2;
        }
    };
    let shape = match format {
        Format::Json | Format::FhirJson | Format::FhirNdjson => json_shape(input),
        Format::FhirXml => xml_shape(input),
        Format::Hl7v2 => hl7_shape(input),
    };
    let Shape { levels, members } = &shape;
    divide(levels.len().saturating_sub(1), &mut |from, to| {
        // One kind in the place of the same.
        let to = (to..levels.len()).find(|&to| levels[to].0 == levels[from].0)?;
        Some(Edit::hoist(levels[from].1.clone(), levels[to].1.clone()))
    });
    divide(members.len(), &mut |from, to| {
        let (start, end) = (members[from].start, members[to - 1].end);
        // The separator behind a member goes with it; of the last ones, the one before.
        let range = match (members.get(to), from.checked_sub(1)) {
            (Some(next), _) => start..next.start,
            (None, Some(before)) => members[before].end..end,
            (None, None) => start..end,
        };
        Some(Edit::new(range, b""))
    });
    divide(input.len(), &mut |from, to| Some(Edit::new(from..to, b"")));
    edits
}

/// Where an input is deep, and where it is wide.
#[derive(Default)]
struct Shape {
    /// What the deepest part is in, from the outermost: kind and range.
    levels: Vec<(u8, Range<usize>)>,
    /// Members of the part that has most.
    members: Vec<Range<usize>>,
}

/// Where each token and all that it holds ends: a key reaches to the end of its value.
fn ends(list: &[crate::json::Token]) -> Vec<usize> {
    let mut ends: Vec<usize> = list.iter().map(|token| token.end as usize).collect();
    for (at, token) in list.iter().enumerate().rev().filter(|(_, token)| token.parent != NONE) {
        ends[token.parent as usize] = ends[token.parent as usize].max(ends[at]);
    }
    ends
}

fn json_shape(input: &[u8]) -> Shape {
    let tokens = tokens(input);
    let list = &tokens.list;
    let ends = ends(list);
    let whole = |at: usize| list[at].start as usize..ends[at];
    let mut depth = vec![0_u32; list.len()];
    let mut count = vec![0_u32; list.len()];
    for (at, token) in list.iter().enumerate().filter(|(_, token)| token.parent != NONE) {
        depth[at] = depth[token.parent as usize] + 1;
        count[token.parent as usize] += 1;
    }
    let most = |of: &[u32]| (0..of.len()).max_by_key(|&at| (of[at], std::cmp::Reverse(at)));
    let up = |at: usize| Some(list[at].parent).filter(|&parent| parent != NONE).map(|parent| parent as usize);
    let is_container = |at: &usize| matches!(list[*at].kind, Kind::Object | Kind::Array);
    let mut levels: Vec<(u8, Range<usize>)> = std::iter::successors(most(&depth), |&at| up(at))
        .filter(is_container)
        .map(|at| (u8::from(list[at].kind == Kind::Object), whole(at)))
        .collect();
    levels.reverse();
    let members = most(&count).map_or_else(Vec::new, |at| tokens.children(at).map(whole).collect());
    Shape { levels, members }
}

fn json(input: &[u8]) -> Vec<Edit> {
    let tokens = tokens(input);
    let list = &tokens.list;
    let mut edits = Vec::new();
    let ends = ends(list);
    let whole = |at: usize| list[at].start as usize..ends[at];
    for (at, token) in list.iter().enumerate() {
        let span = whole(at);
        let parent = list.get(token.parent as usize).map(|parent| parent.kind);
        if matches!(parent, Some(Kind::Object | Kind::Array)) {
            edits.push(Edit::new(with_comma(input, &span), b""));
        }
        if token.kind == Kind::Key {
            continue;
        }
        let smallest: &[u8] = match token.kind {
            Kind::Object => b"{}",
            Kind::Array => b"[]",
            Kind::String => b"\"a\"",
            Kind::Number => b"1",
            _ => b"",
        };
        if !smallest.is_empty() {
            edits.push(Edit::new(span.clone(), smallest));
        }
        // What it holds in its place: a member's value for an object, an item for an array.
        for child in tokens.children(at).take(8) {
            let inner = if list[child].kind == Kind::Key { tokens.children(child).next() } else { Some(child) };
            if let Some(inner) = inner.filter(|&inner| list[inner].kind == token.kind || token.kind == Kind::Array) {
                edits.push(Edit::hoist(span.clone(), whole(inner)));
            }
        }
        if token.parent == NONE && span != (0..input.len()) {
            edits.push(Edit::new(span.end..input.len(), b""));
            edits.push(Edit::new(0..span.start, b""));
        }
    }
    // Runs of siblings: half of what a container holds.
    for (at, _) in list.iter().enumerate().filter(|(_, token)| matches!(token.kind, Kind::Object | Kind::Array)) {
        let children: Vec<usize> = tokens.children(at).collect();
        if children.len() >= 4 {
            let middle = children.len() / 2;
            edits.push(Edit::new(whole(children[0]).start..whole(children[middle]).start, b""));
            edits.push(Edit::new(whole(children[middle - 1]).end..whole(children[children.len() - 1]).end, b""));
        }
    }
    edits
}

/// A range with the comma behind it, or else the one before.
fn with_comma(input: &[u8], span: &Range<usize>) -> Range<usize> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let behind = input[span.end..].iter().take_while(|byte| blank(byte)).count();
    if input.get(span.end + behind) == Some(&b',') {
        return span.start..span.end + behind + 1;
    }
    let before = input[..span.start].iter().rev().take_while(|byte| blank(byte)).count();
    match span.start.checked_sub(before + 1) {
        Some(at) if input[at] == b',' => at..span.end,
        _ => span.clone(),
    }
}

/// An element by its brackets; one that has no end reaches to the end of the input.
struct Bracketed {
    outer: Range<usize>,
    inner: Range<usize>,
    parent: Option<usize>,
}

/// Elements in the order of the input, and the ranges of all tags.
fn brackets(input: &[u8]) -> (Vec<Bracketed>, Vec<Range<usize>>) {
    let (mut elements, mut tags): (Vec<Bracketed>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(start) = memchr::memchr(b'<', &input[at..]).map(|found| at + found) {
        let Some(end) = memchr::memchr(b'>', &input[start..]).map(|found| start + found + 1) else { break };
        match &input[start..end] {
            [b'<', b'/', ..] => {
                if let Some(element) = open.pop() {
                    elements[element].outer.end = end;
                    elements[element].inner.end = start;
                }
            }
            [b'<', b'!' | b'?', ..] => {}
            tag => {
                let parent = open.last().copied();
                if tag.ends_with(b"/>") {
                    elements.push(Bracketed { outer: start..end, inner: end..end, parent });
                } else {
                    open.push(elements.len());
                    elements.push(Bracketed { outer: start..input.len(), inner: end..input.len(), parent });
                }
            }
        }
        tags.push(start..end);
        at = end;
    }
    (elements, tags)
}

fn xml_shape(input: &[u8]) -> Shape {
    let (elements, _) = brackets(input);
    let mut depth = vec![0_u32; elements.len()];
    let mut count = vec![0_u32; elements.len()];
    for (at, element) in elements.iter().enumerate() {
        if let Some(parent) = element.parent {
            depth[at] = depth[parent] + 1;
            count[parent] += 1;
        }
    }
    let most = |of: &[u32]| (0..of.len()).max_by_key(|&at| (of[at], std::cmp::Reverse(at)));
    let mut levels: Vec<(u8, Range<usize>)> = std::iter::successors(most(&depth), |&at| elements[at].parent)
        .map(|at| (0, elements[at].outer.clone()))
        .collect();
    levels.reverse();
    let members = most(&count).map_or_else(Vec::new, |widest| {
        let inside = elements.iter().filter(|element| element.parent == Some(widest));
        inside.map(|element| element.outer.clone()).collect()
    });
    Shape { levels, members }
}

/// Elements and attributes by their brackets, whatever the text means.
fn xml(input: &[u8]) -> Vec<Edit> {
    let (elements, tags) = brackets(input);
    let mut edits = Vec::new();
    for Bracketed { outer, inner, .. } in elements {
        edits.push(Edit::new(outer.clone(), b""));
        edits.push(Edit::new(inner.clone(), b""));
        edits.push(Edit::hoist(outer, inner));
    }
    for Range { start, end } in tags {
        if matches!(input[start..end], [b'<', b'!' | b'?', ..]) {
            edits.push(Edit::new(start..end, b""));
        }
        let mut quote = 0;
        while let Some(from) = input[start + quote..end].iter().position(|byte| *byte == b'"') {
            let from = start + quote + from + 1;
            let Some(len) = input[from..end].iter().position(|byte| *byte == b'"') else { break };
            let name = input[start..from].iter().rposition(|byte| *byte == b' ').map(|found| start + found);
            edits.push(Edit::new(from..from + len, b"a"));
            if let Some(name) = name {
                edits.push(Edit::new(name..from + len + 1, b""));
            }
            quote = from + len + 1 - start;
        }
    }
    edits
}

/// Segments, or the parts of the longest one by the delimiter that it has most of.
fn hl7_shape(input: &[u8]) -> Shape {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut segments: Vec<Range<usize>> = Vec::new();
    for line in input.split_inclusive(is_end) {
        let start = segments.last().map_or(0, |before| before.end);
        segments.push(start..start + line.len());
    }
    let Some(longest) = segments.iter().max_by_key(|segment| segment.len()).cloned() else { return Shape::default() };
    if longest.len() < input.len() / 2 {
        return Shape { levels: Vec::new(), members: segments };
    }
    let of = |delimiter: u8| input[longest.clone()].iter().filter(|byte| **byte == delimiter).count();
    let delimiters = declared(input);
    let most = delimiters.iter().copied().max_by_key(|&delimiter| of(delimiter)).unwrap_or(b'|');
    let mut members: Vec<Range<usize>> = Vec::new();
    for part in input[longest.clone()].split_inclusive(|byte| *byte == most) {
        let start = members.last().map_or(longest.start, |before| before.end);
        members.push(start..start + part.len());
    }
    Shape { levels: Vec::new(), members }
}

/// The delimiters that the header declares.
fn declared(input: &[u8]) -> &[u8] {
    let header = input.windows(3).position(|window| matches!(window, b"MSH" | b"FHS" | b"BHS"));
    header.and_then(|at| input.get(at + 3..at + 8)).unwrap_or(b"|^~\\&")
}

/// Segments, fields and their parts, by the delimiters that the header declares.
fn hl7(input: &[u8]) -> Vec<Edit> {
    let declared = declared(input);
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut edits = Vec::new();
    let mut start = 0;
    for line in input.split_inclusive(is_end) {
        let end = start + line.len();
        edits.push(Edit::new(start..end, b""));
        edits.push(Edit::new(start..input.len(), b""));
        edits.push(Edit::new(0..start, b""));
        let body = end - line.iter().rev().take_while(|byte| is_end(byte)).count();
        for (level, delimiter) in declared.iter().enumerate().filter(|(level, _)| *level != 3) {
            let mut from = start;
            for part in input[start..body].split(|byte| byte == delimiter) {
                let to = from + part.len();
                if part.len() > 1 {
                    edits.push(Edit::new(from..to, b"A"));
                }
                edits.push(Edit::new(from..to, b""));
                // With its delimiter, where that does not shift what stands behind.
                if to == body || level > 0 {
                    edits.push(Edit::new(from.saturating_sub(1).max(start)..to, b""));
                }
                edits.push(Edit::new(to..body, b""));
                from = to + 1;
            }
        }
        start = end;
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_question_does_not_need_goes() {
        let cases: &[(Format, &str, &str, &str)] = &[
            (
                Format::FhirJson,
                r#"{"resourceType":"Patient","name":[{"family":"Long"},{"given":["x","needle"]}],"active":true}"#,
                "needle",
                r#"{"given":"needle"}"#,
            ),
            (Format::FhirJson, r#"{"a":{"b":{"c":1}},"d":2.50} trailing"#, "2.50", r#"{"d":2.50}"#),
            (
                Format::FhirXml,
                r#"<?xml version="1.0"?><Patient xmlns="x"><a value="1"/><b><c value="needle"/></b></Patient>"#,
                "needle",
                r#"<c value="needle"/>"#,
            ),
            (Format::Hl7v2, "MSH|^~\\&|a|b\rPID|1||123^^^needle~456||NAME\rOBX|1\r", "needle", "needle"),
        ];
        for (format, input, needle, most) in cases {
            let holds = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            let small = shrink(*format, input.as_bytes(), 2_000, holds);
            let text = String::from_utf8(small).unwrap();
            assert!(text.len() <= most.len() + 2, "{input} → {text}");
        }
    }

    #[test]
    fn what_is_huge_is_cut_coarsely_first() {
        let many = |one: &str| one.repeat(100_000);
        let contains = |needle: &'static [u8]| move |bytes: &[u8]| memchr::memmem::find(bytes, needle).is_some();
        let opens =
            |at_least: usize| move |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'[').count() >= at_least;
        type Holds = Box<dyn Fn(&[u8]) -> bool>;
        let cases: Vec<(&str, Format, String, Holds, usize)> = vec![
            ("deep", Format::Json, format!("{}1{}", many("["), many("]")), Box::new(opens(300)), 1_000),
            ("unclosed", Format::Json, many("["), Box::new(opens(300)), 1_000),
            (
                "deep with a needle",
                Format::FhirJson,
                format!("{}\"needle\"{}", many(r#"{"a":["#), many("]}")),
                Box::new(contains(b"needle")),
                256,
            ),
            (
                "wide",
                Format::FhirJson,
                format!(r#"{{"name":[{}{{"family":"needle"}}]}}"#, many(r#"{"family":"a"},"#)),
                Box::new(contains(b"needle")),
                256,
            ),
            (
                "deep elements",
                Format::FhirXml,
                format!("{}<b value=\"needle\"/>{}", many("<a>"), many("</a>")),
                Box::new(contains(b"needle")),
                256,
            ),
            ("open elements", Format::FhirXml, many("<needle>"), Box::new(contains(b"<needle>")), 256),
            (
                "segments",
                Format::Hl7v2,
                format!("MSH|^~\\&|A\r{}PID|needle\r", many("NTE|1\r")),
                Box::new(contains(b"needle")),
                256,
            ),
            (
                "repetitions",
                Format::Hl7v2,
                format!("MSH|^~\\&|A\rPID|{}needle\r", many("a~")),
                Box::new(contains(b"needle")),
                256,
            ),
        ];
        for (name, format, input, holds, most) in cases {
            let mut tries = 0;
            let small = shrink(format, input.as_bytes(), 1_000, |bytes| {
                tries += 1;
                holds(bytes)
            });
            assert!(holds(&small) && small.len() <= most, "{name}: {} bytes are left", small.len());
            assert!(tries <= 1_000, "{name}: {tries} tries");
        }
    }

    #[test]
    fn any_bytes_are_survived_and_tries_are_bounded() {
        fn property(input: Vec<u8>) -> bool {
            Format::ALL.into_iter().all(|format| {
                let mut tries = 0;
                shrink(format, &input, 50, |_| {
                    tries += 1;
                    tries % 3 == 0
                });
                tries <= 50
            })
        }
        quickcheck::quickcheck(property as fn(Vec<u8>) -> bool);
    }
}
