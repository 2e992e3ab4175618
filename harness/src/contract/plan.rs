//! Which inputs of a family are made: doublings for the exponent, sizes around and beyond what is accepted, every
//! variant that its parameters name, and the published monsters.

use crate::limits::Terms;
use crate::target::Reading;
use autoclave_generators::{Family, Kind, Params, Range};

/// Families of plain documents.
const TYPICAL: &str = "typical-";
/// Families of documents that have exactly as many bytes as they are asked for.
const SIZED: &str = "sized-";
/// Bytes of one that is within every limit.
const SIZED_BYTES_MIN: u64 = 1 << 10;
/// Families whose scale parameter counts the items of one list, and the fewest that it takes; of the repetitions of a field
/// the separators between them are counted.
const COUNTED: &[(&str, u64)] =
    &[("json-tiny-values", 1), ("fhir-bundle", 1), ("fhir-xml-bundle", 1), ("ndjson-lines", 1), (REPETITIONS, 2)];
const REPETITIONS: &str = "hl7-repetitions";
/// Sizes of typical documents, bytes, before any compression.
const TYPICAL_BYTES: [u64; 3] = [64 << 10, 1 << 20, 4 << 20];
/// Entries that each record of a typical document has in its list.
const TYPICAL_ITEMS: &[(&str, u64)] = &[("typical-fhir-bundle", 6), ("typical-fhir-xml-bundle", 4)];
/// Smallest and largest size of the doublings, log2 of bytes: readers of cubic work have used up their fuel at 1 KiB.
const DOUBLINGS: std::ops::RangeInclusive<u32> = 8..=16;
/// Size of variants, bytes.
const VARIANT_BYTES: u64 = 64 << 10;
/// Parameters that make a published bomb out of a family, where its defaults do not.
const MONSTERS: &[(&str, &[&str])] = &[
    // zblg.zip: 281 TB in 10 MB.
    ("zip-overlap-quoted", &["entries=65534", "each=4292788525"]),
    ("zip-deflate", &["entries=16", "each=4294967296"]),
    ("gzip-nested", &["expanded=4294967296", "layers=2"]),
    ("xml-laughs", &["depth=6", "fan=1000"]),
];

/// Why an input is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// One of the sizes that the exponent is read off.
    Doubling,
    /// A document as people send it, only hostile: its family's own size, or 1 MiB.
    Size,
    /// What is accepted just so, what is far beyond, and published bombs.
    Beyond,
    /// A spelling of the same.
    Variant,
    /// A plain document.
    Typical,
    /// Just what a declared limit lets in, or less.
    Within(Limited),
    /// More than a declared limit lets in.
    Above(Limited),
}

/// What a module may declare a limit on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// The input as a whole.
    Bytes,
    /// The items of one list.
    Items,
}

impl Why {
    /// The part of the contract that it belongs to, as reports call it.
    pub fn part(self) -> &'static str {
        match self {
            Why::Doubling | Why::Size | Why::Beyond | Why::Variant => "worst",
            Why::Typical => "typical",
            Why::Within(Limited::Bytes) | Why::Above(Limited::Bytes) => "size-limit",
            Why::Within(Limited::Items) | Why::Above(Limited::Items) => "count-limit",
        }
    }
}

/// One input to make; or why it cannot be made.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Why.
    pub why: Why,
    /// Its parameters.
    pub params: Result<Params, String>,
}

impl Spec {
    /// As `bombs make` takes them.
    pub fn words(&self) -> String {
        let words = |params: &Params| params.words().collect::<Vec<_>>().join(" ");
        self.params.as_ref().map(words).unwrap_or_default()
    }
}

/// Whether a family says something about a reader, or about what is inside.
pub fn concerns(family: &'static Family, reading: Reading, terms: &Terms) -> bool {
    match is_sized(family) {
        true => terms.refused_above_bytes > 0 && reading.outer == family.kind,
        false => reading.concerns(family.kind) || reading.concerns_inside(family.kind),
    }
}

/// Whether it is there for a declared limit alone.
pub fn is_sized(family: &Family) -> bool {
    family.name.starts_with(SIZED)
}

/// All inputs of a family for one reader, the smallest first; what a declared limit is asked with comes last.
pub fn specs(family: &'static Family, reading: Reading, terms: &Terms, accepted: u64, most: u64) -> Vec<Spec> {
    if is_sized(family) {
        return around_size(family, reading, terms.refused_above_bytes, most);
    }
    let mut specs = unlimited(family, reading, accepted, most);
    let items = terms.refused_above_items;
    if items > 0 {
        specs.iter_mut().filter(|spec| spec.why == Why::Typical).for_each(|spec| within(spec, family, items));
    }
    specs.extend(around_count(family, reading, items, most));
    specs
}

/// Leaves out a plain document that has more items than have to be taken.
fn within(spec: &mut Spec, family: &Family, items_max: u64) {
    let each = TYPICAL_ITEMS.iter().find(|(name, _)| *name == family.name).map_or(0, |(_, each)| *each);
    let scale = format!("{}=", family.scale.unwrap_or_default());
    let count = |params: &Params| params.words().find_map(|word| word.strip_prefix(&scale)?.parse::<u64>().ok());
    let items = spec.params.as_ref().ok().and_then(count).unwrap_or(0).saturating_mul(each);
    if items > items_max {
        spec.params = Err(format!("{items} entries are more than the {items_max} that are declared to be taken"));
    }
}

/// Takes so many bytes, and no more.
struct Room(u64);

impl std::io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len() as u64).ok_or(std::io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A small document, one of just the declared size, one of a byte more, and the longest that is made: to refuse it may
/// cost no more.
fn around_size(family: &'static Family, reading: Reading, limit: u64, most: u64) -> Vec<Spec> {
    let spec = |why, bytes: u64| {
        let mut words = vec![format!("bytes={bytes}")];
        words.extend(reading.inner.map(|inner| format!("content={}", inner.name())));
        let params = match bytes > most {
            true => Err(format!("{bytes} bytes are more than is made: raise input_bytes_max")),
            false => family.parse(&words).map_err(|error| error.to_string()),
        };
        Spec { why, params }
    };
    let mut specs: Vec<Spec> =
        [SIZED_BYTES_MIN.min(limit), limit].map(|bytes| spec(Why::Within(Limited::Bytes), bytes)).into();
    let above = limit.saturating_add(1);
    specs.extend([above, most.max(above)].map(|bytes| spec(Why::Above(Limited::Bytes), bytes)));
    specs
}

/// A short list, one of just the declared length, and one of an item more.
fn around_count(family: &'static Family, reading: Reading, limit: u64, most: u64) -> Vec<Spec> {
    let counted = COUNTED.iter().find(|(name, _)| *name == family.name).filter(|_| limit > 0);
    let innermost = reading.inner.unwrap_or(reading.outer);
    let (Some((name, fewest)), true, Some(scale)) = (counted, innermost == family.kind, family.scale) else {
        return Vec::new();
    };
    let wrap = reading.inner.map(|_| reading.outer);
    let spec = |why, items: u64| {
        let value = if *name == REPETITIONS { items - 1 } else { items };
        let params = family.parse(&[format!("{scale}={value}")]).map_err(|error| error.to_string());
        let fits = |params: Params| match family.make(&params, &mut Room(most)) {
            Ok(_) => Ok(params),
            Err(_) => Err(format!("a list of {items} items is longer than the {most} bytes that are made")),
        };
        Spec { why, params: wrapped(params.and_then(fits), wrap) }
    };
    let limit = limit.max(*fewest);
    let mut specs: Vec<Spec> = [*fewest, limit].map(|items| spec(Why::Within(Limited::Items), items)).into();
    specs.push(spec(Why::Above(Limited::Items), limit.saturating_add(1)));
    specs
}

/// Inputs that every reader is held to, whatever it declares.
fn unlimited(family: &'static Family, reading: Reading, accepted: u64, most: u64) -> Vec<Spec> {
    let wrap = (!family.kind.is_compressed() && reading.outer.is_compressed()).then_some(reading.outer);
    let base = family.defaults();
    let sized = |bytes: u64| family.sized(&base, bytes).map_err(|error| error.to_string());
    if family.name.starts_with(TYPICAL) {
        let sizes = TYPICAL_BYTES.iter().filter(|bytes| **bytes <= accepted);
        return sizes.map(|bytes| Spec { why: Why::Typical, params: wrapped(sized(*bytes), wrap) }).collect();
    }
    let mut specs = Vec::new();
    if family.scale.is_some() {
        for log2 in DOUBLINGS {
            // A family has a smallest size; what lies below is no gap.
            if let Ok(params) = family.sized(&base, 1 << log2) {
                specs.push(Spec { why: Why::Doubling, params: wrapped(Ok(params), wrap) });
            }
        }
    } else {
        specs.push(Spec { why: Why::Size, params: wrapped(Ok(base.clone()), wrap) });
    }
    for params in variants(family) {
        let params = family.sized(&params, VARIANT_BYTES).unwrap_or(params);
        specs.push(Spec { why: Why::Variant, params: wrapped(Ok(params), wrap) });
    }
    if family.scale.is_some() {
        for (why, bytes) in [(Why::Size, 1 << 20), (Why::Beyond, accepted), (Why::Beyond, most)] {
            specs.push(Spec { why, params: wrapped(sized(bytes), wrap) });
        }
    }
    for (_, words) in MONSTERS.iter().filter(|(name, _)| *name == family.name) {
        let params = family.parse(words).map_err(|error| error.to_string());
        specs.push(Spec { why: Why::Beyond, params: wrapped(params, wrap) });
    }
    specs
}

/// The family's defaults with every other word that one of its parameters takes.
fn variants(family: &'static Family) -> Vec<Params> {
    let base: Vec<String> = family.defaults().words().collect();
    let mut variants = Vec::new();
    for param in family.params().filter(|param| param.name != "wrap") {
        let Range::Choice { default, of } = param.range else { continue };
        for word in of.iter().filter(|word| **word != default) {
            let mut all = base.clone();
            all.push(format!("{}={word}", param.name));
            variants.extend(family.parse(&all));
        }
    }
    variants
}

fn wrapped(params: Result<Params, String>, wrap: Option<Kind>) -> Result<Params, String> {
    let (params, Some(wrap)) = (params.clone()?, wrap) else { return params };
    let mut words: Vec<String> = params.words().collect();
    words.push(format!("wrap={}", wrap.name()));
    params.family().parse(&words).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoclave_generators::{FAMILIES, family};

    fn reading(kind: Kind) -> Reading {
        Reading { outer: kind, inner: None }
    }

    fn named(name: &str) -> &'static Family {
        family(name).unwrap()
    }

    #[test]
    fn every_family_is_tried_in_every_way_that_it_has() {
        for family in FAMILIES {
            let terms = Terms { refused_above_bytes: 8 << 20, ..Terms::default() };
            let specs = specs(family, reading(family.kind), &terms, 8 << 20, 32 << 20);
            assert!(specs.iter().any(|spec| spec.params.is_ok()), "{}", family.name);
            let doublings = specs.iter().filter(|spec| spec.why == Why::Doubling).count();
            let is_typical = family.name.starts_with(TYPICAL) || is_sized(family);
            assert_eq!(doublings >= 1, family.scale.is_some() && !is_typical, "{}: {doublings}", family.name);
        }
        for (name, words) in MONSTERS {
            named(name).parse(words).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn what_a_reader_expands_first_comes_compressed() {
        let gzipped = Reading { outer: Kind::Gzip, inner: Some(Kind::FhirJson) };
        let specs = specs(named("json-arrays"), gzipped, &Terms::default(), 8 << 20, 32 << 20);
        assert!(specs.iter().all(|spec| spec.words().contains("wrap=gzip")), "{specs:?}");
        assert!(specs.iter().any(|spec| spec.words().contains("closed=no")), "{specs:?}");
    }

    #[test]
    fn declared_limits_are_asked_at_both_sides() {
        let terms = Terms { refused_above_bytes: 4 << 20, refused_above_items: 1000, ..Terms::default() };
        let words = |name: &str, reading: Reading| {
            let specs = specs(named(name), reading, &terms, 8 << 20, 32 << 20).into_iter();
            let limited = specs.filter(|spec| spec.why.part().ends_with("-limit"));
            limited.map(|spec| format!("{:?} {}", spec.why, spec.words())).collect::<Vec<_>>()
        };
        let (json, gzipped) = (reading(Kind::Json), Reading { outer: Kind::Gzip, inner: Some(Kind::Hl7v2) });
        assert_eq!(
            words("sized-json", json),
            [
                "Within(Bytes) bytes=1024 wrap=none",
                "Within(Bytes) bytes=4194304 wrap=none",
                "Above(Bytes) bytes=4194305 wrap=none",
                "Above(Bytes) bytes=33554432 wrap=none"
            ]
        );
        assert!(words("sized-gzip", gzipped)[1].ends_with("bytes=4194304 content=hl7v2"));
        let counted = words("hl7-repetitions", gzipped);
        assert!(
            counted[1].starts_with("Within(Items) count=999 ") && counted[2].starts_with("Above(Items) count=1000 ")
        );
        assert!(counted.iter().all(|words| words.ends_with("wrap=gzip")));
        let lists = |items| {
            let terms = Terms { refused_above_items: items, ..Terms::default() };
            let all = specs(named("fhir-bundle"), reading(Kind::FhirJson), &terms, 8 << 20, 32 << 20);
            all.into_iter()
                .filter(|spec| spec.why.part() == "count-limit")
                .map(|spec| spec.params.is_ok())
                .collect::<Vec<_>>()
        };
        assert_eq!(lists(1000), [true; 3]);
        assert_eq!(lists(200_000_000), [true, false, false], "a list of gigabytes is not made");
        let plain = |items| {
            let terms = Terms { refused_above_items: items, ..Terms::default() };
            let all = specs(named("typical-fhir-bundle"), reading(Kind::FhirJson), &terms, 8 << 20, 32 << 20);
            all.iter().filter(|spec| spec.params.is_ok()).count()
        };
        assert_eq!([plain(0), plain(1000), plain(100_000)], [3, 1, 3]);
        assert_eq!(words("hl7-repetitions", json).len() + words("json-escapes", json).len(), 0);
        assert!(concerns(named("sized-json"), json, &terms) && !concerns(named("sized-fhir-json"), json, &terms));
        assert!(!concerns(named("sized-json"), json, &Terms::default()));
    }
}
