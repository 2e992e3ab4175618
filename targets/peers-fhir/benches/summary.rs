//! One differential execution, natively and without coverage: the reference, every Rust peer that a search asks, and the
//! comparison of what they read. What `cargo xtask bench peers-fhir` shows for the module can get no faster than this.

use autoclave_formats::Format;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// What `cargo xtask bench peers-fhir` runs, 481 bytes.
const DOCUMENT: &[u8] = include_bytes!("../../../corpora/fhir-json/seeds/bundle-searchset.json");

fn summary(c: &mut Criterion) {
    peers_fhir::warm_up();
    let mut group = c.benchmark_group("summary");
    group.throughput(Throughput::Elements(1));
    group.bench_function("fhir-json", |b| b.iter(|| peers_fhir::summary(Format::FhirJson, black_box(DOCUMENT))));
    group.bench_function("reference", |b| {
        b.iter(|| autoclave_formats::fhir::read_json(black_box(DOCUMENT), autoclave_formats::fhir::Release::R4));
    });
    for (number, name) in [(0_u8, "fhirkit"), (2, "fhirbolt-r4"), (5, "serde_json")] {
        let input = [&[number][..], DOCUMENT].concat();
        group.bench_function(name, |b| b.iter(|| peers_fhir::answer(Format::FhirJson, black_box(&input))));
    }
    group.finish();
}

criterion_group!(benches, summary);
criterion_main!(benches);
