//! Which public inputs secrets are tried with: plain ones, and those that open other paths of the code, found by a
//! coverage-guided search over all fields, the secret ones included.

use super::secrets::fields;
use crate::HarnessError;
use crate::engine::{self, Clock, Event, Guest, Options, Stop};
use crate::executors::host::Random;
use crate::executors::{Engine, Reset};
use crate::instrument::dictionary;
use crate::target::{Field, Script, Secrecy, Target};
use std::collections::BTreeSet;

/// Bytes of every variable field but the first input's longest, where nothing else is known.
const TYPICAL_BYTES: u32 = 48;
/// Bytes in front of a field whose length varies.
const PREFIX_BYTES: u64 = 2;

/// Values of all fields for the first executions: random, all zero, and shorter where lengths vary.
pub fn plain(script: &Script, seed: u64) -> Vec<Vec<Vec<u8>>> {
    let mut random = Random::new(seed ^ 0x7075_626c);
    let long = |field: &Field| field.max.min(TYPICAL_BYTES.max(field.min)) as usize;
    let mut list = vec![
        script.fields.iter().map(|field| random.bytes(long(field))).collect::<Vec<_>>(),
        script.fields.iter().map(|field| vec![0; long(field)]).collect(),
    ];
    if script.fields.iter().any(|field| field.min < field.max) {
        list.push(script.fields.iter().map(|field| random.bytes(field.min as usize)).collect());
        let half = |field: &Field| ((field.min + field.max) / 2).min(long(field) as u32) as usize;
        list.push(script.fields.iter().map(|field| random.bytes(half(field))).collect());
    }
    list
}

/// Inputs that a short search found to open new edges, in the order in which it did.
///
/// # Errors
/// Of the engine: a module that cannot be run at all.
pub fn searched(
    engine: &Engine,
    target: &Target,
    entry: &str,
    script: &Script,
    seeds: Vec<Vec<u8>>,
    executions_max: u64,
    seed: u64,
) -> Result<Vec<Vec<u8>>, HarnessError> {
    let bytes: u64 = script.fields.iter().map(|field| u64::from(field.max) + PREFIX_BYTES).sum();
    let options = Options {
        seed,
        input_bytes_max: bytes.min(u64::from(target.limits.input_bytes_max)) as usize,
        seeds: seeds.clone(),
        module_tokens: dictionary::tokens(&target.wasm),
        stop: Stop { executions_max: Some(executions_max), ..Stop::default() },
        clock: Clock::Ignored,
        ..Options::default()
    };
    let mut guest = Guest::new(engine, target, entry, Reset::Dirty, &target.limits)?;
    let mut found = seeds;
    engine::fuzz(&mut guest, &options, &mut |event| {
        if let Event::NewEntry { input, new_edge: true } = event {
            found.push(input.to_vec());
        }
    })?;
    Ok(found)
}

/// Public inputs beside one that is worth it: a byte of each public field changed, last, first and in the middle. What an
/// input solved (a tag that is right for its secret) is then wrong, but late.
pub fn beside(script: &Script, values: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    let mut list = Vec::new();
    for (index, field) in script.fields.iter().enumerate() {
        let len = values[index].len();
        if field.secrecy != Secrecy::Public || len == 0 {
            continue;
        }
        let places: BTreeSet<usize> = [len - 1, 0, len / 2].into();
        for at in places.into_iter().rev() {
            let mut values = values.to_vec();
            values[index][at] ^= 1;
            list.push(values);
        }
    }
    list
}

/// What distinguishes public inputs: the public fields, and the lengths of the secret ones.
pub fn key(script: &Script, values: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<usize>) {
    let publics = fields(script, values, Secrecy::Public).map(|(_, value)| value.clone()).collect();
    (publics, fields(script, values, Secrecy::Secret).map(|(_, value)| value.len()).collect())
}
