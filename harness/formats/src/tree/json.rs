//! Trees as JSON, for sidecars and reports: stable, lossless but for spans, and short enough to be read by eye.
//!
//! A string is a string, a boolean a boolean, a list an array. All else, and what has more than that, is an object whose
//! first member names its kind: `{"number": "1.00"}`, `{"null": ""}`,
//! `{"object": "Patient", "members": [["id", "SYN-1"]]}`, `{"string": "é", "raw": "\\u00e9"}`. Bytes that are no UTF-8 are
//! `{"hex": "eda080"}`.

use super::{Id, Tree, What};
use crate::json;
use crate::reading::Breach;
use crate::rules::{Policy, Side};
use std::fmt::Write;

/// Deeper lines are not indented further: a document of 10⁶ levels stays linear.
const INDENT_MAX: usize = 24;

enum Step {
    Node(Id, usize),
    Text(&'static str),
    Line(usize),
    Label(Id),
}

impl Tree {
    /// The tree as JSON, one node a line; `null` without a node.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        let Some(root) = self.root() else { return "null\n".to_owned() };
        let mut steps = vec![Step::Node(root, 0)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Text(text) => out.push_str(text),
                Step::Line(depth) => {
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', depth.min(INDENT_MAX)));
                }
                Step::Label(id) => write_bytes(&mut out, self.label(id)),
                Step::Node(id, depth) => self.write_node(&mut out, &mut steps, id, depth),
            }
        }
        out.push('\n');
        out
    }

    fn write_node(&self, out: &mut String, steps: &mut Vec<Step>, id: Id, depth: usize) {
        let (what, text) = (self.what(id), self.text(id));
        let raw = self.nodes[id as usize].raw.is_some().then(|| self.raw(id));
        let labelled = self.children(id).any(|child| !self.label(child).is_empty());
        let leaf = self.children(id).next().is_none();
        let short = match what {
            What::String => leaf && std::str::from_utf8(text).is_ok(),
            What::Boolean => leaf && (text == b"true" || text == b"false"),
            What::List => text.is_empty() && !labelled,
            _ => false,
        };
        let (open, close) = match (short && raw.is_none(), what) {
            (true, What::String) => return write_bytes(out, text),
            (true, What::Boolean) => return out.push_str(if text == b"true" { "true" } else { "false" }),
            (true, _) => ("[", "]"),
            (false, _) => {
                out.push_str("{\"");
                out.push_str(what.name());
                out.push_str("\": ");
                write_bytes(out, text);
                if let Some(raw) = raw {
                    out.push_str(", \"raw\": ");
                    write_bytes(out, raw);
                }
                if leaf && !labelled {
                    return out.push('}');
                }
                if labelled { (", \"members\": [", "]}") } else { (", \"items\": [", "]}") }
            }
        };
        out.push_str(open);
        steps.push(Step::Text(close));
        if leaf {
            return;
        }
        steps.push(Step::Line(depth));
        let at = steps.len();
        for (index, child) in self.children(id).enumerate() {
            if index > 0 {
                steps.push(Step::Text(","));
            }
            steps.push(Step::Line(depth + 1));
            if labelled {
                steps.extend([Step::Text("["), Step::Label(child), Step::Text(", ")]);
            }
            steps.push(Step::Node(child, depth + 1));
            if labelled {
                steps.push(Step::Text("]"));
            }
        }
        steps[at..].reverse();
    }

    /// Reads what [`Tree::to_json`] writes; spans are lost.
    ///
    /// # Errors
    /// What is wrong, where the text is no such JSON.
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        let reading = json::read(text);
        let refused = |breach: &&Breach| Policy::TolerantReader.side(breach.case) == Side::Reject;
        if let Some(breach) = reading.breaches.iter().find(refused) {
            return Err(format!("{} {} at byte {}", breach.case.rule, breach.case.name, breach.span.start));
        }
        let written = reading.tree.ok_or("no JSON")?;
        let mut tree = Self::new();
        let Some(root) = written.root().filter(|&root| written.what(root) != What::Null) else { return Ok(tree) };
        let mut waiting = vec![(None, Vec::new(), root)];
        while let Some((parent, label, at)) = waiting.pop() {
            let (id, held, labelled) = tree.add_written(parent, &label, &written, at)?;
            let Some(held) = held else { continue };
            let first = waiting.len();
            for child in written.children(held) {
                let (label, node) = if labelled { pair(&written, child)? } else { (Vec::new(), child) };
                waiting.push((Some(id), label, node));
            }
            waiting[first..].reverse();
        }
        Ok(tree)
    }

    /// Adds one written node: its id, the array of what it holds, and whether that has labels.
    fn add_written(
        &mut self,
        parent: Option<Id>,
        label: &[u8],
        written: &Tree,
        at: Id,
    ) -> Result<(Id, Option<Id>, bool), String> {
        let span = || written.span(at);
        match written.what(at) {
            What::String => return Ok((self.add(parent, label, What::String, written.text(at), 0..0), None, false)),
            What::Boolean => return Ok((self.add(parent, label, What::Boolean, written.text(at), 0..0), None, false)),
            What::List => return Ok((self.add(parent, label, What::List, b"", 0..0), Some(at), false)),
            What::Object => {}
            what => return Err(format!("a {} at byte {} is no node", what.name(), span().start)),
        }
        let first = written.children(at).next().ok_or_else(|| format!("an empty object at byte {}", span().start))?;
        let what = What::ALL.into_iter().find(|what| what.name().as_bytes() == written.label(first));
        let what = what.ok_or_else(|| format!("an unknown kind at byte {}", span().start))?;
        let id = self.add(parent, label, what, &bytes(written, first)?, 0..0);
        if let Some(raw) = written.member(at, "raw") {
            self.set_raw(id, &bytes(written, raw)?);
        }
        let items = written.member(at, "items");
        let members = written.member(at, "members");
        Ok((id, members.or(items), members.is_some()))
    }
}

fn pair(written: &Tree, at: Id) -> Result<(Vec<u8>, Id), String> {
    let mut parts = written.children(at);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(label), Some(node), None) => Ok((bytes(written, label)?, node)),
        _ => Err(format!("no [label, node] at byte {}", written.span(at).start)),
    }
}

fn bytes(written: &Tree, at: Id) -> Result<Vec<u8>, String> {
    let wrong = || format!("no text at byte {}", written.span(at).start);
    match written.what(at) {
        What::String => Ok(written.text(at).to_vec()),
        What::Object => {
            let hex = written.member(at, "hex").ok_or_else(wrong)?;
            let digit = |byte: &u8| (*byte as char).to_digit(16);
            let (pairs, rest) = written.text(hex).as_chunks::<2>();
            let bytes = pairs.iter().map(|[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8));
            bytes.collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty()).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

fn write_bytes(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => write_string(out, text),
        Err(_) => {
            out.push_str("{\"hex\": \"");
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
            out.push_str("\"}");
        }
    }
}

/// Writes a JSON string; what has no glyph is escaped so that it is seen in a review.
fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' | '\x7f'..'\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffd}' => {
                let _ = write!(out, "\\u{:04x}", character as u32);
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}
