//! Every format: golden files (rewritten with `INSTA_UPDATE=always`), and programs of others that read it.

use crate::{glue, limits, sample, secrets, tools};
use autoclave_reports::Record;
use autoclave_reports::formats::{ALL, Format, render_all};
use std::process::Command;

fn text(format: &str, record: &Record) -> String {
    String::from_utf8(Format::find(format).unwrap().bytes(record)).unwrap()
}

#[test]
fn golden_files_of_a_run() {
    let record = sample::record();
    for format in ALL {
        insta::assert_snapshot!(format!("fuzz.{}", format.name), text(format.name, &record));
    }
}

#[test]
fn golden_page_of_readers_that_disagree() {
    insta::assert_snapshot!("diff.html", text("html", &sample::differential()));
}

#[test]
fn golden_files_of_a_selftest() {
    let record = sample::selftest();
    for name in ["html", "sarif", "junit", "markdown", "table"] {
        insta::assert_snapshot!(format!("selftest.{name}"), text(name, &record));
    }
}

#[test]
fn golden_files_of_a_contract() {
    let record = limits::record();
    for name in ["html", "sarif", "junit", "markdown", "table", "json", "contract"] {
        insta::assert_snapshot!(format!("limits.{name}"), text(name, &record));
    }
}

#[test]
fn golden_files_of_secrets() {
    let record = secrets::record();
    for name in ["html", "sarif", "junit", "markdown", "table", "json", "constant-time"] {
        insta::assert_snapshot!(format!("secrets.{name}"), text(name, &record));
    }
}

#[test]
fn golden_files_of_a_boundary() {
    let record = glue::record();
    for name in ["html", "sarif", "junit", "markdown", "table", "json", "boundary"] {
        insta::assert_snapshot!(format!("boundary.{name}"), text(name, &record));
    }
}

#[test]
fn file_names_are_unique_and_stay_inside() {
    let files = render_all(&sample::record());
    let mut paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert!(paths.iter().all(|path| !path.starts_with('/') && !path.contains("..")), "{paths:?}");
    assert!(["report.json", "index.html", "report.sarif", "junit.xml"].iter().all(|file| paths.contains(file)));
    let count = paths.len();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), count);
}

/// Microsoft's validator with GitHub's rules says nothing of our files, and does say something of a bad one.
#[test]
fn sarif_passes_the_validator_with_githubs_rules() {
    let folder = tempfile::tempdir().unwrap();
    for (name, record) in [
        ("fuzz", sample::record()),
        ("selftest", sample::selftest()),
        ("diff", sample::differential()),
        ("limits", limits::record()),
        ("secrets", secrets::record()),
        ("boundary", glue::record()),
        ("hostile", crate::hostile::record()),
    ] {
        let complaints = sarif_complaints(folder.path(), name, &text("sarif", &record));
        assert!(complaints.is_empty(), "{name}: {complaints:#?}");
    }
    let mut bad: serde_json::Value = serde_json::from_str(&text("sarif", &sample::record())).unwrap();
    bad["runs"][0]["results"][0].as_object_mut().unwrap().remove("locations");
    let complaints = sarif_complaints(folder.path(), "bad", &bad.to_string());
    assert!(complaints.iter().any(|complaint| complaint.contains("GH10")), "{complaints:?}");
}

/// What the validator says of `sarif` at the levels error and warning.
fn sarif_complaints(folder: &std::path::Path, name: &str, sarif: &str) -> Vec<String> {
    let (input, output) = (folder.join(format!("{name}.sarif")), folder.join(format!("{name}-verdict.sarif")));
    std::fs::write(&input, sarif).unwrap();
    let mut validate = tools::sarif_multitool();
    validate.arg("validate").arg(&input).args([
        "--rule-kind",
        "'Sarif;Ghas'",
        "--level",
        "'Error;Warning;Note'",
        "--output",
    ]);
    // Its launcher hands the arguments to a shell: hence the second quotes. Its exit code says whether it found something; the file it writes says what.
    let run = validate.arg(&output).arg("--log").arg("ForceOverwrite").output().expect("node starts");
    let verdict = std::fs::read_to_string(&output)
        .unwrap_or_else(|_| panic!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr)));
    let verdict: serde_json::Value = serde_json::from_str(verdict.trim_start_matches('\u{feff}')).unwrap();
    let mut complaints = Vec::new();
    for run in verdict["runs"].as_array().unwrap() {
        for result in run["results"].as_array().into_iter().flatten() {
            let level = result["level"].as_str().unwrap_or("warning");
            if std::env::var_os("SARIF_NOTES").is_some() || level != "note" {
                complaints.push(format!("{level} {} {}", result["ruleId"], result["message"]));
            }
        }
    }
    complaints
}

/// A strict parser of the HTML standard finds no error in our pages, and does find one in a broken page.
#[test]
fn pages_are_correct_html() {
    let folder = tempfile::tempdir().unwrap();
    let good = text("html", &sample::record());
    let pages = [
        ("good-fuzz.html", good.clone()),
        ("good-selftest.html", text("html", &sample::selftest())),
        ("good-limits.html", text("html", &limits::record())),
        ("good-secrets.html", text("html", &secrets::record())),
        ("good-boundary.html", text("html", &glue::record())),
        ("good-hostile.html", text("html", &crate::hostile::record())),
        ("good-empty.html", text("html", &Record::default())),
        ("bad-nesting.html", good.replacen("</dl>", "", 1)),
    ];
    let script = "import sys, html5lib\n\
        for path in sys.argv[1:]:\n\
        \x20   parser = html5lib.HTMLParser()\n\
        \x20   parser.parse(open(path, encoding='utf-8').read())\n\
        \x20   assert (parser.errors == []) == ('good-' in path), (path, parser.errors[:5])\n";
    let files = pages.map(|(name, page)| {
        let file = folder.path().join(name);
        std::fs::write(&file, page).unwrap();
        file
    });
    tools::run(Command::new(tools::python()).args(["-c", script]).args(files), "see above");
}

#[test]
fn junit_is_read_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let script = "import sys, junitparser\n\
        xml = junitparser.JUnitXml.fromfile(sys.argv[1])\n\
        for suite in xml:\n\
        \x20   for case in suite:\n\
        \x20       kinds = ','.join(type(result).__name__ for result in case.result) or 'Passed'\n\
        \x20       print(suite.name, case.classname, case.name, kinds, sep='|')\n";
    let read = |record: &Record| {
        let file = folder.path().join("junit.xml");
        std::fs::write(&file, text("junit", record)).unwrap();
        let output = tools::run(Command::new(tools::python()).args(["-c", script]).arg(&file), "see above");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        read(&sample::record()),
        "fhir-fhirbolt|fhir-fhirbolt|crash|Failure\n\
         hl7-parser|hl7-parser|crash|Passed\n\
         inflate-zlib|inflate-zlib|crash|Skipped\n\
         not tested|not-tested|fhir-assemblyscript|Skipped\n\
         not tested|not-tested|constant time|Skipped\n"
    );
    assert_eq!(read(&sample::selftest()), "checks|checks|fuel|Passed\nchecks|checks|shadow-stack|Skipped\n");
    let limits = read(&limits::record());
    for line in [
        "intake-gateway|intake-gateway|contract|Failure",
        "intake-gateway|intake-gateway|contract/import/gzip|Failure",
        "intake-gateway|intake-gateway|contract/import/gzip-nested|Passed",
        "intake-gateway|intake-gateway|contract/import/fhir-contained|Skipped",
        "intake-gateway|intake-gateway|contract/import/zstd|Skipped",
        "intake-gateway|intake-gateway|contract-typical/import/typical-fhir-bundle|Failure",
        "intake-gateway|intake-gateway|complexity/parse_hl7/found by search|Failure",
        "intake-gateway|intake-gateway|complexity/import/found by search|Passed",
        "inflate-streaming|inflate-streaming|contract/inflate/gzip|Passed",
    ] {
        assert!(limits.lines().any(|read| read == line), "{line}: {limits}");
    }
    let boundary = read(&glue::record());
    for line in [
        "glue-victim|glue-victim|boundary/stale|Failure",
        "glue-victim|glue-victim|boundary/echo|Passed",
        "glue-hardened|glue-hardened|boundary/stale|Passed",
        "glue-hardened|glue-hardened|boundary/host|Skipped",
        "dicom-codec|dicom-codec|boundary/late|Skipped",
    ] {
        assert!(boundary.lines().any(|read| read == line), "{line}: {boundary}");
    }
    // A finding below the severity that fails the run fails no case: the page and the exit code say the same.
    let mut lenient = limits::record();
    lenient.run.fail_on = autoclave_reports::Severity::High;
    let lenient = read(&lenient);
    assert!(lenient.contains("contract/import/gzip|Failure"), "{lenient}");
    assert!(!lenient.contains("contract-typical/import/typical-fhir-bundle|Failure"), "{lenient}");
    assert!(read(&crate::hostile::record()).lines().count() >= 3);
}

/// What our suites say of themselves is what somebody else counts in them; a file with a case cut out is found out.
#[test]
fn junit_says_what_others_count() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        ("good-fuzz", sample::record()),
        ("good-selftest", sample::selftest()),
        ("good-limits", limits::record()),
        ("good-secrets", secrets::record()),
        ("good-boundary", glue::record()),
        ("good-hostile", crate::hostile::record()),
    ];
    let mut files: Vec<(&str, String)> =
        records.into_iter().map(|(name, record)| (name, text("junit", &record))).collect();
    let good = files[0].1.clone();
    let case = &good[good.find("<testcase").unwrap()..good.find("</testcase>").unwrap() + "</testcase>".len()];
    files.push(("bad-missing", good.replacen(case, "", 1)));
    files.push(("bad-count", good.replacen("failures=\"1\"", "failures=\"0\"", 1)));
    let script = "import sys, junitparser\n\
        def counted(path):\n\
        \x20   xml = junitparser.JUnitXml.fromfile(path)\n\
        \x20   read = lambda: [(s.tests, s.failures, s.errors, s.skipped) for s in xml] + [(xml.tests, xml.failures, xml.errors)]\n\
        \x20   said = read()\n\
        \x20   for suite in xml: suite.update_statistics()\n\
        \x20   xml.update_statistics()\n\
        \x20   return said, read()\n\
        for path in sys.argv[1:]:\n\
        \x20   said, found = counted(path)\n\
        \x20   assert sum(s[0] for s in found) > 0, path\n\
        \x20   assert (said == found) == ('good-' in path), (path, said, found)\n";
    let paths = files.into_iter().map(|(name, xml)| {
        let path = folder.path().join(format!("{name}.xml"));
        std::fs::write(&path, xml).unwrap();
        path
    });
    tools::run(Command::new(tools::python()).args(["-c", script]).args(paths), "see above");
}

#[test]
fn afl_whatsup_adds_the_targets_up() {
    let folder = tempfile::tempdir().unwrap();
    for file in Format::find("afl").unwrap().files(&sample::record()) {
        let path = folder.path().join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &file.bytes).unwrap();
    }
    // -d: also those whose process is gone; -s: the sums.
    let output = tools::run(
        Command::new(tools::afl_whatsup()).args(["-d", "-s"]).arg(folder.path().join("afl")).env("TERM", "dumb"),
        "apt-get install afl++ procps",
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("Total execs : 28 millions"), "{text}");
    assert!(text.contains("Cumulative speed : 47365"), "{text}");
    assert!(text.contains("Crashes saved : 2"), "{text}");
}
