//! What the rows on constant time add up to, for every renderer: answers, leaks as they are read, ground truth, positions
//! in a secret. Sorted and counted as the record says; nothing is judged here.

use crate::constant_time::{ConstantTime, Handled, Leak, Unreached};
use crate::record::{Frame, Verdict};
use crate::words::{count, plural};
use std::collections::BTreeMap;

/// How many entries came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// With a strong leak.
    pub leaking: u64,
    /// With a weak one.
    pub weak: u64,
    /// Compared, and the same for every secret.
    pub constant: u64,
    /// Should have been compared and were not.
    pub not_tested: u64,
    /// Handle no secret.
    pub not_applicable: u64,
}

impl Answers {
    /// Of these entries.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Handled>) -> Self {
        let mut answers = Answers::default();
        for entry in entries {
            match entry.verdict {
                Verdict::Fail(_) => answers.leaking += 1,
                Verdict::Warn(_) => answers.weak += 1,
                Verdict::Pass | Verdict::Attested(_) => answers.constant += 1,
                Verdict::NotTested(_) | Verdict::NotAttested => answers.not_tested += 1,
                Verdict::NotApplicable(_) => answers.not_applicable += 1,
            }
        }
        answers
    }

    /// `12 entries: 3 leak, 1 weakly, 7 constant, 1 not tested`; entries that handle no secret are not among them.
    pub fn words(&self) -> String {
        let Answers { leaking, weak, constant, not_tested, .. } = self;
        let entries = plural(leaking + weak + constant + not_tested, "entry");
        format!("{entries}: {leaking} leak, {weak} weakly, {constant} constant, {not_tested} not tested")
    }
}

/// Events that were compared, of all entries.
pub fn events(section: &ConstantTime) -> u64 {
    section.entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.events))
}

/// The leaks of an entry with such a verdict, as they stand.
pub fn of_entry<'a>(section: &'a ConstantTime, entry: &'a str, kind: Kind) -> impl Iterator<Item = &'a Leak> {
    section.leaks.iter().filter(move |leak| leak.entry == entry && Kind::of(leak) == kind)
}

/// Which group a leak is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Fails its entry.
    Failing,
    /// Warns.
    Weak,
    /// The manifest allows it.
    Allowed,
}

impl Kind {
    /// Of one leak.
    pub fn of(leak: &Leak) -> Kind {
        match leak.verdict {
            Verdict::Fail(_) => Kind::Failing,
            Verdict::NotApplicable(_) | Verdict::Pass | Verdict::Attested(_) => Kind::Allowed,
            Verdict::Warn(_) | Verdict::NotTested(_) | Verdict::NotAttested => Kind::Weak,
        }
    }
}

/// `src/aes.c:41`, else `module offset 0x1af`; empty where nothing is known.
pub fn place(frame: Option<&Frame>) -> String {
    match frame {
        Some(Frame { file: Some(file), line: Some(line), .. }) => format!("{file}:{line}"),
        Some(Frame { file: Some(file), .. }) => file.clone(),
        Some(Frame { module_offset: Some(offset), .. }) => format!("module offset {offset:#x}"),
        _ => String::new(),
    }
}

/// Positions as ranges, first and last, rising.
pub fn ranges(positions: &[u32]) -> Vec<(u32, u32)> {
    let mut sorted = positions.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.chunk_by(|a, b| b - a == 1).map(|run| (run[0], run[run.len() - 1])).collect()
}

/// `0–15, 20, 24–31 and 12 more ranges`: at most `ranges_max` of them.
pub fn ranges_words(positions: &[u32], ranges_max: usize) -> String {
    let ranges = ranges(positions);
    let word = |(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first}–{last}") };
    let shown: Vec<String> = ranges.iter().take(ranges_max).map(word).collect();
    match ranges.len().saturating_sub(ranges_max) {
        0 => shown.join(", "),
        more => format!("{} and {}", shown.join(", "), plural(more as u64, "more range")),
    }
}

/// `all 16 bytes`, `bytes 0–3 of 16`, `byte 7 of 16`; empty where none is known.
pub fn driven_by(leak: &Leak, ranges_max: usize) -> String {
    let ranges = ranges(&leak.secret_bytes);
    let len = leak.secret_len;
    match ranges.as_slice() {
        [] => String::new(),
        [(0, last)] if len > 1 && *last == len - 1 => format!("all {} bytes", count(len.into())),
        [(first, last)] if first == last => format!("byte {first} of {}", count(len.into())),
        _ => format!("bytes {} of {}", ranges_words(&leak.secret_bytes, ranges_max), count(len.into())),
    }
}

/// A function that entries entered without coming to every place in it.
#[derive(Debug, PartialEq)]
pub struct Gap<'a> {
    /// Its name.
    pub function: &'a str,
    /// Places in it.
    pub sites: u64,
    /// Of these, not reached: by the entry that reached most, and by the one that reached fewest.
    pub unreached: (u64, u64),
    /// The entries, as they stand in the record.
    pub entries: Vec<&'a str>,
}

/// Functions with code that was not reached, most first.
pub fn gaps(section: &ConstantTime) -> Vec<Gap<'_>> {
    let mut gaps: BTreeMap<(&str, u64), Gap<'_>> = BTreeMap::new();
    for entry in &section.entries {
        for Unreached { function, sites, unreached } in entry.unreached.iter().filter(|row| row.unreached > 0) {
            let gap = gaps.entry((function, *sites)).or_insert_with(|| Gap {
                function,
                sites: *sites,
                unreached: (u64::MAX, 0),
                entries: Vec::new(),
            });
            gap.unreached = (gap.unreached.0.min(*unreached), gap.unreached.1.max(*unreached));
            gap.entries.push(&entry.entry);
        }
    }
    let mut gaps: Vec<Gap<'_>> = gaps.into_values().collect();
    gaps.sort_by_key(|gap| std::cmp::Reverse(gap.unreached));
    gaps
}

/// What an entry's ground truth says, or what was seen of it: the order is that of how bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// The same work for every secret.
    Constant,
    /// Only engines decide.
    Weak,
    /// A strong leak.
    Leak,
}

impl Truth {
    /// Every one, the worst first.
    pub const ALL: [Truth; 3] = [Truth::Leak, Truth::Weak, Truth::Constant];

    /// What the manifest says.
    pub fn expected(entry: &Handled) -> Option<Truth> {
        match entry.expected.split_whitespace().next()? {
            "leak" => Some(Truth::Leak),
            "weak" => Some(Truth::Weak),
            _ => Some(Truth::Constant),
        }
    }

    /// What was seen; nothing where the entry was not judged.
    pub fn seen(entry: &Handled) -> Option<Truth> {
        match entry.verdict {
            Verdict::Fail(_) => Some(Truth::Leak),
            Verdict::Warn(_) => Some(Truth::Weak),
            Verdict::Pass => Some(Truth::Constant),
            _ => None,
        }
    }
}

/// Ground truth beside what was seen.
#[derive(Debug, Default, PartialEq)]
pub struct Confusion<'a> {
    /// Entries by truth (rows, as [`Truth::ALL`]) and what was seen (columns, the same and then "not judged").
    pub cells: [[u64; 4]; 3],
    /// Judged less than they are.
    pub missed: Vec<&'a Handled>,
    /// Judged worse than they are.
    pub alarms: Vec<&'a Handled>,
    /// Not judged.
    pub open: Vec<&'a Handled>,
    /// Judged as they are, for another reason than the expected one.
    pub otherwise: Vec<&'a Handled>,
}

impl<'a> Confusion<'a> {
    /// Of the entries that have a ground truth; nothing where none has.
    pub fn of(entries: &'a [Handled]) -> Option<Self> {
        let mut confusion = Confusion::default();
        let column = |truth: Truth| Truth::ALL.iter().position(|known| *known == truth).expect("ALL has all");
        let mut any = false;
        for entry in entries {
            let Some(truth) = Truth::expected(entry) else { continue };
            any = true;
            let seen = Truth::seen(entry);
            confusion.cells[column(truth)][seen.map_or(3, column)] += 1;
            match seen {
                None => confusion.open.push(entry),
                Some(seen) if seen < truth => confusion.missed.push(entry),
                Some(seen) if seen > truth => confusion.alarms.push(entry),
                Some(_) if !entry.unmet.is_empty() => confusion.otherwise.push(entry),
                Some(_) => {}
            }
        }
        any.then_some(confusion)
    }

    /// Entries with a ground truth, and those that came out as it says.
    pub fn right(&self) -> (u64, u64) {
        let all: u64 = self.cells.iter().flatten().sum();
        let wrong = self.missed.len() + self.alarms.len() + self.open.len() + self.otherwise.len();
        (all - wrong as u64, all)
    }
}

/// The bytes of a text of hex digits; stops at the first character that is none.
pub fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map_while(|c| c.to_digit(16)).take(2 * SECRET_BYTES_SHOWN).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// Bytes of a secret that a record holds, see [`Leak::secrets_hex`].
pub const SECRET_BYTES_SHOWN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(expected: &str, verdict: Verdict) -> Handled {
        Handled { expected: expected.into(), verdict, ..Handled::default() }
    }

    #[test]
    fn positions_read_as_ranges() {
        assert_eq!(ranges(&[]), []);
        assert_eq!(ranges(&[3, 1, 2, 9, 3, u32::MAX]), [(1, 3), (9, 9), (u32::MAX, u32::MAX)]);
        assert_eq!(ranges_words(&[0, 1, 2, 5, 7, 8], 2), "0–2, 5 and 1 more range");
        let driven = |bytes: &[u32], secret_len| {
            driven_by(&Leak { secret_bytes: bytes.into(), secret_len, ..Leak::default() }, 3)
        };
        assert_eq!(
            [driven(&[], 4), driven(&[0, 1, 2, 3], 4), driven(&[2], 4), driven(&[0], 1), driven(&[0, 2, 4, 6], 8)],
            ["", "all 4 bytes", "byte 2 of 4", "byte 0 of 1", "bytes 0, 2, 4 and 1 more range of 8"]
        );
    }

    #[test]
    fn one_function_is_one_gap_of_all_entries() {
        let entry = |name: &str, rows: &[(&str, u64)]| Handled {
            entry: name.into(),
            unreached: rows
                .iter()
                .map(|(function, unreached)| Unreached {
                    function: (*function).into(),
                    sites: 9,
                    unreached: *unreached,
                })
                .collect(),
            ..Handled::default()
        };
        let entries =
            vec![entry("a", &[("malloc", 7), ("free", 2), ("all", 0)]), entry("b", &[("malloc", 5), ("rule", 6)])];
        let section = ConstantTime { entries, ..ConstantTime::default() };
        let gap = |function, unreached, entries: &[&'static str]| Gap {
            function,
            sites: 9,
            unreached,
            entries: entries.into(),
        };
        assert_eq!(
            gaps(&section),
            [gap("rule", (6, 6), &["b"]), gap("malloc", (5, 7), &["a", "b"]), gap("free", (2, 2), &["a"])]
        );
    }

    #[test]
    fn ground_truth_is_compared_with_what_was_seen() {
        let why = || "why".to_owned();
        let mut otherwise = entry("leak load", Verdict::Fail(why()));
        otherwise.unmet = "a branch was seen, no load".into();
        let entries = [
            entry("leak branch", Verdict::Fail(why())),
            entry("leak load", Verdict::Pass),
            entry("leak load", Verdict::Warn(why())),
            entry("weak select", Verdict::Warn(why())),
            entry("weak select", Verdict::Fail(why())),
            entry("constant", Verdict::Pass),
            entry("constant", Verdict::Fail(why())),
            entry("constant", Verdict::NotTested(why())),
            entry("", Verdict::Fail(why())),
            otherwise,
        ];
        let confusion = Confusion::of(&entries).unwrap();
        assert_eq!(confusion.cells, [[2, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 1]]);
        let lengths = [&confusion.missed, &confusion.alarms, &confusion.open, &confusion.otherwise].map(Vec::len);
        assert_eq!((lengths, confusion.right()), ([2, 2, 1, 1], (3, 9)));
        assert_eq!(Confusion::of(&entries[8..9]), None);
        assert_eq!(Answers::of(&entries).words(), "10 entries: 5 leak, 2 weakly, 2 constant, 1 not tested");
    }
}
