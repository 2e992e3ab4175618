//! One run of the executor, by build and reset: `cargo bench -p autoclave --bench executor`.
//!
//! Modules: a trivial export, one that grows its memory in every run, one that traps in every run, and every built
//! target that has seeds. Divide within one run of this program; figures of different runs do not compare.

use autoclave::executors::{Build, Engine, Executor, Reset};
use autoclave::limits::Overrides;
use autoclave::target::{Manifest, Target, find_root};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::path::Path;
use std::time::Duration;

const MODES: &[(&str, Build, Reset)] = &[
    ("plain, no reset", Build::Plain, Reset::Never),
    ("edges, no reset", Build::Fuzz, Reset::Never),
    ("edges, dirty pages", Build::Fuzz, Reset::Dirty),
    ("compare, dirty pages", Build::Compare, Reset::Dirty),
    ("edges, fresh pooled", Build::Fuzz, Reset::Fresh),
    ("plain, fresh pooled", Build::Plain, Reset::Fresh),
];

fn wat(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "memory") 1)
            (func (export "alloc") (param i32) (result i32) i32.const 1024)
            (func (export "entry") (param $p i32) (param $n i32) (result i32) {body}))"#
    );
    wat::parse_str(text).expect("a valid module")
}

/// About 500 bytes of FHIR, as the issue's bar asks for.
const PATIENT: &str = r#"{"resourceType":"Patient","id":"example","active":true,"identifier":[{"use":"usual","system":"urn:oid:1.2.36.146.595.217.0.1","value":"12345"}],"name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"nickname","given":["Jim"]}],"telecom":[{"system":"phone","value":"(03) 5555 6473","use":"work","rank":1}],"gender":"male","birthDate":"1974-12-25","deceasedBoolean":false,"address":[{"use":"home","line":["534 Erewhon St"],"city":"PleasantVille","postalCode":"3999"}]}"#;

fn bench(criterion: &mut Criterion) {
    let engine = Engine::new(None).expect("the engine starts");
    let mut cases = Vec::new();
    for (name, body) in [
        ("trivial", "local.get $p i32.load8_u"),
        ("grows", "i32.const 1 memory.grow drop i32.const 0"),
        ("traps", "unreachable"),
    ] {
        let target = Target::from_bytes(name, &wat(body), Manifest::default(), &Overrides::default());
        cases.push((target.expect("a valid target"), b"input".to_vec()));
    }
    let root = find_root(Path::new(env!("CARGO_MANIFEST_DIR")));
    for (name, input) in [
        ("fhir-json-serde", PATIENT),
        ("hl7v2-hl7-parser", "MSH|^~\\&|A|B|C|D|20200101||ADT^A01|1|P|2.5\rPID|1||12345^^^H||DOE^JANE"),
    ] {
        match Target::load(&root, name, &Overrides::default()) {
            Ok(target) => cases.push((target, input.as_bytes().to_vec())),
            Err(error) => eprintln!("left out: {error}"),
        }
    }
    for (target, input) in &cases {
        let mut group = criterion.benchmark_group(&target.name);
        group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for (mode, build, reset) in MODES {
            let executor = Executor::new(&engine, target, &target.entries[0], *build, *reset, &target.limits);
            let mut executor = executor.expect("an executor");
            group.bench_function(BenchmarkId::from_parameter(mode), |b| b.iter(|| executor.run(input)));
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
