//! What a certificate says: every check with its verdict, what was spent on it, and everything that was not tested.
//!
//! Only integers and text: a number that is read back as a neighbouring one would make two statements disagree.

use crate::digest::Sha256Digest;
use crate::moment::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The whole certificate of one module: the predicate of the first statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// The program that tested.
    pub tool: Tool,
    /// URI of who vouches, with a version: `urn:autoclave:certify:0.1.0`.
    pub verifier: String,
    /// When the tests ended.
    pub issued: Moment,
    /// First moment at which it holds.
    pub not_before: Moment,
    /// First moment at which it no longer holds.
    pub not_after: Moment,
    /// What was tested.
    pub module: Module,
    /// How much of the module's surroundings was tested with it.
    pub profile: Profile,
    /// How deep the tests went.
    pub level: Level,
    /// The policy it was held to: limits, allowlists, waivers.
    pub policy: Pinned,
    /// The catalogue of controls that the checks come from.
    pub controls: Pinned,
    /// Inputs that were run.
    pub corpus: Corpus,
    /// The report with the details, if one was kept.
    pub report: Option<Pinned>,
    /// Every check of the catalogue, once.
    pub checks: Vec<Check>,
    /// What was spent on fuzzing, and how much is left to find.
    pub campaigns: Vec<Campaign>,
    /// Limits that were in force.
    pub limits: Vec<Limit>,
    /// Engines, toolchains and libraries that took part: name → version.
    pub versions: BTreeMap<String, String>,
    /// The machine: name → value.
    pub machine: BTreeMap<String, String>,
    /// Oracles that were asked to catch a planted flaw in the same run.
    pub qualification: Vec<Qualification>,
    /// Verdicts that somebody takes responsibility for.
    pub waivers: Vec<Waiver>,
    /// Everything that a reader might think was tested, and was not.
    pub not_tested: Vec<NotTested>,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// `autoclave`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What was tested, beside the digests in the statement's subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// Its file's name.
    pub name: String,
    /// Its size, bytes.
    pub bytes: u64,
    /// SHA-256 over the list of imports and exports with their types, if it was made.
    pub interface: Option<Sha256Digest>,
}

/// How much of a module's surroundings a certificate speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Profile {
    /// The module alone.
    #[serde(rename = "module")]
    Module,
    /// The module driven through its JavaScript glue.
    #[serde(rename = "module+glue")]
    ModuleAndGlue,
}

impl Profile {
    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Module => "module",
            Profile::ModuleAndGlue => "module+glue",
        }
    }
}

/// How deep the tests went; a level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Level {
    /// Nothing was executed.
    L0,
    /// Under limits, and fuzzed clean with a budget.
    L1,
    /// Beside other readers, for what stays in memory, for constant time, and in a JavaScript host.
    L2,
    /// Rebuilt bit by bit, with provenance, in a second engine, up to a bound of saturation.
    L3,
}

impl Level {
    /// All, lowest first.
    pub const ALL: [Level; 4] = [Level::L0, Level::L1, Level::L2, Level::L3];

    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            Level::L0 => "L0",
            Level::L1 => "L1",
            Level::L2 => "L2",
            Level::L3 => "L3",
        }
    }
}

/// A file, named by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// What people call it.
    pub name: String,
    /// Its bytes.
    pub sha256: Sha256Digest,
}

/// The inputs that were run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// SHA-256 over the sorted digests of the inputs.
    pub sha256: Sha256Digest,
    /// How many.
    pub inputs: u64,
}

/// One control, and what was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// Its id in the catalogue, such as `SBX-02a`.
    pub id: String,
    /// The answer.
    pub verdict: Verdict,
    /// Why; empty only where the answer says it all.
    pub reason: String,
    /// Whether the certificate's profile and level ask for it.
    pub scope: Scope,
    /// Who answered, by its name in the qualification; none where no program can.
    pub oracle: Option<String>,
    /// The evidence: a file, or a part of the report.
    pub evidence: Option<Sha256Digest>,
}

/// The answer of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// Tested by an oracle that has caught its canary; nothing found.
    #[serde(rename = "PASS")]
    Pass,
    /// Tested; something to look at.
    #[serde(rename = "WARN")]
    Warn,
    /// Tested and failed.
    #[serde(rename = "FAIL")]
    Fail,
    /// The question does not apply.
    #[serde(rename = "N/A")]
    NotApplicable,
    /// It applies and was not answered.
    #[serde(rename = "NOT-TESTED")]
    NotTested,
    /// No program can answer; somebody vouches for it with evidence.
    #[serde(rename = "ATTESTED")]
    Attested,
    /// No program can answer, and nobody vouches for it.
    #[serde(rename = "NOT-ATTESTED")]
    NotAttested,
}

impl Verdict {
    /// Whether a program came to it, which then has to be qualified.
    pub fn is_tested(self) -> bool {
        matches!(self, Verdict::Pass | Verdict::Warn | Verdict::Fail)
    }

    fn needs_reason(self) -> bool {
        !matches!(self, Verdict::Pass | Verdict::NotAttested)
    }
}

/// Whether the certificate's profile and level ask for a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// They do.
    Profile,
    /// They do not; it stands there for honesty.
    Outside,
}

/// What was spent on fuzzing one entry. The chance that the next input finds a new edge is about
/// `singletons / executions` (Good–Turing).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Campaign {
    /// The export or function.
    pub entry: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Seconds it was allowed; none where executions were counted instead.
    pub budget_seconds: Option<u64>,
    /// Executions.
    pub executions: u64,
    /// Edges that were reached.
    pub edges: u64,
    /// Edges that there are.
    pub edges_total: u64,
    /// Edges that were seen in one execution only.
    pub singletons: u64,
    /// Executions since the last new edge.
    pub executions_since_new_edge: u64,
}

/// A limit that was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Its name, such as `memory_bytes_max`.
    pub name: String,
    /// Its value.
    pub value: u64,
    /// `bytes`, `fuel`, …
    pub unit: String,
}

/// An oracle that was asked in the same run about a planted flaw, and about its repaired twin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Qualification {
    /// The oracle.
    pub oracle: String,
    /// The program with the flaw.
    pub canary: String,
    /// What was said of it.
    pub canary_seen: Trial,
    /// The repaired one.
    pub twin: String,
    /// What was said of that.
    pub twin_seen: Trial,
}

impl Qualification {
    /// Whether the oracle tells them apart.
    pub fn is_complete(&self) -> bool {
        self.canary_seen == Trial::Caught && self.twin_seen == Trial::Passed
    }
}

/// What an oracle said of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trial {
    /// The flaw was found.
    Caught,
    /// Nothing was found.
    Passed,
    /// It was not asked.
    NotRun,
}

/// Somebody takes responsibility for a verdict, until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The check's id.
    pub check: String,
    /// Who takes responsibility.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// First moment at which it no longer holds.
    pub expires: Moment,
}

/// Something that was not tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotTested {
    /// What.
    pub what: String,
    /// Why not.
    pub reason: String,
    /// What would make it testable; empty where nothing would.
    pub remedy: String,
}

impl Certificate {
    /// What contradicts itself or says nothing, one sentence each: such a certificate is no evidence, whoever signs it.
    pub fn contradictions(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.not_before >= self.not_after {
            wrong.push(format!("it holds from {} until {}, which is never", self.not_before, self.not_after));
        }
        if self.issued > self.not_after {
            wrong.push("it was issued after it expired".to_owned());
        }
        // Policies of other tools compare it, and some of them read braces and dollars as variables.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@+=&%".contains(c);
        if !self.verifier.contains(':') || !self.verifier.chars().all(plain) {
            wrong.push("its verifier is no URI".to_owned());
        }
        if !self.checks.iter().any(|check| check.scope == Scope::Profile) {
            wrong.push("it lists no check inside of its profile".to_owned());
        }
        let oracles: BTreeSet<&str> = self.qualification.iter().map(|row| row.oracle.as_str()).collect();
        if oracles.len() != self.qualification.len() {
            wrong.push("an oracle is qualified twice".to_owned());
        }
        let mut ids = BTreeSet::new();
        for check in &self.checks {
            let mut say = |what: &str| wrong.push(format!("check {} {what}", crate::reason::shown(&check.id)));
            if check.id.is_empty() || !ids.insert(check.id.as_str()) {
                say("comes twice or has no id");
            }
            if check.verdict.needs_reason() && check.reason.trim().is_empty() {
                say("gives no reason");
            }
            match &check.oracle {
                None if check.verdict.is_tested() => say("was answered by nobody"),
                Some(oracle) if check.verdict.is_tested() && !oracles.contains(oracle.as_str()) => {
                    say("was answered by an oracle that is not in the qualification");
                }
                _ => {}
            }
        }
        let mut waived = BTreeSet::new();
        for waiver in &self.waivers {
            let id = crate::reason::shown(&waiver.check);
            if !ids.contains(waiver.check.as_str()) || !waived.insert(waiver.check.as_str()) {
                wrong.push(format!("a waiver for {id} waives no check, or one twice"));
            }
            if waiver.owner.trim().is_empty() || waiver.reason.trim().is_empty() {
                wrong.push(format!("the waiver for {id} has no owner or no reason"));
            }
        }
        wrong
    }

    /// Checks of the profile that failed or were not tested, waived ones included.
    pub fn shortcomings(&self) -> impl Iterator<Item = &Check> {
        let short = |verdict| matches!(verdict, Verdict::Fail | Verdict::NotTested);
        self.checks.iter().filter(move |check| match check.scope {
            Scope::Profile => short(check.verdict),
            // A failure is a failure, whoever asked.
            Scope::Outside => check.verdict == Verdict::Fail,
        })
    }
}
