//! How one budget is shared among units: fair shares, at most `jobs` workers at a time.

use std::time::Duration;

/// One worker's stint on one unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stint {
    /// Index of the unit.
    pub unit: usize,
    /// Number of the worker on that unit, from 0.
    pub worker: u32,
    /// Wall time of the stint; `None`: until its runs are done.
    pub seconds: Option<f64>,
    /// Executions at most.
    pub runs: Option<u64>,
}

/// Stints in the order in which they start. Every unit gets `time · jobs / units` worker-seconds; where there are
/// fewer units than jobs, several workers share a unit (and its corpus). `runs` is per unit and split among its workers.
pub fn stints(units: usize, jobs: u32, time: Option<Duration>, runs: Option<u64>) -> Vec<Stint> {
    if units == 0 {
        return Vec::new();
    }
    let jobs = jobs.max(1) as usize;
    // No runs: one worker goes through what is there already.
    let alone = units >= jobs || runs == Some(0);
    let workers_per_unit = |unit: usize| if alone { 1 } else { jobs / units + usize::from(unit < jobs % units) };
    let total = time.map(|time| time.as_secs_f64() * jobs as f64 / units as f64);
    let mut stints = Vec::new();
    for unit in 0..units {
        let workers = workers_per_unit(unit);
        for worker in 0..workers {
            stints.push(Stint {
                unit,
                worker: worker as u32,
                seconds: total.map(|total| {
                    // With more units than jobs a unit's share is one stint; else its workers run the whole time.
                    if units >= jobs { total } else { time.map_or(total, |time| time.as_secs_f64()) }
                }),
                runs: runs.map(|runs| runs / workers as u64 + u64::from((worker as u64) < runs % workers as u64)),
            });
        }
    }
    stints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fair_and_fill_the_budget() {
        for (units, jobs) in [(1, 1), (1, 2), (2, 2), (3, 2), (20, 2), (3, 8), (7, 4)] {
            let time = Duration::from_secs(60);
            let plan = stints(units, jobs, Some(time), None);
            let spent: f64 = plan.iter().filter_map(|stint| stint.seconds).sum();
            assert!((spent - 60.0 * f64::from(jobs)).abs() < 1e-6, "{units} units, {jobs} jobs: {spent}");
            for unit in 0..units {
                assert!(plan.iter().any(|stint| stint.unit == unit));
            }
        }
    }

    #[test]
    fn runs_are_split_without_loss() {
        let plan = stints(1, 3, None, Some(100));
        assert_eq!(plan.iter().filter_map(|stint| stint.runs).sum::<u64>(), 100);
        assert!(plan.iter().all(|stint| stint.seconds.is_none()));
        assert_eq!(stints(1, 3, None, Some(0)).len(), 1);
        assert!(stints(0, 2, None, None).is_empty());
    }
}
