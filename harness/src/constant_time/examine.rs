//! One entry: secrets and public inputs, executions hashed and compared, those that differ walked in step, and what
//! drives each difference.

use super::lockstep::{Difference, walk};
use super::publics;
use super::secrets;
use super::{Answer, Question, covers};
use crate::HarnessError;
use crate::execution::{Outcome, RawFrame};
use crate::executors::{self, Build, Executor};
use crate::instrument::{self, TraceEvent, TraceSite};
use crate::minimise::{Candidate, Pin, cover};
use crate::symbols::Frame;
use crate::target::{Allowed, Policy, Script, Secrecy, zero_extended};
use autoclave_reports::Verdict;
use autoclave_reports::constant_time::{Handled, Leak, Unreached};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

/// Fuel for all hashed executions of an entry, of the instrumented module: about a second and a half of work.
const RUNS_FUEL: u64 = 1_500_000_000;
/// Fuel for the search for public inputs: about half a second.
const SEARCH_FUEL: u64 = 500_000_000;
/// Executions that an entry gets however long one takes.
const RUNS_MIN: usize = 128;
/// Executions of the search that an entry gets however long one takes.
const SEARCH_MIN: u64 = 500;
/// Secrets with every public input but the first.
const LATER_SECRETS: usize = 40;
/// Inputs whose secrets are tried with every public input.
const PATHS_MAX: usize = 32;
/// Pairs of executions that are walked in step.
const PAIRS_MAX: usize = 64;
/// Walks in which a site may differ without being found in step, before it counts as a consequence of others.
const WALKS_PER_SITE: u32 = 3;
/// Events of one execution that are walked.
const EVENTS_MAX: usize = 4 << 20;
/// Executions whose events are counted.
const COUNTED_MAX: usize = 32;
/// Executions around which secret bytes are flipped.
const FLIPPED_MAX: usize = 4;
/// Secret bytes that are flipped, of long secrets.
const FLIPPED_BYTES_MAX: usize = 256;
/// Bits of each byte that are flipped.
const FLIPPED_BITS: [u8; 2] = [0x01, 0x80];
/// Bytes of secrets and public inputs in the report.
const SHOWN_BYTES_MAX: usize = 256;
/// Functions with unreached sites in the report.
const UNREACHED_MAX: usize = 64;
/// A declassified outcome that takes more values than this, and than one for every so many secrets, reveals the secret.
const CLASSES_MAX: usize = 4;
const SECRETS_PER_CLASS: usize = 4;
/// What the host answers in a second set of executions, where the entry asks it.
const OTHER_HOST: u64 = 0x6f74_6865_7221;

/// Compares the executions of one entry, and says what depends on its secrets.
///
/// # Errors
/// Of the engine: a module that cannot be run or instrumented at all.
pub fn examine(question: &Question<'_>) -> Result<Answer, HarnessError> {
    let Question { target, entry, .. } = question;
    let mut handled = Handled { entry: (*entry).to_owned(), policy: String::new(), ..Handled::default() };
    let Some(script) = target.scripts.get(*entry).map(Arc::clone) else {
        handled.verdict = Verdict::NotTested("nobody says which of its arguments are secret".to_owned());
        return Ok(Answer { handled, ..Answer::default() });
    };
    handled.script.clone_from(&script.text);
    if !script.has_secret() {
        handled.verdict = Verdict::NotApplicable("its script names no secret".to_owned());
        return Ok(Answer { handled, ..Answer::default() });
    }
    let mut runs = Runs::new(question, script)?;
    let answer = runs.examine(handled);
    let executions = runs.executions;
    answer.map(|answer| Answer { executions, ..answer })
}

/// One hashed execution.
#[derive(Debug, Clone)]
struct Run {
    /// Public input, by index.
    base: usize,
    secret: Vec<u8>,
    input: Vec<u8>,
    /// What the host answered.
    host: Option<u64>,
    outcome: Outcome,
    /// The declassified part of what it gave back.
    shown: Vec<u8>,
    /// Everything that it gave back.
    output: Vec<u8>,
    /// Hash of every site, by index.
    vector: usize,
}

/// Where an execution may be compared: same public input, same host, same declassified outcome.
type Class = (usize, Option<u64>, Vec<u8>);

struct Runs<'a> {
    hash: Executor,
    record: Option<Executor>,
    script: Arc<Script>,
    question: &'a Question<'a>,
    list: Vec<Run>,
    /// Values of all fields.
    bases: Vec<Vec<Vec<u8>>>,
    /// The same of inputs that open paths, whose secrets are worth trying with every public input.
    paths: Vec<Vec<Vec<u8>>>,
    vectors: Vec<Rc<[u64]>>,
    known: HashMap<Rc<[u64]>, usize>,
    /// Events of an execution with that vector.
    lengths: HashMap<usize, u64>,
    executions: u64,
}

/// A site that differed in step, with the first pair that shows it.
struct Found {
    pair: (usize, usize),
    difference: Difference,
    pairs: u64,
}

impl<'a> Runs<'a> {
    fn new(question: &'a Question<'a>, script: Arc<Script>) -> Result<Self, HarnessError> {
        let Question { engine, target, entry, .. } = question;
        Ok(Self {
            hash: Executor::tracing(engine, target, entry, Build::Trace, &target.limits)?,
            record: None,
            script,
            question,
            list: Vec::new(),
            bases: Vec::new(),
            paths: Vec::new(),
            vectors: Vec::new(),
            known: HashMap::new(),
            lengths: HashMap::new(),
            executions: 0,
        })
    }

    fn examine(&mut self, mut handled: Handled) -> Result<Answer, HarnessError> {
        let question = self.question;
        let first = publics::plain(&self.script, question.seed);
        let probe = self.run(0, &first[0], None);
        if let Some(reason) = self.unsteady(&probe, &first[0]) {
            handled.verdict = Verdict::NotTested(reason);
            return Ok(Answer { handled, ..Answer::default() });
        }
        let fuel = self.hash.fuel_used().unwrap_or(1).max(1);
        let search = (SEARCH_FUEL / fuel).clamp(SEARCH_MIN, question.search_runs.max(SEARCH_MIN));
        let search = search.min(question.search_runs);
        self.bases = self.choose(first, search)?;
        let hosts = self.hosts(&mut handled);
        let runs_max = ((RUNS_FUEL / fuel) as usize).max(RUNS_MIN);
        self.run_all(&hosts, runs_max);

        let policy = self.policy(&mut handled);
        let classes = self.classes(policy);
        handled.policy = policy.name().to_owned();
        handled.secrets = self.list.iter().map(|run| &run.secret).collect::<BTreeSet<_>>().len() as u64;
        handled.publics = self.list.iter().map(|run| run.base).collect::<BTreeSet<_>>().len() as u64;
        handled.runs = self.list.len() as u64;
        handled.classes = classes.len() as u64;
        handled.alone = classes.values().filter(|runs| runs.len() == 1).count() as u64;
        let differing = self.differing(&classes);
        let found = self.walk_pairs(&classes, &mut handled)?;
        self.note_reach(&mut handled);
        handled.secondary = differing.difference(&found.keys().copied().collect()).count() as u64;
        if policy == Policy::Relaxed {
            let strict = self.differing(&self.classes(Policy::Strict));
            let more = strict.difference(&differing).count();
            if more > 0 {
                handled.notes.push(format!(
                    "the strict policy would find {more} more sites that differ, all of them between declassified outcomes"
                ));
            }
        }
        handled.events = self.count_events()?;
        let mut answer = Answer { handled, ..Answer::default() };
        self.tell(found, &mut answer);
        self.tell_of_traps(&mut answer)?;
        self.attribute(&mut answer);
        self.conclude(&mut answer);
        Ok(answer)
    }

    /// Why the entry cannot be compared with itself: the same input twice gives different work.
    fn unsteady(&mut self, first: &Run, values: &[Vec<u8>]) -> Option<String> {
        let again = self.run(0, values, None);
        if is_same(first, &again) {
            return None;
        }
        let site = differences(&self.vectors[first.vector], &self.vectors[again.vector]).next();
        let place = site.map_or_else(String::new, |site| format!(", first {}", self.place(site)));
        Some(format!("not deterministic: the same secret twice gives different work or answers{place}"))
    }

    /// Hashes one execution. `base` is only noted.
    fn run(&mut self, base: usize, values: &[Vec<u8>], host: Option<u64>) -> Run {
        let input = self.script.join(values);
        self.hash.set_host_seed(host);
        let outcome = self.hash.run(&input);
        self.executions += 1;
        let words = self.hash.accumulators().as_chunks::<8>().0;
        let vector: Rc<[u64]> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let index = match self.known.get(&vector) {
            Some(index) => *index,
            None => {
                self.vectors.push(Rc::clone(&vector));
                self.known.insert(vector, self.vectors.len() - 1);
                self.vectors.len() - 1
            }
        };
        let output = self.hash.output().to_vec();
        let shown = if outcome.came_back() { shown(&self.script, &output) } else { Vec::new() };
        let secret = secrets::of(&self.script, values);
        Run { base, secret, input, host, outcome, shown, output, vector: index }
    }

    fn place(&self, site: u32) -> String {
        let site = &self.hash.instrumented().traced[site as usize];
        format!("at {} in {}", site.operation, self.question.symbols.function_name(site.function))
    }

    /// Public inputs: plain ones first, then those that reach the rest, then some beside these.
    fn choose(&mut self, plain: Vec<Vec<Vec<u8>>>, search: u64) -> Result<Vec<Vec<Vec<u8>>>, HarnessError> {
        let Question { engine, target, entry, publics, corpus, seed, .. } = *self.question;
        let mut seeds: Vec<Vec<u8>> = plain.iter().map(|values| self.script.join(values)).collect();
        seeds.extend(corpus.iter().cloned());
        let inputs = match search {
            0 => seeds,
            _ => publics::searched(engine, target, entry, &self.script, seeds, search, seed)?,
        };
        let found = inputs.iter().skip(plain.len()).rev();
        self.paths = found.take(PATHS_MAX).map(|input| self.script.values(input)).collect();
        let candidates: Vec<Candidate> = inputs
            .iter()
            .enumerate()
            .map(|(index, input)| {
                let run = self.run(0, &self.script.values(input), None);
                let reached = self.vectors[run.vector].iter().enumerate().filter(|(_, hash)| **hash != 0);
                Candidate {
                    bytes: index as u64,
                    features: reached.map(|(site, _)| site as u32).collect(),
                    pin: if index < plain.len() { Pin::Kept } else { Pin::Free },
                }
            })
            .collect();
        let (mut list, mut seen) = (Vec::new(), BTreeSet::new());
        let kept: Vec<Vec<Vec<u8>>> =
            cover(&candidates).into_iter().map(|at| self.script.values(&inputs[at])).collect();
        // The last finds lie deepest, and so do the inputs beside them.
        let deep = kept.iter().skip(plain.len()).rev().take(publics);
        let beside = deep.clone().flat_map(|values| publics::beside(&self.script, values));
        let order = kept[..plain.len()].iter().cloned().chain(interleave(deep.cloned().collect(), beside.collect()));
        for values in order {
            if list.len() < publics.max(1) && seen.insert(publics::key(&self.script, &values)) {
                list.push(values);
            }
        }
        Ok(list)
    }

    /// The answers of the host that executions are made under: another set where the entry's work depends on them.
    fn hosts(&mut self, handled: &mut Handled) -> Vec<Option<u64>> {
        let base = self.bases[0].clone();
        let first = self.run(0, &base, None);
        let calls: Vec<String> = self
            .hash
            .execution()
            .host_calls
            .iter()
            .filter(|call| call.count > 0)
            .map(|call| call.import.clone())
            .collect();
        if calls.is_empty() {
            return vec![None];
        }
        let other = self.run(0, &base, Some(OTHER_HOST));
        if is_same(&first, &other) {
            return vec![None];
        }
        handled.notes.push(format!(
            "its work or its answers depend on what the host answers ({}): secrets are compared under two fixed sets of answers",
            calls.join(", ")
        ));
        vec![None, Some(OTHER_HOST)]
    }

    fn run_all(&mut self, hosts: &[Option<u64>], runs_max: usize) {
        let bases = self.bases.clone();
        for (index, values) in bases.iter().enumerate() {
            let left = runs_max.saturating_sub(self.list.len()) / hosts.len();
            let count = if index == 0 { self.question.secrets } else { LATER_SECRETS.min(self.question.secrets) };
            let seed = self.question.seed ^ index as u64;
            for secret in secrets::secrets(&self.script, values, &self.paths, count.min(left), seed) {
                for host in hosts {
                    let run = self.run(index, &secrets::with(&self.script, values, &secret), *host);
                    self.list.push(run);
                }
            }
        }
    }

    /// The policy that can be followed: a declassified outcome that tells secrets apart hides every leak.
    fn policy(&self, handled: &mut Handled) -> Policy {
        if self.question.policy == Policy::Strict || !self.script.shows_anything() {
            return Policy::Strict;
        }
        let mut outcomes: BTreeMap<(usize, Option<u64>), (usize, BTreeSet<&[u8]>)> = BTreeMap::new();
        for run in &self.list {
            let entry = outcomes.entry((run.base, run.host)).or_default();
            entry.0 += 1;
            entry.1.insert(&run.shown);
        }
        let revealing = outcomes.values().map(|(runs, shown)| (*runs, shown.len()));
        let revealing = revealing.filter(|(runs, shown)| *shown > CLASSES_MAX.max(runs / SECRETS_PER_CLASS)).max();
        let Some((runs, shown)) = revealing else { return Policy::Relaxed };
        handled.notes.push(format!(
            "what is declassified takes {shown} values for {runs} secrets: it reveals the secret, and is not accepted as a reason to differ; judged by the strict policy"
        ));
        Policy::Strict
    }

    fn classes(&self, policy: Policy) -> BTreeMap<Class, Vec<usize>> {
        let mut classes: BTreeMap<Class, Vec<usize>> = BTreeMap::new();
        for (index, run) in self.list.iter().enumerate() {
            let shown = if policy == Policy::Strict { Vec::new() } else { run.shown.clone() };
            classes.entry((run.base, run.host, shown)).or_default().push(index);
        }
        classes
    }

    /// Sites whose hashes differ inside of some class.
    fn differing(&self, classes: &BTreeMap<Class, Vec<usize>>) -> BTreeSet<u32> {
        let mut sites = BTreeSet::new();
        for runs in classes.values() {
            let first = &self.vectors[self.list[runs[0]].vector];
            let others: BTreeSet<usize> = runs.iter().map(|run| self.list[*run].vector).collect();
            for other in others {
                sites.extend(differences(first, &self.vectors[other]));
            }
        }
        sites
    }

    /// Walks pairs in step until every site that differs was seen to, or is known as a consequence of others.
    fn walk_pairs(
        &mut self,
        classes: &BTreeMap<Class, Vec<usize>>,
        handled: &mut Handled,
    ) -> Result<BTreeMap<u32, Found>, HarnessError> {
        // One pair for each kind of execution; those that differ in few places show what others hide.
        let mut pairs: Vec<(usize, usize, Vec<u32>)> = Vec::new();
        for runs in classes.values() {
            let mut kinds: BTreeMap<usize, usize> = BTreeMap::new();
            for run in runs {
                kinds.entry(self.list[*run].vector).or_insert(*run);
            }
            let mut kinds: Vec<usize> = kinds.into_values().collect();
            kinds.sort_unstable();
            let first = kinds[0];
            for (index, other) in kinds.iter().enumerate().skip(1) {
                // Beside the first of all, and beside the one before: neighbours are often alike.
                for one in BTreeSet::from([first, kinds[index - 1]]) {
                    let sites =
                        differences(&self.vectors[self.list[one].vector], &self.vectors[self.list[*other].vector]);
                    pairs.push((one, *other, sites.collect()));
                }
            }
        }
        if let Some((lived, died)) = self.unequal_ends() {
            // That it ends otherwise is never declassified.
            let sites = differences(&self.vectors[self.list[lived].vector], &self.vectors[self.list[died].vector]);
            pairs.push((lived, died, sites.collect()));
        }
        pairs.sort_by_key(|(one, other, sites)| (sites.len(), *one, *other));
        let mut found: BTreeMap<u32, Found> = BTreeMap::new();
        let mut walks: BTreeMap<u32, u32> = BTreeMap::new();
        let (mut walked, mut parted) = (0, false);
        for (one, other, sites) in pairs {
            let is_open = |site: &u32| !found.contains_key(site) && walks.get(site).is_none_or(|n| *n < WALKS_PER_SITE);
            if walked == PAIRS_MAX || !sites.iter().any(is_open) {
                continue;
            }
            walked += 1;
            let (a, b) = (self.events(one)?, self.events(other)?);
            let walk = walk(&a, &b, &self.hash.instrumented().traced);
            let percent = (100 * walk.compared).checked_div(walk.total).unwrap_or(100) as u32;
            handled.walked_percent = Some(handled.walked_percent.map_or(percent, |least| least.min(percent)));
            parted |= walk.parted.is_some() && self.list[one].outcome == self.list[other].outcome;
            for difference in walk.differences {
                found.entry(difference.site).and_modify(|found| found.pairs += 1).or_insert(Found {
                    pair: (one, other),
                    difference,
                    pairs: 1,
                });
            }
            for site in sites {
                *walks.entry(site).or_default() += 1;
            }
        }
        handled.pairs = walked as u64;
        if parted {
            let untraced: BTreeSet<&str> =
                self.hash.instrumented().untraced.iter().map(|untraced| untraced.operation).collect();
            let untraced: Vec<&str> = untraced.into_iter().collect();
            handled.notes.push(format!(
                "some executions part where no operand that is traced differs; not traced in this module: {}",
                if untraced.is_empty() { "nothing".to_owned() } else { untraced.join(", ") }
            ));
        }
        Ok(found)
    }

    /// All events of an execution, up to a limit, in windows of what one recording holds.
    fn events(&mut self, run: usize) -> Result<Vec<TraceEvent>, HarnessError> {
        let Question { engine, target, entry, .. } = self.question;
        if self.record.is_none() {
            self.record = Some(Executor::tracing(engine, target, entry, Build::Record, &target.limits)?);
        }
        let record = self.record.as_mut().expect("made above");
        let run = &self.list[run];
        record.set_host_seed(run.host);
        let mut list = Vec::new();
        loop {
            record.set_events_from(list.len() as u64);
            record.run(&run.input);
            self.executions += 1;
            let (total, events) = instrument::events(record.events());
            let before = list.len();
            list.extend(events.take(EVENTS_MAX - before));
            self.lengths.insert(run.vector, total);
            if list.len() as u64 >= total || list.len() >= EVENTS_MAX || list.len() == before {
                return Ok(list);
            }
        }
    }

    /// Events of all executions together, as far as they were counted.
    fn count_events(&mut self) -> Result<u64, HarnessError> {
        for index in 0..self.list.len() {
            if self.lengths.len() < COUNTED_MAX && !self.lengths.contains_key(&self.list[index].vector) {
                self.events(index)?;
            }
        }
        Ok(self.list.iter().filter_map(|run| self.lengths.get(&run.vector)).sum())
    }

    fn note_reach(&self, handled: &mut Handled) {
        let traced = &self.hash.instrumented().traced;
        let mut reached = vec![false; traced.len()];
        for run in &self.list {
            for (site, hash) in self.vectors[run.vector].iter().enumerate() {
                reached[site] |= *hash != 0;
            }
        }
        let mut functions: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for (site, reached) in traced.iter().zip(&reached) {
            let counts = functions.entry(site.function).or_default();
            counts.0 += 1;
            counts.1 += u64::from(!reached);
        }
        functions.retain(|_, (sites, unreached)| unreached < sites);
        handled.sites_reached = reached.iter().filter(|reached| **reached).count() as u64;
        handled.sites_total = functions.values().map(|(sites, _)| sites).sum();
        let mut list: Vec<Unreached> = functions
            .iter()
            .filter(|(_, (_, unreached))| *unreached > 0)
            .map(|(function, (sites, unreached))| Unreached {
                function: self.question.symbols.function_name(*function),
                sites: *sites,
                unreached: *unreached,
            })
            .collect();
        list.sort_by(|a, b| b.unreached.cmp(&a.unreached).then_with(|| a.function.cmp(&b.function)));
        list.truncate(UNREACHED_MAX);
        handled.unreached = list;
    }

    /// Leaks as the report shows them.
    fn tell(&self, found: BTreeMap<u32, Found>, answer: &mut Answer) {
        let mut found: Vec<Found> = found.into_values().collect();
        let traced = &self.hash.instrumented().traced;
        let site = |found: &Found| &traced[found.difference.site as usize];
        found.sort_by_key(|found| (!site(found).class.is_strong(), found.difference.event, found.difference.site));
        for Found { pair: (one, other), difference, pairs } in found {
            let site: &TraceSite = &traced[difference.site as usize];
            let raw = RawFrame { function: site.function, offset: Some(site.offset) };
            let frames = self.question.symbols.resolve(&raw);
            let leak = Leak {
                class: site.class.name().to_owned(),
                strong: site.class.is_strong(),
                operation: site.operation.to_owned(),
                operand: site.operand.to_owned(),
                values: difference.values.map(|value| value_text(site.operation, value)),
                event: difference.event,
                resynchronised: difference.resynchronised,
                pairs,
                ..self.shown_pair(one, other)
            };
            let leak = self.judged(leak, &frames);
            answer.leaks.push(leak);
            answer.inputs.push([self.list[one].input.clone(), self.list[other].input.clone()]);
            answer.offsets.push(site.offset);
        }
    }

    /// What two executions have in their cards.
    fn shown_pair(&self, one: usize, other: usize) -> Leak {
        let (one, other) = (&self.list[one], &self.list[other]);
        let cut = |bytes: &[u8]| crate::corpus::hex(&bytes[..bytes.len().min(SHOWN_BYTES_MAX)]);
        let values = &self.bases[one.base];
        let publics: Vec<u8> =
            secrets::fields(&self.script, values, Secrecy::Public).flat_map(|(_, value)| value.clone()).collect();
        Leak {
            entry: self.question.entry.to_owned(),
            secret_len: one.secret.len() as u32,
            secrets_hex: [cut(&one.secret), cut(&other.secret)],
            public_hex: cut(&publics),
            outcomes: [one, other].map(|run| self.outcome_text(run)),
            ..Leak::default()
        }
    }

    fn outcome_text(&self, run: &Run) -> String {
        if !run.outcome.came_back() {
            return run.outcome.name().to_owned();
        }
        if !self.script.shows_anything() {
            return String::new();
        }
        match run.shown.as_chunks::<8>() {
            ([one], []) => format!("result {}", i64::from_le_bytes(*one) as i32),
            _ => crate::corpus::hex(&run.shown[..run.shown.len().min(SHOWN_BYTES_MAX / 8)]),
        }
    }

    /// With its place and its verdict.
    fn judged(&self, leak: Leak, frames: &[Frame]) -> Leak {
        let speaks = |allowed: &&Allowed| covers(allowed, &leak.entry, frames, &leak.class, &leak.operation);
        let allowed = self.question.allowed.iter().find(speaks);
        let says = format!("the {} of {} depends on the secret", leak.operand, leak.operation);
        let verdict = match allowed {
            Some(allowed) => Verdict::NotApplicable(format!("allowed: {}", allowed.reason)),
            None if leak.strong => Verdict::Fail(says),
            None => Verdict::Warn(says),
        };
        Leak { verdict, frames: frames.iter().map(Frame::to_record).collect(), ..leak }
    }

    /// Secrets that the module dies of, beside others that it does not: the loudest channel of all.
    fn tell_of_traps(&self, answer: &mut Answer) -> Result<(), HarnessError> {
        let Some((lived, died)) = self.unequal_ends() else { return Ok(()) };
        let Question { engine, target, entry, symbols, .. } = self.question;
        let judged = executors::judge(engine, target, entry, &self.list[died].input, &target.limits)?;
        let frames = symbols.resolve_all(&judged.frames, 1);
        let outcomes = [lived, died].map(|run| self.list[run].outcome.name().to_owned());
        let leak = Leak {
            class: "trap".to_owned(),
            strong: true,
            operation: self.list[died].outcome.name().to_owned(),
            operand: "outcome".to_owned(),
            values: outcomes,
            pairs: 1,
            ..self.shown_pair(lived, died)
        };
        let offset = judged.frames.first().and_then(|frame| frame.offset).unwrap_or(0);
        answer.leaks.push(self.judged(leak, &frames));
        answer.inputs.push([self.list[lived].input.clone(), self.list[died].input.clone()]);
        answer.offsets.push(offset);
        Ok(())
    }

    /// Two executions with the same public input that end differently, the one that came back first.
    fn unequal_ends(&self) -> Option<(usize, usize)> {
        let mut first: BTreeMap<(usize, Option<u64>), usize> = BTreeMap::new();
        self.list.iter().enumerate().find_map(|(index, run)| {
            let known = *first.entry((run.base, run.host)).or_insert(index);
            let differs = self.list[known].outcome != run.outcome;
            differs.then(|| if run.outcome.came_back() { (index, known) } else { (known, index) })
        })
    }

    /// Which bytes of the secret drive each leak: every one of them is flipped, alone, in the executions that show leaks.
    fn attribute(&mut self, answer: &mut Answer) {
        let mut around: Vec<Vec<u8>> = Vec::new();
        for pair in &answer.inputs {
            for input in pair {
                if around.len() < FLIPPED_MAX && !around.contains(input) {
                    around.push(input.clone());
                }
            }
        }
        let traced = Arc::clone(self.hash.instrumented());
        let sites: Vec<Vec<u32>> = answer
            .leaks
            .iter()
            .zip(&answer.offsets)
            .map(|(leak, offset)| {
                let of_leak = |site: &&(usize, &TraceSite)| site.1.offset == *offset && site.1.operand == leak.operand;
                traced.traced.iter().enumerate().filter(|site| of_leak(&site)).map(|(at, _)| at as u32).collect()
            })
            .collect();
        let mut drives: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); answer.leaks.len()];
        for input in around {
            let values = self.script.values(&input);
            let secret = secrets::of(&self.script, &values);
            let base = self.run(0, &values, None);
            for at in 0..secret.len().min(FLIPPED_BYTES_MAX) {
                for bit in FLIPPED_BITS {
                    let mut flipped = secret.clone();
                    flipped[at] ^= bit;
                    let run = self.run(0, &secrets::with(&self.script, &values, &flipped), None);
                    let (a, b) = (&self.vectors[base.vector], &self.vectors[run.vector]);
                    for (index, sites) in sites.iter().enumerate() {
                        let moved = match answer.leaks[index].class.as_str() {
                            "trap" => run.outcome != base.outcome,
                            _ => sites.iter().any(|site| a[*site as usize] != b[*site as usize]),
                        };
                        if moved {
                            drives[index].insert(at as u32);
                        }
                    }
                }
            }
        }
        for (leak, drives) in answer.leaks.iter_mut().zip(drives) {
            leak.secret_bytes = drives.into_iter().collect();
        }
    }

    /// Counts and verdict.
    fn conclude(&self, answer: &mut Answer) {
        let handled = &mut answer.handled;
        let primary = |strong: bool| {
            let counts = |leak: &&Leak| leak.strong == strong && !matches!(leak.verdict, Verdict::NotApplicable(_));
            answer.leaks.iter().filter(counts).count() as u64
        };
        (handled.strong, handled.weak) = (primary(true), primary(false));
        handled.allowed = answer.leaks.len() as u64 - handled.strong - handled.weak;
        let first = |strong: bool| {
            let is = |leak: &&Leak| leak.strong == strong && !matches!(leak.verdict, Verdict::NotApplicable(_));
            let leak = answer.leaks.iter().find(is);
            let place =
                |leak: &Leak| leak.frames.first().map_or(String::new(), |frame| format!(" in {}", frame.function));
            leak.map_or(String::new(), |leak| format!("{}{}", leak.verdict.reason(), place(leak)))
        };
        let same_answer =
            self.list.iter().all(|run| run.output == self.list[0].output && run.outcome == self.list[0].outcome);
        let died = self.list.iter().all(|run| !run.outcome.came_back());
        let gives_something = self.list.iter().any(|run| !run.output.is_empty());
        handled.verdict = if handled.strong > 0 {
            Verdict::Fail(first(true))
        } else if died {
            let outcome = self.list.first().map_or("nothing was run", |run| run.outcome.name());
            Verdict::NotTested(format!("every execution ended with {outcome}"))
        } else if handled.weak > 0 {
            Verdict::Warn(first(false))
        } else if handled.alone == handled.runs {
            Verdict::NotTested("no two secrets were compared: each one has an outcome of its own".to_owned())
        } else if same_answer && gives_something {
            Verdict::Warn(
                "only one answer was ever seen: what another one takes was not compared, or the script is wrong"
                    .to_owned(),
            )
        } else {
            Verdict::Pass
        };
    }
}

/// Whether two executions cannot be told apart by anything that is looked at.
fn is_same(one: &Run, other: &Run) -> bool {
    one.vector == other.vector && one.output == other.output && one.outcome == other.outcome
}

/// What a script declassifies of an output: results are eight bytes each (vectors sixteen), `out` buffers as they are.
fn shown(script: &Script, output: &[u8]) -> Vec<u8> {
    let (mut shown, mut at) = (Vec::new(), 0);
    for call in &script.calls {
        for result in &call.results {
            let len = if *result == wasmparser::ValType::V128 { 16 } else { 8 };
            if call.shows_result {
                shown.extend(zero_extended(output, at..at + len));
            }
            at += len;
        }
        let len = call.out_bytes();
        if call.shows_out {
            shown.extend(zero_extended(output, at..at + len));
        }
        at += len;
    }
    shown
}

fn differences(a: &Rc<[u64]>, b: &Rc<[u64]>) -> impl Iterator<Item = u32> {
    let (a, b) = (Rc::clone(a), Rc::clone(b));
    (0..a.len()).filter(move |site| a[*site] != b[*site]).map(|site| site as u32)
}

/// One of each list after the other.
fn interleave<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut list = Vec::new();
    loop {
        let (one, other) = (first.next(), second.next());
        if one.is_none() && other.is_none() {
            return list;
        }
        list.extend(one.into_iter().chain(other));
    }
}

/// An operand as people read it: addresses in hexadecimal, floats as numbers.
fn value_text(operation: &str, value: u64) -> String {
    let is_access = ["load", "store", "memory.", "table."].iter().any(|part| operation.contains(part));
    match operation.split_once('.') {
        _ if is_access => format!("{value:#x}"),
        Some(("f32", rest)) if rest != "convert_i64_u" => format!("{:?}", f32::from_bits(value as u32)),
        Some(("f64", rest)) if rest != "convert_i64_u" => format!("{:?}", f64::from_bits(value)),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    /// The second of two runs of one input that does something else: what never happens with this engine, and would make
    /// every answer worthless.
    #[test]
    fn work_that_changes_by_itself_is_no_answer() {
        let wat = r#"(module (memory (export "memory") 1) (func (export "entry") (param i32) (result i32)
            (i32.load8_u (i32.and (local.get 0) (i32.const 0xff)))))"#;
        let manifest = toml::from_str("[calls]\nentry = 'entry(secret)'").unwrap();
        let target = Target::from_bytes("module", wat.as_bytes(), manifest, &Default::default()).unwrap();
        let engine = executors::Engine::new(None).unwrap();
        let symbols = crate::symbols::Symbols::load(&target.wasm);
        let question = Question {
            engine: &engine,
            target: &target,
            entry: "entry",
            symbols: &symbols,
            policy: Policy::Strict,
            secrets: 4,
            publics: 1,
            search_runs: 0,
            seed: 1,
            corpus: &[],
            allowed: &[],
        };
        let mut runs = Runs::new(&question, Arc::clone(&target.scripts["entry"])).unwrap();
        let (one, other) = (vec![vec![1, 0, 0, 0]], vec![vec![2, 0, 0, 0]]);
        let first = runs.run(0, &one, None);
        assert_eq!(runs.unsteady(&first, &one), None);
        // As if the first input had been run a second time, and had given this.
        let reason = runs.unsteady(&first, &other).unwrap();
        assert!(reason.contains("not deterministic") && reason.contains("at i32.load8_u in entry"), "{reason}");
    }
}
