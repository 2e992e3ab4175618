//! The declared name space: what inputs may say, because it is about nobody. Lists stand in `namespace.toml`.

use super::checksums;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

/// The lists of `namespace.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Space {
    /// Bumped when a rule or a list changes.
    pub version: u32,
    names: BTreeSet<String>,
    places: BTreeSet<String>,
    postcodes: BTreeSet<String>,
    dates: BTreeSet<String>,
    months: BTreeSet<String>,
    hosts: BTreeSet<String>,
    phone_prefixes: Vec<String>,
    identifiers: BTreeSet<String>,
    uuids: Vec<String>,
    common_given: BTreeSet<String>,
    common_surnames: BTreeSet<String>,
}

/// The one that we declare.
pub fn declared() -> &'static Space {
    static SPACE: OnceLock<Space> = OnceLock::new();
    SPACE.get_or_init(|| toml::from_str(include_str!("namespace.toml")).expect("a test reads it"))
}

impl Space {
    /// Whether every word of a name is declared. Words of one or two letters are no names.
    pub fn has_name(&self, text: &str) -> bool {
        words(text).all(|word| is_short(&word) || self.names.contains(&word))
    }

    /// Whether two words in a row are what many people are called.
    pub fn is_common_name(&self, given: &str, surname: &str) -> bool {
        let (given, surname) = (given.to_lowercase(), surname.to_lowercase());
        self.common_given.contains(&given)
            && self.common_surnames.contains(&surname)
            && !(self.names.contains(&given) && self.names.contains(&surname))
    }

    /// Whether every word of an address is declared.
    pub fn has_place(&self, text: &str) -> bool {
        words(text).all(|word| is_short(&word) || self.places.contains(&word) || self.names.contains(&word))
    }

    /// Whether a postal code is one that no post office has. Three characters are no postal code (ZIP codes may keep as
    /// many).
    pub fn has_postcode(&self, text: &str) -> bool {
        let text = text.trim();
        text.chars().filter(|c| c.is_alphanumeric()).count() <= 3
            || !text.contains(|c: char| c.is_ascii_digit())
            || self.postcodes.contains(text)
    }

    /// Whether a day is declared, or none of the calendar.
    pub fn has_date(&self, year: u32, month: u32, day: u32) -> bool {
        !is_day(year, month, day) || self.dates.contains(&format!("{year:04}-{month:02}-{day:02}"))
    }

    /// Whether a month of a year is declared.
    pub fn has_month(&self, year: u32, month: u32) -> bool {
        let text = format!("{year:04}-{month:02}");
        !(1..=12).contains(&month)
            || self.months.contains(&text)
            || self.dates.range(text.clone()..).next().is_some_and(|date| date.starts_with(&text))
    }

    /// Whether a telephone number is kept free for fiction: 555-0100 to 555-0199 (ATIS-0300115), or declared.
    pub fn has_phone(&self, text: &str) -> bool {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if digits.len() < 7 || digits.bytes().all(|digit| digit == digits.as_bytes()[0]) {
            return true;
        }
        let national = digits.strip_prefix('1').filter(|rest| rest.len() == 10).unwrap_or(&digits);
        let local = if national.len() == 10 { &national[3..] } else { national };
        local.starts_with("55501") && local.len() == 7
            || self.phone_prefixes.iter().any(|prefix| digits.starts_with(prefix.as_str()))
    }

    /// Whether a host is reserved (RFC 2606, RFC 6761), or part of a format.
    pub fn has_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.hosts.contains(&host) || is_reserved_host(&host)
    }

    /// Whether an identifier is invented: it begins with `SYN`, or is too short or too plain to be anybody's.
    pub fn has_identifier(&self, text: &str) -> bool {
        let kept: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
        let digits = kept.chars().filter(char::is_ascii_digit).count();
        kept.starts_with("SYN")
            || kept.chars().count() < 4
            || digits == 0
            || kept.chars().all(|c| c == '0')
            || self.identifiers.contains(&kept)
            || is_uuid(text).is_some_and(|uuid| self.has_uuid(uuid))
    }

    /// Whether a UUID is declared, or of one digit.
    pub fn has_uuid(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let plain = digits.len() == 32
            && digits.iter().enumerate().all(|(at, digit)| matches!(at, 12 | 16) || *digit == digits[0]);
        plain || self.uuids.iter().any(|prefix| text.starts_with(prefix.as_str()))
    }
}

/// The UUID in a text such as `urn:uuid:…`.
fn is_uuid(text: &str) -> Option<&str> {
    let text = text.trim();
    let text = text.get(text.len().checked_sub(36)?..)?;
    text.bytes()
        .enumerate()
        .all(|(at, c)| if matches!(at, 8 | 13 | 18 | 23) { c == b'-' } else { c.is_ascii_hexdigit() })
        .then_some(text)
}

/// Whether a social security number was never given out: SSA's POMS RM 10201.035.
pub fn is_invented_ssn(digits: &[u8]) -> bool {
    let area = digits.get(..3).unwrap_or_default();
    area == b"000"
        || area == b"666"
        || area.first() == Some(&b'9')
        || digits.get(3..5) == Some(b"00")
        || digits.get(5..9) == Some(b"0000")
}

/// RFC 5737, loopback, "this host", broadcast and private use (RFC 1918: the same in every house).
pub fn is_reserved_v4(ip: Ipv4Addr) -> bool {
    ip.is_documentation()
        || ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_broadcast()
        || ip.is_private()
        || ip.octets()[0] == 0
}

/// RFC 3849, loopback, unspecified, link-local without a device in it, and the v4 ones inside of v6.
pub fn is_reserved_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    (s[0] == 0x2001 && s[1] == 0xdb8)
        || ip.is_loopback()
        || ip.is_unspecified()
        || ip.to_ipv4().is_some_and(is_reserved_v4)
}

/// RFC 7042, section 2.1.2: 00-00-5E-00-53-00 to -FF; and all zeros or ones.
pub fn is_reserved_mac(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase();
    digits.starts_with("00005e0053") || digits.chars().all(|c| c == '0') || digits.chars().all(|c| c == 'f')
}

/// Whether a National Provider Identifier was never given out.
pub fn is_invented_npi(digits: &[u8]) -> bool {
    !checksums::npi(digits)
}

fn is_reserved_host(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let second: Vec<&str> = host.rsplitn(3, '.').take(2).collect();
    matches!(last, "example" | "test" | "invalid" | "localhost")
        || matches!(second[..], ["com" | "net" | "org" | "edu", "example"])
}

/// Words of a text, lower case: letters, whatever stands between them.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

fn is_short(word: &str) -> bool {
    // One ideograph is a syllable; two are a name.
    let letters = word.chars().count();
    if word.chars().any(|c| c > '\u{2e7f}') { letters < 2 } else { letters < 3 }
}

/// Whether there is such a day.
pub fn is_day(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    // No calendar has a year 0.
    year > 0 && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_space_and_its_edges() {
        let space = declared();
        assert!(space.version > 0);
        assert!(space.has_name("SYN A") && space.has_name("Testperson, Anna M.") && !space.has_name("Anna Kowalski"));
        assert!(space.is_common_name("Mary", "Johnson") && !space.is_common_name("Jane", "Doe"));
        assert!(space.has_phone("+1-202-555-0123") && space.has_phone("5550199") && !space.has_phone("202-555-0200"));
        assert!(!space.has_phone("415-867-5309") && space.has_phone("123"));
        assert!(space.has_host("a.example.org") && space.has_host("x.test") && !space.has_host("example.org.evil.com"));
        assert!(space.has_identifier("SYN-123456") && !space.has_identifier("123456") && space.has_identifier("A1"));
        assert!(space.has_date(2026, 8, 15) && !space.has_date(1973, 5, 17) && space.has_date(2026, 4, 31));
        assert!(space.has_month(1975, 1) && !space.has_month(1973, 5) && space.has_month(2026, 8));
        assert!(space.has_postcode("00000") && !space.has_postcode("90210"));
        assert!(space.has_uuid("22222222-2222-4222-8222-222222222222"));
        assert!(!space.has_uuid("5f3b1c9e-7d24-4e0a-9c11-0a6b7d8e9f10"));
        for invented in [&b"000123456"[..], b"666123456", b"912345678", b"123006789", b"123450000"] {
            assert!(is_invented_ssn(invented));
        }
        assert!(!is_invented_ssn(b"219099999"));
    }
}
