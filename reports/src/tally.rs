//! What the rows of a contract add up to, for every renderer: counts, families with their worst trial, what was not run
//! by reason. Sorted and counted as the record says; nothing is judged here.

use crate::contract::{Contract, Growth, Trial};
use crate::record::Verdict;
use crate::words::plural;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// How many trials ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Run, and inside the contract.
    pub kept: u64,
    /// Run, and outside of it.
    pub broken: u64,
    /// Should have been run and was not.
    pub not_tested: u64,
    /// Has no meaning for the entry.
    pub not_applicable: u64,
}

impl Tally {
    /// Counts of these trials.
    pub fn of<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Self {
        let mut tally = Tally::default();
        for trial in trials {
            match trial.verdict {
                Verdict::Pass | Verdict::Warn(_) | Verdict::Attested(_) => tally.kept += 1,
                Verdict::Fail(_) => tally.broken += 1,
                Verdict::NotTested(_) | Verdict::NotAttested => tally.not_tested += 1,
                Verdict::NotApplicable(_) => tally.not_applicable += 1,
            }
        }
        tally
    }

    /// Trials that were run.
    pub fn run(&self) -> u64 {
        self.kept + self.broken
    }

    /// `61 trials: 55 kept, 6 broken, 3 not tested, 50 not applicable`.
    pub fn words(&self) -> String {
        let Tally { kept, broken, not_tested, not_applicable } = self;
        let run = plural(self.run(), "trial");
        format!("{run}: {kept} kept, {broken} broken, {not_tested} not tested, {not_applicable} not applicable")
    }
}

/// The trials of one family at one entry that were run.
#[derive(Debug)]
pub struct Family<'a> {
    /// The export.
    pub entry: &'a str,
    /// Name of the family.
    pub name: &'a str,
    /// `worst` or `typical`.
    pub part: &'a str,
    /// Its trials, as recorded.
    pub trials: Vec<&'a Trial>,
    /// The one that shows it at its worst.
    pub worst: &'a Trial,
}

/// Families that were run: entries as they stand in the record, in each what was broken first, then by [`load`].
pub fn families(contract: &Contract) -> Vec<Family<'_>> {
    let mut groups: BTreeMap<(usize, &str, &str), Vec<&Trial>> = BTreeMap::new();
    let entries = entries(contract);
    let place: BTreeMap<&str, usize> = entries.iter().enumerate().map(|(at, entry)| (*entry, at)).collect();
    for trial in contract.trials.iter().filter(|trial| was_run(&trial.verdict)) {
        groups.entry((place[trial.entry.as_str()], &trial.family, &trial.part)).or_default().push(trial);
    }
    let mut families: Vec<(usize, Family<'_>)> = groups
        .into_iter()
        .map(|((at, name, part), trials)| {
            let worst = trials.iter().copied().min_by(|a, b| worse_first(a, b)).expect("a group has members");
            (at, Family { entry: entries[at], name, part, trials, worst })
        })
        .collect();
    families.sort_by(|(a_at, a), (b_at, b)| a_at.cmp(b_at).then_with(|| worse_first(a.worst, b.worst)));
    families.into_iter().map(|(_, family)| family).collect()
}

/// Entries of a contract, as its rows name them first.
pub fn entries(contract: &Contract) -> Vec<&str> {
    let read = contract.reads.iter().map(|reads| reads.entry.as_str());
    let tried = contract.trials.iter().map(|trial| trial.entry.as_str());
    let grown = contract.growth.iter().map(|growth| growth.entry.as_str());
    let mut known = std::collections::BTreeSet::new();
    read.chain(tried).chain(grown).filter(|entry| known.insert(*entry)).collect()
}

/// Families that were not run, those with one verdict and reason together.
#[derive(Debug, PartialEq)]
pub struct LeftOut<'a> {
    /// The export.
    pub entry: &'a str,
    /// `NOT-TESTED` or `N/A`, with the reason.
    pub verdict: &'a Verdict,
    /// Names, each with the number of inputs that were not run.
    pub families: Vec<(&'a str, u64)>,
}

/// What was not run, by entry and reason: what should have been first.
pub fn left_out(contract: &Contract) -> Vec<LeftOut<'_>> {
    let mut groups: BTreeMap<(bool, &str, &str), LeftOut<'_>> = BTreeMap::new();
    for trial in contract.trials.iter().filter(|trial| !was_run(&trial.verdict)) {
        let applies = !matches!(trial.verdict, Verdict::NotApplicable(_));
        let key = (!applies, trial.entry.as_str(), trial.verdict.reason());
        let empty = || LeftOut { entry: &trial.entry, verdict: &trial.verdict, families: Vec::new() };
        let families = &mut groups.entry(key).or_insert_with(empty).families;
        // Rows of one family stand together.
        match families.last_mut().filter(|(name, _)| *name == trial.family) {
            Some((_, inputs)) => *inputs += 1,
            None => families.push((&trial.family, 1)),
        }
    }
    groups.into_values().collect()
}

/// The family that was broken worst; `None` where all was kept.
pub fn worst(contract: &Contract) -> Option<&Trial> {
    let broken = contract.trials.iter().filter(|trial| matches!(trial.verdict, Verdict::Fail(_)));
    broken.min_by(|a, b| worse_first(a, b))
}

/// The shape with the largest exponent.
pub fn steepest(contract: &Contract) -> Option<&Growth> {
    contract.growth.iter().filter(|growth| growth.exponent.is_some()).min_by(|a, b| steeper_first(a, b))
}

/// Whether a verdict is that of something that was run.
pub fn was_run(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Pass | Verdict::Warn(_) | Verdict::Fail(_) | Verdict::Attested(_))
}

/// How much of what is allowed a trial used: the larger part of fuel and memory; 1 is all of it.
pub fn load(trial: &Trial) -> f64 {
    let part = |used: u64, allowed: u64| if allowed == 0 { 0.0 } else { used as f64 / allowed as f64 };
    part(trial.fuel, trial.fuel_allowed).max(part(trial.memory_bytes, trial.memory_bytes_allowed))
}

/// The order of reading trials.
pub fn worse_first(a: &Trial, b: &Trial) -> Ordering {
    let by_verdict = rank(&a.verdict).cmp(&rank(&b.verdict));
    by_verdict.then_with(|| load(b).total_cmp(&load(a))).then_with(|| b.bytes.cmp(&a.bytes))
}

/// The order of reading shapes.
pub fn steeper_first(a: &Growth, b: &Growth) -> Ordering {
    let exponent = |growth: &Growth| growth.exponent.unwrap_or(f64::NEG_INFINITY);
    rank(&a.verdict).cmp(&rank(&b.verdict)).then_with(|| exponent(b).total_cmp(&exponent(a)))
}

fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Fail(_) => 0,
        Verdict::Warn(_) => 1,
        Verdict::Pass | Verdict::Attested(_) => 2,
        Verdict::NotTested(_) | Verdict::NotAttested => 3,
        Verdict::NotApplicable(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(entry: &str, family: &str, verdict: Verdict, memory_bytes: u64) -> Trial {
        Trial {
            entry: entry.into(),
            family: family.into(),
            params: format!("size={memory_bytes}"),
            verdict,
            memory_bytes,
            memory_bytes_allowed: 100,
            ..Trial::default()
        }
    }

    #[test]
    fn the_worst_stand_first_and_nothing_is_lost() {
        let fail = || Verdict::Fail("more than allowed".into());
        let other_kind = || Verdict::NotApplicable("reads json, not gzip".into());
        let contract = Contract {
            trials: vec![
                trial("b", "light", Verdict::Pass, 10),
                trial("b", "heavy", Verdict::Pass, 90),
                trial("b", "heavy", Verdict::Warn("close".into()), 95),
                trial("a", "bomb", fail(), 300),
                trial("a", "bomb", fail(), 900),
                trial("a", "bomb", Verdict::NotTested("ran out of time".into()), 0),
                trial("a", "bomb", Verdict::NotTested("ran out of time".into()), 0),
                trial("b", "gzip", other_kind(), 0),
                trial("b", "zip", other_kind(), 0),
            ],
            ..Contract::default()
        };
        let tally = Tally::of(&contract.trials);
        assert_eq!(tally, Tally { kept: 3, broken: 2, not_tested: 2, not_applicable: 2 });
        assert_eq!(tally.words(), "5 trials: 3 kept, 2 broken, 2 not tested, 2 not applicable");

        let shown: Vec<(&str, &str, usize, u64)> =
            families(&contract).iter().map(|f| (f.entry, f.name, f.trials.len(), f.worst.memory_bytes)).collect();
        assert_eq!(shown, [("b", "heavy", 2, 95), ("b", "light", 1, 10), ("a", "bomb", 2, 900)]);
        assert_eq!(worst(&contract).map(|trial| trial.memory_bytes), Some(900));

        let left: Vec<(&str, &str, Vec<(&str, u64)>)> =
            left_out(&contract).into_iter().map(|l| (l.entry, l.verdict.reason(), l.families)).collect();
        assert_eq!(
            left,
            [("a", "ran out of time", vec![("bomb", 2)]), ("b", "reads json, not gzip", vec![("gzip", 1), ("zip", 1)])]
        );
    }
}
