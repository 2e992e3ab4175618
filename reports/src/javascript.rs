//! JavaScript cut into pieces that a page shows in different ways. It colours and never understands: whatever the text
//! is, the pieces together are the text, and that costs one walk over it.

/// How a piece is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Plain,
    /// `const`, `await`, `null`, …
    Keyword,
    /// Quoted, templates included.
    Text,
    /// Digits and what belongs to them.
    Number,
    /// To the end of the line, or between `/*` and `*/`.
    Comment,
}

impl Kind {
    /// Name of its style; none where it has none.
    pub fn style(self) -> Option<&'static str> {
        match self {
            Kind::Plain => None,
            Kind::Keyword => Some("k"),
            Kind::Text => Some("q"),
            Kind::Number => Some("d"),
            Kind::Comment => Some("c"),
        }
    }
}

const KEYWORDS: &[&str] = &[
    "async",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "default",
    "delete",
    "do",
    "else",
    "export",
    "false",
    "finally",
    "for",
    "from",
    "function",
    "get",
    "if",
    "import",
    "in",
    "instanceof",
    "let",
    "new",
    "null",
    "of",
    "return",
    "set",
    "static",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "undefined",
    "var",
    "void",
    "while",
    "yield",
];

/// The pieces, neighbours of one kind as one.
pub fn pieces(source: &str) -> Vec<(Kind, &str)> {
    let mut found: Vec<(Kind, &str)> = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let (kind, end) = piece(source, at, first);
        if kind != Kind::Plain {
            if plain_from < at {
                found.push((Kind::Plain, &source[plain_from..at]));
            }
            found.push((kind, &source[at..end]));
            plain_from = end;
        }
        at = end;
    }
    if plain_from < source.len() {
        found.push((Kind::Plain, &source[plain_from..]));
    }
    found
}

/// What begins at `at`, and where it ends.
fn piece(source: &str, at: usize, first: char) -> (Kind, usize) {
    let rest = &source[at..];
    if rest.starts_with("//") {
        return (Kind::Comment, at + rest.find('\n').unwrap_or(rest.len()));
    }
    if let Some(inside) = rest.strip_prefix("/*") {
        return (Kind::Comment, at + inside.find("*/").map_or(rest.len(), |end| end + 4));
    }
    match first {
        '"' | '\'' | '`' => (Kind::Text, at + quoted(rest, first)),
        '0'..='9' => (Kind::Number, at + length(rest, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))),
        c if belongs_to_name(c) => {
            let end = at + length(rest, belongs_to_name);
            // A property of that name is none: `object.new`.
            let is_property = source[..at].ends_with('.') && !source[..at].ends_with("...");
            let is_keyword = !is_property && KEYWORDS.binary_search(&&source[at..end]).is_ok();
            (if is_keyword { Kind::Keyword } else { Kind::Plain }, end)
        }
        c => (Kind::Plain, at + c.len_utf8()),
    }
}

/// Bytes of what is quoted at the start of `rest`; a quote that is not closed ends with its line, a template with the text.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' if quote != '`' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn belongs_to_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#')
}

fn length(rest: &str, belongs: fn(char) -> bool) -> usize {
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn pieces_are_what_a_reader_expects() {
        use Kind::*;
        for (source, expected) in [
            ("", vec![]),
            ("x.new(1)", vec![(Plain, "x.new("), (Number, "1"), (Plain, ")")]),
            (
                "const s = new Store();",
                vec![(Keyword, "const"), (Plain, " s = "), (Keyword, "new"), (Plain, " Store();")],
            ),
            ("news // it's\n5n", vec![(Plain, "news "), (Comment, "// it's"), (Plain, "\n"), (Number, "5n")]),
            (
                r#"f('a\'b', "c\\")"#,
                vec![(Plain, "f("), (Text, r"'a\'b'"), (Plain, ", "), (Text, r#""c\\""#), (Plain, ")")],
            ),
            (
                "`a\n${x}` /* b\n*/ -0x1F",
                vec![(Text, "`a\n${x}`"), (Plain, " "), (Comment, "/* b\n*/"), (Plain, " -"), (Number, "0x1F")],
            ),
            ("'open\nnull", vec![(Text, "'open"), (Plain, "\n"), (Keyword, "null")]),
            ("/* open", vec![(Comment, "/* open")]),
            ("[...of]", vec![(Plain, "[..."), (Keyword, "of"), (Plain, "]")]),
        ] {
            assert_eq!(pieces(source), expected);
        }
    }

    #[test]
    fn nothing_is_lost_of_any_text() {
        let mut state = 7_u32;
        let alphabet: Vec<char> = "a9'\"`\\/*\n .é\u{202e}<n#$-".chars().collect();
        for _ in 0..2_000 {
            let text: String = (0..40)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    alphabet[(state >> 16) as usize % alphabet.len()]
                })
                .collect();
            assert_eq!(pieces(&text).into_iter().map(|(_, piece)| piece).collect::<String>(), text);
        }
    }
}
