//! Inputs that must read the same: how to spell an input otherwise without changing what it says.
//!
//! A relation asks one reader alone, so it needs neither a second reader nor a rule: what it reads of the respelt input is
//! what it read of the first, or it is unstable (D13).

use crate::Format;
use crate::fhir::relations as fhir;

/// One way to spell an input otherwise.
pub struct Relation {
    /// What it does, in kebab case.
    pub name: &'static str,
    /// The input respelt; `None` where it does not apply. Only called for inputs that the reference accepts.
    pub apply: fn(&[u8]) -> Option<Vec<u8>>,
}

/// The relations of a format.
pub fn table(format: Format) -> &'static [Relation] {
    match format {
        Format::Json | Format::FhirJson => FHIR_JSON,
        Format::FhirXml | Format::FhirNdjson | Format::Hl7v2 => &[],
    }
}

const FHIR_JSON: &[Relation] = &[
    Relation { name: "members-reversed", apply: fhir::members_reversed },
    Relation { name: "resource-type-last", apply: fhir::resource_type_last },
    Relation { name: "spaced", apply: fhir::spaced },
    Relation { name: "unspaced", apply: fhir::unspaced },
    Relation { name: "names-escaped", apply: fhir::names_escaped },
    Relation { name: "strings-escaped", apply: fhir::strings_escaped },
    Relation { name: "numbers-respelt", apply: fhir::numbers_respelt },
    Relation { name: "canonical", apply: fhir::canonical },
];
