//! A day of the calendar. This room has no clock: whoever calls says which day it is.

use std::fmt;
use std::str::FromStr;

/// A day, `2026-05-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// Not a day of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: not a date; write one as 2026-05-01")]
pub struct NotADate(String);

impl Date {
    /// Days since 1 March of the year 0, for differences.
    fn number(self) -> i64 {
        // Howard Hinnant's days_from_civil: years begin in March, so that the leap day comes last.
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year
    }

    /// Days from `earlier` to this day; negative where this one is the earlier.
    pub fn days_since(self, earlier: Date) -> i64 {
        self.number() - earlier.number()
    }
}

/// A moment as RFC 3339 has it, in UTC and whole seconds, from milliseconds since 1970; the last day of 9999 at most.
pub fn moment(unix_ms: u64) -> String {
    let seconds = (unix_ms / 1000).min(253_402_300_799);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days, for days since 1 March of the year 0.
    let number = days + 719_468;
    let (era, of_era) = (number / 146_097, number % 146_097);
    let of_era_years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_years + of_era_years / 4 - of_era_years / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + of_era_years + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second % 3_600 / 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let wrong = || NotADate(crate::escape::column(text, 40));
        let bytes = text.as_bytes();
        let shape = |(at, byte): (usize, &u8)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() };
        if bytes.len() != 10 || !bytes.iter().enumerate().all(shape) {
            return Err(wrong());
        }
        let number = |from: usize, to: usize| text[from..to].parse::<u16>().map_err(|_| wrong());
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(wrong()),
        };
        if day == 0 || day > days {
            return Err(wrong());
        }
        let small = |n: u16| u8::try_from(n).expect("at most 31");
        Ok(Self { year, month: small(month), day: small(day) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days_of_the_calendar() {
        for (text, is_day) in [
            ("2026-05-01", true),
            ("2024-02-29", true),
            ("2000-02-29", true),
            ("1900-02-29", false),
            ("2026-02-29", false),
            ("2026-04-31", false),
            ("2026-00-01", false),
            ("2026-13-01", false),
            ("2026-01-00", false),
            ("2026-1-01", false),
            ("2026-05-01T00:00:00Z", false),
            ("+026-05-01", false),
            ("２026-05-1", false),
            ("", false),
        ] {
            assert_eq!(
                text.parse::<Date>().map(|date| date.to_string()).ok(),
                is_day.then(|| text.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn moments_are_told_in_utc() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_999, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (951_868_800_000, "2000-03-01T00:00:00Z"),
            (1_795_384_800_000, "2026-11-22T22:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(moment(unix_ms), text);
        }
    }

    #[test]
    fn differences_count_days() {
        for (from, to, days) in [
            ("2026-05-01", "2026-05-01", 0),
            ("2024-02-28", "2024-03-01", 2),
            ("2026-02-28", "2026-03-01", 1),
            ("2025-11-22", "2026-11-22", 365),
            ("1970-01-01", "2000-01-01", 10_957),
            ("2026-05-02", "2026-05-01", -1),
        ] {
            let day = |text: &str| text.parse::<Date>().unwrap();
            assert_eq!(day(to).days_since(day(from)), days, "{from} {to}");
        }
    }
}
