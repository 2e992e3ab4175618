//! Snippets are YAML of the host's kind, mean what the certificate says, and hold whatever text stands in it.

use crate::sample::{MODULE, certificate, file, key, now, trusted, waiver};
use crate::tools::{python_of_signatures, run};
use autoclave_certificate::certificate::{Certificate, Level};
use autoclave_certificate::snippets::{Host, Place, render};
use autoclave_certificate::statement::Subjects;
use autoclave_certificate::{Admission, Algorithm, Decision, Policy, admit};
use serde_json::Value;
use std::fs;
use std::path::Path;

const HOSTS: [(Host, &str); 3] =
    [(Host::Kyverno, "kyverno"), (Host::PolicyController, "policy-controller"), (Host::Envoy, "envoy")];
const PLACE: Place<'_> = Place { images: "registry.example/parsers/*", url: "https://modules.example/parser.wasm" };

fn admitted(certificate: Certificate) -> Admission {
    let policy = Policy { allowed_waivers: vec!["SBX-03a".to_owned()], ..Policy::default() };
    match admit(MODULE, &file(Algorithm::P256, certificate), trusted(), &policy, now()) {
        Decision::Admitted(admission) => *admission,
        Decision::Refused(reasons) => panic!("{reasons:?}"),
    }
}

/// Errors of the schema and the document, for each snippet.
fn judged(snippets: &[(&str, String)]) -> Vec<(Vec<Value>, Value)> {
    let folder = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign");
    let mut command = python_of_signatures();
    command.arg(here.join("snippets.py"));
    for (i, (host, text)) in snippets.iter().enumerate() {
        let path = folder.path().join(format!("{i}.yaml"));
        fs::write(&path, text).unwrap();
        command.arg(here.join(format!("schemas/{host}.schema.json"))).arg(path);
    }
    let output = run(&mut command, "look at the message above");
    let lines: Vec<Value> =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), snippets.len());
    lines.into_iter().map(|line| (line["errors"].as_array().unwrap().clone(), line["document"].clone())).collect()
}

#[test]
fn snippets_are_what_their_hosts_read() {
    let public = key(Algorithm::P256).public();
    let mut hostile = certificate();
    hostile.module.name = "a: \"b\" # c\n- {{ d }} \u{1b}\u{2028}'\\".to_owned();
    let mut waived = certificate();
    waived.waivers.push(waiver("SBX-03a", "2027-01-01"));
    for stated in [certificate(), hostile, waived] {
        let admission = admitted(stated.clone());
        let snippets = HOSTS.map(|(host, name)| (name, render(host, PLACE, &admission, &public, Level::L1)));
        let answers = judged(&snippets);
        assert!(answers.iter().all(|(errors, _)| errors.is_empty()), "{answers:?}");
        let [kyverno, controller, envoy] = [0, 1, 2].map(|i| &answers[i].1);

        let image = &kyverno["spec"]["rules"][0]["verifyImages"][0];
        assert_eq!(image["imageReferences"][0], PLACE.images);
        let attestation = &image["attestations"][0];
        assert_eq!(attestation["type"], "https://in-toto.io/attestation/svr/v0.2");
        let entered = attestation["attestors"][0]["entries"][0]["keys"]["publicKeys"].as_str().unwrap();
        assert_eq!(entered, public.to_pem().trim_end());
        let asked = attestation["conditions"][0]["all"].as_array().unwrap();
        let keys: Vec<&str> = asked.iter().map(|condition| condition["key"].as_str().unwrap()).collect();
        let mut expected = vec!["urn:autoclave:certify:0.1.0", "AUTOCLAVE_LEVEL_L1", "AUTOCLAVE_QUALIFIED"];
        expected.extend(stated.waivers.is_empty().then_some("AUTOCLAVE_NO_WAIVERS"));
        expected.push("{{ time_since('', timeCreated, '') }}");
        assert_eq!(keys, expected);
        assert_eq!(asked.last().unwrap()["value"], "2160h", "90 days");

        let authority = &controller["spec"]["authorities"][0];
        assert_eq!(authority["key"]["data"], public.to_pem());
        let cue = authority["attestations"][0]["policy"]["data"].as_str().unwrap();
        assert!(cue.contains(r#"list.MatchN(>=1, "AUTOCLAVE_LEVEL_L1")"#), "{cue}");
        assert_eq!(cue.contains("NO_WAIVERS"), stated.waivers.is_empty());

        let config = &envoy["typed_config"]["config"];
        assert_eq!(config["name"], Value::from(stated.module.name));
        let remote = &config["vm_config"]["code"]["remote"];
        assert_eq!(remote["sha256"], Subjects::of(MODULE).unwrap().as_deployed.to_string());
        assert_eq!(remote["http_uri"]["uri"], PLACE.url);
        assert_eq!(config["fail_open"], false);
    }
}

/// The schemas see a misspelt key, a missing one and a wrong value in each snippet.
#[test]
fn schemas_refuse_what_no_host_reads() {
    let public = key(Algorithm::P256).public();
    let admission = admitted(certificate());
    let edits: [&[(&str, &str)]; 3] = [
        &[
            ("publicKeys:", "publickeys:"),
            ("verifyImages:", "verifyImage:"),
            ("AnyIn", "In"),
            ("ClusterPolicy", "Policy"),
        ],
        &[
            ("predicateType: h", "predicate_type: h"),
            ("key:\n", "keys:\n"),
            ("type: cue", "type: json"),
            ("v1beta1", "v1"),
        ],
        &[
            ("sha256: \"", "sha256: \"x"),
            ("http_uri:", "uri:"),
            ("fail_open:", "fail-open:"),
            ("timeout: 10s", "timeout: 10"),
        ],
    ];
    let mut broken = Vec::new();
    for ((host, name), edits) in HOSTS.into_iter().zip(edits) {
        let good = render(host, PLACE, &admission, &public, Level::L1);
        for (from, to) in edits {
            assert!(good.contains(from), "{name}: {from}");
            broken.push((name, good.replacen(from, to, 1)));
        }
    }
    for ((name, text), (errors, _)) in broken.iter().zip(judged(&broken)) {
        assert!(!errors.is_empty(), "{name}: {text}");
    }
}
