//! Which secrets are tried. Random ones alone miss comparisons, where nearly all of them differ in the first byte: so
//! there are secrets that equal what is public, that are one bit or byte away from it, and that are valid text.

use crate::executors::host::Random;
use crate::target::{Field, Script, Secrecy};
use std::collections::BTreeSet;

/// Alphabets of text that secrets may be: hexadecimal, base64, digits, and any printable character.
const ALPHABETS: &[&[u8]] = &[
    b"0123456789abcdef",
    b"0123456789ABCDEF",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    b"0123456789",
    b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
];
/// Values of whole numbers and of repeated bytes at which code tends to change its mind.
const BOUNDARIES: &[u64] = &[
    1,
    2,
    3,
    7,
    8,
    9,
    10,
    15,
    16,
    31,
    32,
    63,
    64,
    100,
    127,
    128,
    129,
    255,
    256,
    1000,
    1664,
    1665,
    3328,
    3329,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 32,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Up to `count` distinct secrets for the public fields and field lengths of `base` (values of all fields of the
/// script); each is a concatenation of all secret fields. The first is that of `base`; those of `known` inputs, which
/// open paths that others do not, are among them.
pub fn secrets(script: &Script, base: &[Vec<u8>], known: &[Vec<Vec<u8>>], count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let secret = of(script, base);
    let len = secret.len();
    let lens: Vec<usize> = fields(script, base, Secrecy::Secret).map(|(_, value)| value.len()).collect();
    let mut strategies: Vec<Box<dyn Iterator<Item = Vec<u8>> + '_>> = Vec::new();
    let equals = equal_to_public(script, base);
    let nearby = equals.first().unwrap_or(&secret).clone();
    let plain = [secret.clone(), vec![0; len], vec![0xff; len]];
    strategies.push(Box::new(plain.into_iter().chain(equals)));
    // What the search found is worth looking around: it is valid, or nearly, where little else is.
    let mut found: Vec<Vec<u8>> = known.iter().map(|values| fitted(script, base, values)).collect();
    found.push(secret.clone());
    let around = found.clone();
    strategies.push(Box::new(found.into_iter()));
    let turns = places(len).into_iter().flat_map(move |at| around.clone().into_iter().map(move |near| (near, at)));
    strategies.push(Box::new(turns.map(|(near, at)| changed(&near, at, |byte| byte ^ 1))));
    // Every other one ends or begins with a small number: paddings, lengths and counts stand in one byte.
    let mut stream = Random::new(random.draw());
    let randoms = (0..count).map(move |turn| {
        let bytes = stream.bytes(len);
        match (turn % 6, len) {
            (_, 0) | (0 | 2 | 4, _) => bytes,
            (5, _) => changed(&bytes, 0, |_| (turn / 2 % 16 + 1) as u8),
            _ => changed(&bytes, len - 1, |_| (turn / 2 % 16 + 1) as u8),
        }
    });
    strategies.push(Box::new(randoms));
    // One byte off, the last, first and middle one first; one bit off, those last: together they reach every position
    // of sixteen bytes among a hundred secrets.
    let places = places(len);
    let near = nearby.clone();
    let byte_off = places.clone().into_iter().map(move |at| changed(&near, at, |byte| byte ^ 0xff));
    strategies.push(Box::new(byte_off));
    let near = nearby;
    let bit_off = places.clone().into_iter().rev().map(move |at| changed(&near, at, |byte| byte ^ 1 << (at % 8)));
    strategies.push(Box::new(bit_off));
    let one_hot = places.into_iter().map(move |at| changed(&vec![0; len], at, |_| [0x80, 1, 0xff][at % 3]));
    strategies.push(Box::new(one_hot));
    let mut stream = Random::new(random.draw());
    let texts = ALPHABETS
        .iter()
        .cycle()
        .take(4 * count)
        .map(move |alphabet| (0..len).map(|_| alphabet[stream.below(alphabet.len())]).collect::<Vec<u8>>());
    strategies.push(Box::new(texts));
    // A boundary in one field, the others as random says: numbers little-endian, longer fields filled with the byte.
    let mut stream = Random::new(random.draw());
    let boundaries = BOUNDARIES.iter().enumerate().map(move |(turn, boundary)| {
        let mut secret = Vec::with_capacity(len);
        for (index, field) in lens.iter().enumerate() {
            match *field {
                1..=8 if index == turn % lens.len() || lens.len() == 1 => {
                    secret.extend(&boundary.to_le_bytes()[..*field]);
                }
                1..=8 => secret.extend(stream.bytes(*field)),
                field => secret.extend(std::iter::repeat_n(*boundary as u8, field)),
            }
        }
        secret
    });
    strategies.push(Box::new(boundaries));
    in_turns(strategies, count)
}

/// One of each strategy after the other, without repeats.
fn in_turns(mut strategies: Vec<Box<dyn Iterator<Item = Vec<u8>> + '_>>, count: usize) -> Vec<Vec<u8>> {
    let (mut seen, mut list) = (BTreeSet::new(), Vec::new());
    while list.len() < count && !strategies.is_empty() {
        strategies.retain_mut(|strategy| match strategy.next() {
            Some(secret) => {
                if list.len() < count && seen.insert(secret.clone()) {
                    list.push(secret);
                }
                true
            }
            None => false,
        });
    }
    list
}

/// The secret fields, one after the other.
pub fn of(script: &Script, values: &[Vec<u8>]) -> Vec<u8> {
    fields(script, values, Secrecy::Secret).flat_map(|(_, value)| value.clone()).collect()
}

/// The secret of other values, cut or extended with zeroes to the lengths that those of `base` have.
fn fitted(script: &Script, base: &[Vec<u8>], values: &[Vec<u8>]) -> Vec<u8> {
    let pairs = fields(script, base, Secrecy::Secret).zip(fields(script, values, Secrecy::Secret));
    let fit = |((_, base), (_, value)): ((&Field, &Vec<u8>), (&Field, &Vec<u8>))| {
        let mut value = value.clone();
        value.resize(base.len(), 0);
        value
    };
    pairs.flat_map(fit).collect()
}

/// The values of all fields with the secret ones replaced.
pub fn with(script: &Script, values: &[Vec<u8>], secret: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = secret;
    let replace = |(field, value): (&Field, &Vec<u8>)| match field.secrecy {
        Secrecy::Public => value.clone(),
        Secrecy::Secret => {
            let (mine, others) = rest.split_at(value.len().min(rest.len()));
            rest = others;
            mine.to_vec()
        }
    };
    script.fields.iter().zip(values).map(replace).collect()
}

/// Fields of one kind with their values.
pub fn fields<'a>(
    script: &'a Script,
    values: &'a [Vec<u8>],
    secrecy: Secrecy,
) -> impl Iterator<Item = (&'a Field, &'a Vec<u8>)> {
    script.fields.iter().zip(values).filter(move |(field, _)| field.secrecy == secrecy)
}

/// Every secret field filled with the bytes of a public one, for each public field.
fn equal_to_public(script: &Script, base: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let publics = fields(script, base, Secrecy::Public).filter(|(_, value)| !value.is_empty());
    let equal = publics.map(|(_, public)| {
        let secrets = fields(script, base, Secrecy::Secret);
        secrets.flat_map(|(_, secret)| public.iter().copied().cycle().take(secret.len())).collect()
    });
    equal.collect()
}

/// Positions: the last, the first and the middle one, then all, spread out evenly.
fn places(len: usize) -> Vec<usize> {
    let mut order: Vec<usize> = [len.checked_sub(1), Some(0), Some(len / 2)].into_iter().flatten().collect();
    // A stride that shares no factor with the length visits every position once.
    let gcd = |mut a: usize, mut b: usize| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let stride = (len * 5 / 8).max(1);
    let stride = (stride..).find(|stride| len == 0 || gcd(*stride, len) == 1).unwrap_or(1);
    order.extend((0..len).map(|turn| (turn + 1) * stride % len));
    let mut seen = BTreeSet::new();
    order.retain(|at| *at < len && seen.insert(*at));
    order
}

fn changed(bytes: &[u8], at: usize, change: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = change(bytes[at]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Call, Field};

    fn script(fields: &[(Secrecy, u32)]) -> Script {
        let field = |(secrecy, len): &(Secrecy, u32)| Field { secrecy: *secrecy, min: *len, max: *len };
        Script { text: String::new(), calls: Vec::<Call>::new(), fields: fields.iter().map(field).collect() }
    }

    #[test]
    fn there_are_secrets_that_equal_the_public_value_and_some_one_byte_away() {
        let script = script(&[(Secrecy::Secret, 16), (Secrecy::Public, 16)]);
        let public: Vec<u8> = (100..116).collect();
        let base = vec![vec![9; 16], public.clone()];
        let list = secrets(&script, &base, &[], 100, 1);
        assert_eq!(list.len(), 100);
        assert_eq!(list[0], vec![9; 16]);
        assert!(list.contains(&public) && list.contains(&vec![0; 16]) && list.contains(&vec![255; 16]));
        let away = |secret: &&Vec<u8>| secret.iter().zip(&public).filter(|(a, b)| a != b).count() == 1;
        let positions: BTreeSet<usize> = list
            .iter()
            .filter(away)
            .filter_map(|secret| secret.iter().zip(&public).position(|(a, b)| a != b))
            .collect();
        assert_eq!(positions.len(), 16);
        // A padding's length, and no such padding.
        let small = |secret: &&Vec<u8>| (1..=16).contains(&secret[15]) && secret[14] > 16;
        assert!(list.iter().filter(small).count() >= 3);
        assert_eq!(list, secrets(&script, &base, &[], 100, 1));
        assert_ne!(list, secrets(&script, &base, &[], 100, 2));
        let known = vec![vec![7; 16], public];
        assert!(secrets(&script, &base, &[known], 4, 1).contains(&vec![7; 16]));
    }

    #[test]
    fn fields_are_taken_apart_and_put_together() {
        let script = script(&[(Secrecy::Secret, 2), (Secrecy::Public, 1), (Secrecy::Secret, 3)]);
        let base = vec![vec![1, 2], vec![3], vec![4, 5, 6]];
        assert_eq!(of(&script, &base), [1, 2, 4, 5, 6]);
        assert_eq!(with(&script, &base, &[9, 8, 7, 6, 5]), [vec![9, 8], vec![3], vec![7, 6, 5]]);
        assert!(secrets(&script, &base, &[], 64, 3).iter().all(|secret| secret.len() == 5));
    }

    #[test]
    fn small_and_empty_secrets_do_not_run_dry() {
        let one = script(&[(Secrecy::Secret, 1)]);
        let all: BTreeSet<Vec<u8>> = secrets(&one, &[vec![7]], &[], 300, 1).into_iter().collect();
        assert!(all.len() > 100);
        let none = script(&[(Secrecy::Secret, 0)]);
        assert_eq!(secrets(&none, &[Vec::new()], &[], 10, 1), [Vec::<u8>::new()]);
    }
}
