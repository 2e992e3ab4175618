//! FHIR XML read with quick-xml: what a service does before it maps a resource to its own types.
//!
//! `parse` reads the document into a tree of elements with their `value`, `id` and `url`, keeps to FHIR's namespace,
//! takes of narrative only the text, and checks that the document element is a resource and no element is empty. It
//! returns the number of elements. quick-xml passes a document type on and resolves nothing that it declares. Careless:
//! the namespaces of quick-xml end at 65,535 levels, the stack of who walks a tree or drops it ends long before that.

use guest_abi::{Reading, Refusal};
use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

guest_abi::entry!(parse, read);

const FHIR: Namespace<'_> = Namespace("http://hl7.org/fhir");
const XHTML: Namespace<'_> = Namespace("http://www.w3.org/1999/xhtml");

/// An element of a resource.
#[derive(Default)]
struct Element {
    name: String,
    value: Option<String>,
    id: Option<String>,
    url: Option<String>,
    children: Vec<Element>,
    /// Narrative inside, as text.
    narrative: String,
}

fn read(bytes: &[u8]) -> Reading {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Encoding)?;
    let resource = tree(text)?;
    if !resource.name.starts_with(|first: char| first.is_ascii_uppercase()) {
        return Err(Refusal::Meaning);
    }
    resource.check()
}

/// The document element with all that is in it.
fn tree(text: &str) -> Result<Element, Refusal> {
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut narrative_depth = 0;
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| Refusal::Syntax)?;
        match event {
            Event::Start(_) | Event::Empty(_) if !open.is_empty() && namespace == ResolveResult::Bound(XHTML) => {
                narrative_depth += usize::from(matches!(event, Event::Start(_)));
            }
            Event::Start(_) | Event::Empty(_) if namespace != ResolveResult::Bound(FHIR) => {
                return Err(Refusal::Meaning);
            }
            Event::Start(tag) => open.push(Element::new(&tag)?),
            Event::Empty(tag) => match open.last_mut() {
                Some(parent) => parent.children.push(Element::new(&tag)?),
                None => return Element::new(&tag),
            },
            Event::End(_) if narrative_depth > 0 => narrative_depth -= 1,
            Event::End(_) => {
                let element = open.pop().ok_or(Refusal::Syntax)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Ok(element),
                }
            }
            Event::Text(text) if narrative_depth > 0 => {
                open.last_mut().ok_or(Refusal::Syntax)?.narrative.push_str(&text);
            }
            Event::Text(text) if !text.trim().is_empty() => return Err(Refusal::Meaning),
            Event::CData(_) | Event::GeneralRef(_) if narrative_depth == 0 => return Err(Refusal::Meaning),
            Event::GeneralRef(reference) => {
                let parent = open.last_mut().ok_or(Refusal::Syntax)?;
                parent.narrative.extend(reference.resolve_char_ref().map_err(|_| Refusal::Syntax)?);
            }
            Event::Eof => return Err(Refusal::Syntax),
            _ => {}
        }
    }
}

impl Element {
    fn new(tag: &BytesStart<'_>) -> Result<Self, Refusal> {
        let mut element = Self { name: tag.local_name().as_ref().to_owned(), ..Self::default() };
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| Refusal::Syntax)?;
            let place = match attribute.key.as_ref() {
                "value" => &mut element.value,
                "id" => &mut element.id,
                "url" => &mut element.url,
                name if name == "xmlns" || name.starts_with("xmlns:") || name.starts_with("xsi:") => continue,
                _ => return Err(Refusal::Meaning),
            };
            let value = quick_xml::escape::unescape(&attribute.value).map_err(|_| Refusal::Syntax)?;
            *place = Some(value.into_owned());
        }
        Ok(element)
    }

    /// Every element has a value, children or narrative, and no value is empty. Returns how many there are.
    fn check(&self) -> Reading {
        let says_something = self.value.is_some() || !self.children.is_empty() || !self.narrative.is_empty();
        let empty = [&self.value, &self.id, &self.url].into_iter().flatten().any(String::is_empty);
        if !says_something || empty {
            return Err(Refusal::Meaning);
        }
        self.children.iter().try_fold(1, |count, child| Ok(count + child.check()?))
    }
}
