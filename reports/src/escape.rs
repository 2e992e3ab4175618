//! The one room for making text from outside harmless, for each place that it is printed in. HTML is `maud`'s business
//! and the XML syntax `quick-junit`'s; both get text that has been through [`line()`] or [`block`] first.
//!
//! Names, messages and paths come out of modules that may be hostile: they may hold terminal sequences, markup,
//! formulas, line breaks, text that runs backwards, and a megabyte of any of these.

/// One line for a terminal, a log, a table or an attribute: control, invisible and direction-changing characters are
/// shown as `\u{…}` instead of acting. So are the two beginnings of a command in the log of a GitHub job, where the
/// text may end up: `::` at the start of a line, `##[` anywhere.
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { shown.push_str(&visible(c)) } else { shown.push(c) }
    }
    if shown.trim_start().starts_with("::") {
        shown = shown.replacen(':', "\\u{3a}", 1);
    }
    if shown.contains("##[") { shown.replace("##[", "#\\u{23}[") } else { shown }
}

/// Several lines: as [`line()`], but line breaks stay and tabs become four spaces.
pub fn block(text: &str) -> String {
    text.split('\n').map(|part| line(&part.trim_end_matches('\r').replace('\t', "    "))).collect::<Vec<_>>().join("\n")
}

/// At most `chars_max` characters, the end replaced by a note of how much is missing.
pub fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} more bytes)", &text[..end], text.len() - end),
    }
}

/// [`line()`], no longer than `chars_max` characters, the end replaced by `…`.
pub fn column(text: &str, chars_max: usize) -> String {
    let shown = line(text);
    match shown.char_indices().nth(chars_max) {
        None => shown,
        Some(_) => shown.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A Markdown code span that is safe in a table cell too: inside of it neither markup, links nor mentions work.
pub fn markdown_code(text: &str) -> String {
    let text = line(text).replace('|', "\\u{7c}");
    if text.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&text, '`') + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A fenced Markdown block.
pub fn markdown_block(text: &str) -> String {
    let text = block(text);
    let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
    format!("{fence}text\n{text}\n{fence}\n")
}

/// The message part of a GitHub workflow command.
pub fn github_message(text: &str) -> String {
    block(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property (`file=`, `title=`) of a GitHub workflow command.
pub fn github_property(text: &str) -> String {
    line(text).replace('%', "%25").replace(':', "%3A").replace(',', "%2C")
}

/// A CSV field: quoted, and never a formula to a spreadsheet.
pub fn csv(text: &str) -> String {
    let text = line(text);
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// JSON text in which no character acts on a terminal: such characters only ever occur inside strings there, where
/// `\uXXXX` means the same.
pub fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && acts(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    // The start of a command in the log of a GitHub job.
    if shown.contains("##[") { shown.replace("##[", "#\\u0023[") } else { shown }
}

/// A relative URI for a path below the project; `None` for a path that leads elsewhere.
pub fn project_uri(path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    let path = path.strip_prefix("./").unwrap_or(&path);
    let leads_outside = path.split('/').any(|part| part == ".." || part.is_empty());
    // A drive letter or a scheme ends with a colon in the first part.
    if leads_outside || path.split('/').next().is_some_and(|first| first.contains(':')) {
        return None;
    }
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => uri.push(byte as char),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(uri)
}

/// One part of a path that is safe on every file system.
pub fn file_name(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = text.chars().take(60).map(safe).collect();
    let name = name.trim_start_matches('.').to_owned();
    if name.is_empty() { "unnamed".into() } else { name }
}

/// Whether a character does something instead of being seen: controls (C0, DEL, C1), changes of direction, zero-width
/// and other format characters, separators of lines, private use, noncharacters, language tags.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{10ffff}')
        || (c as u32) & 0xfffe == 0xfffe
}

fn visible(c: char) -> String {
    match c {
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        _ => format!("\\u{{{:x}}}", c as u32),
    }
}

fn longest_run(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_after_escaping() {
        let hostile: String = (0..=0x10ffff).filter_map(char::from_u32).collect();
        for shown in [line(&hostile), column(&hostile, 9_000_000), csv(&hostile), markdown_code(&hostile)] {
            assert!(!shown.chars().any(acts));
        }
        assert!(!block(&hostile).chars().any(|c| c != '\n' && acts(c)));
        assert!(!github_message(&hostile).contains('\n'));
    }

    #[test]
    fn escapes_read_as_what_they_stand_for() {
        assert_eq!(line("a\u{1b}[31mb\nc\u{202e}"), "a\\u{1b}[31mb\\nc\\u{202e}");
        assert_eq!(block("a\r\n\tb\0"), "a\n    b\\u{0}");
        assert_eq!(block("x\n ::error::y\na::b ##[z]"), "x\n \\u{3a}:error::y\na::b #\\u{23}[z]");
        assert_eq!(cut("héllo", 2), "hé… (3 more bytes)");
        assert_eq!(column("function", 5), "func…");
        assert_eq!(markdown_code("a`b|c``d"), "```a`b\\u{7c}c``d```");
        assert_eq!(markdown_code("`x"), "`` `x ``");
        assert_eq!(markdown_block("```\nx"), "````text\n```\nx\n````\n");
        assert_eq!(github_message("50%\n::error::x"), "50%25%0A\\u{3a}:error::x");
        assert_eq!(github_property("a:b,c"), "a%3Ab%2Cc");
        assert_eq!(csv("=cmd|'/c calc'!A1"), "\"'=cmd|'/c calc'!A1\"");
        assert_eq!(csv("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(file_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(file_name("…"), "_");
        assert_eq!(file_name(".."), "unnamed");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "a\u{9b}31m": "\u{202e}\u{e0041}\u{7f}\"\\\u{1b}é" });
        let text = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && acts(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn only_paths_below_the_project_become_uris() {
        assert_eq!(project_uri("targets/a b/src/lib.rs").as_deref(), Some("targets/a%20b/src/lib.rs"));
        assert_eq!(project_uri("./x.rs").as_deref(), Some("x.rs"));
        for outside in ["/etc/passwd", "a/../../b", "C:\\x", "javascript:alert(1)", "", "a//b", "https://x/y"] {
            assert_eq!(project_uri(outside), None, "{outside}");
        }
    }
}
