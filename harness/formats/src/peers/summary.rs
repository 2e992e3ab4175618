//! What one differential execution says, in a few bytes: written by the guests that hold the Rust peers, read by the loop.
//!
//! Little-endian, without padding: the reference's side (0 accepted, 1 refused), case hash (u64), node count (u32), digest
//! (u64), the number of peers (u8); then for each peer its status (0 accepted, 1 refused, 2 not asked), layer (position in
//! [`Layer::ALL`]), code hash or hash of causes (u32), and tree digest (u64).

use super::Layer;
use crate::Format;
use crate::diff::judge::causes;
use crate::reading::Reading;
use crate::rules::{Policy, Side};
use crate::tree::{Erase, Tree, mix, string_hash};

/// What the reference reader and every peer of one guest say of one input.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Summary {
    /// The reference reader.
    pub reference: Reference,
    /// The peers, in the order of the guest's table.
    pub peers: Vec<Said>,
}

/// What the reference reader says, under [`Policy::StrictGateway`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Accepted or refused.
    pub side: Side,
    /// Hash of the set of cases that the input is in, whatever their order; 0 without one.
    pub cases: u64,
    /// Nodes of its tree; 0 without one.
    pub nodes: u32,
    /// Digest of its whole tree; 0 without one.
    pub digest: u64,
}

impl Default for Reference {
    fn default() -> Self {
        Self { side: Side::Accept, cases: 0, nodes: 0, digest: 0 }
    }
}

/// What one peer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Said {
    /// It took the input.
    Accepted {
        /// Digest of its canonical tree under its projection; 0 where that is the reference's digest under the same
        /// projection; [`UNREADABLE`] where what it wrote back is no tree.
        digest: u64,
        /// Hash of what differs from the reference's tree, and of nothing that depends on where; 0 where nothing does, or where
        /// the input has to be refused anyway.
        causes: u32,
    },
    /// It refused the input.
    Refused {
        /// Where in the parser.
        layer: Layer,
        /// Hash of the normalised error.
        code: u32,
    },
    /// It was not asked: it is slow, or another one's answer is its own.
    NotAsked,
}

/// The digest of an answer from which no canonical tree could be read.
pub const UNREADABLE: u64 = u64::MAX;

const CODE_CHARACTERS_MAX: usize = 120;
const HEAD_BYTES: usize = 1 + 8 + 4 + 8 + 1;
const PEER_BYTES: usize = 1 + 1 + 4 + 8;

impl Reference {
    /// Sums up a reading.
    pub fn of(reading: &Reading) -> Self {
        let cases = reading.breaches.iter().map(|breach| (breach.case.rule, breach.case.name));
        let mut hashes: Vec<u64> = cases.map(|(rule, name)| mix(string_hash(rule), string_hash(name))).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self {
            side: reading.side(Policy::StrictGateway),
            cases: hashes.into_iter().fold(0, mix),
            nodes: reading.tree.as_ref().map_or(0, |tree| tree.len() as u32),
            digest: reading.tree.as_ref().map_or(0, |tree| tree.digest(Erase::NONE)),
        }
    }
}

impl Said {
    /// What a peer that accepted an input says: its tree, as far as its `projection` goes, beside that of `reading`.
    pub fn accepted(format: Format, reading: &Reading, tree: Option<&Tree>, projection: Erase) -> Self {
        let Some(tree) = tree else { return Self::Accepted { digest: UNREADABLE, causes: 0 } };
        let (digest, sound) = (tree.digest(projection), !reading.must_be_refused());
        let reference = reading.tree.as_ref();
        if reference.is_some_and(|reference| reference.digest(projection) == digest) {
            return Self::Accepted { digest: 0, causes: 0 };
        }
        let causes = reference.filter(|_| sound).map_or(0, |reference| causes(format, reference, tree, projection));
        Self::Accepted { digest, causes }
    }

    /// A refusal, its error's text hashed.
    pub fn refused(layer: Layer, code: &str) -> Self {
        let hash = string_hash(code);
        Self::Refused { layer, code: (hash ^ (hash >> 32)) as u32 }
    }
}

/// An error's text without what varies with the input: quoted text becomes `_`, a number `0`, and positions at the end,
/// lists of what was expected instead and values (as serde words them) are cut off. At most 120 characters of the text are looked at.
pub fn normalised(error: &str) -> String {
    // Each with how much of it stays.
    let marks = [(" at line ", 0), (", expected one of", 0), ("invalid value: ", "invalid value".len())];
    let cut = marks.iter().filter_map(|(mark, stays)| error.find(mark).map(|at| at + stays)).min();
    let mut text = String::with_capacity(64);
    let mut quote = None;
    for character in error[..cut.unwrap_or(error.len())].chars().take(CODE_CHARACTERS_MAX) {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '`' | '"') => {
                quote = Some(character);
                text.push('_');
            }
            (None, '0'..='9') if text.ends_with('0') => {}
            (None, '0'..='9') => text.push('0'),
            (None, _) => text.push(character),
        }
    }
    text
}

impl Summary {
    /// Writes it; at most 255 peers.
    pub fn encode(&self) -> Vec<u8> {
        let peers = &self.peers[..self.peers.len().min(255)];
        let mut bytes = Vec::with_capacity(HEAD_BYTES + peers.len() * PEER_BYTES);
        bytes.push(u8::from(self.reference.side == Side::Reject));
        bytes.extend(self.reference.cases.to_le_bytes());
        bytes.extend(self.reference.nodes.to_le_bytes());
        bytes.extend(self.reference.digest.to_le_bytes());
        bytes.push(peers.len() as u8);
        for peer in peers {
            let (status, layer, code, digest) = match *peer {
                Said::Accepted { digest, causes } => (0, 0, causes, digest),
                Said::Refused { layer, code } => {
                    let layer = Layer::ALL.iter().position(|one| *one == layer).unwrap_or(0);
                    (1, layer as u8, code, 0)
                }
                Said::NotAsked => (2, 0, 0, 0),
            };
            bytes.extend([status, layer]);
            bytes.extend(code.to_le_bytes());
            bytes.extend(digest.to_le_bytes());
        }
        bytes
    }

    /// Reads it; `None` where the bytes are not exactly what [`Summary::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (side, rest) = bytes.split_first()?;
        let side = match side {
            0 => Side::Accept,
            1 => Side::Reject,
            _ => return None,
        };
        let (cases, rest) = rest.split_first_chunk()?;
        let (nodes, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let reference = Reference {
            side,
            cases: u64::from_le_bytes(*cases),
            nodes: u32::from_le_bytes(*nodes),
            digest: u64::from_le_bytes(*digest),
        };
        let (count, rest) = rest.split_first()?;
        let (peers, rest) = rest.as_chunks::<PEER_BYTES>();
        if peers.len() != usize::from(*count) || !rest.is_empty() {
            return None;
        }
        let peers = peers.iter().map(said).collect::<Option<_>>()?;
        Some(Self { reference, peers })
    }
}

fn said(bytes: &[u8; PEER_BYTES]) -> Option<Said> {
    let code = u32::from_le_bytes(*bytes[2..].first_chunk()?);
    let digest = u64::from_le_bytes(*bytes[6..].first_chunk()?);
    match (bytes[0], bytes[1], code, digest) {
        (0, 0, causes, digest) => Some(Said::Accepted { digest, causes }),
        (2, 0, 0, 0) => Some(Said::NotAsked),
        (1, layer, code, 0) => Some(Said::Refused { layer: *Layer::ALL.get(usize::from(layer))?, code }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Case, Wanted};

    static A: Case = Case { rule: "A01", name: "one", wanted: Wanted::Refusal };
    static B: Case = Case { rule: "A02", name: "two", wanted: Wanted::Refusal };

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let mut peers = vec![
            Said::Accepted { digest: 0, causes: 0 },
            Said::Accepted { digest: UNREADABLE, causes: 7 },
            Said::NotAsked,
        ];
        peers.extend(Layer::ALL.map(|layer| Said::refused(layer, "expected value")));
        let reference = Reference { side: Side::Reject, cases: 7, nodes: 3, digest: 1 << 63 };
        let summary = Summary { reference, peers };
        let bytes = summary.encode();
        assert_eq!(Summary::decode(&bytes), Some(summary));
        assert_eq!(Summary::decode(&Summary::default().encode()), Some(Summary::default()));
        for cut in 0..bytes.len() {
            assert_eq!(Summary::decode(&bytes[..cut]), None, "cut at {cut}");
        }
        for (at, wrong) in [(0, 2), (HEAD_BYTES - 1, 1), (HEAD_BYTES, 3), (HEAD_BYTES + 1, 1)] {
            let mut bytes = bytes.clone();
            bytes[at] = wrong;
            assert_eq!(Summary::decode(&bytes), None, "{wrong} at {at}");
        }
    }

    #[test]
    fn errors_keep_what_happened_and_lose_with_what() {
        for (error, code) in [
            ("unknown field `a1`, expected one of `id`, `text` at line 1 column 12", "unknown field _"),
            ("\"2026-13\" is not a valid date", "_ is not a valid date"),
            ("invalid type: integer `12`, expected a string at line 3", "invalid type: integer _, expected a string"),
            ("found 12 items, 3 wanted", "found 0 items, 0 wanted"),
            ("open `quote", "open _"),
        ] {
            assert_eq!(normalised(error), code);
        }
    }

    #[test]
    fn the_set_of_cases_is_hashed_and_not_their_order_or_number() {
        let of = |cases: &[&'static Case]| {
            let mut reading = Reading::default();
            cases.iter().for_each(|case| reading.breach(case, 0..0));
            Reference::of(&reading)
        };
        assert_eq!(of(&[&A, &B]), of(&[&B, &A, &B]));
        assert_ne!(of(&[&A, &B]).cases, of(&[&A]).cases);
        assert_eq!((of(&[]).cases, of(&[]).side, of(&[&A]).side), (0, Side::Accept, Side::Reject));
    }
}
