//! FHIR resources out of random bytes: valid by the published definitions, small, and full of the datatypes' edges.

use crate::fhir::Release;
use crate::fhir::definitions::{Definitions, Element, Sort, TypeId, definitions};
use crate::tree::{Id, Tree, What};
use arbitrary::Unstructured;

/// Nodes after which nothing optional is added.
const NODES_MAX: usize = 300;
/// Levels of elements below a resource that hold optional ones of complex types.
const DEPTH_MAX: usize = 4;
/// Levels of resources in resources.
const RESOURCES_MAX: usize = 3;

/// A resource of any type. The same bytes give the same one; few bytes give a small one.
///
/// It keeps the rules that a parser can check: cardinalities, lexical forms, real dates, `_x` twins in step, one choice,
/// extensions with either value or extensions, contained resources that are referred to, Bundles with unique `fullUrl`s.
pub fn resource(bytes: &mut Unstructured<'_>, release: Release) -> Tree {
    let all = definitions(release);
    let mut generator = Generator { bytes, all, tree: Tree::new(), serial: 0, resources: 0 };
    let of = generator.any_type(Place::Top);
    generator.resource(None, b"", of, Place::Top);
    generator.tree
}

/// Where a resource stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Entry,
    Contained,
}

struct Generator<'a, 'b> {
    bytes: &'a mut Unstructured<'b>,
    all: &'static Definitions,
    tree: Tree,
    /// Numbers for ids, so that none comes twice.
    serial: usize,
    /// Resources that are open.
    resources: usize,
}

impl Generator<'_, '_> {
    /// A number below `bound`; 0 when the bytes are used up.
    fn below(&mut self, bound: usize) -> usize {
        let number = self.bytes.arbitrary::<u16>().unwrap_or(0);
        (usize::from(number) * bound) >> 16
    }

    /// True once in `n` times; never when the bytes are used up.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) + 1 == n
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    fn room(&self) -> bool {
        self.tree.len() < NODES_MAX
    }

    fn next_id(&mut self, prefix: &str) -> String {
        self.serial += 1;
        format!("SYN-{prefix}{}", self.serial)
    }

    fn leaf(&mut self, parent: Id, label: &str, what: What, text: &str) -> Id {
        self.tree.add(Some(parent), label.as_bytes(), what, text.as_bytes(), 0..0)
    }

    fn string(&mut self, parent: Id, label: &str, text: &str) {
        self.leaf(parent, label, What::String, text);
    }

    fn list(&mut self, parent: Id, label: &str) -> Id {
        self.leaf(parent, label, What::List, "")
    }

    /// Types that people send, more often than the others.
    fn any_type(&mut self, place: Place) -> TypeId {
        const COMMON: &[&str] = &[
            "Patient",
            "Observation",
            "MedicationRequest",
            "Practitioner",
            "Encounter",
            "Basic",
            "Bundle",
            "Parameters",
        ];
        let common = if place == Place::Contained { &COMMON[..6] } else { COMMON };
        if !self.once_in(4) {
            let name = self.pick(common);
            return self.all.named(name).expect("a type of every release");
        }
        let types: Vec<TypeId> = self.all.resources().collect();
        let of = types[self.below(types.len())];
        match self.all.get(of).name {
            "Bundle" | "Parameters" if place == Place::Contained => {
                self.all.named("Patient").expect("a type of every release")
            }
            _ => of,
        }
    }

    fn resource(&mut self, parent: Option<Id>, label: &[u8], of: TypeId, place: Place) {
        let name = self.all.get(of).name;
        let id = self.tree.add(parent, label, What::Object, name.as_bytes(), 0..0);
        self.resources += 1;
        if place == Place::Contained {
            let own = self.next_id("c");
            self.string(id, "id", &own);
        } else if self.once_in(2) {
            let own =
                self.pick(&["SYN-1", "a", "A.b-9", "1234567890123456789012345678901234567890123456789012345678901234"]);
            self.string(id, "id", own);
        }
        match name {
            "Bundle" => self.bundle(id),
            _ => self.resource_content(id, of, place),
        }
        self.resources -= 1;
    }

    fn resource_content(&mut self, id: Id, of: TypeId, place: Place) {
        let all = self.all;
        let mut referred = Vec::new();
        for element in all.elements(of) {
            match element.name {
                "id" => {}
                // What stands in another resource has neither versions nor labels of its own.
                "meta" | "text" if place == Place::Contained => {}
                "contained" => {
                    if place != Place::Contained && self.resources < RESOURCES_MAX && self.once_in(8) {
                        let list = self.list(id, "contained");
                        for _ in 0..1 + self.below(2) {
                            let of = self.any_type(Place::Contained);
                            self.resource(Some(list), b"", of, Place::Contained);
                            referred.push(format!("#SYN-c{}", self.serial_of_last(list)));
                        }
                    }
                }
                "extension" if !referred.is_empty() => {
                    let list = self.list(id, "extension");
                    for reference in std::mem::take(&mut referred) {
                        let extension = self.leaf(list, "", What::Object, "");
                        self.string(extension, "url", "http://example.org/SYN-contained");
                        let value = self.leaf(extension, "valueReference", What::Object, "");
                        self.string(value, "reference", &reference);
                    }
                }
                _ => {
                    let once_in = if self.resources > 1 { 24 } else { 8 };
                    if element.min > 0 || (self.room() && self.once_in(once_in)) {
                        self.element(id, element, 0);
                    }
                }
            }
        }
    }

    /// The number in the id of the last item of a list of contained resources.
    fn serial_of_last(&self, list: Id) -> usize {
        let last = self.tree.children(list).last();
        let id = last.and_then(|last| self.tree.member(last, "id")).map(|id| self.tree.text(id));
        let number = id.and_then(|id| std::str::from_utf8(id.strip_prefix(b"SYN-c")?).ok()?.parse().ok());
        number.expect("it was written so")
    }

    fn bundle(&mut self, id: Id) {
        self.string(id, "type", "collection");
        let entries = if self.resources < RESOURCES_MAX { self.below(4) } else { 0 };
        if entries == 0 {
            return;
        }
        let list = self.list(id, "entry");
        for _ in 0..entries {
            let entry = self.leaf(list, "", What::Object, "");
            self.serial += 1;
            let url = format!("urn:uuid:00000000-0000-4000-8000-{:012x}", self.serial);
            self.string(entry, "fullUrl", &url);
            let of = self.any_type(Place::Entry);
            self.resource(Some(entry), b"resource", of, Place::Entry);
        }
    }

    fn element(&mut self, holder: Id, element: &Element, depth: usize) {
        let all = self.all;
        let simple = |of: &&TypeId| all.get(**of).sort == Sort::Primitive;
        let deep = depth >= DEPTH_MAX || !self.room();
        let types: Vec<TypeId> = match element.types.iter().filter(simple).count() {
            0 if deep && element.min == 0 => return,
            0 => element.types.clone(),
            _ if deep => element.types.iter().filter(simple).copied().collect(),
            _ => element.types.clone(),
        };
        let of = types[self.below(types.len())];
        if of == all.any_resource() && self.resources >= RESOURCES_MAX && element.min == 0 {
            return;
        }
        let mut label = element.name.to_owned();
        if element.is_choice {
            let (first, rest) = all.get(of).name.split_at(1);
            label = format!("{label}{}{rest}", first.to_ascii_uppercase());
        }
        if !element.repeats() {
            self.value(holder, &label, of, element, depth);
            return;
        }
        let list = self.list(holder, &label);
        let most = (element.max.min(3) as usize).max(1);
        let count = (1 + self.below(most)).max(element.min.min(3) as usize);
        for _ in 0..count {
            self.value(list, "", of, element, depth);
        }
    }

    fn value(&mut self, parent: Id, label: &str, of: TypeId, element: &Element, depth: usize) {
        if of == self.all.any_resource() {
            let of = self.any_type(Place::Entry);
            return self.resource(Some(parent), label.as_bytes(), of, Place::Entry);
        }
        match self.all.get(of).sort {
            Sort::Primitive => self.primitive(parent, label, self.all.get(of).name, element, depth),
            _ => self.object(parent, label, of, depth + 1),
        }
    }

    fn object(&mut self, parent: Id, label: &str, of: TypeId, depth: usize) {
        let id = self.leaf(parent, label, What::Object, "");
        match self.all.get(of).name {
            "Extension" => return self.extension(id, depth),
            "Narrative" => {
                let status = self.pick(&["generated", "additional"]);
                self.string(id, "status", status);
                let div = self.pick(NARRATIVES);
                self.leaf(id, "div", What::Narrative, div);
                return;
            }
            "Reference" => {
                let (label, text) = match self.below(4) {
                    0 => ("reference", self.pick(&["Patient/SYN-1", "Observation/a/_history/2"])),
                    1 => ("reference", "http://example.org/fhir/Practitioner/SYN-2"),
                    2 => ("reference", "urn:uuid:00000000-0000-4000-8000-00000000ffff"),
                    _ => ("display", self.pick(STRINGS)),
                };
                return self.string(id, label, text);
            }
            "Parameters.parameter" => return self.parameter(id, of, depth),
            _ => {}
        }
        let all = self.all;
        for element in all.elements(of) {
            if element.min > 0 || (self.room() && self.once_in(3 + depth * 3)) {
                self.element(id, element, depth);
            }
        }
        // An `id` alone is no content.
        if self.tree.children(id).all(|child| self.tree.label(child) == b"id") {
            self.fill(id, of, depth);
        }
    }

    /// Something in an object that would be empty.
    fn fill(&mut self, id: Id, of: TypeId, depth: usize) {
        let all = self.all;
        let simple = |element: &&Element| {
            element.name != "id" && element.types.iter().any(|of| all.get(*of).sort == Sort::Primitive)
        };
        let simple: Vec<&Element> = all.elements(of).iter().filter(simple).collect();
        if simple.is_empty() {
            let list = self.list(id, "extension");
            self.plain_extension(list);
        } else {
            let element = simple[self.below(simple.len())];
            self.element(id, element, depth.max(DEPTH_MAX));
        }
    }

    fn parameter(&mut self, id: Id, of: TypeId, depth: usize) {
        let all = self.all;
        let named =
            |name: &str| all.elements(of).iter().find(|element| element.name == name).expect("a parameter's element");
        let name = self.pick(&["name", "a", "SYN"]);
        self.string(id, "name", name);
        match self.below(3) {
            1 if self.resources < RESOURCES_MAX => self.element(id, named("resource"), depth),
            2 if depth < DEPTH_MAX => {
                let list = self.list(id, "part");
                let part = self.leaf(list, "", What::Object, "");
                self.parameter(part, of, depth + 1);
            }
            _ => self.element(id, named("value"), depth),
        }
    }

    fn extension(&mut self, id: Id, depth: usize) {
        if depth < DEPTH_MAX && self.once_in(4) {
            self.string(id, "url", "http://example.org/SYN-complex");
            let list = self.list(id, "extension");
            for _ in 0..1 + self.below(2) {
                let inner = self.leaf(list, "", What::Object, "");
                self.extension(inner, depth + 1);
            }
            return;
        }
        let url = self.pick(&[
            "http://example.org/SYN",
            "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "urn:oid:2.999.7",
        ]);
        self.string(id, "url", url);
        let all = self.all;
        let of = all.named("Extension").expect("a type of every release");
        let value = all.elements(of).iter().find(|element| element.name == "value").expect("it has a value");
        self.element(id, value, depth);
        if self.tree.children(id).count() == 1 {
            self.string(id, "valueString", "x");
        }
    }

    fn plain_extension(&mut self, list: Id) {
        let id = self.leaf(list, "", What::Object, "");
        self.string(id, "url", "http://example.org/SYN");
        let code = self.pick(&["unknown", "masked"]);
        self.string(id, "valueCode", code);
    }

    fn primitive(&mut self, parent: Id, label: &str, of: &str, element: &Element, depth: usize) {
        if of == "xhtml" {
            let div = self.pick(NARRATIVES);
            self.leaf(parent, label, What::Narrative, div);
            return;
        }
        let (what, text) = self.primitive_value(of);
        let may_have_twin = !element.is_attribute && depth < DEPTH_MAX && self.room();
        if !may_have_twin || !self.once_in(12) {
            self.leaf(parent, label, what, text);
            return;
        }
        // A value that is required stays; another may be left to its extension.
        let absent = element.min == 0 && self.once_in(3);
        let id = if absent { self.leaf(parent, label, What::Null, "") } else { self.leaf(parent, label, what, text) };
        let named = self.once_in(2);
        if named {
            let own = self.next_id("e");
            self.string(id, "id", &own);
        }
        if absent || !named || self.once_in(2) {
            let list = self.list(id, "extension");
            self.plain_extension(list);
        }
    }

    fn primitive_value(&mut self, of: &str) -> (What, &'static str) {
        let (what, values): (What, &[&'static str]) = PRIMITIVES
            .iter()
            .find(|(name, ..)| *name == of)
            .map_or((What::String, &["SYN"]), |(_, what, values)| (*what, values));
        (what, self.pick(values))
    }
}

const STRINGS: &[&str] = &[
    "x",
    "Anna SYN",
    "M\u{fc}ller",
    "a \"b\" \\ c",
    "\u{1f600}",
    "e\u{301}",
    "<b>&amp;</b>",
    "a\nb",
    "0",
    "null",
    "true",
    "\u{65e5}\u{672c}",
    "a\u{200b}b",
    "{\"a\":1}",
    "//",
    "\u{10ffff}",
    "a\u{a0}b",
    "%s%n",
    "\u{2028}.",
    "'",
    "1.00",
];

const DATES: &[&str] = &["2024", "2024-02", "2024-02-29", "1900-01-01", "9999-12-31", "2000-02-29"];

const INSTANTS: &[&str] = &[
    "2024-02-29T23:59:59Z",
    "2016-12-31T23:59:60Z",
    "2024-01-31T10:00:00.000+01:00",
    "2024-01-31T10:00:00.123456789-05:00",
    "2024-01-31T00:00:00+14:00",
    "1999-12-31T10:00:00.1Z",
];

const URIS: &[&str] =
    &["http://example.org/SYN", "urn:oid:2.999.1", "urn:uuid:00000000-0000-4000-8000-000000000001", "a#b", "a/b"];

/// Valid values of each primitive type, edges among them; how JSON writes them.
pub const PRIMITIVES: &[(&str, What, &[&str])] = &[
    ("boolean", What::Boolean, &["true", "false"]),
    ("integer", What::Number, &["0", "1", "-1", "42", "2147483647", "-2147483648"]),
    ("unsignedInt", What::Number, &["0", "1", "2147483647"]),
    ("positiveInt", What::Number, &["1", "2", "2147483647"]),
    ("integer64", What::String, &["0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808"]),
    (
        "decimal",
        What::Number,
        &[
            "0",
            "0.0",
            "1",
            "1.0",
            "1.00",
            "-1.5",
            "0.010",
            "100",
            "1e2",
            "1E-2",
            "1.5e+3",
            "123456789012.345678",
            "9007199254740993",
        ],
    ),
    ("string", What::String, STRINGS),
    ("markdown", What::String, STRINGS),
    ("code", What::String, &["final", "a", "active", "a b", "en", "SYN-code", "1.0"]),
    ("id", What::String, &["a", "SYN-1", "A.b-9"]),
    ("uri", What::String, URIS),
    ("url", What::String, &["http://example.org/SYN", "mailto:syn@example.org", "https://example.org/a?b=c#d"]),
    ("canonical", What::String, &["http://example.org/SYN", "http://example.org/SYN|1.0"]),
    ("oid", What::String, &["urn:oid:2.999.1", "urn:oid:2.999.0.10"]),
    (
        "uuid",
        What::String,
        &["urn:uuid:00000000-0000-4000-8000-000000000001", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
    ),
    ("date", What::String, DATES),
    (
        "dateTime",
        What::String,
        &[
            "2024",
            "2024-02",
            "2024-02-29",
            "2024-02-29T23:59:59Z",
            "2016-12-31T23:59:60Z",
            "2024-01-31T10:00:00.5+01:00",
        ],
    ),
    ("instant", What::String, INSTANTS),
    ("time", What::String, &["00:00:00", "23:59:59", "10:00:00.123", "12:34:56"]),
    ("base64Binary", What::String, &["AAAA", "SGk=", "AA==", "/+8="]),
];

const NARRATIVES: &[&str] = &[
    "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a<br/>b</p></div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><table><tr><td>&lt;1 &amp; 2</td></tr></table></div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><p class=\"a\">\u{e9}</p></div>",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{read_json, write_json, write_xml};
    use quickcheck::quickcheck;

    /// Bytes by SplitMix64: quickcheck's own are short.
    pub(super) fn bytes(seed: u64, count: usize) -> Vec<u8> {
        let step = |at: usize| {
            let state = seed.wrapping_add((at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) as u8
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn every_primitive_is_of_its_lexical_form_in_every_release() {
        for release in Release::ALL {
            let all = definitions(release);
            for (name, what, values) in PRIMITIVES {
                let Some(of) = all.named(name) else { continue };
                for value in *values {
                    let form = all.get(of).lexical.as_ref().expect("all of these have one");
                    assert!(form.matches(value.as_bytes()), "{release:?} {name} {what:?} {value}");
                }
            }
            let known = |name: &str| PRIMITIVES.iter().any(|(known, ..)| *known == name) || name == "xhtml";
            for each in all.types().iter().filter(|each| each.sort == Sort::Primitive) {
                assert!(known(each.name), "{release:?} {}", each.name);
            }
        }
    }

    #[test]
    fn resources_are_small_varied_and_have_a_form_in_xml() {
        let mut types = std::collections::BTreeSet::new();
        let (mut twins, mut contained, mut bundles, mut nodes) = (0, 0, 0, 0);
        for seed in 0..2_000 {
            for release in Release::ALL {
                let bytes = bytes(seed, 64 + seed as usize % 1_000);
                let tree = resource(&mut Unstructured::new(&bytes), release);
                assert_eq!(tree, resource(&mut Unstructured::new(&bytes), release));
                let json = String::from_utf8(write_json(&tree)).unwrap();
                assert!(write_xml(&tree, release).is_some(), "{release:?} {json}");
                assert!(tree.len() < 4 * NODES_MAX, "{} nodes", tree.len());
                assert!(crate::json::read(json.as_bytes()).breaches.is_empty(), "{json}");
                types.insert(tree.text(0).to_vec());
                nodes += tree.len();
                twins += usize::from(json.contains("\"_"));
                contained += usize::from(json.contains("\"contained\""));
                bundles += usize::from(json.contains("\"Bundle\""));
            }
        }
        assert!(types.len() > 100, "{} types", types.len());
        assert!(
            twins > 500 && contained > 200 && bundles > 200 && nodes > 6_000 * 10,
            "{twins} {contained} {bundles} {nodes}"
        );
    }

    #[test]
    fn the_reference_accepts_what_is_generated_and_reads_it_whole() {
        for seed in 0..3_000 {
            for release in Release::ALL {
                let bytes = bytes(seed, 64 + seed as usize % 1_000);
                let json = write_json(&resource(&mut Unstructured::new(&bytes), release));
                let reading = read_json(&json, release);
                let cases: Vec<_> = reading.breaches.iter().map(|seen| (seen.case.rule, seen.case.name)).collect();
                assert!(cases.is_empty(), "{release:?} {cases:?} in {}", String::from_utf8_lossy(&json));
                // What was read is written again as it was.
                assert_eq!(write_json(&reading.tree.expect("it was accepted")), json);
            }
        }
    }

    #[test]
    fn no_bytes_give_a_resource_too() {
        fn property(bytes: Vec<u8>) -> bool {
            let tree = resource(&mut Unstructured::new(&bytes), Release::R4);
            definitions(Release::R4).resource(tree.text(0)).is_some()
        }
        assert!(property(Vec::new()));
        quickcheck(property as fn(Vec<u8>) -> bool);
    }
}
