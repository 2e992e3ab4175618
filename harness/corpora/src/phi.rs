//! The gate: does an input say something that could identify a person? The eighteen classes of identifiers that
//! 45 CFR 164.514(b)(2) lists, looked for in an input as it is and in everything that it decodes to.
//!
//! No program can tell an invented birthday from a real one. The gate therefore does not ask whether something is real,
//! but whether it was declared as invented: [`space`] holds the name space that our inputs may use, and everything that
//! looks like an identifier and is outside of it is a hit. Work is bounded by [`Limits`]; what could not be looked at
//! makes the answer incomplete, and incomplete is not clean.

mod checksums;
mod fields;
mod forms;
mod hl7;
mod magic;
mod nodes;
mod patterns;
pub mod qualify;
pub mod space;

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A class of identifiers: 45 CFR 164.514(b)(2)(i), (A) to (R).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// (A) Names.
    Name,
    /// (B) Geographic subdivisions smaller than a state.
    Place,
    /// (C) Elements of dates except the year; ages over 89.
    Date,
    /// (D) Telephone numbers.
    Phone,
    /// (E) Fax numbers.
    Fax,
    /// (F) Email addresses.
    Email,
    /// (G) Social security numbers.
    Ssn,
    /// (H) Medical record numbers.
    RecordNumber,
    /// (I) Health plan beneficiary numbers.
    PlanNumber,
    /// (J) Account numbers.
    Account,
    /// (K) Certificate and licence numbers.
    Licence,
    /// (L) Vehicle identifiers, licence plates included.
    Vehicle,
    /// (M) Device identifiers and serial numbers.
    Device,
    /// (N) URLs.
    Url,
    /// (O) IP addresses.
    Ip,
    /// (P) Biometric identifiers.
    Biometric,
    /// (Q) Full-face photographs and comparable images.
    Photo,
    /// (R) Any other unique identifying number, characteristic or code.
    Other,
}

impl Class {
    /// All, in the order of the rule.
    pub const ALL: [Class; 18] = [
        Class::Name,
        Class::Place,
        Class::Date,
        Class::Phone,
        Class::Fax,
        Class::Email,
        Class::Ssn,
        Class::RecordNumber,
        Class::PlanNumber,
        Class::Account,
        Class::Licence,
        Class::Vehicle,
        Class::Device,
        Class::Url,
        Class::Ip,
        Class::Biometric,
        Class::Photo,
        Class::Other,
    ];

    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Class::Name => "name",
            Class::Place => "place",
            Class::Date => "date",
            Class::Phone => "phone",
            Class::Fax => "fax",
            Class::Email => "email",
            Class::Ssn => "ssn",
            Class::RecordNumber => "record-number",
            Class::PlanNumber => "plan-number",
            Class::Account => "account",
            Class::Licence => "licence",
            Class::Vehicle => "vehicle",
            Class::Device => "device",
            Class::Url => "url",
            Class::Ip => "ip",
            Class::Biometric => "biometric",
            Class::Photo => "photo",
            Class::Other => "other",
        }
    }

    /// Its letter in 45 CFR 164.514(b)(2)(i).
    pub fn letter(self) -> char {
        char::from(b'A' + self as u8)
    }
}

/// How much is looked at in one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Decodings within decodings.
    pub depth_max: usize,
    /// Forms of one input, itself included.
    pub forms_max: usize,
    /// One form, bytes.
    pub form_bytes_max: usize,
    /// All forms together, bytes.
    pub total_bytes_max: usize,
    /// What one decompressor may write, bytes; of that, blocks that repeat are looked at once.
    pub stream_bytes_max: u64,
    /// What all decompressors together may write, bytes.
    pub streams_bytes_max: u64,
    /// Hits that are kept.
    pub hits_max: usize,
}

/// Enough for five envelopes around a document of some mebibytes.
impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 6,
            forms_max: 600,
            form_bytes_max: 4 << 20,
            total_bytes_max: 24 << 20,
            stream_bytes_max: 64 << 20,
            streams_bytes_max: 192 << 20,
            hits_max: 100,
        }
    }
}

/// Something that could identify a person. It does not hold the identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// What kind.
    pub class: Class,
    /// How the input was decoded to see it: `raw`, `gzip>base64`.
    pub form: String,
    /// Where in that form, bytes.
    pub offset: usize,
    /// Its shape: letters as `x`, digits as `9`.
    pub masked: String,
}

/// What the gate says of one input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// What is outside of the name space, in order, once each.
    pub hits: Vec<Hit>,
    /// What was not looked at, and why; empty if everything was.
    pub not_scanned: Vec<String>,
    /// Forms that were looked at.
    pub forms: usize,
}

impl Answer {
    /// Whether everything was looked at, and nothing found.
    pub fn is_clean(&self) -> bool {
        self.hits.is_empty() && self.not_scanned.is_empty()
    }

    /// `clean`, `hit` or `incomplete`.
    pub fn word(&self) -> &'static str {
        match (self.hits.is_empty(), self.not_scanned.is_empty()) {
            (false, _) => "hit",
            (true, false) => "incomplete",
            (true, true) => "clean",
        }
    }
}

/// What one look at one form finds: class, beginning, end.
type Found = (Class, usize, usize);

/// Looks at an input and everything that it decodes to.
pub fn scan(input: &[u8]) -> Answer {
    scan_within(input, &Limits::default())
}

/// [`scan`] with other limits.
pub fn scan_within(input: &[u8], limits: &Limits) -> Answer {
    let mut answer = Answer::default();
    let mut hits = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut cut = BTreeSet::new();
    let decoded = forms::all(input, limits);
    answer.not_scanned = decoded.not_scanned.into_iter().collect();
    for form in &decoded.forms {
        answer.forms += 1;
        let mut found = Vec::new();
        patterns::find(&form.bytes, &mut found);
        if !fields::find(&form.bytes, &mut found) {
            cut.insert(format!("{}: more objects or values than are looked at", form.label));
        }
        hl7::find(&form.bytes, &mut found);
        magic::find(&form.bytes, &mut found);
        for (class, start, end) in found {
            if hits.len() >= limits.hits_max {
                answer.not_scanned.extend(cut);
                answer.not_scanned.push(format!("more than {} hits", limits.hits_max));
                answer.hits = hits.into_iter().map(|(_, hit)| hit).collect();
                return answer;
            }
            let text = form.bytes.get(start..end).unwrap_or_default();
            // The same identifier in several forms (as it is, and with its escapes undone) is one hit.
            if seen.insert((class, text.to_ascii_lowercase())) {
                let hit = Hit { class, form: form.label.clone(), offset: start, masked: mask(text) };
                hits.insert((hits.len(), hit));
            }
        }
    }
    answer.not_scanned.extend(cut);
    answer.hits = hits.into_iter().map(|(_, hit)| hit).collect();
    answer
}

/// Longest excerpt, characters.
const MASKED_CHARS_MAX: usize = 24;

/// The shape of a text: letters as `x`, digits as `9`, ASCII punctuation as it is.
fn mask(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let shape = |c: char| match c {
        c if c.is_numeric() => '9',
        c if c.is_alphabetic() => 'x',
        ' ' | '!'..='~' => c,
        _ => '?',
    };
    let mut masked: String = text.chars().take(MASKED_CHARS_MAX).map(shape).collect();
    if text.chars().count() > MASKED_CHARS_MAX {
        masked.push('…');
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_shows_the_shape_alone() {
        let answer = scan(b"patient 219-09-9999 came");
        assert_eq!(answer.hits.len(), 1);
        let hit = &answer.hits[0];
        assert_eq!(
            (hit.class, hit.form.as_str(), hit.offset, hit.masked.as_str()),
            (Class::Ssn, "raw", 8, "999-99-9999")
        );
        assert_eq!(mask("Zoë 4ç²".as_bytes()), "xxx 9x9");
    }

    #[test]
    fn what_meets_a_cap_is_not_clean() {
        let ones = "1,".repeat(200_001);
        let deep = ["[", "]"].map(|bracket| bracket.repeat(20_000));
        let elements = "<a>".repeat(20_000);
        for text in [
            format!(r#"{{"a":[{ones}1],"resourceType":"Patient","name":[{{"family":"Kowalski"}}]}}"#),
            format!("[{}1]", "{},".repeat(50_001)),
            format!(r#"{{"a":{}1{}}}"#, deep[0], deep[1]),
            format!("{elements}text</a>"),
            format!("{elements}<b value='1'/>"),
        ] {
            let answer = scan(text.as_bytes());
            assert!(!answer.is_clean(), "{}", &text[..40]);
        }
        assert!(scan(deep.concat().as_bytes()).is_clean());
    }

    #[test]
    fn classes_are_those_of_the_rule() {
        let letters: String = Class::ALL.iter().map(|class| class.letter()).collect();
        assert_eq!(letters, "ABCDEFGHIJKLMNOPQR");
    }
}
