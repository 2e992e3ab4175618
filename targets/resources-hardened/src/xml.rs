//! XML without a document type.

use guest_abi::{Reading, Refusal};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Elements in elements.
const DEPTH_MAX: usize = 128;
/// Attributes of one element; to compare each with all before is then no work.
const ATTRIBUTES_MAX: usize = 64;

/// Careful: no declarations, so that a reference is one character; depth and attributes are counted. FHIR asks for no
/// more (R5, xml: no document type). Returns the number of elements and of bytes of text and attributes.
pub fn read(bytes: &[u8]) -> Reading {
    let text = std::str::from_utf8(crate::short(bytes)?).map_err(|_| Refusal::Encoding)?;
    let mut reader = Reader::from_str(text);
    let mut document = Document::default();
    let mut depth = 0;
    loop {
        match reader.read_event().map_err(|_| Refusal::Syntax)? {
            Event::DocType(_) => return Err(Refusal::Meaning),
            Event::Start(tag) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(Refusal::TooLarge);
                }
                document.element(&tag)?;
            }
            Event::Empty(tag) => document.element(&tag)?,
            Event::End(_) => depth -= 1,
            Event::Text(text) => document.text.push_str(&text),
            Event::CData(text) => document.text.push_str(&text),
            Event::GeneralRef(reference) => document.expand(&format!("&{};", &*reference))?,
            Event::Eof => break,
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
        }
    }
    if document.elements == 0 || depth != 0 {
        return Err(Refusal::Syntax);
    }
    Ok((document.elements + document.text.len()) as i32)
}

#[derive(Default)]
struct Document {
    elements: usize,
    text: String,
}

impl Document {
    fn element(&mut self, tag: &BytesStart<'_>) -> Result<(), Refusal> {
        self.elements += 1;
        for (at, attribute) in tag.attributes().enumerate() {
            if at == ATTRIBUTES_MAX {
                return Err(Refusal::TooLarge);
            }
            self.expand(&attribute.map_err(|_| Refusal::Syntax)?.value)?;
        }
        Ok(())
    }

    /// Text with references to characters, appended.
    fn expand(&mut self, text: &str) -> Result<(), Refusal> {
        self.text.push_str(&quick_xml::escape::unescape(text).map_err(|_| Refusal::Meaning)?);
        Ok(())
    }
}
