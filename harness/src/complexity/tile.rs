//! Pieces that repeat: which part of an input makes its work grow, shown by repeating that part.
//!
//! An input found at a few hundred bytes says what is dear, not how it grows. Its parts are repeated up to tens of KiB,
//! measured as deployed, and the part whose fuel grows fastest is made as small as it gets.

use super::fit::{Fit, Point, Threshold, fit};
use crate::HarnessError;
use crate::execution::{Limit, Outcome};
use crate::executors::{Engine, Executor};
use crate::minimise;
use crate::target::Target;
use std::collections::HashSet;
use std::fmt;
use std::ops::{Range, RangeInclusive};

/// An input of any size: a beginning, a piece as often as it takes, an end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tile {
    /// What comes first.
    pub prefix: Vec<u8>,
    /// What is repeated.
    pub piece: Vec<u8>,
    /// Where no repetition may be like another: each time a number follows, in letters (a, b, …, z, aa, ab, …), and then
    /// this. Names, keys and references have to differ for many parsers to go on.
    pub numbered: Option<Vec<u8>>,
    /// What comes last.
    pub suffix: Vec<u8>,
}

impl Tile {
    fn of(input: &[u8], Part { piece, number }: Part) -> Self {
        let first = number.as_ref().map_or(piece.end, |number| number.start);
        Self {
            prefix: input[..piece.start].to_vec(),
            piece: input[piece.start..first].to_vec(),
            numbered: number.map(|number| input[number.end..piece.end].to_vec()),
            suffix: input[piece.end..].to_vec(),
        }
    }

    /// The shortest input of at least `bytes` bytes, with the piece at least once. What is empty cannot be repeated: then
    /// the input is as short as it is.
    pub fn at_least(&self, bytes: usize) -> Vec<u8> {
        let mut input = self.prefix.clone();
        let mut times = 0;
        while times == 0 || (input.len() + self.suffix.len() < bytes && !self.is_fixed()) {
            input.extend_from_slice(&self.piece);
            if let Some(after) = &self.numbered {
                input.extend(letters(times));
                input.extend_from_slice(after);
            }
            times += 1;
        }
        input.extend_from_slice(&self.suffix);
        input
    }

    /// Whether nothing is repeated.
    fn is_fixed(&self) -> bool {
        self.piece.is_empty() && self.numbered.is_none()
    }
}

/// For people: the parts as byte strings, what is repeated in parentheses.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" (\"{}\"", self.prefix.escape_ascii(), self.piece.escape_ascii())?;
        if let Some(after) = &self.numbered {
            write!(f, " number \"{}\"", after.escape_ascii())?;
        }
        write!(f, ")* \"{}\"", self.suffix.escape_ascii())
    }
}

/// A number as shortest letters, each once: a to z, aa to zz, and so on.
fn letters(number: usize) -> impl Iterator<Item = u8> {
    let mut digits = Vec::new();
    let mut rest = number + 1;
    while rest > 0 {
        rest -= 1;
        digits.push(b'a' + (rest % 26) as u8);
        rest /= 26;
    }
    digits.into_iter().rev()
}

/// A tile and what it costs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grown {
    /// The tile.
    pub tile: Tile,
    /// Its cost at sizes that double.
    pub points: Vec<Point>,
    /// How that grows.
    pub fit: Fit,
}

impl Grown {
    /// How bad it is, for comparing: first the exponent in steps that are larger than what constants do to it, then fuel
    /// per byte at 64 KiB.
    pub(super) fn severity(&self) -> f64 {
        let (Some(exponent), Some(last)) = (self.fit.exponent, self.points.last()) else { return 0.0 };
        let per_byte = self.fit.extrapolated_fuel_per_byte(last, 64 << 10).max(1.0);
        (exponent * 4.0).round() * 1_000.0 + per_byte.log2().min(999.0)
    }

    /// Whether it is a finding, see [`Fit::is_superlinear`].
    pub fn is_superlinear(&self, threshold: &Threshold) -> bool {
        self.points.last().is_some_and(|last| self.fit.is_superlinear(last, threshold))
    }
}

/// Smallest size of a tile, bytes.
const SIZE_MIN: usize = 64;
/// Sizes at which all candidates are compared, bytes: four times apart, and long enough that what is quadratic behind a
/// linear cost shows a little.
const SCREENED: [usize; 2] = [1 << 10, 4 << 10];
/// From this size on a tile whose last doubling shows no growth is given up.
const GIVEN_UP_FROM: u64 = 8 << 10;
/// Least local exponent that may still become super-linear. What is n log n, or only linear, is at 1.1 or below.
const GROWING: f64 = 1.05;
/// Lengths of windows that are repeated by themselves.
const WINDOWS: [usize; 5] = [1, 2, 3, 4, 8];
/// Longest piece with a number that is looked for, bytes, and longest number.
const NUMBERED_PERIOD_MAX: usize = 32;
const NUMBER_BYTES_MAX: usize = 4;
/// Candidates of one input with a number in them.
const NUMBERED_MAX: usize = 64;
/// Candidates of one input.
const CANDIDATES_MAX: usize = 512;
/// Candidates of one input that are measured at all sizes.
const MEASURED_MAX: usize = 6;
/// Questions asked to make one part of a tile smaller.
const TRIES_MAX: u64 = 300;
/// Fuel that making a tile smaller may cost: some two seconds.
const MINIMISING_FUEL_MAX: u64 = 2_000_000_000;
/// Smallest largest size at which a tile is tried while it is made smaller, bytes.
const MINIMISED_AT_MIN: usize = 512;

/// Measures inputs as deployed: the plain module, a fresh instance each, fuel.
pub struct Meter {
    executor: Executor,
    fuel_max: u64,
    /// Executions so far.
    pub executions: u64,
    /// Fuel used so far.
    pub fuel: u64,
}

/// What a run may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Budget {
    /// To compare hundreds of candidates.
    Screening,
    /// To see whether one grows.
    Trial,
    /// To say how it grows.
    Verdict,
}

impl Budget {
    /// Its part of the fuel that a run may cost at most.
    fn part(self) -> u64 {
        match self {
            Budget::Screening => 40,
            Budget::Trial => 8,
            Budget::Verdict => 1,
        }
    }
}

impl Meter {
    /// `fuel_max` ends a run.
    pub fn new(engine: &Engine, target: &Target, entry: &str, fuel_max: u64) -> Result<Self, HarnessError> {
        Ok(Self {
            executor: Executor::metered(engine, target, entry, &target.limits)?,
            fuel_max,
            executions: 0,
            fuel: 0,
        })
    }

    fn run(&mut self, input: &[u8], budget: Budget) -> (Outcome, Point) {
        let executor = &mut self.executor;
        executor.renew();
        executor.set_fuel(self.fuel_max / budget.part());
        let outcome = executor.run(input);
        let fuel = executor.fuel_used().unwrap_or(0);
        self.executions += 1;
        self.fuel += fuel;
        (outcome, Point { bytes: input.len() as u64, fuel })
    }

    /// A tile's cost at sizes that double, up to `bytes_max` bytes, as far as it comes back.
    pub fn measure(&mut self, tile: Tile, bytes_max: usize) -> Grown {
        self.grow(tile, SIZE_MIN..=bytes_max, Budget::Verdict)
    }

    /// What is only tried is given up where a doubling of several KiB shows that nothing grows.
    fn grow(&mut self, tile: Tile, sizes: RangeInclusive<usize>, budget: Budget) -> Grown {
        let mut points: Vec<Point> = Vec::new();
        let mut size = (*sizes.start()).max(1);
        while sizes.contains(&size) && !tile.is_fixed() {
            let input = tile.at_least(size);
            if points.last().is_none_or(|last| last.bytes < input.len() as u64) {
                let (outcome, point) = self.run(&input, budget);
                if !outcome.came_back() {
                    break;
                }
                points.push(point);
                if budget != Budget::Verdict && point.bytes >= GIVEN_UP_FROM && !is_growing(&points) {
                    break;
                }
            }
            size *= 2;
        }
        let fit = fit(&points);
        Grown { tile, points, fit }
    }

    /// The tiles of an input whose cost grows fastest, measured up to `bytes_max` bytes, fastest first.
    pub fn tiles(&mut self, input: &[u8], bytes_max: usize) -> Vec<Grown> {
        let mut screened: Vec<(f64, f64, Tile)> = Vec::new();
        for part in candidates(input) {
            let tile = Tile::of(input, part);
            let out = Outcome::Limit(Limit::Fuel);
            let runs = SCREENED.map(|size| self.run(&tile.at_least(size), Budget::Screening));
            let (exponent, dear) = match runs {
                [(one, first), (other, second)] if one.came_back() && other.came_back() => (
                    fit(&[first, second]).local.first().copied().unwrap_or(0.0),
                    second.fuel as f64 / second.bytes as f64,
                ),
                // What costs all the fuel there is at the second size is looked at first.
                [(_, first), (other, _)] if other == out => (f64::MAX, first.fuel as f64 / first.bytes as f64),
                _ => continue,
            };
            screened.push((exponent, dear, tile));
        }
        screened.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        // The dearest is measured even if it does not grow: it is what can be said of a module without findings.
        let dearest = (0..screened.len()).max_by(|a, b| screened[*a].1.total_cmp(&screened[*b].1));
        let mut grown: Vec<Grown> = Vec::new();
        for (rank, (exponent, _, tile)) in screened.into_iter().enumerate() {
            if (rank < MEASURED_MAX && exponent > GROWING) || Some(rank) == dearest {
                grown.push(self.grow(tile, SIZE_MIN..=bytes_max, Budget::Trial));
            }
        }
        grown.sort_by(|a, b| b.severity().total_cmp(&a.severity()));
        grown
    }

    /// A finding with each part as small as it gets, measured with all the fuel there is; `None` where that shows that it is
    /// none: what grows up to a limit only looks like one for a while.
    pub fn minimised(&mut self, tile: Tile, threshold: &Threshold, bytes_max: usize) -> Option<Grown> {
        let whole = self.measure(tile, bytes_max);
        if !whole.is_superlinear(threshold) {
            return None;
        }
        let fuel_max = self.fuel.saturating_add(MINIMISING_FUEL_MAX);
        let mut best = whole.tile.clone();
        // A number that is not needed is left out first.
        let alike = Tile { numbered: None, ..best.clone() };
        if best.numbered.is_some()
            && self.grow(alike.clone(), SIZE_MIN..=bytes_max, Budget::Trial).is_superlinear(threshold)
        {
            best = alike;
        }
        let parts: [fn(&mut Tile) -> Option<&mut Vec<u8>>; 4] = [
            |tile| Some(&mut tile.suffix),
            |tile| Some(&mut tile.prefix),
            |tile| tile.numbered.as_mut(),
            |tile| Some(&mut tile.piece),
        ];
        for part in parts {
            let Some(whole) = part(&mut best).cloned() else { continue };
            let with = |bytes: &[u8]| {
                let mut tile = best.clone();
                part(&mut tile).into_iter().for_each(|part| bytes.clone_into(part));
                tile
            };
            let mut at = MINIMISED_AT_MIN;
            while at < bytes_max && !self.holds(best.clone(), threshold, at) {
                at *= 2;
            }
            let smaller = minimise::minimise(&whole, TRIES_MAX, |bytes| {
                self.fuel < fuel_max && self.holds(with(bytes), threshold, at)
            });
            if let Some(smaller) = smaller {
                best = with(&smaller.bytes);
            }
        }
        let again = self.measure(best, bytes_max);
        Some(if again.is_superlinear(threshold) { again } else { whole })
    }

    fn holds(&mut self, tile: Tile, threshold: &Threshold, at: usize) -> bool {
        // Four sizes are three doublings.
        self.grow(tile, at / 8..=at, Budget::Trial).is_superlinear(threshold)
    }
}

fn is_growing(points: &[Point]) -> bool {
    let last = &points[points.len().saturating_sub(2)..];
    fit(last).local.first().is_none_or(|exponent| *exponent > GROWING)
}

/// A part of an input that may be what has to be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Part {
    piece: Range<usize>,
    /// What differs from one repetition to the next.
    number: Option<Range<usize>>,
}

/// Parts that may be what has to be repeated, each once.
fn candidates(input: &[u8]) -> Vec<Part> {
    let len = input.len();
    let mut all: Vec<Range<usize>> = Vec::new();
    let mut line = 0;
    // Everything, halves, quarters, eighths.
    for parts in [1, 2, 4, 8] {
        all.extend((0..parts).map(|part| part * len / parts..(part + 1) * len / parts));
    }
    // Lines, and everything after the first.
    for end in (0..len).filter(|at| matches!(input[*at], b'\r' | b'\n')).chain([len]) {
        let end = (end + 1).min(len);
        all.extend([line..end, line..len]);
        line = end;
    }
    // Runs of a short period: the whole run, so that nothing else stands between.
    for period in 1..=8 {
        let mut at = 0;
        while at + 2 * period <= len {
            let matching = (at..len - period).take_while(|at| input[*at] == input[at + period]).count();
            if matching >= period {
                all.push(at..at + matching + period);
                at += matching;
            }
            at += 1;
        }
    }
    let mut parts = numbered(input);
    let mut contents = HashSet::new();
    for window in WINDOWS {
        // The same bytes in another place are mostly the same thing.
        all.extend((0..len.saturating_sub(window - 1)).map(|at| at..at + window).filter(|piece| {
            let before = piece.start.checked_sub(1).map(|at| input[at]);
            contents.insert((before, &input[piece.clone()]))
        }));
    }
    let mut seen = HashSet::new();
    all.retain(|piece| !piece.is_empty() && seen.insert(piece.clone()));
    parts.extend(all.into_iter().map(|piece| Part { piece, number: None }));
    parts.truncate(CANDIDATES_MAX);
    parts
}

/// Neighbours that are alike but for a few letters or digits: keys, names, references.
fn numbered(input: &[u8]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut contents = HashSet::new();
    for period in 2..=NUMBERED_PERIOD_MAX {
        for (at, pair) in input.windows(2 * period).enumerate() {
            let (one, other) = pair.split_at(period);
            let differs = |index: &usize| one[*index] != other[*index];
            let (Some(first), Some(last)) = ((0..period).find(differs), (0..period).rfind(differs)) else { continue };
            let varies = one[first..=last].iter().chain(&other[first..=last]).all(u8::is_ascii_alphanumeric);
            // One rotation is as good as another: what differs comes in the middle.
            if varies && last - first < NUMBER_BYTES_MAX && first == (period - (last - first)) / 2 {
                let piece = at..at + period;
                let number = at + first..at + last + 1;
                if contents.insert((&input[piece.start..number.start], &input[number.end..piece.end])) {
                    parts.push(Part { piece, number: Some(number) });
                }
            }
        }
    }
    parts.truncate(NUMBERED_MAX);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_as_long_as_they_have_to_be() {
        let tile = Tile { prefix: b"ab".to_vec(), piece: b"xyz".to_vec(), numbered: None, suffix: b"c".to_vec() };
        let cases: &[(usize, &str)] =
            &[(0, "abxyzc"), (6, "abxyzc"), (7, "abxyzxyzc"), (9, "abxyzxyzc"), (10, "abxyzxyzxyzc")];
        for (bytes, expected) in cases {
            assert_eq!(String::from_utf8(tile.at_least(*bytes)).unwrap(), *expected);
        }
        assert_eq!(tile.to_string(), r#""ab" ("xyz")* "c""#);
        let keys = Tile { piece: b"<".to_vec(), numbered: Some(b">".to_vec()), ..tile.clone() };
        assert_eq!(String::from_utf8(keys.at_least(11)).unwrap(), "ab<a><b><c>c");
        assert!(String::from_utf8(keys.at_least(10_000)).unwrap().contains("<z><aa><ab>"));
        assert_eq!(keys.to_string(), r#""ab" ("<" number ">")* "c""#);
        assert_eq!(Tile { piece: Vec::new(), ..tile }.at_least(1_000), b"abc");
        assert_eq!(Tile::default().at_least(5), b"");
    }

    #[test]
    fn parts_worth_repeating_are_listed() {
        let input = b"MSH|^~\\&|\rPID|1~2~3\rZZZ~~~~~~~~\r";
        let listed: Vec<&[u8]> = candidates(input).into_iter().map(|part| &input[part.piece]).collect();
        let all: &[&[u8]] =
            &[input, b"MSH|^~\\&|\r", b"PID|1~2~3\r", b"PID|1~2~3\rZZZ~~~~~~~~\r", b"~~~~~~~~", b"~", b"1~"];
        for part in all {
            assert!(listed.contains(part), "{:?}", String::from_utf8_lossy(part));
        }
        let mut ranges = candidates(input);
        let count = ranges.len();
        ranges.sort_by_key(|part| (part.piece.start, part.piece.end, part.number.is_some()));
        ranges.dedup();
        assert_eq!(ranges.len(), count, "each once");
        let keys = br#"{"aq":1,"ar":1,"as":1}"#;
        let tiles: Vec<String> = numbered(keys).into_iter().map(|part| Tile::of(keys, part).to_string()).collect();
        assert_eq!(tiles, [r#""{\"aq\":1" (",\"a" number "\":1")* ",\"as\":1}""#]);
        assert_eq!(numbered(b"aaaaaaaaaaaaaaaaaaaaaaaa"), []);
        for odd in [&b""[..], b"x", b"xx", b"\n", &[7; 1_000]] {
            assert!(
                candidates(odd).iter().all(|part| part.piece.start < part.piece.end && part.piece.end <= odd.len())
            );
            assert!(candidates(odd).len() <= CANDIDATES_MAX);
        }
        let noise: Vec<u8> = (0..4_096u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(candidates(&noise).len(), CANDIDATES_MAX);
    }
}
