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

/// Classes that only show when the dear questions are asked: a tape is played again and again, and garbage collected.
const DEEP: &[&str] = &["leak", "late"];
/// Classes that only show when memory is searched and prototypes are compared.
const LOOK: &[&str] = &["residue", "prototype"];

/// Processor time that makes a slow call a finding, seconds: the host itself only sees a clock, which other programs
/// slow down.
const SLOW_CPU_SECONDS: f64 = 1.0;

/// Flags with which a class shows.
fn flags_of(class: &str) -> u8 {
    match class {
        class if DEEP.contains(&class) => flags::DEEP,
        class if LOOK.contains(&class) => flags::LOOK,
        "forged" => flags::OUTCOMES,
        _ => 0,
    }
}

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
    /// Of hosts that are gone.
    cpu_seconds_before: f64,
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
        Self { start, host: None, number: 0, calls: 0, cpu_seconds_before: 0.0 }
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
                    self.cpu_seconds_before += host.cpu_seconds();
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
        // What shows after a tape only belongs to no call until it is judged.
        let same = |seen: &Sighting| {
            let ((class, of, key), (class_wanted, of_wanted, key_wanted)) = (seen.fault(), wanted.fault());
            (class, key) == (class_wanted, key_wanted) && (of == of_wanted || seen.operation == 0)
        };
        let before = self.cpu_seconds();
        let (sightings, outcomes) = match self.play(tape, flags_of(&wanted.class))? {
            Played::Ended { sightings, outcomes } => (sightings, outcomes),
            Played::Died(death) => {
                let sighting = died(wanted.operation, &death);
                return Ok(same(&sighting).then_some(sighting));
            }
        };
        let Some(seen) = sightings.into_iter().find(same) else { return Ok(None) };
        if wanted.class == "time" && self.cpu_seconds() - before < SLOW_CPU_SECONDS {
            return Ok(None);
        }
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

    /// Processor time that its hosts took so far, seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.cpu_seconds_before + self.host.as_ref().map_or(0.0, |host| host.cpu_seconds())
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

/// Plays a find on the deployed module, or on the instrumented one where it shows there only, and makes it small, as far
/// as `cpu_seconds_max` of its host go. None: it did not show again.
///
/// # Errors
/// No host starts before it has shown.
pub fn judge(
    api: &Api,
    find: &Find,
    deployed: &mut Player,
    instrumented: &mut Player,
    cpu_seconds_max: f64,
) -> Result<Option<Judged>, String> {
    let (player, module) = if INSTRUMENTED.contains(&find.sighting.class.as_str()) {
        (instrumented, Module::Instrumented)
    } else {
        (deployed, Module::Deployed)
    };
    let wanted = &find.sighting;
    let mut tape = find.tape.clone();
    let mut seen = player.shows(&tape, wanted)?;
    // It may need what earlier tapes left: the last ones, or the first, from which the data may come, and those.
    let count = find.after.len();
    let last = |many: usize| find.after[count - many.min(count)..].to_vec();
    let with_first =
        |many: usize| find.after.iter().take(1).chain(&last(many.min(count.saturating_sub(1)))).cloned().collect();
    let histories: [Vec<Tape>; 6] = [last(1), with_first(0), last(2), with_first(1), last(4), last(count)];
    for history in histories.iter().filter(|history| !history.is_empty()) {
        if seen.is_some() {
            break;
        }
        tape = joined(history, &find.tape);
        seen = player.shows(&tape, wanted)?;
    }
    let Some(mut sighting) = seen else { return Ok(None) };
    let max = match wanted.class.as_str() {
        "time" => QUESTIONS_OF_DEATHS_MAX,
        class if DEEP.contains(&class) => QUESTIONS_OF_DEEP_MAX,
        _ => QUESTIONS_MAX,
    };
    // Where no host starts any more, what was shown until then is what is known.
    let (mut questions, mut failed) = (0, false);
    let calls_max = player.calls + CALLS_MAX;
    let cpu_seconds_max = player.cpu_seconds() + cpu_seconds_max;
    let small = shrink(&tape, api, &mut |candidate| {
        let over = questions >= max || player.calls >= calls_max || player.cpu_seconds() >= cpu_seconds_max;
        if over || failed {
            return false;
        }
        questions += 1;
        match player.shows(candidate, wanted) {
            Ok(Some(seen)) => {
                sighting = seen;
                true
            }
            Ok(None) => false,
            Err(_) => {
                failed = true;
                false
            }
        }
    });
    // What shows after a tape only (a changed prototype, a late error) is its last call's doing.
    if sighting.operation == 0 {
        let called = |op: &Op| if let Op::Call { operation, .. } = op { Some(*operation) } else { None };
        sighting.operation = small.ops.iter().rev().find_map(called).unwrap_or(0);
    }
    let profile = small.profile(api);
    Ok(Some(Judged { tape: small, profile, sighting, questions, module }))
}
