//! The RustSec advisory database, read from a copy on disk: `crates/NAME/RUSTSEC-YYYY-NNNN.md`, each beginning with a
//! table in TOML. <https://github.com/RustSec/advisory-db/blob/main/EXAMPLE_ADVISORY.md>

use crate::lock::Locked;
use autoclave_certificate::files;
use autoclave_reports::controls::date::Date;
use semver::{Version, VersionReq};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Advisories that are read, and bytes of one.
const ADVISORIES_MAX: usize = 100_000;
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Advisories by package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// By name of the package.
    pub by_package: BTreeMap<String, Vec<Advisory>>,
    /// Day of the newest one.
    pub newest: Option<Date>,
    /// How many there are.
    pub count: usize,
    /// Files that could not be read.
    pub unread: usize,
}

/// An advisory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// `RUSTSEC-2021-0003`.
    pub id: String,
    /// The package.
    pub package: String,
    /// Why it is no vulnerability: `unmaintained`, `unsound`, `notice`.
    pub informational: Option<String>,
    /// Its heading.
    pub title: String,
    patched: Vec<VersionReq>,
    unaffected: Vec<VersionReq>,
}

impl Advisory {
    /// Whether that version has the flaw.
    pub fn affects(&self, version: &Version) -> bool {
        !self.patched.iter().chain(&self.unaffected).any(|wanted| matches(wanted, version))
    }
}

/// As the database means it: a preview of a later version counts as its release line.
fn matches(wanted: &VersionReq, version: &Version) -> bool {
    wanted.matches(version)
        || (!version.pre.is_empty() && {
            // Patched in 1.2.3 includes 1.3.0-rc.1, which a requirement alone does not say.
            let release = Version::new(version.major, version.minor, version.patch);
            let earlier = wanted.comparators.iter().any(|one| {
                (one.major, one.minor.unwrap_or(0), one.patch.unwrap_or(0))
                    == (version.major, version.minor, version.patch)
            });
            !earlier && wanted.matches(&release)
        })
}

#[derive(Deserialize)]
struct Page {
    advisory: Head,
    #[serde(default)]
    versions: Versions,
}

#[derive(Deserialize)]
struct Head {
    id: String,
    package: String,
    date: Option<toml::Value>,
    withdrawn: Option<toml::Value>,
    informational: Option<String>,
}

#[derive(Deserialize, Default)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

/// Reads a copy of the database.
///
/// # Errors
/// There is none at that place.
pub fn read(root: &Path) -> Result<Database, String> {
    let wrong = |what: String| format!("{}: {what}; give the folder of a clone of RustSec/advisory-db", root.display());
    let folder = root.join("crates");
    let entries = fs::read_dir(&folder).map_err(|error| wrong(format!("no folder `crates` ({error})")))?;
    let mut database = Database::default();
    for package in entries.flatten() {
        let Ok(pages) = fs::read_dir(package.path()) else { continue };
        for page in pages.flatten() {
            let path = page.path();
            let name = page.file_name().to_string_lossy().into_owned();
            if !name.starts_with("RUSTSEC-") || !name.ends_with(".md") {
                continue;
            }
            if database.count + database.unread >= ADVISORIES_MAX {
                return Err(wrong(format!("more than {ADVISORIES_MAX} advisories")));
            }
            let text =
                files::read(&path, FILE_BYTES_MAX, "advisory").ok().and_then(|bytes| String::from_utf8(bytes).ok());
            match text.as_deref().and_then(parse) {
                Some(parsed) => database.add(parsed),
                None => database.unread += 1,
            }
        }
    }
    if database.count == 0 {
        return Err(wrong("no advisories in it".to_owned()));
    }
    for advisories in database.by_package.values_mut() {
        advisories.sort_by(|a, b| a.id.cmp(&b.id));
    }
    Ok(database)
}

/// An advisory with its day; an empty one, which affects nothing, where it was withdrawn.
type Parsed = (Option<Advisory>, Option<Date>);

impl Database {
    /// Adds an advisory from its text; `false` if it is none.
    pub fn add_text(&mut self, text: &str) -> bool {
        parse(text).map(|parsed| self.add(parsed)).is_some()
    }

    fn add(&mut self, (advisory, date): Parsed) {
        self.count += 1;
        self.newest = self.newest.max(date);
        if let Some(advisory) = advisory {
            self.by_package.entry(advisory.package.clone()).or_default().push(advisory);
        }
    }

    /// Advisories about a locked package.
    pub fn about<'a>(&'a self, locked: &Locked) -> impl Iterator<Item = &'a Advisory> {
        let version = locked.semver();
        let of_package = self.by_package.get(&locked.name).into_iter().flatten();
        of_package.filter(move |advisory| version.as_ref().is_none_or(|version| advisory.affects(version)))
    }
}

fn parse(text: &str) -> Option<Parsed> {
    let rest = text.trim_start().strip_prefix("```toml")?;
    let (table, prose) = rest.split_once("\n```")?;
    let page: Page = toml::from_str(table).ok()?;
    let requirements = |list: &[String]| list.iter().map(|one| VersionReq::parse(one).ok()).collect::<Option<Vec<_>>>();
    let title = prose.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default().trim().to_owned();
    let date = page.advisory.date.as_ref().and_then(|date| match date {
        toml::Value::String(text) => text.parse().ok(),
        toml::Value::Datetime(day) => day.to_string().get(..10)?.parse().ok(),
        _ => None,
    });
    let advisory = Advisory {
        id: page.advisory.id,
        package: page.advisory.package,
        informational: page.advisory.informational,
        title,
        patched: requirements(&page.versions.patched)?,
        unaffected: requirements(&page.versions.unaffected)?,
    };
    Some((page.advisory.withdrawn.is_none().then_some(advisory), date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_are_affected() {
        let text = "```toml\n[advisory]\nid = \"RUSTSEC-2021-0003\"\npackage = \"smallvec\"\ndate = \"2021-01-08\"\n\
                    [versions]\npatched = [\">= 0.6.14, < 1.0.0\", \">= 1.6.1\"]\nunaffected = [\"< 0.6.3\"]\n```\n\n# Overflow\n";
        let (advisory, date) = parse(text).unwrap();
        let advisory = advisory.unwrap();
        assert_eq!((advisory.title.as_str(), date.unwrap().to_string().as_str()), ("Overflow", "2021-01-08"));
        for (version, affected) in [
            ("1.6.0", true),
            ("1.6.1", false),
            ("2.0.0-alpha.1", false),
            ("1.6.1-rc.1", true),
            ("0.6.13", true),
            ("0.6.2", false),
        ] {
            assert_eq!(advisory.affects(&version.parse().unwrap()), affected, "{version}");
        }
        let withdrawn = text.replace("date =", "withdrawn = \"2021-02-01\"\ndate =");
        assert!(parse(&withdrawn).unwrap().0.is_none());
        assert!(parse("# no table").is_none() && parse("```toml\nx=1\n```").is_none());
    }
}
