//! Parameters of families: what they may be, what they are, and how they are read from a command line.

use crate::{Family, GeneratorError, Wrap};

/// A parameter of a family.
pub struct Param {
    /// In kebab-case.
    pub name: &'static str,
    /// What it changes.
    pub about: &'static str,
    /// What it may be.
    pub range: Range,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// A number, in a unit.
    Number {
        /// Unless somebody says otherwise.
        default: u64,
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
        /// Of what.
        unit: &'static str,
    },
    /// One of some words.
    Choice {
        /// Unless somebody says otherwise.
        default: &'static str,
        /// All of them.
        of: &'static [&'static str],
    },
}

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// In the parameter's unit.
    Number(u64),
    /// One of the parameter's words.
    Choice(&'static str),
}

/// A value for every parameter of a family.
#[derive(Clone)]
pub struct Params {
    family: &'static Family,
    values: Vec<(&'static Param, Value)>,
}

/// A parameter that counts something.
pub const fn number(
    name: &'static str,
    unit: &'static str,
    default: u64,
    (min, max): (u64, u64),
    about: &'static str,
) -> Param {
    Param { name, about, range: Range::Number { default, min, max, unit } }
}

/// A parameter that is one of some words, the first of them by default.
pub const fn choice(name: &'static str, of: &'static [&'static str], about: &'static str) -> Param {
    Param { name, about, range: Range::Choice { default: of[0], of } }
}

impl Param {
    /// Its value unless somebody says otherwise.
    pub fn default(&self) -> Value {
        match self.range {
            Range::Number { default, .. } => Value::Number(default),
            Range::Choice { default, .. } => Value::Choice(default),
        }
    }

    fn parse(&self, family: &'static Family, text: &str) -> Result<Value, GeneratorError> {
        match self.range {
            Range::Number { min, max, unit, .. } => {
                parse_number(text).filter(|value| (min..=max).contains(value)).map(Value::Number).ok_or_else(|| {
                    let value = printable(text);
                    GeneratorError::OutOfRange { family: family.name, param: self.name, value, min, max, unit }
                })
            }
            Range::Choice { of, .. } => {
                of.iter().find(|word| **word == text).map(|word| Value::Choice(word)).ok_or_else(|| {
                    let (value, near) = (printable(text), nearest(text, of.iter().copied()));
                    GeneratorError::NotAChoice { family: family.name, param: self.name, value, of, near }
                })
            }
        }
    }
}

impl Params {
    pub(crate) fn defaults(family: &'static Family) -> Self {
        Self { family, values: family.params().map(|param| (param, param.default())).collect() }
    }

    pub(crate) fn parse(family: &'static Family, words: &[impl AsRef<str>]) -> Result<Self, GeneratorError> {
        let mut params = Self::defaults(family);
        for word in words.iter().map(AsRef::as_ref) {
            let (name, text) =
                word.split_once('=').ok_or_else(|| GeneratorError::NotAnAssignment { word: printable(word) })?;
            let (param, value) = params.entry(name)?;
            *value = param.parse(family, text)?;
        }
        Ok(params)
    }

    /// The same with another number in one place.
    ///
    /// # Errors
    /// No such parameter, or not a number that it takes.
    pub fn with(&self, name: &str, number: u64) -> Result<Self, GeneratorError> {
        let mut params = self.clone();
        let family = self.family;
        let (param, value) = params.entry(name)?;
        *value = param.parse(family, &number.to_string())?;
        Ok(params)
    }

    /// Whose they are.
    pub fn family(&self) -> &'static Family {
        self.family
    }

    /// Every parameter with its value, in the family's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Param, Value)> + '_ {
        self.values.iter().copied()
    }

    /// Words from which the same parameters can be read again.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.iter().map(|(param, value)| format!("{}={value}", param.name))
    }

    /// The number that a parameter of the family's table is.
    pub(crate) fn number(&self, name: &str) -> u64 {
        match self.value(name) {
            Some(Value::Number(number)) => number,
            other => unreachable!("{} has no number `{name}`: {other:?}", self.family.name),
        }
    }

    /// The word that a parameter of the family's table is.
    pub(crate) fn choice(&self, name: &str) -> &'static str {
        match self.value(name) {
            Some(Value::Choice(word)) => word,
            other => unreachable!("{} has no choice `{name}`: {other:?}", self.family.name),
        }
    }

    /// In what the input is wrapped.
    pub fn wrap(&self) -> Wrap {
        self.value("wrap").map_or(Wrap::None, |_| Wrap::named(self.choice("wrap")))
    }

    fn value(&self, name: &str) -> Option<Value> {
        self.iter().find(|(param, _)| param.name == name).map(|(_, value)| value)
    }

    fn entry(&mut self, name: &str) -> Result<(&'static Param, &mut Value), GeneratorError> {
        let family = self.family;
        self.values.iter_mut().find(|(param, _)| param.name == name).map(|(param, value)| (*param, value)).ok_or_else(
            || {
                let known: Vec<&str> = family.params().map(|param| param.name).collect();
                GeneratorError::UnknownParam {
                    family: family.name,
                    name: printable(name),
                    near: nearest(name, known.iter().copied()),
                    known: known.join(", "),
                }
            },
        )
    }
}

/// As on a command line.
impl std::fmt::Debug for Params {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.family.name)?;
        self.words().try_for_each(|word| write!(out, " {word}"))
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(out),
            Self::Choice(word) => word.fmt(out),
        }
    }
}

/// A count: digits, which may have `_` between them; a power such as `2^41`; a suffix in thousands (k, M, G, T) or in
/// powers of 1024 (Ki, Mi, Gi, Ti, with or without B).
pub fn parse_number(text: &str) -> Option<u64> {
    if let Some((base, exponent)) = text.split_once('^') {
        return base.parse::<u64>().ok()?.checked_pow(exponent.parse().ok()?);
    }
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let factor: u64 = match suffix.strip_suffix('B').unwrap_or(suffix) {
        "" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
    digits.replace('_', "").parse::<u64>().ok().filter(|_| is_number)?.checked_mul(factor)
}

/// The candidate that `word` was probably meant to be.
pub(crate) fn nearest(word: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    const ALIKE_MIN: f64 = 0.8;
    // Long words are not typing errors, and comparing them costs the product of their lengths.
    const CHARS_MAX: usize = 100;
    if word.len() > CHARS_MAX {
        return None;
    }
    let scored = candidates.map(|name| (strsim::jaro_winkler(word, name), name));
    scored.filter(|(score, _)| *score >= ALIKE_MIN).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// What somebody typed, short and without control characters.
pub(crate) fn printable(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut shown: String = text.chars().take(CHARS_MAX).flat_map(char::escape_default).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_write_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1_000", Some(1000)),
            ("8k", Some(8000)),
            ("8KiB", Some(8192)),
            ("64Mi", Some(64 << 20)),
            ("1G", Some(1_000_000_000)),
            ("64TiB", Some(64 << 40)),
            ("2^41", Some(1 << 41)),
            ("2^64", None),
            ("16777216TiB", None),
            ("", None),
            ("k", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1 k", None),
            ("1kk", None),
            ("_1", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(parse_number(text), expected, "{text}");
        }
    }

    #[test]
    fn what_was_typed_is_shown_short_and_harmless() {
        assert_eq!(printable("a\x1b[2Jé"), "a\\u{1b}[2J\\u{e9}");
        assert!(printable(&"x".repeat(1 << 20)).chars().count() < 70);
        assert_eq!(nearest(&"gzip".repeat(1 << 20), ["gzip"].into_iter()), None);
    }
}
