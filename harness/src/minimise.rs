//! Smaller inputs and smaller corpora: whatever a caller's question says yes to, made as small and as plain as a bounded
//! number of tries allows. Knows nothing of targets; deterministic.

use std::ops::Range;

/// Tries that minimising one finding is worth by default.
pub const TRIES_MAX: u64 = 20_000;

/// A smaller input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minimised {
    /// The smallest input found that the question still says yes to.
    pub bytes: Vec<u8>,
    /// Times that the question was asked.
    pub tries: u64,
    /// Whether nothing smaller was left to try, or the tries ran out.
    pub end: End,
}

/// How minimising ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// No single change makes it smaller or plainer.
    Minimal,
    /// The tries ran out first.
    OutOfTries,
}

/// Makes `input` smaller and plainer as long as `holds` says yes; `None` if it does not even of `input` itself (twice: an
/// answer that changes is none).
pub fn minimise(input: &[u8], tries_max: u64, holds: impl FnMut(&[u8]) -> bool) -> Option<Minimised> {
    let mut search = Search { best: input.to_vec(), scratch: Vec::new(), tries: 0, tries_max: tries_max.max(2), holds };
    if !(search.holds)(input) || !(search.holds)(input) {
        return None;
    }
    search.tries = 2;
    search.shrink();
    let end = if search.tries >= search.tries_max { End::OutOfTries } else { End::Minimal };
    Some(Minimised { bytes: search.best, tries: search.tries, end })
}

/// An input of a corpus, for [`cover`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its length, bytes.
    pub bytes: u64,
    /// What it covers, each once, in any order, counted from 0 without large gaps: see [`features`].
    pub features: Vec<u32>,
    /// Whether it may be dropped.
    pub pin: Pin,
}

/// Whether an input may be dropped from a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// If others cover what it does.
    Free,
    /// Never: a regression, a bomb, a witness of something that coverage does not see.
    Kept,
}

/// Indices of a small set of candidates that covers what all do together, pinned ones included, in their order. For each
/// feature the smallest input that has it; the rarest feature first; then whatever became superfluous goes, largest first.
pub fn cover(candidates: &[Candidate]) -> Vec<usize> {
    let width = candidates.iter().flat_map(|c| &c.features).map(|feature| *feature as usize + 1).max().unwrap_or(0);
    let mut by_size: Vec<usize> = (0..candidates.len()).collect();
    by_size.sort_by_key(|index| (candidates[*index].bytes, *index));
    let (mut smallest, mut owners) = (vec![usize::MAX; width], vec![0_u32; width]);
    for &index in by_size.iter().rev() {
        for &feature in &candidates[index].features {
            smallest[feature as usize] = index;
            owners[feature as usize] += 1;
        }
    }
    let mut kept: Vec<bool> = candidates.iter().map(|candidate| candidate.pin == Pin::Kept).collect();
    let mut times = vec![0_u32; width];
    for (index, candidate) in candidates.iter().enumerate() {
        if kept[index] {
            candidate.features.iter().for_each(|feature| times[*feature as usize] += 1);
        }
    }
    let mut rarest: Vec<usize> = (0..width).filter(|feature| owners[*feature] > 0).collect();
    rarest.sort_by_key(|feature| (owners[*feature], *feature));
    for feature in rarest {
        let index = smallest[feature];
        if times[feature] == 0 && !kept[index] {
            kept[index] = true;
            candidates[index].features.iter().for_each(|feature| times[*feature as usize] += 1);
        }
    }
    for &index in by_size.iter().rev() {
        let candidate = &candidates[index];
        let is_superfluous = candidate.features.iter().all(|feature| times[*feature as usize] > 1);
        if kept[index] && candidate.pin == Pin::Free && is_superfluous {
            kept[index] = false;
            candidate.features.iter().for_each(|feature| times[*feature as usize] -= 1);
        }
    }
    (0..candidates.len()).filter(|index| kept[*index]).collect()
}

/// Features of one execution: each counter with the class of its value (1, 2, 3, 4–7, 8–15, 16–31, 32–127, 128–255), as
/// fuzzers since AFL tell counts apart. Sorted.
pub fn features(counters: &[u8]) -> Vec<u32> {
    let counted = counters.iter().enumerate().filter(|(_, count)| **count > 0);
    counted.map(|(index, count)| index as u32 * 8 + u32::from(count_class(*count))).collect()
}

/// AFL's class of a count above 0, from 0 to 7.
pub(crate) const fn count_class(count: u8) -> u8 {
    match count {
        0..=1 => 0,
        2 => 1,
        3 => 2,
        4..=7 => 3,
        8..=15 => 4,
        16..=31 => 5,
        32..=127 => 6,
        128.. => 7,
    }
}

/// Bytes that are plain already; others become the first of these that is allowed.
const PLAIN: [u8; 4] = [b'0', b' ', b'a', 0];
/// Pieces of structure looked at in one round.
const PIECES_MAX: usize = 4096;
/// Brackets inside of one that are tried in its place.
const HOISTED_MAX: usize = 4;

struct Search<F> {
    best: Vec<u8>,
    scratch: Vec<u8>,
    tries: u64,
    tries_max: u64,
    holds: F,
}

impl<F: FnMut(&[u8]) -> bool> Search<F> {
    fn shrink(&mut self) {
        if !self.best.is_empty() && self.replace(0..self.best.len(), &[]) {
            return;
        }
        self.cut_tail();
        loop {
            let before = self.best.clone();
            self.remove_chunks();
            self.remove_pieces();
            self.simplify();
            if self.best == before || self.is_over() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.tries >= self.tries_max
    }

    /// Puts `with` in place of `range`, if that holds.
    fn replace(&mut self, range: Range<usize>, with: &[u8]) -> bool {
        if self.is_over() {
            return false;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.best[..range.start]);
        self.scratch.extend_from_slice(with);
        self.scratch.extend_from_slice(&self.best[range.end..]);
        if self.scratch == self.best {
            return false;
        }
        self.tries += 1;
        let holds = (self.holds)(&self.scratch);
        if holds {
            std::mem::swap(&mut self.best, &mut self.scratch);
        }
        holds
    }

    /// Halves the tail that is cut: what a parser did not reach goes in a few tries.
    fn cut_tail(&mut self) {
        let mut chunk = self.best.len() / 2;
        while chunk > 0 {
            let len = self.best.len();
            if chunk > len || !self.replace(len - chunk..len, &[]) {
                chunk /= 2;
            }
        }
    }

    /// Chunks of every power of two, from the end to the start: what is later depends on what is earlier.
    fn remove_chunks(&mut self) {
        let mut size = (self.best.len() / 2).max(1).next_power_of_two();
        loop {
            let mut end = self.best.len();
            while end > 0 && !self.is_over() {
                let start = end.saturating_sub(size);
                self.replace(start..end, &[]);
                end = start;
            }
            if size == 1 {
                return;
            }
            size /= 2;
        }
    }

    /// Removes lines, fields, brackets with their contents, strings and numbers; then replaces brackets by what is inside
    /// of them. Structure that chunks cannot cut, because both ends have to go at once.
    fn remove_pieces(&mut self) {
        let mut at = 0;
        loop {
            // The pieces lie elsewhere after each success. `at` moves on only past failures, so this ends.
            let pieces = pieces(&self.best);
            let Some(piece) = pieces.get(at).cloned() else { return };
            if self.is_over() {
                return;
            }
            let inner = piece.start + 1..piece.end - 1;
            let is_wrapped = matches!(
                (self.best[piece.start], self.best[piece.end - 1]),
                (b'{', b'}') | (b'[', b']') | (b'(', b')') | (b'<', b'>') | (b'"', b'"')
            );
            let mut done = self.replace(piece.clone(), &[]);
            if !done && is_wrapped && inner.start < inner.end {
                let contents = self.best[inner.clone()].to_vec();
                done = self.replace(inner.clone(), &[])
                    || self.replace(piece.clone(), b"0")
                    || self.replace(piece.clone(), &contents);
                // One of the brackets inside, in place of this one.
                let mut hoisted = 0;
                for child in
                    pieces[at + 1..].iter().filter(|child| inner.start <= child.start && child.end <= inner.end)
                {
                    let is_bracket = matches!(self.best.get(child.start), Some(b'{' | b'[' | b'(' | b'<'));
                    if done || hoisted >= HOISTED_MAX {
                        break;
                    }
                    if is_bracket {
                        hoisted += 1;
                        let child = self.best[child.clone()].to_vec();
                        done = self.replace(piece.clone(), &child);
                    }
                }
            }
            if !done {
                at += 1;
            }
        }
    }

    /// Plain bytes for all others: runs first, then each alone.
    fn simplify(&mut self) {
        let mut size = self.best.len().next_power_of_two();
        while size > 0 && !self.is_over() {
            let mut start = 0;
            while start < self.best.len() {
                let end = (start + size).min(self.best.len());
                let chunk = &self.best[start..end];
                if chunk.iter().any(|byte| !PLAIN.contains(byte)) {
                    // Line breaks stay where they are unless they are tried alone: they are structure, not text.
                    let is_kept = |byte: u8| size > 1 && matches!(byte, b'\r' | b'\n');
                    let plain = |with: u8| chunk.iter().map(move |b| if is_kept(*b) { *b } else { with }).collect();
                    let candidates: [Vec<u8>; 4] = PLAIN.map(plain);
                    candidates.iter().any(|with| self.replace(start..end, with));
                }
                start = end;
            }
            size /= 2;
        }
    }
}

/// Pieces of text that make sense to remove at once, longest first: balanced brackets and strings (with the key before and
/// the comma beside them), lines, fields of any of the usual separators, words. Never more than [`PIECES_MAX`].
fn pieces(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut string: Option<usize> = None;
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate() {
        if let Some(start) = string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    string = None;
                    with_neighbours(bytes, start..at + 1, &mut found);
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => string = Some(at),
            b'{' | b'[' | b'(' | b'<' => open.push((byte, at)),
            b'}' | b']' | b')' | b'>' => {
                let opener = match byte {
                    b'}' => b'{',
                    b']' => b'[',
                    b')' => b'(',
                    _ => b'<',
                };
                // A closing bracket without its partner closes nothing; one inside of others closes those as well.
                if let Some(depth) = open.iter().rposition(|(open, _)| *open == opener) {
                    let start = open[depth].1;
                    open.truncate(depth);
                    with_neighbours(bytes, start..at + 1, &mut found);
                }
            }
            byte if is_word(byte) && (at == 0 || !is_word(bytes[at - 1])) => {
                let len = bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
                with_neighbours(bytes, at..at + len, &mut found);
            }
            _ => {}
        }
    }
    for separator in *b"\r\n|^~&,;\t =/" {
        let mut start = 0;
        for at in (0..bytes.len()).filter(|at| bytes[*at] == separator).chain([bytes.len()]) {
            // The field with the separator before it, so that nothing doubled is left.
            let piece = start..at;
            if piece.len() > 1 {
                found.push(piece);
            }
            start = at;
        }
    }
    found.sort_by_key(|piece| (std::cmp::Reverse(piece.len()), piece.start));
    found.dedup();
    found.truncate(PIECES_MAX);
    found
}

/// Numbers and literals.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-' | b'_')
}

/// The piece; with the comma on one side; with `"key":` before it and the comma on one side.
fn with_neighbours(bytes: &[u8], piece: Range<usize>, found: &mut Vec<Range<usize>>) {
    let space_before = |mut at: usize| {
        while at > 0 && bytes[at - 1].is_ascii_whitespace() {
            at -= 1;
        }
        at
    };
    let mut comma_after = piece.end;
    while bytes.get(comma_after).is_some_and(u8::is_ascii_whitespace) {
        comma_after += 1;
    }
    let has_comma_after = bytes.get(comma_after) == Some(&b',');
    let mut add = |start: usize, end: usize| {
        found.push(start..end);
        if has_comma_after {
            found.push(start..comma_after + 1);
        }
        let before = space_before(start);
        if before > 0 && bytes[before - 1] == b',' {
            found.push(before - 1..end);
        }
    };
    add(piece.start, piece.end);
    let colon = space_before(piece.start);
    if colon > 0 && bytes[colon - 1] == b':' {
        let quote = space_before(colon - 1);
        // Keys have no escaped quotes worth caring for.
        if quote > 1
            && bytes[quote - 1] == b'"'
            && let Some(start) = bytes[..quote - 1].iter().rposition(|byte| *byte == b'"')
        {
            add(start, piece.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(haystack: &[u8], needle: &[u8]) -> bool {
        haystack.windows(needle.len()).any(|window| window == needle)
    }

    fn check(input: &[u8], wanted: &[u8], holds: impl Fn(&[u8]) -> bool) {
        let found = minimise(input, TRIES_MAX, |bytes| holds(bytes)).expect("holds at first");
        assert_eq!(found.bytes, wanted, "{:?} in {} tries", String::from_utf8_lossy(&found.bytes), found.tries);
        assert_eq!(found.end, End::Minimal);
        assert_eq!(minimise(input, TRIES_MAX, |bytes| holds(bytes)).unwrap(), found, "deterministic");
    }

    #[test]
    fn what_does_not_hold_is_refused() {
        assert_eq!(minimise(b"abc", TRIES_MAX, |_| false), None);
        let mut flaky = [true, false].into_iter();
        assert_eq!(minimise(b"abc", TRIES_MAX, |_| flaky.next().unwrap()), None);
    }

    #[test]
    fn bytes_that_do_not_matter_go_and_the_rest_becomes_plain() {
        check(b"xxxxxxxxFHxxxxxxxxIRxxxx", b"FHIR", |bytes| {
            let at = |byte| bytes.iter().position(|b| *b == byte);
            let found = [b'F', b'H', b'I', b'R'].map(at);
            found.iter().all(Option::is_some) && found.is_sorted()
        });
        check(b"anything", b"", |_| true);
        check(&[7; 100], b"0000000000", |bytes| bytes.len() >= 10);
        check(b"MSH|^~\\&|A|B\rPID|1||123\rOBX|1|NM|\r", b"OBX|0|N", |bytes| {
            bytes.split(|b| *b == b'\r').any(|line| {
                let fields: Vec<&[u8]> = line.split(|b| *b == b'|').collect();
                fields[0] == b"OBX" && fields.len() >= 3 && fields[1].len() == 1 && fields[2].starts_with(b"N")
            })
        });
    }

    #[test]
    fn json_keeps_its_balance() {
        let input = br#"{"resourceType": "Patient", "name": [{"family": "Chalmers", "given": ["Peter", "James"]}],
            "contact": [{"relationship": [{"coding": [{"system": "http://x", "code": "N"}]}]}], "active": true}"#;
        let holds = |bytes: &[u8]| {
            serde_json::from_slice::<serde_json::Value>(bytes).is_ok()
                && contains(bytes, b"\"coding\"")
                && contains(bytes, b"[")
        };
        let found = minimise(input, TRIES_MAX, holds).unwrap();
        assert!(found.bytes.len() <= 13, "{:?}", String::from_utf8_lossy(&found.bytes));
        let depth = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'[').count();
        let deep = [b"{\"a\":".repeat(40), b"[".repeat(50), b"]".repeat(50), b"}".repeat(40)].concat();
        check(&deep, &[b"[".repeat(20), b"]".repeat(20)].concat(), |bytes| {
            serde_json::from_slice::<serde_json::Value>(bytes).is_ok() && depth(bytes) >= 20
        });
    }

    #[test]
    fn tries_are_bounded() {
        let input: Vec<u8> = (0..100_000_u32).map(|n| (n * 7) as u8).collect();
        let mut asked = 0;
        let found = minimise(&input, 500, |bytes| {
            asked += 1;
            bytes.len() % 2 == 0
        });
        let found = found.unwrap();
        assert!(asked <= 500 && found.tries <= 500, "{asked}");
        // Every question is about something smaller or plainer; nothing wrong is ever kept.
        assert_eq!(found.bytes.len() % 2, 0);
        let input = [b"((((<<<{{{[[[\"".repeat(2000), b"\x00\xff".repeat(50)].concat();
        assert_eq!(minimise(&input, 300, |bytes| bytes.len() > 20_000).unwrap().end, End::OutOfTries);
    }

    #[test]
    fn a_cover_is_small_and_keeps_what_is_pinned() {
        let candidate = |bytes, features: &[u32], pin| Candidate { bytes, features: features.to_vec(), pin };
        use Pin::{Free, Kept};
        for (candidates, wanted) in [
            (vec![], vec![]),
            (vec![candidate(9, &[1, 2], Free), candidate(3, &[1], Free), candidate(4, &[2], Free)], vec![1, 2]),
            (vec![candidate(9, &[1, 2, 3], Free), candidate(3, &[1], Free), candidate(4, &[2], Free)], vec![0]),
            (vec![candidate(9, &[1], Kept), candidate(3, &[1], Free), candidate(1, &[], Free)], vec![0]),
            (vec![candidate(5, &[], Kept), candidate(3, &[1], Free), candidate(3, &[1], Free)], vec![0, 1]),
        ] {
            assert_eq!(cover(&candidates), wanted, "{candidates:?}");
        }
    }

    #[test]
    fn a_cover_covers_everything_whatever_the_order() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..50 {
            let candidates: Vec<Candidate> = (0..random(60))
                .map(|_| Candidate {
                    bytes: random(20),
                    features: (0..random(12)).map(|_| random(40) as u32).collect(),
                    pin: if random(10) == 0 { Pin::Kept } else { Pin::Free },
                })
                .map(|mut candidate| {
                    candidate.features.sort_unstable();
                    candidate.features.dedup();
                    candidate
                })
                .collect();
            let covered = |indices: &[usize]| {
                let all: std::collections::BTreeSet<u32> =
                    indices.iter().flat_map(|i| candidates[*i].features.clone()).collect();
                all
            };
            let all: Vec<usize> = (0..candidates.len()).collect();
            let kept = cover(&candidates);
            assert_eq!(covered(&kept), covered(&all));
            assert!(all.iter().all(|i| candidates[*i].pin == Pin::Free || kept.contains(i)));
            for free in kept.iter().filter(|i| candidates[**i].pin == Pin::Free) {
                let others: Vec<usize> = kept.iter().copied().filter(|i| i != free).collect();
                assert_ne!(covered(&others), covered(&all), "{free} is superfluous");
            }
        }
    }
}
