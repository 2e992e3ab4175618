//! HL7 v2 in ER7 encoding: much of each part that a message has, and escapes that do not end.

use crate::params::{Param, number};
use crate::text::{fill, repeat};
use crate::{Content, Family, GeneratorError, Kind};
use std::io::Write;

/// Eight mebibytes and more, whatever is repeated.
const COUNT_MAX: u64 = 1 << 36;

const fn count(unit: &'static str, default: u64, about: &'static str) -> Param {
    number("count", unit, default, (1, COUNT_MAX), about)
}

const MESSAGE: &str = "MSH|^~\\&|LAB|ACME|EHR|CLINIC|20240101120000||ORU^R01^ORU_R01|1|P|2.5.1\r";
const PATIENT: &str = "PID|1||4711^^^ACME^MR||DOE^JANE\r";

pub const HL7_SEGMENTS: Family = Family {
    name: "hl7-segments",
    about: "One message of many segments: who finds the n-th by counting from the first is quadratic",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, section 2.3; CWE-407",
    scale: Some("count"),
    own_params: &[count("segments", 100_000, "NTE segments")],
    write: |params, out| flood(out, "", "NTE|1||a\r", params.number("count"), ""),
};

pub const HL7_FIELDS: Family = Family {
    name: "hl7-fields",
    about: "One segment of many empty fields: who finds the n-th by counting from the first is quadratic",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, section 2.5.3; CWE-407",
    scale: Some("count"),
    own_params: &[count("fields", 1 << 20, "field separators")],
    write: |params, out| flood(out, "OBX", "|", params.number("count"), "\r"),
};

pub const HL7_REPETITIONS: Family = Family {
    name: "hl7-repetitions",
    about: "One field with many repetitions: a byte each, and an object each",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, section 2.5.3.5: maximum repetitions are agreed between sites",
    scale: Some("count"),
    own_params: &[count("repetitions", 1 << 20, "repetition separators")],
    write: |params, out| flood(out, "PID|1||", "~", params.number("count"), "\r"),
};

pub const HL7_COMPONENTS: Family = Family {
    name: "hl7-components",
    about: "One field with many components",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, section 2.5.4",
    scale: Some("count"),
    own_params: &[count("components", 1 << 20, "component separators")],
    write: |params, out| flood(out, "PID|1||", "^", params.number("count"), "\r"),
};

pub const HL7_SUBCOMPONENTS: Family = Family {
    name: "hl7-subcomponents",
    about: "Components and subcomponents in turn: two objects for two bytes",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, section 2.5.4",
    scale: Some("count"),
    own_params: &[count("pairs", 1 << 19, "pairs of a component separator and a subcomponent separator")],
    write: |params, out| flood(out, "PID|1||", "&^", params.number("count"), "\r"),
};

pub const HL7_HEX_ESCAPES: Family = Family {
    name: "hl7-hex-escapes",
    about: "A field of hexadecimal escapes: readers that replace one after the other are quadratic",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, section 2.7: \\Xdddd...\\",
    scale: Some("count"),
    own_params: &[
        count("escapes", 1 << 18, "escapes in the field"),
        number("digits", "digits", 2, (2, 1 << 30), "hexadecimal digits of each, even (rounded up)"),
    ],
    write: |params, out| {
        write!(out, "{MESSAGE}{PATIENT}OBX|1|ST|A||")?;
        let pairs = params.number("digits").div_ceil(2);
        for _ in 0..params.number("count") {
            out.write_all(b"\\X")?;
            repeat(out, b"00", pairs)?;
            out.write_all(b"\\")?;
        }
        out.write_all(b"\r")?;
        Ok(Content::Whole)
    },
};

pub const HL7_UNTERMINATED_ESCAPES: Family = Family {
    name: "hl7-unterminated-escapes",
    about: "Escapes that do not end: readers that look for the end from each beginning are quadratic",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, section 2.7; CWE-407",
    scale: Some("count"),
    own_params: &[count("escapes", 1 << 19, "escape characters, each with a letter and no end")],
    // An odd number of escape characters in each field: the last one is always open.
    write: |params, out| flood(out, "OBX|1|ST|A||", "\\E|", params.number("count"), "\\E"),
};

pub const HL7_LONG_FIELD: Family = Family {
    name: "hl7-long-field",
    about: "One field, as long as the message",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, section 2.5.3.2: lengths are agreed between sites; FT is 65,536",
    scale: Some("bytes"),
    own_params: &[number("bytes", "bytes", 8 << 20, (0, COUNT_MAX), "characters of the field")],
    write: |params, out| {
        write!(out, "{MESSAGE}{PATIENT}OBX|1|FT|A||")?;
        fill(out, b"Lorem ipsum ", params.number("bytes"))?;
        out.write_all(b"\r")?;
        Ok(Content::Whole)
    },
};

pub const HL7_MESSAGES: Family = Family {
    name: "hl7-messages",
    about: "Many messages one behind the other, where one is expected",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, section 2.10.3",
    scale: Some("count"),
    own_params: &[count("messages", 50_000, "messages of two segments")],
    write: |params, out| {
        repeat(out, format!("{MESSAGE}{PATIENT}").as_bytes(), params.number("count"))?;
        Ok(Content::Whole)
    },
};

pub const HL7_BATCHES: Family = Family {
    name: "hl7-batches",
    about: "A file of many batches with one message each",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, section 2.10.3: FHS { BHS { MSH … } BTS } FTS",
    scale: Some("count"),
    own_params: &[count("batches", 30_000, "batches")],
    write: |params, out| {
        let batches = params.number("count");
        out.write_all(b"FHS|^~\\&|LAB|ACME|EHR|CLINIC|20240101120000\r")?;
        let batch = format!("BHS|^~\\&|LAB|ACME|EHR|CLINIC|20240101120000\r{MESSAGE}{PATIENT}BTS|1\r");
        repeat(out, batch.as_bytes(), batches)?;
        write!(out, "FTS|{batches}\r")?;
        Ok(Content::Whole)
    },
};

/// A message whose last segment repeats something.
fn flood(out: &mut dyn Write, open: &str, unit: &str, count: u64, close: &str) -> Result<Content, GeneratorError> {
    write!(out, "{MESSAGE}{PATIENT}{open}")?;
    repeat(out, unit.as_bytes(), count)?;
    out.write_all(close.as_bytes())?;
    Ok(Content::Whole)
}
