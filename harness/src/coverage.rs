//! Which functions, branches and source lines a set of inputs reaches: LCOV for tools, one HTML page for people.
//!
//! Only edges are counted while running. What lies between two of them was executed if the edge before it was, so a walk
//! over the original code gives every instruction, and the debug information every line, its number of inputs.

mod html;
mod reach;

pub use html::Finder;

use crate::HarnessError;
use crate::execution::{HostCall, RawFrame};
use crate::executors::{Build, Engine, Executor, Reset, component};
use crate::instrument::{Instrumented, Site, SiteKind};
use crate::symbols::{Inlined, SourceFile, Symbols};
use crate::target::Target;
use autoclave_reports::record::FunctionCoverage;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// What a set of inputs reached.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Name of the target.
    pub target: String,
    /// Inputs that were run.
    pub inputs: u64,
    /// Calls to the host, summed over all inputs, in the order of the imports' names.
    pub host_calls: Vec<HostCall>,
    functions: Vec<Function>,
    files: BTreeMap<Arc<SourceFile>, File>,
}

#[derive(Debug, Clone)]
struct Function {
    row: FunctionCoverage,
    /// Inputs that entered it.
    inputs: u64,
}

/// What is known of one source file.
#[derive(Debug, Clone, Default)]
struct File {
    /// Line → inputs that reached it, at least.
    lines: BTreeMap<u32, u64>,
    /// Line → branches that begin there.
    branches: BTreeMap<u32, Vec<Branch>>,
    /// Line of the first instruction → index in [`Measured::functions`].
    functions: Vec<(u32, usize)>,
}

/// One conditional instruction.
#[derive(Debug, Clone)]
struct Branch {
    /// Inputs that took each way: taken and not taken, or the slots of a table.
    ways: Vec<u64>,
}

/// Runs every input once and puts together what they reach. Inputs longer than the limit are left out.
///
/// # Errors
/// If the target cannot be instrumented or started.
pub fn measure(
    engine: &Engine,
    target: &Target,
    entry: &str,
    inputs: &[Vec<u8>],
    symbols: &Symbols,
) -> Result<Measured, HarnessError> {
    let mut executor = Executor::new(engine, target, entry, Build::Fuzz, Reset::Dirty, &target.limits)?;
    let mut hits = vec![0_u64; executor.instrumented().edges.len()];
    let mut calls: BTreeMap<String, HostCall> = BTreeMap::new();
    let mut run = 0;
    for input in inputs.iter().filter(|input| input.len() as u64 <= u64::from(target.limits.input_bytes_max)) {
        executor.run(input);
        run += 1;
        for (hits, count) in hits.iter_mut().zip(executor.counters()) {
            *hits += u64::from(*count > 0);
        }
        for call in executor.execution().host_calls {
            match calls.get_mut(&call.import) {
                Some(known) => known.count += call.count,
                None => drop(calls.insert(call.import.clone(), call)),
            }
        }
    }
    let mut measured = assemble(&target.name, component::code(target, entry), executor.instrumented(), &hits, symbols);
    measured.inputs = run;
    measured.host_calls = calls.into_values().collect();
    Ok(measured)
}

/// The same from counts at hand: `hits[i]` inputs reached edge `i` of `instrumented`, the rewritten `wasm`.
pub fn assemble(target: &str, wasm: &[u8], instrumented: &Instrumented, hits: &[u64], symbols: &Symbols) -> Measured {
    let mut measured = Measured { target: target.to_owned(), ..Measured::default() };
    let mut of_function: BTreeMap<u32, Vec<(Site, u64)>> = BTreeMap::new();
    for (site, hits) in instrumented.edges.iter().zip(hits) {
        of_function.entry(site.function).or_default().push((*site, *hits));
    }
    for (index, sites) in &of_function {
        measured.add_function(*index, sites, symbols);
    }
    for (function, instructions) in reach::instructions(wasm, &of_function) {
        measured.add_lines(&instructions, &symbols.lines(function));
    }
    measured
}

impl Measured {
    /// Edges that were reached.
    pub fn edges_found(&self) -> u64 {
        self.functions.iter().map(|function| function.row.edges_found).sum()
    }

    /// Edges that the module has.
    pub fn edges_total(&self) -> u64 {
        self.functions.iter().map(|function| function.row.edges_total).sum()
    }

    /// Lines reached and lines with code, over all files with debug information.
    pub fn lines(&self) -> (u64, u64) {
        let lines = || self.files.values().flat_map(|file| file.lines.values());
        (lines().filter(|inputs| **inputs > 0).count() as u64, lines().count() as u64)
    }

    /// Per function, in the module's order.
    pub fn functions(&self) -> Vec<FunctionCoverage> {
        self.functions.iter().map(|function| function.row.clone()).collect()
    }

    /// Functions with unreached edges, those with most of them first: what to write seeds or dictionary entries for.
    pub fn blockers(&self) -> Vec<FunctionCoverage> {
        let mut rows = self.functions();
        rows.retain(|row| row.edges_found < row.edges_total);
        rows.sort_by_key(|row| (std::cmp::Reverse(row.edges_total - row.edges_found), row.index));
        rows
    }

    /// `lcov.info`. Counts are numbers of inputs, not of executions: counters wrap.
    pub fn lcov(&self) -> Vec<u8> {
        let mut out = String::new();
        for (file, known) in &self.files {
            // Writing to a string cannot fail.
            let _ = known.lcov(&self.target, file, &self.functions, &mut out);
        }
        out.into_bytes()
    }

    /// `coverage.html`: one page without script or anything remote. Sources are shown where they are found on this machine
    /// under `root/targets`, cargo's folders or the toolchain's sources; nothing else is read, whatever the module says.
    pub fn html(&self, root: &Path) -> Vec<u8> {
        html::page(self, root)
    }

    fn add_function(&mut self, index: u32, sites: &[(Site, u64)], symbols: &Symbols) {
        let start = symbols.lines(index).first().map(|(offset, _)| *offset);
        // The outermost frame stands in the function itself, whatever was inlined at its start.
        let frame = start.map(|offset| symbols.resolve(&RawFrame { function: index, offset: Some(offset) }));
        let own = frame.and_then(|frames| frames.into_iter().rfind(|frame| frame.inlined == Inlined::No));
        let place = own.and_then(|frame| frame.location).filter(|place| place.line > 0);
        self.functions.push(Function {
            row: FunctionCoverage {
                index,
                name: symbols.function_name(index),
                file: place.as_ref().map(|place| place.file.shown.clone()),
                line: place.as_ref().map(|place| place.line),
                edges_found: sites.iter().filter(|(_, hits)| *hits > 0).count() as u64,
                edges_total: sites.len() as u64,
            },
            inputs: sites.iter().find(|(site, _)| site.kind == SiteKind::Entry).map_or(0, |(_, hits)| *hits),
        });
        if let Some(place) = place {
            self.files.entry(place.file).or_default().functions.push((place.line, self.functions.len() - 1));
        }
        let mut branches: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for (site, hits) in sites.iter().filter(|(site, _)| !matches!(site.kind, SiteKind::Entry | SiteKind::Compare)) {
            let ways = branches.entry(site.offset).or_default();
            let way = match site.kind {
                SiteKind::Slot(slot) => slot as usize,
                SiteKind::NotTaken => 1,
                _ => 0,
            };
            if ways.len() <= way {
                ways.resize(way + 1, 0);
            }
            ways[way] = *hits;
        }
        for (offset, ways) in branches {
            if let Some(place) = symbols.location(offset).filter(|place| place.line > 0) {
                let file = self.files.entry(place.file).or_default();
                file.branches.entry(place.line).or_default().push(Branch { ways });
            }
        }
    }

    /// Adds one function's instructions (offset and inputs, by offset) to the lines they come from.
    fn add_lines(&mut self, instructions: &[(u32, u64)], rows: &[(u32, crate::symbols::Location)]) {
        let mut rows = rows.iter().peekable();
        let mut current = None;
        for (offset, inputs) in instructions {
            while let Some(row) = rows.next_if(|(start, _)| start <= offset) {
                current = Some(&row.1);
            }
            if let Some(place) = current {
                let file = match self.files.get_mut(&place.file) {
                    Some(file) => file,
                    None => self.files.entry(place.file.clone()).or_default(),
                };
                let line = file.lines.entry(place.line).or_default();
                *line = (*line).max(*inputs);
            }
        }
    }
}

impl File {
    fn lcov(&self, target: &str, file: &SourceFile, functions: &[Function], out: &mut String) -> std::fmt::Result {
        writeln!(out, "TN:{}\nSF:{}", word(target), file.shown)?;
        let mut rows: Vec<(u32, &Function)> =
            self.functions.iter().map(|(line, index)| (*line, &functions[*index])).collect();
        rows.sort_by_key(|(line, function)| (*line, function.row.index));
        for (line, function) in &rows {
            writeln!(out, "FN:{line},{}", function.row.name)?;
        }
        for (_, function) in &rows {
            writeln!(out, "FNDA:{},{}", function.inputs, function.row.name)?;
        }
        let entered = rows.iter().filter(|(_, function)| function.inputs > 0).count();
        writeln!(out, "FNF:{}\nFNH:{entered}", rows.len())?;
        let (mut ways_total, mut ways_hit) = (0, 0);
        for (line, branches) in &self.branches {
            for (block, branch) in branches.iter().enumerate() {
                let is_reached = branch.ways.iter().any(|inputs| *inputs > 0);
                for (way, inputs) in branch.ways.iter().enumerate() {
                    let taken = if is_reached { inputs.to_string() } else { "-".into() };
                    writeln!(out, "BRDA:{line},{block},{way},{taken}")?;
                    ways_total += 1;
                    ways_hit += usize::from(*inputs > 0);
                }
            }
        }
        if ways_total > 0 {
            writeln!(out, "BRF:{ways_total}\nBRH:{ways_hit}")?;
        }
        for (line, inputs) in &self.lines {
            writeln!(out, "DA:{line},{inputs}")?;
        }
        let reached = self.lines.values().filter(|inputs| **inputs > 0).count();
        writeln!(out, "LF:{}\nLH:{reached}\nend_of_record", self.lines.len())
    }
}

/// Test names in LCOV hold letters, digits and underscores only.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
