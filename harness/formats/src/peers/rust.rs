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
    fhir("serde_json", "serde_json 1.0.154", "", JSON, Erase::DOUBLE, SERDE_JSON),
];

/// The peers of the guest `peers-hl7`; the position in this table is the number on the wire. Newlines are not folded before
/// a peer sees them: what it does with LF is its own reading.
pub const RUST_HL7: &[Peer] = &[
    hl7("er7", "er7 0.1.4", ER7),
    hl7("hl7kit", "hl7kit 0.2.0", HL7KIT),
    hl7("hl7-parser", "hl7-parser 0.3.0", HL7_PARSER),
    hl7("hl7-parser-lenient", "hl7-parser 0.3.0", HL7_PARSER_LENIENT),
    hl7("rust-hl7", "rust-hl7 0.5.0", RUST_HL7_QUIRKS),
];

/// A module of peers that is built only for who names one of them.
#[derive(Debug)]
pub struct OnDemand {
    /// Its folder in `targets`.
    pub module: &'static str,
    /// Who is in it; the position is the number on the wire.
    pub peers: &'static [Peer],
    /// How it is built.
    pub remedy: &'static str,
}

/// The word for all peers of [`ON_DEMAND`].
pub const FHIR_MODEL: &str = "fhir-model";

/// Peers whose library takes minutes and gigabytes to compile. The decimals of `fhir-model` are doubles where it could have
/// kept the digits, as others do: that is no projection but a loss.
pub const ON_DEMAND: &[OnDemand] = &[
    OnDemand {
        module: "peers-fhir-model",
        peers: &[fhir("fhir-model-r4b", "fhir-model 0.13.0", "R4B", JSON, Erase::NONE, &[])],
        remedy: "cargo xtask peers setup fhir-model",
    },
    OnDemand {
        module: "peers-fhir-model-r5",
        peers: &[fhir("fhir-model-r5", "fhir-model 0.13.0", "R5", JSON, Erase::NONE, &[])],
        remedy: "cargo xtask peers setup fhir-model",
    },
];

/// Every Rust peer.
pub fn rust() -> impl Iterator<Item = &'static Peer> {
    RUST_FHIR.iter().chain(RUST_HL7).chain(ON_DEMAND.iter().flat_map(|module| module.peers))
}

const JSON: &[Format] = &[FhirJson];
const BOTH: &[Format] = &[FhirJson, FhirXml];

const FHIRKIT_LENIENT: &[Quirk] = &[Quirk {
    what: "F17/unknown-property",
    why: "from_json reports what it does not know as an issue and leaves it out: a reader may do either (json.html)",
}];
const SERDE_JSON: &[Quirk] = &[
    Quirk { what: "F", why: "it reads JSON and knows no rule of FHIR: the store behind a gateway that does" },
    Quirk { what: "P", why: "it knows no data type of FHIR" },
    Quirk { what: "S", why: "it knows no invariant of FHIR" },
];

const ER7: &[Quirk] = &[Quirk {
    what: "H07/line-feed",
    why: "its documentation takes LF and CR LF for CR, in files as editors save them",
}];
const HL7KIT: &[Quirk] = &[
    Quirk { what: "H07/line-feed", why: "its documentation takes LF and CR LF for CR, in files as editors save them" },
    Quirk { what: "H17", why: "it reads one message; batches are for its caller to split" },
];
const HL7_PARSER: &[Quirk] = &[
    Quirk { what: "H07/line-feed", why: "CR alone ends a segment unless lenient newlines are asked for" },
    Quirk { what: "H17", why: "it reads one message; batches are for its caller to split" },
];
const HL7_PARSER_LENIENT: &[Quirk] = &[
    Quirk { what: "H07/line-feed-in-field", why: "lenient newlines were asked for: any LF ends a segment" },
    Quirk { what: "H17", why: "it reads one message; batches are for its caller to split" },
];
const RUST_HL7_QUIRKS: &[Quirk] = &[
    Quirk { what: "H07/line-feed", why: "CR alone ends a segment, as its documentation says" },
    Quirk { what: "H17", why: "it reads one message; batches are for its caller to split" },
];

const fn hl7(name: &'static str, package: &'static str, quirks: &'static [Quirk]) -> Peer {
    let formats = &[Format::Hl7v2];
    Peer { name, package, runtime: Runtime::Rust, formats, version: "", projection: Erase::NONE, quirks }
}

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
        let peers: Vec<&Peer> = rust().collect();
        for (at, peer) in peers.iter().enumerate() {
            assert!(!peer.formats.is_empty() && peer.runtime == Runtime::Rust, "{}", peer.name);
            assert!(peers[..at].iter().all(|other| other.name != peer.name), "{} stands twice", peer.name);
        }
    }

    #[test]
    fn every_package_is_locked_at_its_version() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let lock = std::fs::read_to_string(root.join("targets/Cargo.lock")).unwrap();
        for peer in rust() {
            let (name, version) = peer.package.split_once(' ').unwrap();
            let line = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&line), "{}: {} is not in targets/Cargo.lock", peer.name, peer.package);
        }
    }
}
