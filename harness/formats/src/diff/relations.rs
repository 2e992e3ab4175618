//! Inputs that must read the same, and texts that must survive being written into an input.

use crate::Format;
use crate::fhir::relations as fhir;
use crate::hl7;
use crate::rules::Relation;

/// The relations of a format: a reader for which respelling changes anything is unstable (D13).
pub fn table(format: Format) -> &'static [Relation] {
    match format {
        Format::Json | Format::FhirJson => FHIR_JSON,
        Format::Hl7v2 => hl7::relations::RELATIONS,
        Format::FhirXml => FHIR_XML,
        Format::FhirNdjson => &[],
    }
}

const FHIR_JSON: &[Relation] = &[
    Relation { name: "members-reversed", rule: "F03", apply: fhir::members_reversed },
    Relation { name: "resource-type-last", rule: "F03", apply: fhir::resource_type_last },
    Relation { name: "spaced", rule: "J01", apply: fhir::spaced },
    Relation { name: "unspaced", rule: "J01", apply: fhir::unspaced },
    Relation { name: "names-escaped", rule: "F01", apply: fhir::names_escaped },
    Relation { name: "strings-escaped", rule: "J01", apply: fhir::strings_escaped },
    Relation { name: "numbers-respelt", rule: "F14", apply: fhir::numbers_respelt },
    Relation { name: "canonical", rule: "F24", apply: fhir::canonical },
    Relation { name: "through-xml", rule: "X15", apply: fhir::through_xml },
];

const FHIR_XML: &[Relation] = &[Relation { name: "through-json", rule: "X15", apply: fhir::through_json }];

/// Longest text that is carried, bytes.
const CARRIED_BYTES_MAX: usize = 256;

/// A valid input that carries `text`, whatever it is, as one properly escaped value: a reader for which it then has other
/// members or segments can be injected into. `None` where the format cannot carry it.
pub fn carrying(format: Format, text: &[u8]) -> Option<Vec<u8>> {
    let text = &text[..text.len().min(CARRIED_BYTES_MAX)];
    match format {
        Format::Hl7v2 => Some(hl7::relations::carrying(&[text], hl7::Delimiters::default())),
        Format::FhirJson => {
            let text = std::str::from_utf8(text).ok().filter(|text| !text.trim().is_empty())?;
            if text.chars().any(|c| c < ' ' && !matches!(c, '\t' | '\r' | '\n')) {
                return None;
            }
            let mut out = br#"{"resourceType":"Patient","name":[{"family":""#.to_vec();
            for c in text.chars() {
                match c {
                    '"' | '\\' => out.extend([b'\\', c as u8]),
                    c if c < ' ' => out.extend(format!("\\u{:04x}", c as u32).into_bytes()),
                    c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
                }
            }
            out.extend_from_slice(br#""}]}"#);
            Some(out)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Policy, Side};

    #[test]
    fn what_is_carried_is_accepted_and_read_again() {
        for text in ["SYN", "a\"b\\c", "x\rPID|2||EVIL", "\\T\\&^~|", "\u{dc}\u{dc}", "line\nfeed", "\"\""] {
            for format in [Format::Hl7v2, Format::FhirJson] {
                let input = carrying(format, text.as_bytes()).unwrap();
                let reading = format.read(&input);
                let shown = String::from_utf8_lossy(&input);
                assert_eq!(reading.side(Policy::StrictGateway), Side::Accept, "{shown}: {:?}", reading.breaches);
                let tree = reading.tree.unwrap();
                let found = (0..tree.len() as u32).any(|id| tree.text(id) == text.as_bytes());
                assert!(found, "{shown}");
            }
        }
    }
}
