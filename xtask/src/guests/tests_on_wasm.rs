//! Tests of wasm-bindgen guests, on wasm32: one binary for each host that they ask for, in upstream's runner.

use super::{BUILD_LIMIT, RUST_TARGET, Site, json, toolchain_line};
use crate::fingerprint::Fingerprint;
use crate::process::{LOG_BYTES_MAX, SMALL_BYTES_MAX, read_text, run, say, state, write_whole};
use crate::setup::{self, Found, Tool};
use anyhow::{Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Oldest Node that runs wasm-bindgen's tests, and the one that is fetched where there is none.
const NODE_MAJOR_MIN: u32 = 20;
const NODE_PACKAGE: &str = "node@22.23.3";

impl Site<'_> {
    /// Runs the guest's tests; a run without tests is an error. What passed is not run again until something changes.
    pub(super) fn test(&self) -> Result<Vec<String>> {
        let rust = self.machine.tool(Tool::RustWasm).map_err(|reason| anyhow!(reason))?;
        let node = self.machine.tool(Tool::Node).map_err(|reason| anyhow!(reason))?;
        let browser = self.machine.tool(Tool::Browser).map_err(|reason| anyhow!(reason))?;
        let driver = self.machine.tool(Tool::Driver).map_err(|reason| anyhow!(reason))?;
        let runner_sources = self.targets().join("bindgen-tools");
        let mut print = Fingerprint::new();
        print.word(self.sources_hash()?.as_bytes());
        print.folder(&runner_sources)?;
        print.word(toolchain_line(&[rust, node, browser, driver]).as_bytes());
        let (passed, log) = (self.log_folder().join("tests-passed"), self.log("tests"));
        if read_text(&passed, SMALL_BYTES_MAX).is_ok_and(|known| known == print.hex()) {
            return Ok(test_results(&read_text(&log, LOG_BYTES_MAX).unwrap_or_default()));
        }
        let runner = self.bindgen_tools()?;
        let mut test = self.guest_cargo(rust);
        test.arg("test");
        if rust.way == "build-std" {
            test.arg("-Zbuild-std=std,panic_abort");
        }
        test.args([
            "--release",
            "--locked",
            "--no-fail-fast",
            "--target",
            RUST_TARGET,
            "--package",
            &self.package()?.0,
            "--manifest-path",
        ]);
        test.arg(self.targets().join("Cargo.toml"));
        // Apart from the guests' folder: tests turn on features that the guests are built without.
        test.arg("--target-dir").arg(state(self.root, &["guests", &format!("{}-tests", rust.way)]));
        test.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
        let ([browser, ..], [driver, ..]) = (browser.programs.as_slice(), driver.programs.as_slice()) else {
            bail!("a browser is a program");
        };
        let capabilities = state(self.root, &["guests", "webdriver.json"]);
        write_whole(&capabilities, webdriver(browser, setup::is_root()).as_bytes())?;
        test.env("CHROMEDRIVER", driver).env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &capabilities);
        // Seconds. Busy machines start a browser slowly.
        test.env("WASM_BINDGEN_TEST_TIMEOUT", "180").env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "60");
        if let Some(folder) = self.recent_node(node)? {
            let rest = std::env::var_os("PATH").unwrap_or_default();
            test.env("PATH", std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&rest)))?);
        }
        run(&mut test, &log, BUILD_LIMIT)?;
        let lines = test_results(&read_text(&log, LOG_BYTES_MAX)?);
        let hosts = fs::read_dir(self.source_folder().join("tests"))?.flatten().filter(|entry| entry.path().is_file());
        let (hosts, passed_in) = (hosts.count(), lines.iter().filter(|line| has_passed(line)).count());
        if passed_in < hosts.max(1) {
            bail!("tests were run in {passed_in} hosts of {hosts}; {}", log.display());
        }
        write_whole(&passed, print.hex().as_bytes())?;
        Ok(lines)
    }

    /// Folder of a Node of our own, from npm, where the machine's is too old: the engine of Node 18, which Debian 12 has,
    /// dies of an internal check in the glue of tests.
    fn recent_node(&self, node: &Found) -> Result<Option<PathBuf>> {
        if node_major(&node.version).is_some_and(|major| major >= NODE_MAJOR_MIN) {
            return Ok(None);
        }
        let [_, npm] = node.programs.as_slice() else { bail!("node comes with npm") };
        let folder = state(self.root, &["tools", "node"]);
        let bin = folder.join("node_modules/node/bin");
        if !bin.join("node").exists() {
            say("test", &format!("{} is too old for wasm-bindgen's tests: getting {NODE_PACKAGE}", node.version));
            fs::create_dir_all(&folder)?;
            let mut install = Command::new(npm);
            install
                .args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"])
                .arg(&folder)
                .arg(NODE_PACKAGE);
            run(&mut install, &self.log("test-node"), BUILD_LIMIT)?;
        }
        Ok(Some(bin))
    }
}

/// What chromedriver is asked for: Chromium without a window, and without a sandbox where it would refuse to start.
fn webdriver(browser: &Path, is_root: bool) -> String {
    let sandbox = if is_root { "\"--no-sandbox\", " } else { "" };
    format!(
        "{{\"goog:chromeOptions\": {{\"binary\": {}, \"args\": [{sandbox}\"--headless\", \"--disable-gpu\", \
         \"--disable-dev-shm-usage\"]}}}}\n",
        json(&browser.to_string_lossy())
    )
}

/// Whether a line says that tests were run, and passed.
fn has_passed(line: &str) -> bool {
    line.starts_with("test result: ok. ") && !line.starts_with("test result: ok. 0 ")
}

/// The lines of a test log that say how a program's tests ended.
fn test_results(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| line.starts_with("test result: ") && !line.contains(" 0 passed; 0 failed"))
        .map(str::to_owned)
        .collect()
}

/// `v18.20.4` is 18.
fn node_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_understood() {
        assert_eq!(["v18.20.4", "v20.1", "18", ""].map(node_major), [Some(18), Some(20), None, None]);
    }

    #[test]
    fn the_sandbox_is_given_up_only_where_it_must_be() {
        let asked = |is_root| webdriver(Path::new("/usr/bin/chro\"mium"), is_root);
        assert!(asked(true).contains("--no-sandbox") && !asked(false).contains("sandbox"));
        assert!(asked(true).starts_with(r#"{"goog:chromeOptions": {"binary": "/usr/bin/chro\"mium", "args": ["#));
    }
}
