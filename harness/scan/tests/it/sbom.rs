//! Bills of materials that are written: other people's validator accepts them, and they fit the module.

use autoclave_reports::Verdict;
use autoclave_scan::{Options, sbom, scan, subject::Subject};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Python with CycloneDX's own library, set up on first use in `target/test-tools`.
fn python() -> Command {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools");
    let folder = tools.join("python-cyclonedx-11.12.0");
    if !folder.exists() {
        std::fs::create_dir_all(&tools).expect("target is writable");
        let unfinished = tools.join(format!("python-cyclonedx.{}", std::process::id()));
        run(Command::new("python3").args(["-m", "venv"]).arg(&unfinished), "apt-get install python3 python3-venv");
        let mut pip = Command::new(unfinished.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        run(pip.arg("cyclonedx-python-lib[json-validation]==11.12.0"), "a network, or a mirror set with `pip config`");
        if std::fs::rename(&unfinished, &folder).is_err() {
            std::fs::remove_dir_all(&unfinished).expect("it is ours");
        }
    }
    Command::new(folder.join("bin/python"))
}

fn run(command: &mut Command, remedy: &str) -> String {
    match command.output() {
        Err(error) => panic!("{command:?}: {error}; remedy: {remedy}"),
        Ok(output) if !output.status.success() => {
            panic!("{command:?}: {}\nremedy: {remedy}", String::from_utf8_lossy(&output.stderr))
        }
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
    }
}

/// Prints what is wrong with a bill of materials, or nothing.
const VALIDATE: &str = "import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
print(error if error else '', end='')";

fn validated(path: &Path) -> String {
    run(python().args(["-c", VALIDATE]).arg(path), "pip install 'cyclonedx-python-lib[json-validation]'")
}

fn sources(folder: &Path) -> PathBuf {
    let module = folder.join("parser.wasm");
    std::fs::write(&module, wat::parse_str("(module)").unwrap()).unwrap();
    std::fs::write(folder.join("Cargo.toml"), "[package]\nname = \"parser\"\nversion = \"0.1.0\"\n").unwrap();
    let lock = include_str!("../../../../Cargo.lock");
    let own = "\n[[package]]\nname = \"parser\"\nversion = \"0.1.0\"\ndependencies = [\"serde_json\", \"semver\"]\n";
    std::fs::write(folder.join("Cargo.lock"), format!("{lock}{own}")).unwrap();
    module
}

#[test]
fn what_is_written_is_valid_and_fits() {
    let folder = tempfile::tempdir().unwrap();
    let module = sources(folder.path());
    let mut options = Options::new("2026-11-22".parse().unwrap());
    options.source = Some(folder.path().to_owned());
    let subject = Subject::open(&module, &options).unwrap();
    let bill = sbom::write(&subject).unwrap();
    assert_eq!(bill, sbom::write(&subject).unwrap());
    // Only what the parser is built with.
    assert!(bill.contains("pkg:cargo/serde_json@") && !bill.contains("wasmtime"), "{bill}");
    let path = folder.path().join("parser.cdx.json");
    std::fs::write(&path, &bill).unwrap();
    assert_eq!(validated(&path), "");
    let answer = || scan(&module, &options).unwrap().row("SBX-04d").unwrap().verdict.clone();
    assert_eq!(answer(), Verdict::Pass);
    // The validator is no yes-man, and neither are we.
    std::fs::write(&path, bill.replace("\"type\": \"library\"", "\"type\": \"liberry\"")).unwrap();
    assert!(validated(&path).contains("liberry"));
    std::fs::write(&path, bill.replace(&subject.sha256().to_string(), &"0".repeat(64)).replace("SHA-384", "SHA-1"))
        .unwrap();
    assert_eq!(answer().name(), "FAIL");
    std::fs::write(&path, "{\"spdxVersion\": \"SPDX-2.3\"}").unwrap();
    assert!(answer().reason().contains("SPDX is not read"), "{:?}", answer());
    std::fs::remove_file(&path).unwrap();
    assert_eq!(answer().name(), "WARN");
}
