//! HL7 v2, from the front to the back.

use guest_abi::{Reading, Refusal};

/// Careful: every byte is looked at once for each kind of separator, however many parts there are, and a field has no more
/// repetitions than a list may have items. Returns the number of components that say something.
pub fn read(bytes: &[u8]) -> Reading {
    let text = std::str::from_utf8(crate::short(bytes)?).map_err(|_| Refusal::Encoding)?;
    let mut headers = 0;
    let mut filled = 0;
    for segment in text.split('\r') {
        if segment.starts_with("MSH|") {
            headers += 1;
        }
        for field in segment.split('|').skip(1) {
            if field.matches('~').count() >= crate::ITEMS_MAX {
                return Err(Refusal::TooLarge);
            }
            filled += field.split('^').filter(|component| !component.is_empty()).count() as i32;
        }
    }
    if headers == 0 { Err(Refusal::Meaning) } else { Ok(filled) }
}
