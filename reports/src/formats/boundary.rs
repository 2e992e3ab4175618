//! `boundary.csv`: one row for each class, finding, operation, import and power of the host of every target that was driven
//! through its glue, for spreadsheets. No field is a formula.

use super::File;
use crate::asked;
use crate::boundary::{Boundary, CapabilityRow, Card, ClassRow, ImportRow, Known, OperationRow, class_of};
use crate::escape;
use crate::record::{Record, Verdict};

const HEAD: [&str; 21] = [
    "target",
    "row",
    "name",
    "oracle",
    "verdict",
    "reason",
    "findings",
    "operation",
    "returned",
    "threw",
    "trapped",
    "skipped",
    "category",
    "place",
    "policy",
    "profile",
    "json_reachable",
    "severity",
    "happens_again_in",
    "calls",
    "finding",
];

/// A row: what it has to say under which head; the rest stays empty.
type Row = Vec<(&'static str, String)>;

/// The file; none where no target was driven through its glue.
pub fn render(record: &Record) -> Vec<File> {
    let sections = || record.targets.iter().filter_map(|target| Some((target, target.boundary.as_ref()?)));
    if sections().next().is_none() {
        return Vec::new();
    }
    let mut text = format!("{}\r\n", HEAD.join(","));
    for (target, section) in sections() {
        for row in rows(section) {
            let field = |head: &&str| match *head {
                "target" => escape::csv(&target.name),
                head => escape::csv(row.iter().find(|(name, _)| *name == head).map_or("", |(_, value)| value)),
            };
            text.push_str(&HEAD.iter().map(field).collect::<Vec<_>>().join(","));
            text.push_str("\r\n");
        }
    }
    vec![File { path: "boundary.csv".into(), bytes: text.into_bytes() }]
}

fn rows(section: &Boundary) -> impl Iterator<Item = Row> + '_ {
    let classes = section.classes.iter().map(of_class);
    let cards = section.cards.iter().map(|card| of_card(section, card));
    let operations = section.operations.iter().map(of_operation);
    let imports = section.imports.iter().map(of_import);
    classes.chain(cards).chain(operations).chain(imports).chain(section.capabilities.iter().map(of_power))
}

fn of_class(row: &ClassRow) -> Row {
    vec![
        ("row", "class".into()),
        ("name", row.class.clone()),
        ("oracle", class_of(&row.class).map_or("", |class| class.oracle).into()),
        ("verdict", row.verdict.name().into()),
        ("reason", row.verdict.reason().into()),
        ("findings", row.findings.to_string()),
    ]
}

fn of_card(section: &Boundary, card: &Card) -> Row {
    let again = card.hosts.iter().filter(|replay| matches!(replay.verdict, Verdict::Fail(_)));
    vec![
        ("row", "finding".into()),
        ("name", card.class.clone()),
        ("oracle", class_of(&card.class).map_or("", |class| class.oracle).into()),
        ("reason", card.what.clone()),
        ("operation", asked::signature(section, &card.operation).into()),
        ("place", card.repro.clone()),
        ("profile", card.profile.name().into()),
        ("json_reachable", asked::yes(card.json_reachable).into()),
        ("severity", card.severity.name().into()),
        ("happens_again_in", again.map(|replay| replay.host.as_str()).collect::<Vec<_>>().join("; ")),
        ("calls", card.tape_json.clone()),
        ("finding", card.finding.clone()),
    ]
}

fn of_operation(row: &OperationRow) -> Row {
    vec![
        ("row", "operation".into()),
        ("name", row.name.clone()),
        ("verdict", if row.never_succeeded.is_some() { "NOT-TESTED" } else { "" }.into()),
        ("reason", row.never_succeeded.clone().unwrap_or_default()),
        ("operation", row.signature.clone()),
        ("returned", row.returned.to_string()),
        ("threw", row.threw.to_string()),
        ("trapped", row.trapped.to_string()),
        ("skipped", row.skipped.to_string()),
    ]
}

fn of_import(row: &ImportRow) -> Row {
    vec![
        ("row", "import".into()),
        ("name", format!("{}.{}", row.module, row.name)),
        ("category", row.category.clone()),
        ("policy", row.policy.name().into()),
    ]
}

fn of_power(row: &CapabilityRow) -> Row {
    let known = match row.known {
        Known::InText => "in the text",
        Known::InUse => "in use",
        Known::InTextAndUse => "in the text and in use",
    };
    let line = row.line.map(|line| format!(":{line}")).unwrap_or_default();
    vec![
        ("row", "power".into()),
        ("name", row.source.trim().into()),
        ("reason", known.into()),
        ("category", row.category.clone()),
        ("place", format!("{}{line}", row.file)),
        ("policy", row.policy.name().into()),
        ("finding", row.finding.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_head() {
        let section = Boundary::default();
        for row in [
            of_class(&ClassRow::default()),
            of_card(&section, &Card::default()),
            of_operation(&OperationRow::default()),
            of_import(&ImportRow::default()),
            of_power(&CapabilityRow::default()),
        ] {
            assert!(row.iter().all(|(name, _)| HEAD.contains(name)), "{row:?}");
        }
    }
}
