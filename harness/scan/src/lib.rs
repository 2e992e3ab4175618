//! Static checks: what can be said of a module, its glue, its sources and the manifests of its container by reading
//! them. Nothing is executed and nothing is fetched, so that a vendor's package can be looked at in seconds.
//!
//! Every check carries a flaw that it must find and the repair that it must pass ([`qualify()`]): with a policy under
//! which it finds nothing, its word does not count. There is no clock in here; the day comes in as an option.

pub mod advisories;
pub mod checks;
pub mod dsse;
pub mod facts;
pub mod lock;
pub mod notes;
pub mod policy;
pub mod qualify;
pub mod rebuild;
pub mod render;
pub mod sbom;
pub mod secrets;
pub mod subject;
pub mod yaml;

pub use facts::ModuleFacts;
pub use policy::Policy;
pub use qualify::qualify;

use autoclave_boundary::package::PackageError;
use autoclave_certificate::PublicKey;
use autoclave_certificate::files::FileError;
use autoclave_reports::controls::Level;
use autoclave_reports::controls::date::Date;
use autoclave_reports::controls::judge::{Found, Said};
use autoclave_reports::{Severity, Verdict, escape};
use policy::PolicyError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use subject::Subject;

/// Name of the oracle in the catalogue of controls.
pub const ORACLE: &str = "scan";
/// Findings of a check that are kept; of more, the number is told.
pub const FINDINGS_MAX: usize = 100;
/// Longest text of a finding, characters.
const WHAT_CHARS_MAX: usize = 300;

/// What is looked at, and by which policy.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the module is held to.
    pub policy: Policy,
    /// Which module of a package is meant, where there are several.
    pub module: Option<String>,
    /// The bill of materials; without it, one beside the module.
    pub sbom: Option<PathBuf>,
    /// Keys that are trusted to sign modules. Without one, signatures are not tested.
    pub keys: Vec<PublicKey>,
    /// A detached signature in a DSSE or Sigstore bundle; without it, one beside the module.
    pub bundle: Option<PathBuf>,
    /// Signed provenance of the build; without it, one beside the module.
    pub provenance: Option<PathBuf>,
    /// A copy of the RustSec advisory database.
    pub advisories: Option<PathBuf>,
    /// Folder or package of the glue, where the module is a single file.
    pub glue: Option<PathBuf>,
    /// Folder of the sources that the module is built from.
    pub source: Option<PathBuf>,
    /// Folder with manifests of containers; without it, the folder that is scanned.
    pub manifests: Option<PathBuf>,
    /// Record of two builds in two folders, as [`rebuild::Record`] has it.
    pub rebuild: Option<PathBuf>,
    /// The day as of which waivers and advisories are judged.
    pub today: Date,
    /// How much is asked: from L3 on, a module that cannot be rebuilt fails. L0 unless said otherwise.
    pub level: Level,
}

impl Options {
    /// The defaults, as of that day.
    pub fn new(today: Date) -> Options {
        Options {
            policy: Policy::default(),
            module: None,
            sbom: None,
            keys: Vec::new(),
            bundle: None,
            provenance: None,
            advisories: None,
            glue: None,
            source: None,
            manifests: None,
            rebuild: None,
            today,
            level: Level::L0,
        }
    }
}

/// Why nothing could be judged. Every message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder or file that cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A package that cannot be opened.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Bytes that are no module.
    #[error("{file}: no WebAssembly that can be read: {what}; give the module as it is deployed")]
    Module {
        /// The file.
        file: String,
        /// What is wrong with it, and where.
        what: String,
    },
    /// A policy that is none.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// More than is read.
    #[error("{path}: {what}")]
    Limit {
        /// Which.
        path: PathBuf,
        /// Which limit, and what to do.
        what: String,
    },
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scan {
    /// The module.
    pub module: ModuleFacts,
    /// One answer for each control that static checks are about, in the catalogue's order.
    pub rows: Vec<Row>,
    /// What is worth knowing and decides nothing: what is exported, what a release leaks.
    pub notes: Vec<Finding>,
}

/// The answer for one control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The control's id.
    pub control: &'static str,
    /// The answer.
    pub verdict: Verdict,
    /// What it rests on.
    pub found: Vec<Finding>,
}

/// Something that is wrong, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The control's id; of a note, its kind.
    pub class: String,
    /// How bad; what is `info` is a warning.
    pub severity: Severity,
    /// What, in a few words; made harmless, and never a secret.
    pub what: String,
    /// Where: a file with an offset or a line.
    pub location: String,
    /// Who has accepted it, why and until when; none for what counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waived: Option<String>,
}

impl Finding {
    /// A finding, its text made harmless and short.
    pub fn new(class: &str, severity: Severity, what: impl AsRef<str>, location: impl AsRef<str>) -> Finding {
        Finding {
            class: class.to_owned(),
            severity,
            what: escape::column(what.as_ref(), WHAT_CHARS_MAX),
            location: escape::column(location.as_ref(), WHAT_CHARS_MAX),
            waived: None,
        }
    }
}

/// What a check answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It looked, and this is all that it found.
    Judged(Vec<Finding>),
    /// The question does not apply, and why.
    NotApplicable(String),
    /// It could not look at all that it is about, and why; what it found counts all the same.
    NotTested(String, Vec<Finding>),
}

/// What checks see beside the subject.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What modules are held to.
    pub policy: &'a Policy,
    /// Keys that are trusted.
    pub keys: &'a [PublicKey],
    /// The day.
    pub today: Date,
    /// How much is asked.
    pub level: Level,
}

impl<'a> Context<'a> {
    /// What options say.
    pub fn of(options: &'a Options) -> Context<'a> {
        Context { policy: &options.policy, keys: &options.keys, today: options.today, level: options.level }
    }
}

/// Reads what `path` names (a module, a folder, an npm package) and answers every static control.
///
/// # Errors
/// What cannot be read, with its name and the remedy. What is wrong with the module is no error but a row.
pub fn scan(path: &Path, options: &Options) -> Result<Scan, ScanError> {
    let subject = Subject::open(path, options)?;
    Ok(judge(&subject, &Context::of(options)))
}

/// Answers every static control for a subject that has been read.
pub fn judge(subject: &Subject, context: &Context<'_>) -> Scan {
    let mut rows: Vec<Row> = Vec::new();
    for check in checks::ALL {
        let row = row(check.control, (check.run)(subject, context, &rows), context);
        rows.push(row);
    }
    Scan { module: subject.module_facts(), rows, notes: notes::all(subject) }
}

/// The row of a check's answer, with waivers.
fn row(control: &'static str, answer: Answer, context: &Context<'_>) -> Row {
    let (mut found, gap) = match answer {
        Answer::NotApplicable(reason) => {
            return Row { control, verdict: Verdict::NotApplicable(reason), found: Vec::new() };
        }
        Answer::NotTested(reason, found) => (found, Some(reason)),
        Answer::Judged(found) => (found, None),
    };
    for finding in &mut found {
        finding.class = control.to_owned();
        let mut covering = context.policy.waivers.iter().filter(|waiver| waiver.covers(control, &finding.what));
        if let Some(waiver) = covering.clone().find(|waiver| waiver.holds(context.today)) {
            let said = format!("by {} until {}: {}", waiver.owner, waiver.expires, waiver.reason);
            finding.waived = Some(escape::column(&said, WHAT_CHARS_MAX));
            finding.severity = Severity::Info;
        } else if let Some(waiver) = covering.next() {
            let over = format!("{} (a waiver by {} ended on {})", finding.what, waiver.owner, waiver.expires);
            finding.what = escape::column(&over, WHAT_CHARS_MAX);
        }
    }
    // The worst first, so that a cut list keeps them.
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let more = found.len().saturating_sub(FINDINGS_MAX);
    if more > 0 {
        found.truncate(FINDINGS_MAX);
        found.shrink_to_fit();
        found.push(Finding::new(control, Severity::Info, format!("{more} more findings are not listed"), ""));
    }
    let first = |wanted: fn(&&Finding) -> bool| {
        let all: Vec<&Finding> = found.iter().filter(wanted).collect();
        let more = if all.len() > 1 { format!(" and {} more", all.len() - 1) } else { String::new() };
        all.first().map(|finding| format!("{}{more}", with_waiver(finding)))
    };
    let verdict = match (first(|finding| finding.severity > Severity::Info), gap) {
        (Some(reason), _) => Verdict::Fail(reason),
        (None, Some(gap)) => Verdict::NotTested(gap),
        (None, None) => first(|_| true).map_or(Verdict::Pass, Verdict::Warn),
    };
    Row { control, verdict, found }
}

fn with_waiver(finding: &Finding) -> String {
    match &finding.waived {
        Some(waived) => format!("{}, waived {waived}", finding.what),
        None => finding.what.clone(),
    }
}

impl Scan {
    /// The answer for a control.
    pub fn row(&self, control: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.control == control)
    }

    /// The answers as the catalogue's judge takes them.
    pub fn said(&self) -> Said {
        let mut apart = BTreeMap::new();
        let mut found = Vec::new();
        for row in &self.rows {
            match &row.verdict {
                Verdict::Pass | Verdict::Fail(_) => {}
                other => drop(apart.insert(row.control.to_owned(), other.clone())),
            }
            for finding in &row.found {
                let what = with_waiver(finding);
                found.push(Found { class: row.control.to_owned(), severity: finding.severity, what });
            }
        }
        Said { oracle: ORACLE.to_owned(), verdict: Verdict::Pass, apart, found }
    }

    /// Rows that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| matches!(row.verdict, Verdict::Fail(_)))
    }
}
