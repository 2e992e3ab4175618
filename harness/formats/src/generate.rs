//! Whole inputs out of random bytes, from the published definitions.

pub mod dictionary;
pub mod fhir;
pub mod hl7;
