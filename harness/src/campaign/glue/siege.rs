//! The hostile host: the module runs in wasmtime, its imports answered as its script answers them, and then not. What is
//! found there has no tape; it is shown again by the same command with the same seed.

use super::super::facts;
use super::super::home::write_whole;
use super::super::run_folder::RunFolder;
use super::{Asked, ORACLE, Opened, SEED_BYTES_MAX};
use crate::cli::{self, HostName};
use crate::executors::hostile::{Faced, Fault, Siege, besiege};
use crate::executors::{Engine, wasmtime_name};
use crate::limits::Limits;
use autoclave_reports::boundary as rows;
use autoclave_reports::record::{Bucket, Confirmation, FoundAt, Reproducer};
use autoclave_reports::{Finding, Severity, Verdict, rules};

/// What came of it, for the report.
#[derive(Default)]
pub(super) struct Besieged {
    pub host: rows::HostRow,
    pub findings: Vec<Finding>,
    pub cards: Vec<rows::Card>,
    pub notes: Vec<String>,
}

/// Besieges the module twice: what does not happen again is not reported.
pub(super) fn run(
    engine: &Engine,
    flags: &cli::Boundary,
    asked: &Asked,
    opened: &Opened,
    inputs: &[Vec<u8>],
    folder: &RunFolder,
) -> anyhow::Result<Besieged> {
    let host = format!("{}, hostile host", wasmtime_name());
    let glue: String = opened.package.scripts.iter().map(|script| script.text.as_str()).collect::<Vec<_>>().join("\n");
    let glue = (!glue.is_empty()).then_some(glue);
    let inputs: Vec<Vec<u8>> = inputs.iter().filter(|input| input.len() <= SEED_BYTES_MAX).cloned().collect();
    let once = || {
        let wasm = &opened.package.module.bytes;
        besiege(engine, &asked.name, wasm, glue.as_deref(), &inputs, flags.seed, &Limits::default())
    };
    let besieged = once().and_then(|first| Ok((first, once()?)));
    let (first, second) = match besieged {
        Ok(both) => both,
        Err(error) => {
            let host = rows::HostRow { name: host, not_tested: error.to_string(), ..rows::HostRow::default() };
            return Ok(Besieged { host, ..Besieged::default() });
        }
    };
    let mut besieged = Besieged { host: host_row(host, &first), ..Besieged::default() };
    for note in &first.notes {
        besieged.notes.push(format!("hostile host: {note}"));
    }
    for (label, reason) in &first.imports_stubbed {
        besieged.notes.push(format!("hostile host: {label} does nothing: {reason}"));
    }
    for faced in &first.findings {
        if second.findings.contains(faced) {
            besieged.report(flags, asked, folder, faced)?;
        } else {
            besieged.notes.push(format!("hostile host: {} of {} did not happen again", faced.class, faced.export));
        }
    }
    besieged.host.replayed = first.findings.len() as u64;
    besieged.host.confirmed = besieged.findings.len() as u64;
    Ok(besieged)
}

fn host_row(name: String, siege: &Siege) -> rows::HostRow {
    let modelled = siege.imports_modelled.len();
    rows::HostRow {
        name,
        layout: "none".into(),
        layout_reason: format!(
            "{modelled} imports answered as the script does, {} not; {} faults: imports throw, growth is refused, content is hostile",
            siege.imports_stubbed.len(),
            siege.faults
        ),
        tapes: siege.executions,
        calls: siege.executions,
        ..rows::HostRow::default()
    }
}

/// Who can bring it about: nobody has to help where nothing was done to the module.
fn profile(fault: Fault) -> rows::Profile {
    match fault {
        Fault::None => rows::Profile::Typed,
        _ => rows::Profile::Hostile,
    }
}

/// How bad it is. A module that ends when it gets no memory does what can be asked of it: whoever runs it should know.
fn severity(faced: &Faced) -> Severity {
    match (faced.fault, faced.class) {
        (Fault::GrowthRefused { .. }, "trap") => Severity::Info,
        (fault, class) => rows::severity(class, profile(fault)),
    }
}

impl Besieged {
    fn report(
        &mut self,
        flags: &cli::Boundary,
        asked: &Asked,
        folder: &RunFolder,
        faced: &Faced,
    ) -> anyhow::Result<()> {
        let outcome = rows::outcome(faced.class);
        let frames =
            vec![asked.name.clone(), HostName::Wasmtime.name().to_owned(), faced.export.clone(), faced.key.clone()];
        let bucket = Bucket { oracle: ORACLE.into(), outcome: outcome.clone(), frames };
        let id = bucket.id();
        if self.findings.iter().any(|known| known.id == id) {
            return Ok(());
        }
        let path = format!("artifacts/{id}.input");
        write_whole(&folder.path.join(&path), &faced.input)?;
        let profile = profile(faced.fault);
        let severity = severity(faced);
        let told = match faced.fault {
            Fault::None => format!("{}(…) // in wasmtime, with {} bytes of input", faced.export, faced.input.len()),
            _ => format!(
                "{}(…) // in wasmtime, with {} bytes of input, where {}",
                faced.export,
                faced.input.len(),
                faced.key
            ),
        };
        self.cards.push(rows::Card {
            finding: id.clone(),
            class: faced.class.into(),
            operation: faced.export.clone(),
            profile,
            json_reachable: faced.fault == Fault::None,
            severity,
            severity_reason: rows::severity_reason(faced.class, profile),
            what: faced.what.clone(),
            stack: faced.stack.clone(),
            tape_js: told.clone(),
            ops: 1,
            ops_found: 1,
            hosts: vec![rows::Replay {
                host: self.host.name.clone(),
                verdict: Verdict::Fail("it happened again".into()),
                instrumented: String::new(),
                deployed: "the same, twice".into(),
            }],
            ..rows::Card::default()
        });
        let rule = rules::rule(ORACLE, &outcome);
        self.findings.push(Finding {
            id,
            oracle: ORACLE.into(),
            severity,
            outcome,
            title: format!("{}: {}, {}", faced.export, rule.title, faced.key),
            message: faced.what.clone(),
            reproducer: Reproducer::new(path, &faced.input, faced.input.len() as u64),
            decoded: Some(told),
            repro: format!(
                "cargo xtask boundary {} --host wasmtime --seed {}",
                facts::shell_word(&asked.which),
                flags.seed
            ),
            hits: 1,
            found_at: FoundAt { execs: self.host.calls, seconds: 0.0 },
            confirmed: Confirmation::Reproduced,
            bucket,
            ..Finding::default()
        });
        Ok(())
    }
}
