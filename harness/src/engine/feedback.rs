//! Feedback: the decision that an input is new enough to keep.
//!
//! One pass over the counters of an execution classifies hit counts, compares them with all that was seen before, and
//! clears them. A word whose raw value is the one it had at its last look cannot be new, so most words cost one compare.

use crate::minimise;

/// What an execution added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Novelty {
    /// Nothing.
    None,
    /// A known edge was hit a new number of times.
    Count,
    /// An edge was hit for the first time.
    Edge,
}

/// Everything seen so far, by edge.
#[derive(Debug)]
pub(crate) struct Feedback {
    /// One bit per class of hit count, one byte per edge, packed as the counters are.
    seen: Vec<u64>,
    /// The raw counters that each word had when it was last compared, and the time before.
    last: Vec<[u64; 2]>,
    /// Counters, and how many of them are edges: they come first.
    counters: usize,
    edges: usize,
    found: usize,
    /// What the last look that found anything new found: edges and classes of counts.
    fresh: Vec<(u32, u8)>,
}

const WORD: usize = 8;
/// Words looked at together: most of a large module's counters are zero.
const BLOCK: usize = WORDS * WORD;
const WORDS: usize = 8;

impl Feedback {
    /// Of `counters`, the first `edges` are edges. What is new in the others is worth a known edge's new count.
    pub(crate) fn new(counters: usize, edges: usize) -> Self {
        let words = counters.div_ceil(WORD);
        Self { seen: vec![0; words], last: vec![[0; 2]; words], counters, edges, found: 0, fresh: Vec::new() }
    }

    /// Edges hit at least once.
    pub(crate) fn edges_found(&self) -> usize {
        self.found
    }

    /// Edges there are.
    pub(crate) fn edges_total(&self) -> usize {
        self.edges
    }

    /// Whether an edge was ever hit.
    pub(crate) fn is_found(&self, edge: usize) -> bool {
        self.seen.get(edge / WORD).is_some_and(|word| word.to_le_bytes()[edge % WORD] != 0)
    }

    /// Edges and classes of counts that were new to the last call of [`Feedback::judge`].
    pub(crate) fn fresh(&self) -> &[(u32, u8)] {
        &self.fresh
    }

    /// Judges the counters of one execution, remembers them, and clears them.
    pub(crate) fn judge(&mut self, counters: &mut [u8]) -> Novelty {
        debug_assert_eq!(counters.len(), self.counters);
        let mut novelty = Novelty::None;
        self.fresh.clear();
        let (blocks, rest) = counters.as_chunks_mut::<BLOCK>();
        for (block, bytes) in blocks.iter_mut().enumerate() {
            let words: [u64; WORDS] = std::array::from_fn(|word| u64::from_le_bytes(bytes.as_chunks().0[word]));
            if words.iter().fold(0, |all, word| all | word) == 0 {
                continue;
            }
            bytes.fill(0);
            for (raw, at) in words.into_iter().zip(block * WORDS..) {
                // What a word held at one of its last looks cannot be new, and most words of most inputs are such.
                if raw != 0 && raw != self.last[at][0] && raw != self.last[at][1] {
                    novelty = novelty.max(self.look(at, raw));
                }
            }
        }
        let first = blocks.len() * WORDS;
        for (word, at) in rest.chunks_mut(WORD).zip(first..) {
            let raw = read_word(word);
            word.fill(0);
            if raw != 0 {
                novelty = novelty.max(self.look(at, raw));
            }
        }
        novelty
    }

    #[inline]
    fn look(&mut self, at: usize, raw: u64) -> Novelty {
        self.last[at] = [raw, self.last[at][0]];
        match classify(raw) & !self.seen[at] {
            0 => Novelty::None,
            new => self.remember(at, new),
        }
    }

    #[cold]
    fn remember(&mut self, at: usize, new: u64) -> Novelty {
        let mut first = 0;
        let seen = self.seen[at].to_le_bytes();
        for ((edge, class), seen) in
            (at * WORD..).zip(new.to_le_bytes()).zip(seen).filter(|((_, class), _)| *class != 0)
        {
            self.fresh.push((edge as u32, class));
            first += usize::from(seen == 0 && edge < self.edges);
        }
        self.seen[at] |= new;
        self.found += first;
        if first > 0 { Novelty::Edge } else { Novelty::Count }
    }
}

/// Whether counters show all of these edges, with these classes of counts.
pub(crate) fn shows(counters: &[u8], features: &[(u32, u8)]) -> bool {
    features.iter().all(|(edge, class)| CLASS[counters[*edge as usize] as usize] & class != 0)
}

/// Calls `hit` with every edge that was hit and the class of its count.
pub(crate) fn for_each_hit(counters: &[u8], mut hit: impl FnMut(u32, u8)) {
    for (block, bytes) in counters.chunks(BLOCK).enumerate() {
        if is_zero(bytes) {
            continue;
        }
        for (index, &count) in bytes.iter().enumerate() {
            if count != 0 {
                hit((block * BLOCK + index) as u32, CLASS[count as usize]);
            }
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    match <&[u8; BLOCK]>::try_from(bytes) {
        Ok(block) => block.iter().fold(0, |all, byte| all | byte) == 0,
        Err(_) => bytes.iter().all(|byte| *byte == 0),
    }
}

fn read_word(bytes: &[u8]) -> u64 {
    match bytes.try_into() {
        Ok(word) => u64::from_le_bytes(word),
        Err(_) => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// AFL's classes of hit counts, one bit each.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut count = 1;
    while count < 256 {
        class[count] = 1 << minimise::count_class(count as u8);
        count += 1;
    }
    class
};

fn classify(raw: u64) -> u64 {
    u64::from_le_bytes(raw.to_le_bytes().map(|count| CLASS[count as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(feedback: &mut Feedback, hits: &[(usize, u8)]) -> Novelty {
        let mut counters = vec![0; feedback.counters];
        for &(edge, count) in hits {
            counters[edge] = count;
        }
        let novelty = feedback.judge(&mut counters);
        assert!(counters.iter().all(|byte| *byte == 0), "the pass clears what it reads");
        novelty
    }

    #[test]
    fn only_new_classes_are_novel() {
        // 150 edges: whole blocks, a partial block and a partial word.
        let mut feedback = Feedback::new(150, 150);
        let cases: &[(&[(usize, u8)], Novelty, usize)] = &[
            (&[], Novelty::None, 0),
            (&[(0, 1), (149, 1)], Novelty::Edge, 2),
            (&[(0, 1), (149, 1)], Novelty::None, 2),
            (&[(0, 2)], Novelty::Count, 2),
            (&[(0, 1)], Novelty::None, 2),
            (&[(0, 5)], Novelty::Count, 2),
            (&[(0, 7)], Novelty::None, 2),
            (&[(0, 2), (1, 1)], Novelty::Edge, 3),
            (&[(149, 255)], Novelty::Count, 3),
            (&[(149, 128)], Novelty::None, 3),
        ];
        for (step, (hits, novelty, found)) in cases.iter().enumerate() {
            assert_eq!((run(&mut feedback, hits), feedback.edges_found()), (*novelty, *found), "step {step}");
        }
        assert!(feedback.is_found(149) && !feedback.is_found(148) && !feedback.is_found(1000));
    }

    #[test]
    fn counters_that_are_no_edges_are_kept_and_not_counted() {
        let mut feedback = Feedback::new(20, 10);
        let cases: &[(&[(usize, u8)], Novelty, usize)] = &[
            (&[(10, 1)], Novelty::Count, 0),
            (&[(10, 1)], Novelty::None, 0),
            (&[(9, 1), (19, 1)], Novelty::Edge, 1),
            (&[(9, 1), (18, 1)], Novelty::Count, 1),
        ];
        for (step, (hits, novelty, found)) in cases.iter().enumerate() {
            assert_eq!((run(&mut feedback, hits), feedback.edges_found()), (*novelty, *found), "step {step}");
        }
        assert_eq!(feedback.edges_total(), 10);
    }

    #[test]
    fn hits_are_listed_with_their_class() {
        let mut counters = vec![0; 150];
        counters[3] = 4;
        counters[149] = 1;
        let mut hits = Vec::new();
        for_each_hit(&counters, |edge, class| hits.push((edge, class)));
        assert_eq!(hits, [(3, 8), (149, 1)]);
    }
}
