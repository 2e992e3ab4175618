//! Types and elements of FHIR, from the tables that `definitions/make.py` makes out of HL7's publications.
//!
//! A table has a line `=NAME BASE KIND [REGEX]` for each type (backbone elements are types: `Patient.contact`), then a line
//! `NAME MIN..MAX TYPES` for each element that the base does not have, tabs between. `@` behind MAX is an XML attribute, TYPES
//! are separated by `|`, `*7` stands for the list of that name.

use super::Release;
use super::lexical::Lexical;
use std::ops::Range;
use std::sync::LazyLock;

/// A type's number in its release.
pub type TypeId = u16;

/// What sort of type it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// A value with a lexical form.
    Primitive,
    /// `HumanName`, `Extension`…
    Complex,
    /// An element with elements of its own, `Patient.contact`.
    Backbone,
    /// A resource type.
    Resource,
    /// Never by itself: `Resource` stands for any resource.
    Abstract,
}

/// A type.
#[derive(Debug)]
pub struct Type {
    /// `Patient`, `string`, `Patient.contact`.
    pub name: &'static str,
    /// Its sort.
    pub sort: Sort,
    /// What it extends.
    pub base: Option<TypeId>,
    /// The lexical form of a primitive.
    pub lexical: Option<Lexical>,
    elements: Range<u32>,
    required: Range<u32>,
    properties: Range<u32>,
}

/// An element of a type.
#[derive(Debug)]
pub struct Element {
    /// Its name, without `[x]` where it is a choice.
    pub name: &'static str,
    /// Whether it is written with its type behind its name: `value[x]`.
    pub is_choice: bool,
    /// Fewest occurrences.
    pub min: u32,
    /// Most occurrences; `u32::MAX` for `*`. Above 1 it is an array in JSON.
    pub max: u32,
    /// Whether XML has it as an attribute.
    pub is_attribute: bool,
    /// Its types; one, unless it is a choice.
    pub types: Vec<TypeId>,
}

impl Element {
    /// Whether it may come more than once: an array in JSON.
    pub fn repeats(&self) -> bool {
        self.max > 1
    }
}

/// An element under one of the names that JSON and XML write.
#[derive(Debug)]
pub struct Property {
    /// As written: `gender`, `valueQuantity`.
    pub name: String,
    /// The type that has it.
    pub holder: TypeId,
    /// Number of the element, in order, among those of its release.
    pub element: u32,
    /// The type of its value.
    pub of: TypeId,
}

/// All types of a release.
#[derive(Debug)]
pub struct Definitions {
    /// Which release.
    pub release: Release,
    types: Vec<Type>,
    elements: Vec<Element>,
    required: Vec<u32>,
    properties: Vec<Property>,
    /// Open addressing: number of a property and one, or 0. A power of two, at most half full.
    slots: Vec<u32>,
    /// The same for types, by name.
    type_slots: Vec<u16>,
    resource: TypeId,
}

static R4: LazyLock<Definitions> =
    LazyLock::new(|| Definitions::parse(Release::R4, include_str!("../../definitions/r4.tsv")));
static R4B: LazyLock<Definitions> =
    LazyLock::new(|| Definitions::parse(Release::R4B, include_str!("../../definitions/r4b.tsv")));
static R5: LazyLock<Definitions> =
    LazyLock::new(|| Definitions::parse(Release::R5, include_str!("../../definitions/r5.tsv")));

/// The definitions of a release; the first call builds them, in a few milliseconds.
pub fn definitions(release: Release) -> &'static Definitions {
    match release {
        Release::R4 => &R4,
        Release::R4B => &R4B,
        Release::R5 => &R5,
    }
}

/// A type of a table, before its elements are known.
struct Row {
    first: usize,
    names: Vec<(&'static str, &'static str, &'static str)>,
    base: Option<TypeId>,
}

impl Definitions {
    /// Reads a table.
    ///
    /// # Panics
    /// Where it is not as described above: tables are committed, and a test reads them all.
    fn parse(release: Release, table: &'static str) -> Self {
        let mut lists: Vec<&str> = Vec::new();
        let mut types: Vec<Type> = Vec::new();
        let mut rows: Vec<Row> = Vec::new();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let mut cells = line.split('\t');
            let first = cells.next().unwrap_or_default();
            let (second, third) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
            if let Some(name) = first.strip_prefix('=') {
                let sort = match third {
                    "primitive" => Sort::Primitive,
                    "complex" => Sort::Complex,
                    "backbone" => Sort::Backbone,
                    "resource" => Sort::Resource,
                    _ => Sort::Abstract,
                };
                let regex = cells.next().unwrap_or_default();
                let lexical =
                    (!regex.is_empty()).then(|| Lexical::new(regex).expect("a regular expression that is known"));
                // Bases stand before what extends them.
                let base = types.iter().position(|base| base.name == second).map(|at| at as TypeId);
                types.push(Type { name, sort, base, lexical, elements: 0..0, required: 0..0, properties: 0..0 });
                rows.push(Row { first: 0, names: Vec::new(), base });
            } else if first.starts_with('*') {
                lists.push(second);
            } else if let Some(row) = rows.last_mut() {
                let list = third.strip_prefix('*').and_then(|at| at.parse::<usize>().ok());
                row.names.push((first, second, list.map_or(third, |at| lists[at])));
            }
        }
        let mut all = Self {
            release,
            types,
            elements: Vec::new(),
            required: Vec::new(),
            properties: Vec::new(),
            slots: Vec::new(),
            type_slots: Vec::new(),
            resource: 0,
        };
        all.index_types();
        all.resource = all.named("Resource").expect("the type of all resources");
        for at in 0..rows.len() {
            all.add_elements(&mut rows, at);
        }
        all.index_properties();
        all
    }

    fn add_elements(&mut self, rows: &mut [Row], at: usize) {
        rows[at].first = self.elements.len();
        let mut bases: Vec<usize> = std::iter::successors(Some(at), |&at| rows[at].base.map(usize::from)).collect();
        bases.reverse();
        let first_required = self.required.len() as u32;
        let first_property = self.properties.len() as u32;
        for base in bases {
            for (name, card, types) in &rows[base].names {
                let (min, max) = card.split_once("..").expect("min..max");
                let (max, is_attribute) = max.strip_suffix('@').map_or((max, false), |max| (max, true));
                let types: Vec<TypeId> =
                    types.split('|').map(|name| self.named(name).unwrap_or_else(|| panic!("no type {name}"))).collect();
                let element = self.elements.len() as u32;
                let plain = name.strip_suffix("[x]");
                let min = min.parse().expect("a number");
                if min > 0 {
                    self.required.push(element);
                }
                for &of in &types {
                    let name = match plain {
                        Some(plain) => {
                            let (first, rest) = self.types[usize::from(of)].name.split_at(1);
                            format!("{plain}{}{rest}", first.to_ascii_uppercase())
                        }
                        None => (*name).to_owned(),
                    };
                    self.properties.push(Property { name, holder: at as TypeId, element, of });
                }
                self.elements.push(Element {
                    name: plain.unwrap_or(name),
                    is_choice: plain.is_some(),
                    min,
                    max: if max == "*" { u32::MAX } else { max.parse().expect("a number") },
                    is_attribute,
                    types,
                });
            }
        }
        self.types[at].elements = rows[at].first as u32..self.elements.len() as u32;
        self.types[at].required = first_required..self.required.len() as u32;
        self.types[at].properties = first_property..self.properties.len() as u32;
    }

    fn index_types(&mut self) {
        let mask = (self.types.len() * 2).next_power_of_two() - 1;
        self.type_slots = vec![0; mask + 1];
        for (number, named) in self.types.iter().enumerate() {
            let mut slot = hash(0, named.name.as_bytes()) as usize & mask;
            while self.type_slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.type_slots[slot] = number as u16 + 1;
        }
    }

    fn index_properties(&mut self) {
        let mask = (self.properties.len() * 2).next_power_of_two() - 1;
        self.slots = vec![0; mask + 1];
        for (number, property) in self.properties.iter().enumerate() {
            let mut slot = hash(property.holder, property.name.as_bytes()) as usize & mask;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = number as u32 + 1;
        }
    }

    /// The type of that name.
    pub fn named(&self, name: &str) -> Option<TypeId> {
        self.named_bytes(name.as_bytes())
    }

    /// The type of that name, which need not be UTF-8.
    pub fn named_bytes(&self, name: &[u8]) -> Option<TypeId> {
        let mask = self.type_slots.len() - 1;
        let mut slot = hash(0, name) as usize & mask;
        loop {
            let number = self.type_slots[slot].checked_sub(1)?;
            if self.types[usize::from(number)].name.as_bytes() == name {
                return Some(number);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The resource type of that name; `None` for other types and for abstract ones.
    pub fn resource(&self, name: &[u8]) -> Option<TypeId> {
        self.named_bytes(name).filter(|&id| self.get(id).sort == Sort::Resource)
    }

    /// The abstract type `Resource`, which stands for any.
    pub fn any_resource(&self) -> TypeId {
        self.resource
    }

    /// A type.
    pub fn get(&self, id: TypeId) -> &Type {
        &self.types[usize::from(id)]
    }

    /// All types, by number.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// All resource types.
    pub fn resources(&self) -> impl Iterator<Item = TypeId> + '_ {
        (0..self.types.len() as TypeId).filter(|&id| self.get(id).sort == Sort::Resource)
    }

    /// A type's elements in the order of the definition, inherited ones first.
    pub fn elements(&self, id: TypeId) -> &[Element] {
        let Range { start, end } = self.get(id).elements;
        &self.elements[start as usize..end as usize]
    }

    /// The element of a property.
    pub fn element(&self, property: &Property) -> &Element {
        &self.elements[property.element as usize]
    }

    /// A property's position among the elements of its type, from 0.
    pub fn order(&self, property: &Property) -> usize {
        (property.element - self.get(property.holder).elements.start) as usize
    }

    /// Positions of a type's elements that must be there.
    pub fn required(&self, id: TypeId) -> impl Iterator<Item = usize> + '_ {
        let Type { elements, required, .. } = self.get(id);
        self.required[required.start as usize..required.end as usize].iter().map(|at| (at - elements.start) as usize)
    }

    /// The property that is written with this name in a value of this type. Costs tens of nanoseconds.
    pub fn property(&self, holder: TypeId, name: &[u8]) -> Option<&Property> {
        let mask = self.slots.len() - 1;
        let mut slot = hash(holder, name) as usize & mask;
        loop {
            let property = &self.properties[self.slots[slot].checked_sub(1)? as usize];
            if property.holder == holder && property.name.as_bytes() == name {
                return Some(property);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// All properties; those of a type stand together, in the order of its elements.
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// A type's properties in the order of its elements; a choice has one for each type.
    pub fn properties_of(&self, id: TypeId) -> &[Property] {
        let Range { start, end } = self.get(id).properties;
        &self.properties[start as usize..end as usize]
    }
}

/// FxHash's step over the bytes; a name that an attacker chooses only finds an empty slot later, for the table never grows.
fn hash(seed: u16, bytes: &[u8]) -> u64 {
    let step = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(u64::from(seed), |hash, word| step(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let hash = step(step(hash, u64::from_le_bytes(last)), bytes.len() as u64);
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_has_its_types_elements_and_lexical_forms() {
        // (release, resource types, type, property, type of its value, element, min, max)
        let table: &[(Release, usize, &[(&str, &str, &str, &str, u32, u32)])] = &[
            (
                Release::R4,
                146,
                &[
                    ("Patient", "id", "id", "id", 0, 1),
                    ("Patient", "deceasedDateTime", "dateTime", "deceased", 0, 1),
                    ("Patient", "contained", "Resource", "contained", 0, u32::MAX),
                    ("Patient.contact", "modifierExtension", "Extension", "modifierExtension", 0, u32::MAX),
                    ("Observation", "status", "code", "status", 1, 1),
                    (
                        "Observation.component",
                        "referenceRange",
                        "Observation.referenceRange",
                        "referenceRange",
                        0,
                        u32::MAX,
                    ),
                    ("Extension", "valueCodeableConcept", "CodeableConcept", "value", 0, 1),
                    ("Extension", "url", "uri", "url", 1, 1),
                    ("Narrative", "div", "xhtml", "div", 1, 1),
                    ("Timing.repeat", "boundsDuration", "Duration", "bounds", 0, 1),
                    ("string", "extension", "Extension", "extension", 0, u32::MAX),
                ],
            ),
            (
                Release::R4B,
                141,
                &[
                    ("Observation", "valueQuantity", "Quantity", "value", 0, 1),
                    ("Citation.citedArtifact.abstract", "text", "markdown", "text", 1, 1),
                ],
            ),
            (
                Release::R5,
                158,
                &[
                    ("Extension", "valueInteger64", "integer64", "value", 0, 1),
                    ("Attachment", "size", "integer64", "size", 0, 1),
                    ("ValueSet", "url", "uri", "url", 0, 1),
                ],
            ),
        ];
        for (release, resources, properties) in table {
            let all = definitions(*release);
            assert_eq!(all.resources().count(), *resources, "{release:?}");
            for (holder, name, of, element, min, max) in *properties {
                let property = all.property(all.named(holder).unwrap(), name.as_bytes()).unwrap();
                let found = all.element(property);
                let read = (all.get(property.of).name, found.name, found.min, found.max);
                assert_eq!(read, (*of, *element, *min, *max), "{release:?} {holder}.{name}");
            }
        }
        let all = definitions(Release::R4);
        let patient = all.named("Patient").unwrap();
        assert!(all.property(patient, b"Gender").is_none() && all.property(patient, b"valueString").is_none());
        assert!(all.resource(b"Resource").is_none() && all.resource(b"Quantity").is_none());
        let order: Vec<_> = all.elements(patient).iter().map(|element| element.name).take(10).collect();
        let expected =
            ["id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"];
        assert_eq!(order, [&expected[..], &["identifier", "active"]].concat());
    }

    #[test]
    fn every_primitive_but_xhtml_has_a_lexical_form_that_is_small() {
        for release in Release::ALL {
            for primitive in definitions(release).types().iter().filter(|each| each.sort == Sort::Primitive) {
                let form = primitive.lexical.as_ref();
                assert_eq!(form.is_some(), primitive.name != "xhtml", "{release:?} {}", primitive.name);
            }
        }
    }
}
