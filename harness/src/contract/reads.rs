//! What an entry reads: declared, or found out by showing it small documents of every kind.

use super::benign::{benign, benign_of};
use crate::HarnessError;
use crate::executors::{Build, Engine, Executor, Reset};
use crate::target::{Abi, Reading, Rejects, Target};
use autoclave_generators::Kind;

/// Edges that no other kind of document reaches, before a module that refuses nothing is believed to read a kind.
const OWN_EDGES_MIN: usize = 12;
/// What may stand inside of a compressed document.
const INSIDE: [Kind; 3] = [Kind::FhirJson, Kind::FhirXml, Kind::Hl7v2];

/// What an entry reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// Kinds of input; none where nothing could be found out.
    pub readings: Vec<Reading>,
    /// How that is known.
    pub origin: Origin,
    /// What probing saw; empty where it was declared.
    pub evidence: String,
}

/// How it is known what an entry reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By the command line, `reads` or `format` in `target.toml`.
    Declared,
    /// By trying.
    Probed,
}

impl Origin {
    /// As in a report.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Declared => "declared",
            Origin::Probed => "probed",
        }
    }
}

/// What an entry reads: `flags` say it first, then `target.toml`, then probing.
///
/// # Errors
/// Of the engine: a module that cannot be run at all.
pub fn reads(engine: &Engine, target: &Target, entry: &str, flags: &[Reading]) -> Result<Reads, HarnessError> {
    let declared = |readings: Vec<Reading>| Reads { readings, origin: Origin::Declared, evidence: String::new() };
    if !flags.is_empty() {
        return Ok(declared(flags.to_vec()));
    }
    if let Some(words) = target.manifest.reads.get(entry) {
        return Ok(declared(words.iter().filter_map(|word| Reading::parse(word).ok()).collect()));
    }
    if let Some(format) = &target.manifest.format {
        let format = if format == "fhir-ndjson" { "ndjson" } else { format };
        if let Ok(reading) = Reading::parse(format) {
            return Ok(declared(vec![reading]));
        }
    }
    if target.abi == Abi::Numeric {
        let evidence = "its parameters are numbers".to_owned();
        return Ok(Reads { readings: Vec::new(), origin: Origin::Probed, evidence });
    }
    probe(engine, target, entry)
}

/// What a document came to.
struct Answer {
    reading: Reading,
    accepted: bool,
    edges: Vec<u32>,
}

fn probe(engine: &Engine, target: &Target, entry: &str) -> Result<Reads, HarnessError> {
    let mut executor = Executor::new(engine, target, entry, Build::Fuzz, Reset::Dirty, &target.limits)?;
    let mut ask = |input: &[u8]| {
        let outcome = executor.run(input);
        let rejected = executor.execution().rejected;
        let hit = executor.counters().iter().enumerate().filter(|(_, count)| **count > 0);
        (outcome.came_back() && !rejected, hit.map(|(edge, _)| edge as u32).collect::<Vec<u32>>())
    };
    let nonsense: Vec<(bool, Vec<u32>)> =
        [&b""[..], b"\x00\x01\x02\x03", b"nonsense, in no format", &[0xff; 64]].map(&mut ask).into();
    let mut answers = Vec::new();
    for kind in Kind::ALL {
        let reading = Reading { outer: kind, inner: None };
        let (accepted, edges) = ask(&benign(kind));
        answers.push(Answer { reading, accepted, edges });
    }
    let refuses_nonsense = target.rejects() != Rejects::Never && nonsense.iter().skip(1).all(|(accepted, _)| !accepted);
    let readings: Vec<Reading> = match refuses_nonsense {
        true => answers.iter().filter(|answer| answer.accepted).map(|answer| answer.reading).collect(),
        false => by_edges(&answers, &nonsense),
    };
    let how = match refuses_nonsense {
        true => "accepts a small document of it and refuses nonsense",
        false => "runs code on a small document of it that no other kind and no nonsense reaches",
    };
    let mut found = Vec::new();
    for reading in readings {
        // What is refused when its contents are exchanged is read to the inside.
        let inside = |inner: Kind| Reading { inner: Some(inner), ..reading };
        let taken: Vec<Kind> = match reading.outer.is_compressed() && refuses_nonsense {
            true => INSIDE.into_iter().filter(|inner| ask(&benign_of(inside(*inner))).0).collect(),
            false => Vec::new(),
        };
        match taken.len() {
            1..INSIDE_LEN => found.extend(taken.into_iter().map(inside)),
            _ => found.push(reading),
        }
    }
    let evidence = match found.is_empty() {
        true => "no small document of any kind is told from nonsense: name what it reads with --reads".to_owned(),
        false => format!("it {how}"),
    };
    Ok(Reads { readings: found, origin: Origin::Probed, evidence })
}

const INSIDE_LEN: usize = INSIDE.len();

/// The kind with the most edges of its own, if it has enough of them.
fn by_edges(answers: &[Answer], nonsense: &[(bool, Vec<u32>)]) -> Vec<Reading> {
    let own = |answer: &Answer| {
        let is_elsewhere = |edge: &u32| {
            nonsense.iter().any(|(_, edges)| edges.binary_search(edge).is_ok())
                || answers.iter().any(|other| {
                    // FHIR is JSON or XML first, and shares its reader.
                    let is_same =
                        answer.reading.concerns(other.reading.outer) || other.reading.concerns(answer.reading.outer);
                    !is_same && other.edges.binary_search(edge).is_ok()
                })
        };
        answer.edges.iter().filter(|edge| !is_elsewhere(edge)).count()
    };
    let best = answers.iter().map(|answer| (own(answer), answer)).max_by_key(|(own, _)| *own);
    best.filter(|(own, _)| *own >= OWN_EDGES_MIN).map(|(_, answer)| answer.reading).into_iter().collect()
}
