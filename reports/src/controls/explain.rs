//! One control in full, as text: what is demanded, what decides, who answers, what it is evidence for and what to do.

use super::{Answer, Control, Kind, ORACLES};
use crate::rules;

/// Longest line, characters.
const WIDTH: usize = 110;
/// Where texts begin.
const INDENT: usize = 16;

/// Everything that the catalogue says of a control; ends with a line break.
pub fn explain(control: &Control) -> String {
    let mut page = Page(format!("{}  {}\n", control.id, wrapped(&control.text, control.id.len() + 2)));
    let names = |kinds: &[Kind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    let profiles: Vec<&str> = control.profiles.iter().map(|profile| profile.name()).collect();
    page.row("demanded by", &format!("{}. {}", control.source.document.title(), control.source.control));
    page.row("verified", &names(&control.kinds));
    page.row("asked of", &format!("{}, from level {} on", profiles.join(", "), control.level.name()));
    page.row("verdict", &control.rule);
    page.row("known bad", &control.known_bad);
    page.row("references", &control.references.join(" · "));
    for safeguard in control.safeguards() {
        let kind = safeguard.kind.name();
        page.row("evidence for", &format!("{} {} ({kind})", safeguard.citation, safeguard.title));
    }
    for answer in &control.answers {
        page.row("answered by", &answered(answer));
    }
    if !control.same_as.is_empty() {
        page.row("answered by", &format!("{} together", control.same_as.join(", ")));
    }
    if control.answers.is_empty() && control.same_as.is_empty() {
        page.row(
            "answered by",
            if control.kind() == Kind::Evidence { "evidence only" } else { "no oracle: NOT-TESTED" },
        );
    }
    if let Some(note) = control.note.as_ref().or(control.partly.as_ref()) {
        page.row("note", note);
    }
    for remedy in remedies(control) {
        page.row("what to do", &remedy);
    }
    page.0
}

fn answered(answer: &Answer) -> String {
    let mut text = format!("the oracle {}", answer.oracle);
    if !answer.classes.is_empty() {
        text += &format!(" ({})", answer.classes.join(", "));
    }
    text += &match answer.canary.as_str() {
        "" => "; no canary in the self-test".to_owned(),
        canary => format!("; canary {canary}"),
    };
    match ORACLES.iter().find(|oracle| oracle.name == answer.oracle) {
        Some(oracle) => format!("{text}; asked by `cargo xtask {}`", oracle.command),
        None => text,
    }
}

/// What repairs it, or what makes it answerable.
fn remedies(control: &Control) -> Vec<String> {
    let mut remedies: Vec<String> = Vec::new();
    for answer in &control.answers {
        for class in &answer.classes {
            let rule = rules::rule(&answer.oracle, class);
            // A row of the table that is about something else as well says too little.
            if rule.outcome != "*" {
                remedies.push(format!("{class}: {}", rule.advice));
            }
        }
        if answer.classes.is_empty() {
            remedies.push(format!("`cargo xtask explain {}` says what its findings mean", answer.oracle));
        }
    }
    if control.answers.is_empty() && control.same_as.is_empty() && control.kind() != Kind::Evidence {
        remedies.push("Test it by hand by the rule above; no verdict of this tool covers it.".to_owned());
    }
    if control.takes_evidence() {
        let age = control.evidence_days_max.map_or(String::new(), |days| format!(", at most {days} days old"));
        let keys = "owner, date, file, sha256 and expires";
        remedies.push(format!("Give evidence{age}: a table [{}] in evidence.toml with {keys}.", control.id));
    }
    let mut seen: Vec<String> = Vec::new();
    for remedy in remedies {
        if !seen.contains(&remedy) {
            seen.push(remedy);
        }
    }
    seen
}

struct Page(String);

impl Page {
    fn row(&mut self, name: &str, text: &str) {
        let is_repeated = self.0.rsplit("\n  ").any(|row| row.starts_with(&format!("{name:<14}")));
        let name = if is_repeated { "" } else { name };
        self.0 += &format!("  {name:<14}{}\n", wrapped(text, INDENT));
    }
}

/// The text in lines of at most [`WIDTH`] characters that begin at column `indent`.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}
