//! `evidence.toml`: who answers for what no program can test, with which document, and until when. A table for each
//! control:
//!
//! ```toml
//! [OPS-01a]
//! owner = "Jane Doe, security officer"
//! date = 2026-05-01
//! file = "risk-analysis.pdf"                 # beside evidence.toml, or below
//! sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! expires = 2027-05-01
//! ```
//!
//! Everything is strict: a word that is not known, a control that a program answers or a path that leads elsewhere is an
//! error. The document's bytes come from a reader that the caller gives, and today from the caller's clock.

use super::date::Date;
use super::{Control, UnknownControl, all, find};
use crate::escape;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;

/// Longest `evidence.toml`, bytes: a table for every control is a tenth of it.
pub const EVIDENCE_BYTES_MAX: usize = 1 << 20;
/// Longest document, bytes.
pub const DOCUMENT_BYTES_MAX: u64 = 1 << 30;
/// Longest value, characters.
const VALUE_CHARS_MAX: usize = 500;
const KEYS: [&str; 5] = ["owner", "date", "file", "sha256", "expires"];

/// What somebody answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Id of the control.
    pub control: &'static str,
    /// Who answers for it.
    pub owner: String,
    /// When they did.
    pub date: Date,
    /// The document, relative to `evidence.toml`.
    pub file: String,
    /// Lower-case hex of its SHA-256.
    pub sha256: String,
    /// The last day on which it counts.
    pub expires: Date,
}

/// All that somebody answers for, in the catalogue's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// At most one entry for each control.
    pub entries: Vec<Entry>,
}

/// What is wrong with an `evidence.toml`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It is longer than it needs to be.
    #[error("{file}: longer than {EVIDENCE_BYTES_MAX} bytes; evidence names documents, it does not hold them")]
    TooLong {
        /// Its name.
        file: String,
    },
    /// It is no TOML.
    #[error("{file}: {message}")]
    NoToml {
        /// Its name.
        file: String,
        /// What the reader of TOML says.
        message: String,
    },
    /// No such control.
    #[error("{file}: {source}")]
    Unknown {
        /// Its name.
        file: String,
        /// Which.
        source: UnknownControl,
    },
    /// A program answers this control.
    #[error("{file}: [{control}] is answered by a program; evidence cannot take its place: remove the table")]
    NotByEvidence {
        /// Its name.
        file: String,
        /// Which.
        control: &'static str,
    },
    /// A key is missing, unknown or of the wrong kind.
    #[error("{file}: [{control}] {what}")]
    Key {
        /// Its name.
        file: String,
        /// Which control.
        control: &'static str,
        /// What is wrong and what would be right.
        what: String,
    },
}

/// Reads an `evidence.toml`; `file` is its name in errors.
///
/// # Errors
/// The first thing that is wrong, in the file's order.
pub fn read(file: &str, text: &str) -> Result<Evidence, EvidenceError> {
    let name = escape::column(file, 200);
    if text.len() > EVIDENCE_BYTES_MAX {
        return Err(EvidenceError::TooLong { file: name });
    }
    let table: toml::Table = toml::from_str(text).map_err(|error| EvidenceError::NoToml {
        file: name.clone(),
        message: escape::cut(&escape::line(&error.to_string()), VALUE_CHARS_MAX),
    })?;
    let mut entries: BTreeMap<usize, Entry> = BTreeMap::new();
    for (id, value) in &table {
        let control = find(id).map_err(|source| EvidenceError::Unknown { file: name.clone(), source })?;
        if !control.takes_evidence() {
            return Err(EvidenceError::NotByEvidence { file: name, control: &control.id });
        }
        let entry = entry(control, value).map_err(|what| EvidenceError::Key {
            file: name.clone(),
            control: &control.id,
            what,
        })?;
        let place = all().position(|other| other.id == control.id).expect("it was found");
        if entries.insert(place, entry).is_some() {
            let what = "is there twice, in another case: keep one table".to_owned();
            return Err(EvidenceError::Key { file: name, control: &control.id, what });
        }
    }
    Ok(Evidence { entries: entries.into_values().collect() })
}

fn entry(control: &'static Control, value: &toml::Value) -> Result<Entry, String> {
    let table = value.as_table().ok_or_else(|| format!("is no table: give it {}", KEYS.join(", ")))?;
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let near = KEYS.into_iter().min_by_key(|known| strsim::osa_distance(known, &cut(key)));
        let near = near.filter(|known| strsim::osa_distance(known, &cut(key)) <= 2);
        let hint = near.map_or(format!("there are {}", KEYS.join(", ")), |near| format!("did you mean `{near}`?"));
        return Err(format!("`{}` is no key of evidence; {hint}", cut(key)));
    }
    let given = |key: &str| table.get(key).ok_or_else(|| format!("has no `{key}`"));
    let text = |key: &str| {
        let text = given(key)?.as_str().ok_or_else(|| format!("`{key}` is no text"))?;
        match text.chars().take(VALUE_CHARS_MAX + 1).count() {
            0 => Err(format!("`{key}` is empty")),
            n if n > VALUE_CHARS_MAX => Err(format!("`{key}` is longer than {VALUE_CHARS_MAX} characters")),
            _ if text.trim().is_empty() => Err(format!("`{key}` is empty")),
            _ => Ok(text.to_owned()),
        }
    };
    let date = |key: &str| {
        let shown = match given(key)? {
            toml::Value::Datetime(date) => date.to_string(),
            toml::Value::String(text) => text.clone(),
            _ => return Err(format!("`{key}` is no date; write one as 2026-05-01")),
        };
        shown.parse::<Date>().map_err(|error| format!("`{key}`: {error}"))
    };
    let file = text("file")?;
    let inside = escape::project_uri(&file).is_some() && !file.contains('\\');
    if !inside {
        return Err(format!("`file`: {} leads elsewhere; name a file beside evidence.toml or below", cut(&file)));
    }
    let sha256 = text("sha256")?;
    if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("`sha256` is not 64 lower-case hexadecimal digits; `sha256sum FILE` prints them".to_owned());
    }
    let (owner, date, expires) = (text("owner")?, date("date")?, date("expires")?);
    if expires < date {
        return Err(format!("`expires` ({expires}) is before `date` ({date})"));
    }
    Ok(Entry { control: &control.id, owner, date, file, sha256, expires })
}

fn cut(text: &str) -> String {
    escape::column(text, 60)
}

/// What evidence is worth today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attestation {
    /// It counts; owner, document and dates in one sentence.
    Valid(String),
    /// It does not, and why.
    Refused(String),
}

/// What each piece of evidence is worth, by control.
pub type Attestations = BTreeMap<&'static str, Attestation>;

impl Evidence {
    /// Asks of each entry whether it counts on `today`: its dates, and the document's hash. `open` reads a document by
    /// the name that the entry has; it must not follow links out of the folder.
    pub fn attest(&self, today: Date, mut open: impl FnMut(&str) -> std::io::Result<Box<dyn Read>>) -> Attestations {
        let one = |entry: &Entry| (entry.control, entry.attest(today, &mut open));
        self.entries.iter().map(one).collect()
    }
}

impl Entry {
    fn attest(&self, today: Date, open: &mut impl FnMut(&str) -> std::io::Result<Box<dyn Read>>) -> Attestation {
        let Entry { date, expires, .. } = self;
        let shown = cut(&self.file);
        if *date > today {
            return Attestation::Refused(format!("the evidence is of {date}, which is after {today}"));
        }
        if *expires < today {
            return Attestation::Refused(format!("the evidence expired on {expires}"));
        }
        let days_max = find(self.control).ok().and_then(|control| control.evidence_days_max);
        if let Some(days_max) = days_max.filter(|max| today.days_since(*date) > i64::from(*max)) {
            return Attestation::Refused(format!("the evidence is of {date}, and may be {days_max} days old"));
        }
        match open(&self.file).and_then(digest) {
            Err(error) => Attestation::Refused(format!("{shown}: {}", cut(&error.to_string()))),
            Ok(None) => Attestation::Refused(format!("{shown}: longer than {DOCUMENT_BYTES_MAX} bytes")),
            Ok(Some(digest)) if digest != self.sha256 => {
                Attestation::Refused(format!("{shown}: its sha256 is {digest}, not what evidence.toml says"))
            }
            Ok(Some(digest)) => Attestation::Valid(format!(
                "{}, {date}, until {expires}: {shown} (sha256 {digest})",
                escape::column(&self.owner, 200)
            )),
        }
    }
}

/// Lower-case hex of the SHA-256 of a document; `None` if it is too long.
fn digest(document: Box<dyn Read>) -> std::io::Result<Option<String>> {
    let (mut document, mut hash) = (document.take(DOCUMENT_BYTES_MAX + 1), Sha256::new());
    let mut bytes = 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match document.read(&mut buffer)? {
            0 => break,
            n => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
    let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes <= DOCUMENT_BYTES_MAX).then_some(hex))
}
