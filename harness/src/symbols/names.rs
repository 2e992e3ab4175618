//! Names and paths from a module, made fit to print and stable between machines.

use std::fmt::Write;

/// Longest name or path kept, bytes. Generic Rust names reach hundreds; past this nobody reads on.
const NAME_BYTES_MAX: usize = 1024;
/// Longest mangled name that is given to a demangler: C++ substitutions can make a short name very long.
const MANGLED_BYTES_MAX: usize = 4096;

/// Source-level name of a linker symbol: Rust without hash and crate disambiguators, C++ without parameters; anything
/// else as it stands. Printable and at most 1 KiB.
pub fn demangle(raw: &str) -> String {
    if raw.len() <= MANGLED_BYTES_MAX {
        if let Ok(name) = rustc_demangle::try_demangle(raw) {
            let mut out = Bounded(String::new());
            // An error means that the bound was met; what fitted is the name.
            let _ = write!(out, "{name:#}");
            return printable(&out.0);
        }
        if raw.starts_with("_Z")
            && let Ok(symbol) = cpp_demangle::Symbol::new(raw.as_bytes())
        {
            let mut out = Bounded(String::new());
            let options = cpp_demangle::DemangleOptions::new().no_params().no_return_type();
            if symbol.structured_demangle(&mut out, &options).is_ok() || !out.0.is_empty() {
                return printable(&out.0);
            }
        }
    }
    printable(without_hash(raw))
}

/// `name` without generic arguments: `a::Vec<u8>::push::<T>` → `a::Vec::push`, `<Vec<u8> as Drop>::drop` → `<Vec as Drop>::drop`.
pub fn without_generics(name: &str) -> String {
    // C++ has `<` in names of its own.
    if name.contains("operator") {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len());
    // For each open bracket, whether it belongs to the path (`<T as Trait>`) and stays.
    let mut open: Vec<Bracket> = Vec::new();
    let mut dropped = 0;
    let mut before = ' ';
    for c in name.chars() {
        match c {
            '<' => {
                let is_argument = out.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '}'));
                open.push(if dropped > 0 || is_argument { Bracket::Dropped } else { Bracket::Kept });
                if dropped > 0 || is_argument {
                    if dropped == 0 && out.ends_with("::") {
                        out.truncate(out.len() - 2);
                    }
                    dropped += 1;
                } else {
                    out.push(c);
                }
            }
            // The arrow of a function type is no bracket.
            '>' if before != '-' => match open.pop() {
                Some(Bracket::Dropped) => dropped -= 1,
                _ if dropped == 0 => out.push(c),
                _ => {}
            },
            c if dropped == 0 => out.push(c),
            _ => {}
        }
        before = c;
    }
    out
}

enum Bracket {
    Kept,
    Dropped,
}

/// The path of the module that a Rust source file is: `er7-1.0.0/src/de/mod.rs` → `er7::de`. Debug information reduced to
/// line tables names inlined functions without it.
pub fn rust_module(shown_path: &str) -> Option<String> {
    let (package, rest) = shown_path.strip_suffix(".rs")?.rsplit_once("/src/")?;
    let package = package.rsplit('/').next()?;
    // `name-1.2.3`: the version begins at the last dash before a digit.
    let end = package
        .match_indices('-')
        .map(|(at, _)| at)
        .find(|at| package[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    let mut module = package[..end.unwrap_or(package.len())].replace('-', "_");
    for part in rest.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")) {
        module.push_str("::");
        module.push_str(part);
    }
    Some(module)
}

/// `text` with control characters, invisible and direction-changing ones written as escapes, cut at 1 KiB.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(NAME_BYTES_MAX));
    for c in text.chars() {
        if out.len() >= NAME_BYTES_MAX {
            out.push('…');
            break;
        }
        match c {
            '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// Markers of package folders: what follows is the same on every machine once that many more components are dropped.
static PACKAGE_FOLDERS: &[(&str, usize, &str)] = &[
    // marker, components to drop after it, new prefix
    ("/rustlib/src/rust/", 0, "rust/"),
    ("/registry/src/", 1, ""),
    ("/git/checkouts/", 0, ""),
    ("/vendor/", 0, ""),
    ("/node_modules/", 0, "node_modules/"),
    ("/targets/", 0, "targets/"),
    ("/build/", 0, ""),
];

/// The compiler's path of a source file without the prefixes of the machine that built it: `serde_json-1.0.1/src/de.rs`,
/// `rust/library/core/src/option.rs`, `targets/x/src/lib.rs`. Absolute paths that match no rule keep their last three parts.
pub fn shown_path(raw: &str) -> String {
    let mut path = normal(raw);
    // `/rustc/<commit>/library/…` is how released toolchains name their own sources; `/usr/src/rustc-1.85/…` is Debian's.
    if let Some(rest) = path.strip_prefix("/rustc/").or_else(|| path.strip_prefix("/usr/src/rustc")) {
        if let Some((_, rest)) = rest.split_once('/') {
            path = match rest.strip_prefix("vendor/") {
                Some(package) => package.to_owned(),
                None => format!("rust/{rest}"),
            };
        }
        return printable(&path);
    }
    let is_absolute = path.starts_with('/') || path.as_bytes().get(1) == Some(&b':');
    if is_absolute {
        path = PACKAGE_FOLDERS
            .iter()
            .find_map(|(marker, dropped, prefix)| {
                let rest = &path[path.rfind(marker)? + marker.len()..];
                let rest = rest.splitn(dropped + 1, '/').nth(*dropped)?;
                Some(format!("{prefix}{rest}"))
            })
            .unwrap_or_else(|| {
                let parts: Vec<&str> =
                    path.split('/').filter(|part| !part.is_empty() && !part.ends_with(':')).collect();
                // A person's folder names the person.
                let skip = if matches!(parts.first(), Some(&("home" | "Users"))) { 2 } else { 0 };
                parts[parts.len().saturating_sub(3).max(skip.min(parts.len().saturating_sub(1)))..].join("/")
            });
    }
    printable(&path)
}

/// Forward slashes, and `.` and `..` resolved; no file system is asked.
fn normal(raw: &str) -> String {
    let raw = raw.get(..MANGLED_BYTES_MAX.min(raw.len())).unwrap_or_default().replace('\\', "/");
    let mut parts: Vec<&str> = Vec::new();
    for part in raw.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." && parts.last().is_some_and(|last| *last != "..") {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let root = if raw.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// `a::b::h0123456789abcdef` → `a::b`: linkers write Rust's legacy names demangled, hash included.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((rest, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => rest,
        _ => name,
    }
}

/// A string that refuses to grow past twice [`NAME_BYTES_MAX`].
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > 2 * NAME_BYTES_MAX {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_mangling_and_hash() {
        for (raw, wanted) in [
            ("_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic"),
            ("_RNvCskwGfYPst2Cb_3foo16example_function", "foo::example_function"),
            ("core::panicking::panic_fmt::h0123456789abcdef", "core::panicking::panic_fmt"),
            ("a::hash", "a::hash"),
            ("_ZN3foo3barEi", "foo::bar"),
            ("inflate_fast", "inflate_fast"),
            ("_Znonsense", "_Znonsense"),
            ("x\u{1b}[31m\u{202e}y\n", "x\\u{1b}[31m\\u{202e}y\\u{a}"),
        ] {
            assert_eq!(demangle(raw), wanted, "{raw}");
        }
    }

    #[test]
    fn generic_arguments_go_and_paths_stay() {
        for (name, wanted) in [
            ("<hl7_parser::message::Message>::query::<&str>", "<hl7_parser::message::Message>::query"),
            ("<alloc::vec::Vec<a::B<u8>> as core::ops::Drop>::drop", "<alloc::vec::Vec as core::ops::Drop>::drop"),
            ("and_then<&a::B, fn(u8) -> Vec<u8>>", "and_then"),
            ("a::b::{closure#0}::<T>", "a::b::{closure#0}"),
            ("core::ptr::drop_in_place<[u8]>", "core::ptr::drop_in_place"),
            ("std::operator<< <char>", "std::operator<< <char>"),
            ("a<<<>b", "a"),
            (">>a", ">>a"),
        ] {
            assert_eq!(without_generics(name), wanted, "{name}");
        }
    }

    #[test]
    fn source_files_name_their_modules() {
        for (path, wanted) in [
            ("rust-hl7-0.5.0/src/message.rs", Some("rust_hl7::message")),
            ("rust/library/core/src/slice/index.rs", Some("core::slice::index")),
            ("targets/hl7v2-er7/src/lib.rs", Some("hl7v2_er7")),
            ("inlined.c", None),
            ("lib.rs", None),
        ] {
            assert_eq!(rust_module(path).as_deref(), wanted, "{path}");
        }
    }

    #[test]
    fn names_are_bounded() {
        let template_bomb = format!("_Z1f{}", "I1aIS_S_E".repeat(200));
        for raw in ["a".repeat(1 << 20), template_bomb, "é".repeat(5000), "_RNv".repeat(900)] {
            assert!(demangle(&raw).len() <= 2 * NAME_BYTES_MAX + 8, "{}", raw.len());
        }
    }

    #[test]
    fn paths_lose_the_machine() {
        for (raw, wanted) in [
            (
                "/home/jo/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/er7-1.0.0/src/lib.rs",
                "er7-1.0.0/src/lib.rs",
            ),
            ("/rustc/4a1b/library/core/src/option.rs", "rust/library/core/src/option.rs"),
            ("/usr/src/rustc-web-1.85.0/library/std/src/panicking.rs", "rust/library/std/src/panicking.rs"),
            ("/usr/src/rustc-1.85.0/vendor/dlmalloc-0.2.7/src/lib.rs", "dlmalloc-0.2.7/src/lib.rs"),
            (
                "/home/jo/.rustup/toolchains/s/lib/rustlib/src/rust/library/alloc/src/vec/mod.rs",
                "rust/library/alloc/src/vec/mod.rs",
            ),
            ("/home/jo/autoclave/targets/fhir-json/src/./x/../lib.rs", "targets/fhir-json/src/lib.rs"),
            ("/home/jo/secret.rs", "secret.rs"),
            ("/home/jo/vendor-product/core/src/deep/a.c", "src/deep/a.c"),
            ("C:\\Users\\jo\\code\\a.c", "code/a.c"),
            ("src/lib.rs", "src/lib.rs"),
            ("", ""),
        ] {
            assert_eq!(shown_path(raw), wanted, "{raw}");
        }
    }
}
