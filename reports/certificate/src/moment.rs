//! Moments in time as certificates write them: RFC 3339, UTC, whole seconds, one spelling for each.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds of one day.
const DAY_SECONDS: u64 = 86_400;
/// 9999-12-31T23:59:59Z, the last second with four digits for the year.
const LAST_SECOND: u64 = 253_402_300_799;

/// A second in UTC, written `2026-11-22T21:04:51Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// Text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no date: write 2026-11-22 or 2026-11-22T21:04:51Z, UTC, whole seconds")]
pub struct NotAMoment(String);

impl Moment {
    /// That many seconds after 1970-01-01T00:00:00Z; the last second of the year 9999 for more.
    pub fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds.min(LAST_SECOND))
    }

    /// Seconds after 1970-01-01T00:00:00Z.
    pub fn unix_seconds(self) -> u64 {
        self.0
    }

    /// So many days later.
    pub fn plus_days(self, days: u32) -> Self {
        Self::from_unix_seconds(self.0.saturating_add(u64::from(days) * DAY_SECONDS))
    }

    /// Whole days from `earlier` until this moment, rounded up; none if it is not earlier.
    pub fn days_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0).div_ceil(DAY_SECONDS)
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        Self::from_unix_seconds(time.duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs()))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.0)).fmt(f)
    }
}

impl FromStr for Moment {
    type Err = NotAMoment;

    /// A day alone is its first second.
    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        let wrong = || NotAMoment(crate::reason::shown(text));
        if text.len() > 20 {
            return Err(wrong());
        }
        let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        let moment = Moment::from(humantime::parse_rfc3339(&whole).map_err(|_| wrong())?);
        // The parser is lenient (leap seconds, fractions); two spellings of one moment would be two certificates.
        if moment.to_string() == whole { Ok(moment) } else { Err(wrong()) }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment: Moment = text.parse().map_err(serde::de::Error::custom)?;
        if text.len() == 10 { Err(serde::de::Error::custom(NotAMoment(text))) } else { Ok(moment) }
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "RFC 3339, UTC, whole seconds.",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_each_moment() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(text.parse().ok().map(Moment::unix_seconds), expected, "{text}");
        };
        check("1970-01-01", Some(0));
        check("1970-01-01T00:00:01Z", Some(1));
        check("2026-11-22T21:04:51Z", Some(1_795_381_491));
        check("2024-02-29", Some(1_709_164_800));
        for wrong in [
            "",
            "2026",
            "2026-13-01",
            "2025-02-29",
            "2026-11-22T21:04:51",
            "2026-11-22t21:04:51z",
            "2026-11-22 21:04:51Z",
            "2026-11-22T21:04:51.5Z",
            "2026-11-22T21:04:51+00:00",
            "2026-11-22T21:04:60Z",
            " 2026-11-22",
            "1969-12-31",
            "2026-11-22T24:00:00Z",
            "99999-01-01T00:00:00Z",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn days() {
        let start: Moment = "2026-11-22".parse().unwrap();
        assert_eq!(start.plus_days(90).to_string(), "2027-02-20T00:00:00Z");
        assert_eq!(start.plus_days(90).days_since(start), 90);
        assert_eq!(start.days_since(start.plus_days(1)), 0);
        assert_eq!(Moment::from_unix_seconds(u64::MAX).plus_days(u32::MAX).to_string(), "9999-12-31T23:59:59Z");
    }
}
