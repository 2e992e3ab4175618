//! The Rust FHIR peers and the reference reader in one module, so that one execution compares all of them.
//!
//! * `all(ptr, len)`, `all_xml(ptr, len)`: the reference and every peer that reads the format run on the input; the
//!   answer is a [`Summary`] with the peers in the order of [`RUST_FHIR`], those left out that do not read the format. Peers that are slow are not asked
//!   here: who looks at the input in full asks them with `one`.
//! * `one(ptr, len)`, `one_xml(ptr, len)`: the first byte is a position in [`RUST_FHIR`], the rest the input; the answer
//!   is 0 and what the peer wrote, or 1, a position in [`Layer::ALL`] and the normalised error.
//!
//! Both return a packed pointer and length (`pointer << 32 | length`) of a buffer that the next call gives back.

mod adapters;
#[cfg(target_arch = "wasm32")]
mod exports;

use adapters::{ADAPTERS, Adapter, Asked};
use autoclave_formats::Format;
use autoclave_formats::fhir::{self, Release};
use autoclave_formats::peers::summary::{Reference, Said, Summary};
use autoclave_formats::peers::{Layer, Peer, RUST_FHIR};
use autoclave_formats::reading::Reading;
use autoclave_formats::tree::Erase;

/// Builds what is built on first use.
pub fn warm_up() {
    for input in [&br#"{"resourceType":"Patient","id":"a","active":true}"#[..], b"{}", b"["] {
        summary(Format::FhirJson, input);
    }
    let patient = br#"<Patient xmlns="http://hl7.org/fhir"><id value="a"/><active value="true"/></Patient>"#;
    for input in [&patient[..], b"<a/>", b"<"] {
        summary(Format::FhirXml, input);
    }
}

type Pick = fn(&Adapter) -> Option<adapters::Read>;
type ReadReference = fn(&[u8], Release) -> Reading;

/// How the reference and an adapter read a format.
fn of(format: Format) -> (ReadReference, Pick) {
    match format {
        Format::FhirXml => (fhir::read_xml, |adapter| adapter.xml),
        _ => (fhir::read_json, |adapter| adapter.json),
    }
}

/// The reference reads every input as R4: the trees of the releases differ in nothing that all of them define.
pub fn summary(format: Format, input: &[u8]) -> Summary {
    let (read, pick) = of(format);
    let reading = read(input, Release::R4);
    // Peers of one package mostly write the same bytes, and say the same then.
    let mut seen: Vec<(Vec<u8>, Erase, Said)> = Vec::new();
    let mut said = |peer: &Peer, output: Vec<u8>| {
        if let Some(same) = seen.iter().find(|same| same.1 == peer.projection && same.0 == output) {
            return same.2;
        }
        let tree = fhir::tree_of_answer(&output);
        let said = Said::accepted(format, &reading, tree.as_ref(), peer.projection);
        seen.push((output, peer.projection, said));
        said
    };
    let mut peers = Vec::with_capacity(RUST_FHIR.len());
    for (peer, adapter) in RUST_FHIR.iter().zip(ADAPTERS) {
        let Some(read) = pick(adapter) else { continue };
        let asked = match adapter.asked {
            Asked::Always => true,
            Asked::AfterRefusal => matches!(peers.last(), Some(Said::Refused { .. })),
            Asked::Apart => false,
        };
        peers.push(match asked.then(|| read(input)) {
            Some(Ok(output)) => said(peer, output),
            Some(Err((layer, code))) => Said::refused(layer, &code),
            None => Said::NotAsked,
        });
    }
    Summary { peers, reference: Reference::of(&reading) }
}

/// One peer's answer, see the module's text.
pub fn answer(format: Format, input: &[u8]) -> Vec<u8> {
    let (_, pick) = of(format);
    let unknown = || Err((Layer::Unknown, String::from("no such peer")));
    let written = match input.split_first() {
        Some((at, input)) => ADAPTERS.get(usize::from(*at)).and_then(pick).map_or_else(unknown, |read| read(input)),
        None => unknown(),
    };
    match written {
        Ok(output) => [&[0][..], &output].concat(),
        Err((layer, code)) => {
            let layer = Layer::ALL.iter().position(|one| *one == layer).unwrap_or(0);
            [&[1, layer as u8][..], code.as_bytes()].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoclave_formats::rules::Side;

    fn said(format: Format, input: &str) -> (Side, Vec<String>) {
        let summary = summary(format, input.as_bytes());
        assert_eq!(Summary::decode(&summary.encode()), Some(summary.clone()));
        let readers = RUST_FHIR.iter().filter(|peer| peer.formats.contains(&format));
        let shown = readers.zip(&summary.peers).map(|(peer, said)| {
            let word = match said {
                Said::Accepted { digest: 0, .. } => "=",
                Said::Accepted { .. } => "differs",
                Said::Refused { .. } => "refuses",
                // Its twin's answer is its own.
                Said::NotAsked => "=",
            };
            format!("{} {word}", peer.name)
        });
        (summary.reference.side, shown.collect())
    }

    /// A row of the table of what is known: the peers that say something else than the reference's tree.
    fn others(format: Format, input: &str) -> (Side, Vec<String>) {
        let (side, mut said) = said(format, input);
        said.retain(|one| !one.ends_with(" ="));
        (side, said)
    }

    #[test]
    fn adapters_are_in_the_order_of_the_table() {
        assert_eq!(RUST_FHIR.len(), ADAPTERS.len());
        for (peer, adapter) in RUST_FHIR.iter().zip(ADAPTERS) {
            let reads = (adapter.json.is_some(), adapter.xml.is_some());
            let says = (peer.formats.contains(&Format::FhirJson), peer.formats.contains(&Format::FhirXml));
            assert_eq!(reads, says, "{}", peer.name);
        }
    }

    #[test]
    fn peers_read_what_is_plain_like_the_reference() {
        let json = r#"{"resourceType":"Patient","id":"SYN-1","active":true,"name":[{"given":["A",null],"_given":[null,
            {"extension":[{"url":"http://example.org/a","valueCode":"b"}]}]}],"multipleBirthInteger":2,
            "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a</p></div>"}}"#;
        assert_eq!(others(Format::FhirJson, json), (Side::Accept, Vec::new()));
        let xml = r#"<Patient xmlns="http://hl7.org/fhir"><id value="SYN-1"/><active value="true"/><name><given value="A"/>
            </name><multipleBirthInteger value="2"/></Patient>"#;
        assert_eq!(others(Format::FhirXml, xml), (Side::Accept, Vec::new()));
    }
}
