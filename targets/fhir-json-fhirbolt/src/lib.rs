//! FHIR JSON read with fhirbolt's R4B element model: `parse` reads strictly, writes what it understood as JSON and
//! reads that again, as a store does. It returns the number of bytes written.

use fhirbolt::FhirReleases;
use fhirbolt::element::Element;
use fhirbolt::serde::{DeserializationConfig, DeserializationMode};
use guest_abi::{Reading, Refusal};

guest_abi::entry!(parse, read);

type Resource = Element<{ FhirReleases::R4B }>;

fn read(bytes: &[u8]) -> Reading {
    let config = DeserializationConfig { mode: DeserializationMode::Strict };
    let resource: Resource = fhirbolt::json::from_slice(bytes, Some(config)).map_err(|_| Refusal::Syntax)?;
    let written = fhirbolt::json::to_string(&resource, None).map_err(|_| Refusal::Meaning)?;
    // What was written may be refused (the crate accepts more than it writes well); it must not panic.
    let _: Resource = fhirbolt::json::from_str(&written, Some(config)).map_err(|_| Refusal::Meaning)?;
    Ok(written.len() as i32)
}
