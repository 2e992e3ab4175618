//! What the compiler made of a module: conditional jumps and divisions in its machine code that no branch or division of
//! the module asks for. A `select` may become a jump, and a division by a constant a multiplication.
//!
//! Nothing is run. The text of the compiled module is decoded, and each instruction is attributed to the operator that the
//! engine's address map names for it. Jumps to a trap are checks, and left out: whoever reaches the trap is seen anyway.

use super::facts::Facts;
use crate::HarnessError;
use crate::limits::Limits;
use crate::target::Target;
use autoclave_reports::constant_time::Machine;
use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use wasmparser::{Operator, Parser, Payload};

/// Different mnemonics kept of one operator.
const MNEMONICS_MAX: usize = 8;

/// The row of what no operator is named for: the optimiser made it of several, or of none.
const UNATTRIBUTED: &str = "(no operator)";

/// What the compiler made of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineCode {
    /// `wasmtime 48.0.8, x86_64`.
    pub engine: String,
    /// Conditional jumps whose operator the engine does not name.
    pub jumps_unattributed: u64,
    /// Divisions whose operator the engine does not name.
    pub divisions_unattributed: u64,
    kept: BTreeMap<u32, Kept>,
}

/// What one operator became.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Mnemonics of conditional jumps that lead elsewhere than to a trap, each once.
    pub jumps: Vec<String>,
    /// Mnemonics of integer divisions, each once.
    pub divisions: Vec<String>,
    /// Mnemonics of float divisions and roots, each once: subnormal operands take longer.
    pub floats: Vec<String>,
}

/// Compiles the module as hosts do that change nothing of the engine's settings, and reads what came out. Nothing is
/// cached, nothing is run; time and memory are those of one compilation.
///
/// # Errors
/// The module is a component, is beyond the limits, or the engine does not take it; the host's processor is one whose
/// machine code is not known here.
pub fn scan(target: &Target, limits: &Limits) -> Result<MachineCode, HarnessError> {
    read(&target.name, &target.wasm, limits)
}

fn read(name: &str, wasm: &[u8], limits: &Limits) -> Result<MachineCode, HarnessError> {
    let facts = Facts::read(name, wasm, limits)?;
    let effort = facts.effort();
    let deployed = super::engine::deployed(effort)?;
    let module = wasmtime::Module::new(&deployed, wasm)
        .map_err(|error| HarnessError::module(name, format_args!("wasmtime does not take this module: {error:#}")))?;
    let decode: fn(&[u8], &mut dyn FnMut(usize, Found)) = match std::env::consts::ARCH {
        "x86_64" => decode_x86_64,
        "aarch64" => decode_aarch64,
        other => return Err(HarnessError::Engine(format!("machine code of {other} is not read: scan on x86_64"))),
    };
    let mut code = MachineCode { engine: engine_name(effort), ..MachineCode::default() };
    let asks = asking(wasm).map_err(|error| HarnessError::module(name, format_args!("malformed: {error}")))?;
    let map: Vec<(usize, Option<u32>)> = module.address_map().into_iter().flatten().collect();
    if map.is_empty() && facts.functions > 0 {
        return Err(HarnessError::Engine(format!("{name}: the engine does not say where its machine code comes from")));
    }
    for function in module.functions() {
        let Some(text) = module.text().get(function.offset..function.offset.saturating_add(function.len)) else {
            continue;
        };
        decode(text, &mut |at, found| {
            let at = function.offset + at;
            let before = map.partition_point(|(start, _)| *start <= at);
            let origin = before.checked_sub(1).map(|entry| map[entry]).filter(|(start, _)| *start >= function.offset);
            code.note(origin.and_then(|(_, origin)| origin), found, &asks);
        });
    }
    Ok(code)
}

/// Engine, version and processor, as reports name them.
fn engine_name(effort: super::engine::Effort) -> String {
    let not_optimised = match effort {
        super::engine::Effort::Optimised => "",
        // A host would optimise it for as long as that takes.
        super::engine::Effort::Quick => ", not optimised",
    };
    format!("{}, {}{not_optimised}", super::wasmtime_name(), std::env::consts::ARCH)
}

impl MachineCode {
    /// What the operator at that offset of the module's file became; nothing where neither jump nor division came of it, or
    /// where it asks for one.
    pub fn at(&self, offset: u32) -> Option<&Kept> {
        self.kept.get(&offset)
    }

    /// How many operators are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether no operator is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// What the engine makes of the operator at `offset`, one sentence.
    pub fn sentence(&self, offset: u32) -> String {
        let engine = &self.engine;
        match self.at(offset) {
            None => format!("{engine}: neither a conditional jump nor a division."),
            Some(Kept { jumps, divisions, floats }) => {
                let mut parts = Vec::new();
                if !jumps.is_empty() {
                    parts.push(format!("a conditional jump ({})", jumps.join(", ")));
                }
                if !divisions.is_empty() {
                    parts.push(format!("a division ({})", divisions.join(", ")));
                }
                if !floats.is_empty() {
                    parts
                        .push(format!("a float instruction that subnormal operands slow down ({})", floats.join(", ")));
                }
                format!("{engine}: {}.", parts.join(" and "))
            }
        }
    }

    /// One row for each operation of the module that became a jump or a division somewhere, and for every kind of `select`
    /// and integer division, whatever it became. `diverged` holds the offsets of operators whose operands differ between
    /// secrets.
    pub fn summary(&self, wasm: &[u8], diverged: &BTreeSet<u32>) -> Vec<Machine> {
        let mut rows: BTreeMap<String, (Machine, bool)> = BTreeMap::new();
        // It was compiled: nothing in it is malformed.
        let _ = each_operator(wasm, |offset, operator| {
            if asks_for_jumps(operator) {
                return;
            }
            let kept = self.at(offset);
            let (row, shown) = rows.entry(operation(operator)).or_default();
            let jumps = kept.is_some_and(|kept| !kept.jumps.is_empty());
            let divides = kept.is_some_and(|kept| !kept.divisions.is_empty());
            *shown |= jumps || divides || always_shown(operator);
            row.sites += 1;
            row.jumps += u64::from(jumps);
            row.divisions += u64::from(divides);
            row.diverged += u64::from((jumps || divides) && diverged.contains(&offset));
        });
        let (jumps, divisions) = (self.jumps_unattributed, self.divisions_unattributed);
        if jumps + divisions > 0 {
            let row = Machine { sites: jumps + divisions, jumps, divisions, ..Machine::default() };
            rows.insert(UNATTRIBUTED.to_owned(), (row, true));
        }
        let shown = rows.into_iter().filter(|(_, (_, shown))| *shown);
        shown.map(|(operation, (row, _))| Machine { engine: self.engine.clone(), operation, ..row }).collect()
    }

    fn note(&mut self, origin: Option<u32>, found: Found, asks: &BTreeSet<u32>) {
        let Some(offset) = origin else {
            match found {
                Found::Jump(_) => self.jumps_unattributed += 1,
                Found::Division(_) => self.divisions_unattributed += 1,
                Found::Float(_) => {}
            }
            return;
        };
        if asks.contains(&offset) {
            return;
        }
        let kept = self.kept.entry(offset).or_default();
        let (list, mnemonic) = match found {
            Found::Jump(mnemonic) => (&mut kept.jumps, mnemonic),
            Found::Division(mnemonic) => (&mut kept.divisions, mnemonic),
            Found::Float(mnemonic) => (&mut kept.floats, mnemonic),
        };
        if list.len() < MNEMONICS_MAX && !list.contains(&mnemonic) {
            list.push(mnemonic);
        }
    }
}

/// An instruction that takes a time that depends on its operands, or leads to different places.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Jump(String),
    Division(String),
    Float(String),
}

/// Offsets of operators that ask for a jump themselves.
fn asking(wasm: &[u8]) -> Result<BTreeSet<u32>, wasmparser::BinaryReaderError> {
    let mut asks = BTreeSet::new();
    each_operator(wasm, |offset, operator| {
        if asks_for_jumps(operator) {
            asks.insert(offset);
        }
    })?;
    Ok(asks)
}

fn each_operator(wasm: &[u8], mut visit: impl FnMut(u32, &Operator<'_>)) -> Result<(), wasmparser::BinaryReaderError> {
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CodeSectionEntry(body) = payload? {
            for operator in body.get_operators_reader()?.into_iter_with_offsets() {
                let (operator, offset) = operator?;
                visit(u32::try_from(offset).unwrap_or(u32::MAX), &operator);
            }
        }
    }
    Ok(())
}

/// Whether the module itself says that control or time depends on an operand here: control flow, calls (through a table
/// they check and load), memory and tables as wholes, references and the managed heap.
fn asks_for_jumps(operator: &Operator<'_>) -> bool {
    let name = debug_name(operator);
    let control = ["Block", "Loop", "If", "Else", "End", "Br", "Return", "Call", "Try", "Throw", "Catch", "Delegate"];
    let whole = ["Memory", "Table", "Data", "Elem", "Ref", "Struct", "Array", "AnyConvert", "ExternConvert", "Resume"];
    name == "Unreachable"
        || name == "Rethrow"
        || name.contains("Atomic")
        || control.iter().chain(&whole).any(|prefix| name.starts_with(prefix))
}

fn always_shown(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::Select | O::TypedSelect { .. } | O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU | O::I64DivS | O::I64DivU
    ) || matches!(operator, O::I64RemS | O::I64RemU)
}

/// The variant's name, such as `F64ConvertI64U`.
fn debug_name(operator: &Operator<'_>) -> String {
    let mut text = Head::default();
    // What does not fit is not wanted.
    let _ = write!(text, "{operator:?}");
    let end = text.0.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.0.len());
    text.0.truncate(end);
    text.0
}

/// The beginning of what is written to it: tables of branches print long.
#[derive(Default)]
struct Head(String);

impl Write for Head {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.push_str(text);
        if self.0.len() > 64 { Err(std::fmt::Error) } else { Ok(()) }
    }
}

/// The operator in the text format: `F64ConvertI64U` is `f64.convert_i64_u`.
fn operation(operator: &Operator<'_>) -> String {
    if matches!(operator, Operator::TypedSelect { .. }) {
        return "select".to_owned();
    }
    let name = debug_name(operator);
    let mut words: Vec<String> = Vec::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() || words.is_empty() {
            words.push(String::new());
        }
        words.last_mut().expect("one was just pushed").push(c.to_ascii_lowercase());
    }
    let typed = words.first().is_some_and(|word| word.contains(|c: char| c.is_ascii_digit()));
    if typed && words.len() > 1 { format!("{}.{}", words[0], words[1..].join("_")) } else { words.join("_") }
}

/// Conditional jumps (not to a trap) and divisions of a function's text.
fn decode_x86_64(text: &[u8], found: &mut dyn FnMut(usize, Found)) {
    let is_trap = |at: u64| usize::try_from(at).ok().and_then(|at| text.get(at..at.checked_add(2)?)) == Some(UD2);
    let name = |mnemonic: Mnemonic| format!("{mnemonic:?}").to_ascii_lowercase();
    for instruction in Decoder::new(64, text, DecoderOptions::NONE) {
        let at = instruction.ip() as usize;
        if instruction.is_jcc_short_or_near() {
            // A check either jumps to its trap or over it.
            if !is_trap(instruction.near_branch_target()) && !is_trap(instruction.next_ip()) {
                found(at, Found::Jump(name(instruction.mnemonic())));
            }
            continue;
        }
        match instruction.mnemonic() {
            mnemonic @ (Mnemonic::Div | Mnemonic::Idiv) => found(at, Found::Division(name(mnemonic))),
            #[rustfmt::skip]
            mnemonic @ (Mnemonic::Divss | Mnemonic::Divsd | Mnemonic::Divps | Mnemonic::Divpd
            | Mnemonic::Sqrtss | Mnemonic::Sqrtsd | Mnemonic::Sqrtps | Mnemonic::Sqrtpd
            | Mnemonic::Vdivss | Mnemonic::Vdivsd | Mnemonic::Vdivps | Mnemonic::Vdivpd
            | Mnemonic::Vsqrtss | Mnemonic::Vsqrtsd | Mnemonic::Vsqrtps | Mnemonic::Vsqrtpd) => {
                found(at, Found::Float(name(mnemonic)));
            }
            _ => {}
        }
    }
}

/// What Cranelift traps with on x86_64.
const UD2: &[u8] = &[0x0f, 0x0b];
/// On aarch64: `udf #0xc11f`.
const UDF: u32 = 0xc11f;

/// The same for aarch64. Encodings: Arm Architecture Reference Manual for A-profile, C4.1: `B.cond`, `BC.cond`,
/// `CBZ`/`CBNZ`, `TBZ`/`TBNZ`, `SDIV`/`UDIV`, `FDIV`, `FSQRT`.
fn decode_aarch64(text: &[u8], found: &mut dyn FnMut(usize, Found)) {
    const CONDITIONS: [&str; 16] =
        ["eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"];
    let word = |at: usize| text.get(at..at.checked_add(4)?).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    // A signed number of instructions in `bits` bits from bit 5 on.
    let reach = |word: u32, bits: u32| i64::from(((word << (32 - bits - 5)) as i32) >> (32 - bits)) * 4;
    for at in (0..text.len()).step_by(4) {
        let Some(bits) = word(at) else { return };
        let jump = match bits {
            _ if bits & 0xff00_0000 == 0x5400_0000 => {
                let kind = if bits & 0x10 == 0 { "b" } else { "bc" };
                Some((format!("{kind}.{}", CONDITIONS[(bits & 15) as usize]), reach(bits, 19)))
            }
            _ if bits & 0x7f00_0000 == 0x3400_0000 => Some(("cbz".to_owned(), reach(bits, 19))),
            _ if bits & 0x7f00_0000 == 0x3500_0000 => Some(("cbnz".to_owned(), reach(bits, 19))),
            _ if bits & 0x7f00_0000 == 0x3600_0000 => Some(("tbz".to_owned(), reach(bits, 14))),
            _ if bits & 0x7f00_0000 == 0x3700_0000 => Some(("tbnz".to_owned(), reach(bits, 14))),
            _ => None,
        };
        if let Some((mnemonic, distance)) = jump {
            let to = usize::try_from(at as i64 + distance).ok().and_then(word);
            if to != Some(UDF) && word(at + 4) != Some(UDF) {
                found(at, Found::Jump(mnemonic));
            }
        } else if bits & 0x7fe0_f800 == 0x1ac0_0800 {
            let mnemonic = if bits & 0x400 == 0 { "udiv" } else { "sdiv" };
            found(at, Found::Division(mnemonic.to_owned()));
        } else if bits & 0xff20_fc00 == 0x1e20_1800 {
            found(at, Found::Float("fdiv".to_owned()));
        } else if bits & 0xff3f_fc00 == 0x1e21_c000 {
            found(at, Found::Float("fsqrt".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Overrides;

    fn target(wasm: &[u8]) -> Target {
        Target::from_bytes("text", wasm, Default::default(), &Overrides::default()).unwrap()
    }

    /// What the engine makes of one function's body.
    fn rows(params: &str, result: &str, body: &str) -> Vec<Machine> {
        let wasm =
            format!("(module (memory (export \"memory\") 1) (func (export \"f\") {params} (result {result}) {body}))");
        let target = target(wasm.as_bytes());
        let code = scan(&target, &target.limits).unwrap();
        assert!(
            code.engine.starts_with("wasmtime 4") && code.engine.contains(std::env::consts::ARCH),
            "{}",
            code.engine
        );
        assert_eq!((code.jumps_unattributed, code.divisions_unattributed), (0, 0), "{body}");
        code.summary(&target.wasm, &BTreeSet::new())
    }

    #[test]
    fn what_the_compiler_makes_of_each_operation() {
        let two = |ty: &str| format!("(param {ty} {ty} i32)");
        let cases = [
            (two("i32"), "i32", "(select (local.get 0) (local.get 1) (local.get 2))", "select", 0, 0),
            (two("i64"), "i64", "(select (local.get 0) (local.get 1) (local.get 2))", "select", 0, 0),
            (two("f64"), "f64", "(select (local.get 0) (local.get 1) (local.get 2))", "select", 1, 0),
            (two("f64"), "f64", "(f64.min (local.get 0) (local.get 1))", "f64.min", 1, 0),
            (two("f64"), "f64", "(f64.add (local.get 0) (local.get 1))", "", 0, 0),
            (two("f64"), "f64", "(f64.sqrt (local.get 0))", "", 0, 0),
            (two("f64"), "i32", "(f64.lt (local.get 0) (local.get 1))", "", 0, 0),
            (two("f64"), "i32", "(i32.trunc_sat_f64_u (local.get 0))", "i32.trunc_sat_f64_u", 1, 0),
            (two("i64"), "f64", "(f64.convert_i64_u (local.get 0))", "f64.convert_i64_u", 1, 0),
            (two("i32"), "i32", "(i32.div_u (local.get 0) (local.get 1))", "i32.div_u", 0, 1),
            (two("i32"), "i32", "(i32.div_u (local.get 0) (i32.const 3329))", "i32.div_u", 0, 0),
            (two("i64"), "i64", "(i64.rem_u (local.get 0) (i64.const 3329))", "i64.rem_u", 0, 0),
            (two("i32"), "i32", "(i32.rem_s (local.get 0) (local.get 1))", "i32.rem_s", 1, 1),
            (two("i32"), "i32", "(i32.load offset=65000 (local.get 0))", "", 0, 0),
            (two("i32"), "i32", "(if (result i32) (local.get 0) (then (i32.const 7)) (else (local.get 1)))", "", 0, 0),
            (
                two("i32"),
                "i32",
                "(i32.or (i32.and (local.get 0) (local.get 2)) (i32.and (local.get 1) (i32.xor (local.get 2) (i32.const -1))))",
                "",
                0,
                0,
            ),
        ];
        for (params, result, body, operation, jumps, divisions) in cases {
            let rows = rows(&params, result, body);
            let got: Vec<_> =
                rows.iter().map(|row| (row.operation.as_str(), row.sites, row.jumps, row.divisions)).collect();
            // aarch64 selects floats without a jump and divides without a check for -1.
            let jumps = if cfg!(target_arch = "x86_64") { jumps } else { rows.first().map_or(0, |row| row.jumps) };
            let expected = if operation.is_empty() { vec![] } else { vec![(operation, 1, jumps, divisions)] };
            assert_eq!(got, expected, "{body}");
        }
    }

    #[test]
    fn operators_are_found_again_at_their_offsets() {
        let text = "(module (func (export \"f\") (param f64 f64 i32) (result f64)
            (select (local.get 0) (local.get 1) (local.get 2))
            (br_if 0 (local.get 2)) (drop)
            (select (local.get 1) (local.get 0) (local.get 2))))";
        let target = target(text.as_bytes());
        let code = scan(&target, &target.limits).unwrap();
        let mut selects = Vec::new();
        each_operator(&target.wasm, |offset, operator| {
            if matches!(operator, Operator::Select) {
                selects.push(offset);
            } else {
                assert_eq!(code.at(offset), None, "{operator:?}");
            }
        })
        .unwrap();
        let rows = code.summary(&target.wasm, &BTreeSet::from([selects[1]]));
        assert_eq!((rows.len(), rows[0].sites, rows[0].divisions), (1, 2, 0));
        assert!(crate::executors::locked_version("no such package").is_none());
        if cfg!(target_arch = "x86_64") {
            assert_eq!((rows[0].jumps, rows[0].diverged), (2, 1));
            assert!(code.sentence(selects[0]).contains("a conditional jump (j"), "{}", code.sentence(selects[0]));
        }
        assert!(code.sentence(0).ends_with("neither a conditional jump nor a division."));
    }

    #[test]
    fn float_divisions_are_told_from_integer_ones() {
        let text = "(module (func (export \"f\") (param f64 f64) (result f64)
            (f64.div (f64.sqrt (local.get 0)) (local.get 1))))";
        let target = target(text.as_bytes());
        let code = scan(&target, &target.limits).unwrap();
        let mut sentences = Vec::new();
        each_operator(&target.wasm, |offset, _| sentences.extend(code.at(offset).map(|_| code.sentence(offset))))
            .unwrap();
        assert!(sentences.len() == 2 && sentences.iter().all(|said| said.contains("subnormal")), "{sentences:?}");
        assert!(code.summary(&target.wasm, &BTreeSet::new()).is_empty());
    }

    /// Guests as they are shipped; the largest of them in the usual set.
    #[test]
    fn real_guests_are_read_to_their_end() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate::target::BUILD_FOLDER);
        for (name, least) in [("secrets-rust", 20), ("decompressors", 3), ("fhir-json-fhirbolt", 3)] {
            let Ok(wasm) = std::fs::read(folder.join(name).join("module.wasm")) else {
                println!("skipped: {name} is not built: cargo xtask build {name}");
                continue;
            };
            let code = read(name, &wasm, &Limits::default()).unwrap();
            assert!(code.len() >= least, "{name}: only {} operators", code.len());
            let mut found = 0;
            each_operator(&wasm, |offset, operator| {
                if code.at(offset).is_some() {
                    found += 1;
                    assert!(!asks_for_jumps(operator), "{name}: {operator:?}");
                }
            })
            .unwrap();
            assert_eq!(found, code.len(), "{name}: every offset is an operator's");
            let rows = code.summary(&wasm, &BTreeSet::new());
            let apart =
                rows.iter().find(|row| row.operation == UNATTRIBUTED).map_or((0, 0), |row| (row.jumps, row.divisions));
            assert_eq!(apart, (code.jumps_unattributed, code.divisions_unattributed), "{name}");
        }
    }

    #[test]
    fn operations_are_named_as_in_the_text_format() {
        use Operator as O;
        for (operator, name) in [
            (O::F64ConvertI64U, "f64.convert_i64_u"),
            (O::I32TruncSatF32U, "i32.trunc_sat_f32_u"),
            (O::I32x4TruncSatF64x2SZero, "i32x4.trunc_sat_f64x2_s_zero"),
            (O::TypedSelect { ty: wasmparser::ValType::F64 }, "select"),
            (O::LocalGet { local_index: 3 }, "local_get"),
            (O::I64RemS, "i64.rem_s"),
        ] {
            assert_eq!(operation(&operator), name);
        }
        assert!(
            asks_for_jumps(&O::BrIf { relative_depth: 0 })
                && asks_for_jumps(&O::CallIndirect { type_index: 0, table_index: 0 })
        );
        assert!(!asks_for_jumps(&O::Select) && !asks_for_jumps(&O::F64Min) && !asks_for_jumps(&O::I32RemS));
    }

    /// Encodings as LLVM's assembler writes them.
    #[test]
    fn jumps_and_divisions_of_aarch64_are_read() {
        let names = |words: &[u32]| {
            let text: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut names = Vec::new();
            decode_aarch64(&text, &mut |at, found| match found {
                Found::Jump(name) | Found::Division(name) | Found::Float(name) => names.push((at, name)),
            });
            names
        };
        for (word, name) in [
            (0x5400_0200, "b.eq"),
            (0x54ff_8006, "b.vs"),
            (0x5400_0051, "bc.ne"),
            (0x3400_0083, "cbz"),
            (0xb5ff_ff09, "cbnz"),
            (0x3618_0041, "tbz"),
            (0xb747_ffc2, "tbnz"),
            (0x1ac2_0c20, "sdiv"),
            (0x9ac5_0883, "udiv"),
            (0x1e62_1820, "fdiv"),
            (0x1e61_c020, "fsqrt"),
        ] {
            assert_eq!(names(&[word]), [(0, name.to_owned())]);
        }
        // b, bl, csel, fcsel, add, madd, lsl, ret
        let plain = [0x1400_0001, 0x9400_0001, 0x9a82_0020, 0x1e62_1c20, 0x8b02_0020, 0x9b02_0c20];
        assert!(names(&plain).is_empty() && names(&[0x9ac2_2020, 0xd65f_03c0]).is_empty());
        // b.ne to the trap two instructions on, the same over the trap, and backwards to one.
        assert!(names(&[0x5400_0041, 0xd65f_03c0, UDF]).is_empty());
        assert!(names(&[0x5400_0041, UDF, 0xd65f_03c0]).is_empty());
        assert!(names(&[UDF, 0x54ff_ffe1]).is_empty());
        assert_eq!(names(&[0x5400_0061, 0xd65f_03c0, UDF]).len(), 1);
    }

    #[test]
    fn any_module_is_read_and_only_operators_are_named() {
        let mut kept = 0;
        for seed in 0..24u8 {
            let bytes: Vec<u8> = (0..4096u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect();
            let mut entropy = arbitrary::Unstructured::new(&bytes);
            let config = wasm_smith::Config {
                available_imports: None,
                gc_enabled: false,
                exceptions_enabled: false,
                threads_enabled: false,
                shared_everything_threads_enabled: false,
                memory64_enabled: false,
                custom_page_sizes_enabled: false,
                wide_arithmetic_enabled: false,
                max_memory32_bytes: 1 << 20,
                max_table_elements: 1000,
                ..wasm_smith::Config::default()
            };
            let wasm = wasm_smith::Module::new(config, &mut entropy).unwrap().to_bytes();
            let code = read("random", &wasm, &Limits::default()).unwrap();
            let mut operators = BTreeSet::new();
            each_operator(&wasm, |offset, operator| {
                if !asks_for_jumps(operator) {
                    operators.insert(offset);
                }
            })
            .unwrap();
            assert!(code.kept.keys().all(|offset| operators.contains(offset)), "{seed}");
            kept += code.len();
        }
        assert!(kept > 10, "only {kept} operators became jumps");
    }

    #[test]
    fn checks_that_jump_to_a_trap_are_left_out() {
        // je +3 (to ud2), nop, nop, nop; ud2; then jne +0, ret; idiv ecx
        let text = [0x74, 3, 0x90, 0x90, 0x90, 0x0f, 0x0b, 0x75, 0, 0xc3, 0xf7, 0xf9];
        let mut found = Vec::new();
        decode_x86_64(&text, &mut |at, what| found.push((at, what)));
        assert_eq!(found, [(7, Found::Jump("jne".to_owned())), (10, Found::Division("idiv".to_owned()))]);
    }
}
