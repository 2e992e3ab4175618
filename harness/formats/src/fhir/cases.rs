//! Rules of FHIR resources in JSON (F01–F24), of primitive values (P01–P10) and of structure (S01–S10, S07 in
//! `narrative`), with the cases in which an input breaks one.

use crate::rules::Rule;

crate::cases! {
    /// A name twice in an object, escapes resolved.
    DUPLICATE_KEY: "F01" "duplicate-key" refusal;
    /// A name that is an element's but for upper and lower case.
    NAME_CASE: "F02" "name-case" refusal;
    /// No `resourceType` where a resource must be.
    NO_RESOURCE_TYPE: "F04" "no-resource-type" refusal;
    /// `resourceType` is no string.
    RESOURCE_TYPE_KIND: "F04" "resource-type-kind" refusal;
    /// `resourceType` names no resource type of the release.
    UNKNOWN_RESOURCE_TYPE: "F04" "unknown-resource-type" refusal;
    /// Something other than an object where a resource must be.
    NO_RESOURCE: "F04" "no-resource" refusal;
    /// `resourceType` in an object that is no resource.
    STRAY_RESOURCE_TYPE: "F04" "stray-resource-type" refusal;
    /// `{}`.
    EMPTY_OBJECT: "F05" "empty-object" refusal;
    /// `[]`.
    EMPTY_ARRAY: "F06" "empty-array" refusal;
    /// A null that pads no array of primitives.
    NULL: "F07" "null" refusal;
    /// `""`.
    EMPTY_STRING: "F08" "empty-string" refusal;
    /// A single value where an element repeats.
    SINGLE_FOR_ARRAY: "F09" "single-for-array" refusal;
    /// An array of one where an element does not repeat.
    ARRAY_FOR_SINGLE: "F09" "array-for-single" refusal;
    /// An array in an array.
    ARRAY_IN_ARRAY: "F09" "array-in-array" refusal;
    /// `_x` is not as long as `x`.
    MISALIGNED: "F10" "misaligned" refusal;
    /// `_x` is an array and `x` is none, or the other way about.
    TWIN_SHAPE: "F10" "twin-shape" refusal;
    /// `_x` or an item of it is no object.
    TWIN_KIND: "F10" "twin-kind" refusal;
    /// Neither `x` nor `_x` has a value at this place of the array.
    BOTH_NULL: "F11" "both-null" refusal;
    /// `_x` where `x` is no primitive.
    TWIN_OF_NO_PRIMITIVE: "F12" "twin-of-no-primitive" refusal;
    /// Something other than `id` and `extension` in `_x`.
    TWIN_MEMBER: "F12" "twin-member" refusal;
    /// A string, boolean or object where a number belongs.
    NO_NUMBER: "F13" "no-number" refusal;
    /// A string, number or object where a boolean belongs.
    NO_BOOLEAN: "F13" "no-boolean" refusal;
    /// A number, boolean or object where a string belongs.
    NO_STRING: "F13" "no-string" refusal;
    /// A primitive where elements belong.
    NO_OBJECT: "F13" "no-object" refusal;
    /// A decimal that is none, or in R5 one with too many digits.
    DECIMAL: "F15" "decimal" refusal;
    /// A decimal that no IEEE 754 double reaches: no release before R5 forbids it, most readers cannot hold it.
    DECIMAL_RANGE: "F15" "decimal-range" either(Reject, Accept);
    /// The same where R5's precision is meant to fit.
    DECIMAL_RANGE_R5: "F15" "decimal-range-r5" refusal;
    /// Blanks around a value whose type has none.
    BLANKS: "F16" "blanks-around" refusal;
    /// A name that the type does not have: readers may ignore it or refuse it.
    UNKNOWN_PROPERTY: "F17" "unknown-property" either(Reject, Accept);
    /// `fhir_comments`, which DSTU2 had.
    FHIR_COMMENTS: "F18" "fhir-comments" refusal;
    /// More than one type of the same choice.
    TWO_CHOICES: "F19" "two-choices" refusal;
    /// A type that the choice does not have, `valuePatient`.
    CHOICE_TYPE: "F20" "choice-type" refusal;
    /// A required element is not there.
    MISSING: "F21" "missing-element" refusal;
    /// Several values where one may be.
    TOO_MANY: "F22" "too-many" refusal;
    /// Narrative that is not one string.
    NARRATIVE_KIND: "F23" "narrative-kind" refusal;
    /// Half of a surrogate pair: FHIR's strings are Unicode characters.
    LONE_SURROGATE: "J06" "lone-surrogate-in-fhir" refusal;

    /// A boolean that is neither `true` nor `false`.
    BOOLEAN: "P01" "boolean" refusal;
    /// An integer that is none.
    INTEGER: "P02" "integer" refusal;
    /// Beyond 32 bits, or 64 for integer64.
    INTEGER_RANGE: "P02" "integer-range" refusal;
    /// An unsignedInt or positiveInt that is none.
    UNSIGNED: "P03" "unsigned" refusal;
    /// An unsignedInt or positiveInt beyond 31 bits.
    UNSIGNED_RANGE: "P03" "unsigned-range" refusal;
    /// A control character that FHIR's strings do not have.
    CONTROL: "P04" "control-character" refusal;
    /// More than 1,048,576 characters.
    LONG: "P04" "too-long" refusal;
    /// A code that is none.
    CODE: "P05" "code" refusal;
    /// An id that is none.
    ID: "P06" "id" refusal;
    /// An id of more than 64 characters.
    ID_LONG: "P06" "id-too-long" refusal;
    /// A date, dateTime, instant or time that is none.
    TIME: "P07" "time" refusal;
    /// A day that its month does not have.
    NO_SUCH_DAY: "P07" "no-such-day" refusal;
    /// A dateTime with a time and no time zone.
    NO_ZONE: "P07" "no-time-zone" refusal;
    /// A time zone behind a date without a time, which R5's expression lets through.
    ZONE_OF_DATE: "P07" "time-zone-of-date" refusal;
    /// A uri, url or canonical that is none.
    URI: "P08" "uri" refusal;
    /// An oid that is none.
    OID: "P09" "oid" refusal;
    /// A uuid that is none.
    UUID: "P09" "uuid" refusal;
    /// base64Binary with characters that are none.
    BASE64: "P10" "base64" refusal;
    /// base64Binary that ends inside of a group, or has padding inside.
    BASE64_PADDING: "P10" "padding" refusal;
    /// Blanks in base64Binary: R5's expression has none, and readers should ignore them.
    BASE64_BLANKS: "P10" "blanks" either(Reject, Accept);

    /// An extension with a value and extensions.
    VALUE_AND_EXTENSION: "S01" "value-and-extension" refusal;
    /// An extension with neither.
    NO_VALUE: "S01" "no-value" refusal;
    /// An extension without a url.
    NO_URL: "S02" "no-url" refusal;
    /// An extension's relative url outside of another extension.
    RELATIVE_URL: "S02" "relative-url" refusal;
    /// `contained` in a contained resource.
    NESTED_CONTAINED: "S03" "nested-contained" refusal;
    /// A contained resource that nothing refers to, and that refers to nothing.
    NOT_REFERENCED: "S04" "not-referenced" either(Reject, Accept);
    /// `meta.versionId` or `meta.lastUpdated` of a contained resource.
    CONTAINED_VERSION: "S04" "contained-version" refusal;
    /// A security label of a contained resource.
    CONTAINED_SECURITY: "S04" "contained-security" refusal;
    /// Two contained resources have one id.
    CONTAINED_ID_TWICE: "S05" "contained-id-twice" refusal;
    /// A contained resource without an id.
    CONTAINED_NO_ID: "S05" "contained-no-id" refusal;
    /// `#x` where nothing contained has the id `x`.
    UNRESOLVED: "S05" "unresolved-fragment" refusal;
    /// An element with nothing but an id.
    ONLY_ID: "S06" "only-id" refusal;
    /// Two entries of a Bundle have one fullUrl and one version.
    FULL_URL_TWICE: "S08" "full-url-twice" refusal;
    /// A fullUrl with a version in it.
    FULL_URL_VERSION: "S08" "full-url-version" refusal;
    /// An entry without resource, request and response.
    EMPTY_ENTRY: "S08" "empty-entry" refusal;
    /// `total`, `search`, `request` or `response` where the Bundle's type has none, or none where it must have one.
    BUNDLE_PART: "S08" "bundle-part" refusal;
    /// A document or message that does not begin with its header, or lacks identifier or time.
    BUNDLE_HEADER: "S08" "bundle-header" refusal;
    /// More than [`super::RESOURCE_DEPTH_STRICT`] resources in each other.
    RESOURCE_DEPTH: "S10" "resource-depth" either(Reject, Accept);
}

const fn rule(id: &'static str, title: &'static str, source: &'static str, harm: &'static str) -> Rule {
    Rule { id, title, source, harm }
}

/// The rules of this table.
pub const RULES: &[Rule] = &[
    rule(
        "F01",
        "Names are unique in an object, after escapes are resolved.",
        "hl7.org/fhir/R4/json.html#json",
        "One reader takes the first of two values and another the last: gateway and store disagree about the patient.",
    ),
    rule(
        "F02",
        "Names are case-sensitive.",
        "hl7.org/fhir/R4/json.html#json",
        "A value under a name in the wrong case is taken by some readers and dropped by others.",
    ),
    rule(
        "F03",
        "The order of members says nothing; resourceType may come last.",
        "hl7.org/fhir/R4/json.html#resources",
        "Readers that want resourceType first refuse valid resources or guess their type.",
    ),
    rule(
        "F04",
        "A resource is an object with a resourceType that exists.",
        "hl7.org/fhir/R4/json.html#resources",
        "A resource that is read as another type passes checks that were made for that other type.",
    ),
    rule(
        "F05",
        "Objects are never empty.",
        "hl7.org/fhir/R4/json.html#json",
        "An empty element is dropped by one system and shown as present by another.",
    ),
    rule(
        "F06",
        "Arrays are never empty.",
        "hl7.org/fhir/R4/json.html#null",
        "Two bytes end a reader that expects an item; others drop the element.",
    ),
    rule(
        "F07",
        "Null only pads arrays of primitives.",
        "hl7.org/fhir/R4/json.html#null",
        "Null means delete to one system and nothing to another.",
    ),
    rule(
        "F08",
        "Strings are never empty.",
        "hl7.org/fhir/R4/json.html#json",
        "An empty value overwrites a known one, or is dropped.",
    ),
    rule(
        "F09",
        "What may repeat is an array, always; what may not is never one.",
        "hl7.org/fhir/R4/json.html#repeat",
        "Readers that coerce keep the first item and lose the rest.",
    ),
    rule(
        "F10",
        "`_x` runs parallel to `x`, padded with nulls.",
        "hl7.org/fhir/R4/json.html#null",
        "An extension moves to another name of the patient, or is lost.",
    ),
    rule(
        "F11",
        "At no place are both `x` and `_x` null.",
        "hl7.org/fhir/R4/json.html#null; ele-1",
        "A value without content shifts the ones behind it.",
    ),
    rule(
        "F12",
        "`_x` belongs to a primitive and holds only id and extension.",
        "hl7.org/fhir/R4/json.html#primitive",
        "Content under `_x` is invisible to half of the readers.",
    ),
    rule(
        "F13",
        "Numbers are JSON numbers, booleans JSON booleans, all else strings.",
        "hl7.org/fhir/R4/json.html#primitive",
        "A coerced value changes: \"1.0\" is 1, \"false\" is true.",
    ),
    rule(
        "F14",
        "The precision of decimals is kept.",
        "hl7.org/fhir/R4/datatypes.html#decimal",
        "1.0 and 1.00 are two measurements; a dose that is rounded is another dose.",
    ),
    rule(
        "F15",
        "A decimal is one of the published expression; R5 has at most 18 digits.",
        "hl7.org/fhir/R4/datatypes.html#decimal",
        "A number that overflows becomes infinite or null.",
    ),
    rule(
        "F16",
        "Blanks are part of a value; types other than string have none around them.",
        "hl7.org/fhir/R4/json.html#primitive",
        "A code with a blank is another code to a strict reader and the same to a trimming one.",
    ),
    rule(
        "F17",
        "Unknown properties are refused, or ignored and reported: one of the two, always.",
        "hl7.org/fhir/R4/json.html#json",
        "Data that the sender believes stored is silently dropped.",
    ),
    rule(
        "F18",
        "There is no `fhir_comments`.",
        "hl7.org/fhir/R4/json.html#json",
        "Text that only some readers show may contradict the data.",
    ),
    rule(
        "F19",
        "A choice has one value.",
        "hl7.org/fhir/R4/formats.html#choice",
        "Of two values, such as dead and the date of death, each reader keeps another one.",
    ),
    rule(
        "F20",
        "A choice has only the types that its definition lists.",
        "hl7.org/fhir/R4/formats.html#choice",
        "A value of a type that nobody expects is dropped without a word.",
    ),
    rule(
        "F21",
        "Required elements are there.",
        "hl7.org/fhir/R4/conformance-rules.html#cardinality",
        "An observation without status is taken as final, or as none.",
    ),
    rule(
        "F22",
        "No element comes more often than it may.",
        "hl7.org/fhir/R4/conformance-rules.html#cardinality",
        "Readers keep the first or the last of several.",
    ),
    rule(
        "F23",
        "Narrative is one string of escaped XHTML.",
        "hl7.org/fhir/R4/json.html#xhtml",
        "Markup in another form is not checked before it is shown.",
    ),
    rule(
        "F24",
        "Canonical JSON has no blanks and a fixed order; it reads as the same.",
        "hl7.org/fhir/R4/json.html#canonical",
        "A signature over one spelling does not hold for another.",
    ),
    rule(
        "P01",
        "boolean is true or false.",
        "hl7.org/fhir/R4/datatypes.html#boolean",
        "TRUE, 1 and yes are true to some readers and false to others.",
    ),
    rule(
        "P02",
        "integer has 32 bits, integer64 has 64.",
        "hl7.org/fhir/R4/datatypes.html#integer",
        "A count beyond the range wraps, is dropped or becomes a float.",
    ),
    rule(
        "P03",
        "unsignedInt and positiveInt are what their names say.",
        "hl7.org/fhir/R4/datatypes.html#positiveInt",
        "A negative count is taken as a large one.",
    ),
    rule(
        "P04",
        "string and markdown have at most 1,048,576 characters and no control characters.",
        "hl7.org/fhir/R4/datatypes.html#string",
        "U+0000 ends a name in databases and C code: two patients become one.",
    ),
    rule(
        "P05",
        "code has single blanks inside and none around.",
        "hl7.org/fhir/R4/datatypes.html#code",
        "Codes that look alike are not equal.",
    ),
    rule(
        "P06",
        "id is 1 to 64 of A-Z, a-z, 0-9, hyphen and dot.",
        "hl7.org/fhir/R4/datatypes.html#id",
        "`a/../b` in an id reaches another patient's resource.",
    ),
    rule(
        "P07",
        "Dates and times exist, and have a time zone where they have a time.",
        "hl7.org/fhir/R4/datatypes.html#dateTime",
        "30 February becomes 1 or 2 March, or another age; a time without zone is hours off.",
    ),
    rule(
        "P08",
        "uri, url and canonical have no blanks.",
        "hl7.org/fhir/R4/datatypes.html#uri",
        "A system's address with a blank is another system.",
    ),
    rule(
        "P09",
        "oid and uuid are of the published expressions.",
        "hl7.org/fhir/R4/datatypes.html#oid",
        "Identifiers that differ only in case are one to some systems.",
    ),
    rule(
        "P10",
        "base64Binary is base64.",
        "hl7.org/fhir/R4/datatypes.html#base64Binary; RFC 4648",
        "A repaired attachment is another document; the published expression takes exponential time in many engines.",
    ),
    rule(
        "S01",
        "An extension has a value or extensions, not both (ext-1).",
        "hl7.org/fhir/R4/extensibility.html#Extension",
        "Readers keep one of the two.",
    ),
    rule(
        "S02",
        "An extension has a url, absolute unless inside another extension.",
        "hl7.org/fhir/R4/extensibility.html#Extension",
        "What an extension says cannot be known, and is dropped.",
    ),
    rule(
        "S03",
        "A contained resource contains none (dom-2).",
        "hl7.org/fhir/R4/domainresource.html#invs",
        "Depth without limit, and references that nobody resolves.",
    ),
    rule(
        "S04",
        "A contained resource is referred to, and has no version, date or security label (dom-3, dom-4, dom-5).",
        "hl7.org/fhir/R4/domainresource.html#invs",
        "A label on a contained resource is not enforced.",
    ),
    rule(
        "S05",
        "Contained resources have ids of their own, and `#id` finds one.",
        "hl7.org/fhir/R4/references.html#contained",
        "A reference that finds another resource than was meant.",
    ),
    rule(
        "S06",
        "An element has a value or children (ele-1).",
        "hl7.org/fhir/R4/element.html#invs",
        "An element without content counts in one system and not in another.",
    ),
    rule(
        "S08",
        "A Bundle's entries fit its type, and their fullUrls are unique (bdl-1 to bdl-12).",
        "hl7.org/fhir/R4/bundle.html#invs",
        "A reference resolves to the wrong one of two entries.",
    ),
    rule(
        "S09",
        "Reading ends although references run in circles.",
        "hl7.org/fhir/R4/references.html",
        "A reader that follows references never ends.",
    ),
    rule(
        "S10",
        "Resources are not nested without limit.",
        "hl7.org/fhir/R4/bundle.html; hl7.org/fhir/R4/parameters.html",
        "A small document ends a process by its depth.",
    ),
];
