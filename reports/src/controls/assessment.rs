//! What renderings of judged controls start from: the verdicts, what they are about, and when they were given.

use super::judge::{Asked, Judged};
use crate::record::Tool;
use sha2::{Digest, Sha256};

/// Judged controls and what they are about. Names are untrusted.
#[derive(Debug, Clone, Copy)]
pub struct Assessment<'a> {
    /// The module or system, by name.
    pub subject: &'a str,
    /// Lower-case hex SHA-256 of the module as deployed; empty where the subject is no file.
    pub sha256: &'a str,
    /// Profile and level.
    pub asked: &'a Asked,
    /// The program that asked.
    pub tool: &'a Tool,
    /// Milliseconds since 1970 at the start.
    pub started_ms: u64,
    /// Milliseconds since 1970 at the end.
    pub ended_ms: u64,
    /// Every control with its verdict.
    pub judged: &'a [Judged],
}

impl Assessment<'_> {
    /// An identifier of one part of this assessment: the same for the same subject, times and part. It has the form of
    /// a name-based UUID, its bits from SHA-256.
    pub fn uuid(&self, part: &str) -> String {
        let mut hash = Sha256::new();
        let (started, ended) = (self.started_ms.to_string(), self.ended_ms.to_string());
        let (profile, level) = (self.asked.profile.name(), self.asked.level.name());
        for text in ["autoclave", self.subject, self.sha256, profile, level, &started, &ended, part] {
            // With its length, so that no two lists of texts are alike.
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        uuid(&hash.finalize())
    }
}

/// The identifier of something that is the same in every assessment.
pub fn fixed_uuid(part: &str) -> String {
    uuid(&Sha256::digest(format!("autoclave fixed {part}")))
}

fn uuid(digest: &[u8]) -> String {
    let mut hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // Version 5 (name-based) and the variant of RFC 9562.
    hex.replace_range(12..13, "5");
    let variant = ["8", "9", "a", "b"][usize::from(digest[8] >> 6)];
    hex.replace_range(16..17, variant);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
