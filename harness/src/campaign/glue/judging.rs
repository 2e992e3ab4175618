//! Finds of a search become findings: played again on the module as it is deployed, made small, written down.

use super::super::facts;
use super::super::home::{Home, write_whole};
use super::super::run_folder::RunFolder;
use super::tell::profile;
use super::{Asked, COMPARED_MAX, JUDGED_MAX, ORACLE, Opened};
use crate::cli::{self, HostName};
use autoclave_boundary::fuzz::{self, Search};
use autoclave_boundary::judge::{self, Judged, Player};
use autoclave_boundary::tape::{Profile, Repro, Tape};
use autoclave_boundary::wire::Sighting;
use autoclave_reports::boundary as rows;
use autoclave_reports::record::{Bucket, Confirmation, FoundAt, Reproducer};
use autoclave_reports::{Finding, Verdict, rules};
use std::collections::{BTreeMap, BTreeSet};

/// Processor time for making one tape small, seconds.
const MINIMISING_ONE_CPU_SECONDS_MAX: f64 = 5.0;
/// The same for all of them together, at least; twice the time of the search where that is more.
const MINIMISING_CPU_SECONDS_MIN: f64 = 60.0;
/// Sightings for which no host started before the others are not tried any more: each may take a minute.
const UNJUDGED_MAX: usize = 20;

/// Judges finds and writes what shows them.
pub(super) struct Judging<'a> {
    pub home: &'a Home,
    pub flags: &'a cli::Boundary,
    pub asked: &'a Asked,
    pub folder: &'a RunFolder,
    pub opened: &'a Opened,
    pub cards: Vec<rows::Card>,
    pub findings: Vec<Finding>,
    /// Why not everything was asked: no host started any more, or the search ended too early.
    pub cut: Option<String>,
}

impl Judging<'_> {
    /// Every find, worst first. Returns what a reader should know of those that are not reported.
    pub fn all(
        &mut self,
        search: &Search,
        deployed: &mut Player,
        instrumented: &mut Player,
        elsewhere: &mut [(HostName, Player)],
    ) -> anyhow::Result<Vec<String>> {
        let mut notes = Vec::new();
        let loaded = match deployed.hello() {
            Ok(loaded) => loaded,
            Err(reason) => {
                notes.push(format!("{} sightings were not judged, as no host started", search.finds.len()));
                self.cut.get_or_insert(reason);
                return Ok(notes);
            }
        };
        for sighting in &loaded.sightings {
            let judged = Judged {
                tape: Tape::default(),
                profile: Profile::Typed,
                sighting: sighting.clone(),
                questions: 1,
                module: judge::Module::Deployed,
            };
            self.report(&judged, 0, 0, 0.0, &loaded.host, elsewhere)?;
        }
        let mut finds: Vec<&fuzz::Find> = search.finds.values().collect();
        let weight = |find: &fuzz::Find| rows::severity(&find.sighting.class, profile(find.profile));
        finds.sort_by_key(|find| (std::cmp::Reverse(weight(find)), find.tapes));
        // One of each class and operation before the second of any: what is cut off is more of the same.
        let mut known = BTreeSet::new();
        finds.sort_by_cached_key(|find| !known.insert((find.sighting.class.as_str(), find.sighting.operation)));
        let mut gone: BTreeMap<&str, u32> = BTreeMap::new();
        let mut unjudged = 0;
        for (at, find) in finds.iter().take(JUDGED_MAX).enumerate() {
            if at % 20 == 0 {
                eprintln!("{}: {} sightings, judging {at} …", cli::printable_name(&self.asked.name), finds.len());
            }
            let used = |deployed: &Player, instrumented: &Player| deployed.cpu_seconds() + instrumented.cpu_seconds();
            let left = (self.minimising_cpu_seconds() - used(deployed, instrumented)).max(0.0);
            let for_one = left.min(MINIMISING_ONE_CPU_SECONDS_MAX);
            let judged = judge::judge(&self.opened.surface.api, find, deployed, instrumented, for_one);
            match judged {
                Ok(Some(judged)) => self.report(
                    &judged,
                    find.tape.ops.len() as u64,
                    find.tapes,
                    find.cpu_seconds,
                    &loaded.host,
                    elsewhere,
                )?,
                Ok(None) => *gone.entry(&find.sighting.class).or_default() += 1,
                // The cards of the others are not lost for it.
                Err(reason) => {
                    unjudged += 1;
                    self.cut.get_or_insert(reason);
                }
            }
            if unjudged >= UNJUDGED_MAX {
                unjudged += finds.len().min(JUDGED_MAX) - (at + 1);
                break;
            }
        }
        if unjudged > 0 {
            notes.push(format!("{unjudged} sightings were not judged, as no host started"));
        }
        for (class, count) in gone {
            notes.push(format!("{count} sightings of class {class} did not show again on the deployed module"));
        }
        if let Some(more) = finds.len().checked_sub(JUDGED_MAX).filter(|more| *more > 0) {
            notes.push(format!("{more} more sightings were not judged: repair the first ones and run again"));
        }
        Ok(notes)
    }

    /// Processor time for making tapes small, all together, seconds: what is found later is confirmed as it was found.
    fn minimising_cpu_seconds(&self) -> f64 {
        MINIMISING_CPU_SECONDS_MIN.max(2.0 * self.flags.time.as_secs_f64())
    }

    /// Tapes of the corpus in every host: they must give the same accounts.
    pub fn hosts_agree(
        &mut self,
        search: &Search,
        deployed: &mut Player,
        elsewhere: &mut [(HostName, Player)],
    ) -> anyhow::Result<()> {
        let mut known = BTreeSet::new();
        for (name, other) in elsewhere {
            for tape in search.corpus.iter().rev().take(COMPARED_MAX) {
                let (op, here, there) = match judge::disagree(deployed, other, tape) {
                    Ok(Some(found)) => found,
                    Ok(None) => continue,
                    Err(reason) => {
                        self.cut.get_or_insert(reason);
                        break;
                    }
                };
                let operation = fuzz::operation_at(tape, op);
                if !known.insert((*name, operation, kind_of(&here).to_owned(), kind_of(&there).to_owned())) {
                    continue;
                }
                let sighting = Sighting {
                    class: "host".into(),
                    operation,
                    op: op as u32,
                    key: format!("{}: {} / {}", name.name(), kind_of(&here), kind_of(&there)),
                    what: format!("{}: {there}; {}: {here}", name.name(), self.flags.hosts[0].name()),
                    stack: String::new(),
                };
                let mut questions = 0;
                let small = autoclave_boundary::tape::shrink(tape, &self.opened.surface.api, &mut |candidate| {
                    questions += 1;
                    let differs = |found: &(usize, String, String)| {
                        kind_of(&found.1) == kind_of(&here) && kind_of(&found.2) == kind_of(&there)
                    };
                    questions < 60
                        && judge::disagree(deployed, other, candidate).ok().flatten().as_ref().is_some_and(differs)
                });
                let judged = Judged {
                    profile: small.profile(&self.opened.surface.api),
                    tape: small,
                    sighting,
                    questions,
                    module: judge::Module::Deployed,
                };
                let host = deployed.hello().map_or_else(|_| search.hello.host.clone(), |hello| hello.host);
                self.report(&judged, tape.ops.len() as u64, search.tapes, search.cpu_seconds, &host, &mut [])?;
            }
        }
        Ok(())
    }

    /// One finding, its card and its files.
    fn report(
        &mut self,
        judged: &Judged,
        ops_found: u64,
        tapes: u64,
        seconds: f64,
        host: &str,
        elsewhere: &mut [(HostName, Player)],
    ) -> anyhow::Result<()> {
        let Judged { tape, sighting, .. } = judged;
        let api = &self.opened.surface.api;
        let operation = api.operation(sighting.operation).map(|operation| operation.name.clone()).unwrap_or_default();
        let outcome = rows::outcome(&sighting.class);
        let bucket = Bucket {
            oracle: ORACLE.into(),
            outcome: outcome.clone(),
            frames: vec![self.asked.name.clone(), operation.clone(), sighting.key.clone()],
        };
        let id = bucket.id();
        if self.findings.iter().any(|known| known.id == id) {
            return Ok(());
        }
        let bytes = tape.to_bytes();
        let path = format!("artifacts/{id}.tape");
        let (repro, json) = (format!("artifacts/{id}.repro.mjs"), format!("artifacts/{id}.tape.json"));
        let tape_json = tape.to_json(api);
        write_whole(&self.folder.path.join(&path), &bytes)?;
        write_whole(&self.folder.path.join(&json), serde_json::to_string_pretty(&tape_json)?.as_bytes())?;
        let described = Repro {
            glue: self.opened.package.glue,
            root: self.home.relative(&self.opened.package.root),
            entry: self.opened.package.entry.clone(),
            module: self.opened.package.module.file.clone(),
            sha256: self.opened.package.module.sha256.clone(),
            class: sighting.class.clone(),
            key: sighting.key.clone(),
            what: sighting.what.clone(),
        };
        write_whole(&self.folder.path.join(&repro), autoclave_boundary::tape::repro(tape, api, &described).as_bytes())?;
        let level = profile(judged.profile);
        let severity = rows::severity(&sighting.class, level);
        let mut hosts = vec![rows::Replay {
            host: host.to_owned(),
            verdict: Verdict::Fail("it happened again".into()),
            instrumented: "the same".into(),
            deployed: match judged.module {
                judge::Module::Deployed => "the same".into(),
                judge::Module::Instrumented => "cannot be asked: it shows in counters and exports only".into(),
            },
        }];
        for (name, player) in elsewhere {
            let verdict = match (judged.module, tape.ops.is_empty()) {
                (judge::Module::Deployed, false) => match player.shows(tape, sighting) {
                    Ok(Some(_)) => Verdict::Fail("it happened again".into()),
                    Ok(None) => Verdict::Pass,
                    Err(reason) => Verdict::NotTested(reason),
                },
                (judge::Module::Deployed, true) => {
                    let same = |seen: &Sighting| seen.class == sighting.class && seen.key == sighting.key;
                    match player.hello() {
                        Ok(hello) if hello.sightings.iter().any(same) => Verdict::Fail("it happened again".into()),
                        Ok(_) => Verdict::Pass,
                        Err(reason) => Verdict::NotTested(reason),
                    }
                }
                (judge::Module::Instrumented, _) => Verdict::NotTested("it shows in counters and exports only".into()),
            };
            let host = player.hello().map_or_else(|_| name.name().to_owned(), |hello| hello.host);
            let deployed = if matches!(verdict, Verdict::Fail(_)) { "the same" } else { "nothing of the kind" };
            hosts.push(rows::Replay { host, verdict, instrumented: String::new(), deployed: deployed.into() });
        }
        let script = tape.to_script(api);
        self.cards.push(rows::Card {
            finding: id.clone(),
            class: sighting.class.clone(),
            operation: operation.clone(),
            profile: level,
            json_reachable: judged.profile <= Profile::Json,
            severity,
            severity_reason: rows::severity_reason(&sighting.class, level),
            what: sighting.what.clone(),
            stack: sighting.stack.clone(),
            tape_js: script.clone(),
            tape_json: tape_json.to_string(),
            ops: tape.ops.len() as u64,
            ops_found,
            hosts,
            repro: repro.clone(),
            remedy: String::new(),
        });
        let rule = rules::rule(ORACLE, &outcome);
        let subject = if operation.is_empty() { "loading" } else { &operation };
        self.findings.push(Finding {
            id,
            oracle: ORACLE.into(),
            severity,
            outcome,
            title: format!(
                "{subject}: {}{}{}",
                rule.title,
                if sighting.key.is_empty() { "" } else { ", " },
                sighting.key
            ),
            message: sighting.what.clone(),
            reproducer: Reproducer::new(path.clone(), &bytes, bytes.len() as u64),
            decoded: Some(script),
            repro: self.repro_line(&path),
            hits: 1,
            found_at: FoundAt { execs: tapes, seconds },
            confirmed: Confirmation::Reproduced,
            bucket,
            ..Finding::default()
        });
        Ok(())
    }

    /// One line that plays the tape again.
    fn repro_line(&self, path: &str) -> String {
        let file = self.home.relative(&self.folder.path.join(path));
        format!("cargo xtask boundary {} --tape {}", facts::shell_word(&self.asked.which), facts::shell_word(&file))
    }
}

/// The first words of an outcome, without its values.
fn kind_of(outcome: &str) -> &str {
    let end = outcome.match_indices(' ').nth(1).map_or(outcome.len(), |(at, _)| at);
    &outcome[..end]
}
