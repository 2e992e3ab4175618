//! *Timing*, as confirmation only: whether a clock can tell two secrets apart. It never clears anything: what a clock does
//! not see, a better one or a cache attack may.
//!
//! A series is made of steps. In each step a host measures both secrets beside each other, and beside them one secret
//! twice, the control; the order inside of each pair and of the pairs is random, every secret is written before the clock
//! starts, and what is compared is the difference inside of a pair. Without a cause the sign of a difference is as random
//! as the order, whatever the machine is doing meanwhile: so the sign test is exact. Chance is one thing and size another:
//! a difference counts only above a floor and where the interval of the median is away from zero. What counts in one
//! series has to come again, with the same sign, in all of [`ROUNDS`], and a control that alarms in any of them discards
//! the measurement.

use crate::boundary;
use crate::execution::Timed;
pub use crate::executors::stopwatch::STEPS_MAX;
use crate::executors::{Engine, Stopwatch};
use crate::target::Target;
use autoclave_boundary::hosts::node::Node;
use autoclave_reports::constant_time::Clocked;

/// Chance of a difference of that many signs without a cause, above which there is none. Kept by 444 pairs of equal code
/// under load when the method was tried (dudect's t > 4.5 was passed twice in 444, and in 57 of 60 that were not interleaved).
pub const SIGN_P_MAX: f64 = 1e-3;
/// Smallest median difference that counts, as a part of one call.
pub const FLOOR_OF_CALL: f64 = 0.01;
/// Smallest median difference that counts, nanoseconds for one call: a table in the first-level cache has shown differences
/// of 0.00 ns with a chance of 5e-8.
pub const FLOOR_NS: f64 = 1.0;
/// Chance that the interval of the median misses it, both ends together.
pub const INTERVAL_P: f64 = 1e-3;
/// Series that have to agree: the first and two repetitions.
pub const ROUNDS: u64 = 3;
/// Differences of which one median is taken, for the interval: neighbours in time share what the machine does, medians of
/// so many hardly do.
pub const BLOCK: usize = 20;
/// Fewest steps from which anything is concluded: medians of fewer blocks have no interval of that confidence.
pub const STEPS_MIN: usize = 20 * BLOCK;

/// Where a measurement is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host {
    /// In this process.
    Wasmtime,
    /// V8's optimising compiler, through Node.
    TurboFan,
    /// V8's first tier, through Node.
    Liftoff,
}

impl Host {
    /// Every host.
    pub const ALL: &[Host] = &[Host::Wasmtime, Host::TurboFan, Host::Liftoff];
}

/// What a clock says about two inputs with equal public fields: one row for each host, or why there is none.
///
/// Costs about 2 s for each host where there is nothing to see, three times as much where there is.
pub fn confirm(
    engine: &Engine,
    target: &Target,
    entry: &str,
    inputs: [&[u8]; 2],
    seed: u64,
    hosts: &[Host],
) -> Vec<Result<Clocked, String>> {
    let with_host = |host: &Host| match host {
        Host::Wasmtime => {
            let name = crate::executors::wasmtime_name();
            settle(&name, &mut |round| {
                let stopwatch = Stopwatch::new(engine, target, entry, inputs, &target.limits);
                stopwatch.map_err(|error| error.to_string())?.series(BLOCK, seed.wrapping_add(round))
            })
        }
        Host::TurboFan => v8(target, entry, inputs, seed, boundary::Tier::TurboFan),
        Host::Liftoff => v8(target, entry, inputs, seed, boundary::Tier::Liftoff),
    };
    hosts.iter().map(with_host).collect()
}

fn v8(target: &Target, entry: &str, inputs: [&[u8]; 2], seed: u64, tier: boundary::Tier) -> Result<Clocked, String> {
    let node = Node::find()?;
    settle(&tier.engine(&node), &mut |round| {
        boundary::series(&node, tier, target, entry, inputs, BLOCK, seed.wrapping_add(round))
    })
}

/// What one pair of secrets shows in one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Median, nanoseconds for one call: above zero where the second is slower.
    pub median_ns: f64,
    /// Interval of the median, nanoseconds for one call.
    pub interval_ns: [f64; 2],
    /// Two-sided sign test.
    pub p: f64,
    /// Median time of one call, nanoseconds.
    pub call_ns: f64,
}

impl Difference {
    /// Of pairs of measurements, nanoseconds, of so many calls each.
    pub fn of(pairs: &[[f64; 2]], calls: u64) -> Self {
        let calls = calls.max(1) as f64;
        let differences: Vec<f64> = pairs.iter().map(|[a, b]| (b - a) / calls).collect();
        let mut medians: Vec<f64> = differences.chunks_exact(BLOCK).map(|block| median(&mut block.to_vec())).collect();
        let mut times: Vec<f64> = pairs.iter().flatten().map(|time| time / calls).collect();
        Self {
            median_ns: median(&mut medians),
            interval_ns: interval(&mut medians),
            p: sign_test(&differences),
            call_ns: median(&mut times),
        }
    }

    /// Whether it is more than chance and more than nothing.
    pub fn counts(&self) -> bool {
        let [low, high] = self.interval_ns;
        self.p < SIGN_P_MAX && self.median_ns.abs() > self.floor_ns() && (low > 0.0 || high < 0.0)
    }

    /// The smallest difference that counts, nanoseconds for one call.
    pub fn floor_ns(&self) -> f64 {
        (FLOOR_OF_CALL * self.call_ns).max(FLOOR_NS)
    }
}

/// Measures until it is settled: one series where it shows nothing, [`ROUNDS`] where they agree. The row carries the
/// numbers of the series that shows least; its pairs are those of all.
///
/// # Errors
/// The first reason that `series` gives.
pub fn settle(host: &str, series: &mut dyn FnMut(u64) -> Result<Timed, String>) -> Result<Clocked, String> {
    let mut row = Clocked { host: host.to_owned(), outcome: "confirmed".to_owned(), ..Clocked::default() };
    let mut least: Option<Difference> = None;
    for round in 0..ROUNDS {
        let timed = series(round)?;
        if timed.steps.len() < STEPS_MIN {
            return Err(format!("{host}: only {} steps were measured, {STEPS_MIN} are needed", timed.steps.len()));
        }
        let pairs = |at: usize| timed.steps.iter().map(|step| [step[at], step[at + 1]]).collect::<Vec<_>>();
        let secrets = Difference::of(&pairs(0), timed.calls);
        let control = Difference::of(&pairs(2), timed.calls);
        row.pairs += timed.steps.len() as u64;
        row.calls = timed.calls;
        let repeated =
            secrets.counts() && least.is_none_or(|least| least.median_ns.signum() == secrets.median_ns.signum());
        let outcome = match (control.counts(), repeated) {
            (true, _) => "discarded",
            (false, true) => "confirmed",
            (false, false) => "not confirmed",
        };
        let done = outcome != "confirmed";
        if done || least.is_none_or(|least| secrets.median_ns.abs() < least.median_ns.abs()) {
            fill(&mut row, outcome, &secrets, &control);
            least = Some(secrets);
        }
        if done {
            break;
        }
    }
    Ok(row)
}

/// Numbers of one series in a row of the record.
fn fill(row: &mut Clocked, outcome: &str, secrets: &Difference, control: &Difference) {
    outcome.clone_into(&mut row.outcome);
    row.effect_ns = secrets.median_ns;
    row.interval_ns = secrets.interval_ns;
    row.call_ns = secrets.call_ns;
    row.p = secrets.p;
    row.control_p = control.p;
    row.control_effect_ns = control.median_ns;
}

/// The middle; of none it is 0.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        len if len % 2 == 1 => values[len / 2],
        len => (values[len / 2 - 1] + values[len / 2]) / 2.0,
    }
}

/// Distribution-free interval of the median by order statistics (Conover, Practical Nonparametric Statistics, 3.2): the
/// widest that so few values allow, where they are too few.
fn interval(values: &mut [f64]) -> [f64; 2] {
    if values.is_empty() {
        return [0.0, 0.0];
    }
    values.sort_by(f64::total_cmp);
    let len = values.len();
    let mut below = 0.0;
    let mut rank = 0;
    for (k, chance) in half_binomial(len).take(len / 2).enumerate() {
        below += chance;
        if below > INTERVAL_P / 2.0 {
            break;
        }
        rank = k;
    }
    [values[rank], values[len - 1 - rank]]
}

/// Two-sided sign test: differences of zero say nothing and are left out.
fn sign_test(differences: &[f64]) -> f64 {
    let above = differences.iter().filter(|difference| **difference > 0.0).count();
    let below = differences.iter().filter(|difference| **difference < 0.0).count();
    let fewer = above.min(below);
    (2.0 * half_binomial(above + below).take(fewer + 1).sum::<f64>()).min(1.0)
}

/// Chances of 0, 1, 2, … heads in `throws` throws of a coin.
fn half_binomial(throws: usize) -> impl Iterator<Item = f64> {
    let mut log = -(throws as f64) * std::f64::consts::LN_2;
    (0..=throws).map(move |k| {
        let chance = log.exp();
        log += ((throws - k).max(1) as f64).ln() - ((k + 1) as f64).ln();
        chance
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// xorshift64*, so that every run of the tests sees the same noise.
    struct Noise(u64);

    impl Noise {
        fn bits(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }

        fn unit(&mut self) -> f64 {
            (self.bits() >> 11) as f64 / (1u64 << 53) as f64
        }

        /// Roughly normal: the sum of four, deviation 1.
        fn normal(&mut self) -> f64 {
            ((0..4).map(|_| self.unit()).sum::<f64>() - 2.0) * 3f64.sqrt()
        }
    }

    /// What a machine does while it is measured.
    #[derive(Debug, Clone, Copy)]
    struct Machine {
        /// How much of a measurement's noise the next one inherits.
        memory: f64,
        /// By how much each measurement is slower than the one before, as a part.
        drift: f64,
        /// How often a burst begins, and for how many measurements it lasts.
        bursts: (f64, u64),
        /// The clock's grain, nanoseconds.
        grain_ns: f64,
        /// How much later a second measurement of a pair is than the first, nanoseconds.
        second_ns: f64,
    }

    const QUIET: Machine = Machine { memory: 0.0, drift: 0.0, bursts: (0.0, 0), grain_ns: 1.0, second_ns: 0.0 };
    const MACHINES: &[(&str, Machine)] = &[
        ("quiet", QUIET),
        ("each moment like the one before", Machine { memory: 0.98, ..QUIET }),
        ("ever slower", Machine { drift: 1e-4, ..QUIET }),
        ("busy now and then", Machine { bursts: (0.01, 50), memory: 0.5, ..QUIET }),
        ("a coarse clock", Machine { grain_ns: 1000.0, memory: 0.9, ..QUIET }),
        ("who comes second waits", Machine { second_ns: 300.0, ..QUIET }),
        ("all of it", Machine { memory: 0.9, drift: 5e-5, bursts: (0.005, 200), grain_ns: 100.0, second_ns: 50.0 }),
    ];
    const CALLS: u64 = 100;

    /// A series of calls of `call_ns` on such a machine, the second secret taking `shift_ns` longer.
    fn simulated(machine: Machine, steps: usize, call_ns: f64, shift_ns: f64, noise: &mut Noise) -> Timed {
        let (mut inherited, mut slower, mut burst) = (0.0, 1.0, 0u64);
        let mut measure = |extra: f64, position: usize, noise: &mut Noise| {
            inherited = machine.memory * inherited + (1.0 - machine.memory * machine.memory).sqrt() * noise.normal();
            slower += machine.drift;
            if burst == 0 && noise.unit() < machine.bursts.0 {
                burst = machine.bursts.1;
            }
            burst = burst.saturating_sub(1);
            let busy = if burst > 0 { 1.0 + 3.0 * noise.unit() } else { 1.0 };
            let interrupted = if noise.unit() < 0.01 { 50_000.0 * noise.unit() } else { 0.0 };
            let time = (call_ns + extra) * CALLS as f64 * slower * busy * (1.0 + 0.03 * inherited) + interrupted;
            let time = time + if position % 2 == 1 { machine.second_ns } else { 0.0 };
            (time / machine.grain_ns).floor() * machine.grain_ns
        };
        let mut timed = Timed { calls: CALLS, steps: Vec::with_capacity(steps) };
        for _ in 0..steps {
            let mut step = [0.0; 4];
            for (position, slot) in Timed::order(noise.bits()).into_iter().enumerate() {
                step[slot] = measure(if slot == 1 { shift_ns } else { 0.0 }, position, noise);
            }
            timed.steps.push(step);
        }
        timed
    }

    #[test]
    fn equal_secrets_are_never_confirmed() {
        let mut noise = Noise(0x5eed);
        let (mut alarms, mut discarded, mut runs) = (0, 0, 0);
        for (name, machine) in MACHINES {
            for _ in 0..500 {
                runs += 1;
                let row = settle(name, &mut |_| Ok(simulated(*machine, STEPS_MIN, 100.0, 0.0, &mut noise))).unwrap();
                assert_ne!(row.outcome, "confirmed", "{name}: {row:?}");
                discarded += u32::from(row.outcome == "discarded");
                alarms += u32::from(row.p < SIGN_P_MAX);
            }
        }
        // The test of chance alone is as strict as it says, over all machines: 3,500 series, 3.5 expected.
        assert!(runs == 3_500 && alarms <= 12 && discarded <= 12, "{alarms} {discarded} of {runs}");
    }

    #[test]
    fn differences_above_the_floor_are_confirmed_and_below_it_are_not() {
        let mut noise = Noise(0xbeef);
        for (name, machine) in MACHINES {
            for (shift_ns, expected) in [(3.0, "confirmed"), (-3.0, "confirmed"), (0.2, "not confirmed")] {
                let row = settle(name, &mut |_| Ok(simulated(*machine, 4_000, 100.0, shift_ns, &mut noise))).unwrap();
                if *name == "a coarse clock" {
                    // 3 % of ten grains: it may see it or not, but never the other sign.
                    assert!(row.outcome != "confirmed" || row.effect_ns.signum() == f64::signum(shift_ns), "{row:?}");
                    continue;
                }
                assert_eq!(row.outcome, expected, "{name}, {shift_ns} ns: {row:?}");
                if expected == "confirmed" {
                    assert_eq!(row.pairs, 12_000);
                    let [low, high] = row.interval_ns;
                    assert!(low <= row.effect_ns && row.effect_ns <= high && low * high > 0.0, "{row:?}");
                    assert!((row.effect_ns / shift_ns - 1.0).abs() < 0.7, "{name}: {row:?}");
                }
            }
        }
    }

    #[test]
    fn one_series_does_not_confirm_and_a_control_that_alarms_discards() {
        let mut noise = Noise(7);
        let mut with = |shifts: &'static [f64], control: f64| {
            let mut series = |round: u64| {
                let mut timed = simulated(QUIET, STEPS_MIN, 100.0, shifts[round as usize], &mut noise);
                timed.steps.iter_mut().for_each(|step| step[3] += control * CALLS as f64);
                Ok(timed)
            };
            let row = settle("host", &mut series).unwrap();
            (row.outcome, row.pairs / STEPS_MIN as u64)
        };
        assert_eq!(with(&[5.0, 5.0, 5.0], 0.0), ("confirmed".to_owned(), 3));
        assert_eq!(with(&[5.0, 0.0], 0.0), ("not confirmed".to_owned(), 2));
        assert_eq!(with(&[5.0, 5.0, -5.0], 0.0), ("not confirmed".to_owned(), 3));
        assert_eq!(with(&[0.0], 0.0), ("not confirmed".to_owned(), 1));
        assert_eq!(with(&[5.0], 5.0), ("discarded".to_owned(), 1));
        assert_eq!(with(&[0.0], 5.0), ("discarded".to_owned(), 1));
        let short = settle("host", &mut |_| Ok(Timed { calls: 1, steps: vec![[1.0; 4]; 7] }));
        assert!(short.is_err_and(|reason| reason.contains("only 7 steps")));
        assert_eq!(settle("host", &mut |_| Err("no".to_owned())), Err("no".to_owned()));
    }

    #[test]
    fn chances_are_those_of_the_tables() {
        let signs = |above: usize, below: usize, zero: usize| {
            let values = [vec![1.0; above], vec![-1.0; below], vec![0.0; zero]].concat();
            sign_test(&values)
        };
        // 2 * (1 + 10) / 1024; nothing; all equal.
        assert!((signs(9, 1, 5) - 22.0 / 1024.0).abs() < 1e-12);
        assert_eq!((signs(0, 0, 9), signs(5, 5, 0)), (1.0, 1.0));
        assert!(signs(2_200, 1_800, 0) < 1e-9 && signs(2_030, 1_970, 0) > 0.3);
        // Order statistics: of 20 values 99.9 % lie between the third and the eighteenth.
        let mut values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!((interval(&mut values), median(&mut values)), ([3.0, 18.0], 10.5));
        assert_eq!((interval(&mut []), interval(&mut [4.0]), median(&mut [])), ([0.0, 0.0], [4.0, 4.0], 0.0));
        let sum: f64 = half_binomial(200).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }
}
