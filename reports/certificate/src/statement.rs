//! in-toto statements, version 1: a predicate about two digests of one module.

use crate::certificate::Certificate;
use crate::digest::{self, NotAModule, Sha256Digest};
use crate::summaries::{TestResult, VerificationResult, test_result, verification_result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `_type` of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// `predicateType` of the certificate itself.
pub const CERTIFICATE_TYPE: &str = "urn:autoclave:certificate:v1";
/// `predicateType` of in-toto's Simple Verification Result.
pub const VERIFICATION_RESULT_TYPE: &str = "https://in-toto.io/attestation/svr/v0.2";
/// `predicateType` of in-toto's Test Result.
pub const TEST_RESULT_TYPE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// A statement: what is said, of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement<P> {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// The module, as [`Subjects::list`] writes it.
    pub subject: Vec<Subject>,
    /// Which kind of predicate.
    pub predicate_type: String,
    /// What is said.
    pub predicate: P,
}

/// One digest of the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The module's name.
    pub name: String,
    /// Its digest.
    pub digest: SubjectDigest,
    /// Which bytes the digest is of.
    pub annotations: Annotations,
}

/// Digests of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectDigest {
    /// SHA-256.
    pub sha256: Sha256Digest,
}

/// Which bytes a digest is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Annotations {
    /// Which form of the module.
    pub form: Form,
    /// The value for `fetch(url, { integrity })`, for the bytes as deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity: Option<String>,
}

/// A form of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Its bytes as deployed.
    AsDeployed,
    /// Without custom sections that hold signatures.
    WithoutSignatures,
}

/// The digests of one module that every statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    /// SHA-256 of the bytes as deployed.
    pub as_deployed: Sha256Digest,
    /// SHA-256 without signature sections.
    pub without_signatures: Sha256Digest,
    /// SHA-384 of the bytes as deployed, as browsers want it.
    pub integrity: String,
    /// Size as deployed, bytes.
    pub bytes: u64,
}

impl Subjects {
    /// Those of a module.
    pub fn of(module: &[u8]) -> Result<Self, NotAModule> {
        Ok(Self {
            as_deployed: Sha256Digest::of(module),
            without_signatures: digest::without_signatures(module)?,
            integrity: digest::integrity(module),
            bytes: module.len() as u64,
        })
    }

    /// Those that a statement lists about a module of that name and size, in bytes; none if it does not list exactly
    /// what [`Subjects::list`] writes.
    pub fn from_list(stated: &[Subject], name: &str, bytes: u64) -> Option<Self> {
        let [deployed, bare] = stated else { return None };
        let integrity = deployed.annotations.integrity.clone()?;
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        // 48 bytes are 64 digits, without padding.
        integrity.strip_prefix("sha384-").filter(|digits| digits.len() == 64 && digits.bytes().all(is_base64))?;
        let (as_deployed, without_signatures) = (deployed.digest.sha256, bare.digest.sha256);
        let subjects = Self { as_deployed, without_signatures, integrity, bytes };
        (subjects.list(name) == stated).then_some(subjects)
    }

    /// As every statement lists them.
    pub fn list(&self, name: &str) -> Vec<Subject> {
        let subject = |sha256, form, integrity| Subject {
            name: name.to_owned(),
            digest: SubjectDigest { sha256 },
            annotations: Annotations { form, integrity },
        };
        vec![
            subject(self.as_deployed, Form::AsDeployed, Some(self.integrity.clone())),
            subject(self.without_signatures, Form::WithoutSignatures, None),
        ]
    }
}

/// The three statements of one certificate, in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statements {
    /// Everything.
    pub certificate: Statement<Certificate>,
    /// Properties, for machines that admit.
    pub verification_result: Statement<VerificationResult>,
    /// Names of tests, for tools of continuous integration.
    pub test_result: Statement<TestResult>,
}

impl Statements {
    /// What follows from a certificate about these subjects.
    pub fn of(certificate: Certificate, subject: Vec<Subject>) -> Self {
        Self {
            verification_result: Statement::new(
                VERIFICATION_RESULT_TYPE,
                subject.clone(),
                verification_result(&certificate),
            ),
            test_result: Statement::new(TEST_RESULT_TYPE, subject.clone(), test_result(&certificate)),
            certificate: Statement::new(CERTIFICATE_TYPE, subject, certificate),
        }
    }

    /// Their JSON, in order: what is signed.
    pub fn payloads(&self) -> [Vec<u8>; 3] {
        [json(&self.certificate), json(&self.verification_result), json(&self.test_result)]
    }
}

impl<P> Statement<P> {
    fn new(predicate_type: &str, subject: Vec<Subject>, predicate: P) -> Self {
        Self {
            statement_type: STATEMENT_TYPE.to_owned(),
            subject,
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }
}

fn json<P: Serialize>(statement: &Statement<P>) -> Vec<u8> {
    serde_json::to_vec(statement).expect("statements have only text for keys, and no floats")
}

/// JSON Schema of the first statement, pretty-printed, with a line feed at its end.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Statement<Certificate>);
    schema.insert("title".into(), "Autoclave certificate".into());
    schema.insert("$id".into(), "autoclave/certificate/v1".into());
    let pinned = [("_type", STATEMENT_TYPE), ("predicateType", CERTIFICATE_TYPE)];
    for (key, value) in pinned {
        let property = schema.pointer_mut(&format!("/properties/{key}")).and_then(serde_json::Value::as_object_mut);
        property.expect("a statement has it").insert("const".into(), value.into());
    }
    serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n"
}
