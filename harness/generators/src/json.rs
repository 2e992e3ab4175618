//! JSON: depth, length and number of everything in it. All are documents that RFC 8259 allows, unless said otherwise.

use crate::params::{Param, choice, number};
use crate::text::{fill, nest, repeat};
use crate::{Content, Family, Kind};
use std::io::Write;

/// Nested parts to a gibibyte of text.
const LEVELS: Param = number("levels", "levels", 100_000, (1, 1 << 28), "how deep");
const CLOSED: Param = choice("closed", &["yes", "no"], "whether what was opened is closed again");

pub const JSON_ARRAYS: Family = Family {
    name: "json-arrays",
    about: "Arrays in arrays: who recurses has no stack left",
    kind: Kind::Json,
    source: "JSONTestSuite, n_structure_100000_opening_arrays.json (closed=no); RFC 8259, section 9; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS, CLOSED],
    write: |params, out| {
        nest(out, "[", params.number("levels"), "", if params.choice("closed") == "yes" { "]" } else { "" })?;
        Ok(Content::Whole)
    },
};

pub const JSON_OBJECTS: Family = Family {
    name: "json-objects",
    about: "Objects in objects: as arrays, with a key on each level",
    kind: Kind::Json,
    source: "JSONTestSuite, n_structure_open_array_object.json (closed=no); RFC 8259, section 9; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS, CLOSED],
    write: |params, out| {
        nest(out, r#"{"a":"#, params.number("levels"), "0", if params.choice("closed") == "yes" { "}" } else { "" })?;
        Ok(Content::Whole)
    },
};

pub const JSON_LONG_STRING: Family = Family {
    name: "json-long-string",
    about: "One string, as long as the document",
    kind: Kind::Json,
    source: "RFC 8259, section 9: length and contents of strings may be limited",
    scale: Some("chars"),
    own_params: &[
        number("chars", "characters", 8 << 20, (1, 1 << 36), "characters of the string"),
        choice("text", &["ascii", "two-byte", "four-byte"], "characters of one, two (é) or four (𝄞) bytes"),
    ],
    write: |params, out| {
        let text = match params.choice("text") {
            "two-byte" => "é",
            "four-byte" => "𝄞",
            _ => "a",
        };
        out.write_all(b"\"")?;
        repeat(out, text.as_bytes(), params.number("chars"))?;
        out.write_all(b"\"")?;
        Ok(Content::Whole)
    },
};

pub const JSON_LONG_NUMBER: Family = Family {
    name: "json-long-number",
    about: "One number of many digits: exact conversion is quadratic in them",
    kind: Kind::Json,
    source: "RFC 8259, sections 6 and 9; CVE-2020-10735 (CPython's int of a long text)",
    scale: Some("digits"),
    own_params: &[
        number("digits", "digits", 1 << 20, (1, 1 << 36), "digits of the number"),
        choice("place", &["integer", "fraction", "exponent"], "which of its parts is long"),
    ],
    write: |params, out| {
        out.write_all(match params.choice("place") {
            "fraction" => b"0.".as_slice(),
            "exponent" => b"1e".as_slice(),
            _ => b"",
        })?;
        fill(out, b"9182736450", params.number("digits"))?;
        Ok(Content::Whole)
    },
};

pub const JSON_EXPONENTS: Family = Family {
    name: "json-exponents",
    about: "Short numbers with huge exponents: who writes them out needs a gigabyte for each",
    kind: Kind::Json,
    source: "RFC 8259, section 6: 1E400; FHIR R5, datatypes, decimal; CWE-400",
    scale: Some("count"),
    own_params: &[
        number("count", "numbers", 1000, (1, 1 << 28), "how many of them"),
        number("exponent", "powers of ten", 1_000_000_000, (0, u64::MAX), "the exponent of each"),
        choice("sign", &["plus", "minus"], "of the exponent"),
    ],
    write: |params, out| {
        let sign = if params.choice("sign") == "minus" { "-" } else { "" };
        let value = format!("1e{sign}{}", params.number("exponent"));
        list(out, "[", &value, params.number("count"), "]")
    },
};

pub const JSON_DUPLICATE_KEYS: Family = Family {
    name: "json-duplicate-keys",
    about: "One key with many values: readers that search for what they have are quadratic",
    kind: Kind::Json,
    source: "RFC 8259, section 4: names SHOULD be unique",
    scale: Some("count"),
    own_params: &[number("count", "members", 1 << 20, (1, 1 << 28), "members with the same key")],
    write: |params, out| list(out, "{", r#""a":1"#, params.number("count"), "}"),
};

pub const JSON_DISTINCT_KEYS: Family = Family {
    name: "json-distinct-keys",
    about: "Many keys, no two alike: maps that grow, hashes that collide, lists that are searched",
    kind: Kind::Json,
    source: "Crosby and Wallach, \"Denial of Service via Algorithmic Complexity Attacks\", USENIX Security 2003",
    scale: Some("count"),
    own_params: &[number("count", "members", 1 << 19, (1, 1 << 28), "members, each with a key of eight digits")],
    write: |params, out| {
        out.write_all(b"{")?;
        for at in 0..params.number("count") {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}\"{at:08x}\":0")?;
        }
        out.write_all(b"}")?;
        Ok(Content::Whole)
    },
};

pub const JSON_TINY_VALUES: Family = Family {
    name: "json-tiny-values",
    about: "Many values of a few bytes: each becomes an object of dozens",
    kind: Kind::Json,
    source: "RFC 8259, section 9; serde_json's Value needs 33 to 63 times the bytes of such a text",
    scale: Some("count"),
    own_params: &[
        number("count", "values", 1 << 20, (1, 1 << 30), "values of one array"),
        choice("value", &["number", "object", "array", "string", "null"], "0, {\"a\":1}, [], \"\" or null"),
    ],
    write: |params, out| {
        let value = match params.choice("value") {
            "object" => r#"{"a":1}"#,
            "array" => "[]",
            "string" => r#""""#,
            "null" => "null",
            _ => "0",
        };
        list(out, "[", value, params.number("count"), "]")
    },
};

pub const JSON_ESCAPES: Family = Family {
    name: "json-escapes",
    about: "A string of escapes alone: readers that copy the rest for each are quadratic",
    kind: Kind::Json,
    source: "RFC 8259, section 7",
    scale: Some("count"),
    own_params: &[
        number("count", "escapes", 1 << 20, (1, 1 << 32), "escapes of the string"),
        choice(
            "escape",
            &["hex", "pair", "short", "lone"],
            "\\u0041, \\ud834\\udd1e, \\n, or the lone surrogate \\ud834",
        ),
    ],
    write: |params, out| {
        let escape = match params.choice("escape") {
            "pair" => r"\ud834\udd1e",
            "short" => r"\n",
            "lone" => r"\ud834",
            _ => r"\u0041",
        };
        out.write_all(b"\"")?;
        repeat(out, escape.as_bytes(), params.number("count"))?;
        out.write_all(b"\"")?;
        Ok(Content::Whole)
    },
};

pub const JSON_WHITESPACE: Family = Family {
    name: "json-whitespace",
    about: "Nothing but space in front of a value: work without content",
    kind: Kind::Json,
    source: "RFC 8259, section 2: insignificant whitespace is allowed",
    scale: Some("bytes"),
    own_params: &[number("bytes", "bytes", 8 << 20, (0, 1 << 36), "spaces, line feeds and tabs before the value")],
    write: |params, out| {
        fill(out, b" \n\t\r", params.number("bytes"))?;
        out.write_all(b"0")?;
        Ok(Content::Whole)
    },
};

/// The same item so many times, with commas between.
pub fn list(
    out: &mut dyn Write,
    open: &str,
    item: &str,
    count: u64,
    close: &str,
) -> Result<Content, crate::GeneratorError> {
    write!(out, "{open}{item}")?;
    repeat(out, format!(",{item}").as_bytes(), count - 1)?;
    out.write_all(close.as_bytes())?;
    Ok(Content::Whole)
}
