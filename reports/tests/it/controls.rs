//! The catalogue of controls: its data, the map to safeguards, what `explain` and the table say.

mod evidence;
mod judge;
mod renderings;

use autoclave_reports::controls::{self, Kind, ORACLES, Profile, explain, table};
use std::collections::BTreeSet;

#[test]
fn the_catalogue_is_complete_and_every_row_can_be_read() {
    let ids: Vec<&str> = controls::all().map(|control| control.id.as_str()).collect();
    assert_eq!(ids.len(), 193);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 193, "an id is there twice");
    let families: Vec<(&str, usize)> =
        controls::families().iter().map(|family| (family.id.as_str(), family.controls.len())).collect();
    let expected = [
        ("SBX", 35),
        ("VAL", 26),
        ("IAM", 16),
        ("ENC", 16),
        ("TLS", 15),
        ("CSP", 17),
        ("OPS", 17),
        ("FAQ", 7),
        ("INT", 1),
        ("FHIR", 12),
        ("API", 14),
        ("EVT", 10),
        ("OAU", 7),
    ];
    assert_eq!(families, expected);
    for family in controls::families() {
        for control in &family.controls {
            let id = &control.id;
            assert_eq!(control.family(), family.id, "{id}");
            for (name, text) in [("text", &control.text), ("rule", &control.rule), ("known_bad", &control.known_bad)] {
                assert!(text.chars().count() > 3 && text.trim() == text, "{id}: {name}: {text:?}");
            }
            assert!(
                !control.kinds.is_empty() && !control.profiles.is_empty() && !control.references.is_empty(),
                "{id}"
            );
            assert!(control.same_as.is_empty() || control.answers.is_empty(), "{id}: answered twice");
            assert!(!control.takes_evidence() || control.note.is_none() || control.kind() != Kind::Evidence, "{id}");
            for answer in &control.answers {
                assert!(ORACLES.iter().any(|oracle| oracle.name == answer.oracle), "{id}: {}", answer.oracle);
            }
        }
    }
}

#[test]
fn kinds_are_those_of_the_research() {
    let count = |kind: Kind| controls::all().filter(|control| control.kind() == kind).count();
    assert_eq!(Kind::ALL.map(count), [24, 38, 15, 43, 43, 30], "{:?}", Kind::ALL);
}

#[test]
fn no_row_says_where_it_was_written_down_first() {
    // Rows must stand alone: no line numbers or paths of the documents that they came from.
    let is_line = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let number = word.strip_prefix("A:").or_else(|| word.strip_prefix("B:"));
        number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    };
    for control in controls::all() {
        let texts = [&control.text, &control.rule, &control.known_bad, &control.source.control];
        for text in texts.into_iter().chain(&control.references) {
            assert!(!text.split(' ').any(is_line), "{}: {text}", control.id);
            assert!(!text.starts_with("see ") && !text.starts_with("= "), "{}: {text}", control.id);
        }
    }
}

#[test]
fn parts_of_a_control_exist_and_lead_nowhere_in_a_circle() {
    for control in controls::all() {
        for part in &control.same_as {
            let part = controls::find(part).unwrap_or_else(|error| panic!("{}: {error}", control.id));
            assert!(part.same_as.is_empty(), "{} rests on {}, which rests on others", control.id, part.id);
        }
        for profile in control.profiles.iter().filter(|_| !control.same_as.is_empty()) {
            let parts = control.same_as.iter().filter_map(|part| controls::find(part).ok());
            let asked = parts.filter(|part| part.profiles.contains(profile)).count();
            assert!(asked > 0, "{}: no part of it is asked of {}", control.id, profile.name());
        }
    }
}

#[test]
fn the_map_to_safeguards_holds_in_both_directions() {
    let mut tokens = BTreeSet::new();
    for safeguard in controls::safeguards() {
        assert!(tokens.insert(safeguard.token()), "{}", safeguard.citation);
        let back: Vec<&str> = safeguard.controls().map(|control| control.id.as_str()).collect();
        assert!(!back.is_empty(), "no control is evidence for {}", safeguard.citation);
        for control in safeguard.controls() {
            assert!(control.safeguards().any(|other| other == safeguard), "{}", control.id);
        }
    }
    for control in controls::all() {
        let cited = control.references.iter().filter(|reference| reference.starts_with("HIPAA ")).count();
        assert_eq!(
            control.safeguards().count(),
            cited,
            "{}: a citation that reports/controls/hipaa.toml lacks",
            control.id
        );
        assert!(cited > 0, "{} is evidence for nothing", control.id);
    }
    for (citation, token, some) in [
        ("164.312(c)(1)", "hipaa-164.312-c-1", "SBX-06d"),
        ("164.312(a)(2)(iv)", "hipaa-164.312-a-2-iv", "ENC-01a"),
        ("164.308(a)(1)(ii)(D)", "hipaa-164.308-a-1-ii-d", "FHIR-04b"),
        ("164.400–414", "hipaa-164.400-414", "EVT-00"),
    ] {
        let safeguard = controls::safeguard(citation).unwrap();
        assert_eq!(safeguard.token(), token);
        assert!(safeguard.controls().any(|control| control.id == some), "{citation}");
    }
}

#[test]
fn every_technical_safeguard_has_a_control() {
    let cited: Vec<&str> = controls::safeguards()
        .iter()
        .map(|safeguard| safeguard.citation.as_str())
        .filter(|citation| citation.starts_with("164.312"))
        .collect();
    let text = "164.312(a)(1) 164.312(a)(2)(i) 164.312(a)(2)(ii) 164.312(a)(2)(iii) 164.312(a)(2)(iv) 164.312(b) \
                164.312(c)(1) 164.312(c)(2) 164.312(d) 164.312(e)(1) 164.312(e)(2)(i) 164.312(e)(2)(ii)";
    assert_eq!(cited, text.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn ids_are_found_and_typing_errors_are_answered() {
    for (typed, answer) in [
        ("SBX-03d", Ok("SBX-03d")),
        ("sbx-03D", Ok("SBX-03d")),
        ("FHIR-00", Ok("FHIR-00")),
        ("SBX-03", Err("SBX-03a, SBX-03b, SBX-03c, SBX-03d, SBX-03e, SBX-03f, SBX-03g")),
        ("SBX-3d", Err("SBX-03d")),
        ("SXB-03d", Err("SBX-03d")),
        ("OPS-6", Err("OPS-06")),
        ("TLS-01aa", Err("TLS-01a")),
        ("nothing like that", Err("")),
        ("", Err("")),
    ] {
        match (controls::find(typed), answer) {
            (Ok(control), Ok(id)) => assert_eq!(control.id, id),
            (Err(error), Err(near)) => assert_eq!(error.near.join(", "), near, "{typed}: {error}"),
            (found, _) => panic!("{typed}: {found:?}"),
        }
    }
    let long = "\u{1b}[31m".repeat(100_000);
    let error = controls::find(&long).unwrap_err().to_string();
    assert!(error.len() < 200 && !error.contains('\u{1b}'), "{error}");
}

#[test]
fn names_are_read_back() {
    for profile in Profile::ALL {
        assert_eq!(profile.name().parse(), Ok(profile));
    }
    for level in controls::Level::ALL {
        assert_eq!(level.name().parse(), Ok(level));
    }
    assert!("modul".parse::<Profile>().is_err() && "L4".parse::<controls::Level>().is_err());
}

#[test]
fn golden_pages_of_controls() {
    for id in ["SBX-03d", "VAL-03d", "SBX-06d", "OPS-01a", "ENC-05a", "API-02d"] {
        insta::assert_snapshot!(format!("explain.{id}"), explain::explain(controls::find(id).unwrap()));
    }
    for control in controls::all() {
        let page = explain::explain(control);
        let long = page.lines().find(|line| line.chars().count() > 110 && line.trim().contains(' '));
        assert_eq!(long, None, "{}", control.id);
    }
}

#[test]
fn golden_table_of_what_is_answered() {
    let coverage = table::coverage();
    insta::assert_snapshot!("controls.markdown", table::markdown(&coverage));
    let Coverage { controls, by_oracle, by_others, by_evidence, no_oracle } = totals(&table::json(&coverage));
    assert_eq!(controls, by_oracle + by_others + by_evidence + no_oracle);
    assert_eq!((controls, by_oracle), (193, coverage.by_oracle as u64));
}

/// The totals as a reader of the JSON sees them.
struct Coverage {
    controls: u64,
    by_oracle: u64,
    by_others: u64,
    by_evidence: u64,
    no_oracle: u64,
}

fn totals(json: &str) -> Coverage {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(value["rows"].as_array().unwrap().len(), 193);
    let count = |answered: &str| {
        value["rows"].as_array().unwrap().iter().filter(|row| row["answered"] == answered).count() as u64
    };
    for (name, answered) in [("by_oracle", "by-oracle"), ("by_others", "by-others"), ("no_oracle", "by-nothing")] {
        assert_eq!(value[name].as_u64(), Some(count(answered)), "{name}");
    }
    let number = |name: &str| value[name].as_u64().unwrap();
    Coverage {
        controls: number("controls"),
        by_oracle: number("by_oracle"),
        by_others: number("by_others"),
        by_evidence: number("by_evidence"),
        no_oracle: number("no_oracle"),
    }
}

#[test]
fn nobody_is_called_compliant() {
    let word = ["comp", "liant"].concat();
    let mut texts = vec![table::markdown(&table::coverage())];
    texts.extend(controls::all().map(explain::explain));
    for text in texts {
        assert!(!text.to_lowercase().contains(&word), "{text}");
    }
}
