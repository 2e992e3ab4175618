//! A target as the loop sees it: one executor for speed, and a second one, made when it is first needed, that logs compares.

use super::facts::Relation;
use super::subject::{Logged, Subject};
use crate::HarnessError;
use crate::execution::{Outcome, RawFrame};
use crate::executors::{Build, Engine, Executor, Reset, component};
use crate::instrument::{Compared, Instrumented, Site, SiteKind, visit_log};
use crate::limits::Limits;
use crate::target::Target;

/// Distance, in bytes of code, from a compare to the branch that it decides: nothing but its consumer stands between.
const COMPARE_TO_BRANCH_BYTES_MAX: u32 = 4;

/// One entry of a target, ready to be fuzzed.
pub struct Guest<'a> {
    engine: &'a Engine,
    target: &'a Target,
    entry: &'a str,
    reset: Reset,
    limits: &'a Limits,
    fast: Executor,
    tracing: Option<Tracing>,
    frames: Vec<RawFrame>,
}

struct Tracing {
    executor: Executor,
    sites: Vec<SiteFacts>,
    /// Working memory of the log's reader.
    turns: Vec<u32>,
}

/// What the module's text says about a compare site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SiteFacts {
    relation: Relation,
    decides: Option<(u32, u32)>,
}

impl<'a> Guest<'a> {
    /// Compiles the fast build (or finds it in the cache) and starts it.
    pub fn new(
        engine: &'a Engine,
        target: &'a Target,
        entry: &'a str,
        reset: Reset,
        limits: &'a Limits,
    ) -> Result<Self, HarnessError> {
        let fast = Executor::new(engine, target, entry, Build::Fuzz, reset, limits)?;
        Ok(Self::of(engine, target, entry, limits, fast))
    }

    /// With an executor of another kind as the fast build. Its counters are the guest's.
    pub fn of(engine: &'a Engine, target: &'a Target, entry: &'a str, limits: &'a Limits, mut fast: Executor) -> Self {
        fast.leave_counters();
        let reset = fast.reset();
        Self { engine, target, entry, reset, limits, fast, tracing: None, frames: Vec::new() }
    }

    /// The fast build's executor.
    pub fn executor(&self) -> &Executor {
        &self.fast
    }

    /// What the last run in the fast build gave back.
    pub fn output(&self) -> &[u8] {
        self.fast.output()
    }

    /// Traces an input for a subject that has counters of its own behind the guest's: they are moved to the front of `traced`.
    pub fn trace_into(
        &mut self,
        input: &[u8],
        traced: &mut [u8],
        fact: &mut dyn FnMut(Logged<'_>),
    ) -> Result<Outcome, HarnessError> {
        let outcome = self.trace(input, fact)?;
        let counters = self.trace_counters();
        traced[..counters.len()].copy_from_slice(counters);
        counters.fill(0);
        Ok(outcome)
    }

    fn tracing(&mut self) -> Result<&mut Tracing, HarnessError> {
        if self.tracing.is_none() {
            let executor =
                Executor::new(self.engine, self.target, self.entry, Build::Compare, self.reset, self.limits)?;
            let sites = site_facts(executor.instrumented(), component::code(self.target, self.entry));
            self.tracing = Some(Tracing { executor, sites, turns: Vec::new() });
        }
        Ok(self.tracing.as_mut().expect("made above"))
    }
}

impl Subject for Guest<'_> {
    fn edges(&self) -> usize {
        self.fast.instrumented().edges.len()
    }

    fn compare_sites(&self) -> usize {
        self.tracing.as_ref().map_or(0, |tracing| tracing.sites.len())
    }

    fn decides(&self, site: usize) -> Option<(u32, u32)> {
        self.tracing.as_ref()?.sites.get(site)?.decides
    }

    #[inline]
    fn run(&mut self, input: &[u8]) -> Result<Outcome, HarnessError> {
        let outcome = self.fast.run(input);
        if !outcome.came_back() {
            self.frames = self.fast.execution().frames;
        }
        Ok(outcome)
    }

    #[inline]
    fn counters(&mut self) -> &mut [u8] {
        self.fast.counters()
    }

    fn frames(&self) -> &[RawFrame] {
        &self.frames
    }

    fn trace(&mut self, input: &[u8], fact: &mut dyn FnMut(Logged<'_>)) -> Result<Outcome, HarnessError> {
        let Tracing { executor, sites, turns } = self.tracing()?;
        let outcome = executor.run(input);
        if !outcome.came_back() {
            let frames = executor.execution().frames;
            self.frames = frames;
            return Ok(outcome);
        }
        visit_log(executor.compare_log(), turns, &mut |compared| match compared {
            Compared::Numbers { pair, occurrence } => {
                let relation = match sites.get(pair.site as usize) {
                    _ if pair.float => Relation::Float,
                    Some(facts) => facts.relation,
                    None => return,
                };
                let width = pair.width_bits / 8;
                fact(Logged::Number {
                    site: pair.site,
                    relation,
                    occurrence,
                    width,
                    left: pair.left,
                    right: pair.right,
                });
            }
            Compared::Strings { left, right, .. } => fact(Logged::Text { left, right }),
        });
        Ok(outcome)
    }

    fn trace_counters(&mut self) -> &mut [u8] {
        self.tracing.as_mut().expect("asked after a trace").executor.counters()
    }
}

/// Reads each compare's relation from its instruction, and finds the branch that consumes it.
fn site_facts(instrumented: &Instrumented, wasm: &[u8]) -> Vec<SiteFacts> {
    let mut branches: Vec<(Site, u32)> = instrumented
        .edges
        .iter()
        .zip(0..)
        .filter(|(site, _)| matches!(site.kind, SiteKind::Taken | SiteKind::NotTaken))
        .map(|(site, edge)| (*site, edge))
        .collect();
    branches.sort_by_key(|(site, _)| (site.function, site.offset));
    let facts = |compare: &Site| {
        let from =
            branches.partition_point(|(site, _)| (site.function, site.offset) < (compare.function, compare.offset));
        let near = branches[from..].iter().take_while(|(site, _)| {
            site.function == compare.function && site.offset <= compare.offset + COMPARE_TO_BRANCH_BYTES_MAX
        });
        let mut edge_of = [None, None];
        for (site, edge) in near.take(2) {
            edge_of[usize::from(site.kind == SiteKind::NotTaken)] = Some((site.offset, *edge));
        }
        let decides = match edge_of {
            [Some((taken_at, taken)), Some((not_taken_at, not_taken))] if taken_at == not_taken_at => {
                Some((taken, not_taken))
            }
            _ => None,
        };
        SiteFacts { relation: relation(wasm.get(compare.offset as usize).copied().unwrap_or(0)), decides }
    };
    instrumented.compares.iter().map(facts).collect()
}

/// What the instruction with this opcode asks.
fn relation(opcode: u8) -> Relation {
    match opcode {
        0x48..=0x4f | 0x53..=0x5a => Relation::Order,
        0x5b..=0x66 => Relation::Float,
        _ => Relation::Equality,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compare_knows_the_branch_behind_it() {
        // i32.lt_u at 10, br_if at 11; i32.eq at 20 with its branch far away.
        let mut wasm = vec![0; 40];
        wasm[10] = 0x49;
        wasm[20] = 0x46;
        let site = |offset, kind| Site { function: 1, offset, kind };
        let instrumented = Instrumented {
            edges: vec![
                site(2, SiteKind::Entry),
                site(11, SiteKind::Taken),
                site(11, SiteKind::NotTaken),
                site(35, SiteKind::Taken),
                site(35, SiteKind::NotTaken),
            ],
            compares: vec![site(10, SiteKind::Compare), site(20, SiteKind::Compare)],
            ..Instrumented::default()
        };
        let facts = site_facts(&instrumented, &wasm);
        assert_eq!(facts[0], SiteFacts { relation: Relation::Order, decides: Some((1, 2)) });
        assert_eq!(facts[1], SiteFacts { relation: Relation::Equality, decides: None });
    }
}
