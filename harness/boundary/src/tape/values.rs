//! Values worth giving: texts with canaries, numbers at edges, bytes on every kind of buffer. Drawn with `arbitrary`.

use super::{Buffer, CANARY, Element, JsVal, Seeds, UNITS_MAX};
use crate::api::{Range, Type};
use arbitrary::{Result, Unstructured};

/// The canary in bytes.
pub(super) const CANARY_BYTES: [u8; 3] = [0xef, 0xa3, 0xbf];

/// Longest text or bytes that are generated: four of them fit into a tape.
const LENGTH_MAX: usize = UNITS_MAX / 4;

/// Numbers where conversions to 8, 16, 32, 53 and 64 bits, to integers and to lengths change their mind.
pub(super) const NUMBERS: &[f64] = &[
    0.0,
    1.0,
    -1.0,
    -0.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.5,
    1.9,
    -0.9,
    127.0,
    128.0,
    -128.0,
    -129.0,
    255.0,
    256.0,
    32_767.0,
    32_768.0,
    -32_769.0,
    65_535.0,
    65_536.0,
    2_147_483_647.0,
    2_147_483_648.0,
    -2_147_483_648.0,
    -2_147_483_649.0,
    4_294_967_295.0,
    4_294_967_296.0,
    4_294_967_303.0,
    9_007_199_254_740_991.0,
    9_007_199_254_740_992.0,
    // 2^53 + 1 is not a double; this is the next one.
    9_007_199_254_740_994.0,
    9_223_372_036_854_775_808.0,
    18_446_744_073_709_551_616.0,
    1e21,
    f64::MAX,
    5e-324,
];

/// The same for bigints.
pub(super) const BIGINTS: &[i128] = &[
    0,
    1,
    -1,
    (1 << 31) - 1,
    1 << 31,
    -(1 << 31) - 1,
    (1 << 32) - 1,
    1 << 32,
    (1 << 53) + 1,
    (1 << 63) - 1,
    1 << 63,
    -(1 << 63),
    -(1 << 63) - 1,
    (1 << 64) - 1,
    1 << 64,
    (1 << 64) + 5,
    i128::MAX,
    i128::MIN,
];

/// Texts that are converted with loss, change their length when converted, or end something.
pub(super) const FRAGMENTS: &[&[u16]] = &[
    &[0xd800],
    &[0xdfff],
    &[0xdc00, 0xd800],
    &[0xd83d, 0xde00],
    &[0],
    &[0xfeff],
    &[0xfffd],
    &[0xffff],
    // Longer in upper case; longer in lower case; other in UTF-8 and UTF-16.
    &[0xfb03],
    &[0x130],
    &[0xe9],
    &[0x22],
    &[0x5c],
    &[0x0d, 0x0a],
];

/// Draws an index by weights.
pub(super) fn weigh(u: &mut Unstructured<'_>, weights: &[u32]) -> Result<usize> {
    let mut at = u.int_in_range(0..=weights.iter().sum::<u32>().max(1) - 1)?;
    for (index, weight) in weights.iter().enumerate() {
        if at < *weight {
            return Ok(index);
        }
        at -= weight;
    }
    Ok(0)
}

/// One of a list that is not empty.
pub(super) fn one<'l, T>(u: &mut Unstructured<'_>, list: &'l [T]) -> Result<&'l T> {
    u.choose(list)
}

/// A text.
pub(super) fn text(u: &mut Unstructured<'_>, seeds: &Seeds) -> Result<Vec<u16>> {
    // A seed is what gets deep; a canary what tells where a text went; the others what is lost on the way.
    Ok(match weigh(u, &[30, 14, 14, 14, 8, 8, 3, 4])? {
        0 if !seeds.texts.is_empty() => {
            let seed = one(u, &seeds.texts)?;
            let mut text = seed[..seed.len().min(LENGTH_MAX)].to_vec();
            if u.ratio(2, 3)? {
                plant(u, &mut text, &[CANARY])?;
            }
            if u.ratio(1, 8)? {
                let fragment = one(u, FRAGMENTS)?;
                insert(u, &mut text, fragment)?;
            }
            text
        }
        // Several in a row: what is left of them in a block that is used again still holds a whole one.
        0 | 1 => vec![CANARY; if u.ratio(1, 2)? { 1 } else { u.int_in_range(2..=12)? }],
        // Around something short, so that what is lost is seen beside what stays.
        2 => {
            let mut text = vec![u16::from(b'a'), u16::from(b'b')];
            let fragment = one(u, FRAGMENTS)?;
            insert(u, &mut text, fragment)?;
            text
        }
        3 => {
            let mut text = one(u, FRAGMENTS)?.to_vec();
            if u.ratio(1, 2)? {
                text.push(CANARY);
            }
            text
        }
        4 if !seeds.words.is_empty() => units(one(u, &seeds.words)?),
        4 | 5 => {
            let length = u.int_in_range(1..=16)?;
            let mut text = Vec::with_capacity(length + 1);
            for _ in 0..length {
                text.push(u.int_in_range(b' '..=b'~')?.into());
            }
            insert(u, &mut text, &[CANARY])?;
            text
        }
        6 => Vec::new(),
        // Long: repeated, as a canary's copies fill what is reused later.
        _ => {
            let unit = [&[CANARY][..], &[CANARY, 0x20], &[0x41], &[0xd800], &[0x131]];
            let unit = one(u, &unit)?;
            let times = u.int_in_range(8..=LENGTH_MAX / 8)?;
            unit.iter().copied().cycle().take(unit.len() * times).collect()
        }
    })
}

/// Bytes of a text, as UTF-16.
pub(super) fn units(bytes: &[u8]) -> Vec<u16> {
    String::from_utf8_lossy(bytes).encode_utf16().collect()
}

fn insert<T: Copy>(u: &mut Unstructured<'_>, list: &mut Vec<T>, what: &[T]) -> Result<()> {
    let at = u.int_in_range(0..=list.len())?;
    list.splice(at..at, what.iter().copied());
    Ok(())
}

/// Puts the canary where content is: in place of a JSON text's value, of what stands between an HL7 v2 message's bars or
/// in an XML element or attribute; else anywhere.
pub(super) fn plant<T: Copy + PartialEq + From<u8>>(
    u: &mut Unstructured<'_>,
    list: &mut Vec<T>,
    canary: &[T],
) -> Result<()> {
    let is = |unit: &T, set: &[u8]| set.iter().any(|byte| *unit == T::from(*byte));
    let opens = |at: usize| match &list[at - 1] {
        // The text behind a colon is a value; others are names.
        unit if is(unit, b"\"") => {
            let before = list[..at - 1].iter().rev().take(2).find(|unit| !is(unit, b" "));
            before.is_some_and(|before| is(before, b":="))
        }
        unit => is(unit, b"|^>"),
    };
    let places = (1..list.len()).filter(|at| opens(*at)).take(256).collect::<Vec<_>>();
    if places.is_empty() {
        return insert(u, list, canary);
    }
    let at = *one(u, &places)?;
    let end = list[at..].iter().position(|unit| is(unit, b"\"|^<\r\n&~")).map_or(list.len(), |length| at + length);
    list.splice(at..end, canary.iter().copied());
    Ok(())
}

/// Contents of a typed array.
pub(super) fn bytes(u: &mut Unstructured<'_>, seeds: &Seeds) -> Result<Vec<u8>> {
    Ok(match weigh(u, &[40, 15, 10, 15, 5, 10])? {
        0 if !seeds.bytes.is_empty() => {
            let seed = one(u, &seeds.bytes)?;
            let mut bytes = seed[..seed.len().min(LENGTH_MAX)].to_vec();
            if u.ratio(1, 2)? {
                plant(u, &mut bytes, &CANARY_BYTES)?;
            }
            bytes
        }
        0 | 1 => CANARY_BYTES.to_vec(),
        2 if !seeds.words.is_empty() => one(u, &seeds.words)?.clone(),
        2 | 3 => {
            let length = u.int_in_range(0..=24)?;
            (0..length).map(|_| u.arbitrary()).collect::<Result<_>>()?
        }
        4 => Vec::new(),
        _ => vec![u.arbitrary()?; length(u, LENGTH_MAX as u64)? as usize],
    })
}

/// A length up to `max`, all orders of magnitude alike.
pub(super) fn length(u: &mut Unstructured<'_>, max: u64) -> Result<u64> {
    let bits = u.int_in_range(1..=64 - max.max(1).leading_zeros())?;
    Ok(u.int_in_range(0..=(1u64 << bits) - 1)?.min(max))
}

/// A length that an object of a few bytes claims. What lies between is left out: more than two million elements are a
/// loop of seconds, and only from 32 million on nobody gives the memory for them.
fn claimed_length(u: &mut Unstructured<'_>) -> Result<u64> {
    match weigh(u, &[12, 3, 2, 3])? {
        0 => length(u, 1 << 12),
        1 => length(u, (1 << 20) - 1),
        2 => u.int_in_range(1 << 20..=1 << 21),
        _ => u.int_in_range(1 << 25..=200_000_000),
    }
}

/// A number; at the edges of its range where that is known.
pub(super) fn number(u: &mut Unstructured<'_>, range: Option<&Range>, seeds: &Seeds) -> Result<u64> {
    let value = match weigh(u, &[if range.is_some() { 40 } else { 0 }, 30, 20, 10])? {
        0 => match range.map(|range| edge(u, range)).transpose()?.flatten() {
            Some(edge) => edge as f64,
            None => *one(u, NUMBERS)?,
        },
        1 => *one(u, NUMBERS)?,
        2 => f64::from(u.int_in_range(-2..=300i32)?),
        _ if !seeds.numbers.is_empty() => *one(u, &seeds.numbers)? as f64,
        _ => u.int_in_range(-1_000_000..=1_000_000i32)? as f64 / 8.0,
    };
    Ok(value.to_bits())
}

/// A bigint, likewise.
pub(super) fn bigint(u: &mut Unstructured<'_>, range: Option<&Range>, seeds: &Seeds) -> Result<i128> {
    Ok(match weigh(u, &[if range.is_some() { 40 } else { 0 }, 30, 20, 10])? {
        0 => match range.map(|range| edge(u, range)).transpose()?.flatten() {
            Some(edge) => edge,
            None => *one(u, BIGINTS)?,
        },
        1 => *one(u, BIGINTS)?,
        2 => u.int_in_range(-2..=300)?,
        _ if !seeds.numbers.is_empty() => *one(u, &seeds.numbers)?,
        _ => u.arbitrary::<i64>()?.into(),
    })
}

/// A whole number at or beside the edge of a range; none where its bounds are no decimal integers.
fn edge(u: &mut Unstructured<'_>, range: &Range) -> Result<Option<i128>> {
    let bound = if u.ratio(1, 3)? { &range.min } else { &range.max };
    let beside = u.int_in_range(-1..=8i128)?;
    // Beyond the largest by more than one, too: what is kept of it then is not zero.
    let beside = if std::ptr::eq(bound, &range.min) { -beside } else { beside };
    Ok(bound.parse::<i128>().ok().map(|bound| bound.saturating_add(beside)))
}

/// A typed array, or a buffer, by the name of its constructor.
pub(super) fn typed_array(u: &mut Unstructured<'_>, name: &str, seeds: &Seeds) -> Result<JsVal> {
    let element = Element::ALL.into_iter().find(|element| element.name() == name).unwrap_or(Element::Uint8);
    // Shared memory, resizing and detaching each have code of their own in glue and engines, mostly missing.
    let buffer = match weigh(u, &[80, 7, 7, 6])? {
        1 if element != Element::ArrayBuffer => Buffer::Shared,
        2 => Buffer::Resizable,
        3 => Buffer::Detached,
        _ => Buffer::Plain,
    };
    Ok(JsVal::Bytes { element, buffer, bytes: bytes(u, seeds)? })
}

/// Names of properties that glue reads of what it is given, or keeps pointers in.
pub(super) const PROPERTIES: &[&str] = &[
    "length",
    "__wbg_ptr",
    "ptr",
    "byteLength",
    "byteOffset",
    "buffer",
    "then",
    "__proto__",
    "constructor",
    "valueOf",
    "toString",
    "size",
    "0",
];

/// What `JSON.parse` can give.
pub(super) fn json(u: &mut Unstructured<'_>, seeds: &Seeds, depth: usize) -> Result<JsVal> {
    let below = if depth < 3 { 10 } else { 0 };
    Ok(match weigh(u, &[8, 6, 12, 12, 8, 22, 6, below, below])? {
        0 => JsVal::Null,
        1 => JsVal::Boolean(u.arbitrary()?),
        2 => json_number(u, seeds)?,
        3 => JsVal::Text(text(u, seeds)?),
        4 => {
            let number = json_number(u, seeds)?;
            let JsVal::Number(bits) = number else { return Ok(number) };
            JsVal::Text(f64::from_bits(bits).to_string().encode_utf16().collect())
        }
        // A length is believed before anything is looked at: from nothing to more memory than there is.
        5 => {
            let mut fields = vec![("length".to_owned(), JsVal::Number((claimed_length(u)? as f64).to_bits()))];
            if u.ratio(1, 3)? {
                fields.push(("0".to_owned(), json(u, seeds, depth + 3)?));
            }
            JsVal::Object(fields)
        }
        // A pointer: into the module's data or its heap.
        6 => JsVal::Object(vec![("__wbg_ptr".to_owned(), JsVal::Number(pointer(u)?))]),
        7 => {
            let items = u.int_in_range(0..=4)?;
            JsVal::Array((0..items).map(|_| json(u, seeds, depth + 1)).collect::<Result<_>>()?)
        }
        _ => {
            let fields = u.int_in_range(0..=3)?;
            let field = |_| {
                let name = if u.ratio(1, 2)? { (*one(u, PROPERTIES)?).to_owned() } else { name(u, seeds)? };
                Ok((name, json(u, seeds, depth + 1)?))
            };
            JsVal::Object((0..fields).map(field).collect::<Result<_>>()?)
        }
    })
}

fn json_number(u: &mut Unstructured<'_>, seeds: &Seeds) -> Result<JsVal> {
    let bits = number(u, None, seeds)?;
    Ok(JsVal::Number(if f64::from_bits(bits).is_nan() { 0 } else { bits }))
}

/// An address in linear memory, bits of a double: mostly behind the megabyte of stack and data that Rust has first.
pub(super) fn pointer(u: &mut Unstructured<'_>) -> Result<u64> {
    let address = match weigh(u, &[6, 2, 1, 1])? {
        0 => 0x10_0000 + 8 * u.int_in_range(0..=2048u32)?,
        1 => 8 * u.int_in_range(0..=0x2_0000u32)?,
        2 => 0,
        _ => u32::MAX - 15,
    };
    Ok(f64::from(address).to_bits())
}

fn name(u: &mut Unstructured<'_>, seeds: &Seeds) -> Result<String> {
    if !seeds.words.is_empty() && u.ratio(1, 2)? {
        return Ok(String::from_utf8_lossy(one(u, &seeds.words)?).into_owned());
    }
    Ok(char::from(u.int_in_range(b'a'..=b'z')?).to_string())
}

/// A value of a type without objects of the package and functions, which need calls of their own; none for those.
pub(super) fn plain(
    u: &mut Unstructured<'_>,
    ty: &Type,
    range: Option<&Range>,
    seeds: &Seeds,
) -> Result<Option<JsVal>> {
    Ok(Some(match ty {
        Type::Undefined => JsVal::Undefined,
        Type::Null => JsVal::Null,
        Type::Boolean => JsVal::Boolean(u.arbitrary()?),
        Type::Number => JsVal::Number(number(u, range, seeds)?),
        Type::Bigint => JsVal::BigInt(bigint(u, range, seeds)?),
        Type::String => JsVal::Text(text(u, seeds)?),
        Type::Bytes(name) => typed_array(u, name, seeds)?,
        Type::Symbol => JsVal::Symbol,
        _ => return Ok(None),
    }))
}
