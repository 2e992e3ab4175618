//! Independent programs that judge our files. Set up on first use in `target/test-tools`; where that is not possible the
//! test fails and says what to install. A check that was not made is never a pass.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

/// Python with the packages that judge envelopes, statements and JSON Schema, and read YAML.
pub fn python() -> Command {
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
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools");
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
