//! `schema/report.schema.json` is what the types say, and what the files obey.

use crate::{glue, limits, sample, secrets, tools};
use autoclave_reports::Record;
use autoclave_reports::formats::json;
use std::path::{Path, PathBuf};

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/report.schema.json")
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let generated = json::schema();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(committed(), &generated).unwrap();
    }
    let known = std::fs::read_to_string(committed()).unwrap_or_default();
    assert!(known == generated, "the types changed: BLESS=1 cargo test -p autoclave-reports, and read the difference");
}

/// A validator that is not ours: it takes our records and refuses broken ones.
#[test]
fn a_validator_accepts_records_and_refuses_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut broken = Vec::new();
    let good = json::render(&sample::record());
    let edits: [(&str, &str); 5] = [
        ("\"schema_version\": 5", "\"schema_version\": \"one\""),
        ("\"status\": \"FAIL\"", "\"status\": \"MAYBE\""),
        ("\"severity\": \"high\"", "\"severity\": \"awful\""),
        ("\"execs\": 7412388", "\"execs\": -1"),
        ("\"abi\": \"bytes\"", "\"aby\": \"bytes\""),
    ];
    for (from, to) in edits {
        let text = String::from_utf8(good.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        broken.push(text.replacen(from, to, 1).into_bytes());
    }
    let mut arguments = Vec::new();
    let records = [limits::record(), secrets::record(), glue::record(), sample::selftest(), Record::default()];
    let accepted = [vec![good], records.map(|record| json::render(&record)).to_vec()].concat();
    for (kind, files) in [("good", accepted), ("bad", broken)] {
        for (i, bytes) in files.into_iter().enumerate() {
            let file = folder.path().join(format!("{kind}-{i}.json"));
            std::fs::write(&file, bytes).unwrap();
            arguments.push(file);
        }
    }
    let script = "import json, sys, jsonschema\n\
        schema = json.load(open(sys.argv[1]))\n\
        validator = jsonschema.validators.validator_for(schema)\n\
        validator.check_schema(schema)\n\
        for path in sys.argv[2:]:\n\
        \x20   ok = validator(schema).is_valid(json.load(open(path)))\n\
        \x20   assert ok == ('good-' in path), (path, [e.message for e in validator(schema).iter_errors(json.load(open(path)))])\n";
    tools::run(
        std::process::Command::new(tools::python()).args(["-c", script]).arg(committed()).args(arguments),
        "look at the message above",
    );
}
