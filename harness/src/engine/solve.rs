//! Solving compares: which input bytes reach an operand, and what they would have to be.
//!
//! A new entry is traced once. Operands that occur in it are replaced by what they were compared with, in every
//! encoding ([`super::facts`]). For compares that nothing has satisfied yet, each byte is changed by one and the entry
//! traced again: the differences tell which bytes an operand depends on, and how. Then, cheapest first:
//! sums of bytes are solved digit by digit (any order of bytes, any offset, any radix), functions linear over bits by
//! elimination (xor, rotations, CRCs), the rest by descent along the distance and by a walk that keeps to plateaus.
//! Every run of the tracing build also counts edges, so whatever happens on the way is kept.

use super::facts::{Edit, Fact, Relation, Text, Trace, distinct, edits_of, text_edits};
use super::guards::{Candidates, Guarded};
use super::havoc::completed;
use super::run::{Run, Tried};
use super::schedule::Pair;
use super::sums::{Dependence, eliminate, solve_sum};
use super::{Clock, Subject};
use crate::HarnessError;
use std::collections::hash_map::DefaultHasher;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// Entries up to which every one of them is studied in full.
const SMALL_CORPUS: usize = 64;
/// Replacements tried for one entry.
const EDITS_MAX: usize = 4_096;
/// Bytes of an entry that are changed one by one.
const PROBED_BYTES_MAX: usize = 1_024;
/// Compares of one entry whose dependence on the input is recorded.
const TARGETS_MAX: usize = 512;
/// Compares of one entry that are tried as sums.
const SUMS_MAX: usize = 128;
/// Compares of one entry that are searched for.
const WORKED_ON_MAX: usize = 24;
/// Loops of one entry whose last turn is recorded on top of that.
const TURNS_MAX: usize = 64;
/// Turns of one loop that are solved in a row, where each takes more than a byte.
const PURSUED_MAX: usize = 32;
/// Bytes that an operand may depend on to be worked on.
const BYTES_OF_A_TARGET_MAX: usize = 64;
/// Executions without a new edge after which an old entry is studied again, and between two of them.
const RESTUDY_EXECUTIONS: u64 = 20_000;
/// Runs of the plateau walk without getting nearer.
const WALK_RUNS: usize = 4_096;
/// Steps of one chain of equal compares: a recursion or a string loop of this depth.
const CHAIN_STEPS_MAX: usize = 4_096;
/// Operand pairs of an entry that havoc may use.
const PAIRS_MAX: usize = 64;
/// What the solver may spend before anything was found: nanoseconds, or runs where no clock may decide.
pub(super) const FIRST_CREDIT: [u64; 2] = [300_000_000, 60_000];
/// The most that it may spend on top for one success.
const BONUS: [u64; 2] = [20_000_000, 2_000];
/// Tracing runs between two looks at the clock.
const RUNS_PER_LOOK: u64 = 32;
/// Share of everything that it may spend in the long run: one part in so many.
const SHARE: u64 = 8;
/// The same for searches.
const SEARCH_SHARE: u64 = 10;
/// Entries that wait for searches; the oldest give way.
const SEARCHES_MAX: usize = 256;
/// Runs that the search for one compare may take.
const SEARCH_RUNS_PER_TARGET: u32 = 16_000;
/// Compares before a verdict that may have led to it.
const NEAR_FACTS: usize = 24;
/// Times that an entry is probed again because more parts of it turned out to depend on each other.
const GUARD_PASSES_MAX: usize = 12;
/// Mutants mended for nothing after which few are.
const MENDED_IN_VAIN: u64 = 512;
/// Turns of a loop that are worked on without a new edge; after that, one in sixteen.
const TURNS_IN_VAIN: u32 = 16;
/// After so many attempts in vain a site is searched for once in four times.
const ATTEMPTS_IN_VAIN: u32 = 4;

/// What is known about each compare site, and what may still be spent.
pub(crate) struct Solver {
    sites: Vec<SiteState>,
    /// What was spent, and what may be spent on top of the share.
    spent: u64,
    bonus: u64,
    /// Successes.
    kept: u64,
    /// CPU time at the last look, nanoseconds.
    looked_at: u64,
    runs: u64,
    /// The part of `spent` that went into searches, and whether one is under way.
    searched: u64,
    searching: bool,
    search_runs_left: u32,
    searches: VecDeque<Search>,
    /// What must agree in the input that is worked on.
    guarded: Option<Rc<Guarded>>,
    /// The same for entries, by index.
    guarded_entries: HashMap<usize, Rc<Guarded>>,
    /// Mutants that were mended, and those of them that were kept.
    mended: [u64; 2],
    clock: Clock,
    next_restudy: u64,
    restudy_at: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct SiteState {
    seen_less: bool,
    seen_equal: bool,
    seen_greater: bool,
    attempts: u32,
    /// Times that the last turn of its loop was worked on since that led to a new edge.
    turns: u32,
}

impl Solver {
    /// `credit` is what may be spent before anything was found.
    pub(crate) fn new(clock: Clock, credit: u64) -> Self {
        Self {
            sites: Vec::new(),
            spent: 0,
            kept: 0,
            looked_at: 0,
            runs: 0,
            searched: 0,
            searching: false,
            search_runs_left: 0,
            searches: VecDeque::new(),
            bonus: credit,
            guarded: None,
            guarded_entries: HashMap::new(),
            mended: [0; 2],
            clock,
            next_restudy: 0,
            restudy_at: 0,
        }
    }
}

/// One compare of one execution that is worth solving.
#[derive(Debug, Clone, Copy)]
struct Target {
    fact: Fact,
    urgency: Urgency,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// Both outcomes lead to edges that were hit already, or nothing is left to see.
    Closed,
    /// The same, but it is the last turn of a loop or recursion: satisfied, it may lead to one turn more.
    Turn,
    /// The same, but what it found out is decided upon soon: it stands in a function whose result is looked at.
    Near,
    /// It is not known what the compare decides, and not every relation was seen.
    Open,
    /// It decides over an edge that was never hit.
    Frontier,
}

/// Compares of one entry that wait to be searched for, the most urgent last.
struct Search {
    input: Rc<[u8]>,
    guarded: Option<Rc<Guarded>>,
    work: Vec<(Target, Vec<Dependence>)>,
}

/// What one run said about a target.
struct Look {
    fact: Option<Fact>,
    tried: Tried,
}

impl<S: Subject + ?Sized> Run<'_, S> {
    /// The compare stage: once for each new entry, now and then for old ones.
    pub(super) fn study(&mut self, index: usize) -> Result<(), HarnessError> {
        let input = Rc::clone(&self.schedule.entries[index].input);
        self.schedule.entries[index].studies += 1;
        if self.schedule.entries[index].new_edge
            && let Some(whole) = completed(&input)
            && self.try_input(&whole)? == Tried::Ended
            && self.stopped
        {
            return Ok(());
        }
        if self.trace_input(&input)? == Tried::Ended {
            return Ok(());
        }
        let trace = std::mem::take(&mut self.trace);
        self.note_relations(&trace);
        self.replace_operands(index, &input, &trace)?;
        if !self.stopped {
            if self.solver.clock == Clock::Used {
                self.solver.looked_at = self.cpu_nanoseconds();
            }
            // A large corpus is a sign that mutation gets on by itself: then only what opened new code is worth probing.
            let worthwhile = self.schedule.entries[index].new_edge
                || self.schedule.entries.len() <= SMALL_CORPUS
                || self.executions_since_edge() >= RESTUDY_EXECUTIONS;
            if worthwhile && self.may_spend() {
                let solved = self.solve(&input, &trace);
                self.account();
                if let Some(guarded) = self.solver.guarded.take() {
                    self.solver.guarded_entries.insert(index, guarded);
                }
                solved?;
            }
        }
        self.trace = trace;
        Ok(())
    }

    /// When nothing was found for a while, favoured entries are studied again: what they lacked may be known by now,
    /// and the walk takes another way.
    pub(super) fn restudy(&mut self) -> Result<(), HarnessError> {
        let plateau = self.executions_since_edge() >= RESTUDY_EXECUTIONS;
        if self.executions < self.solver.next_restudy || !plateau || !self.may_spend() || self.stopped {
            return Ok(());
        }
        self.solver.next_restudy = self.executions + RESTUDY_EXECUTIONS;
        let favoured = self.schedule.favoured();
        if favoured.is_empty() {
            return Ok(());
        }
        self.solver.restudy_at += 1;
        let index = favoured[self.solver.restudy_at % favoured.len()];
        self.study(index)
    }

    /// Whether the solver may go on.
    fn may_spend(&self) -> bool {
        let all = match self.solver.clock {
            Clock::Used => self.solver.looked_at,
            Clock::Ignored => self.executions,
        };
        self.solver.spent < self.solver.bonus + all / SHARE
    }

    /// Whether it may search: less than it may spend in all, so that new entries always get the cheap ways.
    fn may_search(&self) -> bool {
        let all = match self.solver.clock {
            Clock::Used => self.solver.looked_at,
            Clock::Ignored => self.executions,
        };
        self.solver.searched < self.solver.bonus / 2 + all / SEARCH_SHARE && self.solver.search_runs_left > 0
    }

    /// Adds the time since the last look to what was spent.
    fn account(&mut self) {
        if self.solver.clock == Clock::Used {
            let now = self.cpu_nanoseconds();
            self.spend(now - self.solver.looked_at);
            self.solver.looked_at = now;
        }
    }

    fn spend(&mut self, amount: u64) {
        self.solver.spent += amount;
        if self.solver.searching {
            self.solver.searched += amount;
        }
    }

    /// A success earns what one costs elsewhere: as long as mutation alone finds things faster, it goes first.
    fn reward(&mut self) {
        self.solver.kept += 1;
        let all = match self.solver.clock {
            Clock::Used => self.solver.looked_at,
            Clock::Ignored => self.executions,
        };
        let elsewhere = all.saturating_sub(self.solver.spent) / (self.kept().saturating_sub(self.solver.kept) + 1);
        self.solver.bonus += elsewhere.min(BONUS[self.solver.clock as usize]);
    }

    fn note_relations(&mut self, trace: &Trace) {
        let sites = self.subject.compare_sites();
        self.solver.sites.resize(sites, SiteState::default());
        for fact in &trace.facts {
            let Some(site) = self.solver.sites.get_mut(fact.site as usize) else { continue };
            match fact.left.cmp(&fact.right) {
                std::cmp::Ordering::Less => site.seen_less = true,
                std::cmp::Ordering::Equal => site.seen_equal = true,
                std::cmp::Ordering::Greater => site.seen_greater = true,
            }
        }
    }

    fn urgency(&self, fact: &Fact) -> Urgency {
        if let Some((taken, not_taken)) = self.subject.decides(fact.site as usize) {
            let found = |edge: u32| self.feedback.is_found(edge as usize);
            return match (found(taken), found(not_taken)) {
                (true, true) => Urgency::Closed,
                _ => Urgency::Frontier,
            };
        }
        let Some(site) = self.solver.sites.get(fact.site as usize) else { return Urgency::Closed };
        let all_seen = match fact.relation {
            Relation::Equality => site.seen_equal,
            Relation::Order | Relation::Float => site.seen_less && site.seen_equal && site.seen_greater,
        };
        if all_seen { Urgency::Closed } else { Urgency::Open }
    }

    /// Input-to-state replacement: operands that occur in the input become what they were compared with.
    fn replace_operands(&mut self, index: usize, input: &[u8], trace: &Trace) -> Result<(), HarnessError> {
        let mut facts: Vec<(Urgency, Fact)> =
            distinct(trace).into_iter().map(|fact| (self.urgency(&fact), fact)).collect();
        // Of loops that are closed, the last turn may still be the one that ended it.
        let mut last_turns: HashMap<u32, usize> = HashMap::new();
        for (at, (urgency, fact)) in facts.iter().enumerate() {
            if *urgency == Urgency::Closed && fact.occurrence > 1 {
                last_turns.insert(fact.site, at);
            }
        }
        for at in last_turns.into_values() {
            facts[at].0 = Urgency::Turn;
        }
        let near = self.near_frontiers(trace);
        for (urgency, fact) in &mut facts {
            if *urgency < Urgency::Near && near.contains(&(fact.site, fact.left, fact.right)) {
                *urgency = Urgency::Near;
            }
        }
        facts.sort_by_key(|(urgency, _)| std::cmp::Reverse(*urgency));
        let len_max = self.havoc.len_max();
        // The most promising come first; how many are worth their executions, the yield so far tells.
        let cap = if self.schedule.entries.len() <= SMALL_CORPUS { EDITS_MAX } else { self.edits_worthwhile() };
        let mut edits = Vec::new();
        let mut known = HashSet::new();
        let mut take = |edit: Edit, edits: &mut Vec<Edit>| {
            let mut hasher = DefaultHasher::new();
            edit.hash(&mut hasher);
            if edits.len() < cap
                && input.len() - edit.len + edit.bytes.len() <= len_max
                && known.insert(hasher.finish())
            {
                edits.push(edit);
            }
        };
        for text in &trace.texts {
            if edits.len() < cap / 2 {
                text_edits(input, text, &mut |edit| take(edit, &mut edits));
            }
            self.learn_words(input, text);
        }
        for (urgency, fact) in &facts {
            if edits.len() < cap / 2 && *urgency > Urgency::Near && fact.relation != Relation::Float {
                plant(input, fact, &mut |edit| take(edit, &mut edits));
            }
        }
        for (urgency, fact) in &facts {
            if edits.len() >= cap {
                break;
            }
            // What is closed here may be open elsewhere: havoc gets its pairs, but it is not worth executions now.
            let share = match urgency {
                Urgency::Closed => 0,
                Urgency::Turn => cap / 8,
                Urgency::Near => cap / 2,
                Urgency::Open | Urgency::Frontier => cap,
            };
            if edits.len() < share {
                edits_of(input, fact, len_max, &mut |edit| take(edit, &mut edits));
            }
        }
        let mut pairs = Vec::new();
        for edit in &edits {
            if pairs.len() < PAIRS_MAX && edit.len > 0 && !edit.bytes.is_empty() && edit.bytes.len() <= 32 {
                pairs.push(Pair { from: input[edit.at..edit.at + edit.len].into(), to: edit.bytes.as_slice().into() });
            }
        }
        self.schedule.entries[index].pairs = pairs.into();
        let before = self.progress();
        let mut mutant = Vec::new();
        for edit in &edits {
            if self.stopped {
                return Ok(());
            }
            edit.apply(input, &mut mutant);
            if self.try_input(&mutant)? == Tried::Ended && self.hung() {
                break;
            }
        }
        self.note_edits(before);
        Ok(())
    }

    /// Operands of closed compares that stand shortly before one whose other edge was never hit.
    fn near_frontiers(&self, trace: &Trace) -> HashSet<(u32, u64, u64)> {
        let mut near = HashSet::new();
        for (at, fact) in trace.facts.iter().enumerate() {
            // Only verdicts: a number of its own right is worked on itself.
            if fact.left.abs_diff(fact.right).min(fact.signed(fact.left).abs_diff(fact.signed(fact.right))) <= 2
                && self.urgency(fact) == Urgency::Frontier
            {
                let from = at.saturating_sub(NEAR_FACTS);
                near.extend(trace.facts[from..at].iter().map(|fact| (fact.site, fact.left, fact.right)));
            }
        }
        near
    }

    /// Strings that the input was compared with become tokens.
    fn learn_words(&mut self, input: &[u8], text: &Text) {
        let occurs = |part: &[u8]| input.windows(part.len().max(1)).any(|window| window == part);
        let [left, right] = text.sides().map(|side| {
            let len = side.iter().position(|byte| *byte == 0).unwrap_or(side.len());
            &side[..len]
        });
        for (word, other) in [(left, right), (right, left)] {
            // Two structures in memory are compared in the same way: then neither side is text, nor from the input.
            let readable = word.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r' | 0x80..));
            if (readable || occurs(&other[..other.len().min(4)])) && !occurs(word) {
                self.havoc.prefer_token(word);
            }
        }
    }

    fn solve(&mut self, input: &[u8], trace: &Trace) -> Result<(), HarnessError> {
        let targets = self.targets(trace);
        if targets.is_empty() {
            return Ok(());
        }
        self.solver.guarded = None;
        let (mut dependences, candidates) = self.probe(input, trace, &targets)?;
        let mut guards = candidates.into_guards(input);
        // What stands behind a guard answers only when the guard is kept; there may be more guards there.
        for _ in 0..GUARD_PASSES_MAX {
            if guards.is_empty() || !self.may_spend() {
                break;
            }
            let known = guards.len();
            self.solver.guarded = Some(Rc::new(Guarded { base: input.into(), guards: guards.clone() }));
            let (behind, candidates) = self.probe(input, trace, &targets)?;
            for (dependences, behind) in dependences.iter_mut().zip(behind) {
                if dependences.is_empty() {
                    *dependences = behind;
                }
            }
            for guard in candidates.into_guards(input) {
                if !guards.iter().any(|known| known.fact == guard.fact) {
                    guards.push(guard);
                }
            }
            if guards.len() == known {
                break;
            }
        }
        self.solve_together(input, &targets, &dependences)?;
        let mut order: Vec<usize> = (0..targets.len()).filter(|target| !dependences[*target].is_empty()).collect();
        order.sort_by_key(|target| {
            let target = &targets[*target];
            (
                std::cmp::Reverse(target.urgency),
                self.solver.sites[target.fact.site as usize].attempts,
                target.fact.distance(),
            )
        });
        let mut solved = vec![false; targets.len()];
        for &index in order.iter().take(SUMS_MAX) {
            if self.stopped || !self.may_spend() {
                return Ok(());
            }
            let site = targets[index].fact.site as usize;
            if targets[index].urgency == Urgency::Turn {
                self.solver.sites[site].turns += 1;
                if self.solver.sites[site].turns > TURNS_IN_VAIN && self.havoc.below(16) != 0 {
                    continue;
                }
            }
            let edges = self.feedback.edges_found();
            if self.solve_by_sum(input, &targets[index], &dependences[index])? {
                solved[index] = true;
                self.solver.sites[site].attempts = 0;
            }
            if self.feedback.edges_found() > edges {
                self.solver.sites[site].turns = 0;
                self.reward();
            }
        }
        // What is left takes a search. Entries found on the way come first: see `search`.
        let mut per_site: HashMap<u32, u32> = HashMap::new();
        let mut work = Vec::new();
        for index in order {
            let of_site = per_site.entry(targets[index].fact.site).or_default();
            if !solved[index] && *of_site < 3 && work.len() < WORKED_ON_MAX {
                *of_site += 1;
                work.push((targets[index], dependences[index].clone()));
            }
        }
        work.reverse();
        if self.solver.searches.len() == SEARCHES_MAX {
            self.solver.searches.pop_front();
        }
        let guarded = self.solver.guarded.clone();
        self.solver.searches.push_back(Search { input: input.into(), guarded, work });
        Ok(())
    }

    /// Searches for one compare of the newest entry that has any left.
    pub(super) fn search(&mut self) -> Result<(), HarnessError> {
        let Some(search) = self.solver.searches.back_mut() else { return Ok(()) };
        let Some((target, dependences)) = search.work.pop() else {
            self.solver.searches.pop_back();
            return Ok(());
        };
        let input = Rc::clone(&search.input);
        self.solver.guarded = search.guarded.clone();
        if self.solver.clock == Clock::Used {
            self.solver.looked_at = self.cpu_nanoseconds();
        }
        self.solver.search_runs_left = SEARCH_RUNS_PER_TARGET;
        // Others may have opened it meanwhile.
        let urgency = self.urgency(&target.fact);
        let moot = urgency == Urgency::Closed && target.urgency > Urgency::Turn;
        let in_vain = self.solver.sites[target.fact.site as usize].attempts;
        if moot || !self.may_search() || (in_vain >= ATTEMPTS_IN_VAIN && self.havoc.below(4) != 0) {
            self.solver.guarded = None;
            return Ok(());
        }
        self.solver.sites[target.fact.site as usize].attempts += 1;
        self.solver.searching = true;
        let edges = self.feedback.edges_found();
        let found = self.solve_by_search(&input, &target, &dependences);
        self.account();
        self.solver.searching = false;
        self.solver.guarded = None;
        if found? {
            self.solver.sites[target.fact.site as usize].attempts = 0;
        }
        if self.feedback.edges_found() > edges {
            self.reward();
        }
        Ok(())
    }

    /// Unequal compares worth solving: what nothing has satisfied yet, and the last turn of loops of equal compares.
    fn targets(&mut self, trace: &Trace) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut last_of_site: HashMap<u32, usize> = HashMap::new();
        for (at, fact) in trace.facts.iter().enumerate() {
            let urgency = self.urgency(fact);
            if urgency == Urgency::Closed {
                match last_of_site.entry(fact.site) {
                    Entry::Occupied(last) if trace.facts[*last.get()].occurrence > fact.occurrence => {}
                    Entry::Occupied(mut last) => drop(last.insert(at)),
                    Entry::Vacant(last) => drop(last.insert(at)),
                }
            } else if !fact.holds_equal() || fact.relation != Relation::Equality {
                targets.push(Target { fact: *fact, urgency });
            }
        }
        targets.truncate(TARGETS_MAX);
        let mut chains: Vec<usize> = last_of_site.into_values().collect();
        chains.sort_unstable();
        for at in chains {
            let fact = trace.facts[at];
            let open = !fact.holds_equal() || fact.relation != Relation::Equality;
            if open && fact.occurrence > 1 && targets.len() < TARGETS_MAX + TURNS_MAX {
                targets.push(Target { fact, urgency: Urgency::Turn });
            }
        }
        targets
    }

    /// Changes every byte by one and sees which targets answer, as long as the run goes the same way: what differs after
    /// it went another way (another message printed) says nothing about operands.
    fn probe(
        &mut self,
        input: &[u8],
        base_trace: &Trace,
        targets: &[Target],
    ) -> Result<(Vec<Vec<Dependence>>, Candidates), HarnessError> {
        // By position in the trace: as long as runs go the same way, the same compare stands at the same place.
        let mut wanted = vec![u32::MAX; base_trace.facts.len()];
        let mut of_turn: HashMap<(u32, u32), u32> = HashMap::new();
        for (index, target) in targets.iter().enumerate() {
            of_turn.insert((target.fact.site, target.fact.occurrence), index as u32);
        }
        for (fact, wanted) in base_trace.facts.iter().zip(&mut wanted) {
            *wanted = of_turn.get(&(fact.site, fact.occurrence)).copied().unwrap_or(u32::MAX);
        }
        let mut candidates = Candidates::new(&base_trace.facts);
        let mut dependences = vec![Vec::new(); targets.len()];
        let mut mutant = input.to_vec();
        for at in 0..input.len().min(PROBED_BYTES_MAX) {
            if self.stopped || !self.may_spend() {
                break;
            }
            let old = input[at];
            let new = if old == 0xff { 0xfe } else { old + 1 };
            mutant.copy_from_slice(input);
            mutant[at] = new;
            let mut tried = self.trace_for_solver(&mutant)?;
            if tried == Tried::Same && self.solver.guarded.is_some() {
                tried = self.mend(&mut mutant)?;
            }
            if tried == Tried::Ended {
                if self.hung() {
                    break;
                }
                continue;
            }
            let step = new.wrapping_sub(old);
            for (index, fact) in aligned(&base_trace.facts, &self.trace.facts) {
                let before = &base_trace.facts[index];
                if (fact.left, fact.right) == (before.left, before.right) || fact.occurrence != before.occurrence {
                    continue;
                }
                if let Some(dependences) = dependences.get_mut(wanted[index] as usize) {
                    dependences.push(Dependence { at, step, left: fact.left, right: fact.right });
                }
                candidates.note(index, fact, at, step);
            }
        }
        Ok((dependences, candidates))
    }

    /// Writes anew, after the run at hand, what must agree with the rest of the input, and runs it again, until all does.
    fn mend(&mut self, mutant: &mut [u8]) -> Result<Tried, HarnessError> {
        let Some(guarded) = self.solver.guarded.clone() else { return Ok(Tried::Same) };
        for _ in 0..guarded.guards.len() {
            let broken = guarded.guards.iter().find_map(|guard| {
                let is_it = |fact: &&Fact| (fact.site, fact.occurrence) == (guard.fact.site, guard.fact.occurrence);
                let fact = self.trace.facts.iter().find(is_it)?;
                (!fact.holds_equal()).then_some((guard, *fact))
            });
            let Some((guard, fact)) = broken else { break };
            if self.stopped || !guard.mend(&guarded.base, mutant, &fact) {
                break;
            }
            let tried = self.trace_for_solver(mutant)?;
            if tried != Tried::Same {
                return Ok(tried);
            }
        }
        Ok(Tried::Same)
    }

    /// Runs a mutant of a guarded entry with its guards kept; `None` where the entry has none, or keeping them is of no use.
    pub(super) fn try_mended(&mut self, index: usize, mutant: &mut [u8]) -> Result<Option<Tried>, HarnessError> {
        let Some(guarded) = self.solver.guarded_entries.get(&index).map(Rc::clone) else { return Ok(None) };
        let [tries, kept] = self.solver.mended;
        if tries > MENDED_IN_VAIN * (kept + 1) && self.havoc.below(32) != 0 {
            return Ok(None);
        }
        self.solver.guarded = Some(guarded);
        let mut tried = self.trace_input(mutant)?;
        if tried == Tried::Same {
            tried = self.mend(mutant)?;
            self.solver.mended[1] += u64::from(tried != Tried::Same);
        }
        self.solver.mended[0] += 1;
        self.solver.guarded = None;
        Ok(Some(tried))
    }

    fn trace_for_solver(&mut self, input: &[u8]) -> Result<Tried, HarnessError> {
        let tried = self.trace_input(input)?;
        self.solver.runs += 1;
        if self.solver.searching {
            self.solver.search_runs_left = self.solver.search_runs_left.saturating_sub(1);
        }
        if self.solver.clock == Clock::Ignored {
            self.spend(1);
        } else if self.solver.runs.is_multiple_of(RUNS_PER_LOOK) {
            self.account();
        }
        Ok(tried)
    }

    /// Runs an input and finds the target in its trace; where a guard kept it away, with the guard satisfied.
    fn look(&mut self, input: &[u8], target: &Target) -> Result<Look, HarnessError> {
        let mut tried = self.trace_for_solver(input)?;
        let Target { fact: Fact { site, occurrence, .. }, .. } = *target;
        let is_it = |fact: &&Fact| fact.site == site && fact.occurrence == occurrence;
        let mut fact = self.trace.facts.iter().find(is_it).copied();
        if fact.is_none() && tried == Tried::Same && self.solver.guarded.is_some() {
            tried = self.mend(&mut input.to_vec())?;
            fact = self.trace.facts.iter().find(is_it).copied();
        }
        Ok(Look { fact, tried })
    }

    /// Satisfies as many compares as have solutions in bytes of their own, all in one input: flags that are collected
    /// and only counted at the end.
    fn solve_together(
        &mut self,
        input: &[u8],
        targets: &[Target],
        dependences: &[Vec<Dependence>],
    ) -> Result<(), HarnessError> {
        let mut sites: Vec<u32> = targets.iter().map(|target| target.fact.site).collect();
        sites.sort_unstable();
        sites.dedup();
        let mut groups: Vec<Option<u32>> = vec![None];
        if sites.len() > 1 {
            groups.extend(sites.into_iter().take(32).map(Some));
        }
        for group in groups {
            let mut mutant = input.to_vec();
            let mut written = HashSet::new();
            let mut solved = 0;
            for (target, dependences) in targets.iter().zip(dependences) {
                let in_group = group.is_none_or(|site| site == target.fact.site);
                if !in_group
                    || target.fact.relation != Relation::Equality
                    || dependences.is_empty()
                    || dependences.len() > 8
                {
                    continue;
                }
                let Some(solution) = solve_sum(input, &target.fact, &target.fact, dependences, 0..=255) else {
                    continue;
                };
                if solution.iter().all(|(at, _)| !written.contains(at)) {
                    for (at, value) in solution {
                        written.insert(at);
                        mutant[at] = value;
                    }
                    solved += 1;
                }
            }
            if solved > 1 && !self.stopped && self.trace_for_solver(&mutant)? == Tried::Ended {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Solves a compare whose operands are sums of bytes.
    fn solve_by_sum(
        &mut self,
        input: &[u8],
        target: &Target,
        dependences: &[Dependence],
    ) -> Result<bool, HarnessError> {
        let mut mutant = input.to_vec();
        let offsets: &[i8] = if target.fact.relation == Relation::Equality { &[0] } else { &[0, 1, -1] };
        for (values, offset) in [0..=255, b'0'..=b'9']
            .into_iter()
            .flat_map(|values| offsets.iter().map(move |offset| (values.clone(), *offset)))
        {
            let goal = Fact { right: target.fact.right.wrapping_add_signed(offset.into()), ..target.fact };
            let Some(solution) = solve_sum(input, &target.fact, &goal, dependences, values) else { continue };
            mutant.copy_from_slice(input);
            for (at, value) in solution {
                mutant[at] = value;
            }
            if self.is_solved(&mutant, target)? {
                match dependences {
                    [only] => self.chain(mutant, target, only.at)?,
                    _ => self.pursue(mutant, target)?,
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// After a turn of a loop was solved: the next turns of the same compare, one after the other.
    fn pursue(&mut self, mut input: Vec<u8>, target: &Target) -> Result<(), HarnessError> {
        for _ in 0..PURSUED_MAX {
            if self.stopped || !self.may_spend() || self.trace_for_solver(&input)? == Tried::Ended {
                return Ok(());
            }
            let trace = std::mem::take(&mut self.trace);
            let mut targets = self.targets(&trace);
            targets.retain(|next| next.fact.site == target.fact.site && next.fact.occurrence > target.fact.occurrence);
            targets.truncate(1);
            let [next] = targets[..] else { return Ok(()) };
            let (mut dependences, _) = self.probe(&input, &trace, &targets)?;
            let dependences = dependences.pop().unwrap_or_default();
            let Some(solution) = solve_sum(&input, &next.fact, &next.fact, &dependences, 0..=255) else {
                return Ok(());
            };
            for (at, value) in solution {
                input[at] = value;
            }
        }
        Ok(())
    }

    /// Works on one compare until it is satisfied, its other edge is hit, or all ways are tried.
    fn solve_by_search(
        &mut self,
        input: &[u8],
        target: &Target,
        dependences: &[Dependence],
    ) -> Result<bool, HarnessError> {
        if dependences.len() > BYTES_OF_A_TARGET_MAX {
            return Ok(false);
        }
        if target.fact.relation == Relation::Equality
            && dependences.len() > 1
            && self.solve_bits(input, target, dependences)?
        {
            return Ok(true);
        }
        let places = self.widen(input, target, dependences)?;
        // Numbers that must be equal have bits that are right or wrong; others have a distance.
        if target.fact.relation == Relation::Equality
            && places.len() > 1
            && self.walk(input.to_vec(), target, &places)?
        {
            return Ok(true);
        }
        let Some(nearest) = self.descend(input, target, &places)? else { return Ok(true) };
        if target.fact.relation != Relation::Equality && places.len() > 1 {
            return self.walk(nearest, target, &places);
        }
        Ok(false)
    }

    fn is_solved(&mut self, mutant: &[u8], target: &Target) -> Result<bool, HarnessError> {
        let look = self.look(mutant, target)?;
        Ok(look.tried != Tried::Same || self.goes_on(target, look.fact.as_ref()))
    }

    /// Whether the trace at hand shows what a target was worked on for.
    fn goes_on(&self, target: &Target, fact: Option<&Fact>) -> bool {
        if target.urgency == Urgency::Turn {
            return self
                .trace
                .facts
                .iter()
                .any(|fact| fact.site == target.fact.site && fact.occurrence > target.fact.occurrence);
        }
        fact.is_some_and(|fact| satisfied(target, fact))
    }

    /// Solves by elimination over single bits, lightest effects first, so that plain copies of an operand win over
    /// checksums of everything else.
    fn solve_bits(&mut self, input: &[u8], target: &Target, dependences: &[Dependence]) -> Result<bool, HarnessError> {
        let base = target.fact.left ^ target.fact.right;
        let mut columns: Vec<(u64, usize, u8)> = Vec::new();
        let mut mutant = input.to_vec();
        for dependence in dependences {
            for bit in 0..8 {
                if self.stopped || !self.may_search() {
                    return Ok(false);
                }
                mutant[dependence.at] ^= 1 << bit;
                let look = self.look(&mutant, target)?;
                mutant[dependence.at] ^= 1 << bit;
                if let Some(fact) = look.fact {
                    if self.goes_on(target, Some(&fact)) {
                        return Ok(true);
                    }
                    let effect = base ^ fact.left ^ fact.right;
                    if effect != 0 {
                        columns.push((effect, dependence.at, bit));
                    }
                }
            }
        }
        columns.sort_by_key(|(effect, _, _)| effect.count_ones());
        let Some(flips) = eliminate(&columns, base) else { return Ok(false) };
        for (at, bit) in flips {
            mutant[at] ^= 1 << bit;
        }
        self.is_solved(&mutant, target)
    }

    /// The bytes that a target depends on, and those near them that showed no effect only because another one hid it.
    fn widen(&mut self, input: &[u8], target: &Target, dependences: &[Dependence]) -> Result<Vec<usize>, HarnessError> {
        const AROUND: usize = 16;
        let mut places: Vec<usize> = dependences.iter().map(|dependence| dependence.at).collect();
        let (Some(first), Some(last)) = (places.first().copied(), places.last().copied()) else { return Ok(places) };
        let mut mutant = input.to_vec();
        for at in first.saturating_sub(AROUND)..(last + AROUND + 1).min(input.len()) {
            if places.contains(&at) || places.len() >= BYTES_OF_A_TARGET_MAX || self.stopped || !self.may_search() {
                continue;
            }
            mutant[at] ^= 0xff;
            let look = self.look(&mutant, target)?;
            mutant[at] ^= 0xff;
            if look.fact.is_some_and(|fact| (fact.left, fact.right) != (target.fact.left, target.fact.right)) {
                places.push(at);
            }
        }
        places.sort_unstable();
        Ok(places)
    }

    /// Coordinate descent: for each byte the value that brings the operands nearest, until nothing gets nearer.
    /// `None` where that solved it; else the nearest input.
    fn descend(&mut self, input: &[u8], target: &Target, places: &[usize]) -> Result<Option<Vec<u8>>, HarnessError> {
        let mut best = input.to_vec();
        let mut nearest = nearness(&target.fact);
        for _ in 0..4 {
            let before = nearest;
            for &at in places {
                let old = best[at];
                let mut chosen = old;
                for value in 0..=255 {
                    if value == old {
                        continue;
                    }
                    if self.stopped || !self.may_search() {
                        best[at] = chosen;
                        return Ok(Some(best));
                    }
                    best[at] = value;
                    let look = self.look(&best, target)?;
                    if look.tried != Tried::Same
                        && target.urgency == Urgency::Frontier
                        && self.urgency(&target.fact) == Urgency::Closed
                    {
                        return Ok(None);
                    }
                    let Some(fact) = look.fact else { continue };
                    if self.goes_on(target, Some(&fact)) {
                        return Ok(None);
                    }
                    if nearness(&fact) < nearest {
                        nearest = nearness(&fact);
                        chosen = value;
                    }
                }
                best[at] = chosen;
            }
            if nearest == before {
                break;
            }
        }
        Ok(Some(best))
    }

    /// A random walk over the bytes that matter; steps to equally near inputs are taken, so that conditions on several
    /// bits at once fall one after the other.
    fn walk(&mut self, mut best: Vec<u8>, target: &Target, places: &[usize]) -> Result<bool, HarnessError> {
        let mut nearest = u32::MAX;
        let mut mutant = best.clone();
        let mut runs = 0;
        while runs < WALK_RUNS {
            runs += 1;
            if self.stopped || !self.may_search() {
                return Ok(false);
            }
            mutant.copy_from_slice(&best);
            let changes = 1 + usize::from(self.havoc.below(4) == 0);
            for _ in 0..changes {
                let at = places[self.havoc.below(places.len())];
                let roll = self.havoc.next();
                mutant[at] = match roll >> 61 {
                    0 => (roll & 0xff) as u8,
                    1 => mutant[at].wrapping_add(1 + (roll & 3) as u8),
                    2 => mutant[at].wrapping_sub(1 + (roll & 3) as u8),
                    _ => mutant[at] ^ 1 << (roll & 7),
                };
            }
            let look = self.look(&mutant, target)?;
            if look.tried != Tried::Same && self.urgency(&target.fact) == Urgency::Closed {
                return Ok(true);
            }
            let Some(fact) = look.fact else { continue };
            if self.goes_on(target, Some(&fact)) {
                return Ok(true);
            }
            let distance = match fact.relation {
                Relation::Equality => (fact.left ^ fact.right).count_ones(),
                _ => 64 - fact.distance().leading_zeros(),
            };
            if distance < nearest {
                runs = 0;
            }
            if distance <= nearest {
                nearest = distance;
                std::mem::swap(&mut best, &mut mutant);
            }
        }
        Ok(false)
    }

    /// After one byte was made equal: the next turn of the same compare probably looks at the next byte. Goes on as long
    /// as the trace gets longer, and makes the input longer when it ends.
    fn chain(&mut self, mut input: Vec<u8>, target: &Target, at: usize) -> Result<(), HarnessError> {
        let mut target = *target;
        let mut at = at;
        for step in 0..CHAIN_STEPS_MAX {
            if self.stopped || !self.may_spend() {
                return Ok(());
            }
            if self.trace_for_solver(&input)? == Tried::Ended {
                return Ok(());
            }
            let (site, solved) = (target.fact.site, target.fact.occurrence);
            let last =
                self.trace.facts.iter().filter(|fact| fact.site == site).max_by_key(|fact| fact.occurrence).copied();
            let count = last.map_or(0, |last| last.occurrence);
            let last = last.filter(|last| count > solved && !last.holds_equal());
            let next = at + count.saturating_sub(solved) as usize;
            if last.is_none() && count <= solved && at + 1 < input.len() {
                return Ok(());
            }
            let Some(last) = last.filter(|_| next < input.len()) else {
                let longer = (input.len() * 2).min(self.havoc.len_max()).min(CHAIN_STEPS_MAX);
                if step < 4 || longer <= input.len() {
                    return Ok(());
                }
                input.resize(longer, input.last().map_or(0, |byte| byte.wrapping_add(1)));
                continue;
            };
            (at, target.fact.occurrence) = (next, count);
            let (left, right) = (last.left as u8, last.right as u8);
            input[at] = if input[at] == right { left } else { right };
        }
        Ok(())
    }
}

/// Compares of two runs that stand at the same place as long as the runs go the same way: the index in `base`, and what
/// the other run saw. The last turns of a busy loop stand where its log was full, and there may be more or fewer of them.
fn aligned<'a>(base: &'a [Fact], other: &'a [Fact]) -> impl Iterator<Item = (usize, &'a Fact)> {
    let (mut at, mut other_at) = (0, 0);
    let is_last_turn = |fact: &Fact| fact.occurrence > crate::instrument::COMPARES_FROM_THE_START;
    std::iter::from_fn(move || {
        loop {
            let (before, fact) = (base.get(at)?, other.get(other_at)?);
            if before.site == fact.site {
                (at, other_at) = (at + 1, other_at + 1);
                return Some((at - 1, fact));
            } else if is_last_turn(before) {
                at += 1;
            } else if is_last_turn(fact) {
                other_at += 1;
            } else {
                return None;
            }
        }
    })
}

/// Writes operands that do not occur in the input into its first places, as text: what a parser makes of no digits is
/// nothing that could be found.
fn plant(input: &[u8], fact: &Fact, edit: &mut impl FnMut(Edit)) {
    const PLACES: usize = 8;
    for value in [fact.left, fact.right] {
        let text = fact.signed(value).to_string();
        if text.len() < 2 {
            continue;
        }
        for at in 0..=input.len().min(PLACES) {
            edit(Edit { at, len: text.len().min(input.len() - at), bytes: text.clone().into_bytes() });
        }
    }
}

/// Whether a target's compare came out as it never had.
fn satisfied(target: &Target, fact: &Fact) -> bool {
    match fact.relation {
        Relation::Equality => fact.holds_equal(),
        // A crossing is seen by its edge; without one, meeting is the goal.
        Relation::Order | Relation::Float => fact.holds_equal() && target.urgency == Urgency::Open,
    }
}

/// Smaller is nearer: first the distance, then the number of differing bits.
fn nearness(fact: &Fact) -> (u64, u32) {
    let bits = (fact.left ^ fact.right).count_ones();
    match fact.relation {
        Relation::Equality => (u64::from(bits).min(fact.distance()), bits),
        _ => (fact.distance(), bits),
    }
}
