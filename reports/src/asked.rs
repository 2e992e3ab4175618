//! What the rows on a boundary to JavaScript add up to, for every renderer. Sorted and counted as the record says;
//! nothing is judged here.

use crate::boundary::{Boundary, CLASSES, Card, Class, ClassRow, HostRow, OperationRow, class_of};
use crate::record::Verdict;

/// What a class's row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There are findings of it.
    Found,
    /// It was asked, and there are none.
    Clean,
    /// It was not asked, and should have been.
    NotAsked,
    /// It does not apply.
    NotApplicable,
}

impl State {
    /// Of a verdict.
    pub fn of(verdict: &Verdict) -> State {
        match verdict {
            Verdict::Fail(_) | Verdict::Warn(_) => State::Found,
            Verdict::Pass | Verdict::Attested(_) => State::Clean,
            Verdict::NotTested(_) | Verdict::NotAttested => State::NotAsked,
            Verdict::NotApplicable(_) => State::NotApplicable,
        }
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            State::Found => "found",
            State::Clean => "clean",
            State::NotAsked => "not asked",
            State::NotApplicable => "does not apply",
        }
    }
}

/// One field of the overview.
pub struct Field<'a> {
    /// Its name as the record has it.
    pub name: &'a str,
    /// Its row in the table; none for a class that this program does not know.
    pub class: Option<&'static Class>,
    /// What was seen.
    pub state: State,
    /// How many findings.
    pub findings: u64,
    /// Why it was not asked; else what the verdict says.
    pub reason: &'a str,
}

/// Every class of the record, and those of the table that the record says nothing about: they were not asked.
pub fn fields(section: &Boundary) -> Vec<Field<'_>> {
    let of_row = |row: &'_ ClassRow| (row.findings, State::of(&row.verdict));
    let mut fields: Vec<Field<'_>> = section
        .classes
        .iter()
        .map(|row| {
            let (findings, state) = of_row(row);
            Field { name: &row.class, class: class_of(&row.class), state, findings, reason: row.verdict.reason() }
        })
        .collect();
    let absent = CLASSES.iter().filter(|class| !section.classes.iter().any(|row| row.class == class.name));
    fields.extend(absent.map(|class| Field {
        name: class.name,
        class: Some(class),
        state: State::NotAsked,
        findings: 0,
        reason: "the run says nothing about it",
    }));
    fields
}

/// How many classes came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Classes {
    /// With findings.
    pub found: usize,
    /// Asked, none found.
    pub clean: usize,
    /// Not asked.
    pub not_asked: usize,
    /// Not applicable.
    pub not_applicable: usize,
}

impl Classes {
    /// Of a section.
    pub fn of(section: &Boundary) -> Self {
        let mut classes = Classes::default();
        for field in fields(section) {
            match field.state {
                State::Found => classes.found += 1,
                State::Clean => classes.clean += 1,
                State::NotAsked => classes.not_asked += 1,
                State::NotApplicable => classes.not_applicable += 1,
            }
        }
        classes
    }

    /// `21 classes: 7 found, 12 clean, 2 not asked`; those that do not apply are not among them.
    pub fn words(&self) -> String {
        let Classes { found, clean, not_asked, .. } = self;
        let all = found + clean + not_asked;
        format!("{all} classes: {found} found, {clean} clean, {not_asked} not asked")
    }
}

/// A sum over all hosts.
pub fn sum(section: &Boundary, of: fn(&HostRow) -> u64) -> u64 {
    section.hosts.iter().fold(0, |sum, host| sum.saturating_add(of(host)))
}

/// Operations in the order of reading: those that never returned, then the others, each as they stand.
pub fn operations(section: &Boundary) -> Vec<&OperationRow> {
    let mut rows: Vec<&OperationRow> = section.operations.iter().collect();
    rows.sort_by_key(|row| row.never_succeeded.is_none());
    rows
}

/// The declaration of an operation; its name where there is none.
pub fn signature<'a>(section: &'a Boundary, operation: &'a str) -> &'a str {
    let row = section.operations.iter().find(|row| row.name == operation && !row.signature.is_empty());
    row.map_or(operation, |row| &row.signature)
}

/// The cards of a class, as they stand.
pub fn of_class<'a>(section: &'a Boundary, class: &'a str) -> impl Iterator<Item = &'a Card> {
    section.cards.iter().filter(move |card| card.class == class)
}

/// `yes` or `no`.
pub fn yes(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_record_leaves_out_was_not_asked() {
        let row = |class: &str, verdict| ClassRow { class: class.into(), verdict, findings: 1 };
        let section = Boundary {
            classes: vec![
                row("stale", Verdict::Fail("1 finding".into())),
                row("of the future", Verdict::Warn("seen".into())),
                row("trap", Verdict::Pass),
                row("late", Verdict::NotApplicable("raw exports have no finalizers".into())),
                row("host", Verdict::NotTested("one host only".into())),
            ],
            ..Boundary::default()
        };
        let counted = Classes::of(&section);
        assert_eq!(counted, Classes { found: 2, clean: 1, not_asked: CLASSES.len() - 3, not_applicable: 1 });
        assert_eq!(counted.words(), "21 classes: 2 found, 1 clean, 18 not asked");
        let last = fields(&section).pop().map(|field| (field.name, field.state, field.reason));
        assert_eq!(last, Some(("counters", State::NotAsked, "the run says nothing about it")));
    }
}
