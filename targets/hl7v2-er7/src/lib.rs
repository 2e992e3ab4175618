//! HL7 v2 read with er7: `parse` cuts a batch into messages, reads each, decodes every value, queries what a router
//! needs and writes the tree back. It returns the count of values.

use guest_abi::{Reading, Refusal};

guest_abi::entry!(parse, read);

fn read(bytes: &[u8]) -> Reading {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Encoding)?;
    let mut values = 0;
    for one in er7::split_messages(text) {
        let message = er7::parse(one).map_err(|_| Refusal::Syntax)?;
        for segment in &message.segments {
            for repetition in segment.fields.iter().flat_map(|field| &field.repetitions) {
                for subcomponent in repetition.components.iter().flat_map(|component| &component.subcomponents) {
                    values += i32::from(!subcomponent.value(&message.separators).is_empty());
                }
            }
        }
        for path in ["MSH-9.1", "PID-3[2].1", "PID-5.1", "OBX[2]-5", "OBR-4.2"] {
            values += message.query_all(path).map_err(|_| Refusal::Meaning)?.len() as i32;
        }
        let written = message.to_er7();
        if er7::parse(&written).map_err(|_| Refusal::Meaning)? != message {
            return Err(Refusal::Meaning);
        }
    }
    Ok(values)
}
