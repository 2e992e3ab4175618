//! The loop itself: run, judge, keep, tell; visit entries by turns.

use super::facts::Trace;
use super::feedback::{Feedback, Novelty, for_each_hit, shows};
use super::havoc::{Havoc, PRINTABLE, completed, nested_mutants};
use super::saturation::Incidence;
use super::schedule::{Entry, Schedule};
use super::solve::{FIRST_CREDIT, Solver};
use super::{Clock, Event, Options, Sample, Stats, Subject, Trim};
use crate::HarnessError;
use crate::corpus::Store;
use crate::execution::{Limit, Outcome};
use libafl::inputs::BytesInput;
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Executions for which a new entry is preferred.
const STICKY_EXECUTIONS: u32 = 4_096;
/// Mutants made of an entry before the next one's turn.
const HAVOC_BURST: u32 = 256;
/// What study may cost before anything is known of its yield: nanoseconds, or executions where no clock may decide.
const STUDY_AHEAD: [u64; 2] = [100_000_000, 20_000];
/// Where the format is known, executions are slow and mutation finds its way by itself: where no clock may decide, what
/// may be spent ahead is one part in so many.
const AHEAD_OF_MUTATORS: u64 = 16;
/// Bounds of the share of all that study may cost. What it is worth between them, its yield so far tells.
const STUDY_SHARES: [f64; 2] = [0.08, 0.75];
/// Bounds of the part of a burst whose edits know the format. What they are worth between them, their yield tells.
const STRUCTURE_SHARES: [f64; 2] = [0.1, 0.9];
/// What opens new code is worth so many inputs that only count differently.
const EDGE_WORTH: u64 = 4;
/// Entries of up to so many bytes are short enough.
const TRIMMED_BYTES_MIN: usize = 16;
/// Smallest part that trimming tries to leave out: one of so many.
const TRIMMED_PARTS: usize = 32;
/// Measurements of an entry's cost, where the first one says that it is slow.
const SLOW_MEASUREMENTS: usize = 3;
/// Steps of the byte stage before the next entry's turn.
const BYTE_SLICE: usize = 1_024;
/// Longest entry that the byte stage takes on.
const BYTE_STAGE_BYTES_MAX: usize = 1_024;
/// One execution in so many is counted for the saturation estimate.
const SAMPLE_EVERY: u64 = 64;
/// Innermost frames that tell two findings apart.
const FRAMES_OF_A_FINDING: usize = 3;
/// Distinct findings of one job; what comes after them is counted only.
const FINDINGS_MAX: usize = 10_000;
/// Points of a job's history.
const SERIES_MAX: usize = 256;
/// Executions between two samples where no clock may decide.
const PROGRESS_EXECUTIONS: u64 = 1 << 16;
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
const IMPORT_EVERY: Duration = Duration::from_secs(5);

/// Runs one job in this thread until one of its stop conditions holds.
pub fn fuzz<S: Subject + ?Sized>(
    subject: &mut S,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Stats, HarnessError> {
    let mut job = Run::new(subject, options, events)?;
    job.start()?;
    while !job.stopped {
        job.turn()?;
    }
    Ok(job.finish())
}

/// What trying an input led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// Nothing new.
    Same,
    /// It was kept.
    Kept,
    /// It ended in a finding or a limit.
    Ended,
}

/// How productive a stage is, with older executions counting less.
#[derive(Debug, Clone, Copy)]
struct Yield {
    cost: f64,
    kept: f64,
    /// From this cost on, what is known is halved.
    memory: f64,
}

impl Yield {
    /// By executions.
    const BY_EXECUTIONS: Self = Self { cost: 0.0, kept: 0.0, memory: 200_000.0 };
    /// By nanoseconds, or by executions where no clock may decide.
    const BY_COST: [Self; 2] = [Self { memory: 4e9, ..Self::BY_EXECUTIONS }, Self::BY_EXECUTIONS];

    fn note(&mut self, cost: u64, kept: u64) {
        self.cost += cost as f64;
        self.kept += kept as f64;
        if self.cost > self.memory {
            self.cost /= 2.0;
            self.kept /= 2.0;
        }
    }

    fn rate(&self) -> f64 {
        (self.kept + 0.5) / (self.cost + self.memory / 200.0)
    }

    /// Part of the sum of two rates.
    fn share(&self, other: &Self) -> f64 {
        self.rate() / (self.rate() + other.rate())
    }
}

pub(super) struct Run<'a, S: ?Sized> {
    pub(super) subject: &'a mut S,
    options: &'a Options,
    events: &'a mut dyn FnMut(Event<'_>),
    pub(super) havoc: Havoc,
    pub(super) feedback: Feedback,
    pub(super) schedule: Schedule,
    pub(super) solver: Solver,
    pub(super) trace: Trace,
    /// Entries that the compare stage has not seen yet: those that count differently, and those that opened new code.
    pending: [Vec<usize>; 2],
    /// Cost of studying entries so far, and of everything.
    studied: u64,
    cost: u64,
    study_yield: Yield,
    mutation_yield: Yield,
    incidence: Incidence,
    corpus: Option<Store>,
    findings: Option<Store>,
    finding_keys: HashSet<u64>,
    byte_yield: Yield,
    havoc_yield: Yield,
    structure_yield: Yield,
    edit_yield: Yield,
    pub(super) executions: u64,
    pub(super) traced: u64,
    kept: u64,
    /// Whether what is kept is trimmed first.
    trims: bool,
    /// Inputs kept that opened new code.
    edge_finders: u64,
    last_outcome_hung: bool,
    /// Inputs of other jobs, not run yet.
    imports: Vec<Vec<u8>>,
    finds: u64,
    find_hits: u64,
    last_edge_at: u64,
    pub(super) stopped: bool,
    next_check: u64,
    check_every: u64,
    started: Instant,
    cpu_started: Duration,
    checked: Instant,
    progressed: Instant,
    imported: Instant,
    progressed_at: u64,
    series: Vec<Sample>,
    series_step: u64,
    series_ticks: u64,
}

impl<'a, S: Subject + ?Sized> Run<'a, S> {
    fn new(
        subject: &'a mut S,
        options: &'a Options,
        events: &'a mut dyn FnMut(Event<'_>),
    ) -> Result<Self, HarnessError> {
        let edges = subject.edges();
        let counters = edges + subject.more_counters();
        let mut havoc = Havoc::new(options.seed, options.input_bytes_max)
            .map_err(|error| HarnessError::Engine(error.to_string()))?;
        for token in &options.dictionary {
            havoc.prefer_token(token);
        }
        for token in &options.module_tokens {
            havoc.add_token(token);
        }
        let bytes_max = options.input_bytes_max as u64;
        let open = |folder: &Option<_>| folder.as_deref().map(|folder| Store::open(folder, bytes_max)).transpose();
        let now = Instant::now();
        Ok(Self {
            subject,
            options,
            events,
            havoc,
            feedback: Feedback::new(counters, edges),
            schedule: Schedule::new(counters),
            solver: Solver::new(options.clock, ahead(FIRST_CREDIT, options)),
            trace: Trace::default(),
            pending: Default::default(),
            studied: 0,
            cost: 0,
            study_yield: Yield::BY_COST[options.clock as usize],
            mutation_yield: Yield::BY_COST[options.clock as usize],
            incidence: Incidence::new(edges),
            corpus: open(&options.corpus_folder)?,
            findings: open(&options.findings_folder)?,
            finding_keys: HashSet::new(),
            byte_yield: Yield::BY_EXECUTIONS,
            havoc_yield: Yield::BY_EXECUTIONS,
            structure_yield: Yield::BY_EXECUTIONS,
            edit_yield: Yield::BY_EXECUTIONS,
            executions: 0,
            traced: 0,
            kept: 0,
            trims: false,
            edge_finders: 0,
            last_outcome_hung: false,
            imports: Vec::new(),
            finds: 0,
            find_hits: 0,
            last_edge_at: 0,
            stopped: false,
            next_check: 1,
            check_every: 1,
            started: now,
            cpu_started: thread_cpu_time(),
            checked: now,
            progressed: now,
            imported: now,
            progressed_at: 0,
            series: Vec::new(),
            series_step: 1,
            series_ticks: 0,
        })
    }

    /// Runs what is there already: the corpus of earlier runs and of other jobs, seeds, and a few inputs of no format.
    fn start(&mut self) -> Result<(), HarnessError> {
        let mut inputs = match &mut self.corpus {
            Some(corpus) => corpus.import()?,
            None => Vec::new(),
        };
        inputs.extend(self.options.seeds.iter().filter(|seed| seed.len() <= self.options.input_bytes_max).cloned());
        inputs.sort_by_key(Vec::len);
        if inputs.is_empty() {
            inputs.extend(FIRST_INPUTS.iter().map(|(byte, len)| vec![*byte; *len]));
            // What people wrote down is often a beginning that a parser goes along with.
            for token in self.options.dictionary.iter().take(DICTIONARY_INPUTS_MAX) {
                inputs.push(token.clone());
                inputs.extend(completed(token));
            }
            // So is what a generator of the format makes.
            for _ in 0..if self.options.mutators.is_empty() { 0 } else { GENERATED_INPUTS } {
                inputs.extend(self.havoc.edited(self.options.mutators, &[], &[]));
            }
            inputs.retain(|input| input.len() <= self.options.input_bytes_max);
        }
        for input in &inputs {
            if self.stopped {
                return Ok(());
            }
            self.try_input(input)?;
        }
        if self.schedule.entries.is_empty() {
            // Nothing came back with a counter set: every seed trapped, or there is nothing to count. Mutate on anyway.
            self.keep(&[], Novelty::None)?;
        }
        // The last one kept is the first one studied: let that be a short one.
        self.pending.iter_mut().for_each(|pending| pending.reverse());
        self.trims = true;
        Ok(())
    }

    /// One turn of the loop: study what is new, then mutate one entry for a while.
    fn turn(&mut self) -> Result<(), HarnessError> {
        for input in std::mem::take(&mut self.imports) {
            self.trims = false;
            self.try_input(&input)?;
            self.trims = true;
        }
        // What is new is studied at once, but not for ever: entries found by study are studied as well, and where a module
        // keeps giving new ones, nothing else would ever run.
        self.charge();
        while !self.stopped
            && self.may_study()
            && let Some(index) = self.pending[1].pop().or_else(|| self.pending[0].pop())
        {
            let before = self.worth();
            self.study(index)?;
            let cost = self.charge();
            self.studied += cost;
            self.study_yield.note(cost, self.worth() - before);
        }
        let before = self.worth();
        let index = self.schedule.pick(self.havoc.rand());
        self.schedule.entries[index].visits += 1;
        if self.schedule.entries[index].visits == 1 {
            self.value_stage(index)?;
        }
        if self.wants_bytes(index) {
            self.byte_stage(index)?;
        }
        self.havoc_stage(index)?;
        let cost = self.charge();
        self.mutation_yield.note(cost, self.worth() - before);
        if !self.stopped {
            self.search()?;
            self.restudy()?;
        }
        Ok(())
    }

    /// Adds up what was spent since the last call, and returns it.
    fn charge(&mut self) -> u64 {
        let now = match self.options.clock {
            Clock::Used => self.cpu_nanoseconds(),
            Clock::Ignored => self.executions,
        };
        let spent = now - self.cost;
        self.cost = now;
        spent
    }

    fn may_study(&self) -> bool {
        let share = self.study_yield.share(&self.mutation_yield).clamp(STUDY_SHARES[0], STUDY_SHARES[1]);
        self.studied <= ahead(STUDY_AHEAD, self.options) + (share * self.cost as f64) as u64
    }

    /// What was found so far, in inputs that count differently.
    fn worth(&self) -> u64 {
        self.kept + (EDGE_WORTH - 1) * self.edge_finders
    }

    fn wants_bytes(&mut self, index: usize) -> bool {
        let entry = &self.schedule.entries[index];
        if entry.input.len() > BYTE_STAGE_BYTES_MAX || entry.byte_step >= byte_steps(entry) {
            return false;
        }
        if entry.input.len() <= 16 {
            return true;
        }
        let share = self.byte_yield.share(&self.havoc_yield).clamp(0.05, 0.8) / BYTE_SLICE as f64
            * f64::from(HAVOC_BURST)
            * 2.0;
        (self.havoc.next() >> 11) as f64 / (1u64 << 53) as f64 <= share
    }

    /// Whole values of nested text, one change each: once for each entry, when it is first picked.
    fn value_stage(&mut self, index: usize) -> Result<(), HarnessError> {
        let base = Rc::clone(&self.schedule.entries[index].input);
        let mutants = nested_mutants(&base);
        let fair = self.schedule.fair(index, mutants.len() as u32) as usize;
        for mutant in mutants.into_iter().take(fair) {
            if self.stopped || (self.try_input(&mutant)? == Tried::Ended && self.hung()) {
                break;
            }
        }
        Ok(())
    }

    /// A slice of the deterministic byte stage: every value at every place, insertions, deletions.
    fn byte_stage(&mut self, index: usize) -> Result<(), HarnessError> {
        let before = (self.executions, self.kept);
        let fair_slice = self.schedule.fair(index, BYTE_SLICE as u32) as usize;
        let entry = &mut self.schedule.entries[index];
        let base = Rc::clone(&entry.input);
        let steps = byte_steps(entry);
        let from = entry.byte_step;
        let to = steps.min(from + fair_slice);
        let exhaustive = is_exhaustive(entry, base.len());
        entry.byte_step = to;
        let mut input = Vec::with_capacity(base.len() + 1);
        for step in from..to {
            if !byte_mutant(&base, step, exhaustive, &mut input) {
                continue;
            }
            let tried = self.try_input(&input)?;
            if !self.may_go_on(index, tried) {
                break;
            }
        }
        self.byte_yield.note(self.executions - before.0, self.kept - before.1);
        Ok(())
    }

    /// Edits that know the format: what parsers of it are known to stumble over. Each is made of one to four steps.
    fn structure_stage(&mut self, index: usize, burst: u32) -> Result<(), HarnessError> {
        let before = (self.executions, self.kept);
        let base = Rc::clone(&self.schedule.entries[index].input);
        for _ in 0..burst {
            let other = Rc::clone(&self.schedule.entries[self.havoc.below(self.schedule.entries.len())].input);
            let Some(mutant) = self.havoc.structured(self.options.mutators, &base, &other) else { continue };
            let tried = self.try_input(&mutant)?;
            if !self.may_go_on(index, tried) {
                break;
            }
        }
        self.structure_yield.note(self.executions - before.0, self.kept - before.1);
        Ok(())
    }

    fn havoc_stage(&mut self, index: usize) -> Result<(), HarnessError> {
        let mut burst = self.schedule.fair(index, HAVOC_BURST);
        if !self.options.mutators.is_empty() {
            let share = self.structure_yield.share(&self.havoc_yield).clamp(STRUCTURE_SHARES[0], STRUCTURE_SHARES[1]);
            let structured = (share * f64::from(burst)) as u32;
            self.structure_stage(index, structured)?;
            burst -= structured;
            if self.stopped {
                return Ok(());
            }
        }
        let before = (self.executions, self.kept);
        let entry = &mut self.schedule.entries[index];
        let base = Rc::clone(&entry.input);
        let pairs = Rc::clone(&entry.pairs);
        // As many executions as it had turns for, whether or not they were made.
        entry.sticky = entry.sticky.saturating_sub(HAVOC_BURST);
        let mut input = BytesInput::new(Vec::with_capacity(base.len() * 2 + 64));
        for step in 0..burst {
            let bytes: &mut Vec<u8> = input.as_mut();
            bytes.clear();
            bytes.extend_from_slice(&base);
            self.havoc.mutate(&mut input, &pairs);
            // One in four with checksums and lengths kept right, where the entry has any.
            let mended = match step % 4 {
                0 => self.try_mended(index, input.as_mut())?,
                _ => None,
            };
            let tried = match mended {
                Some(tried) => tried,
                None => self.try_input(input.as_ref())?,
            };
            if !self.may_go_on(index, tried) {
                break;
            }
        }
        self.havoc_yield.note(self.executions - before.0, self.kept - before.1);
        Ok(())
    }

    /// Whether an entry's stage goes on after one of its mutants. A deadline that the mutant cost is held against the entry.
    fn may_go_on(&mut self, index: usize, tried: Tried) -> bool {
        let hung = tried == Tried::Ended && self.hung();
        self.schedule.entries[index].hangs += u32::from(hung);
        !hung && !self.stopped
    }

    /// Whether the last execution cost a whole deadline.
    pub(super) fn hung(&self) -> bool {
        self.last_outcome_hung
    }

    /// Runs an input in the fast build and keeps it if it is new.
    #[inline]
    pub(super) fn try_input(&mut self, input: &[u8]) -> Result<Tried, HarnessError> {
        self.executions += 1;
        let outcome = self.subject.run(input)?;
        if self.executions >= self.next_check {
            self.check()?;
        }
        if !outcome.came_back() {
            self.subject.counters().fill(0);
            self.ended(input, outcome)?;
            return Ok(Tried::Ended);
        }
        if self.executions.is_multiple_of(SAMPLE_EVERY) {
            let edges = self.feedback.edges_total();
            self.incidence.sample(&self.subject.counters()[..edges]);
        }
        let novelty = self.feedback.judge(self.subject.counters());
        if novelty == Novelty::None {
            return Ok(Tried::Same);
        }
        self.keep(input, novelty)?;
        Ok(Tried::Kept)
    }

    /// Runs an input in the tracing build, leaves its compares in `self.trace`, and keeps it if it is new.
    pub(super) fn trace_input(&mut self, input: &[u8]) -> Result<Tried, HarnessError> {
        self.executions += 1;
        self.traced += 1;
        self.trace.clear();
        let trace = &mut self.trace;
        let outcome = self.subject.trace(input, &mut |logged| match logged.into_fact() {
            Ok(fact) => trace.facts.push(fact),
            Err(text) => trace.texts.push(text),
        })?;
        if self.executions >= self.next_check {
            self.check()?;
        }
        if !outcome.came_back() {
            self.subject.trace_counters().fill(0);
            self.ended(input, outcome)?;
            return Ok(Tried::Ended);
        }
        let novelty = self.feedback.judge(self.subject.trace_counters());
        if novelty == Novelty::None {
            return Ok(Tried::Same);
        }
        self.keep(input, novelty)?;
        Ok(Tried::Kept)
    }

    /// Leaves out what an input does not need to show what is new about it: halves first, then smaller parts, from the
    /// end on.
    fn trim(&mut self, input: &[u8]) -> Result<Vec<u8>, HarnessError> {
        let features = self.feedback.fresh().to_vec();
        let mut best = input.to_vec();
        let mut shorter = Vec::with_capacity(input.len());
        let mut parts = 2;
        while parts <= TRIMMED_PARTS && best.len() > TRIMMED_BYTES_MIN {
            let part = best.len().div_ceil(parts);
            let mut end = best.len();
            while end > 0 && best.len() > TRIMMED_BYTES_MIN {
                let start = end.saturating_sub(part);
                shorter.clear();
                shorter.extend_from_slice(&best[..start]);
                shorter.extend_from_slice(&best[end..]);
                end = start;
                self.executions += 1;
                let outcome = self.subject.run(&shorter)?;
                if self.executions >= self.next_check {
                    self.check()?;
                }
                let same = outcome.came_back() && shows(self.subject.counters(), &features);
                self.subject.counters().fill(0);
                if same {
                    std::mem::swap(&mut best, &mut shorter);
                } else if !outcome.came_back() {
                    self.ended(&shorter, outcome)?;
                    if self.hung() {
                        return Ok(best);
                    }
                }
                if self.stopped {
                    return Ok(best);
                }
            }
            parts *= 2;
        }
        Ok(best)
    }

    /// Takes an input into the corpus: on disk first, then in memory.
    #[cold]
    fn keep(&mut self, input: &[u8], novelty: Novelty) -> Result<(), HarnessError> {
        // What people chose stays as it is.
        let trims = self.trims && (novelty == Novelty::Edge || self.options.trim == Trim::Everything);
        let trimmed = if trims && input.len() > TRIMMED_BYTES_MIN { Some(self.trim(input)?) } else { None };
        let input = trimmed.as_deref().unwrap_or(input);
        self.kept += 1;
        if novelty == Novelty::Edge {
            self.last_edge_at = self.executions;
            self.edge_finders += 1;
        }
        if let Some(corpus) = &mut self.corpus {
            corpus.add(input)?;
        }
        (self.events)(Event::NewEntry { input, new_edge: novelty == Novelty::Edge });
        // A second run tells which edges it hits, what it costs, and sees to it that nothing depends on the run before.
        let mut nanoseconds = u64::MAX;
        for _ in 0..SLOW_MEASUREMENTS {
            self.subject.counters().fill(0);
            let timer = Instant::now();
            self.executions += 1;
            self.subject.run(input)?;
            nanoseconds = nanoseconds.min(timer.elapsed().as_nanos() as u64);
            // Another program may have had its turn meanwhile.
            if self.options.clock == Clock::Ignored || nanoseconds <= self.schedule.usual_cost() * 4 {
                break;
            }
        }
        let mut edges = Vec::new();
        let mut hits = 0;
        let counters = self.subject.counters();
        for_each_hit(counters, |edge, class| {
            edges.push(edge);
            hits += u64::from(class);
        });
        self.feedback.judge(counters);
        let cost = match self.options.clock {
            Clock::Used => nanoseconds,
            Clock::Ignored => hits,
        };
        self.havoc.learn(input).map_err(|error| HarnessError::Engine(error.to_string()))?;
        let index = self.schedule.add(Entry {
            input: input.into(),
            edges: edges.into(),
            cost,
            new_edge: novelty == Novelty::Edge,
            byte_step: 0,
            sticky: if novelty == Novelty::Edge { STICKY_EXECUTIONS } else { STICKY_EXECUTIONS / 4 },
            visits: 0,
            hangs: 0,
            favoured: false,
            studies: 0,
            pairs: Rc::new([]),
        });
        self.pending[usize::from(novelty == Novelty::Edge)].push(index);
        Ok(())
    }

    /// Tells an outcome that is a finding, once for each place where it happens.
    #[cold]
    fn ended(&mut self, input: &[u8], outcome: Outcome) -> Result<(), HarnessError> {
        self.last_outcome_hung = matches!(outcome, Outcome::Limit(Limit::Deadline | Limit::Fuel));
        if !outcome.is_finding() {
            return Ok(());
        }
        self.find_hits += 1;
        let frames = self.subject.frames();
        let mut hasher = DefaultHasher::new();
        outcome.hash(&mut hasher);
        match outcome {
            // Where a loop happens to be when the time is up says little; its function says enough.
            Outcome::Limit(_) => frames.iter().take(1).for_each(|frame| frame.function.hash(&mut hasher)),
            _ => frames.iter().take(FRAMES_OF_A_FINDING).for_each(|frame| frame.hash(&mut hasher)),
        }
        if self.finding_keys.len() >= FINDINGS_MAX || !self.finding_keys.insert(hasher.finish()) {
            return Ok(());
        }
        if let Some(findings) = &mut self.findings {
            findings.add(input)?;
        }
        self.finds += 1;
        let (frames, executions) = (self.subject.frames(), self.executions);
        (self.events)(Event::Find { input, outcome, frames, executions });
        if self.options.stop.first_finding {
            self.stopped = true;
        }
        Ok(())
    }

    /// Looks at clocks, limits and other jobs, a few hundred times a second.
    #[cold]
    fn check(&mut self) -> Result<(), HarnessError> {
        let stop = &self.options.stop;
        let now = Instant::now();
        let since = now - self.checked;
        self.checked = now;
        if since < Duration::from_millis(2) {
            self.check_every = (self.check_every * 2).min(4_096);
        } else if since > Duration::from_millis(8) {
            self.check_every = (self.check_every / 2).max(1);
        }
        self.next_check = self.executions + self.check_every;
        if let Some(max) = stop.executions_max {
            self.stopped |= self.executions >= max;
            self.next_check = self.next_check.min(max);
        }
        self.stopped |= self.options.stop_flag.load(Ordering::Relaxed)
            || stop.wall_max.is_some_and(|max| now - self.started >= max)
            || stop.cpu_max.is_some_and(|max| thread_cpu_time() - self.cpu_started >= max);
        let due = match self.options.clock {
            Clock::Used => now - self.progressed >= PROGRESS_EVERY,
            Clock::Ignored => self.executions - self.progressed_at >= PROGRESS_EXECUTIONS,
        };
        if due {
            self.progressed = now;
            self.progressed_at = self.executions;
            let sample = self.sample();
            self.remember(sample);
            (self.events)(Event::Progress(&sample));
        }
        if self.options.clock == Clock::Used && now - self.imported >= IMPORT_EVERY && !self.stopped {
            self.imported = now;
            let inputs = match &mut self.corpus {
                Some(corpus) => corpus.import()?,
                None => Vec::new(),
            };
            self.imports.extend(inputs);
        }
        Ok(())
    }

    /// CPU time of this thread since the start.
    pub(super) fn cpu_nanoseconds(&self) -> u64 {
        (thread_cpu_time() - self.cpu_started).as_nanos() as u64
    }

    /// Executions and inputs kept so far.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.executions, self.kept)
    }

    /// Notes what replacements of operands led to since `before`.
    pub(super) fn note_edits(&mut self, before: (u64, u64)) {
        self.edit_yield.note(self.executions - before.0, self.kept - before.1);
    }

    /// Replacements worth trying for one entry: as many as a burst of havoc has mutants where both yield alike.
    pub(super) fn edits_worthwhile(&self) -> usize {
        let ratio = self.edit_yield.rate() / self.havoc_yield.rate();
        (ratio * f64::from(HAVOC_BURST)).clamp(32.0, 4_096.0) as usize
    }

    /// Inputs kept so far.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    pub(super) fn executions_since_edge(&self) -> u64 {
        self.executions - self.last_edge_at
    }

    fn sample(&self) -> Sample {
        Sample {
            executions: self.executions,
            cpu_seconds: (thread_cpu_time() - self.cpu_started).as_secs_f64(),
            wall_seconds: self.started.elapsed().as_secs_f64(),
            edges_found: self.feedback.edges_found(),
            edges_total: self.feedback.edges_total(),
            corpus: self.schedule.entries.len(),
            finds: self.finds,
            find_hits: self.find_hits,
            executions_since_edge: self.executions_since_edge(),
        }
    }

    fn remember(&mut self, sample: Sample) {
        self.series_ticks += 1;
        if !self.series_ticks.is_multiple_of(self.series_step) {
            return;
        }
        if self.series.len() == SERIES_MAX {
            let mut index = 0;
            self.series.retain(|_| {
                index += 1;
                index % 2 == 0
            });
            self.series_step *= 2;
        }
        self.series.push(sample);
    }

    fn finish(mut self) -> Stats {
        let last = self.sample();
        self.series.push(last);
        (self.events)(Event::Progress(&last));
        Stats {
            last,
            series: self.series,
            saturation: self.incidence.estimate(),
            traced: self.traced,
            incidence: self.incidence.into_counts(),
        }
    }
}

/// What may be spent ahead: of nanoseconds, or of executions where no clock may decide.
fn ahead([nanoseconds, executions]: [u64; 2], options: &Options) -> u64 {
    match (options.clock, options.mutators.is_empty()) {
        (Clock::Used, _) => nanoseconds,
        (Clock::Ignored, true) => executions,
        (Clock::Ignored, false) => executions / AHEAD_OF_MUTATORS,
    }
}

/// Where there is neither corpus nor seed: (byte, length). Lengths reach over the usual header sizes.
const FIRST_INPUTS: &[(u8, usize)] = &[
    (0, 0),
    (b'0', 1),
    (0, 1),
    (b'0', 4),
    (0, 8),
    (b'A', 16),
    (b' ', 32),
    (b'0', 64),
    (b'A', 128),
    (0, 512),
    (b'a', 4096),
];

/// Inputs that mutators make of nothing, where there is neither corpus nor seed.
const GENERATED_INPUTS: usize = 4_096;

/// Tokens of the dictionary that are run as inputs.
const DICTIONARY_INPUTS_MAX: usize = 4_096;

/// Values that the byte stage writes where trying all of them would take too long.
const FEW_VALUES: usize = 48;

fn is_exhaustive(entry: &Entry, len: usize) -> bool {
    len <= 64 || (entry.new_edge && len <= 256)
}

/// Steps of the byte stage for an entry.
fn byte_steps(entry: &Entry) -> usize {
    let len = entry.input.len();
    let values = if is_exhaustive(entry, len) { 256 } else { FEW_VALUES };
    len * values + len + if len <= 256 { (len + 1) * PRINTABLE.len() } else { 0 }
}

/// Writes the mutant of one step; `false` where it equals the base.
fn byte_mutant(base: &[u8], step: usize, exhaustive: bool, out: &mut Vec<u8>) -> bool {
    out.clear();
    let len = base.len();
    let values = if exhaustive { 256 } else { FEW_VALUES };
    if step < len * values {
        let (at, value) = (step / values, step % values);
        let old = base[at];
        let new = match (exhaustive, value) {
            (true, value) => value as u8,
            (false, 0..8) => old ^ 1 << value,
            (false, 8..14) => old.wrapping_add(value as u8 - 7),
            (false, 14..20) => old.wrapping_sub(value as u8 - 13),
            (false, 20) => 0xff,
            (false, 21) => 0x7f,
            (false, 22) => 0x80,
            (false, value) => PRINTABLE[(value - 23) * PRINTABLE.len() / (FEW_VALUES - 23)],
        };
        out.extend_from_slice(base);
        out[at] = new;
        return new != old;
    }
    let step = step - len * values;
    if step < len {
        out.extend_from_slice(&base[..step]);
        out.extend_from_slice(&base[step + 1..]);
        return true;
    }
    let step = step - len;
    let (at, value) = (step / PRINTABLE.len(), step % PRINTABLE.len());
    out.extend_from_slice(&base[..at]);
    out.push(PRINTABLE[value]);
    out.extend_from_slice(&base[at..]);
    true
}

pub(crate) fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
