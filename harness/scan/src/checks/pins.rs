//! Whether what a module is made of, and what its glue fetches, is pinned: lock files, revisions, digests.

use super::containers;
use super::script;
use crate::subject::{Source, Subject, is_manifest, is_script};
use crate::{Answer, Context, Finding, Row, lock};
use autoclave_reports::Severity;
use serde_json::Value;

/// Places that give a package's file by name and version.
const NETWORKS: &[&str] = &[
    "unpkg.com",
    "cdn.jsdelivr.net",
    "esm.sh",
    "esm.run",
    "cdn.skypack.dev",
    "ga.jspm.io",
    "cdnjs.cloudflare.com",
    "jsdelivr.com",
    "raw.githubusercontent.com",
    "rawgit.com",
    "cdn.rawgit.com",
    "deno.land",
];

/// Lock files, revisions of dependencies from git, addresses, images.
pub fn pinned(subject: &Subject, _: &Context<'_>, _: &[Row]) -> Answer {
    let mut found = Vec::new();
    for running in script::running(subject) {
        let Ok(look) = script::look(running) else { continue };
        for (url, at) in look.urls {
            if let Some(what) = moving(&url) {
                let line = 1 + running.text[..at as usize].matches('\n').count();
                found.push(Finding::new("", what.0, what.1, format!("{}:{line}", running.path)));
            }
        }
    }
    let is_page = |path: &str| path.ends_with(".html") || path.ends_with(".htm");
    for page in subject.files.iter().filter(|file| is_page(&file.path)) {
        for (number, line) in page.text().lines().enumerate().take(100_000) {
            let addresses = line.split(['"', '\'', ' ', '>', '=']).filter_map(moving);
            found.extend(
                addresses
                    .map(|(severity, what)| Finding::new("", severity, what, format!("{}:{}", page.path, number + 1))),
            );
        }
    }
    found.extend(containers::images(subject));
    let gap = subject.gap_anywhere(|path| is_script(path) || is_manifest(path) || is_page(path));
    let Some(source) = &subject.source else {
        let reason = "what the module was built from is not known; --source names the folder";
        return Answer::NotTested(reason.to_owned(), found);
    };
    match of_source(source, &mut found).or(gap) {
        None => Answer::Judged(found),
        Some(gap) => Answer::NotTested(gap, found),
    }
}

/// Whether an address leads to something that changes, and how.
fn moving(url: &str) -> Option<(Severity, String)> {
    let rest = url.split_once("://").map_or_else(|| url.strip_prefix("//"), |(_, rest)| Some(rest))?;
    let (host, path) = rest.split_once('/')?;
    if !NETWORKS.contains(&host) || path.len() < 3 {
        return None;
    }
    let shown = format!("https://{host}/{path}");
    if is_exact(host, path) {
        return None;
    }
    Some(match path.contains("${…}") {
        true => (Severity::Info, format!("fetches {shown}: whether the version is exact is decided while it runs")),
        false => (Severity::Medium, format!("fetches {shown}, which is no exact version and may change")),
    })
}

/// Whether what decides about the version is one with all of its numbers, or a whole revision. Where that stands, the
/// host says; a folder in a package may be called as it likes.
fn is_exact(host: &str, path: &str) -> bool {
    let is_version = |part: &str| {
        let part = part.strip_prefix('v').unwrap_or(part);
        semver::Version::parse(part).is_ok() || part.len() == 40 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let part = |at: usize| path.split('/').nth(at).unwrap_or_default();
    match host {
        // ajax/libs/NAME/VERSION/FILE
        "cdnjs.cloudflare.com" => is_version(part(3)),
        // OWNER/NAME/REVISION/FILE, OWNER/NAME/refs/tags/REVISION/FILE
        "raw.githubusercontent.com" | "rawgit.com" | "cdn.rawgit.com" => {
            is_version(part(if part(2) == "refs" { 4 } else { 2 }))
        }
        // NAME@VERSION/FILE, @SCOPE/NAME@VERSION/FILE; several with commas between.
        _ => path.split(',').all(|package| {
            let named = package.split('/').find_map(|part| part.rsplit_once('@').filter(|(name, _)| !name.is_empty()));
            named.is_some_and(|(_, version)| is_version(version))
        }),
    }
}

/// Looks at lock files; the reason if there is none to look at.
fn of_source(source: &Source, found: &mut Vec<Finding>) -> Option<String> {
    let mut push = |severity, what: String, file: &str| found.push(Finding::new("", severity, what, file));
    let mut looked = false;
    if let Some(manifest) = source.file("Cargo.toml") {
        match source.file("Cargo.lock") {
            None => push(
                Severity::Medium,
                "Cargo.toml without a Cargo.lock: every build may take other versions".into(),
                "Cargo.toml",
            ),
            Some(lock) => match lock::cargo(&lock.text()) {
                Err(error) => return Some(error),
                Ok(all) => {
                    for one in lock::reachable(&all, source.package.as_deref()) {
                        let name = format!("{} {}", one.name, one.version);
                        match one.source.as_deref() {
                            None => {}
                            Some(from) if from.starts_with("git+") && from.contains("?rev=") => {}
                            Some(from) if from.starts_with("git+") && from.contains("?tag=") => {
                                push(
                                    Severity::Info,
                                    format!("{name} comes from a tag of git, which can be moved: {from}"),
                                    "Cargo.lock",
                                );
                            }
                            Some(from) if from.starts_with("git+") => {
                                push(
                                    Severity::Medium,
                                    format!("{name} comes from a branch of git, without `rev`: {from}"),
                                    "Cargo.lock",
                                );
                            }
                            Some(_) if one.checksum.is_none() => {
                                push(
                                    Severity::Medium,
                                    format!("{name} comes from a registry without a checksum"),
                                    "Cargo.lock",
                                );
                            }
                            Some(_) => {}
                        }
                    }
                }
            },
        }
        let table = manifest.text().parse::<toml::Table>().unwrap_or_default();
        for (name, wanted) in table.get("dependencies").and_then(toml::Value::as_table).into_iter().flatten() {
            let has = |key: &str| wanted.get(key).is_some();
            if has("git") && !has("rev") {
                let how = if has("tag") { "a tag" } else { "a branch" };
                let severity = if has("tag") { Severity::Info } else { Severity::Medium };
                push(severity, format!("{name} is asked for from {how} of git, without `rev`"), "Cargo.toml");
            }
        }
        looked = true;
    }
    if let Some(manifest) = source.file("package.json") {
        let Ok(package) = serde_json::from_str::<Value>(&manifest.text()) else {
            return Some("package.json cannot be read".to_owned());
        };
        let count = |key: &str| package.get(key).and_then(Value::as_object).map_or(0, serde_json::Map::len);
        let lock = source.file("package-lock.json").or_else(|| source.file("npm-shrinkwrap.json"));
        let other = ["yarn.lock", "pnpm-lock.yaml"].iter().find_map(|name| source.file(name));
        let needed = count("dependencies") + count("optionalDependencies");
        match (lock, other) {
            (Some(lock), _) => {
                if let Some(error) = of_npm(&lock.text(), &mut push) {
                    return Some(error);
                }
                looked = true;
            }
            (None, Some(other)) => return Some(format!("{} is not read; give a package-lock.json", other.name())),
            (None, None) if needed > 0 => {
                let what = format!(
                    "package.json asks for others ({needed}) without a lock file: every installation may take other versions"
                );
                push(Severity::Medium, what, "package.json");
                looked = true;
            }
            (None, None) => {}
        }
    }
    (!looked).then(|| {
        "there is no lock file: what the module was built from is not known; --source names the folder".to_owned()
    })
}

fn of_npm(text: &str, push: &mut impl FnMut(Severity, String, &str)) -> Option<String> {
    let Ok(lock) = serde_json::from_str::<Value>(text) else {
        return Some("package-lock.json cannot be read".to_owned());
    };
    let Some(packages) = lock.get("packages").and_then(Value::as_object) else {
        return Some("package-lock.json is of version 1, which is not read; npm 7 or newer writes another".to_owned());
    };
    for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty()) {
        let name = path.rsplit("node_modules/").next().unwrap_or(path);
        let word = |key: &str| package.get(key).and_then(Value::as_str);
        let is_set = |key: &str| package.get(key).and_then(Value::as_bool) == Some(true);
        // Links lead to packages of the sources; bundled ones come with another's digest.
        if is_set("link") || is_set("inBundle") || !path.contains("node_modules/") {
            continue;
        }
        match (word("resolved"), word("integrity")) {
            (Some(from), _) if from.starts_with("http://") => {
                push(Severity::Medium, format!("{name} is fetched without TLS: {from}"), "package-lock.json");
            }
            (Some(from), None) if from.starts_with("git") => {
                let revision = from.rsplit('#').next().unwrap_or_default();
                if revision.len() != 40 || !revision.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    push(
                        Severity::Medium,
                        format!("{name} comes from git without a revision: {from}"),
                        "package-lock.json",
                    );
                }
            }
            (_, None) => push(Severity::Medium, format!("{name} has no integrity"), "package-lock.json"),
            (_, Some(integrity)) if integrity.starts_with("sha1-") => {
                push(Severity::Info, format!("{name} is pinned by SHA-1 only"), "package-lock.json");
            }
            _ => {}
        }
    }
    None
}
