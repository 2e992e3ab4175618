//! The same entries in several modules: one source in several builds, side by side. What differs in a row was put there,
//! or taken away, by the compiler.

use crate::constant_time::ConstantTime;
use crate::leaks::Kind;
use crate::record::{TargetRecord, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Modules that share most of their entries.
#[derive(Debug, PartialEq)]
pub struct Builds<'a> {
    /// Names of the targets, in the record's order.
    pub targets: Vec<&'a str>,
    /// Entries that at least two of them have: those that differ first, otherwise in the first target's order.
    pub rows: Vec<Row<'a>>,
}

/// One entry in each of the modules.
#[derive(Debug, PartialEq)]
pub struct Row<'a> {
    /// The entry.
    pub entry: &'a str,
    /// What was seen of it in each target; absent where a target has no such entry.
    pub cells: Vec<Option<Cell<'a>>>,
}

/// What was seen of an entry in one module.
#[derive(Debug, PartialEq)]
pub struct Cell<'a> {
    /// Its answer.
    pub verdict: &'a Verdict,
    /// Classes of its leaks, without those that the manifest allows.
    pub classes: BTreeSet<&'a str>,
}

impl Cell<'_> {
    /// `constant`, `branch load`, `not tested`.
    pub fn words(&self) -> String {
        match self.verdict {
            Verdict::Fail(_) | Verdict::Warn(_) if self.classes.is_empty() => "leaks".into(),
            Verdict::Fail(_) | Verdict::Warn(_) => self.classes.iter().copied().collect::<Vec<_>>().join(" "),
            Verdict::Pass | Verdict::Attested(_) => "constant".into(),
            Verdict::NotTested(_) | Verdict::NotAttested => "not tested".into(),
            Verdict::NotApplicable(_) => "no secret".into(),
        }
    }
}

impl Row<'_> {
    /// Whether what was seen is not the same everywhere.
    pub fn differs(&self) -> bool {
        let mut seen = self.cells.iter().flatten().map(Cell::words);
        let first = seen.next();
        seen.any(|words| Some(words) != first)
    }
}

/// Groups of targets of which each shares at least half of its entries with the first of the group.
pub fn of(targets: &[TargetRecord]) -> Vec<Builds<'_>> {
    type Member<'a> = (&'a str, BTreeMap<&'a str, Cell<'a>>);
    let mut groups: Vec<Vec<Member<'_>>> = Vec::new();
    for target in targets {
        let Some(section) = &target.constant_time else { continue };
        let member: Member<'_> = (&target.name, cells(section));
        let shared = |group: &&mut Vec<Member<'_>>| {
            let known = &group[0].1;
            let common = member.1.keys().filter(|entry| known.contains_key(*entry)).count();
            common > 1 && 2 * common >= member.1.len()
        };
        match groups.iter_mut().find(shared) {
            Some(group) => group.push(member),
            None => groups.push(vec![member]),
        }
    }
    groups.into_iter().filter(|group| group.len() > 1).map(builds).collect()
}

fn builds<'a>(mut group: Vec<(&'a str, BTreeMap<&'a str, Cell<'a>>)>) -> Builds<'a> {
    let targets = group.iter().map(|(name, _)| *name).collect();
    let entries: BTreeSet<&str> = group.iter().flat_map(|(_, cells)| cells.keys().copied()).collect();
    let mut rows: Vec<Row<'_>> = entries
        .into_iter()
        .map(|entry| Row { entry, cells: group.iter_mut().map(|(_, cells)| cells.remove(entry)).collect() })
        .filter(|row| row.cells.iter().flatten().count() > 1)
        .collect();
    rows.sort_by_key(|row| !row.differs());
    Builds { targets, rows }
}

fn cells(section: &ConstantTime) -> BTreeMap<&str, Cell<'_>> {
    let mut classes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for leak in section.leaks.iter().filter(|leak| Kind::of(leak) != Kind::Allowed) {
        classes.entry(&leak.entry).or_default().insert(&leak.class);
    }
    let cell = |entry: &'_ str| classes.get(entry).cloned().unwrap_or_default();
    section
        .entries
        .iter()
        .map(|handled| (handled.entry.as_str(), Cell { verdict: &handled.verdict, classes: cell(&handled.entry) }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constant_time::{Handled, Leak};

    fn target(name: &str, entries: &[(&str, &[&str])]) -> TargetRecord {
        let mut section = ConstantTime::default();
        for (entry, classes) in entries {
            let verdict = if classes.is_empty() { Verdict::Pass } else { Verdict::Fail("leaks".into()) };
            let handled = Handled { entry: (*entry).into(), verdict: verdict.clone(), ..Handled::default() };
            section.entries.push(handled);
            let leak = |class: &&str| Leak {
                entry: (*entry).into(),
                class: (*class).into(),
                verdict: verdict.clone(),
                ..Leak::default()
            };
            section.leaks.extend(classes.iter().map(leak));
        }
        TargetRecord { name: name.into(), constant_time: Some(section), ..TargetRecord::default() }
    }

    #[test]
    fn one_source_in_several_builds_stands_side_by_side() {
        let targets = [
            target("c-o0", &[("eq", &["branch"]), ("pick", &[]), ("same", &[]), ("only", &[])]),
            target("other", &[("main", &["load"]), ("eq", &[]), ("x", &[]), ("y", &[])]),
            target("c-o2", &[("eq", &["load", "branch", "load"]), ("pick", &["load"]), ("same", &[])]),
            TargetRecord::default(),
        ];
        let groups = of(&targets);
        let told: Vec<(&str, Vec<String>, bool)> = groups[0]
            .rows
            .iter()
            .map(|row| (row.entry, row.cells.iter().flatten().map(Cell::words).collect(), row.differs()))
            .collect();
        let words = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        assert_eq!((groups.len(), &groups[0].targets), (1, &vec!["c-o0", "c-o2"]));
        assert_eq!(
            told,
            [
                ("eq", words(&["branch", "branch load"]), true),
                ("pick", words(&["constant", "load"]), true),
                ("same", words(&["constant", "constant"]), false),
            ]
        );
        assert_eq!(of(&targets[..2]), []);
    }
}
