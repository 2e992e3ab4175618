//! XML with the entities that its own document type declares.

use guest_abi::{Reading, Refusal};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::BTreeMap;

/// Careless: an entity becomes what it stands for, and so do the entities in there, as often as they are named.
/// Returns the number of elements and of bytes of text and attributes.
pub fn read(bytes: &[u8]) -> Reading {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Encoding)?;
    let mut reader = Reader::from_str(text);
    let mut document = Document::default();
    loop {
        match reader.read_event().map_err(|_| Refusal::Syntax)? {
            Event::DocType(declarations) => document.declare(&declarations),
            Event::Start(tag) | Event::Empty(tag) => {
                document.elements += 1;
                for attribute in tag.attributes() {
                    document.expand(&attribute.map_err(|_| Refusal::Syntax)?.value)?;
                }
            }
            Event::Text(text) => document.text.push_str(&text),
            Event::CData(text) => document.text.push_str(&text),
            Event::GeneralRef(reference) => document.resolve(&reference)?,
            Event::Eof => break,
            Event::End(_) | Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
        }
    }
    if document.elements == 0 {
        return Err(Refusal::Syntax);
    }
    Ok((document.elements + document.text.len()) as i32)
}

#[derive(Default)]
struct Document {
    entities: BTreeMap<String, String>,
    elements: usize,
    text: String,
}

impl Document {
    /// `<!ENTITY name "value">`, as often as it is there.
    fn declare(&mut self, declarations: &str) {
        for declaration in declarations.split("<!ENTITY").skip(1) {
            let Some((name, rest)) = declaration.trim_start().split_once(char::is_whitespace) else { continue };
            let mut parts = rest.split(['"', '\'']);
            if let (Some(_), Some(value)) = (parts.next(), parts.next()) {
                self.entities.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Text with references, appended with what they stand for.
    fn expand(&mut self, text: &str) -> Result<(), Refusal> {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('&') {
            let (name, after) = after.split_once(';').ok_or(Refusal::Syntax)?;
            self.text.push_str(before);
            self.resolve(name)?;
            rest = after;
        }
        self.text.push_str(rest);
        Ok(())
    }

    fn resolve(&mut self, name: &str) -> Result<(), Refusal> {
        if let Some(value) = self.entities.get(name).cloned() {
            return self.expand(&value);
        }
        let plain = quick_xml::escape::unescape(&format!("&{name};")).map_err(|_| Refusal::Meaning)?.into_owned();
        self.text.push_str(&plain);
        Ok(())
    }
}
