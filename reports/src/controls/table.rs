//! Which controls are answered, and by what: counts for each family, and the map to safeguards. No verdicts.

use super::{Control, Kind, families, safeguards};
use crate::escape;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What answers a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// Oracles of this project.
    ByOracle,
    /// Other controls together.
    ByOthers,
    /// Evidence, by its nature.
    ByEvidence,
    /// Nothing yet: NOT-TESTED (no oracle).
    ByNothing,
}

/// What answers a control.
pub fn answered(control: &Control) -> Answered {
    match control {
        control if !control.answers.is_empty() => Answered::ByOracle,
        control if !control.same_as.is_empty() => Answered::ByOthers,
        control if control.kind() == Kind::Evidence => Answered::ByEvidence,
        _ => Answered::ByNothing,
    }
}

/// The catalogue in numbers and rows, for JSON.
#[derive(Debug, Serialize)]
pub struct Coverage {
    /// Controls in all.
    pub controls: usize,
    /// Those that oracles answer.
    pub by_oracle: usize,
    /// Those that other controls answer together.
    pub by_others: usize,
    /// Those that are evidence by their nature.
    pub by_evidence: usize,
    /// Those that nothing answers yet.
    pub no_oracle: usize,
    /// By family.
    pub families: Vec<FamilyRow>,
    /// Every control.
    pub rows: Vec<Row>,
    /// Safeguards, each with the controls that are evidence for it.
    pub hipaa: Vec<SafeguardRow>,
}

/// A family in numbers.
#[derive(Debug, Serialize)]
pub struct FamilyRow {
    /// Its id.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Its controls.
    pub controls: usize,
    /// By the main way to verify them.
    pub kinds: BTreeMap<&'static str, usize>,
    /// By oracle; a control may need several.
    pub oracles: BTreeMap<&'static str, usize>,
    /// Controls that oracles answer.
    pub by_oracle: usize,
    /// Controls that others answer together.
    pub by_others: usize,
    /// Evidence by their nature.
    pub by_evidence: usize,
    /// Nothing answers them yet.
    pub no_oracle: usize,
}

/// A control.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its id.
    pub id: &'static str,
    /// What must be so.
    pub text: &'static str,
    /// How it is verified.
    pub kinds: Vec<&'static str>,
    /// What it is asked of.
    pub profiles: Vec<&'static str>,
    /// From which level on.
    pub level: &'static str,
    /// What answers it.
    pub answered: Answered,
    /// The oracles.
    pub oracles: Vec<&'static str>,
    /// Their canaries.
    pub canaries: Vec<&'static str>,
    /// Controls whose answers together are its own.
    pub same_as: &'static [String],
    /// Safeguards that it is evidence for.
    pub hipaa: Vec<&'static str>,
}

/// A safeguard.
#[derive(Debug, Serialize)]
pub struct SafeguardRow {
    /// Its paragraph.
    pub citation: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Required, addressable, …
    pub kind: &'static str,
    /// Controls that are evidence for it.
    pub controls: Vec<&'static str>,
}

/// The whole catalogue.
pub fn coverage() -> Coverage {
    let count = |controls: &[Control], wanted| controls.iter().filter(|control| answered(control) == wanted).count();
    let mut rows = Vec::new();
    let mut table = Vec::new();
    for family in families() {
        let controls = &family.controls;
        let (mut kinds, mut oracles) = (BTreeMap::new(), BTreeMap::new());
        for control in controls {
            *kinds.entry(control.kind().name()).or_default() += 1;
            control.oracles().into_iter().for_each(|oracle| *oracles.entry(oracle).or_default() += 1);
            rows.push(row(control));
        }
        table.push(FamilyRow {
            id: &family.id,
            title: &family.title,
            controls: controls.len(),
            kinds,
            oracles,
            by_oracle: count(controls, Answered::ByOracle),
            by_others: count(controls, Answered::ByOthers),
            by_evidence: count(controls, Answered::ByEvidence),
            no_oracle: count(controls, Answered::ByNothing),
        });
    }
    let sum = |of: fn(&FamilyRow) -> usize| table.iter().map(of).sum();
    let safeguard = |safeguard: &'static super::Safeguard| SafeguardRow {
        citation: &safeguard.citation,
        title: &safeguard.title,
        kind: safeguard.kind.name(),
        controls: safeguard.controls().map(|control| control.id.as_str()).collect(),
    };
    Coverage {
        controls: sum(|row| row.controls),
        by_oracle: sum(|row| row.by_oracle),
        by_others: sum(|row| row.by_others),
        by_evidence: sum(|row| row.by_evidence),
        no_oracle: sum(|row| row.no_oracle),
        families: table,
        rows,
        hipaa: safeguards().iter().map(safeguard).collect(),
    }
}

fn row(control: &'static Control) -> Row {
    let mut canaries: Vec<&str> = Vec::new();
    for answer in &control.answers {
        if !answer.canary.is_empty() && !canaries.contains(&answer.canary.as_str()) {
            canaries.push(&answer.canary);
        }
    }
    Row {
        id: &control.id,
        text: &control.text,
        kinds: control.kinds.iter().map(|kind| kind.name()).collect(),
        profiles: control.profiles.iter().map(|profile| profile.name()).collect(),
        level: control.level.name(),
        answered: answered(control),
        oracles: control.oracles(),
        canaries,
        same_as: &control.same_as,
        hipaa: control.safeguards().map(|safeguard| safeguard.citation.as_str()).collect(),
    }
}

/// As JSON, ends with a line break.
pub fn json(coverage: &Coverage) -> String {
    let text = serde_json::to_string_pretty(coverage).expect("strings and numbers");
    escape::json(&text) + "\n"
}

/// As Markdown: families, then the controls that are answered, then those that are not, then the map to safeguards.
pub fn markdown(coverage: &Coverage) -> String {
    let mut text = String::from("# Controls\n\n");
    let Coverage { controls, by_oracle, by_others, by_evidence, no_oracle, .. } = coverage;
    let sentence = format!(
        "{controls} controls: {by_oracle} answered by oracles, {by_others} by other controls together, {by_evidence} by \
         evidence only, {no_oracle} by nothing yet (NOT-TESTED: no oracle).\n\n"
    );
    text += &sentence;
    let kinds = Kind::ALL.map(Kind::name);
    let dashes = "---:|".repeat(kinds.len());
    line(
        &mut text,
        format_args!(
            "| family | controls | {} | answered by | others together | evidence | no oracle |",
            kinds.join(" | ")
        ),
    );
    line(&mut text, format_args!("|---|---:|{dashes}---|---:|---:|---:|"));
    for family in &coverage.families {
        let by_kind = kinds.map(|kind| family.kinds.get(kind).map_or("–".to_owned(), usize::to_string)).join(" | ");
        let oracles = family.oracles.iter().map(|(oracle, n)| format!("{oracle} {n}")).collect::<Vec<_>>();
        let oracles = if oracles.is_empty() { "–".to_owned() } else { oracles.join(", ") };
        let FamilyRow { id, title, controls, by_others, by_evidence, no_oracle, .. } = family;
        line(
            &mut text,
            format_args!(
                "| {id} {title} | {controls} | {by_kind} | {oracles} | {by_others} | {by_evidence} | {no_oracle} |"
            ),
        );
    }
    text += "\n## Answered by oracles\n\n| control | level | what | oracle | canary |\n|---|---|---|---|---|\n";
    for row in coverage.rows.iter().filter(|row| row.answered == Answered::ByOracle) {
        let canaries = if row.canaries.is_empty() { "none".to_owned() } else { row.canaries.join(", ") };
        line(
            &mut text,
            format_args!(
                "| {} | {} | {} | {} | {canaries} |",
                row.id,
                row.level,
                cell(row.text),
                row.oracles.join(", ")
            ),
        );
    }
    for (title, wanted) in [
        ("Answered by other controls together", Answered::ByOthers),
        ("Answered by evidence only", Answered::ByEvidence),
        ("NOT-TESTED: no oracle", Answered::ByNothing),
    ] {
        let _ = write!(text, "\n## {title}\n\n| control | level | asked of | what |\n|---|---|---|---|\n");
        for row in coverage.rows.iter().filter(|row| row.answered == wanted) {
            line(
                &mut text,
                format_args!("| {} | {} | {} | {} |", row.id, row.level, row.profiles.join(", "), cell(row.text)),
            );
        }
    }
    text += "\n## HIPAA safeguards\n\nControls that are evidence for a safeguard. What is not in this table, no control is evidence for.\n\n| safeguard | title | | controls |\n|---|---|---|---|\n";
    for row in &coverage.hipaa {
        line(
            &mut text,
            format_args!("| {} | {} | {} | {} |", row.citation, cell(row.title), row.kind, row.controls.join(", ")),
        );
    }
    text
}

fn line(text: &mut String, row: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{row}");
}

/// Text of ours in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*").replace('_', "\\_")
}
