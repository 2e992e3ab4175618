//! Mutators of FHIR in NDJSON: edits of lines, and those of FHIR in JSON within one line.

use super::{Dice, Mutator, fhir_json, json};
use std::ops::Range;

/// The mutators.
pub const MUTATORS: &[Mutator] = &[
    Mutator { name: "line-json", apply: line_json },
    Mutator { name: "line-fhir", apply: line_fhir },
    Mutator { name: "line-repeat", apply: line_repeat },
    Mutator { name: "line-remove", apply: line_remove },
    Mutator { name: "line-swap", apply: line_swap },
    Mutator { name: "line-blank", apply: line_blank },
    Mutator { name: "line-splice", apply: line_splice },
    Mutator { name: "line-join", apply: line_join },
    Mutator { name: "line-split", apply: line_split },
    Mutator { name: "line-ends", apply: line_ends },
    Mutator { name: "line-last", apply: line_last },
    Mutator { name: "line-array", apply: line_array },
    Mutator { name: "generate", apply: generate },
];

type Edited = Option<Vec<u8>>;

/// Where the lines stand, without their ends.
fn lines(input: &[u8]) -> Vec<Range<usize>> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        found.push(at..at + text.len());
        at += line.len();
    }
    found
}

fn any_line(dice: &mut Dice<'_>, input: &[u8]) -> Option<Range<usize>> {
    dice.pick(&lines(input)).cloned()
}

fn in_line(dice: &mut Dice<'_>, input: &[u8], other: &[u8], of: &[Mutator]) -> Edited {
    let line = any_line(dice, input)?;
    let donor = any_line(dice, other).map_or(&b""[..], |line| &other[line]);
    let new = (dice.pick(of)?.apply)(dice, &input[line.clone()], donor)?;
    Some(super::scan::replace(input, line, &new))
}

fn line_json(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    in_line(dice, input, other, json::MUTATORS)
}

fn line_fhir(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    in_line(dice, input, other, fhir_json::MUTATORS)
}

fn line_repeat(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let line = any_line(dice, input)?;
    Some([&input[..line.end], b"\n", &input[line.clone()], &input[line.end..]].concat())
}

fn line_remove(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let line = any_line(dice, input)?;
    Some([&input[..line.start], &input[(line.end + 1).min(input.len())..]].concat())
}

fn line_swap(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let (one, two) = (any_line(dice, input)?, any_line(dice, input)?);
    let (a, b) = if one.start <= two.start { (one, two) } else { (two, one) };
    (a != b)
        .then(|| [&input[..a.start], &input[b.clone()], &input[a.end..b.start], &input[a], &input[b.end..]].concat())
}

fn line_blank(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let line = any_line(dice, input)?;
    let blank = *dice.pick(&[&b"\n"[..], b"\n\n", b" \n", b"\r\n", b"\t\n", b"\xef\xbb\xbf\n"])?;
    let at = if dice.once_in(3) { input.len() } else { line.start };
    Some(super::scan::replace(input, at..at, blank))
}

fn line_splice(dice: &mut Dice<'_>, input: &[u8], other: &[u8]) -> Edited {
    let donor = any_line(dice, other)?;
    let line = any_line(dice, input)?;
    Some([&input[..line.start], &other[donor], b"\n", &input[line.start..]].concat())
}

/// Two lines become one.
fn line_join(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let line = any_line(dice, input)?;
    let with = *dice.pick(&[&b""[..], b" ", b",", b"\r", b"\x1e", b"\xe2\x80\xa8"])?;
    input.get(line.end).map(|_| super::scan::replace(input, line.end..line.end + 1, with))
}

/// One line becomes several: a newline between two tokens, or within a string.
fn line_split(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let line = any_line(dice, input)?;
    let text = &input[line.clone()];
    let places: Vec<usize> =
        text.iter().enumerate().filter(|(_, byte)| b",:{[".contains(byte)).map(|(at, _)| at).collect();
    let at = line.start + dice.pick(&places)? + 1;
    Some(super::scan::replace(input, at..at, dice.pick(&[&b"\n"[..], b"\r\n", b"\r", b"\n  "])?))
}

fn line_ends(dice: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let end = *dice.pick(&[&b"\r\n"[..], b"\r", b"\n\r", b" \n", b"\xe2\x80\xa8"])?;
    let new = input.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(end);
    (new != input).then_some(new)
}

/// The last line's end comes or goes.
fn line_last(_: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    Some(input.strip_suffix(b"\n").map_or_else(|| [input, b"\n"].concat(), <[u8]>::to_vec))
}

/// The whole as one array.
fn line_array(_: &mut Dice<'_>, input: &[u8], _: &[u8]) -> Edited {
    let lines: Vec<&[u8]> = lines(input).into_iter().map(|line| &input[line]).filter(|line| !line.is_empty()).collect();
    Some([b"[", &lines.join(&b","[..])[..], b"]"].concat())
}

/// A few whole new resources.
fn generate(dice: &mut Dice<'_>, _: &[u8], _: &[u8]) -> Edited {
    let lines: Vec<Vec<u8>> =
        (0..1 + dice.below(4)).map(|_| crate::fhir::write_json(&fhir_json::generated(dice))).collect();
    Some([&lines.join(&b"\n"[..])[..], b"\n"].concat())
}
