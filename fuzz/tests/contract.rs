//! The contract binary, driven as ClusterFuzz and people drive libFuzzer: flags in, messages, exit codes and files out.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// `tests/fixtures/planted.c`, built as its head says.
const PLANTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/planted.wasm");
/// What its entry `magic` dies of.
const MAGIC: &[u8] = b"MSH?\x5e\x7e\x5c\x7c";
/// Far more runs than the search takes.
const RUNS_MAX: u32 = 2_000_000;

/// The contract binary, built by the first test that asks: the rest of the workspace's tests need no C++ compiler.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let beside = Path::new(env!("CARGO_BIN_EXE_fhir_native")).parent().expect("binaries lie in a folder");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package=autoclave-fuzz", "--bin=module", "--features=libfuzzer"]);
        cargo.arg(format!("--manifest-path={}", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")));
        cargo.env("CARGO_TARGET_DIR", beside.parent().expect("a profile's folder lies in the target folder"));
        if beside.ends_with("release") {
            cargo.arg("--release");
        }
        let output = cargo.output().expect("cargo starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "the contract binary was not built. libFuzzer needs a C++ compiler: apt-get install g++\n{errors}"
        );
        beside.join("module")
    })
}

/// What one run of the program did.
struct Run {
    code: Option<i32>,
    text: String,
}

impl Run {
    #[track_caller]
    fn says(&self, words: &str) -> &Self {
        assert!(self.text.contains(words), "{words:?} is not in\n{}", self.text);
        self
    }

    #[track_caller]
    fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.text);
        self
    }
}

fn run_as(program: &Path, at: &TempDir, environment: &[(&str, &str)], words: &[&str]) -> Run {
    let mut command = Command::new(program);
    command.args(words).current_dir(at.path()).env_remove("AUTOCLAVE_MODULE").env_remove("AUTOCLAVE_ENTRY");
    let output = command.envs(environment.iter().copied()).output().expect("the program starts");
    Run { code: output.status.code(), text: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// Runs the program on one entry of the fixture.
fn run(at: &TempDir, entry: &str, words: &[&str]) -> Run {
    run_as(program(), at, &[("AUTOCLAVE_MODULE", PLANTED), ("AUTOCLAVE_ENTRY", entry)], words)
}

/// A folder for one test, holding these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder of its own")).expect("a folder is made");
        std::fs::write(path, bytes).expect("a file is written");
    }
    folder
}

/// Names of the files of a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The one artifact of that kind in a folder.
#[track_caller]
fn artifact(folder: &Path, kind: &str) -> Vec<u8> {
    let names = names(folder);
    let [name] = &names.iter().filter(|name| name.starts_with(kind)).collect::<Vec<_>>()[..] else {
        panic!("no single {kind}… among {names:?}")
    };
    let hash = &name[kind.len()..];
    assert!(hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    std::fs::read(folder.join(name)).expect("a readable artifact")
}

#[test]
fn finds_what_hides_behind_compares_from_nothing() {
    let at = folder(&[]);
    let found = run(&at, "magic", &["-seed=1", &format!("-runs={RUNS_MAX}")]);
    found
        .exits(77)
        .says("INFO: Loaded 1 modules")
        .says("inline 8-bit counters")
        .says("ERROR: libFuzzer: deadly signal");
    let input = artifact(at.path(), "crash-");
    assert!(input.starts_with(b"MSH") && input[4..8] == MAGIC[4..], "{input:?}");
}

#[test]
fn every_death_has_its_message_code_frames_and_artifact() {
    let cases: [(&str, &[u8], i32, &str, &str, &[&str]); 4] = [
        (
            "magic",
            MAGIC,
            77,
            "ERROR: libFuzzer: deadly signal",
            "crash-",
            &[
                "    #0 0x000000010000 in crash.TRAP-UNREACHABLE /src/autoclave/targets/planted/planted.c:10:5\n",
                " in give_up /src/autoclave/targets/planted/planted.c:10:5\n    #2 0x",
                " in magic /src/autoclave/targets/planted/planted.c:19:5\n",
            ],
        ),
        (
            "beyond",
            b"BAD",
            77,
            "ERROR: libFuzzer: deadly signal",
            "crash-",
            &[
                "    #0 0x000000010000 in crash.TRAP-MEMORY-OUT-OF-BOUNDS /src/autoclave/targets/planted/planted.c:41:",
                " in beyond /src/autoclave/targets/planted/planted.c:41:",
            ],
        ),
        (
            "spin",
            b"LOOP",
            70,
            "ERROR: libFuzzer: timeout after ",
            "timeout-",
            &["    #0 0x000000010000 in crash.DEADLINE ", "    #1 0x", " in spin "],
        ),
        (
            "hoard",
            b"OOM",
            71,
            "ERROR: libFuzzer: out-of-memory",
            "oom-",
            &["    #0 0x000000010000 in crash.OOM-ABORT /src/autoclave/targets/planted/planted.c:35:", " in hoard "],
        ),
    ];
    for (entry, input, code, message, kind, frames) in cases {
        let at = folder(&[("input", input), ("corpus/input", input), ("harmless", b"hello"), ("found/.keep", b"")]);
        // As a file: it runs, and nothing is written.
        let replayed = run(&at, entry, &["-timeout=1", "harmless", "input"]);
        replayed.exits(code).says("Running: harmless").says("Running: input").says(message);
        // In a corpus: the artifact goes where the flag says.
        let fuzzed =
            run(&at, entry, &["-timeout=1", "-runs=1000", "-artifact_prefix=found/", "-print_final_stats=1", "corpus"]);
        fuzzed.exits(code).says(message).says("Test unit written to found/").says("stat::number_of_executed_units:");
        for frame in frames {
            replayed.says(frame);
            fuzzed.says(frame);
        }
        assert_eq!(artifact(&at.path().join("found"), kind), input, "{entry}");
        assert_eq!(names(at.path()), ["corpus", "found", "harmless", "input"], "{entry}: nothing lands elsewhere");
    }
}

#[test]
fn harmless_files_are_replayed_and_runs_end_with_statistics() {
    let at = folder(&[("a", b"hello"), ("b", b"")]);
    run(&at, "magic", &["a", "b"]).exits(0).says("Running: a").says("Running: b").says("Executed b in ");
    let statistics = run(&at, "beyond", &["-runs=100", "-max_len=2", "-print_final_stats=1"]);
    statistics.exits(0).says("Done 100 runs").says("stat::number_of_executed_units: 100\n");
}

#[test]
fn merge_keeps_what_adds_coverage() {
    let at =
        folder(&[("out/.keep", b""), ("in/deep", b"MSH?wrong"), ("in/same", b"MSH?other"), ("in/none", b"nothing")]);
    std::fs::remove_file(at.path().join("out/.keep")).expect("the folder is made, its file is not needed");
    run(&at, "magic", &["-merge=1", "out", "in"]).exits(0).says("MERGE-OUTER: ");
    let kept = names(&at.path().join("out"));
    let contents: Vec<Vec<u8>> =
        kept.iter().map(|name| std::fs::read(at.path().join("out").join(name)).expect("a readable unit")).collect();
    assert_eq!(contents.len(), 2, "{kept:?}");
    assert!(contents.iter().any(|unit| unit.starts_with(b"MSH?")) && contents.contains(&b"nothing".to_vec()));
}

#[test]
fn a_crash_is_minimised() {
    let long = [MAGIC, b" and much more than is needed"].concat();
    let at = folder(&[("long", &long)]);
    let words = ["-minimize_crash=1", "-runs=20000", "-seed=1", "-exact_artifact_path=small", "long"];
    run(&at, "magic", &words).exits(0).says("CRASH_MIN: ");
    let small = std::fs::read(at.path().join("small")).expect("the smallest crash");
    assert!(small.len() < long.len(), "{small:?}");
    run(&at, "magic", &["small"]).exits(77).says("crash.TRAP-UNREACHABLE");
}

#[test]
fn a_crash_in_a_forked_worker_ends_the_run() {
    let at = folder(&[("corpus/input", b"BA")]);
    run(&at, "beyond", &["-fork=1", "-seed=1", &format!("-runs={RUNS_MAX}"), "corpus"]).exits(77);
    assert!(artifact(at.path(), "crash-").starts_with(b"B"));
}

#[test]
fn a_copy_beside_a_module_fuzzes_that_module() {
    let at = folder(&[]);
    let copy = at.path().join("x");
    std::fs::copy(program(), &copy).expect("a copy of the program");
    let alone = run_as(&copy, &at, &[], &["-runs=10"]);
    alone.exits(1).says("x.wasm is missing: set AUTOCLAVE_MODULE");
    std::fs::copy(PLANTED, at.path().join("x.wasm")).expect("a copy of the module");
    run_as(&copy, &at, &[], &["-runs=10"]).exits(0).says("Done 10 runs");
    let wrong = run_as(&copy, &at, &[("AUTOCLAVE_ENTRY", "none")], &["-runs=10"]);
    wrong.exits(1).says("set AUTOCLAVE_ENTRY to one of magic, spin, hoard, beyond");
}
