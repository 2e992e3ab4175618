//! From each peer's own data model to an [`Answer`]: structure as the peer sees it, text as the peer decodes it. Nothing is
//! folded, stripped or repaired before the peer sees it.

use autoclave_formats::hl7::Answer;
use autoclave_formats::peers::Layer;
use rusthl7::escape_sequence::EscapeSequence;
use rusthl7::separators::Separators;
use std::convert::TryFrom;
use std::fmt::Write;

/// What a peer made of an input: its reading, or the layer that refused and the error without values.
pub type Read = Result<Answer, (Layer, &'static str)>;

/// An adapter.
pub type Adapter = fn(&[u8]) -> Read;

/// The adapters, in the order of `peers::RUST_HL7`.
pub const ADAPTERS: &[Adapter] = &[er7, hl7kit, hl7_parser, hl7_parser_lenient, rust_hl7];

fn text(input: &[u8]) -> Result<&str, (Layer, &'static str)> {
    std::str::from_utf8(input).map_err(|_| (Layer::Encoding, "not UTF-8"))
}

fn er7(input: &[u8]) -> Read {
    let mut answer = Answer::new();
    let text = text(input)?;
    let batch = er7::split_messages(text);
    for one in if batch.is_empty() { vec![text] } else { batch } {
        let message = er7::parse(one).map_err(|error| match error {
            er7::Error::Empty => (Layer::Structure, "no segments"),
            er7::Error::MissingHeader(_) => (Layer::Structure, "no header"),
            er7::Error::BadHeader(_) => (Layer::Syntax, "unusable delimiters"),
            _ => (Layer::Unknown, "other"),
        })?;
        answer.message();
        for segment in &message.segments {
            answer.segment(segment.name.as_bytes());
            for (at, field) in segment.fields.iter().enumerate() {
                answer.field();
                if at < 2 && segment.is_header() {
                    answer.leaf(field.to_er7(&message.separators).as_bytes());
                    continue;
                }
                for repetition in &field.repetitions {
                    answer.repetition();
                    for component in &repetition.components {
                        answer.component();
                        for part in &component.subcomponents {
                            if part.is_null() {
                                answer.leaf(part.raw.as_bytes());
                                continue;
                            }
                            answer.leaf_of(part.value(&message.separators).as_bytes(), part.raw.as_bytes());
                        }
                    }
                }
            }
        }
    }
    Ok(answer)
}

fn hl7kit(input: &[u8]) -> Read {
    let message = hl7kit::Message::parse_bytes(input).map_err(|error| match error {
        hl7kit::ParseError::Empty => (Layer::Structure, "empty"),
        hl7kit::ParseError::InvalidUtf8 { .. } => (Layer::Encoding, "not UTF-8"),
        hl7kit::ParseError::MissingMsh { .. } => (Layer::Structure, "no MSH"),
        hl7kit::ParseError::MalformedMsh { reason } => (Layer::Syntax, reason),
        hl7kit::ParseError::MalformedSegment { .. } => (Layer::Structure, "not a segment"),
    })?;
    let mut answer = Answer::new();
    answer.message();
    for segment in message.segments() {
        answer.segment(segment.name().as_bytes());
        for field in segment.fields() {
            answer.field();
            if field.number() <= 2 && segment.name() == "MSH" {
                answer.leaf(field.value().as_bytes());
                continue;
            }
            for repetition in field.repetitions() {
                answer.repetition();
                for component in repetition.components() {
                    answer.component();
                    for part in component.subcomponents() {
                        answer.leaf_of(part.decoded().as_bytes(), part.value().as_bytes());
                    }
                }
            }
        }
    }
    Ok(answer)
}

fn hl7_parser(input: &[u8]) -> Read {
    hl7_parser_with(input, false)
}

fn hl7_parser_lenient(input: &[u8]) -> Read {
    hl7_parser_with(input, true)
}

fn hl7_parser_with(input: &[u8], lenient_newlines: bool) -> Read {
    let message = hl7_parser::Message::parse_with_lenient_newlines(text(input)?, lenient_newlines).map_err(
        |error| match error {
            hl7_parser::parser::ParseError::FailedToParse { .. } => (Layer::Syntax, "failed to parse"),
            hl7_parser::parser::ParseError::IncompleteInput(_) => (Layer::Syntax, "incomplete"),
        },
    )?;
    let mut answer = Answer::new();
    let mut decoded = String::new();
    answer.message();
    for segment in message.segments() {
        answer.segment(segment.name.as_bytes());
        for (at, field) in segment.fields().enumerate() {
            answer.field();
            if at < 2 && segment.name == "MSH" {
                answer.leaf(field.raw_value().as_bytes());
                continue;
            }
            for component in
                field.repeats().flat_map(|repeat| Some(None).into_iter().chain(repeat.components().map(Some)))
            {
                let Some(component) = component else {
                    answer.repetition();
                    continue;
                };
                answer.component();
                for part in component.subcomponents() {
                    // Its decoding copies what has no escape character.
                    if !part.raw_value().contains(message.separators.escape) {
                        answer.leaf(part.raw_value().as_bytes());
                        continue;
                    }
                    decoded.clear();
                    // Writing to a string cannot fail unless the peer's own formatting does.
                    if write!(decoded, "{}", message.separators.decode(part.raw_value())).is_err() {
                        return Err((Layer::Value, "not decoded"));
                    }
                    answer.leaf_of(decoded.as_bytes(), part.raw_value().as_bytes());
                }
            }
        }
    }
    Ok(answer)
}

thread_local! {
    /// It compiles a regular expression: built once for the usual delimiters, as its documentation advises.
    static USUAL: EscapeSequence = EscapeSequence::new(Separators::default());
}

fn rust_hl7(input: &[u8]) -> Read {
    let message = rusthl7::message::Message::try_from(text(input)?).map_err(|error| match error {
        rusthl7::Hl7ParseError::Msh1Msh2(_) => (Layer::Structure, "no MSH"),
        rusthl7::Hl7ParseError::MissingRequiredValue() => (Layer::Structure, "required value"),
        rusthl7::Hl7ParseError::Generic(_) => (Layer::Unknown, "generic"),
    })?;
    let separators = message.get_separators();
    match separators == Separators::default() {
        true => Ok(USUAL.with(|decoder| rust_hl7_with(&message, decoder))),
        false => Ok(rust_hl7_with(&message, &EscapeSequence::new(separators))),
    }
}

fn rust_hl7_with(message: &rusthl7::message::Message<'_>, decoder: &EscapeSequence) -> Answer {
    let mut answer = Answer::new();
    let usual = message.get_separators() == Separators::default();
    answer.message();
    // Its splitting gives an empty segment after the last terminator.
    for segment in message.segments.iter().filter(|segment| !segment.source.is_empty()) {
        let mut fields = segment.fields.iter();
        let name = fields.next().map_or("", |name| name.source);
        answer.segment(name.as_bytes());
        if name == "MSH" {
            // The separator itself is no field of its own in this model.
            answer.field();
            answer.leaf(message.get_separators().field.to_string().as_bytes());
            answer.field();
            answer.leaf(fields.next().map_or("", |field| field.source).as_bytes());
        }
        for field in fields {
            answer.field();
            for repetition in &field.subcomponents {
                answer.repetition();
                for component in repetition {
                    answer.component();
                    for part in component {
                        // Its search for the usual escape character finds a backslash and nothing else.
                        match usual && !part.contains('\\') {
                            true => answer.leaf(part.as_bytes()),
                            false => answer.leaf_of(decoder.decode(*part).as_bytes(), part.as_bytes()),
                        }
                    }
                }
            }
        }
    }
    answer
}
