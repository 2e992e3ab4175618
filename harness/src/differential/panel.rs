//! The readers that are asked about one input, whatever runs them, and what the reference makes of it.

use crate::HarnessError;
use crate::execution::Outcome;
use crate::executors::{Build, Engine, Executor, Reset};
use crate::symbols::Symbols;
use crate::target::Target;
use crate::triage;
use autoclave_formats::Format;
use autoclave_formats::diff::judge::{Given, Judgement, judge};
use autoclave_formats::diff::relations;
use autoclave_formats::fhir::Release;
use autoclave_formats::peers::worker::Worker;
use autoclave_formats::peers::{Answer, Layer, Peer, Refusal, Runtime};
use autoclave_formats::reading::Reading;
use autoclave_formats::tree::{Erase, Tree};
use std::collections::BTreeMap;

/// How modules are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// With marks, so that one instance serves many inputs.
    Fast,
    /// As deployed, a fresh instance for each input.
    Deployed,
}

/// After so many tellings every second input is asked about, after twice as many every third, and so on.
const TELLINGS_PER_STEP: u64 = 256;

/// The relation of what a reader wrote to what it read.
const OWN_WRITING: &str = "writing and reading again";

/// Frames that tell two deaths apart.
const FRAMES_OF_A_DEATH: usize = 2;

/// A module that a vendor wants to certify, beside its peers.
pub static CANDIDATE: Peer = Peer {
    name: "candidate",
    package: "the module under test",
    runtime: Runtime::Rust,
    formats: &Format::ALL,
    version: "",
    projection: Erase::NONE,
    quirks: &[],
};

/// One reader.
pub struct Member {
    /// Who it is.
    pub peer: &'static Peer,
    /// What it was asked and said, in full.
    pub tally: Tally,
    /// Why it is asked no more.
    pub silent: Option<String>,
    source: Source,
}

/// Counts of answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Inputs.
    pub asked: u64,
    /// Accepted.
    pub accepted: u64,
    /// Refused.
    pub refused: u64,
    /// Died of.
    pub died: u64,
}

enum Source {
    /// A number in the module that holds the Rust peers.
    Guest { module: usize, number: u8 },
    /// A module of its own, whose result says whether it accepts.
    Candidate { module: usize },
    /// A process.
    Worker(Box<Worker>),
}

struct Module {
    executor: Executor,
    symbols: Symbols,
}

/// All readers of a run.
pub struct Panel {
    /// What they read.
    pub format: Format,
    /// Who they are.
    pub members: Vec<Member>,
    modules: Vec<Module>,
    told: BTreeMap<(usize, &'static str), Told>,
}

/// How often a member did not hold to a relation, for a reason that shows without it: what is known well is asked about ever more rarely.
#[derive(Debug, Default)]
struct Told {
    tellings: u64,
    asked: u64,
}

impl Told {
    /// Whether this time is left out, counting it.
    fn is_skipped(&mut self) -> bool {
        self.asked += 1;
        !self.asked.is_multiple_of(1 + self.tellings / TELLINGS_PER_STEP)
    }
}

/// What was said of one input.
pub struct Heard {
    /// The reference's reading.
    pub reading: Reading,
    /// One for each member, in their order.
    pub answers: Vec<Said>,
    /// What follows.
    pub judgement: Judgement,
}

/// What one member said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its answer; `None` where it could not be asked.
    pub answer: Option<Answer>,
    /// Its tree, where it accepted and wrote back what it read.
    pub tree: Option<Tree>,
    /// Whether a value of the input appeared on its console.
    pub printed: bool,
}

impl Panel {
    /// Without members.
    pub fn new(format: Format) -> Self {
        Self { format, members: Vec::new(), modules: Vec::new(), told: BTreeMap::new() }
    }

    /// Adds the peers of a module that holds several; `entry` is asked with a peer's number before the input.
    pub fn add_guests(
        &mut self,
        engine: &Engine,
        target: &Target,
        entry: &str,
        peers: &[&'static Peer],
        wanted: &dyn Fn(&Peer) -> bool,
        fidelity: Fidelity,
    ) -> Result<(), HarnessError> {
        if !peers.iter().any(|peer| wanted(peer)) {
            return Ok(());
        }
        let module = self.add_module(engine, target, entry, fidelity)?;
        for (number, peer) in peers.iter().enumerate() {
            if peer.formats.contains(&self.format) && wanted(peer) {
                self.add(peer, Source::Guest { module, number: number as u8 });
            }
        }
        Ok(())
    }

    /// Adds a module under test.
    pub fn add_candidate(
        &mut self,
        engine: &Engine,
        target: &Target,
        entry: &str,
        fidelity: Fidelity,
    ) -> Result<(), HarnessError> {
        let module = self.add_module(engine, target, entry, fidelity)?;
        self.add(&CANDIDATE, Source::Candidate { module });
        Ok(())
    }

    /// Adds a worker process.
    pub fn add_worker(&mut self, peer: &'static Peer, worker: Worker) {
        self.add(peer, Source::Worker(Box::new(worker)));
    }

    fn add(&mut self, peer: &'static Peer, source: Source) {
        self.members.push(Member { peer, tally: Tally::default(), silent: None, source });
    }

    fn add_module(
        &mut self,
        engine: &Engine,
        target: &Target,
        entry: &str,
        fidelity: Fidelity,
    ) -> Result<usize, HarnessError> {
        let (build, reset) = match fidelity {
            Fidelity::Fast => (Build::Fuzz, Reset::Dirty),
            Fidelity::Deployed => (Build::Plain, Reset::Fresh),
        };
        let executor = Executor::new(engine, target, entry, build, reset, &target.limits)?;
        self.modules.push(Module { executor, symbols: Symbols::load(&target.wasm) });
        Ok(self.modules.len() - 1)
    }

    /// Asks every member and judges the answers, each beside the reference's reading as the same release.
    pub fn hear(&mut self, input: &[u8]) -> Heard {
        self.hear_those(input, &|_| true)
    }

    /// The same, of some members only.
    pub fn hear_those(&mut self, input: &[u8], wanted: &dyn Fn(&Peer) -> bool) -> Heard {
        let mut readings = vec![("", self.format.read(input))];
        for version in self.members.iter().map(|member| member.peer.version) {
            let other = Release::named(version).filter(|release| *release != Release::R4);
            if let Some(release) = other.filter(|_| !readings.iter().any(|(known, _)| *known == version)) {
                readings.push((version, self.format.read_as(input, release)));
            }
        }
        let members = self.members.len();
        let ask = |member: usize| match wanted(self.members[member].peer) {
            true => self.ask(member, input),
            false => Said { answer: None, tree: None, printed: false },
        };
        let answers: Vec<Said> = (0..members).map(ask).collect();
        let given: Vec<Given<'_>> = self
            .members
            .iter()
            .zip(&answers)
            .filter_map(|(Member { peer, .. }, said)| {
                let answer = said.answer.as_ref()?;
                let reading = readings.iter().find(|(version, _)| *version == peer.version).unwrap_or(&readings[0]);
                Some(Given { peer, answer, tree: said.tree.as_ref(), printed: said.printed, reading: &reading.1 })
            })
            .collect();
        let judgement = judge(self.format, input, &given);
        Heard { reading: readings.swap_remove(0).1, answers, judgement }
    }

    /// Asks every member that read a sound input as the reference does about the same input spelt otherwise, and, where it
    /// writes what it reads, about its own writing. A member that then reads something else than the reference shows that by
    /// itself: such inputs are returned with what was heard of them. Who changes its mind without that is not stable (D13).
    pub fn ask_again(&mut self, input: &[u8], heard: &mut Heard) -> Vec<(Vec<u8>, Heard)> {
        let mut telling: Vec<(Vec<u8>, Heard)> = Vec::new();
        if !heard.reading.breaches.is_empty() || heard.reading.tree.is_none() {
            return telling;
        }
        let accepted = |said: &Said| matches!(said.answer, Some(Answer::Accepted(_)));
        let sound = |panel: &Self, heard: &Heard| -> Vec<usize> {
            (0..panel.members.len())
                .filter(|&at| accepted(&heard.answers[at]) && !heard.judgement.is_about(panel.members[at].peer.name))
                .collect()
        };
        let members = sound(self, heard);
        let digest = |tree: &Option<Tree>, erase| tree.as_ref().map(|tree| tree.digest(erase));
        let mut respelt: Vec<(&'static str, Vec<u8>, Vec<usize>)> = Vec::new();
        for relation in relations::table(self.format) {
            let Some(spelt) = (relation.apply)(input) else { continue };
            // A relation that our own reader does not hold to is ours to mend, and says nothing of others.
            let reading = self.format.read(&spelt);
            if reading.breaches.is_empty()
                && digest(&reading.tree, Erase::NONE) == digest(&heard.reading.tree, Erase::NONE)
            {
                respelt.push((relation.name, spelt, members.clone()));
            }
        }
        if self.format == Format::FhirJson {
            for &member in &members {
                if let Some(Answer::Accepted(written)) = &heard.answers[member].answer
                    && written != input
                    && !matches!(self.members[member].source, Source::Candidate { .. })
                {
                    respelt.push((OWN_WRITING, written.clone(), vec![member]));
                }
            }
        }
        for (relation, spelt, members) in respelt {
            let mut heard_again = None;
            for member in members {
                let peer = self.members[member].peer;
                let told = self.told.entry((member, relation)).or_default();
                if told.is_skipped() {
                    continue;
                }
                let again = self.ask(member, &spelt);
                let refuses = match again.answer {
                    Some(Answer::Accepted(_)) => {
                        let before = digest(&heard.answers[member].tree, peer.projection);
                        if before.is_none() || digest(&again.tree, peer.projection) == before {
                            continue;
                        }
                        false
                    }
                    Some(Answer::Refused(_)) => true,
                    // It dies: the respelt input shows that by itself.
                    Some(Answer::Died { .. }) => false,
                    None => continue,
                };
                let heard_again = heard_again.get_or_insert_with(|| self.hear(&spelt));
                match heard_again.judgement.is_about(peer.name) {
                    true => self.told.entry((member, relation)).or_default().tellings += 1,
                    false => heard.judgement.unstable(peer.name, relation, refuses),
                }
            }
            telling.extend(heard_again.map(|heard| (spelt, heard)));
        }
        heard.judgement.statements.sort();
        telling
    }

    fn ask(&mut self, member: usize, input: &[u8]) -> Said {
        let Self { members, modules, format, .. } = self;
        let Member { peer, source, tally, silent } = &mut members[member];
        let mut printed = false;
        let answer = match source {
            Source::Guest { module, number } => {
                let module = &mut modules[*module];
                let mut bytes = Vec::with_capacity(input.len() + 1);
                bytes.push(*number);
                bytes.extend_from_slice(input);
                match module.executor.run(&bytes) {
                    Outcome::Returned | Outcome::Rejected => answer(module.executor.output()),
                    outcome => Answer::Died { how: how(module, outcome) },
                }
            }
            Source::Candidate { module } => {
                let module = &mut modules[*module];
                match module.executor.run(input) {
                    Outcome::Returned => Answer::Accepted(module.executor.output().to_vec()),
                    Outcome::Rejected => {
                        Answer::Refused(Refusal { layer: Layer::Unknown, code: "rejected".to_owned() })
                    }
                    outcome => Answer::Died { how: how(module, outcome) },
                }
            }
            Source::Worker(worker) => {
                match worker.ask(input, *format) {
                    Ok(reply) => {
                        printed = shows_a_value(&reply.printed, input);
                        reply.answer
                    }
                    // What is wrong around a peer is not the peer's doing.
                    Err(error) => {
                        silent.get_or_insert_with(|| error.to_string());
                        return Said { answer: None, tree: None, printed: false };
                    }
                }
            }
        };
        tally.asked += 1;
        let tree = match &answer {
            Answer::Accepted(bytes) => {
                tally.accepted += 1;
                format.tree_of_answer(bytes, peer.projection)
            }
            Answer::Refused(_) => {
                tally.refused += 1;
                None
            }
            Answer::Died { .. } => {
                tally.died += 1;
                None
            }
        };
        Said { answer: Some(answer), tree, printed }
    }
}

/// An answer as the guests write it.
fn answer(bytes: &[u8]) -> Answer {
    match bytes {
        [0, output @ ..] => Answer::Accepted(output.to_vec()),
        [1, layer, code @ ..] => Answer::Refused(Refusal {
            layer: Layer::ALL.get(usize::from(*layer)).copied().unwrap_or(Layer::Unknown),
            code: String::from_utf8_lossy(code).into_owned(),
        }),
        _ => Answer::Died { how: "ANSWER-UNREADABLE".to_owned() },
    }
}

/// The outcome and where: innermost functions, without those that only report a panic.
fn how(module: &Module, outcome: Outcome) -> String {
    let frames = module.symbols.resolve_all(&module.executor.execution().frames, 64);
    let bucket = triage::bucket("differential", outcome, &frames);
    let mut how = outcome.name().to_owned();
    for frame in bucket.frames.iter().take(FRAMES_OF_A_DEATH) {
        how.push_str(" < ");
        how.push_str(frame);
    }
    how
}

/// Shortest stretch of an input that is taken for a value when it appears on a console, bytes.
const VALUE_BYTES_MIN: usize = 8;

/// Whether a console shows a value of the input: a word of letters and digits that is long enough to be no accident.
fn shows_a_value(printed: &[u8], input: &[u8]) -> bool {
    let words = input.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| word.len() >= VALUE_BYTES_MIN);
    !printed.is_empty() && words.into_iter().any(|word| memchr::memmem::find(printed, word).is_some())
}
