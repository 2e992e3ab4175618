//! Guards: places of an input that must agree with the rest of it: checksums, lengths, copies.
//!
//! Where an entry holds an equality of which one side comes from a few bytes and the other from others, changing the
//! others breaks it, and everything behind it is out of reach. The few bytes are then written anew, from what the compare
//! itself computed.

use super::facts::{Fact, Relation};
use super::sums::{Dependence, solve_sum};
use std::rc::Rc;

/// Guards kept for one entry.
const GUARDS_MAX: usize = 16;
/// Bytes of a place that can be written anew.
const FIELD_BYTES_MAX: usize = 8;

/// An entry and what must agree in it.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    pub(super) base: Rc<[u8]>,
    pub(super) guards: Vec<Guard>,
}

/// An equality between two parts of an input.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// As it stood in the entry: both operands equal.
    pub(super) fact: Fact,
    /// Bytes that change the left operand alone, and the right one.
    sides: [Vec<Dependence>; 2],
    /// Bytes that are xored into an operand as they are, the lowest first: empty unless they fill it.
    mask: Vec<usize>,
}

/// Equalities that an entry holds, and which bytes were seen to reach them.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    guards: Vec<Guard>,
    /// For each compare of the trace its candidate, or `u32::MAX`.
    of_fact: Vec<u32>,
}

impl Candidates {
    pub(super) fn new(facts: &[Fact]) -> Self {
        let mut candidates = Self::default();
        for fact in facts {
            let held = fact.relation == Relation::Equality && fact.holds_equal();
            candidates.of_fact.push(if held { candidates.guards.len() as u32 } else { u32::MAX });
            if held {
                candidates.guards.push(Guard { fact: *fact, sides: [Vec::new(), Vec::new()], mask: Vec::new() });
            }
        }
        candidates
    }

    /// Notes what a change of the byte at `at` by `step` made of the compare at `index` of the trace.
    pub(super) fn note(&mut self, index: usize, fact: &Fact, at: usize, step: u8) {
        let Some(guard) = self.of_fact.get(index).and_then(|guard| self.guards.get_mut(*guard as usize)) else {
            return;
        };
        let changed = [fact.left != guard.fact.left, fact.right != guard.fact.right];
        if changed[0] != changed[1] {
            let dependence = Dependence { at, step, left: fact.left, right: fact.right };
            guard.sides[usize::from(changed[1])].push(dependence);
        }
    }

    /// Those of which one side can be written to agree with the other.
    pub(super) fn into_guards(mut self, base: &[u8]) -> Vec<Guard> {
        self.guards.retain_mut(|guard| {
            guard.find_mask(base);
            let [left, right] = guard.sides.each_ref().map(Vec::len);
            let has_field = left > 0 && right > 0 && left.min(right) <= FIELD_BYTES_MAX && left + right > 2;
            has_field || !guard.mask.is_empty()
        });
        self.guards.truncate(GUARDS_MAX);
        self.guards
    }
}

impl Guard {
    /// A checksum that is compared as `field ^ sum`, with a constant: the field's bytes reach the operand as they are, and
    /// there are others that reach it in other ways. Where several could be the field, the last ones are.
    fn find_mask(&mut self, base: &[u8]) {
        for (side, other) in [(0, 1), (1, 0)] {
            let side = &self.sides[side];
            if !self.sides[other].is_empty() {
                continue;
            }
            let mut mask = vec![None; usize::from(self.fact.width)];
            for dependence in side {
                let old = base[dependence.at];
                let flipped = u64::from(old ^ old.wrapping_add(dependence.step));
                let effect = dependence.left ^ dependence.right ^ self.fact.left ^ self.fact.right;
                if let Some(shift) = (0..mask.len()).find(|shift| effect == flipped << (8 * shift)) {
                    mask[shift] = Some(dependence.at);
                }
            }
            if side.len() > mask.len()
                && let Some(mask) = mask.into_iter().collect()
            {
                self.mask = mask;
                return;
            }
        }
    }

    /// Flips the bits of the mask that keep the operands apart.
    fn mend_mask(&self, moved: &Moved, base: &[u8], mutant: &mut [u8], now: &Fact) -> bool {
        let places: Option<Vec<usize>> = self.mask.iter().map(|at| moved.place(base, mutant, *at)).collect();
        let Some(places) = places.filter(|places| !places.is_empty()) else { return false };
        for (at, flips) in places.into_iter().zip((now.left ^ now.right).to_le_bytes()) {
            mutant[at] ^= flips;
        }
        true
    }

    /// Writes a side that stands in `mutant` as it stood in `base` so that it agrees with the other; false where neither can be.
    pub(super) fn mend(&self, base: &[u8], mutant: &mut [u8], now: &Fact) -> bool {
        let moved = Moved::new(base, mutant);
        let mut sides: Vec<&Vec<Dependence>> =
            self.sides.iter().filter(|side| (1..=FIELD_BYTES_MAX).contains(&side.len())).collect();
        sides.sort_by_key(|side| side.len());
        for side in sides {
            let mut there = Vec::with_capacity(side.len());
            for dependence in side {
                if let Some(at) = moved.place(base, mutant, dependence.at) {
                    there.push(Dependence { at, ..*dependence });
                }
            }
            if there.len() < side.len() {
                continue;
            }
            if let Some(solution) = solve_sum(mutant, &self.fact, now, &there, 0..=255) {
                for (at, value) in solution {
                    mutant[at] = value;
                }
                return true;
            }
        }
        self.mend_mask(&moved, base, mutant, now)
    }
}

/// Where the bytes of an input are after a mutation.
struct Moved {
    /// Bytes that stand before the first and behind the last change.
    before: usize,
    behind: usize,
    /// Whether nothing was inserted or removed.
    in_place: bool,
}

impl Moved {
    fn new(base: &[u8], mutant: &[u8]) -> Self {
        let before = base.iter().zip(mutant).take_while(|(old, new)| old == new).count();
        let rest = base.len().min(mutant.len()) - before;
        let behind = base.iter().rev().zip(mutant.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
        Self { before, behind, in_place: base.len() == mutant.len() }
    }

    /// Where an unchanged byte is now.
    fn place(&self, base: &[u8], mutant: &[u8], at: usize) -> Option<usize> {
        if at < self.before || (self.in_place && base[at] == mutant[at]) {
            return Some(at);
        }
        (at + self.behind >= base.len()).then(|| at + mutant.len() - base.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(left: u8, right: u8) -> Fact {
        Fact {
            site: 0,
            relation: Relation::Equality,
            occurrence: 1,
            width: 1,
            left: u64::from(left),
            right: u64::from(right),
        }
    }

    /// A guard over the sum of all bytes but the last, which holds it.
    fn sum_guard(base: &[u8]) -> Guard {
        let sum = |input: &[u8]| input[..input.len() - 1].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let of = |input: &[u8]| fact(input[input.len() - 1], sum(input));
        let mut candidates = Candidates::new(&[of(base)]);
        for at in 0..base.len() {
            let mut changed = base.to_vec();
            changed[at] += 1;
            candidates.note(0, &of(&changed), at, 1);
        }
        candidates.into_guards(base).pop().expect("a guard")
    }

    #[test]
    fn a_checksum_follows_what_it_covers() {
        let base = [1, 2, 3, 6];
        let guard = sum_guard(&base);
        let mut changed = [1, 9, 3, 6];
        assert!(guard.mend(&base, &mut changed, &fact(6, 13)));
        assert_eq!(changed, [1, 9, 3, 13]);
        // It moves with the end of the input.
        let mut longer = [1, 2, 9, 9, 3, 6];
        assert!(guard.mend(&base, &mut longer, &fact(6, 24)));
        assert_eq!(longer, [1, 2, 9, 9, 3, 24]);
    }

    #[test]
    fn a_checksum_that_was_changed_itself_is_left_alone() {
        let base = [1, 2, 3, 4, 5, 6, 7, 8, 9, 45];
        let guard = sum_guard(&base);
        let mut changed = base;
        changed[9] = 0;
        assert!(!guard.mend(&base, &mut changed, &fact(0, 45)));
    }

    #[test]
    fn a_checksum_xored_with_its_field_is_flipped_right() {
        // Compared as `field ^ 7 * (a + b)` with a constant, 16 bits wide.
        let of = |input: &[u8]| {
            let field = u16::from_le_bytes([input[2], input[3]]);
            let left = field ^ (7 * (u16::from(input[0]) + u16::from(input[1])));
            Fact { width: 2, left: u64::from(left), ..fact(0, 0) }
        };
        let base = [10, 20, 210, 0];
        let mut candidates = Candidates::new(&[of(&base)]);
        for at in 0..base.len() {
            let mut changed = base;
            changed[at] += 1;
            candidates.note(0, &of(&changed), at, 1);
        }
        let guard = candidates.into_guards(&base).pop().expect("a guard");
        let mut changed = [90, 20, 210, 0];
        let now = of(&changed);
        assert!(!now.holds_equal() && guard.mend(&base, &mut changed, &now));
        assert!(of(&changed).holds_equal());
    }

    #[test]
    fn constants_are_no_guards() {
        let mut candidates = Candidates::new(&[fact(7, 7)]);
        candidates.note(0, &fact(8, 7), 3, 1);
        assert!(candidates.into_guards(&[0; 4]).is_empty());
    }
}
