//! The module's own tests, the same in every host; natively they are plain tests.

use fhir_bundle_bindgen::{count_or_faults, summary};
use wasm_bindgen_test::wasm_bindgen_test;

const BUNDLE: &str = r#"{"resourceType":"Bundle","type":"collection","entry":[
  {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"SYN-1","birthDate":"1980-02-29"}},
  {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Observation","status":"final","code":{"text":"pulse"},
    "subject":{"reference":"urn:uuid:1"},"effectiveDateTime":"2026-08-15T12:00:00Z","valueInteger":60}}]}"#;

#[wasm_bindgen_test(unsupported = test)]
fn a_good_bundle_is_summed_up() {
    assert_eq!(count_or_faults(BUNDLE.as_bytes()), Ok(2));
    let text = summary(BUNDLE);
    assert_eq!(text, "Bundle of type collection\n1 Observation\n1 Patient\nobserved 2026-08-15 to 2026-08-15\n");
}

#[wasm_bindgen_test(unsupported = test)]
fn faults_name_elements_and_no_values() {
    let bad = BUNDLE
        .replace("1980-02-29", "1981-02-29")
        .replace(r#""status":"final","#, "")
        .replace("urn:uuid:1\"}", "urn:uuid:SECRET\"}")
        .replace("collection", "SECRET");
    let faults = count_or_faults(bad.as_bytes()).unwrap_err();
    let expected = "Bundle.type is missing or unknown\nentry 0: Patient.birthDate is no date\n\
        entry 1: Observation.status is missing\nentry 1: a reference leads out of the Bundle";
    assert_eq!(faults, expected);
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_no_bundle_is_refused() {
    for (text, says) in [
        ("", "JSON fault"),
        ("[]", "no object"),
        (r#"{"resourceType":"Patient"}"#, "no Bundle"),
        (r#"{"resourceType":"Bundle","entry":[1]}"#, "entry 0 is no object"),
    ] {
        assert!(count_or_faults(text.as_bytes()).unwrap_err().contains(says), "{text}");
        assert!(summary(text).starts_with("not readable: "), "{text}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_long_list_of_faults_is_cut() {
    let entries = vec![r#"{"resource":{"id":"x"}}"#; 30].join(",");
    let text = format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{entries}]}}"#);
    let faults = count_or_faults(text.as_bytes()).unwrap_err();
    assert_eq!(faults.lines().count(), 21);
    assert!(faults.ends_with("and 10 more"));
}

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen_test]
fn faults_become_exceptions() {
    let error = fhir_bundle_bindgen::check(b"[]").err().map(wasm_bindgen::JsValue::from);
    assert!(error.is_some_and(|error| !error.is_undefined()));
    assert!(matches!(fhir_bundle_bindgen::check(BUNDLE.as_bytes()), Ok(2)));
}
