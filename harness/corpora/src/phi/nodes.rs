//! Objects of a document, whatever its syntax: what JSON and XML have in common for who looks for fields. Readers that
//! take anything: inputs of a fuzzer are seldom well-formed, and other readers take anything too.

use super::forms;

/// Objects that are kept of one form.
const NODES_MAX: usize = 50_000;
/// Members that are kept of one form.
const MEMBERS_MAX: usize = 200_000;
/// Names of fields are shorter, bytes; of longer ones the beginning counts.
const KEY_BYTES_MAX: usize = 64;
/// Objects within objects that are told apart.
const DEPTH_MAX: usize = 10_000;

/// A value that is no object.
pub struct Member {
    /// Its name, lower case.
    pub key: String,
    /// Its text, escapes undone.
    pub value: String,
    /// Where it stands, bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// An object, or an element with others in it.
pub struct Node {
    /// The object that holds it.
    pub parent: Option<usize>,
    /// Its name there, lower case; items of an array have the array's.
    pub key: String,
    /// Type of the resource that it is, lower case.
    pub resource: Option<String>,
    /// The node that says what resource this one is in.
    typed: Option<usize>,
    /// Values in it.
    pub members: Vec<Member>,
}

impl Node {
    /// The first member of that name.
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.key == key)
    }

    /// Members of that name.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Member> {
        self.members.iter().filter(move |member| member.key == key)
    }
}

/// All objects; the first is the document itself.
pub struct Nodes {
    /// In the order of their beginnings.
    pub list: Vec<Node>,
    /// Whether a limit was met: something was not looked at.
    pub is_cut: bool,
    members: usize,
}

impl Nodes {
    fn new() -> Self {
        let document = Node { parent: None, key: String::new(), resource: None, typed: None, members: Vec::new() };
        Self { list: vec![document], is_cut: false, members: 0 }
    }

    fn open(&mut self, parent: usize, key: &str) -> usize {
        if self.list.len() >= NODES_MAX {
            self.is_cut = true;
            return parent;
        }
        let key = key.to_lowercase();
        self.list.push(Node { parent: Some(parent), key, resource: None, typed: None, members: Vec::new() });
        self.list.len() - 1
    }

    fn add(&mut self, node: usize, key: &str, value: String, start: usize, end: usize) {
        self.members += 1;
        if self.members > MEMBERS_MAX {
            self.is_cut = true;
            return;
        }
        let key = key.to_lowercase();
        if key == "resourcetype" {
            self.list[node].resource = Some(value.to_lowercase());
        }
        self.list[node].members.push(Member { key, value, start, end });
    }

    /// The type of the resource that a node is in.
    pub fn resource(&self, node: usize) -> &str {
        let typed = self.list[node].typed.and_then(|typed| self.list[typed].resource.as_deref());
        typed.unwrap_or_default()
    }

    /// Once all are read: a resource may say its type behind what it holds. Whoever holds a node stands before it.
    fn with_types(mut self) -> Self {
        for at in 0..self.list.len() {
            let node = &self.list[at];
            let own = node.resource.is_some().then_some(at);
            self.list[at].typed = own.or_else(|| node.parent.and_then(|parent| self.list[parent].typed));
        }
        self
    }

    /// The name of the node that holds this one.
    pub fn parent_key(&self, node: usize) -> &str {
        self.list[node].parent.map_or("", |parent| &self.list[parent].key)
    }
}

/// Objects of what may be JSON.
pub fn json(bytes: &[u8]) -> Nodes {
    let mut nodes = Nodes::new();
    // Per bracket: the node, the key of its items, whether it is an object.
    let mut stack: Vec<(usize, String, bool)> = vec![(0, String::new(), false)];
    // Brackets too deep to be kept: their closers close them and nothing else.
    let mut skipped = 0_usize;
    let mut key: Option<String> = None;
    let mut at = 0;
    while at < bytes.len() {
        nodes.is_cut |= skipped > 0 && !is_frame(bytes[at]);
        let (node, array_key, is_object) = stack.last().cloned().unwrap_or_default();
        let name = key.clone().unwrap_or_else(|| if is_object { String::new() } else { array_key.clone() });
        match bytes[at] {
            b'{' | b'[' => {
                let is_object = bytes[at] == b'{';
                if stack.len() < DEPTH_MAX {
                    let node = if is_object { nodes.open(node, &name) } else { node };
                    stack.push((node, name, is_object));
                } else {
                    skipped += 1;
                }
                key = None;
                at += 1;
            }
            b'}' | b']' => {
                if skipped > 0 {
                    skipped -= 1;
                } else if stack.len() > 1 {
                    stack.pop();
                }
                key = None;
                at += 1;
            }
            b'"' => {
                let (text, end) = string(bytes, at + 1);
                let colon = bytes[end..].iter().position(|c| !c.is_ascii_whitespace()).map(|skip| end + skip);
                match colon.filter(|colon| bytes[*colon] == b':' && is_object && key.is_none()) {
                    Some(colon) => {
                        key = Some(text.chars().take(KEY_BYTES_MAX).collect());
                        at = colon + 1;
                    }
                    None => {
                        nodes.add(node, &name, text, at + 1, end.saturating_sub(1).max(at + 1));
                        key = None;
                        at = end;
                    }
                }
            }
            c if c.is_ascii_whitespace() || matches!(c, b',' | b':') => {
                if c == b',' {
                    key = None;
                }
                at += 1;
            }
            _ => {
                let end = bytes[at..].iter().position(|c| c.is_ascii_whitespace() || b",:]}[{\"".contains(c));
                let end = end.map_or(bytes.len(), |length| at + length.max(1));
                // `null` is nobody's name.
                if !matches!(&bytes[at..end], b"null" | b"true" | b"false") {
                    nodes.add(node, &name, text(&bytes[at..end]), at, end);
                }
                key = None;
                at = end;
            }
        }
    }
    nodes.with_types()
}

/// Brackets and what stands between values: nobody's name.
fn is_frame(c: u8) -> bool {
    c.is_ascii_whitespace() || b"{}[],:".contains(&c)
}

/// A string from behind its quotation mark; where it ends, the mark included.
fn string(bytes: &[u8], start: usize) -> (String, usize) {
    let mut end = start;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    let end = end.min(bytes.len());
    (text(&forms::json_unescaped(&bytes[start..end])), (end + 1).min(bytes.len()))
}

/// Elements of what may be XML: FHIR's `<family value="…"/>`, and text between tags.
pub fn xml(bytes: &[u8]) -> Nodes {
    let mut nodes = Nodes::new();
    let mut stack: Vec<(usize, String)> = vec![(0, String::new())];
    // Elements too deep to be kept: their ends end them and nothing else.
    let mut skipped = 0_usize;
    let mut has_sections = true;
    let mut at = 0;
    while let Some(open) = bytes[at..].iter().position(|c| *c == b'<').map(|skip| at + skip) {
        let (node, name) = stack.last().cloned().unwrap_or_default();
        // Text belongs to the element around it: a member of what holds that element.
        let holder = nodes.list[node].parent.unwrap_or(0);
        let content = bytes[at..open].trim_ascii();
        let content = content.strip_suffix(b"]]>").unwrap_or(content);
        if !content.is_empty() {
            nodes.is_cut |= skipped > 0;
            nodes.add(holder, &name, text(&forms::xml_unescaped(content)), at, open);
        }
        if let Some(section) = bytes[open..].strip_prefix(b"<![CDATA[") {
            let start = open + 9;
            at = start;
            // A section may hold a document of its own: that is read like what stands around it.
            if has_sections && section.trim_ascii_start().first() != Some(&b'<') {
                let end = section.windows(3).position(|three| three == b"]]>").map(|length| start + length);
                has_sections = end.is_some();
                if let Some(end) = end {
                    nodes.is_cut |= skipped > 0;
                    nodes.add(holder, &name, text(&bytes[start..end]), start, end);
                    at = end + 3;
                }
            }
            continue;
        }
        let close = bytes[open..].iter().position(|c| *c == b'>').map_or(bytes.len(), |skip| open + skip);
        let tag = &bytes[open + 1..close];
        at = (close + 1).min(bytes.len());
        match tag.first() {
            Some(b'/') => {
                if skipped > 0 {
                    skipped -= 1;
                } else if stack.len() > 1 {
                    stack.pop();
                }
            }
            Some(b'!' | b'?') | None => {}
            Some(_) => {
                let end = tag.iter().position(|c| c.is_ascii_whitespace() || *c == b'/').unwrap_or(tag.len());
                let full = String::from_utf8_lossy(&tag[..end.min(KEY_BYTES_MAX)]).into_owned();
                let local = full.rsplit(':').next().unwrap_or_default().to_owned();
                let is_closed = tag.ends_with(b"/");
                nodes.is_cut |= skipped > 0 && tag.contains(&b'=');
                attributes(&mut nodes, node, &local, tag, open + 1);
                if !is_closed && stack.len() >= DEPTH_MAX {
                    skipped += 1;
                } else if !is_closed {
                    let inner = nodes.open(node, &local);
                    if local.starts_with(|c: char| c.is_ascii_uppercase()) {
                        nodes.list[inner].resource = Some(local.to_lowercase());
                    }
                    stack.push((inner, local));
                }
            }
        }
    }
    nodes.with_types()
}

/// `value="…"` is the element's value in FHIR; HL7 v3 has `extension="…"` for identifiers and `value` for the rest.
fn attributes(nodes: &mut Nodes, node: usize, element: &str, tag: &[u8], base: usize) {
    let mut at = 0;
    while let Some(equals) = tag[at..].iter().position(|c| *c == b'=').map(|skip| at + skip) {
        // Space may stand around the sign.
        let window = tag[equals.saturating_sub(KEY_BYTES_MAX)..equals].trim_ascii_end();
        let name = window.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
        let behind = equals + 1 + tag[equals + 1..].iter().take_while(|c| c.is_ascii_whitespace()).count();
        let Some(quote) = tag.get(behind).copied().filter(|c| matches!(c, b'"' | b'\'')) else {
            at = behind;
            continue;
        };
        let start = behind + 1;
        let end = tag[start..].iter().position(|c| *c == quote).map_or(tag.len(), |length| start + length);
        let value = text(&forms::xml_unescaped(&tag[start..end]));
        if matches!(name, b"value" | b"extension") {
            nodes.add(node, element, value, base + start, base + end);
        }
        at = (end + 1).min(tag.len());
    }
}

/// UTF-8, or else Latin-1: each byte is a letter, which is what it mostly is.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}
