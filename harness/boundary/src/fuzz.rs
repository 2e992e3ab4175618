//! The loop: tapes are made and changed, hosts run them, what is new is kept, what should not happen is remembered with
//! the tape that shows it. Nothing here goes by the clock but the budget and a host's life.

use crate::api::{Api, Kind};
use crate::hosts::{Batch, Death, Host};
use crate::tape::{Hook, JsVal, Mutator, OPS_MAX, Op, Profile, Seeds, Tape};
use crate::wire::{Hello, Ran, Sighting, flags};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Tapes of a batch: with fewer the pipe costs more than the calls, with more the search learns late.
pub const BATCH: usize = 256;
/// Tapes of the first batch. Each one that comes back whole lets the next be twice as large: a package whose calls take a
/// second shows that in the first four.
const BATCH_FIRST: usize = 4;
/// After a batch ran out of time, the next ones are smaller by this factor, and grow again only after as many times more
/// whole ones as before.
const SMALLER: usize = 4;
/// Entries that the search goes on with more often: those that it found last.
const RECENT: usize = 48;
/// Changed tapes that an entry gets at once when it has reached a place that none had: where one condition is met,
/// another is near.
const ENERGY: u32 = 256;
/// Of sixteen changed tapes that many come from such entries, as long as there are any.
const YOUNG_OF_16: u64 = 10;
/// Entries that are compared before one is changed: the shortest is, as fewer changes miss the point.
const COMPARED: usize = 3;
/// Of sixteen tapes that many are made anew, the others from the corpus.
const ANEW_OF_16: u64 = 4;
/// Tapes with an operation that killed a host or took seconds become rare, as each costs as much as thousands of others:
/// after every death one in 2 to the power of this.
const RARER_LOG2: u32 = 5;
/// Least of them that still are sent: one in 2 to the power of this.
const RAREST_LOG2: u32 = 12;
/// Starts of a host in a row without a single batch in between.
const STARTS_MAX: u32 = 3;
/// Largest corpus, tapes.
const CORPUS_MAX: usize = 20_000;
/// Seconds on the clock for each second of processor time: a busy machine gives a tenth of one.
const CLOCK_PER_CPU: f64 = 10.0;
/// Seconds on the clock that a search may take at least.
const CLOCK_SECONDS_MIN: f64 = 300.0;

/// What a search goes by.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Seed of every random choice.
    pub seed: u64,
    /// In turns, one batch each.
    pub profiles: Vec<Profile>,
    /// Ends after that many tapes.
    pub tapes_max: u64,
    /// Ends when parent and host have taken that much processor time, seconds.
    pub cpu_seconds_max: f64,
    /// Ends after that many seconds on the clock: a package that sleeps takes no processor time. See [`clock_seconds_max`].
    pub clock_seconds_max: f64,
    /// Tapes of a batch, once it has grown.
    pub batch: usize,
    /// What guides it.
    pub guidance: Guidance,
    /// Tapes that are run first: what earlier searches found.
    pub initial: Vec<Tape>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            profiles: vec![Profile::Typed, Profile::Json, Profile::Hostile],
            tapes_max: u64::MAX,
            cpu_seconds_max: f64::INFINITY,
            clock_seconds_max: f64::INFINITY,
            batch: BATCH,
            guidance: Guidance::Counters,
            initial: Vec::new(),
        }
    }
}

/// Seconds on the clock for a search of so much processor time: far more than any that works takes.
pub fn clock_seconds_max(cpu_seconds_max: f64) -> f64 {
    (CLOCK_PER_CPU * cpu_seconds_max).max(CLOCK_SECONDS_MIN)
}

/// What guides a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guidance {
    /// Counters of the module and outcomes of its operations.
    Counters,
    /// Nothing: every tape is made anew or from a seed, as a fuzzer does that does not see into the module.
    Blind,
}

/// Something that should not have happened, with its tape.
#[derive(Debug, Clone, PartialEq)]
pub struct Find {
    /// What was seen.
    pub sighting: Sighting,
    /// The tape.
    pub tape: Tape,
    /// Tapes before it in the same instance that it depends on.
    pub after: Vec<Tape>,
    /// Smallest profile that it belongs to.
    pub profile: Profile,
    /// Tapes run until then.
    pub tapes: u64,
    /// Processor time until then, seconds.
    pub cpu_seconds: f64,
}

/// What tells finds apart, see [`Sighting::fault`].
pub type FindKey = (String, u32, String);

/// What came of a search.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// What the first host said.
    pub hello: Hello,
    /// Tapes worth keeping, in the order in which they were found.
    pub corpus: Vec<Tape>,
    /// By what tells them apart.
    pub finds: BTreeMap<FindKey, Find>,
    /// Tapes that were run.
    pub tapes: u64,
    /// Calls that were made.
    pub calls: u64,
    /// Instances that were made.
    pub instances: u64,
    /// Per operation: calls that returned, threw, trapped, were skipped.
    pub operations: BTreeMap<u32, [u64; 4]>,
    /// Bits seen per counter.
    pub seen: Vec<u8>,
    /// How hosts died, one sentence each, those whose tape was not found included.
    pub deaths: Vec<String>,
    /// Why it ended before its budget was used, one sentence: what was found until then is here all the same.
    pub cut: Option<String>,
    /// Tapes that were held back because their kind kills hosts.
    pub held_back: u64,
    /// Tapes that took so long that they were not repeated: whether they leak was not asked.
    pub unasked: u64,
    /// Processor time of parent and hosts, seconds.
    pub cpu_seconds: f64,
}

impl Search {
    /// Counters that were reached.
    pub fn reached(&self) -> usize {
        self.seen.iter().filter(|bits| **bits != 0).count()
    }
}

/// Starts a host that knows these counter bits already.
pub type Start<'a> = dyn FnMut(&[u8]) -> Result<Box<dyn Host>, String> + 'a;

/// Searches until the budget is used, or `stop` says so after a batch. Where no host starts any more, or the clock says
/// that it is enough, it ends with what it has, see [`Search::cut`].
///
/// # Errors
/// The first host does not start: one sentence.
pub fn search(
    api: &Api,
    seeds: &Seeds,
    options: &Options,
    start: &mut Start<'_>,
    stop: &mut dyn FnMut(&Search) -> bool,
) -> Result<Search, String> {
    let mut run = Run::new(api, seeds, options, start)?;
    if let Err(reason) = run.go_on(stop) {
        run.search.cut = Some(reason);
    }
    run.search.cpu_seconds = run.cpu_seconds();
    run.host.kill();
    Ok(run.search)
}

/// Tapes of a batch on their way.
struct Sent {
    number: u32,
    tapes: Vec<Tape>,
}

struct Run<'a, 'b> {
    api: &'a Api,
    options: &'a Options,
    start: &'a mut Start<'b>,
    host: Box<dyn Host>,
    /// One for each profile.
    mutators: Vec<Mutator<'a>>,
    random: fastrand::Rng,
    profiles: Vec<Profile>,
    /// Length of the entries of the corpus, bytes.
    lengths: Vec<usize>,
    /// Entries that were the first somewhere, and changed tapes that they still get; the last one first.
    young: Vec<(usize, u32)>,
    search: Search,
    initial: std::slice::Iter<'a, Tape>,
    batches: u32,
    /// Tapes of the next batch.
    size: usize,
    /// Whole batches until it grows, and how many of them came back.
    patience: (u32, u32),
    /// Operations that killed hosts, with the profile of each tape.
    killers: BTreeMap<u32, Vec<Profile>>,
    scratch: Tape,
    /// Of hosts that are gone.
    cpu_seconds_before: f64,
    own_cpu_at_start: f64,
    began: Instant,
}

impl<'a, 'b> Run<'a, 'b> {
    fn new(api: &'a Api, seeds: &'a Seeds, options: &'a Options, start: &'a mut Start<'b>) -> Result<Self, String> {
        let began = Instant::now();
        let host = start(&[])?;
        let search = Search { hello: host.hello().clone(), ..Search::default() };
        Ok(Self {
            api,
            options,
            host,
            start,
            mutators: options.profiles.iter().map(|profile| Mutator::new(api, *profile, seeds)).collect(),
            random: fastrand::Rng::with_seed(options.seed),
            profiles: Vec::new(),
            lengths: Vec::new(),
            young: Vec::new(),
            search,
            initial: options.initial.iter(),
            batches: 0,
            size: BATCH_FIRST.min(options.batch),
            patience: (1, 0),
            killers: BTreeMap::new(),
            scratch: Tape::default(),
            cpu_seconds_before: 0.0,
            own_cpu_at_start: own_cpu_seconds(),
            began,
        })
    }

    /// Sends batches and takes in what comes of them until it is over.
    fn go_on(&mut self, stop: &mut dyn FnMut(&Search) -> bool) -> Result<(), String> {
        // Two batches are on their way at any time, so that host and parent both work; what is made therefore never depends
        // on the time an answer takes.
        let mut waiting = Vec::new();
        loop {
            let over = self.is_over() || stop(&self.search);
            if over && waiting.is_empty() {
                break;
            }
            while !over && waiting.len() < 2 {
                let batch = self.make();
                let sent = self.send(&batch);
                waiting.push(batch);
                if let Err(death) = sent {
                    self.bury(&death, std::mem::take(&mut waiting))?;
                    // It took its time: whether that was all of it is looked at first.
                    break;
                }
            }
            if waiting.is_empty() {
                continue;
            }
            let answer = self.host.receive();
            let batch = waiting.remove(0);
            match answer {
                Ok(ran) => {
                    self.learn(&batch, &ran);
                    self.grow();
                }
                Err(death) => {
                    let mut all = vec![batch];
                    all.append(&mut waiting);
                    self.bury(&death, all)?;
                }
            }
        }
        Ok(())
    }

    fn cpu_seconds(&self) -> f64 {
        own_cpu_seconds() - self.own_cpu_at_start + self.cpu_seconds_before + self.host.cpu_seconds()
    }

    /// Whether the budget is used, or the clock says that it is enough.
    fn is_over(&mut self) -> bool {
        let (taken, clock) = (self.cpu_seconds(), self.options.clock_seconds_max);
        if self.search.tapes >= self.options.tapes_max || taken >= self.options.cpu_seconds_max {
            return true;
        }
        if self.is_late() {
            let why = "of processor time: its hosts wait, or the machine is busy";
            self.search.cut = Some(format!("after {clock:.0} s on the clock the search had taken {taken:.0} s {why}"));
        }
        self.is_late()
    }

    /// Whether the clock says that it is enough.
    fn is_late(&self) -> bool {
        self.began.elapsed().as_secs_f64() >= self.options.clock_seconds_max
    }

    /// The next batch: tapes of one profile.
    fn make(&mut self) -> Sent {
        let number = self.batches;
        self.batches += 1;
        let turn = number as usize % self.options.profiles.len();
        let profile = self.options.profiles[turn];
        let mut tapes = Vec::with_capacity(self.size);
        // Ten tries for each tape are plenty: what is held back is rare.
        for _ in 0..10 * self.size {
            if tapes.len() == self.size {
                break;
            }
            if let Some(tape) = self.initial.next() {
                tapes.push(tape.clone());
                continue;
            }
            let anew = self.search.corpus.is_empty() || self.random.u64(0..16) < ANEW_OF_16;
            if anew {
                self.scratch = self.mutators[turn].generator().tape(self.random.u64(..));
            } else {
                self.change(turn);
            }
            if self.is_held_back(profile) {
                self.search.held_back += 1;
                continue;
            }
            tapes.push(self.scratch.clone());
        }
        Sent { number, tapes }
    }

    /// Puts a changed entry of the corpus into `scratch`.
    fn change(&mut self, turn: usize) {
        let profile = self.options.profiles[turn];
        let count = self.search.corpus.len();
        let young = self.young.last().is_some_and(|(entry, _)| self.profiles[*entry] <= profile);
        let at = if young && self.random.u64(0..16) < YOUNG_OF_16 { self.youngest() } else { self.choose(profile) };
        let other = self.random.usize(0..count);
        self.scratch.clone_from(&self.search.corpus[at]);
        if self.scratch.ops.len() > 1 && self.random.u64(0..4) == 0 {
            self.single();
        }
        let random = &mut self.random;
        self.mutators[turn].mutate(&mut self.scratch, Some(&self.search.corpus[other]), &mut || random.u64(..));
    }

    /// Leaves one call of `scratch` that needs no object: tapes grow, and what is new is mostly one call's doing.
    fn single(&mut self) {
        let stands_alone = |op: &Op| match op {
            Op::Call { operation, .. } => {
                let kind = self.api.operation(*operation).map(|operation| operation.kind);
                kind.is_some_and(|kind| !matches!(kind, Kind::Method | Kind::Getter | Kind::Setter))
            }
            _ => false,
        };
        let calls: Vec<usize> = (0..self.scratch.ops.len()).filter(|at| stands_alone(&self.scratch.ops[*at])).collect();
        if let Some(at) = (!calls.is_empty()).then(|| calls[self.random.usize(0..calls.len())]) {
            self.scratch.ops = vec![self.scratch.ops.swap_remove(at)];
        }
    }

    /// The entry that was the first somewhere last.
    fn youngest(&mut self) -> usize {
        let Some((entry, left)) = self.young.last_mut() else { return 0 };
        let entry = *entry;
        *left -= 1;
        if *left == 0 {
            self.young.pop();
        }
        entry
    }

    /// The shortest of a few entries of a profile.
    fn choose(&mut self, profile: Profile) -> usize {
        let count = self.search.corpus.len();
        let mut best = None;
        let mut found = 0;
        // Entries of a larger profile are of no use; most are not.
        for _ in 0..4 * COMPARED {
            let at = if self.random.bool() {
                count - 1 - self.random.usize(0..count.min(RECENT))
            } else {
                self.random.usize(0..count)
            };
            if self.profiles[at] > profile {
                continue;
            }
            if best.is_none_or(|best: usize| self.lengths[at] < self.lengths[best]) {
                best = Some(at);
            }
            found += 1;
            if found == COMPARED {
                break;
            }
        }
        best.unwrap_or(count - 1)
    }

    /// Whether the tape is of a kind that killed hosts, and is not one of the few that are sent all the same.
    fn is_held_back(&mut self, profile: Profile) -> bool {
        if self.killers.is_empty() {
            return false;
        }
        let deaths = |operation: &u32| {
            let deaths = self.killers.get(operation).into_iter().flatten();
            deaths.filter(|of| **of <= profile).count() as u32
        };
        let worst = operations(&self.scratch.ops).iter().map(deaths).max().unwrap_or(0);
        let rare = worst.saturating_mul(RARER_LOG2).min(RAREST_LOG2);
        rare > 0 && self.random.u64(..) >> (64 - rare) != 0
    }

    fn flags(&self) -> u8 {
        if self.options.guidance == Guidance::Counters { flags::EVALUATE } else { 0 }
    }

    fn send(&mut self, sent: &Sent) -> Result<(), Death> {
        let tapes = sent.tapes.iter().map(Tape::to_bytes).collect();
        self.host.send(&Batch { number: sent.number, flags: self.flags(), tapes })
    }

    /// A batch came back whole: the next ones may be larger. It goes by their number and by deaths, never by the clock.
    fn grow(&mut self) {
        let (needed, whole) = &mut self.patience;
        *whole += 1;
        if *whole >= *needed && self.size < self.options.batch {
            *whole = 0;
            self.size = (2 * self.size).min(self.options.batch);
        }
    }

    /// Takes in what came of a batch.
    fn learn(&mut self, sent: &Sent, ran: &Ran) {
        self.search.tapes += u64::from(ran.tapes);
        self.search.calls += ran.calls;
        self.search.instances += u64::from(ran.instances);
        self.search.unasked += u64::from(ran.unasked);
        for (operation, counts) in &ran.operations {
            let total = self.search.operations.entry(*operation).or_default();
            for (total, count) in total.iter_mut().zip(counts) {
                *total += u64::from(*count);
            }
        }
        let mut cpu_seconds = None;
        for told in &ran.told {
            // A host that is in the package's hands may tell of tapes that were never sent.
            let Some(tape) = sent.tapes.get(told.tape as usize) else { continue };
            let mut is_first = false;
            for (counter, bits) in &told.new {
                let counter = *counter as usize;
                if counter < 1 << 22 {
                    if counter >= self.search.seen.len() {
                        self.search.seen.resize(counter + 1, 0);
                    }
                    is_first |= self.search.seen[counter] == 0;
                    self.search.seen[counter] |= bits;
                }
            }
            let is_new = !told.new.is_empty() || !told.outcomes_new.is_empty();
            if is_new && self.options.guidance == Guidance::Counters && self.search.corpus.len() < CORPUS_MAX {
                if is_first {
                    self.young.push((self.search.corpus.len(), ENERGY));
                }
                self.profiles.push(tape.profile(self.api));
                self.lengths.push(tape.to_bytes().len());
                self.search.corpus.push(tape.clone());
            }
            for sighting in &told.sightings {
                if sighting.class == "time" {
                    self.killers.entry(sighting.operation).or_default().push(tape.profile(self.api));
                }
                let after = told.after.iter().filter_map(|at| sent.tapes.get(*at as usize).cloned()).collect();
                let cpu_seconds = *cpu_seconds.get_or_insert_with(|| self.cpu_seconds());
                self.remember(sighting, tape, after, cpu_seconds);
            }
        }
    }

    /// Keeps a sighting, by the smallest profile and then the first tape that shows it.
    fn remember(&mut self, sighting: &Sighting, tape: &Tape, after: Vec<Tape>, cpu_seconds: f64) {
        let profile = tape.profile(self.api);
        let (class, operation, key) = sighting.fault();
        let key = (class.to_owned(), operation, key.to_owned());
        let better = |known: &Find| (profile, after.len()) < (known.profile, known.after.len());
        if self.search.finds.get(&key).is_none_or(better) {
            let (sighting, tape) = (sighting.clone(), tape.clone());
            let earlier = self.search.finds.get(&key);
            let (tapes, cpu_seconds) =
                earlier.map_or((self.search.tapes, cpu_seconds), |earlier| (earlier.tapes, earlier.cpu_seconds));
            self.search.finds.insert(key, Find { sighting, tape, after, profile, tapes, cpu_seconds });
        }
    }

    /// A host died: its successor runs the tapes one by one, so that the one that did it is named, and goes on.
    fn bury(&mut self, death: &Death, batches: Vec<Sent>) -> Result<(), String> {
        self.search.deaths.push(death.to_string());
        if matches!(death, Death::Time(_)) {
            self.size = (self.size / SMALLER).max(1);
            self.patience = (self.patience.0.saturating_mul(SMALLER as u32), 0);
        }
        // Nothing more is asked then, and it does not matter whether another host would start.
        if self.is_over() {
            return Ok(());
        }
        self.restart()?;
        let mut named = false;
        for (which, sent) in batches.into_iter().enumerate() {
            if self.is_over() {
                return Ok(());
            }
            if which > 0 || named {
                // It was not begun, or was not the cause: one more try in a row.
                match self.send(&sent).and_then(|()| self.host.receive()) {
                    Ok(ran) => self.learn(&sent, &ran),
                    Err(death) => {
                        self.search.deaths.push(death.to_string());
                        self.restart()?;
                        self.singly(sent, &mut named)?;
                    }
                }
            } else {
                self.singly(sent, &mut named)?;
            }
        }
        if !named {
            self.search.deaths.push(format!("({death}: no single tape does that)"));
        }
        Ok(())
    }

    /// Runs tapes one by one until the one is found that kills; the others then go together again.
    fn singly(&mut self, sent: Sent, named: &mut bool) -> Result<(), String> {
        let mut tapes = sent.tapes.into_iter();
        while let Some(tape) = tapes.next() {
            if self.is_over() {
                return Ok(());
            }
            let one = Sent { number: sent.number, tapes: vec![tape] };
            match self.send(&one).and_then(|()| self.host.receive()) {
                Ok(ran) => self.learn(&one, &ran),
                Err(death) => {
                    *named = true;
                    self.blame(&one.tapes[0], &death)?;
                    if self.is_late() {
                        return Ok(());
                    }
                    let rest = Sent { number: sent.number, tapes: tapes.clone().collect() };
                    match self.send(&rest).and_then(|()| self.host.receive()) {
                        Ok(ran) => {
                            self.learn(&rest, &ran);
                            return Ok(());
                        }
                        Err(death) => {
                            self.search.deaths.push(death.to_string());
                            self.restart()?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds the step of a tape that has killed a host: its beginnings are run, each one longer than the one before. That
    /// the tape kills is known, and remembered even where no host starts any more.
    fn blame(&mut self, tape: &Tape, death: &Death) -> Result<(), String> {
        let mut culprit = tape.clone();
        let mut death = death.clone();
        let mut restarted = self.restart();
        for steps in 1..tape.ops.len() {
            if restarted.is_err() || self.is_over() {
                break;
            }
            let beginning = Tape { ops: tape.ops[..steps].to_vec() };
            let one = Sent { number: 0, tapes: vec![beginning] };
            match self.send(&one).and_then(|()| self.host.receive()) {
                Ok(ran) => self.learn(&one, &ran),
                Err(other) => {
                    death = other;
                    restarted = self.restart();
                    culprit = one.tapes.into_iter().next().unwrap_or_default();
                    break;
                }
            }
        }
        let operation = operation_at(&culprit, culprit.ops.len().saturating_sub(1));
        let cpu_seconds = self.cpu_seconds();
        self.killers.entry(operation).or_default().push(culprit.profile(self.api));
        self.remember(&died(operation, &death), &culprit, Vec::new(), cpu_seconds);
        restarted
    }

    fn restart(&mut self) -> Result<(), String> {
        self.host.kill();
        let mut reason = String::new();
        for _ in 0..STARTS_MAX {
            match (self.start)(&self.search.seen) {
                Ok(host) => {
                    self.cpu_seconds_before += self.host.cpu_seconds();
                    self.host = host;
                    return Ok(());
                }
                Err(why) => reason = why,
            }
        }
        Err(format!("after a death, no host starts any more: {reason}"))
    }
}

/// What is said of a tape that killed its host.
pub fn died(operation: u32, death: &Death) -> Sighting {
    let key = match death {
        Death::Time(_) => "hangs",
        Death::Exit(_) => "ends its host",
        Death::Memory(_) => "fills memory",
        Death::Garbage(_) => "answers for its host",
    };
    Sighting { class: "time".into(), operation, key: key.into(), what: death.to_string(), ..Sighting::default() }
}

/// Operations of a tape, those in hooks included; each once, in order.
pub fn operations(ops: &[Op]) -> Vec<u32> {
    let mut found = Vec::new();
    calls(ops, &mut found);
    let mut known = BTreeSet::new();
    found.retain(|operation| known.insert(*operation));
    found
}

fn calls(ops: &[Op], found: &mut Vec<u32>) {
    for op in ops {
        match op {
            Op::Call { operation, args, .. } => {
                found.push(*operation);
                args.iter().for_each(|value| calls_in(value, found));
            }
            Op::Assign { value, .. } => calls_in(value, found),
            Op::Free { .. } | Op::Gc | Op::Await { .. } | Op::Grow { .. } => {}
        }
    }
}

fn calls_in(value: &JsVal, found: &mut Vec<u32>) {
    match value {
        JsVal::Array(items) | JsVal::ArrayLike { items, .. } => items.iter().for_each(|item| calls_in(item, found)),
        JsVal::Object(fields) => fields.iter().for_each(|(_, field)| calls_in(field, found)),
        JsVal::Getters(fields) => fields.iter().flat_map(|(_, reads)| reads).for_each(|read| calls_in(read, found)),
        JsVal::ValueOf(Hook { ops, .. }, inner)
        | JsVal::Proxy(Hook { ops, .. }, inner)
        | JsVal::Callback(Hook { ops, .. }, inner)
        | JsVal::Promise(Hook { ops, .. }, inner) => {
            calls(ops, found);
            calls_in(inner, found);
        }
        JsVal::Undefined
        | JsVal::Null
        | JsVal::Boolean(_)
        | JsVal::Number(_)
        | JsVal::BigInt(_)
        | JsVal::Text(_)
        | JsVal::Bytes { .. }
        | JsVal::Ref(_)
        | JsVal::Symbol => {}
    }
}

/// The operation that the step at that place calls; 0 where it calls none.
pub fn operation_at(tape: &Tape, op: usize) -> u32 {
    match tape.ops.get(op) {
        Some(Op::Call { operation, .. }) => *operation,
        _ => 0,
    }
}

/// One tape that does what several did in a row, as far as it has room; the last one whole.
pub fn joined(after: &[Tape], tape: &Tape) -> Tape {
    let mut ops: Vec<Op> = after.iter().flat_map(|tape| tape.ops.iter().cloned()).collect();
    ops.extend(tape.ops.iter().cloned());
    let surplus = ops.len().saturating_sub(OPS_MAX);
    Tape { ops: ops.split_off(surplus) }
}

/// Processor time of this process, seconds.
fn own_cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
