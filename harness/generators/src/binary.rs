//! Protocol Buffers and CBOR: depth at a byte a level, and lengths that are not true.

use crate::params::{Param, number};
use crate::text::repeat;
use crate::{Content, Family, GeneratorError, Kind, Params};
use std::io::{self, Write};

const LEVELS: Param = number("levels", "levels", 100_000, (1, 1 << 30), "how deep");
/// What a reader with 32-bit sizes still believes.
const PROTOBUF_DECLARED: Param = number("declared", "bytes", (1 << 31) - 1, (1, u64::MAX), "length that is claimed");
const CBOR_DECLARED: Param = number("declared", "items", 1 << 36, (1, u64::MAX), "length that is claimed");

pub const PROTOBUF_GROUPS: Family = Family {
    name: "protobuf-groups",
    about: "Groups in groups, two bytes a level, known to no schema: who skips them by recursion has no stack left",
    kind: Kind::Protobuf,
    source: "https://protobuf.dev/programming-guides/encoding/#groups; CVE-2024-7254 (protobuf-java); CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        // Field 1, wire types 3 and 4.
        repeat(out, &[1 << 3 | 3], params.number("levels"))?;
        repeat(out, &[1 << 3 | 4], params.number("levels"))?;
        Ok(Content::Whole)
    },
};

pub const PROTOBUF_NESTED: Family = Family {
    name: "protobuf-nested",
    about: "Messages in messages, every length true",
    kind: Kind::Protobuf,
    source: "https://protobuf.dev/programming-guides/encoding/#submessages; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        // A level is a tag, the length of what is inside, and that. From the inside, to learn the outermost length;
        // then from the outside, taking away what a level has added, so that no list of lengths is needed.
        let levels = params.number("levels");
        let mut length = (0..levels).fold(0u64, |inside, _| 1 + varint_bytes(inside) + inside);
        for _ in 0..levels {
            let inside = (1..=10)
                .map(|bytes| length - 1 - bytes)
                .find(|inside| 1 + varint_bytes(*inside) + inside == length)
                .expect("every length but the innermost is one that a level has made");
            out.write_all(&[LENGTH_DELIMITED])?;
            varint(out, inside)?;
            length = inside;
        }
        Ok(Content::Whole)
    },
};

pub const PROTOBUF_LENGTH_LIE: Family = Family {
    name: "protobuf-length-lie",
    about: "A field that claims gigabytes and ends: who allocates first is out of memory for six bytes",
    kind: Kind::Protobuf,
    source: "https://protobuf.dev/programming-guides/encoding/#length-types; CWE-789",
    scale: None,
    own_params: &[PROTOBUF_DECLARED],
    write: |params, out| {
        out.write_all(&[LENGTH_DELIMITED])?;
        varint(out, params.number("declared"))?;
        Ok(Content::Declares(params.number("declared").into()))
    },
};

pub const PROTOBUF_PACKED_LIE: Family = Family {
    name: "protobuf-packed-lie",
    about: "A packed field that claims more numbers than follow: lists are reserved by the claim",
    kind: Kind::Protobuf,
    source: "https://protobuf.dev/programming-guides/encoding/#packed; CWE-789",
    scale: Some("values"),
    own_params: &[PROTOBUF_DECLARED, number("values", "values", 3, (0, 1 << 36), "numbers of one byte that follow")],
    write: |params, out| {
        let (declared, values) = (params.number("declared"), params.number("values"));
        if values >= declared {
            return Err(PROTOBUF_PACKED_LIE.contradiction("values: fewer must follow than are declared"));
        }
        out.write_all(&[LENGTH_DELIMITED])?;
        varint(out, declared)?;
        repeat(out, &[1], values)?;
        Ok(Content::Declares(declared.into()))
    },
};

pub const CBOR_ARRAY_LIE: Family = Family {
    name: "cbor-array-lie",
    about: "An array that claims many items and ends",
    kind: Kind::Cbor,
    source: "RFC 8949, sections 3.1 and 10: lengths must not be trusted; CWE-789",
    scale: None,
    own_params: &[CBOR_DECLARED],
    write: |params, out| lie(params, out, 4),
};

pub const CBOR_MAP_LIE: Family = Family {
    name: "cbor-map-lie",
    about: "A map that claims many pairs and ends",
    kind: Kind::Cbor,
    source: "RFC 8949, sections 3.1 and 10; CWE-789",
    scale: None,
    own_params: &[CBOR_DECLARED],
    write: |params, out| lie(params, out, 5),
};

pub const CBOR_BYTES_LIE: Family = Family {
    name: "cbor-bytes-lie",
    about: "A byte string that claims gigabytes and ends",
    kind: Kind::Cbor,
    source: "RFC 8949, sections 3.1 and 10; CWE-789",
    scale: None,
    own_params: &[CBOR_DECLARED],
    write: |params, out| lie(params, out, 2),
};

pub const CBOR_TEXT_LIE: Family = Family {
    name: "cbor-text-lie",
    about: "A text that claims gigabytes and ends",
    kind: Kind::Cbor,
    source: "RFC 8949, sections 3.1 and 10; CWE-789",
    scale: None,
    own_params: &[CBOR_DECLARED],
    write: |params, out| lie(params, out, 3),
};

pub const CBOR_ARRAYS: Family = Family {
    name: "cbor-arrays",
    about: "Arrays of one item in arrays, a byte a level",
    kind: Kind::Cbor,
    source: "RFC 8949, sections 3.1 and 10; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        repeat(out, &[4 << 5 | 1], params.number("levels"))?;
        out.write_all(&[NULL])?;
        Ok(Content::Whole)
    },
};

pub const CBOR_INDEFINITE: Family = Family {
    name: "cbor-indefinite",
    about: "Arrays of unknown length in arrays, all closed at the end",
    kind: Kind::Cbor,
    source: "RFC 8949, section 3.2.2; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        repeat(out, &[4 << 5 | 31], params.number("levels"))?;
        repeat(out, &[0xff], params.number("levels"))?;
        Ok(Content::Whole)
    },
};

pub const CBOR_TAGS: Family = Family {
    name: "cbor-tags",
    about: "Tags on tags: depth that has no brackets, and that counters of arrays do not see",
    kind: Kind::Cbor,
    source: "RFC 8949, section 3.4: tags can be nested; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        // Tag 55799 says "this is CBOR" (section 3.4.6) and may stand on anything.
        repeat(out, &[0xd9, 0xd9, 0xf7], params.number("levels"))?;
        out.write_all(&[NULL])?;
        Ok(Content::Whole)
    },
};

/// Field 1, wire type 2.
const LENGTH_DELIMITED: u8 = 1 << 3 | 2;
const NULL: u8 = 0xf6;

/// A head of nine bytes of this major type, and nothing else (RFC 8949, section 3).
fn lie(params: &Params, out: &mut dyn Write, major: u8) -> Result<Content, GeneratorError> {
    out.write_all(&[major << 5 | 27])?;
    out.write_all(&params.number("declared").to_be_bytes())?;
    Ok(Content::Declares(params.number("declared").into()))
}

pub fn varint_bytes(value: u64) -> u64 {
    u64::from((64 - (value | 1).leading_zeros()).div_ceil(7))
}

pub fn varint(out: &mut dyn Write, mut value: u64) -> io::Result<()> {
    let mut bytes = [0u8; 10];
    let mut count = 0;
    while value >= 0x80 {
        bytes[count] = value as u8 | 0x80;
        value >>= 7;
        count += 1;
    }
    bytes[count] = value as u8;
    out.write_all(&bytes[..=count])
}
