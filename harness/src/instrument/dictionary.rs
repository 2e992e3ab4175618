//! Tokens that stand in a module: what its author compared input with, and what its data segments say.

use super::analysis;
use std::collections::HashSet;
use wasmparser::{DataKind, Operator, Parser, Payload};

/// Tokens given back at most.
const TOKENS_MAX: usize = 4096;
/// Share of it for constants of the code; the rest is for strings.
const CONSTANTS_MAX: usize = 1536;
/// Strings that a length in the code or in the data vouches for.
const SLICES_MAX: usize = 1536;
/// Longest token, bytes.
const TOKEN_BYTES_MAX: usize = 64;
/// Shortest run of printable bytes that counts as a string.
const RUN_BYTES_MIN: usize = 3;
/// Data looked at, bytes.
const DATA_BYTES_MAX: usize = 8 << 20;

/// Tokens for mutators: strings that code or data refer to with their lengths, constants that are compared with (in both
/// byte orders), then runs of text and their words. The order is that of the module, without repetitions; their number is bounded.
/// A module that cannot be read gives what was found before the fault.
pub fn tokens(wasm: &[u8]) -> Vec<Vec<u8>> {
    let mut data = Data::default();
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(wasm).map_while(Result::ok) {
        match payload {
            Payload::CodeSectionEntry(body) => bodies.push(body),
            Payload::DataSection(reader) => {
                for segment in reader.into_iter().map_while(Result::ok) {
                    let start = match segment.kind {
                        DataKind::Active { offset_expr, .. } => match offset_expr.get_operators_reader().read() {
                            Ok(Operator::I32Const { value }) => Some(value as u32),
                            _ => None,
                        },
                        DataKind::Passive => None,
                    };
                    data.add(start, segment.data);
                }
            }
            _ => {}
        }
    }
    let mut slices = Tokens::new(SLICES_MAX);
    let mut constants = Tokens::new(CONSTANTS_MAX);
    for body in bodies {
        // A body that ends in the middle of nowhere has been read as far as it goes.
        let _ = body.get_operators_reader().map(|reader| code(reader, &data, &mut slices, &mut constants));
    }
    data.slices(&mut slices);
    let mut all = Tokens::new(TOKENS_MAX);
    for token in slices.list.into_iter().chain(constants.list) {
        all.add(&token);
    }
    for (_, bytes) in &data.segments {
        runs(bytes, &mut all);
    }
    all.list
}

struct Tokens {
    list: Vec<Vec<u8>>,
    seen: HashSet<Vec<u8>>,
    max: usize,
}

impl Tokens {
    fn new(max: usize) -> Self {
        Self { list: Vec::new(), seen: HashSet::new(), max }
    }

    fn add(&mut self, token: &[u8]) {
        if self.list.len() < self.max
            && !token.is_empty()
            && token.len() <= TOKEN_BYTES_MAX
            && self.seen.insert(token.to_vec())
        {
            self.list.push(token.to_vec());
        }
    }

    /// A number, as it may stand in an input: in its shortest of 2, 4 or 8 bytes, in both byte orders. One byte is for chance.
    fn add_number(&mut self, value: u64, float: bool, bytes: usize) {
        let signed = if bytes == 4 { i64::from(value as u32 as i32) } else { value as i64 };
        if !float && (-128..256).contains(&signed) {
            return;
        }
        let short = |bits: u32| value >> bits == 0 || signed >= -(1i64 << (bits - 1)) && signed < 0;
        let len = match bytes {
            _ if float => bytes,
            _ if short(16) => 2,
            8 if short(32) => 4,
            bytes => bytes,
        };
        let little = value.to_le_bytes();
        self.add(&little[..len]);
        let big: Vec<u8> = little[..len].iter().rev().copied().collect();
        self.add(&big);
    }
}

/// The data segments of a module.
#[derive(Default)]
struct Data<'a> {
    segments: Vec<(Option<u32>, &'a [u8])>,
    bytes: usize,
}

impl<'a> Data<'a> {
    fn add(&mut self, start: Option<u32>, bytes: &'a [u8]) {
        let bytes = &bytes[..bytes.len().min(DATA_BYTES_MAX - self.bytes)];
        self.bytes += bytes.len();
        if !bytes.is_empty() {
            self.segments.push((start, bytes));
        }
    }

    /// The bytes at an address, as far as they go.
    fn at(&self, address: u32) -> Option<&'a [u8]> {
        // Few modules have more than a handful of segments; a bound keeps the others from costing much.
        self.segments.iter().take(64).find_map(|(start, bytes)| bytes.get(address.checked_sub((*start)?)? as usize..))
    }

    /// Text at `address` of a length that somebody wrote down.
    fn slice(&self, address: u32, len: u32) -> Option<&'a [u8]> {
        let slice = self.at(address)?.get(..len as usize)?;
        ((2..=TOKEN_BYTES_MAX as u32).contains(&len) && slice.iter().all(|byte| is_text(*byte))).then_some(slice)
    }

    /// Pairs of pointer and length in the data itself: arrays of strings.
    fn slices(&self, tokens: &mut Tokens) {
        for (start, bytes) in &self.segments {
            // Pointers are aligned in memory, not in the segment.
            let skip = start.map_or(0, |start| start.wrapping_neg() as usize % 4);
            for at in (skip..bytes.len().saturating_sub(7)).step_by(4) {
                let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
                if let Some(slice) = self.slice(word(at), word(at + 4)) {
                    tokens.add(slice);
                }
            }
        }
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

/// Constants that are compared with, and pairs of address and length.
fn code(
    mut reader: wasmparser::OperatorsReader<'_>,
    data: &Data<'_>,
    slices: &mut Tokens,
    constants: &mut Tokens,
) -> wasmparser::Result<()> {
    // A constant waits for what the next instructions do with it.
    let mut number: Option<(u64, bool, usize)> = None;
    let mut address: Option<(u32, u32)> = None;
    let mut ordinal = 0u32;
    while !reader.eof() {
        let operator = reader.read()?;
        ordinal += 1;
        let constant = match &operator {
            Operator::I32Const { value } => {
                let value = *value as u32;
                if let Some((before, at)) = address
                    && ordinal - at <= 3
                    && let Some(slice) = data.slice(before, value)
                {
                    slices.add(slice);
                }
                if let Some(bytes) = data.at(value) {
                    address = Some((value, ordinal));
                    // A string that ends by itself.
                    let end = bytes.iter().take(TOKEN_BYTES_MAX + 1).position(|byte| *byte == 0).unwrap_or(0);
                    if end >= 2 && bytes[..end].iter().all(|byte| is_text(*byte)) {
                        slices.add(&bytes[..end]);
                    }
                }
                Some((u64::from(value), false, 4))
            }
            Operator::I64Const { value } => Some((*value as u64, false, 8)),
            Operator::F32Const { value } => Some((u64::from(value.bits()), true, 4)),
            Operator::F64Const { value } => Some((value.bits(), true, 8)),
            other => {
                let compares = analysis::compare(other).is_some()
                    || matches!(other, Operator::I32Xor | Operator::I64Xor | Operator::I32Sub | Operator::I64Sub);
                if let Some((value, float, bytes)) = number
                    && compares
                {
                    constants.add_number(value, float, bytes);
                }
                None
            }
        };
        number = constant;
    }
    Ok(())
}

/// Runs of printable bytes, whole and by words.
fn runs(bytes: &[u8], tokens: &mut Tokens) {
    for run in bytes.split(|byte| !is_text(*byte)).filter(|run| run.len() >= RUN_BYTES_MIN) {
        tokens.add(run);
        for word in run.split(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-')) {
            if word.len() >= RUN_BYTES_MIN && word.len() < run.len() {
                tokens.add(word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(wat: &str) -> Vec<String> {
        let tokens = tokens(&wat::parse_str(wat).unwrap());
        tokens.iter().map(|token| token.escape_ascii().to_string()).collect()
    }

    #[test]
    fn strings_and_constants_are_found_in_order() {
        let found = texts(
            r#"(module (memory 1)
                (data (i32.const 1024) "resourceTypePatientBundle\00%PDF-1.7\00\00\00")
                (data (i32.const 2048) "\13\04\00\00\06\00\00\00")
                (func (param i32 i64 f64) (result i32)
                    (call 1 (i32.const 1024) (i32.const 12))
                    (drop (i32.const 1050))
                    (drop (i32.eq (local.get 0) (i32.const 0xcafe)))
                    (drop (i32.eq (local.get 0) (i32.const 65)))
                    (drop (i64.ne (local.get 1) (i64.const 0x1122334455667788)))
                    (f64.lt (local.get 2) (f64.const 1.5)))
                (func (param i32 i32)))"#,
        );
        assert_eq!(
            found,
            [
                "resourceTypePatientBundle",
                "resourceType",
                "%PDF-1.7",
                "Bundle",
                "\\xfe\\xca",
                "\\xca\\xfe",
                "\\x88wfUD3\\\"\\x11",
                "\\x11\\\"3DUfw\\x88",
                "\\x00\\x00\\x00\\x00\\x00\\x00\\xf8?",
                "?\\xf8\\x00\\x00\\x00\\x00\\x00\\x00",
                "PDF-1"
            ]
        );
    }

    #[test]
    fn the_number_of_tokens_is_bounded() {
        let functions: String = (0..5000)
            .map(|value| format!("(func (param i32) (result i32) (i32.eq (local.get 0) (i32.const {})))", 1000 + value))
            .collect();
        let text: String = (0..20_000).map(|word| format!("w{word} ")).collect();
        let wat = format!(r#"(module (memory 9) (data (i32.const 0) "{text}") {functions})"#);
        assert_eq!(texts(&wat).len(), TOKENS_MAX);
        assert_eq!(tokens(b"\0asm\x01\0\0\0\x0b\xff"), Vec::<Vec<u8>>::new());
    }
}
