//! Native parsers as fuzz targets: each body states what must hold for any input, and panics where it does not.
//!
//! `hl7-parser` 0.3.0 and `rust-hl7` 0.5.0 have known panics on tiny inputs; they are fuzzed as WebAssembly targets, where
//! the loop goes on after a finding. Here they would only stop the run at once.

use crate::documents::{FhirDocument, Hl7Message};
use arbitrary::{Arbitrary, Unstructured};
use fhirkit::r4::Resource;

/// FHIR JSON: what the strict reader accepts, it writes and reads again to the same; and a general JSON parser agrees
/// that it is JSON.
pub fn fhir(data: &[u8]) {
    for text in texts::<FhirDocument>(data) {
        let Ok(resource) = fhirkit::from_json_strict::<Resource>(&text) else { continue };
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "not JSON, yet accepted");
        let written = fhirkit::to_json(&resource);
        let again = fhirkit::from_json_strict::<Resource>(&written).expect("what was written is read again");
        assert_eq!(fhirkit::to_json(&again), written, "a second round changes the resource");
    }
}

/// HL7 v2: what is accepted is written and read again to the same tree, and every value's span lies in the message.
pub fn hl7v2(data: &[u8]) {
    for text in texts::<Hl7Message>(data) {
        if let Ok(message) = er7::parse(&text) {
            let written = message.to_er7();
            let again = er7::parse(&written).expect("what was written is read again");
            assert_eq!(again.to_er7(), written, "a second round changes the message");
        }
        if let Ok(message) = hl7kit::Message::parse_bytes(text.as_bytes()) {
            for segment in message.segments() {
                for field in segment.fields() {
                    for repetition in field.repetitions() {
                        for component in repetition.components() {
                            for subcomponent in component.subcomponents() {
                                let spanned = message.raw().get(subcomponent.span().range());
                                assert_eq!(spanned, Some(subcomponent.value()), "a span points elsewhere");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The input as text, where it is text, and the document that it encodes.
fn texts<'a, T: Arbitrary<'a> + ToString>(data: &'a [u8]) -> impl Iterator<Item = String> {
    let plain = std::str::from_utf8(data).ok().map(str::to_owned);
    let built = T::arbitrary(&mut Unstructured::new(data)).ok().map(|document| document.to_string());
    plain.into_iter().chain(built)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::Gen;

    /// Reproducible from its number.
    fn inputs(count: u64) -> impl Iterator<Item = Vec<u8>> {
        (0..count).map(|seed| quickcheck::Arbitrary::arbitrary(&mut Gen::from_size_and_seed(400, seed)))
    }

    #[test]
    fn promises_hold_for_any_bytes() {
        for input in inputs(4_000) {
            fhir(&input);
            hl7v2(&input);
        }
    }

    /// Seeds with a few bytes changed: most stay what they are.
    #[test]
    fn promises_hold_for_damaged_seeds() {
        const PATIENT: &str =
            r#"{"resourceType":"Patient","id":"a","active":true,"birthDate":"1990-01-02","name":[{"given":["X"]}]}"#;
        const MESSAGE: &str =
            "MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\rPID|1||7^^^H~8||Doe^J\\T\\K&L\rNTE|1||a\\.br\\b\r";
        for change in inputs(4_000) {
            let damaged = |text: &str| {
                let mut bytes = text.as_bytes().to_vec();
                for pair in change.chunks_exact(2).take(1 + usize::from(change.len() % 3 == 0)) {
                    let at = usize::from(pair[0]) % bytes.len();
                    bytes[at] = pair[1] % 127;
                }
                bytes
            };
            fhir(&damaged(PATIENT));
            hl7v2(&damaged(MESSAGE));
        }
    }
}
