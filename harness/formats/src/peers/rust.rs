//! The Rust peers: what each can read and cannot represent. They run inside the guests `peers-fhir` and `peers-hl7`.

use super::{Peer, Quirk, Runtime};
use crate::Format::{self, FhirJson, FhirXml};
use crate::tree::Erase;

/// The peers of the guest `peers-fhir`; the position in this table is the number on the wire.
pub const RUST_FHIR: &[Peer] = &[
    fhir("fhirkit", "fhirkit 0.1.0", "R4", JSON, Erase::NONE, &[]),
    fhir("fhirkit-lenient", "fhirkit 0.1.0", "R4", JSON, Erase::NONE, FHIRKIT_LENIENT),
    fhir("fhirbolt-r4", "fhirbolt 0.4.0", "R4", BOTH, Erase::NONE, &[]),
    fhir("fhirbolt-r4b", "fhirbolt 0.4.0", "R4B", BOTH, Erase::NONE, &[]),
    fhir("fhirbolt-r5", "fhirbolt 0.4.0", "R5", BOTH, Erase::NONE, &[]),
    fhir("fhir-model-r4b", "fhir-model 0.13.0", "R4B", JSON, Erase::DOUBLE, FHIR_MODEL),
    fhir("fhir-model-r5", "fhir-model 0.13.0", "R5", JSON, Erase::DOUBLE, FHIR_MODEL),
    fhir("serde_json", "serde_json 1", "", JSON, Erase::DOUBLE, SERDE_JSON),
];

const JSON: &[Format] = &[FhirJson];
const BOTH: &[Format] = &[FhirJson, FhirXml];

const FHIRKIT_LENIENT: &[Quirk] = &[Quirk {
    what: "F17/unknown-property",
    why: "from_json reports what it does not know as an issue and leaves it out: a reader may do either (json.html)",
}];
const FHIR_MODEL: &[Quirk] = &[Quirk {
    what: "F17/unknown-property",
    why: "its structs ignore members that they do not know: a reader may do either (json.html)",
}];
const SERDE_JSON: &[Quirk] =
    &[Quirk { what: "F", why: "it reads JSON and knows no rule of FHIR: the store behind a gateway that does" }];

const fn fhir(
    name: &'static str,
    package: &'static str,
    version: &'static str,
    formats: &'static [Format],
    projection: Erase,
    quirks: &'static [Quirk],
) -> Peer {
    Peer { name, package, runtime: Runtime::Rust, formats, version, projection, quirks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_peer_reads_something() {
        for (at, peer) in RUST_FHIR.iter().enumerate() {
            assert!(!peer.formats.is_empty() && peer.runtime == Runtime::Rust, "{}", peer.name);
            assert!(RUST_FHIR[..at].iter().all(|other| other.name != peer.name), "{} stands twice", peer.name);
        }
    }
}
