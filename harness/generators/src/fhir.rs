//! FHIR: the places where a resource may be deep or long, in JSON, XML and NDJSON. All but the unfinished line are
//! well formed; which of them are valid says each.

use crate::params::{Param, number};
use crate::text::{nest, repeat};
use crate::{Content, Family, GeneratorError, Kind, Params};
use std::io::Write;

/// Six hundred kilobytes and more: far beyond what a person writes, far below what a server takes.
const LEVELS: Param = number("levels", "levels", 20_000, (1, 1 << 26), "how deep");

const XHTML: &str = "http://www.w3.org/1999/xhtml";

pub const FHIR_EXTENSIONS: Family = Family {
    name: "fhir-extensions",
    about: "Extensions in extensions, as FHIR allows without limit: who recurses has no stack left",
    kind: Kind::FhirJson,
    source: "FHIR R5, extensibility: an extension has a value or extensions; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        nested(
            params,
            out,
            r#"{"resourceType":"Patient","extension":["#,
            (r#"{"url":"u","extension":["#, r#"{"url":"u","valueCode":"a"}"#, "]}"),
            "]}",
        )
    },
};

pub const FHIR_CONTAINED: Family = Family {
    name: "fhir-contained",
    about: "Resources contained in contained resources, which the rule dom-2 forbids: a check that comes too late",
    kind: Kind::FhirJson,
    source: "FHIR R5, DomainResource, constraint dom-2; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        nested(
            params,
            out,
            "",
            (r#"{"resourceType":"Basic","contained":["#, r#"{"resourceType":"Basic","id":"a"}"#, "]}"),
            "",
        )
    },
};

pub const FHIR_QUESTIONNAIRE_ITEMS: Family = Family {
    name: "fhir-questionnaire-items",
    about: "Groups of questions in groups, as FHIR allows without limit",
    kind: Kind::FhirJson,
    source: "FHIR R5, Questionnaire.item.item; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        nested(
            params,
            out,
            r#"{"resourceType":"Questionnaire","status":"draft","item":["#,
            (r#"{"linkId":"a","type":"group","item":["#, r#"{"linkId":"a","type":"display","text":"a"}"#, "]}"),
            "]}",
        )
    },
};

pub const FHIR_BUNDLE: Family = Family {
    name: "fhir-bundle",
    about: "A Bundle of many small resources: each becomes objects of kilobytes",
    kind: Kind::FhirJson,
    source: "FHIR R5, Bundle: no limit on entries is named",
    scale: Some("entries"),
    own_params: &[number("entries", "entries", 100_000, (1, 1 << 28), "resources of the Bundle")],
    write: |params, out| {
        out.write_all(br#"{"resourceType":"Bundle","type":"collection","entry":["#)?;
        for at in 0..params.number("entries") {
            let comma = if at == 0 { "" } else { "," };
            write!(out, r#"{comma}{{"resource":{{"resourceType":"Patient","id":"{at:08x}"}}}}"#)?;
        }
        out.write_all(b"]}")?;
        Ok(Content::Whole)
    },
};

pub const FHIR_BUNDLES_NESTED: Family = Family {
    name: "fhir-bundles-nested",
    about: "Bundles in Bundles: valid, and each level is four levels of JSON",
    kind: Kind::FhirJson,
    source: "FHIR R5, Bundle.entry.resource: any resource, Bundle too; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        nested(
            params,
            out,
            "",
            (
                r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":"#,
                r#"{"resourceType":"Basic","code":{"text":"a"}}"#,
                "}]}",
            ),
            "",
        )
    },
};

pub const FHIR_BINARY: Family = Family {
    name: "fhir-binary",
    about: "Base64 in one string: decoded, it is there twice",
    kind: Kind::FhirJson,
    source: "FHIR R5, Binary.data and Attachment.data; datatypes, base64Binary: servers may limit it",
    scale: Some("bytes"),
    own_params: &[number(
        "bytes",
        "bytes",
        6 << 20,
        (0, 1 << 36),
        "data before base64, in steps of three (rounded up)",
    )],
    write: |params, out| {
        out.write_all(br#"{"resourceType":"Binary","contentType":"application/octet-stream","data":""#)?;
        repeat(out, b"QUFB", params.number("bytes").div_ceil(3))?;
        out.write_all(br#""}"#)?;
        Ok(Content::Whole)
    },
};

pub const FHIR_NARRATIVE: Family = Family {
    name: "fhir-narrative",
    about: "A narrative of nested divisions: a second parser, inside of the first",
    kind: Kind::FhirJson,
    source: "FHIR R5, narrative, constraint txt-1; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        let open =
            format!(r#"{{"resourceType":"Patient","text":{{"status":"generated","div":"<div xmlns=\"{XHTML}\">"#);
        nested(params, out, &open, ("<div>", "a", "</div>"), r#"</div>"}}"#)
    },
};

pub const FHIR_XML_EXTENSIONS: Family = Family {
    name: "fhir-xml-extensions",
    about: "Extensions in extensions, in XML",
    kind: Kind::FhirXml,
    source: "FHIR R5, extensibility and xml; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        nested(
            params,
            out,
            r#"<Patient xmlns="http://hl7.org/fhir">"#,
            (r#"<extension url="u">"#, r#"<extension url="u"><valueCode value="a"/></extension>"#, "</extension>"),
            "</Patient>",
        )
    },
};

pub const FHIR_XML_BUNDLE: Family = Family {
    name: "fhir-xml-bundle",
    about: "A Bundle of many small resources, in XML",
    kind: Kind::FhirXml,
    source: "FHIR R5, Bundle and xml",
    scale: Some("entries"),
    own_params: &[number("entries", "entries", 100_000, (1, 1 << 28), "resources of the Bundle")],
    write: |params, out| {
        out.write_all(br#"<Bundle xmlns="http://hl7.org/fhir"><type value="collection"/>"#)?;
        for at in 0..params.number("entries") {
            write!(out, r#"<entry><resource><Patient><id value="{at:08x}"/></Patient></resource></entry>"#)?;
        }
        out.write_all(b"</Bundle>")?;
        Ok(Content::Whole)
    },
};

pub const FHIR_XML_NARRATIVE: Family = Family {
    name: "fhir-xml-narrative",
    about: "A narrative of nested divisions, in XML",
    kind: Kind::FhirXml,
    source: "FHIR R5, narrative, constraint txt-1; CWE-674",
    scale: Some("levels"),
    own_params: &[LEVELS],
    write: |params, out| {
        let open =
            format!(r#"<Patient xmlns="http://hl7.org/fhir"><text><status value="generated"/><div xmlns="{XHTML}">"#);
        nested(params, out, &open, ("<div>", "a", "</div>"), "</div></text></Patient>")
    },
};

pub const NDJSON_LINES: Family = Family {
    name: "ndjson-lines",
    about: "Many resources, one a line: a stream that somebody collects",
    kind: Kind::Ndjson,
    source: "FHIR Bulk Data Access 2.0; https://github.com/ndjson/ndjson-spec",
    scale: Some("lines"),
    own_params: &[number("lines", "lines", 1 << 18, (1, 1 << 32), "resources")],
    write: |params, out| {
        for at in 0..params.number("lines") {
            writeln!(out, r#"{{"resourceType":"Patient","id":"{at:08x}"}}"#)?;
        }
        Ok(Content::Whole)
    },
};

pub const NDJSON_ENDLESS_LINE: Family = Family {
    name: "ndjson-endless-line",
    about: "A line that does not end: who reads lines holds all of it",
    kind: Kind::Ndjson,
    source: "FHIR Bulk Data Access 2.0; CWE-770",
    scale: Some("bytes"),
    own_params: &[number("bytes", "bytes", 32 << 20, (1, 1 << 40), "characters of the string that is never closed")],
    write: |params, out| {
        out.write_all(br#"{"resourceType":"Basic","id":""#)?;
        repeat(out, b"a", params.number("bytes"))?;
        Ok(Content::Whole)
    },
};

/// So many levels of opening and closing text with something inside, between a head and a tail.
fn nested(
    params: &Params,
    out: &mut dyn Write,
    head: &str,
    (open, inside, close): (&str, &str, &str),
    tail: &str,
) -> Result<Content, GeneratorError> {
    out.write_all(head.as_bytes())?;
    nest(out, open, params.number("levels"), inside, close)?;
    out.write_all(tail.as_bytes())?;
    Ok(Content::Whole)
}
