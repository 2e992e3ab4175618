//! Driver of the ABI `numeric`: the input encodes a sequence of calls to exports that take numbers (`target/calls.rs` says
//! how). Results are the output.

use super::abi::{Returned, initialisers};
use super::host::HostState;
use crate::HarnessError;
use crate::target::{Calls, Function, Number, Target};
use wasmparser::ValType;
use wasmtime::{Func, Instance, Store, TypedFunc, Val};

/// The functions of one instance.
pub struct Numeric {
    functions: Vec<Function>,
    callees: Vec<Func>,
    initialisers: Vec<TypedFunc<(), ()>>,
}

impl Numeric {
    /// Finds the exports. Runs nothing.
    pub fn resolve(
        store: &mut Store<HostState>,
        instance: &Instance,
        target: &Target,
        entry: &str,
    ) -> Result<Self, HarnessError> {
        let fail = |message: String| HarnessError::module(&target.name, message);
        let functions = target.called(entry);
        let mut callees = Vec::new();
        for Function { name, params, results } in &functions {
            let is_number = |ty| matches!(ty, &ValType::I32 | &ValType::I64 | &ValType::F32 | &ValType::F64);
            if !params.iter().chain(results).all(is_number) {
                return Err(fail(format!("{name:?} takes or gives more than numbers: {params:?} -> {results:?}")));
            }
            let func = instance.get_func(&mut *store, name);
            callees.push(func.ok_or_else(|| fail(format!("{name:?} is not an exported function")))?);
        }
        if functions.is_empty() {
            return Err(fail(format!("exports no function {entry:?} that takes numbers only")));
        }
        Ok(Self { functions, callees, initialisers: initialisers(store, instance) })
    }

    /// Runs the initialisers.
    pub fn prepare(&self, store: &mut Store<HostState>) -> wasmtime::Result<()> {
        self.initialisers.iter().try_for_each(|initialise| initialise.call(&mut *store, ()))
    }

    /// Makes the calls that the input describes, one after the other, on the same instance.
    pub fn call(&self, store: &mut Store<HostState>, input: &[u8]) -> wasmtime::Result<Returned> {
        let mut calls = Calls::new(input);
        let (mut numbers, mut arguments, mut results) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(index) = calls.next_call(&self.functions, &mut numbers) {
            arguments.clear();
            arguments.extend(numbers.iter().map(|number| match *number {
                Number::I32(value) => Val::I32(value),
                Number::I64(value) => Val::I64(value),
                Number::F32(bits) => Val::F32(bits),
                Number::F64(bits) => Val::F64(bits),
            }));
            results.clear();
            results.resize(self.functions[index].results.len(), Val::I32(0));
            self.callees[index].call(&mut *store, &arguments, &mut results)?;
            for result in &results {
                push_result(store.data_mut(), result)?;
            }
        }
        Ok(Returned { rejected: false })
    }
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
