//! A cluster as a finding of the report: the smallest input, what each reader made of it, the rule, why it matters.

use super::clusters::Cluster;
use super::panel::{Heard, Panel};
use autoclave_formats::diff::judge::{Ground, Statement, layer_name};
use autoclave_formats::peers::Answer;
use autoclave_formats::rules::{self, Wanted};
use autoclave_formats::tree::{Tree, What};
use autoclave_reports::record::{Bucket, Confirmation, FoundAt, Leaf, PeerReading, Reproducer, RuleRef};
use autoclave_reports::rules::rule;
use autoclave_reports::{Finding, Severity};

/// Values shown of one reading.
const LEAVES_MAX: usize = 40;
/// Longest value shown, bytes.
const VALUE_BYTES_MAX: usize = 200;
/// The oracle's name in reports.
pub const ORACLE: &str = "differential";

/// The finding for a cluster, as `panel` (the modules as deployed, in fresh instances) sees its smallest input.
pub fn finding(panel: &mut Panel, cluster: &Cluster) -> Finding {
    let input = &cluster.inputs[0].clone();
    let mut heard = panel.hear(input);
    panel.ask_again(input, &mut heard);
    let class = cluster.statement.class;
    let outcome = class.name();
    let mut cluster = cluster.clone();
    if cluster.statement.ground == Ground::Death {
        // Where it dies is told by the module as deployed.
        let blocks = &cluster.statement.blocks;
        let same = heard.judgement.statements.iter().find(|one| one.class == class && one.blocks == *blocks);
        cluster.statement.cause = same.map_or(cluster.statement.cause, |same| same.cause.clone());
    }
    let (cluster, statement) = (&cluster, &cluster.statement);
    let bucket = Bucket {
        oracle: ORACLE.into(),
        outcome: outcome.into(),
        frames: vec![subject(statement), statement.partition()],
    };
    let id = bucket.id();
    let says = |peer| move |other: &Statement| other.class == class && other.peers().any(|name| name == peer);
    let statements = &heard.judgement.statements;
    let again = statement.peers().all(|peer| statements.iter().any(says(peer)));
    let confirmed = match again || statements.iter().any(|other| statement.cause.contains(&other.cause)) {
        true => Confirmation::Reproduced,
        false => Confirmation::NotReproduced("the modules as deployed, in fresh instances, agree".into()),
    };
    let case = statement.case.as_ref().unwrap_or(&statement.cause).split_once('/').and_then(|(rule, rest)| {
        let name = rest.split([';', ' ']).next().unwrap_or(rest);
        rules::cases().find(|case| case.rule == rule && case.name == name)
    });
    let severity = match case {
        // The specification leaves it open: worth knowing where two systems meet.
        Some(case) if case.wanted != Wanted::Refusal && statement.ground == Ground::Rule => Severity::Low,
        _ => rule(ORACLE, outcome).severity,
    };
    Finding {
        id: id.clone(),
        oracle: ORACLE.into(),
        severity,
        outcome: outcome.into(),
        title: title(cluster),
        reproducer: Reproducer::new(format!("{id}.bin"), input, input.len() as u64),
        decoded: None,
        repro: String::new(),
        found_at: FoundAt { execs: cluster.executions, seconds: cluster.seconds },
        hits: cluster.hits,
        confirmed,
        rule: case.and_then(|case| {
            let rule = rules::all().find(|rule| rule.id == case.rule)?;
            Some(RuleRef {
                id: rule.id.into(),
                case: case.name.into(),
                title: rule.title.into(),
                source: rule.source.into(),
                harm: rule.harm.into(),
            })
        }),
        readings: readings(panel, &heard),
        bucket,
        ..Finding::default()
    }
}

/// What a card is about, in words that do not depend on which input was found first.
fn subject(statement: &Statement) -> String {
    match &statement.case {
        Some(case) => format!("{case} read otherwise"),
        None => statement.cause.clone(),
    }
}

fn title(cluster: &Cluster) -> String {
    let statement = &cluster.statement;
    let peers: Vec<&str> = statement.peers().collect();
    let peers = match peers.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first, rest @ ..] if rest.len() > 3 => format!("{first} and {} others", rest.len()),
        all => all.join(", "),
    };
    let about = statement.about();
    match statement.ground {
        Ground::Death => format!("{peers}: {}", about.replacen(" < ", " in ", 1)),
        // It begins with the reader's name.
        Ground::Refusal => format!("a valid input is refused: {about}"),
        Ground::Console => format!("{peers}: values of the input on the console"),
        Ground::Error => format!("{peers}: an error tells who the patient is"),
        // It begins with the reader's name.
        Ground::Layer => about,
        Ground::Relation => format!("{peers}: {about}"),
        Ground::Values => format!("{peers} read otherwise: {about}"),
        Ground::Rule => format!("{about} is accepted by {peers}"),
    }
}

/// The reference first, then every member.
fn readings(panel: &Panel, heard: &Heard) -> Vec<PeerReading> {
    let reading = &heard.reading;
    let mut cases: Vec<String> = reading.breaches.iter().map(|breach| breach.case.id()).collect();
    cases.dedup();
    let ours = reading.tree.as_ref().map(leaves).unwrap_or_default();
    let mut all = vec![PeerReading {
        peer: "reference".into(),
        answer: if reading.must_be_refused() { "refused" } else { "accepted" }.into(),
        detail: cases.join(", "),
        leaves: ours.clone(),
    }];
    for (member, said) in panel.members.iter().zip(&heard.answers) {
        let (answer, detail) = match &said.answer {
            Some(Answer::Accepted(_)) => ("accepted", String::new()),
            Some(Answer::Refused(refusal)) => ("refused", format!("{}: {}", layer_name(refusal.layer), refusal.code)),
            Some(Answer::Died { how }) => ("died", how.clone()),
            None => ("not asked", member.silent.clone().unwrap_or_default()),
        };
        let mut leaves = said.tree.as_ref().map(leaves).unwrap_or_default();
        for leaf in &mut leaves {
            leaf.differs = !ours.iter().any(|known| known.path == leaf.path && known.value == leaf.value);
        }
        if said.tree.is_some() {
            let missing = ours.iter().filter(|known| !leaves.iter().any(|leaf| leaf.path == known.path));
            let missing: Vec<Leaf> =
                missing.map(|known| Leaf { value: None, differs: true, ..known.clone() }).collect();
            leaves.extend(missing);
        }
        all.push(PeerReading { peer: member.peer.name.into(), answer: answer.into(), detail, leaves });
    }
    all
}

fn leaves(tree: &Tree) -> Vec<Leaf> {
    let Some(root) = tree.root() else { return Vec::new() };
    let mut found = Vec::new();
    let mut waiting = vec![root];
    while let Some(id) = waiting.pop() {
        if found.len() >= LEAVES_MAX {
            break;
        }
        let what = tree.what(id);
        let shown = match what {
            What::Object | What::List => (tree.children(id).next().is_none()).then(|| what.name().to_owned()),
            What::Null | What::Empty => Some(what.name().to_owned()),
            What::Narrative => Some(clipped(tree.raw(id))),
            _ => Some(clipped(tree.text(id))),
        };
        if let Some(value) = shown {
            found.push(Leaf { path: tree.path(id), value: Some(value), differs: false });
        }
        let at = waiting.len();
        waiting.extend(tree.children(id));
        waiting[at..].reverse();
    }
    found
}

fn clipped(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(VALUE_BYTES_MAX)]).into_owned()
}
