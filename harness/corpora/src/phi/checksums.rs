//! Check digits: what tells an identifier from other digits.

/// Luhn's, over ASCII digits: cards, IMEI.
pub fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().map(|(at, digit)| luhn_value(*digit, at % 2 == 1)).sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

fn luhn_value(digit: u8, doubled: bool) -> u32 {
    let value = u32::from(digit.wrapping_sub(b'0') % 10);
    match (doubled, value * 2) {
        (false, _) => value,
        (true, twice) => twice / 10 + twice % 10,
    }
}

/// National Provider Identifier: Luhn's with 80840 in front (45 CFR 162.406).
pub fn npi(digits: &[u8]) -> bool {
    digits.len() == 10 && matches!(digits[0], b'1' | b'2') && luhn(&[b"80840", digits].concat())
}

/// A DEA number's last digit: (d1 + d3 + d5 + 2 (d2 + d4 + d6)) mod 10.
pub fn dea(text: &[u8]) -> bool {
    let Some(digits) = text.get(2..9) else { return false };
    let d = |at: usize| u32::from(digits[at].wrapping_sub(b'0') % 10);
    (d(0) + d(2) + d(4) + 2 * (d(1) + d(3) + d(5))) % 10 == d(6)
}

/// A vehicle identification number's ninth character (49 CFR 565.15(c)).
pub fn vin(text: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |c: u8| -> Option<u32> {
        Some(match c {
            b'0'..=b'9' => u32::from(c - b'0'),
            b'A'..=b'H' => u32::from(c - b'A') + 1,
            b'J'..=b'N' => u32::from(c - b'J') + 1,
            b'P' => 7,
            b'R' => 9,
            b'S'..=b'Z' => u32::from(c - b'S') + 2,
            _ => return None,
        })
    };
    if text.len() != 17 {
        return false;
    }
    let mut sum = 0;
    for (c, weight) in text.iter().zip(WEIGHTS) {
        let Some(value) = value(*c) else { return false };
        sum += value * weight;
    }
    let expected = if sum % 11 == 10 { b'X' } else { b'0' + (sum % 11) as u8 };
    text[8] == expected && text.iter().any(u8::is_ascii_alphabetic)
}

/// IBAN: ISO 7064, mod 97-10.
pub fn iban(text: &[u8]) -> bool {
    if !(15..=34).contains(&text.len()) {
        return false;
    }
    let mut rest: u32 = 0;
    for c in text[4..].iter().chain(&text[..4]) {
        rest = match c {
            b'0'..=b'9' => rest * 10 + u32::from(c - b'0'),
            b'A'..=b'Z' => rest * 100 + u32::from(c - b'A') + 10,
            _ => return false,
        } % 97;
    }
    rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published examples of each; the same with one character changed.
    #[test]
    fn published_examples() {
        assert!(luhn(b"4111111111111111") && !luhn(b"4111111111111112"));
        assert!(npi(b"1234567893") && !npi(b"1234567890"));
        assert!(dea(b"AB1234563") && !dea(b"AB1234564") && !dea(b"AB"));
        assert!(vin(b"1M8GDM9AXKP042788") && !vin(b"1M8GDM9A1KP042788") && !vin(b"short"));
        assert!(iban(b"GB82WEST12345698765432") && !iban(b"GB83WEST12345698765432") && !iban(b""));
    }
}
