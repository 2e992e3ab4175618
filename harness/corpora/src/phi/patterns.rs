//! Identifiers that have a look of their own, wherever they stand: one table of patterns, each with the question that
//! tells an invented one. The patterns are about bytes and run in linear time.

use super::space::{self, Space, declared};
use super::{Class, Found, checksums};
use regex::bytes::{Captures, Regex};
use std::sync::OnceLock;

struct Pattern {
    class: Class,
    /// The identifier is group 1, else the whole.
    look: &'static str,
    /// Whether a match is outside of the name space: what matched, the text, the space.
    is_outside: fn(&Look<'_>, &Space) -> bool,
}

/// One match.
struct Look<'a> {
    captures: Captures<'a>,
    text: &'a [u8],
    start: usize,
    end: usize,
}

impl Look<'_> {
    fn group(&self, number: usize) -> String {
        let bytes = self.captures.get(number).map(|found| found.as_bytes()).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn whole(&self) -> String {
        String::from_utf8_lossy(&self.text[self.start..self.end]).into_owned()
    }

    fn digits(&self) -> Vec<u8> {
        self.text[self.start..self.end].iter().copied().filter(u8::is_ascii_digit).collect()
    }

    fn number(&self, group: usize) -> u32 {
        self.group(group).parse().unwrap_or(0)
    }

    fn next(&self) -> Option<u8> {
        self.text.get(self.end).copied()
    }

    fn before(&self) -> Option<u8> {
        self.start.checked_sub(1).map(|at| self.text[at])
    }

    /// Whether one of these signs joins it to a number before it: a part of something longer.
    fn continues(&self, signs: &[u8]) -> bool {
        let beyond = self.start.checked_sub(2).map(|at| self.text[at]);
        self.before().is_some_and(|c| signs.contains(&c)) && beyond.is_some_and(|c| c.is_ascii_digit())
    }

    /// Whether one of these signs joins it to a number behind it.
    fn goes_on(&self, signs: &[u8]) -> bool {
        let beyond = self.text.get(self.end.saturating_add(1));
        self.next().is_some_and(|c| signs.contains(&c)) && beyond.is_some_and(u8::is_ascii_digit)
    }

    /// Whether it is a part of something longer with dots: an OID, a version, a decimal.
    fn is_inside_of_numbers(&self) -> bool {
        let digit_at = |at: Option<usize>| at.and_then(|at| self.text.get(at)).is_some_and(u8::is_ascii_digit);
        (self.next() == Some(b'.') && digit_at(self.end.checked_add(1)))
            || (self.before() == Some(b'.') && digit_at(self.start.checked_sub(2)))
    }

    /// Whether a word such as "fax" stands shortly before it.
    fn follows(&self, words: &[&str]) -> bool {
        let from = self.start.saturating_sub(40);
        let before = self.text[from..self.start].to_ascii_lowercase();
        words.iter().any(|word| before.windows(word.len()).any(|window| window == word.as_bytes()))
    }
}

/// Words that say what number follows, and the number.
macro_rules! named {
    ($words:literal) => {
        concat!(
            r"(?-u)(?i:(?:\b|_)(?:",
            $words,
            r#")(?:[ _-]?(?:number|num|nr|no|id|is)\b\.?){0,2})["']?\s*[:=#]?\s*["']?([A-Za-z0-9][A-Za-z0-9-]{3,})"#
        )
    };
}

const PATTERNS: &[Pattern] = &[
    // Names.
    Pattern {
        class: Class::Name,
        look: r"(?-u)\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau)\.? ([A-Z][a-z\x80-\xff]{2,}(?: [A-Z][a-z\x80-\xff]{2,})?)",
        is_outside: |look, space| !space.has_name(&look.group(1)),
    },
    Pattern {
        class: Class::Name,
        look: r#"(?-u)(?i:(?:\b|_)(?:patient|patient'?s?[ _-]?name|full[ _-]?name|surname|(?:last|first|middle|given|family|maiden)[ _-]?name|next of kin))["']?\s*[:=]\s*["']?([A-Z][A-Za-z\x80-\xff'-]+(?: [A-Z][A-Za-z\x80-\xff.'-]*)*)"#,
        is_outside: |look, space| !space.has_name(&look.group(1)),
    },
    Pattern {
        class: Class::Name,
        look: r"(?-u)\b([A-Z][A-Za-z]{2,}),? (?:[A-Z]\. )?([A-Z][A-Za-z]{2,})\b",
        is_outside: |look, space| {
            let (first, second) = (look.group(1), look.group(2));
            space.is_common_name(&first, &second) || space.is_common_name(&second, &first)
        },
    },
    // Places.
    Pattern {
        class: Class::Place,
        look: r"(?-u)\b(\d{1,5} (?:[A-Z][A-Za-z]+ ){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Boulevard|Blvd|Court|Way|Terrace))\b",
        is_outside: |look, space| {
            let kinds =
                ["avenue", "ave", "road", "rd", "lane", "ln", "drive", "boulevard", "blvd", "court", "way", "terrace"];
            space::words(&look.group(1)).any(|word| !kinds.contains(&word.as_str()) && !space.has_place(&word))
        },
    },
    Pattern {
        class: Class::Place,
        look: r"(?-u)\b(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[TA]|W[AVIY]) (\d{5}(?:-\d{4})?)\b",
        is_outside: |look, space| !space.has_postcode(&look.group(1)),
    },
    // Dates.
    Pattern {
        class: Class::Date,
        look: r"(?-u)\b((?:1[89]|20)\d\d)[-/.](0[1-9]|1[0-2])[-/.](0[1-9]|[12]\d|3[01])",
        is_outside: |look, space| {
            !look.next().is_some_and(|c| c.is_ascii_digit())
                && !look.is_inside_of_numbers()
                && !space.has_date(look.number(1), look.number(2), look.number(3))
        },
    },
    Pattern {
        class: Class::Date,
        look: r"(?-u)\b(\d{1,2})[./-](\d{1,2})[./-]((?:19|20)\d\d)\b",
        is_outside: |look, space| {
            let (a, b, year) = (look.number(1), look.number(2), look.number(3));
            let declared = |month, day| space::is_day(year, month, day) && space.has_date(year, month, day);
            !look.is_inside_of_numbers()
                && !declared(a, b)
                && !declared(b, a)
                && (space::is_day(year, a, b) || space::is_day(year, b, a))
        },
    },
    Pattern {
        class: Class::Date,
        look: r"(?-u)(?i)\b(\d{1,2})(?:st|nd|rd|th|\.)?[ -](jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}[ ,.-]{1,3}((?:19|20)\d\d)\b",
        is_outside: |look, space| !space.has_date(look.number(3), month(&look.group(2)), look.number(1)),
    },
    Pattern {
        class: Class::Date,
        look: r"(?-u)(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.? (\d{1,2})(?:st|nd|rd|th)?,? ((?:19|20)\d\d)\b",
        is_outside: |look, space| !space.has_date(look.number(3), month(&look.group(1)), look.number(2)),
    },
    // Without separators, or without a day, only where it says whose it is.
    Pattern {
        class: Class::Date,
        look: r#"(?-u)(?i:(?:\b|_)(?:dob|d\.o\.b\.?|birth[ _-]?date|birthday|date[ _-]of[ _-]birth|born(?: on)?))["']?\s*[:=]?\s*["']?((?:18|19|20)\d\d[-/.]?(?:0[1-9]|1[0-2])(?:[-/.]?(?:0[1-9]|[12]\d|3[01]))?)\b"#,
        is_outside: |look, space| {
            let digits = digits_of(&look.group(1));
            let number = |from: usize, to: usize| -> Option<u32> {
                std::str::from_utf8(digits.get(from..to)?).ok()?.parse().ok()
            };
            match (number(0, 4), number(4, 6), number(6, 8)) {
                (Some(year), Some(month), Some(day)) => !space.has_date(year, month, day),
                (Some(year), Some(month), None) => !space.has_month(year, month),
                _ => false,
            }
        },
    },
    Pattern {
        class: Class::Date,
        look: r"(?-u)(?i)\b(?:aged? (?:9\d|1[01]\d)|(?:9\d|1[01]\d)[ -](?:years?|yrs?)[ -]old)\b",
        is_outside: |_, _| true,
    },
    // Telephone and fax.
    Pattern {
        class: Class::Phone,
        look: r"(?-u)(?:\+?1[-. ]?)?(?:\(\d{3}\) ?|\b\d{3}[-. ])\d{3}[-. ]\d{4}\b",
        is_outside: |look, space| !is_fax(look) && is_phone(look, space),
    },
    Pattern {
        class: Class::Fax,
        look: r"(?-u)(?:\+?1[-. ]?)?(?:\(\d{3}\) ?|\b\d{3}[-. ])\d{3}[-. ]\d{4}\b",
        is_outside: |look, space| is_fax(look) && is_phone(look, space),
    },
    Pattern {
        class: Class::Phone,
        look: r"(?-u)\+[1-9]\d{0,2}(?:[ .()/-]{0,2}\d){6,12}\b",
        is_outside: |look, space| {
            !is_fax(look)
                && is_phone(look, space)
                && !look.before().is_some_and(|c| c.is_ascii_digit())
                && !look.continues(b":")
        },
    },
    Pattern {
        class: Class::Fax,
        look: r"(?-u)\+[1-9]\d{0,2}(?:[ .()/-]{0,2}\d){6,12}\b",
        is_outside: |look, space| is_fax(look) && is_phone(look, space),
    },
    // Email and hosts.
    Pattern {
        class: Class::Email,
        look: r"(?-u)\b[A-Za-z0-9._+-]{1,64}@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24})\b",
        is_outside: |look, space| {
            !space.has_host(
                &look
                    .captures
                    .get(1)
                    .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned())
                    .unwrap_or_default(),
            )
        },
    },
    Pattern {
        class: Class::Url,
        look: r"(?-u)(?i)\b(?:https?|ftps?|wss?)://(?:[^\s/@\x22<>]{1,100}@)?(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})",
        is_outside: |look, space| {
            let host = look
                .captures
                .get(1)
                .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned())
                .unwrap_or_default();
            // Addresses have a class of their own, and a host without a dot is in nobody's directory.
            host.contains('.')
                && !host.starts_with('[')
                && host.parse::<std::net::Ipv4Addr>().is_err()
                && !space.has_host(&host)
        },
    },
    Pattern {
        class: Class::Url,
        look: r"(?-u)(?i)\bwww\.([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.[a-z]{2,24})\b",
        is_outside: |look, space| {
            let host = look.group(1);
            !space.has_host(&host) && !space.has_host(&format!("www.{host}"))
        },
    },
    // Social security.
    Pattern {
        class: Class::Ssn,
        look: r"(?-u)\b\d{3}([- ])\d{2}([- ])\d{4}\b",
        is_outside: |look, _| {
            look.group(1) == look.group(2)
                && !space::is_invented_ssn(&look.digits())
                && !look.continues(b"-.")
                && !look.goes_on(b"-")
        },
    },
    Pattern {
        class: Class::Ssn,
        look: r#"(?-u)(?i:\b(?:ssn|social security(?: number| no\.?)?))["']?\s*[:=#]?\s*["']?(\d{9})\b"#,
        is_outside: |look, _| !space::is_invented_ssn(&digits_of(&look.group(1))),
    },
    // Numbers with their name before them.
    Pattern {
        class: Class::RecordNumber,
        look: named!(r"mrn|medical record(?: number| no\.?)?|patient (?:id|no\.?|number)|chart (?:no\.?|number)"),
        is_outside: named_number,
    },
    Pattern {
        class: Class::PlanNumber,
        look: named!(
            r"member id|member no\.?|subscriber id|policy (?:no\.?|number)|beneficiary (?:id|number)|health plan (?:id|number)|medicaid (?:id|number)"
        ),
        is_outside: named_number,
    },
    // Medicare's beneficiary identifier, by its positions (CMS, MBI format).
    Pattern {
        class: Class::PlanNumber,
        look: r"(?-u)\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}\b",
        is_outside: |look, space| !space.has_identifier(&look.whole()),
    },
    Pattern {
        class: Class::Account,
        look: named!(r"account (?:no\.?|number)|acct\.? ?(?:no\.?|#)?"),
        is_outside: named_number,
    },
    Pattern {
        class: Class::Account,
        look: r"(?-u)\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
        is_outside: |look, _| checksums::iban(&look.whole().bytes().filter(|c| *c != b' ').collect::<Vec<_>>()),
    },
    Pattern {
        class: Class::Account,
        look: r"(?-u)\b(?:4\d{3}|5[1-5]\d{2}|6011)([ -]?)\d{4}([ -]?)\d{4}([ -]?)\d{4}\b|\b3[47]\d{13}\b",
        is_outside: |look, _| {
            look.group(1) == look.group(2)
                && checksums::luhn(&look.digits())
                && !look.continues(b".-")
                && !look.goes_on(b".")
        },
    },
    Pattern {
        class: Class::Licence,
        look: named!(
            r"(?:driver'?s? |medical )?licen[cs]e (?:no\.?|number|#)|certificate (?:no\.?|number)|dea (?:no\.?|number|#)"
        ),
        is_outside: named_number,
    },
    Pattern {
        class: Class::Licence,
        look: r#"(?-u)(?i:\b(?:npi|us-npi))(?i:["',: =#]|value|number){1,12}([12]\d{9})\b"#,
        is_outside: |look, _| !space::is_invented_npi(&digits_of(&look.group(1))),
    },
    Pattern {
        class: Class::Licence,
        look: r"(?-u)\b[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}\b",
        is_outside: |look, _| checksums::dea(look.whole().as_bytes()) && look.follows(&["dea"]),
    },
    Pattern {
        class: Class::Vehicle,
        look: r"(?-u)\b[A-HJ-NPR-Z0-9]{17}\b",
        is_outside: |look, _| checksums::vin(look.whole().as_bytes()),
    },
    Pattern {
        class: Class::Vehicle,
        look: r#"(?-u)(?i:\b(?:licen[cs]e plate|number plate|vin|registration plate))["']?\s*[:=#]?\s*["']?([A-Za-z0-9][A-Za-z0-9 -]{3,})"#,
        is_outside: named_number,
    },
    Pattern {
        class: Class::Device,
        look: r"(?-u)\(01\)\d{14}(?:\([0-9]{2}\)[A-Za-z0-9]{1,20})*\(21\)([A-Za-z0-9-]{1,20})",
        is_outside: |look, space| !space.has_identifier(&look.group(1)),
    },
    Pattern {
        class: Class::Device,
        look: named!(r"serial (?:no\.?|number|#)|s/n|imei|device (?:id|serial)"),
        is_outside: named_number,
    },
    Pattern {
        class: Class::Device,
        look: r"(?-u)\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b",
        is_outside: |look, _| is_mac(look),
    },
    Pattern {
        class: Class::Device,
        look: r"(?-u)\b[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}\b",
        is_outside: |look, _| is_mac(look),
    },
    // Addresses of machines.
    Pattern {
        class: Class::Ip,
        look: r"(?-u)\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
        is_outside: |look, _| {
            let ip = look.whole().parse();
            ip.is_ok_and(|ip| !space::is_reserved_v4(ip))
                && !look.is_inside_of_numbers()
                && !look.follows(&["oid:", "section", "clause", "chapter", "version", "§", "hl7 v2."])
        },
    },
    Pattern {
        class: Class::Ip,
        look: r"(?-u)[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]{2,35}[0-9A-Fa-f]",
        is_outside: |look, _| {
            let text = look.whole();
            let is_alone = !look.before().is_some_and(|c| c.is_ascii_alphanumeric() || c == b':')
                && !look.next().is_some_and(|c| c.is_ascii_alphanumeric() || c == b':');
            // `::` between two words of code is none.
            let groups = text.split(':').filter(|group| !group.is_empty()).count();
            is_alone && groups >= 3 && text.parse().is_ok_and(|ip| !space::is_reserved_v6(ip))
        },
    },
    // Bodies.
    Pattern {
        class: Class::Biometric,
        look: r#"(?-u)(?i:\b(?:fingerprint|iris ?scan|iris ?code|retina(?:l)? ?scan|voice ?print|face ?template|palm ?print)(?: ?(?:id|hash|template|data))?)["']?\s*[:=]\s*["']?([A-Za-z0-9+/=_-]{4,})"#,
        is_outside: named_number,
    },
    // Everything else that is unique.
    Pattern {
        class: Class::Other,
        look: r"(?-u)\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b",
        is_outside: |look, space| !space.has_uuid(&look.whole()),
    },
    Pattern {
        class: Class::Other,
        look: named!(r"passport|nhs|national id|tax id|voter id|study (?:id|subject)|employee (?:id|no\.?)"),
        is_outside: named_number,
    },
];

fn compiled() -> &'static [(Regex, &'static Pattern)] {
    static COMPILED: OnceLock<Vec<(Regex, &'static Pattern)>> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let compile = |pattern: &'static Pattern| (Regex::new(pattern.look).expect("a test compiles it"), pattern);
        PATTERNS.iter().map(compile).collect()
    })
}

/// Matches that are outside of the name space.
pub fn find(bytes: &[u8], found: &mut Vec<Found>) {
    let space = declared();
    for (regex, pattern) in compiled() {
        let mut at = 0;
        while let Some(captures) = regex.captures_at(bytes, at) {
            let Some(whole) = captures.get(0) else { break };
            let shown = captures.get(1).filter(|group| group.len() > 2).unwrap_or(whole);
            let (start, end) = (whole.start(), whole.end());
            // The last word of a name may be the first one of the next, or say that one follows.
            let last = captures.iter().flatten().last().filter(|_| pattern.class == Class::Name);
            at = last.map(|word| word.start()).filter(|word| *word > start).unwrap_or(end).max(start + 1);
            let look = Look { text: bytes, start, end, captures };
            if (pattern.is_outside)(&look, space) {
                let is_number = pattern.look.contains("[:=");
                let (start, end) = if is_number { (shown.start(), shown.end()) } else { (start, end) };
                found.push((pattern.class, start, end));
            }
        }
    }
}

fn named_number(look: &Look<'_>, space: &Space) -> bool {
    !space.has_identifier(&look.group(1))
}

fn is_phone(look: &Look<'_>, space: &Space) -> bool {
    !space.has_phone(&look.whole()) && !look.is_inside_of_numbers() && !look.continues(b"-.")
}

fn is_fax(look: &Look<'_>) -> bool {
    look.follows(&["fax"])
}

fn is_mac(look: &Look<'_>) -> bool {
    !space::is_reserved_mac(&look.whole())
        && !matches!(look.next(), Some(b':' | b'-'))
        && !matches!(look.before(), Some(b':' | b'-'))
}

fn digits_of(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_digit).collect()
}

fn month(name: &str) -> u32 {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let name = name.to_ascii_lowercase();
    MONTHS.iter().position(|month| name.starts_with(month)).map_or(0, |at| at as u32 + 1)
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
    fn what_looks_like_an_identifier_and_is_none() {
        for text in [
            "2.16.840.1.113883.4.1",
            "urn:oid:1.2.36.146",
            "3.14159.26535.89",
            "12:30:45",
            "crate::add::bed",
            "1234567890123456789012345678",
            "0.4111111111111111",
            "MSH|^~\\&|",
            "version 1.2.3.4 of it",
            "sha256:aa11bb22",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn what_stands_around_it_hides_nothing() {
        check("Patient Robert Johnson was admitted", &[Class::Name]);
        check("Patient: Alex Patient: Kowalski", &[Class::Name]);
        check("first_name=Kowalski", &[Class::Name]);
        check("patient_name: Kowalski", &[Class::Name]);
        check("patientName: Kowalski", &[Class::Name]);
        check("first_name=Anna patient_name: Synth", &[]);
        check("tel:+48601234567", &[Class::Phone]);
        check("Phone:+14158675309", &[Class::Phone]);
        check("-415-867-5309", &[Class::Phone]);
        check("2026-08-15T12:30:00+48601234567", &[]);
        check("SSN-219-09-9999", &[Class::Ssn]);
        check("219-09-9999-", &[Class::Ssn]);
        check("1-219-09-9999", &[]);
        check("card-4111111111111111.", &[Class::Account]);
        check("MRN number 84720193", &[Class::RecordNumber]);
        check("MRN number is SYN-84720193", &[]);
        check("account number is 99812-4477", &[Class::Account]);
        check("patient_mrn=84720193", &[Class::RecordNumber]);
        check("DOB: 19730517", &[Class::Date]);
        check("date_of_birth=1973-05", &[Class::Date]);
        check("DOB: 19800229, birthDate: 1975-01, DOB 1973", &[]);
    }

    #[test]
    fn looks_beside_those_of_the_fixtures() {
        check("Dr. Kowalski", &[Class::Name]);
        check("Robert Johnson", &[Class::Name]);
        check("on May 17, 1973", &[Class::Date]);
        check("17.05.1973", &[Class::Date]);
        check("he is 93 years old", &[Class::Date]);
        check("+49 30 1234567", &[Class::Phone]);
        check("(415) 867-5309", &[Class::Phone]);
        check("Fax: (415) 867-5309", &[Class::Fax]);
        check("GB82 WEST 1234 5698 7654 32", &[Class::Account]);
        check("4111 1111 1111 1111", &[Class::Account]);
        check("2a00:1450:4001:81b::200e", &[Class::Ip]);
        check("2001:db8::1:2:3", &[]);
        check("8c:85:90:12:34:56", &[Class::Device]);
        check("00:00:5e:00:53:01", &[]);
        check("http://10.0.0.1/x", &[]);
        check("http://8.8.8.8/x", &[Class::Ip]);
        check("www.kowalski-family.net", &[Class::Url]);
    }
}
