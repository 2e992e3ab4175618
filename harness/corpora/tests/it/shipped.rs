//! What is committed passes the gate.

use autoclave_corpora::phi;
use autoclave_corpora::source::Home;
use std::path::Path;

/// The source tree that the tests are built in.
pub fn home() -> Home {
    Home::around(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn committed_inputs_are_inside_of_the_name_space() {
    let home = home();
    let formats = home.formats().unwrap();
    assert!(formats.len() > 6, "{formats:?}");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for format in formats {
        for item in home.committed(&format).unwrap() {
            seen += 1;
            if !item.answer.is_clean() {
                wrong.push(format!("{}: {:?}", item.place.display(), item.answer));
            }
        }
        let dictionary = home.dictionary(&format).unwrap().unwrap_or_default();
        let answer = phi::scan(&dictionary);
        if !answer.is_clean() {
            wrong.push(format!("{format}.dict: {answer:?}"));
        }
    }
    assert!(seen > 700, "only {seen} inputs");
    assert!(wrong.is_empty(), "{} inputs:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_readme_counts_right() {
    let readme = std::fs::read_to_string(home().root.join("README.md")).unwrap();
    let (fixtures, encodings) = (phi::qualify::FIXTURES.len(), phi::qualify::ENCODINGS.len());
    let expected = format!("{fixtures} planted identifiers in {encodings} forms each");
    assert!(readme.contains(&expected), "README.md: write `{expected}`");
}
