//! Ordinary documents of exactly so many bytes, compressed ones too: what is at a reader's limit on size, and what is one
//! byte over it. Nothing in them is hostile, nor more than what stands in a small document: the rest is padding that every
//! reader of the format passes over.

use crate::params::{Param, choice, number};
use crate::text::{Counting, fill, repeat};
use crate::{Content, Expanded, Family, GeneratorError, Kind, Params};
use std::io::{self, Write};

/// The least and the most that there is: less than the longest document without padding is none.
const BYTES: Param = number("bytes", "bytes", 64 << 10, (BYTES_MIN, 1 << 30), "exactly so many");
const BYTES_MIN: u64 = 1 << 10;
/// What is inside of a compressed document.
const CONTENT: Param = choice(
    "content",
    &["fhir-json", "json", "fhir-xml", "xml", "ndjson", "hl7v2", "protobuf", "cbor"],
    "what is inside",
);

macro_rules! plain {
    ($name:literal, $kind:ident, $how:literal, $source:literal) => {
        Family {
            name: $name,
            about: concat!("A small document of exactly so many bytes, ", $how),
            kind: Kind::$kind,
            source: $source,
            scale: Some("bytes"),
            own_params: &[BYTES],
            write: |params, out| {
                document(Kind::$kind, params.number("bytes"), out)?;
                Ok(Content::Whole)
            },
        }
    };
}
macro_rules! stored {
    ($name:literal, $kind:ident, $how:literal, $source:literal) => {
        Family {
            name: $name,
            about: concat!("A small document in ", $how, ", exactly so many bytes in all: nothing is compressed"),
            kind: Kind::$kind,
            source: $source,
            scale: Some("bytes"),
            own_params: &[BYTES, CONTENT],
            write: |params, out| stored(Kind::$kind, params, out),
        }
    };
}

pub const JSON: Family =
    plain!("sized-json", Json, "blanks behind it", "RFC 8259, section 2: blanks may follow a text");
pub const FHIR_JSON: Family =
    plain!("sized-fhir-json", FhirJson, "blanks behind it", "FHIR R5, json; RFC 8259, section 2");
pub const FHIR_XML: Family =
    plain!("sized-fhir-xml", FhirXml, "blanks behind it", "FHIR R5, xml; XML 1.0, section 2.8");
pub const XML: Family = plain!("sized-xml", Xml, "blanks behind it", "XML 1.0, section 2.8: Misc may follow the root");
pub const NDJSON: Family = plain!(
    "sized-ndjson",
    Ndjson,
    "two lines, blanks behind the second",
    "FHIR Bulk Data; https://github.com/ndjson/ndjson-spec"
);
pub const HL7: Family =
    plain!("sized-hl7", Hl7v2, "notes of a thousand bytes behind it", "HL7 v2.5.1, section 2.15.10 (NTE)");
pub const PROTOBUF: Family = plain!(
    "sized-protobuf",
    Protobuf,
    "an unknown field, which every reader passes over",
    "Protocol Buffers, encoding, section Length-Delimited Records"
);
pub const CBOR: Family = plain!("sized-cbor", Cbor, "one byte string", "RFC 8949, section 3.1, major type 2");
pub const DEFLATE: Family = stored!("sized-deflate", Deflate, "stored blocks", "RFC 1951, section 3.2.4");
pub const ZLIB: Family =
    stored!("sized-zlib", Zlib, "stored blocks with zlib's frame", "RFC 1950; RFC 1951, section 3.2.4");
pub const GZIP: Family =
    stored!("sized-gzip", Gzip, "a gzip file of stored blocks", "RFC 1952; RFC 1951, section 3.2.4");
pub const ZIP: Family =
    stored!("sized-zip", Zip, "a zip file of stored blocks", "PKWARE APPNOTE, section 4.3.9; RFC 1951, section 3.2.4");
pub const ZSTD: Family = stored!("sized-zstd", Zstd, "raw blocks", "RFC 8878, section 3.1.1.2.2: Raw_Block");

const JSON_TEXT: &[u8] = br#"{"a":[1,2.5,"x",true,null],"b":{}}"#;
const FHIR_JSON_TEXT: &[u8] =
    br#"{"resourceType":"Patient","id":"p1","active":true,"name":[{"family":"Okafor","given":["Ada"]}]}"#;
const FHIR_XML_TEXT: &[u8] = br#"<Patient xmlns="http://hl7.org/fhir"><id value="p1"/><active value="true"/><name><family value="Okafor"/><given value="Ada"/></name></Patient>"#;
const XML_TEXT: &[u8] = br#"<?xml version="1.0"?><a b="c"><d>text</d></a>"#;
const HL7_TEXT: &[u8] = b"MSH|^~\\&|LAB|ACME|EHR|CLINIC|20240101120000||ORU^R01^ORU_R01|1|P|2.5.1\r\
PID|1||4711^^^ACME^MR||Okafor^Ada||19840229|F\rOBR|1|||8867-4^Heart rate^LN\rOBX|1|NM|8867-4^Heart rate^LN||72|/min|||||F\r";
const NOTE: &[u8] = b"NTE|1||";
const NOTE_BYTES: u64 = 1000;
/// Blanks as an editor would leave them.
const BLANKS: &[u8] = b"                                                               \n";

/// A document of exactly so many bytes; there are enough for the longest.
fn document(kind: Kind, bytes: u64, out: &mut dyn Write) -> io::Result<()> {
    let padded = |out: &mut dyn Write, text: &[u8]| {
        out.write_all(text)?;
        fill(out, BLANKS, bytes - text.len() as u64)
    };
    match kind {
        Kind::Json => padded(out, JSON_TEXT),
        Kind::FhirJson => padded(out, FHIR_JSON_TEXT),
        Kind::FhirXml => padded(out, FHIR_XML_TEXT),
        Kind::Xml => padded(out, XML_TEXT),
        Kind::Ndjson => {
            // Two lines: there are limits on their number, too.
            out.write_all(FHIR_JSON_TEXT)?;
            out.write_all(b"\n")?;
            out.write_all(FHIR_JSON_TEXT)?;
            fill(out, b" ", bytes - 2 * FHIR_JSON_TEXT.len() as u64 - 2)?;
            out.write_all(b"\n")
        }
        Kind::Hl7v2 => {
            out.write_all(HL7_TEXT)?;
            let rest = bytes - HL7_TEXT.len() as u64;
            // The last note takes what is left, and is never shorter than its own header.
            let notes = (rest / NOTE_BYTES).saturating_sub(1);
            let note = |out: &mut dyn Write, bytes: u64| {
                out.write_all(NOTE)?;
                fill(out, b"All is well. ", bytes - NOTE.len() as u64 - 1)?;
                out.write_all(b"\r")
            };
            (0..notes).try_for_each(|_| note(out, NOTE_BYTES))?;
            note(out, rest - notes * NOTE_BYTES)
        }
        Kind::Protobuf => {
            // Field 1000, as bytes and as a number: one or two of the latter where no length of the former fits.
            let (number, field) = ([0xc0u8, 0x3e, 0x01], [0xc2u8, 0x3e]);
            for numbers in 0u64.. {
                let rest = bytes - field.len() as u64 - numbers * number.len() as u64;
                let Some(length) = (1..=5)
                    .map(|digits| rest - digits)
                    .find(|length| crate::binary::varint_bytes(*length) == rest - length)
                else {
                    continue;
                };
                repeat(out, &number, numbers)?;
                out.write_all(&field)?;
                crate::binary::varint(out, length)?;
                return fill(out, &[0], length);
            }
            unreachable!("some number fits")
        }
        Kind::Cbor => {
            // Two bytes of length, or four.
            let (head, length) = match bytes - 3 {
                length @ ..=0xffff => ([vec![0x59], (length as u16).to_be_bytes().to_vec()].concat(), length),
                _ => ([vec![0x5a], (bytes as u32 - 5).to_be_bytes().to_vec()].concat(), bytes - 5),
            };
            out.write_all(&head)?;
            fill(out, &[0], length)
        }
        _ => unreachable!("{} is compressed", kind.name()),
    }
}

fn content(params: &Params) -> Kind {
    let word = params.choice("content");
    Kind::ALL.into_iter().find(|kind| kind.name() == word).expect("a kind for each word")
}

/// Head of a gzip file without a name and a time (RFC 1952, section 2.3.1), and the bytes behind its blocks.
const GZIP_HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const GZIP_TAIL_BYTES: u64 = 4 + 4;
/// Deflate with a window of 32 KiB, fastest (RFC 1950, section 2.2).
const ZLIB_HEAD: &[u8] = &[0x78, 0x01];
const ADLER_BYTES: u64 = 4;
/// Magic number, a window of 1 MiB, and the size of the content, which follows in eight bytes.
const ZSTD_HEAD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd, 0xc0, 10 << 3];

/// Bytes of the head of a block, and most that it holds.
const DEFLATE_BLOCK: (u64, u64) = (5, 0xffff);
const ZSTD_BLOCK: (u64, u64) = (3, 128 << 10);

fn stored(kind: Kind, params: &Params, out: &mut dyn Write) -> Result<Content, GeneratorError> {
    let (bytes, inside) = (params.number("bytes"), content(params));
    let length = match kind {
        Kind::Deflate => blocks(out, bytes, DEFLATE_BLOCK, inside, &mut |_| {})?,
        Kind::Zlib => {
            let mut sum = adler2::Adler32::new();
            out.write_all(ZLIB_HEAD)?;
            let room = bytes - ZLIB_HEAD.len() as u64 - ADLER_BYTES;
            let length = blocks(out, room, DEFLATE_BLOCK, inside, &mut |bytes| sum.write_slice(bytes))?;
            out.write_all(&sum.checksum().to_be_bytes())?;
            length
        }
        Kind::Gzip => {
            let mut sum = crc32fast::Hasher::new();
            out.write_all(GZIP_HEAD)?;
            let room = bytes - GZIP_HEAD.len() as u64 - GZIP_TAIL_BYTES;
            let length = blocks(out, room, DEFLATE_BLOCK, inside, &mut |bytes| sum.update(bytes))?;
            out.write_all(&sum.finalize().to_le_bytes())?;
            out.write_all(&(length as u32).to_le_bytes())?;
            length
        }
        Kind::Zip => {
            let room = bytes - crate::zip::ONLY_FILE_BYTES;
            let mut length = 0;
            crate::zip::only_file_as_it_is(out, &mut |out| {
                let mut sum = crc32fast::Hasher::new();
                length = blocks(out, room, DEFLATE_BLOCK, inside, &mut |bytes| sum.update(bytes))?;
                Ok([sum.finalize().into(), room, length])
            })?;
            length
        }
        Kind::Zstd => {
            out.write_all(ZSTD_HEAD)?;
            let room = bytes - ZSTD_HEAD.len() as u64 - 8;
            out.write_all(&length_in(room, ZSTD_BLOCK).to_le_bytes())?;
            blocks(out, room, ZSTD_BLOCK, inside, &mut |_| {})?
        }
        _ => unreachable!("{} has no stored blocks", kind.name()),
    };
    Ok(Content::Expands(Expanded::Exact(length.into())))
}

/// Blocks of so many bytes in all.
fn blocks_in(room: u64, (head, most): (u64, u64)) -> u64 {
    room.div_ceil(head + most)
}

/// Bytes of content that they hold.
fn length_in(room: u64, block: (u64, u64)) -> u64 {
    room - blocks_in(room, block) * block.0
}

/// A document in blocks, which have exactly so many bytes together; its own length.
fn blocks(
    out: &mut dyn Write,
    room: u64,
    block: (u64, u64),
    inside: Kind,
    seen: &mut dyn FnMut(&[u8]),
) -> io::Result<u64> {
    let length = length_in(room, block);
    let mut blocks = Blocks { out, block, blocks: blocks_in(room, block), left: length, in_block: 0, seen };
    let mut counted = Counting::new(&mut blocks);
    document(inside, length, &mut counted)?;
    debug_assert_eq!(counted.bytes(), length);
    Ok(length)
}

/// Puts heads before what passes.
struct Blocks<'a> {
    out: &'a mut dyn Write,
    block: (u64, u64),
    /// Blocks, and bytes of content, that are still to come.
    blocks: u64,
    left: u64,
    in_block: u64,
    seen: &'a mut dyn FnMut(&[u8]),
}

impl Write for Blocks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.in_block == 0 {
            // As equal as can be: all of them are there, and none is empty.
            self.in_block = self.left.div_ceil(self.blocks);
            let is_last = u8::from(self.blocks == 1);
            self.blocks -= 1;
            let length = self.in_block as u32;
            if self.block == DEFLATE_BLOCK {
                let [low, high, ..] = length.to_le_bytes();
                self.out.write_all(&[is_last, low, high, !low, !high])?;
            } else {
                self.out.write_all(&(length << 3 | u32::from(is_last)).to_le_bytes()[..3])?;
            }
        }
        let count = bytes.len().min(self.in_block as usize);
        self.out.write_all(&bytes[..count])?;
        (self.seen)(&bytes[..count]);
        self.in_block -= count as u64;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
