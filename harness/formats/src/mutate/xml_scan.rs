//! Where the elements and attributes of an XML text stand, however broken it is: what the token mutators edit. Like the
//! scanner of JSON: finds places, judges nothing, is linear and does not recurse.

use super::Dice;
use super::scan::replace;
use std::ops::Range;

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its name in the start tag.
    pub name: Range<usize>,
    /// The start tag.
    pub open: Range<usize>,
    /// The end tag; empty where there is none.
    pub close: Range<usize>,
    /// Its attributes' numbers.
    pub attributes: Range<usize>,
    /// What holds it.
    pub parent: Option<usize>,
    /// The number after the last one below it.
    pub next: usize,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: Range<usize>,
    /// Its value, without quotes.
    pub value: Range<usize>,
    /// Both, with the quotes.
    pub span: Range<usize>,
    /// Whose it is.
    pub element: usize,
}

/// The elements of a text.
pub struct XmlScan<'a> {
    /// The text.
    pub bytes: &'a [u8],
    /// Its elements in the order in which they begin.
    pub elements: Vec<Element>,
    /// Their attributes, in order.
    pub attributes: Vec<Attribute>,
}

impl<'a> XmlScan<'a> {
    /// Finds them.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut scan = Self { bytes, elements: Vec::new(), attributes: Vec::new() };
        let mut open: Vec<usize> = Vec::new();
        let mut at = 0;
        while let Some(step) = bytes[at..].iter().position(|byte| *byte == b'<') {
            at += step;
            let rest = &bytes[at..];
            at = if rest.starts_with(b"<!--") {
                after(bytes, at, b"-->")
            } else if rest.starts_with(b"<![CDATA[") {
                after(bytes, at, b"]]>")
            } else if rest.starts_with(b"<?") {
                after(bytes, at, b"?>")
            } else if rest.starts_with(b"<!") {
                let end = after(bytes, at, b">");
                if bytes[at..end].contains(&b'[') { after(bytes, at, b"]>") } else { end }
            } else if rest.starts_with(b"</") {
                let end = after(bytes, at, b">");
                let name = at + 2..name_end(bytes, at + 2);
                if let Some(top) = open.pop_if(|top| bytes[scan.elements[*top].name.clone()] == bytes[name.clone()]) {
                    let next = scan.elements.len();
                    let element = &mut scan.elements[top];
                    element.close = at..end;
                    element.next = next;
                }
                end
            } else {
                scan.start_tag(at, &mut open)
            };
        }
        for top in open {
            let next = scan.elements.len();
            let element = &mut scan.elements[top];
            element.close = bytes.len()..bytes.len();
            element.next = next;
        }
        scan
    }

    /// Reads the start tag at `at`; gives where it ends.
    fn start_tag(&mut self, at: usize, open: &mut Vec<usize>) -> usize {
        let bytes = self.bytes;
        let number = self.elements.len();
        let name = at + 1..name_end(bytes, at + 1);
        let first = self.attributes.len();
        let mut end = name.end;
        let mut empty = false;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'>' => {
                    end += 1;
                    break;
                }
                b'<' => break,
                b'/' => {
                    empty = bytes.get(end + 1) == Some(&b'>');
                    end += 1;
                }
                byte if byte.is_ascii_whitespace() || byte == b'=' || byte == b'"' || byte == b'\'' => end += 1,
                _ => {
                    let name = end..name_end(bytes, end).max(end + 1);
                    let blanks =
                        |at: usize| at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                    let equals = blanks(name.end);
                    end = name.end;
                    if bytes.get(equals) == Some(&b'=') {
                        let from = blanks(equals + 1);
                        if let Some(&quote) = bytes.get(from).filter(|byte| matches!(byte, b'"' | b'\'')) {
                            let value = &bytes[from + 1..];
                            let length = value.iter().position(|byte| *byte == quote).unwrap_or(value.len());
                            end = (from + length + 2).min(bytes.len());
                            let value = from + 1..from + 1 + length;
                            self.attributes.push(Attribute { span: name.start..end, name, value, element: number });
                        }
                    }
                }
            }
        }
        let attributes = first..self.attributes.len();
        let parent = open.last().copied();
        self.elements.push(Element { name, open: at..end, close: end..end, attributes, parent, next: number + 1 });
        if !empty {
            open.push(number);
        }
        end
    }

    /// The text of a place.
    pub fn text(&self, span: &Range<usize>) -> &'a [u8] {
        &self.bytes[span.clone()]
    }

    /// An element with its tags and all that it holds.
    pub fn span(&self, element: usize) -> Range<usize> {
        let Element { open, close, .. } = &self.elements[element];
        open.start..close.end
    }

    /// An element's name.
    pub fn name(&self, element: usize) -> &'a [u8] {
        self.text(&self.elements[element].name)
    }

    /// What it holds, in order.
    pub fn children(&self, element: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.elements[element].next;
        let first = Some(element + 1).filter(|&first| first < end);
        std::iter::successors(first, move |&at| Some(self.elements[at].next).filter(|&next| next < end))
    }

    /// An element's attribute of that name.
    pub fn attribute(&self, element: usize, name: &[u8]) -> Option<&Attribute> {
        let own = &self.attributes[self.elements.get(element)?.attributes.clone()];
        own.iter().find(|attribute| self.text(&attribute.name) == name)
    }

    /// One of the elements that fit.
    pub fn any(&self, dice: &mut Dice<'_>, fits: impl Fn(usize, &Element) -> bool) -> Option<usize> {
        let all = self.elements.iter().enumerate();
        let fitting: Vec<usize> =
            all.filter(|(number, element)| fits(*number, element)).map(|(number, _)| number).collect();
        dice.pick(&fitting).copied()
    }

    /// One of the attributes that fit.
    pub fn any_attribute(&self, dice: &mut Dice<'_>, fits: impl Fn(&Attribute) -> bool) -> Option<&Attribute> {
        let fitting: Vec<&Attribute> = self.attributes.iter().filter(|attribute| fits(attribute)).collect();
        dice.pick(&fitting).copied()
    }

    /// The text with a stretch of it replaced.
    pub fn replace(&self, span: Range<usize>, with: &[u8]) -> Vec<u8> {
        replace(self.bytes, span, with)
    }

    /// The text with something more at a place.
    pub fn insert(&self, at: usize, what: &[u8]) -> Vec<u8> {
        replace(self.bytes, at..at, what)
    }
}

/// The place after the next `what`; the end of the text where there is none.
fn after(bytes: &[u8], at: usize, what: &[u8]) -> usize {
    let found = bytes[at..].windows(what.len()).position(|window| window == what);
    found.map_or(bytes.len(), |found| at + found + what.len())
}

/// Where a name ends that begins at `at`.
fn name_end(bytes: &[u8], at: usize) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/>=<\"'".contains(byte);
    let rest = bytes.get(at..).unwrap_or_default();
    at.min(bytes.len()) + rest.iter().position(ends).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    #[test]
    fn elements_stand_where_they_are() {
        let text = br#"<?xml version="1.0"?><!--<a>--><P xmlns="n"><id value='1'/><n><g value="a>b"/>t</n></P>"#;
        let scan = XmlScan::new(text);
        let all: Vec<(&str, &str)> = (0..scan.elements.len())
            .map(|number| {
                let of = |bytes| std::str::from_utf8(bytes).unwrap();
                (of(scan.name(number)), of(scan.text(&scan.span(number))))
            })
            .collect();
        let whole = std::str::from_utf8(&text[31..]).unwrap();
        let expected = [
            ("P", whole),
            ("id", "<id value='1'/>"),
            ("n", r#"<n><g value="a>b"/>t</n>"#),
            ("g", r#"<g value="a>b"/>"#),
        ];
        assert_eq!(all, expected);
        assert_eq!(scan.children(0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(scan.text(&scan.attribute(3, b"value").unwrap().value), b"a>b");
    }

    #[test]
    fn any_bytes_are_scanned_and_every_place_is_inside() {
        fn property(picks: Vec<u8>) -> bool {
            let pieces = [
                "<",
                "</",
                ">",
                "/>",
                "a",
                "b",
                " ",
                "=",
                "\"",
                "'",
                "<!--",
                "-->",
                "<!",
                "[",
                "]",
                "<?",
                "?>",
                "<![CDATA[",
            ];
            let bytes: Vec<u8> =
                picks.iter().flat_map(|pick| pieces[usize::from(*pick) % pieces.len()].bytes()).collect();
            let scan = XmlScan::new(&bytes);
            let elements = (0..scan.elements.len()).all(|number| {
                let Element { open, close, parent, next, .. } = &scan.elements[number];
                let within = parent.is_none_or(|parent| parent < number && *next <= scan.elements[parent].next);
                within && open.start < open.end && open.end <= close.start && close.end <= bytes.len()
            });
            elements
                && scan
                    .attributes
                    .iter()
                    .all(|found| found.value.end <= found.span.end && found.span.end <= bytes.len())
        }
        quickcheck(property as fn(Vec<u8>) -> bool);
    }
}
