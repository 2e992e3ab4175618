//! Tapes from tapes: mostly the texts and bytes in them change, sometimes the calls.

use super::edit::{Material, Random, edit};
use super::generate::{Draft, Generator};
use super::profile::is_slot;
use super::walk::{hook_of, hook_of_mut, pick, shift, visit, weight_of};
use super::{Buffer, JsVal, OPS_MAX, Op, Profile, Seeds, TAPE_BYTES_MAX, Tape};
use super::{CANARY, values};
use crate::api::{Api, Type};
use arbitrary::Unstructured;

/// Changes tapes, within the limits and a profile.
#[derive(Debug, Clone)]
pub struct Mutator<'a> {
    generator: Generator<'a>,
    texts: Material<u16>,
    bytes: Material<u8>,
}

/// Of a hundred mutations of a tape that holds a text or bytes, those that change only these: what is behind the glue is
/// found by what is in them.
const CONTENT_PERCENT: u64 = 80;
/// The same where all it holds is numbers, objects and the like.
const LEAF_PERCENT: u64 = 40;
/// Bytes that decide what a changed tape gets that is new.
const RANDOM_BYTES: usize = 512;

/// Changes of the calls, with weights: longer and shorter alike often, values a little more than order.
const CHANGES: &[(Change, u64)] = &[
    (Change::Insert, 20),
    (Change::Remove, 14),
    (Change::Duplicate, 8),
    (Change::Swap, 5),
    (Change::Splice, 8),
    (Change::Cross, 8),
    (Change::Replace, 22),
    (Change::Nested, 8),
    (Change::Wrap, 5),
    (Change::Hook, 8),
    (Change::Place, 6),
    (Change::Arity, 2),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// New calls.
    Insert,
    Remove,
    Duplicate,
    Swap,
    /// Calls of another tape.
    Splice,
    /// An argument of another tape.
    Cross,
    /// A new argument.
    Replace,
    /// Items of a list or an object.
    Nested,
    /// A live object around a value, or none.
    Wrap,
    /// What a hook does.
    Hook,
    /// Which object.
    Place,
    /// How many arguments.
    Arity,
}

impl<'a> Mutator<'a> {
    /// For tapes of that API and profile; dictionary and pieces from `seeds`.
    pub fn new(api: &'a Api, profile: Profile, seeds: &'a Seeds) -> Self {
        let fragments = values::FRAGMENTS.iter().map(|units| units.to_vec());
        let words = seeds.words.iter().map(|word| values::units(word)).filter(|word| !word.is_empty());
        let texts = Material {
            words: words.collect(),
            special: fragments.collect(),
            pieces: seeds.texts.clone(),
            canary: vec![CANARY],
        };
        let bytes = Material {
            words: seeds.words.iter().filter(|word| !word.is_empty()).cloned().collect(),
            special: [&[0][..], &[0xff], &[0xc3, 0x28], &[0xed, 0xa0, 0x80], &[0xf0, 0x9f, 0x98, 0x80]]
                .map(<[u8]>::to_vec)
                .into(),
            pieces: seeds.bytes.clone(),
            canary: values::CANARY_BYTES.to_vec(),
        };
        Self { generator: Generator::new(api, profile, seeds), texts, bytes }
    }

    /// The generator that new calls come from.
    pub fn generator(&self) -> &Generator<'a> {
        &self.generator
    }

    /// Changes a tape, which afterwards keeps the limits and belongs to the profile, if it did before. `other` is what
    /// calls and arguments may be taken from.
    pub fn mutate(&self, tape: &mut Tape, other: Option<&Tape>, random: &mut dyn FnMut() -> u64) {
        let mut random = Random(random);
        let content = weight_of(&tape.ops, content_weight);
        let leaves = if content > 0 { content } else { weight_of(&tape.ops, leaf_weight) };
        let percent = if content > 0 { CONTENT_PERCENT } else { LEAF_PERCENT };
        if leaves > 0 && random.below(100) < percent {
            let weight = if content > 0 { content_weight } else { leaf_weight };
            let mut at = random.below(leaves);
            if let Some(value) = pick(&mut tape.ops, &mut at, weight) {
                let kept = self.change_leaf(value, &mut random);
                shorten(tape);
                if kept {
                    return;
                }
            }
        }
        let before = tape.clone();
        let mut bytes = [0; RANDOM_BYTES];
        for _ in 0..8 {
            random.fill(&mut bytes);
            let mut u = Unstructured::new(&bytes);
            let done = self.change(tape, other, &mut random, &mut u).unwrap_or(false);
            if done && self.generator.settle(&mut u, tape).is_ok() && !tape.ops.is_empty() && *tape != before {
                return;
            }
            tape.clone_from(&before);
        }
        *tape = self.generator.tape(random.next());
    }

    /// Changes a value without children; whether the profile is certainly kept and nothing more is wanted.
    fn change_leaf(&self, value: &mut JsVal, random: &mut Random<'_>) -> bool {
        match value {
            JsVal::Text(units) => edit(units, &self.texts, random),
            JsVal::Bytes { bytes, buffer, .. } => {
                if random.one_in(48) {
                    *buffer = [Buffer::Plain, Buffer::Shared, Buffer::Resizable][random.index(3)];
                    // An `ArrayBuffer` is not shared.
                    return false;
                }
                edit(bytes, &self.bytes, random);
            }
            JsVal::Number(bits) => *bits = self.change_number(f64::from_bits(*bits), random).to_bits(),
            JsVal::BigInt(number) => {
                *number = match random.below(5) {
                    0 => values::BIGINTS[random.index(values::BIGINTS.len())],
                    1 => number.wrapping_add(1),
                    2 => number.wrapping_sub(1),
                    3 => number.wrapping_neg(),
                    _ => *number ^ 1 << random.below(128),
                }
            }
            JsVal::Boolean(value) => *value = !*value,
            JsVal::ArrayLike { lengths, .. } => change_lengths(lengths, random),
            JsVal::Ref(slot) => {
                *slot = random.below(4) as u8;
                return false;
            }
            _ => return false,
        }
        true
    }

    fn change_number(&self, value: f64, random: &mut Random<'_>) -> f64 {
        let seeds = &self.generator.seeds.numbers;
        let changed = match random.below(8) {
            0 | 1 => values::NUMBERS[random.index(values::NUMBERS.len())],
            2 => value + 1.0,
            3 => value - 1.0,
            4 => value * 2.0,
            5 => -value,
            6 if !seeds.is_empty() => seeds[random.index(seeds.len())] as f64,
            _ => (value as i64 ^ (1 << random.below(33))) as f64,
        };
        // NaN is no JSON.
        if changed.is_nan() && self.generator.profile < Profile::Hostile { f64::INFINITY } else { changed }
    }

    /// Tries a change of the calls; whether there was one.
    fn change(
        &self,
        tape: &mut Tape,
        other: Option<&Tape>,
        random: &mut Random<'_>,
        u: &mut Unstructured<'_>,
    ) -> arbitrary::Result<bool> {
        let ops = &mut tape.ops;
        let mut at = random.below(CHANGES.iter().map(|(_, weight)| weight).sum());
        let chosen = CHANGES.iter().find(|(_, weight)| at.checked_sub(*weight).map(|rest| at = rest).is_none());
        let change = chosen.map_or(Change::Insert, |(change, _)| *change);
        let length = ops.len();
        match change {
            Change::Insert if length < OPS_MAX => {
                let place = if random.one_in(2) { length } else { random.index(length + 1) };
                self.insert(ops, place, u)?;
            }
            Change::Remove if length > 1 => {
                let place = random.index(length);
                let many = if random.one_in(4) { 1 + random.index(length - place) } else { 1 };
                let many = many.min(length - 1);
                let (from, slots) = (self.slots(&ops[..place]).len(), self.slots(&ops[place..place + many]).len());
                ops.drain(place..place + many);
                shift(&mut ops[place..], from + slots, -(slots as i32));
            }
            Change::Duplicate if length > 0 && length < OPS_MAX => {
                let op = ops[random.index(length)].clone();
                let place = if random.one_in(2) { length } else { random.index(length + 1) };
                self.put(ops, place, vec![op]);
            }
            Change::Swap if length > 1 => ops.swap(random.index(length), random.index(length)),
            Change::Splice => {
                let Some(other) = other.filter(|other| !other.ops.is_empty()) else { return Ok(false) };
                let start = random.index(other.ops.len());
                let end = start + 1 + random.index(other.ops.len() - start);
                // Objects that are used are made before: often the whole beginning.
                let start = if random.one_in(2) { 0 } else { start };
                let place = if random.one_in(2) { length } else { random.index(length + 1) };
                self.put(ops, place, other.ops[start..end].to_vec());
            }
            Change::Cross => return Ok(other.is_some_and(|other| cross(ops, other, random))),
            Change::Replace => return self.replace(ops, random, u),
            Change::Nested => return self.change_nested(ops, random, u),
            Change::Wrap if self.generator.profile == Profile::Hostile => return self.wrap(ops, random, u),
            Change::Hook => return self.change_hook(ops, random, u),
            Change::Place if length > 0 => match &mut ops[random.index(length)] {
                Op::Call { this, .. } => *this = random.below(4) as u8,
                Op::Free { slot } | Op::Await { slot } | Op::Assign { slot, .. } => *slot = random.below(4) as u8,
                Op::Grow { pages } => *pages = 1 + random.below(8) as u8,
                Op::Gc => return Ok(false),
            },
            Change::Arity if self.generator.profile > Profile::Typed && length > 0 => {
                let Op::Call { args, .. } = &mut ops[random.index(length)] else { return Ok(false) };
                if random.one_in(2) || args.len() > 8 {
                    args.pop();
                } else {
                    args.push(values::json(u, self.generator.seeds, 2)?);
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Declared types of the objects that calls return.
    fn slots(&self, ops: &[Op]) -> Vec<&'a Type> {
        let result = |op: &Op| match op {
            Op::Call { operation, .. } => self.generator.index.operation(*operation).map(|operation| &operation.result),
            _ => None,
        };
        ops.iter().filter_map(result).filter(|ty| is_slot(ty)).collect()
    }

    /// Generated calls at a place.
    fn insert(&self, ops: &mut Vec<Op>, place: usize, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let rest = ops.split_off(place);
        let before = self.slots(ops);
        let from = before.len();
        let mut draft = Draft::new(std::mem::take(ops), before);
        let result = self.generator.step(u, &mut draft);
        let by = draft.slots.len() as i32 - from as i32;
        *ops = draft.ops;
        let start = ops.len();
        ops.extend(rest);
        shift(&mut ops[start..], from, by);
        result
    }

    /// Those calls at a place; later ones go on meaning the objects that they meant.
    fn put(&self, ops: &mut Vec<Op>, place: usize, mut new: Vec<Op>) {
        let (from, by) = (self.slots(&ops[..place]).len(), self.slots(&new).len());
        new.truncate(OPS_MAX.saturating_sub(ops.len()));
        shift(&mut ops[place..], from, by as i32);
        ops.splice(place..place, new);
    }

    fn replace(&self, ops: &mut Vec<Op>, random: &mut Random<'_>, u: &mut Unstructured<'_>) -> arbitrary::Result<bool> {
        let calls = ops.iter().filter(|op| matches!(op, Op::Call { args, .. } if !args.is_empty())).count();
        if calls == 0 {
            return Ok(false);
        }
        let mut nth = random.index(calls);
        let place = ops.iter().position(|op| match op {
            Op::Call { args, .. } if !args.is_empty() => nth.checked_sub(1).map(|rest| nth = rest).is_none(),
            _ => false,
        });
        let Some(place) = place else { return Ok(false) };
        let (operation, at) = match &ops[place] {
            Op::Call { operation, args, .. } => (*operation, random.index(args.len())),
            _ => return Ok(false),
        };
        let operation = self.generator.index.operation(operation);
        let param = operation.and_then(|operation| operation.params.get(at));
        let rest = ops.split_off(place);
        let before = self.slots(ops);
        let from = before.len();
        let mut draft = Draft::new(std::mem::take(ops), before);
        draft.current = operation;
        let value = match param {
            Some(param) if self.generator.profile == Profile::Typed || random.one_in(2) => {
                self.generator.typed(u, &mut draft, &param.ty, Some(param), 0)
            }
            param => self.generator.odd(u, &mut draft, param),
        };
        let by = draft.slots.len() as i32 - from as i32;
        *ops = draft.ops;
        let start = ops.len();
        ops.extend(rest);
        shift(&mut ops[start..], from, by);
        if let Some(Op::Call { args, .. }) = ops.get_mut(start) {
            args[at] = value?;
        }
        Ok(true)
    }

    fn change_nested(
        &self,
        ops: &mut [Op],
        random: &mut Random<'_>,
        u: &mut Unstructured<'_>,
    ) -> arbitrary::Result<bool> {
        let nested: fn(&JsVal) -> u64 = |value| {
            let nested =
                matches!(value, JsVal::Array(_) | JsVal::ArrayLike { .. } | JsVal::Object(_) | JsVal::Getters(_));
            u64::from(nested)
        };
        let all = weight_of(ops, nested);
        if all == 0 {
            return Ok(false);
        }
        let mut at = random.below(all);
        let Some(value) = pick(ops, &mut at, nested) else { return Ok(false) };
        // Typed lists only get copies of what is in them.
        let fresh = self.generator.profile > Profile::Typed;
        match value {
            JsVal::Array(items) | JsVal::ArrayLike { items, .. } => {
                let length = items.len();
                match random.below(4) {
                    0 if length > 0 => drop(items.remove(random.index(length))),
                    1 if fresh => items.insert(random.index(length + 1), values::json(u, self.generator.seeds, 2)?),
                    2 if length > 0 => items.truncate(random.index(length)),
                    _ if length > 0 => {
                        let item = items[random.index(length)].clone();
                        let times = 1 << random.below(6);
                        items.splice(length..length, std::iter::repeat_n(item, times));
                    }
                    _ => return Ok(false),
                }
            }
            JsVal::Object(fields) if fresh => match random.below(3) {
                0 if !fields.is_empty() => drop(fields.remove(random.index(fields.len()))),
                1 if !fields.is_empty() => {
                    let at = random.index(fields.len());
                    fields[at].0 = values::PROPERTIES[random.index(values::PROPERTIES.len())].to_owned();
                }
                _ => {
                    let name = values::PROPERTIES[random.index(values::PROPERTIES.len())].to_owned();
                    fields.push((name, values::json(u, self.generator.seeds, 2)?));
                }
            },
            JsVal::Getters(fields) if !fields.is_empty() => {
                let at = random.index(fields.len());
                let values = &mut fields[at].1;
                if random.one_in(3) && values.len() > 1 {
                    values.pop();
                } else {
                    values.push(values::json(u, self.generator.seeds, 2)?);
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn wrap(&self, ops: &mut [Op], random: &mut Random<'_>, u: &mut Unstructured<'_>) -> arbitrary::Result<bool> {
        let any: fn(&JsVal) -> u64 = |_| 1;
        let all = weight_of(ops, any);
        let mut at = random.below(all.max(1));
        let Some(value) = pick(ops, &mut at, any) else { return Ok(false) };
        let mut draft = Draft::new(Vec::new(), Vec::new());
        let inner = std::mem::replace(value, JsVal::Undefined);
        *value = match inner {
            // As often out of it as into it.
            JsVal::ValueOf(_, inner)
            | JsVal::Proxy(_, inner)
            | JsVal::Callback(_, inner)
            | JsVal::Promise(_, inner)
                if random.one_in(2) =>
            {
                *inner
            }
            JsVal::Array(items) if random.one_in(2) => {
                let mut lengths = vec![(items.len() as f64).to_bits()];
                change_lengths(&mut lengths, random);
                JsVal::ArrayLike { lengths, items }
            }
            JsVal::Object(fields) if random.one_in(2) => {
                JsVal::Getters(fields.into_iter().map(|(name, value)| (name, vec![value])).collect())
            }
            inner => {
                let hook = self.generator.hook(u, &mut draft)?;
                if random.one_in(2) { JsVal::ValueOf(hook, inner.into()) } else { JsVal::Proxy(hook, inner.into()) }
            }
        };
        Ok(true)
    }

    fn change_hook(
        &self,
        ops: &mut [Op],
        random: &mut Random<'_>,
        u: &mut Unstructured<'_>,
    ) -> arbitrary::Result<bool> {
        let hooked: fn(&JsVal) -> u64 = |value| u64::from(hook_of(value).is_some());
        let all = weight_of(ops, hooked);
        if all == 0 {
            return Ok(false);
        }
        let mut at = random.below(all);
        let Some(hook) = pick(ops, &mut at, hooked).and_then(hook_of_mut) else { return Ok(false) };
        match random.below(8) {
            0..=2 => hook.pages = if hook.pages == 0 { 1 + random.below(4) as u8 } else { random.below(4) as u8 },
            3 => hook.throws = !hook.throws,
            4 => hook.again = !hook.again,
            5 if !hook.ops.is_empty() => drop(hook.ops.remove(random.index(hook.ops.len()))),
            _ => {
                let mut draft = Draft::new(Vec::new(), Vec::new());
                hook.ops.extend(self.generator.hook(u, &mut draft)?.ops);
            }
        }
        Ok(true)
    }
}

/// Takes an argument of the same operation of another tape over.
fn cross(ops: &mut [Op], other: &Tape, random: &mut Random<'_>) -> bool {
    let mut pairs = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        let Op::Call { operation, args, .. } = op else { continue };
        for (from, op) in other.ops.iter().enumerate() {
            let Op::Call { operation: same, args: others, .. } = op else { continue };
            let width = args.len().min(others.len());
            if same == operation && width > 0 {
                pairs.push((at, from, width));
            }
        }
    }
    if pairs.is_empty() {
        return false;
    }
    let (at, from, width) = pairs[random.index(pairs.len())];
    if let (Op::Call { args, .. }, Op::Call { args: others, .. }) = (&mut ops[at], &other.ops[from]) {
        let place = random.index(width);
        args[place] = others[place].clone();
    }
    true
}

fn change_lengths(lengths: &mut Vec<u64>, random: &mut Random<'_>) {
    let new = |random: &mut Random<'_>| {
        let bits = random.below(13);
        (random.below(1 << bits) as f64).to_bits()
    };
    match random.below(4) {
        0 if lengths.len() > 1 => drop(lengths.remove(random.index(lengths.len()))),
        1 if !lengths.is_empty() => {
            let at = random.index(lengths.len());
            lengths[at] = new(random);
        }
        2 if !lengths.is_empty() => {
            let at = random.index(lengths.len());
            lengths[at] = values::NUMBERS[random.index(values::NUMBERS.len())].to_bits();
        }
        _ if lengths.len() < 8 => lengths.push(new(random)),
        _ => lengths.truncate(1),
    }
}

/// Cuts the longest text or bytes until the tape is short enough.
fn shorten(tape: &mut Tape) {
    while tape.size() > TAPE_BYTES_MAX {
        let mut longest = (0, 0);
        let mut at = 0;
        visit(&tape.ops, &mut |value| {
            longest = longest.max((bytes_of(value), at));
            at += bytes_of(value);
        });
        let mut at = longest.1;
        match pick(&mut tape.ops, &mut at, bytes_of) {
            Some(JsVal::Text(units)) => units.truncate(units.len() / 2),
            Some(JsVal::Bytes { bytes, .. }) => bytes.truncate(bytes.len() / 2),
            _ => drop(tape.ops.pop()),
        }
    }
}

fn bytes_of(value: &JsVal) -> u64 {
    match value {
        JsVal::Text(units) => 2 * units.len() as u64,
        JsVal::Bytes { bytes, .. } => bytes.len() as u64,
        _ => 0,
    }
}

/// Texts and bytes: long ones have more to change, but not in proportion.
fn content_weight(value: &JsVal) -> u64 {
    match value {
        JsVal::Text(units) => 2 + u64::from(units.len().checked_ilog2().unwrap_or(0)),
        JsVal::Bytes { bytes, .. } => 2 + u64::from(bytes.len().checked_ilog2().unwrap_or(0)),
        // Beside them, a little of the others.
        JsVal::Number(_) | JsVal::BigInt(_) | JsVal::ArrayLike { .. } => 1,
        _ => 0,
    }
}

fn leaf_weight(value: &JsVal) -> u64 {
    match value {
        JsVal::Number(_) | JsVal::BigInt(_) => 4,
        JsVal::ArrayLike { .. } => 4,
        JsVal::Boolean(_) | JsVal::Ref(_) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::UNITS_MAX;
    use super::super::generate::split_mix;
    use super::super::samples::{api, call, seeds, tape, text};
    use super::*;

    #[test]
    fn mutants_fit_and_keep_to_the_profile() {
        let (api, seeds) = (api(), seeds());
        for profile in Profile::ALL {
            let mutator = Mutator::new(&api, profile, &seeds);
            let mut state = 7;
            let mut random = || split_mix(&mut state);
            let mut unchanged = 0;
            for seed in 0..150 {
                let mut tape = mutator.generator().tape(seed);
                let other = mutator.generator().tape(seed + 1000);
                for _ in 0..100 {
                    let before = tape.clone();
                    mutator.mutate(&mut tape, Some(&other), &mut random);
                    assert!(tape.fits(), "{before:?}\n{tape:?}");
                    assert!(tape.profile(&api) <= profile, "{before:?}\n{tape:?}");
                    unchanged += usize::from(tape == before);
                }
            }
            assert!(unchanged < 900, "{profile:?}: {unchanged} of 15000 mutations changed nothing");
        }
    }

    #[test]
    fn texts_change_most_and_canaries_stay() {
        let (api, mut seeds) = (api(), seeds());
        let sentence: Vec<u16> = "The quick brown fox ".repeat(10).encode_utf16().collect();
        let mut with_canary = sentence.clone();
        with_canary.insert(100, CANARY);
        // Nothing that brings canaries in.
        seeds.words.clear();
        let mutator = Mutator::new(&api, Profile::Typed, &seeds);
        let start = tape(vec![call("parse", vec![JsVal::Text(with_canary)])]);
        let mut state = 1;
        let mut random = || split_mix(&mut state);
        let (mut texts, mut kept) = (0, 0);
        let mut mutant = Tape::default();
        for _ in 0..10_000 {
            mutant.clone_from(&start);
            mutator.mutate(&mut mutant, None, &mut random);
            if let [Op::Call { args, .. }] = &mutant.ops[..]
                && let [JsVal::Text(units)] = &args[..]
            {
                texts += 1;
                kept += usize::from(units.contains(&CANARY));
            }
        }
        assert!(texts > 7500, "{texts} of 10000 mutants still are one call with a text");
        assert!(kept * 100 > texts * 92, "{kept} of {texts} texts still hold the canary");
    }

    #[test]
    fn mutation_is_a_function_of_its_numbers_and_ends_with_any() {
        let (api, seeds) = (api(), seeds());
        let mutator = Mutator::new(&api, Profile::Hostile, &seeds);
        let run = |seed: u64| {
            let mut state = seed;
            let mut tape = mutator.generator().tape(3);
            for _ in 0..500 {
                mutator.mutate(&mut tape, None, &mut || split_mix(&mut state));
            }
            tape
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        for constant in [0, 1, u64::MAX, 0x8000_0000_0000_0000] {
            let mut empty = Tape::default();
            let mut blank = tape(vec![call("parse", vec![text("")])]);
            for _ in 0..50 {
                mutator.mutate(&mut empty, None, &mut || constant);
                mutator.mutate(&mut blank, None, &mut || constant);
            }
            assert!(empty.fits() && blank.fits());
        }
    }

    #[test]
    fn objects_stay_who_they_are_when_calls_come_and_go() {
        let (api, seeds) = (api(), seeds());
        let mutator = Mutator::new(&api, Profile::Typed, &seeds);
        let new = || call("Store.new", vec![]);
        let mut ops = vec![new(), new(), call("merge", vec![JsVal::Ref(1), JsVal::Undefined]), Op::Free { slot: 1 }];
        mutator.put(&mut ops, 1, vec![new(), call("parse", vec![text("x")])]);
        assert_eq!(ops[4], call("merge", vec![JsVal::Ref(2), JsVal::Undefined]));
        assert_eq!(ops[5], Op::Free { slot: 2 });
    }

    #[test]
    fn long_tapes_are_shortened_where_they_are_longest() {
        let mut long = tape(vec![call("parse", vec![JsVal::Text(vec![0x141; UNITS_MAX]), text("stays")])]);
        shorten(&mut long);
        assert!(long.fits());
        assert_eq!(long.ops, [call("parse", vec![JsVal::Text(vec![0x141; UNITS_MAX / 2]), text("stays")])]);
    }
}
