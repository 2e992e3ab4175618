//! Other people's parsers, what they say of an input, and what each of them cannot represent.

pub mod outside;
pub mod planted;
pub mod rust;
pub mod summary;
#[cfg(unix)]
pub mod worker;

pub use outside::{GO, JAVA, NODE, PYTHON, outside};
pub use rust::{FHIR_MODEL, ON_DEMAND, RUST_FHIR, RUST_HL7, rust};

use crate::Format;
use crate::tree::Erase;

/// A parser that is compared.
#[derive(Debug, PartialEq, Eq)]
pub struct Peer {
    /// Short name, `fhirbolt-r4`; unique.
    pub name: &'static str,
    /// Package and exact version, `fhirbolt 0.4.0`.
    pub package: &'static str,
    /// Where it runs.
    pub runtime: Runtime,
    /// What it reads.
    pub formats: &'static [Format],
    /// FHIR release or HL7 v2 version that it is asked to read as; empty where it has no such notion.
    pub version: &'static str,
    /// What its data model cannot represent: differences in this are its projection, not a finding.
    pub projection: Erase,
    /// Documented benign differences, one sentence each; printed in every report.
    pub quirks: &'static [Quirk],
}

/// A difference that is known, documented and harmless.
#[derive(Debug, PartialEq, Eq)]
pub struct Quirk {
    /// The rule's case that it answers differently (`H07/line-feed`), or the beginning of rules: `H17` is all of that rule's
    /// cases, `F` all of FHIR JSON's rules.
    pub what: &'static str,
    /// Why it is benign, and where that is documented.
    pub why: &'static str,
}

/// What runs a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Runtime {
    /// A WebAssembly module made from Rust, under limits, in process.
    Rust,
    /// A worker process of Node.
    Node,
    /// A worker process of Python.
    Python,
    /// A worker process of a Java virtual machine.
    Java,
    /// A worker process compiled from Go.
    Go,
}

impl Runtime {
    /// Its folder in `harness/formats/peers`, and as typed on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Node => "node",
            Self::Python => "python",
            Self::Java => "java",
            Self::Go => "go",
        }
    }
}

/// What a peer says of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It took the input. What it wrote back: for FHIR a resource in JSON as the peer itself writes it; for HL7 v2 the
    /// nested arrays that `hl7::tree_of_answer` reads.
    Accepted(Vec<u8>),
    /// It refused the input.
    Refused(Refusal),
    /// It died of it: a trap, a panic, an abort, a limit.
    Died {
        /// `TRAP-UNREACHABLE`, `DEADLINE`, `EXIT 134`…
        how: String,
    },
}

/// Why an input was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where in the parser.
    pub layer: Layer,
    /// The peer's own error, without values and positions; what is left tells two errors apart.
    pub code: String,
}

/// Which part of a parser refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Bytes that are no text.
    Encoding,
    /// The carrier's syntax: JSON, XML, delimiters.
    Syntax,
    /// Names, types, cardinalities, segments.
    Structure,
    /// Values of primitives.
    Value,
    /// The peer does not say.
    Unknown,
}

impl Layer {
    /// All of them; the position is the number on the wire.
    pub const ALL: [Self; 5] = [Self::Encoding, Self::Syntax, Self::Structure, Self::Value, Self::Unknown];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::judge::{Given, judge};
    use crate::rules;

    /// Whether a quirk speaks of a case that the reference knows: with another name it would cover nothing.
    fn names_a_case(what: &str) -> bool {
        match what.contains('/') {
            true => rules::cases().any(|case| case.id() == what),
            false => !what.is_empty() && rules::cases().any(|case| case.rule.starts_with(what)),
        }
    }

    #[test]
    fn every_quirk_names_a_case() {
        let planted = planted::FHIR.iter().chain(planted::HL7).map(|planted| &planted.peer);
        let peers: Vec<&Peer> = rust().chain(outside()).chain(planted).collect();
        for (peer, quirk) in peers.iter().flat_map(|peer| peer.quirks.iter().map(move |quirk| (peer.name, quirk))) {
            assert!(names_a_case(quirk.what), "{peer}: no case is called {}", quirk.what);
            assert!(quirk.why.len() > 20, "{peer}: {} without a reason", quirk.what);
        }
        for unknown in ["F14/precision", "H13/escape-sequences", "H99", "", "/", "F01/"] {
            assert!(!names_a_case(unknown), "{unknown}");
        }
    }

    #[test]
    fn a_quirk_speaks_of_a_refusal_too() {
        let batch =
            b"FHS|^~\\&|SYN\rBHS|^~\\&|SYN\rMSH|^~\\&|SYN|LAB|EHR|WARD|20260102||ADT^A01|1|P|2.5\rBTS|1\rFTS|1\r";
        let reading = Format::Hl7v2.read(batch);
        let answer = Answer::Refused(Refusal { layer: Layer::Structure, code: "expected MSH".to_owned() });
        for (name, is_known) in [("hl7kit", true), ("er7", false)] {
            let peer = RUST_HL7.iter().find(|peer| peer.name == name).unwrap();
            let given = Given { peer, answer: &answer, tree: None, printed: false, reading: &reading };
            let judgement = judge(Format::Hl7v2, batch, &[given]);
            assert_eq!(judgement.quirks == [(name, "H17")], is_known, "{judgement:?}");
            assert_eq!(judgement.statements.is_empty(), is_known, "{judgement:?}");
        }
    }
}
