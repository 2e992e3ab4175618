//! How each peer is asked: bytes in, its own data model or its normalised error out. In the order of `peers::RUST_FHIR`.

use autoclave_formats::fhir::Digest;
use autoclave_formats::peers::Layer;
use autoclave_formats::peers::summary::normalised;
use fhirbolt::FhirReleases;
use fhirbolt::element::{Element, Primitive, Value, from_element};
use fhirbolt::serde::{DeserializationConfig, DeserializationMode};
use fhirkit::r4::Resource;
use fhirkit::{FhirJson, Json, Severity};
use std::cell::OnceCell;

/// What a peer wrote back, or where it refused and why.
pub type Written = Result<Vec<u8>, Refusal>;

/// The layer, and the error without values.
pub type Refusal = (Layer, String);

/// Asks one peer.
pub type Read = fn(&Question<'_>) -> Result<Box<dyn Model>, Refusal>;

/// An input, and what several peers make of it in the same way.
pub struct Question<'a> {
    input: &'a [u8],
    fhirkit: OnceCell<Result<FhirkitReading, Refusal>>,
}

/// What a peer holds of an input, in its own data model.
pub trait Model {
    /// As the peer writes it.
    fn write(&self) -> Written;

    /// Feeds it to a digest, as [`Model::write`] would write it. `is_sound`: whether the reference reader found nothing
    /// wrong with the input.
    fn feed(&self, is_sound: bool, digest: &mut Digest);
}

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
    json(Asked::Always, |question| fhirkit(question, false)),
    json(Asked::AfterRefusal, |question| fhirkit(question, true)),
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

impl<'a> Question<'a> {
    /// About this input.
    pub const fn new(input: &'a [u8]) -> Self {
        Self { input, fhirkit: OnceCell::new() }
    }
}

/// The resource, and the first error.
type FhirkitReading = (Option<Resource>, Option<String>);

fn read_fhirkit(input: &[u8]) -> Result<FhirkitReading, Refusal> {
    let text = std::str::from_utf8(input).map_err(|_| (Layer::Encoding, String::from("not UTF-8")))?;
    let syntax = |error: fhirkit::JsonError| (Layer::Syntax, normalised(&error.message));
    let (resource, issues) = fhirkit::from_json::<Resource>(text).map_err(syntax)?;
    let first = issues.into_iter().find(|issue| issue.severity == Severity::Error);
    Ok((resource, first.map(|issue| issue.message)))
}

fn fhirkit(question: &Question<'_>, lenient: bool) -> Result<Box<dyn Model>, Refusal> {
    match question.fhirkit.get_or_init(|| read_fhirkit(question.input)) {
        Ok((Some(resource), first)) if lenient || first.is_none() => Ok(Box::new(resource.encode())),
        Ok((_, first)) => {
            let message = first.as_deref().unwrap_or_default();
            let of_value = message.contains(" is not a") || message.contains(" is outside ");
            let layer = if of_value { Layer::Value } else { Layer::Structure };
            Err((layer, normalised(message)))
        }
        Err(refusal) => Err(refusal.clone()),
    }
}

impl Model for Json {
    fn write(&self) -> Written {
        Ok(self.to_compact().into_bytes())
    }

    fn feed(&self, _: bool, digest: &mut Digest) {
        feed_fhirkit(self, "", digest);
    }
}

fn feed_fhirkit(value: &Json, label: &str, digest: &mut Digest) {
    match value {
        Json::Null => digest.null(label),
        Json::Bool(is_true) => digest.boolean(label, *is_true),
        Json::Number(text) => digest.number(label, text),
        Json::String(text) => digest.string(label, text),
        Json::Array(items) => {
            digest.list(label);
            items.iter().for_each(|item| feed_fhirkit(item, "", digest));
            digest.close();
        }
        Json::Object(members) => {
            digest.object(label);
            members.iter().for_each(|(name, value)| feed_fhirkit(value, name, digest));
            digest.close();
        }
    }
}

fn fhirbolt<const R: usize>(question: &Question<'_>) -> Result<Box<dyn Model>, Refusal> {
    let strict = DeserializationConfig { mode: DeserializationMode::Strict };
    let element: Element<R> =
        fhirbolt::json::from_slice(question.input, Some(strict)).map_err(|error| json_error(&error))?;
    Ok(Box::new(element))
}

/// As its typed models read: out of an element that was read before.
fn fhirbolt_typed<const R: usize>(question: &Question<'_>) -> Result<Box<dyn Model>, Refusal> {
    let strict = || Some(DeserializationConfig { mode: DeserializationMode::Strict });
    let element: Element<R> =
        fhirbolt::json::from_slice(question.input, strict()).map_err(|error| json_error(&error))?;
    let unknown = |error: String| (Layer::Structure, normalised(&error));
    let element: Element<R> = from_element(element, strict()).map_err(|error| unknown(error.to_string()))?;
    Ok(Box::new(Typed(element)))
}

/// What typed models hold, as the element that they were made of.
struct Typed<const R: usize>(Element<R>);

impl<const R: usize> Model for Typed<R> {
    fn write(&self) -> Written {
        let unknown = |error: String| (Layer::Structure, normalised(&error));
        fhirbolt::json::to_vec(&self.0, None).map_err(|error| unknown(error.to_string()))
    }

    fn feed(&self, _: bool, digest: &mut Digest) {
        digest.give_up();
    }
}

impl<const R: usize> Model for Element<R> {
    fn write(&self) -> Written {
        fhirbolt::json::to_vec(self, None).map_err(|error| (Layer::Unknown, normalised(&error.to_string())))
    }

    fn feed(&self, is_sound: bool, digest: &mut Digest) {
        match is_sound {
            true => feed_fhirbolt(self, "", digest),
            false => digest.give_up(),
        }
    }
}

/// An element with a value and nothing else is a primitive, as its definitions have it where the input keeps to them;
/// one that may be a primitive without a value is not told from others here.
fn feed_fhirbolt<const R: usize>(element: &Element<R>, label: &str, digest: &mut Digest) {
    match element.get("value") {
        Some(Value::Primitive(primitive)) if element.len() == 1 => return feed_primitive(primitive, label, digest),
        None if element.keys().any(|name| name != "id" && name != "extension") => {}
        Some(Value::Element(_)) => {}
        _ => return digest.give_up(),
    }
    digest.object(label);
    for (name, value) in element.iter() {
        match value {
            Value::Element(element) => feed_fhirbolt(element, name, digest),
            Value::Sequence(items) => {
                digest.list(name);
                items.iter().for_each(|item| feed_fhirbolt(item, "", digest));
                digest.close();
            }
            Value::Primitive(primitive) => feed_primitive(primitive, name, digest),
        }
    }
    digest.close();
}

fn feed_primitive(primitive: &Primitive, label: &str, digest: &mut Digest) {
    match primitive {
        Primitive::Bool(is_true) => digest.boolean(label, *is_true),
        Primitive::Integer(number) => digest.number(label, &number.to_string()),
        Primitive::Integer64(number) => digest.string(label, &number.to_string()),
        Primitive::Decimal(text) if is_plain(text) => digest.number(label, text),
        Primitive::Decimal(_) => digest.give_up(),
        Primitive::String(text) => digest.string(label, text),
    }
}

/// Whether a decimal is written as it is held: a number of JSON without an exponent.
fn is_plain(text: &str) -> bool {
    autoclave_formats::json::is_number(text.as_bytes()) && !text.contains(['e', 'E'])
}

fn fhirbolt_xml<const R: usize>(question: &Question<'_>) -> Result<Box<dyn Model>, Refusal> {
    use fhirbolt::xml::Error;
    let strict = DeserializationConfig { mode: DeserializationMode::Strict };
    let element: Element<R> = fhirbolt::xml::from_slice(question.input, Some(strict)).map_err(|error| {
        let layer = match error {
            Error::Utf8Error(_) => Layer::Encoding,
            Error::Message(_) | Error::InvalidFhirEvent { .. } | Error::InvalidXmlNamespace(..) => Layer::Structure,
            _ => Layer::Syntax,
        };
        (layer, normalised(&error.to_string()))
    })?;
    Ok(Box::new(element))
}

fn serde(question: &Question<'_>) -> Result<Box<dyn Model>, Refusal> {
    let value: serde_json::Value = serde_json::from_slice(question.input).map_err(|error| json_error(&error))?;
    Ok(Box::new(value))
}

impl Model for serde_json::Value {
    fn write(&self) -> Written {
        serde_json::to_vec(self).map_err(|error| (Layer::Unknown, normalised(&error.to_string())))
    }

    fn feed(&self, _: bool, digest: &mut Digest) {
        feed_serde(self, "", digest);
    }
}

fn feed_serde(value: &serde_json::Value, label: &str, digest: &mut Digest) {
    match value {
        serde_json::Value::Null => digest.null(label),
        serde_json::Value::Bool(is_true) => digest.boolean(label, *is_true),
        serde_json::Value::Number(number) => digest.number(label, number.as_str()),
        serde_json::Value::String(text) => digest.string(label, text),
        serde_json::Value::Array(items) => {
            digest.list(label);
            items.iter().for_each(|item| feed_serde(item, "", digest));
            digest.close();
        }
        serde_json::Value::Object(members) => {
            digest.object(label);
            members.iter().for_each(|(name, value)| feed_serde(value, name, digest));
            digest.close();
        }
    }
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
