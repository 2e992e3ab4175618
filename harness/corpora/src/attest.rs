//! One signed in-toto statement over a pack: its subjects are the files, its predicate says what the pack holds.

use crate::digest;
use autoclave_certificate::{PrivateKey, PublicKey, bundle};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The signature's file in a pack.
pub const FILE: &str = "corpus.sigstore.json";
/// What the predicate is.
pub const PREDICATE_TYPE: &str = "urn:autoclave:corpus:v1";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: Vec<Subject>,
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    digest: BTreeMap<String, String>,
}

/// What is said of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Predicate {
    /// Inputs.
    pub entries: usize,
    /// Version of the gate that all of them passed.
    pub gate_version: u32,
    /// Inputs of each format.
    pub formats: BTreeMap<String, usize>,
}

fn statement(files: &BTreeMap<String, Vec<u8>>, predicate: Predicate) -> Statement {
    let subject = |(name, bytes): (&String, &Vec<u8>)| Subject {
        name: name.clone(),
        digest: BTreeMap::from([("sha256".to_owned(), digest::sha256(bytes))]),
    };
    Statement {
        statement_type: STATEMENT_TYPE.to_owned(),
        subject: files.iter().filter(|(name, _)| *name != FILE).map(subject).collect(),
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate,
    }
}

/// Signs these files.
pub fn sign(files: &BTreeMap<String, Vec<u8>>, predicate: Predicate, key: &PrivateKey) -> Vec<u8> {
    let payload = serde_json::to_vec(&statement(files, predicate)).expect("text and numbers");
    bundle::seal_one(&payload, key)
}

/// Whether one of the keys signed exactly these files and this predicate; the key's name.
pub fn check(files: &BTreeMap<String, Vec<u8>>, predicate: Predicate, keys: &[PublicKey]) -> Result<String, String> {
    let file = files.get(FILE).ok_or("no signature in the pack; ask for one, or pack it with --key")?;
    let (payload, key) = bundle::open_one(file, keys).map_err(|reason| reason.to_string())?;
    let signed: Statement = serde_json::from_slice(&payload)
        .map_err(|error| format!("the signed statement is none about a corpus: {error}"))?;
    let expected = statement(files, predicate);
    if signed == expected {
        return Ok(key.hint().to_owned());
    }
    let differs = expected.subject.iter().find(|subject| !signed.subject.contains(subject));
    let gone = signed.subject.iter().find(|subject| !expected.subject.contains(subject));
    Err(match differs.or(gone) {
        Some(subject) => format!("{} is not what was signed; get the pack again", subject.name),
        None => "what was signed says something else of the pack than it holds; get it again".to_owned(),
    })
}
