//! The binary form of a tape, written and read. Hostile bytes cost time and memory in proportion to their number.

use super::{
    Buffer, Element, HOOKS_MAX, Hook, JsVal, MAGIC, NESTING_MAX, OPS_MAX, Op, TAPE_BYTES_MAX, Tape, UNITS_MAX, VERSION,
};

/// Bytes that are no tape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TapeError {
    /// More than [`TAPE_BYTES_MAX`].
    #[error("{bytes} bytes; a tape has at most {TAPE_BYTES_MAX}")]
    Long {
        /// How many.
        bytes: usize,
    },
    /// It ends early.
    #[error("byte {at}: the end, where {expected} was expected")]
    Short {
        /// Offset, bytes.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// A byte that means nothing there.
    #[error("byte {at}: {found:#04x}, where {expected} was expected")]
    Code {
        /// Offset, bytes.
        at: usize,
        /// The byte.
        found: u8,
        /// What should be there.
        expected: &'static str,
    },
    /// Too much of something.
    #[error("byte {at}: more than {max} {of}")]
    Limit {
        /// Offset, bytes.
        at: usize,
        /// Of what.
        of: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// There is a shorter form of the same.
    #[error("byte {at}: {what} has a shorter form")]
    Shorter {
        /// Offset, bytes.
        at: usize,
        /// Of what.
        what: &'static str,
    },
    /// A name is not UTF-8.
    #[error("byte {at}: a name that is not UTF-8")]
    Name {
        /// Offset, bytes.
        at: usize,
    },
    /// Something follows the tape.
    #[error("byte {at}: the tape ends here, but not the bytes")]
    Trailing {
        /// Offset, bytes.
        at: usize,
    },
}

impl Tape {
    /// The binary form. It is read again where the tape [`Tape::fits`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write(&mut out);
        out
    }

    /// Appends the binary form.
    pub fn write(&self, out: &mut Vec<u8>) {
        put(out, self);
    }

    /// Length of the binary form, bytes.
    pub fn size(&self) -> usize {
        let mut count = Count(0);
        put(&mut count, self);
        count.0
    }

    /// Whether all limits are kept.
    pub fn fits(&self) -> bool {
        let mut ops = 0;
        keeps(&self.ops, HOOKS_MAX, &mut ops) && self.size() <= TAPE_BYTES_MAX
    }

    /// Operations, those in hooks included.
    pub fn ops_in_all(&self) -> usize {
        let mut ops = 0;
        keeps(&self.ops, usize::MAX, &mut ops);
        ops
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// Where the bytes are not exactly one tape within the limits: the place, and what was expected there.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TapeError> {
        if bytes.len() > TAPE_BYTES_MAX {
            return Err(TapeError::Long { bytes: bytes.len() });
        }
        let mut reader = Reader { bytes, at: 0, ops: 0 };
        for (code, expected) in [(MAGIC, "the first byte of a tape, 0xa7"), (VERSION, "version 1")] {
            let found = reader.byte(expected)?;
            if found != code {
                return Err(TapeError::Code { at: reader.at - 1, found, expected });
            }
        }
        let ops = reader.ops(HOOKS_MAX)?;
        if reader.at < bytes.len() {
            return Err(TapeError::Trailing { at: reader.at });
        }
        Ok(Self { ops })
    }
}

/// Counts the operations; whether everything but the length in bytes is within limits. `hooks` may still nest.
fn keeps(ops: &[Op], hooks: usize, count: &mut usize) -> bool {
    *count += ops.len();
    // No short cut: callers want the count.
    let mut all = *count <= OPS_MAX;
    for op in ops {
        all &= match op {
            Op::Call { args, .. } => args.iter().fold(true, |all, value| all & value_keeps(value, hooks, 1, count)),
            Op::Assign { name, value, .. } => name.len() <= UNITS_MAX && value_keeps(value, hooks, 1, count),
            Op::Free { .. } | Op::Gc | Op::Await { .. } | Op::Grow { .. } => true,
        };
    }
    all
}

fn value_keeps(value: &JsVal, hooks: usize, depth: usize, count: &mut usize) -> bool {
    let mut below = |value: &JsVal| value_keeps(value, hooks, depth + 1, count);
    let within = match value {
        JsVal::Text(units) => units.len() <= UNITS_MAX,
        JsVal::Bytes { bytes, .. } => bytes.len() <= UNITS_MAX,
        JsVal::Array(items) | JsVal::ArrayLike { items, .. } => items.iter().fold(true, |all, item| all & below(item)),
        JsVal::Object(fields) => {
            fields.iter().fold(true, |all, (name, value)| all & (name.len() <= UNITS_MAX) & below(value))
        }
        JsVal::Getters(fields) => fields.iter().fold(true, |all, (name, values)| {
            values.iter().fold(all & (name.len() <= UNITS_MAX), |all, value| all & below(value))
        }),
        JsVal::ValueOf(hook, value)
        | JsVal::Proxy(hook, value)
        | JsVal::Callback(hook, value)
        | JsVal::Promise(hook, value) => {
            let inner = below(value);
            inner & (hooks > 0) & keeps(&hook.ops, hooks.saturating_sub(1), count)
        }
        _ => true,
    };
    within && depth <= NESTING_MAX
}

/// Where the binary form goes: into bytes, or only counted.
trait Sink {
    fn byte(&mut self, byte: u8);
    fn slice(&mut self, bytes: &[u8]);
    fn units(&mut self, units: &[u16], latin1: bool);
}

struct Count(usize);

impl Sink for Count {
    fn byte(&mut self, _: u8) {
        self.0 += 1;
    }
    fn slice(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
    fn units(&mut self, units: &[u16], latin1: bool) {
        self.0 += if latin1 { units.len() } else { 2 * units.len() };
    }
}

impl Sink for Vec<u8> {
    fn byte(&mut self, byte: u8) {
        self.push(byte);
    }
    fn slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    fn units(&mut self, units: &[u16], latin1: bool) {
        if latin1 {
            self.extend(units.iter().map(|unit| *unit as u8));
        } else {
            self.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        }
    }
}

fn put(out: &mut impl Sink, tape: &Tape) {
    out.slice(&[MAGIC, VERSION]);
    put_ops(out, &tape.ops);
}

fn put_number(out: &mut impl Sink, number: usize) {
    let mut rest = number;
    while rest > 0x7f {
        out.byte(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.byte(rest as u8);
}

fn put_name(out: &mut impl Sink, name: &str) {
    put_number(out, name.len());
    out.slice(name.as_bytes());
}

fn put_ops(out: &mut impl Sink, ops: &[Op]) {
    put_number(out, ops.len());
    for op in ops {
        match op {
            Op::Call { operation, this, args } => {
                out.byte(0);
                out.slice(&operation.to_le_bytes());
                out.byte(*this);
                put_values(out, args);
            }
            Op::Free { slot } => out.slice(&[1, *slot]),
            Op::Gc => out.byte(2),
            Op::Await { slot } => out.slice(&[3, *slot]),
            Op::Assign { slot, name, value } => {
                out.slice(&[4, *slot]);
                put_name(out, name);
                put_value(out, value);
            }
            Op::Grow { pages } => out.slice(&[5, *pages]),
        }
    }
}

fn put_values(out: &mut impl Sink, values: &[JsVal]) {
    put_number(out, values.len());
    values.iter().for_each(|value| put_value(out, value));
}

fn put_hook(out: &mut impl Sink, code: u8, hook: &Hook, value: &JsVal) {
    out.slice(&[code, u8::from(hook.throws) | u8::from(hook.again) << 1, hook.pages]);
    put_ops(out, &hook.ops);
    put_value(out, value);
}

fn put_value(out: &mut impl Sink, value: &JsVal) {
    match value {
        JsVal::Undefined => out.byte(0),
        JsVal::Null => out.byte(1),
        JsVal::Boolean(value) => out.byte(2 + u8::from(*value)),
        JsVal::Number(bits) => {
            out.byte(4);
            out.slice(&bits.to_le_bytes());
        }
        JsVal::BigInt(value) => {
            out.byte(5);
            out.slice(&value.to_le_bytes());
        }
        JsVal::Text(units) => {
            let latin1 = is_latin1(units);
            out.byte(if latin1 { 6 } else { 7 });
            put_number(out, units.len());
            out.units(units, latin1);
        }
        JsVal::Bytes { element, buffer, bytes } => {
            out.slice(&[8, *element as u8, *buffer as u8]);
            put_number(out, bytes.len());
            out.slice(bytes);
        }
        JsVal::Array(items) => {
            out.byte(9);
            put_values(out, items);
        }
        JsVal::Object(fields) => {
            out.byte(10);
            put_number(out, fields.len());
            for (name, value) in fields {
                put_name(out, name);
                put_value(out, value);
            }
        }
        JsVal::ArrayLike { lengths, items } => {
            out.byte(11);
            put_number(out, lengths.len());
            lengths.iter().for_each(|bits| out.slice(&bits.to_le_bytes()));
            put_values(out, items);
        }
        JsVal::Getters(fields) => {
            out.byte(12);
            put_number(out, fields.len());
            for (name, values) in fields {
                put_name(out, name);
                put_values(out, values);
            }
        }
        JsVal::ValueOf(hook, value) => put_hook(out, 13, hook, value),
        JsVal::Proxy(hook, value) => put_hook(out, 14, hook, value),
        JsVal::Callback(hook, value) => put_hook(out, 15, hook, value),
        JsVal::Ref(slot) => out.slice(&[16, *slot]),
        JsVal::Symbol => out.byte(17),
        JsVal::Promise(hook, value) => put_hook(out, 18, hook, value),
    }
}

fn is_latin1(units: &[u16]) -> bool {
    // Without a branch per unit, so that it is done sixteen at a time.
    units.iter().fold(0, |all, unit| all | unit) <= 0xff
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    ops: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize, expected: &'static str) -> Result<&'a [u8], TapeError> {
        let rest = &self.bytes[self.at..];
        let Some(found) = rest.get(..length) else { return Err(TapeError::Short { at: self.bytes.len(), expected }) };
        self.at += length;
        Ok(found)
    }

    fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], TapeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, expected)?);
        Ok(array)
    }

    fn byte(&mut self, expected: &'static str) -> Result<u8, TapeError> {
        Ok(self.take(1, expected)?[0])
    }

    fn number(&mut self, expected: &'static str) -> Result<usize, TapeError> {
        let start = self.at;
        let mut number = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte(expected)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    return Err(TapeError::Shorter { at: start, what: "the number" });
                }
                if number > u64::from(u32::MAX) {
                    break;
                }
                return Ok(number as usize);
            }
        }
        Err(TapeError::Limit { at: start, of: "bits of a number", max: 32 })
    }

    /// How many of something follow, each of at least `width` bytes.
    fn length(&mut self, width: usize, expected: &'static str) -> Result<usize, TapeError> {
        let length = self.number(expected)?;
        // Nothing is allocated for what cannot be there.
        if length.saturating_mul(width) > self.bytes.len() - self.at {
            return Err(TapeError::Short { at: self.bytes.len(), expected });
        }
        Ok(length)
    }

    fn units(&mut self, width: usize, expected: &'static str) -> Result<&'a [u8], TapeError> {
        let at = self.at;
        let length = self.length(width, expected)?;
        if length > UNITS_MAX {
            return Err(TapeError::Limit { at, of: expected, max: UNITS_MAX });
        }
        self.take(length * width, expected)
    }

    fn name(&mut self) -> Result<String, TapeError> {
        let at = self.at;
        let bytes = self.units(1, "bytes of a name")?;
        String::from_utf8(bytes.to_vec()).map_err(|_| TapeError::Name { at })
    }

    /// Operations, in which hooks may nest so deep.
    fn ops(&mut self, hooks: usize) -> Result<Vec<Op>, TapeError> {
        let at = self.at;
        let length = self.length(1, "operations")?;
        self.ops += length;
        if self.ops > OPS_MAX {
            return Err(TapeError::Limit { at, of: "operations", max: OPS_MAX });
        }
        (0..length).map(|_| self.op(hooks)).collect()
    }

    fn op(&mut self, hooks: usize) -> Result<Op, TapeError> {
        const EXPECTED: &str = "the kind of an operation, 0 to 5";
        let found = self.byte(EXPECTED)?;
        Ok(match found {
            0 => {
                let operation = u32::from_le_bytes(self.array("the id of an operation")?);
                let this = self.byte("the number of an object")?;
                Op::Call { operation, this, args: self.values(hooks, 1)? }
            }
            1 => Op::Free { slot: self.byte("a slot")? },
            2 => Op::Gc,
            3 => Op::Await { slot: self.byte("a slot")? },
            4 => Op::Assign { slot: self.byte("a slot")?, name: self.name()?, value: self.value(hooks, 1)? },
            5 => Op::Grow { pages: self.byte("pages")? },
            _ => return Err(TapeError::Code { at: self.at - 1, found, expected: EXPECTED }),
        })
    }

    fn values(&mut self, hooks: usize, depth: usize) -> Result<Vec<JsVal>, TapeError> {
        let length = self.length(1, "values")?;
        (0..length).map(|_| self.value(hooks, depth)).collect()
    }

    fn value(&mut self, hooks: usize, depth: usize) -> Result<JsVal, TapeError> {
        const EXPECTED: &str = "the kind of a value, 0 to 18";
        let at = self.at;
        if depth > NESTING_MAX {
            return Err(TapeError::Limit { at, of: "values within each other", max: NESTING_MAX });
        }
        let found = self.byte(EXPECTED)?;
        Ok(match found {
            0 => JsVal::Undefined,
            1 => JsVal::Null,
            2 | 3 => JsVal::Boolean(found == 3),
            4 => JsVal::Number(u64::from_le_bytes(self.array("the bits of a number")?)),
            5 => JsVal::BigInt(i128::from_le_bytes(self.array("16 bytes of a bigint")?)),
            6 => JsVal::Text(self.units(1, "characters")?.iter().map(|byte| u16::from(*byte)).collect()),
            7 => {
                let bytes = self.units(2, "UTF-16 units")?;
                let units: Vec<u16> =
                    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
                if is_latin1(&units) {
                    return Err(TapeError::Shorter { at, what: "the text" });
                }
                JsVal::Text(units)
            }
            8 => {
                let element = self.code(&Element::ALL, "the kind of a typed array, 0 to 12")?;
                let buffer = self.code(&Buffer::ALL, "the kind of a buffer, 0 to 4")?;
                JsVal::Bytes { element, buffer, bytes: self.units(1, "bytes")?.to_vec() }
            }
            9 => JsVal::Array(self.values(hooks, depth + 1)?),
            10 => {
                let length = self.length(2, "properties")?;
                let field = |_| Ok((self.name()?, self.value(hooks, depth + 1)?));
                JsVal::Object((0..length).map(field).collect::<Result<_, TapeError>>()?)
            }
            11 => {
                let length = self.length(8, "lengths")?;
                let bits = |_| Ok(u64::from_le_bytes(self.array("the bits of a length")?));
                let lengths = (0..length).map(bits).collect::<Result<_, TapeError>>()?;
                JsVal::ArrayLike { lengths, items: self.values(hooks, depth + 1)? }
            }
            12 => {
                let length = self.length(2, "getters")?;
                let field = |_| Ok((self.name()?, self.values(hooks, depth + 1)?));
                JsVal::Getters((0..length).map(field).collect::<Result<_, TapeError>>()?)
            }
            13..=15 | 18 => {
                let hook = self.hook(hooks)?;
                let value = Box::new(self.value(hooks, depth + 1)?);
                match found {
                    13 => JsVal::ValueOf(hook, value),
                    14 => JsVal::Proxy(hook, value),
                    15 => JsVal::Callback(hook, value),
                    _ => JsVal::Promise(hook, value),
                }
            }
            16 => JsVal::Ref(self.byte("a slot")?),
            17 => JsVal::Symbol,
            _ => return Err(TapeError::Code { at, found, expected: EXPECTED }),
        })
    }

    fn code<T: Copy>(&mut self, all: &[T], expected: &'static str) -> Result<T, TapeError> {
        let found = self.byte(expected)?;
        all.get(usize::from(found)).copied().ok_or(TapeError::Code { at: self.at - 1, found, expected })
    }

    fn hook(&mut self, hooks: usize) -> Result<Hook, TapeError> {
        let Some(below) = hooks.checked_sub(1) else {
            return Err(TapeError::Limit { at: self.at, of: "hooks within each other", max: HOOKS_MAX });
        };
        let flags = self.byte("flags of a hook")?;
        if flags > 3 {
            return Err(TapeError::Code { at: self.at - 1, found: flags, expected: "flags of a hook, 0 to 3" });
        }
        let pages = self.byte("pages")?;
        Ok(Hook { throws: flags & 1 != 0, again: flags & 2 != 0, pages, ops: self.ops(below)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{api, call, hook, number, seeds, tape, text};
    use super::super::{Generator, Profile};
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn what_is_written_is_read(seed: u64, profile: u8) -> bool {
            let (api, seeds) = (api(), seeds());
            let tape = Generator::new(&api, Profile::ALL[usize::from(profile) % 3], &seeds).tape(seed);
            let bytes = tape.to_bytes();
            bytes.len() == tape.size() && Tape::from_bytes(&bytes) == Ok(tape)
        }

        fn what_is_read_is_written_alike(seed: u64, changes: Vec<(u16, u8)>) -> bool {
            let (api, seeds) = (api(), seeds());
            let mut bytes = Generator::new(&api, Profile::Hostile, &seeds).tape(seed).to_bytes();
            for (at, byte) in changes {
                let at = usize::from(at) % bytes.len();
                bytes[at] = byte;
            }
            match Tape::from_bytes(&bytes) {
                Ok(tape) => tape.to_bytes() == bytes && tape.fits(),
                Err(error) => !error.to_string().is_empty(),
            }
        }

        fn no_beginning_of_a_tape_is_one(seed: u64) -> bool {
            let (api, seeds) = (api(), seeds());
            let bytes = Generator::new(&api, Profile::Hostile, &seeds).tape(seed).to_bytes();
            (0..bytes.len()).all(|end| matches!(Tape::from_bytes(&bytes[..end]), Err(TapeError::Short { at, .. }) if at == end))
        }
    }

    #[test]
    fn what_is_no_tape_is_refused_with_the_place() {
        let array = |depth: usize| [&[9u8, 1].repeat(depth)[..], &[0]].concat();
        let call = |values: &[u8]| [&[MAGIC, VERSION, 1, 0, 1, 2, 3, 4, 0, 1][..], values].concat();
        let hooked = |depth: usize| {
            let mut value = vec![0];
            for _ in 0..depth {
                value = [&[13, 0, 0, 1, 0, 1, 2, 3, 4, 0, 1][..], &value, &[0]].concat();
            }
            call(&value)
        };
        assert!(Tape::from_bytes(&call(&array(NESTING_MAX - 1))).is_ok());
        assert!(Tape::from_bytes(&hooked(HOOKS_MAX)).is_ok());
        for (bytes, error) in [
            (vec![], "byte 0: the end, where the first byte of a tape, 0xa7 was expected"),
            (vec![0x7b], "byte 0: 0x7b, where the first byte of a tape, 0xa7 was expected"),
            (vec![MAGIC, 2, 0], "byte 1: 0x02, where version 1 was expected"),
            (vec![MAGIC, VERSION, 0, 0], "byte 3: the tape ends here, but not the bytes"),
            (vec![MAGIC, VERSION, 0x80, 0], "byte 2: the number has a shorter form"),
            (vec![MAGIC, VERSION, 0xff, 0xff, 0xff, 0xff, 0x1f], "byte 2: more than 32 bits of a number"),
            (vec![MAGIC, VERSION, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "byte 2: more than 32 bits of a number"),
            // Four thousand million operations are not waited for.
            (vec![MAGIC, VERSION, 0xff, 0xff, 0xff, 0xff, 0x0f], "byte 7: the end, where operations was expected"),
            ([&[MAGIC, VERSION, 33][..], &[2; 33]].concat(), "byte 2: more than 32 operations"),
            (vec![MAGIC, VERSION, 1, 6], "byte 3: 0x06, where the kind of an operation, 0 to 5 was expected"),
            (call(&[19]), "byte 10: 0x13, where the kind of a value, 0 to 18 was expected"),
            (call(&[7, 1, 0x41, 0]), "byte 10: the text has a shorter form"),
            (call(&[8, 13, 0, 0]), "byte 11: 0x0d, where the kind of a typed array, 0 to 12 was expected"),
            (call(&[8, 0, 5, 0]), "byte 12: 0x05, where the kind of a buffer, 0 to 4 was expected"),
            (call(&[10, 1, 1, 0xff, 0]), "byte 12: a name that is not UTF-8"),
            (call(&[13, 4, 0, 0, 0]), "byte 11: 0x04, where flags of a hook, 0 to 3 was expected"),
            (call(&array(NESTING_MAX)), "byte 26: more than 8 values within each other"),
            (hooked(HOOKS_MAX + 1), "byte 33: more than 2 hooks within each other"),
            (call(&[&[6, 0x81, 0x40][..], &[0x41; 8193]].concat()), "byte 11: more than 8192 characters"),
            (vec![0; TAPE_BYTES_MAX + 1], "16385 bytes; a tape has at most 16384"),
        ] {
            assert_eq!(
                Tape::from_bytes(&bytes).map_err(|error| error.to_string()),
                Err(error.to_owned()),
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn limits_are_seen_in_every_corner() {
        let long = JsVal::Text(vec![0x41; UNITS_MAX + 1]);
        let nested = (0..NESTING_MAX).fold(JsVal::Null, |value, _| JsVal::Array(vec![value]));
        let deep = (0..=HOOKS_MAX).fold(number(1.0), |value, _| {
            JsVal::ValueOf(hook(vec![call("parse", vec![value])], 0), Box::new(JsVal::Null))
        });
        let many = JsVal::Callback(hook(vec![Op::Gc; OPS_MAX], 0), Box::new(JsVal::Null));
        let wide = JsVal::Array(vec![JsVal::Text(vec![0x141; UNITS_MAX / 2]), JsVal::Text(vec![0x141; UNITS_MAX / 2])]);
        for value in [long, nested, deep, many, wide] {
            let within = JsVal::Getters(vec![("x".to_owned(), vec![JsVal::Null, value.clone()])]);
            for value in [value, within] {
                let tape = tape(vec![call("parse", vec![value])]);
                assert!(!tape.fits() && Tape::from_bytes(&tape.to_bytes()).is_err(), "{tape:?}");
            }
        }
        assert!(tape(vec![call("parse", vec![text("x")])]).fits());
    }
}
