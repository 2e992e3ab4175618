//! The smallest tape that still shows something: calls go first, then what hooks do, then what values hold.

use super::profile::{Index, is_slot};
use super::walk::{hook_of, hook_of_mut, pick, shift, weight_of};
use super::{Buffer, CANARY, Element, Hook, JsVal, Op, Profile, Tape};
use crate::api::Api;
use std::ops::Range;

/// Most questions that are asked for one tape.
pub const QUESTIONS_MAX: usize = 2000;

/// Asks `holds` of ever simpler tapes and gives the simplest that it is true of: of the lowest profile, then with the fewest
/// calls, then with the plainest and shortest values. At most [`QUESTIONS_MAX`] questions; the same answers give the same tape.
/// The given tape is not asked about.
pub fn shrink(tape: &Tape, api: &Api, holds: &mut dyn FnMut(&Tape) -> bool) -> Tape {
    let index = Index::new(api);
    let cost = Cost::of(tape, &index);
    let mut shrinker = Shrinker { best: tape.clone(), cost, index, left: QUESTIONS_MAX, holds };
    // Whatever became smaller may let something else become smaller.
    loop {
        let before = shrinker.best.clone();
        shrinker.ops();
        shrinker.unwrap();
        shrinker.hooks();
        shrinker.values();
        if shrinker.best == before || shrinker.left == 0 {
            return shrinker.best;
        }
    }
}

/// What is smaller is better, first parts first. Every step lowers it, so that there is an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    profile: Profile,
    ops: usize,
    /// How odd the values and hooks are.
    kinds: u64,
    bytes: usize,
    /// How odd their contents are.
    contents: u64,
}

impl Cost {
    fn of(tape: &Tape, index: &Index<'_>) -> Self {
        Self {
            profile: index.profile(tape),
            ops: tape.ops_in_all(),
            kinds: weight_of(&tape.ops, kind_cost),
            bytes: tape.size(),
            contents: weight_of(&tape.ops, content_cost) + ops_cost(&tape.ops),
        }
    }
}

fn kind_cost(value: &JsVal) -> u64 {
    let own = match value {
        JsVal::Undefined | JsVal::Null => 1,
        JsVal::Boolean(_) => 2,
        JsVal::Number(_) => 3,
        JsVal::Text(_) | JsVal::BigInt(_) => 4,
        JsVal::Array(_) | JsVal::Object(_) => 5,
        JsVal::Bytes { element, buffer, .. } => {
            6 + u64::from(*element != Element::Uint8) + 2 * u64::from(*buffer != Buffer::Plain)
        }
        JsVal::Ref(_) => 6,
        JsVal::Symbol => 8,
        JsVal::Callback(..) => 9,
        JsVal::Getters(_) => 10,
        JsVal::ArrayLike { .. } => 11,
        JsVal::ValueOf(..) | JsVal::Promise(..) => 12,
        JsVal::Proxy(..) => 14,
    };
    let hook = hook_of(value).map_or(0, |hook| {
        u64::from(hook.throws) + u64::from(hook.again) + u64::from(hook.pages > 0) + u64::from(!hook.ops.is_empty())
    });
    own + hook
}

fn content_cost(value: &JsVal) -> u64 {
    let text = |units: &mut dyn Iterator<Item = u16>| units.map(unit_cost).sum();
    match value {
        JsVal::Boolean(value) => u64::from(*value),
        JsVal::Number(bits) => number_cost(f64::from_bits(*bits)),
        JsVal::BigInt(number) => digits_cost(&number.unsigned_abs().to_string()) * 2 + u64::from(*number < 0),
        JsVal::Text(units) => text(&mut units.iter().copied()),
        JsVal::Bytes { bytes, .. } => text(&mut bytes.iter().map(|byte| u16::from(*byte))),
        JsVal::ArrayLike { lengths, .. } => lengths.iter().map(|bits| number_cost(f64::from_bits(*bits))).sum(),
        JsVal::Ref(slot) => u64::from(*slot),
        _ => hook_of(value).map_or(0, |hook| u64::from(hook.pages) + ops_cost(&hook.ops)),
    }
}

fn ops_cost(ops: &[Op]) -> u64 {
    let cost = |op: &Op| match op {
        Op::Call { this, .. } => u64::from(*this),
        Op::Free { slot } | Op::Await { slot } | Op::Assign { slot, .. } => u64::from(*slot),
        Op::Grow { pages } => u64::from(*pages),
        Op::Gc => 0,
    };
    ops.iter().map(cost).sum()
}

fn unit_cost(unit: u16) -> u64 {
    match unit {
        0x61 | CANARY => 0,
        0x30..=0x39 | 0x41..=0x5a | 0x62..=0x7a => 1,
        0x20..=0x7e => 2,
        _ => 3,
    }
}

/// Digits that are not zero count more than zeros.
fn digits_cost(digits: &str) -> u64 {
    let trimmed = digits.trim_matches('0').len();
    (digits.len() + 2 * trimmed) as u64
        + digits.bytes().map(|digit| u64::from(digit.saturating_sub(b'0') > 1)).sum::<u64>()
}

fn number_cost(number: f64) -> u64 {
    if number == 0.0 {
        return u64::from(number.is_sign_negative());
    }
    if !number.is_finite() {
        return 5000;
    }
    let fraction = if number.fract() == 0.0 { 0 } else { 2000 };
    2 * digits_cost(&format!("{:.0}", number.abs())) + u64::from(number < 0.0) + fraction
}

struct Shrinker<'a, 'h> {
    best: Tape,
    cost: Cost,
    index: Index<'a>,
    left: usize,
    holds: &'h mut dyn FnMut(&Tape) -> bool,
}

fn any(_: &JsVal) -> u64 {
    1
}

fn value_at(tape: &mut Tape, at: u64) -> Option<&mut JsVal> {
    pick(&mut tape.ops, &mut at.clone(), any)
}

impl Shrinker<'_, '_> {
    /// Takes the changed tape where it is simpler and holds.
    fn try_with(&mut self, change: impl FnOnce(&mut Tape)) -> bool {
        if self.left == 0 {
            return false;
        }
        let mut candidate = self.best.clone();
        change(&mut candidate);
        let cost = Cost::of(&candidate, &self.index);
        if cost >= self.cost || !candidate.fits() {
            return false;
        }
        self.left -= 1;
        let holds = (self.holds)(&candidate);
        if holds {
            (self.best, self.cost) = (candidate, cost);
        }
        holds
    }

    /// The same for one value.
    fn try_value(&mut self, at: u64, change: impl FnOnce(&mut JsVal)) -> bool {
        self.try_with(|tape| {
            if let Some(value) = value_at(tape, at) {
                change(value);
            }
        })
    }

    /// Takes pieces out of a list: all, halves, quarters and so on, from its end.
    fn pieces(&mut self, length: &dyn Fn(&mut Tape) -> usize, cut: &dyn Fn(&mut Tape, Range<usize>)) {
        let mut size = length(&mut self.best);
        while size > 0 && self.left > 0 {
            let mut end = length(&mut self.best);
            while end > 0 {
                let start = end.saturating_sub(size);
                self.try_with(|tape| cut(tape, start..end));
                end = start.min(length(&mut self.best));
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    fn ops(&mut self) {
        let index = self.index.clone();
        let makes = |op: &Op| match op {
            Op::Call { operation, .. } => {
                index.operation(*operation).is_some_and(|operation| is_slot(&operation.result))
            }
            _ => false,
        };
        // Later calls go on meaning the objects that they meant; else what they mean changes.
        for keep in [true, false] {
            self.pieces(&|tape| tape.ops.len(), &|tape, range| {
                let from = tape.ops[..range.end].iter().filter(|op| makes(op)).count();
                let gone = tape.ops[range.clone()].iter().filter(|op| makes(op)).count();
                if keep {
                    shift(&mut tape.ops[range.end..], from, -(gone as i32));
                }
                tape.ops.drain(range);
            });
        }
        for at in 0..self.best.ops.len() {
            self.try_with(|tape| match &mut tape.ops[at] {
                Op::Call { this, .. } => *this = 0,
                Op::Free { slot } | Op::Await { slot } | Op::Assign { slot, .. } => *slot = 0,
                Op::Grow { pages } => *pages = 1,
                Op::Gc => {}
            });
            self.try_with(|tape| {
                if let Op::Assign { name, .. } = &mut tape.ops[at] {
                    name.clear();
                }
            });
            let args = |op: &Op| if let Op::Call { args, .. } = op { args.len() } else { 0 };
            for _ in 0..args(&self.best.ops[at]) {
                let popped = self.try_with(|tape| {
                    if let Op::Call { args, .. } = &mut tape.ops[at] {
                        args.pop();
                    }
                });
                if !popped {
                    break;
                }
            }
        }
    }

    fn hooks(&mut self) {
        let mut at = 0;
        // Fewer hooks may be left from one to the next.
        while at < weight_of(&self.best.ops, hooked) {
            let hook = move |tape: &mut Tape, change: &dyn Fn(&mut Hook)| {
                if let Some(hook) = pick(&mut tape.ops, &mut at.clone(), hooked).and_then(hook_of_mut) {
                    change(hook);
                }
            };
            self.try_with(|tape| hook(tape, &|hook| *hook = Hook::default()));
            self.try_with(|tape| flatten(tape, at));
            let length = |tape: &mut Tape| {
                pick(&mut tape.ops, &mut at.clone(), hooked).and_then(hook_of_mut).map_or(0, |hook| hook.ops.len())
            };
            self.pieces(&length, &|tape, range| {
                hook(tape, &|hook| drop(hook.ops.drain(range.clone())));
            });
            for pages in [0, 1] {
                self.try_with(|tape| hook(tape, &|hook| hook.pages = hook.pages.min(pages)));
            }
            self.try_with(|tape| hook(tape, &|hook| hook.pages /= 2));
            self.try_with(|tape| hook(tape, &|hook| hook.throws = false));
            self.try_with(|tape| hook(tape, &|hook| hook.again = false));
            at += 1;
        }
    }

    /// Takes values out of what is hostile about them, before anything else is decided about them: what remains is of a lower
    /// profile, which is not left any more.
    fn unwrap(&mut self) {
        let mut at = 0;
        while at < weight_of(&self.best.ops, any) && self.left > 0 {
            while self.try_value(at, unwrapped) {}
            at += 1;
        }
    }

    fn values(&mut self) {
        let mut at = 0;
        while at < weight_of(&self.best.ops, any) && self.left > 0 {
            self.kind(at);
            self.contents(at);
            at += 1;
        }
    }

    /// Plainer kinds of the value.
    fn kind(&mut self, at: u64) {
        for plain in
            [JsVal::Undefined, JsVal::Null, JsVal::Number(0), JsVal::Text(Vec::new()), JsVal::Array(Vec::new())]
        {
            if self.try_value(at, |value| *value = plain) {
                return;
            }
        }
        for inner in 0..4 {
            self.try_value(at, |value| {
                let items = match value {
                    JsVal::Array(items) => items,
                    _ => return,
                };
                if inner < items.len() {
                    *value = items.swap_remove(inner);
                }
            });
        }
        self.try_value(at, |value| {
            if let JsVal::Getters(fields) = value {
                fields.iter_mut().for_each(|(_, values)| values.truncate(1));
            }
        });
        self.try_value(at, |value| {
            if let JsVal::Bytes { buffer, .. } = value {
                *buffer = Buffer::Plain;
            }
        });
        self.try_value(at, |value| {
            if let JsVal::Bytes { element, .. } = value {
                *element = Element::Uint8;
            }
        });
    }

    /// Shorter and rounder contents of the value.
    fn contents(&mut self, at: u64) {
        let Some(value) = value_at(&mut self.best, at) else { return };
        match value.clone() {
            JsVal::Number(bits) => self.number(f64::from_bits(bits), &|tape, number| {
                if let Some(JsVal::Number(bits)) = value_at(tape, at) {
                    *bits = number.to_bits();
                }
            }),
            JsVal::BigInt(number) => self.bigint(at, number),
            JsVal::ArrayLike { lengths, .. } => {
                for (nth, bits) in lengths.iter().enumerate() {
                    self.number(f64::from_bits(*bits), &|tape, number| {
                        if let Some(JsVal::ArrayLike { lengths, .. }) = value_at(tape, at)
                            && let Some(length) = lengths.get_mut(nth)
                        {
                            *length = number.to_bits();
                        }
                    });
                }
                self.parts(
                    at,
                    &|value| if let JsVal::ArrayLike { lengths, .. } = value { lengths.len() } else { 0 },
                    &|value, range| {
                        if let JsVal::ArrayLike { lengths, .. } = value {
                            lengths.drain(range);
                        }
                    },
                );
                self.list(at);
            }
            JsVal::Ref(_) => drop(self.try_value(at, |value| *value = JsVal::Ref(0))),
            JsVal::Boolean(_) => drop(self.try_value(at, |value| *value = JsVal::Boolean(false))),
            JsVal::Text(units) => {
                if units.contains(&CANARY) {
                    self.try_value(at, |value| *value = JsVal::Text(vec![CANARY]));
                }
                self.list(at);
                self.plain_units(at);
            }
            JsVal::Bytes { .. } => {
                self.list(at);
                self.plain_units(at);
            }
            _ => self.list(at),
        }
    }

    fn parts(&mut self, at: u64, length: &dyn Fn(&JsVal) -> usize, cut: &dyn Fn(&mut JsVal, Range<usize>)) {
        let count = |tape: &mut Tape| value_at(tape, at).map_or(0, |value| length(value));
        self.pieces(&count, &|tape, range| {
            if let Some(value) = value_at(tape, at) {
                cut(value, range);
            }
        });
    }

    /// Takes units, items or properties out.
    fn list(&mut self, at: u64) {
        let length = |value: &JsVal| match value {
            JsVal::Text(units) => units.len(),
            JsVal::Bytes { bytes, .. } => bytes.len(),
            JsVal::Array(items) | JsVal::ArrayLike { items, .. } => items.len(),
            JsVal::Object(fields) => fields.len(),
            JsVal::Getters(fields) => fields.len(),
            _ => 0,
        };
        self.parts(at, &length, &|value, range| match value {
            JsVal::Text(units) => drop(units.drain(range)),
            JsVal::Bytes { bytes, .. } => drop(bytes.drain(range)),
            JsVal::Array(items) | JsVal::ArrayLike { items, .. } => drop(items.drain(range)),
            JsVal::Object(fields) => drop(fields.drain(range)),
            JsVal::Getters(fields) => drop(fields.drain(range)),
            _ => {}
        });
    }

    /// Makes units of a short text or short bytes the letter a.
    fn plain_units(&mut self, at: u64) {
        let length = match value_at(&mut self.best, at) {
            Some(JsVal::Text(units)) => units.len(),
            Some(JsVal::Bytes { bytes, .. }) => bytes.len(),
            _ => 0,
        };
        for unit in (0..length.min(64)).rev() {
            self.try_value(at, |value| match value {
                JsVal::Text(units) => units[unit] = 0x61,
                JsVal::Bytes { bytes, .. } => bytes[unit] = 0x61,
                _ => {}
            });
        }
    }

    fn number(&mut self, number: f64, set: &dyn Fn(&mut Tape, f64)) {
        let mut best = number;
        let whole = number.trunc();
        let mut candidates = vec![0.0, 1.0, -1.0, whole, number.abs()];
        if whole.is_finite() && whole != 0.0 {
            // One digit and zeros: next below, and next above.
            let tens = 10f64.powf(whole.abs().log10().floor());
            let digit = (whole.abs() / tens).floor();
            candidates.extend([tens, digit * tens, (digit + 1.0) * tens, 10.0 * tens].map(|size| size.copysign(whole)));
        }
        for candidate in candidates {
            if self.try_with(|tape| set(tape, candidate)) {
                best = candidate;
            }
        }
        // Then halves, while they hold.
        while best.is_finite() && best.abs() >= 2.0 {
            let half = (best / 2.0).trunc();
            if !self.try_with(|tape| set(tape, half)) {
                return;
            }
            best = half;
        }
    }

    fn bigint(&mut self, at: u64, number: i128) {
        let mut best = number;
        for candidate in [0, 1, -1, 1 << 31, 1 << 32, 1 << 63, 1 << 64, number.saturating_abs()] {
            if self.try_value(at, |value| *value = JsVal::BigInt(candidate)) {
                best = candidate;
            }
        }
        while best.unsigned_abs() >= 2 && self.try_value(at, |value| *value = JsVal::BigInt(best / 2)) {
            best /= 2;
        }
    }
}

fn hooked(value: &JsVal) -> u64 {
    u64::from(hook_of(value).is_some())
}

/// Puts what is within a live object in its place.
fn unwrapped(value: &mut JsVal) {
    *value = match std::mem::replace(value, JsVal::Undefined) {
        JsVal::ValueOf(_, inner) | JsVal::Proxy(_, inner) | JsVal::Callback(_, inner) | JsVal::Promise(_, inner) => {
            *inner
        }
        JsVal::ArrayLike { items, .. } => JsVal::Array(items),
        JsVal::Getters(fields) => {
            let first =
                |(name, values): (String, Vec<JsVal>)| (name, values.into_iter().next().unwrap_or(JsVal::Undefined));
            JsVal::Object(fields.into_iter().map(first).collect())
        }
        other => other,
    };
}

/// Makes the calls of the `at`-th hook before the outermost call that the hook is given to.
fn flatten(tape: &mut Tape, at: u64) {
    let mut before = 0;
    for place in 0..tape.ops.len() {
        let hooks = weight_of(&tape.ops[place..=place], hooked);
        if at < before + hooks {
            let found = pick(&mut tape.ops[place..=place], &mut (at - before), hooked).and_then(hook_of_mut);
            let ops = found.map(|hook| std::mem::take(&mut hook.ops)).unwrap_or_default();
            tape.ops.splice(place..place, ops);
            return;
        }
        before += hooks;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Generator;
    use super::super::samples::{api, bytes, call, hook, number, seeds, tape, text};
    use super::super::walk::visit;
    use super::*;

    fn has(tape: &Tape, is: impl Fn(&JsVal) -> bool) -> bool {
        let mut found = false;
        visit(&tape.ops, &mut |value| found |= is(value));
        found
    }

    #[test]
    fn what_does_not_matter_goes() {
        let long = || text(r#"{"resourceType":"Patient","id":"!"}"#);
        let reenter = |value: JsVal| {
            let inner = vec![call("parse", vec![long()]), call("unescape", vec![bytes(&[7; 40])]), Op::Gc];
            JsVal::ValueOf(Hook { throws: false, again: true, pages: 4, ops: inner }, Box::new(value))
        };
        let rich = tape(vec![
            call("Store.new", vec![text("name")]),
            call("parse", vec![long()]),
            Op::Grow { pages: 3 },
            call("unescape", vec![JsVal::Array(vec![reenter(number(65.0)), number(66.0), number(67.5)])]),
            call("merge", vec![JsVal::Ref(0), JsVal::Undefined]),
            Op::Free { slot: 0 },
            Op::Free { slot: 0 },
        ]);
        let calls = |tape: &Tape, name: &str| {
            tape.ops.iter().any(|op| matches!(op, Op::Call { operation, .. } if *operation == crate::api::id(name)))
        };
        let table: [(&dyn Fn(&Tape) -> bool, Vec<Op>); 6] = [
            (&|tape| calls(tape, "parse"), vec![call("parse", vec![text("")])]),
            (
                &|tape| has(tape, |value| matches!(value, JsVal::Text(units) if units.contains(&u16::from(b'!')))),
                vec![call("parse", vec![text("!")])],
            ),
            (
                &|tape| has(tape, |value| hook_of(value).is_some_and(|hook| hook.pages > 0)),
                // The profile of an array of numbers is left alone: only the hook is hostile.
                vec![call("unescape", vec![JsVal::ValueOf(hook(vec![], 1), Box::new(JsVal::Undefined))])],
            ),
            (
                &|tape| {
                    tape.ops.iter().filter(|op| matches!(op, Op::Free { .. })).count() == 2 && calls(tape, "Store.new")
                },
                vec![call("Store.new", vec![]), Op::Free { slot: 0 }, Op::Free { slot: 0 }],
            ),
            (
                &|tape| {
                    tape.profile(&api()) == Profile::Typed
                        && calls(tape, "merge")
                        && has(tape, |value| matches!(value, JsVal::Ref(_)))
                },
                // Without the constructor the object would be another one, which no declared type allows.
                vec![call("Store.new", vec![]), call("merge", vec![JsVal::Ref(0), JsVal::Undefined])],
            ),
            (
                &|tape| has(tape, |value| matches!(value, JsVal::Number(bits) if f64::from_bits(*bits) >= 60.0)),
                vec![call("unescape", vec![JsVal::Array(vec![number(60.0)])])],
            ),
        ];
        for (holds, expected) in table {
            let mut questions = 0;
            let small = shrink(&rich, &api(), &mut |tape| {
                questions += 1;
                holds(tape)
            });
            assert_eq!(small.ops, expected);
            assert!(questions <= QUESTIONS_MAX);
        }
    }

    #[test]
    fn every_answer_is_true_of_the_result_which_is_final() {
        let (api, seeds) = (api(), seeds());
        let mut smaller = 0;
        for seed in 0..60 {
            let tape = Generator::new(&api, Profile::ALL[seed as usize % 3], &seeds).tape(seed);
            // Something that depends on all of the tape, without meaning.
            let digest =
                |tape: &Tape| tape.to_bytes().iter().fold(0u32, |sum, byte| sum.wrapping_mul(31) ^ u32::from(*byte));
            let mut holds = |other: &Tape| digest(other) % 3 == 0 || *other == tape;
            let small = shrink(&tape, &api, &mut holds);
            assert!(holds(&small) && small.fits() && small.profile(&api) <= tape.profile(&api));
            assert_eq!(small, shrink(&tape, &api, &mut holds));
            smaller += usize::from(small.size() < tape.size());
            // Nothing can be taken away from what cannot be taken away from.
            assert_eq!(shrink(&tape, &api, &mut |_| false), tape);
            assert!(shrink(&tape, &api, &mut |_| true).ops.is_empty());
        }
        assert!(smaller > 50, "{smaller} of 60 tapes became smaller");
    }
}
