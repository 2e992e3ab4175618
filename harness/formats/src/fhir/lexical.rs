//! The regular expressions of FHIR's primitives as tables: one step a byte, so that no value costs more than its length.
//! (The published one of base64Binary takes exponential time in engines that try one way after the other.)
//!
//! Only what the definitions use: literals, classes, `\s`, `\S`, groups, `|`, `?`, `*`, `+`, `{m,n}`. A whole value must
//! match. Bytes above 0x7f are no blanks and belong to every negated class, so text need not be valid UTF-8.

use std::collections::BTreeMap;

/// States that a pattern may have; the largest published one has 66.
const STATES_MAX: usize = 256;
/// Repetitions of a counted group.
const REPEAT_MAX: u32 = 128;

/// A deterministic automaton over bytes.
#[derive(Debug, Clone)]
pub struct Lexical {
    classes: [u8; 256],
    stride: usize,
    /// State after a state and a class; state 0 is where nothing matches any more, 1 is the first.
    steps: Vec<u8>,
    accepts: Vec<bool>,
}

/// A set of bytes.
type Bytes = [bool; 256];

#[derive(Debug, Clone)]
enum Part {
    Bytes(Box<Bytes>),
    All(Vec<Part>),
    One(Vec<Part>),
    Repeat(Box<Part>, u32, Option<u32>),
}

/// A state of the automaton that is not deterministic yet.
#[derive(Debug, Clone)]
enum State {
    Byte(Box<Bytes>, usize),
    Split(Vec<usize>),
    Match,
}

impl Lexical {
    /// Builds the table of `pattern`; `None` where it uses what is not known here or is too large.
    pub fn new(pattern: &str) -> Option<Self> {
        let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
        let mut rest = pattern.strip_suffix('$').unwrap_or(pattern).as_bytes();
        let part = one_of(&mut rest)?;
        if !rest.is_empty() {
            return None;
        }
        let mut states = vec![State::Match];
        let start = link(&part, 0, &mut states);
        determinise(&states, start)
    }

    /// Whether all of `text` matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        let mut state = 1;
        for &byte in text {
            state = usize::from(self.steps[state * self.stride + usize::from(self.classes[usize::from(byte)])]);
        }
        self.accepts[state]
    }
}

fn one_of(rest: &mut &[u8]) -> Option<Part> {
    let mut ways = vec![all_of(rest)?];
    while let Some(after) = rest.strip_prefix(b"|") {
        *rest = after;
        ways.push(all_of(rest)?);
    }
    if ways.len() == 1 { ways.pop() } else { Some(Part::One(ways)) }
}

fn all_of(rest: &mut &[u8]) -> Option<Part> {
    let mut parts = Vec::new();
    while !matches!(rest.first(), None | Some(b'|' | b')')) {
        let part = atom(rest)?;
        parts.push(repeated(part, rest)?);
    }
    Some(Part::All(parts))
}

fn repeated(part: Part, rest: &mut &[u8]) -> Option<Part> {
    let (low, high, after) = match *rest {
        [b'?', after @ ..] => (0, Some(1), after),
        [b'*', after @ ..] => (0, None, after),
        [b'+', after @ ..] => (1, None, after),
        [b'{', after @ ..] => {
            let end = after.iter().position(|byte| *byte == b'}')?;
            let counts = std::str::from_utf8(&after[..end]).ok()?;
            let (low, high) = counts.split_once(',').unwrap_or((counts, counts));
            let high: u32 = high.parse().ok().filter(|&high| high <= REPEAT_MAX)?;
            (low.parse().ok().filter(|&low| low <= high)?, Some(high), &after[end + 1..])
        }
        _ => return Some(part),
    };
    *rest = after;
    Some(Part::Repeat(Box::new(part), low, high))
}

fn atom(rest: &mut &[u8]) -> Option<Part> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    match first {
        b'(' => {
            *rest = rest.strip_prefix(b"?:").unwrap_or(rest);
            let inside = one_of(rest)?;
            *rest = rest.strip_prefix(b")")?;
            Some(inside)
        }
        b'[' => class(rest),
        b'\\' => {
            let mut bytes = Box::new([false; 256]);
            escape(rest, &mut bytes)?;
            Some(Part::Bytes(bytes))
        }
        b'.' | b'^' | b'$' | b'?' | b'*' | b'+' | b'{' => None,
        _ => {
            let mut bytes = Box::new([false; 256]);
            bytes[usize::from(first)] = true;
            Some(Part::Bytes(bytes))
        }
    }
}

fn class(rest: &mut &[u8]) -> Option<Part> {
    let mut bytes = Box::new([false; 256]);
    let negated = rest.strip_prefix(b"^");
    *rest = negated.unwrap_or(rest);
    loop {
        let (&first, after) = rest.split_first()?;
        *rest = after;
        match (first, *rest) {
            (b']', _) => break,
            (b'\\', _) => escape(rest, &mut bytes)?,
            (first, [b'-', last, after @ ..]) if *last != b']' => {
                bytes[usize::from(first)..=usize::from(*last)].fill(true);
                *rest = after;
            }
            (first, _) => bytes[usize::from(first)] = true,
        }
    }
    if negated.is_some() {
        bytes.iter_mut().for_each(|is| *is = !*is);
    }
    Some(Part::Bytes(bytes))
}

fn escape(rest: &mut &[u8], bytes: &mut Bytes) -> Option<()> {
    let (&escaped, after) = rest.split_first()?;
    *rest = after;
    let blank = |byte: usize| matches!(byte, 9..=13 | 32);
    match escaped {
        b's' => (0..256).filter(|&byte| blank(byte)).for_each(|byte| bytes[byte] = true),
        b'S' => (0..256).filter(|&byte| !blank(byte)).for_each(|byte| bytes[byte] = true),
        b'r' => bytes[13] = true,
        b'n' => bytes[10] = true,
        b't' => bytes[9] = true,
        byte if byte.is_ascii_punctuation() => bytes[usize::from(byte)] = true,
        _ => return None,
    }
    Some(())
}

/// Adds the states of `part` before state `then`; the first of them.
fn link(part: &Part, then: usize, states: &mut Vec<State>) -> usize {
    let add = |state: State, states: &mut Vec<State>| {
        states.push(state);
        states.len() - 1
    };
    match part {
        Part::Bytes(bytes) => add(State::Byte(bytes.clone(), then), states),
        Part::All(parts) => parts.iter().rev().fold(then, |then, part| link(part, then, states)),
        Part::One(ways) => {
            let ways = ways.iter().map(|part| link(part, then, states)).collect();
            add(State::Split(ways), states)
        }
        Part::Repeat(part, low, None) => {
            let again = add(State::Split(Vec::new()), states);
            let first = link(part, again, states);
            states[again] = State::Split(vec![first, then]);
            (0..*low).fold(again, |then, _| link(part, then, states))
        }
        Part::Repeat(part, low, Some(high)) => {
            let optional = (*low..*high).fold(then, |after, _| {
                let first = link(part, after, states);
                add(State::Split(vec![first, then]), states)
            });
            (0..*low).fold(optional, |then, _| link(part, then, states))
        }
    }
}

/// States that can be reached without a byte, sorted.
fn closure(states: &[State], from: Vec<usize>) -> Vec<usize> {
    let mut seen = vec![false; states.len()];
    let mut waiting = from;
    while let Some(at) = waiting.pop() {
        if !std::mem::replace(&mut seen[at], true)
            && let State::Split(ways) = &states[at]
        {
            waiting.extend(ways);
        }
    }
    (0..states.len()).filter(|&at| seen[at] && !matches!(states[at], State::Split(_))).collect()
}

fn determinise(states: &[State], start: usize) -> Option<Lexical> {
    let (classes, examples) = byte_classes(states);
    let mut found = vec![Vec::new(), closure(states, vec![start])];
    let mut numbers: BTreeMap<Vec<usize>, u8> = BTreeMap::from([(found[0].clone(), 0), (found[1].clone(), 1)]);
    let mut steps = vec![0; examples.len()];
    let mut at = 1;
    while at < found.len() {
        for &byte in &examples {
            let next = found[at].iter().filter_map(|&state| match &states[state] {
                State::Byte(bytes, then) if bytes[usize::from(byte)] => Some(*then),
                _ => None,
            });
            let next = closure(states, next.collect());
            let number = match numbers.get(&next) {
                Some(&number) => number,
                None if found.len() >= STATES_MAX => return None,
                None => {
                    numbers.insert(next.clone(), found.len() as u8);
                    found.push(next);
                    (found.len() - 1) as u8
                }
            };
            steps.push(number);
        }
        at += 1;
    }
    let accepts = found.iter().map(|held| held.iter().any(|&state| matches!(states[state], State::Match))).collect();
    Some(Lexical { classes, stride: examples.len(), steps, accepts })
}

/// Bytes that no state tells apart share a class; with an example of each.
fn byte_classes(states: &[State]) -> ([u8; 256], Vec<u8>) {
    let mut classes = [0; 256];
    let mut examples = Vec::new();
    let mut numbers: BTreeMap<Vec<bool>, u8> = BTreeMap::new();
    for byte in 0..=255 {
        let told = states.iter().filter_map(|state| match state {
            State::Byte(bytes, _) => Some(bytes[usize::from(byte)]),
            _ => None,
        });
        let next = numbers.len() as u8;
        let number = *numbers.entry(told.collect()).or_insert(next);
        if number == next && usize::from(number) == examples.len() {
            examples.push(byte);
        }
        classes[usize::from(byte)] = number;
    }
    (classes, examples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_values_match() {
        let table = [
            ("[1-9][0-9]*", "7|70|19", "|0|07|+7|7 |x"),
            ("a|b+(c|d){1,2}", "a|bc|bbdd|bcd", "|ab|b|bccc|c"),
            (r"[A-Za-z0-9\-\.]{1,3}", "a|a-.|9", "|a_|abcd"),
            (r"[^\s]+(\s[^\s]+)*", "a|a b|é b", "| a|a  b|a "),
            (r"(\s*([0-9a-zA-Z\+/=]){4}\s*)+", "QUJD|  QUJD QUJD ", "QUJ|QU JD|QUJDQ"),
            (r"^[\s\S]+$", "a\nb| ", ""),
            (r"(?:ab)?\S*", "|ab|é", "a b"),
        ];
        for (pattern, yes, no) in table {
            let lexical = Lexical::new(pattern).unwrap();
            yes.split('|').for_each(|text| assert!(lexical.matches(text.as_bytes()), "{pattern} {text:?}"));
            no.split('|').for_each(|text| assert!(!lexical.matches(text.as_bytes()), "{pattern} {text:?}"));
        }
        for wrong in ["(", "a)", "[a", "a{2", "a{3,1}", "a{1,1000}", r"\d", "*", "a**", "."] {
            assert!(Lexical::new(wrong).is_none(), "{wrong}");
        }
    }
}
