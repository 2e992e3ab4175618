//! The decimals of a JSON document, exactly as FHIR wants them: all digits are kept.

use guest_abi::{Reading, Refusal};
use num_bigint::BigUint;

/// The remainder that stands for a number in the answer.
const MODULUS: u32 = 1_000_000_007;
/// Arrays and objects in one another, as serde_json has it.
const DEPTH_MAX: usize = 127;
/// Digits of one number, more than any that means something.
const DIGITS_MAX: usize = 1000;

/// Careful: nothing stands deeper than a tree would be read; there are no more numbers than a list may have items; a number has at most a thousand digits, and to convert
/// so few costs no more than to read them. Returns the
/// sum of all digits and exponents, remainders taken. Structure is another's business: what is no number and no string
/// is passed over.
pub fn read(bytes: &[u8]) -> Reading {
    let (mut sum, mut numbers, mut depth) = (0, 0, 0_usize);
    let mut rest = crate::short(bytes)?;
    while let [first, after @ ..] = rest {
        rest = match first {
            b'"' => after_string(after)?,
            b'0'..=b'9' => {
                numbers += 1;
                if numbers > crate::ITEMS_MAX {
                    return Err(Refusal::TooLarge);
                }
                let (number, after) = rest.split_at(number_bytes(rest));
                sum = (sum + value(number)?) % MODULUS;
                after
            }
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(Refusal::TooLarge);
                }
                after
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                after
            }
            _ => after,
        };
    }
    Ok(sum as i32)
}

/// What follows the closing quote.
fn after_string(text: &[u8]) -> Result<&[u8], Refusal> {
    let mut at = 0;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(&text[at + 1..]),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return Err(Refusal::Syntax),
        }
    }
}

fn number_bytes(text: &[u8]) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len())
}

/// `12.30e-2` is 1230 and -2 - 2.
fn value(number: &[u8]) -> Result<u32, Refusal> {
    if number.len() > DIGITS_MAX {
        return Err(Refusal::TooLarge);
    }
    let text = std::str::from_utf8(number).map_err(|_| Refusal::Encoding)?;
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent = exponent.parse::<i32>().map_err(|_| Refusal::Meaning)?;
    let scale = i64::from(exponent) - fraction.len() as i64;
    let mantissa: BigUint = format!("{whole}{fraction}").parse().map_err(|_| Refusal::Syntax)?;
    let remainder = (mantissa % MODULUS).try_into().unwrap_or(0);
    Ok((remainder + scale.unsigned_abs() as u32 % MODULUS) % MODULUS)
}
