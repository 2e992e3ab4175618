//! Fields of HL7 v2 whose meaning the standard fixes (v2.5.1, chapters 3, 4, 6 and 7), with a message's own delimiters.

use super::fields::identifier_class;
use super::nodes;
use super::space::{self, Space};
use super::{Class, Found};

/// What stands in a field.
#[derive(Clone, Copy)]
enum Kind {
    /// CX: an identifier, its type in the fifth component; the class where that says nothing.
    Id(Class),
    /// XPN: a name.
    Name,
    /// XCN: an identifier and a name.
    Person,
    /// XAD: an address.
    Address,
    /// XTN: a telephone number or an address of another kind.
    Telecom,
    /// A place as one text.
    Place,
    /// A number of that class and nothing else.
    Number(Class),
    /// A moment of somebody's life: `YYYYMM` counts here alone, elsewhere six digits are anything.
    Month,
}

use Kind::{Address, Id, Month, Name, Number, Person, Place, Telecom};

/// Segment, field, what stands there.
const FIELDS: &[(&[u8; 3], usize, Kind)] = &[
    (b"PID", 2, Id(Class::RecordNumber)),
    (b"PID", 3, Id(Class::RecordNumber)),
    (b"PID", 4, Id(Class::RecordNumber)),
    (b"PID", 5, Name),
    (b"PID", 6, Name),
    (b"PID", 7, Month),
    (b"PID", 9, Name),
    (b"PID", 11, Address),
    (b"PID", 12, Place),
    (b"PID", 13, Telecom),
    (b"PID", 14, Telecom),
    (b"PID", 18, Id(Class::Account)),
    (b"PID", 19, Number(Class::Ssn)),
    (b"PID", 20, Number(Class::Licence)),
    (b"PID", 21, Id(Class::RecordNumber)),
    (b"PID", 23, Place),
    (b"PID", 29, Month),
    (b"PD1", 4, Person),
    (b"NK1", 2, Name),
    (b"NK1", 4, Address),
    (b"NK1", 5, Telecom),
    (b"NK1", 6, Telecom),
    (b"NK1", 16, Month),
    (b"NK1", 30, Name),
    (b"NK1", 33, Id(Class::Other)),
    (b"NK1", 37, Number(Class::Ssn)),
    (b"PV1", 7, Person),
    (b"PV1", 8, Person),
    (b"PV1", 9, Person),
    (b"PV1", 17, Person),
    (b"PV1", 19, Id(Class::Other)),
    (b"PV1", 44, Month),
    (b"PV1", 45, Month),
    (b"PV1", 50, Id(Class::Other)),
    (b"PV1", 52, Person),
    (b"OBR", 10, Person),
    (b"OBR", 16, Person),
    (b"OBR", 17, Telecom),
    (b"OBR", 28, Person),
    (b"OBX", 14, Month),
    (b"OBX", 16, Person),
    (b"OBX", 18, Number(Class::Device)),
    (b"ORC", 10, Person),
    (b"ORC", 11, Person),
    (b"ORC", 12, Person),
    (b"ORC", 14, Telecom),
    (b"ORC", 19, Person),
    (b"ORC", 24, Address),
    (b"MRG", 1, Id(Class::RecordNumber)),
    (b"MRG", 3, Id(Class::Account)),
    (b"MRG", 4, Id(Class::RecordNumber)),
    (b"MRG", 7, Name),
    (b"GT1", 3, Name),
    (b"GT1", 5, Address),
    (b"GT1", 6, Telecom),
    (b"GT1", 7, Telecom),
    (b"GT1", 8, Month),
    (b"GT1", 12, Number(Class::Ssn)),
    (b"GT1", 19, Id(Class::Other)),
    (b"IN1", 16, Name),
    (b"IN1", 18, Month),
    (b"IN1", 19, Address),
    (b"IN1", 36, Number(Class::PlanNumber)),
    (b"IN1", 49, Id(Class::PlanNumber)),
    (b"IN2", 2, Number(Class::Ssn)),
    (b"IN2", 6, Number(Class::PlanNumber)),
    (b"IN2", 8, Number(Class::PlanNumber)),
    (b"IN2", 61, Id(Class::PlanNumber)),
    (b"EVN", 5, Person),
    (b"DG1", 5, Month),
    (b"DG1", 16, Person),
    (b"TXA", 5, Person),
    (b"TXA", 9, Person),
    (b"STF", 3, Name),
    (b"PRT", 5, Person),
    (b"PRT", 10, Number(Class::Device)),
    (b"PRT", 14, Address),
    (b"PRT", 15, Telecom),
    (b"ACC", 1, Month),
    (b"ACC", 3, Place),
];

/// How a message is divided.
#[derive(Clone, Copy)]
struct Delimiters {
    field: u8,
    component: u8,
    repetition: u8,
    sub: u8,
}

const USUAL: Delimiters = Delimiters { field: b'|', component: b'^', repetition: b'~', sub: b'&' };

/// A part of a form.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Part<'a> {
    fn split(self, at: u8) -> impl Iterator<Item = Part<'a>> {
        let mut start = self.start;
        self.bytes.split(move |c| *c == at).map(move |bytes| {
            let part = Part { bytes, start };
            start += bytes.len() + 1;
            part
        })
    }

    fn text(self) -> String {
        nodes::text(&without_escapes(self.bytes))
    }

    fn hit(self, class: Class, found: &mut Vec<Found>) {
        found.push((class, self.start, self.start + self.bytes.len()));
    }
}

/// A field without its escape sequences: what they stand for is looked at in the form that has them undone.
fn without_escapes(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let sequence =
            (bytes[at] == b'\\').then(|| bytes[at + 1..].iter().take(512).position(|c| *c == b'\\')).flatten();
        let inner = sequence.map(|length| &bytes[at + 1..at + 1 + length]);
        match inner {
            Some([b'A'..=b'Z']) | Some([b'.', ..]) => {
                kept.push(b' ');
                at += inner.map_or(0, <[u8]>::len) + 2;
            }
            Some([b'X' | b'C' | b'M', digits @ ..]) if digits.iter().all(|c| c.is_ascii_hexdigit() || *c == b' ') => {
                kept.push(b' ');
                at += digits.len() + 3;
            }
            _ => {
                kept.push(bytes[at]);
                at += 1;
            }
        }
    }
    kept
}

/// Looks at every segment of every message.
pub fn find(bytes: &[u8], found: &mut Vec<Found>) {
    let space = space::declared();
    let mut delimiters = USUAL;
    let mut start = 0;
    for line in bytes.split(|c| matches!(c, b'\r' | b'\n' | 0x0b | 0x1c)) {
        let at = start;
        start += line.len() + 1;
        let skipped = line.iter().take_while(|c| c.is_ascii_whitespace() || matches!(c, 0xef | 0xbb | 0xbf)).count();
        let line = &line[skipped..];
        if matches!(line.get(..3), Some(b"MSH" | b"FHS" | b"BHS")) && line.len() > 4 {
            // MSH-2, up to the next field.
            let declared = line[4..].split(|c| *c == line[3]).next().unwrap_or_default();
            let or = |at: usize, usual: u8| declared.get(at).copied().unwrap_or(usual);
            delimiters =
                Delimiters { field: line[3], component: or(0, b'^'), repetition: or(1, b'~'), sub: or(3, b'&') };
        }
        if line.get(3) == Some(&delimiters.field) {
            segment(Part { bytes: line, start: at + skipped }, delimiters, space, found);
        }
    }
}

fn segment(line: Part<'_>, delimiters: Delimiters, space: &Space, found: &mut Vec<Found>) {
    let name = &line.bytes[..3];
    for (number, field) in line.split(delimiters.field).enumerate().skip(1) {
        if field.bytes.is_empty() || field.bytes == b"\"\"" {
            continue;
        }
        for repetition in field.split(delimiters.repetition) {
            days(repetition, delimiters, space, found);
            let kinds = FIELDS.iter().filter(|(segment, at, _)| segment.as_slice() == name && *at == number);
            for (_, _, kind) in kinds {
                judge(*kind, repetition, delimiters, space, found);
            }
        }
    }
}

/// `YYYYMMDD`, with or without a time, as a whole component: DT, TS, DTM.
fn days(field: Part<'_>, delimiters: Delimiters, space: &Space, found: &mut Vec<Found>) {
    for part in field.split(delimiters.component) {
        let digits = part.bytes.iter().take_while(|c| c.is_ascii_digit()).count();
        let is_alone = matches!(part.bytes.get(digits), None | Some(b'.' | b'+' | b'-'));
        let text = String::from_utf8_lossy(&part.bytes[..digits]);
        let number = |from: usize, to: usize| text.get(from..to).and_then(|text| text.parse::<u32>().ok());
        let (Some(year), Some(month), Some(day)) = (number(0, 4), number(4, 6), number(6, 8)) else { continue };
        let is_stamp = matches!(digits, 8 | 10 | 12 | 14) && is_alone && (1880..=2099).contains(&year);
        if is_stamp && !space.has_date(year, month, day) {
            part.hit(Class::Date, found);
        }
    }
}

fn judge(kind: Kind, field: Part<'_>, delimiters: Delimiters, space: &Space, found: &mut Vec<Found>) {
    let parts: Vec<Part<'_>> = field.split(delimiters.component).take(64).collect();
    let part = |at: usize| parts.get(at - 1).copied();
    let names = |parts: &[Part<'_>], found: &mut Vec<Found>| {
        for part in
            parts.iter().flat_map(|part| part.split(delimiters.sub)).filter(|part| !space.has_name(&part.text()))
        {
            part.hit(Class::Name, found);
        }
    };
    match kind {
        Name => names(&parts[..parts.len().min(4)], found),
        Person => {
            names(parts.get(1..5.min(parts.len())).unwrap_or_default(), found);
            let kind = part(13).map(Part::text).unwrap_or_default();
            let is_fine =
                |id: &Part<'_>| space.has_identifier(&id.text()) || kind == "NPI" && space::is_invented_npi(id.bytes);
            if let Some(id) = part(1).filter(|id| !is_fine(id)) {
                id.hit(identifier_class(&kind, "", "practitioner").unwrap_or(Class::Licence), found);
            }
        }
        Id(usual) => {
            let kind = part(5).map(Part::text).unwrap_or_default();
            let class = if kind.is_empty() { usual } else { identifier_class(&kind, "", "").unwrap_or(usual) };
            let class = if class == Class::Other { usual } else { class };
            if let Some(id) = part(1) {
                let is_fine =
                    space.has_identifier(&id.text()) || class == Class::Ssn && space::is_invented_ssn(id.bytes);
                if !is_fine {
                    id.hit(class, found);
                }
            }
        }
        Number(class) => {
            let digits: Vec<u8> = field.bytes.iter().copied().filter(u8::is_ascii_digit).collect();
            let is_fine =
                space.has_identifier(&parts[0].text()) || class == Class::Ssn && space::is_invented_ssn(&digits);
            if !is_fine {
                parts[0].hit(class, found);
            }
        }
        Address => {
            for at in [1, 2, 3, 8, 9] {
                if let Some(part) = part(at).filter(|part| !space.has_place(&part.text())) {
                    part.hit(Class::Place, found);
                }
            }
            if let Some(part) = part(5).filter(|part| !space.has_postcode(&part.text())) {
                part.hit(Class::Place, found);
            }
        }
        Month => {
            let digits = parts[0].bytes.iter().take_while(|c| c.is_ascii_digit()).count();
            let is_alone = matches!(parts[0].bytes.get(digits), None | Some(b'+' | b'-'));
            let text = parts[0].text();
            let number = |from: usize, to: usize| text.get(from..to).and_then(|text| text.parse::<u32>().ok());
            let (Some(year), Some(month)) = (number(0, 4), number(4, 6)) else { return };
            if digits == 6 && is_alone && (1880..=2099).contains(&year) && !space.has_month(year, month) {
                parts[0].hit(Class::Date, found);
            }
        }
        Place => {
            if !space.has_place(&field.text()) {
                field.hit(Class::Place, found);
            }
        }
        Telecom => {
            let is_fax = part(3).is_some_and(|part| part.bytes == b"FX");
            let class = if is_fax { Class::Fax } else { Class::Phone };
            // The number as one text, or area code and local number in components 6 and 7.
            let area = part(6).map(Part::text).unwrap_or_default();
            let numbers = [
                part(1).map(|part| (part, part.text())),
                part(7).map(|part| (part, format!("{area}{}", part.text()))),
                part(12).map(|part| (part, part.text())),
            ];
            for (part, _) in numbers.into_iter().flatten().filter(|(_, text)| !space.has_phone(text)) {
                part.hit(class, found);
            }
        }
    }
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
    fn fields_mean_what_the_standard_says() {
        let head = "MSH|^~\\&|LAB|SYNHOSP|EHR|SYNCLINIC|20260815||ADT^A01|SYN1|P|2.5.1\r";
        check(
            &format!(
                "{head}PID|1||SYN-1^^^SYN^MR||SYNTH^ALEX||19800229|F|||1 SYNTHETIC ST^^EXAMPLEVILLE^ZZ^00000||^PRN^PH^^1^202^5550123"
            ),
            &[],
        );
        check(&format!("{head}PID|1||4711987^^^X^MR||"), &[Class::RecordNumber]);
        check(&format!("{head}PID|1||219099999^^^X^SS||"), &[Class::Ssn]);
        check(&format!("{head}PID|1||||KOWALSKI^MAGDA"), &[Class::Name]);
        check(&format!("{head}PID|||||||19730517"), &[Class::Date]);
        check(&format!("{head}PID|||||||197305"), &[Class::Date]);
        check(&format!("{head}PID|||||||197501"), &[]);
        check(&format!("{head}OBX|1|NM|||197305"), &[]);
        let many = "\n".repeat(100_000);
        let both = [Class::Name, Class::RecordNumber];
        check(&format!("{many}PID|1||4711987^^^X^MR||KOWALSKI^MAGDA"), &both);
        check(&format!("{head}PID|||||||||||||^PRN^PH^^1^415^8675309"), &[Class::Phone]);
        check(&format!("{head}PID|||||||||||||^WPN^FX^^1^415^8675309"), &[Class::Fax]);
        check(&format!("{head}PID|||||||||||12 Rynek^^Krakow^^31-042"), &[Class::Place]);
        check(&format!("{head}PID||||||||||||||||||ACC-99812"), &[Class::Account]);
        check(&format!("{head}PID|||||||||||||||||||219099999"), &[Class::Ssn]);
        check(&format!("{head}PID||||||||||||||||||||D1234567^CA"), &[Class::Licence]);
        check("MSH#$%!*#A\rPID#1##4711987$$$X$MR%SYN1##KOWALSKI$MAGDA", &[Class::Name, Class::RecordNumber]);
        check("PV1|1|I|||||1234567893^KOWALSKI^MAGDA^^^^^^^^^^NPI", &[Class::Name, Class::Licence]);
        check("PV1|1|I|||||1234567890^SYNTH^ALEX^^^^^^^^^^NPI", &[]);
    }
}
