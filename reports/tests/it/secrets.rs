//! A `ct` record as a real run would write it: entries with a ground truth, leaky and repaired, and a vendor's gateway
//! that leaks in ways of its own, with machine code looked at and a clock beside.

use autoclave_reports::constant_time::{Clocked, ConstantTime, Handled, Leak, Machine, Unreached};
use autoclave_reports::record::{Bucket, Confirmation, FoundAt, Frame, Reproducer, Run, Tool};
use autoclave_reports::rules::rule;
use autoclave_reports::{Finding, Record, Severity, TargetRecord, Verdict};

pub fn record() -> Record {
    let mut record = Record {
        tool: Tool { name: "autoclave".into(), version: "0.1.0".into() },
        run: Run {
            command: "ct".into(),
            command_line: "cargo xtask ct ct-victims vendor/gateway.wasm --timing --seed 1".into(),
            seed: 1,
            jobs: 1,
            fail_on: Severity::Low,
            ..Run::default()
        },
        targets: vec![victims(), victims_optimised(), gateway()],
        ..Record::default()
    };
    record.verdict = record.judge();
    record
}

/// Entries whose truth is known: one is a false alarm, one leaks otherwise than it should, one could not be judged.
fn victims() -> TargetRecord {
    let aes = "targets/ct-victims/src/aes_table.c";
    let lib = "targets/ct-victims/src/lib.rs";
    let codecs = "targets/ct-victims/src/codecs.rs";
    let key = hex(&bytes(16, 3));
    let other_key = hex(&bytes(16, 90));
    let tag = hex(&bytes(16, 7));
    let early = format!("{}ff{}", &tag[..10], &tag[12..]);
    let mut aes_loads: Vec<Leak> =
        ["Te0[s0 >> 24]", "Te1[(s1 >> 16) & 0xff]", "Te2[(s2 >> 8) & 0xff]", "Te3[s3 & 0xff]"]
            .iter()
            .cycle()
            .take(36)
            .enumerate()
            .map(|(at, table)| Leak {
                entry: "aes_table".into(),
                class: "load".into(),
                strong: true,
                operation: "i32.load".into(),
                operand: "address".into(),
                frames: vec![frame("encrypt_block", aes, 41 + at as u32 / 4, 0x1a2f + 12 * at as u64)],
                source: format!("    t{} = {table} ^ rk[{at}];", at % 4),
                secret_bytes: vec![(at as u32 * 5) % 16],
                secret_len: 16,
                secrets_hex: [key.clone(), other_key.clone()],
                public_hex: hex(&bytes(16, 0)),
                values: [format!("0x{:08x}", 0x10400 + 4 * at), format!("0x{:08x}", 0x105bc + 4 * at)],
                event: 204 + 7 * at as u64,
                pairs: 96,
                ..fails("a load's address depends on the secret")
            })
            .collect();
    aes_loads[0].frames.extend([
        Frame { inlined: true, ..frame("aes_encrypt", aes, 88, 0x1a2f) },
        frame("aes_table", aes, 120, 0x2001),
    ]);
    aes_loads[0].secret_bytes = (0..16).collect();
    let mut leaks = vec![Leak {
        entry: "naive_eq".into(),
        class: "branch".into(),
        strong: true,
        operation: "br_if".into(),
        operand: "condition".into(),
        frames: vec![
            Frame { inlined: true, ..frame("ct_victims::same", lib, 31, 0x8c1) },
            Frame { column: Some(12), ..frame("naive_eq", lib, 24, 0x8c1) },
        ],
        source: "        if a != b { return false; }".into(),
        secret_bytes: (0..16).collect(),
        secret_len: 16,
        secrets_hex: [tag.clone(), early],
        public_hex: tag.clone(),
        values: ["0 (goes on)".into(), "1 (taken)".into()],
        outcomes: ["result 0".into(), "result 0".into()],
        event: 41,
        pairs: 310,
        clock: "confirmed on wasmtime 48.0.1: 11.5 ns of 38.2 ns, p = 2.1e-9".into(),
        ..fails("a branch depends on the secret")
    }];
    leaks.append(&mut aes_loads);
    leaks.extend([
        Leak {
            entry: "hex_table".into(),
            class: "load".into(),
            strong: true,
            operation: "i32.load8_u".into(),
            operand: "address".into(),
            frames: vec![frame("ct_victims::codecs::hex", codecs, 55, 0x198b)],
            source: "    out.push(DIGITS[usize::from(byte >> 4)]);".into(),
            secret_bytes: (0..48).filter(|at| at % 3 != 1).collect(),
            secret_len: 48,
            secrets_hex: [hex(&bytes(48, 3)), hex(&[bytes(20, 3), bytes(2, 9), bytes(26, 25)].concat())],
            values: ["0x00100433".into(), "0x0010043a".into()],
            event: 12,
            resynchronised: true,
            pairs: 24,
            ..fails("a load's address depends on the secret")
        },
        Leak {
            entry: "rsa_window".into(),
            class: "bulk".into(),
            strong: true,
            operation: "memory.copy".into(),
            operand: "length".into(),
            frames: vec![Frame { module_offset: Some(0x4410), function: "func[112]".into(), ..Frame::default() }],
            secret_bytes: (512..1_536).chain(1_800..1_801).chain([2_047]).collect(),
            secret_len: 2_048,
            secrets_hex: [hex(&bytes(256, 3)), hex(&bytes(256, 3))],
            values: ["64".into(), "61".into()],
            event: 1_204_998,
            pairs: 2,
            ..fails("a copy's length depends on the secret")
        },
        Leak {
            entry: "select_f64".into(),
            verdict: Verdict::Warn("a selection depends on the secret, and wasmtime branches on it".into()),
            class: "select".into(),
            operation: "select".into(),
            operand: "condition".into(),
            frames: vec![frame("select_f64", lib, 210, 0xa04)],
            source: "    if secret[0] & 1 == 1 { x } else { y }".into(),
            secret_bytes: vec![0],
            secret_len: 8,
            secrets_hex: ["0000000000000000".into(), "0100000000000000".into()],
            values: ["0".into(), "1".into()],
            event: 3,
            pairs: 12,
            machine: vec!["wasmtime 48.0.1 on x86_64 makes it a conditional jump (je).".into()],
            clock: "not confirmed".into(),
            ..Leak::default()
        },
    ]);
    let run = |entry: &str, script: &str, verdict: Verdict, expected: &str| Handled {
        entry: entry.into(),
        script: script.into(),
        verdict,
        secrets: 64,
        publics: 5,
        runs: 320,
        classes: 2,
        pairs: 310,
        events: 1_204_440,
        sites_reached: 41,
        sites_total: 44,
        expected: expected.into(),
        walked_percent: Some(100),
        cpu_seconds: 0.42,
        ..Handled::default()
    };
    let fail = |why: &str| Verdict::Fail(why.into());
    let mut entries = vec![
        Handled {
            strong: 1,
            secondary: 4,
            walked_percent: Some(31),
            alone: 1,
            unreached: vec![Unreached { function: "core::slice::index::slice_end_index_len_fail".into(), sites: 3, unreached: 3 }],
            clocked: vec![clocked("wasmtime 48.0.1", "confirmed", 11.5), clocked("V8 11.3 (TurboFan)", "discarded", 3.2)],
            ..run("naive_eq", "naive_eq(secret[16], public[16]) -> result", fail("1 strong leak: branch at src/lib.rs:31"), "leak branch")
        },
        Handled {
            strong: 36,
            pairs: 96,
            ..run("aes_table", "init(secret[16]); encrypt(&public[16], &out[16]) -> out", fail("36 strong leaks: load"), "leak load")
        },
        Handled { strong: 1, classes: 1, pairs: 24, ..run("hex_table", "hex_table(secret[48])", fail("1 strong leak: load"), "leak load") },
        Handled {
            strong: 1,
            secondary: 541,
            walked_percent: Some(45),
            unmet: "no leak of class `branch` was seen".into(),
            notes: vec!["2 of 64 secrets trap: they were compared up to the trap.".into()],
            ..run("rsa_window", "k = load(secret[2048]); sign($k, public[..64])", fail("1 strong leak: bulk"), "leak branch bulk")
        },
        Handled {
            weak: 1,
            ..run("select_f64", "select_f64(secret)", Verdict::Warn("1 weak leak: select".into()), "weak select")
        },
        Handled {
            policy: "strict".into(),
            notes: vec!["The declassified result differs for every secret: it reveals it, so all secrets are compared with each other.".into()],
            ..run("subtle_eq", "subtle_eq(secret[16], public[16]) -> result", Verdict::Pass, "constant")
        },
        run("aes_fixslice", "init(secret[16]); encrypt(&public[16], &out[16]) -> out", Verdict::Pass, "constant"),
        run("lut_scan", "lut_scan(secret)", Verdict::Pass, "constant"),
        run("multiplex", "multiplex(secret[12])", fail("1 strong leak: load"), "constant"),
        Handled {
            entry: "nonce".into(),
            script: "nonce(secret[16])".into(),
            verdict: Verdict::NotTested("the same secret twice gives different traces: it uses random numbers of the host".into()),
            expected: "constant".into(),
            ..Handled::default()
        },
    ];
    entries[8].strong = 1;
    finish(
        TargetRecord {
            name: "ct-victims".into(),
            about: "Leaky and repaired code with a known answer".into(),
            module_path: "targets/ct-victims/target/module.wasm".into(),
            manifest_path: Some("targets/ct-victims/target.toml".into()),
            ..TargetRecord::default()
        },
        ConstantTime {
            policy: "relaxed".into(),
            entries,
            leaks,
            scanned: vec!["wasmtime 48.0.1, x86_64".into()],
            machine: vec![
                machine("select (f64)", 8, 8, 0, 1),
                machine("f64.min", 3, 3, 0, 0),
                machine("i32.rem_s", 2, 2, 2, 0),
            ],
        },
    )
}

/// Some of the same entries in another build: the compiler made a branch of a mask.
fn victims_optimised() -> TargetRecord {
    let entry = |name: &str, verdict: Verdict| Handled {
        entry: name.into(),
        script: format!("{name}(secret)"),
        verdict,
        secrets: 64,
        publics: 1,
        runs: 64,
        classes: 1,
        pairs: 3,
        events: 640,
        sites_reached: 9,
        sites_total: 9,
        walked_percent: Some(60),
        ..Handled::default()
    };
    let leak = Leak {
        entry: "lut_scan".into(),
        class: "branch".into(),
        strong: true,
        operation: "br_table".into(),
        operand: "index".into(),
        frames: vec![frame("lut_scan", "targets/ct-victims/src/lib.rs", 77, 0x99)],
        secret_bytes: vec![0],
        secret_len: 4,
        secrets_hex: ["00000000".into(), "05000000".into()],
        values: ["0".into(), "5".into()],
        pairs: 3,
        ..fails("the index of br_table depends on the secret")
    };
    let entries = vec![
        entry("aes_fixslice", Verdict::Pass),
        Handled { strong: 1, ..entry("lut_scan", Verdict::Fail("the index of br_table depends on the secret".into())) },
        entry("subtle_eq", Verdict::Pass),
    ];
    finish(
        TargetRecord {
            name: "ct-victims-o3".into(),
            module_path: "targets/ct-victims-o3/target/module.wasm".into(),
            manifest_path: Some("targets/ct-victims-o3/target.toml".into()),
            ..TargetRecord::default()
        },
        ConstantTime { policy: "strict".into(), entries, leaks: vec![leak], ..ConstantTime::default() },
    )
}

fn gateway() -> TargetRecord {
    let expired = "a8b1c2d3e4f5061728394a5b6c7d8e9f";
    let leaks = vec![
        Leak {
            entry: "check_token".into(),
            class: "trap".into(),
            strong: true,
            operation: "unreachable".into(),
            operand: "reached".into(),
            frames: vec![Frame {
                module_offset: Some(0x77aa),
                function: "gateway::token::parse".into(),
                ..Frame::default()
            }],
            secret_len: 16,
            secrets_hex: [expired.into(), hex(&bytes(16, 200))],
            public_hex: hex(&bytes(256, 1)),
            values: ["returned".into(), "trapped".into()],
            event: 900,
            pairs: 1,
            ..fails("one secret traps, another does not")
        },
        Leak {
            entry: "decode".into(),
            verdict: Verdict::NotApplicable("base64 of a public certificate: not a secret in this product".into()),
            class: "load".into(),
            strong: true,
            operation: "i32.load8_u".into(),
            operand: "address".into(),
            frames: vec![frame("base64::decode", "vendor/src/base64.rs", 91, 0x3001)],
            source: "let value = TABLE[byte as usize];".into(),
            secret_bytes: vec![0, 1, 2, 3],
            secret_len: 4,
            secrets_hex: ["41414141".into(), "42414141".into()],
            values: ["0x1041".into(), "0x1042".into()],
            event: 9,
            pairs: 30,
            ..Leak::default()
        },
    ];
    let entries = vec![
        Handled {
            entry: "check_token".into(),
            script: "check_token(public[300], secret[16]) -> result".into(),
            verdict: Verdict::Fail("1 strong leak: trap".into()),
            secrets: 40,
            publics: 3,
            runs: 120,
            classes: 3,
            pairs: 77,
            alone: 12,
            events: 88_200_000,
            sites_reached: 210,
            sites_total: 911,
            strong: 1,
            walked_percent: Some(98),
            unreached: (0..40)
                .map(|at| Unreached { function: format!("gateway::claims::rule{at}"), sites: 60, unreached: 40 - at })
                .collect(),
            clocked: vec![clocked("wasmtime 48.0.1", "not confirmed", 0.3)],
            ..Handled::default()
        },
        Handled {
            entry: "decode".into(),
            script: "decode(secret[4])".into(),
            verdict: Verdict::Pass,
            secrets: 40,
            publics: 1,
            runs: 40,
            classes: 1,
            pairs: 30,
            events: 9_000,
            sites_reached: 30,
            sites_total: 30,
            allowed: 1,
            walked_percent: Some(100),
            ..Handled::default()
        },
    ];
    finish(
        TargetRecord { name: "gateway".into(), module_path: "vendor/gateway.wasm".into(), ..TargetRecord::default() },
        ConstantTime { policy: "strict".into(), entries, leaks, ..ConstantTime::default() },
    )
}

/// Findings of what fails and warns, one for each entry and class, and the verdict.
fn finish(mut target: TargetRecord, mut section: ConstantTime) -> TargetRecord {
    for leak in &mut section.leaks {
        if matches!(leak.verdict, Verdict::NotApplicable(_)) {
            continue;
        }
        let outcome = leak.class.to_ascii_uppercase();
        let bucket = Bucket {
            oracle: "constant-time".into(),
            outcome: outcome.clone(),
            frames: vec![leak.entry.clone(), leak.frames[0].function.clone()],
        };
        leak.finding = bucket.id();
        if let Some(known) = target.findings.iter_mut().find(|known| known.id == leak.finding) {
            known.hits += 1;
            continue;
        }
        // What a clock confirms is worse than its rule says.
        let confirmed = leak.clock.starts_with("confirmed");
        let rule = rule("constant-time", &outcome);
        target.findings.push(Finding {
            id: bucket.id(),
            oracle: "constant-time".into(),
            severity: if confirmed { Severity::High } else { rule.severity },
            outcome,
            title: format!("{}: {} of {} depends on the secret", leak.entry, leak.operand, leak.operation),
            message: format!("{} with secret A, {} with secret B", leak.values[0], leak.values[1]),
            frames: leak.frames.clone(),
            reproducer: Reproducer::new(format!("findings/{}.bin", bucket.id()), b"\0\x01\x02\x03", 4),
            repro: format!("cargo xtask repro {} --target {}", bucket.id(), target.name),
            found_at: FoundAt { execs: leak.pairs, seconds: 0.2 },
            hits: 1,
            confirmed: Confirmation::Reproduced,
            bucket,
            ..Finding::default()
        });
    }
    target.abi = "calls".into();
    target.oracles = vec!["constant-time".into()];
    target.entries = section.entries.iter().map(|entry| entry.entry.clone()).collect();
    target.execs = section.entries.iter().map(|entry| entry.runs).sum();
    target.constant_time = Some(section);
    target.sort_findings();
    target.verdict = target.judge();
    target
}

fn fails(why: &str) -> Leak {
    Leak { verdict: Verdict::Fail(why.into()), ..Leak::default() }
}

fn frame(function: &str, file: &str, line: u32, offset: u64) -> Frame {
    Frame {
        function: function.into(),
        file: Some(file.into()),
        line: Some(line),
        column: None,
        module_offset: Some(offset),
        inlined: false,
    }
}

fn machine(operation: &str, sites: u64, jumps: u64, divisions: u64, diverged: u64) -> Machine {
    Machine { engine: "wasmtime 48.0.1, x86_64".into(), operation: operation.into(), sites, jumps, divisions, diverged }
}

fn clocked(host: &str, outcome: &str, effect_ns: f64) -> Clocked {
    Clocked {
        host: host.into(),
        outcome: outcome.into(),
        pairs: 20_000,
        calls: 64,
        effect_ns,
        interval_ns: [-0.7, 0.8].map(|side| ((effect_ns + side) * 10.0).round() / 10.0),
        call_ns: 38.2,
        p: if outcome == "confirmed" { 2.1e-9 } else { 0.31 },
        control_p: if outcome == "discarded" { 4e-4 } else { 0.62 },
        control_effect_ns: if outcome == "discarded" { 2.9 } else { 0.1 },
    }
}

/// Bytes that look like a key, the same every time.
fn bytes(len: u32, seed: u32) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 17) as u8).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
