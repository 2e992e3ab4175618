//! What the compares of one execution saw, and which single replacements in the input would satisfy one of them.

/// What a compare asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// Equal or not; a switch index against one of its cases counts as this.
    Equality,
    /// Less, greater, and so on, of integers.
    Order,
    /// Any relation of floats; the operands are their bits.
    Float,
}

/// One compare, executed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fact {
    pub(crate) site: u32,
    pub(crate) relation: Relation,
    /// How many times the site had been reached in this execution, this time included.
    pub(crate) occurrence: u32,
    /// Operand width, bytes: 1, 2, 4 or 8.
    pub(crate) width: u8,
    pub(crate) left: u64,
    pub(crate) right: u64,
}

/// Bytes of a string operand that are kept.
pub(crate) const TEXT_BYTES_MAX: usize = 32;

/// One compare of two byte strings, recognised by behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Text {
    pub(crate) left: [u8; TEXT_BYTES_MAX],
    pub(crate) left_len: u8,
    pub(crate) right: [u8; TEXT_BYTES_MAX],
    pub(crate) right_len: u8,
}

impl Text {
    pub(crate) fn new(left: &[u8], right: &[u8]) -> Self {
        let cut = |bytes: &[u8]| {
            let mut kept = [0; TEXT_BYTES_MAX];
            let len = bytes.len().min(TEXT_BYTES_MAX);
            kept[..len].copy_from_slice(&bytes[..len]);
            (kept, len as u8)
        };
        let ((left, left_len), (right, right_len)) = (cut(left), cut(right));
        Self { left, left_len, right, right_len }
    }

    pub(crate) fn sides(&self) -> [&[u8]; 2] {
        [&self.left[..self.left_len as usize], &self.right[..self.right_len as usize]]
    }
}

/// All compares of one execution, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    pub(crate) facts: Vec<Fact>,
    pub(crate) texts: Vec<Text>,
}

impl Trace {
    pub(crate) fn clear(&mut self) {
        self.facts.clear();
        self.texts.clear();
    }
}

impl Fact {
    pub(crate) fn holds_equal(&self) -> bool {
        self.left == self.right
    }

    /// An operand with its sign extended.
    pub(crate) fn signed(&self, value: u64) -> i64 {
        let unused = 64 - 8 * u32::from(self.width);
        ((value << unused) as i64) >> unused
    }

    /// How far the operands are apart, in the order that the relation has.
    pub(crate) fn distance(&self) -> u64 {
        match (self.relation, self.width) {
            (Relation::Float, 4) => u64::from(ordered_f32(self.left as u32).abs_diff(ordered_f32(self.right as u32))),
            (Relation::Float, _) => ordered_f64(self.left).abs_diff(ordered_f64(self.right)),
            _ => {
                let (left, right) = (self.signed(self.left), self.signed(self.right));
                self.left.abs_diff(self.right).min(left.abs_diff(right))
            }
        }
    }
}

/// Bits of a float as an integer that grows with the float.
fn ordered_f32(bits: u32) -> u32 {
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn ordered_f64(bits: u64) -> u64 {
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// A change of the input: `len` bytes from `at` become `bytes`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Edit {
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Edit {
    /// Writes the changed input to `out`.
    pub(crate) fn apply(&self, input: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&input[..self.at]);
        out.extend_from_slice(&self.bytes);
        out.extend_from_slice(&input[(self.at + self.len).min(input.len())..]);
    }
}

/// Places in the input that are tried per value and encoding.
const PLACES_MAX: usize = 12;
/// Facts used per site: the first ones and the last.
const FACTS_PER_SITE_MAX: usize = 16;

/// Distinct unequal facts; loops are thinned to their first and last turns.
pub(crate) fn distinct(trace: &Trace) -> Vec<Fact> {
    let mut per_site: Vec<Vec<Fact>> = Vec::new();
    let mut slots: Vec<u32> = Vec::new();
    for fact in &trace.facts {
        if fact.holds_equal() {
            continue;
        }
        let site = fact.site as usize;
        if slots.len() <= site {
            slots.resize(site + 1, u32::MAX);
        }
        if slots[site] == u32::MAX {
            slots[site] = per_site.len() as u32;
            per_site.push(Vec::new());
        }
        let facts = &mut per_site[slots[site] as usize];
        if facts.iter().any(|known| Fact { occurrence: fact.occurrence, ..*known } == *fact) {
            continue;
        }
        if facts.len() == FACTS_PER_SITE_MAX {
            facts.remove(FACTS_PER_SITE_MAX / 2);
        }
        facts.push(*fact);
    }
    per_site.concat()
}

/// Calls `edit` with every replacement that would make the two operands of `fact` meet (or miss by one), for every
/// width, byte order and decimal or hexadecimal text in which an operand occurs in the input.
pub(crate) fn edits_of(input: &[u8], fact: &Fact, len_max: usize, edit: &mut impl FnMut(Edit)) {
    for (from, to) in [(fact.left, fact.right), (fact.right, fact.left)] {
        if fact.relation == Relation::Float {
            float_edits(input, fact.width, from, to, edit);
        } else {
            integer_edits(input, fact.width, from, to, edit);
            text_number_edits(input, fact.width, from, to, edit);
            if from == input.len() as u64 {
                for len in [to, to.wrapping_add(1), to.wrapping_sub(1)] {
                    resize_edit(input, len, len_max, edit);
                }
            }
        }
    }
}

fn resize_edit(input: &[u8], len: u64, len_max: usize, edit: &mut impl FnMut(Edit)) {
    let Ok(len) = usize::try_from(len) else { return };
    if len <= len_max && len != input.len() {
        if len < input.len() {
            edit(Edit { at: len, len: input.len() - len, bytes: Vec::new() });
        } else {
            let last = input.last().copied().unwrap_or(b'0');
            edit(Edit { at: input.len(), len: 0, bytes: vec![last; len - input.len()] });
        }
    }
}

fn integer_edits(input: &[u8], width: u8, from: u64, to: u64, edit: &mut impl FnMut(Edit)) {
    for bytes in (1..=width as usize).rev() {
        if !fits(from, bytes, width) {
            break;
        }
        let goals = [to, to.wrapping_add(1), to.wrapping_sub(1)];
        let goals = || goals.into_iter().filter(|to| *to != from && fits(*to, bytes, width));
        for at in places(input, &from.to_le_bytes()[..bytes]) {
            goals().for_each(|to| edit(Edit { at, len: bytes, bytes: to.to_le_bytes()[..bytes].to_vec() }));
        }
        if bytes > 1 {
            for at in places(input, &from.to_be_bytes()[8 - bytes..]) {
                goals().for_each(|to| edit(Edit { at, len: bytes, bytes: to.to_be_bytes()[8 - bytes..].to_vec() }));
            }
        }
    }
}

/// Whether a value is one of `bytes` bytes, extended with zeros or with its sign to the operand's width.
fn fits(value: u64, bytes: usize, width: u8) -> bool {
    if bytes >= width as usize {
        return true;
    }
    let unused = 64 - 8 * u32::from(width);
    let value = value << unused >> unused;
    let shift = 64 - 8 * bytes as u32;
    let zero = value << shift >> shift == value;
    let sign = (((value << shift) as i64) >> shift) as u64;
    zero || sign << unused >> unused == value
}

fn float_edits(input: &[u8], width: u8, from: u64, to: u64, edit: &mut impl FnMut(Edit)) {
    if width == 4 {
        let value = f32::from_bits(to as u32);
        for to in [value, value.next_up(), value.next_down()] {
            integer_edits_exact(input, &(from as u32).to_le_bytes(), &to.to_bits().to_le_bytes(), edit);
        }
        return;
    }
    let (from, value) = (f64::from_bits(from), f64::from_bits(to));
    for to in [value, value.next_up(), value.next_down()] {
        integer_edits_exact(input, &from.to_bits().to_le_bytes(), &to.to_bits().to_le_bytes(), edit);
    }
    // A narrow float or an integer of the input, widened before the compare.
    let narrow = value as f32;
    for to in [narrow, narrow.next_up(), narrow.next_down()] {
        integer_edits_exact(input, &(from as f32).to_bits().to_le_bytes(), &to.to_bits().to_le_bytes(), edit);
    }
    if from.fract() == 0.0 && from.abs() < 1e15 && value.is_finite() && value.abs() < 1e15 {
        integer_edits(input, 8, from as i64 as u64, value as i64 as u64, edit);
        text_number_edits(input, 8, from as i64 as u64, value as i64 as u64, edit);
    }
}

fn integer_edits_exact(input: &[u8], from: &[u8], to: &[u8], edit: &mut impl FnMut(Edit)) {
    let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
    replace_all(input, from, to, edit);
    replace_all(input, &reversed(from), &reversed(to), edit);
}

/// Numbers written as text: decimal (signed and unsigned) and hexadecimal.
fn text_number_edits(input: &[u8], width: u8, from: u64, to: u64, edit: &mut impl FnMut(Edit)) {
    let unused = 64 - 8 * u32::from(width);
    let signed = |value: u64| ((value << unused) as i64) >> unused;
    let unsigned = |value: u64| value << unused >> unused;
    let (from_signed, from_unsigned) = (signed(from), unsigned(from));
    let texts = |value: u64| [signed(value).to_string(), unsigned(value).to_string(), format!("{:x}", unsigned(value))];
    for (kind, from) in texts(from).iter().enumerate() {
        let repeats = kind == 1 && from_signed >= 0 && from_signed as u64 == from_unsigned;
        // Most numbers stand nowhere in the input.
        let mut places = places(input, from.as_bytes()).peekable();
        if repeats || places.peek().is_none() {
            continue;
        }
        let goals = [to, to.wrapping_add(1), to.wrapping_sub(1)].map(|to| texts(to).into_iter().nth(kind));
        for at in places {
            for to in goals.iter().flatten().filter(|to| *to != from) {
                edit(Edit { at, len: from.len(), bytes: to.clone().into_bytes() });
            }
        }
    }
}

/// Replacements for a compare of strings: either side by the other, whole, up to a NUL, and in shorter pieces.
pub(crate) fn text_edits(input: &[u8], text: &Text, edit: &mut impl FnMut(Edit)) {
    let [left, right] = text.sides();
    for (from, to) in [(left, right), (right, left)] {
        let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        // What was equal may have been made so on the way (another case, a copy); what differs may still be as it was.
        if common > 0 && common < from.len() {
            let end = to.iter().position(|byte| *byte == 0).unwrap_or(to.len());
            let probe = &from[common..(common + 2).min(from.len())];
            if let Some(missing) = to.get(common..end).filter(|missing| !missing.is_empty()) {
                for at in places(input, probe) {
                    edit(Edit { at, len: missing.len().min(input.len() - at), bytes: missing.to_vec() });
                }
            }
        }
        let ended = |bytes: &[u8]| bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let mut lens = [to.len(), ended(to), common + 1, 4, 8, 16];
        lens.sort_unstable();
        let mut last = 0;
        for len in lens.into_iter().rev() {
            if len == 0 || len == last || len > to.len() {
                continue;
            }
            last = len;
            // Where the input ends inside the operand, what follows in memory is not ours to match.
            let probe = &from[..len.min(from.len()).min(input.len())];
            replace_all(input, probe, &to[..len], edit);
            let shorter = &from[..ended(from).min(probe.len())];
            if !shorter.is_empty() && shorter.len() < probe.len() {
                replace_all(input, shorter, &to[..len], edit);
            }
            if let Some(probe) = probe.get(..(common + 1).min(4)).filter(|short| short.len() < probe.len()) {
                overwrite_all(input, probe, &to[..len], edit);
            }
        }
    }
}

/// Equal lengths: overwrite. Else: splice, so that the rest moves.
fn replace_all(input: &[u8], from: &[u8], to: &[u8], edit: &mut impl FnMut(Edit)) {
    for at in places(input, from) {
        edit(Edit { at, len: from.len(), bytes: to.to_vec() });
    }
}

/// Overwrites from each place where `from` occurs, over the input's end if need be.
fn overwrite_all(input: &[u8], from: &[u8], to: &[u8], edit: &mut impl FnMut(Edit)) {
    for at in places(input, from) {
        edit(Edit { at, len: to.len().min(input.len() - at), bytes: to.to_vec() });
    }
}

fn places<'a>(input: &'a [u8], from: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    // Most values occur nowhere: their first byte already says so, or the last one.
    let mut at = 0;
    std::iter::from_fn(move || {
        let (first, last) = (*from.first()?, *from.last()?);
        while let Some(next) = memchr::memchr(first, input.get(at..)?) {
            let found = at + next;
            at = found + 1;
            if input.get(found + from.len() - 1) == Some(&last) && input[found..].starts_with(from) {
                return Some(found);
            }
        }
        at = input.len() + 1;
        None
    })
    .take(PLACES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(relation: Relation, width: u8, left: u64, right: u64) -> Fact {
        Fact { site: 0, relation, occurrence: 1, width, left, right }
    }

    fn results(input: &[u8], fact: Fact) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        edits_of(input, &fact, 1000, &mut |edit| {
            let mut out = Vec::new();
            edit.apply(input, &mut out);
            all.push(out);
        });
        all
    }

    #[test]
    fn operands_are_replaced_in_every_encoding() {
        use Relation::*;
        let f32s = |value: f32| u64::from(value.to_bits());
        let cases: &[(&[u8], Fact, &[u8])] = &[
            (b"..\x41\x42\x43\x44..", fact(Equality, 4, 0x4443_4241, 0x0102_0304), b"..\x04\x03\x02\x01.."),
            (b"..\x41\x42\x43\x44..", fact(Equality, 4, 0x4142_4344, 0x0102_0304), b"..\x01\x02\x03\x04.."),
            (b"..\x41\x42..", fact(Equality, 4, 0x4241, 0x0102), b"..\x02\x01.."),
            (b"..\xfe\xff..", fact(Equality, 4, 0xffff_fffe, 5), b"..\x05\x00.."),
            (b"..\x56\x34\x12..", fact(Equality, 4, 0x12_3456, 0x01_0203), b"..\x03\x02\x01.."),
            (b"right:\x07", fact(Equality, 8, 9, 7), b"right:\x09"),
            (b"\x10", fact(Order, 4, 0x10, 0x20), b"\x1f"),
            (b"\x10", fact(Order, 4, 0x10, 0x20), b"\x21"),
            (b"n=65;", fact(Equality, 4, 65, 66766), b"n=66766;"),
            (b"n=-5;", fact(Equality, 4, -5i32 as u32 as u64, 12), b"n=12;"),
            (b"#ff;", fact(Equality, 4, 255, 0xabc), b"#abc;"),
            (b"xx", fact(Equality, 4, 2, 5), b"xxxxx"),
            (b"xxxxx", fact(Equality, 4, 5, 2), b"xx"),
            (&[0, 0, 0x80, 0x3f], fact(Float, 4, f32s(1.0), f32s(2.5)), &[0, 0, 0x20, 0x40]),
            (&[0, 0, 0x80, 0x3f], fact(Float, 8, 1f64.to_bits(), 2.5f64.to_bits()), &[0, 0, 0x20, 0x40]),
        ];
        for (input, fact, wanted) in cases {
            let results = results(input, *fact);
            assert!(results.iter().any(|result| result == wanted), "{input:?} {fact:?}: {results:?}");
        }
    }

    #[test]
    fn values_that_are_not_in_the_input_cost_nothing() {
        assert!(results(b"abcdef..", fact(Relation::Equality, 4, 0x1234_5678, 0x8765_4321)).is_empty());
    }

    #[test]
    fn strings_are_replaced_from_either_side() {
        let cases: &[(&[u8], &[u8], &[u8], &[u8])] = &[
            (b"xxabcdyy", b"abcdyy", b"secret", b"xxsecret"),
            (b"xxabcdyy", b"secret", b"abcdyy", b"xxsecret"),
            (b"abcdefgh", b"abcdefgh\0\0", b"0123\0junk", b"0123efgh"),
            (b"se__", b"se__\x99\x98", b"secret", b"secret"),
            (b"..SEkk__", b"sekk__", b"secret", b"..SEcret"),
        ];
        for (input, left, right, wanted) in cases {
            let mut all = Vec::new();
            text_edits(input, &Text::new(left, right), &mut |edit| {
                let mut out = Vec::new();
                edit.apply(input, &mut out);
                all.push(out);
            });
            assert!(all.iter().any(|result| result == wanted), "{input:?}: {all:?}");
        }
    }

    #[test]
    fn distances_follow_the_relation() {
        let floats = |a: f64, b: f64| fact(Relation::Float, 8, a.to_bits(), b.to_bits()).distance();
        assert!(floats(1.0, 2.0) < floats(1.0, 3.0));
        assert!(floats(-1.0, 1.0) > floats(-1e-300, 1e-300));
        assert_eq!(fact(Relation::Order, 4, 0xffff_ffff, 1).distance(), 2, "the nearer of signed and unsigned");
        assert_eq!(fact(Relation::Order, 8, 5, 9).distance(), 4);
    }

    #[test]
    fn loops_are_thinned() {
        let facts = (0..1000).map(|turn| fact(Relation::Order, 4, turn, 1000)).collect();
        let kept = distinct(&Trace { facts, texts: Vec::new() });
        assert_eq!(kept.len(), FACTS_PER_SITE_MAX);
        assert_eq!((kept[0].left, kept[FACTS_PER_SITE_MAX - 1].left), (0, 999));
    }
}
