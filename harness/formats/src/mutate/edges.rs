//! Values at the edges of FHIR's datatypes, valid and not: what mutators write and dictionaries list.

use super::Dice;

/// Numbers that readers respell, round or refuse.
pub const DECIMALS: &[&str] = &[
    "0",
    "-0",
    "0.0",
    "-0.0",
    "0.00",
    "1",
    "1.0",
    "1.00",
    "1e0",
    "1E0",
    "1e+2",
    "1e2",
    "100",
    "1e-2",
    "0.01",
    "0.010",
    "0.1",
    "0.3",
    "0.12345678901234567890123456789",
    "12345678901234567890.123456789",
    "9007199254740993",
    "1e400",
    "-1e400",
    "1e-400",
    "5e-324",
    "1.7976931348623157e308",
    "1e999999999999999999999",
    "0e0",
];

/// Numbers that JSON does not know.
pub const NO_NUMBERS: &[&str] =
    &["+1", ".5", "1.", "01", "-01", "1e", "1e+", "0x10", "1_000", "NaN", "Infinity", "-Infinity", "-", "--1", "1,5"];

/// Integers around the ends of ranges.
pub const INTEGERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9999999999",
    "9007199254740991",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1.0",
    "1e0",
    "1e2",
    "1.5",
    "00",
    "+5",
];

/// Dates and times, with those that no calendar or clock has.
pub const DATES: &[&str] = &[
    "2024",
    "2024-02",
    "2024-02-29",
    "2023-02-29",
    "2023-02-30",
    "2023-04-31",
    "1900-02-29",
    "2000-02-29",
    "2024-00-10",
    "2024-13-01",
    "2024-01-00",
    "2024-01-32",
    "0000",
    "0000-01-01",
    "0001-01-01",
    "9999-12-31",
    "10000-01-01",
    "-2024",
    "24-01-01",
    "2024-1-1",
    "20240131",
    "2024-W05",
    "2024-01-31 ",
    "31.01.2024",
    "2024-01-31T00:00:00Z",
    "2024-01-31T24:00:00Z",
    "2024-01-31T23:59:60Z",
    "2024-01-31T23:59:61Z",
    "2024-01-31T10:00:00",
    "2024-01-31T10:00Z",
    "2024-01-31T10Z",
    "2024-01-31T10:00:00+14:00",
    "2024-01-31T10:00:00+14:01",
    "2024-01-31T10:00:00-00:00",
    "2024-01-31T10:00:00+0100",
    "2024-01-31T10:00:00.123456789012345678901234567890Z",
    "2024-01-31T10:00:00,5Z",
    "2024-01-31t10:00:00z",
    "2024-01-31T10:60:00Z",
    "2024-01-31T25:00:00Z",
    "2023-02-30T10:00:00Z",
    "10:00:00",
    "10:00",
    "24:00:00",
    "23:59:60",
    "10:00:00Z",
    "10:00:00.5",
];

/// Ids; `{64}` and `{65}` stand for that many letters.
pub const IDS: &[&str] = &[
    "a",
    "SYN-1",
    "SYN.1",
    "a/../b c",
    "../../etc/passwd",
    "..",
    ".",
    "-",
    "a_b",
    "a b",
    " a",
    "a ",
    "a\u{e4}",
    "{64}",
    "{65}",
    "a/b",
    "a%2fb",
    "a#b",
    "a?b",
    "a|b",
    "A",
    "\u{ff21}",
];

/// Texts that are trimmed, cut, folded or normalised.
pub const TEXTS: &[&str] = &[
    "",
    " ",
    "  ",
    "x",
    " x",
    "x ",
    "\u{a0}",
    "\u{200b}",
    "\u{feff}",
    "e\u{301}",
    "\u{e9}",
    "\u{1f600}",
    "\u{10ffff}",
    "\u{85}",
    "\u{2028}",
    "\u{fffd}",
    "\u{202e}x",
    "true",
    "null",
    "0",
    "__proto__",
    "constructor",
    "<script>alert(1)</script>",
    "${x}",
    "' OR 1=1 --",
    "..\\..",
    "%00",
    "&amp;",
    "http://example.org/SYN",
    "urn:oid:2.999.1",
    "urn:oid:2.999.01",
    "urn:uuid:00000000-0000-4000-8000-000000000001",
    "urn:uuid:00000000-0000-4000-8000-00000000000A",
    "AAAA",
    "AAAA  !",
    "AAA",
    "AA==",
    "AB==",
    "AAAA AAAA",
    "#",
    "#a",
    "Patient/a",
    "Patient/a/_history/1",
    "male",
    "Male",
    "final",
    "unknown",
];

/// Types that resources of other types are taken for.
pub const RESOURCE_TYPES: &[&str] = &[
    "Patient",
    "Observation",
    "Bundle",
    "Parameters",
    "Practitioner",
    "MedicationRequest",
    "OperationOutcome",
    "Binary",
    "Basic",
    "DomainResource",
    "Resource",
    "patient",
    "Patients",
    "",
    "Group",
    "Encounter",
    "Condition",
    "AllergyIntolerance",
];

/// Types of `value[x]`, with a value in JSON for each.
pub const CHOICES: &[(&str, &str)] = &[
    ("String", "\"x\""),
    ("Boolean", "true"),
    ("Integer", "7"),
    ("DateTime", "\"2024-01-31\""),
    ("Quantity", "{\"value\":1.0,\"unit\":\"mg\"}"),
    ("CodeableConcept", "{\"text\":\"x\"}"),
    ("Decimal", "1.50"),
    ("Date", "\"2024-01-31\""),
    ("Code", "\"x\""),
    ("Uri", "\"http://example.org/SYN\""),
    ("Reference", "{\"reference\":\"Patient/SYN-1\"}"),
    ("Period", "{\"start\":\"2024\"}"),
    ("Range", "{\"low\":{\"value\":1}}"),
    ("Time", "\"10:00:00\""),
    ("Age", "{\"value\":1}"),
    ("Instant", "\"2024-01-31T10:00:00Z\""),
    ("Coding", "{\"code\":\"x\"}"),
    ("Patient", "{\"resourceType\":\"Patient\"}"),
];

/// An id of the list, with its length spelled out.
pub fn id(dice: &mut Dice<'_>) -> String {
    match *dice.pick(IDS).expect("there are some") {
        "{64}" => "a".repeat(64),
        "{65}" => "a".repeat(65),
        id => id.into(),
    }
}

/// The base and the suffix of a choice's name: `valueString` → `value`, 2 (its place in [`CHOICES`]).
pub fn choice(name: &[u8]) -> Option<(&[u8], usize)> {
    let split = |(at, (suffix, _)): (usize, &(&str, &str))| {
        let base =
            name.strip_suffix(suffix.as_bytes()).filter(|base| base.last().is_some_and(u8::is_ascii_lowercase))?;
        Some((base, at))
    };
    // The longest suffix: `valueDateTime` is no `Time`.
    CHOICES.iter().enumerate().filter_map(split).min_by_key(|(base, _)| base.len())
}

/// The same number in another spelling, equal in value: digits moved, an exponent, zeros; `None` where it is none.
pub fn respelled(number: &[u8], dice: &mut Dice<'_>) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(number).ok()?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() < 1000)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.strip_prefix('-').unwrap_or(whole).is_empty()
        || !digits(whole.strip_prefix('-').unwrap_or(whole))
        || !digits(fraction)
    {
        return None;
    }
    let suffix = if text.contains(['e', 'E']) { format!("e{exponent}") } else { String::new() };
    Some(
        match dice.below(6) {
            // A zero more, a zero less.
            0 => format!("{whole}.{fraction}0{suffix}"),
            1 if fraction.ends_with('0') && fraction.len() > 1 => {
                format!("{whole}.{}{suffix}", &fraction[..fraction.len() - 1])
            }
            1 | 2 => format!("{mantissa}e{}", exponent),
            3 => format!("{mantissa}E{exponent:+}"),
            // The point moved one place, the exponent with it.
            4 if !fraction.is_empty() && !whole.ends_with('0') => {
                format!("{whole}{}.{}e{}", &fraction[..1], &fraction[1..], exponent - 1).replace(".e", "e")
            }
            _ => format!("{whole}.{fraction}{}{suffix}", "0".repeat(1 + dice.below(30))),
        }
        .into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_suffix_names_a_choice() {
        let named = |name: &str| choice(name.as_bytes()).map(|(base, at)| (base.to_vec(), CHOICES[at].0));
        assert_eq!(named("valueDateTime"), Some((b"value".to_vec(), "DateTime")));
        assert_eq!(named("deceasedBoolean"), Some((b"deceased".to_vec(), "Boolean")));
        assert_eq!(named("Boolean"), None);
        assert_eq!(named("birthDate"), Some((b"birth".to_vec(), "Date")));
    }
}
