//! The control catalogue: what a health app with WebAssembly has to keep, row by row, with the rule that decides, the
//! published requirements behind it, the oracle of this project that answers it, and the safeguards that it is evidence
//! for. The rows are data in `reports/controls/*.toml`; a row that no oracle answers says so and is never a pass.

pub mod assessment;
pub mod ctrf;
pub mod date;
pub mod evidence;
pub mod explain;
pub mod judge;
pub mod oscal;
pub mod table;

use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// One family for each file, in the order of the two source documents.
const FAMILIES: &[(&str, &str)] = &[
    ("sbx.toml", include_str!("../controls/sbx.toml")),
    ("val.toml", include_str!("../controls/val.toml")),
    ("iam.toml", include_str!("../controls/iam.toml")),
    ("enc.toml", include_str!("../controls/enc.toml")),
    ("tls.toml", include_str!("../controls/tls.toml")),
    ("csp.toml", include_str!("../controls/csp.toml")),
    ("ops.toml", include_str!("../controls/ops.toml")),
    ("faq.toml", include_str!("../controls/faq.toml")),
    ("int.toml", include_str!("../controls/int.toml")),
    ("fhir.toml", include_str!("../controls/fhir.toml")),
    ("api.toml", include_str!("../controls/api.toml")),
    ("evt.toml", include_str!("../controls/evt.toml")),
    ("oau.toml", include_str!("../controls/oau.toml")),
];

/// An oracle that the catalogue names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oracle {
    /// Its name, as in `selftest --oracle NAME` and in findings.
    pub name: &'static str,
    /// The command that asks it.
    pub command: &'static str,
}

/// Oracles that answer controls.
pub const ORACLES: &[Oracle] = &[
    Oracle { name: "crash", command: "fuzz" },
    Oracle { name: "contract", command: "limits" },
    Oracle { name: "complexity", command: "limits" },
    Oracle { name: "constant-time", command: "ct" },
    Oracle { name: "differential", command: "diff" },
    Oracle { name: "conform", command: "conform" },
    Oracle { name: "boundary", command: "boundary" },
    // What is read and not run; each check carries a flaw of its own.
    Oracle { name: "scan", command: "scan" },
    // Questions about the deployed page, each with a control that must fail.
    Oracle { name: "page-checks", command: "boundary" },
];

/// Safeguards of the regulation.
const HIPAA: &str = include_str!("../controls/hipaa.toml");

/// Controls about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Prefix of its controls' ids: `SBX`.
    pub id: String,
    /// A word or two.
    pub title: String,
    /// One sentence.
    pub about: String,
    /// Its controls, in order.
    #[serde(rename = "control")]
    pub controls: Vec<Control>,
}

/// One row of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Stable id: `SBX-03d`.
    pub id: String,
    /// What must be so.
    pub text: String,
    /// Where the demand comes from.
    pub source: Source,
    /// How it is verified, the main way first.
    pub kinds: Vec<Kind>,
    /// What it is asked of.
    pub profiles: Vec<Profile>,
    /// From which level on it is asked.
    pub level: Level,
    /// What decides.
    pub rule: String,
    /// Something that breaks it.
    pub known_bad: String,
    /// Published requirements and weaknesses: `ASVS 5.0 2.2.1`, `HIPAA 164.312(c)(1)`, `RFC 9325`, `CWE-674`, …
    pub references: Vec<String>,
    /// Controls whose answers together are this one's.
    #[serde(default)]
    pub same_as: Vec<String>,
    /// Kinds of input that it is about; empty: any.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Oracles of this project whose verdict answers the rule; all of them are needed. Empty: there is none.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// How the answer is to be understood.
    pub note: Option<String>,
    /// What of the rule is looked at, where no oracle answers all of it.
    pub partly: Option<String>,
    /// Days after which evidence is too old; absent: its own expiry alone decides.
    pub evidence_days_max: Option<u32>,
}

/// Where a demand comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The document.
    pub document: Document,
    /// Its section and demand, in our words.
    pub control: String,
}

/// A document that demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// A checklist for WebAssembly in health apps.
    WasmChecklist,
    /// A post on the security of FHIR servers and apps.
    FhirPost,
}

impl Document {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::WasmChecklist => "How to Configure WASM Security for Healthcare Apps: HIPAA-Ready Best Practices",
            Self::FhirPost => "Please secure your #FHIR API and Apps (7 December 2021)",
        }
    }
}

/// How a control is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// By reading the module, its glue or its manifests.
    Static,
    /// By running the module.
    Dynamic,
    /// By running it through its glue in a JavaScript host.
    Host,
    /// By asking the deployed site.
    Site,
    /// By asking the FHIR API.
    Api,
    /// By evidence that somebody answers for; never by a program.
    Evidence,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Static, Self::Dynamic, Self::Host, Self::Site, Self::Api, Self::Evidence];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dynamic => "dynamic",
            Self::Host => "host",
            Self::Site => "site",
            Self::Api => "api",
            Self::Evidence => "evidence",
        }
    }
}

/// What a certificate is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// A module alone.
    #[serde(rename = "module")]
    Module,
    /// A module with the glue that calls it.
    #[serde(rename = "module+glue")]
    ModuleAndGlue,
    /// A deployed site.
    #[serde(rename = "site")]
    Site,
    /// A FHIR API.
    #[serde(rename = "api")]
    Api,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Module, Self::ModuleAndGlue, Self::Site, Self::Api];

    /// The stable name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::ModuleAndGlue => "module+glue",
            Self::Site => "site",
            Self::Api => "api",
        }
    }
}

impl std::str::FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|profile| profile.name() == name);
        known.ok_or_else(|| format!("{name}: not one of module, module+glue, site, api"))
    }
}

/// How much a certificate asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// What can be seen without running anything.
    L0,
    /// Limits and fuzzing, clean within a budget.
    L1,
    /// Differential reading, residue, constant time, glue in a JavaScript host.
    L2,
    /// Reproducible build, provenance, a second engine, a bound on what fuzzing has left.
    L3,
}

impl Level {
    /// All of them, from the least.
    pub const ALL: [Self; 4] = [Self::L0, Self::L1, Self::L2, Self::L3];

    /// The stable name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::L0 => "L0",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        }
    }
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name));
        known.ok_or_else(|| format!("{name}: not one of L0, L1, L2, L3"))
    }
}

/// An oracle that answers a control, or a part of what is needed for the answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The oracle's name.
    pub oracle: String,
    /// The target with the planted flaw that it must catch in the same run; empty: it has none of its own.
    #[serde(default)]
    pub canary: String,
    /// Classes, outcomes or rules of the oracle that break the control; empty: whatever it finds.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// A safeguard of the regulation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Safeguard {
    /// Its paragraph in 45 CFR: `164.312(c)(1)`.
    pub citation: String,
    /// Its title there.
    pub title: String,
    /// What it is.
    pub kind: SafeguardKind,
    /// What it demands, in our words.
    pub demand: String,
}

/// What a safeguard is in the regulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SafeguardKind {
    /// A whole section.
    Section,
    /// A standard.
    Standard,
    /// An implementation specification that must be met.
    Required,
    /// An implementation specification that must be met, or replaced with a reason.
    Addressable,
}

impl SafeguardKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Section => "section",
            Self::Standard => "standard",
            Self::Required => "required",
            Self::Addressable => "addressable",
        }
    }
}

impl Control {
    /// Prefix of its id: `SBX`.
    pub fn family(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }

    /// How it is mainly verified.
    pub fn kind(&self) -> Kind {
        self.kinds[0]
    }

    /// Whether evidence may answer it where no program does.
    pub fn takes_evidence(&self) -> bool {
        self.kinds.contains(&Kind::Evidence)
    }

    /// Safeguards that it is evidence for, in the order of its references.
    pub fn safeguards(&self) -> impl Iterator<Item = &'static Safeguard> {
        let cited = self.references.iter().filter_map(|reference| reference.strip_prefix("HIPAA "));
        cited.filter_map(|citation| safeguards().iter().find(|safeguard| safeguard.citation == citation))
    }

    /// Names of the oracles that answer it, each once.
    pub fn oracles(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for answer in &self.answers {
            if !names.contains(&answer.oracle.as_str()) {
                names.push(&answer.oracle);
            }
        }
        names
    }
}

impl Safeguard {
    /// An id that OSCAL takes, which wants a letter first and no brackets: `hipaa-164.312-c-1`.
    pub fn token(&self) -> String {
        let parts = self.citation.split(['(', ')']).filter(|part| !part.is_empty());
        format!("hipaa-{}", parts.collect::<Vec<_>>().join("-").replace('–', "-")).to_lowercase()
    }

    /// Controls that are evidence for it, in the catalogue's order.
    pub fn controls(&self) -> impl Iterator<Item = &'static Control> + '_ {
        all().filter(|control| control.safeguards().any(|safeguard| safeguard.citation == self.citation))
    }
}

/// The catalogue as it is written, all files one after the other: what a digest of it is over.
pub fn source() -> String {
    FAMILIES.iter().map(|(_, text)| *text).chain([HIPAA]).collect()
}

/// All families, in order.
pub fn families() -> &'static [Family] {
    static CATALOGUE: LazyLock<Vec<Family>> = LazyLock::new(|| {
        let read = |(name, text): &(&str, &str)| match toml::from_str(text) {
            Ok(family) => family,
            Err(error) => panic!("reports/controls/{name}: {error}"),
        };
        FAMILIES.iter().map(read).collect()
    });
    &CATALOGUE
}

/// Every control, in order.
pub fn all() -> impl Iterator<Item = &'static Control> {
    families().iter().flat_map(|family| &family.controls)
}

/// Every safeguard, in the regulation's order.
pub fn safeguards() -> &'static [Safeguard] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        safeguard: Vec<Safeguard>,
    }
    static SAFEGUARDS: LazyLock<Vec<Safeguard>> = LazyLock::new(|| match toml::from_str::<Table>(HIPAA) {
        Ok(table) => table.safeguard,
        Err(error) => panic!("reports/controls/hipaa.toml: {error}"),
    });
    &SAFEGUARDS
}

/// There is no control of that id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id}: no control has this id{}", hint(near))]
pub struct UnknownControl {
    /// What was asked for, made harmless.
    pub id: String,
    /// The ids that are most like it, at most eight.
    pub near: Vec<&'static str>,
}

fn hint(near: &[&str]) -> String {
    match near {
        [] => "; `controls` lists them".to_owned(),
        near => format!("; did you mean {}?", near.join(", ")),
    }
}

/// The control of that id, in any case.
///
/// # Errors
/// There is none; ids like it are named.
pub fn find(id: &str) -> Result<&'static Control, UnknownControl> {
    if let Some(control) = all().find(|control| control.id.eq_ignore_ascii_case(id)) {
        return Ok(control);
    }
    let shown = crate::escape::column(id, 40);
    // One that goes on where the word ends, or is a typing error away.
    let typed: String = id.chars().take(40).collect::<String>().to_lowercase();
    let family = |id: &str| id.split('-').next().unwrap_or_default().to_lowercase();
    let mut ranked: Vec<(usize, &str)> = all()
        .map(|control| {
            let known = control.id.to_lowercase();
            let is_start = typed.len() >= 5 && (known.starts_with(&typed) || typed.starts_with(&known));
            // Within a family numbers are all alike.
            let elsewhere = if family(&typed) == family(&known) { 0 } else { 1 };
            (if is_start { 0 } else { strsim::osa_distance(&typed, &known) + elsewhere }, control.id.as_str())
        })
        .filter(|(distance, _)| *distance <= 3)
        .collect();
    ranked.sort();
    let best = ranked.first().map_or(0, |(distance, _)| *distance);
    let near = ranked.into_iter().filter(|(distance, _)| *distance == best);
    Err(UnknownControl { id: shown, near: near.take(8).map(|(_, id)| id).collect() })
}

/// The safeguard of that paragraph.
pub fn safeguard(citation: &str) -> Option<&'static Safeguard> {
    safeguards().iter().find(|safeguard| safeguard.citation == citation)
}
