//! How much is left to find, as the report says it: over all jobs of a unit, and only where enough was seen.

use crate::engine::Saturation;
use autoclave_reports::record;

/// Fewer sampled executions than this say nothing.
const SAMPLED_MIN: u64 = 100;

/// `incidence[edge]`: in how many of the `sampled` executions the edge was seen.
pub fn estimate(incidence: &[u64], sampled: u64) -> record::Saturation {
    let estimate = Saturation::of(incidence, sampled);
    let enough = sampled >= SAMPLED_MIN;
    record::Saturation {
        singletons: estimate.singletons,
        doubletons: estimate.doubletons,
        // With no singleton left, "less than one in n" is all that can be said.
        p_new_edge: enough.then(|| (estimate.singletons.max(1) as f64 / sampled as f64).min(1.0)),
        chao1_edges: enough.then_some(estimate.reachable_edges),
        ..record::Saturation::default()
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
