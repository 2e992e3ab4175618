//! Fields of FHIR, in JSON and XML: where the format says what a value is, everything outside of the name space counts.

use super::nodes::{self, Member, Node, Nodes};
use super::space::{self, Space};
use super::{Class, Found};
use std::collections::{BTreeMap, BTreeSet};

/// Elements that refer to people; their `display` is a name.
const PEOPLE: &[&str] = &[
    "subject",
    "patient",
    "performer",
    "author",
    "practitioner",
    "requester",
    "individual",
    "actor",
    "recorder",
    "asserter",
    "informant",
    "sender",
    "recipient",
    "beneficiary",
    "subscriber",
    "policyholder",
    "generalpractitioner",
    "attender",
    "collector",
    "agent",
    "who",
    "enterer",
    "member",
    "participant",
];

/// Keys of names outside of FHIR, without what stands between their words.
const NAMES: &[&str] = &[
    "firstname",
    "middlename",
    "lastname",
    "givenname",
    "familyname",
    "maidenname",
    "surname",
    "fullname",
    "patientname",
    "patientfirstname",
    "patientlastname",
];

/// Words of codes and displays that are about bodies as identifiers.
const BIOMETRIC: &[&str] = &[
    "fingerprint",
    "finger print",
    "retina scan",
    "retinal scan",
    "iris scan",
    "voiceprint",
    "voice print",
    "palm print",
    "facial recognition",
    "face template",
    "gait recognition",
];

/// Looks at every object; whether it could look at all.
pub fn find(bytes: &[u8], found: &mut Vec<Found>) -> bool {
    let mut is_whole = true;
    if bytes.contains(&b'{') {
        let nodes = nodes::json(bytes);
        is_whole &= !nodes.is_cut;
        judge(&nodes, found);
    }
    if bytes.contains(&b'<') {
        let nodes = nodes::xml(bytes);
        is_whole &= !nodes.is_cut;
        judge(&nodes, found);
    }
    is_whole
}

fn judge(nodes: &Nodes, found: &mut Vec<Found>) {
    let space = space::declared();
    let kinds = identifier_kinds(nodes);
    let mut biometric = BTreeSet::new();
    for (at, node) in nodes.list.iter().enumerate() {
        names(nodes, at, node, space, found);
        places(node, space, found);
        telecom(node, space, found);
        identifiers(nodes, at, node, kinds.get(&at).map(String::as_str), space, found);
        dates(node, space, found);
        if let Some(holder) = biometric_code(nodes, at, node) {
            biometric.insert(holder);
        }
    }
    let values = ["valuestring", "valuebase64binary", "data", "value"];
    for (at, node) in nodes.list.iter().enumerate() {
        if biometric.contains(&at) || node.parent.is_some_and(|parent| biometric.contains(&parent)) {
            let outside = |member: &&Member| {
                values.contains(&member.key.as_str())
                    && !member.value.is_empty()
                    && !member.value.to_uppercase().starts_with("SYN")
            };
            let members = node.members.iter().filter(outside);
            found.extend(members.map(|member| (Class::Biometric, member.start, member.end)));
        }
    }
}

/// A key without what stands between its words: `first_name` as `firstname`.
fn plain(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' ')).collect()
}

fn hit(found: &mut Vec<Found>, class: Class, member: &Member) {
    found.push((class, member.start, member.end));
}

fn names(nodes: &Nodes, at: usize, node: &Node, space: &Space, found: &mut Vec<Found>) {
    let is_name = matches!(node.key.as_str(), "name" | "maiden" | "patientname") || node.member("family").is_some();
    let parts = ["family", "given", "text", "suffix"];
    if is_name {
        for member in node.members.iter().filter(|member| parts.contains(&member.key.as_str())) {
            if !space.has_name(&member.value) {
                hit(found, Class::Name, member);
            }
        }
    }
    // Keys that say it themselves, in whatever spelling.
    for member in node.members.iter().filter(|member| NAMES.contains(&plain(&member.key).as_str())) {
        if !space.has_name(&member.value) {
            hit(found, Class::Name, member);
        }
    }
    if PEOPLE.contains(&node.key.as_str()) {
        for member in node.all("display").filter(|member| !space.has_name(&member.value)) {
            hit(found, Class::Name, member);
        }
    }
    // A name that is plain text: of people, and in CDA.
    let people = ["patient", "practitioner", "person", "relatedperson"];
    if people.contains(&nodes.resource(at)) && (node.resource.is_some() || node.key == "contact") {
        for member in node.all("name").filter(|member| !space.has_name(&member.value)) {
            hit(found, Class::Name, member);
        }
    }
}

fn places(node: &Node, space: &Space, found: &mut Vec<Found>) {
    let is_address = matches!(node.key.as_str(), "address" | "addr" | "birthplace" | "valueaddress")
        || (node.member("city").is_some()
            && node.members.iter().any(|m| matches!(m.key.as_str(), "line" | "postalcode")));
    if is_address {
        for member in &node.members {
            let is_fine = match member.key.as_str() {
                "line" | "city" | "district" | "text" | "streetaddressline" | "county" => {
                    space.has_place(&member.value)
                }
                "postalcode" => space.has_postcode(&member.value),
                _ => true,
            };
            if !is_fine {
                hit(found, Class::Place, member);
            }
        }
    }
    if let (Some(latitude), Some(longitude)) = (node.member("latitude"), node.member("longitude")) {
        let is_zero = |member: &Member| member.value.parse::<f64>().is_ok_and(|value| value == 0.0);
        if !(is_zero(latitude) && is_zero(longitude)) {
            hit(found, Class::Place, latitude);
        }
    }
}

fn telecom(node: &Node, space: &Space, found: &mut Vec<Found>) {
    let system = node.member("system").map(|member| member.value.to_lowercase()).unwrap_or_default();
    let is_contact = node.key == "telecom" || matches!(system.as_str(), "phone" | "fax" | "email" | "sms" | "pager");
    if !is_contact {
        return;
    }
    for member in node.all("value") {
        // Addresses and URLs are found by their looks.
        if member.value.contains('@') || member.value.contains("://") || space.has_phone(&member.value) {
            continue;
        }
        hit(found, if system == "fax" { Class::Fax } else { Class::Phone }, member);
    }
}

/// Codes of `identifier.type`, by the node of the identifier.
fn identifier_kinds(nodes: &Nodes) -> BTreeMap<usize, String> {
    let mut kinds = BTreeMap::new();
    for (at, node) in nodes.list.iter().enumerate() {
        let mut holder = Some(at);
        for _ in 0..3 {
            let Some(candidate) = holder else { break };
            if nodes.list[candidate].key == "identifier" {
                if let Some(code) = node.member("code").filter(|_| candidate != at) {
                    kinds.insert(candidate, code.value.to_uppercase());
                }
                break;
            }
            holder = nodes.list[candidate].parent;
        }
    }
    kinds
}

/// What kind of number an identifier is: HL7's table 0203, else its system, else the resource that it stands in.
pub fn identifier_class(kind: &str, system: &str, resource: &str) -> Option<Class> {
    let system = system.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| system.contains(word));
    Some(match kind {
        "MR" | "MRT" | "PI" | "PT" => Class::RecordNumber,
        "SS" | "SSN" => Class::Ssn,
        "MB" | "MC" | "MA" | "HC" | "SN" | "WC" | "NIIP" | "NH" | "MI" | "PEN" => Class::PlanNumber,
        "AN" | "BA" | "CY" | "DDA" | "GL" | "AM" | "DI" | "DC" | "BC" => Class::Account,
        "DL" | "DLN" | "LN" | "MD" | "NPI" | "PRN" | "DEA" | "RN" | "PN" | "LI" | "L&I" | "UPIN" => Class::Licence,
        "VIN" | "VEH" => Class::Vehicle,
        "SNO" | "UDI" | "SERIAL" => Class::Device,
        "PPN" | "NI" | "NNUSA" | "CZ" | "TAX" | "BR" | "VN" | "FILL" | "PLAC" => Class::Other,
        _ if says(&["us-ssn", "ssn"]) => Class::Ssn,
        _ if says(&["npi", "dea"]) => Class::Licence,
        _ if says(&["mbi", "medicare", "member"]) => Class::PlanNumber,
        _ if says(&["mrn"]) => Class::RecordNumber,
        _ => match resource {
            "patient" | "person" => Class::RecordNumber,
            "coverage" => Class::PlanNumber,
            "account" => Class::Account,
            "device" => Class::Device,
            "practitioner" => Class::Licence,
            _ => Class::Other,
        },
    })
}

fn identifiers(nodes: &Nodes, at: usize, node: &Node, kind: Option<&str>, space: &Space, found: &mut Vec<Found>) {
    let resource = nodes.resource(at);
    if matches!(node.key.as_str(), "identifier" | "masteridentifier" | "valueidentifier") {
        let system = node.member("system").map(|member| member.value.as_str()).unwrap_or_default();
        let class = match nodes.parent_key(at) {
            "qualification" => Some(Class::Licence),
            _ => identifier_class(kind.unwrap_or_default(), system, resource),
        };
        for member in node.all("value") {
            let digits: Vec<u8> = member.value.bytes().filter(u8::is_ascii_digit).collect();
            let is_invented = match class {
                Some(Class::Ssn) => space::is_invented_ssn(&digits),
                Some(Class::Licence) if kind == Some("NPI") || system.contains("npi") => {
                    space::is_invented_npi(&digits)
                }
                _ => false,
            };
            if let Some(class) = class.filter(|_| !is_invented && !space.has_identifier(&member.value)) {
                hit(found, class, member);
            }
        }
    }
    for member in &node.members {
        let class = match (resource, plain(&member.key).as_str()) {
            (_, "serialnumber" | "udi" | "carrierhrf" | "deviceidentifier" | "carrieraidc") => Class::Device,
            (_, "subscriberid" | "memberid" | "beneficiaryid" | "policynumber") => Class::PlanNumber,
            (_, "accountnumber" | "iban") => Class::Account,
            (_, "licenseplate" | "licenceplate" | "vin") => Class::Vehicle,
            (_, "licensenumber" | "licencenumber" | "certificatenumber") => Class::Licence,
            (_, "mrn" | "medicalrecordnumber" | "patientid") => Class::RecordNumber,
            (_, "ssn" | "socialsecuritynumber") => Class::Ssn,
            (_, "phone" | "phonenumber" | "telephone" | "mobile") => Class::Phone,
            (_, "fax" | "faxnumber") => Class::Fax,
            _ => continue,
        };
        let is_fine = match class {
            Class::Ssn => {
                let digits: Vec<u8> = member.value.bytes().filter(u8::is_ascii_digit).collect();
                space::is_invented_ssn(&digits) || space.has_identifier(&member.value)
            }
            Class::Phone | Class::Fax => space.has_phone(&member.value),
            _ => space.has_identifier(&member.value),
        };
        if !is_fine {
            hit(found, class, member);
        }
    }
}

/// Years that people of today, and their parents, have lived in.
fn is_year(year: u32) -> bool {
    (1800..=2199).contains(&year)
}

/// Months of a life; days are found by their looks.
fn dates(node: &Node, space: &Space, found: &mut Vec<Found>) {
    let is_moment = |key: &str| key == "birthtime" || key.ends_with("date") || key.ends_with("datetime");
    for member in node.members.iter().filter(|member| is_moment(&member.key)) {
        // `YYYY-MM`, and HL7 v3's `YYYYMM`; with a day it is found by its looks, or here.
        let digits: String = member.value.chars().filter(|c| *c != '-').take_while(char::is_ascii_digit).collect();
        let number = |from: usize, to: usize| digits.get(from..to).and_then(|text| text.parse().ok());
        let is_month =
            matches!((member.value.len(), member.value.as_bytes().get(4)), (7, Some(b'-')) | (6, Some(b'0'..=b'9')));
        let is_fine = match (digits.len(), number(0, 4), number(4, 6), number(6, 8)) {
            (6, Some(year), Some(month), _) => !is_month || !is_year(year) || space.has_month(year, month),
            (8.., Some(year), Some(month), Some(day)) => !is_year(year) || space.has_date(year, month, day),
            _ => true,
        };
        if !is_fine {
            hit(found, Class::Date, member);
        }
    }
}

/// The object whose code says that its value is a fingerprint or the like: it, or what holds its CodeableConcept.
fn biometric_code(nodes: &Nodes, at: usize, node: &Node) -> Option<usize> {
    let about = |member: &Member| {
        let text = member.value.to_lowercase();
        BIOMETRIC.iter().any(|word| text.contains(word))
    };
    let keys = ["display", "text", "code", "title"];
    node.members.iter().any(|member| keys.contains(&member.key.as_str()) && about(member)).then(|| {
        let mut holder = at;
        // As deep as such codes are nested, and some more.
        for _ in 0..16 {
            let is_code = matches!(nodes.list[holder].key.as_str(), "coding" | "code" | "type" | "category");
            match nodes.list[holder].parent.filter(|_| is_code) {
                Some(parent) => holder = parent,
                None => break,
            }
        }
        holder
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Class]) {
        let mut found = Vec::new();
        find(text.as_bytes(), &mut found);
        let mut classes: Vec<Class> = found.iter().map(|(class, _, _)| *class).collect();
        classes.sort();
        classes.dedup();
        assert_eq!(classes, expected, "{text}");
    }

    #[test]
    fn values_however_they_are_written() {
        check(r#"<name><family value = "Kowalski"/></name>"#, &[Class::Name]);
        check("<name><family value\n=\n'Kowalski'/></name>", &[Class::Name]);
        check("<name><family><![CDATA[Kowalski]]></family></name>", &[Class::Name]);
        check("<name><family>Syn<![CDATA[Kowal<ski]]></family></name>", &[Class::Name]);
        check("<name><family><![CDATA[Synth]]></family></name>", &[]);
        check(r#"<x><![CDATA[ <name><family value="Kowalski"/></name>]]></x>"#, &[Class::Name]);
        check("<![CDATA[x<name><family>Kowalski</family></name>", &[Class::Name]);
        check("<p><ssn>219099999</ssn></p>", &[Class::Ssn]);
        check("<p><ssn>000099999</ssn></p>", &[]);
        check(r#"{"ssn":219099999}"#, &[Class::Ssn]);
        check(r#"{"phone":"4158675309"}"#, &[Class::Phone]);
        check(r#"{"phone_number":"2025550123"}"#, &[]);
        for key in ["first_name", "patient_name", "patientName", "lastname"] {
            check(&format!(r#"{{"{key}":"kowalski"}}"#), &[Class::Name]);
            check(&format!(r#"{{"{key}":"Synth"}}"#), &[]);
        }
    }

    #[test]
    fn months_of_a_life() {
        check(r#"{"onsetDateTime":"1973-05"}"#, &[Class::Date]);
        check(r#"<x><recordedDate value="1973-05"/></x>"#, &[Class::Date]);
        check(r#"{"birthDate":"1973-05","date":"1975-01"}"#, &[Class::Date]);
        check(r#"{"date":"1975-01","onsetDateTime":"1973","candidate":"123405"}"#, &[]);
    }

    /// Brackets that are too deep to be kept are counted: what follows them is read as ever.
    #[test]
    fn depth_hides_nothing() {
        let name = r#""resourceType":"Patient","name":[{"family":"Kowalski"}]"#;
        for depth in [500, 20_000] {
            let deep = ["[", "]"].map(|bracket| bracket.repeat(depth)).concat();
            let mut found = Vec::new();
            assert!(find(format!("{{\"a\":{deep},{name}}}").as_bytes(), &mut found), "nothing stands in them");
            assert_eq!(found.len(), 1, "{depth}");
            let deep = ["<a>", "</a>"].map(|tag| tag.repeat(depth)).concat();
            let mut found = Vec::new();
            assert!(find(format!("<p>{deep}<name><family value='Kowalski'/></name></p>").as_bytes(), &mut found));
            assert_eq!(found.len(), 1, "{depth}");
        }
    }
}
