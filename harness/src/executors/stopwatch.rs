//! *Timing.* Runs an entry with two inputs in turns and takes the time: the module as deployed, in one instance, both
//! inputs at the same addresses, each written before the clock starts.

use super::abi::{Driver, Returned};
use super::engine::Purpose;
use super::host::Random;
use super::raw::Pages;
use super::script::Placed;
use super::{Engine, Live, Program, Reset, classify, epochs};
use crate::HarnessError;
use crate::execution::Timed;
use crate::limits::Limits;
use crate::target::Target;
use std::time::Instant;
use wasmtime::Val;

/// How long one measurement shall take, nanoseconds: hundreds of times the clock's own cost, and seldom interrupted.
pub const MEASUREMENT_NS: f64 = 8_000.0;
/// Most calls in one measurement.
pub const CALLS_MAX: u64 = 1_000;
/// Most steps of a series.
pub const STEPS_MAX: usize = 4_000;
/// Fewest, where calls take long.
pub const STEPS_MIN: usize = 400;
/// What a series may take, nanoseconds, where [`STEPS_MIN`] leave the choice.
pub const SERIES_NS: f64 = 2e9;
/// Longest call that is measured, nanoseconds.
pub const CALL_NS_MAX: f64 = 5e6;
/// Calls before anything is measured, and at least so many nanoseconds of them.
pub const WARM_UP_CALLS: u32 = 64;
/// See [`WARM_UP_CALLS`].
pub const WARM_UP_NS: f64 = 2e6;
/// Attempts to take the time of one call; the shortest counts.
const ATTEMPTS: u32 = 9;

/// How many calls a measurement has and how many steps a series, for calls of that duration.
///
/// # Errors
/// One call takes too long.
fn plan(call_ns: f64, block: usize) -> Result<(u64, usize), String> {
    if call_ns > CALL_NS_MAX {
        let (ms, max) = (call_ns / 1e6, CALL_NS_MAX / 1e6);
        return Err(format!("one call takes {ms:.1} ms: calls of more than {max:.0} ms are not measured"));
    }
    let calls = (MEASUREMENT_NS / call_ns.max(1.0)).clamp(1.0, CALLS_MAX as f64) as u64;
    let steps = (SERIES_NS / (4.0 * call_ns.max(1.0) * calls as f64)) as usize;
    Ok((calls, steps.clamp(STEPS_MIN, STEPS_MAX).next_multiple_of(block)))
}

/// An entry with a script, and two inputs for it.
pub struct Stopwatch<'a> {
    program: Program,
    live: Live,
    placed: Placed,
    inputs: [&'a [u8]; 2],
    results: Vec<Vec<Val>>,
    memory_bytes: u64,
    /// Declared last: what is live maps these pages.
    pages: Pages,
}

impl<'a> Stopwatch<'a> {
    /// Compiles, instantiates and places the first input.
    ///
    /// # Errors
    /// As [`super::Executor::new`]; the entry has no script; the inputs have buffers of different lengths; the entry takes
    /// its buffers away.
    pub fn new(
        engine: &Engine,
        target: &Target,
        entry: &str,
        inputs: [&'a [u8]; 2],
        limits: &Limits,
    ) -> Result<Self, HarnessError> {
        let fail = |message: &str| HarnessError::module(&target.name, format_args!("{entry}: {message}"));
        let program = Program::new(engine, target, entry, None, Purpose::Clock, limits)?;
        let mut pages = Pages::new(0).map_err(|error| HarnessError::Engine(format!("no memory: {error}")))?;
        let mut live = program.instantiate(&mut pages, Reset::Never, Vec::new())?;
        let Driver::Script(driver) = &live.driver else {
            return Err(fail("only entries with a script in [calls] are measured"));
        };
        if driver.gives_buffers_away() {
            return Err(fail(
                "its functions take over the buffers that they are given, so that no call can be repeated",
            ));
        }
        let mut placed = place(&mut live, inputs[0]).map_err(|message| fail(&message))?;
        let Driver::Script(driver) = &live.driver else { unreachable!("it was one") };
        if !driver.place_again(&mut live.store, &mut placed, inputs[1]).unwrap_or(false) {
            return Err(fail("the two inputs have fields of different lengths, which no clock is needed for"));
        }
        let memory_bytes = live.memory_bytes;
        Ok(Self { program, live, placed, inputs, results: Vec::new(), memory_bytes, pages })
    }

    /// Measures a series: between blocks of `block` steps the instance is replaced where its memory has grown.
    ///
    /// # Errors
    /// A call does not come back, or takes too long: one sentence.
    pub fn series(&mut self, block: usize, seed: u64) -> Result<Timed, String> {
        self.warm_up()?;
        let mut call_ns = f64::INFINITY;
        for attempt in 0..ATTEMPTS {
            call_ns = call_ns.min(self.measure((attempt % 2) as usize, 1)?);
        }
        let (calls, steps) = plan(call_ns, block)?;
        let mut timed = Timed { calls, steps: Vec::with_capacity(steps) };
        let mut random = Random::new(seed);
        while timed.steps.len() < steps {
            if timed.steps.len().is_multiple_of(block) {
                self.renew_if_grown()?;
            }
            let mut step = [0.0; 4];
            for slot in Timed::order(random.draw()) {
                step[slot] = self.measure(usize::from(slot == 1), calls)?;
            }
            timed.steps.push(step);
        }
        Ok(timed)
    }

    /// So many calls with one of the inputs, nanoseconds.
    fn measure(&mut self, which: usize, calls: u64) -> Result<f64, String> {
        let Self { live, placed, results, inputs, program, .. } = self;
        let Live { store, driver, .. } = live;
        let Driver::Script(driver) = driver else { unreachable!("checked when it was made") };
        store.data_mut().begin();
        store.set_epoch_deadline(epochs(program.limits.wall_ms_max));
        let again = driver.place_again(store, placed, inputs[which]);
        if !again.map_err(|error| format!("the input cannot be written: {error:#}"))? {
            return Err("the two inputs have fields of different lengths".to_owned());
        }
        let begin = Instant::now();
        for _ in 0..calls {
            if let Err(error) = driver.run(store, placed, results) {
                let outcome = classify::outcome(&Err(error), store.data(), false);
                return Err(format!("a call ends with {}: only calls that come back are measured", outcome.name()));
            }
        }
        Ok(begin.elapsed().as_nanos() as f64)
    }

    fn warm_up(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        let mut calls = 0;
        while calls < WARM_UP_CALLS || (begin.elapsed().as_nanos() as f64) < WARM_UP_NS {
            if self.measure((calls % 2) as usize, 1)? > CALL_NS_MAX * 10.0 {
                // It will be refused; why wait.
                break;
            }
            self.renew_if_grown()?;
            calls += 1;
        }
        Ok(())
    }

    /// Calls that keep memory each time would run out of it.
    fn renew_if_grown(&mut self) -> Result<(), String> {
        if self.live.store.data().limiter.memory_bytes <= self.memory_bytes {
            return Ok(());
        }
        let fresh = self.program.instantiate(&mut self.pages, Reset::Never, Vec::new());
        self.live = fresh.map_err(|refusal| HarnessError::from(refusal).to_string())?;
        self.placed = place(&mut self.live, self.inputs[0])?;
        // The caches know the new one as they knew the old one.
        for call in 0..WARM_UP_CALLS {
            self.measure((call % 2) as usize, 1)?;
        }
        self.memory_bytes = self.memory_bytes.max(self.live.store.data().limiter.memory_bytes);
        Ok(())
    }
}

fn place(live: &mut Live, input: &[u8]) -> Result<Placed, String> {
    let Live { store, driver, .. } = live;
    let Driver::Script(driver) = driver else { return Err("no script".to_owned()) };
    match driver.place(store, input) {
        Ok(Some(placed)) => Ok(placed),
        Ok(None) => Err("its allocator has no room for the arguments".to_owned()),
        Err(error) => {
            let outcome = classify::outcome(&Err::<Returned, _>(error), store.data(), false);
            Err(format!("its allocator ends with {}", outcome.name()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_as_long_as_their_calls_allow() {
        for (call_ns, calls, steps) in
            [(0.0, 1_000, 4_000), (80.0, 100, 4_000), (8_000.0, 1, 4_000), (250_000.0, 1, 2_000), (4_000_000.0, 1, 400)]
        {
            assert_eq!(plan(call_ns, 20), Ok((calls, steps)), "{call_ns}");
        }
        assert!(plan(6e6, 20).is_err_and(|reason| reason.contains("6.0 ms")));
    }

    #[test]
    fn the_order_is_as_random_as_its_bits() {
        let mut random = Random::new(1);
        let mut first = [0; 4];
        for _ in 0..4_000 {
            let order = Timed::order(random.draw());
            first[order[0]] += 1;
            assert_eq!(order[0] / 2, order[1] / 2, "pairs stay together");
            let mut sorted = order;
            sorted.sort();
            assert_eq!(sorted, [0, 1, 2, 3]);
        }
        assert!(first.iter().all(|count| (900..1_100).contains(count)), "{first:?}");
    }
}
