//! The resource contract: every input that a module may be sent, however large or hostile, costs it bounded fuel and
//! memory, is answered by a result or an error, and leaves it as it was.
//!
//! [`hold`] gives one entry the families of inputs that concern what it reads (`autoclave-generators`), in rising sizes up
//! to far beyond what its profile accepts, and holds each answer to [`Terms`]. Fuel and pages are exact, so that two runs
//! say the same; time is told and decides nothing.

mod benign;
mod clauses;
mod plan;
mod pressure;
mod reads;

pub use benign::benign_of;
pub use clauses::Clause;
pub use reads::{Reads, reads};

use crate::HarnessError;
use crate::complexity::{self, Threshold};
use crate::executors::Engine;
use crate::limits::Terms;
use crate::target::{Abi, Reading, Target};
use autoclave_generators::{Expanded, FAMILIES, Family, Params};
use autoclave_reports::Verdict;
use autoclave_reports::contract::{Growth, Point, Trial};
use autoclave_reports::words;
use plan::{Limited, Why};
use pressure::{Next, Pressure, Seen};

/// Fuel that one family may use in all its sizes: enough to decide about every input that a browser's profile accepts.
pub const FAMILY_FUEL: u64 = 40_000_000_000;
/// What an input may use over the contract where the exponent is read off: short ones so many times as much, and none more
/// than half a second's work.
const DOUBLING_TIMES: u64 = 40;
const DOUBLING_FUEL: u64 = 1_000_000_000;
/// Largest input that is made, as a multiple of what the profile accepts.
pub const BEYOND: u64 = 4;

/// What is held to the contract.
pub struct Question<'a> {
    /// Compiles and runs.
    pub engine: &'a Engine,
    /// The module.
    pub target: &'a Target,
    /// The export.
    pub entry: &'a str,
    /// The terms.
    pub terms: &'a Terms,
    /// What the entry reads.
    pub reads: &'a [Reading],
    /// Families that were asked for; empty: all that concern it.
    pub families: &'a [&'static Family],
    /// Fuel for each family.
    pub family_fuel: u64,
}

/// What came of one family, or of a group of questions about it.
#[derive(Debug, Default)]
pub struct Held {
    /// Every input, and every family that was not run, with the reason.
    pub trials: Vec<Trial>,
    /// How work grows.
    pub growth: Vec<Growth>,
    /// Terms that were broken.
    pub broken: Vec<Broken>,
    /// Executions.
    pub executions: u64,
}

/// One term, broken by one input.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Which.
    pub clause: Clause,
    /// The row.
    pub trial: Trial,
    /// What makes the input again.
    pub params: Params,
    /// What the module said.
    pub message: Vec<u8>,
    /// Where it died.
    pub frames: Vec<crate::execution::RawFrame>,
    /// One sentence with the numbers.
    pub says: String,
}

impl Held {
    /// Adds what came of another family.
    pub fn add(&mut self, other: Held) {
        self.trials.extend(other.trials);
        self.growth.extend(other.growth);
        self.broken.extend(other.broken);
        self.executions += other.executions;
    }
}

/// Every family, and why it is not run where it is not.
pub fn families(question: &Question<'_>) -> Vec<(&'static Family, Result<Vec<Reading>, Verdict>)> {
    let asked = |family: &&'static Family| {
        question.families.is_empty() || question.families.iter().any(|asked| asked.name == family.name)
    };
    let row = |family: &'static Family| {
        let concerns = |reading: &Reading| plan::concerns(family, *reading, question.terms);
        let concerned: Vec<Reading> = question.reads.iter().copied().filter(concerns).collect();
        if concerned.is_empty() {
            return (family, Err(left_out(question, family)));
        }
        (family, Ok(concerned))
    };
    // What only a declared limit is asked with is not missed where there is none.
    let is_missed = |(family, row): &(&'static Family, Result<_, _>)| {
        row.is_ok() || !plan::is_sized(family) || !question.families.is_empty()
    };
    FAMILIES.iter().filter(asked).map(row).filter(is_missed).collect()
}

/// Why a family is not run: it does not concern what the entry reads, or nobody knows what that is.
fn left_out(question: &Question<'_>, family: &Family) -> Verdict {
    if plan::is_sized(family) && question.terms.refused_above_bytes == 0 {
        return Verdict::NotTested("no limit is declared: give it with --term refused_above_bytes=BYTES".to_owned());
    }
    let kinds: Vec<String> = question.reads.iter().map(Reading::to_string).collect();
    match kinds.is_empty() {
        true if question.target.abi == Abi::Numeric => Verdict::NotApplicable("takes numbers only".to_owned()),
        true => Verdict::NotTested("what it reads is not known: name it with --reads".to_owned()),
        false => Verdict::NotApplicable(format!(
            "{} reads {}, not {}",
            question.entry,
            kinds.join(" and "),
            family.kind.name()
        )),
    }
}

/// One family on one entry: all sizes, all parts of the contract that it says something about.
///
/// # Errors
/// Of the engine: a module that cannot be run at all.
pub fn hold(question: &Question<'_>, family: &'static Family, readings: &[Reading]) -> Result<Held, HarnessError> {
    let mut held = Held::default();
    for reading in readings {
        let mut pressure = Pressure::new(question, *reading)?;
        hold_reading(question, family, *reading, &mut pressure, &mut held)?;
    }
    Ok(held)
}

/// All families that concern an entry, one after the other; what does not concern it is left out.
///
/// # Errors
/// Of the engine: a module that cannot be run at all.
pub fn hold_all(question: &Question<'_>) -> Result<Held, HarnessError> {
    let mut all = Held::default();
    for (family, readings) in families(question) {
        if let Ok(readings) = readings {
            all.add(hold(question, family, &readings)?);
        }
    }
    Ok(all)
}

fn hold_reading(
    question: &Question<'_>,
    family: &'static Family,
    reading: Reading,
    pressure: &mut Pressure,
    held: &mut Held,
) -> Result<(), HarnessError> {
    let accepted = u64::from(question.target.limits.input_bytes_max);
    let mut fuel_left = question.family_fuel;
    let (mut points, mut accepted_before) = (Vec::new(), false);
    // Where too much fuel was used first, and why nothing more is run.
    let (mut over_at, mut stopped) = (None::<u64>, None::<String>);
    let mut refused_before = None;
    for spec in plan::specs(family, reading, question.terms, accepted, accepted.saturating_mul(BEYOND)) {
        let trial = Trial {
            entry: question.entry.to_owned(),
            family: family.name.to_owned(),
            params: spec.words(),
            part: spec.why.part().to_owned(),
            ..Trial::default()
        };
        let mut leave_out = |reason: String| {
            held.trials.push(Trial { verdict: Verdict::NotTested(reason), ..trial.clone() });
        };
        // What burns fuel at one size burns more at the next, and says nothing new; but exponents need their sizes, and of
        // bombs the memory is yet to be seen.
        let tells_more = match spec.why {
            Why::Doubling | Why::Within(Limited::Items) | Why::Above(Limited::Items) => true,
            Why::Size | Why::Variant => family.kind.is_compressed(),
            Why::Beyond | Why::Typical | Why::Within(Limited::Bytes) | Why::Above(Limited::Bytes) => false,
        };
        if let Some(bytes) = over_at
            && !tells_more
        {
            stopped.get_or_insert_with(|| format!("uses too much fuel at {} already", words::bytes(bytes)));
        }
        if let Some(reason) = &stopped {
            leave_out(reason.clone());
            continue;
        }
        let mut input = Vec::new();
        let made = spec.params.and_then(|params| match family.make(&params, &mut input) {
            Ok(made) => Ok((params, made)),
            Err(error) => Err(error.to_string()),
        });
        let (params, made) = match made {
            Ok(made) => made,
            Err(reason) => {
                leave_out(reason);
                continue;
            }
        };
        let context = clauses::Context { question, why: spec.why, made: &made, refused_before };
        let enough = fuel_to_give(spec.why, context.fuel_allowed(input.len() as u64));
        let seen = pressure.run(&input, fuel_left.min(enough));
        held.executions += 1;
        fuel_left = fuel_left.saturating_sub(seen.fuel);
        let mut trial = filled(trial, &context, &seen, &input);
        if spec.why == Why::Doubling && seen.execution.outcome.came_back() {
            points.push(Point { bytes: trial.bytes, fuel: seen.fuel, memory_bytes: trial.memory_bytes });
        }
        let (verdict, broken) = clauses::judge(&context, &trial, &seen, accepted_before);
        trial.verdict = verdict;
        accepted_before |= trial.verdict == Verdict::Pass && !seen.execution.rejected;
        if broken.iter().any(|(clause, _)| clause.is_about_fuel()) {
            over_at.get_or_insert(trial.bytes);
        }
        if seen.execution.rejected && matches!(spec.why, Why::Above(_)) {
            refused_before.get_or_insert((trial.bytes, seen.fuel));
        }
        if fuel_left == 0 {
            stopped =
                Some(format!("the family's {} units of fuel were used before", words::count(question.family_fuel)));
        }
        held.broken.extend(broken.into_iter().map(|(clause, says)| Broken {
            clause,
            trial: trial.clone(),
            params: params.clone(),
            message: seen.execution.message.clone(),
            frames: seen.execution.frames.clone(),
            says,
        }));
        held.trials.push(trial);
    }
    if let Some((growth, broken)) = grown(question, family, points, held) {
        held.broken.extend(broken);
        held.growth.push(growth);
    }
    Ok(())
}

/// What is over the contract is stopped: by how much tells nothing, but where the exponent is read off.
fn fuel_to_give(why: Why, allowed: u64) -> u64 {
    let over = allowed.saturating_add(1);
    match why {
        Why::Doubling => allowed.saturating_mul(DOUBLING_TIMES).min(DOUBLING_FUEL).max(over),
        _ => over,
    }
}

/// The row with what was seen.
fn filled(mut trial: Trial, context: &clauses::Context<'_>, seen: &Seen, input: &[u8]) -> Trial {
    trial.outcome = seen.execution.outcome.name().to_owned();
    trial.bytes = input.len() as u64;
    let made = context.made;
    trial.expanded = match made.expanded {
        Expanded::Exact(bytes) if bytes == u128::from(made.bytes) => String::new(),
        Expanded::Exact(bytes) => bytes.to_string(),
        Expanded::Beyond => "more than 2^128".to_owned(),
        Expanded::Endless => "endless".to_owned(),
    };
    trial.fuel = seen.fuel;
    trial.fuel_allowed = context.fuel_allowed(trial.bytes);
    trial.memory_bytes = seen.execution.memory_bytes_peak;
    trial.memory_bytes_allowed = context.memory_allowed(trial.bytes);
    trial.output_bytes = if seen.execution.rejected { 0 } else { seen.execution.output.len() as u64 };
    trial.error_bytes = clauses::error_bytes(context.question.target, &seen.execution);
    trial.next_call = match &seen.next {
        Next::Same => "same".to_owned(),
        Next::Differs(_) => "differs".to_owned(),
        Next::NotMade(reason) => (*reason).to_owned(),
    };
    trial.wall_ms = seen.wall_ms;
    trial
}

/// How the work of an entry grows with one shape, as the report shows it; nothing where too few sizes were measured.
pub fn growth(entry: &str, shape: &str, points: Vec<Point>, threshold: &Threshold) -> Option<Growth> {
    let measured: Vec<complexity::Point> =
        points.iter().map(|point| complexity::Point { bytes: point.bytes, fuel: point.fuel }).collect();
    let last = measured.last()?;
    let fit = complexity::fit(&measured);
    let exponent = fit.exponent?;
    let per_byte = fit.extrapolated_fuel_per_byte(last, threshold.accepted_bytes);
    let says = format!(
        "fuel grows as bytes^{exponent:.2}: {} units for {}, {} per byte at the {} that have to be accepted",
        words::count(last.fuel),
        words::bytes(last.bytes),
        words::count(per_byte as u64),
        words::bytes(threshold.accepted_bytes)
    );
    Some(Growth {
        entry: entry.to_owned(),
        shape: shape.to_owned(),
        points,
        exponent: Some(exponent),
        fuel_per_byte: Some(per_byte),
        verdict: if fit.is_superlinear(last, threshold) { Verdict::Fail(says) } else { Verdict::Pass },
        ..Growth::default()
    })
}

/// The exponent of a family whose sizes were doubled, and the clause where it is too large.
fn grown(
    question: &Question<'_>,
    family: &'static Family,
    points: Vec<Point>,
    held: &Held,
) -> Option<(Growth, Option<Broken>)> {
    let growth = growth(question.entry, family.name, points, &threshold(question.terms, question.target))?;
    let Verdict::Fail(says) = &growth.verdict else { return Some((growth, None)) };
    let last = growth.points.last()?;
    let trial = held.trials.iter().rfind(|trial| trial.family == family.name && trial.bytes == last.bytes)?.clone();
    let params = family.parse(&trial.params.split(' ').collect::<Vec<_>>()).ok()?;
    let (clause, says) = (Clause::Superlinear, says.clone());
    let broken = Broken { clause, trial, params, message: Vec::new(), frames: Vec::new(), says };
    Some((growth, Some(broken)))
}

/// From which cost on super-linear growth matters, by the terms and limits of a target.
pub fn threshold(terms: &Terms, target: &Target) -> Threshold {
    Threshold { fuel_per_byte: terms.fuel_per_byte, accepted_bytes: target.limits.input_bytes_max.into() }
}
