//! `bench --boundary`: the same calls in every way that there is, side by side in one run. Ways take turns in rounds, and the
//! middle round counts: a busy machine slows them alike.

use super::super::home::Home;
use super::{Asked, Site, open, site};
use crate::cli::{self, Format, HostName};
use autoclave_boundary::api::Type;
use autoclave_boundary::fuzz::Start;
use autoclave_boundary::hosts::{Batch, Death, Host};
use autoclave_boundary::tape::{JsVal, Op, Tape};
use autoclave_boundary::wire::flags;
use autoclave_reports::words;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Rounds through all ways; odd, so that one is in the middle.
const ROUNDS: usize = 5;
/// How long a way through the pipe is looked at in one round.
const LOOK: Duration = Duration::from_millis(300);
/// Batches through the pipe, tapes each.
const BATCHES: [usize; 3] = [1, 16, 256];
/// What is read: a Patient of a hundred bytes.
const PATIENT: &str =
    r#"{"resourceType":"Patient","id":"p1","active":true,"name":[{"family":"Doe","given":["Jo"]}],"visits":3}"#;
/// The evaluated loop as a part of the plain one, and the pipe with batches of 256 as a part of tapes without it.
const BARS: [(&str, &str, f64); 2] =
    [("loop, evaluated", "loop, as deployed", 0.5), ("tapes through the pipe, 256 a batch", "tapes", 0.8)];

#[derive(serde::Serialize)]
struct Row<'a> {
    host: &'a str,
    way: &'a str,
    calls_per_second: f64,
    of_first: f64,
}

/// Measures and prints.
///
/// # Errors
/// There is no such target or operation, or a host does not start.
pub fn rates(which: &str, format: Format) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (name, operation) = which.rsplit_once("::").unwrap_or((which, "parse"));
    let asked = open(&home, name, None)?;
    let mut table: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    let mut hosts = Vec::new();
    let sites: Vec<(HostName, Result<Site<'_>, String>)> =
        [HostName::Node, HostName::Chromium].map(|host| (host, site(host, 1, &asked))).into();
    for (name, found) in sites {
        match found.and_then(|site| Runners::start(site, &asked, operation)) {
            Ok(runners) => hosts.push(runners),
            Err(reason) if name == HostName::Node => anyhow::bail!("{which}: {reason}"),
            Err(reason) => eprintln!("{}: not measured: {}", name.name(), cli::printable_name(&reason)),
        }
    }
    for round in 0..=ROUNDS {
        for (at, runners) in hosts.iter_mut().enumerate() {
            for (way, rate) in runners.round().map_err(|death| anyhow::anyhow!("{which}: {death}"))? {
                // The first round is for compilers to warm up.
                if round > 0 {
                    table.entry((at, way)).or_default().push(rate);
                }
            }
        }
    }
    for rates in table.values_mut() {
        rates.sort_by(f64::total_cmp);
    }
    let middle = |host: usize, way: &str| table.get(&(host, way.to_owned())).map(|rates| rates[rates.len() / 2]);
    let mut rows = Vec::new();
    for (at, runners) in hosts.iter().enumerate() {
        let first = middle(at, &runners.ways[0]).unwrap_or(f64::NAN);
        for way in &runners.ways {
            let Some(rate) = middle(at, way) else { continue };
            rows.push(Row { host: &runners.name, way, calls_per_second: rate, of_first: rate / first });
        }
    }
    for row in &rows {
        let rate = words::count(row.calls_per_second as u64);
        let host = cli::printable_name(row.host);
        eprintln!("{host:<34} {:<38} {rate:>9} calls/s  {:.2}", row.way, row.of_first);
    }
    for (way, of, bar) in BARS {
        let (Some(rate), Some(of_rate)) = (middle(0, way), middle(0, of)) else { continue };
        let kept = if rate / of_rate >= bar { "kept" } else { "missed" };
        eprintln!("{way} is {:.2} of {of}: bar {bar} {kept}", rate / of_rate);
    }
    if format == Format::Json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    }
    Ok(cli::exit::CLEAN)
}

/// Hosts of one kind, with the same calls for each.
struct Runners {
    name: String,
    deployed: Box<dyn Host>,
    instrumented: Box<dyn Host>,
    tapes: Vec<Vec<u8>>,
    number: u32,
    /// In the order of the table.
    ways: Vec<String>,
}

impl Runners {
    fn start(mut site: Site<'_>, asked: &Asked, operation: &str) -> Result<Self, String> {
        let api = &site.opened.surface.api;
        let takes_text = |ty: &Type| matches!(ty, Type::String);
        let found = api.operations.iter().find(|known| known.name == operation);
        let found = found.filter(|known| known.params.len() == 1 && takes_text(&known.params[0].ty));
        let id = found.ok_or_else(|| format!("{}: {operation} does not take one text", asked.name))?.id;
        let text = JsVal::Text(PATIENT.encode_utf16().collect());
        let tape = Tape { ops: vec![Op::Call { operation: id, this: 0, args: vec![text] }] }.to_bytes();
        let start = |start: &mut Start<'static>| start(&[]);
        let instrumented = start(&mut *site.instrumented)?;
        let mut runners = Self {
            name: instrumented.hello().host.clone(),
            deployed: start(&mut *site.deployed)?,
            instrumented,
            tapes: vec![tape; 256],
            number: 0,
            ways: Vec::new(),
        };
        runners.ways = runners.round().map_err(|death| death.to_string())?.into_iter().map(|(way, _)| way).collect();
        Ok(runners)
    }

    /// Every way once: its name, calls a second.
    fn round(&mut self) -> Result<Vec<(String, f64)>, Death> {
        let mut rates = Vec::new();
        for (host, of) in [(&mut self.deployed, ", as deployed"), (&mut self.instrumented, "")] {
            self.number += 1;
            host.send(&Batch { number: self.number, flags: flags::MEASURE, tapes: self.tapes.clone() })?;
            for line in host.receive()?.told.into_iter().flat_map(|told| told.outcomes) {
                let Some((way, rate)) = line.rsplit_once(' ') else { continue };
                let way = match (way, of) {
                    ("loop", "") => "loop, instrumented".to_owned(),
                    _ => format!("{way}{of}"),
                };
                rates.push((way, rate.parse().unwrap_or(f64::NAN)));
            }
        }
        for size in BATCHES {
            rates.push((format!("tapes through the pipe, {size} a batch"), self.pipe(size)?));
        }
        Ok(rates)
    }

    /// Calls a second through the pipe, two batches on their way at any time.
    fn pipe(&mut self, size: usize) -> Result<f64, Death> {
        let batch = |number| Batch { number, flags: flags::EVALUATE, tapes: self.tapes[..size].to_vec() };
        let began = Instant::now();
        let (mut calls, mut waiting) = (0_u64, 0);
        while began.elapsed() < LOOK || waiting > 0 {
            while waiting < 2 && began.elapsed() < LOOK {
                self.number += 1;
                self.instrumented.send(&batch(self.number))?;
                waiting += 1;
            }
            if waiting > 0 {
                calls += u64::from(self.instrumented.receive()?.tapes);
                waiting -= 1;
            }
        }
        Ok(calls as f64 / began.elapsed().as_secs_f64())
    }
}

impl Drop for Runners {
    fn drop(&mut self) {
        self.deployed.kill();
        self.instrumented.kill();
    }
}
