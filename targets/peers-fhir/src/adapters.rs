//! How each peer is asked: bytes in, its own writing or its normalised error out. In the order of `peers::RUST_FHIR`.

use autoclave_formats::peers::Layer;
use autoclave_formats::peers::summary::normalised;
use fhirbolt::FhirReleases;
use fhirbolt::element::{Element, from_element};
use fhirbolt::serde::{DeserializationConfig, DeserializationMode};
use fhirkit::Severity;
use fhirkit::r4::Resource;

/// What a peer wrote back, or where it refused and why.
pub type Written = Result<Vec<u8>, (Layer, String)>;

/// Asks one peer.
pub type Read = fn(&[u8]) -> Written;

/// One peer, by carrier.
pub struct Adapter {
    /// FHIR JSON.
    pub json: Option<Read>,
    /// FHIR XML.
    pub xml: Option<Read>,
    /// When it is asked in the loop.
    pub asked: Asked,
}

/// When a peer is asked in the loop, where every microsecond counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Every input.
    Always,
    /// What the one before it refuses; what that accepts, it accepts as well.
    AfterRefusal,
    /// Only about what is looked at in full.
    Apart,
}

/// Every peer.
pub const ADAPTERS: &[Adapter] = &[
    json(Asked::Always, |input| fhirkit(input, false)),
    json(Asked::AfterRefusal, |input| fhirkit(input, true)),
    both(Asked::Always, fhirbolt::<{ FhirReleases::R4 }>, fhirbolt_xml::<{ FhirReleases::R4 }>),
    both(Asked::Apart, fhirbolt_typed::<{ FhirReleases::R4B }>, fhirbolt_xml::<{ FhirReleases::R4B }>),
    both(Asked::Apart, fhirbolt_typed::<{ FhirReleases::R5 }>, fhirbolt_xml::<{ FhirReleases::R5 }>),
    json(Asked::Always, serde),
];

const fn json(asked: Asked, read: Read) -> Adapter {
    Adapter { json: Some(read), xml: None, asked }
}

const fn both(asked: Asked, json: Read, xml: Read) -> Adapter {
    Adapter { json: Some(json), xml: Some(xml), asked }
}

fn fhirkit(input: &[u8], lenient: bool) -> Written {
    let text = std::str::from_utf8(input).map_err(|_| (Layer::Encoding, String::from("not UTF-8")))?;
    let syntax = |error: fhirkit::JsonError| (Layer::Syntax, normalised(&error.message));
    let (resource, issues) = fhirkit::from_json::<Resource>(text).map_err(syntax)?;
    let first = issues.iter().find(|issue| issue.severity == Severity::Error);
    match resource {
        Some(resource) if lenient || first.is_none() => Ok(fhirkit::to_json(&resource).into_bytes()),
        _ => {
            let message = first.map_or("", |issue| &issue.message);
            let of_value = message.contains(" is not a") || message.contains(" is outside ");
            let layer = if of_value { Layer::Value } else { Layer::Structure };
            Err((layer, normalised(message)))
        }
    }
}

fn fhirbolt<const R: usize>(input: &[u8]) -> Written {
    let strict = DeserializationConfig { mode: DeserializationMode::Strict };
    let element: Element<R> = fhirbolt::json::from_slice(input, Some(strict)).map_err(|error| json_error(&error))?;
    fhirbolt::json::to_vec(&element, None).map_err(|error| (Layer::Unknown, normalised(&error.to_string())))
}

/// As its typed models read: out of an element that was read before.
fn fhirbolt_typed<const R: usize>(input: &[u8]) -> Written {
    let strict = || Some(DeserializationConfig { mode: DeserializationMode::Strict });
    let element: Element<R> = fhirbolt::json::from_slice(input, strict()).map_err(|error| json_error(&error))?;
    let unknown = |error: String| (Layer::Structure, normalised(&error));
    let element: Element<R> = from_element(element, strict()).map_err(|error| unknown(error.to_string()))?;
    fhirbolt::json::to_vec(&element, None).map_err(|error| unknown(error.to_string()))
}

fn fhirbolt_xml<const R: usize>(input: &[u8]) -> Written {
    use fhirbolt::xml::Error;
    let strict = DeserializationConfig { mode: DeserializationMode::Strict };
    let element: Element<R> = fhirbolt::xml::from_slice(input, Some(strict)).map_err(|error| {
        let layer = match error {
            Error::Utf8Error(_) => Layer::Encoding,
            Error::Message(_) | Error::InvalidFhirEvent { .. } | Error::InvalidXmlNamespace(..) => Layer::Structure,
            _ => Layer::Syntax,
        };
        (layer, normalised(&error.to_string()))
    })?;
    fhirbolt::json::to_vec(&element, None).map_err(|error| (Layer::Unknown, normalised(&error.to_string())))
}

fn serde(input: &[u8]) -> Written {
    let value: serde_json::Value = serde_json::from_slice(input).map_err(|error| json_error(&error))?;
    serde_json::to_vec(&value).map_err(|error| (Layer::Unknown, normalised(&error.to_string())))
}

fn json_error(error: &serde_json::Error) -> (Layer, String) {
    let text = error.to_string();
    let layer = match error.classify() {
        _ if text.contains("unicode code point") => Layer::Encoding,
        serde_json::error::Category::Data => Layer::Structure,
        _ => Layer::Syntax,
    };
    (layer, normalised(&text))
}
