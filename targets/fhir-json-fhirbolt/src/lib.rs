//! FHIR JSON read with fhirbolt's R4B model.

use fhirbolt::serde::{DeserializationConfig, DeserializationMode};
use guest_abi::{Reading, Refusal};

guest_abi::entry!(parse, read);

fn read(bytes: &[u8]) -> Reading {
    let config = DeserializationConfig { mode: DeserializationMode::Strict };
    let resource: fhirbolt::model::r4b::Resource = fhirbolt::json::from_slice(bytes, Some(config)).map_err(|_| Refusal::Syntax)?;
    let written = fhirbolt::json::to_string(&resource, None).map_err(|_| Refusal::Meaning)?;
    Ok(written.len() as i32)
}
