//! Rows of the report's section: hosts, operations, classes, what was loaded.

use super::super::home::Home;
use super::Opened;
use crate::cli::HostName;
use crate::instrument::portable::Portable;
use autoclave_boundary::api::{Api, Operation, Type};
use autoclave_boundary::fuzz::Search;
use autoclave_boundary::glue::capabilities::{self, ImportRow, Policy, Verdict as PolicyVerdict};
use autoclave_boundary::glue::narrow::Narrowing;
use autoclave_boundary::hosts::page_checks::{PageCheck, Verdict as PageVerdict};
use autoclave_boundary::judge::Player;
use autoclave_boundary::package::{FileRecord, Package};
use autoclave_boundary::tape::Profile;
use autoclave_boundary::wire::{Build, Glue, Hello, Layout};
use autoclave_reports::boundary as rows;
use autoclave_reports::{Finding, Verdict};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// The report's word for a profile.
pub(super) fn profile(of: Profile) -> rows::Profile {
    match of {
        Profile::Typed => rows::Profile::Typed,
        Profile::Json => rows::Profile::Json,
        Profile::Hostile => rows::Profile::Hostile,
    }
}

fn features(hello: &Hello) -> Vec<rows::Feature> {
    hello.features.iter().map(|(name, present)| rows::Feature { name: name.clone(), present: *present }).collect()
}

pub(super) fn host_row(search: &Search, portables: &[Portable], cards: &[rows::Card], name: &str) -> rows::HostRow {
    let layout = search.hello.layout;
    rows::HostRow {
        name: name.to_owned(),
        layout: layout.map_or_else(|| "none".to_owned(), |layout| format!("{layout:?}").to_lowercase()),
        layout_reason: match layout {
            Some(Layout::Memory) => "the engine has several memories, so the guest cannot reach the counters".into(),
            Some(Layout::Tail) => {
                "the engine has one memory; the allocator asks for every page, so those behind the first are free"
                    .into()
            }
            Some(Layout::Globals) => "the allocator may take every page that is there, so counters are globals".into(),
            None => "no build of it was taken".into(),
        },
        features: features(&search.hello),
        tapes: search.tapes,
        calls: search.calls,
        instances: search.instances,
        deaths: search.deaths.clone(),
        counters_reached: search.reached() as u64,
        counters_total: portables.first().map_or(0, |portable| u64::from(portable.build.counters)),
        replayed: cards.len() as u64,
        confirmed: cards.len() as u64,
        cpu_seconds: search.cpu_seconds,
        tapes_per_cpu_second: search.tapes as f64 / search.cpu_seconds.max(1e-3),
        ..rows::HostRow::default()
    }
}

/// A host in which findings were only played again.
pub(super) fn other_row(name: HostName, player: &mut Player, cards: &[rows::Card]) -> rows::HostRow {
    match player.hello() {
        Err(reason) => rows::HostRow { name: name.name().into(), not_tested: reason, ..rows::HostRow::default() },
        Ok(hello) => {
            let of_it = |replay: &&rows::Replay| replay.host == hello.host;
            let played: Vec<&rows::Replay> = cards.iter().flat_map(|card| &card.hosts).filter(of_it).collect();
            let confirmed = played.iter().filter(|replay| matches!(replay.verdict, Verdict::Fail(_))).count();
            rows::HostRow {
                layout: "none".into(),
                layout_reason: "findings and the corpus were played on the module as it is deployed".into(),
                features: features(&hello),
                tapes: player.played(),
                replayed: played.len() as u64,
                confirmed: confirmed as u64,
                name: hello.host,
                ..rows::HostRow::default()
            }
        }
    }
}

/// What was called how often; what never returned says why.
pub(super) fn operations(api: &Api, search: &Search) -> Vec<rows::OperationRow> {
    let absent: BTreeSet<u32> = search.hello.absent.iter().copied().collect();
    let row = |operation: &Operation| {
        let [returned, threw, trapped, skipped] = search.operations.get(&operation.id).copied().unwrap_or_default();
        let never = if returned > 0 {
            None
        } else if absent.contains(&operation.id) {
            Some("the package does not have it".to_owned())
        } else if threw + trapped > 0 {
            Some(format!("every one of {} calls threw or trapped", threw + trapped))
        } else if skipped > 0 {
            Some("there never was an object to call it on".to_owned())
        } else {
            Some("it was never called: the budget was too small".to_owned())
        };
        rows::OperationRow {
            name: operation.name.clone(),
            signature: operation.signature(),
            returned,
            threw,
            trapped,
            skipped,
            never_succeeded: never,
        }
    };
    api.operations.iter().map(row).collect()
}

/// What a run could ask.
#[derive(Debug, Default)]
pub(super) struct AskedOf {
    /// Hosts that run tapes.
    pub hosts: usize,
    /// The instrumented build that ran in the first of them.
    pub build: Option<Build>,
    /// Why not everything was asked.
    pub cut: Option<String>,
}

/// What came of every class; those that could not be asked say why.
pub(super) fn classes(findings: &[Finding], api: &Api, glue: Glue, asked: &AskedOf) -> Vec<rows::ClassRow> {
    rows::CLASSES
        .iter()
        .map(|class| {
            let outcome = rows::outcome(class.name);
            let count = findings.iter().filter(|finding| finding.outcome == outcome).count() as u64;
            let verdict = match count {
                0 => unasked(class.name, api, glue, asked).unwrap_or(Verdict::Pass),
                1 => Verdict::Fail("1 finding".into()),
                _ => Verdict::Fail(format!("{count} findings")),
            };
            rows::ClassRow { class: class.name.into(), verdict, findings: count }
        })
        .collect()
}

/// Why a class of which nothing was found was not asked.
fn unasked(class: &str, api: &Api, glue: Glue, asked: &AskedOf) -> Option<Verdict> {
    let not_tested = |why: &str| Some(Verdict::NotTested(why.into()));
    let none = |why: &str| Some(Verdict::NotApplicable(why.into()));
    let params = || api.operations.iter().flat_map(|operation| &operation.params);
    let takes = |wanted: fn(&Type) -> bool| params().any(|param| within(&param.ty, wanted));
    let is_text = |ty: &Type| matches!(ty, Type::String | Type::Any);
    let is_data = |ty: &Type| matches!(ty, Type::String | Type::Any | Type::Bytes(_));
    match class {
        _ if asked.hosts == 0 => not_tested("no host that runs JavaScript was asked"),
        _ if asked.cut.is_some() => not_tested("not everything was asked"),
        "host" if asked.hosts < 2 => not_tested("one host only; --host node,chromium asks two"),
        "stack" if asked.build.as_ref().is_none_or(|build| build.stack_pointer.is_none()) => {
            not_tested("no shadow stack pointer was recognised in the module")
        }
        "counters" => match asked.build.as_ref().map(|build| build.layout) {
            Some(Layout::Tail) => None,
            Some(Layout::Memory | Layout::Globals) => none("counters were where the module cannot write"),
            None => not_tested("the module ran without counters"),
        },
        "range" if params().all(|param| param.range.is_none()) => none("no parameter has a range that is known"),
        "text" | "collision" if !takes(is_text) => none("no operation takes a text"),
        "stale" | "residue" | "echo" if !takes(is_data) => none("no operation takes texts or bytes"),
        "use-after-free" | "forged" if api.operations.iter().all(|operation| operation.class.is_none()) => {
            none("there are no classes")
        }
        "late" if glue == Glue::Raw => none("there is no glue that could do something later"),
        _ => None,
    }
}

/// Whether a type is, or holds, one of the wanted.
fn within(ty: &Type, wanted: fn(&Type) -> bool) -> bool {
    wanted(ty)
        || match ty {
            Type::Array(of) | Type::Promise(of) => within(of, wanted),
            Type::Record(fields) => fields.iter().any(|(_, of, _)| within(of, wanted)),
            Type::Union(parts) => parts.iter().any(|part| within(part, wanted)),
            _ => false,
        }
}

/// One question about the deployed page.
pub(super) fn page_row(check: PageCheck) -> rows::PageRow {
    let verdict = match check.verdict {
        PageVerdict::Held => Verdict::Pass,
        PageVerdict::Broken => Verdict::Fail(check.name.clone()),
        PageVerdict::NotAsked => Verdict::NotTested(check.what.clone()),
    };
    rows::PageRow { name: check.name, verdict, what: check.what }
}

/// What a kind of glue is called.
pub(super) fn kind(glue: Glue) -> &'static str {
    match glue {
        Glue::BindgenNodejs => "wasm-bindgen for Node",
        Glue::BindgenWeb => "wasm-bindgen for the web",
        Glue::BindgenBundler => "wasm-bindgen for bundlers",
        Glue::Emscripten => "Emscripten",
        Glue::Assemblyscript => "AssemblyScript",
        Glue::Wrapper => "a wrapper of its own",
        Glue::Raw => "no glue",
        Glue::Wasi => "WASI",
    }
}

/// Lower-case hex.
fn sha256(bytes: &[u8]) -> String {
    crate::corpus::hex(&Sha256::digest(bytes))
}

/// What was loaded, and how.
pub(super) fn glue_facts(
    home: &Home,
    profiles: &[Profile],
    opened: &Opened,
    portables: &[Portable],
) -> rows::GlueFacts {
    let Opened { package, surface, .. } = opened;
    let file = |file: &FileRecord| rows::PackageFile {
        path: file.path.clone(),
        sha256: file.sha256.clone(),
        bytes: file.bytes,
    };
    let build = |portable: &Portable| rows::BuildRow {
        layout: format!("{:?}", portable.build.layout).to_lowercase(),
        sha256: sha256(&portable.wasm),
        bytes: portable.wasm.len() as u64,
        counters: portable.build.counters.into(),
    };
    let narrowed = package.narrowing != Narrowing::default();
    rows::GlueFacts {
        kind: kind(package.glue).into(),
        evidence: package.evidence.join("; "),
        entry: package.entry.clone().unwrap_or_default(),
        files: package.files.iter().map(file).collect(),
        module: package.module.name.clone(),
        sha256: package.module.sha256.clone(),
        builds: portables.iter().map(build).collect(),
        declarations: vec![format!("{}: {} operations", surface.source, surface.api.operations.len())],
        narrowed_by: narrowed.then(|| home.relative(&package.root.join(&package.narrowing_file))),
        policy: narrowed.then(|| home.relative(&package.root.join(&package.narrowing_file))),
        profiles: profiles.iter().copied().map(profile).collect(),
    }
}

fn answer(verdict: PolicyVerdict) -> rows::Policy {
    match verdict {
        PolicyVerdict::Allowed => rows::Policy::Allowed,
        PolicyVerdict::Refused => rows::Policy::Refused,
        PolicyVerdict::Unknown => rows::Policy::Unknown,
    }
}

/// What the module imports, and what the policy says of it.
pub(super) fn imports(package: &Package, policy: &Policy) -> Vec<rows::ImportRow> {
    let row = |import: ImportRow| rows::ImportRow {
        module: import.module,
        name: import.name,
        category: import.category.into(),
        policy: answer(import.verdict),
    };
    capabilities::inventory(package, policy).into_iter().map(row).collect()
}

/// What the scripts could do, and what of it was done.
pub(super) fn powers(package: &Package, policy: &Policy, cards: &[rows::Card]) -> Vec<rows::CapabilityRow> {
    let seen = |category: &str| {
        let of_it = |card: &&rows::Card| {
            card.class == "capability" && runtime_names(category).iter().any(|name| card.what.contains(name))
        };
        cards.iter().find(of_it)
    };
    let row = |found: capabilities::Capability| {
        let card = seen(found.name);
        rows::CapabilityRow {
            category: found.name.into(),
            file: found.file,
            line: Some(found.line),
            source: found.source,
            known: if card.is_some() { rows::Known::InTextAndUse } else { rows::Known::InText },
            policy: answer(found.verdict),
            finding: card.map(|card| card.finding.clone()).unwrap_or_default(),
        }
    };
    capabilities::scan(package, policy).into_iter().map(row).collect()
}

/// What the runtime in a host calls a category of the policy.
pub(super) fn runtime_names(category: &str) -> Vec<&str> {
    match category {
        "code-generation" => vec!["eval"],
        "files" => vec!["fs-read", "fs-write"],
        "workers" => vec!["worker"],
        "html" => vec!["dom"],
        other => vec![other],
    }
}
