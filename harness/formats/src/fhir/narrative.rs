//! Narrative: what XHTML may stand in a resource (txt-1, txt-2), and a hash of what it says as XML.
//!
//! txt-1 is stated on XML, and applications put the markup into HTML pages: what the two read differently (CDATA sections,
//! processing instructions, some comments, prefixes) is a case of its own.

use super::xml::events::{Event, Events, Name, Namespace};
use super::xml::{DEEP, DOCTYPE, ENTITY_DECLARATION, NAMED_ENTITY};
use crate::reading::{BREACHES_MAX, Breach};
use crate::rules::{Case, Rule};
use crate::tree::{mix, string_hash};
use std::ops::Range;

crate::cases! {
    /// The markup is no well-formed XML.
    NOT_WELL_FORMED: "S07" "not-well-formed" refusal;
    /// A named entity other than XML's five.
    ENTITY: "S07" "entity" refusal;
    /// A document type declaration.
    HAS_DOCTYPE: "S07" "doctype" refusal;
    /// Its outermost element is no `div`.
    ROOT: "S07" "root" refusal;
    /// An element that is not in XHTML's namespace.
    NAMESPACE: "S07" "namespace" refusal;
    /// Something beside the `div`.
    OUTSIDE_ROOT: "S07" "outside-root" refusal;
    /// An element that is not on the list of txt-1.
    ELEMENT: "S07" "element" refusal;
    /// An element that does something: a script, a frame, a form, a style sheet.
    ACTIVE_ELEMENT: "S07" "active-element" refusal;
    /// An attribute that is not on the list of txt-1.
    ATTRIBUTE: "S07" "attribute" refusal;
    /// `onclick` and its like.
    EVENT_ATTRIBUTE: "S07" "event-attribute" refusal;
    /// An address that runs: `javascript:`.
    ACTIVE_URL: "S07" "active-url" refusal;
    /// `data:` as the target of a link, or as something other than a picture.
    DATA_URL: "S07" "data-url" refusal;
    /// A style that fetches or runs something.
    EXTERNAL_STYLE: "S07" "external-style" refusal;
    /// Neither text nor picture (txt-2).
    BLANK: "S07" "blank" refusal;
    /// A paragraph in a paragraph: HTML readers end the outer one there.
    NESTED_PARAGRAPH: "S07" "nested-paragraph" refusal;
    /// A CDATA section: HTML readers take it for a comment that ends at the first `>`.
    CDATA: "S07" "cdata" either(Reject, Accept);
    /// A processing instruction: HTML readers take it for a comment that ends at the first `>`.
    INSTRUCTION: "S07" "processing-instruction" either(Reject, Accept);
    /// A comment that HTML readers end earlier than XML readers.
    EARLY_COMMENT_END: "S07" "early-comment-end" either(Reject, Accept);
    /// Elements with a prefix: HTML readers do not know them.
    PREFIXED: "S07" "prefix" either(Reject, Accept);
}

/// The rule of narratives.
pub const RULES: &[Rule] = &[Rule {
    id: "S07",
    title: "Narrative is a div of basic, passive XHTML, and not blank (txt-1, txt-2).",
    source: "FHIR narrative.html#rules",
    harm: "Markup of a stranger runs in the clinician's browser, or shows what the record does not say.",
}];

/// Elements that txt-1 allows, sorted.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];
/// Attributes that txt-1 allows, sorted.
const ATTRIBUTES: &[&str] = &[
    "abbr",
    "accesskey",
    "align",
    "alt",
    "axis",
    "bgcolor",
    "border",
    "cellhalign",
    "cellpadding",
    "cellspacing",
    "cellvalign",
    "char",
    "charoff",
    "charset",
    "cite",
    "class",
    "colspan",
    "compact",
    "coords",
    "dir",
    "frame",
    "headers",
    "height",
    "href",
    "hreflang",
    "hspace",
    "id",
    "lang",
    "longdesc",
    "name",
    "nowrap",
    "rel",
    "rev",
    "rowspan",
    "rules",
    "scope",
    "shape",
    "span",
    "src",
    "start",
    "style",
    "summary",
    "tabindex",
    "title",
    "type",
    "valign",
    "value",
    "vspace",
    "width",
];
/// Elements of HTML that run, fetch, frame or send something, sorted.
const ACTIVE_ELEMENTS: &[&str] = &[
    "applet", "audio", "base", "body", "button", "embed", "form", "frame", "frameset", "head", "html", "iframe",
    "input", "isindex", "link", "math", "meta", "noscript", "object", "option", "param", "script", "select", "source",
    "style", "svg", "template", "textarea", "track", "video",
];
const ADDRESSES: &[&str] = &["cite", "href", "longdesc", "src"];

/// A narrative as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrative {
    /// Equal for equal XML infosets, whatever the prefixes, the order of attributes, the references and the comments.
    pub hash: u64,
    /// What is wrong with it; spans count from the markup's first byte.
    pub breaches: Vec<Breach>,
}

impl Narrative {
    /// The hash as a tree's leaf has it.
    pub fn text(&self) -> String {
        format!("{:016x}", self.hash)
    }
}

/// Reads the markup of `Narrative.div` as JSON has it. Linear in time and memory; depth costs no stack.
pub fn read(markup: &str) -> Narrative {
    let mut events = Events::new(markup, 0);
    let mut check = Check::default();
    if markup.trim_start().starts_with("<?xml") {
        check.breach(OUTSIDE_ROOT, 0..5);
    }
    while let Some((event, span)) = events.next_event() {
        check.event(&events, &event, span);
    }
    let mut narrative = check.finish();
    for Breach { case, span } in events.breaches {
        let case = match case {
            case if case == NAMED_ENTITY => ENTITY,
            case if case == DOCTYPE || case == ENTITY_DECLARATION => HAS_DOCTYPE,
            case if case == DEEP => DEEP,
            _ => NOT_WELL_FORMED,
        };
        if narrative.breaches.len() < BREACHES_MAX {
            narrative.breaches.push(Breach { case, span });
        }
    }
    narrative.breaches.sort_by_key(|breach| breach.span.start);
    narrative.breaches.dedup_by_key(|breach| breach.case);
    narrative
}

/// Checks and hashes a narrative whose events somebody else reads.
#[derive(Debug, Default)]
pub struct Check {
    hash: u64,
    text: String,
    depth: usize,
    paragraphs: Vec<usize>,
    has_content: bool,
    breaches: Vec<Breach>,
}

impl Check {
    /// The next event of the div, its own start and end included.
    pub fn event(&mut self, events: &Events<'_>, event: &Event<'_>, span: Range<usize>) {
        match event {
            Event::Start(name) => self.start(events, *name, span),
            Event::End => {
                self.flush();
                self.hash = mix(self.hash, 3);
                self.paragraphs.pop_if(|depth| *depth >= self.depth);
                self.depth = self.depth.saturating_sub(1);
            }
            Event::Text(text) => self.add(text, span),
            Event::Cdata(text) => {
                self.breach(CDATA, span.clone());
                self.add(text, span);
            }
            Event::Instruction(_) => self.breach(if self.depth == 0 { OUTSIDE_ROOT } else { INSTRUCTION }, span),
            Event::Doctype => {}
            Event::Comment(_) if self.depth == 0 => self.breach(OUTSIDE_ROOT, span),
            Event::Comment(text) => {
                let ends_early = text.starts_with('>') || text.starts_with("->") || text.contains("--!>");
                if ends_early || text.contains("<!--") {
                    self.breach(EARLY_COMMENT_END, span);
                }
            }
        }
    }

    /// What was found.
    pub fn finish(mut self) -> Narrative {
        if !self.has_content {
            self.breach(BLANK, 0..0);
        }
        self.flush();
        Narrative { hash: self.hash, breaches: self.breaches }
    }

    fn breach(&mut self, case: &'static Case, span: Range<usize>) {
        let breach = Breach { case, span };
        if self.breaches.len() < BREACHES_MAX && self.breaches.last() != Some(&breach) {
            self.breaches.push(breach);
        }
    }

    fn add(&mut self, text: &str, span: Range<usize>) {
        let is_blank = text.bytes().all(|byte| byte.is_ascii_whitespace());
        self.has_content |= !is_blank;
        match self.depth {
            0 if is_blank => {}
            0 => self.breach(OUTSIDE_ROOT, span),
            _ => self.text.push_str(text),
        }
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.hash = mix(mix(self.hash, 1), string_hash(&self.text));
            self.text.clear();
        }
    }

    fn start(&mut self, events: &Events<'_>, name: Name<'_>, span: Range<usize>) {
        self.flush();
        self.hash = mix(mix(mix(self.hash, 2), string_hash(events.uri(name.namespace))), string_hash(name.local));
        let mut attributes: Vec<_> = events
            .attributes()
            .iter()
            .map(|one| (events.uri(one.name.namespace), one.name.local, &one.value))
            .collect();
        attributes.sort_unstable();
        for (uri, local, value) in attributes {
            let name = mix(string_hash(uri), string_hash(local));
            self.hash = mix(mix(self.hash, name), string_hash(value));
        }
        if self.depth == 0 && name.local != "div" {
            self.breach(ROOT, span.clone());
        }
        if name.namespace != Namespace::XHTML {
            self.breach(NAMESPACE, span.clone());
        }
        if name.is_prefixed {
            self.breach(PREFIXED, span.clone());
        }
        let local = name.local.to_ascii_lowercase();
        if ACTIVE_ELEMENTS.binary_search(&local.as_str()).is_ok() {
            self.breach(ACTIVE_ELEMENT, span.clone());
        } else if ELEMENTS.binary_search(&name.local).is_err() {
            self.breach(ELEMENT, span.clone());
        }
        self.depth += 1;
        if name.local == "p" {
            if !self.paragraphs.is_empty() {
                self.breach(NESTED_PARAGRAPH, span.clone());
            }
            self.paragraphs.push(self.depth);
        }
        for attribute in events.attributes() {
            let wrong = attribute_case(name.local, attribute.name, &attribute.value);
            if let Some(case) = wrong {
                self.breach(case, span.clone());
            }
            self.has_content |= name.local == "img" && attribute.name.local == "src";
        }
    }
}

fn attribute_case(element: &str, name: Name<'_>, value: &str) -> Option<&'static Case> {
    let local = name.local;
    if local.len() > 2 && local.is_char_boundary(2) && local[..2].eq_ignore_ascii_case("on") {
        return Some(EVENT_ATTRIBUTE);
    }
    let is_listed = match name.namespace {
        Namespace::NONE => ATTRIBUTES.binary_search(&local).is_ok(),
        Namespace::XML => matches!(local, "lang" | "space"),
        _ => false,
    };
    if !is_listed {
        return Some(ATTRIBUTE);
    }
    if ADDRESSES.contains(&local) {
        return address_case(element, local, value);
    }
    (local == "style" && is_external(value)).then_some(EXTERNAL_STYLE)
}

/// Reads an address as browsers do: blanks before it and line ends within it are not there. (XML makes blanks of line
/// ends, HTML does not; no scheme has a blank.)
fn address_case(element: &str, attribute: &str, value: &str) -> Option<&'static Case> {
    let text: String = value.chars().filter(|one| *one > ' ').take(SCHEME_MAX).collect();
    let scheme = text.split_once(':')?.0.to_ascii_lowercase();
    let rest = &text[scheme.len() + 1..];
    match scheme.as_str() {
        "javascript" | "vbscript" | "livescript" => Some(ACTIVE_URL),
        "data" => {
            let kind = rest.to_ascii_lowercase();
            let is_picture = kind.starts_with("image/") && !kind.starts_with("image/svg");
            (!(element == "img" && attribute == "src" && is_picture)).then_some(DATA_URL)
        }
        _ => None,
    }
}

/// Characters of an address that are looked at: longer than any scheme that matters, and a media type.
const SCHEME_MAX: usize = 64;

/// Whether a style fetches or runs something, or is written so that this cannot be seen.
fn is_external(style: &str) -> bool {
    let plain: String = style.to_ascii_lowercase().chars().filter(|one| !one.is_whitespace()).collect();
    // A picture in the style itself is fetched from nowhere.
    let pictures = ["url(data:image/png", "url(data:image/gif", "url(data:image/jpeg"];
    let plain = pictures.iter().fold(plain, |plain, picture| plain.replace(picture, ""));
    let marks =
        ["url(", "expression(", "@import", "javascript:", "-moz-binding", "behavior:", "image-set(", "\\", "/*"];
    marks.iter().any(|mark| plain.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    const XMLNS: &str = " xmlns=\"http://www.w3.org/1999/xhtml\"";

    fn cases(markup: &str) -> Vec<&'static Case> {
        read(markup).breaches.iter().map(|breach| breach.case).collect()
    }

    #[test]
    fn lists_are_sorted_because_they_are_searched() {
        for list in [ELEMENTS, ATTRIBUTES, ACTIVE_ELEMENTS, ADDRESSES] {
            assert!(list.is_sorted());
        }
    }

    #[test]
    fn what_is_wrong_with_a_narrative_is_named() {
        let inside: &[(&str, &[&Case])] = &[
            ("text", &[]),
            ("<p class='x' style='color: red'>a <b>b</b> &#160;&lt; &quot;</p><!-- plain -->", &[]),
            ("<img src='#pic'/>", &[]),
            ("<img src='data:image/png;base64,AA=='/>", &[]),
            ("<a href='https://example.org/a?b#c' name='n'>a</a> <a href=''>b</a>", &[]),
            ("<p xml:lang='de'>a</p><p lang='de'>b</p>", &[]),
            ("", &[BLANK]),
            (" \n\t<p> </p>", &[BLANK]),
            ("<script>a</script>", &[ACTIVE_ELEMENT]),
            ("<SCRIPT>a</SCRIPT>", &[ACTIVE_ELEMENT]),
            ("<iframe src='x'>a</iframe>", &[ACTIVE_ELEMENT]),
            ("<form><input value='a'/></form>a", &[ACTIVE_ELEMENT]),
            ("<blink>a</blink>", &[ELEMENT]),
            ("<P>a</P>", &[ELEMENT]),
            ("<p onclick='a()'>a</p>", &[EVENT_ATTRIBUTE]),
            ("<p ONLOAD='a()'>a</p>", &[EVENT_ATTRIBUTE]),
            ("<p contenteditable='a'>a</p>", &[ATTRIBUTE]),
            ("<a href='javascript:a()'>a</a>", &[ACTIVE_URL]),
            ("<a href=' java&#9;Script:a()'>a</a>", &[ACTIVE_URL]),
            ("<a href='java\nscript:a()'>a</a>", &[ACTIVE_URL]),
            ("<a href='data:text/html,a'>a</a>", &[DATA_URL]),
            ("<img src='data:image/svg+xml,a'/>", &[DATA_URL]),
            ("<p style='background: URL(x)'>a</p>", &[EXTERNAL_STYLE]),
            ("<p style='background: u\\72l(x)'>a</p>", &[EXTERNAL_STYLE]),
            ("<p style='background: url(data:image/png;base64,AA==)'>a</p>", &[]),
            ("<p>a<p>b</p></p>", &[NESTED_PARAGRAPH]),
            ("<p>a</p><p>b</p>", &[]),
            ("<svg xmlns='http://www.w3.org/2000/svg'>a</svg>", &[NAMESPACE, ACTIVE_ELEMENT]),
            ("<h:b xmlns:h='http://www.w3.org/1999/xhtml'>a</h:b>", &[PREFIXED]),
            ("<![CDATA[><img src=x onerror=a()>]]>", &[CDATA]),
            ("<?x ><img src=x onerror=a()>?>a", &[INSTRUCTION]),
            ("<!--><img src=x onerror=a()>-->a", &[EARLY_COMMENT_END]),
            ("<!---><img src=x onerror=a()>-->a", &[EARLY_COMMENT_END]),
            ("<!-- --!><img src=x onerror=a()>-->a", &[EARLY_COMMENT_END, NOT_WELL_FORMED]),
            ("&nbsp;", &[ENTITY]),
            ("a & b", &[NOT_WELL_FORMED]),
            ("<p>a", &[NOT_WELL_FORMED]),
            ("<p onclick>a</p>", &[NOT_WELL_FORMED]),
            ("<p class=a>a</p>", &[NOT_WELL_FORMED]),
        ];
        let whole: &[(&str, &[&Case])] = &[
            ("<div>a</div>", &[NAMESPACE]),
            ("<div xmlns='http://hl7.org/fhir'>a</div>", &[NAMESPACE]),
            ("<p xmlns='http://www.w3.org/1999/xhtml'>a</p>", &[ROOT]),
            (
                "<div xmlns='http://www.w3.org/1999/xhtml'>a</div><div xmlns='http://www.w3.org/1999/xhtml'/>",
                &[NOT_WELL_FORMED],
            ),
            ("<?xml version='1.0'?><div xmlns='http://www.w3.org/1999/xhtml'>a</div>", &[OUTSIDE_ROOT]),
            ("<!-- a --><div xmlns='http://www.w3.org/1999/xhtml'>a</div>", &[OUTSIDE_ROOT]),
            (" <div xmlns='http://www.w3.org/1999/xhtml'>a</div>\n", &[]),
            ("<!DOCTYPE div><div xmlns='http://www.w3.org/1999/xhtml'>a</div>", &[HAS_DOCTYPE]),
            ("plain", &[OUTSIDE_ROOT, NOT_WELL_FORMED]),
        ];
        let inside = inside.iter().map(|(markup, cases)| (format!("<div{XMLNS}>{markup}</div>"), *cases));
        for (markup, cases) in inside.chain(whole.iter().map(|(markup, cases)| ((*markup).to_owned(), *cases))) {
            assert_eq!(self::cases(&markup), cases, "{markup}");
        }
    }

    #[test]
    fn the_hash_is_of_the_infoset() {
        let hash = |inside: &str| read(&format!("<div{XMLNS}>{inside}</div>")).hash;
        let one = hash("<p class='a' id='b'>x &amp; y\n<br/></p>");
        for same in [
            "<p id=\"b\" class=\"a\">x &#38; y\r\n<br></br></p>",
            "<p id='&#98;' class='a' >x <!-- -->&amp; y\n<br /></p>",
            "<h:p xmlns:h='http://www.w3.org/1999/xhtml' id='b' class='a'>x <![CDATA[&]]> y\n<h:br/></h:p>",
        ] {
            assert_eq!(hash(same), one, "{same}");
        }
        for other in [
            "<p class='a' id='c'>x &amp; y\n<br/></p>",
            "<p class='a'>x &amp; y\n<br/></p>",
            "<p class='a' id='b'>x &amp; y <br/></p>",
            "<p class='a' id='b'><br/>x &amp; y\n</p>",
            "<p class='a' id='b'>x &amp; y\n</p><br/>",
            "<b class='a' id='b'>x &amp; y\n<br/></b>",
        ] {
            assert_ne!(hash(other), one, "{other}");
        }
    }

    #[test]
    fn depth_and_size_cost_no_stack_and_no_squares() {
        let deep = format!("<div{XMLNS}>{}a{}</div>", "<b>".repeat(1_000_000), "</b>".repeat(1_000_000));
        let wide: String = (0..100_000).map(|n| format!(" a{n}='' xmlns:n{n}='u{n}'")).collect();
        let wide = format!("<div{XMLNS}{wide}>{}</div>", "<p/>".repeat(100_000));
        let small_stack = std::thread::Builder::new().stack_size(64 << 10);
        let run = small_stack.spawn(move || {
            assert_eq!(cases(&deep), [DEEP]);
            assert_eq!(cases(&wide), [ATTRIBUTE, BLANK]);
        });
        run.unwrap().join().unwrap();
    }
}
