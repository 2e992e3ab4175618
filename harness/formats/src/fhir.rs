//! FHIR resources: releases, definitions, and readers for JSON, XML and NDJSON.

pub mod cases;
pub mod definitions;
mod digest;
mod json;
pub mod lexical;
pub mod narrative;
pub mod ndjson;
pub mod primitives;
pub mod relations;
pub mod structure;
mod write;
pub mod xml;

pub use digest::Digest;
pub use json::{read_json, tree_of_answer};
pub use ndjson::read_ndjson;
pub use structure::RESOURCE_DEPTH_STRICT;
pub use write::{NAMESPACE, write_canonical_json, write_json, write_xml};
pub use xml::read_xml;

/// A release of FHIR that has normative content and is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Release {
    /// 4.0.1, 2019.
    R4,
    /// 4.3.0, 2022.
    R4B,
    /// 5.0.0, 2023.
    R5,
}

impl Release {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::R4, Self::R4B, Self::R5];

    /// As written in sidecars and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::R4 => "R4",
            Self::R4B => "R4B",
            Self::R5 => "R5",
        }
    }

    /// The release of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|release| release.name() == name)
    }
}

/// Builds every table that readers use, so that what comes after costs the same each time.
pub fn warm_up() {
    for release in Release::ALL {
        definitions::definitions(release);
    }
}
