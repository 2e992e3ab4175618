//! The folder of one run: report files and artifacts, with `latest` beside it.

use super::home::{Home, write_whole};
use anyhow::Context;
use autoclave_reports::Record;
use std::path::{Path, PathBuf};

/// One run's folder.
#[derive(Debug)]
pub struct RunFolder {
    /// The folder.
    pub path: PathBuf,
}

impl RunFolder {
    /// `--out`, or `reports/runs/<utc>-<command>`.
    pub fn create(
        home: &Home,
        out: Option<&Path>,
        command: &str,
        started: std::time::SystemTime,
    ) -> anyhow::Result<Self> {
        let path = match out {
            Some(path) => path.to_owned(),
            None => free_name(&home.runs(), &format!("{}-{command}", compact_utc(started))),
        };
        std::fs::create_dir_all(&path).with_context(|| format!("{}: could not be made", path.display()))?;
        Ok(Self { path })
    }

    /// Writes every rendering of the record; `latest` then points here.
    pub fn write(&self, home: &Home, record: &Record) -> anyhow::Result<()> {
        for file in autoclave_reports::formats::render_all(record) {
            write_whole(&self.path.join(&file.path), &file.bytes)?;
        }
        if self.path.parent() == Some(&home.runs())
            && let Some(name) = self.path.file_name()
        {
            point_latest(&home.runs(), name);
        }
        Ok(())
    }
}

fn free_name(folder: &Path, name: &str) -> PathBuf {
    let first = folder.join(name);
    if !first.exists() {
        return first;
    }
    (2..).map(|number| folder.join(format!("{name}-{number}"))).find(|path| !path.exists()).unwrap_or(first)
}

/// A symbolic link where the system has them; its absence is no reason to fail a run.
fn point_latest(runs: &Path, name: &std::ffi::OsStr) {
    let temporary = runs.join(format!(".latest-{}", std::process::id()));
    let _ = std::fs::remove_file(&temporary);
    #[cfg(unix)]
    if std::os::unix::fs::symlink(name, &temporary).is_ok() {
        let _ = std::fs::rename(&temporary, runs.join("latest"));
    }
}

/// `20261121T220501Z`.
fn compact_utc(time: std::time::SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.replace(['-', ':'], "")
}
