//! `scan`: what can be said of a module without running it.

use crate::cli::{ExitWith, Scan, ScanFormat, exit, print};
use anyhow::{Context, bail};
use autoclave_certificate::{Moment, files};
use autoclave_reports::Verdict;
use autoclave_scan::rebuild::Record;
use autoclave_scan::subject::Subject;
use autoclave_scan::{Context as Asked, Options, Policy, judge, policy, qualify, render, sbom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Largest module of a rebuild, bytes.
const MODULE_BYTES_MAX: u64 = 256 << 20;

/// Looks and tells.
pub fn run(flags: &Scan) -> anyhow::Result<u8> {
    let target = target(&flags.path);
    let today = match &flags.at {
        Some(day) => day.clone(),
        None => Moment::from(SystemTime::now()).to_string().chars().take(10).collect(),
    };
    let mut options = Options::new(today.parse()?);
    options.policy = policy(flags, target.as_ref())?;
    options.level = flags.level;
    options.module.clone_from(&flags.module);
    options.sbom.clone_from(&flags.sbom);
    options.bundle.clone_from(&flags.bundle);
    options.provenance.clone_from(&flags.provenance);
    options.advisories.clone_from(&flags.advisories);
    options.glue.clone_from(&flags.glue);
    options.source.clone_from(&flags.source);
    options.manifests.clone_from(&flags.manifests);
    options.keys = flags.keys.iter().map(|path| files::read_public_key(path)).collect::<Result<_, _>>()?;
    let path = match &target {
        None => flags.path.clone(),
        Some(target) => {
            options.source.get_or_insert_with(|| target.folder.clone());
            options.rebuild = Some(target.record.clone());
            target.module.clone()
        }
    };
    rebuilt(flags, target.as_ref(), &mut options)?;
    if let Some(file) = &flags.write_sbom {
        let subject = opened(&path, &options)?;
        let bill = sbom::write(&subject).map_err(|why| anyhow::anyhow!("--write-sbom: {why}"))?;
        super::write_whole(file, bill.as_bytes())?;
        options.sbom = Some(file.clone());
    }
    let subject = opened(&path, &options)?;
    let scan = judge(&subject, &Asked::of(&options));
    let qualified = qualify(&options);
    eprint!("{}", render::human(&scan, &qualified));
    match flags.format {
        ScanFormat::Human => {}
        ScanFormat::Json => print(render::json(&scan, &qualified).as_bytes())?,
        ScanFormat::Md => print(render::markdown(&scan).as_bytes())?,
    }
    let is_unqualified = qualified.iter().any(|row| row.verdict != Verdict::Pass);
    let is_untested = scan.rows.iter().any(|row| matches!(row.verdict, Verdict::NotTested(_)));
    Ok(match scan.failed().next() {
        Some(_) => exit::FINDINGS,
        None if is_unqualified || flags.strict && is_untested => exit::NOT_JUDGED,
        None => exit::CLEAN,
    })
}

/// What cannot be read cannot be judged.
fn opened(path: &Path, options: &Options) -> anyhow::Result<Subject> {
    Subject::open(path, options).map_err(|error| ExitWith { code: exit::NOT_JUDGED, message: error.to_string() }.into())
}

/// A target of the repository.
struct Target {
    name: String,
    /// Its sources.
    folder: PathBuf,
    /// What was built: the package that JavaScript imports, or the module.
    module: PathBuf,
    /// Where its rebuild is recorded.
    record: PathBuf,
}

/// The target of that name, if the word names one and no file.
fn target(word: &Path) -> Option<Target> {
    let name = word.to_str().filter(|name| !word.exists() && !name.contains(['/', '\\', '.']))?;
    let here = std::env::current_dir().ok()?;
    let root = here.ancestors().find(|root| root.join("targets").join(name).join("target.toml").is_file())?;
    let built = root.join(".autoclave/build").join(name);
    let folder = root.join("targets").join(name);
    // A package, a module that was built, one that came as it is.
    let package = [built.join("pkg"), built.join("module.wasm")].into_iter().find(|path| path.exists());
    let module = package.unwrap_or_else(|| folder.join("module.wasm"));
    let record = root.join(".autoclave/rebuild").join(format!("{name}.json"));
    Some(Target { name: name.to_owned(), folder, module, record })
}

/// The policy that is named, else a target's own. One that lies in a package is the vendor's and does not count.
fn policy(flags: &Scan, target: Option<&Target>) -> anyhow::Result<Policy> {
    let own = target.map(|target| target.folder.join("scan.toml")).filter(|path| path.is_file());
    let Some(path) = flags.policy.clone().or(own) else { return Ok(Policy::default()) };
    let bytes = files::read(&path, policy::POLICY_BYTES_MAX, "policy")?;
    let text = String::from_utf8(bytes).with_context(|| path.display().to_string())?;
    Policy::from_toml(&text).with_context(|| path.display().to_string())
}

/// Records two builds, for this scan and the next.
fn rebuilt(flags: &Scan, target: Option<&Target>, options: &mut Options) -> anyhow::Result<()> {
    let [first, second] = flags.rebuilt.as_slice() else { return Ok(()) };
    let (Some(target), Some(source)) = (target, &options.source) else {
        bail!("--rebuilt: only for a target of the repository; `cargo xtask scan TARGET --rebuild` makes both builds");
    };
    let read = |path: &PathBuf| files::read(path, MODULE_BYTES_MAX, "module");
    let record = Record::of(&target.name, source, [&read(first)?, &read(second)?])?;
    super::write_whole(&target.record, record.to_json().as_bytes())
}
