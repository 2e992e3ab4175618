//! What a module imports: functions get stubs made from their types, with values from the seeded stream, and are logged.

use super::host::HostState;
use crate::HarnessError;
use wasmtime::{Caller, ExternType, Linker, Module, Val, ValType};

/// Defines every function that the module imports.
pub fn define(linker: &mut Linker<HostState>, name: &str, module: &Module) -> Result<(), HarnessError> {
    linker.allow_shadowing(true);
    let functions = module.imports().filter_map(|import| match import.ty() {
        ExternType::Func(ty) => Some((import, ty)),
        _ => None,
    });
    for (index, (import, ty)) in functions.enumerate() {
        let results = ty.clone();
        let stub = move |mut caller: Caller<'_, HostState>, arguments: &[Val], places: &mut [Val]| {
            caller.data_mut().calls.record(index, arguments.iter().map(raw_bits))?;
            for (place, ty) in places.iter_mut().zip(results.results()) {
                *place = made_up(&ty, caller.data_mut().random.next());
            }
            Ok(())
        };
        linker.func_new(import.module(), import.name(), ty, stub).map_err(|error| {
            HarnessError::module(name, format_args!("import {}.{}: {error:#}", import.module(), import.name()))
        })?;
    }
    Ok(())
}

/// The bits of a number; 0 for references.
pub fn raw_bits(value: &Val) -> u64 {
    match value {
        Val::I32(value) => u64::from(*value as u32),
        Val::I64(value) => *value as u64,
        Val::F32(bits) => u64::from(*bits),
        Val::F64(bits) => *bits,
        Val::V128(value) => value.as_u128() as u64,
        _ => 0,
    }
}

/// A value of that type: small numbers, since most are lengths, handles or error codes; null for references.
pub fn made_up(ty: &ValType, random: u64) -> Val {
    match ty {
        ValType::I32 => Val::I32((random & 0xff) as i32),
        ValType::I64 => Val::I64((random & 0xff) as i64),
        ValType::F32 => Val::F32(((random & 0xff) as f32).to_bits()),
        ValType::F64 => Val::F64(((random & 0xff) as f64).to_bits()),
        ValType::V128 => Val::V128(u128::from(random & 0xff).into()),
        ValType::Ref(ty) => Val::null_ref(ty.heap_type()),
    }
}
