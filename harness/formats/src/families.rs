//! Families of inputs with a verdict, made by rule: too many to write by hand, and each says which case it must show.

use crate::fhir::Release;
use crate::fhir::cases::*;
use crate::fhir::definitions::{Definitions, Element, Sort, TypeId, definitions};
use crate::rules::Case;

/// One made input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// What it is, for reports.
    pub name: String,
    /// The case that a reader must find in it; `None`: it must be accepted.
    pub case: Option<&'static Case>,
    /// The input.
    pub input: Vec<u8>,
}

/// How a type's values are written in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Bare,
    Quoted,
}

/// Values of a primitive type: what must be accepted, and what must be refused with which case. Between bars.
struct Edges {
    types: &'static [&'static str],
    written: Written,
    good: &'static str,
    bad: &'static [(&'static Case, &'static str)],
}

/// Edges of every primitive type, by hand from the text of datatypes.html, not from the expressions that are tested with
/// them.
const EDGES: &[Edges] = &[
    Edges {
        types: &["boolean"],
        written: Written::Bare,
        good: "true|false",
        bad: &[(NO_BOOLEAN, "0|1|\"true\"|\"\\u0074rue\"|{\"a\":1}")],
    },
    Edges {
        types: &["integer"],
        written: Written::Bare,
        good: "0|1|-1|2147483647|-2147483648|10",
        bad: &[
            (INTEGER_RANGE, "2147483648|-2147483649|4294967296|9223372036854775808|100000000000000000000"),
            (INTEGER, "1.0|1.5|1e0|1E2|-1e1|0.0"),
            (NO_NUMBER, "\"1\"|true|{\"a\":1}"),
        ],
    },
    Edges {
        types: &["unsignedInt"],
        written: Written::Bare,
        good: "0|1|2147483647",
        bad: &[(UNSIGNED, "-1|1.0|1e1"), (UNSIGNED_RANGE, "2147483648|4294967295"), (NO_NUMBER, "\"0\"|false")],
    },
    Edges {
        types: &["positiveInt"],
        written: Written::Bare,
        good: "1|2147483647",
        bad: &[(UNSIGNED, "0|-1|1.0"), (UNSIGNED_RANGE, "2147483648"), (NO_NUMBER, "\"1\"")],
    },
    Edges {
        types: &["decimal"],
        written: Written::Bare,
        good: "0|-0|0.0|1.00|0.000000000000001|123456789012345678|1e0|1e2|1E+2|1e-2|-1.5e10|3.14159265358979",
        bad: &[(NO_NUMBER, "\"1.0\"|\"NaN\"|true|{\"value\":1}")],
    },
    Edges {
        types: &["integer64"],
        written: Written::Quoted,
        good: "0|1|-1|9223372036854775807|-9223372036854775808",
        bad: &[
            (INTEGER, "1.0|1e2|0x1|01|-"),
            (INTEGER_RANGE, "9223372036854775808|-9223372036854775809"),
            (BLANKS, " 1|1 "),
        ],
    },
    Edges {
        types: &["string", "markdown"],
        written: Written::Quoted,
        good: "a| a |é|中|\\ud83d\\ude00|a\\nb|\\u0085|\\u00a0|\\ufeff|\\ufffd|<b>|null|true|0",
        bad: &[
            (CONTROL, "\\u0000|a\\u0000|\\u0001|\\u0008|\\u000b|\\u000c|\\u001f"),
            (LONE_SURROGATE, "\\ud800|a\\udfff|\\ude00\\ud83d"),
        ],
    },
    Edges {
        types: &["code"],
        written: Written::Quoted,
        good: "a|a b|a b c|é|A-1_.:|1",
        bad: &[(CODE, "a  b|a\\n\\nb"), (BLANKS, " a|a |\\ta|a\\n"), (CODE, " |\\t")],
    },
    Edges {
        types: &["id"],
        written: Written::Quoted,
        good: "a|A-1.z|-|.|0000000000000000000000000000000000000000000000000000000000000000",
        bad: &[
            (ID, "a_b|a b|a/b|é|a:b|a%20b|a+b"),
            (ID_LONG, "00000000000000000000000000000000000000000000000000000000000000000"),
            (BLANKS, " a|a\\n"),
        ],
    },
    Edges {
        types: &["date"],
        written: Written::Quoted,
        good: "0001|1970|2026-01|2026-12|2026-01-31|2024-02-29|2000-02-29|9999-12-31",
        bad: &[
            (
                TIME,
                "0000|970|20260|2026-13|2026-00|2026-1|2026-01-00|2026-01-32|2026-01-1|20260101|2026-01-01T00:00:00Z|2026-01-01Z|26-01-01|-2026|2026/01/01|today",
            ),
            (NO_SUCH_DAY, "2023-02-29|2023-02-30|1900-02-29|2100-02-29|2026-04-31|2026-06-31|2026-09-31|2026-11-31"),
            (BLANKS, " 2026|2026-01-01 "),
        ],
    },
    Edges {
        types: &["dateTime"],
        written: Written::Quoted,
        good: "1970|2026-01|2026-01-31|2026-01-01T00:00:00Z|2026-01-01T23:59:59.999Z|2016-12-31T23:59:60Z|2026-01-01T00:00:00+14:00|2026-01-01T00:00:00-13:59|2024-02-29T00:00:00Z",
        bad: &[
            (
                TIME,
                "2026-01-01T24:00:00Z|2026-01-01T00:60:00Z|2026-01-01T00:00:61Z|2026-01-01T00:00Z|2026-01-01T00Z|2026-01-01T00:00:00+15:00|2026-01-01T00:00:00+1:00|2026-01-01t00:00:00z|2026-01-01 00:00:00Z|2026-01T00:00:00Z|T00:00:00Z|2026-01-01T00:00:00.Z|20260101000000",
            ),
            (NO_ZONE, "2026-01-01T00:00:00|2026-01-01T00:00:00.5"),
            (NO_SUCH_DAY, "2023-02-29T00:00:00Z|2026-04-31"),
        ],
    },
    Edges {
        types: &["instant"],
        written: Written::Quoted,
        good: "2026-01-01T00:00:00Z|2026-01-01T00:00:00.123+02:00|2016-12-31T23:59:60Z",
        bad: &[
            (TIME, "2026|2026-01-01|2026-01-01T00:00:00|2026-01-01T24:00:00Z"),
            (NO_SUCH_DAY, "2026-02-30T00:00:00Z"),
        ],
    },
    Edges {
        types: &["time"],
        written: Written::Quoted,
        good: "00:00:00|23:59:59|12:30:00.5|23:59:60",
        bad: &[(TIME, "24:00:00|12:30|1:00:00|12:60:00|12:00:61|12:30:00Z|12:30:00.|noon"), (BLANKS, " 12:30:00")],
    },
    Edges {
        types: &["uri", "url", "canonical"],
        written: Written::Quoted,
        good: "urn:oid:2.999|http://example.org/a#b|a|#|%20|é|Patient/SYN-1|1.0",
        bad: &[(URI, "a b|http://example.org/ a|a\\tb"), (BLANKS, " a|a |a\\n")],
    },
    Edges {
        types: &["oid"],
        written: Written::Quoted,
        good: "urn:oid:2.999|urn:oid:0.0|urn:oid:1.2.840.0",
        bad: &[(OID, "2.999|urn:oid:3.1|urn:oid:2|urn:oid:2.01|urn:oid:2.|urn:oid:2..1|URN:OID:2.999|urn:oid:2.a")],
    },
    Edges {
        types: &["uuid"],
        written: Written::Quoted,
        good: "urn:uuid:00000000-0000-4000-8000-00000000000a",
        bad: &[(
            UUID,
            "00000000-0000-4000-8000-00000000000a|urn:uuid:00000000-0000-4000-8000-00000000000A|urn:uuid:00000000-0000-4000-8000-00000000000|urn:uuid:0000000000004000800000000000000a|urn:uuid:{00000000-0000-4000-8000-00000000000a}|urn:uuid:g0000000-0000-4000-8000-00000000000a",
        )],
    },
    Edges {
        types: &["base64Binary"],
        written: Written::Quoted,
        good: "AAAA|AAA=|AA==|+/+/|AAAAAAAA",
        bad: &[(BASE64, "AA-_|AAA!|AAAé|A.AA"), (BASE64_PADDING, "A|AA|AAA|AA=|A===|====|AA=A|AAA=AAAA|AAAAA")],
    },
];

/// Every primitive type with every edge, as the value of an extension.
pub fn primitives(release: Release) -> Vec<Made> {
    let all = definitions(release);
    let extension = all.named("Extension").expect("the type of extensions");
    let mut made = Vec::new();
    for edges in EDGES {
        let types = edges.types.iter().filter(|name| all.named(name).is_some());
        for name in types {
            let property = format!("value{}{}", name[..1].to_ascii_uppercase(), &name[1..]);
            debug_assert!(all.property(extension, property.as_bytes()).is_some());
            let mut add = |case: Option<&'static Case>, values: &str| {
                for value in values.split('|') {
                    let value =
                        if edges.written == Written::Quoted { format!("\"{value}\"") } else { value.to_owned() };
                    made.push(extension_value(&property, &value, case));
                }
            };
            add(None, edges.good);
            edges.bad.iter().for_each(|(case, values)| add(Some(case), values));
            if edges.written == Written::Quoted {
                for value in ["1", "true", "{\"a\":1}"] {
                    made.push(extension_value(&property, value, Some(NO_STRING)));
                }
                made.push(extension_value(&property, "\"\"", Some(EMPTY_STRING)));
            }
            made.push(extension_value(&property, "null", Some(NULL)));
            made.push(extension_value(&property, "[]", Some(EMPTY_ARRAY)));
        }
    }
    let long = "a".repeat((1 << 20) + 1);
    made.push(extension_value("valueString", &format!("\"{}\"", &long[1..]), None));
    made.push(extension_value("valueString", &format!("\"{long}\""), Some(LONG)));
    made
}

fn extension_value(property: &str, value: &str, case: Option<&'static Case>) -> Made {
    let shown: String = value.chars().take(40).collect();
    let input = format!(
        r#"{{"resourceType":"Basic","code":{{"text":"synthetic"}},"extension":[{{"url":"http://example.org/syn","{property}":{value}}}]}}"#
    );
    Made { name: format!("{property} {shown}"), case, input: input.into_bytes() }
}

/// Every element of every resource type with a wrong number of values, a null, an empty value or, for a choice, a type too
/// many or a wrong one; and every resource without each element that it must have.
pub fn elements(release: Release) -> Vec<Made> {
    let all = definitions(release);
    let mut made = Vec::new();
    for resource in all.resources() {
        let name = all.get(resource).name;
        let mut add = |case: &'static Case, what: &str, members: String| {
            let input = format!("{{\"resourceType\":\"{name}\"{members}}}").into_bytes();
            made.push(Made { name: format!("{name}.{what}"), case: Some(case), input });
        };
        for element in all.elements(resource) {
            let property = written_name(all, element, element.types[0]);
            let value = some_value(all, element.types[0]);
            match element.repeats() {
                true => add(SINGLE_FOR_ARRAY, &property, format!(",\"{property}\":{value}")),
                false => {
                    add(ARRAY_FOR_SINGLE, &property, format!(",\"{property}\":[{value}]"));
                    add(TOO_MANY, &property, format!(",\"{property}\":[{value},{value}]"));
                }
            }
            add(EMPTY_ARRAY, &property, format!(",\"{property}\":[]"));
            add(NULL, &property, format!(",\"{property}\":null"));
            add(DUPLICATE_KEY, &property, format!(",\"{property}\":{value},\"{property}\":{value}"));
            if property != property.to_uppercase() {
                add(NAME_CASE, &property, format!(",\"{}\":{value}", property.to_uppercase()));
            }
            if element.min > 0 {
                add(MISSING, &property, String::new());
            }
            if element.is_choice {
                let other = element.types[1..].first().map(|&of| (written_name(all, element, of), some_value(all, of)));
                if let Some((other, other_value)) = other {
                    let members = format!(",\"{property}\":{value},\"{other}\":{other_value}");
                    add(TWO_CHOICES, &property, members);
                }
                add(CHOICE_TYPE, element.name, format!(",\"{}Patient\":{{\"id\":\"a\"}}", element.name));
            }
        }
    }
    made
}

/// An element's name in JSON with a value of that type.
fn written_name(all: &Definitions, element: &Element, of: TypeId) -> String {
    let of = all.get(of).name;
    match element.is_choice {
        true => format!("{}{}{}", element.name, of[..1].to_ascii_uppercase(), &of[1..]),
        false => element.name.to_owned(),
    }
}

/// A value of the right JSON kind; an element has nothing but an extension.
fn some_value(all: &Definitions, of: TypeId) -> String {
    let of = all.get(of);
    let text = match (of.sort, of.name) {
        (Sort::Primitive, "boolean") => "true",
        (Sort::Primitive, "decimal" | "integer" | "unsignedInt" | "positiveInt") => "1",
        (Sort::Primitive, "xhtml") => return r#""<div xmlns=\"http://www.w3.org/1999/xhtml\">SYN</div>""#.to_owned(),
        (Sort::Primitive, _) => "\"a\"",
        (Sort::Abstract, _) => r#"{"resourceType":"Basic","code":{"text":"synthetic"}}"#,
        _ => r#"{"extension":[{"url":"http://example.org/syn","valueBoolean":true}]}"#,
    };
    text.to_owned()
}
