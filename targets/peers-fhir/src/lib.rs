//! The Rust FHIR peers and the reference reader in one module, so that one execution compares all of them.
//!
//! * `all(ptr, len)`, `all_xml(ptr, len)`: the reference and every peer that reads the format run on the input; the
//!   answer is a [`Summary`] with the peers in the order of [`RUST_FHIR`], those left out that do not read the format. Peers that are slow are not asked
//!   here: who looks at the input in full asks them with `one`. What a peer holds is compared without being written where
//!   it is surely the reference's reading; else, and for `one`, it is written.
//! * `one(ptr, len)`, `one_xml(ptr, len)`: the first byte is a position in [`RUST_FHIR`], the rest the input; the answer
//!   is 0 and what the peer wrote, or 1, a position in [`Layer::ALL`] and the normalised error.
//!
//! Both return a packed pointer and length (`pointer << 32 | length`) of a buffer that the host gives back.

mod adapters;
#[cfg(target_arch = "wasm32")]
mod exports;

use adapters::{ADAPTERS, Adapter, Asked, Model, Question};
use autoclave_formats::Format;
use autoclave_formats::fhir::{self, Digest, Release};
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
    let reference = Reference::of(&reading);
    let is_sound = reading.breaches.is_empty();
    // Peers of one package mostly write the same bytes, and say the same then.
    let mut seen: Vec<(Vec<u8>, Erase, Said)> = Vec::new();
    let mut said = |peer: &Peer, model: Box<dyn Model>| {
        let mut digest = Digest::new();
        model.feed(is_sound, &mut digest);
        // What is the same in all is the same in what a projection leaves of it.
        if reading.tree.is_some() && digest.finish() == Some(reference.digest) {
            return Said::Accepted { digest: 0, causes: 0 };
        }
        let output = match model.write() {
            Ok(output) => output,
            Err((layer, code)) => return Said::refused(layer, &code),
        };
        if let Some(same) = seen.iter().find(|same| same.1 == peer.projection && same.0 == output) {
            return same.2;
        }
        let tree = fhir::tree_of_answer(&output);
        let said = Said::accepted(format, &reading, tree.as_ref(), peer.projection);
        seen.push((output, peer.projection, said));
        said
    };
    let question = Question::new(input);
    let mut peers = Vec::with_capacity(RUST_FHIR.len());
    for (peer, adapter) in RUST_FHIR.iter().zip(ADAPTERS) {
        let Some(read) = pick(adapter) else { continue };
        let asked = match adapter.asked {
            Asked::Always => true,
            Asked::AfterRefusal => matches!(peers.last(), Some(Said::Refused { .. })),
            Asked::Apart => false,
        };
        peers.push(match asked.then(|| read(&question)) {
            Some(Ok(model)) => said(peer, model),
            Some(Err((layer, code))) => Said::refused(layer, &code),
            None => Said::NotAsked,
        });
    }
    Summary { peers, reference }
}

/// One peer's answer, see the module's text.
pub fn answer(format: Format, input: &[u8]) -> Vec<u8> {
    let (_, pick) = of(format);
    let unknown = || Err((Layer::Unknown, String::from("no such peer")));
    let written = match input.split_first() {
        Some((at, input)) => ADAPTERS
            .get(usize::from(*at))
            .and_then(pick)
            .map_or_else(unknown, |read| read(&Question::new(input)).and_then(|model| model.write())),
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
    use autoclave_formats::mutate::{self, Dice};
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

    /// Every committed seed, regression and vector, and what each mutator makes of them.
    fn for_each_input(format: Format, mut check: impl FnMut(&[u8])) {
        let corpora = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora").join(format.name());
        let folders = ["seeds", "regressions", "vectors"].map(|name| corpora.join(name));
        let folders = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok());
        let mut paths: Vec<_> = folders.flatten().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.is_file() && !path.to_string_lossy().ends_with(".expect.json"));
        paths.sort();
        assert!(paths.len() > 50, "{}", corpora.display());
        let inputs: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        let mut state = 1_u64;
        let mut roll = || {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        let mut dice = Dice::new(&mut roll);
        for input in inputs.iter().filter(|input| input.len() < 20_000) {
            check(input);
            for mutator in mutate::table(format) {
                let other = dice.pick(&inputs).map_or(&[][..], Vec::as_slice);
                let Some(once) = (mutator.apply)(&mut dice, input, other) else { continue };
                check(&once);
                let again = dice.pick(mutate::table(format)).and_then(|next| (next.apply)(&mut dice, &once, other));
                again.iter().for_each(|again| check(again));
            }
        }
    }

    /// Some peers go down as deep as the input does.
    #[test]
    fn digests_of_models_are_those_of_what_is_written() {
        let runner = std::thread::Builder::new().stack_size(1 << 30).spawn(check_digests).unwrap();
        runner.join().unwrap();
    }

    fn check_digests() {
        for format in [Format::FhirJson, Format::FhirXml] {
            let (read, pick) = of(format);
            let (mut told, mut all) = (vec![0; ADAPTERS.len()], vec![0; ADAPTERS.len()]);
            for_each_input(format, |input| {
                let is_sound = read(input, Release::R4).breaches.is_empty();
                let question = Question::new(input);
                for (at, adapter) in ADAPTERS.iter().enumerate().filter(|(_, adapter)| adapter.asked != Asked::Apart) {
                    let Some(Ok(model)) = pick(adapter).map(|read| read(&question)) else { continue };
                    all[at] += 1;
                    let mut digest = Digest::new();
                    model.feed(is_sound, &mut digest);
                    let Some(digest) = digest.finish() else { continue };
                    told[at] += 1;
                    let written = model.write().ok().and_then(|written| fhir::tree_of_answer(&written));
                    let expected = written.map(|tree| tree.digest(Erase::NONE));
                    assert_eq!(expected, Some(digest), "{}: {}", RUST_FHIR[at].name, input.escape_ascii());
                }
            });
            println!("{}: {told:?} of {all:?} without writing", format.name());
            for (at, (told, all)) in told.into_iter().zip(all).enumerate() {
                assert!(told >= all / 8, "{} is written too often", RUST_FHIR[at].name);
            }
        }
    }
}
