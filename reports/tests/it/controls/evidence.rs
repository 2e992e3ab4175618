//! `evidence.toml`: what is refused, with a reason that names the control, and what counts on which day.

use autoclave_reports::controls::date::Date;
use autoclave_reports::controls::evidence::{Attestation, EVIDENCE_BYTES_MAX, read};
use sha2::{Digest, Sha256};
use std::io::{Cursor, Error, ErrorKind, Read};

const DOCUMENT: &[u8] = b"Risk analysis of the infusion dashboard, May 2026";

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One whole table, with some lines replaced.
fn table(id: &str, replaced: &[(&str, &str)]) -> String {
    let lines = [
        ("owner", "\"Jane Doe, security officer\"".to_owned()),
        ("date", "2026-05-01".to_owned()),
        ("file", "\"papers/risk.pdf\"".to_owned()),
        ("sha256", format!("\"{}\"", sha256(DOCUMENT))),
        ("expires", "2027-05-01".to_owned()),
    ];
    let mut text = format!("[{id}]\n");
    for (key, value) in lines {
        match replaced.iter().find(|(name, _)| *name == key) {
            Some((_, "")) => {}
            Some((_, value)) => text += &format!("{key} = {value}\n"),
            None => text += &format!("{key} = {value}\n"),
        }
    }
    for (key, value) in replaced.iter().filter(|(key, _)| key.starts_with('+')) {
        text += &format!("{} = {value}\n", &key[1..]);
    }
    text
}

#[test]
fn what_is_not_strict_is_refused() {
    let long = format!("\"{}\"", "x".repeat(501));
    for (text, expected) in [
        (table("OPS-01a", &[]), ""),
        (table("ops-01a", &[]), ""),
        (table("OPS-01a", &[("date", "\"2026-05-01\"")]), ""),
        // Mixed rows take evidence where no program answers.
        (table("ENC-00a", &[]), ""),
        (String::new(), ""),
        (table("OPS-1a", &[]), "did you mean OPS-01a?"),
        (table("SBX-03d", &[]), "[SBX-03d] is answered by a program"),
        (table("OPS-01a", &[("owner", "")]), "[OPS-01a] has no `owner`"),
        (table("OPS-01a", &[("owner", "\" \"")]), "`owner` is empty"),
        (table("OPS-01a", &[("owner", "7")]), "`owner` is no text"),
        (table("OPS-01a", &[("owner", &long)]), "`owner` is longer than 500 characters"),
        (table("OPS-01a", &[("+ownr", "\"x\"")]), "`ownr` is no key of evidence; did you mean `owner`?"),
        (table("OPS-01a", &[("+comment", "\"x\"")]), "`comment` is no key of evidence; there are owner, date"),
        (table("OPS-01a", &[("date", "2026-02-30")]), "evidence.toml: "),
        (table("OPS-01a", &[("date", "\"2026-02-30\"")]), "`date`: 2026-02-30: not a date"),
        (table("OPS-01a", &[("date", "2026-05-01T10:00:00Z")]), "`date`: 2026-05-01T10:00:00Z: not a date"),
        (table("OPS-01a", &[("date", "20260501")]), "`date` is no date"),
        (table("OPS-01a", &[("expires", "2026-04-30")]), "`expires` (2026-04-30) is before `date` (2026-05-01)"),
        (table("OPS-01a", &[("file", "\"../secret\"")]), "leads elsewhere"),
        (table("OPS-01a", &[("file", "\"/etc/passwd\"")]), "leads elsewhere"),
        (table("OPS-01a", &[("file", "\"C:\\\\x\"")]), "leads elsewhere"),
        (table("OPS-01a", &[("file", "\"a//b\"")]), "leads elsewhere"),
        (table("OPS-01a", &[("sha256", "\"ABC\"")]), "`sha256` is not 64 lower-case hexadecimal digits"),
        (table("OPS-01a", &[]) + &table("ops-01a", &[]), "[OPS-01a] is there twice"),
        (table("OPS-01a", &[]) + &table("OPS-01a", &[]), "duplicate key"),
        ("OPS-01a = 1".to_owned(), "[OPS-01a] is no table"),
        ("\u{1b}[31m = {".to_owned(), "evidence.toml: "),
        ("x".repeat(EVIDENCE_BYTES_MAX + 1), "longer than"),
    ] {
        let answer = read("evidence.toml", &text).map(|_| String::new()).unwrap_or_else(|error| error.to_string());
        let shown: String = text.chars().take(300).collect();
        assert_eq!(answer.is_empty(), expected.is_empty(), "{shown}\n{answer}");
        assert!(answer.contains(expected), "{shown}\n{answer}");
        assert!(answer.len() < 1200 && !answer.contains('\u{1b}'), "{answer}");
    }
}

#[test]
fn entries_come_in_the_catalogues_order() {
    let text = table("OPS-05a", &[]) + &table("IAM-01a", &[]) + &table("OPS-01a", &[]);
    let entries = read("evidence.toml", &text).unwrap().entries;
    assert_eq!(entries.iter().map(|entry| entry.control).collect::<Vec<_>>(), ["IAM-01a", "OPS-01a", "OPS-05a"]);
}

#[test]
fn evidence_counts_until_it_expires_and_only_with_its_document() {
    type Answer = Result<&'static [u8], ErrorKind>;
    let cases: [(&str, &str, Answer, &str); 10] = [
        ("OPS-01b", "2026-11-22", Ok(DOCUMENT), ""),
        ("OPS-01b", "2027-05-01", Ok(DOCUMENT), ""),
        ("OPS-01b", "2026-05-01", Ok(DOCUMENT), ""),
        ("OPS-01b", "2026-04-30", Ok(DOCUMENT), "the evidence is of 2026-05-01, which is after 2026-04-30"),
        ("OPS-01b", "2027-05-02", Ok(DOCUMENT), "the evidence expired on 2027-05-01"),
        ("OPS-01b", "2026-11-22", Ok(b"another document"), "papers/risk.pdf: its sha256 is "),
        ("OPS-01b", "2026-11-22", Err(ErrorKind::NotFound), "papers/risk.pdf: "),
        ("OPS-01b", "2026-11-22", Err(ErrorKind::PermissionDenied), "papers/risk.pdf: "),
        // The control itself says how old it may be.
        ("API-05b", "2026-05-31", Ok(DOCUMENT), ""),
        ("API-05b", "2026-06-01", Ok(DOCUMENT), "the evidence is of 2026-05-01, and may be 30 days old"),
    ];
    for (id, today, document, expected) in cases {
        let today: Date = today.parse().unwrap();
        let mut asked = Vec::new();
        let attested = read("evidence.toml", &table(id, &[])).unwrap().attest(today, |name| {
            asked.push(name.to_owned());
            let reader = |bytes: &'static [u8]| Box::new(Cursor::new(bytes)) as Box<dyn Read>;
            document.map(reader).map_err(Error::from)
        });
        match &attested[id] {
            Attestation::Valid(sentence) => {
                assert_eq!(expected, "", "{id} {today}: {sentence}");
                for part in ["Jane Doe, security officer", "2026-05-01", "2027-05-01", &sha256(DOCUMENT)] {
                    assert!(sentence.contains(part), "{sentence}");
                }
            }
            Attestation::Refused(reason) => assert!(!expected.is_empty() && reason.starts_with(expected), "{reason}"),
        }
        assert!(asked.iter().all(|name| name == "papers/risk.pdf"));
    }
}
