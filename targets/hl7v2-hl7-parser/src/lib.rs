//! HL7 v2 read with hl7-parser: `parse` takes a message with lenient newlines, decodes the escapes of every value as a
//! user interface does, reads the message time and looks up what a router needs. It returns the count of values.

use guest_abi::{Reading, Refusal};
use hl7_parser::Message;
use hl7_parser::datetime::parse_timestamp;
use std::fmt::Write;

guest_abi::entry!(parse, read);

fn read(bytes: &[u8]) -> Reading {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Encoding)?;
    let message = Message::parse_with_lenient_newlines(text, true).map_err(|_| Refusal::Syntax)?;
    let mut values = 0;
    let mut shown = String::new();
    for segment in message.segments() {
        for field in segment.fields() {
            for repeat in field.repeats() {
                for component in repeat.components() {
                    for subcomponent in component.subcomponents() {
                        shown.clear();
                        write!(shown, "{}", message.separators.decode(subcomponent.raw_value()))
                            .map_err(|_| Refusal::Meaning)?;
                        values += 1;
                    }
                }
            }
        }
    }
    for path in ["MSH.9.1", "MSH.10", "PID.3.1", "PID.5", "OBX[2].5", "OBR.4.2"] {
        if let Some(found) = message.query(path) {
            values += i32::from(!found.raw_value().is_empty());
        }
    }
    if let Some(time) = message.query("MSH.7") {
        parse_timestamp(time.raw_value(), false).map_err(|_| Refusal::Meaning)?;
    }
    Ok(values)
}
