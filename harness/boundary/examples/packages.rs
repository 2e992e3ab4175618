//! What comes of real packages: `cargo run --release -p autoclave-boundary --example packages -- PACKAGE[=MODULE]…` opens
//! each, loads it in Node as it is deployed, and runs typed tapes. Prints one row for each.

use autoclave_boundary::fuzz::{Options, clock_seconds_max, search};
use autoclave_boundary::hosts::node::{Node, NodeHost};
use autoclave_boundary::hosts::{Host, Setup, discover};
use autoclave_boundary::package::Package;
use autoclave_boundary::tape::{Profile, Seeds};
use std::collections::BTreeMap;
use std::path::Path;

/// Tapes for each package.
const TAPES: u64 = 256;
/// For each package, seconds: codecs that hang on a tape are asked no more then.
const CPU_SECONDS_MAX: f64 = 90.0;
/// For a batch, seconds.
const BATCH_CPU_SECONDS_MAX: u64 = 3;

fn main() {
    let node = match Node::find() {
        Ok(node) => node,
        Err(reason) => {
            eprintln!("{reason}");
            std::process::exit(3);
        }
    };
    println!(
        "| package | glue | operations | from | absent | tapes | calls | returned, of operations | deaths | seen |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for asked in std::env::args().skip(1) {
        match row(&node, &asked) {
            Ok(row) => println!("{row}"),
            Err(why) => println!("| {asked} | {why:?} |"),
        }
    }
}

fn row(node: &Node, asked: &str) -> Result<String, String> {
    let (path, module) = asked.split_once('=').map_or((asked, None), |(path, module)| (path, Some(module)));
    let package = Package::open_with(Path::new(path), module).map_err(|error| error.to_string())?;
    let surface = discover::surface(node, &package).map_err(|error| error.to_string())?;
    let name = format!("{} {}", package.name, package.version.clone().unwrap_or_default());
    let kind = format!("{:?}", package.glue);
    let operations = surface.api.operations.len();
    for note in &surface.notes {
        eprintln!("{name}: {note}");
    }
    let mut setup = Setup::of(&package, &surface.api);
    setup.config.pages_max = initial_pages(&package.module.bytes) + 256;
    setup.limits.batch_cpu_seconds_max = BATCH_CPU_SECONDS_MAX;
    let options = Options {
        seed: 1,
        profiles: vec![Profile::Typed],
        tapes_max: TAPES,
        cpu_seconds_max: CPU_SECONDS_MAX,
        clock_seconds_max: clock_seconds_max(CPU_SECONDS_MAX),
        ..Options::default()
    };
    let mut start = |seen: &[u8]| {
        let setup = Setup { seen: seen.to_vec(), ..setup.clone() };
        Ok(Box::new(NodeHost::start(node, &setup)?) as Box<dyn Host>)
    };
    let search = search(&surface.api, &Seeds::default(), &options, &mut start, &mut |_| false)
        .map_err(|why| format!("{name}, {kind}, {operations} operations: {why}"))?;
    let returned = search.operations.values().filter(|counts| counts[0] > 0).count();
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for find in search.finds.values() {
        *classes.entry(&find.sighting.class).or_default() += 1;
    }
    let classes: Vec<String> = classes.iter().map(|(class, count)| format!("{class} {count}")).collect();
    for death in search.deaths.iter().chain(&search.cut) {
        eprintln!("{name}: {death}");
    }
    Ok(format!(
        "| {name} | {kind} | {operations} | {} | {} | {} | {} | {returned} | {} | {} |",
        surface.source,
        search.hello.absent.len(),
        search.tapes,
        search.calls,
        search.deaths.len(),
        classes.join(", ")
    ))
}

/// Pages that the module's memory begins with, its own or an imported one.
fn initial_pages(wasm: &[u8]) -> u32 {
    let mut pages = 0;
    for payload in wasmparser::Parser::new(0).parse_all(wasm).map_while(Result::ok) {
        match payload {
            wasmparser::Payload::MemorySection(section) => {
                pages = section.into_iter().flatten().map(|memory| memory.initial).chain([pages]).max().unwrap_or(0);
            }
            wasmparser::Payload::ImportSection(section) => {
                for import in section.into_imports().flatten() {
                    if let wasmparser::TypeRef::Memory(memory) = import.ty {
                        pages = pages.max(memory.initial);
                    }
                }
            }
            _ => {}
        }
    }
    u32::try_from(pages).unwrap_or(u32::MAX - 256)
}
