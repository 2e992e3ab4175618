//! Two executions walked in step: where their events differ first, and again each time they are found in step anew.

use crate::instrument::{TraceClass, TraceEvent, TraceSite};

/// What walking two executions showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// Each site that differed while both were in step, at its first time.
    pub differences: Vec<Difference>,
    /// Events that were compared.
    pub compared: u64,
    /// Events of the longer one.
    pub total: u64,
    /// Where they parted without an operand that differed: something decides there that is not traced. Events before it.
    pub parted: Option<u64>,
}

/// One site with two values in the same place of two executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Index of the trace site.
    pub site: u32,
    /// The operand in either.
    pub values: [u64; 2],
    /// Events that both have in common before it.
    pub event: u64,
    /// Whether they had parted before.
    pub resynchronised: bool,
}

/// Walks both in step. A data operand (an address, a length, a number) that differs is noted, and the walk goes on; at a
/// branch that goes two ways both are taken to the end of the function that it stands in, where they are in step again.
pub fn walk(a: &[TraceEvent], b: &[TraceEvent], sites: &[TraceSite]) -> Walk {
    let mut walk = Walk { total: a.len().max(b.len()) as u64, ..Walk::default() };
    let (mut i, mut j, mut resynchronised) = (0, 0, false);
    loop {
        let part = match (a.get(i), b.get(j)) {
            (None, None) => break,
            (Some(TraceEvent::Value { site, value: left }), Some(TraceEvent::Value { site: other, value: right }))
                if site == other =>
            {
                walk.compared += 1;
                if left != right {
                    if !walk.differences.iter().any(|known| known.site == *site) {
                        let event = walk.compared - 1;
                        walk.differences.push(Difference {
                            site: *site,
                            values: [*left, *right],
                            event,
                            resynchronised,
                        });
                    }
                    decides(sites, *site)
                } else {
                    false
                }
            }
            (Some(left), Some(right)) if left == right => {
                walk.compared += 1;
                false
            }
            // Something decides that has no operand to be seen, or one of them ended in a trap.
            _ => {
                walk.parted.get_or_insert(walk.compared);
                true
            }
        };
        i += 1;
        j += 1;
        if part {
            if let (Some(TraceEvent::Call { call }), Some(TraceEvent::Call { call: other })) = (a.get(i), b.get(j))
                && call == other
                && walk.parted.is_none()
            {
                // Another function is called: both are in step again when it returns.
                (i, j) = (i + 1, j + 1);
            }
            let Some((next_i, next_j)) = in_step_again(a, i, b, j, walk.parted.is_some()) else { break };
            (i, j, resynchronised) = (next_i, next_j, true);
        }
    }
    walk
}

/// Whether what comes next depends on the site's operand.
fn decides(sites: &[TraceSite], site: u32) -> bool {
    sites.get(site as usize).is_some_and(|site| matches!(site.class, TraceClass::Branch | TraceClass::Indirect))
}

/// The first place behind `i` and `j` where both have returned to the same call.
fn in_step_again(
    a: &[TraceEvent],
    mut i: usize,
    b: &[TraceEvent],
    mut j: usize,
    unexplained: bool,
) -> Option<(usize, usize)> {
    if unexplained {
        // What could not be explained once cannot be trusted again: the event itself was consumed.
        (i, j) = (i - 1, j - 1);
    }
    let (mut left, mut right) = (Frames::new(a, i), Frames::new(b, j));
    let (mut up_left, mut up_right) = (left.next(), right.next());
    loop {
        let ((at_left, call_left), (at_right, call_right)) = (up_left?, up_right?);
        if call_left == call_right {
            return Some((at_left + 1, at_right + 1));
        }
        // After a tail call one of them may stand deeper.
        up_left = left.next();
        up_right = right.next();
    }
}

/// The ends of the frames that are open at a place, innermost first.
struct Frames<'a> {
    events: &'a [TraceEvent],
    at: usize,
}

impl<'a> Frames<'a> {
    fn new(events: &'a [TraceEvent], at: usize) -> Self {
        Self { events, at }
    }
}

impl Iterator for Frames<'_> {
    type Item = (usize, u32);

    fn next(&mut self) -> Option<(usize, u32)> {
        let mut open: Vec<u32> = Vec::new();
        while let Some(event) = self.events.get(self.at) {
            let at = self.at;
            self.at += 1;
            match event {
                TraceEvent::Call { call } => open.push(*call),
                // A call that ended by an exception, caught further out, never came back: what was open inside of the
                // one that did is closed as well.
                TraceEvent::Back { call } => match open.iter().rposition(|opened| opened == call) {
                    Some(at) => open.truncate(at),
                    None => return Some((at, *call)),
                },
                TraceEvent::Value { .. } => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites() -> Vec<TraceSite> {
        let site = |class| TraceSite { function: 0, offset: 0, class, operation: "", operand: "" };
        vec![site(TraceClass::Branch), site(TraceClass::Load), site(TraceClass::Load)]
    }

    fn value(site: u32, value: u64) -> TraceEvent {
        TraceEvent::Value { site, value }
    }

    const CALL: TraceEvent = TraceEvent::Call { call: 7 };
    const BACK: TraceEvent = TraceEvent::Back { call: 7 };

    #[test]
    fn equal_executions_differ_nowhere() {
        let events = [CALL, value(0, 1), BACK, value(1, 64)];
        let walk = walk(&events, &events, &sites());
        assert_eq!((walk.differences.len(), walk.compared, walk.total, walk.parted), (0, 4, 4, None));
    }

    #[test]
    fn data_differs_and_the_walk_goes_on() {
        let a = [value(1, 64), value(2, 8), value(1, 66)];
        let b = [value(1, 65), value(2, 9), value(1, 66)];
        let walk = walk(&a, &b, &sites());
        let seen: Vec<_> = walk.differences.iter().map(|d| (d.site, d.values, d.event)).collect();
        assert_eq!(seen, [(1, [64, 65], 0), (2, [8, 9], 1)]);
        assert_eq!(walk.compared, 3);
    }

    #[test]
    fn after_a_branch_both_meet_where_the_function_returns() {
        let a = [CALL, value(0, 1), BACK, value(1, 10)];
        let b = [CALL, value(0, 0), CALL, value(2, 5), BACK, value(0, 1), BACK, value(1, 20)];
        let walk = walk(&a, &b, &sites());
        let seen: Vec<_> = walk.differences.iter().map(|d| (d.site, d.resynchronised)).collect();
        assert_eq!(seen, [(0, false), (1, true)]);
        assert_eq!((walk.compared, walk.total), (3, 8));
        assert_eq!(walk.parted, None);
    }

    #[test]
    fn after_another_function_was_called_both_meet_where_it_returns() {
        let mut sites = sites();
        sites[0].class = TraceClass::Indirect;
        let a = [value(0, 3), CALL, value(1, 9), BACK, value(2, 10)];
        let b = [value(0, 4), CALL, BACK, value(2, 11)];
        let seen: Vec<_> = walk(&a, &b, &sites).differences.iter().map(|d| (d.site, d.resynchronised)).collect();
        assert_eq!(seen, [(0, false), (2, true)]);
    }

    #[test]
    fn a_call_that_ended_by_an_exception_is_closed_with_the_one_around_it() {
        let thrown = TraceEvent::Call { call: 9 };
        let a = [CALL, value(0, 1), BACK, value(1, 10)];
        // A call inside of the other way catches what a call of its own throws.
        let inner = TraceEvent::Call { call: 8 };
        let b = [CALL, value(0, 0), inner, thrown, value(2, 5), TraceEvent::Back { call: 8 }, BACK, value(1, 20)];
        let seen: Vec<_> = walk(&a, &b, &sites()).differences.iter().map(|d| (d.site, d.values)).collect();
        assert_eq!(seen, [(0, [1, 0]), (1, [10, 20])]);
    }

    #[test]
    fn in_the_outermost_function_nothing_comes_after() {
        let walk = walk(&[value(0, 1), value(1, 1)], &[value(0, 0), value(2, 1)], &sites());
        assert_eq!((walk.differences.len(), walk.compared), (1, 1));
    }

    #[test]
    fn what_parts_without_a_cause_is_said() {
        let a = [CALL, value(1, 3), BACK, value(1, 5)];
        let b = [CALL, value(2, 3), BACK, value(1, 6)];
        let found = walk(&a, &b, &sites());
        assert_eq!(found.parted, Some(1));
        assert_eq!(found.differences.iter().map(|d| d.site).collect::<Vec<_>>(), [1]);
        let ended = walk(&[value(1, 3)], &[value(1, 3), value(1, 4)], &sites());
        assert_eq!((ended.parted, ended.differences.len()), (Some(1), 0));
    }
}
