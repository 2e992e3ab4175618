//! Values of primitives: the published expressions, and what the text of the specification says beyond them.

use super::cases::*;
use super::definitions::Type;
use super::{Release, lexical::Lexical};
use crate::rules::Case;

/// Characters that a string may have.
const CHARACTERS_MAX: usize = 1 << 20;

/// What is wrong with `text` as a value of a primitive type. Linear, and tens of nanoseconds for what is short.
/// `text` is not empty: that is a rule of its own.
pub fn check(release: Release, of: &Type, text: &[u8], found: &mut dyn FnMut(&'static Case)) {
    let matches = of.lexical.as_ref().is_none_or(|lexical| lexical.matches(text));
    match of.name {
        // Nothing but control characters and emptiness keeps their expressions from matching.
        "string" | "markdown" | "xhtml" => return check_string(text, found),
        "base64Binary" => return check_base64(release, text, found),
        _ if !matches => return found(mismatch(of.name, of.lexical.as_ref(), text)),
        "date" | "dateTime" | "instant" => check_time(of.name, text, found),
        "integer" if !in_range(text, i64::from(i32::MIN), i64::from(i32::MAX)) => found(INTEGER_RANGE),
        "integer64" if !in_range(text, i64::MIN, i64::MAX) => found(INTEGER_RANGE),
        "unsignedInt" | "positiveInt" if !in_range(text, 0, i64::from(i32::MAX)) => found(UNSIGNED_RANGE),
        "decimal" if is_infinite(text) => {
            found(if release == Release::R5 { DECIMAL_RANGE_R5 } else { DECIMAL_RANGE });
        }
        _ => {}
    }
    if text.iter().any(|byte| *byte < b' ') {
        check_string(text, found);
    }
}

fn mismatch(name: &str, lexical: Option<&Lexical>, text: &[u8]) -> &'static Case {
    let inside = text.trim_ascii();
    if inside.len() < text.len() && lexical.is_some_and(|lexical| lexical.matches(inside)) {
        return BLANKS;
    }
    match name {
        "boolean" => BOOLEAN,
        "integer" | "integer64" => INTEGER,
        "unsignedInt" | "positiveInt" => UNSIGNED,
        "decimal" => DECIMAL,
        "id" if text.len() > 64 && lexical.is_some_and(|lexical| lexical.matches(&text[..64])) => ID_LONG,
        "id" => ID,
        "date" | "dateTime" | "instant" | "time" => match lexical {
            Some(lexical) if name == "dateTime" && lexical.matches(&[text, b"Z"].concat()) => NO_ZONE,
            _ => TIME,
        },
        "uri" | "url" | "canonical" => URI,
        "oid" => OID,
        "uuid" => UUID,
        _ => CODE,
    }
}

fn check_string(text: &[u8], found: &mut dyn FnMut(&'static Case)) {
    let control = text.iter().any(|byte| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'));
    if control {
        found(CONTROL);
    }
    let characters = || text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    if text.len() > CHARACTERS_MAX && characters() > CHARACTERS_MAX {
        found(LONG);
    }
}

/// RFC 4648 section 4. The expressions of R4 and R4B let padding stand anywhere, so it is looked at here.
fn check_base64(release: Release, text: &[u8], found: &mut dyn FnMut(&'static Case)) {
    let blank = |byte: &u8| matches!(byte, b' ' | 9..=13);
    if text
        .iter()
        .any(|byte| !blank(byte) && !matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'='))
    {
        return found(BASE64);
    }
    let mut count = 0_usize;
    let mut padding = 0;
    let mut inside = false;
    let mut blanks = false;
    for byte in text {
        match byte {
            _ if blank(byte) => blanks = true,
            b'=' => padding += 1,
            _ => inside |= padding > 0,
        }
        count += usize::from(!blank(byte));
    }
    if inside || padding > 2 || !count.is_multiple_of(4) || count == 0 {
        found(BASE64_PADDING);
    } else if blanks && release == Release::R5 {
        found(BASE64_BLANKS);
    }
}

fn check_time(name: &str, text: &[u8], found: &mut dyn FnMut(&'static Case)) {
    let number = |range: std::ops::Range<usize>| {
        text.get(range).map(|digits| digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit.wrapping_sub(b'0'))))
    };
    if let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if day > days {
            found(NO_SUCH_DAY);
        }
    }
    if name != "dateTime" {
        return;
    }
    // R5's expression makes the zone optional, and lets it follow a date; its text does not.
    let time = text.iter().position(|byte| *byte == b'T');
    let zone = |from: usize| text[from..].iter().any(|byte| matches!(byte, b'Z' | b'+' | b'-'));
    match time {
        Some(time) if !zone(time) => found(NO_ZONE),
        None if zone(10.min(text.len())) || text.iter().any(|byte| matches!(byte, b'Z' | b'+' | b':')) => {
            found(ZONE_OF_DATE);
        }
        _ => {}
    }
}

fn in_range(text: &[u8], low: i64, high: i64) -> bool {
    let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    value.is_some_and(|value| (low..=high).contains(&value))
}

/// Whether a decimal is beyond a double. Only an exponent or hundreds of digits can be.
fn is_infinite(text: &[u8]) -> bool {
    let large = text.len() > 300 || text.iter().any(|byte| matches!(byte, b'e' | b'E'));
    let value = std::str::from_utf8(text).ok().filter(|_| large).and_then(|text| text.parse::<f64>().ok());
    value.is_some_and(f64::is_infinite)
}
