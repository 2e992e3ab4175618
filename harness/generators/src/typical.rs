//! Plain documents as they come every day, only larger: what a reader must take at a small multiple of their size.
//! Synthetic: names, numbers and values are drawn from short lists and a seeded sequence; no person is meant.

use crate::params::{Param, number};
use crate::text::Random;
use crate::{Content, Family, Kind, Params};
use std::io::{self, Write};

const SEED: Param = number("seed", "as you like", 1, (0, u64::MAX), "another document of the same kind");

pub const FHIR_BUNDLE: Family = Family {
    name: "typical-fhir-bundle",
    about: "A transaction Bundle of patients, encounters, observations and prescriptions: not hostile, only large",
    kind: Kind::FhirJson,
    source: "FHIR R5, http, section Transactions; the typical-document contract",
    scale: Some("patients"),
    own_params: &[number("patients", "patients", 100, (1, 1 << 24), "patients, each with five more resources"), SEED],
    write: |params, out| {
        out.write_all(br#"{"resourceType":"Bundle","type":"transaction","entry":["#)?;
        for (at, record) in records(params).enumerate() {
            if at > 0 {
                out.write_all(b",")?;
            }
            record.write_json(out)?;
        }
        out.write_all(b"]}")?;
        Ok(Content::Whole)
    },
};

pub const FHIR_XML_BUNDLE: Family = Family {
    name: "typical-fhir-xml-bundle",
    about: "A collection Bundle of patients and observations in XML: not hostile, only large",
    kind: Kind::FhirXml,
    source: "FHIR R5, xml; the typical-document contract",
    scale: Some("patients"),
    own_params: &[number("patients", "patients", 100, (1, 1 << 24), "patients, each with three observations"), SEED],
    write: |params, out| {
        out.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Bundle xmlns=\"http://hl7.org/fhir\">\n")?;
        out.write_all(b"  <type value=\"collection\"/>\n")?;
        records(params).try_for_each(|record| record.write_xml(out))?;
        out.write_all(b"</Bundle>\n")?;
        Ok(Content::Whole)
    },
};

pub const HL7_BATCH: Family = Family {
    name: "typical-hl7-batch",
    about: "A batch of laboratory results: not hostile, only large",
    kind: Kind::Hl7v2,
    source: "HL7 v2.5.1, sections 2.10.3 and 7.3.1 (ORU^R01); the typical-document contract",
    scale: Some("messages"),
    own_params: &[number("messages", "messages", 100, (1, 1 << 24), "messages, each with three results"), SEED],
    write: |params, out| {
        let messages = params.number("messages");
        out.write_all(b"FHS|^~\\&|LAB|ACME|EHR|CLINIC|20240101120000\rBHS|^~\\&|LAB|ACME|EHR|CLINIC|20240101120000\r")?;
        records(params).try_for_each(|record| record.write_hl7(out))?;
        write!(out, "BTS|{messages}\rFTS|1\r")?;
        Ok(Content::Whole)
    },
};

const FAMILY: &[&str] =
    &["Okafor", "Lindqvist", "Moreau", "Nakamura", "Silva", "Haddad", "Kowalska", "O'Brien", "Müller"];
const GIVEN: &[&str] = &["Ada", "Jonas", "Mei", "Fatima", "Luca", "Ingrid", "Tomás", "Priya", "Noah", "Zoë"];
const STREET: &[&str] = &["Harbour Street", "Mill Lane", "Kirchgasse", "Rue des Lilas", "Station Road"];
const CITY: &[&str] = &["Springfield", "Riverton", "Lakeside", "Ashford", "Bellevue"];
const DRUG: &[&str] = &["Metformin 500 mg", "Lisinopril 10 mg", "Atorvastatin 20 mg", "Amoxicillin 250 mg"];
const CLASS: &[(&str, &str)] = &[("AMB", "ambulatory"), ("IMP", "inpatient encounter"), ("EMER", "emergency")];

/// A kind of result: LOINC code, what it is called, unit, lowest value and span in tenths of it.
const RESULTS: &[(&str, &str, &str, u64, u64)] = &[
    ("8867-4", "Heart rate", "/min", 500, 600),
    ("8310-5", "Body temperature", "Cel", 360, 40),
    ("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", 700, 900),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 110, 60),
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 1350, 100),
];

/// One patient and what happened on one day.
struct Record {
    number: u64,
    family: &'static str,
    given: &'static str,
    gender: &'static str,
    birth_date: [u64; 3],
    house: u64,
    street: &'static str,
    city: &'static str,
    day: [u64; 3],
    class: (&'static str, &'static str),
    drug: &'static str,
    results: [(usize, u64); 3],
}

/// As many as the scale parameter says.
fn records(params: &Params) -> impl Iterator<Item = Record> + use<> {
    let scale = params.family().scale.unwrap_or_default();
    let mut random = Random(params.number("seed"));
    (0..params.number(scale)).map(move |number| {
        let date =
            |random: &mut Random, year, span| [year + random.below(span), 1 + random.below(12), 1 + random.below(28)];
        let result = |random: &mut Random| {
            let kind = random.below(RESULTS.len() as u64) as usize;
            (kind, RESULTS[kind].3 + random.below(RESULTS[kind].4))
        };
        Record {
            number,
            family: random.pick(FAMILY),
            given: random.pick(GIVEN),
            gender: random.pick(&["female", "male", "other", "unknown"]),
            birth_date: date(&mut random, 1930, 90),
            house: 1 + random.below(200),
            street: random.pick(STREET),
            city: random.pick(CITY),
            day: date(&mut random, 2021, 4),
            class: CLASS[random.below(CLASS.len() as u64) as usize],
            drug: random.pick(DRUG),
            results: [result(&mut random), result(&mut random), result(&mut random)],
        }
    })
}

impl Record {
    fn uuid(&self, part: u64) -> String {
        format!("{part:08x}-0000-4000-8000-{:012x}", self.number)
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { number, family, given, gender, house, street, city, drug, .. } = self;
        let ([year, month, day], [b_year, b_month, b_day]) = (self.day, self.birth_date);
        let (patient, encounter) = (self.uuid(0), self.uuid(1));
        let (class, class_display) = self.class;
        write!(
            out,
            r#"{{"fullUrl":"urn:uuid:{patient}","resource":{{"resourceType":"Patient","text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{given} {family}, {gender}, born {b_year}-{b_month:02}-{b_day:02}</p></div>"}},"identifier":[{{"use":"usual","type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}}]}},"system":"urn:oid:2.16.840.1.113883.19.5","value":"{number:08}"}}],"active":true,"name":[{{"use":"official","family":"{family}","given":["{given}"]}}],"telecom":[{{"system":"phone","value":"555-{phone:04}","use":"home"}}],"gender":"{gender}","birthDate":"{b_year}-{b_month:02}-{b_day:02}","address":[{{"use":"home","line":["{house} {street}"],"city":"{city}","postalCode":"{house:05}"}}]}},"request":{{"method":"POST","url":"Patient"}}}},"#,
            phone = number % 10_000,
        )?;
        write!(
            out,
            r#"{{"fullUrl":"urn:uuid:{encounter}","resource":{{"resourceType":"Encounter","status":"completed","class":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"{class}","display":"{class_display}"}}]}}],"subject":{{"reference":"urn:uuid:{patient}"}},"actualPeriod":{{"start":"{year}-{month:02}-{day:02}T08:00:00Z","end":"{year}-{month:02}-{day:02}T09:30:00Z"}}}},"request":{{"method":"POST","url":"Encounter"}}}}"#
        )?;
        for (at, (kind, tenths)) in self.results.iter().enumerate() {
            let (code, display, unit, ..) = RESULTS[*kind];
            write!(
                out,
                r#",{{"fullUrl":"urn:uuid:{id}","resource":{{"resourceType":"Observation","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{display}"}}]}},"subject":{{"reference":"urn:uuid:{patient}"}},"encounter":{{"reference":"urn:uuid:{encounter}"}},"effectiveDateTime":"{year}-{month:02}-{day:02}T08:{at:02}:00Z","valueQuantity":{{"value":{}.{},"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}}}},"request":{{"method":"POST","url":"Observation"}}}}"#,
                tenths / 10,
                tenths % 10,
                id = self.uuid(2 + at as u64),
            )?;
        }
        write!(
            out,
            r#",{{"fullUrl":"urn:uuid:{id}","resource":{{"resourceType":"MedicationRequest","status":"active","intent":"order","medication":{{"concept":{{"text":"{drug}"}}}},"subject":{{"reference":"urn:uuid:{patient}"}},"encounter":{{"reference":"urn:uuid:{encounter}"}},"authoredOn":"{year}-{month:02}-{day:02}","dosageInstruction":[{{"text":"1 tablet twice daily with meals","timing":{{"repeat":{{"frequency":2,"period":1,"periodUnit":"d"}}}}}}]}},"request":{{"method":"POST","url":"MedicationRequest"}}}}"#,
            id = self.uuid(9),
        )
    }

    fn write_xml(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { number, family, given, gender, house, street, city, .. } = self;
        let ([year, month, day], [b_year, b_month, b_day]) = (self.day, self.birth_date);
        write!(
            out,
            r#"  <entry>
    <resource>
      <Patient>
        <id value="p{number}"/>
        <identifier>
          <system value="urn:oid:2.16.840.1.113883.19.5"/>
          <value value="{number:08}"/>
        </identifier>
        <name>
          <use value="official"/>
          <family value="{family}"/>
          <given value="{given}"/>
        </name>
        <gender value="{gender}"/>
        <birthDate value="{b_year}-{b_month:02}-{b_day:02}"/>
        <address>
          <line value="{house} {street}"/>
          <city value="{city}"/>
        </address>
      </Patient>
    </resource>
  </entry>
"#
        )?;
        for (at, (kind, tenths)) in self.results.iter().enumerate() {
            let (code, display, unit, ..) = RESULTS[*kind];
            write!(
                out,
                r#"  <entry>
    <resource>
      <Observation>
        <status value="final"/>
        <code>
          <coding>
            <system value="http://loinc.org"/>
            <code value="{code}"/>
            <display value="{display}"/>
          </coding>
        </code>
        <subject>
          <reference value="Patient/p{number}"/>
        </subject>
        <effectiveDateTime value="{year}-{month:02}-{day:02}T08:{at:02}:00Z"/>
        <valueQuantity>
          <value value="{}.{}"/>
          <unit value="{unit}"/>
        </valueQuantity>
      </Observation>
    </resource>
  </entry>
"#,
                tenths / 10,
                tenths % 10
            )?;
        }
        Ok(())
    }

    fn write_hl7(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { number, family, given, gender, house, street, city, .. } = self;
        let ([year, month, day], [b_year, b_month, b_day]) = (self.day, self.birth_date);
        let sex = gender[..1].to_ascii_uppercase();
        let date = format!("{year}{month:02}{day:02}");
        write!(
            out,
            "MSH|^~\\&|LAB|ACME|EHR|CLINIC|{date}120000||ORU^R01^ORU_R01|{number:08}|P|2.5.1|||AL|NE||UNICODE UTF-8\r\
             PID|1||{number:08}^^^ACME^MR||{family}^{given}^^^^^L||{b_year}{b_month:02}{b_day:02}|{sex}|||{house} {street}^^{city}^^{house:05}\r\
             PV1|1|{}|WARD^{}^1\r\
             OBR|1|{number:08}^EHR|{number:08}^LAB|24326-1^Electrolytes panel^LN|||{date}080000||||||||||||||||||F\r",
            &self.class.0[..1],
            house % 40,
        )?;
        for (at, (kind, tenths)) in self.results.iter().enumerate() {
            let (code, display, unit, ..) = RESULTS[*kind];
            let (at, whole, tenth) = (at + 1, tenths / 10, tenths % 10);
            write!(out, "OBX|{at}|NM|{code}^{display}^LN||{whole}.{tenth}|{unit}|||||F|||{date}0801\r")?;
        }
        write!(out, "NTE|1|L|Sample arrived in good condition\\.br\\No haemolysis \\T\\ no lipaemia.\r")
    }
}
