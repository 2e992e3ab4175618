//! `fuzz`: all units over one shared budget, then triage, then the record.

use super::home::{Home, UnitHome};
use super::live::{Live, thousands};
use super::plan::{self, Stint};
use super::protocol::{Message, Sample, Task, WorkerJob};
use super::run_folder::RunFolder;
use super::workers::{Heard, Interrupts, Worker};
use super::{facts, inputs, saturation};
use crate::cli::{self, ResetFlag};
use crate::error::HarnessError;
use crate::target::{Manifest, Target};
use anyhow::Context;
use autoclave_reports::record::{self, Budget, NotTested, Run, Timing};
use autoclave_reports::{Finding, Record, TargetRecord, Verdict};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

/// Longest input of a finding that is kept, bytes: what the widest profile takes.
const KEPT_BYTES_MAX: u64 = 64 << 20;

/// How often the loop looks at the clock and at interrupts.
const TICK: Duration = Duration::from_millis(100);
/// Wall time that triage of one unit may take before it is cut short, seconds.
const TRIAGE_SECONDS: f64 = 120.0;
/// Entries of one target that are fuzzed unless they are named: each costs a worker's start and a triage.
const ENTRIES_MAX: usize = 64;
/// Samples kept for a unit's plots.
const SERIES_MAX: usize = 2_000;

/// Fuzzes, triages, reports.
pub fn run(flags: &cli::Fuzz, arguments: &[String]) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let started = SystemTime::now();
    let clock = Instant::now();
    let interrupts = Interrupts::install()?;
    inputs::check(&flags.dict)?;
    let (units, not_tested) = choose(&home, flags)?;
    if flags.search.fresh {
        units.iter().try_for_each(|unit| unit.home.set_aside())?;
    }
    let folder = RunFolder::create(&home, flags.out.as_deref(), "fuzz", started)?;
    let jobs =
        flags.search.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get() as u32)).max(1);
    let time = (flags.search.runs.is_none() || time_was_given(arguments)).then_some(flags.search.time);
    let mut campaign = Campaign::new(&home, flags, units, jobs, interrupts);
    campaign.fuzz(plan::stints(campaign.units.len(), jobs, time, flags.search.runs))?;
    let fuzzed = clock.elapsed();
    campaign.triage()?;

    let begun = facts::record("fuzz", arguments, started, flags.fail_on);
    let mut record = Record {
        run: Run {
            id: folder.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            seed: flags.search.seed,
            jobs,
            interrupted: campaign.interrupts.count() > 0,
            budget: Budget { seconds: time.map(|time| time.as_secs_f64()), runs: flags.search.runs },
            ..begun.run
        },
        not_tested,
        ..begun
    };
    campaign.fill(&mut record);
    record.timing = Timing {
        wall_seconds: clock.elapsed().as_secs_f64(),
        cpu_seconds: facts::cpu_seconds_with_children(),
        memory_bytes_peak: campaign.units.iter().map(|unit| unit.rss_bytes_max).max(),
        phases: vec![
            record::Phase { name: "fuzz".into(), seconds: fuzzed.as_secs_f64() },
            record::Phase { name: "triage".into(), seconds: (clock.elapsed() - fuzzed).as_secs_f64() },
        ],
    };
    record.verdict = record.judge();
    campaign.keep_reproducers(&folder, &mut record, flags.save)?;
    folder.write(&home, &record)?;
    facts::print(&home, &folder, &record, flags.format)
}

/// One entry of one target, and all that was heard of it.
struct Unit {
    target: Arc<Target>,
    name: String,
    entry: String,
    which: String,
    home: UnitHome,
    started: Option<Instant>,
    edges_total: u64,
    samples: BTreeMap<u32, Sample>,
    series: Vec<record::Sample>,
    incidence: Vec<u64>,
    sampled: u64,
    execs_since_new_edge: u64,
    seeds: u64,
    findings: Vec<Finding>,
    first_seen: BTreeMap<String, record::FoundAt>,
    covered: Option<Message>,
    notes: Vec<String>,
    failures: Vec<(String, bool)>,
    rss_bytes_max: u64,
    stints_left: usize,
    first_execution_cpu_seconds: Option<f64>,
}

/// A running campaign.
struct Campaign<'a> {
    home: &'a Home,
    flags: &'a cli::Fuzz,
    units: Vec<Unit>,
    jobs: u32,
    interrupts: Interrupts,
    live: Live,
    heard: (Sender<Heard>, Receiver<Heard>),
    running: BTreeMap<usize, (Worker, Stint)>,
    next_number: usize,
}

impl<'a> Campaign<'a> {
    fn new(home: &'a Home, flags: &'a cli::Fuzz, units: Vec<Unit>, jobs: u32, interrupts: Interrupts) -> Self {
        Self {
            home,
            flags,
            units,
            jobs,
            interrupts,
            live: Live::new(),
            heard: mpsc::channel(),
            running: BTreeMap::new(),
            next_number: 0,
        }
    }

    fn fuzz(&mut self, stints: Vec<Stint>) -> anyhow::Result<()> {
        for stint in &stints {
            self.units[stint.unit].stints_left += 1;
        }
        self.drive(stints.into(), Task::Fuzz)
    }

    fn triage(&mut self) -> anyhow::Result<()> {
        let stint = |unit| Stint { unit, worker: 0, seconds: Some(TRIAGE_SECONDS), runs: None };
        // A worker that died left its finds behind; one that could not even begin left nothing to look at.
        let begun = |unit: &Unit| unit.started.is_some() && (unit.failures.is_empty() || unit.edges_total > 0);
        let stints = (0..self.units.len()).filter(|&unit| begun(&self.units[unit])).map(stint).collect();
        self.drive(stints, Task::Triage)
    }

    /// Runs stints, `jobs` at a time, until all are over or the user wants no more.
    fn drive(&mut self, mut waiting: VecDeque<Stint>, task: Task) -> anyhow::Result<()> {
        let mut asked_to_stop = false;
        let before = self.interrupts.count();
        while !self.running.is_empty() || !waiting.is_empty() {
            let count = self.interrupts.count();
            if count >= 2 {
                self.running.values_mut().for_each(|(worker, _)| worker.kill());
                return Err(cli::ExitWith { code: cli::exit::INTERRUPTED, message: "stopped".into() }.into());
            }
            if count > before && !asked_to_stop {
                self.live.say("interrupted: finishing and writing the report (again to stop at once)");
                // What was found is judged all the same: a report without it would mislead.
                if task == Task::Fuzz {
                    self.running.values_mut().for_each(|(worker, _)| worker.ask_to_stop());
                    waiting.clear();
                }
                asked_to_stop = true;
            }
            while self.running.len() < self.jobs as usize
                && let Some(stint) = waiting.pop_front()
            {
                self.start(stint, task)?;
            }
            match self.heard.1.recv_timeout(TICK) {
                Ok(Heard::Message(number, message)) => self.note(number, *message),
                Ok(Heard::Ended(number)) => self.ended(number, task),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            for (worker, stint) in self.running.values_mut() {
                if worker.overdue() {
                    self.units[stint.unit]
                        .failures
                        .push(("a worker did not stop in time and was killed".into(), false));
                    worker.kill();
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, stint: Stint, task: Task) -> anyhow::Result<()> {
        let unit = &mut self.units[stint.unit];
        let job = WorkerJob {
            root: self.home.root.clone(),
            target: unit.which.clone(),
            entry: unit.entry.clone(),
            task,
            profile: self.flags.limits.profile,
            limits: self.flags.limits.limits.clone(),
            // Each worker of a unit draws from a stream of its own.
            seed: self.flags.search.seed.wrapping_add(u64::from(stint.worker).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            runs: stint.runs,
            seconds: stint.seconds,
            max_len: self.flags.max_len,
            dictionaries: self.flags.dict.clone(),
            seeds: !self.flags.search.no_seeds,
            fresh_instances: self.flags.reset == ResetFlag::Fresh,
            shared: unit.stints_left > 1,
        };
        let number = self.next_number;
        self.next_number += 1;
        let worker = Worker::start(number, &job, self.heard.0.clone())?;
        if task == Task::Fuzz && unit.started.is_none() {
            unit.started = Some(Instant::now());
            self.live.start(stint.unit, &unit.name);
        }
        self.running.insert(number, (worker, stint));
        Ok(())
    }

    fn note(&mut self, number: usize, message: Message) {
        let Some((_, stint)) = self.running.get(&number) else { return };
        let unit = &mut self.units[stint.unit];
        match message {
            Message::Ready { cpu_seconds, edges_total } => {
                unit.edges_total = edges_total;
                unit.first_execution_cpu_seconds.get_or_insert(cpu_seconds);
            }
            Message::Progress(sample) => {
                unit.progress(stint.worker, sample);
                let (total, rate) = unit.total();
                self.live.update(stint.unit, &unit.name, &total, unit.edges_total, rate);
            }
            Message::Find { outcome, file, execs } => {
                let seconds = unit.started.map_or(0.0, |started| started.elapsed().as_secs_f64());
                let input = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                // The tracing build meets the same input at other offsets; that is no news.
                if let Entry::Vacant(unseen) = unit.first_seen.entry(input) {
                    unseen.insert(record::FoundAt { execs, seconds });
                    let (name, file) = (cli::printable_name(&unit.name), self.home.relative(&file));
                    self.live.say(&format!("{name}: {outcome} after {} execs, kept as {file}", thousands(execs)));
                }
            }
            Message::Done { sample, incidence, sampled, execs_since_new_edge, seeds } => {
                unit.progress(stint.worker, sample);
                unit.incidence.resize(unit.incidence.len().max(incidence.len()), 0);
                unit.incidence.iter_mut().zip(incidence).for_each(|(sum, count)| *sum += u64::from(count));
                unit.sampled += sampled;
                unit.execs_since_new_edge = unit.execs_since_new_edge.max(execs_since_new_edge);
                unit.seeds = unit.seeds.max(seeds);
            }
            Message::Finding { mut finding, raw } => {
                let seen = raw.iter().filter_map(|name| unit.first_seen.get(name)).copied();
                // What an earlier run found is known from the start.
                finding.found_at = seen.min_by_key(|at| at.execs).unwrap_or_default();
                unit.findings.push(*finding);
            }
            Message::Note { text } => unit.notes.push(text),
            Message::Failed { message, missing } => unit.failures.push((message, missing)),
            covered @ Message::Covered { .. } => unit.covered = Some(covered),
        }
    }

    fn ended(&mut self, number: usize, task: Task) {
        let Some((worker, stint)) = self.running.remove(&number) else { return };
        let unit = &mut self.units[stint.unit];
        if let Some(death) = worker.collect()
            && unit.failures.is_empty()
        {
            unit.failures.push((death, false));
        }
        if task == Task::Fuzz {
            unit.stints_left = unit.stints_left.saturating_sub(1);
            if unit.stints_left == 0 || !self.running.values().any(|(_, other)| other.unit == stint.unit) {
                let (total, rate) = unit.total();
                self.live.finish(stint.unit, &unit.name, &total, unit.edges_total, rate);
            }
        }
    }

    /// Puts what was heard into the record, unit by unit in the order of their names.
    fn fill(&mut self, record: &mut Record) {
        for unit in &mut self.units {
            let manifest = unit.target.folder.as_ref().map(|folder| folder.join(crate::target::MANIFEST_FILE));
            let mut row = TargetRecord {
                name: unit.name.clone(),
                about: unit.target.manifest.about.clone(),
                entries: vec![unit.entry.clone()],
                module_path: self.home.relative(&unit.target.module_path),
                manifest_path: manifest.map(|path| self.home.relative(&path)),
                sha256: unit.target.sha256.clone(),
                bytes: unit.target.wasm.len() as u64,
                abi: unit.target.abi.name().into(),
                format: unit.target.manifest.format.clone(),
                limits: facts::limit_rows(&unit.target),
                ..TargetRecord::default()
            };
            unit.fill(&mut row);
            row.sort_findings();
            row.verdict = row.judge();
            if let Some((message, _)) = unit.failures.first() {
                row.notes.extend(unit.failures.iter().map(|(message, _)| message.clone()));
                if row.confirmed().count() == 0 {
                    row.verdict = Verdict::NotTested(message.clone());
                } else {
                    // Findings stand; that their search was cut short is said beside them.
                    let what = unit.name.clone();
                    let reason = format!("the search was cut short: {message}");
                    record.not_tested.push(NotTested { what, reason, ..NotTested::default() });
                }
            } else if unit.started.is_none() {
                row.verdict = Verdict::NotTested("the run ended before its turn".into());
            }
            record.targets.push(row);
        }
        record.limits = record.targets.first().map(|row| row.limits.clone()).unwrap_or_default();
    }

    /// Copies reproducers into the run's folder, so that it is whole by itself; `--save` also keeps them as regressions.
    fn keep_reproducers(&self, folder: &RunFolder, record: &mut Record, save: bool) -> anyhow::Result<()> {
        for (unit, row) in self.units.iter().zip(&mut record.targets) {
            for finding in &mut row.findings {
                let kept = unit.home.findings().join(format!("{}.bin", finding.id));
                let bytes = inputs::read_whole(&kept, KEPT_BYTES_MAX).context("a finding's input")?;
                let name = format!("artifacts/{}.bin", finding.id);
                super::home::write_whole(&folder.path.join(&name), &bytes)?;
                finding.reproducer.path = name;
                if save && matches!(finding.confirmed, record::Confirmation::Reproduced) {
                    let format = unit.target.manifest.format.as_deref().unwrap_or("bytes");
                    let file = facts::regression_name(&unit.target.name, finding);
                    let path = self.home.corpora(format).join("regressions").join(file);
                    super::home::write_whole(&path, &bytes)?;
                    self.live.say(&format!("saved {}", self.home.relative(&path)));
                }
            }
        }
        Ok(())
    }
}

impl Unit {
    fn new(home: &Home, target: Arc<Target>, which: &str, entry: &str) -> Self {
        let name = if target.entries.len() == 1 { target.name.clone() } else { format!("{}::{entry}", target.name) };
        Self {
            home: home.unit(&target, entry),
            name,
            entry: entry.to_owned(),
            which: which.to_owned(),
            target,
            started: None,
            edges_total: 0,
            samples: BTreeMap::new(),
            series: Vec::new(),
            incidence: Vec::new(),
            sampled: 0,
            execs_since_new_edge: 0,
            seeds: 0,
            findings: Vec::new(),
            first_seen: BTreeMap::new(),
            covered: None,
            notes: Vec::new(),
            failures: Vec::new(),
            rss_bytes_max: 0,
            stints_left: 0,
            first_execution_cpu_seconds: None,
        }
    }

    fn progress(&mut self, worker: u32, sample: Sample) {
        self.rss_bytes_max = self.rss_bytes_max.max(sample.rss_bytes);
        self.samples.insert(worker, sample);
        let (total, _) = self.total();
        self.series.push(record::Sample {
            seconds: self.started.map_or(0.0, |started| started.elapsed().as_secs_f64()),
            execs: total.execs,
            edges: total.edges,
            corpus: total.corpus,
            findings: total.finds,
        });
        if self.series.len() > SERIES_MAX {
            // Halving the resolution keeps the whole run in view at bounded size.
            let mut index = 0;
            self.series.retain(|_| {
                index += 1;
                index % 2 == 0
            });
        }
    }

    /// Numbers summed over workers, and executions per second of wall time.
    fn total(&self) -> (Sample, f64) {
        let mut total = Sample { since_new_edge: f64::INFINITY, ..Sample::default() };
        let mut rate = 0.0;
        for sample in self.samples.values() {
            total.seconds = total.seconds.max(sample.seconds);
            total.cpu_seconds += sample.cpu_seconds;
            total.execs += sample.execs;
            total.edges = total.edges.max(sample.edges);
            total.corpus = total.corpus.max(sample.corpus);
            total.finds = total.finds.max(sample.finds);
            total.since_new_edge = total.since_new_edge.min(sample.since_new_edge);
            if sample.seconds > 0.0 {
                rate += sample.execs as f64 / sample.seconds;
            }
        }
        if self.samples.is_empty() {
            total.since_new_edge = 0.0;
        }
        (total, rate)
    }

    fn fill(&mut self, row: &mut TargetRecord) {
        let (total, rate) = self.total();
        row.execs = total.execs;
        row.execs_per_second = rate;
        row.cpu_seconds = total.cpu_seconds;
        row.edges_total = self.edges_total;
        row.edges_found = self.incidence.iter().filter(|&&count| count > 0).count() as u64;
        row.edges_found = row.edges_found.max(total.edges);
        row.saturation = saturation::estimate(&self.incidence, self.sampled);
        row.saturation.execs_since_last_edge = self.execs_since_new_edge;
        row.saturation.seconds_since_last_edge = total.since_new_edge;
        row.series = std::mem::take(&mut self.series);
        row.findings = std::mem::take(&mut self.findings);
        row.corpus.seeds = self.seeds;
        row.notes = std::mem::take(&mut self.notes);
        if let Some(Message::Covered { functions, edges_found, edges_total, entries, bytes, host_calls }) =
            self.covered.take()
        {
            row.functions = functions;
            row.edges_found = row.edges_found.max(edges_found);
            row.edges_total = edges_total;
            row.corpus.entries = entries;
            row.corpus.bytes = bytes;
            row.host_calls = host_calls;
        }
    }
}

/// The units that the words of the command line mean, and what could not be made ready.
fn choose(home: &Home, flags: &cli::Fuzz) -> anyhow::Result<(Vec<Unit>, Vec<NotTested>)> {
    let overrides = flags.limits.overrides();
    let mut units = Vec::new();
    let mut not_tested = Vec::new();
    let asked: Vec<String> = if flags.targets.is_empty() {
        let found = Target::discover(&home.root)?;
        for found in &found {
            if let Err(error) = &found.manifest {
                not_tested.push(facts::gap(&found.name, error));
            }
        }
        let ours = |found: &&crate::target::Found| found.manifest.as_ref().is_ok_and(Manifest::is_candidate);
        found.iter().filter(ours).map(|found| found.name.clone()).collect()
    } else {
        flags.targets.clone()
    };
    if asked.is_empty() && not_tested.is_empty() {
        anyhow::bail!("no targets here: name a .wasm file, or run in a folder that holds targets/");
    }
    for word in &asked {
        // `target::entry` names one entry.
        let (which, only) = match word.rsplit_once("::") {
            Some((which, entry)) if !std::path::Path::new(word).is_file() => (which, Some(entry)),
            _ => (word.as_str(), None),
        };
        match Target::load(&home.root, which, &overrides) {
            Ok(target) => {
                let target = Arc::new(target);
                let named = only.map(|only| facts::one_entry(&target, Some(only))).transpose()?;
                let entries: Vec<_> = match &named {
                    Some(entry) => vec![entry],
                    None => target.entries.iter().take(ENTRIES_MAX).collect(),
                };
                if named.is_none() && target.entries.len() > ENTRIES_MAX {
                    let error = HarnessError::module(
                        &target.name,
                        format!("{} entries: the first {ENTRIES_MAX} are fuzzed", target.entries.len()),
                    );
                    let remedy = format!("name those that matter: cargo xtask fuzz {which}::ENTRY …");
                    not_tested.push(NotTested { remedy, ..facts::gap(word, &error) });
                }
                for entry in entries {
                    let unit = Unit::new(home, target.clone(), which, entry);
                    // Named twice is meant once: two workers in one folder would not repeat.
                    if units.iter().all(|known: &Unit| known.home.folder != unit.home.folder) {
                        units.push(unit);
                    }
                }
            }
            // A target that is there and not built is a gap; a name that means nothing is a wrong command line.
            Err(error)
                if flags.targets.is_empty()
                    || (matches!(error, HarnessError::Missing { .. }) && facts::is_target(home, which)) =>
            {
                not_tested.push(facts::gap(word, &error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((units, not_tested))
}

/// `--runs` alone means "until the runs are done"; together with a written `--time` the earlier of the two ends it.
pub fn time_was_given(arguments: &[String]) -> bool {
    arguments.iter().any(|word| word == "--time" || word.starts_with("--time="))
}
