//! FHIR resources in XML.

pub mod events;
mod read;

pub use read::read_xml;

use crate::rules::Rule;

/// Levels of elements that a strict gateway takes; as in JSON.
pub const DEPTH_STRICT: usize = crate::json::DEPTH_STRICT;

crate::cases! {
    /// An element of a resource that is not in FHIR's namespace.
    NAMESPACE: "X01" "namespace" refusal;
    /// A document type declaration.
    DOCTYPE: "X02" "doctype" refusal;
    /// An element after one that the definition puts behind it.
    ORDER: "X03" "order" refusal;
    /// An element with neither value nor children.
    EMPTY_ELEMENT: "X04" "empty-element" refusal;
    /// An attribute without a character that is no blank.
    EMPTY_ATTRIBUTE: "X04" "empty-attribute" refusal;
    /// An attribute that the element does not have: all but `value`, `url` and `id` where they belong.
    ATTRIBUTE: "X05" "attribute" refusal;
    /// Text between elements.
    TEXT: "X06" "text" refusal;
    /// Bytes that are no UTF-8.
    NOT_UTF_8: "X07" "not-utf-8" refusal;
    /// UTF-16 or UTF-32.
    WIDE_ENCODING: "X07" "wide-encoding" refusal;
    /// The declaration names another encoding.
    DECLARED_ENCODING: "X07" "declared-encoding" refusal;
    /// `xsi:schemaLocation` and its like.
    SCHEMA_LOCATION: "X08" "schema-location" refusal;
    /// A processing instruction: readers ignore it.
    INSTRUCTION: "X09" "processing-instruction" either(Accept, Accept);
    /// Blanks around a value: readers should trim them, and published examples have them.
    SURROUNDING_BLANKS: "X10" "surrounding-blanks" either(Accept, Accept);
    /// No rule of the grammar lets this stand here.
    SYNTAX: "X11" "syntax" refusal;
    /// There is no element at all.
    NO_ROOT: "X11" "no-root" refusal;
    /// The input ends inside of an element.
    UNCLOSED: "X11" "unclosed" refusal;
    /// An end tag that fits no start tag.
    MISMATCHED_END: "X11" "mismatched-end" refusal;
    /// A second element behind the first.
    SECOND_ROOT: "X11" "second-root" refusal;
    /// Text before or behind the root.
    OUTSIDE: "X11" "outside-root" refusal;
    /// A character that XML does not have, as itself or by reference.
    CHARACTER: "X11" "character" refusal;
    /// `&` that begins no reference.
    AMPERSAND: "X11" "ampersand" refusal;
    /// `<` in a value.
    LESS_THAN: "X11" "less-than" refusal;
    /// `]]>` in text.
    CDATA_END: "X11" "cdata-end" refusal;
    /// `--` in a comment.
    COMMENT: "X11" "comment" refusal;
    /// An XML declaration that is not at the beginning, not of 1.0, or not in order.
    DECLARATION: "X11" "declaration" refusal;
    /// XML 1.1: no reader must know it.
    VERSION: "X11" "version-1.1" either(Reject, Accept);
    /// A name that is none.
    NAME: "X11" "name" refusal;
    /// A prefix that stands for nothing.
    PREFIX: "X11" "prefix" refusal;
    /// An attribute twice.
    DUPLICATE_ATTRIBUTE: "X12" "duplicate-attribute" refusal;
    /// An element that may come once, again.
    REPEATED: "X13" "repeated" refusal;
    /// More than [`DEPTH_STRICT`] levels.
    DEEP: "X14" "deep" either(Reject, Accept);
    /// A declaration of an entity.
    ENTITY_DECLARATION: "X14" "entity-declaration" refusal;
    /// A reference to an entity that is not one of XML's five.
    NAMED_ENTITY: "X16" "named-entity" refusal;
}

/// The rules of FHIR in XML.
pub const RULES: &[Rule] = &[
    Rule {
        id: "X01",
        title: "Elements are in the namespace http://hl7.org/fhir, under any prefix; narrative is in XHTML's.",
        source: "FHIR xml.html#root",
        harm: "A gateway that looks at local names filters a resource that the store does not see, or the other way round.",
    },
    Rule {
        id: "X02",
        title: "There are no document type declarations.",
        source: "FHIR xml.html#root",
        harm: "An external entity reads files of the server into a record.",
    },
    Rule {
        id: "X03",
        title: "Elements stand in the order of the definition.",
        source: "FHIR xml.html#root",
        harm: "Readers that expect the order drop what comes late.",
    },
    Rule {
        id: "X04",
        title: "Elements and attributes are not empty.",
        source: "FHIR xml.html#root",
        harm: "An empty value is kept by one reader and dropped by the next: known to be empty is not unknown.",
    },
    Rule {
        id: "X05",
        title: "Only value, url and id are attributes, where the definition has them.",
        source: "FHIR xml.html#root",
        harm: "What one reader ignores in an attribute, another shows.",
    },
    Rule {
        id: "X06",
        title: "Elements hold no text.",
        source: "FHIR xml.html#root; formats.html#xml",
        harm: "Text that is no value is lost silently, although a person sees it in the file.",
    },
    Rule {
        id: "X07",
        title: "The text is UTF-8.",
        source: "FHIR xml.html#root",
        harm: "Filters that read bytes do not see what is written in UTF-16.",
    },
    Rule {
        id: "X08",
        title: "The schema is not named in the resource.",
        source: "FHIR xml.html#schema",
        harm: "A validating reader fetches what the sender tells it to.",
    },
    Rule {
        id: "X09",
        title: "Comments and processing instructions are no content.",
        source: "FHIR xml.html#root",
        harm: "A comment that splits a value cuts it short in readers that take the first piece.",
    },
    Rule {
        id: "X10",
        title: "Blanks around values are trimmed.",
        source: "FHIR xml.html#root",
        harm: "Two readers search for two identifiers.",
    },
    Rule {
        id: "X11",
        title: "The document is well-formed: one root, closed, and nothing beside it.",
        source: "XML 1.0 section 2.1; Namespaces in XML 1.0",
        harm: "A cut-off resource passes as a whole one, and a second one hides behind the first.",
    },
    Rule {
        id: "X12",
        title: "An element has no attribute twice.",
        source: "XML 1.0 section 3.1; Namespaces in XML 1.0 section 6.3",
        harm: "One reader takes the first value, another the last.",
    },
    Rule {
        id: "X13",
        title: "Only elements that may repeat do.",
        source: "FHIR xml.html#root; conformance-rules.html#cardinality",
        harm: "One reader takes the first gender or date, another the last.",
    },
    Rule {
        id: "X14",
        title: "Depth, entities and long values are refused cleanly.",
        source: "XML 1.0 section 4.4; FHIR security.html",
        harm: "A kilobyte of entities or tags ends a process that has no limit.",
    },
    Rule {
        id: "X15",
        title: "JSON and XML of one resource say the same.",
        source: "FHIR formats.html",
        harm: "A system that converts changes the record.",
    },
    Rule {
        id: "X16",
        title: "There are no named entities but XML's five.",
        source: "FHIR narrative.html",
        harm: "A reader that does not know the entity drops the sign it stands for: a dose loses its micro.",
    },
];
