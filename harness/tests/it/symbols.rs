//! Names and source lines, from an honest module and from hostile ones.

use autoclave::execution::RawFrame;
use autoclave::symbols::{Inlined, Symbols};
use std::fmt::Write;

/// `tests/fixtures/inlined.c`, built as its head says.
const INLINED: &[u8] = include_bytes!("../fixtures/inlined.wasm");

fn instructions(wasm: &[u8], wanted: impl Fn(&wasmparser::Operator<'_>) -> bool) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    let mut function = 0;
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        if let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() {
            for operator in body.get_operators_reader().unwrap().into_iter_with_offsets() {
                let (operator, offset) = operator.unwrap();
                if wanted(&operator) {
                    found.push((function, offset as u32));
                }
            }
            function += 1;
        }
    }
    found
}

#[test]
fn a_trap_inside_inlined_calls_has_a_frame_for_each() {
    let symbols = Symbols::load(INLINED);
    let traps = instructions(INLINED, |operator| matches!(operator, wasmparser::Operator::Unreachable));
    let mut text = String::new();
    for (function, offset) in traps {
        for frame in symbols.resolve(&RawFrame { function, offset: Some(offset) }) {
            writeln!(text, "{frame}").unwrap();
        }
    }
    assert_eq!(
        text,
        "innermost at targets/inlined/inlined.c:5:9 (inlined)\n\
         middle at targets/inlined/inlined.c:12:16 (inlined)\n\
         recurse at targets/inlined/inlined.c:17:47\n"
    );
    assert_eq!(symbols.debug_info_problem(), None);
}

#[test]
fn lines_of_a_function_are_those_of_its_source() {
    let symbols = Symbols::load(INLINED);
    let mut lines: Vec<u32> = symbols.lines(1).into_iter().map(|(_, at)| at.line).collect();
    lines.dedup();
    assert_eq!((symbols.function_name(1).as_str(), lines), ("run", vec![21]));
}

#[test]
fn without_an_offset_only_the_name_is_given() {
    let frames = Symbols::load(INLINED).resolve(&RawFrame { function: 0, offset: None });
    assert_eq!(frames.len(), 1);
    assert_eq!((frames[0].name().as_str(), &frames[0].location, frames[0].inlined), ("recurse", &None, Inlined::No));
}

#[test]
fn stripped_modules_give_exports_imports_and_offsets() {
    let wasm =
        wat::parse_str(r#"(module (import "env" "log\1b[31m" (func)) (func (export "entry")) (func nop unreachable))"#);
    let mut wasm = wasm.unwrap();
    let symbols = Symbols::load(&wasm);
    let names: Vec<String> = (0..4).map(|function| symbols.function_name(function)).collect();
    assert_eq!(names, ["env.log\\u{1b}[31m", "entry", "func[2]", "func[3]"]);
    let start = symbols.function_range(2).unwrap().start;
    let frame = RawFrame { function: 2, offset: Some(start + 2) };
    assert_eq!(symbols.resolve(&frame)[0].to_string(), "func[2]+0x2");
    // Cut anywhere, it is a smaller module or none.
    while wasm.pop().is_some() {
        Symbols::load(&wasm).resolve(&frame);
    }
}

#[test]
fn names_in_components_are_found_by_offset() {
    let component = wat::parse_str(
        r#"(component (core module (func $first unreachable)) (core module (func $second nop nop unreachable)))"#,
    );
    let symbols = Symbols::load(&component.unwrap());
    let names: Vec<String> = (0..200)
        .filter_map(|at| symbols.resolve(&RawFrame { function: 0, offset: Some(at) })[0].function_offset.map(|_| at))
        .map(|at| symbols.resolve(&RawFrame { function: 0, offset: Some(at) })[0].name())
        .collect();
    assert!(names.contains(&"first".to_owned()) && names.contains(&"second".to_owned()), "{names:?}");
}

/// Asks everything that can be asked; returns how much came back.
fn interrogate(wasm: &[u8]) -> usize {
    let symbols = Symbols::load(wasm);
    let mut answers = 0;
    for function in symbols.defined_functions().take(8) {
        answers += symbols.lines(function).len() + symbols.function_name(function).len();
        for offset in symbols.function_range(function).unwrap_or(0..0).take(64) {
            let frames = symbols.resolve(&RawFrame { function, offset: Some(offset) });
            assert!(!frames.is_empty() && frames.len() <= 65);
            answers += frames.len() + usize::from(symbols.location(offset).is_some());
        }
    }
    symbols.debug_info_problem();
    answers
}

#[test]
fn damaged_debug_information_is_read_without_harm() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let whole = interrogate(INLINED);
    let (mut less, mut same) = (0, 0);
    for _ in 0..3000 {
        let mut wasm = INLINED.to_vec();
        for _ in 0..=random(6) {
            let at = random(wasm.len());
            wasm[at] = match random(4) {
                0 => 0xff,
                1 => 0,
                2 => wasm[at].wrapping_add(1),
                _ => random(256) as u8,
            };
        }
        *(if interrogate(&wasm) < whole { &mut less } else { &mut same }) += 1;
    }
    assert!(less > 100 && same > 100, "{less} {same}");
}

/// A module with one function of `body_bytes` bytes and the given debug sections.
fn module_with(body_bytes: usize, sections: &[(&str, Vec<u8>)]) -> Vec<u8> {
    use wasm_encoder::{CodeSection, CustomSection, Function, FunctionSection, Instruction, Module, TypeSection};
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    module.section(FunctionSection::new().function(0));
    let mut function = Function::new([]);
    for _ in 0..body_bytes {
        function.instruction(&Instruction::Nop);
    }
    function.instruction(&Instruction::End);
    module.section(CodeSection::new().function(&function));
    for (name, data) in sections {
        module.section(&CustomSection { name: (*name).into(), data: data.into() });
    }
    module.finish()
}

/// A DWARF 4 unit around `entries`.
fn unit(entries: &[u8]) -> Vec<u8> {
    let mut unit = ((entries.len() + 7) as u32).to_le_bytes().to_vec();
    unit.extend([4, 0, 0, 0, 0, 0, 4]);
    unit.extend(entries);
    unit
}

/// Code 1: compile unit with children, low and high pc. 2: function, the same. 3: inlined call, the same. 4: compile unit
/// with ranges and a line program.
const ABBREVIATIONS: &[u8] = &[
    1, 0x11, 1, 0x11, 0x01, 0x12, 0x06, 0, 0, //
    2, 0x2e, 1, 0x11, 0x01, 0x12, 0x06, 0, 0, //
    3, 0x1d, 1, 0x11, 0x01, 0x12, 0x06, 0, 0, //
    4, 0x11, 0, 0x55, 0x17, 0x10, 0x17, 0, 0, 0,
];

fn entry(code: u8) -> Vec<u8> {
    [&[code][..], &1u32.to_le_bytes(), &60u32.to_le_bytes()].concat()
}

#[test]
fn a_million_nested_inlined_calls_do_not_exhaust_the_stack() {
    let mut entries = [entry(1), entry(2)].concat();
    (0..300_000).for_each(|_| entries.extend(entry(3)));
    let sections = [(".debug_abbrev", ABBREVIATIONS.to_vec()), (".debug_info", unit(&entries))];
    let symbols = Symbols::load(&module_with(64, &sections));
    let offset = symbols.function_range(0).unwrap().start + 10;
    let frames = symbols.resolve(&RawFrame { function: 0, offset: Some(offset) });
    assert_eq!(frames.len(), 65, "cut at the bound");
}

#[test]
fn units_that_share_one_long_list_are_stopped_by_the_budget() {
    // 40,000 units, each naming the same 1 MB range list: 2.6 billion entries if believed.
    let one = unit(&[&[4][..], &0u32.to_le_bytes(), &0u32.to_le_bytes()].concat());
    let ranges: Vec<u8> = (0..65_536).flat_map(|_| [1u32.to_le_bytes(), 2u32.to_le_bytes()].concat()).collect();
    let sections =
        [(".debug_abbrev", ABBREVIATIONS.to_vec()), (".debug_info", one.repeat(40_000)), (".debug_ranges", ranges)];
    let symbols = Symbols::load(&module_with(64, &sections));
    interrogate(&module_with(64, &sections));
    assert!(symbols.debug_info_problem().is_some());
}

#[test]
fn a_file_table_whose_entries_take_no_bytes_is_refused() {
    // DWARF 5: 2^62 files, each of one field whose form (flag_present) takes no bytes.
    let mut header = vec![1, 1, 1, 0xfb, 14, 1, 0, 0, 1, 1, 0x19];
    header.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f]);
    let mut line = ((header.len() + 8) as u32).to_le_bytes().to_vec();
    line.extend([5, 0, 4, 0]);
    line.extend((header.len() as u32).to_le_bytes());
    line.extend(&header);
    let one = unit(&[&[4][..], &0u32.to_le_bytes(), &0u32.to_le_bytes()].concat());
    let sections = [(".debug_abbrev", ABBREVIATIONS.to_vec()), (".debug_info", one), (".debug_line", line)];
    let wasm = module_with(64, &sections);
    let symbols = Symbols::load(&wasm);
    assert!(symbols.debug_info_problem().unwrap().contains("larger than any compiler writes"));
    interrogate(&wasm);
}
