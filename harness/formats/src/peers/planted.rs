//! A benchmark for the search: readers of FHIR JSON and HL7 v2 that are our reference with one planted fault each. How many
//! are found, in how many executions, tells what the search's feedback is worth. They run in the guest `peers-planted`,
//! all on one reading of the reference, so that what is measured is the search. Many a fault is a number or a fold where a
//! branch could stand: what leads to it shows in answers and trees before it shows in edges.

mod fhir;
mod hl7;

pub use fhir::FHIR;
pub use hl7::HL7;

use super::{Layer, Peer, Runtime};
use crate::Format::{self, FhirJson, Hl7v2};
use crate::diff::judge::{Class, in_carrier};
use crate::reading::{Breach, Reading};
use crate::rules::{Policy, Side};
use crate::tree::{Erase, Id, Tree, What};
use std::borrow::Cow;

/// A reader with a fault.
pub struct Planted {
    /// As it is compared.
    pub peer: Peer,
    /// What a comparison must call it.
    pub class: Class,
    /// What it does wrong.
    pub fault: &'static str,
    /// A small input that shows it; empty where it is not small, or kills.
    pub example: &'static [u8],
    /// How it reads.
    pub read: fn(&Shown<'_>) -> Read,
}

/// An input, and what the reference makes of it: read once for all planted readers.
pub struct Shown<'a> {
    /// What it is read as.
    pub format: Format,
    /// The input.
    pub input: Cow<'a, [u8]>,
    /// The reference's reading.
    pub reading: Reading,
}

impl<'a> Shown<'a> {
    /// Reads `input` with the reference.
    pub fn new(format: Format, input: impl Into<Cow<'a, [u8]>>) -> Self {
        let input = input.into();
        let reading = format.read(&input);
        Self { format, input, reading }
    }
}

/// What a reader makes of an input: a tree of its own, `None` where that is the reference's; or where and why it refuses.
pub type Read = Result<Option<Tree>, Refused>;
/// Where and why a reader refuses.
pub type Refused = (Layer, String);

impl Planted {
    /// What it writes back, or where and why it refuses: as `one` of a guest does.
    pub fn answer(&self, format: Format, input: &[u8]) -> Result<Vec<u8>, Refused> {
        let shown = Shown::new(format, input);
        let own = (self.read)(&shown)?;
        let tree = own.as_ref().or(shown.reading.tree.as_ref()).ok_or_else(no_tree)?;
        Ok(match format {
            Hl7v2 => hl7::answer(tree),
            _ => crate::fhir::write_json(tree),
        })
    }
}

/// The planted readers of a format.
pub fn planted(format: Format) -> &'static [Planted] {
    match format {
        FhirJson => FHIR,
        Hl7v2 => HL7,
        Format::Json | Format::FhirXml | Format::FhirNdjson => &[],
    }
}

const fn fhir(
    name: &'static str,
    class: Class,
    fault: &'static str,
    example: &'static [u8],
    read: fn(&Shown<'_>) -> Read,
) -> Planted {
    Planted { peer: peer(name, &[FhirJson], "R4"), class, fault, example, read }
}

const fn v2(
    name: &'static str,
    class: Class,
    fault: &'static str,
    example: &'static [u8],
    read: fn(&Shown<'_>) -> Read,
) -> Planted {
    Planted { peer: peer(name, &[Hl7v2], "2.5.1"), class, fault, example, read }
}

const fn peer(name: &'static str, formats: &'static [Format], version: &'static str) -> Peer {
    let package = "planted fault";
    Peer { name, package, runtime: Runtime::Rust, formats, version, projection: Erase::NONE, quirks: &[] }
}

fn nothing(_: &Shown<'_>, _: &Breach) -> bool {
    false
}

fn is(breach: &Breach, rule: &str, name: &str) -> bool {
    breach.case.rule.starts_with(rule) && (name.is_empty() || breach.case.name == name)
}

fn no_tree() -> Refused {
    (Layer::Syntax, "no tree".into())
}

fn spin(steps: u64) {
    let mut sum = 0u64;
    for step in 0..steps {
        sum = std::hint::black_box(sum.wrapping_add(step));
    }
}

/// The reference's tree, if nothing in the input has to be refused but what is forgiven.
fn taken<'s>(shown: &'s Shown<'_>, forgiven: impl Fn(&Shown<'_>, &Breach) -> bool) -> Result<&'s Tree, Refused> {
    let refused =
        |breach: &&Breach| Policy::StrictGateway.side(breach.case) == Side::Reject && !forgiven(shown, breach);
    if let Some(breach) = shown.reading.breaches.iter().find(refused) {
        let layer = match (in_carrier(breach.case), breach.case.rule.as_bytes()[0]) {
            (Some(true), _) | (None, b'J') => Layer::Syntax,
            (_, b'P') => Layer::Value,
            _ => Layer::Structure,
        };
        return Err((layer, breach.case.id()));
    }
    shown.reading.tree.as_ref().ok_or_else(no_tree)
}

/// As the reference, but for what is forgiven.
fn plain(shown: &Shown<'_>, forgiven: impl Fn(&Shown<'_>, &Breach) -> bool) -> Read {
    taken(shown, forgiven).map(|_| None)
}

/// The same, with nodes changed or left out.
fn altered(
    shown: &Shown<'_>,
    forgiven: impl Fn(&Shown<'_>, &Breach) -> bool,
    edit: impl Fn(&Tree, Id) -> Edit,
) -> Read {
    Ok(edited(taken(shown, forgiven)?, edit))
}

/// Reads another text instead, and forgives only then.
fn respelt(shown: &Shown<'_>, instead: Vec<u8>, forgiven: impl Fn(&Shown<'_>, &Breach) -> bool) -> Read {
    if instead == *shown.input {
        return plain(shown, nothing);
    }
    let other = Shown::new(shown.format, instead);
    taken(&other, forgiven)?;
    Ok(other.reading.tree)
}

/// What becomes of a node.
enum Edit {
    Keep,
    Drop,
    Text(Vec<u8>),
}

fn drop_if(condition: bool) -> Edit {
    if condition { Edit::Drop } else { Edit::Keep }
}

/// Text without what comes after so many bytes.
fn cut_after(tree: &Tree, id: Id, bytes_max: usize) -> Edit {
    let text = tree.text(id);
    match tree.what(id) == What::String && text.len() > bytes_max {
        true => Edit::Text(String::from_utf8_lossy(&text[..bytes_max]).into_owned().into_bytes()),
        false => Edit::Keep,
    }
}

/// A copy, node by node; `None` where nothing changes.
fn edited(tree: &Tree, edit: impl Fn(&Tree, Id) -> Edit) -> Option<Tree> {
    if (0..tree.len() as Id).all(|id| matches!(edit(tree, id), Edit::Keep)) {
        return None;
    }
    let mut new = Tree::new();
    let mut waiting: Vec<(Option<Id>, Id)> = tree.root().map(|root| (None, root)).into_iter().collect();
    while let Some((parent, id)) = waiting.pop() {
        let text = match edit(tree, id) {
            Edit::Drop => continue,
            Edit::Keep => tree.text(id).to_vec(),
            Edit::Text(text) => text,
        };
        let changed = text != tree.text(id);
        let copy = new.add(parent, tree.label(id), tree.what(id), &text, tree.span(id));
        if !changed {
            new.set_raw(copy, tree.raw(id));
        }
        let at = waiting.len();
        waiting.extend(tree.children(id).map(|child| (Some(copy), child)));
        waiting[at..].reverse();
    }
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::judge::{Given, judge};
    use crate::peers::{Answer, Refusal};

    fn answered(format: Format, one: &Planted, input: &[u8]) -> (Answer, Option<Tree>) {
        match one.answer(format, input) {
            Ok(written) => {
                let tree = format.tree_of_answer(&written, Erase::NONE);
                (Answer::Accepted(written), tree)
            }
            Err((layer, code)) => (Answer::Refused(Refusal { layer, code }), None),
        }
    }

    fn classes(format: Format, one: &Planted, input: &[u8]) -> Vec<Class> {
        let reading = format.read(input);
        let (answer, tree) = answered(format, one, input);
        let given =
            [Given { peer: &one.peer, answer: &answer, tree: tree.as_ref(), printed: false, reading: &reading }];
        judge(format, input, &given).statements.iter().map(|statement| statement.class).collect()
    }

    #[test]
    fn every_example_shows_its_fault_as_its_class() {
        let mut wrong = Vec::new();
        for format in [FhirJson, Hl7v2] {
            for shown in planted(format).iter().filter(|shown| !shown.example.is_empty()) {
                let classes = classes(format, shown, shown.example);
                let unstable = shown.class == Class::RoundTrip && !classes.is_empty();
                if !classes.contains(&shown.class) && !unstable {
                    wrong.push(format!("{}: {classes:?} {:?}", shown.peer.name, format.read(shown.example).breaches));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// What is too long to stand in a table.
    #[test]
    fn long_inputs_show_what_needs_length() {
        let list = |items: usize, item: &str| vec![item; items].join(",");
        let contact = r#"{"gender":"male"}"#;
        let patient =
            |items| format!(r#"{{"resourceType":"Patient","contact":[{}]}}"#, list(items, contact)).into_bytes();
        let text = |len| format!(r#"{{"resourceType":"Patient","language":"{}"}}"#, "x".repeat(len)).into_bytes();
        let repeated = |count| format!("MSH|^~\\&|A\rOBX|1|ST|||{}\r", vec!["x"; count].join("~")).into_bytes();
        let field = |len| format!("MSH|^~\\&|A\rOBX|1|ST|||{}\r", "x".repeat(len)).into_bytes();
        let check = |format: Format, name: &str, shows: Vec<u8>, hides: Vec<u8>| {
            let one = planted(format).iter().find(|one| one.peer.name == name).unwrap();
            assert_eq!(classes(format, one, &shows), [one.class], "{name}");
            assert_eq!(classes(format, one, &hides), [], "{name}");
        };
        check(FhirJson, "list-of-16", patient(17), patient(16));
        check(FhirJson, "list-of-256", patient(257), patient(256));
        check(FhirJson, "text-of-255", text(256), text(255));
        check(Hl7v2, "repetitions-16", repeated(17), repeated(16));
        check(Hl7v2, "repetitions-256", repeated(257), repeated(256));
        check(Hl7v2, "text-of-199", field(200), field(199));
    }

    /// Each has two steps, and the first one shows nothing or something else.
    #[test]
    fn half_of_what_a_deep_fault_needs_does_not_show_it() {
        let halves: &[(Format, &str, &[&[u8]])] = &[
            (FhirJson, "lenient-first", &[
                br#"{/*x*/"resourceType":"Patient","id":"a"}"#,
                br#"{"resourceType":"Patient","id":"a","id":"b"}"#,
            ]),
            (FhirJson, "spelling-compared", &[
                br#"{"resourceType":"Patient","i\u0064":"a"}"#,
                br#"{"resourceType":"Patient","id":"a","id":"b"}"#,
            ]),
            (FhirJson, "duplicates-toggle", &[br#"{"resourceType":"Patient","id":"a","id":"b"}"#]),
            (FhirJson, "twins-shifted", &[
                br#"{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[{"id":"a"},null]}]}"#,
            ]),
            (FhirJson, "type-left-over", &[
                br#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"id":"b","resourceType":"Patient"}}]}"#,
            ]),
            (Hl7v2, "escape-fixed", &[b"MSH|^~!&|A\rPID|1||||SK\r", b"MSH|^~\\&|A\rPID|1||||S\\T\\K\r"]),
            (Hl7v2, "delimiters-left-over", &[b"BHS|^~\\&|A\rMSH|^~\\&|A\rPID|1\rBTS|1\r"]),
        ];
        for (format, name, halves) in halves {
            let one = planted(*format).iter().find(|one| one.peer.name == *name).unwrap();
            for half in *halves {
                let shown = String::from_utf8_lossy(half);
                assert!(!classes(*format, one, half).contains(&one.class), "{name}: {shown}");
            }
        }
    }

    #[test]
    fn without_its_fault_each_reads_as_the_reference() {
        let patient =
            br#"{"resourceType":"Patient","id":"a","name":[{"family":"SYN","given":["A","B"]}],"active":true}"#;
        let message = b"MSH|^~\\&|LAB|ACME\rPID|1||SYN1^^^A&2.999.1|X\rOBX||NM|1^x||7\r";
        for (format, input) in [(FhirJson, &patient[..]), (Hl7v2, message)] {
            let expected = format.read(input).tree.unwrap();
            for one in planted(format) {
                let (answer, tree) = answered(format, one, input);
                let digest = tree.map(|tree| tree.digest(Erase::NONE));
                assert_eq!(digest, Some(expected.digest(Erase::NONE)), "{}: {answer:?}", one.peer.name);
            }
        }
    }

    #[test]
    fn classes_are_many_and_names_are_unique() {
        let all: Vec<&Planted> = FHIR.iter().chain(HL7).collect();
        let names: std::collections::BTreeSet<&str> = all.iter().map(|one| one.peer.name).collect();
        let classes: std::collections::BTreeSet<Class> = all.iter().map(|one| one.class).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() >= 20 && classes.len() == 15, "{} faults of {} classes", all.len(), classes.len());
    }

    #[test]
    #[should_panic(expected = "an array has a first item")]
    fn a_death_is_a_death() {
        let dead = FHIR.iter().find(|one| one.peer.name == "empty-array-panic").unwrap();
        let _ = dead.answer(FhirJson, br#"{"resourceType":"Patient","name":[]}"#);
    }
}
