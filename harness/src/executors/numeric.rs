//! Driver of the ABI `numeric`: the input encodes a sequence of calls to exports that take numbers.
//!
//! Each call is one byte that picks the export (where there are several), then for every parameter one byte that picks
//! an interesting value or announces a raw one, and the raw value itself, little-endian: compare operands can be
//! copied straight into the input. Results are the output.

use super::abi::{Returned, initialisers};
use super::host::HostState;
use crate::HarnessError;
use crate::target::{Shape, Target};
use arbitrary::Unstructured;
use wasmtime::{Func, Instance, Store, TypedFunc, Val, ValType};

/// Calls in one execution: enough for protocols of a few steps, and bounded like everything.
pub const CALLS_MAX: usize = 64;
/// Entry that stands for all exports.
pub const ALL: &str = "*";
/// Selector bytes from here on announce a raw value.
const RAW_FROM: u8 = 64;

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

/// The functions of one instance.
pub struct Numeric {
    functions: Vec<Callee>,
    initialisers: Vec<TypedFunc<(), ()>>,
}

struct Callee {
    func: Func,
    params: Vec<ValType>,
    results: usize,
}

impl Numeric {
    /// Finds the exports. Runs nothing.
    pub fn resolve(
        store: &mut Store<HostState>,
        instance: &Instance,
        target: &Target,
        entry: &str,
    ) -> Result<Self, HarnessError> {
        let names: Vec<String> = match (entry, &*target.shape) {
            (ALL, Shape::Core(shape)) => shape.numeric().into_iter().map(|function| function.name.clone()).collect(),
            (ALL, Shape::Component(_)) => Vec::new(),
            (entry, _) => vec![entry.to_owned()],
        };
        let mut functions = Vec::new();
        for name in &names {
            let func = instance.get_func(&mut *store, name).ok_or_else(|| {
                HarnessError::module(&target.name, format_args!("{name:?} is not an exported function"))
            })?;
            let ty = func.ty(&*store);
            let is_number = |ty: ValType| matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64);
            if !ty.params().all(is_number) || !ty.results().all(is_number) {
                return Err(HarnessError::module(
                    &target.name,
                    format_args!("{name:?} takes or gives more than numbers: its type is {ty}"),
                ));
            }
            functions.push(Callee { func, params: ty.params().collect(), results: ty.results().len() });
        }
        if functions.is_empty() {
            return Err(HarnessError::module(&target.name, "exports no function that takes numbers only"));
        }
        Ok(Self { functions, initialisers: initialisers(store, instance) })
    }

    /// Runs the initialisers.
    pub fn prepare(&self, store: &mut Store<HostState>) -> wasmtime::Result<()> {
        self.initialisers.iter().try_for_each(|initialise| initialise.call(&mut *store, ()))
    }

    /// Makes the calls that the input describes, one after the other, on the same instance.
    pub fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        let mut rest = Unstructured::new(input);
        let mut arguments = Vec::new();
        let mut results = Vec::new();
        for _ in 0..CALLS_MAX {
            let Some(callee) = self.next_call(&mut rest, &mut arguments) else { break };
            results.clear();
            results.resize(callee.results, Val::I32(0));
            callee.func.call(&mut *store, &arguments, &mut results)?;
            for result in &results {
                push_result(store.data_mut(), result)?;
            }
        }
        Ok(Returned { rejected: false })
    }

    /// The next call, or nothing once the input has ended. A call that is cut short takes zeroes.
    fn next_call(&self, rest: &mut Unstructured<'_>, arguments: &mut Vec<Val>) -> Option<&Callee> {
        if rest.is_empty() {
            return None;
        }
        let index = match self.functions.len() {
            1 => 0,
            count => rest.int_in_range(0..=count - 1).ok()?,
        };
        let callee = &self.functions[index];
        arguments.clear();
        for ty in &callee.params {
            arguments.push(value(rest, ty).ok()?);
        }
        Some(callee)
    }
}

fn value(rest: &mut Unstructured<'_>, ty: &ValType) -> arbitrary::Result<Val> {
    let selector: u8 = rest.arbitrary()?;
    let integer = INTEGERS[usize::from(selector) % INTEGERS.len()];
    let float = FLOATS[usize::from(selector) % FLOATS.len()];
    let raw = selector >= RAW_FROM;
    Ok(match ty {
        ValType::I32 => Val::I32(if raw { rest.arbitrary()? } else { integer as i32 }),
        ValType::I64 => Val::I64(if raw { rest.arbitrary()? } else { integer }),
        ValType::F32 => Val::F32(if raw { rest.arbitrary()? } else { (float as f32).to_bits() }),
        _ => Val::F64(if raw { rest.arbitrary()? } else { float.to_bits() }),
    })
}

/// NaNs are written alike: which one an operation gives is not defined.
fn push_result(state: &mut HostState, value: &Val) -> wasmtime::Result<()> {
    match *value {
        Val::I32(value) => state.push_output(&value.to_le_bytes()),
        Val::I64(value) => state.push_output(&value.to_le_bytes()),
        Val::F32(bits) if f32::from_bits(bits).is_nan() => state.push_output(&f32::NAN.to_le_bytes()),
        Val::F32(bits) => state.push_output(&bits.to_le_bytes()),
        Val::F64(bits) if f64::from_bits(bits).is_nan() => state.push_output(&f64::NAN.to_le_bytes()),
        Val::F64(bits) => state.push_output(&bits.to_le_bytes()),
        _ => Ok(()),
    }
}
