//! What the readers' answers to one input say about each of them: classes D1 to D15, causes, signatures.
//!
//! The order of the oracles: a reader that dies; then the rules of the specification; then values, each reader against the
//! reference. Never a majority: on half of the invalid inputs most readers are wrong together.

use super::difference::{Change, Difference, differences};
use crate::Format;
use crate::peers::{Answer, Layer, Peer};
use crate::reading::{Breach, Reading};
use crate::rules::{Case, Policy, Side, Wanted};
use crate::tree::{Erase, Id, Tree, mix, string_hash};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Kinds of disagreement. The numbers are those of the report's table of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// D1: a reader dies.
    Death,
    /// D2: a reader's work is out of proportion.
    Work,
    /// D3: a reader's memory is out of proportion.
    Memory,
    /// D4: which kind of resource it is.
    Type,
    /// D5: which one of two values.
    Choice,
    /// D6: where a segment or message ends.
    Boundary,
    /// D7: who the patient is.
    Identity,
    /// D8: a clinical value or its precision.
    Clinical,
    /// D9: something is dropped in silence.
    Dropped,
    /// D10: text changes.
    Text,
    /// D11: an invalid input is accepted.
    AcceptsInvalid,
    /// D12: a valid input is refused.
    RefusesValid,
    /// D13: reading what was written gives something else.
    RoundTrip,
    /// D14: patients' data is printed.
    Printed,
    /// D15: refused for another reason.
    Layer,
}

impl Class {
    /// As in the report: `D1` to `D15`.
    pub const fn name(self) -> &'static str {
        const NAMES: [&str; 15] =
            ["D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D11", "D12", "D13", "D14", "D15"];
        NAMES[self as usize]
    }
}

/// One reader and what it said.
#[derive(Debug, Clone)]
pub struct Given<'a> {
    /// Which reader.
    pub peer: &'a Peer,
    /// What it said.
    pub answer: &'a Answer,
    /// Its canonical tree, where it accepted and said what it read.
    pub tree: Option<&'a Tree>,
    /// Whether a value of the input appeared on its console.
    pub printed: bool,
    /// What the reference makes of the input, read as the release that the reader reads it as.
    pub reading: &'a Reading,
}

/// One disagreement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Statement {
    /// Its class.
    pub class: Class,
    /// What it is about: a rule's case, `F01/duplicate-key`; a change and where, `missing Patient.name.given`; a place in the
    /// reader's code.
    pub cause: String,
    /// Readers that are in the wrong, in blocks of those that read the same; blocks and names sorted.
    pub blocks: Vec<Vec<&'static str>>,
}

impl Statement {
    /// What makes two disagreements one.
    pub fn signature(&self) -> String {
        format!("{} {} {}", self.class.name(), self.cause, self.partition())
    }

    /// The blocks: `a+b | c`.
    pub fn partition(&self) -> String {
        self.blocks.iter().map(|block| block.join("+")).collect::<Vec<_>>().join(" | ")
    }

    /// Whether another says the same of all these readers, and perhaps of more.
    pub fn is_covered_by(&self, other: &Self) -> bool {
        let inside = |block: &Vec<&str>| other.blocks.iter().any(|more| block.iter().all(|peer| more.contains(peer)));
        // What happens without a case that is left open has nothing to do with it.
        let plain = self.cause.split_once(' ').filter(|(case, _)| case.contains('/')).map(|(_, rest)| rest);
        let same = self.cause == other.cause || plain == Some(other.cause.as_str());
        self.class == other.class && same && self.blocks.iter().all(inside)
    }

    /// The readers in the wrong.
    pub fn peers(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.blocks.iter().flatten().copied()
    }
}

/// All that is said of one input.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// Disagreements.
    pub statements: Vec<Statement>,
    /// Different cases for which the input has to be refused: with more than one, a reader that refuses may do so for either.
    pub causes: usize,
    /// What was left out because it is documented and harmless: reader and what of its quirks.
    pub quirks: Vec<(&'static str, &'static str)>,
}

impl Judgement {
    /// Adds that a reader is not stable under a relation.
    pub fn unstable(&mut self, peer: &'static str, relation: &'static str, refuses: bool) {
        let cause =
            if refuses { format!("refused after {relation}") } else { format!("not the same after {relation}") };
        let known = |one: &&mut Statement| one.class == Class::RoundTrip && one.cause == cause;
        match self.statements.iter_mut().find(known) {
            Some(known) => known.blocks[0].push(peer),
            None => push(self, Class::RoundTrip, cause, vec![vec![peer]]),
        }
    }
}

/// Differences of one reader that are looked at.
const DIFFERENCES_MAX: usize = 8;

/// What is wrong with an input, as far as a strict gateway minds.
struct Faults {
    /// Cases that demand a refusal; without one, those that the specification leaves open.
    cases: Vec<&'static Case>,
    must_be_refused: bool,
    /// Cases of either kind.
    causes: usize,
}

impl Faults {
    fn of(reading: &Reading) -> Self {
        let mut cases = cases(reading);
        // What even a strict gateway takes is no cause of anything.
        cases.retain(|case| Policy::StrictGateway.side(case) == Side::Reject);
        let (causes, must_be_refused) = (cases.len(), reading.must_be_refused());
        // A case that is left open says nothing where another one demands the refusal.
        cases.retain(|case| !must_be_refused || case.wanted == Wanted::Refusal);
        Self { cases, must_be_refused, causes }
    }
}

/// Disagreements while they are collected: class and cause, then what was read, then who read it.
type Blocks = BTreeMap<(Class, String), BTreeMap<u64, Vec<&'static str>>>;

/// Judges what readers said of one input; `format` tells which parts of a tree identify a patient.
pub fn judge(format: Format, input: &[u8], given: &[Given<'_>]) -> Judgement {
    let mut judgement = Judgement::default();
    let mut blocks = Blocks::new();
    let mut known: Vec<(&Reading, Faults)> = Vec::new();
    for one in given {
        let at = known.iter().position(|(reading, _)| std::ptr::eq(*reading, one.reading)).unwrap_or_else(|| {
            known.push((one.reading, Faults::of(one.reading)));
            known.len() - 1
        });
        let faults = &known[at].1;
        judgement.causes = judgement.causes.max(faults.causes);
        let mut say =
            |class, cause, read| blocks.entry((class, cause)).or_default().entry(read).or_default().push(one.peer.name);
        match one.answer {
            Answer::Died { how } => say(death(how), how.clone(), 0),
            Answer::Accepted(_) => {
                for case in &faults.cases {
                    let (class, cause) = broken(input, one.reading, case);
                    match one.peer.quirks.iter().find(|quirk| covers(quirk.what, &cause)) {
                        Some(quirk) => judgement.quirks.push((one.peer.name, quirk.what)),
                        None => say(class, cause, one.tree.map_or(0, |tree| shape(format, class, tree))),
                    }
                }
                if let (false, 0..=1, Some(reference), Some(tree)) =
                    (faults.must_be_refused, faults.causes, &one.reading.tree, one.tree)
                {
                    let case = faults.cases.first().copied();
                    values(format, reference, tree, case, one.peer, &mut judgement.quirks, &mut say);
                }
            }
            Answer::Refused(refusal) if faults.causes == 0 => {
                let quirk = one.peer.quirks.iter().find(|quirk| refusal.code.contains(quirk.what));
                match quirk {
                    Some(quirk) => judgement.quirks.push((one.peer.name, quirk.what)),
                    // Each reader has its own reason.
                    None => {
                        let why = format!("{}: {}: {}", one.peer.name, layer_name(refusal.layer), refusal.code);
                        say(Class::RefusesValid, why, 0);
                    }
                }
            }
            Answer::Refused(_) => {}
        }
        if one.printed {
            say(Class::Printed, "console".to_owned(), 0);
        }
    }
    for ((class, cause), read) in blocks {
        push(&mut judgement, class, cause, read.into_values().collect());
    }
    judgement
}

fn push(judgement: &mut Judgement, class: Class, cause: String, mut blocks: Vec<Vec<&'static str>>) {
    blocks.iter_mut().for_each(|block| block.sort_unstable());
    blocks.sort();
    judgement.statements.push(Statement { class, cause, blocks });
}

/// The class of an outcome that is no answer.
fn death(how: &str) -> Class {
    match how.split(' ').next().unwrap_or_default() {
        "OUT-OF-FUEL" | "DEADLINE" => Class::Work,
        "OOM-ABORT" | "HARD-DENY" | "OUTPUT" => Class::Memory,
        _ => Class::Death,
    }
}

/// The cases that an input is in, each once.
pub fn cases(reading: &Reading) -> Vec<&'static Case> {
    let mut cases: Vec<&'static Case> = reading.breaches.iter().map(|breach| breach.case).collect();
    cases.sort_by_key(|case| (case.rule, case.name));
    cases.dedup();
    cases
}

/// Whether a quirk speaks of a cause: `H07/line-feed` of that case and of nothing else, `H17` or `F` of all rules of that
/// beginning.
fn covers(quirk: &str, cause: &str) -> bool {
    match quirk.contains('/') {
        true => cause.strip_prefix(quirk).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')),
        false => cause.split_once('/').is_some_and(|(rule, _)| rule.starts_with(quirk)),
    }
}

/// Class and cause of accepting an input in a case for which it is refused.
fn broken(input: &[u8], reading: &Reading, case: &'static Case) -> (Class, String) {
    let of_type = |breach: &Breach| breach.case == case && names_the_type(&input[breach.span.clone()]);
    if case.rule == "F01" && reading.breaches.iter().any(of_type) {
        return (Class::Type, format!("{} of resourceType", case.id()));
    }
    (class_of(case), case.id())
}

/// What tells readers apart that accept what they should refuse: which value they took, or where they saw an end. In other
/// classes, that they accept is all that is said.
fn shape(format: Format, class: Class, tree: &Tree) -> u64 {
    match (class, format) {
        (Class::Boundary, Format::Hl7v2) => {
            let messages = tree.root().into_iter().flat_map(|root| tree.children(root));
            messages.fold(1, |hash, message| mix(hash, tree.children(message).count() as u64))
        }
        (Class::Type | Class::Choice | Class::Boundary, _) => tree.digest(Erase::DOUBLE.and(Erase::NARRATIVE)),
        _ => 0,
    }
}

/// Whether a key, quotes and escapes included, is `resourceType`.
fn names_the_type(key: &[u8]) -> bool {
    let inside = key.strip_prefix(b"\"").unwrap_or(key);
    let inside = inside.split(|byte| *byte == b'"').next().unwrap_or(inside);
    crate::json::unescape(inside).as_ref() == b"resourceType"
}

/// The class of accepting what a case wants refused.
fn class_of(case: &Case) -> Class {
    match case.rule {
        "F04" => Class::Type,
        "F01" | "F19" | "X12" | "X13" => Class::Choice,
        "J05" | "X11" | "F25" | "H06" | "H07" | "H17" | "H19" | "H20" => Class::Boundary,
        "J02" | "J06" | "J08" | "X07" | "H16" | "H21" => Class::Text,
        _ => Class::AcceptsInvalid,
    }
}

/// A layer in causes and reports.
pub const fn layer_name(layer: Layer) -> &'static str {
    match layer {
        Layer::Encoding => "encoding",
        Layer::Syntax => "syntax",
        Layer::Structure => "structure",
        Layer::Value => "value",
        Layer::Unknown => "unknown",
    }
}

/// What a reader reads that the reference does not; `case` is the one that the specification leaves open, if the input is
/// in one: what differs then belongs to it.
fn values(
    format: Format,
    reference: &Tree,
    tree: &Tree,
    case: Option<&'static Case>,
    peer: &Peer,
    quirks: &mut Vec<(&'static str, &'static str)>,
    say: &mut dyn FnMut(Class, String, u64),
) {
    let mut seen = BTreeSet::new();
    for difference in differences(reference, tree, peer.projection, DIFFERENCES_MAX) {
        let (class, mut cause, pattern) = describe(format, reference, tree, &difference);
        if let Some(case) = case {
            cause = format!("{} {cause}", case.id());
        }
        let is_known = |what: &str| {
            let family = what.strip_suffix('*').is_some_and(|begin| pattern.starts_with(begin));
            what == pattern || covers(what, &cause) || family
        };
        if let Some(quirk) = peer.quirks.iter().find(|quirk| is_known(quirk.what)) {
            quirks.push((peer.name, quirk.what));
        } else if seen.insert((class, cause.clone())) {
            say(class, cause, 0);
        }
    }
}

/// What differs between the reference and a reader, without places that say nothing new: a number for a loop's feedback.
pub fn causes(format: Format, reference: &Tree, peer: &Tree, projection: Erase) -> u32 {
    let differences = differences(reference, peer, projection, DIFFERENCES_MAX);
    let causes: BTreeSet<(Class, String)> = differences
        .iter()
        .map(|difference| describe(format, reference, peer, difference))
        .map(|(c, cause, _)| (c, cause))
        .collect();
    let hash = causes.iter().fold(0, |hash, (class, cause)| mix(mix(hash, *class as u64), string_hash(cause)));
    (hash ^ (hash >> 32)) as u32
}

/// Elements that tell one patient from another.
const FHIR_IDENTITY: &[&str] = &["id", "identifier", "name", "birthDate", "subject", "patient", "reference"];
const HL7_IDENTITY: &[&str] = &["PID.2", "PID.3", "PID.4", "PID.5", "PID.7", "PID.18", "PID.19", "MRG.1"];

/// Class and cause of one difference of values, and the pattern of its place.
fn describe(format: Format, reference: &Tree, peer: &Tree, difference: &Difference) -> (Class, String, String) {
    let change = difference.change;
    let at = difference.reference;
    let mut pattern = reference.pattern(at);
    if change == Change::Added {
        let _ = write!(pattern, ".{}", String::from_utf8_lossy(peer.label(difference.peer)));
    }
    let what = reference.what(at).name();
    let place = match format {
        Format::Hl7v2 => hl7_place(reference, at),
        _ => fhir_place(reference, at),
    };
    let identity = match format {
        Format::Hl7v2 => HL7_IDENTITY.iter().any(|one| place.starts_with(one)),
        _ => place.split('.').any(|part| FHIR_IDENTITY.contains(&part)),
    };
    let boundary = format == Format::Hl7v2 && reference.parent(at).is_none_or(|up| reference.parent(up).is_none());
    let class = match change {
        Change::Type if format == Format::Hl7v2 => Class::Boundary,
        Change::Type => Class::Type,
        Change::Count | Change::Added | Change::Missing if boundary => Class::Boundary,
        Change::Precision => Class::Clinical,
        Change::Missing | Change::Count if !identity => Class::Dropped,
        Change::Value | Change::Kind if !identity => match reference.what(at) {
            crate::tree::What::Number => Class::Clinical,
            _ => Class::Text,
        },
        _ if identity => Class::Identity,
        _ => Class::Text,
    };
    let place = if class == Class::Identity { format!(" {}", short(&place)) } else { String::new() };
    (class, format!("{} {what}{}{place}", change.name(), spelling(reference, at)), pattern)
}

/// What about a leaf's spelling may be the reason, so that one cause is one cluster wherever it stands.
fn spelling(reference: &Tree, at: Id) -> &'static str {
    let (raw, text) = (reference.raw(at), reference.text(at));
    match reference.what(at) {
        crate::tree::What::Number => match raw {
            raw if raw.iter().any(|byte| matches!(byte, b'e' | b'E')) => " with exponent",
            raw if raw.contains(&b'.') => " with fraction",
            _ => "",
        },
        crate::tree::What::String if raw != text => " escaped",
        crate::tree::What::String if text.iter().any(|byte| *byte < b' ') => " with control character",
        crate::tree::What::String if !text.is_ascii() => " not ASCII",
        crate::tree::What::Null if reference.children(at).next().is_some() => " with extension",
        crate::tree::What::String | crate::tree::What::Boolean if reference.children(at).next().is_some() => {
            " with extension"
        }
        _ => "",
    }
}

/// `PID.5` for whatever stands in it.
fn hl7_place(tree: &Tree, at: Id) -> String {
    let mut up: Vec<Id> = std::iter::successors(Some(at), |&id| tree.parent(id)).collect();
    up.reverse();
    let segment = up.iter().position(|&id| !tree.text(id).is_empty() && tree.what(id) == crate::tree::What::Object);
    let Some(segment) = segment else { return String::new() };
    let name = String::from_utf8_lossy(tree.text(up[segment])).into_owned();
    up.get(segment + 1).map_or(name.clone(), |&field| format!("{name}.{}", String::from_utf8_lossy(tree.label(field))))
}

/// The names from the resource down.
fn fhir_place(tree: &Tree, at: Id) -> String {
    let mut names: Vec<String> = std::iter::successors(Some(at), |&id| tree.parent(id))
        .map(|id| String::from_utf8_lossy(tree.label(id)).into_owned())
        .filter(|label| !label.is_empty())
        .collect();
    names.reverse();
    names.join(".")
}

/// The part of a place that makes it one of identity; of HL7 the segment, because its fields are read alike.
fn short(place: &str) -> &str {
    let segment = place.split('.').next().unwrap_or(place);
    place.split('.').find(|part| FHIR_IDENTITY.contains(part)).unwrap_or(segment)
}
