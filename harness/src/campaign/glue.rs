//! `boundary`: packages are driven through their own glue, in the hosts that they are deployed to. What is found is
//! played again on the module as it is deployed, made small, and comes with a file that shows it without this tool.

mod judging;
mod qualify;
mod rates;
mod siege;
mod tell;

use super::facts;
use super::home::Home;
use super::inputs;
use super::questions;
use super::run_folder::RunFolder;
use crate::cli::{self, HostName};
use crate::corpus::Store;
use crate::executors::Engine;
use crate::instrument::dictionary;
use crate::instrument::portable::{self, Allocator, Portable};
use crate::oracles;
use crate::target::{BuildKind, MANIFEST_FILE, Manifest, TARGETS_FOLDER};
use autoclave_boundary::api::{Api, Kind, Operation};
use autoclave_boundary::fuzz::{self, Guidance};
use autoclave_boundary::glue::capabilities::Policy;
use autoclave_boundary::hosts::chromium::Chromium;
use autoclave_boundary::hosts::discover;
use autoclave_boundary::hosts::node::{Node, NodeHost};
use autoclave_boundary::hosts::page_checks;
use autoclave_boundary::hosts::{Host, Setup};
use autoclave_boundary::judge::{Played, Player};
use autoclave_boundary::package::{Package, Surface};
use autoclave_boundary::tape::{Seeds, TAPE_BYTES_MAX, Tape};
use autoclave_boundary::wire::{Build, Glue, flags};
use autoclave_reports::boundary as rows;
use autoclave_reports::record::{NotTested, Scope};
use autoclave_reports::{TargetRecord, Verdict};
use judging::Judging;
pub use qualify::qualify;
pub use rates::rates;
use std::path::Path;
use std::time::{Duration, Instant};

/// The oracle's name.
const ORACLE: &str = "boundary";
/// Linear memory may grow to that many pages beyond its initial ones: 16 MiB tell growth from a leak.
const PAGES_MORE: u32 = 256;
/// Seeds that flow into texts and bytes.
const SEEDS_MAX: usize = 400;
/// Longest of them, bytes.
const SEED_BYTES_MAX: usize = 4096;
/// Words of the module that flow into texts and bytes.
const WORDS_MAX: usize = 2000;
/// Findings that are judged; the rest is counted.
const JUDGED_MAX: usize = 200;
/// Processor time that a batch of a search may take, seconds: a second but where one of its tapes hangs.
const BATCH_CPU_SECONDS_MAX: u64 = 4;
/// Processor time that one tape may take, with all that is asked of it, seconds.
const TAPE_CPU_SECONDS_MAX: u64 = 2;
/// How often people are told how a search goes on.
const PROGRESS: Duration = Duration::from_secs(5);
/// Tapes that two hosts must agree on.
const COMPARED_MAX: usize = 400;

/// One package to drive, as a name on the command line means it.
struct Asked {
    /// As it was written.
    which: String,
    name: String,
    about: String,
    format: Option<String>,
    /// Where the same module lies with glue for different hosts, best first; one where only one is known.
    flavours: Vec<Opened>,
}

/// A package and what can be called in it.
#[derive(Debug)]
struct Opened {
    package: Package,
    surface: Surface,
    policy: Policy,
}

/// Drives and reports.
pub fn run(flags: &cli::Boundary, arguments: &[String]) -> anyhow::Result<u8> {
    if let Some(file) = &flags.tape {
        return play(flags, file);
    }
    let run = questions::Run {
        command: "boundary",
        arguments,
        oracles: |asked| matches!(asked, oracles::Asked::OfGlue),
        seed: flags.seed,
        jobs: Some(1),
        fail_on: flags.fail_on,
        format: flags.format,
        out: flags.out.as_deref(),
        say,
    };
    questions::run(
        &run,
        |home| choose(home, flags),
        |home, engine, asked, folder| drive(home, engine, flags, asked, folder),
    )
}

/// Plays one tape on the module as it is deployed, and says what it does; 1 where something should not have happened.
fn play(flags: &cli::Boundary, file: &Path) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let [which] = flags.targets.as_slice() else {
        anyhow::bail!("--tape needs the one package that it is played on");
    };
    let bytes = inputs::read_whole(file, TAPE_BYTES_MAX as u64)?;
    let tape = Tape::from_bytes(&bytes).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    let asked = open(&home, which, flags.module.as_deref())?;
    let mut seen = false;
    for host in flags.hosts.iter().filter(|host| **host != HostName::Wasmtime) {
        let site = site(*host, flags.seed, &asked).map_err(anyhow::Error::msg)?;
        let api = &site.opened.surface.api;
        eprintln!("{}", cli::printable(&tape.to_script(api)));
        let mut player = Player::new(site.deployed);
        let played = player.play(&tape, flags::DEEP | flags::OUTCOMES).map_err(anyhow::Error::msg)?;
        eprintln!(
            "in {}:",
            cli::printable_name(&player.hello().map_or_else(|_| host.name().into(), |hello| hello.host))
        );
        match played {
            Played::Ended { sightings, outcomes } => {
                for (at, outcome) in outcomes.iter().enumerate() {
                    eprintln!("  {at:>2}  {}", cli::printable_name(outcome));
                }
                for sighting in &sightings {
                    eprintln!("{}: {}", sighting.class, cli::printable_name(&sighting.what));
                }
                seen |= !sightings.is_empty();
            }
            Played::Died(death) => {
                eprintln!("time: {}", cli::printable_name(&death.to_string()));
                seen = true;
            }
        }
    }
    Ok(if seen { cli::exit::FINDINGS } else { cli::exit::CLEAN })
}

/// The packages that the words mean, and what cannot be driven.
fn choose(home: &Home, flags: &cli::Boundary) -> anyhow::Result<(Vec<Asked>, Vec<NotTested>)> {
    let meant = |manifest: &Manifest| manifest.oracle.is_none() && !manifest.build.on_demand && has_glue(manifest);
    let (names, mut not_tested) = questions::names(home, &flags.targets, meant)?;
    if names.is_empty() && not_tested.is_empty() {
        anyhow::bail!(
            "no target here has glue that is built (`glue` in [build] of target.toml): name a package's folder, a package.tgz, or a .wasm file"
        );
    }
    let mut asked = Vec::new();
    for which in names {
        match open(home, &which, flags.module.as_deref()) {
            Ok(package) => asked.push(package),
            Err(reason) if Path::new(&which).exists() || facts::is_target(home, &which) => not_tested.push(NotTested {
                what: which,
                reason: format!("{reason:#}"),
                remedy: "cargo xtask build builds glue; `--entry` and `--module` say which files are meant".into(),
                scope: Scope::Asked,
            }),
            Err(reason) => return Err(reason),
        }
    }
    Ok((asked, not_tested))
}

/// Opens what a word means: a package on disk, or what a target was built as; with `::OPERATION`, only that of it and what
/// makes its object.
fn open(home: &Home, which: &str, module: Option<&str>) -> anyhow::Result<Asked> {
    let (package, operation) = questions::parts(which);
    let mut asked = open_whole(home, &package, module)?;
    if let Some(operation) = operation {
        for flavour in &mut asked.flavours {
            only(&mut flavour.surface.api, &operation).map_err(|reason| anyhow::anyhow!("{which}: {reason}"))?;
        }
        asked.which = which.to_owned();
        asked.name = which.to_owned();
    }
    Ok(asked)
}

/// Leaves one operation, and the constructors of its class.
fn only(api: &mut Api, name: &str) -> Result<(), String> {
    let Some(wanted) = api.operations.iter().find(|operation| operation.name == name).cloned() else {
        let names: Vec<&str> = api.operations.iter().take(12).map(|operation| operation.name.as_str()).collect();
        return Err(format!("there is no such operation; there are {}", names.join(", ")));
    };
    let makes = |operation: &Operation| operation.kind == Kind::Constructor && operation.class == wanted.class;
    api.operations.retain(|operation| operation.id == wanted.id || wanted.class.is_some() && makes(operation));
    Ok(())
}

fn open_whole(home: &Home, which: &str, module: Option<&str>) -> anyhow::Result<Asked> {
    let path = Path::new(which);
    let file_name = || path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    if !facts::is_target(home, which) || path.extension().is_some() {
        anyhow::ensure!(path.exists(), "{which}: there is no such package, file or target");
        let opened = opened(path, module)?;
        let name = if path.is_dir() { opened.package.name.clone() } else { file_name() };
        let about = format!("package {}", opened.package.name);
        return Ok(Asked { which: which.into(), name, about, format: None, flavours: vec![opened] });
    }
    let folder = home.root.join(TARGETS_FOLDER).join(which);
    let manifest = Manifest::read(&folder.join(MANIFEST_FILE))?;
    let built = home.state().join("build").join(which).join("pkg");
    let mut flavours = Vec::new();
    for place in [built.join("nodejs"), built.join("web"), built.join("bundler"), built.clone()] {
        let has_files = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.into_iter().any(|entry| entry.path().is_file())
        };
        if has_files(&place) {
            flavours.push(opened(&place, module)?);
        }
    }
    anyhow::ensure!(!flavours.is_empty(), "{which}: its glue is not built");
    Ok(Asked { which: which.into(), name: which.into(), about: manifest.about, format: manifest.format, flavours })
}

fn opened(path: &Path, module: Option<&str>) -> anyhow::Result<Opened> {
    let package = Package::open_with(path, module)?;
    // What registers its operations when it is loaded is asked in Node, where there is one.
    let surface = match Node::find() {
        Ok(node) => discover::surface(&node, &package)?,
        Err(_) => package.api()?,
    };
    let policy = Policy::of(&package)?;
    Ok(Opened { package, surface, policy })
}

/// Whether glue is built for such a target.
pub(super) fn has_glue(manifest: &Manifest) -> bool {
    !manifest.build.glue.is_empty() || manifest.build.kind == BuildKind::Npm
}

/// Tells people now and then how a search goes on.
fn progress(name: &str) -> impl FnMut(&fuzz::Search) -> bool {
    let name = cli::printable_name(name);
    let (mut last, mut deaths) = (Instant::now(), 0);
    move |search| {
        for death in &search.deaths[deaths..] {
            eprintln!("{name}: {}", cli::printable_name(death));
        }
        deaths = search.deaths.len();
        if last.elapsed() >= PROGRESS {
            last = Instant::now();
            let (tapes, finds) = (autoclave_reports::words::count(search.tapes), search.finds.len());
            eprintln!(
                "{name}: {tapes} tapes, {} in the corpus, {} counters, {finds} sightings",
                search.corpus.len(),
                search.reached()
            );
        }
        false
    }
}

/// Tapes that were collected.
fn tapes_of(store: &mut Store) -> anyhow::Result<Vec<Tape>> {
    // What an older version wrote, or somebody else, is left alone.
    Ok(store.import()?.iter().filter_map(|bytes| Tape::from_bytes(bytes).ok()).collect())
}

/// What a module's own words, the corpora and its dictionary give to texts and bytes.
fn seeds(home: &Home, flags: &cli::Boundary, asked: &Asked, wasm: &[u8]) -> anyhow::Result<Seeds> {
    let mut seeds = Seeds::default();
    if flags.blind {
        return Ok(seeds);
    }
    if !flags.no_dictionary {
        seeds.words = dictionary::tokens(wasm);
        seeds.words.truncate(WORDS_MAX);
    }
    if flags.no_seeds {
        return Ok(seeds);
    }
    let formats: Vec<&str> = match &asked.format {
        Some(format) => vec![format.as_str()],
        None => vec!["fhir-json", "hl7v2"],
    };
    for format in formats {
        let mut inputs = inputs::seeds(home, Some(format), &Default::default())?;
        inputs.retain(|input| input.len() <= SEED_BYTES_MAX);
        inputs.truncate(SEEDS_MAX);
        seeds.texts.extend(inputs.iter().map(|input| String::from_utf8_lossy(input).encode_utf16().collect()));
        seeds.bytes.extend(inputs);
        if let (false, Ok(words)) = (flags.no_dictionary, inputs::dictionary_of(home, format)) {
            seeds.words.extend(words);
        }
    }
    Ok(seeds)
}

/// What hosts are started with: `portables` are the instrumented builds, none for the module as it is deployed.
fn setup(seed: u64, opened: &Opened, portables: &[Portable]) -> Setup {
    let Opened { package, surface, policy } = opened;
    let mut setup = Setup::of(package, &surface.api);
    let allowed = policy.capabilities.iter().flat_map(|name| tell::runtime_names(name));
    setup.config.builds = portables.iter().map(|portable| portable.build.clone()).collect();
    setup.config.pages_max = pages_max(&package.module.bytes);
    setup.config.allowed = allowed.map(str::to_owned).collect();
    setup.config.flows = flows(&package.narrowing.flows);
    setup.config.seed = seed;
    setup.modules = portables.iter().map(|portable| portable.wasm.clone()).collect();
    setup.evaluators = portables.iter().map(|portable| portable.evaluator.clone()).collect();
    setup.limits.batch_cpu_seconds_max = BATCH_CPU_SECONDS_MAX;
    setup.limits.tape_cpu_seconds_max = TAPE_CPU_SECONDS_MAX;
    setup
}

/// Pages that memory may have: some more than it begins with.
fn pages_max(wasm: &[u8]) -> u32 {
    let initial = portable::initial_pages(wasm).unwrap_or(0);
    u32::try_from(initial).unwrap_or(u32::MAX).saturating_add(PAGES_MORE).min(1 << 16)
}

/// Whether the module's allocator leaves pages alone that it did not ask for: Rust's does, with which wasm-bindgen comes.
fn allocator(glue: Glue) -> Allocator {
    match glue {
        Glue::BindgenNodejs | Glue::BindgenWeb | Glue::BindgenBundler => Allocator::AsksFirst,
        _ => Allocator::Unknown,
    }
}

/// Starts a host of that kind with `setup`, as often as it is asked.
fn starter(host: HostName, setup: Setup) -> Result<Box<fuzz::Start<'static>>, String> {
    Ok(match host {
        HostName::Node => {
            let node = Node::find()?;
            Box::new(move |seen| {
                let setup = Setup { seen: seen.to_vec(), ..setup.clone() };
                Ok(Box::new(NodeHost::start(&node, &setup)?) as Box<dyn Host>)
            })
        }
        HostName::Wasmtime => return Err("wasmtime runs no tapes".to_owned()),
        HostName::Chromium => Box::new(move |seen| {
            let setup = Setup { seen: seen.to_vec(), ..setup.clone() };
            Ok(Box::new(Chromium::start(&setup)?) as Box<dyn Host>)
        }),
    })
}

/// One package in one host.
struct Site<'a> {
    name: HostName,
    instrumented: Box<fuzz::Start<'static>>,
    deployed: Box<fuzz::Start<'static>>,
    opened: &'a Opened,
    portables: Vec<Portable>,
}

fn site(name: HostName, seed: u64, asked: &Asked) -> Result<Site<'_>, String> {
    let mut flavours = asked.flavours.iter().filter(|opened| name.loads(opened.package.glue));
    // Wrappers look alike whatever is inside: pages get those that were built for them.
    let is_for_pages = |opened: &&Opened| !opened.package.root.ends_with("nodejs");
    let opened = match name {
        HostName::Node | HostName::Wasmtime => flavours.next(),
        HostName::Chromium => flavours.clone().find(is_for_pages).or_else(|| flavours.next()),
    };
    let opened = opened.ok_or_else(|| {
        let kinds: Vec<&str> = asked.flavours.iter().map(|opened| tell::kind(opened.package.glue)).collect();
        format!("{} does not load {}", name.name(), kinds.join(" or "))
    })?;
    let wasm = &opened.package.module.bytes;
    let portables = portable::builds(&asked.name, wasm, pages_max(wasm), allocator(opened.package.glue));
    let portables = portables.map_err(|error| error.to_string())?;
    Ok(Site {
        name,
        instrumented: starter(name, setup(seed, opened, &portables))?,
        deployed: starter(name, setup(seed, opened, &[]))?,
        opened,
        portables,
    })
}

/// `A -> B` as pairs.
fn flows(written: &[String]) -> Vec<(String, String)> {
    let pair = |text: &String| text.split_once("->").map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()));
    written.iter().filter_map(pair).collect()
}

/// Where a package's record grows.
struct Driven<'a> {
    home: &'a Home,
    flags: &'a cli::Boundary,
    asked: &'a Asked,
    folder: &'a RunFolder,
    row: TargetRecord,
    section: rows::Boundary,
    gaps: Vec<NotTested>,
    /// Why not everything was asked.
    cut: Option<String>,
}

fn drive(
    home: &Home,
    engine: &Engine,
    flags: &cli::Boundary,
    asked: &Asked,
    folder: &RunFolder,
) -> anyhow::Result<(TargetRecord, Vec<NotTested>)> {
    let (row, section) = (row(home, asked, asked.flavours.first()), rows::Boundary::default());
    let mut driven = Driven { home, flags, asked, folder, row, section, gaps: Vec::new(), cut: None };
    let mut sites = Vec::new();
    for host in flags.hosts.iter().filter(|host| **host != HostName::Wasmtime) {
        match site(*host, flags.seed, asked) {
            Ok(site) => sites.push(site),
            Err(reason) => driven.lacks(*host, &reason, "install the host, or build the glue that it loads"),
        }
    }
    let mut asked_of = tell::AskedOf { hosts: sites.len(), ..tell::AskedOf::default() };
    if let Some(first) = (!sites.is_empty()).then(|| sites.remove(0)) {
        asked_of.build = driven.search(first, sites)?;
    }
    if let (true, Some(opened)) = (flags.hosts.contains(&HostName::Wasmtime), asked.flavours.first()) {
        let seeds = seeds(home, flags, asked, &opened.package.module.bytes)?;
        let mut found = siege::run(engine, flags, asked, opened, &seeds.bytes, folder)?;
        driven.row.execs += found.host.calls;
        driven.section.hosts.push(found.host);
        driven.section.cards.append(&mut found.cards);
        driven.section.notes.append(&mut found.notes);
        driven.row.findings.append(&mut found.findings);
    }
    let Driven { mut row, mut section, gaps, cut, .. } = driven;
    asked_of.cut.clone_from(&cut);
    if let Some(opened) = asked.flavours.first() {
        section.classes = tell::classes(&row.findings, &opened.surface.api, opened.package.glue, &asked_of);
    }
    let ran = section.hosts.iter().any(|host| host.not_tested.is_empty());
    row.boundary = Some(section);
    row.sort_findings();
    row.verdict = match (gaps.first(), row.judge(), cut) {
        (Some(gap), ..) if !ran => Verdict::NotTested(gap.reason.clone()),
        (_, Verdict::Pass, Some(reason)) => Verdict::NotTested(format!("not everything was asked: {reason}")),
        (_, verdict, _) => verdict,
    };
    Ok((row, gaps))
}

impl Driven<'_> {
    /// A host that was wanted and is not there.
    fn lacks(&mut self, host: HostName, reason: &str, remedy: &str) {
        self.gaps.push(NotTested {
            what: format!("{} in {}", self.asked.which, host.name()),
            reason: reason.to_owned(),
            remedy: remedy.into(),
            scope: Scope::Asked,
        });
        let (name, not_tested) = (host.name().into(), reason.to_owned());
        self.section.hosts.push(rows::HostRow { name, not_tested, ..rows::HostRow::default() });
    }

    /// Not everything was asked: what was found counts, that nothing else was says little.
    fn is_cut(&mut self, host: HostName, reason: &str) {
        eprintln!("{}: {}", cli::printable_name(&self.asked.name), cli::printable_name(reason));
        self.section.notes.push(format!("not everything was asked: {reason}"));
        self.gaps.push(NotTested {
            what: format!("{} in {}", self.asked.which, host.name()),
            reason: format!("not everything was asked: {reason}"),
            remedy: "look at what the package does when it is loaded, and whether its calls wait for something".into(),
            scope: Scope::Asked,
        });
        self.cut = Some(reason.to_owned());
    }

    /// Searches in the first host and plays again in the others. Returns the build that ran.
    fn search(&mut self, mut first: Site<'_>, sites: Vec<Site<'_>>) -> anyhow::Result<Option<Build>> {
        let (home, flags, asked) = (self.home, self.flags, self.asked);
        let opened = first.opened;
        let api = &opened.surface.api;
        self.row = row(home, asked, Some(opened));
        let seeds = seeds(home, flags, asked, &opened.package.module.bytes)?;
        let collected = home.state().join("boundary").join(super::home::file_name(&asked.name)).join("corpus");
        let mut store = Store::open(&collected, TAPE_BYTES_MAX as u64)?;
        let initial = if flags.no_seeds || flags.blind { Vec::new() } else { tapes_of(&mut store)? };
        self.row.corpus.seeds = initial.len() as u64;
        let cpu_seconds_max = if flags.tapes.is_some() { f64::INFINITY } else { flags.time.as_secs_f64() };
        let options = fuzz::Options {
            seed: flags.seed,
            profiles: flags.profiles.clone(),
            tapes_max: flags.tapes.unwrap_or(u64::MAX),
            cpu_seconds_max,
            clock_seconds_max: fuzz::clock_seconds_max(cpu_seconds_max),
            guidance: if flags.blind { Guidance::Blind } else { Guidance::Counters },
            initial,
            ..fuzz::Options::default()
        };
        eprintln!(
            "{}: {} operations, searching in {}",
            cli::printable_name(&asked.name),
            api.operations.len(),
            first.name.name()
        );
        let search = fuzz::search(api, &seeds, &options, &mut *first.instrumented, &mut progress(&asked.name))
            .map_err(|reason| anyhow::anyhow!("{}: {reason}", asked.which))?;
        for tape in &search.corpus {
            store.add(&tape.to_bytes())?;
        }
        let mut deployed = Player::new(first.deployed);
        let mut instrumented = Player::new(first.instrumented);
        let mut elsewhere: Vec<(HostName, Player)> = Vec::new();
        let mut pages = None;
        for site in sites {
            let mut player = Player::new(site.deployed);
            match player.hello() {
                Ok(_) => elsewhere.push((site.name, player)),
                // What was found so far is not lost for it.
                Err(reason) => self.lacks(site.name, &reason, "build the glue that this host loads"),
            }
            if site.name == HostName::Chromium {
                pages = Some(site.opened);
            }
        }
        if first.name == HostName::Chromium {
            pages = Some(opened);
        }
        let folder = self.folder;
        let (cards, findings, cut) = (Vec::new(), Vec::new(), search.cut.clone());
        let mut judging = Judging { home, flags, asked, folder, opened, cards, findings, cut };
        let unconfirmed = judging.all(&search, &mut deployed, &mut instrumented, &mut elsewhere)?;
        judging.hosts_agree(&search, &mut deployed, &mut elsewhere)?;
        let Judging { cards, findings, cut, .. } = judging;
        if let Some(reason) = &cut {
            self.is_cut(first.name, reason);
        }
        let (row, section) = (&mut self.row, &mut self.section);
        row.notes.extend(unconfirmed);
        section.hosts.insert(0, tell::host_row(&search, &first.portables, &cards, &search.hello.host));
        for (at, (name, player)) in elsewhere.iter_mut().enumerate() {
            section.hosts.insert(1 + at, tell::other_row(*name, player, &cards));
        }
        if let Some(opened) = pages {
            eprintln!("{}: asking about the page that it is deployed on …", cli::printable_name(&asked.name));
            match page_checks::ask(&setup(flags.seed, opened, &[])) {
                Ok(checks) => section.page = checks.into_iter().map(tell::page_row).collect(),
                Err(reason) => section.notes.push(format!("the deployed page was not asked about: {reason}")),
            }
        }
        section.glue = tell::glue_facts(home, &flags.profiles, opened, &first.portables);
        section.operations = tell::operations(api, &search);
        section.imports = tell::imports(&opened.package, &opened.policy);
        section.capabilities = tell::powers(&opened.package, &opened.policy, &cards);
        section.cards = cards;
        section.notes.extend(opened.surface.notes.iter().cloned());
        if search.held_back > 0 {
            let held = format!("{} tapes were held back because their kind had killed hosts before", search.held_back);
            section.notes.push(held);
        }
        if search.unasked > 0 {
            let unasked =
                format!("{} tapes took too long to be repeated: whether they leak was not asked", search.unasked);
            section.notes.push(unasked);
        }
        row.execs = search.tapes;
        row.execs_per_second = search.tapes as f64 / search.cpu_seconds.max(1e-3);
        row.edges_found = search.reached() as u64;
        row.edges_total = first.portables.first().map_or(0, |portable| u64::from(portable.build.counters));
        row.corpus.entries = store.len() as u64;
        row.findings = findings;
        let ran = |portable: &&Portable| Some(portable.build.layout) == search.hello.layout;
        Ok(first.portables.iter().find(ran).map(|portable| portable.build.clone()))
    }
}

/// What is known of a package before it is driven.
fn row(home: &Home, asked: &Asked, opened: Option<&Opened>) -> TargetRecord {
    let mut row = TargetRecord {
        name: asked.name.clone(),
        about: asked.about.clone(),
        abi: "glue".into(),
        format: asked.format.clone(),
        oracles: vec![ORACLE.to_owned()],
        ..TargetRecord::default()
    };
    if let Some(Opened { package, surface, .. }) = opened {
        row.entries = surface.api.operations.iter().map(|operation| operation.name.clone()).collect();
        row.module_path = home.relative(&package.root.join(&package.module.file));
        row.sha256.clone_from(&package.module.sha256);
        row.bytes = package.module.bytes.len() as u64;
        row.abi = tell::kind(package.glue).to_owned();
    }
    row
}

fn say(row: &TargetRecord) {
    let Some(section) = &row.boundary else { return };
    let found: Vec<String> = section
        .classes
        .iter()
        .filter(|class| class.findings > 0)
        .map(|class| format!("{} {}", class.class, class.findings))
        .collect();
    eprintln!(
        "{}: {} tapes, {} of {} counters, {} findings{}{}; {:.1} cpu-s",
        cli::printable_name(&row.name),
        autoclave_reports::words::count(row.execs),
        row.edges_found,
        row.edges_total,
        row.findings.len(),
        if found.is_empty() { "" } else { ": " },
        found.join(", "),
        row.cpu_seconds
    );
}
