//! A `boundary` record as a real run would write it: a package with the known faults of generated glue, its hardened twin,
//! and a vendor's package of another kind of which little could be called.

use autoclave_reports::boundary::{
    Boundary, BuildRow, CLASSES, CapabilityRow, Card, ClassRow, Feature, GlueFacts, HostRow, ImportRow, Known,
    OperationRow, PackageFile, PageRow, Policy, Profile, RateRow, Replay, outcome, severity, severity_reason,
};
use autoclave_reports::record::{Bucket, Confirmation, FoundAt, LimitRow, Reproducer, Run, Tool};
use autoclave_reports::{Finding, Record, Severity, TargetRecord, Verdict};

const NODE: &str = "Node 20.20.2 (V8 11.3)";
const CHROMIUM: &str = "Chromium 156 (V8 15.6)";

pub fn record() -> Record {
    let mut record = Record {
        tool: Tool { name: "autoclave".into(), version: "0.1.0".into() },
        run: Run {
            command: "boundary".into(),
            command_line: "cargo xtask boundary glue-victim glue-hardened vendor/dicom-codec-2.1.0.tgz --host node,chromium --seed 1".into(),
            seed: 1,
            jobs: 1,
            fail_on: Severity::Low,
            ..Run::default()
        },
        limits: vec![LimitRow {
            name: "tape_seconds_max".into(),
            value: 1,
            unit: "seconds".into(),
            reason: "a call that a user waits for".into(),
        }],
        targets: vec![victim(), hardened(), codec()],
        ..Record::default()
    };
    record.verdict = record.judge();
    record
}

/// One row of what stock glue does wrong.
struct Row {
    class: &'static str,
    operation: &'static str,
    profile: Profile,
    key: &'static str,
    what: &'static str,
    js: &'static str,
    json: &'static str,
    stack: &'static str,
    deployed: [&'static str; 2],
}

const ROWS: &[Row] = &[
    Row {
        class: "stale",
        operation: "unescape",
        profile: Profile::Hostile,
        key: "result",
        what: "The result holds QZCANARYAAAA, which was given to parse() in the call before, and 4 KiB around it. A valueOf inside the array let the memory grow while the glue was writing; the writes were lost, and what had been there came back.",
        js: r#"g.parse("{\"resourceType\":\"Patient\",\"ssn\":\"QZCANARYAAAA\"}");
const a0 = g.unescape([{ valueOf() { memory.grow(1); return 65; } }, 66, 67]);
"#,
        json: r#"{"version":1,"ops":[{"call":"parse","args":[{"text":"{\"resourceType\":\"Patient\",\"ssn\":\"\uf8ff\"}"}]},{"call":"unescape","args":[{"array":[{"valueOf":{"pages":1},"value":65},66,67]}]}]}"#,
        stack: "",
        deployed: ["stale: the canary of call 0 in result[0..12]", "stale: the canary of call 0 in result[0..12]"],
    },
    Row {
        class: "forged",
        operation: "Store.len",
        profile: Profile::Json,
        key: "__wbg_ptr",
        what: "Object.assign with parsed JSON replaced the object's pointer by 1048600. len() believed it and returned 12591220, which is what stands there in the module's memory.",
        js: r#"const a0 = new g.Store();
Object.assign(a0, { [Object.keys(a0)[0]]: 1048600 });
a0.len();
"#,
        json: r#"{"version":1,"ops":[{"new":"Store","args":[]},{"assign":{"slot":0,"name":"__wbg_ptr","value":1048600}},{"call":"Store.len","this":0,"args":[]}]}"#,
        stack: "",
        deployed: ["len() returned 12591220", "len() returned 12591220"],
    },
    Row {
        class: "poisoned",
        operation: "normalize",
        profile: Profile::Hostile,
        key: "normalize",
        what: "An array-like whose length reads 1 and then 64 made the glue write 63 bytes behind its allocation. Two calls later normalize() trapped, and the same instance answered again.",
        js: r#"g.unescape({ 0: 255, get length() { return next(1, 64); } });
g.normalize("Anna");
g.normalize("Anna");
"#,
        json: r#"{"version":1,"ops":[{"call":"unescape","args":[{"lengths":[1,64],"items":[255]}]},{"call":"normalize","args":["Anna"]},{"call":"normalize","args":["Anna"]}]}"#,
        stack: "",
        deployed: ["normalize() returned \"ANNA\" after a trap", ""],
    },
    Row {
        class: "growth",
        operation: "unescape",
        profile: Profile::Json,
        key: "text",
        what: "20 bytes of JSON made linear memory grow from 1.1 to 738 MiB in one call: the length is believed before a single item is read. It never shrinks again.",
        js: r#"g.unescape({ length: 200000000 });
"#,
        json: r#"{"version":1,"ops":[{"call":"unescape","args":[{"object":{"length":200000000}}]}]}"#,
        stack: "",
        deployed: ["18 pages became 11,808", "refused: the tab's limit is 256 pages"],
    },
    Row {
        class: "trap",
        operation: "normalize",
        profile: Profile::Json,
        key: "memory access out of bounds",
        what: "normalize(5) ends in a trap instead of a TypeError: the glue reads .length of a number and passes undefined on.",
        js: r#"g.normalize(5);
"#,
        json: r#"{"version":1,"ops":[{"call":"normalize","args":[5]}]}"#,
        stack: "RuntimeError: memory access out of bounds\n    at glue_victim.wasm.core::str::converts::from_utf8 (wasm://wasm/glue_victim.wasm-0041b2d6:wasm-function[118]:0x8c2f)\n    at glue_victim.wasm.normalize (wasm://wasm/glue_victim.wasm-0041b2d6:wasm-function[31]:0x1d07)\n    at normalize (glue_victim.js:212:18)",
        deployed: ["RuntimeError: memory access out of bounds", "RuntimeError: memory access out of bounds"],
    },
    Row {
        class: "leak",
        operation: "normalize",
        profile: Profile::Json,
        key: "pages",
        what: "Each call takes 64 KiB and gives nothing back: 48 repetitions, all objects freed and collected, 18 pages became 66. The conversion throws after it has allocated.",
        js: r#"g.normalize({ length: 65536 });
"#,
        json: r#"{"version":1,"ops":[{"call":"normalize","args":[{"object":{"length":65536}}]}]}"#,
        stack: "TypeError: arg.charCodeAt is not a function\n    at passStringToWasm0 (glue_victim.js:88:26)\n    at normalize (glue_victim.js:210:22)",
        deployed: ["1 page for each call", "1 page for each call"],
    },
    Row {
        class: "time",
        operation: "normalize",
        profile: Profile::Hostile,
        key: "normalize",
        what: "charCodeAt answers -1, the bytes that the glue writes are no UTF-8, and to_uppercase() walks on without end. The host was ended after 1 s.",
        js: r#"g.normalize({ length: 3, charCodeAt: () => { return -1; }, slice: () => { return ""; } });
"#,
        json: r#"{"version":1,"ops":[{"call":"normalize","args":[{"object":{"length":3,"charCodeAt":{"callback":{},"value":-1},"slice":{"callback":{},"value":""}}}]}]}"#,
        stack: "",
        deployed: ["ended after 1 s", "the worker was terminated after 1 s"],
    },
    Row {
        class: "collision",
        operation: "Store.set",
        profile: Profile::Typed,
        key: "id",
        what: "Two identifiers, U+D800 and U+DFFF, are the same one for the module: both arrive as U+FFFD, and the second patient overwrites the first.",
        js: r#"const a0 = new g.Store();
a0.set("\ud800", "A");
a0.set("\udfff", "B");
a0.get("\ud800"); // "B"
"#,
        json: r#"{"version":1,"ops":[{"new":"Store","args":[]},{"call":"Store.set","this":0,"args":[{"units":[55296]},"A"]},{"call":"Store.set","this":0,"args":[{"units":[57343]},"B"]},{"call":"Store.get","this":0,"args":[{"units":[55296]}]}]}"#,
        stack: "",
        deployed: ["get() returned \"B\"", "get() returned \"B\""],
    },
    Row {
        class: "range",
        operation: "dose",
        profile: Profile::Typed,
        key: "micrograms",
        what: "4294967303 was taken as 7: the parameter is u32 inside, and the glue wraps what does not fit.",
        js: r#"g.dose(4294967303);
"#,
        json: r#"{"version":1,"ops":[{"call":"dose","args":[4294967303]}]}"#,
        stack: "",
        deployed: ["returned 7", "returned 7"],
    },
    Row {
        class: "residue",
        operation: "parse",
        profile: Profile::Typed,
        key: "parse",
        what: "After parse() had returned and everything was freed and collected, QZCANARYAAAA of its argument was still in linear memory at 1,118,440, and a copy in upper case at 1,131,008.",
        js: r#"g.parse("{\"family\":\"QZCANARYAAAA\"}");
"#,
        json: r#"{"version":1,"ops":[{"call":"parse","args":[{"text":"{\"family\":\"\uf8ff\"}"}]}]}"#,
        stack: "",
        deployed: ["two copies in memory", "two copies in memory"],
    },
];

fn victim() -> TargetRecord {
    let mut target = TargetRecord {
        name: "glue-victim".into(),
        about: "Stock glue around a store of patients, with every known fault".into(),
        module_path: "targets/glue-victim/target/pkg/glue_victim_bg.wasm".into(),
        manifest_path: Some("targets/glue-victim/target.toml".into()),
        ..TargetRecord::default()
    };
    let operation = |name: &str, signature: &str, counts: [u64; 4]| OperationRow {
        name: name.into(),
        signature: signature.into(),
        returned: counts[0],
        threw: counts[1],
        trapped: counts[2],
        skipped: counts[3],
        never_succeeded: None,
    };
    let mut section = Boundary {
        hosts: vec![
            HostRow {
                layout: "tail".into(),
                layout_reason: "behind the initial memory: this V8 has no multi-memory".into(),
                deaths: vec![
                    "It did not answer for 1 s and was ended: normalize() with an object whose charCodeAt is a function.".into(),
                    "It grew beyond 512 MiB and was ended: unescape() with an array-like of length 4294967295.".into(),
                ],
                replayed: 10,
                confirmed: 10,
                ..host(NODE, 412_880, 4_812)
            },
            HostRow {
                layout: "memory".into(),
                layout_reason: "in a memory of their own".into(),
                replayed: 10,
                confirmed: 8,
                cpu_seconds: 6.1,
                tapes_per_cpu_second: 1_310.0,
                ..host(CHROMIUM, 8_000, 4_402)
            },
            HostRow {
                name: "Firefox".into(),
                not_tested: "no Firefox found: apt-get install firefox-esr".into(),
                ..HostRow::default()
            },
        ],
        glue: glue("glue_victim", 258_211),
        operations: vec![
            operation("parse", "parse(text: string): any", [61_220, 180_114, 41, 0]),
            operation("normalize", "normalize(text: string): string", [90_077, 12, 1_204, 0]),
            operation("unescape", "unescape(bytes: Uint8Array): Uint8Array", [44_310, 902, 77, 0]),
            operation("dose", "dose(micrograms: number): number", [88_040, 0, 0, 0]),
            operation("Store.new", "new Store()", [71_900, 0, 0, 0]),
            operation("Store.set", "store.set(id: string, value: string): void", [60_231, 31, 402, 881]),
            operation("Store.get", "store.get(id: string): string | undefined", [59_118, 12, 388, 881]),
            operation("Store.len", "store.len(): number", [58_760, 0, 71, 881]),
            operation("Store.each", "store.each(callback: Function): void", [31_900, 20_114, 9, 881]),
            operation("Store.free", "store.free(): void", [44_002, 118, 0, 12_870]),
        ],
        imports: imports(&[
            ("__wbindgen_placeholder__", "__wbindgen_throw", "intrinsic", Policy::Allowed),
            ("__wbindgen_placeholder__", "__wbindgen_string_get", "intrinsic", Policy::Allowed),
            ("__wbindgen_placeholder__", "__wbg_now_d3cbc9581625f686", "clock", Policy::Unknown),
            ("__wbindgen_placeholder__", "__wbg_newnoargs_105ed471475aaf50", "code generation", Policy::Refused),
        ]),
        capabilities: vec![
            CapabilityRow {
                category: "clock".into(),
                file: "glue_victim.js".into(),
                line: Some(301),
                source: "    const ret = Date.now();".into(),
                known: Known::InTextAndUse,
                policy: Policy::Unknown,
                finding: String::new(),
            },
            CapabilityRow {
                category: "code generation".into(),
                file: "glue_victim.js".into(),
                line: Some(288),
                source: "    const ret = new Function(getStringFromWasm0(arg0, arg1));".into(),
                known: Known::InText,
                policy: Policy::Refused,
                finding: String::new(),
            },
        ],
        page: vec![
            page("csp", Verdict::Pass, "Loads under 'self' 'wasm-unsafe-eval' without 'unsafe-eval'."),
            page("trusted-types", Verdict::Pass, "Loads with require-trusted-types-for 'script'."),
            page(
                "content-type",
                Verdict::Fail("a wrong type is only warned about".into()),
                "Served as text/plain, the glue wrote a warning to the console and went on with a slower way of loading.",
            ),
            page(
                "integrity",
                Verdict::NotTested("the page names no integrity for the module".into()),
                "No <link> or fetch with integrity was seen.",
            ),
        ],
        rates: rates(),
        notes: vec!["boundary.toml narrows nothing: every value of the declared types was tried.".into()],
        ..Boundary::default()
    };
    for (at, row) in ROWS.iter().enumerate() {
        find(&mut target, &mut section, row, at as u64);
    }
    section.cards[0].remedy = "In glue_victim.js, passArray8ToWasm0 takes the view of memory before it converts: take Uint8Array.from(arg) first.".into();
    section.classes = CLASSES
        .iter()
        .map(|class| {
            let findings = section.cards.iter().filter(|card| card.class == class.name).count() as u64;
            let verdict = match (class.name, findings) {
                ("residue", 1) => Verdict::Warn("1 finding, reported for information".into()),
                (_, 0) => Verdict::Pass,
                (_, n) => Verdict::Fail(format!("{n} finding")),
            };
            ClassRow { class: class.name.into(), verdict, findings }
        })
        .collect();
    finish(target, section)
}

/// The same package behind a wrapper that checks, copies, hides and resets: nothing is left to find.
fn hardened() -> TargetRecord {
    let target = TargetRecord {
        name: "glue-hardened".into(),
        module_path: "targets/glue-hardened/target/pkg/glue_hardened_bg.wasm".into(),
        manifest_path: Some("targets/glue-hardened/target.toml".into()),
        ..TargetRecord::default()
    };
    let section = Boundary {
        hosts: vec![HostRow { layout: "tail".into(), ..host(NODE, 388_104, 4_690) }],
        glue: glue("glue_hardened", 251_004),
        operations: ["parse", "normalize", "unescape", "dose", "Store.new", "Store.set"]
            .map(|name| OperationRow { name: name.into(), returned: 41_000, threw: 90_112, ..OperationRow::default() })
            .into(),
        imports: imports(&[("__wbindgen_placeholder__", "__wbindgen_throw", "intrinsic", Policy::Allowed)]),
        classes: CLASSES
            .iter()
            .map(|class| ClassRow {
                class: class.name.into(),
                verdict: match class.name {
                    "host" => Verdict::NotTested("one host only: add --host node,chromium".into()),
                    _ => Verdict::Pass,
                },
                findings: 0,
            })
            .collect(),
        ..Boundary::default()
    };
    finish(target, section)
}

/// A vendor's package with Emscripten's glue: most of it needs images that the run did not have.
fn codec() -> TargetRecord {
    let target = TargetRecord {
        name: "dicom-codec".into(),
        module_path: "vendor/dicom-codec-2.1.0/dist/codec.wasm".into(),
        ..TargetRecord::default()
    };
    let idle = |name: &str, signature: &str, why: &str, threw: u64| OperationRow {
        name: name.into(),
        signature: signature.into(),
        threw,
        never_succeeded: Some(why.into()),
        ..OperationRow::default()
    };
    let mut operations = vec![
        OperationRow {
            name: "version".into(),
            signature: "version(): string".into(),
            returned: 9_001,
            ..OperationRow::default()
        },
        idle(
            "Decoder.decode",
            "decoder.decode(): FrameInfo",
            "every call threw: no image is set, and no seed is one",
            12_004,
        ),
        idle("Decoder.frame", "decoder.frame(index: number): Uint8Array", "needs a decoded image", 11_872),
        OperationRow {
            skipped: 400,
            ..idle("onRuntimeInitialized", "onRuntimeInitialized(): void", "the member is not there after loading", 0)
        },
    ];
    operations.extend((0..32).map(|at| OperationRow {
        name: format!("HEAP{at}.get"),
        signature: format!("heap{at}.get(index: number): number"),
        returned: 1_000 + at,
        ..OperationRow::default()
    }));
    let section = Boundary {
        hosts: vec![HostRow {
            layout: "globals".into(),
            layout_reason: "in globals: its allocator takes all of the initial memory, and this V8 has no multi-memory"
                .into(),
            ..host(NODE, 30_112, 904)
        }],
        glue: GlueFacts {
            kind: "Emscripten, modularised".into(),
            evidence: "codec.js assigns a factory with `ENVIRONMENT_IS_NODE`".into(),
            entry: "dist/codec.js".into(),
            files: vec![file("dist/codec.js", 188_020), file("dist/codec.wasm", 512_004)],
            module: "dist/codec.wasm".into(),
            sha256: hex(9),
            builds: vec![BuildRow { layout: "globals".into(), sha256: hex(10), bytes: 1_204_118, counters: 9_114 }],
            declarations: vec!["the module's own types: 36 exports".into()],
            policy: Some("policy/browser.toml".into()),
            profiles: vec![Profile::Typed, Profile::Json],
            ..GlueFacts::default()
        },
        operations,
        imports: imports(&[
            ("a", "a", "intrinsic", Policy::Allowed),
            ("a", "emscripten_run_script", "code generation", Policy::Refused),
        ]),
        classes: vec![
            ClassRow { class: "trap".into(), verdict: Verdict::Pass, findings: 0 },
            ClassRow {
                class: "late".into(),
                verdict: Verdict::NotApplicable("this glue registers no finalizers".into()),
                findings: 0,
            },
        ],
        ..Boundary::default()
    };
    finish(target, section)
}

/// The finding of a row, and its card.
fn find(target: &mut TargetRecord, section: &mut Boundary, row: &Row, at: u64) {
    let outcome = outcome(row.class);
    let bucket = Bucket {
        oracle: "boundary".into(),
        outcome: outcome.clone(),
        frames: vec![row.operation.into(), row.key.into()],
    };
    let id = bucket.id();
    let severity = severity(row.class, row.profile);
    let hosts = [NODE, CHROMIUM].iter().zip(row.deployed).map(|(host, deployed)| Replay {
        host: (*host).into(),
        verdict: match deployed {
            "" => Verdict::NotTested("the batch before it ended the tab".into()),
            text if text.starts_with("refused") => Verdict::Pass,
            text => Verdict::Fail(text.into()),
        },
        instrumented: if row.class == "time" {
            "a trap: the memory may not grow further".into()
        } else {
            deployed.into()
        },
        deployed: deployed.into(),
    });
    section.cards.push(Card {
        finding: id.clone(),
        class: row.class.into(),
        operation: row.operation.into(),
        profile: row.profile,
        json_reachable: row.profile != Profile::Hostile,
        severity,
        severity_reason: severity_reason(row.class, row.profile),
        what: row.what.into(),
        stack: row.stack.into(),
        tape_js: row.js.into(),
        tape_json: row.json.into(),
        ops: row.json.matches("\"call\"").count() as u64,
        ops_found: 7 + at,
        hosts: hosts.collect(),
        repro: format!("findings/{id}/repro.mjs"),
        remedy: String::new(),
    });
    target.findings.push(Finding {
        id: id.clone(),
        oracle: "boundary".into(),
        severity,
        outcome,
        title: format!("{}: {}", row.operation, row.what.split(". ").next().unwrap_or_default()),
        message: row.what.into(),
        decoded: Some(row.js.into()),
        reproducer: Reproducer::new(format!("findings/{id}/tape.bin"), &[0xa7, 1, 2, 0], 64 + at),
        repro: format!("cargo xtask repro {id} --target {}", target.name),
        found_at: FoundAt { execs: 16 + 411 * at, seconds: 0.2 },
        hits: 3 + at,
        confirmed: Confirmation::Reproduced,
        bucket,
        ..Finding::default()
    });
}

fn finish(mut target: TargetRecord, section: Boundary) -> TargetRecord {
    target.abi = "glue".into();
    target.oracles = vec!["boundary".into()];
    target.entries = section.operations.iter().map(|operation| operation.name.clone()).collect();
    target.execs = section.hosts.iter().map(|host| host.tapes).sum();
    target.edges_found = section.hosts[0].counters_reached;
    target.edges_total = section.hosts[0].counters_total;
    target.sha256 = section.glue.sha256.clone();
    target.boundary = Some(section);
    target.sort_findings();
    if let Some(section) = &mut target.boundary {
        let order = |id: &str| target.findings.iter().position(|finding| finding.id == id);
        section.cards.sort_by_key(|card| order(&card.finding));
    }
    target.verdict = target.judge();
    target
}

fn host(name: &str, tapes: u64, counters_reached: u64) -> HostRow {
    let can = ["bigint", "simd", "resizable", "shared"].map(|name| (name, true));
    let cannot = ["multi-memory", "exnref", "memory64"].map(|feature| (feature, name != NODE));
    HostRow {
        name: name.into(),
        features: can
            .iter()
            .chain(&cannot)
            .map(|(name, present)| Feature { name: (*name).into(), present: *present })
            .collect(),
        tapes,
        calls: tapes * 5 + 17,
        instances: tapes / 190,
        counters_reached,
        counters_total: 5_087,
        cpu_seconds: 171.4,
        tapes_per_cpu_second: 2_408.9,
        ..HostRow::default()
    }
}

fn glue(stem: &str, bytes: u64) -> GlueFacts {
    GlueFacts {
        kind: "wasm-bindgen 0.2.130, --target nodejs".into(),
        evidence: "package.json has no `type`, and the entry reads its module with fs".into(),
        entry: format!("{stem}.js"),
        files: vec![
            file(&format!("{stem}.js"), 14_220),
            file(&format!("{stem}.d.ts"), 2_016),
            file(&format!("{stem}_bg.wasm"), 172_400),
            file("package.json", 311),
        ],
        module: format!("{stem}_bg.wasm"),
        sha256: hex(bytes as u8),
        builds: vec![
            BuildRow { layout: "tail".into(), sha256: hex(bytes as u8 + 1), bytes, counters: 5_087 },
            BuildRow { layout: "memory".into(), sha256: hex(bytes as u8 + 2), bytes: bytes + 90, counters: 5_087 },
        ],
        declarations: vec![
            format!("{stem}.d.ts: 10 operations"),
            format!("{stem}.js: ranges of 3 parameters"),
            format!("{stem}_bg.wasm: arity and widths"),
        ],
        narrowed_by: None,
        policy: None,
        profiles: Profile::ALL.to_vec(),
    }
}

fn rates() -> Vec<RateRow> {
    let row = |host: &str, way: &str, per_second: f64, of_first: f64| RateRow {
        host: host.into(),
        way: way.into(),
        per_second,
        of_first,
    };
    vec![
        row(NODE, "as deployed, in a loop", 181_000.0, 1.0),
        row(NODE, "with counters, not read", 132_000.0, 0.73),
        row(NODE, "counters evaluated, in a loop", 96_400.0, 0.53),
        row(NODE, "through the pipe, batch 1", 21_900.0, 0.12),
        row(NODE, "through the pipe, batch 256", 81_300.0, 0.45),
        row(CHROMIUM, "as deployed, in a loop", 164_000.0, 1.0),
        row(CHROMIUM, "counters evaluated, in a loop", 48_000.0, 0.29),
    ]
}

fn imports(rows: &[(&str, &str, &str, Policy)]) -> Vec<ImportRow> {
    let row = |(module, name, category, policy): &(&str, &str, &str, Policy)| ImportRow {
        module: (*module).into(),
        name: (*name).into(),
        category: (*category).into(),
        policy: *policy,
    };
    rows.iter().map(row).collect()
}

fn page(name: &str, verdict: Verdict, what: &str) -> PageRow {
    PageRow { name: name.into(), verdict, what: what.into() }
}

fn file(path: &str, bytes: u64) -> PackageFile {
    PackageFile { path: path.into(), sha256: hex(path.len() as u8), bytes }
}

/// A digest that looks like one, the same every time.
fn hex(seed: u8) -> String {
    (0..32_u32).map(|at| format!("{:02x}", (at + 7 * u32::from(seed) + 1).wrapping_mul(2_654_435_761) >> 24)).collect()
}

/// The classes that hosts report are those that reports explain, in the same order and with the same oracle.
#[test]
fn every_class_of_the_protocol_is_explained() {
    let wire = concat!(env!("CARGO_MANIFEST_DIR"), "/../harness/boundary/src/wire.rs");
    let source = std::fs::read_to_string(wire).unwrap();
    let table = source.split("pub const CLASSES").nth(1).and_then(|rest| rest.split("];").next()).unwrap();
    let reported: Vec<(&str, &str)> = table
        .lines()
        .filter_map(|line| {
            let mut fields = line.trim().strip_prefix("(\"")?.split("\", \"");
            Some((fields.next()?, fields.next()?))
        })
        .collect();
    let explained: Vec<(&str, &str)> = CLASSES.iter().map(|class| (class.name, class.oracle)).collect();
    assert_eq!(reported, explained);
}
