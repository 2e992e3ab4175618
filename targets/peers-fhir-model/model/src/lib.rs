//! `fhir-model` behind one function without type parameters, as the release that a feature names.

#[cfg(feature = "r4b")]
use fhir_model::r4b::resources::Resource;
#[cfg(all(feature = "r5", not(feature = "r4b")))]
use fhir_model::r5::resources::Resource;
#[cfg(not(any(feature = "r4b", feature = "r5")))]
compile_error!("a release must be named: --features r4b, or r5");

/// Reads a resource and writes it back.
pub fn read(input: &[u8]) -> serde_json::Result<Vec<u8>> {
    let resource: Resource = serde_json::from_slice(input)?;
    serde_json::to_vec(&resource)
}
