//! Formulas of numbers, `+ - * /` and parentheses, read here instead of by `Function`.

use crate::{JsError, refused};
use wasm_bindgen::prelude::*;

/// Parentheses within parentheses.
const DEPTH_MAX: u32 = 64;

/// Works a formula out.
#[wasm_bindgen]
pub fn calc(formula: Vec<u8>) -> Result<f64, JsError> {
    worked_out(&formula).ok_or_else(|| refused("no formula of numbers, + - * / and parentheses"))
}

/// The formula's value; none for what is no formula.
pub fn worked_out(formula: &[u8]) -> Option<f64> {
    let mut rest = formula;
    let value = sum(&mut rest, 0)?;
    skip(&mut rest);
    rest.is_empty().then_some(value)
}

fn skip(rest: &mut &[u8]) {
    *rest = rest.trim_ascii_start();
}

/// The next byte, if it is one of these.
fn take(rest: &mut &[u8], wanted: &[u8]) -> Option<u8> {
    skip(rest);
    let (first, others) = rest.split_first().filter(|(first, _)| wanted.contains(first))?;
    *rest = others;
    Some(*first)
}

fn sum(rest: &mut &[u8], depth: u32) -> Option<f64> {
    let mut value = product(rest, depth)?;
    while let Some(operator) = take(rest, b"+-") {
        let right = product(rest, depth)?;
        value = if operator == b'+' { value + right } else { value - right };
    }
    Some(value)
}

fn product(rest: &mut &[u8], depth: u32) -> Option<f64> {
    let mut value = factor(rest, depth)?;
    while let Some(operator) = take(rest, b"*/") {
        let right = factor(rest, depth)?;
        value = if operator == b'*' { value * right } else { value / right };
    }
    Some(value)
}

fn factor(rest: &mut &[u8], depth: u32) -> Option<f64> {
    if depth > DEPTH_MAX {
        return None;
    }
    match take(rest, b"(-") {
        Some(b'(') => {
            let value = sum(rest, depth + 1)?;
            take(rest, b")").map(|_| value)
        }
        Some(_) => factor(rest, depth + 1).map(|value| -value),
        None => number(rest),
    }
}

fn number(rest: &mut &[u8]) -> Option<f64> {
    let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(rest.len());
    let (digits, others) = rest.split_at(end);
    *rest = others;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
