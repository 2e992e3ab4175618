//! Small changes of texts and bytes: what fuzzers of bytes do, on UTF-16 units too, and with regard for canaries.

use super::UNITS_MAX;

/// A source of random numbers, with what is drawn from it.
pub(super) struct Random<'r>(pub(super) &'r mut dyn FnMut() -> u64);

impl Random<'_> {
    pub(super) fn next(&mut self) -> u64 {
        (self.0)()
    }

    /// From 0 to below `end`, which is at least one.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        // The high half of the product: no division. Its bias is below one in 2^40 for what is drawn here.
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    pub(super) fn index(&mut self, end: usize) -> usize {
        self.below(end as u64) as usize
    }

    pub(super) fn one_in(&mut self, end: u64) -> bool {
        self.below(end) == 0
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// What is put into texts or bytes.
#[derive(Debug, Clone)]
pub(super) struct Material<T> {
    /// Words of a dictionary.
    pub(super) words: Vec<Vec<T>>,
    /// What conversions stumble over.
    pub(super) special: Vec<Vec<T>>,
    /// Seeds, of which pieces are taken.
    pub(super) pieces: Vec<Vec<T>>,
    /// What stands for the canary.
    pub(super) canary: Vec<T>,
}

/// A byte or a UTF-16 unit.
pub(super) trait Unit: Copy + PartialEq + From<u8> {
    const BITS: u64;
    fn from_bits(bits: u64) -> Self;
    fn bits(self) -> u64;
}

impl Unit for u8 {
    const BITS: u64 = 8;
    fn from_bits(bits: u64) -> Self {
        bits as u8
    }
    fn bits(self) -> u64 {
        self.into()
    }
}

impl Unit for u16 {
    const BITS: u64 = 16;
    fn from_bits(bits: u64) -> Self {
        bits as u16
    }
    fn bits(self) -> u64 {
        self.into()
    }
}

#[derive(Clone, Copy)]
enum Edit {
    Flip,
    Add,
    Set,
    Insert,
    Delete,
    Duplicate,
    Copy,
    Swap,
    WordInto,
    WordOver,
    PieceInto,
    PieceOver,
    Special,
    Canary,
    Digits,
    Cut,
}

/// One in 64 each: single units first, as coverage leads from one to the next.
const EDITS: [(Edit, usize); 16] = [
    (Edit::Flip, 6),
    (Edit::Add, 4),
    (Edit::Set, 11),
    (Edit::Insert, 9),
    (Edit::Delete, 7),
    (Edit::Duplicate, 4),
    (Edit::Copy, 3),
    (Edit::Swap, 2),
    (Edit::WordInto, 5),
    (Edit::WordOver, 4),
    (Edit::PieceInto, 2),
    (Edit::PieceOver, 2),
    (Edit::Special, 2),
    (Edit::Canary, 1),
    (Edit::Digits, 1),
    (Edit::Cut, 1),
];

/// The same, one place for each.
const TABLE: [Edit; 64] = {
    let mut table = [Edit::Flip; 64];
    let (mut at, mut kind) = (0, 0);
    while kind < EDITS.len() {
        let mut times = 0;
        while times < EDITS[kind].1 {
            table[at] = EDITS[kind].0;
            at += 1;
            times += 1;
        }
        kind += 1;
    }
    assert!(at == 64);
    table
};

/// Changes a list once or a few times; it has at most [`UNITS_MAX`] units then.
pub(super) fn edit<T: Unit>(list: &mut Vec<T>, material: &Material<T>, random: &mut Random<'_>) {
    // One change in half of the cases, two in a quarter, up to eight.
    let times = 1 + (random.next() | 0x80).trailing_zeros();
    for _ in 0..times {
        // Where one has nothing to do, another has; a source that repeats itself ends all the same.
        let _ = (0..64).any(|_| once(list, material, random));
    }
    list.truncate(UNITS_MAX);
}

fn once<T: Unit>(list: &mut Vec<T>, material: &Material<T>, random: &mut Random<'_>) -> bool {
    let choice = TABLE[random.index(TABLE.len())];
    let length = list.len();
    match choice {
        Edit::Flip | Edit::Add | Edit::Set | Edit::Digits => return point(list, choice, material, random),
        Edit::Insert => {
            let unit = fresh(list, random);
            let times = if random.one_in(4) { 1 + random.index(16) } else { 1 };
            let at = place(length, random);
            list.splice(at..at, std::iter::repeat_n(unit, times));
        }
        Edit::Delete | Edit::Cut if length > 0 => {
            let (start, size) = block(length, random);
            let end = if matches!(choice, Edit::Cut) { length } else { start + size };
            if holds(&list[start..end], &material.canary) && !random.one_in(8) {
                return false;
            }
            list.drain(start..end);
        }
        Edit::Duplicate if length > 0 => {
            let (start, size) = block(length, random);
            let times = if random.one_in(8) { 1 + random.index(32) } else { 1 };
            let times = times.min(1 + (UNITS_MAX - length.min(UNITS_MAX)) / size);
            let piece: Vec<T> = list[start..start + size].repeat(times);
            list.splice(start..start, piece);
        }
        Edit::Copy if length > 1 => {
            let (start, size) = block(length, random);
            let to = random.index(length - size + 1);
            if holds(&list[to..to + size], &material.canary) {
                return false;
            }
            list.copy_within(start..start + size, to);
        }
        Edit::Swap if length > 1 => list.swap(random.index(length), random.index(length)),
        Edit::WordInto | Edit::WordOver if !material.words.is_empty() => {
            let word = &material.words[random.index(material.words.len())];
            return put(list, word, matches!(choice, Edit::WordOver), material, random);
        }
        Edit::PieceInto | Edit::PieceOver if !material.pieces.is_empty() => {
            let piece = &material.pieces[random.index(material.pieces.len())];
            if piece.is_empty() {
                return false;
            }
            let (start, size) = block(piece.len(), random);
            return put(list, &piece[start..start + size], matches!(choice, Edit::PieceOver), material, random);
        }
        Edit::Special => {
            let special = &material.special[random.index(material.special.len())];
            return put(list, special, random.one_in(2), material, random);
        }
        Edit::Canary => return put(list, &material.canary, random.one_in(4), material, random),
        _ => return false,
    }
    true
}

/// Changes one unit.
fn point<T: Unit>(list: &mut [T], choice: Edit, material: &Material<T>, random: &mut Random<'_>) -> bool {
    if list.is_empty() {
        return false;
    }
    let mut at = random.index(list.len());
    if matches!(choice, Edit::Digits) {
        // The next digit, if any.
        let digit = |unit: &T| (0x30..0x3a).contains(&unit.bits());
        match list[at..].iter().position(digit) {
            Some(steps) => at += steps,
            None => return false,
        }
        list[at] = T::from_bits(0x30 + random.below(10));
        return true;
    }
    if material.canary.contains(&list[at]) && !random.one_in(16) {
        return false;
    }
    let old = list[at].bits();
    list[at] = match choice {
        // The lower bits mostly: upper ones lead out of ASCII.
        Edit::Flip if T::BITS > 8 && !random.one_in(8) => T::from_bits(old ^ (1 << random.below(7))),
        Edit::Flip => T::from_bits(old ^ (1 << random.below(T::BITS))),
        Edit::Add => {
            let by = 1 + random.below(16);
            T::from_bits(if random.one_in(2) { old.wrapping_add(by) } else { old.wrapping_sub(by) })
        }
        _ => fresh(list, random),
    };
    true
}

/// A unit: printable ASCII mostly, or one that is there already, or any.
fn fresh<T: Unit>(list: &[T], random: &mut Random<'_>) -> T {
    match random.below(8) {
        0 if !list.is_empty() => list[random.index(list.len())],
        1 if T::BITS > 8 => T::from_bits(0xd800 + random.below(0x800)),
        1 => T::from_bits(random.next()),
        2 => T::from(b"\0\t\n\r \"'\\{}[]<>&|^~,:;/-+0"[random.index(25)]),
        _ => T::from_bits(0x20 + random.below(0x5f)),
    }
}

/// Where something is inserted: at the end more often, where texts go on.
fn place(length: usize, random: &mut Random<'_>) -> usize {
    if random.one_in(4) { length } else { random.index(length + 1) }
}

/// Start and size of a block in a list that is not empty: short ones mostly.
fn block(length: usize, random: &mut Random<'_>) -> (usize, usize) {
    let start = random.index(length);
    let rest = length - start;
    let most = if random.one_in(4) { rest } else { rest.min(1 << random.below(6)) };
    (start, 1 + random.index(most))
}

fn holds<T: Unit>(list: &[T], canary: &[T]) -> bool {
    list.iter().any(|unit| canary.contains(unit))
}

/// Puts something in, or over what is there.
fn put<T: Unit>(list: &mut Vec<T>, what: &[T], over: bool, material: &Material<T>, random: &mut Random<'_>) -> bool {
    let at = place(list.len(), random);
    let end = if over { (at + what.len()).min(list.len()) } else { at };
    if holds(&list[at..end], &material.canary) {
        return false;
    }
    list.splice(at..end, what.iter().copied());
    true
}
