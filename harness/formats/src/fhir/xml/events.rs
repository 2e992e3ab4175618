//! XML as FHIR reads it: quick-xml's events with spans, namespaces and references resolved, and those checks of
//! well-formedness that quick-xml leaves to its caller. Linear in time and memory, without recursion; nothing is expanded.

use super::{
    AMPERSAND, CDATA_END, CHARACTER, COMMENT, DECLARATION, DECLARED_ENCODING, DEEP, DEPTH_STRICT, DOCTYPE,
    DUPLICATE_ATTRIBUTE, ENTITY_DECLARATION, LESS_THAN, MISMATCHED_END, NAME, NAMED_ENTITY, NO_ROOT, NOT_UTF_8,
    OUTSIDE, PREFIX, SECOND_ROOT, SYNTAX, UNCLOSED, VERSION, WIDE_ENCODING,
};
use crate::reading::{BREACHES_MAX, Breach};
use crate::rules::Case;
use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::Event as Raw;
use quick_xml::events::attributes::Attributes;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// A namespace, by number: names of namespaces may be long, and elements many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Namespace(u32);

impl Namespace {
    /// None.
    pub const NONE: Self = Self(0);
    /// `http://hl7.org/fhir`.
    pub const FHIR: Self = Self(1);
    /// `http://www.w3.org/1999/xhtml`.
    pub const XHTML: Self = Self(2);
    /// That of `xml:lang`.
    pub const XML: Self = Self(3);
    /// That of `xsi:schemaLocation`.
    pub const SCHEMA_INSTANCE: Self = Self(4);
}

const KNOWN: [&str; 5] = [
    "",
    "http://hl7.org/fhir",
    "http://www.w3.org/1999/xhtml",
    "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2001/XMLSchema-instance",
];

/// What comes next in a document. Text may come in several pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// An element begins: see [`Events::attributes`].
    Start(Name<'a>),
    /// The innermost element ends.
    End,
    /// Text, with references resolved and line ends as U+000A.
    Text(Cow<'a, str>),
    /// A CDATA section's text.
    Cdata(Cow<'a, str>),
    /// A comment, without its marks.
    Comment(&'a str),
    /// A processing instruction, without its marks.
    Instruction(&'a str),
    /// A document type declaration; nothing that it declares is known.
    Doctype,
}

/// An element's or attribute's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// Its namespace.
    pub namespace: Namespace,
    /// Without prefix.
    pub local: &'a str,
    /// Whether it is written with a prefix.
    pub is_prefixed: bool,
}

/// An attribute that is no namespace declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: Name<'a>,
    /// Its value, normalised as XML wants it.
    pub value: Cow<'a, str>,
    /// Where its value stands, bytes.
    pub span: Range<usize>,
}

/// The events of a document.
pub struct Events<'a> {
    input: &'a str,
    reader: Reader<&'a [u8]>,
    start: usize,
    scopes: Scopes<'a>,
    attributes: Vec<Attribute<'a>>,
    depth: usize,
    had_root: bool,
    is_deep: bool,
    ends_at_once: bool,
    is_over: bool,
    /// What was found wrong so far, at most [`BREACHES_MAX`].
    pub breaches: Vec<Breach>,
}

/// The text of a document's bytes and how many come before it; `None` and the reason where it is no UTF-8.
pub fn text(input: &[u8]) -> Result<(&str, usize), Breach> {
    let wide = [&b"\xff\xfe"[..], b"\xfe\xff", b"<\0", b"\0<", b"\0\0"].iter().any(|mark| input.starts_with(mark));
    if wide {
        return Err(Breach { case: WIDE_ENCODING, span: 0..input.len().min(4) });
    }
    let (input, start) = input.strip_prefix(b"\xef\xbb\xbf").map_or((input, 0), |rest| (rest, 3));
    let wrong = |error: std::str::Utf8Error| {
        let at = start + error.valid_up_to();
        Breach { case: NOT_UTF_8, span: at..at + error.error_len().unwrap_or(1) }
    };
    std::str::from_utf8(input).map(|text| (text, start)).map_err(wrong)
}

impl<'a> Events<'a> {
    /// The events of `input`, whose first byte is number `start` of what spans count.
    pub fn new(input: &'a str, start: usize) -> Self {
        // Readers below take a mark for encoding and do not count its bytes; here the text is decoded already.
        let text = input.trim_start_matches('\u{feff}');
        let marks = input.len() - text.len();
        let (input, start) = (text, start + marks);
        let mut reader = Reader::from_reader(input.as_bytes());
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.check_comments = false;
        let mut events = Self {
            input,
            reader,
            start,
            scopes: Scopes::new(),
            attributes: Vec::new(),
            depth: 0,
            had_root: false,
            is_deep: false,
            ends_at_once: false,
            is_over: false,
            breaches: Vec::new(),
        };
        if marks > 0 {
            events.breaches.push(Breach { case: SYNTAX, span: start - marks..start });
        }
        events.check_characters();
        events
    }

    /// The attributes of the element that began last; namespace declarations are none.
    pub fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }

    /// Elements that are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The name of a namespace.
    pub fn uri(&self, namespace: Namespace) -> &str {
        &self.scopes.uris[namespace.0 as usize]
    }

    /// Notes what is wrong with the stretch of text that `span` is.
    pub fn breach(&mut self, case: &'static Case, span: Range<usize>) {
        if self.breaches.len() < BREACHES_MAX {
            let span = self.start + span.start..self.start + span.end;
            self.breaches.push(Breach { case, span });
        }
    }

    /// What comes next, and where it stands in the text; `None` at the end, or where nothing after can be read. What is
    /// open then ends there.
    pub fn next_event(&mut self) -> Option<(Event<'a>, Range<usize>)> {
        loop {
            if std::mem::take(&mut self.ends_at_once) {
                let at = self.position();
                self.close();
                return Some((Event::End, at..at));
            }
            if self.is_over {
                return None;
            }
            let from = self.position();
            let raw = match self.reader.read_event() {
                Ok(raw) => raw,
                Err(error) => {
                    self.is_over = true;
                    let case = match error {
                        Error::IllFormed(
                            IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_),
                        ) => MISMATCHED_END,
                        _ => SYNTAX,
                    };
                    self.breach(case, from..self.position().max(from));
                    return None;
                }
            };
            let span = from..self.position();
            let inside = |open: usize, close: usize| &self.input[span.start + open..span.end - close];
            let event = match raw {
                Raw::Eof => {
                    self.is_over = true;
                    match (self.depth, self.had_root) {
                        (0, true) => {}
                        (0, false) => self.breach(NO_ROOT, span),
                        _ => self.breach(UNCLOSED, span),
                    }
                    return None;
                }
                Raw::Start(tag) => {
                    let (content, name) = (inside(1, 1), tag.name().as_ref().len());
                    Event::Start(self.open(content, name, span.start + 1))
                }
                Raw::Empty(tag) => {
                    let (content, name) = (inside(1, 2), tag.name().as_ref().len());
                    self.ends_at_once = true;
                    Event::Start(self.open(content, name, span.start + 1))
                }
                Raw::End(_) => {
                    self.close();
                    Event::End
                }
                Raw::Text(_) => {
                    let text = inside(0, 0);
                    if text.contains("]]>") {
                        self.breach(CDATA_END, span.clone());
                    }
                    if text.contains('&') {
                        self.breach(AMPERSAND, span.clone());
                    }
                    self.outside(text, &span);
                    Event::Text(lines(text))
                }
                Raw::GeneralRef(_) => {
                    let name = inside(1, 1);
                    let text = self.referred(name, span.clone());
                    self.outside("&", &span);
                    Event::Text(text.map_or(inside_of(self.input, &span), |one| Cow::Owned(one.to_string())))
                }
                Raw::CData(_) => {
                    let text = inside(9, 3);
                    self.outside("<", &span);
                    Event::Cdata(lines(text))
                }
                Raw::Comment(_) => {
                    let text = inside(4, 3);
                    if text.contains("--") || text.ends_with('-') {
                        self.breach(COMMENT, span.clone());
                    }
                    Event::Comment(text)
                }
                Raw::Decl(_) => {
                    let text = inside(2, 2);
                    self.declaration(text, &span);
                    continue;
                }
                Raw::PI(_) => {
                    let text = inside(2, 2);
                    let target = text.split(BLANKS).next().unwrap_or_default();
                    if !is_name(target) || target.contains(':') || target.eq_ignore_ascii_case("xml") {
                        self.breach(NAME, span.clone());
                    }
                    Event::Instruction(text)
                }
                Raw::DocType(_) => {
                    let text = inside(2, 1);
                    self.breach(DOCTYPE, span.clone());
                    if text.contains("<!ENTITY") {
                        self.breach(ENTITY_DECLARATION, span.clone());
                    }
                    if self.had_root {
                        self.breach(SYNTAX, span.clone());
                    }
                    Event::Doctype
                }
            };
            return Some((event, span));
        }
    }

    fn position(&self) -> usize {
        (self.reader.buffer_position() as usize).min(self.input.len())
    }

    /// Control characters and the two that are none, U+FFFE and U+FFFF, wherever they stand.
    fn check_characters(&mut self) {
        let bytes = self.input.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            let wrong = match byte {
                0..0x20 => !matches!(byte, b'\t' | b'\n' | b'\r'),
                0xef => matches!(bytes.get(at + 1..at + 3), Some(b"\xbf\xbe" | b"\xbf\xbf")),
                _ => false,
            };
            if wrong {
                self.breach(CHARACTER, at..at + 1);
            }
        }
    }

    fn declaration(&mut self, text: &'a str, span: &Range<usize>) {
        let mut names = Vec::new();
        for attribute in Attributes::new(text, 3).with_checks(false) {
            let Ok(attribute) = attribute else { return self.breach(DECLARATION, span.clone()) };
            let value = attribute.value.as_ref();
            let fits = match attribute.key.as_ref() {
                b"version" => {
                    if value == b"1.1" {
                        self.breach(VERSION, span.clone());
                    }
                    value == b"1.0" || value == b"1.1"
                }
                b"encoding" => {
                    if !value.eq_ignore_ascii_case(b"utf-8") {
                        self.breach(DECLARED_ENCODING, span.clone());
                    }
                    true
                }
                b"standalone" => value == b"yes" || value == b"no",
                _ => false,
            };
            if !fits {
                self.breach(DECLARATION, span.clone());
            }
            names.push(attribute.key.0);
        }
        let order: [&[&[u8]]; 4] = [
            &[b"version"],
            &[b"version", b"encoding"],
            &[b"version", b"standalone"],
            &[b"version", b"encoding", b"standalone"],
        ];
        if span.start > 0 || !order.contains(&&names[..]) {
            self.breach(DECLARATION, span.clone());
        }
    }

    /// Text may stand in the root only; blanks anywhere.
    fn outside(&mut self, text: &str, span: &Range<usize>) {
        if self.depth == 0 && !text.trim_matches(BLANKS).is_empty() {
            self.breach(OUTSIDE, span.clone());
        }
    }

    /// The character of a reference; `None` where it is kept as written.
    fn referred(&mut self, name: &str, span: Range<usize>) -> Option<char> {
        let number = name.strip_prefix('#');
        let character = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "apos" => Some('\''),
            "quot" => Some('"'),
            _ => number.and_then(|digits| {
                let (digits, radix) = digits.strip_prefix('x').map_or((digits, 10), |digits| (digits, 16));
                let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                is_number.then(|| u32::from_str_radix(digits, radix).ok()).flatten().and_then(char::from_u32)
            }),
        };
        match character {
            Some('\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}') => {
                self.breach(CHARACTER, span);
            }
            None if number.is_some() => self.breach(CHARACTER, span),
            None => self.breach(NAMED_ENTITY, span),
            Some(_) => {}
        }
        character
    }

    fn open(&mut self, content: &'a str, name: usize, at: usize) -> Name<'a> {
        let tag = at - 1..at + content.len();
        if self.depth == 0 && std::mem::replace(&mut self.had_root, true) {
            self.breach(SECOND_ROOT, tag.clone());
        }
        self.depth += 1;
        if self.depth > DEPTH_STRICT && !std::mem::replace(&mut self.is_deep, true) {
            self.breach(DEEP, tag.clone());
        }
        let mut written = Vec::new();
        for attribute in Attributes::new(content, name).with_checks(false) {
            // Where one attribute cannot be read the rest cannot either.
            let Ok(attribute) = attribute else {
                self.breach(SYNTAX, tag.clone());
                break;
            };
            let key = attribute.key.0;
            // Both are stretches of `content`: their place is how far they begin behind its beginning.
            let offset = |bytes: &[u8]| bytes.as_ptr() as usize - content.as_ptr() as usize;
            let key = &content[offset(key)..][..key.len()];
            let Cow::Borrowed(value) = attribute.value else { continue };
            let value = &content[offset(value)..][..value.len()];
            if !content[..offset(key.as_bytes())].ends_with(BLANKS) {
                self.breach(SYNTAX, tag.clone());
            }
            let from = at + offset(value.as_bytes());
            let value = self.value(value, from);
            written.push((key, value, from));
        }
        for (key, value, _) in &written {
            let declared = key.strip_prefix("xmlns:").or_else(|| (*key == "xmlns").then_some(""));
            if let Some(prefix) = declared {
                self.scopes.declare(self.depth, prefix, value);
            }
        }
        self.attributes.clear();
        for (key, value, from) in written {
            let is_declaration = key == "xmlns" || key.starts_with("xmlns:");
            if is_declaration {
                continue;
            }
            let name = self.name(key, false, &tag);
            let span = from..from + value.len();
            self.attributes.push(Attribute { name, value, span });
        }
        self.check_duplicates(&tag);
        self.name(&content[..name], true, &tag)
    }

    fn check_duplicates(&mut self, tag: &Range<usize>) {
        let mut names: Vec<_> = self.attributes.iter().map(|one| (one.name.namespace, one.name.local)).collect();
        names.sort_unstable();
        for _ in names.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.breach(DUPLICATE_ATTRIBUTE, tag.clone());
        }
    }

    fn name(&mut self, written: &'a str, is_element: bool, tag: &Range<usize>) -> Name<'a> {
        if !is_name(written) {
            self.breach(NAME, tag.clone());
        }
        let (prefix, local) = written.split_once(':').map_or((None, written), |(prefix, local)| (Some(prefix), local));
        let namespace = match (prefix, is_element) {
            (None, false) => Some(Namespace::NONE),
            (None, true) => Some(self.scopes.resolve("").unwrap_or(Namespace::NONE)),
            (Some(prefix), _) => self.scopes.resolve(prefix),
        };
        if namespace.is_none() {
            self.breach(PREFIX, tag.clone());
        }
        Name { namespace: namespace.unwrap_or(Namespace::NONE), local, is_prefixed: prefix.is_some() }
    }

    /// An attribute's value: references resolved, tabs and line ends as written are blanks.
    fn value(&mut self, raw: &'a str, at: usize) -> Cow<'a, str> {
        if raw.contains('<') {
            self.breach(LESS_THAN, at..at + raw.len());
        }
        if !raw.contains(['&', '\t', '\n', '\r']) {
            return Cow::Borrowed(raw);
        }
        let mut text = String::with_capacity(raw.len());
        let mut from = 0;
        while let Some(&byte) = raw.as_bytes().get(from) {
            let rest = &raw[from..];
            let taken = match byte {
                b'\r' | b'\n' | b'\t' => {
                    text.push(' ');
                    if rest.starts_with("\r\n") { 2 } else { 1 }
                }
                b'&' => {
                    // A reference's name is short: what is longer than any is an ampersand by itself.
                    let end = rest.bytes().take(NAME_BYTES_MAX).position(|byte| byte == b';');
                    let span = at + from..at + from + end.unwrap_or(0) + 1;
                    match end.map(|end| &rest[1..end]) {
                        Some(name) if is_name(name.trim_start_matches('#')) || name.starts_with('#') => {
                            match self.referred(name, span) {
                                Some(character) => text.push(character),
                                None => text.push_str(&rest[..name.len() + 2]),
                            }
                            name.len() + 2
                        }
                        _ => {
                            self.breach(AMPERSAND, span);
                            text.push('&');
                            1
                        }
                    }
                }
                _ => {
                    let end = rest.find(['&', '\t', '\n', '\r']).unwrap_or(rest.len());
                    text.push_str(&rest[..end]);
                    end
                }
            };
            from += taken;
        }
        Cow::Owned(text)
    }

    fn close(&mut self) {
        self.scopes.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
    }
}

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];
/// The longest entity name of HTML has 31 letters.
const NAME_BYTES_MAX: usize = 40;

fn inside_of<'a>(input: &'a str, span: &Range<usize>) -> Cow<'a, str> {
    Cow::Borrowed(&input[span.clone()])
}

fn lines(text: &str) -> Cow<'_, str> {
    match text.contains('\r') {
        true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(text),
    }
}

/// Whether it is a qualified name of XML 1.0 (fifth edition).
fn is_name(text: &str) -> bool {
    let start = |one: char| {
        matches!(one, 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
            | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
            | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
            | '\u{10000}'..='\u{effff}')
    };
    let goes_on = |one: char| {
        start(one) || matches!(one, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
    };
    let mut parts = text.split(':');
    let fits = |part: &str| part.starts_with(start) && part.chars().all(goes_on);
    parts.next().is_some_and(fits) && parts.next().is_none_or(fits) && parts.next().is_none()
}

/// Which prefixes stand for which namespaces.
struct Scopes<'a> {
    uris: Vec<String>,
    numbers: BTreeMap<String, u32>,
    /// The declarations of a prefix that are in force, the innermost last.
    bound: BTreeMap<&'a str, Vec<Namespace>>,
    /// What was declared at which depth, in order.
    declared: Vec<(usize, &'a str)>,
}

impl<'a> Scopes<'a> {
    fn new() -> Self {
        Self {
            uris: KNOWN.map(str::to_owned).to_vec(),
            numbers: KNOWN.iter().zip(0..).map(|(uri, number)| ((*uri).to_owned(), number)).collect(),
            bound: BTreeMap::from([("xml", vec![Namespace::XML])]),
            declared: Vec::new(),
        }
    }

    fn declare(&mut self, depth: usize, prefix: &'a str, uri: &str) {
        let number = self.numbers.get(uri).copied().unwrap_or_else(|| {
            let number = self.uris.len() as u32;
            self.uris.push(uri.to_owned());
            self.numbers.insert(uri.to_owned(), number);
            number
        });
        self.bound.entry(prefix).or_default().push(Namespace(number));
        self.declared.push((depth, prefix));
    }

    fn resolve(&self, prefix: &str) -> Option<Namespace> {
        self.bound.get(prefix).and_then(|bound| bound.last()).copied()
    }

    fn leave(&mut self, depth: usize) {
        while let Some((_, prefix)) = self.declared.pop_if(|declared| declared.0 >= depth) {
            if let Some(bound) = self.bound.get_mut(prefix) {
                bound.pop();
            }
        }
    }
}
