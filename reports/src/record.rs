//! The canonical report: one [`Record`] per run. Every other format is a rendering of it.
//!
//! With `--seed N --runs M --jobs 1` two runs give the same record, byte for byte, but for what is marked *Timing* here;
//! [`Record::without_timing`] takes those fields out.

use crate::boundary::Boundary;
use crate::constant_time::ConstantTime;
use crate::contract::Contract;
use crate::escape;
use crate::rules::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Version of the shape of `report.json`; rises with every change of it.
pub const SCHEMA_VERSION: u32 = 5;

/// One run: what was asked, under which limits, what was seen and what was not tested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub schema_version: u32,
    /// The program that wrote it.
    pub tool: Tool,
    /// What was asked.
    pub run: Run,
    /// The answer of the whole run, from [`Record::judge`].
    pub verdict: Verdict,
    /// Toolchains, engines and libraries that took part: name → version.
    #[serde(default)]
    pub toolchain: BTreeMap<String, String>,
    /// The machine: name → value (`os`, `arch`, `cpus`, …).
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Limits of the run, in the order in which they are printed.
    #[serde(default)]
    pub limits: Vec<LimitRow>,
    /// One entry per target that was run.
    #[serde(default)]
    pub targets: Vec<TargetRecord>,
    /// Rows of commands that ask questions rather than fuzz (`selftest`, `certify`, …).
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Other people's parsers that were asked, and those that could not be.
    #[serde(default)]
    pub peers: Vec<PeerRow>,
    /// What a reader might think was tested, and was not.
    #[serde(default)]
    pub not_tested: Vec<NotTested>,
    /// *Timing.* Where the time went.
    #[serde(default)]
    pub timing: Timing,
}

/// The program that wrote a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// `autoclave`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Default for Tool {
    fn default() -> Self {
        Self { name: "autoclave".into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// *Timing.* Name of the run: the folder that holds its report, `<utc>-<command>`.
    pub id: String,
    /// Subcommand: `fuzz`, `repro`, `selftest`, …
    pub command: String,
    /// The whole line as typed, relative paths, so that it can be run again.
    pub command_line: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Parallel jobs.
    pub jobs: u32,
    /// *Timing.* Start, RFC 3339 in UTC.
    pub started_utc: String,
    /// Whether the user stopped it before its budget was used.
    pub interrupted: bool,
    /// What it was allowed to use.
    pub budget: Budget,
    /// Findings at or above this severity fail the run.
    pub fail_on: Severity,
}

/// What a run was allowed to use; empty fields mean "no bound".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Wall-clock seconds for all targets together.
    #[serde(serialize_with = "six_digits")]
    pub seconds: Option<f64>,
    /// Executions per target.
    pub runs: Option<u64>,
}

/// An oracle's or a whole run's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", content = "reason", deny_unknown_fields)]
pub enum Verdict {
    /// Tested, by a check that has caught its own canary; nothing found.
    #[serde(rename = "PASS")]
    Pass,
    /// Tested; something to look at that does not fail the run, and what it is.
    #[serde(rename = "WARN")]
    Warn(String),
    /// Tested and failed, and why.
    #[serde(rename = "FAIL")]
    Fail(String),
    /// The question does not apply to this target, and why.
    #[serde(rename = "N/A")]
    NotApplicable(String),
    /// The question applies but was not answered, and why. Never to be read as a pass.
    #[serde(rename = "NOT-TESTED")]
    NotTested(String),
    /// Not testable by a program; somebody vouches for it with this evidence.
    #[serde(rename = "ATTESTED")]
    Attested(String),
    /// Not testable by a program, and nobody vouches for it.
    #[serde(rename = "NOT-ATTESTED")]
    NotAttested,
}

impl Verdict {
    /// The stable name, as printed everywhere.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Warn(_) => "WARN",
            Verdict::Fail(_) => "FAIL",
            Verdict::NotApplicable(_) => "N/A",
            Verdict::NotTested(_) => "NOT-TESTED",
            Verdict::Attested(_) => "ATTESTED",
            Verdict::NotAttested => "NOT-ATTESTED",
        }
    }

    /// Why, or on what evidence; empty where the name says it all.
    pub fn reason(&self) -> &str {
        match self {
            Verdict::Pass | Verdict::NotAttested => "",
            Verdict::Warn(reason)
            | Verdict::Fail(reason)
            | Verdict::NotApplicable(reason)
            | Verdict::NotTested(reason)
            | Verdict::Attested(reason) => reason,
        }
    }
}

impl Default for Verdict {
    fn default() -> Self {
        Verdict::NotTested("no verdict was given".into())
    }
}

/// One limit as it was in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitRow {
    /// Field name in `target.toml`, such as `memory_bytes_max`.
    pub name: String,
    /// Its value.
    pub value: u64,
    /// `bytes`, `milliseconds`, `fuel`, `calls`, …
    pub unit: String,
    /// Why that much.
    pub reason: String,
}

/// Something that was not tested.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotTested {
    /// Target, export, check or property.
    pub what: String,
    /// Why not.
    pub reason: String,
    /// What would make it testable: a command or a setting; empty where nothing would.
    pub remedy: String,
    /// Whether the run owed it.
    pub scope: Scope,
}

/// Whether a run owed a test that it did not make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// It was asked for: the run could not be judged (exit code 3).
    #[default]
    Asked,
    /// Said for honesty: outside of what this run set out to test.
    Outside,
}

/// *Timing.* Where the time went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// Wall-clock seconds of the whole run.
    #[serde(serialize_with = "micro")]
    pub wall_seconds: f64,
    /// Processor seconds of the whole run, all jobs.
    #[serde(serialize_with = "micro")]
    pub cpu_seconds: f64,
    /// Largest resident memory of one job, bytes.
    pub memory_bytes_peak: Option<u64>,
    /// Seconds by phase, in order: `build`, `compile`, `fuzz`, `minimise`, `confirm`, …
    pub phases: Vec<Phase>,
}

/// *Timing.* One phase of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Wall-clock seconds.
    #[serde(serialize_with = "micro")]
    pub seconds: f64,
}

/// What was seen of one target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TargetRecord {
    /// Folder name in `targets/`, or the module's file stem.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// Exports that were fuzzed.
    pub entries: Vec<String>,
    /// The module's file, relative to the project where it lies inside.
    pub module_path: String,
    /// `target.toml`, relative to the project, if there is one.
    pub manifest_path: Option<String>,
    /// Lower-case hex sha-256 of the module.
    pub sha256: String,
    /// Size of the module, bytes.
    pub bytes: u64,
    /// How bytes get in and out: `bytes`, `libfuzzer`, `wasi`, …
    pub abi: String,
    /// Format of its inputs: folder in `corpora/`.
    pub format: Option<String>,
    /// Oracles that judged its executions; what is not in here was not asked.
    pub oracles: Vec<String>,
    /// The answer for this target, from [`TargetRecord::judge`] or stricter.
    pub verdict: Verdict,
    /// Limits that differ from those of the run.
    pub limits: Vec<LimitRow>,
    /// Executions.
    pub execs: u64,
    /// *Timing.* Executions per wall-clock second.
    #[serde(serialize_with = "micro")]
    pub execs_per_second: f64,
    /// *Timing.* Processor seconds.
    #[serde(serialize_with = "micro")]
    pub cpu_seconds: f64,
    /// Distinct control-flow edges that were reached.
    pub edges_found: u64,
    /// Edges that the module has.
    pub edges_total: u64,
    /// Inputs worth keeping.
    pub corpus: Corpus,
    /// How much is left to find.
    pub saturation: Saturation,
    /// *Timing.* The run over time, oldest first; thinned to a few hundred samples by the writer.
    pub series: Vec<Sample>,
    /// Coverage by function, in the module's order.
    pub functions: Vec<FunctionCoverage>,
    /// One finding per bucket, worst first; those that did not reproduce stay here, marked.
    pub findings: Vec<Finding>,
    /// What the target asked of the host.
    pub host_calls: Vec<HostCallRecord>,
    /// How it kept its resource contract, where it was held to one.
    pub contract: Option<Contract>,
    /// What its work tells about its secrets, where it handles some.
    pub constant_time: Option<ConstantTime>,
    /// What happens at its boundary to JavaScript, where it was driven through its glue.
    pub boundary: Option<Boundary>,
    /// Anything else that a reader should know, one sentence each.
    pub notes: Vec<String>,
}

/// Inputs worth keeping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Corpus {
    /// Entries at the end.
    pub entries: u64,
    /// Their sizes, summed, bytes.
    pub bytes: u64,
    /// Entries that were there at the start: seeds and what earlier runs had found.
    pub seeds: u64,
}

/// How much is left to find, estimated from how often each edge was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Saturation {
    /// Edges that were seen in one execution only.
    pub singletons: u64,
    /// Edges that were seen in exactly two executions.
    pub doubletons: u64,
    /// Good–Turing: chance that the next input finds a new edge; absent while too little was seen.
    #[serde(serialize_with = "six_digits")]
    pub p_new_edge: Option<f64>,
    /// Chao1: estimate of the edges that this way of fuzzing can reach.
    #[serde(serialize_with = "six_digits")]
    pub chao1_edges: Option<f64>,
    /// Executions since the last new edge.
    pub execs_since_last_edge: u64,
    /// *Timing.* Seconds since the last new edge.
    #[serde(serialize_with = "micro")]
    pub seconds_since_last_edge: f64,
}

/// *Timing.* One moment of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sample {
    /// Wall-clock seconds since this target's start.
    #[serde(serialize_with = "micro")]
    pub seconds: f64,
    /// Executions so far.
    pub execs: u64,
    /// Edges so far.
    pub edges: u64,
    /// Corpus entries so far.
    pub corpus: u64,
    /// Findings so far.
    pub findings: u64,
}

/// Coverage of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FunctionCoverage {
    /// Index in the module's function space.
    pub index: u32,
    /// Name, demangled; `func[N]` in a stripped module.
    pub name: String,
    /// Source file, where debug information names it.
    pub file: Option<String>,
    /// Source line of its start.
    pub line: Option<u32>,
    /// Edges that were reached.
    pub edges_found: u64,
    /// Edges that it has.
    pub edges_total: u64,
}

/// Calls of one kind that a target made to the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HostCallRecord {
    /// `module.name` of the import.
    pub import: String,
    /// How the host answered: `stubbed`, `recorded`, `denied`, …
    pub answer: String,
    /// Calls in the whole run.
    pub count: u64,
}

/// Something that needs a person. One per bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Finding {
    /// [`Bucket::id`]: stable over runs and machines.
    pub id: String,
    /// Oracle that asked the question.
    pub oracle: String,
    /// What makes it one finding and not two.
    pub bucket: Bucket,
    /// How bad, from [`crate::rules::rule`].
    pub severity: Severity,
    /// How the execution ended, such as `TRAP-UNREACHABLE`.
    pub outcome: String,
    /// One line: what happens and where.
    pub title: String,
    /// What the target said while dying, or what the oracle has to say; text, cut.
    pub message: String,
    /// Guest frames, innermost first.
    pub frames: Vec<Frame>,
    /// The smallest input that shows it.
    pub reproducer: Reproducer,
    /// Readable view of the input (JSON, HL7 segments, call sequence); absent where there is none.
    pub decoded: Option<String>,
    /// One line that shows it again, relative paths.
    pub repro: String,
    /// The same for a plain libFuzzer binary; absent where the contract binary cannot show it.
    pub libfuzzer: Option<String>,
    /// When it was seen first.
    pub found_at: FoundAt,
    /// Executions that fell into this bucket.
    pub hits: u64,
    /// Whether it happens on the uninstrumented module in a fresh process.
    pub confirmed: Confirmation,
    /// Limits that differ from those of the target, where the finding needs them.
    pub limits: Vec<LimitRow>,
    /// What the specification says, where a rule of one is concerned.
    pub rule: Option<RuleRef>,
    /// What each reader made of the reproducer, the reference first; empty where none was asked.
    pub readings: Vec<PeerReading>,
}

/// A rule of a specification, and the way in which it is broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuleRef {
    /// Its short name, such as `F01`.
    pub id: String,
    /// The way in which the input breaks it, such as `duplicate-key`.
    pub case: String,
    /// What it says, one sentence.
    pub title: String,
    /// Document and section, or an address.
    pub source: String,
    /// What may happen to a patient's data, one sentence.
    pub harm: String,
}

/// What one reader made of an input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PeerReading {
    /// The reader; `reference` is our own.
    pub peer: String,
    /// `accepted`, `refused` or `died`.
    pub answer: String,
    /// Why it was refused, or how it died; for the reference, what the input breaks.
    pub detail: String,
    /// What it read, leaf by leaf, cut to what matters.
    pub leaves: Vec<Leaf>,
}

/// One value as a reader understood it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Leaf {
    /// Where it stands, such as `Patient.name[0].family` or `PID-5.1`.
    pub path: String,
    /// The value, as text, cut; absent where this reader has none there.
    pub value: Option<String>,
    /// Whether the reference reads something else there.
    pub differs: bool,
}

/// A parser of other people that a run asked, or could not ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PeerRow {
    /// Short name.
    pub name: String,
    /// Package and exact version.
    pub package: String,
    /// `rust` (as WebAssembly, under limits), `node`, `python`, `java`, `go`, `candidate`.
    pub runtime: String,
    /// FHIR release or HL7 version that it read as; empty where it has no such notion.
    pub version: String,
    /// Why it was not asked; empty where it was.
    pub not_tested: String,
    /// What its data model cannot represent, and what was therefore not compared.
    pub leaves_out: Vec<String>,
    /// Differences that are documented and harmless, and what was therefore not reported.
    pub quirks: Vec<QuirkRow>,
    /// Inputs that it was asked about in full (not the loop's own count).
    pub asked: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Refused.
    pub refused: u64,
    /// Inputs that it died of.
    pub died: u64,
}

/// A documented, harmless difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuirkRow {
    /// The rule's case or the path that it concerns.
    pub what: String,
    /// Why it is harmless, and where that is documented.
    pub why: String,
    /// How often it was left out.
    pub hits: u64,
}

/// What makes findings one and the same: oracle, outcome and top frames. No addresses, no paths, no line numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bucket {
    /// Oracle that asked the question.
    pub oracle: String,
    /// How the execution ended.
    pub outcome: String,
    /// Top frames: demangled function names, or `func[N]+0xOFFSET` in a stripped module.
    pub frames: Vec<String>,
}

impl Bucket {
    /// First 12 hex digits of the sha-256 of `["oracle","outcome",["frame",…]]` (JSON without spaces).
    pub fn id(&self) -> String {
        let text = serde_json::to_vec(&(&self.oracle, &self.outcome, &self.frames)).expect("strings always serialize");
        let digest = Sha256::digest(text);
        digest[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.oracle, self.outcome)?;
        self.frames.iter().try_for_each(|frame| write!(f, " < {frame}"))
    }
}

/// One guest frame with its names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Frame {
    /// Function name, demangled, or `func[N]`.
    pub function: String,
    /// Source file: relative to the project where it lies inside.
    pub file: Option<String>,
    /// Source line, from 1.
    pub line: Option<u32>,
    /// Source column, from 1.
    pub column: Option<u32>,
    /// Byte offset in the module as deployed.
    pub module_offset: Option<u64>,
    /// Whether the compiler inlined it into the frame below.
    pub inlined: bool,
}

/// The input that shows a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reproducer {
    /// Its file, relative to the report's folder or to the project.
    pub path: String,
    /// Lower-case hex sha-256.
    pub sha256: String,
    /// Size, bytes.
    pub bytes: u64,
    /// Size of the input that was found, before it was minimised, bytes.
    pub bytes_found: u64,
    /// The first [`PREVIEW_BYTES_MAX`] bytes, lower-case hex.
    pub preview_hex: String,
}

/// Bytes of a reproducer that are shown in reports. Enough for a minimised header; the file holds the rest.
pub const PREVIEW_BYTES_MAX: usize = 512;

impl Reproducer {
    /// The reproducer `input`, kept at `path`, minimised from an input of `bytes_found` bytes.
    pub fn new(path: impl Into<String>, input: &[u8], bytes_found: u64) -> Self {
        Self {
            path: path.into(),
            sha256: hex(&Sha256::digest(input)),
            bytes: input.len() as u64,
            bytes_found,
            preview_hex: hex(&input[..input.len().min(PREVIEW_BYTES_MAX)]),
        }
    }

    /// The bytes of [`Reproducer::preview_hex`]; stops at the first character that is not hex.
    pub fn preview(&self) -> Vec<u8> {
        let digits: Vec<u8> = self
            .preview_hex
            .chars()
            .map_while(|c| c.to_digit(16))
            .map(|d| d as u8)
            .take(2 * PREVIEW_BYTES_MAX)
            .collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// When a finding was seen first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FoundAt {
    /// Executions of the target before it.
    pub execs: u64,
    /// *Timing.* Seconds since the target's start.
    #[serde(serialize_with = "micro")]
    pub seconds: f64,
}

/// Whether a finding happens on the uninstrumented module, in a fresh process, with fuel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", content = "reason", deny_unknown_fields)]
pub enum Confirmation {
    /// It does: a finding.
    #[serde(rename = "REPRODUCED")]
    Reproduced,
    /// It does not, and what happened instead: kept aside, counts for nothing.
    #[serde(rename = "NOT-REPRODUCED")]
    NotReproduced(String),
    /// It was not tried, and why: the run cannot be called clean.
    #[serde(rename = "NOT-TRIED")]
    NotTried(String),
}

impl Default for Confirmation {
    fn default() -> Self {
        Confirmation::NotTried("no replay was made".into())
    }
}

/// One question asked of one thing: a row of `selftest` or `certify`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Check {
    /// Stable name, as in `--oracle NAME`.
    pub name: String,
    /// The question, one sentence.
    pub question: String,
    /// What it was asked of, if not of the whole run.
    pub target: Option<String>,
    /// Its answer.
    pub verdict: Verdict,
    /// The target with a planted flaw that it must catch.
    pub canary: Option<Trial>,
    /// The same target, repaired, that it must pass.
    pub twin: Option<Trial>,
}

/// What an oracle should have said of a canary or twin, and what it said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Trial {
    /// The canary's or twin's name.
    pub target: String,
    /// What it should have said.
    pub expected: String,
    /// What it said.
    pub seen: String,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool::default(),
            run: Run::default(),
            verdict: Verdict::default(),
            toolchain: BTreeMap::new(),
            environment: BTreeMap::new(),
            limits: Vec::new(),
            targets: Vec::new(),
            checks: Vec::new(),
            peers: Vec::new(),
            not_tested: Vec::new(),
            timing: Timing::default(),
        }
    }
}

/// Exit codes of every command, as in `--help`.
pub mod exit {
    /// Everything asked was tested; nothing at or above `--fail-on` was found.
    pub const CLEAN: u8 = 0;
    /// Findings at or above `--fail-on`, or a failed check.
    pub const FINDINGS: u8 = 1;
    /// Wrong usage or configuration. Never from a record: there is none then.
    pub const USAGE: u8 = 2;
    /// Something asked could not be judged.
    pub const NOT_JUDGED: u8 = 3;
    /// The user stopped it; the report was still written.
    pub const INTERRUPTED: u8 = 130;
}

impl Record {
    /// The record in the text of a `report.json`, which may come from anywhere.
    ///
    /// # Errors
    /// Longer than [`REPORT_BYTES_MAX`], of more than [`REPORT_OBJECTS_MAX`] objects, not a report, of another version,
    /// of another shape.
    pub fn from_json(json: &[u8]) -> Result<Record, ReadError> {
        if json.len() > REPORT_BYTES_MAX {
            return Err(ReadError::TooLong { bytes: json.len() });
        }
        // Two bytes can stand for a target of a kilobyte. Braces in texts count too: too few to matter.
        let count = |wanted: u8| json.iter().filter(|byte| **byte == wanted).count();
        if count(b'{') > REPORT_OBJECTS_MAX || count(b',') > REPORT_VALUES_MAX {
            return Err(ReadError::TooMany);
        }
        #[derive(Deserialize)]
        struct Head {
            schema_version: u32,
        }
        let head: Head = serde_json::from_slice(json).map_err(|error| ReadError::NotAReport(told(&error)))?;
        if head.schema_version != SCHEMA_VERSION {
            return Err(ReadError::Version { found: head.schema_version });
        }
        serde_json::from_slice(json).map_err(|error| ReadError::Shape(told(&error)))
    }

    /// The exit code of the command that made this record, if findings at or above `fail_on` fail it.
    /// A failure outranks what could not be judged; a user's interruption outranks both.
    pub fn exit_code(&self, fail_on: Severity) -> u8 {
        if self.run.interrupted {
            return exit::INTERRUPTED;
        }
        let failed_check = |verdict: &Verdict| matches!(verdict, Verdict::Fail(_));
        let failed_target = |target: &TargetRecord| match target.worst() {
            Some(worst) => worst >= fail_on,
            None => failed_check(&target.verdict),
        };
        if self.targets.iter().any(failed_target) || self.checks.iter().any(|check| failed_check(&check.verdict)) {
            return exit::FINDINGS;
        }
        if self.gaps().is_empty() { exit::CLEAN } else { exit::NOT_JUDGED }
    }

    /// The verdict of the whole run, from those of its parts and `run.fail_on`.
    pub fn judge(&self) -> Verdict {
        let count: usize = self.targets.iter().map(|target| target.confirmed().count()).sum();
        let worst = self.targets.iter().filter_map(TargetRecord::worst).max();
        let failed_checks = self.checks.iter().filter(|check| matches!(check.verdict, Verdict::Fail(_))).count();
        let ended_early = if self.run.interrupted { " The run was interrupted." } else { "" };
        let uninterrupted = Record { run: Run { interrupted: false, ..self.run.clone() }, ..self.clone() };
        match (uninterrupted.exit_code(self.run.fail_on), worst) {
            (exit::FINDINGS, Some(worst)) => {
                Verdict::Fail(format!("{}, the worst {worst}.{ended_early}", plural(count, "finding")))
            }
            (exit::FINDINGS, None) => {
                Verdict::Fail(format!("{} failed.{ended_early}", plural(failed_checks.max(1), "check")))
            }
            (exit::NOT_JUDGED, _) => Verdict::NotTested(format!("{}.{ended_early}", self.gaps().join("; "))),
            (_, Some(worst)) => Verdict::Warn(format!(
                "{} below the severity that fails the run ({}), the worst {worst}.{ended_early}",
                plural(count, "finding"),
                self.run.fail_on
            )),
            (_, None) if self.run.interrupted => Verdict::Warn("Nothing found before the run was interrupted.".into()),
            (_, None) => {
                let doubtful = self.targets.iter().find(|target| matches!(target.verdict, Verdict::Warn(_)));
                let says = |target: &TargetRecord| format!("{}: {}", target.name, target.verdict.reason());
                doubtful.map_or(Verdict::Pass, |target| Verdict::Warn(says(target)))
            }
        }
    }

    /// What was asked and could not be judged, one clause each.
    fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if self.targets.is_empty() && self.checks.is_empty() {
            gaps.push("nothing was tested".to_owned());
        }
        for target in &self.targets {
            if let Verdict::NotTested(reason) = &target.verdict {
                gaps.push(format!("{}: {reason}", target.name));
            }
            let untried = target.findings.iter().filter(|f| matches!(f.confirmed, Confirmation::NotTried(_))).count();
            if untried > 0 {
                gaps.push(format!("{}: {} not replayed", target.name, plural(untried, "finding")));
            }
        }
        for check in &self.checks {
            if let Verdict::NotTested(reason) = &check.verdict {
                gaps.push(format!("{}: {reason}", check.name));
            }
        }
        for missing in self.not_tested.iter().filter(|missing| missing.scope == Scope::Asked) {
            gaps.push(format!("{}: {}", missing.what, missing.reason));
        }
        gaps
    }

    /// Adds what `other` saw (a job, a shard or a second target of the same run). Targets of the same name and module
    /// become one, the same bucket one finding; times add up to processor time, wall-clock times overlap.
    pub fn merge(&mut self, other: Record) {
        self.run.interrupted |= other.run.interrupted;
        self.run.jobs = self.run.jobs.max(other.run.jobs);
        self.toolchain.extend(other.toolchain);
        self.environment.extend(other.environment);
        add_missing(&mut self.limits, other.limits);
        add_missing(&mut self.checks, other.checks);
        add_missing(&mut self.peers, other.peers);
        add_missing(&mut self.not_tested, other.not_tested);
        for target in other.targets {
            let same = |known: &&mut TargetRecord| known.name == target.name && known.sha256 == target.sha256;
            match self.targets.iter_mut().find(same) {
                Some(known) => known.merge(target),
                None => self.targets.push(target),
            }
        }
        self.timing.merge(other.timing);
        self.verdict = self.judge();
    }

    /// The record without what differs between two runs with the same seed, number of runs and one job.
    pub fn without_timing(mut self) -> Record {
        self.timing = Timing::default();
        self.run.id.clear();
        self.run.started_utc.clear();
        for target in &mut self.targets {
            target.execs_per_second = 0.0;
            target.cpu_seconds = 0.0;
            target.saturation.seconds_since_last_edge = 0.0;
            target.series.clear();
            for handled in target.constant_time.iter_mut().flat_map(|section| &mut section.entries) {
                handled.clocked.clear();
                handled.cpu_seconds = 0.0;
            }
            for leak in target.constant_time.iter_mut().flat_map(|section| &mut section.leaks) {
                leak.clock.clear();
            }
            if let Some(section) = &mut target.boundary {
                section.rates.clear();
                for host in &mut section.hosts {
                    (host.cpu_seconds, host.tapes_per_cpu_second) = (0.0, 0.0);
                }
            }
            for trial in target.contract.iter_mut().flat_map(|contract| &mut contract.trials) {
                trial.wall_ms = 0.0;
            }
            for finding in &mut target.findings {
                finding.found_at.seconds = 0.0;
            }
        }
        self
    }

    /// Whether `finding` fails the run: it is confirmed, and at or above `run.fail_on`.
    pub fn fails(&self, finding: &Finding) -> bool {
        finding.confirmed == Confirmation::Reproduced && finding.severity >= self.run.fail_on
    }

    /// Findings of all targets, with their targets.
    pub fn findings(&self) -> impl Iterator<Item = (&TargetRecord, &Finding)> {
        self.targets.iter().flat_map(|target| target.findings.iter().map(move |finding| (target, finding)))
    }
}

impl TargetRecord {
    /// Findings that count: those that happen on the uninstrumented module.
    pub fn confirmed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.confirmed == Confirmation::Reproduced)
    }

    /// Severity of the worst confirmed finding.
    pub fn worst(&self) -> Option<Severity> {
        self.confirmed().map(|finding| finding.severity).max()
    }

    /// The verdict that the counts allow; a caller that knows more (a canary that was not caught) may be stricter.
    pub fn judge(&self) -> Verdict {
        let count = self.confirmed().count();
        match self.worst() {
            Some(Severity::Info) => Verdict::Warn(format!("{}, for information", plural(count, "finding"))),
            Some(worst) => Verdict::Fail(format!("{}, the worst {worst}", plural(count, "finding"))),
            None if self.execs == 0 => Verdict::NotTested("no execution was made".into()),
            None => self.boundary.as_ref().and_then(Boundary::doubt).unwrap_or(Verdict::Pass),
        }
    }

    /// Puts findings in the order of the report: worst first, then by oracle, outcome and id.
    pub fn sort_findings(&mut self) {
        self.findings.sort_by(|a, b| {
            let key = |f: &Finding| (f.confirmed != Confirmation::Reproduced, std::cmp::Reverse(f.severity));
            key(a).cmp(&key(b)).then_with(|| (&a.bucket, &a.id).cmp(&(&b.bucket, &b.id)))
        });
    }

    /// Adds what another job saw of the same target. Coverage is the better of both, a lower bound of the union:
    /// which edges were reached is not in a record. Jobs that share a corpus agree at the end.
    pub fn merge(&mut self, other: TargetRecord) {
        self.execs += other.execs;
        self.execs_per_second += other.execs_per_second;
        self.cpu_seconds += other.cpu_seconds;
        self.edges_found = self.edges_found.max(other.edges_found);
        self.edges_total = self.edges_total.max(other.edges_total);
        if other.corpus.entries > self.corpus.entries {
            self.corpus = other.corpus;
        }
        if other.saturation.p_new_edge.is_some() && other.execs > self.execs - other.execs {
            self.saturation = other.saturation;
        }
        if other.series.len() > self.series.len() {
            self.series = other.series;
        }
        merge_functions(&mut self.functions, other.functions);
        for finding in other.findings {
            match self.findings.iter_mut().find(|known| known.id == finding.id) {
                Some(known) => known.merge(finding),
                None => self.findings.push(finding),
            }
        }
        self.sort_findings();
        for call in other.host_calls {
            match self.host_calls.iter_mut().find(|known| known.import == call.import && known.answer == call.answer) {
                Some(known) => known.count += call.count,
                None => self.host_calls.push(call),
            }
        }
        self.contract = self.contract.take().or(other.contract);
        self.constant_time = self.constant_time.take().or(other.constant_time);
        self.boundary = self.boundary.take().or(other.boundary);
        add_missing(&mut self.oracles, other.oracles);
        add_missing(&mut self.limits, other.limits);
        add_missing(&mut self.notes, other.notes);
        self.verdict = match (&self.verdict, other.verdict) {
            (Verdict::NotTested(_), verdict) if self.findings.is_empty() => verdict,
            _ => self.judge(),
        };
    }
}

impl Finding {
    /// Keeps the confirmed one of both, then the smaller reproducer; hits add up.
    fn merge(&mut self, mut other: Finding) {
        let hits = self.hits + other.hits;
        let rank = |finding: &Finding| (finding.confirmed != Confirmation::Reproduced, finding.reproducer.bytes);
        if rank(&other) < rank(self) {
            std::mem::swap(self, &mut other);
        }
        if other.found_at.execs < self.found_at.execs {
            self.found_at = other.found_at;
        }
        self.hits = hits;
    }
}

impl Timing {
    fn merge(&mut self, other: Timing) {
        self.wall_seconds = self.wall_seconds.max(other.wall_seconds);
        self.cpu_seconds += other.cpu_seconds;
        self.memory_bytes_peak = self.memory_bytes_peak.max(other.memory_bytes_peak);
        for phase in other.phases {
            match self.phases.iter_mut().find(|known| known.name == phase.name) {
                Some(known) => known.seconds += phase.seconds,
                None => self.phases.push(phase),
            }
        }
    }
}

fn merge_functions(known: &mut Vec<FunctionCoverage>, other: Vec<FunctionCoverage>) {
    let mut by_index: BTreeMap<u32, FunctionCoverage> = known.drain(..).map(|f| (f.index, f)).collect();
    for function in other {
        let entry = by_index.entry(function.index).or_insert_with(|| function.clone());
        entry.edges_found = entry.edges_found.max(function.edges_found);
    }
    known.extend(by_index.into_values());
}

/// Written to the microsecond, which reads back as the same number. JSON has no word for "not a number": a rate over
/// no time is written as 0.
pub(crate) fn micro<S: serde::Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let rounded = (number * 1e6).round() / 1e6;
    serializer.serialize_f64(if rounded.is_finite() { rounded } else { 0.0 })
}

/// [`micro`] of both ends of an interval.
pub(crate) fn micro_pair<S: serde::Serializer>(numbers: &[f64; 2], serializer: S) -> Result<S::Ok, S::Error> {
    let rounded = numbers.map(|number| (number * 1e6).round() / 1e6);
    rounded.map(|number| if number.is_finite() { number } else { 0.0 }).serialize(serializer)
}

/// [`six_digits`] of a number that is always there; 0 where it is none.
pub(crate) fn digits<S: serde::Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    six_digits(&Some(if number.is_finite() { *number } else { 0.0 }), serializer)
}

/// Written with six digits: an estimate has no more, and they read back as the same number.
pub(crate) fn six_digits<S: serde::Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    let number = number.filter(|number| number.is_finite());
    number.map(|number| format!("{number:.5e}").parse::<f64>().expect("it was just written")).serialize(serializer)
}

fn add_missing<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !known.contains(&item) {
            known.push(item);
        }
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Why a file is not a report that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or without a `schema_version`.
    #[error("not a report.json: {0}")]
    NotAReport(String),
    /// Longer than any run writes.
    #[error("{bytes} bytes; a report.json has at most {REPORT_BYTES_MAX}: not one of ours")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More objects or values than any run writes.
    #[error("more than {REPORT_OBJECTS_MAX} objects or {REPORT_VALUES_MAX} values: not one of ours")]
    TooMany,
    /// Written by an older or newer program.
    #[error(
        "written with report schema version {found}; this program reads version {SCHEMA_VERSION}: \
         read it with the program that wrote it, or make the run again"
    )]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// The right version, but not its shape.
    #[error("claims report schema version {SCHEMA_VERSION} but does not have its shape: {0}")]
    Shape(String),
}

/// Longest `report.json` that is read, bytes: texts and lists of a report are cut, and a thousand targets stay below.
/// Reading one of ours needs about four times its bytes, any other less than a gigabyte.
pub const REPORT_BYTES_MAX: usize = 128 << 20;
/// Most objects in a `report.json` that is read: of its smallest, written in full, so many do not fit.
pub const REPORT_OBJECTS_MAX: usize = 500_000;
/// Most values, counted by their commas.
pub const REPORT_VALUES_MAX: usize = 8_000_000;

/// What serde_json says, which quotes the text that it read: on one line, and cut before the place, which comes last.
fn told(error: &serde_json::Error) -> String {
    const CHARS_MAX: usize = 500;
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    escape::line(&escape::cut(what, CHARS_MAX)) + &place
}
