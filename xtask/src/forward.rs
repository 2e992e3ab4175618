//! Commands of the `autoclave` binary, and of `autoclave-audit`, which executes no module and is built in a minute: makes
//! what they need, builds the binary, becomes it.

use crate::{EXIT_NOT_JUDGED, guests, manifest, native, peers, process};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A binary of the house; both have the name of their package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Runs modules.
    Autoclave,
    /// Runs none.
    Audit,
}

impl Program {
    fn package(self) -> &'static str {
        match self {
            Program::Autoclave => "autoclave",
            Program::Audit => "autoclave-audit",
        }
    }
}

/// A command of a binary.
pub struct Forwarded {
    /// As typed.
    pub name: &'static str,
    /// One line for `--help`, the README and nobody else.
    pub about: &'static str,
    /// Whose it is.
    pub program: Program,
    needs: Needs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// The targets it names, or all.
    Targets,
    /// The targets it names. Without a name it speaks of what a run has found, and that run has built it.
    Named,
    /// The modules of the peers for the format that it names, and the targets it names.
    Peers,
    /// The targets it names, and the modules of all peers, planted ones too.
    AllPeers,
    /// The binary alone.
    Nothing,
}

/// The list that `--help` prints; a tidy test compares it with the README and the binary's own.
pub const COMMANDS: &[Forwarded] = &[
    targets("fuzz", "Fuzz all targets, the named ones or .wasm files, and write a report"),
    named("repro", "Show a finding again, with frames and source lines"),
    targets("replay", "Run every committed seed and regression, without mutation"),
    forwarded("diff", "Find inputs that readers understand differently, by cause", Needs::Peers),
    named("conform", "Run every vector of a target's format: which rules it keeps"),
    targets("limits", "Hold targets to their resource contract: bombs, oversize input, growth of work"),
    targets("ct", "Compare the work of targets between secrets: what of it depends on one"),
    targets("boundary", "Drive packages through their own JavaScript glue in Node and browsers"),
    forwarded("certify", "Everything that applies to one module, and a signed certificate of it", Needs::AllPeers),
    targets("nightly", "Every suite over every target in one budget, and what is new since the last report"),
    targets("selftest", "Every oracle must catch its canary and pass its repaired twin"),
    named("coverage", "Coverage of a target's corpus by function and source line"),
    named("cmin", "Reduce a target's corpus to the smallest set with its coverage"),
    named("tmin", "Reduce one input to the smallest that keeps its outcome"),
    targets("bench", "Measure speed side by side in one run"),
    plain("list", "List targets with ABI, entries, corpus and findings"),
    plain("add", "Register a prebuilt module as a target"),
    audit("controls", "List the controls of the catalogue, what answers each, and what nothing answers yet"),
    audit("verify", "Decide offline, from its certificate, whether a module may be loaded"),
    audit("sign", "Sign a module: a Sigstore bundle beside it, or a signature inside of it"),
    audit("certificate", "Show what a certificate says: a page to print, a summary, HIPAA map, OSCAL, CTRF"),
    audit("keygen", "Make a key pair that signs certificates"),
    Forwarded {
        name: "scan",
        about: "Look at a module and what comes with it without running it: imports, limits, secrets, supply chain",
        program: Program::Audit,
        needs: Needs::Named,
    },
    audit("corpus", "Pack, import, scan, compare, count and verify corpora"),
    plain("explain", "Explain a control, an outcome, an oracle or a finding"),
    plain("completions", "Write shell completions to standard output"),
];

const fn targets(name: &'static str, about: &'static str) -> Forwarded {
    forwarded(name, about, Needs::Targets)
}

const fn named(name: &'static str, about: &'static str) -> Forwarded {
    forwarded(name, about, Needs::Named)
}

const fn plain(name: &'static str, about: &'static str) -> Forwarded {
    forwarded(name, about, Needs::Nothing)
}

const fn forwarded(name: &'static str, about: &'static str, needs: Needs) -> Forwarded {
    Forwarded { name, about, program: Program::Autoclave, needs }
}

const fn audit(name: &'static str, about: &'static str) -> Forwarded {
    Forwarded { name, about, program: Program::Audit, needs: Needs::Nothing }
}

/// Modules of readers that a candidate is compared with, and of those with planted faults.
const ALL_PEERS: [&str; 3] = ["peers-fhir", "peers-hl7", "peers-planted"];

/// Commands that both binaries have; the words decide.
pub const SHARED: &[&str] = &["explain"];

/// Whose command it is. Controls are explained by the program that has the catalogue.
fn program(name: &str, words: &[OsString]) -> Program {
    let is_shared = SHARED.contains(&name);
    if is_shared && words.iter().any(|word| is_control(&word.to_string_lossy())) {
        return Program::Audit;
    }
    COMMANDS.iter().find(|entry| entry.name == name).map_or(Program::Autoclave, |entry| entry.program)
}

/// Whether a word is written as ids of controls are, `SBX-03d`, typing errors included. No outcome, oracle or finding is.
fn is_control(word: &str) -> bool {
    let Some((family, number)) = word.split_once('-') else { return false };
    (2..=5).contains(&family.len())
        && family.bytes().all(|byte| byte.is_ascii_alphabetic())
        && number.starts_with(|first: char| first.is_ascii_digit())
}

/// Runs a command of the binary; on Unix it does not come back.
pub fn command(root: &Path, name: &str, words: &[OsString]) -> Result<u8> {
    let needs = COMMANDS.iter().find(|entry| entry.name == name).map_or(Needs::Nothing, |entry| entry.needs);
    let asks_for_help = words.iter().any(|word| word == "--help" || word == "-h");
    let says = |flag: &str| words.iter().any(|word| word.to_string_lossy().starts_with(flag));
    if needs != Needs::Nothing && !asks_for_help {
        let known: BTreeSet<String> = manifest::guests(root)?.into_iter().map(|guest| guest.name).collect();
        let mut chosen = selection(&known, words);
        if name == "bench" && says("--faults") {
            chosen = Selection::Named(vec!["peers-planted".to_owned()]);
        } else if name == "bench" && says("--clock") {
            // It brings its own module.
            chosen = Selection::FilesOnly;
        }
        if needs == Needs::Peers {
            let mut names: Vec<String> = match chosen {
                Selection::Named(names) => names,
                _ => Vec::new(),
            };
            let names_any = |part: &str| words.iter().any(|word| word.to_string_lossy().contains(part));
            let module = match (names_any("planted"), names_any("hl7v2")) {
                (true, _) => "peers-planted",
                (false, true) => "peers-hl7",
                (false, false) => "peers-fhir",
            };
            names.push(module.to_owned());
            names.extend(peers::on_demand(words));
            chosen = Selection::Named(names);
        }
        if needs == Needs::AllPeers {
            // Nothing is compared below level L1. A vendor's module needs no toolchain: without peers that question is
            // NOT-TESTED, and says what is missing.
            let asks = |word: &OsString| ["L0", "--level=L0"].iter().any(|l0| word.eq_ignore_ascii_case(l0));
            if !words.iter().any(asks)
                && let Err(error) = guests::build(root, &ALL_PEERS.map(str::to_owned))
            {
                process::say("build", &format!("readers to compare with are NOT BUILT: {error:#}"));
            }
            if chosen == Selection::All {
                chosen = Selection::FilesOnly;
            }
        }
        match chosen {
            Selection::All if needs == Needs::Targets => drop(guests::build(root, &[])?),
            Selection::Named(names) => drop(guests::build(root, &names)?),
            Selection::All | Selection::FilesOnly => {}
        }
    }
    let Some(program) = build_program(root, program(name, words))? else { return Ok(EXIT_NOT_JUDGED) };
    let mut command = Command::new(program);
    command.arg(name);
    if name == "scan" && words.iter().any(|word| word == "--rebuild") && !asks_for_help {
        let builds = rebuilds(root, words)?;
        command.args(words.iter().filter(|word| *word != "--rebuild")).arg("--rebuilt").args(builds);
    } else {
        command.args(words);
    }
    if name == "bench" && !asks_for_help && !says("--native") && !says("--faults") && !says("--clock") {
        // Without them, `bench` says what is not measured.
        match native::build(root) {
            Ok(folder) => drop(command.arg("--native").arg(folder)),
            Err(error) => process::say("build", &format!("native libFuzzer programs are NOT BUILT: {error:#}")),
        }
    }
    become_program(&mut command)
}

/// Modules that two builds of the one target in two folders gave.
fn rebuilds(root: &Path, words: &[OsString]) -> Result<[PathBuf; 2]> {
    let known: BTreeSet<String> = manifest::guests(root)?.into_iter().map(|guest| guest.name).collect();
    match selection(&known, words) {
        Selection::Named(names) if names.len() == 1 => guests::rebuild(root, &names[0]),
        _ => bail!("--rebuild: name one target with sources; `cargo xtask list` shows them"),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Selection {
    All,
    Named(Vec<String>),
    FilesOnly,
}

/// Which targets the words mean, without knowing the binary's flags: known names are built; a module given by path
/// needs no guest toolchain; with neither, all targets are meant.
fn selection(known: &BTreeSet<String>, words: &[OsString]) -> Selection {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let value = |word: &String| word.rsplit_once('=').map_or_else(|| word.clone(), |(_, value)| value.to_owned());
    let names: BTreeSet<String> = words.iter().map(value).filter(|word| known.contains(word)).collect();
    let is_module = |word: &String| [".wasm", ".wat", ".WASM"].iter().any(|end| word.ends_with(end));
    if !names.is_empty() {
        Selection::Named(names.into_iter().collect())
    } else if words.iter().any(is_module) {
        Selection::FilesOnly
    } else {
        Selection::All
    }
}

/// The harness, as [`build_program`] has it.
pub fn build_harness(root: &Path) -> Result<Option<PathBuf>> {
    build_program(root, Program::Autoclave)
}

/// Builds a binary and says where it is; `None` if it does not compile, which cargo has told by then.
fn build_program(root: &Path, program: Program) -> Result<Option<PathBuf>> {
    let (package, what) = match program {
        Program::Autoclave => (program.package(), "the harness"),
        Program::Audit => (program.package(), "the program that audits"),
    };
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(["build", "--release", "--package", package, "--bin", package]);
    command.arg("--message-format=json-render-diagnostics").stdin(Stdio::null()).stderr(Stdio::inherit());
    let is_there = root.join("target/release").join(package).exists();
    if !is_there {
        process::say("build", &format!("{what} (the first time takes minutes)"));
    }
    if !std::io::stderr().is_terminal() || is_there {
        command.arg("--quiet");
    }
    let output = command.output().context("cannot start cargo")?;
    if !output.status.success() {
        process::say("build", &format!("{what} does not compile"));
        return Ok(None);
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let program = lines.lines().filter_map(executable).next_back();
    Ok(Some(program.context("cargo did not say where it put the binary")?))
}

/// The `executable` of one of cargo's JSON messages.
fn executable(line: &str) -> Option<PathBuf> {
    let (_, rest) = line.split_once(r#""executable":""#)?;
    let mut path = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(path.into()),
            '\\' => path.push(chars.next()?),
            c => path.push(c),
        }
    }
}

/// Replaces this process, so that signals and the exit code are the program's own.
#[cfg(unix)]
pub fn become_program(command: &mut Command) -> Result<u8> {
    use std::os::unix::process::CommandExt;
    let line = process::shown(command);
    Err(command.exec()).with_context(|| format!("cannot start `{line}`"))
}

#[cfg(not(unix))]
pub fn become_program(command: &mut Command) -> Result<u8> {
    let line = process::shown(command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(101))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_before_a_command() {
        let known = BTreeSet::from(["maze".to_owned(), "zlib".to_owned()]);
        let check = |words: &[&str], expected: Selection| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(selection(&known, &words), expected, "{words:?}");
        };
        check(&[], Selection::All);
        check(&["--time", "60s"], Selection::All);
        check(&["zlib", "--time", "60s", "maze"], Selection::Named(vec!["maze".into(), "zlib".into()]));
        check(&["crash-1", "--target=zlib"], Selection::Named(vec!["zlib".into()]));
        check(&["vendor/a.wasm"], Selection::FilesOnly);
        check(&["vendor/a.wasm", "zlib"], Selection::Named(vec!["zlib".into()]));
    }

    #[test]
    fn controls_are_explained_by_the_program_that_has_them() {
        let check = |name: &str, words: &[&str], expected: Program| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(program(name, &words), expected, "{name} {words:?}");
        };
        check("explain", &["SBX-03d"], Program::Audit);
        check("explain", &["fhir-00"], Program::Audit);
        check("explain", &["OPS-99"], Program::Audit);
        check("explain", &["sxb-3d"], Program::Audit);
        check("explain", &[], Program::Autoclave);
        for word in ["OUT-OF-FUEL", "OOM-ABORT", "crash", "constant-time", "19272b722d8d", "D8", "--help", "TRAP-EXIT"]
        {
            check("explain", &[word], Program::Autoclave);
        }
        check("controls", &["--format", "json"], Program::Audit);
        check("fuzz", &["SBX-03d"], Program::Autoclave);
    }

    #[test]
    fn the_binary_is_where_cargo_says() {
        let line = r#"{"reason":"compiler-artifact","executable":"/a \"b\"/autoclave","fresh":true}"#;
        assert_eq!(executable(line), Some(r#"/a "b"/autoclave"#.into()));
        assert_eq!(executable(r#"{"executable":null}"#), None);
    }
}
