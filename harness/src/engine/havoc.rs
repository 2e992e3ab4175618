//! Havoc: stacked random mutations. The classic ones, crossover and tokens are LibAFL's, driven one by one; the ones
//! for text, for records and for growth are ours.

use super::schedule::Pair;
use autoclave_formats::mutate::{Dice, Mutator};
use libafl::corpus::{Corpus, InMemoryCorpus, Testcase};
use libafl::inputs::BytesInput;
use libafl::mutators::havoc_mutations::{HavocMutationsType, havoc_mutations};
use libafl::mutators::{MutationId, MutatorsTuple, Tokens};
use libafl::state::{HasCorpus, HasMaxSize, HasRand, StdState};
use libafl_bolts::HasLen;
use libafl_bolts::rands::{Rand, StdRand};
use std::num::NonZeroUsize;
use std::ops::Range;

type Inputs = InMemoryCorpus<BytesInput>;
type State = StdState<Inputs, BytesInput, StdRand, Inputs>;

/// Tokens beyond this are left out: every further one makes each of them rarer.
const TOKENS_MAX: usize = 8_192;
/// How far a nested value is followed: the cost of one mutation stays small.
const NESTED_BYTES_MAX: usize = 4096;
/// Tokens of the first rank; each is compared with all others when it is added.
const PREFERRED_MAX: usize = 1_024;
/// Longest token; longer ones are cut by nobody, they are seeds.
const TOKEN_BYTES_MAX: usize = 64;

/// Random state, corpus for crossover, dictionary, and the mutators.
pub(crate) struct Havoc {
    state: State,
    classic: HavocMutationsType,
    classic_count: usize,
    tokens: Tokens,
    /// Tokens of the first rank: written by people, or seen as operands of compares.
    preferred: Vec<Box<[u8]>>,
    len_max: usize,
}

impl Havoc {
    pub(crate) fn new(seed: u64, len_max: usize) -> Result<Self, libafl::Error> {
        let mut state =
            State::new(StdRand::with_seed(seed), InMemoryCorpus::new(), InMemoryCorpus::new(), &mut (), &mut ())?;
        state.set_max_size(len_max);
        let classic = havoc_mutations();
        let classic_count = classic.len();
        Ok(Self { state, classic, classic_count, tokens: Tokens::new(), preferred: Vec::new(), len_max })
    }

    /// Makes an input known to crossover.
    pub(crate) fn learn(&mut self, input: &[u8]) -> Result<(), libafl::Error> {
        self.state.corpus_mut().add(Testcase::new(BytesInput::new(input.to_vec()))).map(drop)
    }

    /// Adds a token of the second rank: text and constants found in the module.
    pub(crate) fn add_token(&mut self, token: &[u8]) {
        if !token.is_empty() && token.len() <= TOKEN_BYTES_MAX && self.tokens.len() < TOKENS_MAX {
            self.tokens.add_token(&token.to_vec());
        }
    }

    /// Adds a token of the first rank.
    pub(crate) fn prefer_token(&mut self, token: &[u8]) {
        if (2..=TOKEN_BYTES_MAX).contains(&token.len())
            && self.preferred.len() < PREFERRED_MAX
            && !self.preferred.iter().any(|known| **known == *token)
        {
            self.preferred.push(token.into());
        }
    }

    /// A number below `bound`; 0 where that is impossible.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        NonZeroUsize::new(bound).map_or(0, |bound| self.state.rand_mut().below(bound))
    }

    pub(crate) fn len_max(&self) -> usize {
        self.len_max
    }

    pub(crate) fn rand(&mut self) -> &mut StdRand {
        self.state.rand_mut()
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state.rand_mut().next()
    }

    /// Changes `input` by one to sixteen stacked mutations. `pairs` are operands that a compare of this input had.
    pub(crate) fn mutate(&mut self, input: &mut BytesInput, pairs: &[Pair]) {
        let stacked = 1 << (self.next() >> 32).trailing_zeros().min(4);
        for _ in 0..stacked {
            self.mutate_once(input, pairs);
        }
        if input.as_ref().len() > self.len_max {
            input.as_mut().truncate(self.len_max);
        }
    }

    /// An edit of one to four steps by mutators that know the format. `None` where nothing could be done, or the result is
    /// too long.
    pub(crate) fn edited(&mut self, mutators: &[Mutator], input: &[u8], other: &[u8]) -> Option<Vec<u8>> {
        let steps = 1 + (self.next() >> 32).trailing_zeros().min(3);
        let mut mutant: Option<Vec<u8>> = None;
        for _ in 0..steps {
            let mutator = &mutators[self.below(mutators.len())];
            let from = mutant.as_deref().unwrap_or(input);
            let rand = self.state.rand_mut();
            let edited = (mutator.apply)(&mut Dice::new(&mut || rand.next()), from, other);
            // One that has nothing to do here leaves what the others did.
            mutant = edited.filter(|bytes| bytes.len() <= self.len_max).or(mutant);
        }
        mutant
    }

    /// [`Havoc::edited`], and one in four with a step of bytes as well. The corpus must not be empty.
    pub(crate) fn structured(&mut self, mutators: &[Mutator], input: &[u8], other: &[u8]) -> Option<Vec<u8>> {
        let mutant = self.edited(mutators, input, other)?;
        if self.below(4) > 0 {
            return Some(mutant);
        }
        let mut mutant = BytesInput::new(mutant);
        self.mutate_once(&mut mutant, &[]);
        mutant.as_mut().truncate(self.len_max);
        Some(mutant.into_inner())
    }

    fn mutate_once(&mut self, input: &mut BytesInput, pairs: &[Pair]) {
        let bytes: &mut Vec<u8> = input.as_mut();
        if bytes.is_empty() {
            let grown = 1 + self.below(16.min(self.len_max));
            let fill = self.next().to_le_bytes();
            bytes.extend((0..grown).map(|at| fill[at % 8]));
            return;
        }
        match self.below(36) {
            0..=15 => {
                let id = self.below(self.classic_count);
                // A mutator that cannot work on this input says so by `Skipped`; errors are about corpora on disk.
                let _ = self.classic.get_and_mutate(MutationId::from(id), &mut self.state, input);
            }
            16..=21 => self.token(bytes),
            22..=24 if !pairs.is_empty() => {
                let pair = &pairs[self.below(pairs.len())];
                replace_occurrence(bytes, pair, self.state.rand_mut());
            }
            22..=24 => self.token(bytes),
            25 => self.number(bytes),
            26 => self.repeat_chunk(bytes),
            27 => self.move_chunk(bytes),
            28 => self.bracketed(bytes),
            29 => {
                let at = self.below(bytes.len());
                bytes[at] = PRINTABLE[self.below(PRINTABLE.len())];
            }
            30 => {
                let at = self.below(bytes.len() + 1);
                let byte = PRINTABLE[self.below(PRINTABLE.len())];
                bytes.insert(at, byte);
            }
            31 => {
                let from = self.below(bytes.len());
                let count = 1 + self.below((bytes.len() - from).min(32));
                bytes.drain(from..from + count);
            }
            _ => self.nested(bytes),
        }
    }

    /// Writes a token over the input or between its bytes.
    fn token(&mut self, bytes: &mut Vec<u8>) {
        let preferred = self.preferred.len();
        let others = self.tokens.len();
        let first_rank = preferred > 0 && (others == 0 || self.below(2) == 0);
        let (count, len_max) = (if first_rank { preferred } else { others }, self.len_max);
        if count == 0 {
            return;
        }
        let (index, roll) = (self.below(count), self.below(3));
        let place = self.next() as usize;
        let token: &[u8] = if first_rank { &self.preferred[index] } else { &self.tokens.tokens()[index] };
        if roll > 0 {
            if bytes.len() + token.len() <= len_max {
                let at = place % (bytes.len() + 1);
                bytes.splice(at..at, token.iter().copied());
            }
        } else {
            let at = place % bytes.len();
            let end = (at + token.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&token[..end - at]);
        }
    }

    /// Replaces a run of decimal digits (or writes one anywhere) by another number.
    fn number(&mut self, bytes: &mut Vec<u8>) {
        const NUMBERS: &[&str] = &[
            "0",
            "1",
            "-1",
            "00",
            "9",
            "10",
            "99",
            "100",
            "127",
            "128",
            "255",
            "256",
            "32767",
            "32768",
            "65535",
            "65536",
            "2147483647",
            "2147483648",
            "-2147483649",
            "4294967295",
            "4294967296",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "1e309",
            "1e-400",
            "0.1",
            "-0",
            "1E+2",
        ];
        let start = self.below(bytes.len());
        let from = (start..bytes.len()).find(|at| bytes[*at].is_ascii_digit()).unwrap_or(start);
        let digits = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = NUMBERS[self.below(NUMBERS.len())];
        if bytes.len() + number.len() <= self.len_max {
            bytes.splice(from..from + digits, number.bytes());
        }
    }

    /// Writes a chunk again after itself, up to 64 times: long fields, deep nesting, many records.
    fn repeat_chunk(&mut self, bytes: &mut Vec<u8>) {
        let from = self.below(bytes.len());
        let len = 1 + self.below((bytes.len() - from).min(64));
        let times = 1 << self.below(7);
        let room = self.len_max.saturating_sub(bytes.len()) / len;
        let times = times.min(room);
        if times == 0 {
            return;
        }
        let tail = bytes.len() - from - len;
        let grown = bytes.len() + len * times;
        bytes.resize(grown, 0);
        bytes.copy_within(from + len..from + len + tail, from + len + len * times);
        for copy in 1..=times {
            bytes.copy_within(from..from + len, from + len * copy);
        }
    }

    /// Copies a chunk to another place, over what stands there.
    fn move_chunk(&mut self, bytes: &mut [u8]) {
        let from = self.below(bytes.len());
        let to = self.below(bytes.len());
        let len = 1 + self.below((bytes.len() - from.max(to)).min(64));
        bytes.copy_within(from..from + len, to);
    }

    /// Works on a whole value of nested text (JSON and its like): an object, an array, a string, with all that is in it.
    /// Emptied, removed with the comma beside it, doubled, replaced by another value of the input or by a plain one.
    fn nested(&mut self, bytes: &mut Vec<u8>) {
        let start = self.below(bytes.len());
        // Strings are many and their ends look like beginnings: brackets have to be asked for.
        let opens: &[u8] = if self.below(4) > 0 { b"[{" } else { b"\"[{(" };
        let Some(span) = next_value(bytes, start, opens).or_else(|| next_value(bytes, 0, opens)) else {
            if let Some(completed) = completed(bytes) {
                *bytes = completed;
            }
            return;
        };
        if bytes[span.start] == b'{' && self.below(4) == 0 {
            return self.member(bytes, &span);
        }
        match self.below(6) {
            0 => drop(bytes.drain(span.start + 1..span.end - 1)),
            1 => {
                let after = bytes.get(span.end) == Some(&b',');
                let before = !after && span.start > 0 && bytes[span.start - 1] == b',';
                bytes.drain(span.start - usize::from(before)..span.end + usize::from(after));
            }
            2 => {
                let copy: Vec<u8> = std::iter::once(b',').chain(bytes[span.clone()].iter().copied()).collect();
                if bytes.len() + copy.len() <= self.len_max {
                    bytes.splice(span.end..span.end, copy);
                }
            }
            3 => {
                let elsewhere = self.below(bytes.len());
                if let Some(other) = next_value(bytes, elsewhere, opens)
                    && bytes.len() + other.len() <= self.len_max + span.len()
                {
                    let copy = bytes[other].to_vec();
                    bytes.splice(span, copy);
                }
            }
            4 if matches!(bytes[span.start], b'[' | b'{') => {
                let last = last_element(bytes, span.start + 1..span.end - 1);
                self.enumerate(bytes, last, b",");
            }
            _ => {
                let plain = PLAIN[self.below(PLAIN.len())];
                if bytes.len() + plain.len() <= self.len_max + span.len() {
                    bytes.splice(span, plain.iter().copied());
                }
            }
        }
    }

    /// Gives an object one member more, first or last: a word of the dictionary and a plain value.
    fn member(&mut self, bytes: &mut Vec<u8>, object: &Range<usize>) {
        let Some(token) = self.any_token() else { return };
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@' | b'$');
        let Some(from) = token.iter().position(is_word) else { return };
        let word: Vec<u8> = token[from..].iter().copied().take_while(is_word).collect();
        let plain = PLAIN[self.below(PLAIN.len())];
        let mut member = Vec::with_capacity(word.len() + plain.len() + 4);
        let is_empty = object.len() == 2;
        let last = !is_empty && self.below(2) == 0;
        if last {
            member.push(b',');
        }
        member.push(b'"');
        member.extend_from_slice(&word);
        member.extend_from_slice(b"\":");
        member.extend_from_slice(plain);
        if !is_empty && !last {
            member.push(b',');
        }
        let at = if last { object.end - 1 } else { object.start + 1 };
        if bytes.len() + member.len() <= self.len_max {
            bytes.splice(at..at, member);
        }
    }

    /// A token of either rank, both ranks alike.
    fn any_token(&mut self) -> Option<&[u8]> {
        let (preferred, others) = (self.preferred.len(), self.tokens.len());
        let first_rank = preferred > 0 && (others == 0 || self.below(2) == 0);
        let index = self.below(if first_rank { preferred } else { others });
        if first_rank { Some(&self.preferred[index]) } else { self.tokens.tokens().get(index).map(Vec::as_slice) }
    }

    /// Writes copies of a piece behind it that differ in one byte, as members with names of their own or numbered records
    /// do: what fills a map or makes a table grow is many that differ.
    fn enumerate(&mut self, bytes: &mut Vec<u8>, piece: Range<usize>, before_each: &[u8]) {
        let room = self.len_max.saturating_sub(bytes.len()) / (piece.len() + before_each.len()).max(1);
        let copies = (1 << self.below(7)).min(room);
        let start = self.below(piece.len());
        let changes = |byte: &u8| byte.is_ascii_alphanumeric();
        let Some(place) = bytes[piece.clone()].iter().skip(start).position(changes).map(|at| start + at) else {
            return;
        };
        let mut added = Vec::with_capacity(copies * (piece.len() + before_each.len()));
        for copy in 1..=copies {
            added.extend_from_slice(before_each);
            let begin = added.len();
            added.extend_from_slice(&bytes[piece.clone()]);
            added[begin + place] = numbered(bytes[piece.start + place], copy);
        }
        bytes.splice(piece.end..piece.end, added);
    }

    /// Deletes, doubles or enumerates what stands between two equal delimiters: a field, a member, an element, a line.
    fn bracketed(&mut self, bytes: &mut Vec<u8>) {
        const DELIMITERS: &[u8] = b",|\n\r<\"&^ {[:;";
        let start = self.below(bytes.len());
        let Some(from) = (start..bytes.len()).find(|at| DELIMITERS.contains(&bytes[*at])) else { return };
        let delimiter = bytes[from];
        let len = bytes[from + 1..]
            .iter()
            .take(512)
            .position(|byte| *byte == delimiter)
            .map_or(bytes.len() - from, |n| n + 1);
        let roll = self.below(3);
        if roll == 0 {
            bytes.drain(from..from + len);
        } else if roll == 1 {
            self.enumerate(bytes, from..from + len, b"");
        } else if bytes.len() + len <= self.len_max {
            let old = bytes.len();
            bytes.resize(old + len, 0);
            bytes.copy_within(from..old, from + len);
        }
    }
}

/// Bytes that mean something to most text formats.
pub(crate) const PRINTABLE: &[u8] = b"0123456789\"'<>{}[]()|^~\\&:;,.-+*/=!?#@$%_ \t\r\nabcdefnrstuxABEFLNTXZ\0";

/// Values of nested text that [`nested_mutants`] works on, at most.
const NESTED_VALUES_MAX: usize = 128;

/// What single changes of whole values make of nested text: each object and array emptied, nulled and removed, each
/// string emptied. Few, and each of them is what a parser of such text has to be ready for.
pub(super) fn nested_mutants(input: &[u8]) -> Vec<Vec<u8>> {
    let mut mutants = Vec::new();
    let mut replace = |span: &Range<usize>, by: &[u8]| {
        let mut mutant = Vec::with_capacity(input.len());
        mutant.extend_from_slice(&input[..span.start]);
        mutant.extend_from_slice(by);
        mutant.extend_from_slice(&input[span.end..]);
        mutants.push(mutant);
    };
    let mut at = 0;
    for _ in 0..NESTED_VALUES_MAX {
        let Some(span) = next_value(input, at, b"[{\"") else { break };
        let inner = span.start + 1..span.end - 1;
        let is_text = input[span.start] == b'"';
        if !inner.is_empty() {
            replace(&inner, b"");
        }
        if !is_text {
            replace(&span, b"null");
            let after = span.end + usize::from(input.get(span.end) == Some(&b','));
            replace(&(span.start..after), b"");
        }
        // Strings hold no values; the ends of strings must not be taken for beginnings.
        at = if is_text { span.end } else { inner.start };
    }
    mutants
}

/// Plain values of nested text.
const PLAIN: &[&[u8]] = &[b"null", b"true", b"0", b"-1", b"1.0", b"\"\"", b"[]", b"{}", b"[null]", b"[[]]", b"[{}]"];

/// Nested text with everything closed that it leaves open, and a value where one is due: what a parser stopped at the end
/// of goes on to what it does with a whole document.
pub(crate) fn completed(input: &[u8]) -> Option<Vec<u8>> {
    const DEPTH_MAX: usize = 64;
    let mut open: Vec<(u8, bool)> = Vec::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut last = 0;
    for &byte in input.iter().take(NESTED_BYTES_MAX) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => open.push((byte, false)),
            b'}' | b']' => drop(open.pop()),
            b':' => {
                if let Some((_, has_key)) = open.last_mut() {
                    *has_key = true;
                }
            }
            b',' => {
                if let Some((_, has_key)) = open.last_mut() {
                    *has_key = false;
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
    }
    if open.is_empty() || open.len() > DEPTH_MAX || input.len() > NESTED_BYTES_MAX || escaped {
        return None;
    }
    let mut whole = input.to_vec();
    if quoted {
        whole.push(b'"');
        last = b'"';
    }
    let (innermost, has_key) = *open.last()?;
    match last {
        b',' => whole.truncate(whole.iter().rposition(|byte| *byte == b',').unwrap_or(whole.len())),
        b':' => whole.extend_from_slice(b"null"),
        b'"' if innermost == b'{' && !has_key => whole.extend_from_slice(b":null"),
        _ => {}
    }
    whole.extend(open.iter().rev().map(|(bracket, _)| if *bracket == b'{' { b'}' } else { b']' }));
    Some(whole)
}

/// The last of the elements that commas part in a bracketed value, given what stands between its brackets.
fn last_element(bytes: &[u8], inner: Range<usize>) -> Range<usize> {
    let mut start = inner.start;
    let (mut depth, mut quoted, mut escaped) = (0i32, false, false);
    for at in inner.clone() {
        match bytes[at] {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth -= 1,
            b',' if depth == 0 => start = at + 1,
            _ => {}
        }
    }
    start..inner.end
}

/// A letter or digit so many further on, around the alphabet or the digits, then the other case.
fn numbered(byte: u8, by: usize) -> u8 {
    const ORDER: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let at = ORDER.iter().position(|known| *known == byte).unwrap_or(0);
    // Digits stay digits as long as there are any: a number stays one.
    if at < 10 && by < 10 { ORDER[(at + by) % 10] } else { ORDER[(at + by) % ORDER.len()] }
}

/// The first bracketed or quoted value that begins at or behind `start` and ends within the input, its brackets included.
fn next_value(bytes: &[u8], start: usize, opens: &[u8]) -> Option<Range<usize>> {
    let from = start + bytes[start..].iter().take(NESTED_BYTES_MAX).position(|byte| opens.contains(byte))?;
    let mut open = Vec::new();
    let mut quoted = false;
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate().skip(from).take(NESTED_BYTES_MAX) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' | b'(' => open.push(byte),
            b'}' | b']' | b')' => drop(open.pop()),
            _ => {}
        }
        if open.is_empty() && !quoted {
            return Some(from..at + 1);
        }
    }
    None
}

/// Replaces an occurrence of the pair's first side by its second; the search starts at a random place.
fn replace_occurrence(bytes: &mut Vec<u8>, pair: &Pair, rand: &mut StdRand) {
    let (from, to) = (&*pair.from, &*pair.to);
    if from.is_empty() || bytes.len() < from.len() {
        return;
    }
    let places = bytes.len() - from.len() + 1;
    let start = rand.below_or_zero(places);
    let found = (start..places).chain(0..start).find(|at| bytes[*at..].starts_with(from));
    if let Some(at) = found {
        if from.len() == to.len() {
            bytes[at..at + to.len()].copy_from_slice(to);
        } else {
            bytes.splice(at..at + from.len(), to.iter().copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_mutate_equally_and_lengths_are_bounded() {
        let outputs = |seed| {
            let mut havoc = Havoc::new(seed, 100).unwrap();
            havoc.learn(b"another input").unwrap();
            havoc.add_token(b"token");
            havoc.prefer_token(b"better");
            let pairs = [Pair { from: b"bc".as_slice().into(), to: b"12345".as_slice().into() }];
            let mut input = BytesInput::new(Vec::new());
            let mut all = Vec::new();
            for _ in 0..20_000 {
                havoc.mutate(&mut input, &pairs);
                assert!(input.as_ref().len() <= 100);
                all.push(input.as_ref().clone());
            }
            all
        };
        assert_eq!(outputs(7), outputs(7));
        assert_ne!(outputs(7), outputs(8));
    }

    #[test]
    fn pairs_replace_what_they_find() {
        let mut rand = StdRand::with_seed(1);
        let pair = Pair { from: b"99".as_slice().into(), to: b"1000".as_slice().into() };
        let mut bytes = b"size=99;".to_vec();
        replace_occurrence(&mut bytes, &pair, &mut rand);
        assert_eq!(bytes, b"size=1000;");
        replace_occurrence(&mut bytes, &pair, &mut rand);
        assert_eq!(bytes, b"size=1000;");
    }

    #[test]
    fn values_are_found_whole() {
        let text = br#"{"a":[1,{"b":"]\""}],"c":"x"}"#;
        let value = |start| next_value(text, start, b"\"[{(").map(|span| std::str::from_utf8(&text[span]).unwrap());
        assert_eq!(value(0), Some(r#"{"a":[1,{"b":"]\""}],"c":"x"}"#));
        assert_eq!(value(1), Some(r#""a""#));
        assert_eq!(value(5), Some(r#"[1,{"b":"]\""}]"#));
        assert_eq!(value(6), Some(r#"{"b":"]\""}"#));
        assert_eq!(value(text.len() - 1), None);
        assert_eq!(next_value(b"[[[", 0, b"["), None);
    }

    #[test]
    fn each_value_is_emptied_nulled_and_removed_once() {
        let mutants = nested_mutants(br#"{"a":["x"],"b":{}}"#);
        let texts: Vec<&str> = mutants.iter().map(|mutant| std::str::from_utf8(mutant).unwrap()).collect();
        for wanted in
            [r#"{}"#, r#"{"a":[],"b":{}}"#, r#"{"a":null,"b":{}}"#, r#"{"a":["x"],"b":null}"#, r#"{"a":[""],"b":{}}"#]
        {
            assert!(texts.contains(&wanted), "{wanted} is not among {texts:?}");
        }
        assert!(nested_mutants(b"MSH|^~\\&|A").is_empty());
        assert!(nested_mutants(&b"[".repeat(100_000)).len() <= 3 * NESTED_VALUES_MAX);
    }

    #[test]
    fn what_is_open_is_closed() {
        let cases = [
            (r#"{"a":"x""#, Some(r#"{"a":"x"}"#)),
            (r#"{"a":"x"#, Some(r#"{"a":"x"}"#)),
            (r#"{"a""#, Some(r#"{"a":null}"#)),
            (r#"{"a":[1,{"b":"#, Some(r#"{"a":[1,{"b":null}]}"#)),
            (r#"[1,"#, Some("[1]")),
            (r#"{"a":1,"#, Some(r#"{"a":1}"#)),
            (r#"{"a":"]"#, Some(r#"{"a":"]"}"#)),
            ("{}", None),
            ("MSH|", None),
            (r#"{"a\"#, None),
        ];
        for (input, whole) in cases {
            let got = completed(input.as_bytes());
            assert_eq!(got.as_deref().map(|got| std::str::from_utf8(got).unwrap()), whole, "{input}");
        }
    }

    #[test]
    fn objects_get_members_with_words_of_the_dictionary() {
        let mut havoc = Havoc::new(1, 200).unwrap();
        havoc.prefer_token(b"\"name\":");
        let found = (0..4_000).any(|_| {
            let mut bytes = br#"{"id":"1"}"#.to_vec();
            havoc.nested(&mut bytes);
            bytes == br#"{"id":"1","name":[]}"#
        });
        assert!(found);
    }

    #[test]
    fn members_are_enumerated() {
        let mut havoc = Havoc::new(5, 2_000).unwrap();
        let mut keys_max = 0;
        for _ in 0..2_000 {
            let mut bytes = br#"{"id":[1,2],"a":1}"#.to_vec();
            havoc.nested(&mut bytes);
            if let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(&bytes) {
                keys_max = keys_max.max(members.len());
            }
        }
        assert!(keys_max > 32, "{keys_max}");
        assert_eq!(last_element(b"[1,{\"a\":[2,3]}]", 1..14), 3..14);
        assert_eq!((numbered(b'9', 1), numbered(b'a', 1), numbered(b'Z', 1)), (b'0', b'b', b'0'));
    }

    #[test]
    fn an_array_is_emptied_soon() {
        let mut havoc = Havoc::new(1, 200).unwrap();
        let found = (0..2_000).any(|_| {
            let mut bytes = br#"{"name":[{"family":"x","given":["y"]}],"id":"1"}"#.to_vec();
            havoc.nested(&mut bytes);
            bytes == br#"{"name":[],"id":"1"}"#
        });
        assert!(found);
    }

    #[test]
    fn chunks_repeat_in_place() {
        let mut havoc = Havoc::new(3, 1000).unwrap();
        for _ in 0..200 {
            let mut bytes = b"0123456789".to_vec();
            havoc.repeat_chunk(&mut bytes);
            assert!(bytes.starts_with(b"0") && bytes.ends_with(b"9") && bytes.len() > 10);
        }
    }
}
