//! The command line of `autoclave`: every command and flag, in one place. `cargo xtask` passes its words on to it.

use crate::limits::{Overrides, Profile};
use crate::target::{self, Allowed, Reading};
use autoclave_boundary::wire::Glue;
use autoclave_formats::rules::Policy;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

pub use autoclave_reports::record::exit;

/// An error that asks for a certain exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ExitWith {
    /// One of [`exit`].
    pub code: u8,
    /// What to say.
    pub message: String,
}

/// Puts WebAssembly modules that read patient data under pressure.
#[derive(Debug, Parser)]
#[command(name = "autoclave", version, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 clean · 1 findings at or above --fail-on · 2 wrong usage or configuration · \
3 could not be judged · 130 interrupted (the report is still written)";

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fuzz all targets, or the named ones, with one shared budget; go on after findings; write a report
    #[command(visible_alias = "f")]
    Fuzz(Fuzz),
    /// Show a finding again: outcome, limits, frames with source lines, decoded input
    #[command(visible_alias = "r")]
    Repro(Repro),
    /// Run every committed seed and regression through its targets, without mutation
    Replay(Replay),
    /// Run every vector of a target's format: which rules of the specification it keeps
    Conform(Conform),
    /// Hold targets to their resource contract: oversize input, decompression bombs, work that grows faster than the input
    Limits(Pressed),
    /// Compare the work of targets between secrets: branches, addresses and operands that depend on one
    Ct(Ct),
    /// Drive packages through their own JavaScript glue in Node and browsers: values that it converts wrongly, memory that it
    /// leaks or shows, traps, powers that it uses
    Boundary(Boundary),
    /// Everything that applies to one module, and a signed certificate of what was tested and what was not
    Certify(Box<Certify>),
    /// Every suite over every target in one budget, and what is new since the last report: the entry for scheduled jobs
    Nightly(Nightly),
    /// Reduce a target's corpus to the smallest set that keeps its coverage
    Cmin(OneTarget),
    /// Reduce one input to the smallest that keeps its outcome
    Tmin(Tmin),
    /// List targets with ABI, entries, corpus size and open findings
    #[command(visible_alias = "ls")]
    List(List),
    /// Register a prebuilt module as a target: writes targets/NAME/target.toml and copies the module
    Add(Add),
    /// Coverage of a target's corpus by function and source line: LCOV and HTML
    #[command(visible_alias = "cov")]
    Coverage(Coverage),
    /// Explain an outcome, an oracle or a finding
    Explain(Explain),
    /// Find inputs that readers understand differently, sort them by cause, show the smallest of each side by side
    Diff(Diff),
    /// Every oracle must catch its canary and pass its repaired twin
    Selftest(Selftest),
    /// Measure speed side by side in one run: instrumentation, reset modes, whole loop
    Bench(Bench),
    /// Write shell completions to standard output
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// One job of a fuzz run (started by `fuzz`; job on standard input)
    #[command(hide = true)]
    Worker,
    /// Judge one input in a fresh process (started by triage; request on standard input)
    #[command(hide = true)]
    Judge,
}

/// Flags that choose limits.
#[derive(Debug, Clone, Default, Args)]
pub struct LimitFlags {
    /// Limits profile: browser or server
    #[arg(long, value_parser = profile)]
    pub profile: Option<Profile>,
    /// Override one limit, e.g. --limit memory_bytes_max=64MiB (names: see the report)
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = limit)]
    pub limits: Vec<String>,
}

impl LimitFlags {
    /// What the flags say, as the target room wants it.
    pub fn overrides(&self) -> Overrides {
        let mut overrides = Overrides { profile: self.profile, ..Overrides::default() };
        for limit in &self.limits {
            overrides.set(limit).expect("checked when the flag was read");
        }
        overrides
    }
}

/// Flags of commands that search.
#[derive(Debug, Clone, Args)]
pub struct Search {
    /// Time for the whole run, shared fairly: 30s, 10m, 2h
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub time: Duration,
    /// Stop each entry after this many executions (and ignore --time unless it is given too); 0: run every input of the
    /// corpus and the seeds once, without mutation
    #[arg(long)]
    pub runs: Option<u64>,
    /// Jobs at the same time
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Start over: set the collected corpus and findings aside instead of resuming
    #[arg(long)]
    pub fresh: bool,
    /// Do not load corpora/FORMAT/seeds
    #[arg(long)]
    pub no_seeds: bool,
}

/// Flags of `fuzz`.
#[derive(Debug, Clone, Args)]
pub struct Fuzz {
    /// Targets by name, or .wasm/.wat files; none = every target in targets/ that is not a canary
    pub targets: Vec<String>,
    /// How long and from where.
    #[command(flatten)]
    pub search: Search,
    /// Lowest severity that makes the exit code 1
    #[arg(long, default_value = "low")]
    pub fail_on: autoclave_reports::Severity,
    /// Longest input, bytes
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_len: Option<u32>,
    /// Additional dictionary, AFL or libFuzzer syntax
    #[arg(long)]
    pub dict: Vec<PathBuf>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Folder for the report (default reports/runs/UTC-fuzz)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Also keep reproducers as corpora/FORMAT/regressions
    #[arg(long)]
    pub save: bool,
    /// How state is put back after each execution
    #[arg(long, value_enum, default_value = "dirty")]
    pub reset: ResetFlag,
    /// Limits.
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// How state is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
pub enum ResetFlag {
    /// Restore the pages, globals and tables that were written
    Dirty,
    /// A fresh instance for each execution (reference mode)
    Fresh,
}

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Nothing: the text for people goes to standard error
    Human,
    /// report.json
    Json,
    /// Annotations for GitHub Actions
    Github,
}

/// Flags of `repro`.
#[derive(Debug, Clone, Args)]
pub struct Repro {
    /// A finding's id from the report, or an input file
    pub what: String,
    /// The target (needed for a file)
    #[arg(long, short)]
    pub target: Option<String>,
    /// The entry, where a target has several
    #[arg(long)]
    pub entry: Option<String>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Limits.
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// Flags of `conform`.
#[derive(Debug, Clone, Args)]
pub struct Conform {
    /// The target: a name in targets/, or a .wasm file
    pub target: String,
    /// Who decides what the specification leaves open: strict-gateway or tolerant-reader; without one it is not judged
    #[arg(long, value_parser = policy)]
    pub profile: Option<Policy>,
    /// Format of the vectors, instead of the target's own: json, fhir-json, fhir-xml, fhir-ndjson, hl7v2
    #[arg(long)]
    pub input_format: Option<String>,
    /// Release of FHIR that the target reads
    #[arg(long, default_value = "R4", value_parser = ["R4", "R4B", "R5"])]
    pub release: String,
    /// The entry, where a target has several
    #[arg(long)]
    pub entry: Option<String>,
    /// Also ask a reader that answers every vector wrongly, and one that answers all rightly: a suite that cannot tell them
    /// apart is not qualified
    #[arg(long)]
    pub qualify: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Folder for the report (default reports/runs/UTC-conform)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Lowest severity that makes the exit code 1
    #[arg(long, default_value = "low")]
    pub fail_on: autoclave_reports::Severity,
}

/// Flags of `limits`.
#[derive(Debug, Clone, Args)]
pub struct Pressed {
    /// Targets by name (or NAME::ENTRY), or .wasm/.wat files; none = every target in targets/ that is not a canary
    pub targets: Vec<String>,
    /// What the entries read, instead of what target.toml says or probing finds: gzip, fhir-json, gzip/fhir-json, …
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = reading)]
    pub reads: Vec<Reading>,
    /// Families of inputs, instead of all that concern what an entry reads (names: cargo xtask bombs list)
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = bomb)]
    pub families: Vec<&'static autoclave_generators::Family>,
    /// Override one term of the contract, e.g. --term memory_per_byte=12 (names: see the report)
    #[arg(long = "term", value_name = "NAME=VALUE", value_parser = term)]
    pub terms: Vec<String>,
    /// Fuel for all sizes of one family on one entry
    #[arg(long, default_value_t = crate::contract::FAMILY_FUEL, value_parser = clap::value_parser!(u64).range(1_000_000..))]
    pub family_fuel: u64,
    /// Executions of the search for shapes that no family has, on each entry; 0: none
    #[arg(long, default_value_t = 40_000)]
    pub search_runs: u64,
    /// Search from nothing, not from small plain documents and the format's mutators
    #[arg(long)]
    pub no_seeds: bool,
    /// Seed of the search
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Jobs at the same time
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Lowest severity that makes the exit code 1
    #[arg(long, default_value = "low")]
    pub fail_on: autoclave_reports::Severity,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Folder for the report (default reports/runs/UTC-limits)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Limits.
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// Flags of `boundary`.
#[derive(Debug, Clone, Args)]
pub struct Boundary {
    /// Targets by name (or NAME::OPERATION), folders of packages, package.tgz files, or .wasm files; none = every target
    /// with glue
    pub targets: Vec<String>,
    /// Hosts: of node and chromium the first searches, the other plays its findings and its corpus again; wasmtime is the
    /// hostile one, whose imports throw and lie and which refuses memory
    #[arg(long = "host", value_enum, value_delimiter = ',', default_value = "node,wasmtime")]
    pub hosts: Vec<HostName>,
    /// Values that are given: those that the declarations allow, those that JSON.parse can give, live objects too
    #[arg(long = "profile", value_parser = values, value_delimiter = ',', default_value = "typed,json,hostile")]
    pub profiles: Vec<autoclave_boundary::tape::Profile>,
    /// Processor time of the search on each package: 30s, 10m
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub time: Duration,
    /// Search this many tapes instead: the same seed then finds the same
    #[arg(long)]
    pub tapes: Option<u64>,
    /// Play one tape (a file of a report's artifacts) and say what it does, instead of searching
    #[arg(long, value_name = "FILE")]
    pub tape: Option<PathBuf>,
    /// The module that is meant, where a package has several
    #[arg(long, value_name = "FILE")]
    pub module: Option<String>,
    /// Search without looking into the module: no counters, no words of it, no seeds (a control for comparison)
    #[arg(long)]
    pub blind: bool,
    /// Leave out the collected corpus and the committed seeds
    #[arg(long)]
    pub no_seeds: bool,
    /// Leave out the words of the module and of the formats' dictionaries
    #[arg(long)]
    pub no_dictionary: bool,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Lowest severity that makes the exit code 1
    #[arg(long, default_value = "low")]
    pub fail_on: autoclave_reports::Severity,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Folder for the report (default reports/runs/UTC-boundary)
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Where tapes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum HostName {
    /// Node, a child process.
    Node,
    /// Chromium, headless; tapes run in a dedicated worker.
    Chromium,
    /// wasmtime, in process, with a model of the glue: for what a host does to a module, not for conversions.
    Wasmtime,
}

impl HostName {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Chromium => "chromium",
            Self::Wasmtime => "wasmtime",
        }
    }

    /// Whether it loads that kind of glue.
    pub fn loads(self, glue: Glue) -> bool {
        match self {
            Self::Node | Self::Wasmtime => true,
            // No `require`, no files.
            Self::Chromium => !matches!(glue, Glue::BindgenNodejs | Glue::Wasi),
        }
    }
}

/// Flags of `ct`.
#[derive(Debug, Clone, Args)]
pub struct Ct {
    /// Targets by name (or NAME::ENTRY), or .wasm/.wat files; none = every target whose target.toml has `[calls]`
    pub targets: Vec<String>,
    /// An entry, how it is called and what of that is secret, instead of what target.toml says:
    /// `--secret 'verify=verify(secret[32], public[..64]) -> result'`, or `--secret verify=compare`
    #[arg(long = "secret", value_name = "ENTRY=SCRIPT", value_parser = declared)]
    pub secrets: Vec<String>,
    /// Which executions are compared: those with the same declassified outcome, or all [default: relaxed]
    #[arg(long, value_parser = compared)]
    pub policy: Option<target::Policy>,
    /// Accept leaks: FUNCTION:OP:REASON, where OP is a class (load), an operation (i32.load8_u) or *
    #[arg(long, value_name = "FUNCTION:OP:REASON", value_parser = allowed)]
    pub allow: Vec<Allowed>,
    /// Secrets that are tried with the first public input; later ones get fewer
    #[arg(long, default_value_t = crate::constant_time::SECRETS)]
    pub secrets_max: usize,
    /// Public inputs
    #[arg(long, default_value_t = crate::constant_time::PUBLICS)]
    pub publics_max: usize,
    /// Executions of the search for public inputs, on each entry; fewer where one takes long; 0: none
    #[arg(long, default_value_t = crate::constant_time::SEARCH_RUNS)]
    pub search_runs: u64,
    /// Ask the clock about the first leak of each entry, in wasmtime and in Node: makes a finding worse, never clears one
    #[arg(long)]
    pub timing: bool,
    /// Leave out the collected corpus
    #[arg(long)]
    pub no_seeds: bool,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Jobs at the same time
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Lowest severity that makes the exit code 1
    #[arg(long, default_value = "low")]
    pub fail_on: autoclave_reports::Severity,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Folder for the report (default reports/runs/UTC-ct)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Limits.
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// Flags that say more of the module than its bytes do.
#[derive(Debug, Clone, Default, Args)]
pub struct Statics {
    /// scan.toml: imports, powers and sizes that are reviewed (default: the target's own, else nothing is)
    #[arg(long, value_name = "scan.toml")]
    pub policy: Option<PathBuf>,
    /// The module's bill of materials, CycloneDX (default: one beside it)
    #[arg(long, value_name = "FILE")]
    pub sbom: Option<PathBuf>,
    /// Public key of who signs modules; the signature is in the module, or in a bundle beside it
    #[arg(long = "signer", value_name = "PUB")]
    pub signers: Vec<PathBuf>,
    /// A detached signature of the module: DSSE, or a Sigstore bundle
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// A copy of the RustSec advisory database
    #[arg(long, value_name = "DIR")]
    pub advisories: Option<PathBuf>,
    /// Manifests of the container that runs it: Kubernetes, Compose, Dockerfile
    #[arg(long, value_name = "DIR")]
    pub manifests: Option<PathBuf>,
}

/// Flags of `certify`.
#[derive(Debug, Clone, Args)]
pub struct Certify {
    /// The module: a name in targets/, or a .wasm file
    pub module: String,
    /// The JavaScript that calls it: the package's folder or its .tgz
    #[arg(long, value_name = "DIR")]
    pub glue: Option<PathBuf>,
    /// What is certified: module, or module+glue [default: what is given]
    #[arg(long)]
    pub profile: Option<autoclave_reports::controls::Profile>,
    /// How much is asked: L0 (static), L1 (limits and fuzzing), L2 (other readers, constant time, glue), L3
    #[arg(long, default_value = "L1")]
    pub level: autoclave_reports::controls::Level,
    /// Private key that signs the certificate (cargo xtask keygen makes one)
    #[arg(long)]
    pub key: Option<PathBuf>,
    /// evidence.toml: who answers for what no program can test
    #[arg(long, value_name = "FILE")]
    pub evidence: Option<PathBuf>,
    /// waivers.toml: verdicts that somebody takes responsibility for, with owner, reason and expiry
    #[arg(long, value_name = "FILE")]
    pub waivers: Option<PathBuf>,
    /// Time for searches: half of it for fuzzing, a tenth for comparing readers, a fifth for the glue
    #[arg(long, default_value = "10m", value_parser = duration)]
    pub budget: Duration,
    /// Search with so many executions of each entry (tapes, of glue) instead: the same seed then gives the same verdicts
    #[arg(long, conflicts_with = "budget")]
    pub runs: Option<u64>,
    /// Days for which the certificate holds
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub days: u32,
    /// What the entries read, instead of what target.toml says or probing finds: gzip, fhir-json, gzip/fhir-json, …
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    pub reads: Vec<String>,
    /// Terms of the contract, as `limits` takes them; what the module declares, such as --term refused_above_bytes=8MiB
    #[arg(long = "term", value_name = "NAME=VALUE", value_parser = term)]
    pub terms: Vec<String>,
    /// An entry, how it is called and what of that is secret, as `ct` takes it
    #[arg(long = "secret", value_name = "ENTRY=SCRIPT", value_parser = declared)]
    pub secrets: Vec<String>,
    /// What static checks are told.
    #[command(flatten)]
    pub statics: Statics,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Jobs at the same time
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Folder for report and certificate (default reports/runs/UTC-certify)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Limits.
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// Flags of `nightly`.
#[derive(Debug, Clone, Args)]
pub struct Nightly {
    /// Targets by name; none = all that are not canaries
    pub targets: Vec<String>,
    /// Time for searches: 60 % for fuzzing, 20 % for glue; the suites without one take minutes beside it
    #[arg(long, default_value = "45m", value_parser = duration)]
    pub budget: Duration,
    /// Which part of the targets: 2/4 is the second of four machines
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<(u32, u32)>,
    /// report.json of an earlier night: only findings that are new since then fail this one
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Jobs at the same time
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Lowest severity that makes the exit code 1
    #[arg(long, default_value = "low")]
    pub fail_on: autoclave_reports::Severity,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Folder for the report (default reports/runs/UTC-nightly)
    #[arg(long)]
    pub out: Option<PathBuf>,
}

fn shard(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once('/').and_then(|(mine, of)| Some((mine.parse().ok()?, of.parse().ok()?)));
    parts
        .filter(|(mine, of)| (1..=*of).contains(mine) && *of <= 1024)
        .ok_or_else(|| "write 2/4: the second of four".into())
}

fn values(text: &str) -> Result<autoclave_boundary::tape::Profile, String> {
    use autoclave_boundary::tape::Profile;
    match text {
        "typed" => Ok(Profile::Typed),
        "json" => Ok(Profile::Json),
        "hostile" => Ok(Profile::Hostile),
        _ => Err("profiles are typed, json and hostile".to_owned()),
    }
}

fn declared(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((entry, script)) if !entry.trim().is_empty() && !script.trim().is_empty() => Ok(text.to_owned()),
        _ => {
            Err("write ENTRY=SCRIPT, such as 'verify=verify(secret[32], public[32]) -> result' or verify=compare"
                .into())
        }
    }
}

fn compared(name: &str) -> Result<target::Policy, String> {
    [target::Policy::Strict, target::Policy::Relaxed]
        .into_iter()
        .find(|policy| policy.name() == name)
        .ok_or_else(|| format!("{name}: not one of strict, relaxed"))
}

fn allowed(text: &str) -> Result<Allowed, String> {
    // Names of functions hold colons themselves: the reason and the operation come last.
    let wrong = || "write FUNCTION:OP:REASON, such as 'aes::encrypt:load:table fits one cache line'".to_owned();
    let (rest, reason) = text.rsplit_once(':').ok_or_else(wrong)?;
    let (function, op) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let filled = [function, op, reason].iter().all(|part| !part.trim().is_empty());
    let owned = |part: &str| part.trim().to_owned();
    filled
        .then(|| Allowed { entry: None, function: owned(function), op: owned(op), reason: owned(reason) })
        .ok_or_else(wrong)
}

/// Flags of `replay`.
#[derive(Debug, Clone, Args)]
pub struct Replay {
    /// Targets; none = all
    pub targets: Vec<String>,
    /// Inputs or folders to replay instead of the committed corpora
    #[arg(long)]
    pub input: Vec<PathBuf>,
    /// Also compare reset modes byte for byte
    #[arg(long)]
    pub verify: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Folder for the report (default reports/runs/UTC-replay)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Lowest severity that makes the exit code 1
    #[arg(long, default_value = "low")]
    pub fail_on: autoclave_reports::Severity,
}

/// A command on one target.
#[derive(Debug, Clone, Args)]
pub struct OneTarget {
    /// The target
    pub target: String,
    /// The entry, where a target has several
    #[arg(long)]
    pub entry: Option<String>,
}

/// Flags of `tmin`.
#[derive(Debug, Clone, Args)]
pub struct Tmin {
    /// The target
    pub target: String,
    /// The input
    pub file: PathBuf,
    /// The entry, where a target has several
    #[arg(long)]
    pub entry: Option<String>,
    /// Where to write the result (default: FILE.min)
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Flags of `list`.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// Flags of `add`.
#[derive(Debug, Clone, Args)]
pub struct Add {
    /// Name of the new target
    pub name: String,
    /// The module
    #[arg(long)]
    pub wasm: PathBuf,
    /// Folder in corpora/
    #[arg(long)]
    pub input_format: Option<String>,
}

/// Flags of `coverage`.
#[derive(Debug, Clone, Args)]
pub struct Coverage {
    /// The target
    pub target: String,
    /// The entry, where a target has several
    #[arg(long)]
    pub entry: Option<String>,
    /// Inputs or folders instead of the collected corpus
    #[arg(long)]
    pub input: Vec<PathBuf>,
    /// Folder for lcov.info and coverage.html (default reports/runs/UTC-coverage)
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Flags of `explain`.
#[derive(Debug, Clone, Args)]
pub struct Explain {
    /// An outcome (OUT-OF-FUEL), an oracle (crash) or a finding's id; none = list all
    pub what: Option<String>,
}

/// Flags of `diff`.
#[derive(Debug, Clone, Args)]
pub struct Diff {
    /// What is read: fhir-json, fhir-xml or hl7v2
    pub what: String,
    /// Files or folders to compare readers on, instead of looking for inputs
    pub inputs: Vec<PathBuf>,
    /// Readers by name, or rust, node, python, java, go, all; separated by commas. fhir-model is built when named
    #[arg(long, default_value = "rust", value_delimiter = ',')]
    pub peers: Vec<String>,
    /// A module under test, by name or .wasm file: its edges guide the search, and it is one of the readers
    #[arg(long, short)]
    pub target: Option<String>,
    /// Score readers on files with expected verdicts: a table of path, accept|reject|either, layer, note beside the files
    #[arg(long, value_name = "TABLE", conflicts_with = "inputs")]
    pub expected: Option<PathBuf>,
    /// The entry, where a target has several
    #[arg(long)]
    pub entry: Option<String>,
    /// First find the faults that are planted in readers of this project: a comparison that misses one is not qualified
    #[arg(long, conflicts_with_all = ["expected", "inputs"])]
    pub qualify: bool,
    /// How long and from where.
    #[command(flatten)]
    pub search: Search,
    /// What counts as new
    #[arg(long, value_enum, default_value = "differential")]
    pub feedback: crate::differential::subject::Feedback,
    /// Lowest severity that makes the exit code 1
    #[arg(long, default_value = "low")]
    pub fail_on: autoclave_reports::Severity,
    /// Longest input, bytes
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_len: u32,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Folder for the report (default reports/runs/UTC-diff)
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Flags of `selftest`.
#[derive(Debug, Clone, Args)]
pub struct Selftest {
    /// One oracle instead of all
    #[arg(long)]
    pub oracle: Option<String>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Folder for the report (default reports/runs/UTC-selftest)
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Flags of `bench`.
#[derive(Debug, Clone, Args)]
pub struct Bench {
    /// Targets; none = a standard set
    pub targets: Vec<String>,
    /// Measure the search of `diff` instead: executions until it finds each planted fault, with answers and trees as
    /// feedback and without; fhir-json or hl7v2
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["targets", "native"])]
    pub faults: Option<String>,
    /// Measure the clock of `ct --timing` instead: so many runs with equal inputs on each host, of which none may confirm
    /// anything
    #[arg(long, value_name = "RUNS", conflicts_with_all = ["targets", "native", "faults"])]
    pub clock: Option<u64>,
    /// Measure calls through glue instead: a plain loop, instrumented, evaluated, as tapes, through the pipe, in Chromium;
    /// OPERATION takes one text, such as canary-boundary::parse
    #[arg(long, value_name = "TARGET::OPERATION", conflicts_with_all = ["targets", "native", "faults", "clock"])]
    pub boundary: Option<String>,
    /// Seeds of the searches for planted faults, the first one also of `--clock`
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    pub seeds: Vec<u64>,
    /// Executions of each search for planted faults
    #[arg(long, default_value_t = 300_000, requires = "faults")]
    pub runs: u64,
    /// Searches at the same time
    #[arg(long, short, default_value_t = 1, requires = "faults", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: u32,
    /// Folder for the report on planted faults (default reports/runs/UTC-bench)
    #[arg(long, requires = "faults")]
    pub out: Option<PathBuf>,
    /// CPU seconds for each whole-loop cell, in each of three rounds
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Longest input of a whole loop, bytes
    #[arg(long, value_name = "BYTES")]
    pub max_len: Option<u32>,
    /// Folder of native libFuzzer programs, named as the targets whose source they share (cargo xtask bench builds it)
    #[arg(long, value_name = "FOLDER")]
    pub native: Option<PathBuf>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// Longest time that a flag takes, seconds: thirty years. Clocks overflow at some point beyond.
const SECONDS_MAX: f64 = 1e9;

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            humantime::parse_duration(text).map_err(|error| format!("{error}; write 60s, 10m or 2h"))?.as_secs_f64()
        }
    };
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(format!("give a time from 0s to {SECONDS_MAX:.0}s"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn limit(text: &str) -> Result<String, String> {
    Overrides::default().set(text).map(|()| text.to_owned())
}

fn term(text: &str) -> Result<String, String> {
    Overrides::default().set_term(text).map(|()| text.to_owned())
}

fn reading(text: &str) -> Result<Reading, String> {
    Reading::parse(text)
}

fn kind(text: &str) -> Result<String, String> {
    Reading::parse(text).map(|_| text.to_owned())
}

fn bomb(text: &str) -> Result<&'static autoclave_generators::Family, String> {
    autoclave_generators::family(text).map_err(|error| error.to_string())
}

fn policy(text: &str) -> Result<Policy, String> {
    let names = || Policy::ALL.map(Policy::name).join(", ");
    Policy::ALL.into_iter().find(|policy| policy.name() == text).ok_or_else(|| format!("profiles: {}", names()))
}

fn profile(text: &str) -> Result<Profile, String> {
    let names = || Profile::ALL.iter().map(|profile| profile.name()).collect::<Vec<_>>().join(", ");
    Profile::ALL.iter().copied().find(|profile| profile.name() == text).ok_or_else(|| format!("profiles: {}", names()))
}

/// Writes data to standard output. A reader that has seen enough (`| head`) is no failure.
pub fn print(data: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(data).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Makes what acts on a terminal (control and direction-changing characters) visible in untrusted text; lines stay lines.
pub fn printable(text: &str) -> String {
    autoclave_reports::escape::block(text)
}

/// The same for names: a line break in one must not begin a line that looks like ours.
pub fn printable_name(name: &str) -> String {
    autoclave_reports::escape::line(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert!(["-1", "soon", "inf", "NaN", "500000000000y"].iter().all(|wrong| duration(wrong).is_err()));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\nc");
        assert_eq!(printable_name("a\u{202e}b\nc"), "a\\u{202e}b\\nc");
    }
}
