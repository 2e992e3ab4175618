//! The stages of a certification: each is one command of this program, run as a child with its share of the budget, its own
//! report and its own canaries. A stage that dies is a stage that was not tested; what the others found stands.

use super::grounds::{self, Reader};
use crate::cli;
use autoclave_reports::Verdict;
use autoclave_reports::controls::Level;
use std::path::Path;

/// What is certified, as stages need to know it.
pub struct Plan<'a> {
    /// The command line.
    pub flags: &'a cli::Certify,
    /// What each entry reads, once `limits` has said so; an entry without kinds is not known.
    pub reads: Vec<(String, Vec<String>)>,
    /// Whether something says which arguments are secret.
    pub has_secrets: bool,
}

impl Plan<'_> {
    /// Every entry with every one of these kinds that it reads; or why there is none.
    fn readers_of(&self, kinds: &[&str], what: &str) -> Result<Vec<(String, String)>, Verdict> {
        let pairs =
            self.reads.iter().flat_map(|(entry, read)| read.iter().map(move |kind| (entry.clone(), kind.clone())));
        let readers: Vec<_> = pairs.filter(|(_, kind)| kinds.contains(&kind.as_str())).collect();
        if !readers.is_empty() {
            return Ok(readers);
        }
        let is_known = !self.reads.is_empty() && self.reads.iter().all(|(_, kinds)| !kinds.is_empty());
        Err(match is_known {
            true => Verdict::NotApplicable(format!("no entry reads what there are {what} for: {}", kinds.join(", "))),
            false => Verdict::NotTested("what its entries read is not known: say it with --reads".into()),
        })
    }
}

/// One stage.
pub struct Stage {
    /// Its name, and that of its folder.
    pub name: &'static str,
    /// The level from which on it is run.
    pub level: Level,
    /// The words of its commands, each with a report of its own; or why there is nothing to ask.
    pub words: fn(&Plan<'_>) -> Result<Vec<Vec<String>>, Verdict>,
    /// Oracles that it asks.
    pub oracles: &'static [(&'static str, Reader)],
}

/// All stages, in the order in which they run.
pub const STAGES: &[Stage] = &[
    // Fuzzing does not qualify itself: what it would cost in every run is paid once here, by the same engine and judge.
    Stage {
        name: "selftest",
        level: Level::L1,
        words: |_| Ok(vec![words(&["selftest", "--oracle", "crash"])]),
        oracles: &[],
    },
    Stage { name: "fuzz", level: Level::L1, words: fuzz, oracles: &[("crash", grounds::crash)] },
    Stage {
        name: "limits",
        level: Level::L1,
        words: limits,
        oracles: &[("contract", grounds::contract), ("complexity", grounds::complexity)],
    },
    Stage { name: "diff", level: Level::L1, words: diff, oracles: &[("differential", grounds::differential)] },
    Stage { name: "conform", level: Level::L1, words: conform, oracles: &[("conform", grounds::conform)] },
    Stage { name: "ct", level: Level::L2, words: ct, oracles: &[("constant-time", grounds::constant_time)] },
    Stage {
        name: "boundary",
        level: Level::L2,
        words: boundary,
        oracles: &[("boundary", grounds::boundary), ("page-checks", grounds::page_checks)],
    },
];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// How long a search takes: a share of the budget, or the executions that were asked for; one of so many alike.
fn share(plan: &Plan<'_>, of_hundred: u32, runs: &str, alike: usize) -> [String; 2] {
    match plan.flags.runs {
        Some(count) => [runs.to_owned(), count.to_string()],
        None => {
            let seconds = (plan.flags.budget * of_hundred / 100 / alike.max(1) as u32).as_secs().max(1);
            ["--time".to_owned(), format!("{seconds}s")]
        }
    }
}

/// What all searches take.
fn common(plan: &Plan<'_>, mut list: Vec<String>) -> Vec<String> {
    list.extend(["--seed".to_owned(), plan.flags.seed.to_string()]);
    if let Some(jobs) = plan.flags.jobs {
        list.extend(["--jobs".to_owned(), jobs.to_string()]);
    }
    list
}

fn limited(plan: &Plan<'_>, mut list: Vec<String>) -> Vec<String> {
    if let Some(profile) = plan.flags.limits.profile {
        list.extend(["--profile".to_owned(), profile.name().to_owned()]);
    }
    list.extend(plan.flags.limits.limits.iter().flat_map(|limit| ["--limit".to_owned(), limit.clone()]));
    list
}

fn fuzz(plan: &Plan<'_>) -> Result<Vec<Vec<String>>, Verdict> {
    let mut list = words(&["fuzz", &plan.flags.module]);
    list.extend(share(plan, 50, "--runs", 1));
    Ok(vec![limited(plan, common(plan, list))])
}

fn limits(plan: &Plan<'_>) -> Result<Vec<Vec<String>>, Verdict> {
    let mut list = words(&["limits", &plan.flags.module]);
    if !plan.flags.reads.is_empty() {
        list.extend(["--reads".to_owned(), plan.flags.reads.join(",")]);
    }
    list.extend(plan.flags.terms.iter().flat_map(|term| ["--term".to_owned(), term.clone()]));
    Ok(vec![limited(plan, common(plan, list))])
}

fn diff(plan: &Plan<'_>) -> Result<Vec<Vec<String>>, Verdict> {
    let readers = plan.readers_of(COMPARED, "other readers")?;
    let one = |(entry, format): &(String, String)| {
        let mut list = words(&["diff", format, "--target", &plan.flags.module, "--entry", entry, "--qualify"]);
        list.extend(share(plan, 10, "--runs", readers.len()));
        common(plan, list)
    };
    Ok(readers.iter().map(one).collect())
}

fn conform(plan: &Plan<'_>) -> Result<Vec<Vec<String>>, Verdict> {
    let readers = plan.readers_of(RULED, "rules")?;
    let one = |(entry, format): &(String, String)| {
        words(&["conform", &plan.flags.module, "--entry", entry, "--input-format", format, "--qualify"])
    };
    Ok(readers.iter().map(one).collect())
}

/// Kinds of input that there are other readers for, and those that there are rules for.
const COMPARED: &[&str] = &["fhir-json", "fhir-xml", "hl7v2"];
const RULED: &[&str] = &["fhir-json", "fhir-xml", "hl7v2", "json"];

/// What an oracle would have to be asked about an entry, and cannot be: prefixes of the classes, and why.
pub fn out_of_reach(oracle: &str, reads: &[(String, Vec<String>)]) -> Vec<(&'static [&'static str], String)> {
    let (asked, why) = match oracle {
        "conform" => (RULED, "there are no documents of its rules in that form"),
        "differential" => (COMPARED, "other readers are not asked in that form"),
        _ => return Vec::new(),
    };
    let pairs = reads.iter().flat_map(|(entry, kinds)| kinds.iter().map(move |kind| (entry, kind)));
    let row = |(entry, kind): (&String, &String)| {
        let classes: &'static [&'static str] = match (oracle, kind.split('/').next_back()?) {
            ("conform", "json") => &["J"],
            ("conform", "fhir-json" | "ndjson") => &["J", "F", "P", "S"],
            ("conform", "fhir-xml") => &["X", "F", "P", "S"],
            ("conform", "xml") => &["X"],
            ("conform", "hl7v2") => &["H"],
            ("differential", "fhir-json" | "fhir-xml" | "hl7v2" | "ndjson") => &["D"],
            _ => return None,
        };
        (!asked.contains(&kind.as_str())).then(|| (classes, format!("{entry} reads {kind}: {why}")))
    };
    pairs.filter_map(row).collect()
}

fn ct(plan: &Plan<'_>) -> Result<Vec<Vec<String>>, Verdict> {
    if !plan.has_secrets {
        return Err(Verdict::NotApplicable(
            "no function is marked as handling a secret: mark them with --secret or in [calls]".into(),
        ));
    }
    let mut list = words(&["ct", &plan.flags.module]);
    list.extend(plan.flags.secrets.iter().flat_map(|secret| ["--secret".to_owned(), secret.clone()]));
    Ok(vec![limited(plan, common(plan, list))])
}

fn boundary(plan: &Plan<'_>) -> Result<Vec<Vec<String>>, Verdict> {
    let Some(glue) = &plan.flags.glue else {
        return Err(Verdict::NotTested("there is no glue: give its folder or package with --glue".into()));
    };
    let mut list = words(&["boundary", &glue.to_string_lossy(), "--host", "node,chromium,wasmtime"]);
    list.extend(share(plan, 20, "--tapes", 1));
    list.extend(["--seed".to_owned(), plan.flags.seed.to_string()]);
    if let Some(name) = Path::new(&plan.flags.module).file_name().filter(|_| Path::new(&plan.flags.module).is_file()) {
        list.extend(["--module".to_owned(), name.to_string_lossy().into_owned()]);
    }
    Ok(vec![list])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_asked_is_known_by_its_classes() {
        let reads = |kind: &str| vec![("a".to_owned(), vec![kind.to_owned()])];
        let classes = |oracle: &str, kind: &str| {
            out_of_reach(oracle, &reads(kind)).into_iter().flat_map(|(classes, _)| classes.to_vec()).collect::<Vec<_>>()
        };
        for kind in RULED {
            assert!(classes("conform", kind).is_empty(), "{kind} is asked");
        }
        assert_eq!(classes("conform", "gzip/fhir-json"), ["J", "F", "P", "S"]);
        assert_eq!(classes("conform", "xml"), ["X"]);
        assert_eq!(classes("differential", "zip/hl7v2"), ["D"]);
        assert_eq!(classes("differential", "json").len() + classes("conform", "gzip").len(), 0, "nothing to ask");
        assert_eq!(classes("crash", "gzip/fhir-json").len(), 0);
    }

    #[test]
    fn every_oracle_of_the_catalogue_that_runs_something_has_a_stage() {
        let asked: Vec<&str> = STAGES.iter().flat_map(|stage| stage.oracles).map(|(name, _)| *name).collect();
        for oracle in autoclave_reports::controls::ORACLES.iter().filter(|oracle| oracle.name != "scan") {
            assert!(asked.contains(&oracle.name), "{} has no stage", oracle.name);
        }
    }
}
