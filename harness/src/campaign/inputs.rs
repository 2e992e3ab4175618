//! What a run starts from: committed seeds and dictionaries.

use super::home::{Home, UnitHome};
use crate::corpus;
use crate::error::HarnessError;
use crate::limits::Limits;
use crate::target::Target;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest input that is fuzzed unless `--max-len` says otherwise, bytes: long inputs find little and cost much.
pub const FUZZ_BYTES_MAX: u32 = 16 << 10;
/// Longest dictionary that is read, bytes.
const DICTIONARY_BYTES_MAX: u64 = 4 << 20;

/// Seeds of a format.
pub fn seeds(home: &Home, format: Option<&str>, limits: &Limits) -> Result<Vec<Vec<u8>>, HarnessError> {
    match format {
        Some(format) => corpus::load_seeds(&home.corpora(format).join("seeds"), u64::from(limits.input_bytes_max)),
        None => Ok(Vec::new()),
    }
}

/// Inputs of a unit that show what coverage does not see.
pub fn pinned(unit: &UnitHome, input_bytes_max: u64) -> Result<Vec<Vec<u8>>, HarnessError> {
    match unit.pinned().is_dir() {
        true => corpus::Store::open(&unit.pinned(), input_bytes_max)?.import(),
        false => Ok(Vec::new()),
    }
}

/// Tokens that people wrote for a format.
pub fn dictionary_of(home: &Home, format: &str) -> Result<Vec<Vec<u8>>, HarnessError> {
    let file = home.corpora(format).join(format!("{format}.dict"));
    if file.is_file() { read(&file) } else { Ok(Vec::new()) }
}

/// Tokens that people wrote: of the format, of the manifest, of the command line.
pub fn dictionary(home: &Home, target: &Target, more: &[PathBuf]) -> Result<Vec<Vec<u8>>, HarnessError> {
    let mut tokens = Vec::new();
    if let Some(format) = &target.manifest.format {
        tokens.extend(dictionary_of(home, format)?);
    }
    let manifest = target.folder.clone().unwrap_or_default().join(crate::target::MANIFEST_FILE);
    for (number, line) in target.manifest.dictionary.iter().enumerate() {
        let token = unescape(line).ok_or_else(|| HarnessError::Manifest {
            path: manifest.clone(),
            message: format!("dictionary[{number}]: escapes are \\\\, \\\" and \\xNN"),
        })?;
        tokens.push(token);
    }
    for file in more {
        tokens.extend(read(file)?);
    }
    tokens.sort();
    tokens.dedup();
    Ok(tokens)
}

/// A file that a user named: regular, and no longer than `bytes_max`.
pub fn read_whole(file: &Path, bytes_max: u64) -> Result<Vec<u8>, HarnessError> {
    let fail = |error| HarnessError::io(file, error);
    let wrong = |message: String| fail(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
    if !file.metadata().map_err(fail)?.is_file() {
        return Err(wrong("not a regular file".into()));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(fail)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > bytes_max {
        return Err(wrong(format!("longer than {bytes_max} bytes, which is the limit for such a file")));
    }
    Ok(bytes)
}

/// Whether these dictionaries can be read: asked before a run, so that a wrong word ends it at once.
pub fn check(files: &[PathBuf]) -> Result<(), HarnessError> {
    files.iter().try_for_each(|file| read(file).map(drop))
}

/// A dictionary in the syntax of AFL and libFuzzer: `name="token"`, `name@level="token"` or `"token"` per line, `#` comments.
fn read(file: &Path) -> Result<Vec<Vec<u8>>, HarnessError> {
    let wrong = |message: String| HarnessError::Manifest { path: file.to_owned(), message };
    let text = read_whole(file, DICTIONARY_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&text);
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let quoted = line.find('"').and_then(|start| line.get(start + 1..)).and_then(|rest| rest.strip_suffix('"'));
        let token = quoted.and_then(unescape);
        tokens.push(
            token.ok_or_else(|| {
                wrong(format!("line {}: write name=\"token\", with \\\\, \\\" and \\xNN", number + 1))
            })?,
        );
    }
    Ok(tokens)
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, rest) {
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                bytes.push((digit(*high)? << 4 | digit(*low)?) as u8);
                rest = tail;
            }
            (b'\\', [b'n', tail @ ..]) => {
                bytes.push(b'\n');
                rest = tail;
            }
            (b'\\', [b'r', tail @ ..]) => {
                bytes.push(b'\r');
                rest = tail;
            }
            (b'\\', [b't', tail @ ..]) => {
                bytes.push(b'\t');
                rest = tail;
            }
            (b'\\', [escaped @ (b'\\' | b'"'), tail @ ..]) => {
                bytes.push(*escaped);
                rest = tail;
            }
            (b'\\', _) => return None,
            (byte, _) => bytes.push(byte),
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_are_read_as_afl_and_libfuzzer_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.dict");
        std::fs::write(&file, "# comment\nkw1=\"blah\"\nkw2@3=\"\\\"ac\\\\dc\\\"\"\n\n\"\\xF7\\xf8\"\n").unwrap();
        assert_eq!(read(&file).unwrap(), vec![b"blah".to_vec(), b"\"ac\\dc\"".to_vec(), vec![0xf7, 0xf8]]);
        for wrong in ["blah", "\"", "x=\"\\x1\"", "x=\"\"", "x=\"\\q\""] {
            std::fs::write(&file, wrong).unwrap();
            let error = read(&file).unwrap_err().to_string();
            assert!(error.contains("x.dict") && error.contains("line 1"), "{error}");
        }
    }
}
