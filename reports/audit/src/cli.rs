//! The command line of `autoclave-audit`: every command and flag, in one place. `cargo xtask` passes its words on to it.

use autoclave_certificate::Moment;
use autoclave_reports::controls::Level;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

pub use autoclave_reports::record::exit;

/// An error that asks for a certain exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ExitWith {
    /// One of [`exit`].
    pub code: u8,
    /// What to say.
    pub message: String,
}

/// Controls, certificates and corpora of modules that read patient data; executes no module.
#[derive(Debug, Parser)]
#[command(name = "autoclave-audit", version, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 clean · 1 findings, or refused · 2 wrong usage or configuration · \
3 could not be judged";

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Which controls there are, what answers each, and what nothing answers yet
    Controls(Controls),
    /// Controls in full: rule, references, oracle, canary, HIPAA safeguards, what to do
    Explain(Explain),
    /// Decide from its certificate, offline, whether a module may be loaded: 0 it may, 1 it may not and why
    Verify(Verify),
    /// Show what a certificate says, from its file alone: a page to print, a summary, the map to HIPAA, OSCAL, CTRF
    Certificate(Certificate),
    /// Make a key pair that signs certificates
    Keygen(Keygen),
    /// Sign a module: a Sigstore bundle beside it, or a signature inside of it
    Sign(Sign),
    /// Look at a module and what comes with it, without running it: imports, limits, secrets, signature, supply chain
    Scan(Scan),
    /// Publish and check corpora: pack, import, scan, diff, stats, verify
    Corpus(Corpus),
}

/// Flags of `controls`.
#[derive(Debug, Clone, Args)]
pub struct Controls {
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "md")]
    pub format: TableFormat,
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// Markdown.
    Md,
    /// JSON: the same, and every control.
    Json,
}

/// Flags of `explain`.
#[derive(Debug, Clone, Args)]
pub struct Explain {
    /// Ids of controls, such as SBX-03d
    #[arg(required = true)]
    pub ids: Vec<String>,
}

/// Flags of `verify`.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// The module as it would be loaded
    pub module: PathBuf,
    /// Its certificate
    pub bundle: PathBuf,
    /// A public key that is trusted to certify (PEM); several may be given
    #[arg(long = "key", required = true, value_name = "PUB")]
    pub keys: Vec<PathBuf>,
    /// What the certificate must say; without it: level L1, no waivers
    #[arg(long, value_name = "admit.toml")]
    pub policy: Option<PathBuf>,
    /// Decide as of that day or moment, UTC: 2026-11-22 or 2026-11-22T21:04:51Z; without it: now
    #[arg(long, value_name = "DATE")]
    pub at: Option<Moment>,
    /// What goes to standard output: nothing, or the decision with the certificate
    #[arg(long, value_enum, default_value = "human", conflicts_with = "snippet")]
    pub format: Answer,
    /// Write configuration to standard output for a host that admits such modules, if this one is admitted
    #[arg(long, value_enum, value_name = "HOST")]
    pub snippet: Option<Host>,
    /// Images that the snippet is for, as the host matches them
    #[arg(long, requires = "snippet", default_value = "registry.example/parsers/*")]
    pub images: String,
    /// Where Envoy fetches the module
    #[arg(long, requires = "snippet", default_value = "https://modules.example/module.wasm")]
    pub url: String,
}

/// Flags of `certificate`.
#[derive(Debug, Clone, Args)]
pub struct Certificate {
    /// The certificate's file
    pub bundle: PathBuf,
    /// A public key that is trusted to certify (PEM); several may be given
    #[arg(long = "key", required = true, value_name = "PUB")]
    pub keys: Vec<PathBuf>,
    /// The module as it would be loaded: refuse if the certificate is about other bytes
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// The form; without it and --out: md, with --out: all of them
    #[arg(long, value_enum)]
    pub format: Option<Form>,
    /// Write files into this folder, which is made if need be, instead of to standard output
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// A form of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A page to print: two sheets that say the essentials, then every control.
    Html,
    /// Markdown for the summary of a job.
    Md,
    /// Markdown: which check is evidence for which safeguard, and the other way round.
    Hipaa,
    /// The signed statement, indented.
    Json,
    /// OSCAL assessment results.
    Oscal,
    /// The catalogue of safeguards that the assessment results refer to.
    OscalCatalog,
    /// A test report in CTRF.
    Ctrf,
}

/// How a decision is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Answer {
    /// To people, on standard error.
    Human,
    /// As JSON on standard output, too.
    Json,
}

/// A host that admits modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Host {
    /// Kyverno: a ClusterPolicy.
    Kyverno,
    /// Sigstore's policy-controller: a ClusterImagePolicy.
    PolicyController,
    /// Envoy: an HTTP filter.
    Envoy,
}

/// Flags of `keygen`.
#[derive(Debug, Clone, Args)]
pub struct Keygen {
    /// Name of the files: NAME.key (private, for its owner alone) and NAME.pub; nothing is overwritten
    pub name: PathBuf,
    /// How the key signs
    #[arg(long, value_enum, default_value = "p256")]
    pub algorithm: Algorithm,
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Algorithm {
    /// ECDSA on P-256, which tools of the field expect.
    P256,
    /// Ed25519.
    Ed25519,
}

/// Flags of `sign`.
#[derive(Debug, Clone, Args)]
pub struct Sign {
    /// The module
    pub module: PathBuf,
    /// Private key (cargo xtask keygen makes one)
    #[arg(long)]
    pub key: PathBuf,
    /// Write a copy with the signature inside, as WebAssembly module signatures have it (Ed25519)
    #[arg(long)]
    pub embed: bool,
    /// Where to write (default: MODULE.sigstore.json, or MODULE.signed.wasm)
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Flags of `scan`.
#[derive(Debug, Clone, Args)]
pub struct Scan {
    /// A module, a folder or npm package (.tgz) with one, or the name of a target
    pub path: PathBuf,
    /// Which module of a package, where there are several
    #[arg(long)]
    pub module: Option<String>,
    /// What the module is held to; without it: the defaults, which `harness/scan/README.md` lists
    #[arg(long, value_name = "scan.toml")]
    pub policy: Option<PathBuf>,
    /// A public key that is trusted to sign modules (PEM); several may be given
    #[arg(long = "key", value_name = "PUB")]
    pub keys: Vec<PathBuf>,
    /// Detached signature, a DSSE envelope or Sigstore bundle; without it: NAME.sigstore.jsonl beside the module
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Signed provenance of the build (SLSA, in a DSSE envelope); without it: NAME.provenance.json beside the module
    #[arg(long, value_name = "FILE")]
    pub provenance: Option<PathBuf>,
    /// Bill of materials, CycloneDX JSON; without it: NAME.cdx.json beside the module
    #[arg(long, value_name = "FILE")]
    pub sbom: Option<PathBuf>,
    /// Write a bill of materials of the module and its Cargo.lock, CycloneDX 1.6, and use it
    #[arg(long, value_name = "FILE", conflicts_with = "sbom")]
    pub write_sbom: Option<PathBuf>,
    /// Copy of the RustSec advisory database; without it: ~/.cargo/advisory-db
    #[arg(long, value_name = "DIR")]
    pub advisories: Option<PathBuf>,
    /// Folder or package with the glue of a single module
    #[arg(long, value_name = "DIR")]
    pub glue: Option<PathBuf>,
    /// Folder with the sources of the module: Cargo.toml, Cargo.lock, package-lock.json
    #[arg(long, value_name = "DIR")]
    pub source: Option<PathBuf>,
    /// Folder with manifests: Kubernetes, Compose, Dockerfile; without it: the folder that is scanned
    #[arg(long, value_name = "DIR")]
    pub manifests: Option<PathBuf>,
    /// Modules that two builds in two folders gave; `cargo xtask scan TARGET --rebuild` makes and gives them
    #[arg(long, value_name = "WASM", num_args = 2)]
    pub rebuilt: Vec<PathBuf>,
    /// Judge waivers and advisories as of that day: 2026-11-22; without it: today, UTC
    #[arg(long, value_name = "DATE")]
    pub at: Option<String>,
    /// What goes to standard output: nothing, everything as JSON, or a table
    #[arg(long, value_enum, default_value = "human")]
    pub format: ScanFormat,
    /// How much is asked: from L3 on, a module that cannot be rebuilt fails
    #[arg(long, default_value = "L0")]
    pub level: Level,
    /// Exit with 3 if a control is NOT-TESTED
    #[arg(long)]
    pub strict: bool,
}

/// How a scan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScanFormat {
    /// To people, on standard error.
    Human,
    /// As JSON on standard output, too.
    Json,
    /// As Markdown on standard output, too.
    Md,
}

/// Flags of `corpus`.
#[derive(Debug, Clone, Args)]
pub struct Corpus {
    /// What to do
    #[command(subcommand)]
    pub command: CorpusCommand,
}

/// Commands about corpora.
#[derive(Debug, Clone, Subcommand)]
pub enum CorpusCommand {
    /// Pack corpora for publishing: OSS-Fuzz's files, a manifest, one archive, an OCI layout, hashes, a signature
    Pack(Pack),
    /// Take in an archive or a folder of inputs; private unless licence and source are given
    Import(Import),
    /// Look for what could identify a person, in files as they are and in all that they decode to
    Scan(ScanInputs),
    /// What was added, removed or said differently between two packs, stores or folders
    Diff(Diff),
    /// How much there is of what, by format
    Stats(Stats),
    /// Check a pack: hashes, manifest, gate, OCI digests, signature, nothing extra
    Verify(VerifyPack),
}

/// Flags of `corpus pack`.
#[derive(Debug, Clone, Args)]
pub struct Pack {
    /// A target, or a format with all its targets
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub name: Option<String>,
    /// Every format and target
    #[arg(long)]
    pub all: bool,
    /// A new folder for the pack
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Sign with this private key
    #[arg(long, value_name = "KEY")]
    pub key: Option<PathBuf>,
    /// Also what runs have collected and what was imported, as far as it is clean and not private
    #[arg(long)]
    pub collected: bool,
}

/// Flags of `corpus import`.
#[derive(Debug, Clone, Args)]
pub struct Import {
    /// A zip, tar, tar.gz or tar.zst, or a folder
    pub archive: PathBuf,
    /// Format of the inputs, such as fhir-json
    #[arg(long)]
    pub format: String,
    /// The store; without it: .autoclave/imports/FORMAT of the source tree
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Their licence, an SPDX expression
    #[arg(long, value_name = "SPDX")]
    pub licence: Option<String>,
    /// Where they are from, such as a URL
    #[arg(long)]
    pub source: Option<String>,
    /// Never publish them, nor what is made from them, although licence and source are known
    #[arg(long)]
    pub private: bool,
}

/// Flags of `corpus scan`.
#[derive(Debug, Clone, Args)]
pub struct ScanInputs {
    /// Files, folders, packs
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
}

/// Flags of `corpus diff`.
#[derive(Debug, Clone, Args)]
pub struct Diff {
    /// A pack, a store or a folder
    pub old: PathBuf,
    /// Another
    pub new: PathBuf,
}

/// Flags of `corpus stats`.
#[derive(Debug, Clone, Args)]
pub struct Stats {
    /// Packs, stores or folders; without any: what is committed, by format
    pub paths: Vec<PathBuf>,
}

/// Flags of `corpus verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyPack {
    /// The pack's folder
    pub pack: PathBuf,
    /// A public key that is trusted to sign packs; several may be given. Without one the signature is not checked: exit
    /// code 3
    #[arg(long = "key", value_name = "PUB")]
    pub keys: Vec<PathBuf>,
}

/// Writes data to standard output. A reader that has seen enough (`| head`) is no failure.
pub fn print(data: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(data).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
