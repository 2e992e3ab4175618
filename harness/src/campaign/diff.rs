//! `diff`: looks for inputs that readers understand differently, or takes those that a user names; clusters, minimises,
//! and shows the smallest of each beside what every reader made of it.

use super::home::{Home, UnitHome, write_whole};
use super::live::Live;
use super::protocol::Sample as Shown;
use super::run_folder::RunFolder;
use super::workers::Interrupts;
use super::{facts, inputs};
use crate::cli;
use crate::differential::card;
use crate::differential::clusters::{Cluster, Clusters};
use crate::differential::panel::{Fidelity, Panel};
use crate::differential::subject::{Beside, Looked, Readers};
use crate::engine::{self, Clock, Event, Options, Sample, Stats, Stop, Trim};
use crate::error::HarnessError;
use crate::executors::{Engine, Reset};
use crate::limits::Overrides;
use crate::target::Target;
use anyhow::Context;
use autoclave_formats::diff::relations;
use autoclave_formats::fhir::Release;
use autoclave_formats::peers::worker::{Installed, Worker};
use autoclave_formats::peers::{self, Answer, Peer, Runtime, planted};
use autoclave_formats::rules::{Policy, Side};
use autoclave_formats::score::{self, Score};
use autoclave_formats::{Format, mutate};
use autoclave_reports::record::{self, Budget, Check, NotTested, PeerRow, QuirkRow, Run, Scope, Timing};
use autoclave_reports::{Record, TargetRecord, Verdict};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// Wall time that minimising and confirming may take, seconds.
const TRIAGE_SECONDS: f64 = 300.0;
/// Longest file that is compared, bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// How often the display looks at the numbers.
const TICK: Duration = Duration::from_millis(200);

/// A module of peers: which format, entries for all of them and for one, and who is in it, by number.
pub(super) struct Guests {
    pub(super) format: Format,
    pub(super) module: &'static str,
    pub(super) all: &'static str,
    pub(super) one: &'static str,
    pub(super) peers: fn() -> Vec<&'static Peer>,
}

const GUESTS: &[Guests] = &[
    Guests {
        format: Format::FhirJson,
        module: "peers-fhir",
        all: "all",
        one: "one",
        peers: || peers::RUST_FHIR.iter().collect(),
    },
    Guests {
        format: Format::FhirXml,
        module: "peers-fhir",
        all: "all_xml",
        one: "one_xml",
        peers: || peers::RUST_FHIR.iter().collect(),
    },
    Guests {
        format: Format::Hl7v2,
        module: "peers-hl7",
        all: "all",
        one: "one",
        peers: || peers::RUST_HL7.iter().collect(),
    },
];

/// Readers with planted faults: what a search must find. Asked for by `--peers planted`.
pub(super) const PLANTED: &[Guests] = &[
    Guests {
        format: Format::FhirJson,
        module: "peers-planted",
        all: "all",
        one: "one",
        peers: || planted::FHIR.iter().map(|planted| &planted.peer).collect(),
    },
    Guests {
        format: Format::Hl7v2,
        module: "peers-planted",
        all: "all_hl7",
        one: "one_hl7",
        peers: || planted::HL7.iter().map(|planted| &planted.peer).collect(),
    },
];
/// The word for them.
const PLANTED_WORD: &str = "planted";

/// Compares and reports.
pub fn run(flags: &cli::Diff, arguments: &[String]) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let interrupts = Interrupts::install()?;
    let table = if flags.peers.iter().any(|word| word == PLANTED_WORD) { PLANTED } else { GUESTS };
    let guests = Format::named(&flags.what).and_then(|format| table.iter().find(|guests| guests.format == format));
    let Some(guests) = guests else {
        let names: Vec<&str> = table.iter().map(|guests| guests.format.name()).collect();
        return Err(usage(format!("no readers for {:?}; there are some for {}", flags.what, names.join(", "))));
    };
    let engine = Engine::new(Some(&home.cache()))?;
    let mut comparison = Comparison::new(&home, &engine, guests, flags)?;
    let folder = RunFolder::create(&home, flags.out.as_deref(), "diff", started)?;
    let jobs = flags.search.jobs.unwrap_or(1).max(1);
    let time = (flags.search.runs.is_none() || super::fuzz::time_was_given(arguments)).then_some(flags.search.time);
    let mut found = Found::default();
    let mut checks = Vec::new();
    if flags.qualify {
        checks.extend(super::faults::qualify(&home, &engine, guests.format)?);
    }
    if let Some(table) = &flags.expected {
        checks = comparison.score(table)?;
    } else if flags.inputs.is_empty() {
        found = comparison.search(flags, jobs, time, &interrupts)?;
    } else {
        for (number, (_, bytes)) in files(&flags.inputs)?.iter().enumerate() {
            comparison.clusters.look_at(&mut comparison.panel, bytes, number as u64 + 1, 0.0);
            found.executions += 1;
        }
    }
    let searched = clock.elapsed();
    if !flags.inputs.is_empty() {
        found.wall_seconds = searched.as_secs_f64();
    }
    let until = Instant::now() + Duration::from_secs_f64(TRIAGE_SECONDS);
    let asked_before = interrupts.count();
    let go_on = || Instant::now() < until && interrupts.count() <= asked_before;
    comparison.clusters.separate(&mut comparison.panel, go_on);
    let clusters = comparison.clusters.minimised(&mut comparison.panel, go_on);
    let mut row = comparison.row(flags, &found);
    comparison.report(&home, &folder, flags, &clusters, &mut row)?;
    let begun = facts::record("diff", arguments, started, flags.fail_on);
    let mut record = Record {
        run: Run {
            id: folder.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            seed: flags.search.seed,
            jobs,
            interrupted: interrupts.count() > 0,
            budget: Budget { seconds: time.map(|time| time.as_secs_f64()), runs: flags.search.runs },
            ..begun.run
        },
        limits: facts::limit_rows(&comparison.target),
        targets: if flags.expected.is_some() { Vec::new() } else { vec![row] },
        checks,
        peers: comparison.peers(),
        not_tested: comparison.not_tested.clone(),
        ..begun
    };
    record.timing = Timing {
        wall_seconds: clock.elapsed().as_secs_f64(),
        cpu_seconds: facts::cpu_seconds_with_children(),
        memory_bytes_peak: Some(facts::rss_bytes()),
        phases: vec![
            record::Phase { name: "search".into(), seconds: searched.as_secs_f64() },
            record::Phase { name: "minimise and confirm".into(), seconds: (clock.elapsed() - searched).as_secs_f64() },
        ],
    };
    record.verdict = record.judge();
    folder.write(&home, &record)?;
    facts::print(&home, &folder, &record, flags.format)
}

fn usage(message: String) -> anyhow::Error {
    cli::ExitWith { code: cli::exit::USAGE, message }.into()
}

/// Readers of one format, and all that was found.
struct Comparison<'a> {
    engine: &'a Engine,
    home: Home,
    guests: &'static Guests,
    /// The module whose edges guide the search.
    target: Arc<Target>,
    entry: String,
    /// The module of the peers, where that is another one.
    beside: Option<Arc<Target>>,
    panel: Panel,
    clusters: Clusters,
    not_tested: Vec<NotTested>,
    /// Peers that were asked for and cannot be asked.
    missing: Vec<(&'static Peer, String)>,
}

/// What a search did.
#[derive(Default)]
struct Found {
    executions: u64,
    cpu_seconds: f64,
    wall_seconds: f64,
    stats: Vec<Stats>,
}

impl<'a> Comparison<'a> {
    fn new(home: &Home, engine: &'a Engine, guests: &'static Guests, flags: &cli::Diff) -> anyhow::Result<Self> {
        let module = Arc::new(Target::load(&home.root, guests.module, &Overrides::default())?);
        let candidate = flags.target.as_deref().map(|which| Target::load(&home.root, which, &Overrides::default()));
        let candidate = candidate.transpose()?.map(Arc::new);
        let (target, entry, beside) = match &candidate {
            Some(candidate) => {
                let entry = facts::one_entry(candidate, flags.entry.as_deref())?;
                (candidate.clone(), entry, Some(module.clone()))
            }
            None => (module.clone(), guests.all.to_owned(), None),
        };
        let mut comparison = Self {
            engine,
            home: home.clone(),
            guests,
            target,
            entry,
            beside,
            panel: Panel::new(guests.format),
            clusters: Clusters::default(),
            not_tested: Vec::new(),
            missing: Vec::new(),
        };
        let (panel, missing) = comparison.panel(flags, Fidelity::Fast)?;
        comparison.panel = panel;
        for (peer, why) in &missing {
            let apart = peers::ON_DEMAND.iter().find(|apart| apart.peers.contains(peer));
            let is_named = flags.peers.iter().any(|word| word == peer.name || word == peers::FHIR_MODEL);
            comparison.not_tested.push(NotTested {
                what: peer.name.to_owned(),
                reason: why.clone(),
                remedy: match apart {
                    Some(apart) => apart.remedy.to_owned(),
                    None => format!("cargo xtask peers setup {}", peer.runtime.name()),
                },
                scope: if apart.is_some() && !is_named { Scope::Outside } else { Scope::Asked },
            });
        }
        comparison.missing = missing;
        Ok(comparison)
    }

    /// The readers that were asked for, and those of them that cannot be asked.
    fn panel(&self, flags: &cli::Diff, fidelity: Fidelity) -> anyhow::Result<(Panel, Vec<(&'static Peer, String)>)> {
        let format = self.guests.format;
        let mut panel = Panel::new(format);
        let wanted = |peer: &Peer| {
            let means = |word: &String| {
                let is_apart = || peers::ON_DEMAND.iter().any(|apart| apart.peers.contains(peer));
                let of_many = word == "all" || word == PLANTED_WORD || word == peer.runtime.name();
                of_many || word == peer.name || word == peers::FHIR_MODEL && is_apart()
            };
            flags.peers.iter().any(means)
        };
        let inside = (self.guests.peers)();
        // Planted faults stand beside nobody but the reference.
        let planted = flags.peers.iter().any(|word| word == PLANTED_WORD);
        let apart = peers::ON_DEMAND.iter().filter(|_| !planted);
        let outside = apart.clone().flat_map(|apart| apart.peers).chain(peers::outside().filter(|_| !planted));
        let known: Vec<&'static Peer> =
            inside.iter().copied().chain(outside).filter(|peer| peer.formats.contains(&format)).collect();
        let is_known = |word: &str| {
            let names_one = |peer: &&Peer| peer.name == word || peer.runtime.name() == word;
            word == "all"
                || word == PLANTED_WORD
                || known.iter().any(names_one)
                || word == peers::FHIR_MODEL && format == Format::FhirJson
        };
        if let Some(word) = flags.peers.iter().find(|word| !is_known(word)) {
            let names: Vec<&str> = known.iter().map(|peer| peer.name).collect();
            return Err(usage(format!(
                "no reader of {} is called {word:?}; there are rust, node, python, java, go, all, and {}",
                format.name(),
                names.join(", ")
            )));
        }
        if self.beside.is_some() {
            panel.add_candidate(self.engine, &self.target, &self.entry, fidelity)?;
        }
        let module = self.beside.as_ref().unwrap_or(&self.target);
        panel.add_guests(self.engine, module, self.guests.one, &inside, &wanted, fidelity)?;
        let installed = Installed::of(&self.home.root);
        let mut missing = Vec::new();
        for apart in apart {
            let peers: Vec<&'static Peer> = apart.peers.iter().collect();
            if !peers.iter().any(|peer| peer.formats.contains(&format) && wanted(peer)) {
                continue;
            }
            match Target::load(&self.home.root, apart.module, &Overrides::default()) {
                Ok(target) => panel.add_guests(self.engine, &target, "one", &peers, &wanted, fidelity)?,
                Err(error) => missing.extend(peers.into_iter().map(|peer| (peer, error.to_string()))),
            }
        }
        for peer in known.into_iter().filter(|peer| peer.runtime != Runtime::Rust && wanted(peer)) {
            match Worker::start(peer, &installed) {
                Ok(worker) => panel.add_worker(peer, worker),
                Err(error) => missing.push((peer, error.to_string())),
            }
        }
        Ok((panel, missing))
    }

    /// Searches until the budget is used.
    fn search(
        &mut self,
        flags: &cli::Diff,
        jobs: u32,
        time: Option<Duration>,
        interrupts: &Interrupts,
    ) -> anyhow::Result<Found> {
        let unit = self.unit();
        if flags.search.fresh {
            unit.set_aside()?;
        }
        let seeds = match flags.search.no_seeds {
            true => Vec::new(),
            false => inputs::seeds(&self.home, Some(self.guests.format.name()), &self.target.limits)?,
        };
        let options = Options {
            seed: flags.search.seed,
            input_bytes_max: flags.max_len.min(self.target.limits.input_bytes_max) as usize,
            seeds,
            dictionary: inputs::dictionary_of(&self.home, self.guests.format.name())?,
            module_tokens: crate::instrument::dictionary::tokens(&self.target.wasm),
            mutators: mutate::table(self.guests.format),
            corpus_folder: Some(unit.corpus()),
            findings_folder: Some(unit.finds()),
            stop: Stop {
                executions_max: flags.search.runs.map(|runs| runs.div_ceil(jobs.into())),
                wall_max: time,
                ..Stop::default()
            },
            stop_flag: Arc::new(AtomicBool::new(false)),
            clock: if time.is_none() && jobs == 1 { Clock::Ignored } else { Clock::Used },
            trim: Trim::NewEdges,
        };
        let started = Instant::now();
        let court = Mutex::new((&mut self.panel, &mut self.clusters));
        let progress = Mutex::new(vec![Sample::default(); jobs as usize]);
        let (engine, target, entry) = (self.engine, &self.target, self.entry.as_str());
        let beside = self.beside.as_ref().map(|module| Beside { target: module, entry: self.guests.all });
        let search = |job: u32| -> Result<Stats, HarnessError> {
            let mut observe = |Looked { input, executions, .. }: Looked<'_>| {
                let mut court = court.lock().expect("no job panics while it holds the court");
                let (panel, clusters) = &mut *court;
                let carried = relations::carrying(panel.format, input);
                for input in std::iter::once(input).chain(carried.as_deref()) {
                    clusters.look_at(panel, input, executions, started.elapsed().as_secs_f64());
                }
            };
            let guest = engine::Guest::new(engine, target, entry, Reset::Dirty, &target.limits)?;
            let mut readers = Readers::new(engine, guest, beside, flags.feedback, &mut observe)?;
            let options = Options { seed: options.seed.wrapping_add(job.into()), ..options.clone() };
            engine::fuzz(&mut readers, &options, &mut |event| {
                if let Event::Progress(sample) = event {
                    progress.lock().expect("nobody panics here")[job as usize] = *sample;
                }
            })
        };
        let mut live = Live::new();
        let name = format!("diff {}", self.guests.format.name());
        live.start(0, &name);
        let results: Vec<Result<Stats, HarnessError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..jobs).map(|job| scope.spawn(move || search(job))).collect();
            while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                if interrupts.count() > 0 {
                    options.stop_flag.store(true, Ordering::SeqCst);
                }
                let (sample, total, rate) = sum(&progress.lock().expect("nobody panics here"));
                let finds = court.try_lock().map_or(sample.finds, |court| court.1.pure.len() as u64);
                live.update(0, &name, &Shown { finds, ..sample }, total, rate);
                std::thread::sleep(TICK);
            }
            threads.into_iter().map(|thread| thread.join().expect("a job does not panic")).collect()
        });
        let (sample, total, rate) = sum(&progress.lock().expect("nobody panics here"));
        let finds = self.clusters.pure.len() as u64;
        live.finish(0, &name, &Shown { finds, ..sample }, total, rate);
        let stats = results.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Found {
            executions: stats.iter().map(|stats| stats.last.executions).sum(),
            cpu_seconds: stats.iter().map(|stats| stats.last.cpu_seconds).sum(),
            wall_seconds: started.elapsed().as_secs_f64(),
            stats,
        })
    }

    /// How often each reader agrees with the verdicts of a table: a row for each, ours first.
    fn score(&mut self, table: &Path) -> anyhow::Result<Vec<Check>> {
        let text = String::from_utf8(inputs::read_whole(table, FILE_BYTES_MAX)?)
            .with_context(|| format!("{}: not UTF-8", table.display()))?;
        let folder = table.parent().unwrap_or(Path::new("."));
        let format = self.panel.format;
        let expectations = score::expectations(&text);
        let scored: Vec<_> =
            expectations.iter().filter(|expected| expected.format() == Some(format) && expected.is_scored()).collect();
        if scored.is_empty() {
            return Err(usage(format!("{}: no file of {} in it", table.display(), format.name())));
        }
        let mut scores = vec![Score::default(); 1 + self.panel.members.len()];
        for expected in scored {
            // A table may name what lies elsewhere.
            anyhow::ensure!(!expected.path.contains(".."), "{}: {} leaves its folder", table.display(), expected.path);
            let input = inputs::read_whole(&folder.join(expected.path), FILE_BYTES_MAX)?;
            let release = expected.release().unwrap_or(Release::R4);
            // What the specification leaves open, the labels take either way.
            let policy = match expected.wanted {
                score::Wanted::Accept => Policy::TolerantReader,
                score::Wanted::Reject | score::Wanted::Either => Policy::StrictGateway,
            };
            scores[0].add(expected, Some(format.read_as(&input, release).side(policy)));
            let heard = self.panel.hear(&input);
            for ((member, said), score) in self.panel.members.iter().zip(&heard.answers).zip(&mut scores[1..]) {
                // A reader of one release is not asked about another.
                if Release::named(member.peer.version).is_some_and(|own| own != release) {
                    continue;
                }
                match &said.answer {
                    Some(Answer::Accepted(_)) => score.add(expected, Some(Side::Accept)),
                    Some(Answer::Refused(_)) => score.add(expected, Some(Side::Reject)),
                    Some(Answer::Died { .. }) => score.add(expected, None),
                    None => {}
                }
            }
        }
        let names = std::iter::once("reference").chain(self.panel.members.iter().map(|member| member.peer.name));
        let mut checks = Vec::new();
        for (name, score) in names.zip(&scores) {
            let (right, all) = score.total();
            eprintln!("{name}\n{score}");
            let said = format!("{right} of {all}");
            checks.push(Check {
                name: name.to_owned(),
                question: format!("agrees with the expected verdicts: {said}"),
                target: None,
                verdict: match all {
                    0 => Verdict::NotApplicable("no file of its release".into()),
                    _ if right == all => Verdict::Pass,
                    _ => Verdict::Warn(format!("{said}; differs on {}", misses(score))),
                },
                ..Check::default()
            });
        }
        Ok(checks)
    }

    fn unit(&self) -> UnitHome {
        let entry = format!("diff-{}-{}", self.guests.format.name(), self.entry);
        self.home.unit(&self.target, &entry)
    }

    fn row(&self, flags: &cli::Diff, found: &Found) -> TargetRecord {
        let target = &self.target;
        let last = found.stats.iter().map(|stats| stats.last).max_by_key(|last| last.edges_found).unwrap_or_default();
        let members: Vec<&str> = self.panel.members.iter().map(|member| member.peer.name).collect();
        TargetRecord {
            name: match self.beside {
                Some(_) => target.name.clone(),
                None => self.guests.format.name().to_owned(),
            },
            about: format!("{} as read by {}", self.guests.format.name(), members.join(", ")),
            entries: vec![self.entry.clone()],
            module_path: self.home.relative(&target.module_path),
            sha256: target.sha256.clone(),
            bytes: target.wasm.len() as u64,
            abi: target.abi.name().into(),
            format: Some(self.guests.format.name().into()),
            oracles: vec![card::ORACLE.into()],
            execs: found.executions,
            execs_per_second: found.executions as f64 / found.wall_seconds.max(1e-9),
            cpu_seconds: found.cpu_seconds,
            edges_found: last.edges_found as u64,
            edges_total: last.edges_total as u64,
            corpus: record::Corpus { entries: last.corpus as u64, ..record::Corpus::default() },
            series: found.stats.first().map(|stats| stats.series.iter().map(to_record).collect()).unwrap_or_default(),
            notes: vec![format!(
                "{} inputs were looked at in full; feedback: {}",
                self.clusters.looked_at,
                match flags.feedback {
                    crate::differential::subject::Feedback::Differential => "edges, answers and trees",
                    crate::differential::subject::Feedback::Coverage => "edges",
                }
            )],
            ..TargetRecord::default()
        }
    }

    /// A finding for each cluster, seen again on the modules as deployed; its input beside the report.
    fn report(
        &mut self,
        home: &Home,
        folder: &RunFolder,
        flags: &cli::Diff,
        clusters: &[Cluster],
        row: &mut TargetRecord,
    ) -> anyhow::Result<()> {
        let (mut deployed, _) = self.panel(flags, Fidelity::Deployed)?;
        for cluster in clusters {
            let mut finding = card::finding(&mut deployed, cluster);
            let path = format!("findings/{}.bin", finding.id);
            write_whole(&folder.path.join(&path), &cluster.inputs[0])?;
            let shown = home.relative(&folder.path.join(&path));
            finding.repro = format!("cargo xtask diff {} {}", self.guests.format.name(), facts::shell_word(&shown));
            for (flag, value) in [("--target", &flags.target), ("--entry", &flags.entry)] {
                if let Some(value) = value {
                    finding.repro.push_str(&format!(" {flag} {}", facts::shell_word(value)));
                }
            }
            if flags.peers != ["rust"] {
                finding.repro.push_str(&format!(" --peers {}", flags.peers.join(",")));
            }
            finding.reproducer.path = path;
            row.findings.push(finding);
        }
        row.sort_findings();
        row.verdict = match row.judge() {
            Verdict::Pass if self.panel.members.is_empty() => Verdict::NotTested("no reader could be asked".into()),
            verdict => verdict,
        };
        Ok(())
    }

    fn peers(&self) -> Vec<PeerRow> {
        let row = |peer: &Peer| PeerRow {
            name: peer.name.into(),
            package: peer.package.into(),
            runtime: peer.runtime.name().into(),
            version: peer.version.into(),
            leaves_out: peer.projection.words().into_iter().map(str::to_owned).collect(),
            quirks: peer
                .quirks
                .iter()
                .map(|quirk| QuirkRow {
                    what: quirk.what.into(),
                    why: quirk.why.into(),
                    hits: self.clusters.quirks.get(&(peer.name, quirk.what)).copied().unwrap_or(0),
                })
                .collect(),
            ..PeerRow::default()
        };
        let asked = self.panel.members.iter().map(|member| PeerRow {
            asked: member.tally.asked,
            accepted: member.tally.accepted,
            refused: member.tally.refused,
            died: member.tally.died,
            ..row(member.peer)
        });
        let missing = self.missing.iter().map(|(peer, why)| PeerRow { not_tested: why.clone(), ..row(peer) });
        asked.chain(missing).collect()
    }
}

/// The first files on which a reader differs.
fn misses(score: &Score) -> String {
    const SHOWN_MAX: usize = 12;
    let all: Vec<&str> = score.misses().map(|miss| miss.path.as_str()).collect();
    let more = all.len().saturating_sub(SHOWN_MAX);
    let shown = all[..all.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn to_record(sample: &Sample) -> record::Sample {
    record::Sample {
        seconds: sample.wall_seconds,
        execs: sample.executions,
        edges: sample.edges_found as u64,
        corpus: sample.corpus as u64,
        findings: sample.finds,
    }
}

/// Numbers of all jobs, edges there are, and executions per second.
fn sum(samples: &[Sample]) -> (Shown, u64, f64) {
    let mut shown = Shown::default();
    let (mut total, mut rate) = (0, 0.0);
    for sample in samples {
        shown.seconds = shown.seconds.max(sample.wall_seconds);
        shown.cpu_seconds += sample.cpu_seconds;
        shown.execs += sample.executions;
        shown.edges = shown.edges.max(sample.edges_found as u64);
        shown.corpus = shown.corpus.max(sample.corpus as u64);
        total = total.max(sample.edges_total as u64);
        rate += sample.executions as f64 / sample.wall_seconds.max(1e-9);
    }
    (shown, total, rate)
}

/// Files that the words mean, folders with all that is in them, in order.
fn files(words: &[PathBuf]) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths = Vec::new();
    for word in words {
        if word.is_dir() {
            let failed = || format!("{}: cannot be listed", word.display());
            for entry in std::fs::read_dir(word).with_context(failed)? {
                paths.push(entry.with_context(failed)?.path());
            }
        } else {
            paths.push(word.clone());
        }
    }
    paths.retain(|path| !path.is_dir());
    paths.sort();
    let read = |path: PathBuf| Ok((path.clone(), inputs::read_whole(&path, FILE_BYTES_MAX)?));
    paths.into_iter().map(read).collect()
}
