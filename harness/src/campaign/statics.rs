//! What `certify` and `nightly` ask without running anything: the static checks of `autoclave-scan` on a target's module,
//! its sources and its glue, with their own planted flaws.

use super::certify::grounds::Trials;
use super::home::Home;
use crate::cli::Statics;
use crate::target::{BuildKind, Target};
use anyhow::Context;
use autoclave_certificate::files;
use autoclave_reports::controls::judge::Qualified;
use autoclave_reports::record::{Bucket, Check, Confirmation, Reproducer};
use autoclave_reports::{Finding, Severity, Verdict, controls};
use autoclave_scan::{Options, Policy, Scan, policy, qualify, scan};
use std::collections::BTreeSet;
use std::path::Path;

/// A module that was looked at.
pub struct Scanned {
    /// What was seen.
    pub scan: Scan,
    /// Whether each check finds its planted flaw and passes the repair, under the same policy.
    pub qualified: Vec<Qualified>,
}

/// Looks at a target's module as of `today`, `2026-11-23`.
///
/// # Errors
/// A file that cannot be read, by its name.
pub fn look(
    home: &Home,
    target: &Target,
    flags: &Statics,
    glue: Option<&Path>,
    level: controls::Level,
    today: &str,
) -> anyhow::Result<Scanned> {
    let mut options = Options::new(today.parse()?);
    let own = target.folder.as_ref().map(|folder| folder.join("scan.toml")).filter(|path| path.is_file());
    if let Some(path) = flags.policy.clone().or(own) {
        let bytes = files::read(&path, policy::POLICY_BYTES_MAX, "policy")?;
        let text = String::from_utf8(bytes).with_context(|| path.display().to_string())?;
        options.policy = Policy::from_toml(&text).with_context(|| path.display().to_string())?;
    }
    options.level = level;
    options.sbom.clone_from(&flags.sbom);
    options.bundle.clone_from(&flags.signature);
    options.advisories.clone_from(&flags.advisories);
    options.manifests.clone_from(&flags.manifests);
    options.keys = flags.signers.iter().map(|path| files::read_public_key(path)).collect::<Result<_, _>>()?;
    options.glue = glue.map(Path::to_owned);
    if let Some(folder) =
        target.folder.as_ref().filter(|_| !matches!(target.manifest.build.kind, BuildKind::Prebuilt | BuildKind::Wat))
    {
        options.source = Some(folder.clone());
        let record = home.state().join("rebuild").join(format!("{}.json", target.name));
        options.rebuild = record.is_file().then_some(record);
    }
    let scan = scan(&target.module_path, &options)?;
    Ok(Scanned { qualified: qualify(&options), scan })
}

impl Scanned {
    /// How the checks did with their planted flaws.
    pub fn trials(&self) -> Trials {
        let all = self.qualified.len();
        Trials {
            oracle: autoclave_scan::ORACLE.to_owned(),
            canaries: BTreeSet::from([format!("{all} planted flaws")]),
            twins: BTreeSet::from([format!("{all} repairs")]),
            was_asked: all > 0,
            caught: self.qualified.iter().all(|row| row.verdict == Verdict::Pass),
            passed: true,
        }
    }

    /// One row for each control that was looked at.
    pub fn checks(&self, target: &str) -> Vec<Check> {
        let row = |row: &autoclave_scan::Row| Check {
            name: row.control.to_owned(),
            question: controls::find(row.control).map_or_else(|_| String::new(), |control| control.text.clone()),
            target: Some(target.to_owned()),
            verdict: row.verdict.clone(),
            canary: None,
            twin: None,
        };
        self.scan.rows.iter().map(row).collect()
    }

    /// What failed, as findings: each control and what once.
    pub fn findings(&self, home: &Home, target: &Target) -> Vec<Finding> {
        let mut findings = Vec::new();
        for row in &self.scan.rows {
            for found in row.found.iter().filter(|found| found.severity > Severity::Info) {
                let bucket = Bucket {
                    oracle: autoclave_scan::ORACLE.to_owned(),
                    outcome: row.control.to_owned(),
                    frames: vec![found.what.clone()],
                };
                let name = crate::campaign::facts::shell_word(&target.name);
                findings.push(Finding {
                    id: bucket.id(),
                    oracle: autoclave_scan::ORACLE.to_owned(),
                    severity: found.severity,
                    outcome: row.control.to_owned(),
                    title: format!("{}: {}", row.control, found.what),
                    message: found.location.clone(),
                    reproducer: Reproducer::new(home.relative(&target.module_path), &[], 0),
                    repro: format!("cargo xtask scan {name}"),
                    hits: 1,
                    // It was read in the bytes as they are deployed.
                    confirmed: Confirmation::Reproduced,
                    bucket,
                    ..Finding::default()
                });
            }
        }
        findings.dedup_by(|a, b| a.id == b.id);
        findings
    }
}
