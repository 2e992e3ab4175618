//! The verdict of each control, from what oracles said, whether they were qualified in the same run, and what somebody
//! answers for. Nothing is a pass that no qualified oracle has answered.

use super::evidence::{Attestation, Attestations};
use super::{Answer, Control, Kind, Level, Profile, all, find};
use crate::record::Scope;
use crate::{Severity, Verdict, escape};
use std::collections::{BTreeMap, BTreeSet};

/// Most findings that a reason names.
const NAMED_MAX: usize = 3;

/// What is certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What it is.
    pub profile: Profile,
    /// How much is asked.
    pub level: Level,
    /// Kinds of input that its entries read: `fhir-json`, `gzip`, …; empty: not known, so that every oracle has to say.
    pub reads: BTreeSet<String>,
}

/// What one oracle said of what is certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The oracle.
    pub oracle: String,
    /// Whether it was asked: PASS if so, whatever it found; WARN with what is to be looked at (a budget that was not
    /// reached); N/A and NOT-TESTED with the reason. Nothing else is a pass.
    pub verdict: Verdict,
    /// Classes that it could not be asked about like the others: N/A and NOT-TESTED with the reason, WARN.
    pub apart: BTreeMap<String, Verdict>,
    /// What it found and confirmed.
    pub found: Vec<Found>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Class, outcome or rule, by the name that the catalogue has: `STACK`, `D8`, `F21`.
    pub class: String,
    /// How bad; what is only worth knowing is a warning.
    pub severity: Severity,
    /// What, in a few words; untrusted.
    pub what: String,
}

/// Whether an oracle catches one planted flaw, in the same run, with the same limits and set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qualified {
    /// The oracle.
    pub oracle: String,
    /// The target with the flaw; empty where the check carries its own control.
    pub canary: String,
    /// The class of the flaw.
    pub class: String,
    /// PASS: caught, and the repaired twin passed. Anything else disqualifies.
    pub verdict: Verdict,
}

/// All that verdicts rest on.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'a> {
    /// What is certified.
    pub asked: &'a Asked,
    /// What oracles said; one that is not in here was not asked.
    pub said: &'a [Said],
    /// The self-test of the same run.
    pub qualified: &'a [Qualified],
    /// What somebody answers for.
    pub attested: &'a Attestations,
}

/// A control and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The control.
    pub control: &'static Control,
    /// The answer.
    pub verdict: Verdict,
    /// Whether the profile and level owe it.
    pub scope: Scope,
    /// Why evidence that was given does not count.
    pub refused: Option<String>,
}

/// Every control, in the catalogue's order, each exactly once.
pub fn judge_all(grounds: &Grounds<'_>) -> Vec<Judged> {
    all().map(|control| judge(control, grounds)).collect()
}

/// The answer for one control.
pub fn judge(control: &'static Control, grounds: &Grounds<'_>) -> Judged {
    let Grounds { asked, attested, .. } = grounds;
    if !control.profiles.contains(&asked.profile) {
        let names: Vec<&str> = control.profiles.iter().map(|profile| profile.name()).collect();
        let reason = format!("outside of the profile {}: it is asked of {}", asked.profile.name(), names.join(", "));
        return Judged { control, verdict: Verdict::NotApplicable(reason), scope: Scope::Outside, refused: None };
    }
    let scope = if control.level <= asked.level { Scope::Asked } else { Scope::Outside };
    let mut judged = Judged { control, verdict: by_program(control, grounds), scope, refused: None };
    if !control.takes_evidence() {
        return judged;
    }
    let valid = match attested.get(control.id.as_str()) {
        Some(Attestation::Valid(evidence)) => Some(evidence),
        Some(Attestation::Refused(reason)) => {
            judged.refused = Some(reason.clone());
            None
        }
        None => None,
    };
    judged.verdict = match (judged.verdict, valid, control.kind()) {
        // What a program has seen to be wrong, no document mends.
        (Verdict::Fail(reason), ..) => Verdict::Fail(reason),
        // A row that is mainly evidence is never a pass.
        (_, Some(evidence), Kind::Evidence) => Verdict::Attested(evidence.clone()),
        (_, None, Kind::Evidence) => Verdict::NotAttested,
        (Verdict::NotTested(_), Some(evidence), _) => Verdict::Attested(evidence.clone()),
        (verdict, ..) => verdict,
    };
    judged
}

fn by_program(control: &'static Control, grounds: &Grounds<'_>) -> Verdict {
    if !control.same_as.is_empty() {
        let parts = control.same_as.iter().map(|id| find(id).expect("a test reads the catalogue"));
        let judged: Vec<(&str, Verdict)> = parts.map(|part| (part.id.as_str(), judge(part, grounds).verdict)).collect();
        return together(&judged, "all of its parts");
    }
    let reads = &grounds.asked.reads;
    if !control.reads.is_empty() && !reads.is_empty() && !control.reads.iter().any(|kind| reads.contains(kind)) {
        return Verdict::NotApplicable(format!("no entry reads {}", control.reads.join(" or ")));
    }
    if control.answers.is_empty() {
        let partly = control.partly.as_deref().map_or(String::new(), |partly| format!(": {partly}"));
        return Verdict::NotTested(format!("no oracle{partly}"));
    }
    let one = |answer: &'static Answer| (answer.oracle.as_str(), of_oracle(control, answer, grounds));
    let answers: Vec<(&str, Verdict)> = control.answers.iter().map(one).collect();
    together(&answers, "all of its oracles")
}

/// What one oracle contributes.
fn of_oracle(control: &Control, answer: &Answer, grounds: &Grounds<'_>) -> Verdict {
    let Grounds { asked, said, qualified, .. } = grounds;
    let Some(said) = said.iter().find(|said| said.oracle == answer.oracle) else {
        return Verdict::NotTested(if control.level > asked.level {
            let (level, asked) = (control.level.name(), asked.level.name());
            format!("{} belongs to level {level}, and {asked} was asked for", answer.oracle)
        } else {
            format!("{} was not asked", answer.oracle)
        });
    };
    let apart: Vec<&Verdict> = match said.verdict {
        Verdict::Pass | Verdict::Warn(_) => answer.classes.iter().filter_map(|class| said.apart.get(class)).collect(),
        _ => Vec::new(),
    };
    // Classes that there is nothing to ask about leave the answer to the others.
    let is_none = |verdict: &&&Verdict| matches!(verdict, Verdict::NotApplicable(_));
    let all_apart = !apart.is_empty() && apart.len() == answer.classes.len();
    // What was not asked outweighs what is to be looked at.
    let gap = apart.iter().find(|verdict| matches!(verdict, Verdict::NotTested(_) | Verdict::NotAttested));
    let own = match gap.or_else(|| apart.iter().find(|verdict| !is_none(verdict))) {
        Some(verdict) => *verdict,
        None if all_apart => apart[0],
        None => &said.verdict,
    };
    let counts = |found: &&Found| answer.classes.is_empty() || answer.classes.contains(&found.class);
    let (bad, mild): (Vec<&Found>, Vec<&Found>) =
        said.found.iter().filter(counts).partition(|found| found.severity > Severity::Info);
    let mut warning = None;
    let mut gap = None;
    match own {
        Verdict::Pass => {}
        Verdict::Warn(reason) => warning = Some(reason.clone()),
        Verdict::NotApplicable(reason) if bad.is_empty() => return Verdict::NotApplicable(reason.clone()),
        Verdict::NotApplicable(_) => {}
        other => {
            let reason = if other.reason().is_empty() { other.name() } else { other.reason() };
            gap = Some(Verdict::NotTested(format!("{}: {reason}", answer.oracle)));
        }
    }
    if let (Some(gap), true) = (gap, bad.is_empty()) {
        return gap;
    }
    // What there is nothing to ask about needs no canary.
    let asked_about = |class: &&String| !said.apart.get(*class).is_some_and(|verdict| is_none(&&verdict));
    let classes: Vec<String> = answer.classes.iter().filter(asked_about).cloned().collect();
    if let Some(reason) = disqualified(&Answer { classes, ..answer.clone() }, qualified) {
        return Verdict::NotTested(reason);
    }
    match (bad.as_slice(), mild.as_slice(), warning) {
        ([], [], None) => Verdict::Pass,
        ([], [], Some(reason)) => Verdict::Warn(format!("{}: {reason}", answer.oracle)),
        ([], mild, _) => Verdict::Warn(named(&answer.oracle, mild)),
        (bad, ..) => Verdict::Fail(named(&answer.oracle, bad)),
    }
}

/// Why the oracle's word does not count: a class that it is needed for was not caught in this run.
fn disqualified(answer: &Answer, qualified: &[Qualified]) -> Option<String> {
    let Answer { oracle, canary, classes } = answer;
    let mine: Vec<&Qualified> =
        qualified.iter().filter(|row| row.oracle == *oracle && (canary.is_empty() || row.canary == *canary)).collect();
    let by = if canary.is_empty() { "its control".to_owned() } else { canary.clone() };
    if mine.is_empty() {
        return Some(match canary.is_empty() {
            true => format!("{oracle} is not qualified: it has not caught a planted flaw in this run"),
            false => format!("{oracle} is not qualified: {by} was not tried in this run"),
        });
    }
    let broken =
        |row: &&&Qualified| row.verdict != Verdict::Pass && (classes.is_empty() || classes.contains(&row.class));
    if let Some(row) = mine.iter().find(broken) {
        return Some(format!("{oracle} is not qualified: {} of {by} was not told from its repair", row.class));
    }
    let untried = classes.iter().find(|class| !mine.iter().any(|row| row.class == **class));
    untried.map(|class| format!("{oracle} is not qualified: {class} of {by} was not tried in this run"))
}

fn named(oracle: &str, found: &[&Found]) -> String {
    let shown = |found: &&&Found| format!("{} ({})", found.class, escape::column(&found.what, 120));
    let first: Vec<String> = found.iter().take(NAMED_MAX).map(|one| shown(&one)).collect();
    let more = match found.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("{oracle}: {}{more}", first.join(", "))
}

/// One answer out of several that are all needed: the worst that is known, then what is not known.
fn together(parts: &[(&str, Verdict)], what: &str) -> Verdict {
    let reasons = |wanted: fn(&Verdict) -> bool| {
        let mut reasons: Vec<String> = Vec::new();
        for (name, verdict) in parts.iter().filter(|(_, verdict)| wanted(verdict)) {
            let reason = match verdict.reason() {
                "" => format!("{name}: {}", verdict.name()),
                // An oracle's own reasons begin with its name.
                reason if reason.starts_with(name) => reason.to_owned(),
                reason => format!("{name}: {reason}"),
            };
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    };
    if let Some(reason) = reasons(|verdict| matches!(verdict, Verdict::Fail(_))) {
        return Verdict::Fail(reason);
    }
    if let Some(reason) = reasons(|verdict| matches!(verdict, Verdict::NotTested(_) | Verdict::NotAttested)) {
        return Verdict::NotTested(reason);
    }
    if let Some(reason) = reasons(|verdict| matches!(verdict, Verdict::Warn(_))) {
        return Verdict::Warn(reason);
    }
    if let Some(reason) = reasons(|verdict| matches!(verdict, Verdict::Attested(_))) {
        return Verdict::Attested(reason);
    }
    if parts.iter().any(|(_, verdict)| *verdict == Verdict::Pass) {
        return Verdict::Pass;
    }
    let reason = reasons(|_| true).unwrap_or_else(|| format!("there is none of {what}"));
    Verdict::NotApplicable(reason)
}
