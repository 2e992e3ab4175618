//! Large and deep inputs: read to the end, on a small stack.

use autoclave_formats::fhir::{self, Release, cases};
use autoclave_formats::json;
use autoclave_formats::reading::Reading;
use autoclave_formats::rules::{Policy, Side};
use autoclave_formats::tree::Erase;

/// Runs on a stack on which a recursion of a few thousand levels would not end well.
fn on_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap()
}

fn shows(reading: &Reading, case: &autoclave_formats::rules::Case) -> bool {
    reading.breaches.iter().any(|breach| breach.case == case)
}

#[test]
fn a_bundle_of_64_megabytes_is_read() {
    on_small_stack(|| {
        let mut bundle = br#"{"resourceType":"Bundle","type":"collection","entry":["#.to_vec();
        let mut entries = 0;
        while bundle.len() < 64 << 20 {
            bundle.extend_from_slice(if entries == 0 { b"" } else { b"," });
            let entry = format!(
                r#"{{"fullUrl":"urn:uuid:00000000-0000-4000-8000-{entries:012x}","resource":{{"resourceType":"Observation","id":"SYN-{entries}","status":"final","code":{{"text":"synthetic"}},"valueQuantity":{{"value":1.50,"unit":"mg"}},"_status":{{"id":"a"}}}}}}"#
            );
            bundle.extend_from_slice(entry.as_bytes());
            entries += 1;
        }
        bundle.extend_from_slice(b"]}");
        let reading = fhir::read_json(&bundle, Release::R4);
        assert_eq!(reading.side(Policy::StrictGateway), Side::Accept, "{:?}", reading.breaches);
        // Bundle, type, entry list; an entry has 11 nodes.
        assert_eq!(reading.tree.unwrap().len(), 3 + 11 * entries);
    });
}

#[test]
fn a_million_levels_are_read() {
    let levels = 1_000_000;
    let arrays = move || [vec![b'['; levels], vec![b']'; levels]].concat();
    let nested = |open: &str, inside: &str, close: &str, levels: usize| {
        format!("{}{inside}{}", open.repeat(levels), close.repeat(levels)).into_bytes()
    };
    on_small_stack(move || {
        let reading = json::read(&arrays());
        assert!(shows(&reading, json::DEEP) && reading.tree.unwrap().len() == levels);
        assert!(shows(&fhir::read_json(&arrays(), Release::R5), cases::NO_RESOURCE));
    });
    on_small_stack(move || {
        let extensions =
            nested(r#"{"url":"http://a","extension":["#, r#"{"url":"b:","valueBoolean":true}"#, "]}", levels);
        let patient = [b"{\"resourceType\":\"Patient\",\"extension\":[", &extensions[..], b"]}"].concat();
        let reading = fhir::read_json(&patient, Release::R4);
        let cases: Vec<_> = reading.breaches.iter().map(|breach| breach.case).collect();
        assert_eq!(cases, [json::DEEP]);
        let tree = reading.tree.unwrap();
        assert_eq!(tree.digest(Erase::NONE), fhir::tree_of_answer(&patient).unwrap().digest(Erase::NONE));
    });
    on_small_stack(move || {
        let open =
            r##"{"resourceType":"Bundle","contained":[{"resourceType":"Basic","id":"#a"}],"entry":[{"resource":"##;
        let reading = fhir::read_json(&nested(open, "{}", "}]}", levels / 10), Release::R4B);
        // Bundle, contained with a Basic and its id, entry list, entry: 6 a level, and the innermost object.
        assert_eq!(reading.tree.unwrap().len(), 6 * levels / 10 + 1);
        let open = r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":"#;
        let reading = fhir::read_json(&nested(open, "{}", "}]}", levels / 10), Release::R4B);
        assert!(shows(&reading, cases::RESOURCE_DEPTH) && shows(&reading, json::DEEP));
    });
}

#[test]
fn wide_objects_and_lists_are_read() {
    on_small_stack(|| {
        let unknown: String = (0..200_000).map(|at| format!(",\"k{at}\":{at}")).collect();
        let patient = format!("{{\"resourceType\":\"Patient\"{unknown},\"k7\":1}}");
        let reading = fhir::read_json(patient.as_bytes(), Release::R4);
        assert!(shows(&reading, cases::UNKNOWN_PROPERTY));
        let same = ",\"gender\":\"male\",\"_gender\":{\"id\":\"a\"}".repeat(100_000);
        let reading = fhir::read_json(format!("{{\"resourceType\":\"Patient\"{same}}}").as_bytes(), Release::R4);
        assert!(shows(&reading, cases::DUPLICATE_KEY));
        let lists = br#"{"resourceType":"Patient","name":[{"given":[null],"_given":[[{"id":"a"}]]}]}"#;
        assert!(shows(&fhir::read_json(lists, Release::R4), cases::ARRAY_IN_ARRAY));
        let given = vec!["null"; 500_000].join(",");
        let reading = fhir::read_json(
            format!("{{\"resourceType\":\"Patient\",\"name\":[{{\"given\":[{given}],\"_given\":[{given}]}}]}}")
                .as_bytes(),
            Release::R5,
        );
        assert!(shows(&reading, cases::BOTH_NULL));
    });
}
