//! Speed of the readers in bytes a second, beside serde_json and fhirkit on the same input.

use autoclave_formats::fhir::{self, Release};
use autoclave_formats::tree::Erase;
use autoclave_formats::{hl7, json};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fhirkit::r4::Resource;
use std::hint::black_box;

/// A Bundle of about a megabyte, and a Patient of about 500 bytes.
fn inputs() -> [(&'static str, Vec<u8>); 2] {
    let patient = concat!(
        r#"{"resourceType":"Patient","id":"SYN-1","active":true,"identifier":[{"system":"urn:oid:2.999.1","value":"SYN-1"}],"#,
        r#""name":[{"use":"official","family":"Syn\u00e9","given":["Ada","Bea"],"_given":[null,{"extension":[{"#,
        r#""url":"http://example.org/a","valueCode":"x"}]}]}],"telecom":[{"system":"phone","value":"555-0100"}],"#,
        r#""gender":"female","birthDate":"1970-01-01","address":[{"line":["1 Synthetic Street"],"city":"Nowhere"}],"#,
        r#""deceasedBoolean":false,"managingOrganization":{"reference":"Organization/SYN-2"}}"#
    );
    let observation = r#"{"resourceType":"Observation","id":"SYN-3","status":"final","code":{"coding":[{"system":"http://example.org/codes","code":"8867-4","display":"Synthetic rate"}]},"subject":{"reference":"Patient/SYN-1"},"effectiveDateTime":"2026-01-01T00:00:00Z","valueQuantity":{"value":71.50,"unit":"beats/minute","system":"http://example.org/units","code":"/min"}}"#;
    let entries: Vec<String> = (0..1200)
        .flat_map(|at| {
            [patient, observation].map(|resource| {
                format!(
                    r#"{{"fullUrl":"urn:uuid:00000000-0000-4000-8000-{:012x}","resource":{resource}}}"#,
                    at * 2 + resource.len() % 2
                )
            })
        })
        .collect();
    let bundle = format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, entries.join(","));
    [("patient", patient.as_bytes().to_vec()), ("bundle", bundle.into_bytes())]
}

fn readers(criterion: &mut Criterion) {
    fhir::warm_up();
    for (name, input) in inputs() {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function("json::tokens", |bench| bench.iter(|| json::tokens(black_box(&input))));
        group.bench_function("json::read", |bench| bench.iter(|| json::read(black_box(&input))));
        group.bench_function("serde_json::Value", |bench| {
            bench.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&input)).unwrap());
        });
        group.bench_function("fhir::read_json", |bench| bench.iter(|| fhir::read_json(black_box(&input), Release::R4)));
        group.bench_function("fhir::read_json and digest", |bench| {
            bench.iter(|| fhir::read_json(black_box(&input), Release::R4).tree.map(|tree| tree.digest(Erase::NONE)));
        });
        group.bench_function("fhir::tree_of_answer", |bench| bench.iter(|| fhir::tree_of_answer(black_box(&input))));
        let text = std::str::from_utf8(&input).unwrap();
        assert!(
            fhirkit::from_json_strict::<Resource>(text).is_ok()
                && fhir::read_json(&input, Release::R4).breaches.is_empty()
        );
        group.bench_function("fhirkit strict", |bench| {
            bench.iter(|| fhirkit::from_json_strict::<Resource>(black_box(text)).is_ok());
        });
        group.finish();
    }
}

/// A message of about 500 bytes, and one of about a megabyte.
fn er7(criterion: &mut Criterion) {
    let header = "MSH|^~\\&|SYNLAB|SYN|SYNEHR|SYN|20260815081500||ORU^R01^ORU_R01|SYN1|P|2.5.1\r\
        PID|1||SYN123^^^SYN&2.999.1&ISO^MR~SYN456^^^SYN||SYNTH^ALEX^Q||19700101|F|||1 Synthetic Street^^Nowhere\r\
        OBR|1|SYN1|SYN2|24323-8^Synthetic panel^LN|||20260815080000\r";
    let line = "OBX|1|NM|2345-7^Glucose^LN||5.50|mmol/L^^UCUM|3.9-5.6|N|||F|||20260815081000\r\
        NTE|1|L|Synthetic comment \\T\\ more\\.br\\second line\r";
    for (name, count) in [("message", 2), ("long message", 8000)] {
        let input = [header, &line.repeat(count)].concat().into_bytes();
        assert!(hl7::read(&input).breaches.is_empty());
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function("hl7::tokens::segments", |bench| {
            bench
                .iter(|| hl7::tokens::segments(black_box(&input)).map(|one| one.fields(&input).count()).sum::<usize>());
        });
        group.bench_function("hl7::read", |bench| bench.iter(|| hl7::read(black_box(&input))));
        group.bench_function("hl7::read and digest", |bench| {
            bench.iter(|| hl7::read(black_box(&input)).tree.map(|tree| tree.digest(Erase::NONE)));
        });
        let tree = hl7::read(&input).tree.expect("a tree");
        group.bench_function("hl7::write", |bench| {
            bench.iter(|| hl7::write(black_box(&tree), hl7::Spelling::AsRead));
        });
        let text = std::str::from_utf8(&input).unwrap();
        group.bench_function("hl7kit", |bench| bench.iter(|| hl7kit::Message::parse(black_box(text)).is_ok()));
        group.bench_function("er7", |bench| bench.iter(|| er7::parse(black_box(text)).is_ok()));
        group.finish();
    }
}

criterion_group!(benches, readers, er7);
criterion_main!(benches);
