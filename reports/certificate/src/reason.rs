//! Why a module is not loaded: what was seen, and what to do about it.

use std::fmt;

/// Longest piece of other people's text in a reason, characters.
const SHOWN_CHARS_MAX: usize = 96;

/// One reason to refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Which kind.
    pub code: Code,
    /// What was seen, one sentence; other people's text in it is escaped and cut.
    pub what: String,
}

impl Reason {
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.code.name(), self.what, self.code.remedy())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $remedy:literal,)*) => {
        /// Kinds of reasons; their names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The stable name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Code::$variant => $name,)*
                }
            }

            /// What to do about it.
            pub fn remedy(self) -> &'static str {
                match self {
                    $(Code::$variant => $remedy,)*
                }
            }
        }
    };
}

codes! {
    /// More bytes than are read.
    TooLarge "too-large" "give the file that `certify` wrote",
    /// Not three lines.
    NotThreeStatements "not-three-statements" "give the whole file that `certify` wrote, unchanged",
    /// A line that is no bundle of ours.
    MalformedBundle "malformed-bundle" "give the file that `certify` wrote, unchanged",
    /// A bundle in another spelling.
    NotCanonical "not-canonical" "give the file that `certify` wrote, byte for byte: do not reformat it",
    /// Something else than a statement was signed.
    PayloadType "payload-type" "give a certificate, not another signed document",
    /// Nobody trusted has signed.
    UnknownKey "unknown-key" "ask the signer for the public key over another channel and give it with --key",
    /// The named key has not signed.
    KeyHint "key-hint" "do not load the module: somebody has exchanged the names of keys; get the certificate again",
    /// The content was changed after it was signed.
    Signature "signature" "do not load the module: get the certificate again from who issued it",
    /// Lines by different keys.
    SeveralSigners "several-signers" "do not load the module: lines of two certificates were mixed; get the whole file again",
    /// A signed payload that is no statement of ours.
    MalformedStatement "malformed-statement" "use the version of this program that fits the certificate, or certify again",
    /// The statements say different things.
    StatementsDisagree "statements-disagree" "do not load the module: lines of two certificates were mixed; certify again",
    /// The certificate says contradictory things.
    Contradiction "contradiction" "certify again with a program that you trust",
    /// The bytes are no WebAssembly.
    NotAModule "not-a-module" "give the .wasm file that was certified",
    /// The certificate is about other bytes.
    Subject "subject" "give the module that was certified, byte for byte, or certify this one",
    /// Too early.
    NotYetValid "not-yet-valid" "check the clock, or wait",
    /// Too late.
    Expired "expired" "certify the module again",
    /// Valid for longer than the policy allows.
    ValidTooLong "valid-too-long" "certify again for fewer days, or raise `validity-days-max` in the policy",
    /// Tests not deep enough.
    Level "level" "certify at the level that the policy asks for",
    /// Another profile than allowed.
    Profile "profile" "certify with a profile that the policy allows",
    /// An oracle without proof that it works.
    Qualification "qualification" "look at what `selftest` says of the oracle, repair the set-up, certify again",
    /// A check failed.
    CheckFailed "check-failed" "repair the module; `explain` tells what the check asks for",
    /// A check was not made.
    CheckNotTested "check-not-tested" "certify again with what the reason says is missing",
    /// A warning, where the policy refuses them.
    Warning "warning" "repair what it warns of, or set `warnings = \"allow\"` in the policy",
    /// Nobody vouches, where the policy asks for it.
    NotAttested "not-attested" "give `certify` the evidence, or set `not-attested = \"allow\"` in the policy",
    /// A check that the policy asks for did not pass.
    RequiredCheck "required-check" "certify again so that the check passes, or take it out of `required-checks`",
    /// A waiver that the policy does not know.
    WaiverNotAllowed "waiver-not-allowed" "repair what is waived, or add the check to `allowed-waivers` in the policy",
    /// A waiver that has ended.
    WaiverExpired "waiver-expired" "repair what was waived, or have its owner renew the waiver and certify again",
    /// Another catalogue, policy or verifier than the policy names.
    NotPinned "not-pinned" "certify with what the policy names, or add the new one there",
}

/// Other people's text as one printable line: control characters and what reorders text are escaped, the rest is cut.
pub fn shown(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars().take(SHOWN_CHARS_MAX) {
        // ASCII as it is; of the rest only letters and digits, which cannot hide or reorder anything.
        if c == ' ' || c.is_ascii_graphic() || (!c.is_ascii() && c.is_alphanumeric()) {
            line.push(c);
        } else {
            line.extend(c.escape_unicode());
        }
    }
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_a_name_of_its_own_and_a_remedy() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.remedy().len() > 10));
    }

    #[test]
    fn text_is_shown_on_one_line() {
        assert_eq!(shown("a\n\u{1b}[2J\u{202e}é"), r"a\u{a}\u{1b}[2J\u{202e}é");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), SHOWN_CHARS_MAX + 1);
    }
}
