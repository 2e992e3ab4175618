//! RFC 8259, read without losing anything: duplicates, lexical numbers, lone surrogates.

mod tokens;

pub use tokens::{Kind, NONE, Token, Tokens, is_number, tokens, unescape};

use crate::reading::Reading;
use crate::rules::Rule;
use crate::tree::{Id, Tree, What};

/// Levels of arrays and objects that a strict gateway takes. FHIR's deepest published example has 22; parsers' own limits
/// begin at 128 (serde_json) and 100 (fhir.resources' validator).
pub const DEPTH_STRICT: usize = 512;

crate::cases! {
    /// No rule of the grammar lets this byte stand here.
    SYNTAX: "J01" "syntax" refusal;
    /// The input ends inside of a value.
    UNTERMINATED: "J01" "unterminated" refusal;
    /// There is no value at all.
    EMPTY: "J01" "empty" refusal;
    /// A comma before a closing bracket.
    TRAILING_COMMA: "J01" "trailing-comma" refusal;
    /// `01`, `+1`, `.5`, `1.`, `1e`.
    NUMBER: "J01" "number" refusal;
    /// A backslash before what it cannot escape.
    BACKSLASH: "J01" "escape" refusal;
    /// A name twice in an object: RFC 8259 only advises against it, and readers take the first, the last or both.
    DUPLICATE_KEY: "J01" "duplicate-key" either(Accept, Accept);
    /// Bytes that are no UTF-8: cut, overlong, surrogates, beyond U+10FFFF.
    NOT_UTF_8: "J02" "not-utf-8" refusal;
    /// UTF-16 or UTF-32.
    WIDE_ENCODING: "J02" "wide-encoding" refusal;
    /// U+FEFF at the beginning: writers must not add it, readers may ignore it.
    BYTE_ORDER_MARK: "J03" "byte-order-mark" either(Reject, Accept);
    /// `//` or `/* */`.
    COMMENT: "J04" "comment" refusal;
    /// Something other than blanks after the value.
    TRAILING_DATA: "J05" "trailing-data" refusal;
    /// Half of a surrogate pair, escaped.
    LONE_SURROGATE: "J06" "lone-surrogate" either(Reject, Accept);
    /// More than [`DEPTH_STRICT`] levels: a reader may have a limit, and must fail cleanly at it. The tolerant reader has
    /// none.
    DEEP: "J07" "deep" either(Reject, Accept);
    /// A control character in a string, unescaped.
    CONTROL_CHARACTER: "J08" "control-character" refusal;
}

/// The rules of JSON texts.
pub const RULES: &[Rule] = &[
    Rule {
        id: "J01",
        title: "A text is one value of the grammar.",
        source: "RFC 8259 section 2",
        harm: "A reader that repairs broken input invents values, and another one repairs it differently.",
    },
    Rule {
        id: "J02",
        title: "The text is UTF-8.",
        source: "RFC 8259 section 8.1",
        harm: "Bytes replaced by U+FFFD make two patients' names equal; overlong forms smuggle characters past filters.",
    },
    Rule {
        id: "J03",
        title: "Writers add no byte order mark; readers may ignore one.",
        source: "RFC 8259 section 8.1",
        harm: "Half of the readers refuse what the other half has stored.",
    },
    Rule {
        id: "J04",
        title: "There are no comments.",
        source: "RFC 8259 section 2; FHIR json.html#json",
        harm: "What one reader skips as a comment is data to another.",
    },
    Rule {
        id: "J05",
        title: "Nothing but blanks follows the value.",
        source: "RFC 8259 section 2",
        harm: "A second resource behind the first passes a gateway that reads only the first.",
    },
    Rule {
        id: "J06",
        title: "Escaped surrogates come in pairs.",
        source: "RFC 8259 section 8.2",
        harm: "A name with half a character is refused, replaced or kept: three identities of one patient.",
    },
    Rule {
        id: "J07",
        title: "A limit on depth is documented and refuses cleanly.",
        source: "RFC 8259 section 9",
        harm: "A kilobyte of brackets ends a process that has no limit.",
    },
    Rule {
        id: "J08",
        title: "Control characters in strings are escaped.",
        source: "RFC 8259 section 7",
        harm: "A raw NUL or line break cuts a value short in the next system.",
    },
];

/// Reads a JSON text. Text of a string is WTF-8; `raw` is what is written between its quotes. Costs time and memory linear
/// in `input` (n log n in the members of one object), and no stack.
pub fn read(input: &[u8]) -> Reading {
    let Tokens { list, breaches, complete } = tokens(input);
    let mut reading = Reading { tree: None, breaches, transport: Vec::new() };
    if input.starts_with(b"\xef\xbb\xbf") {
        reading.transport.push("byte-order-mark");
    }
    let tokens = Tokens { list, breaches: Vec::new(), complete };
    duplicates(input, &tokens, |token| reading.breach(DUPLICATE_KEY, token.span()));
    reading.breaches.sort_by_key(|breach| breach.span.start);
    if complete {
        reading.tree = Some(tree_of(input, &tokens));
    }
    reading
}

/// The tree of complete tokens.
fn tree_of(input: &[u8], tokens: &Tokens) -> Tree {
    let mut tree = Tree::new();
    let mut ids: Vec<Id> = Vec::with_capacity(tokens.list.len());
    let mut key: Option<&Token> = None;
    for token in &tokens.list {
        if token.kind == Kind::Key {
            key = Some(token);
            ids.push(ids[token.parent as usize]);
            continue;
        }
        let parent = ids.get(token.parent as usize).copied();
        let label = key.take().map_or(Default::default(), |key| text(input, key));
        let span = token.span();
        let id = match token.kind {
            Kind::Object => tree.add(parent, &label, What::Object, b"", span),
            Kind::Array => tree.add(parent, &label, What::List, b"", span),
            Kind::Number => tree.add(parent, &label, What::Number, &input[token.span()], span),
            Kind::True | Kind::False => tree.add(parent, &label, What::Boolean, &input[token.span()], span),
            Kind::Null => tree.add(parent, &label, What::Null, b"", span),
            Kind::String | Kind::Key => {
                let id = tree.add(parent, &label, What::String, &text(input, token), span);
                if token.escaped {
                    tree.set_raw(id, &input[token.inside()]);
                }
                id
            }
        };
        ids.push(id);
    }
    tree
}

/// The text of a string or key.
pub fn text<'a>(input: &'a [u8], token: &Token) -> std::borrow::Cow<'a, [u8]> {
    let inside = &input[token.inside()];
    if token.escaped { unescape(inside) } else { inside.into() }
}

/// Calls `found` with every key that stands in its object already, in the order of the input within an object.
pub fn duplicates(input: &[u8], tokens: &Tokens, mut found: impl FnMut(&Token)) {
    // So few names are compared with each other faster than sorted.
    const FEW: usize = 8;
    let mut names = Vec::new();
    for (at, object) in tokens.list.iter().enumerate() {
        if object.kind != Kind::Object {
            continue;
        }
        names.clear();
        names.extend(tokens.children(at).map(|key| (text(input, &tokens.list[key]), key)));
        if names.len() <= FEW {
            for (index, (name, key)) in names.iter().enumerate() {
                if names[..index].iter().any(|(earlier, _)| earlier == name) {
                    found(&tokens.list[*key]);
                }
            }
            continue;
        }
        names.sort_unstable();
        let mut again: Vec<usize> =
            names.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1).collect();
        again.sort_unstable();
        again.into_iter().for_each(|key| found(&tokens.list[key]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Case;
    use crate::tree::Erase;

    #[test]
    fn breaches_are_named_and_read_over_where_possible() {
        let table: &[(&[u8], &[&Case], bool)] = &[
            (b" {\"a\": [1, -0.5e+3, true, null, \"\\u00e9\"]}\n", &[], true),
            (b"[]", &[], true),
            (b"", &[EMPTY], false),
            (b"\xef\xbb\xbf", &[BYTE_ORDER_MARK, EMPTY], false),
            (b"\xef\xbb\xbf1", &[BYTE_ORDER_MARK], true),
            (b"\xff\xfe1\0", &[WIDE_ENCODING], false),
            (b"\0\0\0[\0\0\0]", &[WIDE_ENCODING], false),
            (b"[1,]", &[TRAILING_COMMA], true),
            (b"{\"a\":1,}", &[TRAILING_COMMA], true),
            (b"[,1]", &[SYNTAX], false),
            (b"[1 2]", &[SYNTAX], false),
            (b"{\"a\" 1}", &[SYNTAX], false),
            (b"{a:1}", &[SYNTAX], false),
            (b"[1}", &[SYNTAX], false),
            (b"[tru]", &[SYNTAX], false),
            (b"tru", &[UNTERMINATED], false),
            (b"[\"a", &[UNTERMINATED], false),
            (b"{\"a\":", &[UNTERMINATED], false),
            (b"[01, .5, 1., 1e, +1, -]", &[NUMBER; 6], true),
            (b"[\"\\x\\u12\"]", &[BACKSLASH, BACKSLASH], true),
            (b"{\"a\":1,\"\\u0061\":2}", &[DUPLICATE_KEY], true),
            (b"[\"\xff\",\"\xc0\xaf\"]", &[NOT_UTF_8; 3], true),
            (b"[1]/*", &[COMMENT], true),
            (b"// a\n[1,/**/2]", &[COMMENT, COMMENT], true),
            (b"{} {}", &[TRAILING_DATA], true),
            (b"[\"\\ud800\",\"\\udc00\\ud800\",\"\\ud83d\\ude00\"]", &[LONE_SURROGATE, LONE_SURROGATE], true),
            (b"[\"\\\\ud800\\\"\\ud800\"]", &[LONE_SURROGATE], true),
            (b"[\"a\tb\0\"]", &[CONTROL_CHARACTER, CONTROL_CHARACTER], true),
        ];
        for (input, cases, tree) in table {
            let reading = read(input);
            let found: Vec<_> = reading.breaches.iter().map(|breach| breach.case).collect();
            assert_eq!((&found[..], reading.tree.is_some()), (*cases, *tree), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn strings_are_wtf_8_and_keep_what_was_written() {
        let reading = read(b"{\"\\u0061\": \"\\ud83d\\ude00\\ud83d\\/\\n\\x\"}");
        let tree = reading.tree.unwrap();
        let leaf = tree.member(0, "a").unwrap();
        assert_eq!(tree.text(leaf), b"\xf0\x9f\x98\x80\xed\xa0\xbd/\n\\x");
        assert_eq!(tree.raw(leaf), b"\\ud83d\\ude00\\ud83d\\/\\n\\x");
    }

    #[test]
    fn tokens_of_broken_inputs_end_where_reading_ends() {
        let tokens = tokens(b"{\"a\": [1, {\"b\"");
        let kinds: Vec<_> = tokens.list.iter().map(|token| (token.kind, token.after)).collect();
        let expected =
            [(Kind::Object, 6), (Kind::Key, 6), (Kind::Array, 6), (Kind::Number, 4), (Kind::Object, 6), (Kind::Key, 6)];
        assert_eq!(kinds, expected);
        assert!(!tokens.complete);
        assert_eq!(tokens.children(0).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn depth_costs_no_stack_and_wide_objects_no_squares() {
        let deep = [vec![b'['; 1_000_000], vec![b']'; 1_000_000]].concat();
        let wide: String = (0..200_000).map(|n| format!("\"k{n}\":{n},")).collect();
        let wide = format!("{{{wide}\"k7\":0}}");
        let small_stack = std::thread::Builder::new().stack_size(64 << 10);
        let run = small_stack.spawn(move || {
            let reading = read(&deep);
            assert_eq!(reading.breaches.len(), 1);
            let tree = reading.tree.unwrap();
            let again = Tree::from_json(tree.to_json().as_bytes());
            assert_eq!(again.unwrap().digest(Erase::NONE), tree.digest(Erase::NONE));
            assert_eq!(read(wide.as_bytes()).breaches.len(), 1);
        });
        run.unwrap().join().unwrap();
    }
}
