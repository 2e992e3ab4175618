//! Runs that ask a question of each target as a whole (`limits`, `ct`): the oracles qualify in the same run, then every
//! target is judged, and the report is written.

use super::facts;
use super::home::Home;
use super::run_folder::RunFolder;
use super::selftest;
use crate::cli::Format;
use crate::error::HarnessError;
use crate::executors::Engine;
use crate::oracles::{self, Asked};
use crate::target::{MANIFEST_FILE, Manifest, Target};
use autoclave_reports::record::{NotTested, Timing};
use autoclave_reports::{Severity, TargetRecord, Verdict};
use std::path::Path;
use std::time::{Instant, SystemTime};

/// What such a run is asked, whatever the question.
pub struct Run<'a> {
    /// The command's name.
    pub command: &'static str,
    /// The whole command line.
    pub arguments: &'a [String],
    /// Oracles that have to qualify.
    pub oracles: fn(&Asked) -> bool,
    /// Seed of every random choice.
    pub seed: u64,
    /// Jobs at the same time; all processors where nothing is said.
    pub jobs: Option<u32>,
    /// Findings from this severity on fail the run.
    pub fail_on: Severity,
    /// What goes to standard output.
    pub format: Format,
    /// Folder for the report.
    pub out: Option<&'a Path>,
    /// Tells people what came of a target.
    pub say: fn(&TargetRecord),
}

/// Targets that were chosen, and what cannot be judged.
pub type Chosen<T> = (Vec<T>, Vec<NotTested>);

/// Judges what `choose` names, one after the other, with `judge`, which may use all jobs.
pub fn run<T: Sync>(
    run: &Run<'_>,
    choose: impl FnOnce(&Home) -> anyhow::Result<Chosen<T>>,
    judge: impl Fn(&Home, &Engine, &T, &RunFolder) -> anyhow::Result<(TargetRecord, Vec<NotTested>)> + Sync,
) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let engine = Engine::new(Some(&home.cache()))?;
    let mut record = facts::record(run.command, run.arguments, started, run.fail_on);
    record.run.seed = run.seed;
    let (targets, not_tested) = choose(&home)?;
    record.not_tested = not_tested;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(run.jobs.unwrap_or(0) as usize).build()?;
    record.run.jobs = pool.current_num_threads() as u32;
    let folder = RunFolder::create(&home, run.out, run.command, started)?;
    if !targets.is_empty() {
        for oracle in oracles::ALL.iter().filter(|oracle| (run.oracles)(&oracle.asked)) {
            for (canary, twin) in oracle.canaries {
                record.checks.extend(pool.install(|| selftest::qualify(&engine, oracle, canary, twin))?);
            }
        }
    }
    let unqualified = record.checks.iter().find(|check| check.verdict != Verdict::Pass);
    let unqualified = unqualified.map(|check| check.verdict.reason().to_owned());
    for target in &targets {
        let before = facts::own_cpu_seconds();
        let (mut row, gaps) = pool.install(|| judge(&home, &engine, target, &folder))?;
        row.cpu_seconds = facts::own_cpu_seconds() - before;
        if let Some(reason) = &unqualified {
            row.verdict = Verdict::NotTested(format!("the oracle did not qualify in this run: {reason}"));
        }
        (run.say)(&row);
        record.not_tested.extend(gaps);
        record.targets.push(row);
    }
    record.limits = record.targets.first().map(|row| row.limits.clone()).unwrap_or_default();
    record.timing = Timing {
        wall_seconds: clock.elapsed().as_secs_f64(),
        cpu_seconds: facts::cpu_seconds_with_children(),
        memory_bytes_peak: Some(facts::rss_bytes()),
        ..Timing::default()
    };
    record.verdict = record.judge();
    folder.write(&home, &record)?;
    facts::print(&home, &folder, &record, run.format)
}

/// The names that were given, or those of all targets that are meant; a target whose manifest is broken is a gap.
pub fn names(home: &Home, given: &[String], meant: impl Fn(&Manifest) -> bool) -> Result<Chosen<String>, HarnessError> {
    let (mut names, mut gaps) = (given.to_vec(), Vec::new());
    if names.is_empty() {
        for found in Target::discover(&home.root)? {
            match &found.manifest {
                Ok(manifest) if meant(manifest) => names.push(found.name),
                Ok(_) => {}
                Err(error) => gaps.push(facts::gap(&found.name, error)),
            }
        }
    }
    Ok((names, gaps))
}

/// `NAME::ENTRY`, taken apart; a file's name is whole.
pub fn parts(name: &str) -> (String, Option<String>) {
    match name.rsplit_once("::") {
        Some((which, entry)) if !Path::new(name).is_file() => (which.to_owned(), Some(entry.to_owned())),
        _ => (name.to_owned(), None),
    }
}

/// What a target that cannot be loaded is: one that is there and not built is a gap, a name that means nothing is a wrong
/// command line.
///
/// # Errors
/// The wrong command line.
pub fn gap(home: &Home, given: &[String], which: &str, error: HarnessError) -> Result<NotTested, HarnessError> {
    let is_there = matches!(error, HarnessError::Missing { .. }) && facts::is_target(home, which);
    if given.is_empty() || is_there { Ok(facts::gap(which, &error)) } else { Err(error) }
}

/// What is known of a target before it is judged: all of it, or one entry.
pub fn row(home: &Home, target: &Target, entries: &[String], oracles: &[&str]) -> TargetRecord {
    let manifest = target.folder.as_ref().map(|folder| folder.join(MANIFEST_FILE));
    TargetRecord {
        name: match entries {
            [only] if target.entries.len() > 1 => format!("{}::{only}", target.name),
            _ => target.name.clone(),
        },
        about: target.manifest.about.clone(),
        entries: entries.to_vec(),
        module_path: home.relative(&target.module_path),
        manifest_path: manifest.map(|path| home.relative(&path)),
        sha256: target.sha256.clone(),
        bytes: target.wasm.len() as u64,
        abi: target.abi.name().into(),
        format: target.manifest.format.clone(),
        oracles: oracles.iter().map(|oracle| (*oracle).to_owned()).collect(),
        limits: facts::limit_rows(target),
        ..TargetRecord::default()
    }
}
