//! The record: reading, judging, merging, exit codes.

use crate::{glue, limits, sample, secrets};
use autoclave_reports::record::*;
use autoclave_reports::{Finding, Record, Severity, TargetRecord, Verdict};

#[test]
fn reads_what_it_writes() {
    for record in [
        sample::record(),
        limits::record(),
        secrets::record(),
        glue::record(),
        sample::selftest(),
        sample::differential(),
        Record::default(),
    ] {
        let json = autoclave_reports::formats::json::render(&record);
        assert_eq!(Record::from_json(&json).unwrap(), record);
    }
}

#[test]
fn refuses_other_versions_and_shapes_and_says_what_to_do() {
    let error = |json: &str| Record::from_json(json.as_bytes()).unwrap_err().to_string();
    assert!(error("{\"schema_version\": 1, \"anything\": []}").contains("read it with the program that wrote it"));
    assert!(error("{}").starts_with("not a report.json"));
    assert!(error("PK\u{3}\u{4}").starts_with("not a report.json"));
    assert!(error(&"[".repeat(100_000)).starts_with("not a report.json"));
    let unknown = String::from_utf8(autoclave_reports::formats::json::render(&sample::record())).unwrap();
    let unknown = unknown.replacen("\"seed\":", "\"sed\":", 1);
    assert!(error(&unknown).contains("unknown field `sed`"), "{}", error(&unknown));
}

/// Every JSON bomb of the generators: none is a report, and what is said about it is short.
#[test]
fn bombs_are_refused_in_few_words() {
    let error = |json: &[u8]| Record::from_json(json).unwrap_err().to_string();
    for family in autoclave_generators::FAMILIES.iter().filter(|family| family.kind.is_read_as("fhir-json")) {
        let mut bomb = Vec::new();
        family.make(&family.defaults(), &mut bomb).unwrap();
        // Alone, and where an older report has its version and a newer one its fields.
        let inside = [br#"{"schema_version":"#, bomb.as_slice(), b"}"].concat();
        let beside = [format!(r#"{{"schema_version":{SCHEMA_VERSION},"run":"#).as_bytes(), &bomb, b"}"].concat();
        for json in [bomb, inside, beside] {
            let text = error(&json);
            assert!(text.len() < 4096 && !text.contains('\n'), "{}: {} bytes", family.name, text.len());
        }
    }
    // serde_json quotes what it does not know.
    let long = format!(r#"{{"schema_version":{SCHEMA_VERSION},"{}":1}}"#, "\\u001b".repeat(1 << 20));
    let text = error(long.as_bytes());
    assert!(text.len() < 4096 && !text.contains('\x1b') && text.contains(" at line 1 column "), "{text}");
    assert!(error(&vec![b' '; REPORT_BYTES_MAX + 1]).contains("at most 134217728"));
    // Short texts that stand for large things.
    for (list, item) in
        [("targets", "{},"), ("checks", "{ }, "), ("not_tested", "{},"), ("targets\":[{\"entries", "\"\",")]
    {
        let json = format!(r#"{{"schema_version":{SCHEMA_VERSION},"{list}":[{}"#, item.repeat(9 << 20));
        assert!(error(json.as_bytes()).contains("not one of ours"), "{list}");
    }
}

#[test]
fn numbers_that_are_none_do_not_break_the_file() {
    let mut record = sample::record();
    record.targets[0].execs_per_second = f64::NAN;
    record.targets[0].saturation.p_new_edge = Some(f64::INFINITY);
    record.timing.wall_seconds = f64::NEG_INFINITY;
    for file in autoclave_reports::formats::render_all(&record) {
        let text = String::from_utf8(file.bytes).unwrap();
        assert!(!text.contains("NaN") && !text.contains("inf "), "{}", file.path);
    }
    let json = autoclave_reports::formats::json::render(&record);
    let back = Record::from_json(&json).unwrap();
    assert_eq!((back.targets[0].execs_per_second, back.targets[0].saturation.p_new_edge), (0.0, None));
}

#[test]
fn exit_codes_follow_the_record() {
    let found = |severity, confirmed| {
        let mut target = TargetRecord { name: "t".into(), execs: 1, ..TargetRecord::default() };
        target.findings = vec![Finding { severity, confirmed, ..Finding::default() }];
        target.verdict = target.judge();
        Record { targets: vec![target], ..Record::default() }
    };
    let judged = |verdict| Record {
        targets: vec![TargetRecord { execs: 1, verdict, ..TargetRecord::default() }],
        ..Record::default()
    };
    let checked = |verdict| Record { checks: vec![Check { verdict, ..Check::default() }], ..Record::default() };
    let owing =
        |scope| Record { not_tested: vec![NotTested { scope, ..NotTested::default() }], ..judged(Verdict::Pass) };
    let interrupted = Record { run: Run { interrupted: true, ..Run::default() }, ..judged(Verdict::Pass) };
    let why = || "why".to_owned();
    for (what, record, fail_on, expected) in [
        ("nothing tested", Record::default(), Severity::Low, exit::NOT_JUDGED),
        ("clean", judged(Verdict::Pass), Severity::Low, exit::CLEAN),
        ("warned", judged(Verdict::Warn(why())), Severity::Low, exit::CLEAN),
        ("does not apply", checked(Verdict::NotApplicable(why())), Severity::Low, exit::CLEAN),
        ("target not tested", judged(Verdict::NotTested(why())), Severity::Low, exit::NOT_JUDGED),
        ("target failed without finding", judged(Verdict::Fail(why())), Severity::Critical, exit::FINDINGS),
        ("check failed", checked(Verdict::Fail(why())), Severity::Critical, exit::FINDINGS),
        ("check not tested", checked(Verdict::NotTested(why())), Severity::Low, exit::NOT_JUDGED),
        ("at the threshold", found(Severity::High, Confirmation::Reproduced), Severity::High, exit::FINDINGS),
        ("below the threshold", found(Severity::Medium, Confirmation::Reproduced), Severity::High, exit::CLEAN),
        ("not reproduced", found(Severity::High, Confirmation::NotReproduced(why())), Severity::Low, exit::CLEAN),
        ("not replayed", found(Severity::High, Confirmation::NotTried(why())), Severity::Low, exit::NOT_JUDGED),
        ("asked for, not tested", owing(Scope::Asked), Severity::Low, exit::NOT_JUDGED),
        ("outside, not tested", owing(Scope::Outside), Severity::Low, exit::CLEAN),
        ("interrupted", interrupted, Severity::Low, exit::INTERRUPTED),
    ] {
        assert_eq!(record.exit_code(fail_on), expected, "{what}");
    }
}

#[test]
fn the_verdict_says_why() {
    let sample = sample::record();
    assert_eq!(sample.verdict, Verdict::Fail("2 findings, the worst high.".into()));
    let mut lenient = sample.clone();
    lenient.run.fail_on = Severity::Critical;
    assert_eq!(lenient.judge(), Verdict::NotTested("inflate-zlib: its start function runs out of fuel.".into()));
    lenient.targets.pop();
    assert_eq!(lenient.judge().name(), "WARN");
    lenient.targets.remove(0);
    assert_eq!(lenient.judge(), Verdict::Pass);
    lenient.run.interrupted = true;
    assert_eq!(lenient.judge().name(), "WARN");
    assert_eq!(sample::selftest().judge(), Verdict::NotTested("shadow-stack: did not catch its canary.".into()));
}

/// What was run of a vendor's package is clean, but little of it ever returned.
#[test]
fn operations_that_never_returned_are_in_the_verdict() {
    let verdicts: Vec<Verdict> = glue::record().targets.into_iter().map(|target| target.verdict).collect();
    assert_eq!(verdicts[0], Verdict::Fail("10 findings, the worst critical".into()));
    assert_eq!(verdicts[1], Verdict::Pass);
    let said = "3 of 36 operations never returned, so they count as not tested: \
                Decoder.decode, Decoder.frame, onRuntimeInitialized";
    assert_eq!(verdicts[2], Verdict::Warn(said.into()));
}

#[test]
fn a_bucket_keeps_its_name() {
    let bucket = |frames: &[&str]| Bucket {
        oracle: "crash".into(),
        outcome: "STACK".into(),
        frames: frames.iter().map(|f| (*f).into()).collect(),
    };
    // Written on findings in the wild: this number may not change.
    assert_eq!(bucket(&["a", "b"]).id(), "b6a2424cd139");
    assert_ne!(bucket(&["a", "b"]).id(), bucket(&["a\",\"b"]).id());
    assert_ne!(bucket(&["a", "b"]).id(), bucket(&["ab"]).id());
}

#[test]
fn jobs_become_one_record() {
    let mut first = sample::record();
    let mut second = sample::record();
    second.targets[0].findings.remove(0);
    second.targets[0].findings[0].reproducer = Reproducer::new("findings/smaller.bin", b"{}", 10);
    second.targets[0].edges_found = 6_300;
    second.targets[1].name = "another".into();
    second.targets[0].functions[2].edges_found = 3;
    first.merge(second);

    let names: Vec<&str> = first.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["fhir-fhirbolt", "hl7-parser", "inflate-zlib", "another"]);
    let target = &first.targets[0];
    assert_eq!((target.execs, target.edges_found, target.findings.len()), (2 * 7_412_388, 6_300, 3));
    assert_eq!(target.functions[2].edges_found, 3);
    let severities: Vec<Severity> = target.findings.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Severity::High, Severity::Medium, Severity::Medium]);
    assert_eq!((target.findings[1].reproducer.bytes, target.findings[1].hits), (2, 82));
    assert_eq!(target.host_calls[0].count, 6);
    assert_eq!((first.limits.len(), first.not_tested.len()), (4, 2));
    assert_eq!((first.timing.wall_seconds, first.timing.cpu_seconds), (184.2, 2.0 * 361.7));
}

#[test]
fn without_timing_two_runs_are_the_same() {
    let first = sample::record();
    let mut second = first.clone();
    second.run.id = "later".into();
    second.run.started_utc = "2027-01-01T00:00:00Z".into();
    second.timing = Timing { wall_seconds: 1.0, cpu_seconds: 2.0, memory_bytes_peak: None, phases: vec![] };
    let target = &mut second.targets[0];
    (target.execs_per_second, target.cpu_seconds) = (1.0, 2.0);
    target.saturation.seconds_since_last_edge = 3.0;
    target.series.pop();
    target.findings[0].found_at.seconds = 4.0;
    assert_ne!(first, second);
    let bytes = |record: Record| autoclave_reports::formats::json::render(&record.without_timing());
    assert_eq!(bytes(first), bytes(second));

    let first = glue::record();
    let mut second = first.clone();
    let section = second.targets[0].boundary.as_mut().unwrap();
    section.hosts[0].cpu_seconds = 1.0;
    section.hosts[1].tapes_per_cpu_second = 2.0;
    section.rates.pop();
    assert_ne!(first, second);
    assert_eq!(bytes(first), bytes(second));
}
