//! What FHIR and HL7 v2 inputs are: the rooms `parsers` and `generators`, apart from the engine so that they build in
//! seconds and for wasm32 as well (the guests of the peers link the reference reader).
//!
//! Modules import downward only: `{diff, peers} → {mutate, generate} → {fhir, hl7} → {json, rules} → {reading, tree}`.

pub mod diff;
pub mod families;
pub mod fhir;
pub mod generate;
pub mod hl7;
pub mod json;
pub mod mutate;
pub mod peers;
pub mod reading;
pub mod rules;
pub mod score;
pub mod tree;

/// A format that has a reference reader; its name is its folder in `corpora/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// RFC 8259.
    Json,
    /// FHIR resources in JSON.
    FhirJson,
    /// FHIR resources in XML.
    FhirXml,
    /// FHIR resources in JSON, one a line.
    FhirNdjson,
    /// HL7 v2 messages with vertical bars (ER7), alone, in batches or in MLLP frames.
    Hl7v2,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Json, Self::FhirJson, Self::FhirXml, Self::FhirNdjson, Self::Hl7v2];

    /// Its folder in `corpora/`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::FhirJson => "fhir-json",
            Self::FhirXml => "fhir-xml",
            Self::FhirNdjson => "fhir-ndjson",
            Self::Hl7v2 => "hl7v2",
        }
    }

    /// The format of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Reads an input with the reference reader; FHIR as R4.
    pub fn read(self, input: &[u8]) -> reading::Reading {
        self.read_as(input, fhir::Release::R4)
    }

    /// Reads an input with the reference reader; FHIR as this release.
    pub fn read_as(self, input: &[u8], release: fhir::Release) -> reading::Reading {
        match self {
            Self::Json => json::read(input),
            Self::FhirJson => fhir::read_json(input, release),
            Self::FhirXml => fhir::read_xml(input, release),
            Self::FhirNdjson => fhir::read_ndjson(input, release),
            Self::Hl7v2 => hl7::read(input),
        }
    }

    /// The canonical tree of what a peer with this projection wrote back; `None` where that is none.
    pub fn tree_of_answer(self, answer: &[u8], projection: tree::Erase) -> Option<tree::Tree> {
        match self {
            Self::Json => json::read(answer).tree,
            Self::FhirJson | Self::FhirXml | Self::FhirNdjson => fhir::tree_of_answer(answer),
            Self::Hl7v2 => hl7::tree_of_answer_under(answer, projection),
        }
    }
}
