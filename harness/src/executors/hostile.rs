//! A module as it is deployed, in the hands of a host that means harm: the k-th call of an import throws, the k-th request
//! for memory is refused, memory grows while an import runs, imports give empty, long and odd content or something that
//! was not asked for.
//!
//! The host knows what wasm-bindgen's own imports mean (`host`) and reads from the script around the module how exports
//! are called (`glue`); without a script, types and names are all that there is. It is not JavaScript: how values are
//! converted, decoded and collected is left to hosts that have an engine for it, and nothing is said of the script's own
//! mistakes. What it can say, it says of the module: each fault is tried on calls that come back without it, and what
//! differs then is the fault's doing.

mod glue;
mod host;
mod session;

use super::Engine;
use super::engine::{Kind, Purpose, allocation};
use super::facts::Facts;
use super::host::Random;
use crate::HarnessError;
use crate::instrument::{self, Options};
use crate::limits::Limits;
use crate::symbols::Symbols;
use glue::Glue;
use host::Throws;
use session::{Export, Input, Program, Seen, Session, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// Exports that are called; more are noted.
const EXPORTS_MAX: usize = 200;
/// Inputs of those given that each export gets.
const INPUTS_MAX: usize = 48;
/// Inputs of one export on which faults are tried, each with calls of its own.
const PATHS_MAX: usize = 6;
/// Calls, or requests for memory, at which a fault is tried.
const PLACES_MAX: u64 = 64;
/// Calls whose content is replaced, each by every kind of content.
const CONTENT_PLACES_MAX: u64 = 8;
/// Bytes of a text that is longer than most.
const LONGER_BYTES: usize = 1000;
/// Bytes of the input that a leak is looked for with: the longest up to here, if there is one that is long enough to show.
const LEAK_BYTES_MAX: usize = 4096;
const LEAK_BYTES_MIN: usize = 800;
/// Calls before memory must have found its size.
const LEAK_WARM_UP: u32 = 32;
/// Measurements behind that, and calls in each: a leak of 700 bytes a call shows in every one as a page. In all they are
/// fewer than wasm-bindgen's stack of references has places for exceptions to lose.
const LEAK_MEASUREMENTS: u32 = 4;
const LEAK_CALLS: u32 = 96;
/// With a longer input, so many times fewer calls.
const LEAK_LONG_TIMES: u32 = 8;
/// Exceptions in a row that an instance must stand: more than wasm-bindgen's stack of references has places.
const WEAR_CALLS: u32 = 1200;
/// Pages of one plain call, and pages for the bytes given, that are growth without proportion.
const GROWTH_PAGES_MIN: u64 = 16;
const GROWTH_TIMES: u64 = 1000;
/// Fuel for everything: some ten seconds.
const FUEL_MAX: u64 = 20_000_000_000;
/// A call may take this many times the wall-clock limit: fuel ends what runs too long.
const WALL_TIMES: u64 = 20;

/// What a host does to its guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing.
    None,
    /// Call number `call` of an import, from 1, throws.
    ImportThrows {
        /// Counted over all imports.
        call: u64,
    },
    /// Request number `request` for memory, from 1, is refused.
    GrowthRefused {
        /// Requests are counted from the call's begin, its arguments included.
        request: u64,
    },
    /// Memory grows by a page whenever an import is called.
    GrowsOnImport,
    /// That call gives such content.
    Content {
        /// As above.
        call: u64,
        /// What it gives.
        content: Content,
    },
    /// That call gives an object, whatever was asked for.
    WrongType {
        /// As above.
        call: u64,
    },
}

/// Content that JavaScript can give and modules do not expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// The empty text.
    Empty,
    /// A text of 70,000 letters.
    Long,
    /// What is left of lone surrogates, and NUL.
    Replaced,
    /// NaN.
    NotANumber,
    /// -0.
    NegativeZero,
    /// 2^53 + 2, beyond what neighbouring integers have doubles for.
    Unsafe,
    /// -1.
    Negative,
    /// Infinity.
    Infinite,
}

impl Content {
    /// Every kind.
    pub const ALL: &[Content] = &[
        Content::Empty,
        Content::Long,
        Content::Replaced,
        Content::NotANumber,
        Content::NegativeZero,
        Content::Unsafe,
        Content::Negative,
        Content::Infinite,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Content::Empty => "an empty text",
            Content::Long => "a text of 70,000 letters",
            Content::Replaced => "replacement characters and NUL",
            Content::NotANumber => "NaN",
            Content::NegativeZero => "-0",
            Content::Unsafe => "2^53 + 2",
            Content::Negative => "-1",
            Content::Infinite => "Infinity",
        }
    }

    /// Whether it is one.
    fn is_text(self) -> bool {
        matches!(self, Content::Empty | Content::Long | Content::Replaced)
    }

    /// As a number; texts have none.
    fn number(self) -> f64 {
        match self {
            Content::Empty | Content::Long | Content::Replaced | Content::NotANumber => f64::NAN,
            Content::NegativeZero => -0.0,
            Content::Unsafe => 9_007_199_254_740_994.0,
            Content::Negative => -1.0,
            Content::Infinite => f64::INFINITY,
        }
    }
}

/// Something that a module did in such hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faced {
    /// The export that was called.
    pub export: String,
    /// What was done to it; [`Fault::None`]: nothing.
    pub fault: Fault,
    /// A class of [`autoclave_boundary::wire::CLASSES`].
    pub class: &'static str,
    /// Tells findings of one class and export apart; not dependent on values.
    pub key: String,
    /// In sentences.
    pub what: String,
    /// Frames of a trap, innermost first.
    pub stack: String,
    /// Bytes that flowed into its texts and arrays.
    pub input: Vec<u8>,
}

/// One export's calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// The export.
    pub export: String,
    /// Calls that returned.
    pub returned: u64,
    /// Calls that an exception left.
    pub threw: u64,
    /// Calls that trapped or met a limit.
    pub trapped: u64,
}

/// What came of it all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Siege {
    /// Exports that were called.
    pub exports: Vec<Tally>,
    /// What was found, in the order of the exports.
    pub findings: Vec<Faced>,
    /// Imports that are answered as JavaScript's glue answers them, without their hashes.
    pub imports_modelled: Vec<String>,
    /// Imports that are not, and what they do instead.
    pub imports_stubbed: Vec<(String, String)>,
    /// Calls of exports.
    pub executions: u64,
    /// Faults that came about.
    pub faults: u64,
    /// What a reader must know to judge the rest.
    pub notes: Vec<String>,
}

/// What [`session::Program`] is made of.
struct Ready {
    module: wasmtime::Module,
    stack_pointer: Option<u32>,
    symbols: Symbols,
    catches: bool,
    wall_epochs: u64,
}

/// Tries every fault on every export. `glue` is the text of the script around the module, where there is one; `inputs`
/// flow into texts and arrays; equal arguments give equal results.
///
/// # Errors
/// The module cannot be compiled or instantiated.
pub fn besiege(
    engine: &Engine,
    name: &str,
    wasm: &[u8],
    glue: Option<&str>,
    inputs: &[Vec<u8>],
    seed: u64,
    limits: &Limits,
) -> Result<Siege, HarnessError> {
    let mut siege = Siege::default();
    let ready = ready(engine, name, wasm, limits, &mut siege.notes)?;
    let program = Program::new(name, ready, glue.map(Glue::read), limits)?;
    let (mut exports, notes) = program.exports();
    siege.notes.extend(notes);
    if let Some(more) = exports.len().checked_sub(EXPORTS_MAX).filter(|more| *more > 0) {
        siege.notes.push(format!("{more} more exports are not called"));
        exports.truncate(EXPORTS_MAX);
    }
    for import in &program.imports {
        match &import.stubbed {
            None => siege.imports_modelled.push(import.label.clone()),
            Some(reason) => siege.imports_stubbed.push((import.label.clone(), reason.clone())),
        }
    }
    explain(&program, glue.is_some(), &mut siege.notes);
    let mut attack = Attack {
        name,
        program: &program,
        exports: &exports,
        siege,
        known: BTreeSet::new(),
        worn: BTreeSet::new(),
        refused: BTreeMap::new(),
        fuel: 0,
    };
    let chosen = choose(inputs, seed);
    for export in &exports {
        attack.export(export, &chosen)?;
        if attack.is_spent() {
            attack.siege.notes.push(format!("the fuel for everything was used up at {}", export.name));
            break;
        }
    }
    Ok(attack.finish())
}

/// Compiles the module, with its stack pointer exported if that is possible.
fn ready(
    engine: &Engine,
    name: &str,
    wasm: &[u8],
    limits: &Limits,
    notes: &mut Vec<String>,
) -> Result<Ready, HarnessError> {
    let facts = Facts::read(name, wasm, limits)?;
    let shown = instrument::instrument(name, wasm, Options::default(), limits.memory_bytes_max);
    let (bytes, stack_pointer) = match &shown {
        Ok(shown) => (&shown.wasm[..], shown.shadow_stack_pointer),
        Err(_) => (wasm, None),
    };
    if stack_pointer.is_none() {
        notes.push("no shadow stack was recognised in the module: that it comes back is not tested".to_owned());
    }
    let allocation = allocation(facts.memories + 1, facts.tables, facts.table_elements, limits);
    let kind = Kind { purpose: Purpose::Judge, allocation, effort: facts.effort() };
    Ok(Ready {
        module: engine.compile(name, bytes, kind, limits)?,
        stack_pointer,
        symbols: Symbols::load(wasm),
        catches: facts.managed_heap,
        wall_epochs: super::epochs(limits.wall_ms_max.saturating_mul(WALL_TIMES)),
    })
}

/// What is not tested, and why.
fn explain(program: &Program, has_glue: bool, notes: &mut Vec<String>) {
    notes.push(
        "the host models what wasm-bindgen's imports give, not the script itself: conversions, decoding, detached buffers \
         and finalizers are for the other hosts"
            .to_owned(),
    );
    if !has_glue {
        notes.push(
            "without the script, arguments are guessed from types: traps of calls without a fault are not reported"
                .to_owned(),
        );
    }
    if program.catches {
        notes.push("the module has exceptions or objects of its own: imports are not made to throw".to_owned());
    }
    let unknown = program.imports.iter().filter(|import| import.throws == Throws::Unknown).count();
    if unknown > 0 {
        notes.push(format!(
            "{unknown} imports are not made to throw: without the script it is not known who catches that"
        ));
    }
    if program.replaces_instances() {
        notes.push("the script can replace an instance: none is used again after a trap".to_owned());
    }
    notes.push("functions given to the module return nothing, and are called by nobody else".to_owned());
}

/// So many inputs, whichever the seed picks, in the order given.
fn choose(inputs: &[Vec<u8>], seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let mut at: Vec<usize> = (0..inputs.len()).collect();
    while at.len() > INPUTS_MAX {
        at.remove(random.below(at.len()));
    }
    at.into_iter().map(|at| inputs[at].clone()).collect()
}

/// What everything is tried with, beside what was given.
fn boundary_inputs() -> Vec<Vec<u8>> {
    let long = "Q".repeat(host::LONG_BYTES);
    let texts =
        ["", "a", "5", "null", "MSH|^~\\&|", "MSH|^~\\&\r", "Käthe \u{1f600}", "\u{fffd}", "/a", "?a", "[]", "{}"];
    let mut inputs: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    inputs.push("Q".repeat(LONGER_BYTES).into_bytes());
    inputs.push(format!("\"{}\"", "Q".repeat(LONGER_BYTES)).into_bytes());
    inputs.push(long.clone().into_bytes());
    inputs.push(format!("\"{long}\"").into_bytes());
    inputs.push(vec![0, 0xff, 0x80, 0xc3]);
    inputs
}

/// A call without a fault.
struct Plain {
    input: Input,
    seen: Seen,
    /// Whether the same call in the same instance comes to the same again.
    is_steady: bool,
    calls: u64,
    requests: u64,
    path: Vec<u16>,
    keeps_closures: bool,
    /// Whether the shadow stack does not come back by itself.
    moves_stack: bool,
}

/// Everything while it goes on.
struct Attack<'a> {
    name: &'a str,
    program: &'a Program,
    exports: &'a [Export],
    siege: Siege,
    known: BTreeSet<(&'static str, String, String)>,
    /// Exports and faults that were tried again and again.
    worn: BTreeSet<(String, String)>,
    /// What follows from growth that was refused is one finding of each class: the first, and the exports.
    refused: BTreeMap<&'static str, (Faced, BTreeSet<String>)>,
    fuel: u64,
}

impl<'a> Attack<'a> {
    fn is_spent(&self) -> bool {
        self.fuel >= FUEL_MAX
    }

    fn session(&self) -> Result<Session<'a>, HarnessError> {
        self.program.session(self.name, self.exports)
    }

    /// One call, counted.
    fn call(&mut self, session: &mut Session<'_>, export: &Export, input: &Input, fault: Fault) -> Seen {
        let seen = session.call(export, input, fault);
        self.siege.executions += 1;
        self.fuel = self.fuel.saturating_add(session.fuel).saturating_add(1000);
        if self.siege.exports.last().is_none_or(|tally| tally.export != export.name) {
            self.siege.exports.push(Tally { export: export.name.clone(), ..Tally::default() });
        }
        if let Some(tally) = self.siege.exports.last_mut() {
            match seen {
                Seen::Returned(_) => tally.returned += 1,
                Seen::Threw(_) => tally.threw += 1,
                Seen::Ended(..) => tally.trapped += 1,
            }
        }
        seen
    }

    fn report(&mut self, faced: Faced) {
        if matches!(faced.fault, Fault::GrowthRefused { .. }) && matches!(faced.class, "trap" | "poisoned") {
            let export = faced.export.clone();
            self.refused.entry(faced.class).or_insert((faced, BTreeSet::new())).1.insert(export);
        } else if self.known.insert((faced.class, faced.export.clone(), faced.key.clone())) {
            self.siege.findings.push(faced);
        }
    }

    /// Everything about one export.
    fn export(&mut self, export: &Export, chosen: &[Vec<u8>]) -> Result<(), HarnessError> {
        let bytes: Vec<Vec<u8>> = match export.takes_bytes() {
            true => boundary_inputs().into_iter().chain(chosen.iter().cloned()).collect(),
            false => vec![Vec::new(); if export.takes_anything() { session::variants() } else { 1 }],
        };
        let inputs = bytes.into_iter().enumerate().map(|(variant, bytes)| {
            // Values are functions for every other text: most callers give what is asked for.
            Input { bytes, variant: if export.takes_bytes() && variant % 2 == 0 { 0 } else { variant } }
        });
        let mut plain = Vec::new();
        for input in inputs {
            plain.extend(self.plain(export, input)?);
            if self.is_spent() {
                return Ok(());
            }
        }
        let leaking = self.leaks_by_itself(export, &plain)?;
        for at in paths(&plain) {
            self.faults(export, &plain[at], &plain, leaking)?;
            if self.is_spent() {
                break;
            }
        }
        Ok(())
    }

    /// A call without a fault; `None` where it does not come back.
    fn plain(&mut self, export: &Export, input: Input) -> Result<Option<Plain>, HarnessError> {
        let mut session = self.session()?;
        let (stack, (pages, _)) = (session.stack(), session.sizes());
        let seen = self.call(&mut session, export, &input, Fault::None);
        let found = |class, key: &str, what: String, stack: &str| Faced {
            export: export.name.clone(),
            fault: Fault::None,
            class,
            key: key.to_owned(),
            what,
            stack: stack.to_owned(),
            input: input.bytes.clone(),
        };
        let grown = session.sizes().0.saturating_sub(pages);
        if grown >= GROWTH_PAGES_MIN && (grown << 16) > GROWTH_TIMES * input.bytes.len() as u64 && export.is_known {
            let what = format!("{} bytes of input make memory grow by {grown} pages", input.bytes.len());
            self.report(found("growth", "pages", what, ""));
        }
        if let Seen::Ended(name, stage) = seen {
            if export.is_known && stage == Stage::Call {
                let what = format!("a call as the script makes it ends with {name}");
                self.report(found(class_of(name), name, what, &session.frames));
            }
            return Ok(None);
        }
        let moves_stack = session.stack() != stack;
        if export.is_known && moves_stack {
            let what = format!("{} and the stack pointer is not where it was before the call", seen.name());
            self.report(found("stack", "by itself", what, ""));
        }
        let state = session.state();
        let (calls, requests, path, keeps_closures) =
            (state.calls, state.requests, state.path.clone(), state.keeps_closures);
        let again = self.call(&mut session, export, &input, Fault::None);
        Ok(Some(Plain { is_steady: again == seen, input, seen, calls, requests, path, keeps_closures, moves_stack }))
    }

    /// Whether memory grows with every plain call.
    fn leaks_by_itself(&mut self, export: &Export, plain: &[Plain]) -> Result<bool, HarnessError> {
        let Some(call) = leak_input(plain.iter().filter(|call| !call.keeps_closures)) else { return Ok(false) };
        let Some(what) = self.leaks(export, call, Fault::None)? else { return Ok(false) };
        if export.is_known {
            self.report(Faced {
                export: export.name.clone(),
                fault: Fault::None,
                class: "leak",
                key: "by itself".to_owned(),
                what,
                stack: String::new(),
                input: call.input.bytes.clone(),
            });
        }
        Ok(true)
    }

    /// Every fault on one plain call.
    fn faults(&mut self, export: &Export, call: &Plain, plain: &[Plain], leaking: bool) -> Result<(), HarnessError> {
        let mut faults = Vec::new();
        if call.calls > 0 {
            faults.push(Fault::GrowsOnImport);
        }
        for (at, import) in call.path.iter().enumerate() {
            let (number, import) = (at as u64 + 1, &self.program.imports[*import as usize]);
            let throws = matches!(import.throws, Throws::Through | Throws::Caught);
            if number <= PLACES_MAX && throws && !self.program.catches {
                faults.push(Fault::ImportThrows { call: number });
            }
            if number <= CONTENT_PLACES_MAX {
                faults.extend(import.gives_any().then_some(Fault::WrongType { call: number }));
                let contents = Content::ALL.iter().filter(|content| import.gives(**content));
                faults.extend(contents.map(|content| Fault::Content { call: number, content: *content }));
            }
        }
        faults.extend((1..=call.requests.min(PLACES_MAX)).map(|request| Fault::GrowthRefused { request }));
        for fault in faults {
            self.fault(export, call, plain, fault, leaking)?;
            if self.is_spent() {
                break;
            }
        }
        Ok(())
    }

    /// One fault on one call, and the next call in the same instance.
    fn fault(
        &mut self,
        export: &Export,
        call: &Plain,
        plain: &[Plain],
        fault: Fault,
        leaking: bool,
    ) -> Result<(), HarnessError> {
        let mut session = self.session()?;
        let stack = session.stack();
        let seen = self.call(&mut session, export, &call.input, fault);
        let Some(fired) = session.state().fired.clone() else { return Ok(()) };
        self.siege.faults += 1;
        let key = describe(fault, &fired);
        let done = match fault {
            Fault::GrowthRefused { .. } => "a request for memory is refused",
            _ => key.as_str(),
        };
        let found = |class, key: String, what: String, stack: &str| Faced {
            export: export.name.clone(),
            fault,
            class,
            key,
            what,
            stack: stack.to_owned(),
            input: call.input.bytes.clone(),
        };
        match &seen {
            Seen::Ended(name, stage) => {
                let place = match stage {
                    Stage::Arguments => "while its arguments were placed",
                    Stage::Call => "in the call",
                };
                let what = format!("{done}: {name} {place}; without that it {}", call.seen.name());
                self.report(found(class_of(name), key.clone(), what, &session.frames));
                // Nobody goes on with what had to be killed, or with what the script replaces.
                if class_of(name) == "time" || self.program.replaces_instances() {
                    return Ok(());
                }
            }
            _ if session.stack() != stack && !call.moves_stack => {
                let moved = session.stack().zip(stack).map_or(0, |(now, before)| i64::from(before) - i64::from(now));
                let what = format!(
                    "{done}: the call {}, and {moved} bytes of the shadow stack are gone for good",
                    seen.name()
                );
                self.report(found("stack", key.clone(), what, ""));
            }
            _ if fault == Fault::GrowsOnImport && call.is_steady && seen != call.seen => {
                let what = format!(
                    "memory that grows while {fired} runs: the call {}, else it {}",
                    seen.name(),
                    call.seen.name()
                );
                self.report(found("host", key.clone(), what, ""));
            }
            _ => {}
        }
        let next = self.call(&mut session, export, &call.input, Fault::None);
        if call.is_steady && next != call.seen {
            let what = format!(
                "{done}: the call {}, and the next one in the same instance {}, where it {} before",
                seen.name(),
                next.name(),
                call.seen.name()
            );
            self.report(found("poisoned", format!("after {key}"), what, &session.frames));
            return Ok(());
        }
        if matches!(fault, Fault::ImportThrows { .. }) && seen.came_back() {
            self.wears_out(export, call, fault, &key)?;
        }
        let throws = matches!(fault, Fault::ImportThrows { .. } | Fault::GrowthRefused { .. });
        let is_new = !self.known.contains(&("leak", export.name.clone(), key.clone()));
        if throws && seen.came_back() && !leaking && is_new && !call.keeps_closures {
            // With a longer input of the same path, little is enough to show.
            let alike = plain.iter().filter(|other| other.path == call.path && other.calls == call.calls);
            let Some(longest) = leak_input(alike) else { return Ok(()) };
            if let Some(what) = self.leaks(export, longest, fault)? {
                let mut faced = found("leak", key.clone(), format!("{done}: {what}"), "");
                faced.input.clone_from(&longest.input.bytes);
                self.report(faced);
            }
        }
        Ok(())
    }

    /// Whether an instance stands the same fault again and again, beside what it loses of its stack.
    fn wears_out(&mut self, export: &Export, call: &Plain, fault: Fault, key: &str) -> Result<(), HarnessError> {
        let again = format!("after {key} again and again");
        if !self.worn.insert((export.name.clone(), key.to_owned())) || self.is_spent() {
            return Ok(());
        }
        let mut session = self.session()?;
        let stack = session.stack();
        for number in 1..=WEAR_CALLS {
            let seen = self.call(&mut session, export, &call.input, fault);
            session.restore_stack(stack);
            if let Seen::Ended(name, _) = seen {
                self.report(Faced {
                    export: export.name.clone(),
                    fault,
                    class: "poisoned",
                    key: again,
                    what: format!(
                        "{key}: when that happened {number} times in one instance, the call ended with {name}"
                    ),
                    stack: session.frames.clone(),
                    input: call.input.bytes.clone(),
                });
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether memory or the table of references grows on and on, and by how much.
    fn leaks(&mut self, export: &Export, call: &Plain, fault: Fault) -> Result<Option<String>, HarnessError> {
        let times = if call.input.bytes.len() > LEAK_BYTES_MAX { LEAK_LONG_TIMES } else { 1 };
        let mut session = self.session()?;
        let stack = session.stack();
        let mut first = None;
        let mut repeat = |attack: &mut Self, times: u32| {
            for _ in 0..times {
                let seen = attack.call(&mut session, export, &call.input, fault);
                // What is lost of the stack is told elsewhere, and would end this before memory shows anything.
                session.restore_stack(stack);
                let fired = fault == Fault::None || session.state().fired.is_some();
                let same = first.get_or_insert_with(|| seen.clone()) == &seen;
                if !seen.came_back() || !fired || !same || attack.is_spent() {
                    return None;
                }
            }
            Some(session.sizes())
        };
        let Some(mut before) = repeat(self, LEAK_WARM_UP / times) else { return Ok(None) };
        let begin = before;
        let (mut pages, mut slots) = (true, true);
        for _ in 0..LEAK_MEASUREMENTS {
            let Some(now) = repeat(self, LEAK_CALLS / times) else { return Ok(None) };
            pages &= now.0 > before.0;
            slots &= now.1 > before.1;
            if !pages && !slots {
                return Ok(None);
            }
            before = now;
        }
        let calls = LEAK_MEASUREMENTS * LEAK_CALLS / times;
        Ok(Some(match pages {
            true => format!("memory grows by {} pages in {calls} calls", before.0 - begin.0),
            false => format!("the table of references grows by {} slots in {calls} calls", before.1 - begin.1),
        }))
    }

    fn finish(mut self) -> Siege {
        for (_, (mut faced, exports)) in std::mem::take(&mut self.refused) {
            let others: Vec<String> = exports.into_iter().filter(|export| *export != faced.export).collect();
            if !others.is_empty() {
                faced.what = format!("{}; so do {}", faced.what, others.join(", "));
            }
            self.siege.findings.push(faced);
        }
        self.siege
    }
}

/// Class of what ended a call.
fn class_of(outcome: &str) -> &'static str {
    if outcome == session::out_of_fuel() { "time" } else { "trap" }
}

/// What was done, in words that stay the same from version to version.
fn describe(fault: Fault, fired: &str) -> String {
    match fault {
        Fault::None => "nothing".to_owned(),
        Fault::ImportThrows { .. } => format!("{} throws", fired),
        Fault::GrowthRefused { .. } => "growth-refused".to_owned(),
        Fault::GrowsOnImport => "memory grows during an import".to_owned(),
        Fault::Content { content, .. } => format!("{} gives {}", fired, content.name()),
        Fault::WrongType { .. } => format!("{} gives an object", fired),
    }
}

/// Indices of calls that differ in what they ask of the host: of each kind the first, those that ask for most last.
fn paths(plain: &[Plain]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let mut chosen: Vec<usize> = Vec::new();
    for (at, call) in plain.iter().enumerate() {
        let imports: BTreeSet<u16> = call.path.iter().copied().collect();
        let kind = (imports, call.requests.min(2), call.calls.min(4));
        if (call.calls > 0 || call.requests > 0) && seen.insert(kind) {
            chosen.push(at);
        }
    }
    chosen.truncate(PATHS_MAX);
    chosen
}

/// The longest input that is not too long; one that is, where others are too short to show a leak.
fn leak_input<'c>(calls: impl Iterator<Item = &'c Plain>) -> Option<&'c Plain> {
    let len = |call: &&&Plain| call.input.bytes.len();
    let calls: Vec<&Plain> = calls.collect();
    let longest = calls.iter().filter(|call| len(call) <= LEAK_BYTES_MAX).max_by_key(len);
    let longer = || calls.iter().filter(|call| len(call) > LEAK_BYTES_MAX).min_by_key(len);
    longest.filter(|call| len(call) >= LEAK_BYTES_MIN).or_else(longer).or(longest).copied()
}
