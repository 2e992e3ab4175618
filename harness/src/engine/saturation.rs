//! How much there may be left to find: Good–Turing and Chao1 over the edges of sampled executions.

/// Estimates of what further executions would find.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Saturation {
    /// Executions whose edges were counted.
    pub samples: u64,
    /// Edges seen in exactly one sample.
    pub singletons: u64,
    /// Edges seen in exactly two samples.
    pub doubletons: u64,
    /// Good–Turing: chance that the next execution hits an edge that no sample has hit.
    pub next_is_new: f64,
    /// Chao1: lower bound of the number of edges reachable by going on as before.
    pub reachable_edges: f64,
}

/// Counts, for each edge, the sampled executions that hit it.
pub(crate) struct Incidence {
    counts: Vec<u32>,
    samples: u64,
}

impl Incidence {
    pub(crate) fn new(edges: usize) -> Self {
        Self { counts: vec![0; edges], samples: 0 }
    }

    /// Takes the counters of one execution in.
    pub(crate) fn sample(&mut self, counters: &[u8]) {
        self.samples += 1;
        super::feedback::for_each_hit(counters, |edge, _| {
            let count = &mut self.counts[edge as usize];
            *count = count.saturating_add(1);
        });
    }

    /// The counts, by edge.
    pub(crate) fn into_counts(self) -> Vec<u32> {
        self.counts
    }

    pub(crate) fn estimate(&self) -> Saturation {
        Saturation::of(&self.counts, self.samples)
    }
}

impl Saturation {
    /// From the number of samples that hit each edge. Good–Turing (I. J. Good, 1953); Chao1 (A. Chao, 1984; bias-corrected
    /// form); M. Böhme, "STADS" (TOSEM 2018), carries both over to fuzzing.
    pub fn of<C: Copy + Into<u64>>(counts: &[C], samples: u64) -> Self {
        let of = |wanted| counts.iter().filter(|count| (**count).into() == wanted).count() as u64;
        let seen = counts.len() as f64 - of(0) as f64;
        let (singletons, doubletons) = (of(1), of(2));
        let (one, two) = (singletons as f64, doubletons as f64);
        // The bias-corrected form, defined without doubletons too.
        let unseen = one * (one - 1.0).max(0.0) / (2.0 * (two + 1.0));
        Saturation {
            samples,
            singletons,
            doubletons,
            next_is_new: if samples == 0 { 1.0 } else { (one / samples as f64).min(1.0) },
            reachable_edges: seen + unseen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_follow_the_formulas() {
        let mut incidence = Incidence::new(6);
        assert_eq!(incidence.estimate().next_is_new, 1.0);
        // Edge 0 in all four samples, 1 in two, 2, 3 and 4 in one each, 5 never.
        for counters in [[1, 1, 0, 0, 0, 0], [9, 3, 1, 0, 0, 0], [1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 1, 0]] {
            incidence.sample(&counters);
        }
        let estimate = incidence.estimate();
        assert_eq!((estimate.samples, estimate.singletons, estimate.doubletons), (4, 3, 1));
        assert_eq!(estimate.next_is_new, 0.75);
        assert_eq!(estimate.reachable_edges, 5.0 + 3.0 * 2.0 / 4.0);
    }
}
