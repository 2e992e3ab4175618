//! The generators' hostile inputs, in this process: the reference readers answer each, on a small stack, with a tree
//! that has no more nodes than the input has bytes. Documents that are only large are accepted.

use autoclave_formats::Format;
use autoclave_formats::fhir::Release;
use autoclave_formats::rules::{Policy, Side};
use autoclave_generators::{FAMILIES, Family, Params, Range, family};

/// Parameters of a family: the defaults, and each word that a choice has, but for wrapping.
fn variants(family: &'static Family) -> Vec<Params> {
    let mut all = vec![family.defaults()];
    for param in family.params().filter(|param| param.name != "wrap") {
        if let Range::Choice { of, .. } = param.range {
            let words = of.iter().skip(1).map(|word| family.parse(&[format!("{}={word}", param.name)]).unwrap());
            all.extend(words);
        }
    }
    all
}

#[test]
fn every_bomb_is_answered() {
    let mut asked = 0;
    for format in Format::ALL {
        for family in FAMILIES.iter().filter(|family| family.kind.is_read_as(format.name())) {
            for params in variants(family) {
                let mut input = Vec::new();
                family.make(&params, &mut input).unwrap();
                let bytes = input.len();
                // A recursion of a few thousand levels would not end well on it.
                let thread = std::thread::Builder::new().stack_size(256 << 10);
                let reading = thread.spawn(move || format.read_as(&input, Release::R5)).unwrap().join();
                let reading = reading.unwrap_or_else(|_| panic!("{}: {params:?}", format.name()));
                let nodes = reading.tree.as_ref().map_or(0, |tree| tree.len());
                assert!(nodes <= bytes + 99, "{}: {params:?}: {nodes} nodes", format.name());
                asked += 1;
            }
        }
    }
    assert!(asked > 60, "{asked}");
}

#[test]
fn documents_that_are_only_large_are_accepted() {
    for (format, name) in [
        (Format::FhirJson, "typical-fhir-bundle"),
        (Format::FhirXml, "typical-fhir-xml-bundle"),
        (Format::Hl7v2, "typical-hl7-batch"),
        (Format::FhirJson, "fhir-bundle"),
        (Format::FhirXml, "fhir-xml-bundle"),
        (Format::FhirNdjson, "ndjson-lines"),
    ] {
        let family = family(name).unwrap();
        let mut input = Vec::new();
        family.make(&family.sized(&family.defaults(), 256 << 10).unwrap(), &mut input).unwrap();
        let reading = format.read_as(&input, Release::R5);
        assert_eq!(reading.side(Policy::StrictGateway), Side::Accept, "{name}: {:?}", reading.breaches);
    }
}
