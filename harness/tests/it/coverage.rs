//! Lines, branches and functions that known inputs reach in a module whose source is known.

use autoclave::coverage::{self, Measured};
use autoclave::executors::Engine;
use autoclave::limits::Overrides;
use autoclave::symbols::Symbols;
use autoclave::target::{Manifest, Target};
use std::collections::BTreeMap;
use std::path::Path;

/// `tests/fixtures/covered.c`, built as its head says.
const COVERED: &[u8] = include_bytes!("../fixtures/covered.wasm");
const SOURCE: &str = include_str!("../fixtures/covered.c");

fn measure(inputs: &[&[u8]]) -> Measured {
    let target = Target::from_bytes("covered", COVERED, Manifest::default(), &Overrides::default()).unwrap();
    let inputs: Vec<Vec<u8>> = inputs.iter().map(|input| input.to_vec()).collect();
    let engine = Engine::new(None).unwrap();
    coverage::measure(&engine, &target, "parse", &inputs, &Symbols::load(COVERED)).unwrap()
}

/// Line's text → inputs that reached it, from the LCOV of the one file.
fn lines(measured: &Measured) -> BTreeMap<&'static str, u64> {
    let lcov = String::from_utf8(measured.lcov()).unwrap();
    assert!(lcov.contains("\nSF:targets/covered/covered.c\n"), "{lcov}");
    let rows = lcov.lines().filter_map(|row| row.strip_prefix("DA:")?.split_once(','));
    rows.map(|(line, inputs)| {
        let text = SOURCE.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
        (text.trim(), inputs.parse().unwrap())
    })
    .collect()
}

#[test]
fn lines_are_counted_by_the_inputs_that_reach_them() {
    let measured = measure(&[b"", b"a", b"ab!d", b"#"]);
    let lines = lines(&measured);
    for (line, inputs) in [
        ("if (len == 0)", 4),
        ("return -1;", 1),
        ("if (p[i] == '!')", 3),
        ("break;", 1),
        ("continue;", 1),
        ("sum += weigh(p[i]);", 2),
        ("return 1;", 2),
        ("return 2;", 1),
        ("return 3;", 0),
        // Two ways meet here, of two inputs and of one: a lower bound.
        ("if (sum > 100)", 2),
        ("sum = never_called(sum);", 0),
        ("return x ? x * 3 : 7;", 0),
    ] {
        assert_eq!(lines.get(line), Some(&inputs), "{line}: {lines:#?}");
    }
}

#[test]
fn every_line_with_code_is_listed_and_none_else() {
    let measured = measure(&[]);
    assert_eq!((measured.edges_found(), measured.inputs), (0, 0));
    let lines = lines(&measured);
    assert!(lines.values().all(|inputs| *inputs == 0));
    for line in SOURCE.lines().map(str::trim).filter(|line| line.contains("return ") || line.starts_with("if (")) {
        assert!(lines.contains_key(line), "{line}");
    }
    assert!(!lines.keys().any(|line| line.is_empty() || line.starts_with("static unsigned char buffer")));
}

#[test]
fn functions_and_branches_add_up() {
    let measured = measure(&[b"ab", b"!"]);
    let functions = measured.functions();
    let row = |name: &str| functions.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name}"));
    assert_eq!(row("never_called").edges_found, 0);
    assert_eq!(row("never_called").file.as_deref(), Some("targets/covered/covered.c"));
    assert!(row("parse").edges_found > 3 && row("weigh").edges_found < row("weigh").edges_total);
    let line = |name: &str| SOURCE.lines().position(|line| line.contains(&format!("{name}("))).unwrap() as u32 + 1;
    for name in ["never_called", "weigh", "parse", "alloc"] {
        let found = row(name).line.unwrap();
        assert!((line(name)..line(name) + 3).contains(&found), "{name}: {found}");
    }
    let missing: Vec<u64> = measured.blockers().iter().map(|row| row.edges_total - row.edges_found).collect();
    assert!(missing.len() == 4 && missing.is_sorted_by(|a, b| a >= b) && missing[3] > 0, "{missing:?}");

    let lcov = String::from_utf8(measured.lcov()).unwrap();
    let count = |start: &str| lcov.lines().filter(|row| row.starts_with(start)).count();
    let value =
        |start: &str| -> usize { lcov.lines().find_map(|row| row.strip_prefix(start)).unwrap().parse().unwrap() };
    assert_eq!((value("LF:"), value("BRF:"), value("FNF:")), (count("DA:"), count("BRDA:"), count("FN:")));
    assert_eq!(value("FNH:"), 3, "{lcov}");
    assert!(lcov.contains("FNDA:2,parse\n") && lcov.contains("FNDA:0,never_called\n"), "{lcov}");
    assert!(lcov.lines().any(|row| row.starts_with("BRDA:") && row.ends_with(",-")), "{lcov}");
    assert!(lcov.ends_with("end_of_record\n"));
}

#[test]
fn the_page_shows_sources_from_the_targets_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("targets/covered");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("covered.c"), SOURCE).unwrap();
    let measured = measure(&[b"ab"]);
    let page = String::from_utf8(measured.html(root.path())).unwrap();
    assert!(page.contains("case &#39;a&#39;:") || page.contains("case 'a':"), "the source is shown");
    assert!(page.contains("class=\"line miss\"") && page.contains("class=\"line hit\"") && page.contains("half"));
    assert!(!page.contains("<script") && page.contains("default-src 'none'"));
    let without = String::from_utf8(measured.html(Path::new("/nowhere"))).unwrap();
    assert!(
        !without.contains("class=\"line")
            && !without.contains("/home/jo")
            && without.contains("targets/covered/covered.c")
    );
}
