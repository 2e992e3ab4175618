//! From the canonical tree back to bytes.

use super::charset::Charset;
use super::tokens::Delimiters;
use super::{NODES_MAX, escape};
use crate::tree::{Id, Tree, What};

/// How values are spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// As they were read, where the tree knows that; escaped otherwise.
    AsRead,
    /// Escaped anew from their decoded text: sequences that stand for no character become text.
    Escaped,
}

/// Writes the messages of a tree, one after the other, segments ended with CR, in the character set that MSH-18 names. What
/// the tree does not hold (frames, headers of batches) is not written. A character that the set does not have is written
/// as a question mark.
pub fn write(tree: &Tree, spelling: Spelling) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(root) = tree.root() else { return out };
    for message in tree.children(root) {
        let header = tree.children(message).next();
        let delimiters = header.map_or_else(Delimiters::default, |header| delimiters(tree, header));
        let charset = header.and_then(|header| tree.member(header, "18")).map_or(Charset::Ascii, |at| named(tree, at));
        let mut writer = Writer { tree, delimiters, spelling, text: Vec::new() };
        for segment in tree.children(message) {
            writer.segment(segment);
        }
        charset.encode(&writer.text, &mut out);
    }
    out
}

/// The delimiters that a header's fields 1 and 2 declare; the usual ones for any other segment.
fn delimiters(tree: &Tree, header: Id) -> Delimiters {
    if tree.text(header) != b"MSH" {
        return Delimiters::default();
    }
    let mut line = b"MSH".to_vec();
    for number in ["1", "2"] {
        line.extend_from_slice(tree.member(header, number).map_or(b"", |at| tree.text(at)));
    }
    Delimiters::declared(&line).map_or_else(Delimiters::default, |(declared, _)| declared)
}

/// The character set that MSH-18 names first.
pub(super) fn named(tree: &Tree, field: Id) -> Charset {
    let mut at = field;
    while let Some(first) = tree.children(at).next() {
        if tree.what(at) == What::Object && tree.label(first) != b"1" {
            return Charset::Ascii;
        }
        at = first;
    }
    Charset::named(tree.text(at))
}

struct Writer<'a> {
    tree: &'a Tree,
    delimiters: Delimiters,
    spelling: Spelling,
    text: Vec<u8>,
}

impl Writer<'_> {
    fn segment(&mut self, segment: Id) {
        let tree = self.tree;
        self.text.extend_from_slice(tree.text(segment));
        let header = tree.text(segment) == b"MSH";
        let mut written = 0;
        for field in tree.children(segment) {
            let number = number(tree.label(field));
            if header && number <= 2 {
                self.text.extend_from_slice(tree.text(field));
                written = number;
                continue;
            }
            self.gap(&mut written, number, Some(self.delimiters.field));
            match tree.what(field) {
                What::List => {
                    for (at, repetition) in tree.children(field).enumerate() {
                        if at > 0 {
                            self.text.extend(self.delimiters.repetition);
                        }
                        self.value(repetition, self.delimiters.component);
                    }
                }
                _ => self.value(field, self.delimiters.component),
            }
        }
        self.text.push(b'\r');
    }

    /// Separators up to part `number`.
    fn gap(&mut self, written: &mut usize, number: usize, separator: Option<u8>) {
        let missing = number.saturating_sub(*written).min(NODES_MAX);
        self.text.extend(std::iter::repeat_n(separator, missing).flatten());
        *written = number;
    }

    /// A repetition or component; its parts are separated by `separator`.
    fn value(&mut self, value: Id, separator: Option<u8>) {
        let tree = self.tree;
        match tree.what(value) {
            What::Object => {
                let mut written = 1;
                for part in tree.children(value) {
                    self.gap(&mut written, number(tree.label(part)), separator);
                    match tree.what(part) {
                        What::Object => {
                            let mut written = 1;
                            for part in tree.children(part) {
                                self.gap(&mut written, number(tree.label(part)), self.delimiters.subcomponent);
                                self.leaf(part);
                            }
                        }
                        _ => self.leaf(part),
                    }
                }
            }
            _ => self.leaf(value),
        }
    }

    fn leaf(&mut self, leaf: Id) {
        let tree = self.tree;
        let text = tree.text(leaf);
        let raw = tree.kept_raw(leaf).filter(|_| self.spelling == Spelling::AsRead);
        match (tree.what(leaf), raw) {
            (What::Null, _) => self.text.extend_from_slice(b"\"\""),
            (What::String, Some(raw)) => self.text.extend_from_slice(raw),
            // A value that is two quotation marks is no null.
            (What::String, None) if text == b"\"\"" => {
                if let Some(escape) = self.delimiters.escape {
                    self.text.extend_from_slice(&[escape, b'X', b'2', b'2', escape, b'"']);
                }
            }
            (What::String, None) => escape::encode(text, &self.delimiters, &mut self.text),
            _ => {}
        }
    }
}

fn number(label: &[u8]) -> usize {
    std::str::from_utf8(label).ok().and_then(|label| label.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7;
    use crate::tree::Erase;

    #[test]
    fn what_is_written_reads_the_same() {
        let table: &[&[u8]] = &[
            b"MSH|^~\\&|LAB||X\rPID|1||1^^^A&2&I~~2|\"\"|A&B|\\T\\C^D&&|^&E|\\X2222\\|\\X0D\\PID\\H\\|a\\b|\\Q\\\rZZZ\r",
            b"MSH#*~$!#A#*B!C#$F$$X41$\rPID###a!b*c~~d\r",
            b"MSH|^~\\&||||||||||||||||8859/1\rPID|M\xdcLLER\\T\\S\xd6HNE\r",
            b"MSH|^~\\&||||||||||||||||GB 18030-2000\rPID|\x81\x7c^\x81\x5c\r",
            b"MSH|^~|A|b\\c&d\rPID|1\rMSH|^~\\&#|1|2|||||||||2.7\rPID|\\P\\\r",
            b"MSH|^~\\&|x\\X0A\\y\rPID|\xc3\x9c\r",
        ];
        for message in table {
            let tree = hl7::read(message).tree.unwrap();
            for (spelling, erase) in [(Spelling::AsRead, Erase::ESCAPES), (Spelling::Escaped, Erase::NONE)] {
                let written = write(&tree, spelling);
                let again = hl7::read(&written).tree.unwrap();
                let shown = String::from_utf8_lossy(&written);
                assert_eq!(tree.digest(Erase::NONE), again.digest(Erase::NONE), "{shown}");
                assert_eq!(tree.digest(erase), again.digest(erase), "{shown}");
            }
        }
    }
}
