//! Which inputs of a family are made: doublings for the exponent, sizes around and beyond what is accepted, every
//! variant that its parameters name, and the published monsters.

use crate::target::Reading;
use autoclave_generators::{Family, Kind, Params, Range};

/// Families of plain documents.
const TYPICAL: &str = "typical-";
/// Sizes of typical documents, bytes, before any compression.
const TYPICAL_BYTES: [u64; 3] = [64 << 10, 1 << 20, 4 << 20];
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
    /// Whether it belongs to the tighter part of the contract.
    pub fn is_typical(&self) -> bool {
        self.why == Why::Typical
    }

    /// As `bombs make` takes them.
    pub fn words(&self) -> String {
        let words = |params: &Params| params.words().collect::<Vec<_>>().join(" ");
        self.params.as_ref().map(words).unwrap_or_default()
    }
}

/// All inputs of a family for one reader, the smallest first.
pub fn specs(family: &'static Family, reading: Reading, accepted: u64, most: u64) -> Vec<Spec> {
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

    fn named(name: &str) -> &'static Family {
        family(name).unwrap()
    }

    #[test]
    fn every_family_is_tried_in_every_way_that_it_has() {
        let reading = |kind| Reading { outer: kind, inner: None };
        for family in FAMILIES {
            let specs = specs(family, reading(family.kind), 8 << 20, 32 << 20);
            assert!(specs.iter().any(|spec| spec.params.is_ok()), "{}", family.name);
            let doublings = specs.iter().filter(|spec| spec.why == Why::Doubling).count();
            let is_typical = family.name.starts_with(TYPICAL);
            assert_eq!(doublings >= 1, family.scale.is_some() && !is_typical, "{}: {doublings}", family.name);
        }
        for (name, words) in MONSTERS {
            named(name).parse(words).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn what_a_reader_expands_first_comes_compressed() {
        let gzipped = Reading { outer: Kind::Gzip, inner: Some(Kind::FhirJson) };
        let specs = specs(named("json-arrays"), gzipped, 8 << 20, 32 << 20);
        assert!(specs.iter().all(|spec| spec.words().contains("wrap=gzip")), "{specs:?}");
        assert!(specs.iter().any(|spec| spec.words().contains("closed=no")), "{specs:?}");
    }
}
