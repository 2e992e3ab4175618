//! Starting programs: quiet while all is well, with the log's tail and its path when not; files appear whole.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes of a failed program's log that are shown.
const TAIL_BYTES: u64 = 6_000;
/// Most that a file which people write, or a record of ours, may have: manifests, lock files, lists. Bytes.
pub const SMALL_BYTES_MAX: u64 = 1 << 20;
/// Most that a source may have that is compared with a copy of it. Bytes.
pub const SOURCE_BYTES_MAX: u64 = 16 << 20;
/// Most that is read of a log, or of what a short program prints. A test that prints more hides what it says.
pub const LOG_BYTES_MAX: u64 = 64 << 20;

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

/// Standard output of a short program, or `None` if it cannot be started, fails or does not stop printing.
pub fn output(program: &Path, words: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut bytes = Vec::new();
    let read = child.stdout.take()?.take(SMALL_BYTES_MAX + 1).read_to_end(&mut bytes);
    if read.is_err() || bytes.len() as u64 > SMALL_BYTES_MAX {
        child.kill().ok()?;
    }
    let is_whole = child.wait().ok()?.success() && bytes.len() as u64 <= SMALL_BYTES_MAX;
    is_whole.then(|| String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// A regular file that has at most `bytes_max` bytes: what was written by others may be a device, or never end.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let named = || path.display().to_string();
    // Before it is opened: opening a pipe waits for who writes.
    if !fs::metadata(path).with_context(named)?.is_file() {
        bail!("{}: not a regular file; put one in its place", path.display());
    }
    let mut bytes = Vec::new();
    File::open(path).with_context(named)?.take(bytes_max + 1).read_to_end(&mut bytes).with_context(named)?;
    if bytes.len() as u64 > bytes_max {
        bail!("{}: longer than {bytes_max} bytes, the limit for such a file; make it shorter", path.display());
    }
    Ok(bytes)
}

/// [`read`], as text.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String> {
    String::from_utf8(read(path, bytes_max)?).map_err(|error| {
        anyhow::anyhow!("{}: not UTF-8 from byte {} on", path.display(), error.utf8_error().valid_up_to())
    })
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
    // Whoever writes the log may still be at it.
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
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
    fn files_are_read_whole_or_refused() {
        let folder = scratch("read");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("x");
        let check = |bytes: &[u8], expected: Result<&str, &str>| {
            fs::write(&file, bytes).unwrap();
            match (read_text(&file, 4), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(error), Err(expected)) => {
                    let text = format!("{error:#}");
                    assert!(text.contains(expected) && text.contains("read"), "{text}");
                }
                (found, _) => panic!("{bytes:?}: {found:?}"),
            }
        };
        check(b"", Ok(""));
        check(b"abcd", Ok("abcd"));
        check(b"abcde", Err("longer than 4 bytes"));
        check(b"ab\xff", Err("not UTF-8 from byte 2 on"));
        for (path, expected) in [(folder.clone(), "not a regular file"), (folder.join("y"), "No such file")] {
            assert!(format!("{:#}", read(&path, 4).unwrap_err()).contains(expected), "{}", path.display());
        }
        if Path::new("/dev/zero").exists() {
            assert!(read(Path::new("/dev/zero"), 4).is_err());
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn programs_that_do_not_stop_printing_are_ended() {
        let sh = Path::new("sh");
        assert_eq!(output(sh, &["-c", "echo ' a '"]), Some("a".to_owned()));
        assert_eq!(output(sh, &["-c", "echo a; exit 1"]), None);
        assert_eq!(output(sh, &["-c", "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done"]), None);
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
