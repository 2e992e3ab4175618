//! Tokens of a JSON text: a flat tree with spans, in the order of the input, made in one pass without recursion.
//!
//! An object's children are its keys, a key's only child is its value. What follows the first value, a comma before a
//! closing bracket, an impossible number or escape is noted and read over; where nothing sensible can follow, the tokens
//! end and what is open ends there.

use super::{
    BACKSLASH, BYTE_ORDER_MARK, COMMENT, CONTROL_CHARACTER, DEEP, DEPTH_STRICT, EMPTY, LONE_SURROGATE, NOT_UTF_8,
    NUMBER, SYNTAX, TRAILING_COMMA, TRAILING_DATA, UNTERMINATED, WIDE_ENCODING,
};
use crate::reading::{BREACHES_MAX, Breach};
use crate::rules::Case;
use std::borrow::Cow;
use std::ops::Range;

/// No token.
pub const NONE: u32 = u32::MAX;

/// Kinds of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `{` to `}`.
    Object,
    /// `[` to `]`.
    Array,
    /// A member's name, quotes included.
    Key,
    /// A string, quotes included; its text is what [`unescape`] makes of what is inside.
    String,
    /// A number, as written.
    Number,
    /// `true`.
    True,
    /// `false`.
    False,
    /// `null`.
    Null,
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Whether a string or key has a backslash in it.
    pub escaped: bool,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Number of the token that holds it, [`NONE`] for the first.
    pub parent: u32,
    /// Number of the token after all that it holds.
    pub after: u32,
}

impl Token {
    /// Where it stands, bytes.
    pub fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Where the text of a string or key stands, without quotes.
    pub fn inside(&self) -> Range<usize> {
        self.start as usize + 1..self.end as usize - 1
    }
}

/// The tokens of an input.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// In the order of the input; the first is the document's value.
    pub list: Vec<Token>,
    /// What was found wrong; at most [`BREACHES_MAX`].
    pub breaches: Vec<Breach>,
    /// Whether the first value has its end: if not, nothing after the last token could be read.
    pub complete: bool,
}

impl Tokens {
    /// What a token holds, in order: the keys of an object, the items of an array, the value of a key.
    pub fn children(&self, of: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.list[of].after as usize;
        let first = Some(of + 1).filter(|&first| first < end);
        std::iter::successors(first, move |&at| Some(self.list[at].after as usize).filter(|&next| next < end))
    }

    fn breach(&mut self, case: &'static Case, span: Range<usize>) {
        if self.breaches.len() < BREACHES_MAX {
            self.breaches.push(Breach { case, span });
        }
    }
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// After `[`.
    ItemOrEnd,
    /// After a comma in an array.
    Item,
    /// After `{`.
    KeyOrEnd,
    /// After a comma in an object.
    Key,
    /// After a value.
    CommaOrEnd,
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    tokens: Tokens,
    open: u32,
    depth: usize,
    deep: bool,
}

/// Reads the tokens of `input`. Linear in time and memory, at most 24 bytes a token.
pub fn tokens(input: &[u8]) -> Tokens {
    let tokens = Tokens { list: Vec::with_capacity(input.len() / 16 + 4), ..Tokens::default() };
    let mut reader = Reader { input, at: 0, tokens, open: NONE, depth: 0, deep: false };
    reader.run();
    let mut tokens = reader.tokens;
    check_utf8(input, &mut tokens);
    tokens
}

fn check_utf8(input: &[u8], tokens: &mut Tokens) {
    if std::str::from_utf8(input).is_ok() || tokens.breaches.iter().any(|breach| breach.case == WIDE_ENCODING) {
        return;
    }
    let mut at = 0;
    for chunk in input.utf8_chunks() {
        at += chunk.valid().len();
        if !chunk.invalid().is_empty() && tokens.breaches.len() < BREACHES_MAX {
            tokens.breach(NOT_UTF_8, at..at + chunk.invalid().len());
        }
        at += chunk.invalid().len();
    }
}

/// UTF-16 and UTF-32, with or without a byte order mark: RFC 4627 section 3's table of where zeros are.
fn is_wide(input: &[u8]) -> bool {
    match *input {
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, 0, 0xfe, 0xff, ..] => true,
        [a, b, c, d, ..] => matches!(
            (a == 0, b == 0, c == 0, d == 0),
            (true, false, true, false)
                | (false, true, false, true)
                | (true, true, true, false)
                | (false, true, true, true)
        ),
        [a, b] => (a == 0) != (b == 0),
        _ => false,
    }
}

impl Reader<'_> {
    fn run(&mut self) {
        let input = self.input;
        if is_wide(input) {
            self.tokens.breach(WIDE_ENCODING, 0..input.len());
            return;
        }
        if input.starts_with(b"\xef\xbb\xbf") {
            self.tokens.breach(BYTE_ORDER_MARK, 0..3);
            self.at = 3;
        }
        let mut next = Next::Value;
        loop {
            self.skip_blanks();
            let Some(&byte) = input.get(self.at) else {
                let case = if self.tokens.list.is_empty() { EMPTY } else { UNTERMINATED };
                self.tokens.breach(case, self.at..self.at);
                break self.close_all();
            };
            let then = match next {
                Next::Value | Next::Item | Next::ItemOrEnd => match byte {
                    b']' if next != Next::Value => self.close(Kind::Array, next == Next::Item),
                    _ => self.value(byte),
                },
                Next::Key | Next::KeyOrEnd => match byte {
                    b'}' => self.close(Kind::Object, next == Next::Key),
                    b'"' => self.key(),
                    _ => None,
                },
                Next::CommaOrEnd => match byte {
                    b',' => {
                        self.at += 1;
                        Some(if self.open_kind() == Some(Kind::Array) { Next::Item } else { Next::Key })
                    }
                    b']' => self.close(Kind::Array, false),
                    b'}' => self.close(Kind::Object, false),
                    _ => None,
                },
            };
            let Some(then) = then else {
                let case = if self.at >= input.len() { UNTERMINATED } else { SYNTAX };
                self.tokens.breach(case, self.at.min(input.len())..(self.at + 1).min(input.len()));
                break self.close_all();
            };
            if then == Next::CommaOrEnd && self.end_of_value() {
                break self.after_value();
            }
            next = then;
        }
    }

    fn open_kind(&self) -> Option<Kind> {
        self.tokens.list.get(self.open as usize).map(|token| token.kind)
    }

    /// Ends a key with its value; true where the document's value has ended.
    fn end_of_value(&mut self) -> bool {
        if let Some(open) = self.tokens.list.get(self.open as usize)
            && open.kind == Kind::Key
        {
            let parent = open.parent;
            self.tokens.list[self.open as usize].after = self.tokens.list.len() as u32;
            self.open = parent;
        }
        self.open == NONE
    }

    fn after_value(&mut self) {
        self.tokens.complete = true;
        self.skip_blanks();
        if self.at < self.input.len() {
            self.tokens.breach(TRAILING_DATA, self.at..self.input.len());
        }
    }

    fn close_all(&mut self) {
        let after = self.tokens.list.len() as u32;
        while let Some(token) = self.tokens.list.get_mut(self.open as usize) {
            token.after = after;
            if token.kind != Kind::Key {
                token.end = self.at.min(self.input.len()) as u32;
            }
            self.open = token.parent;
        }
    }

    fn push(&mut self, kind: Kind, start: usize, escaped: bool) -> u32 {
        let id = self.tokens.list.len() as u32;
        self.tokens.list.push(Token {
            kind,
            escaped,
            start: start as u32,
            end: self.at as u32,
            parent: self.open,
            after: id + 1,
        });
        id
    }

    fn open(&mut self, kind: Kind, next: Next) -> Option<Next> {
        self.at += 1;
        self.open = self.push(kind, self.at - 1, false);
        self.depth += 1;
        if self.depth > DEPTH_STRICT && !self.deep {
            self.deep = true;
            self.tokens.breach(DEEP, self.at - 1..self.at);
        }
        Some(next)
    }

    fn close(&mut self, kind: Kind, after_comma: bool) -> Option<Next> {
        if self.open_kind() != Some(kind) {
            return None;
        }
        if after_comma {
            self.tokens.breach(TRAILING_COMMA, self.at..self.at + 1);
        }
        self.at += 1;
        self.depth -= 1;
        let after = self.tokens.list.len() as u32;
        let token = &mut self.tokens.list[self.open as usize];
        token.end = self.at as u32;
        token.after = after;
        self.open = token.parent;
        Some(Next::CommaOrEnd)
    }

    fn key(&mut self) -> Option<Next> {
        let start = self.at;
        let escaped = self.string()?;
        self.open = self.push(Kind::Key, start, escaped);
        self.skip_blanks();
        if self.input.get(self.at) != Some(&b':') {
            return None;
        }
        self.at += 1;
        Some(Next::Value)
    }

    fn value(&mut self, byte: u8) -> Option<Next> {
        let start = self.at;
        match byte {
            b'{' => return self.open(Kind::Object, Next::KeyOrEnd),
            b'[' => return self.open(Kind::Array, Next::ItemOrEnd),
            b'"' => {
                let escaped = self.string()?;
                self.push(Kind::String, start, escaped);
            }
            b'-' | b'+' | b'.' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true", Kind::True)?,
            b'f' => self.word(b"false", Kind::False)?,
            b'n' => self.word(b"null", Kind::Null)?,
            _ => return None,
        }
        Some(Next::CommaOrEnd)
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Option<()> {
        let start = self.at;
        let rest = &self.input[start..];
        let same = rest.iter().zip(word).take_while(|(a, b)| a == b).count();
        if same < word.len() {
            self.at += same;
            return None;
        }
        self.at += word.len();
        self.push(kind, start, false);
        Some(())
    }

    fn number(&mut self) {
        let start = self.at;
        let rest = &self.input[start..];
        let len = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        self.at += len.unwrap_or(rest.len());
        if !is_number(&self.input[start..self.at]) {
            self.tokens.breach(NUMBER, start..self.at);
        }
        self.push(Kind::Number, start, false);
    }

    /// Reads over a string; true if it has escapes.
    fn string(&mut self) -> Option<bool> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain(&self.input[self.at..]);
            match self.input.get(self.at)? {
                b'"' => break self.at += 1,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => {
                    self.tokens.breach(CONTROL_CHARACTER, self.at..self.at + 1);
                    self.at += 1;
                }
            }
        }
        if escaped {
            self.surrogates(start + 1..self.at - 1);
        }
        Some(escaped)
    }

    fn escape(&mut self) -> Option<()> {
        let start = self.at;
        let len = match self.input.get(start + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' if hex(&self.input[start + 2..]).is_some() => 6,
            _ => {
                self.tokens.breach(BACKSLASH, start..start + 2);
                // The byte after it may be no quote here: `\"` is taken above.
                1
            }
        };
        self.at += len;
        Some(())
    }

    /// Notes the first lone surrogate of a string.
    fn surrogates(&mut self, span: Range<usize>) {
        let mut at = span.start;
        let text = &self.input[..span.end];
        while let Some(found) = text[at..].iter().position(|byte| *byte == b'\\') {
            at += found;
            let unit = if text.get(at + 1) == Some(&b'u') { hex(&text[at + 2..]) } else { None };
            let Some(unit) = unit else {
                at += if matches!(text.get(at + 1), Some(b'\\' | b'"')) { 2 } else { 1 };
                continue;
            };
            let low = |at: usize| text[at..].strip_prefix(b"\\u").and_then(hex).is_some_and(|unit| unit >> 10 == 0x37);
            match unit >> 10 {
                0x36 if low(at + 6) => at += 12,
                0x36 | 0x37 => return self.tokens.breach(LONE_SURROGATE, at..at + 6),
                _ => at += 6,
            }
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.input[self.at..];
            match rest {
                [b' ' | b'\t' | b'\n' | b'\r', ..] => {
                    self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
                }
                [b'/', b'/', ..] => self.comment(rest.iter().position(|byte| *byte == b'\n')),
                [b'/', b'*', ..] => {
                    self.comment(rest[2..].windows(2).position(|pair| pair == b"*/").map(|at| at + 4));
                }
                _ => return,
            }
        }
    }

    fn comment(&mut self, len: Option<usize>) {
        let end = len.map_or(self.input.len(), |len| self.at + len);
        self.tokens.breach(COMMENT, self.at..end);
        self.at = end;
    }
}

/// Bytes before the first quote, backslash or control character. Eight at a time, as in "Bit Twiddling Hacks", "Determine
/// if a word has a byte less than n": a byte's high bit is set wherever one of the three is, and the first set one is exact.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote | backslash | control) & HIGH;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let at = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    words.len() * 8 + at.unwrap_or(rest.len())
}

/// Four hexadecimal digits at the beginning of `bytes`.
fn hex(bytes: &[u8]) -> Option<u16> {
    let mut unit = 0;
    for byte in bytes.get(..4)? {
        unit = unit << 4 | (*byte as char).to_digit(16)? as u16;
    }
    Some(unit)
}

/// Whether `text` is a number of RFC 8259 section 6.
pub fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

/// The text of a string or key, given what is between its quotes: WTF-8, a pair of surrogates is its character, a lone one
/// is kept as three bytes. An impossible escape stands for itself.
pub fn unescape(inside: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = inside.iter().position(|byte| *byte == b'\\') else { return Cow::Borrowed(inside) };
    let mut text = Vec::with_capacity(inside.len());
    text.extend_from_slice(&inside[..first]);
    let mut rest = &inside[first..];
    while let [byte, after @ ..] = rest {
        if *byte != b'\\' {
            let len = rest.iter().position(|byte| *byte == b'\\').unwrap_or(rest.len());
            text.extend_from_slice(&rest[..len]);
            rest = &rest[len..];
            continue;
        }
        let short = match after.first() {
            Some(b'"') => b'"',
            Some(b'\\') => b'\\',
            Some(b'/') => b'/',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') if hex(&after[1..]).is_some() => {
                let unit = hex(&after[1..]).map_or(0, u32::from);
                rest = &after[5..];
                let low = rest.strip_prefix(b"\\u").and_then(hex).map(u32::from).filter(|low| low >> 10 == 0x37);
                let point = match (unit >> 10, low) {
                    (0x36, Some(low)) => {
                        rest = &rest[6..];
                        0x1_0000 + ((unit & 0x3ff) << 10) + (low & 0x3ff)
                    }
                    _ => unit,
                };
                push_point(&mut text, point);
                continue;
            }
            _ => {
                text.push(b'\\');
                rest = after;
                continue;
            }
        };
        text.push(short);
        rest = &after[1..];
    }
    Cow::Owned(text)
}

fn push_point(text: &mut Vec<u8>, point: u32) {
    match char::from_u32(point) {
        Some(character) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => text.extend_from_slice(&[0xed, 0x80 | (point >> 6 & 0x3f) as u8, 0x80 | (point & 0x3f) as u8]),
    }
}
