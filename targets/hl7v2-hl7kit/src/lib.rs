//! HL7 v2 read with hl7kit: `parse` takes bytes, decodes every value, follows every span back into the text and
//! extracts an imaging order. It returns the count of values.

use guest_abi::{Reading, Refusal};
use hl7kit::Message;
use hl7kit::order::Order;

guest_abi::entry!(parse, read);

fn read(bytes: &[u8]) -> Reading {
    let message = Message::parse_bytes(bytes).map_err(|_| Refusal::Syntax)?;
    let mut values = 0;
    for segment in message.segments() {
        for repetition in segment.fields().flat_map(|field| field.repetitions().collect::<Vec<_>>()) {
            for component in repetition.components() {
                for subcomponent in component.subcomponents() {
                    let text = message.raw().get(subcomponent.span().range()).ok_or(Refusal::Meaning)?;
                    values += i32::from(text == subcomponent.value() && !subcomponent.decoded().is_empty());
                }
            }
        }
    }
    for path in ["MSH-9.1", "PID-3.1", "PID-5.1", "OBX-5", "ZDS-1.1"] {
        values += i32::from(message.get_decoded(path).is_some());
    }
    let order = Order::extract(&message);
    values += i32::from(order != Order::extract(&message));
    Ok(values)
}
