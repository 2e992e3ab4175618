//! `cargo xtask bombs list|make`: the table of hostile inputs, and one of them as a file. Nothing is expanded.

use autoclave_generators::{
    Expanded, FAMILIES, Family, GeneratorError, Made, Param, Params, Range, family, parse_number,
};
use clap::{Args, Parser};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Wrong usage, or a file that cannot be written.
const EXIT_USAGE: u8 = 2;

/// Hostile inputs from parameters: decompression bombs, floods, nesting, lies about lengths
#[derive(Parser)]
#[command(bin_name = "cargo xtask bombs", max_term_width = 110, disable_help_subcommand = true)]
enum Command {
    /// List families with parameters, defaults and published source; with a name, all about that one
    List(List),
    /// Write one input to a file, and say what it expands to
    Make(Make),
}

#[derive(Args)]
struct List {
    /// Only this family, with the range and the unit of each parameter
    family: Option<String>,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Make {
    /// A family by name; `cargo xtask bombs list` names all
    family: String,
    /// A parameter of the family; numbers may have suffixes (64k, 8MiB) or be powers (2^41)
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Choose the family's scale parameter so that the file has about this size
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    size: Option<u64>,
    /// Where to write it; `-` is standard output [default: .autoclave/bombs/FAMILY.EXTENSION]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Largest file to write, bytes
    #[arg(long, value_name = "BYTES", value_parser = bytes, default_value = "64MiB")]
    max_bytes: u64,
    /// What was written as JSON on standard output
    #[arg(long)]
    json: bool,
}

fn bytes(text: &str) -> Result<u64, String> {
    parse_number(text).ok_or_else(|| "not a number of bytes such as 64k, 8MiB or 2^30".to_owned())
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    #[error("{family}: the file would have more than {bytes_max} bytes; --max-bytes allows more")]
    TooLarge { family: &'static str, bytes_max: u64 },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("--json and `--output -` both want standard output; leave one of them out")]
    OneOutput,
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::List(words) => list(&words),
        Command::Make(words) => make(&words),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the list has seen enough of it.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn list(words: &List) -> Result<(), Failure> {
    let chosen: Vec<&'static Family> = match &words.family {
        Some(name) => vec![family(name)?],
        None => FAMILIES.iter().collect(),
    };
    let text = if words.json {
        let all: Vec<Value> = chosen.iter().map(|family| described(family)).collect();
        format!("{}\n", serde_json::to_string_pretty(&all).unwrap_or_default())
    } else if words.family.is_some() {
        chosen.iter().map(|family| details(family)).collect()
    } else {
        table(&chosen)
    };
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

fn table(families: &[&'static Family]) -> String {
    let rows: Vec<[String; 4]> = families
        .iter()
        .map(|family| {
            let params: Vec<String> =
                family.params().map(|param| format!("{}={}", param.name, param.default())).collect();
            [family.name, family.kind.name(), &params.join(" "), family.source].map(str::to_owned)
        })
        .collect();
    let heads = ["FAMILY", "KIND", "PARAMETERS", "SOURCE"].map(str::to_owned);
    let width = |column: usize| {
        std::iter::once(&heads).chain(&rows).map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [name, kind, params, source] in std::iter::once(&heads).chain(&rows) {
        let [a, b, c] = widths;
        let _ = writeln!(text, "{name:a$}  {kind:b$}  {params:c$}  {source}");
    }
    text
}

fn details(family: &Family) -> String {
    let mut text =
        format!("{} ({})\n  {}.\n  Source: {}\n", family.name, family.kind.name(), family.about, family.source);
    for param in family.params() {
        let range = match param.range {
            Range::Number { min, max, unit, .. } => format!("{min} to {max} {unit}"),
            Range::Choice { of, .. } => of.join(", "),
        };
        let scale = if family.scale == Some(param.name) { ", to which the size is proportional" } else { "" };
        let _ = writeln!(text, "  {}={}  {} ({range}{scale})", param.name, param.default(), param.about);
    }
    text
}

fn described(family: &Family) -> Value {
    let param = |param: &Param| match param.range {
        Range::Number { default, min, max, unit } => json!({
            "name": param.name, "about": param.about, "default": default, "min": min, "max": max, "unit": unit,
        }),
        Range::Choice { default, of } => json!({
            "name": param.name, "about": param.about, "default": default, "of": of,
        }),
    };
    json!({
        "name": family.name, "kind": family.kind.name(), "about": family.about, "source": family.source,
        "scale": family.scale, "params": family.params().map(param).collect::<Vec<_>>(),
    })
}

fn make(words: &Make) -> Result<(), Failure> {
    let family = family(&words.family)?;
    let mut params = family.parse(&words.params)?;
    if let Some(bytes) = words.size {
        params = family.sized(&params, bytes)?;
    }
    if words.output.as_deref() == Some(Path::new("-")) {
        if words.json {
            return Err(Failure::OneOutput);
        }
        let (made, sha256) = write(&params, io::stdout().lock(), words.max_bytes, Failure::Output)?;
        eprint!("{}", summary(&params, &made, &sha256, None));
        return Ok(());
    }
    // The extension follows from the wrapping, which the parameters know before anything is made.
    let kind = params.wrap().kind().unwrap_or(family.kind);
    let path =
        words.output.clone().unwrap_or_else(|| default_folder().join(format!("{}.{}", family.name, kind.extension())));
    let failed = |source: io::Error| Failure::File { path: path.clone(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = temporary(folder).map_err(failed)?;
    let (made, sha256) = write(&params, file.as_file_mut(), words.max_bytes, failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    eprint!("{}", summary(&params, &made, &sha256, Some(&path)));
    if words.json {
        println!("{}", record(&params, &made, &sha256, &path));
    } else {
        println!("{}", path.display());
    }
    Ok(())
}

/// Beside its place, so that it can be renamed; readable as any other file.
fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(".bomb-").tempfile_in(folder)
}

fn default_folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map_or_else(PathBuf::new, Path::to_owned);
    root.join(".autoclave/bombs")
}

/// Streams the input to where it goes; what is written and its hash.
fn write(
    params: &Params,
    out: impl Write,
    bytes_max: u64,
    failed: impl FnOnce(io::Error) -> Failure,
) -> Result<(Made, String), Failure> {
    let mut out = Hashed { out: BufWriter::new(out), hash: Sha256::new(), left: bytes_max, is_full: false };
    let result = params.family().make(params, &mut out).and_then(|made| out.flush().map(|()| made).map_err(Into::into));
    match result {
        Ok(made) => Ok((made, out.hash.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")))),
        Err(_) if out.is_full => Err(Failure::TooLarge { family: params.family().name, bytes_max }),
        Err(GeneratorError::Io(error)) => Err(failed(error)),
        Err(error) => Err(error.into()),
    }
}

/// Hashes what passes, and lets no more pass than it may.
struct Hashed<W: Write> {
    out: BufWriter<W>,
    hash: Sha256,
    left: u64,
    is_full: bool,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.out.write_all(bytes)?;
        self.hash.update(bytes);
        self.left = left;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The command line that makes the same bytes again.
fn again(params: &Params, path: Option<&Path>) -> String {
    let mut line = format!("cargo xtask bombs make {}", params.family().name);
    for word in params.words() {
        let _ = write!(line, " --param {word}");
    }
    line + " --output " + &path.map_or_else(|| "-".to_owned(), |path| quoted(&path.display().to_string()))
}

/// As a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=+,:".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn summary(params: &Params, made: &Made, sha256: &str, path: Option<&Path>) -> String {
    let place = path.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    let mut text = format!("{}: {} bytes of {} to {place}\n", params.family().name, made.bytes, made.kind.name());
    let _ = writeln!(text, "sha-256     {sha256}");
    let expanded = match made.expanded {
        Expanded::Exact(bytes) if bytes == u128::from(made.bytes) => "itself: nothing in it is compressed".to_owned(),
        Expanded::Exact(bytes) => {
            let times = bytes as f64 / made.bytes.max(1) as f64;
            format!("{bytes} bytes ({}), {times:.1} times the input", scaled(bytes))
        }
        Expanded::Beyond => "more than 2^128 bytes".to_owned(),
        Expanded::Endless => "itself, for ever".to_owned(),
    };
    let _ = writeln!(text, "expands to  {expanded}");
    if let Some(declared) = made.declared {
        let _ = writeln!(text, "declares    {declared} ({}), which is not true", scaled(declared));
    }
    let _ = writeln!(text, "again       {}", again(params, path));
    text
}

/// In powers of 1024.
fn scaled(bytes: u128) -> String {
    const UNITS: &[&str] = &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
    let step = (bytes.max(1).ilog2() as usize / 10).min(UNITS.len() - 1);
    format!("{:.1} {}", bytes as f64 / 1024f64.powi(step as i32), UNITS[step])
}

fn record(params: &Params, made: &Made, sha256: &str, path: &Path) -> Value {
    let expanded = match made.expanded {
        // JSON readers lose digits of large numbers.
        Expanded::Exact(bytes) => json!(bytes.to_string()),
        Expanded::Beyond => json!("more than 2^128"),
        Expanded::Endless => json!("endless"),
    };
    json!({
        "family": params.family().name, "kind": made.kind.name(), "bytes": made.bytes, "sha256": sha256,
        "expanded_bytes": expanded, "declared": made.declared.map(|declared| declared.to_string()),
        "params": params.words().collect::<Vec<_>>(), "file": path.display().to_string(), "again": again(params, Some(path)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn flags_are_consistent() {
        Command::command().debug_assert();
    }

    #[test]
    fn what_is_written_never_exceeds_the_cap() {
        let family = family("json-long-string").unwrap();
        let params = family.parse(&["chars=1000"]).unwrap();
        let mut out = Vec::new();
        assert!(write(&params, &mut out, 1002, Failure::Output).is_ok());
        assert_eq!(out.len(), 1002);
        out.clear();
        let error = write(&params, &mut out, 1001, Failure::Output).unwrap_err().to_string();
        assert!(error.contains("--max-bytes") && error.contains("1001"), "{error}");
        assert!(out.len() <= 1001);
    }

    #[test]
    fn the_command_line_makes_the_same_again() {
        let params = family("gzip-nested").unwrap().parse(&["layers=2", "expanded=1MiB"]).unwrap();
        let line = again(&params, Some(Path::new("a b/c.gz")));
        assert_eq!(
            line,
            "cargo xtask bombs make gzip-nested --param expanded=1048576 --param layers=2 --param pattern=zeros \
             --output 'a b/c.gz'"
        );
        let words: Vec<&str> = line.split(" --").skip(1).filter_map(|word| word.strip_prefix("param ")).collect();
        let again = params.family().parse(&words).unwrap();
        assert_eq!(params.words().collect::<Vec<_>>(), again.words().collect::<Vec<_>>());
    }

    #[test]
    fn sizes_as_people_read_them() {
        for (bytes, shown) in
            [(0, "0.0 B"), (1023, "1023.0 B"), (1 << 30, "1.0 GiB"), (u128::MAX, "281474976710656.0 YiB")]
        {
            assert_eq!(scaled(bytes), shown);
        }
    }
}
