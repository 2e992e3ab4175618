//! `certify`: everything that applies to one module, in one run: static policy, fuzzing, resource contract, other readers,
//! constant time, the boundary; every oracle qualified beside it. The verdict of each control follows, and the certificate
//! says what was tested, with what, and what was not.

pub mod grounds;
mod paper;
mod stages;

use super::children::{self, Ran};
use super::facts;
use super::home::{Home, write_whole};
use super::run_folder::RunFolder;
use super::statics;
use super::workers::Interrupts;
use crate::cli::{self, Format, printable, printable_name};
use crate::corpus::InputId;
use crate::limits::Overrides;
use crate::target::Target;
use anyhow::Context;
use autoclave_audit::renderings::{self, Sealed};
use autoclave_certificate::certificate::{Certificate, Scope, Verdict};
use autoclave_certificate::digest::Sha256Digest;
use autoclave_certificate::statement::Subjects;
use autoclave_certificate::{Moment, PrivateKey, bundle, files, seal};
use autoclave_reports::controls::Profile;
use autoclave_reports::controls::evidence::{self, Attestations};
use autoclave_reports::controls::judge::{Asked, Grounds, Qualified, Said, judge_all};
use autoclave_reports::record::{Budget, Run, Timing};
use autoclave_reports::{Record, Severity, escape};
use stages::{Plan, STAGES};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Instant, SystemTime};

/// Characters of a reason on the terminal; the certificate has all of it.
const REASON_CHARS: usize = 160;

/// Judges, reports and, with a key, signs.
pub fn run(flags: &cli::Certify, arguments: &[String]) -> anyhow::Result<u8> {
    let home = Home::find()?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let now = Moment::from(started);
    let profile = flags.profile.unwrap_or(if flags.glue.is_some() { Profile::ModuleAndGlue } else { Profile::Module });
    match (profile, &flags.glue) {
        (Profile::ModuleAndGlue, None) => return Err(usage("module+glue needs its glue: --glue DIR".into())),
        (Profile::Site | Profile::Api, _) => {
            return Err(usage(format!("{}: a module is certified as `module` or `module+glue`", profile.name())));
        }
        _ => {}
    }
    // All that may be wrong with the words is told before an hour is spent.
    let key = flags.key.as_deref().map(files::read_private_key).transpose()?;
    let waivers = flags.waivers.as_deref().map(|path| paper::waivers(path, now)).transpose()?.unwrap_or_default();
    let attested = flags.evidence.as_deref().map(|path| attested(path, now)).transpose()?.unwrap_or_default();
    let target = Target::load(&home.root, &flags.module, &Overrides::default())?;
    let module = files::read(&target.module_path, files::MODULE_BYTES_MAX, "module")?;
    let subjects = Subjects::of(&module).with_context(|| home.relative(&target.module_path))?;
    // What a target was built as is called module.wasm, whatever the target is.
    let name = match &target.folder {
        Some(_) => format!("{}.wasm", target.name),
        None => target.module_path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    };
    let folder = RunFolder::create(&home, flags.out.as_deref(), "certify", started)?;
    let interrupts = Interrupts::install()?;

    let has_secrets = !flags.secrets.is_empty() || target.scripts.values().any(|script| script.has_secret());
    let mut plan = Plan { flags, reads: Vec::new(), has_secrets };
    let mut asked = Asked { profile, level: flags.level, reads: BTreeSet::new() };
    let today = now.to_string().chars().take(10).collect::<String>();
    let scanned = statics::look(&home, &target, &flags.statics, flags.glue.as_deref(), flags.level, &today)?;
    let mut said: Vec<Said> = vec![scanned.scan.said()];
    let mut reports: Vec<(String, Ran)> = Vec::new();
    for stage in STAGES.iter().filter(|stage| stage.level <= flags.level) {
        let is_of_glue = stage.name == "boundary";
        if is_of_glue && profile == Profile::Module {
            continue;
        }
        let words = match (stage.words)(&plan) {
            _ if interrupts.count() > 0 => Err(autoclave_reports::Verdict::NotTested("it was interrupted".into())),
            words => words,
        };
        let words = match words {
            Ok(words) => words,
            Err(verdict) => {
                for (oracle, _) in stage.oracles {
                    let mut one = grounds::not_asked(oracle, verdict.clone());
                    grounds::take_back(&mut one, &plan.reads);
                    said.push(one);
                }
                continue;
            }
        };
        let first = reports.len();
        for (at, words) in words.iter().enumerate() {
            let name = if at == 0 { stage.name.to_owned() } else { format!("{}-{}", stage.name, at + 1) };
            eprintln!("certify: {name} ({:.0} s so far)", clock.elapsed().as_secs_f64());
            let ran = children::run(&name, words, flags.budget, &folder.path)?;
            reports.push((name, ran));
        }
        for (oracle, read) in stage.oracles {
            let parts = reports[first..].iter().map(|(_, ran)| said_by(oracle, *read, ran, &target)).collect();
            let Some(mut one) = grounds::together(parts) else { continue };
            grounds::take_back(&mut one, &plan.reads);
            said.push(one);
        }
        if let Some(record) = reports[first..].iter().find_map(|(_, ran)| ran.record.as_ref())
            && stage.name == "limits"
        {
            asked.reads = grounds::reads(record);
            let rows = record.targets.iter().filter_map(|row| row.contract.as_ref()).flat_map(|section| &section.reads);
            plan.reads = rows.map(|row| (row.entry.clone(), row.kinds.clone())).collect();
        }
    }
    let records = || reports.iter().filter_map(|(_, ran)| ran.record.as_ref());
    let qualified: Vec<Qualified> =
        scanned.qualified.iter().cloned().chain(records().flat_map(grounds::qualified)).collect();
    let judged = judge_all(&Grounds { asked: &asked, said: &said, qualified: &qualified, attested: &attested });

    let mut record = facts::record("certify", arguments, started, Severity::Low);
    let mut all = records().cloned();
    if let Some(first) = all.next() {
        record.limits = first.limits.clone();
        record.merge(first);
    }
    all.for_each(|one| record.merge(one));
    record.checks.extend(scanned.checks(&target.name));
    record.run = Run {
        id: folder.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        seed: flags.seed,
        interrupted: interrupts.count() > 0,
        budget: Budget { seconds: flags.runs.is_none().then_some(flags.budget.as_secs_f64()), runs: flags.runs },
        ..record.run
    };
    record.timing = Timing { wall_seconds: clock.elapsed().as_secs_f64(), ..record.timing };
    record.verdict = record.judge();
    folder.write(&home, &record)?;
    let report = Sha256Digest::of(&std::fs::read(folder.path.join("report.json"))?);

    let inputs = inputs(&home, &target)?;
    write_whole(&folder.path.join("corpus.txt"), (inputs.join("\n") + "\n").as_bytes())?;
    let policy = policy(flags, &asked, &record, &waivers, &reports)?;
    write_whole(&folder.path.join("policy.json"), &policy)?;
    let certificate = paper::certificate(paper::Facts {
        flags,
        module: (&name, &module),
        interface: scanned.scan.module.interface_sha256.parse().ok(),
        asked: &asked,
        judged: &judged,
        record: &record,
        fuzzed: reports.iter().find(|(name, _)| name == "fuzz").and_then(|(_, ran)| ran.record.as_ref()),
        trials: std::iter::once(scanned.trials()).chain(records().filter_map(grounds::page_trials)).collect(),
        inputs: &inputs,
        policy: Sha256Digest::of(&policy),
        report,
        waivers,
        issued: Moment::from(SystemTime::now()),
    })?;
    let sealed = key.as_ref().map(|key| sealed(&folder.path, &name, &module, &certificate, key)).transpose()?;
    let public = key.as_ref().map(PrivateKey::public);
    let signed = sealed.as_ref().zip(public.as_ref()).map(|((_, file), key)| Sealed { file, key });
    for (file, bytes) in renderings::files(&certificate, &subjects, signed)? {
        write_whole(&folder.path.join(file), &bytes)?;
    }
    let path = sealed.as_ref().map(|(path, _)| path.as_path());
    tell(&home, &folder, &certificate, &subjects, path, key.as_ref());
    match flags.format {
        Format::Human => {}
        Format::Json => cli::print(&serde_json::to_vec_pretty(&certificate)?)?,
        Format::Github => cli::print(annotations(&certificate).as_bytes())?,
    }
    Ok(if record.run.interrupted { cli::exit::INTERRUPTED } else { exit_code(&certificate) })
}

/// What a stage's report says for an oracle: nothing, where there is none, or where it is of another module.
fn said_by(oracle: &str, read: grounds::Reader, ran: &Ran, target: &Target) -> Said {
    let Some(record) = &ran.record else {
        return grounds::not_asked(oracle, autoclave_reports::Verdict::NotTested(ran.failure.clone()));
    };
    match record.targets.iter().find(|row| row.sha256 != target.sha256) {
        None => read(record),
        Some(other) => {
            let sha256 = escape::cut(&other.sha256, 16);
            let reason = format!("it was asked about another module: {}, SHA-256 {sha256}", other.name);
            grounds::not_asked(oracle, autoclave_reports::Verdict::NotTested(reason))
        }
    }
}

fn usage(message: String) -> anyhow::Error {
    cli::ExitWith { code: cli::exit::USAGE, message }.into()
}

/// What evidence is worth today. Documents lie beside `evidence.toml`, or below; links are not followed.
fn attested(path: &Path, now: Moment) -> anyhow::Result<Attestations> {
    let bytes = super::inputs::read_whole(path, evidence::EVIDENCE_BYTES_MAX as u64)?;
    let text = String::from_utf8(bytes).with_context(|| path.display().to_string())?;
    let evidence = evidence::read(&path.display().to_string(), &text)?;
    let today = now.to_string().get(..10).unwrap_or_default().parse()?;
    let beside = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok(evidence.attest(today, |name| {
        let file = beside.join(name);
        let mut walked = beside.clone();
        for part in Path::new(name).components() {
            walked.push(part);
            if walked.symlink_metadata()?.file_type().is_symlink() {
                return Err(std::io::Error::other("a link, which is not followed"));
            }
        }
        if !file.metadata()?.is_file() {
            return Err(std::io::Error::other("not a regular file"));
        }
        Ok(Box::new(std::fs::File::open(file)?))
    }))
}

/// Names of all inputs that the module's entries keep: what was collected, and what is pinned.
fn inputs(home: &Home, target: &Target) -> anyhow::Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for entry in &target.entries {
        let unit = home.unit(target, entry);
        for folder in [unit.corpus(), unit.pinned()] {
            let Ok(files) = std::fs::read_dir(&folder) else { continue };
            for file in files.take(crate::corpus::FILES_MAX) {
                let name = file.with_context(|| folder.display().to_string())?.file_name();
                names.extend(name.to_str().and_then(InputId::from_hex).map(|id| id.hex()));
            }
        }
    }
    Ok(names.into_iter().collect())
}

/// What the module was held to, in one file that the certificate pins.
fn policy(
    flags: &cli::Certify,
    asked: &Asked,
    record: &Record,
    waivers: &[autoclave_certificate::certificate::Waiver],
    reports: &[(String, Ran)],
) -> anyhow::Result<Vec<u8>> {
    let terms = record.targets.iter().find_map(|row| row.contract.as_ref()).map(|section| &section.terms);
    let stages: BTreeMap<&str, &str> = reports.iter().map(|(name, ran)| (name.as_str(), ran.sha256.as_str())).collect();
    Ok(serde_json::to_vec_pretty(&serde_json::json!({
        "profile": asked.profile.name(),
        "level": asked.level.name(),
        "budget_seconds": flags.runs.is_none().then_some(flags.budget.as_secs()),
        "runs": flags.runs,
        "seed": flags.seed,
        "valid_days": flags.days,
        "p_new_edge_max": grounds::P_NEW_EDGE_MAX,
        "edges_share_min": grounds::EDGES_SHARE_MIN,
        "limits": record.limits,
        "terms": terms,
        "waivers": waivers,
        "reports": stages,
    }))?)
}

fn sealed(
    folder: &Path,
    name: &str,
    module: &[u8],
    certificate: &Certificate,
    key: &PrivateKey,
) -> anyhow::Result<(std::path::PathBuf, Vec<u8>)> {
    let path = folder.join(format!("{}.{}", super::home::file_name(name), bundle::FILE_ENDING));
    let file = seal(module, certificate.clone(), key)?;
    write_whole(&path, &file)?;
    write_whole(&folder.join("certificate.pub"), key.public().to_pem().as_bytes())?;
    Ok((path, file))
}

/// Checks of the profile that stand in the way, worst first; waived ones do not.
fn in_the_way(certificate: &Certificate) -> Vec<&autoclave_certificate::certificate::Check> {
    let waived: BTreeSet<&str> = certificate.waivers.iter().map(|waiver| waiver.check.as_str()).collect();
    let mut rows: Vec<_> = certificate.shortcomings().filter(|row| !waived.contains(row.id.as_str())).collect();
    rows.sort_by_key(|row| row.verdict != Verdict::Fail);
    rows
}

/// 1: something failed; 3: something was not tested, or an oracle is broken; 0: the certificate stands.
fn exit_code(certificate: &Certificate) -> u8 {
    let rows = in_the_way(certificate);
    let is_qualified =
        certificate.qualification.iter().all(autoclave_certificate::certificate::Qualification::is_complete);
    if rows.iter().any(|row| row.verdict == Verdict::Fail) {
        cli::exit::FINDINGS
    } else if !rows.is_empty() || !is_qualified || !certificate.contradictions().is_empty() {
        cli::exit::NOT_JUDGED
    } else {
        cli::exit::CLEAN
    }
}

fn tell(
    home: &Home,
    folder: &RunFolder,
    certificate: &Certificate,
    subjects: &Subjects,
    sealed: Option<&Path>,
    key: Option<&PrivateKey>,
) {
    let Certificate { level, profile, module, .. } = certificate;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for check in certificate.checks.iter().filter(|check| check.scope == Scope::Profile) {
        *counts.entry(name_of(check.verdict)).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    eprintln!("\n{}  {} {}  {} bytes", printable_name(&module.name), level.name(), profile.name(), module.bytes);
    eprintln!("sha256 {}\n{}", subjects.as_deployed, subjects.integrity);
    eprintln!("asked: {}", counts.join(" · "));
    let rows = in_the_way(certificate);
    for row in &rows {
        eprintln!("  {:10} {:8} {}", name_of(row.verdict), row.id, escape::column(&row.reason, REASON_CHARS));
    }
    for row in certificate.checks.iter().filter(|row| row.verdict == Verdict::Warn && row.scope == Scope::Profile) {
        eprintln!("  {:10} {:8} {}", "WARN", row.id, escape::column(&row.reason, REASON_CHARS));
    }
    for waiver in &certificate.waivers {
        let [owner, reason] = [&waiver.owner, &waiver.reason].map(|text| printable_name(text));
        eprintln!("  waived     {:8} by {owner} until {}: {reason}", waiver.check, waiver.expires);
    }
    for row in certificate.qualification.iter().filter(|row| !row.is_complete()) {
        let what = format!("{} did not tell {} from {}", row.oracle, row.canary, row.twin);
        eprintln!("  NOT QUALIFIED  {}", printable(&what));
    }
    let caught = certificate.qualification.iter().filter(|row| row.is_complete()).count();
    eprintln!("qualified in this run: {caught} of {} oracles", certificate.qualification.len());
    let shown = |path: &Path| printable_name(&home.relative(path));
    match exit_code(certificate) {
        cli::exit::CLEAN => eprintln!("RESULT: it passes at {} ({})", level.name(), profile.name()),
        cli::exit::FINDINGS => eprintln!("RESULT: it does not pass: {} in the way", rows.len()),
        _ => eprintln!("RESULT: it cannot be certified at {}: {} not tested", level.name(), rows.len()),
    }
    match (sealed, key) {
        (Some(path), Some(key)) => {
            eprintln!("certificate: {} (signed by {})", shown(path), key.public().hint());
            let public = shown(&folder.path.join("certificate.pub"));
            eprintln!("verify: cargo xtask verify MODULE {} --key {public}", shown(path));
        }
        _ => eprintln!("certificate: {} (not signed: give --key)", shown(&folder.path.join("certificate.json"))),
    }
    let pages = folder.path.join("certificate.html");
    eprintln!("pages: {} · report: {}", shown(&pages), shown(&folder.path.join("index.html")));
}

fn name_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Warn => "WARN",
        Verdict::Fail => "FAIL",
        Verdict::NotApplicable => "N/A",
        Verdict::NotTested => "NOT-TESTED",
        Verdict::Attested => "ATTESTED",
        Verdict::NotAttested => "NOT-ATTESTED",
    }
}

/// Annotations for GitHub Actions, ten at most.
fn annotations(certificate: &Certificate) -> String {
    let line = |row: &&autoclave_certificate::certificate::Check| {
        let word = if row.verdict == Verdict::Fail { "error" } else { "warning" };
        let text = format!("{} {}", name_of(row.verdict), printable(&row.reason));
        let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        format!("::{word} title={}::{text}\n", row.id)
    };
    in_the_way(certificate).iter().take(10).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executors::Engine;
    use crate::oracles::{self, Canary};
    use autoclave_certificate::certificate::Qualification;
    use autoclave_certificate::{Algorithm, Decision, Policy, admit};
    use autoclave_reports::TargetRecord;
    use autoclave_reports::controls::Level;
    use autoclave_reports::record::Saturation;
    use clap::Parser;

    /// A module, and a campaign that found nothing in it; every control but those of fuzzing is waived.
    fn certified(checks: Vec<autoclave_reports::record::Check>) -> (Certificate, Decision) {
        let module = wat::parse_str("(module)").unwrap();
        let row = TargetRecord {
            name: "module".into(),
            verdict: autoclave_reports::Verdict::Pass,
            execs: 1_000_000,
            edges_found: 9,
            edges_total: 10,
            saturation: Saturation { p_new_edge: Some(1e-6), ..Saturation::default() },
            ..TargetRecord::default()
        };
        let record = Record { targets: vec![row], checks, ..Record::default() };
        let asked = Asked { profile: Profile::Module, level: Level::L1, reads: BTreeSet::new() };
        let qualified = grounds::qualified(&record);
        let said = [grounds::crash(&record), grounds::contract(&record)];
        let attested = Attestations::new();
        let judged = judge_all(&Grounds { asked: &asked, said: &said, qualified: &qualified, attested: &attested });
        let cli = cli::Cli::parse_from(["autoclave", "certify", "module.wasm"]);
        let cli::Command::Certify(flags) = cli.command else { unreachable!() };
        let issued: Moment = "2026-11-23".parse().unwrap();
        let mut certificate = paper::certificate(paper::Facts {
            flags: &flags,
            module: ("module.wasm", &module),
            interface: None,
            asked: &asked,
            judged: &judged,
            record: &record,
            fuzzed: Some(&record),
            trials: Vec::new(),
            inputs: &[],
            policy: Sha256Digest::of(b"policy"),
            report: Sha256Digest::of(b"report"),
            waivers: Vec::new(),
            issued,
        })
        .unwrap();
        let others = certificate.shortcomings().filter(|check| check.id != "OPS-02d").map(|check| check.id.clone());
        certificate.waivers = others
            .map(|check| autoclave_certificate::certificate::Waiver {
                check,
                owner: "test".into(),
                reason: "this is about one oracle".into(),
                expires: issued.plus_days(1),
            })
            .collect();
        let key = PrivateKey::from_seed(Algorithm::P256, &[7; 32]).unwrap();
        let sealed = seal(&module, certificate.clone(), &key).unwrap();
        let allowed_waivers = certificate.waivers.iter().map(|waiver| waiver.check.clone()).collect();
        let policy = Policy { allowed_waivers, ..Policy::default() };
        let decision = admit(&module, &sealed, &[key.public()], &policy, issued);
        (certificate, decision)
    }

    #[test]
    fn a_report_of_another_module_says_nothing() {
        let manifest = toml::from_str("abi = \"numeric\"\n[build]\nkind = \"wat\"").unwrap();
        let wat = b"(module (func (export \"f\") (param i32)))";
        let target = Target::from_bytes("one", wat, manifest, &Overrides::default()).unwrap();
        let said = |sha256: &str| {
            let row = TargetRecord {
                name: "one".into(),
                sha256: sha256.into(),
                verdict: autoclave_reports::Verdict::Pass,
                ..TargetRecord::default()
            };
            let record = Some(Record { targets: vec![row], ..Record::default() });
            let ran = Ran { record, sha256: String::new(), failure: String::new() };
            said_by("contract", grounds::contract, &ran, &target).verdict
        };
        assert_eq!(said(&target.sha256), autoclave_reports::Verdict::Pass);
        let other = said("0123456789abcdef0123");
        assert!(
            matches!(&other, autoclave_reports::Verdict::NotTested(why) if why.contains("another module")),
            "{other:?}"
        );
        let dead = Ran { record: None, sha256: String::new(), failure: "it died".into() };
        assert_eq!(said_by("contract", grounds::contract, &dead, &target).verdict.reason(), "it died");
    }

    #[test]
    fn a_broken_oracle_turns_its_controls_to_not_tested_and_nobody_admits_the_certificate() {
        let engine = Engine::new(None).unwrap();
        let oracle = oracles::by_name("crash").unwrap();
        let qualify = |break_it: bool| {
            let contract = oracles::by_name("contract").unwrap();
            let (canary, twin) = &contract.canaries[0];
            let mut checks = crate::campaign::selftest::qualify(&engine, contract, canary, twin).unwrap();
            for (canary, twin) in oracle.canaries {
                // An oracle that is blind to a flaw sees what it sees in the repaired module.
                let is_blind = break_it && canary.name == "canary-crash";
                let wat = if is_blind { twin.wat } else { canary.wat };
                let shown = Canary { name: canary.name, manifest: canary.manifest, wat, glue: canary.glue };
                checks.extend(crate::campaign::selftest::qualify(&engine, oracle, &shown, twin).unwrap());
            }
            checks
        };
        let fuzzed = |certificate: &Certificate| {
            let check = certificate.checks.iter().find(|check| check.id == "OPS-02d").unwrap();
            (check.verdict, check.reason.clone())
        };
        let (whole, decision) = certified(qualify(false));
        assert_eq!(fuzzed(&whole), (Verdict::Pass, String::new()));
        assert!(decision.is_admitted(), "{:?}", decision.reasons());
        assert!(whole.qualification.iter().all(Qualification::is_complete));

        let (broken, decision) = certified(qualify(true));
        let (verdict, reason) = fuzzed(&broken);
        assert!(verdict == Verdict::NotTested && reason.contains("canary-crash"), "{verdict:?} {reason}");
        assert!(!decision.is_admitted());
        assert!(broken.qualification.iter().any(|one| one.oracle == "crash" && !one.is_complete()));
        assert_eq!(exit_code(&broken), cli::exit::NOT_JUDGED);
    }
}
