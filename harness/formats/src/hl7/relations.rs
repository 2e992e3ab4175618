//! Metamorphic relations: what may be done to a message so that every reader must read the same, and strings that must
//! survive being written into one. They need one reader only, so they find what no second opinion can.

use super::escape::{Token, encode, tokens};
use super::tokens::{Delimiters, Segment, Terminator, is_header, parts, segments};
use super::write::named;
use super::{Spelling, read, write};
use crate::reading::Breach;
use crate::rules::{Policy, Relation, Side};
use crate::tree::{Tree, What};
use std::ops::Range;

/// All of them. Each applies only to messages that the reference reader takes under the tolerant policy.
pub const RELATIONS: &[Relation] = &[
    Relation { name: "write-back", rule: "H15", apply: |input| rewritten(input, Spelling::AsRead) },
    Relation { name: "escape-anew", rule: "H13", apply: |input| rewritten(input, Spelling::Escaped) },
    Relation { name: "return-line-feed", rule: "H07", apply: |input| line_ends(input, b"\r\n") },
    Relation { name: "line-feed", rule: "H07", apply: |input| line_ends(input, b"\n") },
    Relation { name: "re-delimit", rule: "H06", apply: |input| re_delimited_exactly(input, OTHERS) },
    Relation { name: "hexadecimal", rule: "H13", apply: hexadecimal },
    Relation { name: "trailing-delimiters", rule: "H11", apply: trailing_delimiters },
    Relation { name: "frame", rule: "H19", apply: frame },
];

/// Delimiters that are as good as the usual ones.
const OTHERS: Delimiters = Delimiters {
    field: b'#',
    component: Some(b'*'),
    repetition: Some(b'!'),
    escape: Some(b'$'),
    subcomponent: Some(b'%'),
    truncation: Some(b'+'),
};

/// The messages of an input that a tolerant reader takes.
fn acceptable(input: &[u8]) -> Option<Tree> {
    // A letter as delimiter stands in escapes too, a quotation mark in nulls, and block bytes at an input's end are no data.
    let usual = |segment: Segment| {
        segment.delimiters.header().iter().all(|byte| *byte != b'"' && !byte.is_ascii_alphanumeric())
    };
    if memchr::memchr2(0x0b, 0x1c, input).is_some() || !segments(input).all(usual) {
        return None;
    }
    let reading = read(input);
    let accepted = reading.side(Policy::TolerantReader) == Side::Accept;
    let apart = reading.transport.iter().any(|fact| matches!(*fact, "batch" | "leading-blanks"));
    let tree = reading.tree.filter(|_| accepted && !apart)?;
    // Edits are of bytes: a delimiter must be one wherever its byte stands.
    let hidden = tree.children(tree.root()?).any(|message| {
        let header = tree.children(message).next();
        let field = header.and_then(|header| tree.member(header, "18"));
        field.is_some_and(|field| named(&tree, field).hides_delimiters())
    });
    (!hidden).then_some(tree)
}

fn rewritten(input: &[u8], spelling: Spelling) -> Option<Vec<u8>> {
    let tree = acceptable(input)?;
    (spelling == Spelling::AsRead || plain(input)).then(|| write(&tree, spelling))
}

/// Whether every escape sequence stands for a character.
fn plain(input: &[u8]) -> bool {
    let broken = |breach: &Breach| breach.case.rule == "H13" && breach.case.name != "unterminated";
    !read(input).breaches.iter().any(broken)
        && segments(input).all(|segment| {
            let known = |token: &Token| match token {
                Token::Sequence(span) => {
                    let body = &input[segment.line.span.clone()][span.start + 1..span.end - 1];
                    matches!(body, [letter] if spelt(&segment.delimiters, *letter).is_some())
                        || matches!(body, [b'X', _, ..])
                }
                _ => true,
            };
            let from = if is_header(&input[segment.name.clone()]) {
                header_end(input, &segment.line.span)
            } else {
                segment.line.span.start
            };
            let line = &input[segment.line.span.clone()];
            parts_of(input, from..segment.line.span.end, &segment.delimiters).all(|part| {
                tokens(&input[part.clone()], segment.delimiters.escape)
                    .all(|token| known(&shifted(token, part.start - segment.line.span.start)))
            }) && !line.is_empty()
        })
}

fn shifted(token: Token, by: usize) -> Token {
    let shift = |span: Range<usize>| span.start + by..span.end + by;
    match token {
        Token::Text(span) => Token::Text(shift(span)),
        Token::Sequence(span) => Token::Sequence(shift(span)),
        Token::Unterminated(span) => Token::Unterminated(shift(span)),
    }
}

fn spelt(delimiters: &Delimiters, letter: u8) -> Option<u8> {
    delimiters.escapes().into_iter().find(|(spelt, _)| *spelt == letter).and_then(|(_, delimiter)| delimiter)
}

/// Where MSH-2 ends.
fn header_end(input: &[u8], line: &Range<usize>) -> usize {
    Delimiters::declared(&input[line.clone()]).map_or(line.end, |(_, encoding)| line.start + encoding.end)
}

/// The stretches of a line between delimiters of any level.
fn parts_of<'a>(input: &'a [u8], within: Range<usize>, by: &Delimiters) -> impl Iterator<Item = Range<usize>> + 'a {
    let Delimiters { component, repetition, subcomponent, .. } = *by;
    parts(input, within, Some(by.field))
        .flat_map(move |part| parts(input, part, repetition))
        .flat_map(move |part| parts(input, part, component))
        .flat_map(move |part| parts(input, part, subcomponent))
}

fn line_ends(input: &[u8], by: &[u8]) -> Option<Vec<u8>> {
    acceptable(input)?;
    if Terminator::of(input) != Terminator::Return || memchr::memchr(b'\n', input).is_some() || input.contains(&0x1c) {
        return None;
    }
    Some(input.iter().flat_map(|byte| if *byte == b'\r' { by } else { std::slice::from_ref(byte) }).copied().collect())
}

fn re_delimited_exactly(input: &[u8], by: Delimiters) -> Option<Vec<u8>> {
    acceptable(input)?;
    if !plain(input) {
        return None;
    }
    re_delimited(input, by)
}

/// The input with other delimiters: in headers, between values, and escaped in values. Sequences that stand for no
/// character get the new escape character. `None` where there is no header or a value cannot be escaped.
pub fn re_delimited(input: &[u8], by: Delimiters) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(input.len());
    let (mut at, mut headers) = (0, 0);
    let mut new = by;
    for segment in segments(input) {
        let old = segment.delimiters;
        out.extend_from_slice(&input[at..segment.line.span.start]);
        let mut from = segment.name.end;
        if is_header(&input[segment.name.clone()]) {
            headers += 1;
            new = Delimiters {
                field: by.field,
                component: old.component.and(by.component),
                repetition: old.repetition.and(by.repetition),
                escape: old.escape.and(by.escape),
                subcomponent: old.subcomponent.and(by.subcomponent),
                truncation: old.truncation.and(by.truncation),
            };
            from = header_end(input, &segment.line.span);
            out.extend_from_slice(&input[segment.name.clone()]);
            if from > segment.name.end {
                out.extend(new.header());
            }
        } else {
            out.extend_from_slice(&input[segment.name.clone()]);
        }
        let mut next = from;
        for part in parts_of(input, from..segment.line.span.end, &old) {
            for &byte in &input[next..part.start] {
                let pairs = [
                    (Some(old.field), Some(new.field)),
                    (old.repetition, new.repetition),
                    (old.component, new.component),
                ];
                let delimiter =
                    pairs.into_iter().find(|(old, _)| *old == Some(byte)).map_or(new.subcomponent, |(_, new)| new);
                out.extend(delimiter);
            }
            next = part.end;
            re_escaped(&input[part], &old, &new, &mut out)?;
        }
        at = segment.line.span.end;
    }
    out.extend_from_slice(&input[at..]);
    (headers > 0).then_some(out)
}

fn re_escaped(value: &[u8], old: &Delimiters, new: &Delimiters, out: &mut Vec<u8>) -> Option<()> {
    let text = |text: &[u8], out: &mut Vec<u8>| {
        for &byte in text {
            match new.escapes().into_iter().find(|(_, delimiter)| *delimiter == Some(byte)) {
                Some((letter, _)) => {
                    let escape = new.escape?;
                    out.extend_from_slice(&[escape, letter, escape]);
                }
                None => out.push(byte),
            }
        }
        Some(())
    };
    for token in tokens(value, old.escape) {
        match token {
            Token::Text(span) | Token::Unterminated(span) => text(&value[span], out)?,
            Token::Sequence(span) => {
                let body = &value[span.start + 1..span.end - 1];
                match *body {
                    [letter] if spelt(old, letter).is_some() => text(&[spelt(old, letter)?], out)?,
                    _ => {
                        let escape = new.escape?;
                        out.push(escape);
                        out.extend_from_slice(body);
                        out.push(escape);
                    }
                }
            }
        }
    }
    Some(())
}

/// Spells the first ASCII letter or digit of every value without escapes in hexadecimal.
fn hexadecimal(input: &[u8]) -> Option<Vec<u8>> {
    acceptable(input)?;
    let mut out = Vec::with_capacity(input.len() * 2);
    let mut at = 0;
    for segment in segments(input) {
        let header = is_header(&input[segment.name.clone()]);
        let escape = segment.delimiters.escape?;
        // The header's own values steer how the rest is read; readers need not decode them first.
        if header || segment.name.end >= segment.line.span.end {
            continue;
        }
        for part in parts_of(input, segment.name.end + 1..segment.line.span.end, &segment.delimiters) {
            let value = &input[part.clone()];
            let first = value.first().filter(|byte| byte.is_ascii_alphanumeric() && !value.contains(&escape));
            if let Some(byte) = first {
                out.extend_from_slice(&input[at..part.start]);
                out.push(escape);
                out.extend_from_slice(format!("X{byte:02X}").as_bytes());
                out.push(escape);
                at = part.start + 1;
            }
        }
    }
    out.extend_from_slice(&input[at..]);
    Some(out)
}

fn trailing_delimiters(input: &[u8]) -> Option<Vec<u8>> {
    acceptable(input)?;
    let mut out = Vec::with_capacity(input.len() * 2);
    let mut at = 0;
    for segment in segments(input) {
        let Delimiters { field, component, subcomponent, .. } = segment.delimiters;
        let end = segment.line.span.end;
        out.extend_from_slice(&input[at..end]);
        let fields = segment.fields(input).last().map_or(0, |(number, _)| number);
        if !is_header(&input[segment.name.clone()]) && fields > 0 {
            out.extend(subcomponent.into_iter().chain(component).chain(component));
        }
        out.extend([field, field]);
        at = end;
    }
    out.extend_from_slice(&input[at..]);
    Some(out)
}

fn frame(input: &[u8]) -> Option<Vec<u8>> {
    let reading = read(input);
    acceptable(input)?;
    (reading.transport.is_empty()).then(|| [b"\x0b", input, b"\x1c\r"].concat())
}

/// A message that carries `texts`, each as the value of an OBX of its own, properly escaped; a reader must find them again,
/// see [`survived`].
pub fn carrying(texts: &[&[u8]], delimiters: Delimiters) -> Vec<u8> {
    let delimiters = Delimiters { truncation: None, ..delimiters };
    let field = delimiters.field;
    let mut out = b"MSH".to_vec();
    out.extend(delimiters.header());
    let component = delimiters.component.unwrap_or(b'^');
    for part in
        ["SYN", "SYN", "SYN", "SYN", "20260815", "", "ORU", "SYN1", "P", "2.5.1", "", "", "", "", "", "UNICODE UTF-8"]
    {
        out.push(field);
        out.extend_from_slice(part.as_bytes());
        if part == "ORU" {
            out.push(component);
            out.extend_from_slice(b"R01");
        }
    }
    out.push(b'\r');
    for (at, text) in texts.iter().enumerate() {
        out.extend_from_slice(b"OBX");
        for part in [(at + 1).to_string().as_bytes(), b"ST", b"SYN", b""] {
            out.push(field);
            out.extend_from_slice(part);
        }
        out.push(field);
        match *text {
            // Two quotation marks alone would be a null.
            b"\"\"" => {
                out.extend(delimiters.escape.into_iter().flat_map(|escape| [escape, b'X', b'2', b'2', escape, b'"']))
            }
            text => encode(text, &delimiters, &mut out),
        }
        out.extend_from_slice(&[field, b'F', b'\r']);
    }
    out
}

/// Whether a reader's tree of [`carrying`] has one message, one segment for each text, and the texts themselves.
pub fn survived(tree: &Tree, texts: &[&[u8]]) -> bool {
    let Some(root) = tree.root() else { return false };
    let messages: Vec<_> = tree.children(root).collect();
    let [message] = messages[..] else { return false };
    let segments: Vec<_> = tree.children(message).skip(1).collect();
    segments.len() == texts.len()
        && segments.iter().zip(texts).all(|(&segment, text)| match tree.member(segment, "5") {
            Some(value) => tree.what(value) == What::String && tree.text(value) == *text,
            None => text.is_empty(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Erase;
    use quickcheck::quickcheck;

    fn holds(relation: &Relation, input: &[u8]) -> bool {
        let Some(changed) = (relation.apply)(input) else { return true };
        let (before, after) = (read(input), read(&changed));
        let digest = |reading: &crate::reading::Reading| reading.tree.as_ref().map(|tree| tree.digest(Erase::NONE));
        // Re-delimiting changes the header's fields 1 and 2, and them only.
        let same = match relation.name {
            "re-delimit" => erased(before.tree.as_ref()) == erased(after.tree.as_ref()),
            _ => digest(&before) == digest(&after),
        };
        same || {
            println!(
                "{}: {:?}\nbecame {:?}",
                relation.name,
                String::from_utf8_lossy(input),
                String::from_utf8_lossy(&changed)
            );
            false
        }
    }

    /// Digest of all but MSH-1 and MSH-2.
    fn erased(tree: Option<&Tree>) -> Vec<Option<u64>> {
        let Some(tree) = tree else { return Vec::new() };
        let digests = tree.digests(Erase::NONE);
        let header = |id| tree.text(id) == b"MSH";
        let mut found = Vec::new();
        for message in tree.root().into_iter().flat_map(|root| tree.children(root)) {
            for segment in tree.children(message) {
                let skipped = if header(segment) { 2 } else { 0 };
                found.extend(tree.children(segment).skip(skipped).map(|field| digests[field as usize]));
                found.push(None);
            }
        }
        found
    }

    /// Messages out of random bytes: generated, then edited.
    fn message(seed: u64, edits: usize) -> Vec<u8> {
        let mut state = seed;
        let mut roll = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 32)
        };
        let mut dice = crate::mutate::Dice::new(&mut roll);
        let mut input = crate::generate::hl7::from_dice(&mut dice);
        for _ in 0..edits {
            let mutator = dice.pick(crate::mutate::table(crate::Format::Hl7v2)).copied().unwrap();
            let made = (mutator.apply)(&mut dice, &input, b"MSH|^~\\&|B\rZZZ|a~b^c&d\\T\\\r");
            input = made.filter(|made| made.len() < 1 << 15).unwrap_or(input);
        }
        input
    }

    quickcheck! {
        fn messages_read_the_same_after_what_changes_nothing(seed: u64, edits: u8) -> bool {
            let input = message(seed, usize::from(edits % 4));
            RELATIONS.iter().all(|relation| holds(relation, &input))
        }

        fn strings_survive(texts: Vec<String>, other: bool) -> bool {
            let delimiters = if other { OTHERS } else { Delimiters::default() };
            let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            let reading = read(&carrying(&texts, delimiters));
            reading.side(Policy::StrictGateway) == Side::Accept && survived(&reading.tree.unwrap(), &texts)
        }

        fn anything_is_read(bytes: Vec<u8>) -> bool {
            let headed = [b"MSH|^~\\&|", &bytes[..]].concat();
            [&bytes, &headed].iter().all(|input| {
                let reading = read(input);
                let inside = reading.breaches.iter().all(|at| at.span.start <= at.span.end && at.span.end <= input.len());
                let nodes = reading.tree.as_ref().map_or(0, Tree::len) as u32;
                inside && (0..nodes).all(|id| reading.tree.as_ref().is_some_and(|tree| tree.span(id).end <= input.len()))
            })
        }
    }

    #[test]
    fn relations_apply_and_hold_on_whole_messages() {
        let messages: &[&[u8]] = &[
            b"MSH|^~\\&|LAB||X\rPID|1||1^^^A&2&I~~2|\"\"|A&B|\\T\\C^D&&|^&E|\\X2222\\|\\X0D\\PID|a*b#c$|a\\b\rZZZ\r",
            b"MSH#*~$!#A#*B!C#$F$$X41$\rPID###a!b*c~~d|e^\r",
            b"MSH|^~\\&|A|||||||||2.3\rPID|\\H\\x\\N\\|\\Q\\\r",
        ];
        for relation in RELATIONS {
            assert!(messages.iter().all(|message| holds(relation, message)), "{}", relation.name);
            assert!(
                messages.iter().any(|message| (relation.apply)(message).is_some_and(|made| made != *message)),
                "{}",
                relation.name
            );
        }
        for texts in [&[&b"\"\""[..], b"", b"|^~\\&#\r\n\0", b"\\T\\", "\u{1F600}".as_bytes()][..], &[]] {
            for delimiters in [Delimiters::default(), OTHERS] {
                assert!(survived(&read(&carrying(texts, delimiters)).tree.unwrap(), texts));
            }
        }
        let injected = b"MSH|^~\\&|A\rOBX|1|ST|SYN||a\rOBX|2|ST|SYN||b\r";
        assert!(!survived(&read(injected).tree.unwrap(), &[b"a\rOBX|2|ST|SYN||b"]));
    }
}
