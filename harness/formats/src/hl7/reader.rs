//! From bytes to the canonical tree, with every rule that the input breaks.

use super::charset::Charset;
use super::rules::{CASES, Way};
use super::tokens::{Delimiters, Line, Terminator, is_header, lines, parts};
use super::{NODES_MAX, escape, frames};
use crate::reading::Reading;
use crate::tree::{Id, Tree, What};
use std::borrow::Cow;
use std::ops::Range;

/// Breaches of one case that are noted: a hostile input breaks a rule in every byte, and must not hide the others.
const BREACHES_PER_CASE: u8 = 2;

/// Reads messages, alone, in batches or in frames.
pub fn read(input: &[u8]) -> Reading {
    let mut reader = Reader::new(input);
    reader.run();
    reader.done()
}

/// An open batch or file.
struct Envelope {
    delimiters: Delimiters,
    /// Messages or batches in it so far.
    held: usize,
    at: Range<usize>,
}

struct Reader<'a> {
    input: &'a [u8],
    out: Reading,
    tree: Tree,
    noted: Vec<u8>,
    root: Id,
    /// Whether there is a tree to be given: no delimiter is unreadable.
    readable: bool,
    message: Option<Id>,
    delimiters: Delimiters,
    charset: Charset,
    file: Option<Envelope>,
    batch: Option<Envelope>,
    /// Whether a header or trailer of a batch or file stood in this block.
    enveloped: bool,
    /// Whether one stood anywhere.
    batched: bool,
    /// Whether a segment stood in this block.
    begun: bool,
    scratch: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(input: &'a [u8]) -> Self {
        // As usual messages need; what needs more grows.
        let mut tree = Tree::with_capacity((input.len() / 4).min(1 << 16), (input.len() * 2).min(1 << 20));
        let root = tree.add(None, b"", What::List, b"", 0..input.len());
        Self {
            input,
            out: Reading::default(),
            tree,
            noted: vec![0; CASES.len()],
            root,
            readable: true,
            message: None,
            delimiters: Delimiters::default(),
            charset: Charset::Ascii,
            file: None,
            batch: None,
            enveloped: false,
            batched: false,
            begun: false,
            scratch: Vec::new(),
        }
    }

    fn done(mut self) -> Reading {
        if self.readable && (self.tree.len() > 1 || self.batched) {
            self.out.tree = Some(self.tree);
        }
        self.out
    }

    fn breach(&mut self, way: Way, span: Range<usize>) {
        let noted = &mut self.noted[way as usize];
        if *noted < BREACHES_PER_CASE {
            *noted += 1;
            self.out.breach(CASES[way as usize], span);
        }
    }

    fn fact(&mut self, fact: &'static str) {
        if !self.out.transport.contains(&fact) {
            self.out.transport.push(fact);
        }
    }

    fn full(&self) -> bool {
        self.tree.len() >= NODES_MAX
    }

    fn run(&mut self) {
        let input = self.input;
        let mut at = 0;
        if input.starts_with(b"\xef\xbb\xbf") {
            self.fact("byte-order-mark");
            self.breach(Way::ByteOrderMark, 0..3);
            at = 3;
        }
        let blanks = input[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        if blanks > 0 && at + blanks < input.len() {
            self.fact("leading-blanks");
            self.breach(Way::LeadingBlanks, at..at + blanks);
            at += blanks;
        }
        if [&b"\xff\xfe"[..], b"\xfe\xff", b"M\0S\0", b"\0M\0S", b"\0\0\0M"]
            .iter()
            .any(|mark| input[at..].starts_with(mark))
        {
            self.breach(Way::Utf16, at..input.len());
            self.readable = false;
            return;
        }
        let framed = input.get(at) == Some(&0x0b);
        if framed {
            self.fact("mllp");
        }
        let mut found = Vec::new();
        let blocks = frames::blocks(input, at, |way, span| {
            if found.len() < 64 {
                found.push((way, span));
            }
        });
        for (way, span) in found {
            self.breach(way, span);
        }
        for block in blocks {
            self.block(block);
            if self.full() {
                self.breach(Way::TooManyParts, 0..input.len());
                break;
            }
        }
    }

    /// One block of MLLP, or the whole input.
    fn block(&mut self, block: Range<usize>) {
        let bytes = &self.input[block.clone()];
        (self.message, self.file, self.batch) = (None, None, None);
        (self.enveloped, self.begun) = (false, false);
        let mut multiple = false;
        let terminator = Terminator::of(bytes);
        if terminator == Terminator::LineFeed {
            self.fact("line-feed");
            let at = block.start + memchr::memchr(b'\n', bytes).unwrap_or(0);
            self.breach(Way::LineFeed, at..at + 1);
        }
        let mut last = block.start..block.start;
        for line in lines(self.input, block.clone(), terminator) {
            if line.end - line.span.end == 2 {
                self.fact("return-line-feed");
                self.breach(Way::ReturnLineFeed, line.span.end..line.end);
            }
            last = line.span.end..line.end;
            if line.span.is_empty() {
                self.breach(Way::BlankLine, line.span.start..line.end);
                continue;
            }
            self.line(&line, &mut multiple);
            if self.full() || !self.readable {
                return;
            }
        }
        if last.is_empty() && self.begun {
            self.fact("last-segment-unended");
            self.breach(Way::Unended, last.end..last.end);
        }
        if !self.begun {
            self.breach(Way::Empty, block);
        }
        for open in [self.batch.take(), self.file.take()].into_iter().flatten() {
            self.breach(Way::NoTrailer, open.at);
        }
    }

    fn line(&mut self, line: &Line, multiple: &mut bool) {
        let bytes = &self.input[line.span.clone()];
        let first = !std::mem::replace(&mut self.begun, true);
        let name = bytes.get(..3).filter(|name| is_header(name) || matches!(*name, b"BTS" | b"FTS"));
        let delimiters = match name {
            Some(b"FTS") => self.file.as_ref().map_or(self.delimiters, |file| file.delimiters),
            Some(b"BTS") => self.batch.as_ref().map_or(self.delimiters, |batch| batch.delimiters),
            _ => self.delimiters,
        };
        // `MSHX|…` is a segment with a bad name where delimiters are known; a header's own separator is its fourth byte.
        let name = name.filter(|name| is_header(name) || bytes.get(3).is_none_or(|byte| *byte == delimiters.field));
        match name {
            Some(name @ (b"MSH" | b"BHS" | b"FHS")) => {
                self.header(line, name);
                if !self.readable {
                    return;
                }
            }
            Some(_) => {}
            None if first => self.breach(Way::NoHeader, line.span.clone()),
            None => {}
        }
        match name {
            Some(b"FHS") => {
                if !first {
                    self.breach(Way::Misnested, line.span.clone());
                }
                self.envelope();
                self.file = Some(Envelope { delimiters: self.delimiters, held: 0, at: line.span.clone() });
                self.message = None;
            }
            Some(b"BHS") => {
                if let Some(open) = self.batch.take() {
                    self.breach(Way::NoTrailer, open.at);
                } else if self.message.is_some() {
                    self.breach(Way::Misnested, line.span.clone());
                }
                self.envelope();
                if let Some(file) = &mut self.file {
                    file.held += 1;
                }
                self.batch = Some(Envelope { delimiters: self.delimiters, held: 0, at: line.span.clone() });
                self.message = None;
            }
            Some(b"BTS") => {
                self.envelope();
                let batch = self.batch.take();
                self.trailer(line, batch, Way::MessageCount, delimiters);
            }
            Some(b"FTS") => {
                self.envelope();
                if let Some(open) = self.batch.take() {
                    self.breach(Way::NoTrailer, open.at);
                }
                let file = self.file.take();
                self.trailer(line, file, Way::BatchCount, delimiters);
            }
            Some(_) => {
                if self.message.is_some() && !self.enveloped && !*multiple {
                    *multiple = true;
                    self.breach(Way::SecondHeader, line.span.clone());
                } else if self.enveloped && self.file.is_none() && self.batch.is_none() {
                    self.breach(Way::OutsideMessage, line.span.clone());
                }
                if let Some(batch) = &mut self.batch {
                    batch.held += 1;
                }
                self.message = Some(self.tree.add(Some(self.root), b"", What::List, b"", line.span.clone()));
                self.segment(line, 3, true);
            }
            None => {
                if self.message.is_none() {
                    if !first {
                        self.breach(Way::OutsideMessage, line.span.clone());
                    }
                    self.message = Some(self.tree.add(Some(self.root), b"", What::List, b"", line.span.clone()));
                }
                let len = memchr::memchr(self.delimiters.field, bytes).unwrap_or(bytes.len());
                self.name(&bytes[..len], line.span.start);
                self.segment(line, len, false);
            }
        }
    }

    fn envelope(&mut self) {
        (self.enveloped, self.batched) = (true, true);
        self.fact("batch");
        self.breach(Way::Batch, 0..0);
    }

    fn trailer(&mut self, line: &Line, open: Option<Envelope>, way: Way, delimiters: Delimiters) {
        self.message = None;
        let Some(open) = open else {
            self.breach(Way::TrailerOnly, line.span.clone());
            return;
        };
        self.delimiters = open.delimiters;
        let count = parts(self.input, line.span.clone(), Some(delimiters.field)).nth(1).filter(|span| !span.is_empty());
        let Some(count) = count else { return };
        let stated = std::str::from_utf8(&self.input[count.clone()]).ok().and_then(|text| text.trim().parse().ok());
        // A file may hold messages without batches around them: nothing is counted then.
        if stated != Some(open.held) && !(way == Way::BatchCount && open.held == 0 && self.tree.len() > 1) {
            self.breach(way, count);
        }
    }

    fn name(&mut self, name: &[u8], at: usize) {
        let fits = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if name.len() != 3 || !name[0].is_ascii_uppercase() || !name.iter().all(fits) {
            self.breach(Way::BadName, at..at + name.len());
        }
        match name {
            b"ADD" => self.breach(Way::Addendum, at..at + 3),
            b"DSC" => self.breach(Way::Continued, at..at + 3),
            _ => {}
        }
    }

    /// Takes the delimiters that a header declares; for MSH, the character set too.
    fn header(&mut self, line: &Line, name: &[u8]) {
        let bytes = &self.input[line.span.clone()];
        let at = line.span.start;
        let Some((declared, encoding)) = Delimiters::declared(bytes) else {
            self.breach(Way::NoSeparator, line.span.clone());
            self.delimiters = Delimiters::default();
            self.charset = Charset::Ascii;
            return;
        };
        let here = at + encoding.start..at + encoding.end;
        match declared.field {
            byte if !byte.is_ascii() => self.breach(Way::SeparatorNotAscii, at + 3..at + 4),
            byte if byte.is_ascii_alphanumeric() => self.breach(Way::SeparatorAlphanumeric, at + 3..at + 4),
            byte if !byte.is_ascii_graphic() => self.breach(Way::SeparatorUnprintable, at + 3..at + 4),
            _ => {}
        }
        let characters = &bytes[encoding.clone()];
        if characters.iter().any(u8::is_ascii_alphanumeric) {
            self.breach(Way::EncodingAlphanumeric, here.clone());
        }
        if characters.iter().any(|byte| !byte.is_ascii_graphic()) {
            self.breach(Way::EncodingUnprintable, here.clone());
        }
        let all = &bytes[encoding.start - 1..encoding.end.min(encoding.start + 5)];
        if all.iter().enumerate().any(|(at, byte)| all[..at].contains(byte)) {
            self.breach(Way::DelimiterTwice, here.clone());
        }
        if !all.is_ascii() {
            self.readable = false;
            return;
        }
        let field = |number: usize| {
            let span = parts(bytes, encoding.end..bytes.len(), Some(declared.field)).nth(number - 2);
            span.unwrap_or(0..0)
        };
        match characters.len() {
            0 | 1 => self.breach(Way::EncodingMissing, here),
            2 | 3 => self.breach(Way::EncodingShort, here),
            4 => {}
            5 if name != b"MSH" || since_2_7(&decoded(&bytes[field(12)], &declared)) => {}
            5 => self.breach(Way::TruncationTooEarly, here),
            _ => self.breach(Way::EncodingLong, here),
        }
        self.delimiters = declared;
        if name != b"MSH" {
            self.charset = Charset::Ascii;
            return;
        }
        if bytes[encoding.end..].iter().all(|byte| *byte == declared.field) {
            self.breach(Way::NothingFollows, line.span.clone());
        }
        let mut named = field(18);
        for delimiter in [declared.repetition, declared.component, declared.subcomponent] {
            named = parts(bytes, named, delimiter).next().unwrap_or(0..0);
        }
        self.charset = Charset::named(&decoded(&bytes[named.clone()], &declared));
        if self.charset == Charset::Unknown {
            self.breach(Way::UnknownCharset, at + named.start..at + named.end);
        }
    }

    /// The text of a line, and its offset in the input where it is the input's own bytes.
    fn text(&mut self, line: &Line) -> (Cow<'a, str>, Option<usize>) {
        let bytes: &'a [u8] = &self.input[line.span.clone()];
        let text = match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => return (Cow::Borrowed(text), Some(line.span.start)),
            Ok(text) if self.charset == Charset::Ascii => {
                let at = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
                self.breach(Way::UndeclaredUtf8, line.span.start + at..line.span.end);
                return (Cow::Borrowed(text), Some(line.span.start));
            }
            _ => self.charset.decode(bytes),
        };
        match text {
            Some(Cow::Borrowed(text)) => (Cow::Borrowed(text), Some(line.span.start)),
            Some(Cow::Owned(text)) => (Cow::Owned(text), None),
            None => {
                self.breach(Way::InvalidBytes, line.span.clone());
                (String::from_utf8_lossy(bytes), None)
            }
        }
    }

    fn controls(&mut self, line: &Line) {
        let bytes = &self.input[line.span.clone()];
        // Fields are mostly text: look for any at all before looking for each.
        if bytes.iter().fold(u8::MAX, |least, byte| least.min(*byte)) >= 0x20 {
            return;
        }
        for (at, byte) in bytes.iter().enumerate() {
            let way = match byte {
                0x20.. => continue,
                0 => Way::Nul,
                b'\t' => Way::Tab,
                b'\n' => Way::LineFeedInField,
                0x0b | 0x1c => Way::BlockInData,
                // The sequences of ISO 2022 begin with it, in sets that this reader does not decode.
                0x1b if self.charset == Charset::Unknown => continue,
                _ => Way::Control,
            };
            self.breach(way, line.span.start + at..line.span.start + at + 1);
        }
    }

    /// A segment whose name is `name` bytes long, as a child of the message.
    fn segment(&mut self, line: &Line, name: usize, header: bool) {
        self.controls(line);
        let (text, base) = self.text(line);
        // A name that had to be recoded is longer or shorter than its bytes.
        let name = match base {
            Some(_) => name,
            None => memchr::memchr(self.delimiters.field, text.as_bytes())
                .unwrap_or(text.len())
                .max(3 * usize::from(header)),
        };
        let place = Place { base, line: line.span.clone() };
        let segment = self.tree.add(self.message, b"", What::Object, &text.as_bytes()[..name], line.span.clone());
        if name >= text.len() {
            return;
        }
        let mut number = 0;
        let mut rest = name + 1;
        if header {
            let field =
                parts(text.as_bytes(), rest..text.len(), Some(self.delimiters.field)).next().unwrap_or(rest..rest);
            self.tree.add(
                Some(segment),
                b"1",
                What::String,
                &text.as_bytes()[name..name + 1],
                place.span(name..name + 1),
            );
            if !field.is_empty() {
                self.tree.add(
                    Some(segment),
                    b"2",
                    What::String,
                    &text.as_bytes()[field.clone()],
                    place.span(field.clone()),
                );
            }
            number = 2;
            rest = field.end + 1;
            if field.end >= text.len() {
                return;
            }
        }
        for field in parts(text.as_bytes(), rest..text.len(), Some(self.delimiters.field)) {
            number += 1;
            if !field.is_empty() {
                self.field(segment, number, &text, field, &place);
            }
            if self.full() {
                return;
            }
        }
    }

    fn field(&mut self, segment: Id, number: usize, text: &str, field: Range<usize>, place: &Place) {
        let Delimiters { component, repetition, subcomponent, .. } = self.delimiters;
        let field = trimmed(text, field, [repetition, component, subcomponent]);
        if field.is_empty() {
            return;
        }
        let mut digits = [0; 20];
        let label = label(number, &mut digits);
        if !has(text, &field, repetition) {
            self.repetition(segment, label, text, field, place);
            return;
        }
        let list = self.tree.add(Some(segment), label, What::List, b"", place.span(field.clone()));
        for part in parts(text.as_bytes(), field, repetition) {
            let part = trimmed(text, part, [component, subcomponent, None]);
            match part.is_empty() {
                true => _ = self.tree.add(Some(list), b"", What::Empty, b"", place.span(part)),
                false => self.repetition(list, b"", text, part, place),
            }
            if self.full() {
                return;
            }
        }
    }

    fn repetition(&mut self, parent: Id, label_in: &[u8], text: &str, part: Range<usize>, place: &Place) {
        let Delimiters { component, subcomponent, .. } = self.delimiters;
        if !has(text, &part, component) && !has(text, &part, subcomponent) {
            self.leaf(parent, label_in, text, part, place);
            return;
        }
        let object = self.whole(parent, label_in, text, part.clone(), place);
        let mut digits = [0; 20];
        for (at, part) in parts(text.as_bytes(), part, component).enumerate() {
            let part = trimmed(text, part, [subcomponent, None, None]);
            let label_in = label(at + 1, &mut digits);
            if part.is_empty() {
                continue;
            } else if !has(text, &part, subcomponent) {
                self.leaf(object, label_in, text, part, place);
            } else {
                let object = self.whole(object, label_in, text, part.clone(), place);
                let mut digits = [0; 20];
                for (at, part) in parts(text.as_bytes(), part, subcomponent).enumerate() {
                    if !part.is_empty() {
                        self.leaf(object, label(at + 1, &mut digits), text, part, place);
                    }
                }
            }
            if self.full() {
                return;
            }
        }
    }

    /// An object of parts, which keeps its text with separators; decoded too, where that differs.
    fn whole(&mut self, parent: Id, label: &[u8], text: &str, part: Range<usize>, place: &Place) -> Id {
        let raw = &text.as_bytes()[part.clone()];
        let mut decoded = std::mem::take(&mut self.scratch);
        decoded.clear();
        if self.escapes(raw) {
            escape::decode(raw, &self.delimiters, self.charset, &mut decoded, |_, _| {});
        }
        let object = self.tree.add(Some(parent), label, What::Object, &decoded, place.span(part));
        self.tree.set_raw(object, raw);
        self.scratch = decoded;
        object
    }

    fn escapes(&self, raw: &[u8]) -> bool {
        self.delimiters.escape.is_some_and(|escape| memchr::memchr(escape, raw).is_some())
    }

    fn leaf(&mut self, parent: Id, label: &[u8], text: &str, part: Range<usize>, place: &Place) {
        let raw = &text.as_bytes()[part.clone()];
        if raw == b"\"\"" {
            self.tree.add(Some(parent), label, What::Null, b"", place.span(part));
            return;
        }
        if !self.escapes(raw) {
            self.tree.add(Some(parent), label, What::String, raw, place.span(part));
            return;
        }
        let mut decoded = std::mem::take(&mut self.scratch);
        decoded.clear();
        let (delimiters, charset) = (self.delimiters, self.charset);
        let start = part.start;
        escape::decode(raw, &delimiters, charset, &mut decoded, |way, span| {
            self.breach(way, place.span(start + span.start..start + span.end));
        });
        let leaf = self.tree.add(Some(parent), label, What::String, &decoded, place.span(part));
        self.tree.set_raw(leaf, raw);
        self.scratch = decoded;
    }
}

/// Where the parts of a line stand in the input.
struct Place {
    /// Offset of the line's text, unless it was recoded: its parts then have the line's own span.
    base: Option<usize>,
    line: Range<usize>,
}

impl Place {
    fn span(&self, part: Range<usize>) -> Range<usize> {
        self.base.map_or_else(|| self.line.clone(), |base| base + part.start..base + part.end)
    }
}

/// Without the delimiters at its end: what they separate there is not sent.
fn trimmed(text: &str, part: Range<usize>, delimiters: [Option<u8>; 3]) -> Range<usize> {
    let bytes = &text.as_bytes()[part.clone()];
    let kept = bytes.iter().rposition(|byte| !delimiters.contains(&Some(*byte))).map_or(0, |at| at + 1);
    part.start..part.start + kept
}

fn has(text: &str, part: &Range<usize>, delimiter: Option<u8>) -> bool {
    delimiter.is_some_and(|delimiter| memchr::memchr(delimiter, &text.as_bytes()[part.clone()]).is_some())
}

/// A number in decimal.
fn label(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 || at == 0 {
            return &digits[at..];
        }
    }
}

/// A value of a header that steers how the rest is read.
fn decoded(value: &[u8], delimiters: &Delimiters) -> Vec<u8> {
    let mut decoded = Vec::new();
    escape::decode(value, delimiters, Charset::Ascii, &mut decoded, |_, _| {});
    decoded
}

/// Whether MSH-12 names v2.7 or a later one.
fn since_2_7(version: &[u8]) -> bool {
    let digits = version.split(|byte| !byte.is_ascii_digit() && *byte != b'.').next().unwrap_or_default();
    let mut numbers =
        digits.split(|byte| *byte == b'.').map(|part| std::str::from_utf8(part).ok()?.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(2), Some(minor)) => minor >= 7,
        (Some(major), _) => major > 2,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Policy, Side};

    /// A tree in one line: messages in brackets, fields by number, lists and parts in parentheses.
    fn line(tree: &Tree, id: Id) -> String {
        let below = |open: &str, close: &str| {
            let parts: Vec<String> = tree.children(id).map(|child| line(tree, child)).collect();
            format!("{open}{}{close}", parts.join(" "))
        };
        let label = String::from_utf8_lossy(tree.label(id)).into_owned();
        let label = if label.is_empty() { label } else { label + "=" };
        let text = String::from_utf8_lossy(tree.text(id)).into_owned();
        match tree.what(id) {
            What::List => label + &below("[", "]"),
            What::Object if tree.kept_raw(id).is_none() => below(&format!("{text}("), ")"),
            What::Object => label + &below("(", ")"),
            What::String => format!("{label}{text}"),
            what => format!("{label}<{}>", what.name()),
        }
    }

    fn shown(input: &[u8]) -> (String, Vec<String>, Vec<&'static str>) {
        let reading = read(input);
        let tree = reading.tree.as_ref().map_or("none".to_owned(), |tree| line(tree, 0));
        let case = |breach: &crate::reading::Breach| format!("{}/{}", breach.case.rule, breach.case.name);
        (tree, reading.breaches.iter().map(case).collect(), reading.transport)
    }

    #[test]
    fn inputs_are_read_and_judged() {
        let table: &[(&[u8], &str, &[&str])] = &[
            (
                b"MSH|^~\\&|A|B^C\rPID|1||2~~3^4&5||\"\"|x&y|\r",
                "[[MSH(1=| 2=^~\\& 3=A 4=(1=B 2=C)) PID(1=1 3=[2 <empty> (1=3 2=(1=4 2=5))] 5=<null> 6=(1=(1=x 2=y)))]]",
                &[],
            ),
            (b"", "none", &["H01/empty"]),
            (b"\r\n", "none", &["H07/return-line-feed", "H08/blank-line", "H01/empty"]),
            (b"MSH", "[[MSH()]]", &["H02/missing", "H07/last-segment-unended"]),
            (b"MSH|^~\\&", "[[MSH(1=| 2=^~\\&)]]", &["H05/nothing-follows", "H07/last-segment-unended"]),
            (b"PID|1\r", "[[PID(1=1)]]", &["H01/no-header"]),
            (b"MSHA^~\\&AB\r", "[[MSH(1=A 2=^~\\& 3=B)]]", &["H02/alphanumeric"]),
            (b"MSH\xc2\xa7^~\\&\xc2\xa7B\r", "none", &["H02/not-ascii", "H03/not-printable"]),
            (b"MSH|^~|A\\B&C\r", "[[MSH(1=| 2=^~ 3=A\\B&C)]]", &["H03/short"]),
            (b"MSH|^^\\&|A\r", "[[MSH(1=| 2=^^\\& 3=A)]]", &["H04/same-delimiter"]),
            (b"MSH|^~\\&|A\nPID|B\n", "[[MSH(1=| 2=^~\\& 3=A) PID(1=B)]]", &["H07/line-feed"]),
            (b"MSH|^~\\&|A\nPID|B\r", "[[MSH(1=| 2=^~\\& 3=A\nPID 4=B)]]", &["H07/line-feed-in-field"]),
            (
                b"MSH|^~\\&|A\r\nP!D|B\r\n",
                "[[MSH(1=| 2=^~\\& 3=A) P!D(1=B)]]",
                &["H07/return-line-feed", "H07/return-line-feed", "H08/name"],
            ),
            (
                b"MSH|^~\\&|A\rMSH|#~\\&|A#B\r",
                "[[MSH(1=| 2=^~\\& 3=A)] [MSH(1=| 2=#~\\& 3=(1=A 2=B))]]",
                &["H20/second-header"],
            ),
            (b"\x0bMSH|^~\\&|A\r\x1c\r", "[[MSH(1=| 2=^~\\& 3=A)]]", &["H19/framed"]),
            (
                b"MSH|^~\\&|A\x1c\r\x0bMSH|^~\\&|B\r",
                "[[MSH(1=| 2=^~\\& 3=A\x1c) \x0bMSH(1=[<empty> \\] 2=B)]]",
                &["H19/block-in-data", "H08/name", "H19/block-in-data", "H13/unterminated"],
            ),
            (
                b"FHS|^~\\&\rBHS#^~\\&\rMSH|^~\\&|A\rMSH|^~\\&|B\rBTS#2\rFTS|1\r",
                "[[MSH(1=| 2=^~\\& 3=A)] [MSH(1=| 2=^~\\& 3=B)]]",
                &["H17/batch", "H17/batch"],
            ),
            (
                b"BHS|^~\\&\rMSH|^~\\&|A\rBTS|2\rZZZ|1\r",
                "[[MSH(1=| 2=^~\\& 3=A)] [ZZZ(1=1)]]",
                &["H17/batch", "H17/batch", "H17/message-count", "H01/outside-message"],
            ),
            (b"BHS|^~\\&\rBTS|0\r", "[]", &["H17/batch", "H17/batch"]),
            (b"MSH|^~\\&|\xc3\x9c\r", "[[MSH(1=| 2=^~\\& 3=\u{dc})]]", &["H16/undeclared-utf-8"]),
            (b"MSH|^~\\&|\xdc|||||||||||||||8859/1\r", "[[MSH(1=| 2=^~\\& 3=\u{dc} 18=8859/1)]]", &[]),
            (b"MSH|^~\\&|\xdc\r", "[[MSH(1=| 2=^~\\& 3=\u{fffd})]]", &["H16/invalid-bytes"]),
            (
                b"\xef\xbb\xbf MSH|^~\\&|A\0\t\r",
                "[[MSH(1=| 2=^~\\& 3=A\0\t)]]",
                &["H01/byte-order-mark", "H01/leading-blanks", "H21/nul", "H21/tab"],
            ),
            (b"M\0S\0H\0", "none", &["H16/utf-16"]),
            (b"MSH|^~\\&#|A|||||||||2.6\r", "[[MSH(1=| 2=^~\\&# 3=A 12=2.6)]]", &["H03/truncation-before-2-7"]),
            (b"MSH|^~\\&#|A|||||||||2.7.1\r", "[[MSH(1=| 2=^~\\&# 3=A 12=2.7.1)]]", &[]),
        ];
        for (input, tree, breaches) in table {
            let (found, cases, _) = shown(input);
            assert_eq!(
                (found.as_str(), cases.as_slice()),
                (*tree, &breaches.iter().map(|case| case.to_string()).collect::<Vec<_>>()[..]),
                "{:?}",
                String::from_utf8_lossy(input)
            );
        }
    }

    #[test]
    fn a_hostile_input_does_not_hide_a_breach_behind_others() {
        let input = [&b"MSH|^~\\&|A"[..], &vec![0; 1000], b"\rp|1\r"].concat();
        let cases = shown(&input).1;
        assert_eq!(cases, ["H21/nul", "H21/nul", "H08/name"]);
        assert_eq!(read(&input).side(Policy::TolerantReader), Side::Reject);
    }
}
