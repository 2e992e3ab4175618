//! Small, plain documents of every kind: what a module that was just under pressure has to read as if nothing had been,
//! and what a module of unknown purpose is shown to find out what it reads.

use crate::target::Reading;
use autoclave_generators::{Kind, compressed};

/// An ordinary message, shorter than a page.
const HL7: &[u8] = b"MSH|^~\\&|LAB|ACME|EHR|CLINIC|20240101120000||ORU^R01|1|P|2.5.1\r\
PID|1||4711^^^ACME^MR||Okafor^Ada||19840229|F\rOBR|1|||8867-4^Heart rate^LN\rOBX|1|NM|8867-4^Heart rate^LN||72|/min|||||F\r";
const FHIR_JSON: &[u8] = br#"{"resourceType":"Patient","id":"p1","active":true,"name":[{"family":"Okafor","given":["Ada"]}],"birthDate":"1984-02-29"}"#;
const FHIR_XML: &[u8] = br#"<Patient xmlns="http://hl7.org/fhir"><id value="p1"/><active value="true"/><name><family value="Okafor"/><given value="Ada"/></name><birthDate value="1984-02-29"/></Patient>"#;
const JSON: &[u8] = br#"{"a":[1,2.5,"x",true,null],"b":{}}"#;
const XML: &[u8] = b"<?xml version=\"1.0\"?><a b=\"c\"><d>text</d></a>";
/// Field 1000, a varint: unknown to every message, and therefore passed over by every reader.
const PROTOBUF: &[u8] = &[0xc0, 0x3e, 0x01];
/// `{"a": 1}`.
const CBOR: &[u8] = &[0xa1, 0x61, 0x61, 0x01];

/// A small document of a kind; of a compressed kind, one that contains a FHIR resource.
pub fn benign(kind: Kind) -> Vec<u8> {
    benign_of(Reading { outer: kind, inner: None })
}

/// A small document as an entry reads it.
pub fn benign_of(reading: Reading) -> Vec<u8> {
    match reading.outer {
        Kind::Json => JSON.to_vec(),
        Kind::FhirJson => FHIR_JSON.to_vec(),
        Kind::FhirXml => FHIR_XML.to_vec(),
        Kind::Xml => XML.to_vec(),
        Kind::Ndjson => [FHIR_JSON, b"\n", FHIR_JSON, b"\n"].concat(),
        Kind::Hl7v2 => HL7.to_vec(),
        Kind::Protobuf => PROTOBUF.to_vec(),
        Kind::Cbor => CBOR.to_vec(),
        outer => {
            let inside = benign(reading.inner.unwrap_or(Kind::FhirJson));
            compressed(outer, &inside).expect("every other kind is compressed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_small_document() {
        for kind in Kind::ALL {
            let bytes = benign(kind);
            assert!((3..1 << 10).contains(&bytes.len()), "{}: {}", kind.name(), bytes.len());
        }
        let distinct: std::collections::BTreeSet<_> = Kind::ALL.into_iter().map(benign).collect();
        assert_eq!(distinct.len(), Kind::ALL.len());
    }
}
