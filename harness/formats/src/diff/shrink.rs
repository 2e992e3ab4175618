//! Smaller inputs by parts of the format: whole members, items, elements, segments and fields are left out, hoisted, or
//! replaced by the smallest of their kind, as long as a question is answered with yes. What is left is for a minimiser of
//! bytes.

use crate::Format;
use crate::json::{Kind, NONE, tokens};
use std::ops::Range;

/// One change: this range is replaced by these bytes.
type Edit = (Range<usize>, Vec<u8>);

/// Makes `input` smaller as long as `holds` says yes, in at most `tries_max` tries. Deterministic.
pub fn shrink(format: Format, input: &[u8], tries_max: usize, mut holds: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut tries = 0;
    loop {
        let mut edits = match format {
            Format::Json | Format::FhirJson | Format::FhirNdjson => json(&best),
            Format::FhirXml => xml(&best),
            Format::Hl7v2 => hl7(&best),
        };
        // What takes most away comes first.
        edits.retain(|(range, new)| new.len() < range.len());
        edits.sort_by_key(|(range, new)| (std::cmp::Reverse(range.len() - new.len()), range.start));
        edits.dedup();
        let mut next = None;
        for (range, new) in edits {
            if tries >= tries_max {
                return best;
            }
            let candidate = [&best[..range.start], &new, &best[range.end..]].concat();
            tries += 1;
            if holds(&candidate) {
                next = Some(candidate);
                break;
            }
        }
        match next {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

fn json(input: &[u8]) -> Vec<Edit> {
    let tokens = tokens(input);
    let list = &tokens.list;
    let mut edits = Vec::new();
    let whole = |at: usize| {
        let token = &list[at];
        // A key reaches to the end of its value.
        let end = list[at..token.after as usize].iter().map(|token| token.end).max().unwrap_or(token.end);
        token.start as usize..end as usize
    };
    for (at, token) in list.iter().enumerate() {
        let span = whole(at);
        let parent = list.get(token.parent as usize).map(|parent| parent.kind);
        if matches!(parent, Some(Kind::Object | Kind::Array)) {
            edits.push((with_comma(input, &span), Vec::new()));
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
            edits.push((span.clone(), smallest.to_vec()));
        }
        // What it holds in its place: a member's value for an object, an item for an array.
        for child in tokens.children(at).take(8) {
            let inner = if list[child].kind == Kind::Key { tokens.children(child).next() } else { Some(child) };
            if let Some(inner) = inner.filter(|&inner| list[inner].kind == token.kind || token.kind == Kind::Array) {
                edits.push((span.clone(), input[whole(inner)].to_vec()));
            }
        }
        if token.parent == NONE && span != (0..input.len()) {
            edits.push((span.end..input.len(), Vec::new()));
            edits.push((0..span.start, Vec::new()));
        }
    }
    // Runs of siblings: half of what a container holds.
    for (at, _) in list.iter().enumerate().filter(|(_, token)| matches!(token.kind, Kind::Object | Kind::Array)) {
        let children: Vec<usize> = tokens.children(at).collect();
        if children.len() >= 4 {
            let middle = children.len() / 2;
            edits.push((whole(children[0]).start..whole(children[middle]).start, Vec::new()));
            edits.push((whole(children[middle - 1]).end..whole(children[children.len() - 1]).end, Vec::new()));
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

/// Elements and attributes by their brackets, whatever the text means.
fn xml(input: &[u8]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some(start) = input[at..].iter().position(|byte| *byte == b'<').map(|found| at + found) {
        let Some(end) = input[start..].iter().position(|byte| *byte == b'>').map(|found| start + found + 1) else {
            break;
        };
        let tag = &input[start..end];
        match tag {
            [b'<', b'/', ..] => {
                if let Some((from, inside)) = open.pop() {
                    edits.push((from..end, Vec::new()));
                    edits.push((from..end, input[inside..start].to_vec()));
                    edits.push((inside..start, Vec::new()));
                }
            }
            [b'<', b'!' | b'?', ..] | [.., b'/', b'>'] => edits.push((start..end, Vec::new())),
            _ => open.push((start, end)),
        }
        let mut quote = 0;
        while let Some(from) = input[start + quote..end].iter().position(|byte| *byte == b'"') {
            let from = start + quote + from + 1;
            let Some(len) = input[from..end].iter().position(|byte| *byte == b'"') else { break };
            let name = input[start..from].iter().rposition(|byte| *byte == b' ').map(|found| start + found);
            edits.push((from..from + len, b"a".to_vec()));
            if let Some(name) = name {
                edits.push((name..from + len + 1, Vec::new()));
            }
            quote = from + len + 1 - start;
        }
        at = end;
    }
    edits
}

/// Segments, fields and their parts, by the delimiters that the header declares.
fn hl7(input: &[u8]) -> Vec<Edit> {
    let header = input.windows(3).position(|window| matches!(window, b"MSH" | b"FHS" | b"BHS"));
    let declared = header.and_then(|at| input.get(at + 3..at + 8)).unwrap_or(b"|^~\\&");
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut edits = Vec::new();
    let mut start = 0;
    for line in input.split_inclusive(is_end) {
        let end = start + line.len();
        edits.push((start..end, Vec::new()));
        edits.push((start..input.len(), Vec::new()));
        edits.push((0..start, Vec::new()));
        let body = end - line.iter().rev().take_while(|byte| is_end(byte)).count();
        for (level, delimiter) in declared.iter().enumerate().filter(|(level, _)| *level != 3) {
            let mut from = start;
            for part in input[start..body].split(|byte| byte == delimiter) {
                let to = from + part.len();
                if part.len() > 1 {
                    edits.push((from..to, b"A".to_vec()));
                }
                edits.push((from..to, Vec::new()));
                // With its delimiter, where that does not shift what stands behind.
                if to == body || level > 0 {
                    edits.push((from.saturating_sub(1).max(start)..to, Vec::new()));
                }
                edits.push((to..body, Vec::new()));
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
