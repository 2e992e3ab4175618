//! A `limits` record as a real run would write it: a gateway that breaks its resource contract in several ways, one of
//! them found by search, and a hardened reader that keeps it.

use autoclave_reports::contract::{Contract, Growth, Point, Reads, Tile, Trial};
use autoclave_reports::record::{Bucket, Confirmation, FoundAt, LimitRow, NotTested, Reproducer, Run, Scope, Tool};
use autoclave_reports::rules::rule;
use autoclave_reports::{Finding, Record, Severity, TargetRecord, Verdict};

pub fn record() -> Record {
    let mut record = Record {
        tool: Tool { name: "autoclave".into(), version: "0.1.0".into() },
        run: Run {
            command: "limits".into(),
            command_line: "cargo xtask limits intake-gateway inflate-streaming --profile browser".into(),
            seed: 1,
            jobs: 1,
            fail_on: Severity::Low,
            ..Run::default()
        },
        limits: terms().drain(..2).collect(),
        targets: vec![gateway(), hardened()],
        not_tested: vec![NotTested {
            what: "intake-gateway::import".into(),
            reason:
                "3 inputs of fhir-contained, fhir-binary, typical-fhir-bundle: left out after 60 s of processor time"
                    .into(),
            remedy: String::new(),
            scope: Scope::Outside,
        }],
        ..Record::default()
    };
    record.verdict = record.judge();
    record
}

/// Fuel that the browser profile allows for `bytes`.
fn fuel(bytes: u64) -> u64 {
    5_000_000 + 3_000 * bytes
}

/// Memory that it allows for a hostile input and for a plain document.
fn memory(bytes: u64) -> u64 {
    (256 << 20).min((16 << 20) + 80 * bytes)
}

fn memory_typical(bytes: u64) -> u64 {
    (4 << 20) + 12 * bytes
}

fn terms() -> Vec<LimitRow> {
    [
        ("input_bytes_max", 8 << 20, "bytes", "largest message that a browser page uploads in one piece"),
        ("memory_bytes_max", 256 << 20, "bytes", "what a browser tab can spare"),
        ("memory_bytes_base", 16 << 20, "bytes", "tables, stack and static data of a module before it reads a byte"),
        ("memory_bytes_per_byte", 80, "bytes", "a tree of small JSON values takes 33 to 63 times its text"),
        ("fuel_base", 5_000_000, "fuel", "start-up and a refusal"),
        ("fuel_per_byte", 3_000, "fuel", "careful parsers need 9 to 650"),
    ]
    .map(|(name, value, unit, reason)| LimitRow { name: name.into(), value, unit: unit.into(), reason: reason.into() })
    .into()
}

fn allowed(memory: fn(u64) -> u64) -> Vec<Point> {
    (0..=23).map(|power| 1 << power).map(|n| Point { bytes: n, fuel: fuel(n), memory_bytes: memory(n) }).collect()
}

fn gateway() -> TargetRecord {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    let inflate = |family, params, bytes, expanded: &str, cost| ran("import", family, params, bytes, expanded, cost);
    let json = |family, params, bytes, cost| ran("import", family, params, bytes, "", cost);
    let hl7 = |family, params, bytes, cost| ran("parse_hl7", family, params, bytes, "", cost);
    let mut trials = vec![
        inflate("gzip", "bytes=67108864", 65_254, "67108864", ("returned", 412_000_113, 201 * MIB, 67_108_864)),
        inflate("gzip", "bytes=1073741824", 1_043_656, "1073741824", ("OOM-ABORT", 1_911_004_118, 256 * MIB, 0)),
        inflate("gzip-nested", "bytes=4294967296 depth=3", 298, "4294967296", ("rejected", 41_220, 2 * MIB, 0)),
        inflate("gzip-members", "members=65536", MIB + 311_296, "0", ("rejected", 88_020_114, 3 * MIB, 0)),
        json("json-arrays", "levels=1024 wrap=gzip", 34, ("rejected", 91_044, 2 * MIB, 0)),
        json("json-arrays", "levels=1048576 wrap=gzip", 1_055, ("STACK", 14_311_090, 19 * MIB, 0)),
        json("json-tiny-values", "values=120000 wrap=gzip", 240 * KIB, ("returned", 41_000_200, 31 * MIB, 241_004)),
        json("json-tiny-values", "values=3700000 wrap=gzip", 7 * MIB, ("GRACEFUL-OOM", 990_020_031, 256 * MIB, 0)),
        json("json-long-number", "digits=1048576", MIB, ("rejected", 18_114_020, 4 * MIB, 0)),
        json("fhir-extensions", "levels=20000", 520 * KIB, ("rejected", 5_120_000, 3 * MIB, 0)),
        json("typical-fhir-bundle", "patients=600", MIB, ("returned", 131_000_440, 11 * MIB, 912_004)),
        json("typical-fhir-bundle", "patients=4800", 8 * MIB, ("returned", 1_048_003_520, 117 * MIB, 7_296_032)),
        hl7("hl7-segments", "segments=87000", MIB, ("returned", 151_000_020, 24 * MIB, 400_112)),
        hl7("hl7-repetitions", "repetitions=32768", 64 * KIB, ("returned", 4_300_118_020, 3 * MIB, 812)),
        hl7("hl7-long-field", "bytes=8388608", 8 * MIB, ("rejected", 25_300_020, 18 * MIB, 0)),
        hl7("hl7-unterminated-escapes", "escapes=1048576", MIB, ("rejected", 9_431_544, 4 * MIB, 0)),
        hl7("typical-hl7-batch", "messages=900", MIB, ("returned", 88_004_000, 9 * MIB, 700_200)),
    ];
    for (at, why, outcome) in [
        (0, "a gzip stream of 64 KiB was taken as a document of 64.0 MiB", "ACCEPTS-BOMB"),
        (1, "died of a denied allocation instead of refusing", "OOM-ABORT"),
        (5, "died of nesting: 1,048,576 levels", "STACK"),
        (11, "117.0 MiB of memory, 100.0 MiB are allowed", "TYPICAL-MEMORY"),
        (13, "4.30 G fuel, 202 M are allowed", "FUEL-OVER-CONTRACT"),
    ] {
        trials[at].verdict = Verdict::Fail(why.into());
        trials[at].finding = finding(outcome, &trials[at]).id;
    }
    trials[7].verdict =
        Verdict::Warn("memory was denied, and the module coped; an earlier bound would be cheaper".into());
    for died in [1, 5] {
        trials[died].next_call = "the instance died".into();
        trials[died].error_bytes = 0;
    }
    let findings = [0, 1, 5, 11, 13].map(|at| {
        let outcome = match at {
            0 => "ACCEPTS-BOMB",
            11 => "TYPICAL-MEMORY",
            13 => "FUEL-OVER-CONTRACT",
            _ => trials[at].outcome.as_str(),
        };
        finding(outcome, &trials[at])
    });
    let mut findings: Vec<Finding> = findings.into();
    let not_run = |entry: &str, families: &[&str], verdict: Verdict| -> Vec<Trial> {
        let row = |family: &&str| Trial {
            entry: entry.into(),
            family: (*family).into(),
            part: "worst".into(),
            verdict: verdict.clone(),
            ..Trial::default()
        };
        families.iter().map(row).collect()
    };
    let slow = || Verdict::NotTested("left out after 60 s of processor time".into());
    trials.extend(not_run("import", &["fhir-contained", "fhir-binary"], slow()));
    trials.push(Trial {
        params: "patients=40000".into(),
        ..not_run("import", &["typical-fhir-bundle"], slow()).remove(0)
    });
    let other = |reads: &str| Verdict::NotApplicable(format!("reads {reads}"));
    let compressed =
        ["brotli", "zstd", "zstd-declared", "zstd-window", "xz", "xz-dictionary", "zip-deflate", "zip-quine"];
    trials.extend(not_run("import", &compressed, other("gzip, not this compression")));
    trials.extend(not_run(
        "import",
        &["hl7-segments", "hl7-repetitions", "hl7-long-field"],
        other("fhir-json, not hl7v2"),
    ));
    trials.extend(not_run("parse_hl7", &["gzip", "gzip-nested", "brotli", "zstd", "xz"], other("hl7v2, uncompressed")));
    trials.extend(not_run("parse_hl7", &["json-arrays", "json-tiny-values", "fhir-bundle"], other("hl7v2, not json")));

    let quadratic = |n: u64| Point { bytes: n, fuel: 14 * n + n * n / 2, memory_bytes: 2 * MIB + n * 3 };
    let mut found = grown("parse_hl7", "found by search", 2.0, Some(4_194_320.0), quadratic);
    found.tile = Some(Tile {
        prefix_hex: hex(b"MSH|^~\\&|LAB|ACME\rPID|1||"),
        piece_hex: hex(b"~7"),
        after_number_hex: None,
        suffix_hex: hex(b"\r"),
    });
    found.executions = 18_211;
    found.verdict = Verdict::Fail("k = 2.00 over the last three doublings, and 4.19 M fuel per byte at 8 MiB".into());
    findings.push(superlinear(&found));
    found.finding = findings[5].id.clone();
    let mut family = grown("parse_hl7", "hl7-repetitions", 1.98, Some(3_998_000.0), |n| Point {
        fuel: 40_000 + 900 * n + n * n * 9 / 10,
        ..quadratic(n)
    });
    (family.verdict, family.finding) =
        (Verdict::Fail("k = 1.98 over the last three doublings".into()), findings[5].id.clone());
    let linear = |entry, shape, k, base: u64, per_byte: u64, copies: u64| {
        grown(entry, shape, k, Some(per_byte as f64), move |n| Point {
            bytes: n,
            fuel: base + per_byte * n,
            memory_bytes: (MIB + copies * n).next_multiple_of(64 << 10),
        })
    };
    let mut binary = linear("import", "found by search", 1.04, 60_000, 310, 8);
    (binary.executions, binary.tile) = (
        90_112,
        Some(Tile {
            prefix_hex: "1f8b0800".into(),
            piece_hex: "00ff".repeat(80),
            after_number_hex: Some("3d31".into()),
            suffix_hex: String::new(),
        }),
    );
    let growth = vec![
        linear("import", "json-tiny-values", 1.01, 40_000, 142, 63),
        linear("import", "json-long-number", 1.09, 12_000, 17, 3),
        linear("import", "fhir-extensions", 1.02, 50_000, 10, 5),
        linear("import", "typical-fhir-bundle", 1.0, 90_000, 125, 11),
        binary,
        linear("parse_hl7", "hl7-segments", 1.01, 9_000, 144, 22),
        linear("parse_hl7", "hl7-unterminated-escapes", 1.0, 5_000, 9, 3),
        family,
        found,
    ];
    let mut target = TargetRecord {
        name: "intake-gateway".into(),
        about: "Takes uploads: FHIR JSON, gzip or not, and HL7 v2".into(),
        entries: vec!["import".into(), "parse_hl7".into()],
        module_path: "targets/intake-gateway/target/module.wasm".into(),
        manifest_path: Some("targets/intake-gateway/target.toml".into()),
        abi: "bytes".into(),
        oracles: vec!["contract".into(), "complexity".into()],
        execs: 108_323,
        findings,
        contract: Some(Contract {
            profile: "browser".into(),
            terms: terms(),
            allowed: allowed(memory),
            allowed_typical: allowed(memory_typical),
            reads: vec![
                Reads {
                    entry: "import".into(),
                    kinds: vec!["fhir-json".into(), "gzip/fhir-json".into()],
                    origin: "declared".into(),
                    evidence: String::new(),
                },
                Reads {
                    entry: "parse_hl7".into(),
                    kinds: vec!["hl7v2".into()],
                    origin: "probed".into(),
                    evidence: "answers 3 of 3 sample messages and refuses the same bytes reversed; fuel rises with their length".into(),
                },
            ],
            trials,
            growth,
        }),
        ..TargetRecord::default()
    };
    target.sort_findings();
    target.verdict = target.judge();
    target
}

fn hardened() -> TargetRecord {
    let mut target = TargetRecord {
        name: "inflate-streaming".into(),
        about: "Gzip, expanded in pieces, with a bound on the ratio".into(),
        entries: vec!["inflate".into()],
        module_path: "targets/inflate-streaming/target/module.wasm".into(),
        abi: "bytes".into(),
        oracles: vec!["contract".into(), "complexity".into()],
        execs: 12,
        contract: Some(Contract {
            profile: "browser".into(),
            allowed: allowed(memory),
            reads: vec![Reads {
                entry: "inflate".into(),
                kinds: vec!["gzip".into()],
                origin: "declared".into(),
                evidence: String::new(),
            }],
            trials: vec![
                ran(
                    "inflate",
                    "gzip",
                    "bytes=1073741824",
                    1_043_656,
                    "1073741824",
                    ("rejected", 19_004_118, 2 << 20, 0),
                ),
                ran(
                    "inflate",
                    "gzip-nested",
                    "bytes=4294967296 depth=3",
                    298,
                    "4294967296",
                    ("returned", 66_220, 2 << 20, 6_777),
                ),
            ],
            ..Contract::default()
        }),
        ..TargetRecord::default()
    };
    target.verdict = target.judge();
    target
}

/// A trial that kept the contract: outcome, fuel, memory and output are its cost.
fn ran(
    entry: &str,
    family: &str,
    params: &str,
    bytes: u64,
    expanded: &str,
    (outcome, fuel_used, memory_bytes, output_bytes): (&str, u64, u64, u64),
) -> Trial {
    let typical = family.starts_with("typical");
    Trial {
        entry: entry.into(),
        family: family.into(),
        params: params.into(),
        part: if typical { "typical" } else { "worst" }.into(),
        verdict: Verdict::Pass,
        outcome: outcome.into(),
        bytes,
        expanded: expanded.into(),
        fuel: fuel_used,
        fuel_allowed: fuel(bytes),
        memory_bytes,
        memory_bytes_allowed: if typical { memory_typical(bytes) } else { memory(bytes) },
        output_bytes,
        error_bytes: if outcome == "rejected" { 61 } else { 0 },
        next_call: "same".into(),
        finding: String::new(),
        wall_ms: (fuel_used as f64 / 4e5).round() / 10.0,
    }
}

fn grown(entry: &str, shape: &str, k: f64, per_byte: Option<f64>, at: impl Fn(u64) -> Point) -> Growth {
    Growth {
        entry: entry.into(),
        shape: shape.into(),
        points: (10..=16).map(|power| Point { bytes: 1 << power, ..at(1 << power) }).collect(),
        exponent: Some(k),
        fuel_per_byte: per_byte,
        verdict: Verdict::Pass,
        ..Growth::default()
    }
}

fn finding(outcome: &str, trial: &Trial) -> Finding {
    let bucket = Bucket {
        oracle: "contract".into(),
        outcome: outcome.into(),
        frames: vec![trial.entry.clone(), trial.family.clone()],
    };
    let id = bucket.id();
    Finding {
        id: id.clone(),
        oracle: "contract".into(),
        severity: rule("contract", outcome).severity,
        bucket,
        outcome: outcome.into(),
        title: format!("{} breaks the contract with {} of {}", trial.entry, trial.family, trial.params),
        message: trial.verdict.reason().into(),
        reproducer: Reproducer::new(format!("findings/{id}.bin"), b"\x1f\x8b\x08\x00", trial.bytes),
        repro: format!("cargo xtask repro {id} --target intake-gateway"),
        found_at: FoundAt { execs: 7, seconds: 0.4 },
        hits: 1,
        confirmed: Confirmation::Reproduced,
        ..Finding::default()
    }
}

fn superlinear(growth: &Growth) -> Finding {
    let mut finding = finding("SUPERLINEAR", &Trial { entry: growth.entry.clone(), ..Trial::default() });
    finding.oracle = "complexity".into();
    finding.bucket.oracle = "complexity".into();
    finding.bucket.frames = vec![growth.entry.clone()];
    finding.id = finding.bucket.id();
    let path = format!("findings/{}.bin", finding.id);
    let input = [b"MSH|^~\\&|LAB|ACME\rPID|1||".as_slice(), &b"~7".repeat(500), b"\r"].concat();
    finding.reproducer = Reproducer::new(path, &input, 4_096);
    finding.repro = format!("cargo xtask repro {} --target intake-gateway", finding.id);
    finding.severity = rule("complexity", "SUPERLINEAR").severity;
    finding.title = "parse_hl7: fuel grows with the square of the input".into();
    finding.message = growth.verdict.reason().into();
    finding.found_at.execs = growth.executions;
    finding
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
