//! How well a reader agrees with the verdicts that come with published files: the same score for ours and for every peer.
//!
//! `EXPECTED.tsv` beside the files has the columns path, expected (`accept`, `reject`, `either`, `observe`), layer, note. The
//! verdicts on inputs of HL7's validator are those of a validator with terminology and profiles; what no parser can see is
//! told from the first message in the note, and is not scored.

use crate::Format;
use crate::fhir::Release;
use crate::rules::Side;
use std::collections::BTreeMap;
use std::fmt;

/// The layers on which parsers are scored.
pub const LAYERS: [&str; 7] = ["json-syntax", "json-value", "syntax", "structure", "fhir-structure", "probe", "er7"];

/// Messages of HL7's validator about what a parser with definitions sees: names, kinds, cardinalities, lexical forms,
/// narrative. A message with another beginning needs terminology, profiles, other resources, or a questionnaire.
const PARSER_LEVEL: [&str; 22] = [
    "Array cannot be empty",
    "A Comma is missing",
    "A document must have a date",
    "Comments are not allowed in JSON",
    "Constraint failed: ele-1",
    "Constraint failed: txt-1",
    "Duplicate ID for contained resource",
    "Element value '1000000000000000000' does not meet decimal regex",
    "Error parsing JSON",
    "Error parsing XHTML",
    "Error parsing XML",
    "Invalid Resource id",
    "Not a valid date format",
    "The base64 content",
    "The JSON property",
    "The property ",
    "The value '925.' is not a valid decimal",
    "There is an extra comma",
    "This property must be",
    "Undefined element",
    "Unrecognized property",
    "Wrong namespace",
];

/// Published as examples of R5 while it was drafted, and never brought to 5.0.0: valid R4, and no R5. Not scored.
pub const DRAFTS_OF_R5: &[&str] = &[
    "fhir/r5/examples/allergyintolerance-example.json",
    "fhir/r5/examples/appointment-example.json",
    "fhir/r5/examples/auditevent-example.json",
    "fhir/r5/examples/careteam-example.json",
    "fhir/r5/examples/clinicalimpression-example.json",
    "fhir/r5/examples/communication-example.json",
    "fhir/r5/examples/conceptmap-example.json",
    "fhir/r5/examples/devicemetric-example.json",
    "fhir/r5/examples/deviceusestatement-example.json",
    "fhir/r5/examples/documentreference-example.json",
    "fhir/r5/examples/encounter-example.json",
    "fhir/r5/examples/endpoint-example.json",
    "fhir/r5/examples/episodeofcare-example.json",
    "fhir/r5/examples/goal-example.json",
    "fhir/r5/examples/graphdefinition-example.json",
    "fhir/r5/examples/group-example.json",
    "fhir/r5/examples/immunization-example.json",
    "fhir/r5/examples/implementationguide-example.json",
    "fhir/r5/examples/list-example.json",
    "fhir/r5/examples/location-example.json",
    "fhir/r5/examples/medicationadministration0301.json",
    "fhir/r5/examples/medicationdispense0301.json",
    "fhir/r5/examples/medicationrequest0301.json",
    "fhir/r5/examples/medicationstatementexample1.json",
    "fhir/r5/examples/molecularsequence-example.json",
    "fhir/r5/examples/organization-1.json",
    "fhir/r5/examples/organization-example.json",
    "fhir/r5/examples/questionnaireresponse-example-bluebook.json",
    "fhir/r5/examples/schedule-example.json",
    "fhir/r5/examples/slot-example.json",
    "fhir/r5/examples/specimen-example.json",
    "fhir/r5/examples/structuremap-example.json",
    "fhir/r5/examples/subscription-example.json",
    "fhir/r5/examples/substance-example.json",
    "fhir/r5/examples/supplydelivery-example.json",
];

/// What is expected of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It takes the file.
    Accept,
    /// It refuses it.
    Reject,
    /// It ends, one way or the other.
    Either,
}

/// One line of `EXPECTED.tsv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation<'a> {
    /// Path below the folder of the data.
    pub path: &'a str,
    /// What is expected.
    pub wanted: Wanted,
    /// Which part of a reader decides.
    pub layer: &'a str,
    /// Origin of the verdict.
    pub note: &'a str,
}

impl Expectation<'_> {
    /// The format, by folder and extension.
    pub fn format(&self) -> Option<Format> {
        let extension = self.path.rsplit('.').next()?;
        match (self.path.split('/').next()?, extension) {
            ("json", _) => Some(Format::Json),
            ("fhir", "json") => Some(Format::FhirJson),
            ("fhir", "xml") => Some(Format::FhirXml),
            ("hl7v2", _) => Some(Format::Hl7v2),
            _ => None,
        }
    }

    /// The release of FHIR to read it as; `None` for one before R4. HL7's validator takes R5 where a case names none.
    pub fn release(&self) -> Option<Release> {
        if self.path.contains("/r4b/") {
            return Some(Release::R4B);
        }
        let version = self.note.split_whitespace().find_map(|word| word.strip_prefix("ver="));
        match version {
            Some("None") => Some(Release::R5),
            Some(version) if version.starts_with("4.3") => Some(Release::R4B),
            Some(version) if version.starts_with('4') => Some(Release::R4),
            Some(version) if version.starts_with('5') => Some(Release::R5),
            Some(_) => None,
            None if self.path.contains("/r5/") => Some(Release::R5),
            None => Some(Release::R4),
        }
    }

    /// Whether a parser with definitions, and nothing else, can be held to the verdict.
    pub fn is_scored(&self) -> bool {
        if !LAYERS.contains(&self.layer) || self.format().is_none() || self.release().is_none() {
            return false;
        }
        if DRAFTS_OF_R5.contains(&self.path) {
            return false;
        }
        if self.layer != "structure" {
            return true;
        }
        let message = self.note.split_once(" | ").map_or("", |(_, message)| message);
        // Profiles of the core specification have names in lower case.
        let core = |part: &str| {
            let of = message.split_once("from http://hl7.org/fhir/StructureDefinition/").map(|(_, of)| of);
            message.contains(part) && of.is_some_and(|of| of.starts_with(|first: char| first.is_ascii_uppercase()))
        };
        PARSER_LEVEL.iter().any(|begin| message.starts_with(begin)) || core(": minimum required = ")
    }
}

/// Reads `EXPECTED.tsv`; lines that are not of its form are left out.
pub fn expectations(table: &str) -> Vec<Expectation<'_>> {
    table
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('\t');
            let (path, wanted, layer) = (cells.next()?, cells.next()?, cells.next()?);
            let wanted = match wanted {
                "accept" => Wanted::Accept,
                "reject" => Wanted::Reject,
                "either" | "observe" => Wanted::Either,
                _ => return None,
            };
            Some(Expectation { path, wanted, layer, note: cells.next().unwrap_or_default() })
        })
        .collect()
}

/// Where a reader and the verdict differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The file.
    pub path: String,
    /// What the reader did; `None` where it died.
    pub did: Option<Side>,
}

/// Agreement on one layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerScore {
    /// Files on which reader and verdict agree.
    pub right: usize,
    /// The others.
    pub misses: Vec<Miss>,
}

/// Agreement on all layers, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Score {
    /// By layer.
    pub layers: BTreeMap<String, LayerScore>,
}

impl Score {
    /// Counts one file.
    pub fn add(&mut self, expected: &Expectation<'_>, did: Option<Side>) {
        let layer = self.layers.entry(expected.layer.to_owned()).or_default();
        let is_right = match (expected.wanted, did) {
            (_, None) => false,
            (Wanted::Either, Some(_)) => true,
            (Wanted::Accept, Some(side)) => side == Side::Accept,
            (Wanted::Reject, Some(side)) => side == Side::Reject,
        };
        match is_right {
            true => layer.right += 1,
            false => layer.misses.push(Miss { path: expected.path.to_owned(), did }),
        }
    }

    /// Files on which reader and verdict agree, and all.
    pub fn total(&self) -> (usize, usize) {
        let right = self.layers.values().map(|layer| layer.right).sum::<usize>();
        (right, right + self.misses().count())
    }

    /// All misses.
    pub fn misses(&self) -> impl Iterator<Item = &Miss> {
        self.layers.values().flat_map(|layer| &layer.misses)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |out: &mut fmt::Formatter<'_>, name: &str, right: usize, all: usize| {
            writeln!(out, "{name:16} {right:>5} of {all:>5}  {:>6.2} %", 100.0 * right as f64 / all.max(1) as f64)
        };
        for (name, layer) in &self.layers {
            line(out, name, layer.right, layer.right + layer.misses.len())?;
        }
        let (right, all) = self.total();
        line(out, "all", right, all)
    }
}

/// Scores a reader over the files that are scored and that it is for. `read` gives a file's verdict, `Some(None)` where the
/// reader died of it, `None` where the reader is not for this file.
pub fn score<'a>(
    expectations: &[Expectation<'a>],
    mut read: impl FnMut(&Expectation<'a>) -> Option<Option<Side>>,
) -> Score {
    let mut score = Score::default();
    for expected in expectations.iter().filter(|expected| expected.is_scored()) {
        if let Some(did) = read(expected) {
            score.add(expected, did);
        }
    }
    score
}
