//! Which entry is next: small, fast entries that are the best witness of an edge first, rare edges more often, the newest
//! for a while.

use libafl_bolts::rands::Rand;
use std::rc::Rc;

/// Two byte strings that a compare had as operands: the first occurs in the input, the second would satisfy the compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) from: Box<[u8]>,
    pub(crate) to: Box<[u8]>,
}

/// An input worth keeping, and what is known about it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) input: Rc<[u8]>,
    /// Edges that it hits.
    pub(crate) edges: Box<[u32]>,
    /// What one execution costs: nanoseconds, or hits where no clock may decide.
    pub(crate) cost: u64,
    /// Whether it was the first to hit some edge.
    pub(crate) new_edge: bool,
    /// Next step of the deterministic byte stage.
    pub(crate) byte_step: usize,
    /// Executions for which it is still preferred because it is new.
    pub(crate) sticky: u32,
    /// How often it was mutated.
    pub(crate) visits: u32,
    /// Mutants of it that ran into a deadline.
    pub(crate) hangs: u32,
    /// Best witness of at least one edge.
    pub(crate) favoured: bool,
    /// How often the compare stage has looked at it.
    pub(crate) studies: u32,
    /// Operands of its compares that occur in it.
    pub(crate) pairs: Rc<[Pair]>,
}

/// Entries, the best witness of each edge, and weights.
pub(crate) struct Schedule {
    pub(crate) entries: Vec<Entry>,
    /// Best witness per edge; `u32::MAX` where none.
    witness: Vec<u32>,
    /// Entries by edge: how many hit it.
    holders: Vec<u32>,
    /// Running sums of weights.
    sums: Vec<u64>,
    /// Median cost of an entry.
    usual_cost: u64,
    stale: bool,
    picks: u32,
    /// Newest entries with sticky executions left, newest last.
    newest: Vec<u32>,
}

/// An entry may cost so many times what is usual before its turns get shorter.
const FAIR_COSTS: u64 = 2;
/// Weights are computed again after so many picks.
const PICKS_PER_WEIGHING: u32 = 128;

impl Schedule {
    pub(crate) fn new(edges: usize) -> Self {
        Self {
            entries: Vec::new(),
            witness: vec![u32::MAX; edges],
            holders: vec![0; edges],
            sums: Vec::new(),
            usual_cost: 0,
            stale: true,
            picks: 0,
            newest: Vec::new(),
        }
    }

    /// Takes an entry in and returns its index.
    pub(crate) fn add(&mut self, entry: Entry) -> usize {
        let index = self.entries.len();
        let own = rank(&entry);
        for &edge in &entry.edges {
            let edge = edge as usize;
            self.holders[edge] += 1;
            let best = self.witness[edge];
            if best == u32::MAX || rank(&self.entries[best as usize]) > own {
                self.witness[edge] = index as u32;
            }
        }
        if entry.sticky > 0 {
            self.newest.push(index as u32);
        }
        self.entries.push(entry);
        self.stale = true;
        index
    }

    /// The entry to mutate next.
    pub(crate) fn pick(&mut self, rand: &mut impl Rand) -> usize {
        while let Some(&newest) = self.newest.last() {
            if self.entries[newest as usize].sticky == 0 {
                self.newest.pop();
                continue;
            }
            if rand.next() >> 63 == 0 {
                return newest as usize;
            }
            break;
        }
        self.picks += 1;
        if (self.stale && self.picks >= 16) || self.picks >= PICKS_PER_WEIGHING || self.sums.is_empty() {
            self.weigh();
        }
        let total = *self.sums.last().expect("an empty schedule has nothing to pick");
        let at = ((u128::from(rand.next()) * u128::from(total)) >> 64) as u64;
        self.sums.partition_point(|sum| *sum <= at)
    }

    /// Median cost of an entry at the last weighing; 0 before the first.
    pub(crate) fn usual_cost(&self) -> u64 {
        self.usual_cost
    }

    /// How many of `executions` an entry gets: all, or fewer where it is slow, so that its turn takes no longer than those
    /// of others do.
    pub(crate) fn fair(&self, index: usize, executions: u32) -> u32 {
        let cost = self.entries[index].cost.max(1);
        let of_usual = u64::from(executions).saturating_mul(self.usual_cost * FAIR_COSTS) / cost;
        of_usual.max(u64::from(executions / 32).max(1)).min(executions.into()) as u32
    }

    /// Favoured entries, in order.
    pub(crate) fn favoured(&mut self) -> Vec<usize> {
        self.weigh();
        (0..self.entries.len()).filter(|index| self.entries[*index].favoured).collect()
    }

    fn weigh(&mut self) {
        self.stale = false;
        self.picks = 0;
        for entry in &mut self.entries {
            entry.favoured = false;
        }
        for &witness in &self.witness {
            if witness != u32::MAX {
                self.entries[witness as usize].favoured = true;
            }
        }
        let mut costs: Vec<u64> = self.entries.iter().map(|entry| entry.cost).collect();
        let middle = costs.len() / 2;
        self.usual_cost = (*costs.select_nth_unstable(middle).1).max(1);
        self.sums.clear();
        let mut sum = 0;
        for entry in &self.entries {
            sum += weight(entry, self.usual_cost, &self.holders);
            self.sums.push(sum);
        }
    }
}

/// Smaller is a better witness.
fn rank(entry: &Entry) -> u64 {
    entry.cost.max(1).saturating_mul(entry.input.len() as u64 + 16)
}

fn weight(entry: &Entry, usual_cost: u64, holders: &[u32]) -> u64 {
    let mut weight: u64 = if entry.favoured { 1 << 16 } else { 1 << 11 };
    if entry.new_edge {
        weight *= 2;
    }
    let rarest = entry.edges.iter().map(|edge| holders[*edge as usize]).min().unwrap_or(1);
    weight = weight * 8 / (7 + u64::from(rarest.min(57)));
    // Fast entries are worth more executions, but not all of them.
    weight = (weight * usual_cost.clamp(entry.cost / 4, entry.cost * 4) / entry.cost.max(1)).max(1);
    let visits = u64::from(entry.visits);
    weight = weight * 8 / (8 + visits.min(1 << 10));
    (weight >> (2 * entry.hangs).min(12)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use libafl_bolts::rands::StdRand;

    fn entry(len: usize, cost: u64, edges: &[u32]) -> Entry {
        Entry {
            input: vec![0; len].into(),
            edges: edges.into(),
            cost,
            new_edge: true,
            byte_step: 0,
            sticky: 0,
            visits: 0,
            hangs: 0,
            favoured: false,
            studies: 0,
            pairs: Rc::new([]),
        }
    }

    #[test]
    fn best_witnesses_are_favoured_and_picked_most() {
        let mut schedule = Schedule::new(8);
        schedule.add(entry(1000, 1000, &[0, 1]));
        schedule.add(entry(10, 100, &[0, 1]));
        schedule.add(entry(10, 100, &[2]));
        assert_eq!(schedule.favoured(), [1, 2]);
        let mut rand = StdRand::with_seed(1);
        let mut picks = [0; 3];
        for _ in 0..3000 {
            picks[schedule.pick(&mut rand)] += 1;
        }
        assert!(picks[0] > 0 && picks[1] > 10 * picks[0] && picks[2] > 10 * picks[0], "{picks:?}");
    }

    #[test]
    fn the_newest_entry_sticks_until_it_is_used_up() {
        let mut schedule = Schedule::new(1);
        for _ in 0..50 {
            schedule.add(entry(1, 1, &[0]));
        }
        let newest = schedule.add(Entry { sticky: 100, ..entry(1, 1, &[]) });
        let mut rand = StdRand::with_seed(2);
        let share =
            |schedule: &mut Schedule, rand: &mut StdRand| (0..1000).filter(|_| schedule.pick(rand) == newest).count();
        assert!(share(&mut schedule, &mut rand) > 400);
        schedule.entries[newest].sticky = 0;
        assert!(share(&mut schedule, &mut rand) < 200);
    }

    #[test]
    fn hangs_make_an_entry_rare() {
        let mut schedule = Schedule::new(2);
        schedule.add(Entry { hangs: 5, ..entry(1, 1, &[0]) });
        schedule.add(entry(1, 1, &[1]));
        let mut rand = StdRand::with_seed(3);
        let hanging = (0..10_000).filter(|_| schedule.pick(&mut rand) == 0).count();
        assert!(hanging < 50, "{hanging}");
    }
}
