//! How much is left to find: estimates from how often each edge was seen in sampled executions.

use autoclave_reports::record::Saturation;

/// Fewer sampled executions than this say nothing.
const SAMPLED_MIN: u64 = 100;

/// `incidence[edge]`: in how many of the `sampled` executions the edge was seen.
///
/// Good–Turing (I. J. Good, 1953): the chance that the next execution sees a new edge is about f1 / n, where f1 counts
/// the edges seen exactly once in n executions. Chao1 (A. Chao, 1984; bias-corrected form): reachable edges are about
/// S + f1 (f1 − 1) / (2 (f2 + 1)). M. Böhme, "STADS" (TOSEM 2018), carries both over to fuzzing.
pub fn estimate(incidence: &[u64], sampled: u64) -> Saturation {
    let seen_times = |times: u64| incidence.iter().filter(|&&count| count == times).count() as u64;
    let (singletons, doubletons) = (seen_times(1), seen_times(2));
    let found = incidence.iter().filter(|&&count| count > 0).count() as f64;
    let enough = sampled >= SAMPLED_MIN;
    let (f1, f2) = (singletons as f64, doubletons as f64);
    Saturation {
        singletons,
        doubletons,
        // With no singleton left, "less than one in n" is all that can be said.
        p_new_edge: enough.then(|| (f1.max(1.0) / sampled as f64).min(1.0)),
        chao1_edges: enough.then(|| found + f1 * (f1 - 1.0).max(0.0) / (2.0 * (f2 + 1.0))),
        ..Saturation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_agree_with_hand_computed_ones() {
        let few = estimate(&[5, 1, 1, 2, 0], 10);
        assert_eq!((few.singletons, few.doubletons, few.p_new_edge), (2, 1, None));
        let many = estimate(&[500, 1, 1, 1, 2, 0], 1000);
        assert_eq!(many.p_new_edge, Some(0.003));
        assert_eq!(many.chao1_edges, Some(5.0 + 3.0 * 2.0 / 4.0));
        assert_eq!(estimate(&[1000, 999], 1000).p_new_edge, Some(0.001));
    }
}
