//! Protobuf messages in the shape of FHIR's, read with prost and its own limits (100 messages in messages).
//!
//! `bundle` reads a Bundle of patients, whose extensions have extensions, and returns how many of those there are;
//! `sampled_data` reads a wave form, one packed list of numbers, and returns the number of samples. The messages are
//! written by hand, so that no `protoc` is needed; the field of number 1 is the one that repeats and nests.

use guest_abi::{Reading, Refusal};
use prost::Message;

guest_abi::entry!(bundle, read_bundle);
guest_abi::entry!(sampled_data, read_sampled_data);

#[derive(Clone, PartialEq, Message)]
struct Bundle {
    #[prost(message, repeated, tag = "1")]
    entry: Vec<Entry>,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(uint32, optional, tag = "3")]
    total: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    resource: Option<Patient>,
    #[prost(string, tag = "2")]
    full_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct Patient {
    #[prost(message, repeated, tag = "1")]
    extension: Vec<Extension>,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(message, repeated, tag = "3")]
    name: Vec<HumanName>,
    #[prost(bool, optional, tag = "4")]
    active: Option<bool>,
    #[prost(sint64, optional, tag = "5")]
    birth_date_us: Option<i64>,
    #[prost(bytes = "vec", tag = "6")]
    photo: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct HumanName {
    #[prost(string, repeated, tag = "1")]
    given: Vec<String>,
    #[prost(string, tag = "2")]
    family: String,
}

#[derive(Clone, PartialEq, Message)]
struct Extension {
    #[prost(message, repeated, tag = "1")]
    extension: Vec<Extension>,
    #[prost(string, tag = "2")]
    url: String,
    #[prost(oneof = "Value", tags = "3, 4, 5")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Boolean(bool),
    #[prost(sint64, tag = "5")]
    Integer(i64),
}

#[derive(Clone, PartialEq, Message)]
struct SampledData {
    #[prost(sint32, repeated, tag = "1")]
    data: Vec<i32>,
    #[prost(double, tag = "2")]
    interval: f64,
    #[prost(string, tag = "3")]
    interval_unit: String,
}

fn read_bundle(bytes: &[u8]) -> Reading {
    let bundle = Bundle::decode(bytes).map_err(|_| Refusal::Syntax)?;
    if bundle.total.is_some_and(|total| total as usize != bundle.entry.len()) {
        return Err(Refusal::Meaning);
    }
    let patients = bundle.entry.iter().filter_map(|entry| entry.resource.as_ref());
    patients.map(|patient| extensions(&patient.extension)).sum()
}

/// An extension has a value or extensions, not both (FHIR R5, ext-1). Returns how many there are.
fn extensions(list: &[Extension]) -> Reading {
    list.iter().try_fold(list.len() as i32, |count, extension| {
        if extension.value.is_some() && !extension.extension.is_empty() {
            return Err(Refusal::Meaning);
        }
        Ok(count + extensions(&extension.extension)?)
    })
}

fn read_sampled_data(bytes: &[u8]) -> Reading {
    let wave = SampledData::decode(bytes).map_err(|_| Refusal::Syntax)?;
    if !wave.interval.is_finite() { Err(Refusal::Meaning) } else { Ok(wave.data.len() as i32) }
}
