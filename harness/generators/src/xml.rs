//! XML: entities that multiply, depth, and much of everything that a tag may have. The element around it is FHIR's, so
//! that readers of FHIR XML do not stop at the first name.

use crate::params::{Param, choice, number};
use crate::text::{nest, repeat};
use crate::{Content, Expanded, Family, Kind};
use std::io::{self, Write};

const OPEN: &str = r#"<Patient xmlns="http://hl7.org/fhir">"#;
const CLOSE: &str = "</Patient>";
const PLACE: Param = choice("place", &["text", "attribute"], "where the entity is used");

pub const XML_LAUGHS: Family = Family {
    name: "xml-laughs",
    about: "Entities of entities (\"billion laughs\"): the fan to the power of the depth",
    kind: Kind::Xml,
    source: "Amit Klein, \"Multiple vendors XML parser denial-of-service\", 2002; CVE-2003-1564; CWE-776",
    scale: Some("fan"),
    own_params: &[
        number("depth", "levels", 9, (0, 255), "entities made of the one before"),
        number("fan", "references", 10, (1, 1 << 24), "references in each"),
        PLACE,
    ],
    write: |params, out| {
        let (depth, fan) = (params.number("depth"), params.number("fan"));
        out.write_all(b"<?xml version=\"1.0\"?><!DOCTYPE Patient [<!ENTITY a0 \"lol\">")?;
        for level in 1..=depth {
            write!(out, "<!ENTITY a{level} \"")?;
            repeat(out, format!("&a{};", level - 1).as_bytes(), fan)?;
            out.write_all(b"\">")?;
        }
        out.write_all(b"]>")?;
        used(out, params.choice("place"), &format!("&a{depth};"), 1)?;
        let copies = u128::from(fan).checked_pow(depth as u32).and_then(|copies| copies.checked_mul(3));
        Ok(Content::Expands(copies.map_or(Expanded::Beyond, Expanded::Exact)))
    },
};

pub const XML_QUADRATIC: Family = Family {
    name: "xml-quadratic",
    about: "One long entity, used as often as it is long: no depth, no fan, and still the square",
    kind: Kind::Xml,
    source: "https://docs.python.org/3/library/xml.html#xml-vulnerabilities, \"quadratic blowup\"; CVE-2013-1664; CWE-776",
    scale: Some("size"),
    own_params: &[
        number("size", "characters", 20_000, (1, 1 << 30), "length of the entity, and number of its uses"),
        PLACE,
    ],
    write: |params, out| {
        let size = params.number("size");
        out.write_all(b"<?xml version=\"1.0\"?><!DOCTYPE Patient [<!ENTITY a \"")?;
        repeat(out, b"a", size)?;
        out.write_all(b"\">]>")?;
        used(out, params.choice("place"), "&a;", size)?;
        Ok(Content::Expands(Expanded::Exact(u128::from(size) * u128::from(size))))
    },
};

pub const XML_DEPTH: Family = Family {
    name: "xml-depth",
    about: "Elements in elements: who recurses, or keeps the path as text, does not end well",
    kind: Kind::Xml,
    source: "W3C XML 1.0, section 2.1: no limit is named; CWE-674",
    scale: Some("levels"),
    own_params: &[
        number("levels", "levels", 100_000, (1, 1 << 28), "how deep"),
        choice("closed", &["yes", "no"], "whether what was opened is closed again"),
    ],
    write: |params, out| {
        let is_closed = params.choice("closed") == "yes";
        out.write_all(OPEN.as_bytes())?;
        nest(out, "<a>", params.number("levels"), "", if is_closed { "</a>" } else { "" })?;
        out.write_all(if is_closed { CLOSE.as_bytes() } else { b"" })?;
        Ok(Content::Whole)
    },
};

pub const XML_ATTRIBUTES: Family = Family {
    name: "xml-attributes",
    about: "One tag with many attributes: each must be unlike all before, which is quadratic in a list",
    kind: Kind::Xml,
    source: "W3C XML 1.0, section 3.1, Unique Att Spec; CVE-2012-0876 (expat: collisions of attribute names)",
    scale: Some("count"),
    own_params: &[number("count", "attributes", 100_000, (1, 1 << 28), "attributes, no two alike")],
    write: |params, out| {
        out.write_all(br#"<Patient xmlns="http://hl7.org/fhir""#)?;
        for at in 0..params.number("count") {
            write!(out, " a{at:08x}=\"\"")?;
        }
        out.write_all(b"/>")?;
        Ok(Content::Whole)
    },
};

pub const XML_NAMESPACES: Family = Family {
    name: "xml-namespaces",
    about: "One tag that declares many namespaces, all in scope for the elements inside",
    kind: Kind::Xml,
    source: "W3C Namespaces in XML 1.0, section 3",
    scale: Some("count"),
    own_params: &[number(
        "count",
        "declarations",
        50_000,
        (1, 1 << 28),
        "prefixes, and as many elements that use the first",
    )],
    write: |params, out| {
        let count = params.number("count");
        out.write_all(br#"<Patient xmlns="http://hl7.org/fhir""#)?;
        for at in 0..count {
            write!(out, " xmlns:p{at:08x}=\"u\"")?;
        }
        out.write_all(b">")?;
        repeat(out, b"<p00000000:a/>", count)?;
        out.write_all(CLOSE.as_bytes())?;
        Ok(Content::Whole)
    },
};

pub const XML_TEXT: Family = Family {
    name: "xml-text",
    about: "One text, spelt letter by letter: readers that hand out or join each piece are quadratic",
    kind: Kind::Xml,
    source: "W3C XML 1.0, sections 2.4 to 2.7 and 4.1",
    scale: Some("count"),
    own_params: &[
        number("count", "letters", 1 << 18, (1, 1 << 32), "letters of the text"),
        choice(
            "spelling",
            &["decimal", "hex", "named", "cdata", "comment", "instruction"],
            "&#65; or &#x41; or &amp; or <![CDATA[A]]> or A<!----> or A<?a?>",
        ),
    ],
    write: |params, out| {
        let letter = match params.choice("spelling") {
            "hex" => "&#x41;",
            "named" => "&amp;",
            "cdata" => "<![CDATA[A]]>",
            "comment" => "A<!---->",
            "instruction" => "A<?a?>",
            _ => "&#65;",
        };
        out.write_all(OPEN.as_bytes())?;
        repeat(out, letter.as_bytes(), params.number("count"))?;
        out.write_all(CLOSE.as_bytes())?;
        Ok(Content::Whole)
    },
};

/// The document's element with so many references.
fn used(out: &mut dyn Write, place: &str, reference: &str, times: u64) -> io::Result<()> {
    let (open, close) = match place {
        "attribute" => (r#"<Patient xmlns="http://hl7.org/fhir"><name><family value=""#, r#""/></name></Patient>"#),
        _ => (OPEN, CLOSE),
    };
    out.write_all(open.as_bytes())?;
    repeat(out, reference.as_bytes(), times)?;
    out.write_all(close.as_bytes())
}
