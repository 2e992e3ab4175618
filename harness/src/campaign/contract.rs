//! `limits`: targets held to their resource contract. Every family of oversize and hostile inputs that concerns what an
//! entry reads, in rising sizes; how work grows; and shapes that a search finds by itself.

use super::home::{Home, write_whole};
use super::run_folder::RunFolder;
use super::{facts, inputs, questions};
use crate::cli;
use crate::complexity::{self, Found, Grown, Search, SearchOptions};
use crate::contract::{self, Broken, Clause, Held, Question, Reads, benign_of};
use crate::corpus::Store;
use crate::error::HarnessError;
use crate::executors::{Engine, component};
use crate::limits::{self, Origin, Profile, ResolvedLimit, Terms};
use crate::oracles;
use crate::symbols::Symbols;
use crate::target::{Abi, MANIFEST_FILE, Manifest, Reading, Target};
use crate::triage;
use anyhow::Context;
use autoclave_formats::{Format, mutate};
use autoclave_generators::Family;
use autoclave_reports::contract::{Contract, Growth, Point, Reads as ReadsRow, Tile, Trial};
use autoclave_reports::record::{Bucket, Confirmation, FoundAt, NotTested, Reproducer, Scope};
use autoclave_reports::{Finding, TargetRecord, Verdict, rules, words};
use rayon::prelude::*;

/// Entries of one module that are held to a contract.
const ENTRIES_MAX: usize = 64;
/// Longest input that is copied into the report's folder, bytes; what is longer is made again by `bombs make`.
const ARTIFACT_BYTES_MAX: u64 = 8 << 20;
/// Longest input that is pinned in the corpus, bytes: it is run at every start of every search.
const PINNED_BYTES_MAX: u64 = 64 << 10;
/// Size at which a shape that the search found is kept, bytes: enough to see it grow.
const FOUND_BYTES: usize = 4 << 10;
/// Bytes of each part of a shape that the report holds.
const TILE_BYTES_MAX: usize = 4 << 10;
/// Entries that a verdict names.
const NAMED_MAX: usize = 4;
/// Frames that a finding shows.
const FRAMES_MAX: usize = 40;

/// One target and what is asked of it.
struct Asked {
    target: Target,
    which: String,
    entries: Vec<String>,
    terms: Terms,
    term_rows: Vec<ResolvedLimit>,
    profile: Profile,
}

/// Judges and reports.
pub fn run(flags: &cli::Pressed, arguments: &[String]) -> anyhow::Result<u8> {
    let run = questions::Run {
        command: "limits",
        arguments,
        oracles: |asked| matches!(asked, oracles::Asked::OfContracts | oracles::Asked::OfGrowth),
        seed: flags.seed,
        jobs: flags.jobs,
        fail_on: flags.fail_on,
        format: flags.format,
        out: flags.out.as_deref(),
        say,
    };
    questions::run(
        &run,
        |home| choose(home, flags),
        |home, engine, asked, folder| {
            let row = hold(home, engine, flags, asked, folder)?;
            let gaps = gaps(&row);
            Ok((row, gaps))
        },
    )
}

/// The targets that the words mean, and what could not be made ready.
fn choose(home: &Home, flags: &cli::Pressed) -> anyhow::Result<(Vec<Asked>, Vec<NotTested>)> {
    let meant = |manifest: &Manifest| manifest.is_candidate() && !manifest.build.on_demand;
    let (names, mut not_tested) = questions::names(home, &flags.targets, meant)?;
    if names.is_empty() && not_tested.is_empty() {
        anyhow::bail!("no targets here: name a .wasm file, or run in a folder that holds targets/");
    }
    let mut asked = Vec::new();
    for name in names {
        let (which, only) = questions::parts(&name);
        match load(home, flags, &which) {
            Ok((target, terms, term_rows, profile)) => {
                let entries = match only {
                    Some(entry) => vec![facts::one_entry(&target, Some(&entry))?],
                    None => target.entries.iter().take(ENTRIES_MAX).cloned().collect(),
                };
                if entries.len() < target.entries.len() && entries.len() == ENTRIES_MAX {
                    let reason = format!("{} entries: the first {ENTRIES_MAX} are tested", target.entries.len());
                    let remedy = format!("name those that matter: cargo xtask limits {which}::ENTRY …");
                    not_tested.push(NotTested { what: which.clone(), reason, remedy, scope: Scope::Asked });
                }
                asked.push(Asked { target, which, entries, terms, term_rows, profile });
            }
            Err(error) => not_tested.push(questions::gap(home, &flags.targets, &which, error)?),
        }
    }
    Ok((asked, not_tested))
}

type Loaded = (Target, Terms, Vec<ResolvedLimit>, Profile);

/// A target under the limits of a profile: the flag's, the manifest's, or a browser's.
fn load(home: &Home, flags: &cli::Pressed, which: &str) -> Result<Loaded, HarnessError> {
    let mut overrides = flags.limits.overrides();
    for term in &flags.terms {
        overrides.set_term(term).expect("checked when the flag was read");
    }
    let first = Target::load(&home.root, which, &overrides)?;
    let profile = overrides.profile.or(first.manifest.profile).unwrap_or(Profile::Browser);
    overrides.profile = Some(profile);
    let target = Target::load(&home.root, which, &overrides)?;
    let manifest = target.folder.clone().unwrap_or_default().join(MANIFEST_FILE);
    let (terms, rows) = Terms::resolve(profile, &target.manifest.contract, &overrides, &manifest)?;
    Ok((target, terms, rows, profile))
}

fn hold(
    home: &Home,
    engine: &Engine,
    flags: &cli::Pressed,
    asked: &Asked,
    folder: &RunFolder,
) -> anyhow::Result<TargetRecord> {
    let Asked { target, entries, terms, .. } = asked;
    let mut row = questions::row(home, target, entries, &["contract", "complexity"]);
    let (allowed, allowed_typical) = allowed(target, terms);
    let mut section = Contract {
        profile: asked.profile.name().into(),
        terms: facts::explained(&asked.term_rows, limits::EXPLAINED),
        allowed,
        allowed_typical,
        ..Contract::default()
    };
    let symbols = Symbols::load(component::code(target, entries.first().map_or("", String::as_str)));
    let mut untested = Vec::new();
    for entry in entries {
        let reads = match contract::reads(engine, target, entry, &flags.reads) {
            Ok(reads) => reads,
            Err(error) => {
                untested.push(format!("{entry} could not be run: {error}"));
                continue;
            }
        };
        if reads.readings.is_empty() {
            untested.push(format!("{entry}: {}", reads.evidence));
        }
        section.reads.push(reads_row(entry, &reads));
        let question = Question {
            engine,
            target,
            entry,
            terms,
            reads: &reads.readings,
            families: &flags.families,
            family_fuel: flags.family_fuel,
        };
        let mut held = hold_entry(&question)?;
        row.execs += held.executions;
        for group in grouped(std::mem::take(&mut held.broken)) {
            let finding = finding(home, asked, entry, &group, &symbols, folder)?;
            link(&mut held, &group, &finding.id);
            row.findings.push(finding);
        }
        section.trials.extend(held.trials);
        section.growth.extend(held.growth);
        if flags.search_runs > 0 && !reads.readings.is_empty() {
            let search = search(home, engine, flags, asked, entry, &reads)?;
            row.execs += search.executions.iter().sum::<u64>();
            for found in &search.found {
                let growth = grown(asked, entry, &found.grown, found.executions.iter().sum()).unwrap_or_default();
                let says = growth.verdict.reason();
                let finding = found_by_search(home, flags, asked, entry, found, says, &symbols, folder)?;
                section.growth.push(Growth { finding: finding.id.clone(), ..growth });
                row.findings.push(finding);
            }
            if let Some(control) = search.control.filter(|_| search.found.is_empty()) {
                section.growth.extend(grown(asked, entry, &control, search.executions.iter().sum()));
            }
        }
    }
    row.sort_findings();
    row.verdict = verdict(&row, &section, untested);
    row.contract = Some(section);
    Ok(row)
}

/// All families on one entry, in the order of their table: side by side, but for components, whose values may cost the
/// host many times their bytes.
fn hold_entry(question: &Question<'_>) -> Result<Held, HarnessError> {
    let run = |(family, readings): (&'static Family, Result<Vec<Reading>, Verdict>)| match readings {
        Ok(readings) => contract::hold(question, family, &readings),
        Err(verdict) => Ok(not_run(question.entry, family, verdict)),
    };
    let families = contract::families(question);
    let rows: Vec<Result<Held, HarnessError>> = match question.target.abi {
        Abi::Component => families.into_iter().map(run).collect(),
        _ => families.into_par_iter().with_max_len(1).map(run).collect(),
    };
    let mut all = Held::default();
    for row in rows {
        all.add(row?);
    }
    Ok(all)
}

/// Rows lead to the card that they are told of in.
fn link(held: &mut Held, group: &[Broken], id: &str) {
    for one in group {
        let (family, params) = (&one.trial.family, &one.trial.params);
        let trials = held.trials.iter_mut().filter(|trial| trial.family == *family && trial.params == *params);
        for trial in trials.filter(|trial| trial.finding.is_empty() && matches!(trial.verdict, Verdict::Fail(_))) {
            trial.finding = id.to_owned();
        }
        if one.clause == Clause::Superlinear {
            let shapes = held.growth.iter_mut().filter(|growth| growth.shape == *family);
            shapes.for_each(|growth| growth.finding = id.to_owned());
        }
    }
}

/// What the terms allow, as lines over the input's size: at doublings, and where a formula has a corner.
fn allowed(target: &Target, terms: &Terms) -> (Vec<Point>, Vec<Point>) {
    let (accepted, hard) = (u64::from(target.limits.input_bytes_max), target.limits.memory_bytes_max);
    let corner = |base: u64, per_byte: u64| hard.saturating_sub(base) / per_byte.max(1);
    let mut sizes: Vec<u64> = (0..64).map(|log2| 1 << log2).collect();
    sizes.extend([
        accepted,
        corner(terms.memory_base_bytes, terms.memory_per_byte),
        corner(terms.typical_memory_base_bytes, terms.typical_memory_per_byte),
    ]);
    sizes.retain(|bytes| (1..=accepted.saturating_mul(contract::BEYOND)).contains(bytes));
    sizes.sort_unstable();
    sizes.dedup();
    let point = |bytes: u64, memory_bytes: u64| Point { bytes, fuel: terms.fuel(bytes, accepted), memory_bytes };
    let worst = sizes.iter().map(|bytes| point(*bytes, terms.memory(*bytes, hard))).collect();
    (worst, sizes.iter().map(|bytes| point(*bytes, terms.typical_memory(*bytes, hard))).collect())
}

/// Shapes that no family has: fuel-guided search from small plain documents, or from nothing.
fn search(
    home: &Home,
    engine: &Engine,
    flags: &cli::Pressed,
    asked: &Asked,
    entry: &str,
    reads: &Reads,
) -> anyhow::Result<Search> {
    let format = asked.target.manifest.format.as_deref();
    let seeds = if flags.no_seeds { Vec::new() } else { reads.readings.iter().map(|one| benign_of(*one)).collect() };
    let options = SearchOptions {
        seed: flags.seed,
        seeds,
        dictionary: inputs::dictionary(home, &asked.target, &[])?,
        mutators: format.and_then(Format::named).filter(|_| !flags.no_seeds).map_or(&[], mutate::table),
        executions_max: flags.search_runs,
        threshold: contract::threshold(&asked.terms, &asked.target),
        ..SearchOptions::default()
    };
    Ok(complexity::search(engine, &asked.target, entry, &options)?)
}

/// A shape that the search measured, as the report shows it.
fn grown(asked: &Asked, entry: &str, grown: &Grown, executions: u64) -> Option<Growth> {
    let point = |point: &complexity::Point| Point { bytes: point.bytes, fuel: point.fuel, ..Point::default() };
    let points = grown.points.iter().map(point).collect();
    let growth = contract::growth(entry, "found by search", points, &contract::threshold(&asked.terms, &asked.target))?;
    let cut = |bytes: &[u8]| crate::corpus::hex(&bytes[..bytes.len().min(TILE_BYTES_MAX)]);
    let tile = Tile {
        prefix_hex: cut(&grown.tile.prefix),
        piece_hex: cut(&grown.tile.piece),
        after_number_hex: grown.tile.numbered.as_deref().map(cut),
        suffix_hex: cut(&grown.tile.suffix),
    };
    Some(Growth { tile: Some(tile), executions, ..growth })
}

#[allow(clippy::too_many_arguments)]
fn found_by_search(
    home: &Home,
    flags: &cli::Pressed,
    asked: &Asked,
    entry: &str,
    found: &Found,
    says: &str,
    symbols: &Symbols,
    folder: &RunFolder,
) -> anyhow::Result<Finding> {
    let (target, clause) = (&asked.target, Clause::Superlinear);
    let raw = found.function.map(|function| crate::execution::RawFrame { function, offset: None });
    let frames = symbols.resolve_all(raw.as_slice(), FRAMES_MAX);
    let hot = frames.first().map_or_else(|| "the module".to_owned(), |frame| frame.to_record().function);
    let bucket = Bucket {
        oracle: clause.oracle().into(),
        outcome: clause.name().into(),
        frames: vec![target.name.clone(), entry.to_owned(), hot.clone()],
    };
    let id = bucket.id();
    let input = found.grown.tile.at_least(FOUND_BYTES);
    pin(home, target, entry, &input)?;
    let path = format!("artifacts/{id}.bin");
    write_whole(&folder.path.join(&path), &input)?;
    let rule = rules::rule(clause.oracle(), clause.name());
    let mut repro = format!(
        "cargo xtask limits {} --search-runs {} --seed {}",
        facts::shell_word(&place(home, asked, entry)),
        flags.search_runs,
        flags.seed
    );
    if flags.no_seeds {
        repro += " --no-seeds";
    }
    Ok(Finding {
        id,
        oracle: clause.oracle().into(),
        severity: rule.severity,
        outcome: clause.name().into(),
        title: format!("{entry} {}, in {hot}", clause.title()),
        message: format!(
            "found by search after {} executions: {}\n{says}",
            words::count(found.executions[0]),
            found.grown.tile
        ),
        frames: frames.iter().take(FRAMES_MAX).map(crate::symbols::Frame::to_record).collect(),
        reproducer: Reproducer::new(path, &input, found.input.len() as u64),
        decoded: facts::decoded(target, entry, &input),
        repro,
        hits: 1,
        found_at: FoundAt { execs: found.executions[0], seconds: 0.0 },
        // Every point was measured on the module as deployed, in a fresh instance.
        confirmed: Confirmation::Reproduced,
        bucket,
        ..Finding::default()
    })
}

/// How the command line calls an entry.
fn place(home: &Home, asked: &Asked, entry: &str) -> String {
    let which = super::findings::stored_name(home, &asked.target, &asked.which);
    if asked.target.entries.len() > 1 { format!("{which}::{entry}") } else { which }
}

fn not_run(entry: &str, family: &'static Family, verdict: Verdict) -> Held {
    let trial = Trial { entry: entry.to_owned(), family: family.name.to_owned(), verdict, ..Trial::default() };
    Held { trials: vec![trial], ..Held::default() }
}

fn reads_row(entry: &str, reads: &Reads) -> ReadsRow {
    ReadsRow {
        entry: entry.to_owned(),
        kinds: reads.readings.iter().map(ToString::to_string).collect(),
        origin: reads.origin.name().into(),
        evidence: reads.evidence.clone(),
    }
}

/// What was broken, by clause; inside, the worst first.
fn grouped(broken: Vec<Broken>) -> Vec<Vec<Broken>> {
    let mut groups: std::collections::BTreeMap<Clause, Vec<Broken>> = std::collections::BTreeMap::new();
    for one in broken {
        groups.entry(one.clause).or_default().push(one);
    }
    let mut groups: Vec<Vec<Broken>> = groups.into_values().collect();
    for group in &mut groups {
        // The smallest input that shows it is what people want to look at.
        group.sort_by_key(|one| (one.trial.bytes, one.trial.family.clone()));
    }
    groups
}

fn finding(
    home: &Home,
    asked: &Asked,
    entry: &str,
    group: &[Broken],
    symbols: &Symbols,
    folder: &RunFolder,
) -> anyhow::Result<Finding> {
    let first = &group[0];
    let target = &asked.target;
    let (oracle, outcome) = (first.clause.oracle(), first.clause.name());
    let bucket =
        Bucket { oracle: oracle.into(), outcome: outcome.into(), frames: vec![target.name.clone(), entry.to_owned()] };
    let id = bucket.id();
    let mut families: Vec<&str> = group.iter().map(|one| one.trial.family.as_str()).collect();
    families.dedup();
    families.sort_unstable();
    families.dedup();
    let mut message = format!("{} {}: {}", first.trial.family, first.trial.params, first.says);
    if families.len() > 1 {
        message += &format!("\nso do {} families: {}", families.len(), families.join(", "));
    }
    if !first.message.is_empty() {
        message += &format!("\nit said: {}", String::from_utf8_lossy(&first.message));
    }
    let mut input = Vec::new();
    first.params.family().make(&first.params, &mut input)?;
    pin(home, target, entry, &input)?;
    let mut path = format!("artifacts/{id}.bin");
    if input.len() as u64 <= ARTIFACT_BYTES_MAX {
        write_whole(&folder.path.join(&path), &input)?;
    } else {
        path = format!("cargo xtask bombs make {} {}", first.trial.family, param_flags(&first.trial.params));
    }
    let frames = symbols.resolve_all(&first.frames, FRAMES_MAX);
    let rule = rules::rule(oracle, outcome);
    let place = place(home, asked, entry);
    let mut repro =
        format!("cargo xtask limits {} --families {} --search-runs 0", facts::shell_word(&place), first.trial.family);
    for row in asked.term_rows.iter().filter(|row| row.origin == Origin::Flag) {
        repro += &format!(" --term {}={}", row.name, row.value);
    }
    Ok(Finding {
        id,
        oracle: oracle.into(),
        severity: rule.severity,
        outcome: outcome.into(),
        title: format!("{entry} {}: {}", first.clause.title(), first.trial.family),
        message,
        frames: triage::without_machinery(&frames)
            .iter()
            .take(FRAMES_MAX)
            .map(crate::symbols::Frame::to_record)
            .collect(),
        reproducer: Reproducer::new(path, &input, input.len() as u64),
        repro,
        hits: group.len() as u64,
        // The module as deployed was run, in a fresh instance, with fuel.
        confirmed: Confirmation::Reproduced,
        bucket,
        ..Finding::default()
    })
}

/// `name=value name=value` as flags of `bombs make`.
fn param_flags(words: &str) -> String {
    words.split(' ').map(|word| format!("--param {word}")).collect::<Vec<_>>().join(" ")
}

/// Keeps an input beside the corpus, where no merge deletes it and every search starts from it.
fn pin(home: &Home, target: &Target, entry: &str, input: &[u8]) -> anyhow::Result<()> {
    if input.len() as u64 <= PINNED_BYTES_MAX {
        let mut store = Store::open(&home.unit(target, entry).pinned(), PINNED_BYTES_MAX)?;
        store.add(input).context("an input could not be pinned")?;
    }
    Ok(())
}

/// Findings first; what was not run is never a pass, nor is a module of which an entry was not.
fn verdict(row: &TargetRecord, section: &Contract, untested: Vec<String>) -> Verdict {
    let was_run = section.trials.iter().any(|trial| !trial.outcome.is_empty());
    if row.confirmed().count() > 0 || (was_run && untested.is_empty()) {
        return row.judge();
    }
    let not_concerned = |reads: &ReadsRow| {
        format!("no family that was asked for concerns {}, which reads {}", reads.entry, reads.kinds.join(" and "))
    };
    let known = section.reads.iter().filter(|reads| !was_run && !reads.kinds.is_empty()).map(not_concerned);
    let reasons: Vec<String> = untested.into_iter().chain(known).take(NAMED_MAX).collect();
    Verdict::NotTested(reasons.join("; "))
}

/// What a reader of the report might think was tested: families that could not be judged, by reason.
fn gaps(row: &TargetRecord) -> Vec<NotTested> {
    let mut reasons: std::collections::BTreeMap<(&str, &str), Vec<&str>> = std::collections::BTreeMap::new();
    for trial in row.contract.iter().flat_map(|contract| &contract.trials) {
        if let Verdict::NotTested(reason) = &trial.verdict {
            reasons.entry((&trial.entry, reason)).or_default().push(&trial.family);
        }
    }
    let gap = |((entry, reason), mut families): ((&str, &str), Vec<&str>)| {
        let count = families.len();
        families.dedup();
        let families = match families.len() {
            ..=NAMED_MAX => families.join(", "),
            many => format!("{many} families"),
        };
        NotTested {
            what: if row.entries.len() > 1 { format!("{}::{entry}", row.name) } else { row.name.clone() },
            reason: format!("{count} inputs of {families}: {reason}"),
            remedy: String::new(),
            scope: Scope::Outside,
        }
    };
    reasons.into_iter().map(gap).collect()
}

fn say(row: &TargetRecord) {
    let trials = row.contract.iter().flat_map(|contract| &contract.trials);
    let (mut kept, mut broken, mut not_tested, mut not_applicable) = (0, 0, 0, 0);
    for trial in trials {
        match trial.verdict {
            Verdict::Pass => kept += 1,
            Verdict::Fail(_) => broken += 1,
            Verdict::NotApplicable(_) => not_applicable += 1,
            _ => not_tested += 1,
        }
    }
    eprintln!(
        "{}: {kept} inputs kept the contract, {broken} broke it, {not_tested} not tested; {not_applicable} families do not \
concern it; {:.1} cpu-s",
        cli::printable_name(&row.name),
        row.cpu_seconds
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_flags() {
        assert_eq!(param_flags("a=1 b=x"), "--param a=1 --param b=x");
    }
}
