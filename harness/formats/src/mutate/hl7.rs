//! Edits of HL7 v2 that parsers are known to disagree about: delimiters, escapes, line ends, frames, headers, batches,
//! character sets, and values that are empty, null or absent.

use super::{Dice, Mutator};
use crate::generate;
use crate::hl7::relations;
use crate::hl7::tokens::{Delimiters, Segment, is_header, parts, segments};
use std::ops::Range;

/// The mutators of HL7 v2.
pub(super) const MUTATORS: &[Mutator] = &[
    Mutator { name: "generate", apply: |dice, _, _| Some(generate::hl7::from_dice(dice)) },
    Mutator { name: "re-delimit", apply: re_delimit },
    Mutator { name: "re-delimit-header-only", apply: re_delimit_header },
    Mutator { name: "encoding-characters", apply: encoding_characters },
    Mutator { name: "field-separator", apply: field_separator },
    Mutator { name: "insert-escape", apply: insert_escape },
    Mutator { name: "escape-character", apply: escape_character },
    Mutator { name: "unescape", apply: unescape },
    Mutator { name: "drop-escape-character", apply: drop_escape_character },
    Mutator { name: "line-ends", apply: line_ends },
    Mutator { name: "line-feed-in-field", apply: line_feed_in_field },
    Mutator { name: "last-terminator", apply: last_terminator },
    Mutator { name: "block-byte", apply: block_byte },
    Mutator { name: "frame", apply: frame },
    Mutator { name: "unframe", apply: unframe },
    Mutator { name: "smuggle-frame", apply: smuggle_frame },
    Mutator { name: "second-header", apply: second_header },
    Mutator { name: "append-message", apply: append_message },
    Mutator { name: "batch-wrap", apply: batch_wrap },
    Mutator { name: "batch-unwrap", apply: batch_unwrap },
    Mutator { name: "charset", apply: charset },
    Mutator { name: "insert-non-ascii", apply: insert_non_ascii },
    Mutator { name: "empty-null-absent", apply: empty_null_absent },
    Mutator { name: "split", apply: split },
    Mutator { name: "join", apply: join },
    Mutator { name: "trailing-delimiters", apply: trailing_delimiters },
    Mutator { name: "segment", apply: segment },
    Mutator { name: "segment-name", apply: segment_name },
    Mutator { name: "continuation", apply: continuation },
    Mutator { name: "field", apply: field },
    Mutator { name: "value", apply: value },
    Mutator { name: "version", apply: version },
    Mutator { name: "control-character", apply: control_character },
    Mutator { name: "leading-bytes", apply: leading_bytes },
    Mutator { name: "many", apply: many },
];

/// Values at the edges of HL7's types, and the fields that routers and stores look at.
const VALUES: &[&[u8]] = &[
    b"\"\"",
    b"\"",
    b"0",
    b"-0.5",
    b"+1",
    b"1.",
    b".5",
    b"1e5",
    b"99999999999999999999",
    b"<^10",
    b">=^1^-^5",
    b"1^:^128",
    b"2026",
    b"20260230",
    b"20260815120000.1234+0000",
    b"00000000",
    b"235960",
    b"24",
    b"-1400",
    b"SYN1^^^SYNHOSP&2.999.1&ISO^MR",
    b"SYNTH^ALEX^Q^III^DR^^L",
    b"SYNTH&VAN&SYNTH^ALEX",
    b"2345-7^GLUCOSE^LN",
    b"^^^^",
    b"&&",
    b"~",
    b"TEXT^^Base64^QQ==",
    b"ORU^R01^ORU_R01",
    b"ADT^A40",
    b"AL",
    b"NE",
    b"P",
    b"T",
    b"SYN.PDF",
    b"(555)555-0100^PRN^PH",
    b" X ",
    b"a",
];
const SEPARATORS: &[u8] = b"|#$%!@*+,/:;<=>?_`{}()[]^~&\\-.'";
const CHARSETS: &[&[u8]] = &[
    b"",
    b"ASCII",
    b"8859/1",
    b"8859/15",
    b"8859/7",
    b"UNICODE UTF-8",
    b"UNICODE UTF-16",
    b"GB 18030-2000",
    b"ISO IR87",
    b"BIG-5",
    b"UTF-8",
    b"UNICODE UTF-8~8859/1",
];
const VERSIONS: &[&[u8]] =
    &[b"2.1", b"2.3", b"2.5", b"2.5.1", b"2.6", b"2.7", b"2.8.2", b"2.9", b"", b"3", b"2.5^SYN&1"];

/// `input` with `range` replaced.
fn replaced(input: &[u8], range: Range<usize>, by: &[u8]) -> Vec<u8> {
    [&input[..range.start], by, &input[range.end.max(range.start)..]].concat()
}

fn all(input: &[u8]) -> Vec<Segment> {
    segments(input).collect()
}

/// One segment.
fn one(dice: &mut Dice<'_>, input: &[u8]) -> Option<Segment> {
    let all = all(input);
    dice.pick(&all).cloned()
}

/// One header.
fn header(dice: &mut Dice<'_>, input: &[u8]) -> Option<Segment> {
    let headers: Vec<Segment> = segments(input)
        .filter(|segment| is_header(&input[segment.name.clone()]) && segment.name.end < segment.line.span.end)
        .collect();
    dice.pick(&headers).cloned()
}

/// A field of a segment that is no header's own field 1 or 2, or a part of one, and its segment.
fn part(dice: &mut Dice<'_>, input: &[u8]) -> Option<(Range<usize>, Segment)> {
    let segment = one(dice, input)?;
    let first = if is_header(&input[segment.name.clone()]) { 3 } else { 1 };
    let fields: Vec<Range<usize>> =
        segment.fields(input).filter(|(number, _)| *number >= first).map(|(_, span)| span).collect();
    let mut span = dice.pick(&fields)?.clone();
    let Delimiters { repetition, component, subcomponent, .. } = segment.delimiters;
    for delimiter in [repetition, component, subcomponent] {
        if dice.once_in(4) {
            break;
        }
        let within: Vec<Range<usize>> = parts(input, span.clone(), delimiter).collect();
        span = dice.pick(&within)?.clone();
    }
    Some((span, segment))
}

/// A place in a part, at no character's middle.
fn place(dice: &mut Dice<'_>, input: &[u8], span: &Range<usize>) -> usize {
    let mut at = span.start + dice.below(span.len() + 1);
    while at > span.start && input.get(at).is_some_and(|byte| byte & 0xc0 == 0x80) {
        at -= 1;
    }
    at
}

fn insert(dice: &mut Dice<'_>, input: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let (span, _) = part(dice, input)?;
    let at = place(dice, input, &span);
    Some(replaced(input, at..at, bytes))
}

fn delimiters(dice: &mut Dice<'_>) -> Delimiters {
    let mut left = SEPARATORS.to_vec();
    let mut next = || left.swap_remove(dice.below(left.len()));
    Delimiters {
        field: next(),
        component: Some(next()),
        repetition: Some(next()),
        escape: Some(next()),
        subcomponent: Some(next()),
        truncation: Some(next()),
    }
}

fn re_delimit(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    relations::re_delimited(input, delimiters(dice))
}

fn re_delimit_header(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let header = header(dice, input)?;
    let (_, end) = header.fields(input).find(|(number, _)| *number == 2)?;
    let mut by = delimiters(dice).header();
    by.truncate(5);
    if dice.once_in(2) {
        by[0] = header.delimiters.field;
    }
    Some(replaced(input, header.name.end..end.end, &by))
}

fn encoding_characters(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let header = header(dice, input)?;
    let (_, span) = header.fields(input).find(|(number, _)| *number == 2)?;
    let mut bytes = input[span.clone()].to_vec();
    let at = dice.below(bytes.len().max(1)).min(bytes.len());
    match dice.below(8) {
        0 => bytes.truncate(at),
        1 => bytes.clear(),
        2 => bytes.push(*dice.pick(b"#^~&|A1 ")?),
        3 => bytes.insert(at, *dice.pick(SEPARATORS)?),
        4 => bytes.extend_from_slice(&vec![*dice.pick(SEPARATORS)?; 1 << dice.below(10)]),
        5 => bytes.extend_from_slice("§".as_bytes()),
        6 if !bytes.is_empty() => bytes[at] = bytes[dice.below(bytes.len())],
        _ if !bytes.is_empty() => bytes[at] = *dice.pick(b"A1 \t\n\x00\xa7|")?,
        _ => bytes.extend_from_slice(b"^~\\&#"),
    }
    Some(replaced(input, span, &bytes))
}

fn field_separator(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let header = header(dice, input)?;
    let by: &[u8] =
        dice.pick(&[&b"A"[..], b"1", b" ", b"\t", b"\n", b"\x00", b"\xa7", "§".as_bytes(), b"^", b"", b"||"])?;
    let at = header.name.end;
    if dice.once_in(2) {
        return Some(replaced(input, at..at + 1, by));
    }
    let old = header.delimiters.field;
    Some(input.iter().flat_map(|byte| if *byte == old { by.to_vec() } else { vec![*byte] }).collect())
}

fn insert_escape(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    const BODIES: &[&[u8]] = &[
        b"F", b"S", b"T", b"R", b"E", b"P", b"H", b"N", b"X41", b"X0D", b"X0A", b"X0D0A", b"X00", b"X7C", b"XC3A9",
        b"XC3", b"XFF", b"XZZ", b"X4", b"X", b"Q", b"", b"Zabc", b"C2842", b"M244242", b".br", b".sp+3", b".in 4",
        b".xx", b"f", b"TT", b"X2222", b"X5C545C", b"E\\T\\E",
    ];
    let (span, segment) = part(dice, input)?;
    let escape = segment.delimiters.escape?;
    let at = place(dice, input, &span);
    let body = dice.pick(BODIES)?;
    let mut bytes = [&[escape][..], body, &[escape]].concat();
    bytes.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = escape);
    if dice.once_in(6) {
        bytes.pop();
    }
    Some(replaced(input, at..at, &bytes))
}

/// Spells one character of a value as an escape.
fn escape_character(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let (span, segment) = part(dice, input)?;
    let at = place(dice, input, &span);
    let escape = segment.delimiters.escape?;
    let byte = *input.get(at).filter(|_| at < span.end)?;
    let letter = segment.delimiters.escapes().into_iter().find(|(_, delimiter)| *delimiter == Some(byte));
    let body = match letter {
        Some((letter, _)) if !dice.once_in(3) => vec![letter],
        _ => format!("X{byte:02X}").into_bytes(),
    };
    Some(replaced(input, at..at + 1, &[&[escape][..], &body, &[escape]].concat()))
}

/// Puts what an escape stands for in its place: data becomes structure.
fn unescape(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let segment = one(dice, input)?;
    let escape = segment.delimiters.escape?;
    let from = segment.line.span.start + segment.name.len() + 6;
    let at: Vec<usize> = (from..segment.line.span.end).filter(|&at| input[at] == escape).collect();
    let first = dice.below(at.len().checked_sub(1).filter(|pairs| *pairs > 0)?);
    let (start, end) = (at[first], at[first + 1]);
    let by = match &input[start + 1..end] {
        [b'X', digits @ ..] => {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            digits.chunks(2).filter_map(|pair| Some((digit(pair[0])? << 4 | digit(*pair.get(1)?)?) as u8)).collect()
        }
        [letter] => {
            let meant = segment.delimiters.escapes().into_iter().find(|(spelt, _)| spelt == letter);
            vec![meant.and_then(|(_, delimiter)| delimiter).unwrap_or(*letter)]
        }
        body => body.to_vec(),
    };
    Some(replaced(input, start..end + 1, &by))
}

fn drop_escape_character(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let segment = one(dice, input)?;
    let escape = segment.delimiters.escape?;
    let at: Vec<usize> = segment.line.span.filter(|&at| input[at] == escape).collect();
    let at = *dice.pick(&at)?;
    Some(replaced(input, at..at + 1, b""))
}

fn line_ends(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let ends: &[&[u8]] = &[b"\n", b"\r\n", b"\r", b"\n\r", b"\r\r", b"\r\n\r\n", b"", b"\x0c", b"\xc2\x85", b"\r \n"];
    let by: &[u8] = dice.pick(ends)?;
    let lines: Vec<_> = all(input).into_iter().map(|segment| segment.line).collect();
    let chosen = (!dice.once_in(2)).then(|| dice.below(lines.len()));
    let mut out = Vec::with_capacity(input.len() + lines.len() * by.len());
    let mut at = 0;
    for (number, line) in lines.iter().enumerate() {
        if chosen.is_none_or(|chosen| chosen == number) {
            out.extend_from_slice(&input[at..line.span.end]);
            out.extend_from_slice(by);
            at = line.end;
        }
    }
    out.extend_from_slice(&input[at..]);
    Some(out)
}

fn line_feed_in_field(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let bytes: &[u8] = dice.pick(&[
        &b"\n"[..],
        b"\nPID|2||EVIL||X^Y",
        b"\nZZZ|1",
        b"\r\n",
        b"\rOBX|9|ST|X||EVIL",
        b"\n\nMSH|^~\\&|EVIL",
    ])?;
    insert(dice, input, bytes)
}

fn last_terminator(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let kept = input.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'))? + 1;
    let end: &[u8] = dice.pick(&[&b""[..], b"\r", b"\n", b"\r\r", b"\r\x1c\r", b"\r\x1a", b"\r "])?;
    Some([&input[..kept], end].concat())
}

fn block_byte(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let bytes: &[u8] = dice.pick(&[&b"\x0b"[..], b"\x1c", b"\x1c\r", b"\x1c\r\x0b", b"\x0b\x0b"])?;
    let at = dice.below(input.len() + 1);
    Some(replaced(input, at..at, bytes))
}

fn frame(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let start: &[u8] = dice.pick(&[&b"\x0b"[..], b"\x0b", b"\x0b", b"", b"\x0b\x0b"])?;
    let end: &[u8] = dice.pick(&[&b"\x1c\r"[..], b"\x1c\r", b"\x1c\r", b"\x1c", b"", b"\x1c\n", b"\x1c\r\n"])?;
    let framed = [start, input, end].concat();
    let garbage: &[u8] = dice.pick(&[&b""[..], b"", b"x", b"\r\n"])?;
    Some(if dice.once_in(4) { [&framed[..], garbage, start, other, end].concat() } else { framed })
}

fn unframe(_: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let kept: Vec<u8> = input.iter().copied().filter(|byte| !matches!(byte, 0x0b | 0x1c)).collect();
    (kept.len() < input.len()).then_some(kept)
}

fn smuggle_frame(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let evil = b"MSH|^~\\&|EVIL|X|||2026||ADT^A08|SYN2|P|2.5\rPID|1||999||HACK^ED\r";
    let other = if dice.once_in(2) && !other.is_empty() { other } else { evil };
    insert(dice, input, &[b"\x1c\r\x0b", other].concat())
}

fn second_header(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let header = header(dice, input)?;
    let line = input[header.line.span.clone()].to_vec();
    let line = if dice.once_in(2) { relations::re_delimited(&line, delimiters(dice))? } else { line };
    let at = one(dice, input)?.line.end;
    Some(replaced(input, at..at, &[&line[..], b"\r"].concat()))
}

fn append_message(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let other = if dice.once_in(2) { relations::re_delimited(other, delimiters(dice))? } else { other.to_vec() };
    Some([input, &other].concat())
}

fn batch_wrap(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let both = dice.once_in(2);
    let messages = [input, if both { other } else { b"" }].concat();
    let true_count = segments(&messages).filter(|segment| &messages[segment.name.clone()] == b"MSH").count();
    let mut count = |count: usize| match dice.below(5) {
        0 => String::new(),
        1 => (count + 1).to_string(),
        2 => String::from("x"),
        _ => count.to_string(),
    };
    let (inner, outer) = (count(true_count), count(1));
    let mut header = delimiters(dice).header();
    header.truncate(5);
    let header: &[u8] = if dice.once_in(3) { &header } else { b"|^~\\&" };
    let part = |on: bool, bytes: &[&[u8]]| if on { bytes.concat() } else { Vec::new() };
    let (file, batch) = (dice.once_in(2), !dice.once_in(4));
    let (file_end, batch_end) = (file != dice.once_in(8), batch != dice.once_in(8));
    let separator = &header[..1];
    Some(
        [
            part(file, &[b"FHS", header, separator, b"SYN\r"]),
            part(batch, &[b"BHS", header, separator, b"SYN\r"]),
            messages,
            part(batch_end, &[b"BTS", separator, inner.as_bytes(), b"\r"]),
            part(file_end, &[b"FTS", separator, outer.as_bytes(), b"\r"]),
        ]
        .concat(),
    )
}

fn batch_unwrap(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let envelopes: Vec<Segment> = segments(input)
        .filter(|segment| {
            matches!(&input[segment.name.clone()], b"FHS" | b"BHS")
                || input[segment.line.span.clone()].starts_with(b"BTS")
                || input[segment.line.span.clone()].starts_with(b"FTS")
        })
        .collect();
    let line = &dice.pick(&envelopes)?.line;
    Some(replaced(input, line.span.start..line.end, b""))
}

/// Sets a field of a header, adding separators up to it.
fn set_header_field(dice: &mut Dice<'_>, input: &[u8], number: usize, by: &[u8]) -> Option<Vec<u8>> {
    let header = header(dice, input)?;
    let fields: Vec<(usize, Range<usize>)> = header.fields(input).collect();
    match fields.iter().find(|(at, _)| *at == number) {
        Some((_, span)) => Some(replaced(input, span.clone(), by)),
        None => {
            let last = fields.last()?.0.max(2);
            let end = header.line.span.end;
            Some(replaced(input, end..end, &[&vec![header.delimiters.field; number - last][..], by].concat()))
        }
    }
}

fn charset(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let name = *dice.pick(CHARSETS)?;
    match dice.below(4) {
        0 => Some([&b"\xff\xfe"[..], &input.iter().flat_map(|byte| [*byte, 0]).collect::<Vec<u8>>()].concat()),
        1 => {
            let text = String::from_utf8_lossy(input);
            Some(text.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect())
        }
        _ => set_header_field(dice, input, 18, name),
    }
}

fn insert_non_ascii(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    const TEXTS: &[&[u8]] = &[
        "Ü".as_bytes(),
        "ÜÜÜ".as_bytes(),
        "é\\T\\".as_bytes(),
        "漢字".as_bytes(),
        "\u{1F600}".as_bytes(),
        "e\u{301}".as_bytes(),
        "\u{feff}".as_bytes(),
        "\u{85}".as_bytes(),
        "\u{2028}".as_bytes(),
        "\u{a0}".as_bytes(),
        "\u{ff5c}".as_bytes(),
        b"\xdc",
        b"\xff",
        b"\xc0\xbc",
        b"\xed\xa0\x80",
        b"\x81\x7c",
        b"\x83\x5c",
        b"\x1b$B",
    ];
    let text = *dice.pick(TEXTS)?;
    insert(dice, input, text)
}

fn empty_null_absent(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let (span, segment) = part(dice, input)?;
    match dice.below(4) {
        0 => Some(replaced(input, span, b"")),
        1 => Some(replaced(input, span.start..segment.line.span.end, b"")),
        2 => Some(replaced(input, span, b"\"")),
        _ => Some(replaced(input, span, b"\"\"")),
    }
}

fn any_delimiter(dice: &mut Dice<'_>, delimiters: &Delimiters) -> Option<u8> {
    let Delimiters { field, repetition, component, subcomponent, .. } = *delimiters;
    *dice.pick(&[Some(field), repetition, component, subcomponent])?
}

fn split(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let (span, segment) = part(dice, input)?;
    let at = place(dice, input, &span);
    let delimiter = any_delimiter(dice, &segment.delimiters)?;
    Some(replaced(input, at..at, &[delimiter]))
}

fn join(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let segment = one(dice, input)?;
    let delimiter = any_delimiter(dice, &segment.delimiters)?;
    let at: Vec<usize> = segment.line.span.filter(|&at| input[at] == delimiter).collect();
    let at = *dice.pick(&at)?;
    Some(replaced(input, at..at + 1, b""))
}

fn trailing_delimiters(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let (span, segment) = part(dice, input)?;
    let at = if dice.once_in(2) { segment.line.span.end } else { span.end };
    let count = 1 + dice.below(4);
    let bytes: Vec<u8> = (0..count).filter_map(|_| any_delimiter(dice, &segment.delimiters)).collect();
    Some(replaced(input, at..at, &bytes))
}

fn segment(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let all = all(input);
    let line = &dice.pick(&all)?.line;
    let whole = line.span.start..line.end;
    match dice.below(5) {
        0 => Some(replaced(input, whole, b"")),
        1 => Some(replaced(input, whole.end..whole.end, &input[whole])),
        2 => {
            let with = &dice.pick(&all)?.line;
            let with = with.span.start..with.end;
            let (a, b) = if whole.start < with.start { (whole, with) } else { (with, whole) };
            (a.end <= b.start).then(|| {
                [&input[..a.start], &input[b.clone()], &input[a.end..b.start], &input[a], &input[b.end..]].concat()
            })
        }
        3 => Some([b"MSH|^~\\&|SYN|||||||||2.5\r", &input[whole]].concat()),
        _ => {
            let with = one(dice, other)?.line;
            Some(replaced(input, whole.end..whole.end, &other[with.span.start..with.end]))
        }
    }
}

fn segment_name(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    const NAMES: &[&[u8]] = &[
        b"pid",
        b"P!D",
        b"ZZ",
        b"TOOLONG",
        b"",
        b"1AB",
        b"ZZZ",
        b"PID",
        b"OBX",
        b"MSH",
        b" PID",
        b"PI\xc3\x9c",
        b"BTS",
        b"FTS",
    ];
    let name = one(dice, input)?.name;
    let by = *dice.pick(NAMES)?;
    Some(replaced(input, name, by))
}

fn continuation(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let line: &[u8] = dice.pick(&[&b"ADD|GOES ON|HERE\r"[..], b"DSC|SYN-NEXT|I\r", b"ADD\r", b"ADD|\r"])?;
    let at = one(dice, input)?.line.end;
    Some(replaced(input, at..at, line))
}

fn field(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let (span, segment) = part(dice, input)?;
    let separator = [segment.delimiters.field];
    match dice.below(4) {
        0 => Some(replaced(input, span.start..(span.end + 1).min(segment.line.span.end), b"")),
        1 => Some(replaced(input, span.end..span.end, &[&separator[..], &input[span]].concat())),
        2 => {
            let (with, _) = part(dice, input)?;
            let (a, b) = if span.start < with.start { (span, with) } else { (with, span) };
            (a.end <= b.start).then(|| {
                [&input[..a.start], &input[b.clone()], &input[a.end..b.start], &input[a], &input[b.end..]].concat()
            })
        }
        _ => {
            let (with, _) = part(dice, other)?;
            Some(replaced(input, span, &other[with]))
        }
    }
}

fn value(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let (span, _) = part(dice, input)?;
    let value = *dice.pick(VALUES)?;
    Some(replaced(input, span, value))
}

fn version(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let version = *dice.pick(VERSIONS)?;
    set_header_field(dice, input, 12, version)
}

fn control_character(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let byte = [*dice.pick(b"\x00\x00\x01\t\x08\x0c\x1a\x1b\x1d\x7f")?];
    insert(dice, input, &byte)
}

fn leading_bytes(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let bytes: &[u8] = dice.pick(&[
        &b"\xef\xbb\xbf"[..],
        b" ",
        b"\r",
        b"\n",
        b"\r\n\r\n",
        b"\t",
        b"\x00",
        b"PID|0\r",
        b"\xef\xbb\xbf\x0b",
    ])?;
    Some([bytes, input].concat())
}

/// Repeats a part, a delimiter or a segment: at most 64 KiB more.
fn many(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    let (span, segment) = part(dice, input)?;
    let delimiter = any_delimiter(dice, &segment.delimiters)?;
    let (at, unit) = match dice.below(3) {
        0 => (span.end, vec![delimiter]),
        1 => (span.end, [&[delimiter][..], &input[span]].concat()),
        _ => (segment.line.end, input[segment.line.span.start..segment.line.end].to_vec()),
    };
    let count = (1 << dice.below(13)).min((64 << 10) / unit.len().max(1));
    Some(replaced(input, at..at, &unit.repeat(count)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7;
    use crate::rules::{Policy, Side};
    use std::collections::{BTreeMap, BTreeSet};

    const MESSAGE: &[u8] = b"MSH|^~\\&|LAB|ACME|EHR|CLINIC|20260815081500||ORU^R01^ORU_R01|SYN1|P|2.5\r\
        PID|1||SYN123^^^ACME&2.999.1&ISO^MR~SYN456^^^B||SYNTH\\T\\CO^J\\X4F\\HN||19800101|M\r\
        OBX|1|ST|X||\\.br\\text|\r";

    fn rolls(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed;
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }
    }

    #[test]
    fn every_mutator_changes_a_message_and_takes_anything() {
        for mutator in MUTATORS {
            let changed = (0..40).filter(|&seed| {
                let mut roll = rolls(seed);
                let made = (mutator.apply)(&mut Dice::new(&mut roll), MESSAGE, b"MSH|^~\\&|B\rZZZ|a~b^c&d\r");
                let mut roll = rolls(seed);
                let again = (mutator.apply)(&mut Dice::new(&mut roll), MESSAGE, b"MSH|^~\\&|B\rZZZ|a~b^c&d\r");
                assert_eq!(made, again, "{} is not deterministic", mutator.name);
                made.is_some_and(|made| made != MESSAGE)
            });
            let framed = [b"\x0b", MESSAGE, b"\x1c\r"].concat();
            let batch = [b"BHS|^~\\&\r", MESSAGE, b"BTS|1\r"].concat();
            let on = |input: &[u8]| {
                (0..9).any(|seed| (mutator.apply)(&mut Dice::new(&mut rolls(seed)), input, input).is_some())
            };
            assert!(changed.count() > 0 || on(&framed) || on(&batch), "{} does nothing", mutator.name);
            for odd in
                [&b""[..], b"MSH", b"MSH|", b"M", b"|", b"\r\n\n", b"MSH|^~\\&\x0b|\xff\xfe\\X\\\\", b"MSH\xa7^~\r\xc2"]
            {
                for seed in 0..60 {
                    (mutator.apply)(&mut Dice::new(&mut rolls(seed)), odd, odd);
                    (mutator.apply)(&mut Dice::new(&mut rolls(seed)), MESSAGE, odd);
                    (mutator.apply)(&mut Dice::new(&mut rolls(seed)), odd, MESSAGE);
                }
            }
        }
    }

    /// From one message, three edits deep: the ways to break a rule that mutation reaches.
    #[test]
    fn mutation_reaches_nearly_every_case() {
        let mut reached: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        let mut accepted = 0;
        for seed in 0..6000 {
            let mut roll = rolls(seed);
            let mut dice = Dice::new(&mut roll);
            let mut input = MESSAGE.to_vec();
            let mut last = "";
            for _ in 0..1 + dice.below(3) {
                let mutator = dice.pick(MUTATORS).copied().unwrap();
                if let Some(made) = (mutator.apply)(&mut dice, &input, MESSAGE).filter(|made| made.len() < 1 << 17) {
                    (input, last) = (made, mutator.name);
                }
            }
            let reading = hl7::read(&input);
            accepted += usize::from(reading.side(Policy::TolerantReader) == Side::Accept);
            for breach in reading.breaches {
                reached.entry((breach.case.rule, breach.case.name)).or_default().insert(last);
            }
        }
        // Whole inputs of nothing, and a gigabyte of tree, are not made by small edits.
        let beyond = ["empty", "too-many-parts"];
        for case in hl7::CASES.iter().filter(|case| !beyond.contains(&case.name)) {
            assert!(reached.contains_key(&(case.rule, case.name)), "no mutation reached {}/{}", case.rule, case.name);
        }
        assert!(accepted > 1500, "{accepted} of 6000 still acceptable");
    }
}
