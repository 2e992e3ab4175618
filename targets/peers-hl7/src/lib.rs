//! The Rust HL7 v2 peers and the reference reader in one module, so that one execution compares all of them.
//!
//! * `all(ptr, len)`: the reference and every peer run on the input; the answer is a [`Summary`] with the peers in the
//!   order of [`RUST_HL7`].
//! * `one(ptr, len)`: the first byte is a position in [`RUST_HL7`], the rest the input; the answer is 0 and the peer's
//!   reading as `hl7::tree_of_answer` reads it, or 1, a position in [`Layer::ALL`] and the normalised error.
//!
//! Both return a packed pointer and length (`pointer << 32 | length`) of a buffer that the host gives back.

mod adapters;

use adapters::ADAPTERS;
use autoclave_formats::hl7::Answer;
use autoclave_formats::peers::summary::{Reference, Said, Summary};
use autoclave_formats::peers::{Layer, RUST_HL7};
use autoclave_formats::tree::Erase;
use autoclave_formats::{Format, hl7};

#[cfg(target_arch = "wasm32")]
mod exports;

/// The peer that is the one before it with lenient newlines: without an LF both do the same.
const LENIENT_TWIN: usize = 3;

/// Builds what is built on first use.
pub fn warm_up() {
    for input in [&b"MSH|^~\\&|SYN|\\T\\~B^C&D\\X41\\\rPID|1\r"[..], b"MSH#^~\\&#A\r", b"PID|1\r", b"\xff"] {
        summary(input);
    }
}

/// What the reference and every peer say of `input`.
pub fn summary(input: &[u8]) -> Summary {
    let reading = hl7::read(input);
    let feeds = input.contains(&b'\n');
    // Peers that read the same answer the same: most of the time is spent on what the first of them read.
    let mut known: Vec<(Answer, Erase, Said)> = Vec::new();
    let mut peers: Vec<Said> = Vec::with_capacity(RUST_HL7.len());
    for (at, (peer, read)) in RUST_HL7.iter().zip(ADAPTERS).enumerate() {
        if at == LENIENT_TWIN && !feeds {
            peers.push(peers[at - 1]);
            continue;
        }
        let answer = match read(input) {
            Ok(answer) => answer,
            Err((layer, code)) => {
                peers.push(Said::refused(layer, code));
                continue;
            }
        };
        let same = known.iter().find(|(other, projection, _)| *projection == peer.projection && *other == answer);
        let said = same.map_or_else(
            || {
                let tree = answer.tree(peer.projection);
                Said::accepted(Format::Hl7v2, &reading, Some(&tree), peer.projection)
            },
            |(.., said)| *said,
        );
        known.push((answer, peer.projection, said));
        peers.push(said);
    }
    Summary { reference: Reference::of(&reading), peers }
}

/// One peer's answer, see the module's text.
pub fn answer(input: &[u8]) -> Vec<u8> {
    let read = match input.split_first() {
        Some((at, input)) => ADAPTERS.get(usize::from(*at)).map(|read| read(input)),
        None => None,
    };
    match read.unwrap_or(Err((Layer::Unknown, "no such peer"))) {
        Ok(answer) => [&[0][..], &answer.to_json()].concat(),
        Err((layer, code)) => {
            let layer = Layer::ALL.iter().position(|one| *one == layer).unwrap_or(0);
            [&[1, layer as u8][..], code.as_bytes()].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_its_adapter_and_reads_a_plain_message_like_the_reference() {
        assert_eq!(RUST_HL7.len(), ADAPTERS.len());
        assert_eq!(RUST_HL7[LENIENT_TWIN].name, format!("{}-lenient", RUST_HL7[LENIENT_TWIN - 1].name));
        let input = b"MSH|^~\\&|LAB|ACME|EHR|CLINIC|20260815081500||ORU^R01^ORU_R01|SYN1|P|2.5\r\
            PID|1||SYN123^^^ACME&2.999.1&ISO^MR~SYN456^^^B||SYNTH\\T\\CO^JOHN||19800101|M|\"\"\r";
        let summary = summary(input);
        for (at, (peer, said)) in RUST_HL7.iter().zip(&summary.peers).enumerate() {
            let shown = || String::from_utf8_lossy(&answer(&[&[at as u8][..], input].concat())).into_owned();
            assert_eq!(*said, Said::Accepted { digest: 0, causes: 0 }, "{} {}", peer.name, shown());
        }
        let read = |read: &adapters::Adapter| read(input).expect("a reading");
        assert!(ADAPTERS.iter().all(|adapter| read(adapter) == read(&ADAPTERS[0])), "the fast way is not taken");
        for at in 0..RUST_HL7.len() {
            let answered = answer(&[&[at as u8][..], input].concat());
            let tree = hl7::tree_of_answer(&answered[1..]).expect("an answer");
            let read = hl7::read(input).tree.expect("a tree");
            assert_eq!((answered[0], tree.digest(Erase::NONE)), (0, read.digest(Erase::NONE)));
        }
    }
}
