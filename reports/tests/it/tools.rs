//! Independent programs that judge our files. Set up on first use in `target/test-tools`; where that is not possible the
//! test fails and says what to install. A check that was not made is never a pass. The tests of `autoclave-audit` and
//! `autoclave-certificate` have this file, too.

// Each of them uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

/// Python with the packages that judge envelopes, statements and JSON Schema, and read YAML.
pub fn python_of_signatures() -> Command {
    let packages = [
        "securesystemslib==1.6.0",
        "cryptography==50.0.2",
        "in-toto-attestation==0.9.3",
        "protobuf==7.36.2",
        "jsonschema==4.26.0",
        "PyYAML==6.0.3",
    ];
    let folder = set_up("python-securesystemslib-1.6.0-in-toto-attestation-0.9.3-yaml-6.0.3", |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder), "apt-get install python3 python3-venv");
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
        run(&mut pip, "a network, or a mirror set with `pip config`");
    });
    Command::new(folder.join("bin/python"))
}

/// Node in a folder with Sigstore's own verifier.
pub fn sigstore(script: &Path) -> Command {
    let folder = set_up("npm-sigstore-verify-4.1.3-bundle-5.0.1", |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]).arg(folder);
        run(
            npm.args(["@sigstore/verify@4.1.3", "@sigstore/bundle@5.0.1"]),
            "apt-get install nodejs npm; Node 20.17 or newer",
        );
    });
    let mut node = Command::new("node");
    // Modules are looked for from the script on: CommonJS, and the search path beside it.
    node.env("NODE_PATH", folder.join("node_modules")).arg(script);
    node
}

/// OpenSSL, 3.0 or newer.
pub fn openssl(words: &[&str]) -> Command {
    let mut openssl = Command::new("openssl");
    openssl.args(words);
    openssl
}

/// Python with the packages that judge HTML, JUnit XML and JSON Schema.
pub fn python() -> PathBuf {
    let folder = set_up("python-junitparser-5.0.3-jsonschema-4.26.0-html5lib-1.1", |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder), "apt-get install python3 python3-venv");
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        run(
            pip.args(["junitparser==5.0.3", "jsonschema==4.26.0", "html5lib==1.1"]),
            "a network, or a mirror set with `pip config`",
        );
    });
    folder.join("bin/python")
}

/// Python with compliance-trestle, which reads OSCAL.
pub fn trestle() -> PathBuf {
    let folder = set_up("python-compliance-trestle-5.2.0", |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder), "apt-get install python3 python3-venv");
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "compliance-trestle==5.2.0"]);
        run(&mut pip, "a network, or a mirror set with `pip config`");
    });
    folder.join("bin/python")
}

/// The schema of CTRF, out of its own package.
pub fn ctrf_schema() -> PathBuf {
    let folder = set_up("npm-ctrf-0.3.0", |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(folder);
        run(npm.arg("ctrf@0.3.0"), "apt-get install nodejs npm");
    });
    folder.join("node_modules/ctrf/dist/ctrf-schema-0.0.json")
}

/// Microsoft's SARIF validator.
pub fn sarif_multitool() -> Command {
    let folder = set_up("npm-sarif-multitool-5.7.0", |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(folder);
        run(npm.arg("@microsoft/sarif-multitool@5.7.0"), "apt-get install nodejs npm");
    });
    let mut node = Command::new("node");
    node.arg(folder.join("node_modules/@microsoft/sarif-multitool/bin.js"));
    node
}

/// AFL++'s status script: the one on the PATH, else Debian's, unpacked.
pub fn afl_whatsup() -> PathBuf {
    if let Some(installed) = on_path("afl-whatsup") {
        return installed;
    }
    let folder = set_up("debian-afl++", |folder| {
        let remedy = "apt-get update && apt-get install afl++";
        std::fs::create_dir_all(folder).expect("target is writable");
        run(Command::new("apt-get").args(["download", "afl++"]).current_dir(folder), remedy);
        let package =
            std::fs::read_dir(folder).expect("it was just made").find_map(Result::ok).expect("apt-get wrote a file");
        run(Command::new("dpkg").arg("-x").arg(package.path()).arg(folder), remedy);
    });
    folder.join("usr/bin/afl-whatsup")
}

/// A Chromium that runs without a screen.
pub fn chromium() -> Command {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let found = std::env::var_os("CHROMIUM").map(PathBuf::from).or_else(|| names.iter().find_map(|name| on_path(name)));
    let program = found.expect("no Chromium found: apt-get install chromium, or set CHROMIUM to its path");
    let mut command = Command::new(program);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
    command
}

/// Runs `command`; a failure shows its output and what would help.
pub fn run(command: &mut Command, remedy: &str) -> Output {
    match command.output() {
        Err(error) => panic!("{command:?}: {error}; remedy: {remedy}"),
        Ok(output) if !output.status.success() => panic!(
            "{command:?}: {}\n{}{}\nremedy: {remedy}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Ok(output) => output,
    }
}

/// The folder `name`, made by `install` if it is not there. It appears whole: an interrupted set-up leaves nothing.
fn set_up(name: &str, install: impl FnOnce(&Path)) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let workspace = folders.find(|folder| folder.join("Cargo.lock").is_file()).expect("a workspace has a lock file");
    let tools = workspace.join("target/test-tools");
    let folder = tools.join(name);
    if !folder.exists() {
        std::fs::create_dir_all(&tools).expect("target is writable");
        let unfinished = tools.join(format!("{name}.{}", std::process::id()));
        install(&unfinished);
        // Another process may have been faster; its folder is as good.
        if std::fs::rename(&unfinished, &folder).is_err() {
            std::fs::remove_dir_all(&unfinished).expect("it is ours");
        }
    }
    folder
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
