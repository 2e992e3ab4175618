//! The Minimal Lower Layer Protocol: where the blocks of an input stand. Judges nothing but the framing.

use super::rules::Way;
use std::ops::Range;

const START: u8 = 0x0b;
const END: u8 = 0x1c;

/// The stretches of `input[from..]` that hold messages, and what is wrong with their framing. An input that begins with
/// no start block is one stretch, without the end block that may stand at its end.
pub(crate) fn blocks(input: &[u8], from: usize, mut breach: impl FnMut(Way, Range<usize>)) -> Vec<Range<usize>> {
    if input.get(from) != Some(&START) {
        let rest = &input[from..];
        let tail = [&[END, b'\r', b'\n'][..], &[END, b'\r'], &[END, b'\n'], &[END]];
        let end = tail.iter().find(|tail| rest.ends_with(tail)).map_or(0, |tail| tail.len());
        if end > 0 {
            breach(Way::NoStart, input.len() - end..input.len());
        }
        return std::iter::once(from..input.len() - end).collect();
    }
    let mut blocks = Vec::new();
    let mut at = from;
    while at < input.len() {
        let gap = memchr::memchr(START, &input[at..]).map_or(input.len(), |len| at + len);
        let ended = gap == input.len();
        if gap > at && !(ended && input[at..gap].iter().all(|byte| matches!(byte, b'\r' | b'\n'))) {
            breach(Way::Garbage, at..gap);
        }
        if ended {
            break;
        }
        let start = gap + 1;
        let (end, next) = block_end(input, start);
        match next - end {
            0 => breach(Way::NoEnd, gap..end),
            1 => breach(Way::NoReturn, end..next),
            _ => breach(Way::Framed, gap..next),
        }
        blocks.push(start..end);
        at = next;
    }
    blocks
}

/// Where the block that begins at `start` ends, and where the next may begin: at the first end block that is followed by
/// CR, by a start block, or by nothing.
fn block_end(input: &[u8], start: usize) -> (usize, usize) {
    for at in memchr::memchr_iter(END, &input[start..]).map(|at| start + at) {
        match input.get(at + 1) {
            Some(b'\r') => return (at, at + 2),
            Some(&START) | None => return (at, at + 1),
            Some(_) => {}
        }
    }
    (input.len(), input.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_apart() {
        let table: &[(&[u8], &[&[u8]], &[Way])] = &[
            (b"MSH|", &[b"MSH|"], &[]),
            (b"MSH|\r\x1c\r", &[b"MSH|\r"], &[Way::NoStart]),
            (b"\x0bMSH|\r\x1c\r", &[b"MSH|\r"], &[Way::Framed]),
            (b"\x0bA\x1c\r\x0bB\x1c\r", &[b"A", b"B"], &[Way::Framed, Way::Framed]),
            (b"\x0bA\x1c\x0bB\x1c", &[b"A", b"B"], &[Way::NoReturn, Way::NoReturn]),
            (b"\x0bA\x1c\rxx\x0bB", &[b"A", b"B"], &[Way::Framed, Way::Garbage, Way::NoEnd]),
            (b"\x0bA\x1cB\x1c\r", &[b"A\x1cB"], &[Way::Framed]),
            (b"\x0bA\x1c\r\n", &[b"A"], &[Way::Framed]),
            (b"\x0b", &[b""], &[Way::NoEnd]),
        ];
        for (input, expected, breaches) in table {
            let mut ways = Vec::new();
            let found: Vec<&[u8]> =
                blocks(input, 0, |way, _| ways.push(way)).into_iter().map(|at| &input[at]).collect();
            assert_eq!((&*found, &*ways), (*expected, *breaches), "{input:?}");
        }
    }
}
