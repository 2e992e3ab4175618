//! What happens where JavaScript values become linear memory: the rows behind the report's section on the boundary, and
//! how bad each class of finding is there. Only what is marked *Timing* differs between two runs with one seed.

use crate::record::Verdict;
use crate::rules::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One package that was driven through its own glue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Boundary {
    /// The hosts that it ran in, the one that searched first; those that were wanted and are not there stand here with
    /// their reason.
    pub hosts: Vec<HostRow>,
    /// What was loaded, and how.
    pub glue: GlueFacts,
    /// What can be called, in the order of declaration.
    pub operations: Vec<OperationRow>,
    /// What the module imports from its glue.
    pub imports: Vec<ImportRow>,
    /// Powers of the host that the glue asks for, by its text and by what it did.
    pub capabilities: Vec<CapabilityRow>,
    /// One row for each class of [`CLASSES`], in that order; those that were not asked stand here with their reason.
    pub classes: Vec<ClassRow>,
    /// One for each finding of the oracle `boundary`, in the order of the target's findings.
    pub cards: Vec<Card>,
    /// What was asked of the page that the package is deployed on.
    pub page: Vec<PageRow>,
    /// *Timing.* Speeds beside each other; empty where none were measured.
    pub rates: Vec<RateRow>,
    /// Anything else that a reader should know, one sentence each.
    pub notes: Vec<String>,
}

impl Boundary {
    /// Operations of which no call ever returned: what they do with values that they take was not tested.
    pub fn idle(&self) -> impl Iterator<Item = &OperationRow> {
        self.operations.iter().filter(|operation| operation.never_succeeded.is_some())
    }

    /// What stands in the way of a pass: operations that never did anything, questions about the page that did not hold.
    pub fn doubt(&self) -> Option<Verdict> {
        const NAMED_MAX: usize = 3;
        let idle: Vec<&OperationRow> = self.idle().collect();
        let Some(first) = idle.first() else {
            let broken = self.page.iter().find(|row| matches!(row.verdict, Verdict::Fail(_)))?;
            return Some(Verdict::Warn(format!("the deployed page does not hold: {}", broken.name)));
        };
        if idle.len() == self.operations.len() {
            let why = first.never_succeeded.as_deref().unwrap_or_default();
            return Some(Verdict::NotTested(format!("no operation ever returned; {}: {why}", first.name)));
        }
        let mut names: Vec<&str> = idle.iter().take(NAMED_MAX).map(|operation| operation.name.as_str()).collect();
        if idle.len() > NAMED_MAX {
            names.push("…");
        }
        let (n, all) = (idle.len(), self.operations.len());
        Some(Verdict::Warn(format!(
            "{n} of {all} operations never returned, so they count as not tested: {}",
            names.join(", ")
        )))
    }
}

/// What the values of a call are: each profile holds the one before it. It says who can make the call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// As the TypeScript declarations say: any caller that a compiler accepts.
    #[default]
    Typed,
    /// Anything that `JSON.parse` gives: a caller that hands over parsed data without looking at it.
    Json,
    /// Live objects too (getters, proxies, `valueOf`, callbacks): JavaScript that runs in the same page or process.
    Hostile,
}

impl Profile {
    /// Every profile, the smallest first.
    pub const ALL: &[Profile] = &[Profile::Typed, Profile::Json, Profile::Hostile];

    /// The stable name, as in `--profile NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Typed => "typed",
            Profile::Json => "json",
            Profile::Hostile => "hostile",
        }
    }

    /// Who can make such a call, as the end of a sentence.
    pub fn reach(self) -> &'static str {
        match self {
            Profile::Typed => "any caller that keeps the declared types",
            Profile::Json => "data from outside that a caller parses as JSON and passes on unchecked",
            Profile::Hostile => "JavaScript in the same page or process that passes live objects",
        }
    }
}

/// What the policy file says of an import or a power of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// It may be used.
    Allowed,
    /// It may not be used.
    Refused,
    /// No line of the policy speaks of it.
    #[default]
    Unknown,
}

impl Policy {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Allowed => "allowed",
            Policy::Refused => "refused",
            Policy::Unknown => "unknown",
        }
    }
}

/// How a use of a power of the host became known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// It stands in the text of the glue; no call reached it.
    #[default]
    InText,
    /// It was used while the package was loaded or called; the text does not show it.
    InUse,
    /// Both.
    InTextAndUse,
}

/// One host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HostRow {
    /// `Node 20.20.2 (V8 11.3)`.
    pub name: String,
    /// Why nothing ran in it; empty where it was used.
    pub not_tested: String,
    /// Where the counters were: `memory`, `tail`, `globals`; `none` where the module ran as it is deployed.
    pub layout: String,
    /// Why there, one sentence.
    pub layout_reason: String,
    /// What the engine can do, in the order of the table.
    pub features: Vec<Feature>,
    /// Sequences of calls.
    pub tapes: u64,
    /// Calls that were made, nested ones included.
    pub calls: u64,
    /// Instances of the module that were made.
    pub instances: u64,
    /// How it died and what it was given then, one sentence for each time.
    pub deaths: Vec<String>,
    /// Counters of the module that were reached here.
    pub counters_reached: u64,
    /// Counters that the module has; 0 where it ran as it is deployed.
    pub counters_total: u64,
    /// Findings that were replayed here on the uninstrumented module.
    pub replayed: u64,
    /// Of these, those that happened again.
    pub confirmed: u64,
    /// *Timing.* Processor seconds of the host.
    #[serde(serialize_with = "crate::record::micro")]
    pub cpu_seconds: f64,
    /// *Timing.* Sequences of calls in one of them.
    #[serde(serialize_with = "crate::record::micro")]
    pub tapes_per_cpu_second: f64,
}

/// One thing that an engine can or cannot do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Feature {
    /// `multi-memory`, `exnref`, `simd`, …
    pub name: String,
    /// Whether it can.
    pub present: bool,
}

/// What was loaded, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GlueFacts {
    /// `wasm-bindgen, --target nodejs`, `Emscripten`, `AssemblyScript`, …
    pub kind: String,
    /// What says so, one sentence.
    pub evidence: String,
    /// The file that callers import, relative to the package.
    pub entry: String,
    /// Its files as they were loaded, unchanged.
    pub files: Vec<PackageFile>,
    /// The module among them.
    pub module: String,
    /// Lower-case hex sha-256 of it as it is deployed.
    pub sha256: String,
    /// What was run in its place while searching.
    pub builds: Vec<BuildRow>,
    /// Where the declarations came from, best first: `store.d.ts: 17 operations`, …
    pub declarations: Vec<String>,
    /// `boundary.toml`, relative to the project; absent where there is none.
    pub narrowed_by: Option<String>,
    /// The policy file, relative to the project; absent where there is none.
    pub policy: Option<String>,
    /// Profiles that were run.
    pub profiles: Vec<Profile>,
}

/// One file of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PackageFile {
    /// Relative to the package.
    pub path: String,
    /// Lower-case hex sha-256.
    pub sha256: String,
    /// Size, bytes.
    pub bytes: u64,
}

/// One instrumented build of the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BuildRow {
    /// Where its counters are, as in [`HostRow::layout`].
    pub layout: String,
    /// Lower-case hex sha-256.
    pub sha256: String,
    /// Size, bytes.
    pub bytes: u64,
    /// Counters that it has.
    pub counters: u64,
}

/// One thing that a caller can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OperationRow {
    /// `parse`, `Store.new`, `Store.length`.
    pub name: String,
    /// As a declaration: `parse(text: string): Patient | undefined`.
    pub signature: String,
    /// Calls that returned.
    pub returned: u64,
    /// Calls that threw, but for traps.
    pub threw: u64,
    /// Calls that trapped.
    pub trapped: u64,
    /// Calls that could not be made: no object to make them on, a member that is not there.
    pub skipped: u64,
    /// Why no call of it ever returned; absent where one did. What it does with values that it takes was not tested.
    pub never_succeeded: Option<String>,
}

/// One thing that the module imports from its glue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImportRow {
    /// First half of its name.
    pub module: String,
    /// Second half.
    pub name: String,
    /// `intrinsic`, `clock`, `random`, `network`, `dom`, `code generation`, …
    pub category: String,
    /// What the policy says of the category.
    pub policy: Policy,
}

/// One use of a power of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CapabilityRow {
    /// `eval`, `network`, `dom`, `clock`, …
    pub category: String,
    /// File of the package; empty where it was only seen in use.
    pub file: String,
    /// Line in it, from 1.
    pub line: Option<u32>,
    /// That line.
    pub source: String,
    /// How it became known.
    pub known: Known,
    /// What the policy says of the category.
    pub policy: Policy,
    /// [`Finding::id`](crate::Finding::id) of the finding that carries it; empty where there is none.
    pub finding: String,
}

/// What was seen of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassRow {
    /// [`Class::name`].
    pub class: String,
    /// [`Verdict::Fail`] where it was found, [`Verdict::Pass`] where it was asked and not found; [`Verdict::NotTested`] and
    /// [`Verdict::NotApplicable`] say why it was not asked.
    pub verdict: Verdict,
    /// Findings of it.
    pub findings: u64,
}

/// One finding at the boundary, told so that it is understood without the tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Card {
    /// [`Finding::id`](crate::Finding::id) of the finding.
    pub finding: String,
    /// [`Class::name`].
    pub class: String,
    /// The operation, as in [`OperationRow::name`]; empty where it is none in particular.
    pub operation: String,
    /// The smallest profile that its calls belong to.
    pub profile: Profile,
    /// Whether every value of it can come out of `JSON.parse`.
    pub json_reachable: bool,
    /// How bad, as in the finding.
    pub severity: Severity,
    /// Why that bad, from [`severity_reason`].
    pub severity_reason: String,
    /// What happened, one sentence or two.
    pub what: String,
    /// Stack of the error; empty where nothing was thrown.
    pub stack: String,
    /// The smallest sequence of calls that shows it, as JavaScript.
    pub tape_js: String,
    /// The same as JSON, one line.
    pub tape_json: String,
    /// Operations of that sequence.
    pub ops: u64,
    /// Operations of the one that was found.
    pub ops_found: u64,
    /// Where it was replayed, the host that found it first.
    pub hosts: Vec<Replay>,
    /// The file that shows it again without this tool, relative to the report's folder; empty where there is none.
    pub repro: String,
    /// What to do about it, where that is more than the class's advice; empty else.
    pub remedy: String,
}

/// One replay of a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Replay {
    /// As in [`HostRow::name`].
    pub host: String,
    /// [`Verdict::Fail`] where it happened again on the module as it is deployed, [`Verdict::Pass`] where it did not;
    /// [`Verdict::NotTested`] says why it was not tried.
    pub verdict: Verdict,
    /// What the instrumented module did; empty where it was not asked.
    pub instrumented: String,
    /// What the module as it is deployed did.
    pub deployed: String,
}

/// One question asked of a deployed page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PageRow {
    /// `csp`, `trusted-types`, `content-type`, `integrity`, …
    pub name: String,
    /// [`Verdict::Pass`] where it held, [`Verdict::Fail`] where it broke; [`Verdict::NotTested`] says why it was not asked.
    pub verdict: Verdict,
    /// What was done and what the browser did, one sentence.
    pub what: String,
}

/// *Timing.* One way of making the same calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateRow {
    /// As in [`HostRow::name`].
    pub host: String,
    /// `as deployed, in a loop`, `counters evaluated, in a loop`, `through the pipe, batch 256`, …
    pub way: String,
    /// Calls in one wall-clock second.
    #[serde(serialize_with = "crate::record::micro")]
    pub per_second: f64,
    /// The same as a part of the first row of this host.
    #[serde(serialize_with = "crate::record::digits")]
    pub of_first: f64,
}

/// One class of findings.
#[derive(Debug, PartialEq, Eq)]
pub struct Class {
    /// Its name; the outcome of its findings is this in capitals.
    pub name: &'static str,
    /// The oracle that sees it: `O1` to `O14`; empty for what guards the method itself.
    pub oracle: &'static str,
    /// A few words for a small field.
    pub short: &'static str,
    /// How bad, in the order of [`Profile::ALL`].
    pub severities: [Severity; 3],
    /// What is at stake, one sentence: the reason for the first severity.
    pub stake: &'static str,
}

/// Every class. What it is, its weakness and its remedy stand in [`crate::rules`].
///
/// What any caller can do counts in full, and what a caller must help with counts one step less for each thing that it
/// has to do: pass parsed data on unchecked, or run the attacker's JavaScript in its own page. Four exceptions: where
/// patients' data or all of memory lies open (`stale`, `forged`, `use-after-free`, `counters`) even the hostile caller is
/// taken seriously; powers of the host (`capability`) are used whatever the values are; one poisoned instance or changed
/// prototype harms everybody who comes after; residue in memory needs a second fault to be read.
#[rustfmt::skip]
pub const CLASSES: &[Class] = &[
    class("trap", "O1", "trap", [Severity::High, Severity::Medium, Severity::Low],
        "One call ends the instance for everybody who shares it."),
    class("poisoned", "O2", "use after trap", [Severity::High, Severity::High, Severity::Medium],
        "Whoever comes after the call works on data that was left half changed."),
    class("result-type", "O3", "wrong result type", [Severity::Medium, Severity::Medium, Severity::Low],
        "Callers rely on a type that is not there."),
    class("range", "O4", "number out of range", [Severity::Medium, Severity::Medium, Severity::Low],
        "A number becomes another one and nobody is told: a dose, a count, an identifier."),
    class("text", "O4", "changed text", [Severity::Medium, Severity::Medium, Severity::Low],
        "What is stored is not what was sent."),
    class("collision", "O4", "colliding texts", [Severity::High, Severity::High, Severity::Medium],
        "Two identifiers become one: so do two patients."),
    class("unchecked", "O4", "unchecked type", [Severity::Medium, Severity::Medium, Severity::Low],
        "A value of another type is taken for what was declared."),
    class("leak", "O5", "memory leak", [Severity::High, Severity::Medium, Severity::Low],
        "Memory that never comes back ends the page or the service after enough calls."),
    class("stack", "O5", "stack leak", [Severity::Medium, Severity::Medium, Severity::Low],
        "Each such call eats a piece of the module's own stack."),
    class("stale", "O6", "stale data", [Severity::Critical, Severity::Critical, Severity::High],
        "Data of one patient comes out of a call about another."),
    class("residue", "O7", "residue", [Severity::Low, Severity::Low, Severity::Low],
        "Data stays in memory where a second fault could read it."),
    class("echo", "O8", "echo", [Severity::Medium, Severity::Medium, Severity::Low],
        "Data of the call reaches logs, consoles and error reports."),
    class("use-after-free", "O9", "use after free", [Severity::High, Severity::High, Severity::High],
        "Memory that belongs to something else by now is read and written."),
    class("forged", "O9", "forged pointer", [Severity::Critical, Severity::Critical, Severity::High],
        "Any place of the module's memory can be read and written."),
    class("capability", "O10", "power of the host", [Severity::High, Severity::High, Severity::High],
        "The package does in the host what nobody allowed it to."),
    class("prototype", "O10", "prototype", [Severity::High, Severity::High, Severity::Medium],
        "Every object of the page behaves otherwise afterwards."),
    class("time", "O11", "time", [Severity::High, Severity::Medium, Severity::Low],
        "One call stops the page or the service."),
    class("host", "O12", "hosts disagree", [Severity::Medium, Severity::Low, Severity::Low],
        "What was tested in one host says nothing about another."),
    class("late", "O13", "late error", [Severity::High, Severity::Medium, Severity::Low],
        "An error that no caller can catch ends the process later."),
    class("growth", "O14", "growth", [Severity::High, Severity::Medium, Severity::Low],
        "A few bytes take memory that never shrinks again."),
    class("counters", "", "write out of bounds", [Severity::High, Severity::High, Severity::High],
        "The module writes where it never allocated."),
];

const fn class(
    name: &'static str,
    oracle: &'static str,
    short: &'static str,
    severities: [Severity; 3],
    stake: &'static str,
) -> Class {
    Class { name, oracle, short, severities, stake }
}

/// The class of that name.
pub fn class_of(name: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.name == name)
}

/// How bad a finding of `class` is, if calls of `profile` show it; what has no row is taken seriously.
pub fn severity(class: &str, profile: Profile) -> Severity {
    class_of(class).map_or(Severity::High, |class| class.severities[profile as usize])
}

/// Why it is that bad, two sentences.
pub fn severity_reason(class: &str, profile: Profile) -> String {
    let stake =
        class_of(class).map_or("This class is not in the table, and is taken seriously until it is.", |c| c.stake);
    format!("{stake} It is within reach of {}.", profile.reach())
}

/// The outcome of findings of `class`, as [`crate::rules::rule`] knows it under the oracle `boundary`.
pub fn outcome(class: &str) -> String {
    class.to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TargetRecord;
    use crate::rules::rule;

    #[test]
    fn the_table_agrees_with_the_rules() {
        for class in CLASSES {
            let rule = rule("boundary", &outcome(class.name));
            assert_eq!((rule.oracle, rule.outcome), ("boundary", outcome(class.name).as_str()));
            assert_eq!(rule.severity, severity(class.name, Profile::Typed), "{}", class.name);
            // What takes more is never worse.
            assert!(class.severities.is_sorted_by(|a, b| a >= b), "{}", class.name);
        }
        assert_eq!(severity("of the future", Profile::Hostile), Severity::High);
    }

    #[test]
    fn what_never_returned_is_no_pass() {
        let operation = |name: &str, idle: bool| OperationRow {
            name: name.into(),
            never_succeeded: idle.then(|| "needs a key".to_owned()),
            ..OperationRow::default()
        };
        let judged = |idle: &[bool]| {
            let operations =
                ["a", "b", "c", "d", "e"].iter().zip(idle).map(|(name, idle)| operation(name, *idle)).collect();
            let boundary = Some(Boundary { operations, ..Boundary::default() });
            TargetRecord { execs: 1, boundary, ..TargetRecord::default() }.judge()
        };
        assert_eq!(judged(&[]), Verdict::Pass);
        assert_eq!(judged(&[false, false]), Verdict::Pass);
        let warned = "4 of 5 operations never returned, so they count as not tested: a, b, d, …";
        assert_eq!(judged(&[true, true, false, true, true]), Verdict::Warn(warned.into()));
        assert_eq!(judged(&[true]), Verdict::NotTested("no operation ever returned; a: needs a key".into()));
    }

    #[test]
    fn reasons_say_what_and_who() {
        assert_eq!(
            severity_reason("growth", Profile::Json),
            "A few bytes take memory that never shrinks again. \
             It is within reach of data from outside that a caller parses as JSON and passes on unchecked."
        );
    }
}
