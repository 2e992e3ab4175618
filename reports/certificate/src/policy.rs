//! `admit.toml`: what a certificate must say before a module is loaded.

use crate::certificate::{Level, Profile};
use crate::digest::Sha256Digest;
use crate::statement::Form;
use serde::Deserialize;

/// What a host asks for. Unknown keys are errors: a misspelt demand would not be made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Policy {
    /// The lowest level; `L1` unless said otherwise, so that something was executed.
    pub level: Level,
    /// Profiles that will do; all unless said otherwise.
    pub profiles: Vec<Profile>,
    /// Which bytes must be those of the certificate; `as-deployed` unless said otherwise. With `without-signatures`, a
    /// module may have got or lost sections with signatures since.
    pub subject: Form,
    /// The longest time for which a certificate may be valid, days; any unless said otherwise.
    pub validity_days_max: Option<u32>,
    /// Checks that must be PASS or ATTESTED, by id.
    pub required_checks: Vec<String>,
    /// Checks that may be waived, by id; none unless said otherwise.
    pub allowed_waivers: Vec<String>,
    /// What to do about warnings in the profile; allowed unless said otherwise.
    pub warnings: Answer,
    /// What to do about checks of the profile for which nobody vouches; allowed unless said otherwise.
    pub not_attested: Answer,
    /// Catalogues of controls that will do, by SHA-256; any unless said otherwise.
    pub controls: Vec<Sha256Digest>,
    /// Policies that the module may have been held to, by SHA-256; any unless said otherwise.
    pub policies: Vec<Sha256Digest>,
    /// Who may vouch, by the certificate's `verifier`; anybody with a trusted key unless said otherwise.
    pub verifiers: Vec<String>,
}

/// What to do about something that need not be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Load the module all the same.
    Allow,
    /// Do not.
    Refuse,
}

/// Text that is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No TOML, an unknown key or a wrong value.
    #[error("no policy: {0}")]
    Malformed(String),
    /// A list that can never be met.
    #[error("no policy: `{0}` is empty, so that nothing could be loaded; leave it out to allow all")]
    Empty(&'static str),
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            level: Level::L1,
            profiles: vec![Profile::Module, Profile::ModuleAndGlue],
            subject: Form::AsDeployed,
            validity_days_max: None,
            required_checks: Vec::new(),
            allowed_waivers: Vec::new(),
            warnings: Answer::Allow,
            not_attested: Answer::Allow,
            controls: Vec::new(),
            policies: Vec::new(),
            verifiers: Vec::new(),
        }
    }
}

impl Policy {
    /// Reads `admit.toml`.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        let table: toml::Table = toml::from_str(text).map_err(malformed)?;
        for key in ["profiles", "controls", "policies", "verifiers"] {
            if table.get(key).and_then(toml::Value::as_array).is_some_and(Vec::is_empty) {
                return Err(PolicyError::Empty(key));
            }
        }
        toml::from_str(text).map_err(malformed)
    }
}

fn malformed(error: toml::de::Error) -> PolicyError {
    PolicyError::Malformed(error.to_string().trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        assert_eq!(Policy::from_toml("").unwrap(), Policy::default());
        let policy = Policy::from_toml(
            r#"
            level = "L2"
            profiles = ["module+glue"]
            subject = "without-signatures"
            validity-days-max = 30
            required-checks = ["SBX-02a"]
            allowed-waivers = ["SBX-04e"]
            warnings = "refuse"
            not-attested = "refuse"
            controls = ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
            policies = ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
            verifiers = ["urn:autoclave:certify:0.1.0"]
            "#,
        );
        let empty = vec![Sha256Digest::of(b"")];
        let expected = Policy {
            level: Level::L2,
            profiles: vec![Profile::ModuleAndGlue],
            subject: Form::WithoutSignatures,
            validity_days_max: Some(30),
            required_checks: vec!["SBX-02a".into()],
            allowed_waivers: vec!["SBX-04e".into()],
            warnings: Answer::Refuse,
            not_attested: Answer::Refuse,
            controls: empty.clone(),
            policies: empty,
            verifiers: vec!["urn:autoclave:certify:0.1.0".into()],
        };
        assert_eq!(policy.unwrap(), expected);
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "lvel = \"L2\"",
            "level = \"L4\"",
            "level = 2",
            "level = \"L1\"\nlevel = \"L0\"",
            "warnings = true",
            "profiles = []",
            "profiles = [\"site\"]",
            "validity-days-max = -1",
            "controls = [\"00\"]",
            "verifiers = []",
            "[level]",
            "=",
            "\0",
        ] {
            assert!(Policy::from_toml(text).is_err(), "{text}");
        }
    }
}
