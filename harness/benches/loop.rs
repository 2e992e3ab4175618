//! The whole loop, executions per second: `cargo bench -p autoclave --bench loop`.
//!
//! A trivial export, and every built target of a JSON format from one document, with dirty pages restored and with a
//! fresh pooled instance per input. Each measurement is a job of its own with a fixed seed, start-up left out.

use autoclave::engine::{Clock, Guest, Options, Stop, fuzz};
use autoclave::executors::{Engine, Reset};
use autoclave::limits::Overrides;
use autoclave::target::{Manifest, Target, find_root};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::path::Path;
use std::time::{Duration, Instant};

/// Executions per measurement: start-up of the loop is below a thousandth.
const EXECUTIONS: u64 = 100_000;

const TRIVIAL: &str = r#"(module (memory (export "memory") 1)
    (func (export "alloc") (param i32) (result i32) i32.const 1024)
    (func (export "entry") (param $p i32) (param $n i32) (result i32) local.get $p i32.load8_u))"#;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"example","active":true,"identifier":[{"use":"usual","system":"urn:oid:1.2.36.146.595.217.0.1","value":"12345"}],"name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"nickname","given":["Jim"]}],"telecom":[{"system":"phone","value":"(03) 5555 6473","use":"work","rank":1}],"gender":"male","birthDate":"1974-12-25","deceasedBoolean":false,"address":[{"use":"home","line":["534 Erewhon St"],"city":"PleasantVille","postalCode":"3999"}]}"#;

fn bench(criterion: &mut Criterion) {
    let engine = Engine::new(None).expect("the engine starts");
    let trivial = wat::parse_str(TRIVIAL).expect("a valid module");
    let mut cases = vec![(
        Target::from_bytes("trivial", &trivial, Manifest::default(), &Overrides::default()).expect("a valid target"),
        Vec::new(),
    )];
    let root = find_root(Path::new(env!("CARGO_MANIFEST_DIR")));
    for name in ["fhir-json-serde", "fhir-json-fhirbolt"] {
        if let Ok(target) = Target::load(&root, name, &Overrides::default()) {
            cases.push((target, PATIENT.as_bytes().to_vec()));
        }
    }
    let mut group = criterion.benchmark_group("loop");
    group.throughput(Throughput::Elements(EXECUTIONS)).sample_size(10).measurement_time(Duration::from_secs(8));
    for (target, seed) in &cases {
        for (name, reset) in [("dirty pages", Reset::Dirty), ("fresh pooled", Reset::Fresh)] {
            let mut guest =
                Guest::new(&engine, target, &target.entries[0], reset, &target.limits).expect("a target that runs");
            group.bench_function(BenchmarkId::new(&target.name, name), |bencher| {
                bencher.iter_custom(|times| {
                    let started = Instant::now();
                    for turn in 0..times {
                        let options = Options {
                            seed: turn,
                            input_bytes_max: 4_096,
                            seeds: vec![seed.clone()],
                            stop: Stop { executions_max: Some(EXECUTIONS), ..Stop::default() },
                            clock: Clock::Ignored,
                            ..Options::default()
                        };
                        fuzz(&mut guest, &options, &mut |_| {}).expect("a loop that runs");
                    }
                    started.elapsed()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
