//! HL7 v2, looked up by position.

use guest_abi::{Reading, Refusal};

/// Careless: `segment(n)` and `field(n)` read well, and search from the start each time: the work is the square of the
/// number of segments, and of fields in a segment. Returns the number of components that say something.
pub fn read(bytes: &[u8]) -> Reading {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Encoding)?;
    let mut headers = 0;
    let mut filled = 0;
    for at in 0..text.split('\r').count() {
        let segment = part(text, '\r', at);
        if segment.starts_with("MSH|") {
            headers += 1;
        }
        for at in 1..segment.split('|').count() {
            let field = part(segment, '|', at);
            for at in 0..field.split('^').count() {
                filled += i32::from(!part(field, '^', at).is_empty());
            }
        }
    }
    if headers == 0 { Err(Refusal::Meaning) } else { Ok(filled) }
}

fn part(text: &str, separator: char, at: usize) -> &str {
    text.split(separator).nth(at).unwrap_or_default()
}
