//! How fast tapes are mutated, generated, written and read.

use autoclave_boundary::api::{Api, Kind, Operation, Param, Type, id};
use autoclave_boundary::tape::{Generator, JsVal, Mutator, Op, Profile, Seeds, Tape};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// `parse(text: string): string`, and a class with a method.
fn api() -> Api {
    let operation = |name: &str, kind, class: Option<&str>, member: &str, params: &[(&str, Type)], result| Operation {
        id: id(name),
        name: name.to_owned(),
        kind,
        class: class.map(str::to_owned),
        member: member.to_owned(),
        params: params
            .iter()
            .map(|(name, ty)| Param { name: (*name).to_owned(), ty: ty.clone(), optional: false, range: None })
            .collect(),
        result,
        consumes_this: false,
    };
    let store = Type::Object("Store".to_owned());
    Api {
        operations: vec![
            operation("parse", Kind::Function, None, "parse", &[("text", Type::String)], Type::String),
            operation("Store.new", Kind::Constructor, Some("Store"), "Store", &[], store),
            operation("Store.set", Kind::Method, Some("Store"), "set", &[("key", Type::String)], Type::Undefined),
        ],
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn tapes(criterion: &mut Criterion) {
    let api = api();
    let patient = r#"{"resourceType":"Patient","id":"SYN-1","active":true,"name":[{"use":"official","family":"Syn","given":["Ada","Bea"]}],"telecom":[{"system":"phone","value":"555-0100"}],"gender":"female","birthDate":"1970-01-01"}"#;
    let seeds = Seeds {
        texts: vec![patient.encode_utf16().collect()],
        words: vec![b"\"resourceType\"".to_vec(), b"true".to_vec()],
        ..Seeds::default()
    };
    let text = JsVal::Text(patient.encode_utf16().take(200).collect());
    let tape = Tape { ops: vec![Op::Call { operation: id("parse"), this: 0, args: vec![text] }] };
    let mut group = criterion.benchmark_group("tapes");
    group.throughput(Throughput::Elements(1));
    for profile in Profile::ALL {
        let mutator = Mutator::new(&api, profile, &seeds);
        let mut state = 1;
        let mut scratch = Tape::default();
        group.bench_function(format!("mutate a text of 200 units, {}", profile.name()), |bench| {
            bench.iter(|| {
                scratch.clone_from(&tape);
                mutator.mutate(&mut scratch, Some(&tape), &mut || split_mix(&mut state));
                black_box(&scratch);
            });
        });
        let generator = Generator::new(&api, profile, &seeds);
        let mut seed = 0;
        group.bench_function(format!("generate, {}", profile.name()), |bench| {
            bench.iter(|| {
                seed += 1;
                generator.tape(black_box(seed))
            });
        });
    }
    let bytes = tape.to_bytes();
    let mut out = Vec::new();
    group.bench_function("write", |bench| {
        bench.iter(|| {
            out.clear();
            black_box(&tape).write(&mut out);
        });
    });
    group.bench_function("read", |bench| bench.iter(|| Tape::from_bytes(black_box(&bytes))));
    group.finish();
}

criterion_group!(benches, tapes);
criterion_main!(benches);
