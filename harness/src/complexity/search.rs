//! Inputs that cost more and more, found by the loop: what each edge was hit most often is feedback (PerfFuzz), and so is
//! the fuel of the whole run (SlowFuzz). The dearest inputs are then tiled.

use super::fit::Threshold;
use super::tile::{Grown, Meter};
use crate::HarnessError;
use crate::engine::{self, Clock, Event, Guest, Logged, Options, Stop, Subject, Trim};
use crate::execution::{Limit, Outcome, RawFrame};
use crate::executors::{Engine, Executor, component};
use crate::instrument::{Site, dictionary};
use crate::target::Target;
use autoclave_formats::mutate::Mutator;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What to search with, and for how long.
#[derive(Debug, Clone)]
pub struct SearchOptions {
    /// Seed of all randomness.
    pub seed: u64,
    /// Longest input of the search, bytes. Default 256: work is compared at one length.
    pub input_bytes_max: usize,
    /// First inputs; longer ones are cut. Default none.
    pub seeds: Vec<Vec<u8>>,
    /// Tokens beside those of the module. Default none.
    pub dictionary: Vec<Vec<u8>>,
    /// Edits that know the format. Default none.
    pub mutators: &'static [Mutator],
    /// Executions after which nothing more is searched; tiling is not counted. Default 2 million. With no limit on CPU
    /// time, equal options give equal results.
    pub executions_max: u64,
    /// CPU time of the calling thread after which nothing more is begun. Default none.
    pub cpu_max: Option<Duration>,
    /// What makes growth a finding.
    pub threshold: Threshold,
    /// Largest tile, bytes. Default 64 KiB; never more than the target accepts.
    pub tile_bytes_max: usize,
    /// Fuel that ends one measurement. Default 400 million, about half a second: 6,000 fuel for each byte of 64 KiB.
    pub fuel_max: u64,
    /// Set from outside to stop soon.
    pub stop_flag: Arc<AtomicBool>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            input_bytes_max: 256,
            seeds: Vec::new(),
            dictionary: Vec::new(),
            mutators: &[],
            executions_max: 2_000_000,
            cpu_max: None,
            threshold: Threshold::default(),
            tile_bytes_max: 64 << 10,
            fuel_max: 400_000_000,
            stop_flag: Arc::default(),
        }
    }
}

/// A tile whose work grows faster than its size.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The tile as small as it gets, its cost at each size, and how that grows.
    pub grown: Grown,
    /// The function (by index, imports counted) that does most of it.
    pub function: Option<u32>,
    /// The input of the search that it was made of.
    pub input: Vec<u8>,
    /// Executions of the search until then, and of measuring tiles.
    pub executions: [u64; 2],
    /// CPU time until then; making the tile smaller comes on top.
    pub cpu: Duration,
}

/// What a search led to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    /// Findings, one for each function that does most of the work, worst first. The search ends with the first round that
    /// has any.
    pub found: Vec<Found>,
    /// What grows fastest of all that was measured, whether or not it is a finding.
    pub control: Option<Grown>,
    /// Executions of the search, and of measuring tiles.
    pub executions: [u64; 2],
    /// CPU time.
    pub cpu: Duration,
    /// Edges that were hit.
    pub edges_found: usize,
    /// Largest fuel of one execution of the search, of the module with its counters.
    pub fuel_peak: u64,
}

/// Size at which the function that does most of a tile's work is told, bytes.
const HOTTEST_AT: usize = 4 << 10;
/// Executions of the first round; each later one has twice as many.
const FIRST_ROUND: u64 = 20_000;
/// Fuel of one execution of the search for each byte of its longest input, of the instrumented module. What costs more is
/// looked at as it is.
const FUEL_PER_BYTE: u64 = 100_000;
/// Inputs tiled after one round.
const WINNERS_MAX: usize = 8;
/// Inputs of earlier rounds that a round begins with.
const KEPT_MAX: usize = 4_096;
/// Counts below this are told apart as the loop always does.
const COUNT_MIN: u32 = 16;
/// Counter bytes for each edge: half octaves from 2⁴ to 2²⁴, eight to a byte.
const BYTES_PER_EDGE: usize = 5;
/// Counter bytes for the whole: sixteenths of octaves up to 2⁶⁴, eight to a byte.
const BYTES_OF_FUEL: usize = 128;
/// Raw counts of the loop's eight classes.
const CLASSES: [u8; 8] = [1, 2, 3, 4, 8, 16, 32, 128];

/// Searches one entry for work that grows faster than its input, without knowing the shape of either.
pub fn search(engine: &Engine, target: &Target, entry: &str, options: &SearchOptions) -> Result<Search, HarnessError> {
    let begun = engine::thread_cpu_time();
    let mut executor = Executor::metered_and_counted(engine, target, entry, &target.limits)?;
    executor.set_fuel(FUEL_PER_BYTE * options.input_bytes_max as u64);
    let mut work = Work::new(Guest::of(engine, target, entry, &target.limits, executor));
    let mut meter = Meter::new(engine, target, entry, options.fuel_max)?;
    let bytes_max = options.tile_bytes_max.min(target.limits.input_bytes_max as usize);
    let mut job = Options {
        seed: options.seed,
        input_bytes_max: options.input_bytes_max,
        seeds: options.seeds.iter().map(|seed| seed[..seed.len().min(options.input_bytes_max)].to_vec()).collect(),
        dictionary: options.dictionary.clone(),
        module_tokens: dictionary::tokens(component::code(target, entry)),
        mutators: options.mutators,
        stop_flag: options.stop_flag.clone(),
        clock: Clock::Ignored,
        trim: Trim::NewEdges,
        ..Options::default()
    };
    let mut search = Search::default();
    let mut tiled = HashSet::new();
    let mut round = FIRST_ROUND;
    loop {
        let cpu = engine::thread_cpu_time() - begun;
        let left = options.executions_max.saturating_sub(search.executions[0]);
        let cpu_left = options.cpu_max.map(|max| max.saturating_sub(cpu));
        if left == 0 || cpu_left == Some(Duration::ZERO) || options.stop_flag.load(Ordering::Relaxed) {
            break;
        }
        job.stop = Stop { executions_max: Some(round.min(left)), cpu_max: cpu_left, ..Stop::default() };
        let mut kept: Vec<Vec<u8>> = Vec::new();
        let stats = engine::fuzz(&mut work, &job, &mut |event| {
            if let Event::NewEntry { input, .. } = event {
                kept.push(input.to_vec());
            }
        })?;
        search.executions[0] += stats.last.executions;
        search.edges_found = stats.last.edges_found;
        search.fuel_peak = work.fuel_peak;
        let winners = work.winners();
        for winner in &winners {
            // What is hot for the same reason as a finding would be the same finding.
            if !tiled.insert(Rc::clone(winner)) || is_known(&search.found, work.hottest(winner)?) {
                continue;
            }
            for grown in meter.tiles(winner, bytes_max) {
                if search.control.as_ref().is_none_or(|best| best.severity() < grown.severity()) {
                    search.control = Some(grown.clone());
                }
                let executions = [search.executions[0], meter.executions];
                let cpu = engine::thread_cpu_time() - begun;
                if grown.is_superlinear(&options.threshold)
                    && !is_known(&search.found, work.hottest(&grown.tile.at_least(HOTTEST_AT))?)
                {
                    let Some(grown) = meter.minimised(grown.tile, &options.threshold, bytes_max) else { continue };
                    let function = work.hottest(&grown.tile.at_least(HOTTEST_AT))?;
                    if !is_known(&search.found, function) {
                        search.found.push(Found { grown, function, input: winner.to_vec(), executions, cpu });
                    }
                }
            }
        }
        if !search.found.is_empty() {
            break;
        }
        kept.truncate(KEPT_MAX);
        job.seeds = winners.iter().map(|winner| winner.to_vec()).chain(kept).collect();
        job.seed = job.seed.wrapping_add(1);
        round *= 2;
    }
    search.found.sort_by(|a, b| b.grown.severity().total_cmp(&a.grown.severity()));
    if let Some(control) = search.control.take() {
        search.control = Some(meter.measure(control.tile, bytes_max));
    }
    search.executions[1] = meter.executions;
    search.cpu = engine::thread_cpu_time() - begun;
    Ok(search)
}

fn is_known(found: &[Found], function: Option<u32>) -> bool {
    found.iter().any(|found| found.function == function)
}

/// A module whose work is what the loop looks for.
struct Work<'a> {
    guest: Guest<'a>,
    counters: Vec<u8>,
    traced: Vec<u8>,
    /// For each edge its largest count so far, and the input that showed it.
    most: Vec<(u32, Option<Rc<[u8]>>)>,
    fuel_peak: u64,
    /// For each octave of lengths the dearest input.
    dearest: BTreeMap<u32, (u64, Rc<[u8]>)>,
}

impl<'a> Work<'a> {
    fn new(guest: Guest<'a>) -> Self {
        let edges = guest.edges();
        let all = edges + edges * BYTES_PER_EDGE + BYTES_OF_FUEL;
        Self {
            guest,
            counters: vec![0; all],
            traced: vec![0; all],
            most: vec![(0, None); edges],
            fuel_peak: 0,
            dearest: BTreeMap::new(),
        }
    }

    /// Takes over the counts of the last run. Only what is the most so far becomes a counter: what was surpassed is not new.
    fn count(&mut self, input: &[u8]) {
        let edges = self.most.len();
        let mut copy: Option<Rc<[u8]>> = None;
        let fuel = self.guest.executor().fuel_used().unwrap_or(0);
        for (edge, bytes) in self.guest.counters().as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let count = u32::from_le_bytes(std::mem::take(bytes));
            if count == 0 {
                continue;
            }
            self.counters[edge] = count.min(255) as u8;
            let (most, holder) = &mut self.most[edge];
            if count < COUNT_MIN {
                continue;
            }
            let level = count_level(count);
            if level >= count_level(*most) {
                self.counters[edges + edge * BYTES_PER_EDGE + level / 8] = CLASSES[level % 8];
            }
            if count > *most {
                *most = count;
                *holder = Some(Rc::clone(copy.get_or_insert_with(|| input.into())));
            }
        }
        let level = fuel_level(fuel);
        if level >= fuel_level(self.fuel_peak) {
            self.counters[edges + edges * BYTES_PER_EDGE + level / 8] = CLASSES[level % 8];
        }
        self.note_fuel(input, fuel);
    }

    fn note_fuel(&mut self, input: &[u8], fuel: u64) {
        self.fuel_peak = self.fuel_peak.max(fuel);
        let octave = input.len().max(1).ilog2();
        if self.dearest.get(&octave).is_none_or(|(known, _)| *known < fuel) {
            self.dearest.insert(octave, (fuel, input.into()));
        }
    }

    /// The inputs worth tiling: the dearest of the longest ones, then those that hit an edge most often, one for each
    /// function, most often first.
    fn winners(&self) -> Vec<Rc<[u8]>> {
        let mut winners: Vec<Rc<[u8]>> = Vec::new();
        let dearest = self.dearest.values().rev().take(2).map(|(_, input)| input);
        let sites = &self.guest.executor().instrumented().edges;
        let mut hottest: BTreeMap<u32, (u32, &Rc<[u8]>)> = BTreeMap::new();
        for ((most, holder), site) in self.most.iter().zip(sites) {
            if let Some(holder) = holder
                && hottest.get(&site.function).is_none_or(|known| known.0 < *most)
            {
                hottest.insert(site.function, (*most, holder));
            }
        }
        let mut hottest: Vec<(u32, &Rc<[u8]>)> = hottest.into_values().collect();
        hottest.sort_by_key(|(most, _)| std::cmp::Reverse(*most));
        for input in dearest.chain(hottest.into_iter().map(|(_, input)| input)) {
            if winners.len() < WINNERS_MAX && !winners.contains(input) {
                winners.push(Rc::clone(input));
            }
        }
        winners
    }

    /// The function of the edge that an input hits most often, until the fuel is used up.
    fn hottest(&mut self, input: &[u8]) -> Result<Option<u32>, HarnessError> {
        self.guest.run(input)?;
        let counts = self.guest.counters().as_chunks::<4>().0.to_vec();
        self.guest.counters().fill(0);
        let sites: &[Site] = &self.guest.executor().instrumented().edges;
        let most = counts.iter().zip(sites).max_by_key(|(count, _)| u32::from_le_bytes(**count));
        Ok(most.map(|(_, site)| site.function))
    }
}

/// Half octaves from [`COUNT_MIN`] on.
fn count_level(count: u32) -> usize {
    let count = count.clamp(COUNT_MIN, (1 << 24) - 1);
    let octave = count.ilog2();
    (2 * (octave - COUNT_MIN.ilog2()) + (count >> (octave - 1) & 1)) as usize
}

/// Sixteenths of octaves.
fn fuel_level(fuel: u64) -> usize {
    let fuel = fuel.max(16);
    let octave = fuel.ilog2();
    (16 * (octave - 4)) as usize + (fuel >> (octave - 4) & 15) as usize
}

impl Subject for Work<'_> {
    fn edges(&self) -> usize {
        self.guest.edges()
    }

    fn more_counters(&self) -> usize {
        self.counters.len() - self.guest.edges()
    }

    fn compare_sites(&self) -> usize {
        self.guest.compare_sites()
    }

    fn decides(&self, site: usize) -> Option<(u32, u32)> {
        self.guest.decides(site)
    }

    fn run(&mut self, input: &[u8]) -> Result<Outcome, HarnessError> {
        let outcome = self.guest.run(input)?;
        if outcome.came_back() {
            self.count(input);
        } else {
            self.guest.counters().fill(0);
            if outcome == Outcome::Limit(Limit::Fuel) {
                self.note_fuel(input, self.guest.executor().fuel_used().unwrap_or(0));
            }
        }
        Ok(outcome)
    }

    fn counters(&mut self) -> &mut [u8] {
        &mut self.counters
    }

    fn frames(&self) -> &[RawFrame] {
        self.guest.frames()
    }

    fn trace(&mut self, input: &[u8], fact: &mut dyn FnMut(Logged<'_>)) -> Result<Outcome, HarnessError> {
        self.guest.trace_into(input, &mut self.traced, fact)
    }

    fn trace_counters(&mut self) -> &mut [u8] {
        &mut self.traced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_rise_with_what_they_measure() {
        let counts: Vec<usize> =
            [0, 16, 23, 24, 31, 32, 48, 64, 1 << 10, 1 << 23, (3 << 22) - 1, 3 << 22, u32::MAX].map(count_level).into();
        assert_eq!(counts, [0, 0, 0, 1, 1, 2, 3, 4, 12, 38, 38, 39, 39]);
        assert!(counts.iter().all(|level| *level < 8 * BYTES_PER_EDGE));
        assert!((1..1 << 12u64).map(fuel_level).is_sorted());
        assert_eq!([16, 17, 31, 32, 33, 34, 64].map(fuel_level), [0, 1, 15, 16, 16, 17, 32]);
        assert!(fuel_level(u64::MAX) < 8 * BYTES_OF_FUEL);
    }
}
