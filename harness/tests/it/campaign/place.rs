//! A folder to run the real binary in, and what came of it.

use autoclave_reports::Record;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes that long; a test that waits longer fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// A folder of its own, gone at the end.
pub struct Place {
    folder: tempfile::TempDir,
}

/// A finished command.
pub struct Done {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// A running command, in a process group of its own; killed with all of it if a test gives up.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Place {
    /// An empty folder, as a vendor's.
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.root()).unwrap();
        place
    }

    /// One with these modules in it: name and text.
    pub fn with(modules: &[(&str, &str)]) -> Self {
        let place = Self::new();
        modules.iter().for_each(|(name, text)| place.write(name, text));
        place
    }

    /// A source tree with these targets: name, `target.toml`, module text.
    pub fn tree(targets: &[(&str, &str, &str)]) -> Self {
        let place = Self::new();
        std::fs::create_dir_all(place.path("corpora")).unwrap();
        for (name, manifest, module) in targets {
            place.write(&format!("targets/{name}/target.toml"), manifest);
            if !module.is_empty() {
                place.write(&format!("targets/{name}/module.wat"), module);
            }
        }
        place
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("here")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Runs a command line (words without spaces in them) to its end.
    #[track_caller]
    pub fn run(&self, line: &str) -> Done {
        self.start(line).wait()
    }

    /// Runs it and expects this exit code.
    #[track_caller]
    pub fn expect(&self, code: i32, line: &str) -> Done {
        let done = self.run(line);
        assert_eq!(done.code, Some(code), "autoclave {line}\n{}", done.stderr);
        done
    }

    /// Runs a command that leaves a report behind.
    #[track_caller]
    pub fn report(&self, code: i32, line: &str) -> Record {
        self.expect(code, line);
        self.latest()
    }

    /// The last report.
    #[track_caller]
    pub fn latest(&self) -> Record {
        let bytes = std::fs::read(self.path("reports/runs/latest/report.json")).unwrap();
        Record::from_json(&bytes).unwrap()
    }

    pub fn start(&self, line: &str) -> Running {
        self.start_in("", line)
    }

    /// Starts it in a folder of this place.
    pub fn start_in(&self, folder: &str, line: &str) -> Running {
        let scratch = |name: &str| self.folder.path().join(name);
        let (stdout, stderr) = (scratch("stdout"), scratch("stderr"));
        let child = Command::new(env!("CARGO_BIN_EXE_autoclave"))
            .args(line.split_whitespace())
            .current_dir(self.path(folder))
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        Running { child, stdout, stderr }
    }

    /// Files whose path, from the root on, holds `part`, with their contents.
    pub fn files(&self, part: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.root(), &self.root(), &mut files);
        files.retain(|name, _| name.contains(part));
        files
    }

    /// Processes of ours that work in this folder: id and subcommand.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let root = self.root().canonicalize().unwrap();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(id) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            if std::fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == root) {
                let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let word = words.split(|byte| *byte == 0).nth(1).unwrap_or_default();
                found.push((id, String::from_utf8_lossy(word).into_owned()));
            }
        }
        found
    }

    /// Waits until a condition holds.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// No process is left over in this folder, a moment after the last command.
    #[track_caller]
    pub fn nobody_left(&self) {
        self.wait_until("a process outlived its campaign", || self.processes().is_empty());
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Ok(bytes) = std::fs::read(&path) {
            // A file may be renamed while it is looked at.
            files.insert(path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), bytes);
        }
    }
}

impl Running {
    pub fn id(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap()).into_owned()
    }

    pub fn interrupt(&self) {
        rustix::process::kill_process(self.id(), rustix::process::Signal::INT).unwrap();
    }

    /// Kills the campaign's process alone.
    pub fn kill_parent(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills all of its processes at once.
    pub fn kill_group(mut self) {
        rustix::process::kill_process_group(self.id(), rustix::process::Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }

    #[track_caller]
    pub fn wait(mut self) -> Done {
        let begun = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                let said = self.stderr();
                self.kill_group();
                panic!("does not end:\n{said}");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let stdout = std::fs::read(&self.stdout).unwrap();
        Done { code: status.code(), stdout, stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process_group(self.id(), rustix::process::Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
