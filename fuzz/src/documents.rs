//! Bytes → documents that are nearly right: the shapes of FHIR and HL7 v2, with any content in any place.

use arbitrary::Arbitrary;
use std::fmt::{Display, Formatter, Result, Write};

/// A FHIR resource as JSON.
#[derive(Debug, Arbitrary)]
pub struct FhirDocument<'a> {
    resource: ResourceType,
    members: Vec<Member<'a>>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum ResourceType {
    Patient,
    Observation,
    Bundle,
    Medication,
    Unknown,
}

#[derive(Debug, Arbitrary)]
struct Member<'a> {
    name: Name,
    /// Written as `_name`: the primitive's twin.
    twin: bool,
    value: Value<'a>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Name {
    Id,
    Active,
    BirthDate,
    Gender,
    Given,
    Extension,
    Contained,
    ValueQuantity,
    Entry,
    Text,
    DeceasedBoolean,
    DeceasedDateTime,
}

#[derive(Debug, Arbitrary)]
enum Value<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Decimal { digits: u32, scale: u8, exponent: i16 },
    Text(&'a str),
    Date { year: u16, month: u8, day: u8 },
    Array(Vec<Value<'a>>),
    Object(Vec<Member<'a>>),
    Resource(Box<FhirDocument<'a>>),
}

impl Display for FhirDocument<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let name = match self.resource {
            ResourceType::Patient => "Patient",
            ResourceType::Observation => "Observation",
            ResourceType::Bundle => "Bundle",
            ResourceType::Medication => "Medication",
            ResourceType::Unknown => "Unknown",
        };
        write!(f, "{{\"resourceType\":\"{name}\"")?;
        for member in &self.members {
            write!(f, ",{member}")?;
        }
        f.write_char('}')
    }
}

impl Display for Member<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let name = match self.name {
            Name::Id => "id",
            Name::Active => "active",
            Name::BirthDate => "birthDate",
            Name::Gender => "gender",
            Name::Given => "given",
            Name::Extension => "extension",
            Name::Contained => "contained",
            Name::ValueQuantity => "valueQuantity",
            Name::Entry => "entry",
            Name::Text => "text",
            Name::DeceasedBoolean => "deceasedBoolean",
            Name::DeceasedDateTime => "deceasedDateTime",
        };
        write!(f, "\"{}{name}\":{}", if self.twin { "_" } else { "" }, self.value)
    }
}

impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Decimal { digits, scale, exponent } => {
                write!(f, "{digits}.{:0width$}e{exponent}", 0, width = usize::from(scale % 30) + 1)
            }
            Value::Text(text) => f.write_str(&serde_json::to_string(text).map_err(|_| std::fmt::Error)?),
            Value::Date { year, month, day } => write!(f, "\"{year:04}-{:02}-{:02}\"", month % 14, day % 34),
            Value::Array(values) => list(f, '[', values, ']'),
            Value::Object(members) => list(f, '{', members, '}'),
            Value::Resource(resource) => resource.fmt(f),
        }
    }
}

fn list<T: Display>(f: &mut Formatter<'_>, open: char, items: &[T], close: char) -> Result {
    f.write_char(open)?;
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        item.fmt(f)?;
    }
    f.write_char(close)
}

/// An HL7 v2 message in ER7.
#[derive(Debug, Arbitrary)]
pub struct Hl7Message<'a> {
    separators: Option<[u8; 5]>,
    segments: Vec<Segment<'a>>,
    end: Ending,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Ending {
    CarriageReturn,
    LineFeed,
    Both,
}

#[derive(Debug, Arbitrary)]
struct Segment<'a> {
    name: SegmentName,
    fields: Vec<Part<'a>>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum SegmentName {
    Pid,
    Obr,
    Obx,
    Nte,
    Msh,
    Zxx,
}

#[derive(Debug, Arbitrary)]
enum Part<'a> {
    Text(&'a str),
    Escape(Escape<'a>),
    Separator(u8),
}

#[derive(Debug, Arbitrary)]
enum Escape<'a> {
    Separator,
    Hex(&'a [u8]),
    Unknown(&'a str),
    Open,
}

impl Display for Hl7Message<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let separators = self.separators.map_or(['|', '^', '~', '\\', '&'], |bytes| bytes.map(char::from));
        let [field, component, repetition, escape, subcomponent] = separators;
        let end = match self.end {
            Ending::CarriageReturn => "\r",
            Ending::LineFeed => "\n",
            Ending::Both => "\r\n",
        };
        write!(f, "MSH{field}{component}{repetition}{escape}{subcomponent}{field}A{field}B{field}C{field}D{end}")?;
        for segment in &self.segments {
            f.write_str(match segment.name {
                SegmentName::Pid => "PID",
                SegmentName::Obr => "OBR",
                SegmentName::Obx => "OBX",
                SegmentName::Nte => "NTE",
                SegmentName::Msh => "MSH",
                SegmentName::Zxx => "ZXX",
            })?;
            for part in &segment.fields {
                match part {
                    Part::Text(text) => f.write_str(text)?,
                    Part::Separator(which) => f.write_char(separators[usize::from(*which) % 5])?,
                    Part::Escape(Escape::Separator) => write!(f, "{escape}F{escape}")?,
                    Part::Escape(Escape::Unknown(text)) => write!(f, "{escape}{text}{escape}")?,
                    Part::Escape(Escape::Open) => f.write_char(escape)?,
                    Part::Escape(Escape::Hex(bytes)) => {
                        write!(f, "{escape}X")?;
                        bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
                        f.write_char(escape)?;
                    }
                }
            }
            f.write_str(end)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbitrary::Unstructured;

    /// A generator that nothing accepts tests nothing.
    #[test]
    fn some_documents_are_accepted() {
        let (mut fhir, mut hl7) = (0, 0);
        for seed in 0..2_000u32 {
            let bytes: Vec<u8> =
                (0..200u32).map(|i| (seed.wrapping_mul(2_654_435_761).wrapping_add(i * i * 7919) >> 9) as u8).collect();
            let document = FhirDocument::arbitrary(&mut Unstructured::new(&bytes)).map(|document| document.to_string());
            fhir += usize::from(document.is_ok_and(|text| serde_json::from_str::<serde_json::Value>(&text).is_ok()));
            let message = Hl7Message::arbitrary(&mut Unstructured::new(&bytes)).map(|message| message.to_string());
            hl7 += usize::from(message.is_ok_and(|text| er7::parse(&text).is_ok()));
        }
        assert!(fhir > 500 && hl7 > 100, "{fhir} of 2000 are JSON, {hl7} are HL7");
    }
}
