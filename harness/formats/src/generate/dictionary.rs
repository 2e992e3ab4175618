//! Dictionaries: what is written by hand about a format's structure, then types, element names and edges of the datatypes
//! from the published definitions. `cargo run --release -p autoclave-formats --example dictionaries` writes them.

use crate::Format;
use crate::fhir::Release;
use crate::fhir::definitions::{Definitions, Property, Sort, TypeId, definitions};
use crate::mutate::edges;
use std::collections::BTreeSet;

/// Types whose elements are listed, besides the data types.
const HOLDERS: &[&str] = &[
    "Patient",
    "Observation",
    "Bundle",
    "Parameters",
    "MedicationRequest",
    "AllergyIntolerance",
    "Encounter",
    "OperationOutcome",
];
/// Elements of other types are listed if so many types have one of that name.
const COMMON_MIN: usize = 20;
/// Resource types that are listed besides those in [`HOLDERS`].
const RESOURCES: &[&str] = &[
    "Appointment",
    "Basic",
    "Binary",
    "CarePlan",
    "Claim",
    "Composition",
    "Condition",
    "Consent",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Flag",
    "Goal",
    "Group",
    "Immunization",
    "List",
    "Location",
    "Medication",
    "MessageHeader",
    "Organization",
    "Person",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "Schedule",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "StructureDefinition",
    "Subscription",
    "Task",
    "ValueSet",
];

/// The dictionary of a format, in AFL's syntax; `None` where it is not made here.
pub fn dictionary(format: Format) -> Option<String> {
    let (head, about) = match format {
        Format::FhirJson => (include_str!("dictionary/fhir-json.dict"), "FHIR JSON"),
        Format::FhirXml => (include_str!("dictionary/fhir-xml.dict"), "FHIR XML"),
        Format::Json | Format::FhirNdjson | Format::Hl7v2 => return None,
    };
    let all = definitions(Release::R4);
    let mut out = format!(
        "# {about}: structure by hand, names and edges from the published definitions of FHIR R4.\n\
         # Made by `cargo run --release -p autoclave-formats --example dictionaries`.\n\n{head}"
    );
    let mut seen: BTreeSet<String> = head.lines().map(str::to_owned).collect();
    let mut section = |title: &str, tokens: &mut dyn Iterator<Item = String>| {
        out.push_str(&format!("\n# {title}.\n"));
        for token in tokens {
            let line = format!("\"{}\"", afl(&token));
            if !token.is_empty() && seen.insert(line.clone()) {
                out.push_str(&line);
                out.push('\n');
            }
        }
    };
    let json = format == Format::FhirJson;
    let quoted = |text: &str| if json { format!("\"{text}\"") } else { format!("\"{}\"", xml(text)) };
    let number = |text: &&str| if json { (*text).to_owned() } else { format!("\"{text}\"") };
    section("Numbers", &mut edges::DECIMALS.iter().chain(edges::INTEGERS).map(number));
    section("Dates and times", &mut edges::DATES.iter().map(|text| quoted(text)));
    let ids = edges::IDS.iter().filter(|text| !text.starts_with('{')).chain(edges::TEXTS);
    section("Ids and texts", &mut ids.map(|text| quoted(text)));
    let types = HOLDERS.iter().chain(RESOURCES);
    section("Resource types", &mut types.map(|name| if json { format!("\"{name}\"") } else { format!("<{name}>") }));
    let element = |name: String| if json { format!("\"{name}\":") } else { format!("<{name} value=\"") };
    section("Element names", &mut element_names(all).into_iter().map(element));
    Some(out)
}

/// Names as written, choices with their types.
fn element_names(all: &Definitions) -> BTreeSet<String> {
    let listed = |of: TypeId| {
        let name = all.get(of).name;
        let root = name.split('.').next().unwrap_or(name);
        // Three hundred choices that only profiles use.
        let is_data_type = all.get(of).sort == Sort::Complex && root != "ElementDefinition";
        is_data_type || HOLDERS.contains(&root) || ["DomainResource", "Resource"].contains(&name)
    };
    let mut count = std::collections::BTreeMap::<&str, usize>::new();
    let properties = || (0..all.types().len() as TypeId).flat_map(|of| all.properties_of(of));
    for property in properties() {
        *count.entry(&property.name).or_default() += 1;
    }
    let fits = |property: &&Property| {
        let element = all.element(property);
        // Of the choice of any type, those are enough that mutators know.
        let known = !element.is_choice || edges::choice(property.name.as_bytes()).is_some();
        known && (listed(property.holder) || count[property.name.as_str()] >= COMMON_MIN)
    };
    properties().filter(fits).map(|property| property.name.clone()).collect()
}

/// A token in AFL's quotes.
fn afl(token: &str) -> String {
    let mut out = String::new();
    for byte in token.bytes() {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'"' | 0..=0x1f | 0x7f.. => out.push_str(&format!("\\x{byte:02x}")),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_dictionaries_are_what_the_generator_writes() {
        for format in Format::ALL {
            let Some(text) = dictionary(format) else { continue };
            let name = format.name();
            let path = format!("{}/../../corpora/{name}/{name}.dict", env!("CARGO_MANIFEST_DIR"));
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == text,
                "corpora/{name}/{name}.dict is not current: cargo run --release -p autoclave-formats --example dictionaries"
            );
            let tokens = text.lines().filter(|line| line.starts_with('"')).count();
            assert!((300..1_000).contains(&tokens), "{name}: {tokens} tokens");
            for token in ["deceasedDateTime", "2023-02-30", "9007199254740993", "Observation"] {
                assert!(text.contains(token), "{name}: {token}");
            }
        }
    }
}
