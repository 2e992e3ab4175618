//! Inputs that exhaust their readers: decompression bombs, floods, deep nesting, lies about lengths, and plain documents
//! that are large. Each is a [`Family`] in one table: parameters in, bytes out, streamed; nothing is ever expanded here.
//!
//! The same parameters give the same bytes. Memory stays bounded whatever the parameters, and a writer that fails ends
//! the work at once. Where a writer of a format would have to be fed all that a bomb expands to, its output is written
//! directly, so that the work is proportional to the input that comes out.

mod binary;
mod brotli;
mod deflate;
mod fhir;
mod hl7v2;
mod json;
mod params;
mod size;
mod sized;
mod text;
mod typical;
mod wrap;
mod xml;
mod xz;
mod zip;
mod zstd;

pub use params::{Param, Params, Range, Value, parse_number};
pub use wrap::{Wrap, compressed};

use std::io::{self, BufWriter, Write};
use text::Counting;

/// Bytes that are written at once.
const CHUNK_BYTES: usize = 64 << 10;

/// One kind of hostile input.
pub struct Family {
    /// In kebab-case, for good: findings and corpora name it.
    pub name: &'static str,
    /// What it is and what it does to a careless reader, one sentence.
    pub about: &'static str,
    /// What an input is, before it is wrapped.
    pub kind: Kind,
    /// What was published about it: URL, paper, or section of a specification.
    pub source: &'static str,
    /// The parameter to which the size of the input is proportional, beside what is fixed; `None` where the size stands.
    /// Doublings of it show how a reader's work grows.
    pub scale: Option<&'static str>,
    own_params: &'static [Param],
    write: fn(&Params, &mut dyn Write) -> Result<Content, GeneratorError>,
}

impl std::fmt::Debug for Family {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

/// What an input is: which reader it is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Zlib,
    /// RFC 1951 without a frame around it.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// The .xz file format.
    Xz,
    /// PKWARE's APPNOTE.
    Zip,
    /// RFC 8259.
    Json,
    /// FHIR's JSON representation.
    FhirJson,
    /// FHIR's XML representation.
    FhirXml,
    /// XML 1.0.
    Xml,
    /// One JSON document on each line.
    Ndjson,
    /// HL7 version 2 in ER7 encoding.
    Hl7v2,
    /// Protocol Buffers' wire format.
    Protobuf,
    /// RFC 8949.
    Cbor,
}

/// What a family wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// What the input is, wrapping counted.
    pub kind: Kind,
    /// Bytes of the input.
    pub bytes: u64,
    /// What it becomes when everything in it is expanded.
    pub expanded: Expanded,
    /// What it becomes when only the outermost layer, or the first member, is, where there are several.
    pub first_layer: Option<u128>,
    /// Bytes or elements that a header claims to follow, where that is not true.
    pub declared: Option<u128>,
}

/// Bytes after the last expansion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expanded {
    /// So many.
    Exact(u128),
    /// More than 2^128.
    Beyond,
    /// It contains itself: whoever expands what is inside never ends.
    Endless,
}

/// What a family says of the bytes that it wrote.
enum Content {
    /// They are all there is.
    Whole,
    /// A reader expands them to this.
    Expands(Expanded),
    /// The same, by readers that go on with what comes out; `first` is what comes out at first.
    Layers { first: u128, all: Expanded },
    /// A header claims bytes or elements which are not there.
    Declares(u128),
    /// As claimed, and expands to so many bytes.
    DeclaresAndExpands(u128, u128),
}

/// Why no input was made.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    /// No family is called so.
    #[error("there is no family `{name}`{}; `cargo xtask bombs list` names all", meant(near))]
    UnknownFamily {
        /// As asked for.
        name: String,
        /// What was probably meant.
        near: Option<&'static str>,
    },
    /// The family has no such parameter.
    #[error("{family} has no parameter `{name}`{}; it has: {known}", meant(near))]
    UnknownParam {
        /// Name of the family.
        family: &'static str,
        /// As asked for.
        name: String,
        /// What was probably meant.
        near: Option<&'static str>,
        /// All parameters of the family.
        known: String,
    },
    /// A word is not `name=value`.
    #[error("`{word}` is not of the form name=value")]
    NotAnAssignment {
        /// As given.
        word: String,
    },
    /// A number is none, or not one that the parameter takes.
    #[error(
        "{param}={value}: {family} takes {min} to {max} {unit}, as a number or with a suffix, such as 64k, 8MiB or 2^41"
    )]
    OutOfRange {
        /// Name of the family.
        family: &'static str,
        /// Name of the parameter.
        param: &'static str,
        /// As given.
        value: String,
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Not one of the words that the parameter takes.
    #[error("{param}={value}: {family} takes one of {}{}", of.join(", "), meant(near))]
    NotAChoice {
        /// Name of the family.
        family: &'static str,
        /// Name of the parameter.
        param: &'static str,
        /// As given.
        value: String,
        /// What it takes.
        of: &'static [&'static str],
        /// What was probably meant.
        near: Option<&'static str>,
    },
    /// Parameters that are fine alone, not together.
    #[error("{family}: {what}")]
    Contradiction {
        /// Name of the family.
        family: &'static str,
        /// What does not fit, and the remedy.
        what: String,
    },
    /// No value of a parameter gives an input of the wished size.
    #[error("{family}: no input of {bytes} bytes: {why}")]
    NoSuchSize {
        /// Name of the family.
        family: &'static str,
        /// As wished.
        bytes: u64,
        /// What stands against it.
        why: String,
    },
    /// The writer failed, or did not want more.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// "; did you mean …?", or nothing.
fn meant(near: &Option<&'static str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// Every family. What uses them goes through this table: the command line, the oracle, the documentation.
pub static FAMILIES: &[Family] = &[
    deflate::DEFLATE,
    deflate::ZLIB,
    deflate::GZIP,
    deflate::GZIP_MEMBERS,
    deflate::GZIP_NESTED,
    deflate::DEFLATE_EMPTY_BLOCKS,
    deflate::GZIP_EMPTY_BLOCKS,
    brotli::BROTLI,
    zstd::ZSTD,
    zstd::ZSTD_DECLARED,
    zstd::ZSTD_WINDOW,
    xz::XZ,
    xz::XZ_DICTIONARY,
    zip::ZIP_DEFLATE,
    zip::ZIP_OVERLAP_FULL,
    zip::ZIP_OVERLAP_QUOTED,
    zip::ZIP_END_RECORDS,
    zip::nested::ZIP_NESTED,
    zip::quine::ZIP_QUINE,
    xml::XML_LAUGHS,
    xml::XML_QUADRATIC,
    xml::XML_DEPTH,
    xml::XML_ATTRIBUTES,
    xml::XML_NAMESPACES,
    xml::XML_TEXT,
    json::JSON_ARRAYS,
    json::JSON_OBJECTS,
    json::JSON_LONG_STRING,
    json::JSON_LONG_NUMBER,
    json::JSON_EXPONENTS,
    json::JSON_DUPLICATE_KEYS,
    json::JSON_DISTINCT_KEYS,
    json::JSON_TINY_VALUES,
    json::JSON_ESCAPES,
    json::JSON_WHITESPACE,
    fhir::FHIR_EXTENSIONS,
    fhir::FHIR_CONTAINED,
    fhir::FHIR_QUESTIONNAIRE_ITEMS,
    fhir::FHIR_BUNDLE,
    fhir::FHIR_BUNDLES_NESTED,
    fhir::FHIR_BINARY,
    fhir::FHIR_NARRATIVE,
    fhir::FHIR_XML_EXTENSIONS,
    fhir::FHIR_XML_BUNDLE,
    fhir::FHIR_XML_NARRATIVE,
    fhir::NDJSON_LINES,
    fhir::NDJSON_ENDLESS_LINE,
    hl7v2::HL7_SEGMENTS,
    hl7v2::HL7_FIELDS,
    hl7v2::HL7_REPETITIONS,
    hl7v2::HL7_COMPONENTS,
    hl7v2::HL7_SUBCOMPONENTS,
    hl7v2::HL7_HEX_ESCAPES,
    hl7v2::HL7_UNTERMINATED_ESCAPES,
    hl7v2::HL7_LONG_FIELD,
    hl7v2::HL7_MESSAGES,
    hl7v2::HL7_BATCHES,
    binary::PROTOBUF_GROUPS,
    binary::PROTOBUF_NESTED,
    binary::PROTOBUF_LENGTH_LIE,
    binary::PROTOBUF_PACKED_LIE,
    binary::CBOR_ARRAY_LIE,
    binary::CBOR_MAP_LIE,
    binary::CBOR_BYTES_LIE,
    binary::CBOR_TEXT_LIE,
    binary::CBOR_ARRAYS,
    binary::CBOR_INDEFINITE,
    binary::CBOR_TAGS,
    typical::FHIR_BUNDLE,
    typical::FHIR_XML_BUNDLE,
    typical::HL7_BATCH,
    sized::JSON,
    sized::FHIR_JSON,
    sized::FHIR_XML,
    sized::XML,
    sized::NDJSON,
    sized::HL7,
    sized::PROTOBUF,
    sized::CBOR,
    sized::DEFLATE,
    sized::ZLIB,
    sized::GZIP,
    sized::ZIP,
    sized::ZSTD,
];

/// The family of this name.
///
/// # Errors
/// [`GeneratorError::UnknownFamily`] with the name that was probably meant.
pub fn family(name: &str) -> Result<&'static Family, GeneratorError> {
    FAMILIES.iter().find(|family| family.name == name).ok_or_else(|| GeneratorError::UnknownFamily {
        name: params::printable(name),
        near: params::nearest(name, FAMILIES.iter().map(|family| family.name)),
    })
}

impl Family {
    /// Its parameters. What is not compressed already can be wrapped.
    pub fn params(&self) -> impl Iterator<Item = &'static Param> + use<> {
        let wrap: &'static [Param] = if self.kind.is_compressed() { &[] } else { wrap::PARAMS };
        self.own_params.iter().chain(wrap)
    }

    /// Every parameter as it is unless somebody says otherwise.
    pub fn defaults(&'static self) -> Params {
        Params::defaults(self)
    }

    /// Parameters from words of the form `name=value`.
    ///
    /// # Errors
    /// Any word that this family cannot take, with what it takes.
    pub fn parse(&'static self, words: &[impl AsRef<str>]) -> Result<Params, GeneratorError> {
        Params::parse(self, words)
    }

    /// Writes the input and says what it is.
    ///
    /// # Errors
    /// [`GeneratorError::Contradiction`], and the writer's own failure.
    ///
    /// # Panics
    /// If the parameters belong to another family.
    pub fn make(&'static self, params: &Params, out: &mut dyn Write) -> Result<Made, GeneratorError> {
        assert_eq!(params.family().name, self.name, "parameters of another family");
        let wrap = params.wrap();
        let mut outer = Counting::new(out);
        let (content, inner_bytes) = wrap::through(wrap, &mut outer, &mut |inner| {
            let mut inner = BufWriter::with_capacity(CHUNK_BYTES, Counting::new(inner));
            let content = (self.write)(params, &mut inner)?;
            inner.flush()?;
            Ok((content, inner.get_ref().bytes()))
        })?;
        let mut first_layer = None;
        let (expanded, declared) = match content {
            Content::Whole => (Expanded::Exact(inner_bytes.into()), None),
            Content::Expands(expanded) => (expanded, None),
            Content::Layers { first, all } => {
                first_layer = Some(first);
                (all, None)
            }
            Content::Declares(declared) => (Expanded::Exact(inner_bytes.into()), Some(declared)),
            Content::DeclaresAndExpands(declared, expanded) => (Expanded::Exact(expanded), Some(declared)),
        };
        Ok(Made { kind: wrap.kind().unwrap_or(self.kind), bytes: outer.bytes(), expanded, first_layer, declared })
    }

    /// The parameters with which the input has the wished size, as near as the scale parameter gets: a step of it, or
    /// one percent, whichever is more.
    ///
    /// # Errors
    /// [`GeneratorError::NoSuchSize`] for a family without scale, for wrapped inputs, and beyond what parameters allow.
    pub fn sized(&'static self, params: &Params, bytes: u64) -> Result<Params, GeneratorError> {
        size::reach(self, params, bytes)
    }

    fn contradiction(&self, what: impl Into<String>) -> GeneratorError {
        GeneratorError::Contradiction { family: self.name, what: what.into() }
    }
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Gzip,
        Self::Zlib,
        Self::Deflate,
        Self::Brotli,
        Self::Zstd,
        Self::Xz,
        Self::Zip,
        Self::Json,
        Self::FhirJson,
        Self::FhirXml,
        Self::Xml,
        Self::Ndjson,
        Self::Hl7v2,
        Self::Protobuf,
        Self::Cbor,
    ];

    /// As in a target's `format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
            Self::Brotli => "brotli",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Zip => "zip",
            Self::Json => "json",
            Self::FhirJson => "fhir-json",
            Self::FhirXml => "fhir-xml",
            Self::Xml => "xml",
            Self::Ndjson => "ndjson",
            Self::Hl7v2 => "hl7v2",
            Self::Protobuf => "protobuf",
            Self::Cbor => "cbor",
        }
    }

    /// How files of this kind end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Brotli => "br",
            Self::Zstd => "zst",
            Self::Json | Self::FhirJson => "json",
            Self::FhirXml | Self::Xml => "xml",
            Self::Hl7v2 => "hl7",
            Self::Protobuf => "pb",
            Self::Zlib | Self::Deflate | Self::Xz | Self::Zip | Self::Ndjson | Self::Cbor => self.name(),
        }
    }

    /// Whether a reader of a format, by a target's name for it, is meant: FHIR JSON is JSON first.
    pub fn is_read_as(self, format: &str) -> bool {
        let wider = match format {
            "fhir-json" => Some("json"),
            "fhir-xml" => Some("xml"),
            "fhir-ndjson" => Some("ndjson"),
            _ => None,
        };
        self.name() == format || Some(self.name()) == wider
    }

    /// Whether something else comes out of it.
    pub fn is_compressed(self) -> bool {
        matches!(self, Self::Gzip | Self::Zlib | Self::Deflate | Self::Brotli | Self::Zstd | Self::Xz | Self::Zip)
    }
}
