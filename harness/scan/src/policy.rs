//! `scan.toml`: what a module may import, how large it may be, what is accepted although it is wrong. Unknown keys are
//! errors: a misspelt demand would not be made.

use autoclave_boundary::glue::capabilities::CATEGORIES;
use autoclave_reports::controls::{self, date::Date};
use autoclave_reports::escape;
use serde::Deserialize;

/// Largest policy that is read, bytes.
pub const POLICY_BYTES_MAX: u64 = 1 << 20;

/// What modules are held to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[derive(Default)]
pub struct Policy {
    /// What may be imported.
    pub imports: Imports,
    /// How large memories may be.
    pub memory: Memory,
    /// How large tables may be.
    pub table: Table,
    /// What containers may be given.
    pub container: Container,
    /// How old a database of advisories may be.
    pub advisories: Advisories,
    /// What is accepted although it is wrong.
    #[serde(rename = "waiver")]
    pub waivers: Vec<Waiver>,
}

/// `[imports]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Imports {
    /// Categories whose imports are reviewed. `intrinsic`, `memory` and `random` unless said otherwise.
    pub categories: Vec<String>,
    /// Imports that are reviewed, `module.name`; a `*` at the end stands for any rest. For components: interfaces.
    pub allow: Vec<String>,
    /// Imports that reach page or network, or are powerful otherwise, behind an adapter that somebody has reviewed.
    pub adapters: Vec<String>,
    /// Memories, tables, globals that may be imported although both sides change them.
    pub shared: Vec<String>,
}

/// `[memory]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Memory {
    /// Largest maximum, pages of 64 KiB; 4,096 (256 MiB) unless said otherwise, as in the harness's limits.
    pub pages_max: u64,
    /// Pages at the start beyond which is a warning; 1,024 (64 MiB) unless said otherwise.
    pub initial_pages_max: u64,
}

/// `[table]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Table {
    /// Largest maximum, elements; 10,000 unless said otherwise, as in the harness's limits.
    pub elements_max: u64,
}

/// `[container]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Container {
    /// Folders of the host that a WASI runtime may open for the module; none unless said otherwise.
    pub preopens: Vec<String>,
}

/// `[advisories]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Advisories {
    /// Days from the newest advisory of the database until today; 60 unless said otherwise.
    pub age_days_max: u32,
}

/// `[[waiver]]`: somebody accepts a finding, for a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Waiver {
    /// The control: `SBX-03a`.
    pub control: String,
    /// Text that the finding contains; without it, all findings of the control.
    #[serde(default)]
    pub finding: String,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Last day on which it holds: `2027-01-31`.
    pub expires: String,
}

/// Why a policy is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no policy: {0}")]
pub struct PolicyError(pub String);

impl Default for Imports {
    fn default() -> Self {
        let categories = ["intrinsic", "memory", "random"].map(str::to_owned).to_vec();
        Self { categories, allow: Vec::new(), adapters: Vec::new(), shared: Vec::new() }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { pages_max: 4_096, initial_pages_max: 1_024 }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { elements_max: 10_000 }
    }
}

impl Default for Advisories {
    fn default() -> Self {
        Self { age_days_max: 60 }
    }
}

impl Policy {
    /// Reads `scan.toml`.
    ///
    /// # Errors
    /// An unknown key, with those that are like it; a wrong value; a waiver without owner, reason or date.
    pub fn from_toml(text: &str) -> Result<Policy, PolicyError> {
        let policy: Policy = toml::from_str(text).map_err(|error| PolicyError(hinted(&error.to_string())))?;
        let known: Vec<&str> = CATEGORIES.iter().map(|(name, ..)| *name).collect();
        if let Some(name) = policy.imports.categories.iter().find(|name| !known.contains(&name.as_str())) {
            let what = format!("[imports] knows no category {name:?}; there are: {}", known.join(", "));
            return Err(PolicyError(escape::line(&what)));
        }
        for (at, waiver) in policy.waivers.iter().enumerate() {
            let wrong = |what: String| PolicyError(format!("[[waiver]] {}: {what}", at + 1));
            controls::find(&waiver.control).map_err(|error| wrong(error.to_string()))?;
            waiver.expires.parse::<Date>().map_err(|error| wrong(escape::line(&error.to_string())))?;
            for (key, value) in [("owner", &waiver.owner), ("reason", &waiver.reason)] {
                if value.trim().is_empty() {
                    return Err(wrong(format!("`{key}` is empty; say it")));
                }
            }
        }
        Ok(policy)
    }

    /// Whether an import is reviewed: by its name, or by its category.
    pub fn reviews(&self, name: &str, category: &str) -> bool {
        let imports = &self.imports;
        imports.categories.iter().any(|known| known == category)
            || [&imports.allow, &imports.adapters].into_iter().any(|list| names(list, name))
    }

    /// Whether a reviewed adapter stands behind an import.
    pub fn adapts(&self, name: &str) -> bool {
        names(&self.imports.adapters, name)
    }

    /// Whether that memory, table or global may be shared.
    pub fn shares(&self, name: &str) -> bool {
        names(&self.imports.shared, name)
    }
}

impl Waiver {
    /// Whether it is about that finding.
    pub fn covers(&self, control: &str, what: &str) -> bool {
        self.control.eq_ignore_ascii_case(control) && what.contains(&self.finding)
    }

    /// Whether it still holds on that day.
    pub fn holds(&self, today: Date) -> bool {
        self.expires.parse::<Date>().is_ok_and(|last| today <= last)
    }
}

fn names(list: &[String], name: &str) -> bool {
    list.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => known == name,
    })
}

/// Names the key that was probably meant.
fn hinted(error: &str) -> String {
    let quoted: Vec<&str> = error.split('`').skip(1).step_by(2).collect();
    let text = escape::block(error.trim_end());
    let [unknown, known @ ..] = quoted.as_slice() else { return text };
    let near = known.iter().filter(|known| strsim::osa_distance(unknown, known) <= 3);
    match near.min_by_key(|known| strsim::osa_distance(unknown, known)) {
        Some(near) if error.contains("unknown field") => format!("{text}\ndid you mean `{near}`?"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        assert_eq!(Policy::from_toml("").unwrap(), Policy::default());
        let policy = Policy::from_toml(
            "[imports]\ncategories = ['intrinsic', 'clock']\nallow = ['env.log*']\nadapters = ['wbg.fetch']\n\
             shared = ['env.memory']\n[memory]\npages-max = 1\ninitial-pages-max = 1\n[table]\nelements-max = 2\n\
             [container]\npreopens = ['/data']\n[advisories]\nage-days-max = 7\n\
             [[waiver]]\ncontrol = 'SBX-03a'\nowner = 'Ann'\nreason = 'grows in tests only'\nexpires = '2027-01-31'",
        )
        .unwrap();
        assert!(policy.reviews("env.logger", "unknown") && policy.reviews("a.b", "clock"));
        assert!(policy.reviews("wbg.fetch", "network") && policy.adapts("wbg.fetch") && !policy.adapts("env.logger"));
        assert!(!policy.reviews("a.b", "random") && policy.shares("env.memory") && !policy.shares("env.table"));
        let waiver = &policy.waivers[0];
        assert!(waiver.covers("SBX-03a", "anything") && !waiver.covers("SBX-03b", "anything"));
        assert!(waiver.holds("2027-01-31".parse().unwrap()) && !waiver.holds("2027-02-01".parse().unwrap()));
    }

    #[test]
    fn what_is_refused() {
        for (text, why) in [
            ("[memory]\npages-mx = 1", "did you mean `pages-max`?"),
            ("[memry]", "did you mean `memory`?"),
            ("[imports]\ncategories = ['netwrk']", "there are: intrinsic"),
            ("[[waiver]]\ncontrol = 'SBX-03a'", "missing field"),
            ("[[waiver]]\ncontrol = 'SBX-3a'\nowner='a'\nreason='b'\nexpires='2027-01-01'", "did you mean SBX-03a?"),
            ("[[waiver]]\ncontrol = 'SBX-03a'\nowner=' '\nreason='b'\nexpires='2027-01-01'", "`owner` is empty"),
            ("[[waiver]]\ncontrol = 'SBX-03a'\nowner='a'\nreason='b'\nexpires='soon'", "not a date"),
            ("[memory]\npages-max = -1", "invalid value"),
            ("=", "no policy"),
        ] {
            let error = Policy::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
