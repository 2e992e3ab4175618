//! Peers in other languages: which, in which version, what they cannot represent, and what is known of them.
//! Their adapters are in `harness/formats/peers`.
//!
//! JSON parsers of JavaScript and Python read numbers as IEEE 754 doubles (ECMA-262 §25.5.1), which is in the projection of
//! whoever stands on them: dosage must not rely on them. HL7's validator runs without a terminology server, profiles and
//! packages: what needs these is not its answer here.

use super::{Peer, Quirk, Runtime};
use crate::Format;
use crate::tree::Erase;

const JSON: &[Format] = &[Format::FhirJson];
const JSON_XML: &[Format] = &[Format::FhirJson, Format::FhirXml];
const HL7: &[Format] = &[Format::Hl7v2];

const CR_ONLY: Quirk = Quirk {
    what: "H07/line-feed",
    why: "segments end with a carriage return only, as §2.5.4 says; line feeds are text",
};
const ANY_LINE_END: Quirk = Quirk {
    what: "H07/line-feed",
    why: "line feeds end segments too: files that were edited as text have them, and its documentation says so",
};
const ESCAPES_KEPT: Quirk = Quirk {
    what: "H13",
    why: "values are given as written and the application is to decode escapes, sound or not; compared as written",
};

const fn peer(
    name: &'static str,
    package: &'static str,
    runtime: Runtime,
    formats: &'static [Format],
    version: &'static str,
    projection: Erase,
    quirks: &'static [Quirk],
) -> Peer {
    Peer { name, package, runtime, formats, version, projection, quirks }
}

/// JavaScript.
pub const NODE: &[Peer] = &[
    peer("medplum-r4", "@medplum/core 4.5.2", Runtime::Node, JSON, "R4", Erase::DOUBLE, &[]),
    peer("lantana-r4", "fhir 4.12.0", Runtime::Node, JSON_XML, "R4", Erase::DOUBLE, &[]),
    peer("solara-r4", "@solarahealth/fhir-r4 1.2.0", Runtime::Node, JSON, "R4", Erase::DOUBLE, &[]),
    peer("medplum-hl7", "@medplum/core 4.5.2", Runtime::Node, HL7, "", Erase::ESCAPES, &[ANY_LINE_END, ESCAPES_KEPT]),
    peer("simple-hl7", "simple-hl7 3.3.0", Runtime::Node, HL7, "", Erase::ESCAPES, &[CR_ONLY, ESCAPES_KEPT]),
    peer("node-hl7-client", "node-hl7-client 3.2.0", Runtime::Node, HL7, "", Erase::NONE, &[]),
    peer("hl7-standard", "hl7-standard 1.0.4", Runtime::Node, HL7, "", Erase::ESCAPES, &[ANY_LINE_END, ESCAPES_KEPT]),
];

/// Python.
pub const PYTHON: &[Peer] = &[
    peer("fhir-resources-r4b", "fhir.resources 8.3.0", Runtime::Python, JSON_XML, "R4B", Erase::DOUBLE, &[]),
    peer("fhir-resources-r5", "fhir.resources 8.3.0", Runtime::Python, JSON_XML, "R5", Erase::DOUBLE, &[]),
    peer("python-hl7", "hl7 0.4.5", Runtime::Python, HL7, "", Erase::ESCAPES, &[CR_ONLY, ESCAPES_KEPT]),
    peer("hl7apy-tolerant", "hl7apy 1.3.5", Runtime::Python, HL7, "", Erase::ESCAPES, &[ESCAPES_KEPT]),
];

/// Java.
pub const JAVA: &[Peer] = &[
    peer("hapi-fhir-r4", "hapi-fhir-structures-r4 8.8.1", Runtime::Java, JSON_XML, "R4", Erase::NONE, &[]),
    peer("hapi-fhir-r5", "hapi-fhir-structures-r5 8.8.1", Runtime::Java, JSON_XML, "R5", Erase::NONE, &[]),
    peer("hl7-validator-r4", "org.hl7.fhir.validation 6.7.9", Runtime::Java, JSON_XML, "R4", Erase::NONE, &[]),
    peer("hapi-hl7v2", "hapi-base 2.6.0", Runtime::Java, HL7, "", Erase::NONE, &[ANY_LINE_END]),
];

/// Go.
pub const GO: &[Peer] = &[
    peer("google-fhir-r4", "github.com/google/fhir/go v0.7.4", Runtime::Go, JSON, "R4", Erase::NONE, &[]),
    peer(
        "lenaten-hl7",
        "github.com/lenaten/hl7 v0.0.0-20181009090854-63c5c49a56d9",
        Runtime::Go,
        HL7,
        "",
        Erase::ESCAPES,
        &[ESCAPES_KEPT],
    ),
];

/// All of them.
pub fn outside() -> impl Iterator<Item = &'static Peer> {
    [NODE, PYTHON, JAVA, GO].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_tables_hold_their_own() {
        let names: std::collections::BTreeSet<&str> = outside().map(|peer| peer.name).collect();
        assert_eq!(names.len(), outside().count());
        for (table, runtime) in
            [(NODE, Runtime::Node), (PYTHON, Runtime::Python), (JAVA, Runtime::Java), (GO, Runtime::Go)]
        {
            assert!(table.iter().all(|peer| peer.runtime == runtime && !peer.formats.is_empty()));
        }
    }

    /// What stands in the lock files beside the workers: package and version, as the tables name them.
    fn locked(runtime: Runtime) -> Vec<String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(runtime.name());
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        let quoted = |line: &str, at: usize| line.split('"').nth(at).unwrap_or_default().to_owned();
        match runtime {
            Runtime::Rust => Vec::new(),
            Runtime::Node => {
                let lock = read("package-lock.json");
                let packages = lock.split("\"node_modules/").skip(1);
                packages
                    .map(|package| {
                        // What comes inside of another package's archive is under that one's hash.
                        let is_hashed = ["\"integrity\": \"sha512-", "\"inBundle\": true"];
                        assert!(is_hashed.iter().any(|mark| package.contains(mark)), "no hash: {package}");
                        let version = package.split("\"version\"").nth(1).unwrap();
                        format!("{} {}", package.split('"').next().unwrap(), quoted(version, 1))
                    })
                    .collect()
            }
            Runtime::Python => {
                let lock = read("requirements.txt");
                lock.lines()
                    .filter_map(|line| line.split_once("=="))
                    .map(|(name, rest)| {
                        format!(
                            "{} {}",
                            name.replace("fhir-resources", "fhir.resources"),
                            rest.trim_end_matches([' ', '\\'])
                        )
                    })
                    .collect()
            }
            Runtime::Java => {
                let lock = read("jars.sha256");
                let jars = lock.lines().map(|line| line.split_once("  ").unwrap());
                jars.map(|(hash, jar)| {
                    assert_eq!(hash.len(), 64, "{jar}");
                    let (name, version) = jar.trim_end_matches(".jar").rsplit_once('-').unwrap();
                    format!("{name} {version}")
                })
                .collect()
            }
            Runtime::Go => {
                let (wanted, sums) = (read("go.mod"), read("go.sum"));
                let lines = wanted.lines().filter_map(|line| line.strip_prefix('\t'));
                lines
                    .map(|line| {
                        let module = line.trim_end_matches(" // indirect");
                        assert!(sums.contains(&format!("{module} h1:")), "go.sum has no hash of {module}");
                        module.to_owned()
                    })
                    .collect()
            }
        }
    }

    #[test]
    fn every_package_is_locked_at_its_version() {
        for peer in outside() {
            let locked = locked(peer.runtime);
            assert!(
                locked.iter().any(|package| package == peer.package),
                "{}: {} is not in {locked:?}",
                peer.name,
                peer.package
            );
        }
    }
}
