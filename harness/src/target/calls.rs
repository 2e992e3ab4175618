//! How an input of the ABI `numeric` spells a sequence of calls.
//!
//! Each call is one byte that picks the export (where there are several), then for every parameter one byte that picks
//! an interesting value or announces a raw one, and the raw value itself, little-endian: compare operands can be
//! copied straight into the input.

use super::Function;
use arbitrary::Unstructured;
use std::fmt;
use wasmparser::ValType;

/// Calls in one execution: enough for protocols of a few steps, and bounded like everything.
pub const CALLS_MAX: usize = 64;
/// Selector bytes from here on announce a raw value.
const RAW_FROM: u8 = 64;

/// An argument; floats as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// `i32`.
    I32(i32),
    /// `i64`.
    I64(i64),
    /// `f32`.
    F32(u32),
    /// `f64`.
    F64(u64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Number::I32(value) => write!(f, "{value}"),
            Number::I64(value) => write!(f, "{value}"),
            Number::F32(bits) => write!(f, "{:?}", f32::from_bits(bits)),
            Number::F64(bits) => write!(f, "{:?}", f64::from_bits(bits)),
        }
    }
}

/// The calls that an input spells, one after the other.
#[derive(Debug)]
pub struct Calls<'a> {
    rest: Unstructured<'a>,
    made: usize,
}

impl<'a> Calls<'a> {
    /// From the beginning.
    pub fn new(input: &'a [u8]) -> Self {
        Self { rest: Unstructured::new(input), made: 0 }
    }

    /// The next call: index of the function and its arguments, or nothing once the input or the room for calls has ended.
    /// A call that is cut short takes zeroes.
    pub fn next_call(&mut self, functions: &[Function], arguments: &mut Vec<Number>) -> Option<usize> {
        if self.made == CALLS_MAX || self.rest.is_empty() {
            return None;
        }
        self.made += 1;
        let index = match functions.len() {
            0 => return None,
            1 => 0,
            count => self.rest.int_in_range(0..=count - 1).ok()?,
        };
        arguments.clear();
        for ty in &functions[index].params {
            arguments.push(number(&mut self.rest, *ty).ok()?);
        }
        Some(index)
    }

    /// Bytes that were not read yet.
    pub fn bytes_left(&self) -> usize {
        self.rest.len()
    }
}

fn number(rest: &mut Unstructured<'_>, ty: ValType) -> arbitrary::Result<Number> {
    let selector: u8 = rest.arbitrary()?;
    let integer = INTEGERS[usize::from(selector) % INTEGERS.len()];
    let float = FLOATS[usize::from(selector) % FLOATS.len()];
    let raw = selector >= RAW_FROM;
    Ok(match ty {
        ValType::I32 => Number::I32(if raw { rest.arbitrary()? } else { integer as i32 }),
        ValType::I64 => Number::I64(if raw { rest.arbitrary()? } else { integer }),
        ValType::F32 => Number::F32(if raw { rest.arbitrary()? } else { (float as f32).to_bits() }),
        _ => Number::F64(if raw { rest.arbitrary()? } else { float.to_bits() }),
    })
}

/// Values at which integer code tends to turn.
const INTEGERS: &[i64] = &[
    0,
    1,
    -1,
    2,
    3,
    4,
    7,
    8,
    10,
    16,
    31,
    32,
    63,
    64,
    100,
    127,
    128,
    255,
    256,
    1000,
    1024,
    4096,
    32767,
    32768,
    65535,
    65536,
    i32::MAX as i64,
    i32::MIN as i64,
    u32::MAX as i64,
    i64::MAX,
    i64::MIN,
    -2,
    -128,
    -129,
    -32768,
    -65536,
];
/// Values at which floating-point code tends to turn.
const FLOATS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    10.0,
    0.1,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    f64::MIN_POSITIVE,
    5e-324,
    f64::MAX,
    f64::MIN,
    f64::EPSILON,
    2147483647.0,
    2147483648.0,
    -2147483649.0,
    4294967296.0,
    9007199254740993.0,
    9223372036854775807.0,
    1e308,
    -1e-308,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(params: &[&[ValType]], input: &[u8]) -> Vec<String> {
        let function = |params: &&[ValType]| Function { name: String::new(), params: params.to_vec(), results: vec![] };
        let functions: Vec<Function> = params.iter().map(function).collect();
        let (mut calls, mut arguments, mut spelled) = (Calls::new(input), Vec::new(), Vec::new());
        while let Some(index) = calls.next_call(&functions, &mut arguments) {
            let arguments: Vec<String> = arguments.iter().map(Number::to_string).collect();
            spelled.push(format!("{index}({})", arguments.join(", ")));
        }
        spelled
    }

    #[test]
    fn an_input_is_a_sequence_of_calls() {
        use ValType::{F32, F64, I32, I64};
        assert_eq!(calls(&[&[I32]], b"\x02\xff\x39\x30\0\0"), ["0(-1)", "0(12345)"]);
        assert_eq!(
            calls(&[&[I32, I64], &[F64, F32], &[]], b"\x01\x0a\x01\x02\x00\x1d\x1e"),
            ["1(NaN, -0.0)", "2()", "0(-1, -9223372036854775808)"]
        );
        assert_eq!(calls(&[&[I64]], b"\xff\x01"), ["0(1)"], "cut short");
        assert_eq!(calls(&[], b"abc").len(), 0);
        assert_eq!(calls(&[&[], &[]], &[1; 1000]).len(), CALLS_MAX);
    }
}
