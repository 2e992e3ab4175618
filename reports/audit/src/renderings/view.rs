//! What every form of a certificate starts from: checks beside the catalogue's controls, counted in one place.

use super::{RenderError, Sealed};
use autoclave_certificate::certificate::{self, Check, Qualification, Waiver};
use autoclave_certificate::digest::Sha256Digest;
use autoclave_certificate::statement::Subjects;
use autoclave_certificate::summaries;
use autoclave_certificate::{Algorithm, Certificate};
use autoclave_reports::controls::judge::{Asked, Judged};
use autoclave_reports::controls::{self, Control, Family, Level, Profile, Safeguard};
use autoclave_reports::record::{Scope, Tool};
use autoclave_reports::words::{count, plural};
use autoclave_reports::{Verdict, escape};
use std::collections::{BTreeMap, BTreeSet};

/// Names of verdicts, in the order in which they are shown.
pub const VERDICTS: [&str; 7] = ["PASS", "WARN", "FAIL", "NOT-TESTED", "ATTESTED", "NOT-ATTESTED", "N/A"];

/// A certificate as it is rendered. Texts in it are untrusted.
pub struct View<'a> {
    /// As signed.
    pub certificate: &'a Certificate,
    /// What it is about.
    pub subjects: &'a Subjects,
    /// Who signed it; nobody, if it is rendered before that.
    pub signer: Option<Signer<'a>>,
    /// Every check: those of the catalogue in its order, then others in theirs.
    pub rows: Vec<Row<'a>>,
    /// Controls of the catalogue that the certificate does not list.
    pub unlisted: Vec<&'static str>,
    /// Checks that the profile and level ask for.
    pub asked: Counts,
    /// All others.
    pub outside: Counts,
    /// The level is reached: the certificate's own summary claims it.
    pub claims_level: bool,
}

/// The signer of a certificate, once the signatures are verified.
pub struct Signer<'a> {
    /// Base64 of the SHA-256 of its SubjectPublicKeyInfo.
    pub hint: &'a str,
    /// How it signs.
    pub algorithm: Algorithm,
    /// SHA-256 of the certificate's file.
    pub file: Sha256Digest,
    /// Size of that file, bytes.
    pub bytes: u64,
}

/// One check.
pub struct Row<'a> {
    /// As signed.
    pub check: &'a Check,
    /// Its answer as reports have it.
    pub verdict: Verdict,
    /// What it asks, if this program's catalogue has it.
    pub control: Option<&'static Control>,
    /// Who takes responsibility for its verdict.
    pub waiver: Option<&'a Waiver>,
}

/// How many checks have which verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts([usize; VERDICTS.len()]);

impl Counts {
    /// Of these.
    pub fn of<'r, 'a: 'r>(rows: impl Iterator<Item = &'r Row<'a>>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            let place = VERDICTS.iter().position(|name| *name == row.verdict.name()).expect("there are seven");
            counts.0[place] += 1;
        }
        counts
    }

    /// Of the verdict of that name.
    pub fn get(&self, verdict: &str) -> usize {
        VERDICTS.iter().position(|name| *name == verdict).map_or(0, |place| self.0[place])
    }

    /// Verdicts with their numbers, in order.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, usize)> + '_ {
        VERDICTS.into_iter().zip(self.0)
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }
}

/// A family of controls with its checks.
pub struct Group<'v, 'a> {
    /// Its id; empty for checks that this program's catalogue does not have.
    pub family: Option<&'static Family>,
    /// Its checks.
    pub rows: Vec<&'v Row<'a>>,
}

impl<'a> View<'a> {
    /// Of a certificate about these digests. `sealed` has been verified.
    pub fn of(certificate: &'a Certificate, subjects: &'a Subjects, sealed: Option<Sealed<'a>>) -> Self {
        let waivers: BTreeMap<&str, &Waiver> =
            certificate.waivers.iter().map(|waiver| (waiver.check.as_str(), waiver)).collect();
        let known: BTreeMap<&str, (usize, &'static Control)> =
            controls::all().enumerate().map(|(place, control)| (control.id.as_str(), (place, control))).collect();
        let mut rows: Vec<Row<'a>> = certificate
            .checks
            .iter()
            .map(|check| Row {
                check,
                verdict: verdict(check),
                control: known.get(check.id.as_str()).map(|(_, control)| *control),
                waiver: waivers.get(check.id.as_str()).copied(),
            })
            .collect();
        rows.sort_by_key(|row| known.get(row.check.id.as_str()).map_or(usize::MAX, |(place, _)| *place));
        let listed: BTreeSet<&str> = certificate.checks.iter().map(|check| check.id.as_str()).collect();
        let unlisted = controls::all().map(|control| control.id.as_str()).filter(|id| !listed.contains(id)).collect();
        let level = summaries::level_property(certificate.level);
        Self {
            certificate,
            subjects,
            signer: sealed.map(|Sealed { file, key }| Signer {
                hint: key.hint(),
                algorithm: key.algorithm(),
                file: Sha256Digest::of(file),
                bytes: file.len() as u64,
            }),
            asked: Counts::of(rows.iter().filter(|row| row.is_asked())),
            outside: Counts::of(rows.iter().filter(|row| !row.is_asked())),
            rows,
            unlisted,
            claims_level: summaries::verification_result(certificate).properties.contains(&level),
        }
    }

    /// The answer in a word or two.
    pub fn headline(&self) -> String {
        let level = self.certificate.level.name();
        if self.claims_level { format!("{level} reached") } else { format!("{level} not reached") }
    }

    /// Why, in a sentence or three.
    pub fn because(&self) -> String {
        let mut text = self.verdicts_say();
        if !self.unlisted.is_empty() {
            let controls = plural(self.unlisted.len() as u64, "control");
            text += &format!(" {controls} of the catalogue that this was written with are not in the certificate.");
        }
        text
    }

    fn verdicts_say(&self) -> String {
        let asked = count(self.asked.total() as u64);
        let waived = self.certificate.waivers.len() as u64;
        if self.claims_level {
            let but = match waived {
                0 => String::new(),
                n => format!(
                    ", apart from {} that somebody answers for",
                    plural(n, "waiver").replace("waiver", "waived check")
                ),
            };
            return format!(
                "Of {asked} checks that profile and level ask for, none failed and none was left untested{but}."
            );
        }
        let (failed, missing) = (self.short(certificate::Verdict::Fail), self.short(certificate::Verdict::NotTested));
        let mut parts = Vec::new();
        if failed > 0 {
            parts.push(format!("{} failed", plural(failed, "check")));
        }
        if missing > 0 {
            parts.push(format!(
                "{} of {asked} that profile and level ask for not tested",
                if failed > 0 { count(missing) } else { plural(missing, "check") }
            ));
        }
        let broken = self.certificate.qualification.iter().filter(|row| !row.is_complete()).count() as u64;
        if broken > 0 {
            parts.push(format!("{} not qualified", plural(broken, "oracle")));
        }
        if self.certificate.qualification.is_empty() {
            parts.push("no oracle was asked to catch a planted flaw".to_owned());
        }
        let waived = match self.certificate.shortcomings().count() as u64 - failed - missing {
            0 => String::new(),
            n => format!(" {} waived.", if n == 1 { "1 more is".to_owned() } else { format!("{} more are", count(n)) }),
        };
        let text = parts.join(", ");
        let mut letters = text.chars();
        letters.next().map_or(String::new(), |first| format!("{}{}.{waived}", first.to_uppercase(), letters.as_str()))
    }

    /// Shortcomings with that verdict that nobody has waived.
    fn short(&self, verdict: certificate::Verdict) -> u64 {
        let waived: BTreeSet<&str> = self.certificate.waivers.iter().map(|waiver| waiver.check.as_str()).collect();
        let open = self.certificate.shortcomings().filter(|check| !waived.contains(check.id.as_str()));
        open.filter(|check| check.verdict == verdict).count() as u64
    }

    /// Checks by family, in the catalogue's order; families without any are left out.
    pub fn groups(&self) -> Vec<Group<'_, 'a>> {
        let of = |family: &'static Family| {
            let mine = |row: &&Row<'a>| row.control.is_some_and(|control| control.family() == family.id);
            Group { family: Some(family), rows: self.rows.iter().filter(mine).collect() }
        };
        let mut groups: Vec<Group<'_, 'a>> = controls::families().iter().map(of).collect();
        groups.push(Group { family: None, rows: self.rows.iter().filter(|row| row.control.is_none()).collect() });
        groups.retain(|group| !group.rows.is_empty());
        groups
    }

    /// Rows of the profile and level with that verdict. A failure counts wherever it is.
    pub fn with(&self, verdict: &str) -> impl Iterator<Item = &Row<'a>> {
        self.rows.iter().filter(move |row| row.verdict.name() == verdict && (row.is_asked() || verdict == "FAIL"))
    }

    /// What was not tested of what is asked, by reason: the most frequent first, then as they come.
    pub fn gaps(&self) -> Vec<(&'a str, Vec<&'a str>)> {
        let mut gaps: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for row in self.with("NOT-TESTED") {
            let place = *places.entry(&row.check.reason).or_insert_with(|| {
                gaps.push((&row.check.reason, Vec::new()));
                gaps.len() - 1
            });
            gaps[place].1.push(&row.check.id);
        }
        gaps.sort_by_key(|(_, ids)| std::cmp::Reverse(ids.len()));
        gaps
    }

    /// Oracles that caught their planted flaw and passed its repair.
    pub fn qualified(&self) -> usize {
        self.certificate.qualification.iter().filter(|row| Qualification::is_complete(row)).count()
    }

    /// Checks that are evidence for a safeguard.
    pub fn for_safeguard(&self, safeguard: &Safeguard) -> Vec<&Row<'a>> {
        let cites = |control: &'static Control| control.safeguards().any(|other| other.citation == safeguard.citation);
        self.rows.iter().filter(|row| row.control.is_some_and(cites)).collect()
    }

    /// Checks as judged controls, which OSCAL and CTRF are made of; `what` is made of them is for the error.
    pub fn judged(&self, what: &'static str) -> Result<Vec<Judged>, RenderError> {
        let unknown = |row: &Row<'_>| RenderError::UnknownControl(escape::column(&row.check.id, 40), what);
        self.rows
            .iter()
            .map(|row| {
                let control = row.control.ok_or_else(|| unknown(row))?;
                let scope = if row.is_asked() { Scope::Asked } else { Scope::Outside };
                // What both print beside a verdict's own reason.
                Ok(Judged { control, verdict: row.verdict.clone(), scope, refused: row.waiver.map(waived) })
            })
            .collect()
    }

    /// Profile and level, as judged controls have them.
    pub fn question(&self) -> Asked {
        let profile = match self.certificate.profile {
            certificate::Profile::Module => Profile::Module,
            certificate::Profile::ModuleAndGlue => Profile::ModuleAndGlue,
        };
        let level = match self.certificate.level {
            certificate::Level::L0 => Level::L0,
            certificate::Level::L1 => Level::L1,
            certificate::Level::L2 => Level::L2,
            certificate::Level::L3 => Level::L3,
        };
        Asked { profile, level, reads: BTreeSet::new() }
    }

    /// The program that tested.
    pub fn tool(&self) -> Tool {
        let certificate::Tool { name, version } = &self.certificate.tool;
        Tool { name: name.clone(), version: version.clone() }
    }
}

impl Row<'_> {
    /// Whether profile and level ask for it.
    pub fn is_asked(&self) -> bool {
        self.check.scope == certificate::Scope::Profile
    }
}

fn verdict(check: &Check) -> Verdict {
    let reason = || check.reason.clone();
    match check.verdict {
        certificate::Verdict::Pass => Verdict::Pass,
        certificate::Verdict::Warn => Verdict::Warn(reason()),
        certificate::Verdict::Fail => Verdict::Fail(reason()),
        certificate::Verdict::NotApplicable => Verdict::NotApplicable(reason()),
        certificate::Verdict::NotTested => Verdict::NotTested(reason()),
        certificate::Verdict::Attested => Verdict::Attested(reason()),
        certificate::Verdict::NotAttested => Verdict::NotAttested,
    }
}

fn waived(waiver: &Waiver) -> String {
    format!("waived by {} until {}: {}", waiver.owner, waiver.expires, waiver.reason)
}
