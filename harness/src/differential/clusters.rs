//! Disagreements of a run: one cluster for each signature, with the smallest inputs that show it.

use super::panel::{Heard, Panel};
use crate::minimise;
use autoclave_formats::diff::judge::{Ground, Statement};
use autoclave_formats::diff::shrink::shrink;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

/// Inputs kept of each cluster.
const KEPT: usize = 3;
/// Clusters of a run; what comes after them is counted only.
const CLUSTERS_MAX: usize = 2_000;
/// Tries that minimising one cluster is worth, by parts of the format and by bytes.
const TRIES_MAX: [usize; 2] = [2_000, 3_000];
/// Time that minimising one cluster may take: an input on which a reader hangs costs a deadline in every try.
const CLUSTER_TIME_MAX: Duration = Duration::from_secs(10);
/// Text of several causes of one cluster, bytes; what comes after it is not named.
const CAUSES_BYTES_MAX: usize = 200;
/// Tries that separating the causes of one input is worth.
const SEPARATION_TRIES_MAX: usize = 300;

/// One cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// What it is.
    pub statement: Statement,
    /// The smallest inputs that showed it, smallest first.
    pub inputs: Vec<Vec<u8>>,
    /// Inputs that showed it.
    pub hits: u64,
    /// Executions of the run before the first.
    pub executions: u64,
    /// Seconds of the run before the first.
    pub seconds: f64,
}

/// All clusters.
#[derive(Debug, Default)]
pub struct Clusters {
    /// Inputs with one cause, by signature.
    pub pure: BTreeMap<String, Cluster>,
    /// Inputs that have to be refused for several causes at once, by signature: kept until a smaller one separates them.
    pub mixed: BTreeMap<String, Cluster>,
    /// Inputs looked at.
    pub looked_at: u64,
    /// Differences left out as documented and harmless: reader, what of its quirks, how often.
    pub quirks: BTreeMap<(&'static str, &'static str), u64>,
}

impl Clusters {
    /// Hears what `panel` says of an input and of its respellings, and takes it in.
    pub fn look_at(&mut self, panel: &mut Panel, input: &[u8], executions: u64, seconds: f64) {
        let mut heard = panel.hear(input);
        let telling = panel.ask_again(input, &mut heard);
        self.add(input, &heard, executions, seconds);
        for (respelt, heard) in telling {
            self.add(&respelt, &heard, executions, seconds);
        }
    }

    /// Takes in what was heard of an input.
    pub fn add(&mut self, input: &[u8], heard: &Heard, executions: u64, seconds: f64) {
        self.looked_at += 1;
        for quirk in &heard.judgement.quirks {
            *self.quirks.entry(*quirk).or_default() += 1;
        }
        let clusters = if heard.judgement.causes > 1 { &mut self.mixed } else { &mut self.pure };
        for statement in &heard.judgement.statements {
            let signature = statement.signature();
            if clusters.len() >= CLUSTERS_MAX && !clusters.contains_key(&signature) {
                continue;
            }
            let cluster = clusters.entry(signature).or_insert_with(|| Cluster {
                statement: statement.clone(),
                inputs: Vec::new(),
                hits: 0,
                executions,
                seconds,
            });
            cluster.hits += 1;
            let at = cluster.inputs.partition_point(|known| (known.len(), known.as_slice()) < (input.len(), input));
            if at < KEPT && cluster.inputs.get(at).is_none_or(|known| known != input) {
                cluster.inputs.insert(at, input.to_vec());
                cluster.inputs.truncate(KEPT);
            }
        }
    }

    /// Looks for an input with one cause for each disagreement that was seen among others only.
    pub fn separate(&mut self, panel: &mut Panel, mut go_on: impl FnMut() -> bool) {
        let mut mixed: Vec<Cluster> = std::mem::take(&mut self.mixed).into_values().collect();
        mixed.sort_by_key(|cluster| cluster.inputs[0].len());
        for cluster in mixed {
            let about = |statement: &Statement| (statement.class, statement.about());
            let same = |other: &Cluster| about(&other.statement) == about(&cluster.statement);
            if self.pure.values().any(same) || !go_on() {
                continue;
            }
            let mut separated = None;
            shrink(panel.format, &cluster.inputs[0], SEPARATION_TRIES_MAX, |candidate| {
                let heard = panel.hear(candidate);
                let holds = heard.judgement.statements.iter().any(|other| about(other) == about(&cluster.statement));
                if holds && heard.judgement.causes <= 1 {
                    separated = Some((candidate.to_vec(), heard));
                }
                holds
            });
            if let Some((input, heard)) = separated {
                self.add(&input, &heard, cluster.executions, cluster.seconds);
                continue;
            }
            // It takes several: that is what the card then says, once, with as many readers as there are.
            let known = self
                .mixed
                .iter()
                .find(|(_, known)| same(known))
                .map(|(signature, known)| (signature.clone(), known.statement.peers().count()));
            match known {
                Some((_, peers)) if peers >= cluster.statement.peers().count() => {}
                known => {
                    known.map(|(signature, _)| self.mixed.remove(&signature));
                    self.mixed.insert(cluster.statement.signature(), cluster);
                }
            }
        }
    }

    /// Clusters without those of which another one says the same about the same readers and more: where fewer readers go
    /// wrong, the others had a reason of their own to refuse.
    fn uncovered(&self) -> Vec<Cluster> {
        let all: Vec<&Cluster> = self.pure.values().chain(self.mixed.values()).collect();
        let covers = |one: &Cluster, other: &Cluster| {
            one.statement.is_covered_by(&other.statement) && !other.statement.is_covered_by(&one.statement)
        };
        let mut kept: Vec<Cluster> = Vec::new();
        for one in &all {
            if !all.iter().any(|other| covers(one, other)) {
                let hits = all.iter().filter(|other| covers(other, one)).map(|other| other.hits).sum::<u64>();
                kept.push(Cluster { hits: one.hits + hits, ..(*one).clone() });
            }
        }
        kept
    }

    /// One cluster for each family, of its worst class; those that need no open case first. What a reader does without the
    /// case that an input happens to be in, is not said again.
    fn families(&self) -> Vec<Cluster> {
        let mut all = self.uncovered();
        let plain: Vec<Statement> = all.iter().map(|cluster| cluster.statement.clone()).collect();
        all.retain(|cluster| !plain.iter().any(|known| known.explains(&cluster.statement)));
        all.sort_by_cached_key(|cluster| (cluster.statement.class, cluster.inputs[0].len(), cluster.statement.clone()));
        let mut families: BTreeMap<(bool, String), Cluster> = BTreeMap::new();
        for cluster in all {
            match families.entry((cluster.statement.case.is_some(), cluster.statement.family())) {
                Entry::Vacant(free) => drop(free.insert(cluster)),
                Entry::Occupied(mut worst) => worst.get_mut().absorb(&cluster),
            }
        }
        families.into_values().collect()
    }

    /// The smallest input found for each cluster, worst class first; clusters that the same smallest input shows become one.
    pub fn minimised(&self, panel: &mut Panel, mut go_on: impl FnMut() -> bool) -> Vec<Cluster> {
        let mut all: Vec<Cluster> = Vec::new();
        for mut cluster in self.families() {
            if let Some(twin) = all.iter_mut().find(|known| known.shows_too(panel, &cluster.statement)) {
                twin.absorb(&cluster);
                continue;
            }
            let mixed = self.mixed.contains_key(&cluster.statement.signature());
            if go_on() {
                cluster.minimise(panel, mixed, &mut go_on);
            }
            let twin = all.iter_mut().find(|known| {
                let (mine, its) = (&known.statement, &cluster.statement);
                let same_input =
                    (mine.class, mine.ground) == (its.class, its.ground) && known.inputs[0] == cluster.inputs[0];
                same_input || known.statement.is_family_of(&cluster.statement)
            });
            match twin {
                Some(twin) => twin.absorb(&cluster),
                None => all.push(cluster),
            }
        }
        all.sort_by(|a, b| a.statement.cmp(&b.statement));
        all
    }
}

impl Cluster {
    /// Takes in what is no card of its own.
    fn absorb(&mut self, other: &Self) {
        self.hits += other.hits;
        self.executions = self.executions.min(other.executions);
        self.seconds = self.seconds.min(other.seconds);
        let (mine, its) = (&mut self.statement, &other.statement);
        // Within one open case, the kinds of value that differ say nothing more.
        let same_case = mine.case.is_some() && mine.case == its.case;
        let known = same_case || mine.cause.split("; ").any(|cause| cause == its.cause);
        if !known && mine.cause.len() < CAUSES_BYTES_MAX {
            mine.cause = format!("{}; {}", mine.cause, its.cause);
        }
        mine.blocks.extend(its.blocks.iter().cloned());
        mine.blocks.sort();
        mine.blocks.dedup();
    }

    /// Whether its smallest input shows the same of another reader.
    fn shows_too(&self, panel: &mut Panel, other: &Statement) -> bool {
        let mine = &self.statement;
        other.ground == Ground::Values
            && (mine.ground, mine.class, &mine.case, &mine.cause)
                == (other.ground, other.class, &other.case, &other.cause)
            && panel.hear(&self.inputs[0]).judgement.statements.contains(other)
    }

    /// Makes its first input as small as it gets. What a reader reads otherwise in a case that is left open may have nothing to
    /// do with that case: without it, it is the smaller disagreement.
    fn minimise(&mut self, panel: &mut Panel, mixed: bool, go_on: &mut dyn FnMut() -> bool) {
        let (format, statement) = (panel.format, &self.statement);
        let until = Instant::now() + CLUSTER_TIME_MAX;
        let is_it = |other: &Statement| match statement.ground {
            Ground::Values if other.case.is_none() && statement.has_its_case_elsewhere() => {
                (other.class, &other.cause, &other.blocks) == (statement.class, &statement.cause, &statement.blocks)
            }
            Ground::Values => other.class == statement.class && other.family() == statement.family(),
            _ => other == statement,
        };
        let mut holds = |candidate: &[u8]| {
            // How small an input gets may depend on time; what it shows does not.
            if Instant::now() > until || !go_on() {
                return false;
            }
            let mut heard = panel.hear(candidate);
            if statement.ground == Ground::Relation {
                panel.ask_again(candidate, &mut heard);
            }
            (mixed || heard.judgement.causes <= 1) && heard.judgement.statements.iter().any(is_it)
        };
        let shrunk = shrink(format, &self.inputs[0], TRIES_MAX[0], &mut holds);
        let smallest = minimise::minimise(&shrunk, TRIES_MAX[1] as u64, &mut holds).map(|minimised| minimised.bytes);
        let smallest = smallest.unwrap_or(shrunk);
        if statement.ground == Ground::Values
            && let Some(now) = panel.hear(&smallest).judgement.statements.into_iter().find(is_it)
        {
            self.statement = now;
        }
        self.inputs[0] = smallest;
    }
}
