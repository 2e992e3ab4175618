//! What every worker promises, for each that is installed: it takes what is plain, refuses what is broken, says the same
//! alone and in company, and its answers are trees.
#![cfg(unix)]

use autoclave_formats::fhir::{self, Release};
use autoclave_formats::peers::worker::{Installed, Worker, WorkerError};
use autoclave_formats::peers::{Answer, Layer, Peer, outside};
use autoclave_formats::tree::{Erase, Tree};
use autoclave_formats::{Format, hl7};
use std::io::Write;
use std::path::{Path, PathBuf};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"SYN-1","active":true,"name":[{"family":"Pröbe","given":["Ann","Bo"]}],"gender":"female","birthDate":"2001-02-03","multipleBirthInteger":2}"#;
const PATIENT_XML: &str = r#"<Patient xmlns="http://hl7.org/fhir"><id value="SYN-1"/><active value="true"/><name><family value="Pröbe"/><given value="Ann"/><given value="Bo"/></name><gender value="female"/><birthDate value="2001-02-03"/><multipleBirthInteger value="2"/></Patient>"#;
const MESSAGE: &str = "MSH|^~\\&|SYN|LAB|EHR|WARD|20260102030405||ADT^A01^ADT_A01|1|P|2.5\rPID|1||SYN1^^^HOSP&2.999&ISO~SYN2||Probe^Ann||\"\"|F\rZZ1|a^b&c|x~y\r";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Past the harness's capture: a test that looks at nothing must not look like one that looked.
fn skipped(error: &WorkerError) {
    let line = format!("SKIPPED, NOT-TESTED: {error}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn plain(format: Format) -> &'static str {
    match format {
        Format::FhirXml => PATIENT_XML,
        Format::Hl7v2 => MESSAGE,
        _ => PATIENT,
    }
}

fn reference(peer: &Peer, format: Format) -> Tree {
    let release = match peer.version {
        "R5" => Release::R5,
        "R4B" => Release::R4B,
        _ => Release::R4,
    };
    match format {
        Format::Hl7v2 => hl7::read(MESSAGE.as_bytes()).tree.unwrap(),
        // What peers write is JSON, whatever they read.
        _ => fhir::read_json(PATIENT.as_bytes(), release).tree.unwrap(),
    }
}

fn tree(peer: &Peer, format: Format, answer: &[u8]) -> Tree {
    let tree = match format {
        Format::Hl7v2 => hl7::tree_of_answer_under(answer, peer.projection),
        _ => fhir::tree_of_answer(answer),
    };
    tree.unwrap_or_else(|| panic!("{}: no tree: {}", peer.name, String::from_utf8_lossy(answer)))
}

fn contract(peer: &'static Peer, worker: &mut Worker, format: Format) {
    let name = format!("{} {}", peer.name, format.name());
    let reply = worker.ask(plain(format).as_bytes(), format).unwrap();
    let Answer::Accepted(answer) = &reply.answer else { panic!("{name}: {:?}", reply.answer) };
    let (theirs, ours) = (tree(peer, format, answer), reference(peer, format));
    let shown = String::from_utf8_lossy(answer);
    assert_eq!(theirs.digest(peer.projection), ours.digest(peer.projection), "{name}: {shown}");

    // One JavaScript reader of HL7 takes everything, even nothing.
    if peer.name != "simple-hl7" {
        let reply = worker.ask(b"\x00 no such thing {<", format).unwrap();
        let Answer::Refused(refusal) = &reply.answer else { panic!("{name}: {:?}", reply.answer) };
        assert!(!refusal.code.is_empty() && Layer::ALL.contains(&refusal.layer), "{name}");
    }

    let corpus = root().join("corpora").join(format.name()).join("seeds");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(corpus).into_iter().flatten().map(|file| file.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<Vec<u8>> =
        files.iter().map(|file| std::fs::read(file).unwrap()).filter(|seed| seed.len() < 8192).collect();
    let mut inputs: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    inputs.extend([plain(format).as_bytes(), b"", b"\xff\xfe", b"{", b"<", b"MSH", b"\x0b"]);
    let together = worker.ask_many(&inputs, format).unwrap();
    for (input, reply) in inputs.iter().zip(&together) {
        assert_eq!(worker.ask(input, format).unwrap(), *reply, "{name}: {}", String::from_utf8_lossy(input));
        assert!(!matches!(reply.answer, Answer::Died { .. }), "{name}: {}", String::from_utf8_lossy(input));
        if let Answer::Accepted(answer) = &reply.answer {
            tree(peer, format, answer);
        }
    }
    assert_eq!(worker.deaths(), 0, "{name}");
}

fn all_of(runtime: &str) {
    let installed = Installed::of(&root());
    for peer in outside().filter(|peer| peer.runtime.name() == runtime) {
        let mut worker = match Worker::start(peer, &installed) {
            Ok(worker) => worker,
            Err(error @ WorkerError::NotInstalled { .. }) => {
                skipped(&error);
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        peer.formats.iter().for_each(|format| contract(peer, &mut worker, *format));
    }
}

#[test]
fn javascript() {
    all_of("node");
}

#[test]
fn python() {
    all_of("python");
}

#[test]
fn java() {
    all_of("java");
}

#[test]
fn go() {
    all_of("go");
}

#[test]
fn a_projection_never_hides_that_a_name_differs() {
    let other = MESSAGE.replace("Probe^Ann", "Probe^Eve");
    for peer in outside() {
        let (one, two) = match peer.formats[0] {
            Format::Hl7v2 => (hl7::read(MESSAGE.as_bytes()), hl7::read(other.as_bytes())),
            _ => {
                let other = PATIENT.replace("Ann", "Eve");
                let read = |text: &str| fhir::read_json(text.as_bytes(), Release::R4);
                (read(PATIENT), read(&other))
            }
        };
        let digest = |tree: &Option<Tree>, erase: Erase| tree.as_ref().unwrap().digest(erase);
        assert_ne!(digest(&one.tree, peer.projection), digest(&two.tree, peer.projection), "{}", peer.name);
    }
}
