//! FHIR JSON read with fhirbolt's element model, as a gateway between an R4B sender and an R5 store does: `parse` reads
//! R4B strictly, converts to R5, writes that and reads it again. It returns the number of bytes written.

use fhirbolt::FhirReleases;
use fhirbolt::element::{Element, from_element};
use fhirbolt::serde::{DeserializationConfig, DeserializationMode};
use guest_abi::{Reading, Refusal};

guest_abi::entry!(parse, read);

type Sent = Element<{ FhirReleases::R4B }>;
type Stored = Element<{ FhirReleases::R5 }>;

fn read(bytes: &[u8]) -> Reading {
    let strict = || Some(DeserializationConfig { mode: DeserializationMode::Strict });
    let sent: Sent = fhirbolt::json::from_slice(bytes, strict()).map_err(|_| Refusal::Syntax)?;
    let stored: Stored = from_element(sent, strict()).map_err(|_| Refusal::Meaning)?;
    let written = fhirbolt::json::to_string(&stored, None).map_err(|_| Refusal::Meaning)?;
    // What was written may be refused (the crate reads more than it writes well); it must not panic.
    let _: Stored = fhirbolt::json::from_str(&written, strict()).map_err(|_| Refusal::Meaning)?;
    Ok(written.len() as i32)
}
