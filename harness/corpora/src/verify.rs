//! Is a pack what its signer packed, whole, and clean? Every question is asked anew; nothing that the pack says of itself
//! is believed.

use crate::manifest::{self, Entry, Key, PhiScan, ScanResult, Taint};
use crate::source::Target;
use crate::zip::Limits;
use crate::{CorpusError, attest, digest, load, oci, pack, phi, tarball, zip};
use autoclave_certificate::PublicKey;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What was found out.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is wrong, in order; empty if nothing is.
    pub wrong: Vec<String>,
    /// Inputs.
    pub entries: usize,
    /// Name of the key that signed; none if no key was given.
    pub signer: Option<String>,
}

/// Verifies a pack on disk. Without keys, the signature is not looked at.
pub fn verify(folder: &Path, keys: &[PublicKey]) -> Result<Verdict, CorpusError> {
    Ok(verify_files(&load::pack_files(folder)?, keys))
}

/// [`verify`], in memory.
pub fn verify_files(files: &BTreeMap<String, Vec<u8>>, keys: &[PublicKey]) -> Verdict {
    let mut verdict = Verdict::default();
    let wrong = &mut verdict.wrong;
    check_sums(files, wrong);
    let entries = match files.get(manifest::FILE).map(|bytes| manifest::read(bytes)) {
        Some(Ok(entries)) => entries,
        Some(Err(what)) => {
            wrong.push(format!("{}: {what}", manifest::FILE));
            return verdict;
        }
        None => {
            wrong.push(format!("{}: missing", manifest::FILE));
            return verdict;
        }
    };
    verdict.entries = entries.len();
    for entry in entries.values() {
        if entry.taint != Taint::None {
            wrong.push(format!("{}: tainted inputs may not be in a pack", short(entry)));
        }
        if entry.phi_scan.version != phi::space::declared().version {
            wrong.push(format!(
                "{}: scanned by version {} of the gate; this is {}: use the program that fits, or pack again",
                short(entry),
                entry.phi_scan.version,
                phi::space::declared().version
            ));
        }
        if entry.phi_scan.result != ScanResult::Clean {
            wrong.push(format!("{}: the manifest itself says that it is not clean", short(entry)));
        }
    }
    check_contents(files, &entries, wrong);
    let inside: BTreeMap<String, Vec<u8>> =
        files.iter().filter_map(|(name, bytes)| Some((name.strip_prefix("oci/")?.to_owned(), bytes.clone()))).collect();
    match oci::check(&inside) {
        Ok(layers) => {
            let expected = [pack::ARCHIVE, manifest::FILE];
            let same =
                expected.iter().all(|name| layers.get(*name) == files.get(*name)) && layers.len() == expected.len();
            if !same {
                wrong.push("oci: its layers are not the archive and the manifest beside it".to_owned());
            }
        }
        Err(what) => wrong.push(format!("oci: {what}")),
    }
    if !keys.is_empty() {
        match attest::check(files, pack::predicate(&entries), keys) {
            Ok(signer) => verdict.signer = Some(signer),
            Err(what) => wrong.push(format!("{}: {what}", attest::FILE)),
        }
    }
    verdict
}

fn short(entry: &Entry) -> String {
    format!("{} ({})", &entry.sha256[..12], entry.format)
}

/// Every file in the list, and the list's every file.
fn check_sums(files: &BTreeMap<String, Vec<u8>>, wrong: &mut Vec<String>) {
    let Some(sums) = files.get(pack::SUMS) else {
        wrong.push(format!("{}: missing", pack::SUMS));
        return;
    };
    let listed: BTreeMap<&str, &str> = std::str::from_utf8(sums)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(hash, name)| (name, hash))
        .collect();
    let own = [pack::SUMS, attest::FILE];
    for (name, bytes) in files.iter().filter(|(name, _)| !own.contains(&name.as_str())) {
        match listed.get(name.as_str()) {
            None => wrong.push(format!("{name}: not in {}; it does not belong here", pack::SUMS)),
            Some(hash) if **hash != digest::sha256(bytes) => wrong.push(format!("{name}: changed; get the pack again")),
            Some(_) => {}
        }
    }
    wrong.extend(listed.keys().filter(|name| !files.contains_key(**name)).map(|name| format!("{name}: missing")));
    let packed: BTreeMap<String, Vec<u8>> =
        files.iter().filter(|(name, _)| !own.contains(&name.as_str())).map(|(n, b)| (n.clone(), b.clone())).collect();
    if wrong.is_empty() && pack::sums(&packed) != *sums {
        wrong.push(format!("{}: not in the form in which it is written", pack::SUMS));
    }
}

/// The manifest's inputs are in the archive, and nothing else is; OSS-Fuzz's files hold what follows from it.
fn check_contents(files: &BTreeMap<String, Vec<u8>>, entries: &BTreeMap<Key, Entry>, wrong: &mut Vec<String>) {
    let archive = match files.get(pack::ARCHIVE).map(|bytes| tarball::read(bytes)) {
        Some(Ok(archive)) => archive,
        Some(Err(what)) => return wrong.push(format!("{}: {what}", pack::ARCHIVE)),
        None => return wrong.push(format!("{}: missing", pack::ARCHIVE)),
    };
    let mut used = BTreeSet::from([manifest::FILE.to_owned()]);
    if archive.get(manifest::FILE) != files.get(manifest::FILE) {
        wrong.push(format!("{}: holds another manifest", pack::ARCHIVE));
    }
    for entry in entries.values() {
        let name = pack::place(entry);
        let Some(bytes) = archive.get(&name) else {
            wrong.push(format!("{name}: in the manifest, and not in the archive"));
            continue;
        };
        if digest::sha256(bytes) != entry.sha256
            || digest::sha1(bytes) != entry.sha1
            || bytes.len() as u64 != entry.size
        {
            wrong.push(format!("{name}: not what the manifest says"));
        }
        let mut scan = PhiScan::of(bytes).0.result;
        used.insert(name);
        if let Some(hash) = &entry.expectation {
            let name = pack::expectation_place(entry);
            match archive.get(&name) {
                Some(bytes) if digest::sha256(bytes) == *hash => scan = scan.max(PhiScan::of(bytes).0.result),
                _ => wrong.push(format!("{name}: missing, or not what the manifest says")),
            }
            used.insert(name);
        }
        if scan != ScanResult::Clean {
            wrong.push(format!("{}: the gate does not pass it; `corpus scan` shows what it sees", short(entry)));
        }
    }
    let formats: BTreeSet<&String> = entries.values().map(|entry| &entry.format).collect();
    let mut dictionaries = BTreeMap::new();
    for (name, bytes) in &archive {
        let format = name.split('/').nth(1).unwrap_or_default();
        if *name == format!("corpora/{format}/{format}.dict") {
            used.insert(name.clone());
            dictionaries.insert(format.to_owned(), bytes.clone());
            if !phi::scan(bytes).is_clean() {
                wrong.push(format!("{name}: the gate does not pass it"));
            }
        }
    }
    wrong.extend(
        archive
            .keys()
            .filter(|name| !used.contains(*name))
            .map(|name| format!("{name}: in the archive, and not in the manifest")),
    );
    check_targets(files, entries, &archive, &formats, &dictionaries, wrong);
}

fn check_targets(
    files: &BTreeMap<String, Vec<u8>>,
    entries: &BTreeMap<Key, Entry>,
    archive: &BTreeMap<String, Vec<u8>>,
    formats: &BTreeSet<&String>,
    dictionaries: &BTreeMap<String, Vec<u8>>,
    wrong: &mut Vec<String>,
) {
    let mut known = BTreeSet::from([pack::SUMS, pack::ARCHIVE, manifest::FILE, attest::FILE].map(str::to_owned));
    for (file, bytes) in files {
        let Some(name) = file.strip_suffix("_seed_corpus.zip") else { continue };
        let members = match zip::read(bytes, &Limits::default()) {
            Ok(members) => members,
            Err(what) => {
                wrong.push(format!("{file}: {what}"));
                continue;
            }
        };
        let members: BTreeMap<String, Vec<u8>> = members
            .into_iter()
            .map(|member| (String::from_utf8_lossy(&member.name).into_owned(), member.bytes))
            .collect();
        // Nothing says in so many words which format a target has: the one whose seeds it holds.
        let chosen = |format: &str, wanted: fn(&Entry, &str) -> bool| -> BTreeMap<String, Vec<u8>> {
            let of_target = entries.values().filter(|entry| entry.format == format && wanted(entry, name));
            of_target
                .filter_map(|entry| Some((entry.sha1.clone(), archive.get(&pack::place(entry))?.clone())))
                .collect()
        };
        let Some(format) = formats.iter().find(|format| chosen(format, pack::is_seed_of) == members) else {
            wrong.push(format!("{file}: does not hold the seeds of any format in the manifest"));
            continue;
        };
        let target = Target { name: name.to_owned(), format: (*format).clone() };
        let regressions = chosen(&target.format, pack::is_regression_of);
        let file = format!("{name}-regressions.tar.zst");
        let packed = files.get(&file).map(|bytes| tarball::read(bytes));
        match packed {
            Some(Ok(found)) if found == regressions => {}
            None if regressions.is_empty() => {}
            _ => wrong.push(format!("{file}: not the regressions of the manifest")),
        }
        let dictionary = dictionaries.get(&target.format);
        if files.get(&format!("{name}.dict")) != dictionary {
            wrong.push(format!("{name}.dict: not the dictionary in the archive"));
        }
        if files.get(&format!("{name}.options")) != Some(&pack::options(name, dictionary.is_some())) {
            wrong.push(format!("{name}.options: not what follows from the target"));
        }
        let endings = ["_seed_corpus.zip", "-regressions.tar.zst", ".dict", ".options"];
        known.extend(endings.map(|ending| format!("{name}{ending}")));
    }
    let extra = files.keys().filter(|name| !known.contains(*name) && !name.starts_with("oci/"));
    wrong.extend(extra.map(|name| format!("{name}: belongs to nothing in the manifest")));
}
