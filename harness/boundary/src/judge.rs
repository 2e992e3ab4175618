//! Finds are judged apart from the search: each tape is played again on the module as it is deployed, in a fresh instance,
//! made as small as it gets, and played in other hosts. What does not show there is not reported.

use crate::api::Api;
use crate::fuzz::{Find, Start, died, joined};
use crate::hosts::{Batch, Death, Host};
use crate::tape::{Op, Profile, Tape, shrink};
use crate::wire::{Hello, Sighting, flags};

/// Tapes that are tried to make one smaller.
const QUESTIONS_MAX: u32 = 160;
/// The same where each costs a host its life.
const QUESTIONS_OF_DEATHS_MAX: u32 = 3;
/// The same where each plays the tape dozens of times.
const QUESTIONS_OF_DEEP_MAX: u32 = 24;
/// Calls that are made to make one smaller: some tapes make a thousand each time.
const CALLS_MAX: u64 = 20_000;
/// Classes that show on instrumented modules only: the plain one does not export its stack pointer, and has no counters.
const INSTRUMENTED: &[&str] = &["stack", "counters"];

/// Classes that only show when the dear questions are asked: a tape is played again and again, garbage collected, memory
/// searched.
const DEEP: &[&str] = &["leak", "residue", "late", "prototype"];

/// What a find is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The smallest tape that shows it.
    pub tape: Tape,
    /// Smallest profile that it belongs to.
    pub profile: Profile,
    /// What was seen when it was played last.
    pub sighting: Sighting,
    /// Tapes that were played.
    pub questions: u32,
    /// Whether it was seen on the module as it is deployed.
    pub module: Module,
}

/// Which module showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    /// The one that is deployed.
    Deployed,
    /// The same code with counters, for what shows nowhere else.
    Instrumented,
}

/// Plays tapes one by one, each in a fresh instance, in a host that is started again when it dies.
pub struct Player {
    start: Box<Start<'static>>,
    host: Option<Box<dyn Host>>,
    number: u32,
    calls: u64,
}

/// What a tape did.
#[derive(Debug, Clone, PartialEq)]
pub enum Played {
    /// It came to its end.
    Ended {
        /// What was seen.
        sightings: Vec<Sighting>,
        /// Canonical outcome of every operation.
        outcomes: Vec<String>,
    },
    /// It killed its host.
    Died(Death),
}

impl Player {
    /// A player whose hosts are started by `start`.
    pub fn new(start: Box<Start<'static>>) -> Self {
        Self { start, host: None, number: 0, calls: 0 }
    }

    /// Plays a tape in a fresh instance; `more` are flags beside those that this takes.
    ///
    /// # Errors
    /// No host starts.
    pub fn play(&mut self, tape: &Tape, more: u8) -> Result<Played, String> {
        let host = match &mut self.host {
            Some(host) => host,
            none => none.insert((self.start)(&[])?),
        };
        self.number += 1;
        let flags = flags::FRESH | more;
        let batch = Batch { number: self.number, flags, tapes: vec![tape.to_bytes()] };
        match host.send(&batch).and_then(|()| host.receive()) {
            Ok(ran) => {
                self.calls += ran.calls;
                let (mut sightings, mut outcomes) = (Vec::new(), Vec::new());
                for told in ran.told {
                    sightings.extend(told.sightings);
                    outcomes.extend(told.outcomes);
                }
                Ok(Played::Ended { sightings, outcomes })
            }
            Err(death) => {
                if let Some(mut host) = self.host.take() {
                    host.kill();
                }
                Ok(Played::Died(death))
            }
        }
    }

    /// Whether a tape shows the fault that `wanted` says.
    ///
    /// # Errors
    /// No host starts.
    pub fn shows(&mut self, tape: &Tape, wanted: &Sighting) -> Result<Option<Sighting>, String> {
        let same = |seen: &Sighting| seen.fault() == wanted.fault();
        let deep = if DEEP.contains(&wanted.class.as_str()) { flags::DEEP } else { 0 };
        let forged = if wanted.class == "forged" { flags::OUTCOMES } else { 0 };
        let (sightings, outcomes) = match self.play(tape, deep | forged)? {
            Played::Ended { sightings, outcomes } => (sightings, outcomes),
            Played::Died(death) => {
                let sighting = died(wanted.operation, &death);
                return Ok(same(&sighting).then_some(sighting));
            }
        };
        let Some(seen) = sightings.into_iter().find(same) else { return Ok(None) };
        if wanted.class == "forged" && !self.is_believed(tape, &outcomes)? {
            return Ok(None);
        }
        Ok(Some(seen))
    }

    /// What the host said; it is started if need be.
    ///
    /// # Errors
    /// No host starts.
    pub fn hello(&mut self) -> Result<Hello, String> {
        let host = match &mut self.host {
            Some(host) => host,
            none => none.insert((self.start)(&[])?),
        };
        Ok(host.hello().clone())
    }

    /// Tapes that were played so far.
    pub fn played(&self) -> u64 {
        self.number.into()
    }

    /// Whether overwriting an object's property changes what the other operations do: an object that keeps its pointer to
    /// itself does the same with and without.
    fn is_believed(&mut self, tape: &Tape, with: &[String]) -> Result<bool, String> {
        let kept = |op: &Op| !matches!(op, Op::Assign { .. });
        let without = Tape { ops: tape.ops.iter().filter(|op| kept(op)).cloned().collect() };
        let Played::Ended { outcomes, .. } = self.play(&without, flags::OUTCOMES)? else { return Ok(true) };
        let with: Vec<&String> =
            tape.ops.iter().zip(with).filter(|(op, _)| kept(op)).map(|(_, outcome)| outcome).collect();
        Ok(outcomes.iter().ne(with))
    }
}

/// The first operation of a tape of which two hosts give different accounts: its place, and both.
///
/// # Errors
/// No host starts.
pub fn disagree(one: &mut Player, other: &mut Player, tape: &Tape) -> Result<Option<(usize, String, String)>, String> {
    let outcomes = |played| match played {
        Played::Ended { outcomes, .. } => outcomes,
        // That it dies is a finding of its own; what came before is not known.
        Played::Died(_) => Vec::new(),
    };
    let (one, other) = (outcomes(one.play(tape, flags::OUTCOMES)?), outcomes(other.play(tape, flags::OUTCOMES)?));
    if one.is_empty() || other.is_empty() {
        return Ok(None);
    }
    let differs = |at: &usize| one.get(*at) != other.get(*at);
    let text = |of: &[String], at: usize| of.get(at).cloned().unwrap_or_else(|| "nothing".to_owned());
    let first = (0..one.len().max(other.len())).find(differs);
    Ok(first.map(|at| (at, text(&one, at), text(&other, at))))
}

impl Drop for Player {
    fn drop(&mut self) {
        if let Some(host) = &mut self.host {
            host.kill();
        }
    }
}

/// Plays a find on the deployed module, or on the instrumented one where it shows there only, and makes it small. None:
/// it did not show again.
///
/// # Errors
/// No host starts.
pub fn judge(
    api: &Api,
    find: &Find,
    deployed: &mut Player,
    instrumented: &mut Player,
) -> Result<Option<Judged>, String> {
    let (player, module) = if INSTRUMENTED.contains(&find.sighting.class.as_str()) {
        (instrumented, Module::Instrumented)
    } else {
        (deployed, Module::Deployed)
    };
    let wanted = &find.sighting;
    let mut tape = find.tape.clone();
    let mut seen = player.shows(&tape, wanted)?;
    if seen.is_none() && !find.after.is_empty() {
        tape = joined(&find.after, &find.tape);
        seen = player.shows(&tape, wanted)?;
    }
    let Some(mut sighting) = seen else { return Ok(None) };
    let max = match wanted.class.as_str() {
        "time" => QUESTIONS_OF_DEATHS_MAX,
        class if DEEP.contains(&class) => QUESTIONS_OF_DEEP_MAX,
        _ => QUESTIONS_MAX,
    };
    let (mut questions, mut failed) = (0, None);
    let calls_max = player.calls + CALLS_MAX;
    let small = shrink(&tape, api, &mut |candidate| {
        if questions >= max || player.calls >= calls_max || failed.is_some() {
            return false;
        }
        questions += 1;
        match player.shows(candidate, wanted) {
            Ok(Some(seen)) => {
                sighting = seen;
                true
            }
            Ok(None) => false,
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let profile = small.profile(api);
    Ok(Some(Judged { tape: small, profile, sighting, questions, module }))
}
