//! What the readers' answers to one input say about each of them: classes D1 to D15, causes, signatures.
//!
//! The order of the oracles: a reader that dies; then the rules of the specification; then values, each reader against the
//! reference. Never a majority: on half of the invalid inputs most readers are wrong together.

use super::difference::{Change, Difference, differences};
use crate::Format;
use crate::peers::{Answer, Layer, Peer};
use crate::reading::{Breach, Reading};
use crate::rules::{Case, Policy, Side, Wanted};
use crate::tree::{Erase, Id, Tree, What, mix, string_hash};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;

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

/// What a statement rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ground {
    /// The reader died.
    Death,
    /// A rule of the specification: it accepted what is to be refused.
    Rule,
    /// It refused what is valid.
    Refusal,
    /// It read other values than the reference.
    Values,
    /// It reads the same input, spelt otherwise, otherwise.
    Relation,
    /// What it printed.
    Console,
    /// What its error says.
    Error,
    /// It refused what is to be refused, but as something else.
    Layer,
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
    /// What it rests on.
    pub ground: Ground,
    /// The case that the specification leaves open, where values differ in an input that is in one: `H07/line-feed`.
    pub case: Option<String>,
    /// What it is about: a rule's case, `F01/duplicate-key`; a change and where, `missing name.given`; a place in the
    /// reader's code.
    pub cause: String,
    /// Readers that are in the wrong, in blocks of those that read the same; blocks and names sorted.
    pub blocks: Vec<Vec<&'static str>>,
}

impl Statement {
    /// What makes two disagreements one.
    pub fn signature(&self) -> String {
        format!("{} {} {}", self.class.name(), self.about(), self.partition())
    }

    /// What it is about, in words.
    pub fn about(&self) -> String {
        match &self.case {
            Some(case) => format!("{case} {}", self.cause),
            None => self.cause.clone(),
        }
    }

    /// What all disagreements share that come of one fault of a reader: an open case that it reads in its own way, shows in
    /// values of every kind and of every class.
    pub fn family(&self) -> String {
        match (self.ground, &self.case) {
            (Ground::Values, Some(case)) => format!("{case} {}", self.partition()),
            (Ground::Values, None) => format!("{} {}", self.cause, self.partition()),
            _ => self.signature(),
        }
    }

    /// Whether both come of one fault of the same readers.
    pub fn is_family_of(&self, other: &Self) -> bool {
        let same = match (&self.case, &other.case) {
            (None, None) => self.cause.split("; ").any(|cause| cause == other.cause),
            (mine, its) => mine == its,
        };
        let values = self.ground == Ground::Values && other.ground == Ground::Values;
        values && same && other.peers().all(|peer| self.peers().any(|mine| mine == peer))
    }

    /// Whether its open case may have nothing to do with it: the header's, and where a boundary is concerned, all that have none
    /// of their own.
    pub fn has_its_case_elsewhere(&self) -> bool {
        let elsewhere = |case: &str| is_of_the_header(case) || self.class == Class::Boundary && !moves_a_boundary(case);
        self.case.as_deref().is_some_and(elsewhere)
    }

    /// Whether a reader that reads otherwise as this says, without an open case, needs no other reason to do so as `other` says: the same kind of value where a boundary is concerned, which no place in the input is too far from;
    /// part of what is special about the text.
    pub fn explains(&self, other: &Self) -> bool {
        let values = self.ground == Ground::Values && other.ground == Ground::Values && self.case.is_none();
        let features = |cause: &str| -> Option<BTreeSet<String>> {
            Some(cause.strip_prefix(TEXT)?.split(AND).map(str::to_owned).collect())
        };
        let same = match &other.case {
            Some(_) => other.has_its_case_elsewhere() && self.cause == other.cause,
            None => match (features(&self.cause), features(&other.cause)) {
                (Some(mine), Some(its)) => mine.len() < its.len() && mine.is_subset(&its),
                _ => false,
            },
        };
        values && same && other.peers().all(|peer| self.peers().any(|mine| mine == peer))
    }

    /// The blocks: `a+b | c`.
    pub fn partition(&self) -> String {
        self.blocks.iter().map(|block| block.join("+")).collect::<Vec<_>>().join(" | ")
    }

    /// Whether another says the same of all these readers, and perhaps of more.
    pub fn is_covered_by(&self, other: &Self) -> bool {
        let inside = |block: &Vec<&str>| other.blocks.iter().any(|more| block.iter().all(|peer| more.contains(peer)));
        self.class == other.class && self.about() == other.about() && self.blocks.iter().all(inside)
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
    /// Whether anything is said of a reader, harmless or not.
    pub fn is_about(&self, peer: &str) -> bool {
        let in_quirks = self.quirks.iter().any(|(name, _)| *name == peer);
        in_quirks || self.statements.iter().any(|statement| statement.peers().any(|name| name == peer))
    }

    /// Adds that a reader is not stable under a relation.
    pub fn unstable(&mut self, peer: &'static str, relation: &'static str, refuses: bool) {
        let cause = format!("{} after {relation}", if refuses { "refused" } else { "not the same" });
        let known = |one: &&mut Statement| one.class == Class::RoundTrip && one.cause == cause;
        match self.statements.iter_mut().find(known) {
            Some(known) => known.blocks[0].push(peer),
            None => push(self, Class::RoundTrip, Ground::Relation, None, cause, vec![vec![peer]]),
        }
    }
}

/// Differences of one reader that are looked at for the loop's feedback.
const DIFFERENCES_MAX: usize = 8;
/// Differences of one reader among which the first is looked for.
const VALUES_MAX: usize = 64;

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

/// Disagreements while they are collected: class, ground and cause, then what was read, then who read it.
type Blocks = BTreeMap<(Class, Ground, String), BTreeMap<u64, Vec<&'static str>>>;

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
        let mut say = |class, ground, cause, read| {
            blocks.entry((class, ground, cause)).or_default().entry(read).or_default().push(one.peer.name);
        };
        match one.answer {
            Answer::Died { how } => say(death(how), Ground::Death, how.clone(), 0),
            Answer::Accepted(_) => {
                for case in &faults.cases {
                    let (class, cause) = broken(input, one.reading, case);
                    match one.peer.quirks.iter().find(|quirk| covers(quirk.what, &cause)) {
                        Some(quirk) => judgement.quirks.push((one.peer.name, quirk.what)),
                        None => say(class, Ground::Rule, cause, one.tree.map_or(0, |tree| shape(format, class, tree))),
                    }
                }
                if let (false, 0..=1, Some(reference), Some(tree)) =
                    (faults.must_be_refused, faults.causes, &one.reading.tree, one.tree)
                {
                    let case = faults.cases.first().map(|case| case.id());
                    let first = values(format, (reference, tree), case.as_deref(), one.peer, &mut judgement.quirks);
                    if let Some((class, cause, place)) = first {
                        // A case that lies elsewhere in the input has nothing to do with it.
                        let touches = |breach: &Breach| breach.span.start < place.end && place.start < breach.span.end;
                        let here = |breach: &Breach| faults.cases.contains(&breach.case) && touches(breach);
                        let case = case.filter(|case| {
                            class == Class::Boundary || is_of_the_header(case) || one.reading.breaches.iter().any(here)
                        });
                        // Each reader for itself: two that read otherwise at one place need not do so for one reason.
                        push(&mut judgement, class, Ground::Values, case, cause, vec![vec![one.peer.name]]);
                    }
                }
            }
            Answer::Refused(refusal) if faults.causes == 0 => {
                // A case that every policy takes, such as a batch, may be beyond what a reader says that it reads.
                let open: Vec<String> = cases(one.reading).iter().map(|case| case.id()).collect();
                let quirk = one.peer.quirks.iter().find(|quirk| open.iter().any(|case| covers(quirk.what, case)));
                match quirk {
                    Some(quirk) => judgement.quirks.push((one.peer.name, quirk.what)),
                    // Each reader has its own reason.
                    None => {
                        let why = format!("{}: {}: {}", one.peer.name, layer_name(refusal.layer), refusal.code);
                        say(Class::RefusesValid, Ground::Refusal, why, 0);
                    }
                }
            }
            Answer::Refused(refusal) => {
                let case = faults.cases.first().filter(|_| faults.causes == 1);
                if let Some(how) = case.and_then(|case| misplaced(case, refusal.layer)) {
                    say(Class::Layer, Ground::Layer, format!("{}: {how}", one.peer.name), 0);
                }
            }
        }
        if matches!(one.answer, Answer::Refused(refusal) if quotes(format, one.reading, &refusal.code)) {
            say(Class::Printed, Ground::Error, "error".to_owned(), 0);
        }
        if one.printed {
            say(Class::Printed, Ground::Console, "console".to_owned(), 0);
        }
    }
    for ((class, ground, cause), read) in blocks {
        push(&mut judgement, class, ground, None, cause, read.into_values().collect());
    }
    judgement.statements.sort();
    judgement
}

/// Whether a case is one of the carrier (bytes, syntax, delimiters) or of what it carries; `None` where readers may well see
/// it as either.
pub fn in_carrier(case: &Case) -> Option<bool> {
    match case.rule {
        "F01" | "J07" | "X12" | "X13" => None,
        "X11" | "H01" | "H02" | "H03" | "H04" | "H16" => Some(true),
        "H08" => Some(false),
        rule => match rule.as_bytes()[0] {
            b'J' => Some(true),
            b'F' | b'P' | b'S' => Some(false),
            _ => None,
        },
    }
}

/// How a refusal is one of the wrong layer: a client is told to mend its writer where its data is wrong, or the other way
/// about.
fn misplaced(case: &Case, layer: Layer) -> Option<&'static str> {
    let carrier = match layer {
        Layer::Encoding | Layer::Syntax => true,
        Layer::Structure | Layer::Value => false,
        Layer::Unknown => return None,
    };
    match (in_carrier(case)?, carrier) {
        (true, false) => Some("syntax refused as content"),
        (false, true) => Some("content refused as syntax"),
        _ => None,
    }
}

/// Shortest value that is no accident in an error, bytes.
const QUOTED_BYTES_MIN: usize = 8;

/// Whether an error tells who the patient is: errors end up in logs and in answers to others.
fn quotes(format: Format, reading: &Reading, error: &str) -> bool {
    let Some(tree) = reading.tree.as_ref().filter(|_| error.len() >= QUOTED_BYTES_MIN) else { return false };
    (0..tree.len() as Id).any(|id| {
        let text = tree.text(id);
        tree.what(id) == What::String
            && (QUOTED_BYTES_MIN..=error.len()).contains(&text.len())
            && memchr::memmem::find(error.as_bytes(), text).is_some()
            && identifies(format, &place(format, tree, id))
    })
}

fn push(
    judgement: &mut Judgement,
    class: Class,
    ground: Ground,
    case: Option<String>,
    cause: String,
    mut blocks: Vec<Vec<&'static str>>,
) {
    blocks.iter_mut().for_each(|block| block.sort_unstable());
    blocks.sort();
    judgement.statements.push(Statement { class, ground, case, cause, blocks });
}

/// The class of an outcome that is no answer.
fn death(how: &str) -> Class {
    match how.split(' ').next().unwrap_or_default() {
        "OUT-OF-FUEL" | "DEADLINE" => Class::Work,
        "OOM-ABORT" | "HARD-DENY" | "OUTPUT" => Class::Memory,
        _ => Class::Death,
    }
}

/// Whether a case is one of HL7's header, which says how all that follows is read.
fn is_of_the_header(case: &str) -> bool {
    ["H01", "H02", "H03", "H04", "H05"].iter().any(|rule| case.starts_with(rule))
}

/// Whether a case is one in which readers see an end at different places: it has boundaries of its own.
fn moves_a_boundary(case: &str) -> bool {
    let rules = ["J05", "X11", "F25", "H06", "H07", "H17", "H19", "H20"];
    rules.iter().any(|rule| case.starts_with(rule)) && case != "H07/last-segment-unended"
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
        rule if moves_a_boundary(rule) => Class::Boundary,
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

/// What a reader reads that the reference does not, and where in the input: the first difference in the order of the input, because those after it
/// mostly follow from it, and what does not is first in another input. `case` is the one that the specification leaves
/// open, if the input is in one: what differs then belongs to it.
fn values(
    format: Format,
    (reference, tree): (&Tree, &Tree),
    case: Option<&str>,
    peer: &Peer,
    quirks: &mut Vec<(&'static str, &'static str)>,
) -> Option<(Class, String, Range<usize>)> {
    let mut all = differences(reference, tree, peer.projection, VALUES_MAX);
    // What a reader has too much has no place of its own in the input.
    all.sort_by_key(|one| (one.change == Change::Added, reference.span(one.reference).start));
    for difference in all {
        let (class, cause, pattern) = describe(format, reference, tree, &difference);
        let is_known = |what: &str| {
            let family = what.strip_suffix('*').is_some_and(|begin| pattern.starts_with(begin));
            what == pattern || family || case.is_some_and(|case| covers(what, case))
        };
        if let Some(quirk) = peer.quirks.iter().find(|quirk| is_known(quirk.what)) {
            quirks.push((peer.name, quirk.what));
            continue;
        }
        return Some((class, cause, reference.span(difference.reference)));
    }
    None
}

/// What a cause begins with that lies in a text.
const TEXT: &str = "text ";
/// Between two things about one text that may each be the reason.
const AND: &str = " and ";

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
/// Fields that say where all others end.
const DELIMITERS: &[&str] = &["MSH.1", "MSH.2", "BHS.1", "BHS.2", "FHS.1", "FHS.2"];
const HL7_IDENTITY: &[&str] = &["PID.2", "PID.3", "PID.4", "PID.5", "PID.7", "PID.18", "PID.19", "MRG.1"];

/// Class and cause of one difference of values, and the pattern of its place.
fn describe(format: Format, reference: &Tree, peer: &Tree, difference: &Difference) -> (Class, String, String) {
    let change = difference.change;
    let at = difference.reference;
    let mut pattern = reference.pattern(at);
    if change == Change::Added {
        let _ = write!(pattern, ".{}", String::from_utf8_lossy(peer.label(difference.peer)));
    }
    let what = reference.what(at);
    let place = place(format, reference, at);
    let identity = identifies(format, &place);
    // Above fields: the file, a message; a segment's own name is where it begins.
    let above = std::iter::successors(reference.parent(at), |&id| reference.parent(id)).take(3).count();
    let boundary = format == Format::Hl7v2 && (above < 2 || above == 2 && change == Change::Type);
    let delimiters = format == Format::Hl7v2 && DELIMITERS.contains(&place.as_str());
    let class = match change {
        _ if delimiters => Class::Boundary,
        Change::Type | Change::Count | Change::Added | Change::Missing if boundary => Class::Boundary,
        Change::Type if format != Format::Hl7v2 => Class::Type,
        Change::Precision => Class::Clinical,
        Change::Missing | Change::Count if !identity => Class::Dropped,
        Change::Value | Change::Kind if !identity && what == What::Number => Class::Clinical,
        _ if identity => Class::Identity,
        _ => Class::Text,
    };
    let cause = match (spelling(format, reference, at), what, format) {
        // The spelling is the reason, whatever becomes of the value.
        _ if delimiters => "delimiters".to_owned(),
        _ if boundary => format!("{} {}", change.name(), what.name()),
        (Some(spelling), What::Object | What::List | What::String, _) => format!("{TEXT}{spelling}"),
        (Some(spelling), ..) => format!("{} {} {spelling}", change.name(), what.name()),
        // Fields are read alike; of elements each may have code of its own.
        (None, _, Format::FhirJson | Format::FhirXml) if class == Class::Identity => {
            format!("{} {} {}", change.name(), what.name(), short(&place))
        }
        _ => format!("{} {}", change.name(), what.name()),
    };
    (class, cause, pattern)
}

fn place(format: Format, tree: &Tree, at: Id) -> String {
    match format {
        Format::Hl7v2 => hl7_place(tree, at),
        _ => fhir_place(tree, at),
    }
}

/// Whether what stands there tells one patient from another.
fn identifies(format: Format, place: &str) -> bool {
    match format {
        Format::Hl7v2 => HL7_IDENTITY.iter().any(|one| place.starts_with(one)),
        _ => place.split('.').any(|part| FHIR_IDENTITY.contains(&part)),
    }
}

/// What about a value's text may be the reason, so that one cause is one cluster wherever it stands: one or more of these,
/// joined by [`AND`]. Of a field with several parts, what all its texts have between them.
fn spelling(format: Format, reference: &Tree, at: Id) -> Option<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![at];
    while let Some(id) = waiting.pop() {
        let (raw, text) = (reference.raw(id), reference.text(id));
        let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        match reference.what(id) {
            What::Object | What::List if format == Format::Hl7v2 => waiting.extend(reference.children(id)),
            What::Number if raw.iter().any(|byte| matches!(byte, b'e' | b'E')) => drop(found.insert("with exponent")),
            What::Number if raw.contains(&b'.') => drop(found.insert("with fraction")),
            What::String => found.extend(
                [
                    (raw != text, "escaped"),
                    (text.iter().any(|byte| *byte < b' ' && *byte != b'\t'), "with control character"),
                    (is_blank(text.first()) || is_blank(text.last()), "with blanks around"),
                    (!text.is_ascii(), "not ASCII"),
                ]
                .iter()
                .filter_map(|(is_so, name)| is_so.then_some(*name)),
            ),
            _ => {}
        }
        if matches!(reference.what(id), What::Null | What::String | What::Boolean)
            && reference.children(id).next().is_some()
        {
            found.insert("with extension");
        }
    }
    (!found.is_empty()).then(|| found.into_iter().collect::<Vec<_>>().join(AND))
}

/// `PID.5` for whatever stands in it.
fn hl7_place(tree: &Tree, at: Id) -> String {
    let mut up: Vec<Id> = std::iter::successors(Some(at), |&id| tree.parent(id)).collect();
    up.reverse();
    let segment = up.iter().position(|&id| !tree.text(id).is_empty() && tree.what(id) == What::Object);
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

/// The part of a place that makes it one of identity.
fn short(place: &str) -> &str {
    place.split('.').find(|part| FHIR_IDENTITY.contains(part)).unwrap_or(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(class: Class, case: Option<&str>, cause: &str, peers: &[&'static str]) -> Statement {
        let blocks = peers.iter().map(|peer| vec![*peer]).collect();
        Statement { class, ground: Ground::Values, case: case.map(str::to_owned), cause: cause.to_owned(), blocks }
    }

    /// What a reader that gives `theirs` as nested arrays is said to read otherwise than the reference in `input`.
    fn said(input: &[u8], theirs: &str) -> Vec<String> {
        let peer = Peer { projection: Erase::NONE, quirks: &[], ..crate::peers::RUST_HL7[0] };
        let reading = Format::Hl7v2.read(input);
        let answer = Answer::Accepted(theirs.as_bytes().to_vec());
        let tree = crate::hl7::tree_of_answer(theirs.as_bytes());
        let given = Given { peer: &peer, answer: &answer, tree: tree.as_ref(), printed: false, reading: &reading };
        let statements = judge(Format::Hl7v2, input, &[given]).statements;
        let values = statements.iter().filter(|one| one.ground == Ground::Values);
        values.map(|one| format!("{} {}", one.class.name(), one.about())).collect()
    }

    #[test]
    fn the_first_difference_is_the_statement_and_a_case_elsewhere_is_not_its_reason() {
        let cases: &[(&[u8], &str, &[&str])] = &[
            // Trimmed, in a field of its own and in one with parts.
            (b"MSH|^~\\&|a \r", r##"[[["MSH","|","^~\\&",[[["a"]]]]]]"##, &["D10 text with blanks around"]),
            (
                b"MSH|^~\\&|0\rPID||a\r",
                r##"[[["MSH","|","^~\\&",[[["0"]]]],["PID",null,[[["b"]]]]]]"##,
                &["D7 value string"],
            ),
            // What follows from another field separator is not said again.
            (
                b"MSH|^~\\&#||||||||||7\r",
                r##"[[["MSH","|","^~\\&",[[["#"]]],null,null,null,null,null,null,null,null,null,[[["7"]]]]]]"##,
                &["D6 delimiters"],
            ),
            // The text that is not ASCII, without a declared character set, is not what is read otherwise.
            (
                "MSH|^~\\&|a |\u{dc}\r".as_bytes(),
                r##"[[["MSH","|","^~\\&",[[["a"]]],[[["Ü"]]]]]]"##,
                &["D10 text with blanks around"],
            ),
            // A line feed after a return is part of the next segment's name.
            (
                b"MSH|^~\\&|0\r\nE00\r",
                "[[[\"MSH\",\"|\",\"^~\\\\&\",[[[\"0\"]]]],[\"\\nE00\"]]]",
                &["D6 H07/return-line-feed type object"],
            ),
            (b"MSH|^~\\&|\\Q\\\r", r##"[[["MSH","|","^~\\&",[[["Q"]]]]]]"##, &["D10 H13/unknown value string"]),
        ];
        for (input, theirs, expected) in cases {
            assert_eq!(said(input, theirs), *expected, "{}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn one_fault_is_one_family() {
        let line_feed = |class, cause| values(class, Some("H07/line-feed-in-field"), cause, &["er7"]);
        assert_eq!(
            line_feed(Class::Identity, "missing string").family(),
            line_feed(Class::Dropped, "count list").family()
        );
        let plain = |cause| values(Class::Text, None, cause, &["er7", "hl7kit"]);
        assert_ne!(plain("value string").family(), plain("text escaped").family());
        let trims = values(Class::Text, None, "text with blanks around", &["hl7kit"]);
        let table: &[(Statement, bool)] = &[
            (plain("text escaped and with blanks around"), false),
            (values(Class::Text, None, "text escaped and with blanks around", &["hl7kit"]), true),
            (values(Class::Text, None, "text escaped", &["hl7kit"]), false),
            (values(Class::Text, None, "text with blanks around", &["hl7kit"]), false),
            (values(Class::Text, Some("H03/short"), "text with blanks around", &["hl7kit"]), true),
            (values(Class::Text, Some("H13/unknown"), "text with blanks around", &["hl7kit"]), false),
        ];
        for (other, expected) in table {
            assert_eq!(trims.explains(other), *expected, "{other:?}");
        }
        let counts = values(Class::Boundary, None, "count list", &["er7"]);
        let unended = values(Class::Boundary, Some("H07/last-segment-unended"), "count list", &["er7"]);
        assert!(counts.explains(&unended));
        assert!(!counts.explains(&line_feed(Class::Boundary, "count list")), "a line feed is a boundary of its own");
    }
}
