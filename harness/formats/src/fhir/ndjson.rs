//! FHIR resources in JSON, one a line, as bulk data has them.

use super::{Release, read_json};
use crate::json::{self, Kind};
use crate::reading::Reading;
use crate::rules::Rule;
use crate::tree::{Id, Tree, What};

crate::cases! {
    /// A resource that goes on over a line end.
    SEVERAL_LINES: "F25" "several-lines" refusal;
    /// An array instead of lines.
    ARRAY: "F25" "array" refusal;
    /// More than one resource in a line.
    SHARED_LINE: "F25" "shared-line" refusal;
    /// A line without a resource, the last one or another: readers may ignore it.
    BLANK_LINE: "F25" "blank-line" either(Reject, Accept);
    /// Lines that end with a carriage return and a line feed: the first is white space to JSON.
    CARRIAGE_RETURN: "F25" "carriage-return" either(Accept, Accept);
}

/// The rule of NDJSON.
pub const RULES: &[Rule] = &[Rule {
    id: "F25",
    title: "Each line is one whole resource.",
    source: "FHIR nd-json.html",
    harm: "Readers that split at line ends lose or join the records of several patients.",
}];

/// Reads resources, one a line; the tree is a list of them. Costs time and memory linear in `input`, and no stack.
pub fn read_ndjson(input: &[u8], release: Release) -> Reading {
    let mut reading = Reading::default();
    let mut tree = Tree::new();
    let root = tree.add(None, b"", What::List, b"", 0..input.len());
    let mut start = 0;
    let mut had_return = false;
    while start < input.len() {
        let end = input[start..].iter().position(|byte| *byte == b'\n').map_or(input.len(), |length| start + length);
        let line = &input[start..end];
        if line.ends_with(b"\r") && !std::mem::replace(&mut had_return, true) {
            reading.breach(CARRIAGE_RETURN, end - 1..end);
        }
        if line.trim_ascii().is_empty() {
            reading.breach(BLANK_LINE, start..end);
        } else {
            read_line(line, start, release, &mut reading, &mut tree, root);
        }
        start = end + 1;
    }
    reading.tree = Some(tree);
    reading
}

fn read_line(line: &[u8], start: usize, release: Release, all: &mut Reading, tree: &mut Tree, root: Id) {
    let reading = read_json(line, release);
    let whole = start..start + line.len();
    let first = line.trim_ascii_start().first();
    let mut why = None;
    for breach in reading.breaches {
        why = match breach.case {
            case if case == json::UNTERMINATED || (case == json::SYNTAX && first != Some(&b'{')) => Some(SEVERAL_LINES),
            case if case == json::TRAILING_DATA => Some(SHARED_LINE),
            _ => why,
        };
        all.breach(breach.case, start + breach.span.start..start + breach.span.end);
    }
    let is_array =
        first == Some(&b'[') && json::tokens(line).list.first().is_some_and(|token| token.kind == Kind::Array);
    match why {
        _ if is_array => all.breach(ARRAY, whole),
        Some(case) => all.breach(case, whole),
        None => {}
    }
    for fact in reading.transport {
        if !all.transport.contains(&fact) {
            all.transport.push(fact);
        }
    }
    if let Some(line) = &reading.tree {
        copy(tree, root, line, start);
    }
}

/// Copies a line's tree with its spans moved to where the line begins.
fn copy(tree: &mut Tree, root: Id, line: &Tree, start: usize) {
    let first = tree.len() as Id;
    // Ids grow from parent to child and from one child to the next, so that they can be copied in their order.
    for id in 0..line.len() as Id {
        let parent = line.parent(id).map_or(root, |parent| first + parent);
        let span = line.span(id);
        let span = start + span.start..start + span.end;
        let new = tree.add(Some(parent), line.label(id), line.what(id), line.text(id), span);
        if line.raw(id) != line.text(id) {
            tree.set_raw(new, line.raw(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::BREACHES_MAX;
    use crate::rules::Case;
    use crate::tree::Erase;

    const ONE: &str = r#"{"resourceType":"Patient","id":"SYN-1","active":true}"#;
    const TWO: &str = r#"{"resourceType":"Patient","id":"SYN-2","name":[{"family":"M\u00fcller"}]}"#;

    #[test]
    fn lines_are_resources() {
        let table: &[(String, &[&Case], usize)] = &[
            (String::new(), &[], 0),
            (ONE.to_owned(), &[], 1),
            (format!("{ONE}\n"), &[], 1),
            (format!("{ONE}\n{TWO}\n"), &[], 2),
            (format!("{ONE}\r\n{TWO}\r\n"), &[CARRIAGE_RETURN], 2),
            (format!("{ONE}\n\n{TWO}"), &[BLANK_LINE], 2),
            (format!("{ONE}\n \n"), &[BLANK_LINE], 1),
            (format!("{ONE}{TWO}\n"), &[json::TRAILING_DATA, SHARED_LINE], 1),
            ("{\"resourceType\":\n\"Patient\"}".to_owned(), &[json::UNTERMINATED, SEVERAL_LINES], 1),
        ];
        for (input, cases, resources) in table {
            let reading = read_ndjson(input.as_bytes(), Release::R4);
            let found: Vec<_> = reading.breaches.iter().map(|breach| breach.case).take(2).collect();
            let tree = reading.tree.unwrap();
            assert_eq!((&found[..], tree.children(0).count()), (*cases, *resources), "{input}");
        }
        let array = read_ndjson(format!("[{ONE},{TWO}]").as_bytes(), Release::R4);
        assert!(array.breaches.iter().any(|breach| breach.case == ARRAY));
    }

    #[test]
    fn a_line_is_read_as_it_is_alone() {
        let reading = read_ndjson(format!("{ONE}\n{TWO}\n").as_bytes(), Release::R4);
        let tree = reading.tree.unwrap();
        let mut lines = Tree::new();
        let root = lines.add(None, b"", What::List, b"", 0..0);
        for line in [ONE, TWO] {
            let alone = read_json(line.as_bytes(), Release::R4).tree.unwrap();
            lines.copy_from(Some(root), &alone, 0);
        }
        assert_eq!(tree.digest(Erase::NONE), lines.digest(Erase::NONE));
        let second = tree.children(0).nth(1).unwrap();
        assert_eq!(tree.span(second), ONE.len() + 1..ONE.len() + 1 + TWO.len());
    }

    #[test]
    fn a_million_lines_cost_no_squares() {
        let reading = read_ndjson(&b"\n{}".repeat(300_000), Release::R4);
        assert_eq!(reading.breaches.len(), BREACHES_MAX);
        assert_eq!(reading.tree.unwrap().len(), 300_001);
    }
}
