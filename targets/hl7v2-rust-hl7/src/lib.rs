//! HL7 v2 read with rust-hl7: `parse` splits a message, decodes the escapes of every field with the message's own
//! separators and queries what a router needs. It returns the count of fields.

use guest_abi::{Reading, Refusal};
use rusthl7::escape_sequence::EscapeSequence;
use rusthl7::message::Message;
use std::convert::TryFrom;

guest_abi::entry!(parse, read);

fn read(bytes: &[u8]) -> Reading {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Encoding)?;
    let message = Message::try_from(text).map_err(|_| Refusal::Syntax)?;
    let decoder = EscapeSequence::new(message.get_separators());
    let mut fields = 0;
    for (at, segment) in message.segments.iter().enumerate() {
        // MSH-1 and MSH-2 hold the separators themselves and are never decoded.
        let first = if at == 0 { 2 } else { 1 };
        for field in segment.fields.iter().skip(first) {
            fields += i32::from(!decoder.decode(field.value()).is_empty());
        }
    }
    let identified = message.segments_by_name("PID").map_err(|_| Refusal::Meaning)?;
    for pid in identified {
        fields += i32::from(!pid[(3, 0)].is_empty());
    }
    Ok(fields)
}
