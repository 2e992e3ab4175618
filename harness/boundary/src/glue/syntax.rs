//! Reads JavaScript and declarations that nobody vouches for: bounded size, a stack that no nesting overflows, and a
//! deadline.

use oxc_allocator::Allocator;
use oxc_ast::ast::Program;
use oxc_parser::{ParseOptions, Parser};
use oxc_span::SourceType;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Largest file that is read, bytes.
pub const SCRIPT_BYTES_MAX: usize = 8 << 20;
/// Brackets within brackets, counted without looking at strings: more is no glue. Also keeps look-ahead short.
const BRACKETS_MAX: usize = 4_096;
/// Largest stack that a file may need, bytes. Address space: only what is used becomes memory.
const STACK_BYTES_MAX: usize = 2 << 30;
/// Stack for a file without any nesting, bytes.
const STACK_BYTES_MIN: usize = 4 << 20;
/// Time for one file, seconds: a thousand times what the largest one takes.
const READ_SECONDS_MAX: u64 = 60;

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct SyntaxError {
    /// The file, as the package names it.
    pub file: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// How a file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// JavaScript, module or script as it turns out.
    JavaScript,
    /// Declarations in TypeScript.
    Declarations,
}

impl Language {
    /// By the file's name: `.d.ts` and its kin are declarations, everything else is JavaScript.
    pub fn of(file: &str) -> Language {
        let declarations = [".d.ts", ".d.mts", ".d.cts"].iter().any(|end| file.ends_with(end));
        if declarations { Language::Declarations } else { Language::JavaScript }
    }
}

/// Parses `text` and looks at the result, on a stack that is large enough for both: `look` may recurse as deep as the
/// program is nested. A file with a fault in its syntax is an error, never a program that lacks something.
pub fn read<R: Send + 'static>(
    file: &str,
    text: &str,
    look: impl FnOnce(&Program<'_>) -> R + Send + 'static,
) -> Result<R, SyntaxError> {
    let fault = |what: String| SyntaxError { file: file.to_owned(), what };
    let stack = stack_bytes(text).map_err(fault)?;
    let (name, text) = (file.to_owned(), text.to_owned());
    let (answer, read) = mpsc::sync_channel(1);
    let work = move || drop(answer.send(parse(&name, &text, look)));
    // Not a scoped thread: after the deadline it is left behind, and the caller goes on.
    let started = thread::Builder::new().name("parser".to_owned()).stack_size(stack).spawn(work);
    started.map_err(|error| fault(format!("no stack of {} MiB to read it on: {error}", stack >> 20)))?;
    match read.recv_timeout(Duration::from_secs(READ_SECONDS_MAX)) {
        Ok(read) => read,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err(fault(format!("not read after {READ_SECONDS_MAX} s; leave the file out of the package")))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(fault("the parser gave up on it; leave the file out of the package and report it to us".to_owned()))
        }
    }
}

fn parse<R>(file: &str, text: &str, look: impl FnOnce(&Program<'_>) -> R) -> Result<R, SyntaxError> {
    let kinds: &[SourceType] = match Language::of(file) {
        Language::Declarations => &[SourceType::d_ts()],
        Language::JavaScript if file.ends_with(".mjs") => &[SourceType::mjs()],
        Language::JavaScript if file.ends_with(".cjs") => &[SourceType::cjs()],
        // What is no module may be a script with `with` or `await` as a name.
        Language::JavaScript => &[SourceType::unambiguous(), SourceType::script(), SourceType::cjs()],
    };
    let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
    let mut first = None;
    for kind in kinds {
        let allocator = Allocator::default();
        let result = Parser::new(&allocator, text, *kind).with_options(options).parse();
        if !result.panicked && result.diagnostics.is_empty() {
            return Ok(look(&result.program));
        }
        let what = result.diagnostics.iter().next().map_or_else(|| "not JavaScript".to_owned(), ToString::to_string);
        first.get_or_insert(what);
    }
    let what = first.unwrap_or_default().chars().take(200).collect::<String>();
    Err(SyntaxError { file: file.to_owned(), what: format!("does not parse: {what}") })
}

/// Stack that no program of this text can exceed, bytes: every step of the recursion needs one of these characters or
/// words, whatever they mean where they stand.
fn stack_bytes(text: &str) -> Result<usize, String> {
    if text.len() > SCRIPT_BYTES_MAX {
        return Err(format!("{} bytes; {SCRIPT_BYTES_MAX} are read", text.len()));
    }
    // Measured with oxc 0.146 on x86-64, worst nesting of each kind and half as much again.
    let (mut bytes, mut depth, mut deepest) = (STACK_BYTES_MIN, 0_usize, 0);
    let mut word = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'_' | b'$') {
            continue;
        }
        bytes += keyword_bytes(&text.as_bytes()[word..at]);
        word = at + 1;
        bytes += match byte {
            b'(' | b'[' | b'{' | b'`' | b'<' => 3_072,
            b'=' | b'?' | b':' => 1_536,
            b'.' | b'!' | b'~' | b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^' | b'>' => 640,
            _ => 0,
        };
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    bytes += keyword_bytes(&text.as_bytes()[word..]);
    if deepest > BRACKETS_MAX {
        return Err(format!("brackets nest more than {BRACKETS_MAX} deep; no glue does that"));
    }
    if bytes > STACK_BYTES_MAX {
        return Err(format!("could need {} MiB of stack to read; {} are given", bytes >> 20, STACK_BYTES_MAX >> 20));
    }
    Ok(bytes)
}

/// Stack for what a word may begin, bytes.
fn keyword_bytes(word: &[u8]) -> usize {
    const KEYWORDS: &[&[u8]] = &[
        b"async",
        b"asserts",
        b"await",
        b"delete",
        b"do",
        b"else",
        b"extends",
        b"function",
        b"if",
        b"infer",
        b"is",
        b"keyof",
        b"new",
        b"readonly",
        b"typeof",
        b"unique",
        b"void",
        b"yield",
    ];
    if KEYWORDS.contains(&word) { 768 } else { 0 }
}

/// Line and column, both from 1, of byte offsets that come in any order.
pub struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    /// Of this text.
    pub fn new(text: &str) -> Lines {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines { starts: std::iter::once(0).chain(after).collect() }
    }

    /// Line and column (in bytes) of an offset.
    pub fn place(&self, offset: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line.saturating_sub(1)];
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(offset - start + 1).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxc_ast_visit::Visit;

    struct Idle;
    impl Visit<'_> for Idle {}

    fn walked(file: &str, text: &str) -> Result<(), SyntaxError> {
        read(file, text, |program| Idle.visit_program(program))
    }

    #[test]
    fn nesting_of_any_kind_ends_in_an_error_or_is_read() {
        // Prefix, middle, suffix; the outer ones a hundred thousand times.
        let cases: &[(&str, &str, &str, &str)] = &[
            ("a.js", "(", "1", ")"),
            ("a.js", "[", "1", "]"),
            ("a.js", "{", "1", "}"),
            ("a.js", "!", "1", ""),
            ("a.js", "- ", "1", ""),
            ("a.js", "", "1", "+1"),
            ("a.js", "", "a", ".b"),
            ("a.js", "", "a", "()"),
            ("a.js", "", "a", "[0]"),
            ("a.js", "a=>", "1", ""),
            ("a.js", "a?b:", "1", ""),
            ("a.js", "a=", "1", ""),
            ("a.js", "if(a)", ";", ""),
            ("a.js", "if(a);else ", ";", ""),
            ("a.js", "a:", ";", ""),
            ("a.js", "new ", "a", ""),
            ("a.js", "typeof ", "a", ""),
            ("a.js", "do ", ";", "while(1)"),
            ("a.js", "(()=>{", "1", "})"),
            ("a.js", "`${", "1", "}`"),
            ("a.js", "a={b:", "1", "}"),
            ("a.js", "(a=", "1", ")"),
            ("a.js", "/*)*/(", "1", ")"),
            ("a.js", "a**", "1", ""),
            ("a.d.ts", "declare let a:(", "a", ")"),
            ("a.d.ts", "type A=B<", "a", ">"),
            ("a.d.ts", "declare let a:", "a", "[]"),
            ("a.d.ts", "declare let a:", "a", "|b"),
            ("a.d.ts", "namespace a{", "", "}"),
            ("a.d.ts", "type A=()=>", "a", ""),
        ];
        for (file, before, middle, after) in cases {
            let (head, step) = before.rsplit_once(':').filter(|_| file.ends_with(".d.ts")).unwrap_or(("", before));
            let head = if head.is_empty() { String::new() } else { format!("{head}:") };
            let text = format!("{head}{}{middle}{}", step.repeat(100_000), after.repeat(100_000));
            if let Err(error) = walked(file, &text) {
                let known = ["brackets nest", "of stack", "does not parse"];
                assert!(known.iter().any(|what| error.what.contains(what)), "{before}: {error}");
            }
            let small = format!("{head}{}{middle}{}", step.repeat(20), after.repeat(20));
            let read = walked(file, &small);
            assert!(read.is_ok() || before.contains("declare") || before.contains("type"), "{small}: {read:?}");
        }
    }

    #[test]
    fn what_is_too_large_or_no_program_is_refused() {
        let large = "a;".repeat(SCRIPT_BYTES_MAX / 2 + 1);
        assert!(walked("a.js", &large).unwrap_err().to_string().starts_with("a.js: 8388610 bytes"));
        assert!(walked("a.js", "let let = ;").unwrap_err().what.starts_with("does not parse"));
        assert!(walked("a.mjs", "import a from;").is_err());
        // Scripts that are no modules, and CommonJS.
        for text in ["with (a) {}", "return 1", "var await = 1; await", "export let a = await b", "#!/bin/node\n1"] {
            assert_eq!(walked("a.js", text), Ok(()), "{text}");
        }
    }

    #[test]
    fn places_are_counted_from_one() {
        let lines = Lines::new("a\nbc\n");
        let places: Vec<(u32, u32)> = [0, 1, 2, 3, 4, 5].iter().map(|offset| lines.place(*offset)).collect();
        assert_eq!(places, [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 1)]);
    }
}
