//! One entry under pressure: an input in a fresh instance, then an ordinary one in the same.

use super::{Question, benign_of};
use crate::HarnessError;
use crate::execution::{Execution, Limit, Outcome};
use crate::executors::Executor;
use crate::target::Reading;
use std::time::Instant;

/// Inputs up to so many bytes run once more with the guard of the shadow stack, whatever became of them.
const GUARDED_BYTES_MAX: usize = 64 << 10;

/// The executors of one entry.
pub struct Pressure {
    plain: Executor,
    guarded: Option<Executor>,
    benign: Vec<u8>,
    /// What a fresh instance makes of it; `None` where it does not come back from it.
    expected: Option<(Outcome, Vec<u8>)>,
}

/// What one input did.
pub struct Seen {
    /// The call itself.
    pub execution: Execution,
    /// Fuel that it used.
    pub fuel: u64,
    /// What became of the next, ordinary call.
    pub next: Next,
    /// Whether the stack pointer stands elsewhere than before the call.
    pub stack_pointer_moved: bool,
    /// Milliseconds.
    pub wall_ms: f64,
}

/// What became of an ordinary call on the same instance.
pub enum Next {
    /// What a fresh instance answers.
    Same,
    /// Something else, and what.
    Differs(String),
    /// There was none, and why.
    NotMade(&'static str),
}

impl Pressure {
    /// Compiles, and asks a fresh instance what an ordinary input comes to.
    pub fn new(question: &Question<'_>, reading: Reading) -> Result<Self, HarnessError> {
        let Question { engine, target, entry, .. } = question;
        let mut plain = Executor::metered(engine, target, entry, &target.limits)?;
        let guarded = Executor::metered_and_guarded(engine, target, entry, &target.limits)?;
        let benign = benign_of(reading);
        plain.set_fuel(question.family_fuel);
        let outcome = plain.run(&benign);
        let expected = outcome.came_back().then(|| (outcome, plain.output().to_vec()));
        Ok(Self { plain, guarded, benign, expected })
    }

    /// Runs an input with at most so much fuel.
    pub fn run(&mut self, input: &[u8], fuel_max: u64) -> Seen {
        self.plain.renew();
        self.plain.set_fuel(fuel_max);
        let clock = Instant::now();
        let outcome = self.plain.run(input);
        let wall_ms = clock.elapsed().as_secs_f64() * 1e3;
        let mut execution = self.plain.execution();
        let next = match (&self.expected, outcome.came_back()) {
            (_, false) => Next::NotMade("the instance is spent"),
            (None, true) => Next::NotMade("it does not answer an ordinary input either"),
            (Some((expected, output)), true) => {
                let outcome = self.plain.run(&self.benign);
                match () {
                    () if outcome != *expected => {
                        Next::Differs(format!("{}, where a fresh instance says {}", outcome.name(), expected.name()))
                    }
                    () if self.plain.output() != output => {
                        Next::Differs("other bytes than a fresh instance's".to_owned())
                    }
                    () => Next::Same,
                }
            }
        };
        let mut stack_pointer_moved = false;
        let is_clear = matches!(outcome, Outcome::Limit(Limit::Fuel | Limit::Deadline | Limit::Stack));
        let is_worth_it = !is_clear && (!outcome.came_back() || input.len() <= GUARDED_BYTES_MAX);
        if let Some(guarded) = self.guarded.as_mut().filter(|_| is_worth_it) {
            guarded.renew();
            guarded.set_fuel(fuel_max.saturating_mul(2));
            match guarded.run(input) {
                Outcome::Limit(Limit::ShadowStack) => execution.outcome = Outcome::Limit(Limit::ShadowStack),
                outcome if outcome.came_back() => stack_pointer_moved = guarded.stack_pointer_moved() == Some(true),
                _ => {}
            }
        }
        let fuel = execution.fuel_used.unwrap_or(0);
        Seen { execution, fuel, next, stack_pointer_moved, wall_ms }
    }
}
