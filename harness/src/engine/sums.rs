//! Equations over input bytes: sums (any order of bytes, any offset, any radix, any odd factor), and xors of bits.

use super::facts::{Fact, Relation};

/// How a target's operands answered to a change of one byte by one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dependence {
    pub(super) at: usize,
    pub(super) step: u8,
    pub(super) left: u64,
    pub(super) right: u64,
}

/// Solves `left = right`, as `goal` has them, where both are sums over bytes: each byte's weight is what a change by one did. Digit by digit
/// from the largest weight down, within `values`. The caller tries whether it is true.
pub(super) fn solve_sum(
    input: &[u8],
    fact: &Fact,
    goal: &Fact,
    dependences: &[Dependence],
    values: std::ops::RangeInclusive<u8>,
) -> Option<Vec<(usize, u8)>> {
    if fact.relation == Relation::Float {
        return None;
    }
    let unused = 64 - 8 * u32::from(fact.width);
    let extend = |value: u64| i128::from(((value << unused) as i64) >> unused);
    let (low, high) = (i128::from(*values.start()), i128::from(*values.end()));
    let mut digits: Vec<(i128, usize)> = dependences
        .iter()
        .map(|dependence| {
            let change =
                dependence.left.wrapping_sub(fact.left).wrapping_sub(dependence.right.wrapping_sub(fact.right));
            let weight = extend(change) * if dependence.step == 1 { 1 } else { -1 };
            (weight, dependence.at)
        })
        .filter(|(weight, _)| *weight != 0)
        .collect();
    if digits.iter().any(|(_, at)| !values.contains(&input[*at])) {
        return None;
    }
    let modulus = 1i128 << (8 * u32::from(fact.width));
    let gap = extend(goal.right.wrapping_sub(goal.left));
    if let Some(solution) = solve_digits(input, &mut digits, gap, modulus, low, high) {
        return Some(solution);
    }
    // A sum that was multiplied (a hash) is one again once the factor is divided out, modulo 2^width.
    let factor = digits.iter().map(|(weight, _)| *weight as u64).min_by_key(|weight| weight.trailing_zeros())?;
    let inverse = inverse(factor >> factor.trailing_zeros());
    for (weight, _) in &mut digits {
        *weight = extend((*weight as u64).wrapping_mul(inverse));
    }
    solve_digits(input, &mut digits, extend((gap as u64).wrapping_mul(inverse)), modulus, low, high)
}

/// Closes a gap digit by digit, from the largest weight down.
fn solve_digits(
    input: &[u8],
    digits: &mut [(i128, usize)],
    gap: i128,
    modulus: i128,
    low: i128,
    high: i128,
) -> Option<Vec<(usize, u8)>> {
    digits.sort_by_key(|(weight, _)| std::cmp::Reverse(weight.abs()));
    // The gap modulo 2^width: the nearest of three, so that sums that wrap are solved too.
    for gap in [gap, gap - modulus, gap + modulus] {
        // From everything at its lowest effect upwards: then every digit only adds.
        let mut rest = gap;
        for (weight, at) in digits.iter() {
            let old = i128::from(input[*at]);
            rest -= if *weight > 0 { weight * (low - old) } else { weight * (high - old) };
        }
        let mut solution = Vec::with_capacity(digits.len());
        for (weight, at) in digits.iter() {
            let size = weight.abs();
            let steps = (rest / size).clamp(0, high - low);
            rest -= steps * size;
            let value = if *weight > 0 { low + steps } else { high - steps };
            solution.push((*at, value as u8));
        }
        if rest == 0 && !solution.is_empty() {
            return Some(solution);
        }
    }
    None
}

/// The number that an odd one has to be multiplied by to make 1, modulo 2^64.
fn inverse(odd: u64) -> u64 {
    // Newton's step doubles the bits that are right; an odd number is its own inverse in the lowest three.
    (0..5).fold(odd, |inverse, _| inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse))))
}

/// Finds flips whose effects xor to `goal`, preferring early columns.
pub(super) fn eliminate(columns: &[(u64, usize, u8)], goal: u64) -> Option<Vec<(usize, u8)>> {
    // Each row of the basis: a value with a leading bit of its own, and the set of columns that make it.
    let mut basis: Vec<(u64, Vec<usize>)> = Vec::new();
    let reduce = |basis: &[(u64, Vec<usize>)], mut value: u64, mut made_of: Vec<usize>| {
        for (row, columns) in basis {
            if value & (1 << (63 - row.leading_zeros())) != 0 {
                value ^= row;
                for column in columns {
                    match made_of.iter().position(|known| known == column) {
                        Some(at) => drop(made_of.swap_remove(at)),
                        None => made_of.push(*column),
                    }
                }
            }
        }
        (value, made_of)
    };
    for (index, (effect, _, _)) in columns.iter().enumerate() {
        let (value, made_of) = reduce(&basis, *effect, vec![index]);
        if value != 0 {
            let at = basis.partition_point(|(row, _)| *row > value);
            basis.insert(at, (value, made_of));
        }
    }
    let (rest, made_of) = reduce(&basis, goal, Vec::new());
    (rest == 0).then(|| made_of.into_iter().map(|column| (columns[column].1, columns[column].2)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Relation;

    /// The factor of Fibonacci hashing.
    const MIXER: i64 = 2_654_435_761;

    fn fact(left: u64, right: u64) -> Fact {
        Fact { site: 0, relation: Relation::Equality, occurrence: 1, width: 4, left, right }
    }

    /// Dependences of a sum with these weights.
    fn dependences(base: &Fact, weights: &[i64]) -> Vec<Dependence> {
        let change = |(at, weight): (usize, &i64)| Dependence {
            at,
            step: 1,
            left: u64::from((base.left as u32).wrapping_add(*weight as u32)),
            right: base.right,
        };
        weights.iter().enumerate().filter(|(_, weight)| **weight != 0).map(change).collect()
    }

    #[test]
    fn sums_are_solved_in_any_order_offset_and_radix() {
        let cases: &[(&[u8], &[i64], u32, u32)] = &[
            (b"abcd", &[1, 1 << 8, 1 << 16, 1 << 24], 0, 0x1234_5678),
            (b"abcd", &[1 << 24, 1 << 16, 1 << 8, 1], 77, 0xfedc_ba98),
            (b"abc", &[1, 251, 251 * 251], 0, b'F' as u32 + 251 * b'U' as u32 + 251 * 251 * b'Z' as u32),
            (b"x", &[1], 5, b'M' as u32),
            (b"ab", &[-1, -256], 70_000, 5_000),
            (b"ab", &[0, 1], 0, 200),
            (b"abcd", &[MIXER, MIXER << 8, MIXER << 16, MIXER << 24], 3, 0x0f1e_2d3c),
            (b"abcd", &[MIXER << 24, MIXER << 16, MIXER << 8, MIXER], 0, 0xffff_fffe),
        ];
        for (input, weights, offset, goal) in cases {
            let value = |bytes: &[u8]| {
                bytes
                    .iter()
                    .zip(*weights)
                    .fold(*offset, |sum, (byte, weight)| sum.wrapping_add((i64::from(*byte) * weight) as u32))
            };
            let base = fact(u64::from(value(input)), u64::from(*goal));
            let solution = solve_sum(input, &base, &base, &dependences(&base, weights), 0..=255)
                .unwrap_or_else(|| panic!("{weights:?}"));
            let mut solved = input.to_vec();
            for (at, byte) in solution {
                solved[at] = byte;
            }
            assert_eq!(value(&solved), *goal, "{weights:?}");
        }
    }

    #[test]
    fn sums_that_cannot_meet_are_given_up() {
        let base = fact(0, 1000);
        assert_eq!(solve_sum(b"\0", &base, &base, &dependences(&base, &[1]), 0..=255), None);
        let digits = fact(11, 66);
        let solution = solve_sum(b"11", &digits, &digits, &dependences(&digits, &[10, 1]), b'0'..=b'9');
        assert_eq!(solution, Some(vec![(0, b'6'), (1, b'6')]));
    }

    #[test]
    fn elimination_finds_flips_and_prefers_early_columns() {
        let columns = [(0b001, 0, 0), (0b010, 0, 1), (0b100, 0, 2), (0b111, 9, 9)];
        let mut flips = eliminate(&columns, 0b111).unwrap();
        flips.sort_unstable();
        assert_eq!(flips, [(0, 0), (0, 1), (0, 2)]);
        assert_eq!(eliminate(&[(0b011, 1, 1), (0b001, 2, 2)], 0b010).unwrap().len(), 2);
        assert_eq!(eliminate(&columns[..2], 0b100), None);
    }
}
