//! One worker process: reads a job from standard input, does it, and tells what happens as JSON lines.

use super::home::{Home, UnitHome};
use super::protocol::{Message, Sample, Task, WorkerJob};
use super::{facts, inputs, triage};
use crate::cli::exit;
use crate::engine::{self, Clock, Event, Options, Stop, Trim};
use crate::error::HarnessError;
use crate::executors::{Engine, Reset, component};
use crate::limits::Overrides;
use crate::target::Target;
use anyhow::Context;
use autoclave_formats::{Format, mutate};
use std::io::{BufRead, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest job line, bytes.
const JOB_BYTES_MAX: u64 = 1 << 20;

/// Everything that a job needs, made ready.
pub struct Ready {
    /// The job.
    pub job: WorkerJob,
    /// The target.
    pub target: Target,
    /// Its unit's folders.
    pub unit: UnitHome,
    /// Folders of the run.
    pub home: Home,
    /// The engines.
    pub engine: Engine,
    /// Set when the job should end soon.
    pub stop: Arc<AtomicBool>,
}

/// Does one job.
pub fn run() -> anyhow::Result<u8> {
    super::workers::end_with_parent();
    let mut line = String::new();
    let mut stdin = std::io::BufReader::new(std::io::stdin());
    (&mut stdin).take(JOB_BYTES_MAX).read_line(&mut line).context("no job on standard input")?;
    let job: WorkerJob = serde_json::from_str(&line).context("the job on standard input is not one")?;
    let stop = stop_when_closed(stdin)?;
    match make_ready(job, stop).and_then(|ready| match ready.job.task {
        Task::Fuzz => fuzz(&ready),
        Task::Triage => triage::run(&ready, &mut tell),
    }) {
        Ok(()) => {}
        Err(error) => tell(&Message::Failed {
            missing: matches!(error, HarnessError::Missing { .. }),
            message: error.to_string(),
        }),
    }
    Ok(exit::CLEAN)
}

fn make_ready(job: WorkerJob, stop: Arc<AtomicBool>) -> Result<Ready, HarnessError> {
    let home = Home { root: job.root.clone() };
    let mut overrides = Overrides { profile: job.profile, ..Overrides::default() };
    for limit in &job.limits {
        overrides.set(limit).map_err(HarnessError::Engine)?;
    }
    let target = Target::load(&home.root, &job.target, &overrides)?;
    let unit = home.unit(&target, &job.entry);
    let engine = Engine::new(Some(&home.cache()))?;
    Ok(Ready { job, target, unit, home, engine, stop })
}

fn fuzz(ready: &Ready) -> Result<(), HarnessError> {
    let Ready { job, target, unit, home, engine, stop } = ready;
    let reset = if job.fresh_instances { Reset::Fresh } else { Reset::Dirty };
    let mut subject = engine::Guest::new(engine, target, &job.entry, reset, &target.limits)?;
    if let Some(note) = subject.executor().note() {
        tell(&Message::Note { text: note.to_owned() });
    }
    tell(&Message::Ready {
        cpu_seconds: facts::own_cpu_seconds(),
        edges_total: engine::Subject::edges(&subject) as u64,
    });
    let format = target.manifest.format.as_deref();
    let known = crate::corpus::Store::open(&unit.corpus(), u64::from(target.limits.input_bytes_max))?.import()?.len();
    let mut seeds = if job.seeds { inputs::seeds(home, format, &target.limits)? } else { Vec::new() };
    let input_bytes_max = job.max_len.unwrap_or(inputs::FUZZ_BYTES_MAX).min(target.limits.input_bytes_max) as usize;
    if job.seeds {
        seeds.extend(inputs::pinned(unit, input_bytes_max as u64)?);
    }
    let begun_with = (known + seeds.len()) as u64;
    if job.runs == Some(0) {
        return rerun(ready, &mut subject, &seeds);
    }
    let options = Options {
        seed: job.seed,
        input_bytes_max,
        seeds,
        dictionary: inputs::dictionary(home, target, &job.dictionaries)?,
        module_tokens: crate::instrument::dictionary::tokens(component::code(target, &job.entry)),
        mutators: format.and_then(Format::named).map_or(&[], mutate::table),
        corpus_folder: Some(unit.corpus()),
        findings_folder: Some(unit.finds()),
        stop: Stop { executions_max: job.runs, wall_max: job.seconds.map(Duration::from_secs_f64), ..Stop::default() },
        stop_flag: stop.clone(),
        // Bounded by executions and alone: nothing may depend on time, so that the run repeats.
        clock: if job.seconds.is_none() && !job.shared { Clock::Ignored } else { Clock::Used },
        trim: Trim::Everything,
    };
    let mut last = Sample::default();
    let mut edges_at = (0, 0.0);
    let stats = engine::fuzz(&mut subject, &options, &mut |event| match event {
        Event::Progress(sample) => {
            last = to_sample(sample, &mut edges_at);
            tell(&Message::Progress(last));
        }
        Event::NewEntry { .. } => {}
        Event::Find { input, outcome, executions, .. } => tell(&Message::Find {
            outcome: outcome.name().into(),
            file: unit.finds().join(crate::corpus::InputId::of(input).hex()),
            execs: executions,
        }),
    })?;
    tell(&Message::Done {
        sample: to_sample(&stats.last, &mut edges_at),
        incidence: stats.incidence,
        sampled: stats.saturation.samples,
        execs_since_new_edge: stats.last.executions_since_edge,
        seeds: begun_with,
    });
    Ok(())
}

/// `--runs 0`: what is there already, each input once, and nothing else.
fn rerun(ready: &Ready, subject: &mut engine::Guest<'_>, seeds: &[Vec<u8>]) -> Result<(), HarnessError> {
    let Ready { unit, target, stop, .. } = ready;
    let input_bytes_max = u64::from(target.limits.input_bytes_max);
    let mut inputs = crate::corpus::Store::open(&unit.corpus(), input_bytes_max)?.import()?;
    inputs.extend_from_slice(seeds);
    let mut finds = crate::corpus::Store::open(&unit.finds(), input_bytes_max)?;
    let mut incidence = vec![0_u32; engine::Subject::edges(subject)];
    let mut seen = std::collections::BTreeSet::new();
    let started = std::time::Instant::now();
    let mut sample = Sample { corpus: (inputs.len() - seeds.len()) as u64, ..Sample::default() };
    let until = ready.job.seconds.map(Duration::from_secs_f64);
    for input in &inputs {
        if stop.load(Ordering::SeqCst) || until.is_some_and(|until| started.elapsed() > until) {
            break;
        }
        let outcome = engine::Subject::run(subject, input)?;
        sample.execs += 1;
        for (count, counter) in incidence.iter_mut().zip(engine::Subject::counters(subject)) {
            *count += u32::from(*counter > 0);
        }
        engine::Subject::counters(subject).fill(0);
        if outcome.is_finding() && seen.insert(crate::triage::quick_key(&subject.executor().execution())) {
            finds.add(input)?;
            sample.finds += 1;
            let file = unit.finds().join(crate::corpus::InputId::of(input).hex());
            tell(&Message::Find { outcome: outcome.name().into(), file, execs: sample.execs });
        }
    }
    sample.edges = incidence.iter().filter(|count| **count > 0).count() as u64;
    sample.seconds = started.elapsed().as_secs_f64();
    sample.cpu_seconds = facts::own_cpu_seconds();
    sample.rss_bytes = facts::rss_bytes();
    let sampled = sample.execs;
    tell(&Message::Done { sample, incidence, sampled, execs_since_new_edge: 0, seeds: inputs.len() as u64 });
    Ok(())
}

fn to_sample(sample: &engine::Sample, edges_at: &mut (usize, f64)) -> Sample {
    if sample.edges_found != edges_at.0 {
        *edges_at = (sample.edges_found, sample.wall_seconds);
    }
    Sample {
        seconds: sample.wall_seconds,
        cpu_seconds: sample.cpu_seconds,
        execs: sample.executions,
        edges: sample.edges_found as u64,
        corpus: sample.corpus as u64,
        finds: sample.finds,
        since_new_edge: sample.wall_seconds - edges_at.1,
        rss_bytes: facts::rss_bytes(),
    }
}

/// Writes one message. When nobody listens any more, the work is over: what was found is on disk.
pub fn tell(message: &Message) {
    let written = serde_json::to_vec(message).map_err(std::io::Error::from).and_then(|mut line| {
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush())
    });
    if written.is_err() {
        std::process::exit(i32::from(exit::NOT_JUDGED));
    }
}

/// The flag is set when standard input ends: because `fuzz` asks to stop, or because it is gone.
fn stop_when_closed(mut stdin: impl Read + Send + 'static) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    // The terminal sends its interrupt to all processes; a worker hears of it from `fuzz`.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).context("signals cannot be handled")?;
    }
    let flag = stop.clone();
    std::thread::spawn(move || {
        let mut chunk = [0; 64];
        while matches!(stdin.read(&mut chunk), Ok(1..)) {}
        flag.store(true, Ordering::SeqCst);
    });
    Ok(stop)
}
