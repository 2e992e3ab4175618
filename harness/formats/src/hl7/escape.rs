//! Escape sequences: decoded once, after splitting; what stands for no character is kept as written.

use super::charset::Charset;
use super::rules::Way;
use super::tokens::Delimiters;
use std::ops::Range;

/// A stretch of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// Text without an escape character.
    Text(Range<usize>),
    /// A whole sequence, the escape characters included.
    Sequence(Range<usize>),
    /// An escape character without its partner, and all that follows.
    Unterminated(Range<usize>),
}

/// The stretches of `value`; together they are all of it.
pub fn tokens(value: &[u8], escape: Option<u8>) -> impl Iterator<Item = Token> + '_ {
    let mut at = 0;
    let find =
        move |from: usize| escape.and_then(|escape| memchr::memchr(escape, &value[from..])).map(|len| from + len);
    std::iter::from_fn(move || {
        let start = at;
        if start >= value.len() {
            return None;
        }
        let (token, end) = match find(start) {
            None => (Token::Text(start..value.len()), value.len()),
            Some(first) if first > start => (Token::Text(start..first), first),
            Some(first) => match find(first + 1) {
                None => (Token::Unterminated(start..value.len()), value.len()),
                Some(second) => (Token::Sequence(start..second + 1), second + 1),
            },
        };
        at = end;
        Some(token)
    })
}

/// Appends what `value` stands for to `into`, and calls `breach` for what is wrong with its escapes.
pub(crate) fn decode(
    value: &[u8],
    delimiters: &Delimiters,
    charset: Charset,
    into: &mut Vec<u8>,
    mut breach: impl FnMut(Way, Range<usize>),
) {
    for token in tokens(value, delimiters.escape) {
        match token {
            Token::Text(span) => into.extend_from_slice(&value[span]),
            Token::Unterminated(span) => {
                breach(Way::Unterminated, span.clone());
                into.extend_from_slice(&value[span]);
            }
            Token::Sequence(span) => {
                let body = &value[span.start + 1..span.end - 1];
                match meaning(body, delimiters, charset) {
                    Meaning::Character(byte) => into.push(byte),
                    Meaning::Text(text) => into.extend_from_slice(&text),
                    Meaning::Kept => into.extend_from_slice(&value[span]),
                    Meaning::Wrong(way) => {
                        breach(way, span.clone());
                        into.extend_from_slice(&value[span]);
                    }
                }
            }
        }
    }
}

enum Meaning {
    Character(u8),
    Text(Vec<u8>),
    /// Highlighting, formatting, local and character set sequences: no character stands for them.
    Kept,
    Wrong(Way),
}

fn meaning(body: &[u8], delimiters: &Delimiters, charset: Charset) -> Meaning {
    let (letter, rest) = match body {
        [] => return Meaning::Wrong(Way::UnknownEscape),
        [letter, rest @ ..] => (*letter, rest),
    };
    match letter {
        b'H' | b'N' if rest.is_empty() => Meaning::Kept,
        b'X' => hex(rest, charset),
        b'Z' => Meaning::Kept,
        b'C' if rest.len() == 4 && rest.iter().all(u8::is_ascii_hexdigit) => Meaning::Kept,
        b'M' if matches!(rest.len(), 4 | 6) && rest.iter().all(u8::is_ascii_hexdigit) => Meaning::Kept,
        b'.' if formats(rest) => Meaning::Kept,
        letter if rest.is_empty() => delimiters
            .escapes()
            .iter()
            .find_map(|(spelt, delimiter)| delimiter.filter(|_| *spelt == letter))
            .map_or(Meaning::Wrong(Way::UnknownEscape), Meaning::Character),
        _ => Meaning::Wrong(Way::UnknownEscape),
    }
}

/// Whether what follows the dot is a command of formatted text (2.7.6), with its number where it takes one.
fn formats(command: &[u8]) -> bool {
    match command {
        b"br" | b"fi" | b"nf" | b"ce" | b"sp" => true,
        [b's', b'p' | b'k', number @ ..] | [b'i', b'n', number @ ..] | [b't', b'i', number @ ..] => {
            let number = number.strip_prefix(b" ").unwrap_or(number);
            let digits = number.strip_prefix(b"+").or_else(|| number.strip_prefix(b"-")).unwrap_or(number);
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

fn hex(digits: &[u8], charset: Charset) -> Meaning {
    if digits.is_empty() {
        return Meaning::Wrong(Way::EmptyHex);
    }
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Meaning::Wrong(Way::NotHex);
    }
    let (pairs, []) = digits.as_chunks::<2>() else { return Meaning::Wrong(Way::OddHex) };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| nibble(*high) << 4 | nibble(*low)).collect();
    charset.decode(&bytes).map_or(Meaning::Wrong(Way::HexNotText), |text| Meaning::Text(text.into_owned().into_bytes()))
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Appends `text` as it must be written between `delimiters`: delimiters by their letters, control characters in
/// hexadecimal. Without a declared escape character, delimiters and CR are left out: they cannot be written.
pub fn encode(text: &[u8], delimiters: &Delimiters, into: &mut Vec<u8>) {
    for &byte in text {
        let letter = delimiters.escapes().into_iter().find(|(_, delimiter)| *delimiter == Some(byte));
        match (delimiters.escape, letter) {
            (Some(escape), Some((letter, _))) => into.extend_from_slice(&[escape, letter, escape]),
            (Some(escape), None) if byte < 0x20 => {
                let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase();
                into.extend_from_slice(&[escape, b'X', digit(byte >> 4) as u8, digit(byte & 15) as u8, escape]);
            }
            (None, Some(_)) => {}
            (None, None) if byte == b'\r' => {}
            (_, None) => into.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_stand_for_what_the_standard_says() {
        let table: &[(&str, &str, &[Way])] = &[
            (r"A\F\B\S\C\T\D\R\E\E\F", r"A|B^C&D~E\F", &[]),
            (r"A\X41\\X26\B", "AA&B", &[]),
            (r"\X0D\PID\X7c\", "\rPID|", &[]),
            (r"caf\XC3A9\", "café", &[]),
            (
                r"\H\x\N\ \.br\ \.sp+3\ \.in 4\ \Zab\ \C2842\ \M244242\",
                r"\H\x\N\ \.br\ \.sp+3\ \.in 4\ \Zab\ \C2842\ \M244242\",
                &[],
            ),
            (r"SMITH\JOHN", r"SMITH\JOHN", &[Way::Unterminated]),
            (r"A\Q\B\\C", r"A\Q\B\\C", &[Way::UnknownEscape, Way::UnknownEscape]),
            (r"\XZZ\\X4\\X\\XFF\", r"\XZZ\\X4\\X\\XFF\", &[Way::NotHex, Way::OddHex, Way::EmptyHex, Way::HexNotText]),
            (r"ÜÜÜ\T\B", "ÜÜÜ&B", &[]),
            (r"\P\", r"\P\", &[Way::UnknownEscape]),
            (r"\.xx\\.sp+\", r"\.xx\\.sp+\", &[Way::UnknownEscape, Way::UnknownEscape]),
            (r"\E\T\E\", r"\T\", &[]),
        ];
        for (value, text, breaches) in table {
            let (mut found, mut ways) = (Vec::new(), Vec::new());
            decode(value.as_bytes(), &Delimiters::default(), Charset::Utf8, &mut found, |way, _| ways.push(way));
            assert_eq!((&*String::from_utf8_lossy(&found), &*ways), (*text, *breaches), "{value}");
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let delimiters = Delimiters { truncation: Some(b'#'), ..Delimiters::default() };
        let text: Vec<u8> = (0..128).chain("é\u{1F600}".bytes()).collect();
        let (mut written, mut read) = (Vec::new(), Vec::new());
        encode(&text, &delimiters, &mut written);
        decode(&written, &delimiters, Charset::Utf8, &mut read, |way, _| panic!("{way:?}"));
        assert_eq!(read, text);
    }
}
