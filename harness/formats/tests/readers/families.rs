//! Generated families: every input shows its case, and nothing that must be accepted is refused.

use autoclave_formats::families::{self, Made};
use autoclave_formats::fhir::{self, Release};
use autoclave_formats::rules::{Policy, Side};

fn check(release: Release, made: &[Made]) {
    let mut wrong = Vec::new();
    for each in made {
        let reading = fhir::read_json(&each.input, release);
        let is_right = match each.case {
            None => reading.side(Policy::StrictGateway) == Side::Accept,
            Some(case) => reading.breaches.iter().any(|breach| breach.case == case),
        };
        if !is_right {
            let found: Vec<_> = reading.breaches.iter().map(|breach| breach.case.name).collect();
            wrong.push(format!("{}: {found:?}, not {:?}", each.name, each.case.map(|case| case.name)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong in {release:?}\n{}", wrong.len(), made.len(), wrong.join("\n"));
}

#[test]
fn every_primitive_has_its_edges() {
    for release in Release::ALL {
        let made = families::primitives(release);
        assert!(made.len() > 300, "{}", made.len());
        check(release, &made);
    }
}

#[test]
fn every_element_of_every_resource_has_its_cardinality() {
    for release in Release::ALL {
        let made = families::elements(release);
        assert!(made.len() > 10_000, "{}", made.len());
        check(release, &made);
    }
}
