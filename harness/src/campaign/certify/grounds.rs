//! What the reports of a certification's stages say, as the grounds of verdicts: what each oracle was asked and found, which
//! planted flaws it caught in the same run, and what the entries read.

use super::stages;
use crate::campaign::selftest::TWIN_RAISED;
use autoclave_generators::family;
use autoclave_reports::contract::{Contract, Trial};
use autoclave_reports::controls::judge::{Found, Qualified, Said};
use autoclave_reports::record::{Check, Confirmation, Scope};
use autoclave_reports::{Finding, Record, Severity, TargetRecord, Verdict, controls};
use std::collections::{BTreeMap, BTreeSet};

/// A campaign whose next input finds a new edge with a greater chance than this has not run long enough: a warning.
pub const P_NEW_EDGE_MAX: f64 = 1e-3;
/// A campaign that reached less than a twentieth of the edges has looked at little: a warning.
pub const EDGES_SHARE_MIN: f64 = 0.05;

/// What the rule suite calls an input that is refused against the specification.
const REFUSES_VALID: &str = "REFUSES-VALID";

/// Reads the report of a stage for one oracle.
pub type Reader = fn(&Record) -> Said;

/// What fuzzing says.
pub fn crash(record: &Record) -> Said {
    let mut said = of_targets(record, "crash", outcome);
    if said.verdict == Verdict::Pass
        && let Some(doubt) = doubt(&record.targets)
    {
        said.verdict = Verdict::Warn(doubt);
    }
    said
}

/// What the families of hostile inputs say; of limits, what was asked about those that are declared.
pub fn contract(record: &Record) -> Said {
    let mut said = of_targets(record, "contract", |finding| kin(&finding.outcome).to_owned());
    for section in record.targets.iter().filter_map(|row| row.contract.as_ref()) {
        for (term, part, classes, kinds) in DECLARED {
            if let Some(reason) = unasked(section, term, part, kinds) {
                let row = |class: &&str| ((*class).to_owned(), Verdict::NotTested(reason.clone()));
                said.apart.extend(classes.iter().map(row));
            }
        }
    }
    said
}

/// The class that stands in the controls for all outcomes of a kind: there is a canary for one of each.
fn kin(outcome: &str) -> &str {
    match outcome {
        trap if trap.starts_with("TRAP-") => "TRAP-UNREACHABLE",
        "SHADOW-STACK" => "STACK",
        "HARD-DENY" | "GRACEFUL-OOM" | "TABLE" => "OOM-ABORT",
        "OUTPUT" => "OUTPUT-OVER-CONTRACT",
        "OUT-OF-FUEL" | "DEADLINE" | "HOST-CALLS" => "FUEL-OVER-CONTRACT",
        other => other,
    }
}

/// Limits that a module may declare: the term, the part of the contract that is asked with it, the classes of what breaks
/// it, and the kinds of input that it concerns (none: all).
type Declared = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);
const DECLARED: &[Declared] = &[
    ("refused_above_bytes", "size-limit", &["OVERSIZE-NOT-REFUSED", "REFUSES-LATE"], &[]),
    (
        "refused_above_items",
        "count-limit",
        &["TOO-MANY-NOT-REFUSED"],
        &["json", "fhir-json", "fhir-xml", "ndjson", "hl7v2"],
    ),
];

/// Why nobody knows whether a limit is kept: none is declared, or an entry was not asked on both sides of it.
fn unasked(section: &Contract, term: &str, part: &str, kinds: &[&str]) -> Option<String> {
    let declared = section.terms.iter().find(|row| row.name == term).map_or(0, |row| row.value);
    if declared == 0 {
        return Some(format!("no limit is declared: give it as {term} in [contract] of target.toml, or with --term"));
    }
    // Sizes are those of the outside, items those of what is inside.
    let asked_with = |kind: &str| match kinds.is_empty() {
        true => kind.split('/').next().unwrap_or_default().to_owned(),
        false => kind.split('/').next_back().unwrap_or_default().to_owned(),
    };
    let is_concerned = |kind: &str| kinds.is_empty() || kinds.contains(&kind);
    let of_kind = |trial: &Trial, kind: &str| family(&trial.family).is_ok_and(|family| family.kind.name() == kind);
    for reads in &section.reads {
        for kind in reads.kinds.iter().map(|kind| asked_with(kind)).filter(|kind| is_concerned(kind)) {
            let mine = |trial: &&Trial| trial.entry == reads.entry && trial.part == part && of_kind(trial, &kind);
            let mut trials = section.trials.iter().filter(mine).peekable();
            if trials.peek().is_none() {
                return Some(format!("{}: there are no documents of {kind} for this limit", reads.entry));
            }
            if let Some(reason) = trials.find_map(|trial| match &trial.verdict {
                Verdict::NotTested(reason) => Some(format!("{}: {reason}", reads.entry)),
                _ => None,
            }) {
                return Some(reason);
            }
        }
    }
    None
}

/// What growth of work says.
pub fn complexity(record: &Record) -> Said {
    let mut said = of_targets(record, "complexity", outcome);
    let mut growth = record.targets.iter().filter_map(|row| row.contract.as_ref()).flat_map(|section| &section.growth);
    if said.verdict == Verdict::Pass && growth.next().is_none() {
        said.verdict = Verdict::NotTested("no growth of work was measured".into());
    }
    said
}

/// What the comparison of work between secrets says.
pub fn constant_time(record: &Record) -> Said {
    of_targets(record, "constant-time", |finding| finding.outcome.to_uppercase())
}

/// What readers beside it say. What is said of the other readers is theirs.
pub fn differential(record: &Record) -> Said {
    let mut said = of_targets(record, "differential", outcome);
    let of_candidate = record.targets.iter().flat_map(TargetRecord::confirmed).filter(|finding| {
        finding.oracle == "differential" && finding.title.contains(crate::differential::panel::CANDIDATE.name)
    });
    said.found = of_candidate.map(|finding| found(finding, outcome)).collect();
    // A class that no planted reader of the format shows is none of the format's: numbers of HL7 v2 are text.
    let tried: BTreeSet<String> = qualified(record).into_iter().map(|row| row.class).collect();
    for class in (1..=15).map(|number| format!("D{number}")).filter(|class| !tried.is_empty() && !tried.contains(class))
    {
        let reason = format!("{class} is not asked of the format that was compared");
        said.apart.insert(class, Verdict::NotApplicable(reason));
    }
    said
}

/// What the rule suite says.
pub fn conform(record: &Record) -> Said {
    let rule =
        |finding: &Finding| finding.rule.as_ref().map_or_else(|| finding.outcome.clone(), |rule| rule.id.clone());
    let mut said = of_targets(record, "conform", rule);
    // Controls ask what is let in. Who refuses more than the specification demands is worth knowing.
    let confirmed = record.targets.iter().flat_map(TargetRecord::confirmed).filter(|one| one.oracle == "conform");
    for (found, finding) in said.found.iter_mut().zip(confirmed) {
        if finding.outcome == REFUSES_VALID {
            found.severity = Severity::Info;
        }
    }
    set_apart(&mut said, record, "no vector of the format that it reads is about");
    said
}

/// Classes that controls ask about, and that the oracle has no planted flaw for in what it was asked about here.
fn set_apart(said: &mut Said, record: &Record, why: &str) {
    let tried: BTreeSet<String> = qualified(record).into_iter().map(|row| row.class).collect();
    if tried.is_empty() {
        return;
    }
    let answers = controls::all().flat_map(|control| &control.answers).filter(|answer| answer.oracle == said.oracle);
    for class in answers.flat_map(|answer| &answer.classes).filter(|class| !tried.contains(*class)) {
        said.apart.insert(class.clone(), Verdict::NotApplicable(format!("{why} {class}")));
    }
}

/// What driving it through its glue says.
pub fn boundary(record: &Record) -> Said {
    let mut said = of_targets(record, "boundary", outcome);
    let sections = record.targets.iter().filter_map(|row| row.boundary.as_ref());
    for class in sections.flat_map(|section| &section.classes) {
        if matches!(class.verdict, Verdict::NotTested(_) | Verdict::NotApplicable(_)) {
            said.apart.insert(class.class.clone(), class.verdict.clone());
        }
    }
    said
}

/// What the deployed page answers.
pub fn page_checks(record: &Record) -> Said {
    let mut said =
        Said { oracle: "page-checks".into(), verdict: base(record), apart: BTreeMap::new(), found: Vec::new() };
    let rows: Vec<_> =
        record.targets.iter().filter_map(|row| row.boundary.as_ref()).flat_map(|one| &one.page).collect();
    if rows.is_empty() {
        said.verdict = Verdict::NotTested("no page was asked".into());
    }
    for row in rows {
        match &row.verdict {
            Verdict::Pass => {}
            Verdict::Fail(reason) => {
                said.found.push(Found { class: row.name.clone(), severity: Severity::Medium, what: reason.clone() })
            }
            other => drop(said.apart.insert(row.name.clone(), other.clone())),
        }
    }
    said
}

/// What an oracle says of all entries that it was asked about, one run for each.
///
/// A class to which there was nothing to ask anywhere stays so; one that could not be asked somewhere was not tested.
pub fn together(parts: Vec<Said>) -> Option<Said> {
    let classes: BTreeSet<String> = parts.iter().flat_map(|said| said.apart.keys().cloned()).collect();
    let apart = |class: &String| {
        let mut verdicts: Vec<&Verdict> =
            parts.iter().map(|said| said.apart.get(class).unwrap_or(&said.verdict)).collect();
        verdicts.sort_by_key(|verdict| weight(verdict));
        let worst = (*verdicts.last()?).clone();
        // What all entries share needs no row of its own.
        (worst != Verdict::Pass).then(|| (class.clone(), worst))
    };
    let apart = classes.iter().filter_map(apart).collect();
    let verdict = parts.iter().map(|said| &said.verdict).max_by_key(|verdict| weight(verdict))?.clone();
    let oracle = parts.first()?.oracle.clone();
    Some(Said { oracle, verdict, apart, found: parts.into_iter().flat_map(|said| said.found).collect() })
}

/// How much of an answer stands in the way of a pass.
fn weight(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::NotApplicable(_) => 0,
        Verdict::Pass => 1,
        Verdict::Warn(_) => 2,
        _ => 3,
    }
}

/// Takes back what was said of classes that an entry would have to be asked about, and cannot be.
pub fn take_back(said: &mut Said, reads: &[(String, Vec<String>)]) {
    for (prefixes, reason) in stages::out_of_reach(&said.oracle, reads) {
        let all = controls::all().flat_map(|control| &control.answers).filter(|answer| answer.oracle == said.oracle);
        let is_mine = |class: &&String| prefixes.iter().any(|prefix| class.starts_with(prefix));
        for class in all.flat_map(|answer| &answer.classes).filter(is_mine) {
            said.apart.insert(class.clone(), Verdict::NotTested(reason.clone()));
        }
        if matches!(said.verdict, Verdict::NotApplicable(_)) {
            said.verdict = Verdict::NotTested(reason);
        }
    }
}

/// An oracle that was not asked, and why.
pub fn not_asked(oracle: &str, verdict: Verdict) -> Said {
    Said { oracle: oracle.to_owned(), verdict, apart: BTreeMap::new(), found: Vec::new() }
}

fn outcome(finding: &Finding) -> String {
    finding.outcome.clone()
}

fn found(finding: &Finding, class: fn(&Finding) -> String) -> Found {
    Found { class: class(finding), severity: finding.severity, what: finding.title.clone() }
}

fn of_targets(record: &Record, oracle: &str, class: fn(&Finding) -> String) -> Said {
    let confirmed = record.targets.iter().flat_map(TargetRecord::confirmed);
    Said {
        oracle: oracle.to_owned(),
        verdict: base(record),
        apart: BTreeMap::new(),
        found: confirmed.filter(|finding| finding.oracle == oracle).map(|finding| found(finding, class)).collect(),
    }
}

/// Whether the stage judged all that it was asked.
fn base(record: &Record) -> Verdict {
    let gap = record.not_tested.iter().find(|gap| gap.scope == Scope::Asked);
    let gap = gap.map(|gap| format!("{}: {}", gap.what, gap.reason));
    if record.targets.is_empty() {
        return Verdict::NotTested(gap.unwrap_or_else(|| "nothing was judged".into()));
    }
    if record.run.interrupted {
        return Verdict::NotTested("it was interrupted".into());
    }
    if let Some(reason) = record.targets.iter().find_map(|row| match &row.verdict {
        Verdict::NotTested(reason) => Some(reason.clone()),
        _ => None,
    }) {
        return Verdict::NotTested(reason);
    }
    let untried = record.findings().filter(|(_, one)| matches!(one.confirmed, Confirmation::NotTried(_))).count();
    match (gap, untried) {
        (Some(gap), _) => Verdict::NotTested(gap),
        (None, 0) => Verdict::Pass,
        (None, n) => Verdict::NotTested(format!("findings that were not replayed: {n}")),
    }
}

/// Whether a campaign has looked at enough: one row for each entry of a module.
fn doubt(rows: &[TargetRecord]) -> Option<String> {
    let found: u64 = rows.iter().map(|row| row.edges_found).sum();
    let total = rows.iter().map(|row| row.edges_total).max().unwrap_or(0);
    // Entries share code: the sum is more than what was reached, and little of that is little.
    let share = found as f64 / (total as f64).max(1.0);
    if total > 0 && share < EDGES_SHARE_MIN {
        let percent = share * 100.0;
        return Some(format!("at most {percent:.1} % of its edges were reached: give seeds or a dictionary"));
    }
    let unknown = |row: &&TargetRecord| row.saturation.p_new_edge.is_none();
    if let Some(row) = rows.iter().find(unknown) {
        let entry = row.entries.join(", ");
        return Some(format!(
            "{entry}: after {} executions nobody knows what is left to find: raise --budget",
            row.execs
        ));
    }
    let chance = |row: &TargetRecord| row.saturation.p_new_edge.unwrap_or(1.0);
    let worst = rows.iter().max_by(|a, b| chance(a).total_cmp(&chance(b)))?;
    let entry = worst.entries.join(", ");
    let much = chance(worst);
    (much > P_NEW_EDGE_MAX)
        .then(|| format!("{entry}: the next input finds a new edge with a chance of {much:.0e}: raise --budget"))
}

/// Planted flaws that an oracle was asked about, and whether it told each from its repair.
pub fn qualified(record: &Record) -> Vec<Qualified> {
    let mut rows = Vec::new();
    for check in &record.checks {
        let Some(canary) = &check.canary else { continue };
        let name = canary.target.split("::").next().unwrap_or_default();
        rows.extend(canary.expected.split_whitespace().map(|class| Qualified {
            oracle: check.name.clone(),
            canary: name.to_owned(),
            class: if check.name == "contract" { kin(class).to_owned() } else { class.to_uppercase() },
            verdict: check.verdict.clone(),
        }));
    }
    // A question about the page carries its control: where the control stayed silent, there is no verdict.
    for row in record.targets.iter().filter_map(|row| row.boundary.as_ref()).flat_map(|section| &section.page) {
        let verdict = match &row.verdict {
            Verdict::Pass | Verdict::Fail(_) | Verdict::Warn(_) => Verdict::Pass,
            other => other.clone(),
        };
        rows.push(Qualified { oracle: "page-checks".into(), canary: String::new(), class: row.name.clone(), verdict });
    }
    rows
}

/// How one oracle did with all of its canaries.
pub struct Trials {
    /// The oracle.
    pub oracle: String,
    /// Names of the canaries, each once.
    pub canaries: BTreeSet<String>,
    /// Names of the repaired twins, each once.
    pub twins: BTreeSet<String>,
    /// Whether it was asked about each.
    pub was_asked: bool,
    /// Whether each flaw was caught.
    pub caught: bool,
    /// Whether each twin passed.
    pub passed: bool,
}

/// One row for each oracle that was asked about planted flaws.
pub fn trials<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Vec<Trials> {
    let mut rows: BTreeMap<&str, Trials> = BTreeMap::new();
    for check in checks {
        let Some(canary) = &check.canary else { continue };
        let row = rows.entry(&check.name).or_insert_with(|| Trials {
            oracle: check.name.clone(),
            canaries: BTreeSet::new(),
            twins: BTreeSet::new(),
            was_asked: true,
            caught: true,
            passed: true,
        });
        let module = |target: &str| target.split("::").next().unwrap_or_default().to_owned();
        row.canaries.insert(module(&canary.target));
        row.twins.extend(check.twin.as_ref().map(|twin| module(&twin.target)));
        match &check.verdict {
            Verdict::Pass => {}
            Verdict::Fail(reason) if reason.contains(TWIN_RAISED) => row.passed = false,
            Verdict::Fail(_) => row.caught = false,
            _ => row.was_asked = false,
        }
    }
    rows.into_values().collect()
}

/// How the questions about the page did with their controls; none where no page was asked. A question whose control stayed
/// silent was not asked, and has no verdict.
pub fn page_trials(record: &Record) -> Option<Trials> {
    let sections = record.targets.iter().filter_map(|row| row.boundary.as_ref());
    let rows: Vec<_> = sections.flat_map(|section| &section.page).collect();
    let asked = rows.iter().filter(|row| matches!(row.verdict, Verdict::Pass | Verdict::Fail(_) | Verdict::Warn(_)));
    let asked = asked.count();
    (asked > 0).then(|| Trials {
        oracle: "page-checks".into(),
        canaries: BTreeSet::from([format!("{asked} pages that must fail")]),
        twins: BTreeSet::from([format!("{asked} pages that must not")]),
        was_asked: true,
        caught: true,
        passed: true,
    })
}

/// Kinds of input that the entries read, where it is known of each of them; else nothing.
pub fn reads(record: &Record) -> BTreeSet<String> {
    let sections: Vec<_> = record.targets.iter().filter_map(|row| row.contract.as_ref()).collect();
    let rows = || sections.iter().flat_map(|section| &section.reads);
    if rows().next().is_none() || rows().any(|row| row.kinds.is_empty()) {
        return BTreeSet::new();
    }
    rows().flat_map(|row| &row.kinds).flat_map(|kind| kind.split('/')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoclave_reports::record::{NotTested, Saturation, Trial};

    fn target() -> TargetRecord {
        TargetRecord {
            name: "module".into(),
            verdict: Verdict::Pass,
            execs: 1_000_000,
            edges_found: 50,
            edges_total: 100,
            saturation: Saturation { p_new_edge: Some(1e-6), ..Saturation::default() },
            ..TargetRecord::default()
        }
    }

    fn record(target: TargetRecord) -> Record {
        Record { targets: vec![target], ..Record::default() }
    }

    fn finding(oracle: &str, outcome: &str, confirmed: Confirmation) -> Finding {
        let (oracle, outcome) = (oracle.to_owned(), outcome.to_owned());
        Finding { oracle, outcome, confirmed, severity: Severity::High, ..Finding::default() }
    }

    #[test]
    fn a_campaign_that_saw_little_is_doubted() {
        let verdict = |target| crash(&record(target)).verdict;
        assert_eq!(verdict(target()), Verdict::Pass);
        assert!(matches!(verdict(TargetRecord { edges_found: 4, ..target() }), Verdict::Warn(_)));
        let unsaturated = Saturation { p_new_edge: Some(0.01), ..Saturation::default() };
        assert!(matches!(verdict(TargetRecord { saturation: unsaturated, ..target() }), Verdict::Warn(_)));
        assert!(matches!(verdict(TargetRecord { saturation: Saturation::default(), ..target() }), Verdict::Warn(_)));
    }

    #[test]
    fn what_was_not_judged_is_no_pass() {
        let nothing = Record::default();
        assert!(matches!(crash(&nothing).verdict, Verdict::NotTested(_)));
        let silent = TargetRecord { verdict: Verdict::NotTested("no entry".into()), ..target() };
        assert_eq!(contract(&record(silent)).verdict, Verdict::NotTested("no entry".into()));
        let asked = NotTested { what: "x".into(), reason: "y".into(), ..NotTested::default() };
        let outside = NotTested { scope: Scope::Outside, ..asked.clone() };
        let with = |gap| Record { not_tested: vec![gap], ..record(target()) };
        assert_eq!(contract(&with(asked)).verdict, Verdict::NotTested("x: y".into()));
        assert_eq!(contract(&with(outside)).verdict, Verdict::Pass);
        let untried = finding("crash", "STACK", Confirmation::NotTried("no time".into()));
        let row = TargetRecord { findings: vec![untried], ..target() };
        assert!(matches!(crash(&record(row)).verdict, Verdict::NotTested(_)));
        // Growth that nobody measured is not growth that is well.
        assert!(matches!(complexity(&record(target())).verdict, Verdict::NotTested(_)));
    }

    #[test]
    fn whatever_breaks_the_contract_stands_in_some_control() {
        use crate::contract::Clause;
        use crate::execution::Outcome;
        let ended = Outcome::ALL.iter().filter(|outcome| outcome.is_finding()).map(|outcome| Clause::Ended(*outcome));
        let mut open = Vec::new();
        for clause in Clause::OTHERS.into_iter().chain(ended) {
            let class = if clause.oracle() == "contract" { kin(clause.name()) } else { clause.name() };
            let asks = |answer: &&controls::Answer| {
                answer.oracle == clause.oracle() && answer.classes.iter().any(|one| one == class)
            };
            if !controls::all().flat_map(|control| &control.answers).any(|answer| asks(&answer)) {
                open.push(clause.name());
            }
        }
        assert!(open.is_empty(), "no control asks about {open:?}");
    }

    #[test]
    fn a_limit_that_nobody_declares_is_not_known_to_be_kept() {
        use autoclave_reports::contract::{Reads, Trial};
        use autoclave_reports::record::LimitRow;
        let term = |name: &str, value| LimitRow { name: name.into(), value, ..LimitRow::default() };
        let reads =
            |entry: &str, kind: &str| Reads { entry: entry.into(), kinds: vec![kind.into()], ..Reads::default() };
        let trial = |entry: &str, family: &str, verdict| Trial {
            entry: entry.into(),
            family: family.into(),
            part: if family.starts_with("sized-") { "size-limit" } else { "count-limit" }.into(),
            verdict,
            ..Trial::default()
        };
        let terms = |bytes, items| vec![term("refused_above_bytes", bytes), term("refused_above_items", items)];
        let apart = |section: Contract| {
            let said = contract(&record(TargetRecord { contract: Some(section), ..target() }));
            said.apart.into_iter().map(|(class, verdict)| format!("{class} {}", verdict.reason())).collect::<Vec<_>>()
        };
        let section = Contract {
            terms: terms(9, 0),
            reads: vec![reads("a", "gzip/hl7v2"), reads("b", "cbor")],
            ..Contract::default()
        };
        let trials = vec![trial("a", "sized-gzip", Verdict::Pass), trial("b", "sized-cbor", Verdict::Pass)];
        let rows = apart(Contract { trials: trials.clone(), ..section.clone() });
        assert!(rows.len() == 1 && rows[0].starts_with("TOO-MANY-NOT-REFUSED no limit is declared"), "{rows:?}");
        // Every entry has to be asked; a list is asked for where the format has one.
        let rows = apart(Contract { trials: trials[..1].to_vec(), terms: terms(9, 9), ..section.clone() });
        let starts = [
            "OVERSIZE-NOT-REFUSED b: there are no documents of cbor",
            "REFUSES-LATE b: there",
            "TOO-MANY-NOT-REFUSED a: there are no documents of hl7v2",
        ];
        assert!(rows.len() == 3 && rows.iter().zip(starts).all(|(row, start)| row.starts_with(start)), "{rows:?}");
        let trials = [trials, vec![trial("a", "hl7-repetitions", Verdict::NotTested("too slow".into()))]].concat();
        let rows = apart(Contract { trials: trials.clone(), terms: terms(9, 9), ..section.clone() });
        assert_eq!(rows, ["TOO-MANY-NOT-REFUSED a: too slow"]);
        let trials = [&trials[..2], &[trial("a", "hl7-repetitions", Verdict::Fail("accepted".into()))]].concat();
        assert!(apart(Contract { trials, terms: terms(9, 9), ..section }).is_empty());
    }

    #[test]
    fn questions_about_the_page_are_qualified_by_their_controls() {
        use autoclave_reports::boundary::{Boundary, PageRow};
        let row = |name: &str, verdict| PageRow { name: name.into(), verdict, ..PageRow::default() };
        let page = vec![row("a", Verdict::Pass), row("b", Verdict::NotTested("silent".into()))];
        let boundary = Some(Boundary { page, ..Boundary::default() });
        let record = record(TargetRecord { boundary, ..target() });
        let trials = page_trials(&record).unwrap();
        assert!(trials.caught && trials.canaries.iter().any(|names| names.starts_with("1 page")));
        let rows = qualified(&record);
        assert!(rows.iter().all(|row| row.oracle == "page-checks"));
        assert_eq!(rows.iter().map(|row| row.verdict == Verdict::Pass).collect::<Vec<_>>(), [true, false]);
        assert_eq!(page_checks(&record).apart.keys().collect::<Vec<_>>(), ["b"]);
        assert!(page_trials(&Record::default()).is_none());
    }

    #[test]
    fn one_answer_is_made_of_those_of_all_entries() {
        let said = |verdict: Verdict, apart: &[(&str, Verdict)]| Said {
            oracle: "conform".into(),
            verdict,
            apart: apart.iter().map(|(class, verdict)| ((*class).to_owned(), verdict.clone())).collect(),
            found: vec![Found { class: "J01".into(), severity: Severity::High, what: String::new() }],
        };
        let (none, gap) = (Verdict::NotApplicable("none".into()), Verdict::NotTested("died".into()));
        let json = said(Verdict::Pass, &[("X01", none.clone()), ("H16", none.clone())]);
        let xml = said(Verdict::Pass, &[("J01", none.clone()), ("H16", none.clone())]);
        let both = together(vec![json.clone(), xml]).unwrap();
        assert_eq!(both.verdict, Verdict::Pass);
        assert_eq!(both.apart, BTreeMap::from([("H16".to_owned(), none.clone())]), "each was asked somewhere");
        assert_eq!(both.found.len(), 2);
        let both = together(vec![json.clone(), said(gap.clone(), &[])]).unwrap();
        assert_eq!((both.verdict, both.apart["X01"].clone()), (gap.clone(), gap));
        assert!(together(Vec::new()).is_none());
        // What an entry reads in a form that nobody can ask it in is not tested, whoever else was asked.
        let mut alone = json;
        take_back(&mut alone, &[("a".into(), vec!["json".into()]), ("b".into(), vec!["gzip/json".into()])]);
        assert!(matches!(&alone.apart["J07"], Verdict::NotTested(reason) if reason.starts_with("b reads gzip/json")));
        assert_eq!(alone.apart["X01"], none);
        let mut nobody = not_asked("conform", none);
        take_back(&mut nobody, &[("b".into(), vec!["xml".into()])]);
        assert!(matches!(nobody.verdict, Verdict::NotTested(_)));
    }

    #[test]
    fn who_refuses_too_much_lets_nothing_in() {
        let said = |outcome| {
            let findings = vec![finding("conform", outcome, Confirmation::Reproduced)];
            conform(&record(TargetRecord { findings, ..target() })).found.remove(0).severity
        };
        assert_eq!(said("REFUSES-VALID"), Severity::Info);
        assert_eq!(said("ACCEPTS-INVALID"), Severity::High);
    }

    #[test]
    fn findings_go_to_their_oracles() {
        let findings = vec![
            finding("crash", "STACK", Confirmation::Reproduced),
            finding("contract", "ACCEPTS-BOMB", Confirmation::Reproduced),
            finding("crash", "FUEL", Confirmation::NotReproduced("fresh".into())),
        ];
        let record = record(TargetRecord { findings, ..target() });
        let classes = |said: Said| said.found.into_iter().map(|found| found.class).collect::<Vec<_>>();
        assert_eq!(classes(crash(&record)), ["STACK"]);
        assert_eq!(classes(contract(&record)), ["ACCEPTS-BOMB"]);
    }

    #[test]
    fn a_silent_canary_and_an_accused_twin_are_told_apart() {
        let check = |verdict| Check {
            name: "crash".into(),
            canary: Some(Trial {
                target: "canary-limits::stack".into(),
                expected: "STACK".into(),
                seen: String::new(),
            }),
            twin: Some(Trial { target: "canary-limits-fixed::stack".into(), ..Trial::default() }),
            verdict,
            ..Check::default()
        };
        let of = |verdict| {
            let row = trials(&[check(Verdict::Pass), check(verdict)]).remove(0);
            (row.was_asked, row.caught, row.passed)
        };
        assert_eq!(of(Verdict::Pass), (true, true, true));
        assert_eq!(of(Verdict::Fail("STACK not caught".into())), (true, false, true));
        assert_eq!(of(Verdict::Fail(format!("x: {TWIN_RAISED}"))), (true, true, false));
        assert_eq!(of(Verdict::NotTested("no node".into())), (false, true, true));
        let record = Record { checks: vec![check(Verdict::Fail("STACK not caught".into()))], ..Record::default() };
        let rows = qualified(&record);
        assert_eq!((rows[0].canary.as_str(), rows[0].class.as_str()), ("canary-limits", "STACK"));
        assert!(matches!(rows[0].verdict, Verdict::Fail(_)));
    }
}
