//! Starting programs: quiet while all is well, with the log's tail and its path when not; files appear whole.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes of a failed program's log that are shown.
const TAIL_BYTES: u64 = 6_000;

/// The workspace's folder.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_owned)
}

/// Where everything that can be made again is kept, `parts` below it.
pub fn state(root: &Path, parts: &[&str]) -> PathBuf {
    let mut path = root.join(".autoclave");
    path.extend(parts);
    path
}

/// Says what is being done, on standard error.
pub fn say(topic: &str, text: &str) {
    eprintln!("{topic}: {text}");
}

/// How a program is printed for a person to type.
pub fn shown(command: &Command) -> String {
    let word = |word: &std::ffi::OsStr| {
        let text = word.to_string_lossy();
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=,:@+%".contains(c));
        if plain && !text.is_empty() { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
    };
    let variables = command.get_envs().filter_map(|(name, value)| Some(format!("{}={}", word(name), word(value?))));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(word);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

/// Runs a program with its output in `log`; an error carries the log's tail.
pub fn run(command: &mut Command, log: &Path, limit: Duration) -> Result<()> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let file = File::create(log).with_context(|| log.display().to_string())?;
    let line = shown(command);
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let mut child = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("`{line}` did not finish within {} s; its output is in {}", limit.as_secs(), log.display());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    };
    if !status.success() {
        bail!("`{line}` failed ({status}); {}:\n{}", log.display(), tail(log)?);
    }
    Ok(())
}

/// Standard output of a short program, or `None` if it cannot be started or fails.
pub fn output(program: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first of `names` on the search path.
pub fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names
        .iter()
        .find_map(|name| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// Writes a file so that it is there whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let name = path.file_name().context("a file has a name")?.to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}", std::process::id()));
    fs::write(&temporary, bytes).with_context(|| temporary.display().to_string())?;
    fs::rename(&temporary, path).with_context(|| path.display().to_string())
}

fn tail(log: &Path) -> Result<String> {
    let mut file = File::open(log)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("autoclave-xtask-{}-{name}", std::process::id()))
    }

    #[test]
    fn failures_show_the_end_of_the_log() {
        let log = scratch("fail.log");
        let error = run(Command::new("sh").args(["-c", "echo why it failed; exit 3"]), &log, Duration::from_secs(60));
        let text = error.unwrap_err().to_string();
        fs::remove_file(&log).unwrap();
        assert!(text.contains("why it failed") && text.contains("fail.log"), "{text}");
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let log = scratch("hang.log");
        let error = run(Command::new("sleep").arg("600"), &log, Duration::from_millis(50));
        fs::remove_file(&log).unwrap();
        assert!(error.unwrap_err().to_string().contains("did not finish"));
    }

    #[test]
    fn printed_commands_can_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.env("A", "b c").args(["build", "it's"]);
        assert_eq!(shown(&command), r"A='b c' /usr/bin/cargo build 'it'\''s'");
    }

    #[test]
    fn files_replace_their_older_selves() {
        let file = scratch("folder").join("x");
        write_whole(&file, b"old").unwrap();
        write_whole(&file, b"new").unwrap();
        let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
        assert_eq!((fs::read(&file).unwrap().as_slice(), left.len()), (b"new".as_slice(), 1));
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }
}
