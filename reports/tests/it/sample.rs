//! A small record with one of everything, as a real run would write it.

use autoclave_reports::record::*;
use autoclave_reports::rules::rule;
use autoclave_reports::{Finding, Record, Severity, TargetRecord, Verdict};

pub fn record() -> Record {
    let mut record = Record {
        tool: Tool { name: "autoclave".into(), version: "0.1.0".into() },
        run: Run {
            id: "20261121T220446Z-fuzz".into(),
            command: "fuzz".into(),
            command_line: "cargo xtask fuzz --time 3m --jobs 2 --seed 7".into(),
            seed: 7,
            jobs: 2,
            started_utc: "2026-11-21T22:04:46Z".into(),
            interrupted: false,
            budget: Budget { seconds: Some(180.0), runs: None },
            fail_on: Severity::Low,
        },
        toolchain: names(&[("rustc", "1.95.0"), ("wasmtime", "48.0.8"), ("libafl", "0.16.1"), ("clang", "19.1.7")]),
        environment: names(&[("os", "linux"), ("arch", "x86_64"), ("cpus", "2")]),
        limits: vec![
            limit(
                "input_bytes_max",
                1 << 20,
                "bytes",
                "FHIR bundles in the field stay below; longer ones belong to the bomb suite",
            ),
            limit("memory_bytes_max", 256 << 20, "bytes", "what a browser tab can spare"),
            limit("fuel_base", 50_000_000, "fuel", "given per execution before its bytes count"),
            limit("wall_ms_max", 1_000, "milliseconds", "advice only: the judge replays with fuel"),
        ],
        targets: vec![fhir(), hl7(), zlib()],
        not_tested: vec![
            NotTested {
                what: "fhir-assemblyscript".into(),
                reason: "not built: Node is not installed".into(),
                remedy: "apt-get install nodejs npm".into(),
                scope: Scope::Outside,
            },
            NotTested {
                what: "constant time".into(),
                reason: "this command asks only for crashes and limits".into(),
                remedy: "cargo xtask ct fhir-json".into(),
                scope: Scope::Outside,
            },
        ],
        timing: Timing {
            wall_seconds: 184.2,
            cpu_seconds: 361.7,
            memory_bytes_peak: Some(143 << 20),
            phases: vec![phase("build", 2.1), phase("fuzz", 180.0), phase("minimise and confirm", 2.1)],
        },
        ..Record::default()
    };
    record.verdict = record.judge();
    record
}

/// A `diff` record: readers, and what one of them makes of an input beside the others.
pub fn differential() -> Record {
    let mut target = TargetRecord {
        name: "fhir-json".into(),
        about: "FHIR resources in JSON, as several readers understand them".into(),
        oracles: vec!["differential".into()],
        format: Some("fhir-json".into()),
        execs: 1_000_000,
        findings: vec![disagreement()],
        ..TargetRecord::default()
    };
    target.verdict = target.judge();
    let mut record = Record {
        run: Run {
            command: "diff".into(),
            command_line: "cargo xtask diff fhir-json".into(),
            jobs: 1,
            fail_on: Severity::Low,
            ..Run::default()
        },
        targets: vec![target],
        peers: readers(),
        ..Record::default()
    };
    record.tool.version = "0.1.0".into();
    record.verdict = record.judge();
    record
}

/// A `selftest` record: checks instead of targets.
pub fn selftest() -> Record {
    let check = |name: &str, question: &str, canary: (&str, &str), verdict: Verdict| Check {
        name: name.into(),
        question: question.into(),
        target: None,
        verdict,
        canary: Some(Trial { target: format!("canary-{name}"), expected: canary.0.into(), seen: canary.1.into() }),
        twin: Some(Trial {
            target: format!("canary-{name}-fixed"),
            expected: "returned".into(),
            seen: "returned".into(),
        }),
    };
    let mut record = Record {
        tool: Tool { name: "autoclave".into(), version: "0.1.0".into() },
        run: Run { command: "selftest".into(), command_line: "cargo xtask selftest".into(), jobs: 1, ..Run::default() },
        checks: vec![
            check(
                "fuel",
                "Is an endless loop stopped by its instruction budget?",
                ("OUT-OF-FUEL", "OUT-OF-FUEL"),
                Verdict::Pass,
            ),
            check(
                "shadow-stack",
                "Is an overflow of the stack in linear memory seen?",
                ("SHADOW-STACK", "returned"),
                Verdict::NotTested("did not catch its canary".into()),
            ),
        ],
        ..Record::default()
    };
    record.verdict = record.judge();
    record
}

fn fhir() -> TargetRecord {
    let mut target = TargetRecord {
        name: "fhir-fhirbolt".into(),
        about: "FHIR R4 JSON through fhirbolt 0.4.0".into(),
        entries: vec!["parse".into()],
        module_path: "targets/fhir-fhirbolt/target/module.wasm".into(),
        manifest_path: Some("targets/fhir-fhirbolt/target.toml".into()),
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        bytes: 1_345_911,
        abi: "bytes".into(),
        format: Some("fhir-json".into()),
        oracles: vec!["crash".into()],
        execs: 7_412_388,
        execs_per_second: 123_540.0,
        cpu_seconds: 119.8,
        edges_found: 6_231,
        edges_total: 21_904,
        corpus: Corpus { entries: 1_204, bytes: 611_422, seeds: 31 },
        saturation: Saturation {
            singletons: 61,
            doubletons: 40,
            p_new_edge: Some(8.2e-6),
            chao1_edges: Some(6_277.0),
            execs_since_last_edge: 212_000,
            seconds_since_last_edge: 1.7,
        },
        series: curve(60.0, 6_231.0, 7_412_388.0, 1_204.0),
        functions: vec![
            function(12, "fhirbolt_json::de::<impl Deserializer>::deserialize_any", "src/de.rs", 214, 88, 132),
            function(
                40,
                "serde_json::de::Deserializer<R>::parse_decimal",
                "/cargo/registry/src/serde_json-1.0.140/src/de.rs",
                601,
                17,
                17,
            ),
            function(77, "fhirbolt_element::Element::from_iter", "src/element.rs", 90, 0, 41),
        ],
        findings: vec![panic(), recursion(), odd()],
        host_calls: vec![HostCallRecord { import: "env.now".into(), answer: "stubbed".into(), count: 3 }],
        ..TargetRecord::default()
    };
    target.sort_findings();
    target.verdict = target.judge();
    target
}

fn hl7() -> TargetRecord {
    let mut target = TargetRecord {
        name: "hl7-parser".into(),
        about: "HL7 v2 messages through hl7-parser 0.3.0".into(),
        entries: vec!["parse".into()],
        module_path: "targets/hl7-parser/target/module.wasm".into(),
        manifest_path: Some("targets/hl7-parser/target.toml".into()),
        sha256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".into(),
        bytes: 88_120,
        abi: "bytes".into(),
        format: Some("hl7v2".into()),
        oracles: vec!["crash".into()],
        execs: 21_007_114,
        execs_per_second: 350_118.0,
        cpu_seconds: 119.9,
        edges_found: 702,
        edges_total: 911,
        corpus: Corpus { entries: 233, bytes: 21_998, seeds: 12 },
        saturation: Saturation {
            singletons: 0,
            doubletons: 0,
            p_new_edge: Some(0.0),
            chao1_edges: Some(702.0),
            execs_since_last_edge: 18_400_000,
            seconds_since_last_edge: 52.6,
        },
        series: curve(60.0, 702.0, 21_007_114.0, 233.0),
        ..TargetRecord::default()
    };
    target.verdict = target.judge();
    target
}

fn zlib() -> TargetRecord {
    TargetRecord {
        name: "inflate-zlib".into(),
        module_path: "targets/inflate-zlib/target/module.wasm".into(),
        manifest_path: Some("targets/inflate-zlib/target.toml".into()),
        abi: "libfuzzer".into(),
        oracles: vec!["crash".into()],
        verdict: Verdict::NotTested("its start function runs out of fuel".into()),
        ..TargetRecord::default()
    }
}

fn panic() -> Finding {
    let input = b"{\"resourceType\":\"Patient\",\"birthDate\":\"\xe2\x82\xac\"}";
    finding(
        "TRAP-UNREACHABLE",
        "panicked at src/date.rs:41:18: byte index 4 is not a char boundary",
        &["core::str::slice_error_fail", "fhirbolt_types::date::parse_partial", "fhirbolt_json::from_slice", "parse"],
        input,
        Some("{\n  \"resourceType\": \"Patient\",\n  \"birthDate\": \"€\"\n}"),
        41_207,
    )
}

fn recursion() -> Finding {
    let mut finding = finding(
        "STACK",
        "unbounded recursion in fhirbolt_json::de::Deserializer::deserialize_any",
        &["fhirbolt_json::de::Deserializer::deserialize_any"; 12],
        &b"[".repeat(700),
        None,
        1_903_222,
    );
    finding.limits = vec![limit("native_stack_bytes_max", 512 << 10, "bytes", "the smallest of the browsers'")];
    finding
}

fn odd() -> Finding {
    let mut finding = finding("DEADLINE", "slow on an idle machine only", &["parse"], b"{}", None, 5_000_001);
    finding.confirmed = Confirmation::NotReproduced("returned after 12,114 fuel".into());
    finding
}

fn finding(outcome: &str, message: &str, frames: &[&str], input: &[u8], decoded: Option<&str>, execs: u64) -> Finding {
    let bucket = Bucket {
        oracle: "crash".into(),
        outcome: outcome.into(),
        frames: frames.iter().take(3).map(|frame| (*frame).to_owned()).collect(),
    };
    let id = bucket.id();
    let path = format!("findings/{id}.bin");
    Finding {
        id: id.clone(),
        oracle: "crash".into(),
        bucket,
        severity: rule("crash", outcome).severity,
        outcome: outcome.into(),
        title: message.into(),
        message: message.into(),
        frames: frames
            .iter()
            .enumerate()
            .map(|(i, name)| Frame {
                function: (*name).into(),
                file: match i {
                    0 => Some("/rustc/library/core/src/str/mod.rs".into()),
                    _ => Some("targets/fhir-fhirbolt/src/lib.rs".into()),
                },
                line: Some(if outcome == "STACK" && i > 0 { 214 } else { 40 + i as u32 }),
                column: Some(18),
                module_offset: Some(0x1f40 + 64 * i as u64),
                inlined: i == 1 && outcome != "STACK",
            })
            .collect(),
        reproducer: Reproducer::new(&path, input, 4_096),
        decoded: decoded.map(Into::into),
        repro: format!("cargo xtask repro {id} --target fhir-fhirbolt"),
        libfuzzer: Some(format!("AUTOCLAVE_TARGET=fhir-fhirbolt ./module_fuzzer {path}")),
        found_at: FoundAt { execs, seconds: (execs as f64 / 12_354.0).round() / 10.0 },
        hits: execs / 1_000,
        confirmed: Confirmation::Reproduced,
        ..Finding::default()
    }
}

/// Two keys of one name, read side by side; one reader has a hostile name.
fn disagreement() -> Finding {
    let input = br#"{"resourceType":"Patient","gender":"male","gender":"female"}"#;
    let mut finding = finding("D5", "duplicate-key: two readers take the last, one refuses", &[], input, None, 8_120);
    (finding.oracle, finding.bucket.oracle) = ("differential".into(), "differential".into());
    finding.bucket.frames = vec!["F01/duplicate-key".into(), "fhirbolt-r4+serde_json | reference".into()];
    finding.id = finding.bucket.id();
    finding.severity = rule("differential", "D5").severity;
    finding.rule = Some(RuleRef {
        id: "F01".into(),
        case: "duplicate-key".into(),
        title: "Property names are unique.".into(),
        source: "https://hl7.org/fhir/R4/json.html#json".into(),
        harm: "A check in front reads one value, the store behind it another.".into(),
    });
    let reading = |peer: &str, answer: &str, detail: &str, value: Option<&str>| PeerReading {
        peer: peer.into(),
        answer: answer.into(),
        detail: detail.into(),
        leaves: value
            .map(|value| Leaf {
                path: "Patient.gender".into(),
                value: Some(value.into()),
                differs: answer == "accepted",
            })
            .into_iter()
            .collect(),
    };
    finding.readings = vec![
        reading("reference", "refused", "F01/duplicate-key", Some("male, female")),
        reading("fhirbolt-r4", "accepted", "", Some("female")),
        reading("<b>peer</b>", "died", "TRAP-UNREACHABLE", None),
    ];
    finding
}

fn readers() -> Vec<PeerRow> {
    let row = |name: &str, package: &str, runtime: &str| PeerRow {
        name: name.into(),
        package: package.into(),
        runtime: runtime.into(),
        version: "R4".into(),
        ..PeerRow::default()
    };
    vec![
        PeerRow {
            leaves_out: vec!["significant digits".into()],
            quirks: vec![QuirkRow {
                what: "H07/line-feed".into(),
                why: "folds <LF>, as its manual says".into(),
                hits: 3,
            }],
            asked: 1_204,
            accepted: 1_100,
            refused: 103,
            died: 1,
            ..row("fhirbolt-r4", "fhirbolt 0.4.0", "rust")
        },
        PeerRow {
            not_tested: "not installed: cargo xtask peers setup hapi-fhir-r4".into(),
            ..row("hapi-fhir-r4", "ca.uhn.hapi.fhir 8.4.0", "java")
        },
    ]
}

/// A run that finds much at its start and little at its end.
fn curve(seconds: f64, edges: f64, execs: f64, corpus: f64) -> Vec<Sample> {
    (0..=60)
        .map(|i| {
            let part = f64::from(i) / 60.0;
            let learned = (1.0 + 400.0 * part * part).ln() / 401f64.ln();
            Sample {
                seconds: (1e3 * seconds * part * part).round() / 1e3,
                execs: (execs * (part * part + 0.02 * (f64::from(i) * 0.5).sin() * part * (1.0 - part))) as u64,
                edges: (edges * (0.12 + 0.88 * learned)) as u64,
                corpus: (corpus * (0.05 + 0.95 * learned)) as u64,
                findings: u64::from(i > 8) + u64::from(i > 40),
            }
        })
        .collect()
}

fn function(index: u32, name: &str, file: &str, line: u32, found: u64, total: u64) -> FunctionCoverage {
    FunctionCoverage {
        index,
        name: name.into(),
        file: Some(file.into()),
        line: Some(line),
        edges_found: found,
        edges_total: total,
    }
}

fn limit(name: &str, value: u64, unit: &str, reason: &str) -> LimitRow {
    LimitRow { name: name.into(), value, unit: unit.into(), reason: reason.into() }
}

fn phase(name: &str, seconds: f64) -> Phase {
    Phase { name: name.into(), seconds }
}

fn names(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
